package simulator

import (
	"math"
	"strconv"
)

// line of a transaction. Amounts are minor units, quantities thousandths.
type line struct {
	product                   *product // nil of what is no product
	id                        string   // of what is no product
	kind                      string   // item when empty
	quantity                  int64
	unit                      int64 // price of one, or of a kilogram
	gross, discount, tax, net int64
	voided                    bool
	promotion                 int64 // number of the campaign, 0: none
	coupon                    bool
	entry                     string
}

// transaction is what a till sends, and what the truth counts. It is reused.
type transaction struct {
	header
	store                           *store
	kind                            string
	test                            bool
	started                         int64 // till's clock; time is the end
	date                            int32 // the till's business date
	channel                         string
	operator                        int
	lines                           []line
	tenders                         []tender
	who                             *customer
	token                           uint64  // pseudonymous customer, known by a card only
	original                        receipt // till is nil if there is none
	reason                          string
	order                           int64  // number of a web order, 0: none
	code                            string // of an item that was not found
	corrects                        uint64 // number of the transaction that this one corrects, 0: none
	recorded                        int64  // till's clock: when that was made
	gross, discount, tax, net, paid int64
}

// receipt is what is remembered of a sale.
type receipt struct {
	till     *till
	sequence uint64
	install  int
	date     int32
	item     line
	who      *customer
	how      method
	card     uint64
}

func (tx *transaction) tender(method string) *tender {
	tx.tenders = append(tx.tenders, tender{method: method})
	return &tx.tenders[len(tx.tenders)-1]
}

// act begins a transaction at a till.
func (s *store) act(t *till, kind string, start int64) *transaction {
	tx := &s.drawing
	*tx = transaction{store: s, kind: kind, started: t.clock(start), lines: tx.lines[:0], tenders: tx.tenders[:0], operator: 1 + (t.index+int(start/(8*hour)))%7}
	tx.channel = "store"
	if s.cfg.TillsPerStore > 2 && t.index == s.cfg.TillsPerStore-1 {
		tx.channel = "self_checkout"
	}
	return tx
}

// finish ends a transaction and sends it.
func (s *store) finish(t *till, tx *transaction, end int64) { s.settle(t, tx, end, true) }

// settle is finish; without trouble the event surely arrives.
func (s *store) settle(t *till, tx *transaction, end int64, trouble bool) {
	h := t.begin(transactions, end, trouble)
	tx.header = h
	tx.date = s.date(t, end)
	t.freeAt = end + second
	s.sum(tx)
	if h.offline {
		if t.backlog.count == 0 {
			t.backlog.oldest = h.time
		}
		t.backlog.count++
		t.backlog.amount += tx.paid
	} else {
		t.backlog.count, t.backlog.amount = 0, 0
	}
	s.out.buffer = appendTransaction(s.out.buffer[:0], tx)
	counted := s.out.send(&h, s.out.buffer)
	if counted {
		s.ledger.transaction(tx)
	}
	s.shop.saw(tx, counted)
}

// date is a till's business date.
func (s *store) date(t *till, at int64) int32 {
	return int32(floorDiv(s.wall.local(at)+t.skew-4*hour, day))
}

// sum computes taxes and totals.
func (s *store) sum(tx *transaction) {
	tx.gross, tx.discount, tx.tax, tx.net, tx.paid = 0, 0, 0, 0, 0
	for i := range tx.lines {
		l := &tx.lines[i]
		l.net = l.gross - l.discount
		l.tax = 0
		if l.product != nil {
			rate := s.place.standard
			if l.product.category.reduced {
				rate = s.place.reduced
			}
			base := int64(1_000_000)
			if s.place.taxIncluded {
				base += rate
			}
			l.tax = int64(math.Round(float64(l.net) * float64(rate) / float64(base)))
		}
		if !l.voided {
			tx.gross += l.gross
			tx.discount += l.discount
			tx.tax += l.tax
			tx.net += l.net
		}
	}
	for i := range tx.tenders {
		if p := &tx.tenders[i]; p.result == "approved" || p.result == "approved_offline" {
			tx.paid += p.amount
		}
	}
}

// due is what has to be paid.
func (s *store) due(tx *transaction) int64 {
	s.sum(tx)
	if s.place.taxIncluded {
		return tx.net
	}
	return tx.net + tx.tax
}

// kinds of a visit to a till that are not a plain sale, with their shares.
var kinds = [...]struct {
	share float64
	kind  string
}{
	{0.020, "return"},
	{0.003, "exchange"},
	{0.008, "void"},
	{0.005, "no_sale"},
	{0.003, "price_lookup"},
	{0.004, "training"},
	{0.003, "order_pickup"},
	{0.0007, "layaway"},
	{0.0005, "raffle"}, // raffle: a kind nobody knows
}

// serve does what a task asks for.
func (s *store) serve(k *task) {
	r := s.random
	if k.till != nil {
		s.attend(k)
		return
	}
	t, start := s.free(k.at)
	if t == nil {
		return
	}
	who := k.who
	if who == nil && r.chance(0.01) {
		who = s.stranger()
	}
	x := r.Float64()
	for i := range kinds {
		if x -= kinds[i].share; x < 0 {
			s.special(t, kinds[i].kind, start, who)
			return
		}
	}
	s.sale(t, start, who, false)
}

// attend is the staff coming to work, or leaving.
func (s *store) attend(k *task) {
	at := max(k.at, k.till.freeAt)
	if !k.till.sells(at) {
		return
	}
	all := [...]string{"sign_on", "cash_in"}
	if k.kind == leaves {
		all = [...]string{"cash_out", "sign_off"}
	}
	for i, kind := range all {
		start := at + int64(i)*30*second
		tx := s.act(k.till, kind, start)
		s.finish(k.till, tx, start+5*second)
	}
}

// sale is a customer with a basket.
func (s *store) sale(t *till, start int64, who *customer, test bool) {
	r := s.random
	tx := s.act(t, "sale", start)
	_, tx.header.offline = s.cutAt(start)
	tx.test = test
	if who != nil && r.chance(0.93) {
		tx.who = who // else the card was left at home
	}
	s.fill(tx, who)
	took := 15*second + int64(len(tx.lines))*r.between(2*second, 5*second)
	how, mark := s.preferred(r), r.Uint64()
	if who != nil {
		how, mark = who.method, who.card
	}
	if tx.who == nil && !test && how != cash && s.placeNum%2 == 0 && r.chance(0.08) {
		tx.token = mix(mark)%4096 + 1 // few enough to come back
		mark = tx.token
	}
	if due := s.due(tx); due > 0 && !test {
		took += s.pay(tx, due, how, mark)
	}
	if r.chance(0.004) {
		tx.code = strconv.FormatInt(20_000_000+r.Int64N(79_999_999), 10)
	}
	end := start + took
	if !test && s.mistyped(tx) && t.sells(end+mistake) {
		end = s.mistype(t, tx, end)
	} else {
		s.finish(t, tx, end)
	}
	if test || len(tx.lines) == 0 {
		return
	}
	b := receipt{till: t, sequence: tx.sequence, install: t.install, date: tx.date, who: tx.who, how: how, card: mark, item: tx.lines[r.IntN(len(tx.lines))]}
	if b.item.product != nil && !b.item.voided {
		s.receipts[s.sold%len(s.receipts)] = b
		s.sold++
	}
	if r.chance(0.004) && tx.net > 0 && t.sells(end+40*second) {
		s.takeBack(t, tx, end+40*second, how, mark)
	}
}

// takeBack voids the sale that was just made: its lines, as they were, and the money back.
func (s *store) takeBack(t *till, tx *transaction, start int64, how method, mark uint64) {
	from := receipt{till: t, sequence: tx.sequence, install: t.install, date: tx.date}
	tx.kind, tx.started, tx.original, tx.reason = "void", t.clock(start), from, "customer_changed_mind"
	tx.tenders, tx.code, tx.order = tx.tenders[:0], "", 0
	_, tx.header.offline = s.cutAt(start)
	took := 20 * second
	if due := s.due(tx); due > 0 {
		took += s.pay(tx, -due, how, mark)
	}
	s.finish(t, tx, start+took)
}

// fill puts goods into the basket.
func (s *store) fill(tx *transaction, who *customer) {
	r := s.random
	n := min(max(int(r.logNormal(s.format.lines, s.format.sigma)+0.5), 1), 80)
	week := floorDiv(tx.started, 7*day)
	for range n {
		i := s.catalogue.pick[s.kindNum].draw(r)
		if who != nil && r.chance(0.4) {
			i = int(who.likes[r.IntN(len(who.likes))])
		}
		l := s.line(i, week)
		if l.voided = r.chance(0.01); l.voided && n > 1 {
			tx.lines = append(tx.lines, l)
			continue
		}
		tx.lines = append(tx.lines, l)
		if d := l.product.category.deposit; d > 0 && s.placeNum != 2 {
			each := s.place.amount(float64(d))
			tx.lines = append(tx.lines, line{id: "DEPOSIT", kind: "deposit", quantity: l.quantity, unit: each, gross: each * l.quantity / 1000, voided: l.voided, entry: "lookup"})
		}
	}
	switch x := r.Float64(); {
	case x < 0.003:
		worth := s.place.amount(2500)
		tx.lines = append(tx.lines, line{id: "GIFTCARD", kind: "gift_card", quantity: 1000, unit: worth, gross: worth, entry: "scanned"})
	case x < 0.006 && s.format.name == "supermarket": // empty bottles
		each, n := s.place.amount(25), 1+r.Int64N(6)
		tx.lines = append(tx.lines, line{id: "DEPOSIT", kind: "deposit", quantity: -1000 * n, unit: each, gross: -each * n, entry: "keyed"})
	}
}

// line is one position of a basket, with this week's promotion.
func (s *store) line(i int, week int64) line {
	r := s.random
	p := &s.catalogue.products[i]
	l := line{product: p, unit: s.catalogue.prices[s.placeNum][i], quantity: 1000, entry: "scanned"}
	switch {
	case p.category.weighed:
		l.quantity, l.entry = min(max(int64(r.logNormal(600, 0.6)), 20), 9000), "weighed"
	case r.chance(0.17):
		l.quantity = 1000 * (2 + r.Int64N(4))
	case r.chance(0.03):
		l.entry = "keyed"
	}
	l.gross = (l.unit*l.quantity + 500) / 1000
	if campaign := mix(uint64(week)<<32 ^ uint64(i)); campaign%11 == 0 { // one product in eleven, each week others
		percent := 10 + 5*int64(campaign>>8%5)
		l.discount, l.promotion = l.gross*percent/100, week*100+percent
		if l.discount > 0 && r.chance(0.5) { // it works: people take more
			l.quantity += l.quantity
			l.gross += l.gross
			l.discount += l.discount
		}
	} else if r.chance(0.01) {
		l.discount, l.coupon, l.promotion = l.gross/5, true, 1
	}
	return l
}

// special is everything else that happens at a till.
func (s *store) special(t *till, kind string, start int64, who *customer) {
	r := s.random
	switch kind {
	case "training":
		s.sale(t, start, nil, true)
		return
	case "return", "exchange":
		if s.sold == 0 {
			s.sale(t, start, who, false)
			return
		}
		s.bringBack(t, kind, start)
		return
	}
	tx := s.act(t, kind, start)
	switch kind {
	case "void": // before payment
		s.fill(tx, nil)
		tx.reason = "customer_left"
	case "order_pickup":
		tx.order, tx.channel, tx.who = 1+r.Int64N(9_000_000), "click_and_collect", who
		s.fill(tx, nil)
	case "layaway", "price_lookup":
		tx.lines = append(tx.lines, s.line(s.catalogue.pick[s.kindNum].draw(r), 0))
		tx.who = who
	}
	s.finish(t, tx, start+r.between(8*second, 40*second))
}

// bringBack returns or exchanges a line of an earlier sale of this store.
func (s *store) bringBack(t *till, kind string, start int64) {
	r := s.random
	b := &s.receipts[r.IntN(min(s.sold, len(s.receipts)))]
	tx := s.act(t, kind, start)
	_, tx.header.offline = s.cutAt(start)
	tx.original, tx.who, tx.reason = *b, b.who, "defective"
	back := b.item
	if kind == "exchange" || !t.positive {
		back.quantity, back.gross, back.discount = -back.quantity, -back.gross, -back.discount
	}
	tx.lines = append(tx.lines, back)
	sign := int64(1)
	if kind == "exchange" {
		tx.reason = "size"
		tx.lines = append(tx.lines, s.line(s.catalogue.pick[s.kindNum].draw(r), floorDiv(start, 7*day)))
	} else if t.positive {
		sign = -1
	}
	took := r.between(30*second, 90*second)
	if due := sign * s.due(tx); due != 0 {
		took += s.pay(tx, due, b.how, b.card)
	}
	s.finish(t, tx, start+took)
}
