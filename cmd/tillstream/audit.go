package main

import (
	"errors"
	"fmt"
)

type auditCmd struct{ target }

// errBooks is what an audit that found something ends with; the findings were printed.
var errBooks = errors.New("the books do not balance")

func (c *auditCmd) Run(e *env) error {
	return c.open(e, func(s *opened) error {
		report, err := s.sink.Audit(e.ctx)
		if err != nil {
			return err
		}
		for _, f := range report.Findings {
			fmt.Fprintln(e.stdout, f)
		}
		if len(report.Findings) > 0 {
			return errBooks
		}
		fmt.Fprintln(e.stdout, report)
		return nil
	})
}
