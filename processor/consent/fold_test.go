package consent

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
	"github.com/tillstream/tillstream/processor/table/tabletest"
)

// rows are what blocks say, by customer; of several the largest, as the table has it. It counts lists.
func rows(t *rapid.T, schema tabletest.Schema, blocks []*rollup.Block, into map[uint64]string) (lists int64) {
	schema.Check(t, blocks)
	for _, b := range blocks {
		customers, latest := b.Columns[0].Data.([]uint64)[1:], b.Columns[1].Data.([]string)[1:]
		for i, c := range customers {
			into[c] = max(into[c], latest[i])
		}
		lists += b.Columns[2].Data.([]int64)[0] // the control total
	}
	return lists
}

// Whatever the order and the batches, what holds is the list with the latest time.
func TestLatestHolds(t *testing.T) {
	schema := tabletest.Load(t)
	rapid.Check(t, func(t *rapid.T) {
		var events []*event.Event
		type best struct {
			at   int64
			text string
		}
		want, said := map[uint64]best{}, int64(0)
		for range rapid.IntRange(0, 30).Draw(t, "events") {
			e := &event.Event{}
			e.Type = event.TypeTransaction
			e.Time = event.Time{Milli: rapid.SampledFrom([]int64{1767225600000, 1767225600001, 999_999_999_999, 32_503_680_000_000}).Draw(t, "at"), OK: true}
			e.Test = rapid.IntRange(0, 9).Draw(t, "test") == 0
			c := &e.Transaction.Customer
			c.Pseudonym = rapid.SampledFrom([]uint64{0, 1, 7, 1 << 63}).Draw(t, "customer")
			c.Consent.OK = rapid.Bool().Draw(t, "said")
			if c.Consent.OK {
				c.Consent.Value = rapid.SliceOfN(rapid.SampledFrom([]string{"marketing", "profiling", "a\nb"}), 0, 3).Draw(t, "purposes")
			}
			events = append(events, e)
			if e.Test || c.Pseudonym == 0 || !c.Consent.OK {
				continue
			}
			said++
			purposes := map[string]bool{}
			for _, p := range c.Consent.Value {
				purposes[strings.ReplaceAll(p, "\n", " ")] = true
			}
			text := strings.Join(slices.Sorted(maps.Keys(purposes)), "\n")
			if b, ok := want[c.Pseudonym]; !ok || e.Time.Milli > b.at || e.Time.Milli == b.at && text > b.text {
				want[c.Pseudonym] = best{e.Time.Milli, text}
			}
		}
		for range 2 {
			f, got, lists := New(), map[uint64]string{}, int64(0)
			for _, e := range events {
				f.Fold(e, rollup.Input{})
				if rapid.IntRange(0, 5).Draw(t, "seal") == 0 {
					lists += rows(t, schema, f.Seal(rollup.Version{}).Blocks, got)
				}
			}
			lists += rows(t, schema, f.Seal(rollup.Version{}).Blocks, got)
			if len(f.Seal(rollup.Version{}).Blocks) != 0 {
				t.Fatal("an empty batch has blocks")
			}
			expect := map[uint64]string{}
			for c, b := range want {
				expect[c] = fmt.Sprintf("%014d%s", b.at, b.text)
			}
			if !maps.Equal(got, expect) || lists != said {
				t.Fatalf("%v of %d lists, want %v of %d", got, lists, expect, said)
			}
			events = rapid.Permutation(events).Draw(t, "order")
		}
	})
}

// A batch like the last one allocates for its blocks only.
func TestFoldDoesNotAllocate(t *testing.T) {
	f, e := New(), &event.Event{}
	e.Type, e.Transaction.Customer = event.TypeTransaction, event.Customer{Pseudonym: 7, Consent: event.Some([]string{"profiling", "marketing"})}
	if n := testing.AllocsPerRun(100, func() { f.Fold(e, rollup.Input{}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if e.Transaction.Customer.Consent.Value[0] != "profiling" {
		t.Error("the event was changed")
	}
}
