package event

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// A sender writes its events in one way: the same keys in the same order, the same white space, and the same few kinds, currencies and results. So most of an event is
// known before it is read. A skeleton is what stood between the values that vary, learned from events that the decoder accepted, and compared eight bytes at a time.
//
// It is a graph. A node is where a value has been taken, known by the shape and the key; from there ways lead to the next values, each with the bytes on it, brackets, keys and
// constant values, and with what these bytes mean. A shape is in one place of an event only, so where a value ends, all that may follow is the same in every event: a way
// that was learned in one is right in another. What is on no way, and every value that is not plain, ends the walk, and the decoder reads the event from its beginning
// as if nothing had happened. So a skeleton accepts what the decoder accepts, but need not accept all.
type skeleton struct {
	begin node
	nodes [shapes][keys]*node

	// of the event that is being read
	seen  uint64                // bytes of strings, or'ed
	given uint32                // what there was of it
	into  [parts]unsafe.Pointer // where fields of each part belong
	card  bool                  // a text may have a card number, so it was not taken: no way would help

	misses   uint // events in a row that it did not take
	skipping uint // events that are not tried
	known    int  // ways
	spent    uint // on learning, in events that were tried
}

// node has the ways from a value, those first that are gone most.
type node struct {
	ways   [maxWays]*way
	turned uint8 // how often the first one was not it
}

// Limits of a skeleton: the senders of a lane may write in many ways, and somebody may do so for fun.
const (
	maxWays = 16   // from a node
	maxWay  = 256  // bytes
	maxAll  = 4096 // ways
)

// way leads from one value to the next.
type way struct {
	head, tail uint64 // its first and its last eight bytes
	mask       uint64 // which bits of them it has, if it is shorter
	end        int    // where the tail is
	text       string
	acts       []act
	sets       uint32 // what is told of the fields that they set
	field             // what the value is
	to         *node
}

// Trying an event in vain costs a part of reading it, and learning one as much as many others may bring.
const (
	inVain     = 8   // events in a row after which some are not tried
	maxSkipped = 64  // and how many
	learning   = 256 // events that are tried for one that is learned, in the long run
	budget     = 32  // that may be learned at once
)

// try says whether to try the next event.
func (k *skeleton) try() bool {
	if k.skipping > 0 {
		k.skipping--
		return false
	}
	k.spent -= min(k.spent, 1)
	return true
}

// took says whether it was taken.
func (k *skeleton) took(ok bool) {
	if ok {
		k.misses = 0
	} else if k.misses++; k.misses > inVain {
		k.skipping = min(k.misses-inVain, maxSkipped)
	}
}

// learns says whether to learn an event that was tried and not taken.
func (k *skeleton) learns() bool {
	if k.card || k.spent > (budget-1)*learning {
		return false
	}
	k.spent += learning
	return true
}

// read takes an event, or says that it cannot; then the event may have anything in it.
func (d *Decoder) read() bool {
	k := &d.skeleton
	k.seen, k.given, k.card = 0, 0, false
	k.into[ofEvent], k.into[ofDecoder] = unsafe.Pointer(d.event), unsafe.Pointer(d)
	in, size, i := unsafe.Pointer(unsafe.SliceData(d.value)), len(d.value), 0
	at := &k.begin
walk:
	for {
		if i >= size {
			return false
		}
		w, b := at.ways[0], unsafe.Add(in, i)
		if w == nil || i+w.end+8 > size || !w.ends(b) || w.end > 8 && !w.middle(b) {
			if w = at.turn(d.value[i:]); w == nil {
				return false
			}
		}
		i += len(w.text)
		if len(w.acts) > 0 && !d.do(w.acts) {
			return false
		}
		at = w.to
		k.given |= w.sets
		if w.kind == none {
			continue
		}
		p := unsafe.Add(k.into[w.part&(parts-1)], w.offset)
		switch w.kind {
		case counter: // mostly the next number
			if n := len(d.event.Transaction.Lines); n < 10 && i+1 < size && *(*byte)(unsafe.Add(in, i)) == byte('0'+n) && *(*byte)(unsafe.Add(in, i+1)) == ',' {
				*(*int64)(p) = int64(n)
				i++
				continue
			}
		case text:
			for n := 0; i+n+8 <= size; n += 8 {
				x := word(in, i+n)
				k.seen |= x
				hit := specials(x)
				if hit == 0 {
					continue
				}
				n += bits.TrailingZeros64(hit) / 8
				t := unsafe.String((*byte)(unsafe.Add(in, i)), n)
				if n >= minPAN && suspicious(d.value[i:i+n]) {
					k.card = true
					return false
				}
				*(*string)(p) = t
				i += n
				continue walk
			}
		case number:
			if i >= size || size < 8 {
				return false
			}
			var x uint64
			if i+8 <= size {
				x = word(in, i)
			} else {
				x = word(in, size-8) >> (8 * uint(8+i-size) & 63)
			}
			n, digits := sevenDigits(x)
			if digits == 0 || n > w.high {
				break
			}
			w.put(p, n)
			i += digits
			continue
		case instant:
			if t, n := d.dates.time(d.value, i); n > 0 {
				*(*Time)(p) = t
				i += n
				continue
			}
		case ending:
			break walk
		}
		if i = d.take(&w.field, p, i); i < 0 {
			return false
		}
	}
	e := d.event
	e.filled = uint8(k.given & (givenTransaction | givenHealth))
	e.Health.Kind = e.Transaction.Kind
	return i == size
}

// sevenDigits is the number that a text begins with, and of how many digits it is; that is zero if there are none, too many, or if they are followed by a point. That no
// exponent is behind, the next way tells.
func sevenDigits(x uint64) (n int64, digits int) {
	if c := byte(x) - '0'; c <= 9 && byte(x>>8) == ',' { // as most quantities
		return int64(c), 1
	}
	x ^= ones * '0'
	// A digit is below ten now: neither it nor it and six have a high nibble. What a byte behind carries into does not matter.
	other := (x | (x + ones*6)) & (ones * 0xf0)
	b := bits.TrailingZeros64(other) &^ 7
	if b == 0 || b == 64 || b > 8 && byte(x) == 0 || byte(x>>(b&63)) == '.'^'0' {
		return 0, 0
	}
	// Two, four and eight digits at once, the last in the highest byte.
	x <<= -b & 63
	x = x*10 + x>>8
	const pairs = 0x000000ff000000ff
	return int64(((x&pairs)*(100+1_000_000<<32) + (x>>16&pairs)*(1+10_000<<32)) >> 32), b / 8
}

// ends compares the head and the tail of a way with the bytes at b, of which there must be as many, and eight at least.
func (w *way) ends(b unsafe.Pointer) bool {
	return ((word(b, 0)^w.head)|(word(b, w.end)^w.tail))&w.mask == 0
}

// middle compares what is neither the head nor the tail.
func (w *way) middle(b unsafe.Pointer) bool {
	text := unsafe.Pointer(unsafe.StringData(w.text))
	for i := 8; i < w.end; i += 8 {
		if word(b, i) != word(text, i) {
			return false
		}
	}
	return true
}

// turn is the way that goes on from a node with the rest of the input. One that is found again and again comes further to the front.
func (n *node) turn(rest []byte) *way {
	b := unsafe.Pointer(unsafe.SliceData(rest))
	for i := range n.ways {
		w := n.ways[i]
		if w == nil {
			break
		}
		if w.end+8 > len(rest) {
			if len(w.text) > len(rest) || string(rest[:len(w.text)]) != w.text {
				continue
			}
		} else if !w.ends(b) || w.end > 8 && !w.middle(b) {
			continue
		}
		if n.turned++; i > 1 || i == 1 && n.turned&3 == 0 { // behind the first line comes another one, behind the last one something else
			n.ways[i-1], n.ways[i] = n.ways[i], n.ways[i-1]
		}
		return w
	}
	return nil
}

// word is the eight bytes at p[i].
func word(p unsafe.Pointer, i int) uint64 {
	return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(p, i))[:])
}
