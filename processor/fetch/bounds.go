package fetch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
	"go.uber.org/zap"

	"github.com/tillstream/tillstream/internal/wait"
)

// Bounds are the offsets of one partition.
type Bounds struct {
	Start  int64 // oldest that is kept
	End    int64 // after the last replicated record
	Stable int64 // after the last record of no open transaction
}

// Bounds asks the leaders for the bounds of partitions. It tries again until ctx ends; an *UnauthorizedError is for good.
func (f *Fetcher) Bounds(ctx context.Context, tps []TopicPartition) (map[TopicPartition]Bounds, error) {
	pause := f.cfg.MinBackoff
	var logged time.Time
	for {
		bounds, err := f.bounds(ctx, tps)
		if err == nil {
			return bounds, nil
		}
		if _, final := err.(*UnauthorizedError); final {
			return nil, err
		}
		if now := f.now(); now.Sub(logged) >= logEvery {
			logged = now
			f.log.Warn("asking for offsets is delayed", zap.Error(err))
		}
		if wait.For(ctx, pause) != nil {
			return nil, fmt.Errorf("asking for the offsets of %v: %w (the last try said: %w)", tps, context.Cause(ctx), err)
		}
		pause = min(2*pause, f.cfg.MaxBackoff)
	}
}

// bounds tries once.
func (f *Fetcher) bounds(ctx context.Context, tps []TopicPartition) (map[TopicPartition]Bounds, error) {
	ctx, cancel := context.WithTimeout(ctx, f.cfg.RequestTimeout)
	defer cancel()
	first, err := f.listOffsets(ctx, tps, kafka.FirstOffset, kafka.ReadUncommitted)
	if err != nil {
		return nil, err
	}
	last, err := f.listOffsets(ctx, tps, kafka.LastOffset, kafka.ReadUncommitted)
	if err != nil {
		return nil, err
	}
	stable, err := f.listOffsets(ctx, tps, kafka.LastOffset, kafka.ReadCommitted)
	if err != nil {
		return nil, err
	}
	bounds := make(map[TopicPartition]Bounds, len(tps))
	for _, tp := range tps {
		bounds[tp] = Bounds{Start: first[tp], End: max(last[tp], stable[tp]), Stable: stable[tp]}
	}
	return bounds, nil
}

func (f *Fetcher) listOffsets(ctx context.Context, tps []TopicPartition, which int64, level kafka.IsolationLevel) (map[TopicPartition]int64, error) {
	req := &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{}, IsolationLevel: level}
	for _, tp := range tps {
		req.Topics[tp.Topic] = append(req.Topics[tp.Topic], kafka.OffsetRequest{Partition: int(tp.Partition), Timestamp: which})
	}
	res, err := f.client.ListOffsets(ctx, req)
	if err != nil {
		return nil, err
	}
	offsets := make(map[TopicPartition]int64, len(tps))
	for topic, parts := range res.Topics {
		for _, p := range parts {
			tp := TopicPartition{topic, int32(p.Partition)}
			switch {
			case !slices.Contains(tps, tp):
				continue
			case p.Error == kafka.TopicAuthorizationFailed:
				return nil, &UnauthorizedError{tp, p.Error}
			case p.Error != nil:
				return nil, fmt.Errorf("asking for the offsets of %s: %w", tp, p.Error)
			}
			offsets[tp] = p.FirstOffset
			if which == kafka.LastOffset {
				offsets[tp] = p.LastOffset
			}
		}
	}
	for _, tp := range tps {
		if _, ok := offsets[tp]; !ok {
			return nil, fmt.Errorf("asking for the offsets of %s: no answer", tp)
		}
	}
	return offsets, nil
}

// Since asks for the first offset of a partition whose record has a time of at least so many ms since 1970; -1 if there is none.
func (f *Fetcher) Since(ctx context.Context, tp TopicPartition, ms int64) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, f.cfg.RequestTimeout)
	defer cancel()
	res, err := f.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{tp.Topic: {{Partition: int(tp.Partition), Timestamp: max(ms, 0)}}}, IsolationLevel: kafka.ReadCommitted,
	})
	if err != nil {
		return 0, fmt.Errorf("asking for an offset of %s: %w", tp, err)
	}
	for _, p := range res.Topics[tp.Topic] {
		if p.Error != nil {
			return 0, fmt.Errorf("asking for an offset of %s: %w", tp, p.Error)
		}
		for offset := range p.Offsets {
			return offset, nil
		}
	}
	return -1, nil
}
