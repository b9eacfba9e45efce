package purchase

import "github.com/tillstream/tillstream/processor/table"

// Keys of the tables. Strings are numbers of the fold's intern table; dates are days and hours are hours since 1970.

type salesKey struct {
	store, channel, currency uint32
	date, hour               int32
	localHour                uint32
}

func (k salesKey) hash() uint64 {
	h := table.Mix(table.Pack(k.store, uint32(k.hour)), table.Pack(k.channel, k.currency))
	return table.Mix(h, table.Pack(uint32(k.date), k.localHour))
}

// shelfKey is what the products that a transaction sells have in common.
type shelfKey struct {
	store, currency uint32
	date            int32
}

func (k shelfKey) hash() uint64 {
	return table.Mix(table.Pack(k.store, k.currency), uint64(uint32(k.date)))
}

// productKey has the index of the shelf, so that an entry is no more than one line of the cache.
type productKey struct{ shelf, product, category uint32 }

func (k *productKey) hash() uint64 {
	return table.Mix(table.Pack(k.shelf, k.product), uint64(k.category))
}

type customerKey struct {
	customer                 uint64
	store, channel, currency uint32
	date                     int32
}

func (k *customerKey) hash() uint64 {
	h := table.Mix(k.customer, table.Pack(k.store, uint32(k.date)))
	return table.Mix(h, table.Pack(k.channel, k.currency))
}

type paymentKey struct {
	store, service, method, entryMode, currency uint32
	hour                                        int32
}

func (k paymentKey) hash() uint64 {
	h := table.Mix(table.Pack(k.store, uint32(k.hour)), table.Pack(k.service, k.method))
	return table.Mix(h, table.Pack(k.entryMode, k.currency))
}

type terminalKey struct {
	store, terminal, currency uint32
	hour                      int32
}

func (k terminalKey) hash() uint64 {
	return table.Mix(table.Pack(k.terminal, uint32(k.hour)), table.Pack(k.store, k.currency))
}

type tillKey struct {
	store, terminal uint32
	hour            int32
}

func (k tillKey) hash() uint64 {
	return table.Mix(table.Pack(k.terminal, uint32(k.hour)), uint64(k.store))
}

// Sums of the tables, named like their columns.

type salesSums struct {
	transactions, returns, voids     uint64
	units, gross, discount, tax, net int64
	loyalty, identified, offline     uint64
	corrections                      uint64 // transactions taken off again
}

// productSums counts in 32 bits: a batch has fewer lines, since each takes some bytes of it.
type productSums struct {
	units, revenue, discount, returned, promoted int64
	lines, baskets, corrections                  int32 // corrections: lines taken off again
}

type customerSums struct {
	transactions         uint64
	corrections          uint64 // transactions taken off again
	units, net, discount int64
	firstAt, lastAt      int64 // seconds since 1970
}

type paymentSums struct {
	attempts, approved, declined, failed, offline uint64
	amount                                        int64
	authMS, authN                                 uint64
	corrections                                   uint64 // payments taken off again
}

// tillSums are of payments that are not in cash.
type tillSums struct{ attempts, failed uint64 }

// terminalSums are by quarter of the hour.
type terminalSums struct {
	transactions [4]uint64
	net          [4]int64
	lastAt       int64 // of the newest sale, seconds since 1970
}
