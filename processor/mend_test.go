package processor

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tillstream/tillstream/processor/fetch"
)

// Where a partition begins, and what is lost thereby.
func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		name         string
		start, end   int64 // Kafka's
		committed    int64
		held, beyond int64
		a            Adoption
		begin        int64
		from, to     int64 // lost; none if both are 0
		wrong        string
	}{
		{name: "retention passed", start: 50, end: 100, held: 40, beyond: 40, a: Adoption{Place: Earliest}, begin: 50, from: 40, to: 50},
		{name: "earliest is not before what was folded", start: 0, end: 100, held: 40, beyond: 40, a: Adoption{Place: Earliest}, begin: 40},
		{name: "a number", start: 0, end: 100, held: 40, beyond: 40, a: Adoption{Offset: 60}, begin: 60, from: 40, to: 60},
		{name: "back", start: 0, end: 100, held: 40, beyond: 40, a: Adoption{Offset: 30}, wrong: "would count twice"},
		{name: "latest", start: 0, end: 100, held: 40, beyond: 40, a: Adoption{Place: Latest}, begin: 100, from: 40, to: 100},
		{name: "committed", start: 0, end: 100, committed: 70, held: 40, beyond: 40, a: Adoption{Place: Committed}, begin: 70, from: 40, to: 70},
		{name: "nothing committed", start: 0, end: 100, committed: -1, held: 40, beyond: 40, a: Adoption{Place: Committed}, wrong: "nothing is committed"},
		{name: "what ClickHouse holds", start: 0, end: 100, committed: 70, held: 40, beyond: 40, a: Adoption{Place: Held}, begin: 40},
		{name: "a batch that is there in part is given up", start: 0, end: 100, held: 40, beyond: 45, a: Adoption{Place: Held}, begin: 45, from: 40, to: 45},
		{name: "what ClickHouse holds, and Kafka no longer", start: 50, end: 100, held: 40, beyond: 40, a: Adoption{Place: Held}, begin: 50, from: 40, to: 50},
		{name: "never read", start: 10, end: 100, held: -1, beyond: -1, a: Adoption{Place: Held}, begin: 10},
		{name: "never read, skipped", start: 10, end: 100, held: -1, beyond: -1, a: Adoption{Offset: 30}, begin: 30, from: 10, to: 30},
		{name: "beyond the end", start: 0, end: 100, held: 40, beyond: 40, a: Adoption{Offset: 101}, wrong: "is not among those"},
		{name: "made anew, unsaid", start: 0, end: 30, held: 40, beyond: 40, a: Adoption{Place: Held}, wrong: "--recreated"},
		{name: "made anew", start: 0, end: 30, held: 40, beyond: 40, a: Adoption{Place: Earliest, Remade: true}, begin: 0, from: 40, to: 0},
		{name: "made anew, and longer than the old one", start: 50, end: 90, held: 40, beyond: 40, a: Adoption{Place: Earliest, Remade: true}, begin: 50, from: 40, to: 40},
		{name: "the leader lost records", start: 0, end: 30, held: 40, beyond: 40, a: Adoption{Place: Latest, Remade: true}, begin: 30, from: 40, to: 30},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := Standing{Bounds: fetch.Bounds{Start: c.start, End: c.end, Stable: c.end}, Committed: c.committed, Held: c.held, Beyond: c.beyond}
			err := s.place(c.a)
			if c.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), c.wrong) {
					t.Fatalf("got %v, want %q", err, c.wrong)
				}
				return
			}
			s.lose(c.a.Remade)
			var from, to int64
			if s.Loss != nil {
				from, to = s.Loss.From, s.Loss.To
			}
			if err != nil || s.Begin != c.begin || from != c.from || to != c.to {
				t.Errorf("begins at %d, lost %d to %d, %v", s.Begin, from, to, err)
			}
		})
	}
}

func TestLostOffsetsMetric(t *testing.T) {
	reg := prometheus.NewRegistry()
	loss := func(p int32, from, to int64) Loss {
		return Loss{TopicPartition: fetch.TopicPartition{Topic: "pos.health", Partition: p}, From: from, To: to}
	}
	newMetrics(reg).losses(Stream{Group: "g", Lanes: 2, Losses: []Loss{loss(1, 10, 15), loss(3, 0, 2), loss(0, 9, 0)}})
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "tillstream_lost_offsets" {
				got[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
			}
		}
	}
	if diff := cmp.Diff(map[string]float64{"g/0": 0, "g/1": 7}, got); diff != "" {
		t.Error(diff)
	}
}
