package purchase

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
	"github.com/tillstream/tillstream/processor/table/tabletest"
)

// naive computes the tables once more, straight from the definitions and with nothing of the fold: calendar by package time, keys
// as text, every figure by itself.
type naive struct {
	cutoff  time.Duration
	watch   []string
	content tabletest.Content
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func (n *naive) add(e *event.Event) {
	x := &e.Transaction
	if e.Test || e.Type != "pos.transaction.v1" {
		return
	}
	at := e.Time
	if x.EndedAt.OK {
		at = x.EndedAt
	}
	utc := time.UnixMilli(at.Milli).UTC()
	local := utc.In(time.FixedZone("", int(at.Offset)))
	date := local.Add(-n.cutoff).Format(time.DateOnly)
	if x.BusinessDate.OK {
		date = time.Unix(0, 0).UTC().AddDate(0, 0, int(x.BusinessDate.Value)).Format(time.DateOnly)
	}
	hour := utc.Format("2006-01-02T15")
	channel := orElse(x.Channel, "store")

	for _, t := range x.Tenders {
		key := fmt.Sprintf("payments_hourly %s %s %s %s %s %s", e.StoreID, hour, orElse(t.Acquirer, "-"), orElse(t.Method, "-"), orElse(t.EntryMode, "-"), x.Currency)
		said := t.Result == "failed" || t.Result == "timeout"
		no := slices.Contains([]string{"Refusal", "WrongPIN", "InvalidCard", "PaymentRestriction", "InsertedCard"}, t.Error)
		count := func(column string, yes bool) {
			if yes {
				n.content.Put(key, column, "sum", 1)
			}
		}
		yes := t.Result == "approved" || t.Result == "approved_offline"
		count("attempts", true)
		count("approved", yes)
		count("offline", t.Result == "approved_offline")
		count("declined", t.Result == "declined" || said && no)
		count("failed", said && !no && t.Error != "Cancel" && t.Error != "Aborted")
		if yes {
			n.content.Put(key, "amount", "sum", t.Amount)
			mix := fmt.Sprintf("payment_days %s %s %s %s %s %s", date, e.StoreID, orElse(t.Method, "-"), orElse(t.EntryMode, "-"), orElse(t.Wallet, "-"), x.Currency)
			n.content.Put(mix, "payments", "sum", 1)
			n.content.Put(mix, "amount", "sum", t.Amount)
		}
		if t.AuthorisationMS.OK && t.Result != "approved_offline" {
			count("auth_n", true)
			n.content.Put(key, "auth_ms", "sum", int64(t.AuthorisationMS.Value))
			n.content.Put(key, "auth_in", "", int64(t.AuthorisationMS.Value))
		}
		if t.Method != "cash" {
			failed := said && !no && t.Error != "Cancel" && t.Error != "Aborted"
			tried := int64(utc.Minute()*60+utc.Second()) * 2
			till := fmt.Sprintf("terminal_payments %s %s %s", e.StoreID, hour, e.TerminalID)
			n.content.Put(till, "attempts", "sum", 1)
			if failed {
				n.content.Put(till, "failed", "sum", 1)
				tried++
			}
			n.content.Put(till, "tries_in", "", tried)
			if t.AuthorisationMS.OK && t.Result != "approved_offline" {
				n.content.Put(till, "auth_in", "", int64(t.AuthorisationMS.Value))
			}
		}
	}

	var live []event.Line
	for _, l := range x.Lines {
		if !l.Voided {
			live = append(live, l)
		}
	}
	undone := x.Kind == "void" && (x.Original.TransactionID != "" || x.Original.Sequence.OK)
	counters := map[string]string{"sale": "transactions", "return": "returns", "exchange": "returns", "void": "voids"}
	counter := counters[x.Kind]
	if counter == "" || x.Kind == "sale" && len(live) == 0 {
		return
	}
	if x.Kind == "void" && !undone {
		live = nil
	}
	sales := fmt.Sprintf("sales_hourly %s %s %s %d %s %s", date, e.StoreID, hour, local.Hour(), channel, x.Currency)
	n.content.Put(sales, counter, "sum", 1)
	till := fmt.Sprintf("terminal_sales %s %s %s %s", hour, e.StoreID, e.TerminalID, x.Currency)
	minute := fmt.Sprintf("_%02d", utc.Minute()/15*15)
	if x.Kind == "sale" {
		n.content.Put(till, "transactions"+minute, "sum", 1)
		n.content.Put(till, "last_at", "max", utc.Unix())
	}

	customer, who := "", ""
	if x.Customer.Pseudonym > 0 && (x.Kind != "void" || undone) {
		customer = fmt.Sprintf("customer_days %d %s %s %s %s", x.Customer.Pseudonym, date, e.StoreID, channel, x.Currency)
		who = fmt.Sprintf("%s %d %s %s %s", date, x.Customer.Pseudonym, e.StoreID, channel, x.Currency)
		n.content.Put(customer, "first_at", "min", utc.Unix())
		n.content.Put(customer, "last_at", "max", utc.Unix())
		n.content.Put(customer, "times_in", "", utc.Unix())
	}
	put := func(key, column string, v int64) {
		if key != "" {
			n.content.Put(key, column, "sum", v)
		}
	}
	var net, tax int64
	bought := map[string]bool{}
	together := map[string]map[string]bool{"category": {}, "product": {}}
	categories := map[string]string{} // of what is given back: one a product
	for _, l := range live {
		back := x.Kind == "return" || l.Quantity < 0
		sign := int64(1)
		if (back || undone) && l.Gross > 0 {
			sign = -1
		}
		units := l.Quantity
		if (back || undone) && units > 0 {
			units = -units
		}
		lineNet := l.Gross - l.Discount
		if l.Net.OK {
			lineNet = l.Net.Value
		}
		lineNet *= sign
		net += lineNet
		tax += sign * l.Tax
		put(sales, "gross", sign*l.Gross)
		put(sales, "discount", sign*l.Discount)
		put(customer, "discount", sign*l.Discount)
		if l.Kind != "" && l.Kind != "item" {
			continue
		}
		put(sales, "units", units)
		put(customer, "units", units)
		category := l.Category
		if category == "" && len(l.Hierarchy) > 0 {
			category = l.Hierarchy[0]
		}
		product := fmt.Sprintf("product_sales %s %s %s %s %s", date, e.StoreID, orElse(l.ProductID, "-"), orElse(category, "-"), x.Currency)
		put(product, "units", units)
		put(product, "lines", 1)
		if back || undone {
			for _, l2 := range live {
				if l2.ProductID == l.ProductID && (l2.Kind == "" || l2.Kind == "item") && (undone || x.Kind == "return" || l2.Quantity < 0) {
					c := l2.Category
					if c == "" && len(l2.Hierarchy) > 0 {
						c = l2.Hierarchy[0]
					}
					categories[l.ProductID] = max(categories[l.ProductID], c)
				}
			}
			given := fmt.Sprintf("returns %s %s %s %s %s %s %s %s %s - - %s", date, e.StoreID, e.TerminalID, e.ID, orElse(l.ProductID, "-"), orElse(categories[l.ProductID], "-"),
				x.Currency, x.Kind, orElse(x.Original.TransactionID, "-"), orElse(x.Original.Reason, "-"))
			put(given, "lines", 1)
			put(given, "units", -units)
			put(given, "net", -lineNet)
			n.content.Put(given, "returned_at", "max", utc.Unix())
			n.content.Put(given, "original_sequence", "max", int64(x.Original.Sequence.Value))
		}
		put(product, "revenue", lineNet)
		put(product, "discount", sign*l.Discount)
		if back && !undone {
			put(product, "returned_units", -units)
		}
		if len(l.Promotions) > 0 {
			put(product, "promoted_units", units)
		}
		if who != "" {
			item := fmt.Sprintf("customer_items %s %s %s", who, orElse(category, "-"), orElse(l.ProductID, "-"))
			put(item, "units", units)
			put(item, "revenue", lineNet)
		}
		off := map[string]int64{}
		for _, p := range l.Promotions {
			off[orElse(p.PromotionID, p.CouponCode)] += max(p.Amount, -p.Amount)
		}
		for id, amount := range off {
			switch {
			case id == "":
				continue
			case amount == 0 && len(l.Promotions) == 1:
				amount = sign * l.Discount
			case units < 0:
				amount = -amount
			}
			key := fmt.Sprintf("promotion_days %s %s %s %s %s %s", date, id, e.StoreID, orElse(l.ProductID, "-"), orElse(category, "-"), x.Currency)
			put(key, "units", units)
			put(key, "revenue", lineNet)
			put(key, "discount", amount)
		}
		if x.Kind == "sale" && !back && !bought[l.ProductID] {
			bought[l.ProductID] = true
			put(product, "baskets", 1)
			together["category"][category] = true
			if slices.Contains(n.watch, l.ProductID) {
				together["product"][l.ProductID] = true
			}
		}
	}
	if len(live) > 0 && !slices.ContainsFunc(live, func(l event.Line) bool { return l.Tax != 0 }) {
		tax = x.Totals.Tax
		if (x.Kind == "return" || undone) && x.Totals.Gross > 0 {
			tax = -tax
		}
	}
	delete(together["category"], "")
	for level, names := range together {
		day := fmt.Sprintf("basket_pairs %s %s %s", date, e.StoreID, level)
		if level == "category" && len(names) < 2 || level == "product" && (len(bought) < 2 || len(n.watch) == 0) {
			continue
		}
		put(day+" - -", "baskets", 1)
		for a := range names {
			put(day+" "+orElse(a, "-")+" -", "baskets", 1)
			for b := range names {
				if a < b {
					put(day+" "+orElse(a, "-")+" "+b, "baskets", 1)
				}
			}
		}
	}
	put(sales, "net", net)
	if x.Kind != "void" || undone {
		put(till, "net"+minute, net)
	}
	put(sales, "tax", tax)
	put(customer, "net", net)
	if x.Kind == "sale" {
		n.content.Put(sales, "baskets_in", "", net)
		put(customer, "transactions", 1)
		if who != "" {
			method, most := "-", int64(-1000)
			for _, t := range x.Tenders {
				if (t.Result == "approved" || t.Result == "approved_offline") && t.Amount > most {
					method, most = t.Method, t.Amount
				}
			}
			n.content.Put(fmt.Sprintf("customer_hours %s %d %s", who, local.Hour(), method), "transactions", "sum", 1)
		}
		if x.Customer.Pseudonym > 0 {
			put(sales, "identified_transactions", 1)
			n.content.Put(sales, "customers_in", "", int64(x.Customer.Pseudonym))
		}
		if x.Customer.Type == "loyalty" {
			put(sales, "loyalty_transactions", 1)
		}
		if x.Offline.Mode != "" && x.Offline.Mode != "none" {
			put(sales, "offline_transactions", 1)
		}
	}
}

func of[T any](t *rapid.T, values ...T) T { return rapid.SampledFrom(values).Draw(t, "one") }

func anyLine(t *rapid.T) event.Line {
	amount := rapid.Int64Range(-500, 500)
	l := event.Line{
		Kind: of(t, "", "item", "item", "tip", "deposit", "later_idea"), ProductID: of(t, "", "milk", "bread", "tea"),
		Category: of(t, "", "", "dairy", "bakery"), Hierarchy: of(t, nil, []string{"food", "fresh"}),
		Quantity: 500 * rapid.Int64Range(-4, 8).Draw(t, "quantity"), Gross: amount.Draw(t, "gross"), Discount: amount.Draw(t, "discount"),
		Tax: of[int64](t, 0, 0, 7, -7), Voided: of(t, false, false, true),
		Promotions: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) event.Promotion {
			return event.Promotion{PromotionID: of(t, "", "p1", "p2"), CouponCode: of(t, "", "c1", "p1"), Amount: of[int64](t, 0, 3, -5)}
		}), 0, 3).Draw(t, "promotions"),
	}
	if rapid.Bool().Draw(t, "net sent") {
		l.Net = event.Some(amount.Draw(t, "net"))
	}
	return l
}

func anyTender(t *rapid.T) event.Tender {
	d := event.Tender{
		Wallet: of(t, "", "", "apple_pay"), Acquirer: of(t, "", "a"), Method: of(t, "cash", "card"), EntryMode: of(t, "", "icc"), Amount: rapid.Int64Range(-500, 500).Draw(t, "amount"),
		Result: of(t, "approved", "approved_offline", "declined", "failed", "timeout", "cancelled", "reversed", ""),
		Error:  of(t, "", "Refusal", "InsertedCard", "Cancel", "Aborted", "UnreachableHost"),
	}
	if rapid.Bool().Draw(t, "timed") {
		d.AuthorisationMS = event.Some(rapid.Uint32().Draw(t, "ms"))
	}
	return d
}

func anyTransaction(t *rapid.T) *event.Event {
	e := &event.Event{}
	e.Type = of(t, event.TypeTransaction, event.TypeTransaction, event.TypeTransaction, event.TypeHealth)
	e.StoreID, e.TerminalID, e.Test = of(t, "s1", "s2"), of(t, "t1", "t2"), of(t, false, false, false, true)
	// About two ends of a month, so that days, hours and months differ from zone to zone.
	moment := rapid.Custom(func(t *rapid.T) event.Time {
		base := of(t, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 10, 25, 1, 0, 0, 0, time.UTC)).UnixMilli()
		return event.Time{Milli: base + rapid.Int64Range(-30*3_600_000, 30*3_600_000).Draw(t, "at"), Offset: of[int32](t, 0, 3600, 7200, 20700, -12600), OK: true}
	})
	e.Time = moment.Draw(t, "time")
	if of(t, false, false, true) {
		e.Transaction.EndedAt = moment.Draw(t, "ended")
	}
	if of(t, false, false, true) {
		e.Transaction.BusinessDate = event.Some(rapid.Int32Range(20510, 20515).Draw(t, "business date"))
	}
	x := &e.Transaction
	x.Kind = of(t, "sale", "sale", "return", "exchange", "void", "no_sale", "layaway")
	x.Channel, x.Currency = of(t, "", "store", "web"), of(t, "EUR", "JPY")
	x.Original = of(t, event.Original{}, event.Original{TransactionID: "x"}, event.Original{Sequence: event.Some[uint64](0)}, event.Original{Reason: "why"})
	x.Offline.Mode = of(t, "", "none", "saf", "emv")
	x.Customer = event.Customer{Pseudonym: of[uint64](t, 0, 1, 2), Type: of(t, "", "loyalty", "payment_token")}
	x.Totals = event.Totals{Gross: rapid.Int64Range(-9, 9).Draw(t, "gross"), Tax: rapid.Int64Range(-9, 9).Draw(t, "tax")}
	for range rapid.IntRange(0, 4).Draw(t, "lines") {
		x.Lines = append(x.Lines, anyLine(t))
	}
	for range rapid.IntRange(0, 2).Draw(t, "tenders") {
		x.Tenders = append(x.Tenders, anyTender(t))
	}
	return e
}

// Whatever the order of the transactions and wherever batches end, the tables hold what the definitions say.
func TestAgainstNaive(t *testing.T) {
	schema := tabletest.Load(t)
	rapid.Check(t, func(t *rapid.T) {
		cutoff := of[time.Duration](t, 0, 4*time.Hour, -2*time.Hour)
		events := rapid.SliceOfN(rapid.Custom(anyTransaction), 0, 25).Draw(t, "events")
		watch := of(t, nil, []string{"milk", "tea", "bread"})
		want := naive{cutoff, watch, tabletest.Content{}}
		for i, e := range events {
			e.ID = fmt.Sprint(i)
			want.add(e)
		}
		f := New(Config{BusinessDayCutoff: cutoff, Watch: watch})
		got := tabletest.Content{}
		var sealed [][]*rollup.Block // looked at when later batches have been folded
		for _, e := range rapid.Permutation(events).Draw(t, "order") {
			f.Fold(e, rollup.Input{Sender: uint32(e.TerminalID[1] - '0')})
			if of(t, false, false, true) {
				sealed = append(sealed, f.Seal(rollup.Version{}).Blocks)
			}
		}
		sealed = append(sealed, f.Seal(rollup.Version{}).Blocks)
		for _, blocks := range sealed {
			schema.Check(t, blocks)
			schema.Add(got, blocks)
		}
		if diff := cmp.Diff(want.content.Lines("customers_in"), got.Lines("customers_in")); diff != "" {
			t.Fatalf("%s", diff)
		}
	})
}

// Nor does it matter how a store that sells much is counted: of its lines and pairs most are not looked up, but those of categories that came late, and of products that
// change theirs.
func TestMuchAgainstNaive(t *testing.T) {
	const categories = maxGrid + 40
	rnd := rand.New(rand.NewPCG(8, 8))
	schema, f := tabletest.Load(t), New(Config{Watch: []string{"p3", "p5", "p8"}})
	want, got := naive{0, []string{"p3", "p5", "p8"}, tabletest.Content{}}, tabletest.Content{}
	for batch := range 3 {
		for i := range 2000 {
			e := &event.Event{}
			e.Type, e.ID, e.StoreID, e.TerminalID = event.TypeTransaction, fmt.Sprint(batch, "-", i), "s1", fmt.Sprint("t", rnd.IntN(3))
			if rnd.IntN(100) == 0 {
				e.StoreID = "s2"
			}
			e.Time = event.Time{Milli: time.Date(2026, 3, 1+rnd.IntN(2), 12, i%60, 0, 0, time.UTC).UnixMilli(), OK: true}
			x := &e.Transaction
			x.Kind, x.Currency = "sale", []string{"EUR", "EUR", "EUR", "JPY"}[rnd.IntN(4)]
			for range 1 + rnd.IntN(5) {
				p := rnd.IntN(1 + i%(2*categories)) // the first are sold the most, and come first
				c := p
				if rnd.IntN(9) == 0 {
					c = rnd.IntN(categories)
				}
				x.Lines = append(x.Lines, event.Line{ProductID: fmt.Sprint("p", p), Category: fmt.Sprint("c", c%categories), Quantity: 1000 * int64(1-2*(rnd.IntN(9)/8)), Gross: int64(p)})
			}
			want.add(e)
			f.Fold(e, rollup.Input{Sender: 1 + uint32(e.TerminalID[1]-'0')})
		}
		if f.grids.touched == 0 || f.pairs.Len() == 0 || f.places.used == 0 {
			t.Fatalf("%d pairs are counted in grids, %d in the table; shelves have room for %d products", f.grids.touched, f.pairs.Len(), f.places.used)
		}
		blocks := f.Seal(rollup.Version{}).Blocks
		schema.Check(t, blocks)
		schema.Add(got, blocks)
	}
	if diff := cmp.Diff(want.content.Lines("customers_in"), got.Lines("customers_in")); diff != "" {
		t.Fatalf("%s", diff)
	}
}

// One batch gives the same blocks, to the byte, in whatever order its transactions come.
func TestSameBlocksInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := rapid.SliceOfN(rapid.Custom(anyTransaction), 1, 25).Draw(t, "events")
		blocks := func(events []*event.Event) []*rollup.Block {
			f := New(Config{Watch: []string{"milk", "bread"}})
			for _, e := range events {
				f.Fold(e, rollup.Input{})
			}
			return f.Seal(rollup.Version{}).Blocks
		}
		a, b := blocks(events), blocks(rapid.Permutation(events).Draw(t, "order"))
		if diff := cmp.Diff(a, b, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".sum" }, cmp.Ignore())); diff != "" {
			t.Fatalf("%s", diff)
		}
	})
}
