package availability

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
)

func TestPackRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawEvidence(t)
		if rapid.Bool().Draw(t, "regular") {
			want = distinct(append(want, beating(rapid.Uint64().Draw(t, "seed"), rapid.Int64Range(0, 20_000).Draw(t, "jitter"), rapid.Bool().Draw(t, "drifts"))...))
		}
		plain := appendChunk(nil, someHour, want)
		right := slices.Clone(want)
		for i := range right {
			right[i].Skew, right[i].Sent = 0, 0 // evidence of a clock that is wrong is not packed
		}
		right = distinct(right)
		for _, fixed := range []bool{false, true} {
			got, err := readChunk(nil, someHour, appendPacked(nil, someHour, right, periodOf(right), fixed), texts{})
			if err != nil || !reflect.DeepEqual(right, got) {
				t.Fatalf("read %v, %v\nwrote %v", got, err, right)
			}
		}
		if packed := new(scratch).pack(someHour, want, len(plain)); packed != nil {
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
			bytes, n, plain = bytes+len(new(scratch).pack(someHour, ev, len(p))), n+len(ev), plain+len(p)
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
	packed := new(scratch).pack(someHour, ev, len(plain))
	var got []Evidence
	var s scratch
	b.Run("pack", func(b *testing.B) {
		for b.Loop() {
			s.pack(someHour, ev, len(plain))
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

// Days of heartbeats of tills of one store, some down, some late by hours and into hours that are packed: a fold that is made anew from its state after every batch has the
// same rows as one that goes on, and both have the runs of all the evidence.
func TestPackedHoursAreCorrected(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	var batches [][]*event.Event
	var evidence []Evidence
	f := New(Config{}, nil, noStale(t))
	for hour := range int64(60) {
		var batch []*event.Event
		for i := range int64(120) {
			e := report(someHour+hour*hourMilli+30_000*i+r.Int64N(2000), "up")
			e.Health.HeartbeatInterval, e.Sequence = event.Some(uint32(30)), event.Some(uint64(hour*120+i))
			switch {
			case r.IntN(500) == 0:
				e.Health.Status = "down"
			case r.IntN(300) == 0: // it comes later
				e.Time.Milli -= min(hour, 40) * hourMilli
			case r.IntN(4) == 0:
				e.Health.ResponseMS = event.Some(r.Uint32N(100))
			}
			var ev Evidence
			f.evidenceOf(&ev, e, e.When().Milli, e.When().Milli)
			evidence, batch = append(evidence, ev), append(batch, e)
		}
		batches = append(batches, batch[:40], batch[40:])
	}
	got, gotAgain, st, packed := tables{}, tables{}, state{}, 0
	for i, batch := range batches {
		v := rollup.Version{Epoch: 1, Batch: uint64(i + 1)}
		again := New(Config{}, nil, noStale(t))
		for _, row := range st.rows(i%2 == 0) {
			if err := again.Load(row); err != nil {
				t.Fatal(err)
			}
		}
		for _, e := range batch {
			f.Fold(e, rollup.Input{})
			again.Fold(e, rollup.Input{})
		}
		got.apply(t, f.Seal(v), v)
		s := again.Seal(v)
		gotAgain.apply(t, s, v)
		st.apply(s.State)
		keys := map[string]bool{}
		for _, row := range s.State {
			if k := row.Kind + row.Key; keys[k] {
				t.Fatalf("batch %d: state %q twice", i, k)
			}
			keys[row.Kind+row.Key] = true
		}
	}
	for _, row := range st {
		if row.Kind == KindEvidence && row.Value[0] == 0 {
			packed++
		}
	}
	if packed < 45 {
		t.Errorf("%d hours are packed in the state", packed)
	}
	if d := cmp.Diff(got, gotAgain); d != "" {
		t.Errorf("(-kept +loaded):\n%s", d)
	}
	once, whole := New(Config{}, nil, noStale(t)), state{}
	for i, batch := range batches {
		for _, e := range batch {
			once.Fold(e, rollup.Input{})
		}
		if i%7 == 6 || i == len(batches)-1 {
			whole.apply(once.Seal(rollup.Version{Epoch: 1, Batch: uint64(i)}).State)
		}
	}
	if d := cmp.Diff(st, whole); d != "" {
		t.Errorf("state (-many batches +few):\n%s", d)
	}
	n := 0
	for _, run := range Timeline(Config{}, evidence) {
		if row := got["status_intervals"]["s1|t1|"+padded(run.Start)]; row == nil || row["status"] != run.Status.String() || row["cause"] != run.Cause {
			t.Errorf("%v: there is %v", run, row)
		}
		n++
	}
	if n != len(got["status_intervals"]) || n < 20 {
		t.Errorf("%d intervals, want %d, and some", len(got["status_intervals"]), n)
	}
}
