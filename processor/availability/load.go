package availability

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tillstream/tillstream/processor/rollup"
)

var (
	errKey  = errors.New("not a key of this kind")
	errLate = errors.New("folding has begun; load all state first")
	errPast = errors.New("evidence of it is to be read again when it is wanted, which this fold cannot")
)

// origin tells a terminal's state in one partition from that in another: there may be two, after its store's key has moved.
type origin struct {
	key       string
	partition int32
}

// loading is a terminal whose rows are still coming.
type loading struct {
	terminal
	order int // of the header; 0 is none yet
}

// Load restores one row of state. All rows come before the first Fold, in any order. Of a terminal that has state in two
// partitions the one with the newer evidence is used, then the one with more hours of it, then the one loaded last. A row that
// cannot be read is an error that names it; rows of another kind are left alone.
func (f *Fold) Load(row rollup.StateRow) error {
	if row.Deleted {
		return nil
	}
	switch row.Kind {
	case KindTerminal, KindEvidence, KindStore, KindRegistry:
	default:
		return nil
	}
	if err := f.load(row); err != nil {
		return fmt.Errorf("loading %s %q of partition %d: %w", row.Kind, row.Key, row.Partition, err)
	}
	return nil
}

func (f *Fold) load(row rollup.StateRow) error {
	if f.loading == nil {
		return errLate
	}
	switch row.Kind {
	case KindStore:
		return f.storeOf(row.Key, row.Partition).readState(row.Value, row.Partition)
	case KindRegistry:
		return f.storeOf(row.Key, row.Partition).readRegistry(row.Value)
	}
	store, rest, ok := strings.Cut(row.Key, "\x00")
	if !ok {
		return errKey
	}
	if row.Kind == KindTerminal {
		l := f.loadingOf(store, rest, row.Partition)
		l.order = len(f.loading)
		open, err := l.readHeader(row.Value, f.texts)
		switch {
		case err != nil:
			return err
		case len(l.past) > 0 && !f.rules.recall:
			return errPast
		case l.open == 0:
			return nil
		}
		return f.loadChunk(l, l.open, open)
	}
	i := strings.LastIndexByte(rest, 0)
	if i < 0 {
		return errKey
	}
	hour, err := strconv.ParseInt(rest[i+1:], 10, 32)
	if err != nil {
		return errKey
	}
	l := f.loadingOf(store, rest[:i], row.Partition)
	if l.open != 0 && l.open == hour*hourMilli {
		return nil // it is from before the header had it
	}
	return f.loadChunk(l, hour*hourMilli, row.Value)
}

func (f *Fold) loadChunk(l *loading, start int64, data []byte) (err error) {
	if f.scratch.held, err = readChunk(f.scratch.held[:0], start, data, f.texts); err != nil {
		return err
	}
	l.skewed = l.skewed || slices.ContainsFunc(f.scratch.held, isSkewed)
	c := chunk{start, slices.Clone(data)}
	if i, found := l.find(start); found {
		l.chunks[i] = c
	} else {
		l.chunks = slices.Insert(l.chunks, i, c)
	}
	return nil
}

func (t *terminal) find(start int64) (int, bool) {
	return slices.BinarySearchFunc(t.chunks, start, func(c chunk, start int64) int { return cmp.Compare(c.start, start) })
}

func (f *Fold) loadingOf(store, id string, partition int32) *loading {
	o := origin{store + "\x00" + id, partition}
	l := f.loading[o]
	if l == nil {
		l = &loading{terminal: *newTerminal(store, id)}
		l.partition, l.known = partition, true
		f.loading[o] = l
	}
	return l
}

// adopt ends loading.
func (f *Fold) adopt() {
	if f.loading == nil {
		return
	}
	chosen := map[entity]*loading{}
	for _, l := range f.loading {
		if l.order == 0 {
			continue // evidence of a terminal that has no state: nobody can say what held before it
		}
		if c := chosen[l.entity]; c == nil || cmp.Or(
			cmp.Compare(l.newest, c.newest), cmp.Compare(len(l.chunks), len(c.chunks)), cmp.Compare(l.order, c.order)) > 0 {
			chosen[l.entity] = l
		}
	}
	for _, l := range chosen {
		t := l.terminal
		t.chunks = slices.Clip(slices.DeleteFunc(t.chunks, func(c chunk) bool { return c.start < t.base.first(t.skewed) }))
		if t.seen = t.newest; t.skewed {
			if placed := f.placed(&t, &t.base); len(placed) > 0 {
				t.seen = placed[len(placed)-1].Time
			}
			t.lateSent = lateSent(f.scratch.held)
		}
		t.whole = f.rules.recall && t.base.at > beginningOfTime && !t.skewed && (t.open == 0 || len(t.chunks) > recentHours)
		f.freeze(&t, true)
		l.chunks = nil // or all of them would be there twice
		t.home = f.storeOf(t.store, t.partition)
		t.store, t.home.known = t.home.id, true
		t.home.terminals = append(t.home.terminals, &t)
	}
	for _, st := range f.stores {
		slices.SortFunc(st.terminals, func(a, b *terminal) int { return cmp.Compare(a.id, b.id) })
		heard := st.heard()
		for _, t := range st.terminals {
			if !heard || !t.awaited() {
				st.newest, st.seen = max(st.newest, t.newest), max(st.seen, t.seen)
			}
		}
	}
	f.loading = nil
}
