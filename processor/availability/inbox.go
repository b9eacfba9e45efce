package availability

import "slices"

// inbox is the evidence of the open batch, in the order in which it came. What is of one terminal lies far apart in it, but where is known beforehand, so that the processor
// can wait for several pieces at a time.
type inbox struct {
	blocks [][]arrival // not moved as they become more
	full   int         // blocks
	tails  []tail      // by terminal, as they came first
	turns  int         // how often evidence was of another hour or status than its terminal's before
	order  []int32     // pieces, once sorted: those of each terminal together, as they came until they are asked for
	spare  []int32
	causes []string // of evidence that has one
	known  map[string]int32
}

// arrival is evidence of the terminal of so many in tails: smaller, and without pointers, so that the garbage collector need not look at what may be most of a lane's memory.
type arrival struct {
	time, hold int64
	sequence   uint64
	back       int32 // ms from the start to the time
	response   uint32
	boot       uint32
	skew, sent int32
	cause      int32 // in causes, from 1; 0: none
	of         int32
	status     Status
	sale       bool
	responded  bool
}

// evidence fills in what it is of.
func (a *arrival) evidence(e *Evidence, causes []string) {
	e.Time, e.Start, e.Sequence, e.Hold, e.Status, e.Sale = a.time, a.time-int64(a.back), a.sequence, a.hold, a.status, a.sale
	e.Boot, e.Skew, e.Sent, e.shift = a.boot, a.skew, a.sent, 0
	e.Response.Value, e.Response.OK = a.response, a.responded
	if e.Cause = ""; a.cause > 0 {
		e.Cause = causes[a.cause-1]
	}
}

// causeOf is the number of a cause.
func (b *inbox) causeOf(cause string) int32 {
	if cause == "" {
		return 0
	}
	if n := len(b.causes); n > 0 && b.causes[n-1] == cause {
		return int32(n)
	}
	n := b.known[cause]
	if n == 0 {
		if b.known == nil {
			b.known = map[string]int32{}
		}
		b.causes = append(b.causes, cause)
		n = int32(len(b.causes))
		b.known[cause] = n
	}
	return n
}

// tail is how many pieces of a terminal came, what the last was, and what all of them say: they need not be looked at for that.
type tail struct {
	n, hour int32
	status  Status
	sale    bool
	words   bool  // one only says that the registry knows the terminal
	first   int64 // least start
	last    int64 // greatest time of those that say more
}

const (
	inboxBits  = 12
	inboxBlock = 1 << inboxBits
)

// add adds evidence of a terminal, the first of which has the number 0 and begins a new one. It gives the terminal's number.
func (b *inbox) add(number int32, ev *Evidence) int32 {
	hour := int32(ev.Time / hourMilli)
	if number == 0 {
		b.tails = append(b.tails, tail{hour: hour, status: ev.Status, sale: ev.Sale, first: Open, last: beginningOfTime})
		number = int32(len(b.tails))
	}
	t := &b.tails[number-1]
	if t.hour != hour || t.status != ev.Status && !t.sale && !ev.Sale {
		b.turns++
	}
	t.n, t.hour, t.status, t.sale = t.n+1, hour, ev.Status, ev.Sale
	t.first = min(t.first, ev.Start)
	if ev.registers() {
		t.words = true
	} else {
		t.last = max(t.last, ev.Time)
	}
	if b.full == len(b.blocks) {
		b.blocks = append(b.blocks, make([]arrival, 0, inboxBlock))
	}
	block := &b.blocks[b.full]
	n := len(*block)
	*block = (*block)[:n+1]
	a := &(*block)[n] // filled where it lies, and wholly
	a.time, a.back, a.sequence, a.hold, a.status, a.sale = ev.Time, int32(ev.Time-ev.Start), ev.Sequence, ev.Hold, ev.Status, ev.Sale
	a.boot, a.skew, a.sent, a.response, a.responded = ev.Boot, ev.Skew, ev.Sent, ev.Response.Value, ev.Response.OK
	a.cause, a.of = b.causeOf(ev.Cause), number-1
	if n+1 == inboxBlock {
		b.full++
	}
	return number
}

// len is how many pieces came.
func (b *inbox) len() int {
	n := b.full * inboxBlock
	if b.full < len(b.blocks) {
		n += len(b.blocks[b.full])
	}
	return n
}

// sort puts the pieces of each terminal together. Nothing may be added from then on until reset.
func (b *inbox) sort() {
	b.order = slices.Grow(b.order[:0], b.len())[:b.len()]
	next := int32(0)
	for i := range b.tails {
		t := &b.tails[i]
		next, t.n = next+t.n, next // where the next piece goes, and in the end where they end
	}
	for n, block := range b.blocks[:min(b.full+1, len(b.blocks))] {
		for i := range block {
			to := &b.tails[block[i].of].n
			b.order[*to] = int32(n<<inboxBits | i)
			*to++
		}
	}
}

// pieces are those of a terminal by time, once they are sorted, in the memory of dst.
func (b *inbox) pieces(dst []Evidence, number int32) []Evidence {
	if number == 0 {
		return dst[:0]
	}
	from := int32(0)
	if number > 1 {
		from = b.tails[number-2].n
	}
	order := b.order[from:b.tails[number-1].n]
	b.byTime(order)
	dst = slices.Grow(dst[:0], len(order))[:len(order)]
	for n, i := range order {
		b.blocks[i>>inboxBits][i%inboxBlock].evidence(&dst[n], b.causes)
	}
	return dst
}

// byTime merges what is in order already until all is: reports come in order, and sales, but from two topics.
func (b *inbox) byTime(order []int32) {
	b.spare = slices.Grow(b.spare[:0], len(order))
	from, to := order, b.spare[:len(order)]
	for b.ascends(from) < len(from) {
		for rest, out := from, to; len(rest) > 0; {
			n := b.ascends(rest)
			left, right := rest[:n], rest[n:]
			right = right[:b.ascends(right)]
			rest = rest[len(left)+len(right):]
			for len(left) > 0 && len(right) > 0 {
				if b.at(right[0]) < b.at(left[0]) {
					out[0], right = right[0], right[1:]
				} else {
					out[0], left = left[0], left[1:]
				}
				out = out[1:]
			}
			out = out[copy(out, left):]
			out = out[copy(out, right):]
		}
		from, to = to, from
	}
	if len(order) > 0 && &from[0] != &order[0] {
		copy(order, from)
	}
}

// ascends is how many of the first pieces are each not earlier than the one before.
func (b *inbox) ascends(order []int32) int {
	n := min(1, len(order))
	for n < len(order) && b.at(order[n-1]) <= b.at(order[n]) {
		n++
	}
	return n
}

func (b *inbox) at(piece int32) int64 { return b.blocks[piece>>inboxBits][piece%inboxBlock].time }

// words says whether one of a terminal's pieces only says that the registry knows it.
func (b *inbox) words(number int32) bool { return number > 0 && b.tails[number-1].words }

// reset empties it, and keeps its memory.
func (b *inbox) reset() {
	for i := range b.blocks {
		b.blocks[i] = b.blocks[i][:0]
	}
	b.full, b.tails, b.turns = 0, b.tails[:0], 0
	clear(b.known)
	clear(b.causes)
	b.causes = b.causes[:0]
}
