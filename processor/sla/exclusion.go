package sla

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/tillstream/tillstream/processor/interval"
)

// Signature is a set of parties that approved something.
type Signature uint8

// Who approves.
const (
	ByProvider Signature = 1 << iota
	ByCustomer
)

// Exclusion is a rule of an agreement about time that is removed from what counts.
type Exclusion struct {
	Text string // as written, for the evidence
	Up   bool   // effect: up. The time counts as up; else it is removed

	Kind   string   // planned_maintenance, customer_requested, force_majeure …; "": any
	Party  string   // whose fault it is; "": anybody's
	Except []string // suppliers for which the party answers nevertheless

	Notice   func(begins int64) int64 // until when notice must have been given; nil: none is wanted
	Within   interval.Set             // the windows in which it may be, as instants; nil: any time
	Approval Signature                // all of these must have approved
	Cap      int64                    // ms of committed time in each period of Per; 0: as much as there is
	Per      Calendar
}

// Claim is time that somebody wants removed: maintenance (announced ∩ approved ∩ actual, package incident), or an outage with the party that
// answers for it.
type Claim struct {
	Ref             string
	Kind            string // "" of an outage
	Party, Supplier string
	Spans           interval.Set
	NoticeAt        int64 // when notice was given, ms; 0: never
	Approved        Signature
	DecidedBy, Note string
	DecidedAt       int64
}

// matches says whether a rule is about a claim.
func (e *Exclusion) matches(c *Claim) bool {
	return (e.Kind == "" || e.Kind == c.Kind) && (e.Party == "" || e.Party == c.Party) && !slices.Contains(e.Except, c.Supplier)
}

// item is one span of a claim on its way through the rules.
type item struct {
	*Claim
	interval.Span
	rest interval.Set // committed time not removed so far
	rule string       // the last that looked at it
	why  []string     // it was not removed
}

// Exclude decides about claims: what is removed, and the evidence for it within a period.
//
// Every rule in turn looks at what those before it left of each claim it is about. Of that it takes what was announced in time and approved,
// what lies within its windows, and of that the first of each cap period, until the cap is spent: so overlapping claims spend it once,
// by start time. Caps are spent in committed time: promised is L ∩ S over all of every cap period that the measured one shares something with,
// and claims are all that lie in it, so that what is excused depends neither on the period nor on the version that is measured.
//
// In the evidence excused time is told once, with the claim that began first; CountedMS of what was removed add up to |X|.
func Exclude(rules []Exclusion, claims []Claim, promised interval.Set, period interval.Span) (Excused, []Evidence) {
	var items []item
	for i := range claims {
		for _, x := range claims[i].Spans {
			items = append(items, item{Claim: &claims[i], Span: x, rest: promised.Within(x)})
		}
	}
	slices.SortFunc(items, func(a, b item) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), strings.Compare(a.Ref, b.Ref))
	})
	var done Excused
	var all interval.Set // of both
	var out []Evidence
	for i := range rules {
		var took interval.Set
		took, out = rules[i].apply(items, all, period, out)
		all = all.Union(took)
		if rules[i].Up {
			done.Up = done.Up.Union(took)
		} else {
			done.Removed = done.Removed.Union(took)
		}
	}
	for i := range items {
		x := &items[i]
		left := x.rest.Within(period)
		switch {
		case len(left) == 0:
			continue
		case len(x.why) > 0:
		case x.Kind != "":
			x.why = append(x.why, "no rule is about it")
		default:
			continue // an outage that is nobody else's fault
		}
		out = append(out, x.evidence(NotRemoved, left, left.Subtract(all), x.rule, strings.Join(x.why, "; ")))
	}
	return done, out
}

// apply lets one rule look at what is left of the claims, done having been excused before. It gives what it adds.
func (e *Exclusion) apply(items []item, done interval.Set, period interval.Span, out []Evidence) (interval.Set, []Evidence) {
	allowed := make([]interval.Set, len(items))
	var all interval.Set
	for i := range items {
		if x := &items[i]; len(x.rest) > 0 && e.matches(x.Claim) {
			allowed[i] = e.allows(x)
			all = all.Union(allowed[i])
		}
	}
	took := e.capped(all.Subtract(done))
	decision := Removed
	if e.Up {
		decision = Forgiven
	}
	for i := range items {
		x := &items[i]
		if len(allowed[i]) == 0 {
			continue
		}
		mine := allowed[i].Intersect(took.Union(done))
		if in := mine.Within(period); len(in) > 0 {
			note, told := "", in.Subtract(done)
			if told.Length() < in.Length() {
				note = "overlaps what is excused already"
			}
			out = append(out, x.evidence(decision, in, told, e.Text, note))
		}
		done = done.Union(mine)
		if over := allowed[i].Subtract(mine); len(over) > 0 {
			x.why = append(x.why, "above the cap")
		}
		x.rest = x.rest.Subtract(mine)
	}
	return took, out
}

// allows is what a rule would remove of an item if there were no cap.
func (e *Exclusion) allows(x *item) interval.Set {
	x.rule = e.Text
	switch missing := e.Approval &^ x.Approved; {
	case e.Notice != nil && x.NoticeAt == 0:
		x.why = append(x.why, "no notice was given")
		return nil
	case e.Notice != nil && x.NoticeAt > e.Notice(x.From):
		x.why = append(x.why, "notice was given only "+length(x.From-x.NoticeAt)+" before")
		return nil
	case missing != 0:
		x.why = append(x.why, "not approved by "+missing.String())
		return nil
	case e.Within == nil:
		return x.rest
	}
	in := x.rest.Intersect(e.Within)
	if in.Length() < x.rest.Length() {
		x.why = append(x.why, "outside the window")
	}
	return in
}

// capped is the first of each cap period, until the cap is spent.
func (e *Exclusion) capped(s interval.Set) interval.Set {
	if e.Cap <= 0 || len(s) == 0 {
		return s
	}
	var out interval.Set
	for len(s) > 0 {
		p := e.Per.At(s[0].From)
		left := e.Cap
		for _, x := range s.Within(p) {
			if x.To = min(x.To, x.From+left); !x.Empty() {
				out = append(out, x)
				left -= x.To - x.From
			}
		}
		s = s.Within(interval.Span{From: p.To, To: interval.Max})
	}
	return interval.Of(out...)
}

func (x *item) evidence(d Decision, what, counted interval.Set, rule, note string) Evidence {
	if x.Note != "" {
		note = strings.TrimPrefix(note+"; "+x.Note, "; ")
	}
	return Evidence{
		Kind: "exclusion", Ref: x.Ref, Span: interval.Span{From: what[0].From, To: what[len(what)-1].To}, CountedMS: counted.Length(),
		Party: x.Party, Decision: d, Rule: rule, DecidedBy: x.DecidedBy, DecidedAt: x.DecidedAt, Note: note,
	}
}

// String names the parties.
func (s Signature) String() string {
	return [...]string{"anybody", "the provider", "the customer", "the provider and the customer"}[s&(ByProvider|ByCustomer)]
}

func length(ms int64) string { return (time.Duration(max(ms, 0)) * time.Millisecond).String() }
