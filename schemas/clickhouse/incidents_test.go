package clickhouse

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"
)

// insertIncident writes a version of an incident; columns are those besides its key.
func insertIncident(t *testing.T, conn driver.Conn, store, id string, version int, columns map[string]string) {
	t.Helper()
	names, values := []string{"lane", "store_id", "incident_id", "version"}, []string{"''", "'" + store + "'", "'" + id + "'", fmt.Sprint(version)}
	for name, value := range columns {
		names, values = append(names, name), append(values, value)
	}
	exec(t, conn, "INSERT INTO tillstream.incidents ("+strings.Join(names, ", ")+") VALUES ("+strings.Join(values, ", ")+")")
}

func TestIncidentViews(t *testing.T) {
	conn := fresh(t)
	exec(t, conn, "INSERT INTO tillstream.incidents (lane, mark, store_id, incident_id, version) VALUES ('g/0', 'm1', '', '', 9)")
	// version 1 is outdone
	insertIncident(t, conn, "s1", "i1", 1, map[string]string{"party": "'customer'", "started_at": "'2026-03-02 10:00:00'", "opened_at": "'2026-03-02 10:00:00'"})
	insertIncident(t, conn, "s1", "i1", 2, map[string]string{
		"status": "'resolved'", "severity": "'p1'", "terminals": "['t1']", "services": "['payment']", "started_at": "'2026-03-02 10:00:00'", "detected_at": "'2026-03-02 10:02:00'",
		"opened_at": "'2026-03-02 10:05:00'", "acknowledged_at": "'2026-03-02 10:15:00'", "resolved_at": "'2026-03-02 12:00:00'", "paused_ms": "600000", "resolve_ms": "6600000",
		"reopened": "70000", "party": "'provider'", "cause": "'DeviceOut'", "rule": "'incident:assigned'", "decided_by": "'ann'", "decided_at": "'2026-03-03 09:00:00'", "reason": "'board'", "steps": "5",
	})
	insertIncident(t, conn, "s1", "i2", 1, map[string]string{ // the whole store, paused now
		"status": "'paused'", "terminals": "[]", "started_at": "now64(3) - toIntervalHour(3)", "opened_at": "now64(3) - toIntervalHour(3)", "paused_ms": "60000",
		"paused_since": "now64(3) - toIntervalHour(1)", "party": "'undetermined'",
	})
	outage := func(store, terminal, from, to string) {
		exec(t, conn, "INSERT INTO tillstream.outages (lane, store_id, terminal_id, started_at, version, resolved_at) VALUES ('', '"+store+"', '"+terminal+"', "+from+", 1, "+to+")")
	}
	outage("s1", "t1", "'2026-03-02 09:00:00'", "'2026-03-02 09:46:00'") // within the tolerance
	outage("s1", "t1", "'2026-03-02 08:00:00'", "'2026-03-02 08:59:00'") // before it
	outage("s1", "t1", "'2026-03-02 12:14:00'", "'2026-03-02 13:00:00'") // within
	outage("s1", "t1", "'2026-03-02 12:16:00'", "NULL")                  // after it; of now, so one of i2
	outage("s1", "t2", "'2026-03-02 11:00:00'", "'2026-03-02 11:10:00'") // another till
	outage("s1", "t2", "now64(3) - toIntervalHour(2)", "now64(3) - toIntervalHour(1)")
	outage("s2", "t1", "'2026-03-02 11:00:00'", "'2026-03-02 11:10:00'") // another store
	for sql, want := range map[string][]string{
		`SELECT incident_id, store_id, terminal_id, service, severity, started_at, detected_at, opened_at, acknowledged_at, resolved_at, paused_ms, reopened, party, cause, status, resolve_ms, outages,
			rule, assigned_by, assigned_at, reason, disordered, steps FROM pos.incidents WHERE incident_id = 'i1'`: {
			"i1	s1	t1	payment	p1	2026-03-02 10:00:00.000	2026-03-02 10:02:00.000	2026-03-02 10:05:00.000	2026-03-02 10:15:00.000	2026-03-02 12:00:00.000	600000	65535	provider	DeviceOut	resolved	6600000	2	" +
				"incident:assigned	ann	2026-03-03 09:00:00.000	board	0	5",
		},
		`SELECT terminal_id, service, status, resolved_at, resolve_ms, outages, paused_ms BETWEEN 3660000 AND 3720000 FROM pos.incidents WHERE incident_id = 'i2'`: {"		paused	\\N	\\N	2	1"},
		`SELECT store_id, terminal_id, incident_id, from_ms = toUnixTimestamp('2026-03-02 09:45:00', 'UTC') * 1000, to_ms = toUnixTimestamp('2026-03-02 12:15:00', 'UTC') * 1000, party, rule, decided_by, decided_at, rank
			FROM tillstream.incident_claims WHERE incident_id = 'i1'`: {"s1	t1	i1	1	1	provider	incident:assigned	ann	2026-03-03 09:00:00.000	1"},
		`SELECT terminal_id, to_ms, party FROM tillstream.incident_claims WHERE incident_id = 'i2'`: {"	10413705600000	undetermined"},
	} {
		if d := cmp.Diff(want, query(t, conn, sql)); d != "" {
			t.Errorf("%s (-want +got)\n%s", sql, d)
		}
	}
}

// Means, worked out by hand: of what was resolved in a month, cancelled ones left out, open ones beside the current month's.
func TestIncidentKPIs(t *testing.T) {
	conn := fresh(t)
	insert := func(id, party, severity, started, resolved string, resolveMin, ackMin, detectMin int, more map[string]string) {
		columns := map[string]string{
			"party": "'" + party + "'", "severity": "'" + severity + "'", "started_at": "'" + started + "'", "opened_at": "'" + started + "'", "resolved_at": "'" + resolved + "'", "resolve_ms": fmt.Sprint(60_000 * resolveMin),
		}
		if ackMin > 0 {
			columns["acknowledged_at"] = fmt.Sprintf("toDateTime64('%s', 3, 'UTC') + toIntervalMinute(%d)", started, ackMin)
		}
		if detectMin > 0 {
			columns["detected_at"] = fmt.Sprintf("toDateTime64('%s', 3, 'UTC') + toIntervalMinute(%d)", started, detectMin)
		}
		for k, v := range more {
			columns[k] = v
		}
		insertIncident(t, conn, "s1", id, 1, columns)
	}
	// begun in February, resolved in March: March
	insert("i1", "provider", "p1", "2026-02-28 23:00:00", "2026-03-01 00:00:00", 60, 10, 2, nil)
	insert("i2", "provider", "p1", "2026-03-02 10:00:00", "2026-03-02 12:00:00", 90, 20, 0, nil)
	insert("i3", "provider", "p1", "2026-03-03 10:00:00", "2026-03-03 13:00:00", 180, 0, 4, map[string]string{"disordered": "1"})
	insert("i4", "provider", "p1", "2026-03-04 10:00:00", "2026-03-04 14:00:00", 200, 0, 0, map[string]string{"cancelled_at": "'2026-03-05 10:00:00'"})
	insert("i5", "customer", "p2", "2026-04-04 10:00:00", "2026-04-04 11:00:00", 60, 0, 0, nil)
	for i := range 5 {
		insert(fmt.Sprintf("m%d", i), "shared", "p3", "2026-05-01 10:00:00", "2026-05-01 11:00:00", 10*i, 1, 0, nil)
	}
	open := map[string]string{"resolved_at": "NULL", "started_at": "now64(3) - toIntervalHour(5)", "opened_at": "now64(3) - toIntervalHour(5)"}
	insert("o1", "provider", "p1", "2026-03-02 10:00:00", "2026-03-02 10:00:00", 0, 1, 1, open)
	open["started_at"] = "now64(3) - toIntervalHour(2)"
	insert("o2", "provider", "p1", "2026-03-02 10:00:00", "2026-03-02 10:00:00", 0, 1, 1, open)
	now := time.Now().UTC().Format("2006-01") + "-01"
	for sql, want := range map[string][]string{
		`SELECT month, store_id, party, severity, n, mtta_ms, mttr_ms, resolve_ms_p50, resolve_ms_p90, detect_ms, few, open, oldest_open_ms, disordered FROM pos.incident_kpis WHERE month < '2026-06-01' ORDER BY month`: {
			// mtta of 10 and 20 min, mttr of 60, 90 and 180 min, 90th percentile between the second and the third at 0.8, detection after 2 and 4 min
			"2026-03-01	s1	provider	p1	3	900000	6600000	5400000	9720000	180000	1	0	\\N	1",
			"2026-04-01	s1	customer	p2	1	\\N	3600000	3600000	3600000	\\N	1	0	\\N	0",
			"2026-05-01	s1	shared	p3	5	60000	1200000	1200000	2160000	\\N	0	0	\\N	0",
		},
		`SELECT month = '` + now + `', party, n, mtta_ms, mttr_ms, resolve_ms_p50, detect_ms, few, open, oldest_open_ms BETWEEN 18000000 AND 18240000 FROM pos.incident_kpis WHERE month >= '2026-06-01'`: {
			"1	provider	0	\\N	\\N	\\N	\\N	1	2	1",
		},
	} {
		if d := cmp.Diff(want, query(t, conn, sql)); d != "" {
			t.Errorf("%s (-want +got)\n%s", sql, d)
		}
	}
}

func TestMaintenanceViews(t *testing.T) {
	conn := fresh(t)
	day := func(hours int) string {
		return fmt.Sprint(time.Date(2026, 3, 5, hours, 0, 0, 0, time.UTC).UnixMilli())
	}
	exec(t, conn, `INSERT INTO tillstream.maintenance (lane, store_id, maintenance_id, version, status, kind, terminals, announced_at, notice_given_at, approved_at, approved_by, started_at, excluded_from, excluded_to) VALUES
		('', 's1', 'm1', 1, 'ended', 'customer_requested', ['t1', 't2'], '2026-03-01 10:00:00', '2026-03-02 01:00:00', '2026-03-03 10:00:00', 'ann', '2026-03-05 01:00:00', [`+day(1)+", "+day(4)+"], ["+day(2)+", "+day(6)+`]),
		('', 's1', 'm2', 1, 'started', '', [], NULL, NULL, NULL, '', NULL, [toUnixTimestamp64Milli(now64(3)) - 3600000, toUnixTimestamp64Milli(now64(3)) + 3600000], [toUnixTimestamp64Milli(now64(3)) + 1800000, toUnixTimestamp64Milli(now64(3)) + 7200000])`)
	for sql, want := range map[string][]string{
		`SELECT maintenance_id, excluded, excluded_ms, notice_ms, approved_by FROM pos.maintenance WHERE maintenance_id = 'm1'`: {
			"m1	[('2026-03-05 01:00:00.000','2026-03-05 02:00:00.000'),('2026-03-05 04:00:00.000','2026-03-05 06:00:00.000')]	10800000	259200000	ann",
		},
		// what is yet to come is not excluded yet
		`SELECT length(excluded), excluded_ms BETWEEN 3600000 AND 3840000, notice_ms FROM pos.maintenance WHERE maintenance_id = 'm2'`: {"1	1	\\N"},
		`SELECT terminal_id, from_ms - ` + day(0) + `, to_ms - ` + day(0) + `, party, rule, decided_by, rank FROM tillstream.incident_claims WHERE incident_id = 'm1' ORDER BY ALL`: {
			"t1	2700000	8100000	customer	maintenance:customer_requested	ann	2", "t1	13500000	22500000	customer	maintenance:customer_requested	ann	2",
			"t2	2700000	8100000	customer	maintenance:customer_requested	ann	2", "t2	13500000	22500000	customer	maintenance:customer_requested	ann	2",
		},
		`SELECT DISTINCT terminal_id, party, rule FROM tillstream.incident_claims WHERE incident_id = 'm2'`: {"	provider	maintenance:planned"},
	} {
		if d := cmp.Diff(want, query(t, conn, sql)); d != "" {
			t.Errorf("%s (-want +got)\n%s", sql, d)
		}
	}
}

// The queries of docs/incidents.md run for a reader, and the first one says what its formula does.
func TestQueriesOfTheDocs(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "incidents.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 3 {
		t.Fatalf("%d queries", len(blocks))
	}
	conn := fresh(t)
	fill(t, conn)
	// s1: 10 h of service, 1 of them excluded, 2 silent, 1 unknown, 2 down; then closed and switched off for 4 h; two outages. s2: 3 h and no outage.
	exec(t, conn, `INSERT INTO tillstream.availability_hourly (lane, store_id, terminal_id, hour, version, up_ms, down_ms, silent_ms, unknown_ms, service_ms, service_down_ms, excluded_ms, service_unknown_ms)
		SELECT '', 's1', 't1', toStartOfHour(now()) - toIntervalHour(20 - number), 1, if(number < 5, 3600000, 0), if(number IN (5, 6), 3600000, 0), if(number IN (7, 8) OR number > 9, 3600000, 0), if(number = 9, 3600000, 0),
			if(number < 10, 3600000, 0), if(number IN (5, 6), 3600000, 0), if(number = 0, 3600000, 0), if(number IN (7, 8, 9), 3600000, 0) FROM numbers(14)
		UNION ALL SELECT '', 's2', 't1', toStartOfHour(now()) - toIntervalHour(20 - number), 1, 3600000, 0, 0, 0, 3600000, 0, 0, 0 FROM numbers(3)`)
	exec(t, conn, "INSERT INTO tillstream.outages (lane, store_id, terminal_id, started_at, version, resolved_at) VALUES ('', 's1', 't1', now64(3) - toIntervalHour(15), 1, now64(3) - toIntervalHour(14)), ('', 's1', 't1', now64(3) - toIntervalMinute(800), 1, now64(3) - toIntervalMinute(740))")
	for _, settings := range []ch.Settings{nil, {"join_use_nulls": 1}} {
		reader := connect(t, "reader", settings)
		for _, b := range blocks {
			query(t, reader, b[1])
		}
		got := query(t, reader, "SELECT store_id, ifNull(outages, 0), q_h, mtbf_h FROM ("+blocks[0][1]+") ORDER BY store_id")
		if d := cmp.Diff([]string{"s1	2	9	2", "s2	0	3	\\N"}, got); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
	}
}
