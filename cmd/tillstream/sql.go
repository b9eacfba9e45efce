package main

import (
	"github.com/tillstream/tillstream/sinks/clickhouse"
)

type sqlCmd struct {
	target
	Format string `help:"How rows are printed: table for people, csv or json for programs." enum:"table,csv,json" default:"table"`
	Query  string `arg:"" help:"The query."`
}

func (*sqlCmd) Help() string {
	return `Views and columns are in docs/columns.md.

  tillstream sql "SELECT terminal_id, status, since FROM pos.terminal_status WHERE status != 'up'"
  tillstream sql --config tillstream.yaml --format csv "SELECT * FROM pos.sales_hourly WHERE business_date = today() - 1"`
}

func (c *sqlCmd) Run(e *env) error {
	return c.open(e, func(sink *clickhouse.Sink) error { return printQuery(e, sink, c.Query, clickhouse.Format(c.Format)) })
}

func printQuery(e *env, sink *clickhouse.Sink, query string, format clickhouse.Format) error {
	result, err := sink.Query(e.ctx, query)
	if err != nil {
		return err
	}
	return result.Write(e.stdout, format)
}
