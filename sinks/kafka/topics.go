package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/tillstream/tillstream/internal/wait"
)

// Creation says how a missing topic is created.
type Creation struct {
	Partitions  int `yaml:"partitions"`  // 0: as many as the group's other topics have, else the broker's default
	Replication int `yaml:"replication"` // copies; 0: the broker's default
	// Settings of the topic. message.timestamp.type is LogAppendTime unless set here: with the time of the event instead, Kafka's
	// retention would delete what tills send late.
	Settings map[string]string            `yaml:"settings"`
	Own      map[string]map[string]string `yaml:"own"` // settings of single topics, by name, which win over these
}

func (c Creation) entries(topic string) []kafka.ConfigEntry {
	all := map[string]string{"message.timestamp.type": "LogAppendTime"}
	maps.Copy(all, c.Settings)
	maps.Copy(all, c.Own[topic])
	var out []kafka.ConfigEntry
	for _, k := range slices.Sorted(maps.Keys(all)) {
		out = append(out, kafka.ConfigEntry{ConfigName: k, ConfigValue: all[k]})
	}
	return out
}

// EnsureTopics creates the topics that are missing and checks that all of them have the same number of partitions, since a store's
// events of all kinds must meet in one lane. It returns that number.
func EnsureTopics(ctx context.Context, client *kafka.Client, topics []string, missing Creation) (partitions int, err error) {
	counts, err := partitionCounts(ctx, client, topics)
	if err != nil {
		return 0, err
	}
	if n, err := SamePartitions(topics, counts); err != nil {
		return 0, err
	} else if n > 0 {
		missing.Partitions = n
	}
	absent := slices.DeleteFunc(slices.Clone(topics), func(t string) bool { return counts[t] > 0 })
	if len(absent) == 0 {
		return SamePartitions(topics, counts)
	}
	if err := create(ctx, client, absent, missing); err != nil {
		return 0, err
	}
	for { // the brokers learn of a new topic one after the other
		if counts, err = partitionCounts(ctx, client, topics); err != nil {
			return 0, err
		}
		if len(counts) == len(topics) {
			return SamePartitions(topics, counts)
		}
		if err := wait.For(ctx, 50*time.Millisecond); err != nil {
			return 0, fmt.Errorf("waiting for the topics %s to appear after their creation: %w", strings.Join(absent, ", "), err)
		}
	}
}

// attempts is how often the first question is asked: a wrong address or login is to be told soon.
const attempts = 3

// partitionCounts leaves out topics that do not exist.
func partitionCounts(ctx context.Context, client *kafka.Client, topics []string) (map[string]int, error) {
	meta, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: topics})
	for try := 1; err != nil && try < attempts && wait.For(ctx, minBackoff) == nil; try++ { // a connection was cut, or a broker was busy
		if t, ok := client.Transport.(*kafka.Transport); ok {
			t.CloseIdleConnections() // else kafka-go answers with the error that it has, until its metadata are due again
		}
		meta, err = client.Metadata(ctx, &kafka.MetadataRequest{Topics: topics})
	}
	if err != nil {
		return nil, fmt.Errorf("asking for the topics: %w", explain(client, err))
	}
	counts := map[string]int{}
	for _, t := range meta.Topics {
		n, err := partitionsOf(&t)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			counts[t.Name] = n
		}
	}
	return counts, nil
}

// partitionsOf is 0 if the topic does not exist.
func partitionsOf(t *kafka.Topic) (int, error) {
	switch {
	case t.Error == nil && len(t.Partitions) == 0:
		return 0, fmt.Errorf("topic %s has no partitions: its creation is not finished, or failed; wait, or delete it and start again", t.Name)
	case t.Error == nil:
		return len(t.Partitions), nil
	case errors.Is(t.Error, kafka.UnknownTopicOrPartition), errors.Is(t.Error, kafka.LeaderNotAvailable):
		return 0, nil
	case errors.Is(t.Error, kafka.TopicAuthorizationFailed):
		return 0, fmt.Errorf("topic %s may not be described: grant the user of kafka.sasl the operations Describe and Read on it: %w", t.Name, t.Error)
	default:
		return 0, fmt.Errorf("asking for topic %s: %w", t.Name, t.Error)
	}
}

// SamePartitions returns the number of partitions that all topics that exist have, 0 if none exists.
func SamePartitions(topics []string, counts map[string]int) (int, error) {
	most, least := "", ""
	for _, t := range topics {
		if counts[t] == 0 {
			continue
		}
		if most == "" || counts[t] > counts[most] {
			most = t
		}
		if least == "" || counts[t] < counts[least] {
			least = t
		}
	}
	if counts[most] != counts[least] {
		return 0, fmt.Errorf("topic %s has %d partitions and topic %s has %d, but the topics of a group must have the same number, so that all events of a store "+
			"meet: run kafka-topics.sh --alter --topic %s --partitions %d before the first start, or leave one of them out of kafka.topics",
			most, counts[most], least, counts[least], least, counts[most])
	}
	return counts[most], nil
}

func create(ctx context.Context, client *kafka.Client, topics []string, c Creation) error {
	req := &kafka.CreateTopicsRequest{}
	for _, t := range topics {
		req.Topics = append(req.Topics, kafka.TopicConfig{
			Topic: t, NumPartitions: orDefault(c.Partitions), ReplicationFactor: orDefault(c.Replication), ConfigEntries: c.entries(t),
		})
	}
	patient := *client
	patient.Timeout = requestTimeout // kafka-go tells the broker half of it
	res, err := patient.CreateTopics(ctx, req)
	if err != nil {
		return fmt.Errorf("creating the topics %s: %w", strings.Join(topics, ", "), explain(client, err))
	}
	for _, t := range topics {
		switch err := res.Errors[t]; {
		case err == nil, errors.Is(err, kafka.TopicAlreadyExists): // somebody else was faster
		case errors.Is(err, kafka.TopicAuthorizationFailed), errors.Is(err, kafka.ClusterAuthorizationFailed):
			return fmt.Errorf("topic %s is missing and may not be created: run kafka-topics.sh --create --topic %s --config message.timestamp.type=LogAppendTime "+
				"--partitions N, or grant the user of kafka.sasl the operation Create: %w", t, t, err)
		default:
			return fmt.Errorf("creating topic %s: %w", t, err)
		}
	}
	return nil
}

// orDefault is how the protocol asks for the broker's default.
func orDefault(n int) int {
	if n == 0 {
		return -1
	}
	return n
}
