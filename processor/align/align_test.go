package align

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/fetch"
)

const (
	minute = int64(time.Minute / time.Millisecond)
	hour   = 60 * minute
	window = 48 * time.Hour
)

var (
	sales   = fetch.TopicPartition{Topic: "pos.transactions"}
	reports = fetch.TopicPartition{Topic: "pos.health"}
	stores  = fetch.TopicPartition{Topic: "pos.registry"}
	noon    = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
)

// log is a partition: the times of its records by offset, in batches of so many.
type log struct {
	tp    fetch.TopicPartition
	times []int64
	batch int
}

// chunk is what a broker answers: at most so many batches. An Order looks at their headers only.
func (l log) chunk(from int64, batches int) fetch.Chunk {
	c := fetch.Chunk{TopicPartition: l.tp, From: from, LastStableOffset: int64(len(l.times))}
	for base := from / int64(l.batch) * int64(l.batch); batches > 0 && base < int64(len(l.times)); base, batches = base+int64(l.batch), batches-1 {
		n := min(int64(l.batch), int64(len(l.times))-base)
		b := make([]byte, 61)
		binary.BigEndian.PutUint64(b, uint64(base))
		binary.BigEndian.PutUint32(b[8:], 61-12)
		b[16] = 2
		binary.BigEndian.PutUint32(b[23:], uint32(n-1))
		binary.BigEndian.PutUint64(b[27:], uint64(l.times[base]))
		binary.BigEndian.PutUint32(b[57:], uint32(n))
		c.Data = append(c.Data, b...)
	}
	return c
}

// fold takes a step as a lane does and returns where it ended.
func (l log) fold(o *Order, s *Step, next int64, folded func(at int64)) int64 {
	for ; next < s.To && s.Admit(l.times[next]); next++ {
		folded(l.times[next])
	}
	o.Passed(s, next)
	return next
}

// Logs of any density, cut into any batches, answered in any pieces and in any order: each record is folded once and in the order of its offset, all come to their
// ends, and no record is a step later than one that is folded after it, if times ascend within each.
func TestNothingRunsAhead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := New(window, Clocks{})
		var logs []log
		next := map[fetch.TopicPartition]int64{}
		for p := range rapid.IntRange(1, 5).Draw(t, "partitions") {
			l := log{tp: fetch.TopicPartition{Topic: "t", Partition: int32(p)}, batch: rapid.IntRange(1, 40).Draw(t, "batch")}
			at, pace := noon.UnixMilli()-200*hour+rapid.Int64Range(0, 100).Draw(t, "begins")*hour, rapid.Int64Range(1, 600).Draw(t, "pace")*minute
			for range rapid.IntRange(0, 100).Draw(t, "records") {
				at += rapid.Int64Range(0, 2*pace).Draw(t, "pause")
				l.times = append(l.times, at)
			}
			logs = append(logs, l)
			o.Add(l.tp, 0, int64(len(l.times)), math.MaxInt64, false)
		}
		of := func(tp fetch.TopicPartition) log {
			return logs[slices.IndexFunc(logs, func(l log) bool { return l.tp == tp })]
		}
		newest := int64(0)
		for {
			s, w := o.Next(noon)
			if s.Chunk != nil {
				l := of(s.Chunk.TopicPartition)
				next[l.tp] = l.fold(o, &s, next[l.tp], func(at int64) {
					if at < newest-hour && at < noon.UnixMilli() {
						t.Fatalf("%s: %v was folded after %v", l.tp, time.UnixMilli(at).UTC(), time.UnixMilli(newest).UTC())
					}
					newest = max(newest, min(at, noon.UnixMilli()))
				})
				continue
			}
			at := o.Ask()
			if w == nil && !slices.ContainsFunc(at, func(p fetch.Position) bool { return p.Offset < int64(len(of(p.TopicPartition).times)) }) {
				break
			}
			for _, p := range at { // at least one
				if l := of(p.TopicPartition); p.Offset < int64(len(l.times)) && rapid.Bool().Draw(t, "answered") {
					o.Take(l.chunk(p.Offset, rapid.IntRange(1, 3).Draw(t, "batches")))
				}
			}
		}
		for _, l := range logs {
			if next[l.tp] != int64(len(l.times)) {
				t.Fatalf("%s ended at %d of %d", l.tp, next[l.tp], len(l.times))
			}
		}
		if o.bytes != 0 {
			t.Fatalf("%d bytes are held of nothing", o.bytes)
		}
	})
}

// every makes a log of records in the steady pace of the live ones.
func every(tp fetch.TopicPartition, from time.Time, pace time.Duration, n int) log {
	l := log{tp: tp, batch: 10}
	for i := range n {
		l.times = append(l.times, from.Add(time.Duration(i)*pace).UnixMilli())
	}
	return l
}

// A quiet partition, up to date as far as anybody knows, is not waited for, however old its newest record is.
func TestAQuietPartitionHoldsNobodyBack(t *testing.T) {
	o, l := New(window, Clocks{reports: noon.UnixMilli() - 1000*hour}), every(sales, noon.Add(-time.Hour), time.Second, 10)
	o.Add(reports, 7, 7, math.MaxInt64, false)
	o.Add(sales, 0, 0, math.MaxInt64, false)
	o.Take(l.chunk(0, 1))
	s, _ := o.Next(noon)
	if s.Chunk == nil || l.fold(o, &s, 0, func(int64) {}) != 10 {
		t.Fatal("sales were held back")
	}
	if at := o.Ask(); len(at) != 2 {
		t.Fatalf("asked for %v, want both", at)
	}
}

// A partition that has more but cannot be read: unknown, it is awaited for a while, then the others go on from where they are; known, they go on at once. In the
// end they stop at a quarter of the window, and go on when it comes.
func TestAPartitionInTrouble(t *testing.T) {
	for _, known := range []bool{false, true} {
		l := every(sales, noon.Add(-30*time.Hour), time.Minute, 1800)
		o := New(window, Clocks{})
		if known {
			o.clocks[reports] = l.times[0]
		}
		o.Add(reports, 3, 5, math.MaxInt64, false)
		o.Add(sales, 0, 1800, math.MaxInt64, false)
		o.Take(l.chunk(0, 180))
		next := int64(0)
		run := func(now time.Time) *Wait {
			for {
				s, w := o.Next(now)
				if s.Chunk == nil {
					return w
				}
				next = l.fold(o, &s, next, func(int64) {})
			}
		}
		early := map[bool]int64{true: 61}[known] // an hour
		if w := run(noon); w == nil || w.TopicPartition != reports || w.Offset != 3 || w.End != 5 || w.Patient != Patience || next != early {
			t.Fatalf("known %v: waits for %+v at %d, want the reports at %d", known, w, next, early)
		}
		if at := o.Ask(); !slices.Contains(at, fetch.Position{TopicPartition: reports, Offset: 3}) {
			t.Fatalf("asked for %v, want the reports, too", at)
		}
		if w := run(noon.Add(Patience)); w == nil || w.Patient != 0 || w.Clock != l.times[0] || next != 12*60+1 {
			t.Fatalf("known %v: waits for %+v at %d, want twelve hours", known, w, next)
		}
		r := every(reports, noon.Add(-20*time.Hour), time.Minute, 5)
		o.Take(r.chunk(3, 1))
		s, _ := o.Next(noon.Add(Patience))
		if s.Chunk == nil || s.Chunk.TopicPartition != reports || r.fold(o, &s, 3, func(int64) {}) != 5 {
			t.Fatalf("known %v: %+v is next, want the reports, which are older", known, s)
		}
		if w := run(noon.Add(Patience)); w != nil || next != 1800 {
			t.Fatalf("known %v: sales end at %d and wait for %+v", known, next, w)
		}
	}
}

// What comes first comes before what is older, and the others wait for all of it when a lane begins.
func TestTheFirst(t *testing.T) {
	l, r := every(sales, noon.Add(-80*time.Hour), time.Minute, 10), every(stores, noon.Add(time.Hour), time.Minute, 20)
	o := New(window, Clocks{})
	o.Add(sales, 0, 10, math.MaxInt64, false)
	o.Add(stores, 0, 20, math.MaxInt64, true)
	o.Take(l.chunk(0, 1))
	for from := int64(0); from < 20; from += 10 {
		if s, w := o.Next(noon); s.Chunk != nil || w.TopicPartition != stores {
			t.Fatalf("%+v before the registry was read", s)
		}
		o.Take(r.chunk(from, 1))
		s, _ := o.Next(noon)
		if s.Chunk == nil || s.Chunk.TopicPartition != stores || r.fold(o, &s, from, func(int64) {}) != from+10 {
			t.Fatalf("%+v before the registry", s)
		}
	}
	if s, _ := o.Next(noon); s.Chunk == nil || s.Chunk.TopicPartition != sales {
		t.Fatal("sales wait for a registry that has come to its end")
	}
}

// While there is enough to fold nothing is asked that a broker would answer late; two chunks a partition are held at most, and second ones up to a limit.
func TestAsk(t *testing.T) {
	l := every(sales, noon.Add(-30*time.Hour), time.Minute, 1800)
	o := New(window, Clocks{})
	o.Add(sales, 0, 1800, 35, false)
	o.Add(reports, 0, 0, math.MaxInt64, false)
	for i, want := range []int{2, 2, 0} {
		at := o.Ask()
		if len(at) != want {
			t.Fatalf("asked for %v after %d chunks, want %d", at, i, want)
		}
		if want > 0 {
			o.Take(l.chunk(at[slices.IndexFunc(at, func(p fetch.Position) bool { return p.TopicPartition == sales })].Offset, 2))
		}
	}
	o.bytes = ahead
	s, _ := o.Next(noon)
	if next := l.fold(o, &s, 0, func(int64) {}); next != 20 {
		t.Fatalf("folded up to %d", next)
	}
	if at := o.Ask(); at != nil {
		t.Fatalf("asked for %v, with enough at hand", at)
	}
	s, _ = o.Next(noon)
	if next := l.fold(o, &s, 20, func(int64) {}); next != 35 {
		t.Fatalf("folded up to %d, want 35, where the log ends for the lane", next)
	}
	if s, w := o.Next(noon); s.Chunk != nil || w != nil || len(o.Ask()) != 2 {
		t.Fatalf("%+v %+v %v at the end", s, w, o.Ask())
	}
}

// A lane is behind while there is something to fold or a broker that is well is about to send it: not for one in trouble, whose records nobody can fold.
func TestBehind(t *testing.T) {
	l := log{tp: sales, times: []int64{1, 2, 3}, batch: 3}
	o := New(window, Clocks{})
	o.Add(sales, 0, 0, math.MaxInt64, false)
	now := noon
	expect := func(want bool, when string) {
		t.Helper()
		if o.Behind(now) != want {
			t.Errorf("%s: behind is %t", when, !want)
		}
	}
	expect(false, "nothing is there")
	chunk := l.chunk(0, 1)
	chunk.LastStableOffset = 5
	o.Take(chunk)
	expect(true, "a chunk is at hand")
	step, _ := o.Next(now)
	o.Passed(&step, step.To)
	o.Next(now)
	expect(true, "more is on its way")
	now = now.Add(soon)
	expect(false, "it does not come")
}
