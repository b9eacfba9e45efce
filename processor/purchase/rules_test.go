package purchase

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
	"github.com/tillstream/tillstream/processor/table/tabletest"
)

// transaction is one of kind at a time (RFC 3339) in store s1, in EUR.
func transaction(kind, at string, lines ...event.Line) *event.Event {
	parsed, err := time.Parse(time.RFC3339, at)
	if err != nil {
		panic(err)
	}
	_, offset := parsed.Zone()
	e := &event.Event{}
	e.Type, e.StoreID, e.TerminalID = event.TypeTransaction, "s1", "t1"
	e.Time = event.Time{Milli: parsed.UnixMilli(), Offset: int32(offset), OK: true}
	e.Transaction = event.Transaction{Kind: kind, Currency: "EUR", Lines: lines}
	return e
}

func with(e *event.Event, change func(*event.Event)) *event.Event {
	change(e)
	return e
}

// line is quantity (thousandths) of a product; amounts are gross, discount and tax.
func line(product string, quantity int64, amounts ...int64) event.Line {
	l := event.Line{ProductID: product, Quantity: quantity}
	for i, into := range []*int64{&l.Gross, &l.Discount, &l.Tax}[:len(amounts)] {
		*into = amounts[i]
	}
	return l
}

func as(kind string, l event.Line) event.Line { l.Kind = kind; return l }

func voided(l event.Line) event.Line { l.Voided = true; return l }

const noon = "2026-03-02T12:30:15Z"

// The rules, worked by hand. want has a line a row; what is zero is left out.
func TestRules(t *testing.T) {
	tests := map[string]struct {
		cutoff time.Duration
		events []*event.Event
		want   string
	}{
		"sale": {
			events: []*event.Event{transaction("sale", noon, line("milk", 2000, 300, 20, 18), line("bread", 1000, 250, 0, 16))},
			want: `
				product_sales 2026-03-02 s1 bread - EUR baskets=1 revenue=250 units=1000
				product_sales 2026-03-02 s1 milk - EUR baskets=1 discount=20 revenue=280 units=2000
				sales_hourly 2026-03-02 s1 2026-03-02T12 12 store EUR baskets_in=[530] discount=20 gross=550 net=530 tax=34 transactions=1 units=3000`,
		},
		"net as sent": {
			events: []*event.Event{transaction("sale", noon, event.Line{ProductID: "milk", Quantity: 1000, Gross: 119, Tax: 19, Net: event.Some[int64](100)})},
			want: `
				product_sales 2026-03-02 s1 milk - EUR baskets=1 revenue=100 units=1000
				sales_hourly 2026-03-02 s1 2026-03-02T12 12 store EUR baskets_in=[100] gross=119 net=100 tax=19 transactions=1 units=1000`,
		},
		"tax of the totals when no line has any": {
			events: []*event.Event{with(transaction("sale", noon, line("milk", 1000, 100)), func(e *event.Event) { e.Transaction.Totals.Tax = 7 })},
			want: `
				product_sales 2026-03-02 s1 milk - EUR baskets=1 revenue=100 units=1000
				sales_hourly 2026-03-02 s1 2026-03-02T12 12 store EUR baskets_in=[100] gross=100 net=100 tax=7 transactions=1 units=1000`,
		},
		"tax of the lines when one has any": {
			events: []*event.Event{with(transaction("sale", noon, line("milk", 1000, 100), line("bread", 1000, 100, 0, 6)), func(e *event.Event) { e.Transaction.Totals.Tax = 7 })},
			want: `
				product_sales 2026-03-02 s1 bread - EUR baskets=1 revenue=100 units=1000
				product_sales 2026-03-02 s1 milk - EUR baskets=1 revenue=100 units=1000
				sales_hourly 2026-03-02 s1 2026-03-02T12 12 store EUR baskets_in=[200] gross=200 net=200 tax=6 transactions=1 units=2000`,
		},
		"return with positive signs": {
			events: []*event.Event{transaction("return", noon, line("milk", 2000, 300, 20, 18))},
			want: `
				product_sales 2026-03-02 s1 milk - EUR discount=-20 returned_units=2000 revenue=-280 units=-2000
				sales_hourly 2026-03-02 s1 2026-03-02T12 12 store EUR discount=-20 gross=-300 net=-280 returns=1 tax=-18 units=-2000`,
		},
		"return with negative signs": {
			events: []*event.Event{transaction("return", noon, line("milk", -2000, -300, -20, -18))},
			want: `
				product_sales 2026-03-02 s1 milk - EUR discount=-20 returned_units=2000 revenue=-280 units=-2000
				sales_hourly 2026-03-02 s1 2026-03-02T12 12 store EUR discount=-20 gross=-300 net=-280 returns=1 tax=-18 units=-2000`,
		},
		"return, tax of positive totals": {
			events: []*event.Event{with(transaction("return", noon, line("milk", 1000, 300)), func(e *event.Event) { e.Transaction.Totals = event.Totals{Gross: 300, Tax: 18} })},
			want: `
				product_sales 2026-03-02 s1 milk - EUR returned_units=1000 revenue=-300 units=-1000
				sales_hourly 2026-03-02 s1 2026-03-02T12 12 store EUR gross=-300 net=-300 returns=1 tax=-18 units=-1000`,
		},
		"return, tax of negative totals": {
			events: []*event.Event{with(transaction("return", noon, line("milk", 1000, -300)), func(e *event.Event) { e.Transaction.Totals = event.Totals{Gross: -300, Tax: -18} })},
			want: `
				product_sales 2026-03-02 s1 milk - EUR returned_units=1000 revenue=-300 units=-1000
				sales_hourly 2026-03-02 s1 2026-03-02T12 12 store EUR gross=-300 net=-300 returns=1 tax=-18 units=-1000`,
		},
		"something brought back in a sale": {
			events: []*event.Event{transaction("sale", noon, line("milk", 1000, 300), line("bottle", -4000, 100))},
			want: `
				product_sales 2026-03-02 s1 bottle - EUR returned_units=4000 revenue=-100 units=-4000
				product_sales 2026-03-02 s1 milk - EUR baskets=1 revenue=300 units=1000
				sales_hourly 2026-03-02 s1 2026-03-02T12 12 store EUR baskets_in=[200] gross=200 net=200 transactions=1 units=-3000`,
		},
		"exchange": {
			events: []*event.Event{transaction("exchange", noon, line("shirt-m", -1000, -2000), line("shirt-l", 1000, 2500))},
			want: `
				product_sales 2026-03-02 s1 shirt-l - EUR revenue=2500 units=1000
				product_sales 2026-03-02 s1 shirt-m - EUR returned_units=1000 revenue=-2000 units=-1000
				sales_hourly 2026-03-02 s1 2026-03-02T12 12 store EUR gross=500 net=500 returns=1`,
		},
		"void before payment": {
			events: []*event.Event{with(transaction("void", noon, line("milk", 1000, 300)), func(e *event.Event) {
				e.Transaction.Customer = event.Customer{Pseudonym: 7, Type: "loyalty"}
				e.Transaction.Original.Reason = "customer had no money" // no transaction is named
			})},
			want: `sales_hourly 2026-03-02 s1 2026-03-02T12 12 store EUR voids=1`,
		},
		"void of a finished sale": {
			events: []*event.Event{
				with(transaction("sale", noon, line("milk", 2000, 300, 20, 18)), func(e *event.Event) { e.Transaction.Customer.Pseudonym = 7 }),
				with(transaction("void", noon, line("milk", 2000, 300, 20, 18)), func(e *event.Event) {
					e.Transaction.Customer.Pseudonym = 7
					e.Transaction.Original.TransactionID = "x"
				}),
			},
			want: `
				customer_days 7 2026-03-02 s1 store EUR first_at=2026-03-02 12:30:15 last_at=2026-03-02 12:30:15 transactions=1
				product_sales 2026-03-02 s1 milk - EUR baskets=1
				sales_hourly 2026-03-02 s1 2026-03-02T12 12 store EUR baskets_in=[280] customers_in=[7] identified_transactions=1 transactions=1 voids=1`,
		},
		"void of a finished sale, told by its number, negative signs": {
			events: []*event.Event{with(transaction("void", noon, line("milk", -2000, -300, -20, -18)), func(e *event.Event) { e.Transaction.Original.Sequence = event.Some[uint64](9) })},
			want: `
				product_sales 2026-03-02 s1 milk - EUR discount=-20 revenue=-280 units=-2000
				sales_hourly 2026-03-02 s1 2026-03-02T12 12 store EUR discount=-20 gross=-300 net=-280 tax=-18 units=-2000 voids=1`,
		},
		"voided lines": {
			events: []*event.Event{transaction("sale", noon, voided(line("milk", 1000, 300, 0, 20)), line("bread", 1000, 250), voided(line("bread", 1000, 250)))},
			want: `
				product_sales 2026-03-02 s1 bread - EUR baskets=1 revenue=250 units=1000
				sales_hourly 2026-03-02 s1 2026-03-02T12 12 store EUR baskets_in=[250] gross=250 net=250 transactions=1 units=1000`,
		},
		"nothing but voided lines is no sale": {
			events: []*event.Event{with(transaction("sale", noon, voided(line("milk", 1000, 300))), func(e *event.Event) {
				e.Transaction.Customer.Pseudonym = 7
				e.Transaction.Totals.Tax = 3
				e.Transaction.Tenders = []event.Tender{{Method: "cash", Result: "cancelled"}}
			}), transaction("sale", noon)},
			want: `payments_hourly s1 2026-03-02T12 - cash - EUR attempts=1`,
		},
		"training": {
			events: []*event.Event{with(transaction("sale", noon, line("milk", 1000, 300)), func(e *event.Event) {
				e.Test = true
				e.Transaction.Tenders = []event.Tender{{Method: "cash", Result: "approved"}}
			})},
		},
		"not a transaction": {events: []*event.Event{with(transaction("sale", noon, line("milk", 1000, 300)), func(e *event.Event) { e.Type = event.TypeHealth })}},
		"kinds that sell nothing": {
			events: []*event.Event{
				with(transaction("cash_in", noon), func(e *event.Event) {
					e.Transaction.Tenders = []event.Tender{{Method: "cash", Result: "approved", Amount: 10000}}
				}),
				transaction("no_sale", noon), transaction("layaway", noon, line("tv", 1000, 99900)),
				transaction("order_pickup", noon, line("tv", 1000, 99900)), transaction("later_idea", noon, line("tv", 1000, 99900)),
			},
			want: `payments_hourly s1 2026-03-02T12 - cash - EUR amount=10000 approved=1 attempts=1`,
		},
		"fees, tips and deposits": {
			events: []*event.Event{with(transaction("sale", noon, as("item", line("pizza", 1000, 900)), as("tip", line("tip", 1000, 100)),
				as("deposit", line("bottle", 1000, 25)), as("gift_card", line("card", 1000, 5000))), func(e *event.Event) { e.Transaction.Customer.Pseudonym = 7 })},
			want: `
				customer_days 7 2026-03-02 s1 store EUR first_at=2026-03-02 12:30:15 last_at=2026-03-02 12:30:15 net=6025 transactions=1 units=1000
				product_sales 2026-03-02 s1 pizza - EUR baskets=1 revenue=900 units=1000
				sales_hourly 2026-03-02 s1 2026-03-02T12 12 store EUR baskets_in=[6025] customers_in=[7] gross=6025 identified_transactions=1 net=6025 transactions=1 units=1000`,
		},
		"promotions": {
			events: []*event.Event{
				transaction("sale", noon, event.Line{ProductID: "milk", Quantity: 3000, Gross: 300, Discount: 100, Promotions: []event.Promotion{{PromotionID: "3for2"}, {PromotionID: "x"}}}, line("milk", 1000, 100)),
				transaction("return", noon, event.Line{ProductID: "milk", Quantity: 1000, Gross: 67, Promotions: []event.Promotion{{PromotionID: "3for2"}}}),
			},
			want: `
				product_sales 2026-03-02 s1 milk - EUR baskets=1 discount=100 promoted_units=2000 returned_units=1000 revenue=233 units=3000
				sales_hourly 2026-03-02 s1 2026-03-02T12 12 store EUR baskets_in=[300] discount=100 gross=333 net=233 returns=1 transactions=1 units=3000`,
		},
		"a product twice in a basket, in two baskets": {
			events: []*event.Event{
				transaction("sale", noon, line("milk", 1000, 100), line("bread", 1000, 200), line("milk", 1000, 100)),
				transaction("sale", noon, line("milk", 1000, 100)),
			},
			want: `
				product_sales 2026-03-02 s1 bread - EUR baskets=1 revenue=200 units=1000
				product_sales 2026-03-02 s1 milk - EUR baskets=2 revenue=300 units=3000
				sales_hourly 2026-03-02 s1 2026-03-02T12 12 store EUR baskets_in=[100 400] gross=500 net=500 transactions=2 units=4000`,
		},
		"category, or the first of the hierarchy": {
			events: []*event.Event{transaction("sale", noon,
				event.Line{ProductID: "milk", Quantity: 1000, Category: "dairy", Hierarchy: []string{"food", "fresh"}},
				event.Line{ProductID: "bread", Quantity: 1000, Hierarchy: []string{"food", "bakery"}})},
			want: `
				product_sales 2026-03-02 s1 bread food EUR baskets=1 units=1000
				product_sales 2026-03-02 s1 milk dairy EUR baskets=1 units=1000
				sales_hourly 2026-03-02 s1 2026-03-02T12 12 store EUR baskets_in=[0] transactions=1 units=2000`,
		},
		"customers": {
			events: []*event.Event{
				with(transaction("sale", noon, line("milk", 1000, 100)), func(e *event.Event) { e.Transaction.Customer = event.Customer{Pseudonym: 1 << 63, Type: "loyalty"} }),
				with(transaction("sale", "2026-03-02T12:10:00Z", line("milk", 1000, 100, 10)), func(e *event.Event) {
					e.Transaction.Customer = event.Customer{Pseudonym: 1 << 63, Type: "loyalty"}
				}),
				with(transaction("return", "2026-03-02T12:40:59Z", line("milk", 1000, 100)), func(e *event.Event) {
					e.Transaction.Customer = event.Customer{Pseudonym: 1 << 63, Type: "loyalty"}
				}),
				with(transaction("sale", noon, line("milk", 1000, 100)), func(e *event.Event) {
					e.Transaction.Customer = event.Customer{Pseudonym: 2, Type: "payment_token"}
				}),
				transaction("sale", noon, line("milk", 1000, 100)),
			},
			want: `
				customer_days 2 2026-03-02 s1 store EUR first_at=2026-03-02 12:30:15 last_at=2026-03-02 12:30:15 net=100 transactions=1 units=1000
				customer_days 9223372036854775808 2026-03-02 s1 store EUR discount=10 first_at=2026-03-02 12:10:00 last_at=2026-03-02 12:40:59 net=90 transactions=2 units=1000
				product_sales 2026-03-02 s1 milk - EUR baskets=4 discount=10 returned_units=1000 revenue=290 units=3000
				sales_hourly 2026-03-02 s1 2026-03-02T12 12 store EUR baskets_in=[90 100 100 100] customers_in=[-9223372036854775808 2] discount=10 gross=300 identified_transactions=3 loyalty_transactions=2 net=290 returns=1 transactions=4 units=3000`,
		},
		"offline": {
			events: []*event.Event{
				with(transaction("sale", noon, line("milk", 1000, 100)), func(e *event.Event) { e.Transaction.Offline.Mode = "saf" }),
				with(transaction("sale", noon, line("milk", 1000, 100)), func(e *event.Event) { e.Transaction.Offline.Mode = "none" }),
				transaction("sale", noon, line("milk", 1000, 100)),
			},
			want: `
				product_sales 2026-03-02 s1 milk - EUR baskets=3 revenue=300 units=3000
				sales_hourly 2026-03-02 s1 2026-03-02T12 12 store EUR baskets_in=[100 100 100] gross=300 net=300 offline_transactions=1 transactions=3 units=3000`,
		},
		"channels and currencies are apart": {
			events: []*event.Event{
				with(transaction("sale", noon, line("milk", 1000, 100)), func(e *event.Event) { e.Transaction.Channel = "self_checkout" }),
				with(transaction("sale", noon, line("milk", 1000, 100)), func(e *event.Event) { e.Transaction.Currency = "CHF" }),
			},
			want: `
				product_sales 2026-03-02 s1 milk - CHF baskets=1 revenue=100 units=1000
				product_sales 2026-03-02 s1 milk - EUR baskets=1 revenue=100 units=1000
				sales_hourly 2026-03-02 s1 2026-03-02T12 12 self_checkout EUR baskets_in=[100] gross=100 net=100 transactions=1 units=1000
				sales_hourly 2026-03-02 s1 2026-03-02T12 12 store CHF baskets_in=[100] gross=100 net=100 transactions=1 units=1000`,
		},
		"payments": {
			events: []*event.Event{with(transaction("sale", noon, line("milk", 1000, 100)), func(e *event.Event) {
				some := event.Some[uint32]
				e.Transaction.Tenders = []event.Tender{
					{Acquirer: "a", Method: "card", EntryMode: "icc", Result: "approved", Amount: 100, AuthorisationMS: some(300)},
					{Acquirer: "a", Method: "card", EntryMode: "icc", Result: "approved_offline", Amount: 20, AuthorisationMS: some(1)},
					{Acquirer: "a", Method: "card", EntryMode: "icc", Result: "declined", Amount: 100, AuthorisationMS: some(400)},
					{Acquirer: "b", Method: "card", Result: "failed", Error: "Refusal"},
					{Acquirer: "b", Method: "card", Result: "failed", Error: "WrongPIN"},
					{Acquirer: "b", Method: "card", Result: "failed", Error: "InvalidCard"},
					{Acquirer: "b", Method: "card", Result: "failed", Error: "PaymentRestriction"},
					{Acquirer: "b", Method: "card", Result: "failed", Error: "InsertedCard"},
					{Acquirer: "c", Method: "card", Result: "failed", Error: "UnreachableHost", AuthorisationMS: some(30000)},
					{Acquirer: "c", Method: "card", Result: "failed", Error: "DeviceOut"},
					{Acquirer: "c", Method: "card", Result: "failed"},
					{Acquirer: "c", Method: "card", Result: "timeout", AuthorisationMS: some(30000)},
					{Acquirer: "d", Method: "card", Result: "failed", Error: "Cancel"},
					{Acquirer: "d", Method: "card", Result: "timeout", Error: "Aborted"},
					{Acquirer: "d", Method: "card", Result: "cancelled", AuthorisationMS: some(5)},
					{Acquirer: "d", Method: "card", Result: "reversed", Amount: 100},
					{Acquirer: "d", Method: "card", Result: "later_idea", Amount: 100},
					{Method: "cash", Result: "approved", Amount: -40},
				}
			})},
			want: `
				payments_hourly s1 2026-03-02T12 - cash - EUR amount=-40 approved=1 attempts=1
				payments_hourly s1 2026-03-02T12 a card icc EUR amount=120 approved=2 attempts=3 auth_in=[300 400] auth_ms=700 auth_n=2 declined=1 offline=1
				payments_hourly s1 2026-03-02T12 b card - EUR attempts=5 declined=5
				payments_hourly s1 2026-03-02T12 c card - EUR attempts=4 auth_in=[30000 30000] auth_ms=60000 auth_n=2 failed=4
				payments_hourly s1 2026-03-02T12 d card - EUR attempts=5 auth_in=[5] auth_ms=5 auth_n=1
				product_sales 2026-03-02 s1 milk - EUR baskets=1 revenue=100 units=1000
				sales_hourly 2026-03-02 s1 2026-03-02T12 12 store EUR baskets_in=[100] gross=100 net=100 transactions=1 units=1000`,
		},
		"a day of trade that ends at four": {
			cutoff: 4 * time.Hour,
			events: []*event.Event{
				transaction("sale", "2026-03-01T03:59:59+01:00", line("beer", 1000, 1)),
				transaction("sale", "2026-03-01T04:00:00+01:00", line("beer", 1000, 2)),
				with(transaction("sale", "2026-03-01T03:00:00+01:00", line("beer", 1000, 4)), func(e *event.Event) { e.Transaction.BusinessDate = event.Some[int32](20513) }), // the till says 2026-03-01
			},
			want: `
				product_sales 2026-02-28 s1 beer - EUR baskets=1 revenue=1 units=1000
				product_sales 2026-03-01 s1 beer - EUR baskets=2 revenue=6 units=2000
				sales_hourly 2026-02-28 s1 2026-03-01T02 3 store EUR baskets_in=[1] gross=1 net=1 transactions=1 units=1000
				sales_hourly 2026-03-01 s1 2026-03-01T02 3 store EUR baskets_in=[4] gross=4 net=4 transactions=1 units=1000
				sales_hourly 2026-03-01 s1 2026-03-01T03 4 store EUR baskets_in=[2] gross=2 net=2 transactions=1 units=1000`,
		},
		"the hour 02 twice in autumn": {
			events: []*event.Event{
				transaction("sale", "2026-10-25T02:30:00+02:00", line("beer", 1000, 1)),
				transaction("sale", "2026-10-25T02:30:00+01:00", line("beer", 1000, 2)),
			},
			want: `
				product_sales 2026-10-25 s1 beer - EUR baskets=2 revenue=3 units=2000
				sales_hourly 2026-10-25 s1 2026-10-25T00 2 store EUR baskets_in=[1] gross=1 net=1 transactions=1 units=1000
				sales_hourly 2026-10-25 s1 2026-10-25T01 2 store EUR baskets_in=[2] gross=2 net=2 transactions=1 units=1000`,
		},
		"Kathmandu": {
			events: []*event.Event{
				transaction("sale", "2026-04-01T00:10:00+05:45", line("tea", 1000, 1)),
				transaction("sale", "2026-04-01T00:50:00+05:45", line("tea", 1000, 2)),
			},
			want: `
				product_sales 2026-04-01 s1 tea - EUR baskets=2 revenue=3 units=2000
				sales_hourly 2026-04-01 s1 2026-03-31T18 0 store EUR baskets_in=[1] gross=1 net=1 transactions=1 units=1000
				sales_hourly 2026-04-01 s1 2026-03-31T19 0 store EUR baskets_in=[2] gross=2 net=2 transactions=1 units=1000`,
		},
		"ended_at decides, payments too": {
			events: []*event.Event{with(transaction("sale", "2026-03-31T23:59:00Z", line("tea", 1000, 1)), func(e *event.Event) {
				e.Transaction.EndedAt = event.Time{Milli: e.Time.Milli + 120_000, OK: true}
				e.Transaction.Tenders = []event.Tender{{Method: "cash", Result: "approved", Amount: 1}}
			})},
			want: `
				payments_hourly s1 2026-04-01T00 - cash - EUR amount=1 approved=1 attempts=1
				product_sales 2026-04-01 s1 tea - EUR baskets=1 revenue=1 units=1000
				sales_hourly 2026-04-01 s1 2026-04-01T00 0 store EUR baskets_in=[1] gross=1 net=1 transactions=1 units=1000`,
		},
	}
	schema := tabletest.Load(t)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := New(Config{BusinessDayCutoff: test.cutoff})
			for _, e := range test.events {
				f.Fold(e, rollup.Input{})
			}
			sealed := f.Seal(rollup.Version{})
			schema.Check(t, sealed.Blocks)
			got := tabletest.Content{}
			schema.Add(got, sealed.Blocks)
			var want []string
			for l := range strings.Lines(test.want) {
				if l = strings.TrimSpace(l); l != "" {
					want = append(want, l)
				}
			}
			lines := slices.DeleteFunc(got.Lines("customers_in"), func(l string) bool { // of the others see TestQuarterHours, TestForMarketing, TestReturns
				return !slices.Contains([]string{"sales_hourly", "product_sales", "customer_days", "payments_hourly"}, strings.Fields(l)[0])
			})
			for i := range lines {
				lines[i] = forCorrections.ReplaceAllString(lines[i], "")
			}
			if diff := cmp.Diff(want, lines); diff != "" {
				t.Error(diff)
			}
			if len(sealed.State) > 0 || f.Load(rollup.StateRow{}) != nil {
				t.Errorf("%d rows of state, want none", len(sealed.State))
			}
		})
	}
}

// forCorrections is what tables have for them only; TestAgainstNaive knows it.
var forCorrections = regexp.MustCompile(` (lines=-?\d+|times_in=\[[^]]*\])`)

// What is taken back is linked to what it was bought with, by the day on which it came back; a void, too.
func TestReturns(t *testing.T) {
	original := event.Original{
		TransactionID: "t9/4", StoreID: "s9", TerminalID: "t9", Sequence: event.Some[uint64](4), BusinessDate: event.Some[int32](20510), Reason: "torn",
	}
	linked := func(kind, at string, lines ...event.Line) *event.Event {
		return with(transaction(kind, at, lines...), func(e *event.Event) { e.ID, e.Transaction.Original = kind, original })
	}
	late := linked("exchange", "2026-03-03T09:00:00Z", line("shirt-l", 1000, 2000), line("shirt-m", -1000, -2000))
	late.Transaction.Original = event.Original{BusinessDate: event.Some[int32](1 << 20)} // no Date
	f := New(Config{})
	for _, e := range []*event.Event{
		linked("return", "2026-03-02T12:00:00Z", line("milk", 1000, 100), line("milk", 2000, 200), line("tea", 1000, 50)),
		linked("void", "2026-03-02T12:00:00Z", line("milk", 1000, 100)), late, linked("sale", "2026-03-02T12:00:00Z", line("milk", 1000, 100)),
	} {
		f.Fold(e, rollup.Input{})
	}
	blocks := f.Seal(rollup.Version{}).Blocks
	schema := tabletest.Load(t)
	schema.Check(t, blocks)
	got := tabletest.Content{}
	schema.Add(got, blocks)
	want := []string{
		"returns 2026-03-02 s1 t1 return milk - EUR return t9/4 s9 t9 torn lines=2 net=300 original_business_date=20510 original_sequence=4 returned_at=2026-03-02 12:00:00 units=3000",
		"returns 2026-03-02 s1 t1 return tea - EUR return t9/4 s9 t9 torn lines=1 net=50 original_business_date=20510 original_sequence=4 returned_at=2026-03-02 12:00:00 units=1000",
		"returns 2026-03-02 s1 t1 void milk - EUR void t9/4 s9 t9 torn lines=1 net=100 original_business_date=20510 original_sequence=4 returned_at=2026-03-02 12:00:00 units=1000",
		"returns 2026-03-03 s1 t1 exchange shirt-m - EUR exchange - - - - lines=1 net=2000 returned_at=2026-03-03 09:00:00 units=1000",
	}
	if diff := cmp.Diff(want, slices.DeleteFunc(got.Lines(), func(l string) bool { return !strings.HasPrefix(l, "returns ") })); diff != "" {
		t.Error(diff)
	}
}

func TestQuarterHours(t *testing.T) {
	sale := func(at string) *event.Event { return transaction("sale", at, line("milk", 1000, 100)) }
	original := func(e *event.Event) { e.Transaction.Original.TransactionID = "x" }
	f := New(Config{})
	for _, e := range []*event.Event{
		sale("2026-03-02T12:00:00Z"), sale("2026-03-02T12:14:59Z"), sale("2026-03-02T12:15:00Z"), sale("2026-03-02T12:59:59Z"),
		transaction("return", "2026-03-02T12:59:59Z", line("milk", 1000, 30)),
		with(transaction("void", "2026-03-02T12:30:00Z", line("milk", 1000, 7)), original),
		transaction("void", "2026-03-02T13:00:00Z", line("milk", 1000, 7)), // before payment
		transaction("return", "2026-03-02T14:10:00Z", line("milk", 1000, 30)),
		with(sale("2026-03-02T12:01:00Z"), func(e *event.Event) { e.TerminalID = "t2" }),
		with(sale("2026-03-02T12:01:00Z"), func(e *event.Event) { e.Transaction.Currency = "CHF" }),
		with(sale("2026-04-01T00:10:00+01:00"), func(e *event.Event) { e.StoreID = "s0" }),
		transaction("no_sale", "2026-03-02T15:00:00Z"), transaction("sale", "2026-03-02T15:00:00Z"),
	} {
		f.Fold(e, rollup.Input{})
	}
	blocks := f.Seal(rollup.Version{}).Blocks
	schema := tabletest.Load(t)
	schema.Check(t, blocks)
	got := tabletest.Content{}
	schema.Add(got, blocks)
	want := []string{
		"terminal_sales 2026-03-02T12 s1 t1 CHF last_at=2026-03-02 12:01:00 net_00=100 transactions_00=1",
		"terminal_sales 2026-03-02T12 s1 t1 EUR last_at=2026-03-02 12:59:59 net_00=200 net_15=100 net_30=-7 net_45=70 transactions_00=2 transactions_15=1 transactions_45=1",
		"terminal_sales 2026-03-02T12 s1 t2 EUR last_at=2026-03-02 12:01:00 net_00=100 transactions_00=1",
		"terminal_sales 2026-03-02T14 s1 t1 EUR net_00=-30",
		"terminal_sales 2026-03-31T23 s0 t1 EUR last_at=2026-03-31 23:10:00 net_00=100 transactions_00=1",
	}
	if diff := cmp.Diff(want, slices.DeleteFunc(got.Lines(), func(l string) bool { return !strings.HasPrefix(l, "terminal_sales ") })); diff != "" {
		t.Error(diff)
	}
}

func TestForMarketing(t *testing.T) {
	known := func(e *event.Event) *event.Event {
		e.Transaction.Customer.Pseudonym = 7
		return e
	}
	of := func(category string, l event.Line) event.Line { l.Category = category; return l }
	promoted := func(l event.Line, all ...event.Promotion) event.Line { l.Promotions = all; return l }
	coffee, cake := of("coffee", line("beans", 1000, 500, 50)), of("cake", line("tart", 2000, 300))
	huge := transaction("sale", noon, coffee)
	for i := range maxTogether {
		huge.Transaction.Lines = append(huge.Transaction.Lines, of(strings.Repeat("x", i+1), line(strings.Repeat("y", i+1), 1000, 1)))
	}
	just := transaction("sale", "2026-03-04T12:30:15Z", huge.Transaction.Lines[1:]...) // as many as are looked at
	f := New(Config{Watch: []string{"beans", "tart", "milk"}})
	for _, e := range []*event.Event{
		known(with(transaction("sale", "2026-03-02T23:30:15+01:00", coffee, cake, coffee, of("", line("milk", 1000, 100))), func(e *event.Event) {
			e.Transaction.Tenders = []event.Tender{
				{Method: "cash", Amount: 900, Result: "declined"},
				{Method: "voucher", Amount: 100, Result: "approved"},
				{Method: "card", EntryMode: "contactless", Wallet: "apple_pay", Amount: 700, Result: "approved_offline"},
			}
		})),
		known(transaction("return", noon, cake)),                                     // is no basket, and no visit
		transaction("sale", noon, coffee), transaction("sale", noon, coffee, coffee), // one thing alone goes with nothing
		transaction("sale", noon, coffee, of("cake", line("tart", -1000, 300))),           // a tart was brought back
		transaction("sale", "2026-03-03T12:30:15Z", of("tea", line("assam", 1000)), cake), // one watched product in a basket of two
		huge, just,
		transaction("sale", "2026-03-05T12:30:15Z",
			promoted(coffee, event.Promotion{PromotionID: "spring"}),                                                       // took off what the line says
			promoted(cake, event.Promotion{CouponCode: "c1", Amount: -30}, event.Promotion{PromotionID: "c1", Amount: 20}), // one promotion, two rebates
			promoted(coffee, event.Promotion{}, event.Promotion{PromotionID: "spring"}, event.Promotion{PromotionID: "club", Amount: 5})),
		transaction("return", "2026-03-05T12:30:15Z", promoted(cake, event.Promotion{PromotionID: "c1", Amount: 10})),
	} {
		f.Fold(e, rollup.Input{})
	}
	blocks := f.Seal(rollup.Version{}).Blocks
	schema := tabletest.Load(t)
	schema.Check(t, blocks)
	got := tabletest.Content{}
	schema.Add(got, blocks)
	want := []string{
		"basket_pairs 2026-03-02 s1 category - - baskets=1 huge=1",
		"basket_pairs 2026-03-02 s1 category cake - baskets=1",
		"basket_pairs 2026-03-02 s1 category cake coffee baskets=1",
		"basket_pairs 2026-03-02 s1 category coffee - baskets=1",
		"basket_pairs 2026-03-02 s1 product - - baskets=2",
		"basket_pairs 2026-03-02 s1 product beans - baskets=2", // once in the huge basket
		"basket_pairs 2026-03-02 s1 product beans milk baskets=1",
		"basket_pairs 2026-03-02 s1 product beans tart baskets=1",
		"basket_pairs 2026-03-02 s1 product milk - baskets=1",
		"basket_pairs 2026-03-02 s1 product milk tart baskets=1",
		"basket_pairs 2026-03-02 s1 product tart - baskets=1",
		"basket_pairs 2026-03-03 s1 category - - baskets=1",
		"basket_pairs 2026-03-03 s1 category cake - baskets=1",
		"basket_pairs 2026-03-03 s1 category cake tea baskets=1",
		"basket_pairs 2026-03-03 s1 category tea - baskets=1",
		"basket_pairs 2026-03-03 s1 product - - baskets=1",
		"basket_pairs 2026-03-03 s1 product tart - baskets=1",
		"basket_pairs 2026-03-04 s1 category - - baskets=1",
		"basket_pairs 2026-03-04 s1 product - - baskets=1",
		"basket_pairs 2026-03-05 s1 category - - baskets=1",
		"basket_pairs 2026-03-05 s1 category cake - baskets=1",
		"basket_pairs 2026-03-05 s1 category cake coffee baskets=1",
		"basket_pairs 2026-03-05 s1 category coffee - baskets=1",
		"basket_pairs 2026-03-05 s1 product - - baskets=1",
		"basket_pairs 2026-03-05 s1 product beans - baskets=1",
		"basket_pairs 2026-03-05 s1 product beans tart baskets=1",
		"basket_pairs 2026-03-05 s1 product tart - baskets=1",
		"customer_hours 2026-03-02 7 s1 store EUR 23 card transactions=1",
		"customer_items 2026-03-02 7 s1 store EUR - milk revenue=100 units=1000",
		"customer_items 2026-03-02 7 s1 store EUR cake tart",
		"customer_items 2026-03-02 7 s1 store EUR coffee beans revenue=900 units=2000",
		"payment_days 2026-03-02 s1 card contactless apple_pay EUR amount=700 payments=1",
		"payment_days 2026-03-02 s1 voucher - - EUR amount=100 payments=1",
		"promotion_days 2026-03-05 c1 s1 tart cake EUR discount=40",
		"promotion_days 2026-03-05 club s1 beans coffee EUR discount=5 revenue=450 units=1000",
		"promotion_days 2026-03-05 spring s1 beans coffee EUR discount=50 revenue=900 units=2000",
	}
	var lines []string
	pairs := 0
	for _, l := range got.Lines() {
		switch {
		case strings.Contains(l, " category x"):
			pairs++
		case slices.Contains([]string{"basket_pairs", "customer_hours", "customer_items", "payment_days", "promotion_days"}, strings.Fields(l)[0]):
			lines = append(lines, l)
		}
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
	if want := maxTogether + maxTogether*(maxTogether-1)/2; pairs != want {
		t.Errorf("%d rows of a basket of %d categories, want %d", pairs, maxTogether, want)
	}
}
