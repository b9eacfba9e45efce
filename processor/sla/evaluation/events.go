package evaluation

import (
	"cmp"
	"slices"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/sla"
	"github.com/tillstream/tillstream/processor/sla/agreement"
)

// incidents measures how long the store's incidents took.
func (m *measuring) incidents(lives interval.Set) {
	since := m.reach.From
	for i := range m.store.Incidents {
		since = min(since, m.store.Incidents[i].Started, m.store.Incidents[i].Opened)
	}
	open := m.hoursSince(since)
	clocks := map[string]interval.Set{"24x7": interval.All(), "": open, "service_hours": open}
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

// payments counts the attempts of the store.
func (m *measuring) payments(lives interval.Set) {
	var t *sla.Time
	for _, o := range m.objectives {
		if o.why != "" || !o.ofPayments() || !slices.ContainsFunc(o.scopes, func(kind string) bool { return kind != "terminal" }) {
			continue
		}
		if t == nil {
			var claims []sla.Claim
			for i := range m.store.Works {
				if w := &m.store.Works[i]; len(w.Terminals) == 0 {
					claims = append(claims, w.claim(m.Text))
				}
			}
			excused, _ := m.excuse(claims, m.open.Intersect(lives))
			t = sla.NewTime(m.Period, m.Stretch.Span, lives, m.open, excused, m.at)
		}
		c := cell{objective: o, units: [2]int64{m.out.units[0], 1}, owed: m.out.owed}
		if o.sliced() {
			c.slices = m.slots(o, m.tries(), t)
		} else {
			m.count(&c, m.store.Payments, t)
		}
		for _, kind := range o.scopes {
			if kind == "terminal" {
				continue
			}
			for _, s := range m.allScopes(kind) {
				if kind == "store" {
					m.put(m.narrow(c, s.Name), s)
				} else {
					m.put(c, s)
				}
			}
		}
	}
}

// answers counts what single tills answered, and the attempts at them, as far as verdicts are of tills.
func (m *measuring) answers(x *till, t *sla.Time, o owed) {
	for _, obj := range m.objectives {
		if obj.why != "" || !obj.ofEvents() {
			continue
		}
		c := cell{objective: obj, owed: o, units: [2]int64{1, 0}}
		switch {
		case obj.Indicator == agreement.ResponseMS:
			m.count(&c, x.kept.Responses, t)
			m.scoped(c, x)
			continue
		case !slices.Contains(obj.scopes, "terminal"):
			continue
		case obj.sliced():
			c.slices = m.slots(obj, x.kept.Tries, t)
		default:
			m.count(&c, x.kept.Payments, t)
			m.lost(&c, t)
		}
		m.put(m.narrow(c, x.ID), Scope{"terminal", x.ID, m.out.Store})
	}
}

// count adds up events, hour by hour: an hour is of the part in which it begins, counts if anything of it is committed time, and is excluded if none of that counts.
func (m *measuring) count(c *cell, hours []Payments, t *sla.Time) {
	for i := range hours {
		p := &hours[i]
		committed, judged := m.counts(interval.Span{From: p.Hour, To: p.Hour + hour}, t)
		if !committed {
			continue
		}
		bad, all, missing := p.Failed, p.Attempts, int64(0)
		if c.ofAnswers() {
			bad, all, missing = p.Counted-p.within(m.store, c.within), p.Counted, p.AuthN-p.Counted+p.Lost
		}
		c.counts.RawAll += all
		c.counts.RawBad += bad
		c.sums.RawN += p.AuthN
		c.sums.RawSum += p.AuthMS
		if judged {
			c.counts.All += all
			c.counts.Bad += bad
			c.counts.Missing += missing
			c.sums.N += p.AuthN
			c.sums.Sum += p.AuthMS
			c.sums.Missing += p.Lost
		}
	}
}

// counts says of a stretch of time whether any of it is committed, of the part and over; and whether any of it counts.
func (m *measuring) counts(x interval.Span, t *sla.Time) (committed, judged bool) {
	if x.From < m.Span.From || x.From >= min(m.Span.To, m.at) || t.Committed.Overlap(x) == 0 {
		return false, false
	}
	return true, t.Judged.Overlap(x) > 0
}

// lost adds the events of the store of which it is not kept at which till they were: they may all have been at this one.
func (m *measuring) lost(c *cell, t *sla.Time) {
	for _, x := range m.unkept() {
		if _, judged := m.counts(interval.Span{From: x.Hour, To: x.Hour + hour}, t); !judged {
			continue
		}
		c.sums.Missing += x.AuthN
		if c.ofAnswers() {
			c.counts.Missing += x.AuthN
		} else {
			c.counts.Missing += x.Attempts
		}
	}
}

// unkept are the attempts and answers of the store that no till's own have.
func (m *measuring) unkept() []Payments {
	if m.unkeptAt != nil {
		return m.unkeptAt
	}
	m.unkeptAt = []Payments{}
	sum := map[int64]Payments{}
	for _, p := range m.store.Payments {
		s := sum[p.Hour]
		sum[p.Hour] = Payments{Attempts: s.Attempts + p.Attempts, AuthN: s.AuthN + p.AuthN}
	}
	for _, x := range m.store.Tills {
		own := x.Payments
		if len(own) == 0 {
			own = hourly(x.Tries)
		}
		for _, p := range own {
			if s, ok := sum[p.Hour]; ok {
				sum[p.Hour] = Payments{Attempts: s.Attempts - p.Attempts, AuthN: s.AuthN - p.AuthN}
			}
		}
	}
	for at, p := range sum {
		if p.Attempts > 0 {
			m.unkeptAt = append(m.unkeptAt, Payments{Hour: at, Attempts: p.Attempts, AuthN: max(p.AuthN, 0)})
		}
	}
	slices.SortFunc(m.unkeptAt, func(a, b Payments) int { return cmp.Compare(a.Hour, b.Hour) })
	return m.unkeptAt
}
