package clickhouse

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor/alert"
)

// What agreements came to becomes alerts: of a month with a target of 99.5 % the pair of 1 h and 5 m at 14.4, a breach, a spent budget; nothing of a period that
// is closed. Of what must be done until when: one a contract and period, or one a contract.
func TestAlertsOfAgreements(t *testing.T) {
	s := fresh(t)
	do(t, s, `INSERT INTO tillstream.sla_statements (period_start, contract, objective, scope, store_id, period_end, target, actual, coverage, verdict, budget_ms, down_ms, stage, closes_at, rank) VALUES
		('2026-11-01', 'gold', 'up', 't1', 's1', '2026-12-01', (995, 1000), (97, 100), (1, 1), 'breached', 1000, 5000, 'provisional', now64(3) + 1, 1),
		('2026-11-01', 'gold', 'up', 't2', 's1', '2026-12-01', (995, 1000), (1, 1), (1, 1), 'met', 1000, 0, 'provisional', now64(3) + 1, 1),
		('2026-11-01', 'gold', 'up', 't3', 's1', '2026-12-01', (995, 1000), (97, 100), (8, 10), 'breached', 1000, 5000, 'provisional', now64(3) + 1, 1),
		('2026-10-01', 'gold', 'up', 't4', 's1', '2026-11-01', (995, 1000), (97, 100), (1, 1), 'breached', 1000, 5000, 'final', now64(3) - 1, 1)`)
	do(t, s, `INSERT INTO tillstream.sla_statements (period_start, contract, objective, scope, period_end, target, actual, verdict, credit, currency, claim, claim_until, review_due, stage, closes_at, rank) VALUES
		('2026-10-01', 'gold', 'up', 't5', '2026-11-01', (995, 1000), (97, 100), 'breached', 1250, 'EUR', 'on_request', now64(3) + toIntervalMinute(30), NULL, 'final', now64(3) - 1, 1),
		('2026-10-01', 'gold', 'up', 't6', '2026-11-01', (995, 1000), (97, 100), 'breached', 50, 'EUR', 'on_request', now64(3) + toIntervalMinute(30), NULL, 'final', now64(3) - 1, 1),
		('2026-09-01', 'gold', 'up', 't6', '2026-10-01', (995, 1000), (97, 100), 'breached', 50, 'EUR', 'on_request', now64(3) - 1, NULL, 'final', now64(3) - 1, 1),
		('2026-10-01', 'free', 'up', 't6', '2026-11-01', (995, 1000), (97, 100), 'breached', 50, 'EUR', 'automatic', now64(3) + toIntervalMinute(30), NULL, 'final', now64(3) - 1, 1),
		('2026-10-01', 'old', 'up', 't5', '2026-11-01', (995, 1000), (1, 1), 'met', 0, 'EUR', '', NULL, today() - 9, 'provisional', now64(3) + 1, 1),
		('2026-11-01', 'old', 'up', 't5', '2026-12-01', (995, 1000), (1, 1), 'met', 0, 'EUR', '', NULL, today() + 90, 'provisional', now64(3) + 1, 1),
		('2026-11-01', 'due', 'up', 't5', '2026-12-01', (995, 1000), (1, 1), 'met', 0, 'EUR', '', NULL, today(), 'provisional', now64(3) + 1, 1),
		('2026-11-01', 'due', 'up', 't6', '2026-12-01', (995, 1000), (1, 1), 'met', 0, 'EUR', '', NULL, today(), 'provisional', now64(3) + 1, 1)`)
	// Of a line that was breached and is not any more, and of one that is final since, nothing is left.
	do(t, s, `INSERT INTO tillstream.sla_statements (period_start, contract, objective, scope, period_end, target, verdict, revision, stage, closes_at, rank) VALUES
		('2026-11-01', 'gold', 'up', 't8', '2026-12-01', (995, 1000), 'breached', 0, 'provisional', now64(3) + 1, 1), ('2026-11-01', 'gold', 'up', 't8', '2026-12-01', (995, 1000), 'met', 0, 'provisional', now64(3) + 1, 2),
		('2026-11-01', 'gold', 'up', 't9', '2026-12-01', (995, 1000), 'breached', 0, 'provisional', now64(3) + 1, 9), ('2026-11-01', 'gold', 'up', 't9', '2026-12-01', (995, 1000), 'breached', 1, 'final', now64(3) + 1, 1)`)
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
	o, refused := alert.Judge(&alert.Limits{Pairs: []alert.Pair{{Severity: alert.Page, Share: 0.02, Long: "1h", Short: "5m"}}, Coverage: 0.9, Blind: 15_000, Lag: 1, Letters: 1, Deadline: time.Hour.Milliseconds()}, seen)
	if len(refused) > 0 {
		t.Error(refused)
	}
	if err := s.Put(t.Context(), alert.NewState(alert.Policy{}, nil).Plan(o)); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"breach gold/up/t1@s1/2026-11-01 0.97 0.995", "breach gold/up/t3@s1/2026-11-01 0.97 0.995", "budget_exhausted gold/up/t1@s1/2026-11-01 5 1",
		"budget_exhausted gold/up/t3@s1/2026-11-01 5 1", "burn_fast gold/up/t1@s1 15 14.4", "coverage_low gold/up/t3@s1/2026-11-01 0.8 0.9",
	}
	if d := cmp.Diff(want, ask(t, s, "rule, scope, value, threshold", "FROM pos.alerts WHERE rule NOT IN ('claim_deadline', 'revision_due') ORDER BY rule, scope")); d != "" {
		t.Error(d)
	}
	want = []string{"claim_deadline gold/2026-10-01 Agreement gold: a credit of 13 EUR", "revision_due due Agreement due: its revision is due by"}
	if d := cmp.Diff(want, ask(t, s, "rule, scope, said", "FROM (SELECT *, extract(summary, '^(.*?) (?:for|2)') AS said FROM pos.alerts) WHERE rule IN ('claim_deadline', 'revision_due') ORDER BY rule, scope")); d != "" {
		t.Error(d)
	}
}
