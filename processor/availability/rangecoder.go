package availability

import "math/bits"

// The range coder of packed chunks (G. N. N. Martin, Range encoding, 1979), adaptive and binary, with LZMA's way with a carry.

// odds is how likely a 0 is, of 1<<16, as far as it was seen. It learns fast at first: a chunk is short.
type odds struct {
	zero uint16
	seen uint8
}

const (
	maxSeen = 120
	edges   = 1 << 6 // no bit is certain
)

// of is the probability of 0.
func (o *odds) of() uint32 {
	if o.seen == 0 {
		return 1 << 15
	}
	return uint32(o.zero)
}

func (o *odds) learn(bit uint32) {
	p, n := int32(o.of()), int32(o.seen)
	target := int32(1<<16 - edges)
	if bit != 0 {
		target = edges
	}
	p += (target - p) * weights[n] >> 15
	o.zero = uint16(min(max(p, edges), 1<<16-edges))
	o.seen = uint8(min(n+1, maxSeen))
}

// weights are what a bit counts for beside n others: 1/(n+1.5) of 1<<15, as if half a bit of each had come before.
var weights = func() (w [maxSeen + 1]int32) {
	for n := range w {
		w[n] = int32(1 << 16 / (2*n + 3))
	}
	return w
}()

// encoder is a range coder. Its output begins with a byte 0.
type encoder struct {
	out   []byte
	low   uint64
	width uint32
	held  byte // the last byte, and how many 0xff behind it, that a carry may still change
	more  int
}

func (e *encoder) shift() {
	if e.low < 0xff000000 || e.low >= 1<<32 {
		carry := byte(e.low >> 32)
		e.out = append(e.out, e.held+carry)
		for ; e.more > 0; e.more-- {
			e.out = append(e.out, 0xff+carry)
		}
		e.held = byte(e.low >> 24)
	} else {
		e.more++
	}
	e.low = e.low << 8 & (1<<32 - 1)
}

func (e *encoder) bit(o *odds, bit uint32) {
	bound := uint32(uint64(e.width) * uint64(o.of()) >> 16)
	if bit == 0 {
		e.width = bound
	} else {
		e.low += uint64(bound)
		e.width -= bound
	}
	o.learn(bit)
	for e.width < 1<<24 {
		e.width <<= 8
		e.shift()
	}
}

// plain writes the lowest n bits of a value, each as likely as not.
func (e *encoder) plain(v uint64, n int) {
	for n > 0 {
		k := min(n, 16)
		n -= k
		e.width >>= k
		e.low += uint64(e.width) * (v >> n & (1<<k - 1))
		for e.width < 1<<24 {
			e.width <<= 8
			e.shift()
		}
	}
}

// tree writes the lowest n bits of a value, by the odds of each given those before it.
func (e *encoder) tree(odds []odds, v uint32, n int) {
	at := uint32(1)
	for i := n - 1; i >= 0; i-- {
		b := v >> i & 1
		e.bit(&odds[at], b)
		at = at<<1 | b
	}
}

// rare is how many bits few numbers have.
const rare = 15

// number writes a value as the count of its bits, and those below the highest.
func (e *encoder) number(odds *[rare + 1]odds, v uint64) {
	n := bits.Len64(v)
	e.tree(odds[:], uint32(min(n, rare)), 4)
	if n >= rare {
		e.plain(uint64(n-rare), 6)
	}
	e.plain(v, max(n-1, 0))
}

// bytes writes a text after its length, with no odds.
func (e *encoder) bytes(b []byte) {
	e.unusual(uint64(len(b)))
	for _, c := range b {
		e.plain(uint64(c), 8)
	}
}

// unusual writes a number that comes once: 0 in one bit, others in seven more than they have.
func (e *encoder) unusual(v uint64) {
	n := bits.Len64(v)
	if n == 0 {
		e.plain(0, 1)
		return
	}
	e.plain(1, 1)
	e.plain(uint64(n&63), 6)
	e.plain(v, n-1)
}

// end gives what was written. Zeros at the end are left out: the decoder finds them there.
func (e *encoder) end() []byte {
	e.low = (e.low + 1<<24 - 1) &^ (1<<24 - 1)
	for range 5 {
		e.shift()
	}
	n := len(e.out)
	for n > 1 && e.out[n-1] == 0 {
		n--
	}
	return e.out[:n]
}

// decoder is its inverse. It never fails: what was not written by an encoder gives some values or other, and past says how far it has read beyond the end.
type decoder struct {
	in    []byte
	code  uint32
	width uint32
	past  int
}

func newDecoder(data []byte) decoder {
	d := decoder{in: data[1:], width: 1<<32 - 1}
	for range 4 {
		d.next()
	}
	return d
}

// maxPast is how far a decoder may read beyond the end: the zeros that were left out, and what it has read ahead.
const maxPast = 8

func (d *decoder) next() {
	d.code <<= 8
	if len(d.in) == 0 {
		d.past++
		return
	}
	d.code |= uint32(d.in[0])
	d.in = d.in[1:]
}

func (d *decoder) bit(o *odds) (bit uint32) {
	bound := uint32(uint64(d.width) * uint64(o.of()) >> 16)
	if d.code < bound {
		d.width = bound
	} else {
		d.code -= bound
		d.width -= bound
		bit = 1
	}
	o.learn(bit)
	for d.width < 1<<24 {
		d.width <<= 8
		d.next()
	}
	return bit
}

func (d *decoder) plain(n int) (v uint64) {
	for n > 0 {
		k := min(n, 16)
		n -= k
		d.width >>= k
		part := min(d.code/d.width, 1<<k-1)
		d.code -= part * d.width
		v = v<<k | uint64(part)
		for d.width < 1<<24 {
			d.width <<= 8
			d.next()
		}
	}
	return v
}

func (d *decoder) tree(odds []odds, n int) uint32 {
	at := uint32(1)
	for range n {
		at = at<<1 | d.bit(&odds[at])
	}
	return at - 1<<n
}

func (d *decoder) number(odds *[rare + 1]odds) uint64 {
	n := int(d.tree(odds[:], 4))
	if n == rare {
		n += int(d.plain(6))
	}
	if n > 64 {
		d.past = maxPast + 1
		return 0
	}
	if n < 2 {
		return uint64(n)
	}
	return 1<<(n-1) | d.plain(n-1)
}

func (d *decoder) unusual() uint64 {
	if d.plain(1) == 0 {
		return 0
	}
	n := int(d.plain(6))
	if n == 0 {
		n = 64
	}
	return 1<<(n-1) | d.plain(n-1)
}

func (d *decoder) bytes() []byte {
	var b []byte
	for range d.unusual() {
		if b = append(b, byte(d.plain(8))); d.past > maxPast {
			break
		}
	}
	return b
}
