package processor

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/tillstream/tillstream/processor/align"
	"github.com/tillstream/tillstream/processor/commit"
	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/processor/format"
	"github.com/tillstream/tillstream/processor/rollup"
)

// answers are those of a schema registry, one after the other; the last one stays.
type answers []error

func (a *answers) Schema(context.Context, int) (format.Schema, error) {
	err := (*a)[0]
	if len(*a) > 1 {
		*a = (*a)[1:]
	}
	return format.Schema{Text: "{}"}, err
}

// An outage of the registry is waited for, however long. That it has no such schema is believed when it has said so several times, and at once when ids
// have been made up before.
func TestWaitingForASchema(t *testing.T) {
	down, unknown := errors.New("refused"), format.ErrUnknownSchema
	lasting := make(answers, 200)
	for i := range lasting {
		lasting[i] = down
	}
	synctest.Test(t, func(t *testing.T) { // the clock is that of the bubble
		l := &lane{log: zap.NewNop(), cfg: &Config{SessionTimeout: time.Minute}, now: time.Now, report: newLaneReport(0, "g/0", newMetrics(prometheus.NewRegistry()))}
		id := 7
		ask := func(a answers, h *hand) (time.Duration, error) {
			l.writers = &a
			began := time.Now()
			_, err := l.schemas(t.Context(), h, false)(id)
			return time.Since(began), err
		}
		if took, err := ask(append(lasting, nil), &hand{}); err != nil || took < time.Hour {
			t.Error(took, err)
		}
		if _, err := ask(answers{unknown, unknown, nil}, &hand{}); err != nil {
			t.Error("another node of the registry has it:", err)
		}
		h := &hand{}
		for i := range patientUnknowns + 2 {
			id = i
			took, err := ask(answers{unknown}, h)
			if !errors.Is(err, unknown) || took > 10*time.Second || (took == 0) != (i >= patientUnknowns) {
				t.Errorf("id %d took %v: %v", i, took, err)
			}
		}
		time.Sleep(unknownFor) // of the bubble's clock
		if took, err := ask(answers{nil}, h); !errors.Is(err, unknown) || took > 0 {
			t.Error("a batch says two things of an id:", took, err)
		}
		if want := (commit.Unknown{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}); !h.judged.Equal(want) {
			t.Errorf("the batch was judged by %v, want %v", h.judged, want)
		}
		h.judged = nil // the batch is closed
		if took, err := ask(answers{unknown}, h); !errors.Is(err, unknown) || took > 0 {
			t.Error("of an id that it was asked for before it is asked once:", took, err)
		}
		h.judged = nil
		if took, err := ask(answers{nil}, h); !errors.Is(err, unknown) || took > 0 {
			t.Error("its word does not hold:", took, err)
		}
		time.Sleep(unknownFor)
		h.judged = nil
		if _, err := ask(answers{nil}, h); err != nil {
			t.Error("it was mended:", err)
		}
		if took, err := ask(answers{down, down, down, down, down, unknown}, &hand{}); !errors.Is(err, unknown) || took < 10*time.Second {
			t.Error("after an outage, an id that there is not:", took, err)
		}
		// A batch that is folded again: what was unknown is not asked for, and all else must be there.
		l.writers = &answers{unknown, unknown, unknown, unknown, unknown, unknown, nil}
		again := l.schemas(t.Context(), &hand{judged: commit.Unknown{7}}, true)
		if _, err := again(7); !errors.Is(err, unknown) {
			t.Error("known by now, but not in this batch:", err)
		}
		if _, err := again(8); err != nil {
			t.Error("what was known is waited for:", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		l.writers = &answers{down}
		if _, err := l.schemas(ctx, &hand{}, false)(7); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// A batch judges so many ids at most, wherever in a record batch that is: what it judged unknown has to be said in its claim.
func TestABatchThatJudgesManySchemas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the first ids, and the first after maxUnknown, are waited for
		tp := fetch.TopicPartition{Topic: "pos.health"}
		cfg := benchConfig()
		a := answers{format.ErrUnknownSchema}
		l := &lane{
			cfg: cfg, epoch: 1, sink: &heldMarks{}, writers: &a, now: time.Now, log: zap.NewNop(), report: newLaneReport(0, "g/0", newMetrics(prometheus.NewRegistry())),
			tps: []fetch.TopicPartition{tp},
		}
		h, err := l.load(t.Context(), commit.Plan{})
		if err != nil {
			t.Fatal(err)
		}
		h.folder.Begin(tp, 0, true)
		h.folder.decoder.Find(l.schemas(t.Context(), h, false))
		order := align.New(time.Hour, align.Clocks{})
		order.Add(tp, 0, 2*commit.MaxUnknown+1, math.MaxInt64, false)
		order.Take(madeUp(tp, 2*commit.MaxUnknown+1))
		var judged []int
		for walker := fetch.NewWalker(); ; {
			step, _ := order.Next(time.Now())
			if step.Chunk == nil {
				break
			}
			if err := l.step(h, walker, order, &step, 1<<30); err != nil {
				t.Fatal(err)
			}
			b := h.seal(l)
			judged = append(judged, len(b.unknown))
			if len(b.letters) != len(b.unknown) {
				t.Errorf("%d dead letters with %d ids", len(b.letters), len(b.unknown))
			}
		}
		if want := []int{commit.MaxUnknown, commit.MaxUnknown, 1}; !slices.Equal(judged, want) {
			t.Errorf("batches judged %v ids, want %v", judged, want)
		}
	})
}

// madeUp is one record batch of records that have ids of schemas of their own.
func madeUp(tp fetch.TopicPartition, n int) fetch.Chunk {
	var records []byte
	for i := range n {
		body := binary.AppendVarint([]byte{0, 0}, int64(i)) // attributes, timestamp, offset
		body = append(binary.AppendVarint(body, -1), 5<<1, 0)
		body = append(binary.BigEndian.AppendUint32(body, uint32(i)), 0)
		records = append(binary.AppendVarint(records, int64(len(body))), body...)
	}
	b := kmsg.RecordBatch{Length: int32(49 + len(records)), Magic: 2, LastOffsetDelta: int32(n - 1), ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, NumRecords: int32(n), Records: records}
	b.CRC = int32(crc32.Checksum(b.AppendTo(nil)[21:], crc32.MakeTable(crc32.Castagnoli)))
	return fetch.Chunk{TopicPartition: tp, Data: b.AppendTo(nil), HighWatermark: int64(n), LastStableOffset: int64(n)}
}

// What is in memory goes on with a batch only as it was claimed: another owner may have had it meanwhile, and have known more of schemas.
func TestMemoryFitsWhatWasClaimed(t *testing.T) {
	tp := commit.TopicPartition{Topic: "pos.health"}
	ranges := commit.Ranges{{TopicPartition: tp, To: 7}}
	l := &lane{epoch: 1, tps: []fetch.TopicPartition{fetch.TopicPartition(tp)}}
	h := &hand{
		epoch: 1, tps: l.tps, last: 1, sealed: []*batch{{version: rollup.Version{Epoch: 1, Batch: 1}, ranges: ranges, unknown: commit.Unknown{7}}},
		folder: &folder{books: map[fetch.TopicPartition]*book{fetch.TopicPartition(tp): {from: 7, next: 7}}},
	}
	for _, c := range []struct {
		claimed commit.Unknown
		fits    bool
	}{{commit.Unknown{7}, true}, {commit.Unknown{}, false}, {commit.Unknown{7, 8}, false}, {nil, true}} {
		plan := commit.Plan{Position: map[commit.TopicPartition]int64{tp: 0}, Pending: &commit.Pending{Batch: 1, Ranges: ranges, Unknown: c.claimed}}
		if h.fits(l, plan) != c.fits {
			t.Errorf("claimed with %v: want %v", c.claimed, c.fits)
		}
	}
}

// What decides how records are read is in the fingerprint; where nothing is configured, it is as it was before there were formats.
func TestFingerprintOfFormats(t *testing.T) {
	seen := map[string]string{}
	for name, change := range map[string]func(*Config){
		"nothing":         func(*Config) {},
		"a format":        func(c *Config) { c.Formats = map[string]format.Format{"a": format.Avro} },
		"another format":  func(c *Config) { c.Formats = map[string]format.Format{"a": format.Protobuf} },
		"a registry":      func(c *Config) { c.SchemaRegistry = true },
		"a mapping":       func(c *Config) { c.Mappings = map[string]format.Mapper{"a": mapper("root = this")} },
		"another mapping": func(c *Config) { c.Mappings = map[string]format.Mapper{"a": mapper("root = {}")} },
		"another topic":   func(c *Config) { c.Mappings = map[string]format.Mapper{"b": mapper("root = this")} },
	} {
		c := benchConfig()
		change(c)
		f := c.Fingerprint()
		if other, twice := seen[f]; twice || f != c.Fingerprint() {
			t.Errorf("%s has the fingerprint of %s", name, other)
		}
		seen[f] = name
	}
	c := benchConfig()
	c.Mappings, c.Formats = map[string]format.Mapper{}, map[string]format.Format{}
	if seen[c.Fingerprint()] != "nothing" {
		t.Error("empty maps are something")
	}
}

type mapper string

func (m mapper) Map(out, payload []byte) ([]byte, *event.Rejection) {
	return append(out, payload...), nil
}
func (m mapper) String() string { return string(m) }
