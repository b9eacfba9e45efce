package evaluation

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/sla"
)

// slots are the slices of a part that payments were tried in, or may have been. Those of several stores are one, by number, so of a scope that has several they are
// kept until all are added up.
type slots struct {
	wide     bool   // they are kept
	all      []slot // by number, from the beginning of the period
	since    int64  // that beginning
	attempts int64  // in slices that count
	ahead    int64  // slices that may still come: at most most
	most     int64
}

type slot struct {
	n        int32
	all, bad int32
	judged   bool // it counts, and is not excluded
	lost     bool // there were attempts in its hour of which it is not kept when they were
}

// and merges the slices of another store.
func (s slots) and(o *slots) slots {
	if len(o.all) == 0 && o.most == 0 {
		return s
	}
	out := slots{wide: s.wide || o.wide, since: o.since, attempts: s.attempts + o.attempts, most: max(s.most, o.most)}
	out.ahead = min(s.ahead+o.ahead, out.most)
	out.all = make([]slot, 0, len(s.all)+len(o.all))
	a, b := s.all, o.all
	for len(a) > 0 && len(b) > 0 {
		switch c := cmp.Compare(a[0].n, b[0].n); {
		case c < 0:
			out.all, a = append(out.all, a[0]), a[1:]
		case c > 0:
			out.all, b = append(out.all, b[0]), b[1:]
		default:
			x, y := a[0], b[0]
			// What is excluded in one store is no attempt in another.
			if x.judged && !y.judged {
				y = slot{}
			} else if y.judged && !x.judged {
				x = slot{}
			}
			out.all = append(out.all, slot{a[0].n, x.all + y.all, x.bad + y.bad, x.judged || y.judged, x.lost || y.lost})
			a, b = a[1:], b[1:]
		}
	}
	out.all = append(append(out.all, a...), b...)
	return out
}

// figures judges slice by slice, and makes time of them. Raw are those that are excluded, too.
func (s *slots) figures(o *objective, running bool) sla.Figures {
	var counted, raw sla.Slices
	for _, x := range s.all {
		add := func(to *sla.Slices) {
			if x.lost {
				to.Unknown++
				return
			}
			to.Add(sla.Counts{Bad: int64(x.bad), All: int64(x.all)}, o.rate.op, o.rate.limit, o.least)
		}
		if add(&raw); x.judged {
			add(&counted)
		}
	}
	counted.Ahead = s.ahead
	f, all := counted.Figures(running), raw.Figures(running)
	f.Committed, f.Excluded, f.RawUnknown, f.RawDown = all.Committed, all.Committed-f.Counted, all.Unknown, all.Down
	return scaled(f, o.slice)
}

// evidence are the slices in which the rate was not kept, and those of which it is not known.
func (s *slots) evidence(o *objective, ref string) (out []sla.Evidence) {
	for _, x := range s.all {
		c, n := sla.Counts{Bad: int64(x.bad), All: int64(x.all)}, int64(x.n)
		e := sla.Evidence{
			Kind: "slice", Ref: ref, Span: interval.Span{From: s.since + n*o.slice, To: s.since + (n+1)*o.slice}, CountedMS: o.slice, CountedEvents: c.Bad,
			Decision: sla.Counted, Rule: "objectives[" + o.Name + "]", Note: fmt.Sprintf("%d of %d failed", x.bad, x.all),
		}
		switch {
		case x.lost:
			e.Decision, e.Note = sla.Uncertain, "it is not kept when in its hour payments were tried"
		case c.Rate(o.rate.op, o.rate.limit, o.least, false).Verdict != sla.Breached:
			continue
		}
		if !x.judged {
			e.Decision = sla.Removed
		}
		out = append(out, e)
	}
	return out
}

// slots cuts attempts into the slices of an objective. One is of the part in which it begins, and is judged when it is over.
func (m *measuring) slots(o *objective, tries []Try, t *sla.Time) slots {
	out := slots{wide: true, since: m.Period.From}
	number := func(at int64) int32 { return int32((at - out.since) / o.slice) }
	span := func(n int32) interval.Span {
		from := out.since + int64(n)*o.slice
		return interval.Span{From: from, To: from + o.slice}
	}
	for _, x := range tries {
		if x.At < m.Span.From {
			continue
		}
		n := number(x.At)
		if k := len(out.all); k == 0 || out.all[k-1].n != n {
			in := span(n)
			committed, judged := m.counts(in, t)
			if !committed || in.To > m.at {
				continue
			}
			out.all = append(out.all, slot{n: n, judged: judged})
		}
		s := &out.all[len(out.all)-1]
		s.all += int32(x.Attempts)
		s.bad += int32(x.Failed)
		if s.judged {
			out.attempts += x.Attempts
		}
	}
	for _, gone := range m.unkept() {
		left := map[bool]int64{true: gone.Attempts, false: gone.Attempts} // of slices that count, and of those that are excluded
		for n := number(max(gone.Hour, m.Span.From)); span(n).From < gone.Hour+hour; n++ {
			committed, judged := m.counts(span(n), t)
			if !committed || span(n).To > m.at {
				continue
			}
			i, there := slices.BinarySearchFunc(out.all, n, func(s slot, n int32) int { return cmp.Compare(s.n, n) })
			switch {
			case there:
				out.all[i].lost = true
			case left[judged] > 0: // each of them was in one
				left[judged]--
				out.all = slices.Insert(out.all, i, slot{n: n, judged: judged, lost: true})
			}
		}
	}
	if m.at < m.Span.To {
		out.ahead = sla.Together([]sla.Part{{Time: t, State: &sla.State{}}}, out.since, o.slice).Ahead
		out.most = (m.Span.To-m.at)/o.slice + 1
	}
	return out
}

// narrow makes figures and evidence of the slices of a scope of one store.
func (m *measuring) narrow(c cell, scope string) cell {
	if c.slices.wide {
		c.figures = c.slices.figures(c.objective, m.Running(m.at))
		c.evidence = c.slices.evidence(c.objective, scope)
		c.slices = slots{attempts: c.slices.attempts}
	}
	return c
}

// tries are the attempts of all tills of the store, in order.
func (m *measuring) tries() []Try {
	if m.allTries == nil {
		m.allTries = []Try{}
		for _, x := range m.store.Tills {
			m.allTries = append(m.allTries, x.Tries...)
		}
		slices.SortFunc(m.allTries, func(a, b Try) int { return cmp.Compare(a.At, b.At) })
	}
	return m.allTries
}

// hourly adds up attempts by the hour.
func hourly(tries []Try) (out []Payments) {
	for _, x := range tries {
		at := x.At - x.At%hour
		if n := len(out); n == 0 || out[n-1].Hour != at {
			out = append(out, Payments{Hour: at})
		}
		out[len(out)-1].Attempts += x.Attempts
	}
	return out
}
