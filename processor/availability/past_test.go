package availability

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
)

// The lines of a whole chain are cut for six hours, while its tills sell; then all are heard again, and what they sold comes. That is late for every one of them, and
// takes a row or two of its past each, a slice of the chain at a time: not all that is kept, nor all at once.
func TestStormOfBacklogs(t *testing.T) {
	const stores, tills, limit = 8, 5, 20
	whole, past := New(Config{}, nil, noStale(t)), New(Config{Recall: true}, nil, noStale(t))
	want, got, st, batch := tables{}, tables{}, state{}, uint64(0)
	seal := func() (wanted, rows int) {
		batch++
		v := rollup.Version{Epoch: 1, Batch: batch}
		want.apply(t, whole.Seal(v), v)
		for {
			keys := past.Wants(limit)
			if len(keys) == 0 {
				break
			}
			if len(keys) > limit+tills*52 {
				t.Fatalf("%d rows are wanted at a time", len(keys))
			}
			held := 0
			for _, x := range past.terminals {
				if x.back != nil {
					held++
				}
			}
			if held > limit+tills {
				t.Fatalf("the past of %d tills is in memory", held)
			}
			for _, k := range keys {
				if err := past.Recall(st[fmt.Sprintf("%d %s %s", k.Partition, rollup.KindPast, k.Key)]); err != nil {
					t.Fatal(err)
				}
			}
			wanted += len(keys)
		}
		s := past.Seal(v)
		got.apply(t, s, v)
		st.apply(s.State)
		return wanted, len(s.State)
	}
	all := func(f func(store, till string, i int)) {
		for s := range stores {
			for i := range tills {
				f(fmt.Sprintf("s%02d", s), fmt.Sprintf("t%02d-%d", s, i), s*tills+i)
			}
		}
	}
	fold := func(e *event.Event, store, till string) {
		e.StoreID, e.TerminalID = store, till
		whole.Fold(e, rollup.Input{})
		past.Fold(e, rollup.Input{})
	}
	beat := func(at int64) {
		all(func(store, till string, i int) { fold(report(at+int64(i), "up"), store, till) })
	}
	cut := someHour + 50*hourMilli
	for at := someHour; at < cut; at += 10 * 60_000 {
		beat(at)
		if n, _ := seal(); n > 0 {
			t.Fatalf("%d rows are wanted while nothing is late", n)
		}
	}
	back := cut + 6*hourMilli
	beat(back)
	if n, _ := seal(); n > 0 {
		t.Fatalf("%d rows are wanted when all are heard again", n)
	}
	for i := range int64(5) {
		beat(back + (i+1)*60_000)
		seal()
	}
	all(func(store, till string, i int) {
		for at := cut + int64(i)*1000; at < back; at += hourMilli / 2 {
			fold(sale(at-60_000, at), store, till)
		}
	})
	wanted, rows := seal()
	if wanted == 0 || wanted > 3*stores*tills {
		t.Errorf("%d rows of the past are wanted for %d tills", wanted, stores*tills)
	}
	if rows > 25*stores*tills {
		t.Errorf("%d rows of state are written for %d tills", rows, stores*tills)
	}
	if !reflect.DeepEqual(want, got) {
		t.Errorf("(-whole +past):\n%s", cmp.Diff(want, got))
	}
	for _, x := range past.terminals {
		if n := len(x.chunks); n > 4 {
			t.Fatalf("%d hours of %s are in memory after the storm", n, x.id)
		}
	}
}
