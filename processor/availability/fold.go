package availability

import (
	"slices"
	"strconv"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
)

// Kinds of state rows. Keys are store \0 terminal, store \0 terminal \0 hour (hours since 1970) of evidence, and the store.
const (
	KindTerminal = "terminal"
	KindEvidence = "evidence"
	KindStore    = "store"    // how the store as a whole was
	KindRegistry = "registry" // what the registry says of it
)

// Fold keeps the timelines of the terminals of a lane. It is not safe for concurrent use. What Seal gives out is not touched again.
type Fold struct {
	rules      rules
	exclusions Exclusions // nil: there are none
	stale      func(topic, terminal string, businessDate int32)

	stores  map[string]*store
	senders rollup.Senders[*terminal]
	loading map[origin]*loading // nil once folding has begun
	texts   texts
	joined  []byte // a text being put together
	read    int64  // nothing: so that what is read ahead is read

	// The open batch.
	inbox   inbox
	touched []*terminal // in order once begun
	told    []*store
	begun   bool // touched is in order and complete
	done    int  // how many of touched are sealed

	// The batch being sealed.
	scratch   scratch
	sweep     sweep
	asked     asked
	hours     []hourRow
	responses []uint32 // of the rows of hours, of which the block has them
	unheard   []gap
	responded int // responses of the batch before
	stateSize int // bytes of state and responses of a terminal in the batch before: the longer the hour, the more
	intervals []intervalRow
	outages   []outageRow
	status    []statusRow
	storeRows
	state   []rollup.StateRow
	headers []byte // of state, the piece that is not full yet
	months  months
}

// New makes a fold without terminals. exclusions may be nil. stale is told of evidence that came too late to be used; the strings are valid during the call.
func New(cfg Config, exclusions Exclusions, stale func(topic, terminal string, businessDate int32)) *Fold {
	return &Fold{
		rules: newRules(cfg), exclusions: exclusions, stale: stale,
		stores: map[string]*store{}, loading: map[origin]*loading{}, texts: texts{},
	}
}

// Fold adds an event to the open batch if it is evidence.
func (f *Fold) Fold(e *event.Event, in rollup.Input) {
	f.adopt()
	switch e.Type {
	case event.TypeRegistry:
		f.register(e, in)
		return
	case event.TypeMaintenance:
		f.tell(f.storeOf(e.StoreID, in.Partition))
		return
	}
	at := e.When()
	if e.Test || !at.OK || e.TerminalID == "" {
		return
	}
	var ev Evidence
	if !f.evidenceOf(&ev, e, at.Milli, in.Timestamp) {
		return
	}
	sent := f.senders.Of(in)
	if *sent == nil || (*sent).store != e.StoreID {
		*sent = f.terminal(e.StoreID, e.TerminalID, in.Partition)
	}
	t := *sent
	switch {
	case !t.known:
		t.partition = min(t.partition, in.Partition) // whatever the order
	case t.kept == beginningOfTime && t.awaited(): // the one tells of the other without being waited for
	case ev.Time < max(t.kept, f.rules.edge(t.newest))+proofLimit:
		// Judged against the state before the batch, by the till's own clock. What is kept reaches an hour further back, as sales may.
		f.stale(in.Topic, e.TerminalID, e.BusinessDate(f.rules.cutoff))
		return
	}
	if !ev.Sale && t.profile.update(&e.Health, stamp{ev.Time, ev.Sequence}, f.texts) {
		t.told = true
	}
	f.pend(t, &ev)
}

// Ahead reads what Fold will need of many senders, so that the processor waits for all of that together.
func (f *Fold) Ahead(of []rollup.Input) {
	read := int64(0)
	for i := range of {
		t := f.senders.Peek(of[i].Sender)
		if t == nil {
			continue
		}
		read += t.kept + t.profile.backlog.at
		if t.store != "" {
			read += int64(t.store[0])
		}
		if t.number > 0 {
			read += int64(f.inbox.tails[t.number-1].n)
		}
	}
	f.read = read
}

// pend adds evidence to the open batch.
func (f *Fold) pend(t *terminal, ev *Evidence) {
	if t.number == 0 {
		f.touched = append(f.touched, t)
	}
	t.number = f.inbox.add(t.number, ev)
	t.turned = t.turned || ev.Skew != 0
}

// What a terminal, a turn and evidence take in an open batch and in two that are sealed: rows and state.
const (
	terminalBytes = 1800 // with this state
	lightState    = 200
	turnBytes     = 1300
	evidenceBytes = 160
)

// Held is about the memory that the open batch takes, together with two that are sealed and like it. What outlives it does not count.
func (f *Fold) Held() int {
	return len(f.touched)*(terminalBytes+2*max(f.stateSize-lightState, 0)) + f.inbox.turns*turnBytes + f.inbox.len()*evidenceBytes
}

// Turns is of how many terminals the open batch has evidence, and how often that is of another hour or status than their evidence before: what makes rows.
func (f *Fold) Turns() int { return len(f.touched) + f.inbox.turns }

// begin puts what the open batch touches in order.
func (f *Fold) begin() {
	if f.begun {
		return
	}
	f.begun = true
	f.inbox.sort()
	for _, st := range f.told {
		for _, t := range st.terminals {
			if t.number == 0 {
				f.touched = append(f.touched, t)
			}
		}
	}
	n := len(f.touched)
	f.state = slices.Grow(f.state, n+n/4) // a row each, and those of stores; more if an hour ends
	f.hours, f.intervals, f.status = slices.Grow(f.hours, n), slices.Grow(f.intervals, n), slices.Grow(f.status, n)
	f.responses = make([]uint32, 0, f.responded+f.responded/8)
	slices.SortFunc(f.touched, func(a, b *terminal) int { return a.compare(&b.entity) })
}

// Seal closes the open batch: the rows that changed, one block a table and month, and the changed state. With Config.Recall nothing may be wanted.
func (f *Fold) Seal(v rollup.Version) rollup.Sealed {
	f.Wants(1)
	for _, st := range f.told { // also those without a terminal
		f.endTelling(st)
	}
	slices.SortFunc(f.windows, func(a, b windowsRow) int { return a.compare(&b) })
	out := rollup.Sealed{Blocks: f.blocks(v), State: f.state}
	f.inbox.reset()
	if n := len(f.touched); n > 0 {
		f.stateSize = 4 * len(f.responses)
		for i := range f.state {
			f.stateSize += len(f.state[i].Value)
		}
		f.stateSize /= n
	}
	f.touched, f.told = f.touched[:0], f.told[:0]
	f.begun, f.done = false, 0
	f.storeRows.reset()
	f.responses, f.responded, f.unheard = nil, len(f.responses), f.unheard[:0]
	f.hours, f.intervals, f.outages, f.status = f.hours[:0], f.intervals[:0], f.outages[:0], f.status[:0]
	f.state = nil
	return out
}

// terminal finds a terminal, or begins it.
func (f *Fold) terminal(storeID, id string, partition int32) *terminal {
	st := f.storeOf(storeID, partition)
	i, found := st.find(id)
	if !found {
		t := newTerminal(st.id, id)
		t.partition, t.home, t.store = partition, st, st.id
		st.terminals = slices.Insert(st.terminals, i, t)
	}
	return st.terminals[i]
}

// find is a terminal of which something is known, or nil.
func (f *Fold) find(storeID, id string) *terminal {
	if st := f.stores[storeID]; st != nil {
		if i, found := st.find(id); found {
			return st.terminals[i]
		}
	}
	return nil
}

func newTerminal(store, id string) *terminal {
	key := store + "\x00" + id
	return &terminal{entity: entity{key[:len(store)], key[len(store)+1:]}, key: key, profile: newProfile()}
}

func chunkKey(key string, start int64) string {
	return key + "\x00" + strconv.FormatInt(start/hourMilli, 10)
}
