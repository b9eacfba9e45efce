package clickhouse

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/commit"
	"github.com/tillstream/tillstream/processor/rollup"
)

// Marks reads, from every table and month, or from those that are named, the newest mark of a lane, and the newest claim of each of its epochs, in
// one query.
func (s *Sink) Marks(ctx context.Context, lane string, tables ...string) ([]processor.TableMark, error) {
	all, err := s.tables(ctx)
	if err != nil {
		return nil, err
	}
	// Each table is planned by itself, which is what this costs: the less it does the better, and the newest of few rows is found here.
	var sql, names []string
	for _, t := range sorted(all) {
		if len(tables) > 0 && !slices.Contains(tables, t.name) {
			continue
		}
		epoch, own := "toUInt64(0)", ""
		switch t.name {
		case commit.ClaimTable:
			epoch = "epoch"
		case "ledger": // its data rows have a lane, too
			own = " AND topic = ''"
		}
		sql = append(sql, fmt.Sprintf("SELECT toUInt16(%d) AS t, _partition_id, %s AS e, mark FROM tillstream.%s WHERE lane = {lane:String}%s", len(names), epoch, t.name, own))
		names = append(names, t.name)
	}
	type place struct {
		table     uint16
		partition string
		epoch     uint64
	}
	newest := map[place]string{}
	err = s.rows(ctx, func(r driver.Rows) error {
		var at place
		var mark string
		if err := r.Scan(&at.table, &at.partition, &at.epoch, &mark); err != nil {
			return err
		}
		newest[at] = max(newest[at], mark)
		return nil
	}, strings.Join(sql, "\nUNION ALL\n"), ch.Named("lane", lane))
	if err != nil {
		return nil, fmt.Errorf("reading the marks of lane %s: %w", lane, err)
	}
	marks := make([]processor.TableMark, 0, len(newest))
	for at, mark := range newest {
		if mark != "" {
			month, _ := strconv.ParseUint(at.partition, 10, 32) // "all" where there are none
			marks = append(marks, processor.TableMark{Table: names[at.table], Month: uint32(month), Mark: mark})
		}
	}
	return marks, nil
}

// stateQueries is how many times as long as another query State may take.
const stateQueries = 12

// State reads the live state rows of the given owners ("group#partition") but for those of rollup.KindPast, by ascending version. The row is valid during the call. Of a
// million tills they are more than the server's memory: it sorts them on its disk.
func (s *Sink) State(ctx context.Context, owners []string, row func(rollup.StateRow) error) error {
	if _, ok := ctx.Deadline(); !ok { // it may be gigabytes; a connection that is dead is noticed before
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, stateQueries*s.queryTimeout)
		defer cancel()
	}
	var owner string
	var version uint64
	var state rollup.StateRow
	err := s.rows(ctx, func(r driver.Rows) error {
		if err := r.Scan(&owner, &state.Kind, &state.Key, &version, &state.Value); err != nil {
			return err
		}
		var err error
		if _, state.Partition, err = parseOwner(owner); err != nil {
			return err
		}
		return row(state)
	}, `SELECT lane, kind, key, version, value FROM tillstream.state FINAL WHERE lane IN {owners:Array(String)} AND kind != '`+rollup.KindPast+`'
		ORDER BY version, lane, kind, key
		SETTINGS max_bytes_before_external_sort = 268435456, max_bytes_ratio_before_external_sort = 0`, ch.Named("owners", owners))
	if err != nil {
		return fmt.Errorf("reading state: %w", err)
	}
	return nil
}

// parseOwner splits "group#partition". The group may contain '#'.
func parseOwner(owner string) (group string, partition int32, err error) {
	i := strings.LastIndexByte(owner, '#')
	if i < 0 {
		return "", 0, fmt.Errorf("parsing %q: it is not group#partition", owner)
	}
	p, err := strconv.ParseInt(owner[i+1:], 10, 32)
	if err != nil {
		return "", 0, fmt.Errorf("parsing partition of %q: %w", owner, err)
	}
	return owner[:i], int32(p), nil
}
