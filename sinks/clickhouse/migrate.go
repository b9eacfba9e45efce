package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	schema "github.com/tillstream/tillstream/schemas/clickhouse"
)

// MigrateOptions say what to apply.
type MigrateOptions struct {
	Binary     string             // version of this program, kept with what it applies
	Migrations []schema.Migration // nil: those of this binary
}

// Applied is one migration that the database has.
type Applied struct {
	Version   uint32
	Name      string
	Checksum  string
	AppliedAt time.Time
	Binary    string
	Now       bool // by this very call
}

// Migrate brings the databases tillstream and pos to the schema of this binary and returns what they have. It refuses, before it changes
// anything, a database that is newer than the binary or that was made by migrations of another content. Every migration may run twice:
// two processes may call it at once, and what was cut short is run again.
func (s *Sink) Migrate(ctx context.Context, opts MigrateOptions) ([]Applied, error) {
	wanted := opts.Migrations
	if wanted == nil {
		var err error
		if wanted, err = schema.Migrations(); err != nil {
			return nil, err
		}
	}
	if s.cluster != "" {
		if _, err := s.checkCluster(ctx); err != nil {
			return nil, err
		}
	}
	for _, sql := range []string{
		"CREATE DATABASE IF NOT EXISTS tillstream",
		"CREATE DATABASE IF NOT EXISTS pos",
		`CREATE TABLE IF NOT EXISTS tillstream.schema_migrations
			(version UInt32, name String, checksum String, applied_at DateTime64(3, 'UTC'), binary String)
			ENGINE = MergeTree ORDER BY (version, applied_at)`,
	} {
		if err := s.define(ctx, sql); err != nil {
			return nil, fmt.Errorf("preparing the databases: %w", err)
		}
	}
	applied, err := s.applied(ctx)
	if err != nil {
		return nil, err
	}
	for i, a := range applied {
		switch {
		case i >= len(wanted):
			return nil, fmt.Errorf("the database is newer than this tillstream: it has migration %04d_%s, applied by %s, and this binary knows %d; start that version or a later one, or, to finish batches that this one left half written, this one with clickhouse.migrate: false",
				a.Version, a.Name, a.Binary, len(wanted))
		case a.Version != wanted[i].Version || a.Checksum != wanted[i].Checksum:
			return nil, fmt.Errorf("migration %04d_%s was applied by %s with another content (checksum %s) than this binary has (%s): released migrations never change; start the version that applied it, or build this one from a clean checkout",
				a.Version, a.Name, a.Binary, a.Checksum, wanted[i].Checksum)
		}
	}
	for _, m := range wanted[len(applied):] {
		for i, sql := range m.Statements() {
			if err := s.define(ctx, sql); err != nil {
				return applied, fmt.Errorf("applying statement %d of migration %04d_%s: %w", i+1, m.Version, m.Name, err)
			}
		}
		a := Applied{m.Version, m.Name, m.Checksum, s.now().UTC().Truncate(time.Millisecond), opts.Binary, true}
		err := s.put(ctx, "schema_migrations", "", "INSERT INTO tillstream.schema_migrations (version, name, checksum, applied_at, binary)",
			a.Version, a.Name, a.Checksum, a.AppliedAt.UnixMilli(), a.Binary)
		if err != nil {
			return applied, err
		}
		applied = append(applied, a)
	}
	return applied, nil
}

// applied are the migrations the database has, by version; of one that two processes applied at once, the first record.
func (s *Sink) applied(ctx context.Context) ([]Applied, error) {
	var all []Applied
	err := s.rows(ctx, func(r driver.Rows) error {
		var a Applied
		if err := r.Scan(&a.Version, &a.Name, &a.Checksum, &a.AppliedAt, &a.Binary); err != nil {
			return err
		}
		all = append(all, a)
		return nil
	}, "SELECT version, name, checksum, applied_at, binary FROM tillstream.schema_migrations ORDER BY version, applied_at LIMIT 1 BY version")
	if err != nil {
		return nil, fmt.Errorf("reading tillstream.schema_migrations: %w", err)
	}
	return all, nil
}

// collisions are errors by which the server says that another process defines the same thing at this moment: DDL_GUARD_IS_ACTIVE,
// TABLE_ALREADY_EXISTS, TABLE_UUID_MISMATCH, and UNKNOWN_TABLE when the old view is dropped under CREATE OR REPLACE; UNKNOWN_FUNCTION if that view has parameters.
var collisions = []int32{46, 57, 60, 82, 371, 741}

// define runs a DDL statement, on all servers of a cluster, again if another process collides with it.
func (s *Sink) define(ctx context.Context, sql string) error {
	sql, err := s.ddl(sql)
	if err != nil {
		return err
	}
	for try := 0; ; try++ {
		ctx, cancel := s.query(ctx, ch.Settings{})
		err := s.conn.Exec(ctx, sql)
		cancel()
		var exception *ch.Exception
		if !errors.As(err, &exception) || !slices.Contains(collisions, exception.Code) || try == 5 {
			return s.explain(err)
		}
	}
}
