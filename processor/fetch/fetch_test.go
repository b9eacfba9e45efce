package fetch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// kafka-go's Transport keeps its discovery and its idle connections until they time out.
		goleak.IgnoreTopFunction("github.com/segmentio/kafka-go.(*connPool).discover"),
		goleak.IgnoreTopFunction("github.com/segmentio/kafka-go.(*conn).run"),
		goleak.IgnoreAnyFunction("github.com/segmentio/kafka-go.(*conn).run"))
}

// What franz-go's producer sent must be read, whatever the codec and the limits.
func TestCodecs(t *testing.T) {
	for name, codec := range map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	} {
		t.Run(name, func(t *testing.T) {
			ctx, rnd := testContext(t), rand.New(rand.NewPCG(1, 2))
			c := startCluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
			want := produce(ctx, t, newKgo(t, c, kgo.ProducerBatchCompression(codec)), rnd, randomRecords(rnd, 3000))
			tp, end := TopicPartition{topic, 0}, int64(len(want))

			for _, limit := range []int32{1 << 20, 20_000, 1} { // 1: every batch is larger than asked for
				cfg := quick
				cfg.PartitionMaxBytes = limit
				diff(t, want, readAll(ctx, t, newFetcher(t, c, cfg), tp, 0, end))
			}
			for range 20 { // a batch may begin below the position
				from := rnd.Int64N(end)
				diff(t, want[from:], readAll(ctx, t, newFetcher(t, c, quick), tp, from, end))
			}
		})
	}
}

// Many partitions on several brokers in one call, some of which have nothing to say.
func TestManyPartitions(t *testing.T) {
	ctx, rnd := testContext(t), rand.New(rand.NewPCG(3, 4))
	c := startCluster(t, kfake.NumBrokers(3), kfake.SeedTopics(12, topic, "pos.health"))
	k := newKgo(t, c)
	want := map[TopicPartition][]Record{}
	var at []Position
	for p := range int32(12) {
		records := randomRecords(rnd, 500)
		for _, r := range records {
			r.Partition = p
		}
		at = append(at, Position{TopicPartition{topic, p}, 0}, Position{TopicPartition{"pos.health", p}, 0})
		if p%3 > 0 {
			want[TopicPartition{topic, p}] = produce(ctx, t, k, rnd, records)
		}
	}
	cfg := quick
	cfg.MaxBytes, cfg.PartitionMaxBytes = 30_000, 10_000 // not all fit into one answer
	f := newFetcher(t, c, cfg)
	w, got, left := NewWalker(), map[TopicPartition][]Record{}, 8*500
	for left > 0 {
		chunks, err := f.Fetch(ctx, at)
		if err != nil {
			t.Fatal(err)
		}
		for i := range chunks {
			c := &chunks[i]
			j := slices.IndexFunc(at, func(p Position) bool { return p.TopicPartition == c.TopicPartition })
			at[j].Offset, err = w.Walk(c, at[j].Offset, c.End(), func(r Record) error {
				got[c.TopicPartition] = append(got[c.TopicPartition], clone(r))
				left--
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	diff(t, want, got)
	if chunks, err := f.Fetch(ctx, at); err != nil || len(chunks) > 0 {
		t.Fatalf("at the end of all partitions there should be nothing, got %d chunks, %v", len(chunks), err)
	}
}

// Transactions of several producers that overlap, some of them aborted: only committed records come, as a franz-go consumer reads them too.
func TestTransactions(t *testing.T) {
	ctx, rnd := testContext(t), rand.New(rand.NewPCG(5, 6))
	c := startCluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	plain := newKgo(t, c)
	var producers []*kgo.Client
	for i := range 3 {
		producers = append(producers, newKgo(t, c, kgo.TransactionalID(fmt.Sprint("till-", i)), kgo.ProducerBatchCompression(kgo.ZstdCompression())))
	}
	open := make([][]*kgo.Record, len(producers))
	var committed []*kgo.Record
	aborted := 0
	for range 200 {
		i := rnd.IntN(len(producers) + 1)
		records := randomRecords(rnd, 1+rnd.IntN(10))
		switch {
		case i == len(producers):
			produce(ctx, t, plain, rnd, records)
			committed = append(committed, records...)
		case open[i] == nil:
			if err := producers[i].BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			produce(ctx, t, producers[i], rnd, records)
			open[i] = records
		case rnd.IntN(3) == 0:
			commit := kgo.TransactionEndTry(rnd.IntN(2) == 0)
			if err := producers[i].EndTransaction(ctx, commit); err != nil {
				t.Fatal(err)
			}
			if commit {
				committed = append(committed, open[i]...)
			} else {
				aborted += len(open[i])
			}
			open[i] = nil
		default:
			produce(ctx, t, producers[i], rnd, records)
			open[i] = append(open[i], records...)
		}
	}
	for i, p := range producers { // one stays open
		if i > 0 && open[i] != nil {
			if err := p.EndTransaction(ctx, kgo.TryAbort); err != nil {
				t.Fatal(err)
			}
			aborted += len(open[i])
			open[i] = nil
		}
	}
	if aborted == 0 {
		t.Fatal("nothing was aborted: the test shows nothing")
	}

	tp := TopicPartition{topic, 0}
	bounds, err := newFetcher(t, c, quick).Bounds(ctx, []TopicPartition{tp})
	if err != nil {
		t.Fatal(err)
	}
	stable := bounds[tp].Stable
	if open[0] != nil && stable != open[0][0].Offset {
		t.Fatalf("the last stable offset is %d, the open transaction begins at %d", stable, open[0][0].Offset)
	}
	if info := c.PartitionInfo(topic, 0); bounds[tp] != (Bounds{info.LogStartOffset, info.HighWatermark, info.LastStableOffset}) {
		t.Fatalf("bounds are %+v, the broker has %+v", bounds[tp], info)
	}
	slices.SortFunc(committed, func(a, b *kgo.Record) int { return int(a.Offset - b.Offset) })
	committed = slices.DeleteFunc(committed, func(r *kgo.Record) bool { return r.Offset >= stable })
	want := wanted(committed)

	consumer := newKgo(t, c, kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	var seen []*kgo.Record
	for len(seen) < len(want) {
		seen = append(seen, consumer.PollFetches(ctx).Records()...)
		if ctx.Err() != nil {
			t.Fatal(ctx.Err())
		}
	}
	diff(t, wanted(seen), want)

	for _, limit := range []int32{1 << 20, 2000, 1} {
		cfg := quick
		cfg.PartitionMaxBytes = limit
		diff(t, want, readAll(ctx, t, newFetcher(t, c, cfg), tp, 0, stable))
	}
	cfg := quick
	cfg.PartitionMaxBytes = 2000
	f := newFetcher(t, c, cfg)
	for from := int64(0); from < stable; from += 1 + rnd.Int64N(5) { // in the middle of transactions too
		to := min(from+15, stable)
		diff(t, between(want, from, to), readAll(ctx, t, f, tp, from, to))
	}
}

func TestOffsetOutOfRange(t *testing.T) {
	ctx, rnd := testContext(t), rand.New(rand.NewPCG(7, 8))
	c := startCluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	produce(ctx, t, newKgo(t, c), rnd, randomRecords(rnd, 100))
	if err := c.DeleteRecords(topic, 0, 40); err != nil {
		t.Fatal(err)
	}
	tp := TopicPartition{topic, 0}
	for offset, want := range map[int64]string{
		10:  "offsets 10 to 39 of pos.transactions/0 were deleted before they were read (Kafka holds 40 to 99)",
		101: "offset 101 of pos.transactions/0 is beyond its end 100",
	} {
		_, err := newFetcher(t, c, quick).Fetch(ctx, []Position{{tp, offset}})
		var gone *OffsetOutOfRangeError
		if !errors.As(err, &gone) || !strings.HasPrefix(err.Error(), want) {
			t.Fatalf("want %q, got %v", want, err)
		}
		diff(t, OffsetOutOfRangeError{tp, offset, 40, 100}, *gone)
	}
	// A broker that is wrong about it, as after a change of leaders, is asked again.
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: topic, Err: kerr.OffsetOutOfRange, Count: 2})
	if got := readAll(ctx, t, newFetcher(t, c, quick), tp, 40, 100); len(got) != 60 {
		t.Fatalf("got %d of 60 records", len(got))
	}
}

// The leader changes all the time while a partition is read.
func TestLeaderMoves(t *testing.T) {
	ctx, rnd := testContext(t), rand.New(rand.NewPCG(9, 10))
	c := startCluster(t, kfake.NumBrokers(3), kfake.SeedTopics(1, topic))
	want := produce(ctx, t, newKgo(t, c), rnd, randomRecords(rnd, 1000))
	refusals := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Count: -1, Observe: true})
	cfg := quick
	cfg.PartitionMaxBytes = 10_000
	f := newFetcher(t, c, cfg)
	tp := TopicPartition{topic, 0}
	var got []Record
	moves := 0
	for len(got) < len(want) {
		if err := c.MoveTopicPartition(topic, 0, (c.LeaderFor(topic, 0)+1)%3); err != nil {
			t.Fatal(err)
		}
		moves++
		from := int64(len(got))
		got = append(got, readAll(ctx, t, f, tp, from, min(from+200, int64(len(want))))...)
	}
	diff(t, want, got)
	if moves < 2 || refusals.Hits() < 2*moves {
		t.Fatalf("%d moves and %d fetches: the test shows nothing", moves, refusals.Hits())
	}
}

// Every error code a broker may answer with passes, but for those that do not.
func TestErrorCodes(t *testing.T) {
	ctx, rnd := testContext(t), rand.New(rand.NewPCG(11, 12))
	c := startCluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	want := produce(ctx, t, newKgo(t, c), rnd, randomRecords(rnd, 100))
	tp := TopicPartition{topic, 0}
	for _, e := range []*kerr.Error{
		kerr.UnknownTopicOrPartition, kerr.LeaderNotAvailable, kerr.NotLeaderForPartition, kerr.ReplicaNotAvailable, kerr.RequestTimedOut,
		kerr.KafkaStorageError, kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch, kerr.OffsetNotAvailable, kerr.UnknownServerError, kerr.CorruptMessage,
	} {
		h := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: topic, Err: e, Count: 3})
		diff(t, want, readAll(ctx, t, newFetcher(t, c, quick), tp, 0, 100))
		if h.Hits() != 3 {
			t.Fatalf("%v was answered %d times", e, h.Hits())
		}
	}
	for e, sentence := range map[*kerr.Error]string{
		kerr.TopicAuthorizationFailed:    "grant the user of kafka.sasl the operations Read and Describe on topic pos.transactions",
		kerr.UnsupportedForMessageFormat: "record batches of format 2 (Kafka 0.11 and newer) are needed",
		kerr.CorruptMessage:              "is damaged",
	} {
		h := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: topic, Err: e, Count: -1})
		if _, err := read(ctx, newFetcher(t, c, quick), tp, 0, 100); err == nil || !strings.Contains(err.Error(), sentence) {
			t.Fatalf("%v: want %q, got %v", e, sentence, err)
		}
		h.Remove()
	}
	h := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: topic, Err: kerr.LeaderNotAvailable, Count: 2})
	bounds, err := newFetcher(t, c, quick).Bounds(ctx, []TopicPartition{tp})
	if err != nil || bounds[tp] != (Bounds{0, 100, 100}) || h.Hits() != 2 {
		t.Fatalf("got %v, %v after %d refusals", bounds, err, h.Hits())
	}
	last := slices.MaxFunc(want, func(a, b Record) int { return int(a.Timestamp - b.Timestamp) }).Timestamp
	for _, ms := range []int64{-1, want[0].Timestamp, want[50].Timestamp, last, last + 1} {
		first := int64(slices.IndexFunc(want, func(r Record) bool { return r.Timestamp >= ms }))
		if at, err := newFetcher(t, c, quick).Since(ctx, tp, ms); err != nil || at != first {
			t.Fatalf("the first offset since %d is %d, %v; want %d", ms, at, err, first)
		}
	}
}

// A topic that is made later is read when it is there, and a context that ends stops the waiting.
func TestTopicAppears(t *testing.T) {
	ctx, rnd := testContext(t), rand.New(rand.NewPCG(13, 14))
	c := startCluster(t, kfake.NumBrokers(1))
	f := newFetcher(t, c, quick)
	tp := TopicPartition{topic, 0}
	if chunks, err := f.Fetch(ctx, []Position{{tp, 0}}); err != nil || chunks != nil {
		t.Fatalf("got %v, %v", chunks, err)
	}
	ended, end := context.WithCancel(ctx)
	end()
	if _, err := f.Bounds(ended, []TopicPartition{tp}); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), topic) {
		t.Fatalf("got %v", err)
	}
	if _, err := f.Fetch(ended, []Position{{tp, 0}}); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if err := c.CreateTopic(topic, 1, nil); err != nil {
		t.Fatal(err)
	}
	want := produce(ctx, t, newKgo(t, c), rnd, randomRecords(rnd, 10))
	diff(t, want, readAll(ctx, t, f, tp, 0, 10))
}

// Trouble backs off, doubling, and is logged at a bounded rate; damage is counted apart from other trouble.
func TestTrouble(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	now := time.UnixMilli(0)
	f := &Fetcher{
		cfg: Config{MinBackoff: 100 * time.Millisecond}.withDefaults(), log: zap.New(core), now: func() time.Time { return now },
		troubles: map[TopicPartition]*trouble{},
	}
	p := Position{TopicPartition{topic, 1}, 7}
	var pauses []time.Duration
	for range 60 * 10 { // 10 minutes of trouble, more or less
		f.note(p, kerr.LeaderNotAvailable)
		ready, _ := f.ready([]Position{p})
		if len(ready) > 0 {
			t.Fatal("ready at once")
		}
		pause := f.troubles[p.TopicPartition].until.Sub(now)
		pauses = append(pauses, pause)
		if now = now.Add(pause); len(pauses) > 120 {
			break
		}
	}
	diff(t, []time.Duration{1e8, 2e8, 4e8, 8e8, 16e8, 32e8, 5e9, 5e9}, pauses[:8])
	if n, most := logs.FilterMessage("reading a partition is delayed").Len(), int(now.Unix()/10)+1; n < 2 || n > most {
		t.Fatalf("%d lines in %v", n, now.Sub(time.UnixMilli(0)))
	}
	if n := f.noteCorrupt(p, errCRC); n != 1 {
		t.Fatalf("damaged once, counted %d", n)
	}
	f.noteCorrupt(p, errCRC)
	now = now.Add(logEvery)
	if p.Offset++; f.noteCorrupt(p, errCRC) != 1 {
		t.Fatal("damage at another offset is not the same")
	}
	f.fine(p.TopicPartition)
	f.fine(p.TopicPartition)
	if n := logs.FilterMessage("reading a partition goes on").Len(); n != 1 {
		t.Fatalf("%d lines that it goes on", n)
	}
	if ready, _ := f.ready([]Position{p}); len(ready) != 1 {
		t.Fatal("not ready after all was fine")
	}
}
