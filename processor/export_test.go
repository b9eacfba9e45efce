package processor

import (
	"time"

	"github.com/tillstream/tillstream/processor/correction"
	"github.com/tillstream/tillstream/processor/rollup"
)

// Core is the pure core of a lane, for tests that need more of the house than this package may import.
type Core struct{ *folder }

func NewCore(cfg *Config) Core { return Core{newFolder(cfg, nil)} }

// Answer folds the core's corrections, and gives it what it wants of the past, before Close.
func (c Core) Answer(row func(rollup.PastKey) rollup.StateRow) error {
	if err := c.Correct(); err != nil {
		return err
	}
	for {
		want := c.tills.Wants(10)
		if len(want) == 0 {
			return nil
		}
		for _, k := range want {
			if err := c.tills.Recall(row(k)); err != nil {
				return err
			}
		}
	}
}

// Close seals the open batch: its blocks, and that of the state.
func (c Core) Close(batch uint64) (blocks []*rollup.Block, state *rollup.Block) {
	b := c.Seal(rollup.Version{Epoch: 1, Batch: batch}, "lane", time.UnixMilli(0))
	return b.blocks, b.state
}

// Find sets who is asked for transactions of batches before.
func (c Core) Find(find correction.Finder) { c.corrections.Find(find) }
