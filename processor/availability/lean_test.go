package availability

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
)

// clockwork makes the events of a store whose tills have clocks of all kinds: wrong by the same, or by that and a little more, that drift, jump, and are right again; with lines that are
// cut and backlogs that are sent later.
type clockwork struct {
	chain
	tills []*hand
}

type hand struct {
	wrong, drift, jitter float64 // ms, ms a ms, ms
	cut                  int64   // until when the till has no line
}

func (c *clockwork) turn(h *hand) {
	h.wrong = float64(c.pick(0, 240_000, 239_900, 3_600_000, -90_000, 7_000_300, 2_500, 20*hourMilli))
	h.drift, h.jitter = float64(c.pick(0, 0, 20, -20, 300))*1e-6, float64(c.pick(10, 150, 150, 1_500, 4_000))
}

// next is the next round of reports and sales, of half a minute.
func (c *clockwork) next(t *testing.T, fold func(*event.Event, int64)) {
	c.now += 30_000
	if c.rnd.IntN(400) == 0 {
		c.now += c.pick(1, 10, 30) * 600_000
	}
	if c.rnd.IntN(200) == 0 {
		fold(c.text(t, "s1"), 0)
	}
	for i, h := range c.tills {
		if h.wrong += h.drift * 30_000; c.rnd.IntN(500) == 0 {
			c.turn(h)
		}
		if c.rnd.IntN(300) == 0 {
			h.cut = c.now + c.pick(60_000, 600_000, 3*hourMilli)
		}
		if c.rnd.IntN(int(c.pick(2, 2, 40))) > 0 {
			continue
		}
		at := c.now + int64(c.rnd.IntN(100))
		e := report(at-int64(h.wrong), []string{"up", "up", "up", "up", "up", "up", "degraded", "down"}[c.rnd.IntN(8)])
		e.StoreID, e.TerminalID, e.Sequence = "s1", fmt.Sprintf("t%d", i+1), event.Some(uint64(c.rnd.IntN(4)))
		e.Health.HeartbeatInterval, e.Health.ResponseMS = event.Some(uint32(c.pick(30, 600))), event.Some(uint32(c.rnd.IntN(300)))
		e.Health.BootID = []string{"", "b1", "b2"}[c.rnd.IntN(40)%3]
		if c.rnd.IntN(5) == 0 {
			e.Type = event.TypeTransaction
			e.Transaction.StartedAt = event.Time{Milli: e.Time.Milli - c.pick(1, 20_000, 20_000, 1_800_000), OK: true}
		}
		e.SentAt = e.Time
		if at < h.cut {
			late := h.cut - at + c.pick(0, 1, 100)
			e.SentAt.Milli += late
			at += late
			e.Transaction.Offline.Mode = []string{"", "store_and_forward"}[c.rnd.IntN(2)]
		}
		if c.rnd.IntN(50) == 0 {
			e.SentAt = event.Time{}
		}
		fold(e, at+int64(c.rnd.Float64()*h.jitter))
	}
}

// What a till's timeline goes on from is no part of its state: who forgets all of it before every batch seals the same rows and the same state.
func TestTimelinesGoOnAsIfEvaluated(t *testing.T) {
	leant := 0
	for seed := *firstChain; seed < *firstChain+uint64(*chains); seed++ {
		c := &clockwork{chain: chain{rnd: rand.New(rand.NewPCG(seed, 7)), now: someHour + 40*hourMilli}}
		for range 4 {
			h := &hand{}
			c.turn(h)
			c.tills = append(c.tills, h)
		}
		cfg := Config{Window: time.Duration(c.pick(2, 5, 26)) * time.Hour, Recall: c.rnd.IntN(2) == 0}
		var stale [2]int
		folds := [2]*Fold{New(cfg, nil, func(string, string, int32) { stale[0]++ }), New(cfg, nil, func(string, string, int32) { stale[1]++ })}
		states := [2]state{{}, {}}
		rounds := int(c.pick(1, 2, 10, 40))
		for batch := uint64(1); batch <= 300; batch++ {
			for range 1 + c.rnd.IntN(rounds) {
				c.next(t, func(e *event.Event, received int64) {
					for _, f := range folds {
						f.Fold(e, rollup.Input{Timestamp: received})
					}
				})
			}
			for _, x := range terminalsOf(folds[0]) {
				if x.tip != nil && x.tip.lean != nil && x.tip.lean.skew != 0 {
					leant++
				}
			}
			for _, x := range terminalsOf(folds[1]) {
				x.tip, x.edge = nil, 0
			}
			var sealed [2]rollup.Sealed
			for i, f := range folds {
				states[i].answer(t, f, 20)
				sealed[i] = f.Seal(rollup.Version{Epoch: 1, Batch: batch})
				states[i].apply(sealed[i].State)
				slices.SortFunc(sealed[i].State, func(a, b rollup.StateRow) int {
					return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Key, b.Key))
				})
			}
			if stale[0] != stale[1] || !reflect.DeepEqual(sealed[0], sealed[1]) {
				t.Fatalf("seed %d, batch %d: a timeline that goes on is another than one that is evaluated anew", seed, batch)
			}
		}
	}
	if leant == 0 {
		t.Error("no clock was wrong by the same for long")
	}
	t.Logf("%d times a clock was known to be wrong", leant)
}

// A clock that is wrong by the same costs hardly more than one that is right, also when the window is full: what is allocated tells whether all of it is read.
func TestAWrongClockCostsLittle(t *testing.T) {
	cost := func(behind int64) float64 {
		src := newBeats(8)
		f := New(Config{}, nil, noStale(t))
		batch := func(rounds int) {
			for range rounds {
				for i := range src.ids {
					e := src.next(i)
					sent := e.Time.Milli
					e.Time.Milli -= behind
					e.SentAt = e.Time
					f.Fold(e, rollup.Input{Timestamp: sent + 100})
				}
				src.round++
			}
			f.Seal(rollup.Version{Epoch: 1, Batch: uint64(src.round)})
		}
		for range 51 {
			batch(120)
		}
		return testing.AllocsPerRun(240, func() { batch(1) })
	}
	if right, wrong := cost(0), cost(240_000); wrong > 2*right {
		t.Errorf("%v allocations a batch, %v where the clock is right", wrong, right)
	} else {
		t.Logf("%v and %v allocations a batch", right, wrong)
	}
}
