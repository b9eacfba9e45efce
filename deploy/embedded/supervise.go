package embedded

import (
	"context"
	"time"

	"go.uber.org/zap"
)

const (
	firstPause = 100 * time.Millisecond // before a child is started again, doubled each time
	longPause  = 10 * time.Second
	settled    = time.Minute // a child that lived so long has earned a short pause again
)

// supervise starts the child again whenever it dies, until ctx ends.
func (e *Engine) supervise(ctx context.Context) {
	defer close(e.done)
	c := e.child.Load()
	pause := firstPause
	for {
		began := time.Now()
		select {
		case <-ctx.Done():
			e.killed = !c.stop()
			return
		case <-c.Exited():
		}
		c.pipe.Close()
		if time.Since(began) > settled {
			pause = firstPause
		}
		e.cfg.Log.Warn("ClickHouse died and is started again", zap.Error(c.err()), zap.Duration("pause", pause))
		var ok bool
		if c, ok = e.again(ctx, &pause); !ok {
			return
		}
	}
}

// again starts a child, however often it takes; ok is false if ctx ended first.
func (e *Engine) again(ctx context.Context, pause *time.Duration) (c *child, ok bool) {
	for {
		select {
		case <-ctx.Done():
			return nil, false
		case <-time.After(*pause):
		}
		*pause = min(2**pause, longPause)
		e.restarts.Add(1)
		c, err := e.start(ctx)
		if err == nil {
			e.child.Store(c)
			return c, true
		}
		if ctx.Err() == nil {
			e.cfg.Log.Warn("ClickHouse did not come back yet", zap.Error(err), zap.Duration("pause", *pause))
		}
	}
}
