package sequence

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
)

const topic = "pos.transactions"

// numbered is an event with a number; epoch < 0 is none.
func numbered(terminal string, epoch int64, n uint64, at int64) *event.Event {
	e := &event.Event{}
	e.TerminalID, e.Source, e.ID = terminal, terminal, fmt.Sprint("id-", n)
	e.Time = event.Time{Milli: at, OK: true}
	e.Sequence = event.Some(n)
	if epoch >= 0 {
		e.SequenceEpoch = event.Some(uint32(epoch))
	}
	return e
}

// The naive model keeps every number that ever came, and derives the rest: epochs from the times of their events, holes by counting
// from the lowest to the highest.
type modelEpoch struct {
	number  int64            // explicit, or -1
	oldest  bool             // implicit: the first of all
	came    map[uint64]int64 // number: time
	missing map[uint64]int32 // number: where it is missing
	floor   uint64           // forgotten below
}

func (m *modelEpoch) start() int64  { return slices.Min(slices.Collect(maps.Values(m.came))) }
func (m *modelEpoch) newest() int64 { return slices.Max(slices.Collect(maps.Values(m.came))) }

func (m *modelEpoch) bounds() (low, high uint64) {
	low = math.MaxUint64
	for n := range m.came {
		low, high = min(low, n), max(high, n)
	}
	return low, high
}

func (m *modelEpoch) judge(n uint64) Verdict {
	low, high := m.bounds()
	_, came := m.came[n]
	_, missing := m.missing[n]
	switch {
	case n < low || n > high || missing:
		return Fresh
	case n < m.floor:
		return Forgotten
	case came:
		return Duplicate
	}
	panic("a number between that neither came nor is missing")
}

func (m *modelEpoch) take(n uint64, at int64, day int32, days map[int32]int64) {
	low, high := m.bounds()
	m.came[n] = at
	if where, ok := m.missing[n]; ok {
		delete(m.missing, n)
		days[where]--
		return
	}
	for i := min(n, low); i <= max(n, high); i++ {
		if n < i && i < low || high < i && i < n {
			m.missing[i] = day
			days[day]++
		}
	}
}

// runs are the maximal runs of missing numbers.
func (m *modelEpoch) runs() (runs [][]uint64) {
	for _, n := range slices.Sorted(maps.Keys(m.missing)) {
		if k := len(runs) - 1; k >= 0 && runs[k][len(runs[k])-1]+1 == n {
			runs[k] = append(runs[k], n)
		} else {
			runs = append(runs, []uint64{n})
		}
	}
	return runs
}

type model struct {
	limits   limits
	implicit []*modelEpoch
	explicit []*modelEpoch
	closed   int64
	restarts uint64
	lost     uint64
	days     map[int32]int64
}

func (m *model) see(epoch int64, n uint64, at int64, day int32) Verdict {
	v := Fresh
	if epoch >= 0 {
		v = m.seeExplicit(epoch, n, at, day)
	} else {
		v = m.seeImplicit(n, at, day)
	}
	if len(m.implicit) > m.limits.epochs {
		m.lost += uint64(len(m.implicit[0].missing))
		m.implicit = m.implicit[1:]
	}
	if len(m.explicit) > m.limits.epochs {
		m.lost += uint64(len(m.explicit[0].missing))
		m.closed = m.explicit[0].number
		m.explicit = m.explicit[1:]
	}
	for {
		holes := 0
		var oldest *modelEpoch
		for _, e := range slices.Concat(m.implicit, m.explicit) {
			if r := e.runs(); len(r) > 0 {
				holes += len(r)
				if oldest == nil {
					oldest = e
				}
			}
		}
		if holes <= m.limits.holes {
			return v
		}
		for _, n := range oldest.runs()[0] {
			delete(oldest.missing, n)
			oldest.floor = max(oldest.floor, n+1)
			m.lost++
		}
	}
}

func fresh(epoch int64, n uint64, at int64) *modelEpoch {
	return &modelEpoch{number: epoch, came: map[uint64]int64{n: at}, missing: map[uint64]int32{}}
}

func (m *model) seeExplicit(epoch int64, n uint64, at int64, day int32) Verdict {
	if epoch <= m.closed {
		return Forgotten
	}
	for _, e := range m.explicit {
		if e.number == epoch {
			v := e.judge(n)
			if v == Fresh {
				e.take(n, at, day, m.days)
			}
			return v
		}
	}
	m.explicit = append(m.explicit, fresh(epoch, n, at))
	slices.SortFunc(m.explicit, func(a, b *modelEpoch) int { return int(a.number - b.number) })
	return Fresh
}

func (m *model) seeImplicit(n uint64, at int64, day int32) Verdict {
	if len(m.implicit) == 0 {
		m.implicit = append(m.implicit, fresh(-1, n, at))
		m.implicit[0].oldest = true
		return Fresh
	}
	// The last epoch that began before, and the one behind it for numbers that came after the former fell silent.
	var mine, next *modelEpoch
	for _, e := range m.implicit {
		if e.oldest || e.start() <= at {
			mine, next = e, nil
		} else if next == nil {
			next = e
		}
	}
	if mine == nil {
		return Forgotten
	}
	v := mine.judge(n)
	if v != Fresh && at > mine.newest() {
		if next == nil {
			m.implicit = append(m.implicit, fresh(-1, n, at))
			m.restarts++
			return Fresh
		}
		mine = next
		v = mine.judge(n)
	}
	if v == Fresh {
		mine.take(n, at, day, m.days)
	}
	return v
}

// world is a Set whose state is kept, as ClickHouse does, so that it can be lost and loaded.
type world struct {
	set   *Set
	rows  map[[3]string]rollup.StateRow
	days  map[string]map[int32]int64
	limit limits
}

func (w *world) open(t interface{ Fatalf(string, ...any) }) {
	w.set = New(Config{Missing: func(topic, terminal string, day int32, delta int64) {
		if w.days[terminal] == nil {
			w.days[terminal] = map[int32]int64{}
		}
		w.days[terminal][day] += delta
	}})
	w.set.limits = w.limit
	for _, k := range slices.SortedFunc(maps.Keys(w.rows), func(a, b [3]string) int { return slices.Compare(a[:], b[:]) }) {
		if err := w.set.Load(w.rows[k]); err != nil {
			t.Fatalf("loading what was sealed: %v", err)
		}
	}
}

func (w *world) seal() []rollup.StateRow {
	rows := w.set.Seal()
	for _, r := range rows {
		w.rows[[3]string{fmt.Sprint(r.Partition), r.Kind, r.Key}] = r
	}
	return rows
}

func newWorld(t interface{ Fatalf(string, ...any) }, l limits) *world {
	w := &world{rows: map[[3]string]rollup.StateRow{}, days: map[string]map[int32]int64{}, limit: l}
	w.open(t)
	return w
}

func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lim := limits{
			rapid.SampledFrom([]int{1, 3, 9, maxHoles}).Draw(t, "holes"), rapid.SampledFrom([]int{1, 2, maxEpochs}).Draw(t, "epochs"),
			rapid.SampledFrom([]int{1, 2, 3, atHand}).Draw(t, "open"), rapid.SampledFrom([]int{1, 2, 5, ofPage}).Draw(t, "page"),
		}
		w := newWorld(t, lim)
		models := map[string]*model{}
		type sent struct {
			terminal string
			epoch    int64
			n        uint64
			at       int64
		}
		var past []sent
		clock, counter := int64(1_700_000_000_000), uint64(1)
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			e := sent{
				terminal: rapid.SampledFrom([]string{"till-1", "till-2"}).Draw(t, "terminal"),
				epoch:    rapid.SampledFrom([]int64{-1, -1, 0, 1, 2, 3}).Draw(t, "epoch"),
			}
			switch rapid.SampledFrom([]string{"next", "next", "any", "repeat", "restart", "seal", "reload"}).Draw(t, "what") {
			case "next":
				clock++
				counter++
				e.n, e.at = counter, clock
			case "any":
				e.n = rapid.Uint64Range(0, 15).Draw(t, "n")
				e.at = clock + rapid.Int64Range(-12, 3).Draw(t, "at")
			case "repeat":
				if len(past) == 0 {
					continue
				}
				e = rapid.SampledFrom(past).Draw(t, "of")
			case "restart":
				clock++
				counter = 1
				e.n, e.at = counter, clock
			case "seal":
				w.seal()
				continue
			case "reload":
				w.seal()
				w.open(t)
				continue
			}
			past = append(past, e)
			m := models[e.terminal]
			if m == nil {
				m = &model{limits: lim, closed: -1, days: map[int32]int64{}}
				models[e.terminal] = m
			}
			day := rapid.Int32Range(-3, 3).Draw(t, "day")
			got := w.set.See(numbered(e.terminal, e.epoch, e.n, e.at), rollup.Input{Topic: topic, Partition: 1}, day)
			if want := m.see(e.epoch, e.n, e.at, day); got != want {
				t.Fatalf("%+v: %d, want %d", e, got, want)
			}
			for d, n := range m.days {
				if w.days[e.terminal][d] != n {
					t.Fatalf("missing on %d: %d, want %d", d, w.days[e.terminal][d], n)
				}
			}
			var restarts, lost uint64
			for _, m := range models {
				restarts += m.restarts
				lost += m.lost
			}
			if st := w.set.Stats(); st != (Stats{len(models), restarts, lost}) {
				t.Fatalf("%+v, want %d restarts and %d forgotten", st, restarts, lost)
			}
		}
	})
}

// Whatever order a till's events come in, and however often, each is new once: as long as its counter did not start again, or as
// it says when it did.
func TestEveryEventOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, bounds)
		var events []*event.Event
		for epoch := range rapid.Int64Range(-1, 2).Draw(t, "epochs") + 1 {
			for n := range rapid.Uint64Range(1, 30).Draw(t, "n") {
				events = append(events, numbered("till", epoch, n+1, 1_700_000_000_000+epoch*1000+int64(n)))
			}
		}
		if len(events) == 0 {
			for n := range uint64(40) {
				events = append(events, numbered("till", -1, n, 1_700_000_000_000+int64(n)))
			}
		}
		news := map[*event.Event]int{}
		for _, e := range rapid.Permutation(slices.Concat(events, events, events)).Draw(t, "order") {
			v := w.set.See(e, rollup.Input{Topic: topic}, rapid.Int32Range(0, 3).Draw(t, "day"))
			if v == Fresh {
				news[e]++
			} else if v != Duplicate || news[e] == 0 {
				t.Fatalf("epoch %v, number %d: %d", e.SequenceEpoch, e.Sequence.Value, v)
			}
		}
		for _, e := range events {
			if news[e] != 1 {
				t.Fatalf("epoch %v, number %d: new %d times", e.SequenceEpoch, e.Sequence.Value, news[e])
			}
		}
		for day, n := range w.days["till"] {
			if n != 0 {
				t.Fatalf("%d still missing on day %d although all came", n, day)
			}
		}
	})
}

// Tills that share a counter, or count in steps: each number comes late, or again, or never, and is new once. What is kept in the end does not depend on where batches
// ended, nor on whether it was loaded meanwhile.
func TestSharedCounter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		tills := rapid.SampledFrom([]int{1, 2, 8, 30}).Draw(t, "tills")
		step := rapid.SampledFrom([]uint64{1, 1, 2, 10, 1000}).Draw(t, "step")
		backlog := rapid.SampledFrom([]int{0, 3, 100}).Draw(t, "backlog")
		lim := limits{maxHoles, maxEpochs, 8, 16}
		once, w := newWorld(t, lim), newWorld(t, lim)
		came, late := map[string]map[uint64]bool{}, []*event.Event{}
		see := func(e *event.Event, day int32) {
			if came[e.TerminalID] == nil {
				came[e.TerminalID] = map[uint64]bool{}
			}
			want := Fresh
			if came[e.TerminalID][e.Sequence.Value] {
				want = Duplicate
			}
			for _, w := range []*world{once, w} {
				if got := w.set.See(e, rollup.Input{Topic: topic}, day); got != want {
					t.Fatalf("number %d of %s: %d, want %d", e.Sequence.Value, e.TerminalID, got, want)
				}
			}
			came[e.TerminalID][e.Sequence.Value] = true
		}
		for i := range 700 {
			e := numbered(fmt.Sprint("till-", rnd.IntN(tills)), -1, 7+step*uint64(i), 1_700_000_000_000+int64(i))
			day := int32(i / 80)
			switch x := rnd.IntN(20); {
			case x == 0: // lost
			case x == 1 && backlog > 0:
				late = append(late, e)
			default:
				see(e, day)
				if x == 2 {
					see(e, day+9)
				}
			}
			if backlog > 0 && len(late) > rnd.IntN(10*backlog) {
				j := rnd.IntN(len(late))
				see(late[j], day)
				see(late[j], day)
				late = slices.Delete(late, j, j+1)
			}
			if rnd.IntN(60) == 0 {
				w.seal()
				if rnd.IntN(2) == 0 {
					w.open(t)
				}
			}
		}
		for _, terminal := range slices.Sorted(maps.Keys(came)) { // what a plain count has missing, and all again
			numbers := came[terminal]
			low, high := slices.Min(slices.Collect(maps.Keys(numbers))), slices.Max(slices.Collect(maps.Keys(numbers)))
			want := int64(high-low+1) - int64(len(numbers))
			for _, w := range []*world{once, w} {
				got := int64(0)
				for _, n := range w.days[terminal] {
					got += n
				}
				if got != want {
					t.Fatalf("%d missing of %s, want %d", got, terminal, want)
				}
			}
			for _, n := range slices.Sorted(maps.Keys(numbers)) {
				see(numbered(terminal, -1, n, 0), 0)
			}
		}
		if rapid.Bool().Draw(t, "journal") { // the till sends all that it has
			for _, terminal := range slices.Sorted(maps.Keys(came)) {
				low, high := slices.Min(slices.Collect(maps.Keys(came[terminal]))), slices.Max(slices.Collect(maps.Keys(came[terminal])))
				for n := low; n < high && high-low <= 1500; n++ {
					see(numbered(terminal, -1, n, 0), 0)
					if rnd.IntN(20) == 0 {
						w.seal()
					}
				}
			}
		}
		once.seal()
		w.seal()
		for _, w := range []*world{once, w} {
			maps.DeleteFunc(w.rows, func(_ [3]string, r rollup.StateRow) bool { return r.Deleted })
		}
		if diff := cmp.Diff(once.rows, w.rows); diff != "" {
			t.Fatalf("state depends on where batches end:\n%s", diff)
		}
	})
}

// An event without a number is a repeat if it is one of the last 1,024 ids that were new, before and after a reload.
func TestIDsAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, bounds)
		var last []string      // ids that were new
		at := map[string]int{} // where in last
		see := func(id string) {
			e := &event.Event{}
			e.ID, e.Source, e.TerminalID = id, "till", "till"
			want := Fresh
			if i, ok := at[id]; ok && i >= len(last)-remembered {
				want = Duplicate
			}
			if got := w.set.See(e, rollup.Input{Topic: topic}, 0); got != want {
				t.Fatalf("%s: %d, want %d (%d ids before)", id, got, want, len(last))
			}
			if want == Fresh {
				at[id] = len(last)
				last = append(last, id)
			}
		}
		fill := 0
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"fill", "repeat", "edge", "seal", "reload"}).Draw(t, "what") {
			case "fill":
				for range rapid.SampledFrom([]int{1, 10, 63, 64, 65, 500, 1024, 1087, 1088, 1089}).Draw(t, "n") {
					fill++
					see(fmt.Sprint("id-", fill))
				}
			case "repeat":
				if len(last) > 0 {
					see(rapid.SampledFrom(last[max(0, len(last)-1200):]).Draw(t, "id"))
				}
			case "edge":
				if len(last) > remembered {
					see(last[len(last)-remembered])   // the oldest that is known
					see(last[len(last)-remembered-1]) // the newest that is not
				}
			case "seal":
				w.seal()
			case "reload":
				w.seal()
				w.open(t)
			}
		}
	})
}
