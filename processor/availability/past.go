package availability

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tillstream/tillstream/processor/rollup"
)

// Evidence of hours that are long over is seldom looked at again: when a line that was cut brings what is late, or the registry says something new. With
// Config.Recall a terminal has in memory the evidence of an hour before the hot snapshot and what is later. An earlier hour is a row of state of its own, of
// kind rollup.KindPast, which begins with the snapshot of what was known before it, so that a timeline can be evaluated from any of them on. Of such hours
// only their numbers are in memory. [Fold.Wants] says which rows a batch needs, [Fold.Recall] takes them; sealed, they are written where they changed,
// and forgotten.
//
// The newest of them that is not later than where the kept evidence begins stays, however old: what was known then is known from it. A terminal whose clock is
// wrong is in memory as a whole.

// past is which hours there are rows of: runs of full hours [from, to), since 1970, in order, with gaps between them.
type past []pastRun

type pastRun struct{ from, to int32 }

// last is the start of the newest hour.
func (p past) last() int64 { return int64(p[len(p)-1].to-1) * hourMilli }

// hours are the starts of those from an instant on.
func (p past) hours(from int64) func(yield func(int64) bool) {
	return func(yield func(int64) bool) {
		for _, r := range p {
			for h := max(int64(r.from), (from+hourMilli-1)/hourMilli); h < int64(r.to); h++ {
				if !yield(h * hourMilli) {
					return
				}
			}
		}
	}
}

// until is the newest hour not after an instant, or the oldest of all.
func (p past) until(at int64) int64 {
	h := int64(p[0].from)
	for _, r := range p {
		if last := min(int64(r.to)-1, at/hourMilli); last >= int64(r.from) {
			h = last
		}
	}
	return h * hourMilli
}

// cut leaves the hours of [from, to).
func (p past) cut(from, to int64) past {
	out := p[:0:0]
	for _, r := range p {
		r.from, r.to = max(r.from, int32(min(max(from, 0), maxInstant)/hourMilli)), min(r.to, int32(min(to, maxInstant)/hourMilli))
		if r.from < r.to {
			out = append(out, r)
		}
	}
	return out
}

// with adds an hour that is later than all of them.
func (p past) with(start int64) past {
	h := int32(start / hourMilli)
	if n := len(p); n > 0 && p[n-1].to == h {
		p[n-1].to++
		return p
	}
	return append(p, pastRun{h, h + 1})
}

// append encodes the hours, told against an instant.
func (p past) append(dst []byte, against int64) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(p)))
	at := against / hourMilli
	for _, r := range p {
		dst = binary.AppendUvarint(binary.AppendVarint(dst, int64(r.from)-at), uint64(r.to-r.from))
		at = int64(r.to)
	}
	return dst
}

func readPast(r *reader, against int64) past {
	n := r.uvarint()
	if n == 0 || r.bad || n > uint64(len(r.b)) {
		r.bad = r.bad || n > 0
		return nil
	}
	p := make(past, n)
	at := against / hourMilli
	for i := range p {
		from, hours := at+r.varint(), r.uvarint()
		if r.bad || from < 0 || from > maxInstant/hourMilli || hours == 0 || hours > maxHold/uint64(hourMilli) || i > 0 && from <= at {
			r.bad = true
			return nil
		}
		at = from + int64(hours)
		p[i] = pastRun{int32(from), int32(at)}
	}
	return p
}

// pastHour is a row of past state.
type pastHour struct {
	snapshot
	chunk // without data if nothing was heard in this hour
	value []byte
}

// pastRow is the format of a row of past state: the snapshot, and the chunk.
const pastRow = 1

func appendPast(dst []byte, s *snapshot, chunk []byte) []byte {
	return append(s.append(append(dst, pastRow), s.at, false), chunk...)
}

// readPastRow is the inverse. The evidence is read, too, so that what cannot be read is found here.
func (f *Fold) readPastRow(start int64, value []byte) (pastHour, error) {
	h := pastHour{chunk: chunk{start: start}, value: value}
	r := reader{b: value}
	if r.byte() != pastRow {
		return h, errState
	}
	h.snapshot.read(&r, start, start, headerFormat, f.texts)
	if r.bad || !h.sound(start+hourMilli) {
		return h, errState
	}
	if h.data = r.b; len(h.data) == 0 {
		return h, nil
	}
	var err error
	f.scratch.early, err = readChunk(f.scratch.early[:0], start, h.data, f.texts)
	return h, err
}

// recalled is what was read again of a terminal, and how it was without.
type recalled struct {
	hours  []pastHour // in order, once they are used
	from   int64      // the first that was wanted
	whole  bool       // all that is kept was wanted
	used   bool
	base   snapshot
	past   past
	chunks int // before those that were in memory
}

// Wants seals the stores of the open batch as far as their evidence is in memory, and says which rows of past state the others need, about as many as are asked
// for; none are left when it says none. Have them given to Recall before it is called again, or Seal; nothing may be folded until Seal.
func (f *Fold) Wants(limit int) []rollup.PastKey {
	f.adopt()
	f.begin()
	var want []rollup.PastKey
	for end := f.done; end < len(f.touched) && len(want) < limit; {
		first := end
		home := f.touched[first].home
		for end++; end < len(f.touched) && f.touched[end].home == home; end++ {
		}
		x, ready := f.prepare(home, f.touched[first:end], &want)
		if ready && len(want) == 0 {
			f.sealStore(home, f.touched[first:end], x)
			f.done = end
		}
	}
	return want
}

// prepare finds what the open batch changes in a store. Without the evidence for it the rows that are needed are added to want.
func (f *Fold) prepare(st *store, touched []*terminal, want *[]rollup.PastKey) (x stretch, ready bool) {
	if !f.rules.recall {
		return f.stretch(st, touched), true
	}
	whole := st.told
	for _, t := range st.terminals {
		f.use(t)
	}
	for _, t := range touched {
		whole = whole || t.turned && t.kept < t.base.at
	}
	had := len(*want)
	if whole { // where a clock is wrong nobody knows yet how far that reaches
		for _, t := range st.terminals {
			f.want(t, beginningOfTime, true, want)
		}
		if len(*want) > had {
			return x, false
		}
	}
	x = f.stretch(st, touched)
	for _, t := range st.terminals {
		at := x.From
		if len(touched) > 0 && touched[0] == t {
			at, touched = min(at, floorHour(x.since)), touched[1:]
		}
		if at < t.base.at {
			f.want(t, at, false, want)
		}
	}
	return x, len(*want) == had
}

// want adds what a terminal's timeline needs from an instant on, or as a whole.
func (f *Fold) want(t *terminal, at int64, whole bool, want *[]rollup.PastKey) {
	if t.back != nil || t.kept >= t.base.at {
		return
	}
	if t.back = (&recalled{from: t.base.at, whole: whole}); len(t.past) == 0 { // nothing was heard in all that time
		f.use(t)
		return
	}
	t.back.from = t.past.until(at)
	for h := range t.past.hours(t.back.from) {
		*want = append(*want, rollup.PastKey{Partition: t.partition, Key: chunkKey(t.key, h)})
	}
}

// Recall takes a row that was wanted.
func (f *Fold) Recall(row rollup.StateRow) error {
	store, rest, _ := strings.Cut(row.Key, "\x00")
	id, hour, _ := strings.Cut(rest, "\x00")
	h, err := strconv.ParseInt(hour, 10, 32)
	t := f.find(store, id)
	if err != nil || t == nil || t.back == nil {
		return fmt.Errorf("recalling %q of partition %d: %w", row.Key, row.Partition, errKey)
	}
	past, err := f.readPastRow(h*hourMilli, slices.Clone(row.Value))
	if err != nil {
		return fmt.Errorf("recalling %q of partition %d: %w", row.Key, row.Partition, err)
	}
	t.back.hours = append(t.back.hours, past)
	return nil
}

// use brings what was recalled of a terminal before what is in memory.
func (f *Fold) use(t *terminal) {
	b := t.back
	if b == nil || b.used {
		return
	}
	f.thawAll(t)
	slices.SortFunc(b.hours, func(x, y pastHour) int { return cmp.Compare(x.start, y.start) })
	b.used, b.base, b.past = true, t.base, t.past
	var chunks []chunk
	for i := range b.hours {
		if len(b.hours[i].data) > 0 {
			chunks = append(chunks, b.hours[i].chunk)
		}
	}
	b.chunks = len(chunks)
	t.chunks = append(chunks, t.chunks...)
	t.past = t.past.cut(0, b.from)
	if len(b.hours) > 0 {
		t.base = b.hours[0].snapshot
	}
	switch {
	case b.whole && t.base.at < t.kept:
		f.step(t, t.kept, t.home.was.Terminal(t.id))
	case len(t.past) == 0 && t.base.at > t.kept: // nothing was heard before
		t.base = snapshot{at: t.kept, from: t.kept, run: run{start: beginningOfTime}}
	}
}

// putBack forgets what was recalled of a store's terminals and not sealed.
func (f *Fold) putBack(st *store) {
	for _, t := range st.terminals {
		if b := t.back; b != nil && b.used {
			t.base, t.past, t.chunks, t.back = b.base, b.past, slices.Clone(t.chunks[b.chunks:]), nil
		}
	}
}

// recentHours is of how many hours evidence is in memory at most, once it is where recent has it begin.
const recentHours = 3

// recent is where the evidence in memory begins once all up to newest was heard: a function of the evidence, as all of the state is, and not of the batches. Only a
// state that was written before there was a past becomes one over some batches, an hour at a time: it would be too much for one.
func (f *Fold) recent(t *terminal, newest int64) int64 {
	at := floorHour(newest-hotSlack) - proofLimit
	if !t.whole || t.back != nil {
		return at
	}
	second := func(start int64) bool { return start > t.base.at }
	for c := range t.cold.all {
		if second(c.start) {
			return min(at, c.start)
		}
	}
	for i := range t.chunks {
		if second(t.chunks[i].start) {
			return min(at, t.chunks[i].start)
		}
	}
	t.whole = false
	return at
}

// archive gives out the hours before those that stay in memory, where they are not what they were, and forgets them. base is what the terminal's was before; from:
// where it was evaluated from, up to which the step from base went.
func (f *Fold) archive(t *terminal, base, from *snapshot) {
	s, b := &f.scratch, t.back
	give := func(kind string, start int64, value []byte) {
		f.state = append(f.state, rollup.StateRow{Partition: t.partition, Kind: kind, Key: chunkKey(t.key, start), Value: value, Deleted: value == nil})
	}
	n := t.chunkAt(t.base.at)
	gone := t.chunks[:n]
	for ; len(gone) > 0 && gone[0].start < base.at; gone = gone[1:] { // it said what the clock was
		give(KindEvidence, gone[0].start, nil)
	}
	if len(t.past) == 0 && t.kept < t.base.at && base.at < t.base.at && !base.nothing() && (len(gone) == 0 || gone[0].start > base.at) {
		gone = append([]chunk{{start: base.at}}, gone...) // what was before is known from nowhere else
	}
	hours := slices.Clone(t.past)
	for _, c := range gone {
		hours = hours.with(c.start)
	}
	kept := Open // with all in memory there is no past
	if t.kept < t.base.at && len(hours) > 0 {
		kept = hours.until(t.kept)
	}
	if n == 0 && len(gone) == 0 && b == nil && (len(hours) == 0 || int64(hours[0].from)*hourMilli >= kept) {
		return
	}
	for h := range t.past.hours(beginningOfTime) {
		if h < kept {
			give(rollup.KindPast, h, nil)
		}
	}
	var were []pastHour
	if b != nil {
		were = b.hours
	}
	for _, c := range gone {
		for ; len(were) > 0 && were[0].start < c.start; were = were[1:] {
			give(rollup.KindPast, were[0].start, nil)
		}
		was := len(were) > 0 && were[0].start == c.start
		if !was && len(c.data) > 0 {
			give(KindEvidence, c.start, nil)
		}
		if c.start < kept {
			continue // a row that was there goes with the next
		}
		data := c.data
		if len(data) >= worthPacking && data[0] != 0 {
			s.held, _ = readChunk(s.held[:0], c.start, data, f.texts)
			if packed := s.pack(c.start, s.held, len(data)); packed != nil {
				data = packed
			}
		}
		mark := *base
		switch {
		case c.start == base.at:
		case c.start < from.at:
			mark = snapshotAt(c.start, base, s.early, &s.edge, s.hoursEdge)
		case c.start == from.at:
			mark = *from
		default:
			mark = snapshotAt(c.start, from, s.placed, &s.now, s.hours)
		}
		s.encoded = appendPast(s.encoded[:0], &mark, data)
		if !was || !bytes.Equal(were[0].value, s.encoded) {
			give(rollup.KindPast, c.start, slices.Clone(s.encoded))
		}
		if was {
			were = were[1:]
		}
	}
	for _, h := range were {
		give(rollup.KindPast, h.start, nil)
	}
	t.past, t.chunks, t.back = hours.cut(kept, Open), slices.Clone(t.chunks[n:]), nil
}

// keepWhole has what was recalled of a terminal whose clock has turned out to be wrong kept in memory, and loaded when a lane starts.
func (f *Fold) keepWhole(t *terminal) {
	for _, h := range t.back.hours {
		f.state = append(f.state, rollup.StateRow{Partition: t.partition, Kind: rollup.KindPast, Key: chunkKey(t.key, h.start), Deleted: true})
		if i := t.chunkAt(h.start); len(h.data) > 0 && h.start >= t.base.first(true) && i < len(t.chunks) && t.chunks[i].start == h.start {
			f.giveOut(rollup.StateRow{Partition: t.partition, Kind: KindEvidence, Key: chunkKey(t.key, h.start), Value: t.chunks[i].data})
		}
	}
	t.back = nil
}
