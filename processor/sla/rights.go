package sla

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/sla/agreement"
)

// Breach is a period in which an objective was not kept for a scope.
type Breach struct {
	Objective, Scope string
	Period           interval.Span
	Final            bool // it is final, or restated
}

// Right is what a party may do beyond money, and the breaches that ground it, in order of time.
type Right struct {
	agreement.Escalate
	Objective, Scope string
	Grounds          []Breach
}

// Final says whether every breach is that grounds it.
func (r *Right) Final() bool {
	return !slices.ContainsFunc(r.Grounds, func(b Breach) bool { return !b.Final })
}

// RightsOf are the rights that a text gives at an instant: where one objective was not kept for one scope in so many periods that ended within the time before it. A period that is
// made of several versions is one. Key measurements and what is only reported ground nothing.
func RightsOf(t *agreement.Terms, breaches []Breach, until int64, zone *time.Location) (out []Right) {
	counts := map[string]bool{}
	for _, o := range t.Objectives {
		counts[o.Name] = o.Weight != "key" && (o.Report == nil || !*o.Report)
	}
	breaches = slices.Clone(breaches)
	slices.SortFunc(breaches, func(a, b Breach) int {
		final := func(x *Breach) int {
			if x.Final {
				return 1
			}
			return 0
		}
		return cmp.Or(strings.Compare(a.Objective, b.Objective), strings.Compare(a.Scope, b.Scope), cmp.Compare(a.Period.To, b.Period.To), final(&b)-final(&a))
	})
	for _, e := range t.Remedies.Escalate {
		after := RightsSince(&e, until, zone)
		for rest := breaches; len(rest) > 0; {
			of := rest[0]
			n := slices.IndexFunc(rest, func(b Breach) bool { return b.Objective != of.Objective || b.Scope != of.Scope })
			if n < 0 {
				n = len(rest)
			}
			r := Right{Escalate: e, Objective: of.Objective, Scope: of.Scope}
			for _, b := range rest[:n] {
				if last := len(r.Grounds); after < b.Period.To && b.Period.To <= until && (last == 0 || r.Grounds[last-1].Period != b.Period) {
					r.Grounds = append(r.Grounds, b)
				}
			}
			if rest = rest[n:]; counts[of.Objective] && len(r.Grounds) >= e.Breaches {
				out = append(out, r)
			}
		}
	}
	return out
}

// RightsSince is the instant after which periods end that ground a right at another one.
func RightsSince(e *agreement.Escalate, until int64, zone *time.Location) int64 {
	if e.Within.IsZero() {
		return interval.Min
	}
	return e.Within.Before(until, zone)
}
