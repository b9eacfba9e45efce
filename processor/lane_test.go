package processor

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
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

// Where a partition cannot be read on, what comes before is brought in, in the order of time beside what other partitions have, before the lane stops: be it that the damage is found as a
// batch comes, or in one that came.
func TestALaneBringsInWhatComesBeforeDamage(t *testing.T) {
	other := fetch.TopicPartition{Topic: "pos.health", Partition: tp.Partition}
	for name, inside := range map[string]bool{"as it comes": false, "inside": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := benchConfig()
				cfg.BatchAge, cfg.BatchRecords = time.Hour, 1<<30
				l, h := laneOf(t, cfg, math.MaxInt)
				h.folder.Begin(other, 0, true)
				order := align.New(48*time.Hour, align.Clocks{}) // an hour at a time
				order.Add(tp, 0, 9, math.MaxInt64, false)
				order.Add(other, 0, 9, math.MaxInt64, false)
				var values [][]byte
				var at []int64
				for _, r := range baskets(9) {
					values, at = append(values, r.Value), append(at, r.Timestamp)
				}
				early := slices.Clone(at) // three hours before, so they are folded first
				for i := range early {
					early[i] -= 3 * 3600_000
				}
				time.Sleep(time.Until(time.UnixMilli(at[8] + 1))) // what is of the future is in no order
				chunk := func(tp fetch.TopicPartition, from int, at []int64) fetch.Chunk {
					c := chunkOf(tp, int64(from), values[from:from+len(at)], at)
					c.LastStableOffset = 9
					return c
				}
				damaged := chunk(tp, 0, at[:3])
				damage := &fetch.CorruptError{TopicPartition: tp, Offset: 3, Err: errors.New("torn")}
				if inside {
					more := chunk(tp, 3, at[3:4])
					more.Data[22] = 7 // a compression that there is none of
					damaged.Data = append(damaged.Data, more.Data...)
					damage.Offset = 4
				}
				asks, in, out := make(chan []fetch.Position, 1), make(chan fetched), make(chan *batch, 1)
				p := &progress{done: make(chan struct{}, 1)}
				ended := make(chan error, 1)
				go func() { ended <- l.fold(t.Context(), h, order, asks, in, out, p) }()

				<-asks
				in <- fetched{chunks: []fetch.Chunk{damaged}}
				<-asks
				in <- fetched{err: fmt.Errorf("fetching: %w", damage)}
				pos := <-asks
				if len(pos) != 1 || pos[0].TopicPartition != other {
					t.Errorf("asks for %v", pos)
				}
				in <- fetched{chunks: []fetch.Chunk{chunk(other, 0, early[:5])}}
				synctest.Wait()
				if len(ended) > 0 || len(out) > 0 {
					t.Fatal("it ended, or closed a batch, though the other partition is behind")
				}
				<-asks
				in <- fetched{chunks: []fetch.Chunk{chunk(other, 5, early[5:])}}
				synctest.Wait()
				b := <-out
				if want := (commit.Ranges{{TopicPartition: commit.TopicPartition(other), To: 9}, {TopicPartition: commit.TopicPartition(tp), To: 3}}); !slices.Equal(b.ranges, want) || b.tally.gaps > 0 {
					t.Errorf("the last batch has %v and %+v, want %v", b.ranges, b.tally, want)
				}
				if len(ended) > 0 {
					t.Fatal("it ended before the batch was written")
				}
				p.written.Store(b.version.Batch)
				p.queued.Add(-1)
				p.done <- struct{}{}
				if err := <-ended; !final(err) || !strings.Contains(err.Error(), "at offset 3 of "+tp.String()) {
					t.Error(err)
				}
			})
		})
	}
}
