package fetch

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
)

// proxy forwards connections to a broker and lets damage have its way with what the broker sends back.
func proxy(t *testing.T, to string, damage func([]byte)) func(context.Context, string, string) (net.Conn, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			broker, err := net.Dial("tcp", to)
			if err != nil {
				client.Close()
				continue
			}
			go func() {
				defer broker.Close()
				io.Copy(broker, client)
			}()
			go func() {
				defer client.Close()
				buf := make([]byte, 32<<10)
				for {
					n, err := broker.Read(buf)
					damage(buf[:n])
					if _, werr := client.Write(buf[:n]); err != nil || werr != nil {
						return
					}
				}
			}()
		}
	}()
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, l.Addr().String())
	}
}

// wiredFetcher reads through a damaging proxy.
func wiredFetcher(t *testing.T, c *kfake.Cluster, cfg Config, damage func([]byte)) *Fetcher {
	client, tr := newClient(t, c)
	tr.Dial = proxy(t, c.ListenAddrs()[0], damage)
	return New(client, cfg, zap.NewNop())
}

const mark = `"currency":"EUR"`

func marked(rnd *rand.Rand, n int) []*kgo.Record {
	records := randomRecords(rnd, n)
	for _, r := range records {
		r.Value = []byte(`{"currency":"EUR","amount":1999}`)
	}
	return records
}

// Bytes of records damaged on the wire, as in crcproof, where kafka-go's Reader delivers them: never here, and all arrives in the end.
func TestDamageOnTheWire(t *testing.T) {
	ctx, rnd := testContext(t), rand.New(rand.NewPCG(15, 16))
	c := startCluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	want := produce(ctx, t, newKgo(t, c, kgo.ProducerBatchCompression(kgo.NoCompression())), rnd, marked(rnd, 2000))

	var damaged, seen atomic.Int32
	cfg := quick
	cfg.PartitionMaxBytes = 20_000
	f := wiredFetcher(t, c, cfg, func(p []byte) {
		if i := bytes.Index(p, []byte(mark)); i >= 0 && seen.Add(1)%2 == 0 {
			p[i+12] = 'X'
			damaged.Add(1)
		}
	})
	diff(t, want, readAll(ctx, t, f, TopicPartition{topic, 0}, 0, int64(len(want))))
	if damaged.Load() < 5 {
		t.Fatalf("only %d answers were damaged: the test shows nothing", damaged.Load())
	}
}

// Damage that does not go away is the log's own: what is before it is delivered, then the lane must stop.
func TestDamageInTheLog(t *testing.T) {
	ctx, rnd := testContext(t), rand.New(rand.NewPCG(17, 18))
	c := startCluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	k := newKgo(t, c, kgo.ProducerBatchCompression(kgo.NoCompression()))
	good := produce(ctx, t, k, rnd, randomRecords(rnd, 300))
	produce(ctx, t, k, rnd, marked(rnd, 1))
	produce(ctx, t, k, rnd, randomRecords(rnd, 300))

	var damaged atomic.Int32
	f := wiredFetcher(t, c, quick, func(p []byte) {
		if i := bytes.Index(p, []byte(mark)); i >= 0 {
			p[i+12] = 'X'
			damaged.Add(1)
		}
	})
	got, err := read(ctx, f, TopicPartition{topic, 0}, 0, 601)
	diff(t, good, got)
	var corrupt *CorruptError
	if !errors.As(err, &corrupt) || corrupt.Offset != 300 || !strings.Contains(err.Error(), "the record batch at offset 300 of pos.transactions/0 is damaged: the checksum") {
		t.Fatalf("got %v", err)
	}
	if n := damaged.Load(); n != 6 { // once behind good batches, then CorruptAttempts times
		t.Fatalf("it was fetched %d times", n)
	}
}

// Any byte of any answer may be hit, those of frames and headers too, which no checksum covers: nothing panics, and no record is delivered
// with other content than the producer gave some record.
func TestDamageAnywhere(t *testing.T) {
	ctx, rnd := testContext(t), rand.New(rand.NewPCG(19, 20))
	c := startCluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	want := produce(ctx, t, newKgo(t, c, kgo.ProducerBatchCompression(kgo.Lz4Compression())), rnd, randomRecords(rnd, 2000))
	values := map[string]bool{}
	for _, r := range want {
		values[string(r.Key)+"\x00"+string(r.Value)] = true
	}
	var mu sync.Mutex
	dice, damaged, ready := rand.New(rand.NewPCG(21, 22)), 0, false
	cfg := quick
	cfg.PartitionMaxBytes, cfg.CorruptAttempts = 5000, 1000
	cfg.RequestTimeout = quick.MaxWait
	client, tr := newClient(t, c)
	tr.Dial = proxy(t, c.ListenAddrs()[0], func(p []byte) {
		mu.Lock()
		defer mu.Unlock()
		if ready && len(p) > 100 && dice.IntN(3) == 0 {
			p[dice.IntN(len(p))] ^= 1 << dice.IntN(8)
			damaged++
		}
	})
	tr.MetadataTTL = 1 << 40 // the layout is learned before the damage begins
	if _, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}}); err != nil {
		t.Fatal(err)
	}
	hits := func() int {
		mu.Lock()
		defer mu.Unlock()
		ready = true
		return damaged
	}
	f, w, tp := New(client, cfg, zap.NewNop()), NewWalker(), TopicPartition{topic, 0}
	for next, end := int64(0), int64(len(want)); hits() < 200; next %= end {
		chunks, err := f.Fetch(ctx, []Position{{tp, next}})
		if err != nil {
			if ctx.Err() != nil {
				t.Fatal(err)
			}
			t.Log(err) // an error code can be hit, too
			next++
			continue
		}
		for i := range chunks {
			next, err = w.Walk(&chunks[i], next, chunks[i].End(), func(r Record) error {
				if !values[string(r.Key)+"\x00"+string(r.Value)] {
					return errors.New("a record that nobody produced: " + string(r.Value))
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A connection that breaks in the middle of an answer is made anew.
func TestBrokenConnections(t *testing.T) {
	ctx, rnd := testContext(t), rand.New(rand.NewPCG(23, 24))
	c := startCluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	want := produce(ctx, t, newKgo(t, c), rnd, randomRecords(rnd, 2000))
	client, tr := newClient(t, c)
	var breaks atomic.Int32
	tr.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return &fragile{Conn: conn, left: 30_000, breaks: &breaks}, err
	}
	cfg := quick
	cfg.PartitionMaxBytes = 10_000
	diff(t, want, readAll(ctx, t, New(client, cfg, zap.NewNop()), TopicPartition{topic, 0}, 0, int64(len(want))))
	if breaks.Load() < 3 {
		t.Fatalf("only %d connections broke: the test shows nothing", breaks.Load())
	}
}

// fragile breaks after some bytes.
type fragile struct {
	net.Conn
	left   int
	breaks *atomic.Int32
}

func (f *fragile) Read(p []byte) (int, error) {
	if f.left == 0 {
		f.breaks.Add(1)
		f.Close()
		return 0, io.ErrUnexpectedEOF
	}
	n, err := f.Conn.Read(p[:min(len(p), f.left)])
	f.left -= n
	return n, err
}
