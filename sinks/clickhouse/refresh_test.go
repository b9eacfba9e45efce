package clickhouse

import (
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	schema "github.com/tillstream/tillstream/schemas/clickhouse"
)

// A refresh shows late data at once and whole, one that fails leaves what was shown, and of the older ones only the last is kept.
func TestRefresh(t *testing.T) {
	s := fresh(t)
	buy := func(customer, daysAgo string) {
		do(t, s, "INSERT INTO tillstream.customer_days (lane, customer, business_date, store_id, currency, transactions, net) SELECT '', "+customer+", today() - "+daysAgo+", 's', 'EUR', 1, 500")
	}
	shown := func() []string { return ask(t, s, "customer, frequency, monetary", "FROM pos.rfm ORDER BY customer") }
	refresh := func() error {
		_, err := s.Refresh(t.Context())
		return err
	}
	if at, err := s.RefreshedAt(t.Context()); err != nil || !at.IsZero() {
		t.Errorf("before the first refresh: %v, %v", at, err)
	}
	buy("1", "3")
	for range 2 {
		if err := refresh(); err != nil {
			t.Fatal(err)
		}
	}
	if diff := gocmp.Diff([]string{"1 1 5"}, shown()); diff != "" {
		t.Error(diff)
	}
	buy("1", "200") // late
	buy("2", "1")
	if diff := gocmp.Diff([]string{"1 1 5"}, shown()); diff != "" {
		t.Errorf("before it is refreshed: %s", diff)
	}
	do(t, s, "RENAME TABLE tillstream.cohorts TO tillstream.gone")
	err := refresh()
	do(t, s, "RENAME TABLE tillstream.gone TO tillstream.cohorts")
	if err == nil || !strings.Contains(err.Error(), "refreshing cohorts") {
		t.Errorf("a table that cannot be written: %v", err)
	}
	if diff := gocmp.Diff([]string{"1 2 10", "2 1 5"}, shown()); diff != "" {
		t.Errorf("the others are refreshed: %s", diff)
	}
	if got := ask(t, s, "sum(customers)", "FROM pos.cohorts"); len(got) != 1 || got[0] != "1" {
		t.Errorf("what failed shows %v, want what it showed before", got)
	}
	if diff := gocmp.Diff([]string{"2"}, ask(t, s, "uniqExact(generation)", "FROM tillstream.rfm")); diff != "" {
		t.Errorf("generations that are kept: %s", diff)
	}
	if diff := gocmp.Diff([]string{"3"}, ask(t, s, "count()", "FROM pos.refreshes WHERE view = 'rfm'")); diff != "" {
		t.Error(diff)
	}
	if at, err := s.RefreshedAt(t.Context()); err != nil || at.IsZero() || len(schema.Refreshed()) < 8 {
		t.Errorf("after refreshes: %v, %v", at, err)
	}
}
