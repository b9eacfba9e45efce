package clickhouse

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Old rows go and newer ones stay, with all of the batches' own; the audit misses none of those that went, and still finds what is wrong beside them.
func TestRetention(t *testing.T) {
	s := fresh(t)
	defer cleanUp(t)
	write(t, s, "")
	days := func(date string) int {
		at, err := time.Parse(time.DateOnly, date)
		if err != nil {
			t.Fatal(err)
		}
		return int(time.Since(at).Hours()) / 24
	}
	var tables []string
	for _, k := range kept {
		tables = append(tables, k.table)
	}
	rows := func() map[string]string {
		out := map[string]string{}
		for _, table := range []string{"customer_days", "sales_hourly", "product_sales", "payments_hourly", "terminal_sales", "order_journeys"} { // that the books have
			do(t, s, "OPTIMIZE TABLE tillstream."+table+" FINAL")
			out[table] = ask(t, s, "countIf(lane = ''), countIf(lane != '')", "FROM tillstream."+table)[0]
		}
		return out
	}
	balanced := func(expired bool) {
		t.Helper()
		r, err := s.Audit(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !r.Balanced() || (r.Expired > 0) != expired {
			t.Errorf("%d months expired, findings %v", r.Expired, r.Findings)
		}
	}
	oldest := days(ask(t, s, "min(business_date)", "FROM tillstream.customer_days WHERE lane = ''")[0])
	retain := func(r Retention, want ...RetentionChange) {
		t.Helper()
		got, err := s.Retain(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
		again, err := s.Retain(t.Context(), r)
		if err != nil || len(again) > 0 {
			t.Errorf("again: %v, %v", again, err)
		}
	}
	changes := func(tables []string, before, now int) (all []RetentionChange) {
		for _, table := range tables {
			all = append(all, RetentionChange{table, before, now})
		}
		return all
	}
	all := rows()
	balanced(false)

	long, short := oldest+60, oldest-5
	retain(Retention{long, long, long}, changes(tables, 0, long)...)
	if d := cmp.Diff(all, rows()); d != "" {
		t.Errorf("rows went too early (-before +after)\n%s", d)
	}
	balanced(true) // orders have no months

	retain(Retention{Customers: short}, append(changes(tables[:3], long, short), changes(tables[3:], long, 0)...)...)
	want := maps.Clone(all)
	want["customer_days"] = "0 2"
	if d := cmp.Diff(want, rows()); d != "" {
		t.Errorf("customers (-want +got)\n%s", d)
	}
	balanced(true)

	// rows that came from nowhere, one long ago and one that is not: the first goes, the second is missed by the audit's totals
	do(t, s, "INSERT INTO tillstream.customer_days (lane, business_date, customer, net) VALUES ('', '2020-01-01', 7, 1), ('', today() + 40, 7, 1)")
	if got := rows()["customer_days"]; got != "1 2" {
		t.Errorf("customer_days has %s rows, want 1 and 2 of batches", got)
	}
	r, err := s.Audit(t.Context())
	if err != nil || len(r.Findings) != 1 || r.Findings[0].Table != "customer_days" {
		t.Errorf("%v, %v", r.Findings, err)
	}
	do(t, s, "ALTER TABLE tillstream.customer_days DELETE WHERE customer = 7 SETTINGS mutations_sync = 1")

	retain(Retention{short, short, short}, changes(tables[3:], 0, short)...)
	for table, n := range rows() {
		if _, own, _ := strings.Cut(all[table], " "); n != "0 "+own {
			t.Errorf("%s has %s rows of data and of batches, had %s", table, n, all[table])
		}
	}
	balanced(true)
	// Tables that are made anew keep the same.
	if err := s.CreateShadow(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer s.DropShadow(t.Context())
	made, err := s.Shadow().retained(t.Context())
	if err != nil || len(made) != len(kept) || made["customer_days"] != short {
		t.Errorf("%v, %v", made, err)
	}

	retain(Retention{}, changes(tables, short, 0)...)
	do(t, s, "ALTER TABLE tillstream.returns MODIFY TTL business_date + INTERVAL 1 YEAR")
	retain(Retention{})
	if _, err := s.Retain(t.Context(), Retention{Sales: 600}); err == nil || !strings.Contains(err.Error(), "returns has a TTL that tillstream did not give it") {
		t.Errorf("somebody's own TTL: %v", err)
	}
}
