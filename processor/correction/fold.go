package correction

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/intern"
	"github.com/tillstream/tillstream/processor/rollup"
	"github.com/tillstream/tillstream/processor/table"
)

// Table is where transactions are kept, many of a till in a row.
const Table = "transaction_packs"

// RowsTable is where versions before migration 0032 kept them, one row each. It is read and not written.
const RowsTable = "transactions"

// slack is how much longer than the window what came is known: clocks of tills may be ahead of Kafka's.
const slack = time.Hour

// maxLinks is how many corrections of a partition are remembered. More of them in one window are dead letters.
const maxLinks = 100_000

// Config of a Fold.
type Config struct {
	Window            time.Duration // 0: nothing is kept
	BusinessDayCutoff time.Duration
	// Apply folds a transaction (sign 1) or takes it off again (-1). It is valid during the call.
	Apply func(e *event.Event, sign int64)
	// Corrected is told that delta events of a business date more (or fewer) do not count. The strings are valid during the call.
	Corrected func(topic, terminal string, businessDate int32, delta int64)
}

// Query asks for transactions of a till by their keys.
type Query struct {
	Till      uint64 // see tillOf
	Keys      []uint64
	Topic     string
	Partition int32
	Since     int64 // of the partition's clock, ms
}

// Finder finds kept transactions of the batches before the open one, but for those that were superseded when they came. Rows may be kept.
type Finder func(q Query, row func(Row) error) error

// Row is a kept transaction.
type Row struct {
	Key                     uint64
	Topic                   string
	Partition               int32
	Offset                  int64
	StoreID, TerminalID, ID string
	Customer                uint64
	Correction              bool
	Content                 string
}

// Event decodes the transaction into e, whose texts alias the row.
func (r *Row) Event(e *event.Event) error {
	if err := decodeContent(r.Content, e); err != nil {
		return fmt.Errorf("reading transaction %s of terminal %s, kept from %s:%d@%d: %w", r.ID, r.TerminalID, r.Topic, r.Partition, r.Offset, err)
	}
	e.StoreID, e.TerminalID, e.ID, e.Transaction.Customer.Pseudonym = r.StoreID, r.TerminalID, r.ID, r.Customer
	return nil
}

// ErrGone says that a correction that counts is not kept any more.
var ErrGone = errors.New("it is not in tillstream.transaction_packs or tillstream.transactions any more: restore the tables, or set processor.correction_window to 0")

// Verdict is what Take says of an event.
type Verdict uint8

const (
	Counts     Verdict = iota // fold it
	Superseded                // a correction that names it came before: do not fold it
	Correction                // all that follows of it was told to Apply
	Repeat                    // of a correction
)

// Fold keeps the transactions of the open batch, and remembers corrections. It is not safe for concurrent use.
type Fold struct {
	cfg    Config
	cutoff int64 // ms
	window int64 // ms
	limit  int   // links of a partition
	find   Finder

	graphs    []*graph
	recent    *graph
	forgotten []rollup.StateRow

	rows     rows
	texts    texts
	tills    table.Table[tillKey, till]
	packs    []pack
	senders  rollup.Senders[sender]
	stores   *intern.Table // their ids, for senders
	batch    uint32        // counts them, from 1
	day      int64         // since 1970, and its month
	month    uint32
	corrects map[int32][]string // ids, by the pack of the correction
	found    []Row              // by Check, for Take
	room     []byte             // for the texts of one row

	event event.Event // taken off or put back
}

// New makes a fold with an empty batch, which finds nothing in batches before.
func New(cfg Config) *Fold {
	return &Fold{
		cfg: cfg, cutoff: cfg.BusinessDayCutoff.Milliseconds(), window: cfg.Window.Milliseconds(), limit: maxLinks, corrects: map[int32][]string{}, stores: intern.New(), batch: 1,
		find: func(Query, func(Row) error) error { return nil },
	}
}

// Find sets who is asked for the transactions of the batches before.
func (f *Fold) Find(find Finder) { f.find = find }

// Begin says where a partition is begun of which no state was loaded. whole: from its beginning, and nothing of its stores came elsewhere.
func (f *Fold) Begin(topic string, partition int32, whole bool) {
	if f.window == 0 {
		return
	}
	g := f.graph(topic, partition)
	if !g.begun && whole {
		g.since, g.window = math.MinInt64, f.window
		g.begun, g.clock, g.unsaid = true, math.MinInt64, true
	}
}

// Passed says that the open batch has offsets of a partition, of whatever is in them: that it was kept from its beginning must not be forgotten, should
// there be no transaction among them.
func (f *Fold) Passed(topic string, partition int32) {
	if f.window == 0 {
		return
	}
	if g := f.graph(topic, partition); g.unsaid {
		g.unsaid, g.moved = false, true
	}
}

func (f *Fold) graph(topic string, partition int32) *graph {
	if g := f.recent; g != nil && g.partition == partition && g.topic == topic {
		return g
	}
	i := slices.IndexFunc(f.graphs, func(g *graph) bool { return g.partition == partition && g.topic == topic })
	if i < 0 {
		i = len(f.graphs)
		f.graphs = append(f.graphs, newGraph(topic, partition))
	}
	f.recent = f.graphs[i]
	return f.recent
}

// tick sets the clock of a partition by a transaction of it.
func (f *Fold) tick(in rollup.Input) *graph {
	g, now := f.graph(in.Topic, in.Partition), max(in.Timestamp, 0)
	switch {
	case !g.begun:
		g.begun, g.clock, g.since, g.window, g.moved = true, now, now, f.window, true
	case g.window != f.window:
		if g.window < f.window { // what was kept for less long may be gone
			g.since = max(g.since, now-g.window)
		}
		g.window, g.moved = f.window, true
	}
	if now > g.clock {
		g.clock, g.moved = now, true
		if len(g.queue) > 0 {
			g.forget(f.known(g))
		}
	}
	return g
}

// known is since when rows and corrections are.
func (f *Fold) known(g *graph) int64 { return g.clock - f.window - slack.Milliseconds() }

// Check looks at a transaction that is not yet known to be new. For a correction it finds what that names, or says why it cannot be folded.
// An error is the Finder's.
func (f *Fold) Check(e *event.Event, in rollup.Input) (*event.Rejection, error) {
	if f.window == 0 {
		return nil, nil
	}
	g := f.tick(in)
	if len(e.Corrects.IDs) == 0 {
		return nil, nil
	}
	key := keyOf(e.StoreID, e.TerminalID, e.ID)
	f.found = f.found[:0]
	if g.links[key] != nil { // a repeat
		return nil, nil
	}
	if len(g.links) >= f.limit {
		return &event.Rejection{
			Reason: event.ReasonCorrectionLimit, Field: "corrects",
			Expected: fmt.Sprintf("at most %d corrections of a partition within processor.correction_window", f.limit),
		}, nil
	}
	var unnamed []uint64 // so far
	names := namesOf(e, key)
	for _, n := range names {
		if len(g.named[n]) == 0 {
			unnamed = append(unnamed, n)
		}
	}
	if len(unnamed) == 0 {
		return nil, nil
	}
	err := f.search(g, e, unnamed, func(r Row) error {
		if !r.Correction {
			f.found = append(f.found, r)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if at := e.When().Milli; at < g.clock-f.window || at < g.since {
		for _, n := range unnamed {
			if g.links[n] == nil && !slices.ContainsFunc(f.found, func(r Row) bool { return r.Key == n }) {
				return f.tooLate(g), nil
			}
		}
	}
	return nil, nil
}

func (f *Fold) tooLate(g *graph) *event.Rejection {
	from := time.UnixMilli(max(g.clock-f.window, g.since)).UTC().Format(time.RFC3339)
	return &event.Rejection{
		Reason: event.ReasonCorrectionTooLate, Field: "corrects.ids",
		Expected: "ids of events of this till that came within processor.correction_window, or a transaction later than " + from,
	}
}

// Take takes a new transaction into the open batch and says whether it counts. An error is the Finder's, or wraps ErrGone.
func (f *Fold) Take(e *event.Event, in rollup.Input) (Verdict, error) {
	if f.window == 0 {
		return Counts, nil
	}
	g := f.graph(in.Topic, in.Partition)
	correction, verdict := len(e.Corrects.IDs) > 0, Counts
	key := uint64(0)
	if correction || len(g.named) > 0 {
		key = keyOf(e.StoreID, e.TerminalID, e.ID)
	}
	date := e.BusinessDate(f.cutoff)
	switch {
	case correction && g.links[key] != nil:
		return Repeat, nil
	case !correction && len(g.named) > 0 && len(g.named[key]) > 0:
		verdict = Superseded
		f.cfg.Corrected(in.Topic, e.TerminalID, date, 1)
	}
	s := f.senders.Of(in)
	f.till(s, g, e, in)
	f.room = appendContent(append(f.room[:0], e.ID...), e, date)
	k := f.rows.add() // filled where it lies
	k.at, k.offset, k.customer, k.id, k.text = g.clock, in.Offset, e.Transaction.Customer.Pseudonym, uint16(len(e.ID)), f.texts.keep(f.room)
	k.pack = f.pack(s, g.clock, in.Offset, len(e.StoreID)+len(e.TerminalID)+len(f.room)+2, correction, verdict == Superseded)
	if !correction {
		return verdict, nil
	}
	ids := make([]string, len(e.Corrects.IDs))
	for i, id := range e.Corrects.IDs {
		ids[i] = strings.Clone(id)
	}
	f.corrects[k.pack] = ids
	l := &link{key: key, id: strings.Clone(e.ID), names: namesOf(e, key), clock: g.clock, offset: in.Offset, order: declared(e)}
	g.add(l)
	g.changed[key] = l
	for i := range f.found {
		if err := f.apply(&f.found[i], -1); err != nil {
			return Correction, err
		}
	}
	clear(f.found)
	return Correction, f.settle(g, l, e, in)
}

// settle lets one of the family of l count: l, which is e, or another.
func (f *Fold) settle(g *graph, l *link, e *event.Event, in rollup.Input) error {
	family := g.family(l)
	winner := g.elect(family)
	if winner == l {
		f.cfg.Apply(e, 1)
	} else {
		f.cfg.Corrected(in.Topic, e.TerminalID, e.BusinessDate(f.cutoff), 1)
	}
	for _, x := range family {
		if x.inForce == (x == winner) {
			continue
		}
		x.inForce = x == winner
		g.changed[x.key] = x
		if x == l {
			continue
		}
		sign := int64(-1)
		if x.inForce {
			sign = 1
		}
		gone := true
		err := f.search(g, e, []uint64{x.key}, func(r Row) error {
			if !r.Correction || r.Offset != x.offset || r.Topic != g.topic || r.Partition != g.partition {
				return nil
			}
			gone = false
			return f.apply(&r, sign)
		})
		if err != nil {
			return err
		}
		if gone {
			return fmt.Errorf("correction %s of %s:%d@%d is itself corrected: %w", x.id, g.topic, g.partition, x.offset, ErrGone)
		}
	}
	return nil
}

// apply folds a kept transaction once more.
func (f *Fold) apply(r *Row, sign int64) error {
	if err := r.Event(&f.event); err != nil {
		return err
	}
	f.cfg.Apply(&f.event, sign)
	f.cfg.Corrected(r.Topic, r.TerminalID, f.event.BusinessDate(f.cutoff), -sign)
	return nil
}

// search looks in the open batch and in those before it for transactions of the till of e.
func (f *Fold) search(g *graph, e *event.Event, keys []uint64, row func(Row) error) error {
	q := Query{Till: tillOf(g.topic, e.StoreID, e.TerminalID), Keys: keys, Topic: g.topic, Partition: g.partition, Since: f.known(g)}
	for i := range f.rows.n {
		k := f.rows.at(i)
		p := &f.packs[k.pack]
		if f.tills.Entries()[p.till].Key != (tillKey{q.Till, g}) || k.at < q.Since || p.superseded {
			continue
		}
		r := f.row(k)
		if r.Key = keyOf(r.StoreID, r.TerminalID, r.ID); slices.Contains(keys, r.Key) {
			if err := row(r); err != nil {
				return err
			}
		}
	}
	return f.find(q, row)
}

// declared is when a correction was made.
func declared(e *event.Event) int64 {
	if e.RecordedAt.OK {
		return e.RecordedAt.Milli
	}
	return e.Time.Milli
}

func appendKey(b []byte, first, second, third string) []byte {
	b = append(append(b, first...), 0)
	b = append(append(b, second...), 0)
	return append(b, third...)
}

// tillOf stands for what a till sends to a topic. It is kept, so it must never change.
func tillOf(topic, store, terminal string) uint64 {
	var room [256 + 2*128 + 2]byte
	return xxhash.Sum64(appendKey(room[:0], topic, store, terminal))
}

// keyOf stands for the events of a till that bear an id. It is kept, so it must never change.
func keyOf(store, terminal, id string) uint64 {
	var room [3*128 + 2]byte
	return xxhash.Sum64(appendKey(room[:0], store, terminal, id))
}

// namesOf are the keys of what an event corrects, each once, but for itself.
func namesOf(e *event.Event, self uint64) []uint64 {
	names := make([]uint64, 0, len(e.Corrects.IDs))
	for _, id := range e.Corrects.IDs {
		if n := keyOf(e.StoreID, e.TerminalID, id); n != self && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}
