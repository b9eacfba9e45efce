package simulator

// Shares of what goes wrong on the way, beside dirt.
const (
	lostShare          = 0.0004
	repeatedShare      = 0.003
	repeatedAfterShare = 0.03 // of what was sent when the line was back
	repairedShare      = 0.5  // of spoiled events: the till notices and sends the right one
)

// output is what all stores send into.
type output struct {
	queue  queue
	ledger *ledger // nil: the run has no end, so no truth either
	dirty  float64
	end    int64
	order  uint64
	buffer []byte // an event being encoded
	spoilt []byte
	slab   []byte // where values are kept until they are given out
}

// send takes an encoded event; true if it will be counted: it arrives, whole, in time, and the truth is wanted.
func (o *output) send(h *header, value []byte) bool {
	t, r := h.till, h.till.store.random
	arrival := h.arrival
	if h.trouble {
		if r.chance(lostShare) {
			if o.counts(arrival) {
				o.ledger.lose(h)
			}
			return false
		}
		if r.chance(o.dirty) {
			d, bad := o.spoil(h, value)
			if d.rejected() {
				o.push(h, arrival, bad, d)
				if o.counts(arrival) {
					o.ledger.reject(h, d)
				}
				if !r.chance(repairedShare) {
					return false
				}
				arrival += r.between(5*second, 2*minute)
			} else {
				value = bad
				if d == cardNumber && o.counts(arrival) {
					o.ledger.mask(h)
				}
			}
		}
	}
	kept := o.push(h, arrival, value, clean)
	share := repeatedShare
	if h.offline {
		share = repeatedAfterShare
	}
	if h.trouble && r.chance(share) {
		again := arrival + 1 + min(r.exponential(float64(minute)), 20*minute)
		o.again(t, again, kept, h)
	}
	return o.counts(arrival)
}

// again sends the same bytes once more.
func (o *output) again(t *till, at int64, value []byte, h *header) {
	t.lastIn = max(t.lastIn, at)
	o.order++
	o.queue.push(item{arrival: at, order: o.order, value: value, store: t.store.number, topic: uint8(h.topic)})
	if o.counts(at) {
		o.ledger.repeat(h)
	}
}

func (o *output) counts(arrival int64) bool { return o.ledger != nil && arrival < o.end }

// push keeps a copy of a value until it arrives.
func (o *output) push(h *header, at int64, value []byte, d dirt) []byte {
	h.till.lastIn = max(h.till.lastIn, at)
	const size = 256 << 10
	if cap(o.slab)-len(o.slab) < len(value) {
		o.slab = make([]byte, 0, max(size, len(value)))
	}
	n := len(o.slab)
	o.slab = append(o.slab, value...)
	kept := o.slab[n:len(o.slab):len(o.slab)]
	o.order++
	o.queue.push(item{arrival: at, order: o.order, value: kept, store: h.till.store.number, topic: uint8(h.topic), dirt: d})
	return kept
}
