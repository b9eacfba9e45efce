package manifest

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
)

// resolved are the stores of an example, as a lane reads them.
func resolved(t *testing.T, text string) map[string]*registry.Store {
	t.Helper()
	objects, problems := Read("test.yaml", []byte(text))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	set := setOf(objects)
	if err := set.Check(); err != nil {
		t.Fatal(err)
	}
	docs, err := set.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	d := event.NewDecoder(event.Options{Bodies: map[string]func([]byte) (any, *event.Rejection){event.TypeRegistry: registry.Read}})
	out := map[string]*registry.Store{}
	for id, doc := range docs {
		value, err := Event(id, 3, time.Unix(1_770_000_000, 0), doc)
		if err != nil {
			t.Fatal(err)
		}
		var e event.Event
		if r := d.Decode(value, &e); r != nil {
			t.Fatalf("%v in %s", r, value)
		}
		out[id] = e.Body.(*registry.Store)
	}
	return out
}

func at(t *testing.T, s string) int64 {
	t.Helper()
	x, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return x.UnixMilli()
}

// What the chain of the examples comes to, worked out by hand.
func TestResolveChain(t *testing.T) {
	stores := resolved(t, string(examples(t, "examples/chain.yaml")["examples/chain.yaml"]))
	s := stores["0042"]
	for day, want := range map[string][]string{
		"2026-03-02": {"08:00", "11:30", "13:00", "19:00"}, // a Monday, winter
		"2026-03-01": nil,                                  // a Sunday
		"2026-04-06": nil,                                  // a holiday
		"2026-05-04": {"07:00", "10:30"},                   // flooded from 14:00, when it would have opened again
		"2026-05-05": {"08:00", "10:30", "12:00", "18:00"}, // until 10:00
		"2026-06-30": {"07:00", "10:30", "12:00", "18:00"}, // the last day of the calendar's first version
		"2026-07-01": {"07:00", "18:00"},                   // the first day of its second
		"2026-08-03": nil,                                  // summer
		"2026-08-17": {"07:00", "18:00"},                   // Monday after it
		"2026-12-24": {"08:00", "16:00"},
		"2026-12-25": {"09:00", "12:00"}, // holiday_hours of the second version
		"2020-02-28": nil,                // not opened yet
		"2030-01-02": nil,                // closed for good
	} {
		a := at(t, day+"T00:00:00Z")
		var got []string
		for _, x := range s.Service(interval.Span{From: a, To: a + 86_400_000}) {
			got = append(got, time.UnixMilli(x.From).UTC().Format("15:04"), time.UnixMilli(x.To).UTC().Format("15:04"))
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", day, d)
		}
	}
	night := interval.Span{From: at(t, "2026-06-21T00:00:00Z"), To: at(t, "2026-06-22T06:00:00Z")}
	if d := cmp.Diff(interval.Set{{From: at(t, "2026-06-21T18:00:00Z"), To: at(t, "2026-06-22T00:00:00Z")}}, s.Service(night)); d != "" {
		t.Errorf("the night of music (-want +got):\n%s", d)
	}
	year := interval.Span{From: at(t, "2026-01-01T00:00:00Z"), To: at(t, "2027-01-01T00:00:00Z")}
	change := at(t, "2026-08-31T22:00:00Z")
	if d := cmp.Diff([]registry.Quorum{{Span: interval.Span{From: year.From, To: change}, Tills: 1}, {Span: interval.Span{From: change, To: year.To}, Tills: 2}}, s.Quorums(year)); d != "" {
		t.Errorf("quorums (-want +got):\n%s", d)
	}
	if d := cmp.Diff(interval.Set{year}, stores["0043"].Service(year)); d != "" {
		t.Errorf("a store without calendar (-want +got):\n%s", d)
	}

	// The till moved: from midnight in Paris to midnight in London, an hour later.
	a, b := s.Terminal("t-7"), stores["0043"].Terminal("t-7")
	if d := cmp.Diff(interval.Set{{From: at(t, "2024-12-31T23:00:00Z"), To: at(t, "2026-05-31T22:00:00Z")}}, a.Lives); d != "" {
		t.Errorf("first life (-want +got):\n%s", d)
	}
	if d := cmp.Diff(interval.Set{{From: at(t, "2026-05-31T23:00:00Z"), To: interval.Max}}, b.Lives); d != "" {
		t.Errorf("second life (-want +got):\n%s", d)
	}
	if b.At(at(t, "2026-07-01T12:59:59Z")).Model != "X1" || b.At(at(t, "2026-07-01T13:00:00Z")).Model != "X2" || b.HeartbeatTimeout != 90_000 {
		t.Errorf("versions of the till: %+v", b.Versions)
	}
}

// A move to the east is a moment at which the till would be in both stores; a terminal that comes back has two lives in one.
func TestResolveTerminals(t *testing.T) {
	stores := resolved(t, `
{apiVersion: tillstream/v1, kind: Store, metadata: {name: w}, spec: {timezone: Europe/London, sell_needs: [printer], heartbeat_timeout: 2m, versions: [{from: 2026-02-01, heartbeat_timeout: 5m}]}}
---
{apiVersion: tillstream/v1, kind: Store, metadata: {name: e}, spec: {timezone: Europe/Paris}}
---
{apiVersion: tillstream/v1, kind: Terminal, metadata: {name: t}, spec: {lives: [{store: w, to: 2026-01-10}, {store: e, from: 2026-01-10, to: 2026-01-20T12:00}, {store: w, from: "2026-01-25T00:00:00Z"}]}}
`)
	w, e := stores["w"].Terminal("t"), stores["e"].Terminal("t")
	if d := cmp.Diff(interval.Set{{From: interval.Min, To: at(t, "2026-01-09T23:00:00Z")}, {From: at(t, "2026-01-25T00:00:00Z"), To: interval.Max}}, w.Lives); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if d := cmp.Diff(interval.Set{{From: at(t, "2026-01-09T23:00:00Z"), To: at(t, "2026-01-20T11:00:00Z")}}, e.Lives); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if len(w.SellNeeds) != 1 || w.HeartbeatTimeout != 300_000 || w.At(0).HeartbeatTimeout != 120_000 {
		t.Errorf("what the store says for its terminals: %+v", w)
	}
}

func TestDiff(t *testing.T) {
	read := func(text string) Set {
		objects, problems := Read("test.yaml", []byte(text))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		return setOf(objects)
	}
	was := read("{apiVersion: tillstream/v1, kind: Store, metadata: {name: a}, spec: {timezone: UTC, area: x, sell_quorum: 2}}\n---\n{apiVersion: tillstream/v1, kind: Customer, metadata: {name: c}}\n")
	is := read("{apiVersion: tillstream/v1, kind: Store, metadata: {name: a}, spec: {timezone: Europe/Paris, currency: EUR, sell_quorum: 2}}\n---\n{apiVersion: tillstream/v1, kind: Service, metadata: {name: s}}\n")
	changes, err := Diff(was, is)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := Print(&out, changes); err != nil {
		t.Fatal(err)
	}
	want := `- Customer c
+ Service s
~ Store a
    - spec.area: x
    + spec.currency: EUR
    ~ spec.timezone: UTC -> Europe/Paris
1 added, 1 changed, 1 removed
`
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestEventsHaveIdsOfTheirOwn(t *testing.T) {
	id := func(store string, revision uint64) string {
		value, err := Event(store, revision, time.Unix(0, 0), "")
		if err != nil {
			t.Fatal(err)
		}
		var e struct{ ID string }
		if err := json.Unmarshal(value, &e); err != nil {
			t.Fatal(err)
		}
		return e.ID
	}
	if a, b, c := id("a", 1), id("b", 1), id("a", 2); a == b || a == c || a != id("a", 1) {
		t.Error(a, b, c)
	}
}
