package clickhouse

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"
)

// contract.sql are the lines of the public contract for the views that exist.
//
//go:embed testdata/contract.sql
var contract string

// queries.sql are what users type: a comment line, then a query line.
//
//go:embed testdata/queries.sql
var queries string

func TestViewsKeepTheContract(t *testing.T) {
	conn := fresh(t)
	for _, line := range strings.Split(strings.TrimSpace(contract), "\n") {
		view := regexp.MustCompile(`CREATE TABLE pos\.(\w+) `).FindStringSubmatch(line)[1]
		exec(t, conn, strings.Replace(line, "pos."+view, "default."+view, 1))
		columns := func(db string) []string {
			return query(t, conn, "SELECT name, type FROM system.columns WHERE database = '"+db+"' AND table = '"+view+"' ORDER BY position")
		}
		want, got := columns("default"), columns("pos")
		exec(t, conn, "DROP TABLE default."+view)
		if len(got) < len(want) || len(want) == 0 {
			t.Errorf("%s has %d columns, contract %d", view, len(got), len(want))
			continue
		}
		if diff := cmp.Diff(want, got[:len(want)]); diff != "" {
			t.Errorf("%s (-contract +view)\n%s", view, diff)
		}
	}
}

// What users type must run for a reader who may only read pos, and with settings that change what joins and unions mean.
func TestUsersQueriesRunForReaders(t *testing.T) {
	conn := fresh(t)
	fill(t, conn)
	_, base := clock(t, conn)
	till{"lapsed", "up", 6 * hour, 5*hour - minute, 30 * minute, minute, 0}.insert(t, conn, base)
	exec(t, conn, "INSERT INTO tillstream.status_intervals (lane, store_id, terminal_id, started_at, version, status) VALUES ('', 's', 'lapsed', now64(3), 1, 'up'), ('', 's', 'other', now64(3), 1, 'down')")
	exec(t, conn, "INSERT INTO tillstream.outages (lane, store_id, terminal_id, started_at, version, outage_id) VALUES ('', 's', 'lapsed', now64(3), 1, 'o1'), ('', 's', 'other', now64(3), 1, 'o2')")
	exec(t, conn, "INSERT INTO tillstream.store_status (lane, store_id, version, status, last_seen, holds_until) VALUES ('', 's', 1, 'up', now64(3), now64(3))")
	exec(t, conn, "INSERT INTO tillstream.store_outages (lane, store_id, started_at, version, outage_id) VALUES ('', 's', now64(3), 1, 'o3')")
	exec(t, conn, "INSERT INTO tillstream.service_windows (lane, store_id, month, version, opens, closes) VALUES ('', 's', toStartOfMonth(now()), 1, [now()], [now() + 1])")
	busy(t, conn, "silent", 60, 90)
	exec(t, conn, "INSERT INTO tillstream.sla_documents (contract, number, hash, rank, statement) VALUES ('acme-gold', 1, 'sha256:1', 2, '{}'), ('acme-gold', 1, 'sha256:2', 1, '{}')")
	exec(t, conn, "INSERT INTO tillstream.alerts (rule, scope, alert_id, sequence, state) VALUES ('r', 's', 'a', 1, 'firing'), ('r', 's', 'a', 3, 'resolved'), ('r', 's', 'a', 2, 'frozen')")
	exec(t, conn, "INSERT INTO tillstream.customer_days (lane, customer, business_date, transactions) SELECT '', 9, today() - number, 1 FROM numbers(4)")
	exec(t, conn, "INSERT INTO tillstream.customer_consent (lane, customer, latest) VALUES ('', 9, '01767225600000marketing')")
	exec(t, conn, "INSERT INTO tillstream.clv (model, customer) VALUES ('m', 9)")
	exec(t, conn, "INSERT INTO tillstream.clv_models (model) VALUES ('m')")
	exec(t, conn, "INSERT INTO tillstream.exports (id) VALUES ('e')")
	exec(t, conn, "INSERT INTO tillstream.erasures (id) VALUES ('e')")
	for _, s := range marketing.insert(calendar{base}) {
		exec(t, conn, s)
	}
	exec(t, conn, "INSERT INTO tillstream.transactions (lane, id, corrects, keep_days) VALUES ('', 'c', ['a'], 99)")
	exec(t, conn, "INSERT INTO tillstream.transaction_packs (lane, ids, corrects, keep_days) VALUES ('', ['d'], ['a'], 99)")
	exec(t, conn, "INSERT INTO tillstream.terminal_payments (lane, store_id, terminal_id, hour, attempts) VALUES ('', 's', 't', now(), 1)")
	exec(t, conn, "INSERT INTO tillstream.availability_hourly (lane, store_id, terminal_id, hour, version, responses) VALUES ('', 's', 'asked', toStartOfHour(now()), 1, [7])")
	exec(t, conn, "INSERT INTO tillstream.returns (lane, business_date, lines) VALUES ('', today(), 1)")
	reader := connect(t, "reader", ch.Settings{"join_use_nulls": 1, "union_default_mode": "DISTINCT", "aggregate_functions_null_for_empty": 1})
	lines := strings.Split(strings.TrimSpace(queries), "\n")
	if len(lines) != 2*45 {
		t.Fatalf("%d lines", len(lines))
	}
	for i := 0; i < len(lines); i += 2 {
		t.Run(lines[i][3:strings.IndexByte(lines[i][3:], ' ')+3], func(t *testing.T) {
			query(t, reader, lines[i+1])
		})
	}
	for _, table := range query(t, conn, "SELECT name FROM system.tables WHERE database = 'pos' AND name NOT LIKE 'marketing_%'") { // groups of ten: privacy_test.go
		if len(query(t, reader, "SELECT * FROM pos."+table)) == 0 {
			t.Errorf("pos.%s shows the reader nothing", table)
		}
	}
	if got := query(t, reader, "SELECT hash FROM pos.sla_statements"); !slices.Equal(got, []string{"sha256:1"}) {
		t.Errorf("of two links with one number the first stays: %v", got)
	}
	if err := reader.Exec(t.Context(), "SELECT * FROM tillstream.state"); err == nil || !strings.Contains(err.Error(), "Not enough privileges") {
		t.Errorf("reader reads the machine's tables: %v", err)
	}
}

// fill writes two batches to the rollups, each with its ledger row. What the views must say of them is worked out by hand below.
func fill(t *testing.T, conn driver.Conn) {
	t.Helper()
	for _, s := range []string{
		// s1 sells in EUR (exponent 2), s2 in JPY (0), s3 in TND (3), s4 in CLF (4): 12345 minor units each
		`INSERT INTO tillstream.sales_hourly (lane, mark, store_id, business_date, hour, local_hour, channel, currency, transactions, returns, voids,
			units, gross, discount, tax, net, loyalty_transactions, identified_transactions, offline_transactions, customers_in, baskets_in) VALUES
			('g/0', 'm1', '', '2026-11-01', 0, 0, '', '', 5, 0, 0, 5500, 49380, 400, 0, 0, 0, 0, 0, [], []),
			('', '', 's1', '2026-11-03', '2026-11-03 09:00:00', 10, 'store', 'EUR', 2, 1, 0, 2500, 12345, 100, 50, 12245, 1, 2, 0, [1, 2], [1000, 3000]),
			('', '', 's2', '2026-11-03', '2026-11-03 09:00:00', 18, 'store', 'JPY', 1, 0, 0, 1000, 12345, 100, 50, 12245, 0, 0, 1, [], [12245]),
			('', '', 's3', '2026-11-03', '2026-11-03 09:00:00', 10, 'web', 'TND', 1, 0, 0, 1000, 12345, 100, 50, 12245, 0, 1, 0, [9], [12245]),
			('', '', 's4', '2026-11-03', '2026-11-03 09:00:00', 6, 'web', 'CLF', 1, 0, 0, 1000, 12345, 100, 50, 12245, 0, 1, 0, [9], [12245])`,
		`INSERT INTO tillstream.sales_hourly (lane, mark, store_id, business_date, hour, local_hour, channel, currency, transactions, returns, voids,
			units, gross, discount, tax, net, loyalty_transactions, identified_transactions, offline_transactions, customers_in, baskets_in) VALUES
			('g/0', 'm2', '', '2026-11-01', 0, 0, '', '', 1, 0, 2, -500, 500, 0, 0, 0, 0, 0, 0, [], []),
			('', '', 's1', '2026-11-03', '2026-11-03 09:00:00', 10, 'store', 'EUR', 1, 0, 2, -500, 500, 0, 0, 500, 0, 1, 0, [2], [500]),
			('', '', 's9', '2026-11-03', '2026-11-03 09:00:00', 10, 'store', 'VND', 0, 0, 0, 0, 9223372036854775807, 0, 0, -9223372036854775807, 0, 0, 0, [], [])`,
		`INSERT INTO tillstream.product_sales (lane, mark, store_id, business_date, product_id, category, currency, units, revenue, discount, baskets, returned_units, promoted_units) VALUES
			('g/0', 'm1', '', '2026-11-01', '', '', '', 1000, 999, 1, 1, 0, 0),
			('', '', 's1', '2026-11-03', 'p1', 'food', 'EUR', 1000, 999, 1, 1, 0, 0)`,
		`INSERT INTO tillstream.product_sales (lane, mark, store_id, business_date, product_id, category, currency, units, revenue, discount, baskets, returned_units, promoted_units) VALUES
			('g/0', 'm2', '', '2026-11-01', '', '', '', -250, -250, 0, 0, 250, 125),
			('', '', 's1', '2026-11-03', 'p1', 'food', 'EUR', -250, -250, 0, 0, 250, 125)`,
		`INSERT INTO tillstream.customer_days (lane, mark, customer, business_date, store_id, channel, currency, transactions, units, net, discount, first_at, last_at) VALUES
			('g/0', 'm1', 0, '2026-11-01', '', '', '', 1, 0, 0, 0, 0, 0),
			('', '', 7, '2026-11-03', 's1', 'store', 'EUR', 1, 2000, 1500, 10, '2026-11-03 10:00:00', '2026-11-03 10:00:00'),
			('', '', 8, '2026-11-03', 's1', 'store', 'EUR', 0, -1000, -500, 0, '2026-11-03 10:00:00', '2026-11-03 10:00:00')`,
		`INSERT INTO tillstream.customer_days (lane, mark, customer, business_date, store_id, channel, currency, transactions, units, net, discount, first_at, last_at) VALUES
			('', '', 7, '2026-11-03', 's1', 'store', 'EUR', 2, 1000, 500, 0, '2026-11-03 09:00:00', '2026-11-03 18:00:00')`,
		`INSERT INTO tillstream.payments_hourly (lane, mark, store_id, hour, service, method, entry_mode, currency, attempts, approved, declined, failed, offline, amount, auth_ms, auth_n, auth_in) VALUES
			('g/0', 'm1', '', '2026-11-01 00:00:00', '', '', '', '', 4, 2, 1, 1, 0, 0, 0, 0, []),
			('', '', 's1', '2026-11-03 09:00:00', 'acme', 'card', 'chip', 'EUR', 4, 2, 1, 1, 0, 5000, 1000, 4, [100, 200, 300, 400]),
			('', '', 's1', '2026-11-03 09:00:00', '', 'cash', '', 'EUR', 1, 1, 0, 0, 0, 700, 0, 0, [])`,
		`INSERT INTO tillstream.payments_hourly (lane, mark, store_id, hour, service, method, entry_mode, currency, attempts, approved, declined, failed, offline, amount, auth_ms, auth_n, auth_in) VALUES
			('', '', 's1', '2026-11-03 09:00:00', 'acme', 'card', 'chip', 'EUR', 1, 1, 0, 0, 1, 1, 500, 1, [500])`,
		`INSERT INTO tillstream.data_quality (lane, mark, topic, terminal_id, business_date, accepted, duplicates, missing, rejected, late, test, unbalanced, pan_masked, stale, other, late_in, skew_min, skew_max) VALUES
			('g/0', 'm1', '', '', '2026-11-01', 10, 1, 3, 1, 1, 0, 0, 0, 0, 0, [], 0, 0),
			('', '', 'pos.transactions', 't1', '2026-11-03', 10, 1, 3, 1, 1, 2, 3, 4, 5, 6, [700], -5000, 200),
			('', '', 'pos.transactions', 't2', '2026-11-03', 1, 0, -2, 0, 0, 0, 0, 0, 0, 0, [], 0, 300)`,
		`INSERT INTO tillstream.data_quality (lane, mark, topic, terminal_id, business_date, accepted, duplicates, missing, rejected, late, test, unbalanced, pan_masked, stale, other, late_in, skew_min, skew_max) VALUES
			('', '', 'pos.transactions', 't1', '2026-11-03', 5, 0, -1, 0, 0, 0, 0, 0, 0, 0, [], 0, 100)`,
		"INSERT INTO tillstream.streams (`group`, epoch, lanes, created_at, reason, created_by) VALUES ('g', 2, 4, now64(3), 'retention', 'ann')",
		// s1 as it was and as it is; s2, which was removed
		`INSERT INTO tillstream.registry (kind, name, revision, at, by, reason, document, deleted) VALUES
			('Store', 's1', 1, '2026-11-03 09:00:00.000', 'ann', '', '{}', 0),
			('Document', 's1', 1, '2026-11-03 09:00:00.000', 'ann', '', '{"versions":[{"timezone":"UTC"}]}', 0),
			('Document', 's2', 1, '2026-11-03 09:00:00.000', 'ann', '', '{"versions":[{"timezone":"UTC"}],"terminals":[{"id":"t9","lives":[{}],"versions":[{}]}]}', 0),
			('Document', 's2', 2, '2026-11-03 10:00:00.000', 'bob', '', '', 1),
			('Document', 's1', 2, '2026-11-03 10:00:00.000', 'bob', 'moved', '{"opened_on":"2020-03-01","versions":[{"timezone":"Europe/Paris","currency":"EUR","calendar":{}},{"from":"2026-06-01","timezone":"Europe/London","sell_quorum":2}],"terminals":[{"id":"t1","lives":[{"to":"2026-02-01T00:00:00Z"},{"from":"2026-05-01T00:00:00Z"}],"versions":[{"model":"X1","services":["till"]},{"from":"2026-07-01T12:30:00.5Z","model":"X2","heartbeat_timeout":90000}]}]}', 0)`,
		// of an epoch that began, of a topic made anew, of one that was cut short, and of somebody who was not the one to begin it
		"INSERT INTO tillstream.losses (`group`, epoch, topic, partition, from_offset, to_offset, reason, decided_by, decided_at) VALUES " +
			"('g', 2, 'pos.health', 3, 40, 50, 'retention', 'ann', '2026-11-03 09:00:00.123'), ('g', 2, 'pos.health', 4, 40, 0, 'retention', 'ann', '2026-11-03 09:00:00.123'), " +
			"('g', 3, 'pos.health', 3, 50, 60, 'retention', 'ann', '2026-11-03 09:00:00.123'), ('g', 2, 'pos.health', 5, 50, 60, 'retention', 'bob', '2026-11-03 09:00:00.123')",
		`INSERT INTO tillstream.dead_letters (lane, mark, topic, partition, offset, at, reason, field, expected) VALUES
			('g/0', 'm1', '', 0, 0, '2026-11-01 00:00:00.000', '', '', ''),
			('', '', 'pos.health', 3, 41, '2026-11-03 09:00:00.123', 'bad_time', 'time', 'RFC 3339')`,
		`INSERT INTO tillstream.dead_letters (lane, mark, topic, partition, offset, at, reason, field, expected) VALUES
			('', '', 'pos.health', 3, 41, '2026-11-03 09:00:00.123', 'bad_time', 'time', 'RFC 3339'),
			('', '', 'pos.health', 3, 42, '2026-11-03 09:00:01.000', 'too_large', '', '')`,
		"INSERT INTO tillstream.dead_letter_replays VALUES ('pos.health', 3, 42, '2026-11-04 09:00:00.000', 'a@b'), ('pos.orders', 3, 41, '2026-11-04 09:00:00.000', 'a@b')",
		"INSERT INTO tillstream.dead_letter_replays VALUES ('pos.health', 3, 42, '2026-11-04 10:00:00.000', 'a@b')",
		`INSERT INTO tillstream.ledger (lane, mark, topic, partition, epoch, day, from_offset, to_offset, records, duplicates, rejected, gaps, written_at) VALUES
			('g/0', 'm1', '', 0, 0, '2026-11-01', 0, 0, 10, 0, 0, 0, '2026-11-03 09:00:05.000'),
			('g/0', '', 'pos.health', 3, 1, '2026-11-03', 40, 50, 8, 1, 1, 0, '2026-11-03 09:00:05.000')`,
		`INSERT INTO tillstream.ledger (lane, mark, topic, partition, epoch, day, from_offset, to_offset, records, duplicates, rejected, gaps, written_at) VALUES
			('g/0', '', 'pos.health', 3, 1, '2026-11-03', 50, 60, 7, 1, 0, 2, '2026-11-03 09:00:06.000')`,
		`INSERT INTO tillstream.incidents (lane, mark, store_id, incident_id, version, status, started_at, opened_at, resolved_at, resolve_ms, party) VALUES
			('g/0', 'm1', '', '', 1, '', 0, 0, NULL, 0, ''), ('', '', 's', 'i1', 1, 'resolved', '2026-11-03 09:00:00.000', '2026-11-03 09:10:00.000', '2026-11-03 10:00:00.000', 3600000, 'provider')`,
		`INSERT INTO tillstream.incident_steps (lane, store_id, incident_id, at, source, event_id, version, step) VALUES ('', 's', 'i1', '2026-11-03 09:10:00.000', 'desk', '1', 1, 'opened')`,
		`INSERT INTO tillstream.sla_statements (period_start, contract, objective, scope, version, period, currency, credit) VALUES ('2026-10-01', 'acme', 'o', 't1', 1, 'month', 'EUR', 1)`,
		`INSERT INTO tillstream.sla_evidence (period_start, contract, objective, scope, version, kind, ref, started, ended, counted_ms, counted_events, party, decision, rule, decided_by, decided, note) VALUES
			('2026-10-01', 'acme', 'o', 't1', 1, ['outage'], ['r'], [0], [1], [1], [0], ['provider'], ['counted'], [''], [''], [0], [''])`,
		`INSERT INTO tillstream.sla_burn (contract, objective, scope, window, burn_rate) VALUES ('acme', 'o', 't1', '1h', 2)`,
		told{store: "s1", order: "o1", steps: map[string]int64{"ready": 1}}.insert(calendar{1e12}),
		`INSERT INTO tillstream.maintenance (lane, store_id, maintenance_id, version, status) VALUES ('', 's', 'm1', 1, 'announced')`,
	} {
		exec(t, conn, s)
	}
}

func TestRollupViews(t *testing.T) {
	conn := fresh(t)
	fill(t, conn)
	for _, merged := range []bool{false, true} {
		if merged { // merges change nothing that a view shows
			for _, table := range []string{"sales_hourly", "product_sales", "customer_days", "payments_hourly", "data_quality", "dead_letters", "ledger"} {
				exec(t, conn, "OPTIMIZE TABLE tillstream."+table+" FINAL")
			}
		}
		for sql, want := range map[string][]string{
			`SELECT store_id, transactions, returns, voids, units, gross, discount, tax, net, loyalty_transactions, identified_transactions, offline_transactions, customers FROM pos.sales_hourly ORDER BY store_id`: {
				"s1	3	1	2	2	128.45	1	0.5	127.45	1	3	0	2",
				"s2	1	0	0	1	12345	100	50	12245	0	0	1	0",
				"s3	1	0	0	1	12.345	0.1	0.05	12.245	0	1	0	1",
				"s4	1	0	0	1	1.2345	0.01	0.005	1.2245	0	1	0	1",
				// what Decimal(18,4) cannot hold is its largest value: whole dong, exponent 0
				"s9	0	0	0	0	99999999999999	0	0	-99999999999999	0	0	0	0",
			},
			// DDSketch is within 1 % of the value at rank floor(q * (n-1)): of 5.00, 10.00 and 30.00 that is the second for both
			`SELECT store_id, abs(basket_value_p50 / [10, 12245, 12.245, 1.2245][rowNumberInAllBlocks() + 1] - 1) < 0.011, abs(basket_value_p95 / [10, 12245, 12.245, 1.2245][rowNumberInAllBlocks() + 1] - 1) < 0.011
				FROM (SELECT * FROM pos.sales_hourly WHERE store_id < 's9' ORDER BY store_id)`: {"s1	1	1", "s2	1	1", "s3	1	1", "s4	1	1"},
			`SELECT basket_value_p50, basket_value_p95 FROM pos.sales_hourly WHERE store_id = 's9'`:                                                                    {"0	0"},
			`SELECT store_id, product_id, category, currency, business_date, units, revenue, discount, baskets, returned_units, promoted_units FROM pos.product_sales`: {"s1	p1	food	EUR	2026-11-03	0.75	7.49	0.01	1	0.25	0.125"},
			`SELECT customer, visits, transactions, units, net, discount, first_at, last_at FROM pos.customer_days ORDER BY customer`: {
				"7	1	3	3	20	0.1	2026-11-03 09:00:00	2026-11-03 18:00:00",
				"8	0	0	-1	-5	0	2026-11-03 10:00:00	2026-11-03 10:00:00",
			},
			`SELECT service, attempts, approved, declined, failed, offline, amount, authorisation_ms_avg, authorisation_ms_p50, authorisation_ms_p95, authorisation_ms_p99 FROM pos.payments_hourly ORDER BY service`: {
				"	1	1	0	0	0	7	0	0	0	0",
				"acme	5	3	1	1	1	50.01	300	300	500	500",
			},
			`SELECT topic, terminal_id, business_date, accepted, duplicates, missing, rejected, late, round(late_p95_s / 700, 1), clock_skew_ms, test, unbalanced, pan_masked, stale, other FROM pos.data_quality ORDER BY terminal_id`: {
				"pos.transactions	t1	2026-11-03	15	1	2	1	1	1	-5000	2	3	4	5	6",
				"pos.transactions	t2	2026-11-03	1	0	0	0	0	0	300	0	0	0	0	0",
			},
			`SELECT store_id, valid_from, valid_to, timezone, currency, sell_quorum, has_hours, opened_on, closed_on, terminals, revision, changed_by, reason FROM pos.stores ORDER BY valid_from NULLS FIRST`: {
				"s1	\\N	2026-06-01	Europe/Paris	EUR	1	1	2020-03-01	\\N	1	2	bob	moved",
				"s1	2026-06-01	\\N	Europe/London		2	0	2020-03-01	\\N	1	2	bob	moved",
			},
			`SELECT terminal_id, store_id, valid_from, valid_to, model, services, heartbeat_timeout_ms, revision FROM pos.terminals ORDER BY valid_from NULLS FIRST`: {
				"t1	s1	\\N	2026-02-01 00:00:00.000	X1	['till']	\\N	2",
				"t1	s1	2026-05-01 00:00:00.000	2026-07-01 12:30:00.500	X1	['till']	\\N	2",
				"t1	s1	2026-07-01 12:30:00.500	\\N	X2	[]	90000	2",
			},
			`SELECT * FROM pos.dead_letters ORDER BY offset`: {
				"pos.health	3	41	bad_time	2026-11-03 09:00:00.123	time	RFC 3339	\\N",
				"pos.health	3	42	too_large	2026-11-03 09:00:01.000			2026-11-04 10:00:00.000",
			},
			`SELECT * FROM pos.ledger`: {"pos.health	3	1	40	60	15	2	1	2	2026-11-03 09:00:06.000	2026-11-03	g/0"},
			`SELECT * FROM pos.losses ORDER BY partition`: {
				"pos.health	3	2	40	50	10	retention	ann	2026-11-03 09:00:00.123	g", "pos.health	4	2	40	0	0	retention	ann	2026-11-03 09:00:00.123	g",
			},
		} {
			if diff := cmp.Diff(want, query(t, conn, sql)); diff != "" {
				t.Errorf("merged %v: %s\n%s", merged, sql, diff)
			}
		}
	}
}

// Exponents of ISO 4217 (list one, 2024-06-25) that are not 2, written down a second time.
func TestCurrencyExponents(t *testing.T) {
	conn := fresh(t)
	exponents := map[string]int{"EUR": 2, "USD": 2, "MGA": 2, "HUF": 2, "": 2}
	for e, list := range map[int]string{
		0: "UGX VND VUV XAF XOF XPF PYG RWF UYI JPY KMF KRW ISK GNF DJF CLP BIF",
		3: "TND OMR LYD KWD JOD IQD BHD",
		4: "UYW CLF",
	} {
		for _, c := range strings.Fields(list) {
			exponents[c] = e
		}
	}
	var values []string
	for c := range exponents {
		values = append(values, "('', 's', '2026-11-03', 'p', '', '"+c+"', 10000, 1)")
	}
	exec(t, conn, "INSERT INTO tillstream.product_sales (lane, store_id, business_date, product_id, category, currency, revenue, baskets) VALUES "+strings.Join(values, ", "))
	for _, line := range query(t, conn, "SELECT currency, revenue FROM pos.product_sales") {
		c, got, _ := strings.Cut(line, "\t")
		if want := [...]string{"10000", "1000", "100", "10", "1"}[exponents[c]]; got != want {
			t.Errorf("10000 minor units of %q are shown as %s, want %s", c, got, want)
		}
	}
}

// Views must read only what a filter asks for.
func TestFiltersReachTheTables(t *testing.T) {
	conn := fresh(t)
	exec(t, conn, `INSERT INTO tillstream.availability_hourly (lane, store_id, terminal_id, hour, version, up_ms)
		SELECT '', concat('s', toString(number % 60)), concat('t', toString(number % 60)), toDateTime('2026-01-01 00:00:00', 'UTC') + 3600 * intDiv(number, 60), 1, 3600000 FROM numbers(60 * 24 * 90)
		SETTINGS max_partitions_per_insert_block = 100`)
	exec(t, conn, `INSERT INTO tillstream.sales_hourly (lane, store_id, business_date, hour, local_hour, currency, transactions)
		SELECT '', concat('s', toString(number % 60)), toDate('2026-01-01') + intDiv(number, 60 * 24), toDateTime('2026-01-01 00:00:00', 'UTC') + 3600 * intDiv(number, 60), intDiv(number, 60) % 24, 'EUR', 1 FROM numbers(60 * 24 * 90)`)
	// three months, one part and at least five granules of 8,192 rows each
	for sql, most := range map[string][2]int{
		"SELECT count() FROM pos.availability_hourly WHERE hour >= '2026-03-30 00:00:00'":                           {1, 6},
		"SELECT count() FROM pos.availability_hourly WHERE hour >= '2026-03-30 00:00:00' AND store_id = 's7'":       {1, 2},
		"SELECT count() FROM pos.sales_hourly WHERE business_date >= '2026-03-20' AND business_date < '2026-03-22'": {1, 2},
		"SELECT count() FROM pos.sales_hourly WHERE hour >= '2026-03-30 12:00:00'":                                  {1, 2},
	} {
		plan := strings.Join(query(t, conn, "EXPLAIN indexes = 1 "+sql), "\n")
		checked := 0
		for _, read := range regexp.MustCompile(`ReadFromMergeTree \(tillstream\.(?:availability|sales)_hourly\)[^P]*Parts: (\d+)[^G]*Granules: (\d+)`).FindAllStringSubmatch(plan, -1) {
			var parts, granules int
			fmt.Sscan(read[1], &parts)
			fmt.Sscan(read[2], &granules)
			if parts > most[0] || granules > most[1] {
				t.Errorf("%s reads %d parts and %d granules, want at most %v", sql, parts, granules, most)
			}
			checked++
		}
		if checked == 0 {
			t.Errorf("%s: no read in\n%s", sql, plan)
		}
	}
}
