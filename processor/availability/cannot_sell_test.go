package availability

import (
	"fmt"
	"testing"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/rollup"
)

// A store of one till that reports at ten, and works at eleven: for how many minutes between them it could not sell, by what the till says of itself and what
// the registry says that it needs.
func TestTillsThatRunAndCannotSell(t *testing.T) {
	broken := func(kinds ...string) (all []event.Component) {
		for _, kind := range kinds {
			all = append(all, event.Component{Type: kind, State: "error", Detail: "out_of_order"})
		}
		return all
	}
	no, yes := event.Some(false), event.Some(true)
	const needs = `[{"sell_needs":["printer"]}]`
	for name, c := range map[string]struct {
		versions, status string
		health           event.Health
		minutes          uint32
		cause            string
		later            bool // not at ten yet
	}{
		"works":                                  {needs, "up", event.Health{}, 0, "", false},
		"says so":                                {`[{}]`, "up", event.Health{Capability: event.Capability{Sell: no}}, 60, "cannot_sell", false},
		"neither card nor cash":                  {`[{}]`, "degraded", event.Health{Capability: event.Capability{Card: no, Cash: no}}, 60, "cannot_sell", false},
		"cash only":                              {`[{}]`, "degraded", event.Health{Capability: event.Capability{Card: no, Cash: yes}}, 0, "cannot_take_cards", false},
		"lacks what it needs":                    {needs, "degraded", event.Health{Components: broken("printer")}, 60, "printer:out_of_order", false},
		"and calls that up":                      {needs, "up", event.Health{Components: broken("printer")}, 60, "printer", false},
		"behind an error code":                   {needs, "degraded", event.Health{Errors: []event.HealthError{{Code: "E7"}}, Components: broken("printer")}, 60, "E7", false},
		"behind another component":               {needs, "degraded", event.Health{Components: broken("scale", "printer", "scanner")}, 60, "scale:out_of_order", false},
		"it is absent":                           {needs, "degraded", event.Health{Components: []event.Component{{Type: "printer", State: "absent"}}}, 60, "reported", false},
		"a warning":                              {needs, "degraded", event.Health{Components: []event.Component{{Type: "printer", State: "warning"}}}, 0, "reported", false},
		"lacks what it does not need":            {needs, "degraded", event.Health{Components: broken("scale")}, 0, "scale:out_of_order", false},
		"lacks it, and says that it sells":       {needs, "degraded", event.Health{Capability: event.Capability{Sell: yes}, Components: broken("printer")}, 0, "printer:out_of_order", false},
		"needed from half past ten on":           {`[{},{"from":"2026-03-01T10:30:00Z","sell_needs":["printer"]}]`, "degraded", event.Health{Components: broken("printer")}, 30, "printer:out_of_order", true},
		"needed until then":                      {`[{"sell_needs":["printer"]},{"from":"2026-03-01T10:30:00Z"}]`, "up", event.Health{Components: broken("printer")}, 30, "printer", false},
		"needed from tomorrow on":                {`[{},{"from":"2026-03-02T00:00:00Z","sell_needs":["printer"]}]`, "degraded", event.Health{Components: broken("printer")}, 0, "printer:out_of_order", false},
		"a timeout of tomorrow does not cut it":  {`[{"sell_needs":["printer"]},{"from":"2026-03-02T00:00:00Z","heartbeat_timeout":60000}]`, "up", event.Health{Components: broken("printer")}, 60, "printer", false},
		"a timeout that held when it was heard":  {`[{"sell_needs":["printer"],"heartbeat_timeout":600000},{"from":"2026-03-01T10:05:00Z","sell_needs":["printer"]}]`, "up", event.Health{Components: broken("printer")}, 10, "printer", false},
		"a timeout that began after it was said": {`[{"sell_needs":["printer"]},{"from":"2026-03-01T10:05:00Z","sell_needs":["printer"],"heartbeat_timeout":600000}]`, "up", event.Health{Components: broken("printer")}, 60, "printer", false},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := registry.ReadState(fmt.Appendf(nil, `{"store_id":"s1","revision":1,"store":{"versions":[{"timezone":"UTC"}],"terminals":[{"id":"t1","lives":[{}],"versions":%s}]}}`, c.versions))
			if err != nil {
				t.Fatal(err)
			}
			ten := report(at(t, "2026-03-01 10:00"), c.status)
			ten.Health, ten.Health.Status, ten.Health.HeartbeatInterval = c.health, c.status, event.Some(uint32(1200))
			f, got := New(Config{}, nil, noStale(t)), tables{}
			f.Fold(registration(text, at(t, "2026-03-01 09:00")), rollup.Input{})
			f.Fold(ten, rollup.Input{})
			seal(t, f, got, 1)
			now, able := got["store_status"]["s1|"], uint32(0)
			if c.minutes == 0 || c.later {
				able = 1
			}
			if now["tills_able"] != able || now["tills"] != uint32(1) {
				t.Errorf("%v of %v tills can sell at ten", now["tills_able"], now["tills"])
			}
			if holds := now["holds_until"].(rollup.Millis); int64(holds) == forEver {
				t.Error("the store is what it is for ever, though the till will be silent")
			}
			f.Fold(report(at(t, "2026-03-01 11:00"), "up"), rollup.Input{})
			seal(t, f, got, 2)

			const minute = 60_000
			hour := got["store_availability_hourly"]["s1|"+padded(at(t, "2026-03-01 10:00")/1000)]
			till := got["availability_hourly"][hourKey(t, "2026-03-01 10:00")]
			if hour["quorum_down_ms"] != c.minutes*minute || till["disabled_ms"] != c.minutes*minute || till["degraded_ms"].(uint32) < c.minutes*minute {
				t.Errorf("the store could not sell for %v ms; of the till %v ms are disabled, %v ms degraded", hour["quorum_down_ms"], till["disabled_ms"], till["degraded_ms"])
			}
			outages := uint32(0)
			for _, o := range got["store_outages"] {
				outages += uint32(o["repair_ms"].(uint64))
			}
			if outages != c.minutes*minute {
				t.Errorf("outages of the store of %d ms", outages)
			}
			cause := ""
			for _, r := range got["status_intervals"] {
				if r["started_at"].(rollup.Millis) < rollup.Millis(at(t, "2026-03-01 11:00")) && r["disabled"] == uint8(flag(c.minutes > 0)) && r["cause"] != registered {
					cause = r["cause"].(string)
				}
			}
			if cause != c.cause {
				t.Errorf("cause %q, want %q", cause, c.cause)
			}
		})
	}
}
