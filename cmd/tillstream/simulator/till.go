package simulator

import "strconv"

// Topics a till sends to; indices of topicNames.
const (
	transactions = iota
	health
	topics
	incidents = topics     // of people: not numbered, not of a till
	orders    = topics + 1 // of the shop: the same
)

var topicNames = [...]string{"pos.transactions", "pos.health", "pos.incidents", "pos.orders"}

// habits are how a make of till fills in its events: the fleet is never of one make.
type habits struct {
	numberless bool // no sequence: told apart by ids only
	epochs     bool // says when it counts from 1 again
	coarse     bool // whole seconds
	sparse     bool // required fields, little else
	dated      bool // sends its business date
	stamped    bool // sends sent_at
	plainIDs   bool // product ids without a letter, no GTIN
	positive   bool // returns have positive amounts
	keepsBeats bool // heartbeats of the time without a line are sent later, not dropped
}

// habitsOf gives every make to some tills of even a small chain.
func habitsOf(n int) habits {
	return habits{
		numberless: n%23 == 9, epochs: n%7 == 3, coarse: n%5 == 1, sparse: n%6 == 4, dated: n%8 != 6, stamped: n%4 != 2,
		plainIDs: n%12 == 7, positive: n%3 == 1, keepsBeats: n%2 == 0,
	}
}

type till struct {
	habits
	store         *store
	index, number int // in the store, in the chain
	id            string
	skew          int64 // ms its clock is ahead, full seconds
	life          span  // in this store, by the registry
	before        *till // the same one, in the store where it was before

	install  int // 1, and one more each time it counts from 1 again
	sequence [topics]uint64
	lastIn   int64 // latest arrival of anything it sent, ms

	episodes []episode // in order, apart from each other, decided up to planned
	planned  int64

	powered    bool
	nextBeat   int64
	bootedAt   int64
	bootNumber uint64
	version    int
	beats      int

	freeAt  int64 // when its queue is served
	backlog struct {
		count  int64
		amount int64
		oldest int64 // till's clock
	}

	timeline timeline // of the truth
}

func newTill(s *store, index, number int, r random) *till {
	t := &till{habits: habitsOf(number), store: s, index: index, number: number, id: s.id + "-T" + strconv.Itoa(index+1), install: 1, version: int(r.Uint64N(3)), bootNumber: r.Uint64(), life: span{0, forEver}, timeline: timeline{timeout: s.terms.timeout}}
	t.powered = !s.format.nightOff
	if number%11 == 5 {
		t.skew = floorDiv(r.between(20*second, 4*minute), second) * second
		if r.chance(0.5) {
			t.skew = -t.skew
		}
	}
	return t
}

// clock is what the till takes an instant for.
func (t *till) clock(at int64) int64 {
	at += t.skew
	if t.coarse {
		at = floorDiv(at, second) * second
	}
	return at
}

// belongs is where evidence of availability belongs that the till says was at an instant: one that says when it sends has its clock measured.
func (t *till) belongs(at int64) int64 {
	if t.stamped {
		at -= t.skew
	}
	return at
}

// header is what all events of a till begin with.
type header struct {
	till     *till
	topic    int
	sequence uint64
	time     int64 // till's clock
	sent     int64 // the same, when it was or will be sent
	offset   int64 // ms east of UTC
	offline  bool  // the store had no line
	trouble  bool  // may be lost, spoiled, late or repeated
	arrival  int64
}

// begin numbers an event of an instant and decides when it arrives.
func (t *till) begin(topic int, at int64, trouble bool) header {
	t.sequence[topic]++
	h := header{till: t, topic: topic, sequence: t.sequence[topic], time: t.clock(at), offset: t.store.wall.east(at), trouble: trouble}
	r := t.store.random
	if c, cut := t.store.cutAt(at); cut {
		h.offline = true
		h.arrival = c.to + second + r.between(0, min(10*minute, 5*second+(c.to-c.from)/20))
	} else {
		h.arrival = at + 20 + int64(r.logNormal(160, 0.6))
		if trouble && r.chance(0.01) {
			h.arrival += r.between(5*second, 90*second)
		}
	}
	h.sent = t.clock(max(at, h.arrival-150))
	return h
}
