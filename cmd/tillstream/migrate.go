package main

import (
	"fmt"

	"github.com/tillstream/tillstream/sinks/clickhouse"
)

type migrateCmd struct{ target }

func (c *migrateCmd) Run(e *env) error {
	return c.open(e, func(sink *clickhouse.Sink) error {
		migrations, err := sink.Migrate(e.ctx, clickhouse.MigrateOptions{Binary: versionString()})
		if err != nil {
			return err
		}
		for _, m := range migrations {
			did := "was there"
			if m.Now {
				did = "applied"
			}
			fmt.Fprintf(e.stdout, "%04d %s: %s\n", m.Version, m.Name, did)
		}
		return nil
	})
}
