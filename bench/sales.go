package main

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/tillstream/tillstream/cmd/tillstream/simulator"
)

// event is a record to be sent.
type event struct {
	store int // decides the partition
	key   []byte
	value []byte // valid until the next event
	time  time.Time
}

const (
	saleStores   = 100
	saleTills    = 12 // of a store
	saleProducts = 1000
	saleSpan     = 6 * time.Hour
)

// sales are n lean sales of about 480 bytes: 100 stores of 12 tills, three lines of 1,000 products (Zipf), one tender, spread over six hours.
// The same seed gives the same bytes for the same start.
func sales(n int, start time.Time, seed uint64) iter.Seq[event] {
	return func(yield func(event) bool) {
		g := newSeller(seed)
		for i := range n {
			at := start.Add(time.Duration(float64(i) / float64(n) * float64(saleSpan)))
			if !yield(g.sell(at)) {
				return
			}
		}
	}
}

// seller makes sales.
type seller struct {
	rnd    *rand.Rand
	zipf   *rand.Zipf
	seen   [saleStores * saleTills]int
	buffer []byte
}

func newSeller(seed uint64) *seller {
	rnd := rand.New(rand.NewPCG(seed, 2))
	return &seller{rnd: rnd, zipf: rand.NewZipf(rnd, 1.1, 8, saleProducts-1)}
}

func (s *seller) sell(at time.Time) event {
	till := s.rnd.IntN(len(s.seen))
	s.seen[till]++
	store, total := till/saleTills, 0
	name := fmt.Sprintf("S%04d", store)
	b := s.head(name, till%saleTills, s.seen[till], at)
	for l := range 3 {
		quantity := 1 + s.rnd.IntN(4)
		gross, product := quantity*(49+s.rnd.IntN(2999)), s.zipf.Uint64()
		total += gross
		if l > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"line":%d,"product_id":"40063813%05d","quantity":%d,"gross":%d}`, l+1, product, quantity, gross)
	}
	return s.event(store, name, at, b, total)
}

// probe is a sale of one line whose product nobody else sells, in a store of its own.
func (s *seller) probe(store, number int, product string, at time.Time) event {
	b := s.head(probeStore(store), 0, number, at)
	b = fmt.Appendf(b, `{"line":1,"product_id":"%s","quantity":1,"gross":100}`, product)
	return s.event(store, probeStore(store), at, b, 100)
}

func probeStore(n int) string { return fmt.Sprintf("P%04d", n) }

func (s *seller) head(store string, till, sequence int, at time.Time) []byte {
	return fmt.Appendf(s.buffer[:0], `{"id":"%012x","source":"%s","type":"pos.transaction.v1","time":"%s","store_id":"%s","terminal_id":"%s-T%02d","sequence":%d,"kind":"sale","currency":"EUR","lines":[`,
		s.rnd.Int64N(1<<47), store, at.UTC().Format("2006-01-02T15:04:05.000Z"), store, store, till, sequence)
}

func (s *seller) event(store int, name string, at time.Time, b []byte, total int) event {
	s.buffer = fmt.Appendf(b, `],"tenders":[{"method":"card","amount":%d,"result":"approved"}],"totals":{"gross":%[1]d}}`, total)
	return event{store: store, key: []byte(name), value: s.buffer, time: at}
}

// simulated are n finished sales of the project's simulator: customers, promotions, weighed goods, and tills that were offline. What the peers do not do is left
// out, so that all have the same to do: returns, voids, corrections, training, and events that tills send twice, which tillstream alone would notice.
func simulated(n int, end time.Time, seed uint64) (iter.Seq[event], error) {
	cfg := simulator.Default()
	cfg.Seed, cfg.Stores, cfg.Secret, cfg.Dirty, cfg.Mistyped = seed, saleStores, []byte(secret), 0, 0
	cfg.HeartbeatInterval = time.Hour
	days := n/(cfg.Stores*cfg.TransactionsPerStoreDay/2) + 2
	cfg.Start, cfg.End = end.AddDate(0, 0, -days), end
	sim, err := simulator.New(cfg)
	if err != nil {
		return nil, err
	}
	return func(yield func(event) bool) {
		stores, seen, left := map[string]int{}, map[string]bool{}, n
		for e := range sim.Events() {
			if left == 0 {
				return
			}
			if e.Topic != "pos.transactions" {
				continue
			}
			d, err := parse(e.Value)
			if err != nil || !d.plain() || seen[d.ID+"\x00"+d.Source] {
				continue
			}
			seen[d.ID+"\x00"+d.Source] = true
			if _, ok := stores[d.Store]; !ok {
				stores[d.Store] = len(stores)
			}
			if !yield(event{store: stores[d.Store], key: e.Key, value: e.Value, time: time.UnixMilli(e.Arrival)}) {
				return
			}
			left--
		}
	}, nil
}
