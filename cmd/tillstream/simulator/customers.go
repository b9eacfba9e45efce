package simulator

import "strconv"

// customer has a card of the chain, and habits.
type customer struct {
	id, kind string
	due      int64 // next visit to the home store
	interval float64
	minute   int64 // of the day, ms since midnight
	weekday  int64 // 0 Monday; -1: any
	likes    [5]int32
	method   method // usual means of payment
	card     uint64 // of the customer's bank
}

// customerKinds with their shares.
var customerKinds = [...]struct {
	name  string
	share float64
}{{"loyalty", 0.85}, {"account", 0.10}, {"household", 0.05}}

// newCustomers gives every store its regulars.
func (c *chain) newCustomers() {
	r := newRandom(c.cfg.Seed, 2)
	kinds := newAlias([]float64{customerKinds[0].share, customerKinds[1].share, customerKinds[2].share})
	for i := range c.cfg.Customers {
		s := c.stores[r.IntN(len(c.stores))]
		k := &customer{id: "C" + strconv.Itoa(1_000_000+i), kind: customerKinds[kinds.draw(r)].name, weekday: -1}
		k.interval = min(max(r.logNormal(4.5*float64(day), 0.7), float64(day)), float64(60*day))
		if k.interval > 6*float64(day) {
			k.weekday = r.Int64N(7)
		}
		k.minute = s.usualMinute(r)
		for j := range k.likes {
			k.likes[j] = int32(c.catalogue.pick[s.kindNum].draw(r))
		}
		k.method, k.card = s.preferred(r), r.Uint64()
		s.regulars = append(s.regulars, k)
	}
	for _, s := range c.stores {
		s.balance(r)
	}
}

// usualMinute draws a time of day as the store's curve has it.
func (s *store) usualMinute(r random) int64 {
	curve := newAlias(s.format.curve[:])
	return int64(curve.draw(r))*hour + r.Int64N(hour)
}

// regularShare is the largest share of a store's customers that are its regulars: with too many cards they come less often.
const regularShare = 0.4

// balance spreads the regulars' first visits and leaves the rest of the store's customers to chance.
func (s *store) balance(r random) {
	var visits float64 // a day
	for _, k := range s.regulars {
		visits += float64(day) / k.interval
	}
	total := float64(s.cfg.TransactionsPerStoreDay) * s.format.size
	if most := regularShare * total; visits > most {
		for _, k := range s.regulars {
			k.interval *= visits / max(most, 1e-9)
		}
		visits = most
	}
	for _, k := range s.regulars {
		k.due = s.start + int64(r.Float64()*k.interval)
		s.adjust(k, r)
	}
	for i, v := range s.plan {
		s.walkIns[i] = v * (total - visits) / max(total, 1e-9)
	}
}

// expect adds the regulars who are due.
func (s *store) expect(from, to int64) {
	for _, k := range s.regulars {
		if k.due >= to {
			continue
		}
		if k.due >= from && s.open(k.due) {
			s.today = append(s.today, task{at: k.due, kind: expected, who: k})
		}
		last := max(k.due, from)
		k.due = last + int64(min(k.interval*s.random.logNormal(1, 0.35), float64(365*day)))
		s.adjust(k, s.random)
		k.due = max(k.due, last+hour)
	}
}

// adjust moves a visit to the customer's weekday and time of day, and into opening hours.
func (s *store) adjust(k *customer, r random) {
	local := s.wall.local(k.due)
	date := floorDiv(local, day)
	if k.weekday >= 0 {
		date += ((k.weekday-(date+3))%7+10)%7 - 3 // the nearest one
	}
	k.due += date*day + k.minute + int64(r.NormFloat64()*float64(40*minute)) - local
	for range 2 * 24 {
		if s.open(k.due) {
			return
		}
		k.due += hour
	}
}

// stranger is a customer of another store that takes the same money, nil if there is none.
func (s *store) stranger() *customer {
	others := s.peers[s.place.currency]
	o := others[s.random.IntN(len(others))]
	if o == s || len(o.regulars) == 0 {
		return nil
	}
	return o.regulars[s.random.IntN(len(o.regulars))]
}
