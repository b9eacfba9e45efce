//go:build browser

package console

import (
	"flag"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"testing"

	"github.com/oauth2-proxy/mockoidc"
)

var chromium = flag.String("chromium", "chromium", "the browser, Chromium or Chrome")

// Pages in a real browser: no violation of the policy, none of the accessibility rules of axe-core, clicks, keys, and what changes while one looks. make test-console
// installs what browser/test.mjs needs.
func TestBrowser(t *testing.T) {
	r := newRig(t)
	r.exec(`INSERT INTO tillstream.terminal_status (lane, store_id, terminal_id, version, status, since, first_seen, last_seen, holds_until) VALUES
		('', 'S1', 'S1-T1', 1, 'down', now64(3) - 60, now64(3) - 864000, now64(3), '2299-12-31'), ('', 'S1', 'S1-T2', 1, 'silent', now64(3) - 60, now64(3) - 864000, now64(3), '2299-12-31'),
		('', 'S2', 'S2-T1', 1, 'up', now64(3) - 60, now64(3) - 864000, now64(3), '2299-12-31')`)
	r.exec(`INSERT INTO tillstream.status_intervals (lane, store_id, terminal_id, started_at, version, status, ended_at, cause) VALUES
		('', 'S1', 'S1-T1', now64(3) - 80000, 1, 'up', now64(3) - 60000, ''), ('', 'S1', 'S1-T1', now64(3) - 60000, 1, 'down', now64(3) - 50000, 'PRT-07'),
		('', 'S1', 'S1-T1', now64(3) - 50000, 1, 'silent', now64(3) - 40000, ''), ('', 'S1', 'S1-T1', now64(3) - 40000, 1, 'degraded', NULL, 'reported')`)
	r.exec(`INSERT INTO tillstream.availability_hourly (lane, store_id, terminal_id, hour, version, up_ms, down_ms, service_ms, service_down_ms, evidence)
		SELECT '', 'S' || toString(1 + number % 2), 'S' || toString(1 + number % 2) || '-T1', toStartOfHour(now()) - INTERVAL number * 12 HOUR, 1, 3600000 - number * 60000, number * 60000, 3600000, number * 60000, 1 FROM numbers(14)`)
	r.exec(`INSERT INTO tillstream.sales_hourly (lane, store_id, business_date, hour, local_hour, channel, currency, transactions, units, net, customers_in, baskets_in)
		SELECT '', 'S1', today() - number % 7, now(), number % 24, 'store', 'EUR', number, 1000 * number, 1000 * number, [], [] FROM numbers(168)`)
	r.exec(`INSERT INTO tillstream.ledger (lane, topic, partition, epoch, day, from_offset, to_offset, records, written_at) VALUES ('g/0', 'pos.health', 0, 1, today(), 0, 10, 10, now64(3))`)
	r.exec(`INSERT INTO tillstream.dead_letters (lane, topic, partition, offset, at, reason, field, expected) VALUES ('', 'pos.health', 0, 1, now64(3), 'future', 'time', 'soon')`)
	r.exec(`INSERT INTO tillstream.alerts (rule, scope, alert_id, sequence, state, severity, started_at, summary) VALUES ('terminal_outage', 'S1/S1-T1', 'a', 1, 'firing', 'page', now64(3), 'Till S1-T1 is down')`)
	r.exec(`INSERT INTO tillstream.sla_statements (period_start, contract, objective, scope, version, revision, rank, stage, period, verdict, running, unit, target, actual, raw, low, high, coverage, counted_ms, down_ms, budget_ms, as_of) VALUES
		(toStartOfMonth(now()), 'gold', 'up', 't2', 1, 0, 5, 'provisional', 'month', 'breached', 1, 'share', (995, 1000), (98, 100), (1, 1), (1, 1), (1, 1), (9, 10), 1, 5400000, 3600000, now64(3))`)
	r.exec("INSERT INTO tillstream.refreshes (name, generation) VALUES ('cohorts', 1790000000000)")
	r.exec("INSERT INTO tillstream.cohorts (cohort, currency, period, customers, active, net, complete, history_from, generation) SELECT '2026-01-01', 'EUR', number, 100, 100 - 10 * number, 1, 1, '2026-01-01', 1790000000000 FROM numbers(8)")
	mux := http.NewServeMux()
	mux.Handle(Prefix, build(t, Config{Loopback: true}, r.asker, []Lane{{Number: 0, State: "running"}}))
	mux.HandleFunc("POST /till-fails", func(http.ResponseWriter, *http.Request) {
		r.exec(`INSERT INTO tillstream.terminal_status (lane, store_id, terminal_id, version, status, since, first_seen, last_seen, holds_until) VALUES
			('', 'S2', 'S2-T1', 2, 'down', now64(3), now64(3) - 864000, now64(3), '2299-12-31')`)
	})
	mux.HandleFunc("POST /chain-grows", func(http.ResponseWriter, *http.Request) {
		r.exec(`INSERT INTO tillstream.terminal_status (lane, store_id, terminal_id, version, status, since, first_seen, last_seen, holds_until)
			SELECT '', leftPad(toString(intDiv(number, 10)), 5, '0'), 'T' || leftPad(toString(number), 6, '0'), 3, if(number % 100 = 0, 'down', 'up'), now64(3), now64(3) - 864000, now64(3), '2299-12-31' FROM numbers(100000)`)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	g := newGuarded(t)
	g.provider.QueueUser(&mockoidc.MockUser{Subject: "1", PreferredUsername: "ann", Groups: []string{"it"}})
	cmd := exec.CommandContext(t.Context(), "node", "test.mjs", server.URL, *chromium, g.url)
	cmd.Dir = "browser"
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	if len(g.replays) != 1 || !g.replays[0].DryRun {
		t.Errorf("the operator's click had %v replayed", g.replays)
	}
}
