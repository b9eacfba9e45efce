package availability

import (
	"slices"
	"strconv"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
)

// Kinds of state rows. Keys are store \0 terminal, and store \0 terminal \0 hour (hours since 1970) of evidence.
const (
	KindTerminal = "terminal"
	KindEvidence = "evidence"
)

// Fold keeps the timelines of the terminals of a lane. It is not safe for concurrent use. What Seal gives out is not touched again.
type Fold struct {
	rules rules
	stale func(topic, terminal string, businessDate int32)

	terminals map[entity]*terminal
	loading   map[origin]*loading // nil once folding has begun
	texts     texts
	joined    []byte // a text being put together

	// The open batch.
	pending []pending
	touched []*terminal

	// The batch being sealed.
	scratch   scratch
	hours     []hourRow
	intervals []intervalRow
	outages   []outageRow
	status    []statusRow
	state     []rollup.StateRow
	months    months
}

// pending is evidence of the open batch, chained by terminal.
type pending struct {
	Evidence
	next int32 // 1 + index, 0 ends the chain
}

// New makes a fold without terminals. stale is told of evidence that came too late to be used; the strings are valid during the call.
func New(cfg Config, stale func(topic, terminal string, businessDate int32)) *Fold {
	return &Fold{
		rules: newRules(cfg), stale: stale,
		terminals: map[entity]*terminal{}, loading: map[origin]*loading{}, texts: texts{},
	}
}

// Fold adds an event to the open batch if it is evidence.
func (f *Fold) Fold(e *event.Event, in rollup.Input) {
	f.adopt()
	at := e.When()
	if e.Test || !at.OK || e.TerminalID == "" {
		return
	}
	ev, ok := f.evidenceOf(e, at.Milli)
	if !ok {
		return
	}
	t := f.terminals[entity{e.StoreID, e.TerminalID}]
	switch {
	case t == nil:
		t = newTerminal(e.StoreID, e.TerminalID)
		t.partition = in.Partition
		f.terminals[t.entity] = t
	case !t.known:
		t.partition = min(t.partition, in.Partition) // whatever the order
	case ev.Time < t.base.at+proofLimit:
		// Judged against the state before the batch. What is kept reaches an hour further back, as sales may.
		f.stale(in.Topic, e.TerminalID, e.BusinessDate(f.rules.cutoff))
		return
	}
	if !ev.Sale && t.profile.update(&e.Health, stamp{ev.Time, ev.Sequence}, f.texts) {
		t.told = true
	}
	f.pending = append(f.pending, pending{Evidence: ev})
	n := int32(len(f.pending))
	if t.first == 0 {
		t.first = n
		f.touched = append(f.touched, t)
	} else {
		f.pending[t.last-1].next = n
	}
	t.last = n
}

// Seal closes the open batch: the rows that changed, one block a table and month, and the changed state.
func (f *Fold) Seal(v rollup.Version) rollup.Sealed {
	f.adopt()
	slices.SortFunc(f.touched, func(a, b *terminal) int { return a.compare(b.entity) })
	for _, t := range f.touched {
		f.seal(t)
		t.first, t.last, t.told = 0, 0, false
	}
	out := rollup.Sealed{Blocks: f.blocks(v), State: f.state}
	f.pending, f.touched = f.pending[:0], f.touched[:0]
	f.hours, f.intervals, f.outages, f.status = f.hours[:0], f.intervals[:0], f.outages[:0], f.status[:0]
	f.state = nil
	return out
}

func newTerminal(store, id string) *terminal {
	key := store + "\x00" + id
	return &terminal{entity: entity{key[:len(store)], key[len(store)+1:]}, key: key, profile: newProfile()}
}

func chunkKey(key string, start int64) string {
	return key + "\x00" + strconv.FormatInt(start/hourMilli, 10)
}
