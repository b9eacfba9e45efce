package journey

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/rollup"
)

// Kinds of state rows. Keys are store \0 order and store \0 hour since 1970.
const (
	KindOrder = "order"
	KindSales = "order_sales"
)

// Config decides the rows; change it only between batches of different fingerprints.
type Config struct {
	// Window is how long finished orders and sales are kept, for what comes late; 0: 48 h.
	Window time.Duration
	// RetireAfter is how long after its last step an order is kept that is not finished, or whose store sells nothing to known customers; 0: 31 days.
	RetireAfter time.Duration
	// BusinessDayCutoff is how long after midnight a business day ends, in stores of which the registry does not say.
	BusinessDayCutoff time.Duration
	// Forgotten says which customers were forgotten: what is loaded does not name them any more. nil: nobody.
	Forgotten func(pseudonym uint64) bool
}

// Registry knows the stores.
type Registry interface {
	// Registered is what is in force of a store, nil if it is not registered. It may be asked once a batch is complete.
	Registered(store string) *registry.Store
}

// maxOrders bounds what is kept of one store; the oldest go first.
const maxOrders = 1 << 16

// Fold keeps the orders and the sales of a lane's stores. It is not safe for concurrent use. What Seal gives out is not touched again.
type Fold struct {
	window, retire int64 // ms
	cutoff         time.Duration
	forgotten      func(pseudonym uint64) bool
	registry       Registry
	stores         map[string]*store
	touched        []*store
	held           int
}

// store is what is known of a store.
type store struct {
	id         string
	orders     map[string]*record
	byHash     map[uint64]*record
	byCustomer map[uint64]mates
	named      map[uint64]int // transactions that steps name, with how many orders do
	sales      ring
	voids      map[uint64]bool // ids and numbers of sales that were voided; nil: to be collected again
	newest     int64           // last step of any order, ms
	swept      reached         // when it was last looked for what may go

	// The open batch.
	stepped map[*record]bool
	told    bool // by the registry
	touched bool
	away    []sale           // that do not count any more
	bereft  map[*record]bool // orders that they were around
	pools   map[uint64]*pool // by customer, while its orders are reckoned
}

// reached is how far a store is, in hours: its orders, and both these and its sales.
type reached struct{ orders, both int64 }

// record is an order. Most are looked at no more, so they stay packed.
type record struct {
	id        string
	hash      uint64
	partition int32
	known     bool // there is state of it
	packed    []byte
	open      *order // unpacked

	// What the store's indices have of it.
	customer uint64
	named    []uint64
	pooled   bool

	// What lookups need without unpacking it.
	collection, last int64
	finished         bool
}

// order is all that is kept of one.
type order struct {
	facts
	named []uint64 // transactions that steps name
	near  []sale   // of its customer, or that name it, around the collection
	added added    // as it was given out last
}

// added is the added sales.
type added struct {
	sales    uint32
	net      int64
	currency [3]byte
	given    bool // there was one at some time
}

// maxNamed bounds the transactions that are kept of one order.
const maxNamed = 64

// New makes a fold that knows of nothing.
func New(cfg Config, r Registry) *Fold {
	f := &Fold{window: cfg.Window.Milliseconds(), retire: cfg.RetireAfter.Milliseconds(), cutoff: cfg.BusinessDayCutoff, registry: r, stores: map[string]*store{}}
	if f.window <= 0 {
		f.window = 48 * hourMilli
	}
	if f.retire <= 0 {
		f.retire = 31 * 24 * hourMilli
	}
	if f.forgotten = cfg.Forgotten; f.forgotten == nil {
		f.forgotten = func(uint64) bool { return false }
	}
	return f
}

func (f *Fold) store(id string) *store {
	st := f.stores[id]
	if st == nil {
		st = &store{
			id: strings.Clone(id), orders: map[string]*record{}, byHash: map[uint64]*record{}, byCustomer: map[uint64]mates{}, named: map[uint64]int{},
			stepped: map[*record]bool{}, bereft: map[*record]bool{},
		}
		f.stores[st.id] = st
	}
	return st
}

func (st *store) order(id string, partition int32) *record {
	r := st.orders[id]
	if r == nil {
		r = &record{id: strings.Clone(id), hash: hash(id), partition: partition}
		st.orders[r.id], st.byHash[r.hash] = r, r
	}
	if !r.known {
		r.partition = min(r.partition, partition) // whatever the order
	}
	return r
}

// Fold adds an event to the open batch.
func (f *Fold) Fold(e *event.Event, in rollup.Input) {
	switch e.Type {
	case event.TypeOrder:
		s, ok := e.Body.(*step)
		if !ok || e.Test {
			return
		}
		st := f.store(e.StoreID)
		r := st.order(s.order, in.Partition)
		o := r.unpacked()
		said := factsOf(s, e.Transaction.Customer.Pseudonym, instant{e.Time.Milli, e.Time.Offset})
		o.join(&said)
		if s.transaction != "" {
			o.name(hash(s.transaction))
		}
		st.stepped[r] = true
		f.touch(st)
	case event.TypeTransaction:
		f.Add(e, in, 1)
	case event.TypeRegistry:
		if st := f.stores[e.StoreID]; st != nil {
			st.told = true
			f.touch(st)
		}
	}
}

// Add adds a transaction that counts to the open batch, or, with the sign -1, takes one away that a correction has replaced.
func (f *Fold) Add(e *event.Event, in rollup.Input, sign int64) {
	if !concerns(&e.Transaction) {
		return
	}
	s, ok := saleOf(e)
	if !ok || e.Test {
		return
	}
	st := f.store(e.StoreID)
	if f.touch(st); s.void {
		st.voids = nil
	}
	if sign < 0 {
		f.takeAway(st, &s)
		return
	}
	c := st.sales.add(s)
	f.held += saleBytes
	if len(c.fresh) == 1 {
		f.held += 2 * len(c.packed) // the state has the whole hour
	}
	if !c.known && (len(c.fresh) == 1 || in.Partition < c.partition) { // whatever the order
		c.partition = in.Partition
	}
}

// takeAway takes a sale, or a void, off the store's and off the orders that it is known to be around.
func (f *Fold) takeAway(st *store, s *sale) {
	same := func(x sale) bool {
		return x.at == s.at && x.id == s.id && x.void == s.void && (!s.void || x.number == s.number) // of a sale that was kept the number is not known
	}
	if i, found := st.sales.find(floorDiv(s.at, hourMilli)); found && st.sales[i].remove(same) {
		f.held += 2 * len(st.sales[i].packed)
	}
	for _, r := range append(slices.Clone(st.byCustomer[s.customer]), st.byHash[s.order]) {
		if r != nil && slices.ContainsFunc(r.peek().near, same) {
			o := r.unpacked()
			o.near = slices.DeleteFunc(o.near, same)
			st.bereft[r] = true
		}
	}
	st.away = append(st.away, *s)
}

// touch has Seal look at a store.
func (f *Fold) touch(st *store) {
	if !st.touched {
		st.touched = true
		f.touched = append(f.touched, st)
	}
}

func (o *order) name(transaction uint64) {
	if i, found := slices.BinarySearch(o.named, transaction); !found {
		o.named = slices.Insert(o.named, i, transaction)
		o.named = o.named[:min(len(o.named), maxNamed)]
	}
}

// unpacked is the order, to be changed until it is packed again.
func (r *record) unpacked() *order {
	if r.open == nil {
		r.open = &order{}
		if r.packed != nil {
			*r.open, _ = unpack(r.packed) // Load has looked at it, or it was packed here
		}
	}
	return r.open
}

// peek is the order, not to be changed.
func (r *record) peek() *order {
	if r.open != nil {
		return r.open
	}
	o, _ := unpack(r.packed)
	return &o
}

// pack is the inverse; changed says whether there is news in it.
func (r *record) pack() (changed bool) {
	packed := r.open.append(nil)
	changed = !bytes.Equal(packed, r.packed)
	r.packed, r.open = packed, nil
	return changed
}

// Load restores a row of state that Seal gave out, in any order. Of what has state in two partitions all is united. A row that cannot be
// read is an error that names it; rows of another kind are left alone.
func (f *Fold) Load(row rollup.StateRow) error {
	if row.Deleted || row.Kind != KindOrder && row.Kind != KindSales {
		return nil
	}
	if err := f.load(row); err != nil {
		return fmt.Errorf("loading %s %q of partition %d: %w", row.Kind, row.Key, row.Partition, err)
	}
	return nil
}

func (f *Fold) load(row rollup.StateRow) error {
	id, rest, ok := strings.Cut(row.Key, "\x00")
	if !ok {
		return errState
	}
	st := f.store(id)
	if row.Kind == KindSales {
		hour, err := hourOf(row.Key)
		if err != nil {
			return err
		}
		sales, err := readSales(row.Value, hour)
		if err != nil {
			return err
		}
		sales, _ = unname(sales, f.forgotten)
		c := st.sales.chunk(hour)
		if c.known {
			row.Partition = min(row.Partition, c.partition)
		}
		c.settle(sales)
		c.partition, c.known, st.voids = row.Partition, true, nil
		return nil
	}
	o, err := unpack(row.Value)
	if err != nil {
		return err
	}
	o.unname(f.forgotten)
	r := st.order(rest, row.Partition)
	if r.known {
		r.partition = min(r.partition, row.Partition)
		o.merge(r.unpacked())
	} else {
		r.partition = row.Partition
	}
	r.known, r.open = true, &o
	st.index(r)
	r.pack()
	return nil
}

// hourOf is the hour of the key of a store's sales.
func hourOf(key string) (int64, error) {
	_, rest, _ := strings.Cut(key, "\x00")
	hour, err := strconv.ParseInt(rest, 10, 32)
	if err != nil {
		return 0, errState
	}
	return hour, nil
}

// merge unites two states of one order.
func (o *order) merge(other *order) {
	o.join(&other.facts)
	for _, n := range other.named {
		o.name(n)
	}
	o.near = unite(o.near, other.near)
	if other.added.given && !o.added.given {
		o.added = other.added
	}
}

// index has the store find an order by what it says now.
func (st *store) index(r *record) {
	o := r.open
	for _, n := range r.named {
		st.unname(n)
	}
	for _, n := range o.named {
		st.named[n]++
	}
	r.named = slices.Clone(o.named)
	pseudonym, _ := strconv.ParseUint(o.text(customer), 10, 64)
	if collection := o.collection(); r.customer != pseudonym || r.collection != collection {
		st.forget(r)
		if r.customer, r.collection = pseudonym, collection; pseudonym != 0 {
			m := st.byCustomer[pseudonym]
			st.byCustomer[pseudonym] = slices.Insert(m, m.find(collection, r.id), r)
		}
	}
	r.last, r.finished = o.facts.last(), o.facts.finished()
	st.newest = max(st.newest, r.last)
}

func (st *store) unname(transaction uint64) {
	if st.named[transaction]--; st.named[transaction] <= 0 {
		delete(st.named, transaction)
	}
}

// forget takes an order out of its customer's.
func (st *store) forget(r *record) {
	if r.customer == 0 {
		return
	}
	m := st.byCustomer[r.customer]
	i := m.find(r.collection, r.id)
	if m = slices.Delete(m, i, i+1); len(m) == 0 {
		delete(st.byCustomer, r.customer)
	} else {
		st.byCustomer[r.customer] = m
	}
}

// saleBytes is what a sale that may belong to an order takes in an open batch and in the state of two that are sealed.
const saleBytes = 200

// Held is about the memory that the sales of the open batch take, together with two that are sealed and like it. Orders do not count.
func (f *Fold) Held() int { return f.held }

// Seal closes the open batch: the rows of what it changed, and its state.
func (f *Fold) Seal(v rollup.Version) rollup.Sealed {
	var out rollup.Sealed
	var rows []row
	slices.SortFunc(f.touched, func(a, b *store) int { return strings.Compare(a.id, b.id) })
	for _, st := range f.touched {
		text := f.registry.Registered(st.id)
		news := slices.SortedFunc(maps.Keys(st.news()), func(a, b *record) int { return strings.Compare(a.id, b.id) })
		hours := st.settle()
		for _, r := range news {
			st.reckon(r)
		}
		st.drain()
		changed := map[*record]bool{}
		for _, r := range news {
			shown := f.row(st, r, text)
			if changed[r] = r.pack(); changed[r] || st.told { // else nothing but repetition
				rows = append(rows, shown)
			}
		}
		for _, x := range f.sweep(st, news) {
			st.drop(x)
			if delete(changed, x); x.known {
				out.State = append(out.State, st.orderState(x, nil))
			}
		}
		for _, r := range news {
			if changed[r] {
				r.known = true
				out.State = append(out.State, st.orderState(r, r.packed))
			}
		}
		out.State = append(out.State, st.expire(hours, f.window)...)
		clear(st.stepped)
		clear(st.bereft)
		st.told, st.touched, st.away = false, false, nil
		if len(st.orders) == 0 && len(st.sales) == 0 {
			delete(f.stores, st.id)
		}
	}
	clear(f.touched)
	f.touched, f.held = f.touched[:0], 0
	if len(rows) > 0 {
		out.Blocks = append(out.Blocks, block(v, rows))
	}
	return out
}

// sweep finds the orders that may leave: among all of the store's when an hour of its own time is over, else among those of the batch. Time is counted in whole
// hours, so that which are kept does not depend on where batches end.
func (f *Fold) sweep(st *store, news []*record) (gone []*record) {
	sold := st.sales.newest()
	now := reached{floorDiv(st.newest, hourMilli), floorDiv(min(sold, st.newest), hourMilli)}
	leaves := func(r *record) bool {
		if r.finished && sold > 0 {
			return now.both*hourMilli-f.window-2*hourMilli > r.last // after the sales around it
		}
		return now.orders*hourMilli-f.retire > r.last
	}
	age := func(a, b *record) int {
		if c := cmp.Compare(a.last, b.last); c != 0 {
			return c
		}
		return strings.Compare(a.id, b.id)
	}
	over := max(len(st.orders)-maxOrders, 0)
	switch {
	case now != st.swept || over > few:
		st.swept = now
		news = slices.SortedFunc(maps.Values(st.orders), age)
	case over > 0: // as in each batch of a store that has as many as it may: sorting all of them took 44 ms
		news = slices.SortedFunc(slices.Values(append(st.oldest(over, age), news...)), age)
		news = slices.Compact(news)
	}
	for i, r := range news {
		if leaves(r) || i < over {
			gone = append(gone, r)
		}
	}
	return gone
}

// few is how many orders are found among all without sorting these.
const few = 256

// oldest are the first n of a store's orders, in order.
func (st *store) oldest(n int, age func(a, b *record) int) []*record {
	out := make([]*record, 0, n+1)
	for _, r := range st.orders {
		if len(out) == n && age(out[n-1], r) < 0 {
			continue
		}
		i, _ := slices.BinarySearchFunc(out, r, age)
		out = slices.Insert(out, i, r)
		out = out[:min(len(out), n)]
	}
	return out
}

// drop has the store know nothing of an order any more.
func (st *store) drop(r *record) {
	st.forget(r)
	for _, n := range r.named {
		st.unname(n)
	}
	delete(st.orders, r.id)
	delete(st.byHash, r.hash)
}

// orderState is a row of state; without a value one that deletes.
func (st *store) orderState(r *record, value []byte) rollup.StateRow {
	return rollup.StateRow{Partition: r.partition, Kind: KindOrder, Key: st.id + "\x00" + r.id, Value: value, Deleted: value == nil}
}

// settle makes the open batch's sales part of the rest and gives the hours that it changed.
func (st *store) settle() map[*chunk]bool {
	changed := map[*chunk]bool{}
	for _, c := range st.sales {
		if len(c.fresh) > 0 && c.settle(c.fresh) || c.removed {
			changed[c] = true
		}
		c.fresh, c.removed = nil, false
	}
	return changed
}

// expire lets go of the sales that are older than the window, and gives out the state of the hours that changed.
func (st *store) expire(changed map[*chunk]bool, window int64) (out []rollup.StateRow) {
	edge := st.sales.newest() - window
	for _, c := range st.sales {
		row := rollup.StateRow{Partition: c.partition, Kind: KindSales, Key: st.id + "\x00" + strconv.FormatInt(c.hour, 10)}
		switch gone := (c.hour+1)*hourMilli <= edge; {
		case gone && c.known:
			row.Deleted = true
		case !gone && changed[c]:
			c.known, row.Value = true, c.packed
		default:
			continue
		}
		out = append(out, row)
	}
	was := len(st.sales)
	if st.sales = slices.DeleteFunc(st.sales, func(c *chunk) bool { return (c.hour+1)*hourMilli <= edge }); len(st.sales) < was {
		st.voids = nil
	}
	return out
}
