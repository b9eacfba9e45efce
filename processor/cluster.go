package processor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/tillstream/tillstream/internal/wait"
	"github.com/tillstream/tillstream/processor/commit"
	"github.com/tillstream/tillstream/processor/fetch"
)

// Cluster is Kafka, by way of kafka-go.
type Cluster struct {
	Client  *kafka.Client
	Dialer  *kafka.Dialer
	Brokers []string
}

// Topics implements Kafka.
func (c *Cluster) Topics(ctx context.Context, topics []string) (string, map[string]int, error) {
	meta, err := c.Client.Metadata(ctx, &kafka.MetadataRequest{Topics: topics})
	if err != nil {
		return "", nil, err
	}
	partitions := make(map[string]int, len(topics))
	for _, t := range meta.Topics {
		if t.Error != nil {
			return "", nil, fmt.Errorf("topic %s: %w", t.Name, t.Error)
		}
		partitions[t.Name] = len(t.Partitions)
	}
	return meta.ClusterID, partitions, nil
}

// Join implements Kafka.
func (c *Cluster) Join(cfg *Config, balancer kafka.GroupBalancer) (Group, error) {
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: cfg.Group, Brokers: c.Brokers, Dialer: c.Dialer, Topics: cfg.Topics, GroupBalancers: []kafka.GroupBalancer{balancer},
		HeartbeatInterval: cfg.Heartbeat, SessionTimeout: cfg.SessionTimeout, RebalanceTimeout: cfg.RebalanceTimeout,
		JoinGroupBackoff: time.Second, StartOffset: kafka.FirstOffset,
	})
	if err != nil {
		return nil, err
	}
	return &membership{group, c.Client, cfg.Topics}, nil
}

// Outside implements Kafka.
func (c *Cluster) Outside(group string) Outsider {
	return &outsider{memberOffsets{client: c.Client, group: group, generation: -1}}
}

type outsider struct{ memberOffsets }

// Members implements Outsider.
func (o *outsider) Members(ctx context.Context) ([]string, error) {
	res, err := o.client.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{o.group}})
	if err != nil {
		return nil, err
	}
	var members []string
	for _, g := range res.Groups {
		for _, m := range g.Members {
			members = append(members, m.ClientID+" at "+m.ClientHost)
		}
		switch {
		case len(members) > 0, g.GroupState == "Empty", g.GroupState == "Dead", errors.Is(g.Error, kafka.GroupIdNotFound):
		case g.Error != nil:
			return nil, g.Error
		default:
			members = append(members, "its state is "+g.GroupState)
		}
	}
	slices.Sort(members)
	return members, nil
}

type membership struct {
	*kafka.ConsumerGroup
	client *kafka.Client
	topics []string
}

// Next implements Group.
func (m *membership) Next(ctx context.Context) (Generation, error) {
	gen, err := m.ConsumerGroup.Next(ctx)
	if err != nil {
		return Generation{}, err
	}
	var tps []fetch.TopicPartition
	for topic, assigned := range gen.Assignments {
		for _, a := range assigned {
			tps = append(tps, fetch.TopicPartition{Topic: topic, Partition: int32(a.ID)})
		}
	}
	offsets := &memberOffsets{client: m.client, group: gen.GroupID, member: gen.MemberID, generation: int(gen.ID)}
	gen.Start(m.watch)
	return Generation{ID: gen.ID, Assigned: tps, Offsets: offsets, Start: gen.Start}, nil
}

// watchEvery is how often a member looks whether partitions were added.
const watchEvery = 5 * time.Second

// watch returns, which ends the generation, when a topic has got other partitions, so that these are assigned. One that is gone is no reason: kafka-go's own watch ends generation
// after generation for it, and lets brokers that make topics unasked make it anew.
func (m *membership) watch(ctx context.Context) {
	var had map[string]int
	for {
		if meta, err := m.client.Metadata(ctx, &kafka.MetadataRequest{Topics: m.topics}); err == nil {
			now := map[string]int{}
			for _, t := range meta.Topics {
				if t.Error == nil {
					now[t.Name] = len(t.Partitions)
				}
			}
			if had == nil {
				had = now
			}
			for topic, n := range now {
				if n != had[topic] {
					return
				}
			}
		}
		if wait.For(ctx, watchEvery) != nil {
			return
		}
	}
}

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
		return fmt.Errorf("committing offsets of group %s: %w: %w", o.group, ErrUnacknowledged, err)
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
