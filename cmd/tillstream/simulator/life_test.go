package simulator

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/cmd/tillstream/manifest"
	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
)

// The registry takes the manifests, and means by them what the simulator does: hours over three years with all their changes of clocks, holidays,
// quorums and lives.
func TestRegistrySaysTheSame(t *testing.T) {
	c := small(1, 1)
	c.Stores = 17
	s := simulate(t, c)
	objects, wrong := manifest.Read("chain.yaml", s.Registry())
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	set := manifest.Set{}
	for _, o := range objects {
		set[o.Key()] = o
	}
	if err := set.Check(); err != nil {
		t.Fatal(err)
	}
	documents, err := set.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	start := c.Start.UnixMilli()
	x := span{start - 370*day, start + 740*day}
	lives := map[string]interval.Set{}
	for _, st := range s.chain.stores {
		var doc registry.Document
		if err := json.Unmarshal([]byte(documents[st.id]), &doc); err != nil {
			t.Fatal(err)
		}
		text, flaw := doc.Build(st.id, 1)
		if flaw != nil {
			t.Fatal(flaw)
		}
		want := interval.Span{From: x.from, To: x.to}
		if d := cmp.Diff(text.Service(want), st.hours(x)); d != "" {
			t.Errorf("%s in %s, %s (-registry +simulator)\n%.2000s", st.id, st.place.city, st.format.name, d)
		}
		if q := text.Quorums(want); len(q) != 1 || int64(q[0].Tills) != st.terms.quorum {
			t.Errorf("%s: quorums %v, want %d", st.id, q, st.terms.quorum)
		}
		if len(text.Terminals) != len(st.tills) {
			t.Errorf("%s has %d terminals in the registry, %d in the simulator", st.id, len(text.Terminals), len(st.tills))
		}
		for _, till := range st.tills {
			r := text.Terminal(till.id)
			if r == nil || r.HeartbeatTimeout != st.terms.timeout || (len(r.SellNeeds) > 0) != (st.terms.needs != "") {
				t.Fatalf("%s in %s: %+v", till.id, st.id, r)
			}
			if got, want := r.Lives.Within(interval.Span{From: x.from, To: x.to}), (interval.Set{{From: max(x.from, till.life.from), To: min(x.to, till.life.to)}}); !slices.Equal(got, want) {
				t.Errorf("%s in %s lives %v, want %v", till.id, st.id, got, want)
			}
			lives[till.id] = append(lives[till.id], interval.Span{From: till.life.from, To: till.life.to})
		}
	}
	counts := map[string]int{}
	for _, l := range lives {
		switch {
		case len(l) == 2 && l[0].To == start+moved && l[1].From == l[0].To:
			counts["moved"]++
		case l[0].To < forEver:
			counts["retired"]++
		case l[0].From > 0:
			counts["later"]++
		}
	}
	if d := cmp.Diff(map[string]int{"moved": 1, "retired": 1, "later": 1}, counts); d != "" {
		t.Error(d)
	}
}

// Whatever the rules of incidents and maintenance tell apart must happen, and in the truth it must matter.
func TestPeople(t *testing.T) {
	c := small(21, 6)
	c.Stores, c.Faults, c.TransactionsPerStoreDay, c.HeartbeatInterval = 12, 8, 200, 10*time.Minute
	r := collect(t, c)
	seen := map[string]int{}
	last := map[string]int64{}
	for _, ev := range r.events {
		if ev.Topic != topicNames[incidents] {
			continue
		}
		var e struct {
			Type          string
			Time          time.Time
			Step          string
			IncidentID    string `json:"incident_id"`
			MaintenanceID string `json:"maintenance_id"`
			Party         string
			Scope         *struct{ Terminals []string }
			Window        *struct{ Start, End time.Time }
		}
		if err := json.Unmarshal(ev.Value, &e); err != nil {
			t.Fatal(err)
		}
		id := e.IncidentID + e.MaintenanceID
		seen[e.Type+" "+e.Step]++
		if at := e.Time.UnixMilli(); at < last[id] {
			seen["out of order"]++
		} else {
			last[id] = at
		}
		if e.Time.UnixMilli() > ev.Arrival {
			t.Errorf("arrived before it happened: %s", ev.Value)
		}
		seen["party "+e.Party]++
		if e.Scope != nil && len(e.Scope.Terminals) == 0 {
			seen["whole store"]++
		}
	}
	for _, x := range r.truth.Incidents {
		seen["truth "+x.Party]++
		if x.Reopened > 0 && x.Resolve < x.Resolved-x.Started-day {
			seen["away"]++
		}
		if x.Resolved == 0 && x.Cancelled == 0 {
			seen["open"]++
		}
	}
	for _, x := range r.truth.Work {
		if x.Excluded == 0 {
			seen["not excluded"]++
		}
	}
	for _, h := range r.truth.TillHours {
		for name, ms := range map[string]int64{"service": h.Service, "down": h.ServiceDown, "excluded": h.Excluded, "unknown": h.ServiceUnknown, "disabled": h.Disabled, "closed": hour - h.Service} {
			if ms > 0 {
				seen["hours "+name]++
			}
		}
	}
	for _, h := range r.truth.StoreHours {
		for name, ms := range map[string]int64{"service": h.Service, "down": h.QuorumDown, "excluded": h.Excluded, "unknown": h.Unknown} {
			if ms > 0 {
				seen["store "+name]++
			}
		}
	}
	for _, want := range []string{
		"pos.incident.v1 opened", "pos.incident.v1 acknowledged", "pos.incident.v1 assigned", "pos.incident.v1 paused", "pos.incident.v1 resumed", "pos.incident.v1 resolved",
		"pos.incident.v1 reopened", "pos.incident.v1 closed", "pos.incident.v1 cancelled",
		"pos.maintenance.v1 announced", "pos.maintenance.v1 approved", "pos.maintenance.v1 started", "pos.maintenance.v1 ended", "pos.maintenance.v1 cancelled",
		"out of order", "whole store", "party customer", "truth provider", "truth customer", "truth third_party", "truth undetermined", "away", "open", "not excluded",
		"hours service", "hours down", "hours excluded", "hours unknown", "hours disabled", "hours closed", "store service", "store down", "store excluded", "store unknown",
	} {
		if seen[want] == 0 {
			t.Errorf("never: %s", want)
		}
	}
}
