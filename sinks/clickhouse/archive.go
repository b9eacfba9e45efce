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

// Transactions gives the kept transactions that a query asks for, of batches before the given one. A till is the beginning of the key of packs, of which its ids are read, and
// a transaction's key that of what older versions wrote. A batch that two versions finished may be in both tables.
func (s *Sink) Transactions(ctx context.Context, q correction.Query, before rollup.Version, row func(correction.Row) error) error {
	for asked := range slices.Chunk(q.Keys, keysAtOnce) {
		var tills, keys []uint64
		for _, k := range asked {
			tills, keys = append(tills, k.Till), append(keys, k.Event)
		}
		err := s.rows(ctx, func(r driver.Rows) error {
			var x correction.Row
			var corrects uint64
			if err := r.Scan(&x.Key, &x.Topic, &x.Partition, &x.Offset, &x.At, &x.Old, &x.StoreID, &x.TerminalID, &x.ID, &x.Customer, &corrects, &x.Content); err != nil {
				return err
			}
			x.Correction = corrects > 0
			return row(x)
		}, `SELECT key, topic, partition, offset, came, old, store, terminal, id, customer, corrections, content FROM
			(
				SELECT key, toString(topic) AS topic, partition, offset, toUnixTimestamp64Milli(at) AS came, version < {epoch:UInt64} AS old, toString(store_id) AS store, toString(terminal_id) AS terminal,
					id, customer, length(corrects) AS corrections, content
				FROM tillstream.transactions
				WHERE lane = '' AND key IN {keys:Array(UInt64)} AND NOT superseded AND at >= fromUnixTimestamp64Milli({since:Int64}) AND version < {before:UInt64}
				UNION ALL
				SELECT one.1, toString(topic), partition, one.3, one.6, old, toString(store_id), toString(terminal_id), one.2, one.4, length(corrects), one.5 FROM
				(
					SELECT topic, partition, store_id, terminal_id, corrects, version < {epoch:UInt64} AS old, arrayJoin(arrayFilter(x -> x.1 IN {keys:Array(UInt64)} AND x.6 >= {since:Int64},
						arrayMap((i, o, c, t, m) -> (xxHash64(concat(store_id, char(0), terminal_id, char(0), i)), i, o, c, t, m), ids, offsets, customers, contents, at_ms))) AS one
					FROM tillstream.transaction_packs
					PREWHERE lane = '' AND till IN {tills:Array(UInt64)} AND arrayExists(i -> xxHash64(concat(store_id, char(0), terminal_id, char(0), i)) IN {keys:Array(UInt64)}, ids)
					WHERE NOT superseded AND version < {before:UInt64}
				)
			)
			ORDER BY topic, key, partition, offset LIMIT 1 BY topic, key, partition, offset`,
			ch.Named("tills", slices.Compact(tills)), ch.Named("keys", keys), ch.Named("since", max(q.Since, 0)),
			ch.Named("before", before.Uint64()), ch.Named("epoch", rollup.Version{Epoch: before.Epoch}.Uint64()))
		if err != nil {
			return fmt.Errorf("reading tillstream.transaction_packs and tillstream.transactions: %w", err)
		}
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
