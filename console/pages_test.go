package console

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Sales of two stores in three currencies, as a person adds them up. Amounts of two currencies are never one, and each has the digits that it has.
func TestSales(t *testing.T) {
	r := newRig(t)
	r.exec(`INSERT INTO tillstream.sales_hourly (lane, store_id, business_date, hour, local_hour, channel, currency, transactions, returns, units, gross, discount, net, loyalty_transactions, identified_transactions, offline_transactions, customers_in, baskets_in) VALUES
		('', 's1', '2026-11-02', '2026-11-02 09:00:00', 10, 'store', 'EUR', 30, 1, 45500, 130000, 5000, 125000, 6, 15, 3, [], []),
		('', 's1', '2026-11-09', '2026-11-09 09:00:00', 10, 'store', 'EUR', 10, 0, 14500, 40000, 0, 40000, 0, 5, 0, [], []),
		('', 's1', '2026-11-03', '2026-11-03 16:00:00', 17, 'store', 'EUR', 20, 0, 20000, 10050, 0, 10050, 0, 0, 0, [], []),
		('', 's2', '2026-11-03', '2026-11-03 01:00:00', 10, 'store', 'JPY', 4, 0, 8000, 5000, 0, 5000, 4, 4, 0, [], []),
		('', 's2', '2026-11-03', '2026-11-03 01:00:00', 10, 'web', 'TND', 1, 0, 1000, 12345, 0, 12345, 0, 0, 0, [], []),
		('', 's1', '2026-10-25', '2026-10-25 09:00:00', 10, 'store', 'EUR', 999, 0, 0, 0, 0, 0, 0, 0, 0, [], [])`)
	r.exec(`INSERT INTO tillstream.product_sales (lane, store_id, business_date, product_id, category, currency, units, revenue, baskets) VALUES
		('', 's1', '2026-11-02', 'tea', 'drinks', 'EUR', 5000, 1000, 4), ('', 's1', '2026-11-09', 'tea', 'drinks', 'EUR', 2000, 400, 2), ('', 's1', '2026-11-02', 'ham', 'food', 'EUR', 6500, 9000, 6),
		('', 's2', '2026-11-02', 'tea', 'drinks', 'JPY', 1000, 300, 1), ('', 's1', '2026-10-20', 'ham', 'food', 'EUR', 1000, 1000, 1), ('', 's1', '2026-10-20', 'tea', 'drinks', 'EUR', 500, 100, 1)`)
	r.exec(`INSERT INTO tillstream.payment_days (lane, business_date, store_id, method, entry_mode, wallet, currency, payments, amount) VALUES
		('', '2026-11-02', 's1', 'card', 'contactless', 'apple_pay', 'EUR', 30, 90000), ('', '2026-11-02', 's1', 'cash', '', '', 'EUR', 10, 10000), ('', '2026-11-03', 's2', 'cash', '', '', 'JPY', 4, 5000)`)
	page := r.look("/console/sales?lang=en&from=2026-11-01&to=2026-11-14")
	for id, want := range map[string][]string{
		"takings": {
			"EUR|60|1|1,750.50|50.00|29.18|1.33|33.3%",
			"JPY|4|0|5,000|0|1,250|2.00|100.0%",
			"TND|1|0|12.345|0.000|12.345|1.00|0.0%",
		},
		"sellers": {
			"tea|drinks|EUR|7|14.00|6|2",
			"ham|food|EUR|7|90.00|6|1", // 6.5, a place behind
			"tea|drinks|JPY|1|300|1|new",
		},
		"baskets":  {"s1|EUR|60|29.18|1.33|10.0%|5.0%", "s2|JPY|4|1,250|2.00|100.0%|0.0%", "s2|TND|1|12.345|1.00|0.0%|0.0%"},
		"payments": {"EUR|card|contactless|apple_pay|30|75.0%|900.00", "EUR|cash|–|–|10|25.0%|100.00", "JPY|cash|–|–|4|100.0%|5,000"},
	} {
		if d := cmp.Diff(want, cells(t, page, id)); d != "" {
			t.Errorf("%s (-want +got):\n%s", id, d)
		}
	}
	// Two Mondays with 30 and 10 sales at 10 o'clock are 20 a day; one Tuesday 20 at 17 and, of the other store's clock, 5 at 10.
	peaks := cells(t, page, "peaks")
	empty := strings.Repeat("|", 10)
	if peaks[0] != "Mon|"+empty+"20"+strings.Repeat("|", 13) || peaks[1] != "Tue|"+empty+"5|||||||20"+strings.Repeat("|", 6) {
		t.Errorf("%q", peaks)
	}
	if got := cells(t, r.look("/console/sales?lang=fr&from=2026-11-01&to=2026-11-14&store=s2"), "takings"); !cmp.Equal(got, []string{"JPY|4|0|5\u202f000|0|1\u202f250|2,00|100,0\u202f%", "TND|1|0|12,345|0,000|12,345|1,00|0,0\u202f%"}) {
		t.Errorf("%q", got)
	}
}

// Availability by day is a division of sums, in the days of the time zone that is looked at; the timeline is cut at their midnights, also where a day has 25 hours.
func TestAvailability(t *testing.T) {
	r := newRig(t)
	r.exec(`INSERT INTO tillstream.availability_hourly (lane, store_id, terminal_id, hour, version, up_ms, down_ms, silent_ms, service_ms, service_down_ms, service_unknown_ms, excluded_ms, evidence) VALUES
		('', 's1', 't1', '2026-10-24 20:00:00', 1, 3600000, 0, 0, 3600000, 0, 0, 0, 9), ('', 's1', 't1', '2026-10-24 22:00:00', 1, 2700000, 900000, 0, 3600000, 900000, 0, 0, 9),
		('', 's1', 't1', '2026-10-25 23:00:00', 1, 1800000, 0, 1800000, 3600000, 0, 1800000, 0, 9), ('', 's1', 't2', '2026-10-25 10:00:00', 1, 3600000, 0, 0, 3600000, 0, 0, 0, 9),
		('', 's2', 't3', '2026-10-24 20:00:00', 1, 0, 0, 3600000, 3600000, 0, 3600000, 0, 9), ('', 's0', 't4', '2026-10-24 20:00:00', 1, 3599999, 1, 0, 3600000, 1, 0, 0, 9)`)
	// Rows end with the newest evidence of a till, which is before the hours above: nothing is added at read time.
	r.exec(`INSERT INTO tillstream.status_intervals (lane, store_id, terminal_id, started_at, version, status, ended_at, cause) VALUES
		('', 's1', 't1', '2026-10-24 12:00:00', 1, 'up', '2026-10-24 21:00:00', ''), ('', 's1', 't1', '2026-10-24 21:00:00', 1, 'down', '2026-10-25 23:30:00', 'PRT-07')`)
	r.exec(`INSERT INTO tillstream.outages (lane, store_id, terminal_id, started_at, version, outage_id, resolved_at, repair_ms, service_ms, cause, party) VALUES
		('', 's1', 't1', '2026-10-24 21:00:00', 1, 'o1', '2026-10-25 23:30:00', 95400000, 5400000, 'PRT-07', 'provider')`)
	const query = "?lang=en&zone=Europe/Paris&from=2026-10-24&to=2026-10-26"
	page := r.look("/console/availability" + query)
	want := []string{
		"s1|100.0%|87.5%|100.0%|92.857%", // 22:00 UTC is the next day in Paris, and so is 23:00 after the clock change: 15 of 120 minutes, 15 of 210 in all
		"s0|99.9%|||99.999%",
		"s2||||–",
	}
	if d := cmp.Diff(want, cells(t, page, "calendar")); d != "" {
		t.Errorf("calendar (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"t1|100.0%|75.0%|100.0%|90.000%", "t2||100.0%||100.000%"}, cells(t, r.look("/console/availability"+query+"&store=s1"), "calendar")); d != "" {
		t.Errorf("calendar of a store (-want +got):\n%s", d)
	}
	timeline := section(t, r.look("/console/availability"+query+"&store=s1&terminal=t1"), "timeline")
	var bars []string
	for _, m := range regexp.MustCompile(`<rect class="([^"]*)" x="([^"]*)" width="([^"]*)"`).FindAllStringSubmatch(timeline, -1) {
		bars = append(bars, m[1]+" "+m[2]+" "+m[3])
	}
	// 24 October, 14:00 to 23:00 and on to midnight; 25 October, all its 25 hours; 26 October half an hour.
	if d := cmp.Diff([]string{"s-up 583.33 375.00", "s-down 958.33 41.67", "s-down 0.00 1000.00", "s-down 0.00 20.83"}, bars); d != "" {
		t.Errorf("bars (-want +got):\n%s", d)
	}
	if !strings.Contains(timeline, "down, 2026-10-24 23:00 – 2026-10-26 00:30, 1 d 2 h, PRT-07") && !strings.Contains(timeline, "1\u00a0d 2\u00a0h, PRT-07") {
		t.Errorf("the evidence is not told: %.1500s", timeline)
	}
	if got := cells(t, page, "outages"); len(got) != 1 || !strings.HasPrefix(got[0], "s1|t1|2026-10-24 23:00|2026-10-26 00:30|1\u00a0d 2\u00a0h|1\u00a0h 30\u00a0min|PRT-07|") {
		t.Errorf("%q", got)
	}
}

// Dead letters with the command that brings them in, what came, and holes.
func TestEvents(t *testing.T) {
	r := newRig(t)
	r.exec(`INSERT INTO tillstream.dead_letters (lane, topic, partition, offset, at, reason, field, expected) VALUES
		('', 'pos.health', 0, 1, '2026-11-02 10:00:00', 'future', 'time', 'soon'), ('', 'pos.health', 0, 2, '2026-11-02 11:00:00', 'future', 'time', 'soon'),
		('', 'pos.transactions', 0, 1, '2026-11-02 10:00:00', 'missing_field', 'currency', '<b>'), ('', 'pos.health', 0, 9, '2026-10-02 11:00:00', 'future', 'time', 'soon')`)
	r.exec(`INSERT INTO tillstream.data_quality (lane, topic, terminal_id, business_date, accepted, duplicates, missing, rejected, late_in) VALUES
		('', 'pos.transactions', 't1', '2026-11-02', 90, 3, 10, 0, []), ('', 'pos.transactions', 't2', '2026-11-02', 50, 0, 0, 1, []), ('', 'pos.transactions', 't3', '2026-11-03', 50, 7, 0, 0, [])`)
	page := r.look("/console/events?lang=en&from=2026-11-01&to=2026-11-14&store=ignored")
	for id, want := range map[string][]string{
		"letters": {
			"pos.health|future|time|soon|2|0|2026-11-02 11:00|tillstream deadletters replay --topic pos.health --reason future --dry-run",
			"pos.transactions|missing_field|currency|<b>|1|0|2026-11-02 10:00|tillstream deadletters replay --topic pos.transactions --reason missing_field --dry-run",
		},
		"holes": {"t1|90|3|10|90.00%|2026-11-02|2026-11-02", "t3|50|7|0|100.00%|–|–"},
	} {
		if d := cmp.Diff(want, cells(t, page, id)); d != "" {
			t.Errorf("%s (-want +got):\n%s", id, d)
		}
	}
	if got := cells(t, page, "quality"); len(got) != 2 || !strings.HasPrefix(got[1], "2026-11-02|pos.transactions|140|3|10|1|") {
		t.Errorf("%q", got)
	}
}

// Agreements as the views have them, worst first.
func TestAgreements(t *testing.T) {
	r := newRig(t)
	r.exec(`INSERT INTO tillstream.sla_statements (period_start, contract, objective, scope, version, revision, rank, stage, period, level, verdict, running, unit, target, actual, raw, low, high, coverage, counted_ms, down_ms, budget_ms, as_of) VALUES
		(toStartOfMonth(now()), 'gold', 'up', 't1', 1, 0, 5, 'provisional', 'month', 'customer', 'met', 1, 'share', (995, 1000), (9999, 10000), (1, 1), (1, 1), (1, 1), (1, 1), 1, 60000, 3600000, now64(3)),
		(toStartOfMonth(now()), 'gold', 'up', 't2', 1, 0, 5, 'provisional', 'month', 'customer', 'breached', 1, 'share', (995, 1000), (98, 100), (1, 1), (1, 1), (1, 1), (9, 10), 1, 5400000, 3600000, now64(3)),
		(toStartOfMonth(now()), 'gold', 'answer', 't2', 1, 0, 5, 'provisional', 'month', 'customer', 'not_applicable', 1, 'ms', (2000, 1), (0, 0), (0, 0), (0, 0), (0, 0), (0, 0), 0, 0, 0, now64(3)),
		('2026-01-01', 'gold', 'up', 't9', 1, 1, 5, 'final', 'month', 'customer', 'breached', 0, 'share', (995, 1000), (98, 100), (1, 1), (1, 1), (1, 1), (9, 10), 1, 5400000, 3600000, now64(3))`)
	r.exec(`INSERT INTO tillstream.sla_burn (contract, objective, scope, window, rank, burn_rate, coverage) VALUES ('gold', 'up', 't2', '1h', 1000, 14.4, 1), ('gold', 'up', 't2', '3d', 1000, 0.5, 1), ('gold', 'up', 't1', '1h', 1000, 0, 0.5)`)
	r.exec(`INSERT INTO tillstream.sla_documents (contract, number, period, revision, stage, published_at, hash, rank, statement) VALUES ('gold', 1, '2026-10', 1, 'final', '2026-11-04 08:00:00', 'sha256:ab', 1, '{}')`)
	page := r.look("/console/agreements?lang=en&from=2026-11-01&to=2026-11-14")
	for id, want := range map[string][]string{
		"budgets": {
			"gold|up|t2|breached|99.500%|98.000%|90.0%|1\u00a0h|1\u00a0h 30\u00a0min|\u221230\u00a0min",
			"gold|up|t1|met|99.500%|99.990%|100.0%|1\u00a0h|1\u00a0min|59\u00a0min",
			"gold|answer|t2|not applicable|2,000\u00a0ms|–|100.0%|0\u00a0s|0\u00a0s|–",
		},
		"statements": {"gold|1|2026-10|final|1|2026-11-04 08:00|sha256:ab|tillstream sla statement gold --period 2026-10"},
	} {
		if d := cmp.Diff(want, cells(t, page, id)); d != "" {
			t.Errorf("%s (-want +got):\n%s", id, d)
		}
	}
	if got := cells(t, page, "burn"); len(got) != 1 || !strings.HasPrefix(got[0], "gold|up|t2|0.0|14.4|0.0|0.0|0.5|") {
		t.Errorf("%q", got)
	}
	if got := cells(t, page, "verdicts"); len(got) != 2 || !strings.HasPrefix(got[0], "gold|up|month|") || !strings.Contains(got[0], "|1|0|1|0|0|") {
		t.Errorf("%q", got)
	}
}

// Customers are seen through the views of groups alone, and as those show them.
func TestCustomers(t *testing.T) {
	r := newRig(t)
	r.exec(`INSERT INTO tillstream.cohorts (cohort, currency, period, customers, active, net, complete, history_from, generation) VALUES
		('2026-01-01', 'EUR', 0, 58, 58, 100, 1, '2026-01-01', 1790000000000), ('2026-02-01', 'EUR', 0, 4, 4, 100, 1, '2026-01-01', 1790000000000),
		('2026-03-01', 'EUR', 0, 84, 84, 100, 1, '2026-01-01', 1790000000000), ('2026-03-01', 'EUR', 2, 84, 31, 100, 1, '2026-01-01', 1790000000000)`)
	r.exec("INSERT INTO tillstream.refreshes (name, generation) VALUES ('cohorts', 1790000000000), ('affinity', 1790000000000)")
	r.exec(`INSERT INTO tillstream.affinity (level, left, right, baskets, confidence, lift, generation) VALUES
		('category', 'tea', 'milk', 111, 0.504, 2.04, 1790000000000), ('category', 'milk', 'tea', 111, 0.251, 2.04, 1790000000000), ('category', 'ham', 'tea', 12, 0.9, 9, 1790000000000)`)
	page := r.look("/console/customers?lang=en")
	for id, want := range map[string][]string{
		"cohorts":  {"2026-03 EUR|80|100%||38%"}, // 30 of 80: counts are rounded to tens; four customers are nobody's business, nor those that would tell about them
		"affinity": {"tea|milk|category|110|50%|2.0"},
	} {
		if d := cmp.Diff(want, cells(t, page, id)); d != "" {
			t.Errorf("%s (-want +got):\n%s", id, d)
		}
	}
	for _, m := range codePattern.FindAllStringSubmatch(page, -1) {
		for _, view := range regexp.MustCompile(`(?:FROM|JOIN) (\S+)`).FindAllStringSubmatch(m[1], -1) {
			if !strings.HasPrefix(view[1], "pos.marketing_") {
				t.Errorf("%s is asked about customers", view[1])
			}
		}
	}
}

// Whatever is in an address, a page is an answer and no figure fails, on empty tables too.
func TestEveryPage(t *testing.T) {
	r := newRig(t)
	for _, k := range pageKinds() {
		for _, query := range []string{"", "?lang=fr&theme=dark&zone=America/New_York&range=91d", "?from=2026-13-45&to=x&zone=../etc&range=-1d&stores=-5&tills=99999999999&lang=xx&theme=%22%3E&store=%00%ff", "?store=a&terminal=b&from=2020-01-01&to=2026-01-01", "?part=1"} {
			page := r.look("/console/" + k.name + query)
			if n := strings.Count(page, "<section"); n == 0 || strings.Contains(page, "ZgotmplZ") {
				t.Errorf("%s%s has %d figures", k.name, query, n)
			}
		}
	}
}

// Days of a range are those of the time zone that is looked at.
func TestRange(t *testing.T) {
	for _, c := range []struct{ query, from, to, since, until string }{
		{"", "2026-11-21", "2026-11-27", "2026-11-21 00:00:00", "2026-11-28 00:00:00"},
		{"zone=Asia/Tokyo&range=1d", "2026-11-28", "2026-11-28", "2026-11-27 15:00:00", "2026-11-28 15:00:00"},
		{"zone=Europe/Paris&from=2026-10-25&to=2026-10-25", "2026-10-25", "2026-10-25", "2026-10-24 22:00:00", "2026-10-25 23:00:00"},
		{"from=2026-10-25&to=2026-10-20", "2026-11-21", "2026-11-27", "2026-11-21 00:00:00", "2026-11-28 00:00:00"},
	} {
		req, _ := newRequest("/console/sales?" + c.query)
		v := parse(req, "sales", time.Date(2026, 11, 27, 20, 0, 0, 0, time.UTC))
		p := v.params()
		if p["from"] != c.from || p["to"] != c.to || p["since"] != c.since || p["until"] != c.until {
			t.Errorf("%s: %v", c.query, p)
		}
		if said := len(v.ignored) > 0; said != (c.query == "from=2026-10-25&to=2026-10-20") {
			t.Errorf("%s: said of it: %v", c.query, v.ignored)
		}
		// The address that the view makes is the view again.
		again, _ := newRequest(v.href("sales"))
		if w := parse(again, "sales", v.now); !cmp.Equal(w.params(), p) {
			t.Errorf("%s: %s is %v", c.query, v.href("sales"), w.params())
		}
	}
}
