package clickhouse

import (
	"fmt"
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
