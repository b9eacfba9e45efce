package clickhouse

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// incidents checks that the incidents and the maintenance that the lanes remember and those that have rows are the same, that each
// incident has as many steps as it says, and that the orders that the lanes remember have rows.
func (a *audit) incidents(ctx context.Context) error {
	const (
		remembered = "SELECT splitByChar(char(0), key)[1] AS store_id, splitByChar(char(0), key)[2] AS id FROM tillstream.state FINAL WHERE mark = '' AND kind = "
		shown      = "SELECT toString(store_id) AS store_id, %[1]s AS id FROM tillstream.%[2]s FINAL WHERE lane = ''"
		steps      = `SELECT 'incident_steps', store_id, id, concat('it has ', toString(sum(have)), ' steps, incidents counts ', toString(sum(want))) FROM
			(
				SELECT toString(store_id) AS store_id, incident_id AS id, steps AS want, 0 AS have, 1 AS known FROM tillstream.incidents FINAL WHERE lane = ''
				UNION ALL
				SELECT toString(store_id), incident_id, 0, count(), 0 FROM tillstream.incident_steps FINAL WHERE lane = '' GROUP BY store_id, incident_id
			)
			GROUP BY store_id, id HAVING sum(want) != sum(have) AND sum(known) > 0 ORDER BY store_id, id`
	)
	const lost = "SELECT '%s', store_id, id, 'the state knows it, but it has no row' FROM (%s EXCEPT %s) ORDER BY store_id, id"
	queries := []string{steps}
	kept, err := a.sink.retained(ctx)
	if err != nil {
		return err
	}
	if kept["order_journeys"] == 0 {
		queries = append(queries, fmt.Sprintf(lost, "order_journeys", remembered+"'order'", fmt.Sprintf(shown, "order_id", "order_journeys")))
	} else {
		a.report.Expired++ // an order may be remembered for longer than it is kept
	}
	for kind, table := range map[string]string{"incident": "incidents", "maintenance": "maintenance"} {
		have := fmt.Sprintf(shown, kind+"_id", table)
		want := remembered + "'" + kind + "'"
		queries = append(queries,
			fmt.Sprintf(lost, table, want, have),
			fmt.Sprintf("SELECT 'state', store_id, id, 'it has a row in %s, but the state does not know it' FROM (%s EXCEPT %s) ORDER BY store_id, id", table, have, want))
	}
	for _, q := range queries {
		if err := a.records(ctx, fmt.Sprintf("%s LIMIT %d", q, most)); err != nil {
			return err
		}
	}
	return nil
}

// records makes a finding of every row (table, store, id, problem) of a query.
func (a *audit) records(ctx context.Context, sql string) error {
	type row struct{ table, store, id, problem string }
	var wrong []row
	err := a.sink.rows(ctx, func(r driver.Rows) error {
		var x row
		if err := r.Scan(&x.table, &x.store, &x.id, &x.problem); err != nil {
			return err
		}
		wrong = append(wrong, x)
		return nil
	}, sql)
	if err != nil || len(wrong) == 0 {
		return err
	}
	geo, err := a.where(ctx)
	if err != nil {
		return err
	}
	for _, x := range wrong {
		f := Finding{Table: x.table, Problem: fmt.Sprintf("%s of store %s: %s", x.id, x.store, x.problem)}
		if at, ok := geo.stores[x.store]; ok && at.partition >= 0 {
			f.Lane = geo.lane(at)
			f.Offsets = geo.ranges(f.Lane, at.partition)
		}
		a.found(f)
	}
	return nil
}
