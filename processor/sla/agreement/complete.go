package agreement

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tillstream/tillstream/processor/registry"
)

// complete says what a text lacks or contradicts as a whole. i is the version of the heir, on the date at which it was resolved. A text that is
// only there to be inherited may lack what its heirs say.
func (r *Resolved) complete(b Book, i int, on registry.Date) []error {
	var out []error
	heir := Place{KindAgreement, r.Agreement, fmt.Sprintf("spec.versions[%d]", i)}
	wrong := func(field, format string, args ...any) {
		at := r.Text.at(field, heir)
		p := &Problem{Place: at, What: fmt.Sprintf(format, args...)}
		if at.Kind != heir.Kind || at.Name != heir.Name {
			p.What += fmt.Sprintf("; so it is in Agreement %s on %s", r.Agreement, on)
		}
		out = append(out, p)
	}
	measured := r.Measured()
	if r.Level == "customer" && !measured {
		wrong("parties", "a customer's agreement needs parties, with provider and customer, here or in what it inherits")
	}
	t := &r.Terms
	if measured {
		if t.Timezone == "" {
			wrong("timezone", "it is needed, here or in what it inherits: a time zone of the IANA database, such as Europe/Paris")
		}
		if t.Period == "" {
			wrong("period", "it is needed, here or in what it inherits: one of %s", strings.Join(Periods, ", "))
		}
		if len(kept(t.Objectives)) == 0 {
			wrong("objectives", "it needs at least one objective, here or in what it inherits")
		}
		if s := t.Measurement.Silence; s.Then != "" && s.After.IsZero() {
			wrong("measurement.silence.after", "silence becomes %s after a time, which is needed, as after: 10m", s.Then)
		}
		for _, e := range kept(t.Exclusions) {
			if e.Effect == "" {
				wrong("exclusions["+e.key()+"].effect", "effect is needed: remove takes the time out of what is counted, up counts it as up")
			}
		}
	}
	objectives := map[string]*Objective{}
	for n := range t.Objectives {
		if o := &t.Objectives[n]; !o.dropped() {
			objectives[o.Name] = o
		}
	}
	for n := range t.Objectives {
		o := &t.Objectives[n]
		if o.dropped() {
			continue
		}
		field := "objectives[" + o.Name + "]."
		for _, p := range o.misfits(Place{}) {
			wrong(field+strings.TrimPrefix(p.Path, "."), "%s", p.What)
		}
		if s := b.SLOs[o.SLORef]; s != nil {
			r.window(s, o, wrong)
		}
		if !measured {
			continue
		}
		for _, key := range o.lacks() {
			what := "it is needed"
			if f := formOf(o); f != nil {
				what = fmt.Sprintf("%s is %s and needs %s", o.Indicator, f.name, strings.Join(f.needs, ", "))
			}
			wrong(field+key, "objective %s lacks %s: %s", o.Name, key, what)
		}
		if o.Per == "" {
			wrong(field+"per", "objective %s lacks per: of what there is one verdict each, one of %s", o.Name, strings.Join(Enums["scope"], ", "))
		}
		for _, name := range slices.Sorted(maps.Keys(o.Of)) {
			switch part := objectives[name]; {
			case part == nil:
				wrong(field+"of", "objective %s is composed of %s, which is no objective of this text", o.Name, name)
			case part.Indicator == Composite:
				wrong(field+"of", "objective %s is composed of %s, which is composed itself; name its parts", o.Name, name)
			}
		}
	}
	if measured {
		r.money(objectives, wrong)
	}
	return out
}

// window sees that what an SLO says of its window is what the agreement says of its periods.
func (r *Resolved) window(s *SLO, o *Objective, wrong func(field, format string, args ...any)) {
	if s.Period != "" && r.Terms.Period != "" && s.Period != r.Terms.Period {
		wrong("objectives["+o.Name+"].sloRef", "SLO %s has a time window of one %s, the agreement's period is one %s", o.SLORef, s.Period, r.Terms.Period)
	}
	if s.Timezone != "" && r.Terms.Timezone != "" && s.Timezone != r.Terms.Timezone {
		wrong("objectives["+o.Name+"].sloRef", "SLO %s has its time window in %s, the agreement in %s", o.SLORef, s.Timezone, r.Terms.Timezone)
	}
}

// money sees that remedies can be reckoned.
func (r *Resolved) money(objectives map[string]*Objective, wrong func(field, format string, args ...any)) {
	m := &r.Terms.Remedies
	invoice := m.Base.From == "invoice"
	if invoice && m.Base.Amount != nil {
		wrong("remedies.base.amount", "the base is from: invoice, whose amount is not known here; leave one of them out")
	}
	credits := kept(m.Credits)
	for _, x := range credits {
		field := "remedies.credits[" + x.key() + "]."
		switch o := objectives[x.Objective]; {
		case x.Objective == "":
			wrong(field+"objective", "objective is needed: whose breach the credit is for")
			continue
		case o == nil:
			wrong(field+"objective", "there is no objective %s in this text", x.Objective)
			continue
		case o.Report != nil && *o.Report || o.Weight == "key":
			wrong(field+"objective", "objective %s is a key measurement or only reported, so its breach costs nothing", o.Name)
		case !x.PerUnit.Every.IsZero() && (o.Value.IsZero() || !o.Target.IsZero()):
			wrong(field+"per_unit", "objective %s promises a share; per_unit is for objectives with a value, tiers for shares", o.Name)
		case !x.PerUnit.Every.IsZero() && (x.PerUnit.Every.IsDuration() != o.Value.IsDuration() || !x.PerUnit.Over.IsZero() && x.PerUnit.Over.IsDuration() != o.Value.IsDuration()):
			wrong(field+"per_unit", "every and over must be of the kind of the objective's value, %s", o.Value)
		case len(o.lacks()) == 0:
			for _, tier := range x.Tiers {
				if !tier.Below.IsZero() && o.Target.IsZero() || !tier.Above.IsZero() && (!o.Target.IsZero() || tier.Above.IsDuration() != o.Value.IsDuration()) {
					wrong(field+"tiers", "tiers of objective %s must be %s", o.Name, map[bool]string{true: "above a value of its kind, " + o.Value.String(), false: "below a share, as its target"}[o.Target.IsZero()])
					break
				}
				if tier.Below.Nano() > o.Target.Nano() {
					wrong(field+"tiers", "a tier below %s would cost even where the target of %s is kept", tier.Below, o.Target)
				}
			}
		}
		n := 0
		for _, there := range []bool{x.Tiers != nil, x.Fixed != nil, x.PerUnit != PerUnit{}} {
			if there {
				n++
			}
		}
		if n != 1 {
			wrong(field+"objective", "a credit is in one of the forms tiers, fixed and per_unit; this one has %d of them", n)
		}
		if x.Fixed == nil && m.Base.Amount == nil && !invoice {
			wrong("remedies.base", "a credit that is a share needs remedies.base: {amount, currency, per}, or {from: invoice}")
		}
		if x.Fixed != nil && x.Each == "" {
			wrong(field+"each", "a fixed amount needs each: outage or breach")
		}
	}
	if len(credits) > 0 && m.Base.Currency == "" {
		wrong("remedies.base.currency", "credits need remedies.base.currency, such as EUR")
	}
	if m.Base.Amount != nil && m.Base.Per == "" {
		wrong("remedies.base.per", "the base needs per: the period for which the amount is paid")
	}
	if x := m.Repeat; x != (Repeat{}) && (x.Times < 2 || x.Within.IsZero() || x.Multiply.IsZero()) {
		wrong("remedies.repeat", "it needs times (2 or more), within and multiply")
	}
	if x := m.EarnBack; x != (EarnBack{}) && (x.Months == 0 || x.AtLeast.IsZero() || x.Share.IsZero()) {
		wrong("remedies.earn_back", "it needs months, at_least and share")
	}
}
