package availability

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
)

// cutting folds events in batches of its own, now and then by a fold that was loaded.
type cutting struct {
	cfg   Config
	fold  *Fold
	state state
	batch uint64
	stale int
}

func (c *cutting) begin() { c.fold = New(c.cfg, nil, func(string, string, int32) { c.stale++ }) }

func (c *cutting) seal(t *rapid.T, events []*event.Event, received map[*event.Event]int64) {
	if rapid.IntRange(0, 3).Draw(t, "restart") == 0 {
		c.begin()
		for _, row := range c.state.rows(false) {
			if err := c.fold.Load(row); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, e := range events {
		c.fold.Fold(e, rollup.Input{Timestamp: received[e]})
	}
	c.batch++
	c.state.answer(t, c.fold, 9)
	c.state.apply(c.fold.Seal(rollup.Version{Epoch: 1, Batch: c.batch}).State)
}

// What a lane remembers of tills whose clocks are right does not depend on how records are cut into batches: rebuild compares it. Where a clock is wrong, how far what is kept
// reaches follows the batches, with a past and without.
func TestStateHoweverRecordsAreCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		window := rapid.SampledFrom([]time.Duration{2 * time.Hour, 9 * time.Hour}).Draw(t, "window")
		cfg := Config{Window: window, RetireAfter: window + 4*time.Hour, Recall: rapid.IntRange(0, 3).Draw(t, "recall") > 0}
		received := map[*event.Event]int64{}
		events := drawEvents(t, received)
		if slices.ContainsFunc(events, func(e *event.Event) bool { return received[e] != 0 }) {
			return // clocks are wrong
		}
		begin, end := Open, int64(0)
		for _, e := range events {
			begin, end = min(begin, when(e)), max(end, when(e))
		}
		if texts := drawTexts(t, begin, end); len(texts) > 0 { // what is told later counts from then on, in what is kept
			events = slices.Insert(events, 0, registration(texts[0], begin-3_600_000))
		}
		var cuttings [2]cutting
		for i := range cuttings {
			c := &cuttings[i]
			c.cfg, c.state = cfg, state{}
			c.begin()
			for rest := events; len(rest) > 0; {
				n := rapid.IntRange(1, len(rest)).Draw(t, "batch")
				c.seal(t, rest[:n], received)
				rest = rest[n:]
			}
		}
		a, b := &cuttings[0], &cuttings[1]
		if a.stale > 0 || b.stale > 0 { // what is too late is judged by what came in batches before
			return
		}
		if d := cmp.Diff(a.state.live(), b.state.live()); d != "" {
			t.Fatalf("(-%d batches +%d batches):\n%s", a.batch, b.batch, d)
		}
	})
}

// live is what is compared: of a store, where its oldest run began is as far back as the batches looked.
func (st state) live() state {
	live := maps.Clone(st)
	maps.DeleteFunc(live, func(_ string, r rollup.StateRow) bool { return r.Kind == KindStore })
	return live
}
