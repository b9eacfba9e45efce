package format

import (
	"strings"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/fetch"
)

// Record is what is decoded of a record.
type Record struct {
	Topic   string
	Value   []byte
	Headers fetch.Headers
}

// Decoder turns records into events. It is not for several goroutines at once.
type Decoder struct {
	*event.Decoder // of canonical JSON

	out   []byte // canonical JSON that another format became, reused
	size  int
	cloud attributes
}

// NewDecoder makes a Decoder.
func NewDecoder(opts event.Options) *Decoder { return &Decoder{Decoder: event.NewDecoder(opts)} }

// Record fills e with the event of a record, as event.Decoder.Decode does: card numbers are masked in the value, and what e has aliases the value
// or the decoder, until the next call.
func (d *Decoder) Record(r Record, e *event.Event) *event.Rejection {
	d.size = len(r.Value)
	if len(r.Value) > 0 && r.Value[0] == '{' && r.Headers.None() {
		return d.Decode(r.Value, e)
	}
	return d.other(r, e)
}

// Size is how many bytes of canonical JSON the last event had.
func (d *Decoder) Size() int { return d.size }

// other decodes what is not plainly canonical JSON.
func (d *Decoder) other(r Record, e *event.Event) *event.Rejection {
	var contentType string
	d.cloud = attributes{}
	binary := false
	for key, value := range r.Headers.All {
		switch {
		case strings.EqualFold(key, "content-type"):
			contentType = mediaType(string(value))
		case len(key) > 3 && strings.EqualFold(key[:3], "ce_"):
			binary = d.cloud.set(key[3:], value) || binary
		}
	}
	value := r.Value
	var rejection *event.Rejection
	switch {
	case len(value) == 0: // package event has a reason for that
		return d.Decode(value, e)
	case isCloudEvent(contentType):
		value, rejection = d.structured(contentType, value)
	case binary:
		value, rejection = d.withAttributes(value)
	}
	if rejection != nil {
		e.Reset()
		return rejection
	}
	d.size = len(value)
	if rejection = d.Decode(value, e); rejection != nil {
		return rejection
	}
	return d.cloud.contradicts(e)
}

// mediaType is a content type without its parameters, in small letters.
func mediaType(contentType string) string {
	t, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(t))
}

func reject(reason event.Reason, field, expected string) *event.Rejection {
	return &event.Rejection{Reason: reason, Field: field, Expected: expected}
}
