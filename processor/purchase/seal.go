package purchase

import (
	"github.com/tillstream/tillstream/processor/rollup"
	"github.com/tillstream/tillstream/processor/table"
)

// What one entry takes in an open batch and in two that are sealed, by how wide its table is: a test of package processor holds it.
const (
	narrowBytes = 260
	middleBytes = 560
	wideBytes   = 900
	sampleBytes = 40
)

// Held is about the memory that the open batch takes, together with two that are sealed and like it.
func (f *Fold) Held() int {
	narrow := f.pairs.Len() + f.grids.touched + f.items.Len() + f.hours.Len() + f.days.Len()
	middle := f.products.Len() + f.mix.Len() + f.promotions.Len() + f.tills.Len()
	wide := f.sales.Len() + f.customers.Len() + f.payments.Len() + f.terminals.Len() + f.returns.Len()
	samples := len(f.pseudonyms) + len(f.pseudonymsOff) + len(f.baskets) + len(f.basketsOff) + len(f.authMS) + len(f.authMSOff) + len(f.times) + len(f.timesOff) +
		len(f.tries) + len(f.triesOff) + len(f.answers) + len(f.answersOff)
	return narrow*narrowBytes + middle*middleBytes + wide*wideBytes + samples*sampleBytes + f.grids.cells*4 + f.places.used*8
}

// Seal closes the open batch: one block a table and month, rows in the order of the table's key.
func (f *Fold) Seal(rollup.Version) rollup.Sealed {
	f.addProducts()
	f.addPairs()
	f.addCrosses()
	ranks := f.names.Ranks()
	var blocks []*rollup.Block
	blocks = f.sealSales(blocks, ranks)
	blocks = f.sealProducts(blocks, ranks)
	blocks = f.sealCustomers(blocks, ranks)
	blocks = f.sealPayments(blocks, ranks)
	blocks = f.sealTerminals(blocks, ranks)
	blocks = f.sealTills(blocks, ranks)
	blocks = f.sealMix(blocks, ranks)
	blocks = f.sealPairs(blocks, ranks)
	if f.items.Len() > 0 || f.hours.Len() > 0 {
		customers := f.rankCustomers(ranks)
		blocks = f.sealItems(blocks, ranks, customers)
		blocks = f.sealHours(blocks, ranks, customers)
	}
	blocks = f.sealPromotions(blocks, ranks)
	blocks = f.sealReturns(blocks, ranks)

	f.sales.Reset()
	f.places.reset(f.shelves.Entries())
	f.shelves.Reset()
	f.products.Reset()
	f.customers.Reset()
	f.payments.Reset()
	f.terminals.Reset()
	f.mix.Reset()
	f.grids.reset(f.days.Entries())
	f.kinds.reset()
	f.days.Reset()
	f.pairs.Reset()
	f.items.Reset()
	f.hours.Reset()
	f.promotions.Reset()
	f.returns.Reset()
	f.tills.Reset()
	f.pseudonyms, f.baskets, f.authMS, f.times = f.pseudonyms[:0], f.baskets[:0], f.authMS[:0], f.times[:0]
	f.pseudonymsOff, f.basketsOff, f.authMSOff, f.timesOff = f.pseudonymsOff[:0], f.basketsOff[:0], f.authMSOff[:0], f.timesOff[:0]
	f.tries, f.triesOff, f.answers, f.answersOff = f.tries[:0], f.triesOff[:0], f.answers[:0], f.answersOff[:0]
	f.batch++
	if f.names.Trim() {
		f.recent, f.known, f.senders = recent{}, nil, rollup.Senders[sender]{}
	}
	return rollup.Sealed{Blocks: blocks}
}

// months finds the month of a day without asking the calendar for every row.
type months struct {
	day   int32
	month uint32
}

func (m *months) of(day int32) uint32 {
	if m.month == 0 || m.day != day {
		m.day, m.month = day, rollup.MonthOfDay(rollup.Days(day))
	}
	return m.month
}

func (f *Fold) sealSales(blocks []*rollup.Block, ranks []uint32) []*rollup.Block {
	entries := f.sales.Entries()
	rows := make([]table.Row, len(entries))
	var m months
	for i := range entries {
		k := &entries[i].Key
		rows[i] = table.Row{Month: m.of(k.date), Index: int32(i), Key: [3]uint64{
			table.Pack(table.Signed(k.date), ranks[k.store]),
			table.Pack(table.Signed(k.hour), k.localHour),
			table.Pack(ranks[k.channel], ranks[k.currency]),
		}}
	}
	pseudonyms, baskets := table.Group(f.pseudonyms, len(entries)), table.Group(f.baskets, len(entries))
	pseudonymsOff, basketsOff := table.Group(f.pseudonymsOff, len(entries)), table.Group(f.basketsOff, len(entries))
	for month, rows := range table.Months(rows) {
		b := rollup.NewBlock("sales_hourly", month, len(rows))
		store, date, hour, local := b.String("store_id"), b.PartitionDays("business_date"), b.Seconds("hour"), b.Uint8("local_hour")
		channel, currency := b.String("channel"), b.String("currency")
		transactions, returns, voids := b.SumUint64("transactions"), b.SumUint64("returns"), b.SumUint64("voids")
		units, gross, discount := b.SumInt64("units"), b.SumInt64("gross"), b.SumInt64("discount")
		tax, net := b.SumInt64("tax"), b.SumInt64("net")
		loyalty, identified := b.SumUint64("loyalty_transactions"), b.SumUint64("identified_transactions")
		offline, customersIn, basketsIn := b.SumUint64("offline_transactions"), b.Uint64s("customers_in"), b.Int64s("baskets_in")
		corrections, customersOut, basketsOut := b.SumUint64("corrections"), b.Uint64s("customers_out"), b.Int64s("baskets_out")
		for i, r := range rows {
			k, s := &entries[r.Index].Key, &entries[r.Index].Value
			store[i], date[i], hour[i], local[i] = f.names.String(k.store), rollup.Days(k.date), rollup.Seconds(k.hour)*3600, uint8(k.localHour)
			channel[i], currency[i] = f.names.String(k.channel), f.names.String(k.currency)
			transactions[i], returns[i], voids[i] = s.transactions, s.returns, s.voids
			units[i], gross[i], discount[i], tax[i], net[i] = s.units, s.gross, s.discount, s.tax, s.net
			loyalty[i], identified[i], offline[i] = s.loyalty, s.identified, s.offline
			customersIn[i], basketsIn[i] = pseudonyms[r.Index], baskets[r.Index]
			corrections[i], customersOut[i], basketsOut[i] = s.corrections, pseudonymsOff[r.Index], basketsOff[r.Index]
		}
		blocks = append(blocks, b.Seal())
	}
	return blocks
}

func (f *Fold) sealProducts(blocks []*rollup.Block, ranks []uint32) []*rollup.Block {
	entries, shelves := f.products.Entries(), f.shelves.Entries()
	rows := make([]table.Row, len(entries))
	var m months
	for i := range entries {
		k := &entries[i].Key
		shelf := &shelves[k.shelf].Key
		rows[i] = table.Row{Month: m.of(shelf.date), Index: int32(i), Key: [3]uint64{
			table.Pack(table.Signed(shelf.date), ranks[shelf.store]),
			table.Pack(ranks[k.product], ranks[k.category]),
			uint64(ranks[shelf.currency]),
		}}
	}
	for month, rows := range table.Months(rows) {
		b := rollup.NewBlock("product_sales", month, len(rows))
		store, date, product := b.String("store_id"), b.PartitionDays("business_date"), b.String("product_id")
		category, currency := b.String("category"), b.String("currency")
		units, revenue, discount := b.SumInt64("units"), b.SumInt64("revenue"), b.SumInt64("discount")
		baskets, returned, promoted := b.SumUint64("baskets"), b.SumInt64("returned_units"), b.SumInt64("promoted_units")
		lines, corrections := b.SumInt64("lines"), b.SumUint64("corrections")
		for i, r := range rows {
			k, s := &entries[r.Index].Key, &entries[r.Index].Value
			shelf := &shelves[k.shelf].Key
			store[i], date[i], product[i] = f.names.String(shelf.store), rollup.Days(shelf.date), f.names.String(k.product)
			category[i], currency[i] = f.names.String(k.category), f.names.String(shelf.currency)
			units[i], revenue[i], discount[i] = s.units, s.revenue, s.discount
			baskets[i], returned[i], promoted[i] = uint64(s.baskets), s.returned, s.promoted
			lines[i], corrections[i] = int64(s.lines), uint64(s.corrections)
		}
		blocks = append(blocks, b.Seal())
	}
	return blocks
}

func (f *Fold) sealCustomers(blocks []*rollup.Block, ranks []uint32) []*rollup.Block {
	entries := f.customers.Entries()
	rows := make([]table.Row, len(entries))
	var m months
	for i := range entries {
		k := &entries[i].Key
		rows[i] = table.Row{Month: m.of(k.date), Index: int32(i), Key: [3]uint64{
			k.customer,
			table.Pack(table.Signed(k.date), ranks[k.store]),
			table.Pack(ranks[k.channel], ranks[k.currency]),
		}}
	}
	times, timesOff := table.Group(f.times, len(entries)), table.Group(f.timesOff, len(entries))
	for month, rows := range table.Months(rows) {
		b := rollup.NewBlock("customer_days", month, len(rows))
		customer, date, store := b.Uint64("customer"), b.PartitionDays("business_date"), b.String("store_id")
		channel, currency := b.String("channel"), b.String("currency")
		transactions, units := b.SumUint64("transactions"), b.SumInt64("units")
		net, discount := b.SumInt64("net"), b.SumInt64("discount")
		firstAt, lastAt := b.Seconds("first_at"), b.Seconds("last_at")
		corrections, timesIn, timesOut := b.SumUint64("corrections"), b.Uint32s("times_in"), b.Uint32s("times_out")
		for i, r := range rows {
			k, s := &entries[r.Index].Key, &entries[r.Index].Value
			customer[i], date[i], store[i] = k.customer, rollup.Days(k.date), f.names.String(k.store)
			channel[i], currency[i] = f.names.String(k.channel), f.names.String(k.currency)
			transactions[i], units[i], net[i], discount[i] = s.transactions, s.units, s.net, s.discount
			firstAt[i], lastAt[i] = rollup.Seconds(s.firstAt), rollup.Seconds(s.lastAt)
			corrections[i], timesIn[i], timesOut[i] = s.corrections, times[r.Index], timesOff[r.Index]
		}
		blocks = append(blocks, b.Seal())
	}
	return blocks
}

func (f *Fold) sealPayments(blocks []*rollup.Block, ranks []uint32) []*rollup.Block {
	entries := f.payments.Entries()
	rows := make([]table.Row, len(entries))
	var m months
	for i := range entries {
		k := &entries[i].Key
		rows[i] = table.Row{Month: m.of(k.hour / 24), Index: int32(i), Key: [3]uint64{
			table.Pack(ranks[k.store], table.Signed(k.hour)),
			table.Pack(ranks[k.service], ranks[k.method]),
			table.Pack(ranks[k.entryMode], ranks[k.currency]),
		}}
	}
	authMS, authMSOff := table.Group(f.authMS, len(entries)), table.Group(f.authMSOff, len(entries))
	for month, rows := range table.Months(rows) {
		b := rollup.NewBlock("payments_hourly", month, len(rows))
		store, hour, service := b.String("store_id"), b.PartitionSeconds("hour"), b.String("service")
		method, entryMode, currency := b.String("method"), b.String("entry_mode"), b.String("currency")
		attempts, approved, declined := b.SumUint64("attempts"), b.SumUint64("approved"), b.SumUint64("declined")
		failed, offline, amount := b.SumUint64("failed"), b.SumUint64("offline"), b.SumInt64("amount")
		authSum, authN, authIn := b.SumUint64("auth_ms"), b.SumUint64("auth_n"), b.Uint32s("auth_in")
		corrections, authOut := b.SumUint64("corrections"), b.Uint32s("auth_out")
		for i, r := range rows {
			k, s := &entries[r.Index].Key, &entries[r.Index].Value
			store[i], hour[i], service[i] = f.names.String(k.store), rollup.Seconds(k.hour)*3600, f.names.String(k.service)
			method[i], entryMode[i], currency[i] = f.names.String(k.method), f.names.String(k.entryMode), f.names.String(k.currency)
			attempts[i], approved[i], declined[i] = s.attempts, s.approved, s.declined
			failed[i], offline[i], amount[i] = s.failed, s.offline, s.amount
			authSum[i], authN[i], authIn[i] = s.authMS, s.authN, authMS[r.Index]
			corrections[i], authOut[i] = s.corrections, authMSOff[r.Index]
		}
		blocks = append(blocks, b.Seal())
	}
	return blocks
}

func (f *Fold) sealTerminals(blocks []*rollup.Block, ranks []uint32) []*rollup.Block {
	entries := f.terminals.Entries()
	rows := make([]table.Row, len(entries))
	var m months
	for i := range entries {
		k := &entries[i].Key
		rows[i] = table.Row{Month: m.of(k.hour / 24), Index: int32(i), Key: [3]uint64{
			table.Pack(table.Signed(k.hour), ranks[k.store]),
			table.Pack(ranks[k.terminal], ranks[k.currency]),
		}}
	}
	for month, rows := range table.Months(rows) {
		b := rollup.NewBlock("terminal_sales", month, len(rows))
		hour, store, terminal, currency := b.PartitionSeconds("hour"), b.String("store_id"), b.String("terminal_id"), b.String("currency")
		transactions := [4][]uint64{b.SumUint64("transactions_00"), b.SumUint64("transactions_15"), b.SumUint64("transactions_30"), b.SumUint64("transactions_45")}
		net := [4][]int64{b.SumInt64("net_00"), b.SumInt64("net_15"), b.SumInt64("net_30"), b.SumInt64("net_45")}
		lastAt := b.Seconds("last_at")
		for i, r := range rows {
			k, s := &entries[r.Index].Key, &entries[r.Index].Value
			hour[i], store[i], terminal[i], currency[i] = rollup.Seconds(k.hour)*3600, f.names.String(k.store), f.names.String(k.terminal), f.names.String(k.currency)
			for q := range 4 {
				transactions[q][i], net[q][i] = s.transactions[q], s.net[q]
			}
			lastAt[i] = rollup.Seconds(s.lastAt)
		}
		blocks = append(blocks, b.Seal())
	}
	return blocks
}

func (f *Fold) sealTills(blocks []*rollup.Block, ranks []uint32) []*rollup.Block {
	entries := f.tills.Entries()
	rows := make([]table.Row, len(entries))
	var m months
	for i := range entries {
		k := &entries[i].Key
		rows[i] = table.Row{Month: m.of(k.hour / 24), Index: int32(i), Key: [3]uint64{table.Pack(ranks[k.store], table.Signed(k.hour)), uint64(ranks[k.terminal])}}
	}
	tries, triesOff := table.Group(f.tries, len(entries)), table.Group(f.triesOff, len(entries))
	answers, answersOff := table.Group(f.answers, len(entries)), table.Group(f.answersOff, len(entries))
	for month, rows := range table.Months(rows) {
		b := rollup.NewBlock("terminal_payments", month, len(rows))
		store, hour, terminal := b.String("store_id"), b.PartitionSeconds("hour"), b.String("terminal_id")
		attempts, failed := b.SumUint64("attempts"), b.SumUint64("failed")
		triesIn, triesOut := b.Uint32s("tries_in"), b.Uint32s("tries_out")
		authIn, authOut := b.Uint32s("auth_in"), b.Uint32s("auth_out")
		for i, r := range rows {
			k, s := &entries[r.Index].Key, &entries[r.Index].Value
			store[i], hour[i], terminal[i] = f.names.String(k.store), rollup.Seconds(k.hour)*3600, f.names.String(k.terminal)
			attempts[i], failed[i] = s.attempts, s.failed
			triesIn[i], triesOut[i] = tries[r.Index], triesOff[r.Index]
			authIn[i], authOut[i] = answers[r.Index], answersOff[r.Index]
		}
		blocks = append(blocks, b.Seal())
	}
	return blocks
}
