package openslo

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla/agreement"
)

func one[T any](t *rapid.T, name string, values ...T) T {
	return rapid.SampledFrom(values).Draw(t, name)
}

func parsed[T interface{ UnmarshalText([]byte) error }](v T, text string) T {
	if err := v.UnmarshalText([]byte(text)); err != nil {
		panic(err)
	}
	return v
}

func decimal(s string) agreement.Decimal   { return *parsed(new(agreement.Decimal), s) }
func duration(s string) agreement.Duration { return *parsed(new(agreement.Duration), s) }
func quantity(s string) agreement.Quantity { return *parsed(new(agreement.Quantity), s) }
func date(t *rapid.T, s string) registry.Date {
	d, err := registry.ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// drawObjective is one of every form that OpenSLO can say, with nothing in it that would be lost.
func drawObjective(t *rapid.T) agreement.Objective {
	target := one(t, "target", decimal("0.5"), decimal("0.995"), decimal("0.999999999"))
	o := agreement.Objective{Name: "o"}
	share := func() {
		o.Indicator, o.Target = one(t, "indicator", agreement.Uptime, agreement.StoreQuorum), target
		o.MinOutage = one(t, "min_outage", agreement.Duration{}, duration("5m"))
		o.Degraded, o.Capability = one(t, "degraded", "", "down"), one(t, "capability", "", "card")
	}
	slice := func() { o.Budgeting, o.Slice = "timeslices", one(t, "slice", duration("1m"), duration("1h")) }
	count := func() { o.MinEvents = one(t, "min_events", nil, new(int)) }
	switch rapid.IntRange(0, 6).Draw(t, "form") {
	case 0:
		share()
	case 1:
		share()
		slice()
	case 2:
		count()
		o.Indicator, o.Op, o.Value = agreement.PaymentFailures, "lte", one(t, "rate", quantity("0.005"), quantity("0.9"))
	case 3:
		count()
		slice()
		o.Indicator, o.Op, o.Value, o.Target = agreement.PaymentFailures, "lte", one(t, "rate", quantity("0.1"), quantity("0")), target
	case 4:
		count()
		o.Indicator, o.Statistic, o.Op = one(t, "indicator", agreement.ResponseMS, agreement.AuthorisationMS), "share_below", one(t, "op", "lt", "lte")
		o.Value, o.Target = quantity("2500.5"), target
	case 5:
		o.Indicator, o.Statistic, o.Op = one(t, "indicator", agreement.ResponseMS, agreement.AuthorisationMS), one(t, "statistic", "mean", "p90"), one(t, "op", "lt", "lte")
		o.Value = quantity("1500")
	default:
		o.Indicator, o.Statistic, o.Op = one(t, "indicator", agreement.TimeToResolve, agreement.TimeToRepair), one(t, "statistic", "mean", "p50"), "lte"
		o.Value, o.Severities, o.Clock = one(t, "time", quantity("4h"), quantity("90s")), one(t, "severities", nil, []string{"p1", "p2"}), one(t, "clock", "", "24x7")
	}
	return o
}

// What is written is read as the same objective, whatever it was, and nothing of it is said to be lost.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawObjective(t)
		period := rapid.SampledFrom(agreement.Periods).Draw(t, "period")
		text := &agreement.Resolved{Agreement: "Acme_Gold!", Version: 3, Text: agreement.Text{Terms: agreement.Terms{
			Timezone: "Europe/Paris", Period: period, Objectives: []agreement.Objective{want},
		}}}
		on := date(t, "2026-01-01") + registry.Date(rapid.IntRange(0, 800).Draw(t, "on"))
		docs, lost := Export(text, on)
		if len(docs) != 2 || len(lost) != 1 || len(lost[0].Keys) > 0 {
			t.Fatalf("%+v, lost %v", docs, lost)
		}
		if name := docs[1].Metadata.Name; name != "acme-gold-o" {
			t.Fatalf("the name %q", name)
		}
		b, err := json.Marshal(docs[1].Spec)
		if err != nil {
			t.Fatal(err)
		}
		var slo SLO
		if err := json.Unmarshal(b, &slo); err != nil {
			t.Fatal(err)
		}
		if flaws := slo.Indicator.Spec.Check(""); len(flaws) > 0 {
			t.Fatalf("%v in %s", flaws, b)
		}
		got, flaws := slo.Read(&slo.Indicator.Spec)
		if len(flaws) > 0 {
			t.Fatalf("%v in %s", flaws, b)
		}
		want.Name = ""
		if d := cmp.Diff(asJSON(t, want), asJSON(t, got.Objective)); d != "" || got.Period != period || got.Timezone != "Europe/Paris" {
			t.Fatalf("%s is read as %+v\n%s", b, got, d)
		}
	})
}

func asJSON(t *rapid.T, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestLost(t *testing.T) {
	report := true
	all := agreement.Terms{
		Timezone: "UTC", Period: "month",
		Standing:     agreement.Standing{Scope: agreement.Scope{Services: []string{"till"}}, Parties: agreement.Contracts{Customer: "acme"}},
		ServiceHours: agreement.ServiceHours{Use: "24x7"}, Exclusions: []agreement.Exclusion{{Kind: "force_majeure", Effect: "remove"}},
		Remedies: agreement.Remedies{AtRisk: decimal("0.1")},
		Objectives: []agreement.Objective{
			{Name: "always", Indicator: agreement.Uptime, Per: "store", Target: decimal("1")},
			{Name: "fast", Indicator: agreement.PaymentFailures, Op: "lt", Value: quantity("0.1"), Budgeting: "timeslices", Slice: duration("30s"), Target: decimal("0.9")},
			{Name: "fleet", Indicator: agreement.Composite, Of: map[string]agreement.Decimal{"always": decimal("2"), "fast": decimal("0.5")}, Method: "weighted_mean", Target: decimal("0.9"), Report: &report},
		},
	}
	docs, lost := Export(&agreement.Resolved{Agreement: "a", Text: agreement.Text{Terms: all}}, 0)
	const blocks = "exclusions, %parties, remedies, scope, service_hours"
	want := map[string]string{
		"always": strings.Replace(blocks, "%", "objectives.per, objectives.target, ", 1),
		"fast":   strings.Replace(blocks, "%", "objectives.op, objectives.slice, ", 1),
		"fleet":  strings.Replace(blocks, "%", "objectives.method, objectives.op, objectives.report, objectives.slice, objectives.target, ", 1),
	}
	for i, l := range lost {
		got := strings.Join(l.Keys, ", ")
		if got != want[l.Objective] {
			t.Errorf("%s: %s, want %s", l.Objective, got, want[l.Objective])
		}
		if docs[i+1].Metadata.Annotations["tillstream.dev/lost"] != got {
			t.Errorf("%s: %v", l.Objective, docs[i+1].Metadata)
		}
	}
	if docs[0].Kind != KindService || docs[0].Metadata.Name != "till" {
		t.Errorf("%+v", docs[0])
	}
	fleet := docs[3].Spec.(composite)
	if len(fleet.Objectives) != 2 || fleet.Objectives[0].CompositeWeight.Decimal != decimal("2") || fleet.Objectives[1].Indicator.Spec.RatioMetric.RawType != "failure" {
		t.Errorf("%+v", fleet)
	}
	if !slices.Equal([]string{startOf("week", 0), startOf("half_year", 200), startOf("quarter", 100), startOf("year", 200)}, []string{"1969-12-29", "1970-07-01", "1970-04-01", "1970-01-01"}) {
		t.Error(startOf("week", 0), startOf("half_year", 200), startOf("quarter", 100), startOf("year", 200))
	}
}
