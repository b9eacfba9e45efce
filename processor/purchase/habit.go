package purchase

import (
	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
	"github.com/tillstream/tillstream/processor/table"
)

// What a customer bought, and when and how: two tables whose keys begin with the row of customer_days. customer is its index, which stands for the
// customer, the store, the channel, the currency and the date until the batch is sealed.

type itemKey struct{ customer, product, category uint32 }

func (k *itemKey) hash() uint64 {
	return table.Mix(table.Pack(k.customer, k.product), uint64(k.category))
}

type itemSums struct{ units, revenue int64 }

type habitKey struct{ customer, localHour, method uint32 }

func (k *habitKey) hash() uint64 {
	return table.Mix(table.Pack(k.customer, k.method), uint64(k.localHour))
}

// bought is one line of the transaction being folded.
type bought struct {
	product, category uint32
	itemSums
}

// habits adds the lines of a customer's transaction, which have their sign, and of a sale its hour and how it was paid.
func (f *Fold) habits(x *event.Transaction, r role, at *place, customer int) {
	for _, l := range f.bought {
		k := itemKey{uint32(customer), l.product, l.category}
		_, s := f.items.At(k.hash(), k)
		s.units += l.units
		s.revenue += l.revenue
	}
	if r == sale {
		k := habitKey{uint32(customer), at.localHour, f.recent.paid.ID(f.names, paidBy(x.Tenders))}
		_, n := f.hours.At(k.hash(), k)
		*n += at.sign
	}
}

// paidBy is the method of the largest approved tender, the first of equal ones; empty if there is none.
func paidBy(all []event.Tender) (method string) {
	var most int64
	for i := range all {
		t := &all[i]
		if o := outcomeOf(t); (o == approved || o == offline) && (method == "" || t.Amount > most) {
			method, most = t.Method, t.Amount
		}
	}
	return method
}

// rankCustomers gives the rows of customer_days their place by date, customer, store, channel and currency: those parts of a key in one number.
func (f *Fold) rankCustomers(ranks []uint32) []uint32 {
	entries := f.customers.Entries()
	rows := make([]table.Row, len(entries))
	for i := range entries {
		k := &entries[i].Key
		rows[i] = table.Row{Index: int32(i), Key: [3]uint64{
			table.Pack(table.Signed(k.date), uint32(k.customer>>32)), table.Pack(uint32(k.customer), ranks[k.store]), table.Pack(ranks[k.channel], ranks[k.currency]),
		}}
	}
	place := make([]uint32, len(entries))
	for _, rows := range table.Months(rows) {
		for i, r := range rows {
			place[r.Index] = uint32(i)
		}
	}
	return place
}

// who are the columns that customer_items and customer_hours begin with.
type who struct {
	date                     []rollup.Days
	customer                 []uint64
	store, channel, currency []string
}

func newWho(b *rollup.Block) who {
	return who{b.PartitionDays("business_date"), b.Uint64("customer"), b.String("store_id"), b.String("channel"), b.String("currency")}
}

func (w *who) set(i int, f *Fold, index uint32) {
	k := &f.customers.Entries()[index].Key
	w.date[i], w.customer[i], w.store[i] = rollup.Days(k.date), k.customer, f.names.String(k.store)
	w.channel[i], w.currency[i] = f.names.String(k.channel), f.names.String(k.currency)
}

func (f *Fold) sealItems(blocks []*rollup.Block, ranks, customers []uint32) []*rollup.Block {
	entries := f.items.Entries()
	rows := make([]table.Row, len(entries))
	var m months
	for i := range entries {
		k := &entries[i].Key
		rows[i] = table.Row{Month: m.of(f.customers.Entries()[k.customer].Key.date), Index: int32(i), Key: [3]uint64{
			table.Pack(customers[k.customer], ranks[k.category]), uint64(ranks[k.product]),
		}}
	}
	for month, rows := range table.Months(rows) {
		b := rollup.NewBlock("customer_items", month, len(rows))
		w := newWho(b)
		category, product := b.String("category"), b.String("product_id")
		units, revenue := b.SumInt64("units"), b.SumInt64("revenue")
		for i, r := range rows {
			k, s := &entries[r.Index].Key, &entries[r.Index].Value
			w.set(i, f, k.customer)
			category[i], product[i] = f.names.String(k.category), f.names.String(k.product)
			units[i], revenue[i] = s.units, s.revenue
		}
		blocks = append(blocks, b.Seal())
	}
	return blocks
}

func (f *Fold) sealHours(blocks []*rollup.Block, ranks, customers []uint32) []*rollup.Block {
	entries := f.hours.Entries()
	rows := make([]table.Row, len(entries))
	var m months
	for i := range entries {
		k := &entries[i].Key
		rows[i] = table.Row{Month: m.of(f.customers.Entries()[k.customer].Key.date), Index: int32(i), Key: [3]uint64{
			table.Pack(customers[k.customer], k.localHour), uint64(ranks[k.method]),
		}}
	}
	for month, rows := range table.Months(rows) {
		b := rollup.NewBlock("customer_hours", month, len(rows))
		w := newWho(b)
		hour, method, transactions := b.Uint8("local_hour"), b.String("method"), b.SumInt64("transactions")
		for i, r := range rows {
			k := &entries[r.Index].Key
			w.set(i, f, k.customer)
			hour[i], method[i], transactions[i] = uint8(k.localHour), f.names.String(k.method), entries[r.Index].Value
		}
		blocks = append(blocks, b.Seal())
	}
	return blocks
}
