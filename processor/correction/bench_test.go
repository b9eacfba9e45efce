package correction

import (
	"fmt"
	"testing"
	"time"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
)

// What keeping a sale of three lines and one tender costs, its share of Seal aside.
func BenchmarkKeep3Lines(b *testing.B) {
	f := New(Config{Window: 8 * 24 * time.Hour})
	f.Begin("pos.transactions", 3, true)
	e := &event.Event{}
	e.Type, e.StoreID, e.TerminalID, e.Time = event.TypeTransaction, "0042", "t-17", event.Time{Milli: 1_772_452_800_000, Offset: 3600, OK: true}
	e.Transaction = event.Transaction{
		Kind: "sale", Channel: "store", Currency: "EUR", Customer: event.Customer{Pseudonym: 7, Type: "loyalty"},
		Tenders: []event.Tender{{Method: "card", EntryMode: "contactless", Acquirer: "acquirer-1", Amount: 720, Result: "approved", AuthorisationMS: event.Some[uint32](420)}},
	}
	for i := range 3 {
		e.Transaction.Lines = append(e.Transaction.Lines, event.Line{ProductID: fmt.Sprint(4_000_000_000_000 + i), Category: "category-7", Quantity: 1000, Gross: 250, Discount: 10, Tax: 16})
	}
	ids := make([]string, 20_000)
	for i := range ids {
		ids[i] = fmt.Sprint("0042-t-17-", i)
	}
	in := rollup.Input{Topic: "pos.transactions", Partition: 3, Timestamp: e.Time.Milli}
	keep := func(i int) {
		e.ID, in.Offset = ids[i%len(ids)], int64(i)
		f.Take(e, in, f.Tick(in))
	}
	for i := range ids {
		keep(i)
	}
	f.Seal(rollup.Version{})
	b.ReportAllocs()
	bytes := 0
	for i := 0; b.Loop(); i++ {
		keep(i)
		if i%len(ids) == len(ids)-1 {
			b.StopTimer()
			bytes = f.texts.bytes / len(ids)
			f.Seal(rollup.Version{})
			b.StartTimer()
		}
	}
	b.ReportMetric(float64(bytes), "bytes")
}
