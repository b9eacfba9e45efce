package processor

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"go.uber.org/zap"

	"github.com/tillstream/tillstream/processor/rollup"
)

// State that a fold does not keep in memory is read again before the batch is sealed that needs it. What is read must be as the batch before left it, whoever folds and
// however often. So all batches that were sealed are written by then; and of a batch that was begun before, and is folded again, recovery has seen that it has no state
// yet (the state is written last, as one block). Should it land after all, from a member that was thought dead, the versions show it, and the lane recovers anew.

// recallAtOnce is how many rows of past state are wanted at a time, some 300 bytes each: when the lines of a whole chain come back at once, memory stays bounded.
const recallAtOnce = 20_000

// recall reads what the open batch needs of the past: for its corrections, and for late evidence, once what was sealed is settled: written. It tries until ctx ends. A batch that is half
// sealed can only go on: after an error the hand is broken.
func (l *lane) recall(ctx context.Context, h *hand, settled func() error) (err error) {
	defer func() { h.broken = h.broken || err != nil }()
	if err := h.folder.Correct(); err != nil {
		return fmt.Errorf("folding the corrections of batch %d of lane %s: %w", h.last+1, l.name, err)
	}
	for rows := 0; ; {
		want := h.folder.tills.Wants(recallAtOnce)
		if len(want) == 0 {
			if rows > 0 {
				l.log.Debug("read again what late evidence needs", zap.Int("rows", rows))
			}
			return nil
		}
		if rows == 0 {
			if err := settled(); err != nil {
				return err
			}
		}
		rows += len(want)
		byPartition := map[int32][]string{}
		for _, k := range want {
			byPartition[k.Partition] = append(byPartition[k.Partition], k.Key)
		}
		for _, partition := range slices.Sorted(maps.Keys(byPartition)) {
			if err := l.recallKeys(ctx, h, owner(l.cfg.Group, partition), byPartition[partition]); err != nil {
				return fmt.Errorf("reading what batch %d of lane %s needs of the past: %w", h.last+1, l.name, err)
			}
		}
	}
}

// recallKeys gives the folder the rows that one owner has under these keys.
func (l *lane) recallKeys(ctx context.Context, h *hand, owner string, keys []string) error {
	open := rollup.Version{Epoch: l.epoch, Batch: h.last + 1}
	var rows []rollup.StateRow
	var newest uint64
	err := l.ask(ctx, func(asking context.Context) error {
		rows, newest = rows[:0], 0
		err := l.archive.Past(asking, owner, keys, func(r rollup.StateRow, version uint64) error {
			r.Value = slices.Clone(r.Value)
			rows, newest = append(rows, r), max(newest, version)
			return nil
		})
		if err == nil && len(rows) != len(keys) { // a table that was restored, or tampered with
			err = fmt.Errorf("tillstream.state has %d of %d rows of evidence that it was given; if that stays so, restore the table", len(rows), len(keys))
		}
		return err
	})
	if err != nil {
		return err
	}
	if newest >= open.Uint64() {
		return fmt.Errorf("the state in ClickHouse is of version %d, that of epoch %d, batch %d or later, already", newest, open.Epoch, open.Batch)
	}
	for _, r := range rows {
		if err := h.folder.tills.Recall(r); err != nil {
			return err
		}
	}
	return nil
}

// leave is the error with which folding ends: none if it was told to.
func leave(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
