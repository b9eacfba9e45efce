package sequence

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/tillstream/tillstream/processor/event"
)

// format is the first byte of every value. The encoding: unsigned varints, signed ones zigzag, hashes 8 bytes little-endian.
const format = 1

const (
	flagExplicit = 1 << iota // a number follows, instead of start and newest
	flagOpen                 // began before memory: no start follows
)

// appendNumbers encodes a terminal's numbers.
func (t *terminal) appendNumbers(b []byte) []byte {
	b = append(b, format)
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
		floor, last, day := uint64(0), k.low, int64(0)
		if k.gaps != nil {
			floor = k.gaps.floor
		}
		b = binary.AppendUvarint(b, floor)
		b = binary.AppendUvarint(b, uint64(len(k.holes())))
		for _, h := range k.holes() {
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

// plus is base and a distance of at least one; it must not overflow.
func (r *reader) plus(base, least uint64) uint64 {
	d := r.uvarint()
	if d < least || d > math.MaxUint64-base {
		r.bad = true
		return base
	}
	return base + d
}

func (r *reader) format() error {
	if v := r.byte(); !r.bad && v != format {
		return fmt.Errorf("format %d is not known, only %d: start the version that wrote it", v, format)
	}
	return nil
}

// decodeNumbers restores what appendNumbers wrote.
func (t *terminal) decodeNumbers(b []byte) error {
	r := &reader{b: b}
	if err := r.format(); err != nil {
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
		k := r.tracker(&holes)
		if r.bad || !t.follows(k) {
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

func (r *reader) tracker(holes *int) (k tracker) {
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
	count := r.upTo(maxHoles)
	*holes += int(count)
	if *holes > maxHoles {
		r.bad = true
	}
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
	if err := r.format(); err != nil {
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
