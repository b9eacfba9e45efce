package format

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/processor/incident"
	"github.com/tillstream/tillstream/processor/journey"
	"github.com/tillstream/tillstream/processor/registry"
	schemas "github.com/tillstream/tillstream/schemas/events"
)

func options() Options {
	bodies := incident.Bodies()
	maps.Copy(bodies, journey.Bodies())
	bodies[event.TypeRegistry] = registry.Read
	return Options{Options: event.Options{Secret: []byte("0123456789abcdef"), Corrections: true, Bodies: bodies}}
}

// same compares what was decoded. Whether a slice that may be used again is empty or nil is no difference.
var same = cmp.Options{
	cmpopts.EquateEmpty(), cmp.Exporter(func(reflect.Type) bool { return true }), cmpopts.IgnoreUnexported(event.Tender{}, event.Event{}),
}

// examples are the canonical events of schemas/events, valid ones.
func examples(t testing.TB) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, pattern := range []string{"examples/*.json", "examples/registry/*.json"} {
		names, err := fs.Glob(schemas.FS, pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			value, err := fs.ReadFile(schemas.FS, name)
			if err != nil {
				t.Fatal(err)
			}
			all[path.Base(name)] = without(t, value) // without white space: what is registered is kept as it was written
		}
	}
	return all
}

// read decodes canonical JSON with the decoder of package event alone.
func read(t testing.TB, value []byte) *event.Event {
	t.Helper()
	var e event.Event
	if r := event.NewDecoder(options().Options).Decode(bytes.Clone(value), &e); r != nil {
		t.Fatalf("%v of %s", r, value)
	}
	return &e
}

func headers(keyValues ...string) fetch.Headers {
	var all []fetch.Header
	for kv := range slices.Chunk(keyValues, 2) {
		all = append(all, fetch.Header{Key: kv[0], Value: []byte(kv[1])})
	}
	return fetch.NewHeaders(all...)
}

// without is an event without some of its fields.
func without(t testing.TB, value []byte, fields ...string) []byte {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal(value, &m); err != nil {
		t.Fatal(err)
	}
	for _, f := range fields {
		delete(m, f)
	}
	out, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Every example is the same event in a CloudEvent, in either mode, whether it has the attributes too or leaves them to the CloudEvent.
func TestCloudEvents(t *testing.T) {
	d := NewDecoder(options())
	for name, value := range examples(t) {
		want := read(t, value)
		var a attributes
		if err := json.Unmarshal(value, &a); err != nil {
			t.Fatal(err)
		}
		for _, data := range [][]byte{value, without(t, value, "id", "source", "type", "time"), without(t, value, "type")} {
			binary := headers("ce_specversion", "1.0", "ce_id", a.ID, "ce_source", a.Source, "ce_type", a.Type, "ce_time", a.Time, "ce_subject", "x", "content-type", "application/json; charset=utf-8")
			whole := fmt.Appendf(nil, `{"specversion":"1.0","id":%q,"source":%q,"type":%q,"time":%q,"subject":"x"`, a.ID, a.Source, a.Type, a.Time)
			for mode, r := range map[string]Record{
				"binary":     {Value: data, Headers: binary},
				"structured": {Value: fmt.Appendf(nil, `%s,"data":%s}`, whole, data), Headers: headers("Content-Type", "application/cloudevents+json; charset=UTF-8")},
				"base64":     {Value: fmt.Appendf(nil, `%s,"data_base64":%q}`, whole, base64.StdEncoding.EncodeToString(data)), Headers: headers("content-type", "application/cloudevents+json")},
			} {
				var e event.Event
				r.Value = bytes.Clone(r.Value)
				if rejection, err := d.Record(r, &e); rejection != nil || err != nil {
					t.Fatalf("%s, %s: %v", name, mode, rejection)
				}
				if diff := cmp.Diff(*want, e, same); diff != "" {
					t.Fatalf("%s, %s (-JSON +CloudEvent):\n%s", name, mode, diff)
				}
			}
		}
	}
}

// What is wrong with a CloudEvent is said, and a record that is none is not taken for one.
func TestCloudEventsThatAreWrong(t *testing.T) {
	sale := examples(t)["sale.json"]
	var a attributes
	if err := json.Unmarshal(sale, &a); err != nil {
		t.Fatal(err)
	}
	binary := func(change ...string) fetch.Headers {
		all := map[string]string{"ce_specversion": "1.0", "ce_id": a.ID, "ce_source": a.Source, "ce_type": a.Type, "ce_time": a.Time}
		for kv := range slices.Chunk(change, 2) {
			all[kv[0]] = kv[1]
		}
		var flat []string
		for k, v := range all {
			flat = append(flat, k, v)
		}
		return headers(flat...)
	}
	structured := headers("content-type", "application/cloudevents+json")
	for name, c := range map[string]struct {
		r    Record
		want event.Rejection
	}{
		"another id":        {Record{Value: sale, Headers: binary("ce_id", "other")}, event.Rejection{Reason: event.ReasonContradiction, Field: "id"}},
		"another source":    {Record{Value: sale, Headers: binary("ce_source", "other")}, event.Rejection{Reason: event.ReasonContradiction, Field: "source"}},
		"another type":      {Record{Value: sale, Headers: binary("ce_type", event.TypeHealth)}, event.Rejection{Reason: event.ReasonContradiction, Field: "type"}},
		"another time":      {Record{Value: sale, Headers: binary("ce_time", "2020-01-01T00:00:00Z")}, event.Rejection{Reason: event.ReasonContradiction, Field: "time"}},
		"no time at all":    {Record{Value: sale, Headers: binary("ce_time", "yesterday")}, event.Rejection{Reason: event.ReasonInvalidValue, Field: "time"}},
		"no id":             {Record{Value: sale, Headers: binary("ce_id", "")}, event.Rejection{Reason: event.ReasonMissingField, Field: "id"}},
		"another version":   {Record{Value: sale, Headers: binary("ce_specversion", "0.3")}, event.Rejection{Reason: event.ReasonInvalidValue, Field: "specversion"}},
		"no event":          {Record{Headers: binary()}, event.Rejection{Reason: event.ReasonEmpty}},
		"no object":         {Record{Value: []byte("[]"), Headers: binary()}, event.Rejection{Reason: event.ReasonMalformed}},
		"an empty object":   {Record{Value: []byte(" { } "), Headers: binary()}, event.Rejection{Reason: event.ReasonMissingField, Field: "store_id"}},
		"not UTF-8":         {Record{Value: sale, Headers: binary("ce_id", "\xff")}, event.Rejection{Reason: event.ReasonInvalidUTF8}},
		"wrong in the data": {Record{Value: []byte(`{"test":1}`), Headers: binary()}, event.Rejection{Reason: event.ReasonWrongType, Field: "test"}},
		"a batch":           {Record{Value: []byte("[]"), Headers: headers("content-type", "application/cloudevents-batch+json")}, event.Rejection{Reason: event.ReasonInvalidValue, Field: "content-type"}},
		"no JSON":           {Record{Value: sale[:40], Headers: structured}, event.Rejection{Reason: event.ReasonMalformed}},
		"a number":          {Record{Value: []byte(`{"id":1}`), Headers: structured}, event.Rejection{Reason: event.ReasonWrongType, Field: "id"}},
		"no data":           {Record{Value: []byte(`{"specversion":"1.0","id":"1"}`), Headers: structured}, event.Rejection{Reason: event.ReasonMissingField, Field: "data"}},
		"only the event":    {Record{Value: sale, Headers: structured}, event.Rejection{Reason: event.ReasonMissingField, Field: "data"}},
	} {
		var e event.Event
		c.r.Value = bytes.Clone(c.r.Value)
		got, _ := NewDecoder(options()).Record(c.r, &e)
		if got == nil || got.Expected == "" || got.Reason != c.want.Reason || got.Field != c.want.Field {
			t.Errorf("%s: got %v, want %v", name, got, &c.want)
		}
	}
	var e event.Event
	for _, h := range []fetch.Headers{headers("content-type", "application/json"), headers("trace", "1", "ce_id", "of somebody else"), nil, {0}} {
		if r, _ := NewDecoder(options()).Record(Record{Value: bytes.Clone(sale), Headers: h}, &e); r != nil {
			t.Errorf("%q: %v", h, r)
		}
	}
}

// A card number in an id is masked in the event; that is no contradiction, and it goes nowhere.
func TestCardNumberInAnAttribute(t *testing.T) {
	const card = "4111111111111111"
	value := without(t, examples(t)["sale.json"], "id", "source", "type")
	var e event.Event
	r, _ := NewDecoder(options()).Record(Record{Value: value, Headers: headers("ce_specversion", "1.0", "ce_id", card, "ce_source", `a"b\c`+"\n", "ce_type", event.TypeTransaction)}, &e)
	if r != nil || e.ID != "************1111" || e.Source != `a"b\c`+"\n" || !e.Notes.PANMasked {
		t.Fatalf("%v: %+v", r, e.Envelope)
	}
}
