package event

import (
	"encoding/binary"
	"math/bits"
)

// Card numbers (primary account numbers, PAN) must not enter (PCI DSS v4 3.4.1, 3.5.1). One is taken to be 14 to 19 digits (cards of
// 13 are no longer issued) with an issuer's prefix, a length of that issuer and a valid Luhn digit (ISO/IEC 7812-1). The digits may
// stand in groups parted by single spaces or dashes; a number begins and ends with a group, so «4111 1111 1111 1111 12/27» holds one and
// a longer unbroken run of digits holds none.

// Lengths of card numbers.
const minPAN, maxPAN = 14, 19

// MaskPANs masks the card numbers in b in place and returns how many there were. All digits but the last four become asterisks, and
// so does what follows of a magnetic track. b may be any text, broken JSON too: digits that are spelled as \u0034 are seen, and a GTIN that
// is all of a product_id, gtin or code stays, though one in ten passes Luhn.
func MaskPANs(b []byte) int {
	n := 0
	if !suspicious(b) {
		return n
	}
	for i := 0; i < len(b); {
		if _, width := digitAt(b, i); width == 0 {
			i++
			continue
		}
		end, digits := cardAt(b, i)
		if digits == 0 || isProductCode(b, i, end) {
			i = groupEnd(b, i)
			continue
		}
		maskDigits(b[i:end], digits-4)
		i = maskTrack(b, end)
		n++
	}
	return n
}

// mask masks the card numbers in one string; code says that it may be a GTIN.
func mask(b []byte, code bool) int {
	if code && isGTIN(b) {
		return 0
	}
	return MaskPANs(b)
}

// suspicious says whether b may hold a card number: whether minPAN bytes that card numbers are spelled with stand together somewhere. Two
// neighbours of every seventh byte are among any fourteen, so few bytes are looked at.
func suspicious(b []byte) bool {
	if len(b) <= 40 && countDigits(b) < minPAN {
		return false
	}
	const stride = minPAN / 2
	before := false
	for i := stride - 1; i < len(b); i += stride {
		if !inPAN[b[i]] {
			before = false
			continue
		}
		if before {
			from, to := i-stride, i+1
			for from > 0 && inPAN[b[from-1]] {
				from--
			}
			digits := 0
			for j := from; j < len(b) && inPAN[b[j]]; j++ {
				if digit(b[j]) {
					digits++
				}
				to = j + 1
			}
			if to > i && digits >= minPAN {
				return true
			}
		}
		before = true
	}
	return false
}

// countDigits is how many bytes of b are digits, eight at a time.
func countDigits(b []byte) int {
	n := 0
	for ; len(b) >= 8; b = b[8:] {
		x := binary.LittleEndian.Uint64(b) ^ ones*'0'
		n += 8 - bits.OnesCount64((x&^highs+ones*(0x80-10)|x)&highs) // of those that are ten or more
	}
	for _, c := range b {
		if digit(c) {
			n++
		}
	}
	return n
}

// inPAN holds the bytes that card numbers are spelled with: digits, separators, and what \u0034 or \u002D have besides.
var inPAN = [256]bool{
	'0': true, '1': true, '2': true, '3': true, '4': true, '5': true, '6': true, '7': true, '8': true, '9': true,
	' ': true, '-': true, '\\': true, 'u': true, 'd': true, 'D': true,
}

// charAt is the character at i and how many bytes spell it: one, or six for an escape of JSON.
func charAt(b []byte, i int) (c byte, width int) {
	if i >= len(b) {
		return 0, 0
	}
	if b[i] != '\\' || i+6 > len(b) || string(b[i+1:i+4]) != "u00" {
		return b[i], 1
	}
	c, ok := hexByte(b[i+4 : i+6])
	if !ok {
		return b[i], 1
	}
	return c, 6
}

// hexByte is the value of two hexadecimal digits.
func hexByte(b []byte) (v byte, ok bool) {
	for _, c := range b {
		switch {
		case digit(c):
			c -= '0'
		case c|0x20-'a' <= 5:
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		v = v<<4 | c
	}
	return v, true
}

func digit(c byte) bool { return c-'0' <= 9 }

// digitAt is the value of the digit at i; width is 0 if there is none.
func digitAt(b []byte, i int) (value byte, width int) {
	c, width := charAt(b, i)
	if c -= '0'; c > 9 || width == 0 {
		return 0, 0
	}
	return c, width
}

// groupEnd is where the digits that begin at i end.
func groupEnd(b []byte, i int) int {
	for {
		_, width := digitAt(b, i)
		if width == 0 {
			return i
		}
		i += width
	}
}

// cardAt looks for the longest card number that begins at i. digits is 0 if there is none.
func cardAt(b []byte, i int) (end, digits int) {
	var number [maxPAN]byte
	for n := 0; ; {
		value, width := digitAt(b, i)
		if width == 0 {
			if n >= minPAN && issued(number[:n]) && luhn(number[:n]) {
				end, digits = i, n
			}
			c, separator := charAt(b, i)
			if separator == 0 || c != ' ' && c != '-' {
				return end, digits
			}
			i += separator
			if value, width = digitAt(b, i); width == 0 {
				return end, digits
			}
		}
		if n == maxPAN {
			return end, digits
		}
		number[n] = value
		n++
		i += width
	}
}

// maskDigits masks the first n digits of b.
func maskDigits(b []byte, n int) {
	for i := 0; n > 0; {
		c, width := charAt(b, i)
		if digit(c) {
			maskAt(b, i, width)
			n--
		}
		i += width
	}
}

func maskAt(b []byte, i, width int) {
	if width == 1 {
		b[i] = '*'
	} else {
		copy(b[i:], `\u002a`)
	}
}

// maskTrack masks what follows a card number on a magnetic track and returns where that ends: on track 2 (ISO/IEC 7813) expiry, service
// code and discretionary data behind = or D, on track 1 the holder's name and the same behind ^.
func maskTrack(b []byte, i int) int {
	c, width := charAt(b, i)
	switch {
	case width == 0:
	case c == '=' || c == 'D':
		for i += width; ; i += width {
			if _, width = digitAt(b, i); width == 0 {
				return i
			}
			maskAt(b, i, width)
		}
	case c == '^':
		for ; i < len(b) && b[i] != '?' && b[i] != '"' && b[i] != '\\' && b[i] >= ' '; i++ {
			b[i] = '*'
		}
	}
	return i
}

// isProductCode says whether b[from:to] is a GTIN that is the whole value of a product code in JSON.
func isProductCode(b []byte, from, to int) bool {
	if !isGTIN(b[from:to]) || from == 0 || b[from-1] != '"' || to == len(b) || b[to] != '"' {
		return false
	}
	key, colon := cutLast(b[:from-1], ':')
	key, quote := cutLast(key, '"')
	if !colon || !quote {
		return false
	}
	for _, name := range []string{`"product_id`, `"gtin`, `"code`} {
		if len(key) >= len(name) && string(key[len(key)-len(name):]) == name {
			return true
		}
	}
	return false
}

// cutLast takes white space and then c off the end of b.
func cutLast(b []byte, c byte) ([]byte, bool) {
	n := len(b)
	for n > 0 && (b[n-1] == ' ' || b[n-1] == '\t' || b[n-1] == '\n' || b[n-1] == '\r') {
		n--
	}
	if n == 0 || b[n-1] != c {
		return b, false
	}
	return b[:n-1], true
}

// issuers are the prefixes, of six digits, that card numbers begin with, and their lengths, a bit each (ISO/IEC 7812 registry, as the
// schemes publish their ranges).
var issuers = [...]struct {
	from, to uint32
	lengths  uint32
}{
	{220000, 220499, l16to19},             // Mir
	{220500, 220599, l16},                 // Borica
	{222100, 272099, l16},                 // Mastercard
	{300000, 305999, l14 | l16to19},       // Diners Club
	{309500, 309599, l14 | l16to19},       // Diners Club
	{310000, 319999, l19},                 // T-Union
	{340000, 349999, l15},                 // American Express
	{352800, 358999, l16to19},             // JCB
	{360000, 369999, l14 | l16to19},       // Diners Club
	{370000, 379999, l15},                 // American Express
	{380000, 399999, l14 | l16to19},       // Diners Club
	{400000, 499999, l16 | l18 | l19},     // Visa
	{500000, 509999, l14 | l15 | l16to19}, // Maestro, Dankort, Elo, RuPay, Verve
	{510000, 559999, l16},                 // Mastercard
	{560000, 589999, l14 | l15 | l16to19}, // Maestro, UzCard
	{600000, 609999, l16to19},             // Discover, RuPay, Hipercard
	{620000, 629999, l16to19},             // UnionPay
	{630000, 639999, l14 | l15 | l16to19}, // Maestro, InterPayment, InstaPayment
	{644000, 659999, l16to19},             // Discover, RuPay, Troy, Verve
	{670000, 679999, l14 | l15 | l16to19}, // Maestro
	{810000, 829999, l16to19},             // UnionPay, RuPay
	{860000, 860099, l16},                 // UzCard
	{970400, 970499, l16 | l19},           // Napas
	{979200, 979299, l16},                 // Troy
	{986000, 986099, l16},                 // Humo
}

const (
	l14     = 1 << 14
	l15     = 1 << 15
	l16     = 1 << 16
	l18     = 1 << 18
	l19     = 1 << 19
	l16to19 = l16 | 1<<17 | l18 | l19
)

// issued says whether an issuer has cards with this prefix and length.
func issued(number []byte) bool {
	prefix := uint32(0)
	for _, d := range number[:6] {
		prefix = 10*prefix + uint32(d)
	}
	for _, r := range &issuers {
		if prefix <= r.to {
			return prefix >= r.from && r.lengths>>len(number)&1 == 1
		}
	}
	return false
}

// luhn says whether the last digit is right: every second digit from the right counts twice, digits of a product added up.
func luhn(number []byte) bool {
	sum := 0
	for i, d := range number {
		v := int(d)
		if (len(number)-i)%2 == 0 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return sum%10 == 0
}
