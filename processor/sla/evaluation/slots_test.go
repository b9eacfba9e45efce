package evaluation

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/sla"
)

// tried are the facts of a store of which attempts at tills are known: of each its second, and whether it failed. gone are hours of which only the store's sums are kept.
func tried(s *Store, slot int64, attempts map[string]map[int64]bool, gone ...int64) *Store {
	out := &Store{ID: s.ID, Registered: s.Registered, Tills: map[string]*Till{}, Works: s.Works}
	add := func(p *[]Payments, at int64, failed bool) {
		hourOf := at - at%hour
		i, ok := slices.BinarySearchFunc(*p, hourOf, func(p Payments, at int64) int { return int(p.Hour - at) })
		if !ok {
			*p = slices.Insert(*p, i, Payments{Hour: hourOf})
		}
		if (*p)[i].Attempts++; failed {
			(*p)[i].Failed++
		}
	}
	for till, all := range attempts {
		t := &Till{}
		for _, at := range slices.Sorted(maps.Keys(all)) {
			add(&out.Payments, at, all[at])
			if slices.Contains(gone, at-at%hour) {
				continue
			}
			add(&t.Payments, at, all[at])
			if n := len(t.Tries); n == 0 || t.Tries[n-1].At != at-at%slot {
				t.Tries = append(t.Tries, Try{At: at - at%slot})
			}
			x := &t.Tries[len(t.Tries)-1]
			if x.Attempts++; all[at] {
				x.Failed++
			}
		}
		out.Tills[till] = t
	}
	return out
}

const sliced = `{` + allDay + `,"measurement":{"min_events":2},"exclusions":[{"kind":"planned_maintenance","effect":"remove"}],"objectives":[
	{"name":"till","indicator":"payment_failures","per":"terminal","op":"lte","value":"0.5","min_events":1},
	{"name":"slices","indicator":"payment_failures","per":"terminal","budgeting":"timeslices","slice":"10m","op":"lt","value":"0.5","target":"0.75"},
	{"name":"store","indicator":"payment_failures","per":"store","budgeting":"timeslices","slice":"10m","op":"lt","value":"0.5","target":"0.75"},
	{"name":"all","indicator":"payment_failures","per":"customer","budgeting":"timeslices","slice":"10m","op":"lt","value":"0.5","target":"0.75"}]}`

// tellEvents are lines about events in short, with their evidence.
func tellEvents(t *testing.T, c *Contract, at int64, s ...*Store) (out []string) {
	for _, l := range lines(t, c, "2026-03-01", at, nil, s...)[0] {
		r := &l.Result
		out = append(out, fmt.Sprintf("%s %s: %d/%d, %d/%d to %d/%d, %s of %d, %s", l.Objective.Name, l.Scope.Name, r.Actual.Part, r.Actual.Of, r.Low.Part, r.Low.Of, r.High.Part, r.High.Of, r.Verdict, l.Events, l.Why))
		for _, e := range l.Evidence {
			when := ""
			if e.Kind == "slice" {
				when = fmt.Sprintf(" at %d min", (e.From-l.Span.From)/minute)
			}
			out = append(out, fmt.Sprintf("  %s %d %s%s", e.Decision, e.CountedEvents, e.Note, when))
		}
	}
	return out
}

// By hand: t1 fails once of two between 1:00 and 1:10, and not of two at 1:10; t2 fails once at 1:09:59, and once of two while the store is maintained.
func TestSlicesOfPayments(t *testing.T) {
	day1, at := utc(t, "2026-03-01"), utc(t, "2026-03-02")
	c := contractOf(t, sliced)
	if w := c.Over(interval.Span{From: day1, To: at})[0][0].Wants(); w.Slot != 10*minute || !w.Payments || !w.Tills {
		t.Errorf("wants %+v", w)
	}
	plain := &Store{ID: "s1", Registered: store(t, "s1", twoTills), Works: []Work{{Ref: "w", Spans: interval.Of(interval.Span{From: day1 + 10*hour, To: day1 + 11*hour}), NoticeAt: 1, ApprovedBy: "ann"}}}
	attempts := map[string]map[int64]bool{
		"t1": {day1 + hour: false, day1 + hour + 9*minute: true, day1 + hour + 10*minute: false, day1 + hour + 11*minute: false},
		"t2": {day1 + hour + 10*minute - 1000: true, day1 + 10*hour: true, day1 + 10*hour + 1000: false},
	}
	const part = 10 * minute
	of := func(good, all int64) string { return fmt.Sprintf("%d/%d", good*part, all*part) }
	want := []string{
		"all acme: " + of(1, 2) + ", " + of(1, 2) + " to " + of(1, 2) + ", breached of 5, ", "  counted 2 2 of 3 failed at 60 min", "  removed 1 1 of 2 failed at 600 min",
		"slices t1: " + of(1, 2) + ", " + of(1, 2) + " to " + of(1, 2) + ", breached of 4, ", "  counted 1 1 of 2 failed at 60 min",
		"slices t2: 0/0, 0/0 to 0/0, not_applicable of 1, 1 events; fewer than 2 (min_events) are no ground for a verdict", "  removed 1 1 of 2 failed at 600 min",
		"store s1: " + of(1, 2) + ", " + of(1, 2) + " to " + of(1, 2) + ", breached of 5, ", "  counted 2 2 of 3 failed at 60 min", "  removed 1 1 of 2 failed at 600 min",
		"till t1: 1/4, 1/4 to 1/4, met of 4, ", "  counted 1 of 4 failed",
		"till t2: 1/1, 1/1 to 1/1, breached of 1, ", "  counted 1 of 1 failed", "  removed 2 in hours that are excluded",
	}
	got := tellEvents(t, c, at, tried(plain, part, attempts))
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// What comes out is what counting every attempt again comes to, slice by slice; and of what is not kept, whatever it was, the truth is between the bounds and a verdict
// that is one does not change: better data never lower low, nor raise high.
func TestSlicesAgainstCounting(t *testing.T) {
	day1, at := utc(t, "2026-03-01"), utc(t, "2026-03-02")
	c := contractOf(t, sliced)
	registered := store(t, "s1", twoTills)
	rapid.Check(t, func(r *rapid.T) {
		attempts := map[string]map[int64]bool{"t1": {}, "t2": {}}
		for range rapid.IntRange(0, 40).Draw(r, "n") {
			x := day1 + rapid.Int64Range(0, 3).Draw(r, "hour")*hour + rapid.Int64Range(0, 30).Draw(r, "of two minutes")*2*minute
			attempts[rapid.SampledFrom([]string{"t1", "t2"}).Draw(r, "till")][min(x, at-1000)] = rapid.Bool().Draw(r, "failed")
		}
		plain := &Store{ID: "s1", Registered: registered}
		excluded := interval.Span{}
		if rapid.Bool().Draw(r, "maintained") {
			excluded = interval.Span{From: day1 + 50*minute, To: day1 + 100*minute}
			plain.Works = []Work{{Ref: "w", Spans: interval.Of(excluded), NoticeAt: 1, ApprovedBy: "ann"}}
		}
		var gone []int64
		if rapid.Bool().Draw(r, "gone") {
			gone = []int64{day1 + rapid.Int64Range(0, 3).Draw(r, "which")*hour}
		}
		all := lines(t, c, "2026-03-01", at, nil, tried(plain, 10*minute, attempts))[0]
		known := map[string]*Line{}
		for _, l := range lines(t, c, "2026-03-01", at, nil, tried(plain, 10*minute, attempts, gone...))[0] {
			known[l.Objective.Name+l.Scope.Name] = l
		}
		for _, l := range all {
			var good, bad int64
			tills := []string{"t1", "t2"}
			if l.Scope.Kind == "terminal" {
				tills = []string{l.Scope.Name}
			}
			if l.Objective.Name == "till" { // a rate, by hours: one that lies whole in what is excluded does not count
				var failed, n int64
				for x, f := range attempts[l.Scope.Name] {
					if h := x - x%hour; excluded.From <= h && h+hour <= excluded.To {
						continue
					}
					if n++; f {
						failed++
					}
				}
				if l.Result.Actual != (sla.Ratio{Part: failed, Of: n}) {
					r.Fatalf("%s: %v, counted %d of %d", l.Scope.Name, l.Result.Actual, failed, n)
				}
			} else {
				for x := day1; x < at; x += 10 * minute {
					var failed, n int64
					for _, id := range tills {
						for y := x; y < x+10*minute; y += 1000 {
							if f, tried := attempts[id][y]; tried {
								if n++; f {
									failed++
								}
							}
						}
					}
					switch {
					case n < 2, excluded.From <= x && x+10*minute <= excluded.To:
					case 2*failed < n:
						good++
					default:
						bad++
					}
				}
				if l.Result.Actual != (sla.Ratio{Part: good * 10 * minute, Of: (good + bad) * 10 * minute}) {
					r.Fatalf("%s %s: %v, counted %d good and %d bad", l.Objective.Name, l.Scope.Name, l.Result.Actual, good, bad)
				}
			}
			k := known[l.Objective.Name+l.Scope.Name]
			truth, told := &l.Result, &k.Result
			better := func(a, b sla.Ratio) bool { // a than b
				return a.OK() && b.OK() && a.Cmp(b) == map[bool]int{true: -1, false: 1}[l.Objective.Name == "till"]
			}
			for _, x := range []sla.Ratio{told.Actual, truth.Actual} {
				if better(told.Low, x) || better(x, told.High) {
					r.Fatalf("%s %s: %v is not within low %v and high %v", k.Objective.Name, k.Scope.Name, x, told.Low, told.High)
				}
			}
			if v := told.Verdict; truth.Verdict != sla.NotApplicable && (v == sla.Met || v == sla.Breached) && v != truth.Verdict {
				r.Fatalf("%s %s: %s, but knowing all %s", k.Objective.Name, k.Scope.Name, v, truth.Verdict)
			}
			if len(gone) == 0 && told.Verdict != truth.Verdict {
				r.Fatalf("%s %s: %s and %s", k.Objective.Name, k.Scope.Name, told.Verdict, truth.Verdict)
			}
		}
	})
}
