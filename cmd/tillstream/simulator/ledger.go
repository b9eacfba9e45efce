package simulator

import (
	"cmp"
	"maps"
	"slices"

	"github.com/tillstream/tillstream/processor/event"
)

// ledger counts the truth while events are made.
type ledger struct {
	cutoff   int64
	sales    map[salesKey]*SalesTruth
	hours    map[hourKey]int64
	products map[productKey]*[2]int64 // units, revenue
	people   map[personKey]*person
	payments map[paymentKey]*PaymentTruth
	books    map[bookKey]*book
	dead     map[deadKey]int64
}

type (
	salesKey struct {
		store   int32
		date    int32
		channel string
	}
	hourKey struct {
		store int32
		hour  int64
	}
	productKey struct {
		product  string
		date     int32
		currency string
	}
	personKey struct {
		who      *customer // or nil
		token    uint64
		currency string
	}
	paymentKey struct {
		store  int32
		method string
	}
	bookKey struct {
		till  *till
		topic int
	}
	deadKey struct {
		topic  int
		reason event.Reason
	}
	visit struct{ store, date int32 }
)

type person struct {
	CustomerTruth
	visits map[visit]struct{}
}

// book is the account of a till and a topic, and what was accepted of its latest numbers.
type book struct {
	DeliveryTruth
	till      *till // one that was moved has one account, and numbers of its own in each store
	install   int
	low, high uint64
	count     uint64
}

func newLedger(cutoff int64) *ledger {
	return &ledger{
		cutoff: cutoff, sales: map[salesKey]*SalesTruth{}, hours: map[hourKey]int64{}, products: map[productKey]*[2]int64{},
		people: map[personKey]*person{}, payments: map[paymentKey]*PaymentTruth{}, books: map[bookKey]*book{}, dead: map[deadKey]int64{},
	}
}

// entry is the value of a key, made if there is none.
func entry[K comparable, V any](m map[K]*V, k K) *V {
	v := m[k]
	if v == nil {
		v = new(V)
		m[k] = v
	}
	return v
}

func (l *ledger) book(h *header) *book { return entry(l.books, bookKey{h.till.account(), h.topic}) }
func (l *ledger) lose(h *header)       { l.book(h).Lost++ }
func (l *ledger) repeat(h *header)     { l.book(h).Repeats++ }
func (l *ledger) mask(h *header)       { l.book(h).Masked++ }

func (l *ledger) reject(h *header, d dirt) {
	l.book(h).Rejected++
	l.dead[deadKey{h.topic, dirtNames[d].reason}]++
}

// accept counts an event, and the holes that the numbers of an installation leave for good.
func (l *ledger) accept(h *header) *book {
	b := l.book(h)
	b.Accepted++
	if h.till.numberless {
		return b
	}
	if b.till != h.till || b.install != h.till.install {
		b.close()
		b.till, b.install, b.low = h.till, h.till.install, h.sequence
	}
	b.high = h.sequence // they are made in order, however they arrive
	b.count++
	return b
}

func (b *book) close() {
	if b.count > 0 {
		b.Missing += int64(b.high - b.low + 1 - b.count)
	}
	b.count = 0
}

func (l *ledger) report(p *report) {
	l.accept(&p.header)
	t := p.till
	at := t.belongs(p.time)
	status := statusOf(p.status)
	if status == degraded && p.episode.disables(&t.store.terms) {
		status = disabled
	}
	t.timeline.pending = append(t.timeline.pending, heard{
		start: at, at: at, sequence: p.sequence, hold: 3 * t.store.interval / second * second, status: status,
	})
}

func (l *ledger) transaction(tx *transaction) {
	if l.happened(tx) {
		l.bought(tx)
	}
}

// happened counts a transaction as an event and as evidence. False if it is a test and nothing else.
func (l *ledger) happened(tx *transaction) bool {
	b, t := l.accept(&tx.header), tx.till
	if tx.test {
		b.Test++
		return false
	}
	start := tx.time
	if !t.sparse {
		start = min(tx.started, start)
	}
	t.timeline.pending = append(t.timeline.pending, heard{start: t.belongs(start), at: t.belongs(tx.time), sequence: tx.sequence, sale: true})
	return true
}

// bought counts what a transaction says.
func (l *ledger) bought(tx *transaction) {
	l.pay(tx)
	l.goods(tx)
}

func (l *ledger) pay(tx *transaction) {
	for i := range tx.tenders {
		p := &tx.tenders[i]
		e := entry(l.payments, paymentKey{tx.store.number, p.method})
		e.Store, e.Method, e.Currency = tx.store.id, p.method, tx.store.place.currency
		e.Attempts++
		switch p.result {
		case "approved_offline":
			e.Offline++
			e.Approved++
			e.Amount += p.amount
		case "approved":
			e.Approved++
			e.Amount += p.amount
		case "declined":
			e.Declined++
		case "failed", "timeout":
			switch p.err {
			case "Refusal", "WrongPIN", "InvalidCard", "PaymentRestriction", "InsertedCard": // the holder's fault, or the bank's
				e.Declined++
			case "Cancel", "Aborted":
			default:
				e.Failed++
			}
		}
	}
}

// date is the business date a transaction counts on.
func (l *ledger) date(tx *transaction) int32 {
	if tx.till.dated {
		return tx.date
	}
	return int32(floorDiv(tx.time+tx.offset-l.cutoff, day))
}

// counted is what a line adds: a line that comes back counts against, however the till signs it.
func counted(tx *transaction, x *line) line {
	c := *x
	if tx.kind == "return" || tx.kind == "void" || x.quantity < 0 {
		c.quantity = -max(x.quantity, -x.quantity)
		if x.gross > 0 {
			c.gross, c.discount, c.tax, c.net = -x.gross, -x.discount, -x.tax, -x.net
		}
	}
	return c
}

func (l *ledger) goods(tx *transaction) {
	live := 0
	for i := range tx.lines {
		if !tx.lines[i].voided {
			live++
		}
	}
	sold := tx.kind == "sale" && live > 0
	switch {
	case sold, tx.kind == "return", tx.kind == "exchange", tx.kind == "void":
	default:
		return
	}
	date, currency := l.date(tx), tx.store.place.currency
	s := entry(l.sales, salesKey{tx.store.number, date, tx.channel})
	s.Store, s.Date, s.Channel, s.Currency = tx.store.id, string(appendDate(nil, date)), tx.channel, currency
	switch {
	case sold:
		s.Transactions++
		l.hours[hourKey{tx.store.number, floorDiv(tx.time, hour) * hour}]++
	case tx.kind == "void":
		s.Voids++
	default:
		s.Returns++
	}
	who := l.person(tx, currency, date, sold)
	if tx.kind == "void" && tx.original.till == nil {
		return // before payment: nothing was sold
	}
	for i := range tx.lines {
		if tx.lines[i].voided {
			continue
		}
		c := counted(tx, &tx.lines[i])
		s.Gross += c.gross
		s.Discount += c.discount
		s.Tax += c.tax
		s.Net += c.net
		if c.product != nil {
			s.Units += c.quantity
			id := c.product.id
			if tx.till.plainIDs {
				id = c.product.plain
			}
			p := entry(l.products, productKey{id, date, currency})
			p[0] += c.quantity
			p[1] += c.net
		}
		if who != nil {
			who.Net += c.net
			who.Discount += c.discount
			if c.product != nil {
				who.Units += c.quantity
			}
		}
	}
}

// person is the customer of a transaction, nil if nobody is known.
func (l *ledger) person(tx *transaction, currency string, date int32, sold bool) *person {
	if tx.who == nil && tx.token == 0 {
		return nil
	}
	p := entry(l.people, personKey{tx.who, tx.token, currency})
	if p.visits == nil {
		p.visits = map[visit]struct{}{}
		p.Currency = currency
		if tx.who != nil {
			p.Type, p.ID = tx.who.kind, tx.who.id
		} else {
			p.Type, p.ID = "payment_token", string(appendToken(nil, tx.token))
		}
	}
	if sold {
		p.Sales++
		p.visits[visit{tx.store.number, date}] = struct{}{}
	}
	return p
}

// truth gives what was counted, in order.
func (l *ledger) truth(c *chain) *Truth {
	t := &Truth{Seed: c.cfg.Seed, From: c.start, Until: c.out.end}
	for _, s := range l.sales {
		t.Sales = append(t.Sales, *s)
	}
	slices.SortFunc(t.Sales, func(a, b SalesTruth) int {
		return cmp.Or(cmp.Compare(a.Store, b.Store), cmp.Compare(a.Date, b.Date), cmp.Compare(a.Channel, b.Channel))
	})
	for k, n := range l.hours {
		t.Hours = append(t.Hours, StoreHour{c.stores[k.store].id, k.hour, n})
	}
	slices.SortFunc(t.Hours, func(a, b StoreHour) int {
		return cmp.Or(cmp.Compare(a.Store, b.Store), cmp.Compare(a.Hour, b.Hour))
	})
	for k, p := range l.products {
		t.Products = append(t.Products, ProductTruth{k.product, string(appendDate(nil, k.date)), k.currency, p[0], p[1]})
	}
	slices.SortFunc(t.Products, func(a, b ProductTruth) int {
		return cmp.Or(cmp.Compare(a.Product, b.Product), cmp.Compare(a.Date, b.Date), cmp.Compare(a.Currency, b.Currency))
	})
	for _, p := range l.people {
		p.Visits = int64(len(p.visits))
		if len(c.cfg.Secret) > 0 {
			p.Pseudonym = event.Pseudonym(c.cfg.Secret, p.Type, p.ID)
		}
		t.Customers = append(t.Customers, p.CustomerTruth)
	}
	slices.SortFunc(t.Customers, func(a, b CustomerTruth) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Currency, b.Currency))
	})
	for _, p := range l.payments {
		t.Payments = append(t.Payments, *p)
	}
	slices.SortFunc(t.Payments, func(a, b PaymentTruth) int {
		return cmp.Or(cmp.Compare(a.Store, b.Store), cmp.Compare(a.Method, b.Method))
	})
	l.tills(c, t)
	t.parties()
	for k, n := range l.dead {
		t.Dead = append(t.Dead, DeadTruth{topicNames[k.topic], string(k.reason), n})
	}
	slices.SortFunc(t.Dead, func(a, b DeadTruth) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Reason, b.Reason))
	})
	return t
}

// tills adds what is known by till, in the order of the chain.
func (l *ledger) tills(c *chain, t *Truth) {
	for k, b := range maps.All(l.books) {
		b.close()
		b.Topic, b.Store, b.Terminal = topicNames[k.topic], k.till.store.id, k.till.id
		t.Deliveries = append(t.Deliveries, b.DeliveryTruth)
	}
	slices.SortFunc(t.Deliveries, func(a, b DeliveryTruth) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Store, b.Store), cmp.Compare(a.Terminal, b.Terminal))
	})
	for _, s := range c.stores {
		for _, till := range s.tills {
			till.timeline.finish()
		}
		s.served(t)
		s.shop.truth(t)
		for _, till := range s.tills {
			l := &till.timeline
			if !l.begun {
				continue
			}
			t.Tills = append(t.Tills, TillTruth{s.id, till.id, l.began, l.settled})
			for _, h := range l.hours {
				h.Store, h.Terminal = s.id, till.id
				t.TillHours = append(t.TillHours, h)
			}
			for _, o := range l.outages {
				o.Store, o.Terminal = s.id, till.id
				t.Outages = append(t.Outages, o)
			}
		}
	}
}
