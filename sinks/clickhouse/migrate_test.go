package clickhouse

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	schema "github.com/tillstream/tillstream/schemas/clickhouse"
)

func TestMigrate(t *testing.T) {
	t.Cleanup(func() { cleanUp(t) })
	s := open(t, nil)
	empty(t, s)
	all, err := schema.Migrations()
	if err != nil {
		t.Fatal(err)
	}
	migrate := func(binary string, ms []schema.Migration) (now []uint32, err error) {
		t.Helper()
		applied, err := s.Migrate(t.Context(), MigrateOptions{Binary: binary, Migrations: ms})
		for _, a := range applied {
			if a.Now {
				now = append(now, a.Version)
			}
		}
		if err == nil && len(applied) != len(ms) {
			t.Errorf("%d applied of %d", len(applied), len(ms))
		}
		return now, err
	}
	next := append(all[:len(all):len(all)], schema.Migration{Version: uint32(len(all) + 1), Name: "later", Checksum: "c", SQL: "ALTER TABLE tillstream.ledger ADD COLUMN IF NOT EXISTS note String;\n"})
	var later []uint32 // than the first
	wanted := []string{"1 tables v1"}
	for _, m := range all[1:] {
		later = append(later, m.Version)
		wanted = append(wanted, fmt.Sprintf("%d %s v2", m.Version, m.Name))
	}
	last := uint32(len(all) + 1)
	wanted = append(wanted, fmt.Sprintf("%d later v3", last))
	changed := append([]schema.Migration{}, all...)
	changed[0].Checksum = "0123456789abcdef"
	for _, step := range []struct {
		what, binary string
		ms           []schema.Migration
		now          []uint32
		err          string
	}{
		{what: "empty database, an old binary", binary: "v1", ms: all[:1], now: []uint32{1}},
		{what: "older database", binary: "v2", ms: all, now: later},
		{what: "nothing to do", binary: "v2", ms: all},
		{what: "another content", binary: "v2", ms: changed, err: "migration 0001_tables was applied by v1 with another content (checksum " + all[0].Checksum + ") than this binary has (0123456789abcdef)"},
		{what: "one more", binary: "v3", ms: next, now: []uint32{last}},
		{what: "newer database", binary: "v2", ms: all, err: fmt.Sprintf("the database is newer than this tillstream: it has migration %04d_later, applied by v3, and this binary knows %d; start that version or a later one, or, to finish batches that this one left half written, this one with clickhouse.migrate: false", last, len(all))},
	} {
		now, err := migrate(step.binary, step.ms)
		if (err == nil) != (step.err == "") || err != nil && !strings.Contains(err.Error(), step.err) {
			t.Errorf("%s: got %v, want %q", step.what, err, step.err)
		}
		if diff := cmp.Diff(step.now, now); diff != "" {
			t.Errorf("%s: %s", step.what, diff)
		}
	}
	// By now it is newer. Who does not migrate works with it, as members do that started before it was; what must know all tables does not.
	if err := s.Check(t.Context()); err != nil {
		t.Errorf("a newer database: %v", err)
	}
	if err := s.CheckNotNewer(t.Context()); err == nil || !strings.Contains(err.Error(), "it has 1 migrations that this binary does not know") {
		t.Errorf("a newer database: got %v", err)
	}
	_, err = open(t, func(c *Config) { c.Username, c.QueryTimeout = "reader", 50*time.Second }).Migrate(t.Context(), MigrateOptions{})
	if err == nil || !strings.Contains(err.Error(), `clickhouse.username: user "reader" lacks a right`) {
		t.Errorf("reader: got %v", err)
	}
	if diff := cmp.Diff(wanted, ask(t, s, "version, name, binary", "FROM tillstream.schema_migrations ORDER BY version")); diff != "" {
		t.Error(diff)
	}
}

// objects counts the tables and views that the migrations make, and the table of the migrations.
func objects(t *testing.T) string {
	t.Helper()
	all, err := schema.Migrations()
	if err != nil {
		t.Fatal(err)
	}
	made := map[string]map[string]bool{"TABLE": {"tillstream.schema_migrations": true}, "VIEW": {}}
	for _, m := range all {
		for _, words := range regexp.MustCompile(`CREATE (?:OR REPLACE )?(TABLE|VIEW) (?:IF NOT EXISTS )?([\w.]+)`).FindAllStringSubmatch(strings.Join(m.Statements(), "\n"), -1) {
			made[words[1]][words[2]] = true
		}
	}
	return fmt.Sprintf("%d %d", len(made["TABLE"]), len(made["VIEW"]))
}

// What was cut short is run again, and a second process that migrates at the same time does no harm.
func TestMigrateTwiceAtOnce(t *testing.T) {
	s := open(t, nil)
	empty(t, s)
	do(t, s, "CREATE DATABASE tillstream")
	do(t, s, "CREATE TABLE tillstream.sales_hourly (cut UInt8) ENGINE = MergeTree ORDER BY cut")
	do(t, s, "DROP TABLE tillstream.sales_hourly SYNC")
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		other := open(t, nil)
		wg.Go(func() { _, errs[i] = other.Migrate(t.Context(), MigrateOptions{Binary: "test"}) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff([]string{objects(t)}, ask(t, s, "countIf(engine LIKE '%MergeTree'), countIf(engine = 'View')", "FROM system.tables WHERE database IN ('tillstream', 'pos')")); diff != "" {
		t.Error(diff)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCheck(t *testing.T) {
	t.Cleanup(func() { cleanUp(t) })
	s := fresh(t)
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := open(t, overNative).Check(t.Context()); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"0"}, ask(t, s, "count()", "FROM system.tables WHERE name LIKE 'canary%'")); diff != "" {
		t.Errorf("the canary was left behind: %s", diff)
	}
	all, err := schema.Migrations()
	if err != nil {
		t.Fatal(err)
	}
	slow, asks := open(t, nil), false
	slow.now = func() time.Time { // each answer takes ten seconds
		if asks = !asks; asks {
			return time.Now().Add(-10 * time.Second)
		}
		return time.Now()
	}
	if _, err := slow.checkClock(t.Context()); err != nil {
		t.Errorf("answers that take their time: %v", err)
	}
	password := func(c *Config) { c.Password = "wrong" }
	for _, c := range []struct {
		what, want string
		config     func(*Config)
		before     string
		after      string
		ahead      time.Duration
	}{
		{what: "wrong password", config: password, want: `clickhouse.password: ClickHouse at ` + engine.HTTPAddr() + ` does not let user "default" in (code `},
		{what: "unreachable", config: func(c *Config) { c.Addr = []string{"127.0.0.1:1"} }, want: "clickhouse.addr: nothing answers at 127.0.0.1:1 (connect: connection refused): start ClickHouse or correct clickhouse.addr"},
		{what: "unreachable, native", config: func(c *Config) { overNative(c); c.Addr = []string{"127.0.0.1:1"} }, want: "clickhouse.addr: nothing answers at 127.0.0.1:1"},
		{what: "unknown host", config: func(c *Config) { c.Addr = []string{"clickhouse.invalid:8123"} }, want: "clickhouse.addr: the name clickhouse.invalid is not known"},
		{what: "no TLS there", config: func(c *Config) { c.TLS.Enabled = true }, want: "clickhouse.tls: ClickHouse at "},
		{what: "clock behind", ahead: time.Minute, want: "the clocks of this machine and of ClickHouse are -"},
		{what: "clock ahead", ahead: -time.Minute, want: "apart, which is more than 2s: synchronise both with NTP"},
		{what: "clock nearly right", ahead: time.Second},
		{
			what: "a table forgets", before: "ALTER TABLE tillstream.customer_days MODIFY SETTING non_replicated_deduplication_window = 0", after: "ALTER TABLE tillstream.customer_days MODIFY SETTING non_replicated_deduplication_window = 10000",
			want: "table tillstream.customer_days forgets deduplication tokens (non_replicated_deduplication_window is 0): run ALTER TABLE tillstream.customer_days MODIFY SETTING non_replicated_deduplication_window = 10000",
		},
		{
			what: "a profile turns tokens off", config: func(c *Config) {
				c.Addr, c.Protocol, c.DSN = nil, "", DSN("http://default@"+engine.HTTPAddr()+"/?deduplicate_insert=disable")
			}, want: "ClickHouse does not honour insert_deduplication_token: of two INSERTs with one token both landed (4 rows, want 2)",
		},
		{what: "no schema", before: "DROP DATABASE tillstream SYNC", want: fmt.Sprintf("the database has 0 of this binary's %d migrations: run tillstream migrate", len(all))},
	} {
		if c.before != "" {
			do(t, s, c.before)
		}
		checked := open(t, c.config)
		checked.now = func() time.Time { return time.Now().Add(c.ahead) }
		err := checked.Check(t.Context())
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) || err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v\nwant %q", c.what, err, c.want)
		}
		if c.after != "" {
			do(t, s, c.after)
		}
	}
}
