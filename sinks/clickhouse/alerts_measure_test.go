//go:build measure

package clickhouse

import (
	"context"
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/tillstream/tillstream/processor/alert"
)

var measuredTills = flag.Int("tills", 100_000, "terminals, ten a store")

// What the looks for alerts take of ClickHouse, in CPU time a look, with a chain of tills of which one in a thousand is down.
func TestMeasureAlertLooks(t *testing.T) {
	s := fresh(t)
	ctx, n := context.Background(), *measuredTills
	do(t, s, fmt.Sprintf(`INSERT INTO tillstream.terminal_status (lane, store_id, terminal_id, version, status, since, last_seen, holds_until, registered)
		SELECT '', toString(intDiv(number, 10)), toString(number), 1, if(number %% 1000 = 7, 'down', 'up'), now64(3) - 3600, now64(3), now64(3) + 86400, 1 FROM numbers(%d)`, n))
	do(t, s, fmt.Sprintf(`INSERT INTO tillstream.store_status (lane, store_id, version, status, since, last_seen, holds_until, tills, tills_able, sell_quorum, registered)
		SELECT '', toString(number), 1, 'up', now64(3) - 3600, now64(3), now64(3) + 86400, 10, 10, 1, 1 FROM numbers(%d)`, n/10))
	do(t, s, fmt.Sprintf(`INSERT INTO tillstream.service_windows (lane, store_id, month, version, opens, closes)
		SELECT '', toString(number), toStartOfMonth(now('UTC')), 1, arrayMap(d -> toStartOfMonth(now()) + d * 86400, range(31)), arrayMap(d -> toStartOfMonth(now()) + d * 86400 + 86399, range(31)) FROM numbers(%d)`, n/10))
	do(t, s, fmt.Sprintf(`INSERT INTO tillstream.data_quality (lane, topic, terminal_id, business_date, accepted, missing) SELECT '', 'pos.transactions', toString(number %% %d), today() - intDiv(number, %d), 100, 0 FROM numbers(%d)`, n, n, 5*n))
	do(t, s, fmt.Sprintf(`INSERT INTO tillstream.sla_statements (period_start, contract, objective, scope, store_id, period_end, target, actual, coverage, verdict, budget_ms, down_ms, stage, closes_at, rank)
		SELECT toStartOfMonth(today()), concat('c', toString(number %% 1000)), 'up', toString(number), toString(intDiv(number, 10)), toStartOfMonth(today()) + 31, (995, 1000), (1, 1), (1, 1), 'met', 1000, 0, 'provisional', now64(3) + 86400, 1 FROM numbers(%d)`, n))
	do(t, s, fmt.Sprintf(`INSERT INTO tillstream.sla_burn (contract, objective, scope, store_id, window, rank, burn_rate, coverage)
		SELECT concat('c', toString(number %% 1000)), 'up', toString(number), toString(intDiv(number, 10)), '1h', 1, 20, 1 FROM numbers(%d) WHERE number %% 1000 = 7`, n))
	views, err := s.AlertViews(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []struct {
		name  string
		every time.Duration
		look  func(*alert.Snapshot) error
	}{
		{"trouble", time.Second, func(*alert.Snapshot) error { _, _, err := s.LookTrouble(ctx); return err }},
		{"stores and tills", 5 * time.Second, func(x *alert.Snapshot) error {
			troubled, _, err := s.LookTrouble(ctx)
			if err != nil {
				return err
			}
			return s.LookStores(ctx, troubled, x)
		}},
		{"agreements", 30 * time.Second, func(x *alert.Snapshot) error { return s.LookAgreements(ctx, views, 0.9, time.Hour, x) }},
		{"silences", 2 * time.Minute, func(*alert.Snapshot) error { _, err := s.LookSilences(ctx, views); return err }},
		{"backlogs", 30 * time.Second, func(*alert.Snapshot) error { _, err := s.LookBacklogs(ctx, time.Hour); return err }},
		{"holes", 30 * time.Second, func(*alert.Snapshot) error { _, err := s.LookHoles(ctx); return err }},
		{"letters", 30 * time.Second, func(*alert.Snapshot) error { _, err := s.LookLetters(ctx); return err }},
	} {
		const times = 10
		var found alert.Snapshot
		before := spent(t, s)
		for range times {
			found = alert.Snapshot{}
			if err := q.look(&found); err != nil {
				t.Fatal(err)
			}
		}
		took := (spent(t, s) - before) / times
		t.Logf("%-17s %6.1f ms CPU a look, %.2f %% of a core at one every %v (%d stores, %d lines that burn)", q.name, took.Seconds()*1000, 100*took.Seconds()/q.every.Seconds(), q.every,
			len(found.Stores), len(found.Burns))
	}
}

// spent is what all queries have taken of it.
func spent(t *testing.T, s *Sink) time.Duration {
	t.Helper()
	return time.Duration(measured(t, s)[2]) * time.Microsecond
}
