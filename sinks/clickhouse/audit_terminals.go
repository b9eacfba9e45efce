package clickhouse

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// most findings of one kind: a table that was lost as a whole is one problem, not a million.
const most = 1000

// counted are the tables whose live rows terminal_status counts, the column that does, and what tells those rows.
var counted = [][3]string{{"availability_hourly", "hours", aliveHour}, {"status_intervals", "intervals", "1"}, {"outages", "outages", "1"}}

// scattered are the terminals that more than one partition remembers, with whose they are (group#partition). Each partition knows only what came through it, and
// writes the rows of the whole.
const scattered = `SELECT splitByChar(char(0), key)[1] AS store_id, splitByChar(char(0), key)[2] AS terminal_id, arrayStringConcat(arraySort(groupArray(lane)), ', ') AS owners
	FROM tillstream.state FINAL WHERE kind = 'terminal' AND mark = '' GROUP BY key HAVING count() > 1`

// whole says which terminals came through more than one partition: their rows do not add up, for that reason and no other.
func (a *audit) whole(ctx context.Context) error {
	a.scattered = map[[2]string]bool{}
	return a.sink.rows(ctx, func(r driver.Rows) error {
		var store, terminal, owners string
		if err := r.Scan(&store, &terminal, &owners); err != nil {
			return err
		}
		if a.scattered[[2]string{store, terminal}] = true; len(a.scattered) <= most {
			a.found(Finding{Table: "state", Problem: fmt.Sprintf("terminal %s of store %s: its events came through several partitions (%s), of which each knows only its own: "+
				"either not all have the key store_id, or partitions were added (docs/operations.md#a-store-in-several-partitions)", terminal, store, owners)})
		}
		return nil
	}, scattered+" ORDER BY store_id, terminal_id")
}

// rowCounts compares, for every terminal, its live rows with the counts in terminal_status.
func (a *audit) rowCounts(ctx context.Context) error {
	var terminals uint64
	err := a.sink.rows(ctx, func(r driver.Rows) error { return r.Scan(&terminals) }, "SELECT count() FROM tillstream.terminal_status FINAL WHERE lane = ''")
	if err != nil {
		return err
	}
	a.report.Terminals = int(terminals)
	for _, c := range counted {
		err := a.terminals(ctx, c[0], fmt.Sprintf(`SELECT store_id, terminal_id, toUInt32(0), concat('it has ', toString(sum(have)), ' rows, terminal_status counts ', toString(sum(want))) FROM
			(
				SELECT toString(store_id) AS store_id, toString(terminal_id) AS terminal_id, %s AS want, 0 AS have, 1 AS known FROM tillstream.terminal_status FINAL WHERE lane = ''
				UNION ALL
				SELECT toString(store_id), toString(terminal_id), 0, count(), 0 FROM tillstream.%s FINAL WHERE lane = '' AND %s GROUP BY store_id, terminal_id
			)
			GROUP BY store_id, terminal_id HAVING sum(want) != sum(have) AND sum(known) > 0 ORDER BY store_id, terminal_id LIMIT %d`, c[1], c[0], c[2], most))
		if err != nil {
			return err
		}
	}
	return nil
}

// closedHours checks that every hour but a terminal's first and newest is covered to the millisecond.
func (a *audit) closedHours(ctx context.Context) error {
	const hours = "FROM tillstream.availability_hourly FINAL WHERE lane = '' AND " + aliveHour
	return a.terminals(ctx, "availability_hourly", fmt.Sprintf(`SELECT toString(store_id), toString(terminal_id), toYYYYMM(hour),
			concat('its hour ', toString(hour), ' has ', toString(up_ms + degraded_ms + down_ms + silent_ms + maintenance_ms + unknown_ms AS total), ' of 3600000 ms')
		%[1]s AND total != 3600000
			AND (store_id, terminal_id, hour) NOT IN (SELECT store_id, terminal_id, min(hour) %[1]s GROUP BY store_id, terminal_id)
			AND (store_id, terminal_id, hour) NOT IN (SELECT store_id, terminal_id, max(hour) %[1]s GROUP BY store_id, terminal_id)
		ORDER BY store_id, terminal_id, hour LIMIT %[2]d`, hours, most))
}

// entities checks that the terminals the lanes remember and those in terminal_status are the same.
func (a *audit) entities(ctx context.Context) error {
	const remembered = "SELECT splitByChar(char(0), key)[1] AS store_id, splitByChar(char(0), key)[2] AS terminal_id FROM tillstream.state FINAL WHERE kind = 'terminal' AND mark = ''"
	const shown = "SELECT toString(store_id) AS store_id, toString(terminal_id) AS terminal_id FROM tillstream.terminal_status FINAL WHERE lane = ''"
	err := a.terminals(ctx, "terminal_status", fmt.Sprintf("SELECT store_id, terminal_id, toUInt32(0), 'the state knows it, but it has no row' FROM (%s EXCEPT %s) ORDER BY store_id, terminal_id LIMIT %d", remembered, shown, most))
	if err != nil {
		return err
	}
	return a.terminals(ctx, "state", fmt.Sprintf("SELECT store_id, terminal_id, toUInt32(0), 'it has a row in terminal_status, but the state does not know it' FROM (%s EXCEPT %s) ORDER BY store_id, terminal_id LIMIT %d", shown, remembered, most))
}

// terminals makes a finding of every row (store, terminal, month, problem) of a query.
func (a *audit) terminals(ctx context.Context, table, sql string) error {
	type row struct {
		store, terminal, problem string
		month                    uint32
	}
	var wrong []row
	err := a.sink.rows(ctx, func(r driver.Rows) error {
		var x row
		if err := r.Scan(&x.store, &x.terminal, &x.month, &x.problem); err != nil {
			return err
		}
		if !a.scattered[[2]string{x.store, x.terminal}] {
			wrong = append(wrong, x)
		}
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
		f := Finding{Table: table, Month: x.month, Problem: fmt.Sprintf("terminal %s of store %s: %s", x.terminal, x.store, x.problem)}
		if at, ok := geo.terminal(x.store, x.terminal); ok {
			f.Lane = geo.lane(at)
			f.Offsets = geo.ranges(f.Lane, at.partition)
		}
		a.found(f)
	}
	return nil
}
