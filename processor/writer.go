package processor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/tillstream/tillstream/processor/commit"
	"github.com/tillstream/tillstream/processor/rollup"
)

// batchesAtOnce is how many batches a process writes together, or as many as it has cores. Large ones of all lanes at the same time would take their memory at the same
// time, and one another's time until the deadline.
const batchesAtOnce = 4

// insertsAtOnce is how many blocks of one batch are in flight together.
const insertsAtOnce = 4

// writer writes batches in the order of package commit.
type writer struct {
	*lane
	lost map[string]int // how often a block of the batch was acknowledged and not there, by its name
}

// write brings one batch in: intent, claim, dead letters, a look at who was forgotten, blocks, verification, state. It tries until it is done, the lane is fenced or
// overtaken, or the sink refuses for good. After ctx has ended it goes on for as long as a rebalance waits for this member: a batch that was begun is
// better finished than left to a new owner, who would have to wait for its deadline. pending is nil unless it was begun before.
func (w *writer) write(ctx context.Context, b *batch, pending *commit.Pending) (err error) {
	w.lost = map[string]int{}
	ctx, traced := w.spans.batch(ctx, b)
	defer func() { traced.end(err) }()
	wait := pauses()
	wait.MaxInterval = 10 * time.Second
	var giveUp time.Time
	for try := 0; ; try++ {
		err := w.round(ctx, b, pending, try > 0)
		if err == nil || final(err) || errors.Is(err, ErrFenced) || errors.Is(err, ErrUnacknowledged) || errors.Is(err, commit.ErrOvertaken) || errors.Is(err, errForgotten) {
			return err
		}
		pause, ended := wait.NextBackOff(), ctx.Done()
		if !giveUp.IsZero() {
			if w.now().After(giveUp) {
				return err
			}
			pause, ended = min(pause, time.Second), nil
		}
		w.log.Warn("batch not written yet, trying again", zap.Uint64("batch", b.version.Batch), zap.Error(err), zap.Duration("in", pause))
		w.report.trouble(err)
		select {
		case <-ended: // once more at once
			giveUp = w.now().Add(w.cfg.RebalanceTimeout - w.window())
		case <-time.After(pause):
		}
	}
}

// round is one attempt inside one window: a fresh intent, then whatever is still missing. It is not cut short by ctx.
func (w *writer) round(ctx context.Context, b *batch, pending *commit.Pending, again bool) error {
	if w.writing != nil {
		if err := w.room(); err != nil {
			return fmt.Errorf("writing batch %d: %w", b.version.Batch, err)
		}
		defer func() { <-w.writing }()
	}
	start := w.now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.window())
	defer cancel()

	intent := make(map[commit.TopicPartition]commit.Committed, len(b.ranges))
	for _, r := range b.ranges {
		intent[r.TopicPartition] = commit.Committed{Offset: r.From, Metadata: commit.Metadata{
			Epoch: b.version.Epoch, Batch: b.version.Batch, Pending: true, Partitions: len(b.ranges), To: r.To,
			Deadline: start.Add(w.window()).UnixMilli(), Fingerprint: w.fingerprint,
		}.String()}
	}
	_, traced := w.spans.start(ctx, "intent")
	if err := w.offsets.Commit(ctx, intent); err != nil {
		traced.end(err)
		return fmt.Errorf("committing the intent of batch %d: %w", b.version.Batch, err)
	}
	traced.end(nil)
	if err := w.claim(ctx, b, pending != nil); err != nil {
		return err
	}
	if err := w.letters.Send(ctx, b.letters); err != nil { // not before it is settled which records they are
		return fmt.Errorf("sending dead letters of batch %d: %w", b.version.Batch, err)
	}
	// Who asks after this round has begun, and waits for a window, knows that nothing is written any more that was folded under an older list.
	if n, err := w.entries(ctx); err != nil {
		return err
	} else if n != b.forgotten {
		return fmt.Errorf("writing batch %d: %w", b.version.Batch, errForgotten)
	}

	there := map[string]bool{}
	if again {
		held, err := w.held(ctx)
		if err != nil {
			return err
		}
		for _, h := range held {
			there[h.Block()] = h.Mark.Epoch == b.version.Epoch && h.Mark.Batch == b.version.Batch
		}
	}
	months := map[string]int{}
	for _, blk := range b.blocks {
		months[blk.Table]++
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(insertsAtOnce)
	verify := make([]string, 0, len(b.blocks))
	for _, blk := range b.blocks {
		if pending != nil {
			skip, err := pending.Skip(w.name, w.fingerprint, blk.Table, blk.Name())
			if err != nil {
				return errors.Join(err, g.Wait())
			}
			if skip {
				continue // its ranges were compared by Recover
			}
		}
		verify = append(verify, blk.Name())
		if !there[blk.Name()] {
			g.Go(func() error { return w.insert(gctx, blk, w.mark(b, months[blk.Table])) })
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if there[b.state.Name()] {
		return nil
	}
	held, err := w.held(ctx)
	if err != nil {
		return err
	}
	if err := commit.Verify(w.name, b.version.Epoch, b.version.Batch, b.ranges, verify, held); err != nil {
		return w.missed(err)
	}
	if err := w.insert(ctx, b.state, w.mark(b, 1)); err != nil || !again && pending == nil {
		return err
	}
	if held, err = w.held(ctx); err != nil { // it may have been acknowledged for an INSERT before it, which failed
		return err
	}
	return w.missed(commit.Verify(w.name, b.version.Epoch, b.version.Batch, b.ranges, []string{b.state.Name()}, held))
}

// believed is how often a block must be missing until it gets another token. Once would do.
const believed = 2

// missed takes note of blocks that are missing. ClickHouse may remember the token of an INSERT that failed before its part was there: it then acknowledges, and drops, whatever comes
// under that token. No part will come under it any more either, so that the block may be written under another. Who folds the batch again goes the same way, from the first token on.
func (w *writer) missed(err error) error {
	var blocks commit.Missing
	if errors.As(err, &blocks) {
		for _, b := range blocks {
			w.lost[b]++
		}
	}
	return err
}

// room waits until the process may write one more batch, for one window at most.
func (w *writer) room() error {
	select {
	case w.writing <- struct{}{}:
		return nil
	default:
	}
	late := time.NewTimer(w.window())
	defer late.Stop()
	select {
	case w.writing <- struct{}{}:
		return nil
	case <-late.C:
		return fmt.Errorf("other lanes have been writing for %s and are not done", w.window())
	}
}

// claim says in ClickHouse what the batch is, and looks whether that is so.
func (w *writer) claim(ctx context.Context, b *batch, finishing bool) error {
	mark := w.mark(b, 1)
	mark.Unknown = b.unknown
	if err := w.insert(ctx, claimBlock(), mark); err != nil {
		return err
	}
	held, err := w.held(ctx, commit.ClaimTable)
	if err != nil {
		return err
	}
	return commit.Claimed(mark, finishing, held)
}

// claimBlock has no rows: its mark is the claim.
func claimBlock() *rollup.Block { return rollup.NewBlock(commit.ClaimTable, 0, 0).Seal() }

func (w *writer) mark(b *batch, months int) commit.Mark {
	return commit.Mark{Epoch: b.version.Epoch, Batch: b.version.Batch, Fingerprint: w.fingerprint, Blocks: months, Ranges: b.ranges}
}

func (w *writer) insert(ctx context.Context, blk *rollup.Block, mark commit.Mark) error {
	began := w.now()
	ctx, traced := w.spans.insert(ctx, blk.Table, blk.Rows)
	err := w.sink.Insert(ctx, Insert{
		Block: blk,
		Lane:  w.name,
		Mark:  mark.String(),
		Token: commit.Token(w.cluster, w.name, mark.Epoch, mark.Batch, blk.Name()),
		Again: w.lost[blk.Name()] / believed,
	})
	traced.end(err)
	if err != nil {
		w.report.refused(blk)
		return fmt.Errorf("inserting block %s of batch %d: %w", blk.Name(), mark.Batch, err)
	}
	w.report.inserted(blk, w.now().Sub(began))
	return nil
}

// ending is where a batch ends.
type ending struct {
	version rollup.Version
	offsets map[commit.TopicPartition]int64
	span    trace.SpanContext // of the batch
}

// idle commits the end of a batch whose state has landed, and says whether that was acknowledged. An error is for good.
func (w *writer) idle(ctx context.Context, e *ending) (said bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.window())
	defer cancel()
	entries := make(map[commit.TopicPartition]commit.Committed, len(e.offsets))
	for tp, end := range e.offsets {
		entries[tp] = commit.Committed{Offset: end, Metadata: commit.Metadata{Epoch: e.version.Epoch, Batch: e.version.Batch}.String()}
	}
	ctx, traced := w.spans.commit(ctx, e.span)
	err = w.offsets.Commit(ctx, entries)
	traced.end(err)
	if err == nil || errors.Is(err, ErrFenced) || errors.Is(err, ErrUnacknowledged) {
		return err == nil, err
	}
	w.log.Warn("end of batch not committed, the ledger has it", zap.Uint64("batch", e.version.Batch), zap.Error(err))
	return false, nil
}
