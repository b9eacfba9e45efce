package availability

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/event"
)

func TestPackRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawEvidence(t)
		if rapid.Bool().Draw(t, "regular") {
			want = distinct(append(want, beating(rapid.Uint64().Draw(t, "seed"), rapid.Int64Range(0, 20_000).Draw(t, "jitter"), rapid.Bool().Draw(t, "drifts"))...))
		}
		plain := appendChunk(nil, someHour, want)
		for _, fixed := range []bool{false, true} {
			got, err := readChunk(nil, someHour, appendPacked(nil, someHour, want, periodOf(want), fixed), texts{})
			if err != nil || !reflect.DeepEqual(want, got) {
				t.Fatalf("read %v, %v\nwrote %v", got, err, want)
			}
		}
		if packed := pack(someHour, want, len(plain)); packed != nil {
			if packed[0] != 0 || len(packed) >= len(plain) {
				t.Fatalf("packed to %d bytes of %d, the first is %d", len(packed), len(plain), packed[0])
			}
			if got, err := readChunk(nil, someHour, packed, texts{}); err != nil || !reflect.DeepEqual(want, got) {
				t.Fatalf("read %v, %v\nwrote %v", got, err, want)
			}
		}
	})
}

// beating is an hour of reports, every 30 s, a quarter with a response time.
func beating(seed uint64, jitter int64, drifts bool) (ev []Evidence) {
	r := rand.New(rand.NewPCG(seed, 2))
	at := someHour + 100
	for i := range uint64(119) {
		e := Evidence{Time: at + 1000, Sequence: 70_000 + i, Hold: 90_000, Status: Up}
		if jitter > 0 {
			e.Time += r.Int64N(2*jitter+1) - jitter
		}
		if r.IntN(4) == 0 {
			e.Response = event.Some(40 + r.Uint32N(100))
		}
		if e.Start = e.Time; e.Time >= someHour && e.Time < someHour+hourMilli {
			ev = append(ev, e)
		}
		if at += 30_000; drifts {
			at = e.Time + 29_000
		}
	}
	return distinct(ev)
}

// The entropy of a jitter of ±1 s is 11 bits, that of which quarter has a response time 0.8 bits, that of one of 100 response times 6.6 bits: 13.5 bits a report.
func TestPackedHeartbeatsAreNearTheirEntropy(t *testing.T) {
	for _, drifts := range []bool{false, true} {
		bytes, n, plain := 0, 0, 0
		for seed := range uint64(100) {
			ev := beating(seed, 1000, drifts)
			p := appendChunk(nil, someHour, ev)
			bytes, n, plain = bytes+len(pack(someHour, ev, len(p))), n+len(ev), plain+len(p)
		}
		bits := 8 * float64(bytes) / float64(n)
		t.Logf("drifts %v: %.2f bits a report, %.2f in a chunk that is not packed", drifts, bits, 8*float64(plain)/float64(n))
		if bits > 13.5*1.12 {
			t.Errorf("drifts %v: %.2f bits a report, their entropy is 13.5; a chunk must learn the odds anew", drifts, bits)
		}
	}
}

func FuzzReadPacked(f *testing.F) {
	for _, ev := range [][]Evidence{beating(1, 1000, false), beating(1, 20, true), {{Time: someHour + 5, Start: someHour, Sale: true}}} {
		f.Add(appendPacked(nil, someHour, ev, periodOf(ev), true))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ev, err := readPacked(nil, someHour, append([]byte{0}, data...), texts{})
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
	})
}

func BenchmarkPack(b *testing.B) {
	ev := beating(1, 1000, false)
	plain := appendChunk(nil, someHour, ev)
	packed := pack(someHour, ev, len(plain))
	var got []Evidence
	b.Run("pack", func(b *testing.B) {
		for b.Loop() {
			pack(someHour, ev, len(plain))
		}
	})
	b.Run("read packed", func(b *testing.B) {
		for b.Loop() {
			got, _ = readChunk(got[:0], someHour, packed, nil)
		}
	})
	b.Run("read plain", func(b *testing.B) {
		for b.Loop() {
			got, _ = readChunk(got[:0], someHour, plain, nil)
		}
	})
}
