package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	schema "github.com/tillstream/tillstream/schemas/clickhouse"
)

// refreshTime is the longest that one table may take.
const refreshTime = time.Hour

// Refreshed is one refresh of a table.
type Refreshed struct {
	Table string
	Rows  uint64
	Took  time.Duration
}

// Refresh writes a new generation of all that is refreshed and not reckoned when it is asked, and shows each as soon as it is whole. One that fails keeps
// what it showed; those after it are still tried. Two members may do it at once: each writes generations of its own.
func (s *Sink) Refresh(ctx context.Context) (done []Refreshed, err error) {
	generation := uint64(s.now().UnixMilli())
	var errs []error
	for _, table := range schema.Refreshed() {
		r, err := s.refresh(ctx, table, generation)
		if err != nil {
			errs = append(errs, fmt.Errorf("refreshing %s: %w", table, err))
			continue
		}
		done = append(done, r)
	}
	return done, errors.Join(errs...)
}

func (s *Sink) refresh(ctx context.Context, table string, generation uint64) (Refreshed, error) {
	ctx, cancel := context.WithTimeout(ctx, refreshTime)
	defer cancel()
	r, began := Refreshed{Table: table}, s.now()
	if err := s.exec(ctx, s.here(schema.RefreshStatement(table, generation))); err != nil {
		return r, err
	}
	r.Took = s.now().Sub(began)
	if err := s.rows(ctx, func(row driver.Rows) error { return row.Scan(&r.Rows) }, "SELECT count() FROM tillstream."+table+" WHERE generation = {generation:UInt64}", ch.Named("generation", generation)); err != nil {
		return r, err
	}
	if err := s.put(ctx, "refreshes", "", "INSERT INTO tillstream.refreshes (name, generation, rows, took_ms)", table, generation, r.Rows, uint64(r.Took.Milliseconds())); err != nil {
		return r, err
	}
	return r, s.dropOld(ctx, table)
}

// dropOld drops what is older than the generation before the one that is shown: that one may still be read. What failed half-way is dropped with them.
func (s *Sink) dropOld(ctx context.Context, table string) error {
	old, err := values[uint64](ctx, s, `SELECT DISTINCT generation FROM tillstream.`+table+` WHERE generation <
		(SELECT min(generation) FROM (SELECT generation FROM tillstream.refreshes WHERE name = {table:String} ORDER BY generation DESC LIMIT 2))`, ch.Named("table", table))
	if err != nil {
		return err
	}
	for _, g := range old {
		if err := s.exec(ctx, s.here(fmt.Sprintf("ALTER TABLE tillstream.%s DROP PARTITION %d", table, g))); err != nil {
			return err
		}
	}
	return nil
}

// RefreshedAt is when the oldest of what is refreshed was: zero if one never was.
func (s *Sink) RefreshedAt(ctx context.Context) (at time.Time, err error) {
	var tables, oldest uint64
	err = s.rows(ctx, func(r driver.Rows) error { return r.Scan(&tables, &oldest) }, "SELECT count(), min(generation) FROM tillstream.generations")
	if err != nil || int(tables) < len(schema.Refreshed()) {
		return time.Time{}, err
	}
	return time.UnixMilli(int64(oldest)), nil
}
