package availability

import (
	"cmp"
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
	kinds    []kind   // by deviation
	order    []int32  // of runs: by deviation, then as they came
	verdicts []verdict
	placed   [2][]Evidence
}

// vote is when a deviation was measured, and which evidence is of that instant: [begin, end).
type vote struct {
	at         int64
	begin, end int
}

// streak is the votes [begin, end) of one deviation.
type streak struct {
	begin, end int
	skew       int32
	kind       int32
	before     int // votes of its kind in streaks before
}

// kind is all streaks of one deviation, and those of them that a window of votes has, which only moves on: deviations may alternate from vote to vote, so who looks at
// every streak of the window for every vote pays the square.
type kind struct {
	skew     int32
	from, to int             // in clocks.order: from the first that the window has to the last
	end      int             // of all, there
	votes    int             // in all
	newest   [agreed + 1]int // verdicts of it, by how much less the clock is: 1 and the number; 0: none
}

// verdict is what the clock was from one vote to another that measured the same deviation, of which enough others were. Between them are no 40 minutes without such
// a vote, so that whatever is between them is within 20 minutes of one.
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
			e.correct(c.shift(&e))
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

// correct moves evidence.
func (e *Evidence) correct(shift int32) {
	e.shift = shift
	d := int64(shift) * 1000
	// A sale proves no more than an hour before its raw time: what is kept reaches no further back.
	e.Start = max(e.Start+d, e.Time-proofLimit)
	e.Time += d
	if !e.Sale {
		e.Start = e.Time
	}
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
				c.runs = append(c.runs, streak{skew: e.Skew, begin: len(c.votes) - 1})
			}
			c.runs[len(c.runs)-1].end = len(c.votes)
		}
		for i := len(c.votes) - 1; i >= 0 && c.votes[i].begin == begin; i-- {
			c.votes[i].end = end
		}
	}
	c.sort()
	from, to, own := 0, 0, 0
	for i := range c.votes {
		at := c.votes[i].at
		for c.votes[from].at < at-near {
			from++
		}
		for to < len(c.votes) && c.votes[to].at <= at+near {
			to++
		}
		for c.runs[own].end <= i {
			own++
		}
		r := &c.runs[own]
		v := verdict{first: at, last: at, skew: r.skew, clock: r.skew}
		n, begin, end := 0, &c.votes[i], &c.votes[i]
		k := int(r.kind)
		for k > 0 && c.kinds[k-1].skew >= r.skew-agreed {
			k--
		}
		for ; k < len(c.kinds) && c.kinds[k].skew <= r.skew+agreed; k++ {
			some, first, last := c.within(&c.kinds[k], from, to)
			if some == 0 {
				continue
			}
			n += some
			v.clock = min(v.clock, c.kinds[k].skew)
			if o := &c.votes[first]; o.at < begin.at {
				begin = o
			}
			if o := &c.votes[last]; o.at > end.at {
				end = o
			}
		}
		if n < witnesses || end.at-begin.at < spread || share*n < end.end-begin.begin {
			continue
		}
		newest := &c.kinds[r.kind].newest[v.skew-v.clock]
		if *newest > 0 && at-c.verdicts[*newest-1].last <= 2*near {
			c.verdicts[*newest-1].last = at
			continue
		}
		c.verdicts = append(c.verdicts, v)
		*newest = len(c.verdicts)
	}
	slices.SortFunc(c.verdicts, func(a, b verdict) int {
		return cmp.Or(cmp.Compare(b.skew, a.skew), cmp.Compare(a.clock, b.clock), cmp.Compare(a.first, b.first))
	})
}

// sort finds the streaks of each deviation.
func (c *clocks) sort() {
	c.kinds, c.order = c.kinds[:0], c.order[:0]
	for i := range c.runs {
		c.order = append(c.order, int32(i))
	}
	slices.SortFunc(c.order, func(a, b int32) int { return cmp.Or(cmp.Compare(c.runs[a].skew, c.runs[b].skew), cmp.Compare(a, b)) })
	for i, n := range c.order {
		r := &c.runs[n]
		if k := len(c.kinds); k == 0 || c.kinds[k-1].skew != r.skew {
			c.kinds = append(c.kinds, kind{skew: r.skew, from: i, to: i})
		}
		k := &c.kinds[len(c.kinds)-1]
		r.kind, r.before = int32(len(c.kinds)-1), k.votes
		k.votes += r.end - r.begin
		k.end = i + 1
	}
}

// within is how many votes of a kind are in [from, to), and which are the first and the last. Neither end is before that of the call before.
func (c *clocks) within(k *kind, from, to int) (n, first, last int) {
	for k.from < k.end && c.runs[c.order[k.from]].end <= from {
		k.from++
	}
	for k.to < k.end && c.runs[c.order[k.to]].begin < to {
		k.to++
	}
	if k.from >= k.to {
		return 0, 0, 0
	}
	a, b := &c.runs[c.order[k.from]], &c.runs[c.order[k.to-1]]
	first, last = max(a.begin, from), min(b.end, to)-1
	return b.before + last + 1 - b.begin - (a.before + first - a.begin), first, last
}

// shift is by how much a piece of evidence is out, in s: the greatest deviation comes first.
func (c *clocks) shift(e *Evidence) int32 {
	at := e.sentAt()
	for i := range c.verdicts {
		if v := &c.verdicts[i]; v.skew <= e.Skew+agreed && v.first <= at+near && at-near <= v.last {
			return v.clock
		}
	}
	return 0
}
