package openslo

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla/agreement"
)

// Document is an object as it is written.
type Document struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata"`
	Spec       any      `json:"spec"`
}

// Metadata is that of a Document.
type Metadata struct {
	Name        string            `json:"name"`
	DisplayName string            `json:"displayName,omitzero"`
	Annotations map[string]string `json:"annotations,omitzero"`
}

// Annotations of what is exported.
const (
	annotationAgreement = "tillstream.dev/agreement"
	annotationVersion   = "tillstream.dev/version"
	annotationHash      = "tillstream.dev/hash"
	annotationObjective = "tillstream.dev/objective"
	annotationLost      = "tillstream.dev/lost"
)

// Lost is what the SLO of an objective does not say, by the keys of the agreement.
type Lost struct {
	Objective string
	Keys      []string
}

// composite is an SLO of several; they are written and not read.
type composite struct {
	Description     string      `json:"description,omitzero"`
	Service         string      `json:"service"`
	TimeWindow      []Window    `json:"timeWindow"`
	BudgetingMethod string      `json:"budgetingMethod"`
	Objectives      []component `json:"objectives"`
}

type component struct {
	Objective
	Indicator       Inline `json:"indicator"`
	CompositeWeight Number `json:"compositeWeight"`
}

// Export writes each objective of a text as plain OpenSLO v1: a Service, and an SLO with its SLI inline. What the standard has no words for is lost, and
// named in the annotation tillstream.dev/lost. on is the day for which the text was resolved; windows begin with its period.
func Export(r *agreement.Resolved, on registry.Date) ([]Document, []Lost) {
	e := &exporter{text: r, service: name(r.Agreement)}
	if s := r.Terms.Scope.Services; len(s) == 1 {
		e.service = name(s[0])
	}
	e.window = Window{Duration: durationOf(r.Terms.Period), IsRolling: new(bool), Calendar: Calendar{startOf(r.Terms.Period, on) + " 00:00:00", r.Terms.Timezone}}
	docs := []Document{{APIVersion, KindService, Metadata{Name: e.service}, Service{}}}
	var lost []Lost
	taken := map[string]bool{}
	for i := range r.Terms.Objectives {
		o := &r.Terms.Objectives[i]
		e.lost = map[string]bool{}
		for path := range r.Values() {
			if block := path[:len(path)-len(strings.TrimLeft(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"))]; block != "timezone" && block != "period" && block != "objectives" {
				e.lost[block] = true
			}
		}
		spec := e.slo(o)
		l := Lost{o.Name, slices.Sorted(maps.Keys(e.lost))}
		lost = append(lost, l)
		id := name(r.Agreement + "-" + o.Name)
		if taken[id] { // names of OpenSLO have fewer characters than ours
			id = name(strconv.Itoa(i) + "-" + id)
		}
		taken[id] = true
		docs = append(docs, Document{APIVersion, KindSLO, Metadata{
			Name: id, DisplayName: o.Name,
			Annotations: map[string]string{
				annotationAgreement: r.Agreement, annotationVersion: strconv.Itoa(r.Version), annotationHash: r.Hash(), annotationObjective: o.Name,
				annotationLost: strings.Join(l.Keys, ", "),
			},
		}, spec})
	}
	return docs, lost
}

type exporter struct {
	text    *agreement.Resolved
	service string
	window  Window
	lost    map[string]bool
}

// slo writes one objective, and notes what is lost of it.
func (e *exporter) slo(o *agreement.Objective) any {
	for key, there := range map[string]bool{"per": o.Per != "", "weight": o.Weight != "", "report": o.Report != nil} {
		if there {
			e.lost["objectives."+key] = true
		}
	}
	if o.Indicator == agreement.Composite {
		return e.composite(o)
	}
	x, method := e.objective(o)
	return SLO{
		Description: o.Description, Service: e.service, Indicator: inline(o), TimeWindow: []Window{e.window}, BudgetingMethod: method, Objectives: []Objective{x},
	}
}

// composite writes an objective that is composed of others.
func (e *exporter) composite(o *agreement.Objective) any {
	out := composite{Description: o.Description, Service: e.service, TimeWindow: []Window{e.window}, BudgetingMethod: "RatioTimeslices"}
	if o.Method == "timeslices" {
		out.BudgetingMethod = "Timeslices"
	} else {
		e.lost["objectives.method"] = true // a weighted sum of what is missing there, a weighted mean here
	}
	if !o.Target.IsZero() {
		e.lost["objectives.target"] = true // there, each part has its own
	}
	for i := range e.text.Terms.Objectives {
		part := &e.text.Terms.Objectives[i]
		weight, there := o.Of[part.Name]
		if !there {
			continue
		}
		x, _ := e.objective(part)
		x.DisplayName = part.Name
		if x.TimeSliceWindow.IsZero() {
			x.TimeSliceWindow = minute
		}
		x.TimeSliceTarget = Number{}
		if out.BudgetingMethod == "Timeslices" {
			x.TimeSliceTarget = Number{agreement.Whole(1)}
		}
		out.Objectives = append(out.Objectives, component{x, inline(part), Number{weight}})
	}
	return out
}

var minute = Slice{agreement.Clock(time.Minute)}

// inline is the SLI of an objective.
func inline(o *agreement.Objective) Inline {
	source := Metric{Source{Type: sourceType, Spec: Reading{
		Indicator: o.Indicator, Statistic: o.Statistic, MinEvents: o.MinEvents, MinOutage: o.MinOutage,
		Degraded: o.Degraded, Capability: o.Capability, Severities: o.Severities, Clock: o.Clock,
	}}}
	out := Inline{Metadata: InlineMetadata{Name: name(o.Name)}}
	switch o.Indicator {
	case agreement.Uptime, agreement.StoreQuorum:
		out.Spec.RatioMetric = Ratio{Counter: new(bool), RawType: "success", Raw: source}
	case agreement.PaymentFailures:
		out.Spec.RatioMetric = Ratio{Counter: new(bool), RawType: "failure", Raw: source}
	default:
		out.Spec.ThresholdMetric = source
	}
	return out
}

// objective is what an objective promises, and how that is budgeted: the other way of SLO.Read.
func (e *exporter) objective(o *agreement.Objective) (x Objective, method string) {
	sliced := o.Budgeting == "timeslices"
	if sliced {
		x.TimeSliceWindow = Slice{o.Slice}
		if n := o.Slice.Milli(); n%60_000 != 0 {
			x.TimeSliceWindow = Slice{agreement.Clock(time.Duration(n/60_000+1) * time.Minute)}
			e.lost["objectives.slice"] = true // OpenSLO has minutes at least
		}
	}
	good := Number{agreement.Billionths(1_000_000_000 - billionths(o.Value))} // of a rate of failures
	switch {
	case o.Indicator == agreement.PaymentFailures && o.Op != "lte":
		e.lost["objectives.op"] = true
	case o.Statistic == "share_below" && o.Op == "":
		x.Op = "lt"
	case o.Indicator != agreement.PaymentFailures:
		x.Op = o.Op
	}
	switch share := o.Indicator == agreement.Uptime || o.Indicator == agreement.StoreQuorum; {
	case share && sliced:
		x.Target, x.TimeSliceTarget, method = e.target(o.Target), Number{agreement.Whole(1)}, "Timeslices"
	case share:
		x.Target, x.TimeSliceWindow, method = e.target(o.Target), minute, "RatioTimeslices"
	case sliced:
		x.Target, x.TimeSliceTarget, method = e.target(o.Target), good, "Timeslices"
	case o.Indicator == agreement.PaymentFailures:
		x.Target, method = e.target(good.Decimal), "Occurrences"
	case o.Statistic == "share_below":
		x.Target, x.Value, method = e.target(o.Target), number(o.Value), "Occurrences"
	default: // one figure a period, which must be kept: any target above 0 says so
		x.Target, x.Value, method = Number{almost}, number(o.Value), "Occurrences"
	}
	return x, method
}

// almost is the highest target that OpenSLO can write.
var almost = agreement.Billionths(999_999_999)

func (e *exporter) target(d agreement.Decimal) Number {
	if d.Nano() >= 1_000_000_000 {
		e.lost["objectives.target"] = true
		return Number{almost}
	}
	return Number{d}
}

// number is a value; durations are in ms.
func number(q agreement.Quantity) Number {
	return Number{agreement.Billionths(billionths(q))}
}

func billionths(q agreement.Quantity) int64 {
	if q.IsDuration() {
		return q.Milli() * 1_000_000_000
	}
	return q.Decimal().Nano()
}

func durationOf(period string) agreement.Duration {
	for text, p := range periods {
		if p == period {
			d, _ := agreement.ParseDuration(text)
			return d
		}
	}
	return agreement.Duration{}
}

// startOf is the first day of the period of a day.
func startOf(period string, on registry.Date) string {
	y, m, d := on.Civil()
	switch t := time.Date(y, m, d, 0, 0, 0, 0, time.UTC); period {
	case "day":
	case "week":
		d -= int(t.Weekday()+6) % 7
	case "quarter":
		m, d = m-(m-1)%3, 1
	case "half_year":
		m, d = m-(m-1)%6, 1
	case "year":
		m, d = time.January, 1
	default:
		d = 1
	}
	return registry.DateOf(y, m, d).String()
}

var unfit = regexp.MustCompile(`[^a-z0-9]+`)

// name is a text as a name of OpenSLO (RFC 1123): small letters, digits and -, at most 63.
func name(s string) string {
	s = strings.Trim(unfit.ReplaceAllString(strings.ToLower(s), "-"), "-")
	return strings.TrimRight(s[:min(len(s), 63)], "-")
}
