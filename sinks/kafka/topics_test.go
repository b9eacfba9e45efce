package kafka

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/alert"
)

func TestEnsureTopics(t *testing.T) {
	ctx := testContext(t)
	c := startCluster(t, kfake.SeedTopics(6, "pos.transactions"), kfake.SeedTopics(4, "pos.orders"), kfake.DefaultNumPartitions(7))
	client, _ := newClient(t, Config{Brokers: c.ListenAddrs()})

	// missing topics get as many partitions as those that are there
	n, err := EnsureTopics(ctx, client, []string{"pos.transactions", "pos.health", "pos.incidents"}, Creation{Partitions: 3, Settings: map[string]string{"retention.ms": "86400000"}})
	if err != nil || n != 6 {
		t.Fatal(n, err)
	}
	for _, topic := range []string{"pos.health", "pos.incidents"} {
		info := c.TopicInfo(topic)
		if info == nil || len(c.PartitionInfos(topic)) != 6 || *info.Configs["message.timestamp.type"] != "LogAppendTime" || *info.Configs["retention.ms"] != "86400000" {
			t.Fatalf("%s was created as %+v", topic, info)
		}
	}
	for creation, want := range map[*Creation]int{{Partitions: 3, Replication: 1}: 3, {}: 7} {
		topics := []string{"a", "b"}
		for i := range topics {
			topics[i] += strings.Repeat("x", want)
		}
		for range 2 { // the second time all is there
			if n, err := EnsureTopics(ctx, client, topics, *creation); err != nil || n != want {
				t.Fatal(n, err)
			}
		}
	}

	_, err = EnsureTopics(ctx, client, []string{"pos.health", "pos.orders", "pos.new"}, Creation{})
	want := "topic pos.health has 6 partitions and topic pos.orders has 4, but the topics of a group must have the same number, so that all events of a store " +
		"meet: run kafka-topics.sh --alter --topic pos.orders --partitions 6 before the first start, or leave one of them out of kafka.topics"
	if err == nil || err.Error() != want {
		t.Fatal(err)
	}
	if c.TopicInfo("pos.new") != nil {
		t.Fatal("a topic was created for a group that cannot be")
	}
	creation := Creation{Partitions: 6, Settings: map[string]string{"retention.ms": "1"}, Own: map[string]map[string]string{"pos.registry": {"cleanup.policy": "compact", "retention.ms": "2"}}}
	if _, err := EnsureTopics(ctx, client, []string{"pos.registry", "pos.more"}, creation); err != nil {
		t.Fatal(err)
	}
	more, registry := c.TopicInfo("pos.more").Configs, c.TopicInfo("pos.registry").Configs
	if *registry["cleanup.policy"] != "compact" || *registry["retention.ms"] != "2" || *registry["message.timestamp.type"] != "LogAppendTime" || more["cleanup.policy"] != nil || *more["retention.ms"] != "1" {
		t.Fatal(registry, more)
	}
	overridden, err := EnsureTopics(ctx, client, []string{"own"}, Creation{Partitions: 1, Settings: map[string]string{"message.timestamp.type": "CreateTime"}})
	if err != nil || overridden != 1 || *c.TopicInfo("own").Configs["message.timestamp.type"] != "CreateTime" {
		t.Fatal(overridden, err)
	}
}

func TestEnsureTopicsRefused(t *testing.T) {
	ctx := testContext(t)
	c := startCluster(t, kfake.SeedTopics(2, "pos.transactions"))
	client, _ := newClient(t, Config{Brokers: c.ListenAddrs()})
	for e, want := range map[*kerr.Error]string{
		kerr.TopicAuthorizationFailed: "topic missing is missing and may not be created: run kafka-topics.sh --create --topic missing --config message.timestamp.type=LogAppendTime",
		kerr.InvalidReplicationFactor: "creating topic missing: ",
	} {
		h := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Err: e, Count: -1})
		if _, err := EnsureTopics(ctx, client, []string{"missing"}, Creation{}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Fatalf("want %q, got %v", want, err)
		}
		h.Remove()
	}
	// an empty topic, as a broker shows it while it is being made
	c.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		resp := req.ResponseKind().(*kmsg.MetadataResponse)
		resp.Topics = append(resp.Topics, kmsg.NewMetadataResponseTopic())
		name := "pos.health"
		resp.Topics[0].Topic = &name
		return resp, nil, true
	})
	client, _ = newClient(t, Config{Brokers: c.ListenAddrs()})
	if _, err := EnsureTopics(ctx, client, []string{"pos.health"}, Creation{}); err == nil || !strings.HasPrefix(err.Error(), "topic pos.health has no partitions: ") {
		t.Fatal(err)
	}
}

// Somebody deletes a topic that this program made, and it goes on all the same: a lane would wait for its dead letters to be taken.
func TestTopicsThatWereDeletedAreMadeAnew(t *testing.T) {
	ctx := testContext(t)
	c := startCluster(t)
	client, _ := newClient(t, Config{Brokers: c.ListenAddrs()})
	letters := NewDeadLetters(client, DeadLettersConfig{Retention: time.Hour, Creation: Creation{Partitions: 1}}, zap.NewNop())
	alerts := NewAlerts(client, "pos.alerts", Creation{Partitions: 1}, zap.NewNop())
	admin, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	for range 2 {
		if err := letters.Send(ctx, []processor.DeadLetter{{Topic: "pos.health", Offset: 7, Reason: "json"}}); err != nil {
			t.Fatal(err)
		}
		if err := alerts.Send(ctx, []alert.Transition{{Kind: alert.Fired, Alert: alert.Alert{ID: "1", Sequence: 1}}}); err != nil {
			t.Fatal(err)
		}
		del := kmsg.NewPtrDeleteTopicsRequest()
		for _, topic := range []string{"pos.dead-letters", "pos.alerts"} {
			if info := c.TopicInfo(topic); info == nil || *info.Configs["message.timestamp.type"] != "LogAppendTime" {
				t.Fatalf("%s is %+v", topic, info)
			}
			if got := consume(ctx, t, c, topic, 1); len(got) != 1 {
				t.Errorf("%d are in %s", len(got), topic)
			}
			named := kmsg.NewDeleteTopicsRequestTopic()
			named.Topic = &topic
			del.TopicNames, del.Topics = append(del.TopicNames, topic), append(del.Topics, named)
		}
		res, err := del.RequestWith(ctx, admin)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range res.Topics {
			if r.ErrorCode != 0 {
				t.Fatalf("deleting a topic: error %d", r.ErrorCode)
			}
		}
	}
}
