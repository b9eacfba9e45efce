package journey

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/rollup"
	"github.com/tillstream/tillstream/processor/table/tabletest"
)

// orderStep and tillSale are events of store s1 and a customer, so many minutes after the beginning.
func orderStep(order, step string, minute int, more object) object {
	o := object{
		"id": fmt.Sprintf("%s/%s/%d", order, step, minute), "source": "shop", "type": event.TypeOrder, "store_id": "s1", "order_id": order, "step": step, "time": instantOf(minute, "Z"),
		"customer": object{"id": "ann", "type": "loyalty"},
	}
	return with(o, more)
}

func tillSale(id string, minute int, more object) object {
	return with(object{
		"id": id, "source": "t1", "type": event.TypeTransaction, "store_id": "s1", "terminal_id": "t1", "time": instantOf(minute, "Z"), "kind": "sale", "currency": "EUR",
		"customer": object{"id": "ann", "type": "loyalty"}, "lines": []object{{"line": 1, "product_id": "p", "quantity": 1, "gross": 500}}, "totals": object{"gross": 500, "net": 500},
	}, more)
}

func with(o, more object) object {
	for k, v := range more {
		if o[k] = v; v == nil {
			delete(o, k)
		}
	}
	return o
}

// What is an added sale, and whose.
func TestAddedSales(t *testing.T) {
	void := func(original object) object {
		return object{"id": "v", "source": "t1", "type": event.TypeTransaction, "store_id": "s1", "terminal_id": "t1", "time": instantOf(105, "Z"), "kind": "void", "original": original}
	}
	collectedBy := func(more object) object { return orderStep("o1", "collected", 100, more) }
	for name, c := range map[string]struct {
		want string
		all  []object
	}{
		"30 min before":                        {"EUR 500 1", []object{collectedBy(nil), tillSale("a", 70, nil)}},
		"30 min after":                         {"EUR 500 1", []object{tillSale("a", 130, nil), collectedBy(nil)}},
		"31 min after":                         {"", []object{collectedBy(nil), tillSale("a", 131, nil)}},
		"by the end of the sale":               {"EUR 500 1", []object{collectedBy(nil), tillSale("a", 60, object{"ended_at": instantOf(71, "Z")})}},
		"another customer":                     {"", []object{collectedBy(nil), tillSale("a", 100, object{"customer": object{"id": "bob", "type": "loyalty"}})}},
		"the same id of another kind":          {"", []object{collectedBy(nil), tillSale("a", 100, object{"customer": object{"id": "ann", "type": "account"}})}},
		"another store":                        {"", []object{collectedBy(nil), tillSale("a", 100, object{"store_id": "s2"})}},
		"nobody":                               {"", []object{collectedBy(object{"customer": nil}), tillSale("a", 100, object{"customer": nil})}},
		"online":                               {"", []object{collectedBy(nil), tillSale("a", 100, object{"channel": "web"})}},
		"at the kiosk":                         {"EUR 500 1", []object{collectedBy(nil), tillSale("a", 100, object{"channel": "kiosk"})}},
		"in training":                          {"", []object{collectedBy(nil), tillSale("a", 100, object{"test": true})}},
		"a return":                             {"", []object{collectedBy(nil), tillSale("a", 100, object{"kind": "return"})}},
		"a line brought back":                  {"EUR -500 1", []object{collectedBy(nil), tillSale("a", 100, object{"lines": []object{{"line": 1, "product_id": "p", "quantity": -1, "gross": 500}}})}},
		"nothing left of it":                   {"", []object{collectedBy(nil), tillSale("a", 100, object{"lines": []object{{"line": 1, "product_id": "p", "quantity": 1, "gross": 500, "voided": true}}})}},
		"another currency":                     {"", []object{collectedBy(object{"currency": "CHF", "amount": 1}), tillSale("a", 100, nil)}},
		"two sales":                            {"EUR 1000 2", []object{tillSale("a", 90, nil), collectedBy(nil), tillSale("b", 101, nil)}},
		"the collection itself":                {"", []object{tillSale("a", 100, nil), collectedBy(object{"transaction_id": "a"})}},
		"of another order":                     {"", []object{tillSale("a", 100, nil), collectedBy(nil), orderStep("o2", "picking", 0, object{"transaction_id": "a", "customer": nil})}},
		"names the order":                      {"", []object{collectedBy(nil), tillSale("a", 100, object{"order_id": "o1"})}},
		"names the order, which names another": {"EUR 500 1", []object{collectedBy(object{"customer": nil, "transaction_id": "x"}), tillSale("a", 100, object{"order_id": "o1", "customer": nil})}},
		"names another order":                  {"", []object{collectedBy(nil), tillSale("a", 100, object{"order_id": "o9"})}},
		"voided by id":                         {"", []object{collectedBy(nil), void(object{"transaction_id": "a"}), tillSale("a", 100, nil)}},
		"voided by number":                     {"", []object{collectedBy(nil), tillSale("a", 100, object{"sequence": 7}), void(object{"sequence": 7})}},
		"another was voided":                   {"EUR 500 1", []object{collectedBy(nil), tillSale("a", 100, object{"sequence": 7}), void(object{"sequence": 7, "terminal_id": "t2"})}},
		"a void before payment":                {"EUR 500 1", []object{collectedBy(nil), tillSale("a", 100, nil), void(object{"reason": "left"})}},
		"collected in part":                    {"EUR 500 1", []object{orderStep("o1", "partially_collected", 100, nil), orderStep("o1", "collected", 900, nil), tillSale("a", 100, nil), tillSale("b", 900, nil)}},
		"not collected":                        {"", []object{orderStep("o1", "ready", 100, nil), tillSale("a", 100, nil)}},
		"collected earlier, it turns out":      {"", []object{collectedBy(nil), tillSale("a", 100, nil), orderStep("o1", "collected", 10, nil)}},
	} {
		for _, batches := range []bool{false, true} {
			schema, f, got := tabletest.Load(t), New(Config{}, stores{}), content{}
			for i, o := range c.all {
				if f.Fold(decode(t, o), rollup.Input{}); batches || i == len(c.all)-1 {
					got.add(t, schema, f.Seal(rollup.Version{Epoch: 1, Batch: uint64(i + 1)}))
				}
			}
			if added := got.seen()["s1/o1"].Held["added"]; added != c.want {
				t.Errorf("%s: %q, want %q (a batch each: %v)", name, added, c.want, batches)
			}
		}
	}
}

// Of a customer's orders a sale is added to the nearest, the earlier of two, then the smaller id.
func TestASaleIsAddedOnce(t *testing.T) {
	for name, c := range map[string]struct {
		a, b int
		want string
	}{
		"nearest": {80, 110, "o2"}, "earlier": {110, 90, "o2"}, "smaller id": {110, 110, "o1"},
	} {
		schema, f, got := tabletest.Load(t), New(Config{}, stores{}), content{}
		for i, o := range []object{tillSale("a", 100, nil), orderStep("o1", "collected", c.a, nil), orderStep("o2", "collected", c.b, nil)} {
			f.Fold(decode(t, o), rollup.Input{})
			got.add(t, schema, f.Seal(rollup.Version{Epoch: 1, Batch: uint64(i + 1)}))
		}
		for _, order := range []string{"o1", "o2"} {
			if added := got.seen()["s1/"+order].Held["added"] != ""; added != (order == c.want) {
				t.Errorf("%s: added to %s: %v", name, order, added)
			}
		}
	}
}

// Finished orders leave memory and state once the store's sales and orders are past them; what comes later joins what the table has.
func TestFinishedOrdersLeave(t *testing.T) {
	const d = 24 * 60
	schema, got, st := tabletest.Load(t), content{}, state{}
	f := New(Config{}, stores{})
	batch := uint64(0)
	fold := func(all ...object) {
		for _, o := range all {
			f.Fold(decode(t, o), rollup.Input{})
		}
		batch++
		s := f.Seal(rollup.Version{Epoch: 1, Batch: batch})
		got.add(t, schema, s)
		st.apply(t, s.State)
	}
	fold(orderStep("o1", "placed", 0, object{"mode": "locker"}), orderStep("o1", "ready", 60, nil), orderStep("o1", "collected", 100, nil), tillSale("a", 110, nil), orderStep("open", "placed", 0, nil))
	fold(orderStep("o2", "placed", 5*d, nil)) // the sales are not that far: they may still come
	if len(f.stores["s1"].orders) != 3 {
		t.Fatalf("%d orders are kept, want all 3 until the sales have come to there", len(f.stores["s1"].orders))
	}
	fold(tillSale("late", 90, nil), tillSale("b", 5*d, nil))
	if orders := f.stores["s1"].orders; orders["o1"] != nil || orders["open"] == nil || orders["o2"] == nil || len(f.stores["s1"].named) > 0 {
		t.Fatalf("o1 is finished and should be gone, the others not: %v", keysOf(orders))
	}
	if keys := keysOf(st); len(keys) != 3 { // open, o2, and the hour of b
		t.Fatalf("state: %v", keys)
	}
	want := got.seen()["s1/o1"]
	if want.Held["added"] != "EUR 1000 2" {
		t.Fatalf("added: %q", want.Held["added"])
	}
	fold(orderStep("o1", "returned", 6*d, object{"reason": "broken"}), orderStep("o1", "ready", 70, object{"mode": "curbside"}), orderStep("o1", "collected", 100, nil), tillSale("c", 6*d, nil))
	want.At["returned"] = begin.Add(6 * d * time.Minute).UnixMilli()
	want.Said["reason"], want.Said["mode"] = "broken", "curbside"
	if diff := cmp.Diff(want, got.seen()["s1/o1"]); diff != "" {
		t.Errorf("late steps (-want +got):\n%s", diff)
	}
	fold(orderStep("o3", "placed", 40*d, nil)) // nobody bought anything since, but an order that is not finished is given up
	if orders := f.stores["s1"].orders; orders["open"] != nil || orders["o3"] == nil {
		t.Errorf("after 40 days: %v", keysOf(orders))
	}
	g := st.load(t, Config{}, stores{})
	if diff := cmp.Diff(keysOf(f.stores["s1"].orders), keysOf(g.stores["s1"].orders)); diff != "" {
		t.Errorf("orders in memory and in state (-memory +state):\n%s", diff)
	}
}

// A store without sales to known customers lets its orders go all the same.
func TestOrdersLeaveWithoutSales(t *testing.T) {
	const d = 24 * 60
	_, f := fold(t, Config{}, stores{}, orderStep("o1", "collected", 0, nil), orderStep("o1", "returned", 30*d, nil))
	for _, c := range []struct {
		day  int
		kept bool
	}{{60, true}, {62, false}} {
		f.Fold(decode(t, orderStep(fmt.Sprint(c.day), "placed", c.day*d, nil)), rollup.Input{})
		f.Seal(rollup.Version{})
		if kept := f.stores["s1"].orders["o1"] != nil; kept != c.kept {
			t.Errorf("day %d: kept %v", c.day, kept)
		}
	}
}

// Which orders are kept does not depend on where batches end, nor on which topic is ahead: else no table could be made anew beside the state that there is.
func TestOrdersLeaveWhateverTheBatches(t *testing.T) {
	var orders, sales []object
	for m := 0; m < 4*24*60; m += 17 {
		id := fmt.Sprint("o", m)
		orders = append(orders, orderStep(id, "placed", m, nil), orderStep(id, "collected", m+5, nil))
		sales = append(sales, tillSale(fmt.Sprint("s", m), m, nil))
	}
	kept := func(all []object, size int) []string {
		f := New(Config{}, stores{})
		for batch := range slices.Chunk(all, size) {
			for _, o := range batch {
				f.Fold(decode(t, o), rollup.Input{})
			}
			f.Seal(rollup.Version{})
		}
		return keysOf(f.stores["s1"].orders)
	}
	for name, all := range map[string][]object{"sales first": slices.Concat(sales, orders), "orders first": slices.Concat(orders, sales)} {
		want := kept(all, len(all))
		for _, size := range []int{3, 50} {
			if diff := cmp.Diff(want, kept(all, size)); diff != "" {
				t.Errorf("%s, batches of %d (-one batch +these):\n%s", name, size, diff)
			}
		}
	}
}

// State in two partitions, after the store's key has moved, is united.
func TestStateInTwoPartitions(t *testing.T) {
	schema, got := tabletest.Load(t), content{}
	both := New(Config{}, stores{})
	for p, all := range [][]object{
		{orderStep("o1", "placed", 0, object{"transaction_id": "x"}), orderStep("o1", "collected", 100, nil), tillSale("a", 95, nil)},
		{orderStep("o1", "ready", 50, nil), orderStep("o1", "collected", 90, nil), tillSale("b", 95, nil)},
	} {
		f := New(Config{}, stores{})
		for _, o := range all {
			f.Fold(decode(t, o), rollup.Input{Partition: int32(p)})
		}
		for _, row := range f.Seal(rollup.Version{}).State {
			if err := both.Load(row); err != nil {
				t.Fatal(err)
			}
		}
	}
	both.Fold(decode(t, tillSale("c", 99, nil)), rollup.Input{Partition: 1})
	got.add(t, schema, both.Seal(rollup.Version{Epoch: 1, Batch: 1}))
	x := got.seen()["s1/o1"]
	if len(x.At) != 4 || x.At["collected"] != begin.Add(90*time.Minute).UnixMilli() || x.Held["added"] != "EUR 1500 3" {
		t.Errorf("%+v", x)
	}
}

// A registry that comes later, changes, or forgets the store, tells days and leads anew.
func TestRegistryTellsAnew(t *testing.T) {
	schema, got, known := tabletest.Load(t), content{}, stores{}
	f := New(Config{}, known)
	batch := uint64(0)
	fold := func(all ...object) seen {
		for _, o := range all {
			e := decode(t, o)
			if text, ok := e.Body.(*registry.Store); ok {
				known["s1"] = text
				if text.Removed {
					delete(known, "s1")
				}
			}
			f.Fold(e, rollup.Input{})
		}
		batch++
		got.add(t, schema, f.Seal(rollup.Version{Epoch: 1, Batch: batch}))
		return got.seen()["s1/o1"]
	}
	revision := func(n int, store object) object {
		return object{"id": fmt.Sprint("r", n), "source": "x", "type": event.TypeRegistry, "time": instantOf(0, "Z"), "store_id": "s1", "revision": n, "store": store}
	}
	week := func(hours string) object {
		return object{"versions": []object{{"timezone": "Asia/Tokyo", "calendar": object{"week": object{"sun": []string{hours}}}}}}
	}
	// placed on Saturday at 15:00 in London, Sunday at 00:00 in Tokyo; ready ten hours later
	x := fold(orderStep("o1", "placed", 0, nil), orderStep("o1", "ready", 600, nil))
	day := begin.Unix() / 86400
	if x.Held["placed_day"] != fmt.Sprint(day) || x.Held["lead"] != "" {
		t.Errorf("without a registry: %v", x.Held)
	}
	for i, c := range []struct {
		store object
		hours int
	}{{week("09:00-17:00"), 1}, {week("00:00-04:00"), 4}, {object{"versions": []object{{"timezone": "Asia/Tokyo"}}}, 10}} {
		x = fold(revision(i, c.store))
		if want := fmt.Sprintf("%d %d", begin.UnixMilli(), c.hours*hourMilli); x.Held["placed_day"] != fmt.Sprint(day+1) || x.Held["lead"] != want {
			t.Errorf("revision %d: %v, want %s", i, x.Held, want)
		}
	}
	if x = fold(revision(9, object{"removed": true})); x.Held["placed_day"] != fmt.Sprint(day) || x.Held["lead"] != "" {
		t.Errorf("removed: %v", x.Held)
	}
}
