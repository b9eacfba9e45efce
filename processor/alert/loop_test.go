package alert

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/zap"
)

// desk is a Log, a Source and a Refresher in one, for a loop in a bubble of its own time.
type desk struct {
	looks func() *Snapshot
	send  func(n int) error

	mu sync.Mutex // of what follows
	kept
}

// kept is what came to a desk. Its slices only grow.
type kept struct {
	last    []Alert
	untold  []Transition // in the order of Put
	told    int          // of untold
	loads   int
	sent    []int // transitions in each sending that was taken
	refresh []int // open alerts in each
}

func (d *desk) Load(_ context.Context, _ []string, most int) ([]Alert, map[string][]Transition, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.loads++
	untold := d.untold[d.told:]
	return slices.Clone(d.last), map[string][]Transition{"desk": slices.Clone(untold[:min(len(untold), most)])}, nil
}

func (d *desk) Put(_ context.Context, ts []Transition) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range ts {
		d.last = append(d.last, t.Alert)
	}
	d.untold = append(d.untold, ts...)
	return nil
}

func (d *desk) Took(_ context.Context, _ string, ts []Transition) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told += len(ts)
	return nil
}
func (d *desk) Look(context.Context) (*Snapshot, error) { return d.looks(), nil }
func (d *desk) Name() string                            { return "desk" }

func (d *desk) Send(_ context.Context, ts []Transition) error {
	if err := d.send(len(ts)); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sent = append(d.sent, len(ts))
	return nil
}

func (d *desk) Refresh(_ context.Context, open []Alert) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refresh = append(d.refresh, len(open))
	return nil
}

func (d *desk) lead(t *testing.T, refresh time.Duration) *Metrics {
	m := NewMetrics(prometheus.NewRegistry())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		NewLoop(Config{Every: time.Second, Refresh: refresh, Limits: *limits()}, Deps{Source: d, Log: d, Receivers: []Receiver{d}, Logger: zap.NewNop(), Metrics: m}).Lead(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return m
}

// after lets time go by, and what falls due in it come to an end, and says what came until then.
func (d *desk) after(pause time.Duration) kept {
	time.Sleep(pause)
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.kept
}

// value is that of a gauge or a counter.
func value(t *testing.T, m prometheus.Metric) float64 {
	t.Helper()
	var out dto.Metric
	if err := m.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.GetGauge().GetValue() + out.GetCounter().GetValue()
}

func quiet() *Snapshot {
	at := time.Now().UnixMilli()
	return &Snapshot{At: at, Watermark: at}
}

// A receiver that is away costs nothing but time: what waits is counted, and told in pieces when it is back; looking goes on meanwhile.
func TestReceiverThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int64
		var back atomic.Bool
		d := &desk{looks: func() *Snapshot { looks.Add(1); return quiet() }}
		d.send = func(n int) error {
			if !back.Load() {
				return errors.New("away")
			}
			time.Sleep(time.Duration(n) * time.Millisecond) // slow, too
			return nil
		}
		for i := range 2500 {
			d.untold = append(d.untold, Transition{Fired, Alert{ID: strconv.Itoa(i), Sequence: 1}})
		}
		m := d.lead(t, time.Hour)
		d.after(time.Minute)
		if n := value(t, m.waiting.WithLabelValues("desk")); n != 2500 || looks.Load() < 55 {
			t.Errorf("%v wait, after %d looks", n, looks.Load())
		}
		failures := value(t, m.failed.WithLabelValues("desk"))
		if failures < 8 || failures > 15 { // 0.2, 0.4 … 10 s between tries
			t.Errorf("tried %v times within a minute", failures)
		}
		back.Store(true)
		if d := cmp.Diff([]int{1000, 1000, 500}, d.after(20*time.Second).sent); d != "" {
			t.Error(d)
		}
		if n := value(t, m.waiting.WithLabelValues("desk")); n != 0 || value(t, m.sent.WithLabelValues("desk")) != 2500 {
			t.Errorf("%v still wait", n)
		}
	})
}

// A receiver that was away for long has no more in memory than so much; what is beyond is in the log, and told in order when the rest was taken.
func TestReceiverThatWasAwayForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var back atomic.Bool
		d := &desk{looks: quiet}
		d.send = func(int) error {
			if !back.Load() {
				return errors.New("away")
			}
			return nil
		}
		const all = 2*maxWaiting + 500
		for i := range all {
			d.untold = append(d.untold, Transition{Fired, Alert{ID: strconv.Itoa(i), Sequence: 1}})
		}
		m := d.lead(t, time.Hour)
		d.after(time.Minute)
		if n := value(t, m.waiting.WithLabelValues("desk")); n != maxWaiting {
			t.Errorf("%v wait in memory", n)
		}
		back.Store(true)
		end := d.after(time.Minute)
		if n := value(t, m.sent.WithLabelValues("desk")); n != all || end.told != all || end.loads != 3 {
			t.Errorf("%v were sent, %d taken, read %d times", n, end.told, end.loads)
		}
	})
}

// What comes while a receiver is away is bounded, too, and of what waits none is told before another that came earlier.
func TestWhatComesWhileAReceiverIsAway(t *testing.T) {
	d := &desk{send: func(int) error { return nil }}
	more := make(chan struct{}, 1)
	c := newCourier(NewLoop(Config{}, Deps{Log: d, Logger: zap.NewNop(), Metrics: NewMetrics(prometheus.NewRegistry())}), d, nil, nil, more)
	c.loop.seen.Store(time.Now().UnixMilli())
	for _, n := range []int{maxWaiting - 1, 2, 1} {
		c.hand(make([]Transition, n), nil)
	}
	c.deliver(t.Context())
	if len(more) != 1 || d.told != maxWaiting-1 {
		t.Errorf("%d were told, and that there is more %d times", d.told, len(more))
	}
}

// A member that stood still for longer than it takes to be followed by another tells nobody what it knew, and reads what is known before it goes on.
func TestMemberThatStoodStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var still atomic.Int64 // for how long
		d := &desk{send: func(int) error { return nil }}
		d.looks = func() *Snapshot {
			time.Sleep(time.Duration(still.Load()))
			s := quiet()
			if still.Load() == 0 && d.loads == 1 {
				s.Stores = []Store{{ID: "s", Tills: 9, Able: 8, Bad: []Till{{"1", "down", 10}}}}
			}
			return s
		}
		m := d.lead(t, 10*time.Second)
		if d := cmp.Diff([]int{1, 1}, d.after(25*time.Second).refresh); d != "" {
			t.Error(d)
		}
		still.Store(int64(time.Minute))
		told := d.after(5 * time.Second)
		over := told.last[0] // another one sees that it is up again
		over.Status, over.Sequence, over.At = Resolved, 2, time.Now().UnixMilli()
		d.mu.Lock()
		d.last = append(d.last, over)
		d.mu.Unlock()
		then := d.after(30 * time.Second)
		d.after(25 * time.Second)
		still.Store(0)
		end := d.after(time.Minute)
		if len(end.refresh) != len(then.refresh) || len(end.sent) != len(told.sent) || end.loads != 2 {
			t.Errorf("told again of what was over %d times, sent %v, read %d times", len(end.refresh)-len(then.refresh), end.sent, end.loads)
		}
		if n := value(t, m.judging); n != 1 {
			t.Errorf("judging is %v", n)
		}
	})
}
