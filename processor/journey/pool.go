package journey

import (
	"cmp"
	"slices"
)

// mates are the orders of one customer, by their collection: one who delivers for many has hundreds an hour. Those that nobody has collected have 0.
type mates []*record

// find is where an order is, or would be.
func (m mates) find(collection int64, id string) int {
	i, _ := slices.BinarySearchFunc(m, id, func(r *record, id string) int {
		return cmp.Or(cmp.Compare(r.collection, collection), cmp.Compare(r.id, id))
	})
	return i
}

// within are those collected no more than so long before or after an instant.
func (m mates) within(at, reach int64) mates {
	return m[m.find(at-reach, ""):m.find(at+reach+1, "")]
}

// nearest is the order that was collected nearest to an instant, and within a visit of it; the earlier if two are as near, then the one with the smaller id.
func (m mates) nearest(at int64) (best *record) {
	i := m.find(at, "")
	if i > 0 {
		best = m[m.find(m[i-1].collection, "")]
	}
	if i < len(m) && (best == nil || best.collection == 0 || m[i].collection-at < at-best.collection) {
		best = m[i]
	}
	if best == nil || best.collection == 0 || abs(best.collection-at) > visit {
		return nil
	}
	return best
}

// pool is what orders of a customer know of sales, so that of many that are reckoned each need not look at all that each of the others knows.
type pool struct {
	of     []*record // whose sales are in it
	sales  []pooled  // in order
	strays []stray   // of orders whose collection has moved away from what they know, until they are reckoned
}

type pooled struct {
	sale
	by int // of so many orders
}

type stray struct {
	sale
	by *record
}

// pool is that of a customer in the batch that is sealed.
func (st *store) pool(customer uint64) *pool {
	p := st.pools[customer]
	if p == nil {
		if st.pools == nil {
			st.pools = map[uint64]*pool{}
		}
		p = &pool{}
		st.pools[customer] = p
	}
	return p
}

// drain lets go of what was only of use while orders were reckoned.
func (st *store) drain() {
	for _, c := range st.sales {
		c.read = nil
	}
	for _, p := range st.pools {
		for _, r := range p.of {
			r.pooled = false
		}
	}
	st.pools = nil
}

// take adds what an order knows.
func (p *pool) take(r *record) {
	if r.pooled || r.collection == 0 {
		return
	}
	r.pooled = true
	p.of = append(p.of, r)
	p.add(r, r.peek().near)
}

func (p *pool) add(r *record, near []sale) {
	for i := range near {
		s := &near[i]
		if abs(s.at-r.collection) > visit {
			p.strays = append(p.strays, stray{*s, r})
			continue
		}
		k, found := p.find(s)
		if !found {
			p.sales = slices.Insert(p.sales, k, pooled{sale: *s})
		}
		p.sales[k].by++
	}
}

func (p *pool) find(s *sale) (int, bool) {
	return slices.BinarySearchFunc(p.sales, s, func(x pooled, s *sale) int { return x.compare(s) })
}

// change has an order know other sales.
func (p *pool) change(r *record, was, is []sale) {
	if !r.pooled || slices.Equal(was, is) {
		return
	}
	p.strays = slices.DeleteFunc(p.strays, func(x stray) bool { return x.by == r })
	for i := range was {
		if s := &was[i]; abs(s.at-r.collection) <= visit {
			k, _ := p.find(s)
			if p.sales[k].by--; p.sales[k].by == 0 {
				p.sales = slices.Delete(p.sales, k, k+1)
			}
		}
	}
	p.add(r, is)
}

// known gives the sales that the orders know which were collected within two visits of another.
func (p *pool) known(collection, from, to int64, yield func(*sale)) {
	k, _ := p.find(&sale{at: from})
	for ; k < len(p.sales) && p.sales[k].at <= to; k++ {
		yield(&p.sales[k].sale)
	}
	for i := range p.strays {
		if x := &p.strays[i]; abs(x.by.collection-collection) <= 2*visit {
			yield(&x.sale)
		}
	}
}
