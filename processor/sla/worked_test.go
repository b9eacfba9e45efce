package sla

import (
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
)

// The worked agreement of docs/agreements-measuring.md, whose figures were reckoned by hand.
func TestWorkedAgreement(t *testing.T) {
	const target, storeTarget = 995_000_000, 999_500_000
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
	rules := Rules{
		MergeGap: 30_000, MinOutage: minute,
		Silence: Silence{First: AsUnknown, After: 10 * minute, Then: AsDown, Alone: true},
	}

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
	tills := func() (out []Till) {
		for i := range histories {
			out = append(out, rules.Till(&histories[i], interval.All(), service))
		}
		return out
	}
	silent := StoreSilent(tills())
	for i := range histories {
		histories[i].StoreSilent = silent
	}
	month := Calendar{Month, storeOf(t, "Europe/Paris", nil).Zone(period.From)}
	rule := Exclusion{Text: "planned maintenance", Kind: "planned_maintenance", Notice: 72 * 60 * minute, Cap: 4 * 60 * minute, Per: month}
	claim := func(ref, noticed, from, to string) Claim {
		return Claim{Ref: ref, Kind: "planned_maintenance", NoticeAt: at(noticed), Spans: interval.Of(interval.Span{From: at(from), To: at(to)})}
	}
	excused, _ := Exclude([]Exclusion{rule}, []Claim{claim("M-1", "12T19:00", "17T19:00", "18T10:00"), claim("M-2", "20T09:00", "24T09:00", "24T12:00")}, service, period)

	got := map[string]string{}
	whole := func(key string, n int64) { got[key] = strconv.FormatInt(n, 10) }
	seconds := func(key string, ms int64) { whole(key, ms/1000) }
	ratio := func(key string, r Ratio) { got[key] = big.NewRat(r.Part, r.Of).FloatString(9) }
	verdict := func(key string, v Verdict) { got[key] = string(v) }
	tiers := Credit{Op: Gte, Tiers: []Tier{{share(995, 1000), One / 10}, {share(99, 100), One / 4}}}
	base := FeeOf(180_000)
	half := base.Part(1, 2)
	repeat := Repeat{Times: 3, Multiply: 2 * One}

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
		r := f.Result(target)
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
		whole(id+".budget_s", int64(f.Budget(target))/1000)
		verdict(id+".verdict", r.Verdict)
		breaches := 1
		if i == 0 {
			breaches = 3
		}
		whole(id+".credit", tiers.Due(&r, f.Outages, Customer, half, repeat.Of(breaches)).Amount)
		whole("provider."+id+".credit", tiers.Due(&r, f.Outages, Provider, half, repeat.Of(breaches)).Amount)
	}
	ratio("fleet.availability", fleet.Availability())

	store := rules.Store(tills(), []registry.Quorum{{Span: always, Tills: 1}})
	f := Measure(NewTime(period, always, interval.All(), service, Excused{}, period.To), &store)
	r := f.Result(storeTarget)
	seconds("store.unknown_s", f.Unknown)
	seconds("store.down_s", f.Down)
	ratio("store.low", r.Low)
	ratio("store.high", r.High)
	verdict("store.verdict", r.Verdict)
	fixed := Credit{Fixed: 15_000, Outage: true}
	whole("store.credit", fixed.Due(&r, f.Outages, Customer, base, One).Amount)

	const hour = 60 * minute
	d := NewDurations([]Case{
		{From: at("10T09:30"), To: at("10T12:00"), Resolved: at("10T12:00")},
		{From: at("17T18:00"), To: at("18T15:00"), Resolved: at("18T15:00"), Pauses: interval.Of(interval.Span{From: at("18T09:00"), To: at("18T11:00")})},
		{From: at("31T16:00")},
	}, service, period, period.To)
	repaired, _ := d.Result(Mean, Lte, share(4*hour, 1), 0)
	ratio("mttr.hours", Ratio{repaired.Actual.Part, repaired.Actual.Of * hour})
	ratio("mttr.oldest_open_h", Ratio{d.Oldest, hour})
	verdict("mttr.verdict", repaired.Verdict)
	perHour := Credit{Op: Lte, Every: share(hour, 1), Over: share(4*hour, 1), PerUnit: One / 100}
	whole("mttr.credit", perHour.Due(&repaired, 0, Customer, base, One).Amount)

	failures := Counts{Bad: 70, All: 12_000, RawBad: 70, RawAll: 12_000}
	rate := failures.Rate(Lte, share(5, 1000), 100, false)
	ratio("error_rate", rate.Actual)
	verdict("error_rate.verdict", rate.Verdict)
	answers := Sums{Sum: 18_060_000, N: 12_040}
	verdict("mean_response.verdict", answers.Mean(Lte, share(1500, 1), 100, false).Verdict)
	slow := Counts{Bad: 598, All: 12_000, Missing: 5}
	verdict("p95_response.verdict", slow.Share(950_000_000, 100, false).Verdict)

	var credits []int64
	var sum int64
	for _, key := range []string{"t1.credit", "store.credit", "mttr.credit"} {
		n, err := strconv.ParseInt(got[key], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		credits, sum = append(credits, n), sum+n
	}
	paid := Pool(credits, base, 120_000_000)
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
		id, r := fmt.Sprintf("v%d", i+1), f.Result(target)
		seconds(id+".counted_s", f.Counted)
		seconds(id+".down_s", f.Down)
		verdict(id+".verdict", r.Verdict)
		fee := half.Part(f.Counted, counted)
		whole(id+".credit", tiers.Due(&r, f.Outages, Customer, fee, One).Amount)
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
