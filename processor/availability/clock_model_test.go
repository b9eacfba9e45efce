package availability

import (
	"cmp"
	"math"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/event"
)

// deviation is what a record tells of the till's clock: whole seconds behind, whole seconds between its time and its sending.
type deviation struct{ behind, waited float64 }

func (m *model) deviation(e *event.Event) (d deviation) {
	received := m.received[e]
	if !e.SentAt.OK || received == 0 || received == when(e) || received == e.Time.Milli {
		return d
	}
	behind := time.UnixMilli(received).Sub(time.UnixMilli(e.SentAt.Milli))
	waited := time.UnixMilli(e.SentAt.Milli).Sub(time.UnixMilli(when(e)))
	if behind.Abs() <= 2*time.Second || behind > 24*time.Hour || behind < -10*time.Minute || waited < -time.Second || waited > 24*time.Hour {
		return d
	}
	d.behind = math.Floor(behind.Seconds())
	if offline := e.Transaction.Offline.Mode; waited > time.Minute || offline != "" && offline != "none" {
		d.waited = math.Max(1, math.Floor(waited.Seconds()))
	}
	return d
}

// clockModel corrects times: every piece looks at every other.
type clockModel struct {
	shift map[*event.Event]float64 // of what was placed, s
	from  map[*event.Event]*event.Event
}

// place gives copies of events, each at its right time.
func (c *clockModel) place(m *model, all []*event.Event) (out []*event.Event) {
	c.shift, c.from = map[*event.Event]float64{}, map[*event.Event]*event.Event{}
	type wrong struct {
		at            int64
		behind, clock float64
	}
	var believed []wrong
	for _, v := range all {
		d := m.deviation(v)
		if d.behind == 0 || d.waited > 0 {
			continue
		}
		var agreeing []int64
		clock := d.behind
		for _, o := range all {
			x := m.deviation(o)
			if x.behind == 0 || x.waited > 0 || math.Abs(x.behind-d.behind) > 1 || max(when(o)-when(v), when(v)-when(o)) > 20*60_000 {
				continue
			}
			agreeing = append(agreeing, when(o))
			clock = math.Min(clock, x.behind)
		}
		others := 0
		for _, o := range all {
			if when(o) >= slices.Min(agreeing) && when(o) <= slices.Max(agreeing) {
				others++
			}
		}
		if len(agreeing) >= 3 && slices.Max(agreeing)-slices.Min(agreeing) >= 2*60_000 && float64(len(agreeing)) >= float64(others)/3 {
			believed = append(believed, wrong{when(v), d.behind, clock})
		}
	}
	for _, e := range all {
		d := m.deviation(e)
		sent := when(e) + int64(d.waited)*1000
		var near []wrong
		for _, w := range believed {
			if d.behind != 0 && w.behind <= d.behind+1 && w.at >= sent-20*60_000 && w.at <= sent+20*60_000 {
				near = append(near, w)
			}
		}
		moved := *e
		c.from[&moved] = e
		out = append(out, &moved)
		if len(near) == 0 {
			continue
		}
		best := slices.MaxFunc(near, func(a, b wrong) int { return cmp.Or(cmp.Compare(a.behind, b.behind), cmp.Compare(b.clock, a.clock)) })
		by := int64(best.clock) * 1000
		begin, end := started(e), when(e)
		c.shift[&moved] = best.clock
		moved.Time.Milli = end + by
		if moved.Transaction.EndedAt.OK {
			moved.Transaction.EndedAt.Milli = end + by
		}
		moved.Transaction.StartedAt = event.Time{Milli: max(begin+by, end-3_600_000), OK: true}
	}
	return out
}

// newest is what was measured with the newest evidence, and by how much it was corrected, ms.
func (c *clockModel) newest(m *model) (skew, shift int64) {
	last := slices.MaxFunc(m.events, func(a, b *event.Event) int {
		sale := func(e *event.Event) bool { return e.Type == event.TypeTransaction }
		if sale(a) != sale(b) || when(a) != when(b) {
			return cmp.Or(cmp.Compare(when(a), when(b)), compareBool(sale(a), sale(b)))
		}
		x, y := m.deviation(c.from[a]), m.deviation(c.from[b])
		order := m.later(a, b)
		if sale(a) {
			order = cmp.Compare(a.Sequence.Value, b.Sequence.Value)
		}
		return cmp.Or(order, cmp.Compare(started(a), started(b)), cmp.Compare(x.behind, y.behind), cmp.Compare(x.waited, y.waited))
	})
	return int64(m.deviation(c.from[last]).behind) * 1000, int64(c.shift[last]) * 1000
}

// firstChange is the first instant of which two lists of placed events say something else.
func firstChange(was, now []*event.Event) int64 {
	type piece struct {
		start, end int64
		kind       string
	}
	count := map[piece]int{}
	for _, e := range was {
		count[piece{started(e), when(e), e.Type + reported(e)}]--
	}
	for _, e := range now {
		count[piece{started(e), when(e), e.Type + reported(e)}]++
	}
	first := Open
	for p, n := range count {
		if n != 0 {
			first = min(first, p.start)
		}
	}
	return first
}

// tillClock is how far tills' clocks are behind, ms, and whether the way to Kafka is bad.
type tillClock struct {
	behind map[string]int64
	bad    bool
}

var behinds = []int64{240_400, -90_000, 20 * 3_600_000, 5_000, 0, 1_500, -550_000, -700_000, 3 * 3_600_000, 26 * 3_600_000}

// drawClock makes wrong clocks, or none.
func drawClock(t *rapid.T) *tillClock {
	if rapid.IntRange(0, 2).Draw(t, "right") == 2 {
		return nil
	}
	c := &tillClock{map[string]int64{}, rapid.IntRange(0, 3).Draw(t, "bad") == 3}
	for _, id := range []string{"t1", "t2"} {
		c.behind[id] = rapid.SampledFrom(behinds).Draw(t, "behind")
	}
	return c
}

// send gives an event, whose time is right, the times that its till's clock and Kafka have.
func (c *tillClock) send(t *rapid.T, e *event.Event, received map[*event.Event]int64) {
	if c == nil {
		return
	}
	if rapid.IntRange(0, 19).Draw(t, "set") == 13 {
		c.behind[e.TerminalID] = rapid.SampledFrom(behinds).Draw(t, "behind")
	}
	behind := c.behind[e.TerminalID]
	right := when(e)
	e.Time.Milli -= behind
	for _, x := range []*event.Time{&e.Transaction.StartedAt, &e.Transaction.EndedAt} {
		if x.OK {
			x.Milli -= behind
		}
	}
	waits, way := int64(0), rapid.SampledFrom([]int64{50, 50, 50, 300, 900}).Draw(t, "way")
	if c.bad || rapid.IntRange(0, 9).Draw(t, "trouble") == 7 {
		waits = rapid.SampledFrom([]int64{0, 0, 0, 500, 30_000, 70_000, 3_600_000, 30 * 3_600_000}).Draw(t, "waits")
		way = rapid.SampledFrom([]int64{50, 1_500, 30_000}).Draw(t, "bad way")
	}
	received[e] = right + waits + way
	switch rapid.IntRange(0, 19).Draw(t, "says") {
	case 17: // nothing of when it was sent
	case 13:
		received[e] = when(e) // the record bears the time of the event
		fallthrough
	default:
		e.SentAt = event.Time{Milli: right + waits - behind, OK: true}
	}
	if e.Type == event.TypeTransaction {
		e.Transaction.Offline.Mode = rapid.SampledFrom([]string{"", "", "none", "saf"}).Draw(t, "mode")
	}
}
