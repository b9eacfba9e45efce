package simulator

import "strconv"

// The encoder writes JSON by hand: it is most of what the simulator does. Strings are of the simulator's own tables and need no
// escapes, which a test checks by decoding everything with encoding/json.

func appendText(b []byte, key, value string) []byte {
	b = append(b, key...)
	b = append(b, '"')
	b = append(b, value...)
	return append(b, '"')
}

// appendKnown leaves out what is not known.
func appendKnown(b []byte, key, value string) []byte {
	if value == "" {
		return b
	}
	return appendText(b, key, value)
}

func appendInt(b []byte, key string, value int64) []byte {
	return strconv.AppendInt(append(b, key...), value, 10)
}

// appendAmount leaves out zero.
func appendAmount(b []byte, key string, value int64) []byte {
	if value == 0 {
		return b
	}
	return appendInt(b, key, value)
}

// appendQuantity writes thousandths as a decimal without trailing zeros.
func appendQuantity(b []byte, q int64) []byte {
	if q < 0 {
		b = append(b, '-')
		q = -q
	}
	b = strconv.AppendInt(b, q/1000, 10)
	if f := q % 1000; f > 0 {
		b = append(b, '.', byte('0'+f/100))
		if f%100 > 0 {
			b = append(b, byte('0'+f/10%10))
		}
		if f%10 > 0 {
			b = append(b, byte('0'+f%10))
		}
	}
	return b
}

func appendTimeField(b []byte, key string, at, offset int64) []byte {
	b = append(b, key...)
	b = append(b, '"')
	b = appendTime(b, at, offset)
	return append(b, '"')
}

// appendTime writes RFC 3339 with milliseconds, unless there are none. The offset is in ms.
func appendTime(b []byte, at, offset int64) []byte {
	local := at + offset
	date := floorDiv(local, day)
	ms := local - date*day
	b = appendDate(b, int32(date))
	b = append(b, 'T')
	b = appendTwo(b, ms/hour)
	b = append(b, ':')
	b = appendTwo(b, ms/minute%60)
	b = append(b, ':')
	b = appendTwo(b, ms/second%60)
	if f := ms % second; f > 0 {
		b = append(b, '.', byte('0'+f/100), byte('0'+f/10%10), byte('0'+f%10))
	}
	sign := byte('+')
	if offset < 0 {
		sign, offset = '-', -offset
	}
	b = append(b, sign)
	b = appendTwo(b, offset/hour)
	b = append(b, ':')
	return appendTwo(b, offset/minute%60)
}

// appendDate writes days since 1970 as a date (civil from days, as in H. Hinnant, chrono-Compatible Low-Level Date Algorithms).
func appendDate(b []byte, days int32) []byte {
	z := int64(days) + 719468
	era := floorDiv(z, 146097)
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	year, month := yoe+era*400, mp+3
	if month > 12 {
		month -= 12
		year++
	}
	b = appendTwo(b, year/100)
	b = appendTwo(b, year%100)
	b = append(b, '-')
	b = appendTwo(b, month)
	b = append(b, '-')
	return appendTwo(b, doy-(153*mp+2)/5+1)
}

func appendTwo(b []byte, n int64) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

// appendLetters writes a number as n letters: no run of digits in a reference can be taken for a card number.
func appendLetters(b []byte, x uint64, n int) []byte {
	for range n {
		b = append(b, byte('A'+x%26))
		x /= 26
	}
	return b
}

// appendID is unique within the till.
func appendID(b []byte, t *till, topic int, install int, sequence uint64) []byte {
	b = append(b, t.id...)
	if topic == health {
		b = append(b, "-h"...)
	} else {
		b = append(b, "-t"...)
	}
	b = strconv.AppendInt(b, int64(install), 10)
	b = append(b, '-')
	return strconv.AppendUint(b, sequence, 10)
}

// appendEnvelope writes what all events have. The type is followed by the time: see spoil.
func appendEnvelope(b []byte, h *header) []byte {
	t := h.till
	b = append(b, `{"id":"`...)
	b = appendID(b, t, h.topic, t.install, h.sequence)
	b = appendText(b, `","source":`, t.id)
	if h.topic == health {
		b = append(b, `,"type":"pos.health.v1"`...)
	} else {
		b = append(b, `,"type":"pos.transaction.v1"`...)
	}
	b = appendTimeField(b, `,"time":`, h.time, h.offset)
	if t.stamped {
		b = appendTimeField(b, `,"sent_at":`, h.sent, h.offset)
	}
	if !t.numberless {
		b = strconv.AppendUint(append(b, `,"sequence":`...), h.sequence, 10)
		if t.epochs {
			b = appendInt(b, `,"sequence_epoch":`, int64(t.install))
		}
	}
	b = appendText(b, `,"store_id":`, t.store.id)
	b = appendText(b, `,"terminal_id":`, t.id)
	if !t.sparse && h.topic == transactions {
		b = appendText(b, `,"gln":`, t.store.gln)
	}
	return b
}
