package clickhouse

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"
)

const (
	minute = int64(time.Minute / time.Millisecond)
	hour   = 60 * minute
	day    = 24 * hour
)

// clock is the server's time in ms and the start of its hour.
func clock(t *testing.T, conn driver.Conn) (now, base int64) {
	t.Helper()
	now, err := strconv.ParseInt(query(t, conn, "SELECT toUnixTimestamp64Milli(now64(3))")[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return now, now / hour * hour
}

// withinOneHour calls f until the hour did not change under it, with the time before.
func withinOneHour(t *testing.T, conn driver.Conn, f func(base int64) (check func(before, after int64))) {
	t.Helper()
	for {
		before, base := clock(t, conn)
		check := f(base)
		after, again := clock(t, conn)
		if again == base {
			check(before, after)
			return
		}
	}
}

// till is one terminal: its newest status, and the hours that the fold has stored, the newest of which ends at lastSeen.
type till struct {
	id, state                     string
	firstSeen, lastSeen, holdsFor int64 // before the start of the running hour, except holdsFor, which is after lastSeen
	up, down                      int64 // of the newest stored hour, ms
}

func (x till) status(t *testing.T, conn driver.Conn, base int64) {
	t.Helper()
	seen := base - x.lastSeen
	exec(t, conn, fmt.Sprintf(`INSERT INTO tillstream.terminal_status (lane, store_id, terminal_id, version, status, since, first_seen, last_seen, holds_until, service_next) VALUES
		('', 's', '%s', 1, '%s', fromUnixTimestamp64Milli(%d), fromUnixTimestamp64Milli(%d), fromUnixTimestamp64Milli(%d), fromUnixTimestamp64Milli(%d), [0])`,
		x.id, x.state, seen-1, base-x.firstSeen, seen, seen+x.holdsFor))
}

func (x till) insert(t *testing.T, conn driver.Conn, base int64) {
	t.Helper()
	x.status(t, conn, base)
	seen := base - x.lastSeen
	for h := (base - x.firstSeen) / hour * hour; h <= seen; h += hour {
		up, down, evidence := min(h+hour, seen)-max(h, base-x.firstSeen), int64(0), 4
		if h+hour > seen {
			up, down, evidence = x.up, x.down, 1
		}
		exec(t, conn, fmt.Sprintf(`INSERT INTO tillstream.availability_hourly (lane, store_id, terminal_id, hour, version, up_ms, down_ms, service_ms, service_down_ms, evidence, response_ms_avg) VALUES
			('', 's', '%s', %d, 1, 1, 0, 1, 0, 0, 0), ('', 's', '%[1]s', %[2]d, 2, %d, %d, %d, %[4]d, %[6]d, 12.5)`, x.id, h/1000, up, down, up+down, evidence))
	}
}

// hours gives the view's rows of a terminal as "hours before base: up degraded down silent maintenance service service_down availability evidence";
// the running hour separately.
func hours(t *testing.T, conn driver.Conn, id string, base int64) (closed []string, running string) {
	t.Helper()
	for _, line := range query(t, conn, fmt.Sprintf(`SELECT intDiv(%d - toUnixTimestamp(hour) * 1000, 3600000), up_ms, degraded_ms, down_ms, silent_ms, maintenance_ms, service_ms, service_down_ms, availability, evidence
		FROM pos.availability_hourly WHERE terminal_id = '%s' ORDER BY hour`, base, id)) {
		if rest, ok := strings.CutPrefix(line, "0\t"); ok {
			running = rest
			continue
		}
		closed = append(closed, strings.ReplaceAll(line, "\t", " "))
	}
	return closed, running
}

func TestOpenHours(t *testing.T) {
	full := func(h int, status int, availability string) string {
		ms := [5]int64{}
		ms[status] = hour
		down := int64(0)
		if status == 2 {
			down = hour
		}
		return fmt.Sprintf("%d %d %d %d %d %d %d %d %s 0", h, ms[0], ms[1], ms[2], ms[3], ms[4], hour, down, availability)
	}
	conn := fresh(t)
	for _, c := range []struct {
		till
		closed  []string
		running int // which of up, degraded, down, silent, maintenance the running hour has; -1: there is none
	}{
		{ // lapses 40 minutes into its newest hour
			till{"lapsed", "up", 6*hour - 15*minute, 5*hour - 10*minute, 30 * minute, 10 * minute, 0},
			[]string{
				"6 2700000 0 0 0 0 2700000 0 1 4",
				"5 2400000 0 0 1200000 0 3600000 0 1 1",
				full(4, 3, `\N`), full(3, 3, `\N`), full(2, 3, `\N`), full(1, 3, `\N`),
			},
			3,
		},
		{
			till{"down", "down", 3*hour - 10*minute, 3*hour - 30*minute, 0, 10 * minute, 10 * minute},
			[]string{"3 600000 0 2400000 0 0 3000000 2400000 0.19999999999999996 1", full(2, 2, "0"), full(1, 2, "0")},
			2,
		},
		{
			till{"maintenance", "maintenance", 2 * hour, 2*hour - 1, 0, 1, 0},
			[]string{"2 1 0 0 0 3599999 3600000 0 1 1", full(1, 4, `\N`)},
			4,
		},
		{ // still holds
			till{"holds", "degraded", 2 * hour, 2*hour - 30*minute, 9 * hour, 30 * minute, 0},
			[]string{"2 1800000 1800000 0 0 0 3600000 0 1 1", full(1, 1, "1")},
			1,
		},
		{ // its only evidence came on the stroke of the hour
			till{"stroke", "up", 2 * hour, 2 * hour, hour, 0, 0},
			[]string{"2 3600000 0 0 0 0 3600000 0 1 1", full(1, 3, `\N`)},
			3,
		},
		{ // switched off on purpose
			till{"closed", "silent", 2 * hour, 2*hour - 30*minute, 0, 30 * minute, 0},
			[]string{"2 1800000 0 0 1800000 0 3600000 0 1 1", full(1, 3, `\N`)},
			3,
		},
		{ // a till whose clock is ahead, until the hour is over: nothing is open
			till{"ahead", "up", hour, 1 - hour, hour, hour - 1, 0},
			[]string{"1 3600000 0 0 0 0 3600000 0 1 4"},
			0,
		},
	} {
		t.Run(c.id, func(t *testing.T) {
			withinOneHour(t, conn, func(base int64) func(before, after int64) {
				exec(t, conn, "TRUNCATE TABLE tillstream.terminal_status")
				exec(t, conn, "TRUNCATE TABLE tillstream.availability_hourly")
				c.till.insert(t, conn, base)
				closed, running := hours(t, conn, c.id, base)
				return func(before, after int64) {
					if diff := cmp.Diff(c.closed, closed); diff != "" {
						t.Error(diff)
					}
					var ms [5]int64
					fmt.Sscan(running, &ms[0], &ms[1], &ms[2], &ms[3], &ms[4])
					low, high := before-base, after-base
					if c.id == "ahead" {
						low, high = hour-1, hour-1
					}
					for status, v := range ms {
						if status != c.running && v != 0 || status == c.running && (v < low || v > high) {
							t.Errorf("running hour is %v, want %d to %d of status %d", ms, low, high, c.running)
						}
					}
				}
			})
		})
	}
}

// Silence and faults do not count for ever.
func TestTerminalsRetire(t *testing.T) {
	conn := fresh(t)
	withinOneHour(t, conn, func(base int64) func(before, after int64) {
		for _, table := range []string{"terminal_status", "availability_hourly", "settings"} {
			exec(t, conn, "TRUNCATE TABLE tillstream."+table)
		}
		till{"gone", "up", 40*day + 10*minute, 40*day - 20*minute, hour, 20 * minute, 0}.insert(t, conn, base)
		till{"broken", "down", 400 * day, 400*day - 20*minute, 0, 20 * minute, 0}.insert(t, conn, base)
		// an hour whose evidence has turned out to belong elsewhere
		exec(t, conn, fmt.Sprintf("INSERT INTO tillstream.availability_hourly (lane, store_id, terminal_id, hour, version, up_ms, evidence) VALUES ('', 's', 'gone', %d, 2, 60000, 1), ('', 's', 'gone', %[1]d, 3, 0, 0)", (base-39*day)/1000))
		const sums = "SELECT sum(up_ms), sum(down_ms), sum(silent_ms), dateDiff('hour', min(hour), max(hour)), uniqExact(hour) = count() FROM pos.availability_hourly WHERE terminal_id = "
		gone := query(t, conn, sums+"'gone'")
		broken := query(t, conn, sums+"'broken'")
		exec(t, conn, fmt.Sprintf("INSERT INTO tillstream.settings VALUES ('retire_after_ms', %d, now64(3))", 10*day))
		sooner := query(t, conn, sums+"'gone'")
		last := query(t, conn, "SELECT silent_ms, unknown_ms, service_ms FROM pos.availability_hourly WHERE terminal_id = 'gone' ORDER BY hour DESC LIMIT 1")
		status := query(t, conn, "SELECT terminal_id, status, in_service FROM pos.terminal_status ORDER BY terminal_id")
		return func(int64, int64) {
			// up for 30 minutes before the newest evidence and one hour after it, then silent until 31 (10) days after it
			for _, c := range []struct {
				got  []string
				want string
			}{
				{gone, fmt.Sprintf("%d\t0\t%d\t745\t1", 90*minute, 31*day-hour)},
				{sooner, fmt.Sprintf("%d\t0\t%d\t241\t1", 90*minute, 10*day-hour)},
				{last, fmt.Sprintf("%d\t%d\t%d", 20*minute, 40*minute, hour)},
				{broken, fmt.Sprintf("%d\t%d\t0\t%d\t1", 20*minute, 366*day, 366*24)},
			} {
				if diff := cmp.Diff([]string{c.want}, c.got); diff != "" {
					t.Error(diff)
				}
			}
			if diff := cmp.Diff([]string{"broken\tdown\t0", "gone\tsilent\t0"}, status); diff != "" {
				t.Error(diff)
			}
		}
	})
}

func TestOpenIntervalsStatusAndOutages(t *testing.T) {
	conn := fresh(t)
	withinOneHour(t, conn, func(base int64) func(before, after int64) {
		for _, table := range []string{"terminal_status", "availability_hourly", "status_intervals", "outages"} {
			exec(t, conn, "TRUNCATE TABLE tillstream."+table)
		}
		till{"lapsed", "up", 6 * hour, 5 * hour, 30 * minute, 0, 0}.insert(t, conn, base)
		till{"gone", "degraded", 41 * day, 40 * day, hour, 0, 0}.insert(t, conn, base)
		till{"down", "down", 6 * hour, 5 * hour, 0, 0, 0}.insert(t, conn, base)
		till{"holds", "up", 6 * hour, hour, 3 * hour, 0, 0}.insert(t, conn, base)
		till{"broken", "down", 401 * day, 400 * day, 0, 0, 0}.status(t, conn, base)
		at := func(before int64) string { return fmt.Sprintf("fromUnixTimestamp64Milli(%d)", base-before) }
		exec(t, conn, `INSERT INTO tillstream.status_intervals (lane, store_id, terminal_id, started_at, version, deleted, status, ended_at, holds_until, cause) VALUES
			('g/0', '', '', '2026-11-01 00:00:00.000', 9, 0, '', NULL, NULL, ''),
			('', 's', 'lapsed', `+at(7*hour)+`, 1, 0, 'down', NULL, NULL, 'DeviceOut'),
			('', 's', 'lapsed', `+at(7*hour)+`, 2, 0, 'down', `+at(6*hour)+`, NULL, 'DeviceOut'),
			('', 's', 'lapsed', `+at(6*hour)+`, 2, 0, 'up', NULL, `+at(5*hour-30*minute)+`, ''),
			('', 's', 'lapsed', `+at(4*hour)+`, 1, 0, 'down', NULL, NULL, ''), ('', 's', 'lapsed', `+at(4*hour)+`, 2, 1, 'down', NULL, NULL, ''),
			('', 's', 'broken', `+at(400*day)+`, 1, 0, 'down', NULL, NULL, 'DeviceOut'),
			('', 's', 'gone', `+at(41*day)+`, 1, 0, 'degraded', NULL, `+at(40*day-hour)+`, ''),
			('', 's', 'down', `+at(5*hour)+`, 1, 0, 'down', NULL, NULL, 'DeviceOut'),
			('', 's', 'holds', `+at(6*hour)+`, 1, 0, 'up', NULL, `+at(-2*hour)+`, '')`)
		exec(t, conn, `INSERT INTO tillstream.outages (lane, store_id, terminal_id, started_at, version, deleted, outage_id, resolved_at, repair_ms, service_ms, cause, party) VALUES
			('', 's', 'lapsed', `+at(7*hour)+`, 2, 0, 'o1', `+at(6*hour)+`, 3600000, 3000000, 'DeviceOut', 'provider'),
			('', 's', 'broken', `+at(400*day)+`, 1, 0, 'o3', NULL, 0, 0, 'DeviceOut', 'provider'),
			('', 's', 'down', `+at(5*hour)+`, 1, 0, 'o2', NULL, 0, 0, 'DeviceOut', 'provider')`)
		relative := func(column string) string {
			return fmt.Sprintf("(%d - toUnixTimestamp64Milli(%s)) / 3600000", base, column)
		}
		intervals := query(t, conn, "SELECT terminal_id, status, "+relative("started_at")+", "+relative("ended_at")+", cause FROM pos.status_intervals ORDER BY terminal_id, started_at")
		status := query(t, conn, "SELECT terminal_id, status, "+relative("since")+", "+relative("last_seen")+", in_service FROM pos.terminal_status ORDER BY terminal_id")
		outages := query(t, conn, "SELECT outage_id, terminal_id, store_id, "+relative("started_at")+", "+relative("resolved_at")+", cause, party FROM pos.outages ORDER BY outage_id")
		repairs := query(t, conn, "SELECT repair_ms, service_ms FROM pos.outages ORDER BY outage_id")
		return func(before, after int64) {
			if diff := cmp.Diff([]string{
				"broken	down	9600	816	DeviceOut", // for 366 days
				"down	down	5	\\N	DeviceOut",
				"gone	degraded	984	959	", "gone	silent	959	216	", // silent for 31 days from 40 days ago
				"holds	up	6	\\N	",
				"lapsed	down	7	6	DeviceOut", "lapsed	up	6	4.5	", "lapsed	silent	4.5	\\N	",
			}, intervals); diff != "" {
				t.Error(diff)
			}
			ms := 1.0 / 3600000
			if diff := cmp.Diff([]string{
				fmt.Sprintf("broken	down	%v	9600	0", 9600+ms), fmt.Sprintf("down	down	%v	5	1", 5+ms), "gone	silent	959	960	0", fmt.Sprintf("holds	up	%v	1	1", 1+ms), "lapsed	silent	4.5	5	1",
			}, status); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]string{"o1	lapsed	s	7	6	DeviceOut	provider", "o2	down	s	5	\\N	DeviceOut	provider", "o3	broken	s	9600	816	DeviceOut	provider"}, outages); diff != "" {
				t.Error(diff)
			}
			var repair, service int64
			fmt.Sscan(repairs[1], &repair, &service)
			if repairs[0] != "3600000\t3000000" || repairs[2] != fmt.Sprintf("%d\t%[1]d", 366*day) || repair != service || repair < before-base+5*hour || repair > after-base+5*hour {
				t.Errorf("repair and service times %v", repairs)
			}
		}
	})
}

func TestClocksOfTills(t *testing.T) {
	conn := fresh(t)
	exec(t, conn, `INSERT INTO tillstream.terminal_status (lane, store_id, terminal_id, version, status, clock_skew_ms, clock_shift_ms) VALUES
		('', 's', 'ahead', 1, 'up', -61000, -62000), ('', 's', 'right', 1, 'up', 0, 0), ('', 's', 'unstable', 1, 'up', 5000, 0)`)
	if diff := cmp.Diff([]string{"ahead\t-61000\t-62000", "right\t0\t0", "unstable\t5000\t0"}, query(t, conn, "SELECT terminal_id, clock_skew_ms, clock_shift_ms FROM pos.terminal_status ORDER BY terminal_id")); diff != "" {
		t.Error(diff)
	}
}

// What nobody has written yet is counted like what is written: within opening hours, less approved maintenance, however it overlaps.
func TestOpenTimeIsCounted(t *testing.T) {
	conn := fresh(t)
	withinOneHour(t, conn, func(base int64) func(before, after int64) {
		for _, table := range []string{"terminal_status", "store_status", "store_outages", "outages", "service_windows", "maintenance", "availability_hourly"} {
			exec(t, conn, "TRUNCATE TABLE tillstream."+table)
		}
		since := base - 5*hour
		at := fmt.Sprintf("fromUnixTimestamp64Milli(toInt64(%d))", since)
		// a store open all the time but the third hour since; one till and the store went down five hours ago
		exec(t, conn, fmt.Sprintf(`INSERT INTO tillstream.service_windows (lane, store_id, month, version, opens, closes)
			SELECT '', 's', toStartOfMonth(toDateTime(h, 'UTC')), 1, groupArray(h), groupArray(h + 3600) FROM (SELECT toDateTime(arrayJoin([%d, %d, %d, %d, %d]), 'UTC') AS h) GROUP BY ALL`,
			since/1000, since/1000+3600, since/1000+3*3600, since/1000+4*3600, since/1000+5*3600))
		exec(t, conn, `INSERT INTO tillstream.terminal_status (lane, store_id, terminal_id, version, status, registered, since, last_seen, holds_until, retires_at, service_next) VALUES
			('', 's', 't', 1, 'down', 1, `+at+`, `+at+`, '2299-12-31 00:00:00', '2299-12-31 00:00:00', [0]), ('', 'w', 't', 1, 'down', 0, `+at+`, `+at+`, '2299-12-31 00:00:00', '2299-12-31 00:00:00', [0])`)
		exec(t, conn, `INSERT INTO tillstream.store_status (lane, store_id, version, status, registered, since, last_seen, holds_until) VALUES ('', 's', 1, 'down', 1, `+at+`, `+at+`, '2299-12-31 00:00:00')`)
		exec(t, conn, `INSERT INTO tillstream.store_outages (lane, store_id, started_at, version, outage_id) VALUES ('', 's', `+at+`, 1, 'o1')`)
		exec(t, conn, `INSERT INTO tillstream.outages (lane, store_id, terminal_id, started_at, version, outage_id) VALUES ('', 's', 't', `+at+`, 1, 'o2'), ('', 'w', 't', `+at+`, 1, 'o3')`)
		span := func(from, to int64) string { return fmt.Sprintf("[%d], [%d]", since+from, since+to) }
		exec(t, conn, `INSERT INTO tillstream.maintenance (lane, store_id, maintenance_id, version, terminals, excluded_from, excluded_to) VALUES `+
			`('', 's', 'of both, from before', 1, [], `+span(-hour, 30*minute)+`), ('', 's', 'of the till', 1, ['t'], `+span(20*minute, hour)+`), ('', 's', 'of the till, within', 1, ['t'], `+span(25*minute, 40*minute)+`),
			('', 's', 'partly closed', 1, [], `+span(150*minute, 195*minute)+`), ('', 's', 'of another', 1, ['x'], `+span(0, 5*hour)+`), ('', 's', 'later', 1, [], `+span(9*day, 10*day)+`),
			('', 'w', 'of one that is not registered', 1, [], `+span(150*minute, 195*minute)+`)`)
		rows := func(columns, view string) []string {
			h := fmt.Sprintf("(toUnixTimestamp(hour) * 1000 - %d) / 3600000", since)
			return query(t, conn, "SELECT store_id, "+h+", service_ms / 60000, "+columns+" FROM pos."+view+" "+h+" < 5 ORDER BY ALL")
		}
		// of what only the registry knows no hour is written
		exec(t, conn, `INSERT INTO tillstream.terminal_status (lane, store_id, terminal_id, version, status, registered, since, last_seen, holds_until, retires_at, service_next) VALUES
			('', 's', 'x', 1, 'unknown', 1, `+at+` + toIntervalMinute(15), `+at+` + toIntervalMinute(15), '2299-12-31 00:00:00', '2299-12-31 00:00:00', [0])`)
		// the newest hour has a row of its own, empty so far
		exec(t, conn, fmt.Sprintf("INSERT INTO tillstream.availability_hourly (lane, store_id, terminal_id, hour, version, evidence) VALUES ('', 's', 't', %d, 1, 1), ('', 'w', 't', %[1]d, 1, 1)", since/1000))
		till := rows("service_down_ms / 60000, excluded_ms / 60000", "availability_hourly WHERE terminal_id = 't' AND")
		awaited := rows("service_unknown_ms / 60000, excluded_ms / 60000, unknown_ms / 60000", "availability_hourly WHERE terminal_id = 'x' AND")
		store := rows("quorum_down_ms / 60000, excluded_ms / 60000", "store_availability_hourly WHERE")
		outages := query(t, conn, "SELECT outage_id, repair_ms, service_ms FROM pos.outages ORDER BY outage_id")
		whole := query(t, conn, "SELECT repair_ms - service_ms FROM pos.store_outages")
		return func(int64, int64) {
			var running int64 // of the hour that nobody counts here
			fmt.Sscan(strings.Split(outages[0], "\t")[1], &running)
			running -= 5 * hour
			for _, c := range []struct {
				name      string
				got, want []string
			}{
				{"tills", till, []string{
					"s	0	60	0	60", "s	1	60	60	0", "s	2	0	0	0", "s	3	60	45	15", "s	4	60	60	0",
					"w	0	60	60	0", "w	1	60	60	0", "w	2	60	30	30", "w	3	60	45	15", "w	4	60	60	0",
				}},
				{"awaited", awaited, []string{"s	0	45	0	45	45", "s	1	60	0	60	60", "s	2	0	0	0	60", "s	3	60	0	60	60", "s	4	60	0	60	60"}},
				{"store", store, []string{"s	0	60	30	30", "s	1	60	60	0", "s	3	60	45	15", "s	4	60	60	0"}},
				{"outages", outages, []string{fmt.Sprintf("o2	%d	%d", 5*hour+running, 165*minute+running), fmt.Sprintf("o3	%d	%d", 5*hour+running, 255*minute+running)}},
				{"outages of the store", whole, []string{fmt.Sprint(105 * minute)}},
			} {
				if d := cmp.Diff(c.want, c.got); d != "" {
					t.Errorf("%s (-want +got)\n%s", c.name, d)
				}
			}
		}
	})
}

// A store whose only till runs and cannot sell is down until that till lapses: then nobody knows.
func TestStoreIsDownUntilNobodyKnows(t *testing.T) {
	conn := fresh(t)
	withinOneHour(t, conn, func(base int64) func(before, after int64) {
		for _, table := range []string{"terminal_status", "store_status", "store_outages", "availability_hourly"} {
			exec(t, conn, "TRUNCATE TABLE tillstream."+table)
		}
		seen, lapses := base-4*hour, base-4*hour+90*minute
		at, until := fmt.Sprintf("fromUnixTimestamp64Milli(toInt64(%d))", seen), fmt.Sprintf("fromUnixTimestamp64Milli(toInt64(%d))", lapses)
		exec(t, conn, `INSERT INTO tillstream.terminal_status (lane, store_id, terminal_id, version, status, disabled, since, last_seen, holds_until, retires_at, service_next) VALUES
			('', 's', 't', 1, 'degraded', 1, `+at+`, `+at+`, `+until+`, '2299-12-31 00:00:00', [0]), ('', 's', 'able', 1, 'degraded', 0, `+at+`, `+at+`, now64(3) + 3600, '2299-12-31 00:00:00', [0]),
			('', 's', 'unable', 1, 'degraded', 1, `+at+`, `+at+`, now64(3) + 3600, '2299-12-31 00:00:00', [0])`)
		exec(t, conn, `INSERT INTO tillstream.store_status (lane, store_id, version, status, since, last_seen, holds_until, tills, sell_quorum) VALUES ('', 's', 1, 'down', `+at+`, `+at+`, `+until+`, 1, 1)`)
		exec(t, conn, `INSERT INTO tillstream.store_outages (lane, store_id, started_at, version, outage_id) VALUES ('', 's', `+at+`, 1, 'o')`)
		exec(t, conn, fmt.Sprintf("INSERT INTO tillstream.availability_hourly (lane, store_id, terminal_id, hour, version, evidence) VALUES ('', 's', 't', %d, 1, 1)", seen/1000))
		h := fmt.Sprintf("(toUnixTimestamp(hour) * 1000 - %d) / 3600000", seen)
		hours := query(t, conn, "SELECT "+h+", service_ms / 60000, quorum_down_ms / 60000, unknown_ms / 60000 FROM pos.store_availability_hourly WHERE "+h+" < 3 ORDER BY ALL")
		tills := query(t, conn, "SELECT "+h+", degraded_ms / 60000, disabled_ms / 60000, silent_ms / 60000 FROM pos.availability_hourly WHERE terminal_id = 't' AND "+h+" < 3 ORDER BY ALL")
		status := query(t, conn, "SELECT status, toUnixTimestamp64Milli(since) FROM pos.store_status")
		outage := query(t, conn, "SELECT toUnixTimestamp64Milli(assumeNotNull(resolved_at)), repair_ms, service_ms FROM pos.store_outages")
		disabled := query(t, conn, "SELECT terminal_id, status, disabled FROM pos.terminal_status ORDER BY terminal_id")
		return func(int64, int64) {
			for _, c := range []struct {
				name      string
				got, want []string
			}{
				{"hours of the store", hours, []string{"0	60	60	0", "1	60	30	30", "2	60	0	60"}},
				{"hours of the till", tills, []string{"0	60	60	0", "1	30	30	30", "2	0	0	60"}},
				{"the store", status, []string{fmt.Sprintf("unknown	%d", lapses)}},
				{"its outage", outage, []string{fmt.Sprintf("%d	%d	%[2]d", lapses, 90*minute)}},
				{"the tills", disabled, []string{"able	degraded	0", "t	silent	0", "unable	degraded	1"}},
			} {
				if d := cmp.Diff(c.want, c.got); d != "" {
					t.Errorf("%s (-want +got)\n%s", c.name, d)
				}
			}
		}
	})
}
