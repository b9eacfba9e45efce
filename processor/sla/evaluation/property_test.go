package evaluation

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/sla"
)

// drawn is a day of a store of two tills: what they were, whose their outages are, and what was announced.
func drawn(r *rapid.T, s *Store, day1 int64) *Store {
	out := &Store{ID: s.ID, Registered: s.Registered, Runs: map[string][]sla.Run{}}
	hourOf := func(label string, to int) int64 { return int64(rapid.IntRange(0, to).Draw(r, label)) * hour }
	for _, id := range []string{"t1", "t2"} {
		for at := day1; at < day1+day; {
			to := min(at+hour+hourOf("long", 8), day1+day)
			status := rapid.SampledFrom([]sla.Status{sla.Unknown, sla.Up, sla.Up, sla.Down, sla.Silent}).Draw(r, "status")
			if status != sla.Unknown {
				out.Runs[id] = append(out.Runs[id], run(status, at, to))
			}
			if status == sla.Down && rapid.Bool().Draw(r, "whose is known") {
				out.Outages = append(out.Outages, Outage{
					Span: interval.Span{From: at, To: to}, Ref: fmt.Sprint(id, at), Terminal: id,
					Party: rapid.SampledFrom([]string{"customer", "third_party", "provider"}).Draw(r, "party"), Supplier: rapid.SampledFrom([]string{"", "telco-x"}).Draw(r, "supplier"),
				})
			}
			at = to
		}
	}
	for i := range rapid.IntRange(0, 3).Draw(r, "works") {
		from := day1 + hourOf("from", 20)
		out.Works = append(out.Works, Work{
			Ref: fmt.Sprint("w", i), Kind: rapid.SampledFrom([]string{"planned", "urgent"}).Draw(r, "kind"), Spans: interval.Of(interval.Span{From: from, To: from + hour + hourOf("lasts", 4)}),
			NoticeAt: from - hourOf("notice", 6) - 1, ApprovedBy: rapid.SampledFrom([]string{"", "ann", "provider"}).Draw(r, "by"),
		})
	}
	return out
}

// An agreement with more exclusions counts less time, or the same, of every scope: whatever they are, in whatever order, with whatever caps.
func TestExcludingMoreNeverCountsMore(t *testing.T) {
	rules := []string{
		`{"kind":"planned_maintenance","effect":"remove","notice":"2h","cap":"3h/day"}`, `{"kind":"urgent_maintenance","effect":"remove","approval":"customer"}`,
		`{"party":"customer","effect":"remove"}`, `{"party":"third_party","except":["telco-x"],"effect":"remove","name":"a"}`,
		`{"name":"b","kind":"planned_maintenance","effect":"remove","within":[{"rrule":"FREQ=DAILY;BYHOUR=2","duration":"5h"}]}`,
	}
	text := func(some []string) *Contract {
		return contractOf(t, `{`+allDay+`,"measurement":{"silence":{"first":"unknown","after":"30m","then":"down"}},"exclusions":[`+strings.Join(some, ",")+`],"objectives":[
			{"name":"till","indicator":"uptime","per":"terminal","target":"0.9"},{"name":"q","indicator":"store_quorum","per":"store","target":"0.9"}]}`)
	}
	all := map[int]*Contract{}
	of := func(mask int) *Contract {
		if all[mask] == nil {
			var some []string
			for i, x := range rules {
				if mask&(1<<i) != 0 {
					some = append(some, x)
				}
			}
			all[mask] = text(some)
		}
		return all[mask]
	}
	day1 := utc(t, "2026-03-01")
	s := &Store{ID: "s1", Registered: store(t, "s1", twoTills)}
	rapid.Check(t, func(r *rapid.T) {
		world := drawn(r, s, day1)
		few := rapid.IntRange(0, 31).Draw(r, "few")
		more := few | rapid.IntRange(0, 31).Draw(r, "more")
		a, b := lines(t, of(few), "2026-03-01", day1+day, nil, world)[0], lines(t, of(more), "2026-03-01", day1+day, nil, world)[0]
		for i := range a {
			x, y := a[i].Figures, b[i].Figures
			if y.Counted > x.Counted || y.Excluded < x.Excluded || y.Down > x.Down || y.Unknown > x.Unknown || y.Committed != x.Committed || y.RawDown != x.RawDown {
				r.Fatalf("%s %s: %+v, with more exclusions %+v", a[i].Objective.Name, a[i].Scope.Name, x, y)
			}
			for _, l := range []*Line{a[i], b[i]} {
				if f := &l.Figures; f.Counted > f.Unknown && (f.Low().Cmp(f.Availability()) > 0 || f.Availability().Cmp(f.High()) > 0) {
					r.Fatalf("low %v, actual %v, high %v", f.Low(), f.Availability(), f.High())
				}
			}
		}
	})
}

// All credits of a period are at most what is at risk, whatever happened and whatever came before; none is more than is due; and publishing the same again publishes nothing.
func TestCreditsStayBelowTheirCaps(t *testing.T) {
	c := contractOf(t, `{`+allDay+`,"measurement":{"low_evidence":"provider","silence":{"first":"unknown"},"late_data":{"accept":"1h","close_after":"2h","restate":{"until":"30d"}}},
		"objectives":[{"name":"till","indicator":"uptime","per":"terminal","target":"0.99"},{"name":"q","indicator":"store_quorum","per":"store","target":"0.99"},{"name":"all","indicator":"uptime","per":"customer","target":"0.999"}],
		"remedies":{"base":{"amount":9999,"currency":"EUR","per":"day"},"at_risk":"0.333","repeat":{"times":2,"within":"9d","multiply":"7.5"},
			"credits":[{"objective":"till","per":"scope_fee","tiers":[{"below":"0.99","credit":"0.3"},{"below":"0.5","credit":"1"}]},{"objective":"q","fixed":700,"each":"outage","cap":2},{"objective":"all","tiers":[{"below":"0.999","credit":"0.9"}]}]}}`)
	day1 := utc(t, "2026-03-01")
	s := &Store{ID: "s1", Registered: store(t, "s1", twoTills)}
	rapid.Check(t, func(r *rapid.T) {
		world := drawn(r, s, day1)
		breached := rapid.Bool().Draw(r, "breached before")
		history := func(string, Scope) []Past {
			if !breached {
				return nil
			}
			return []Past{{Period: interval.Span{From: day1 - day, To: day1}, Verdict: sla.Breached, Final: true}}
		}
		paid := int64(0)
		for _, l := range slices.Concat(lines(t, c, "2026-03-01", day1+day, history, world)...) {
			paid += l.Credit
			most := map[string]int64{"till": 9999 / 2, "q": 1400, "all": 9999}[l.Objective.Name]
			if l.Credit < 0 || l.Credit > l.Due || l.Due > most {
				r.Fatalf("%s %s: %d of %d, at most %d", l.Objective.Name, l.Scope.Name, l.Credit, l.Due, most)
			}
			first, _ := l.Publish(nil, day1+day+1)
			published := first.Published()
			for _, at := range []int64{day1 + day + 2, day1 + day + hour, day1 + day + 2*hour, day1 + 3*day, day1 + 60*day} {
				x, ok := l.Publish(published, at)
				if ok && (x.Stage == sla.Restated || x.Statement.Result != l.Result || x.Statement.Credit != l.Credit) {
					r.Fatalf("the same data came to %+v", x.Statement)
				}
				if ok {
					published = x.Published()
				}
			}
		}
		if paid > 9999*333/1000 {
			r.Fatalf("%d of %d at risk", paid, 9999*333/1000)
		}
	})
}
