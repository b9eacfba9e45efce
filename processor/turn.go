package processor

import (
	"context"
	"time"
)

// slice is how long a lane folds while others wait: in most cases until its batch is closed, lest batches of all lanes become full at the same time, and what it knows is no longer in
// the cache when its turn comes again. A lane that is not behind has to wait for those that are.
const slice = 2 * time.Second

// smallFirst is how often the share of memory of the smallest first batch is halved: ClickHouse begins when that is full.
const smallFirst = 3

// turn is a lane's leave to fold. As many lanes of a process have it as there are cores. If all that are behind folded at the same time, batches and answers would wait: Go lets what
// a socket woke go behind all that can run, for up to 10 ms each, and looks at sockets hardly more often than that while there are such. ClickHouse would stand still, and have
// everything to do at the end. A lane that folds alone would wait for Kafka so, and others would fold between: for that Go has a thread more than lanes may fold (Config.Cores).
type turn struct {
	room  chan struct{} // has room for a lane that folds; nil: there is always room
	since time.Time     // zero: it is another's
}

// take waits for the turn. One that has lasted for a slice goes to who has waited longest. It returns an error only when ctx ends.
func (t *turn) take(ctx context.Context, now func() time.Time) error {
	if t.room == nil {
		return nil
	}
	if !t.since.IsZero() {
		if now().Sub(t.since) < slice {
			return nil
		}
		t.leave()
	}
	select {
	case t.room <- struct{}{}: // where there is room, whether ctx has ended is not left to chance
	default:
		select {
		case t.room <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	t.since = now()
	return nil
}

// keep is take by one that is about to leave: that its slice is over does not matter.
func (t *turn) keep(ctx context.Context, now func() time.Time) error {
	if !t.since.IsZero() {
		return nil
	}
	return t.take(ctx, now)
}

// leave lets others fold. It does no harm where the turn is another's.
func (t *turn) leave() {
	if t.since.IsZero() {
		return
	}
	t.since = time.Time{}
	<-t.room
}
