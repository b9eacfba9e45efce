package clickhouse

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor/alert"
)

// What agreements came to becomes alerts: of a month with a target of 99.5 % the pair of 1 h and 5 m at 14.4, a breach, a spent budget; nothing of a period that
// is closed, and of a scope that was measured too little only that.
func TestAlertsOfAgreements(t *testing.T) {
	s := fresh(t)
	do(t, s, `INSERT INTO tillstream.sla_statements (period_start, contract, objective, scope, store_id, period_end, target, actual, coverage, verdict, budget_ms, down_ms, stage, rank) VALUES
		('2026-11-01', 'gold', 'up', 't1', 's1', '2026-12-01', (995, 1000), (97, 100), (1, 1), 'breached', 1000, 5000, 'provisional', 1),
		('2026-11-01', 'gold', 'up', 't2', 's1', '2026-12-01', (995, 1000), (1, 1), (1, 1), 'met', 1000, 0, 'provisional', 1),
		('2026-11-01', 'gold', 'up', 't3', 's1', '2026-12-01', (995, 1000), (97, 100), (8, 10), 'breached', 1000, 5000, 'provisional', 1),
		('2026-10-01', 'gold', 'up', 't4', 's1', '2026-11-01', (995, 1000), (97, 100), (1, 1), 'breached', 1000, 5000, 'final', 1)`)
	do(t, s, `INSERT INTO tillstream.sla_burn (contract, objective, scope, store_id, window, rank, burn_rate, coverage) VALUES
		('gold', 'up', 't1', 's1', '5m', 1, 20, 1), ('gold', 'up', 't1', 's1', '1h', 1, 15, 0.95), ('gold', 'up', 't2', 's1', '5m', 1, 20, 1), ('gold', 'up', 't2', 's1', '1h', 1, 14, 1)`)
	views, err := s.AlertViews(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().UnixMilli()
	seen := &alert.Snapshot{At: at, Watermark: at}
	if err := s.LookAgreements(t.Context(), views, 0.9, time.Hour, seen); err != nil {
		t.Fatal(err)
	}
	o, refused := alert.Judge(&alert.Limits{Pairs: alert.Google30d(), Coverage: 0.9, Blind: 15_000, Lag: 1, Letters: 1}, seen)
	if len(refused) > 0 {
		t.Error(refused)
	}
	if err := s.Put(t.Context(), alert.NewState(alert.Policy{}, nil).Plan(o)); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"breach gold/up/t1@s1 0.97 0.995", "budget_exhausted gold/up/t1@s1 5 1", "burn_fast gold/up/t1@s1 15 14.4", "coverage_low gold/up/t3@s1 0.8 0.9",
	}
	if d := cmp.Diff(want, ask(t, s, "rule, scope, value, threshold", "FROM pos.alerts ORDER BY rule")); d != "" {
		t.Error(d)
	}
}
