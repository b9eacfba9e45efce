package clickhouse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/tillstream/tillstream/processor/commit"
	"github.com/tillstream/tillstream/processor/correction"
)

// shadow is the database in which tables are made anew before they take the place of those of production.
const shadow = "tillstream_rebuild"

// Shadow is a sink for the tables made anew. Closing it is not needed.
func (s *Sink) Shadow() *Sink {
	return &Sink{
		conn: s.conn, database: shadow, options: s.options, settings: s.settings, maxInsertTime: s.maxInsertTime, queryTimeout: s.queryTimeout, now: s.now,
		plain: s.plain, scratch: sync.Pool{New: func() any { return new(scratch) }},
	}
}

// CreateShadow makes empty tables like those of production, and forgets older ones.
func (s *Sink) CreateShadow(ctx context.Context) error {
	if err := s.DropShadow(ctx); err != nil {
		return err
	}
	tables, err := s.tables(ctx)
	if err != nil {
		return err
	}
	statements := []string{"CREATE DATABASE IF NOT EXISTS " + shadow}
	for _, t := range sorted(tables) {
		statements = append(statements, fmt.Sprintf("CREATE TABLE %s.%s AS %s.%s", shadow, t.name, production, t.name))
	}
	statements = append(statements, // the audit asks for these; what began where is no matter of the tables made anew
		fmt.Sprintf("CREATE TABLE %s.streams AS %s.streams", shadow, production),
		fmt.Sprintf("CREATE TABLE %s.losses AS %s.losses", shadow, production),
		fmt.Sprintf("CREATE TABLE %s.swap (plan String, written_at DateTime64(3, 'UTC')) ENGINE = MergeTree ORDER BY written_at", shadow))
	for _, sql := range statements {
		if err := s.exec(ctx, sql); err != nil {
			return fmt.Errorf("making the tables of %s: %w", shadow, err)
		}
	}
	return nil
}

// DropShadow forgets the tables made anew, or after a swap those whose place they took.
func (s *Sink) DropShadow(ctx context.Context) error {
	ctx, cancel := s.query(ctx, ch.Settings{"max_table_size_to_drop": 0, "max_partition_size_to_drop": 0})
	defer cancel()
	if err := s.conn.Exec(ctx, "DROP DATABASE IF EXISTS "+shadow+" SYNC"); err != nil {
		return fmt.Errorf("dropping %s: %w", shadow, s.explain(err))
	}
	return nil
}

// Tables are the names of the tables that rows of batches are written to, sorted, and whether they have months. Claims are no such rows: what was
// claimed is true of production alone.
func (s *Sink) Tables(ctx context.Context) (names []string, monthly map[string]bool, err error) {
	monthly = map[string]bool{}
	err = s.rows(ctx, func(r driver.Rows) error {
		var name, key string
		if err := r.Scan(&name, &key); err != nil {
			return err
		}
		monthly[name] = key != ""
		return nil
	}, "SELECT name, partition_key FROM system.tables WHERE database = {database:String}", ch.Named("database", s.database))
	if err != nil {
		return nil, nil, fmt.Errorf("asking which tables there are: %w", err)
	}
	tables, err := s.tables(ctx)
	if err != nil {
		return nil, nil, err
	}
	names = slices.DeleteFunc(slices.Sorted(maps.Keys(tables)), func(name string) bool { return name == commit.ClaimTable })
	return names, monthly, nil
}

// KeepMonths makes a table of the shadow, outside [from,to] (yyyymm), what it is in production.
func (s *Sink) KeepMonths(ctx context.Context, table string, from, to uint32) error {
	months, err := values[string](ctx, s, `SELECT DISTINCT partition_id FROM system.parts WHERE database IN ({a:String}, {b:String}) AND table = {table:String} AND active
		AND toUInt32OrZero(partition_id) NOT BETWEEN {from:UInt32} AND {to:UInt32} ORDER BY partition_id`,
		ch.Named("a", production), ch.Named("b", shadow), ch.Named("table", table), ch.Named("from", from), ch.Named("to", to))
	if err != nil {
		return fmt.Errorf("asking for the months of %s: %w", table, err)
	}
	for _, m := range months {
		// The parts are linked, not copied. Dropping first makes it right too where production has nothing of the month.
		ctx, cancel := s.query(ctx, ch.Settings{"max_partition_size_to_drop": 0})
		err := s.conn.Exec(ctx, fmt.Sprintf("ALTER TABLE %s.%s DROP PARTITION ID '%s'", shadow, table, m))
		if err == nil {
			err = s.conn.Exec(ctx, fmt.Sprintf("ALTER TABLE %s.%s ATTACH PARTITION ID '%s' FROM %s.%s", shadow, table, m, production, table))
		}
		cancel()
		if err != nil {
			return fmt.Errorf("keeping month %s of %s: %w", m, table, s.explain(err))
		}
	}
	return nil
}

// Swap says which tables of the shadow take the place of production's, each by the UUID that goes with its rows wherever they are.
type Swap struct {
	Group  string
	Epoch  uint64            // of the stream before
	Reason string            // of the epoch after
	Tables map[string]string // UUIDs of the tables made anew
}

// PutSwap writes down which tables will be swapped: from here on it can be finished, or undone, by whoever comes.
func (s *Sink) PutSwap(ctx context.Context, w Swap, tables []string) error {
	ids, err := s.uuids(ctx, shadow)
	if err != nil {
		return err
	}
	w.Tables = map[string]string{}
	for _, t := range tables {
		if ids[t] == "" {
			return fmt.Errorf("%s has no table %s", shadow, t)
		}
		w.Tables[t] = ids[t]
	}
	plan, err := json.Marshal(w)
	if err != nil {
		return fmt.Errorf("writing down the swap: %w", err)
	}
	return s.put(ctx, "swap", "", "INSERT INTO "+shadow+".swap (plan, written_at)", string(plan), s.now().UnixMilli())
}

// FindSwap reads what PutSwap wrote, and which of its tables have been swapped. ok is false if nothing was written down.
func (s *Sink) FindSwap(ctx context.Context) (w Swap, swapped map[string]bool, ok bool, err error) {
	made, err := s.uuids(ctx, shadow)
	if err != nil || made["swap"] == "" {
		return w, nil, false, err
	}
	var plan string
	err = s.rows(ctx, func(r driver.Rows) error { return r.Scan(&plan) }, "SELECT plan FROM "+shadow+".swap ORDER BY written_at LIMIT 1")
	if err != nil || plan == "" {
		return w, nil, false, err
	}
	if err := json.Unmarshal([]byte(plan), &w); err != nil {
		return w, nil, false, fmt.Errorf("reading what is to be swapped: %w", err)
	}
	live, err := s.uuids(ctx, production)
	if err != nil {
		return w, nil, false, err
	}
	swapped = map[string]bool{}
	for t, id := range w.Tables {
		if swapped[t] = live[t] == id; !swapped[t] && made[t] != id {
			return w, nil, false, fmt.Errorf("table %s that was made anew is neither in %s nor in %s: somebody moved it; restore a backup of %s, or move it back", t, shadow, production, production)
		}
	}
	return w, swapped, true, nil
}

func (s *Sink) uuids(ctx context.Context, database string) (map[string]string, error) {
	ids := map[string]string{}
	err := s.rows(ctx, func(r driver.Rows) error {
		var name, id string
		if err := r.Scan(&name, &id); err != nil {
			return err
		}
		ids[name] = id
		return nil
	}, "SELECT name, toString(uuid) FROM system.tables WHERE database = {database:String}", ch.Named("database", database))
	if err != nil {
		return nil, fmt.Errorf("asking for the tables of %s: %w", database, err)
	}
	return ids, nil
}

// Exchange swaps a table of production and its double in the shadow, in one step. Twice is as if never.
func (s *Sink) Exchange(ctx context.Context, table string) error {
	if err := s.exec(ctx, fmt.Sprintf("EXCHANGE TABLES %s.%s AND %s.%s", production, table, shadow, table)); err != nil {
		return fmt.Errorf("swapping %s: %w", table, err)
	}
	return nil
}

// Comparison is a table as it is and as it was made anew.
type Comparison struct {
	Table         string
	Before, After uint64 // rows that the views may show
	Sums          []SumChange
	Same          bool // every row is the same, sketches, versions and marks aside
}

// SumChange is a sum that is another one. In the ledger it is what became of the offsets.
type SumChange struct {
	Column        string
	Before, After int64
}

// Compare compares the tables of the shadow with those of production.
func (s *Sink) Compare(ctx context.Context, tables []string) ([]Comparison, error) {
	known, err := s.tables(ctx)
	if err != nil {
		return nil, err
	}
	var all []Comparison
	for _, name := range tables {
		t := known[name]
		var rows [2]uint64
		var sums [2][]int64
		var prints [2]string
		for i, database := range [2]string{production, shadow} {
			if err := s.rows(ctx, func(r driver.Rows) error { return r.Scan(&rows[i], &prints[i], &sums[i]) }, t.summary(database)); err != nil {
				return nil, fmt.Errorf("comparing %s: %w", name, err)
			}
		}
		c := Comparison{Table: name, Before: rows[0], After: rows[1], Same: prints[0] == prints[1]}
		for i, column := range t.sums() {
			if sums[0][i] != sums[1][i] {
				c.Sums = append(c.Sums, SumChange{column, sums[0][i], sums[1][i]})
			}
		}
		all = append(all, c)
	}
	return all, nil
}

// summary asks for the number of a table's live rows, a fingerprint of them all, and their sums.
func (t *table) summary(database string) string {
	var plain, sums []string
	for _, c := range t.columns {
		switch {
		case strings.HasSuffix(c.name, "_held"): // of an order: which batch reckoned it, and that there was something between two batches, is aside
			plain = append(plain, fmt.Sprintf("if(substring(%[1]s, 35) = '', '', concat(substring(%[1]s, 1, 14), substring(%[1]s, 35)))", c.name))
		case c.sum:
			sums = append(sums, "toInt64(sum("+c.name+"))")
			fallthrough
		case c.name != "mark" && c.name != "version" && !strings.HasSuffix(c.name, "_in") && !strings.HasSuffix(c.name, "_out") && !strings.HasPrefix(c.kind, "AggregateFunction("):
			plain = append(plain, c.name)
		}
	}
	from, where := database+"."+t.name+" FINAL", isData(t)
	switch t.name {
	case commit.StateTable:
		where = "mark = ''"
	case correction.Table: // how many are in a row is as batches came
		plain = []string{"till", "topic", "partition", "store_id", "terminal_id", "corrects", "superseded", "keep_days", "id", "o", "ms", "customer", "content"}
		return fmt.Sprintf(`SELECT count(), toString(groupBitXor(cityHash64(toString(tuple(%s))))), (SELECT [%s] FROM %s WHERE %s) FROM %s
			ARRAY JOIN ids AS id, offsets AS o, at_ms AS ms, customers AS customer, contents AS content WHERE %s`, strings.Join(plain, ", "), strings.Join(sums, ", "), from, where, from, where)
	case "ledger": // its days and epochs are those of the batches: what counts is what became of each partition's offsets
		plain = []string{"topic", "partition", "min(from_offset)", "max(to_offset)", "sum(records)", "sum(duplicates)", "sum(rejected)", "sum(gaps)"}
		return fmt.Sprintf(`SELECT count(), toString(groupBitXor(h)), (SELECT [%s] FROM %s WHERE %s) FROM
			(SELECT cityHash64(toString(tuple(%s))) AS h FROM %s WHERE %s GROUP BY topic, partition)`, strings.Join(sums, ", "), from, where, strings.Join(plain, ", "), from, where)
	}
	return fmt.Sprintf("SELECT count(), toString(groupBitXor(cityHash64(toString(tuple(%s))))), CAST([%s], 'Array(Int64)') FROM %s WHERE %s",
		strings.Join(plain, ", "), strings.Join(sums, ", "), from, where)
}

// FirstOffsets is, for every partition that lanes of a group have read, the first offset that they passed, and of other groups that have
// rows here their names.
func (s *Sink) FirstOffsets(ctx context.Context, group string) (first map[commit.TopicPartition]int64, others []string, err error) {
	first = map[commit.TopicPartition]int64{}
	err = s.rows(ctx, func(r driver.Rows) error {
		var lane string
		var tp commit.TopicPartition
		var at int64
		if err := r.Scan(&lane, &tp.Topic, &tp.Partition, &at); err != nil {
			return err
		}
		owner := lane[:max(0, strings.LastIndexByte(lane, '/'))]
		if owner != group {
			if !slices.Contains(others, owner) {
				others = append(others, owner)
			}
			return nil
		}
		if was, ok := first[tp]; !ok || at < was {
			first[tp] = at
		}
		return nil
	}, "SELECT toString(lane) AS l, toString(topic), partition, min(from_offset) FROM tillstream.ledger WHERE topic != '' GROUP BY l, topic, partition")
	if err != nil {
		return nil, nil, fmt.Errorf("asking for the first offsets of group %s: %w", group, err)
	}
	all, err := s.epochs(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range all {
		if e.Group != group && !slices.Contains(others, e.Group) {
			others = append(others, e.Group)
		}
	}
	slices.Sort(others)
	return first, others, nil
}

// NewestDay is the newest day of a batch that passed an offset below before, by Kafka's time, as days since 1970; -1 if there is none.
func (s *Sink) NewestDay(ctx context.Context, tp commit.TopicPartition, before int64) (int32, error) {
	day := int32(-1)
	err := s.rows(ctx, func(r driver.Rows) error { return r.Scan(&day) },
		`SELECT if(count() = 0, -1, toInt32(max(day))) FROM tillstream.ledger WHERE topic = {topic:String} AND partition = {partition:Int32} AND from_offset < {before:Int64}`,
		ch.Named("topic", tp.Topic), ch.Named("partition", tp.Partition), ch.Named("before", before))
	if err != nil {
		return 0, fmt.Errorf("asking when offset %d of %s was passed: %w", before, tp, err)
	}
	return day, nil
}

// ErrNoExchange says that the database is of an engine in which tables cannot be swapped in one step.
var ErrNoExchange = errors.New("the databases must be of engine Atomic: make them with CREATE DATABASE … ENGINE = Atomic")

// CheckExchange says whether tables can be swapped.
func (s *Sink) CheckExchange(ctx context.Context) error {
	engine := ""
	err := s.rows(ctx, func(r driver.Rows) error { return r.Scan(&engine) }, "SELECT engine FROM system.databases WHERE name = {name:String}", ch.Named("name", production))
	if err != nil {
		return fmt.Errorf("asking for the engine of database %s: %w", production, err)
	}
	if engine != "Atomic" && engine != "Replicated" && engine != "Shared" {
		return fmt.Errorf("database %s is of engine %s: %w", production, engine, ErrNoExchange)
	}
	return nil
}
