package processor

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/tillstream/tillstream/processor/commit"
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

func valueOf(t *testing.T, m prometheus.Metric) *dto.Metric {
	t.Helper()
	var x dto.Metric
	if err := m.Write(&x); err != nil {
		t.Fatal(err)
	}
	return &x
}
