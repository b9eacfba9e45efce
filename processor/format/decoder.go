package format

import (
	"fmt"
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

// Format is what a topic's records may be written in without saying so.
type Format string

// The formats.
const (
	Avro     Format = "avro"
	Protobuf Format = "protobuf"
)

// Formats lists them.
func Formats() []string { return []string{string(Avro), string(Protobuf)} }

// Mapper makes canonical JSON of payloads that are not canonical; it appends it to out. The same payload gives the same event or rejection.
// Several decoders may use one at once.
type Mapper interface {
	Map(out, payload []byte) ([]byte, *event.Rejection)
	// String is all that the result depends on, besides the payload.
	String() string
}

// Options of a Decoder.
type Options struct {
	event.Options
	Mappings map[string]Mapper // by topic, of all its records
	Topics   map[string]Format // of records that are not JSON and say nothing; JSON if a topic is not named
}

// Decoder turns records into events. It is not for several goroutines at once.
type Decoder struct {
	*event.Decoder // of canonical JSON
	opts           Options

	find        func(id int) (Schema, error)
	readers     map[int]reader // by id of the writer's schema
	avroFormat  *avroFormat    // made when it is needed
	protoFormat *protoFormat

	plain, mapped, out []byte // JSON that another format became, that a mapping made, and with the attributes of its CloudEvent; reused
	size               int
	made               bool // what was decoded last was no plain JSON record
	cloud              attributes
}

// NewDecoder makes a Decoder.
func NewDecoder(opts Options) *Decoder {
	if opts.MaxBytes == 0 {
		opts.MaxBytes = event.DefaultMaxBytes
	}
	return &Decoder{Decoder: event.NewDecoder(opts.Options), opts: opts}
}

// Record fills e with the event of a record, as event.Decoder.Decode does: card numbers are masked in the value of JSON, and what e has aliases the
// value or the decoder, until the next call. An error is of what Find was given, and says nothing about the record.
func (d *Decoder) Record(r Record, e *event.Event) (*event.Rejection, error) {
	d.size, d.made = len(r.Value), false
	if len(r.Value) > 0 && r.Value[0] == '{' && r.Headers.None() && (len(d.opts.Mappings) == 0 || d.opts.Mappings[r.Topic] == nil) {
		return d.Decode(r.Value, e), nil
	}
	return d.other(r, e)
}

// Size is how many bytes of canonical JSON the last event had.
func (d *Decoder) Size() int { return d.size }

// Lasting says that what the last event has aliases the value of its record alone, and stays when Record is called with another one.
func (d *Decoder) Lasting() bool { return !d.made && d.Decoder.Lasting() }

// other decodes what is not plainly canonical JSON.
func (d *Decoder) other(r Record, e *event.Event) (*event.Rejection, error) {
	d.made = true
	value, rejection, err := d.unwrapped(r)
	if rejection != nil || err != nil {
		e.Reset()
		return rejection, err
	}
	d.size = len(value)
	if rejection = d.Decode(value, e); rejection != nil {
		return rejection, nil
	}
	return d.cloud.contradicts(e), nil
}

// unwrapped is the canonical JSON of a record. What is empty stays empty: package event has a reason for it.
func (d *Decoder) unwrapped(r Record) (value []byte, rejection *event.Rejection, err error) {
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
	value = r.Value
	switch {
	case len(value) == 0:
		return value, nil, nil
	case len(value) > d.opts.MaxBytes:
		return nil, reject(event.ReasonTooLarge, "", fmt.Sprintf("at most %d bytes", d.opts.MaxBytes)), nil
	case isCloudEvent(contentType):
		if value, rejection = d.structured(contentType, value); rejection != nil {
			return nil, rejection, nil
		}
		contentType, binary = mediaType(d.cloud.DataContentType), true
	case !binary:
		d.cloud = attributes{} // a header of that name is not a CloudEvent yet
	}
	mapper := d.opts.Mappings[r.Topic]
	value, rejection, err = d.canonical(r.Topic, contentType, value)
	switch {
	case rejection != nil || err != nil:
	case mapper != nil: // the attributes are those of what it is made of
		d.cloud = attributes{}
		if value, rejection = mapper.Map(d.mapped[:0], value); rejection == nil {
			d.mapped = value
		}
	case binary:
		value, rejection = d.withAttributes(value)
	}
	return value, rejection, err
}

// canonical is the canonical JSON of a payload.
func (d *Decoder) canonical(topic, contentType string, payload []byte) (out []byte, r *event.Rejection, err error) {
	as := formatOf(contentType)
	switch {
	case payload[0] == 0: // neither JSON nor Avro nor Protobuf of an event begins so
		return d.confluent(payload)
	case as == "" && payload[0] != '{' && !strings.HasSuffix(contentType, "json"):
		as = d.opts.Topics[topic]
	}
	switch as {
	case Avro:
		f := d.avro()
		if out, r, err = nil, nil, f.err; err == nil {
			out, r = f.plain(d.plain[:0], payload)
		}
	case Protobuf:
		f := d.protobuf()
		if out, r, err = nil, nil, f.err; err == nil {
			out, r = f.plain(d.plain[:0], payload, d.cloud.Type)
		}
	default:
		return payload, nil, nil
	}
	if out != nil {
		d.plain = out
	}
	return out, r, err
}

// formatOf is the format that a content type names; "" if it is another one.
func formatOf(contentType string) Format {
	switch contentType {
	case "application/avro", "application/x-avro", "avro/binary":
		return Avro
	case "application/protobuf", "application/x-protobuf", "application/vnd.google.protobuf":
		return Protobuf
	}
	return ""
}

// mediaType is a content type without its parameters, in small letters.
func mediaType(contentType string) string {
	t, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(t))
}

func reject(reason event.Reason, field, expected string) *event.Rejection {
	return &event.Rejection{Reason: reason, Field: field, Expected: expected}
}
