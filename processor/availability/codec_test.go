package availability

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
)

const someHour = 493_000 * hourMilli

func drawEvidence(t *rapid.T) []Evidence {
	var out []Evidence
	for range rapid.IntRange(1, 50).Draw(t, "n") {
		e := Evidence{Time: someHour + rapid.Int64Range(0, hourMilli-1).Draw(t, "time"), Sequence: rapid.Uint64().Draw(t, "sequence")}
		e.Start = e.Time
		if e.Sale = rapid.Bool().Draw(t, "sale"); e.Sale {
			e.Start -= rapid.Int64Range(0, proofLimit).Draw(t, "takes")
		} else {
			e.Status = rapid.SampledFrom([]Status{Up, Degraded, Down, Maintenance, Unknown, Closing, Disabled, Cardless}).Draw(t, "status")
			e.Hold = rapid.Int64Range(0, maxHold).Draw(t, "hold")
			e.Response = event.Opt[uint32]{OK: rapid.Bool().Draw(t, "responds")}
			if e.Response.OK {
				e.Response.Value = rapid.Uint32().Draw(t, "response")
			}
			e.Boot = rapid.SampledFrom([]uint32{0, 0, 1, 2, 1 << 31}).Draw(t, "boot")
			e.Cause = clip(rapid.String().Draw(t, "cause"))
		}
		if rapid.IntRange(0, 2).Draw(t, "skewed") == 0 {
			e.Skew = rapid.SampledFrom([]int32{2, -3, 240, int32(maxBehind), int32(-maxAhead)}).Draw(t, "skew")
			e.Sent = rapid.SampledFrom([]int32{0, 0, 1, 86_400}).Draw(t, "sent")
		}
		out = append(out, e)
	}
	return distinct(out)
}

func TestChunkRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawEvidence(t)
		data := appendChunk(nil, someHour, want)
		got, err := readChunk(nil, someHour, data, texts{})
		if err != nil || !reflect.DeepEqual(want, got) {
			t.Fatalf("read %v, %v\nwrote %v", got, err, want)
		}
		if n := rapid.IntRange(0, len(data)-1).Draw(t, "cut"); n < len(data) {
			got, err := readChunk(nil, someHour, data[:n], texts{})
			for i := range want {
				want[i].Skew, want[i].Sent = 0, 0 // without the deviations, and the boots, it is a chunk as older versions wrote it
			}
			rightly := reflect.DeepEqual(want, got)
			for i := range want {
				want[i].Boot = 0
			}
			if err == nil && !rightly && !reflect.DeepEqual(want, got) {
				t.Fatalf("%d of %d bytes were read as a whole", n, len(data))
			}
		}
	})
}

// What a heartbeat costs is the memory of the whole lane.
func TestHeartbeatIsSmall(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var ev []Evidence
	for i := range int64(120) {
		ev = append(ev, Evidence{
			Time: someHour + 30_000*i + r.Int64N(100), Sequence: uint64(1000 + i), Hold: 90_000, Status: Up,
			Response: event.Some(40 + r.Uint32N(100)),
		})
		ev[i].Start = ev[i].Time
	}
	if n := len(appendChunk(nil, someHour, ev)); n > 120*4 {
		t.Errorf("120 heartbeats with 100 ms of jitter take %d bytes, want at most 4 each", n)
	}
}

func FuzzReadChunk(f *testing.F) {
	f.Add(appendChunk(nil, someHour, []Evidence{
		{Time: someHour, Start: someHour, Status: Up, Hold: 90_000, Response: event.Some(uint32(80)), Sequence: 7},
		{Time: someHour + 1, Start: someHour - 1, Sale: true},
		{Time: someHour + 30_000, Start: someHour + 30_000, Status: Down, Hold: 90_000, Cause: "403", Sequence: 8},
	}))
	f.Add([]byte{2, 1, 2, 0, 3})
	f.Fuzz(func(t *testing.T, data []byte) {
		ev, err := readChunk(nil, someHour, data, texts{})
		if err != nil {
			return
		}
		for i, e := range ev {
			if floorHour(e.Time) != someHour || e.Start > e.Time || e.Time-e.Start > proofLimit || i > 0 && ev[i-1].Compare(&e) >= 0 {
				t.Fatalf("evidence %d of %v", i, ev)
			}
		}
		again, err := readChunk(nil, someHour, appendChunk(nil, someHour, ev), texts{})
		if err != nil || !reflect.DeepEqual(ev, again) {
			t.Fatalf("written again: %v, %v; want %v", again, err, ev)
		}
		Timeline(Config{}, ev)
	})
}

// Whatever a header says, the fold that loads it either refuses it or works.
func FuzzReadHeader(f *testing.F) {
	for _, e := range []*event.Event{report(someHour, "up"), report(someHour, "down"), sale(someHour-5, someHour)} {
		fold := New(Config{}, nil, func(string, string, int32) {})
		fold.Fold(e, rollup.Input{})
		fold.Fold(report(someHour+60*hourMilli, "up"), rollup.Input{})
		for _, row := range fold.Seal(rollup.Version{Epoch: 1, Batch: 1}).State {
			if row.Kind == KindTerminal {
				f.Add(row.Value, int64(1000))
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, after int64) {
		fold := New(Config{Recall: true}, nil, func(string, string, int32) {})
		if fold.Load(rollup.StateRow{Kind: KindTerminal, Key: "s1\x00t1", Value: data}) != nil {
			return
		}
		fold.adopt()
		was := *fold.find("s1", "t1")
		var again terminal
		if _, err := again.readHeader(was.appendHeader(nil), texts{}); err != nil || !reflect.DeepEqual(
			[]any{was.newest, was.firstSeen, was.base, was.hot, was.profile, was.kept, was.past}, []any{again.newest, again.firstSeen, again.base, again.hot, again.profile, again.kept, again.past}) {
			t.Fatalf("written again: %+v, %v; want %+v", again, err, was)
		}
		// A till that is heard again, within a year.
		next := was.newest + int64(uint64(after)%uint64(366*24*hourMilli))
		fold.Fold(report(next, "down"), rollup.Input{})
		got := tables{}
		if len(fold.Wants(1)) > 0 {
			return
		}
		got.apply(t, fold.Seal(rollup.Version{Epoch: 1, Batch: 2}), rollup.Version{Epoch: 1, Batch: 2})
		for _, r := range got["terminal_status"] {
			if r["status"] != "down" || r["last_seen"] != rollup.Millis(next) {
				t.Fatalf("status %v after a report of down", r)
			}
		}
		for _, r := range got["availability_hourly"] {
			if ms := r["service_ms"].(uint32); ms > uint32(hourMilli) {
				t.Fatalf("an hour of %d ms", ms)
			}
		}
	})
}
