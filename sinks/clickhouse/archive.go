package clickhouse

import (
	"context"
	"fmt"
	"slices"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/correction"
	"github.com/tillstream/tillstream/processor/rollup"
)

var _ processor.Archive = (*Sink)(nil)

// Transactions gives the kept transactions that a query asks for, of batches before the given one. Keys are the beginning of the table's key, so
// each costs a granule a part.
func (s *Sink) Transactions(ctx context.Context, q correction.Query, before rollup.Version, row func(correction.Row) error) error {
	err := s.rows(ctx, func(r driver.Rows) error {
		x := correction.Row{Topic: q.Topic}
		var corrects uint64
		if err := r.Scan(&x.Key, &x.Partition, &x.Offset, &x.StoreID, &x.TerminalID, &x.ID, &x.Customer, &corrects, &x.Content); err != nil {
			return err
		}
		x.Correction = corrects > 0
		return row(x)
	}, `SELECT key, partition, offset, toString(store_id), toString(terminal_id), id, customer, length(corrects), content FROM tillstream.transactions
		WHERE lane = '' AND key IN {keys:Array(UInt64)} AND topic = {topic:String} AND NOT superseded AND at >= fromUnixTimestamp64Milli({since:Int64})
			AND version < {before:UInt64} AND (partition = {partition:Int32} OR version < {epoch:UInt64})
		ORDER BY key, partition, offset`,
		ch.Named("keys", q.Keys), ch.Named("topic", q.Topic), ch.Named("since", max(q.Since, 0)), ch.Named("partition", q.Partition),
		ch.Named("before", before.Uint64()), ch.Named("epoch", rollup.Version{Epoch: before.Epoch}.Uint64()))
	if err != nil {
		return fmt.Errorf("reading tillstream.transactions: %w", err)
	}
	return nil
}

// keysAtOnce is how many keys one query asks for: they are part of its text.
const keysAtOnce = 2000

// Past reads the live rows of rollup.KindPast that an owner has under these keys. The row is valid during the call.
func (s *Sink) Past(ctx context.Context, owner string, keys []string, row func(r rollup.StateRow, version uint64) error) error {
	_, partition, err := parseOwner(owner)
	if err != nil {
		return err
	}
	state := rollup.StateRow{Partition: partition, Kind: rollup.KindPast}
	for keys := range slices.Chunk(keys, keysAtOnce) {
		err := s.rows(ctx, func(r driver.Rows) error {
			var version uint64
			if err := r.Scan(&state.Key, &state.Value, &version); err != nil {
				return err
			}
			return row(state, version)
		}, "SELECT key, value, version FROM tillstream.state FINAL WHERE lane = {owner:String} AND kind = '"+rollup.KindPast+"' AND key IN {keys:Array(String)}",
			ch.Named("owner", owner), ch.Named("keys", keys))
		if err != nil {
			return fmt.Errorf("reading past state of %s: %w", owner, err)
		}
	}
	return nil
}
