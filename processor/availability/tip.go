package availability

import (
	"encoding/binary"
	"slices"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/rollup"
)

// tip is how the timeline of a terminal goes from its hot snapshot on, as the batch that was sealed last left it. Nearly all that is heard is later than all that was heard before:
// then the timeline goes on from here, and the evidence since the snapshot need not be evaluated again; nor that of a till of which nothing came, where another of its store was heard.
// It is told by the state, and no part of it.
type tip struct {
	runs []run // the first is that of the snapshot
	last heard
	gaps []gap // that end in the hour of the newest evidence
	lean *lean // of a till that is skewed
}

// tipRuns is how many runs a tip has at most: what a till that flaps takes more is not worth its memory.
const tipRuns = 8

// point remembers how the timeline ends that was just evaluated, if it is plain where evidence belongs, and all of the time since the hot snapshot is in a registered life.
func (t *terminal) point(s *scratch, plain bool, by *lean) {
	since := s.now.runs[runsBefore(s.now.runs, t.hot.at):]
	if !plain || len(s.now.under) > 0 || t.hot.hidden != None || len(since) >= tipRuns {
		t.tip = nil
		return
	}
	if t.tip == nil {
		t.tip = &tip{}
	}
	t.tip.runs = append(append(t.tip.runs[:0], t.hot.run), since...)
	t.tip.last = s.now.last
	t.tip.gaps = append(t.tip.gaps[:0], gapsIn(s.gaps, floorHour(t.seen))...)
	t.tip.lean = by
}

// steady is since when, not before a given instant, a sale that reaches back proves nothing new: the till was heard by then without a gap, and what it was is not what sales prove better.
func (p *tip) steady(from, seen int64) int64 {
	switch last := &p.runs[len(p.runs)-1]; last.status {
	case None, Silent, Unknown:
		return seen + 1
	default:
		from = max(from, last.start)
	}
	if n := len(p.gaps); n > 0 {
		from = max(from, p.gaps[n-1].to)
	}
	return from
}

// sealOn does what seal does if all that was gathered is later than what was heard before, and of the same hour, so that the timeline goes on; snapshots may move on by an hour. Else it does nothing and
// says so.
func (f *Fold) sealOn(t *terminal, x interval.Span) bool {
	s := &f.scratch
	n, hour := len(s.added), floorHour(t.seen)
	if t.tip == nil || n == 0 || t.home.told || t.back != nil || t.hot.at > x.From {
		return false
	}
	came, ok := f.upright(t)
	if !ok || floorHour(came[n-1].Time) != hour {
		return false
	}
	since := t.tip.steady(max(hour, t.firstSeen), t.seen)
	for i := range came {
		if e := &came[i]; e.Time <= t.seen || e.Start < since || e.registers() {
			return false
		}
	}
	seen, newest, open := came[n-1].Time, s.added[n-1].Time, int64(0)
	edge, past, archives := f.rules.edge(seen), t.kept, f.archives(false, t.skewed)
	if t.skewed { // it keeps more than that
		edge, past = t.base.at, t.edge
	}
	if archives {
		edge, open = max(edge, f.recent(t, seen)), hour
	}
	text := t.home.text.Terminal(t.id)
	last := len(t.chunks) - 1
	at := floorHour(seen - hotSlack)
	moves := at > t.hot.at
	switch {
	case seen > x.To, f.rules.edge(newest) > past, t.open != open, last < 0, t.chunks[last].start != floorHour(newest):
		return false
	case !moves && edge > t.base.at:
		return false
	case moves && (!archives || edge != t.hot.at || t.base.at+hourMilli < edge || len(t.cold.chunks) > 0): // the base moves by more than to the hot snapshot
		return false
	case text != nil && !whole(text.Lives, t.hot.at, seen):
		return false
	}
	row := hourRow{terminal: t}
	row.responses.from, row.unheard.from = int32(len(f.responses)), int32(len(f.unheard))
	var end ending
	if t.skewed {
		end.pieces = f.openHour(t, hour)
	} else if f.responses, ok = end.read(f.responses, &t.chunks[last], f.texts); !ok {
		f.responses = f.responses[:row.responses.from]
		return false
	}

	rules := f.rules.of(text)
	s.was.runs, s.was.last = append(s.was.runs[:0], t.tip.runs...), t.tip.last
	s.now.extend(t.tip, rules, &t.hot, came, t.seen, seen)
	s.wasRules, s.nowRules, s.placed = rules, rules, came
	s.hours = appendHours(s.hours[:0], &s.now, nil, t.hot.at, seen)
	service := f.serviceOf(t.store, t.home.text, t.id, interval.Span{From: s.now.begins(t.hot.at), To: seen})
	service.serve(s.hours, &s.now, t.hot.at, seen)
	s.gaps = appendGaps(append(s.gaps[:0], t.tip.gaps...), &snapshot{at: t.seen, heard: t.tip.last}, came, rules.hold)

	row.hour = s.hours[len(s.hours)-1]
	row.evidence = uint32(end.pieces) + uint32(n)
	for i := range came {
		if r := came[i].Response; r.OK {
			f.responses = append(f.responses, r.Value)
		}
	}
	row.mean, row.p95 = meanAndP95(f.responses[row.responses.from:])
	f.unheard = append(f.unheard, s.gaps...)
	row.responses.to, row.unheard.to = int32(len(f.responses)), int32(len(f.unheard))
	f.hours = append(f.hours, row)
	f.intervalRows(t)
	f.outageRows(t)

	rows := count(&t.hot, &s.now, s.hours, Open)
	t.newest, t.seen = newest, seen
	if c := &t.chunks[last]; t.skewed {
		s.encoded = appendChunk(s.encoded[:0], c.start, append(s.held[before(s.held, c.start):], s.added...))
		t.tip.lean.hear(s.added)
	} else {
		s.encoded = end.append(s.encoded[:0], s.added)
	}
	t.chunks[last].data = slices.Clone(s.encoded)
	if open == 0 {
		f.state = append(f.state, rollup.StateRow{Partition: t.partition, Kind: KindEvidence, Key: chunkKey(t.key, t.chunks[last].start), Value: t.chunks[last].data})
	}
	if moves { // and the base to where the hot snapshot was; what is before that goes into the past
		base, from := t.base, t.hot
		if edge > base.at {
			t.base = from
		}
		s.early = f.decode(s.early[:0], t, from.at, at)
		t.hot = snapshotAt(at, &from, s.early, &s.now, s.hours)
		f.archive(t, &base, &from)
	}
	f.state = append(f.state, rollup.StateRow{Partition: t.partition, Kind: KindTerminal, Key: t.key, Value: f.header(t)})
	f.statusRow(t, rows)
	t.point(s, true, t.tip.lean)
	s.shop.goOn(&s.now, rules, seen, x.To)
	if text != nil {
		s.shop.withdraw(text.Lives, seen, x.To)
	}
	f.sweep.add(&s.shop, rules, x)
	return true
}

// ending is how a chunk ends, so that it can be taken on.
type ending struct {
	previous
	pieces  uint64
	body    []byte // the encoded pieces
	turns   uint64 // how often a report had another boot than that before it
	boots   []byte // encoded
	boot    uint32 // of the last report
	reports uint64 // since it was another
}

// read takes a chunk that is not packed, of which no clock is wrong and that has no word of the registry, and appends its response times to dst.
func (e *ending) read(dst []uint32, c *chunk, keep texts) (_ []uint32, ok bool) {
	r := reader{b: c.data}
	if e.pieces = r.uvarint(); e.pieces == 0 {
		return dst, false // packed
	}
	e.previous = previous{time: c.start, flags: noFlags}
	e.body = r.b
	for range e.pieces {
		p, ok := e.previous.read(&r, keep)
		if !ok || p.registers() {
			return dst, false
		}
		if p.Response.OK {
			dst = append(dst, p.Response.Value)
		}
		if !p.Sale {
			e.reports++
		}
	}
	e.body = e.body[:len(e.body)-len(r.b)]
	if len(r.b) == 0 {
		return dst, true
	}
	e.turns = r.uvarint()
	e.boots = r.b
	for range e.turns {
		e.reports -= r.uvarint()
		e.boot = uint32(r.uvarint())
	}
	return dst, e.turns > 0 && !r.bad && len(r.b) == 0
}

// append encodes the chunk with what came after it.
func (e *ending) append(dst []byte, ev []Evidence) []byte {
	dst = append(binary.AppendUvarint(dst, e.pieces+uint64(len(ev))), e.body...)
	turns, boot := e.turns, e.boot
	for i := range ev {
		dst = e.previous.append(dst, &ev[i])
		if p := &ev[i]; !p.Sale && p.Boot != boot {
			boot = p.Boot
			turns++
		}
	}
	if turns == 0 {
		return dst
	}
	dst = append(binary.AppendUvarint(dst, turns), e.boots...)
	for i := range ev {
		p := &ev[i]
		if p.Sale {
			continue
		}
		if p.Boot != e.boot {
			dst = binary.AppendUvarint(binary.AppendUvarint(dst, e.reports), uint64(p.Boot))
			e.boot, e.reports = p.Boot, 0
		}
		e.reports++
	}
	return dst
}
