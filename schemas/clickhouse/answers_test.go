package clickhouse

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Queries that views of this schema cannot feed yet, by the views that they lack.
var unanswered = map[string][]string{}

// elsewhere is where a query is asked, or where the views of which it only picks rows are compared with a second way to reckon them.
var elsewhere = map[string]func(*testing.T){
	"D12": TestOutageImpact, "A9": TestExpectedSales, "A15": TestOrderViews, "M11": TestOrderViews,
	"D3": TestSLAViews, "D4": TestSLAViews, "D13": TestSLAViews, "A3": TestSLAViews, "A4": TestSLAViews, "A5": TestSLAViews, "A6": TestSLAViews, "A13": TestSLAViews,
}

// usersQueries are what users type, by name.
func usersQueries() map[string]string {
	out := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^-- (\w+) .*\n(.*)$`).FindAllStringSubmatch(queries, -1) {
		out[m[1]] = m[2]
	}
	return out
}

// answer is data, and what the queries must say of them. ~2000 is any number within 2 % of that: sketches, and time that goes on.
type answer struct {
	tables []string // emptied first
	insert func(c calendar) []string
	want   func(c calendar) map[string][]string // rows, columns separated by blanks
}

// calendar is the start of the running hour. Nothing of an answer is looked at if another began meanwhile.
type calendar struct{ base int64 }

// at is so many ms after it, as SQL.
func (c calendar) at(offset int64) string {
	return fmt.Sprintf("fromUnixTimestamp64Milli(toInt64(%d))", c.base+offset)
}

// ago is so many minutes before it; NULL for 0.
func (c calendar) ago(minutes int64) string {
	if minutes == 0 {
		return "NULL"
	}
	return c.at(-minutes * minute)
}

// day is a date so many days ago.
func (c calendar) day(back int) time.Time {
	return time.UnixMilli(c.base).UTC().Truncate(24*time.Hour).AddDate(0, 0, -back)
}
func (c calendar) date(back int) string { return c.day(back).Format(time.DateOnly) }

// monday is that of the week of a date.
func monday(d time.Time) time.Time { return d.AddDate(0, 0, -(int(d.Weekday())+6)%7) }

// month is the first hour of this month, and spare one of it that is complete: not the running one.
func (c calendar) month() int64 {
	return c.day(0).AddDate(0, 0, 1-c.day(0).Day()).UnixMilli()
}

func (c calendar) spare() int64 {
	if m := c.month(); m != c.base {
		return m
	}
	return c.base + hour
}

// TestUsersQueriesAnswerRight runs the queries of the users, word for word, on data small enough to know the answers.
func TestUsersQueriesAnswerRight(t *testing.T) {
	conn, queries := fresh(t), usersQueries()
	asked := map[string]bool{}
	for name, a := range answers {
		t.Run(name, func(t *testing.T) {
			withinOneHour(t, conn, func(base int64) func(before, after int64) {
				for _, table := range a.tables {
					exec(t, conn, "TRUNCATE TABLE tillstream."+table)
				}
				c := calendar{base}
				for _, s := range a.insert(c) {
					exec(t, conn, s)
				}
				got, want := map[string][]string{}, a.want(c)
				for name := range want {
					asked[name] = true
					got[name] = query(t, conn, queries[name])
				}
				return func(int64, int64) {
					for _, name := range slices.Sorted(maps.Keys(want)) {
						if d := compareAnswer(queries[name], want[name], got[name]); d != "" {
							t.Errorf("%s (-want +got)\n%s", name, d)
						}
					}
				}
			})
		})
	}
	t.Run("all that can be asked", func(t *testing.T) {
		existing := query(t, conn, "SELECT name FROM system.tables WHERE database = 'pos'")
		lack := map[string][]string{}
		for name, sql := range queries {
			var views []string
			for _, m := range regexp.MustCompile(`(?:FROM|JOIN) pos\.(\w+)`).FindAllStringSubmatch(sql, -1) {
				if !slices.Contains(existing, m[1]) && !slices.Contains(views, m[1]) {
					views = append(views, m[1])
				}
			}
			switch {
			case len(views) > 0:
				lack[name] = views
			case !asked[name] && elsewhere[name] == nil:
				t.Errorf("%s can be answered, and nobody looks whether it is answered right: add it to answers", name)
			}
		}
		if d := cmp.Diff(unanswered, lack); d != "" {
			t.Errorf("queries without views (-expected +there)\n%s", d)
		}
	})
}

// compareAnswer compares rows, sorted first where the query leaves their order open.
func compareAnswer(sql string, want, got []string) string {
	rows := make([]string, len(got))
	for i, r := range got {
		rows[i] = strings.ReplaceAll(r, "\t", " ")
	}
	if !strings.Contains(sql, "ORDER BY") {
		slices.Sort(rows)
	}
	for i := range min(len(rows), len(want)) {
		w, g := strings.Split(want[i], " "), strings.Split(rows[i], " ")
		for k := range min(len(w), len(g)) {
			about, ok := strings.CutPrefix(w[k], "~")
			if !ok {
				continue
			}
			a, _ := strconv.ParseFloat(about, 64)
			if b, err := strconv.ParseFloat(g[k], 64); err == nil && math.Abs(a-b) <= 0.02*math.Abs(a) {
				g[k] = w[k]
			}
		}
		rows[i] = strings.Join(g, " ")
	}
	return cmp.Diff(want, rows)
}

var answers = map[string]answer{
	"marketing": marketing,
	"sales": {
		tables: []string{"sales_hourly"},
		insert: func(c calendar) []string {
			week := monday(c.day(30))
			on := func(days int) string { return week.AddDate(0, 0, days).Format(time.DateOnly) }
			var values []string
			for _, x := range []struct {
				store, channel, currency, date string
				transactions, loyalty, net     int
			}{
				{"s1", "web", "EUR", c.date(0), 1, 0, 99900}, // today is not over
				{"s1", "web", "EUR", c.date(1), 1, 0, 10000},
				{"s1", "web", "EUR", c.date(7), 1, 0, 5000},
				{"s1", "web", "EUR", c.date(8), 1, 0, 7500},
				{"s1", "web", "EUR", c.date(14), 1, 0, 2500},
				{"s1", "web", "EUR", c.date(15), 1, 0, 88800},
				{"s1", "web", "JPY", c.date(2), 1, 0, 3000}, // a currency of its own, and nothing before
				{"s2", "web", "EUR", c.date(3), 1, 0, 3000},
				{"s2", "web", "EUR", c.date(9), 1, 0, 6000},
				{"m1", "store", "EUR", on(0), 10, 4, 0},
				{"m1", "store", "EUR", on(6), 10, 1, 0},
				{"m1", "store", "EUR", on(7), 8, 8, 0},
				{"m1", "kiosk", "EUR", on(7), 80, 0, 0},
				{"m2", "store", "EUR", on(3), 0, 0, -500}, // goods were brought back only
				{"m3", "store", "EUR", c.date(91), 4, 3, 0},
				{"m3", "store", "EUR", c.date(92), 4, 0, 0},
			} {
				values = append(values, fmt.Sprintf("('', '%s', '%s', '%[2]s 09:00:00', '%[3]s', '%[4]s', %[5]d, %[6]d, %[7]d)", x.store, x.date, x.channel, x.currency, x.transactions, x.loyalty, x.net))
			}
			return []string{"INSERT INTO tillstream.sales_hourly (lane, store_id, business_date, hour, channel, currency, transactions, loyalty_transactions, net) SETTINGS max_partitions_per_insert_block = 100 VALUES " + strings.Join(values, ", ")}
		},
		want: func(c calendar) map[string][]string {
			week := monday(c.day(30))
			return map[string][]string{
				"D1": {"s2 EUR 30 60 -0.5", "s1 EUR 150 100 0.5", `s1 JPY 3000 0 \N`},
				"M6": {
					"m3 " + monday(c.day(91)).Format(time.DateOnly) + " 0.75",
					"m1 " + week.Format(time.DateOnly) + " 0.25", "m2 " + week.Format(time.DateOnly) + ` \N`,
					"m1 " + week.AddDate(0, 0, 7).Format(time.DateOnly) + " 1",
				},
			}
		},
	},
	"products": {
		tables: []string{"product_sales"},
		insert: func(c calendar) []string {
			var values []string
			for _, x := range []struct {
				store, product, category string
				back, units, returned    int
			}{
				{"s1", "p1", "drinks", 1, 6, 0},
				{"s2", "p1", "drinks", 7, 4, 0},
				{"s1", "p1", "drinks", 8, 1, 1},
				{"s1", "p2", "drinks", 3, 7, 0},
				{"s1", "p2", "drinks", 14, 20, 0},
				{"s1", "p3", "snacks", 0, 5, 0},
				{"s1", "p3", "snacks", 2, -3, 3},
				{"s1", "p3", "snacks", 10, 5, 0},
				{"s1", "p3", "snacks", 15, 1000, 0},
				{"s1", "p4", "toys", 80, -2, 2},
				{"s1", "p5", "books", 80, 5, 5},
				{"s1", "p4", "toys", 91, 5, 0},
			} {
				values = append(values, fmt.Sprintf("('', '%s', '%s', '%s', '%s', 'EUR', %d, %d)", x.store, c.date(x.back), x.product, x.category, 1000*x.units, 1000*x.returned))
			}
			return []string{"INSERT INTO tillstream.product_sales (lane, store_id, business_date, product_id, category, currency, units, returned_units) SETTINGS max_partitions_per_insert_block = 100 VALUES " + strings.Join(values, ", ")}
		},
		want: func(calendar) map[string][]string {
			return map[string][]string{
				// before: p2 20, p3 5, p1 1
				"D11": {"p1 10 1 2", "p2 7 2 -1", "p3 2 3 -1"},
				// units are less what was brought back: of ten books 5 were, 1 of 39 drinks, 3 of 1,010 snacks, to the three digits of units; toys were only brought back
				"D15": {"books 0.5", "drinks 0.025", "snacks 0.002", `toys \N`},
			}
		},
	},
	"payments": {
		tables: []string{"payments_hourly"},
		insert: func(c calendar) []string {
			var values []string
			for _, x := range []struct {
				store, service                string
				hours                         int64 // ago
				attempts, failed, declined, p int
			}{
				{"s1", "acme", 0, 60, 10, 5, 800},
				{"s2", "acme", 0, 40, 0, 0, 900},
				{"s1", "acme", 1, 100, 0, 15, 1500},
				{"s1", "acme", 7 * 24, 1000, 10, 500, 9000},
				{"s1", "acme", 29 * 24, 10, 10, 0, 0},
				{"s1", "beta", 0, 100, 3, 0, 100},
				{"s1", "beta", 14 * 24, 100, 2, 0, 100},
				{"s1", "gamma", 0, 100, 1, 0, 100},
				{"s1", "gamma", 21 * 24, 100, 0, 0, 100},
				{"s1", "delta", 0, 100, 50, 0, 100},
				{"s1", "delta", 21*24 + 1, 100, 0, 0, 100}, // another hour of the day: nothing to compare with
				{"s1", "slow", 0, 20, 0, 0, 3000},
				{"s2", "slow", 0, 19, 0, 0, 5000},
				{"s3", "slow", 1, 90, 0, 0, 4000},
				{"s1", "", 0, 0, 0, 0, 0},
			} {
				values = append(values, fmt.Sprintf("('', '%s', %s, '%s', 'card', 'EUR', %d, %d, %d, %d, %d, if(%d = 0, [], arrayWithConstant(20, toUInt32(%[9]d))))",
					x.store, c.at(-x.hours*hour), x.service, x.attempts, x.failed, x.declined, 20*x.p, 20, x.p))
			}
			return []string{"INSERT INTO tillstream.payments_hourly (lane, store_id, hour, service, method, currency, attempts, failed, declined, auth_ms, auth_n, auth_in) SETTINGS max_partitions_per_insert_block = 100 VALUES " + strings.Join(values, ", ")}
		},
		want: func(calendar) map[string][]string {
			return map[string][]string{
				"D9": {` \N \N 0`, "acme 0.05 0.1 ~1500", "beta 0.03 0 ~100", "delta 0.5 0 ~100", "gamma 0.01 0 ~100", "slow 0 0 ~5000"},
				"A7": {"acme 0.1 0.01"},
				"A8": {"s1 slow ~3000"},
			}
		},
	},
	"completeness": {
		tables: []string{"data_quality"},
		insert: func(c calendar) []string {
			var values []string
			for _, x := range []struct {
				topic, terminal         string
				back, accepted, missing int
				late                    []uint32 // s
				skew                    int
			}{
				{"pos.transactions", "t1", 1, 18, 2, []uint32{7200}, -5000},
				{"pos.transactions", "t1", 4, 3, 1, nil, 0},
				{"pos.transactions", "t1", 31, 9, 9, nil, 0},
				{"pos.transactions", "t2", 0, 17, 7, nil, 1000},
				{"pos.transactions", "t2", 0, 3, -2, nil, 200}, // two of the holes were filled
				{"pos.transactions", "t3", 3, 5, 3, []uint32{36000, 36000, 36000}, 0},
				{"pos.transactions", "t3", 2, 5, 3, nil, 0},
				{"pos.transactions", "t3", 2, 3, -3, nil, 0},
				{"pos.health", "t1", 0, 80, 40, []uint32{3600, 3600, 3600}, 700},
				{"pos.health", "t2", 8, 10, 0, []uint32{90000}, 90000},
				{"pos.health", "t4", 2, 0, 0, nil, 0},
			} {
				values = append(values, fmt.Sprintf("('', '%s', '%s', '%s', %d, %d, %d, [%s], %d, %d)", x.topic, x.terminal, c.date(x.back), x.accepted, x.missing, len(x.late),
					strings.Trim(strings.Join(strings.Fields(fmt.Sprint(x.late)), ","), "[]"), min(x.skew, 0), max(x.skew, 0)))
			}
			return []string{"INSERT INTO tillstream.data_quality (lane, topic, terminal_id, business_date, accepted, missing, late, late_in, skew_min, skew_max) SETTINGS max_partitions_per_insert_block = 100 VALUES " + strings.Join(values, ", ")}
		},
		want: func(c calendar) map[string][]string {
			return map[string][]string{
				"D6":  {"t3 " + c.date(3) + " 3 5 0.375", "t1 " + c.date(4) + " 1 3 0.25", "t2 " + c.date(0) + " 5 20 0.2", "t1 " + c.date(1) + " 2 18 0.1"},
				"A12": {"t1 " + c.date(1) + " 2", "t2 " + c.date(0) + " 5", "t3 " + c.date(3) + " 3"},
				"D8":  {"t3 3 ~0.2308 ~10 0", "t1 4 ~0.0396 ~2 5", "t2 0 0 0 1", `t4 0 \N 0 0`},
			}
		},
	},
	"books": {
		tables: []string{"ledger"},
		insert: func(c calendar) []string {
			row := func(topic string, epoch, from, to, records, duplicates, rejected, gaps int) string {
				return fmt.Sprintf("('g/0', '%s', 3, %d, '%s', %d, %d, %d, %d, %d, %d)", topic, epoch, c.date(from%3), from, to, records, duplicates, rejected, gaps)
			}
			return []string{"INSERT INTO tillstream.ledger (lane, topic, partition, epoch, day, from_offset, to_offset, records, duplicates, rejected, gaps) SETTINGS max_partitions_per_insert_block = 100 VALUES " + strings.Join([]string{
				row("pos.health", 1, 40, 50, 8, 1, 1, 0), row("pos.health", 1, 50, 61, 7, 1, 0, 3),
				row("pos.health", 2, 61, 70, 9, 0, 0, 0),                                                       // after a new epoch
				row("pos.transactions", 1, 0, 10, 10, 0, 0, 0), row("pos.transactions", 1, 14, 20, 6, 0, 0, 0), // four that nobody accounts for
			}, ", ")}
		},
		want: func(calendar) map[string][]string {
			return map[string][]string{"D7": {"pos.health 3 21 21 1", "pos.health 3 9 9 1", "pos.transactions 3 16 20 0"}}
		},
	},
	"dead letters": {
		tables: []string{"dead_letters"},
		insert: func(calendar) []string {
			at := "now64(3) - toIntervalMinute(%d)"
			row := func(topic string, offset, minutes int, reason string) string {
				return fmt.Sprintf("('', '%s', 1, %d, "+at+", '%s')", topic, offset, minutes, reason)
			}
			values := strings.Join([]string{
				row("pos.transactions", 1, 10, "malformed_json"), row("pos.transactions", 2, 59, "malformed_json"), row("pos.transactions", 3, 10, "too_old"),
				row("pos.health", 1, 10, "malformed_json"), row("pos.health", 2, 5, "malformed_json"), row("pos.health", 3, 5, "malformed_json"), row("pos.health", 4, 61, "malformed_json"),
			}, ", ")
			insert := "INSERT INTO tillstream.dead_letters (lane, topic, partition, offset, at, reason) SETTINGS max_partitions_per_insert_block = 100 VALUES "
			return []string{insert + values}
		},
		want: func(calendar) map[string][]string {
			return map[string][]string{"A14": {"pos.health malformed_json 3", "pos.transactions malformed_json 2", "pos.transactions too_old 1"}}
		},
	},
	"customers": {
		tables: []string{"customer_days"},
		insert: func(c calendar) []string {
			week := monday(c.day(30))
			on := func(days int) string { return week.AddDate(0, 0, days).Format(time.DateOnly) }
			row := func(customer int, store, date string) string {
				return fmt.Sprintf("('', %d, '%s', '%s', 'store', 'EUR', 1, '%[2]s 10:00:00', '%[2]s 10:00:00')", customer, date, store)
			}
			return []string{"INSERT INTO tillstream.customer_days (lane, customer, business_date, store_id, channel, currency, transactions, first_at, last_at) SETTINGS max_partitions_per_insert_block = 100 VALUES " + strings.Join([]string{
				row(7, "s1", c.date(200)), row(7, "s1", on(0)), row(7, "s1", on(6)), // known for long
				row(8, "s1", on(1)), row(8, "s1", on(2)), row(8, "s1", on(7)), // new, back in the same week and the next
				row(9, "s1", on(6)), row(9, "s2", on(6)), // two stores on the first day
			}, ", "), fmt.Sprintf("INSERT INTO tillstream.customer_days (lane, customer, business_date, store_id, channel, currency, units) VALUES ('', 8, '%s', 's1', 'store', 'EUR', -1000), ('', 10, '%[1]s', 's1', 'store', 'EUR', -1000)", on(0)), // what they brought back is no purchase
				fmt.Sprintf("INSERT INTO tillstream.customer_days (lane, customer, business_date, store_id, channel, currency, transactions) SELECT '', 11, %s(today() - 91) + number, 's1', 'store', 'EUR', 1 FROM numbers(7)", "toMonday")} // the first week is whole
		},
		want: func(c calendar) map[string][]string {
			week := monday(c.day(30))
			return map[string][]string{"M3": {monday(c.day(91)).Format(time.DateOnly) + " 1 1", week.Format(time.DateOnly) + " 2 2", week.AddDate(0, 0, 7).Format(time.DateOnly) + " 0 1"}}
		},
	},
	"incidents": {
		tables: []string{"incidents", "outages"},
		insert: func(c calendar) []string {
			var values []string
			for id, x := range []struct {
				party                                                                      string
				started, opened, acknowledged, resolved, cancelled, paused, since, resolve int64 // minutes before the running hour, 0: never; paused and resolve minutes
			}{
				{"provider", 600, 590, 580, 480, 0, 30, 0, 90},    // 10 to acknowledge, 2 h less half an hour of waiting
				{"provider", 600, 600, 0, 570, 0, 0, 0, 30},       // nobody acknowledged it: not in that mean
				{"provider", 9000, 9000, 8980, 3000, 0, 0, 0, 60}, // resolved after half an hour, came back days later, and took another half
				{"customer", 500, 500, 500, 440, 0, 0, 0, 60},
				{"customer", 500, 500, 400, 100, 90, 0, 0, 400}, // was none
				{"customer", 500, 500, 400, 0, 0, 0, 0, 0},      // still open
				{"customer", 500, 500, 400, 0, 0, 5, 300, 0},    // still waiting
				{"shared", 91 * 1440, 91 * 1440, 91 * 1440, 90*1440 - 60, 0, 0, 0, 1500},
			} {
				values = append(values, fmt.Sprintf("('', 's', 'i%d', 1, '%s', %s, %s, %s, %s, %s, %d, %s, %d)", id, x.party, c.ago(x.started), c.ago(x.opened), c.ago(x.acknowledged), c.ago(x.resolved), c.ago(x.cancelled),
					x.paused*minute, c.ago(x.since), x.resolve*minute))
			}
			return []string{"INSERT INTO tillstream.incidents (lane, store_id, incident_id, version, party, started_at, opened_at, acknowledged_at, resolved_at, cancelled_at, paused_ms, paused_since, resolve_ms) VALUES " + strings.Join(values, ", ")}
		},
		want: func(calendar) map[string][]string {
			return map[string][]string{"D5": {"customer 1 0 3600 3600", "provider 3 900 3600 ~288720"}}
		},
	},
	"tills": {
		tables: []string{"terminal_status", "service_windows", "outages", "availability_hourly", "maintenance", "settings"},
		insert: func(c calendar) []string {
			const never = 300 * 365 * 1440
			var values []string
			for _, x := range []struct {
				store, id, status                      string
				registered                             int
				since, seen, holds, retires            int64 // minutes before the running hour; retires 0: not for long
				version, printer, reader, scan, charge string
				backlog                                int
				unsent                                 int64
			}{
				{"open", "t1", "down", 1, 10, 2, -never, 0, "7.1", "error", "ok", "ok", "80", 3, 90},
				{"open", "t2", "up", 1, 3000, 20, 6, 0, "7.1", "ok", "ok", "none", "14", 0, 0}, // has lapsed
				{"open", "t3", "up", 1, 3000, 1, -180, 0, "7.2", "ok", "ok", "ok", "NULL", 5, 0},
				{"open", "t4", "degraded", 1, 30, 1, -180, 0, "7.2", "ok", "warning", "ok", "15", 1, 30}, // waits for half an hour only
				{"open", "retired", "down", 1, 300, 300, -never, 60, "7.2", "error", "ok", "ok", "1", 2, 600},
				{"open", "moved", "down", 1, 4000, 3000, -never, 2000, "8.0", "error", "ok", "ok", "50", 0, 0},
				{"dark", "moved", "maintenance", 1, 500, 5, -never, 0, "8.0", "absent", "ok", "ok", "50", 0, 0},
				{"dark", "d1", "silent", 1, 100, 100, 100, 0, "", "ok", "ok", "ok", "50", 0, 0},
				{"dark", "d2", "up", 1, 900, 1, -180, 30, "", "ok", "ok", "ok", "50", 0, 0}, // its life is over: it helps nobody
				{"shut", "u1", "down", 1, 700, 2, -never, 0, "", "error", "ok", "ok", "1", 4, 700},
				{"shut", "u2", "withdrawn", 1, 700, 700, 700, 700, "", "ok", "ok", "ok", "50", 0, 0},
				{"wild", "w1", "silent", 0, 120, 120, 120, 0, "", "ok", "ok", "ok", "50", 0, 0},
				{"wild", "w2", "up", 0, 50000, 45000, 44990, 0, "", "error", "ok", "ok", "1", 0, 0}, // not heard of for a month
			} {
				retires := -int64(never)
				if x.retires > 0 {
					retires = x.retires
				} else if x.registered == 0 {
					retires = x.seen - 31*1440
				}
				values = append(values, fmt.Sprintf("('', '%s', '%s', 1, '%s', %d, %s, %s, %s, %s, '%s', '%s', '%s', '%s', %s, %d, %s, [0])", x.store, x.id, x.status, x.registered,
					c.ago(x.since), c.ago(x.seen), c.ago(x.holds), c.ago(retires), x.version, x.printer, x.reader, x.scan, x.charge, x.backlog, fmt.Sprintf("if(%d = 0, NULL, now64(3) - toIntervalMinute(%[1]d))", x.unsent)))
			}
			window := func(store string, from, to int64) string {
				return fmt.Sprintf("('', '%s', toStartOfMonth(now()), 1, [%d, %d], [%d, %d])", store, c.base/1000-86400, (c.base+from)/1000, c.base/1000-80000, (c.base+to)/1000)
			}
			outage := func(store, terminal string, from, to int64) string {
				return fmt.Sprintf("('', '%s', '%s', %s, 1, '%s/%d', %s)", store, terminal, c.ago(from), terminal, from, c.ago(to))
			}
			return []string{
				"INSERT INTO tillstream.terminal_status (lane, store_id, terminal_id, version, status, registered, since, last_seen, holds_until, retires_at, software_version, printer, card_reader, scanner, battery_pct, offline_backlog, oldest_unsent_at, service_next) VALUES " + strings.Join(values, ", "),
				"INSERT INTO tillstream.service_windows (lane, store_id, month, version, opens, closes) VALUES " + strings.Join([]string{window("open", 0, hour), window("dark", -5*hour, 2*hour), window("shut", -10*hour, 0)}, ", "),
				"INSERT INTO tillstream.outages (lane, store_id, terminal_id, started_at, version, outage_id, resolved_at) SETTINGS max_partitions_per_insert_block = 100 VALUES " + strings.Join([]string{
					outage("open", "t1", 3000, 2990), outage("open", "t1", 2989, 2970), // a minute apart: two
					outage("open", "t1", 10, 0), outage("open", "t1", 31*1440, 31*1440-5),
					outage("open", "t3", 500, 480), outage("open", "moved", 4000, 3000), outage("dark", "moved", 600, 590),
				}, ", "),
			}
		},
		want: func(c calendar) map[string][]string {
			at := func(minutes int64) string {
				return time.UnixMilli(c.base - minutes*minute).UTC().Format("2006-01-02 15:04:05.000")
			}
			return map[string][]string{
				"A1":  {"w1 wild silent " + at(120), "d1 dark silent " + at(100), "t1 open down " + at(10), "t2 open silent " + at(6)},
				"A2":  {"dark 2", "wild 1"},
				"A10": {"u1 shut 4 ~700", "retired open 2 ~600", "t1 open 3 ~90"},
				"A11": {`moved dark absent ok ok 50`, "t1 open error ok ok 80", "t2 open ok ok none 14", "t4 open ok warning ok 15"},
				// of the version 7.1 t1 had three outages and t2 none; of 7.2 t3 one of three tills; the moved till two, one in either store; nobody else any
				"D14": {"8.0 1 2", "7.1 2 1.5", "7.2 3 0.3333333333333333", " 6 0"},
			}
		},
	},
	"service time": {
		tables: []string{"terminal_status", "service_windows", "availability_hourly", "maintenance", "settings"},
		insert: func(c calendar) []string {
			var hours, status []string
			for _, x := range []struct {
				terminal                                       string
				hour                                           int64
				up, down, silent, maintenance, unknown         int64 // minutes
				service, serviceDown, excluded, serviceUnknown int64
			}{
				{"a", c.month(), 0, 60, 0, 0, 0, 60, 0, 60, 0}, // down, in approved maintenance
				{"a", c.month() + hour, 30, 30, 0, 0, 0, 60, 30, 0, 0},
				{"a", c.month() + 2*hour, 0, 60, 0, 0, 0, 0, 0, 0, 0}, // down, but the store is closed
				{"a", c.month() + 3*hour, 30, 0, 15, 0, 15, 60, 0, 0, 30},
				{"a", c.month() - hour, 0, 60, 0, 0, 0, 60, 60, 0, 0}, // last month
				{"b", c.month(), 60, 0, 0, 0, 0, 0, 0, 0, 0},
				{"c", c.base, 0, 0, 0, 0, 0, 0, 0, 0, 0},
				{"d", c.spare(), 30, 30, 0, 0, 0, 60, 30, 0, 0},
				{"d", c.base, 0, 0, 0, 0, 0, 0, 0, 0, 0},
				{"e", c.spare(), 60, 0, 0, 0, 0, 60, 0, 0, 0},
				{"e", c.base, 0, 0, 0, 0, 0, 0, 0, 0, 0},
			} {
				store := "open"
				if x.terminal == "e" {
					store = "shut"
				}
				hours = append(hours, fmt.Sprintf("('', '%s', '%s', %d, 1, 1, %d, %d, %d, %d, %d, %d, %d, %d, %d)", store, x.terminal, x.hour/1000,
					x.up*minute, x.down*minute, x.silent*minute, x.maintenance*minute, x.unknown*minute, x.service*minute, x.serviceDown*minute, x.excluded*minute, x.serviceUnknown*minute))
				if x.hour == c.base { // down since then, and not heard since
					status = append(status, fmt.Sprintf("('', '%s', '%s', 1, 'down', 1, %s, %[3]s, '2299-12-31 00:00:00', '2299-12-31 00:00:00', [0])", store, x.terminal, c.at(0)))
				}
			}
			work := func(id, terminals string, from, to int64) string {
				return fmt.Sprintf("('', 'open', '%s', 1, 'started', [%s], [%d], [%d])", id, terminals, c.base+from, c.base+to)
			}
			return []string{
				"INSERT INTO tillstream.availability_hourly (lane, store_id, terminal_id, hour, version, evidence, up_ms, down_ms, silent_ms, maintenance_ms, unknown_ms, service_ms, service_down_ms, excluded_ms, service_unknown_ms) SETTINGS max_partitions_per_insert_block = 100 VALUES " + strings.Join(hours, ", "),
				"INSERT INTO tillstream.terminal_status (lane, store_id, terminal_id, version, status, registered, since, last_seen, holds_until, retires_at, service_next) VALUES " + strings.Join(status, ", "),
				"INSERT INTO tillstream.service_windows (lane, store_id, month, version, opens, closes) VALUES " +
					fmt.Sprintf("('', 'open', toStartOfMonth(now()), 1, [%d], [%d]), ('', 'shut', toStartOfMonth(now()), 1, [%d], [%[1]d])", c.base/1000, c.base/1000+7200, c.base/1000-7200),
				// of d alone, in two pieces that overlap; of another till
				"INSERT INTO tillstream.maintenance (lane, store_id, maintenance_id, version, status, terminals, excluded_from, excluded_to) VALUES " +
					strings.Join([]string{work("m1", "'d', 'x'", -hour, 30*minute), work("m2", "'d'", 0, 2*hour), work("m3", "'x'", -hour, 2*hour)}, ", "),
			}
		},
		want: func(calendar) map[string][]string {
			return map[string][]string{"D2": {
				// c all of the running hour; of d's nothing counts, of e's neither: the store is closed
				"c 0 0", "d 0.5 0", "a 0.75 0.25", "e 1 0", `b \N 0`,
			}}
		},
	},
}
