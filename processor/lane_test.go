package processor

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/tillstream/tillstream/processor/align"
	"github.com/tillstream/tillstream/processor/commit"
	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/processor/rollup"
)

// still is a Kafka in which nothing comes, with the offsets of a group.
type still struct {
	committed map[commit.TopicPartition]commit.Committed
}

func (*still) Fetch(ctx context.Context, _ []fetch.Position) ([]fetch.Chunk, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (*still) Bounds(context.Context, []fetch.TopicPartition) (map[fetch.TopicPartition]fetch.Bounds, error) {
	return map[fetch.TopicPartition]fetch.Bounds{}, nil
}

func (s *still) Committed(context.Context, []commit.TopicPartition) (map[commit.TopicPartition]commit.Committed, error) {
	return s.committed, nil
}

func (*still) Commit(context.Context, map[commit.TopicPartition]commit.Committed) error { return nil }

func (*still) Send(context.Context, []DeadLetter) error { return nil }

// heldMarks keeps marks, and tells when the state has landed.
type heldMarks struct {
	marks   []TableMark
	landed  func()
	inserts []string
}

func (h *heldMarks) Insert(_ context.Context, in Insert) error {
	h.inserts = append(h.inserts, in.Block.Name())
	h.marks = slices.DeleteFunc(h.marks, func(m TableMark) bool { return m.Table == in.Block.Table && m.Month == in.Block.Month })
	h.marks = append(h.marks, TableMark{in.Block.Table, in.Block.Month, in.Mark})
	if in.Block.Table == commit.StateTable {
		h.landed()
	}
	return nil
}

func (h *heldMarks) Marks(context.Context, string, ...string) ([]TableMark, error) {
	return slices.Clone(h.marks), nil
}

func (*heldMarks) State(context.Context, []string, func(rollup.StateRow) error) error { return nil }

// A batch that was begun before the lane got another partition is finished with the ranges that it was begun with: with the new
// partition in them they would contradict what the tables hold.
func TestPendingBatchKeepsItsRangesWhenAPartitionIsAdded(t *testing.T) {
	old, added := fetch.TopicPartition{Topic: "pos.health", Partition: 0}, fetch.TopicPartition{Topic: "pos.transactions", Partition: 0}
	cfg := benchConfig()
	cfg.SessionTimeout, cfg.BatchAge, cfg.BatchRecords = 10*time.Second, time.Second, 10
	ranges := commit.Ranges{{TopicPartition: commit.TopicPartition(old), From: 7, To: 7}}
	ledger := commit.Mark{Epoch: 1, Batch: 1, Fingerprint: cfg.Fingerprint(), Blocks: 1, Ranges: ranges}.String()
	kafka := &still{committed: map[commit.TopicPartition]commit.Committed{commit.TopicPartition(old): {Offset: 7}, commit.TopicPartition(added): {Offset: -1}}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sink := &heldMarks{marks: []TableMark{{"ledger", 197001, ledger}}, landed: cancel}
	l := &lane{
		name: "g/0", epoch: 1, origin: Stream{}.origin, tps: []fetch.TopicPartition{old, added}, cfg: cfg, fingerprint: cfg.Fingerprint(), share: 1 << 20, source: kafka, offsets: kafka,
		sink: sink, letters: kafka, now: time.Now, log: zap.NewNop(), report: newLaneReport(0, "g/0", newMetrics(prometheus.NewRegistry())), hand: &handle{},
	}
	if err := l.session(ctx); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(sink.inserts, []string{"claims/000000", "state/000000"}) {
		t.Errorf("inserted %v, want only the claim and the state: the ledger was there", sink.inserts)
	}
	i := slices.IndexFunc(sink.marks, func(m TableMark) bool { return m.Table == commit.StateTable })
	got, err := commit.ParseMark(sink.marks[i].Mark)
	if err != nil || !cmp.Equal(got.Ranges, ranges) || got.Batch != 1 {
		t.Errorf("the state says %+v, %v; want batch 1 with %v", got, err, ranges)
	}
}

// A member whose clock was a year ahead leaves an intent whose deadline is as far off. Its lane waits as long as any window is, and no year.
func TestADeadlineOfAClockThatWasAheadIsNotWaitedFor(t *testing.T) {
	for ahead, want := range map[time.Duration]time.Duration{
		0: 5*time.Second + clockMargin, 14 * time.Minute: 14*time.Minute + 5*time.Second + clockMargin, 365 * 24 * time.Hour: longestWindow + 2*clockMargin,
	} {
		synctest.Test(t, func(t *testing.T) {
			tp := fetch.TopicPartition{Topic: "pos.health"}
			cfg := benchConfig()
			cfg.SessionTimeout = 10 * time.Second
			began := time.Now()
			intent := commit.Metadata{Epoch: 1, Batch: 1, Pending: true, Partitions: 1, To: 7, Deadline: began.Add(ahead + cfg.SessionTimeout/2).UnixMilli(), Fingerprint: "f"}
			kafka := &still{committed: map[commit.TopicPartition]commit.Committed{commit.TopicPartition(tp): {Metadata: intent.String()}}}
			l := &lane{name: "g/0", epoch: 1, tps: []fetch.TopicPartition{tp}, cfg: cfg, offsets: kafka, sink: &heldMarks{}, now: time.Now, log: zap.NewNop()}
			plan, err := l.recover(t.Context())
			if err != nil || plan.Pending == nil || plan.Pending.Batch != 1 {
				t.Fatalf("%v ahead: %+v, %v", ahead, plan, err)
			}
			if took := time.Since(began).Truncate(time.Second); took != want {
				t.Errorf("%v ahead: waited %v, want %v", ahead, took, want)
			}
		})
	}
}

// A lane that waits for a partition in trouble says so once, and once that it is over; waiting for what is on its way is nothing to tell.
func TestALaneThatIsHeldBackSaysSo(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	registry := prometheus.NewRegistry()
	l := &lane{log: zap.New(core), report: newLaneReport(0, "g/0", newMetrics(registry))}
	shown := func() (n float64) {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "tillstream_lane_held_back" {
				n += f.GetMetric()[0].GetGauge().GetValue()
			}
		}
		return n
	}
	trouble := &align.Wait{Position: fetch.Position{TopicPartition: fetch.TopicPartition{Topic: "pos.health"}, Offset: 7}, End: 9}
	for i, step := range []struct {
		wait  *align.Wait
		lines int
		gauge float64
	}{{&align.Wait{Patient: time.Second}, 0, 0}, {trouble, 1, 1}, {trouble, 1, 1}, {nil, 2, 0}, {nil, 2, 0}} {
		l.heldBack(step.wait)
		if logs.Len() != step.lines || shown() != step.gauge {
			t.Errorf("step %d: %d lines, %v is shown; want %d, %v", i, logs.Len(), shown(), step.lines, step.gauge)
		}
	}
	if first := logs.All()[0].ContextMap(); first["topic"] != "pos.health" || first["offset"] != int64(7) {
		t.Errorf("it says %v", first)
	}
}
