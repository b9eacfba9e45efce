package processor

import (
	"context"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tillstream/tillstream/processor/align"
	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/processor/format"
)

func TestLanesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room := make(chan struct{}, 1)
		one, other, third := turn{room: room}, turn{room: room}, turn{room: room}
		var order []string
		take := func(n *turn, name string) {
			if err := n.take(t.Context(), time.Now); err != nil {
				t.Error(err)
			}
			order = append(order, name)
		}
		is := func(want ...string) {
			t.Helper()
			synctest.Wait()
			if !slices.Equal(order, want) {
				t.Fatalf("turns were %v, not %v", order, want)
			}
		}
		take(&one, "one")
		go take(&other, "other")
		is("one")
		time.Sleep(slice - 1)
		take(&one, "one") // its own still
		is("one", "one")
		time.Sleep(time.Nanosecond)
		go take(&one, "one")
		is("one", "one", "other")
		go take(&third, "third")
		is("one", "one", "other")
		other.leave()
		other.leave() // one leave too many is nobody else's
		is("one", "one", "other", "one")
		one.leave()
		is("one", "one", "other", "one", "third")

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := one.take(ctx, time.Now); err == nil || !one.since.IsZero() {
			t.Error("who waits for its turn does not end with its context")
		}
		third.leave()
		if len(room) != 0 {
			t.Error("a turn was not given back")
		}
	})
}

// What a lane was behind by is old when it is folded: no batch waits for its age with it. What comes then does.
func TestALaneThatCaughtUpDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := benchConfig()
		cfg.BatchAge, cfg.BatchRecords = time.Minute, 1<<30
		l, h := laneOf(t, cfg, math.MaxInt)
		l.turn.room = make(chan struct{}, 1)
		order := align.New(time.Hour, align.Clocks{})
		order.Add(tp, 0, 3, math.MaxInt64, false)
		ctx, cancel := context.WithCancel(t.Context())
		asks, in, out := make(chan []fetch.Position, 1), make(chan fetched), make(chan *batch, 1)
		p := &progress{done: make(chan struct{}, 1)}
		var values [][]byte
		var at []int64
		for _, r := range baskets(4) {
			values, at = append(values, r.Value), append(at, r.Timestamp)
		}
		ended := make(chan error)
		go func() { ended <- l.fold(ctx, h, order, asks, in, out, p) }()
		began := time.Now()
		for i, after := range []time.Duration{61200, 61700, 62400, 70000} { // ms
			pos := <-asks
			time.Sleep(after*time.Millisecond - time.Since(began))
			c := chunkOf(tp, pos[0].Offset, values[i:i+1], at[i:i+1])
			c.LastStableOffset = max(3, int64(i)+1)
			in <- fetched{chunks: []fetch.Chunk{c}}
			synctest.Wait()
			if n := len(out); n > 0 != (i == 2) {
				t.Errorf("%d batches are closed after %s", n, time.Since(began))
			}
			if i == 2 {
				b := <-out
				if got := time.Since(began); got != after*time.Millisecond || b.ranges[0].To != 3 {
					t.Errorf("a batch up to offset %d was closed after %s", b.ranges[0].To, got)
				}
				p.written.Store(b.version.Batch)
				p.queued.Add(-1)
			}
		}
		b := <-out
		if got := time.Since(began); got != 130*time.Second || b.ranges[0].From != 3 {
			t.Errorf("the batch from offset %d was closed after %s", b.ranges[0].From, got)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if l.turn.since != (time.Time{}) || len(l.turn.room) != 0 {
			t.Error("a lane that ended has its turn still")
		}
	})
}

// A lane that asks ClickHouse or a schema registry in the middle of a chunk lets others fold meanwhile, however long the answer takes.
func TestALaneThatAsksHasNoTurn(t *testing.T) {
	l, h := laneOf(t, benchConfig(), math.MaxInt)
	l.turn.room = make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // no other lane waits for its turn here: it has it or not
	var folds bool
	others := func() {
		other := turn{room: l.turn.room}
		folds = other.take(ctx, time.Now) == nil
		other.leave()
	}
	l.writers = registryFunc(others)
	for name, ask := range map[string]func() error{
		"ClickHouse": func() error {
			return l.ask(t.Context(), func(context.Context) error {
				others()
				return nil
			})
		},
		"registry": func() error {
			_, err := l.schemas(t.Context(), h, false)(7)
			return err
		},
	} {
		folds = false
		if err := l.turn.take(t.Context(), time.Now); err != nil {
			t.Fatal(err)
		}
		if err := ask(); err != nil || !folds {
			t.Errorf("%s: another lane folds while this one waits for the answer: %t, %v", name, folds, err)
		}
	}
}

type registryFunc func()

func (f registryFunc) Schema(context.Context, int) (format.Schema, error) {
	f()
	return format.Schema{Text: "{}"}, nil
}
