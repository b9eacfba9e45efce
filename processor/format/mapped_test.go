package format_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/processor/format"
	"github.com/tillstream/tillstream/processor/format/mapping"
)

// All records of a topic with a mapping go through it, whatever they are wrapped or written in; those of others do not.
func TestMappedTopics(t *testing.T) {
	m, err := mapping.Parse(`
		root = if this.exists("receipt") {
		  {"id": this.receipt, "source": this.till, "type": "pos.transaction.v1", "time": this.at, "store_id": "0042", "terminal_id": this.till, "kind": this.kind | "sign_on", "operator": this.who}
		} else { this }`)
	if err != nil {
		t.Fatal(err)
	}
	opts := format.Options{Options: event.Options{Secret: []byte("0123456789abcdef"), MaxBytes: 4096, Bodies: format.Bodies(t)}, Mappings: map[string]format.Mapper{"own": m}}
	d := format.NewDecoder(opts)
	own := []byte(`{"receipt":"r-1","till":"t-1","at":"2026-11-23T10:00:00.000+01:00","who":"4111111111111111"}`)
	canonical := []byte(`{"id":"r-1","source":"t-1","type":"pos.transaction.v1","time":"2026-11-23T10:00:00.000+01:00","store_id":"0042","terminal_id":"t-1","kind":"sign_on","operator":"4111111111111111"}`)
	var want event.Event
	if r := event.NewDecoder(opts.Options).Decode(bytes.Clone(canonical), &want); r != nil || want.Transaction.Operator == 0 {
		t.Fatal(r)
	}
	header := func(keyValues ...string) fetch.Headers {
		var all []fetch.Header
		for i := 0; i < len(keyValues); i += 2 {
			all = append(all, fetch.Header{Key: keyValues[i], Value: []byte(keyValues[i+1])})
		}
		return fetch.NewHeaders(all...)
	}
	for name, r := range map[string]format.Record{
		"own":                  {Topic: "own", Value: own},
		"own, with headers":    {Topic: "own", Value: own, Headers: header("trace", "1")},
		"own, in a CloudEvent": {Topic: "own", Value: own, Headers: header("ce_specversion", "1.0", "ce_id", "5f", "ce_source", "//acme/tills", "ce_type", "com.acme.receipt")},
		"own, in a CloudEvent as a whole": {
			Topic: "own", Headers: header("content-type", "application/cloudevents+json"),
			Value: []byte(`{"specversion":"1.0","id":"5f","source":"//acme","type":"com.acme.receipt","data":` + string(own) + `}`),
		},
		"canonical, and let through": {Topic: "own", Value: canonical},
		"canonical, elsewhere":       {Topic: "pos.transactions", Value: canonical},
	} {
		for range 2 {
			before := bytes.Clone(r.Value)
			r := r
			r.Value = bytes.Clone(r.Value)
			var e event.Event
			if rejection, err := d.Record(r, &e); rejection != nil || err != nil {
				t.Fatalf("%s: %v, %v", name, rejection, err)
			}
			want.Notes.PANMasked = true
			e.Notes.PANMasked = true
			if diff := cmp.Diff(want.Envelope, e.Envelope); diff != "" || want.Transaction.Operator != e.Transaction.Operator {
				t.Fatalf("%s (-JSON):\n%s", name, diff)
			}
			if r.Topic == "own" && !bytes.Equal(before, r.Value) {
				t.Errorf("%s: the record was changed", name)
			}
		}
	}
	for name, c := range map[string]struct {
		r    format.Record
		want event.Reason
	}{
		"own, elsewhere":       {format.Record{Topic: "pos.transactions", Value: own}, event.ReasonMissingField},
		"not what is mapped":   {format.Record{Topic: "own", Value: []byte(`[1]`)}, event.ReasonMappingFailed},
		"what it makes is bad": {format.Record{Topic: "own", Value: []byte(`{"receipt":"r-1","till":"t-1","at":"noon"}`)}, event.ReasonInvalidValue},
		"empty":                {format.Record{Topic: "own"}, event.ReasonEmpty},
		"too large":            {format.Record{Topic: "own", Value: append(bytes.Repeat([]byte(" "), 4096), own...)}, event.ReasonTooLarge},
	} {
		e := want
		if rejection, err := d.Record(c.r, &e); rejection == nil || rejection.Reason != c.want || err != nil {
			t.Errorf("%s: %v, %v", name, rejection, err)
		} else if e.ID == "r-1" && c.want == event.ReasonMappingFailed {
			t.Errorf("%s: something of another event is left", name)
		}
	}
}
