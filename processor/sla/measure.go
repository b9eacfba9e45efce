package sla

import (
	"github.com/tillstream/tillstream/processor/interval"
)

// Excused is time that does not count against anybody: removed from what counts, or counted as up.
type Excused struct{ Removed, Up interval.Set }

// Time is the time in which an agreement counts. The terminals of a store mostly share one.
type Time struct {
	Within    interval.Span // P ∩ V, up to the instant of measuring
	Service   interval.Set  // L ∩ S, as far as asked for
	Committed interval.Set  // T
	Excluded  interval.Set  // X
	Counted   interval.Set  // Q
	Judged    interval.Set  // Q less what counts as up whatever it was

	// Running: the period, or the version in it, goes on after the instant of measuring. Ahead is the counted time still to come, ms.
	Running bool
	Ahead   int64

	ahead                                interval.Set // counted time to come
	eligible                             interval.Set // would be judged, within the period and beyond
	committed, excluded, counted, judged int64        // ms
}

// NewTime cuts out what counts until an instant of what is promised. service and what is excused should reach beyond the period, as far as
// outages and silences do that reach into it.
func NewTime(period, version interval.Span, life, service interval.Set, excused Excused, until int64) *Time {
	whole := period.Cut(version)
	t := &Time{Within: whole.Cut(interval.Span{From: interval.Min, To: until}), Service: life.Intersect(service)}
	t.Running = until < whole.To
	if t.Running {
		t.ahead = t.Service.Within(whole.Cut(interval.Span{From: until, To: interval.Max})).Subtract(excused.Removed)
		t.Ahead = t.ahead.Length()
	}
	t.Committed = t.Service.Within(t.Within)
	t.Excluded = t.Committed.Intersect(excused.Removed)
	t.Counted = t.Committed.Subtract(t.Excluded)
	t.eligible = t.Service.Subtract(excused.Removed).Subtract(excused.Up)
	t.Judged = t.eligible.Within(t.Within)
	t.committed, t.excluded, t.counted, t.judged = t.Committed.Length(), t.Excluded.Length(), t.Counted.Length(), t.Judged.Length()
	return t
}

// Widen opens every span so many ms earlier and closes it so many later (service_hours.pad).
func Widen(s interval.Set, before, after int64) interval.Set {
	out := make([]interval.Span, len(s))
	for i, x := range s {
		out[i] = x
		if x.From != interval.Min {
			out[i].From -= before
		}
		if x.To != interval.Max {
			out[i].To += after
		}
	}
	return interval.Of(out...)
}

// Figures are the lengths of domain 3.1 in ms, and the ratios made of them. They add up, over the parts of a period as over terminals.
type Figures struct {
	Committed, Excluded, Counted int64 // |T|, |X|, |Q|
	Unknown, Down, Doubt         int64 // |U|, |D|, |E|
	RawUnknown, RawDown          int64 // |U|, |D| as if nothing were excused
	Ahead                        int64 // counted time to come
	Outages                      int64 // of which the first counted instant is here: of several periods that share one, one counts it
	Running                      bool
}

// Measure is what a state comes to in a time.
func Measure(t *Time, s *State) Figures {
	f := Figures{Committed: t.committed, Excluded: t.excluded, Counted: t.counted, Ahead: t.Ahead, Running: t.Running}
	f.Unknown, f.Down, f.Doubt = s.in(t.Judged, t.judged)
	f.RawUnknown, f.RawDown = f.Unknown, f.Down
	if t.judged < f.Committed {
		f.RawUnknown, f.RawDown, _ = s.in(t.Committed, f.Committed)
	}
	if f.Down > 0 {
		for _, x := range s.Outages {
			if at, ok := t.felt(s, x); ok && t.Within.From <= at && at < t.Within.To {
				f.Outages++
			}
		}
	}
	return f
}

// felt is the first instant of an outage that counts, in whatever period.
func (t *Time) felt(s *State, outage interval.Span) (int64, bool) {
	for _, x := range s.Down.Within(outage) {
		if at, ok := t.eligible.Next(x.From); ok && at < x.To {
			return at, true
		}
	}
	return 0, false
}

// in is how much of a set of a length is unknown, down and doubtful, ms.
func (s *State) in(q interval.Set, length int64) (unknown, down, doubt int64) {
	return length - s.Known.Shared(q), s.Down.Shared(q), s.Doubt.Shared(q)
}

// Add adds up what was measured of another part of a period, or of another terminal.
func (f Figures) Add(o Figures) Figures {
	return Figures{
		f.Committed + o.Committed, f.Excluded + o.Excluded, f.Counted + o.Counted,
		f.Unknown + o.Unknown, f.Down + o.Down, f.Doubt + o.Doubt,
		f.RawUnknown + o.RawUnknown, f.RawDown + o.RawDown,
		f.Ahead + o.Ahead, f.Outages + o.Outages, f.Running || o.Running,
	}
}

// Coverage is how much of the counted time was measured: 1 - |U|/|Q|.
func (f *Figures) Coverage() Ratio { return Ratio{f.Counted - f.Unknown, f.Counted} }

// Availability is that of the time measured: 1 - |D| / (|Q|-|U|).
func (f *Figures) Availability() Ratio {
	return Ratio{f.Counted - f.Unknown - f.Down, f.Counted - f.Unknown}
}

// Low is the availability if all unknown time were down.
func (f *Figures) Low() Ratio {
	return Ratio{f.Counted - f.Unknown - f.Down - f.Doubt, f.Counted}
}

// High is the availability if all unknown time were up.
func (f *Figures) High() Ratio { return Ratio{f.Counted - f.Down, f.Counted} }

// Raw is the availability as if nothing were excused.
func (f *Figures) Raw() Ratio {
	return Ratio{f.Committed - f.RawUnknown - f.RawDown, f.Committed - f.RawUnknown}
}

// Budget is how long a terminal may be down in the whole period, (1-target)·|Q|, ms. For showing. Of it [Figures.Down] is spent.
func (f *Figures) Budget(target Share) float64 {
	return float64(One-target) * float64(f.Counted+f.Ahead) / float64(One)
}

// Verdict is what follows of a measurement.
type Verdict string

// The verdicts.
const (
	Met           Verdict = "met"
	Breached      Verdict = "breached"
	Undetermined  Verdict = "undetermined"   // it depends on what nobody knows
	AtRisk        Verdict = "at_risk"        // in a period that runs: so far it is not met, or depends on what nobody knows
	NotApplicable Verdict = "not_applicable" // nothing counted
)

// Verdict compares with a target, at which it is met.
//
// Of a period that is over: met if low ≥ target, breached if high < target, else undetermined. While it runs: breached if it would be
// even if all the rest were up, that is once more than the budget is spent; else at risk if low < target so far, or the
// budget is spent as fast as time passes, or faster (burn ≥ 1); else met, so far.
func (f *Figures) Verdict(target Share) Verdict {
	switch {
	case f.Counted == 0:
		return NotApplicable
	case f.Running:
		best := Ratio{f.Counted + f.Ahead - f.Down, f.Counted + f.Ahead}
		switch {
		case best.Compare(target) < 0:
			return Breached
		case f.Low().Compare(target) < 0, f.Down > 0 && f.High().Compare(target) <= 0:
			return AtRisk
		}
		return Met
	case f.Low().Compare(target) >= 0:
		return Met
	case f.High().Compare(target) < 0:
		return Breached
	}
	return Undetermined
}

// Bearer is who bears what is undetermined (low_evidence).
type Bearer uint8

// The bearers. With Nobody there is no money until the verdict is determined.
const (
	Nobody Bearer = iota
	Customer
	Provider
)
