//go:build measure

package clickhouse

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tillstream/tillstream/processor/alert"
	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla/evaluation"
	"github.com/tillstream/tillstream/processor/sla/verdict"
)

var chainHistory = struct{ stores, days *int }{
	flag.Int("history-stores", 1000, "stores of the chain, each with twelve tills and an agreement"),
	flag.Int("history-days", 400, "length of the history, which ends now"),
}

// What the questions that the program asks by itself, and those of an operator about a day, take of ClickHouse when history grows. A measurement, not a test.
//
//	go test -tags measure -run '^TestMeasureHistory$' -count 1 -v ./sinks/clickhouse -history-stores 1000 -history-days 400
func TestMeasureHistory(t *testing.T) {
	s := fresh(t)
	ctx, stores, days := t.Context(), *chainHistory.stores, *chainHistory.days
	began := time.Now()
	fillHistory(t, s, stores, days)
	t.Logf("filled in %v", time.Since(began).Round(time.Second))
	at := time.Now().UnixMilli()
	var names []string
	for i := range stores {
		names = append(names, fmt.Sprintf("s%05d", i))
	}
	month := time.Now().UTC().AddDate(0, 0, 1-time.Now().UTC().Day()).Truncate(24 * time.Hour)
	span := interval.Span{From: month.UnixMilli(), To: month.AddDate(0, 1, 0).UnixMilli()}
	day := interval.Span{From: at - 86_400_000, To: at}
	views, err := s.AlertViews(ctx)
	if err != nil {
		t.Fatal(err)
	}
	facts := func(stores []string) error {
		for _, err := range s.Facts(ctx, verdict.Wanted{Stores: stores, Span: span, At: at}) {
			if err != nil {
				return err
			}
		}
		return nil
	}
	count := func(sql string, args ...any) error { _, err := s.Query(ctx, sql, args...); return err }
	for _, q := range []struct {
		name string
		ask  func() error
	}{
		{"evaluation: news", func() error { _, err := s.News(ctx, at); return err }},
		{"evaluation: how far news reach", func() error { _, err := s.Since(ctx, map[string]uint64{"s00001": uint64(at/1000 - 3600)}); return err }},
		{"evaluation: facts of one store", func() error { return facts(names[:1]) }},
		{"evaluation: facts of 500 stores", func() error { return facts(names[:min(500, stores)]) }},
		{"evaluation: facts of all stores", func() error { return facts(names) }},
		{"evaluation: what is published, at start", func() error { _, _, err := s.Published(ctx, at-evaluation.Reach); return err }},
		{"statements: what is due", func() error { _, err := s.Periods(ctx); return err }},
		{"statements: rows of a period", func() error {
			_, err := s.Rows(ctx, "c00001", registry.Date(month.AddDate(0, -1, 0).Unix()/86400))
			return err
		}},
		{"statements: breaches of a year", func() error { _, err := s.Breaches(ctx, "c00001", at-366*86_400_000, at); return err }},
		{"alerts: trouble", func() error { _, _, err := s.LookTrouble(ctx); return err }},
		{"alerts: stores and tills", func() error {
			troubled, _, err := s.LookTrouble(ctx)
			if err != nil {
				return err
			}
			return s.LookStores(ctx, troubled, &alert.Snapshot{})
		}},
		{"alerts: agreements", func() error { return s.LookAgreements(ctx, views, 0.9, time.Hour, &alert.Snapshot{}) }},
		{"alerts: silences", func() error { _, err := s.LookSilences(ctx, views); return err }},
		{"alerts: holes", func() error { _, err := s.LookHoles(ctx); return err }},
		{"alerts: at start", func() error { _, _, err := s.Load(ctx, []string{"mail"}, 1000); return err }},
		{"lane: marks of all tables", func() error { _, err := s.Marks(ctx, "g/0"); return err }},
		{"explain: outages of a store and day", func() error { _, err := s.OutagesOf(ctx, "s00001", "", "", day); return err }},
		{"explain: runs of a till and day", func() error { _, err := s.StatusIntervals(ctx, "s00001", "t00", day); return err }},
		{"view: outages that are open", func() error {
			return count("SELECT store_id, terminal_id, party FROM pos.outages WHERE resolved_at IS NULL")
		}},
		{"view: outages of a day", func() error {
			return count("SELECT count() FROM pos.outages WHERE started_at >= now() - INTERVAL 1 DAY")
		}},
		{"view: outages of a store and day", func() error {
			return count("SELECT count() FROM pos.outages WHERE store_id = 's00001' AND started_at >= now() - INTERVAL 1 DAY")
		}},
		{"view: incidents that are open", func() error {
			return count("SELECT count(), sum(outages) FROM pos.incidents WHERE resolved_at IS NULL")
		}},
		{"view: outages of stores, of a day", func() error {
			return count("SELECT count(), sum(service_ms) FROM pos.store_outages WHERE started_at >= now() - INTERVAL 1 DAY")
		}},
		{"view: runs that last", func() error { return count("SELECT count() FROM pos.status_intervals WHERE ended_at IS NULL") }},
		{"console: runs that last, of stores in trouble", func() error {
			return count("SELECT store_id, terminal_id, cause FROM pos.status_intervals WHERE ended_at IS NULL AND status != 'up' AND store_id IN (SELECT store_id FROM pos.terminal_status WHERE status IN ('down', 'silent'))")
		}},
		{"view: runs of a store and day", func() error {
			return count("SELECT count(), sum(ended_at IS NULL) FROM pos.status_intervals WHERE store_id = 's00001' AND started_at >= now() - INTERVAL 1 DAY")
		}},
		{"view: agreements of this month", func() error {
			return count("SELECT count(), sum(met) FROM pos.sla_compliance WHERE period_start >= toStartOfMonth(now('UTC'))")
		}},
		{"view: agreements that are not final", func() error { return count("SELECT count(), sum(met) FROM pos.sla_compliance WHERE NOT final") }},
		{"view: agreements, what runs", func() error {
			return count("SELECT count(), sum(met), sum(budget_spent), any(has_figure) FROM pos.sla_compliance WHERE running")
		}},
		{"console: agreements, what runs", func() error {
			return count("SELECT count(), sum(met), sum(budget_spent), any(has_figure) FROM pos.sla_compliance WHERE running AND (contract, period_start) IN (SELECT contract, max(period_start) FROM pos.sla_compliance GROUP BY contract)")
		}},
		{"view: hours of service of a day", func() error {
			return count("SELECT count() FROM pos.service_hours WHERE opens_at >= now() - INTERVAL 1 DAY")
		}},
	} {
		if err := q.ask(); err != nil { // what is compiled and cached
			t.Errorf("| %s | %.300s |", q.name, err)
			continue
		}
		before, began := measured(t, s), time.Now()
		if err := q.ask(); err != nil {
			t.Fatal(err)
		}
		took := time.Since(began)
		after := measured(t, s)
		t.Logf("| %s | %d | %.1f | %.0f | %.0f |", q.name, (after[0]-before[0])/1000, float64(after[1]-before[1])/1e6, float64(after[2]-before[2])/1e3, took.Seconds()*1000)
	}
}

// measured is what all queries have read, in rows and bytes, and the CPU time, us.
func measured(t *testing.T, s *Sink) (out [3]int64) {
	t.Helper()
	err := s.conn.QueryRow(context.Background(), `SELECT toInt64(sumIf(value, event = 'SelectedRows')), toInt64(sumIf(value, event = 'SelectedBytes')), toInt64(sumIf(value, event IN ('UserTimeMicroseconds', 'SystemTimeMicroseconds')))
		FROM system.events`).Scan(&out[0], &out[1], &out[2])
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// fillHistory makes rows in ClickHouse, straight in the tables that the folds write: a till in twenty has an outage a day, and each five runs; a store in fifty cannot sell for a while.
func fillHistory(t *testing.T, s *Sink, stores, days int) {
	t.Helper()
	const tills = 12
	fill := func(table, columns string, rows int, sql string) {
		do(t, s, fmt.Sprintf("INSERT INTO tillstream.%s (%s) SELECT %s FROM numbers(%d) SETTINGS max_partitions_per_insert_block = 1000, max_insert_threads = 1", table, columns, sql, rows))
		do(t, s, "OPTIMIZE TABLE tillstream."+table+" FINAL")
	}
	store := func(of string) string { return "concat('s', leftPad(toString(" + of + "), 5, '0'))" }
	till := "concat('t', leftPad(toString(number % 12), 2, '0'))"
	fill("terminal_status", "lane, store_id, terminal_id, version, status, since, first_seen, last_seen, holds_until, registered, software_version, intervals", stores*tills,
		"'', "+store("intDiv(number, 12)")+", "+till+", 1, if(number % 1000 = 7, 'down', 'up'), now64(3) - 3600, now64(3) - 86400 * 500, now64(3), now64(3) + 86400, 1, if(number % 5 = 0, 'v1', 'v2'), 1")
	fill("store_status", "lane, store_id, version, status, since, last_seen, holds_until, tills, tills_able, sell_quorum, registered", stores,
		"'', "+store("number")+", 1, if(number % 500 = 7, 'down', 'up'), now64(3) - 3600, now64(3), now64(3) + 86400, 12, 12, 1, 1")
	months := days/30 + 2
	fill("service_windows", "lane, store_id, month, version, opens, closes", stores*months, "'', "+store(fmt.Sprintf("number %% %d", stores))+", toStartOfMonth(today() - "+fmt.Sprint(days)+
		") + toIntervalMonth(intDiv(number, "+fmt.Sprint(stores)+")) AS month, 1, arrayMap(d -> toDateTime(month) + d * 86400 + 7 * 3600, range(31)), arrayMap(d -> toDateTime(month) + d * 86400 + 21 * 3600, range(31))")
	// A day of n rows each, by the number: its day, then the till.
	ago := func(each int) string { return fmt.Sprintf("toDateTime64(today() - intDiv(number, %d), 3)", each) }
	n := stores * tills
	for d := 0; d < days; d += 25 {
		some := min(25, days-d)
		shift := func(sql string) string { return strings.ReplaceAll(sql, "today()", fmt.Sprintf("(today() - %d)", d)) }
		in := func(table, columns string, rows int, sql string) {
			do(t, s, fmt.Sprintf("INSERT INTO tillstream.%s (%s) SELECT %s FROM numbers(%d) %s SETTINGS max_partitions_per_insert_block = 1000", table, columns, shift(sql), rows,
				map[bool]string{true: "WHERE cityHash64(number) % 20 = 0"}[table == "outages"]))
		}
		in("outages", "lane, store_id, terminal_id, started_at, version, outage_id, resolved_at, repair_ms, service_ms, cause", n*some,
			fmt.Sprintf("'', %s, %s, %s + 8 * 3600 + cityHash64(number, 1) %% 36000 AS x, number + 1, concat('o', toString(%d), '-', toString(number)), if(x > now(), NULL, x + 600), 600000, 600000, 'Crash'",
				store(fmt.Sprintf("intDiv(number %% %d, 12)", n)), till, ago(n), d))
		in("status_intervals", "lane, store_id, terminal_id, started_at, version, status, ended_at, holds_until", 5*n*some,
			fmt.Sprintf("'', %s, %s, %s + [0, 25200, 36000, 36600, 70200][intDiv(number, %d) %% 5 + 1] + number %% 1000 AS x, toUnixTimestamp(x), ['silent', 'up', 'down', 'up', 'silent'][intDiv(number, %d) %% 5 + 1], if(%d = 0 AND intDiv(number, %d) = 4, NULL, x + [25200, 10800, 600, 33600, 16200][intDiv(number, %d) %% 5 + 1]), x",
				store(fmt.Sprintf("intDiv(number %% %d, 12)", n)), till, ago(5*n), n, n, d, n, n))
		in("store_outages", "lane, store_id, started_at, version, outage_id, resolved_at, repair_ms, service_ms", stores*some/50,
			fmt.Sprintf("'', %s, %s + 8 * 3600 + number %% 36000 AS x, 1, concat('so', toString(%d), '-', toString(number)), x + 600, 600000, 600000", store(fmt.Sprintf("cityHash64(number, %d) %% %d", d, stores)), ago(max(1, stores/50)), d))
		in("sales_hourly", "lane, store_id, business_date, hour, local_hour, channel, currency, transactions, net", stores*12*some,
			fmt.Sprintf("'', %s, toDate(%s) AS date, toDateTime(date) + (7 + number %% 12) * 3600, 8 + number %% 12, 'store', 'EUR', 40, 40000", store(fmt.Sprintf("intDiv(number, 12) %% %d", stores)), ago(12*stores)))
		in("terminal_sales", "lane, hour, store_id, terminal_id, currency, transactions_00, last_at", stores*12*some,
			fmt.Sprintf("'', toDateTime(toDate(%s)) + (7 + number %% 12) * 3600 AS h, %s, 't00', 'EUR', 40, h + 3000", ago(12*stores), store(fmt.Sprintf("intDiv(number, 12) %% %d", stores))))
		in("incidents", "lane, store_id, incident_id, version, status, severity, started_at, opened_at, resolved_at, party", max(1, stores*some/100),
			fmt.Sprintf("'', %s, concat('i%d-', toString(number)), 1, 'resolved', 'major', %s + 36000, %[3]s + 36060, %[3]s + 40000, 'third_party'", store(fmt.Sprintf("cityHash64(number, %d) %% %d", d, stores)), d, ago(max(1, stores/100))))
		in("maintenance", "lane, store_id, maintenance_id, version, status, kind, excluded_from, excluded_to", max(1, stores*some/100),
			fmt.Sprintf("'', %s, concat('m%d-', toString(number)), 1, 'ended', 'planned', [toUnixTimestamp64Milli(%s + 3600)], [toUnixTimestamp64Milli(%[3]s + 7200)]", store(fmt.Sprintf("cityHash64(number, %d) %% %d", d, stores)), d, ago(max(1, stores/100))))
	}
	// A bad version: within an hour each till goes down.
	do(t, s, `INSERT INTO tillstream.outages (lane, store_id, terminal_id, started_at, version, outage_id, resolved_at, repair_ms, service_ms, cause)
		SELECT '', store_id, terminal_id, toDateTime64(yesterday(), 3) + 3600 + cityHash64(store_id, terminal_id) % 3600 AS x, 9, concat('mass-', store_id, terminal_id), x + 600, 600000, 600000, 'Crash' FROM tillstream.terminal_status FINAL WHERE lane = ''`)
	for _, table := range []string{"outages", "status_intervals", "store_outages", "sales_hourly", "terminal_sales", "incidents", "maintenance"} {
		do(t, s, "OPTIMIZE TABLE tillstream."+table+" FINAL")
	}
	for m := range months - 1 {
		first := fmt.Sprintf("toStartOfMonth(today()) - toIntervalMonth(%d)", m)
		stage := map[bool]string{true: "provisional", false: "final"}[m == 0]
		do(t, s, fmt.Sprintf(`INSERT INTO tillstream.sla_statements (period_start, contract, objective, scope, store_id, version, part_from, revision, rank, scope_kind, period, period_end, period_from, period_to, part_to,
			target, actual, coverage, verdict, budget_ms, down_ms, stage, running, closes_at, as_of, currency, claim)
			SELECT %s AS first, concat('c', leftPad(toString(intDiv(number, 14)), 5, '0')), if(number %% 14 < 12, 'till', concat('store', toString(number %% 14))), if(number %% 14 < 12, concat('t', leftPad(toString(number %% 14), 2, '0')), %s), %[2]s, 1,
			toDateTime64(first, 3), r, 1, if(number %% 14 < 12, 'terminal', 'store'), 'month', first + toIntervalMonth(1), toDateTime64(first, 3), toDateTime64(first + toIntervalMonth(1), 3), toDateTime64(first + toIntervalMonth(1), 3),
			(995, 1000), (999, 1000), (1, 1), if(number %% 100 = 0, 'breached', 'met'), 1000000, 1000, if(r = 1, 'final', 'provisional'), first = toStartOfMonth(today()), toDateTime64(first + toIntervalMonth(1), 3) + 10 * 86400, toDateTime64(first + toIntervalMonth(1), 3), 'EUR', 'automatic'
			FROM numbers(%d) ARRAY JOIN %s AS r`, first, store("intDiv(number, 14)"), stores*14, map[string]string{"provisional": "[0]", "final": "[0, 1]"}[stage]))
		do(t, s, fmt.Sprintf(`INSERT INTO tillstream.sla_evidence (period_start, contract, objective, scope, store_id, version, part_from, revision, rank, kind, ref, started, ended, counted_ms, counted_events, party, decision, rule, decided_by, decided, note)
			SELECT period_start, contract, objective, scope, store_id, version, part_from, revision, rank, ['outage', 'outage'], ['o1-1234567', 'o2-1234567'], [1, 2], [3, 4], [5, 6], [0, 0], ['provider', 'provider'], ['counted', 'counted'], ['one_till', 'one_till'], ['', ''], [0, 0], ['', '']
			FROM tillstream.sla_statements WHERE period_start = %s`, first))
	}
	do(t, s, "OPTIMIZE TABLE tillstream.sla_statements FINAL")
	do(t, s, "OPTIMIZE TABLE tillstream.sla_evidence FINAL")
	do(t, s, fmt.Sprintf("INSERT INTO tillstream.sla_burn (contract, objective, scope, store_id, window, rank, burn_rate, coverage) SELECT concat('c', leftPad(toString(number), 5, '0')), 'till', 't00', %s, '1h', 1, 20, 1 FROM numbers(%d) WHERE number %% 100 = 7", store("number"), stores))
	// The rows of eight lanes in every table and month.
	tables, err := s.tables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		by := ask(t, s, "partition_key", "FROM system.tables WHERE database = 'tillstream' AND name = '"+table.name+"'")[0]
		key := strings.TrimSuffix(strings.TrimPrefix(by, "toYYYYMM("), ")")
		if !strings.HasPrefix(by, "toYYYYMM") {
			do(t, s, fmt.Sprintf("INSERT INTO tillstream.%s (lane, mark) SELECT concat('g/', toString(number)), 'm1' FROM numbers(8)", table.name))
			continue
		}
		for m := range months {
			do(t, s, fmt.Sprintf("INSERT INTO tillstream.%s (lane, mark, %s) SELECT concat('g/', toString(number)), 'm1', today() - toIntervalMonth(%d) FROM numbers(8)", table.name, key, m))
		}
		do(t, s, "OPTIMIZE TABLE tillstream."+table.name+" FINAL")
	}
}
