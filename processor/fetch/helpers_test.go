package fetch

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

const topic = "pos.transactions"

// quick makes trouble pass soon.
var quick = Config{MaxWait: 50 * time.Millisecond, MinBackoff: time.Millisecond, MaxBackoff: 10 * time.Millisecond}

// testContext ends later than a busy machine takes for any test.
func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func startCluster(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func newClient(t testing.TB, c *kfake.Cluster) (*kafka.Client, *kafka.Transport) {
	RegisterRaw()
	tr := &kafka.Transport{MetadataTTL: 100 * time.Millisecond}
	t.Cleanup(tr.CloseIdleConnections)
	return &kafka.Client{Addr: kafka.TCP(c.ListenAddrs()...), Transport: tr}, tr
}

func newFetcher(t testing.TB, c *kfake.Cluster, cfg Config) *Fetcher {
	client, _ := newClient(t, c)
	return New(client, cfg, zap.NewNop())
}

func newKgo(t testing.TB, c *kfake.Cluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	k, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(c.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

// randomRecords differ in size, may be null, and have headers.
func randomRecords(rnd *rand.Rand, n int) []*kgo.Record {
	out := make([]*kgo.Record, n)
	for i := range out {
		r := &kgo.Record{
			Topic: topic, Key: fmt.Appendf(nil, "store-%d", rnd.IntN(50)), Timestamp: time.UnixMilli(1_700_000_000_000 + rnd.Int64N(1e9)),
			Value: bytes.Repeat(fmt.Appendf(nil, `{"id":%d,"amount":%d}`, i, rnd.Uint64()), rnd.IntN(20)),
		}
		switch rnd.IntN(20) {
		case 0:
			r.Value = nil
		case 1:
			r.Value = []byte{}
		case 2:
			r.Key = nil
		case 3:
			r.Headers = []kgo.RecordHeader{{Key: "trace", Value: []byte("0123456789abcdef")}, {Key: "null"}}
		}
		out[i] = r
	}
	return out
}

// produce sends records in batches of many sizes and returns them as they should be read.
func produce(ctx context.Context, t testing.TB, k *kgo.Client, rnd *rand.Rand, records []*kgo.Record) []Record {
	t.Helper()
	for left := records; len(left) > 0; {
		n := min(len(left), 1+rnd.IntN(200))
		if err := k.ProduceSync(ctx, left[:n]...).FirstErr(); err != nil {
			t.Fatal(err)
		}
		left = left[n:]
	}
	return wanted(records)
}

func wanted(records []*kgo.Record) []Record {
	out := make([]Record, len(records))
	for i, r := range records {
		out[i] = Record{Offset: r.Offset, Timestamp: r.Timestamp.UnixMilli(), Key: r.Key, Value: r.Value, Headers: headersOf(r.Headers)}
	}
	return out
}

// headersOf encodes headers; what kfake and encodeRecord make is compared with it.
func headersOf(headers []kgo.RecordHeader) Headers {
	all := make([]Header, len(headers))
	for i, h := range headers {
		all[i] = Header{h.Key, h.Value}
	}
	return NewHeaders(all...)
}

// between returns the records with from <= offset < to.
func between(records []Record, from, to int64) (out []Record) {
	for _, r := range records {
		if from <= r.Offset && r.Offset < to {
			out = append(out, r)
		}
	}
	return out
}

func clone(r Record) Record {
	r.Key, r.Value, r.Headers = bytes.Clone(r.Key), bytes.Clone(r.Value), bytes.Clone(r.Headers)
	return r
}

// readAll reads one partition up to an offset, and checks that every step goes forward.
func readAll(ctx context.Context, t testing.TB, f *Fetcher, tp TopicPartition, from, to int64) []Record {
	t.Helper()
	records, err := read(ctx, f, tp, from, to)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func read(ctx context.Context, f *Fetcher, tp TopicPartition, from, to int64) ([]Record, error) {
	w := NewWalker()
	var out []Record
	for next := from; next < to; {
		chunks, err := f.Fetch(ctx, []Position{{tp, next}})
		if err != nil {
			return out, err
		}
		for i := range chunks {
			c := &chunks[i]
			if c.TopicPartition != tp || c.From != next || c.End() <= next {
				return out, fmt.Errorf("asked for %v from %d, got %v from %d to %d", tp, next, c.TopicPartition, c.From, c.End())
			}
			end := min(c.End(), to)
			got, err := w.Walk(c, next, end, func(r Record) error {
				out = append(out, clone(r))
				return nil
			})
			if err != nil {
				return out, err
			}
			if got != end {
				return out, fmt.Errorf("walking to %d ended at %d", end, got)
			}
			next = got
		}
	}
	return out, nil
}

func diff(t testing.TB, want, got any) {
	t.Helper()
	if !reflect.DeepEqual(want, got) { // cmp takes bytes one by one
		t.Fatalf("-want +got\n%s", cmp.Diff(want, got))
	}
}

// encode makes a record batch with franz-go's codec of the format.
func encode(base int64, attributes int16, producer int64, records []byte, count, lastDelta int32, times ...int64) []byte {
	b := kmsg.RecordBatch{
		FirstOffset: base, Magic: 2, Attributes: attributes, LastOffsetDelta: lastDelta, ProducerID: producer, ProducerEpoch: 0,
		FirstSequence: -1, NumRecords: count, Records: records, Length: int32(49 + len(records)),
	}
	if len(times) == 2 {
		b.FirstTimestamp, b.MaxTimestamp = times[0], times[1]
	}
	raw := b.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[atCRC:], crc32.Checksum(raw[atAttributes:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}

// encodeRecord makes one record of a batch.
func encodeRecord(offsetDelta int32, timeDelta int64, key, value []byte, headers ...kmsg.Header) []byte {
	r := kmsg.Record{TimestampDelta64: timeDelta, OffsetDelta: offsetDelta, Key: key, Value: value, Headers: headers}
	body := r.AppendTo(nil)[1:] // without the length, which is 0 and so takes one byte
	return append(binary.AppendVarint(nil, int64(len(body))), body...)
}

// control makes the marker that ends a transaction.
func control(offset, producer int64, commit bool) []byte {
	key := []byte{0, 0, 0, 0}
	if commit {
		key[3] = 1
	}
	return encode(offset, 0x30, producer, encodeRecord(0, 0, key, []byte{0, 0, 0, 0, 0, 0}), 1, 0)
}

// simple makes a batch of records with the values "v<offset>" at the given offsets.
func simple(attributes int16, producer, base, last int64, offsets ...int64) []byte {
	var records []byte
	for _, o := range offsets {
		records = append(records, encodeRecord(int32(o-base), 0, nil, fmt.Appendf(nil, "v%d", o))...)
	}
	return encode(base, attributes, producer, records, int32(len(offsets)), int32(last-base))
}

func chunk(from int64, batches ...[]byte) *Chunk {
	return &Chunk{TopicPartition: TopicPartition{topic, 3}, From: from, Data: bytes.Join(batches, nil), HighWatermark: 1 << 40, LastStableOffset: 1 << 40}
}

// walk returns the offsets of what Walk delivers.
func walk(w *Walker, c *Chunk, from, to int64) (offsets []int64, next int64, err error) {
	next, err = w.Walk(c, from, to, func(r Record) error {
		offsets = append(offsets, r.Offset)
		return nil
	})
	return offsets, next, err
}
