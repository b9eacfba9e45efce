package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"go.uber.org/zap"
)

func startTestBroker(t *testing.T, cfg BrokerConfig) *Broker {
	t.Helper()
	cfg.Log = zap.NewNop()
	b, err := StartBroker(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func kafkaClient(t *testing.T, addr string) *kafka.Client {
	t.Helper()
	transport := &kafka.Transport{DialTimeout: patience}
	t.Cleanup(transport.CloseIdleConnections)
	return &kafka.Client{Addr: kafka.TCP(addr), Transport: transport, Timeout: patience}
}

func createTopic(t *testing.T, c *kafka.Client, name string, config ...kafka.ConfigEntry) {
	t.Helper()
	res, err := c.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: name, NumPartitions: 1, ReplicationFactor: 1, ConfigEntries: config}}})
	if err != nil || res.Errors[name] != nil {
		t.Fatal(err, res)
	}
}

func writer(c *kafka.Client, topic string) *kafka.Writer {
	return &kafka.Writer{Addr: c.Addr, Topic: topic, Transport: c.Transport, RequiredAcks: kafka.RequireAll, BatchTimeout: time.Millisecond}
}

// commit stores an offset with metadata, as the member of a generation, and returns the partition's error.
func commit(t *testing.T, c *kafka.Client, generation int, member string, offset int64, metadata string) error {
	t.Helper()
	res, err := c.OffsetCommit(t.Context(), &kafka.OffsetCommitRequest{
		GroupID: "g", GenerationID: generation, MemberID: member,
		Topics: map[string][]kafka.OffsetCommit{"t": {{Offset: offset, Metadata: metadata}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return res.Topics["t"][0].Error
}

func committed(t *testing.T, c *kafka.Client) (offset int64, metadata string) {
	t.Helper()
	res, err := c.OffsetFetch(t.Context(), &kafka.OffsetFetchRequest{GroupID: "g", Topics: map[string][]int{"t": {0}}})
	if err != nil || res.Error != nil || len(res.Topics["t"]) != 1 {
		t.Fatal(err, res)
	}
	return res.Topics["t"][0].CommittedOffset, res.Topics["t"][0].Metadata
}

// read reads n messages from the beginning.
func read(t *testing.T, c *kafka.Client, n int64) (messages []kafka.Message) {
	t.Helper()
	for offset := int64(0); offset < n; {
		res, err := c.Fetch(t.Context(), &kafka.FetchRequest{Topic: "t", Partition: 0, Offset: offset, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: time.Second})
		if err != nil || res.Error != nil {
			t.Fatal(err, res)
		}
		for {
			rec, err := res.Records.ReadRecord()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			value, err := kafka.ReadAll(rec.Value)
			if err != nil {
				t.Fatal(err)
			}
			messages = append(messages, kafka.Message{Offset: rec.Offset, Value: value, Time: rec.Time})
			offset = rec.Offset + 1
		}
	}
	return messages
}

func TestBrokerKeepsEverythingWhenClosed(t *testing.T) {
	dir := t.TempDir()
	b := startTestBroker(t, BrokerConfig{Dir: dir, Topics: []string{"t"}, Partitions: 3})
	c := kafkaClient(t, b.Addrs()[0])
	w := writer(c, "t")
	w.Balancer = kafka.BalancerFunc(func(kafka.Message, ...int) int { return 0 })
	if err := errors.Join(w.WriteMessages(t.Context(), kafka.Message{Value: []byte("kept")}), w.Close(), commit(t, c, -1, "", 1, "intent")); err != nil {
		t.Fatal(err)
	}
	before, err := c.Metadata(t.Context(), &kafka.MetadataRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := StartBroker(BrokerConfig{Dir: dir, Log: zap.NewNop()}); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "--data") {
		t.Errorf("a second broker on the directory: %v", err)
	}
	b.Close()

	b = startTestBroker(t, BrokerConfig{Dir: dir, Topics: []string{"t"}, Partitions: 5})
	c = kafkaClient(t, b.Addrs()[0])
	after, err := c.Metadata(t.Context(), &kafka.MetadataRequest{})
	if err != nil || after.ClusterID != before.ClusterID || len(after.Topics) != 1 || len(after.Topics[0].Partitions) != 3 {
		t.Errorf("before %+v, after %+v, %v", before, after, err)
	}
	if offset, metadata := committed(t, c); offset != 1 || metadata != "intent" {
		t.Errorf("committed %d %q", offset, metadata)
	}
	if got := read(t, c, 1); string(got[0].Value) != "kept" {
		t.Errorf("read %q", got[0].Value)
	}
}

// A killed broker has every message and every commit that it acknowledged, and goes on from there.
func TestBrokerKeepsWhatItAcknowledgedWhenKilled(t *testing.T) {
	dir := t.TempDir()
	for round := range 3 {
		addr, kill := helper(t, asBroker, dir)
		c := kafkaClient(t, addr)
		if round == 0 {
			createTopic(t, c, "t")
		}
		var acknowledged atomic.Int64
		enough, done := make(chan struct{}), make(chan struct{})
		go func() { // writes and commits until the broker is gone
			defer close(done)
			w := writer(c, "t")
			w.MaxAttempts = 1
			defer w.Close()
			for n := int64(0); ; n++ {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				err := w.WriteMessages(ctx, kafka.Message{Value: fmt.Appendf(nil, "%d/%d", round, n)})
				if err == nil {
					_, err = c.OffsetCommit(ctx, &kafka.OffsetCommitRequest{GroupID: "g", GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{
						"t": {{Offset: n + 1, Metadata: fmt.Sprintf("%d/%d", round, n)}},
					}})
				}
				cancel()
				if err != nil {
					return
				}
				if acknowledged.Add(1) == 100 {
					close(enough)
				}
			}
		}()
		select {
		case <-enough:
		case <-done:
			t.Fatalf("the broker was gone after %d messages", acknowledged.Load())
		}
		kill()
		<-done

		b := startTestBroker(t, BrokerConfig{Dir: dir})
		c = kafkaClient(t, b.Addrs()[0])
		n := acknowledged.Load()
		if offset, metadata := committed(t, c); offset < n || metadata != fmt.Sprintf("%d/%d", round, offset-1) {
			t.Errorf("round %d: committed %d %q, acknowledged was %d", round, offset, metadata, n)
		}
		ends, err := c.ListOffsets(t.Context(), &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{"t": {kafka.LastOffsetOf(0)}}})
		if err != nil {
			t.Fatal(err)
		}
		kept := map[string]int{}
		for _, m := range read(t, c, ends.Topics["t"][0].LastOffset) {
			kept[string(m.Value)]++
		}
		for i := range n {
			if kept[fmt.Sprintf("%d/%d", round, i)] != 1 {
				t.Errorf("round %d: message %d of %d is there %d times", round, i, n, kept[fmt.Sprintf("%d/%d", round, i)])
			}
		}
		b.Close()
	}
}

// join makes a member of group g and returns its generation.
func join(t *testing.T, addr string) (*kafka.ConsumerGroup, *kafka.Generation) {
	t.Helper()
	g, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: "g", Brokers: []string{addr}, Topics: []string{"t"}, SessionTimeout: patience, HeartbeatInterval: 100 * time.Millisecond,
		RebalanceTimeout: 2 * time.Second, JoinGroupBackoff: 50 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	gen, err := g.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return g, gen
}

// What the commit protocol rests on: the generation fences commits, also across a restart of the broker.
func TestBrokerFencesGenerations(t *testing.T) {
	dir := t.TempDir()
	b := startTestBroker(t, BrokerConfig{Dir: dir, Topics: []string{"t"}, Partitions: 1})
	c := kafkaClient(t, b.Addrs()[0])
	g, gen := join(t, b.Addrs()[0])
	if err := commit(t, c, int(gen.ID), gen.MemberID, 5, "intent"); err != nil {
		t.Fatal(err)
	}
	if err := commit(t, c, int(gen.ID)-1, gen.MemberID, 6, "stale"); !errors.Is(err, kafka.IllegalGeneration) {
		t.Errorf("a stale generation's commit gave %v", err)
	}
	if err := commit(t, c, int(gen.ID), "nobody", 6, "stale"); !errors.Is(err, kafka.UnknownMemberId) {
		t.Errorf("an unknown member's commit gave %v", err)
	}
	first := gen.ID
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	b.Close()

	b = startTestBroker(t, BrokerConfig{Dir: dir})
	c = kafkaClient(t, b.Addrs()[0])
	g, gen = join(t, b.Addrs()[0])
	defer g.Close()
	if gen.ID <= first {
		t.Errorf("generation %d after %d: one of before the restart would pass", gen.ID, first)
	}
	if offset, metadata := committed(t, c); offset != 5 || metadata != "intent" {
		t.Errorf("committed %d %q", offset, metadata)
	}
}

// Events of years ago stay. That kfake does not know LogAppendTime as a topic's setting is said in doc.go; if it learns it, this fails.
func TestBrokerKeepsOldEventsAndTheirTime(t *testing.T) {
	for _, kind := range []string{"CreateTime", "LogAppendTime"} {
		b := startTestBroker(t, BrokerConfig{Dir: t.TempDir()})
		c := kafkaClient(t, b.Addrs()[0])
		createTopic(t, c, "t", kafka.ConfigEntry{ConfigName: "message.timestamp.type", ConfigValue: kind})
		sent := time.UnixMilli(1_483_228_800_000) // 2017
		w := writer(c, "t")
		if err := errors.Join(w.WriteMessages(t.Context(), kafka.Message{Value: []byte("old"), Time: sent}), w.Close()); err != nil {
			t.Fatal(err)
		}
		b.cluster.ApplyRetention()
		if got := read(t, c, 1); len(got) != 1 || !got[0].Time.Equal(sent) {
			t.Errorf("%s: read %+v", kind, got)
		}
	}
}
