package kafka

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/fetch"
)

// A letter that is sent again is the record that it is about, byte by byte, headers too: they say what it is written in. That it was replayed
// before is said once.
func TestSendAgain(t *testing.T) {
	ctx := testContext(t)
	c := startCluster(t, kfake.SeedTopics(1, "pos.transactions", "pos.dead-letters"))
	client, _ := newClient(t, Config{Brokers: c.ListenAddrs()})
	d := NewDeadLetters(client, DeadLettersConfig{}, zap.NewNop())
	value := []byte{0, 0, 0, 0, 7, 0xfe, 2}
	err := d.Send(ctx, []processor.DeadLetter{{
		Topic: "pos.transactions", Offset: 5, Reason: "unknown_type", Key: []byte("s-1"), Value: value,
		Headers: fetch.NewHeaders(fetch.Header{Key: "ce_id", Value: []byte("é\n")}, fetch.Header{Key: "raw", Value: []byte{0xff, 0}},
			fetch.Header{Key: ReplayHeader, Value: []byte("pos.transactions/0/1")}, fetch.Header{Key: "null"}, fetch.Header{Key: "empty", Value: []byte{}}),
	}, {
		Topic: "pos.transactions", Offset: 6, Reason: "unknown_type", Value: value, Headers: fetch.NewHeaders(fetch.Header{Key: "long", Value: make([]byte, 2*maxHeaders)}),
	}})
	if err != nil {
		t.Fatal(err)
	}
	var letters []Letter
	if strange, err := d.Read(ctx, zap.NewNop(), func(l Letter) error {
		letters = append(letters, l)
		return nil
	}); err != nil || strange > 0 || len(letters) != 2 || letters[0].Truncated || !letters[1].Truncated || letters[1].Headers != nil {
		t.Fatal(err, strange, letters)
	}
	if err := d.SendAgain(ctx, letters[:1]); err != nil {
		t.Fatal(err)
	}
	got := consume(ctx, t, c, "pos.transactions", 1)[0]
	want := []kgo.RecordHeader{
		{Key: ReplayHeader, Value: []byte("pos.transactions/0/5")},
		{Key: "ce_id", Value: []byte("é\n")},
		{Key: "raw", Value: []byte{0xff, 0}},
		{Key: "null"},
		{Key: "empty", Value: []byte{}},
	}
	if d := cmp.Diff(want, got.Headers); d != "" || !slices.Equal(got.Value, value) || string(got.Key) != "s-1" {
		t.Fatalf("%q of %q\n%s", got.Value, got.Key, d)
	}
	original, there, err := d.Original(ctx, zap.NewNop(), "pos.transactions", 0, 0)
	if err != nil || !there || !slices.Equal(original.Headers, fetch.NewHeaders(slices.Collect(func(yield func(fetch.Header) bool) {
		for _, h := range want {
			yield(fetch.Header(h))
		}
	})...)) {
		t.Fatalf("%v, %v: %q", err, there, original.Headers)
	}
}

// A record that is too large to be held is not taken for one that is whole.
func TestOriginalOfALargeRecord(t *testing.T) {
	ctx := testContext(t)
	c := startCluster(t, kfake.SeedTopics(1, "pos.transactions"))
	producer, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.DefaultProduceTopic("pos.transactions"), kgo.ProducerBatchCompression(kgo.ZstdCompression()),
		kgo.ProducerBatchMaxBytes(128<<20), kgo.BrokerMaxWriteBytes(256<<20))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	if err := producer.ProduceSync(ctx, &kgo.Record{Value: make([]byte, 65<<20)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	client, _ := newClient(t, Config{Brokers: c.ListenAddrs()})
	l, there, err := NewDeadLetters(client, DeadLettersConfig{}, zap.NewNop()).Original(ctx, zap.NewNop(), "pos.transactions", 0, 0)
	if err != nil || !there || !l.Truncated {
		t.Fatal(err, there, l.Truncated, len(l.Value))
	}
}
