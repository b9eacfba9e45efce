package evaluation

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/sla"
)

// Answers of tills: t1 took 100 ms three times and 900 once, t2 took 200 ms once and said nothing in an hour of which only a mean is kept.
func TestAnswersOfTills(t *testing.T) {
	c := contractOf(t, `{`+allDay+`,"objectives":[
		{"name":"below","indicator":"response_ms","statistic":"share_below","value":"900","target":"0.75","per":"terminal"},
		{"name":"mean","indicator":"response_ms","statistic":"mean","op":"lte","value":"300","per":"terminal"},
		{"name":"most","indicator":"response_ms","statistic":"p90","op":"lte","value":"899","per":"store"}]}`)
	day1, at := utc(t, "2026-03-01"), utc(t, "2026-03-02")
	limits := []int64{899}
	if w := c.Over(interval.Span{From: day1, To: at})[0][0].Wants(); !w.Responses || w.Payments || w.Tills || w.Slot != 0 {
		t.Errorf("wants %+v", w)
	}
	told := func(took ...int64) Payments {
		p := answered(day1, limits, 0, took...)
		for _, ms := range took {
			p.AuthMS += ms
		}
		return p
	}
	s := &Store{ID: "s1", Registered: store(t, "s1", twoTills), Limits: limits, Tills: map[string]*Till{
		"t1": {Responses: []Payments{told(100, 100, 100, 900)}},
		"t2": {Responses: []Payments{told(200), {Hour: day1 + hour, Lost: 3, Within: []int64{0}}}},
	}}
	want := []string{
		"below t1: 3/4, 3/4 to 3/4, met of 4, ", "  counted 1 of 4 took more than 899 ms",
		"below t2: 1/1, 1/4 to 4/4, undetermined of 1, ", "  unknown 3 of these it is not kept how long they took",
		"mean t1: 1200/4, 1200/4 to 1200/4, met of 4, ",
		"mean t2: 200/1, 9223372036854775807/1 to 200/4, undetermined of 1, ",
		"most s1: 4/5, 4/8 to 7/8, breached of 5, ", "  counted 1 of 5 took more than 899 ms", "  unknown 3 of these it is not kept how long they took",
	}
	if d := cmp.Diff(want, tellEvents(t, c, at, s)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// A day by hand. t1 reports every two minutes but from 6:00 to 6:08 and from 12:00 to 18:00, and took no cards from 9:00 to 10:00; the registry says that a report holds 5 min. With a
// timeout of 3 min it is silent from 6:03 on, for 5 min, and from 12:03; with one of 10 min not at all at six, and from 12:10.
func TestTimeoutAndCardsOfAnAgreement(t *testing.T) {
	day1, at := utc(t, "2026-03-01"), utc(t, "2026-03-02")
	min := func(h, m int64) int64 { return day1 + h*hour + m*minute }
	cardless := sla.Run{Span: interval.Span{From: min(9, 0), To: min(10, 0)}, Status: sla.Degraded, Lost: sla.Card}
	s := &Store{
		ID: "s1", Registered: store(t, "s1", twoTills),
		Runs: map[string][]sla.Run{"t1": {
			run(sla.Up, day1, min(6, 5)), run(sla.Silent, min(6, 5), min(6, 8)), run(sla.Up, min(6, 8), min(9, 0)), cardless,
			run(sla.Up, min(10, 0), min(12, 5)), run(sla.Silent, min(12, 5), min(18, 0)), run(sla.Up, min(18, 0), at),
		}},
		Tills: map[string]*Till{"t1": {Unheard: []interval.Span{{From: min(6, 0), To: min(6, 8)}, {From: min(12, 0), To: min(18, 0)}}}},
	}
	for _, x := range []struct{ timeout, up, cards string }{
		{"", "0 of 86400 down, 21480 unknown", "3600 of 86400 down, 21480 unknown"},                                // 3 min and 5 h 55 min
		{`"heartbeat_timeout":"3m",`, "0 of 86400 down, 21720 unknown", "3600 of 86400 down, 21720 unknown"},       // 5 min and 5 h 57 min
		{`"heartbeat_timeout":"10m",`, "0 of 86400 down, 21000 unknown", "3600 of 86400 down, 21000 unknown"},      // 5 h 50 min
		{`"heartbeat_timeout":"8m",`, "0 of 86400 down, 21120 unknown", "3600 of 86400 down, 21120 unknown"},       // as long as the first: 5 h 52 min
		{`"heartbeat_timeout":"479999ms",`, "0 of 86400 down, 21120 unknown", "3600 of 86400 down, 21120 unknown"}, // a ms less is two of silence
	} {
		c := contractOf(t, `{`+allDay+`,"measurement":{`+x.timeout+`"silence":{"first":"unknown"}},"objectives":[
			{"name":"cards","indicator":"uptime","per":"terminal","target":"0.9","capability":"card"},
			{"name":"sells","indicator":"uptime","per":"terminal","target":"0.9","capability":"sell"},
			{"name":"up","indicator":"uptime","per":"terminal","target":"0.9"}]}`)
		want := map[string]string{"cards": x.cards, "sells": x.up, "up": x.up}
		for _, l := range lines(t, c, "2026-03-01", at, nil, s)[0] {
			if l.Scope.Name != "t1" {
				continue
			}
			if d := cmp.Diff(l.Objective.Name+" terminal t1 v1: "+want[l.Objective.Name]+", 0 excluded, undetermined, 0", told(l)); d != "" {
				t.Errorf("%s (-want +got)\n%s", x.timeout, d)
			}
		}
	}
	if wants := contractOf(t, `{`+allDay+`,"measurement":{"heartbeat_timeout":"3m"},"objectives":[{"name":"up","indicator":"uptime","per":"terminal","target":"0.9"}]}`).Over(interval.Span{From: day1, To: at})[0][0].Wants(); !wants.Unheard {
		t.Error("times without evidence are not asked for")
	}
}
