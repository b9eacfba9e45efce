package sequence

import (
	"math"
	"slices"

	"github.com/tillstream/tillstream/processor/event"
)

// Bounds of a terminal's memory.
const (
	maxHoles  = 4096 // intervals, over all epochs
	maxEpochs = 8    // explicit ones, and as many implicit ones
	atHand    = 64   // holes of an epoch, from which on the lower half is packed
	ofPage    = 512  // holes of a page that grows at its end; others may have twice as many
)

// limits are the bounds; tests make them small.
type limits struct{ holes, epochs, open, page int }

var bounds = limits{maxHoles, maxEpochs, atHand, ofPage}

// terminal is what is known of one terminal of a topic and a partition.
type terminal struct {
	index      int32      // in Set.terminals
	listed     bool       // in Set.changed
	renumbered bool       // numbers changed since the last Seal
	epochs     []tracker  // implicit ones by time, then explicit ones by number
	first      [1]tracker // room for the one that most have
	ids        *ids       // nil until an event without a number comes
	shelf      *shelf     // nil until holes are packed

	closed    event.Opt[uint32] // explicit epochs up to this one are forgotten
	restarts  uint64            // implicit epochs begun after the first
	forgotten uint64            // missing numbers that can no longer be told from repeats
}

// see takes number n of an event of time at (ms).
func (t *terminal) see(e *event.Event, day int32, lim limits) (v Verdict, r revealed) {
	var k *tracker
	if e.SequenceEpoch.OK {
		k, v, r = t.explicit(e.SequenceEpoch.Value, e.Sequence.Value, day)
	} else {
		k, v, r = t.implicit(e.Sequence.Value, heardAt(e), day)
	}
	if v == Fresh {
		t.renumbered = true
		if k.gaps != nil || len(t.epochs) > lim.epochs {
			t.bound(lim)
		}
	}
	return v, r
}

// heardAt is when an event got its number. The time of a correction is that of what it corrects.
func heardAt(e *event.Event) int64 {
	if len(e.Corrects.IDs) > 0 && e.RecordedAt.OK {
		return e.RecordedAt.Milli
	}
	return e.Time.Milli
}

// implicits is the number of implicit epochs.
func (t *terminal) implicits() int {
	n := 0
	for n < len(t.epochs) && !t.epochs[n].explicit {
		n++
	}
	return n
}

func (t *terminal) begin(i int, k tracker) (*tracker, Verdict, revealed) {
	t.epochs = slices.Insert(t.epochs, i, k)
	return &t.epochs[i], Fresh, revealed{}
}

func (t *terminal) explicit(epoch uint32, n uint64, day int32) (*tracker, Verdict, revealed) {
	if t.closed.OK && epoch <= t.closed.Value {
		return nil, Forgotten, revealed{}
	}
	i := len(t.epochs)
	for i > 0 && t.epochs[i-1].explicit && t.epochs[i-1].number >= epoch {
		i--
	}
	if i == len(t.epochs) || t.epochs[i].number != epoch {
		return t.begin(i, tracker{low: n, high: n, number: epoch, explicit: true})
	}
	v, r := t.epochs[i].see(n, day)
	return &t.epochs[i], v, r
}

func (t *terminal) implicit(n uint64, at int64, day int32) (*tracker, Verdict, revealed) {
	known := t.implicits()
	if known == 0 {
		return t.begin(0, tracker{low: n, high: n, start: math.MinInt64, newest: at})
	}
	i := known - 1
	for i >= 0 && t.epochs[i].start > at {
		i--
	}
	if i < 0 {
		return nil, Forgotten, revealed{}
	}
	k := &t.epochs[i]
	v, r := k.see(n, day)
	switch {
	case v == Fresh:
		k.newest = max(k.newest, at)
		return k, v, r
	case at <= k.newest:
		return k, v, r
	}
	// Known, yet later than all of this epoch.
	if i+1 < known {
		next := &t.epochs[i+1]
		if v, r = next.see(n, day); v == Fresh {
			next.start = at
		}
		return next, v, r
	}
	t.restarts++
	return t.begin(known, tracker{low: n, high: n, start: at, newest: at})
}

// bound packs holes, and forgets the oldest epochs and the lowest holes beyond the limits.
func (t *terminal) bound(lim limits) {
	for i := range t.epochs {
		if g := t.epochs[i].gaps; g != nil {
			t.tidy(g, lim)
		}
	}
	if n := t.implicits(); n > lim.epochs {
		t.drop(0)
	} else if len(t.epochs)-n > lim.epochs {
		t.closed = event.Some(t.epochs[n].number)
		t.drop(n)
	}
	total := 0
	for i := range t.epochs {
		total += t.epochs[i].gaps.count()
	}
	for i := 0; total > lim.holes; {
		g := t.epochs[i].gaps
		if g.count() == 0 {
			i++
			continue
		}
		t.lose(g.forget())
		t.tidy(g, lim)
		total--
	}
}

func (t *terminal) drop(i int) {
	for g := t.epochs[i].gaps; g.count() > 0; {
		t.lose(g.forget())
		t.tidy(g, bounds)
	}
	t.epochs = slices.Delete(t.epochs, i, i+1)
}

func (t *terminal) lose(numbers uint64) {
	t.forgotten += min(numbers, math.MaxUint64-t.forgotten)
}
