package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/tillstream/tillstream/internal/wait"
)

// message is one record to send.
type message struct {
	topic      string
	key, value []byte
	time       time.Time
	headers    []kafka.Header
}

// target is where messages go.
type target struct {
	topic     string
	partition int
}

const (
	batchBytes     = 900_000 // uncompressed: below the brokers' default of 1 MiB whatever the data
	recordOverhead = 40      // at most, of a record without headers
	inFlight       = 8       // partitions written at the same time
	requestTimeout = 30 * time.Second
	minBackoff     = 100 * time.Millisecond
	maxBackoff     = 5 * time.Second
	logEvery       = 10 * time.Second
)

// sender sends messages with acks=all, in order within a partition. kafka-go has no idempotent producer: a request whose answer was
// lost is sent again, so a message may be stored twice. Readers of what is sent here drop repeats.
type sender struct {
	client *kafka.Client
	log    *zap.Logger
	now    func() time.Time
	create func(ctx context.Context) error // a topic that is not there; nil: it is waited for

	mu     sync.Mutex
	logged time.Time
}

func newSender(client *kafka.Client, log *zap.Logger) *sender {
	patient := *client
	patient.Timeout = requestTimeout // kafka-go tells the broker to wait for its followers half of it
	return &sender{client: &patient, log: log, now: time.Now}
}

// send returns when all messages are stored, or with an error that trying again does not cure, or ctx's.
func (s *sender) send(ctx context.Context, messages []message) error {
	partitions := map[string][]int{}
	batches := map[target][]message{}
	for _, m := range messages {
		ids := partitions[m.topic]
		if ids == nil {
			var err error
			if ids, err = s.partitions(ctx, m.topic); err != nil {
				return err
			}
			partitions[m.topic] = ids
		}
		// Consistent: also without a key. The partition is that of Kafka's own Java client.
		to := target{m.topic, kafka.Murmur2Balancer{Consistent: true}.Balance(kafka.Message{Key: m.key}, ids...)}
		batches[to] = append(batches[to], m)
	}
	return s.sendTo(ctx, batches)
}

// sendTo is send for messages whose partition is known.
func (s *sender) sendTo(ctx context.Context, batches map[target][]message) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(inFlight)
	for to, all := range batches {
		g.Go(func() error {
			for len(all) > 0 {
				n, bytes := 0, 0
				for n < len(all) && (n == 0 || bytes+size(all[n]) <= batchBytes) {
					bytes += size(all[n])
					n++
				}
				if err := s.produce(ctx, to.topic, to.partition, all[:n]); err != nil {
					return err
				}
				all = all[n:]
			}
			return nil
		})
	}
	return g.Wait()
}

func size(m message) int {
	n := len(m.key) + len(m.value) + recordOverhead
	for _, h := range m.headers {
		n += len(h.Key) + len(h.Value) + recordOverhead
	}
	return n
}

// partitions waits for a topic that is not there yet.
func (s *sender) partitions(ctx context.Context, topic string) (ids []int, err error) {
	err = s.retry(ctx, topic, func() error {
		meta, err := s.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
		if err != nil {
			return err
		}
		for _, t := range meta.Topics {
			if t.Error != nil {
				return t.Error
			}
			for i := range t.Partitions {
				ids = append(ids, i)
			}
		}
		if len(ids) == 0 {
			return kafka.UnknownTopicOrPartition
		}
		return nil
	})
	return ids, err
}

func (s *sender) produce(ctx context.Context, topic string, partition int, batch []message) error {
	return s.retry(ctx, topic, func() error {
		records := make([]kafka.Record, len(batch))
		for i, m := range batch {
			records[i] = kafka.Record{Time: m.time, Key: kafka.NewBytes(m.key), Value: kafka.NewBytes(m.value), Headers: m.headers}
		}
		res, err := s.client.Produce(ctx, &kafka.ProduceRequest{
			Topic: topic, Partition: partition, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...), Compression: kafka.Lz4,
		})
		if err != nil {
			return err
		}
		return res.Error
	})
}

// retry repeats what fails for now, until ctx ends.
func (s *sender) retry(ctx context.Context, topic string, do func() error) error {
	pause := minBackoff
	for times := 1; ; times++ {
		err := do()
		if err == nil {
			return nil
		}
		var code kafka.Error
		switch known := errors.As(err, &code); {
		case s.create != nil && (code == kafka.UnknownTopicOrPartition || errors.Is(err, protocol.ErrNoTopic)): // by a broker, by kafka-go's memory
			if err := s.create(ctx); err != nil {
				return err
			}
		case known && !code.Temporary():
			return refused(topic, code, err)
		}
		s.delayed(topic, times, err)
		if wait.For(ctx, pause) != nil {
			return fmt.Errorf("writing to topic %s: %w (the last try said: %w)", topic, context.Cause(ctx), explain(s.client, err))
		}
		pause = min(2*pause, maxBackoff)
	}
}

// delayed logs trouble that lasts (that of a leader which is not elected yet does not), at a bounded rate for all partitions together.
func (s *sender) delayed(topic string, times int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.now(); times >= 3 && now.Sub(s.logged) >= logEvery {
		s.logged = now
		s.log.Warn("writing to a topic is delayed", zap.String("topic", topic), zap.Int("times", times), zap.Error(err))
	}
}

func refused(topic string, code kafka.Error, err error) error {
	switch code {
	case kafka.TopicAuthorizationFailed, kafka.ClusterAuthorizationFailed:
		return fmt.Errorf("writing to topic %s is not allowed: grant the user of kafka.sasl the operations Write and Describe on it: %w", topic, err)
	case kafka.MessageSizeTooLarge, kafka.RecordListTooLarge:
		return fmt.Errorf("topic %s does not take messages of this size: raise its max.message.bytes to 1048588 or more: %w", topic, err)
	}
	return fmt.Errorf("writing to topic %s: %w", topic, err)
}
