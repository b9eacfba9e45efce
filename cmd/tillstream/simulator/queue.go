package simulator

// item is an event on its way to the broker.
type item struct {
	arrival int64
	order   uint64 // of making: decides between equals, so that the order is the same in every run
	value   []byte
	store   int32
	topic   uint8
	dirt    dirt
}

func (a *item) before(b *item) bool {
	return a.arrival < b.arrival || a.arrival == b.arrival && a.order < b.order
}

// queue is a heap of four children a node, by arrival.
type queue []item

func (q *queue) push(x item) {
	h := append(*q, x)
	i := len(h) - 1
	for i > 0 {
		p := (i - 1) / 4
		if !x.before(&h[p]) {
			break
		}
		h[i] = h[p]
		i = p
	}
	h[i] = x
	*q = h
}

func (q *queue) pop() item {
	h := *q
	top, n := h[0], len(h)-1
	x := h[n]
	h[n] = item{}
	h = h[:n]
	*q = h
	i := 0
	for {
		c := 4*i + 1
		if c >= n {
			break
		}
		best := c
		for j := c + 1; j < min(c+4, n); j++ {
			if h[j].before(&h[best]) {
				best = j
			}
		}
		if !h[best].before(&x) {
			break
		}
		h[i] = h[best]
		i = best
	}
	if n > 0 {
		h[i] = x
	}
	return top
}
