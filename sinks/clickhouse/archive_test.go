package clickhouse

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor/correction"
	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/purchase"
	"github.com/tillstream/tillstream/processor/rollup"
)

// corrector is the two folds that corrections need, with the real tables between batches.
type corrector struct {
	t           *testing.T
	sink        *Sink
	purchases   *purchase.Fold
	corrections *correction.Fold
	state       []rollup.StateRow
	batch       uint64
	offset      int64
}

func newCorrector(t *testing.T, s *Sink) *corrector {
	c := &corrector{t: t, sink: s}
	c.restart()
	return c
}

// restart begins again with what was written.
func (c *corrector) restart() {
	c.purchases = purchase.New(purchase.Config{})
	c.corrections = correction.New(correction.Config{Window: 8 * 24 * time.Hour, Apply: c.purchases.Add, Corrected: func(string, string, int32, int64) {}})
	for _, row := range c.state {
		if err := c.corrections.Load(row); err != nil {
			c.t.Fatal(err)
		}
	}
	c.corrections.Begin("pos.transactions", 0, true)
	c.corrections.Find(func(q correction.Query, row func(correction.Row) error) error {
		return c.sink.Transactions(c.t.Context(), q, rollup.Version{Epoch: 1, Batch: c.batch + 1}, row)
	})
}

func (c *corrector) send(e *event.Event) {
	c.t.Helper()
	in := rollup.Input{Topic: "pos.transactions", Offset: c.offset, Timestamp: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC).UnixMilli() + c.offset*60_000}
	c.offset++
	if len(e.Corrects.IDs) == 0 {
		if c.corrections.Take(e, in, c.corrections.Tick(in)) == correction.Counts {
			c.purchases.Fold(e, in)
		}
		return
	}
	clock, _ := c.corrections.Await(e, in)
	if err := c.corrections.Look(); err != nil {
		c.t.Fatal(err)
	}
	if r := c.corrections.Check(e, in, clock); r != nil {
		c.t.Fatal(r)
	}
	if _, err := c.corrections.Correct(e, in); err != nil {
		c.t.Fatal(err)
	}
}

func (c *corrector) seal() {
	c.t.Helper()
	c.batch++
	v := rollup.Version{Epoch: 1, Batch: c.batch}
	kept := c.corrections.Seal(v)
	c.state = append(c.state, kept.State...)
	for _, b := range append(kept.Blocks, c.purchases.Seal(v).Blocks...) {
		insert(c.t, c.sink, b, "g/0", fmt.Sprint(c.batch), fmt.Sprint(b.Name(), c.batch, c.offset))
	}
}

// bought are sales of a store and what they should have been; nil: never.
func bought(store string) (sales, right []*event.Event) {
	random := rand.New(rand.NewPCG(1, 2))
	one := func(id string) *event.Event {
		e := &event.Event{}
		e.Type, e.ID, e.StoreID, e.TerminalID = event.TypeTransaction, id, store, "t1"
		e.Time = event.Time{Milli: time.Date(2026, 11, 22, 9, random.IntN(180), random.IntN(60), 0, time.UTC).UnixMilli(), Offset: 3600, OK: true}
		x := &e.Transaction
		x.Kind, x.Currency = "sale", "EUR"
		if random.IntN(8) == 0 {
			x.Kind, x.Original = "return", event.Original{TransactionID: "sale 1", Reason: "torn"}
		}
		if random.IntN(3) > 0 {
			x.Customer = event.Customer{Pseudonym: 1<<63 + random.Uint64N(12), Type: "loyalty"}
		}
		for range 1 + random.IntN(3) {
			x.Lines = append(x.Lines, event.Line{ProductID: fmt.Sprint("p", random.IntN(6)), Quantity: 1000, Gross: random.Int64N(3000), Discount: random.Int64N(2)})
		}
		x.Tenders = []event.Tender{{Method: "card", Acquirer: "a", Result: "approved", Amount: 5, AuthorisationMS: event.Some(random.Uint32N(3000))}}
		return e
	}
	for i := range 120 {
		id := fmt.Sprint("sale ", i)
		sales = append(sales, one(id))
		if i%5 > 0 {
			right = append(right, sales[i])
			continue
		}
		right = append(right, one("c "+id))
		if i%15 == 0 {
			right[i].Transaction = event.Transaction{Kind: "no_sale"}
		}
	}
	return sales, right
}

// On the real engine, with everything read back that was written: the views show the same of a store whose sales were corrected, twice, as of one whose
// sales were right at first. Corrections come hours, customers and batches later, some of them before the sale.
func TestViewsAfterCorrections(t *testing.T) {
	s := fresh(t)
	sales, right := bought("was")
	c := newCorrector(t, s)
	for i, e := range sales {
		if e != right[i] && i%10 == 0 {
			interim := *sales[(i+1)%len(sales)]
			interim.ID, interim.Corrects.IDs = "i "+e.ID, []string{e.ID}
			if i%20 == 0 {
				c.send(&interim) // what it corrects has not come
				c.send(e)
			} else {
				c.send(e)
				c.seal()
				c.send(&interim)
			}
			right[i].Corrects.IDs = []string{interim.ID}
		} else {
			c.send(e)
			if e != right[i] {
				right[i].Corrects.IDs = []string{e.ID}
			}
		}
	}
	c.seal()
	c.restart()
	for i, e := range right {
		if e != sales[i] {
			c.send(e)
			if i%25 == 0 {
				c.seal()
			}
		}
	}
	c.seal()

	_, right = bought("right")
	c = newCorrector(t, s)
	c.batch = 1000
	for _, e := range right {
		c.send(e)
	}
	c.seal()

	for view, columns := range map[string]string{
		"sales_hourly":      "hour, local_hour, business_date, channel, currency, transactions, returns, voids, units, gross, discount, tax, net, identified_transactions, loyalty_transactions, customers, basket_value_p50, basket_value_p95",
		"product_sales":     "business_date, product_id, category, currency, units, revenue, discount, baskets, returned_units, promoted_units",
		"customer_days":     "customer, channel, currency, business_date, visits, units, net, discount, first_at, last_at, transactions",
		"payments_hourly":   "service, method, entry_mode, currency, hour, attempts, approved, amount, authorisation_ms_avg, authorisation_ms_p50, authorisation_ms_p95, authorisation_ms_p99",
		"terminal_payments": "terminal_id, hour, attempts, failed, tries, answers",
		"terminal_sales":    "terminal_id, currency, quarter, transactions, net",
		"returns":           "terminal_id, transaction_id, kind, business_date, returned_at, product_id, currency, units, net, reason, original_transaction_id",
	} {
		of := func(store string) []string {
			return ask(t, s, columns, "FROM pos."+view+" WHERE store_id = '"+store+"' ORDER BY ALL")
		}
		was, want := of("was"), of("right")
		if d := cmp.Diff(want, was); d != "" || len(want) == 0 {
			t.Errorf("%s, %d rows (-right at first +corrected)\n%s", view, len(want), d)
		}
	}
	if got := ask(t, s, "count(), countIf(notEmpty(waits_for))", "FROM pos.corrections WHERE store_id = 'was'"); got[0] != "36 0" {
		t.Errorf("corrections and those that wait: %s", got)
	}
	early := *sales[0]
	early.ID, early.Corrects.IDs = "early", []string{"sale 1", "sale 1000", "sale 1001"}
	c.send(&early)
	c.seal()
	if got := ask(t, s, "store_id, event_id, waits_for", "FROM pos.corrections WHERE notEmpty(waits_for)"); strings.Join(got, "") != "was early ['sale 1000','sale 1001']" {
		t.Errorf("corrections that wait: %s", got)
	}

	// What older versions kept, a row each, is seen with the rest: one that was waited for, a correction that both versions wrote of one batch, and one that only the older did.
	do(t, s, `INSERT INTO tillstream.transactions (lane, key, at, topic, partition, offset, store_id, terminal_id, id, corrects, events, keep_days)
		SELECT '', xxHash64(concat(store_id, char(0), terminal_id, char(0), x.1)), at, topic, partition, offset, store_id, terminal_id, x.1 AS id, x.2, 1, 99 FROM tillstream.transaction_packs
		ARRAY JOIN [('early', corrects), ('sale 1000', []), ('older', ['sale 2', 'sale 1002'])] AS x WHERE ids = ['early']`)
	if got := ask(t, s, "store_id, event_id, waits_for", "FROM pos.corrections WHERE notEmpty(waits_for) ORDER BY event_id"); strings.Join(got, ", ") != "was early ['sale 1001'], was older ['sale 1002']" {
		t.Errorf("corrections that wait, with those that older versions kept: %s", got)
	}
}

// A replay finds what the batch found: nothing of itself or of later batches, what is of epochs before told from what is not, and what a till has not yet got rid of. It is the same
// for what versions wrote that kept transactions one row each, and what two versions wrote of one batch is found once.
func TestTransactionsAsOfABatch(t *testing.T) {
	s := fresh(t)
	monday := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC).UnixMilli()
	var till uint64
	put := func(v rollup.Version, partition int32, offset int64, ids ...string) {
		f := correction.New(correction.Config{Window: time.Hour, Apply: func(*event.Event, int64) {}})
		for _, id := range ids {
			e := &event.Event{}
			e.Type, e.ID, e.StoreID, e.TerminalID, e.Transaction.Kind = event.TypeTransaction, id, "s1", "t1", "sale"
			e.Transaction.Customer.Pseudonym = 1<<63 + uint64(offset)
			in := rollup.Input{Topic: "pos.transactions", Partition: partition, Offset: offset, Timestamp: monday + offset}
			f.Take(e, in, f.Tick(in))
			offset++
		}
		b := f.Seal(v).Blocks[0]
		if b.Rows != 1 {
			t.Fatalf("%d packs of %d transactions of a till", b.Rows, len(ids))
		}
		insert(t, s, b, "g/0", fmt.Sprint(v), fmt.Sprint(v, partition, offset))
		till = b.Columns[0].Data.([]uint64)[1]
	}
	put(rollup.Version{Epoch: 1, Batch: 9}, 0, 1, "a") // in the epoch before, where its store was in another partition
	put(rollup.Version{Epoch: 2, Batch: 3}, 1, 1, "a2", "c", "b")
	put(rollup.Version{Epoch: 2, Batch: 3}, 0, 3, "b") // of another lane
	put(rollup.Version{Epoch: 2, Batch: 4}, 1, 6, "b") // of the batch itself
	put(rollup.Version{Epoch: 2, Batch: 3}, 1, 7, "c") // not asked for
	do(t, s, "INSERT INTO tillstream.transactions (lane, key, at, version, topic, partition, offset, store_id, terminal_id, id, customer, superseded, content, events, keep_days) "+
		"SELECT '', xxHash64(concat(store_id, char(0), terminal_id, char(0), if(i = 'c', 'd', i) AS id)), fromUnixTimestamp64Milli(m), version, topic, partition, o, store_id, terminal_id, id, c, 0, x, 1, 99 "+
		"FROM tillstream.transaction_packs ARRAY JOIN ids AS i, offsets AS o, at_ms AS m, customers AS c, contents AS x WHERE partition = 1 AND o IN (2, 3)")
	do(t, s, "INSERT INTO tillstream.transaction_packs SELECT * REPLACE (1 AS superseded, 9 AS offset, [9] AS offsets) FROM tillstream.transaction_packs WHERE ids = ['a']")
	do(t, s, "INSERT INTO tillstream.transaction_packs SELECT * REPLACE ('pos.web' AS topic, 10 AS offset, [10] AS offsets) FROM tillstream.transaction_packs WHERE ids = ['a'] AND NOT superseded")
	find := func(since int64) string {
		q := correction.Query{Since: monday + since}
		for _, id := range []string{"a", "a2", "b", "d", "no"} {
			q.Keys = append(q.Keys, correction.Key{Till: till, Event: xxhash.Sum64String("s1\x00t1\x00" + id)})
		}
		var found []string
		err := s.Transactions(t.Context(), q, rollup.Version{Epoch: 2, Batch: 4}, func(r correction.Row) error {
			var e event.Event
			if err := r.Event(&e); err != nil {
				t.Error(err)
			}
			if r.Key != xxhash.Sum64String("s1\x00t1\x00"+r.ID) || r.StoreID != "s1" || r.TerminalID != "t1" || r.Correction || e.Transaction.Kind != "sale" {
				t.Errorf("found %+v", r)
			}
			if r.At != monday+int64(e.Transaction.Customer.Pseudonym-1<<63) {
				t.Errorf("found %+v", r)
			}
			found = append(found, fmt.Sprintf("%s %s:%d@%d %t", r.ID, r.Topic, r.Partition, r.Offset, r.Old))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(found)
		return strings.Join(found, ", ")
	}
	const since2 = "b pos.transactions:0@3 false, b pos.transactions:1@3 false, d pos.transactions:1@2 false"
	if got, want := find(0), "a pos.transactions:0@1 true, a pos.web:0@10 true, a2 pos.transactions:1@1 false, "+since2; got != want {
		t.Errorf("found %q, want %q", got, want)
	}
	if got, want := find(2), since2; got != want {
		t.Errorf("found %q since the second, want %q", got, want)
	}
}
