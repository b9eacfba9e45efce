package clickhouse

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// total is the sums of a group of rows, in the order of table.sums.
type total struct {
	month uint32
	key   string
	sums  []int64
}

// sums compares, for every table that has control totals and every month, the sum of the data with the sum of the totals. Both lie in the
// same parts, so they differ only if rows were changed, lost or doubled by something else than a batch.
func (a *audit) sums(ctx context.Context) error {
	tables, err := a.sink.tables(ctx)
	if err != nil {
		return err
	}
	expired, err := a.sink.expired(ctx)
	if err != nil {
		return err
	}
	for _, t := range sorted(tables) {
		names := t.sums()
		if len(names) == 0 {
			continue
		}
		a.report.Tables++
		// By one query, which sees the same parts for both: a batch that comes in between would be on one side only.
		all, err := a.totals(ctx, t, "if("+isData(t)+", '"+dataRows+"', '')", "1", 0)
		if err != nil {
			return err
		}
		data, control := partition(all)
		for month, pair := range join(data, control, len(names)) {
			if month != 0 && month <= expired[t.name] { // of its rows some are to go: what is left is not what was written
				a.report.Expired++
				continue
			}
			a.report.Sums += len(names)
			if i := differs(pair[0], pair[1]); i >= 0 {
				if err := a.blame(ctx, t, month, names[i], pair[0][i]-pair[1][i]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// aliveHour tells a till's hours from those of which nothing is left but zeros: their evidence has turned out to belong elsewhere, since the till's clock was
// wrong, or its registered life does not reach them any more.
const aliveHour = "evidence + up_ms + degraded_ms + down_ms + silent_ms + maintenance_ms + unknown_ms > 0"

// isData is the condition that tells data from the batches' own rows.
func isData(t *table) string {
	switch t.name {
	case "ledger": // its data rows have a lane too
		return "topic != ''"
	case "availability_hourly":
		return "lane = '' AND " + aliveHour
	case "store_availability_hourly":
		return "lane = '' AND service_ms + quorum_down_ms + excluded_ms + unknown_ms > 0"
	}
	return "lane = ''"
}

func (a *audit) totals(ctx context.Context, t *table, key, where string, month uint32) ([]total, error) {
	var sums []string
	for _, name := range t.sums() {
		sums = append(sums, "toInt64(sum("+name+"))")
	}
	if month != 0 {
		where += fmt.Sprintf(" AND _partition_id = '%06d'", month)
	}
	var all []total
	err := a.sink.rows(ctx, func(r driver.Rows) error {
		var x total
		if err := r.Scan(&x.month, &x.key, &x.sums); err != nil {
			return err
		}
		all = append(all, x)
		return nil
	}, fmt.Sprintf("SELECT toUInt32OrZero(_partition_id) AS month, %s AS entity, [%s] FROM tillstream.%s WHERE %s GROUP BY month, entity",
		key, strings.Join(sums, ", "), t.name, where))
	return all, err
}

// dataRows is the key of the totals of data, where they are asked for with those of the batches' own rows.
const dataRows = "data"

func partition(all []total) (data, control []total) {
	for _, t := range all {
		if t.key == dataRows {
			data = append(data, t)
		} else {
			control = append(control, t)
		}
	}
	return data, control
}

// join puts the totals of each month side by side; what is missing is zero.
func join(data, control []total, n int) map[uint32][2][]int64 {
	months := map[uint32][2][]int64{}
	for side, totals := range [2][]total{data, control} {
		for _, t := range totals {
			pair, ok := months[t.month]
			if !ok {
				pair = [2][]int64{make([]int64, n), make([]int64, n)}
			}
			pair[side] = t.sums
			months[t.month] = pair
		}
	}
	return months
}

func differs(x, y []int64) int {
	for i := range x {
		if x[i] != y[i] {
			return i
		}
	}
	return -1
}

// blame finds the lanes whose rows of a month do not add up. Data rows do not say who wrote them, but store and terminal say in which
// partition they live, and so whose they are.
func (a *audit) blame(ctx context.Context, t *table, month uint32, column string, difference int64) error {
	geo, err := a.where(ctx)
	if err != nil {
		return err
	}
	f := Finding{Table: t.name, Month: month, Column: column, Problem: fmt.Sprintf("the sum of %s is %+d off its control totals", column, difference)}
	byLane := map[string][]int64{}
	add := func(lane string, sums []int64, sign int64) {
		if byLane[lane] == nil {
			byLane[lane] = make([]int64, len(sums))
		}
		for i, v := range sums {
			byLane[lane][i] += sign * v
		}
	}
	control, err := a.totals(ctx, t, "toString(lane)", "NOT ("+isData(t)+")", month)
	if err != nil {
		return err
	}
	for _, c := range control {
		add(geo.sharers(c.key), c.sums, -1)
	}
	key := entityKey(t)
	if key == "" || slices.ContainsFunc(control, func(c total) bool { return c.key == forgetLane }) { // what was erased does not say whose it was
		a.found(f)
		return nil
	}
	data, err := a.totals(ctx, t, key, isData(t), month)
	if err != nil {
		return err
	}
	for _, d := range data {
		add(geo.laneOf(t, d.key), d.sums, 1)
	}
	var lanes []string
	for lane, sums := range byLane {
		if lane != "" && differs(sums, make([]int64, len(sums))) >= 0 {
			lanes = append(lanes, lane)
		}
	}
	slices.Sort(lanes)
	if len(lanes) == 0 { // rows of entities that no lane knows
		a.found(f)
		return nil
	}
	if unknown := byLane[""]; len(lanes) > 1 && unknown != nil {
		// some rows belong to entities whose partition the state does not tell: any of these lanes may have written them
		f.Lane = strings.Join(lanes, ", ")
		for _, lane := range lanes {
			f.Offsets = append(f.Offsets, geo.ranges(lane, -1)...)
		}
		a.found(f)
		return nil
	}
	for _, lane := range lanes {
		f.Lane, f.Offsets = lane, geo.ranges(lane, -1)
		a.found(f)
	}
	return nil
}

// entityKey is the expression that names what a data row is about.
func entityKey(t *table) string {
	switch {
	case t.name == "ledger":
		return "toString(lane)"
	case t.has("store_id"):
		return "toString(store_id)"
	case t.has("topic") && t.has("terminal_id"):
		return "concat(topic, char(0), terminal_id)"
	}
	return ""
}
