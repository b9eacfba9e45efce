package correction

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
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

// maxWaiting is how many corrections may wait, and how much they may name: what Look finds is in memory together.
const maxWaiting = 5000

// Config of a Fold.
type Config struct {
	Window            time.Duration // 0: nothing is kept
	BusinessDayCutoff time.Duration
	// Apply folds a transaction (sign 1) or takes it off again (-1). It is valid during the call.
	Apply func(e *event.Event, sign int64)
	// Corrected is told that delta events of a business date more (or fewer) do not count. The strings are valid during the call.
	Corrected func(topic, terminal string, businessDate int32, delta int64)
}

// Key is what a transaction is found by.
type Key struct{ Till, Event uint64 } // see tillOf and keyOf

func (k Key) compare(other Key) int {
	return cmp.Or(cmp.Compare(k.Till, other.Till), cmp.Compare(k.Event, other.Event))
}

// Query asks for transactions by their keys.
type Query struct {
	Keys  []Key // each once, by till and event
	Since int64 // of the partition's clock, ms
}

// filter has a bit set for each event that is asked for: of many transactions few are.
type filter [1 << 10]uint64

func (f *filter) add(event uint64) { f[event>>6%uint64(len(f))] |= 1 << (event & 63) }

func (f *filter) may(event uint64) bool { return f[event>>6%uint64(len(f))]&(1<<(event&63)) != 0 }

func (q *Query) filter() *filter {
	f := new(filter)
	for _, k := range q.Keys {
		f.add(k.Event)
	}
	return f
}

// has says whether a transaction is asked for.
func (q *Query) has(k Key) bool {
	_, found := slices.BinarySearchFunc(q.Keys, k, Key.compare)
	return found
}

// hasTill says whether anything of a till is.
func (q *Query) hasTill(till uint64) bool {
	_, found := slices.BinarySearchFunc(q.Keys, till, func(k Key, till uint64) int { return cmp.Compare(k.Till, till) })
	return found
}

// Finder finds kept transactions of the batches before the open one, but for those that were superseded when they came. Rows may be kept.
type Finder func(q Query, row func(Row) error) error

// Row is a kept transaction.
type Row struct {
	Key                     uint64
	Topic                   string
	Partition               int32
	Offset                  int64
	At                      int64 // of the partition's clock when it came, ms
	Old                     bool  // of an epoch before the open batch's
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

// Verdict is what Take and Correct say of an event.
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
	room     []byte             // for the texts of one row

	waiting []waiting        // corrections that Look is for
	awaited map[uint64]bool  // what they name
	looked  map[uint64][]Row // what it found, by the key of the event
	fresh   map[*link]int    // the rows of corrections that came since
	found   []Row            // by Check, for Correct
	clock   int64            // that of the correction that Check saw

	event event.Event // taken off or put back
}

// waiting is a correction that was not folded.
type waiting struct {
	graph *graph
	till  uint64
	link  link
}

// New makes a fold with an empty batch, which finds nothing in batches before.
func New(cfg Config) *Fold {
	return &Fold{
		cfg: cfg, cutoff: cfg.BusinessDayCutoff.Milliseconds(), window: cfg.Window.Milliseconds(), limit: maxLinks, corrects: map[int32][]string{}, stores: intern.New(), batch: 1,
		awaited: map[uint64]bool{}, looked: map[uint64][]Row{}, fresh: map[*link]int{},
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

// Tick sets the clock of a partition by a transaction of it, which is not yet known to be new, and gives it. Offsets come in order.
func (f *Fold) Tick(in rollup.Input) (clock int64) {
	if f.window == 0 {
		return 0
	}
	return f.tick(in).clock
}

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
		if len(f.waiting) == 0 { // who waits may name what would be forgotten
			g.forget(f.known(now))
		}
	}
	return g
}

// known is since when rows and corrections are at this time of their partition's clock.
func (f *Fold) known(clock int64) int64 { return clock - f.window - slack.Milliseconds() }

// Await is Tick for a correction, which waits for Look, Check and Correct. It gives the partition's clock, and says that no more can wait.
func (f *Fold) Await(e *event.Event, in rollup.Input) (clock int64, full bool) {
	g := f.tick(in)
	key := keyOf(e.StoreID, e.TerminalID, e.ID)
	names := namesOf(e, key)
	f.waiting = append(f.waiting, waiting{g, tillOf(in.Topic, e.StoreID, e.TerminalID), link{key: key, names: names, clock: g.clock}})
	for _, n := range names {
		f.awaited[n] = true
	}
	return g.clock, len(f.waiting) >= maxWaiting || len(f.awaited) >= maxWaiting
}

// Awaited says that a correction that waits names this event: it is to wait as well, behind that.
func (f *Fold) Awaited(e *event.Event) bool {
	return len(f.awaited) > 0 && f.awaited[keyOf(e.StoreID, e.TerminalID, e.ID)]
}

// Look finds, all at once, what the corrections that wait may take off or put back: in the open batch, and in those before it. An error is the Finder's.
func (f *Fold) Look() error {
	clear(f.looked)
	clear(f.fresh)
	q := Query{Since: math.MaxInt64}
	for _, g := range f.graphs {
		g.round++ // one for all that wait: many may be of one family
	}
	var family []*link
	for i := range f.waiting {
		w := &f.waiting[i]
		q.Since = min(q.Since, f.known(w.link.clock))
		for _, n := range w.link.names {
			q.Keys = append(q.Keys, Key{w.till, n})
		}
		family = w.graph.connected(family[:0], &w.link)
		for _, l := range family[1:] { // but for itself
			q.Keys = append(q.Keys, Key{w.till, l.key})
		}
	}
	f.waiting = f.waiting[:0]
	clear(f.awaited)
	slices.SortFunc(q.Keys, Key.compare)
	q.Keys = slices.Compact(q.Keys)
	add := func(r Row) error {
		f.looked[r.Key] = append(f.looked[r.Key], r)
		return nil
	}
	tills := make([]bool, f.tills.Len())
	for i := range tills {
		tills[i] = q.hasTill(f.tills.Entries()[i].Key.till)
	}
	wanted := q.filter()
	for i := range f.rows.n {
		k := f.rows.at(i)
		p := &f.packs[k.pack]
		if !tills[p.till] || p.superseded {
			continue
		}
		t := &f.tills.Entries()[p.till]
		f.room = appendKey(f.room[:0], t.Value.store, t.Value.terminal, f.texts.of(k.text)[:k.id])
		if key := xxhash.Sum64(f.room); wanted.may(key) && q.has(Key{t.Key.till, key}) {
			r := f.row(k)
			r.Key = key
			_ = add(r)
		}
	}
	return f.find(q, add)
}

// Check looks at a correction that Look was for, at the clock that Await gave, and that is not yet known to be new. It says why it cannot be folded, if so.
func (f *Fold) Check(e *event.Event, in rollup.Input, clock int64) *event.Rejection {
	g := f.graph(in.Topic, in.Partition)
	f.clock, f.found = clock, f.found[:0]
	g.forget(f.known(clock))
	key := keyOf(e.StoreID, e.TerminalID, e.ID)
	if g.links[key] != nil { // a repeat
		return nil
	}
	if len(g.links) >= f.limit {
		return &event.Rejection{
			Reason: event.ReasonCorrectionLimit, Field: "corrects",
			Expected: fmt.Sprintf("at most %d corrections of a partition within processor.correction_window", f.limit),
		}
	}
	at, late := e.When().Milli, false
	for _, n := range namesOf(e, key) {
		if g.named[n] != nil {
			continue
		}
		known := g.links[n] != nil
		for r := range f.kept(g, n) {
			if !r.Correction {
				known, f.found = true, append(f.found, *r)
			}
		}
		late = late || !known && (at < clock-f.window || at < g.since)
	}
	if !late {
		return nil
	}
	from := time.UnixMilli(max(clock-f.window, g.since)).UTC().Format(time.RFC3339)
	return &event.Rejection{
		Reason: event.ReasonCorrectionTooLate, Field: "corrects.ids",
		Expected: "ids of events of this till that came within processor.correction_window, or a transaction later than " + from,
	}
}

// kept gives what Look found of a key, as of the correction that Check saw. Others' partitions are read meanwhile: only what they had in epochs before is sure.
func (f *Fold) kept(g *graph, key uint64) iter.Seq[*Row] {
	return func(yield func(*Row) bool) {
		rows := f.looked[key]
		for i := range rows {
			r := &rows[i]
			if r.Topic == g.topic && (r.Partition == g.partition || r.Old) && r.At >= f.known(f.clock) && !yield(r) {
				return
			}
		}
	}
}

// Take takes a new transaction that corrects nothing into the open batch, at the clock that Tick gave, and says whether it counts.
func (f *Fold) Take(e *event.Event, in rollup.Input, clock int64) Verdict {
	if f.window == 0 {
		return Counts
	}
	g, verdict, date := f.graph(in.Topic, in.Partition), Counts, e.BusinessDate(f.cutoff)
	if len(g.named) > 0 && g.named[keyOf(e.StoreID, e.TerminalID, e.ID)] != nil {
		verdict = Superseded
		f.cfg.Corrected(in.Topic, e.TerminalID, date, 1)
	}
	f.keep(g, e, in, clock, date, verdict)
	return verdict
}

// keep keeps a transaction, and gives its pack.
func (f *Fold) keep(g *graph, e *event.Event, in rollup.Input, clock int64, date int32, verdict Verdict) int32 {
	s := f.senders.Of(in)
	f.till(s, g, e, in)
	f.room = appendContent(append(f.room[:0], e.ID...), e, date)
	k := f.rows.add() // filled where it lies
	k.at, k.offset, k.customer, k.id, k.text = clock, in.Offset, e.Transaction.Customer.Pseudonym, uint16(len(e.ID)), f.texts.keep(f.room)
	k.pack = f.pack(s, clock, in.Offset, len(e.StoreID)+len(e.TerminalID)+len(f.room)+2, verdict == Correction, verdict == Superseded)
	return k.pack
}

// Correct takes a new correction that Check let pass into the open batch: Correction or Repeat. An error says that what is kept cannot be read, or wraps ErrGone.
func (f *Fold) Correct(e *event.Event, in rollup.Input) (Verdict, error) {
	g, key := f.graph(in.Topic, in.Partition), keyOf(e.StoreID, e.TerminalID, e.ID)
	if g.links[key] != nil {
		return Repeat, nil
	}
	pack := f.keep(g, e, in, f.clock, e.BusinessDate(f.cutoff), Correction)
	ids := make([]string, len(e.Corrects.IDs))
	for i, id := range e.Corrects.IDs {
		ids[i] = strings.Clone(id)
	}
	f.corrects[pack] = ids
	l := &link{key: key, id: strings.Clone(e.ID), names: namesOf(e, key), clock: f.clock, offset: in.Offset, order: declared(e)}
	g.add(l)
	g.changed[key] = l
	f.fresh[l] = f.rows.n - 1
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
		row := f.of(g, x)
		if row == nil {
			return fmt.Errorf("correction %s of %s:%d@%d is itself corrected: %w", x.id, g.topic, g.partition, x.offset, ErrGone)
		}
		if err := f.apply(row, sign); err != nil {
			return err
		}
	}
	return nil
}

// of is the row of a correction; nil if it is kept no more.
func (f *Fold) of(g *graph, l *link) *Row {
	if i, ok := f.fresh[l]; ok {
		r := f.row(f.rows.at(i))
		return &r
	}
	for r := range f.kept(g, l.key) {
		if r.Correction && r.Offset == l.offset && r.Partition == g.partition {
			return r
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
