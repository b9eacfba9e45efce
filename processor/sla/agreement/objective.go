package agreement

import (
	"fmt"
	"slices"
	"strings"
)

// form is what an indicator needs and takes. Keys are those of Objective.
type form struct {
	name       string // for people
	applies    func(o *Objective) bool
	needs      []string
	takes      []string
	durations  bool // value is one
	indicators []string
}

// anywhere is taken by every objective.
var anywhere = []string{"name", "off", "sloRef", "indicator", "per", "weight", "report", "description"}

func timesliced(o *Objective) bool { return o.Budgeting == "timeslices" }

var forms = []form{
	{
		name: "a share of time in slices", indicators: []string{Uptime, StoreQuorum}, applies: timesliced,
		needs: []string{"target", "budgeting", "slice"}, takes: []string{"min_outage", "degraded", "capability"},
	},
	{
		name: "a share of time", indicators: []string{Uptime, StoreQuorum}, applies: func(*Objective) bool { return true },
		needs: []string{"target"}, takes: []string{"min_outage", "degraded", "capability"},
	},
	{
		name: "a share of values", indicators: []string{ResponseMS, AuthorisationMS}, applies: func(o *Objective) bool { return o.Statistic == "share_below" },
		needs: []string{"statistic", "value", "target"}, takes: []string{"op", "min_events"},
	},
	{
		name: "a mean or a percentile", indicators: []string{ResponseMS, AuthorisationMS}, applies: func(*Objective) bool { return true },
		needs: []string{"statistic", "op", "value"}, takes: []string{"min_events"},
	},
	{
		name: "a share of slices", indicators: []string{PaymentFailures}, applies: timesliced,
		needs: []string{"budgeting", "slice", "op", "value", "target"}, takes: []string{"min_events"},
	},
	{
		name: "a rate", indicators: []string{PaymentFailures}, applies: func(*Objective) bool { return true },
		needs: []string{"op", "value"}, takes: []string{"min_events", "budgeting"},
	},
	{
		name: "a time of incidents", indicators: []string{TimeToDetect, TimeToAcknowledge, TimeToResolve, TimeToRepair}, applies: func(*Objective) bool { return true },
		needs: []string{"statistic", "op", "value"}, takes: []string{"severities", "clock", "min_events"}, durations: true,
	},
	{
		name: "composed of others", indicators: []string{Composite}, applies: func(*Objective) bool { return true },
		needs: []string{"of"}, takes: []string{"method", "target"},
	},
}

// formOf is that of an objective; nil if nobody said its indicator.
func formOf(o *Objective) *form {
	for i := range forms {
		if f := &forms[i]; slices.Contains(f.indicators, o.Indicator) && f.applies(o) {
			return f
		}
	}
	return nil
}

// said are the keys that an objective has.
func (o *Objective) said() []string {
	t := Text{Terms: Terms{Objectives: []Objective{*o}}}
	prefix := fmt.Sprintf("objectives[%s].", o.Name)
	var out []string
	for f := range t.Values() {
		out = append(out, strings.TrimPrefix(f, prefix))
	}
	slices.Sort(out)
	return out
}

// misfits are the keys that its indicator does not take, and values of the wrong kind, as far as the indicator is known.
func (o *Objective) misfits(at Place) []*Problem {
	f := formOf(o)
	if f == nil {
		return nil
	}
	var out []*Problem
	wrong := func(key, format string, args ...any) {
		p := at
		p.Path += "." + key
		out = append(out, &Problem{p, fmt.Sprintf(format, args...), nil})
	}
	for _, key := range o.said() {
		if !slices.Contains(anywhere, key) && !slices.Contains(f.needs, key) && !slices.Contains(f.takes, key) {
			wrong(key, "%s is %s and does not take it; it takes %s", o.Indicator, f.name, strings.Join(slices.Concat(f.needs, f.takes), ", "))
		}
	}
	if o.Indicator == StoreQuorum && o.Per == "terminal" {
		wrong("per", "%s is of stores: it takes store, service or customer", o.Indicator)
	}
	switch v := o.Value; {
	case v.IsZero():
	case v.IsDuration() != f.durations:
		wrong("value", "%s of %s is wrong: it takes %s", v, o.Indicator, map[bool]string{true: "a duration such as 4h", false: "a number without unit, of ms or a share"}[f.durations])
	case o.Indicator == PaymentFailures && v.number.Nano() > nano || v.number.Nano() < 0:
		wrong("value", "%s of %s is wrong: it takes a share from 0 to 1, such as 0.005", v, o.Indicator)
	}
	switch {
	case f.durations && o.Statistic == "share_below":
		wrong("statistic", "%s takes mean, p50 or p90", o.Indicator)
	case o.Statistic == "share_below" && strings.HasPrefix(o.Op, "g"):
		wrong("op", "share_below takes lt, which it is if nobody says it, or lte")
	case !f.durations && (o.Statistic == "p50" || o.Statistic == "p90") && strings.HasPrefix(o.Op, "g"):
		wrong("op", "%s of %s takes lt or lte: it is promised to be below", o.Statistic, o.Indicator)
	}
	return out
}

// lacks are the keys that its indicator needs and nobody said.
func (o *Objective) lacks() []string {
	f := formOf(o)
	if f == nil {
		return []string{"indicator"}
	}
	said := o.said()
	return slices.DeleteFunc(slices.Clone(f.needs), func(key string) bool { return slices.Contains(said, key) })
}
