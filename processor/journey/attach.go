package journey

import (
	"slices"
)

// news are the orders of which the open batch may have changed anything. It brings the store's indices up to date.
func (st *store) news() map[*record]bool {
	news := map[*record]bool{}
	var lost lost
	for r := range st.stepped {
		news[r] = true
		who, when, known := r.customer, r.collection, r.named
		st.index(r)
		st.mates(who, when, news)
		st.mates(r.customer, r.collection, news)
		for _, n := range r.named {
			if _, found := slices.BinarySearch(known, n); !found {
				lost.add(n, 0)
			}
		}
	}
	look := func(s *sale) {
		if s.void {
			lost.add(s.id, s.number)
		} else {
			st.touch(s, news)
		}
	}
	for _, c := range st.sales {
		for i := range c.fresh {
			look(&c.fresh[i])
		}
	}
	for i := range st.away {
		look(&st.away[i])
	}
	for r := range st.bereft {
		news[r] = true
	}
	st.affect(&lost, news)
	if st.told {
		for _, r := range st.orders {
			news[r] = true
		}
	}
	return news
}

// mates adds the orders of a customer that may share a sale with one that was collected at some time.
func (st *store) mates(customer uint64, collection int64, news map[*record]bool) {
	if collection == 0 {
		return
	}
	for _, r := range st.byCustomer[customer].within(collection, 2*visit) {
		if r.collection != 0 {
			news[r] = true
		}
	}
}

// lost are sales that cannot be added to an order any more: those that were voided, and those that steps name.
type lost struct{ ids, numbers map[uint64]bool }

func (l *lost) add(id, number uint64) {
	if l.ids == nil {
		l.ids, l.numbers = map[uint64]bool{}, map[uint64]bool{}
	}
	l.ids[id], l.numbers[number] = true, true
}

// affect adds the orders that lost sales may have been added to. All that is kept of a store is looked through for them, once a batch.
func (st *store) affect(l *lost, news map[*record]bool) {
	if l.ids == nil || len(st.orders) == 0 {
		return
	}
	for _, c := range st.sales {
		c.each(func(s *sale) {
			if !s.void && (s.id != 0 && l.ids[s.id] || s.number != 0 && l.numbers[s.number]) {
				st.touch(s, news)
			}
		})
	}
}

func (st *store) touch(s *sale, news map[*record]bool) {
	if s.customer != 0 {
		for _, r := range st.byCustomer[s.customer].within(s.at, visit) {
			if r.collection != 0 {
				news[r] = true
			}
		}
	}
	if r := st.byHash[s.order]; r != nil && r.collection != 0 && abs(r.collection-s.at) <= visit {
		news[r] = true
	}
}

// reckon finds the sales around an order's collection, and those that are added to it.
func (st *store) reckon(r *record) {
	o := r.unpacked()
	near := st.around(r)
	if p := st.pools[r.customer]; p != nil {
		p.change(r, o.near, near)
	}
	o.near = near
	was := o.added.given
	o.added = added{given: was}
	said := o.text(money)
	ids := make(map[uint64]bool, len(o.near))
	for i := range o.near {
		s := &o.near[i]
		told := ids[s.id] // the same sale, differently
		ids[s.id] = true
		if s.order == r.hash && len(o.named) == 0 || s.order != r.hash && (s.order != 0 || st.byCustomer[s.customer].nearest(s.at) != r) || told {
			continue
		}
		a := &o.added
		switch c := s.currency; {
		case said != "" && said[:3] != string(c[:]):
			continue
		case a.sales > 0 && slices.Compare(a.currency[:], c[:]) < 0:
			continue // of an order that says no currency, those in the first by name
		case a.currency != c:
			*a = added{currency: c}
		}
		a.sales, a.net, a.given = a.sales+1, a.net+s.net, true
	}
	o.added.given = o.added.given || was
}

// around is the sales around the collection that may be added to an order, as far as they are known, in order.
func (st *store) around(r *record) []sale {
	if r.collection == 0 {
		return nil
	}
	from, to := r.collection-visit, r.collection+visit
	voids := st.voided()
	var near []sale
	take := func(s *sale) {
		if s.void || s.at < from || s.at > to || st.named[s.id] > 0 || voids[s.id] || s.number != 0 && voids[s.number] {
			return
		}
		if s.order == r.hash || s.customer != 0 && s.customer == r.customer {
			near = append(near, *s)
		}
	}
	st.sales.between(from, to, take)
	if r.customer == 0 || len(st.byCustomer[r.customer]) == 1 {
		known := r.peek().near
		for i := range known {
			take(&known[i])
		}
		return unite(near, nil)
	}
	p := st.pool(r.customer)
	for _, m := range st.byCustomer[r.customer].within(r.collection, 2*visit) {
		p.take(m)
	}
	p.known(r.collection, from, to, take)
	return unite(near, nil)
}

// voided are the ids and the numbers of the sales that were.
func (st *store) voided() map[uint64]bool {
	if st.voids == nil {
		st.voids = map[uint64]bool{}
		for _, c := range st.sales {
			if !c.voids {
				continue
			}
			c.each(func(s *sale) {
				if s.void {
					st.voids[s.id], st.voids[s.number] = true, true
				}
			})
		}
		delete(st.voids, 0)
	}
	return st.voids
}

func abs(x int64) int64 { return max(x, -x) }
