package availability

import (
	"strings"
	"unicode/utf8"
)

const (
	maxText  = 128     // bytes of a cause, a version or a state that are kept
	maxTexts = 1 << 14 // texts remembered; they are few, unless a till makes them up
)

// texts keeps one copy of every text, so that what an event carries need not be cloned each time.
type texts map[string]string

func (t texts) keep(s string) string {
	s = clip(s)
	if k, ok := t[s]; ok {
		return k
	}
	return t.add(strings.Clone(s))
}

func (t texts) keepBytes(b []byte) string {
	if k, ok := t[string(b)]; ok { // does not allocate
		return k
	}
	return t.keep(string(b))
}

func (t texts) add(s string) string {
	if len(t) >= maxTexts {
		clear(t) // the copies in use stay alive through their users
	}
	t[s] = s
	return s
}

// clip cuts a text to maxText bytes, at the beginning of a character.
func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	n := maxText
	for n > maxText-utf8.UTFMax && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
