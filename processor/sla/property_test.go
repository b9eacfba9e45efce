package sla

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/interval"
)

func (w *world) all() interval.Span { return interval.Span{From: w.start, To: w.at(w.minutes)} }

// over measures another period of the same world, to its end.
func (w *world) over(period interval.Span, excluded interval.Set) Figures {
	tm := NewTime(period, w.version, w.life, w.store.Service(w.all()), Excused{excluded, w.forgiven}, period.To)
	s := w.rules.Read(&w.history, tm.Service)
	return Measure(tm, &s)
}

func notAbove(t *rapid.T, what string, a, b Ratio) {
	t.Helper()
	if a.OK() && b.OK() && a.Cmp(b) > 0 {
		t.Fatalf("%s: %v > %v", what, a, b)
	}
}

func TestBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		_, _, f := drawWorld(t).measure()
		notAbove(t, "low and availability", f.Low(), f.Availability())
		notAbove(t, "availability and high", f.Availability(), f.High())
		for _, x := range []int64{f.Committed - f.Counted - f.Excluded, f.Counted - f.Unknown - f.Down - f.Doubt} {
			if x < 0 {
				t.Fatalf("%+v", f)
			}
		}
		if f.Committed != f.Counted+f.Excluded {
			t.Fatalf("T is not X and Q: %+v", f)
		}
	})
}

// A measurement may be cut at any instant: outages and silences are what they were in the world.
func TestPartsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		cut := w.period.From + rapid.Int64Range(0, w.period.To-w.period.From).Draw(t, "cut")
		whole := w.over(w.period, w.excluded)
		parts := w.over(interval.Span{From: w.period.From, To: cut}, w.excluded).Add(w.over(interval.Span{From: cut, To: w.period.To}, w.excluded))
		if whole != parts {
			t.Fatalf("cut at %d:\n%+v, in parts\n%+v", cut, whole, parts)
		}
	})
}

// Whoever excludes more counts less, and never finds more down.
func TestExcludingMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		more := drawSet(t, w, 2, 600, "more")
		a, b := w.over(w.period, w.excluded), w.over(w.period, w.excluded.Union(more))
		if b.Counted > a.Counted || b.Down > a.Down || b.Unknown > a.Unknown || b.Committed != a.Committed || b.RawDown != a.RawDown || b.RawUnknown != a.RawUnknown {
			t.Fatalf("%+v, with more excluded %+v", a, b)
		}
		if again := w.over(w.period, w.excluded.Union(more).Union(more)); again != b {
			t.Fatalf("excluded twice %+v, once %+v", again, b)
		}
	})
}

// Neither the order of the runs matters nor that they are said twice or in pieces.
func TestRunsAreASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		_, _, want := w.measure()
		var runs []Run
		for _, x := range w.history.Runs {
			a, b := x, x
			a.To = min(x.To, x.From+rapid.Int64Range(0, 900).Draw(t, "cut")*minute)
			b.From = a.To - rapid.Int64Range(0, min(5, (a.To-a.From)/minute)).Draw(t, "overlap")*minute
			runs = append(runs, a, b, b)
		}
		w.history.Runs = rapid.Permutation(runs).Draw(t, "order")
		if _, _, got := w.measure(); got != want {
			t.Fatalf("%+v, in pieces %+v", want, got)
		}
	})
}

// What comes to be known narrows the bounds: low never falls, high never rises. Silence is left out: what it is depends on how long it
// lasts, so a sale in it changes what the rest is taken for.
func TestKnowingMoreNarrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		w.history.Runs = slices.DeleteFunc(w.history.Runs, func(x Run) bool { return x.Status == Silent })
		before := w.over(w.period, w.excluded)
		s := w.rules.Read(&w.history, nil)
		holes := interval.Of(w.all()).Subtract(s.Known)
		for _, x := range drawSet(t, w, 5, 400, "learned").Intersect(holes) {
			w.history.Runs = append(w.history.Runs, Run{Span: x, Status: rapid.SampledFrom([]Status{Up, Down}).Draw(t, "was")})
		}
		after := w.over(w.period, w.excluded)
		notAbove(t, "low before and after", before.Low(), after.Low())
		notAbove(t, "high after and before", after.High(), before.High())
		if v, n := before.Verdict(w.target), after.Verdict(w.target); v != n && v != Undetermined {
			t.Fatalf("%s became %s by what was unknown before", v, n)
		}
	})
}
