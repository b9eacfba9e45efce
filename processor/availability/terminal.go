package availability

import (
	"cmp"
	"slices"
	"time"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/rollup"
)

// hotSlack is how far the hot snapshot lies behind the newest evidence at least, ms: what is later than that, or began earlier, costs an
// evaluation of the whole window.
const hotSlack = int64(10 * time.Minute / time.Millisecond)

// entity names a terminal in a store.
type entity struct{ store, id string }

func (e entity) compare(o entity) int {
	return cmp.Or(cmp.Compare(e.store, o.store), cmp.Compare(e.id, o.id))
}

// terminal is the state of one.
type terminal struct {
	entity
	home      *store
	key       string // of its state; entity is part of it
	partition int32
	known     bool // from a batch before the open one; only then the fields up to chunks are set

	newest, firstSeen int64
	base              snapshot // where the kept evidence begins
	hot               snapshot // a recent one, to spare work
	chunks            []chunk  // by hour
	profile           profile

	first, last int32 // of the open batch's evidence: 1 + index into Fold.pending; 0 is none
	told        bool  // the open batch changed the profile
}

// awaited says that so far only the registry knows the terminal. Nothing is too late for it, and it has no hours yet.
func (t *terminal) awaited() bool { return t.known && t.base.at == beginningOfTime }

// chunk is the encoded evidence of one hour. Its data are never changed, only replaced, so that sealed batches may share them.
type chunk struct {
	start int64
	data  []byte
}

// scratch is memory that sealing a terminal needs and leaves.
type scratch struct {
	added, held, all, early    []Evidence
	fresh                      []int64 // hours that got evidence
	gone                       []int64 // hours of which nothing is known any more
	was, now, edge, shop       walk
	wasRules, nowRules         *rules
	hoursWas, hours, hoursEdge []hour
	values                     []uint32
	encoded                    []byte
}

// seal brings the open batch's evidence into a terminal, and the rows that change thereby into the fold. If its store was told something,
// all its rows since the beginning of the kept evidence are written again. Its timeline within x goes into the sweep of the store. It says whether there was anything new to it.
func (f *Fold) seal(t *terminal, x interval.Span) bool {
	s := &f.scratch
	s.added = s.added[:0]
	for i := t.first; i != 0; i = f.pending[i-1].next {
		s.added = append(s.added, f.pending[i-1].Evidence)
	}
	s.added = distinct(s.added)
	awaited := !t.known || t.awaited() // still, after this batch
	since := f.firstWord(t) + 1        // of the registry: it says the same again
	if i := slices.IndexFunc(s.added, func(e Evidence) bool { return !e.registers() }); i >= 0 {
		awaited, since = false, min(since, s.added[i].Time)
	}
	s.added = heardFrom(s.added, since)
	earliest, newest := Open, beginningOfTime
	for i := range s.added {
		earliest, newest = min(earliest, s.added[i].Start), s.added[i].Time
	}
	if t.known && !t.awaited() {
		newest = max(newest, t.newest)
	} else if awaited {
		newest = since - 1
	}
	edge := f.rules.edge(newest)
	was, now := t.home.was.Terminal(t.id), t.home.text.Terminal(t.id)
	rulesWas, rules := f.rules.of(was), f.rules.of(now)

	// Begin as late as the change and the new edge allow.
	from, hot := theBeginning(), false
	if t.known {
		edge = max(edge, t.base.at)
		hot = earliest >= t.hot.at && (edge == t.base.at || edge+proofLimit <= t.hot.at) &&
			t.hot.at <= x.From && !t.home.told
		if from = t.base; hot {
			from = t.hot
		}
	}
	s.held = f.decode(s.held[:0], t, from.at, Open)
	if s.merge(); t.awaited() {
		s.fresh = append(s.fresh, floorHour(t.newest)) // what the registry said may go
		slices.Sort(s.fresh)
		s.fresh, s.all = slices.Compact(s.fresh), heardFrom(s.all, since)
	}
	if len(s.fresh) == 0 && !t.told && !t.home.told {
		f.attend(t, x)
		return false
	}
	s.was.runs, s.hoursWas, s.hours, s.gone = s.was.runs[:0], s.hoursWas[:0], s.hours[:0], s.gone[:0]
	if t.known {
		s.was.run(&rulesWas, &from, s.held, t.newest)
		if was != nil {
			s.was.withdraw(was.Lives, from.at, t.newest)
		}
		s.wasRules = &rulesWas
		if s.hoursWas = appendHours(s.hoursWas, &s.was, nil, from.at, t.newest); t.home.told || t.awaited() {
			if !t.awaited() {
				for i := range s.hoursWas {
					s.gone = append(s.gone, s.hoursWas[i].start)
				}
			}
			s.hoursWas = s.hoursWas[:0] // all of them again
		} else {
			service := f.serviceOf(t.store, t.home.was, t.id, interval.Span{From: s.was.begins(from.at), To: t.newest})
			service.serve(s.hoursWas, &s.was, from.at, t.newest)
		}
	}
	s.now.run(&rules, &from, s.all, newest)
	if now != nil {
		s.now.withdraw(now.Lives, from.at, newest)
	}
	s.nowRules = &rules
	s.hours = appendHours(s.hours, &s.now, s.all, from.at, newest)
	service := f.serviceOf(t.store, t.home.text, t.id, interval.Span{From: s.now.begins(from.at), To: newest})
	service.serve(s.hours, &s.now, from.at, newest)

	if awaited {
		s.hours = s.hours[:0] // the views know them: unknown, and others if it was heard before
	}
	s.gone = slices.DeleteFunc(s.gone, func(start int64) bool {
		_, there := slices.BinarySearchFunc(s.hours, start, func(h hour, start int64) int { return cmp.Compare(h.start, start) })
		return there
	})
	f.hourRows(t)
	f.intervalRows(t)
	f.outageRows(t)

	// The state after the batch.
	if t.firstSeen = min(t.firstSeen, earliest); !t.known {
		t.firstSeen = earliest
	}
	t.newest = newest
	if awaited {
		t.base, t.hot, edge = from, from, beginningOfTime
	} else {
		if !t.known || edge > t.base.at {
			f.advance(t, edge, &from, hot)
		}
		if at := max(floorHour(newest-hotSlack), edge); !hot || at > t.hot.at {
			t.hot = snapshotAt(at, &from, s.all, &s.now, s.hours)
		}
	}
	t.known = true
	f.store(t, edge)
	f.statusRow(t, count(&from, &s.now, s.hours, Open))
	if newest > x.To { // it is awaited later than the store was heard
		f.attend(t, x)
		return true
	}
	s.shop.goOn(&s.now, &rules, newest, x.To)
	if now != nil {
		s.shop.withdraw(now.Lives, newest, x.To)
	}
	f.sweep.add(&s.shop, &rules, x)
	return true
}

// begins is the first instant of a walk of which anything is known, not before the given one.
func (w *walk) begins(from int64) int64 {
	if len(w.runs) > 1 && w.runs[0].status == None && w.runs[0].start == beginningOfTime {
		return max(from, w.runs[1].start)
	}
	return from
}

// advance moves the base to a later edge.
func (f *Fold) advance(t *terminal, edge int64, from *snapshot, hot bool) {
	s := &f.scratch
	if !hot {
		t.base = snapshotAt(edge, from, s.all, &s.now, s.hours)
		return
	}
	// What is kept before the hot snapshot was not touched. A sale up to an hour behind the edge may reach before it.
	s.early = f.decode(s.early[:0], t, t.base.at, edge+proofLimit)
	rules := f.rules.of(t.home.text.Terminal(t.id))
	s.edge.run(&rules, &t.base, s.early, edge)
	if now := t.home.text.Terminal(t.id); now != nil {
		s.edge.withdraw(now.Lives, t.base.at, edge)
	}
	s.hoursEdge = appendHours(s.hoursEdge[:0], &s.edge, s.early, t.base.at, edge)
	t.base = snapshotAt(edge, &t.base, s.early, &s.edge, s.hoursEdge)
}

// firstWord is when the registry first said that it knows a terminal that nobody has heard before the open batch.
func (f *Fold) firstWord(t *terminal) int64 {
	at := Open - 1
	if t.known {
		at = t.firstSeen
	}
	for i := t.first; i != 0; i = f.pending[i-1].next {
		if e := &f.pending[i-1]; e.registers() {
			at = min(at, e.Time)
		}
	}
	return at
}

// heardFrom leaves out what the registry says of a terminal that was heard by then. The evidence is in order.
func heardFrom(ev []Evidence, since int64) []Evidence {
	return slices.DeleteFunc(ev, func(e Evidence) bool { return e.registers() && e.Time >= since })
}

// merge unites held and added into all, and notes the hours in which that is more than held.
func (s *scratch) merge() {
	s.all, s.fresh = s.all[:0], s.fresh[:0]
	held := s.held
	for i := range s.added {
		a := &s.added[i]
		n := 0
		c := -1
		for ; n < len(held); n++ {
			if c = held[n].Compare(a); c >= 0 {
				break
			}
		}
		s.all = append(s.all, held[:n]...)
		held = held[n:]
		if c == 0 {
			continue
		}
		s.all = append(s.all, *a)
		if h, n := floorHour(a.Time), len(s.fresh); n == 0 || s.fresh[n-1] != h {
			s.fresh = append(s.fresh, h)
		}
	}
	s.all = append(s.all, held...)
}

// decode reads the kept evidence of [from, to), both full hours.
func (f *Fold) decode(dst []Evidence, t *terminal, from, to int64) []Evidence {
	for i := t.chunkAt(from); i < len(t.chunks) && t.chunks[i].start < to; i++ {
		// It was encoded here, or read once by Load: it cannot fail.
		dst, _ = readChunk(dst, t.chunks[i].start, t.chunks[i].data, f.texts)
	}
	return dst
}

// chunkAt is the index of the first chunk not before an hour. It looks from the end, where it mostly is.
func (t *terminal) chunkAt(start int64) int {
	i := len(t.chunks)
	for i > 0 && t.chunks[i-1].start >= start {
		i--
	}
	return i
}

// store gives out the state: the header, the chunks that changed, and the end of those before the edge.
func (f *Fold) store(t *terminal, edge int64) {
	s := &f.scratch
	s.encoded = t.appendHeader(s.encoded[:0])
	f.state = append(f.state, rollup.StateRow{Partition: t.partition, Kind: KindTerminal, Key: t.key, Value: slices.Clone(s.encoded)})
	for _, h := range s.fresh {
		if h < edge {
			continue // a batch longer than the window
		}
		ev := within(s.all, h)
		if len(ev) == 0 { // the registry's word, which went
			if i := t.chunkAt(h); i < len(t.chunks) && t.chunks[i].start == h {
				t.chunks = slices.Delete(t.chunks, i, i+1)
				f.state = append(f.state, rollup.StateRow{Partition: t.partition, Kind: KindEvidence, Key: chunkKey(t.key, h), Deleted: true})
			}
			continue
		}
		s.encoded = appendChunk(s.encoded[:0], h, ev)
		c := chunk{h, slices.Clone(s.encoded)}
		if i := t.chunkAt(h); i < len(t.chunks) && t.chunks[i].start == h {
			t.chunks[i] = c
		} else {
			t.chunks = slices.Insert(t.chunks, i, c)
		}
		f.state = append(f.state, rollup.StateRow{Partition: t.partition, Kind: KindEvidence, Key: chunkKey(t.key, h), Value: c.data})
	}
	n := 0
	for ; n < len(t.chunks) && t.chunks[n].start < edge; n++ {
		f.state = append(f.state, rollup.StateRow{Partition: t.partition, Kind: KindEvidence, Key: chunkKey(t.key, t.chunks[n].start), Deleted: true})
	}
	t.chunks = slices.Delete(t.chunks, 0, n)
}
