package clickhouse

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// profiles gives buyer_profiles and rfm known rows: customers 1 to 40 in EUR, the odd ones in JPY too; cleanUp brings the views back.
func profiles(t *testing.T, s *Sink) {
	t.Helper()
	t.Cleanup(func() { cleanUp(t) })
	do(t, s, `CREATE OR REPLACE VIEW pos.buyer_profiles AS SELECT toUInt64(n) AS customer, currency, if(n % 4 = 0, 'at_risk', 'loyal') AS segment, 'food' AS top_category, toUInt8(6) AS usual_dow,
		toUInt8(8 + n % 10) AS usual_hour, if(n <= 20, '0042', '0043') AS usual_store, 'card' AS usual_method, 7.0 AS median_interval_days, now('UTC') AS last_at, ['store', 'web'] AS channels,
		toDecimal64(n, 4) AS net_365d FROM (SELECT number + 1 AS n, arrayJoin(if(n % 2 = 1, ['EUR', 'JPY'], ['EUR'])) AS currency FROM numbers(40))`)
	do(t, s, `CREATE OR REPLACE VIEW pos.rfm AS SELECT toUInt64(number + 1) AS customer, 'EUR' AS currency, toUInt32(1) AS recency_days, toUInt32(2) AS frequency, toDecimal64(3, 4) AS monetary,
		toUInt8(1 + number % 5) AS r, toUInt8(1) AS f, toUInt8(1) AS m FROM numbers(30)`)
}

func TestAudience(t *testing.T) {
	s := fresh(t)
	profiles(t, s)
	do(t, s, "INSERT INTO tillstream.customer_consent (lane, customer, latest) SELECT '', number + 1, '01767225600000marketing\nprofiling' FROM numbers(15)")
	do(t, s, "INSERT INTO tillstream.customer_consent (lane, customer, latest) VALUES ('', 3, '01767225600001profiling'), ('', 5, '01767225500001')") // 3 took it back; 5 had not agreed, once
	do(t, s, "INSERT INTO tillstream.clv (model, currency, customer, clv) SELECT 'm', 'EUR', number + 1, number FROM numbers(10)")
	do(t, s, "INSERT INTO tillstream.clv_models (model, currency) VALUES ('m', 'EUR')")
	do(t, s, "INSERT INTO tillstream.customer_days (lane, customer, business_date, transactions) SELECT '', 7, today() - 40 - number, 1 FROM numbers(4)")
	upTo := func(from, to uint64) (all []uint64) {
		for ; from <= to; from++ {
			all = append(all, from)
		}
		return all
	}
	for _, c := range []struct {
		a    Audience
		all  uint64
		want []uint64
	}{
		{Audience{Where: "true"}, 40, upTo(1, 40)}, // each once, however many currencies he has
		{Audience{Where: "currency = 'JPY'"}, 20, []uint64{1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31, 33, 35, 37, 39}},
		{Audience{Where: "true", Purpose: "marketing"}, 40, []uint64{1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
		{Audience{Where: "true", Purpose: "profiling"}, 40, upTo(1, 15)},
		{Audience{Where: "true", Purpose: "Marketing"}, 40, nil},
		{Audience{Where: "usual_store = '0042' AND usual_dow = 6 AND usual_hour BETWEEN 10 AND 13", Purpose: "marketing"}, 8, []uint64{2, 4, 5, 12, 13, 14, 15}}, // M15
		{Audience{Where: "r >= 1 OR r < 1"}, 30, upTo(1, 30)},                                                                                                    // who has no r is not meant
		{Audience{Where: "clv >= 0", Order: "clv desc", Limit: 3}, 10, []uint64{10, 9, 8}},
		{Audience{Where: "true", Order: "clv", Limit: 3}, 40, []uint64{1, 2, 3}},
		{Audience{Where: "level = 'gone' AND has(channels, 'web')"}, 1, []uint64{7}},
		{Audience{Where: "segment = 'at_risk'' OR true OR segment = '''"}, 0, nil},
	} {
		all, agreed, err := s.CountAudience(t.Context(), c.a)
		if err != nil {
			t.Fatalf("%+v: %v", c.a, err)
		}
		var got []uint64
		for customer, err := range s.Audience(t.Context(), c.a) {
			if err != nil {
				t.Fatalf("%+v: %v", c.a, err)
			}
			got = append(got, customer)
		}
		if all != c.all || !slices.Equal(got, c.want) || c.a.Limit == 0 && agreed != uint64(len(got)) {
			t.Errorf("%+v: %d, of whom %d agreed: %v; want %d, %v", c.a, all, agreed, got, c.all, c.want)
		}
	}
	for _, where := range []string{"customer = 1", "r IN (SELECT 1)", "true) OR (true", "segment > 1"} { // the last one is the server's to refuse
		if _, _, err := s.CountAudience(t.Context(), Audience{Where: where}); err == nil {
			t.Errorf("%s was asked", where)
		}
		for _, err := range s.Audience(t.Context(), Audience{Where: where}) {
			if err == nil {
				t.Errorf("%s was asked", where)
			}
		}
	}
	// Were the check wrong, the server would still refuse what is not reading.
	ctx, cancel := s.asking(t.Context())
	defer cancel()
	for _, sql := range []string{"INSERT INTO tillstream.exports (id) VALUES ('x')", "CREATE TABLE tillstream.x (a Int8) ENGINE = Memory", "DROP VIEW pos.rfm", "SYSTEM FLUSH LOGS"} {
		if err := s.conn.Exec(ctx, sql); err == nil || !strings.Contains(err.Error(), "readonly") {
			t.Errorf("%s: %v", sql, err)
		}
	}
	s.now = func() time.Time { return time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC) }
	x := &Export{ID: "e1", By: "ann", Reason: "sorry", Basis: "consent", Format: "csv", Audience: Audience{Where: "true", Purpose: "marketing", Limit: 100}, Customers: 14, LeftOut: 26, K: 10, SHA256: "ab"}
	if err := s.PutExport(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, s, "id, at, by, predicate, reason, basis, purpose, customers, left_out, most, k, format, sha256", "FROM pos.audience_exports"); !slices.Equal(got, []string{"e1 2026-05-01 00:00:00.000 ann true sorry consent marketing 14 26 100 10 csv ab"}) {
		t.Errorf("%q", got)
	}
}
