package availability

import (
	"slices"
	"time"

	"github.com/tillstream/tillstream/processor/event"
)

// When a till's clock is taken as wrong (domain.md 3.2). All in seconds, which is as much of the clock as the way to Kafka leaves.
const (
	tolerated = 2                                          // either way: right
	maxBehind = int64(24 * time.Hour / time.Second)        // what is further behind is an archive that is sent again, or no clock at all
	maxAhead  = int64(10 * time.Minute / time.Second)      // what is further ahead is a dead letter
	atOnce    = int64(time.Minute / time.Second)           // what was sent later says nothing of the clock at its time
	maxWait   = int64(24 * time.Hour / time.Second)        // what was sent later is not shifted
	witnesses = 3                                          // reports or sales that agree
	agreed    = 1                                          // by how much they may differ
	spread    = int64(2 * time.Minute / time.Millisecond)  // over which they must be spread, ms
	near      = int64(20 * time.Minute / time.Millisecond) // how far from each other they may be, ms
	share     = 3                                          // of all evidence between them, one in so many
)

// measure is the deviation of the till's clock that the record of an event tells, in s, positive: behind; and how long after its time the event
// was sent, in s, 0: at once. The deviation is 0 if the clock is right, or nothing can be said of it: the event does not say when it
// was sent, the record bears the event's own time and not Kafka's, or the deviation is beyond what is corrected.
func measure(e *event.Event, at, received int64) (skew, sent int32) {
	if !e.SentAt.OK || received <= 0 || received == at || received == e.Time.Milli {
		return 0, 0
	}
	d, wait := received-e.SentAt.Milli, e.SentAt.Milli-at
	if d >= -tolerated*1000 && d <= tolerated*1000 || d > maxBehind*1000 || d < -maxAhead*1000 || wait < -1000 || wait > maxWait*1000 {
		return 0, 0
	}
	if skew = int32(d / 1000); d < 0 && d%1000 != 0 {
		skew--
	}
	mode := e.Transaction.Offline.Mode
	if online := e.Type != event.TypeTransaction || mode == "" || mode == "none"; !online || wait > atOnce*1000 {
		sent = int32(max(wait/1000, 1))
	}
	return skew, sent
}

// Deviation is how far behind the till's clock was, in s (ahead: negative), as the record of an event tells; 0 if it was right, or nothing can be said. received is
// Kafka's time of the record, ms.
func Deviation(e *event.Event, received int64) int32 {
	skew, _ := measure(e, e.When().Milli, received)
	return skew
}

// sentAt is when evidence was sent, by the till's clock, ms.
func (e *Evidence) sentAt() int64 { return e.Time + int64(e.Sent)*1000 }

// raw is when evidence says that it was.
func (e *Evidence) raw() int64 { return e.Time - int64(e.shift)*1000 }

func isSkewed(e Evidence) bool { return e.Skew != 0 }

// clocks corrects the times of evidence. Its memory is used again.
type clocks struct {
	votes    []vote   // deviations that were measured at once
	runs     []streak // of votes: of one deviation
	verdicts []verdict
	placed   [2][]Evidence
}

// vote is when a deviation was measured, and which evidence is of that instant: [begin, end).
type vote struct {
	at         int64
	begin, end int
}

// streak is votes up to one, not included, of one deviation.
type streak struct {
	end  int
	skew int32
}

// verdict is what the clock was from one vote to another that measured the same deviation, of which enough others were.
type verdict struct {
	first, last int64
	skew, clock int32
}

// place appends the evidence that says it is of `from` or later, each piece where it belongs, those before an instant left out, in order.
// ev is sorted; what is before `from` helps to tell what the clock was.
//
// A deviation is believed where at least three reports or sales that were sent at once, no more than 20 minutes from each other and over at
// least two, and a third of all evidence between them, agree on it to a second: then it is the least of theirs, for the way to Kafka can
// only add to it. All take the greatest such deviation, no more than what was measured with them, of the 20 minutes around their sending. So a
// wrong clock shows, and neither does a backlog nor an archive that is sent again, faster than it was written: the deviations of those differ
// by as much as their times do.
func (c *clocks) place(dst, ev []Evidence, from, since int64) []Evidence {
	c.vote(ev)
	for i := range ev {
		e := ev[i]
		if e.Time < from {
			continue
		}
		if e.Skew != 0 && len(c.verdicts) > 0 {
			e.shift = c.shift(&e)
			d := int64(e.shift) * 1000
			// A sale proves no more than an hour before its raw time: what is kept reaches no further back.
			e.Start = max(e.Start+d, e.Time-proofLimit)
			e.Time += d
			if !e.Sale {
				e.Start = e.Time
			}
		}
		if e.Time >= since {
			dst = append(dst, e)
		}
	}
	if len(c.verdicts) > 0 {
		slices.SortFunc(dst, func(a, b Evidence) int { return a.Compare(&b) })
	}
	return dst
}

// vote finds what the clock was where it was measured.
func (c *clocks) vote(ev []Evidence) {
	c.votes, c.runs, c.verdicts = c.votes[:0], c.runs[:0], c.verdicts[:0]
	for begin, end := 0, 0; begin < len(ev); begin = end {
		end = begin
		for ; end < len(ev) && ev[end].Time == ev[begin].Time; end++ {
			e := &ev[end]
			if e.Skew == 0 || e.Sent != 0 {
				continue
			}
			c.votes = append(c.votes, vote{at: e.Time, begin: begin})
			if n := len(c.runs); n == 0 || c.runs[n-1].skew != e.Skew {
				c.runs = append(c.runs, streak{skew: e.Skew})
			}
			c.runs[len(c.runs)-1].end = len(c.votes)
		}
		for i := len(c.votes) - 1; i >= 0 && c.votes[i].begin == begin; i-- {
			c.votes[i].end = end
		}
	}
	from, to, first, own := 0, 0, 0, 0
	for i := range c.votes {
		at := c.votes[i].at
		for c.votes[from].at < at-near {
			from++
		}
		for to < len(c.votes) && c.votes[to].at <= at+near {
			to++
		}
		for c.runs[first].end <= from {
			first++
		}
		for c.runs[own].end <= i {
			own++
		}
		v := verdict{first: at, last: at, skew: c.runs[own].skew, clock: c.runs[own].skew}
		n, begin, end := 0, &c.votes[i], &c.votes[i]
		for k, begins := first, from; begins < to; k++ {
			ends := min(c.runs[k].end, to)
			if skew := c.runs[k].skew; skew >= v.skew-agreed && skew <= v.skew+agreed {
				n += ends - begins
				v.clock = min(v.clock, skew)
				if o := &c.votes[begins]; o.at < begin.at {
					begin = o
				}
				if o := &c.votes[ends-1]; o.at > end.at {
					end = o
				}
			}
			begins = ends
		}
		if n < witnesses || end.at-begin.at < spread || share*n < end.end-begin.begin {
			continue
		}
		if n := len(c.verdicts); n > 0 {
			if l := &c.verdicts[n-1]; l.skew == v.skew && l.clock == v.clock && at-l.last <= 2*near {
				l.last = at
				continue
			}
		}
		c.verdicts = append(c.verdicts, v)
	}
}

// shift is by how much a piece of evidence is out, in s.
func (c *clocks) shift(e *Evidence) int32 {
	at := e.sentAt()
	i, _ := slices.BinarySearchFunc(c.verdicts, at-near, func(v verdict, at int64) int {
		if v.last < at {
			return -1
		}
		return 1
	})
	var best *verdict
	for ; i < len(c.verdicts) && c.verdicts[i].first <= at+near; i++ {
		v := &c.verdicts[i]
		if v.skew <= e.Skew+agreed && (best == nil || v.skew > best.skew || v.skew == best.skew && v.clock < best.clock) {
			best = v
		}
	}
	if best == nil {
		return 0
	}
	return best.clock
}
