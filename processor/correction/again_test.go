package correction

import (
	"fmt"
	"testing"
	"time"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
)

// A till that corrects one sale again and again costs no more than its corrections times those before: each is looked at once for each that comes, and
// once for all that wait together.
func TestOneSaleCorrectedAgainAndAgain(t *testing.T) {
	const batches, each = 4, 250
	counts := 0
	f := New(Config{Window: time.Hour, Apply: func(_ *event.Event, sign int64) { counts += int(sign) }, Corrected: func(string, string, int32, int64) {}})
	f.Begin("topic", 0, true)
	kept := map[uint64]Row{}
	f.Find(func(q Query, row func(Row) error) error {
		for _, k := range q.Keys {
			if r, ok := kept[k.Event]; ok {
				if err := row(r); err != nil {
					return err
				}
			}
		}
		return nil
	})
	events := make([]event.Event, batches*each)
	for b := range batches {
		clocks := make([]int64, each)
		in := func(i int) rollup.Input {
			return rollup.Input{Topic: "topic", Offset: int64(b*each + i), Timestamp: time.Hour.Milliseconds()}
		}
		for i := range each {
			e := &events[b*each+i]
			e.Type, e.ID, e.StoreID, e.TerminalID, e.Corrects.IDs = event.TypeTransaction, fmt.Sprint("c", b*each+i), "s", "t", []string{"sale"}
			e.Time = event.Time{Milli: time.Hour.Milliseconds() + in(i).Offset, OK: true}
			clocks[i], _ = f.Await(e, in(i))
		}
		if err := f.Look(); err != nil {
			t.Fatal(err)
		}
		for i := range each {
			e := &events[b*each+i]
			if r := f.Check(e, in(i), clocks[i]); r != nil {
				t.Fatal(r)
			}
			if _, err := f.Correct(e, in(i)); err != nil {
				t.Fatal(err)
			}
			key := keyOf("s", "t", e.ID)
			kept[key] = Row{
				Key: key, Topic: "topic", Offset: in(i).Offset, At: clocks[i], StoreID: "s", TerminalID: "t", ID: e.ID, Correction: true,
				Content: string(appendContent(nil, e, e.BusinessDate(0))),
			}
		}
		f.Seal(rollup.Version{Epoch: 1, Batch: uint64(b + 1)})
	}
	if counts != 1 {
		t.Errorf("%d corrections count, want the last alone", counts)
	}
	const n = batches * each
	if g := f.graph("topic", 0); g.looked > 2*n*n {
		t.Errorf("%d links were looked at for %d corrections", g.looked, n)
	}
}
