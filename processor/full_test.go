package processor

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/tillstream/tillstream/processor/align"
	"github.com/tillstream/tillstream/processor/commit"
	"github.com/tillstream/tillstream/processor/fetch"
)

// chunkOf is one record batch of values that begins at an offset, a time in ms each, and has more behind it.
func chunkOf(tp fetch.TopicPartition, from int64, values [][]byte, at []int64) fetch.Chunk {
	var records []byte
	for i, v := range values {
		body := binary.AppendVarint([]byte{0}, at[i]-at[0]) // attributes, timestamp
		body = binary.AppendVarint(body, int64(i))
		body = binary.AppendVarint(body, -1)
		body = append(append(binary.AppendVarint(body, int64(len(v))), v...), 0)
		records = append(binary.AppendVarint(records, int64(len(body))), body...)
	}
	n := len(values)
	b := kmsg.RecordBatch{
		FirstOffset: from, Length: int32(49 + len(records)), Magic: 2, LastOffsetDelta: int32(n - 1), FirstTimestamp: at[0], MaxTimestamp: at[n-1], ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1,
		NumRecords: int32(n), Records: records,
	}
	b.CRC = int32(crc32.Checksum(b.AppendTo(nil)[21:], crc32.MakeTable(crc32.Castagnoli)))
	return fetch.Chunk{TopicPartition: tp, From: from, Data: b.AppendTo(nil), HighWatermark: math.MaxInt64, LastStableOffset: math.MaxInt64}
}

// laneOf is a lane of one partition, from its first offset on.
func laneOf(t *testing.T, cfg *Config, share int) (*lane, *hand) {
	l := &lane{
		name: "g/0", epoch: 1, cfg: cfg, share: share, tps: []fetch.TopicPartition{tp}, sink: &heldMarks{}, now: time.Now, log: zap.NewNop(),
		report: newLaneReport(0, "g/0", newMetrics(prometheus.NewRegistry())),
	}
	h, err := l.load(t.Context(), commit.Plan{})
	if err != nil {
		t.Fatal(err)
	}
	h.folder.Begin(tp, 0, true)
	return l, h
}

// fill has a lane fold chunks as fast as it can, while batches are written so slowly that it always has to wait. Each time it does it calls full, until that says that it is enough, and then
// has a batch written. It gives what the lane has in memory at the end.
func fill(t *testing.T, cfg *Config, share int, chunk func(from int64) fetch.Chunk, full func(h *hand) (enough bool)) (h *hand) {
	synctest.Test(t, func(t *testing.T) {
		var l *lane
		l, h = laneOf(t, cfg, share)
		order := align.New(time.Hour, align.Clocks{})
		order.Add(tp, 0, math.MaxInt64, math.MaxInt64, false)
		ctx, cancel := context.WithCancel(t.Context())
		asks, in, out := make(chan []fetch.Position, 1), make(chan fetched), make(chan *batch, 1)
		p := &progress{done: make(chan struct{}, 1)}
		go func() {
			for {
				select {
				case at := <-asks:
					select {
					case in <- fetched{chunks: []fetch.Chunk{chunk(at[0].Offset)}}:
					case <-ctx.Done():
						return
					}
				case <-ctx.Done():
					return
				}
			}
		}()
		ended := make(chan error)
		go func() { ended <- l.fold(ctx, h, order, asks, in, out, p) }()
		written := func(b *batch) {
			p.written.Store(b.version.Batch)
			p.queued.Add(-1)
			select {
			case p.done <- struct{}{}:
			default:
			}
		}
		for writing := <-out; ; writing = <-out {
			synctest.Wait()
			if full(h) {
				break
			}
			written(writing)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	})
	return h
}

// A lane whose batches are written slowly has one that is written, one that waits and one that is open, however much there is in a chunk.
func TestALaneThatWaitsHoldsItsShare(t *testing.T) {
	const share, chunk = 1 << 20, 1000
	cfg := benchConfig()
	cfg.BatchRecords = 1 << 30
	var values [][]byte
	var at []int64
	for _, r := range baskets(3 * chunk) {
		values, at = append(values, r.Value), append(at, r.Timestamp)
	}
	var ranges []commit.Range
	fill(t, cfg, share, func(from int64) fetch.Chunk { return chunkOf(tp, from, values[from:from+chunk], at[from:from+chunk]) }, func(h *hand) bool {
		if n := len(h.sealed); n != 2 {
			t.Errorf("%d batches are sealed", n)
		}
		if held := h.folder.held(); held < share || held > share+16*often {
			t.Errorf("the open batch holds %d of %d bytes", held, share)
		}
		for _, b := range h.sealed {
			if len(ranges) == 0 || b.ranges[0].From >= ranges[len(ranges)-1].To {
				ranges = append(ranges, b.ranges[0])
			}
		}
		return len(ranges) > 8
	})
	if from := ranges[0].From; from != 0 || ranges[0].To >= chunk/2 {
		t.Errorf("the first batch has %v, and a chunk has %d", ranges[0], chunk)
	}
	for i, r := range ranges[1:] {
		if r.From != ranges[i].To {
			t.Errorf("a batch ends at %d, the next begins at %d", ranges[i].To, r.From)
		}
	}
}
