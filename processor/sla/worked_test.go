package sla

import (
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla/agreement"
)

// workedText is the text of the worked agreement.
const workedText = `{
	"measurement": {
		"min_outage": "1m", "merge_gap": "30s", "low_evidence": "customer", "min_events": 100,
		"silence": {"first": "unknown", "after": "10m", "then": "down", "unless": ["sold", "neighbours_silent"]}
	},
	"exclusions": [{"kind": "planned_maintenance", "effect": "remove", "notice": "72h", "cap": "4h/month"}],
	"objectives": [
		{"name": "terminal-availability", "indicator": "uptime", "per": "terminal", "target": "0.995"},
		{"name": "store-can-sell", "indicator": "store_quorum", "per": "store", "target": "0.9995"},
		{"name": "mttr", "indicator": "time_to_resolve", "per": "customer", "statistic": "mean", "op": "lte", "value": "4h"},
		{"name": "error-rate", "indicator": "payment_failures", "per": "service", "op": "lte", "value": "0.005"},
		{"name": "mean-response", "indicator": "authorisation_ms", "per": "service", "statistic": "mean", "op": "lte", "value": "1500"},
		{"name": "p95-response", "indicator": "authorisation_ms", "per": "service", "statistic": "share_below", "value": "2500", "target": "0.95"}
	],
	"remedies": {
		"base": {"amount": 180000, "currency": "EUR", "per": "month"}, "at_risk": "0.12",
		"credits": [
			{"objective": "terminal-availability", "per": "scope_fee", "tiers": [{"below": "0.995", "credit": "0.10"}, {"below": "0.99", "credit": "0.25"}]},
			{"objective": "store-can-sell", "fixed": 15000, "each": "outage"},
			{"objective": "mttr", "per_unit": {"every": "1h", "over": "4h", "credit": "0.01"}}
		],
		"repeat": {"times": 3, "within": "6M", "multiply": "2"}
	}
}`

// The worked agreement of docs/agreements-measuring.md, whose figures were reckoned by hand.
func TestWorkedAgreement(t *testing.T) {
	var terms agreement.Terms
	if err := json.Unmarshal([]byte(workedText), &terms); err != nil {
		t.Fatal(err)
	}
	measurement := &terms.Measurement
	objective := func(name string) *agreement.Objective {
		i := slices.IndexFunc(terms.Objectives, func(o agreement.Objective) bool { return o.Name == name })
		return &terms.Objectives[i]
	}
	credit := func(name string) Credit { return CreditsOf(&terms, objective(name))[0] }
	terminal, sells, mttr := objective("terminal-availability"), objective("store-can-sell"), objective("mttr")
	at := func(s string) int64 { return paris(t, "2026-03-"+s) }
	stretch := func(s Status, from, to string) Run {
		return Run{Span: interval.Span{From: at(from), To: at(to)}, Status: s}
	}
	up := func(from, to string) Run { return stretch(Up, from, to) }
	second := func(r Run, from, to int64) Run {
		r.From += from * 1000
		r.To += to * 1000
		return r
	}
	period := span(t, "2026-03-01", "2026-04-01")
	margin := interval.Span{From: period.From - 7*86_400_000, To: period.To + 86_400_000}
	service := storeOf(t, "Europe/Paris", shopHours(t)).Service(margin)
	always := interval.Span{From: interval.Min, To: interval.Max}
	rules, storeRules, bearer := RulesOf(measurement, terminal), RulesOf(measurement, sells), BearerOf(measurement)

	histories := []History{{Runs: []Run{
		up("01T00:00", "10T10:00"),
		stretch(Down, "10T10:00", "10T10:30"), second(up("10T10:30", "10T10:30"), 0, 20), second(stretch(Down, "10T10:30", "10T11:00"), 20, 0),
		up("10T11:00", "11T12:00"),
		second(stretch(Down, "11T12:00", "11T12:00"), 0, 50), second(up("11T12:00", "12T14:00"), 50, 0),
		stretch(Silent, "12T14:00", "12T14:40"), up("12T14:40", "17T19:10"),
		stretch(Down, "17T19:10", "18T09:50"), up("18T09:50", "20T15:00"),
		stretch(Silent, "20T15:00", "20T16:00"), up("20T16:00", "24T09:00"),
		stretch(Maintenance, "24T09:00", "24T12:00"), up("24T12:00", "26T10:00"),
		stretch(Down, "26T10:00", "26T10:15"), up("26T10:15", "31T23:59"),
	}}, {Runs: []Run{
		up("01T00:00", "20T15:00"), stretch(Silent, "20T15:00", "20T16:00"), up("20T16:00", "26T10:00"),
		stretch(Down, "26T10:00", "26T10:15"), up("26T10:15", "31T23:59"),
	}}}
	var tills []Till
	for i := range histories {
		tills = append(tills, Till{Lives: interval.All(), Silent: rules.Silent(&histories[i])})
	}
	silent := StoreSilent(tills)
	for i := range histories {
		histories[i].StoreSilent = silent
		tills[i] = storeRules.Till(&histories[i], interval.All(), service)
	}
	zone := storeOf(t, "Europe/Paris", nil).Zone(period.From)
	exclusions := ExclusionsOf(&terms, zone, "Europe/Paris", margin)
	claim := func(ref, noticed, from, to string) Claim {
		return Claim{Ref: ref, Kind: "planned_maintenance", NoticeAt: at(noticed), Spans: interval.Of(interval.Span{From: at(from), To: at(to)})}
	}
	excused, _ := Exclude(exclusions, []Claim{claim("M-1", "12T19:00", "17T19:00", "18T10:00"), claim("M-2", "20T09:00", "24T09:00", "24T12:00")}, service, period)

	got := map[string]string{}
	whole := func(key string, n int64) { got[key] = strconv.FormatInt(n, 10) }
	seconds := func(key string, ms int64) { whole(key, ms/1000) }
	ratio := func(key string, r Ratio) { got[key] = big.NewRat(r.Part, r.Of).FloatString(9) }
	verdict := func(key string, v Verdict) { got[key] = string(v) }
	tiers := credit("terminal-availability")
	base := FeeOf(*terms.Remedies.Base.Amount)
	half := base.Part(1, 2)
	repeat := Repeat{Times: terms.Remedies.Repeat.Times, Multiply: Share(terms.Remedies.Repeat.Multiply.Nano())}

	var fleet Figures
	states := make([]State, len(histories))
	for i := range histories {
		id := fmt.Sprintf("t%d", i+1)
		ex := excused
		if i > 0 {
			ex = Excused{}
		}
		tm := NewTime(period, always, interval.All(), service, ex, period.To)
		states[i] = rules.Read(&histories[i], tm.Service)
		f := Measure(tm, &states[i])
		fleet = fleet.Add(f)
		r := f.Result(TargetOf(terminal))
		seconds(id+".committed_s", f.Committed)
		seconds(id+".excluded_s", f.Excluded)
		seconds(id+".counted_s", f.Counted)
		seconds(id+".unknown_s", f.Unknown)
		seconds(id+".down_s", f.Down)
		whole(id+".outages", f.Outages)
		ratio(id+".availability", r.Actual)
		ratio(id+".low", r.Low)
		ratio(id+".high", r.High)
		ratio(id+".raw", r.Raw)
		whole(id+".budget_s", int64(f.Budget(TargetOf(terminal)))/1000)
		verdict(id+".verdict", r.Verdict)
		breaches := 1
		if i == 0 {
			breaches = 3
		}
		whole(id+".credit", tiers.Due(&r, f.Outages, bearer, half, repeat.Of(breaches)).Amount)
		whole("provider."+id+".credit", tiers.Due(&r, f.Outages, Provider, half, repeat.Of(breaches)).Amount)
	}
	ratio("fleet.availability", fleet.Availability())

	store := storeRules.Store(tills, []registry.Quorum{{Span: always, Tills: 1}})
	f := Measure(NewTime(period, always, interval.All(), service, Excused{}, period.To), &store)
	r := f.Result(TargetOf(sells))
	seconds("store.unknown_s", f.Unknown)
	seconds("store.down_s", f.Down)
	ratio("store.low", r.Low)
	ratio("store.high", r.High)
	verdict("store.verdict", r.Verdict)
	fixed := credit("store-can-sell")
	whole("store.credit", fixed.Due(&r, f.Outages, bearer, base, One).Amount)

	const hour = 60 * minute
	d := NewDurations([]Case{
		{From: at("10T09:30"), To: at("10T12:00"), Resolved: at("10T12:00")},
		{From: at("17T18:00"), To: at("18T15:00"), Resolved: at("18T15:00"), Pauses: interval.Of(interval.Span{From: at("18T09:00"), To: at("18T11:00")})},
		{From: at("31T16:00")},
	}, service, period, period.To)
	repaired, _ := d.Result(StatisticOf(mttr), OpOf(mttr), RatioOf(mttr.Value), 0)
	ratio("mttr.hours", Ratio{repaired.Actual.Part, repaired.Actual.Of * hour})
	ratio("mttr.oldest_open_h", Ratio{d.Oldest, hour})
	verdict("mttr.verdict", repaired.Verdict)
	perHour := credit("mttr")
	whole("mttr.credit", perHour.Due(&repaired, 0, bearer, base, One).Amount)

	failures := Counts{Bad: 70, All: 12_000, RawBad: 70, RawAll: 12_000}
	errorRate, response, p95 := objective("error-rate"), objective("mean-response"), objective("p95-response")
	rate := failures.Rate(OpOf(errorRate), RatioOf(errorRate.Value), LeastOf(measurement, errorRate), false)
	ratio("error_rate", rate.Actual)
	verdict("error_rate.verdict", rate.Verdict)
	answers := Sums{Sum: 18_060_000, N: 12_040}
	verdict("mean_response.verdict", answers.Mean(OpOf(response), RatioOf(response.Value), LeastOf(measurement, response), false).Verdict)
	slow := Counts{Bad: 598, All: 12_000, Missing: 5}
	verdict("p95_response.verdict", slow.Share(TargetOf(p95), LeastOf(measurement, p95), false).Verdict)

	var credits []int64
	var sum int64
	for _, key := range []string{"t1.credit", "store.credit", "mttr.credit"} {
		n, err := strconv.ParseInt(got[key], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		credits, sum = append(credits, n), sum+n
	}
	paid := Pool(credits, base, Share(terms.Remedies.AtRisk.Nano()))
	whole("credits", sum)
	whole("at_risk", paid[0]+paid[1]+paid[2])
	whole("t1.paid", paid[0])
	whole("store.paid", paid[1])
	whole("mttr.paid", paid[2])
	good := share(999, 1000)
	whole("t1.earned_back", (&EarnBack{Periods: 3, AtLeast: 998_000_000, Share: One / 2}).Of(paid[0], []Ratio{good, good, good}))

	// Two versions. The cap of the month is the month's, whichever version looks at it.
	parts := []Figures{}
	var counted int64
	for _, v := range []interval.Span{{From: interval.Min, To: at("16T00:00")}, {From: at("16T00:00"), To: interval.Max}} {
		tm := NewTime(period, v, interval.All(), service, excused, period.To)
		f := Measure(tm, &states[0])
		parts, counted = append(parts, f), counted+f.Counted
	}
	for i, f := range parts {
		id, r := fmt.Sprintf("v%d", i+1), f.Result(TargetOf(terminal))
		seconds(id+".counted_s", f.Counted)
		seconds(id+".down_s", f.Down)
		verdict(id+".verdict", r.Verdict)
		fee := half.Part(f.Counted, counted)
		whole(id+".credit", tiers.Due(&r, f.Outages, bearer, fee, One).Amount)
	}

	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "agreements-measuring.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	_, worked, _ := strings.Cut(string(text), "## A worked agreement")
	for line := range strings.Lines(worked) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || !strings.HasPrefix(strings.TrimSpace(cells[1]), "`") {
			continue
		}
		key, want := strings.Trim(cells[1], " `"), strings.TrimSpace(cells[2])
		found++
		if got[key] != want {
			t.Errorf("%s is %s, the documentation says %s", key, got[key], want)
		}
	}
	if found < 45 {
		t.Errorf("only %d figures were found", found)
	}
}
