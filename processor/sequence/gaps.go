package sequence

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// hole is a run of numbers that never came, both ends in it.
type hole struct {
	from, to uint64
	day      int32 // business date of the event that revealed it; the numbers are missing there
}

// gaps are a tracker's holes. Most tills have none. Between two of them lies a number that came.
type gaps struct {
	pages   []page     // the lower ones, in order
	holes   []hole     // the higher ones, in order: hardly ever does anything come that is looked for below
	floor   uint64     // holes below were forgotten; 0: none was
	lowest  *unpacking // stands before the lowest hole of the first page that is not forgotten, once one was
	changed bool       // a page was, since the last tidy
}

// page is a run of holes, packed. It has a row of state of its own, so that a till with thousands of holes, as one of several that share a counter, writes again what
// changed, not all.
type page struct {
	last    uint64 // end of the highest
	code    []byte // of appendHoles
	slot    int32  // names the row among the terminal's
	n       int32  // holes in code
	gone    int32  // the lowest of them, forgotten since: that is no reason to write the row again
	changed bool
}

// newPage packs at least one hole.
func newPage(slot int32, holes []hole) page {
	return page{last: holes[len(holes)-1].to, code: bytes.Clone(appendHoles(nil, holes)), slot: slot, n: int32(len(holes)), changed: true}
}

func (p *page) left() int { return int(p.n - p.gone) }

// holes are those of a page that are not forgotten, with room for one more.
func (p *page) holes() []hole {
	r := reader{b: p.code}
	return r.holes(make([]hole, 0, p.n+1))[p.gone:]
}

// misses says whether number n, not above all of a page, is in none of its holes.
func (p *page) misses(n uint64) bool {
	u := unpacking{reader: reader{b: p.code}}
	for i := int32(0); u.next(); i++ {
		if u.to >= n {
			return n < u.from || i < p.gone
		}
	}
	return true
}

// put gives page i other holes; none if it is to go.
func (g *gaps) put(i int, holes []hole) {
	p := &g.pages[i]
	if len(holes) == 0 {
		p.gone, p.changed = p.n, true
	} else {
		*p = newPage(p.slot, holes)
	}
	g.changed, g.lowest = true, nil
}

// count is the number of holes.
func (g *gaps) count() int {
	if g == nil {
		return 0
	}
	n := len(g.holes)
	for i := range g.pages {
		n += g.pages[i].left()
	}
	return n
}

// take fills in number n, and says where it was missing; false if it was not.
func (g *gaps) take(n uint64) (day int32, ok bool) {
	if len(g.pages) == 0 || len(g.holes) > 0 && n >= g.holes[0].from {
		g.holes, day, ok = fill(g.holes, n)
		return day, ok
	}
	i, _ := slices.BinarySearchFunc(g.pages, n, func(p page, n uint64) int { return cmp.Compare(p.last, n) })
	if i == len(g.pages) || g.pages[i].misses(n) {
		return 0, false
	}
	holes, day, ok := fill(g.pages[i].holes(), n)
	g.put(i, holes)
	return day, ok
}

// fill takes number n out of holes.
func fill(holes []hole, n uint64) (left []hole, day int32, ok bool) {
	i, _ := slices.BinarySearchFunc(holes, n, func(h hole, n uint64) int { return cmp.Compare(h.to, n) })
	if i == len(holes) || n < holes[i].from {
		return holes, 0, false
	}
	h := holes[i]
	switch {
	case h.from == h.to:
		holes = slices.Delete(holes, i, i+1)
	case n == h.from:
		holes[i].from++
	case n == h.to:
		holes[i].to--
	default:
		holes[i].to = n - 1
		holes = slices.Insert(holes, i+1, hole{n + 1, h.to, h.day})
	}
	return holes, h.day, true
}

// below adds a hole below all others.
func (g *gaps) below(h hole) {
	if len(g.pages) == 0 {
		g.holes = slices.Insert(g.holes, 0, h)
	} else {
		g.put(0, slices.Insert(g.pages[0].holes(), 0, h))
	}
}

// forget drops the lowest hole and says how many numbers were in it.
func (g *gaps) forget() uint64 {
	var h hole
	if len(g.pages) == 0 {
		h = g.holes[0]
		g.holes = slices.Delete(g.holes, 0, 1)
	} else {
		p := &g.pages[0]
		if g.lowest == nil {
			g.lowest = &unpacking{reader: reader{b: p.code}}
			for range p.gone {
				g.lowest.next()
			}
		}
		g.lowest.next()
		h = g.lowest.hole
		if p.gone++; p.left() == 0 {
			g.put(0, nil)
		}
	}
	g.floor = max(g.floor, h.to+1)
	return h.to - h.from + 1
}

// shelf knows the rows of a terminal's pages, by slot. Which slots are taken depends on what came, not on where batches end.
type shelf struct{ taken, changed []bool }

func (s *shelf) free(slot int32) {
	s.taken[slot], s.changed[slot] = false, true
}

// take takes a slot, the lowest that is free if it is none.
func (s *shelf) take(slot int32) int32 {
	if slot < 0 {
		slot = int32(slices.Index(s.taken, false))
	}
	if slot < 0 {
		slot = int32(len(s.taken))
	}
	for int(slot) >= len(s.taken) {
		s.taken, s.changed = append(s.taken, false), append(s.changed, false)
	}
	s.taken[slot] = true
	return slot
}

const noSlot = -1

// tidy packs holes that are too many to be at hand, cuts pages that grew too large, and takes out those that are empty.
func (t *terminal) tidy(g *gaps, lim limits) {
	for len(g.holes) >= lim.open {
		n := (lim.open + 1) / 2
		if last := len(g.pages) - 1; last >= 0 && g.pages[last].left()+n <= lim.page {
			g.put(last, append(g.pages[last].holes(), g.holes[:n]...))
		} else {
			g.pages = append(g.pages, newPage(noSlot, g.holes[:n]))
			g.changed = true
		}
		g.holes = slices.Delete(g.holes, 0, n)
	}
	if !g.changed {
		return
	}
	g.changed = false
	if t.shelf == nil {
		t.shelf = &shelf{}
	}
	for i := 0; i < len(g.pages); i++ {
		p := &g.pages[i]
		if !p.changed {
			continue
		}
		if p.left() == 0 {
			if p.slot != noSlot {
				t.shelf.free(p.slot)
			}
			g.pages = slices.Delete(g.pages, i, i+1)
			i--
			continue
		}
		if p.left() > 2*lim.page {
			holes := p.holes()
			*p = newPage(p.slot, holes[:lim.page])
			g.pages = slices.Insert(g.pages, i+1, newPage(noSlot, holes[lim.page:]))
			p = &g.pages[i]
		}
		p.slot, p.changed = t.shelf.take(p.slot), false
		t.shelf.changed[p.slot] = true
	}
}

// A hole is coded by its length and, where that is not the usual, by its distance from the one before it and its day. Mostly that is one byte.
const (
	longHole  = 1<<6 - 1 // its length follows
	farHole   = 1 << 6   // more than one number lies between it and the hole before
	otherDate = 1 << 7   // its day is not that of the hole before
)

// appendHoles encodes holes in order.
func appendHoles(b []byte, holes []hole) []byte {
	b = binary.AppendUvarint(b, uint64(len(holes)))
	if len(holes) == 0 {
		return b
	}
	b = binary.AppendUvarint(b, holes[0].from)
	b = binary.AppendVarint(b, int64(holes[0].day))
	last := hole{to: holes[0].from - 2, day: holes[0].day} // it may wrap around
	for _, h := range holes {
		length, far := h.to-h.from, h.from-last.to-2
		code := byte(min(length, longHole))
		if far > 0 {
			code |= farHole
		}
		if h.day != last.day {
			code |= otherDate
		}
		b = append(b, code)
		if length >= longHole {
			b = binary.AppendUvarint(b, length-longHole)
		}
		if far > 0 {
			b = binary.AppendUvarint(b, far)
		}
		if h.day != last.day {
			b = binary.AppendVarint(b, int64(h.day)-int64(last.day))
		}
		last = h
	}
	return b
}

// holes decodes what appendHoles wrote, behind those of to.
func (r *reader) holes(to []hole) []hole {
	u := unpacking{reader: *r}
	for u.next() {
		to = append(to, u.hole)
	}
	*r = u.reader
	return to
}

// unpacking reads what appendHoles wrote, hole by hole.
type unpacking struct {
	reader
	hole
	begun bool
	left  uint64
}

func (u *unpacking) next() bool {
	far := uint64(2)
	if !u.begun {
		u.begun = true
		if u.left = u.upTo(maxHoles); u.left > 0 {
			u.to, far = u.uvarint(), 0
			u.date(u.varint())
		}
	}
	if u.left == 0 || u.bad {
		return false
	}
	u.left--
	code := u.byte()
	length := uint64(code & longHole)
	if length == longHole {
		length = u.sum(length, u.uvarint())
	}
	u.from = u.sum(u.to, far)
	if code&farHole != 0 {
		u.from = u.sum(u.from, u.uvarint())
	}
	u.to = u.sum(u.from, length)
	if code&otherDate != 0 {
		u.date(u.varint())
	}
	return !u.bad
}

// date moves the day on.
func (u *unpacking) date(by int64) {
	if by += int64(u.day); by != int64(int32(by)) {
		u.bad = true
	}
	u.day = int32(by)
}
