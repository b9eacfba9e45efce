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

// Seal closes the open batch: one block a month of the partition's clock, packs in the order of the table's key, and the state that changed.
func (f *Fold) Seal(v rollup.Version) rollup.Sealed {
	s := rollup.Sealed{State: f.state()}
	if f.rows.n == 0 {
		return s
	}
	rows := make([]table.Row, f.rows.n)
	for i := range rows {
		k := f.rows.at(i)
		rows[i] = table.Row{Month: rollup.MonthOfUnix(k.at / 1000), Index: int32(i), Key: [3]uint64{
			k.till, uint64(table.Signed(k.graph.partition)), uint64(k.offset),
		}}
	}
	for month, rows := range table.Months(rows) {
		s.Blocks = append(s.Blocks, f.block(month, rows, v))
	}
	f.rows.reset()
	f.texts.reset()
	clear(f.corrects)
	return s
}

// Packs end after so many transactions, and when they have so many bytes: of the parts of a row that is looked for all are read.
const (
	packRows  = 256
	packBytes = 64 << 10
)

// packs gives where packs of rows end: runs of one till and partition. What corrects, and what came after what corrects it, is a pack of its own.
func (f *Fold) packs(rows []table.Row) (ends []int) {
	var last *kept
	n, bytes := 0, 0
	for i := range rows {
		k := f.rows.at(int(rows[i].Index))
		alone := k.correction || k.superseded
		if i > 0 && (alone || n == packRows || bytes >= packBytes || k.till != last.till || k.graph != last.graph) {
			ends, n, bytes = append(ends, i), 0, 0
		}
		n, bytes = n+1, bytes+len(k.texts)
		if alone {
			bytes = packBytes
		}
		last = k
	}
	return append(ends, len(rows))
}

// block is the rows of a month, in packs.
func (f *Fold) block(month uint32, rows []table.Row, v rollup.Version) *rollup.Block {
	ends := f.packs(rows)
	b := rollup.NewBlock(Table, month, len(ends))
	till, at, topic := b.Uint64("till"), b.PartitionMillis("at"), b.String("topic")
	partition, offset := b.Int32("partition"), b.Int64("offset")
	store, terminal := b.String("store_id"), b.String("terminal_id")
	corrects, superseded := b.Strings("corrects"), b.Uint8("superseded")
	packIDs, packOffsets, packTimes := b.Strings("ids"), b.Int64s("offsets"), b.Int64s("at_ms")
	packCustomers, packContents := b.Uint64s("customers"), b.Strings("contents")
	events := b.SumUint64("events")
	b.Version(v)
	days := uint32((f.cfg.Window + slack + behind + 24*time.Hour - 1) / (24 * time.Hour))
	keep := slices.Repeat([]uint32{days}, len(ends)+1) // the batch's own row goes with the others
	b.Columns = append(b.Columns, rollup.Column{Name: "keep_days", Data: keep})

	ids, offsets, times := make([]string, len(rows)), make([]int64, len(rows)), make([]int64, len(rows))
	customers, contents := make([]uint64, len(rows)), make([]string, len(rows))
	from := 0
	for i, to := range ends {
		for j := from; j < to; j++ {
			k := f.rows.at(int(rows[j].Index))
			r := k.row()
			ids[j], offsets[j], times[j], customers[j], contents[j] = r.ID, r.Offset, k.at, r.Customer, r.Content
			at[i] = max(at[i], rollup.Millis(k.at))
		}
		k := f.rows.at(int(rows[from].Index))
		r := k.row()
		till[i], topic[i], partition[i], offset[i], store[i], terminal[i] = k.till, r.Topic, r.Partition, r.Offset, r.StoreID, r.TerminalID
		packIDs[i], packOffsets[i], packTimes[i] = ids[from:to:to], offsets[from:to:to], times[from:to:to]
		packCustomers[i], packContents[i] = customers[from:to:to], contents[from:to:to]
		events[i] = uint64(to - from)
		if k.correction {
			corrects[i] = f.corrects[int(rows[from].Index)]
		}
		if k.superseded {
			superseded[i] = 1
		}
		from = to
	}
	return b.Seal()
}

// Search finds transactions in a block that Seal made.
func Search(b *rollup.Block, q Query, row func(Row) error) error {
	tills := column[uint64](b, "till")
	for i := 1; i < len(tills); i++ {
		if tills[i] != q.Till || column[int32](b, "partition")[i] != q.Partition || column[uint8](b, "superseded")[i] != 0 {
			continue
		}
		r := Row{
			Topic: column[string](b, "topic")[i], Partition: q.Partition, StoreID: column[string](b, "store_id")[i], TerminalID: column[string](b, "terminal_id")[i],
			Correction: len(column[[]string](b, "corrects")[i]) > 0,
		}
		for j, id := range column[[]string](b, "ids")[i] {
			r.Key, r.ID = keyOf(r.StoreID, r.TerminalID, id), id
			if column[[]int64](b, "at_ms")[i][j] < q.Since || !slices.Contains(q.Keys, r.Key) {
				continue
			}
			r.Offset, r.Customer, r.Content = column[[]int64](b, "offsets")[i][j], column[[]uint64](b, "customers")[i][j], column[[]string](b, "contents")[i][j]
			if err := row(r); err != nil {
				return err
			}
		}
	}
	return nil
}

func column[T any](b *rollup.Block, name string) []T {
	i := slices.IndexFunc(b.Columns, func(c rollup.Column) bool { return c.Name == name })
	return b.Columns[i].Data.([]T)
}
