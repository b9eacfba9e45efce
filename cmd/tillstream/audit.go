package main

import (
	"errors"
	"fmt"

	"github.com/tillstream/tillstream/sinks/clickhouse"
)

type auditCmd struct{ target }

func (c *auditCmd) Run(e *env) error {
	return c.open(e, func(sink *clickhouse.Sink) error {
		report, err := sink.Audit(e.ctx)
		if err != nil {
			return err
		}
		for _, f := range report.Findings {
			fmt.Fprintln(e.stdout, f)
		}
		for _, l := range report.Losses {
			fmt.Fprintln(e.stdout, l)
		}
		if !report.Balanced() {
			return errors.New("the books do not balance")
		}
		fmt.Fprintf(e.stdout, "the books balance: %d offsets of %d partitions, %d sums of %d tables, %d terminals\n",
			report.Offsets, report.Partitions, report.Sums, report.Tables, report.Terminals)
		if report.Expired > 0 {
			fmt.Fprintf(e.stdout, "%d months of tables (or tables without months) were not compared: rows of them may have gone by their retention\n", report.Expired)
		}
		return nil
	})
}
