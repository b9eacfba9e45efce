package clickhouse

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla/agreement"
	"github.com/tillstream/tillstream/processor/sla/verdict"
)

// chain is a chain of stores of ten tills each, ten stores to an agreement.
type chain struct {
	book   agreement.Book
	stores map[string]*registry.Store
}

func (c *chain) Revision(context.Context) (uint64, error) { return 1, nil }

func (c *chain) Texts(context.Context) (agreement.Book, map[string]*registry.Store, error) {
	return c.book, c.stores, nil
}

const benchAgreement = `{"type":"sla","level":"customer","parties":{"provider":"tills-sa","customer":"c%d"},"scope":{"customer":"c%d"},"versions":[{"version":1,
	"from":"2026-10-01","timezone":"Europe/Paris","period":"month",
	"measurement":{"min_outage":"1m","merge_gap":"30s","silence":{"first":"unknown","after":"10m","then":"down","unless":["neighbours_silent"]},"late_data":{"accept":"7d","close_after":"10d"}},
	"exclusions":[{"kind":"planned_maintenance","effect":"remove","notice":"72h","cap":"4h/month"},{"party":"third_party","effect":"remove"}],
	"objectives":[{"name":"till","indicator":"uptime","per":"terminal","target":"0.995"},{"name":"store-can-sell","indicator":"store_quorum","per":"store","target":"0.999"}],
	"remedies":{"base":{"amount":180000,"currency":"EUR","per":"month"},"at_risk":"0.12","credits":[{"objective":"till","per":"scope_fee","tiers":[{"below":"0.995","credit":"0.1"}]},
		{"objective":"store-can-sell","fixed":15000,"each":"outage"}]}}]}`

func newChain(b testing.TB, terminals int) *chain {
	c := &chain{agreement.Book{Agreements: map[string]*agreement.Agreement{}}, map[string]*registry.Store{}}
	for s := range terminals / 10 {
		customer := fmt.Sprintf("c%d", s/10)
		doc := registry.Document{Versions: []registry.Version{{Timezone: "Europe/Paris", Calendar: &registry.Calendar{}}}}
		if err := json.Unmarshal([]byte(`{"mon":["09:00-20:00"],"tue":["09:00-20:00"],"wed":["09:00-20:00"],"thu":["09:00-20:00"],"fri":["09:00-20:00"],"sat":["09:00-20:00"]}`), &doc.Versions[0].Calendar.Week); err != nil {
			b.Fatal(err)
		}
		for t := range 10 {
			doc.Terminals = append(doc.Terminals, registry.TerminalDocument{
				ID: fmt.Sprintf("t%d", 10*s+t), Lives: []registry.Instants{{}}, Versions: []registry.TerminalVersion{{Customer: customer, Services: []string{"till"}}},
			})
		}
		id := fmt.Sprintf("s%d", s)
		built, flaw := doc.Build(id, 1)
		if flaw != nil {
			b.Fatal(flaw)
		}
		c.stores[id] = built
		if s%10 == 0 {
			a := new(agreement.Agreement)
			if err := json.Unmarshal(fmt.Appendf(nil, benchAgreement, s/10, s/10), a); err != nil {
				b.Fatal(err)
			}
			c.book.Agreements["a-"+customer] = a
		}
	}
	return c
}

// serverCPU is what ClickHouse has spent.
func serverCPU(b *testing.B, s *Sink) (us uint64) {
	if err := s.rows(b.Context(), func(r driver.Rows) error { return r.Scan(&us) }, "SELECT toUInt64(sum(value)) FROM system.events WHERE event IN ('UserTimeMicroseconds', 'SystemTimeMicroseconds')"); err != nil {
		b.Fatal(err)
	}
	return us
}

// A month of a chain in which tills are switched off at night and one in fifty is down for ten minutes a day, an agreement for every hundred tills. Of 100,000:
//
//	TILLSTREAM_BENCH_TERMINALS=100000 go test -run '^$' -bench Verdicts -benchtime 1x ./sinks/clickhouse
//
// It tells the CPU time of this process and of ClickHouse for the first round, in which everything is measured; for one in which nothing is new; and for
// one in which a store in a hundred has news.
func BenchmarkVerdicts(b *testing.B) {
	terminals := 2_000
	if text := os.Getenv("TILLSTREAM_BENCH_TERMINALS"); text != "" {
		var err error
		if terminals, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	s := fresh(b)
	first, days := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC), 28
	at := first.AddDate(0, 0, days-1).Add(15 * time.Hour).UnixMilli()
	// Runs of a day: silent to 7:00, up to 10:00, down or up to 10:10, up to 19:30.
	for d := range days {
		day := first.AddDate(0, 0, d).UnixMilli()
		do(b, s, fmt.Sprintf(`INSERT INTO tillstream.status_intervals (lane, store_id, terminal_id, started_at, version, status, ended_at, holds_until)
			SELECT '', concat('s', toString(intDiv(number, 10))), concat('t', toString(number)), fromUnixTimestamp64Milli(toInt64(%d + run.1 * 60000), 'UTC') AS x, 1, run.3,
			if(%d + run.2 * 60000 > %d, NULL, fromUnixTimestamp64Milli(toInt64(%d + run.2 * 60000), 'UTC')), fromUnixTimestamp64Milli(%d, 'UTC')
			FROM numbers(%d)
			ARRAY JOIN if(number %% 50 = %d, [(0, 420, 'silent'), (420, 600, 'up'), (600, 610, 'down'), (610, 1170, 'up'), (1170, 1440, 'silent')], [(0, 420, 'silent'), (420, 1170, 'up'), (1170, 1440, 'silent')]) AS run
			WHERE %d + run.1 * 60000 < %d`, day, day, at, day, at+60_000, terminals, d, day, at))
		do(b, s, fmt.Sprintf(`INSERT INTO tillstream.outages (lane, store_id, terminal_id, started_at, version, outage_id, resolved_at, repair_ms, service_ms)
			SELECT '', concat('s', toString(intDiv(number, 10))), concat('t', toString(number)), fromUnixTimestamp64Milli(toInt64(%d + 36000000), 'UTC'), 1, concat('o', toString(number), '-%d'),
			fromUnixTimestamp64Milli(toInt64(%d + 36600000), 'UTC'), 600000, 600000 FROM numbers(%d) WHERE number %% 50 = %d`, day, d, day, terminals, d))
	}
	do(b, s, fmt.Sprintf(`INSERT INTO tillstream.terminal_status (lane, store_id, terminal_id, version, status, since, last_seen, holds_until, retires_at, intervals)
		SELECT '', concat('s', toString(intDiv(number, 10))), concat('t', toString(number)), 1, 'up', fromUnixTimestamp64Milli(%d, 'UTC'), fromUnixTimestamp64Milli(%d, 'UTC'),
		fromUnixTimestamp64Milli(%d, 'UTC'), fromUnixTimestamp64Milli(%d, 'UTC'), 1 FROM numbers(%d)`, at, at, at+60_000, at+86_400_000, terminals))
	do(b, s, "OPTIMIZE TABLE tillstream.status_intervals FINAL")
	texts := newChain(b, terminals)
	for b.Loop() {
		do(b, s, "TRUNCATE TABLE tillstream.sla_statements")
		e := verdict.New(verdict.Config{}, verdict.Deps{Texts: texts, Facts: s, Statements: s})
		round := func(name string, at int64) {
			own, server := cpu(b), serverCPU(b, s)
			began := time.Now()
			r, err := e.Round(b.Context(), at)
			if err != nil || len(r.Failed) > 0 {
				b.Fatal(err, r.Failed)
			}
			took := time.Since(began)
			b.ReportMetric(took.Seconds(), name+"-s")
			b.ReportMetric(float64(cpu(b)-own)/1e9, name+"-cpu-s")
			b.ReportMetric(float64(serverCPU(b, s)-server)/1e6, name+"-server-cpu-s")
			b.Logf("%s: %d agreements, %d stores, %d statements", name, r.Contracts, r.Stores, r.Published)
		}
		round("all", at)
		round("nothing", at+1000)
		do(b, s, fmt.Sprintf(`INSERT INTO tillstream.terminal_status (lane, store_id, terminal_id, version, status, since, last_seen, holds_until, retires_at, intervals)
			SELECT '', concat('s', toString(number)), concat('t', toString(10 * number)), 2, 'down', fromUnixTimestamp64Milli(%d, 'UTC'), fromUnixTimestamp64Milli(%d, 'UTC'),
			fromUnixTimestamp64Milli(%d, 'UTC'), fromUnixTimestamp64Milli(%d, 'UTC'), %d FROM numbers(%d) WHERE number %% 100 = 0`, at+1000, at+1000, at+60_000, at+86_400_000, b.N+2, terminals/10))
		round("some", at+2000)
	}
}
