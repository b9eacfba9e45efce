package sla

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/interval"
)

// before is so many minutes before something.
func before(minutes int64) func(int64) int64 {
	return func(begins int64) int64 { return begins - minutes*minute }
}

// What becomes of claims on a day of 09:00 to 20:00 (540 to 1200), told as "REF decision from-to counted note".
func TestExclude(t *testing.T) {
	day := Calendar{Day, time.UTC}
	hours := interval.Of(mins(540, 1200), mins(1440+540, 1440+1200))
	planned := Exclusion{Text: "planned", Kind: "planned_maintenance", Notice: before(60)}
	capped := Exclusion{Text: "capped", Kind: "planned_maintenance", Cap: 100 * minute, Per: day}
	night := Exclusion{Text: "night", Kind: "planned_maintenance", Within: interval.Of(mins(1100, 1500))}
	claim := func(ref string, noticed int64, spans ...interval.Span) Claim {
		return Claim{Ref: ref, Kind: "planned_maintenance", NoticeAt: noticed * minute, Spans: interval.Of(spans...)}
	}
	for name, c := range map[string]struct {
		rules   []Exclusion
		claims  []Claim
		removed interval.Set
		want    string
	}{
		"announced in time": {
			[]Exclusion{planned},
			[]Claim{claim("m1", 540, mins(600, 660))},
			interval.Of(mins(600, 660)), "m1 planned removed 600-660 60",
		},
		"announced too late: it counts": {
			[]Exclusion{planned},
			[]Claim{claim("m1", 541, mins(600, 660))},
			nil, "m1 planned not_removed 600-660 60 (notice was given only 59m0s before)",
		},
		"never announced": {
			[]Exclusion{planned},
			[]Claim{claim("m1", 0, mins(600, 660))},
			nil, "m1 planned not_removed 600-660 60 (no notice was given)",
		},
		"one that lasts beyond closing time removes hours only": {
			[]Exclusion{planned},
			[]Claim{claim("m1", 1, mins(1140, 1440+570))},
			interval.Of(mins(1140, 1200), mins(1440+540, 1440+570)), "m1 planned removed 1140-2010 90",
		},
		"above the cap": {
			[]Exclusion{capped},
			[]Claim{claim("m1", 0, mins(600, 720))},
			interval.Of(mins(600, 700)), "m1 capped removed 600-700 100, m1 capped not_removed 700-720 20 (above the cap)",
		},
		"time out of hours costs nothing of the cap": {
			[]Exclusion{capped},
			[]Claim{claim("m1", 0, mins(100, 600)), claim("m2", 0, mins(700, 740))},
			interval.Of(mins(540, 600), mins(700, 740)), "m1 capped removed 540-600 60, m2 capped removed 700-740 40",
		},
		"the cap is spent by start time, and begins anew the next day": {
			[]Exclusion{capped},
			[]Claim{claim("m2", 0, mins(800, 900)), claim("m1", 0, mins(700, 760), mins(1440+700, 1440+790))},
			interval.Of(mins(700, 760), mins(800, 840), mins(2140, 2230)),
			"m1 capped removed 700-760 60, m2 capped removed 800-840 40, m1 capped removed 2140-2230 90, m2 capped not_removed 840-900 60 (above the cap)",
		},
		"overlapping: the cap is spent once": {
			[]Exclusion{capped},
			[]Claim{claim("m1", 0, mins(600, 660)), claim("m2", 0, mins(630, 720))},
			interval.Of(mins(600, 700)),
			"m1 capped removed 600-660 60, m2 capped removed 630-700 40 (overlaps what is excused already), m2 capped not_removed 700-720 20 (above the cap)",
		},
		"outside its window": {
			[]Exclusion{night},
			[]Claim{claim("m1", 0, mins(1080, 1200))},
			interval.Of(mins(1100, 1200)), "m1 night removed 1100-1200 100, m1 night not_removed 1080-1100 20 (outside the window)",
		},
		"inside its window, and above the cap": {
			[]Exclusion{{Text: "both", Kind: "planned_maintenance", Within: interval.Of(mins(600, 800)), Cap: 50 * minute, Per: day}},
			[]Claim{claim("m1", 0, mins(600, 660))},
			interval.Of(mins(600, 650)), "m1 both removed 600-650 50, m1 both not_removed 650-660 10 (above the cap)",
		},
		"what one rule leaves another may take": {
			[]Exclusion{night, capped},
			[]Claim{claim("m1", 0, mins(900, 1200))},
			interval.Of(mins(900, 1000), mins(1100, 1200)),
			"m1 night removed 1100-1200 100, m1 capped removed 900-1000 100, m1 capped not_removed 1000-1100 100 (outside the window; above the cap)",
		},
		"force majeure that one party approved": {
			[]Exclusion{{Text: "force", Kind: "force_majeure", Approval: ByProvider | ByCustomer}},
			[]Claim{{Ref: "f", Kind: "force_majeure", Spans: interval.Of(mins(600, 610)), Approved: ByProvider}},
			nil, "f force not_removed 600-610 10 (not approved by the customer)",
		},
		"and that both did": {
			[]Exclusion{{Text: "force", Kind: "force_majeure", Approval: ByProvider | ByCustomer}},
			[]Claim{{Ref: "f", Kind: "force_majeure", Spans: interval.Of(mins(600, 610)), Approved: ByProvider | ByCustomer, DecidedBy: "a.dupont"}},
			interval.Of(mins(600, 610)), "f force removed 600-610 10",
		},
		"a third party, but one of the provider's own": {
			[]Exclusion{{Text: "third", Party: "third_party", Except: []string{"telco-x"}}},
			[]Claim{
				{Ref: "o1", Party: "third_party", Supplier: "telco-x", Spans: interval.Of(mins(600, 610))},
				{Ref: "o2", Party: "third_party", Supplier: "telco-y", Spans: interval.Of(mins(620, 630))},
				{Ref: "o3", Party: "provider", Spans: interval.Of(mins(640, 650))},
			},
			interval.Of(mins(620, 630)), "o2 third removed 620-630 10",
		},
		"what another rule took already costs nothing of the cap": {
			[]Exclusion{{Text: "urgent", Kind: "urgent"}, {Text: "capped", Kind: "planned_maintenance", Cap: 10 * minute, Per: day}},
			[]Claim{{Ref: "u", Kind: "urgent", Spans: interval.Of(mins(600, 610))}, claim("m1", 0, mins(605, 625))},
			interval.Of(mins(600, 620)),
			"u urgent removed 600-610 10, m1 capped removed 605-620 10 (overlaps what is excused already), m1 capped not_removed 620-625 5 (above the cap)",
		},
		"it counts as up": {
			[]Exclusion{{Text: "up", Kind: "urgent", Up: true}},
			[]Claim{{Ref: "u", Kind: "urgent", Spans: interval.Of(mins(600, 610))}},
			interval.Of(mins(600, 610)), "u up counted_as_up 600-610 10",
		},
		"no rule is about it": {
			[]Exclusion{planned},
			[]Claim{{Ref: "u", Kind: "urgent", Spans: interval.Of(mins(600, 610))}},
			nil, "u  not_removed 600-610 10 (no rule is about it)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			done, rows := Exclude(c.rules, c.claims, hours, mins(0, 2880))
			removed := done.Removed.Union(done.Up)
			if fmt.Sprint(removed) != fmt.Sprint(c.removed) {
				t.Errorf("removed %v, want %v", removed, c.removed)
			}
			var said []string
			for _, r := range rows {
				s := fmt.Sprintf("%s %s %s %d-%d %d", r.Ref, r.Rule, r.Decision, r.From/minute, r.To/minute, r.CountedMS/minute)
				if r.Note != "" {
					s += " (" + r.Note + ")"
				}
				said = append(said, s)
			}
			if got := strings.Join(said, ", "); got != c.want {
				t.Errorf("said %s\nwant %s", got, c.want)
			}
		})
	}
}

// Exclusions agree with deciding minute by minute, in time order; the evidence adds up to what is removed, in whole and in parts of the time.
func TestExcludeAgainstMinutes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		zone := w.store.Zone(w.start)
		kinds := rapid.SampledFrom([]string{"planned", "urgent", ""})
		parties := rapid.SampledFrom([]string{"customer", "third_party", ""})
		signed := rapid.SampledFrom([]Signature{0, ByProvider, ByProvider | ByCustomer})
		rules := make([]Exclusion, rapid.IntRange(0, 3).Draw(t, "rules"))
		for i := range rules {
			rules[i] = Exclusion{
				Up:   rapid.IntRange(0, 3).Draw(t, "up") == 0,
				Kind: kinds.Draw(t, "kind"), Party: parties.Draw(t, "party"), Approval: signed.Draw(t, "approval"),
				Notice: rapid.SampledFrom([]func(int64) int64{nil, before(60)}).Draw(t, "notice"),
				Cap:    rapid.SampledFrom([]int64{0, 30, 300}).Draw(t, "cap") * minute,
				Per:    Calendar{rapid.SampledFrom([]Unit{Day, Week, Month}).Draw(t, "per"), zone},
			}
			if rapid.Bool().Draw(t, "windows") {
				rules[i].Within = append(interval.Set{}, drawSet(t, w, 3, 2000, "within")...)
			}
		}
		from := rapid.IntRange(0, 5000).Draw(t, "busy from")
		busy := rapid.Custom(func(t *rapid.T) interval.Set { // so that they overlap
			a, b := rapid.IntRange(from, from+800).Draw(t, "from"), rapid.IntRange(1, 700).Draw(t, "long")
			return interval.Of(w.span(a, a+b), drawSpan(t, w, 700, "elsewhere"))
		})
		claims := make([]Claim, rapid.IntRange(0, 5).Draw(t, "claims"))
		for i := range claims {
			claims[i] = Claim{
				Kind: kinds.Draw(t, "kind"), Party: parties.Draw(t, "party"), Approved: signed.Draw(t, "approved"),
				Spans: busy.Draw(t, "spans"), NoticeAt: rapid.SampledFrom([]int64{0, w.start, w.at(4000)}).Draw(t, "notice at"),
			}
		}
		promised := w.life.Intersect(w.store.Service(w.all()))
		done, rows := Exclude(rules, claims, promised, w.period)

		gone, up := make([]bool, w.minutes), make([]bool, w.minutes)
		for r := range rules {
			e := &rules[r]
			spent := map[interval.Span]int64{}
			for i := range gone {
				at := w.at(i)
				ok := false
				for c := range claims {
					x := &claims[c]
					if e.Kind != "" && e.Kind != x.Kind || e.Party != "" && e.Party != x.Party || e.Approval&^x.Approved != 0 {
						continue
					}
					for _, s := range x.Spans {
						noticed := e.Notice == nil || x.NoticeAt != 0 && s.From-x.NoticeAt >= 60*minute
						ok = ok || s.From <= at && at < s.To && noticed
					}
				}
				if ok = ok && !gone[i] && promised.Holds(at) && (e.Within == nil || e.Within.Holds(at)); !ok {
					continue
				}
				p := e.Per.At(at)
				if e.Cap == 0 || spent[p] < e.Cap {
					gone[i], up[i] = true, e.Up
					spent[p] += minute
				}
			}
		}
		for i := range gone {
			if done.Removed.Holds(w.at(i)) != (gone[i] && !up[i]) || done.Up.Holds(w.at(i)) != up[i] {
				t.Fatalf("minute %d is removed: %v\n%+v\n%+v", i, !gone[i], rules, claims)
			}
		}
		told := map[Decision]int64{}
		for _, r := range rows {
			told[r.Decision] += r.CountedMS
		}
		if told[Removed] != done.Removed.Overlap(w.period) || told[Forgiven] != done.Up.Overlap(w.period) {
			t.Fatalf("evidence for %v ms of %v", told, done)
		}
		cut := w.period.From + (w.period.To-w.period.From)/3
		a, _ := Exclude(rules, claims, promised, interval.Span{From: w.period.From, To: cut})
		if fmt.Sprint(a) != fmt.Sprint(done) {
			t.Fatal("what is removed depends on the period that is looked at")
		}
	})
}
