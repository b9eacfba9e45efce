package clickhouse

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/tillstream/tillstream/internal/wait"
	"github.com/tillstream/tillstream/processor/commit"
	"github.com/tillstream/tillstream/processor/correction"
	"github.com/tillstream/tillstream/processor/journey"
	"github.com/tillstream/tillstream/processor/rollup"
)

// forgetLane is the lane of rows that hold, with the other sign, control totals of what was erased: one a table and month. No batch is of that lane.
const forgetLane = "forget"

// Erase takes the customers out of all tables. Before it, nothing may be written any more that names them.
//
// Where rows have control totals, first a part is written that takes off what the customers' rows of a month add up to, with the control total of that: whenever one looks, both
// sums are equal, and who begins again after a crash finds nothing more to take off. Then a mutation deletes the rows, whose sums are zero. A
// transaction, an order and what a lane remembers stay, and name nobody; so does an hour's sales, from whose known customers they are taken off.
//
// Mutations change data rows only, not those of batches, so a lane finds its marks as it left them.
func (x *Erasure) Erase(ctx context.Context) error {
	if err := x.mutated(ctx, ""); err != nil { // of a run that was cut short
		return err
	}
	tables, err := x.sink.tables(ctx)
	if err != nil {
		return err
	}
	named, err := x.named(ctx)
	if err != nil {
		return err
	}
	if err := x.hours(ctx); err != nil {
		return err
	}
	for _, name := range named {
		if name == correction.RowsTable {
			if err := x.mutate(ctx, name, "UPDATE customer = 0 WHERE customer IN "+x.these("customer")); err != nil {
				return err
			}
			continue
		}
		if t := tables[name]; t != nil && len(t.sums()) > 0 {
			if err := x.takeOff(ctx, t); err != nil {
				return err
			}
		}
		if err := x.mutate(ctx, name, "DELETE WHERE customer IN "+x.these("customer")); err != nil {
			return err
		}
	}
	forgotten := "c IN " + x.these("customer")
	if err := x.mutate(ctx, correction.Table, "UPDATE customers = arrayMap(c -> if("+forgotten+", 0, c), customers) WHERE arrayExists(c -> "+forgotten+", customers)"); err != nil {
		return err
	}
	if err := x.mutate(ctx, "order_journeys", "UPDATE customer_said = '' WHERE toUInt64OrZero(substring(customer_said, 15)) IN "+x.these("customer")); err != nil {
		return err
	}
	return x.state(ctx)
}

// named are the tables with a column customer.
func (x *Erasure) named(ctx context.Context) (names []string, err error) {
	names, err = values[string](ctx, x.sink, `SELECT c.table FROM system.columns AS c INNER JOIN system.tables AS t ON c.database = t.database AND c.table = t.name
		WHERE c.database = 'tillstream' AND c.name = 'customer' AND c.type = 'UInt64' AND t.storage_policy != '' AND c.table != 'forgetting' ORDER BY c.table`)
	if err != nil {
		return nil, fmt.Errorf("asking which tables name customers: %w", err)
	}
	return names, nil
}

// takeOff writes, for each customer and month, a row that takes off what there is, and a control total that does. The two stand side by side, and a block has an even number of rows: so they
// are in one part, whatever their number.
func (x *Erasure) takeOff(ctx context.Context, t *table) error {
	date, err := x.dateOf(ctx, t.name)
	if err != nil {
		return err
	}
	sums := make([]string, len(t.sums()))
	for i, name := range t.sums() {
		sums[i] = fmt.Sprintf("-toInt64(sum(%s)) AS sum_%d", name, i+1)
	}
	numbered := make([]string, len(sums))
	for i, name := range t.sums() {
		k := slices.IndexFunc(t.columns, func(c column) bool { return c.name == name })
		numbered[i] = fmt.Sprintf("to%s(sum_%d)", plain(t.columns[k].kind), i+1)
	}
	into, month := "", "0"
	if date != "" {
		numbered = append([]string{"month"}, numbered...)
		into, month = date+", ", "toStartOfMonth("+date+")"
	}
	return x.put(ctx, t.name, fmt.Sprintf(`INSERT INTO tillstream.%[1]s (lane, customer, %[2]s%[3]s)
		SELECT arrayJoin(['', '%[4]s']) AS side, if(side = '', who, 0), %[5]s FROM
		(SELECT customer AS who, %[9]s AS month, %[6]s FROM tillstream.%[1]s WHERE lane = '' AND customer IN %[7]s GROUP BY who, month HAVING arrayExists(x -> x != 0, [%[8]s]))
		ORDER BY month, who`,
		t.name, into, strings.Join(t.sums(), ", "), forgetLane, strings.Join(numbered, ", "), strings.Join(sums, ", "), x.these("customer"), sumNames(len(sums)), month))
}

func sumNames(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("sum_%d", i+1)
	}
	return strings.Join(names, ", ")
}

// dateOf is the column by whose month a table is partitioned; "" if it has no months.
func (x *Erasure) dateOf(ctx context.Context, table string) (string, error) {
	var key string
	err := x.sink.rows(ctx, func(r driver.Rows) error { return r.Scan(&key) },
		"SELECT partition_key FROM system.tables WHERE database = 'tillstream' AND name = {table:String}", ch.Named("table", table))
	if err != nil {
		return "", fmt.Errorf("asking for the months of tillstream.%s: %w", table, err)
	}
	date, monthly := strings.CutPrefix(strings.TrimSuffix(key, ")"), "toYYYYMM(")
	if key != "" && !monthly {
		return "", fmt.Errorf("tillstream.%s has control totals and other partitions than months, and this version does not know how to take a customer off it: this is a fault of tillstream, please report it", table)
	}
	if key == "" {
		return "", nil
	}
	return date, nil
}

// hours takes the customers off those that are known to have bought in an hour: their number, counts by value and the sketch. It is done month by month, each of which is one
// block.
func (x *Erasure) hours(ctx context.Context) error {
	months, err := values[uint32](ctx, x.sink, "SELECT DISTINCT toUInt32OrZero(partition_id) AS month FROM system.parts WHERE database = 'tillstream' AND table = 'sales_hourly' AND active ORDER BY month")
	if err != nil {
		return fmt.Errorf("asking for the months of tillstream.sales_hourly: %w", err)
	}
	const keys = "store_id, hour, local_hour, channel, currency"
	for _, m := range months {
		err := x.put(ctx, "sales_hourly", fmt.Sprintf(`INSERT INTO tillstream.sales_hourly (lane, business_date, %[1]s, identified_transactions, customers_out)
			SELECT arrayJoin(['', '%[2]s']) AS side, if(side = '', day, toStartOfMonth(day)), if(side = '', s, ''), if(side = '', h, toDateTime(0, 'UTC')), if(side = '', l, 0), if(side = '', c, ''),
				if(side = '', y, ''), toUInt64(-n), if(side = '', out, []) FROM
			(
				SELECT day, s, h, l, c, y, sum(times) AS n, groupArrayArray(arrayResize([who], times, who)) AS out FROM
				(
					SELECT business_date AS day, toString(store_id) AS s, hour AS h, local_hour AS l, toString(channel) AS c, toString(currency) AS y, seen.1 AS hash, seen.2 AS times FROM
					(
						SELECT business_date, %[1]s, arrayFilter(x -> x.1 IN %[3]s AND x.2 > 0, arrayZip(customer_counts.1, customer_counts.2)) AS all
						FROM tillstream.sales_hourly FINAL WHERE lane = '' AND _partition_id = '%06[4]d'
					) ARRAY JOIN all AS seen
				) AS t INNER JOIN (SELECT trace, any(customer) AS who FROM tillstream.forgetting WHERE run = '%[5]s' GROUP BY trace) AS f ON t.hash = f.trace
				GROUP BY day, s, h, l, c, y
			) ORDER BY day, s, h, l, c, y`, keys, forgetLane, x.these("trace"), m, x.ID))
		if err != nil {
			return err
		}
	}
	kept := fmt.Sprintf("arrayFilter(e -> e NOT IN %s, %s)", x.these("sketched"), elements("customers"))
	return x.mutate(ctx, "sales_hourly", fmt.Sprintf(`UPDATE
		customers = if(arrayExists(e -> e IN %[1]s, %[2]s), CAST(concat(substring(CAST(customers AS String), 1, 1),
			if(length(%[3]s) < 128, char(length(%[3]s)), char(bitOr(bitAnd(length(%[3]s), 127), 128), intDiv(length(%[3]s), 128))),
			arrayStringConcat(%[3]s)) AS AggregateFunction(uniqCombined64(12), UInt64)), customers),
		customer_counts = CAST((arrayFilter(h -> h NOT IN %[4]s, customer_counts.1), arrayFilter((n, h) -> h NOT IN %[4]s, customer_counts.2, customer_counts.1)), 'Tuple(Array(UInt32), Array(Int64))')
		WHERE arrayExists(h -> h IN %[4]s, customer_counts.1) OR arrayExists(e -> e IN %[1]s, %[2]s)`,
		x.these("sketched"), elements("customers"), kept, x.these("trace")))
}

// state takes the customers out of what lanes remember of orders. A lane that runs knows of the list, and has nothing of them in memory any more.
func (x *Erasure) state(ctx context.Context) error {
	forgotten := make(map[uint64]bool, len(x.Customers))
	for _, c := range x.Customers {
		forgotten[c] = true
	}
	values := map[string]string{}
	for part := 0; part*searchedAtOnce < len(x.Customers); part++ {
		err := x.slowly(ctx, func(r driver.Rows) error {
			var row rollup.StateRow
			if err := r.Scan(&row.Kind, &row.Key, &row.Value); err != nil {
				return err
			}
			value, changed, err := journey.Forget(row, func(c uint64) bool { return forgotten[c] })
			if changed {
				values[string(row.Value)] = string(value)
			}
			return err
		}, fmt.Sprintf(`WITH (SELECT groupArrayArray([decimal, little]) FROM tillstream.forgetting WHERE run = '%s' AND part = %d) AS needles
			SELECT DISTINCT kind, key, value FROM tillstream.%s WHERE mark = '' AND kind IN ('%s', '%s') AND multiSearchAny(value, needles)`,
			x.ID, part, commit.StateTable, journey.KindOrder, journey.KindSales))
		if err != nil {
			return fmt.Errorf("reading what lanes remember of orders: %w", err)
		}
	}
	if len(values) == 0 {
		return nil
	}
	rows := make([][]any, 0, len(values))
	for was, is := range values {
		rows = append(rows, []any{x.ID, was, is})
	}
	if err := x.drop(ctx, "forgetting_values"); err != nil {
		return err
	}
	if err := x.sink.putAll(ctx, "forgetting_values", "", "INSERT INTO tillstream.forgetting_values (run, old, new)", rows); err != nil {
		return err
	}
	column := func(name string) string {
		return fmt.Sprintf("(SELECT groupArray(%s) FROM (SELECT * FROM tillstream.forgetting_values WHERE run = '%s' ORDER BY old))", name, x.ID)
	}
	return x.mutate(ctx, commit.StateTable, fmt.Sprintf("UPDATE value = %s[indexOf(%s, value)] WHERE value IN (SELECT old FROM tillstream.forgetting_values WHERE run = '%s')",
		column("new"), column("old"), x.ID))
}

// put runs an INSERT … SELECT that makes one part a month.
func (x *Erasure) put(ctx context.Context, table, sql string) error {
	ctx, cancel := context.WithTimeout(ctx, refreshTime)
	defer cancel()
	ctx = ch.Context(ctx, ch.WithSettings(ch.Settings{
		"async_insert": 0, "insert_deduplicate": 0, "max_partitions_per_insert_block": 0, "max_insert_threads": 1, "max_block_size": maxRows, "min_insert_block_size_rows": maxRows, "min_insert_block_size_bytes": maxBytes,
	}))
	if err := x.sink.conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("taking customers off tillstream.%s: %w", table, x.sink.explain(err))
	}
	return nil
}

// mutate begins a mutation and waits for it.
func (x *Erasure) mutate(ctx context.Context, table, what string) error {
	if err := x.sink.exec(ctx, "ALTER TABLE tillstream."+table+" "+what+" SETTINGS mutations_sync = 0"); err != nil {
		return fmt.Errorf("taking customers out of tillstream.%s: %w", table, err)
	}
	return x.mutated(ctx, table)
}

// mutated waits for the mutations of a run on a table; "" are all tables, and all runs.
func (x *Erasure) mutated(ctx context.Context, table string) error {
	for {
		var open uint64
		var trouble string
		err := x.sink.rows(ctx, func(r driver.Rows) error { return r.Scan(&open, &trouble) },
			"SELECT count(), max(latest_fail_reason) FROM system.mutations WHERE database = 'tillstream' AND NOT is_done AND position(command, 'forgetting') > 0 AND table IN if({table:String} = '', [table], [{table:String}])",
			ch.Named("table", table))
		if err == nil && trouble != "" {
			err = fmt.Errorf("ClickHouse says %s, and tries again by itself: mend that, and run tillstream forget --resume", trouble)
		}
		if err != nil || open == 0 {
			return err
		}
		if err := wait.For(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// Clock is the server's.
func (x *Erasure) Clock(ctx context.Context) (now time.Time, err error) {
	err = x.sink.rows(ctx, func(r driver.Rows) error { return r.Scan(&now) }, "SELECT now('UTC')")
	return now, err
}

// Outdated counts the parts that were replaced until an instant and still lie on the disk, and names detached ones, which nothing searches.
func (x *Erasure) Outdated(ctx context.Context, until time.Time) (parts uint64, detached []string, err error) {
	var tables []string
	err = x.sink.rows(ctx, func(r driver.Rows) error {
		var table string
		var n uint64
		err := r.Scan(&table, &n)
		tables, parts = append(tables, table), parts+n
		return err
	}, "SELECT table, count() FROM system.parts WHERE database = 'tillstream' AND NOT active AND rows > 0 AND remove_time <= fromUnixTimestamp({until:Int64}) GROUP BY table", ch.Named("until", until.Unix()))
	if err != nil {
		return 0, nil, fmt.Errorf("asking for old parts: %w", err)
	}
	for _, table := range tables {
		// A table that nobody writes to is looked after seldom. To drop what there is not has the server delete the parts that are old enough.
		if err := x.sink.exec(ctx, fmt.Sprintf("ALTER TABLE tillstream.%s DROP PARTITION ID 'none'", table)); err != nil {
			return 0, nil, fmt.Errorf("having old parts of tillstream.%s deleted: %w", table, err)
		}
	}
	detached, err = values[string](ctx, x.sink, "SELECT concat(table, '/', name) FROM system.detached_parts WHERE database = 'tillstream' ORDER BY table, name LIMIT 10")
	if err != nil {
		return 0, nil, fmt.Errorf("asking for detached parts: %w", err)
	}
	return parts, detached, nil
}
