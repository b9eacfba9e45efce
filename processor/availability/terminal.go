package availability

import (
	"cmp"
	"slices"
	"time"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/rollup"
)

// hotSlack is how far the hot snapshot lies behind the newest evidence at least, ms: what is later than that, or began earlier, costs an
// evaluation of the whole window.
const hotSlack = int64(10 * time.Minute / time.Millisecond)

// entity names a terminal in a store.
type entity struct{ store, id string }

func (e *entity) compare(o *entity) int {
	if c := cmp.Compare(e.store, o.store); c != 0 {
		return c
	}
	return cmp.Compare(e.id, o.id)
}

// terminal is the state of one. What Fold needs, up to the name of the store, lies in two lines of the cache.
type terminal struct {
	number    int32 // in Fold.inbox; 0: the open batch has no evidence
	partition int32
	known     bool  // from a batch before the open one; only then what follows of its evidence is set
	told      bool  // the open batch changed the profile
	turned    bool  // some of its evidence has a Skew
	skewed    bool  // some of the kept evidence has a Skew
	whole     bool  // a version that had no past has left its state
	newest    int64 // as the till's own clock has it
	kept      int64 // where the kept evidence begins: base.at, or earlier with a past
	profile   profile
	entity    // its store's own, and the end of key

	// What has pointers lies together too, for the collector.
	home   *store
	key    string    // of its state
	tip    *tip      // how the timeline ends, to spare more than hot does; nil: not known
	back   *recalled // of the past, while it is needed
	chunks []chunk   // by hour, those that are not cold
	cold   cold
	past   past // hours before base.at

	open           int64 // the hour whose evidence is in the header, not in a row of its own; 0: none is
	firstSeen      int64
	seen           int64    // newest evidence, where it belongs
	lateSent, edge int64    // of one whose clock is wrong: when evidence was sent last that was not sent at once, 0 if there is none; and rules.edge when all was read last
	base           snapshot // where the evidence in memory begins
	hot            snapshot // a recent one, to spare work
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
	fresh                      []int64    // hours that got evidence
	placed, placedWas          []Evidence // all and held, where they belong
	moved                      []int64    // hours whose placed evidence is not what it was
	clocks                     clocks
	was, now, edge, shop       walk
	wasRules, nowRules         *rules
	hoursWas, hours, hoursEdge []hour
	gapsWas, gaps              []gap
	encoded, packed            []byte
}

// seal brings the open batch's evidence into a terminal, and the rows that change thereby into the fold. If its store was told something,
// all its rows since the beginning of the kept evidence are written again. Its timeline within x goes into the sweep of the store. It says whether there was anything new to it.
func (f *Fold) seal(t *terminal, x interval.Span) bool {
	s := &f.scratch
	if f.gather(t); f.sealOn(t, x) {
		return true
	}
	skewed, words := t.skewed || t.turned, f.inbox.words(t.number)
	awaited := !t.known || t.awaited() // still, after this batch
	since := f.firstWord(t) + 1        // of the registry: it says the same again
	if i := slices.IndexFunc(s.added, func(e Evidence) bool { return !e.registers() }); i >= 0 {
		awaited, since = false, min(since, s.added[i].Time)
	}
	if words && !skewed {
		s.added = heardFrom(s.added, since)
	}
	earliest, newest := Open, beginningOfTime
	for i := range s.added {
		e := &s.added[i]
		if earliest = min(earliest, e.Start); !skewed || !e.registers() {
			newest = e.Time
		}
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
	from, hot, archives := theBeginning(), false, f.archives(awaited, skewed)
	if t.known {
		if hot = t.hot.at <= x.From && !t.home.told; skewed {
			hot = hot && (edge == t.edge || f.steps(t, edge)) && f.placeHot(t)
		} else {
			if edge = max(edge, t.kept); archives {
				edge = max(edge, f.recent(t, newest))
			}
			edge = max(edge, t.base.at)
			hot = hot && earliest >= t.hot.at && (edge == t.base.at || edge+proofLimit <= t.hot.at || edge >= t.hot.at)
		}
		if from = t.base; hot {
			from = t.hot
		}
	} else if archives {
		edge = max(edge, f.recent(t, newest))
	}
	if !hot || !skewed {
		f.place(t, &from, skewed)
	}
	if t.awaited() && !skewed {
		s.fresh = append(s.fresh, floorHour(t.newest)) // what the registry said may go
		slices.Sort(s.fresh)
		s.fresh, s.all = slices.Compact(s.fresh), heardFrom(s.all, since)
		s.placed, s.moved = s.all, s.fresh
	}
	if skewed && hot && edge == t.edge {
		edge = t.base.at
	} else if skewed {
		t.edge = edge
		if edge = edgeSkewed(edge, s.all); t.known {
			edge = max(edge, t.base.at)
		}
	}
	if len(s.fresh) == 0 && !t.told && !t.home.told {
		f.attend(t, x)
		return false
	}
	s.was.runs, s.hoursWas, s.hours, s.gapsWas = s.was.runs[:0], s.hoursWas[:0], s.hours[:0], s.gapsWas[:0]
	if t.known {
		s.was.run(rulesWas, &from, s.placedWas, t.seen)
		if was != nil {
			s.was.withdraw(was.Lives, from.at, t.seen)
		}
		s.wasRules = rulesWas
		if !t.awaited() { // else it has no hours yet
			s.hoursWas = appendHours(s.hoursWas, &s.was, nil, from.at, t.seen)
			service := f.serviceOf(t.store, t.home.was, t.id, interval.Span{From: s.was.begins(from.at), To: t.seen})
			service.serve(s.hoursWas, &s.was, from.at, t.seen)
			s.gapsWas = appendGaps(s.gapsWas, &from, s.placedWas, rulesWas.hold)
		}
	}
	seen := newest
	if n := len(s.placed); skewed && n > 0 {
		seen = s.placed[n-1].Time
	}
	s.now.run(rules, &from, s.placed, seen)
	if now != nil {
		s.now.withdraw(now.Lives, from.at, seen)
	}
	s.nowRules = rules
	s.hours = appendHours(s.hours, &s.now, s.placed, from.at, seen)
	service := f.serviceOf(t.store, t.home.text, t.id, interval.Span{From: s.now.begins(from.at), To: seen})
	service.serve(s.hours, &s.now, from.at, seen)
	s.gaps = appendGaps(s.gaps[:0], &from, s.placed, rules.hold)

	if awaited {
		s.hours = s.hours[:0] // the views know them: unknown, and others if it was heard before
	}
	f.hourRows(t)
	f.intervalRows(t)
	f.outageRows(t)

	// The state after the batch.
	switch {
	case skewed && from.status == None && !from.sale: // all there ever was is kept, and may have moved
		t.firstSeen = firstOf(s.placed)
	case skewed:
		t.firstSeen = min(t.firstSeen, firstOf(s.placed))
	case t.known:
		t.firstSeen = min(t.firstSeen, earliest)
	default:
		t.firstSeen = earliest
	}
	t.newest, t.seen = newest, seen
	var by *lean
	if skewed {
		by = s.leanOf(t)
	}
	base := t.base
	if !t.known {
		base = from
	}
	switch {
	case awaited:
		t.base, t.hot = from, from
	case !t.known || edge > t.base.at:
		f.advance(t, edge, &from, hot)
	}
	if at := max(floorHour(seen-hotSlack), t.base.at); !awaited && (!hot || at > t.hot.at) {
		t.hot = snapshotAt(at, &from, s.placed, &s.now, s.hours)
	}
	if skewed {
		t.hot.from = min(t.hot.from, rawFrom(s.placed, t.hot.at))
		if !hot {
			t.base.from = min(t.base.at, rawFrom(s.placed, t.base.at))
			t.lateSent = 0
		}
		t.lateSent = max(t.lateSent, lateSent(s.all))
	}
	switch {
	case !archives:
		t.kept = t.base.at
	case t.known:
		t.kept = max(t.kept, f.rules.edge(newest))
	default:
		t.kept = f.rules.edge(newest)
	}
	t.known = true
	f.thaw(t, skewed)
	f.store(t, skewed, archives, &base, &from)
	if skewed && !hot {
		t.skewed = slices.ContainsFunc(s.all[before(s.all, t.base.first(true)):], isSkewed)
	}
	if !archives {
		f.freeze(t, false)
	}
	f.statusRow(t, count(&from, &s.now, s.hours, Open))
	t.point(s, !awaited && (!skewed || t.skewed && by != nil), by)
	if seen > x.To { // it is awaited later than the store was heard
		f.attend(t, x)
		return true
	}
	s.shop.goOn(&s.now, rules, seen, x.To)
	if now != nil {
		s.shop.withdraw(now.Lives, seen, x.To)
	}
	f.sweep.add(&s.shop, rules, x)
	return true
}

// begins is the first instant of a walk of which anything is known, not before the given one.
func (w *walk) begins(from int64) int64 {
	if len(w.runs) > 1 && w.runs[0].status == None && w.runs[0].start == beginningOfTime {
		return max(from, w.runs[1].start)
	}
	return from
}

// gather takes the open batch's evidence of a terminal.
func (f *Fold) gather(t *terminal) {
	s := &f.scratch
	s.added = distinct(f.inbox.pieces(s.added, t.number))
}

// place unites what is kept, from a snapshot on, with what was gathered, and puts both where they belong.
func (f *Fold) place(t *terminal, from *snapshot, skewed bool) {
	s := &f.scratch
	s.held = f.decode(s.held[:0], t, from.first(skewed), Open)
	s.merge()
	s.moved = s.fresh
	if s.placed, s.placedWas = s.all, s.held; skewed {
		c := &s.clocks
		c.placed[1] = c.place(c.placed[1][:0], s.held, from.from, from.at)
		c.placed[0] = c.place(c.placed[0][:0], s.all, from.from, from.at) // last: its verdicts are looked at later
		s.placed, s.placedWas = firstWords(c.placed[0], from), firstWords(c.placed[1], from)
		s.moved = hoursOfChange(s.placedWas, s.placed)
	}
}

// placeHot does so from the hot snapshot on, of a terminal whose clock is wrong, if nothing moves that belongs before it.
func (f *Fold) placeHot(t *terminal) bool {
	s := &f.scratch
	if !t.skewed || len(s.added) == 0 || t.hot.at == t.base.at {
		return false
	}
	if first := s.added[0].Time - 2*near; first < t.hot.from || first <= t.lateSent {
		return false
	}
	from := t.hot
	from.at = beginningOfTime // what falls before the snapshot must be seen
	f.place(t, &from, true)
	still := true
	changes(s.placedWas, s.placed, func(e *Evidence) { still = still && e.Start >= t.hot.at })
	s.placed, s.placedWas = s.placed[before(s.placed, t.hot.at):], s.placedWas[before(s.placedWas, t.hot.at):]
	return still && len(s.placed) > 0
}

// first is the hour from which evidence must be read: what is before from tells what the clock was.
func (s *snapshot) first(skewed bool) int64 {
	if !skewed || s.from == beginningOfTime {
		return s.from
	}
	return s.from - hourMilli
}

// placed is the kept evidence of a terminal, from a snapshot on, where it belongs.
func (f *Fold) placed(t *terminal, from *snapshot) []Evidence {
	s := &f.scratch
	s.held = f.decode(s.held[:0], t, from.first(t.skewed), Open)
	if !t.skewed {
		return s.held
	}
	c := &s.clocks
	c.placed[1] = c.place(c.placed[1][:0], s.held, from.from, from.at)
	return firstWords(c.placed[1], from)
}

// edgeSkewed is where the kept evidence of a till whose clock is wrong begins, where it would begin at edge if the clock were right: so early that nothing
// before it, or within the hour that sales reach back, can move any more. What was sent at once is moved by evidence 40 minutes around it, what was
// sent later by evidence 40 minutes around its sending.
func edgeSkewed(edge int64, ev []Evidence) int64 {
	open := edge + proofLimit - 2*near
	edge -= hourMilli
	for i := range ev {
		if e := &ev[i]; e.Skew != 0 && e.Sent > 0 && e.sentAt() >= open {
			edge = min(edge, floorHour(e.Time-proofLimit-maxAhead*1000))
		}
	}
	return edge
}

// lateSent is when evidence with a Skew was sent last that was not sent at once, by the till's own clock.
func lateSent(ev []Evidence) (last int64) {
	for i := range ev {
		if e := &ev[i]; e.Skew != 0 && e.Sent > 0 {
			last = max(last, e.sentAt())
		}
	}
	return last
}

// firstOf is the earliest beginning of evidence.
func firstOf(ev []Evidence) int64 {
	first := Open
	for i := range ev {
		first = min(first, ev[i].Start)
	}
	return first
}

// rawFrom is the first hour, by the till's own clock, of evidence that belongs to an instant or later.
func rawFrom(placed []Evidence, at int64) int64 {
	first := Open
	for i := range placed {
		if e := &placed[i]; e.Time >= at {
			first = min(first, floorHour(e.raw()))
		}
	}
	return first
}

// advance moves the base to a later edge.
func (f *Fold) advance(t *terminal, edge int64, from *snapshot, hot bool) {
	s := &f.scratch
	switch {
	case hot && edge < from.at: // what is kept before the hot snapshot was not touched
		f.step(t, edge, t.home.text.Terminal(t.id))
		return
	case hot && t.base.at+hourMilli < from.at: // those between go into the past
		f.step(t, from.at, t.home.text.Terminal(t.id))
	}
	if t.base = *from; edge > from.at {
		t.base = snapshotAt(edge, from, s.placed, &s.now, s.hours)
	}
}

// steps says whether the base of a terminal whose clock is wrong can move on without all of its evidence being read, which tells whether it still is one, and what was sent
// later: none was, and it is wrong now.
func (f *Fold) steps(t *terminal, edge int64) bool {
	added := f.scratch.added
	return t.edge != 0 && t.lateSent == 0 && lateSent(added) == 0 && slices.ContainsFunc(added, isSkewed) && edge-hourMilli < t.hot.at
}

// step moves the base on by what is in memory. A sale up to an hour behind the edge may reach before it.
func (f *Fold) step(t *terminal, edge int64, text *registry.Terminal) {
	s, base := &f.scratch, t.base
	if t.skewed { // what is an hour later, less what a clock may be ahead, says where that belongs
		c := &s.clocks
		s.early = f.decode(s.early[:0], t, base.first(true), edge+proofLimit+hourMilli)
		c.placed[1] = c.place(c.placed[1][:0], s.early, base.from, base.at)
		s.early = append(s.early[:0], firstWords(c.placed[1], &base)...)
	} else {
		s.early = f.decode(s.early[:0], t, base.at, edge+proofLimit)
	}
	rules := f.rules.of(text)
	s.edge.run(rules, &t.base, s.early, edge)
	if text != nil {
		s.edge.withdraw(text.Lives, t.base.at, edge)
	}
	s.hoursEdge = appendHours(s.hoursEdge[:0], &s.edge, s.early, t.base.at, edge)
	t.base = snapshotAt(edge, &base, s.early, &s.edge, s.hoursEdge)
	if t.skewed {
		t.base.from = min(edge, rawFrom(s.early, edge))
	}
}

// firstWord is when the registry first said that it knows a terminal that nobody has heard before the open batch.
func (f *Fold) firstWord(t *terminal) int64 {
	at := Open - 1
	if t.known {
		at = t.firstSeen
	}
	if !f.inbox.words(t.number) {
		return at
	}
	s := &f.scratch
	s.early = f.inbox.pieces(s.early, t.number)
	for i := range s.early {
		if e := &s.early[i]; e.registers() {
			at = min(at, e.Time)
		}
	}
	return at
}

// heardFrom leaves out what the registry says of a terminal that was heard by then. The evidence is in order.
func heardFrom(ev []Evidence, since int64) []Evidence {
	return slices.DeleteFunc(ev, func(e Evidence) bool { return e.registers() && e.Time >= since })
}

// firstWords leaves out what the registry says of a terminal that was heard by then, or of which it said so before: of evidence where it belongs, from a
// snapshot on.
func firstWords(placed []Evidence, from *snapshot) []Evidence {
	known := from.status != None || from.sale
	return slices.DeleteFunc(placed, func(e Evidence) bool {
		was := known
		known = true
		return was && e.registers()
	})
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
	if from < t.cold.until {
		for c := range t.cold.all {
			if from <= c.start && c.start < to {
				dst, _ = readChunk(dst, c.start, c.data, f.texts)
			}
		}
	}
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

// archives says whether a terminal has a past, or may have one.
func (f *Fold) archives(awaited, skewed bool) bool {
	return f.rules.recall && !awaited && !skewed
}

// store gives out the state: the header, the chunks that changed, and the end of those that nobody needs any more, or that go into the past.
func (f *Fold) store(t *terminal, skewed, archives bool, base, from *snapshot) {
	s := &f.scratch
	edge := t.base.first(skewed)
	header := len(f.state)
	f.state = append(f.state, rollup.StateRow{Partition: t.partition, Kind: KindTerminal, Key: t.key})
	defer func() { f.state[header].Value = f.header(t) }()
	open := int64(0) // an hour that goes on is written with every batch: one row of state is cheaper than two
	if archives {
		open = floorHour(t.newest)
	}
	if i := t.chunkAt(t.open); t.open != open && t.open >= edge && !slices.Contains(s.fresh, t.open) && i < len(t.chunks) && t.chunks[i].start == t.open {
		f.state = append(f.state, rollup.StateRow{Partition: t.partition, Kind: KindEvidence, Key: chunkKey(t.key, t.open), Value: t.chunks[i].data})
	}
	if i := t.chunkAt(open); t.open == 0 && open != 0 && i < len(t.chunks) && t.chunks[i].start == open {
		f.state = append(f.state, rollup.StateRow{Partition: t.partition, Kind: KindEvidence, Key: chunkKey(t.key, open), Deleted: true}) // the header has it now
	}
	t.open = open
	for _, h := range s.fresh {
		if h < edge && !archives {
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
		if h >= edge && h != open {
			f.state = append(f.state, rollup.StateRow{Partition: t.partition, Kind: KindEvidence, Key: chunkKey(t.key, h), Value: c.data})
		}
	}
	if archives {
		f.archive(t, base, from)
		return
	}
	if t.back != nil {
		f.keepWhole(t)
	}
	n := 0
	for ; n < len(t.chunks) && t.chunks[n].start < edge; n++ {
		f.state = append(f.state, rollup.StateRow{Partition: t.partition, Kind: KindEvidence, Key: chunkKey(t.key, t.chunks[n].start), Deleted: true})
	}
	t.chunks = slices.Delete(t.chunks, 0, n)
}
