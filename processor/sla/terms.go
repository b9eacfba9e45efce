package sla

import (
	"cmp"
	"slices"
	"time"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/sla/agreement"
)

// What follows reads the resolved text of an agreement, in which what is said fits together (package agreement). What nobody said is as it is
// documented there.

// RulesOf is how an objective about time reads histories.
func RulesOf(m *agreement.Measurement, o *agreement.Objective) Rules {
	r := Rules{
		DegradedDown: o.Degraded == "down",
		Needs:        map[string]Capability{"sell": Sell, "card": Card}[o.Capability],
		MergeGap:     m.MergeGap.Milli(),
		MinOutage:    m.MinOutage.Milli(),
	}
	if !o.MinOutage.IsZero() {
		r.MinOutage = o.MinOutage.Milli()
	}
	readings := map[string]Reading{"up": AsUp, "down": AsDown}
	r.Silence = Silence{First: readings[m.Silence.First], Then: readings[m.Silence.Then], Alone: slices.Contains(m.Silence.Unless, "neighbours_silent")}
	if m.Silence.Then != "" {
		r.Silence.After = m.Silence.After.Milli()
	}
	return r
}

// BearerOf is who bears what is undetermined.
func BearerOf(m *agreement.Measurement) Bearer {
	return map[string]Bearer{"customer": Customer, "provider": Provider}[m.LowEvidence]
}

// TargetOf is the target of an objective that has one.
func TargetOf(o *agreement.Objective) Share { return Share(o.Target.Nano()) }

// OpOf is how an objective with a value is compared; those with a target are at least it.
func OpOf(o *agreement.Objective) Op {
	if o.Op == "" && !o.Target.IsZero() {
		return Gte
	}
	return map[string]Op{"lt": Lt, "lte": Lte, "gt": Gt, "gte": Gte}[o.Op]
}

// LeastOf is how few events are no ground for a verdict.
func LeastOf(m *agreement.Measurement, o *agreement.Objective) int64 {
	if n := cmp.Or(o.MinEvents, m.MinEvents); n != nil {
		return int64(*n)
	}
	return 0
}

// RatioOf is the number of a value; of a duration it is ms.
func RatioOf(q agreement.Quantity) Ratio {
	n := q.Number()
	return Ratio{n.Num().Int64(), n.Denom().Int64()}
}

// StatisticOf is what of durations is compared.
func StatisticOf(o *agreement.Objective) Statistic {
	return map[string]Statistic{"p50": P50, "p90": P90}[o.Statistic]
}

// ExclusionsOf are the rules about what does not count, in the time zone of the agreement; windows are those of a store's zone within a span, which
// must hold all claims. A rule is named by its path in the text.
func ExclusionsOf(t *agreement.Terms, zone *time.Location, store string, within interval.Span) (out []Exclusion) {
	for i := range t.Exclusions {
		e := &t.Exclusions[i]
		if e.Off != nil && *e.Off {
			continue
		}
		x := Exclusion{
			Text: "exclusions[" + cmp.Or(e.Name, e.Kind, "party:"+e.Party) + "]", Up: e.Effect == "up",
			Kind: e.Kind, Party: e.Party, Except: e.Except,
			Approval: map[string]Signature{"provider": ByProvider, "customer": ByCustomer, "both": ByProvider | ByCustomer}[e.Approval],
			Cap:      e.Cap.Most.Milli(), Per: Calendar{Unit(e.Cap.Per), zone},
		}
		if notice := e.Notice; !notice.Empty() {
			x.Notice = func(begins int64) int64 { return notice.Before(begins, zone) }
		}
		if len(e.Within) > 0 {
			x.Within = interval.Set{}
			for _, w := range e.Within {
				x.Within = x.Within.Union(w.In(store, within))
			}
		}
		out = append(out, x)
	}
	return out
}

// LateDataOf is what becomes of late evidence for a period. Without close_after it is final when late evidence is not accepted any more, without
// accept it is accepted until then, without either to the end of the period; without restate.until it may be restated for ever.
func LateDataOf(t *agreement.Terms, o *agreement.Objective, period interval.Span, zone *time.Location) LateData {
	x := t.Measurement.LateData
	first := func(ds ...agreement.Duration) agreement.Duration {
		for _, d := range ds {
			if !d.IsZero() {
				return d
			}
		}
		return agreement.Duration{}
	}
	l := LateData{
		Accept: first(x.Accept, x.CloseAfter).After(period.To, zone), Close: first(x.CloseAfter, x.Accept).After(period.To, zone),
		Restate: interval.Max, MinChange: Share(x.Restate.MinChange.Nano()), Scale: Ratio{1, 1},
	}
	if !x.Restate.Until.IsZero() {
		l.Restate = x.Restate.Until.After(period.To, zone)
	}
	if o.Target.IsZero() && !o.Value.IsZero() {
		l.Scale = RatioOf(o.Value)
	}
	return l
}

// BaseOf is the fee of a period, in minor units: of a quarter three times that per month, of a month a twelfth of that per year; where days and weeks
// are concerned, the parts of the fees of all periods that the base is per, by time. amount is that of the base, for all scopes it is for.
func BaseOf(t *agreement.Terms, amount int64, period interval.Span, zone *time.Location) Fee {
	of, per := Unit(t.Period), Unit(cmp.Or(t.Remedies.Base.Per, t.Period))
	if a, b := of.months(), per.months(); a > 0 && b > 0 {
		return FeeOf(amount).Part(int64(a), int64(b))
	}
	sum := FeeOf(0)
	for _, x := range (Calendar{per, zone}).Over(period) {
		in := x.Cut(period)
		sum = sum.Plus(FeeOf(amount).Part(in.To-in.From, x.To-x.From))
	}
	return sum
}

// CreditsOf are what the breach of an objective costs.
func CreditsOf(t *agreement.Terms, o *agreement.Objective) (out []Credit) {
	for i := range t.Remedies.Credits {
		c := &t.Remedies.Credits[i]
		if c.Objective != o.Name || c.Off != nil && *c.Off {
			continue
		}
		x := Credit{Text: "remedies.credits[" + cmp.Or(c.Name, c.Objective) + "]", Outage: c.Each == "outage", PerUnit: Share(c.PerUnit.Credit.Nano())}
		if x.Op = OpOf(o); !o.Target.IsZero() {
			x.Op = Gte // the op of slices is about each of them
		}
		for _, tier := range c.Tiers {
			limit := Ratio{tier.Below.Nano(), int64(One)}
			if !tier.Above.IsZero() {
				limit = RatioOf(tier.Above)
			}
			x.Tiers = append(x.Tiers, Tier{limit, Share(tier.Credit.Nano())})
		}
		if c.Fixed != nil {
			x.Fixed = *c.Fixed
		}
		if c.Cap != nil {
			x.Times = int64(*c.Cap)
		}
		if x.PerUnit > 0 {
			x.Every, x.Over = RatioOf(c.PerUnit.Every), RatioOf(o.Value)
			if !c.PerUnit.Over.IsZero() {
				x.Over = RatioOf(c.PerUnit.Over)
			}
		}
		out = append(out, x)
	}
	return out
}
