package main

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/tillstream/tillstream/cmd/tillstream/config"
	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/sinks/clickhouse"
)

type refreshCmd struct{ target }

func (*refreshCmd) Help() string {
	return `Reckons the views of pos anew that are refreshed and not reckoned when they are asked, and says what that came to: for cron, where marketing.refresh_every
is 0, or to see late data at once. Running it beside tillstream run does no harm.

  tillstream refresh --config tillstream.yaml`
}

func (c *refreshCmd) Run(e *env) error {
	return c.open(e, func(sink *clickhouse.Sink) error {
		done, err := sink.Refresh(e.ctx)
		for _, r := range done {
			fmt.Fprintf(e.stdout, "%s: %d rows in %v\n", r.Table, r.Rows, r.Took.Round(time.Millisecond))
		}
		return err
	})
}

// idle is how many times as long as a refresh took nothing is refreshed after it, so that a large chain's ClickHouse has its time for others.
const idle = 9

// refreshing refreshes views while this process owns lane 0, until ctx ends. What goes wrong is logged and tried again: it stops no lane.
func refreshing(ctx context.Context, cfg *config.Config, sink *clickhouse.Sink, proc *processor.Processor, log *zap.Logger) error {
	every := duration(cfg.Marketing.RefreshEvery)
	if every <= 0 {
		return nil
	}
	log = log.Named("refresh")
	look := time.NewTicker(time.Second)
	defer look.Stop()
	var next time.Time
	owned := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
		}
		owner, behind := standing(proc.Progress())
		if !owner || behind || owned && time.Now().Before(next) {
			owned = owned && owner
			continue
		}
		if !owned { // another member may have done it a while ago
			at, err := sink.RefreshedAt(ctx)
			if err != nil {
				if ctx.Err() == nil {
					log.Warn("asking when views were refreshed; trying again", zap.Error(err))
				}
				continue
			}
			owned, next = true, at.Add(every)
			continue
		}
		began := time.Now()
		done, err := sink.Refresh(ctx)
		took := time.Since(began)
		next = time.Now().Add(max(every-took, idle*took))
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			log.Warn("some views were not refreshed and stay as they were; the next round tries again", zap.Error(err))
		default:
			log.Info("views were refreshed", zap.Int("views", len(done)), zap.Duration("took", took))
		}
	}
}
