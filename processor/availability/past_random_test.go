package availability

import (
	"encoding/json"
	flags "flag" // the package has a flag of its own
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/rollup"
)

var (
	chains     = flags.Int("chains", 3, "how many random chains are folded with all in memory and with a past")
	firstChain = flags.Uint64("chain", 1, "the seed of the first")
)

// chain makes the events of two stores of three tills: heartbeats, silences, backlogs that are late by hours or days, clocks that go wrong, revisions of the
// registry, maintenance. Unlike those of the model they are many: a timeline has a past only after some hours.
type chain struct {
	rnd      *rand.Rand
	now      int64
	received map[*event.Event]int64
	revision int
	behind   map[string]int64
	window   time.Duration
}

func (c *chain) pick(of ...int64) int64 { return of[c.rnd.IntN(len(of))] }

func (c *chain) next(t *testing.T) *event.Event {
	c.now += c.pick(1, 30_000, 60_000, 300_000, 300_000, 900_000, 3_600_000)
	if c.rnd.IntN(60) == 0 {
		c.now += c.pick(5, 30, 80) * hourMilli
	}
	store := fmt.Sprintf("s%d", 1+c.rnd.IntN(2))
	switch c.rnd.IntN(40) {
	case 0:
		return c.text(t, store)
	case 1:
		e := &event.Event{}
		e.Type, e.StoreID, e.Time = event.TypeMaintenance, store, event.Time{Milli: c.now, OK: true}
		return e
	}
	e := report(c.now, []string{"up", "up", "up", "up", "degraded", "down", "maintenance", "closing"}[c.rnd.IntN(8)])
	e.StoreID, e.TerminalID = store, fmt.Sprintf("t%d", 1+c.rnd.IntN(3))
	e.Sequence = event.Some(uint64(c.rnd.IntN(4)))
	e.Health.HeartbeatInterval = event.Some(uint32(c.pick(30, 600, 1200)))
	e.Health.BootID = []string{"", "b1", "b2"}[c.rnd.IntN(3)]
	if c.rnd.IntN(3) == 0 {
		e.Health.ResponseMS = event.Some(uint32(c.rnd.IntN(300)))
	}
	if c.rnd.IntN(3) == 0 {
		e.Type = event.TypeTransaction
		e.Transaction.StartedAt = event.Time{Milli: c.now - c.pick(1, 60_000, 1_800_000, 3_600_000), OK: true}
	}
	if c.rnd.IntN(5) == 0 {
		e.Time.Milli -= int64(c.rnd.IntN(int(c.window.Milliseconds() * 5 / 4)))
	}
	switch key := e.StoreID + e.TerminalID; {
	case c.behind == nil:
	case c.rnd.IntN(100) == 0:
		c.behind[key] = c.pick(0, 0, 240_400, -90_000, 20*hourMilli)
		fallthrough
	case c.behind[key] != 0:
		c.received[e] = e.Time.Milli + 50
		e.Time.Milli -= c.behind[key]
		e.SentAt = e.Time
	}
	return e
}

// text is a new revision of a store.
func (c *chain) text(t *testing.T, store string) *event.Event {
	type object = map[string]any
	c.revision++
	terminals := []object{}
	for i := range 3 {
		life := object{}
		if c.rnd.IntN(3) == 0 {
			life["from"] = time.UnixMilli(c.now - int64(c.rnd.IntN(100))*hourMilli).UTC()
		}
		if c.rnd.IntN(4) == 0 {
			life["to"] = time.UnixMilli(c.now + int64(1+c.rnd.IntN(100))*hourMilli).UTC()
		}
		v := object{}
		if c.rnd.IntN(2) == 0 {
			v["heartbeat_timeout"] = 15 * 60_000
		}
		if c.rnd.IntN(5) > 0 {
			terminals = append(terminals, object{"id": fmt.Sprintf("t%d", i+1), "lives": []object{life}, "versions": []object{v}})
		}
	}
	value, err := json.Marshal(object{"store_id": store, "revision": c.revision, "store": object{
		"versions": []object{{"timezone": "UTC", "sell_quorum": 1 + c.rnd.IntN(3)}}, "terminals": terminals,
	}})
	if err != nil {
		t.Fatal(err)
	}
	text, err := registry.ReadState(value)
	if err != nil {
		t.Fatalf("%s: %v", value, err)
	}
	e := registration(text, c.now)
	e.StoreID = store
	return e
}

// Whether evidence that is long over is kept in memory or read again when it is wanted: the rows are the same, batch by batch, also where the state was loaded between.
func TestPastIsAsIfItWereInMemory(t *testing.T) {
	wanted, most := 0, 0
	play := func(t *testing.T, seed uint64) {
		c := &chain{rnd: rand.New(rand.NewPCG(seed, 1)), now: someHour, received: map[*event.Event]int64{}, window: 24 * time.Hour}
		if c.rnd.IntN(4) == 0 {
			c.behind = map[string]int64{}
		}
		exclusions := fixed(interval.Set{{From: someHour + 3*hourMilli, To: someHour + 5*hourMilli}, {From: someHour + 40*hourMilli, To: someHour + 45*hourMilli}})
		var stale, stalePast int
		cfg := Config{Window: c.window}
		whole := New(cfg, exclusions, func(string, string, int32) { stale++ })
		cfg.Recall = c.rnd.IntN(4) > 0
		begin := func() *Fold { return New(cfg, exclusions, func(string, string, int32) { stalePast++ }) }
		past, want, got, st := begin(), tables{}, tables{}, state{}
		largest := int(c.pick(1, 5, 40))
		batches := uint64(c.pick(8, 40, 160))
		for batch := uint64(1); batch <= batches; batch++ {
			v := rollup.Version{Epoch: 1, Batch: batch}
			part := []*event.Event{}
			for range 1 + c.rnd.IntN(largest) {
				part = append(part, c.next(t))
			}
			for _, e := range part {
				whole.Fold(e, rollup.Input{Timestamp: c.received[e]})
			}
			want.apply(t, whole.Seal(v), v)
			if c.rnd.IntN(20) == 0 {
				cfg.Recall = true // else a version that knew no past has left its state
				past = begin()
				for _, row := range st.rows(c.rnd.IntN(2) == 0) {
					if err := past.Load(row); err != nil {
						t.Fatalf("%v", err)
					}
				}
			}
			c.rnd.Shuffle(len(part), func(i, j int) { part[i], part[j] = part[j], part[i] })
			for _, e := range part {
				past.Fold(e, rollup.Input{Timestamp: c.received[e]})
			}
			wanted += st.answer(t, past, 1+c.rnd.IntN(20))
			s := past.Seal(v)
			got.apply(t, s, v)
			st.apply(s.State)
			if (batch%40 == 0 || batch == batches) && !reflect.DeepEqual(want, got) {
				t.Fatalf("batch %d (-whole +past):\n%s", batch, cmp.Diff(want, got))
			}
			if stale != stalePast {
				t.Fatalf("batch %d: stale %d, want %d", batch, stalePast, stale)
			}
			keys := map[string]bool{}
			for _, row := range s.State {
				if keys[row.Kind+row.Key] {
					t.Fatalf("batch %d: state %s %q twice", batch, row.Kind, row.Key)
				}
				keys[row.Kind+row.Key] = true
			}
			hours := map[string]int{} // that the state has, by terminal
			for _, row := range st {
				if row.Kind == rollup.KindPast || row.Kind == KindEvidence {
					hours[row.Key[:len("s1\x00t1")]]++
				}
			}
			for _, x := range terminalsOf(past) {
				if n := hours[x.key]; n > 30+len(x.chunks) && !x.skewed {
					t.Fatalf("batch %d: the state has %d hours of %q", batch, n, x.key)
				}
				if x.back != nil {
					t.Fatalf("batch %d: %q has kept what was recalled", batch, x.key)
				}
			}
			for _, x := range terminalsOf(past) {
				if !x.skewed && batch > 50 {
					most = max(most, len(x.chunks))
				}
			}
		}
	}
	for seed := *firstChain; seed < *firstChain+uint64(*chains); seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { play(t, seed) })
	}
	if wanted < 50**chains {
		t.Errorf("%d rows were wanted", wanted)
	}
	t.Logf("%d rows were wanted, at most %d hours of a till in memory", wanted, most)
}
