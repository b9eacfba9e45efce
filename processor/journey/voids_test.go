package journey

import (
	"fmt"
	"testing"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
)

// What is kept of a store's sales is looked through once for all voids of a batch, and not at all where there are no orders.
func TestVoidsOfABatchAreLookedForAtOnce(t *testing.T) {
	const hours = 40
	for _, ordered := range []bool{false, true} {
		f, batch := New(Config{}, stores{}), uint64(0)
		seal := func() { batch++; f.Seal(rollup.Version{Epoch: 1, Batch: batch}) }
		for i := range hours {
			f.Fold(decode(t, tillSale(fmt.Sprint("a", i), 60*i, nil)), rollup.Input{})
		}
		if ordered {
			f.Fold(decode(t, orderStep("o1", "collected", 100, nil)), rollup.Input{})
		}
		seal()
		voids := make([]*event.Event, hours)
		for i := range voids {
			voids[i] = decode(t, object{
				"id": fmt.Sprint("v", i), "source": "t1", "type": event.TypeTransaction, "store_id": "s1", "terminal_id": "t1", "time": instantOf(60*hours, "Z"),
				"kind": "void", "original": object{"transaction_id": fmt.Sprint("b", i)},
			})
		}
		allocs := func(n int) float64 {
			return testing.AllocsPerRun(5, func() {
				for _, v := range voids[:n] {
					f.Fold(v, rollup.Input{})
				}
				seal()
			})
		}
		allocs(hours) // all are known from here on
		one, all := allocs(1), allocs(hours)
		if more := all - one; more > hours {
			t.Errorf("ordered %v: %v allocations of a batch with one void, %v more with %d", ordered, one, more, hours)
		}
	}
}
