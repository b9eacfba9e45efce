package journey

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tillstream/tillstream/processor/event"
)

// Bounds of what a step may say.
const (
	maxID       = 128               // bytes of an id or of an enumerated value
	maxText     = 2000              // bytes of a text
	maxLines    = 10_000            // of an order
	maxAmount   = 1_000_000_000_000 // minor units, as of transactions
	maxQuantity = 1_000_000_000     // of a line
	maxWindow   = 366 * 86_400      // s
)

// year2000 is the first instant that is believed, ms.
const year2000 = 946_684_800_000

// said is pos.order.v1 on the wire, but for the envelope and the customer: package event reads those, so that no clear id is ever here.
type said struct {
	OrderID       string     `json:"order_id"`
	Step          string     `json:"step"`
	Mode          string     `json:"mode"`
	OriginStoreID string     `json:"origin_store_id"`
	Currency      string     `json:"currency"`
	Amount        *int64     `json:"amount"`
	PromisedAt    string     `json:"promised_at"`
	WindowS       *int64     `json:"window_s"`
	ExpiresAt     string     `json:"expires_at"`
	Lines         []saidLine `json:"lines"`
	Reason        string     `json:"reason"`
	TransactionID string     `json:"transaction_id"`
}

type saidLine struct {
	ProductID     string   `json:"product_id"`
	Quantity      *float64 `json:"quantity"`
	Picked        *float64 `json:"picked"`
	SubstitutedBy string   `json:"substituted_by"`
}

// step is one step as the fold takes it. Nothing in it aliases the event.
type step struct {
	order       string
	kind        int // index of kinds; -1: one that this version does not know
	texts       [attributes]string
	transaction string
}

// Bodies is the function that reads the events of this package, for event.Options.
func Bodies() map[string]func(value []byte) (any, *event.Rejection) {
	return map[string]func(value []byte) (any, *event.Rejection){event.TypeOrder: Read}
}

// Read reads the body of a pos.order.v1 for a Fold, out of a whole event.
func Read(value []byte) (any, *event.Rejection) {
	var in said
	if r := unmarshal(value, &in); r != nil {
		return nil, r
	}
	r := &reader{hidden: bytes.IndexByte(value, '\\') >= 0}
	s := r.step(&in)
	if r.rejection != nil {
		return nil, r.rejection
	}
	return s, nil
}

func unmarshal(value []byte, into any) *event.Rejection {
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

// reader takes fields one by one; the first that is wrong stays.
type reader struct {
	rejection *event.Rejection
	hidden    bool // escapes may hide the digits of a card number, which was masked elsewhere
}

func (r *reader) reject(reason event.Reason, field, expected string) {
	if r.rejection == nil {
		r.rejection = &event.Rejection{Reason: reason, Field: field, Expected: expected}
	}
}

// text takes a string of at most so many bytes.
func (r *reader) text(field, s string, most int) string {
	switch {
	case len(s) > most:
		r.reject(event.ReasonInvalidValue, field, fmt.Sprintf("at most %d bytes", most))
	case strings.IndexByte(s, 0) >= 0: // keys of state are parted by it
		r.reject(event.ReasonInvalidValue, field, "no NUL")
	}
	if r.hidden {
		b := []byte(s)
		event.MaskPANs(b)
		return string(b)
	}
	return s
}

func (r *reader) name(field, s string) string { return r.text(field, s, maxID) }

func (r *reader) required(field, s string) string {
	if s == "" {
		r.reject(event.ReasonMissingField, field, "a value")
	}
	return r.name(field, s)
}

// instant takes an RFC 3339 time, in ms since 1970; 0 if there is none.
func (r *reader) instant(field, s string) int64 {
	if s == "" {
		return 0
	}
	t, err := time.Parse(time.RFC3339, s)
	switch ms := t.UnixMilli(); {
	case err != nil:
		r.reject(event.ReasonInvalidValue, field, "a time as 2026-11-23T10:00:00.000+01:00")
	case ms < year2000 || t.Year() > 2299: // the last that a DateTime64(3) holds
		r.reject(event.ReasonOutOfRange, field, "a time from 2000 to 2299")
	default:
		return ms
	}
	return 0
}

// whole takes a number from 0 on.
func (r *reader) whole(field string, n *int64, most int64) int64 {
	if n == nil {
		return 0
	}
	if *n < 0 || *n > most {
		r.reject(event.ReasonOutOfRange, field, fmt.Sprintf("0 to %d", most))
	}
	return *n
}

// thousandths takes a quantity from 0 on.
func (r *reader) thousandths(field string, q float64) int64 {
	if q < 0 || q > maxQuantity {
		r.reject(event.ReasonOutOfRange, field, fmt.Sprintf("0 to %d", maxQuantity))
		return 0
	}
	return int64(math.Round(q * 1000))
}

func (r *reader) step(in *said) *step {
	s := &step{order: r.required("order_id", in.OrderID), kind: kindNamed(r.required("step", in.Step)), transaction: r.name("transaction_id", in.TransactionID)}
	s.texts[mode], s.texts[origin] = r.name("mode", in.Mode), r.name("origin_store_id", in.OriginStoreID)
	s.texts[reason], s.texts[transaction] = r.text("reason", in.Reason, maxText), s.transaction
	if in.Currency != "" && !isCurrency(in.Currency) {
		r.reject(event.ReasonInvalidValue, "currency", "three capital letters (ISO 4217)")
	}
	if in.Amount != nil {
		if in.Currency == "" {
			r.reject(event.ReasonMissingField, "currency", "the currency of amount")
		}
		s.texts[money] = fields(in.Currency, r.whole("amount", in.Amount, maxAmount))
	}
	if at := r.instant("promised_at", in.PromisedAt); at != 0 {
		s.texts[promise] = fields(at, r.whole("window_s", in.WindowS, maxWindow))
	} else {
		r.whole("window_s", in.WindowS, maxWindow)
	}
	if at := r.instant("expires_at", in.ExpiresAt); at != 0 {
		s.texts[expiry] = fields(at)
	}
	r.lines(in.Lines, s)
	return s
}

// lines adds up what was ordered, picked and substituted: no view asks for products.
func (r *reader) lines(all []saidLine, s *step) {
	if len(all) > maxLines {
		r.reject(event.ReasonOutOfRange, "lines", fmt.Sprintf("at most %d lines", maxLines))
		return
	}
	var wanted, got, other int64
	picks := false
	for i := range all {
		l, at := &all[i], "lines["+strconv.Itoa(i)+"]."
		r.required(at+"product_id", l.ProductID)
		if l.Quantity == nil {
			r.reject(event.ReasonMissingField, at+"quantity", "a number")
			return
		}
		q := r.thousandths(at+"quantity", *l.Quantity)
		wanted += q
		if l.Picked != nil {
			picks = true
			got += r.thousandths(at+"picked", *l.Picked)
		}
		if r.name(at+"substituted_by", l.SubstitutedBy) != "" {
			picks = true
			other += q
		}
	}
	if len(all) > 0 {
		s.texts[ordered] = fields(wanted)
	}
	if picks {
		s.texts[picked] = fields(got, other)
	}
}

func isCurrency(c string) bool {
	return len(c) == 3 && c[0]-'A' < 26 && c[1]-'A' < 26 && c[2]-'A' < 26
}

// fields are values with spaces in between. None of them has one.
func fields(values ...any) string { return strings.TrimSuffix(fmt.Sprintln(values...), "\n") }
