package processor

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/tillstream/tillstream/processor/commit"
	"github.com/tillstream/tillstream/processor/fetch"
)

// A batch whose outcomes do not add up to its offsets is told, by how many; and each batch says how fresh it is.
func TestBatchesAreAccountedFor(t *testing.T) {
	m := newMetrics(prometheus.NewRegistry())
	r := newLaneReport(0, "g/0", m)
	b := &batch{ranges: commit.Ranges{{From: 10, To: 20}, {From: 0, To: 5}}, tally: book{records: 9, duplicates: 3, rejected: 2, gaps: 1}, newest: 1_700_000_000_500}
	r.wrote(b)
	if n := valueOf(t, m.unsaid.WithLabelValues("g/0")).GetCounter().GetValue(); n != 0 {
		t.Errorf("%v offsets of a sound batch", n)
	}
	b.tally.gaps = 4
	r.wrote(b)
	b.tally.gaps, b.tally.records = 0, 8
	b.newest = 0
	r.wrote(b)
	if n := valueOf(t, m.unsaid.WithLabelValues("g/0")).GetCounter().GetValue(); n != 3+2 {
		t.Errorf("%v offsets, want 5", n)
	}
	if at := valueOf(t, m.newest.WithLabelValues("g/0")).GetGauge().GetValue(); at != 1_700_000_000.5 {
		t.Errorf("%v", at)
	}
}

// Attempts that fail count until one succeeds: a batch that was written, or a lane that runs.
func TestAttemptsThatFailInARow(t *testing.T) {
	r := newLaneReport(0, "g/0", newMetrics(prometheus.NewRegistry()))
	for what, succeeds := range map[string]func(){"a batch": func() { r.wrote(&batch{}) }, "a recovery": func() { r.running(true) }} {
		for range 3 {
			r.trouble(errors.New("disk full"))
		}
		if p := r.Snapshot(); p.Failed != 3 || p.Error == nil {
			t.Errorf("%d failed, the newest with %v", p.Failed, p.Error)
		}
		if succeeds(); r.Snapshot().Failed != 0 {
			t.Errorf("after %s %d failed", what, r.Snapshot().Failed)
		}
	}
}

func valueOf(t *testing.T, m prometheus.Metric) *dto.Metric {
	t.Helper()
	var x dto.Metric
	if err := m.Write(&x); err != nil {
		t.Fatal(err)
	}
	return &x
}

// Who has a lane says how it is, and nobody else: of what a member had before only its counts stay, or a lane that was behind when it was
// handed on would be behind for ever.
func TestALaneIsShownByWhoHasIt(t *testing.T) {
	reg := prometheus.NewRegistry()
	p := New(Config{Group: "g"}, Deps{Registerer: reg})
	tp := fetch.TopicPartition{Topic: "t"}
	for n := range 3 {
		p.lanes[n] = newLaneReport(n, laneName("g", n), p.metrics)
	}
	for n, r := range p.lanes { // one is behind, one has stopped, one waits and has not come to fold
		switch n {
		case 0:
			r.running(false)
			r.end(tp, 1000)
			r.wrote(&batch{newest: 1_700_000_000_000})
		case 1:
			r.stop(errors.New("for good"))
		case 2:
			r.heldBack(true)
		}
	}
	for name, want := range map[string]string{
		"tillstream_lag_offsets": "g/0=1000", "tillstream_written_time_seconds": "g/0=1.7e+09", "tillstream_lane_stopped": "g/0=0 g/1=1 g/2=0",
		"tillstream_lane_held_back": "g/0=0 g/1=0 g/2=1", "tillstream_lane_recovering": "g/0=0 g/1=0 g/2=1",
		"tillstream_batches_total": "g/0=1 g/1=0 g/2=0", // there before the first batch, or its rate would not be 0 but nothing
	} {
		if got := byLane(t, reg, name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}

	p.assign(t.Context(), nil, Generation{}, Stream{Lanes: 3}, nil) // a spare from now on
	for _, name := range []string{"tillstream_lag_offsets", "tillstream_written_time_seconds", "tillstream_lane_stopped", "tillstream_lane_held_back", "tillstream_lane_recovering"} {
		if got := byLane(t, reg, name); got != "" {
			t.Errorf("%s of lanes that others have: %s", name, got)
		}
	}
	if got := byLane(t, reg, "tillstream_batches_total"); got != "g/0=1 g/1=0 g/2=0" {
		t.Errorf("what was counted is %s", got)
	}
}

// byLane is what a registry says of each lane under a name.
func byLane(t *testing.T, reg *prometheus.Registry, name string) string {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, f := range families {
		for _, m := range f.Metric {
			if f.GetName() == name {
				said = append(said, fmt.Sprintf("%s=%v", m.Label[0].GetValue(), m.GetGauge().GetValue()+m.GetCounter().GetValue()))
			}
		}
	}
	return strings.Join(said, " ")
}
