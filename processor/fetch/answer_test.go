package fetch

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// Responses of every version, encoded by franz-go, decode to what is in them; cut off anywhere they are an error.
func TestAnswer(t *testing.T) {
	for _, version := range []int{4, 5, 6, 7, 10, 11} {
		r := kmsg.FetchResponse{Version: int16(version), ThrottleMillis: 9}
		want := &answer{came: true}
		if version >= 7 {
			r.ErrorCode, want.errorCode = 55, 55
		}
		for _, name := range []string{"pos.health", "pos.orders"} {
			topic := kmsg.FetchResponseTopic{Topic: name}
			for p := range int32(3) {
				part := kmsg.NewFetchResponseTopicPartition()
				part.Partition, part.ErrorCode, part.HighWatermark, part.LastStableOffset, part.LogStartOffset = p, int16(p), 100, 90, 10
				expected := answerPartition{Chunk{TopicPartition: TopicPartition{name, p}, HighWatermark: 100, LastStableOffset: 90, LogStartOffset: -1}, int16(p)}
				if version >= 5 {
					expected.LogStartOffset = 10
				}
				if p == 1 {
					part.AbortedTransactions = []kmsg.FetchResponseTopicPartitionAbortedTransaction{{ProducerID: 7, FirstOffset: 50}, {ProducerID: 8, FirstOffset: 20}}
					expected.Aborted = []AbortedTransaction{{8, 20}, {7, 50}}
					part.RecordBatches = []byte("batches")
					expected.Data = []byte("batches")
				}
				topic.Partitions = append(topic.Partitions, part)
				want.partitions = append(want.partitions, expected)
			}
			r.Topics = append(r.Topics, topic)
		}
		raw := r.AppendTo(nil)
		got := &answer{}
		if n, err := got.read(bytes.NewReader(raw), version); err != nil || n != int64(len(raw)) {
			t.Fatalf("version %d: %d of %d bytes, %v", version, n, len(raw), err)
		}
		if !slices.EqualFunc(want.partitions, got.partitions, func(a, b answerPartition) bool {
			return a.TopicPartition == b.TopicPartition && a.errorCode == b.errorCode && a.HighWatermark == b.HighWatermark && a.LastStableOffset == b.LastStableOffset &&
				a.LogStartOffset == b.LogStartOffset && slices.Equal(a.Aborted, b.Aborted) && bytes.Equal(a.Data, b.Data)
		}) || got.errorCode != want.errorCode || !got.came {
			t.Fatalf("version %d: want\n%+v\ngot\n%+v", version, want, got)
		}
		for n := range raw {
			if _, err := (&answer{}).read(bytes.NewReader(raw[:n]), version); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("version %d cut to %d bytes: %v", version, n, err)
			}
		}
	}
	if _, err := (&tooOld{}).ReadFrom(nil); !strings.Contains(err.Error(), "Kafka 0.11 or newer") {
		t.Fatal(err)
	}
}

// Lengths that promise more than comes cost what comes, not what they promise.
func TestAnswerLengths(t *testing.T) {
	head := []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0} // throttle, error, session
	for name, raw := range map[string][]byte{
		"topics":     {0x7f, 0xff, 0xff, 0xff},
		"topic":      {0, 0, 0, 1, 0x7f, 0xff},
		"partitions": {0, 0, 0, 1, 0, 1, 't', 0x7f, 0xff, 0xff, 0xff},
		"records":    slices.Concat([]byte{0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 1}, make([]byte, 4+2+8+8+8+4+4), []byte{0x3f, 0xff, 0xff, 0xff}, make([]byte, 20<<20)),
		"too long":   slices.Concat([]byte{0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 1}, make([]byte, 4+2+8+8+8+4+4), []byte{0x7f, 0xff, 0xff, 0xff}, make([]byte, 20<<20)),
	} {
		var before, after runtime.MemStats
		raw = append(slices.Clone(head), raw...)
		runtime.ReadMemStats(&before)
		if _, err := (&answer{}).read(bytes.NewReader(raw), 11); err == nil {
			t.Fatalf("%s: no error", name)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 200<<20 {
			t.Fatalf("%s: %d bytes were allocated for %d", name, n, len(raw))
		}
	}
}

// What may come for a position, and what becomes of it after so many times.
func TestTake(t *testing.T) {
	first, second := simple(0, -1, 10, 12, 10, 11, 12), simple(0, -1, 13, 13, 13)
	for name, c := range map[string]struct {
		at   int64
		data [][]byte
		end  int64  // of the chunk, 0 for none
		want string // of the error in the end, "" for none
	}{
		"nothing":                {10, nil, 0, ""},
		"whole":                  {10, [][]byte{first, second}, 14, ""},
		"begins before":          {11, [][]byte{first}, 13, ""},
		"cut off":                {10, [][]byte{first, second[:40]}, 13, ""},
		"cut off within a field": {10, [][]byte{first, second[:5]}, 13, ""},
		"damaged later":          {10, [][]byte{first, rewrite(slices.Clone(second), 65, 0xee)}, 13, ""},
		"first cut off":          {10, [][]byte{first[:65]}, 0, "is damaged: the first batch is cut off"},
		"damaged":                {10, [][]byte{rewrite(slices.Clone(first), 65, 0xee), second}, 0, "is damaged: the checksum"},
		"all before":             {14, [][]byte{first, second}, 0, "is damaged: the offsets"},
		"going back":             {10, [][]byte{second, first}, 14, ""},
		"the same again":         {10, [][]byte{first, first}, 13, ""},
		"beyond the stable end":  {10, [][]byte{simple(0, -1, 10, 100, 10)}, 0, "is damaged: the batch reaches beyond"},
		"format 0":               {10, [][]byte{rewrite(slices.Clone(first), atMagic, 0)}, 0, "offset 10 of pos.transactions/3 cannot be read: message format 0; record batches of format 2"},
		"format 1":               {10, [][]byte{rewrite(slices.Clone(first), atMagic, 1)}, 0, "cannot be read: message format 1"},
		"format 1 later":         {10, [][]byte{first, rewrite(slices.Clone(second), atMagic, 1)}, 13, ""},
	} {
		f := &Fetcher{cfg: Config{}.withDefaults(), log: zap.NewNop(), now: time.Now, troubles: map[TopicPartition]*trouble{}}
		p := Position{TopicPartition{topic, 3}, c.at}
		for times := 1; ; times++ {
			part := &answerPartition{Chunk: Chunk{TopicPartition: p.TopicPartition, Data: bytes.Join(c.data, nil), LastStableOffset: 100, HighWatermark: 200}}
			ok, err := f.take(t.Context(), p, part)
			if ok != (c.end > 0) || ok && (part.From != c.at || part.End() != c.end) {
				t.Fatalf("%s: got %v, a chunk to %d, %v", name, ok, part.End(), err)
			}
			if c.want == "" && err == nil {
				break
			}
			if (err != nil) != (times == f.cfg.CorruptAttempts) || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%s: after %d times %v", name, times, err)
			}
			if err != nil {
				break
			}
		}
	}
}

// A partition without news on another broker does not hold back one with news.
func TestNoWaitingForOthers(t *testing.T) {
	ctx := testContext(t)
	c := startCluster(t, kfake.NumBrokers(2), kfake.SeedTopics(2, topic))
	for p := range int32(2) {
		if err := c.MoveTopicPartition(topic, p, p); err != nil {
			t.Fatal(err)
		}
	}
	r := kgo.StringRecord("v")
	r.Topic = topic
	if err := newKgo(t, c).ProduceSync(ctx, r).FirstErr(); err != nil {
		t.Fatal(err)
	}
	f := newFetcher(t, c, Config{MaxWait: time.Hour})
	chunks, err := f.Fetch(ctx, []Position{{TopicPartition{topic, 0}, 0}, {TopicPartition{topic, 1}, 0}})
	if err != nil || len(chunks) != 1 || chunks[0].TopicPartition != (TopicPartition{topic, 0}) {
		t.Fatalf("got %v, %v", chunks, err)
	}
}
