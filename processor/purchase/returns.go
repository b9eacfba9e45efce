package purchase

import (
	"math"
	"strings"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
	"github.com/tillstream/tillstream/processor/table"
)

// returnKey is a product that a transaction took back.
type returnKey struct {
	store, terminal, transaction, product uint32
	date                                  int32
}

func (k *returnKey) hash() uint64 {
	return table.Mix(table.Mix(table.Pack(k.store, k.terminal), table.Pack(k.transaction, k.product)), uint64(uint32(k.date)))
}

type returnSums struct {
	lines, units, net        int64 // what was taken back is positive
	kind, category, currency string
	second                   int64
	original                 event.Original
	date                     rollup.Days // of the original
}

// giveBack adds a line that is given back to what it is linked to. a is negative, or positive where that is taken off again.
func (f *Fold) giveBack(x *event.Transaction, l *event.Line, at *place, a *amounts) {
	id := f.names.ID(l.ProductID)
	k := returnKey{at.store, at.terminal, f.names.ID(at.id), id, at.date}
	_, s := f.returns.At(k.hash(), k)
	// One transaction says one thing of these, and the table keeps the greatest; so two that share an id do not depend on batches.
	greatest(&s.kind, x.Kind)
	greatest(&s.original.TransactionID, x.Original.TransactionID)
	greatest(&s.original.StoreID, x.Original.StoreID)
	greatest(&s.original.TerminalID, x.Original.TerminalID)
	greatest(&s.original.Reason, x.Original.Reason)
	greatest(&s.category, f.names.String(f.product(id).category))
	greatest(&s.currency, x.Currency)
	s.second = max(s.second, at.second)
	s.original.Sequence.Value = max(s.original.Sequence.Value, x.Original.Sequence.Value)
	s.date = max(s.date, day(x.Original.BusinessDate))
	s.lines += at.sign
	s.units -= a.units
	s.net -= a.net
}

func greatest(have *string, s string) {
	if s > *have {
		*have = strings.Clone(s)
	}
}

func (f *Fold) sealReturns(blocks []*rollup.Block, ranks []uint32) []*rollup.Block {
	entries := f.returns.Entries()
	rows := make([]table.Row, len(entries))
	var m months
	for i := range entries {
		k := &entries[i].Key
		rows[i] = table.Row{Month: m.of(k.date), Index: int32(i), Key: [3]uint64{
			table.Pack(table.Signed(k.date), ranks[k.store]), table.Pack(ranks[k.terminal], ranks[k.transaction]), uint64(ranks[k.product]),
		}}
	}
	for month, rows := range table.Months(rows) {
		b := rollup.NewBlock("returns", month, len(rows))
		date, store, terminal := b.PartitionDays("business_date"), b.String("store_id"), b.String("terminal_id")
		transaction, product, category := b.String("transaction_id"), b.String("product_id"), b.String("category")
		currency, kind, at := b.String("currency"), b.String("kind"), b.Seconds("returned_at")
		original, originalStore, originalTerminal := b.String("original_transaction_id"), b.String("original_store_id"), b.String("original_terminal_id")
		originalSequence, originalDate, reason := b.Uint64("original_sequence"), b.Days("original_business_date"), b.String("reason")
		lines, units, net := b.SumInt64("lines"), b.SumInt64("units"), b.SumInt64("net")
		for i, r := range rows {
			k, s := &entries[r.Index].Key, &entries[r.Index].Value
			date[i], store[i], terminal[i] = rollup.Days(k.date), f.names.String(k.store), f.names.String(k.terminal)
			transaction[i], product[i], category[i] = f.names.String(k.transaction), f.names.String(k.product), s.category
			currency[i], kind[i], at[i] = s.currency, s.kind, rollup.Seconds(s.second)
			original[i], originalStore[i], originalTerminal[i] = s.original.TransactionID, s.original.StoreID, s.original.TerminalID
			originalSequence[i], originalDate[i], reason[i] = s.original.Sequence.Value, s.date, s.original.Reason
			lines[i], units[i], net[i] = s.lines, s.units, s.net
		}
		blocks = append(blocks, b.Seal())
	}
	return blocks
}

// day is a date as a Date can hold it: what else a till says is as unknown as what it does not say.
func day(date event.Opt[int32]) rollup.Days {
	if date.Value < 0 || date.Value > math.MaxUint16 {
		return 0
	}
	return rollup.Days(date.Value)
}
