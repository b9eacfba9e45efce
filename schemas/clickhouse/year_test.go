//go:build measure

package clickhouse

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

var year = struct{ stores, sales, days *int }{
	flag.Int("stores", 500, "stores of the chain, each with six tills"),
	flag.Int("sales", 100, "sales of a store and day"),
	flag.Int("days", 365, "length of the history, which ends now"),
}

// TestMeasureYear fills the tables with a year of a chain and asks all the users' queries of it: docs/queries.md is what it writes.
func TestMeasureYear(t *testing.T) {
	conn := fresh(t)
	began := time.Now()
	fillYear(t, conn)
	filled := time.Since(began)
	said := []string{fmt.Sprintf(`# The users' queries, on a year of a chain

%d stores with six tills each, %d sales of 2.5 lines a store and day, %d days up to now: %.1f million sales, a third of them of %d known customers; 2,000 products in 40 categories,
24 promotions; every till with an hourly row of availability, and payments, of two months. The rows are made in ClickHouse, straight in the tables that the folds write; past months are merged, as they are
a day after their last row, the last seven days have come one by one. One machine of two cores, the embedded ClickHouse with 4 GiB. Written by

    make queries

The texts are in schemas/clickhouse/testdata/queries.sql. Nine of them are not as users first typed them, since what they gave was wrong where a chain sells in two currencies (D10, D12, M2 and M8 now
have a row a currency, M10 and M15 count somebody with two once), divided what came back by what was left (D15), showed the promise where the time to collect runs out (A15), took who only brought something
back for a buyer and a part of a week for all of it (M3), or showed a month that goes on as if nobody came again (M2).

Times are the second of two runs, elapsed and CPU of the server: the machine may have been busy with other things, and then the first says less than the second. Of long answers the first three
rows are shown, cut off at 160 characters.
`, *year.stores, *year.sales, *year.days, float64(*year.stores**year.sales**year.days)/1e6, *year.stores**year.sales*12)}
	t.Logf("filled in %v", filled)
	var refreshes []string
	generation := uint64(time.Now().UnixMilli())
	for _, table := range Refreshed() {
		elapsed, cpu := timed(t, conn, func() { exec(t, conn, RefreshStatement(table, generation)+", max_execution_time = 600") })
		exec(t, conn, fmt.Sprintf("INSERT INTO tillstream.refreshes (name, generation) VALUES ('%s', %d)", table, generation))
		rows := query(t, conn, fmt.Sprintf("SELECT count() FROM tillstream.%s WHERE generation = %d", table, generation))
		refreshes = append(refreshes, fmt.Sprintf("| %s | %s | %.1f | %.1f |", table, rows[0], elapsed, cpu))
		t.Log(refreshes[len(refreshes)-1])
	}
	all := usersQueries()
	names := slices.SortedFunc(func(yield func(string) bool) {
		for name := range all {
			if !yield(name) {
				return
			}
		}
	}, func(a, b string) int {
		if a[0] != b[0] {
			return strings.IndexByte("DAM", a[0]) - strings.IndexByte("DAM", b[0])
		}
		return number(a) - number(b)
	})
	existing := query(t, conn, "SELECT name FROM system.tables WHERE database = 'pos'")
	var slow []string
	for _, name := range names {
		sql := all[name]
		lacks := ""
		for _, m := range regexp.MustCompile(`(?:FROM|JOIN) pos\.(\w+)`).FindAllStringSubmatch(sql, -1) {
			if !slices.Contains(existing, m[1]) {
				lacks = m[1]
			}
		}
		if lacks != "" {
			said = append(said, fmt.Sprintf("## %s\n\n    %s\n\nThere is no %s yet.\n", name, sql, lacks))
			continue
		}
		query(t, conn, sql)
		var rows []string
		elapsed, cpu := timed(t, conn, func() { rows = query(t, conn, sql) })
		n := len(rows)
		for i := range rows[:min(n, 3)] {
			rows[i] = "    " + strings.ReplaceAll(rows[i], "\t", "  ")
			if len(rows[i]) > 160 {
				rows[i] = rows[i][:160] + "…"
			}
		}
		said = append(said, fmt.Sprintf("## %s\n\n    %s\n\n%d rows, %.0f ms, CPU %.0f ms\n\n%s\n", name, sql, n, 1000*elapsed, 1000*cpu, strings.Join(rows[:min(n, 3)], "\n")))
		t.Logf("%s: %d rows, %.0f ms, CPU %.0f ms", name, n, 1000*elapsed, 1000*cpu)
		if elapsed > 1 {
			slow = append(slow, name)
		}
	}
	sizes := query(t, conn, "SELECT concat('| ', table, ' | ', toString(sum(rows)), ' | ', formatReadableSize(sum(bytes_on_disk)), ' | ', toString(round(sum(bytes_on_disk) / sum(rows), 1)), ' |') FROM system.parts WHERE active AND database = 'tillstream' AND rows > 1000 GROUP BY table ORDER BY sum(bytes_on_disk) DESC")
	said = append(said, "Took more than 1 s, elapsed: "+strings.Join(slow, ", ")+".\n", "## What is refreshed\n\n| table | rows | elapsed s | CPU s |\n|---|---|---|---|\n"+strings.Join(refreshes, "\n")+"\n",
		"## What it is\n\n| table | rows | size | bytes a row |\n|---|---|---|---|\n"+strings.Join(sizes, "\n")+"\n")
	t.Logf("slower than 1 s: %v", slow)
	text := strings.TrimRight(strings.Join(said, "\n"), "\n") + "\n"
	if err := os.WriteFile(filepath.Join("..", "..", "docs", "queries.md"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func number(name string) (n int) {
	fmt.Sscan(name[1:], &n)
	return n
}

// timed is how long f takes, and how much CPU the server takes meanwhile, in s.
func timed(t *testing.T, conn driver.Conn, f func()) (elapsed, cpu float64) {
	used := func() (us float64) {
		rows := query(t, conn, "SELECT sum(value) FROM system.events WHERE event IN ('UserTimeMicroseconds', 'SystemTimeMicroseconds')")
		fmt.Sscan(rows[0], &us)
		return us
	}
	before, at := used(), time.Now()
	f()
	elapsed = time.Since(at).Seconds()
	return elapsed, (used() - before) / 1e6
}

// fillYear inserts month by month, and the last week day by day.
func fillYear(t *testing.T, conn driver.Conn) {
	stores, sales, days := *year.stores, *year.sales, *year.days
	customers := stores * sales * 12
	type span struct{ from, to int } // days ago, from is older
	var spans []span
	today := time.Now().UTC().Truncate(24 * time.Hour)
	for back := days; back >= 0; {
		to := max(back-today.AddDate(0, 0, -back).AddDate(0, 1, -today.AddDate(0, 0, -back).Day()).Day()+today.AddDate(0, 0, -back).Day(), 7)
		if back <= 7 {
			to = back
		}
		for to < back && today.AddDate(0, 0, -to).Month() != today.AddDate(0, 0, -back).Month() {
			to++
		}
		spans = append(spans, span{back, to})
		back = to - 1
	}
	const channel = "if(h % 12 = 0, 'web', 'store')"
	for _, s := range spans {
		n := s.from - s.to + 1
		// each row of a table has its day d, its store s and a hash h
		rows := func(per int) string {
			return fmt.Sprintf("(SELECT today() - %d - toUInt16(intDiv(number, %d)) AS d, intDiv(number, %d) %% %d AS s, number %% %[3]d AS k, cityHash64(number, d) AS h, leftPad(toString(s), 4, '0') AS store FROM numbers(%[5]d))", s.to, stores*per, per, stores, stores*per*n)
		}
		insert := func(table, columns, values string, per int, where string) {
			exec(t, conn, "INSERT INTO tillstream."+table+" (lane, "+columns+") SELECT '', "+values+" FROM "+rows(per)+" WHERE "+where+" SETTINGS max_insert_threads = 1, max_partitions_per_insert_block = 100, max_execution_time = 900")
		}
		tenth := max(sales/13, 1)
		insert("sales_hourly", "store_id, business_date, hour, local_hour, channel, currency, transactions, units, gross, net, identified_transactions, loyalty_transactions, customers_in, baskets_in",
			fmt.Sprintf("store, d, toDateTime(d, 'UTC') + 3600 * (7 + k), 8 + k, 'store', 'EUR', %d + h %% 5, %[1]d * 2500, %[1]d * 2100, %[1]d * 2000, %[1]d / 3, %[1]d / 4, arrayMap(i -> cityHash64(h, i) %% %d, range(%d)), arrayMap(i -> 500 + cityHash64(i, h) %% 3000, range(%[1]d))", tenth, customers, tenth/3+1), 13, "d < today() OR k < 3")
		if s.to <= 120 {
			insert("terminal_sales", "store_id, hour, terminal_id, currency, transactions_00, net_00, last_at", fmt.Sprintf("store, toDateTime(d, 'UTC') + 3600 * (7 + intDiv(k, 6)), concat(store, '-', toString(k %% 6)), 'EUR', %d, %d, toDateTime(d, 'UTC') + 3600 * (7 + intDiv(k, 6))", max(sales/78, 1), max(sales/78, 1)*2000), 78, "d < today() OR k < 18")
		}
		insert("product_sales", "store_id, business_date, product_id, category, currency, units, revenue, discount, baskets, returned_units, promoted_units",
			"store, d, toString(4000000000000 + 7919 * p), concat('c', toString(p % 40)), 'EUR', 1000 * u, 250 * u, 0, u, if(h % 50 = 0, 1000, 0), 0 FROM (SELECT *, (k * 577 + cityHash64(s, d)) % 2000 AS p, 1 + h % 4 + 3 * (p < 100) AS u", sales*6/5, "1)")
		insert("customer_days", "customer, business_date, store_id, channel, currency, transactions, units, net, first_at, last_at",
			fmt.Sprintf("cityHash64(toUInt64(%d * pow((h %% 1000000) / 1000000, 2)), s %% 50), d, store, %s, 'EUR', 1, 2500, 1500 + h %% 1000, toDateTime(d, 'UTC') + 3600 * (7 + h %% 13), toDateTime(d, 'UTC') + 3600 * (7 + h %% 13)", customers/50, channel), sales/3, "1")
		insert("customer_hours", "customer, business_date, store_id, channel, currency, local_hour, method, transactions",
			fmt.Sprintf("cityHash64(toUInt64(%d * pow((h %% 1000000) / 1000000, 2)), s %% 50), d, store, %s, 'EUR', 8 + h %% 13, if(h %% 3 = 0, 'cash', 'card'), 1", customers/50, channel), sales/3, "1")
		exec(t, conn, "INSERT INTO tillstream.customer_items (lane, customer, business_date, store_id, channel, currency, category, product_id, units, revenue) SELECT '', "+
			fmt.Sprintf("cityHash64(toUInt64(%d * pow((h %% 1000000) / 1000000, 2)), s %% 50), d, store, %s, 'EUR', concat('c', toString(p %% 40)), toString(4000000000000 + 7919 * p), 1000, 250 FROM (SELECT *, cityHash64(h, i) %% 2000 AS p FROM %s ARRAY JOIN range(2 + h %% 2) AS i) SETTINGS max_insert_threads = 1, max_partitions_per_insert_block = 100, max_execution_time = 900", customers/50, channel, rows(sales/3)))
		insert("basket_pairs", "business_date, store_id, level, left, right, baskets", "d, store, 'category', x, y, 1 + h % 3 FROM (SELECT *, if(k = 0, '', if(k % 10 = 1 OR y0 = x0, concat('c', toString(x0)), concat('c', toString(least(x0, y0))))) AS x, if(k = 0 OR k % 10 = 1 OR y0 = x0, '', concat('c', toString(greatest(x0, y0)))) AS y, h % 40 AS x0, intDiv(h, 64) % 40 AS y0", max(sales*4/5, 2), "1)")
		if s.to <= 62 {
			insert("payments_hourly", "store_id, hour, service, method, entry_mode, currency, attempts, approved, declined, failed, amount, auth_ms, auth_n, auth_in",
				fmt.Sprintf("store, toDateTime(d, 'UTC') + 3600 * (7 + intDiv(k, 3)), concat('acquirer-', toString(s %% 3)), 'card', ['icc', 'contactless', 'magstripe'][1 + k %% 3], 'EUR', %d, %[1]d, h %% 2, h %% 30 = 0, 2000, 400 * %[1]d, %[1]d, arrayMap(i -> toUInt32(200 + cityHash64(i, h) %% 900), range(%[1]d))", max(sales/39, 1)), 39, "d < today() OR k < 9")
		}
		insert("payment_days", "business_date, store_id, method, entry_mode, wallet, currency, payments, amount", fmt.Sprintf("d, store, if(k = 0, 'cash', 'card'), ['', 'icc', 'contactless', 'contactless'][1 + k], if(k = 3, 'apple_pay', ''), 'EUR', %d, 2000", max(sales/4, 1)), 4, "1")
		insert("promotion_days", "business_date, promotion_id, store_id, product_id, category, currency, units, revenue, discount",
			"d, concat('promotion-', toString(intDiv(toRelativeDayNum(d), 15))), store, toString(4000000000000 + 7919 * p), concat('c', toString(p % 40)), 'EUR', 2000, 500, 100 FROM (SELECT *, (intDiv(toRelativeDayNum(d), 15) * 10 + k) % 2000 AS p", 10, "toRelativeDayNum(d) % 15 < 14)")
		if s.to <= 62 { // what is asked for reaches no further back
			insert("availability_hourly", "store_id, terminal_id, hour, version, up_ms, down_ms, service_ms, service_down_ms, evidence",
				"store, concat(store, '-', toString(k % 6)), toDateTime(d, 'UTC') + 3600 * intDiv(k, 6), 1, 3600000 - x, x, 3600000, x, 120 FROM (SELECT *, if(h % 997 = 0, 600000, 0) AS x", 144, "d < today())")
		}
		insert("data_quality", "topic, terminal_id, business_date, accepted, missing, late, late_in", "if(k < 6, 'pos.transactions', 'pos.health'), concat(store, '-', toString(k % 6)), d, 100, h % 400 = 0, h % 5 = 0, if(h % 5 = 0, [toUInt32(h % 9000)], [])", 12, "1")
		insert("outages", "store_id, terminal_id, started_at, version, outage_id, resolved_at, repair_ms, service_ms, cause", "store, concat(store, '-', toString(h % 6)), toDateTime64(d, 3, 'UTC') + 40000 + h % 9000, 1, hex(h), toDateTime64(d, 3, 'UTC') + 51000 + h % 900, 5000000, 5000000, 'line_cut'", 1, "h % 3 = 0 AND d < today()")
		if s.from > 7 {
			for _, table := range []string{"sales_hourly", "terminal_sales", "product_sales", "customer_days", "customer_hours", "customer_items", "basket_pairs", "payments_hourly", "payment_days", "promotion_days", "availability_hourly", "data_quality"} {
				exec(t, conn, fmt.Sprintf("OPTIMIZE TABLE tillstream.%s PARTITION ID '%s' FINAL", table, today.AddDate(0, 0, -s.from).Format("200601")))
			}
		}
		t.Logf("%d to %d days ago", s.from, s.to)
	}
	exec(t, conn, fmt.Sprintf("INSERT INTO tillstream.terminal_status (lane, store_id, terminal_id, version, status, since, first_seen, last_seen, holds_until, software_version, printer, card_reader, scanner) SELECT '', leftPad(toString(intDiv(number, 6)), 4, '0'), concat(leftPad(toString(intDiv(number, 6)), 4, '0'), '-', toString(number %% 6)), 1, if(number %% 97 = 0, 'down', 'up'), now64(3) - 9000, now64(3) - 31536000, now64(3) - 20, now64(3) + 60, concat('7.', toString(number %% 5)), 'ok', 'ok', 'ok' FROM numbers(%d)", 6*stores))
	exec(t, conn, fmt.Sprintf("INSERT INTO tillstream.store_status (lane, store_id, version, status, last_seen, holds_until) SELECT '', leftPad(toString(number), 4, '0'), 1, 'up', now64(3), now64(3) + 60 FROM numbers(%d)", stores))
	exec(t, conn, fmt.Sprintf("INSERT INTO tillstream.incidents (lane, store_id, incident_id, version, party, started_at, opened_at, acknowledged_at, resolved_at, resolve_ms) SELECT '', leftPad(toString(number %% %d), 4, '0'), toString(number), 1, ['provider', 'customer', 'third_party'][1 + number %% 3], now64(3) - 1800 * number, now64(3) - 1800 * number + 60, now64(3) - 1800 * number + 300, now64(3) - 1800 * number + 4000, 4000000 FROM numbers(%d)", stores, days*40))
	exec(t, conn, "INSERT INTO tillstream.ledger (lane, topic, partition, epoch, day, from_offset, to_offset, records) SELECT 'g/0', 'pos.transactions', number % 8, 1, today() - intDiv(number, 8), intDiv(number, 8) * 100, intDiv(number, 8) * 100 + 100, 100 FROM numbers(800) SETTINGS max_partitions_per_insert_block = 100")
}
