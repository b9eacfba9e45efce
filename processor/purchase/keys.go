package purchase

import "github.com/tillstream/tillstream/processor/table"

// Keys of the tables. Strings are numbers of the fold's intern table; dates are days and hours are hours since 1970.

type salesKey struct {
	store, channel, currency uint32
	date, hour               int32
	localHour                uint32
}

func (k *salesKey) hash() uint64 {
	h := table.Mix(table.Pack(k.store, uint32(k.hour)), table.Pack(k.channel, k.currency))
	return table.Mix(h, table.Pack(uint32(k.date), k.localHour))
}

type productKey struct {
	store, product, category, currency uint32
	date                               int32
}

func (k *productKey) hash() uint64 {
	h := table.Mix(table.Pack(k.store, k.product), table.Pack(k.category, k.currency))
	return table.Mix(h, uint64(uint32(k.date)))
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

func (k *paymentKey) hash() uint64 {
	h := table.Mix(table.Pack(k.store, uint32(k.hour)), table.Pack(k.service, k.method))
	return table.Mix(h, table.Pack(k.entryMode, k.currency))
}

type terminalKey struct {
	store, terminal, currency uint32
	hour                      int32
}

func (k *terminalKey) hash() uint64 {
	return table.Mix(table.Pack(k.terminal, uint32(k.hour)), table.Pack(k.store, k.currency))
}

type tillKey struct {
	store, terminal uint32
	hour            int32
}

func (k *tillKey) hash() uint64 {
	return table.Mix(table.Pack(k.terminal, uint32(k.hour)), uint64(k.store))
}

// Sums of the tables, named like their columns.

type salesSums struct {
	transactions, returns, voids     uint64
	units, gross, discount, tax, net int64
	loyalty, identified, offline     uint64
	corrections                      uint64 // transactions taken off again
}

type productSums struct {
	units, revenue, discount, returned, promoted int64
	baskets                                      uint64
	lines                                        int64
	corrections                                  uint64 // lines taken off again
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
