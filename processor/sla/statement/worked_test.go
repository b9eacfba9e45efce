package statement

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla"
	"github.com/tillstream/tillstream/processor/sla/agreement"
)

const (
	minute = int64(60_000)
	hour   = 60 * minute
)

// must is a value that cannot fail to be made.
func must[T any](x T, err error) T {
	if err != nil {
		panic(err)
	}
	return x
}

var paris = must(time.LoadLocation("Europe/Paris"))

// at is an instant of March 2026 by the clocks of Paris: 10T09:30, or 10T09:30:20.
func at(s string) int64 {
	layout := "2006-01-02T15:04:05"
	return must(time.ParseInLocation(layout[:len("2026-03-")+len(s)], "2026-03-"+s, paris)).UnixMilli()
}

func between(from, to string) interval.Span { return interval.Span{From: at(from), To: at(to)} }

// terms reads them as they are in a resolved text.
func terms(t testing.TB, version int, from, written string) agreement.Stretch {
	t.Helper()
	first := must(registry.ParseDate(from))
	signed := must(registry.ParseDate("2025-12-12"))
	r := &agreement.Resolved{Agreement: "acme-gold", Type: "sla", Level: "customer", Version: version, From: first}
	r.Signed = agreement.Signature{On: &signed, By: []string{"a.dupont", "m.martin"}, Document: "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}
	if err := json.Unmarshal([]byte(written), &r.Terms); err != nil {
		t.Fatal(err)
	}
	return agreement.Stretch{Resolved: r, First: first, Span: interval.Span{From: registry.Begins(paris, first), To: interval.Max}}
}

const acme = `{
	"parties": {"provider": "tills-sa", "customer": "acme", "suppliers": ["telco-x"]}, "scope": {"customer": "acme"},
	"timezone": "Europe/Paris", "period": "month", "service_hours": {"use": "store_calendar"},
	"measurement": {"min_outage": "1m", "merge_gap": "30s", "min_coverage": "0.9", "low_evidence": "customer", "late_data": {"accept": "7d", "close_after": "10d"}},
	"exclusions": [{"kind": "planned_maintenance", "effect": "remove", "notice": "72h", "cap": "4h/month"}],
	"objectives": [
		{"name": "error-rate", "indicator": "payment_failures", "per": "service", "op": "lte", "value": "0.005"},
		{"name": "mean-response", "indicator": "authorisation_ms", "per": "service", "statistic": "mean", "op": "lte", "value": "1500"},
		{"name": "mttr", "indicator": "time_to_resolve", "per": "customer", "statistic": "mean", "op": "lte", "value": "4h"},
		{"name": "p95-response", "indicator": "authorisation_ms", "per": "service", "statistic": "share_below", "value": "2500", "target": "0.95", "weight": "key"},
		{"name": "store-can-sell", "indicator": "store_quorum", "per": "store", "target": "0.9995"},
		{"name": "terminal-availability", "indicator": "uptime", "per": "terminal", "target": "0.995", "description": "Every till, in the opening hours of its store"}
	],
	"remedies": {
		"base": {"amount": 180000, "currency": "EUR", "per": "month"}, "at_risk": "0.12",
		"credits": [
			{"objective": "mttr", "per_unit": {"every": "1h", "over": "4h", "credit": "0.01"}},
			{"objective": "store-can-sell", "fixed": 15000, "each": "outage"},
			{"objective": "terminal-availability", "per": "scope_fee", "tiers": [{"below": "0.995", "credit": "0.10"}, {"below": "0.99", "credit": "0.25"}]}
		]
	}
}`

// worked is the worked agreement of docs/agreements-measuring.md, measured by package sla.
func worked(t testing.TB) *Input {
	t.Helper()
	stretch := func(s sla.Status, from, to string) sla.Run { return sla.Run{Span: between(from, to), Status: s} }
	up := func(from, to string) sla.Run { return stretch(sla.Up, from, to) }
	period := interval.Span{From: at("01T00:00"), To: registry.Begins(paris, must(registry.ParseDate("2026-04-01")))}
	var day []registry.Window
	if err := json.Unmarshal([]byte(`["09:00-20:00"]`), &day); err != nil {
		t.Fatal(err)
	}
	doc := registry.Document{Versions: []registry.Version{{Timezone: "Europe/Paris", Calendar: &registry.Calendar{Week: registry.Week{Mon: day, Tue: day, Wed: day, Thu: day, Fri: day, Sat: day}}}}}
	store, flaw := doc.Build("s", 1)
	if flaw != nil {
		t.Fatalf("%+v", flaw)
	}
	service := store.Service(interval.Span{From: period.From - 7*dayMS, To: period.To + dayMS})
	always := interval.Span{From: interval.Min, To: interval.Max}
	rules := sla.Rules{MergeGap: 30_000, MinOutage: minute, Silence: sla.Silence{First: sla.AsUnknown, After: 10 * minute, Then: sla.AsDown, Alone: true}}
	histories := []sla.History{{Runs: []sla.Run{
		up("01T00:00", "10T10:00"),
		stretch(sla.Down, "10T10:00", "10T10:30"), up("10T10:30:00", "10T10:30:20"), stretch(sla.Down, "10T10:30:20", "10T11:00:00"),
		up("10T11:00", "11T12:00"), stretch(sla.Down, "11T12:00:00", "11T12:00:50"), up("11T12:00:50", "12T14:00:00"),
		stretch(sla.Silent, "12T14:00", "12T14:40"), up("12T14:40", "17T19:10"), stretch(sla.Down, "17T19:10", "18T09:50"), up("18T09:50", "20T15:00"),
		stretch(sla.Silent, "20T15:00", "20T16:00"), up("20T16:00", "24T09:00"), stretch(sla.Maintenance, "24T09:00", "24T12:00"), up("24T12:00", "26T10:00"),
		stretch(sla.Down, "26T10:00", "26T10:15"), up("26T10:15", "31T23:59"),
	}}, {Runs: []sla.Run{
		up("01T00:00", "20T15:00"), stretch(sla.Silent, "20T15:00", "20T16:00"), up("20T16:00", "26T10:00"), stretch(sla.Down, "26T10:00", "26T10:15"), up("26T10:15", "31T23:59"),
	}}}
	tills := func() (out []sla.Till) {
		for i := range histories {
			out = append(out, rules.Till(&histories[i], interval.All(), service))
		}
		return out
	}
	silent := sla.StoreSilent(tills())
	for i := range histories {
		histories[i].StoreSilent = silent
	}
	rule := sla.Exclusion{
		Text: "exclusions[planned_maintenance]", Kind: "planned_maintenance", Notice: func(begins int64) int64 { return begins - 72*hour }, Cap: 4 * hour,
		Per: sla.Calendar{Unit: sla.Month, Zone: paris},
	}
	claim := func(ref, noticed string, x interval.Span) sla.Claim {
		return sla.Claim{Ref: ref, Kind: "planned_maintenance", NoticeAt: at(noticed), Spans: interval.Of(x), DecidedBy: "m.martin", DecidedAt: at(noticed) + hour}
	}
	excused, excluded := sla.Exclude([]sla.Exclusion{rule}, []sla.Claim{
		claim("CHG-4711", "12T19:00", between("17T19:00", "18T10:00")), claim("CHG-4720", "20T09:00", between("24T09:00", "24T12:00")),
	}, service, period)

	in := &Input{
		Texts: []agreement.Stretch{terms(t, 1, "2026-01-01", acme)}, Title: "ACME, caisses or", Names: map[string]string{"tills-sa": "Tills SA", "acme": "ACME"},
		Period: period, Revision: 1, Stage: sla.Final, At: period.To + 10*24*hour, Link: Link{Number: 3, Previous: Hash([]byte("the statement of February"))},
		Service: func(string) interval.Set { return service },
	}
	explain := func(objective, scope string, all []sla.Evidence) {
		for _, e := range all {
			if e.Ref == "" && e.Kind == "outage" {
				e.Ref = scope[strings.IndexByte(scope, '/')+1:] + "/" + time.UnixMilli(e.From).UTC().Format("2006-01-02T15:04:05.000Z")
				e.Party, e.Rule = "provider", "one_till"
			}
			in.Evidence = append(in.Evidence, Piece{Of{period.From, 1, objective, scope}, e})
		}
	}
	add := func(objective, scope string, r sla.Result, f *sla.Figures, due, paid int64) {
		in.Verdicts = append(in.Verdicts, Verdict{Of: Of{period.From, 1, objective, scope}, Result: r, Figures: f, Due: due, Paid: paid})
	}
	for i := range histories {
		ex, due, paid := excused, int64(18_000), int64(11_172)
		if i > 0 {
			ex, due, paid = sla.Excused{}, 0, 0
		}
		scope := []string{"0042/t1", "0042/t2"}[i]
		tm := sla.NewTime(period, always, interval.All(), service, ex, period.To)
		s := rules.Read(&histories[i], tm.Service)
		f := sla.Measure(tm, &s)
		add("terminal-availability", scope, f.Result(995_000_000), &f, due, paid)
		explain("terminal-availability", scope, sla.Explain(tm, &s))
		if i == 0 {
			explain("terminal-availability", scope, excluded)
		}
	}
	s := rules.Store(tills(), []registry.Quorum{{Span: always, Tills: 1}})
	tm := sla.NewTime(period, always, interval.All(), service, sla.Excused{}, period.To)
	f := sla.Measure(tm, &s)
	add("store-can-sell", "0042", f.Result(999_500_000), &f, 15_000, 9_310)
	explain("store-can-sell", "0042", sla.Explain(tm, &s))

	d := sla.NewDurations([]sla.Case{
		{Ref: "INC-1", From: at("10T09:30"), To: at("10T12:00"), Resolved: at("10T12:00"), Party: "provider"},
		{Ref: "INC-2", From: at("17T18:00"), To: at("18T15:00"), Resolved: at("18T15:00"), Pauses: interval.Of(between("18T09:00", "18T11:00")), Party: "provider"},
		{Ref: "INC-3", From: at("31T16:00"), Party: "third_party"},
	}, service, period, period.To)
	repaired, evidence := d.Result(sla.Mean, sla.Lte, sla.Ratio{Part: 4 * hour, Of: 1}, 0)
	add("mttr", "acme", repaired, nil, 1_800, 1_118)
	explain("mttr", "acme", evidence)
	failures := sla.Counts{Bad: 70, All: 12_000, RawBad: 70, RawAll: 12_000}
	add("error-rate", "payment", failures.Rate(sla.Lte, sla.Ratio{Part: 5, Of: 1000}, 100, false), nil, 0, 0)
	answers := sla.Sums{Sum: 18_060_000, N: 12_040, RawSum: 18_060_000, RawN: 12_040}
	add("mean-response", "payment", answers.Mean(sla.Lte, sla.Ratio{Part: 1500, Of: 1}, 100, false), nil, 0, 0)
	slow := sla.Counts{Bad: 598, All: 12_000, RawBad: 598, RawAll: 12_000, Missing: 5}
	add("p95-response", "payment", slow.Share(950_000_000, 100, false), nil, 0, 0)
	base, limit := int64(180_000), int64(21_600)
	in.Money = &Totals{Currency: "EUR", Base: &base, Limit: &limit, Claim: sla.Payable}
	return in
}

func document(t testing.TB, in *Input) *Document {
	t.Helper()
	d, err := New(in, DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
