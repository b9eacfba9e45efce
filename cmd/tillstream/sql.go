package main

import (
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/tillstream/tillstream/sinks/clickhouse"
)

type sqlCmd struct {
	target
	Format string `help:"How rows are printed: table for people, csv or json for programs." enum:"table,csv,json" default:"table"`
	Query  string `arg:"" help:"The query."`
}

// named matches a query that says the format of its rows, in which they cannot be read here.
var named = regexp.MustCompile(`(?i)\bFORMAT\s+\w+\s*;?\s*$`)

func (*sqlCmd) Help() string {
	return `Views and columns are in docs/columns.md.

  tillstream sql "SELECT terminal_id, status, since FROM pos.terminal_status WHERE status != 'up'"
  tillstream sql --config tillstream.yaml --format csv "SELECT * FROM pos.sales_hourly WHERE business_date = today() - 1"`
}

func (c *sqlCmd) Run(e *env) error {
	return c.open(e, func(sink *clickhouse.Sink) error {
		err := printQuery(e, sink, c.Query, clickhouse.Format(c.Format))
		if err != nil && named.MatchString(c.Query) {
			return fmt.Errorf("leave FORMAT out of the query: --format says how rows are printed, as a table, csv or json: %w", err)
		}
		if err != nil && (strings.Contains(err.Error(), "UNKNOWN_TABLE") || strings.Contains(err.Error(), "UNKNOWN_IDENTIFIER")) {
			err = fmt.Errorf("%w; SHOW TABLES FROM pos and DESCRIBE pos.VIEW say what there is, docs/columns.md what it means", err)
		}
		return err
	})
}

func printQuery(e *env, sink *clickhouse.Sink, query string, format clickhouse.Format) error {
	result, err := sink.Query(e.ctx, query)
	if err != nil {
		return err
	}
	return show(e, result, format)
}

// show prints rows, and says it to a person where there are none.
func show(e *env, result *clickhouse.Result, format clickhouse.Format) error {
	out := &writtenTo{Writer: e.stdout}
	if err := result.Write(out, format); err != nil {
		return err
	}
	if out.n == 0 && format == clickhouse.FormatTable && e.stderr != nil {
		fmt.Fprintln(e.stderr, "no rows")
	}
	return nil
}

// writtenTo counts the bytes that were written.
type writtenTo struct {
	io.Writer
	n int
}

func (c *writtenTo) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n += n
	return n, err
}
