package evaluation

import (
	"slices"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/sla"
	"github.com/tillstream/tillstream/processor/sla/agreement"
)

// incidents measures how long the store's incidents took.
func (m *measuring) incidents(lives interval.Set) {
	clocks := map[string]interval.Set{
		"24x7": interval.All(), "": m.open, "service_hours": m.open,
	}
	for _, o := range m.objectives {
		if !o.ofIncidents() || o.Indicator == agreement.TimeToRepair {
			continue
		}
		byScope := map[Scope][]sla.Case{}
		for i := range m.store.Incidents {
			x := &m.store.Incidents[i]
			if len(o.Severities) > 0 && !slices.Contains(o.Severities, x.Severity) || !lives.Holds(max(x.Started, lives[0].From)) {
				continue
			}
			for _, s := range m.incidentScopes(o.Per, x) {
				byScope[s] = append(byScope[s], x.of(o.Indicator))
			}
		}
		for _, s := range m.allScopes(o.Per) {
			d := sla.NewDurations(byScope[s], clocks[o.Clock], m.Span, m.at)
			c := cell{objective: o, units: [2]int64{m.out.units[0], 1}, owed: m.out.owed, took: d}
			_, c.evidence = d.Result(o.stat, o.op, o.limit, o.least)
			m.put(c, s)
		}
	}
}

// of is an incident as the duration that an indicator is about.
func (x *Incident) of(indicator string) sla.Case {
	c := sla.Case{Ref: x.Ref, From: x.Started, To: x.Resolved, Resolved: x.Resolved, Pauses: x.Pauses, Party: x.Party}
	switch indicator {
	case agreement.TimeToDetect:
		c.To, c.Pauses = x.Detected, nil
	case agreement.TimeToAcknowledge:
		c.From, c.To, c.Pauses = x.Opened, x.Acknowledged, nil
	}
	return c
}

// incidentScopes are the scopes of one kind that an incident is about.
func (m *measuring) incidentScopes(kind string, x *Incident) []Scope {
	return slices.DeleteFunc(m.allScopes(kind), func(s Scope) bool {
		switch kind {
		case "terminal":
			return !covers(x.Terminals, s.Name)
		case "service":
			return !covers(x.Services, s.Name)
		}
		return false
	})
}

// allScopes are those of one kind that the store has.
func (m *measuring) allScopes(kind string) (out []Scope) {
	switch kind {
	case "terminal":
		for _, x := range m.tills {
			if len(m.terminals(x.Terminal).Intersect(m.meant).Within(m.Span)) > 0 {
				out = append(out, Scope{"terminal", x.ID, m.out.Store})
			}
		}
	case "store":
		out = []Scope{{"store", m.out.Store, m.out.Store}}
	case "service":
		for _, s := range m.servicesInScope() {
			out = append(out, Scope{"service", s, ""})
		}
	case "customer":
		out = []Scope{{"customer", m.Terms.Parties.Customer, ""}}
	}
	return out
}

// payments counts attempts, hour by hour: an hour is of the part in which it begins, counts if anything of it is committed time, and is excluded if none of that counts.
func (m *measuring) payments(lives interval.Set) {
	var wanted []*objective
	for _, o := range m.objectives {
		if o.why != "" || o.Indicator == agreement.AuthorisationMS || o.Indicator == agreement.PaymentFailures {
			wanted = append(wanted, o)
		}
	}
	if len(wanted) == 0 {
		return
	}
	var claims []sla.Claim
	for i := range m.store.Works {
		w := &m.store.Works[i]
		if len(w.Terminals) == 0 {
			claims = append(claims, w.claim(m.Text))
		}
	}
	excused, _ := m.excuse(claims, m.open.Intersect(lives))
	t := sla.NewTime(m.Period, m.Stretch.Span, lives, m.open, excused, m.at)
	var counts sla.Counts
	var sums sla.Sums
	answers := make([]sla.Counts, len(wanted)) // of those that are about a share of them
	for _, p := range m.store.Payments {
		x := interval.Span{From: p.Hour, To: p.Hour + hour}
		if p.Hour < m.Span.From || p.Hour >= min(m.Span.To, m.at) || t.Committed.Overlap(x) == 0 {
			continue
		}
		counts.RawAll += p.Attempts
		counts.RawBad += p.Failed
		sums.RawN += p.AuthN
		sums.RawSum += p.AuthMS
		judged := t.Judged.Overlap(x) > 0
		for i, o := range wanted {
			if !o.ofAnswers() {
				continue
			}
			c, slow := &answers[i], p.Counted
			if at, found := slices.BinarySearch(m.store.Limits, o.within); found {
				slow -= p.Within[at]
			}
			c.RawAll += p.Counted
			c.RawBad += slow
			if judged {
				c.All += p.Counted
				c.Bad += slow
				c.Missing += p.AuthN - p.Counted
			}
		}
		if judged {
			counts.All += p.Attempts
			counts.Bad += p.Failed
			sums.N += p.AuthN
			sums.Sum += p.AuthMS
		}
	}
	for i, o := range wanted {
		counts := counts
		if o.ofAnswers() {
			counts = answers[i]
		}
		for _, s := range m.allScopes(o.Per) {
			m.put(cell{objective: o, counts: counts, sums: sums, units: [2]int64{m.out.units[0], 1}, owed: m.out.owed}, s)
		}
	}
}
