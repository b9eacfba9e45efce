package availability

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/rollup"
)

// store is what is known of a store beside its tills' evidence.
type store struct {
	id        string
	partition int32
	known     bool            // from a batch before the open one
	latest    *registry.Store // what the registry said last
	text, was *registry.Store // what is in force, now and before the open batch; nil: the store is not registered
	told      bool            // the open batch brought news of the registry, or of maintenance
	terminals []*terminal     // by id
	newest    int64           // of all its evidence, as the tills' own clocks have it
	seen      int64           // newest evidence, where it belongs

	runs   []run     // up, down, unknown, None: those that may still change, and the one before; the last is under way at newest
	months monthSpan // of service_windows that are written
}

// store finds a store, or begins it.
func (f *Fold) storeOf(id string, partition int32) *store {
	st := f.stores[id]
	if st == nil {
		id = strings.Clone(id)
		st = &store{id: id, partition: partition, newest: beginningOfTime, seen: beginningOfTime}
		f.stores[id] = st
	}
	if !st.known {
		st.partition = min(st.partition, partition) // whatever the order
	}
	return st
}

// find is where a terminal is, or belongs.
func (st *store) find(id string) (i int, found bool) {
	return slices.BinarySearchFunc(st.terminals, id, func(t *terminal, id string) int { return cmp.Compare(t.id, id) })
}

// tell has all the store's rows since the beginning of the kept evidence written again.
func (f *Fold) tell(st *store) {
	if !st.told {
		st.told = true
		f.told = append(f.told, st)
	}
}

// register takes what the registry says of a store, if it is newer than what is known. From the event's time on its terminals are unknown
// until they are heard. Of one that was heard before that it says nothing, whatever came first; where a clock is wrong that shows when it is evaluated.
func (f *Fold) register(e *event.Event, in rollup.Input) {
	text, ok := e.Body.(*registry.Store)
	if !ok {
		return
	}
	st := f.storeOf(e.StoreID, in.Partition)
	if st.enact(text) {
		f.tell(st)
	}
	for i := range text.Terminals {
		r := &text.Terminals[i]
		at := e.Time.Milli
		t := f.find(st.id, r.ID)
		if r.Lives.Holds(at) && (t == nil || !t.known || (at < t.firstSeen || t.skewed) && (t.awaited() || at >= t.kept+proofLimit)) {
			f.pend(f.terminal(st.id, r.ID, in.Partition), &Evidence{Time: at, Start: at, Status: Unknown, Cause: registered, Hold: f.rules.hold})
		}
	}
}

// Registered is what is in force of a store by the records that were folded, nil if it is not registered.
func (f *Fold) Registered(id string) *registry.Store {
	if st := f.stores[id]; st != nil {
		return st.text
	}
	return nil
}

// enact takes a text if it is the newest.
func (st *store) enact(text *registry.Store) bool {
	if st.latest != nil && !text.Newer(st.latest) {
		return false
	}
	if st.latest, st.text = text, text; text.Removed {
		st.text = nil
	}
	return true
}

// heard says whether any of its terminals was, before the open batch.
func (st *store) heard() bool {
	return slices.ContainsFunc(st.terminals, func(t *terminal) bool { return t.known && !t.awaited() })
}

// endTelling gives out what the registry said.
func (f *Fold) endTelling(st *store) {
	if st.text != st.was {
		st.months = monthSpan{} // all of them again
		f.state = append(f.state, rollup.StateRow{Partition: st.partition, Kind: KindRegistry, Key: st.id, Value: st.latest.Append(nil)})
	}
	st.was, st.told, st.known = st.text, false, true
	f.writeWindows(st)
	f.remember(st)
}

// remember gives out how the store was, with the months that are written by now.
func (f *Fold) remember(st *store) {
	if st.newest > beginningOfTime {
		f.state = append(f.state, rollup.StateRow{Partition: st.partition, Kind: KindStore, Key: st.id, Value: st.appendState(nil)})
	}
}

// stretch is the time of a store that the open batch changes.
type stretch struct {
	interval.Span
	since              int64 // the first instant that its evidence is of, or reaches back to
	newest, seen       int64 // the store's evidence, after it
	heard, heardBefore bool  // whether any till was
}

func (f *Fold) stretch(st *store, touched []*terminal) (x stretch) {
	var awaited int64
	x.since, x.newest, x.seen, awaited = f.reach(st, touched)
	x.heard, x.heardBefore = x.seen > beginningOfTime, st.heard()
	x.Span = interval.Span{From: floorHour(x.since), To: x.seen}
	if !x.heard {
		x.To, x.newest = awaited, awaited
	}
	if st.newest > beginningOfTime {
		edge := f.rules.edge(st.newest)
		if x.From = max(floorHour(min(x.since, st.seen, x.To)), edge); st.told {
			x.From = edge
		}
		if !x.heardBefore { // no hours are written yet
			x.From = min(x.From, floorHour(x.since))
			for _, t := range st.terminals {
				if t.known {
					x.From = min(x.From, floorHour(t.firstSeen))
				}
			}
		}
	}
	return x
}

// sealStore seals the terminals that the batch touched, and evaluates the store as a whole as far as that may have changed.
func (f *Fold) sealStore(st *store, touched []*terminal, reach stretch) {
	defer f.putBack(st)
	x, seenWas := reach.Span, st.seen
	st.newest, st.seen = reach.newest, x.To
	s, news := &f.sweep, st.told
	s.begin()
	for _, t := range st.terminals {
		if len(touched) > 0 && touched[0] == t {
			news = f.seal(t, x) || news
			t.number, t.told, t.turned = 0, false, false
			touched = touched[1:]
			continue
		}
		f.attend(t, x)
	}
	if !news {
		return
	}
	s.evaluate(st.text, x, f.serviceOf(st.id, st.text, "", x))
	hours := s.hours
	for h := x.From; reach.heard && h <= max(reach.seen, seenWas); h += hourMilli { // else what is heard may be older
		if len(hours) > 0 && hours[0].start == h {
			f.storeHours = append(f.storeHours, storeHour{st, hours[0]})
			hours = hours[1:]
		} else if reach.heardBefore && st.had(interval.Span{From: h, To: min(h+hourMilli, seenWas)}) { // what belongs elsewhere, or what no life reaches any more
			f.storeHours = append(f.storeHours, storeHour{st, storeTime{start: h}})
		}
	}
	f.splice(st, x)
	f.storeStatus = append(f.storeStatus, storeStatusRow{store: st, run: st.runs[len(st.runs)-1], tally: s.last, holds: s.holds(st)})
	if st.known = true; !st.told { // else endTelling does
		f.writeWindows(st)
		f.remember(st)
	}
}

// reach is since when the open batch changes anything in a store, and its newest evidence after the batch: as the tills' own clocks have it, and
// where it belongs. awaited is the newest of the registry's first words about terminals that nobody has heard.
func (f *Fold) reach(st *store, touched []*terminal) (since, newest, seen, awaited int64) {
	since, newest, seen, awaited = Open, beginningOfTime, beginningOfTime, beginningOfTime
	if st.heard() {
		newest = st.newest
	}
	for _, t := range st.terminals {
		if len(touched) == 0 || touched[0] != t {
			if t.awaited() {
				awaited = max(awaited, f.firstWord(t))
			} else {
				seen = max(seen, t.seen)
			}
			continue
		}
		touched = touched[1:]
		first, last, skewed, words := Open, beginningOfTime, t.skewed || t.turned, t.awaited()
		if t.number > 0 {
			came := &f.inbox.tails[t.number-1]
			first, last, words = came.first, came.last, words || came.words
		}
		if newest = max(newest, last); words {
			awaited = max(awaited, f.firstWord(t))
		}
		if skewed && t.number > 0 {
			first, last = f.reachSkewed(t)
		} else if t.known && !t.awaited() {
			last = max(last, t.seen)
		}
		since, seen = min(since, first), max(seen, last)
	}
	return since, newest, seen, awaited
}

// reachSkewed is the same of a terminal whose clock is wrong.
func (f *Fold) reachSkewed(t *terminal) (since, seen int64) {
	f.gather(t)
	if t.tip != nil && t.skewed {
		if came, ok := f.upright(t); ok {
			since = Open
			for i := range came {
				since = min(since, came[i].Start)
			}
			return since, max(t.seen, came[len(came)-1].Time)
		}
	}
	if !t.known || !f.placeHot(t) {
		from := theBeginning()
		if t.known {
			from = t.base
		}
		f.place(t, &from, true)
	}
	since = Open
	s := &f.scratch
	changes(s.placedWas, s.placed, func(e *Evidence) { since = min(since, e.Start) })
	return since, s.placed[len(s.placed)-1].Time
}

// attend adds a terminal's timeline to the sweep.
func (f *Fold) attend(t *terminal, x interval.Span) {
	text := t.home.text.Terminal(t.id)
	rules := f.rules.of(text)
	from := &t.base
	if t.hot.at <= x.From {
		from = &t.hot
	}
	s, at := &f.scratch, from.at
	if t.tip != nil && from == &t.hot && t.seen <= x.To { // nothing was heard since
		at = t.seen
		s.now.extend(t.tip, rules, from, nil, at, x.To)
	} else {
		s.now.run(rules, from, f.placed(t, from), x.To)
	}
	if text != nil {
		s.now.withdraw(text.Lives, at, x.To)
	}
	f.sweep.add(&s.now, rules, x)
}

// had says whether the store had tills at some time of a span, as it was before the open batch.
func (st *store) had(x interval.Span) bool {
	for i, r := range st.runs {
		to := Open
		if i+1 < len(st.runs) {
			to = st.runs[i+1].start
		}
		if r.status != None && !x.Cut(interval.Span{From: r.start, To: to}).Empty() {
			return true
		}
	}
	return false
}

// splice puts the runs of the sweep in the place of those within x, and gives out the outages that are not what they were.
func (f *Fold) splice(st *store, x interval.Span) {
	was := st.runs
	now := slices.Clone(was[:runsBefore(was, x.From)])
	for _, r := range f.sweep.runs {
		if n := len(now); n == 0 || now[n-1].status != r.status {
			now = append(now, r)
		}
	}
	span := func(runs []run, i int) interval.Span {
		if i+1 < len(runs) {
			return interval.Span{From: runs[i].start, To: runs[i+1].start}
		}
		return interval.Span{From: runs[i].start, To: Open}
	}
	emit := func(o interval.Span, deleted bool) {
		row := storeOutage{store: st, start: o.From, end: rollup.Null, deleted: deleted}
		if o.To != Open {
			row.end, row.repair = rollup.NullMillis(o.To), uint64(o.To-o.From)
			if row.service = row.repair; !deleted {
				if s := f.serviceOf(st.id, st.text, "", o); !s.always {
					row.service = uint64(s.counted.Length())
				}
			}
		}
		f.storeOutages = append(f.storeOutages, row)
	}
	for i, j := 0, 0; i < len(was) || j < len(now); {
		switch {
		case i < len(was) && was[i].status != Down:
			i++
		case j < len(now) && now[j].status != Down:
			j++
		case j == len(now) || i < len(was) && was[i].start < now[j].start:
			emit(span(was, i), true)
			i++
		case i == len(was) || was[i].start > now[j].start:
			emit(span(now, j), false)
			j++
		default:
			if span(was, i) != span(now, j) || st.told {
				emit(span(now, j), false)
			}
			i++
			j++
		}
	}
	edge := f.rules.edge(st.newest)
	for len(now) > 1 && now[1].start < edge { // one that begins at the edge may still become one with that before
		now = now[1:]
	}
	st.runs = now
}

// runsBefore is how many runs begin before an instant.
func runsBefore(runs []run, at int64) int {
	i, _ := slices.BinarySearchFunc(runs, at, func(r run, at int64) int { return cmp.Compare(r.start, at) })
	return i
}

// monthSpan is months since year 0, [from, to).
type monthSpan struct{ from, to int }

func monthOf(ms int64) int {
	t := time.UnixMilli(ms).UTC()
	return t.Year()*12 + int(t.Month()) - 1
}

func monthStart(m int) time.Time { return time.Date(m/12, time.Month(m%12+1), 1, 0, 0, 0, 0, time.UTC) }

// ahead and behind is how many months of opening hours are written beside those of the evidence.
const (
	monthsAhead  = 14
	monthsBehind = 13
)

// writeWindows writes the opening hours of months that nobody has written yet, as soon as the evidence is about to need them.
func (f *Fold) writeWindows(st *store) {
	if st.text == nil || st.newest == beginningOfTime {
		return
	}
	now := monthOf(st.newest)
	want := monthSpan{now - monthsBehind, now + monthsAhead}
	have := st.months
	if have == (monthSpan{}) {
		have = monthSpan{want.from, want.from}
	} else if now+monthsAhead/2 < have.to && now-1 >= have.from {
		return
	}
	want = monthSpan{min(want.from, have.from), max(want.to, have.to)}
	for m := want.from; m < want.to; m++ {
		if m < have.from || m >= have.to {
			x := interval.Span{From: monthStart(m).UnixMilli(), To: monthStart(m + 1).UnixMilli()}
			f.windows = append(f.windows, windowsRow{st, m, st.text.Service(x)})
		}
	}
	st.months = want
}

// Formats of a store's state. The second says when the newest evidence was, which differs where clocks are wrong.
const (
	storeFormat       = 1
	skewedStoreFormat = 2
)

// appendState encodes how the store was. Instants are told against the one before.
func (st *store) appendState(dst []byte) []byte {
	format := byte(storeFormat)
	if st.seen != st.newest {
		format = skewedStoreFormat
	}
	dst = binary.AppendVarint(append(dst, format), st.newest)
	if format == skewedStoreFormat {
		dst = binary.AppendVarint(dst, st.newest-st.seen)
	}
	dst = binary.AppendUvarint(dst, uint64(st.months.from))
	dst = binary.AppendUvarint(dst, uint64(st.months.to-st.months.from))
	dst = binary.AppendUvarint(dst, uint64(len(st.runs)))
	at := st.seen
	for _, r := range slices.Backward(st.runs) {
		dst = append(binary.AppendUvarint(dst, uint64(at-r.start)), byte(r.status))
		at = r.start
	}
	return dst
}

// readState takes a state. There may be two, after the store's key has moved to another partition: the newer one counts.
func (st *store) readState(data []byte, partition int32) error {
	r := reader{b: data}
	format := r.byte()
	if format != storeFormat && format != skewedStoreFormat {
		return errState
	}
	newest := r.varint()
	seen := newest
	if format == skewedStoreFormat {
		seen -= r.varint()
	}
	from, months, n := r.uvarint(), r.uvarint(), r.uvarint()
	if r.bad || newest < -maxInstant || newest > maxInstant || seen < -maxInstant || seen > maxInstant || from > 1<<20 || months > 1<<20 || n > uint64(len(r.b)) {
		return errState
	}
	runs := make([]run, n)
	at := seen
	for i := range slices.Backward(runs) {
		back := r.uvarint()
		at -= int64(back)
		runs[i] = run{start: at, status: Status(r.byte())}
		if back > maxInstant || runs[i].status >= statuses || i+1 < len(runs) && (runs[i+1].status == runs[i].status || back == 0) {
			return errState
		}
	}
	switch {
	case r.bad || len(r.b) > 0:
		return errState
	case st.known && newest < st.newest:
		return nil
	}
	st.newest, st.seen, st.partition, st.known, st.runs = newest, seen, partition, true, runs
	st.months = monthSpan{int(from), int(from + months)}
	return nil
}

func (st *store) readRegistry(data []byte) error {
	text, err := registry.ReadState(data)
	if err != nil {
		return err
	}
	st.enact(text)
	st.was = st.text
	return nil
}
