package evaluation

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/sla"
	"github.com/tillstream/tillstream/processor/sla/agreement"
)

// Key names what is published: an agreement, the version and part of a period, an objective and a scope. Its revisions follow each other.
type Key struct {
	Contract  string
	Period    int64 // its beginning
	Part      int64 // the beginning of the part
	Version   int
	Objective string
	Scope
}

// Key is that of a line.
func (l *Line) Key() Key {
	return Key{l.Contract, l.Period.From, l.Span.From, l.Version, l.Objective.Name, l.Scope}
}

// Published is what was published last under a key.
type Published struct {
	sla.Statement
	Period  interval.Span
	Figures sla.Figures
	Events  int64
	Sources Sources

	Due, EarnedBack int64
	Pending         bool
}

// Statement is what is published now: a line, with how firm it is.
type Statement struct {
	*Line
	sla.Statement
	Stands bool // it is what was provisional, with its evidence
}

// Publish says what of a line is news at an instant; ok is false if nothing is. was is what was published last, nil if nothing was.
func (l *Line) Publish(was *Published, at int64) (s Statement, ok bool) {
	late := l.LateData(l.Objective)
	var published []sla.Statement
	reason := ""
	if was != nil {
		published = []sla.Statement{was.Statement}
		reason = l.reason(was)
	}
	now := sla.Statement{Result: l.Result, Credit: l.Credit, Text: l.Hash}
	if was != nil && l.Amendment == 0 {
		now.Text = was.Text // it is the same: nobody amended it
	}
	next, ok := late.Next(published, now, at, reason)
	if ok && was != nil && next.Stage == sla.Final && was.At >= late.Accept && was.Text == now.Text && was.Result != l.Result {
		return Statement{l.standing(was), next, true}, true // whatever came since
	}
	return Statement{l, next, false}, ok
}

// standing is a line as it was published.
func (l *Line) standing(was *Published) *Line {
	out := *l
	out.Result, out.Figures, out.Events, out.Sources = was.Result, was.Figures, was.Events, was.Sources
	out.Credit, out.Due, out.EarnedBack, out.Pending = was.Credit, was.Due, was.EarnedBack, was.Pending
	return &out
}

// Milliseconds says whether the figure of a line is a length of time, and not a share.
func (l *Line) Milliseconds() bool {
	switch l.Objective.Indicator {
	case agreement.ResponseMS, agreement.AuthorisationMS: // a percentile is judged as a share
		return l.Objective.Statistic == "mean"
	case agreement.TimeToDetect, agreement.TimeToAcknowledge, agreement.TimeToResolve, agreement.TimeToRepair:
		return true
	}
	return false
}

// reason says what of the sources changed since something was published.
func (l *Line) reason(was *Published) string {
	if l.Amendment > 0 && was.Text != l.Hash { // what the digests are of depends on the text
		return l.amended() + "; reckoned with what is known now"
	}
	var out []string
	for _, x := range []struct {
		was, is uint64
		what    string
	}{
		{was.Sources.Evidence, l.Sources.Evidence, "evidence came late or was corrected"},
		{was.Sources.Decisions, l.Sources.Decisions, "incidents, maintenance or parties were decided otherwise"},
		{was.Sources.Registry, l.Sources.Registry, "stores, terminals or opening hours were registered otherwise"},
	} {
		if x.was != x.is {
			out = append(out, x.what)
		}
	}
	if len(out) == 0 {
		return "what was published of other periods, or of other scopes, changed"
	}
	return strings.Join(out, "; ")
}

// amended says why the text is another one.
func (p *Part) amended() string {
	return fmt.Sprintf("version %d, signed on %s, amends version %d: %s", p.Amendment, p.Signed.On, p.Version, p.Reason)
}

// Withdrawn is the line of an objective and scope of which a part has none since its text was amended; ok is false if it was not, or that was published already.
func (p *Part) Withdrawn(k Key, was *Published) (l *Line, ok bool) {
	if p.Amendment == 0 || was.Text == p.Hash || k.Contract != p.Contract || k.Version != p.Version || k.Part != p.Span.From {
		return nil, false
	}
	o := &agreement.Objective{Name: k.Objective, Per: k.Kind}
	for r := p.Resolved; r != nil; r = r.Amended {
		if i := slices.IndexFunc(r.Terms.Objectives, func(x agreement.Objective) bool { return x.Name == k.Objective }); i >= 0 {
			o = &r.Terms.Objectives[i]
			break
		}
	}
	return &Line{Part: p, Objective: o, Scope: k.Scope, Result: sla.Result{Verdict: sla.NotApplicable}, Why: "it is not promised any more: " + p.amended(), Currency: p.Terms.Remedies.Base.Currency}, true
}

// Published is what is known of a statement once it is written.
func (s *Statement) Published() *Published {
	return &Published{
		Statement: s.Statement, Period: s.Period, Figures: s.Figures, Events: s.Events, Sources: s.Sources,
		Due: s.Due, EarnedBack: s.EarnedBack, Pending: s.Pending,
	}
}
