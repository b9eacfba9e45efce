package correction

import (
	"slices"
	"time"

	"github.com/tillstream/tillstream/processor/rollup"
	"github.com/tillstream/tillstream/processor/table"
)

// behind is for how long more than they are known rows are kept, by the server's clock: a lane may be behind by as much as Kafka keeps, which is
// 7 days where nobody says otherwise.
const behind = 14 * 24 * time.Hour

// rowBytes is what a kept transaction takes beside its texts, in an open batch and in two that are sealed.
const rowBytes = 500

// Held is about the memory that the open batch takes, together with two that are sealed and like it.
func (f *Fold) Held() int { return f.rows.n*rowBytes + 3*f.texts.bytes }

// Seal closes the open batch: one block a month of the partition's clock, rows in the order of the table's key, and the state that changed.
func (f *Fold) Seal(v rollup.Version) rollup.Sealed {
	s := rollup.Sealed{State: f.state()}
	if f.rows.n == 0 {
		return s
	}
	rows := make([]table.Row, f.rows.n)
	for i := range rows {
		k := f.rows.at(i)
		rows[i] = table.Row{Month: rollup.MonthOfUnix(k.at / 1000), Index: int32(i), Key: [3]uint64{
			k.key, uint64(table.Signed(k.graph.partition)), uint64(k.offset),
		}}
	}
	days := uint32((f.cfg.Window + slack + behind + 24*time.Hour - 1) / (24 * time.Hour))
	for month, rows := range table.Months(rows) {
		b := rollup.NewBlock(Table, month, len(rows))
		key, at, topic := b.Uint64("key"), b.PartitionMillis("at"), b.String("topic")
		partition, offset := b.Int32("partition"), b.Int64("offset")
		store, terminal, id := b.String("store_id"), b.String("terminal_id"), b.String("id")
		customer, corrects, content := b.Uint64("customer"), b.Strings("corrects"), b.String("content")
		superseded, events := b.Uint8("superseded"), b.SumUint64("events")
		b.Version(v)
		keep := make([]uint32, len(rows)+1)
		for i := range keep { // the batch's own row goes with the others
			keep[i] = days
		}
		b.Columns = append(b.Columns, rollup.Column{Name: "keep_days", Data: keep})
		for i, x := range rows {
			k := f.rows.at(int(x.Index))
			r := k.row()
			key[i], at[i], topic[i], partition[i], offset[i] = r.Key, rollup.Millis(k.at), r.Topic, r.Partition, r.Offset
			store[i], terminal[i], id[i] = r.StoreID, r.TerminalID, r.ID
			customer[i], content[i] = r.Customer, r.Content
			events[i] = 1
			if k.correction {
				corrects[i] = f.corrects[int(x.Index)]
			}
			if k.superseded {
				superseded[i] = 1
			}
		}
		s.Blocks = append(s.Blocks, b.Seal())
	}
	f.rows.reset()
	f.texts.reset()
	clear(f.corrects)
	return s
}

// Search finds transactions in a block that Seal made.
func Search(b *rollup.Block, q Query, row func(Row) error) error {
	keys := column[uint64](b, "key")
	for i := 1; i < len(keys); i++ {
		if !slices.Contains(q.Keys, keys[i]) || column[int32](b, "partition")[i] != q.Partition || column[string](b, "topic")[i] != q.Topic || int64(column[rollup.Millis](b, "at")[i]) < q.Since || column[uint8](b, "superseded")[i] != 0 {
			continue
		}
		err := row(Row{
			Key: keys[i], Topic: column[string](b, "topic")[i], Partition: q.Partition, Offset: column[int64](b, "offset")[i],
			StoreID: column[string](b, "store_id")[i], TerminalID: column[string](b, "terminal_id")[i], ID: column[string](b, "id")[i],
			Customer: column[uint64](b, "customer")[i], Correction: len(column[[]string](b, "corrects")[i]) > 0, Content: column[string](b, "content")[i],
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func column[T any](b *rollup.Block, name string) []T {
	i := slices.IndexFunc(b.Columns, func(c rollup.Column) bool { return c.Name == name })
	return b.Columns[i].Data.([]T)
}
