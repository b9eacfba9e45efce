package evaluation

import (
	"fmt"
	"testing"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/sla"
)

// A period of two versions is one: its breach is one of those that multiply, as it is one of those that ground a right.
func TestRepeatCountsPeriods(t *testing.T) {
	c := contractOf(t, `{`+allDay+`,"objectives":[{"name":"till","indicator":"uptime","per":"terminal","target":"0.99"}],
		"remedies":{"base":{"amount":1000,"currency":"EUR","per":"day","each":"terminal"},"credits":[{"objective":"till","per":"scope_fee","tiers":[{"below":"0.99","credit":"0.1"}]}],
			"repeat":{"times":3,"within":"5d","multiply":"2"}}}`)
	from, at := utc(t, "2026-03-01"), utc(t, "2026-03-02")
	s := &Store{ID: "s1", Registered: store(t, "s1", twoTills), Runs: map[string][]sla.Run{"t1": {run(sla.Down, from, at)}, "t2": {run(sla.Up, from, at)}}}
	yesterday := Past{Period: interval.Span{From: from - day, To: from}, Verdict: sla.Breached}
	morning, evening := yesterday, yesterday
	morning.Part, evening.Part = from-day, from-day/2
	before := yesterday
	before.Period = interval.Span{From: from - 2*day, To: from - day}
	for _, x := range []struct {
		past   []Past
		credit int64
	}{{[]Past{morning, evening}, 100}, {[]Past{before, morning, evening}, 200}} {
		if l := lines(t, c, "2026-03-01", at, func(string, Scope) []Past { return x.past }, s)[0][0]; l.Credit != x.credit {
			t.Errorf("after %d parts in breach: %d, not %d", len(x.past), l.Credit, x.credit)
		}
	}
}

// Two texts in the last of the good periods: what is earned back is so once, and each part must have been good.
func TestEarnBackOfTwoVersions(t *testing.T) {
	text := func(from string) string {
		return `{"from":"` + from + `","timezone":"UTC","period":"month","service_hours":{"use":"24x7"},"measurement":{"late_data":{"close_after":"1d"}},
			"objectives":[{"name":"till","indicator":"uptime","per":"store","target":"0.9"}],
			"remedies":{"base":{"amount":1000,"currency":"EUR","per":"month"},"credits":[{"objective":"till","tiers":[{"below":"0.9","credit":"0.5"}]}],
				"earn_back":{"months":1,"at_least":"0.99","share":"0.5"}}}`
	}
	c := contractOf(t, text("2026-01-01"), text("2026-03-16"))
	from, over, at := utc(t, "2026-03-01"), utc(t, "2026-04-01"), utc(t, "2026-04-03")
	february := []Past{{Period: interval.Span{From: utc(t, "2026-02-01"), To: from}, Verdict: sla.Breached, Actual: sla.Ratio{Part: 8, Of: 10}, Credit: 500, Final: true}}
	for _, x := range []struct{ down, back int64 }{{0, 250}, {day, 0}} { // on the 2nd, or not at all
		up := []sla.Run{run(sla.Up, from, from+day), run(sla.Down, from+day, from+day+x.down), run(sla.Up, from+day+x.down, over)}
		s := &Store{ID: "s1", Registered: store(t, "s1", twoTills), Runs: map[string][]sla.Run{"t1": up, "t2": up}}
		var back int64
		for _, part := range lines(t, c, "2026-03-01", at, func(string, Scope) []Past { return february }, s) {
			for _, l := range part {
				back += l.EarnedBack
			}
		}
		if back != x.back {
			t.Errorf("down for %d h: %d of 500 are given back, not %d", x.down/hour, back, x.back)
		}
	}
}

// How long something took is told whole, however long before the period it began. By hand: the store is open from 8 to 20.
func TestLongDurations(t *testing.T) {
	c := contractOf(t, `{"from":"2026-01-01","timezone":"UTC","period":"day","objectives":[
		{"name":"repair","indicator":"time_to_repair","per":"terminal","statistic":"mean","op":"lte","value":"6h"},
		{"name":"resolve","indicator":"time_to_resolve","per":"store","statistic":"mean","op":"lte","value":"400h","clock":"service_hours"}]}`)
	registered := store(t, "s1", `{"versions":[{"timezone":"UTC","calendar":{"week":{"mon":["08:00-20:00"],"tue":["08:00-20:00"],"wed":["08:00-20:00"],"thu":["08:00-20:00"],"fri":["08:00-20:00"],"sat":["08:00-20:00"],"sun":["08:00-20:00"]}}}],
		"terminals":[{"id":"t1","lives":[{}],"versions":[{"customer":"acme"}]}]}`)
	from, at := utc(t, "2026-03-01"), utc(t, "2026-03-02")
	for _, x := range []struct {
		name              string
		began, ended      int64
		repaired, resolve string
	}{
		{"this day", from + 9*hour, from + 11*hour, "1: 2 h met", "1: 2 h met"},
		{"since yesterday at 15", from - 9*hour, from + 10*hour, "1: 7 h breached", "1: 7 h met"},
		{"before the store opened", from - 9*hour, from + 7*hour, "1: 5 h met", "1: 5 h met"},
		{"for 40 days", from - 40*day, from + 10*hour, "1: 482 h breached", "1: 482 h breached"},
		{"at night", from + 1*hour, from + 7*hour, "0: 0 h not_applicable", "1: 0 h met"},
	} {
		s := &Store{
			ID: "s1", Registered: registered,
			Runs:      map[string][]sla.Run{"t1": {run(sla.Up, x.began-day, x.began), run(sla.Down, x.began, x.ended), run(sla.Up, x.ended, at)}},
			Incidents: []Incident{{Ref: "i", Started: x.began, Detected: x.began, Opened: x.began, Resolved: x.ended}},
		}
		got := map[string]string{}
		for _, l := range lines(t, c, "2026-03-01", at, nil, s)[0] {
			f := l.Result.Actual
			got[l.Objective.Name] = fmt.Sprintf("%d: %d h %s", l.Events, f.Part/max(f.Of, 1)/int64(hour), l.Result.Verdict)
		}
		if got["repair"] != x.repaired || got["resolve"] != x.resolve {
			t.Errorf("%s: %v, not %s and %s", x.name, got, x.repaired, x.resolve)
		}
	}
}

// What is good is a share of at least so much: a long repair is no good period.
func TestEarnBackOfShares(t *testing.T) {
	c := contractOf(t, `{`+allDay+`,"measurement":{"late_data":{"close_after":"1d"}},"objectives":[{"name":"repair","indicator":"time_to_repair","per":"store","statistic":"mean","op":"lte","value":"1h"}],
		"remedies":{"base":{"amount":1000,"currency":"EUR","per":"day"},"credits":[{"objective":"repair","per_unit":{"credit":"0.1","every":"1h"}}],
			"earn_back":{"months":1,"at_least":"0.99","share":"0.5"}}}`)
	from, at := utc(t, "2026-03-31"), utc(t, "2026-04-03")
	var past []Past
	for x := utc(t, "2026-02-01"); x < from; x += day {
		past = append(past, Past{Period: interval.Span{From: x, To: x + day}, Verdict: sla.Breached, Actual: sla.Ratio{Part: 2 * hour, Of: 1}, Credit: 100, Final: true})
	}
	s := &Store{ID: "s1", Registered: store(t, "s1", twoTills), Runs: map[string][]sla.Run{"t1": {run(sla.Up, from-day, from), run(sla.Down, from, from+2*hour), run(sla.Up, from+2*hour, at)}}}
	l := lines(t, c, "2026-03-31", at, func(string, Scope) []Past { return past }, s)[0][0]
	if l.Result.Verdict != sla.Breached || l.EarnedBack != 0 {
		t.Errorf("%s after a month of repairs of two hours: %d is given back", l.Result.Verdict, l.EarnedBack)
	}
}
