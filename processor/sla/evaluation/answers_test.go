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

// answered are the payments of an hour as a table with exact counts has them, of answers that took so many ms; of lost ones the value is not kept.
func answered(at int64, limits []int64, lost int64, took ...int64) Payments {
	p := Payments{Hour: at, Attempts: int64(len(took)) + lost, AuthN: int64(len(took)) + lost, Counted: int64(len(took))}
	for _, most := range limits {
		n := int64(0)
		for _, ms := range took {
			if ms <= most {
				n++
			}
		}
		p.Within = append(p.Within, n)
	}
	return p
}

const answers = `{` + allDay + `,"measurement":{"min_events":3},"objectives":[
	{"name":"below","indicator":"authorisation_ms","statistic":"share_below","value":"1500","target":"0.75","per":"customer"},
	{"name":"at-most","indicator":"authorisation_ms","statistic":"share_below","op":"lte","value":"1500","target":"0.75","per":"store"},
	{"name":"half","indicator":"authorisation_ms","statistic":"p50","op":"lte","value":"1200.5","per":"service"},
	{"name":"most","indicator":"authorisation_ms","statistic":"p90","op":"lt","value":"1200.5","per":"customer"}]}`

// One of exactly the value is not below it, and is at most it; what is not kept may have been in time, or not.
func TestShareOfAnswers(t *testing.T) {
	c := contractOf(t, answers)
	day1, at := utc(t, "2026-03-01"), utc(t, "2026-03-02")
	limits := c.Over(interval.Span{From: day1, To: at})[0][0].Limits()
	slices.Sort(limits)
	if d := cmp.Diff([]int64{1200, 1200, 1499, 1500}, limits); d != "" {
		t.Fatal(d)
	}
	limits = slices.Compact(limits)
	tell := func(payments ...Payments) (out []string) {
		s := &Store{ID: "s1", Registered: store(t, "s1", twoTills), Payments: payments, Limits: limits}
		for _, l := range lines(t, c, "2026-03-01", at, nil, s)[0] {
			r := &l.Result
			out = append(out, fmt.Sprintf("%s %s: %d/%d, %d/%d to %d/%d, %s of %d, %s", l.Objective.Name, l.Scope.Name, r.Actual.Part, r.Actual.Of, r.Low.Part, r.Low.Of, r.High.Part, r.High.Of, r.Verdict, l.Events, l.Why))
			for _, e := range l.Evidence {
				out = append(out, fmt.Sprintf("  %s %d %s", e.Decision, e.CountedEvents, e.Note))
			}
		}
		return out
	}
	for name, x := range map[string]struct {
		payments []Payments
		want     []string
	}{
		"one is exactly what was promised": {[]Payments{answered(day1, limits, 0, 100, 1200), answered(day1+hour, limits, 0, 1500, 1501)}, []string{
			"at-most s1: 3/4, 3/4 to 3/4, met of 4, ", "  counted 1 of 4 took more than 1500 ms",
			"below acme: 2/4, 2/4 to 2/4, breached of 4, ", "  counted 2 of 4 took more than 1499 ms",
			"half payment: 2/4, 2/4 to 2/4, met of 4, ", "  counted 2 of 4 took more than 1200 ms",
			"half till: 2/4, 2/4 to 2/4, met of 4, ", "  counted 2 of 4 took more than 1200 ms",
			"most acme: 2/4, 2/4 to 2/4, breached of 4, ", "  counted 2 of 4 took more than 1200 ms",
		}},
		"before counts were kept": {[]Payments{answered(day1, limits, 4)}, []string{
			"at-most s1: 0/0, 0/4 to 4/4, undetermined of 0, ", "  unknown 4 of these it is not kept how long they took",
			"below acme: 0/0, 0/4 to 4/4, undetermined of 0, ", "  unknown 4 of these it is not kept how long they took",
			"half payment: 0/0, 0/4 to 4/4, undetermined of 0, ", "  unknown 4 of these it is not kept how long they took",
			"half till: 0/0, 0/4 to 4/4, undetermined of 0, ", "  unknown 4 of these it is not kept how long they took",
			"most acme: 0/0, 0/4 to 4/4, undetermined of 0, ", "  unknown 4 of these it is not kept how long they took",
		}},
		"too few": {[]Payments{answered(day1, limits, 0, 100, 100)}, []string{
			"at-most s1: 2/2, 2/2 to 2/2, not_applicable of 2, 2 events; fewer than 3 (min_events) are no ground for a verdict",
			"below acme: 2/2, 2/2 to 2/2, not_applicable of 2, 2 events; fewer than 3 (min_events) are no ground for a verdict",
			"half payment: 2/2, 2/2 to 2/2, not_applicable of 2, 2 events; fewer than 3 (min_events) are no ground for a verdict",
			"half till: 2/2, 2/2 to 2/2, not_applicable of 2, 2 events; fewer than 3 (min_events) are no ground for a verdict",
			"most acme: 2/2, 2/2 to 2/2, not_applicable of 2, 2 events; fewer than 3 (min_events) are no ground for a verdict",
		}},
	} {
		if d := cmp.Diff(x.want, tell(x.payments...)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// A percentile by counts says what sorting all answers says; of a part of which the values were lost, every way they may have been lies between the bounds.
func TestPercentileAgainstSorting(t *testing.T) {
	c := contractOf(t, answers)
	day1, at := utc(t, "2026-03-01"), utc(t, "2026-03-02")
	limits := []int64{1200, 1499, 1500}
	registered := store(t, "s1", twoTills)
	rapid.Check(t, func(r *rapid.T) {
		ms := rapid.SliceOfN(rapid.OneOf(rapid.Int64Range(1190, 1210), rapid.Int64Range(0, 3000)), 3, 40)
		known, lost := ms.Draw(r, "known"), rapid.SliceOfN(rapid.Int64Range(0, 3000), 0, 5).Draw(r, "lost")
		s := &Store{ID: "s1", Registered: registered, Payments: []Payments{answered(day1, limits, int64(len(lost)), known...)}, Limits: limits}
		all := slices.Sorted(slices.Values(slices.Concat(known, lost)))
		kept := float64(all[(90*len(all)+99)/100-1]) < 1200.5 // by nearest rank
		for _, l := range lines(t, c, "2026-03-01", at, nil, s)[0] {
			if l.Objective.Name != "most" {
				continue
			}
			switch v := l.Result.Verdict; {
			case v == sla.Undetermined && len(lost) > 0:
			case (v == sla.Met) != kept || v != sla.Met && v != sla.Breached:
				r.Fatalf("%s, but kept: %v", v, kept)
			}
		}
	})
}
