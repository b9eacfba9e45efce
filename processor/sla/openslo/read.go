package openslo

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/tillstream/tillstream/processor/alert"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla/agreement"
)

// Flaw is what is wrong with an object, and where in it.
type Flaw struct{ Path, What string }

// flaws collects them.
type flaws []Flaw

func (f *flaws) wrong(path, format string, args ...any) {
	*f = append(*f, Flaw{path, fmt.Sprintf(format, args...)})
}

// takes sees that the fields of a struct take what their tags say.
func (f *flaws) takes(path string, v any) {
	x := reflect.ValueOf(v)
	for i := range x.NumField() {
		tag := x.Type().Field(i).Tag
		all := agreement.Enums[tag.Get("takes")]
		if name, _, _ := strings.Cut(tag.Get("json"), ","); all != nil && x.Field(i).String() != "" && !slices.Contains(all, x.Field(i).String()) {
			f.wrong(path+"."+name, "%q is not one of %s", x.Field(i).String(), strings.Join(all, ", "))
		}
	}
}

// Check says what is wrong with an SLI.
func (s *SLI) Check(path string) []Flaw {
	var f flaws
	ratio, threshold := s.RatioMetric.said(), s.ThresholdMetric.said()
	switch {
	case ratio == threshold:
		f.wrong(path, "it needs either thresholdMetric or ratioMetric")
	case ratio && s.RatioMetric.RawType != "success" && s.RatioMetric.RawType != "failure":
		f.wrong(path+".ratioMetric.rawType", "it must be success or failure")
	}
	if len(f) > 0 {
		return f
	}
	at, source := path+".thresholdMetric.metricSource", &s.ThresholdMetric.MetricSource
	if ratio {
		at, source = path+".ratioMetric.raw.metricSource", &s.RatioMetric.Raw.MetricSource
	}
	if source.Type == "" {
		f.wrong(at+".type", "it is needed, and must be %s", sourceType)
	}
	r := &source.Spec
	f.takes(at+".spec", *r)
	if r.Indicator == "" {
		f.wrong(at+".spec.indicator", "it is needed: one of %s", strings.Join(agreement.Enums["indicator"], ", "))
	}
	if _, ok := r.MinOutage.Clock(); !ok {
		f.wrong(at+".spec.min_outage", "%s depends on the calendar; it takes hours, minutes and seconds", r.MinOutage)
	}
	if len(f) > 0 {
		return f
	}
	raw := map[string]string{agreement.Uptime: "success", agreement.StoreQuorum: "success", agreement.PaymentFailures: "failure"}[r.Indicator]
	switch {
	case r.Indicator == agreement.Composite:
		f.wrong(at+".spec.indicator", "composite is not of an SLI; write an objective of the Agreement")
	case raw == "" && ratio:
		f.wrong(path+".ratioMetric", "%s has values, not a ratio: write thresholdMetric", r.Indicator)
	case raw != "" && threshold:
		f.wrong(path+".thresholdMetric", "%s is a ratio: write ratioMetric, with raw and rawType: %s", r.Indicator, raw)
	case ratio && raw != s.RatioMetric.RawType:
		f.wrong(path+".ratioMetric.rawType", "%s is a ratio of %s", r.Indicator, raw)
	}
	return f
}

// Read is what an SLO says of an objective of an agreement. sli is its SLI, inline or not, which must have passed Check.
func (s *SLO) Read(sli *SLI) (*agreement.SLO, []Flaw) {
	var f flaws
	if s.Service == "" {
		f.wrong("spec.service", "it is needed")
	}
	out := &agreement.SLO{Paths: map[string]string{}}
	s.window(out, &f)
	if len(s.Objectives) != 1 {
		f.wrong("spec.objectives", "tillstream takes one objective of an SLO, not %d; write an SLO for each", len(s.Objectives))
		return nil, f
	}
	o, at := &s.Objectives[0], "spec.objectives[0]"
	f.takes(at, *o)
	target, ok := o.target()
	switch {
	case !ok:
		f.wrong(at, "it needs either target, such as 0.995, or targetPercent, such as 99.5")
	case target.Nano() <= 0 || target.Nano() >= 1_000_000_000:
		f.wrong(at+".target", "%s is not between 0 and 1, which OpenSLO asks for; a target of 1 can be written in an Agreement", target)
	}
	metric := &sli.ThresholdMetric
	if sli.RatioMetric.said() {
		metric = &sli.RatioMetric.Raw
	}
	r := metric.MetricSource.Spec
	out.Objective = agreement.Objective{
		Indicator: r.Indicator, Statistic: r.Statistic, MinEvents: r.MinEvents, MinOutage: r.MinOutage,
		Degraded: r.Degraded, Capability: r.Capability, Severities: r.Severities, Clock: r.Clock,
	}
	from := "spec.indicatorRef"
	if s.IndicatorRef == "" {
		from = "spec.indicator.spec"
	}
	for _, key := range []string{"indicator", "statistic", "min_events", "min_outage", "degraded", "capability", "severities", "clock"} {
		out.Paths[key] = from
	}
	for key, path := range map[string]string{"target": ".target", "op": ".op", "value": ".value", "slice": ".timeSliceWindow"} {
		out.Paths[key] = at + path
	}
	out.Paths["budgeting"] = "spec.budgetingMethod"
	if o.Target.IsZero() {
		out.Paths["target"] = at + ".targetPercent"
	}
	if len(f) == 0 {
		s.meaning(o, target, sli, out, &f)
	}
	return out, f
}

// target is the promised share, however it is written.
func (o *Objective) target() (agreement.Decimal, bool) {
	switch {
	case o.Target.IsZero() == o.TargetPercent.IsZero():
		return agreement.Decimal{}, false
	case o.Target.IsZero():
		return agreement.Billionths(o.TargetPercent.Nano() / 100), o.TargetPercent.Nano()%100 == 0
	}
	return o.Target.Decimal, true
}

// meaning is what the objective says, by indicator and budgeting method.
func (s *SLO) meaning(o *Objective, target agreement.Decimal, sli *SLI, out *agreement.SLO, f *flaws) {
	const at = "spec.objectives[0]"
	x := &out.Objective
	threshold := sli.ThresholdMetric.said()
	if !threshold && (o.Op != "" || !o.Value.IsZero()) {
		f.wrong(at+".op", "op and value are of thresholdMetric; %s is a ratio", x.Indicator)
	}
	if threshold && (o.Op == "" || o.Value.IsZero()) {
		f.wrong(at, "%s has values, so it needs op and value", x.Indicator)
	}
	if slices := s.BudgetingMethod != "Occurrences"; slices == o.TimeSliceWindow.IsZero() {
		f.wrong(at+".timeSliceWindow", "it is of Timeslices and RatioTimeslices, which need it")
	}
	if (s.BudgetingMethod == "Timeslices") == o.TimeSliceTarget.IsZero() {
		f.wrong(at+".timeSliceTarget", "it is of Timeslices, which need it")
	}
	if len(*f) > 0 {
		return
	}
	share := !threshold && x.Indicator != agreement.PaymentFailures
	switch method := s.BudgetingMethod; {
	case share && method == "RatioTimeslices":
		x.Target = target
	case share && method == "Timeslices":
		if o.TimeSliceTarget.Decimal != agreement.Whole(1) {
			f.wrong(at+".timeSliceTarget", "it must be 1: to tillstream a slice of %s is good if it was up all along", x.Indicator)
		}
		x.Target, x.Budgeting, x.Slice = target, "timeslices", o.TimeSliceWindow.Duration
	case share:
		f.wrong("spec.budgetingMethod", "%s is a share of time, which has no occurrences: write RatioTimeslices for the exact share, Timeslices for whole minutes", x.Indicator)
	case !threshold && method == "Occurrences":
		x.Op, x.Value = "lte", agreement.Number(agreement.Billionths(1_000_000_000-target.Nano()))
		out.Paths["op"], out.Paths["value"] = out.Paths["target"], out.Paths["target"]
	case !threshold && method == "Timeslices":
		x.Op, x.Value = "lte", agreement.Number(agreement.Billionths(1_000_000_000-o.TimeSliceTarget.Nano()))
		out.Paths["op"], out.Paths["value"] = at+".timeSliceTarget", at+".timeSliceTarget"
		x.Target, x.Budgeting, x.Slice = target, "timeslices", o.TimeSliceWindow.Duration
	case !threshold:
		f.wrong("spec.budgetingMethod", "%s has no mean over slices: write Occurrences for the rate, Timeslices for good and bad slices", x.Indicator)
	case method != "Occurrences":
		f.wrong("spec.budgetingMethod", "%s is judged by Occurrences", x.Indicator)
	default:
		x.Op, x.Value = o.Op, valueOf(x.Indicator, o.Value.Decimal)
		if x.Statistic == "" {
			x.Statistic = "share_below"
		}
		if x.Statistic == "share_below" {
			x.Target = target
		}
	}
}

// valueOf is a value of an indicator; durations are numbers of ms in OpenSLO.
func valueOf(indicator string, n agreement.Decimal) agreement.Quantity {
	if strings.HasPrefix(indicator, "time_to_") {
		return agreement.Time(agreement.Clock(time.Duration(n.Nano() / 1000))) // a billionth of 1 ms is a thousandth of 1 ns
	}
	return agreement.Number(n)
}

// periods are the windows of the calendar, by duration.
var periods = map[string]string{"1d": "day", "7d": "week", "1M": "month", "3M": "quarter", "6M": "half_year", "12M": "year"}

// window reads the time window.
func (s *SLO) window(out *agreement.SLO, f *flaws) {
	const at = "spec.timeWindow[0]"
	if len(s.TimeWindow) != 1 {
		f.wrong("spec.timeWindow", "it needs one window, as [{duration: 1M, calendar: {startTime: \"2026-01-01 00:00:00\", timeZone: Europe/Paris}}]")
		return
	}
	w := &s.TimeWindow[0]
	switch rolling := w.IsRolling != nil && *w.IsRolling; {
	case rolling || w.Calendar == (Calendar{}):
		f.wrong(at, "a rolling window is not judged: agreements have periods of the calendar; write calendar, with startTime and timeZone")
		return
	case periods[w.Duration.String()] == "":
		f.wrong(at+".duration", "%s is no period of agreements: it takes 1d, 1w, 1M, 1Q, 6M or 1Y", w.Duration)
		return
	}
	out.Period, out.Timezone = periods[w.Duration.String()], w.Calendar.TimeZone
	if _, err := registry.Zone(out.Timezone); err != nil {
		f.wrong(at+".calendar.timeZone", "%v", err)
	}
	start, err := time.Parse(time.DateTime, w.Calendar.StartTime)
	if err != nil {
		f.wrong(at+".calendar.startTime", "%q is no time such as 2026-01-01 00:00:00", w.Calendar.StartTime)
		return
	}
	if !begins(out.Period, start) {
		f.wrong(at+".calendar.startTime", "no %s begins at %s: days begin at 00:00, weeks on Monday, months on the 1st, quarters and half years with theirs, years in January", out.Period, w.Calendar.StartTime)
	}
}

// begins says whether a period begins at a local time.
func begins(period string, t time.Time) bool {
	midnight := t.Equal(t.Truncate(24 * time.Hour))
	first := midnight && t.Day() == 1
	switch month := int(t.Month()) - 1; period {
	case "day":
		return midnight
	case "week":
		return midnight && t.Weekday() == time.Monday
	case "month":
		return first
	case "quarter":
		return first && month%3 == 0
	case "half_year":
		return first && month%6 == 0
	default:
		return first && month == 0
	}
}

// Check says what is wrong with an AlertPolicy.
func (p *AlertPolicy) Check() []Flaw {
	var f flaws
	if len(p.Conditions) != 1 {
		f.wrong("spec.conditions", "it takes one condition, as OpenSLO says")
	}
	if len(p.NotificationTargets) == 0 {
		f.wrong("spec.notificationTargets", "it needs at least one, as {targetRef: NAME}")
	}
	for _, x := range []struct {
		key  string
		said *bool
		may  bool
		why  string
	}{
		{"alertWhenNoData", p.AlertWhenNoData, false, "where too little is measured, alerts are frozen and coverage_low tells it; leave it out"},
		{"alertWhenResolved", p.AlertWhenResolved, true, "what was told to burn is always told to be over; leave it out"},
		{"alertWhenBreaching", p.AlertWhenBreaching, true, "an alert fires while its condition holds; leave it out"},
	} {
		if x.said != nil && *x.said != x.may {
			f.wrong("spec."+x.key, "it must be %v: %s", x.may, x.why)
		}
	}
	for i, c := range p.Conditions {
		at := fmt.Sprintf("spec.conditions[%d]", i)
		b := &c.Spec.Condition
		f.takes(at+".spec.condition", *b)
		switch {
		case c.Kind != "AlertCondition":
			f.wrong(at+".kind", "it must be AlertCondition")
		case c.Spec.Severity != string(alert.Page) && c.Spec.Severity != string(alert.Ticket):
			f.wrong(at+".spec.severity", "it must be page or ticket")
		case b.Kind != "" && b.Kind != "burnrate":
			f.wrong(at+".spec.condition.kind", "it must be burnrate")
		case b.Op != "gt" && b.Op != "gte":
			f.wrong(at+".spec.condition.op", "it must be gt or gte: an alert fires when the budget burns faster than that")
		case b.Threshold.Nano() <= 0:
			f.wrong(at+".spec.condition.threshold", "it is needed: a burn rate above 0")
		case b.LookbackWindow.Empty():
			f.wrong(at+".spec.condition.lookbackWindow", "it is needed, such as 1h")
		case !alert.IsWindow(windowOf(b.LookbackWindow)):
			f.wrong(at+".spec.condition.lookbackWindow", "burn rates are measured over %s of counted time, not over %s", alert.WindowNames(), b.LookbackWindow)
		}
		if after, ok := b.AlertAfter.Clock(); !ok || after > 24*time.Hour {
			f.wrong(at+".spec.condition.alertAfter", "it takes at most 24h, not %s", b.AlertAfter)
		}
	}
	return f
}

// windowOf is the name of a window of burn rates.
func windowOf(s Slice) string {
	switch name := s.String(); name {
	case "24h":
		return "1d"
	case "72h":
		return "3d"
	default:
		return name
	}
}

// Pairs are the windows that an AlertPolicy asks for, which must have passed Check: one window each, and how long it must burn so.
func (p *AlertPolicy) Pairs() []alert.Pair {
	var targets []string
	for _, t := range p.NotificationTargets {
		targets = append(targets, t.TargetRef)
	}
	var out []alert.Pair
	for _, c := range p.Conditions {
		b := &c.Spec.Condition
		after, _ := b.AlertAfter.Clock()
		rate, _ := b.Threshold.Rat().Float64()
		out = append(out, alert.Pair{
			Severity: alert.Severity(c.Spec.Severity), Rate: rate, Above: b.Op == "gt", Long: windowOf(b.LookbackWindow), For: after, Target: strings.Join(targets, ","),
		})
	}
	return out
}
