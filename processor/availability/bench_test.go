package availability

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
)

// beats is a chain of tills that report every 30 s, with jitter, response times and a diagnosis; deterministic.
type beats struct {
	ids   []string
	event event.Event
	rand  *rand.Rand
	round int64
}

func newBeats(tills int) *beats {
	b := &beats{rand: rand.New(rand.NewPCG(1, 2))}
	for i := range tills {
		b.ids = append(b.ids, fmt.Sprintf("till-%06d", i))
	}
	e := &b.event
	e.Type = event.TypeHealth
	e.Health = event.Health{
		Status: "up", HeartbeatInterval: event.Some(uint32(30)), SoftwareVersion: "7.1.2",
		Components: []event.Component{{Type: "printer", State: "ok"}, {Type: "card_reader", State: "ok"}, {Type: "scanner", State: "ok"}},
	}
	return b
}

// next is a till's report in this round of 30 s.
func (b *beats) next(till int) *event.Event {
	e := &b.event
	e.StoreID, e.TerminalID = b.ids[till-till%4], b.ids[till]
	e.Time = event.Time{Milli: someHour + 30_000*b.round + int64(till%30_000) + b.rand.Int64N(100), OK: true}
	e.Sequence = event.Some(uint64(b.round))
	e.Health.ResponseMS = event.Some(40 + b.rand.Uint32N(100))
	return e
}

func TestFoldDoesNotAllocate(t *testing.T) {
	b := newBeats(100)
	f := New(Config{}, nil, noStale(t))
	round := func() {
		for i := range b.ids {
			f.Fold(b.next(i), rollup.Input{})
		}
		b.round++
	}
	for v := range uint64(3) {
		for range 10 {
			round()
		}
		f.Seal(rollup.Version{Batch: v})
	}
	if n := testing.AllocsPerRun(5, round); n != 0 {
		t.Errorf("%v allocations while folding 100 reports", n)
	}
}

// One op is one report. Each batch has one report of each till, as when batches are older than the heartbeat interval.
func BenchmarkFold(b *testing.B) { benchmark(b, 100_000, 20) }

// The same when the window is full.
func BenchmarkFoldFullWindow(b *testing.B) { benchmark(b, 2_000, 51*120) }

func benchmark(b *testing.B, tills, warm int) {
	src := newBeats(tills)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f := New(Config{}, nil, func(string, string, int32) { b.Fatal("stale") })
	fold := func() {
		for i := range src.ids {
			f.Fold(src.next(i), rollup.Input{})
		}
		src.round++
	}
	batch := uint64(0)
	for src.round < int64(warm) {
		for range min(20, warm) {
			fold()
		}
		batch++
		f.Seal(rollup.Version{Batch: batch})
	}
	f.inbox, f.touched, f.scratch = inbox{}, nil, scratch{} // what a batch takes is not state
	runtime.GC()
	runtime.ReadMemStats(&after)
	fold() // makes room again
	batch++
	f.Seal(rollup.Version{Batch: batch})

	b.Run("fold", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for range b.N {
			if i == tills {
				b.StopTimer()
				src.round++
				batch++
				f.Seal(rollup.Version{Batch: batch})
				i = 0
				b.StartTimer()
			}
			f.Fold(src.next(i), rollup.Input{})
			i++
		}
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(tills), "B/terminal")
	})
	src.round++
	b.Run("seal", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		b.StopTimer()
		for range b.N {
			if i == tills {
				b.StartTimer()
				batch++
				f.Seal(rollup.Version{Batch: batch})
				b.StopTimer()
				src.round++
				i = 0
			}
			f.Fold(src.next(i), rollup.Input{})
			i++
		}
		b.StartTimer()
		batch++
		f.Seal(rollup.Version{Batch: batch})
		src.round++
	})
}

// The same of tills whose clock is wrong by four minutes, when the window is full.
func BenchmarkFoldWrongClock(b *testing.B) {
	for _, behind := range []int64{0, 240_000} {
		b.Run(fmt.Sprint(behind), func(b *testing.B) {
			src := newBeats(40)
			f := New(Config{}, nil, func(string, string, int32) { b.Fatal("stale") })
			fold := func() {
				for i := range src.ids {
					e := src.next(i)
					sent := e.Time.Milli
					e.Time.Milli -= behind
					e.SentAt = e.Time
					f.Fold(e, rollup.Input{Timestamp: sent + 100})
				}
				src.round++
				f.Seal(rollup.Version{Epoch: 1, Batch: uint64(src.round)})
			}
			for range 51 * 120 {
				fold()
			}
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				fold()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(src.ids)), "ns/report")
		})
	}
}

// One op is one report, as a lane is that is up to date: a batch a second has the reports of a thirtieth of the tills, and one of a store has one of its four.
func BenchmarkFoldEachSecond(b *testing.B) {
	const tills, part = 12_000, 30
	src := newBeats(tills)
	f := New(Config{Recall: true}, nil, func(string, string, int32) { b.Fatal("stale") })
	second := 0
	batch := func() {
		for till := second % part; till < tills; till += part {
			f.Fold(src.next(till), rollup.Input{})
		}
		if second++; second%part == 0 {
			src.round++
		}
		f.Seal(rollup.Version{Epoch: 1, Batch: uint64(second)})
	}
	for range 100 * part { // so that an hour is nearly full
		batch()
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if n++; n%(tills/part) == 0 {
			batch()
		}
	}
}
