package processor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/tillstream/tillstream/internal/wait"
	"github.com/tillstream/tillstream/processor/align"
	"github.com/tillstream/tillstream/processor/commit"
	"github.com/tillstream/tillstream/processor/correction"
	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/processor/forget"
	"github.com/tillstream/tillstream/processor/registry"
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
	// Commit returns nil only if the coordinator took every entry, ErrFenced if the group has moved on, and ErrUnacknowledged if it is not
	// known what the coordinator did or will do.
	Commit(ctx context.Context, entries map[commit.TopicPartition]commit.Committed) error
}

// lane is one fixed share of the partitions, from fetch to commit.
type lane struct {
	name        string // group/number
	cluster     string
	epoch       uint64
	start       map[commit.TopicPartition]int64                // where the epoch begins
	origin      func(fetch.TopicPartition, fetch.Bounds) int64 // of partitions that start does not name
	tps         []fetch.TopicPartition
	cfg         *Config
	fingerprint string    // of the configuration and the code
	share       int       // bytes of memory that its batches may hold
	first       int       // … and the first one after a start, lest all lanes write at the same time from then on; 0: as the others
	until       Positions // where the log ends for it; nil: nowhere

	source  Source
	offsets Offsets
	sink    Sink
	archive Archive
	listed  Forgotten // nil: nobody can be forgotten
	writers Schemas   // nil: there is no schema registry
	letters DeadLetters
	now     func() time.Time
	log     *zap.Logger
	report  *laneReport
	spans   spans
	hand    *handle
	turn    turn          // to fold
	writing chan struct{} // has room for a batch that is being written, of all lanes of this process; nil: there is always room
}

// clockMargin is added to another member's deadline: clocks were checked against ClickHouse's to 2 s at start.
const clockMargin = 5 * time.Second

// longestWindow is the longest that any member's is: kafka.session_timeout is 30 min at most.
const longestWindow = 15 * time.Minute

// window is how long after an acknowledged intent inserts may run. The coordinator takes no other owner before the session
// timeout has passed since then.
func (l *lane) window() time.Duration { return l.cfg.SessionTimeout / 2 }

// run works until ctx ends, then finishes the batch in flight. Passing trouble is retried from recovery on; an error is for good, but for
// ErrUnacknowledged and commit.ErrNewerEpoch: those end when the group is joined again.
func (l *lane) run(ctx context.Context) error {
	growing := pauses()
	for {
		began := l.now()
		err := l.session(ctx)
		switch {
		case ctx.Err() != nil, errors.Is(err, ErrFenced):
			return nil
		case err == nil || final(err) || errors.Is(err, ErrUnacknowledged), errors.Is(err, commit.ErrNewerEpoch):
			return err
		}
		if l.now().Sub(began) > time.Minute {
			growing.Reset()
		}
		l.report.trouble(err)
		if l.pause(ctx, growing, "lane starts again from recovery", err) != nil {
			return nil
		}
	}
}

// pause says why something is tried again, and waits before that, or until ctx ends, whose error it returns then.
func (l *lane) pause(ctx context.Context, growing *backoff.ExponentialBackOff, said string, err error, about ...zap.Field) error {
	pause := growing.NextBackOff()
	l.log.Warn(said, append(about, zap.Error(err), zap.Duration("in", pause))...)
	return wait.For(ctx, pause)
}

// idleAgain is how long after a failure the end of a batch is committed again.
const idleAgain = 3 * time.Second

// pauses grow from half a second. They have no jitter: lanes fail at moments of their own, and a seed of the simulation must reproduce
// its run.
func pauses() *backoff.ExponentialBackOff {
	p := backoff.NewExponentialBackOff()
	p.RandomizationFactor = 0
	return p
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
	return errors.Is(err, ErrRejected) || errors.Is(err, correction.ErrGone) || errors.Is(err, forget.ErrKey) || errors.As(err, &contradiction) || errors.As(err, &gone) || errors.As(err, &corrupt) ||
		errors.As(err, &format) || errors.As(err, &forbidden)
}

// session recovers the lane and then folds and writes until ctx ends or something fails.
func (l *lane) session(ctx context.Context) error {
	l.report.state(StateRecovering)
	plan, err := l.recover(ctx)
	if err != nil {
		return err
	}
	forgotten, err := l.entries(ctx)
	if err != nil {
		return err
	}
	h := l.hand.take()
	warm := h.fits(l, plan) && h.folder.forgotten.Entries() == forgotten
	if !warm {
		if h, err = l.load(ctx, plan); err != nil {
			return err
		}
	}
	var unsaid *ending
	if p := plan.Pending; p != nil {
		l.log.Info("finishing a batch that was begun before", zap.Uint64("batch", p.Batch), zap.Bool("warm", warm))
		if unsaid, err = l.finish(ctx, h, p); err != nil {
			if warm {
				l.hand.keep(h)
			}
			return err
		}
	} else if plan.Behind {
		unsaid = &ending{rollup.Version{Epoch: l.epoch, Batch: plan.Batch}, plan.Position, trace.SpanContext{}}
	}
	order, err := l.begin(ctx, h, plan)
	if err != nil {
		return err
	}
	l.report.running(warm)
	err = l.pipeline(ctx, h, order, unsaid)
	l.hand.keep(h)
	return err
}

// load makes a hand from the state in ClickHouse.
func (l *lane) load(ctx context.Context, plan commit.Plan) (*hand, error) {
	forgotten, err := l.forgotten(ctx)
	if err != nil {
		return nil, err
	}
	h := &hand{epoch: l.epoch, tps: l.tps, folder: newFolder(l.cfg, forgotten), last: plan.Batch, clocks: align.Clocks{}, judged: l.unjudged()}
	owners := make([]string, 0, len(l.tps))
	for _, tp := range l.tps {
		if o := owner(l.cfg.Group, tp.Partition); !slices.Contains(owners, o) {
			owners = append(owners, o)
		}
	}
	if err := l.sink.State(ctx, owners, h.folder.Load); err != nil {
		return nil, fmt.Errorf("loading state of lane %s: %w", l.name, err)
	}
	return h, nil
}

// errForgotten says that customers were forgotten since a batch was folded: it is to be folded again, and all that is in memory with it.
var errForgotten = errors.New("customers were forgotten since the batch was folded")

// entries counts those of the list of the forgotten.
func (l *lane) entries(ctx context.Context) (uint64, error) {
	if l.listed == nil {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, l.window())
	defer cancel()
	n, err := l.listed.ForgottenEntries(ctx)
	if err != nil {
		return 0, fmt.Errorf("asking whether customers were forgotten for lane %s: %w", l.name, err)
	}
	return n, nil
}

func (l *lane) forgotten(ctx context.Context) (*forget.List, error) {
	if l.listed == nil {
		return nil, nil
	}
	entries, err := l.listed.Forgotten(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading who was forgotten for lane %s: %w", l.name, err)
	}
	return forget.NewList(l.cfg.Secret, entries)
}

// finish writes a batch that was begun before: it is at hand, or folded again.
func (l *lane) finish(ctx context.Context, h *hand, p *commit.Pending) (*ending, error) {
	if len(h.sealed) == 0 {
		if err := l.replay(ctx, h, p); err != nil {
			return nil, err
		}
	}
	b := h.sealed[0]
	if err := (&writer{lane: l}).write(ctx, b, p); err != nil {
		return nil, err
	}
	h.wrote(b.version.Batch)
	return b.end(), nil
}

// recover asks Kafka and ClickHouse where the lane stands, waiting for the deadline of a batch that may still be in flight.
func (l *lane) recover(ctx context.Context) (commit.Plan, error) {
	tps := make([]commit.TopicPartition, len(l.tps))
	for i, tp := range l.tps {
		tps[i] = commit.TopicPartition(tp)
	}
	var passed int64 // a deadline that counts as over
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
			Lane: l.name, Epoch: l.epoch, Start: l.start, Partitions: tps, Committed: committed, Held: held,
			Now: max(l.now().Add(-clockMargin).UnixMilli(), passed),
		})
		if err != nil || plan.Wait == 0 {
			return plan, err
		}
		passed = plan.Wait
		if err := outlive(ctx, l.log, l.now(), passed); err != nil {
			return plan, err
		}
	}
}

// outlive waits until the deadline of a batch in flight, in ms, is over by all clocks, or ctx ends. One that is later than any can be was set by a clock that was ahead, or this one
// is behind: whoever set it was fenced before anybody asked for it, and has had its window when the longest one is over.
func outlive(ctx context.Context, log *zap.Logger, now time.Time, deadline int64) error {
	pause := time.UnixMilli(deadline).Add(clockMargin).Sub(now) + time.Millisecond
	if longest := longestWindow + 2*clockMargin; pause > longest {
		log.Warn("the deadline of a batch in flight is later than any can be: the clock of the member that began it was ahead, or that of this machine is behind; set them right (NTP)",
			zap.Time("deadline", time.UnixMilli(deadline).UTC()))
		pause = longest
	}
	log.Info("waiting for the deadline of a batch in flight", zap.Duration("for", pause))
	return wait.For(ctx, pause)
}

// held reads the newest marks of the lane from all tables, or from those that are named.
func (l *lane) held(ctx context.Context, tables ...string) ([]commit.Held, error) {
	ctx, cancel := context.WithTimeout(ctx, l.window())
	defer cancel()
	return readMarks(ctx, l.sink, l.name, tables...)
}

// begin opens the books of partitions that the hand does not have yet, where the plan says, and returns the order in which all are read on.
func (l *lane) begin(ctx context.Context, h *hand, plan commit.Plan) (*align.Order, error) {
	bounds, err := l.source.Bounds(ctx, l.tps)
	if err != nil {
		return nil, fmt.Errorf("asking for the offsets of lane %s: %w", l.name, err)
	}
	for _, tp := range l.tps {
		if h.folder.books[tp] != nil {
			continue
		}
		offset, known := plan.Position[commit.TopicPartition(tp)]
		if !known {
			offset = l.origin(tp, bounds[tp])
		}
		h.folder.Begin(tp, offset, l.whole(tp, offset))
	}
	l.report.position(h.written())
	order := align.New(cmp.Or(l.cfg.TimelineWindow, 48*time.Hour), h.clocks)
	for _, tp := range l.tps {
		stable, until := bounds[tp].Stable, int64(math.MaxInt64)
		if l.until != nil {
			until = l.until[commit.TopicPartition(tp)]
		}
		order.Add(tp, h.folder.books[tp].next, stable, until, tp.Topic == registry.Topic)
		l.report.end(tp, stable)
	}
	return order, nil
}

// whole says that nothing of what a partition is about was read before this offset. A partition that was added since the epoch began has got
// stores of others.
func (l *lane) whole(tp fetch.TopicPartition, offset int64) bool {
	_, old := l.start[commit.TopicPartition(tp)]
	return offset == 0 && (old || l.until != nil)
}

// finder finds transactions of batches before the open one: those that are not known to be written are at hand, the others in the archive. It
// tries until it is done or ctx ends.
func (l *lane) finder(ctx context.Context, h *hand) correction.Finder {
	return func(q correction.Query, row func(correction.Row) error) error {
		before := rollup.Version{Epoch: l.epoch, Batch: h.last + 1}
		if len(h.sealed) > 0 {
			before = h.sealed[0].version
		}
		for _, b := range h.sealed {
			for _, blk := range b.blocks {
				if blk.Table == correction.Table {
					if err := correction.Search(blk, q, row); err != nil {
						return err
					}
				}
			}
		}
		var found []correction.Row
		err := l.ask(ctx, func(asking context.Context) error {
			found = nil
			return l.archive.Transactions(asking, q, before, func(r correction.Row) error {
				found = append(found, r)
				return nil
			})
		})
		if err != nil {
			return fmt.Errorf("looking for what is corrected: %w", err)
		}
		for _, r := range found {
			if err := row(r); err != nil {
				return err
			}
		}
		return nil
	}
}

// ask has ClickHouse asked for what a lane cannot go on without, until there is an answer, trying again cannot help, or ctx ends.
func (l *lane) ask(ctx context.Context, try func(ctx context.Context) error) error {
	l.turn.leave() // others fold while this one waits
	growing := pauses()
	for {
		asking, cancel := context.WithTimeout(ctx, l.window()) // a connection may be dead without saying so
		err := try(asking)
		cancel()
		if err == nil || ctx.Err() != nil || final(err) {
			return err
		}
		l.report.trouble(err)
		if err := l.pause(ctx, growing, "ClickHouse has not answered what the open batch needs, trying again", err); err != nil {
			return err
		}
	}
}

// replay reads exactly the ranges of a pending batch again and folds them. Partitions that the lane got since then are
// not in the batch: f must not know them yet, or its ranges would differ from those that the tables hold.
func (l *lane) replay(ctx context.Context, h *hand, p *commit.Pending) error {
	f := h.folder
	f.corrections.Find(l.finder(ctx, h))
	judged := p.Unknown != nil
	if judged {
		h.judged = p.Unknown
	}
	f.decoder.Find(l.schemas(ctx, h, judged))
	walker := f.walker()
	open := map[fetch.TopicPartition]int64{}
	for _, r := range p.Ranges {
		tp := fetch.TopicPartition(r.TopicPartition)
		f.Begin(tp, r.From, l.whole(tp, r.From))
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
				return f.Record(tp, r)
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
	if err := l.recall(ctx, h, func() error { return nil }); err != nil { // nothing is sealed yet
		return err
	}
	h.seal(l)
	return nil
}

// pipeline fetches, folds and writes, each in its own goroutine: while one batch is being written the next is folded, and when
// both are full fetching stops.
func (l *lane) pipeline(ctx context.Context, h *hand, order *align.Order, unsaid *ending) error {
	g, gctx := errgroup.WithContext(ctx)
	asks := make(chan []fetch.Position, 1) // one is under way at most
	chunks := make(chan fetched)
	batches := make(chan *batch, 1)
	p := &progress{done: make(chan struct{}, 1)}

	g.Go(func() error {
		defer close(chunks)
		return l.fetch(gctx, asks, chunks)
	})
	g.Go(func() error {
		defer close(batches)
		return l.fold(gctx, h, order, asks, chunks, batches, p)
	})
	g.Go(func() error { return l.write(gctx, unsaid, batches, p) })
	err := g.Wait()
	h.wrote(p.written.Load())
	return err
}

// fetched is what was read, or, as err, that a partition cannot be read on.
type fetched struct {
	chunks []fetch.Chunk
	err    error
}

// progress is what the writer says to the fold.
type progress struct {
	queued  atomic.Int32  // batches given to the writer and not written
	written atomic.Uint64 // newest batch that is written
	done    chan struct{} // one more is

	rest atomic.Pointer[time.Time] // until when ClickHouse is left alone; nil: it is not
}

// rests keeps the lane from closing a batch for its age. Where writing one takes longer than batches should get old, retries and all, a lane rests for as long: so it writes half of the
// time at most, and the less ClickHouse keeps up, be it that it has too many parts to merge and delays INSERTs or refuses them, the fewer and larger batches become. One that is behind
// needs no rest: its batches are as large as they may be.
func (p *progress) rests(until time.Time) { p.rest.Store(&until) }

// due is when a batch that would be closed at this time is.
func (p *progress) due(at time.Time) time.Time {
	if rest := p.rest.Load(); rest != nil && rest.After(at) {
		return *rest
	}
	return at
}

// write brings batches in. The end of a batch is said to Kafka by the next intent, or, where none follows at once, for itself: a
// failure loses nothing, since the ledger knows, but whoever looks at the group's offsets would see a lag for ever.
func (l *lane) write(ctx context.Context, unsaid *ending, batches <-chan *batch, p *progress) error {
	w := &writer{lane: l}
	var again <-chan time.Time
	say := func() error {
		said, err := w.idle(ctx, unsaid)
		if said {
			unsaid, again = nil, nil
		} else {
			again = time.After(idleAgain)
		}
		return err
	}
	if unsaid != nil {
		if err := say(); err != nil {
			return err
		}
	}
	for {
		select {
		case b, more := <-batches:
			if !more || ctx.Err() != nil { // a batch not begun is read again by the next owner
				if unsaid != nil {
					return say()
				}
				return nil
			}
			began := l.now()
			if err := w.write(ctx, b, nil); err != nil {
				return err
			}
			if took := l.now().Sub(began); took > l.cfg.BatchAge && !b.behind {
				p.rests(l.now().Add(min(took, catchUp)))
			}
			p.written.Store(b.version.Batch)
			l.report.wrote(b)
			unsaid, again = b.end(), nil
			if len(batches) == 0 {
				if err := say(); err != nil {
					return err
				}
			}
			p.queued.Add(-1)
			select {
			case p.done <- struct{}{}:
			default:
			}
		case <-again:
			if err := say(); err != nil {
				return err
			}
		}
	}
}

// fetch reads what it is asked for.
func (l *lane) fetch(ctx context.Context, asks <-chan []fetch.Position, out chan<- fetched) error {
	for {
		var at []fetch.Position
		select {
		case at = <-asks:
		case <-ctx.Done():
			return nil
		}
		began := l.now()
		chunks, err := l.source.Fetch(ctx, at)
		if ctx.Err() != nil {
			return nil
		}
		l.spans.fetched(began, len(chunks))
		if err != nil {
			err = fmt.Errorf("fetching for lane %s: %w", l.name, err)
			if _, stuck := fetch.Stuck(err); !stuck {
				return err
			}
		}
		select {
		case out <- fetched{chunks, err}:
		case <-ctx.Done():
			return nil
		}
	}
}

// errLater ends a walk at a record whose turn has not come.
var errLater = errors.New("later")

// catchUp is how much older a batch may get while there is more to fold: closing it would make nothing fresh, and fewer, larger batches are how a lane catches up.
const catchUp = 10 * time.Second

// fold folds chunks into the open batch, in the order of time, and closes it when it is full, or when it is old, the writer has nothing to do and there is no more to fold. What it
// was behind by is old from the start. Where a partition cannot be read on, all that comes before is brought in, and then the lane stops: who has it go on behind that loses nothing else.
func (l *lane) fold(ctx context.Context, h *hand, order *align.Order, asks chan<- []fetch.Position, in <-chan fetched, out chan<- *batch, p *progress) error {
	f := h.folder
	f.corrections.Find(l.finder(ctx, h))
	f.decoder.Find(l.schemas(ctx, h, false))
	walker := f.walker()
	share := cmp.Or(l.first, l.share)
	var opened time.Time // when the open batch got its first offset
	var since time.Time  // from when on what is in it may have waited: since then, or since the lane was behind
	caughtUp := l.now()  // when there was no more to fold, as last seen
	var age <-chan time.Time
	send := func(b *batch) {
		p.queued.Add(1)
		select {
		case out <- b:
		case <-ctx.Done():
		}
	}
	settled := func(but int32) error { // what is sealed is written, but for so many batches
		for p.queued.Load() > but {
			l.turn.leave()
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-p.done:
			}
		}
		return nil
	}
	seal := func() error {
		if err := settled(1); err != nil { // with a third that is sealed the lane would hold more than its share
			return err
		}
		if err := l.turn.keep(ctx, l.now); err != nil {
			return err
		}
		if err := l.recall(ctx, h, func() error { return settled(0) }); err != nil {
			return err
		}
		h.wrote(p.written.Load())
		if err := l.turn.keep(ctx, l.now); err != nil {
			return err
		}
		b := h.seal(l)
		l.turn.leave()
		b.opened, b.behind = opened, order.Behind(l.now())
		send(b)
		opened, age, share = time.Time{}, nil, l.share
		return nil
	}
	for _, b := range h.sealed {
		send(b)
	}
	end := func(err error) error {
		if !f.Empty() {
			if err := seal(); err != nil {
				return leave(ctx, err)
			}
		}
		if err := settled(0); err != nil {
			return leave(ctx, err)
		}
		return err
	}
	asked := false
	var stuck error // the first
	var stuckAt fetch.TopicPartition
	take := func(got fetched) {
		asked = false
		if tp, ok := fetch.Stuck(got.err); ok {
			order.Stick(tp)
			if stuck == nil {
				stuck, stuckAt = got.err, tp
			}
			l.log.Error("a partition cannot be read on: the lane brings in what comes before, and stops", zap.Error(got.err))
		}
		chunks := got.chunks
		for i := range chunks {
			l.report.end(chunks[i].TopicPartition, chunks[i].LastStableOffset)
			order.Take(chunks[i])
		}
	}
	defer l.heldBack(nil)
	defer l.turn.leave()
	for ctx.Err() == nil {
		if stuck != nil && order.Through(stuckAt) {
			return end(stuck)
		}
		if at := order.Ask(); !asked && len(at) > 0 {
			asks <- at
			asked = true
		}
		select {
		case <-p.done: // before chunks, so that what a batch holds does not depend on the scheduler
		default:
		}
		select {
		case got, ok := <-in: // before what is held, so that the order is known as well as it can be
			if !ok {
				return nil
			}
			take(got)
			continue
		default:
		}
		step, wait := order.Next(l.now())
		l.heldBack(wait)
		if step.Chunk != nil {
			if err := l.turn.take(ctx, l.now); err != nil {
				return nil
			}
			if err := l.step(h, walker, order, &step, share); err != nil {
				if _, ok := fetch.Stuck(err); ok {
					return end(err)
				}
				return err
			}
			if l.cfg.full(f, share) || len(h.judged) >= commit.MaxUnknown {
				if err := seal(); err != nil {
					return leave(ctx, err)
				}
			}
		} else {
			l.turn.leave()
			if now := l.now(); wait == nil && !order.Behind(now) {
				caughtUp = now
			}
			var patience <-chan time.Time
			if wait != nil && wait.Patient > 0 {
				patience = time.After(wait.Patient)
			}
			select {
			case <-ctx.Done():
				return nil
			case <-p.done:
			case <-age:
				age = nil
			case <-patience:
			case got, ok := <-in:
				if !ok {
					return nil
				}
				take(got)
			}
		}
		switch {
		case f.Empty():
		case opened.IsZero():
			opened = l.now()
			if since = opened; opened.Sub(caughtUp) > l.cfg.BatchAge {
				since = caughtUp
			}
			age = time.After(p.due(since.Add(l.cfg.BatchAge)).Sub(opened))
		case p.queued.Load() == 0:
			now := l.now()
			more := wait == nil && order.Behind(now)
			early := p.due(since.Add(l.cfg.BatchAge)).Sub(now)
			if early <= 0 && !more || now.Sub(p.due(opened.Add(l.cfg.BatchAge))) >= catchUp {
				if err := seal(); err != nil {
					return leave(ctx, err)
				}
			} else if early > 0 && age == nil { // it rests since
				age = time.After(early)
			}
		}
	}
	return nil
}

// often is how many bytes of records are folded between two looks at what the open batch holds: a chunk may be compressed, and have many times what it may.
const often = 64 << 10

// step folds what is next, up to where the open batch is full.
func (l *lane) step(h *hand, walker *fetch.Walker, order *align.Order, s *align.Step, share int) error {
	f, tp := h.folder, s.Chunk.TopicPartition
	looked := f.bytes
	next, err := walker.Walk(s.Chunk, f.books[tp].next, s.To, func(r fetch.Record) error {
		full := len(h.judged) >= commit.MaxUnknown
		if f.bytes-looked >= often {
			looked, full = f.bytes, full || l.cfg.full(f, share)
		}
		if full {
			s.Later(r.Timestamp)
			return errLater
		}
		if !s.Admit(r.Timestamp) {
			return errLater
		}
		return f.Record(tp, r)
	})
	if err != nil && !errors.Is(err, errLater) {
		_, stuck := fetch.Stuck(err)
		if h.broken = !stuck; stuck {
			f.Passed(tp, next)
		}
		return fmt.Errorf("reading %s:%d for lane %s: %w", tp.Topic, tp.Partition, l.name, err)
	}
	f.Passed(tp, next)
	order.Passed(s, next)
	return nil
}

// heldBack tells when the lane begins to wait for a partition in trouble, and when that is over.
func (l *lane) heldBack(w *align.Wait) {
	waits := w != nil && w.Patient == 0
	if !l.report.heldBack(waits) {
		return
	}
	if !waits {
		l.log.Info("lane is no longer held back")
		return
	}
	l.log.Warn("lane is held back: a partition that is behind cannot be read, and going on would make its evidence too late; see why its reading is delayed",
		zap.String("topic", w.Topic), zap.Int32("partition", w.Partition), zap.Int64("offset", w.Offset), zap.Int64("end", w.End),
		zap.Time("at", time.UnixMilli(w.Clock).UTC()), zap.Time("others_at", time.UnixMilli(w.Ahead).UTC()))
}
