package simulation

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/fetch"
)

const (
	transactions = "pos.transactions"
	health       = "pos.health"
	incidents    = "pos.incidents"
	registry     = "pos.registry"
	orders       = "pos.orders"
)

// produce is one record batch that will be sent.
type produce struct {
	tp       fetch.TopicPartition
	messages []message
	aborted  bool // in a transaction that is aborted
}

// book is what must become of the offsets of a partition.
type book struct{ records, duplicates, rejected, gaps uint64 }

// sales are sums over one store.
type sales struct {
	transactions uint64
	units, net   int64 // thousandths, minor units
}

// expected is what the rollups must say, reckoned while the events are made.
type expected struct {
	books    map[fetch.TopicPartition]*book
	sales    map[string]sales
	products map[string]int64  // units, thousandths
	tenders  map[string]uint64 // attempts by method
	letters  map[fetch.Position]string
	accepted map[string]uint64 // by terminal
	missing  map[string]int64  // sequence numbers that never came, by terminal
	resolve  map[string]uint64 // ms, by incident that is resolved
	excluded map[string]uint64 // ms, by maintenance
	quorum   map[string]uint32 // tills needed, by store that is registered
	lead     map[string]int64  // ms, by order that was placed and became ready
}

// traffic makes the events of a run: sales and heartbeats of a few stores over a day and a half and a month's end, incidents, maintenance and orders in any
// order of their steps, what the registry says, and corrections; sent again, late, with holes that are filled or not, broken, and in transactions that are aborted.
type traffic struct {
	rnd        *rand.Rand
	late       time.Time // when reports are of; zero: now
	partitions int
	jump       int
	want       expected
	out        []produce
	ends       map[fetch.TopicPartition]int64
	sent       map[fetch.TopicPartition][]message // for repeats
	sequence   map[string]int
	holes      []pending
	bought     map[string][]*purchased // by store: what counts, and may be corrected
	corrected  int
	affairs    map[string][]*affair // by store, with steps that nobody has sent yet
	affaired   int
	purchases  map[string][]*purchase // by store, with steps that nobody has sent yet
	purchased  int
	revision   int
	now        time.Time
}

// pending is a sale that its till could not send yet.
type pending struct {
	terminal string
	m        message
	what     *purchased
}

// purchased is what a sale says.
type purchased struct {
	store, terminal, id, method string
	at                          time.Time
	sales
	products map[string]int64
	gone     bool // corrected before it came
}

// began is when the first event of a run happens.
var began = time.Date(2026, 11, 29, 8, 0, 0, 0, time.UTC)

// newTraffic makes events. jump is by how much a till's number may grow between two sales: 1, or more where tills share a counter.
func newTraffic(rnd *rand.Rand, partitions, events, jump int) *traffic {
	t := &traffic{
		rnd: rnd, partitions: partitions, jump: jump, ends: map[fetch.TopicPartition]int64{}, sent: map[fetch.TopicPartition][]message{}, sequence: map[string]int{},
		now: began,
		want: expected{
			books: map[fetch.TopicPartition]*book{}, sales: map[string]sales{}, products: map[string]int64{}, tenders: map[string]uint64{},
			letters: map[fetch.Position]string{}, accepted: map[string]uint64{}, missing: map[string]int64{},
			resolve: map[string]uint64{}, excluded: map[string]uint64{}, quorum: map[string]uint32{}, lead: map[string]int64{},
		},
		affairs: map[string][]*affair{}, bought: map[string][]*purchased{}, purchases: map[string][]*purchase{},
	}
	for p := range partitions {
		for _, topic := range topics {
			t.want.books[fetch.TopicPartition{Topic: topic, Partition: int32(p)}] = &book{}
		}
	}
	for made := 0; made < events; {
		store := rnd.IntN(4)
		topic := transactions
		switch rnd.IntN(24) {
		case 0, 1, 2, 3, 4, 5, 6:
			topic = health
		case 7, 8, 9:
			topic = incidents
		case 10:
			topic = registry
		case 11, 12:
			topic = orders
		}
		tp := fetch.TopicPartition{Topic: topic, Partition: int32(store % partitions)}
		n := 1 + rnd.IntN(5)
		made += n
		t.batch(tp, store, n)
	}
	for _, h := range t.holes { // what never came
		t.want.missing[h.terminal]++
	}
	return t
}

// batch makes one record batch of n messages.
func (t *traffic) batch(tp fetch.TopicPartition, store, n int) {
	if t.rnd.IntN(20) == 0 { // a producer's attempt that it takes back
		m := []message{{at: millis(t.now), key: "x", value: []byte(`{"id":"never"}`)}}
		t.send(tp, m, true)
		t.want.books[tp].gaps += 2
	}
	var messages []message
	for range n {
		t.now = t.now.Add(time.Duration(t.rnd.IntN(1200)) * time.Second / time.Duration(t.jump)) // where holes are to be many, within the window of timelines
		messages = append(messages, t.message(tp, store, t.ends[tp]+int64(len(messages))))
	}
	t.send(tp, messages, false)
	t.sent[tp] = append(t.sent[tp], messages...)
}

func (t *traffic) send(tp fetch.TopicPartition, messages []message, aborted bool) {
	t.out = append(t.out, produce{tp, messages, aborted})
	t.ends[tp] += int64(len(messages))
	if aborted {
		t.ends[tp]++ // the marker
	}
}

func (t *traffic) message(tp fetch.TopicPartition, store int, offset int64) message {
	b := t.want.books[tp]
	name := fmt.Sprintf("S%d", store)
	terminal := fmt.Sprintf("%s-%d", name, t.rnd.IntN(2))
	reject := func(value string, why event.Reason) message {
		b.rejected++
		t.want.letters[fetch.Position{TopicPartition: tp, Offset: offset}] = string(why)
		return message{millis(t.now), name, []byte(value)}
	}
	switch x := t.rnd.IntN(100); {
	case x < 8 && len(t.sent[tp]) > 0:
		m := t.sent[tp][t.rnd.IntN(len(t.sent[tp]))]
		if strings.HasSuffix(string(m.value), "}") && strings.Contains(string(m.value), `"time"`) {
			b.duplicates++
			m.at = millis(t.now)
			return m
		}
	case x < 10:
		return reject(`{"id":"half`, event.ReasonMalformed)
	case x < 12:
		return reject(`{"id":"`+terminal+`","source":"s","type":"pos.health.v1"}`, event.ReasonMissingField)
	}
	switch tp.Topic {
	case incidents:
		b.records++
		t.want.accepted[""]++
		return message{millis(t.now), name, t.step(name)}
	case orders:
		b.records++
		t.want.accepted[""]++
		return message{millis(t.now), name, t.shop(name)}
	case registry:
		b.records++
		t.want.accepted[""]++
		return message{millis(t.now), name, t.register(name)}
	case health:
		b.records++
		t.want.accepted[terminal]++
		status := [...]string{"up", "up", "up", "degraded", "down"}[t.rnd.IntN(5)]
		return message{millis(t.now), name, fmt.Appendf(nil,
			`{"id":"h%d/%d","source":"s","type":"pos.health.v1","time":"%s","store_id":"%s","terminal_id":"%s","kind":"heartbeat","status":"%s","heartbeat_interval_s":300}`,
			tp.Partition, offset, t.reported().Format(time.RFC3339), name, terminal, status)}
	}
	for i, h := range t.holes { // a till that has found its way back
		if strings.HasPrefix(h.terminal, name) && t.rnd.IntN(2) == 0 {
			t.holes = append(t.holes[:i:i], t.holes[i+1:]...)
			b.records++
			t.want.accepted[h.terminal]++
			if !h.what.gone {
				t.counts(h.what)
			}
			h.m.at = millis(t.now)
			return h.m
		}
	}
	b.records++
	if t.rnd.IntN(8) == 0 && len(t.bought[name]) > 0 {
		return t.correction(name)
	}
	if t.sequence[terminal] > 0 && t.rnd.IntN(12) == 0 {
		m, what := t.sale(name, terminal, terminal, t.now, "")
		t.holes = append(t.holes, pending{terminal, m, what})
	}
	m, what := t.sale(name, terminal, terminal, t.now, "")
	t.want.accepted[terminal]++
	t.counts(what)
	return m
}

// reported is when a report is of.
func (t *traffic) reported() time.Time {
	if t.late.IsZero() {
		return t.now
	}
	return t.late
}

// correction corrects what counts, itself a correction perhaps, or what its till has not sent yet.
func (t *traffic) correction(store string) message {
	i := t.rnd.IntN(len(t.bought[store]))
	old := t.bought[store][i]
	if h := t.rnd.IntN(len(t.holes) + 1); h < len(t.holes) && t.holes[h].what.store == store && !t.holes[h].what.gone {
		old = t.holes[h].what
		old.gone = true
	} else {
		t.bought[store] = slices.Delete(t.bought[store], i, i+1)
		t.count(old, -1)
	}
	t.corrected++
	m, what := t.sale(store, old.terminal, "office", old.at.Add(time.Duration(t.rnd.IntN(2))*time.Minute),
		fmt.Sprintf(`"recorded_at":"%s","corrects":{"ids":["%s"],"reason":"mistyped"},`, t.now.Format(time.RFC3339), old.id))
	t.want.accepted[old.terminal]++
	t.counts(what)
	return m
}

// counts adds what counts to what is expected.
func (t *traffic) counts(p *purchased) {
	t.bought[p.store] = append(t.bought[p.store], p)
	t.count(p, 1)
}

func (t *traffic) count(p *purchased, sign int64) {
	sum := t.want.sales[p.store]
	t.want.sales[p.store] = sales{sum.transactions + uint64(sign), sum.units + sign*p.units, sum.net + sign*p.net}
	for product, units := range p.products {
		t.want.products[product] += sign * units
	}
	t.want.tenders[p.method] += uint64(sign)
}

// sale makes a till's next sale, or what somebody without a number says of one.
func (t *traffic) sale(store, terminal, source string, at time.Time, more string) (message, *purchased) {
	id := fmt.Sprintf("%s/c%d", terminal, t.corrected)
	if source == terminal {
		if t.jump > 1 {
			skipped := t.rnd.IntN(t.jump)
			if t.sequence[terminal] > 0 {
				t.want.missing[terminal] += int64(skipped)
			}
			t.sequence[terminal] += skipped
		}
		t.sequence[terminal]++
		id = fmt.Sprintf("%s/%d", terminal, t.sequence[terminal])
		more += fmt.Sprintf(`"sequence":%d,`, t.sequence[terminal])
	}
	var lines strings.Builder
	var s sales
	s.transactions = 1
	products := map[string]int64{}
	for l := range 1 + t.rnd.IntN(3) {
		product, quantity, gross := fmt.Sprintf("P%d", t.rnd.IntN(12)), 1+t.rnd.Int64N(3), 1+t.rnd.Int64N(900)
		if l > 0 {
			lines.WriteByte(',')
		}
		fmt.Fprintf(&lines, `{"line":%d,"product_id":"%s","quantity":%d,"gross":%d}`, l+1, product, quantity, gross)
		products[product] += 1000 * quantity
		s.units += 1000 * quantity
		s.net += gross
	}
	method := [...]string{"cash", "card"}[t.rnd.IntN(2)]
	customer := ""
	if t.rnd.IntN(2) == 0 {
		customer = fmt.Sprintf(`"customer":{"id":"c%d","type":"loyalty"},`, t.rnd.IntN(9))
	}
	value := fmt.Appendf(nil, `{"id":"%s","source":"%s","type":"pos.transaction.v1","time":"%s","store_id":"%s","terminal_id":"%s",%s`+
		`"kind":"sale","currency":"EUR",%s"lines":[%s],"tenders":[{"method":"%s","amount":%d,"result":"approved"}],"totals":{"gross":%d,"net":%d}}`,
		id, source, at.Format(time.RFC3339), store, terminal, more, customer, lines.String(), method, s.net, s.net, s.net)
	return message{millis(t.now), store, value}, &purchased{store: store, terminal: terminal, id: id, method: method, at: at, sales: s, products: products}
}
