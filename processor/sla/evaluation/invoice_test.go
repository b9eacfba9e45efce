package evaluation

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor/sla"
)

// Where the base is what is invoiced, which is not known here, a credit is a share of it: of the part that falls to the scope, and all together at most what is at risk.
func TestShareOfInvoice(t *testing.T) {
	day1, at := utc(t, "2026-03-01"), utc(t, "2026-03-02")
	s := &Store{ID: "s1", Registered: store(t, "s1", twoTills), Runs: map[string][]sla.Run{
		"t1": {run(sla.Up, day1, day1+20*hour), run(sla.Down, day1+20*hour, at)}, "t2": {run(sla.Up, day1, at)},
	}}
	for remedies, want := range map[string]string{
		`"base":{"from":"invoice","currency":"USD","per":"day"},"credits":[{"objective":"till","per":"scope_fee","tiers":[{"below":"0.99","credit":"0.1"}]}]`:                                                         "0.05 of what is invoiced for the period is credited",
		`"base":{"from":"invoice","currency":"USD","per":"day"},"credits":[{"objective":"till","per":"base","tiers":[{"below":"0.99","credit":"0.1"}]}]`:                                                              "0.1 of what is invoiced for the period is credited",
		`"base":{"from":"invoice","currency":"USD","per":"day","each":"terminal"},"at_risk":"0.04","credits":[{"objective":"till","per":"scope_fee","tiers":[{"below":"0.99","credit":"0.1"}]}]`:                      "0.04 of what is invoiced for the period is credited",
		`"base":{"from":"invoice","currency":"USD","per":"day"},"credits":[{"objective":"till","fixed":700,"each":"breach"},{"name":"x","objective":"till","per":"base","tiers":[{"below":"0.99","credit":"0.25"}]}]`: "0.25 of what is invoiced for the period is credited",
	} {
		c := contractOf(t, `{`+allDay+`,"objectives":[{"name":"till","indicator":"uptime","per":"terminal","target":"0.99"}],"remedies":{`+remedies+`}}`)
		l := lines(t, c, "2026-03-01", at, nil, s)[0]
		if d := cmp.Diff([]string{want, ""}, []string{l[0].Note(), l[1].Note()}); d != "" {
			t.Errorf("%s (-want +got):\n%s", remedies, d)
		}
		if fixed := int64(0); l[0].Credit != fixed && fmt.Sprint(l[0].Credit) != "700" {
			t.Errorf("%s: %d minor units", remedies, l[0].Credit)
		}
	}
}
