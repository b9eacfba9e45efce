package evaluation

import (
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
	next, ok := late.Next(published, sla.Statement{Result: l.Result, Credit: l.Credit}, at, reason)
	if ok && was != nil && next.Stage == sla.Final && was.At >= late.Accept && was.Result != l.Result {
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
	case agreement.ResponseMS, agreement.AuthorisationMS:
		return l.Objective.Statistic != "share_below"
	case agreement.TimeToDetect, agreement.TimeToAcknowledge, agreement.TimeToResolve, agreement.TimeToRepair:
		return true
	}
	return false
}

// reason says what of the sources changed since something was published.
func (l *Line) reason(was *Published) string {
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

// Published is what is known of a statement once it is written.
func (s *Statement) Published() *Published {
	return &Published{
		Statement: s.Statement, Period: s.Period, Figures: s.Figures, Events: s.Events, Sources: s.Sources,
		Due: s.Due, EarnedBack: s.EarnedBack, Pending: s.Pending,
	}
}
