package whatif

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tillstream/tillstream/processor/sla"
	"github.com/tillstream/tillstream/processor/sla/agreement"
	"github.com/tillstream/tillstream/processor/sla/evaluation"
	"github.com/tillstream/tillstream/processor/sla/statement"
)

var operators = [...]string{sla.Lte: "lte", sla.Lt: "lt", sla.Gte: "gte", sla.Gt: "gt"}

// sideOf is what a line comes to.
func sideOf(l *evaluation.Line) *Side {
	s := &Side{Version: l.Version, Note: l.Why}
	s.result(&l.Result)
	s.promise(l)
	s.money(l.Due, l.Credit, l.EarnedBack, l.Currency)
	if s.Pending = l.Pending; l.Invoice > 0 {
		s.Invoice = agreement.Billionths(int64(l.Invoice)).String()
	}
	switch f := &l.Figures; {
	case s.Note != "" || l.Result.Verdict != sla.Undetermined:
	case f.Counted > 0 && f.Unknown == f.Counted:
		s.Note = "no evidence is kept of any of it"
	default:
		s.Note = "what is unknown decides (low and high of --format json)"
	}
	return s
}

// published is what was published under the key of a line.
func published(p *evaluation.Published, l *evaluation.Line) *Side {
	s := &Side{Stage: p.Stage, Pending: p.Pending}
	if l.Part != nil {
		s.Version = l.Version
	}
	s.result(&p.Result)
	s.promise(l)
	s.money(p.Due, p.Credit, p.EarnedBack, l.Currency)
	return s
}

func (s *Side) result(r *sla.Result) {
	s.Verdict = r.Verdict
	s.Figure, s.Low, s.High, s.Coverage = statement.FigureOf(r.Actual), statement.FigureOf(r.Low), statement.FigureOf(r.High), statement.FigureOf(r.Coverage)
}

func (s *Side) promise(l *evaluation.Line) {
	s.Unit = statement.Share
	if l.Milliseconds() {
		s.Unit = statement.MS
	}
	if f := statement.FigureOf(l.Target); f != nil {
		s.Op, s.Target = operators[l.Op], short(f)
	}
}

func (s *Side) money(due, credit, back int64, currency string) {
	s.due, s.credit, s.back, s.Currency = due, credit, back, currency
	s.Due, s.Credit = statement.AmountOf(due, currency), statement.AmountOf(credit, currency)
	if back != 0 {
		s.Back = statement.AmountOf(back, currency)
	}
}

// same says whether two texts come to the same: figure and bounds, what was promised, verdict and credit.
func (s *Side) same(o *Side) bool {
	return equal(s.Figure, o.Figure) && equal(s.Low, o.Low) && equal(s.High, o.High) && s.Target == o.Target && s.Op == o.Op && s.Verdict == o.Verdict &&
		s.credit == o.credit && s.back == o.back && s.Currency == o.Currency && s.Pending == o.Pending && (s.Invoice == o.Invoice || s.Stage != "" || o.Stage != "") // of what was published the share is in its note only
}

// equal says whether two figures are the same number.
func equal(a, b *statement.Figure) bool {
	if a == nil || b == nil {
		return a == b
	}
	return sla.Ratio{Part: a.Part, Of: a.Of}.Cmp(sla.Ratio{Part: b.Part, Of: b.Of}) == 0
}

// short is a figure without the zeros at its end.
func short(f *statement.Figure) string {
	if f == nil {
		return "–"
	}
	return strings.TrimSuffix(strings.TrimRight(f.Value, "0"), ".")
}

// String tells a side in short: figure, verdict, credit.
func (s *Side) String() string {
	out := short(s.Figure) + " " + string(s.Verdict)
	if s.credit != 0 {
		out += fmt.Sprintf(", %s %s", s.Credit, s.Currency)
	}
	return out
}

// changes are the pieces of evidence of which two texts decide otherwise, those about most time first.
func changes(was, is []*evaluation.Line) []Change {
	type key struct{ kind, ref string }
	type decided struct{ was, is []Decision }
	all := map[key]*decided{}
	var order []key
	for side, lines := range [2][]*evaluation.Line{was, is} {
		for _, l := range lines {
			for i := range l.Evidence {
				e := &l.Evidence[i]
				k := key{e.Kind, e.Ref}
				if all[k] == nil {
					all[k] = &decided{}
					order = append(order, k)
				}
				into := &all[k].was
				if side == 1 {
					into = &all[k].is
				}
				*into = add(*into, Decision{e.Decision, e.CountedMS, e.CountedEvents, e.Rule, e.Note})
			}
		}
	}
	var out []Change
	for _, k := range order {
		if d := all[k]; !slices.Equal(d.was, d.is) {
			out = append(out, Change{k.kind, k.ref, d.was, d.is})
		}
	}
	slices.SortStableFunc(out, func(a, b Change) int { return int(min(max(b.weight()-a.weight(), -1), 1)) })
	return out
}

// add adds a decision to others about the same evidence, which are kept in order.
func add(all []Decision, d Decision) []Decision {
	i, found := slices.BinarySearchFunc(all, d, func(a, b Decision) int {
		return strings.Compare(string(a.Decision)+"\x00"+a.Rule+"\x00"+a.Note, string(b.Decision)+"\x00"+b.Rule+"\x00"+b.Note)
	})
	if found {
		all[i].MS, all[i].Events = all[i].MS+d.MS, all[i].Events+d.Events
		return all
	}
	return slices.Insert(all, i, d)
}

// weight is how much time, or how many events, a change is about.
func (c *Change) weight() (n int64) {
	for _, d := range slices.Concat(c.Was, c.Is) {
		n = max(n, d.MS, d.Events)
	}
	return n
}
