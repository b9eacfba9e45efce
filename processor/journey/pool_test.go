package journey

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
)

// around by looking at all that all orders of the customer know.
func aroundByAll(st *store, r *record) []sale {
	if r.collection == 0 {
		return nil
	}
	var all []sale
	for _, c := range st.sales {
		c.each(func(s *sale) { all = append(all, *s) })
	}
	for _, m := range st.orders {
		if m == r || r.customer != 0 && m.customer == r.customer && m.collection != 0 && abs(m.collection-r.collection) <= 2*visit {
			all = append(all, m.peek().near...)
		}
	}
	voids := st.voided()
	return unite(slices.DeleteFunc(all, func(s sale) bool {
		return s.void || abs(s.at-r.collection) > visit || st.named[s.id] > 0 || voids[s.id] || s.number != 0 && voids[s.number] ||
			s.order != r.hash && (s.customer == 0 || s.customer != r.customer)
	}), nil)
}

// nearestByAll is the order of its customer that a sale is added to.
func nearestByAll(st *store, s *sale) (best *record) {
	for _, r := range st.orders {
		if s.customer == 0 || r.customer != s.customer || r.collection == 0 || abs(r.collection-s.at) > visit {
			continue
		}
		if best == nil || abs(r.collection-s.at) < abs(best.collection-s.at) || abs(r.collection-s.at) == abs(best.collection-s.at) &&
			(r.collection < best.collection || r.collection == best.collection && r.id < best.id) {
			best = r
		}
	}
	return best
}

// What orders of customers with many of them know of sales, also of such as the store has let go of, is what looking at all of them says.
func TestOrdersOfOneCustomer(t *testing.T) {
	begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	alone := 0 // sales that only other orders know
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		f := New(Config{Window: 2 * time.Hour}, stores{})
		at := func(minute int) string { return begin.Add(time.Duration(minute) * time.Minute).Format(time.RFC3339) }
		customers := 1 + rnd.IntN(3)
		for b, now := 0, 0; b < 60; b++ {
			for range 1 + rnd.IntN(10) {
				if now += rnd.IntN(4); rnd.IntN(100) == 0 {
					now += 200
				}
				o := object{"source": "x", "id": fmt.Sprint("e", rnd.IntN(1_000_000)), "store_id": "s1", "customer": object{"id": fmt.Sprint(rnd.IntN(customers)), "type": "account"}}
				if rnd.IntN(2) == 0 { // a collection may turn out to have been earlier, by hours
					o["type"], o["order_id"], o["step"] = event.TypeOrder, fmt.Sprint("o", max(now/4+rnd.IntN(10)-8, 0)), "collected"
					o["time"] = at(max(now-rnd.IntN(2)*rnd.IntN(300), 0))
					if rnd.IntN(3) == 0 { // one that knows sales of which the store has let go
						long := max(now-rnd.IntN(600), 0)
						o["order_id"], o["time"] = fmt.Sprint("o", long/4), at(max(long-rnd.IntN(70), 0))
					}
				} else {
					o["type"], o["terminal_id"], o["kind"], o["currency"], o["time"] = event.TypeTransaction, "t1", "sale", "EUR", at(now)
					o["lines"], o["totals"] = []object{{"line": 1, "product_id": "p", "quantity": 1, "gross": 500}}, object{"gross": 500, "net": 500}
				}
				f.Fold(decode(t, o), rollup.Input{})
			}
			st := f.stores["s1"]
			if st == nil {
				continue
			}
			news := slices.SortedFunc(maps.Keys(st.news()), func(a, b *record) int { return strings.Compare(a.id, b.id) })
			st.settle()
			for _, r := range news {
				want, own := aroundByAll(st, r), r.peek().near
				st.reckon(r)
				if !slices.Equal(r.open.near, want) {
					t.Fatalf("seed %d, batch %d: order %s knows %v, want %v", seed, b, r.id, r.open.near, want)
				}
				for i := range want {
					s := &want[i]
					if got := st.byCustomer[s.customer].nearest(s.at); got != nearestByAll(st, s) {
						t.Fatalf("seed %d, batch %d: a sale belongs to order %v", seed, b, got)
					}
					if _, kept := st.sales.find(floorDiv(s.at, hourMilli)); !kept && !slices.Contains(own, *s) {
						alone++
					}
				}
			}
			st.drain()
			f.Seal(rollup.Version{Epoch: 1, Batch: uint64(b + 1)})
		}
	}
	if alone == 0 {
		t.Error("no sale was known by other orders alone")
	}
}
