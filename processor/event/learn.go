package event

import (
	"encoding/binary"
	"math"
	"strings"
)

// learner adds an event, which the decoder accepted, to a skeleton.
type learner struct {
	scanner
	skeleton *skeleton
	at       *node
	from     int   // where the way from there begins
	acts     []act // on it
}

// longest is how long a constant text may be.
const longest = 24

// learn adds the event that was read last, as far as a skeleton can have what is in it.
func (d *Decoder) learn() {
	if d.skeleton.known > maxAll {
		d.skeleton = skeleton{spent: d.skeleton.spent}
	}
	var habits habits
	l := learner{scanner: scanner{in: d.value, habits: &habits, dates: &d.dates, bare: true}, skeleton: &d.skeleton, at: &d.skeleton.begin}
	if l.object(shapeEvent) {
		l.pos = len(l.in)
		l.way(field{kind: ending}, nil)
	}
}

// do adds a deed to the way.
func (l *learner) do(what deed, f field, text string, n int64) {
	l.acts = append(l.acts, act{what, f, text, n})
}

// object goes through an object, and says whether a skeleton can have all of it.
func (l *learner) object(of shape) bool {
	if l.space() != '{' {
		return false
	}
	for l.pos++; l.space() != '}'; {
		if l.in[l.pos] == ',' {
			l.pos++
		}
		k, ok := l.key()
		if !ok || !l.value(of, k) {
			return false
		}
	}
	l.pos++
	return true
}

// value goes through the value of a key: it belongs to the way, or ends it.
func (l *learner) value(of shape, k key) bool {
	f, c := fields[of][k], l.space()
	if c == 'n' {
		switch f.kind {
		case texts:
			if f.ok > 0 { // it takes back what there may have been before
				return false
			}
		case object:
			l.do(enterObject, f, "", 0)
		case objects:
			l.do(beginLists, f, "", 0)
		}
		return l.literal("null")
	}
	switch f.kind {
	case object:
		what := enterObject
		if k == keyTotals {
			what = enterTotals
		}
		l.do(what, f, "", 0)
		return l.object(f.shape)
	case objects:
		l.do(beginLists, f, "", 0)
		return l.array(func(int) bool { return l.element(f) })
	case texts:
		l.do(beginList, f, "", 0)
		return l.array(func(int) bool { return l.space() == '"' && l.varying(f, l.node(of, k)) })
	case boolean:
		n := int64(0)
		if c == 't' {
			n = 1
		}
		l.do(setBool, f, "", n)
		return l.skip()
	case typ:
		text, ok := l.text(false)
		switch text {
		case TypeTransaction:
			l.do(setType, field{}, TypeTransaction, 0)
		case TypeHealth:
			l.do(setType, field{}, TypeHealth, 0)
		default:
			return false
		}
		return ok
	case skipped:
		if c == '{' || c == '[' {
			return false
		}
		if c == 't' || c == 'f' {
			return l.skip()
		}
	case text:
		if from := l.pos; f.few {
			if text, ok := l.text(false); ok && len(text) <= longest {
				l.do(setText, f, strings.Clone(text), 0)
				return l.constant(of, k)
			}
			l.pos = from
		}
	case number:
		if from := l.pos; f.few {
			if n, ok := l.int(f.low, f.high); ok {
				l.do(setNumber, f, "", n)
				return l.constant(of, k)
			}
			l.pos = from
		}
	}
	return l.varying(f, l.node(of, k))
}

// element goes through an object in a list.
func (l *learner) element(f field) bool {
	switch f.shape {
	case shapeLine:
		l.instead(beginLists, firstLine)
		l.instead(endLine, nextLine)
		ok := l.object(f.shape)
		l.do(endLine, f, "", 0)
		return ok
	case shapeTender:
		if !l.instead(beginLists, firstTender) {
			l.do(beginTender, f, "", 0)
		}
		ok := l.object(f.shape)
		l.do(endTender, f, "", 0)
		return ok
	}
	l.do(beginElement, f, "", 0)
	return l.object(f.shape)
}

// instead makes one deed of two where the last one was the given one. Of a line it always is: it is the first one or behind another.
func (l *learner) instead(of, what deed) bool {
	n := len(l.acts)
	if n == 0 || l.acts[n-1].do != of {
		return false
	}
	l.acts[n-1].do = what
	return true
}

// constant ends a way behind a value that belongs to it: what has few values has a way for each, and what follows may be anything.
func (l *learner) constant(of shape, k key) bool {
	ok := l.way(field{kind: none}, l.node(of, k))
	l.from = l.pos
	return ok
}

// varying ends a way at a value, behind which another one begins.
func (l *learner) varying(f field, to *node) bool {
	from := l.pos
	switch f.kind {
	case text, clearText, texts, day:
		l.pos++ // the quotes belong to the ways
		if !l.way(f, to) {
			return false
		}
		l.pos = from
		if !l.skip() {
			return false
		}
		l.from = l.pos - 1
	default:
		if !l.way(f, to) || !l.skip() {
			return false
		}
		l.from = l.pos
	}
	return true
}

// node is where a value of the key has been taken.
func (l *learner) node(of shape, k key) *node {
	n := &l.skeleton.nodes[of][k]
	if *n == nil {
		*n = &node{}
	}
	return *n
}

// way adds the way up to here, if it is not there yet.
func (l *learner) way(f field, to *node) bool {
	whole := string(l.in[l.from:l.pos])
	if len(whole) > maxWay || strings.IndexByte(whole, '\\') >= 0 {
		return false
	}
	ways, known := &l.at.ways, false
	for i, w := range ways {
		if w != nil && w.text == whole {
			copy(ways[1:i+1], ways[:i])
			ways[0], known = w, true
			break
		}
	}
	if !known {
		w := &way{text: whole, mask: math.MaxUint64, end: max(len(whole)-8, 0), field: f, to: to, acts: l.acts}
		if len(whole) < 8 {
			w.mask = 1<<(8*len(whole)) - 1
		}
		var ends [16]byte
		copy(ends[:8], whole)
		copy(ends[8:], whole[w.end:])
		w.head, w.tail = binary.LittleEndian.Uint64(ends[:]), binary.LittleEndian.Uint64(ends[8:])
		for _, a := range w.acts {
			w.sets |= a.given & (givenTransaction | givenHealth)
		}
		w.sets |= f.given
		l.skeleton.known++ // those that are dropped for it are not counted off
		copy(ways[1:], ways[:])
		ways[0] = w
	}
	l.at, l.acts = to, nil
	return true
}
