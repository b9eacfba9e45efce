package align

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/tillstream/tillstream/processor/fetch"
)

// Patience is how long a partition is awaited like one that is well.
const Patience = 30 * time.Second

// Shares of the window: how far a partition goes ahead of the others at most, and of one in trouble.
const (
	steps  = 48
	slacks = 4
)

// ahead is up to how many bytes are held before second chunks are asked for, so that there is something to fold while more is read.
const ahead = 8 << 20

// Clocks are how far partitions have come: the time of the newest record that was folded, ms since 1970, or the lane's where a partition had no more. They may outlive
// an Order.
type Clocks map[fetch.TopicPartition]int64

// Order says what a lane reads and folds next. It does no I/O and is for one goroutine.
type Order struct {
	step, slack int64 // ms
	clocks      Clocks
	queues      []*queue // by topic and partition
	bytes       int      // held
}

// queue is what is held of one partition.
type queue struct {
	fetch.TopicPartition
	first   bool // before all others, whatever its time
	chunks  []held
	fetched int64 // offset to read on from
	end     int64 // last stable offset, as last heard, or where the log ends for the lane
	until   int64
	head    int64     // time of the next record, if a chunk is held; not later than it is
	awaited time.Time // since when there is more, but no chunk
	stuck   bool      // there is more, but it cannot be read
}

type held struct {
	chunk fetch.Chunk
	to    int64
}

// behind says that there is more to read.
func (q *queue) behind() bool { return q.fetched < q.end }

// New makes an Order without partitions. window is how late evidence may be.
func New(window time.Duration, clocks Clocks) *Order {
	return &Order{step: window.Milliseconds() / steps, slack: window.Milliseconds() / slacks, clocks: clocks}
}

// Add adds a partition, to be read from an offset on. stable is its last stable offset; until is where it ends for the lane, whatever else it has. first: what is
// in it comes before all others' records, whatever the times.
func (o *Order) Add(tp fetch.TopicPartition, from, stable, until int64, first bool) {
	o.queues = append(o.queues, &queue{TopicPartition: tp, first: first, fetched: from, end: min(stable, until), until: until})
	slices.SortFunc(o.queues, func(a, b *queue) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
}

// soon is until when a broker that is well has answered.
const soon = time.Second

// Behind says that there is more to fold: at hand, or on its way.
func (o *Order) Behind(now time.Time) bool {
	return slices.ContainsFunc(o.queues, func(q *queue) bool {
		return len(q.chunks) > 0 || q.behind() && (q.awaited.IsZero() || now.Sub(q.awaited) < soon)
	})
}

// Ask returns what to read now, nil for nothing: where nothing is known to be there, it is only asked for when there is nothing to fold, since the broker
// answers late.
func (o *Order) Ask() (at []fetch.Position) {
	useful, idle := false, true
	for _, q := range o.queues {
		idle = idle && len(q.chunks) == 0
		if q.stuck {
			continue
		}
		if len(q.chunks) == 0 || len(q.chunks) == 1 && o.bytes < ahead {
			useful = useful || q.behind()
			at = append(at, fetch.Position{TopicPartition: q.TopicPartition, Offset: q.fetched})
		}
	}
	if !useful && !idle {
		return nil
	}
	return at
}

// Take takes what was read. The order keeps the chunk.
func (o *Order) Take(c fetch.Chunk) {
	q := o.queue(c.TopicPartition)
	stable := c.LastStableOffset
	if stable < 0 {
		stable = c.HighWatermark
	}
	q.end, q.awaited = min(stable, q.until), time.Time{}
	end := c.End()
	if end <= q.fetched {
		return
	}
	if len(q.chunks) == 0 {
		q.head = c.Time(q.fetched)
	}
	q.fetched = end
	q.chunks = append(q.chunks, held{c, min(end, q.until)})
	o.bytes += len(c.Data)
}

// Stick says that a partition cannot be read on: it ends with what is held of it, and nobody waits for more.
func (o *Order) Stick(tp fetch.TopicPartition) {
	q := o.queue(tp)
	q.stuck, q.end, q.awaited = true, q.fetched, time.Time{}
}

// Through says whether all that is held of a partition is folded.
func (o *Order) Through(tp fetch.TopicPartition) bool { return len(o.queue(tp).chunks) == 0 }

func (o *Order) queue(tp fetch.TopicPartition) *queue {
	return o.queues[slices.IndexFunc(o.queues, func(q *queue) bool { return q.TopicPartition == tp })]
}

// Step is what to fold next: of a chunk's records before offset To those that are admitted, up to the first that is not. Chunk is nil if there is nothing.
type Step struct {
	Chunk *fetch.Chunk
	To    int64

	queue      *queue
	now, limit int64
	newest     int64 // admitted
	refused    int64
}

// Admit says whether a record of this time, ms since 1970, is to be folded now.
func (s *Step) Admit(timestamp int64) bool {
	at := min(timestamp, s.now)
	if at > s.limit {
		s.refused = timestamp
		return false
	}
	s.newest = max(s.newest, at)
	return true
}

// Later says that a record of this time, ms since 1970, is not folded in this step although it may be.
func (s *Step) Later(timestamp int64) { s.refused = timestamp }

// Wait is a partition that holds others back.
type Wait struct {
	fetch.Position
	End     int64         // last stable offset
	Clock   int64         // its clock, ms since 1970; math.MinInt64 if nothing is known
	Ahead   int64         // the time of the oldest record that is held back
	Patient time.Duration // for how long yet it is awaited like one that is well; 0: it is in trouble
}

// Next returns the next step, or, if what is held has to wait, what it waits for.
func (o *Order) Next(now time.Time) (Step, *Wait) {
	s := Step{now: now.UnixMilli(), limit: math.MaxInt64, newest: math.MinInt64}
	for _, q := range o.queues {
		switch {
		case len(q.chunks) == 0:
			if q.behind() && q.awaited.IsZero() {
				q.awaited = now
			}
		case s.queue == nil, q.first && !s.queue.first, q.first == s.queue.first && min(q.head, s.now) < min(s.queue.head, s.now):
			s.queue = q
		}
	}
	switch {
	case s.queue == nil:
		return Step{}, nil
	case s.queue.first:
		s.take()
		return s, nil
	}
	head := min(s.queue.head, s.now)
	var by *Wait
	for _, q := range o.queues {
		switch {
		case q == s.queue:
		case len(q.chunks) > 0:
			s.limit = min(s.limit, min(q.head, s.now)+o.step)
		case !q.behind():
			o.pass(q, head)
		default:
			w := o.wait(q, head, now)
			if bound := o.bound(w); bound < s.limit {
				if s.limit = bound; bound < head {
					by = w
				}
			}
		}
	}
	if by != nil {
		by.Ahead = head
		return Step{}, by
	}
	s.take()
	return s, nil
}

// take makes a step of the oldest chunk of its queue.
func (s *Step) take() { s.Chunk, s.To = &s.queue.chunks[0].chunk, s.queue.chunks[0].to }

// wait says how it stands with a partition that has more, but no chunk.
func (o *Order) wait(q *queue, lane int64, now time.Time) *Wait {
	w := &Wait{Position: fetch.Position{TopicPartition: q.TopicPartition, Offset: q.fetched}, End: q.end, Patient: max(0, q.awaited.Add(Patience).Sub(now))}
	clock, known := o.clocks[q.TopicPartition]
	if !known && w.Patient == 0 {
		clock, known = lane, true
		o.clocks[q.TopicPartition] = lane
	}
	if w.Clock = clock; !known {
		w.Clock = math.MinInt64
	}
	return w
}

// bound is up to which time others may be folded.
func (o *Order) bound(w *Wait) int64 {
	switch {
	case w.Clock == math.MinInt64:
		return math.MinInt64
	case w.Patient > 0:
		return w.Clock + o.step
	}
	return w.Clock + o.slack
}

// pass says that all of a partition before this time is folded.
func (o *Order) pass(q *queue, at int64) {
	if clock, known := o.clocks[q.TopicPartition]; !known || clock < at {
		o.clocks[q.TopicPartition] = at
	}
}

// Passed says that a step was folded up to before offset next.
func (o *Order) Passed(s *Step, next int64) {
	q := s.queue
	if s.newest > math.MinInt64 && !q.first {
		o.pass(q, s.newest)
	}
	if next < s.To {
		q.head = s.refused
		return
	}
	o.bytes -= len(q.chunks[0].chunk.Data)
	if q.chunks = slices.Delete(q.chunks, 0, 1); len(q.chunks) > 0 {
		q.head = q.chunks[0].chunk.Time(next)
	}
}
