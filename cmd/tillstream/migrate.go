package main

import (
	"fmt"

	"github.com/tillstream/tillstream/sinks/clickhouse"
)

type migrateCmd struct{ target }

func (*migrateCmd) Help() string {
	return `Applies the migrations that are missing. With --config it also sets for how long rows are kept, as retention says; tillstream run does both where clickhouse.migrate is true.

  tillstream migrate --config tillstream.yaml`
}

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
		if c.Config == "" { // nothing says what is to be kept
			return nil
		}
		cfg, err := loadConfig(e, c.Config)
		if err != nil {
			return err
		}
		changes, err := sink.Retain(e.ctx, clickhouse.Retention(cfg.Retention))
		for _, r := range changes {
			fmt.Fprintf(e.stdout, "%s keeps rows %s (before: %s)\n", r.Table, days(r.Now), days(r.Before))
		}
		return err
	})
}

// days is a time for which rows are kept.
func days(n int) string {
	if n == 0 {
		return "for good"
	}
	return fmt.Sprintf("%d days", n)
}
