package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"github.com/tillstream/tillstream/processor/event"
)

// attributes are those of a CloudEvent (CloudEvents 1.0.2 and its Kafka protocol binding) that canonical events have too. What is empty was not there.
type attributes struct {
	SpecVersion string `json:"specversion"`
	ID          string `json:"id"`
	Source      string `json:"source"`
	Type        string `json:"type"`
	Time        string `json:"time"`

	DataContentType string `json:"datacontenttype"` // of a structured one

	at int64 // Time, ms
}

// isCloudEvent says whether a record is a CloudEvent as a whole (structured mode): all content types of those begin so.
func isCloudEvent(contentType string) bool {
	return strings.HasPrefix(contentType, "application/cloudevents")
}

// set takes a header without its ce_; it is true for the one that makes a record a CloudEvent in binary mode.
func (a *attributes) set(name string, value []byte) bool {
	switch strings.ToLower(name) {
	case "specversion":
		a.SpecVersion = string(value)
		return true
	case "id":
		a.ID = string(value)
	case "source":
		a.Source = string(value)
	case "type":
		a.Type = string(value)
	case "time":
		a.Time = string(value)
	}
	return false
}

// check says what is wrong with attributes by themselves.
func (a *attributes) check() *event.Rejection {
	if a.SpecVersion != "1.0" {
		return reject(event.ReasonInvalidValue, "specversion", "1.0")
	}
	for _, f := range [...]struct{ name, value string }{{"id", a.ID}, {"source", a.Source}, {"type", a.Type}} {
		if f.value == "" {
			return reject(event.ReasonMissingField, f.name, "the attribute of the CloudEvent, and not empty")
		}
	}
	if a.Time == "" {
		return nil
	}
	t, ok := event.ParseTime(a.Time)
	if !ok {
		return reject(event.ReasonInvalidValue, "time", "a time as 2026-11-23T10:00:00.000+01:00")
	}
	a.at = t.Milli
	return nil
}

// contradicts compares the attributes of a CloudEvent, if it is one, with the event in it.
func (a *attributes) contradicts(e *event.Event) *event.Rejection {
	if a.SpecVersion == "" {
		return nil
	}
	for _, f := range [...]struct{ name, attribute, own string }{{"id", a.ID, e.ID}, {"source", a.Source, e.Source}, {"type", a.Type, e.Type}} {
		if f.attribute != f.own {
			masked := []byte(f.attribute)
			if event.MaskPANs(masked); string(masked) != f.own {
				return reject(event.ReasonContradiction, f.name, "the attribute of the CloudEvent to be that of the event in it")
			}
		}
	}
	if a.Time != "" && a.at != e.Time.Milli {
		return reject(event.ReasonContradiction, "time", "the attribute of the CloudEvent to be the instant of the event in it")
	}
	return nil
}

// structured takes an event out of a CloudEvent that is JSON as a whole.
func (d *Decoder) structured(contentType string, value []byte) ([]byte, *event.Rejection) {
	if contentType != "application/cloudevents+json" {
		return nil, reject(event.ReasonInvalidValue, "content-type", "application/cloudevents+json: one CloudEvent a record, as JSON")
	}
	var in struct {
		attributes
		Data   json.RawMessage `json:"data"`
		Base64 []byte          `json:"data_base64"`
	}
	var mistyped *json.UnmarshalTypeError
	switch err := json.Unmarshal(value, &in); {
	case errors.As(err, &mistyped):
		return nil, reject(event.ReasonWrongType, strings.TrimPrefix(mistyped.Field, "attributes."), "what a CloudEvent has there")
	case err != nil:
		return nil, reject(event.ReasonMalformed, "", "one CloudEvent as JSON")
	}
	d.cloud = in.attributes
	data := []byte(in.Data)
	if in.Base64 != nil {
		data = in.Base64
	}
	if len(data) == 0 {
		return nil, reject(event.ReasonMissingField, "data", "the event")
	}
	return data, nil
}

// withAttributes gives an event the attributes of the CloudEvent that it lacks: they go before its own, which are later and win.
func (d *Decoder) withAttributes(data []byte) ([]byte, *event.Rejection) {
	if r := d.cloud.check(); r != nil {
		return nil, r
	}
	rest, ok := bytes.CutPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{"))
	if !ok {
		return data, nil // what is wrong with it package event says
	}
	out := append(d.out[:0], '{')
	for _, f := range [...]struct{ name, value string }{{"id", d.cloud.ID}, {"source", d.cloud.Source}, {"type", d.cloud.Type}, {"time", d.cloud.Time}} {
		if f.value != "" {
			out = append(append(append(out, '"'), f.name...), `":`...)
			out = append(appendText(out, f.value), ',')
		}
	}
	if rest = bytes.TrimLeft(rest, " \t\r\n"); len(rest) > 0 && rest[0] == '}' {
		out = out[:len(out)-1]
	}
	d.out = append(out, rest...)
	return d.out, nil
}
