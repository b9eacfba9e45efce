package availability

import "slices"

// inbox is the evidence of the open batch, in the order in which it came. What is of one terminal lies far apart in it, but where is known beforehand, so that the processor
// can wait for several pieces at a time.
type inbox struct {
	blocks [][]arrival // not moved as they become more
	full   int         // blocks
	tails  []tail      // by terminal, as they came first
	turns  int         // how often evidence was of another hour or status than its terminal's before
	order  []int32     // pieces, those of each terminal together
}

// arrival is evidence of the terminal of so many in tails.
type arrival struct {
	Evidence
	of int32
}

// tail is how many pieces of a terminal came, and what the last was.
type tail struct {
	n, hour int32
	status  Status
	sale    bool
}

const (
	inboxBits  = 12
	inboxBlock = 1 << inboxBits
)

// add adds evidence of a terminal, the first of which has the number 0 and begins a new one. It gives the terminal's number.
func (b *inbox) add(number int32, ev *Evidence) int32 {
	hour := int32(ev.Time / hourMilli)
	if number == 0 {
		b.tails = append(b.tails, tail{hour: hour, status: ev.Status, sale: ev.Sale})
		number = int32(len(b.tails))
	}
	t := &b.tails[number-1]
	if t.hour != hour || t.status != ev.Status && !t.sale && !ev.Sale {
		b.turns++
	}
	t.n, t.hour, t.status, t.sale = t.n+1, hour, ev.Status, ev.Sale
	if b.full == len(b.blocks) {
		b.blocks = append(b.blocks, make([]arrival, 0, inboxBlock))
	}
	block := &b.blocks[b.full]
	if *block = append(*block, arrival{*ev, number - 1}); len(*block) == inboxBlock {
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

// sort tells which pieces are whose, by number less one.
func (b *inbox) sort(give func(i int, pieces []int32)) {
	b.order = slices.Grow(b.order[:0], b.len())[:b.len()]
	next := int32(0)
	for i := range b.tails {
		t := &b.tails[i]
		give(i, b.order[next:next+t.n])
		next, t.n = next+t.n, next // from here on: where the next piece goes
	}
	for n, block := range b.blocks[:min(b.full+1, len(b.blocks))] {
		for i := range block {
			to := &b.tails[block[i].of].n
			b.order[*to] = int32(n<<inboxBits | i)
			*to++
		}
	}
}

// piece is one of those that sort tells of.
func (b *inbox) piece(i int32) *Evidence { return &b.blocks[i>>inboxBits][i%inboxBlock].Evidence }

// reset empties it, and keeps its memory.
func (b *inbox) reset() {
	for i := range b.blocks {
		b.blocks[i] = b.blocks[i][:0]
	}
	b.full, b.tails, b.turns = 0, b.tails[:0], 0
}
