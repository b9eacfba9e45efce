package main

import "fmt"

type migrateCmd struct{ target }

func (c *migrateCmd) Run(e *env) error {
	return c.open(e, func(s *opened) error {
		applied, err := s.sink.Migrate(e.ctx)
		if err != nil {
			return err
		}
		if len(applied) == 0 {
			fmt.Fprintln(e.stdout, "the databases are as this version wants them")
		}
		for _, m := range applied {
			fmt.Fprintf(e.stdout, "applied %s\n", m)
		}
		return nil
	})
}
