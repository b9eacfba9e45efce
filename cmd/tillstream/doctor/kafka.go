package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tillstream/tillstream/cmd/tillstream/config"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/sinks/kafka"
)

// MaxAhead is how far the time of a record may be ahead of this machine's clock.
const MaxAhead = 2 * time.Second

// The versions of the fetch request that processor/fetch reads.
const (
	fetchOldest = 4 // Kafka 0.11: record batches of format 2
	fetchNewest = 11
)

func (r *report) kafka(f *Facts) {
	r.area = "kafka"
	k := &f.Kafka
	if k.Err != nil {
		r.add("reachable", Fail, "", "%v", k.Err)
		return
	}
	r.ok("reachable", "%s of cluster %s", plural(k.Brokers, "broker"), k.ClusterID)
	if k.FetchMax < fetchOldest || k.FetchMin > fetchNewest {
		r.add("version", Fail, "use Kafka 0.11 or newer", "the brokers speak versions %d to %d of the fetch protocol, tillstream %d to %d", k.FetchMin, k.FetchMax, fetchOldest, fetchNewest)
	} else {
		r.ok("version", "Kafka %s or newer (fetch protocol %d)", release(k.FetchMax), k.FetchMax)
	}
	if len(k.Ahead) > 0 {
		r.add("clock", Warn, "synchronise the clocks of the brokers and of this machine with NTP: lateness and the tills' clocks are judged against the brokers'",
			"records of %s have a time more than %v ahead of this machine's clock", strings.Join(k.Ahead, ", "), MaxAhead)
	} else {
		r.ok("clock", "no record is ahead of this machine's clock (that brokers are behind cannot be seen)")
	}
	switch {
	case !k.Group.Known():
		r.add("group rights", Skip, "", "the brokers do not say what is allowed")
	case !k.Group.Allow(kafka.Read | kafka.Describe):
		r.add("group rights", Fail, acls(f.Config, "--operation Read --operation Describe --group "+f.Config.Kafka.Group), "the user may not work in group %s", f.Config.Kafka.Group)
	default:
		r.ok("group rights", "Read and Describe on group %s", f.Config.Kafka.Group)
	}
}

// release is the oldest Kafka that has a version of the fetch request.
func release(fetch int) string {
	for _, v := range []struct {
		fetch int
		name  string
	}{{17, "3.9"}, {16, "3.7"}, {14, "3.5"}, {13, "3.1"}, {12, "2.7"}, {11, "2.3"}, {9, "2.1"}, {8, "2.0"}, {7, "1.1"}, {6, "1.0"}} {
		if fetch >= v.fetch {
			return v.name
		}
	}
	return "0.11"
}

// acls is how one grants something to the user of the configuration.
func acls(c *config.Config, what string) string {
	return fmt.Sprintf("kafka-acls.sh --bootstrap-server %s --add --allow-principal User:%s %s", c.Kafka.Brokers[0], cmp.Or(c.Kafka.SASL.Username, "ANONYMOUS"), what)
}

// topics judges the topics that are read, and those that are written.
func (r *report) topics(f *Facts) {
	r.area = "topic"
	if f.Kafka.Err != nil {
		r.add("all", Skip, "", "Kafka could not be asked")
		return
	}
	counts := map[string]int{}
	for i := range f.Kafka.Topics {
		t := &f.Kafka.Topics[i]
		read := slices.Contains(f.Config.Kafka.Topics, t.Name)
		if read && t.Partitions > 0 {
			counts[t.Name] = t.Partitions
		}
		r.topic(f, t, read)
	}
	if n, err := kafka.SamePartitions(f.Config.Kafka.Topics, counts); err != nil {
		r.add("partitions", Fail, "", "%v", err)
	} else if n > 0 {
		r.ok("partitions", "%s in each topic", plural(n, "partition"))
	}
}

func (r *report) topic(f *Facts, t *kafka.TopicSetup, read bool) {
	name := t.Name
	before := len(r.all)
	switch {
	case t.Err != nil:
		r.add(name, Fail, "", "%v", t.Err)
		return
	case t.Missing && !f.Kafka.Rights.Allow(kafka.Create):
		r.add(name, Fail, create(f, t.Name, read), "it is missing, and the user may not create it")
		return
	case t.Missing && read:
		r.add(name, Warn, create(f, t.Name, read), "it is missing; tillstream run makes it with the brokers' retention and replication")
		return
	case t.Missing:
		r.ok(name, "it is missing; tillstream run makes it when it is needed")
		return
	}
	r.rights(f, t, read)
	if t.Leaderless > 0 {
		r.add(name, Fail, "see that all brokers run", "%s of %d cannot be read: no leader", plural(t.Leaderless, "partition"), t.Partitions)
	} else if t.Lagging > 0 {
		r.add(name, Warn, "see that all brokers run", "%s of %d without all of their replicas", plural(t.Lagging, "partition"), t.Partitions)
	}
	if f.Kafka.Brokers > 1 && t.Replicas < 2 {
		r.add(name, Warn, "raise the replication factor to 3 with kafka-reassign-partitions.sh", "one replica: its events are lost with the disk of one broker")
	}
	if t.Settings == nil {
		r.add(name, Warn, acls(f.Config, "--operation DescribeConfigs --topic "+name), "its settings may not be read, so time and retention were not checked")
	} else if read {
		r.settings(f, t)
	}
	if len(r.all) == before {
		r.ok(name, "%s", described(t))
	}
}

func described(t *kafka.TopicSetup) string {
	kept, _ := keeps(t)
	return fmt.Sprintf("%s, %s, %s, %s", plural(t.Partitions, "partition"), plural(t.Replicas, "replica"), t.Settings[timestamps], kept)
}

func (r *report) rights(f *Facts, t *kafka.TopicSetup, read bool) {
	needs, names, flags := kafka.Write|kafka.Describe, "Write and Describe", "--operation Write --operation Describe"
	if read {
		needs, names, flags = kafka.Read|kafka.Describe, "Read and Describe", "--operation Read --operation Describe"
	}
	if !t.Rights.Allow(needs) {
		r.add(t.Name, Fail, acls(f.Config, flags+" --topic "+t.Name), "the user needs %s on it", names)
	}
}

func create(f *Facts, topic string, read bool) string {
	do := fmt.Sprintf("kafka-topics.sh --bootstrap-server %s --create --topic %s --replication-factor %d", f.Config.Kafka.Brokers[0], topic, min(f.Kafka.Brokers, 3))
	switch {
	case topic == registry.Topic:
		do += " --partitions N --config cleanup.policy=compact"
	case read:
		do += " --partitions N --config retention.ms=1209600000"
	}
	if read {
		do += " --config message.timestamp.type=LogAppendTime, with the N of the other topics"
	}
	return do
}

const timestamps = "message.timestamp.type"

// leastRetention is what survives a weekend and a holiday at which nobody looks.
const leastRetention = 4 * 24 * time.Hour

// settings judges what decides whether events are read before they go, and what their time is.
func (r *report) settings(f *Facts, t *kafka.TopicSetup) {
	alter := func(setting string) string {
		return fmt.Sprintf("kafka-configs.sh --bootstrap-server %s --alter --entity-type topics --entity-name %s --add-config %s", f.Config.Kafka.Brokers[0], t.Name, setting)
	}
	ofRegistry := t.Name == registry.Topic
	_, kept := keeps(t)
	compacts := strings.Contains(t.Settings["cleanup.policy"], "compact")
	if at := t.Settings[timestamps]; at != "LogAppendTime" && !f.Demo {
		// What is kept for good is not deleted by the time of the till, but lateness is still judged by it.
		r.add(t.Name, worst(kept >= 0 && !compacts), alter(timestamps+"=LogAppendTime"),
			"%s is %s: %slateness and clocks are judged by what the sender says", timestamps, at, map[bool]string{true: "retention deletes what tills send late before it is read, and "}[kept >= 0 && !compacts])
	}
	switch {
	case compacts && !ofRegistry:
		r.add(t.Name, Fail, alter("cleanup.policy=delete"), "cleanup.policy is %s: of all events of a store only the newest would stay", t.Settings["cleanup.policy"])
	case ofRegistry && !compacts && kept >= 0:
		r.add(t.Name, Warn, alter("cleanup.policy=compact"), "what is registered goes after %s: a rebuild would not know of it", config.Duration(kept))
	case !ofRegistry && kept >= 0 && kept < time.Duration(f.Config.Processor.TimelineWindow):
		r.add(t.Name, Fail, alter("retention.ms=1209600000"), "it keeps events for %s, less than processor.timeline_window (%s): they are gone before a standstill is mended", config.Duration(kept), f.Config.Processor.TimelineWindow)
	case !ofRegistry && kept >= 0 && kept < leastRetention:
		r.add(t.Name, Warn, alter("retention.ms=1209600000"), "it keeps events for %s: that is how long tillstream may stand still, and how far back a rebuild reaches", config.Duration(kept))
	}
	if n, err := strconv.ParseInt(t.Settings["retention.bytes"], 10, 64); err == nil && n >= 0 && !compacts {
		r.add(t.Name, Warn, alter("retention.bytes=-1"), "retention.bytes is %d a partition: a busy day deletes events before retention.ms is over", n)
	}
	if n, err := strconv.Atoi(t.Settings["min.insync.replicas"]); err == nil && n < 2 && t.Replicas >= 3 {
		r.add(t.Name, Warn, alter("min.insync.replicas=2"), "min.insync.replicas is %d: an event that one broker acknowledged is lost with it", n)
	}
}

// keeps says for how long a topic keeps records; -1: for good.
func keeps(t *kafka.TopicSetup) (string, time.Duration) {
	ms, err := strconv.ParseInt(t.Settings["retention.ms"], 10, 64)
	switch {
	case err != nil:
		return "retention not known", -1
	case strings.Contains(t.Settings["cleanup.policy"], "compact") && !strings.Contains(t.Settings["cleanup.policy"], "delete"):
		return "compacted", -1
	case ms < 0 || ms > int64(100*365*24*time.Hour/time.Millisecond):
		return "kept for good", -1
	}
	kept := time.Duration(ms) * time.Millisecond
	return "kept for " + config.Duration(kept).String(), kept
}
