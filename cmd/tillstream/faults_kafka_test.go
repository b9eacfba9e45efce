package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/tillstream/tillstream/cmd/tillstream/simulator"
)

var kafkaAway = []ailment{
	{name: "down", begin: func(r *rig) { r.kafka.down() }, bites: delayed, end: func(r *rig) { r.kafka.up(r.t) }},
	onTheWire("connections cut", toKafka, func(r *rig, p *piece) (int, fate, bool) {
		if r.rnd.IntN(20) > 0 {
			return len(p.bytes), flows, false
		}
		return r.rnd.IntN(len(p.bytes)), cut, true
	}),
	onTheWire("commits lost", toKafka, func(_ *rig, p *piece) (int, fate, bool) {
		if p.answer || p.api != kmsg.OffsetCommit {
			return len(p.bytes), flows, false
		}
		return 0, cut, true
	}),
	onTheWire("commits done, answers lost", toKafka, func(_ *rig, p *piece) (int, fate, bool) {
		if !p.answer || p.api != kmsg.OffsetCommit {
			return len(p.bytes), flows, false
		}
		return 0, cut, true
	}),
	damagedOnTheWay(),
	{name: "started again", begin: func(r *rig) {
		r.broker.Kill()
		if err := r.broker.Restart(r.t.Context()); err != nil {
			r.t.Fatal(err)
		}
	}, bites: func(*rig) bool { return true }, end: func(*rig) {}},
}

// damagedOnTheWay changes a byte of each batch that is first in an answer when it comes for the first time: it never counts as damaged in the log. That the
// damage is noticed the rows say, since a machine that is busy, or a log that is short, may have few such answers.
func damagedOnTheWay() ailment {
	var times atomic.Int32
	came := map[string]bool{}
	a := onTheWire("damaged on the way", toKafka, func(_ *rig, p *piece) (int, fate, bool) {
		if p.damage(func(topic string, partition int32, batch []byte) bool {
			it := fmt.Sprint(topic, partition, batch[:8]) // its first offset
			again := came[it]
			came[it] = true
			return !again
		}) {
			times.Add(1)
		}
		return len(p.bytes), flows, false
	})
	a.bites = func(*rig) bool { return times.Load() > 0 }
	return a
}

// delayed says that members noticed.
func delayed(r *rig) bool {
	return r.counted("is delayed")+r.counted("joining the group again")+r.troubles() > 0
}

// Kafka is away, in all ways in which it can be; each time the lanes go on by themselves and the books balance.
func TestPipelineFaultKafkaAway(t *testing.T) {
	r := newRig(t, 10)
	r.start()
	r.sufferAll(kafkaAway)
}

// A record batch that comes damaged each time stops its lane, which names the offset; the others go on. The damage is on the wire, behind
// which a disk would look the same.
func TestPipelineFaultDamagedBatch(t *testing.T) {
	r := newRig(t, 11)
	m := r.start()
	r.feed(0.3)
	r.until("a start", func() bool { return r.passed() >= r.sent })
	offset := r.end("pos.health", 2)
	r.kafka.suffer(func(p *piece) (int, fate) {
		p.damage(func(topic string, partition int32, _ []byte) bool { return topic == "pos.health" && partition == 2 })
		return len(p.bytes), flows
	})
	r.feed(0.6)
	r.until("the lane to stop", func() bool { return m.said("lane stopped") })
	want := fmt.Sprintf("the record batch at offset %d of pos.health/2 is damaged", offset)
	if !m.said(want) || !m.said("nothing was skipped") {
		t.Errorf("want %q in:\n%s", want, m.tail(4000))
	}
	r.feed(0.8)
	var missing int
	r.until("the other lanes to go on", func() bool {
		missing = int(r.end("pos.health", 2) - offset)
		for _, topic := range rigTopics {
			if topic != "pos.health" {
				missing += int(r.end(topic, 2) - r.known(topic, 2))
			}
		}
		return r.passed() >= r.sent-missing
	})
	r.kafka.suffer(nil)
	m.stop()
	r.members = nil
	r.start()
	r.settle()
}

// A batch of some 10 kB that takes more than 64 MiB when decompressed stops nothing: its events are folded as others are, and the one that is too large is a dead letter.
func TestPipelineFaultLargeBatch(t *testing.T) {
	r := newRig(t, 23)
	r.start()
	var kept []*kgo.Record
	r.keep = func(record *kgo.Record) bool {
		if record.Topic == "pos.transactions" && record.Partition == 2 {
			kept = append(kept, record)
			return true
		}
		return false
	}
	r.feed(0.5)
	r.keep = nil
	if len(kept) < 2 {
		t.Fatalf("%d events were kept", len(kept))
	}
	large := *kept[0]
	large.Value = append(append([]byte(`{"id":"`), bytes.Repeat([]byte{'x'}, 100<<20)...), `"}`...)
	half := len(kept) / 2
	batch := slices.Concat(kept[:half], []*kgo.Record{&large}, kept[half:])
	client, err := kgo.NewClient(kgo.SeedBrokers(r.broker.Addr()), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxVersions(kversion.V3_0_0()), kgo.DisableIdempotentWrite(),
		kgo.ManualFlushing(), kgo.ProducerBatchCompression(kgo.ZstdCompression()), kgo.ProducerBatchMaxBytes(256<<20), kgo.BrokerMaxWriteBytes(512<<20))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, record := range batch {
		client.Produce(t.Context(), record, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	ctx, cancel := patient(t)
	defer cancel()
	if err := client.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	r.extra += len(batch)
	r.feed(1)
	truth := r.sim.Truth()
	is := func(l simulator.DeadTruth) bool { return l.Topic == "pos.transactions" && l.Reason == "too_large" }
	if i := slices.IndexFunc(truth.Dead, is); i >= 0 {
		truth.Dead[i].Records++
	} else {
		truth.Dead = append(truth.Dead, simulator.DeadTruth{Topic: "pos.transactions", Reason: "too_large", Records: 1})
	}
	r.settle()
}

// end is where a partition ends now, for readers of what is committed.
func (r *rig) end(topic string, partition int32) int64 {
	r.t.Helper()
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID, req.IsolationLevel = -1, 1
	t := kmsg.NewListOffsetsRequestTopic()
	p := kmsg.NewListOffsetsRequestTopicPartition()
	t.Topic, p.Partition, p.Timestamp, p.CurrentLeaderEpoch = topic, partition, -1, -1
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	res, err := req.RequestWith(r.t.Context(), r.client)
	if err == nil {
		err = kerr.ErrorForCode(res.Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return res.Topics[0].Partitions[0].Offset
}

// known is up to where the books know a partition.
func (r *rig) known(topic string, partition int32) (n int64) {
	_, _ = fmt.Sscan(r.ask(fmt.Sprintf("SELECT max(to_offset) FROM pos.ledger WHERE topic = '%s' AND partition = %d", topic, partition)), &n)
	return n
}

// damage changes a byte in the first batch that an answer with records has of a partition, where it is to, and says whether there was one.
func (p *piece) damage(is func(topic string, partition int32, batch []byte) bool) (damaged bool) {
	if !p.answer || p.api != kmsg.Fetch {
		return false
	}
	res, err := p.decode()
	if err != nil {
		panic(err)
	}
	for _, t := range res.(*kmsg.FetchResponse).Topics {
		for _, x := range t.Partitions {
			if len(x.RecordBatches) > 80 && is(t.Topic, x.Partition, x.RecordBatches) {
				x.RecordBatches[70] ^= 0x10
				damaged = true
			}
		}
	}
	if damaged {
		p.encode(res)
	}
	return damaged
}

// Aborted transactions are passed over and counted as gaps, with the markers of those and of the others.
func TestPipelineFaultTransactions(t *testing.T) {
	r := newRig(t, 12)
	r.start()
	producer, err := kgo.NewClient(kgo.SeedBrokers(r.broker.Addr()), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID("rig"), kgo.TransactionTimeout(10*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	ctx, cancel := patient(t)
	defer cancel()
	gaps := 0
	for i := range 6 {
		r.feed(float64(i+1) / 8)
		var records []*kgo.Record
		for range 40 {
			ev, ok := r.next()
			if !ok {
				t.Fatal("no events are left")
			}
			r.sent++
			records = append(records, r.record(ev))
		}
		for _, end := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
			if err := producer.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			touched := map[string]bool{}
			for _, rec := range records {
				again := *rec
				touched[fmt.Sprint(rec.Topic, rec.Partition)] = true
				if err := producer.ProduceSync(ctx, &again).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
			if err := producer.EndTransaction(ctx, end); err != nil {
				t.Fatal(err)
			}
			gaps += len(touched)
			r.extra += len(touched)
			if end == kgo.TryAbort {
				gaps += len(records)
				r.extra += len(records)
			}
		}
	}
	r.settle()
	if got := r.ask("SELECT sum(gaps) FROM pos.ledger"); got != fmt.Sprint(gaps) {
		t.Errorf("%s gaps in the books, want %d", got, gaps)
	}
}

// commitAs changes the group's offsets as another tool would, while nobody is in the group.
func (r *rig) commitAs(topic string, partition int32, offset int64) {
	r.t.Helper()
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation = rigGroup, -1
	t := kmsg.NewOffsetCommitRequestTopic()
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	t.Topic, p.Partition, p.Offset = topic, partition, offset
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	r.until("the group to be empty", func() bool {
		res, err := req.RequestWith(r.t.Context(), r.client)
		if err == nil {
			err = kerr.ErrorForCode(res.Topics[0].Partitions[0].ErrorCode)
		}
		if err != nil && err != kerr.UnknownMemberID { //nolint:errorlint // as it is made
			r.t.Fatal(err)
		}
		return err == nil
	})
}

// half folds half of everything and ends the member, in order or not.
func half(t *testing.T, seed uint64, end func(*member)) *rig {
	t.Helper()
	r := newRig(t, seed)
	m := r.start()
	r.feed(0.4)
	r.advance(r.sent/2 + r.rnd.IntN(r.sent/3))
	end(m)
	r.members = nil
	return r
}

// Another tool sets the group's offsets back, or erases what we say beside them: the ledger knows better.
func TestPipelineFaultOffsetsBack(t *testing.T) {
	for name, change := range map[string]func(r *rig, topic string, partition int32){
		"to the beginning": func(r *rig, topic string, partition int32) { r.commitAs(topic, partition, 0) },
		"metadata erased": func(r *rig, topic string, partition int32) {
			r.commitAs(topic, partition, r.committed(topic, partition))
		},
	} {
		for how, end := range map[string]func(*member){"after an orderly end": (*member).stop, "after a kill": (*member).kill} {
			t.Run(name+" "+how, func(t *testing.T) {
				r := half(t, 13, end)
				for _, topic := range rigTopics {
					for p := range r.partitions {
						change(r, topic, int32(p))
					}
				}
				r.start()
				r.settle()
			})
		}
	}
}

// committed is the group's offset of a partition.
func (r *rig) committed(topic string, partition int32) int64 {
	r.t.Helper()
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group = rigGroup
	t := kmsg.NewOffsetFetchRequestTopic()
	t.Topic, t.Partitions = topic, []int32{partition}
	req.Topics = append(req.Topics, t)
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = rigGroup
	gt := kmsg.NewOffsetFetchRequestGroupTopic()
	gt.Topic, gt.Partitions = topic, []int32{partition}
	g.Topics = append(g.Topics, gt)
	req.Groups = append(req.Groups, g)
	res, err := req.RequestWith(r.t.Context(), r.client)
	if err != nil {
		r.t.Fatal(err)
	}
	if len(res.Groups) > 0 {
		return res.Groups[0].Topics[0].Partitions[0].Offset
	}
	return res.Topics[0].Partitions[0].Offset
}

// stops starts a member and waits for one of its lanes to stop with a sentence that has all these parts; the rows stay as they are.
func (r *rig) stops(parts ...string) *member {
	r.t.Helper()
	m := r.start()
	r.until("a lane to stop", func() bool { return m.said("lane stopped") })
	for _, part := range parts {
		if !m.said(part) {
			r.t.Errorf("the sentence lacks %q:\n%s", part, m.tail(4000))
		}
	}
	m.stop()
	r.members = nil
	return m
}

// Another tool sets an offset forward: that lane stops and names the partition and both offsets. Set back as it says, nothing is missing.
func TestPipelineFaultOffsetsForward(t *testing.T) {
	r := half(t, 14, (*member).stop)
	was := r.committed("pos.health", 1)
	r.feed(0.7)
	r.commitAs("pos.health", 1, was+100)
	r.stops(fmt.Sprintf("pos.health:1 was committed at offset %d, but ClickHouse holds it only up to %d", was+100, was), "tillstream adopt --all-lanes")
	r.commitAs("pos.health", 1, was)
	r.start()
	r.settle()
}

// Retention takes what was not read yet: the lane stops and names exactly these offsets, and goes on with nothing else.
func TestPipelineFaultRetention(t *testing.T) {
	r := half(t, 15, (*member).stop)
	was := r.committed("pos.health", 1)
	r.feed(0.7)
	start := was + 50
	req := kmsg.NewPtrDeleteRecordsRequest()
	topic := kmsg.NewDeleteRecordsRequestTopic()
	p := kmsg.NewDeleteRecordsRequestTopicPartition()
	topic.Topic, p.Partition, p.Offset = "pos.health", 1, start
	topic.Partitions = append(topic.Partitions, p)
	req.Topics, req.TimeoutMillis = append(req.Topics, topic), int32(patience.Milliseconds())
	res, err := req.RequestWith(t.Context(), r.client)
	if err == nil {
		err = kerr.ErrorForCode(res.Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.stops(fmt.Sprintf("offsets %d to %d of pos.health/1 were deleted before they were read", was, start-1), "--offset earliest")
	if n := r.known("pos.health", 1); n != was {
		t.Errorf("the books say that pos.health:1 was read up to %d, want %d", n, was)
	}
	if code, said := r.audit(); code != exitDone {
		t.Errorf("audit exited %d: %s", code, said)
	}
}

// The topics are made anew, with fewer records than were read.
//
// Where they get more than were read before anyone looks, the lanes go on in their midst and the records before are lost without a word:
// nothing that kafka-go can ask tells the new topic from the old one. That is not tested, because it is so.
func TestPipelineFaultTopicsAnew(t *testing.T) {
	r := half(t, 16, (*member).stop)
	before := r.ask("SELECT sum(transactions), sum(net) FROM pos.sales_hourly")
	r.deleteTopics(rigTopics...)
	r.createTopics()
	r.stops("is beyond its end 0", "--offset earliest --recreated")
	if after := r.ask("SELECT sum(transactions), sum(net) FROM pos.sales_hourly"); after != before {
		t.Errorf("rows changed from %s to %s", before, after)
	}
}

// A topic is deleted under work, by mistake: the lanes stay where they are and say what is wrong, nobody joins the group over and over, and what other topics hold is not lost. When the
// topic is there again they stop, since its offsets mean something else.
func TestPipelineFaultTopicDeleted(t *testing.T) {
	r := newRig(t, 18)
	m := r.start()
	r.feed(0.3)
	r.until("a start", func() bool { return r.passed() >= r.sent+r.extra })
	had := r.counted("lane assigned")
	r.deleteTopics("pos.health")
	r.until("the loss to be noticed", func() bool { return m.said("if the topic was deleted, make it anew") })
	second := r.start() // a rebalance without the topic
	r.until("both to have lanes", func() bool { return second.said("lane assigned") })
	second.stop()
	r.members = r.members[:1]
	r.until("the lanes to be back", func() bool { return r.counted("lane assigned") >= had+2 })
	if n := r.counted("lane assigned"); n > had+12 {
		t.Errorf("lanes were assigned %d times:\n%s", n, m.tail(8000))
	}
	r.createTopics()
	r.until("a lane to stop", func() bool { return m.said("lane stopped") })
	if !m.said("of pos.health/") || !m.said("is beyond its end 0") || !m.said("tillstream adopt --topic pos.health --offset earliest --recreated") {
		t.Errorf("lanes stopped without saying why:\n%s", m.tail(4000))
	}
	if code, said := r.audit(); code != exitDone {
		t.Errorf("audit exited %d: %s", code, said)
	}
}

func (r *rig) deleteTopics(names ...string) {
	r.t.Helper()
	del := kmsg.NewPtrDeleteTopicsRequest()
	for _, name := range names {
		topic := kmsg.NewDeleteTopicsRequestTopic()
		topic.Topic = &name
		del.Topics = append(del.Topics, topic)
	}
	del.TopicNames, del.TimeoutMillis = names, int32(patience.Milliseconds())
	if _, err := del.RequestWith(r.t.Context(), r.client); err != nil {
		r.t.Fatal(err)
	}
	r.client.PurgeTopicsFromProducing(names...)
}

// Partitions are added under work, and what new stores send goes there.
func TestPipelineFaultPartitionsAdded(t *testing.T) {
	r := newRig(t, 17)
	r.start()
	r.place = func(store int32) int32 { return store % 3 }
	var late []*kgo.Record // of the last store
	r.keep = func(record *kgo.Record) bool {
		if r.stores[string(record.Key)] == 3 {
			late = append(late, record)
			return true
		}
		return false
	}
	r.feed(0.3)
	r.advance(1 + r.rnd.IntN(r.events/5))
	r.addPartitions(6)
	r.place, r.keep = func(store int32) int32 { return store + store/3*2 }, nil
	for _, record := range late {
		record.Partition = 5
	}
	r.produce(late)
	r.extra += len(late)
	r.feed(0.6)
	r.until("the new partitions to be read", func() bool { return r.known("pos.health", 5) > 0 })
	r.start()
	r.settle()
}

// addPartitions gives all topics n of them.
func (r *rig) addPartitions(n int) {
	r.t.Helper()
	for _, name := range rigTopics {
		req := kmsg.NewPtrCreatePartitionsRequest()
		topic := kmsg.NewCreatePartitionsRequestTopic()
		topic.Topic, topic.Count = name, int32(n)
		req.Topics, req.TimeoutMillis = append(req.Topics, topic), int32(patience.Milliseconds())
		res, err := req.RequestWith(r.t.Context(), r.client)
		if err == nil {
			err = kerr.ErrorForCode(res.Topics[0].ErrorCode)
		}
		if err != nil && !errors.Is(err, kerr.InvalidPartitions) { // the client sends a request twice whose answer is lost: then they are there
			r.t.Fatal(err)
		}
	}
	r.until("the broker to know of the new partitions", func() bool { // Kafka answers before its brokers do
		req := kmsg.NewPtrMetadataRequest()
		for _, name := range rigTopics {
			topic := kmsg.NewMetadataRequestTopic()
			topic.Topic = &name
			req.Topics = append(req.Topics, topic)
		}
		res, err := req.RequestWith(r.t.Context(), r.client)
		return err == nil && !slices.ContainsFunc(res.Topics, func(topic kmsg.MetadataResponseTopic) bool { return len(topic.Partitions) != n })
	})
	r.client.PurgeTopicsFromProducing(rigTopics...) // it must ask anew how many there are
}

// What docs/operations.md says of a store whose events come through another partition from some moment on, with a new epoch and without: nothing of it is wished for.
func TestPipelineFaultStoreMoves(t *testing.T) {
	for name, epoch := range map[string]bool{"as it is": false, "in a new epoch": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 17)
			r.config = edited(t, r.config, "batch_records: 400", "batch_records: 2000") // so the lane that the store comes to has few batches
			m := r.start()
			r.place = func(store int32) int32 { return store % 3 }
			var moved, stayed, late []*kgo.Record // sales of the store that moves, of another one of its lane; what the lane that it comes to gets at once
			r.keep = func(record *kgo.Record) bool {
				switch n := r.stores[string(record.Key)]; {
				case record.Partition == 1:
					late = append(late, record)
					return true
				case record.Topic == "pos.transactions" && n == 0:
					moved = append(moved, record)
				case record.Topic == "pos.transactions" && n == 3:
					stayed = append(stayed, record)
				}
				return false
			}
			passed := func() { r.until("what was sent", func() bool { return r.passed() >= r.sent+r.extra && r.rests() }) }
			const pieces = 20 // so the lane that the store leaves has the higher batch numbers, thrice those of the other
			for i := range pieces {
				r.feed(0.5 * float64(i+1) / pieces)
				r.until("a piece", func() bool { return r.passed() >= r.sent+r.extra })
			}
			r.keep = nil
			r.produce(late)
			r.extra += len(late)
			passed()
			store := ""
			for key, n := range r.stores {
				if n == 0 {
					store = key
				}
			}
			seen := func() string {
				return r.ask("SELECT toString(max(last_seen)) FROM pos.terminal_status WHERE store_id = '" + store + "'")
			}
			before := seen()

			if epoch {
				m.stop()
			}
			r.addPartitions(6)
			r.partitions = 6
			r.place = func(n int32) int32 {
				if n == 0 {
					return 5
				}
				return n % 3
			}
			if epoch {
				if code, said := tillstream(t, io.Discard, "epoch", "--config", r.config, "--reason", "more partitions"); code != exitDone {
					t.Fatal(code, said)
				}
				r.start()
				r.register(r.ends) // as tillstream apply --resend does
			}
			r.feed(1)
			passed()

			if after := seen(); epoch != (after > before) {
				t.Errorf("a till of %s was seen at %s before, now at %s", store, before, after)
			}
			// Of the hour in which it moved one of the two parts is shown.
			hour := "lane = '' AND store_id = '" + store + "' AND hour = toStartOfHour(toDateTime('" + before + "'))"
			if n := r.ask("SELECT max(up_ms + degraded_ms + down_ms) < 3600000 FROM tillstream.availability_hourly FINAL WHERE " + hour); n != "1" {
				t.Errorf("of the hour of %s all is shown: %s", before, n)
			}
			var open, service int64 // from the hour after it on, of what the store should have been open, and is taken to have been
			moment, err := time.Parse("2006-01-02 15:04:05.999", before)
			if err != nil {
				t.Fatal(err)
			}
			after := moment.Truncate(time.Hour).Add(time.Hour).UnixMilli()
			for _, x := range r.sim.Truth().StoreHours {
				if x.Store == store && x.Hour >= after {
					open += x.Service
				}
			}
			_, _ = fmt.Sscan(r.ask(fmt.Sprintf("SELECT sum(service_ms) FROM tillstream.store_availability_hourly FINAL WHERE lane = '' AND store_id = '%s' AND toUnixTimestamp(hour) * 1000 >= %d", store, after)), &service)
			if epoch && service != open || !epoch && service <= open {
				t.Errorf("the store was open for %d ms, and is taken for open in %d", open, service)
			}
			sales := func() (n int64) {
				_, _ = fmt.Sscan(r.ask("SELECT sum(transactions + returns + voids) FROM pos.sales_hourly"), &n)
				return n
			}
			var want int64
			for _, x := range r.sim.Truth().Sales {
				want += x.Transactions + x.Returns + x.Voids
			}
			if n := sales(); n != want {
				t.Errorf("%d sales, want %d", n, want)
			}
			again := func(records []*kgo.Record, partition int32) int64 {
				n := sales()
				for i, x := range records {
					records[i] = &kgo.Record{Topic: x.Topic, Partition: partition, Key: x.Key, Value: x.Value, Timestamp: x.Timestamp}
				}
				r.produce(records)
				r.extra += len(records)
				passed()
				return sales() - n
			}
			if n := again(stayed, 0); n != 0 {
				t.Errorf("%d of %d sales that were sent again through the same partition counted twice", n, len(stayed))
			}
			if n := again(moved, 5); n < int64(len(moved))/2 {
				t.Errorf("%d of %d sales that were sent again through another partition counted twice", n, len(moved))
			}
			if code, said := r.audit(); code != exitFailed || !strings.Contains(said, "of store "+store+": its events came through several partitions") {
				t.Errorf("audit exited %d: %s", code, said)
			}
		})
	}
}
