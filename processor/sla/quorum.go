package sla

import (
	"cmp"
	"slices"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
)

// Till is a terminal as a part of its store.
type Till struct {
	Lives interval.Set
	// Able, Unable and Silent are when it can sell, when it cannot, and when it is silent. When it is neither able nor unable nobody knows.
	Able, Unable, Silent interval.Set
}

// Till is how a history looks to the store. Short outages and gaps between them count here: what the store loses by them is measured, merged
// and dropped as an outage of the store.
func (r *Rules) Till(h *History, lives, service interval.Set) Till {
	raw := *r
	raw.MergeGap, raw.MinOutage = 0, 0
	s := raw.Read(h, service)
	return Till{Lives: lives, Able: s.Known.Subtract(s.Outages), Unable: s.Outages, Silent: r.Silent(h)}
}

// Silent is when nothing is heard of a terminal.
func (r *Rules) Silent(h *History) interval.Set {
	_, _, silent := r.heard(h)
	return silent
}

// Store is the state of a store: down if fewer than the quorum can sell even if all of which nobody knows can, up if the quorum is known to,
// else unknown (domain 3.3). Where it has no tills nothing is promised: its life is the union of theirs. quorums cover all time that is
// measured.
func (r *Rules) Store(tills []Till, quorums []registry.Quorum) State {
	var steps []step
	for i := range tills {
		t := &tills[i]
		steps = t.steps(steps, t.Lives, step{alive: 1, unknown: 1})
		steps = t.steps(steps, t.Able, step{able: 1, unknown: -1})
		steps = t.steps(steps, t.Unable, step{unknown: -1})
	}
	var known, down []interval.Span
	sweep(steps, func(x interval.Span, n step) {
		for _, q := range quorums {
			in, least := x.Cut(q.Span), int32(max(q.Tills, 1))
			switch {
			case in.Empty():
			case n.alive == 0 || n.able >= least:
				known = append(known, in)
			case n.able+n.unknown < least:
				known, down = append(known, in), append(down, in)
			}
		}
	})
	return r.outages(interval.Of(known...), interval.Of(down...))
}

// StoreSilent is when all tills of a store are silent, two at least: then it is likelier that the line is cut than that they are dead. It wants their
// lives and silences only: what comes of it is for their histories.
func StoreSilent(tills []Till) interval.Set {
	var steps []step
	for i := range tills {
		t := &tills[i]
		steps = t.steps(steps, t.Lives, step{alive: 1})
		steps = t.steps(steps, t.Silent, step{able: -1})
	}
	var out []interval.Span
	sweep(steps, func(x interval.Span, n step) {
		if n.alive >= 2 && n.alive+n.able == 0 {
			out = append(out, x)
		}
	})
	return interval.Of(out...)
}

// step is by how much counts of tills change at an instant.
type step struct {
	at                   int64
	alive, able, unknown int32
}

// steps counts a till in, while it lives and is in a set.
func (t *Till) steps(steps []step, s interval.Set, n step) []step {
	for _, x := range s.Intersect(t.Lives) {
		in, out := n, step{x.To, -n.alive, -n.able, -n.unknown}
		in.at = x.From
		steps = append(steps, in, out)
	}
	return steps
}

// sweep visits all time, stretch by stretch of the same counts.
func sweep(steps []step, visit func(interval.Span, step)) {
	slices.SortFunc(steps, func(a, b step) int { return cmp.Compare(a.at, b.at) })
	var n step
	at := interval.Min
	for i := 0; i < len(steps); {
		next := steps[i].at
		if at < next {
			visit(interval.Span{From: at, To: next}, n)
		}
		for at = next; i < len(steps) && steps[i].at == at; i++ {
			n.alive, n.able, n.unknown = n.alive+steps[i].alive, n.able+steps[i].able, n.unknown+steps[i].unknown
		}
	}
	if at < interval.Max {
		visit(interval.Span{From: at, To: interval.Max}, n)
	}
}
