package processor

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/processor/rollup"
)

// cost is what one event of a warm lane takes, on average over a batch. None of it depends on the machine's speed.
type cost struct {
	fold, seal float64 // bytes allocated: until it is in the open batch, and by its share of closing it
	allocated  float64 // objects, by both
	rows       float64 // of all tables, state included
}

func (c cost) String() string {
	return fmt.Sprintf("{fold: %.1f, seal: %.1f, allocated: %.3f, rows: %.4f}", c.fold, c.seal, c.allocated, c.rows)
}

// exceeds says that one cost is more than a tenth above another, and above what the runtime may take meanwhile for threads of its own, which is less than one
// allocation an event would be.
func (c cost) exceeds(than cost) bool {
	more := func(a, b, spare float64) bool { return a > 1.1*b+spare }
	return more(c.fold, than.fold, 12) || more(c.seal, than.seal, 12) || more(c.allocated, than.allocated, 0.2) || more(c.rows, than.rows, 0.001)
}

// costOf folds three batches and measures the last.
func costOf(t *testing.T, batch func(i int) []fetch.Record) (c cost) {
	t.Helper()
	f := newFolder(benchConfig(), nil)
	f.Begin(tp, 0, true)
	for i := range 3 {
		records := batch(i)
		var m [3]runtime.MemStats
		runtime.ReadMemStats(&m[0])
		for _, r := range records {
			if err := f.Record(tp, r); err != nil {
				t.Fatal(err)
			}
		}
		runtime.ReadMemStats(&m[1])
		b := f.Seal(rollup.Version{Epoch: 1, Batch: uint64(i + 1)}, "g/0", time.Time{})
		runtime.ReadMemStats(&m[2])
		if int(b.tally.records) != len(records) {
			t.Fatalf("%d events, and %+v", len(records), b.tally)
		}
		n, rows := float64(len(records)), b.state.Rows
		for _, blk := range b.blocks {
			rows += blk.Rows
		}
		c = cost{
			float64(m[1].TotalAlloc-m[0].TotalAlloc) / n, float64(m[2].TotalAlloc-m[1].TotalAlloc) / n, float64(m[2].Mallocs-m[0].Mallocs) / n, float64(rows) / n,
		}
	}
	return c
}

// What events cost must not creep up: whoever makes one dearer finds it here, and raises the limit knowingly. Whoever makes one cheaper lowers it, so
// that nothing slips back to where it was. Time is not compared: see docs/performance.md for how to measure that.
func TestEventsCostNoMoreThanTheyDid(t *testing.T) {
	const n = 5_000
	batches := func(records []fetch.Record) func(int) []fetch.Record {
		return func(i int) []fetch.Record { return records[i*n : (i+1)*n] }
	}
	for name, c := range map[string]struct {
		records []fetch.Record
		limit   cost
	}{
		"sale":          {sales(rich, 0, 3*n), cost{fold: 184, seal: 189, allocated: 0.198, rows: 0.0612}},
		"basket of ten": {baskets(3 * n), cost{fold: 1581, seal: 7140, allocated: 10.136, rows: 23.003}},
		"report":        {beats(3*n, 500, 30*time.Second, false), cost{fold: 0, seal: 251, allocated: 1.089, rows: 0.661}},
		// With the race detector 3,588 bytes, else 3,213.
		"report of a day": {beats(3*n, n, time.Hour, false), cost{fold: 0, seal: 3400, allocated: 18.477, rows: 10.801}},
		"flapping till":   {beats(3*n, 500, 30*time.Second, true), cost{fold: 0, seal: 621, allocated: 2.686, rows: 2.381}},
	} {
		got := costOf(t, batches(c.records))
		if got.exceeds(c.limit) {
			t.Errorf("%s: %s, more than %s", name, got, c.limit)
		}
		if cheaper := (cost{got.fold * 1.5, got.seal * 1.5, got.allocated * 1.5, got.rows * 1.5}); c.limit.exceeds(cheaper) {
			t.Errorf("%s: %s, which is so much less than %s that the limit is to be lowered", name, got, c.limit)
		}
	}
}
