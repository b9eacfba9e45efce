package event

import "encoding/binary"

// time takes an RFC 3339 instant with its offset.
func (s *scanner) time(into *Time) bool {
	if t, n := s.dates.time(s.in, s.pos); n > 0 {
		*into = t
		s.pos += n
		return true
	}
	var text string
	if s.null() {
		return true
	}
	if !s.string(&text) {
		return false
	}
	t, ok := ParseTime(text)
	if !ok {
		return s.fail(ReasonInvalidValue, "a time as 2026-11-23T10:00:00.000+01:00")
	}
	*into = t
	return true
}

// date takes a day as 2026-11-23.
func (s *scanner) date(into *Opt[int32]) bool {
	var text string
	if s.null() {
		return true
	}
	if !s.string(&text) {
		return false
	}
	if len(text) == 10 {
		if days, ok := parseDate(text); ok {
			*into = Some(days)
			return true
		}
	}
	return s.fail(ReasonInvalidValue, "a day as 2026-11-23")
}

// dates remembers the day that was read last: most are the same.
type dates struct {
	text [10]byte
	days int32
	some bool
}

func (d *dates) parse(b []byte) (int32, bool) {
	if d.some && string(d.text[:]) == string(b[:10]) {
		return d.days, true
	}
	days, ok := parseDate(alias(b[:10]))
	if ok {
		copy(d.text[:], b)
		d.days, d.some = days, true
	}
	return days, ok
}

// time reads a time in quotes at b[i] that has no digits behind the second, or three, and no leading or trailing space; n is its length with the quotes, 0 if it is
// anything else, right or wrong: then ParseTime says so. Nothing of these forms can hold a card number.
func (d *dates) time(b []byte, i int) (t Time, n int) {
	if i+32 > len(b) {
		return t, 0
	}
	b = b[i : i+32]
	// Eight bytes at once, as 23:59:59: digits are less than ten then, colons zero, and a tens digit times ten plus the digit behind it is in the place of the tens.
	const digits, sixes, nibbles = 0x30303a30303a3030, 0x0606000606000606, 0xf0f0fff0f0fff0f0
	x := binary.LittleEndian.Uint64(b[12:]) ^ digits
	if b[0] != '"' || b[11] != 'T' || (x|(x+sixes))&nibbles != 0 {
		return t, 0
	}
	x = x*10 + x>>8
	hour, minute, second := x&0xff, x>>24&0xff, x>>48&0xff
	days, ok := d.parse(b[1:11])
	if !ok || hour > 23 || minute > 59 || second > 59 {
		return t, 0
	}
	milli, n := int64(days)*86_400_000+int64(hour*3600+minute*60+second)*1000, 20
	if b[n] == '.' {
		tens, last := pair(b[21:]), b[23]-'0'
		if tens > 99 || last > 9 {
			return t, 0
		}
		milli += int64(tens)*10 + int64(last)
		n = 24
	}
	offset := int32(0)
	switch c := b[n]; c {
	case 'Z':
		n++
	case '+', '-':
		h, m := pair(b[n+1:]), pair(b[n+4:])
		if b[n+3] != ':' || h > 23 || m > 59 {
			return t, 0
		}
		if offset = int32(h*3600 + m*60); c == '-' {
			offset = -offset
		}
		n += 6
	default:
		return t, 0
	}
	if b[n] != '"' {
		return t, 0
	}
	return Time{Milli: milli - int64(offset)*1000, Offset: offset, OK: true}, n + 1
}

// pair is the number that two digits are, more than 99 if they are none.
func pair(b []byte) uint {
	x, y := uint(b[0]-'0'), uint(b[1]-'0')
	if x > 9 || y > 9 {
		return 100
	}
	return 10*x + y
}

// ParseTime reads the instant of an event, in RFC 3339. Digits after the millisecond are cut off; a leap second is not accepted, as in Go.
func ParseTime(t string) (Time, bool) {
	if len(t) < 20 || t[10] != 'T' && t[10] != 't' || t[13] != ':' || t[16] != ':' {
		return Time{}, false
	}
	days, ok := parseDate(t[:10])
	hour, ok1 := two(t, 11)
	minute, ok2 := two(t, 14)
	second, ok3 := two(t, 17)
	if !ok || !ok1 || !ok2 || !ok3 || hour > 23 || minute > 59 || second > 59 {
		return Time{}, false
	}
	milli, i := int64(0), 19
	if t[i] == '.' {
		from := i + 1
		for i = from; i < len(t) && t[i] >= '0' && t[i] <= '9'; i++ {
			if i < from+3 {
				milli = milli*10 + int64(t[i]-'0')
			}
		}
		if i == from || i == len(t) {
			return Time{}, false
		}
		for n := i - from; n < 3; n++ {
			milli *= 10
		}
	}
	offset := int64(0)
	switch c := t[i]; {
	case (c == 'Z' || c == 'z') && len(t) == i+1:
	case (c == '+' || c == '-') && len(t) == i+6 && t[i+3] == ':':
		h, ok1 := two(t, i+1)
		m, ok2 := two(t, i+4)
		if !ok1 || !ok2 || h > 23 || m > 59 {
			return Time{}, false
		}
		offset = h*3600 + m*60
		if c == '-' {
			offset = -offset
		}
	default:
		return Time{}, false
	}
	seconds := int64(days)*86400 + hour*3600 + minute*60 + second - offset
	return Time{Milli: seconds*1000 + milli, Offset: int32(offset), OK: true}, true
}

// parseDate reads the ten bytes of a day of the Gregorian calendar.
func parseDate(t string) (int32, bool) {
	century, ok1 := two(t, 0)
	year, ok2 := two(t, 2)
	month, ok3 := two(t, 5)
	day, ok4 := two(t, 8)
	if !ok1 || !ok2 || !ok3 || !ok4 || t[4] != '-' || t[7] != '-' || month < 1 || month > 12 || day < 1 {
		return 0, false
	}
	year += century * 100
	if day > daysIn(year, month) {
		return 0, false
	}
	// Days from civil, as in H. Hinnant, chrono-Compatible Low-Level Date Algorithms: years begin in March. 400 years of 146,097 days are
	// added and taken away, so that nothing is negative.
	year += 400
	if month <= 2 {
		year--
		month += 12
	}
	return int32(365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 1 - 719468 - 146097), true
}

func daysIn(year, month int64) int64 {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

func two(t string, i int) (int64, bool) {
	a, b := t[i]-'0', t[i+1]-'0'
	return int64(a)*10 + int64(b), a <= 9 && b <= 9
}
