package clickhouse

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor/rollup"
)

// Tables made anew are compared, keep months of production, and are swapped one by one; which were swapped is known afterwards.
func TestShadow(t *testing.T) {
	t.Cleanup(func() { cleanUp(t) })
	s := fresh(t)
	if err := s.CheckExchange(t.Context()); err != nil {
		t.Fatal(err)
	}
	product := func(database, date string, units int) {
		do(t, s, fmt.Sprintf("INSERT INTO %s.product_sales (lane, store_id, business_date, product_id, units) VALUES ('', 's', '%s', 'p', %d)", database, date, units))
	}
	if err := s.CreateShadow(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, ok, err := s.FindSwap(t.Context()); ok || err != nil {
		t.Errorf("an empty shadow says that a swap was written down (%v)", err)
	}
	product(production, "2026-09-05", 9)
	product(production, "2026-10-05", 10)
	product(production, "2026-11-05", 11)
	product(shadow, "2026-08-05", 1)
	product(shadow, "2026-10-05", 20)
	product(shadow, "2026-10-06", 20)
	product(shadow, "2026-11-05", 12)
	do(t, s, "INSERT INTO tillstream.sales_hourly (lane, store_id, business_date, baskets_in) VALUES ('', 's', '2026-11-05', [1, 2])")
	do(t, s, "INSERT INTO tillstream_rebuild.sales_hourly (lane, store_id, business_date, baskets_in) VALUES ('', 's', '2026-11-05', [2, 1])")
	do(t, s, "INSERT INTO tillstream.terminal_status (lane, store_id, terminal_id, version, battery_pct) VALUES ('', 's', 't', 1, NULL)")
	do(t, s, "INSERT INTO tillstream_rebuild.terminal_status (lane, store_id, terminal_id, version, battery_pct) VALUES ('', 's', 't', 2, 1)")
	// An order whose days and added sales were reckoned by batches of other numbers; what had been added was voided before there was a batch.
	order := func(database string, v rollup.Version, added string) {
		held := fmt.Sprintf("00000000000001%020d", v.Uint64())
		do(t, s, fmt.Sprintf("INSERT INTO %s.order_journeys (lane, store_id, order_id, placed_day_held, added_held) VALUES ('', 's', 'o', '%s20000', '%s')", database, held, added))
	}
	order(production, rollup.Version{Epoch: 1, Batch: 7}, fmt.Sprintf("%014d%020d", 0, 7))
	order(shadow, rollup.Version{Epoch: 1, Batch: 2}, "")
	// Evidence that ended longer ago than any that is kept, as all has of old records that are folded again; nothing may bring back what ended.
	state := func(database string, rows ...string) {
		for _, row := range rows {
			do(t, s, "INSERT INTO "+database+".state (lane, kind, key, version, deleted) VALUES ('g#1', "+row+")")
		}
	}
	state(production, "'past', 's\\0t\\0400000', 1, 1", "'past', 's\\0t\\0400001', 1, 0")
	state(shadow, "'past', 's\\0t\\0400000', 1, 0", "'past', 's\\0t\\0400000', 2, 1", "'past', 's\\0t\\0400001', 2, 0")
	do(t, s, "OPTIMIZE TABLE tillstream_rebuild.state")

	got, err := s.Compare(t.Context(), []string{"order_journeys", "outages", "product_sales", "sales_hourly", "state", "terminal_status"})
	if err != nil {
		t.Fatal(err)
	}
	want := []Comparison{
		{Table: "order_journeys", Before: 1, After: 1, Same: true},
		{Table: "outages", Same: true},
		{Table: "product_sales", Before: 3, After: 4, Sums: []SumChange{{"units", 30, 53}}},
		{Table: "sales_hourly", Before: 1, After: 1, Same: true},
		{Table: "state", Before: 1, After: 1, Same: true},
		{Table: "terminal_status", Before: 1, After: 1},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if err := s.KeepMonths(t.Context(), "product_sales", 202610, 202610); err != nil {
		t.Fatal(err)
	}
	units := func(database string) []string {
		return ask(t, s, "business_date, units", "FROM "+database+".product_sales FINAL ORDER BY business_date")
	}
	old, mended := units(production), []string{"2026-09-05 9", "2026-10-05 20", "2026-10-06 20", "2026-11-05 11"}
	if d := cmp.Diff(mended, units(shadow)); d != "" {
		t.Error(d)
	}

	if err := s.PutSwap(t.Context(), Swap{Group: "g", Epoch: 3, Reason: "why"}, []string{"product_sales", "outages"}); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		swapped bool
		rows    []string
	}{{false, old}, {true, mended}, {false, old}} {
		w, swapped, ok, err := s.FindSwap(t.Context())
		if err != nil || !ok || w.Group != "g" || w.Epoch != 3 || w.Reason != "why" {
			t.Fatal(w, ok, err)
		}
		if d := cmp.Diff(map[string]bool{"product_sales": step.swapped, "outages": false}, swapped); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff(step.rows, units(production)); d != "" {
			t.Error(d)
		}
		if err := s.Exchange(t.Context(), "product_sales"); err != nil {
			t.Fatal(err)
		}
	}
	do(t, s, "DROP TABLE tillstream_rebuild.outages SYNC")
	if _, _, _, err := s.FindSwap(t.Context()); err == nil {
		t.Error("a table made anew is gone, and nobody says so")
	}
	if err := s.DropShadow(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(mended, units(production)); d != "" {
		t.Errorf("after the old tables were dropped: %s", d)
	}
}
