package clickhouse

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/rollup"
	schema "github.com/tillstream/tillstream/schemas/clickhouse"
)

// maxSkew is how far our clock and the server's may be apart: deadlines of INSERTs are compared across machines.
const maxSkew = 2 * time.Second

// minVersion is the oldest server that is let in: the long-term release before the newest. Views with DEFINER need 24.2, their
// filters reach the tables since 24.8; the tests run on 26.7.
var minVersion = [2]uint64{25, 8}

// Check proves, before anything is read from Kafka, that this server can keep the promise: it is new enough, it has this binary's schema or a later one,
// its clock agrees with ours, every table remembers deduplication tokens, and an INSERT that is sent twice lands once, as one part.
// The error is a sentence that says what to change.
func (s *Sink) Check(ctx context.Context) error {
	var wrong []error
	for _, p := range s.Proofs(ctx) {
		wrong = append(wrong, p.Err)
	}
	return errors.Join(wrong...)
}

// What Check proves, in this order.
const (
	ProofVersion    = "version"       // the server answers and is new enough
	ProofClock      = "clock"         // its clock agrees with ours
	ProofCluster    = "cluster"       // it knows the cluster of the configuration, if there is one, which has one shard
	ProofMigrations = "migrations"    // it has this binary's schema, or a later one
	ProofWindows    = "windows"       // every table remembers deduplication tokens
	ProofCanary     = "deduplication" // an INSERT that is sent twice lands once, as one part
)

// Proof is one thing that Check proves.
type Proof struct {
	What  string
	Found string // what there is, for people
	Err   error  // why it is not enough, and what to change; nil if it is
}

// Proofs proves one thing after the other, as far as it makes sense: nothing of a server that does not answer, no windows of tables that are not there.
func (s *Sink) Proofs(ctx context.Context) []Proof {
	version, err := s.checkVersion()
	proofs := []Proof{{ProofVersion, version, err}}
	if err != nil {
		return proofs
	}
	skew, err := s.checkClock(ctx)
	proofs = append(proofs, Proof{ProofClock, skew, err})
	if s.cluster != "" {
		found, err := s.checkCluster(ctx)
		if proofs = append(proofs, Proof{ProofCluster, found, err}); err != nil {
			return proofs
		}
	}
	migrations, err := s.checkMigrations(ctx)
	proofs = append(proofs, Proof{ProofMigrations, migrations, err})
	if err != nil {
		return proofs
	}
	windows, err := s.checkWindows(ctx)
	proofs = append(proofs, Proof{ProofWindows, windows, err})
	if err != nil {
		return proofs
	}
	return append(proofs, Proof{ProofCanary, "of two INSERTs under one token one landed, as one part", s.canary(ctx)})
}

func (s *Sink) checkVersion() (string, error) {
	v, err := s.conn.ServerVersion()
	if err != nil {
		return "", s.explain(err)
	}
	found := fmt.Sprintf("%d.%d", v.Version.Major, v.Version.Minor)
	if v.Version.Major < minVersion[0] || v.Version.Major == minVersion[0] && v.Version.Minor < minVersion[1] {
		return found, fmt.Errorf("ClickHouse at %s is version %s, tillstream needs %d.%d or later: upgrade it", strings.Join(s.options.Addr, ", "), found, minVersion[0], minVersion[1])
	}
	return found, nil
}

// checkClock compares the server's clock with the middle of the question. An answer that takes its time tells so much less of it: it is asked again, a few
// times, and only what the quickest answer proves counts against the server.
func (s *Sink) checkClock(ctx context.Context) (string, error) {
	var skew time.Duration
	unsure := time.Duration(math.MaxInt64) // how far skew may be off
	for try := 0; try < 5 && unsure > maxSkew/10; try++ {
		var server int64
		asked := s.now()
		err := s.rows(ctx, func(r driver.Rows) error { return r.Scan(&server) }, "SELECT toUnixTimestamp64Milli(now64(3))")
		if err != nil {
			return "", fmt.Errorf("asking the server for the time: %w", err)
		}
		if half := s.now().Sub(asked) / 2; half < unsure {
			skew, unsure = time.UnixMilli(server).Sub(asked.Add(half)), half
		}
	}
	skew = skew.Round(time.Millisecond)
	if skew.Abs()-unsure > maxSkew {
		return skew.String(), fmt.Errorf("the clocks of this machine and of ClickHouse are %v apart, which is more than %v: synchronise both with NTP", skew, maxSkew)
	}
	return fmt.Sprintf("%v apart", skew.Abs()), nil
}

// checkMigrations lets a newer schema pass: migrations only add, and members of two versions share a group.
func (s *Sink) checkMigrations(ctx context.Context) (string, error) {
	have, later, wanted, err := s.migrations(ctx)
	if err != nil {
		return "", err
	}
	found := fmt.Sprintf("%d of %d", have, wanted)
	if have < wanted {
		return found, fmt.Errorf("the database has %d of this binary's %d migrations: run tillstream migrate", have, wanted)
	}
	if later > 0 {
		found += fmt.Sprintf(", and %d of a later version", later)
	}
	return found, nil
}

// CheckNotNewer refuses a database that a later version has migrated, as does whatever must know all tables there are.
func (s *Sink) CheckNotNewer(ctx context.Context) error {
	_, later, _, err := s.migrations(ctx)
	if err == nil && later > 0 {
		err = fmt.Errorf("the database is newer than this tillstream: it has %d migrations that this binary does not know; use the version that applied them, or a later one", later)
	}
	return err
}

// migrations are how many the database has of those that this binary wants, and how many later ones.
func (s *Sink) migrations(ctx context.Context) (have, later, wanted uint64, err error) {
	all, err := schema.Migrations()
	if err != nil {
		return 0, 0, 0, err
	}
	wanted = uint64(len(all))
	var there uint64
	err = s.rows(ctx, func(r driver.Rows) error { return r.Scan(&there) }, "SELECT count() FROM system.tables WHERE database = 'tillstream' AND name = 'schema_migrations'")
	if err == nil && there > 0 {
		err = s.rows(ctx, func(r driver.Rows) error { return r.Scan(&have, &later) },
			"SELECT uniqExactIf(version, version <= {last:UInt64}), uniqExactIf(version, version > {last:UInt64}) FROM tillstream.schema_migrations", ch.Named("last", wanted))
	}
	if err != nil {
		return 0, 0, 0, fmt.Errorf("asking for the schema: %w", err)
	}
	return have, later, wanted, nil
}

const windowSetting = "non_replicated_deduplication_window"

// checkWindows looks for tables that have been told to forget tokens.
func (s *Sink) checkWindows(ctx context.Context) (string, error) {
	tables, err := s.tables(ctx)
	if err != nil {
		return "", err
	}
	if err := s.checkReplicated(ctx); err != nil {
		return "", err
	}
	var wrong []error
	setting := windowSetting
	if s.cluster != "" {
		setting = "replicated_deduplication_window"
	}
	err = s.rows(ctx, func(r driver.Rows) error {
		var name, window string
		if err := r.Scan(&name, &window); err != nil {
			return err
		}
		if tables[name] != nil {
			wrong = append(wrong, fmt.Errorf("table tillstream.%s forgets deduplication tokens (%s is %s): run ALTER TABLE tillstream.%s MODIFY SETTING %s = 10000",
				name, setting, orDefault(window, "not set"), name, setting))
		}
		return nil
	}, `SELECT name, extract(engine_full, '\\b`+setting+` = (\\d+)') AS window FROM system.tables
		WHERE database = 'tillstream' AND engine LIKE '%MergeTree' AND toUInt64OrZero(window) = 0 ORDER BY name`)
	if err != nil {
		return "", fmt.Errorf("asking for the settings of the tables: %w", err)
	}
	return fmt.Sprintf("%d tables remember tokens", len(tables)-len(wrong)), errors.Join(wrong...)
}

// canary inserts two different blocks under one token into a copy of a table, as a batch would be inserted: the second must vanish.
func (s *Sink) canary(ctx context.Context) (err error) {
	const like = "dead_letters"
	tables, err := s.tables(ctx)
	if err != nil {
		return err
	}
	var random [6]byte
	if _, err := rand.Read(random[:]); err != nil {
		return fmt.Errorf("drawing a name: %w", err)
	}
	t := &table{name: "canary_" + hex.EncodeToString(random[:]), columns: tables[like].columns}
	if err := s.define(ctx, "CREATE TABLE tillstream."+t.name+" AS tillstream."+like); err != nil {
		return fmt.Errorf("creating the canary table: %w", err)
	}
	defer func() {
		err = errors.Join(err, s.define(context.WithoutCancel(ctx), "DROP TABLE IF EXISTS tillstream."+t.name))
	}()
	for i := range 2 {
		b := rollup.NewBlock(t.name, 197001, 1)
		b.String("topic")[0] = "canary"
		b.Int32("partition")
		b.Int64("offset")[0] = int64(i)
		b.PartitionMillis("at")
		b.String("reason")
		b.String("field")
		b.String("expected")
		if err := s.insert(ctx, t, processor.Insert{Block: b.Seal(), Lane: "canary", Mark: "canary", Token: t.name}); err != nil {
			return fmt.Errorf("proving that tokens are remembered: %w", err)
		}
	}
	var rows, parts uint64
	err = s.rows(ctx, func(r driver.Rows) error { return r.Scan(&rows, &parts) }, "SELECT count(), uniqExact(_part) FROM tillstream."+t.name)
	switch {
	case err != nil:
		return fmt.Errorf("counting the canary's rows: %w", err)
	case parts != 1 && rows <= 2:
		return fmt.Errorf("ClickHouse split one INSERT into %d parts, so that a crash could keep half of a batch: remove max_insert_block_size and min_insert_block_size_* from the profile of user %q", parts, s.user())
	case rows != 2:
		return fmt.Errorf("ClickHouse does not honour insert_deduplication_token: of two INSERTs with one token both landed (%d rows, want 2); remove insert_deduplicate, deduplicate_insert and async_insert from the profile of user %q, and see that %s is not 0", rows, s.user(), windowSetting)
	}
	return nil
}
