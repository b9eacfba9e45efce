package processor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/tillstream/tillstream/processor/commit"
	"github.com/tillstream/tillstream/processor/fetch"
)

// Positions are offsets by partition.
type Positions map[commit.TopicPartition]int64

// Refold folds once more what a stream has read from one place until exactly another, into deps.Sink, and returns when all of it is
// written. The lanes are those of the stream and its epoch, but the group knows nothing of it: offsets are kept in memory, and dead letters
// are listed in the sink and sent nowhere. Of deps it takes Source, Sink, Archive, Forgotten, Schemas, Now and Log.
func Refold(ctx context.Context, cfg Config, deps Deps, stream Stream, from, until Positions) error {
	byLane := map[int][]fetch.TopicPartition{}
	for tp := range until {
		n := int(tp.Partition) % stream.Lanes
		byLane[n] = append(byLane[n], fetch.TopicPartition(tp))
	}
	metrics, fingerprint := newMetrics(prometheus.NewRegistry()), cfg.Fingerprint()
	g, gctx := errgroup.WithContext(ctx)
	for n, tps := range byLane {
		offsets := &ownOffsets{committed: map[commit.TopicPartition]commit.Committed{}, until: map[commit.TopicPartition]int64{}, done: make(chan struct{})}
		for _, tp := range tps {
			if at := commit.TopicPartition(tp); from[at] < until[at] {
				offsets.until[at] = until[at]
			}
		}
		if len(offsets.until) == 0 {
			continue
		}
		name := fmt.Sprintf("%s/%d", cfg.Group, n)
		l := &lane{
			name: name, cluster: stream.Cluster, epoch: stream.Epoch, tps: tps, cfg: &cfg, fingerprint: fingerprint, share: cfg.share(stream.Lanes),
			source: &section{deps.Source, from, until}, until: until, offsets: offsets, sink: deps.Sink, archive: deps.Archive, listed: deps.Forgotten, writers: deps.Schemas, letters: nowhere{}, now: deps.Now,
			log: deps.Log.With(zap.String("lane", name)), report: newLaneReport(n, name, metrics), hand: &handle{},
			origin: func(_ fetch.TopicPartition, b fetch.Bounds) int64 { return b.Start },
		}
		g.Go(func() error {
			laneCtx, cancel := context.WithCancel(gctx)
			defer cancel()
			stop := make(chan struct{})
			go func() {
				defer close(stop)
				select {
				case <-offsets.done:
					cancel()
				case <-laneCtx.Done():
				}
			}()
			err := l.run(laneCtx)
			cancel()
			<-stop
			select {
			case <-offsets.done:
				return nil
			default:
			}
			if err == nil {
				err = context.Cause(gctx)
			}
			return fmt.Errorf("folding lane %s again: %w", name, err)
		})
	}
	return g.Wait()
}

// section is a part of the log: nothing comes after it.
type section struct {
	Source
	from, until Positions
}

func (s *section) Fetch(ctx context.Context, at []fetch.Position) ([]fetch.Chunk, error) {
	at = slices.DeleteFunc(slices.Clone(at), func(p fetch.Position) bool { return p.Offset >= s.until[commit.TopicPartition(p.TopicPartition)] })
	if len(at) == 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.Source.Fetch(ctx, at)
}

func (s *section) Bounds(_ context.Context, tps []fetch.TopicPartition) (map[fetch.TopicPartition]fetch.Bounds, error) {
	bounds := make(map[fetch.TopicPartition]fetch.Bounds, len(tps))
	for _, tp := range tps {
		at := commit.TopicPartition(tp)
		bounds[tp] = fetch.Bounds{Start: s.from[at], Stable: s.until[at]}
	}
	return bounds, nil
}

// ownOffsets are the offsets of a group of one, which ends when all partitions have come to where they should.
type ownOffsets struct {
	mu        sync.Mutex
	committed map[commit.TopicPartition]commit.Committed
	until     map[commit.TopicPartition]int64 // of those that are not there yet
	done      chan struct{}
}

func (o *ownOffsets) Committed(_ context.Context, tps []commit.TopicPartition) (map[commit.TopicPartition]commit.Committed, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := make(map[commit.TopicPartition]commit.Committed, len(tps))
	for _, tp := range tps {
		out[tp] = commit.Committed{Offset: -1}
		if c, ok := o.committed[tp]; ok {
			out[tp] = c
		}
	}
	return out, nil
}

func (o *ownOffsets) Commit(_ context.Context, entries map[commit.TopicPartition]commit.Committed) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	maps.Copy(o.committed, entries)
	ended := len(o.until) == 0
	for tp, c := range entries {
		if end, waiting := o.until[tp]; waiting && c.Offset >= end {
			delete(o.until, tp)
		}
	}
	if !ended && len(o.until) == 0 {
		close(o.done)
	}
	return nil
}

// nowhere takes dead letters that were sent before.
type nowhere struct{}

func (nowhere) Send(context.Context, []DeadLetter) error { return nil }
