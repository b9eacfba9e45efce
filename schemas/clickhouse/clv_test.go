package clickhouse

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/go-cmp/cmp"
)

// Churn risk is what a recomputation says, row by row and from nothing but the days.
func TestChurnRisk(t *testing.T) {
	conn := fresh(t)
	today, err := time.Parse(time.DateOnly, query(t, conn, "SELECT today()")[0])
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	bought := map[int]map[int]bool{} // customer → days ago
	values := []string{"('g/0', 0, '2026-01-01', '', 9, 0)"}
	for customer := range 200 {
		bought[customer] = map[int]bool{}
		rhythm := 1 + rnd.IntN(40)
		for range rnd.IntN(9) {
			ago := rhythm*rnd.IntN(12) + rnd.IntN(3)
			sold := rnd.IntN(5) // 0: goods were brought back only
			for range 1 + rnd.IntN(2) {
				values = append(values, fmt.Sprintf("('', %d, '%s', 's%d', %d, 100)", customer, today.AddDate(0, 0, -ago).Format(time.DateOnly), rnd.IntN(2), sold))
			}
			bought[customer][ago] = bought[customer][ago] || sold > 0
		}
	}
	for _, half := range [][]string{values[:len(values)/2], values[len(values)/2:]} { // a day's row in two batches
		exec(t, conn, "INSERT INTO tillstream.customer_days (lane, customer, business_date, store_id, transactions, net) VALUES "+strings.Join(half, ", "))
	}
	expect := func(asOf int) (want []string) { // asOf days ago
		for customer, days := range bought {
			var ago []int
			for d, sold := range days {
				if sold {
					ago = append(ago, d)
				}
			}
			if len(ago) < 4 {
				continue
			}
			slices.Sort(ago)
			var gaps []int
			for i := range len(ago) - 1 {
				gaps = append(gaps, ago[i+1]-ago[i])
			}
			slices.Sort(gaps)
			median := float64(gaps[len(gaps)/2])
			if len(gaps)%2 == 0 {
				median = (median + float64(gaps[len(gaps)/2-1])) / 2
			}
			since := max(ago[0]-asOf, 0)
			risk := float64(since) / median
			level := "gone"
			switch {
			case risk <= 1:
				level = "in_rhythm"
			case risk < 2:
				level = "late"
			case risk <= 6:
				level = "slipping"
			}
			want = append(want, fmt.Sprintf("%d	%s	%d	%d	%v	%.4f	%s", customer, today.AddDate(0, 0, -ago[0]).Format(time.DateOnly), since, len(ago), median, risk, level))
		}
		slices.Sort(want)
		if len(want) < 50 {
			t.Fatalf("only %d customers have a rhythm", len(want))
		}
		return want
	}
	reader := connect(t, "reader", ch.Settings{"join_use_nulls": 1, "aggregate_functions_null_for_empty": 1})
	same := func(asOf int) {
		t.Helper()
		got := query(t, reader, "SELECT customer, last_date, days_since, days, median_interval_days, printf('%.4f', risk), level FROM pos.churn_risk")
		slices.Sort(got)
		if d := cmp.Diff(expect(asOf), got); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
	}
	same(0) // there are no sales at all
	sold := func(ago int) {
		exec(t, conn, "INSERT INTO tillstream.sales_hourly (lane, business_date) VALUES ('', '"+today.AddDate(0, 0, -ago).Format(time.DateOnly)+"')")
	}
	sold(40)
	same(40) // the data ended 40 days ago
	sold(31)
	same(0)
	sold(-3) // a till's clock
	same(0)
}

// Only the newest model of each currency counts, and only when it is complete.
func TestCLVViews(t *testing.T) {
	conn := fresh(t)
	exec(t, conn, `INSERT INTO tillstream.clv (model, currency, as_of, customer, expected_purchases, p_alive, expected_spend, clv) VALUES
		('old', 'EUR', '2026-01-01', 1, 1, 0.5, 10, 9), ('new', 'EUR', '2026-02-01', 1, 2, 0.6, 11, 20), ('new', 'EUR', '2026-02-01', 2, 3, 0.7, 12, 30),
		('half', 'EUR', '2026-03-01', 1, 4, 0.8, 13, 40), ('yen', 'JPY', '2026-01-01', 1, 5, 0.9, 1400, 5000)`)
	exec(t, conn, `INSERT INTO tillstream.clv_models (model, currency, fitted_at, parameters) VALUES ('old', 'EUR', '2026-01-01 00:00:00', []), ('new', 'EUR', '2026-02-01 00:00:00', [('r', 0.25, 0.5)]), ('yen', 'JPY', '2025-01-01 00:00:00', [])`)
	exec(t, conn, "INSERT INTO tillstream.customer_consent (lane, mark, customer, latest) VALUES ('g/0', 'm1', 0, ''), ('', '', 1, '01767225600000loyalty\nmarketing'), ('', '', 2, '01767225600123')")
	exec(t, conn, "INSERT INTO tillstream.customer_consent (lane, customer, latest) VALUES ('', 1, '01767225599999other'), ('', 2, '00946684800000marketing')")
	for sql, want := range map[string][]string{
		"SELECT * FROM pos.clv ORDER BY ALL":                                 {"1	EUR	2	0.6	11	20	2026-02-01	new", "1	JPY	5	0.9	1400	5000	2026-01-01	yen", "2	EUR	3	0.7	12	30	2026-02-01	new"},
		"SELECT model, current, parameters.1 FROM pos.clv_models ORDER BY 1": {"new	1	['r']", "old	0	[]", "yen	1	[]"},
		"SELECT * FROM pos.customer_consent ORDER BY ALL":                    {"1	['loyalty','marketing']	2026-01-01 00:00:00.000", "2	[]	2026-01-01 00:00:00.123"},
	} {
		if d := cmp.Diff(want, query(t, connect(t, "reader", nil), sql)); d != "" {
			t.Errorf("%s (-want +got)\n%s", sql, d)
		}
	}
}
