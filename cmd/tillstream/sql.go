package main

import (
	"fmt"
)

type sqlCmd struct {
	target
	Format string `help:"How rows are printed: table for people, csv or json for programs." enum:"table,csv,json" default:"table"`
	Query  string `arg:"" help:"The query."`
}

func (c *sqlCmd) Run(e *env) error {
	return c.open(e, func(s *opened) error {
		rows, err := s.sink.Query(e.ctx, c.Query)
		if err != nil {
			return fmt.Errorf("asking ClickHouse: %w", err)
		}
		return rows.Write(e.stdout, c.Format)
	})
}
