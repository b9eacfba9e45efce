package simulator

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"github.com/tillstream/tillstream/processor/event"
)

// dirt is what is wrong with an event.
type dirt uint8

const (
	clean dirt = iota
	truncated
	wrongType
	noIdentity
	absurdAmount
	fromFuture
	farPast
	noDate
	notUTF8
	empty
	unknownType
	unknownValue // of an open enum; kept
	cardNumber   // where somebody typed one; masked and kept
	dirts
)

// dirtNames are Event.Dirty, and the reasons of the dead letters that follow.
var dirtNames = [dirts]struct {
	name   string
	reason event.Reason
}{
	clean:        {},
	truncated:    {"truncated", event.ReasonMalformed},
	wrongType:    {"wrong type", event.ReasonWrongType},
	noIdentity:   {"missing identity", event.ReasonMissingField},
	absurdAmount: {"absurd amount", event.ReasonOutOfRange},
	fromFuture:   {"future", event.ReasonFuture},
	farPast:      {"far past", event.ReasonTooOld},
	noDate:       {"impossible date", event.ReasonInvalidValue},
	notUTF8:      {"invalid UTF-8", event.ReasonInvalidUTF8},
	empty:        {"empty", event.ReasonEmpty},
	unknownType:  {"unknown type", event.ReasonUnknownType},
	unknownValue: {"unknown value", ""},
	cardNumber:   {"card number", ""},
}

// rejected says whether such an event becomes a dead letter.
func (d dirt) rejected() bool { return dirtNames[d].reason != "" }

// spoil gives a copy of an event with one thing wrong; clean if the one that was drawn does not fit.
func (o *output) spoil(h *header, value []byte) (dirt, []byte) {
	r := h.till.store.random
	d := dirt(1 + r.IntN(int(dirts)-1))
	b := append(o.spoilt[:0], value...)
	ok := true
	switch d {
	case truncated:
		n := len(b)/4 + r.IntN(len(b)/2)
		for n > 0 && !utf8.RuneStart(b[n]) {
			n--
		}
		b = b[:n]
	case wrongType:
		b, ok = replace(b, `"time":`, strconv.AppendInt(nil, h.time, 10))
	case noIdentity:
		field := [...]string{`"id":`, `"store_id":`, `"terminal_id":`}[r.IntN(3)]
		i := bytes.Index(b, []byte(field))
		b = append(b[:i], b[i+len(field)+valueLength(b[i+len(field):])+1:]...) // and the comma
	case absurdAmount:
		b, ok = replace(b, `"gross":`, []byte("98765432109876543210"))
	case fromFuture:
		b = setTime(b, h.time+r.between(day, 900*day), h.offset)
	case farPast:
		b = setTime(b, r.between(0, day), h.offset) // the battery of its clock was empty
	case noDate:
		b, ok = replace(b, `"time":`, []byte(`"2026-02-30T10:00:00Z"`))
	case notUTF8:
		b = bytes.Replace(b, []byte(`"kind":"`), []byte("\"kind\":\"\xc3("), 1)
	case empty:
		b = b[:0]
	case unknownType:
		b = bytes.Replace(b, []byte(`.v1","time"`), []byte(`.v9","time"`), 1)
	case unknownValue:
		n := len(b)
		b = bytes.Replace(b, []byte(`"entry_mode":"`), []byte(`"entry_mode":"neural_`), 1)
		b = bytes.Replace(b, []byte(`"kind":"heartbeat"`), []byte(`"kind":"pulse"`), 1)
		ok = len(b) != n
	case cardNumber:
		ok = !bytes.Contains(b, []byte(`"not_found"`)) && bytes.Contains(b, []byte(`,"lines":[`))
		if ok {
			pan := luhn("4" + strconv.FormatInt(10_000_000_000_000+r.Int64N(89_999_999_999_999), 10))
			b = bytes.Replace(b, []byte(`,"lines":[`), []byte(`,"not_found":[{"code":"`+pan+`","disposition":"refused"}],"lines":[`), 1)
		}
	default:
		ok = false
	}
	o.spoilt = b
	if !ok {
		return clean, value
	}
	return d, b
}

// replace puts another value behind the first such key; false if there is none.
func replace(b []byte, key string, value []byte) ([]byte, bool) {
	i := bytes.Index(b, []byte(key))
	if i < 0 {
		return b, false
	}
	i += len(key)
	rest := bytes.Clone(b[i+valueLength(b[i:]):])
	return append(append(b[:i], value...), rest...), true
}

// valueLength is that of the string or number that b begins with. No string of ours has a quote in it.
func valueLength(b []byte) int {
	if b[0] == '"' {
		return bytes.IndexByte(b[1:], '"') + 2
	}
	return bytes.IndexAny(b, ",}]")
}

func setTime(b []byte, at, offset int64) []byte {
	text := append(appendTime([]byte{'"'}, at, offset), '"')
	b, _ = replace(b, `"time":`, text)
	b, _ = replace(b, `"ended_at":`, text)
	return b
}

// luhn appends the check digit of ISO/IEC 7812-1.
func luhn(digits string) string {
	sum := 0
	for i := range digits {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return digits + string(rune('0'+(10-sum%10)%10))
}
