package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/availability"
	"github.com/tillstream/tillstream/processor/commit"
	"github.com/tillstream/tillstream/processor/consent"
	"github.com/tillstream/tillstream/processor/correction"
	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/incident"
	"github.com/tillstream/tillstream/processor/journey"
	"github.com/tillstream/tillstream/processor/purchase"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/rollup"
)

var (
	v1    = rollup.Version{Epoch: 1, Batch: 1}
	v2    = rollup.Version{Epoch: 1, Batch: 2}
	tills = []till{{"s1", "t1"}, {"s2", "t2"}}
)

func ownerOf(group string, partition int32) string { return fmt.Sprintf("%s#%d", group, partition) }

// everyBlock is one block for every table that batches are written to.
func everyBlock() []*rollup.Block {
	incidents, _ := incidentBlocks()
	orders, _ := orderBlocks()
	return append(slices.Concat(incidents, orders, storeBlocks(), marketingBlocks(), returnBlocks()),
		salesBlock(sale{"s1", 2, 250, []uint64{7, 1 << 63}, 300, -1}, sale{"s2", 2, -50, nil, 0, 0}),
		productBlock("s1", "s2"), customerBlock("s1", "s2"), paymentBlock("s1", "s2"), tillBlock("s1", "s2"), triesBlock("s1", "s2"), qualityBlock("t1", "t2"),
		hoursBlock(v1, tills...), intervalsBlock(v1, tills...), outagesBlock(v1, tills...), statusBlock(v1, tills...),
		lettersBlock([2]int64{0, 7}, [2]int64{1, 8}), ledgerBlock("g/0", 1, [3]int64{0, 0, 10}, [3]int64{1, 0, 20}),
		stateBlock("g", v1, rollup.StateRow{Kind: "terminal", Key: "s1\x00t1", Value: []byte{0, 255, '\n', '\n', '"'}}),
		rollup.NewBlock(commit.ClaimTable, 0, 0), consentBlock(),
	)
}

// consentBlock is that of the fold itself.
func consentBlock() *rollup.Block {
	f, e := consent.New(), &event.Event{}
	e.Type, e.Time = event.TypeTransaction, event.Time{Milli: 1_767_225_600_123, OK: true}
	e.Transaction.Customer = event.Customer{Pseudonym: 1 << 63, Consent: event.Some([]string{"profiling", "marketing"})}
	f.Fold(e, rollup.Input{})
	return f.Seal(v1).Blocks[0]
}

// returnBlocks are those of the folds themselves, of a return that corrects another event.
func returnBlocks() (blocks []*rollup.Block) {
	e := &event.Event{}
	e.Type, e.ID, e.StoreID, e.TerminalID, e.Corrects.IDs = event.TypeTransaction, "t1/8", "s1", "t1", []string{"t1/7"}
	e.Time = event.Time{Milli: (int64(nov1+2)*24 + 10) * 3_600_000, OK: true}
	e.Transaction = event.Transaction{
		Kind: "return", Currency: "EUR", Customer: event.Customer{Pseudonym: 1 << 63}, Lines: []event.Line{{ProductID: "p1", Category: "c", Quantity: 1000, Gross: 250}},
		Original: event.Original{TransactionID: "t9/1", StoreID: "s9", Sequence: event.Some[uint64](1), BusinessDate: event.Some(int32(nov1)), Reason: "torn"},
	}
	purchases := purchase.New(purchase.Config{})
	kept := correction.New(correction.Config{Window: time.Hour, Apply: purchases.Add})
	in := rollup.Input{Topic: "pos.transactions", Offset: 5, Timestamp: e.Time.Milli + 1}
	clock, _ := kept.Await(e, in)
	if err := kept.Look(); err != nil {
		panic(err)
	}
	kept.Check(e, in, clock)
	if _, err := kept.Correct(e, in); err != nil {
		panic(err)
	}
	for _, b := range purchases.Seal(v1).Blocks {
		if b.Table == "returns" {
			blocks = append(blocks, b)
		}
	}
	return append(blocks, kept.Seal(v1).Blocks...)
}

// storeBlocks are those of the fold itself, of a store as a whole: open from 9 to 20, its only till down from 10 to 11.
func storeBlocks() (blocks []*rollup.Block) {
	text, err := registry.ReadState([]byte(`{"store_id":"s1","revision":1,"store":{"versions":[{"timezone":"UTC","calendar":{"week":{"tue":["09:00-20:00"]}}}],"terminals":[]}}`))
	if err != nil {
		panic(err)
	}
	f := availability.New(availability.Config{}, nil, nil)
	const ten = (int64(nov1+2)*24 + 10) * 3_600_000
	for at, status := range map[int64]string{ten: "down", ten + 3_600_000: "up"} {
		e := &event.Event{}
		e.Type, e.StoreID, e.TerminalID, e.Time, e.Health.Status = event.TypeHealth, "s1", "t1", event.Time{Milli: at, OK: true}, status
		f.Fold(e, rollup.Input{})
	}
	e := &event.Event{Body: text}
	e.Type, e.StoreID, e.Time = event.TypeRegistry, "s1", event.Time{Milli: ten, OK: true}
	f.Fold(e, rollup.Input{})
	for _, b := range f.Seal(v1).Blocks {
		if strings.HasPrefix(b.Table, "store_") || b.Table == "service_windows" {
			blocks = append(blocks, b)
		}
	}
	return blocks
}

// incidentBlocks are those of the fold itself, of an incident with one step and maintenance with three, and its state.
func incidentBlocks() ([]*rollup.Block, []rollup.StateRow) {
	f := incident.New()
	for i, said := range []string{
		`"type":"pos.incident.v1","incident_id":"i1","step":"opened","party":"provider","by":"ann","scope":{"terminals":["t2","t1"],"services":[]}`,
		`"type":"pos.maintenance.v1","maintenance_id":"m1","step":"announced","window":{"start":"2026-11-03T09:00:00Z","end":"2026-11-03T12:00:00Z"}`,
		`"type":"pos.maintenance.v1","maintenance_id":"m1","step":"approved","approved_by":"bob"`, `"type":"pos.maintenance.v1","maintenance_id":"m1","step":"started"`,
	} {
		var e event.Event
		value := fmt.Appendf(nil, `{"id":"%d","source":"desk","time":"2026-11-03T10:00:00.123Z","store_id":"s1",%s}`, i, said)
		if r := event.NewDecoder(event.Options{Bodies: incident.Bodies()}).Decode(value, &e); r != nil {
			panic(r)
		}
		f.Fold(&e, rollup.Input{})
	}
	s := f.Seal(v1)
	return s.Blocks, s.State
}

// marketingBlocks are those of the fold itself, of a sale of two lines to a customer, one of them promoted.
func marketingBlocks() (blocks []*rollup.Block) {
	f, e := purchase.New(purchase.Config{}), &event.Event{}
	e.Type, e.StoreID, e.Time = event.TypeTransaction, "s1", event.Time{Milli: (int64(nov1+2)*24 + 10) * 3_600_000, OK: true}
	e.Transaction = event.Transaction{
		Kind: "sale", Currency: "EUR", Channel: "store", Customer: event.Customer{Pseudonym: 1 << 63},
		Lines: []event.Line{
			{ProductID: "p1", Category: "c1", Quantity: 1000, Gross: 250, Discount: 50, Promotions: []event.Promotion{{PromotionID: "pr", Amount: 50}}},
			{ProductID: "p2", Category: "c2", Quantity: 2000, Gross: 100},
		},
		Tenders: []event.Tender{{Method: "card", EntryMode: "contactless", Wallet: "apple_pay", Amount: 300, Result: "approved"}},
	}
	f.Fold(e, rollup.Input{})
	for _, b := range f.Seal(v1).Blocks {
		switch b.Table {
		case "payment_days", "basket_pairs", "customer_items", "customer_hours", "promotion_days":
			blocks = append(blocks, b)
		}
	}
	return blocks
}

// orderBlocks are those of the fold itself, of an order with one step, and its state.
func orderBlocks() ([]*rollup.Block, []rollup.StateRow) {
	f := journey.New(journey.Config{}, availability.New(availability.Config{}, nil, nil))
	var e event.Event
	value := []byte(`{"id":"1","source":"shop","type":"pos.order.v1","time":"2026-11-03T10:00:00.123Z","store_id":"s1","order_id":"o1","step":"placed","mode":"locker"}`)
	if r := event.NewDecoder(event.Options{Bodies: journey.Bodies()}).Decode(value, &e); r != nil {
		panic(r)
	}
	f.Fold(&e, rollup.Input{})
	s := f.Seal(v1)
	return s.Blocks, s.State
}

// group is what a table whose rows are too many to list is asked by.
func group(table string) string {
	if table == "service_windows" {
		return " GROUP BY lane, mark, store_id"
	}
	return ""
}

// Both protocols must bring every column of every table in, as one part, values unchanged.
func TestInsertBringsEveryTypeIn(t *testing.T) {
	want := map[string][]string{
		"claims lane, mark, epoch": {"g/0 mark 0"},
		"sales_hourly lane, mark, store_id, business_date, hour, local_hour, channel, currency, transactions, units, gross, tax, net, arraySum(customer_counts.2), arraySum(basket_counts.2)": {
			"  s1 2026-11-03 2026-11-03 09:00:00 10 store EUR 1 1000 300 -1 250 2 1", "  s2 2026-11-03 2026-11-03 09:00:00 10 store EUR 1 1000 0 0 -50 0 1",
			"g/0 mark  2026-11-01 1970-01-01 00:00:00 0   2 2000 300 -1 200 0 0",
		},
		"order_journeys lane, mark, store_id, order_id, first_ms, placed_ms, ready_ms, mode_said, placed_day_held, added_held": {
			"  s1 o1 1793700000123 1793700000123 9223372036854775807 01793700000123locker 982062999998760000000109951162777720760 ", "g/0 mark   0 0 0   ",
		},
		"product_sales lane, mark, store_id, business_date, product_id, category, currency, units, revenue, baskets": {
			"  s1 2026-11-03 p1  EUR 1000 250 1", "  s2 2026-11-03 p1  EUR 1000 250 1", "g/0 mark  2026-11-01    2000 500 2",
		},
		"customer_days lane, mark, customer, business_date, store_id, channel, currency, transactions, units, net, first_at, last_at": {
			"  1 2026-11-03 s1 store EUR 1 1000 250 2026-11-03 10:00:00 2026-11-03 10:00:00", "  2 2026-11-03 s2 store EUR 1 1000 250 2026-11-03 10:00:00 2026-11-03 10:00:00",
			"g/0 mark 0 2026-11-01    2 2000 500 1970-01-01 00:00:00 1970-01-01 00:00:00",
		},
		"payments_hourly lane, mark, store_id, hour, service, method, entry_mode, currency, attempts, amount, auth_ms, auth_n, auth_counts.1[1], auth_counts.2[1]": {
			"  s1 2026-11-03 00:00:00 acme card  EUR 1 250 300 1 300 1", "  s2 2026-11-03 00:00:00 acme card  EUR 1 250 300 1 300 1", "g/0 mark  2026-11-01 00:00:00     2 500 600 2 0 0",
		},
		"terminal_sales lane, mark, hour, store_id, terminal_id, currency, transactions_00, transactions_45, net_00, net_45, last_at": {
			"  2026-11-03 00:00:00 s1 t1 EUR 1 1 250 250 2026-11-03 00:59:59", "  2026-11-03 00:00:00 s2 t2 EUR 1 1 250 250 2026-11-03 00:59:59", "g/0 mark 2026-11-01 00:00:00    2 2 500 500 1970-01-01 00:00:00",
		},
		"terminal_payments lane, mark, store_id, hour, terminal_id, attempts, failed, tries, auth_counts": {
			"  s1 2026-11-03 00:00:00 t1 2 1 ([3599],[2],[1]) ([300],[2])", "  s2 2026-11-03 00:00:00 t2 2 1 ([3599],[2],[1]) ([300],[2])", "g/0 mark  2026-11-01 00:00:00  4 2 ([],[],[]) ([],[])",
		},
		"returns lane, mark, business_date, store_id, terminal_id, transaction_id, product_id, category, currency, kind, returned_at, original_transaction_id, original_store_id, original_sequence, original_business_date, reason, lines, units, net": {
			"  2026-11-03 s1 t1 t1/8 p1 c EUR return 2026-11-03 10:00:00 t9/1 s9 1 2026-11-01 torn 1 1000 250", "g/0 mark 2026-11-01        1970-01-01 00:00:00   0 1970-01-01  1 1000 250",
		},
		"transaction_packs lane, mark, till = xxHash64(concat(topic,char(0),store_id,char(0),terminal_id)), at, version, topic, partition, offset, store_id, terminal_id, corrects, superseded, ids, offsets, at_ms, customers, length(contents[1]) > 20, events, keep_days": {
			"  1 2026-11-03 10:00:00.001 1099511627777 pos.transactions 0 5 s1 t1 ['t1/7'] 0 ['t1/8'] [5] [1793700000001] [9223372036854775808] 1 1 15", "g/0 mark 0 2026-11-01 00:00:00.000 1099511627777  0 0   [] 0 [] [] [] [] 0 1 15",
		},
		"data_quality lane, mark, topic, terminal_id, business_date, accepted, missing, skew_min, skew_max": {
			"  pos.transactions t1 2026-11-03 5 -1 0 7", "  pos.transactions t2 2026-11-03 5 -1 0 7", "g/0 mark   2026-11-01 10 -2 0 0",
		},
		"availability_hourly lane, mark, store_id, terminal_id, hour, version, up_ms, down_ms, response_ms_avg, evidence, responses, unheard_until, unheard_ms": {
			"  s1 t1 2026-11-03 09:00:00 1099511627777 3000000 0 12.5 3 [12,13] [3599999] [1099511627776]", "  s1 t1 2026-11-03 10:00:00 1099511627777 3600000 0 12.5 3 [12,13] [3599999] [1099511627776]",
			"  s1 t1 2026-11-03 11:00:00 1099511627777 3600000 0 12.5 3 [12,13] [3599999] [1099511627776]", "  s1 t1 2026-11-03 12:00:00 1099511627777 600000 0 12.5 3 [12,13] [3599999] [1099511627776]",
			"  s2 t2 2026-11-03 09:00:00 1099511627777 3000000 0 12.5 3 [12,13] [3599999] [1099511627776]", "  s2 t2 2026-11-03 10:00:00 1099511627777 3600000 0 12.5 3 [12,13] [3599999] [1099511627776]",
			"  s2 t2 2026-11-03 11:00:00 1099511627777 3600000 0 12.5 3 [12,13] [3599999] [1099511627776]", "  s2 t2 2026-11-03 12:00:00 1099511627777 600000 0 12.5 3 [12,13] [3599999] [1099511627776]",
			"g/0 mark   2026-11-01 00:00:00 1099511627777 0 0 0 0 [] [] []",
		},
		"status_intervals lane, mark, store_id, terminal_id, started_at, version, deleted, status, ended_at, holds_until, cardless": {
			"  s1 t1 2026-11-03 09:10:00.000 1099511627777 0 up 2026-11-03 10:10:00.001 NULL 0", "  s1 t1 2026-11-03 10:10:00.001 1099511627777 0 degraded NULL 2026-11-03 12:13:00.001 1",
			"  s2 t2 2026-11-03 09:10:00.000 1099511627777 0 up 2026-11-03 10:10:00.001 NULL 0", "  s2 t2 2026-11-03 10:10:00.001 1099511627777 0 degraded NULL 2026-11-03 12:13:00.001 1",
			"g/0 mark   2026-11-01 00:00:00.000 1099511627777 0  1970-01-01 00:00:00.000 1970-01-01 00:00:00.000 0",
		},
		"outages lane, mark, store_id, terminal_id, started_at, version, deleted, outage_id, resolved_at, repair_ms, service_ms": {
			"  s1 t1 2026-11-03 09:09:59.999 1099511627777 0 t1/1 2026-11-03 09:10:00.000 1 1", "  s2 t2 2026-11-03 09:09:59.999 1099511627777 0 t2/1 2026-11-03 09:10:00.000 1 1",
			"g/0 mark   2026-11-01 00:00:00.000 1099511627777 0  1970-01-01 00:00:00.000 0 0",
		},
		"terminal_status lane, mark, store_id, terminal_id, version, status, since, first_seen, last_seen, holds_until, hours, intervals, outages, service_next, offline_backlog, oldest_unsent_at, battery_pct, printer, clock_skew_ms, clock_shift_ms": {
			"  s1 t1 1099511627777 degraded 2026-11-03 09:10:00.000 2026-11-03 09:10:00.000 2026-11-03 12:10:00.000 2026-11-03 12:13:00.001 4 2 1 ['1970-01-01 00:00:00','2026-11-03 10:00:00'] 3 NULL NULL ok -61000 -62000",
			"  s2 t2 1099511627777 degraded 2026-11-03 09:10:00.000 2026-11-03 09:10:00.000 2026-11-03 12:10:00.000 2026-11-03 12:13:00.001 4 2 1 ['1970-01-01 00:00:00','2026-11-03 10:00:00'] 3 2026-11-03 12:09:59.995 77 ok -61000 -62000",
			"g/0 mark   1099511627777  1970-01-01 00:00:00.000 1970-01-01 00:00:00.000 1970-01-01 00:00:00.000 1970-01-01 00:00:00.000 0 0 0 [] 0 1970-01-01 00:00:00.000 0  0 0",
		},
		"dead_letters lane, mark, topic, partition, offset, at, reason, field, expected": {
			"  pos.transactions 0 7 2026-11-03 12:10:00.000 bad_time time RFC 3339", "  pos.transactions 1 8 2026-11-03 12:10:00.000 bad_time time RFC 3339", "g/0 mark  0 0 2026-11-01 00:00:00.000   ",
		},
		"ledger lane, mark, topic, partition, epoch, day, from_offset, to_offset, records, duplicates, rejected, written_at": {
			"g/0  pos.transactions 0 1 2026-11-03 0 10 8 1 1 2026-11-03 12:10:00.000", "g/0  pos.transactions 1 1 2026-11-03 0 20 17 2 1 2026-11-03 12:10:00.000", "g/0 mark  0 0 2026-11-01 0 0 25 3 2 1970-01-01 00:00:00.000",
		},
		"incidents lane, mark, store_id, incident_id, version, status, terminals, services, started_at, detected_at, opened_at, resolved_at, paused_ms, reopened, party, rule, decided_by, decided_at, disordered, steps": {
			"  s1 i1 1099511627777 open ['t1','t2'] [] 2026-11-03 10:00:00.123 NULL 2026-11-03 10:00:00.123 NULL 0 0 provider incident:opened ann 2026-11-03 10:00:00.123 0 1",
			"g/0 mark   1099511627777  [] [] 1970-01-01 00:00:00.000 1970-01-01 00:00:00.000 1970-01-01 00:00:00.000 1970-01-01 00:00:00.000 0 0    1970-01-01 00:00:00.000 0 0",
		},
		"incident_steps lane, mark, store_id, incident_id, at, sequence, source, event_id, version, deleted, step, by, party, started_at, scoped, terminals": {
			"  s1 i1 2026-11-03 10:00:00.123 0 desk 0 1099511627777 0 opened ann provider NULL 1 ['t1','t2']", "g/0 mark   1970-01-01 00:00:00.000 0   1099511627777 0    1970-01-01 00:00:00.000 0 []",
		},
		"maintenance lane, mark, store_id, maintenance_id, version, status, terminals, announced_at, approved_at, approved_by, started_at, ended_at, window_start, window_end, excluded_from, excluded_to, excluded_ms": {
			"  s1 m1 1099511627777 started [] 2026-11-03 10:00:00.123 2026-11-03 10:00:00.123 bob 2026-11-03 10:00:00.123 NULL 2026-11-03 09:00:00.000 2026-11-03 12:00:00.000 [1793700000123] [1793707200000] 7199877",
			"g/0 mark   1099511627777  [] 1970-01-01 00:00:00.000 1970-01-01 00:00:00.000  1970-01-01 00:00:00.000 1970-01-01 00:00:00.000 1970-01-01 00:00:00.000 1970-01-01 00:00:00.000 [] [] 0",
		},
		"store_availability_hourly lane, mark, store_id, hour, version, service_ms, quorum_down_ms, excluded_ms, unknown_ms": {
			"  s1 2026-11-03 10:00:00 1099511627777 3600000 3600000 0 0", "g/0 mark  2026-11-01 00:00:00 1099511627777 0 0 0 0",
		},
		"store_outages lane, mark, store_id, started_at, version, deleted, outage_id, resolved_at, repair_ms, service_ms": {
			"  s1 2026-11-03 10:00:00.000 1099511627777 0 store:s1/2026-11-03T10:00:00.000Z 2026-11-03 11:00:00.000 3600000 3600000",
			"g/0 mark  2026-11-01 00:00:00.000 1099511627777 0  1970-01-01 00:00:00.000 0 0",
		},
		"store_status lane, mark, store_id, version, status, since, last_seen, holds_until, tills, tills_able, tills_unknown, sell_quorum, registered": {
			"  s1 1099511627777 up 2026-11-03 11:00:00.000 2026-11-03 11:00:00.000 2026-11-03 11:03:00.000 1 1 0 1 1",
			"g/0 mark  1099511627777  1970-01-01 00:00:00.000 1970-01-01 00:00:00.000 1970-01-01 00:00:00.000 0 0 0 0 0",
		},
		"service_windows lane, mark, store_id, count(), min(month), max(month), min(opens[1]), min(closes[1])": {
			"  s1 27 2025-10-01 2027-12-01 2025-10-07 09:00:00 2025-10-07 20:00:00", "g/0 mark  1 1970-01-01 1970-01-01 1970-01-01 00:00:00 1970-01-01 00:00:00",
		},
		"payment_days lane, mark, business_date, store_id, method, entry_mode, wallet, currency, payments, amount": {
			"  2026-11-03 s1 card contactless apple_pay EUR 1 300",
			"g/0 mark 2026-11-01      1 300",
		},
		"basket_pairs lane, mark, business_date, store_id, level, left, right, baskets, huge": {
			"  2026-11-03 s1 category   1 0",
			"  2026-11-03 s1 category c1  1 0",
			"  2026-11-03 s1 category c1 c2 1 0",
			"  2026-11-03 s1 category c2  1 0",
			"g/0 mark 2026-11-01     4 0",
		},
		"customer_items lane, mark, business_date, customer, store_id, channel, currency, category, product_id, units, revenue": {
			"  2026-11-03 9223372036854775808 s1 store EUR c1 p1 1000 200",
			"  2026-11-03 9223372036854775808 s1 store EUR c2 p2 2000 100",
			"g/0 mark 2026-11-01 0      3000 300",
		},
		"customer_hours lane, mark, business_date, customer, store_id, channel, currency, local_hour, method, transactions": {
			"  2026-11-03 9223372036854775808 s1 store EUR 10 card 1",
			"g/0 mark 2026-11-01 0    0  1",
		},
		"promotion_days lane, mark, business_date, promotion_id, store_id, product_id, category, currency, units, revenue, discount": {
			"  2026-11-03 pr s1 p1 c1 EUR 1000 200 50",
			"g/0 mark 2026-11-01      1000 200 50",
		},
		"customer_consent lane, mark, customer, latest, lists": {"  9223372036854775808 01767225600123marketing\nprofiling 1", "g/0 mark 0  1"},
		"state lane, mark, kind, hex(key), version, deleted, hex(value)": {
			"g#0  terminal 7331007431 1099511627777 0 00FF0A0A22", "g/0 mark   1099511627777 0 ",
		},
	}
	for name, f := range map[string]func(*Config){
		"http": nil, "native": overNative, "http zstd": func(c *Config) { c.Compression = "zstd" },
		"native lz4": func(c *Config) { overNative(c); c.Compression = "lz4" },
	} {
		t.Run(name, func(t *testing.T) {
			fresh(t)
			s := open(t, f)
			for _, b := range everyBlock() {
				insert(t, s, b, "g/0", "mark", "token/"+b.Name())
			}
			for key, rows := range want {
				table, columns, _ := strings.Cut(key, " ")
				if diff := cmp.Diff(rows, ask(t, s, columns, "FROM tillstream."+table+group(table)+" ORDER BY ALL")); diff != "" {
					t.Errorf("%s\n%s", table, diff)
				}
			}
			tables, err := s.tables(t.Context())
			delete(tables, correction.RowsTable) // nothing is written there any more
			if err != nil || len(tables) != len(want) {
				t.Fatalf("%d tables, %d tested: %v", len(tables), len(want), err)
			}
			// one INSERT, one part: nothing has been merged yet
			if diff := cmp.Diff([]string{"31"}, ask(t, s, "count()", "FROM system.parts WHERE database = 'tillstream' AND min_block_number = max_block_number AND table NOT IN ('schema_migrations', 'streams', 'settings', 'losses', 'dead_letter_replays')")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A large block is still one part.
func TestInsertMakesOnePart(t *testing.T) {
	s := fresh(t)
	stores := make([]string, 100_000)
	for i := range stores {
		stores[i] = fmt.Sprintf("store-%06d", i)
	}
	insert(t, s, productBlock(stores...), "g/0", "mark", "large")
	got := ask(t, s, "count(), sum(rows), max(max_block_number - min_block_number)", "FROM system.parts WHERE database = 'tillstream' AND table = 'product_sales'")
	if diff := cmp.Diff([]string{"1 100001 0"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestATokenCountsOnceAndLedgersSurviveMerges(t *testing.T) {
	s := fresh(t)
	first := salesBlock(sale{"s1", 2, 250, []uint64{7}, 300, 0}, sale{"s2", 2, 50, nil, 50, 0})
	insert(t, s, first, "g/0", "00000001/0000000000000001 f 1", "one")
	insert(t, s, salesBlock(sale{"s1", 2, 999, nil, 999, 0}), "g/0", "00000001/0000000000000001 f 1", "one") // another content, even
	insert(t, s, salesBlock(sale{"s1", 2, 25, []uint64{8}, 30, 0}), "g/0", "00000001/0000000000000002 f 1", "two")
	insert(t, s, salesBlock(sale{"s3", 2, 5, []uint64{9}, 6, 0}), "g/1", "00000001/0000000000000001 f 1", "three")
	for range 2 {
		if diff := cmp.Diff([]string{"2 300 3"}, ask(t, s, "uniqExact(store_id) - 1, sum(net) - 30, length(sumMap(customer_counts).1)", "FROM tillstream.sales_hourly WHERE lane = ''")); diff != "" {
			t.Error(diff)
		}
		marks, err := s.Marks(t.Context(), "g/0")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]processor.TableMark{{Table: "sales_hourly", Month: november, Mark: "00000001/0000000000000002 f 1"}}, marks); diff != "" {
			t.Error(diff)
		}
		// control totals add up across batches: 300 + 25
		if diff := cmp.Diff([]string{"325 3"}, ask(t, s, "sum(net), sum(transactions)", "FROM tillstream.sales_hourly WHERE lane = 'g/0'")); diff != "" {
			t.Error(diff)
		}
		do(t, s, "OPTIMIZE TABLE tillstream.sales_hourly FINAL")
	}
}

// A block whose token is remembered without its rows comes in under the next one, once; on a cluster it does not, for another replica may have it.
func TestABlockThatIsMissingGetsAnotherToken(t *testing.T) {
	s := fresh(t)
	s2 := open(t, nil)
	s2.cluster = "replicas"
	for _, in := range []struct {
		s    *Sink
		n    int
		want string
	}{{s, 0, "1"}, {s, 0, "1"}, {s2, 1, "1"}, {s, 1, "2"}, {s, 1, "2"}, {s, 2, "3"}} {
		if err := in.s.Insert(t.Context(), processor.Insert{Block: productBlock("s1").Seal(), Lane: "g/0", Mark: "m", Token: "t", Again: in.n}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{in.want}, ask(t, s, "count()", "FROM tillstream.product_sales WHERE store_id = 's1'")); diff != "" {
			t.Errorf("after %d: %s", in.n, diff)
		}
	}
}

func TestInsertRefuses(t *testing.T) {
	s := fresh(t)
	foreign := productBlock("s1")
	foreign.String("colour")
	short := rollup.NewBlock("product_sales", november, 1)
	short.String("store_id")
	uneven := productBlock("s1")
	uneven.Columns[2].Data = []string{"one value only"}
	wrong := productBlock("s1")
	wrong.Columns[1].Data = []int64{1, 2}
	big := lettersBlock([2]int64{0, 1})
	big.Columns[5].Data = []string{"", strings.Repeat("x", maxBytes)}
	for want, b := range map[string]*rollup.Block{
		"block has column colour":                        foreign,
		"block lacks column":                             short,
		"1 values of type []string":                      uneven,
		"[]int64 does not go into a column of type Date": wrong,
		"there is no such table":                         rollup.NewBlock("nothing", 0, 0),
		"may become more than one":                       rollup.NewBlock("product_sales", november, maxRows),
		"limits 1000000 rows, 20000":                     big,
	} {
		if strings.HasPrefix(want, "may become") {
			b.Columns = productBlock("s1").Columns
		}
		err := s.Insert(t.Context(), processor.Insert{Block: b, Lane: "g/0", Mark: "m", Token: want})
		if !errors.Is(err, processor.ErrRejected) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	var oversize *OversizeError
	if err := s.Insert(t.Context(), processor.Insert{Block: big}); !errors.As(err, &oversize) || oversize.Bytes <= maxBytes {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff([]string{"0"}, ask(t, s, "count()", "FROM system.parts WHERE database = 'tillstream' AND table IN ('product_sales', 'dead_letters')")); diff != "" {
		t.Error(diff)
	}
}

func TestInsertOutcomes(t *testing.T) {
	s := fresh(t)
	try := func(ctx context.Context, s *Sink) (Outcome, error) {
		err := s.Insert(ctx, processor.Insert{Block: productBlock("s1").Seal(), Lane: "g/0", Mark: "m", Token: "t"})
		var e *InsertError
		if !errors.As(err, &e) {
			t.Fatalf("got %v", err)
		}
		return e.Outcome, err
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if o, err := try(ended, s); o != Retryable || errors.Is(err, processor.ErrRejected) || !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v %v", o, err)
	}
	// a table that someone has dropped: the server says so
	if _, err := s.tables(t.Context()); err != nil {
		t.Fatal(err)
	}
	do(t, s, "DROP TABLE tillstream.product_sales SYNC")
	t.Cleanup(func() { cleanUp(t) })
	if o, err := try(t.Context(), s); o != Permanent || !errors.Is(err, processor.ErrRejected) {
		t.Errorf("dropped: %v %v", o, err)
	}
	// a server that is not there: nothing was written
	gone := open(t, func(c *Config) { c.Addr = []string{"127.0.0.1:1"} })
	gone.catalog = s.catalog
	if o, err := try(t.Context(), gone); o != Retryable || !strings.Contains(err.Error(), "clickhouse.addr: nothing answers at 127.0.0.1:1") {
		t.Errorf("unreachable: %v %v", o, err)
	}
}
