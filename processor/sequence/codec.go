package sequence

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/tillstream/tillstream/processor/event"
)

// format is the first byte of every value, paged that of the numbers of a terminal that has pages. The encoding: unsigned varints, signed ones zigzag, hashes 8 bytes
// little-endian.
const (
	format = 1
	paged  = 2
)

const (
	flagExplicit = 1 << iota // a number follows, instead of start and newest
	flagOpen                 // began before memory: no start follows
)

// appendNumbers encodes a terminal's numbers.
func (t *terminal) appendNumbers(b []byte) []byte {
	version := byte(format)
	for i := range t.epochs {
		if g := t.epochs[i].gaps; g != nil && len(g.pages) > 0 {
			version = paged
		}
	}
	b = append(b, version)
	b = binary.AppendUvarint(b, t.restarts)
	b = binary.AppendUvarint(b, t.forgotten)
	closed := uint64(0)
	if t.closed.OK {
		closed = uint64(t.closed.Value) + 1
	}
	b = binary.AppendUvarint(b, closed)
	b = binary.AppendUvarint(b, uint64(len(t.epochs)))
	for i := range t.epochs {
		k := &t.epochs[i]
		switch {
		case k.explicit:
			b = append(b, flagExplicit)
			b = binary.AppendUvarint(b, uint64(k.number))
		case k.start == math.MinInt64:
			b = append(b, flagOpen)
			b = binary.AppendVarint(b, k.newest)
		default:
			b = append(b, 0)
			b = binary.AppendVarint(b, k.start)
			b = binary.AppendVarint(b, k.newest)
		}
		b = binary.AppendUvarint(b, k.low)
		b = binary.AppendUvarint(b, k.high-k.low)
		g := k.gaps
		if g == nil {
			g = &gaps{}
		}
		b = binary.AppendUvarint(b, g.floor)
		if version == paged {
			b = binary.AppendUvarint(b, uint64(len(g.pages)))
			for i := range g.pages {
				b = binary.AppendUvarint(b, uint64(g.pages[i].slot))
				b = binary.AppendUvarint(b, uint64(g.pages[i].gone))
			}
			b = appendHoles(b, g.holes)
			continue
		}
		last, day := k.low, int64(0)
		b = binary.AppendUvarint(b, uint64(len(g.holes)))
		for _, h := range g.holes {
			b = binary.AppendUvarint(b, h.from-last)
			b = binary.AppendUvarint(b, h.to-h.from)
			b = binary.AppendVarint(b, int64(h.day)-day)
			last, day = h.to, int64(h.day)
		}
	}
	return b
}

// appendSegment encodes one segment of ids.
func appendSegment(b []byte, n uint64, hashes []uint64) []byte {
	b = append(b, format)
	b = binary.AppendUvarint(b, n)
	for _, h := range hashes {
		b = binary.LittleEndian.AppendUint64(b, h)
	}
	return b
}

var errMalformed = errors.New("malformed state: it was damaged, or written by a version that this one cannot read")

// reader takes values off an encoding. After the first error it gives zeros.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	u := r.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

// upTo is a varint that must not be greater than limit.
func (r *reader) upTo(limit uint64) uint64 {
	v := r.uvarint()
	if v > limit {
		r.bad = true
		return 0
	}
	return v
}

// plus is base and a distance that follows, and must be at least so much.
func (r *reader) plus(base, least uint64) uint64 {
	d := r.uvarint()
	if d < least {
		r.bad = true
	}
	return r.sum(base, d)
}

// sum must not overflow.
func (r *reader) sum(a, b uint64) uint64 {
	if b > math.MaxUint64-a {
		r.bad = true
		return a
	}
	return a + b
}

func (r *reader) format(newest byte) (byte, error) {
	v := r.byte()
	if !r.bad && (v < format || v > newest) {
		return 0, fmt.Errorf("format %d is not known, only up to %d: start the version that wrote it", v, newest)
	}
	return v, nil
}

// decodeNumbers restores what appendNumbers wrote. Pages are what the rows of the terminal's pages have, by slot.
func (t *terminal) decodeNumbers(b []byte, pages map[int32][]byte) error {
	r := &reader{b: b}
	version, err := r.format(paged)
	if err != nil {
		return err
	}
	t.restarts = r.uvarint()
	t.forgotten = r.uvarint()
	if closed := r.upTo(1 << 32); closed > 0 {
		t.closed = event.Some(uint32(closed - 1))
	}
	holes := 0
	t.epochs = t.first[:0]
	for range r.upTo(2 * maxEpochs) {
		k := r.tracker(version)
		if version == paged && !r.bad {
			if err := t.decodeGaps(r, &k, pages); err != nil {
				return err
			}
		}
		holes += k.gaps.count()
		if r.bad || holes > maxHoles || !t.follows(k) {
			return errMalformed
		}
		t.epochs = append(t.epochs, k)
	}
	n := t.implicits()
	if r.bad || len(r.b) > 0 || n > maxEpochs || len(t.epochs)-n > maxEpochs {
		return errMalformed
	}
	return nil
}

func (r *reader) tracker(version byte) (k tracker) {
	switch r.byte() {
	case flagExplicit:
		k.explicit, k.number = true, uint32(r.upTo(math.MaxUint32))
	case flagOpen:
		k.start, k.newest = math.MinInt64, r.varint()
	case 0:
		k.start, k.newest = r.varint(), r.varint()
	default:
		r.bad = true
	}
	k.low = r.uvarint()
	k.high = r.plus(k.low, 0)
	floor := r.upTo(k.high)
	if version == paged {
		k.gaps = &gaps{floor: floor}
		return k
	}
	count := r.upTo(maxHoles)
	if r.bad || floor == 0 && count == 0 {
		return k
	}
	k.gaps = &gaps{floor: floor}
	last, least, day := k.low, uint64(1), int64(0)
	for range count {
		h := hole{from: r.plus(last, least)}
		h.to = r.plus(h.from, 0)
		day += r.varint()
		h.day = int32(day)
		if r.bad || h.to >= k.high || int64(h.day) != day {
			r.bad = true
			return k
		}
		k.gaps.holes = append(k.gaps.holes, h)
		last, least = h.to, 2
	}
	return k
}

// decodeGaps restores the rest of a tracker with pages.
func (t *terminal) decodeGaps(r *reader, k *tracker, pages map[int32][]byte) error {
	last, least := k.low, uint64(1)
	fits := func(h hole) {
		if h.from < last || h.from-last < least || h.to >= k.high {
			r.bad = true
		}
		last, least = h.to, 2
	}
	g := k.gaps
	for range r.upTo(maxHoles) {
		slot := int32(r.upTo(maxHoles))
		code, ok := pages[slot]
		if !r.bad && !ok {
			return fmt.Errorf("page %d of its holes is not there: restore the table tillstream.state", slot)
		}
		delete(pages, slot) // not twice
		p := page{slot: slot, code: code, gone: int32(r.upTo(maxHoles))}
		u := unpacking{reader: reader{b: code}}
		for ; u.next(); p.n++ {
			if p.n >= p.gone {
				fits(u.hole)
			}
		}
		p.last = last
		if r.bad || u.bad || len(u.b) > 0 || p.gone >= p.n || p.gone > 0 && len(g.pages) > 0 {
			return errMalformed
		}
		if t.shelf == nil {
			t.shelf = &shelf{}
		}
		t.shelf.take(slot)
		g.pages = append(g.pages, p)
	}
	g.holes = r.holes(nil)
	for _, h := range g.holes {
		fits(h)
	}
	if g.floor == 0 && g.count() == 0 {
		k.gaps = nil
	}
	return nil
}

// follows says whether an epoch may stand behind those there are.
func (t *terminal) follows(k tracker) bool {
	if k.explicit && t.closed.OK && k.number <= t.closed.Value || !k.explicit && k.newest < k.start {
		return false
	}
	if len(t.epochs) == 0 {
		return true
	}
	p := &t.epochs[len(t.epochs)-1]
	switch {
	case k.explicit && p.explicit:
		return k.number > p.number
	case k.explicit:
		return true
	}
	return !p.explicit && k.start > p.newest
}

// decodeSegment restores what appendSegment wrote.
func decodeSegment(b []byte) (n uint64, hashes []uint64, err error) {
	r := &reader{b: b}
	if _, err := r.format(format); err != nil {
		return 0, nil, err
	}
	n = r.upTo(1 << 50)
	if count := len(r.b) / 8; r.bad || len(r.b)%8 != 0 || count == 0 || count > segment {
		return 0, nil, errMalformed
	}
	for ; len(r.b) > 0; r.b = r.b[8:] {
		hashes = append(hashes, binary.LittleEndian.Uint64(r.b))
	}
	return n, hashes, nil
}
