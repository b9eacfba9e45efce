package processor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/tillstream/tillstream/processor/commit"
	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/processor/rollup"
)

// Source reads record batches. *fetch.Fetcher is one.
type Source interface {
	// Fetch asks for what follows the given positions and returns soon, with or without data. It deals with passing trouble
	// itself; an error is for good.
	Fetch(ctx context.Context, at []fetch.Position) ([]fetch.Chunk, error)
	// Bounds are the first and the last offsets that the brokers hold.
	Bounds(ctx context.Context, tps []fetch.TopicPartition) (map[fetch.TopicPartition]fetch.Bounds, error)
}

// Offsets are the group's committed offsets, as one member of one generation may see and change them.
type Offsets interface {
	Committed(ctx context.Context, tps []commit.TopicPartition) (map[commit.TopicPartition]commit.Committed, error)
	// Commit returns nil only if the coordinator took every entry, and ErrFenced if the group has moved on.
	Commit(ctx context.Context, entries map[commit.TopicPartition]commit.Committed) error
}

// lane is one fixed share of the partitions, from fetch to commit.
type lane struct {
	name        string // group/number
	cluster     string
	epoch       uint64
	tps         []fetch.TopicPartition
	cfg         *Config
	fingerprint string // of the configuration and the code
	limit       int    // bytes of records a batch may take

	source  Source
	offsets Offsets
	sink    Sink
	letters DeadLetters
	now     func() time.Time
	log     *zap.Logger
	report  *laneReport
}

// clockMargin is added to another member's deadline: clocks were checked against ClickHouse's to 2 s at start.
const clockMargin = 5 * time.Second

// window is how long after an acknowledged intent inserts may run. The coordinator takes no other owner before the session
// timeout has passed since then.
func (l *lane) window() time.Duration { return l.cfg.SessionTimeout / 2 }

// run works until ctx ends, then finishes the batch in flight. Passing trouble is retried from recovery on; an error is for good.
func (l *lane) run(ctx context.Context) error {
	wait := backoff.NewExponentialBackOff()
	for {
		began := l.now()
		err := l.session(ctx)
		switch {
		case ctx.Err() != nil, errors.Is(err, ErrFenced):
			return nil
		case err == nil || final(err):
			return err
		}
		if l.now().Sub(began) > time.Minute {
			wait.Reset()
		}
		pause := wait.NextBackOff()
		l.log.Warn("lane starts again from recovery", zap.Error(err), zap.Duration("in", pause))
		l.report.trouble(err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// final says that trying again cannot help.
func final(err error) bool {
	var (
		contradiction *commit.Contradiction
		gone          *fetch.OffsetOutOfRangeError
		corrupt       *fetch.CorruptError
		format        *fetch.UnsupportedFormatError
		forbidden     *fetch.UnauthorizedError
	)
	return errors.Is(err, ErrRejected) || errors.As(err, &contradiction) || errors.As(err, &gone) || errors.As(err, &corrupt) ||
		errors.As(err, &format) || errors.As(err, &forbidden)
}

// session recovers the lane and then folds and writes until ctx ends or something fails.
func (l *lane) session(ctx context.Context) error {
	l.report.state(StateRecovering)
	plan, err := l.recover(ctx)
	if err != nil {
		return err
	}
	f := newFolder(l.cfg)
	owners := make([]string, 0, len(l.tps))
	for _, tp := range l.tps {
		if o := owner(l.cfg.Group, tp.Partition); !slices.Contains(owners, o) {
			owners = append(owners, o)
		}
	}
	if err := l.sink.State(ctx, owners, f.Load); err != nil {
		return fmt.Errorf("loading state of lane %s: %w", l.name, err)
	}
	at, err := l.positions(ctx, plan)
	if err != nil {
		return err
	}
	batch := plan.Batch
	if p := plan.Pending; p != nil {
		l.log.Info("finishing a batch that was begun before", zap.Uint64("batch", p.Batch))
		if err := l.replay(ctx, f, p); err != nil {
			return err
		}
		batch = p.Batch
	}
	for i, p := range at {
		if k := f.books[p.TopicPartition]; k != nil {
			at[i].Offset = k.next // of the batch just finished
		} else {
			f.Begin(p.TopicPartition, p.Offset)
		}
	}
	l.report.position(at)
	l.report.state(StateRunning)
	return l.pipeline(ctx, f, batch, at)
}

// recover asks Kafka and ClickHouse where the lane stands, waiting for the deadline of a batch that may still be in flight.
func (l *lane) recover(ctx context.Context) (commit.Plan, error) {
	tps := make([]commit.TopicPartition, len(l.tps))
	for i, tp := range l.tps {
		tps[i] = commit.TopicPartition(tp)
	}
	for {
		asking, cancel := context.WithTimeout(ctx, l.window()) // a connection may be dead without saying so
		committed, err := l.offsets.Committed(asking, tps)
		cancel()
		if err != nil {
			return commit.Plan{}, fmt.Errorf("reading committed offsets of lane %s: %w", l.name, err)
		}
		held, err := l.held(ctx)
		if err != nil {
			return commit.Plan{}, err
		}
		plan, err := commit.Recover(commit.Found{
			Lane: l.name, Epoch: l.epoch, Partitions: tps, Committed: committed, Held: held,
			Now: l.now().Add(-clockMargin).UnixMilli(),
		})
		if err != nil || plan.Wait == 0 {
			return plan, err
		}
		pause := time.UnixMilli(plan.Wait).Add(clockMargin).Sub(l.now()) + time.Millisecond
		l.log.Info("waiting for the deadline of a batch in flight", zap.Duration("for", pause))
		select {
		case <-ctx.Done():
			return plan, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// held reads the newest marks of the lane from all tables.
func (l *lane) held(ctx context.Context) ([]commit.Held, error) {
	ctx, cancel := context.WithTimeout(ctx, l.window())
	defer cancel()
	marks, err := l.sink.Marks(ctx, l.name)
	if err != nil {
		return nil, fmt.Errorf("reading the ledgers of lane %s: %w", l.name, err)
	}
	held := make([]commit.Held, len(marks))
	for i, m := range marks {
		mark, err := commit.ParseMark(m.Mark)
		if err != nil {
			return nil, &commit.Contradiction{Lane: l.name, What: fmt.Sprintf("table %s: %v", m.Table, err), Remedy: "this version cannot read what is there; start the version that wrote it"}
		}
		held[i] = commit.Held{Table: m.Table, Month: m.Month, Mark: mark}
	}
	return held, nil
}

// positions are where reading goes on after the plan's last complete batch.
func (l *lane) positions(ctx context.Context, plan commit.Plan) ([]fetch.Position, error) {
	bounds, err := l.source.Bounds(ctx, l.tps)
	if err != nil {
		return nil, fmt.Errorf("asking for the offsets of lane %s: %w", l.name, err)
	}
	at := make([]fetch.Position, len(l.tps))
	for i, tp := range l.tps {
		offset, known := plan.Position[commit.TopicPartition(tp)]
		if !known {
			offset = bounds[tp].Start
		}
		at[i] = fetch.Position{TopicPartition: tp, Offset: offset}
	}
	return at, nil
}

// replay reads exactly the ranges of a pending batch again and writes what is missing of it. Partitions that the lane got since then are
// not in the batch: f must not know them yet, or its ranges would differ from those that the tables hold.
func (l *lane) replay(ctx context.Context, f *folder, p *commit.Pending) error {
	walker := fetch.NewWalker()
	open := map[fetch.TopicPartition]int64{}
	for _, r := range p.Ranges {
		tp := fetch.TopicPartition(r.TopicPartition)
		f.Begin(tp, r.From)
		if r.To > r.From {
			open[tp] = r.To
		}
	}
	for len(open) > 0 {
		at := make([]fetch.Position, 0, len(open))
		for tp := range open {
			at = append(at, fetch.Position{TopicPartition: tp, Offset: f.books[tp].next})
		}
		chunks, err := l.source.Fetch(ctx, at)
		if err != nil {
			return fmt.Errorf("reading batch %d of lane %s again: %w", p.Batch, l.name, err)
		}
		for i := range chunks {
			c := &chunks[i]
			tp, to := c.TopicPartition, open[c.TopicPartition]
			next, err := walker.Walk(c, f.books[tp].next, to, func(r fetch.Record) error {
				f.Record(tp, r)
				return nil
			})
			if err != nil {
				return fmt.Errorf("reading batch %d of lane %s again: %w", p.Batch, l.name, err)
			}
			f.Passed(tp, min(next, to))
			if next >= to {
				delete(open, tp)
			}
		}
	}
	b := f.Seal(rollup.Version{Epoch: l.epoch, Batch: p.Batch}, l.name, l.now())
	w := &writer{lane: l}
	if err := w.write(ctx, b, p); err != nil {
		return err
	}
	return w.idle(ctx, b)
}

// pipeline fetches, folds and writes, each in its own goroutine: while one batch is being written the next is folded, and when
// both are full fetching stops.
func (l *lane) pipeline(ctx context.Context, f *folder, last uint64, at []fetch.Position) error {
	g, gctx := errgroup.WithContext(ctx)
	chunks := make(chan []fetch.Chunk)
	batches := make(chan *batch, 1)
	var writing atomic.Int32
	done := make(chan struct{}, 1)

	g.Go(func() error {
		defer close(chunks)
		return l.fetch(gctx, at, chunks)
	})
	g.Go(func() error {
		defer close(batches)
		return l.fold(gctx, f, last, chunks, batches, &writing, done)
	})
	g.Go(func() error {
		w := &writer{lane: l}
		var unsaid *batch // written, its end not committed: the next intent says it
		for b := range batches {
			if gctx.Err() != nil {
				break // not begun: the next owner reads it again
			}
			if err := w.write(gctx, b, nil); err != nil {
				return err
			}
			l.report.wrote(b)
			unsaid = b
			if len(batches) == 0 {
				unsaid = nil
				if err := w.idle(gctx, b); err != nil {
					return err
				}
			}
			writing.Add(-1)
			select {
			case done <- struct{}{}:
			default:
			}
		}
		if unsaid != nil {
			return w.idle(gctx, unsaid)
		}
		return nil
	})
	return g.Wait()
}

func (l *lane) fetch(ctx context.Context, at []fetch.Position, out chan<- []fetch.Chunk) error {
	at = slices.Clone(at)
	for {
		chunks, err := l.source.Fetch(ctx, at)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("fetching for lane %s: %w", l.name, err)
		}
		for i := range chunks {
			j := slices.IndexFunc(at, func(p fetch.Position) bool { return p.TopicPartition == chunks[i].TopicPartition })
			at[j].Offset = max(at[j].Offset, chunks[i].End())
		}
		select {
		case out <- chunks:
		case <-ctx.Done():
			return nil
		}
	}
}

// fold folds chunks into the open batch and closes it when it is old and the writer has nothing to do, or when it is full.
func (l *lane) fold(ctx context.Context, f *folder, last uint64, in <-chan []fetch.Chunk, out chan<- *batch, writing *atomic.Int32, done <-chan struct{}) error {
	walker := fetch.NewWalker()
	var opened time.Time // when the open batch got its first offset
	var age <-chan time.Time
	send := func() {
		last++
		b := f.Seal(rollup.Version{Epoch: l.epoch, Batch: last}, l.name, l.now())
		opened, age = time.Time{}, nil
		writing.Add(1)
		select {
		case out <- b:
		case <-ctx.Done():
		}
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-done:
		case <-age:
			age = nil
		case chunks, ok := <-in:
			if !ok {
				return nil
			}
			for i := range chunks {
				c := &chunks[i]
				tp := c.TopicPartition
				next, err := walker.Walk(c, f.books[tp].next, c.End(), func(r fetch.Record) error {
					f.Record(tp, r)
					return nil
				})
				if err != nil {
					return fmt.Errorf("reading %s:%d for lane %s: %w", tp.Topic, tp.Partition, l.name, err)
				}
				f.Passed(tp, next)
				l.report.end(tp, c.LastStableOffset)
				if f.bytes >= l.limit || f.records >= l.cfg.BatchRecords {
					send()
				}
			}
		}
		switch {
		case f.Empty():
		case opened.IsZero():
			opened = l.now()
			age = time.After(l.cfg.BatchAge)
		case writing.Load() == 0 && l.now().Sub(opened) >= l.cfg.BatchAge:
			send()
		}
	}
}
