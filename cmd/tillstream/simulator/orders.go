package simulator

import (
	"strconv"
)

// orderShare is how many orders there are for a transaction at the tills.
const orderShare = 0.02

// shop is who takes orders for a store, and hands them out. What happens there is drawn from a stream of its own.
type shop struct {
	store   *store
	random  random
	count   int
	waiting []*purchase // for their customer
	recent  []sold      // sales to known customers in the running hour

	// The truth.
	orders []*purchase
	sales  []sold
	voided map[receiptKey]bool
}

// purchase is an order: its steps, by rising time.
type purchase struct {
	id    string
	mode  string
	steps []orderStep
	at    int64 // when its customer comes
}

// orderStep is what one of its events says. Instants are ms since 1970, 0: not said.
type orderStep struct {
	at                     int64
	kind                   string
	utc                    bool // by the webshop's clock, else by the store's
	buyer                  buyer
	mode, reason, currency string
	amount                 int64
	promised, window       int64 // s
	expires                int64
	products               []*product
	picked                 int64 // of each, thousandths; -1: not said. Ordered is 2
	substitute             *product
	transaction            string
	named                  receiptKey
}

// buyer is a customer as the events say one.
type buyer struct{ kind, id string }

// receiptKey is a transaction of a till.
type receiptKey struct {
	till     *till
	install  int
	sequence uint64
}

// sold is a sale to a known customer.
type sold struct {
	receiptKey
	at    int64 // till's clock
	buyer buyer
	net   int64
}

// saw is told of every transaction that a till made.
func (p *shop) saw(tx *transaction, counted bool) {
	key := receiptKey{tx.till, tx.till.install, tx.sequence}
	if tx.kind == "void" && tx.original.till != nil && counted {
		p.voided[receiptKey{tx.original.till, tx.original.install, tx.original.sequence}] = true
	}
	x := sold{receiptKey: key, at: tx.time, net: tx.net}
	switch {
	case tx.kind != "sale" || tx.test:
		return
	case tx.who != nil:
		x.buyer = buyer{tx.who.kind, tx.who.id}
	case tx.token > 0:
		x.buyer = buyer{"payment_token", string(appendToken(nil, tx.token))}
	default:
		return
	}
	live := false
	for i := range tx.lines {
		live = live || !tx.lines[i].voided
	}
	if !live {
		return
	}
	p.recent = append(p.recent, x)
	if counted {
		p.sales = append(p.sales, x)
	}
}

// step lives through [from, to), after the tills did.
func (p *shop) step(from, to int64) {
	mean := orderShare * float64(p.store.cfg.TransactionsPerStoreDay) * float64(to-from) / float64(day)
	if mean > 0 {
		for at := from + p.random.exponential(float64(to-from)/mean); at < to; at += p.random.exponential(float64(to-from) / mean) {
			p.place(at)
		}
	}
	still := p.waiting[:0]
	for _, x := range p.waiting {
		if x.at < to {
			p.handOut(x, from)
		} else {
			still = append(still, x)
		}
	}
	p.waiting, p.recent = still, p.recent[:0]
}

// place takes an order, and settles what becomes of it until its customer comes.
func (p *shop) place(at int64) {
	p.count++
	r, s := p.random, p.store
	x := &purchase{id: "W-" + s.id + "-" + strconv.Itoa(p.count), mode: [...]string{
		"reserve_and_collect", "reserve_and_collect", "pay_and_collect", "pay_and_collect", "curbside", "locker", "ship_from_store",
	}[r.IntN(7)]}
	now := later{r, at}
	say := func(kind string, from, to int64, more func(*orderStep)) {
		st := orderStep{kind: kind, picked: -1, utc: kind == "placed" || kind == "paid" || kind == "cancelled"}
		if more != nil {
			more(&st)
		}
		st.at = now.in(from, to)
		x.steps = append(x.steps, st)
	}
	var goods []*product
	for range 1 + r.IntN(3) {
		goods = append(goods, &s.catalogue.products[s.catalogue.pick[s.kindNum].draw(r)])
	}
	say("placed", 0, second, func(st *orderStep) {
		st.mode, st.products = x.mode, goods
		st.currency, st.amount = s.place.currency, s.place.amount(float64(500+r.IntN(9500)))
		st.promised, st.window = at+r.between(hour, 5*hour)/minute*minute, 3600
		if len(s.regulars) > 0 && r.chance(0.6) {
			c := s.regulars[r.IntN(len(s.regulars))]
			st.buyer = buyer{c.kind, c.id}
		}
	})
	if x.mode == "reserve_and_collect" {
		say("reserved", second, minute, nil)
	} else {
		say("paid", second, minute, nil)
	}
	defer func() { p.send(x, x.steps, at) }()
	if r.chance(0.04) {
		say("rejected", minute, hour, func(st *orderStep) { st.reason = "no_stock" })
		return
	}
	if r.chance(0.04) {
		say("cancelled", minute, hour, func(st *orderStep) { st.reason = "changed_mind" })
		return
	}
	say("accepted", minute, 20*minute, nil)
	say("picking", minute, 30*minute, nil)
	lacks := r.chance(0.1)
	if lacks {
		say("substituted", minute, 10*minute, nil)
	}
	expires := int64(0)
	say("ready", minute, minute+int64(r.logNormal(float64(90*minute), 0.8)), func(st *orderStep) {
		st.products, st.picked = goods, 2000
		if lacks {
			st.picked, st.substitute = 1500, &s.catalogue.products[0]
		}
		if expires = now.at + r.between(20*hour, 50*hour); r.chance(0.9) {
			st.expires = expires
		}
	})
	if r.chance(0.1) {
		say("ready", minute, 10*minute, nil) // again, by somebody else: the first holds
	}
	say("notified", second, 2*minute, nil)
	switch how := r.Float64(); {
	case x.mode == "ship_from_store":
		say("shipped", hour, 20*hour, nil)
		say("delivered", 5*hour, 40*hour, nil)
	case how < 0.76:
		x.at = now.at + 2*minute + r.exponential(float64(6*hour))
		for !s.open(x.at) {
			x.at += 20 * minute
		}
		p.waiting = append(p.waiting, x)
	case how < 0.84:
		say("cancelled", minute, 20*hour, func(st *orderStep) { st.reason = "too_late" })
	case how < 0.93: // nobody came
		now.at = max(now.at, expires)
		say("expired", 0, minute, nil)
	}
}

// handOut is the customer at the counter. Half of them buy something besides, or are seen with a card first now.
func (p *shop) handOut(x *purchase, from int64) {
	r := p.random
	now := later{r, max(x.at, x.steps[len(x.steps)-1].at)}
	first := len(x.steps)
	say := func(st orderStep, from, to int64) {
		st.picked, st.at = -1, now.in(from, to)
		x.steps = append(x.steps, st)
	}
	who := orderStep{kind: "collected"}
	if len(p.recent) > 0 && r.chance(0.5) {
		b := p.recent[r.IntN(len(p.recent))]
		who.buyer = b.buyer
		now.at = max(b.at+r.between(-40*minute, 40*minute), x.steps[first-1].at)
		if r.chance(0.2) { // which was the one that paid for the order
			who.transaction, who.named = string(appendID(nil, b.till, transactions, b.install, b.sequence)), b.receiptKey
		}
	}
	if x.mode == "curbside" {
		say(orderStep{kind: "arrived"}, 0, minute)
	}
	if r.chance(0.06) {
		part := who
		part.kind = "partially_collected"
		if say(part, second, 5*minute); r.chance(0.5) {
			say(orderStep{kind: "collected"}, hour, 9*hour)
		}
	} else {
		say(who, second, 5*minute)
	}
	if r.chance(0.04) {
		say(orderStep{kind: "returned", reason: "damaged"}, hour, 20*hour)
	}
	p.send(x, x.steps[first:], from)
}

// send lets steps arrive, not before an instant: mostly at once, some hours later and so after those that follow, some twice.
func (p *shop) send(x *purchase, steps []orderStep, from int64) {
	r, o := p.random, &p.store.out
	known := &purchase{id: x.id}
	for i := range steps {
		s := &steps[i]
		arrival := max(s.at, from) + r.between(second, 10*second)
		if r.chance(0.15) {
			arrival += r.between(minute, 5*hour)
		}
		value := p.append(nil, x, s)
		for again := false; ; again = true {
			o.order++
			o.queue.push(item{arrival: arrival, order: o.order, value: value, store: p.store.number, topic: orders})
			if o.counts(arrival) && !again {
				known.steps = append(known.steps, *s)
			}
			if again || !r.chance(0.05) {
				break
			}
			arrival += r.between(second, hour)
		}
	}
	if len(known.steps) > 0 {
		p.orders = append(p.orders, known)
	}
}

// append writes the event of a step.
func (p *shop) append(b []byte, x *purchase, s *orderStep) []byte {
	offset := p.store.wall.east(s.at)
	if s.utc {
		offset = 0
	}
	b = append(b, `{"id":"`...)
	b = append(append(append(b, x.id...), '/'), s.kind...)
	b = append(strconv.AppendInt(append(b, '/'), s.at, 36), '"')
	b = appendText(b, `,"source":`, "webshop")
	b = append(b, `,"type":"pos.order.v1"`...)
	b = appendTimeField(b, `,"time":`, s.at, offset)
	b = appendText(b, `,"store_id":`, p.store.id)
	b = appendText(b, `,"order_id":`, x.id)
	b = appendText(b, `,"step":`, s.kind)
	b = appendKnown(b, `,"mode":`, s.mode)
	if s.buyer != (buyer{}) {
		b = appendText(b, `,"customer":{"id":`, s.buyer.id)
		b = append(appendText(b, `,"type":`, s.buyer.kind), '}')
	}
	if s.currency != "" {
		b = appendText(b, `,"currency":`, s.currency)
		b = appendInt(b, `,"amount":`, s.amount)
	}
	if s.promised != 0 {
		b = appendTimeField(b, `,"promised_at":`, s.promised, offset)
		b = appendInt(b, `,"window_s":`, s.window)
	}
	if s.expires != 0 {
		b = appendTimeField(b, `,"expires_at":`, s.expires, offset)
	}
	for i, g := range s.products {
		if i == 0 {
			b = append(b, `,"lines":[`...)
		} else {
			b = append(b, ',')
		}
		b = appendText(b, `{"product_id":`, g.id)
		b = append(b, `,"quantity":2`...)
		if s.picked >= 0 {
			b = appendQuantity(append(b, `,"picked":`...), s.picked)
		}
		if i == 0 && s.substitute != nil {
			b = appendText(b, `,"substituted_by":`, s.substitute.id)
		}
		b = append(b, '}')
	}
	if len(s.products) > 0 {
		b = append(b, ']')
	}
	b = appendKnown(b, `,"reason":`, s.reason)
	b = appendKnown(b, `,"transaction_id":`, s.transaction)
	return append(b, '}')
}
