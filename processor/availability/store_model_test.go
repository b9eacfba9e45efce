package availability

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/rollup"
)

// drawTexts makes what a registry says of the store of drawEvents: nothing, one revision or two.
func drawTexts(t *rapid.T, from, to int64) (texts []*registry.Store) {
	for number := range rapid.SampledFrom([]int{0, 1, 1, 2}).Draw(t, "revisions") {
		texts = append(texts, drawText(t, number+1, from, to))
	}
	return texts
}

// drawText makes a revision.
func drawText(t *rapid.T, number int, from, to int64) *registry.Store {
	type object = map[string]any
	instant := func(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z07:00") }
	lives := func() (out []object) {
		for at := from - 5*3_600_000; at < to; at += 60_000 {
			open := at + rapid.SampledFrom([]int64{0, 1_800_000, 3_600_000, 7_200_000}).Draw(t, "gap")
			at = open + rapid.SampledFrom([]int64{1_800_000, 3_600_000, 12 * 3_600_000, 30 * 86_400_000}).Draw(t, "life")
			out = append(out, object{"from": instant(open), "to": instant(at)})
		}
		return out
	}
	versions := []object{{}}
	if rapid.IntRange(0, 2).Draw(t, "changes") == 0 {
		versions = append(versions, object{"from": rapid.SampledFrom([]string{"2026-03-01", "2026-03-02"}).Draw(t, "from")})
	}
	for _, version := range versions {
		version["timezone"], version["sell_quorum"] = "UTC", rapid.IntRange(1, 3).Draw(t, "quorum")
		if rapid.Bool().Draw(t, "calendar") {
			week := object{}
			for _, day := range []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"} {
				week[day] = rapid.SampledFrom([][]string{nil, {"09:00-20:00"}, {"20:30-04:00"}, {"06:00-07:00", "09:30-11:00"}, {"00:00-24:00"}}).Draw(t, day)
			}
			version["calendar"] = object{"week": week}
		}
	}
	terminals := []object{}
	for _, id := range []string{"t1", "t2", "t3"} {
		if rapid.IntRange(0, 3).Draw(t, "known") == 0 {
			continue
		}
		all, life := []object{{}}, []object{{}}
		if rapid.IntRange(0, 2).Draw(t, "moves") == 0 {
			life = lives()
		}
		at := from
		for range rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "versions") {
			at += rapid.SampledFrom([]int64{60_000, 3_600_000, 10 * 3_600_000}).Draw(t, "after")
			all = append(all, object{"from": instant(at)})
		}
		for _, v := range all {
			if rapid.Bool().Draw(t, "timeout") {
				v["heartbeat_timeout"] = rapid.SampledFrom([]int{60_000, 15 * 60_000}).Draw(t, "of")
			}
			v["sell_needs"] = rapid.SampledFrom([][]string{nil, {"printer"}, {"scanner", "printer"}}).Draw(t, "needs")
		}
		terminals = append(terminals, object{"id": id, "lives": life, "versions": all})
	}
	value, err := json.Marshal(object{"store_id": "s1", "revision": number, "store": object{"versions": versions, "terminals": terminals}})
	if err != nil {
		t.Fatal(err)
	}
	text, err := registry.ReadState(value)
	if err != nil {
		t.Fatalf("%s: %v", value, err)
	}
	return text
}

// hoursOf is the service time of the store around what the test needs of it.
func hoursOf(text *registry.Store, from, to int64) interval.Set {
	if text == nil {
		return nil
	}
	return text.Service(interval.Span{From: from - 3*86_400_000, To: to + 42*86_400_000})
}

func registration(text *registry.Store, at int64) *event.Event {
	e := &event.Event{Body: text}
	e.Type, e.StoreID, e.Time = event.TypeRegistry, "s1", event.Time{Milli: at, OK: true}
	return e
}

// fixed excludes the same of every terminal.
type fixed interval.Set

func (f fixed) Excluded(_, _ string, x interval.Span) interval.Set { return interval.Set(f).Within(x) }

// storeModel adds the rows of the store as a whole: it looks at every till at every instant.
func storeModel(ts tables, models map[string]*model, text *registry.Store, hours interval.Set, excluded interval.Set) {
	newest, first := int64(0), Open
	var instants []int64
	heard := slices.ContainsFunc(slices.Collect(maps.Values(models)), (*model).everHeard)
	for _, m := range models {
		for _, e := range m.events {
			if first = min(first, started(e)); !heard || m.everHeard() {
				newest = max(newest, when(e))
			}
			instants = append(instants, started(e), when(e), when(e)+m.retiring(), when(e)+366*86_400_000, when(e)+m.hold(nil, when(e)))
			for _, o := range m.events {
				if o.Type == event.TypeHealth {
					instants = append(instants, when(e)+m.hold(o, when(e)))
				}
			}
		}
		instants = append(instants, m.boundaries()...)
	}
	for x := floorHour(first); x <= newest; x += 3_600_000 { // versions of a store begin at midnight
		instants = append(instants, x)
	}
	instants = append(instants, newest)
	slices.Sort(instants)
	instants = slices.Compact(instants)
	quorum := func(x int64) int {
		if text == nil {
			return 1
		}
		return text.At(x).SellQuorum
	}
	tally := func(x int64) (tills, able, unknown int) {
		for _, m := range models {
			switch s, _, _ := m.status(x); s {
			case "up", "degraded", "cardless":
				able++
			case "silent", "unknown":
				unknown++
			case "":
				continue
			}
			tills++
		}
		return tills, able, unknown
	}
	status := func(x int64) string {
		tills, able, unknown := tally(x)
		switch {
		case tills == 0:
			return "withdrawn"
		case able >= quorum(x):
			return "up"
		case able+unknown < quorum(x):
			return "down"
		}
		return "unknown"
	}
	put := func(table, key string, row map[string]any) {
		if ts[table] == nil {
			ts[table] = map[string]map[string]any{}
		}
		row["store_id"] = "s1"
		ts[table]["s1|"+key] = row
	}
	spent := map[int64]map[string]int64{}
	type stretch struct {
		start  int64
		status string
	}
	var runs []stretch
	for i, x := range instants {
		if x < first || x > newest {
			continue
		}
		s := status(x)
		if n := len(runs); n == 0 || runs[n-1].status != s {
			runs = append(runs, stretch{x, s})
		}
		if x == newest || s == "withdrawn" {
			continue
		}
		h := spent[floorHour(x)]
		if h == nil {
			h = map[string]int64{}
			spent[floorHour(x)] = h
		}
		d := instants[i+1] - x
		if text != nil && !hours.Holds(x) {
			continue
		}
		h["service"] += d
		if excluded.Holds(x) {
			h["excluded"] += d
		} else {
			h[s] += d
		}
	}
	if !heard {
		clear(spent)
	}
	for start, h := range spent {
		put("store_availability_hourly", fmt.Sprintf("%020d", start/1000), map[string]any{
			"hour": rollup.Seconds(start / 1000), "service_ms": uint32(h["service"]), "quorum_down_ms": uint32(h["down"]),
			"excluded_ms": uint32(h["excluded"]), "unknown_ms": uint32(h["unknown"]),
		})
	}
	for i, r := range runs {
		if r.status != "down" {
			continue
		}
		end := rollup.Null
		var repair, service uint64
		if i+1 < len(runs) {
			end = rollup.NullMillis(runs[i+1].start)
			repair = uint64(runs[i+1].start - r.start)
			o := interval.Set{{From: r.start, To: runs[i+1].start}}
			if text != nil {
				o = o.Intersect(hours)
			}
			service = uint64(o.Subtract(excluded).Length())
		}
		put("store_outages", fmt.Sprintf("%020d", r.start), map[string]any{
			"outage_id": outageID("store:s1", r.start), "started_at": rollup.Millis(r.start), "resolved_at": end, "repair_ms": repair, "service_ms": service,
		})
	}
	if len(runs) == 0 {
		return
	}
	tills, able, unknown := tally(newest)
	holds := int64(forEver) // when too few are left, or when it could sell for all anybody knows, if nothing more is heard
	lapses := map[string][]int64{}
	for _, m := range models {
		if s, _, _ := m.status(newest); s == "up" || s == "degraded" || s == "cardless" || s == "disabled" {
			_, _, lapse := m.status(max(newest, lastOf(m)))
			lapses[s] = append(lapses[s], lapse)
		}
	}
	sells, runsOnly := slices.Sorted(slices.Values(append(append(lapses["up"], lapses["degraded"]...), lapses["cardless"]...))), slices.Sorted(slices.Values(lapses["disabled"]))
	switch runs[len(runs)-1].status {
	case "up":
		holds = max(sells[len(sells)-quorum(newest)], newest)
	case "down":
		for i, lapse := range runsOnly {
			if able+unknown+i+1 >= quorum(newest) {
				holds = max(lapse, newest)
				break
			}
		}
	}
	put("store_status", "", map[string]any{
		"status": runs[len(runs)-1].status, "since": rollup.Millis(runs[len(runs)-1].start), "last_seen": rollup.Millis(newest),
		"holds_until": rollup.Millis(holds), "tills": uint32(tills), "tills_able": uint32(able), "tills_unknown": uint32(unknown),
		"sell_quorum": uint32(quorum(newest)), "registered": flag(text != nil),
	})
}

func lastOf(m *model) (last int64) {
	for _, e := range m.events {
		last = max(last, when(e))
	}
	return last
}
