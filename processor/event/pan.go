package event

import "bytes"

// Card numbers (primary account numbers, PAN) must not enter (PCI DSS 3.4.1, 3.5.1). One is a run of digits, in groups parted by
// single spaces or dashes if at all, with an issuer's prefix, a length of that issuer and a valid Luhn digit (ISO/IEC 7812-1). All
// but its last four digits become asterisks. One GTIN in ten passes Luhn too: a product code that is nothing but a GTIN with a valid
// GS1 check digit stays.

// minPAN is the length of the shortest card number that is issued; cards of 13 digits no longer are.
const minPAN, maxPAN = 14, 19

// MaskPANs masks card numbers in place, anywhere in b, and returns how many. Product codes are known by their JSON key.
func MaskPANs(b []byte) int {
	if !suspicious(b) {
		return 0
	}
	n := 0
	eachRun(b, func(start, end int) {
		if !isCode(b, start, end) {
			n += maskRun(b[start:end])
		}
	})
	return n
}

// mask masks card numbers in one string; code says that it may be a GTIN.
func mask(b []byte, code bool) int {
	if !suspicious(b) || code && isGTIN(b) {
		return 0
	}
	n := 0
	eachRun(b, func(start, end int) { n += maskRun(b[start:end]) })
	return n
}

func digit(c byte) bool { return c-'0' <= 9 }

func inRun(c byte) bool { return digit(c) || c == ' ' || c == '-' }

// suspicious says whether b may hold a card number. A run of minPAN bytes covers a multiple of minPAN-1, so few bytes are looked at.
func suspicious(b []byte) bool {
	const stride = minPAN - 1
	for i := stride - 1; i < len(b); i += stride {
		if !inRun(b[i]) {
			continue
		}
		digits := 0
		for j := i; j >= 0 && inRun(b[j]); j-- {
			if digit(b[j]) {
				digits++
			}
		}
		j := i + 1
		for ; j < len(b) && inRun(b[j]); j++ {
			if digit(b[j]) {
				digits++
			}
		}
		if digits >= minPAN {
			return true
		}
		i += (j - i) / stride * stride
	}
	return false
}

// eachRun finds the longest runs of digits with single separators between them.
func eachRun(b []byte, f func(start, end int)) {
	for i := 0; i < len(b); {
		if !digit(b[i]) {
			i++
			continue
		}
		start, digits := i, 0
		for i < len(b) && (digit(b[i]) || inRun(b[i]) && i+1 < len(b) && digit(b[i+1])) {
			if digit(b[i]) {
				digits++
			}
			i++
		}
		if digits >= minPAN {
			f(start, i)
		}
	}
}

// maskRun masks the card numbers of a run. One may begin and end with any group: «4111 1111 1111 1111 12/27» is a card and more.
func maskRun(run []byte) int {
	n := 0
	for start := 0; start < len(run); {
		if end := cardAt(run, start); end > 0 {
			n++
			last := 0
			for i := end - 1; i >= start; i-- {
				if !digit(run[i]) {
					continue
				}
				if last++; last > 4 {
					run[i] = '*'
				}
			}
			start = end
		}
		for start < len(run) && digit(run[start]) {
			start++
		}
		for start < len(run) && !digit(run[start]) {
			start++
		}
	}
	return n
}

// cardAt is where the longest card number that begins at start and ends with a group ends; 0 if there is none.
func cardAt(run []byte, start int) (end int) {
	var number [maxPAN]byte
	n := 0
	for i := start; i < len(run); i++ {
		if !digit(run[i]) {
			continue
		}
		if n == maxPAN {
			break
		}
		number[n] = run[i] - '0'
		n++
		if (i+1 == len(run) || !digit(run[i+1])) && n >= minPAN && issued(number[:n]) && luhn(number[:n]) {
			end = i + 1
		}
	}
	return end
}

// issued says whether an issuer has cards of this prefix and length.
func issued(d []byte) bool {
	n := len(d)
	six := 0
	for _, x := range d[:6] {
		six = six*10 + int(x)
	}
	four, three, two := six/100, six/1000, six/10000
	long := n >= 16 // up to 19
	switch {
	case d[0] == 4: // Visa
		return n == 16 || n == 19
	case two >= 51 && two <= 55, four >= 2221 && four <= 2720: // Mastercard
		return n == 16
	case two == 34, two == 37: // American Express
		return n == 15
	case three >= 300 && three <= 305, four == 3095, two == 36, two == 38, two == 39: // Diners Club
		return n == 14 || long
	case four >= 3528 && four <= 3589: // JCB
		return long
	case four == 6011, three >= 644 && three <= 649, two == 65: // Discover
		return long
	case two == 62, two == 81, two == 60, two == 82, three == 508: // UnionPay, RuPay
		return long
	case two == 50, two >= 56 && two <= 58, two == 63, two == 67: // Maestro
		return n >= 15
	case four >= 2200 && four <= 2204, four == 9792: // Mir, Troy
		return long
	}
	return false
}

func luhn(d []byte) bool {
	sum := 0
	for i, x := range d {
		v := int(x)
		if (len(d)-i)%2 == 0 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return sum%10 == 0
}

// isGTIN says whether b is a GTIN-8, -12, -13 or -14, or a GLN, with a valid GS1 check digit (GS1 General Specifications 7.9).
func isGTIN(b []byte) bool {
	switch len(b) {
	case 8, 12, 13, 14:
	default:
		return false
	}
	sum := 0
	for i, c := range b {
		if !digit(c) {
			return false
		}
		v := int(c - '0')
		if (len(b)-i)%2 == 0 {
			v *= 3
		}
		sum += v
	}
	return sum%10 == 0
}

// isCode says whether the run is a GTIN that is the whole value of a product code in JSON text.
func isCode(b []byte, start, end int) bool {
	if !isGTIN(b[start:end]) || start == 0 || b[start-1] != '"' || end == len(b) || b[end] != '"' {
		return false
	}
	key, colon := bytes.CutSuffix(bytes.TrimRight(b[:start-1], " \t\r\n"), []byte(":"))
	key = bytes.TrimRight(key, " \t\r\n")
	return colon && (bytes.HasSuffix(key, []byte(`"product_id"`)) || bytes.HasSuffix(key, []byte(`"gtin"`)))
}
