package registry

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/interval"
)

const every = `{"id":"registry/0042/7","source":"tillstream","type":"pos.registry.v1","time":"2026-03-01T08:00:00Z","store_id":"0042","revision":7,"store":{
"opened_on":"2020-01-01","versions":[
 {"timezone":"Europe/Paris","sell_quorum":1,"calendar":{"week":{"mon":["09:00-12:00","14:00-19:00"],"fri":["20:00-04:00"]},"yearly":["12-25"],"days":{"2026-12-24":["09:00-17:00"]}}},
 {"from":"2026-06-01","timezone":"Europe/London","sell_quorum":3}],
"terminals":[{"id":"t1","lives":[{"to":"2026-02-01T00:00:00Z"},{"from":"2026-05-01T00:00:00Z"}],"versions":[{"role":"till"},{"from":"2026-05-01T00:00:00Z","role":"kiosk","heartbeat_timeout":60000,"sell_needs":["printer"]}]}]}}`

func decode(text string) (*event.Event, *event.Rejection) {
	d := event.NewDecoder(event.Options{Bodies: map[string]func([]byte) (any, *event.Rejection){event.TypeRegistry: Read}})
	var e event.Event
	return &e, d.Decode([]byte(text), &e)
}

func TestRead(t *testing.T) {
	e, r := decode(every)
	if r != nil {
		t.Fatal(r)
	}
	s := e.Body.(*Store)
	if s.ID != "0042" || s.Revision != 7 || s.Terminal("t2") != nil {
		t.Errorf("%+v", s)
	}
	change := s.Wall(date(t, "2026-06-01"), 0)
	if d := cmp.Diff([]Quorum{{interval.Span{From: 0, To: change}, 1}, {interval.Span{From: change, To: interval.Max}, 3}}, s.Quorums(interval.Span{From: 0, To: interval.Max})); d != "" {
		t.Error(d)
	}
	if a, b := s.Zone(change-1).String(), s.Zone(change).String(); a != "Europe/Paris" || b != "Europe/London" {
		t.Error(a, b)
	}
	term := s.Terminal("t1")
	if term.Role != "kiosk" || term.HeartbeatTimeout != 60000 || len(term.Lives) != 2 || term.At(0).Role != "till" || term.At(change).Role != "kiosk" {
		t.Errorf("%+v", term)
	}
	again, r := Read(s.Append(nil))
	if r != nil {
		t.Fatal(r)
	}
	if a, b := string(s.Append(nil)), string(again.(*Store).Append(nil)); a != b {
		t.Errorf("state is not read as it was written:\n%s\n%s", a, b)
	}
}

func TestReadRejects(t *testing.T) {
	for _, c := range []struct{ was, is, field string }{
		{`"revision":7`, `"revision":"x"`, "revision"},
		{`"revision":7,`, ``, "revision"},
		{`"store":{`, `"stores":{`, "store"},
		{`"opened_on"`, `"open_on"`, "store"},
		{`Europe/Paris`, `Europe/Pariss`, "store.versions[0].timezone"},
		{`"2026-06-01"`, `"2026-13-01"`, "store"},
		{`09:00-12:00`, `09:00-25:00`, "store"},
		{`"sell_quorum":3`, `"sell_quorum":-3`, "store.versions[1].sell_quorum"},
		{`"id":"t1"`, `"id":""`, "store.terminals[0].id"},
		{`{"to":"2026-02-01T00:00:00Z"}`, `{"from":"2026-02-01T00:00:00Z","to":"2026-02-01T00:00:00Z"}`, "store.terminals[0].lives[0].to"},
	} {
		_, r := decode(strings.Replace(every, c.was, c.is, 1))
		if r == nil || r.Field != c.field || r.Expected == "" {
			t.Errorf("%s instead of %s: %v, want field %s", c.is, c.was, r, c.field)
		}
	}
}

func TestRemovedIsAlwaysOpen(t *testing.T) {
	body, r := Read([]byte(`{"store_id":"s","revision":2,"store":{"removed":true}}`))
	if r != nil {
		t.Fatal(r)
	}
	s, x := body.(*Store), interval.Span{From: 0, To: 1000}
	if d := cmp.Diff(interval.Set{x}, s.Service(x)); d != "" || !s.Removed || len(s.Quorums(x)) != 1 || s.Zone(0).String() != "UTC" {
		t.Error(d, s)
	}
}
