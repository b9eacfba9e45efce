package clickhouse

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	diff "github.com/google/go-cmp/cmp"
)

// told is an order, or a part of what is known of it, as the fold writes one: steps in minutes before the running hour, by name; what was said, with the
// minute of the step that said it; what was reckoned, with the batch that did.
type told struct {
	store, order string
	steps        map[string]int64
	said         map[string][2]any // minute, text
	held         map[string][3]any // minute of the step it is of, batch, text
}

// insert writes it as the columns of the table say.
func (o told) insert(c calendar) string {
	ms := func(minutes any) int64 { return c.base - minutes.(int64)*minute }
	columns, values := []string{"lane", "store_id", "order_id"}, []string{"''", "'" + o.store + "'", "'" + o.order + "'"}
	put := func(column, value string) { columns, values = append(columns, column), append(values, value) }
	first := int64(1 << 62)
	for _, name := range []string{
		"placed", "reserved", "paid", "accepted", "rejected", "picking", "substituted", "ready", "notified", "arrived", "collected", "partially_collected",
		"expired", "cancelled", "returned", "shipped", "delivered",
	} {
		at := int64(1<<63 - 1)
		if m, ok := o.steps[name]; ok {
			at = ms(m)
		}
		first = min(first, at)
		put(name+"_ms", fmt.Sprint(at))
	}
	put("first_ms", fmt.Sprint(first))
	for _, name := range slices.Sorted(maps.Keys(o.said)) {
		stamp := ms(o.said[name][0])
		if name == "promise" || name == "ordered" {
			stamp = 99_999_999_999_999 - stamp
		}
		put(name+"_said", fmt.Sprintf("'%014d%v'", stamp, o.said[name][1]))
	}
	for _, name := range slices.Sorted(maps.Keys(o.held)) {
		stamp := int64(0)
		if name != "added" {
			stamp = 99_999_999_999_999 - ms(o.held[name][0])
		}
		put(name+"_held", fmt.Sprintf("'%014d%020d%v'", stamp, o.held[name][1], o.held[name][2]))
	}
	return fmt.Sprintf("INSERT INTO tillstream.order_journeys (%s) VALUES (%s)", strings.Join(columns, ", "), strings.Join(values, ", "))
}

// The two views of orders, and what users ask of them word for word, on orders of which the answers are known.
func TestOrderViews(t *testing.T) {
	conn, queries := fresh(t), usersQueries()
	withinOneHour(t, conn, func(base int64) func(before, after int64) {
		exec(t, conn, "TRUNCATE TABLE tillstream.order_journeys")
		c := calendar{base}
		day := func(back int) string { return fmt.Sprint(c.day(back).Unix() / 86400) }
		at := func(minutes int64) string {
			return time.UnixMilli(c.base - minutes*minute).UTC().Format("2006-01-02 15:04:05.000")
		}
		ms := func(minutes int64) int64 { return c.base - minutes*minute }
		const m, h, d = int64(1), int64(60), int64(1440)
		// placed three days ago, unless said otherwise, and ready an hour later on the day after, by the stores' calendars
		order := func(id string, steps map[string]int64, more ...func(*told)) told {
			o := told{store: "s1", order: id, steps: map[string]int64{"placed": 3 * d}, said: map[string][2]any{}, held: map[string][3]any{"placed_day": {3 * d, 1, day(3)}}}
			maps.Copy(o.steps, steps)
			if r, ok := steps["ready"]; ok {
				o.held["ready_day"] = [3]any{r, 1, day(2)}
			}
			for _, f := range more {
				f(&o)
			}
			return o
		}
		promised := func(minutes int64) func(*told) {
			return func(o *told) { o.said["promise"] = [2]any{3 * d, fmt.Sprintf("%d 3600", ms(minutes))} }
		}
		said := func(name string, minutes int64, text any) func(*told) {
			return func(o *told) { o.said[name] = [2]any{minutes, text} }
		}
		held := func(name string, minutes int64, batch int, text any) func(*told) {
			return func(o *told) { o.held[name] = [3]any{minutes, batch, text} }
		}
		all := []told{
			// one order in five parts: later words of the latest step and earlier steps win, whatever came last
			order("o1", map[string]int64{"accepted": 3*d - 5*m, "ready": 3*d - h, "collected": 2 * d}, promised(3*d-h), said("customer", 3*d, 7), said("mode", 3*d, "locker"),
				said("money", 3*d, "EUR 1000"), said("ordered", 3*d, "4000"), held("lead", 3*d-h, 1, fmt.Sprintf("%d 600000", ms(3*d))), held("added", 0, 1, "EUR 500 1")),
			{store: "s1", order: "o1", steps: map[string]int64{"ready": 3*d - 2*h, "returned": d}, said: map[string][2]any{
				"reason": {d, "too small"}, "mode": {3*d + m, "curbside"}, "ordered": {3*d - m, "9000"}, "promise": {3*d - m, fmt.Sprintf("%d 0", ms(0))},
			}, held: map[string][3]any{"ready_day": {3*d - 2*h, 9, "1"}}},
			{store: "s1", order: "o1", said: map[string][2]any{"money": {3*d - m, "EUR 950"}, "picked": {3*d - h, "3000 1000"}, "expiry": {3 * d, fmt.Sprint(ms(-d))}}, held: map[string][3]any{"added": {int64(0), 3, "EUR 1234 2"}}},
			{store: "s1", order: "o1", held: map[string][3]any{"added": {int64(0), 2, "EUR 0 1"}, "lead": {3*d - h, 2, fmt.Sprintf("%d 700000", ms(3*d))}}, steps: map[string]int64{"notified": 3*d - h}},
			order("o2", map[string]int64{"ready": 3*d - 3*h, "arrived": d + 5*m, "partially_collected": d}, promised(3*d-h), held("lead", 3*d-3*h, 1, fmt.Sprintf("%d 9000", ms(3*d+m)))), // the lead of another step
			order("o3", map[string]int64{"ready": 3*d - h, "cancelled": 2 * d}, promised(3*d-h)),
			order("o4", map[string]int64{"ready": 3*d - h, "expired": d}, said("expiry", 3*d, fmt.Sprint(ms(d)))),
			order("o5", map[string]int64{"ready": 3*d - h}, promised(3*d-h/2), said("expiry", 3*d, fmt.Sprint(ms(-6*h)))), // waits for its customer, not for long any more
			order("o6", map[string]int64{}, promised(-10*m)), // promised soon
			order("o7", map[string]int64{"cancelled": 3*d - h, "ready": 2 * d}, promised(3*d)),
			order("o8", map[string]int64{"ready": 3*d - h, "shipped": 2 * d, "delivered": d}, said("mode", 3*d, "ship_from_store"), said("expiry", 3*d, fmt.Sprint(ms(d)))),
			order("o9", map[string]int64{"rejected": 3*d - m}, promised(3*d-h), said("money", 3*d, "JPY 1000"), held("added", 0, 1, "JPY -20 1")),
			order("p1", map[string]int64{"ready": 3*d - h, "collected": 3*d - 2*h}, said("money", 3*d, "TND 5"), func(o *told) {
				o.store = "s2"
				delete(o.steps, "placed") // nobody said
				delete(o.held, "placed_day")
			}),
			order("p2", map[string]int64{"placed": 29 * d, "ready": 29 * d}, func(o *told) {
				o.store, o.held["placed_day"], o.held["ready_day"] = "s3", [3]any{29 * d, 1, day(29)}, [3]any{29 * d, 1, day(29)}
			}),
		}
		for _, o := range all {
			exec(t, conn, o.insert(c))
		}
		for _, merged := range []bool{false, true} {
			if merged {
				exec(t, conn, "OPTIMIZE TABLE tillstream.order_journeys FINAL")
			}
			for sql, want := range map[string][]string{
				queries["A15"]: {
					"o5	s1	uncollected	" + at(-6*h), "o6	s1	late_ready	" + at(-10*m),
				},
				// s1: o1 to o5 became ready; o1 and o3 as they were promised; o1 and o2 were collected, of which o1 with something added. o7 was cancelled before.
				queries["M11"]: {"s1	0.4	0.4	0.5	60", "s2	0	1	0	0"},
				"SELECT * EXCEPT (lead_ms_p95, pickup_rate) FROM pos.omnichannel_funnel WHERE business_date > today() - 20 ORDER BY store_id, business_date": {
					fmt.Sprintf("s1	%s	9	1	0	0	0	0	0	0	0	0	0	0	0	0	1	1	\\N	\\N	\\N", c.date(3)),
					fmt.Sprintf("s1	%s	0	0	5	2	2	1	1	1	3600000	%d	1	4	1	1	0	0	%d	%[3]d	300000", c.date(2), (2*d-3*h)*minute, 700000),
					fmt.Sprintf("s2	%s	0	0	1	0	1	0	0	0	0	%d	0	0	0	0	0	0	\\N	\\N	\\N", c.date(2), h*minute),
				},
				"SELECT store_id, ready, collected + cancelled + expired + open, pickup_rate, lead_ms_p95 FROM pos.omnichannel_funnel WHERE business_date > today() - 20 AND ready > 0 ORDER BY store_id": {
					fmt.Sprintf("s1	5	5	0.5	%d", 3*h*minute), "s2	1	1	1	0",
				},
				"SELECT order_id, customer, reserved_at, promised_at, accepted_at, ready_at, notified_at, expires_at, collected_at, currency, amount, added_net, lead_ms, status, mode, reason, lead_open_ms, promise_kept, " +
					"promise_window_s, added_sales, reserved_date, ready_date, ordered_units, picked_units, substituted_units, picked_share, returned_at FROM pos.order_journeys WHERE order_id = 'o1'": {
					strings.Join([]string{
						"o1	7", at(3 * d), at(3*d - h), at(3*d - 5*m), at(3*d - h), at(3*d - h), at(-d), at(2 * d), "EUR	9.5	12.34", fmt.Sprint(h * minute), "returned	locker	too small	700000	1	3600	2",
						c.date(3), c.date(2), "4	3	1	0.75", at(d),
					}, "\t"),
				},
				"SELECT order_id, status, lead_ms, lead_open_ms, promise_kept, currency, amount, added_net, reserved_at FROM pos.order_journeys WHERE order_id IN ('o2', 'o6', 'o9', 'p1') ORDER BY order_id": {
					fmt.Sprintf("o2	partially_collected	%d	\\N	0		0	0	%s", 3*h*minute, at(3*d)), "o6	placed	\\N	\\N	\\N		0	0	" + at(3*d),
					"o9	rejected	\\N	\\N	\\N	JPY	1000	-20	" + at(3*d), "p1	collected	\\N	\\N	\\N	TND	0.005	0	" + at(3*d-h),
				},
			} {
				got := query(t, conn, sql)
				if !strings.Contains(sql, "ORDER BY") {
					slices.SortFunc(got, func(a, b string) int { return cmp.Compare(a, b) })
				}
				if d := diff.Diff(want, got); d != "" {
					t.Errorf("merged %v: %s (-want +got)\n%s", merged, sql, d)
				}
			}
		}
		return func(int64, int64) {}
	})
}
