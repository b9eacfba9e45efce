package event

import (
	"encoding/binary"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// text is what numbers and strings are made of, and things that nearly are.
func nearly(t *rapid.T, alphabet string) string {
	return rapid.StringOfN(rapid.RuneFrom([]rune(alphabet)), 0, 24, -1).Draw(t, "text")
}

// Eight bytes at a time find what one at a time finds.
func TestSpecialIsTheFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := []byte(nearly(t, "aé\x80\xff \"\\\x1f\x00!#[]\u00a2\x7f"))
		from := rapid.IntRange(0, len(b)).Draw(t, "from")
		at, seen := special(b, from)
		want, past := from, false
		for ; want < len(b) && b[want] >= ' ' && b[want] != '"' && b[want] != '\\'; want++ {
			past = past || b[want] > 127
		}
		if at != want || past && seen&highs == 0 {
			t.Fatalf("%q from %d: %d, not %d; seen %x", b, from, at, want, seen)
		}
	})
}

// What the short way of a number says, the long one says too.
func TestDigitsLikeShort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := []byte(nearly(t, "0123456789012345678901234567890123456789,}.-eE /:"))
		n, end := digits(b, 0)
		want, to := short(b, 0)
		if end > 0 && (n != want || end != to) {
			t.Fatalf("%q: %d up to %d, not %d up to %d", b, n, end, want, to)
		}
		if end == 0 && to > 0 && to <= 7 && b[0] != '-' && len(b) >= 8 {
			t.Fatalf("%q: the long way was needed", b)
		}
	})
}

// And so does that of skeletons, which leaves an exponent to what comes next.
func TestSevenDigitsLikeShort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := []byte(nearly(t, "0123456789012345678901234567890123456789,}.-E /:") + strings.Repeat(" ", 8))
		n, size := sevenDigits(binary.LittleEndian.Uint64(b))
		want, end := short(b, 0)
		if size > 0 && b[size] != 'E' && (n != want || size != end) || size == 0 && end > 0 && end <= 7 && b[0] != '-' {
			t.Fatalf("%q: %d of %d digits, not %d of %d", b, n, size, want, end)
		}
	})
}

// Times in the forms that tills send are read as ParseTime reads them, and what it refuses is refused.
func TestShortTimesLikeParseTime(t *testing.T) {
	var d dates
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(rapid.SampledFrom([]string{"2026-02-28T23:59:59", "2024-02-29T00:00:00", "1999-12-31T12:34:56"}).Draw(t, "time") +
			rapid.SampledFrom([]string{"", ".120", ".7", ".1234"}).Draw(t, "fraction") + rapid.SampledFrom([]string{"Z", "z", "+01:00", "-23:59", "+24:00", "-0100", ""}).Draw(t, "zone"))
		for range rapid.IntRange(0, 2).Draw(t, "changes") {
			text[rapid.IntRange(0, len(text)-1).Draw(t, "at")] = rapid.SampledFrom([]byte("0123456789-:TZ+. \"")).Draw(t, "byte")
		}
		want, ok := ParseTime(string(text))
		got, n := d.time([]byte(`"`+string(text)+`","`+strings.Repeat("x", 32)), 0)
		if n > 0 && (!ok || got != want || n != len(text)+2) {
			t.Fatalf("%s: %+v and %d, not %+v, %v", text, got, n, want, ok)
		}
	})
}
