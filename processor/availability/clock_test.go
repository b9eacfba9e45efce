package availability

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
)

func ms(d time.Duration) int64 { return d.Milliseconds() }

func TestMeasure(t *testing.T) {
	day := 24 * time.Hour
	for name, c := range map[string]struct {
		event          *event.Event
		behind, waited time.Duration // Kafka's time less that of sending; that less the event's
		mute           bool          // says nothing of when it was sent
		mode           string
		skew, sent     int32
	}{
		"right":                           {event: report(someHour, "up"), behind: 2 * time.Second},
		"right, and ahead":                {event: report(someHour, "up"), behind: -2 * time.Second},
		"behind":                          {event: report(someHour, "up"), behind: 2001 * time.Millisecond, skew: 2},
		"behind, as much as is corrected": {event: report(someHour, "up"), behind: day, skew: 86_400},
		"an archive":                      {event: report(someHour, "up"), behind: day + time.Millisecond},
		"ahead":                           {event: report(someHour, "up"), behind: -2001 * time.Millisecond, skew: -3},
		"ahead, full seconds":             {event: report(someHour, "up"), behind: -60 * time.Second, skew: -60},
		"ahead, as much as is accepted":   {event: report(someHour, "up"), behind: -10 * time.Minute, skew: -600},
		"further ahead":                   {event: report(someHour, "up"), behind: -10*time.Minute - time.Millisecond, waited: time.Second},
		"nobody said when it was sent":    {event: report(someHour, "up"), behind: time.Minute, mute: true},
		"the record bears its time":       {event: report(someHour, "up"), behind: -time.Minute, waited: time.Minute},
		"a sale":                          {event: sale(someHour-9, someHour), behind: time.Minute, waited: 300 * time.Millisecond, skew: 60},
		"a sale, mode none":               {event: sale(someHour-9, someHour), behind: time.Minute, mode: "none", skew: 60},
		"a sale without a line":           {event: sale(someHour-9, someHour), behind: time.Minute, mode: "saf", skew: 60, sent: 1},
		"a sale sent later":               {event: sale(someHour-9, someHour), behind: time.Minute, waited: 3 * time.Hour, skew: 60, sent: 10_800},
		"a report at the last moment":     {event: report(someHour, "up"), behind: time.Hour, waited: time.Minute, skew: 3600},
		"a report sent later":             {event: report(someHour, "up"), behind: time.Hour, waited: time.Minute + time.Millisecond, skew: 3600, sent: 60},
		"a report sent a day later":       {event: report(someHour, "up"), behind: time.Hour, waited: day + time.Millisecond},
		"full seconds":                    {event: report(someHour, "up"), behind: time.Hour, waited: -time.Second, skew: 3600},
		"sent before it was":              {event: report(someHour, "up"), behind: time.Hour, waited: -1001 * time.Millisecond},
	} {
		e := c.event
		sent := someHour + ms(c.waited)
		e.SentAt = event.Time{Milli: sent, OK: !c.mute}
		e.Transaction.Offline.Mode = c.mode
		if skew, waited := measure(e, someHour, sent+ms(c.behind)); skew != c.skew || waited != c.sent {
			t.Errorf("%s: %d s behind, sent %d s later; want %d, %d", name, skew, waited, c.skew, c.sent)
		}
		if skew, _ := measure(e, someHour, -1); skew != 0 {
			t.Errorf("%s: %d s of a record without a time", name, skew)
		}
	}
}

// beat is a report a number of seconds into an hour, with what was measured.
func beat(at int64, skew, sent int32) Evidence {
	x := someHour + at*1000
	return Evidence{Time: x, Start: x, Status: Up, Hold: 180_000, Skew: skew, Sent: sent}
}

func TestWhatAWrongClockIs(t *testing.T) {
	beats := func(n int, every int64, skew func(at int64) int32) (out []Evidence) {
		for i := range int64(n) {
			out = append(out, beat(i*every, skew(i*every), 0))
		}
		return out
	}
	constant := func(skew int32) func(int64) int32 { return func(int64) int32 { return skew } }
	for name, c := range map[string]struct {
		evidence []Evidence
		want     []int32 // shifts, in the order of the evidence
	}{
		"three agree":                {beats(3, 60, constant(240)), []int32{240, 240, 240}},
		"ahead":                      {beats(3, 60, constant(-60)), []int32{-60, -60, -60}},
		"to a second, the least":     {[]Evidence{beat(0, 241, 0), beat(60, 240, 0), beat(120, 241, 0)}, []int32{240, 240, 240}},
		"two say nothing":            {beats(2, 120, constant(240)), []int32{0, 0}},
		"less than two minutes":      {beats(4, 39, constant(240)), []int32{0, 0, 0, 0}},
		"too far from each other":    {beats(3, 1201, constant(240)), []int32{0, 0, 0}},
		"as far as may be":           {beats(3, 1200, constant(240)), []int32{240, 240, 240}},
		"an archive, all at once":    {beats(5, 60, func(at int64) int32 { return int32(50_000 - at) }), []int32{0, 0, 0, 0, 0}},
		"one, at ten times its pace": {beats(5, 60, func(at int64) int32 { return int32(50_000 - at + at/10) }), []int32{0, 0, 0, 0, 0}},
		"one, at its own pace":       {beats(3, 60, constant(50_000)), []int32{50_000, 50_000, 50_000}},
		"it drifts": { // the least of the neighbours' neighbours
			beats(100, 60, func(at int64) int32 { return int32(240 + at/3000) }), slices.Concat(slices.Repeat([]int32{240}, 90), slices.Repeat([]int32{241}, 10)),
		},
		"it is put right": {slices.Concat(beats(3, 60, constant(240)), []Evidence{beat(425, 0, 0), beat(485, 0, 0)}), []int32{240, 240, 240, 0, 0}},
		"it was ahead, and is put right": {
			[]Evidence{beat(0, -100, 0), beat(60, -100, 0), beat(90, 0, 0), beat(120, -100, 0), beat(150, 0, 0)}, []int32{-100, -100, 0, -100, 0},
		},
		"a slow record":     {append(beats(3, 60, constant(240)), beat(180, 270, 0)), []int32{240, 240, 240, 240}},
		"a quick one":       {append(beats(3, 60, constant(240)), beat(180, 200, 0)), []int32{240, 240, 240, 0}},
		"sent later":        {append([]Evidence{beat(-9000, 240, 9060), beat(-8000, 250, 8030)}, beats(3, 60, constant(240))...), []int32{240, 240, 240, 240, 240}},
		"sent later, alone": {[]Evidence{beat(0, 240, 7200), beat(60, 240, 7140), beat(120, 240, 7080)}, []int32{0, 0, 0}},
		"a right clock's line is slow at times": {
			beats(20, 60, func(at int64) int32 {
				if at%300 == 0 {
					return 30
				}
				return 0
			}), make([]int32, 20),
		},
	} {
		var clocks clocks
		slices.SortFunc(c.evidence, func(a, b Evidence) int { return a.Compare(&b) })
		got := make([]int32, len(c.evidence))
		for _, e := range clocks.place(nil, c.evidence, beginningOfTime, beginningOfTime) {
			i := slices.IndexFunc(c.evidence, func(o Evidence) bool { return o.Time == e.raw() })
			got[i] = e.shift
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// day is a day of a till by the clock on the wall: reports every minute, sales, an outage, hours without a line whose events are sent after
// it, and a night.
func day(r *rand.Rand) (events []*event.Event, sent []int64) {
	at := func(h, m int64) int64 { return someHour + h*hourMilli + m*60_000 }
	send := func(e *event.Event) {
		events = append(events, e)
		x := when(e)
		if x >= at(12, 0) && x < at(14, 30) { // no line
			x = at(14, 30) + x%20_000
			e.Transaction.Offline.Mode = "saf"
		}
		sent = append(sent, x)
	}
	for x := at(0, 0); x < at(40, 0); x += 60_000 {
		switch h := (x - someHour) / hourMilli; {
		case h >= 18 && h < 30: // night
		case h == 12 || h == 13: // no reports
			if r.IntN(5) == 0 {
				send(sale(x, x+r.Int64N(50_000)))
			}
		case x >= at(9, 10) && x < at(10, 5):
			send(report(x, "down"))
		default:
			send(report(x, "up"))
			if r.IntN(3) == 0 {
				send(sale(x+1000, x+1000+r.Int64N(40_000)))
			}
		}
	}
	return events, sent
}

// A till whose clock is wrong has the rows of one whose clock is right, but for what says so.
func TestAWrongClockChangesNothing(t *testing.T) {
	for _, behind := range []time.Duration{0, 3 * time.Second, 4 * time.Minute, 20 * time.Hour, -9 * time.Minute} {
		rows := func(behind int64) tables {
			r := rand.New(rand.NewPCG(1, 1))
			events, sent := day(r)
			fold, got := New(Config{}, nil, noStale(t)), tables{}
			batch := uint64(1)
			for i, e := range events {
				e.Time.Milli -= behind
				e.Transaction.StartedAt.Milli -= behind
				e.SentAt = event.Time{Milli: sent[i] - behind, OK: true}
				fold.Fold(e, rollup.Input{Timestamp: sent[i] + 150})
				if r.IntN(40) == 0 {
					got.apply(t, fold.Seal(rollup.Version{Epoch: 1, Batch: batch}), rollup.Version{Epoch: 1, Batch: batch})
					batch++
				}
			}
			got.apply(t, fold.Seal(rollup.Version{Epoch: 1, Batch: batch}), rollup.Version{Epoch: 1, Batch: batch})
			return got
		}
		want, got := rows(0), rows(ms(behind))
		status := got["terminal_status"]["s1|t1|"]
		said := fmt.Sprintln(status["clock_skew_ms"], status["clock_shift_ms"])
		if behind != 0 && said != fmt.Sprintln(ms(behind), ms(behind)) {
			t.Errorf("%v behind: the status has %s", behind, said)
		}
		for _, ts := range []tables{want, got} {
			delete(ts["terminal_status"]["s1|t1|"], "clock_skew_ms")
			delete(ts["terminal_status"]["s1|t1|"], "clock_shift_ms")
			for k, row := range ts["store_availability_hourly"] {
				if nothing(row) {
					delete(ts["store_availability_hourly"], k)
				}
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%v behind (-right +wrong):\n%.4000s", behind, d)
		}
	}
}

// A record that took long now and then must not make a till dear: it keeps an hour or two more of evidence, and in the end none.
func TestASlowRecordCostsLittle(t *testing.T) {
	f := New(Config{}, nil, noStale(t))
	hear := func(from, to int64, slow func(i int64) bool) (most int) {
		for i := from; i < to; i++ {
			e := report(someHour+i*600_000, "up")
			e.SentAt = e.Time
			way := int64(80)
			if slow(i) {
				way = 5_000
			}
			f.Fold(e, rollup.Input{Timestamp: e.Time.Milli + way})
			f.Seal(rollup.Version{Epoch: 1, Batch: uint64(i)})
			most = max(most, len(f.find("s1", "t1").chunks))
		}
		return most
	}
	if n := hear(0, 700, func(i int64) bool { return i%50 == 0 }); n > 52 { // hours of 49 to 50, one for the deviation, one to see it by
		t.Errorf("%d hours of evidence are kept", n)
	}
	hear(700, 1100, func(int64) bool { return false })
	if x := f.find("s1", "t1"); x.skewed || len(x.chunks) > 50 || x.base.from != x.base.at {
		t.Errorf("skewed %v, %d hours of evidence", x.skewed, len(x.chunks))
	}
}

// A clock whose deviation is measured as one second or another, in turn, is looked at as two deviations, not as one for each piece of evidence: a till with many sales
// would cost their square.
func TestADeviationThatAlternates(t *testing.T) {
	var c clocks
	ev := make([]Evidence, 3_000)
	for i := range ev {
		ev[i] = beat(2*int64(i), 0, 0)
		ev[i].Skew = 3 + int32(i%2)
	}
	for i, e := range c.place(nil, ev, beginningOfTime, beginningOfTime) {
		if e.shift != 3 {
			t.Fatalf("%d is moved by %d s, want 3", i, e.shift)
		}
	}
	if len(c.kinds) != 2 || len(c.verdicts) > 4 {
		t.Errorf("for each of %d pieces %d deviations and %d verdicts are looked through", len(ev), len(c.kinds), len(c.verdicts))
	}
}

// Evidence with a clock that is right takes no more bytes for that.
func TestARightClockCostsNothing(t *testing.T) {
	ev := []Evidence{beat(0, 0, 0), beat(60, 0, 0), beat(120, 0, 0)}
	plain := len(appendChunk(nil, someHour, ev))
	ev[1].Skew = 240
	if n := len(appendChunk(nil, someHour, ev)) - plain; n != 7 { // no boots, one run, and of that the gap, one piece, two bytes of deviation, sent at once
		t.Errorf("one deviation takes %d bytes", n)
	}
	ev[0].Skew, ev[2].Skew = 240, 240
	if n := len(appendChunk(nil, someHour, ev)) - plain; n != 7 {
		t.Errorf("an hour of one deviation takes %d bytes", n)
	}
}
