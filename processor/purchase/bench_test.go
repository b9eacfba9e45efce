package purchase

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
	"github.com/tillstream/tillstream/processor/table/tabletest"
)

// baskets makes sales of three lines and one card payment: 100 stores, 1,000 products, an hour, every second customer known.
func baskets(n int) []event.Event {
	random := rand.New(rand.NewPCG(1, 2))
	events := make([]event.Event, n)
	for i := range events {
		e := &events[i]
		e.Type, e.StoreID, e.TerminalID = event.TypeTransaction, fmt.Sprintf("store-%03d", random.IntN(100)), "till-1"
		e.Time = event.Time{Milli: 1_772_452_800_000 + random.Int64N(3_600_000), Offset: 3600, OK: true}
		x := &e.Transaction
		x.Kind, x.Channel, x.Currency = "sale", "store", "EUR"
		if i%2 == 0 {
			x.Customer = event.Customer{Pseudonym: 1 + random.Uint64N(5000), Type: "loyalty"}
		}
		for range 3 {
			p := random.IntN(1000)
			x.Lines = append(x.Lines, event.Line{
				ProductID: fmt.Sprint(4_000_000_000_000 + p*7919), Category: fmt.Sprint("category-", p%40),
				Quantity: 1000, Gross: 250, Discount: 10, Tax: 16,
			})
		}
		x.Tenders = []event.Tender{{
			Method: "card", EntryMode: "contactless", Acquirer: "acquirer-1", Amount: 720, Result: "approved", AuthorisationMS: event.Some[uint32](420),
		}}
	}
	return events
}

// When too many strings have been seen all are forgotten between two batches; no row may show it.
func TestForgetsNames(t *testing.T) {
	events := baskets(100)
	long := baskets(1)
	blocks := func(f *Fold) []string {
		for i := range events {
			f.Fold(&events[i], rollup.Input{})
		}
		c := tabletest.Content{}
		tabletest.Load(t).Add(c, f.Seal(rollup.Version{}).Blocks)
		return c.Lines()
	}
	f := New(Config{})
	want := blocks(f)
	for i := range 70 {
		long[0].Transaction.Lines[0].ProductID = strings.Repeat(string(rune('0'+i)), 1<<20)
		f.Fold(&long[0], rollup.Input{})
	}
	before := f.names.Len()
	f.Seal(rollup.Version{})
	if after := f.names.Len(); after > 1 {
		t.Fatalf("%d of %d strings kept, want the empty one", after, before)
	}
	f.names.ID("another one that takes a number")
	if diff := cmp.Diff(want, blocks(f)); diff != "" {
		t.Error(diff)
	}
}

// A batch of known keys, folded and sealed over and over, allocates while sealing only.
func TestNoAllocations(t *testing.T) {
	events := baskets(1000)
	f := New(Config{})
	fold := func() {
		for i := range events {
			f.Fold(&events[i], rollup.Input{})
		}
	}
	for range 3 {
		fold()
		fold()
		f.Seal(rollup.Version{})
	}
	if n := testing.AllocsPerRun(1, fold); n != 0 { // it folds twice: once to warm up
		t.Errorf("%v allocations for a batch like the last one, want none", n)
	}
}

// One event is used again and again, as the decoder does: what is measured is the fold, on some 100,000 keys, not fetching events
// from memory.
func BenchmarkFold3Lines(b *testing.B) {
	samples := baskets(30_000)
	e := samples[0]
	e.Transaction.Lines = slices.Clone(e.Transaction.Lines)
	type variant struct {
		store    string
		customer uint64
		at       int64
		products [3][2]string
	}
	variants := make([]variant, len(samples))
	for i := range samples {
		s := &samples[i]
		variants[i] = variant{store: s.StoreID, customer: s.Transaction.Customer.Pseudonym, at: s.Time.Milli}
		for j, l := range s.Transaction.Lines {
			variants[i].products[j] = [2]string{l.ProductID, l.Category}
		}
	}
	clear(samples)
	f := New(Config{})
	fold := func(i int) {
		v := &variants[i%len(variants)]
		e.StoreID, e.Transaction.Customer.Pseudonym, e.Time.Milli = v.store, v.customer, v.at
		for j, p := range v.products {
			e.Transaction.Lines[j].ProductID, e.Transaction.Lines[j].Category = p[0], p[1]
		}
		f.Fold(&e, rollup.Input{})
	}
	for i := range 100_000 { // a batch, so that what follows is like the last one
		fold(i)
	}
	keys := f.sales.Len() + f.products.Len() + f.customers.Len() + f.payments.Len() + f.terminals.Len()
	f.Seal(rollup.Version{})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		fold(i)
		if i%100_000 == 99_999 {
			b.StopTimer()
			f.Seal(rollup.Version{})
			b.StartTimer()
		}
	}
	b.ReportMetric(float64(keys), "keys")
}

func BenchmarkSeal(b *testing.B) {
	events := baskets(100_000)
	f := New(Config{})
	rows := 0
	for b.Loop() {
		b.StopTimer()
		for i := range events {
			f.Fold(&events[i], rollup.Input{})
		}
		b.StartTimer()
		rows = 0
		for _, blk := range f.Seal(rollup.Version{}).Blocks {
			rows += blk.Rows
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows), "ns/row")
	b.ReportMetric(float64(rows), "rows")
}
