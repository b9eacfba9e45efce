package kafka

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor"
)

func TestDeadLetters(t *testing.T) {
	ctx := testContext(t)
	c := startCluster(t, kfake.NumBrokers(2))
	client, _ := newClient(t, Config{Brokers: c.ListenAddrs()})
	d := NewDeadLetters(client, DeadLettersConfig{Retention: time.Hour, Creation: Creation{Partitions: 3}}, zap.NewNop())
	if err := d.Open(ctx); err != nil {
		t.Fatal(err)
	}
	info := c.TopicInfo("pos.dead-letters")
	if info == nil || *info.Configs["retention.ms"] != "3600000" || *info.Configs["cleanup.policy"] != "delete" || *info.Configs["message.timestamp.type"] != "LogAppendTime" {
		t.Fatalf("the topic is %+v", info)
	}
	letters := []processor.DeadLetter{
		{
			Topic: "pos.transactions", Partition: 2, Offset: 41, Timestamp: 1_700_000_000_123, Key: []byte("S1"), Value: []byte(`{"time":"<yesterday> & so"}`),
			Reason: "time", Field: "time", Expected: "RFC 3339",
		},
		{Topic: "pos.health", Offset: 7, Timestamp: 5, Key: []byte{0xff}, Value: []byte{0, 0xfe}, Reason: "json"},
		{Topic: "pos.health", Offset: 8, Timestamp: 6, Reason: "tombstone"},
		{Topic: "pos.health", Offset: 9, Timestamp: 6, Key: []byte{}, Value: []byte{}, Reason: "json"},
	}
	for i := range 3000 { // more than a request holds
		letters = append(letters, processor.DeadLetter{Topic: "pos.orders", Offset: int64(i), Reason: "json", Value: bytes.Repeat([]byte("x"), 1000)})
	}
	if err := d.Send(ctx, letters); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"pos.transactions/2/41": `{"topic":"pos.transactions","partition":2,"offset":41,"timestamp":1700000000123,"reason":"time","field":"time","expected":"RFC 3339","key":"S1","event":"{\"time\":\"<yesterday> & so\"}"}`,
		"pos.health/0/7":        `{"topic":"pos.health","partition":0,"offset":7,"timestamp":5,"reason":"json","key_base64":"/w==","event_base64":"AP4="}`,
		"pos.health/0/8":        `{"topic":"pos.health","partition":0,"offset":8,"timestamp":6,"reason":"tombstone"}`,
		"pos.health/0/9":        `{"topic":"pos.health","partition":0,"offset":9,"timestamp":6,"reason":"json","key":"","event":""}`,
	}
	for i := range 3000 {
		want[fmt.Sprintf("pos.orders/0/%d", i)] = fmt.Sprintf(`{"topic":"pos.orders","partition":0,"offset":%d,"timestamp":0,"reason":"json","event":"%s"}`, i, strings.Repeat("x", 1000))
	}
	got := map[string]string{}
	for _, r := range consume(ctx, t, c, "pos.dead-letters", len(want)) {
		got[string(r.Key)] = string(r.Value)
	}
	if !reflect.DeepEqual(want, got) {
		for k := range want {
			if want[k] != got[k] {
				t.Fatalf("%s: want\n%s\ngot\n%s", k, want[k], got[k])
			}
		}
		t.Fatal("there are others")
	}
}

// Whatever the event, its letter is JSON within the limit, from which the event comes back: whole, or its longest beginning, more or less.
func TestDeadLetterTruncation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := processor.DeadLetter{
			Topic: "pos.transactions", Offset: 1 << 60, Reason: "json", Field: "lines[3].quantity", Expected: "a decimal",
			Key:   rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(t, "key"),
			Value: []byte(strings.Repeat(rapid.SampledFrom([]string{"x", "\"", "\x00", "é", "🛒", "\xff", "\u2028"}).Draw(t, "unit"), rapid.IntRange(0, 4000).Draw(t, "n"))),
		}
		limit := rapid.IntRange(minLetter, 2*minLetter).Draw(t, "limit")
		raw, err := encode(&l, limit)
		if err != nil || len(raw) > limit {
			t.Fatalf("%d bytes for a limit of %d, %v", len(raw), limit, err)
		}
		var got letter
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatal(err)
		}
		event := got.EventBase64
		if got.Event != nil {
			event = []byte(*got.Event)
		}
		if !bytes.HasPrefix(l.Value, event) || utf8.Valid(l.Value) != (got.Event != nil) {
			t.Fatalf("the event of %d bytes became %.50q", len(l.Value), event)
		}
		if cut := len(event) < len(l.Value); cut != (got.EventBytes == len(l.Value) && got.EventBytes > 0) || cut && !got.Truncated {
			t.Fatalf("%d of %d bytes, said %d", len(event), len(l.Value), got.EventBytes)
		}
		if len(event) < len(l.Value) && len(raw) < limit/4 {
			t.Fatalf("cut to %d bytes of JSON for a limit of %d", len(raw), limit)
		}
	})
}

// What of an event was not held is counted, whether the rest of it fits or is cut once more.
func TestDeadLetterOfALargeRecord(t *testing.T) {
	for _, n := range []int{10, 2 * minLetter} {
		raw, err := encode(&processor.DeadLetter{Topic: "t", Reason: "too_large", Value: make([]byte, n), Cut: 1000}, minLetter)
		var got letter
		if err := errors.Join(err, json.Unmarshal(raw, &got)); err != nil || !got.Truncated || got.EventBytes != n+1000 {
			t.Errorf("%v: %v, %d of %d bytes", err, got.Truncated, got.EventBytes, n+1000)
		}
	}
}

// Trouble that passes is waited for; what does not pass is said.
func TestSendTrouble(t *testing.T) {
	ctx := testContext(t)
	c := startCluster(t, kfake.SeedTopics(1, "pos.dead-letters"))
	client, _ := newClient(t, Config{Brokers: c.ListenAddrs()})
	d := NewDeadLetters(client, DeadLettersConfig{}, zap.NewNop())
	letter := []processor.DeadLetter{{Topic: "pos.orders", Reason: "json"}}
	h := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicas, Count: 2})
	if err := d.Send(ctx, letter); err != nil || h.Hits() != 2 {
		t.Fatal(err, h.Hits())
	}
	for e, want := range map[*kerr.Error]string{
		kerr.TopicAuthorizationFailed: "writing to topic pos.dead-letters is not allowed: grant the user of kafka.sasl the operations Write and Describe",
		kerr.MessageTooLarge:          "topic pos.dead-letters does not take messages of this size: raise its max.message.bytes",
		kerr.InvalidRecord:            "writing to topic pos.dead-letters: ",
	} {
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: e})
		if err := d.Send(ctx, letter); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Fatalf("want %q, got %v", want, err)
		}
	}
	ended, cancel := context.WithCancel(ctx)
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.LeaderNotAvailable, Count: -1, When: func(kmsg.Request) bool { cancel(); return true }})
	if err := d.Send(ended, letter); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if n := len(consume(ctx, t, c, "pos.dead-letters", 1)); n != 1 {
		t.Fatalf("%d letters are stored", n)
	}
	if err := (&DeadLettersConfig{Retention: -1, MaxBytes: 1 << 30}).Validate(); err == nil || !strings.Contains(err.Error(), "kafka.dead_letters.retention") || !strings.Contains(err.Error(), "kafka.dead_letters.max_bytes") {
		t.Fatal(err)
	}
}

// Trouble is logged once it lasts, and once in ten seconds for all partitions together.
func TestDelayed(t *testing.T) {
	core, logs := observer.New(zap.WarnLevel)
	now := time.UnixMilli(0)
	s := &sender{log: zap.New(core), now: func() time.Time { return now }}
	for range 100 { // 0.5 s apart, on four partitions
		for range 4 {
			s.delayed("pos.health", 1, kerr.LeaderNotAvailable)
			s.delayed("pos.health", 3, kerr.LeaderNotAvailable)
		}
		now = now.Add(500 * time.Millisecond)
	}
	if n := logs.Len(); n != 5 {
		t.Fatalf("%d lines in 50 s", n)
	}
}

// Every event arrives once, in its store's order, on the partition that franz-go's implementation of Kafka's partitioner chooses.
func TestWriter(t *testing.T) {
	ctx, rnd := testContext(t), rand.New(rand.NewPCG(1, 2))
	c := startCluster(t, kfake.NumBrokers(3), kfake.SeedTopics(12, "pos.transactions", "pos.health"))
	client, _ := newClient(t, Config{Brokers: c.ListenAddrs()})
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotLeaderForPartition, Count: 5})
	w := NewWriter(client, zap.NewNop())
	w.limit = 400_000 // several batches
	const n = 20_000
	value := make([]byte, 0, 100)
	want := map[string]map[string][]string{}
	for i := range n {
		topic, store := []string{"pos.transactions", "pos.health"}[rnd.IntN(2)], fmt.Sprintf("S%03d", rnd.IntN(200))
		value = fmt.Appendf(value[:0], `{"store_id":%q,"sequence":%d}`, store, i)
		if err := w.Write(ctx, Event{Topic: topic, StoreID: store, Value: value, Time: time.UnixMilli(int64(i))}); err != nil {
			t.Fatal(err)
		}
		if want[topic] == nil {
			want[topic] = map[string][]string{}
		}
		want[topic][store] = append(want[topic][store], string(value))
	}
	if err := w.Flush(ctx); err != nil || w.Acknowledged() != n {
		t.Fatal(err, w.Acknowledged())
	}
	partitioner := kgo.StickyKeyPartitioner(nil).ForTopic("")
	for topic, stores := range want {
		count := 0
		for _, values := range stores {
			count += len(values)
		}
		got := map[string][]string{}
		for _, r := range consume(ctx, t, c, topic, count) {
			got[string(r.Key)] = append(got[string(r.Key)], string(r.Value))
			if p := partitioner.Partition(r, 12); int32(p) != r.Partition {
				t.Fatalf("store %s is on partition %d, Kafka's partitioner says %d", r.Key, r.Partition, p)
			}
		}
		if !reflect.DeepEqual(stores, got) {
			t.Fatal("what was written is not what was read")
		}
	}

	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.TopicAuthorizationFailed, Count: -1})
	if err := w.Write(ctx, Event{Topic: "pos.health", StoreID: "S1", Value: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.Flush(ctx); err == nil || w.Acknowledged() != n {
			t.Fatal(err, w.Acknowledged())
		}
		if err := w.Write(ctx, Event{Topic: "pos.health"}); err == nil {
			t.Fatal("an error must stay")
		}
	}
}

func BenchmarkWriter(b *testing.B) {
	c := startCluster(b, kfake.SeedTopics(8, "pos.transactions"), kfake.BlackholeProduce())
	client, _ := newClient(b, Config{Brokers: c.ListenAddrs()})
	w := NewWriter(client, zap.NewNop())
	value := bytes.Repeat([]byte(`{"store_id":"S1","amount":1999},`), 14)
	b.SetBytes(int64(len(value)))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if err := w.Write(b.Context(), Event{Topic: "pos.transactions", StoreID: fmt.Sprintf("S%d", n%500), Value: value, Time: time.UnixMilli(1)}); err != nil {
			b.Fatal(err)
		}
		n++
	}
	if err := w.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
}
