package processor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/tillstream/tillstream/processor/rollup"
)

// State that a fold does not keep in memory is read again before the batch is sealed that needs it. What is read must be as the batch before left it, whoever folds and
// however often: so all batches that were sealed are written by then, and a batch that was begun before, and is folded again, has no state yet, as recovery has seen
// after its deadline. A batch is atomic in the state table, so nothing of the batch itself can be there.

// recallAtOnce is how many rows of past state are wanted at a time, some 300 bytes each: when the lines of a whole chain come back at once, memory stays bounded.
const recallAtOnce = 20_000

// recall reads what the open batch needs of the past, where nothing that was sealed is unwritten.
func (l *lane) recall(ctx context.Context, h *hand) error {
	return l.recallAfter(ctx, h, func() error { return nil })
}

// recallAfter does so after what was sealed is settled. It tries until ctx ends: a batch that is half sealed can only go on. If it cannot, the hand is broken.
func (l *lane) recallAfter(ctx context.Context, h *hand, settled func() error) error {
	if l.past == nil {
		return nil
	}
	for rows := 0; ; {
		want := h.folder.past.Wants(recallAtOnce)
		if len(want) == 0 {
			if rows > 0 {
				l.log.Debug("read again what late evidence needs", zap.Int("rows", rows))
			}
			return nil
		}
		if rows += len(want); rows == len(want) {
			if err := settled(); err != nil {
				h.broken = true
				return err
			}
		}
		byPartition := map[int32][]string{}
		for _, k := range want {
			byPartition[k.Partition] = append(byPartition[k.Partition], k.Key)
		}
		for partition, keys := range byPartition {
			if err := l.recallKeys(ctx, h, owner(l.cfg.Group, partition), keys); err != nil {
				h.broken = true
				return err
			}
		}
	}
}

func (l *lane) recallKeys(ctx context.Context, h *hand, owner string, keys []string) error {
	wait := pauses()
	for {
		var rows []rollup.StateRow
		err := l.past.Recall(ctx, owner, keys, func(r rollup.StateRow) error {
			r.Value = slices.Clone(r.Value)
			rows = append(rows, r)
			return nil
		})
		if err == nil && len(rows) != len(keys) { // a replica that lags, or a table that was restored
			err = fmt.Errorf("tillstream.state has %d of %d rows that it was given; if that stays so, restore the table", len(rows), len(keys))
		}
		if err == nil {
			for _, r := range rows {
				if err := h.folder.past.Recall(r); err != nil {
					return err
				}
			}
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		pause := wait.NextBackOff()
		l.log.Warn("past state not read yet, trying again", zap.Error(err), zap.Duration("in", pause))
		l.report.trouble(err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// leave is the error with which folding ends: none if it was told to.
func leave(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
