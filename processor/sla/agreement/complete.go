package agreement

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tillstream/tillstream/processor/registry"
)

// completer finds what a text lacks or contradicts as a whole. A text that is only there to be inherited may lack what its heirs say.
type completer struct {
	*Resolved
	heir       Place // its version in force
	on         registry.Date
	objectives map[string]*Objective // that are agreed
	problems   []error
}

// complete is about the text of version i on a date.
func (r *Resolved) complete(b Book, i int, on registry.Date) []error {
	c := &completer{Resolved: r, heir: Place{KindAgreement, r.Agreement, fmt.Sprintf("spec.versions[%d]", i)}, on: on, objectives: map[string]*Objective{}}
	for n := range r.Terms.Objectives {
		if o := &r.Terms.Objectives[n]; !o.dropped() {
			c.objectives[o.Name] = o
		}
	}
	measured := r.Measured()
	if r.Level == "customer" && !measured {
		c.wrong("parties", "a customer's agreement needs parties, with provider and customer, here or in what it inherits")
	}
	for _, name := range slices.Sorted(maps.Keys(c.objectives)) {
		o := c.objectives[name]
		for _, p := range o.misfits(Place{}) {
			c.wrong("objectives["+name+"]"+p.Path, "%s", p.What)
		}
		if s := b.SLOs[o.SLORef]; s != nil {
			c.window(s, o)
		}
		if measured {
			c.objective(o)
		}
	}
	if v := &b.Agreements[r.Agreement].Versions[i]; r.Amended != nil {
		c.amends(b.Agreements[r.Agreement].Versions, v, measured)
	}
	if measured {
		c.needs()
		c.remedies()
	}
	return c.problems
}

// amends sees that an amendment is of an agreement between two, for whole periods, which it keeps.
func (c *completer) amends(all []Version, v *Version, measured bool) {
	if !measured {
		c.wrong("amends", "only an agreement that names parties.provider and parties.customer can be amended: who inherits has not signed it")
	}
	t, was := &c.Terms, &c.Amended.Terms
	for field, same := range map[string]bool{"period": t.Period == was.Period, "timezone": t.Timezone == was.Timezone} {
		if !same {
			c.wrong(field, "an amendment keeps the periods of the version that it amends: %s, %s", was.Period, was.Timezone)
			return
		}
	}
	whole := func(d *registry.Date, also ...*registry.Date) bool {
		if d == nil || slices.ContainsFunc(also, func(x *registry.Date) bool { return x != nil && *x == *d }) {
			return true
		}
		first, _ := PeriodOf(t.Period, *d)
		return first == *d
	}
	amended := v.Amends.Version - 1
	switch {
	case !whole(v.From, all[amended].From):
		c.wrong("from", "an amendment is for whole periods: %s is the first day of no %s", v.From, t.Period)
	case !whole(v.To, ends(all, amended)):
		c.wrong("to", "an amendment is for whole periods: %s is the first day of no %s", v.To, t.Period)
	}
}

// wrong names where a field was said, or, if nobody said it, where it could be.
func (c *completer) wrong(field, format string, args ...any) {
	p := &Problem{Place: c.at(field, c.heir), What: fmt.Sprintf(format, args...)}
	if p.Kind != c.heir.Kind || p.Name != c.heir.Name {
		p.What += fmt.Sprintf("; so it is in Agreement %s on %s", c.Agreement, c.on)
	}
	c.problems = append(c.problems, p)
}

func (c *completer) needs() {
	t := &c.Terms
	if t.Timezone == "" {
		c.wrong("timezone", "it is needed, here or in what it inherits: a time zone of the IANA database, such as Europe/Paris")
	}
	if t.Period == "" {
		c.wrong("period", "it is needed, here or in what it inherits: one of %s", strings.Join(Periods, ", "))
	}
	if len(c.objectives) == 0 {
		c.wrong("objectives", "it needs at least one objective, here or in what it inherits")
	}
	if s := t.Measurement.Silence; s.Then != "" && s.After.IsZero() {
		c.wrong("measurement.silence.after", "silence becomes %s after a time, which is needed, as after: 10m", s.Then)
	}
	for _, e := range kept(t.Exclusions) {
		if e.Effect == "" {
			c.wrong("exclusions["+e.key()+"].effect", "effect is needed: remove takes the time out of what is counted, up counts it as up")
		}
	}
}

// window sees that what an SLO says of its window is what the agreement says of its periods.
func (c *completer) window(s *SLO, o *Objective) {
	field := "objectives[" + o.Name + "].sloRef"
	if c.Terms.Period != "" && s.Period != c.Terms.Period {
		c.wrong(field, "SLO %s has a time window of one %s, the agreement's period is one %s", o.SLORef, s.Period, c.Terms.Period)
	}
	if c.Terms.Timezone != "" && s.Timezone != c.Terms.Timezone {
		c.wrong(field, "SLO %s has its time window in %s, the agreement in %s", o.SLORef, s.Timezone, c.Terms.Timezone)
	}
}

func (c *completer) objective(o *Objective) {
	field := "objectives[" + o.Name + "]."
	for _, key := range o.lacks() {
		what := "it is needed"
		if f := formOf(o); f != nil {
			what = fmt.Sprintf("%s is %s and needs %s", o.Indicator, f.name, strings.Join(f.needs, ", "))
		}
		c.wrong(field+key, "objective %s lacks %s: %s", o.Name, key, what)
	}
	if o.Per == "" && o.Indicator != Composite {
		c.wrong(field+"per", "objective %s lacks per: of what there is one verdict each, one of %s", o.Name, strings.Join(Enums["scope"], ", "))
	}
	if o.Indicator == Composite && o.Target.IsZero() && (o.Report == nil || !*o.Report) {
		c.wrong(field+"target", "objective %s lacks target: without one it can only be reported, as report: true", o.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Of)) {
		switch part := c.objectives[name]; {
		case part == nil:
			c.wrong(field+"of", "objective %s is composed of %s, which is no objective of this text", o.Name, name)
		case part.Indicator == Composite:
			c.wrong(field+"of", "objective %s is composed of %s, which is composed itself; name its parts", o.Name, name)
		case o.Method == "timeslices" && part.Indicator != Uptime && part.Indicator != StoreQuorum && len(part.lacks()) == 0:
			c.wrong(field+"of", "objective %s is composed of %s by time slices, which only %s and %s have; take method: weighted_mean", o.Name, name, Uptime, StoreQuorum)
		case part.Target.IsZero() && len(part.lacks()) == 0:
			c.wrong(field+"of", "objective %s is composed of %s, which promises a value and no share; only shares can be composed", o.Name, name)
		}
	}
}

// remedies sees that credits can be reckoned.
func (c *completer) remedies() {
	m := &c.Terms.Remedies
	credits := kept(m.Credits)
	for i := range credits {
		c.credit(&credits[i])
	}
	switch b := &m.Base; {
	case b.From == "invoice" && b.Amount != nil:
		c.wrong("remedies.base.amount", "the base is from: invoice, whose amount is not known here; leave one of them out")
	case b.Amount != nil && b.Per == "":
		c.wrong("remedies.base.per", "the base needs per: the period for which the amount is paid")
	case len(credits) > 0 && b.Currency == "":
		c.wrong("remedies.base.currency", "credits need remedies.base.currency, such as EUR")
	case b.From != "invoice" && b.Amount == nil && slices.ContainsFunc(credits, func(x Credit) bool { return x.Fixed == nil }):
		c.wrong("remedies.base", "a credit that is a share needs remedies.base: {amount, currency, per}, or {from: invoice}")
	}
	if x := m.Repeat; x != (Repeat{}) && (x.Times < 2 || x.Within.IsZero() || x.Multiply.IsZero()) {
		c.wrong("remedies.repeat", "it needs times (2 or more), within and multiply")
	}
	if x := m.EarnBack; x != (EarnBack{}) && (x.Months == 0 || x.AtLeast.IsZero() || x.Share.IsZero()) {
		c.wrong("remedies.earn_back", "it needs months, at_least and share")
	}
}

func (c *completer) credit(x *Credit) {
	field := "remedies.credits[" + x.key() + "]."
	forms := 0
	for _, there := range []bool{x.Tiers != nil, x.Fixed != nil, x.PerUnit != PerUnit{}} {
		if there {
			forms++
		}
	}
	switch o := c.objectives[x.Objective]; {
	case x.Objective == "":
		c.wrong(field+"objective", "it is needed: whose breach the credit is for")
	case o == nil:
		c.wrong(field+"objective", "there is no objective %s in this text", x.Objective)
	case o.Report != nil && *o.Report || o.Weight == "key":
		c.wrong(field+"objective", "objective %s is a key measurement or only reported, so its breach costs nothing", o.Name)
	case forms != 1:
		c.wrong(field+"objective", "a credit is in one of the forms tiers, fixed and per_unit; this one has %d of them", forms)
	case x.Fixed != nil && x.Each == "":
		c.wrong(field+"each", "a fixed amount needs each: outage or breach")
	case x.Fixed != nil && x.Per != "":
		c.wrong(field+"per", "a fixed amount is no share of a fee, so it takes no per")
	case x.Each == "outage" && o.Indicator != Uptime && o.Indicator != StoreQuorum:
		c.wrong(field+"each", "%s has no outages; write each: breach", o.Indicator)
	case len(o.lacks()) > 0: // that was said
	case x.Fixed == nil && !formOf(o).durations && (o.Statistic == "p50" || o.Statistic == "p90"):
		c.wrong(field+"objective", "a percentile is judged as a share of answers, so its breach costs a fixed amount; for tiers promise it as statistic: share_below with a target, as %s", map[string]string{"p50": "0.5", "p90": "0.9"}[o.Statistic])
	case x.Tiers != nil:
		c.tiers(field+"tiers", x.Tiers, o)
	case x.Fixed == nil && !o.Target.IsZero():
		c.wrong(field+"per_unit", "objective %s promises a share; per_unit is for objectives with a value, tiers for shares", o.Name)
	case x.Fixed == nil && (x.PerUnit.Every.IsDuration() != o.Value.IsDuration() || !x.PerUnit.Over.IsZero() && x.PerUnit.Over.IsDuration() != o.Value.IsDuration()):
		c.wrong(field+"per_unit", "every and over must be of the kind of the objective's value, %s", o.Value)
	}
}

func (c *completer) tiers(field string, tiers []Tier, o *Objective) {
	for _, tier := range tiers {
		switch {
		case !o.Target.IsZero() && tier.Below.IsZero():
			c.wrong(field, "objective %s promises a share, so its tiers are below one, as {below: %s, credit: 0.1}", o.Name, o.Target)
		case !o.Target.IsZero() && tier.Below.Nano() > o.Target.Nano():
			c.wrong(field, "a tier below %s would cost even where the target of %s is kept", tier.Below, o.Target)
		case o.Target.IsZero() && (tier.Above.IsZero() || tier.Above.IsDuration() != o.Value.IsDuration()):
			c.wrong(field, "objective %s promises a value, so its tiers are above one of its kind, as {above: %s, credit: 0.1}", o.Name, o.Value)
		default:
			continue
		}
		return
	}
}
