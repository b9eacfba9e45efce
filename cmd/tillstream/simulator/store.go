package simulator

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// When the staff comes and goes, from opening and closing. Who is in the queue at closing time is served.
const (
	switchOn  = -20 * minute
	signOn    = -10 * minute
	signOff   = 25 * minute
	switchOff = 35 * minute
)

// store is one store, its tills and its regular customers.
type store struct {
	*chain
	random   random
	id       string
	number   int32
	key      []byte
	gln      string
	place    *place
	placeNum int
	format   *format
	kindNum  int
	terms    terms
	wall     wall
	plan     week
	walkIns  week // of plan, those who are not expected
	tills    []*till
	regulars []*customer

	cuts        []span
	cutsPlanned int64
	clerk       clerk
	shop        shop

	today    []task
	receipts [128]receipt // of the last sales, for who brings something back
	sold     int          // receipts ever
	drawing  transaction  // the one being made
}

// task is something that happens at a till or at the door.
type task struct {
	at   int64
	kind taskKind
	who  *customer
	till *till
}

type taskKind uint8

const (
	walkIn taskKind = iota
	expected
	arrives // staff
	leaves
)

func newStore(c *chain, n int) (*store, error) {
	s := &store{chain: c, random: newRandom(c.cfg.Seed, 1000+uint64(n)), id: fmt.Sprintf("S%03d", n+1)}
	s.key, s.number = []byte(s.id), int32(n)
	s.placeNum, s.kindNum = n%len(places), (n+n/len(places))%len(formats)
	s.place, s.format = &places[s.placeNum], &formats[s.kindNum]
	s.gln = gtin(s.place.gln + fmt.Sprintf("%09d", 710_000+n))
	zone, err := time.LoadLocation(s.place.zone)
	if err != nil {
		return nil, fmt.Errorf("loading the time zone of %s: %w", s.place.city, err)
	}
	s.wall.zone = zone
	s.terms = termsOf(s)
	s.clerk = clerk{store: s, random: newRandom(c.cfg.Seed, 1_000_000+uint64(n))}
	s.shop = shop{store: s, random: newRandom(c.cfg.Seed, 3_000_000+uint64(n)), voided: map[receiptKey]bool{}}
	s.cutsPlanned = c.start + 6*hour
	s.plan = newWeek(s.format, float64(c.cfg.TransactionsPerStoreDay)*s.format.size)
	for i := range c.cfg.TillsPerStore {
		t := newTill(s, i, n*c.cfg.TillsPerStore+i, s.random)
		s.tills = append(s.tills, t)
	}
	return s, nil
}

// staffed says whether the tills are on.
func (s *store) staffed(at int64) bool {
	return s.open(at) || s.open(at-switchOn) || s.open(at-switchOff)
}

// step lives through [from, to).
func (s *store) step(from, to int64) {
	s.forgetCuts(from)
	s.planCuts(to + ahead)
	for _, t := range s.tills {
		t.forgetEpisodes(from)
		t.planEpisodes(to+ahead, s.start)
		s.report(t, from, to)
	}
	s.today = s.today[:0]
	s.walk(from, to)
	s.expect(from, to)
	s.turns(from-signOn, to-signOn, func(at int64, opens bool) {
		if opens {
			s.staff(at+signOn, arrives)
		}
	})
	s.turns(from-signOff, to-signOff, func(at int64, opens bool) {
		if !opens {
			s.staff(at+signOff, leaves)
		}
	})
	slices.SortStableFunc(s.today, func(a, b task) int { return cmp.Compare(a.at, b.at) })
	for i := range s.today {
		s.serve(&s.today[i])
	}
	s.shop.step(from, to)
}

// walk adds those who come by chance: a Poisson process whose rate follows the week, by thinning (P. Lewis, G. Shedler 1979).
func (s *store) walk(from, to int64) {
	peak := s.walkIns.peak()
	if peak == 0 {
		return
	}
	for at := from + s.random.exponential(float64(hour)/peak); at < to; at += s.random.exponential(float64(hour) / peak) {
		if s.random.Float64()*peak < s.walkIns.at(s.wall.local(at)) && s.open(at) {
			s.today = append(s.today, task{at: at, kind: walkIn})
		}
	}
}

func (s *store) staff(at int64, kind taskKind) {
	for _, t := range s.tills {
		if t.works(at) {
			s.today = append(s.today, task{at: at + s.random.between(0, 2*minute), kind: kind, till: t})
		}
	}
}

// free is the till that serves next, and from when; nil if all stand still or the queue is too long.
func (s *store) free(at int64) (*till, int64) {
	const patience = 8 * minute
	var best *till
	start := at + patience
	for _, t := range s.tills {
		from := max(at, t.freeAt)
		if !t.sells(from) {
			continue
		}
		if from < start || from == at && s.random.chance(0.4) { // of several idle ones the first is the busiest
			best, start = t, from
		}
	}
	return best, start
}

// sells says whether the till can take a sale that begins now.
func (t *till) sells(at int64) bool {
	if e := t.episodeAt(at); e != nil && e.blocks(&t.store.terms) || !t.works(at) {
		return false
	}
	return !t.store.format.nightOff || t.store.staffed(at)
}
