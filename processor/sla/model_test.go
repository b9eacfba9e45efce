package sla

import (
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
)

const minute = 60_000

// places are zones with a date near which their clocks, or their rules, change.
var places = []struct{ zone, near string }{
	{"Europe/Paris", "2026-03-29"},
	{"Europe/Paris", "2026-10-25"},
	{"Asia/Kolkata", "2026-01-01"},        // half an hour from the hour
	{"Australia/Lord_Howe", "2026-04-05"}, // changes by half an hour
	{"Australia/Lord_Howe", "2026-10-04"},
	{"America/Sao_Paulo", "2018-02-18"}, // at midnight, its last but one
	{"America/Sao_Paulo", "2019-03-01"}, // rules abolished
	{"Africa/Casablanca", "2026-02-15"}, // Ramadan
	{"Africa/Casablanca", "2018-10-28"}, // rules changed two days before
	{"Pacific/Apia", "2011-12-30"},      // a day that was not
	{"America/New_York", "2026-11-01"},
}

// world is a random agreement about one terminal, in minutes of a horizon.
type world struct {
	start                    int64 // ms
	minutes                  int
	store                    *registry.Store
	open                     []bool // by the clock on the wall
	rules                    Rules
	history                  History
	life, excluded, forgiven interval.Set // forgiven counts as up
	period, version          interval.Span
	until                    int64
	target                   Share
	hours                    [7][]registry.Window
	closed                   []registry.Date
}

func (w *world) at(i int) int64 { return w.start + int64(i)*minute }

func drawSpan(t *rapid.T, w *world, longest int, label string) interval.Span {
	from := rapid.IntRange(0, w.minutes).Draw(t, label+" from")
	length := rapid.OneOf(rapid.IntRange(0, 15), rapid.IntRange(0, longest)).Draw(t, label+" length")
	return w.span(from, from+length)
}

// span keeps away from the edges of the horizon, so that nothing that is drawn bears on what lies beyond.
func (w *world) span(from, to int) interval.Span {
	from = min(max(from, 60), w.minutes-60)
	return interval.Span{From: w.at(from), To: w.at(min(max(to, from), w.minutes-60))}
}

func drawSet(t *rapid.T, w *world, n, longest int, label string) interval.Set {
	var spans []interval.Span
	for range rapid.IntRange(0, n).Draw(t, label) {
		spans = append(spans, drawSpan(t, w, longest, label))
	}
	return interval.Of(spans...)
}

func drawWorld(t *rapid.T) *world {
	place := rapid.SampledFrom(places).Draw(t, "place")
	near, err := registry.ParseDate(place.near)
	if err != nil {
		t.Fatal(err)
	}
	const days, margin = 6, 3
	w := &world{start: int64(near-margin) * 86_400_000, minutes: days * 1440}

	// Hours that begin and end when no clock changes are what the clock on the wall says; those in between are tested in package registry.
	hours := rapid.SampledFrom([]string{"09:00-20:00", "08:30-12:00", "14:00-19:15", "00:00-24:00", "20:00-06:00", "22:30-05:45", "09:00-09:00"})
	cal := &registry.Calendar{}
	for d := time.Sunday; d <= time.Saturday; d++ {
		for range rapid.IntRange(0, 2).Draw(t, d.String()) {
			var x registry.Window
			if s := hours.Draw(t, "hours"); s == "09:00-09:00" || x.UnmarshalText([]byte(s)) != nil {
				continue
			}
			w.hours[d] = append(w.hours[d], x)
		}
		*cal.Week.Day(d) = w.hours[d]
	}
	for range rapid.IntRange(0, 1).Draw(t, "closed") {
		d := near + registry.Date(rapid.IntRange(-margin, margin).Draw(t, "closed day"))
		w.closed, cal.ClosedDays = append(w.closed, d), append(cal.ClosedDays, registry.Days{From: d, To: d + 1})
	}
	version := registry.Version{Timezone: place.zone, Calendar: cal}
	if rapid.IntRange(0, 9).Draw(t, "always open") == 0 {
		version.Calendar = nil
	}
	doc := registry.Document{Versions: []registry.Version{version}}
	store, flaw := doc.Build("s", 1)
	if flaw != nil {
		t.Fatalf("%+v", flaw)
	}
	w.store = store
	w.readClock(place.zone, version.Calendar != nil)

	reading := rapid.SampledFrom([]Reading{AsUnknown, AsUp, AsDown})
	w.rules = Rules{
		Needs:        rapid.SampledFrom([]Capability{0, Sell, Sell | Card}).Draw(t, "needs"),
		DegradedDown: rapid.Bool().Draw(t, "degraded is down"),
		MergeGap:     rapid.SampledFrom([]int64{0, 0, 1, 5, 30}).Draw(t, "merge gap") * minute,
		MinOutage:    rapid.SampledFrom([]int64{0, 0, 1, 5, 30}).Draw(t, "min outage") * minute,
		Silence: Silence{
			First: reading.Draw(t, "first"), Then: reading.Draw(t, "then"),
			After: rapid.SampledFrom([]int64{0, 1, 10, 60, 700}).Draw(t, "after") * minute, Alone: rapid.Bool().Draw(t, "alone"),
		},
	}
	if rapid.Bool().Draw(t, "as a timeline") { // as the fold makes them: one after the other
		i := rapid.IntRange(-10, 1000).Draw(t, "first report")
		for range rapid.IntRange(0, 20).Draw(t, "runs") {
			to := i + rapid.OneOf(rapid.IntRange(1, 12), rapid.IntRange(1, 2000)).Draw(t, "length")
			x := drawRun(t)
			x.Span = w.span(i, to)
			w.history.Runs = append(w.history.Runs, x)
			i = to
		}
	} else {
		for range rapid.IntRange(0, 12).Draw(t, "runs") {
			x := drawRun(t)
			x.Span = drawSpan(t, w, 2000, "run")
			w.history.Runs = append(w.history.Runs, x)
		}
	}
	w.history.Sold = drawSet(t, w, 4, 30, "sold")
	w.history.StoreSilent = drawSet(t, w, 3, 2000, "store silent")
	w.excluded = drawSet(t, w, 4, 600, "excluded")
	w.forgiven = drawSet(t, w, 1, 600, "forgiven")
	w.life = interval.All()
	if rapid.IntRange(0, 2).Draw(t, "lives") == 0 {
		w.life = drawSet(t, w, 3, 6000, "life")
	}
	a, b := rapid.IntRange(0, 4000).Draw(t, "period"), rapid.IntRange(1, 6000).Draw(t, "long")
	w.period = interval.Span{From: w.at(a), To: w.at(a + b)}
	w.version = interval.Span{From: interval.Min, To: interval.Max}
	if rapid.IntRange(0, 2).Draw(t, "version") == 0 {
		w.version = drawSpan(t, w, 6000, "version")
	}
	w.until = w.period.To
	if rapid.Bool().Draw(t, "running") {
		w.until = w.at(a + rapid.IntRange(0, b).Draw(t, "until"))
	}
	w.target = rapid.SampledFrom([]Share{0, 500_000_000, 900_000_000, 990_000_000, 999_500_000, One}).Draw(t, "target")
	return w
}

func drawRun(t *rapid.T) Run {
	return Run{
		Status: Status(rapid.IntRange(int(Unknown), int(Silent)).Draw(t, "status")),
		Lost:   rapid.SampledFrom([]Capability{0, 0, 0, Sell, Card, Cash}).Draw(t, "lost"),
	}
}

// readClock says of every minute whether the store is open.
func (w *world) readClock(zone string, calendar bool) {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return
	}
	seen := map[registry.Date]bool{}
	type reading struct {
		date registry.Date
		m    int
	}
	clock := make([]reading, w.minutes+2*1440) // from a day before
	for i := range clock {
		at := time.UnixMilli(w.at(i - 1440)).In(loc)
		y, m, d := at.Date()
		date := registry.Date(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
		clock[i] = reading{date, at.Hour()*60 + at.Minute()}
		seen[date] = true
	}
	holds := func(d registry.Date, m int) bool {
		if !seen[d] {
			return false
		}
		for _, c := range w.closed {
			if c == d {
				return false
			}
		}
		for _, x := range w.hours[time.Unix(int64(d)*86400, 0).UTC().Weekday()] {
			if int(x.Open) <= m && m < int(x.Close) {
				return true
			}
		}
		return false
	}
	w.open = make([]bool, w.minutes)
	for i := range w.open {
		c := clock[i+1440]
		w.open[i] = !calendar || holds(c.date, c.m) || holds(c.date-1, c.m+1440)
	}
}

// mine is the same by counting minutes.
type mine struct {
	service, committed, excluded, counted []bool
	judged, known, outage, doubt, short   []bool
	silent                                []bool
	figures                               Figures
}

// bridge makes stretches one that are less than gap minutes apart, and sets apart those shorter than least. One at the edge of the horizon
// is as long as time.
func bridge(down []bool, gap, least int64) (long, short []bool) {
	n := len(down)
	joined, long, short := make([]bool, n), make([]bool, n), make([]bool, n)
	last := -1
	for i := range down {
		if !down[i] {
			continue
		}
		for j := last + 1; j <= i; j++ {
			joined[j] = j == i || last >= 0 && int64(i-last-1) < gap
		}
		last = i
	}
	for i := 0; i < n; {
		j := i
		for j < n && joined[j] == joined[i] {
			j++
		}
		for k := i; k < j && joined[i]; k++ {
			if int64(j-i) >= least || i == 0 || j == n {
				long[k] = true
			} else {
				short[k] = true
			}
		}
		i = j
	}
	return long, short
}

// count does it all minute by minute.
func (w *world) count() *mine {
	n := w.minutes
	in := func(s interval.Set, i int) bool {
		for _, x := range s {
			if x.From <= w.at(i) && w.at(i) < x.To {
				return true
			}
		}
		return false
	}
	m := &mine{service: make([]bool, n), committed: make([]bool, n), excluded: make([]bool, n), counted: make([]bool, n), judged: make([]bool, n), known: make([]bool, n)}
	for i := range n {
		at := w.at(i)
		m.service[i] = w.open[i] && in(w.life, i)
		promised := m.service[i] && w.period.From <= at && at < w.period.To && w.version.From <= at && at < w.version.To
		m.committed[i] = promised && at < w.until
		m.excluded[i] = m.committed[i] && in(w.excluded, i)
		m.counted[i] = m.committed[i] && !m.excluded[i]
		m.judged[i] = m.counted[i] && !in(w.forgiven, i)
		if promised && at >= w.until && !in(w.excluded, i) {
			m.figures.Ahead += minute
		}
	}

	down := make([]bool, n)
	worst := make([]bool, n)
	var silentFor int64
	silent := false
	m.silent = make([]bool, n)
	for i := range n {
		var heardDown, heardUp, heardSilent bool
		for _, x := range w.history.Runs {
			if w.at(i) < x.From || w.at(i) >= x.To {
				continue
			}
			switch x.Status {
			case Up:
				heardDown = heardDown || x.Lost&w.rules.Needs != 0
				heardUp = heardUp || x.Lost&w.rules.Needs == 0
			case Degraded:
				bad := w.rules.DegradedDown || x.Lost&w.rules.Needs != 0
				heardDown, heardUp = heardDown || bad, heardUp || !bad
			case Down, Maintenance:
				heardDown = true
			case Silent:
				heardSilent = true
			}
		}
		was := silent
		silent = false
		as := AsUnknown
		switch {
		case heardDown:
			as = AsDown
		case in(w.history.Sold, i), heardUp:
			as = AsUp
		case heardSilent:
			s := w.rules.Silence
			silent = true
			if !was {
				silentFor = 0
			}
			lapsed := s.After > 0 && silentFor >= s.After
			if m.service[i] {
				silentFor += minute
			}
			as = s.First
			if lapsed && !(s.Alone && m.service[i] && in(w.history.StoreSilent, i)) {
				as = s.Then
			}
		}
		m.silent[i] = silent
		down[i], m.known[i] = as == AsDown, as != AsUnknown
		worst[i] = as != AsUp
	}
	gap, least := w.rules.MergeGap/minute, w.rules.MinOutage/minute
	m.outage, m.short = bridge(down, gap, least)
	m.doubt, _ = bridge(worst, gap, least)

	f := &m.figures
	f.Running = w.until < min(w.period.To, w.version.To)
	tally := func(is bool, ms *int64) {
		if is {
			*ms += minute
		}
	}
	for i := range n {
		d := m.outage[i] && m.known[i]
		m.doubt[i] = m.doubt[i] && m.known[i] && !m.outage[i]
		tally(m.committed[i], &f.Committed)
		tally(m.excluded[i], &f.Excluded)
		tally(m.counted[i], &f.Counted)
		tally(m.judged[i] && !m.known[i], &f.Unknown)
		tally(m.judged[i] && d, &f.Down)
		tally(m.judged[i] && m.doubt[i], &f.Doubt)
		tally(m.committed[i] && !m.known[i], &f.RawUnknown)
		tally(m.committed[i] && d, &f.RawDown)
	}
	for i := 0; i < n; i++ {
		if !m.outage[i] {
			continue
		}
		felt := -1
		for ; i < n && m.outage[i]; i++ {
			if felt < 0 && m.known[i] && m.service[i] && !in(w.excluded, i) && !in(w.forgiven, i) {
				felt = i
			}
		}
		if felt >= 0 && m.judged[felt] {
			f.Outages++
		}
	}
	return m
}

func (w *world) measure() (*Time, State, Figures) {
	x := interval.Span{From: w.start, To: w.at(w.minutes)}
	tm := NewTime(w.period, w.version, w.life, w.store.Service(x), Excused{w.excluded, w.forgiven}, w.until)
	s := w.rules.Read(&w.history, tm.Service)
	return tm, s, Measure(tm, &s)
}

// judge is the verdict by fractions of minutes.
func (m *mine) judge(target Share) Verdict {
	f := &m.figures
	if f.Counted == 0 {
		return NotApplicable
	}
	goal := big.NewRat(int64(target), int64(One))
	low, high := big.NewRat(f.Counted-f.Unknown-f.Down-f.Doubt, f.Counted), big.NewRat(f.Counted-f.Down, f.Counted)
	if !f.Running {
		if low.Cmp(goal) >= 0 {
			return Met
		}
		if high.Cmp(goal) < 0 {
			return Breached
		}
		return Undetermined
	}
	budget := new(big.Rat).Mul(new(big.Rat).Sub(big.NewRat(1, 1), goal), big.NewRat(f.Counted+f.Ahead, 1))
	if big.NewRat(f.Down, 1).Cmp(budget) > 0 {
		return Breached
	}
	if low.Cmp(goal) < 0 {
		return AtRisk
	}
	if allowed := new(big.Rat).Sub(big.NewRat(1, 1), goal); f.Down > 0 && big.NewRat(f.Down, f.Counted).Cmp(allowed) >= 0 {
		return AtRisk // burn ≥ 1
	}
	return Met
}

// The algebra of sets says the same as counting minutes.
func TestMeasureAgainstMinutes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		want := w.count()
		tm, s, got := w.measure()
		if got != want.figures {
			t.Fatalf("measured\n%+v, by minutes\n%+v", got, want.figures)
		}
		for i := range w.minutes {
			at := w.at(i)
			if tm.Committed.Holds(at) != want.committed[i] || tm.Excluded.Holds(at) != want.excluded[i] || tm.Counted.Holds(at) != want.counted[i] {
				t.Fatalf("%s: T %v, X %v, Q %v", time.UnixMilli(at).UTC(), tm.Committed.Holds(at), tm.Excluded.Holds(at), tm.Counted.Holds(at))
			}
			if s.Known.Holds(at) != want.known[i] || s.Outages.Holds(at) != want.outage[i] || s.Short.Holds(at) != want.short[i] || s.Doubt.Holds(at) != want.doubt[i] {
				t.Fatalf("%s: known %v, outage %v, short %v, doubt %v", time.UnixMilli(at).UTC(), s.Known.Holds(at), s.Outages.Holds(at), s.Short.Holds(at), s.Doubt.Holds(at))
			}
		}
		if v := got.Verdict(w.target); v != want.judge(w.target) {
			t.Fatalf("%s, by fractions %s: %+v, target %d", v, want.judge(w.target), got, w.target)
		}
		silences := w.rules.Silent(&w.history)
		for i := range w.minutes {
			if silences.Holds(w.at(i)) != want.silent[i] {
				t.Fatalf("minute %d is silent: %v", i, !want.silent[i])
			}
		}
		told := map[Decision]int64{}
		for _, r := range Explain(tm, &s) {
			told[r.Decision] += r.CountedMS
		}
		if told[Counted] != got.Down || told[Uncertain] != got.Unknown || told[Doubtful] != got.Doubt {
			t.Fatalf("evidence for %v, measured %+v", told, got)
		}

		window := rapid.SampledFrom([]int64{5, 60, 360, 1440, 4320}).Draw(t, "window")
		var burn Burn
		for i := w.minutes - 1; i >= 0 && burn.Counted < window*minute; i-- {
			if w.at(i) >= w.until || !want.counted[i] {
				continue
			}
			burn.Counted += minute
			switch {
			case !want.judged[i]:
			case !want.known[i]:
				burn.Unknown += minute
			case want.outage[i]:
				burn.Down += minute
			}
		}
		if b := BurnOver(tm, &s, window*minute, w.until); b != burn {
			t.Fatalf("over %d min %+v, by minutes %+v", window, b, burn)
		}
	})
}
