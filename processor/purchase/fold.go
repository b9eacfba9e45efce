package purchase

import (
	"math"
	"slices"
	"time"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/intern"
	"github.com/tillstream/tillstream/processor/rollup"
	"github.com/tillstream/tillstream/processor/table"
)

// Config of a Fold.
type Config struct {
	// BusinessDayCutoff is how long after midnight a business day ends, for tills that do not say their business date.
	BusinessDayCutoff time.Duration
	// Watch are the ids of products of which pairs in one basket are counted, beside those of categories.
	Watch []string
}

// Fold holds the deltas of the open batch. It is not safe for concurrent use.
type Fold struct {
	cutoff  int64 // ms
	watch   map[string]bool
	names   *intern.Table
	recent  recent
	senders rollup.Senders[sender]

	sales     table.Table[salesKey, salesSums]
	shelves   table.Table[shelfKey, struct{}]
	products  table.Table[productKey, productSums]
	customers table.Table[customerKey, customerSums]
	payments  table.Table[paymentKey, paymentSums]
	terminals table.Table[terminalKey, terminalSums]
	returns   table.Table[returnKey, returnSums]
	tills     table.Table[tillKey, tillSums]

	mix        table.Table[mixKey, mixSums]
	days       table.Table[dayKey, dayBaskets]
	pairs      table.Table[pairKey, int32]
	items      table.Table[itemKey, itemSums]
	hours      table.Table[habitKey, int64]
	promotions table.Table[promotionKey, promotionSums]

	// Samples that were added, and that were taken off again.
	pseudonyms, pseudonymsOff []table.Sample[uint64] // of sales: customers_in, customers_out
	baskets, basketsOff       []table.Sample[int64]  // of sales: baskets_in, baskets_out
	authMS, authMSOff         []table.Sample[uint32] // of payments: auth_in, auth_out
	times, timesOff           []table.Sample[uint32] // of customers: times_in, times_out
	tries, triesOff           []table.Sample[uint32] // of payments of a till: tries_in, tries_out
	answers, answersOff       []table.Sample[uint32] // of payments of a till: auth_in, auth_out

	soldLines table.Queue[productKey, productSums]
	pairUps   table.Queue[pairKey, int32]

	serial uint64    // of the transaction being folded
	known  []product // by number of its id
	basket basket
	bought []bought // by a known customer, in the transaction being folded
}

// recent are the fields that seldom change from one event or line to the next.
type recent struct{ channel, currency, service, method, entryMode, wallet, paid intern.Recent }

// product is what is remembered of a product.
type product struct {
	sold     uint64 // serial of the last sale that had it in its basket
	category uint32 // its last one: seldom another, so it need not be looked up
	looked   bool   // whether it is watched
	watched  bool
}

// New makes a fold with an empty batch.
func New(cfg Config) *Fold {
	f := &Fold{cutoff: cfg.BusinessDayCutoff.Milliseconds(), names: intern.New()}
	for _, id := range cfg.Watch {
		if f.watch == nil {
			f.watch = make(map[string]bool, len(cfg.Watch))
		}
		f.watch[id] = true
	}
	return f
}

// Load does nothing: deltas need no state.
func (f *Fold) Load(rollup.StateRow) error { return nil }

// role is what a kind of transaction does to the rollups of sales.
type role uint8

const (
	none role = iota
	sale
	takeBack // return
	exchange
	voidBefore // before payment
	voidAfter  // of a finished transaction
)

func roleOf(x *event.Transaction) role {
	switch x.Kind {
	case "sale":
		return sale
	case "return":
		return takeBack
	case "exchange":
		return exchange
	case "void":
		if x.Original.TransactionID != "" || x.Original.Sequence.OK {
			return voidAfter
		}
		return voidBefore
	}
	return none
}

// sender are the numbers of a sender's names.
type sender struct {
	store, terminal uint32
	known           bool
	last            last
}

// last is where the last transaction of a sender counted, by index in the tables: nearly always its next one does so too.
type last struct{ sales, shelf, day, terminal, payment, till, mix int32 }

// find is t.At, faster if the key is where the last one was.
func find[K interface {
	comparable
	hash() uint64
}, V any](t *table.Table[K, V], last *int32, k K) (index int, value *V) {
	if value, ok := t.Is(int(*last), k); ok {
		return int(*last), value
	}
	index, value = t.At(k.hash(), k)
	*last = int32(index)
	return index, value
}

// Fold adds a transaction to the open batch. Other types of events, and test events, are not sales.
func (f *Fold) Fold(e *event.Event, in rollup.Input) {
	if e.Type != event.TypeTransaction {
		return // and no sender is remembered for it
	}
	s := f.senders.Of(in)
	if !s.known || f.names.String(s.store) != e.StoreID {
		*s = f.sender(e)
	}
	f.add(e, 1, s)
}

// Add adds a transaction with a sign: -1 takes off again what 1 added, in this batch or in another.
func (f *Fold) Add(e *event.Event, sign int64) {
	s := f.sender(e)
	f.add(e, sign, &s)
}

func (f *Fold) sender(e *event.Event) sender {
	return sender{store: f.names.ID(e.StoreID), terminal: f.names.ID(e.TerminalID), known: true}
}

func (f *Fold) add(e *event.Event, sign int64, s *sender) {
	if e.Type != event.TypeTransaction || e.Test {
		return
	}
	x := &e.Transaction
	seconds := e.When().Milli / 1000
	at := place{
		store:    s.store,
		terminal: s.terminal,
		currency: f.recent.currency.ID(f.names, x.Currency),
		hour:     int32(seconds / 3600),
		second:   seconds,
		sign:     sign,
		id:       e.ID,
		last:     &s.last,
	}
	at.date = e.BusinessDate(f.cutoff)
	if r := roleOf(x); r != none {
		at.localHour = uint32(e.LocalHour())
		channel := x.Channel
		if channel == "" {
			channel = "store"
		}
		at.channel = f.recent.channel.ID(f.names, channel)
		f.sell(x, r, &at)
	}
	for i := range x.Tenders {
		f.pay(&x.Tenders[i], &at)
	}
}

// place is when and where a transaction counts, and with which sign.
type place struct {
	store, terminal, channel, currency uint32
	shelf                              uint32 // once it has lines
	date, hour                         int32
	id                                 string // of the event
	localHour                          uint32
	second, sign                       int64
	last                               *last
}

// once is how often a transaction counts, for sums without a sign: they wrap around, and back.
func (at *place) once() uint64 { return uint64(at.sign) }

// taken is 1 for what is taken off again.
func (at *place) taken() uint64 { return uint64(1-at.sign) / 2 }

// sell adds what a transaction sold, or took back.
func (f *Fold) sell(x *event.Transaction, r role, at *place) {
	var total amounts
	if r != voidBefore {
		if lines := f.lines(x, r, at, &total); lines == 0 && r == sale {
			return // nothing was bought
		}
		if r == sale {
			f.together(at)
		}
	}
	k := salesKey{at.store, at.channel, at.currency, at.date, at.hour, at.localHour}
	index, s := find(&f.sales, &at.last.sales, k)
	s.units += total.units
	s.gross += total.gross
	s.discount += total.discount
	s.tax += total.tax
	s.net += total.net
	s.corrections += at.taken()
	switch r {
	case sale:
		s.transactions += at.once()
		f.sample(x, at, index, total.net)
		if x.Customer.Pseudonym != 0 {
			s.identified += at.once()
		}
		if x.Customer.Type == "loyalty" {
			s.loyalty += at.once()
		}
		if x.Offline.Mode != "" && x.Offline.Mode != "none" {
			s.offline += at.once()
		}
	case takeBack, exchange:
		s.returns += at.once()
	default:
		s.voids += at.once()
	}
	if r == voidBefore {
		return
	}
	f.terminal(r, at, total.net)
	if x.Customer.Pseudonym != 0 {
		f.habits(x, r, at, f.customer(x.Customer.Pseudonym, r, at, &total))
	}
}

// sample adds a sale to what sketches are made of.
func (f *Fold) sample(x *event.Transaction, at *place, index int, net int64) {
	baskets, pseudonyms := &f.baskets, &f.pseudonyms
	if at.sign < 0 {
		net = -net // as it was when it was added
		baskets, pseudonyms = &f.basketsOff, &f.pseudonymsOff
	}
	*baskets = table.Push(*baskets, table.Sample[int64]{Index: int32(index), Value: net})
	if x.Customer.Pseudonym != 0 {
		*pseudonyms = table.Push(*pseudonyms, table.Sample[uint64]{Index: int32(index), Value: x.Customer.Pseudonym})
	}
}

// terminal adds a transaction to the quarter-hour of its till.
func (f *Fold) terminal(r role, at *place, net int64) {
	k := terminalKey{at.store, at.terminal, at.currency, at.hour}
	_, s := find(&f.terminals, &at.last.terminal, k)
	quarter := (at.second - int64(at.hour)*3600) / 900
	s.net[quarter] += net
	if r == sale {
		s.transactions[quarter] += at.once()
		if at.sign > 0 {
			s.lastAt = max(s.lastAt, at.second)
		}
	}
}

func (f *Fold) customer(pseudonym uint64, r role, at *place, total *amounts) (index int) {
	k := customerKey{pseudonym, at.store, at.channel, at.currency, at.date}
	before := f.customers.Len()
	index, c := f.customers.At(k.hash(), k)
	if index == before {
		c.firstAt = math.MaxUint32
	}
	if r == sale {
		c.transactions += at.once()
	}
	c.units += total.units
	c.net += total.net
	c.discount += total.discount
	second := table.Sample[uint32]{Index: int32(index), Value: uint32(at.second)}
	if at.sign < 0 {
		c.corrections++
		f.timesOff = append(f.timesOff, second)
		return index
	}
	c.firstAt, c.lastAt = min(c.firstAt, at.second), max(c.lastAt, at.second)
	f.times = table.Push(f.times, second)
	return index
}

// amounts are signed: what was taken back is negative. Units are thousandths, the rest minor units of the currency.
type amounts struct{ units, gross, discount, tax, net int64 }

// negate makes a line negative whichever sign the sender gave it.
func (a *amounts) negate() {
	a.units = -max(a.units, -a.units)
	if a.gross > 0 {
		a.gross, a.discount, a.tax, a.net = -a.gross, -a.discount, -a.tax, -a.net
	}
}

func (a *amounts) times(sign int64) {
	a.units, a.gross, a.discount, a.tax, a.net = sign*a.units, sign*a.gross, sign*a.discount, sign*a.tax, sign*a.net
}

// lines adds the lines that are not voided to product_sales and to total, and counts them.
func (f *Fold) lines(x *event.Transaction, r role, at *place, total *amounts) (n int) {
	f.serial++
	f.bought = f.bought[:0]
	shelf := shelfKey{at.store, at.currency, at.date}
	index, _ := find(&f.shelves, &at.last.shelf, shelf)
	at.shelf = uint32(index)
	taxed := false
	for i := range x.Lines {
		l := &x.Lines[i]
		if l.Voided {
			continue
		}
		n++
		returned := r == takeBack || l.Quantity < 0
		a := amounts{l.Quantity, l.Gross, l.Discount, l.Tax, l.NetAmount()}
		if returned || r == voidAfter {
			a.negate()
		}
		a.times(at.sign)
		taxed = taxed || l.Tax != 0
		total.gross += a.gross
		total.discount += a.discount
		total.tax += a.tax
		total.net += a.net
		if l.Kind == "" || l.Kind == "item" {
			total.units += a.units
			f.item(l, r, returned, at, &a, x.Customer.Pseudonym != 0)
			if returned || r == voidAfter {
				f.giveBack(x, l, at, &a)
			}
		}
	}
	if !taxed && n > 0 {
		total.tax = x.Totals.Tax
		if (r == takeBack || r == voidAfter) && x.Totals.Gross > 0 {
			total.tax = -total.tax
		}
		total.tax *= at.sign
	}
	return n
}

// item adds a line to its product, and remembers it for its customer.
func (f *Fold) item(l *event.Line, r role, returned bool, at *place, a *amounts, identified bool) {
	category := l.Category
	if category == "" && len(l.Hierarchy) > 0 {
		category = l.Hierarchy[0]
	}
	id := f.names.ID(l.ProductID)
	known := f.product(id)
	if f.names.String(known.category) != category {
		known.category = f.names.ID(category)
	}
	if f.watch != nil && !known.looked {
		known.looked, known.watched = true, f.watch[l.ProductID]
	}
	p := productSums{units: a.units, revenue: a.net, discount: a.discount, lines: int32(at.sign), corrections: int32(at.taken())}
	if len(l.Promotions) > 0 {
		p.promoted = a.units
		f.promote(l, id, known.category, at, a)
	}
	if identified {
		f.bought = append(f.bought, bought{id, known.category, itemSums{a.units, a.net}})
	}
	switch {
	case r == voidAfter:
		// Neither bought nor brought back.
	case returned:
		p.returned = -a.units
	case r == sale && known.sold != f.serial:
		known.sold = f.serial
		p.baskets = int32(at.sign)
		f.basket.put(id, known)
	}
	k := productKey{at.shelf, id, known.category}
	if f.soldLines.Push(k.hash(), k, p) {
		f.addProducts()
	}
}

// addProducts adds the lines that wait to product_sales.
func (f *Fold) addProducts() {
	located := f.products.Locate(&f.soldLines)
	all := f.products.Entries()
	for i := range located {
		p := &located[i].Value
		s := &all[located[i].Index].Value
		s.units += p.units
		s.revenue += p.revenue
		s.discount += p.discount
		s.returned += p.returned
		s.promoted += p.promoted
		s.baskets += p.baskets
		s.lines += p.lines
		s.corrections += p.corrections
	}
}

// product is what is remembered of the product whose id has that number.
func (f *Fold) product(id uint32) *product {
	if int(id) >= len(f.known) {
		f.known = slices.Grow(f.known, f.names.Len()-len(f.known))[:f.names.Len()]
	}
	return &f.known[id]
}
