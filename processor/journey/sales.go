package journey

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/tillstream/tillstream/processor/event"
)

const (
	hourMilli = 3_600_000
	// visit is how far from a collection a sale may be to be added to it, ms (domain.md 3.8).
	visit = 30 * 60_000
)

// sale is one that may be added to an order, or the void of one. Ids are hashes: 64 bits are enough to tell the sales of one store and some days apart.
type sale struct {
	at       int64 // ms since 1970
	id       uint64
	number   uint64 // of the till and its sequence; 0: it has none
	customer uint64 // pseudonym, 0: nobody knows
	order    uint64 // that it names, 0: none
	net      int64  // minor units
	currency [3]byte
	void     bool // of the sale with that id, or number
}

func (s *sale) compare(o *sale) int {
	if c := cmp.Compare(s.at, o.at); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(s.id, o.id), cmp.Compare(s.number, o.number), cmp.Compare(s.customer, o.customer),
		cmp.Compare(s.order, o.order), cmp.Compare(s.net, o.net), slices.Compare(s.currency[:], o.currency[:]), cmp.Compare(flag(s.void), flag(o.void)))
}

// hash is FNV-1a of texts with a NUL behind each. It is part of the state: it must not change.
func hash(texts ...string) uint64 {
	h := uint64(14695981039346656037)
	for _, t := range texts {
		for i := range len(t) {
			h = (h ^ uint64(t[i])) * 1099511628211
		}
		h *= 1099511628211
	}
	return max(h, 1)
}

func hashNumber(terminal string, n event.Opt[uint64]) uint64 {
	if !n.OK {
		return 0
	}
	var digits [8]byte
	for i := range digits {
		digits[i] = byte(n.Value >> (8 * i))
	}
	return hash(terminal, string(digits[:]))
}

// concerns says whether a transaction may be something to orders. Most are not, and to hand over a sale costs more than to see that.
func concerns(x *event.Transaction) bool {
	return x.Customer.Pseudonym != 0 || x.OrderID != "" || x.Kind == "void"
}

// saleOf is what a transaction is to orders; ok is false if it is nothing to them.
func saleOf(e *event.Event) (s sale, ok bool) {
	x := &e.Transaction
	if x.Kind == "void" {
		o := &x.Original
		if o.TransactionID == "" && !o.Sequence.OK { // before payment
			return s, false
		}
		terminal := o.TerminalID
		if terminal == "" {
			terminal = e.TerminalID
		}
		s = sale{at: e.When().Milli, number: hashNumber(terminal, o.Sequence), void: true}
		if o.TransactionID != "" {
			s.id = hash(o.TransactionID)
		}
		return s, true
	}
	if x.Kind != "sale" || x.Customer.Pseudonym == 0 && x.OrderID == "" || len(x.Currency) != 3 {
		return s, false
	}
	switch x.Channel {
	case "web", "app", "phone", "marketplace", "click_and_collect":
		return s, false
	}
	lines := 0
	for i := range x.Lines {
		l := &x.Lines[i]
		if l.Voided {
			continue
		}
		lines++
		if net := l.NetAmount(); l.Quantity < 0 && l.Gross > 0 {
			s.net -= net
		} else {
			s.net += net
		}
	}
	if lines == 0 {
		return s, false
	}
	s.at, s.id, s.number, s.customer = e.When().Milli, hash(e.ID), hashNumber(e.TerminalID, e.Sequence), x.Customer.Pseudonym
	if x.OrderID != "" {
		s.order = hash(x.OrderID)
	}
	copy(s.currency[:], x.Currency)
	return s, true
}

// chunk is the sales of one UTC hour of a store. Those of sealed batches are packed, as their state is: most are never looked at.
type chunk struct {
	hour      int64 // since 1970
	packed    []byte
	newest    int64 // ms
	voids     bool  // there are some
	removed   bool  // some were, in the open batch
	fresh     []sale
	read      []sale // what packed has, while orders are reckoned
	partition int32
	known     bool // there is state of it
}

// ring is the sales of a store, by hour.
type ring []*chunk

func (r ring) find(hour int64) (int, bool) {
	return slices.BinarySearchFunc(r, hour, func(c *chunk, hour int64) int { return cmp.Compare(c.hour, hour) })
}

// chunk finds an hour, or begins it.
func (r *ring) chunk(hour int64) *chunk {
	i, found := r.find(hour)
	if !found {
		*r = slices.Insert(*r, i, &chunk{hour: hour})
	}
	return (*r)[i]
}

func (r *ring) add(s sale) *chunk {
	c := r.chunk(floorDiv(s.at, hourMilli))
	c.fresh = append(c.fresh, s)
	return c
}

// between gives the sales of [from, to], once the open batch's are settled. It keeps what it reads until drain.
func (r ring) between(from, to int64, yield func(*sale)) {
	i, _ := r.find(floorDiv(from, hourMilli))
	for ; i < len(r) && r[i].hour*hourMilli <= to; i++ {
		c := r[i]
		if c.read == nil {
			c.read = c.sales()
		}
		for k := range c.read {
			if s := &c.read[k]; s.at >= from && s.at <= to {
				yield(s)
			}
		}
	}
}

// newest is the newest sale of sealed batches, ms; 0: there is none.
func (r ring) newest() int64 {
	if len(r) == 0 {
		return 0
	}
	return r[len(r)-1].newest
}

// sales are those of sealed batches, in order, none twice.
func (c *chunk) sales() []sale {
	if c.packed == nil {
		return nil
	}
	all, _ := readSales(c.packed, c.hour) // Load has looked at it, or it was packed here
	return all
}

func (c *chunk) each(yield func(*sale)) {
	for _, part := range [2][]sale{c.sales(), c.fresh} {
		for i := range part {
			yield(&part[i])
		}
	}
}

// settle adds sales to those of sealed batches; false if they brought nothing new.
func (c *chunk) settle(more []sale) bool {
	all := unite(c.sales(), more)
	packed := appendSales(nil, c.hour, all)
	if bytes.Equal(packed, c.packed) {
		return false
	}
	if c.packed, c.newest = packed, c.hour*hourMilli; len(all) > 0 { // else all were of customers who were forgotten
		c.newest = all[len(all)-1].at
	}
	c.voids = slices.ContainsFunc(all, func(s sale) bool { return s.void })
	return true
}

// remove takes out the sales that match, of sealed batches too; whether there were any.
func (c *chunk) remove(match func(sale) bool) bool {
	fresh := len(c.fresh)
	c.fresh = slices.DeleteFunc(c.fresh, match)
	if sealed := c.sales(); slices.ContainsFunc(sealed, match) {
		c.packed, c.removed = nil, true
		c.settle(slices.DeleteFunc(sealed, match))
	}
	return c.removed || len(c.fresh) < fresh
}

// unite is the sales of both, in order, none twice.
func unite(a, b []sale) []sale {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(x, y sale) int { return x.compare(&y) })
	return slices.CompactFunc(all, func(x, y sale) bool { return x == y })
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func flag(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}
