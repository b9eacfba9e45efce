package clickhouse

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// column is one that an INSERT fills.
type column struct {
	name, kind string // kind is the type as the server spells it
	sum        bool
	ephemeral  bool // not kept: others are made of it
}

// table is one that batches are written to.
type table struct {
	name    string
	columns []column
}

func (t *table) has(name string) bool {
	return slices.ContainsFunc(t.columns, func(c column) bool { return c.name == name })
}

// sums are the columns that carry control totals in the batch's own row. It is none where rows are absolute.
func (t *table) sums() []string {
	var names []string
	for _, c := range t.columns {
		if c.sum {
			names = append(names, c.name)
		}
	}
	return names
}

// tables are the tables that batches are written to: those with lane and mark. The answer is kept; migrations run before it is asked.
func (s *Sink) tables(ctx context.Context) (map[string]*table, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.catalog != nil {
		return s.catalog, nil
	}
	found := map[string]*table{}
	err := s.rows(ctx, func(r driver.Rows) error {
		var name string
		var c column
		if err := r.Scan(&name, &c.name, &c.kind, &c.ephemeral); err != nil {
			return err
		}
		c.sum = strings.HasPrefix(c.kind, "SimpleAggregateFunction(sum,")
		if found[name] == nil {
			found[name] = &table{name: name}
		}
		found[name].columns = append(found[name].columns, c)
		return nil
	}, `SELECT table, name, type, default_kind = 'EPHEMERAL' FROM system.columns
		WHERE database = {database:String} AND default_kind IN ('', 'EPHEMERAL') AND NOT startsWith(table, 'canary_')
		ORDER BY table, position`, ch.Named("database", s.database))
	if err != nil {
		return nil, fmt.Errorf("asking which tables there are: %w", err)
	}
	maps.DeleteFunc(found, func(_ string, t *table) bool { return !t.has("lane") || !t.has("mark") })
	if len(found) == 0 {
		return nil, fmt.Errorf("database %s has no tables: run tillstream migrate", s.database)
	}
	s.catalog = found
	return found, nil
}

func sorted(tables map[string]*table) []*table {
	return slices.SortedFunc(maps.Values(tables), func(a, b *table) int { return cmp.Compare(a.name, b.name) })
}
