package correction

import (
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/tillstream/tillstream/processor/rollup"
	"github.com/tillstream/tillstream/processor/table"
)

// behind is for how long more than they are known rows are kept, by the server's clock: a lane may be behind by as much as Kafka keeps, which is
// 7 days where nobody says otherwise.
const behind = 14 * 24 * time.Hour

// rowBytes is what a kept transaction takes beside its texts, in an open batch and in two that are sealed; the pack that it is in is part of what its till takes elsewhere.
const rowBytes = 220

// Held is about the memory that the open batch takes, together with two that are sealed and like it.
func (f *Fold) Held() int { return f.rows.n*rowBytes + 3*f.texts.bytes }

// Seal closes the open batch: one block a month of the partition's clock, packs in the order of the table's key, and the state that changed.
func (f *Fold) Seal(v rollup.Version) rollup.Sealed {
	s := rollup.Sealed{State: f.state()}
	if f.rows.n == 0 {
		return s
	}
	rows := make([]table.Row, len(f.packs))
	for i := range f.packs {
		p := &f.packs[i]
		k := &f.tills.Entries()[p.till].Key
		rows[i] = table.Row{Month: p.month, Index: int32(i), Key: [3]uint64{k.till, uint64(table.Signed(k.graph.partition)), uint64(p.first)}}
	}
	packed := f.packed()
	for month, rows := range table.Months(rows) {
		s.Blocks = append(s.Blocks, f.block(month, rows, packed, v))
	}
	f.rows.n = 0
	f.texts.reset()
	f.tills.Reset()
	f.packs = f.packs[:0]
	f.batch++
	f.stores.Trim() // senders are of the batch before now
	clear(f.corrects)
	clear(f.looked) // nothing of the batch is needed any more
	clear(f.fresh)
	return s
}

// packed are the columns of what packs have.
type packed struct {
	ids, contents  []string
	offsets, times []int64
	customers      []uint64
	ends           []int32 // of packs
}

// packed puts transactions, which are in the order in which they came, together by their packs.
func (f *Fold) packed() *packed {
	n := f.rows.n
	c := &packed{make([]string, n), make([]string, n), make([]int64, n), make([]int64, n), make([]uint64, n), make([]int32, len(f.packs))}
	from := int32(0)
	for i := range f.packs {
		from, c.ends[i] = from+f.packs[i].rows, from // where the next one goes, until all are there
	}
	for i := range n {
		k := f.rows.at(i)
		j, text := c.ends[k.pack], f.texts.of(k.text)
		c.ends[k.pack]++
		c.ids[j], c.contents[j], c.offsets[j], c.times[j], c.customers[j] = text[:k.id], text[k.id:], k.offset, k.at, k.customer
	}
	return c
}

// block is the packs of a month.
func (f *Fold) block(month uint32, rows []table.Row, c *packed, v rollup.Version) *rollup.Block {
	b := rollup.NewBlock(Table, month, len(rows))
	till, at, topic := b.Uint64("till"), b.PartitionMillis("at"), b.String("topic")
	partition, offset := b.Int32("partition"), b.Int64("offset")
	store, terminal := b.String("store_id"), b.String("terminal_id")
	corrects, superseded := b.Strings("corrects"), b.Uint8("superseded")
	ids, offsets, times := b.Strings("ids"), b.Int64s("offsets"), b.Int64s("at_ms")
	customers, contents := b.Uint64s("customers"), b.Strings("contents")
	events := b.SumUint64("events")
	b.Version(v)
	days := uint32((f.cfg.Window + slack + behind + 24*time.Hour - 1) / (24 * time.Hour))
	keep := slices.Repeat([]uint32{days}, len(rows)+1) // the batch's own row goes with the others
	b.Columns = append(b.Columns, rollup.Column{Name: "keep_days", Data: keep})
	for i, r := range rows {
		p := &f.packs[r.Index]
		t := &f.tills.Entries()[p.till]
		till[i], topic[i], partition[i], store[i], terminal[i] = t.Key.till, t.Key.graph.topic, t.Key.graph.partition, t.Value.store, t.Value.terminal
		at[i], offset[i], events[i] = rollup.Millis(p.at), p.first, uint64(p.rows)
		to := c.ends[r.Index]
		from := to - p.rows
		ids[i], offsets[i], times[i] = c.ids[from:to:to], c.offsets[from:to:to], c.times[from:to:to]
		customers[i], contents[i] = c.customers[from:to:to], c.contents[from:to:to]
		if p.correction {
			corrects[i] = f.corrects[r.Index]
		}
		if p.superseded {
			superseded[i] = 1
		}
	}
	return b.Seal()
}

// Search finds transactions in a block that Seal made. Whether they are old is for others to say.
func Search(b *rollup.Block, q Query, row func(Row) error) error {
	tills, wanted := column[uint64](b, "till"), q.filter()
	var room []byte
	for i := 1; i < len(tills); i++ {
		if column[uint8](b, "superseded")[i] != 0 || !q.hasTill(tills[i]) {
			continue
		}
		r := Row{
			Topic: column[string](b, "topic")[i], Partition: column[int32](b, "partition")[i], StoreID: column[string](b, "store_id")[i], TerminalID: column[string](b, "terminal_id")[i],
			Correction: len(column[[]string](b, "corrects")[i]) > 0,
		}
		room = appendKey(room[:0], r.StoreID, r.TerminalID, "")
		till := len(room)
		for j, id := range column[[]string](b, "ids")[i] {
			room = append(room[:till], id...)
			r.Key, r.ID, r.At = xxhash.Sum64(room), id, column[[]int64](b, "at_ms")[i][j]
			if !wanted.may(r.Key) || r.At < q.Since || !q.has(Key{tills[i], r.Key}) {
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
