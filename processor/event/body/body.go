// Package body reads what is special to a type of event of which there are few, by encoding/json; package event has read the envelope. Types of which there
// are many are decoded there.
package body

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tillstream/tillstream/processor/event"
)

// Bounds of what a field may say, in bytes.
const (
	MaxName = 128 // an id, or an enumerated value
	MaxText = 2000
)

// year2000 is the first instant that is believed, ms.
const year2000 = 946_684_800_000

// Unmarshal reads a JSON object into a struct.
func Unmarshal(value []byte, into any) *event.Rejection {
	err := json.Unmarshal(value, into)
	var mistyped *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &mistyped):
		return &event.Rejection{Reason: event.ReasonWrongType, Field: mistyped.Field, Expected: kindOf(mistyped)}
	}
	return &event.Rejection{Reason: event.ReasonMalformed, Expected: "one JSON object"}
}

func kindOf(e *json.UnmarshalTypeError) string {
	switch e.Type.Kind().String() {
	case "string":
		return "a string"
	case "int64":
		return "a whole number"
	case "float64":
		return "a number"
	case "slice":
		return "an array"
	}
	return "an object"
}

// Reader takes fields one by one; the first that is wrong stays in Rejection.
type Reader struct {
	Rejection *event.Rejection
	hidden    bool // escapes may hide the digits of a card number, which was masked elsewhere
}

// NewReader makes a Reader for the fields of a whole event.
func NewReader(value []byte) Reader { return Reader{hidden: bytes.IndexByte(value, '\\') >= 0} }

// Reject says what is wrong with a field.
func (r *Reader) Reject(reason event.Reason, field, expected string) {
	if r.Rejection == nil {
		r.Rejection = &event.Rejection{Reason: reason, Field: field, Expected: expected}
	}
}

// Text takes a string of at most so many bytes.
func (r *Reader) Text(field, s string, most int) string {
	switch {
	case len(s) > most:
		r.Reject(event.ReasonInvalidValue, field, fmt.Sprintf("at most %d bytes", most))
	case strings.IndexByte(s, 0) >= 0: // keys of state are parted by it
		r.Reject(event.ReasonInvalidValue, field, "no NUL")
	}
	if r.hidden {
		b := []byte(s)
		event.MaskPANs(b)
		return string(b)
	}
	return s
}

// Name takes an id or an enumerated value, which may be empty.
func (r *Reader) Name(field, s string) string { return r.Text(field, s, MaxName) }

// Required takes one that may not.
func (r *Reader) Required(field, s string) string {
	if s == "" {
		r.Reject(event.ReasonMissingField, field, "a value")
	}
	return r.Name(field, s)
}

// Instant takes an RFC 3339 time, in ms since 1970; 0 if there is none.
func (r *Reader) Instant(field, s string) int64 {
	if s == "" {
		return 0
	}
	t, err := time.Parse(time.RFC3339, s)
	switch ms := t.UnixMilli(); {
	case err != nil:
		r.Reject(event.ReasonInvalidValue, field, "a time as 2026-11-23T10:00:00.000+01:00")
	case ms < year2000 || t.Year() > 2299: // the last that a DateTime64(3) holds
		r.Reject(event.ReasonOutOfRange, field, "a time from 2000 to 2299")
	default:
		return ms
	}
	return 0
}
