package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tillstream/tillstream/sinks/clickhouse"
)

type auditCmd struct{ target }

func (*auditCmd) Help() string {
	return `Exit code 1 if something is wrong. While the processor runs a batch may be half written for a moment, so what is found is looked at again before it is said.

  tillstream audit --config tillstream.yaml
  tillstream audit --data tillstream-data`
}

// auditLooks is how often a place must not balance before it is believed.
const auditLooks = 5

// lasting gives what does not balance at every look: of a batch that is being written one table knows before another.
func lasting(look func() (clickhouse.Report, error)) (report clickhouse.Report, err error) {
	for n := range auditLooks {
		before := report.Findings
		if report, err = look(); err != nil {
			return report, err
		}
		if n > 0 { // lane and column are not compared: of a table the first that differs is named
			report.Findings = slices.DeleteFunc(report.Findings, func(f clickhouse.Finding) bool {
				return !slices.ContainsFunc(before, func(g clickhouse.Finding) bool { return f.Table == g.Table && f.Month == g.Month })
			})
		}
		if report.Balanced() {
			break
		}
	}
	return report, nil
}

func (c *auditCmd) Run(e *env) error {
	return c.open(e, func(sink *clickhouse.Sink) error {
		report, err := lasting(func() (clickhouse.Report, error) { return sink.Audit(e.ctx) })
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
