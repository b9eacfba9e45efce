package clickhouse

import (
	"context"
	"slices"
	"strings"

	"github.com/tillstream/tillstream/processor/commit"
)

// boundaries follows partitions from epoch to epoch: where one ends the next begins, or a loss on record says why not.
type boundaries struct {
	epochs map[string][]Stream // by group, ascending
	losses map[string]map[uint64]map[commit.TopicPartition]Loss
	wrong  func(lane string, r commit.Range, problem string, args ...any)

	group string
	tp    commit.TopicPartition
	epoch uint64 // up to which tp was followed
	end   int64
	known bool // end is
}

func (a *audit) boundaries(ctx context.Context, wrong func(string, commit.Range, string, ...any)) (*boundaries, error) {
	b := &boundaries{epochs: map[string][]Stream{}, losses: map[string]map[uint64]map[commit.TopicPartition]Loss{}, wrong: wrong}
	all, err := a.sink.epochs(ctx)
	if err != nil {
		return nil, err
	}
	for _, e := range all {
		b.epochs[e.Group] = append(b.epochs[e.Group], e)
	}
	if a.report.Losses, err = a.sink.Losses(ctx, ""); err != nil {
		return nil, err
	}
	for _, l := range a.report.Losses {
		if b.losses[l.Group] == nil {
			b.losses[l.Group] = map[uint64]map[commit.TopicPartition]Loss{}
		}
		if b.losses[l.Group][l.Epoch] == nil {
			b.losses[l.Group][l.Epoch] = map[commit.TopicPartition]Loss{}
		}
		b.losses[l.Group][l.Epoch][l.TopicPartition] = l
	}
	return b, nil
}

// newest is a group's newest epoch, 0 if nothing is known of it.
func (b *boundaries) newest(group string) uint64 {
	if n := len(b.epochs[group]); n > 0 {
		return b.epochs[group][n-1].Epoch
	}
	return 0
}

// pages says that the ledger holds [from,to) of a partition in an epoch. Calls come by group, partition and epoch.
func (b *boundaries) pages(group, lane string, epoch uint64, r commit.Range) {
	if b.group != group || b.tp != r.TopicPartition {
		b.finish()
		b.group, b.tp, b.epoch, b.known = group, r.TopicPartition, 0, false
	}
	b.follow(lane, epoch)
	if b.known && b.end != r.From {
		b.jump(lane, epoch, r.From)
	}
	b.end, b.known = r.To, true
}

// finish follows the last partition to the newest epoch, which may have no pages of it.
func (b *boundaries) finish() {
	if b.group != "" {
		b.follow("", b.newest(b.group))
	}
}

// follow passes the beginnings of epochs up to one.
func (b *boundaries) follow(lane string, to uint64) {
	for _, e := range b.epochs[b.group] {
		if e.Epoch <= b.epoch || e.Epoch > to {
			continue
		}
		start, named := e.Start[b.tp]
		if !named {
			b.known = false // read from wherever the log begins
			continue
		}
		// A batch that was written in part may have its pages in the ledger and count as lost all the same.
		if l, ok := b.losses[b.group][e.Epoch][b.tp]; ok {
			switch {
			case l.To <= l.From: // made anew
				b.end = start
			case l.From <= b.end && b.end <= l.To:
				b.end = l.To
			}
		}
		if b.known && b.end != start {
			b.jump(lane, e.Epoch, start)
		}
		b.end, b.known = start, true
	}
	b.epoch = max(b.epoch, to)
}

func (b *boundaries) jump(lane string, epoch uint64, to int64) {
	r := commit.Range{TopicPartition: b.tp, From: min(b.end, to), To: max(b.end, to)}
	if to > b.end {
		b.wrong(lane, r, "epoch %d goes on at offset %d of %s, all before ended at %d, and no loss is on record", epoch, to, b.tp, b.end)
	} else {
		b.wrong(lane, r, "epoch %d goes back to offset %d of %s, of which all up to %d was folded before: it may count twice", epoch, to, b.tp, b.end)
	}
}

// remade are the partitions that were made anew: their offsets name several records.
func (r *Report) remade() []commit.TopicPartition {
	var tps []commit.TopicPartition
	for _, l := range r.Losses {
		if l.To <= l.From && !slices.Contains(tps, l.TopicPartition) {
			tps = append(tps, l.TopicPartition)
		}
	}
	return tps
}

// groupOf is the group of a lane "group/number".
func groupOf(lane string) string { return lane[:max(strings.LastIndexByte(lane, '/'), 0)] }
