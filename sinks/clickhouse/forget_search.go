package clickhouse

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// searchedAtOnce is how many customers one pass over texts looks for: each is written in three ways, and multiSearchAny takes 255.
const searchedAtOnce = 80

// searched are a table and the conditions that say that a row names one of the customers. once are those that take all of them at once; each is asked for
// every portion, whose needles are needles.
type searched struct {
	database, name string
	once, each     []string
}

// Search counts, by table, the rows of both databases that name one of the customers in any column: as a number, in decimal digits, in 8 bytes either way round, in
// counts by value, or in a sketch of few. It reads everything, texts once for every 80 customers.
func (x *Erasure) Search(ctx context.Context) (map[string]uint64, error) {
	tables, err := x.searched(ctx)
	if err != nil {
		return nil, err
	}
	found := map[string]uint64{}
	for _, t := range tables {
		portions := 1
		if len(t.each) > 0 {
			portions = (len(x.Customers) + searchedAtOnce - 1) / searchedAtOnce
		}
		for part := range portions {
			where := t.each
			if part == 0 {
				where = slices.Concat(t.once, t.each)
			}
			var n uint64
			sql := fmt.Sprintf("WITH (SELECT groupArrayArray([decimal, little, big]) FROM tillstream.forgetting WHERE run = '%s' AND part = %d) AS needles SELECT count() FROM %s.%s WHERE %s",
				x.ID, part, t.database, literal(t.name), strings.Join(where, " OR "))
			if err := x.slowly(ctx, func(r driver.Rows) error { return r.Scan(&n) }, sql); err != nil {
				return nil, fmt.Errorf("searching %s.%s: %w", t.database, t.name, err)
			}
			if n > 0 {
				found[t.database+"."+t.name] += n
			}
		}
	}
	return found, x.remembered(ctx)
}

// slowly runs a query that reads as much as there is.
func (x *Erasure) slowly(ctx context.Context, scan func(driver.Rows) error, sql string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, refreshTime)
	defer cancel()
	return x.sink.rows(ctx, scan, sql, args...)
}

// searched are all tables that keep rows on disk, but for the canaries of members that start: these have nothing of anybody, and may be gone when they are looked for.
func (x *Erasure) searched(ctx context.Context) ([]*searched, error) {
	var all []*searched
	err := x.sink.rows(ctx, func(r driver.Rows) error {
		var t searched
		var column, kind string
		var hashed bool
		if err := r.Scan(&t.database, &t.name, &column, &kind, &hashed); err != nil {
			return err
		}
		if n := len(all); n == 0 || all[n-1].database != t.database || all[n-1].name != t.name {
			all = append(all, &t)
		}
		x.look(all[len(all)-1], literal(column), kind, hashed)
		return nil
	}, `SELECT c.database, c.table, c.name, c.type, position(c.default_expression, 'cityHash64') > 0 FROM system.columns AS c
		INNER JOIN system.tables AS t ON c.database = t.database AND c.table = t.name
		WHERE c.database IN ('tillstream', 'pos') AND t.storage_policy != '' AND NOT startsWith(c.table, 'forgetting') AND NOT startsWith(c.table, 'canary_') AND c.default_kind NOT IN ('EPHEMERAL', 'ALIAS')
		ORDER BY c.database, c.table, c.position`)
	if err != nil {
		return nil, fmt.Errorf("asking which tables there are: %w", err)
	}
	return slices.DeleteFunc(all, func(t *searched) bool { return len(t.once)+len(t.each) == 0 }), nil
}

// look adds what a column may tell. Types that cannot hold 64 bits of somebody are left out: dates, floats, smaller numbers; counts by value hold 32, where they are hashes.
func (x *Erasure) look(t *searched, column, kind string, hashed bool) {
	switch kind = plain(kind); {
	case strings.HasPrefix(kind, "AggregateFunction(uniqCombined64("):
		t.once = append(t.once, fmt.Sprintf("arrayExists(e -> e IN %s, %s)", x.these("sketched"), elements(column)))
	case strings.HasPrefix(kind, "AggregateFunction("):
		t.each = append(t.each, fmt.Sprintf("multiSearchAny(CAST(%s AS String), needles)", column))
	case kind == "UInt64":
		t.once = append(t.once, fmt.Sprintf("%s IN %s", column, x.these("customer")))
	case kind == "Int64":
		t.once = append(t.once, fmt.Sprintf("reinterpretAsUInt64(%s) IN %s", column, x.these("customer")))
	case hashed:
		t.once = append(t.once, fmt.Sprintf("arrayExists(h -> h IN %s, %s.1)", x.these("trace"), column))
	case strings.HasPrefix(kind, "Tuple(Array(UInt32)"), strings.HasPrefix(kind, "Tuple(Array(Int32)"): // counts of small values
	case kind == "String":
		t.each = append(t.each, fmt.Sprintf("multiSearchAny(%s, needles)", column))
	case strings.Contains(kind, "String"), strings.Contains(kind, "Int64"): // in arrays, maps, tuples, or nullable
		t.each = append(t.each, fmt.Sprintf("multiSearchAny(ifNull(toString(%s), ''), needles)", column))
	}
}

// elements are the hashes in a state of uniqCombined64, of 8 bytes each, as long as it has them: it begins with its kind (1 and 2 are lists) and their number in one or two
// bytes. A sketch of more than 512 has registers instead, from which nobody can be told.
func elements(column string) string {
	return fmt.Sprintf(`if(substring(CAST(%[1]s AS String) AS bytes_of_%[2]s, 1, 1) IN (char(1), char(2)),
		arrayMap(i -> substring(bytes_of_%[2]s, i, 8), range(toUInt32(if(reinterpretAsUInt8(substring(bytes_of_%[2]s, 2, 1)) >= 128, 4, 3)), toUInt32(length(bytes_of_%[2]s) + 1), 8)), [])`,
		column, strings.Trim(column, "`"))
}
