package clickhouse

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
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

	got, err := s.Compare(t.Context(), []string{"outages", "product_sales", "sales_hourly", "terminal_status"})
	if err != nil {
		t.Fatal(err)
	}
	want := []Comparison{
		{Table: "outages", Same: true},
		{Table: "product_sales", Before: 3, After: 4, Sums: []SumChange{{"units", 30, 53}}},
		{Table: "sales_hourly", Before: 1, After: 1, Same: true},
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
