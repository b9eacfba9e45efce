package evaluation

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/sla"
	"github.com/tillstream/tillstream/processor/sla/agreement"
)

// Windows are those over which burn rates are told, in ms of counted time, with their names.
var Windows = [...]struct {
	Name string
	MS   int64
}{{"5m", 5 * minute}, {"30m", 30 * minute}, {"1h", hour}, {"2h", 2 * hour}, {"6h", 6 * hour}, {"1d", day}, {"3d", 3 * day}}

const (
	minute = 60_000
	hour   = 60 * minute
	day    = 24 * hour
)

// Sources are digests of what a figure is made of, which tell why it changed. They add up; those of a part that runs are 0.
type Sources struct{ Evidence, Decisions, Registry uint64 }

func (s *Sources) add(o Sources) {
	s.Evidence += o.Evidence
	s.Decisions += o.Decisions
	s.Registry += o.Registry
}

// owed is the counted time for which a fee is paid: of the part, and of its period as if the text were in force all along.
type owed struct{ part, period int64 }

// cell is what one store adds to an objective and a scope.
type cell struct {
	*objective
	Scope
	figures  sla.Figures
	burns    [len(Windows)]sla.Burn
	counts   sla.Counts
	sums     sla.Sums
	slices   slots
	took     sla.Durations
	parts    []sla.Part // where something is composed of it in time slices
	evidence []sla.Evidence
	sources  Sources
	owed     owed
	units    [2]int64 // terminals, stores
}

func (c *cell) add(o *cell) {
	c.figures = c.figures.Add(o.figures)
	for i := range c.burns {
		c.burns[i].Counted += o.burns[i].Counted
		c.burns[i].Unknown += o.burns[i].Unknown
		c.burns[i].Down += o.burns[i].Down
	}
	c.counts.Bad += o.counts.Bad
	c.counts.All += o.counts.All
	c.counts.RawBad += o.counts.RawBad
	c.counts.RawAll += o.counts.RawAll
	c.counts.Missing += o.counts.Missing
	c.sums.Sum += o.sums.Sum
	c.sums.N += o.sums.N
	c.sums.RawSum += o.sums.RawSum
	c.sums.RawN += o.sums.RawN
	c.sums.Missing += o.sums.Missing
	c.slices = c.slices.and(&o.slices)
	c.took.Took = append(c.took.Took, o.took.Took...)
	c.took.Open += o.took.Open
	c.took.Oldest = max(c.took.Oldest, o.took.Oldest)
	c.took.Running = c.took.Running || o.took.Running
	c.parts = append(c.parts, o.parts...)
	c.evidence = append(c.evidence, o.evidence...)
	c.sources.add(o.sources)
	c.owed.part += o.owed.part
	c.owed.period += o.owed.period
	c.units[0] += o.units[0]
	c.units[1] += o.units[1]
}

// result is what a cell comes to, once all stores are in it.
func (c *cell) result(running bool) (sla.Result, int64) {
	switch {
	case c.why != "":
		return sla.Result{Verdict: sla.NotApplicable}, 0
	case c.timed():
		return c.figures.Result(c.target), 0
	case c.sliced():
		if c.slices.wide {
			c.figures = c.slices.figures(c.objective, running)
		}
		return c.figures.Result(c.target), c.slices.attempts
	case c.ofIncidents():
		c.took.Running = c.took.Running || running
		slices.Sort(c.took.Took)
		r, _ := c.took.Result(c.stat, c.op, c.limit, c.least)
		return r, int64(len(c.took.Took))
	case c.ofAnswers():
		return c.counts.Share(c.target, c.least, running), c.counts.All
	case c.Indicator == agreement.AuthorisationMS || c.Indicator == agreement.ResponseMS:
		return c.sums.Mean(c.op, c.limit, c.least, running), c.sums.N
	case c.Indicator == agreement.PaymentFailures:
		return c.counts.Rate(c.op, c.limit, c.least, running), c.counts.All
	}
	return sla.Result{Verdict: sla.NotApplicable}, 0
}

// Measured is what one store comes to in one part.
type Measured struct {
	Store string
	cells []cell
	owed  owed
	units [2]int64
}

// Recent says whether something was down in the last two hours that count, so that burn rates change soon. It may be asked of nil.
func (m *Measured) Recent() bool {
	if m == nil {
		return false
	}
	for i := range m.cells {
		for j, w := range Windows {
			if w.MS <= 2*hour && m.cells[i].burns[j].Down > 0 {
				return true
			}
		}
	}
	return false
}

// Line is what an objective comes to for a scope, in a part.
type Line struct {
	*Part
	Objective *agreement.Objective
	Scope
	Target   sla.Ratio // what the figure is compared with
	Op       sla.Op
	Result   sla.Result
	Figures  sla.Figures
	Events   int64 // that it is made of, where it is no time
	Budget   float64
	Burns    [len(Windows)]sla.Burn // of a part that runs, with a target
	Burning  bool
	Evidence []sla.Evidence
	Sources  Sources
	Why      string // it is not applicable

	// Money, minor units of Currency. Due is before the pool, EarnedBack is of an earlier credit.
	Credit, Due, EarnedBack int64
	Pending                 bool
	Currency                string
	Invoice                 sla.Share // where the base is what is invoiced: the share of it that is credited

	owed  owed
	units [2]int64
}

// Total is what is owed for all of a part.
type Total struct {
	owed  owed
	units [2]int64
}

// Lines adds up the cells of all stores of a part, and composes. The order of the stores does not matter.
func (p *Part) Lines(stores []*Measured, at int64) ([]*Line, Total) {
	stores = slices.Clone(stores)
	slices.SortFunc(stores, func(a, b *Measured) int { return cmp.Compare(a.Store, b.Store) })
	type key struct {
		objective *objective
		scope     Scope
	}
	var total Total
	sums := map[key]*cell{}
	var order []key
	for _, m := range stores {
		total.owed.part += m.owed.part
		total.owed.period += m.owed.period
		total.units[0] += m.units[0]
		total.units[1] += m.units[1]
		for i := range m.cells {
			c := &m.cells[i]
			k := key{c.objective, c.Scope}
			if sums[k] == nil {
				order = append(order, k)
				fresh := *c
				fresh.took.Took = slices.Clone(c.took.Took)
				fresh.evidence, fresh.parts = slices.Clip(c.evidence), slices.Clip(c.parts)
				sums[k] = &fresh
				continue
			}
			sums[k].add(c)
		}
	}
	running := p.Running(at)
	var out []*Line
	for _, k := range order {
		if k.scope.Kind == k.objective.Per {
			c := sums[k]
			r, events := c.result(running)
			out = append(out, p.line(c, r, events, at))
		}
	}
	for _, o := range p.objectives {
		if o.Indicator != agreement.Composite {
			continue
		}
		seen := map[Scope]bool{}
		for _, k := range order {
			if k.scope.Kind != o.Per || o.Of[k.objective.Name].IsZero() || seen[k.scope] {
				continue
			}
			seen[k.scope] = true
			of := func(name string) *cell { return sums[key{p.named(name), k.scope}] }
			out = append(out, p.compose(o, k.scope, of, at))
		}
	}
	slices.SortStableFunc(out, func(a, b *Line) int {
		return cmp.Or(cmp.Compare(a.Objective.Name, b.Objective.Name), a.Scope.Compare(b.Scope))
	})
	return out, total
}

func (p *Part) line(c *cell, r sla.Result, events, at int64) *Line {
	slices.SortStableFunc(c.evidence, func(a, b sla.Evidence) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Ref, b.Ref))
	})
	l := &Line{
		Part: p, Objective: &c.Objective, Scope: c.Scope, Target: c.limit, Op: c.op, Result: r, Figures: c.figures, Events: events,
		Evidence: append(c.evidence, c.answered(p, at)...), Sources: c.sources, Why: c.why, owed: c.owed, units: c.units,
	}
	if l.Why == "" && r.Verdict == sla.NotApplicable {
		l.Why = c.nothing(events)
	}
	if c.sliced() {
		l.Figures, l.Budget = c.figures, c.figures.Budget(c.target)
	}
	if c.timed() {
		l.Budget = c.figures.Budget(c.target)
		l.Burns, l.Burning = c.burns, at < p.Span.To
	}
	return l
}

// answered is the evidence of payments, all of a scope together: how many were bad, how many are not known, how many are excluded; or which slices were bad.
func (c *cell) answered(p *Part, at int64) (out []sla.Evidence) {
	if c.why == "" && c.sliced() {
		return c.slices.evidence(c.objective, c.Scope.Name) // of a scope of one store it is there
	}
	if c.why != "" || c.Indicator != agreement.PaymentFailures && !c.ofAnswers() {
		return nil
	}
	kind, what := "payments", "failed"
	if c.Indicator == agreement.ResponseMS {
		kind = "answers"
	}
	if c.ofAnswers() {
		what = fmt.Sprintf("took more than %d ms", c.within)
	}
	n := &c.counts
	for _, x := range []struct {
		events   int64
		decision sla.Decision
		note     string
	}{
		{n.Bad, sla.Counted, fmt.Sprintf("of %d %s", n.All, what)},
		{n.Missing, sla.Uncertain, c.unkept()},
		{n.RawAll - n.All, sla.Removed, "in hours that are excluded"},
	} {
		if x.events > 0 {
			out = append(out, sla.Evidence{
				Kind: kind, Ref: c.Scope.Name, Span: p.Span.Cut(interval.Span{From: interval.Min, To: max(at, p.Span.From)}), CountedEvents: x.events,
				Decision: x.decision, Rule: "objectives[" + c.objective.Name + "]", Note: x.note,
			})
		}
	}
	return out
}

// unkept says of how many of the events less is known than is promised.
func (c *cell) unkept() string {
	if c.Indicator == agreement.PaymentFailures {
		return "of these it is not kept at which till they were"
	}
	return "of these it is not kept how long they took"
}

// nothing says why what can be measured came to no verdict.
func (c *cell) nothing(events int64) string {
	switch {
	case c.timed() && c.figures.Excluded > 0:
		return "all of its service time is excluded"
	case c.timed():
		return "it had no service time"
	case c.Indicator == agreement.Composite:
		return "nothing that it is composed of applies"
	case events > 0:
		return fmt.Sprintf("%d events; fewer than %d (min_events) are no ground for a verdict", events, c.least)
	case c.ofIncidents():
		return "nothing of it was resolved"
	}
	return "no event of it is kept"
}

// compose makes the line of a composite for a scope.
func (p *Part) compose(o *objective, scope Scope, of func(string) *cell, at int64) *Line {
	sum := cell{objective: o, Scope: scope}
	var mixed []sla.Weighted
	names := make([]string, 0, len(o.Of))
	for name := range o.Of {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		c := of(name)
		if c == nil {
			continue
		}
		r, _ := c.result(p.Running(at))
		mixed = append(mixed, sla.Weighted{Result: r, Weight: sla.Share(o.Of[name].Nano())})
		sum.parts = append(sum.parts, c.parts...)
		sum.sources.add(c.sources)
		sum.owed, sum.units = c.owed, c.units
	}
	if o.Method != "timeslices" {
		return p.line(&sum, sla.Mix(mixed, o.target, p.Running(at)), 0, at)
	}
	slice := int64(minute)
	if o.slice > 0 {
		slice = o.slice
	}
	made := sla.Together(sum.parts, p.Period.From, slice)
	sum.figures = scaled(made.Figures(at < p.Span.To), slice)
	return p.line(&sum, sum.figures.Result(o.target), 0, at)
}

// scaled makes ms of figures that count slices.
func scaled(f sla.Figures, slice int64) sla.Figures {
	for _, x := range []*int64{&f.Committed, &f.Excluded, &f.Counted, &f.Unknown, &f.Down, &f.Doubt, &f.RawUnknown, &f.RawDown, &f.Ahead} {
		*x *= slice
	}
	return f
}
