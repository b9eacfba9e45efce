package clickhouse

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What users ask about agreements, word by word, of rows as an evaluator writes them: the newest revision of each statement counts, and of one revision the row
// whose rank says so.
func TestSLAViews(t *testing.T) {
	conn := fresh(t)
	const columns = "(period_start, contract, objective, scope, version, revision, rank, stage, period, level, verdict, target, actual, raw, low, high, coverage, previous, counted_ms, down_ms, budget_ms, credit, currency, reason)"
	exec(t, conn, "INSERT INTO tillstream.sla_statements "+columns+` VALUES
		(toStartOfMonth(now() - INTERVAL 1 MONTH), 'acme-gold', 'terminal-availability', 't1', 1, 0, 7, 'provisional', 'month', 'customer', 'met', (995, 1000), (999, 1000), (999, 1000), (999, 1000), (999, 1000), (1, 1), (0, 0), 1000, 1, 5, 0, 'EUR', ''),
		(toStartOfMonth(now() - INTERVAL 1 MONTH), 'acme-gold', 'terminal-availability', 't1', 1, 1, 9, 'final', 'month', 'customer', 'breached', (995, 1000), (990, 1000), (980, 1000), (985, 1000), (990, 1000), (9, 10), (0, 0), 1000, 10, 5, 12345, 'EUR', ''),
		(toStartOfMonth(now() - INTERVAL 1 MONTH), 'acme-gold', 'terminal-availability', 't1', 1, 1, 8, 'final', 'month', 'customer', 'breached', (995, 1000), (991, 1000), (980, 1000), (985, 1000), (990, 1000), (9, 10), (0, 0), 1000, 10, 5, 11111, 'EUR', ''),
		(toStartOfMonth(now() - INTERVAL 1 MONTH), 'acme-gold', 'terminal-availability', 't2', 1, 2, 1, 'restated', 'month', 'customer', 'met', (995, 1000), (1, 1), (1, 1), (1, 1), (1, 1), (1, 1), (990, 1000), 1000, 0, 5, 12345, 'JPY', 'late'),
		(toStartOfMonth(now()), 'acme-gold', 'terminal-availability', 't1', 1, 0, 5, 'provisional', 'month', 'customer', 'at_risk', (995, 1000), (99, 100), (99, 100), (80, 100), (99, 100), (8, 10), (0, 0), 100, 1, 5, 0, 'EUR', ''),
		(toStartOfMonth(now()), 'acme-gold', 'terminal-availability', 't1', 1, 0, 6, 'provisional', 'month', 'customer', 'at_risk', (995, 1000), (98, 100), (99, 100), (80, 100), (99, 100), (8, 10), (0, 0), 100000, 2000, 500000, 0, 'EUR', ''),
		(toStartOfMonth(now()), 'acme-gold', 'mttr', 'acme', 1, 0, 6, 'provisional', 'month', 'customer', 'not_applicable', (144, 1), (0, 0), (0, 0), (0, 0), (0, 0), (0, 0), (0, 0), 0, 0, 0, 0, 'EUR', '')`)
	exec(t, conn, `INSERT INTO tillstream.sla_burn (contract, objective, scope, window, rank, burn_rate, coverage) VALUES
		('acme-gold', 'o', 't1', '5m', 1000, 1, 1), ('acme-gold', 'o', 't1', '5m', 2000, 20, 1), ('acme-gold', 'o', 't1', '1h', 1000, 15, 0.95), ('acme-gold', 'o', 't2', '5m', 1000, 20, 1),
		('acme-gold', 'o', 't3', '6h', 1000, 1.5, 1), ('acme-gold', 'o', 't3', '3d', 1000, 1, 1)`)
	exec(t, conn, `INSERT INTO tillstream.sla_evidence (period_start, contract, objective, scope, version, revision, rank, kind, ref, started, ended, counted_ms, counted_events, party, decision, rule, decided_by, decided, note) VALUES
		('2026-10-01', 'acme-gold', 'terminal-availability', 't1', 1, 0, 5, ['outage'], ['old'], [0], [1], [1], [0], ['provider'], ['counted'], [''], [''], [0], ['']),
		('2026-10-01', 'acme-gold', 'terminal-availability', 't1', 1, 1, 6, ['outage', 'exclusion'], ['o1', 'm1'], [1790000000000, 1790000060000], [1790000060000, 1790000120000], [60000, 120000], [0, 0], ['provider', 'customer'], ['counted', 'removed'],
			['one_till', 'exclusions[customer]'], ['', 'ann'], [0, 1790000000500], ['', ''])`)
	lines := strings.Split(strings.TrimSpace(queries), "\n")
	ask := map[string]string{}
	for i := 0; i < len(lines); i += 2 {
		ask[strings.Fields(lines[i])[1]] = lines[i+1]
	}
	for _, x := range []struct {
		name string
		want []string
	}{
		{"D3", []string{
			"acme-gold\tcustomer\tterminal-availability\tt2\t0.995\t1\t1\t1\tmet\t12345\tJPY",
			"acme-gold\tcustomer\tterminal-availability\tt1\t0.995\t0.99\t0.98\t0.9\tbreached\t123.45\tEUR",
		}},
		{"D4", []string{
			"customer\tremoved\texclusion\tm1\t2026-09-21 14:14:20.000\t2026-09-21 14:15:20.000\t120\texclusions[customer]\tann",
			"provider\tcounted\toutage\to1\t2026-09-21 14:13:20.000\t2026-09-21 14:14:20.000\t60\tone_till\t",
		}},
		{"A3", []string{"acme-gold\to\tt1\t15"}},
		{"A4", []string{"acme-gold\to\tt3\t1"}},
		{"A13", []string{"acme-gold\tterminal-availability\tt1\t0.8"}},
		{"A6", []string{"acme-gold\tcustomer\tterminal-availability\tt1\t0.995\t0.98\tat_risk"}},
	} {
		if d := cmp.Diff(x.want, query(t, conn, ask[x.name])); d != "" {
			t.Errorf("%s (-want +got):\n%s", x.name, d)
		}
	}
	if n := len(query(t, conn, ask["D13"])); n != 3 {
		t.Errorf("D13 gives %d rows", n)
	}
	if rows := query(t, conn, ask["A5"]); len(rows) != 1 || !strings.HasPrefix(rows[0], "acme-gold\tterminal-availability\tt1\t498\t") {
		t.Errorf("A5: %q", rows)
	}
	if rows := query(t, conn, "SELECT round(difference, 9), reason, has_figure FROM pos.sla_compliance WHERE scope IN ('t2', 'acme') ORDER BY scope"); !cmp.Equal(rows, []string{"\\N\t\t0", "0.01\tlate\t1"}) {
		t.Errorf("%q", rows)
	}
}
