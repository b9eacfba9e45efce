package sla

import (
	"slices"

	"github.com/tillstream/tillstream/processor/interval"
)

// Case is one incident, or an outage, as a duration: from believed start to resolution (time to resolve), from opened to acknowledged, and so
// on. Cancelled incidents are none, and neither are those that ended because the terminal was withdrawn.
type Case struct {
	Ref      string
	From, To int64        // ms; To is 0 while it lasts, and where nobody said
	Resolved int64        // when the incident was resolved for the last time; 0: it is open
	Pauses   interval.Set // honoured pauses, and times before a reopening that came more than 24 h later
	Party    string
}

// Took is the length of a case in a clock until an instant, ms: |[from, to) ∩ clock| - |pauses ∩ clock|. A case that ends before it begins took 0.
func (c *Case) Took(clock interval.Set, until int64) int64 {
	x := interval.Span{From: c.From, To: until}
	if c.To != 0 {
		x.To = min(c.To, until)
	}
	return clock.Overlap(x) - clock.Intersect(c.Pauses).Overlap(x)
}

// Statistic is what of durations is compared.
type Statistic uint8

// The statistics. Percentiles are by nearest rank.
const (
	Mean Statistic = iota
	P50
	P90
)

// few is below how many a mean is noise.
const few = 5

// Durations are the cases of a period: those resolved in it, and how those fare that are still open.
type Durations struct {
	Took    []int64 // in rising order, ms
	Open    int
	Oldest  int64 // of the open ones, ms by the same clock
	Running bool

	evidence []Evidence
}

// NewDurations sorts out cases: a case is of the period in which it was resolved. until is when the period is looked at, at most its
// end, so that a period is the same whenever it is reckoned: what was resolved later was open then. clock reaches back to the first case.
func NewDurations(cases []Case, clock interval.Set, period interval.Span, until int64) Durations {
	d := Durations{Running: until < period.To}
	until = min(until, period.To)
	for i := range cases {
		c := &cases[i]
		e := Evidence{Kind: "incident", Ref: c.Ref, Span: interval.Span{From: c.From, To: c.To}, Party: c.Party, CountedEvents: 1, Decision: Counted}
		switch {
		case c.From >= until || c.Resolved != 0 && c.Resolved < period.From:
			continue
		case c.Resolved != 0 && c.Resolved < until:
			if c.To == 0 {
				continue // nobody acknowledged it
			}
			e.CountedMS = c.Took(clock, interval.Max)
			d.Took = append(d.Took, e.CountedMS)
		case c.To != 0 && c.To < until:
			continue // this step of it is done; it counts with the period in which it is resolved
		default:
			e.CountedMS, e.CountedEvents, e.Decision, e.To, e.Note = c.Took(clock, until), 0, NotCounted, until, "open"
			d.Open++
			d.Oldest = max(d.Oldest, e.CountedMS)
		}
		d.evidence = append(d.evidence, e)
	}
	slices.Sort(d.Took)
	return d
}

// Figure is a statistic, ms; without cases there is no value, and not 0.
func (d *Durations) Figure(s Statistic) Ratio {
	n := int64(len(d.Took))
	if n == 0 {
		return Ratio{}
	}
	rank := func(percent int64) Ratio { return Ratio{d.Took[(percent*n+99)/100-1], 1} }
	switch s {
	case P50:
		return rank(50)
	case P90:
		return rank(90)
	}
	r := Ratio{Of: n}
	for _, ms := range d.Took {
		r.Part += ms
	}
	return r
}

// Result compares a statistic with a limit, ms. An open case that is older than what was promised is a breach already, whatever the others took.
// Fewer than least resolved cases are no ground for a verdict.
func (d *Durations) Result(s Statistic, op Op, limit Ratio, least int64) (Result, []Evidence) {
	figure, n := d.Figure(s), int64(len(d.Took))
	r := Result{Actual: figure, Raw: figure, Low: figure, High: figure, Coverage: Ratio{n, n}, Few: n < few}
	if op.judge(&r, limit, d.Running); n < least {
		r.Verdict = NotApplicable
	}
	if d.Open > 0 && op.falling() && !op.Keeps(Ratio{d.Oldest, 1}, limit) {
		r.Verdict = Breached
	}
	return r, d.evidence
}
