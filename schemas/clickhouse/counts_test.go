package clickhouse

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What a batch says of single values, those added and those taken off, becomes counts by value. They are compared with what a GROUP BY of the same values gives; few
// different values make many that nothing is left of.
func TestCountsByValue(t *testing.T) {
	conn := fresh(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	exec(t, conn, "CREATE OR REPLACE TABLE default.said (row String, added Array(Int64), off Array(Int64)) ENGINE = Memory")
	var rows []string
	for row := range 300 {
		values := func(most int) string {
			v := make([]int64, rnd.IntN(most))
			for i := range v {
				if v[i] = rnd.Int64N(12); rnd.IntN(4) == 0 {
					v[i] = rnd.Int64N(7200)
				}
			}
			return strings.ReplaceAll(fmt.Sprint(v), " ", ",")
		}
		most := []int{1, 3, 40}
		rows = append(rows, fmt.Sprintf("('%d', %s, %s)", row, values(most[row%3]), values(most[row/3%3])))
	}
	exec(t, conn, "INSERT INTO default.said VALUES "+strings.Join(rows, ", "))

	for _, c := range []struct{ table, key, in, out, of, counts, key0, failed string }{
		{"sales_hourly", "store_id", "customers_in", "customers_out", "x", "customer_counts", "toUInt32(cityHash64(toUInt64(x)))", ""},
		{"sales_hourly", "store_id", "baskets_in", "baskets_out", "x - 20", "basket_counts", "toInt32(if(x = 20, 0, sign(x - 20) * (1 + ceil(log(abs(x - 20)) / log(1.01 / 0.99)))))", ""},
		{"customer_days", "store_id", "times_in", "times_out", "x + 4000000000", "time_counts", "x + 4000000000", ""},
		{"payments_hourly", "store_id", "auth_in", "auth_out", "x", "auth_counts", "x", ""},
		{"terminal_payments", "store_id", "auth_in", "auth_out", "x", "auth_counts", "x", ""},
		{"terminal_payments", "store_id", "tries_in", "tries_out", "x", "tries", "intDiv(x, 2)", "x % 2"},
	} {
		exec(t, conn, "TRUNCATE TABLE tillstream."+c.table)
		exec(t, conn, fmt.Sprintf("INSERT INTO tillstream.%[1]s (%[2]s, %[3]s, %[4]s) SELECT row, arrayMap(x -> %[5]s, added), arrayMap(x -> %[5]s, off) FROM default.said",
			c.table, c.key, c.in, c.out, c.of))
		columns, failed := "t.%[1]s.1, t.%[1]s.2", "0"
		if c.failed != "" {
			columns, failed = columns+", t.%[1]s.3", c.failed
		}
		got := query(t, conn, fmt.Sprintf("SELECT %[2]s AS row, arrayZip("+columns+") AS v FROM tillstream.%[3]s AS t WHERE notEmpty(v) ORDER BY row", c.counts, c.key, c.table))
		sums := "toInt64(n)"
		if c.failed != "" {
			sums = "toInt64(n), toInt64(f)"
		}
		want := query(t, conn, fmt.Sprintf(`SELECT row, arraySort(groupArray((k, %s))) FROM (SELECT row, %s AS k, sum(s) AS n, sum(s * (%s)) AS f FROM
			(SELECT row, arrayJoin(added) AS x, 1 AS s FROM default.said UNION ALL SELECT row, arrayJoin(off), -1 FROM default.said) GROUP BY row, k) WHERE n != 0 OR f != 0 GROUP BY row ORDER BY row`, sums, c.key0, failed))
		if diff := cmp.Diff(want, got); diff != "" || len(want) < 200 {
			t.Errorf("%s of %s, %d rows: %.2000s", c.counts, c.table, len(want), diff)
		}
	}
}

// What views reckon from counts is what the server's own functions say of the values themselves, in rows of one batch or of several; and rows older than the counts have their sketches.
func TestViewsAskCounts(t *testing.T) {
	conn := fresh(t)
	rnd := rand.New(rand.NewPCG(3, 4))
	exec(t, conn, "CREATE OR REPLACE TABLE default.sold (row String, part UInt8, customers Array(UInt64), baskets Array(Int64), ms Array(UInt32)) ENGINE = Memory")
	var rows []string
	for row := range 200 {
		for part := range 1 + row%3 {
			n := rnd.IntN(60)
			customers, baskets, ms := make([]uint64, n), make([]int64, n), make([]uint32, n)
			for i := range n {
				customers[i], baskets[i], ms[i] = uint64(rnd.IntN(40)+1), int64(math.Exp(rnd.Float64()*14))-50, uint32(rnd.IntN(900))
				if rnd.IntN(9) == 0 || baskets[i] == 1 || baskets[i] == -1 { // of one minor unit a sketch says 1.01, and the view 0.99
					baskets[i], ms[i] = 0, 100+uint32(row)
				}
			}
			rows = append(rows, fmt.Sprintf("('%03d',%d,%s)", row, part, strings.NewReplacer("] [", "],[", " ", ",").Replace(fmt.Sprint(customers, baskets, ms))))
		}
	}
	exec(t, conn, "INSERT INTO default.sold VALUES "+strings.Join(rows, ", "))
	for part := range 3 {
		exec(t, conn, fmt.Sprintf("INSERT INTO tillstream.sales_hourly (store_id, transactions, identified_transactions, customers_in, baskets_in) SELECT row, length(baskets), length(customers), customers, baskets FROM default.sold WHERE part = %d", part))
		exec(t, conn, fmt.Sprintf("INSERT INTO tillstream.payments_hourly (store_id, attempts, auth_n, auth_in) SELECT row, length(ms), length(ms), ms FROM default.sold WHERE part = %d", part))
	}
	exec(t, conn, `INSERT INTO tillstream.sales_hourly (store_id, transactions, identified_transactions, customers, baskets)
		SELECT concat('older', row), length(baskets), length(customers), arrayReduce('uniqCombined64State(12)', customers), arrayReduce('quantilesDDState(0.01, 0.5, 0.95)', baskets) FROM default.sold WHERE part = 0`)
	exec(t, conn, "INSERT INTO tillstream.payments_hourly (store_id, attempts, auth_n, auth) SELECT concat('older', row), length(ms), length(ms), arrayReduce('quantilesTimingState(0.5, 0.95, 0.99)', ms) FROM default.sold WHERE part = 0")
	const values = "(SELECT row, groupArrayArray(customers) AS customers, groupArrayArray(baskets) AS baskets, groupArrayArray(ms) AS ms FROM (SELECT * FROM default.sold UNION ALL SELECT concat('older', row), * EXCEPT row FROM default.sold WHERE part = 0) GROUP BY row)"
	for want, got := range map[string]string{
		"SELECT row, arrayUniq(customers), arrayMap(x -> toDecimal64(ifNotFinite(x, 0) / 100, 4), arrayReduce('quantilesDD(0.01, 0.5, 0.95)', baskets)) FROM " + values + " ORDER BY row": "SELECT store_id, customers, [basket_value_p50, basket_value_p95] FROM pos.sales_hourly ORDER BY store_id",
		"SELECT row, arrayMap(x -> ifNotFinite(x, 0), arrayReduce('quantilesTiming(0.5, 0.95, 0.99)', ms)) FROM " + values + " ORDER BY row":                                              "SELECT store_id, [authorisation_ms_p50, authorisation_ms_p95, authorisation_ms_p99] FROM pos.payments_hourly ORDER BY store_id",
	} {
		if diff := cmp.Diff(query(t, conn, want), query(t, conn, got)); diff != "" {
			t.Errorf("%s: %.3000s", got, diff)
		}
	}
}
