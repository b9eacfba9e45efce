package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/rollup"
)

// A block within these limits becomes one part whatever the server's own limits for squashing and splitting are (1,048,449 rows and
// 256 MiB by default).
const (
	maxRows  = 1_000_000
	maxBytes = 200_000_000
)

// Insert writes one block as exactly one part and returns when the server has acknowledged it. The first row is the batch's own: it gets
// in.Lane and in.Mark; data rows get ” as lane unless the block brings a lane column. It does not retry. The error is an *InsertError,
// or the context's if it has ended before anything was sent.
func (s *Sink) Insert(ctx context.Context, in processor.Insert) error {
	tables, err := s.tables(ctx)
	if err != nil {
		return &InsertError{in.Block.Table, Retryable, err}
	}
	t := tables[in.Block.Table]
	if t == nil {
		return &InsertError{in.Block.Table, Permanent, errors.New("there is no such table: run tillstream migrate")}
	}
	return s.insert(ctx, t, in)
}

func (s *Sink) insert(ctx context.Context, t *table, in processor.Insert) error {
	if err := fits(t, in.Block); err != nil {
		return &InsertError{t.name, Permanent, err}
	}
	deadline := s.now().Add(s.maxInsertTime)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	left := deadline.Sub(s.now())
	if ctx.Err() != nil || left < time.Second {
		return &InsertError{t.name, Retryable, fmt.Errorf("no time left: %w", errors.Join(ctx.Err(), context.DeadlineExceeded))}
	}
	settings := maps.Clone(s.settings)
	token := in.Fresh()
	settings["max_execution_time"] = int(left.Seconds()) // whole seconds, rounded down
	if s.cluster != "" {
		token = in.Token                                        // what this replica does not have another may
		settings["insert_quorum_timeout"] = left.Milliseconds() // else it waits ten minutes for the other replicas
	}
	settings["insert_deduplication_token"] = token

	// The driver adds five seconds to max_execution_time when it sees a deadline. An INSERT must not outlive its deadline, so the
	// driver sees only that the context ends.
	quiet, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	timer := time.AfterFunc(left, cancel)
	defer timer.Stop()

	var err error
	if in.Block, err = tallied(in.Block); err != nil {
		return &InsertError{t.name, Permanent, err}
	}
	in.Block = spared(t, in.Block)
	names, kinds := wire(t, in.Block)
	quiet = ch.Context(quiet, ch.WithSettings(settings), ch.WithColumnNamesAndTypes(kinds))
	query := "INSERT INTO " + s.database + "." + t.name + " (" + strings.Join(names, ", ") + ")"
	buf := s.scratch.Get().(*scratch)
	if s.plain {
		encoded, err := buf.native(kinds, in)
		if err != nil {
			return &InsertError{t.name, Permanent, err}
		}
		if err := s.conn.InsertFormat(quiet, "Native", query, encoded); err != nil {
			return s.failed(ctx, t, err) // the body may be read still
		}
		buf.encoded = encoded.piece
		s.scratch.Put(buf)
		return nil
	}
	defer s.scratch.Put(buf)
	batch, err := s.conn.PrepareBatch(quiet, query)
	if err != nil {
		return s.failed(ctx, t, err)
	}
	if err := buf.fill(batch, kinds, in); err != nil {
		return &InsertError{t.name, Permanent, errors.Join(err, batch.Abort())}
	}
	if err := batch.Send(); err != nil {
		return s.failed(ctx, t, err)
	}
	return nil
}

func (s *Sink) failed(ctx context.Context, t *table, err error) error {
	outcome := Classify(err)
	if ctx.Err() != nil {
		err = errors.Join(ctx.Err(), err)
	}
	return &InsertError{t.name, outcome, s.explain(err)}
}

// fits says why a block cannot be written: it must have exactly the columns of the table, and become one part.
func fits(t *table, b *rollup.Block) error {
	for _, c := range b.Columns {
		if !t.has(c.Name) {
			return fmt.Errorf("block has column %s, which table %s has not", c.Name, t.name)
		}
	}
	for _, c := range t.columns {
		if c.name != "lane" && c.name != "mark" && !hasColumn(b, c.name) {
			return fmt.Errorf("block lacks column %s of table %s", c.name, t.name)
		}
	}
	if bytes := size(b); b.Rows+1 > maxRows || bytes > maxBytes {
		return &OversizeError{t.name, b.Rows, bytes}
	}
	return nil
}

func hasColumn(b *rollup.Block, name string) bool {
	for _, c := range b.Columns {
		if c.Name == name {
			return true
		}
	}
	return false
}

// spared gives the block without the arrays that are not kept and are empty in all rows. The server makes of them what is there, sketches, for each row by itself; of what is not sent
// it does so once. Mostly nothing is late, and late_in alone was a third of an INSERT into data_quality.
func spared(t *table, b *rollup.Block) *rollup.Block {
	with := *b
	with.Columns = slices.DeleteFunc(slices.Clone(b.Columns), func(c rollup.Column) bool {
		return valuesOf(c.Data) == 0 && slices.ContainsFunc(t.columns, func(of column) bool {
			return of.ephemeral && of.name == c.Name && strings.HasPrefix(of.kind, "Array(")
		})
	})
	return &with
}

// wire are the columns as they are sent: the block's, then lane and mark where it does not bring them. Over HTTP the client decides the
// types: plain ones, which the server casts, spare it a dictionary for every LowCardinality column.
func wire(t *table, b *rollup.Block) (names []string, kinds []ch.ColumnNameAndType) {
	for _, c := range b.Columns {
		names = append(names, c.Name)
	}
	for _, own := range [...]string{"lane", "mark"} {
		if !hasColumn(b, own) {
			names = append(names, own)
		}
	}
	kinds = make([]ch.ColumnNameAndType, len(names))
	for i, name := range names {
		for _, c := range t.columns {
			if c.name == name {
				kinds[i] = ch.ColumnNameAndType{Name: name, Type: plain(c.kind)}
			}
		}
	}
	for i, c := range b.Columns {
		if t, ok := c.Data.(*tally); ok { // by DEFAULT, so it is not among the table's
			kinds[i] = ch.ColumnNameAndType{Name: c.Name, Type: t.kind}
		}
	}
	return names, kinds
}

// plain takes LowCardinality and SimpleAggregateFunction off a type.
func plain(kind string) string {
	if rest, ok := strings.CutPrefix(kind, "SimpleAggregateFunction("); ok {
		_, kind, _ = strings.Cut(strings.TrimSuffix(rest, ")"), ", ")
	}
	if rest, ok := strings.CutPrefix(kind, "LowCardinality("); ok {
		return strings.TrimSuffix(rest, ")")
	}
	return kind
}
