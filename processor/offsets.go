package processor

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"

	"github.com/tillstream/tillstream/processor/commit"
)

// memberOffsets are the offsets of a group as one member of one generation commits them. kafka-go's Generation.CommitOffsets and
// Reader.CommitMessages would erase the metadata, and with it intents: Client.OffsetCommit is the only way used.
type memberOffsets struct {
	client     *kafka.Client
	group      string
	member     string
	generation int
}

func (o *memberOffsets) Committed(ctx context.Context, tps []commit.TopicPartition) (map[commit.TopicPartition]commit.Committed, error) {
	req := &kafka.OffsetFetchRequest{GroupID: o.group, Topics: map[string][]int{}}
	for _, tp := range tps {
		req.Topics[tp.Topic] = append(req.Topics[tp.Topic], int(tp.Partition))
	}
	res, err := o.client.OffsetFetch(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("fetching offsets of group %s: %w", o.group, err)
	}
	out := make(map[commit.TopicPartition]commit.Committed, len(tps))
	if errors.Is(res.Error, kafka.GroupIdNotFound) { // some brokers' way to say that it never committed
		for _, tp := range tps {
			out[tp] = commit.Committed{Offset: -1}
		}
		return out, nil
	}
	if res.Error != nil {
		return nil, fmt.Errorf("fetching offsets of group %s: %w", o.group, res.Error)
	}
	for topic, partitions := range res.Topics {
		for _, p := range partitions {
			if p.Error != nil {
				return nil, fmt.Errorf("fetching offset of %s:%d: %w", topic, p.Partition, p.Error)
			}
			out[commit.TopicPartition{Topic: topic, Partition: int32(p.Partition)}] = commit.Committed{Offset: p.CommittedOffset, Metadata: p.Metadata}
		}
	}
	if len(out) != len(tps) {
		return nil, fmt.Errorf("fetching offsets of group %s: asked for %d partitions, got %d", o.group, len(tps), len(out))
	}
	return out, nil
}

func (o *memberOffsets) Commit(ctx context.Context, entries map[commit.TopicPartition]commit.Committed) error {
	req := &kafka.OffsetCommitRequest{GroupID: o.group, MemberID: o.member, GenerationID: o.generation, Topics: map[string][]kafka.OffsetCommit{}}
	for tp, c := range entries {
		req.Topics[tp.Topic] = append(req.Topics[tp.Topic], kafka.OffsetCommit{Partition: int(tp.Partition), Offset: c.Offset, Metadata: c.Metadata})
	}
	res, err := o.client.OffsetCommit(ctx, req)
	if err != nil {
		return fmt.Errorf("committing offsets of group %s: %w", o.group, err)
	}
	taken := 0
	for topic, partitions := range res.Topics {
		for _, p := range partitions {
			// A stale generation is told here, not in err.
			switch {
			case p.Error == nil:
				taken++
			case errors.Is(p.Error, kafka.IllegalGeneration), errors.Is(p.Error, kafka.UnknownMemberId):
				return fmt.Errorf("committing offset of %s:%d: %w: %w", topic, p.Partition, ErrFenced, p.Error)
			default:
				return fmt.Errorf("committing offset of %s:%d: %w", topic, p.Partition, p.Error)
			}
		}
	}
	if taken != len(entries) {
		return fmt.Errorf("committing offsets of group %s: %d of %d partitions were acknowledged", o.group, taken, len(entries))
	}
	return nil
}
