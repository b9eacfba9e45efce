package verdict

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla"
	"github.com/tillstream/tillstream/processor/sla/evaluation"
)

// Supposing is what is to be measured without anything being published.
type Supposing struct {
	Contracts []*evaluation.Contract
	Stores    map[string]*registry.Store
	// Published is what was published: of it the periods before Span are what repeated breaches and earn-backs look back at.
	Published map[evaluation.Key]*evaluation.Published
	Span      interval.Span // the periods that lie whole in it are measured
	At        int64         // as of this instant
}

// Supposed is what the periods of one contract came to, in order, each with its parts.
type Supposed struct {
	Periods [][]evaluation.Settlement
	Failed  error // they could not be measured, or not all of them
}

// Suppose measures contracts as a round does, period after period, and says what they came to, by name. It writes nothing. Of each period later ones see what it came to
// here, and not what was published of it.
func Suppose(ctx context.Context, facts Facts, s Supposing) (map[string]*Supposed, error) {
	e := &Evaluator{deps: Deps{Facts: facts}, published: map[evaluation.Key]*evaluation.Published{}}
	e.register(s.Stores)
	for k, p := range s.Published {
		if p.Period.To <= s.Span.From {
			e.published[k] = p
		}
	}
	e.remember()
	out := map[string]*Supposed{}
	var work []*task
	for _, c := range s.Contracts {
		out[c.Name] = &Supposed{}
		for _, parts := range c.Over(s.Span) {
			if whole := parts[0].Period; whole.Cut(s.Span) != whole {
				continue
			}
			t := &task{contract: &contract{Contract: c}, period: &period{}}
			for _, x := range parts {
				p := e.part(x)
				t.period.parts, t.stores = append(t.period.parts, p), append(t.stores, p.stores)
			}
			work = append(work, t)
		}
	}
	spanOf := func(t *task) interval.Span { return t.period.parts[0].Period }
	slices.SortFunc(work, func(a, b *task) int {
		x, y := spanOf(a), spanOf(b)
		return cmp.Or(cmp.Compare(x.To, y.To), cmp.Compare(x.From, y.From), strings.Compare(a.contract.Name, b.contract.Name))
	})
	report := Report{Failed: map[string]error{}}
	for len(work) > 0 {
		n := slices.IndexFunc(work, func(t *task) bool { return spanOf(t) != spanOf(work[0]) })
		if n < 0 {
			n = len(work)
		}
		if err := e.measure(ctx, work[:n], s.At, &report); err != nil {
			return nil, err
		}
		for _, t := range work[:n] {
			e.suppose(t, s.At, out[t.contract.Name], report.Failed)
		}
		work = work[n:]
	}
	return out, nil
}

// suppose adds up one period that was measured.
func (e *Evaluator) suppose(t *task, at int64, out *Supposed, failed map[string]error) {
	name := t.contract.Name
	if failed[name] == nil {
		if err := guarded(func() { e.settle(t, at) }); err != nil {
			failed[name] = err
		}
	}
	if out.Failed = failed[name]; out.Failed != nil {
		out.Failed = fmt.Errorf("agreement %s: %w", name, out.Failed)
		return
	}
	for _, s := range t.all {
		for _, l := range s.Lines {
			e.note(l.Key(), &evaluation.Published{Statement: sla.Statement{Stage: sla.Final, Result: l.Result, Credit: l.Credit}, Period: l.Period})
		}
	}
	for _, x := range t.period.parts {
		clear(x.measured)
	}
	out.Periods = append(out.Periods, t.all)
}

// register keeps the stores, and where customers have terminals.
func (e *Evaluator) register(stores map[string]*registry.Store) {
	e.stores, e.customers = stores, map[string][]string{}
	for _, id := range slices.Sorted(maps.Keys(stores)) {
		for i := range stores[id].Terminals {
			for _, v := range stores[id].Terminals[i].Versions {
				if all := e.customers[v.Customer]; len(all) == 0 || all[len(all)-1] != id {
					e.customers[v.Customer] = append(all, id)
				}
			}
		}
	}
}
