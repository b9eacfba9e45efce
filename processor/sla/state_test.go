package sla

import (
	"slices"
	"testing"

	"github.com/tillstream/tillstream/processor/availability"
	"github.com/tillstream/tillstream/processor/interval"
)

func mins(from, to int64) interval.Span {
	return interval.Span{From: from * minute, To: to * minute}
}

func run(s Status, from, to int64) Run { return Run{Span: mins(from, to), Status: s} }

// Figures of a day, in minutes of a till that is promised from 540 to 1200 (09:00 to 20:00), and one more day.
func TestRules(t *testing.T) {
	hours := interval.Of(mins(540, 1200), mins(1440+540, 1440+1200))
	rules := func(gap, least int64) Rules { return Rules{MergeGap: gap * minute, MinOutage: least * minute} }
	silence := func(first Reading, after int64, then Reading, alone bool) Rules {
		return Rules{Silence: Silence{First: first, After: after * minute, Then: then, Alone: alone}}
	}
	for name, c := range map[string]struct {
		rules                         Rules
		runs                          []Run
		sold, storeSilent             interval.Set
		excluded, forgiven, life      interval.Set
		unknown, down, doubt, outages int64
	}{
		"first report ever: unknown before it":                 {runs: []Run{run(Up, 600, 3000)}, unknown: 60},
		"reported down beats a sale, a sale beats reported up": {runs: []Run{run(Down, 600, 610), run(Up, 540, 3000)}, sold: interval.Of(mins(605, 615)), down: 10, outages: 1},
		"maintenance that nobody approved is down":             {runs: []Run{run(Up, 0, 600), run(Maintenance, 600, 630), run(Up, 630, 3000)}, down: 30, outages: 1},
		"degraded is up": {runs: []Run{run(Degraded, 0, 3000)}},
		"degraded is down if the agreement says so":                {rules: Rules{DegradedDown: true}, runs: []Run{run(Up, 0, 600), run(Degraded, 600, 610), run(Up, 610, 3000)}, down: 10, outages: 1},
		"up without what it needs is down":                         {rules: Rules{Needs: Sell}, runs: []Run{{Span: mins(0, 550), Status: Up, Lost: Sell | Card}, run(Up, 550, 3000)}, down: 10, outages: 1},
		"it does not need that":                                    {rules: Rules{Needs: Sell}, runs: []Run{{Span: mins(0, 3000), Status: Up, Lost: Card}}},
		"flapping: less than the gap apart is one":                 {rules: rules(2, 0), runs: []Run{run(Up, 0, 3000), run(Down, 600, 601), {Span: interval.Span{From: 603*minute - 1, To: 605 * minute}, Status: Down}}, down: 5, outages: 1},
		"the gap apart is two":                                     {rules: rules(2, 0), runs: []Run{run(Up, 0, 3000), run(Down, 600, 601), run(Down, 603, 605)}, down: 3, outages: 2},
		"as long as the minimum counts":                            {rules: rules(0, 5), runs: []Run{run(Up, 0, 3000), run(Down, 600, 605)}, down: 5, outages: 1},
		"shorter does not":                                         {rules: rules(0, 5), runs: []Run{run(Up, 0, 3000), {Span: interval.Span{From: 600 * minute, To: 605*minute - 1}, Status: Down}}},
		"first merged, then measured":                              {rules: rules(2, 5), runs: []Run{run(Up, 0, 3000), run(Down, 600, 602), run(Down, 603, 606)}, down: 6, outages: 1},
		"an outage is as long as it was, not as its part in hours": {rules: rules(0, 5), runs: []Run{run(Up, 0, 3000), run(Down, 1198, 1210)}, down: 2, outages: 1},
		"nor as its part that is not excluded":                     {rules: rules(0, 5), runs: []Run{run(Up, 0, 3000), run(Down, 600, 610)}, excluded: interval.Of(mins(602, 620)), down: 2, outages: 1},
		"an outage through the night is one":                       {runs: []Run{run(Up, 0, 1190), run(Down, 1190, 1440+550), run(Up, 1440+550, 3000)}, down: 20, outages: 1},
		"what counts as up is neither down nor unknown":            {runs: []Run{run(Up, 0, 600), run(Down, 600, 610), run(Up, 620, 3000)}, forgiven: interval.Of(mins(605, 612)), unknown: 8, down: 5, outages: 1},
		"one that is over when the store opens is none":            {runs: []Run{run(Up, 0, 500), run(Down, 500, 540), run(Up, 540, 600), run(Down, 600, 601), run(Up, 601, 3000)}, down: 1, outages: 1},
		"one that is excluded in whole is none":                    {runs: []Run{run(Up, 0, 3000), run(Down, 600, 610)}, excluded: interval.Of(mins(590, 620))},
		"short beside unknown: low takes it for long":              {rules: rules(0, 5), runs: []Run{run(Up, 0, 600), run(Down, 600, 602), run(Up, 605, 3000)}, unknown: 3, doubt: 2},
		"up between unknown and down: low takes it for bridged":    {rules: rules(2, 0), runs: []Run{run(Up, 0, 600), run(Down, 600, 605), run(Up, 605, 606), run(Up, 610, 3000)}, unknown: 4, down: 5, doubt: 1, outages: 1},
		"unknown in a bridged gap stays unknown":                   {rules: rules(3, 0), runs: []Run{run(Up, 0, 600), run(Down, 600, 605), run(Down, 607, 610), run(Up, 610, 3000)}, unknown: 2, down: 8, outages: 1},

		"silent is unknown":                               {runs: []Run{run(Up, 0, 600), run(Silent, 600, 700), run(Up, 700, 3000)}, unknown: 100},
		"silent is unknown for 10 min, then down":         {rules: silence(AsUnknown, 10, AsDown, false), runs: []Run{run(Up, 0, 600), run(Silent, 600, 700), run(Up, 700, 3000)}, unknown: 10, down: 90, outages: 1},
		"exactly 10 min of silence are unknown":           {rules: silence(AsUnknown, 10, AsDown, false), runs: []Run{run(Up, 0, 600), run(Silent, 600, 610), run(Up, 610, 3000)}, unknown: 10},
		"at night it is not silent":                       {rules: silence(AsUnknown, 10, AsDown, false), runs: []Run{run(Up, 0, 1200), run(Silent, 1200, 1440+560), run(Up, 1440+560, 3000)}, unknown: 10, down: 10, outages: 1},
		"10 min over two days":                            {rules: silence(AsUnknown, 10, AsDown, false), runs: []Run{run(Up, 0, 1194), run(Silent, 1194, 1440+560), run(Up, 1440+560, 3000)}, unknown: 10, down: 16, outages: 1},
		"10 min, to closing time: down from then on":      {rules: Rules{MinOutage: 60 * minute, Silence: Silence{After: 10 * minute, Then: AsDown}}, runs: []Run{run(Up, 0, 1190), run(Silent, 1190, 1440+550), run(Up, 1440+550, 3000)}, unknown: 10, down: 10, outages: 1},
		"one that lasts for days is one outage":           {rules: silence(AsUnknown, 10, AsDown, false), runs: []Run{run(Up, 0, 540), run(Silent, 540, 3000)}, unknown: 10, down: 650 + 660, outages: 1},
		"a sale ends a silence":                           {rules: silence(AsUnknown, 10, AsDown, false), runs: []Run{run(Up, 0, 600), run(Silent, 600, 700), run(Up, 700, 3000)}, sold: interval.Of(mins(605, 608), mins(650, 655)), unknown: 5 + 10 + 10, down: 32 + 35, outages: 2},
		"the whole store is silent":                       {rules: silence(AsUnknown, 10, AsDown, true), runs: []Run{run(Up, 0, 600), run(Silent, 600, 700), run(Up, 700, 3000)}, storeSilent: interval.Of(mins(600, 650)), unknown: 50, down: 50, outages: 1},
		"and the agreement does not care":                 {rules: silence(AsUnknown, 10, AsDown, false), runs: []Run{run(Up, 0, 600), run(Silent, 600, 700), run(Up, 700, 3000)}, storeSilent: interval.Of(mins(600, 650)), unknown: 10, down: 90, outages: 1},
		"a dead till stays one outage while others sleep": {rules: silence(AsUnknown, 10, AsDown, true), runs: []Run{run(Up, 0, 540), run(Silent, 540, 3000)}, storeSilent: interval.Of(mins(1200, 1440+540)), unknown: 10, down: 650 + 660, outages: 1},
		"silent is down at once":                          {rules: silence(AsDown, 0, AsUnknown, false), runs: []Run{run(Up, 0, 600), run(Silent, 600, 700), run(Up, 700, 3000)}, down: 100, outages: 1},
		"silent is up for a while":                        {rules: silence(AsUp, 30, AsUnknown, false), runs: []Run{run(Up, 0, 600), run(Silent, 600, 700), run(Up, 700, 3000)}, unknown: 70},

		"withdrawn while down: the outage ends with the terminal": {runs: []Run{run(Up, 0, 600), run(Down, 600, 3000)}, life: interval.Of(mins(0, 700)), down: 100, outages: 1},
		"moved away and back: what was elsewhere does not count":  {runs: []Run{run(Up, 0, 600), run(Down, 600, 3000)}, life: interval.Of(mins(0, 610), mins(1440+1190, 4000)), down: 20, outages: 1},
	} {
		t.Run(name, func(t *testing.T) {
			life := c.life
			if life == nil {
				life = interval.All()
			}
			tm := NewTime(mins(0, 2880), mins(0, 2880), life, hours, Excused{c.excluded, c.forgiven}, 2880*minute)
			s := c.rules.Read(&History{Runs: c.runs, Sold: c.sold, StoreSilent: c.storeSilent}, tm.Service)
			f := Measure(tm, &s)
			got := [4]int64{f.Unknown, f.Down, f.Doubt, f.Outages}
			if want := [4]int64{c.unknown * minute, c.down * minute, c.doubt * minute, c.outages}; got != want {
				t.Errorf("U, D, E (ms) and outages are %v, want %v", got, want)
			}
		})
	}
}

// An outage that lasts beyond the end of a period counts to the end and goes on in the next one, as the same: it is counted as one where its
// first counted instant is.
func TestOutageAcrossPeriods(t *testing.T) {
	hours := interval.Of(mins(540, 1200), mins(1440+540, 1440+1200))
	for name, c := range map[string]struct {
		from     int64
		excluded interval.Set
		want     []int64 // minutes down and outages, day by day
	}{
		"begun in hours":              {1190, nil, []int64{10, 1, 660, 0}},
		"begun at closing time":       {1200, nil, []int64{0, 0, 660, 1}},
		"begun at night":              {1300, nil, []int64{0, 0, 660, 1}},
		"begun with the period":       {0, nil, []int64{660, 1, 660, 0}},
		"begun while nothing counted": {1190, interval.Of(mins(1150, 1250)), []int64{0, 0, 660, 1}}, // found by TestPartsAddUp
	} {
		h := History{Runs: []Run{run(Up, 0, c.from), run(Down, c.from, 3000)}}
		var found []int64
		for day := range int64(2) {
			tm := NewTime(mins(day*1440, day*1440+1440), mins(0, 2880), interval.All(), hours, Excused{Removed: c.excluded}, interval.Max)
			s := (&Rules{}).Read(&h, tm.Service)
			f := Measure(tm, &s)
			found = append(found, f.Down/minute, f.Outages)
		}
		if !slices.Equal(found, c.want) {
			t.Errorf("%s: down and outages by day: %v, want %v", name, found, c.want)
		}
	}
}

// An outage that begins with a period is of that one, and not of the one before.
func TestOutageAtTheEdge(t *testing.T) {
	always := interval.Of(mins(-100, 200))
	h := History{Runs: []Run{run(Up, -100, 0), run(Down, -50, -40), run(Down, 0, 10), run(Up, 10, 200), run(Down, 100, 110)}}
	var found []int64
	for _, p := range []interval.Span{mins(-100, 0), mins(0, 100), mins(100, 200)} {
		tm := NewTime(p, p, interval.All(), always, Excused{}, p.To)
		s := (&Rules{}).Read(&h, tm.Service)
		f := Measure(tm, &s)
		found = append(found, f.Outages)
	}
	if !slices.Equal(found, []int64{1, 1, 1}) {
		t.Errorf("%v outages in the three periods", found)
	}
}

// A history that is cut at the edge of a period is not the same: what straddles it loses its length.
func TestCutHistoriesDoNotAddUp(t *testing.T) {
	hours, rules := interval.Of(mins(0, 100)), Rules{MinOutage: 5 * minute}
	measure := func(period interval.Span, h History) int64 {
		tm := NewTime(period, period, interval.All(), hours, Excused{}, period.To)
		s := rules.Read(&h, hours)
		f := Measure(tm, &s)
		return f.Down / minute
	}
	outage := History{Runs: []Run{run(Up, 0, 100), run(Down, 47, 53)}}
	if whole, parts := measure(mins(0, 100), outage), measure(mins(0, 50), outage)+measure(mins(50, 100), outage); whole != 6 || parts != 6 {
		t.Errorf("6 min down are %d, in halves %d", whole, parts)
	}
	left, right := History{Runs: []Run{run(Up, 0, 47), run(Down, 47, 50)}}, History{Runs: []Run{run(Down, 50, 53), run(Up, 53, 100)}}
	if got := measure(mins(0, 50), left) + measure(mins(50, 100), right); got != 0 {
		t.Errorf("two halves of 3 min that know nothing of each other are down for %d min", got)
	}
}

func TestVerdictAtTheEdge(t *testing.T) {
	const target = 995_000_000
	for name, c := range map[string]struct {
		f    Figures
		want Verdict
	}{
		"exactly the target is met":               {Figures{Counted: 1000, Down: 5}, Met},
		"one more is a breach":                    {Figures{Counted: 1000, Down: 6}, Breached},
		"met for sure":                            {Figures{Counted: 1000, Down: 3, Unknown: 2}, Met},
		"nobody knows":                            {Figures{Counted: 1000, Down: 3, Unknown: 3}, Undetermined},
		"doubt is enough":                         {Figures{Counted: 1000, Down: 3, Unknown: 2, Doubt: 1}, Undetermined},
		"breached for sure":                       {Figures{Counted: 1000, Down: 6, Unknown: 990}, Breached},
		"nothing counts":                          {Figures{Committed: 1000, Excluded: 1000}, NotApplicable},
		"running, nothing yet":                    {Figures{Running: true, Ahead: 1000}, NotApplicable},
		"running, well":                           {Figures{Running: true, Counted: 500, Ahead: 500, Down: 2}, Met},
		"running, faster than the budget":         {Figures{Running: true, Counted: 500, Ahead: 500, Down: 3}, AtRisk},
		"running, just as fast":                   {Figures{Running: true, Counted: 400, Ahead: 600, Down: 2}, AtRisk},
		"running, budget spent, to the last":      {Figures{Running: true, Counted: 400, Ahead: 600, Down: 5}, AtRisk},
		"running, more than the budget":           {Figures{Running: true, Counted: 400, Ahead: 600, Down: 6}, Breached},
		"running, blind":                          {Figures{Running: true, Counted: 400, Ahead: 600, Unknown: 400}, AtRisk},
		"running, blind for less than it matters": {Figures{Running: true, Counted: 400, Ahead: 600, Unknown: 1}, Met},
	} {
		if got := c.f.Verdict(target); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	whole := Figures{Running: true, Counted: 10, Ahead: 10}
	if got := whole.Verdict(One); got != Met {
		t.Errorf("a target of all, so far kept: %s", got)
	}
	huge := Figures{Counted: 1 << 60, Down: 1}
	if got := huge.Verdict(One); got != Breached { // no float decides
		t.Errorf("one ms of 36 million years: %s", got)
	}
}

func TestWiden(t *testing.T) {
	got := Widen(interval.Of(mins(540, 720), mins(740, 1200)), 15*minute, 10*minute)
	if want := interval.Of(mins(525, 1210)); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := Widen(interval.All(), minute, minute); !slices.Equal(got, interval.All()) {
		t.Errorf("always, widened, is %v", got)
	}
}

// A day of one till from the fold's timeline to figures: what the fold says is down is down, and what it knows nothing of is unknown.
func TestFromTimeline(t *testing.T) {
	report := func(at int64, s availability.Status) availability.Evidence {
		return availability.Evidence{Time: at * minute, Start: at * minute, Status: s, Hold: 3 * minute}
	}
	evidence := []availability.Evidence{
		report(10, availability.Up), report(12, availability.Up), // silent from 15 on
		{Time: 40 * minute, Start: 38 * minute, Sale: true}, // up from 38 to 43
		report(60, availability.Down), report(90, availability.Up), report(92, availability.Up), report(94, availability.Up),
	}
	statuses := map[availability.Status]Status{availability.Up: Up, availability.Down: Down, availability.Silent: Silent}
	var h History
	for _, x := range availability.Timeline(availability.Config{}, evidence) {
		h.Runs = append(h.Runs, Run{Span: interval.Span{From: x.Start, To: min(x.End, 95*minute)}, Status: statuses[x.Status]})
	}
	always := interval.Of(mins(0, 95))
	tm := NewTime(mins(0, 95), mins(0, 95), interval.All(), always, Excused{}, 95*minute)
	for name, c := range map[string]struct {
		rules         Rules
		unknown, down int64
	}{
		"silent is unknown":             {Rules{}, 10 + 23 + 17, 30},
		"after 10 min of it, down":      {Rules{Silence: Silence{After: 10 * minute, Then: AsDown}}, 10 + 10 + 10, 13 + 7 + 30},
		"silence is not taken for much": {Rules{Silence: Silence{First: AsUp}}, 10, 30},
	} {
		s := c.rules.Read(&h, tm.Service)
		f := Measure(tm, &s)
		if f.Unknown != c.unknown*minute || f.Down != c.down*minute {
			t.Errorf("%s: unknown %d, down %d min; want %d, %d", name, f.Unknown/minute, f.Down/minute, c.unknown, c.down)
		}
	}
}
