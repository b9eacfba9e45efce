package event

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// scanner walks one JSON text. Its methods return false once something is wrong; rejection then says what, and callers on the way
// up put their field's name before it.
type scanner struct {
	in        []byte
	pos       int
	depth     int
	seen      uint64 // bytes of strings, or'ed: whether any is past ASCII
	escapes   bool   // a string had one
	bare      bool   // the next string is not masked
	masked    bool
	scratch   []byte // strings that had escapes
	rejection Rejection
	habits    *habits
	dates     *dates
}

// maxDepth bounds nesting, of what is skipped too.
const maxDepth = 32

func (s *scanner) fail(reason Reason, expected string) bool {
	s.rejection = Rejection{Reason: reason, Expected: expected}
	return false
}

func (s *scanner) malformed(expected string) bool { return s.fail(ReasonMalformed, expected) }

// within names the field that a failure happened in.
func (s *scanner) within(name string) bool {
	f := s.rejection.Field
	switch {
	case f == "":
		s.rejection.Field = name
	case f[0] == '[':
		s.rejection.Field = name + f
	default:
		s.rejection.Field = name + "." + f
	}
	return false
}

// withinElement names the element of an array that a failure happened in.
func (s *scanner) withinElement(i int) bool {
	f := s.rejection.Field
	if f != "" && f[0] != '[' {
		f = "." + f
	}
	s.rejection.Field = "[" + strconv.Itoa(i) + "]" + f
	return false
}

// space skips white space and returns the byte that follows, 0 at the end.
func (s *scanner) space() byte {
	if s.pos < len(s.in) && s.in[s.pos] > ' ' {
		return s.in[s.pos]
	}
	return s.spaces()
}

func (s *scanner) spaces() byte {
	for s.pos < len(s.in) {
		switch c := s.in[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

func (s *scanner) literal(word string) bool {
	if len(s.in)-s.pos >= len(word) && string(s.in[s.pos:s.pos+len(word)]) == word {
		s.pos += len(word)
		return true
	}
	return s.malformed("a JSON value")
}

// null takes a null, which means the same as leaving the field out.
func (s *scanner) null() bool {
	return s.space() == 'n' && s.literal("null")
}

// atNull says whether a null comes next.
func (s *scanner) atNull() bool { return s.space() == 'n' }

// What enter and next give where there is no key.
const (
	closed key = keys + iota // the object has ended
	broken                   // something is wrong
)

// enter begins an object and gives its first key, whose value must be taken then:
//
//	for k := s.enter(shape); k < keys; k = s.next(shape, k)
func (s *scanner) enter(of shape) key {
	if s.space() != '{' {
		s.mistyped("an object")
		return broken
	}
	if s.depth++; s.depth > maxDepth {
		s.malformed("less nesting")
		return broken
	}
	s.pos++
	if s.space() == '}' {
		return s.leave()
	}
	return s.expect(of, unknown, s.pos)
}

// next gives the key after another one.
func (s *scanner) next(of shape, after key) key {
	if in, i := s.in, s.pos; i < len(in) {
		switch in[i] {
		case ',':
			if i++; i+16 <= len(in) { // as spelling.at has it
				k := s.habits[of][after].last
				w, c := &spelled[k], in[i:i+16]
				if (binary.LittleEndian.Uint64(c)^w.text[0])&w.used[0]|(binary.LittleEndian.Uint64(c[8:])^w.text[1])&w.used[1] == 0 && w.length <= 16 {
					s.pos = i + w.length
					return k
				}
			}
			return s.expect(of, after, i)
		case '}':
			return s.leave()
		}
	}
	switch s.space() {
	case ',':
		return s.expect(of, after, s.pos+1)
	case '}':
		return s.leave()
	}
	s.malformed("a comma or the end of an object")
	return broken
}

func (s *scanner) leave() key {
	s.pos++
	s.depth--
	return closed
}

// expect takes the key at i: one that followed before, or any.
func (s *scanner) expect(of shape, after key, i int) key {
	h := &s.habits[of][after]
	for range 2 {
		if w := &spelled[h.last]; w.at(s.in, i) {
			s.pos = i + w.length
			return h.last
		}
		h.last, h.other = h.other, h.last
	}
	s.pos = i
	k, ok := s.key()
	if !ok {
		return broken
	}
	h.last, h.other = k, h.last
	return k
}

// key takes any key and the colon behind it.
func (s *scanner) key() (key, bool) {
	if s.space() != '"' {
		return unknown, s.malformed("a key in quotes")
	}
	name, ok := s.text(false)
	if !ok {
		return unknown, false
	}
	if s.space() != ':' {
		return unknown, s.malformed("a colon after a key")
	}
	s.pos++
	return named[name], true
}

// array calls element for every element, with its index; element must take the value.
func (s *scanner) array(element func(i int) bool) bool {
	if s.space() != '[' {
		return s.mistyped("an array")
	}
	if s.depth++; s.depth > maxDepth {
		return s.malformed("less nesting")
	}
	s.pos++
	if s.space() == ']' {
		s.pos++
		s.depth--
		return true
	}
	for i := 0; ; i++ {
		if !element(i) {
			return s.withinElement(i)
		}
		switch s.space() {
		case ',':
			s.pos++
		case ']':
			s.pos++
			s.depth--
			return true
		default:
			return s.malformed("a comma or the end of an array")
		}
	}
}

// mistyped tells a value of another type from no value at all.
func (s *scanner) mistyped(expected string) bool {
	from := s.pos
	if !s.skip() {
		return false
	}
	s.pos = from
	return s.fail(ReasonWrongType, expected)
}

// skip takes any value.
func (s *scanner) skip() bool {
	switch c := s.space(); {
	case c == '{':
		k := s.enter(shapeSkipped)
		for k < keys && s.skip() {
			k = s.next(shapeSkipped, k)
		}
		return k == closed
	case c == '[':
		return s.array(func(int) bool { return s.skip() })
	case c == '"':
		_, ok := s.text(false)
		return ok
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	case c == '-' || c >= '0' && c <= '9':
		_, ok := s.number()
		return ok
	default:
		return s.malformed("a JSON value")
	}
}

func (s *scanner) bool(into *bool) bool {
	switch s.space() {
	case 't':
		*into = true
		return s.literal("true")
	case 'f':
		*into = false
		return s.literal("false")
	case 'n':
		return s.literal("null")
	}
	return s.mistyped("true or false")
}

// string takes a string, or null for none.
func (s *scanner) string(into *string) bool { return s.str(into, false) }

// clear takes a string as it is. It must not be kept: a pseudonym of a masked number would be that of all numbers that end alike.
func (s *scanner) clear(into *string) bool {
	s.bare = true
	ok := s.str(into, false)
	s.bare = false
	return ok
}

// code takes a string that may be a GTIN, which a card number may look like.
func (s *scanner) code(into *string) bool { return s.str(into, true) }

func (s *scanner) str(into *string, code bool) (ok bool) {
	if in, i := s.in, s.pos+1; i+16 <= len(in) && in[i-1] == '"' { // most are short, too short for a card number
		n := 0
		x := binary.LittleEndian.Uint64(in[i:])
		s.seen |= x
		hit := specials(x)
		if hit == 0 {
			x = binary.LittleEndian.Uint64(in[i+8:])
			s.seen |= x
			hit, n = specials(x), 8
		}
		if n += bits.TrailingZeros64(hit) / 8; n < minPAN && in[i+n] == '"' {
			*into, s.pos = alias(in[i:i+n]), i+n+1
			return true
		}
	}
	if s.pos < len(s.in) && s.in[s.pos] == '"' || s.space() == '"' {
		*into, ok = s.text(code)
		return ok
	}
	if s.space() == 'n' {
		return s.literal("null")
	}
	return s.mistyped("a string")
}

// text takes a string in quotes at pos. It aliases the input, or scratch if it has escapes.
func (s *scanner) text(code bool) (string, bool) {
	start := s.pos + 1
	i, seen := special(s.in, start)
	s.seen |= seen
	if i >= len(s.in) || s.in[i] != '"' {
		return s.escaped(start, i, code)
	}
	b := s.in[start:i]
	if len(b) >= minPAN && !s.bare && suspicious(b) && !s.maskIn(b, code) {
		return "", false
	}
	s.pos = i + 1
	return alias(b), true
}

// maskIn masks what is in a part of the input. It returns false if the input is not UTF-8: what follows of a magnetic track is masked whatever it is.
func (s *scanner) maskIn(b []byte, code bool) bool {
	if !s.valid() {
		return false
	}
	if mask(b, code) > 0 {
		s.masked = true
	}
	return true
}

// valid says whether the text is UTF-8, as far as it was read and behind.
func (s *scanner) valid() bool {
	return s.seen&highs == 0 || utf8.Valid(s.in)
}

// takes says whether a string comes next that is just the given one, and takes it.
func (s *scanner) takes(text string) bool {
	in, i := s.in, s.pos+1
	end := i + len(text)
	if end >= len(in) || in[i-1] != '"' || in[end] != '"' || string(in[i:end]) != text {
		return false
	}
	s.pos = end + 1
	return true
}

// escaped goes on with a string whose first special byte is at i.
func (s *scanner) escaped(start, i int, code bool) (string, bool) {
	from := len(s.scratch)
	s.escapes = true
	for {
		if i >= len(s.in) {
			return "", s.malformed("the end of a string")
		}
		s.scratch = append(s.scratch, s.in[start:i]...)
		switch c := s.in[i]; {
		case c == '"':
			s.pos = i + 1
			// An escape may have hidden the digits from the look at the whole text.
			if !s.bare && mask(s.scratch[from:], code) > 0 {
				s.masked = true
			}
			return alias(s.scratch[from:]), true
		case c != '\\':
			return "", s.malformed("no control characters in a string")
		}
		n, ok := s.unescape(i)
		if !ok {
			return "", s.malformed("a valid escape in a string")
		}
		start = i + n
		var seen uint64
		i, seen = special(s.in, start)
		s.seen |= seen
	}
}

// unescape appends what the escape at i means and returns its length.
func (s *scanner) unescape(i int) (int, bool) {
	if i+1 >= len(s.in) {
		return 0, false
	}
	switch c := s.in[i+1]; c {
	case '"', '\\', '/':
		s.scratch = append(s.scratch, c)
	case 'b':
		s.scratch = append(s.scratch, '\b')
	case 'f':
		s.scratch = append(s.scratch, '\f')
	case 'n':
		s.scratch = append(s.scratch, '\n')
	case 'r':
		s.scratch = append(s.scratch, '\r')
	case 't':
		s.scratch = append(s.scratch, '\t')
	case 'u':
		r, ok := hex4(s.in, i+2)
		if !ok {
			return 0, false
		}
		n := 6
		if utf16.IsSurrogate(r) {
			second := rune(0)
			if i+7 < len(s.in) && s.in[i+6] == '\\' && s.in[i+7] == 'u' {
				second, ok = hex4(s.in, i+8)
			}
			if r = utf16.DecodeRune(r, second); ok && r != utf8.RuneError {
				n = 12
			}
		}
		s.scratch = utf8.AppendRune(s.scratch, r)
		return n, true
	default:
		return 0, false
	}
	return 2, true
}

func hex4(b []byte, i int) (r rune, ok bool) {
	if i+4 > len(b) {
		return 0, false
	}
	for _, c := range b[i : i+4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

const ones, highs = 0x0101010101010101, 0x8080808080808080

// specials marks the quotes, backslashes and control characters among eight bytes, the first one rightly. Exclusive or makes zero of a backslash, and puts a quote among the control
// characters and nothing else. A byte is less than one, or than 0x21, where the subtraction borrows and the byte had no high bit; borrows spill upwards only, so the lowest mark is right.
func specials(x uint64) uint64 {
	q, e := x^ones*2, x^ones*'\\'
	return ((q-ones*0x21)&^q | (e-ones)&^e) & highs
}

// special is the index of the first quote, backslash or control character from i on, and the or of all bytes before it and some behind.
func special(b []byte, i int) (at int, seen uint64) {
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		seen |= x
		if hit := specials(x); hit != 0 {
			return i + bits.TrailingZeros64(hit)/8, seen
		}
	}
	for i < len(b) && b[i] != '"' && b[i] != '\\' && b[i] >= 0x20 {
		seen |= uint64(b[i])
		i++
	}
	return i, seen
}

// number takes the text of a number.
func (s *scanner) number() (string, bool) {
	b, i := s.in, s.pos
	digits := func() bool {
		from := i
		for i < len(b) && b[i] >= '0' && b[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < len(b) && b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if !digits() {
		return "", s.malformed("a number")
	}
	if i < len(b) && b[i] == '.' {
		i++
		if !digits() {
			return "", s.malformed("digits after a decimal point")
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !digits() {
			return "", s.malformed("digits of an exponent")
		}
	}
	n := alias(b[s.pos:i])
	s.pos = i
	return n, true
}

// whole takes a whole number within [low, high], or null for none.
func (s *scanner) whole(low, high int64) (n int64, given, ok bool) {
	n, end := digits(s.in, s.pos)
	if end == 0 {
		n, end = short(s.in, s.pos)
	}
	if end > 0 && n >= low && n <= high {
		s.pos = end
		return n, true, true
	}
	if s.null() {
		return 0, false, true
	}
	n, ok = s.int(low, high)
	return n, true, ok
}

// int takes a whole number within [low, high].
func (s *scanner) int(low, high int64) (int64, bool) {
	c := s.space()
	if c != '-' && (c < '0' || c > '9') {
		return 0, s.mistyped("a whole number")
	}
	text, ok := s.number()
	if !ok {
		return 0, false
	}
	var n uint64
	digits := text
	if c == '-' {
		digits = text[1:]
	}
	for i := range len(digits) {
		d := uint64(digits[i] - '0')
		if d > 9 {
			return 0, s.fail(ReasonWrongType, "a whole number")
		}
		if n > (math.MaxInt64-d)/10 {
			return 0, s.fail(ReasonOutOfRange, expectRange(low, high))
		}
		n = n*10 + d
	}
	v := int64(n)
	if c == '-' {
		v = -v
	}
	if v < low || v > high {
		return 0, s.fail(ReasonOutOfRange, expectRange(low, high))
	}
	return v, true
}

// digits is short for up to seven digits that are not the last of the text, all at once. It may say no where short says yes.
func digits(b []byte, i int) (n int64, end int) {
	if i+8 > len(b) {
		return 0, 0
	}
	if c := b[i] - '0'; c <= 9 && (b[i+1] == ',' || b[i+1] == '}') {
		return int64(c), i + 1
	}
	x := binary.LittleEndian.Uint64(b[i:]) ^ ones*'0'
	// A digit is below ten now: neither it nor it and six have a high nibble. What a byte behind carries into does not matter.
	other := (x | (x + ones*6)) & (ones * 0xf0)
	k := bits.TrailingZeros64(other) / 8
	if k == 0 || k == 8 {
		return 0, 0
	}
	if c := b[i+k]; c == '.' || c|0x20 == 'e' || k > 1 && b[i] == '0' {
		return 0, 0
	}
	// Two, four and eight digits at once, the last in the highest byte.
	x <<= 64 - 8*k
	x = x*10 + x>>8
	const pairs = 0x000000ff000000ff
	x = ((x&pairs)*(100+1_000_000<<32) + (x>>16&pairs)*(1+10_000<<32)) >> 32
	return int64(x), i + k
}

// short reads a whole number of up to 15 digits that something other than a digit, a point or an exponent follows; end is 0 if there is
// none: then number says what is wrong, or right.
func short(b []byte, i int) (n int64, end int) {
	negative := i < len(b) && b[i] == '-'
	if negative {
		i++
	}
	from := i
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		n = n*10 + int64(b[i]-'0')
	}
	if i == from || i-from > 15 || i-from > 1 && b[from] == '0' || i == len(b) || b[i] == '.' || b[i]|0x20 == 'e' {
		return 0, 0
	}
	if negative {
		n = -n
	}
	return n, i
}

// shortDecimal is short for thousandths: up to 9 digits, and up to 3 behind a point.
func shortDecimal(b []byte, i int) (n int64, end int) {
	from := i
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		n = n*10 + int64(b[i]-'0')
	}
	if i == from || i-from > 9 || i-from > 1 && b[from] == '0' || i == len(b) {
		return 0, 0
	}
	scale := int64(1000)
	if b[i] == '.' {
		i++
		for ; i < len(b) && b[i]-'0' <= 9 && scale > 1; i++ {
			n = n*10 + int64(b[i]-'0')
			scale /= 10
		}
		if scale == 1000 || i == len(b) || b[i]-'0' <= 9 {
			return 0, 0
		}
	}
	if b[i] == '.' || b[i]|0x20 == 'e' {
		return 0, 0
	}
	return n * scale, i
}

func expectRange(low, high int64) string {
	return strconv.FormatInt(low, 10) + " to " + strconv.FormatInt(high, 10)
}

// thousandths takes a decimal number of at most three decimals, exactly, or null for none.
func (s *scanner) thousandths(into *int64) bool {
	if n, end := digits(s.in, s.pos); end > 0 {
		*into, s.pos = n*1000, end
		return true
	}
	if n, end := shortDecimal(s.in, s.pos); end > 0 {
		*into, s.pos = n, end
		return true
	}
	if s.null() {
		return true
	}
	c := s.space()
	if c != '-' && (c < '0' || c > '9') {
		return s.mistyped("a number")
	}
	text, ok := s.number()
	if !ok {
		return false
	}
	i, negative := 0, text[0] == '-'
	if negative {
		i++
	}
	var n, scale int64 // n / 10^scale
	point := false
	for ; i < len(text) && text[i] != 'e' && text[i] != 'E'; i++ {
		if text[i] == '.' {
			point = true
			continue
		}
		if n > maxQuantity*1000 {
			return s.fail(ReasonOutOfRange, expectRange(-maxQuantity/1000, maxQuantity/1000))
		}
		n = n*10 + int64(text[i]-'0')
		if point {
			scale++
		}
	}
	if i < len(text) {
		e, err := strconv.ParseInt(text[i+1:], 10, 16)
		if err != nil {
			return s.fail(ReasonOutOfRange, expectRange(-maxQuantity/1000, maxQuantity/1000))
		}
		scale -= e
	}
	for ; scale < 3 && n != 0; scale++ {
		if n > maxQuantity {
			break
		}
		n *= 10
	}
	for ; scale > 3 && n%10 == 0 && n != 0; scale-- {
		n /= 10
	}
	switch {
	case n == 0:
	case scale > 3:
		return s.fail(ReasonInvalidValue, "at most three decimals")
	case n > maxQuantity:
		return s.fail(ReasonOutOfRange, expectRange(-maxQuantity/1000, maxQuantity/1000))
	}
	if negative {
		n = -n
	}
	*into = n
	return true
}

// alias makes a string of bytes without copying them.
func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
