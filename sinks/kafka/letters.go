package kafka

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"go.uber.org/zap"

	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/fetch"
)

// ReplayHeader is the name of the header that says which dead letter a record is: topic/partition/offset.
const ReplayHeader = "tillstream-replay"

// Letter is a dead letter as it lies in its topic.
type Letter struct {
	processor.DeadLetter
	Truncated bool // key, value or headers were cut
}

// ID names the record that the letter is about, as topic/partition/offset.
func (l *Letter) ID() string { return fmt.Sprintf("%s/%d/%d", l.Topic, l.Partition, l.Offset) }

// Read calls f for every letter that lies in the topic at this moment, repeats too, partition by partition or mixed. What is no letter is
// left out and counted.
func (d *DeadLetters) Read(ctx context.Context, log *zap.Logger, f func(Letter) error) (strange int, err error) {
	counts, err := partitionCounts(ctx, d.sender.client, []string{d.cfg.Topic})
	if err != nil {
		return 0, err
	}
	var tps []fetch.TopicPartition
	for p := range counts[d.cfg.Topic] {
		tps = append(tps, fetch.TopicPartition{Topic: d.cfg.Topic, Partition: int32(p)})
	}
	source := fetch.New(d.sender.client, fetch.Config{}, log)
	bounds, err := source.Bounds(ctx, tps)
	if err != nil {
		return 0, fmt.Errorf("asking for the ends of %s: %w", d.cfg.Topic, err)
	}
	at := make(map[fetch.TopicPartition]int64, len(tps))
	for tp, b := range bounds {
		if b.Start < b.Stable {
			at[tp] = b.Start
		}
	}
	walker := fetch.NewWalker()
	for len(at) > 0 {
		positions := make([]fetch.Position, 0, len(at))
		for tp, offset := range at {
			positions = append(positions, fetch.Position{TopicPartition: tp, Offset: offset})
		}
		chunks, err := source.Fetch(ctx, positions)
		var gone *fetch.OffsetOutOfRangeError
		switch {
		case errors.As(err, &gone): // retention was faster
			fresh, err := source.Bounds(ctx, tps)
			if err != nil {
				return strange, fmt.Errorf("asking for the ends of %s: %w", d.cfg.Topic, err)
			}
			for tp := range at {
				at[tp] = max(at[tp], fresh[tp].Start)
			}
		case err != nil:
			return strange, fmt.Errorf("reading %s: %w", d.cfg.Topic, err)
		}
		for i := range chunks {
			c := &chunks[i]
			to := bounds[c.TopicPartition].Stable
			next, err := walker.Walk(c, at[c.TopicPartition], to, func(r fetch.Record) error {
				l, ok := decode(r.Value)
				if !ok {
					strange++
					return nil
				}
				return f(l)
			})
			if err != nil {
				return strange, fmt.Errorf("reading %s: %w", d.cfg.Topic, err)
			}
			at[c.TopicPartition] = next
		}
		for tp, offset := range at {
			if offset >= bounds[tp].Stable {
				delete(at, tp)
			}
		}
	}
	return strange, nil
}

// Original reads the very record that a letter is about from its topic, if Kafka still has it: what the letter lacks is there. Card numbers are
// masked as in a letter.
func (d *DeadLetters) Original(ctx context.Context, log *zap.Logger, topic string, partition int32, offset int64) (l Letter, there bool, err error) {
	source, walker := fetch.New(d.sender.client, fetch.Config{}, log), fetch.NewWalker()
	tp := fetch.TopicPartition{Topic: topic, Partition: partition}
	counts, err := partitionCounts(ctx, d.sender.client, []string{topic})
	if err != nil || int(partition) >= counts[topic] {
		return l, false, err
	}
	bounds, err := source.Bounds(ctx, []fetch.TopicPartition{tp})
	if err != nil {
		return l, false, fmt.Errorf("asking for the ends of %s: %w", tp, err)
	}
	if b := bounds[tp]; offset < b.Start || offset >= b.Stable {
		return l, false, nil
	}
	for at := offset; at <= offset; {
		chunks, err := source.Fetch(ctx, []fetch.Position{{TopicPartition: tp, Offset: at}})
		var gone *fetch.OffsetOutOfRangeError
		switch {
		case errors.As(err, &gone):
			return l, false, nil
		case err != nil:
			return l, false, fmt.Errorf("reading offset %d of %s again: %w", offset, tp, err)
		}
		for i := range chunks {
			at, err = walker.Walk(&chunks[i], at, offset+1, func(r fetch.Record) error {
				there, l.Truncated = true, r.Cut > 0
				l.DeadLetter = processor.DeadLetter{
					Topic: topic, Partition: partition, Offset: offset, Timestamp: r.Timestamp, Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value), Headers: bytes.Clone(r.Headers),
				}
				l.Mask()
				return nil
			})
			if err != nil {
				return l, false, fmt.Errorf("reading offset %d of %s again: %w", offset, tp, err)
			}
		}
	}
	return l, there, nil
}

// decode reads what encode wrote. What it returns aliases nothing.
func decode(value []byte) (Letter, bool) {
	var in letter
	if err := json.Unmarshal(value, &in); err != nil || in.Topic == "" || in.Reason == "" {
		return Letter{}, false
	}
	l := Letter{Truncated: in.Truncated, DeadLetter: processor.DeadLetter{
		Topic: in.Topic, Partition: in.Partition, Offset: in.Offset, Timestamp: in.Timestamp, Reason: in.Reason, Field: in.Field, Expected: in.Expected,
		Key: in.KeyBase64, Value: in.EventBase64,
	}}
	if in.Key != nil {
		l.Key = []byte(*in.Key)
	}
	if in.Event != nil {
		l.Value = []byte(*in.Event)
	}
	headers := make([]fetch.Header, len(in.Headers))
	for i, h := range in.Headers {
		headers[i] = fetch.Header{Key: h.Key, Value: h.ValueBase64}
		if h.Value != nil {
			headers[i].Value = []byte(*h.Value)
		}
	}
	if len(headers) > 0 {
		l.Headers = fetch.NewHeaders(headers...)
	}
	return l, true
}

// SendAgain stores letters in the partitions they came from, with their key, headers and time and the header ReplayHeader, acknowledged by all replicas
// in sync. Those of one partition keep their order. Partition, not key: there the lane's memory of what it has seen is.
func (d *DeadLetters) SendAgain(ctx context.Context, letters []Letter) error {
	batches := map[target][]message{}
	for i := range letters {
		l := &letters[i]
		to := target{l.Topic, int(l.Partition)}
		headers := []kafka.Header{{Key: ReplayHeader, Value: []byte(l.ID())}}
		for key, value := range l.Headers.All {
			if key != ReplayHeader { // of a replay before
				headers = append(headers, kafka.Header{Key: key, Value: value})
			}
		}
		batches[to] = append(batches[to], message{topic: l.Topic, key: l.Key, value: l.Value, time: time.UnixMilli(l.Timestamp), headers: headers})
	}
	return d.sender.sendTo(ctx, batches)
}

// Stamped says whether a topic's records get the time at which the broker takes them (LogAppendTime), whatever the sender says.
func Stamped(ctx context.Context, client *kafka.Client, topic string) (bool, error) {
	const name = "message.timestamp.type"
	res, err := client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{
		Resources: []kafka.DescribeConfigRequestResource{{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{name}}},
	})
	if err != nil {
		return false, fmt.Errorf("asking for %s of topic %s: %w", name, topic, explain(client, err))
	}
	for _, r := range res.Resources {
		switch {
		case errors.Is(r.Error, kafka.TopicAuthorizationFailed):
			return false, fmt.Errorf("the settings of topic %s may not be read: grant the user of kafka.sasl the operation DescribeConfigs on it: %w", topic, r.Error)
		case errors.Is(r.Error, kafka.UnknownTopicOrPartition):
			return false, fmt.Errorf("topic %s, where a dead letter came from, does not exist any more: choose others with --topic: %w", topic, r.Error)
		case r.Error != nil:
			return false, fmt.Errorf("asking for %s of topic %s: %w", name, topic, r.Error)
		}
		for _, e := range r.ConfigEntries {
			if e.ConfigName == name {
				return e.ConfigValue == "LogAppendTime", nil
			}
		}
	}
	return false, nil
}
