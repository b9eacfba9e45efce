package sla

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/sla/agreement"
)

func termsOf(t *testing.T, text string) *agreement.Terms {
	t.Helper()
	var terms agreement.Terms
	if err := json.Unmarshal([]byte(text), &terms); err != nil {
		t.Fatal(err)
	}
	return &terms
}

// What nobody said has no effect, and what an objective says goes before what the measurement says.
func TestRulesOf(t *testing.T) {
	if got := RulesOf(&agreement.Measurement{}, &agreement.Objective{}); got != (Rules{}) {
		t.Errorf("of nothing: %+v", got)
	}
	terms := termsOf(t, `{
		"measurement": {"min_outage": "1m", "merge_gap": "30s", "min_events": 100, "silence": {"first": "down", "after": "10m", "then": "up", "unless": ["neighbours_silent"]}},
		"objectives": [{"name": "a", "min_outage": "0s", "min_events": 5, "degraded": "down", "capability": "card"}, {"name": "b"}]
	}`)
	m := &terms.Measurement
	want := Rules{
		Needs: Card, DegradedDown: true, MergeGap: 30_000, MinOutage: 0,
		Silence: Silence{First: AsDown, Then: AsUp, After: 600_000, Alone: true},
	}
	if d := cmp.Diff(want, RulesOf(m, &terms.Objectives[0])); d != "" {
		t.Error(d)
	}
	if got := RulesOf(m, &terms.Objectives[1]).MinOutage; got != minute {
		t.Errorf("min_outage is %d ms", got)
	}
	if a, b := LeastOf(m, &terms.Objectives[0]), LeastOf(m, &terms.Objectives[1]); a != 5 || b != 100 {
		t.Errorf("min_events are %d and %d", a, b)
	}
}

func TestOpOf(t *testing.T) {
	terms := termsOf(t, `{"objectives": [{"name": "up", "target": "0.9"}, {"name": "slices", "op": "lt", "value": "1", "target": "0.9"}, {"name": "mean", "op": "gt", "value": "1"}]}`)
	for i, want := range []Op{Gte, Lt, Gt} {
		if got := OpOf(&terms.Objectives[i]); got != want {
			t.Errorf("%s is compared by %d, want %d", terms.Objectives[i].Name, got, want)
		}
	}
}

func TestExclusionsOf(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	terms := termsOf(t, `{"exclusions": [
		{"kind": "force_majeure", "effect": "remove", "approval": "both"},
		{"name": "nights", "kind": "urgent_maintenance", "effect": "up", "notice": "3d", "cap": "90m/quarter", "within": ["Sun 00:00-06:00"]},
		{"kind": "customer_requested", "effect": "remove", "off": true},
		{"party": "third_party", "except": ["telco-x"], "effect": "remove"}
	]}`)
	got := ExclusionsOf(terms, zone, "Asia/Kolkata", span(t, "2026-03-23", "2026-04-06"))
	if len(got) != 3 {
		t.Fatalf("%d rules, want those that are not off", len(got))
	}
	if x := got[0]; x.Text != "exclusions[force_majeure]" || x.Approval != ByProvider|ByCustomer || x.Up || x.Notice != nil || x.Within != nil || x.Cap != 0 {
		t.Errorf("%+v", x)
	}
	x := got[1]
	if x.Text != "exclusions[nights]" || !x.Up || x.Cap != 90*minute || x.Per != (Calendar{Quarter, zone}) {
		t.Errorf("%+v", x)
	}
	// Three days by the calendar of the agreement, over the night in which an hour is missing.
	if at := x.Notice(paris(t, "2026-03-31T12:00")); at != paris(t, "2026-03-28T12:00") {
		t.Errorf("notice is wanted until %s", time.UnixMilli(at).In(zone))
	}
	// Sundays from midnight to six, by the clocks of the store.
	var sundays []interval.Span
	for _, day := range []string{"2026-03-29", "2026-04-05"} {
		at, err := time.Parse(time.RFC3339, day+"T00:00:00+05:30")
		if err != nil {
			t.Fatal(err)
		}
		sundays = append(sundays, interval.Span{From: at.UnixMilli(), To: at.UnixMilli() + 6*60*minute})
	}
	if d := cmp.Diff(interval.Of(sundays...), x.Within); d != "" {
		t.Error(d)
	}
	if x := got[2]; x.Text != "exclusions[party:third_party]" || x.Party != "third_party" || len(x.Except) != 1 {
		t.Errorf("%+v", x)
	}
}

func TestCreditsOf(t *testing.T) {
	terms := termsOf(t, `{
		"objectives": [
			{"name": "up", "indicator": "uptime", "target": "0.995"},
			{"name": "mttr", "indicator": "time_to_resolve", "op": "lte", "value": "4h"},
			{"name": "slices", "indicator": "payment_failures", "budgeting": "timeslices", "op": "lte", "value": "0.01", "target": "0.99"}
		],
		"remedies": {"credits": [
			{"objective": "up", "tiers": [{"below": "0.995", "credit": "0.1"}]},
			{"name": "too", "objective": "up", "fixed": 500, "each": "outage", "cap": 3},
			{"name": "slow", "objective": "mttr", "tiers": [{"above": "8h", "credit": "0.1"}]},
			{"objective": "mttr", "per_unit": {"every": "30m", "credit": "0.01"}},
			{"objective": "slices", "tiers": [{"below": "0.99", "credit": "0.2"}]},
			{"name": "gone", "objective": "slices", "fixed": 1, "each": "breach", "off": true}
		]}
	}`)
	const hour = 60 * minute
	for i, want := range [][]Credit{
		{
			{Text: "remedies.credits[up]", Op: Gte, Tiers: []Tier{{Ratio{995_000_000, 1_000_000_000}, 100_000_000}}},
			{Text: "remedies.credits[too]", Op: Gte, Fixed: 500, Outage: true, Times: 3},
		},
		{
			{Text: "remedies.credits[slow]", Op: Lte, Tiers: []Tier{{Ratio{8 * hour, 1}, 100_000_000}}},
			{Text: "remedies.credits[mttr]", Op: Lte, Every: Ratio{hour / 2, 1}, Over: Ratio{4 * hour, 1}, PerUnit: 10_000_000},
		},
		{{Text: "remedies.credits[slices]", Op: Gte, Tiers: []Tier{{Ratio{990_000_000, 1_000_000_000}, 200_000_000}}}},
	} {
		if d := cmp.Diff(want, CreditsOf(terms, &terms.Objectives[i])); d != "" {
			t.Error(d)
		}
	}
}

func TestLateDataOf(t *testing.T) {
	period := span(t, "2026-03-01", "2026-04-01")
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	share, value := &agreement.Objective{Target: agreement.Whole(1)}, termsOf(t, `{"objectives": [{"name": "x", "value": "4h"}]}`).Objectives[0]
	end := paris(t, "2026-04-01")
	for text, want := range map[string]LateData{
		`{}`: {Accept: end, Close: end, Restate: interval.Max, Scale: Ratio{1, 1}},
		`{"measurement": {"late_data": {"accept": "7d"}}}`:      {Accept: paris(t, "2026-04-08"), Close: paris(t, "2026-04-08"), Restate: interval.Max, Scale: Ratio{1, 1}},
		`{"measurement": {"late_data": {"close_after": "7d"}}}`: {Accept: paris(t, "2026-04-08"), Close: paris(t, "2026-04-08"), Restate: interval.Max, Scale: Ratio{1, 1}},
		`{"measurement": {"late_data": {"accept": "7d", "close_after": "10d", "restate": {"until": "60d", "min_change": "0.0001"}}}}`: {
			Accept: paris(t, "2026-04-08"), Close: paris(t, "2026-04-11"), Restate: paris(t, "2026-05-31"), MinChange: 100_000, Scale: Ratio{1, 1},
		},
	} {
		if d := cmp.Diff(want, LateDataOf(termsOf(t, text), share, period, zone)); d != "" {
			t.Errorf("%s: %s", text, d)
		}
	}
	both := termsOf(t, `{"objectives": [{"name": "x", "statistic": "share_below", "value": "2500", "target": "0.95"}]}`).Objectives[0]
	if got := LateDataOf(termsOf(t, `{}`), &both, period, zone).Scale; got != (Ratio{1, 1}) {
		t.Errorf("the scale of a share is %v", got)
	}
	if got := LateDataOf(termsOf(t, `{}`), &value, period, zone).Scale; got != (Ratio{4 * 60 * minute, 1}) {
		t.Errorf("the scale of a time to resolve is %v", got)
	}
}

func TestBaseOf(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		period, per string
		from, to    string
		want        string // of 1,200
	}{
		{"month", "month", "2026-02-01", "2026-03-01", "1200.000"},
		{"month", "", "2026-02-01", "2026-03-01", "1200.000"},
		{"quarter", "month", "2026-01-01", "2026-04-01", "3600.000"},
		{"month", "year", "2026-02-01", "2026-03-01", "100.000"},
		{"half_year", "quarter", "2026-01-01", "2026-07-01", "2400.000"},
		{"day", "month", "2026-04-10", "2026-04-11", "40.000"},
		{"week", "month", "2026-04-27", "2026-05-04", "276.129"}, // four days of 30, three of 31
		{"month", "day", "2026-02-01", "2026-03-01", "33600.000"},
		{"day", "month", "2026-03-29", "2026-03-30", "37.147"}, // 23 hours of 743
	} {
		terms := termsOf(t, `{"period": "`+c.period+`", "remedies": {"base": {"per": "`+c.per+`"}}}`)
		if got := BaseOf(terms, 1200, span(t, c.from, c.to), zone).rat().FloatString(3); got != c.want {
			t.Errorf("of 1200 per %s a %s is %s, want %s", c.per, c.period, got, c.want)
		}
	}
}
