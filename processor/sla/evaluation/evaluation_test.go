package evaluation

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/sla"
)

const allDay = `"from":"2026-01-01","timezone":"UTC","period":"day","service_hours":{"use":"24x7"}`

const twoTills = `{"versions":[{"timezone":"UTC","area":"north"}],"terminals":[
	{"id":"t1","lives":[{}],"versions":[{"customer":"acme","services":["till"]}]},
	{"id":"t2","lives":[{}],"versions":[{"customer":"acme","services":["till","payment"]}]}]}`

// all tells lines in order.
func all(ll [][]*Line) (out []string) {
	for _, part := range ll {
		for _, l := range part {
			out = append(out, told(l))
		}
	}
	return out
}

func TestScopesAndComposites(t *testing.T) {
	c := contractOf(t, `{`+allDay+`,"objectives":[
		{"name":"till","indicator":"uptime","per":"terminal","target":"0.9"},
		{"name":"shop","indicator":"uptime","per":"store","target":"0.9"},
		{"name":"service","indicator":"uptime","per":"service","target":"0.9"},
		{"name":"quorum","indicator":"store_quorum","per":"store","target":"0.9"},
		{"name":"minutes","indicator":"uptime","per":"terminal","target":"0.9","budgeting":"timeslices","slice":"1h"},
		{"name":"mix","indicator":"composite","of":{"till":"1","quorum":"3"},"target":"0.9","report":true},
		{"name":"both","indicator":"composite","of":{"till":"1","quorum":"1"},"method":"timeslices","target":"0.9","report":true}]}`)
	at := utc(t, "2026-03-02")
	day1 := utc(t, "2026-03-01")
	const h = int64(hour)
	s := &Store{ID: "s1", Registered: store(t, "s1", twoTills), Runs: map[string][]sla.Run{
		// t1 is down from 1:30 to 4:00, t2 from 3:00 to 6:00: nobody can sell from 3 to 4
		"t1": {run(sla.Up, day1, day1+3*h/2), run(sla.Down, day1+3*h/2, day1+4*h), run(sla.Up, day1+4*h, at)},
		"t2": {run(sla.Up, day1, day1+3*h), run(sla.Down, day1+3*h, day1+6*h), run(sla.Up, day1+6*h, at)},
	}}
	got := all(lines(t, c, "2026-03-01", at, nil, s))
	want := []string{
		"both customer acme v1: 16200 of 86400 down, 0 unknown, 0 excluded, breached, 0", // 1:30 to 6:00, in minutes
		"minutes terminal t1 v1: 10800 of 86400 down, 0 unknown, 0 excluded, breached, 0",
		"minutes terminal t2 v1: 10800 of 86400 down, 0 unknown, 0 excluded, breached, 0",
		"mix customer acme v1: 0 of 0 down, 0 unknown, 0 excluded, met, 0",
		"quorum store s1 v1: 3600 of 86400 down, 0 unknown, 0 excluded, met, 0",
		"service service payment v1: 10800 of 86400 down, 0 unknown, 0 excluded, breached, 0",
		"service service till v1: 19800 of 172800 down, 0 unknown, 0 excluded, breached, 0",
		"shop store s1 v1: 19800 of 172800 down, 0 unknown, 0 excluded, breached, 0",
		"till terminal t1 v1: 9000 of 86400 down, 0 unknown, 0 excluded, breached, 0",
		"till terminal t2 v1: 10800 of 86400 down, 0 unknown, 0 excluded, breached, 0",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	// (1 · 153,000/172,800 + 3 · 82,800/86,400) / 4
	mix := lines(t, c, "2026-03-01", at, nil, s)[0][3]
	if f := mix.Result.Actual; f.Part != 940_104_166 || f.Of != 1_000_000_000 {
		t.Errorf("the mix is %v", f)
	}
}

// A terminal is in scope while all that the scope says holds, and nobody answers for the rest of the day.
func TestScopeInTime(t *testing.T) {
	c := contractOf(t, `{`+allDay+`,"scope":{"stores":{"area":["north"]},"services":["till"]},"objectives":[{"name":"till","indicator":"uptime","per":"terminal","target":"0.9"}]}`)
	at := utc(t, "2026-03-02")
	s := &Store{ID: "s1", Registered: store(t, "s1", `{"versions":[{"timezone":"UTC","area":"north"},{"from":"2026-03-02","timezone":"UTC","area":"south"}],"terminals":[
		{"id":"t1","lives":[{"to":"2026-03-01T06:00:00Z"}],"versions":[{"customer":"acme","services":["till"]}]},
		{"id":"t2","lives":[{}],"versions":[{"customer":"other"},{"from":"2026-03-01T20:00:00Z","customer":"acme","services":["till"]}]},
		{"id":"t3","lives":[{}],"versions":[{"customer":"acme","services":["payment"]}]},
		{"id":"t4","lives":[{"from":"2026-03-02T00:00:00Z"}],"versions":[{"customer":"acme","services":["till"]}]}]}`)}
	got := all(lines(t, c, "2026-03-01", at, nil, s))
	want := []string{
		"till terminal t1 v1: 0 of 21600 down, 21600 unknown, 0 excluded, undetermined, 0",
		"till terminal t2 v1: 0 of 14400 down, 14400 unknown, 0 excluded, undetermined, 0",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, p := range c.Parts(at + 1) {
		if p[0].Period.From == at && p[0].Covers(s.Registered) {
			t.Error("the store is in the south by then")
		}
	}
}

// Two texts in a period: each judges its part, and credits are about its part of the fee.
func TestTwoVersionsInAPeriod(t *testing.T) {
	text := func(from, to, target string) string {
		return `{"from":"` + from + `"` + to + `,"timezone":"UTC","period":"week","service_hours":{"use":"24x7"},
			"objectives":[{"name":"till","indicator":"uptime","per":"terminal","target":"` + target + `"}],
			"remedies":{"base":{"amount":70000,"currency":"EUR","per":"week"},"credits":[{"objective":"till","per":"scope_fee","tiers":[{"below":"` + target + `","credit":"0.5"}]}]}}`
	}
	c := contractOf(t, text("2026-03-04", "", "0.9"), text("2026-03-07", "", "0.99"))
	monday, at := utc(t, "2026-03-02"), utc(t, "2026-03-09")
	s := &Store{ID: "s1", Registered: store(t, "s1", twoTills), Runs: map[string][]sla.Run{
		"t1": {run(sla.Down, monday, monday+day), run(sla.Up, monday+day, monday+5*day+hour), run(sla.Down, monday+5*day+hour, monday+5*day+4*hour), run(sla.Up, monday+5*day+4*hour, at)},
		"t2": {run(sla.Up, monday, at)},
	}}
	got := all(lines(t, c, "2026-03-02", at, nil, s))
	// The first version began on Wednesday: 3 days of 7. The second has 2 of 7: half of 350.00 · 2/7.
	want := []string{
		"till terminal t1 v1: 0 of 259200 down, 0 unknown, 0 excluded, met, 0", "till terminal t2 v1: 0 of 259200 down, 0 unknown, 0 excluded, met, 0",
		"till terminal t1 v2: 10800 of 172800 down, 0 unknown, 0 excluded, breached, 5000", "till terminal t2 v2: 0 of 172800 down, 0 unknown, 0 excluded, met, 0",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

const costly = `{` + allDay + `,"measurement":{"late_data":{"accept":"1h","close_after":"2h","restate":{"until":"3d"}}},
	"exclusions":[{"party":"third_party","except":["telco-x"],"effect":"remove"},{"kind":"force_majeure","effect":"remove","approval":"both"}],
	"objectives":[{"name":"till","indicator":"uptime","per":"terminal","target":"0.99"}],
	"remedies":{"base":{"amount":1000,"currency":"EUR","per":"day","each":"terminal"},"at_risk":"0.4","credits":[{"objective":"till","per":"scope_fee","tiers":[{"below":"0.99","credit":"0.5"}]}],
		"repeat":{"times":2,"within":"5d","multiply":"2"},"earn_back":{"months":1,"at_least":"0.99","share":"0.5"},"claim":{"minimum":100}}}`

// Whose an outage is decides whether it counts; and the credits of a day are multiplied by those before, and brought under what is at risk.
func TestPartiesAndMoney(t *testing.T) {
	c := contractOf(t, costly)
	from, at := utc(t, "2026-03-01"), utc(t, "2026-03-02")
	down := func(h int64) sla.Run { return run(sla.Down, from+h*hour, from+(h+1)*hour) }
	s := &Store{ID: "s1", Registered: store(t, "s1", twoTills), Runs: map[string][]sla.Run{
		"t1": {run(sla.Up, from, at), down(3), down(6), down(9), down(12)}, "t2": {run(sla.Up, from, at)},
	}}
	for _, o := range []Outage{
		{Span: down(3).Span, Party: "third_party", Supplier: "bank"},
		{Span: down(6).Span, Party: "third_party", Supplier: "telco-x"},
		{Span: down(9).Span, Party: "provider"},
		{Span: down(12).Span, Party: "force_majeure", DecidedBy: "ann"},
	} {
		o.Ref, o.Terminal = fmt.Sprint(o.From), "t1"
		s.Outages = append(s.Outages, o)
	}
	got := lines(t, c, "2026-03-01", at, nil, s)
	// The bank's is removed: 3 of 23 hours. Half of 10.00, which is less than 0.4 of 20.00.
	want := []string{"till terminal t1 v1: 10800 of 82800 down, 0 unknown, 3600 excluded, breached, 500", "till terminal t2 v1: 0 of 86400 down, 0 unknown, 0 excluded, met, 0"}
	if d := cmp.Diff(want, all(got)); d != "" {
		t.Error(d)
	}
	reasons := map[string]int64{}
	for _, e := range got[0][0].Evidence {
		reasons[fmt.Sprint(e.Kind, " ", e.Party, " ", e.Decision, " ", e.Note)] += e.CountedMS / 1000
	}
	wantReasons := map[string]int64{
		"outage third_party counted ": 3600, "outage provider counted ": 3600, "outage force_majeure counted ": 3600, "exclusion third_party removed ": 3600,
		"exclusion force_majeure not_removed not approved by the provider and the customer": 3600,
	}
	if d := cmp.Diff(wantReasons, reasons); d != "" {
		t.Error(d)
	}
	breach := func(days ...int64) History {
		return func(_ string, s Scope) (out []Past) {
			for _, d := range days {
				if s.Name == "t1" {
					out = append(out, Past{Period: interval.Span{From: from - d*day, To: from - d*day + day}, Verdict: sla.Breached, Credit: 300, Final: true})
				}
			}
			return out
		}
	}
	for _, x := range []struct {
		name    string
		history History
		credit  int64
	}{
		{"a second breach in five days costs twice, and not more than is at risk", breach(3), 800},
		{"one of a week ago does not count", breach(7), 500},
	} {
		if l := lines(t, c, "2026-03-01", at, x.history, s)[0][0]; l.Credit != x.credit {
			t.Errorf("%s: %d", x.name, l.Credit)
		}
	}
}

// brute measures a till minute by minute.
type brute struct{ down, unknown, counted, excluded int64 }

// Small worlds, measured minute by minute: hours, lives, exclusions, silence and store quorum against an independent model in minutes.
func TestSmallWorlds(t *testing.T) {
	const open, closed = 8 * 60, 20 * 60
	c := contractOf(t, `{"from":"2026-01-01","timezone":"UTC","period":"day","measurement":{"silence":{"first":"unknown","after":"10m","then":"down"}},
		"exclusions":[{"kind":"planned_maintenance","effect":"remove","notice":"2h"}],
		"objectives":[{"name":"q","indicator":"store_quorum","per":"store","target":"0.9"},{"name":"till","indicator":"uptime","per":"terminal","target":"0.9"}]}`)
	s := store(t, "s1", `{"versions":[{"timezone":"UTC","sell_quorum":2,"calendar":{"week":{"sun":["08:00-20:00"]}}}],"terminals":[
		{"id":"t1","lives":[{}],"versions":[{"customer":"acme"}]},{"id":"t2","lives":[{"from":"2026-03-01T10:00:00Z"}],"versions":[{"customer":"acme"}]},{"id":"t3","lives":[{}],"versions":[{"customer":"acme"}]}]}`)
	from := utc(t, "2026-03-01") // a Sunday
	lives := map[string]int64{"t1": 0, "t2": 600, "t3": 0}
	rapid.Check(t, func(r *rapid.T) {
		statuses := map[string][]sla.Status{}
		world := &Store{ID: "s1", Registered: s, Runs: map[string][]sla.Run{}}
		for _, id := range []string{"t1", "t2", "t3"} {
			day := make([]sla.Status, 1440)
			for at := 0; at < 1440; {
				n := rapid.IntRange(1, 400).Draw(r, "n")
				st := rapid.SampledFrom([]sla.Status{sla.Up, sla.Up, sla.Degraded, sla.Down, sla.Silent, sla.Unknown, sla.Maintenance}).Draw(r, "status")
				end := min(at+n, 1440)
				world.Runs[id] = append(world.Runs[id], run(st, from+int64(at)*minute, from+int64(end)*minute))
				for ; at < end; at++ {
					day[at] = st
				}
			}
			statuses[id] = day
		}
		begin := int64(rapid.IntRange(0, 1400).Draw(r, "work"))
		end := begin + int64(rapid.IntRange(1, 300).Draw(r, "long"))
		notice := int64(rapid.IntRange(0, 240).Draw(r, "notice"))
		world.Works = []Work{{Ref: "m", Terminals: []string{"t1"}, Spans: interval.Set{{From: from + begin*minute, To: from + end*minute}}, NoticeAt: from + (begin-notice)*minute}}
		until := int64(rapid.IntRange(1, 1440).Draw(r, "until"))

		want := map[string]brute{}
		seen := map[string][]byte{} // u, d or ?
		for id, day := range statuses {
			var b brute
			states := make([]byte, 1440)
			quiet := int64(0) // minutes of service in this silence
			for m := range int64(1440) {
				service := m >= open && m < closed && m >= lives[id]
				states[m] = '?'
				switch day[m] {
				case sla.Up, sla.Degraded:
					states[m] = 'u'
				case sla.Down, sla.Maintenance:
					states[m] = 'd'
				}
				if day[m] != sla.Silent || m >= until {
					quiet = 0
				} else {
					if quiet >= 10 {
						states[m] = 'd'
					}
					if service {
						quiet++
					}
				}
				if !service || m >= until {
					continue
				}
				if id == "t1" && notice >= 120 && m >= begin && m < end {
					b.excluded += 60
					continue
				}
				b.counted += 60
				switch states[m] {
				case 'd':
					b.down += 60
				case '?':
					b.unknown += 60
				}
			}
			seen[id], want[id] = states, b
		}
		var q brute
		for m := int64(open); m < min(closed, until); m++ {
			able, unknown := 0, 0
			for id := range seen {
				switch {
				case m < lives[id]:
				case seen[id][m] == 'u':
					able++
				case seen[id][m] == '?':
					unknown++
				}
			}
			q.counted += 60
			switch {
			case able >= 2:
			case able+unknown < 2:
				q.down += 60
			default:
				q.unknown += 60
			}
		}
		want["s1"] = q
		for id := range world.Runs { // as of an instant nobody knows more
			world.Runs[id] = slices.Clone(world.Runs[id])
			for i := range world.Runs[id] {
				x := &world.Runs[id][i]
				x.To = min(x.To, from+until*minute)
			}
		}
		at := from + until*minute
		for _, part := range c.Parts(at) {
			p := part[0]
			if p.Period.From != from {
				continue
			}
			ll, _ := p.Lines([]*Measured{p.Measure(world, at)}, at)
			for _, l := range ll {
				got := brute{l.Figures.Down / 1000, l.Figures.Unknown / 1000, l.Figures.Counted / 1000, l.Figures.Excluded / 1000}
				if got != want[l.Scope.Name] {
					r.Fatalf("%s until %d: %+v, minute by minute %+v", l.Scope.Name, until, got, want[l.Scope.Name])
				}
			}
			if len(ll) != 4 && until > 600 {
				r.Fatalf("%d lines", len(ll))
			}
		}
	})
}

// Half of July's credit is given back by October, the third good month in a row, once that is final.
func TestEarnBack(t *testing.T) {
	c := contractOf(t, `{"from":"2026-01-01","timezone":"Europe/Paris","period":"month","service_hours":{"use":"24x7"},
		"measurement":{"late_data":{"accept":"7d","close_after":"10d"}},
		"objectives":[{"name":"till","indicator":"uptime","per":"store","target":"0.99"}],
		"remedies":{"base":{"amount":1000,"currency":"EUR","per":"year"},"credits":[{"objective":"till","tiers":[{"below":"0.99","credit":"0.5"}]}],
			"earn_back":{"months":3,"at_least":"0.998","share":"0.5"}}}`)
	begins := map[string]int64{}
	for _, parts := range c.Parts(utc(t, "2026-11-20")) {
		begins[parts[0].Label(parts[0].Period.From).String()[:7]] = parts[0].Period.From
	}
	month := func(m, next string, part int64, credit int64, final bool) Past {
		return Past{Period: interval.Span{From: begins[m], To: begins[next]}, Actual: sla.Ratio{Part: part, Of: 1000}, Credit: credit, Final: final}
	}
	s := &Store{ID: "s1", Registered: store(t, "s1", twoTills), Runs: map[string][]sla.Run{"t1": {run(sla.Up, begins["2026-06"], begins["2026-11"])}, "t2": {run(sla.Up, begins["2026-06"], begins["2026-11"])}}}
	for _, x := range []struct {
		name string
		at   string
		past []Past
		back int64
	}{
		{"three good months", "2026-11-12", []Past{month("2026-07", "2026-08", 900, 51, true), month("2026-08", "2026-09", 998, 0, true), month("2026-09", "2026-10", 999, 0, true)}, 25},
		{"October is not final", "2026-11-05", []Past{month("2026-07", "2026-08", 900, 51, true), month("2026-08", "2026-09", 998, 0, true), month("2026-09", "2026-10", 999, 0, true)}, 0},
		{"a month was not good", "2026-11-12", []Past{month("2026-07", "2026-08", 900, 51, true), month("2026-08", "2026-09", 997, 0, true), month("2026-09", "2026-10", 999, 0, true)}, 0},
		{"a month is missing", "2026-11-12", []Past{month("2026-07", "2026-08", 900, 51, true), month("2026-09", "2026-10", 999, 0, true)}, 0},
		{"a month is not final", "2026-11-12", []Past{month("2026-07", "2026-08", 900, 51, true), month("2026-08", "2026-09", 998, 0, false), month("2026-09", "2026-10", 999, 0, true)}, 0},
		{"of another month", "2026-11-12", []Past{month("2026-06", "2026-07", 900, 51, true), month("2026-08", "2026-09", 998, 0, true), month("2026-09", "2026-10", 999, 0, true)}, 0},
	} {
		for _, parts := range c.Parts(utc(t, x.at)) {
			if parts[0].Period.From != begins["2026-10"] {
				continue
			}
			at := utc(t, x.at)
			l, total := parts[0].Lines([]*Measured{parts[0].Measure(s, at)}, at)
			Settle([]Settlement{{parts[0], l, total}}, func(string, Scope) []Past { return x.past }, at)
			if l[0].EarnedBack != x.back {
				t.Errorf("%s: %d", x.name, l[0].EarnedBack)
			}
		}
	}
}

// What stands between the acceptance of late evidence and the close becomes final as it was published, whatever came since; after that it is restated, with what changed.
func TestPublication(t *testing.T) {
	c := contractOf(t, costly)
	from := utc(t, "2026-03-01")
	over := from + day
	world := func(down int64) *Store {
		return &Store{ID: "s1", Registered: store(t, "s1", twoTills), Runs: map[string][]sla.Run{
			"t1": {run(sla.Down, from, from+down*minute), run(sla.Up, from+down*minute, over+3*hour)}, "t2": {run(sla.Up, from, over+3*hour)},
		}}
	}
	var was *Published
	for _, x := range []struct {
		at, down int64
		want     string // "" is nothing
	}{
		{over + 10*minute, 20, "0 provisional 1200 "},
		{over + 20*minute, 20, ""},
		{over + 30*minute, 21, "0 provisional 1260 "},
		{over + hour, 22, "0 provisional 1320 "}, // the first look after acceptance stands
		{over + hour + minute, 30, ""},
		{over + 2*hour, 30, "1 final 1320 "},
		{over + 2*hour + minute, 30, "2 restated 1800 evidence came late or was corrected"},
		{over + 2*hour + 2*minute, 30, ""},
		{over + 4*day, 50, ""}, // too late
	} {
		l := lines(t, c, "2026-03-01", x.at, nil, world(x.down))[0][0]
		s, ok := l.Publish(was, x.at)
		got := ""
		if ok {
			got = fmt.Sprintf("%d %s %d %s", s.Revision, s.Stage, s.Figures.Down/1000, s.Reason)
			was = s.Published()
		}
		if got != x.want {
			t.Errorf("%d min after the end: %q, not %q", (x.at-over)/minute, got, x.want)
		}
		if want := x.at == over+2*hour; s.Stands != want {
			t.Errorf("stands: %v", s.Stands)
		}
	}
}
