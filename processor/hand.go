package processor

import (
	"slices"
	"time"

	"github.com/tillstream/tillstream/processor/align"
	"github.com/tillstream/tillstream/processor/commit"
	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/processor/rollup"
)

// hand is what a lane has in memory: the folder and the batches it has sealed that are not known to be written. It outlives a session and a
// generation, so that a lane that stays with its owner goes on where it was, without reading its state and its records again.
type hand struct {
	epoch   uint64
	tps     []fetch.TopicPartition
	folder  *folder
	last    uint64   // newest batch that was sealed
	sealed  []*batch // oldest first
	clocks  align.Clocks
	unknown map[int]time.Time // ids of schemas, and when the registry said last that it has none
	judged  commit.Unknown    // those of the open batch
	broken  bool              // the folder stopped inside a record batch: what it holds is not to be trusted
}

// seal closes the open batch.
func (h *hand) seal(l *lane) *batch {
	h.last++
	b := h.folder.Seal(rollup.Version{Epoch: l.epoch, Batch: h.last}, l.name, l.now())
	b.unknown, h.judged = h.judged, l.unjudged()
	h.sealed = append(h.sealed, b)
	return b
}

// wrote forgets batches that are written.
func (h *hand) wrote(number uint64) {
	h.sealed = slices.DeleteFunc(h.sealed, func(b *batch) bool { return b.version.Batch <= number })
}

// fits says whether the hand is where Kafka and ClickHouse say that the lane is. Another owner may have had the lane since: then its number of
// the last batch, or the offsets, are others.
func (h *hand) fits(l *lane, plan commit.Plan) bool {
	if h == nil || h.broken || h.epoch != l.epoch || len(h.tps) != len(l.tps) {
		return false
	}
	h.wrote(plan.Batch)
	if h.last != plan.Batch+uint64(len(h.sealed)) {
		return false
	}
	for _, tp := range l.tps {
		book := h.folder.books[tp]
		at, known := plan.Position[commit.TopicPartition(tp)]
		if book == nil || !known {
			return false
		}
		from := book.from
		if len(h.sealed) > 0 {
			from = h.sealed[0].from(commit.TopicPartition(tp))
		}
		if from != at {
			return false
		}
	}
	p := plan.Pending
	return p == nil || len(h.sealed) > 0 && slices.Equal(h.sealed[0].ranges, p.Ranges) && (p.Unknown == nil || p.Unknown.Equal(h.sealed[0].unknown))
}

// from is where the batch begins in a partition, -1 if it has nothing of it.
func (b *batch) from(tp commit.TopicPartition) int64 {
	for _, r := range b.ranges {
		if r.TopicPartition == tp {
			return r.From
		}
	}
	return -1
}

// written is where the newest written batch ended.
func (h *hand) written() []fetch.Position {
	at := make([]fetch.Position, len(h.tps))
	for i, tp := range h.tps {
		at[i] = fetch.Position{TopicPartition: tp, Offset: h.folder.books[tp].from}
		if len(h.sealed) > 0 {
			at[i].Offset = h.sealed[0].from(commit.TopicPartition(tp))
		}
	}
	return at
}

// handle keeps a lane's hand between its sessions.
type handle struct{ hand *hand }

func (k *handle) take() *hand {
	h := k.hand
	k.hand = nil
	return h
}

func (k *handle) keep(h *hand) { k.hand = h }
