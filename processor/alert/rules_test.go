package alert

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func judged(l *Limits, s Snapshot) (out []string) {
	s.At = 1_700_000_000_000
	if s.Watermark == 0 {
		s.Watermark = s.At
	}
	o, _ := Judge(l, &s)
	for _, f := range o.Facts {
		x := fmt.Sprintf("%s %s %s %v/%v", f.Severity, f.Rule, f.Scope, f.Value, f.Threshold)
		if f.Muted != "" {
			x += " muted: " + f.Muted
		}
		if why := o.Unseen(f.Key); why != "" {
			x += " unseen: " + why
		}
		out = append(out, x)
	}
	return out
}

// Every rule, at its threshold and just before it.
func TestRulesAtTheirThresholds(t *testing.T) {
	const at, hour = int64(1_700_000_000_000), int64(3_600_000)
	cell := Cell{"gold", "up", "t1", "s1"}
	const period = 1_698_796_800_000 // 2023-11-01
	line := func(a Agreement) Snapshot {
		a.Cell, a.PeriodStart, a.Target = cell, period, 0.995
		if a.Coverage == 0 {
			a.Coverage = 1
		}
		return Snapshot{Agreements: []Agreement{a}}
	}
	due := func(r Rule, by int64) Snapshot {
		return Snapshot{Deadlines: []Deadline{{Rule: r, Contract: "gold", PeriodStart: period, By: by, Credit: "12.00 EUR"}}}
	}
	store := func(x Store) Snapshot { x.ID = "s1"; return Snapshot{Stores: []Store{x}} }
	down := Till{"t1", "down", at - 1000}
	for name, c := range map[string]struct {
		s    Snapshot
		want []string
	}{
		"a till":                            {store(Store{Tills: 2, Able: 1, Bad: []Till{down}}), []string{"page terminal_outage s1/t1 1/0"}},
		"fewer than it needs":               {store(Store{Tills: 3, Able: 1, SellNeed: 2, Down: true, Since: at - 5}), []string{"page store_outage s1 1/2"}},
		"breached":                          {line(Agreement{Verdict: "breached", Actual: 0.9}), []string{"page breach gold/up/t1@s1/2023-11-01 0.9/0.995"}},
		"met":                               {line(Agreement{Verdict: "met", Actual: 1, Total: 10, Spent: 9.9}), nil},
		"at risk":                           {line(Agreement{Verdict: "at_risk", Actual: 0.996}), []string{"ticket at_risk gold/up/t1@s1/2023-11-01 0.996/0.995"}},
		"spent":                             {line(Agreement{Verdict: "met", Total: 10, Spent: 10}), []string{"page budget_exhausted gold/up/t1@s1/2023-11-01 10/10"}},
		"measured":                          {line(Agreement{Verdict: "met", Coverage: 0.9}), nil},
		"not measured":                      {line(Agreement{Verdict: "met", Coverage: 0.89}), []string{"ticket coverage_low gold/up/t1@s1/2023-11-01 0.89/0.9"}},
		"breached, however little is known": {line(Agreement{Verdict: "breached", Coverage: 0.5, Actual: 0.4}), []string{"ticket coverage_low gold/up/t1@s1/2023-11-01 0.5/0.9", "page breach gold/up/t1@s1/2023-11-01 0.4/0.995"}},
		"at risk, and little is known":      {line(Agreement{Verdict: "at_risk", Coverage: 0.5, Actual: 0.4}), []string{"ticket coverage_low gold/up/t1@s1/2023-11-01 0.5/0.9", "ticket at_risk gold/up/t1@s1/2023-11-01 0.4/0.995 unseen: too little of it was measured"}},
		"claim in a day":                    {due(ClaimDeadline, at+24*hour), []string{"ticket claim_deadline gold/2023-11-01 86400/86400"}},
		"claim later":                       {due(ClaimDeadline, at+24*hour+1), nil},
		"claim lapsed":                      {due(ClaimDeadline, at), nil},
		"revision in a day":                 {due(RevisionDue, at+24*hour), []string{"ticket revision_due gold 86400/86400"}},
		"revision overdue":                  {due(RevisionDue, at-hour), []string{"ticket revision_due gold -3600/86400"}},
		"revision later":                    {due(RevisionDue, at+24*hour+1), nil},
		"sells nothing":                     {Snapshot{Silences: []Silence{{"s1", at - hour, 20, 4}}}, []string{"page sales_silence s1 0/4"}},
		"closed for work": {
			Snapshot{Silences: []Silence{{"s1", at - hour, 20, 4}}, Maintenance: []Maintenance{{"m", "s1", nil}}},
			[]string{"page sales_silence s1 0/4 muted: maintenance m"},
		},
		"holds back":       {Snapshot{Backlogs: []Held{{"s1", "t1", 3, at - hour}}}, []string{"ticket backlog s1/t1 3600/3600"}},
		"holds back a bit": {Snapshot{Backlogs: []Held{{"s1", "t1", 3, at - hour + 1}}}, nil},
		"a hole":           {Snapshot{Holes: []Hole{{"t1", at - hour, 4, false}}}, []string{"ticket sequence_holes t1 4/0"}},
		"shared counters": {
			Snapshot{Holes: []Hole{{"t1", at - hour, 400, true}, {"t2", at - hour, 4, false}, {"t3", at - 2*hour, 300, true}}},
			[]string{"ticket sequence_holes t2 4/0", "ticket sequence_holes shared 2/0"},
		},
		"ten letters":    {Snapshot{Letters: []Letters{{"pos.health", "json", 10}}}, []string{"ticket dead_letters pos.health/json 10/10"}},
		"nine letters":   {Snapshot{Letters: []Letters{{"pos.health", "json", 9}}}, nil},
		"behind":         {Snapshot{Behind: 1000}, []string{"ticket pipeline_lag pipeline 1000/1000"}},
		"not far behind": {Snapshot{Behind: 999}, nil},
		"not blind":      {Snapshot{Watermark: at - 15_000}, nil},
		"blind": {
			Snapshot{Watermark: at - 15_001, Letters: []Letters{{"a", "b", 10}}},
			[]string{"ticket dead_letters a/b 10/10 unseen: the pipeline is behind", "page pipeline_blind pipeline 15.001/15"},
		},
		"no answer": {
			Snapshot{Letters: []Letters{{"a", "b", 10}}, Unanswered: map[Rule]string{DeadLetters: "ClickHouse did not say"}},
			[]string{"ticket dead_letters a/b 10/10 unseen: ClickHouse did not say"},
		},
	} {
		if d := cmp.Diff(c.want, judged(limits(), c.s)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	off := limits()
	off.Off, off.Pages = []Rule{Breach}, []Rule{BudgetExhausted, AtRisk}
	if got := judged(off, line(Agreement{Verdict: "breached", Total: 1, Spent: 1})); len(got) != 1 || got[0] != "page budget_exhausted gold/up/t1@s1/2023-11-01 1/1" {
		t.Errorf("with breach off: %q", got)
	}
}

// A till is believed to be silent only when all that Kafka held as it fell silent is folded: its report may be on its way. One that is down has said so.
func TestSilenceWaitsForWhatIsUnderWay(t *testing.T) {
	const at = int64(1_700_000_000_000)
	tills := []Till{{"t1", "silent", at - 3000}, {"t2", "down", at - 1000}, {"t3", "silent", at - 1000}}
	for _, c := range []struct {
		watermark int64
		want      []string
	}{
		{at - 3001, []string{"page terminal_outage s/t2 1/0"}},
		{at - 3000, []string{"page terminal_outage s/t1 3/0", "page terminal_outage s/t2 1/0"}},
		{at - 1000, []string{
			"page store_outage s 0/1", "page terminal_outage s/t1 3/0 muted: part of the outage of store s",
			"page terminal_outage s/t2 1/0 muted: part of the outage of store s", "page terminal_outage s/t3 1/0 muted: part of the outage of store s",
		}},
	} {
		got := judged(limits(), Snapshot{Watermark: c.watermark, Stores: []Store{{ID: "s", Tills: 3, Bad: tills}}})
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("at %d: %s", c.watermark-at, d)
		}
	}
}

// An agreement's own windows take the place of those of the configuration, tell whom they name, wait as long as they say, and stay at their rate in any period.
func TestOwnWindows(t *testing.T) {
	cell := Cell{"c", "o", "s", ""}
	own := []Pair{{Severity: Page, Rate: 10, Long: "1h", For: 5 * time.Minute, Target: "field"}, {Severity: Ticket, Rate: 2, Above: true, Long: "6h"}}
	s := NewState(Policy{}, nil)
	look := func(minutes int64, oneHour, sixHours float64) []string {
		at := 1_700_000_000_000 + minutes*60_000
		o, _ := Judge(limits(), &Snapshot{At: at, Watermark: at, Burns: []Burn{{
			Cell: cell, Target: 0.9, Period: 7 * 24 * time.Hour, Pairs: own, Rates: map[string]Rate{"5m": {10, 1}, "1h": {oneHour, 1}, "6h": {sixHours, 1}},
		}}})
		var out []string
		ts := s.Plan(o)
		s.Apply(ts)
		for _, t := range ts {
			out = append(out, fmt.Sprintf("%s %s %s %v/%v", t.Kind, t.Rule, t.Target, t.Value, t.Threshold))
		}
		return out
	}
	for i, c := range []struct{ got, want []string }{
		{look(0, 10, 2), nil}, // not yet five minutes, and just at a rate that must be passed
		{look(4, 9.9, 2), nil},
		{look(5, 10, 2), nil}, // begins again
		{look(9, 10, 2.1), nil},
		{look(10, 10, 2), []string{"firing burn_fast field 10/10"}},
		{look(11, 9, 2.1), []string{"resolved burn_fast field 10/10", "firing burn_slow  2.1/2"}},
	} {
		if d := cmp.Diff(c.want, c.got); d != "" {
			t.Errorf("step %d: %s", i, d)
		}
	}
	if usable, err := Usable([]Pair{{Severity: Page, Rate: 10.1, Long: "1h"}}, 0.9, month); len(usable) != 0 || err == nil {
		t.Errorf("a rate that cannot be is taken: %v", usable)
	}
}

// Coverage that falls freezes what is open, in both directions, and only of that scope; a breach of the next period is an alert of its own.
func TestFrozenByCoverageAndPeriods(t *testing.T) {
	s := NewState(Policy{}, nil)
	line := func(scope string, month time.Month, verdict string, coverage float64) Agreement {
		return Agreement{Cell: Cell{"c", "o", scope, ""}, Verdict: verdict, Coverage: coverage, Target: 0.99, PeriodStart: time.Date(2026, month, 1, 0, 0, 0, 0, time.UTC).UnixMilli()}
	}
	look := func(at int64, lines ...Agreement) []string {
		at += 1_800_000_000_000
		o, _ := Judge(limits(), &Snapshot{At: at, Watermark: at, Agreements: lines})
		return fired(s, o)
	}
	for i, c := range []struct{ got, want []string }{
		{look(1, line("a", 10, "at_risk", 1), line("b", 10, "at_risk", 1)), []string{"firing c/o/a/2026-10-01", "firing c/o/b/2026-10-01"}},
		{look(2, line("a", 10, "met", 0.5), line("b", 10, "at_risk", 1)), []string{"frozen c/o/a/2026-10-01", "firing c/o/a/2026-10-01"}}, // coverage_low fires
		{look(3, line("a", 10, "met", 0.5), line("b", 10, "at_risk", 1)), nil},
		{look(4, line("a", 10, "at_risk", 1)), []string{"resumed c/o/a/2026-10-01", "resolved c/o/b/2026-10-01", "resolved c/o/a/2026-10-01"}},
		{look(5, line("a", 10, "breached", 1)), []string{"resolved c/o/a/2026-10-01", "firing c/o/a/2026-10-01"}},
		{look(6, line("a", 10, "breached", 1), line("a", 11, "breached", 1)), []string{"firing c/o/a/2026-11-01"}}, // October is not closed yet
		{look(7, line("a", 11, "breached", 1)), []string{"resolved c/o/a/2026-10-01"}},
	} {
		if d := cmp.Diff(c.want, c.got); d != "" {
			t.Errorf("step %d: %s", i, d)
		}
	}
}
