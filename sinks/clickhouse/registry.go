package clickhouse

import (
	"context"
	"fmt"
	"slices"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Registered is one object of the registry as one revision left it.
type Registered struct {
	Kind, Name string
	Document   string // JSON; "" of a deleted one
	Deleted    bool
	Revision   uint64
	At         time.Time
	By, Reason string
}

// Registry is the newest row of every object, the deleted ones too; of some kinds, if any are named.
func (s *Sink) Registry(ctx context.Context, kinds ...string) ([]Registered, error) {
	var all []Registered
	err := s.rows(ctx, func(r driver.Rows) error {
		var x Registered
		if err := r.Scan(&x.Kind, &x.Name, &x.Revision, &x.At, &x.By, &x.Reason, &x.Document, &x.Deleted); err != nil {
			return err
		}
		all = append(all, x)
		return nil
	}, `SELECT toString(kind), name, revision, at, by, reason, document, toBool(deleted) FROM tillstream.registry FINAL
		WHERE empty(?) OR kind IN ? ORDER BY kind, name, revision DESC LIMIT 1 BY kind, name`, kinds, kinds)
	if err != nil {
		return nil, fmt.Errorf("reading tillstream.registry: %w", err)
	}
	return all, nil
}

// PutRegistry writes a revision, as one INSERT: all of it is there, or nothing. Of two that are written under one number the first
// stays, and the other is dropped without a word: read it back.
func (s *Sink) PutRegistry(ctx context.Context, revision uint64, at time.Time, by, reason string, objects []Registered) error {
	rows := make([][]any, len(objects))
	for i, x := range objects {
		deleted := uint8(0)
		if x.Deleted {
			deleted = 1
		}
		rows[i] = []any{x.Kind, x.Name, revision, at.UnixMilli(), by, reason, x.Document, deleted}
	}
	return s.putAll(ctx, "registry", fmt.Sprintf("registry|%d", revision),
		"INSERT INTO tillstream.registry (kind, name, revision, at, by, reason, document, deleted)", rows)
}

// RegistrySent is the newest revision of which Kafka has all; 0 if there is none.
func (s *Sink) RegistrySent(ctx context.Context) (revision uint64, err error) {
	err = s.rows(ctx, func(r driver.Rows) error { return r.Scan(&revision) }, "SELECT max(revision) FROM tillstream.registry_sent")
	if err != nil {
		return 0, fmt.Errorf("reading tillstream.registry_sent: %w", err)
	}
	return revision, nil
}

// PutRegistrySent notes that Kafka has all of a revision, and of those before.
func (s *Sink) PutRegistrySent(ctx context.Context, revision uint64) error {
	return s.put(ctx, "registry_sent", "", "INSERT INTO tillstream.registry_sent (revision, at)", revision, s.now().UnixMilli())
}

// WrittenSince says from when on availability of stores is written; a store of which none is has no entry.
func (s *Sink) WrittenSince(ctx context.Context, stores []string) (map[string]time.Time, error) {
	out := map[string]time.Time{}
	for some := range slices.Chunk(stores, storesAtOnce) {
		err := s.rows(ctx, func(r driver.Rows) error {
			var store string
			var first time.Time
			if err := r.Scan(&store, &first); err != nil {
				return err
			}
			out[store] = first
			return nil
		}, `SELECT toString(store_id), min(hour) FROM tillstream.store_availability_hourly WHERE lane = '' AND store_id IN {stores:Array(String)} GROUP BY store_id`,
			ch.Named("stores", some))
		if err != nil {
			return nil, fmt.Errorf("reading tillstream.store_availability_hourly: %w", err)
		}
	}
	return out, nil
}
