package clickhouse

import (
	"context"
	"maps"
	"strings"
	"sync"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/tillstream/tillstream/internal/broken"
	"github.com/tillstream/tillstream/internal/renewed"
	"github.com/tillstream/tillstream/processor"
)

// Sink is the connection to one ClickHouse. Its methods may be called at once.
type Sink struct {
	conn          *pool
	database      string // of its tables
	options       *ch.Options
	settings      ch.Settings // of every INSERT
	maxInsertTime time.Duration
	queryTimeout  time.Duration
	now           func() time.Time
	plain         bool // HTTP without compression: blocks are encoded here

	scratch sync.Pool // *scratch

	mu      sync.Mutex
	catalog map[string]*table // nil until read
}

var _ processor.Sink = (*Sink)(nil)

// Open makes a Sink. It reads the files that the config names, and again when they change, but does not connect: the first query does. Close it.
func Open(cfg Config, now func() time.Time) (*Sink, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	files, err := renewed.New("clickhouse", cfg.Renewed, cfg.options, cfg.PasswordFile, cfg.TLS.CAFile, cfg.TLS.CertFile, cfg.TLS.KeyFile)
	if err != nil {
		return nil, err
	}
	options, _ := files.Get()
	s := &Sink{
		conn:     &pool{options: files},
		database: production,
		options:  options,
		// The keys of a block's rows differ, so there is nothing to merge in it before it is written.
		settings:      ch.Settings{"async_insert": 0, "insert_deduplicate": 1, "optimize_on_insert": 0},
		maxInsertTime: orDefault(cfg.MaxInsertTime, 30*time.Second),
		queryTimeout:  orDefault(cfg.QueryTimeout, 5*time.Minute),
		now:           now,
		plain:         options.Protocol == ch.HTTP && (options.Compression == nil || options.Compression.Method == ch.CompressionNone),
		scratch:       sync.Pool{New: func() any { return new(scratch) }},
	}
	if options.Protocol == ch.HTTP {
		s.settings["wait_end_of_query"] = 1               // or the status comes before the rows are in
		s.settings["http_response_buffer_size"] = 1 << 16 // or that answer, which is empty, waits in a file of its own
	}
	for name, value := range cfg.InsertSettings {
		s.settings[name] = value
	}
	return s, nil
}

// production is the database of the machine's tables. Statements name it; on another one here rewrites them.
const production = "tillstream"

func (s *Sink) here(sql string) string {
	if s.database == production {
		return sql
	}
	return strings.ReplaceAll(sql, production+".", s.database+".")
}

// Close ends the connections. Calls under way fail.
func (s *Sink) Close() error { return s.conn.Close() }

// read is the context of a query that reads: whoever wrote before it must be seen, and it ends some time.
func (s *Sink) read(ctx context.Context) (context.Context, context.CancelFunc) {
	return s.query(ctx, ch.Settings{"select_sequential_consistency": 1})
}

func (s *Sink) query(ctx context.Context, settings ch.Settings) (context.Context, context.CancelFunc) {
	cancel := context.CancelFunc(func() {})
	if _, ok := ctx.Deadline(); !ok {
		ctx, cancel = context.WithTimeout(ctx, s.queryTimeout)
	}
	return ch.Context(ctx, ch.WithSettings(maps.Clone(settings))), cancel
}

// rows runs a query and calls scan for every row. One whose connection is cut before there was a row is asked again: a server, or a balancer before it, may
// have closed one that was idle.
func (s *Sink) rows(ctx context.Context, scan func(driver.Rows) error, sql string, args ...any) error {
	ctx, cancel := s.read(ctx)
	defer cancel()
	for try := 1; ; try++ {
		n, err := s.scan(ctx, scan, sql, args...)
		if err == nil || n > 0 || try == attempts || !broken.Connection(err) {
			return err
		}
	}
}

// attempts is how often something is tried whose connection is cut.
const attempts = 3

// scan is rows, once. n is how many of them there were.
func (s *Sink) scan(ctx context.Context, scan func(driver.Rows) error, sql string, args ...any) (n int, err error) {
	rows, err := s.conn.Query(ctx, s.here(sql), args...)
	if err != nil {
		return 0, s.explain(err)
	}
	for ; rows.Next(); n++ {
		if err := scan(rows); err != nil {
			rows.Close()
			return n + 1, err
		}
	}
	if err := rows.Err(); err != nil {
		return n, s.explain(err)
	}
	return n, rows.Close()
}

// values are those of a query's only column.
func values[T any](ctx context.Context, s *Sink, sql string, args ...any) (all []T, err error) {
	err = s.rows(ctx, func(r driver.Rows) error {
		var v T
		err := r.Scan(&v)
		all = append(all, v)
		return err
	}, sql, args...)
	return all, err
}

// exec runs a statement that gives no rows.
func (s *Sink) exec(ctx context.Context, sql string, args ...any) error {
	ctx, cancel := s.query(ctx, ch.Settings{})
	defer cancel()
	return s.explain(s.conn.Exec(ctx, sql, args...))
}
