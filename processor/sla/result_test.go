package sla

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/interval"
)

func TestVerdictsOfEvents(t *testing.T) {
	limit := Ratio{5, 1000}
	for name, c := range map[string]struct {
		c       Counts
		op      Op
		running bool
		want    Verdict
	}{
		"exactly the rate":                      {Counts{Bad: 5, All: 1000}, Lte, false, Met},
		"exactly is not less":                   {Counts{Bad: 5, All: 1000}, Lt, false, Breached},
		"one more":                              {Counts{Bad: 6, All: 1000}, Lte, false, Breached},
		"too few to say":                        {Counts{Bad: 99, All: 99}, Lte, false, NotApplicable},
		"none":                                  {Counts{}, Lte, false, NotApplicable},
		"one is lost, that may have failed":     {Counts{Bad: 5, All: 999, Missing: 1}, Lte, false, Undetermined},
		"lost, and it does not matter":          {Counts{Bad: 3, All: 998, Missing: 2}, Lte, false, Met},
		"lost, and it cannot be mended":         {Counts{Bad: 60, All: 999, Missing: 1}, Lte, false, Breached},
		"running: it can still be mended":       {Counts{Bad: 60, All: 1000}, Lte, true, AtRisk},
		"running, and well":                     {Counts{Bad: 1, All: 1000}, Lte, true, Met},
		"at least: the lost one may be of them": {Counts{Bad: 4, All: 999, Missing: 1}, Gte, false, Undetermined},
	} {
		if got := c.c.Rate(c.op, limit, 100, c.running); got.Verdict != c.want {
			t.Errorf("%s: %+v, want %s", name, got, c.want)
		}
	}
	below := Counts{Bad: 50, All: 1000}
	if r := below.Share(950_000_000, 0, false); r.Verdict != Met || r.Actual != (Ratio{950, 1000}) {
		t.Errorf("95 %% of 1000 below the value: %+v", r)
	}
	below.Bad++
	if r := below.Share(950_000_000, 0, false); r.Verdict != Breached {
		t.Errorf("94.9 %% of 1000 below the value: %+v", r)
	}
	mean := Sums{Sum: 4501, N: 3}
	if r := mean.Mean(Lte, Ratio{1500, 1}, 0, false); r.Verdict != Breached { // 1500.33 ms are not 1500
		t.Errorf("%+v", r)
	}
	mean = Sums{Sum: 4000, N: 3, Missing: 1}
	if r := mean.Mean(Lte, Ratio{1500, 1}, 0, false); r.Verdict != Undetermined {
		t.Errorf("one is lost that took nobody knows how long: %+v", r)
	}
	mean.Most = 2000
	if r := mean.Mean(Lte, Ratio{1500, 1}, 0, false); r.Verdict != Met {
		t.Errorf("one is lost that took 2000 at most: %+v", r)
	}
}

// Every figure of a result about events.
func TestFiguresOfEvents(t *testing.T) {
	c := Counts{Bad: 10, All: 90, RawBad: 30, RawAll: 120, Missing: 5}
	for name, x := range map[string]struct{ got, want Result }{
		"rate": {c.Rate(Lte, Ratio{1, 10}, 0, false), Result{
			Actual: Ratio{10, 90}, Raw: Ratio{30, 120}, Low: Ratio{15, 95}, High: Ratio{10, 95}, Coverage: Ratio{90, 95}, Verdict: Breached,
		}},
		"rate, of what is good": {c.Rate(Gte, Ratio{1, 10}, 0, false), Result{
			Actual: Ratio{10, 90}, Raw: Ratio{30, 120}, Low: Ratio{10, 95}, High: Ratio{15, 95}, Coverage: Ratio{90, 95}, Verdict: Met,
		}},
		"share": {c.Share(One/20*17, 0, false), Result{
			Actual: Ratio{80, 90}, Raw: Ratio{90, 120}, Low: Ratio{80, 95}, High: Ratio{85, 95}, Coverage: Ratio{90, 95}, Verdict: Undetermined,
		}},
		"mean": {(&Sums{Sum: 300, N: 3, RawSum: 900, RawN: 4, Missing: 2, Most: 50}).Mean(Lte, Ratio{79, 1}, 0, false), Result{
			Actual: Ratio{300, 3}, Raw: Ratio{900, 4}, Low: Ratio{400, 5}, High: Ratio{300, 5}, Coverage: Ratio{3, 5}, Verdict: Undetermined,
		}},
		"mean, of what should be large": {(&Sums{Sum: 300, N: 3, RawSum: 900, RawN: 4, Missing: 2, Most: 50}).Mean(Gt, Ratio{60, 1}, 0, false), Result{
			Actual: Ratio{300, 3}, Raw: Ratio{900, 4}, Low: Ratio{300, 5}, High: Ratio{400, 5}, Coverage: Ratio{3, 5}, Verdict: Undetermined,
		}},
		"mean of just enough": {(&Sums{Sum: 300, N: 3}).Mean(Lte, Ratio{100, 1}, 3, false), Result{
			Actual: Ratio{300, 3}, Low: Ratio{300, 3}, High: Ratio{300, 3}, Coverage: Ratio{3, 3}, Verdict: Met,
		}},
		"mean of none, and some are lost": {(&Sums{Missing: 2, Most: 50}).Mean(Lte, Ratio{79, 1}, 0, false), Result{
			Low: Ratio{100, 2}, High: Ratio{0, 2}, Coverage: Ratio{0, 2}, Verdict: NotApplicable,
		}},
		"mean of too few": {(&Sums{Sum: 300, N: 3}).Mean(Lte, Ratio{100, 1}, 4, false), Result{
			Actual: Ratio{300, 3}, Low: Ratio{300, 3}, High: Ratio{300, 3}, Coverage: Ratio{3, 3}, Verdict: NotApplicable,
		}},
	} {
		if x.got != x.want {
			t.Errorf("%s: %+v, want %+v", name, x.got, x.want)
		}
	}
}

// Whatever the lost events were, the figure lies in the bounds, and the bounds are reached.
func TestBoundsOfEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all, missing := rapid.Int64Range(1, 30).Draw(t, "all"), rapid.Int64Range(0, 5).Draw(t, "missing")
		c := Counts{All: all, Bad: rapid.Int64Range(0, all).Draw(t, "bad"), Missing: missing}
		op := rapid.SampledFrom([]Op{Lt, Lte, Gt, Gte}).Draw(t, "op")
		limit := Ratio{rapid.Int64Range(0, 10).Draw(t, "limit"), 10}
		r := c.Rate(op, limit, 0, false)
		kept, broken := 0, 0
		for bad := range missing + 1 {
			truth := Ratio{c.Bad + bad, all + missing}
			if op.Keeps(truth, limit) {
				kept++
			} else {
				broken++
			}
			if lo, hi := r.Low.Float(), r.High.Float(); truth.Float() < min(lo, hi) || truth.Float() > max(lo, hi) {
				t.Fatalf("%v is not in %+v", truth, r)
			}
		}
		want := Undetermined
		if broken == 0 {
			want = Met
		} else if kept == 0 {
			want = Breached
		}
		if r.Verdict != want {
			t.Fatalf("%s, want %s: kept %d, broken %d times", r.Verdict, want, kept, broken)
		}
	})
}

// A percentile is at most a value if and only if so many values are.
func TestPercentileIsAShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Durations{Took: rapid.SliceOfN(rapid.Int64Range(0, 20), 1, 40).Draw(t, "took")}
		slices.Sort(d.Took)
		limit := rapid.Int64Range(0, 20).Draw(t, "limit")
		c := Counts{All: int64(len(d.Took))}
		for _, ms := range d.Took {
			if ms > limit {
				c.Bad++
			}
		}
		for s, share := range map[Statistic]Share{P50: One / 2, P90: One / 10 * 9} {
			if by, is := c.Share(share, 0, false), Lte.Keeps(d.Figure(s), Ratio{limit, 1}); (by.Verdict == Met) != is {
				t.Fatalf("percentile %v of %v: at most %d is %v, by count %s", d.Figure(s), d.Took, limit, is, by.Verdict)
			}
		}
	})
}

func TestDurations(t *testing.T) {
	hours := interval.Of(mins(540, 1200), mins(1440+540, 1440+1200))
	period := mins(0, 2880)
	hour := func(h int64) Ratio { return Ratio{h * 60 * minute, 1} }
	for name, c := range map[string]struct {
		cases   []Case
		clock   interval.Set
		until   int64
		took    []int64 // minutes
		open    int
		verdict Verdict // against a mean of at most 4 h
	}{
		"within hours": {cases: []Case{{From: 600, To: 660, Resolved: 660}}, took: []int64{60}, verdict: Met},
		"over night":   {cases: []Case{{From: 1140, To: 1440 + 600, Resolved: 1440 + 600}}, took: []int64{120}, verdict: Met},
		"over night, around the clock": {
			cases: []Case{{From: 1140, To: 1440 + 600, Resolved: 1440 + 600}}, clock: interval.All(), took: []int64{900}, verdict: Breached,
		},
		"pauses, those in the night for nothing": {
			cases: []Case{{From: 1140, To: 1440 + 600, Resolved: 1440 + 600, Pauses: interval.Of(mins(1170, 1440+550))}}, took: []int64{80}, verdict: Met,
		},
		"exactly four hours":                       {cases: []Case{{From: 600, To: 840, Resolved: 840}}, took: []int64{240}, verdict: Met},
		"of the mean, not of each":                 {cases: []Case{{From: 600, To: 1000, Resolved: 1000}, {From: 600, To: 660, Resolved: 660}}, took: []int64{60, 400}, verdict: Met},
		"none: no value, not 0":                    {verdict: NotApplicable},
		"resolved in another period":               {cases: []Case{{From: -100, To: -50, Resolved: -50}, {From: 2870, To: 3000, Resolved: 3000}}, open: 1, verdict: NotApplicable},
		"resolved at the end is of the next":       {cases: []Case{{From: 2600, To: 2880, Resolved: 2880}}, open: 1, verdict: NotApplicable},
		"begun before, resolved in it":             {cases: []Case{{From: -1000, To: 600, Resolved: 600}}, took: []int64{60}, verdict: Met},
		"open, and older than promised":            {cases: []Case{{From: 600}, {From: 600, To: 601, Resolved: 601}}, took: []int64{1}, open: 1, verdict: Breached},
		"open, and young":                          {cases: []Case{{From: 600}}, until: 840, open: 1, verdict: NotApplicable},
		"open, and one minute too old":             {cases: []Case{{From: 600}}, until: 841, open: 1, verdict: Breached},
		"open, and paused":                         {cases: []Case{{From: 600, Pauses: interval.Of(interval.Span{From: 620 * minute, To: interval.Max})}}, open: 1, verdict: NotApplicable},
		"running: the mean can still fall":         {cases: []Case{{From: 540, To: 840, Resolved: 840}}, until: 900, took: []int64{300}, verdict: AtRisk},
		"acknowledged, and not resolved yet":       {cases: []Case{{From: 600, To: 610}}, verdict: NotApplicable},
		"never acknowledged, and resolved":         {cases: []Case{{From: 600, Resolved: 700}}, verdict: NotApplicable},
		"ended before it began: 0, and flagged":    {cases: []Case{{From: 660, To: 600, Resolved: 600}}, took: []int64{0}, verdict: Met},
		"what begins now has no part in it":        {cases: []Case{{From: 900}}, until: 900, verdict: NotApplicable},
		"what is to come has no part in it":        {cases: []Case{{From: 1000}}, until: 900, verdict: NotApplicable},
		"resolved after the look at it: open then": {cases: []Case{{From: 600, To: 1000, Resolved: 1000}}, until: 700, open: 1, verdict: NotApplicable},
	} {
		t.Run(name, func(t *testing.T) {
			clock := c.clock
			if clock == nil {
				clock = hours
			}
			for i := range c.cases {
				for _, at := range []*int64{&c.cases[i].From, &c.cases[i].To, &c.cases[i].Resolved} {
					*at *= minute
				}
			}
			until := period.To
			if c.until != 0 {
				until = c.until * minute
			}
			d := NewDurations(c.cases, clock, period, until)
			r, evidence := d.Result(Mean, Lte, hour(4), 0)
			var took []int64
			for _, ms := range d.Took {
				took = append(took, ms/minute)
			}
			if !slices.Equal(took, c.took) || d.Open != c.open || r.Verdict != c.verdict {
				t.Errorf("took %v min, %d open, %s; want %v, %d, %s", took, d.Open, r.Verdict, c.took, c.open, c.verdict)
			}
			if len(evidence) != len(took)+d.Open {
				t.Errorf("%d pieces of evidence for %d cases", len(evidence), len(took)+d.Open)
			}
		})
	}
}

// Of two periods that meet, the second has what was resolved where they do.
func TestDurationsAtTheEdge(t *testing.T) {
	c := []Case{{From: 10, To: 100, Resolved: 100}}
	before, after := NewDurations(c, interval.All(), interval.Span{From: 50, To: 100}, 100), NewDurations(c, interval.All(), interval.Span{From: 100, To: 150}, 150)
	if len(before.Took) != 0 || before.Open != 1 || !slices.Equal(after.Took, []int64{90}) || after.Open != 0 {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

// Four are few, five are not, and fewer than the agreement wants are no ground for a verdict.
func TestFewDurations(t *testing.T) {
	for n, want := range map[int64]Result{4: {Verdict: NotApplicable, Few: true}, 5: {Verdict: Met}} {
		d := Durations{Took: slices.Repeat([]int64{60}, int(n))}
		r, _ := d.Result(Mean, Lte, Ratio{60, 1}, 5)
		if r.Verdict != want.Verdict || r.Few != want.Few || r.Actual != (Ratio{60 * n, n}) {
			t.Errorf("of %d: %+v", n, r)
		}
	}
}

// Slices are bad as far as any minute in them is, for any of the parts.
func TestTogetherAgainstMinutes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		service := w.store.Service(w.all())
		var parts []Part
		var ahead []interval.Set
		for range rapid.IntRange(1, 3).Draw(t, "parts") {
			h := History{}
			for range rapid.IntRange(0, 6).Draw(t, "runs") {
				x := drawRun(t)
				x.Span = drawSpan(t, w, 3000, "run")
				h.Runs = append(h.Runs, x)
			}
			hours := service
			if rapid.Bool().Draw(t, "always") {
				hours = interval.Of(w.all())
			}
			out := drawSet(t, w, 2, 600, "excluded")
			tm := NewTime(w.period, w.version, interval.All(), hours, Excused{Removed: out}, w.until)
			whole := NewTime(w.period, w.version, interval.All(), hours, Excused{Removed: out}, interval.Max)
			ahead = append(ahead, whole.Counted.Subtract(tm.Counted))
			s := w.rules.Read(&h, tm.Service)
			parts = append(parts, Part{tm, &s})
		}
		long := rapid.SampledFrom([]int64{1, 5, 60, 1000}).Draw(t, "slice")
		since := w.at(rapid.IntRange(-500, 3000).Draw(t, "since"))
		got := Together(parts, since, long*minute)

		type slice struct{ counts, bad, unknown, comes bool }
		all := map[int64]slice{}
		for i := range w.minutes {
			at := w.at(i)
			k := int64(math.Floor(float64(at-since) / float64(long*minute)))
			s := all[k]
			for _, x := range ahead {
				s.comes = s.comes || x.Holds(at)
			}
			for _, p := range parts {
				if !p.Counted.Holds(at) {
					continue
				}
				s.counts = true
				s.bad = s.bad || p.Down.Holds(at)
				s.unknown = s.unknown || !p.Known.Holds(at) || p.Doubt.Holds(at)
			}
			all[k] = s
		}
		var want Slices
		for _, s := range all {
			switch {
			case !s.counts && s.comes:
				want.Ahead++
			case !s.counts:
			case s.bad:
				want.Bad++
			case s.unknown:
				want.Unknown++
			default:
				want.Good++
			}
		}
		if got != want {
			t.Fatalf("%+v, by minutes %+v", got, want)
		}
	})
}

func TestSlices(t *testing.T) {
	var s Slices
	for _, c := range []Counts{{Bad: 0, All: 100}, {Bad: 2, All: 100}, {Bad: 1, All: 99, Missing: 1}, {Bad: 99, All: 99}, {}} {
		s.Add(c, Lte, Ratio{1, 100}, 99)
	}
	if want := (Slices{Good: 1, Bad: 2, Unknown: 1}); s != want {
		t.Errorf("%+v, want %+v", s, want)
	}
	f := s.Figures(false)
	if r := f.Result(One / 4); r.Verdict != Met || r.Low != (Ratio{1, 4}) || r.High != (Ratio{2, 4}) || r.Actual != (Ratio{1, 3}) {
		t.Errorf("%+v", r)
	}
	s.Ahead = 4
	f = s.Figures(true)
	if a, b := f.Verdict(One/4*3), f.Verdict(One/4*3+1); a != AtRisk || b != Breached { // six of eight are the best that can be
		t.Errorf("%s, %s", a, b)
	}
}

// A fleet is weighted by counted time: as if all terminals were one after the other.
func TestFleet(t *testing.T) {
	a := Figures{Counted: 1000, Down: 100}
	b := Figures{Counted: 10, Unknown: 5, Down: 5}
	sum := a.Add(b)
	if got := sum.Availability(); got != (Ratio{900, 1005}) { // not the mean of 0.9 and 0
		t.Errorf("%v", got)
	}
	got := Figures{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, false}.Add(Figures{10, 20, 30, 40, 50, 60, 70, 80, 90, 100, true})
	if want := (Figures{11, 22, 33, 44, 55, 66, 77, 88, 99, 110, true}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestMix(t *testing.T) {
	whole := func(part, of int64) Result {
		x := Ratio{part, of}
		return Result{Actual: x, Raw: x, Low: x, High: x, Coverage: Ratio{1, 1}, Verdict: Met}
	}
	none := Result{Verdict: NotApplicable}
	parts := []Weighted{{whole(999, 1000), One}, {whole(2, 3), 3 * One}, {none, 5 * One}}
	if r := Mix(parts, 749_750_000, false); r.Actual != (Ratio{749_750_000, 1_000_000_000}) || r.Verdict != Met { // (0.999 + 3·2/3) / 4
		t.Errorf("%+v", r)
	}
	if r := Mix(parts, 749_750_001, false); r.Verdict != Breached {
		t.Errorf("%+v", r)
	}
	if r := Mix([]Weighted{{none, One}}, 0, false); r.Verdict != NotApplicable || r.Actual.OK() {
		t.Errorf("of nothing: %+v", r)
	}
	unknown := Figures{Counted: 10, Unknown: 10}
	if r := Mix([]Weighted{{unknown.Result(One / 2), One}}, One/2, false); r.Verdict != Undetermined {
		t.Errorf("of what nobody knows: %+v", r)
	}
}

// What comes to be known of events that were lost narrows the bounds: low never gets worse, high never better, and a verdict stands.
func TestKnowingMoreOfEventsNarrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := Counts{All: rapid.Int64Range(0, 200).Draw(t, "all"), Missing: rapid.Int64Range(1, 50).Draw(t, "missing")}
		before.Bad = rapid.Int64Range(0, before.All).Draw(t, "bad")
		after := before
		learned := rapid.Int64Range(1, before.Missing).Draw(t, "learned")
		after.All, after.Missing, after.Bad = after.All+learned, after.Missing-learned, after.Bad+rapid.Int64Range(0, learned).Draw(t, "of these bad")
		limit := Share(rapid.Int64Range(0, int64(One)).Draw(t, "limit"))
		least := rapid.Int64Range(0, 220).Draw(t, "least")
		for _, op := range []Op{Lte, Gte} {
			a, b := before.Rate(op, Ratio{int64(limit), int64(One)}, least, false), after.Rate(op, Ratio{int64(limit), int64(One)}, least, false)
			if op == Gte {
				a, b = before.Share(limit, least, false), after.Share(limit, least, false)
			}
			if op == Lte && (b.Low.Cmp(a.Low) > 0 || b.High.Cmp(a.High) < 0) || op == Gte && (b.Low.Cmp(a.Low) < 0 || b.High.Cmp(a.High) > 0) {
				t.Fatalf("%+v became %+v", a, b)
			}
			if a.Verdict != b.Verdict && a.Verdict != Undetermined {
				t.Fatalf("%s became %s", a.Verdict, b.Verdict)
			}
		}
	})
}
