package agreement

import (
	"math/big"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/interval"
)

// A decimal is the number that was written, to the last digit, and its text is always the same.
func TestDecimalIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?[0-9]{1,9}(\.[0-9]{1,9})?`).Draw(t, "text")
		d, err := ParseDecimal(text)
		if err != nil {
			t.Fatal(err)
		}
		want, _ := new(big.Rat).SetString(text)
		if d.Rat().Cmp(want) != 0 || d.IsZero() {
			t.Fatalf("%s is %s", text, d)
		}
		again, err := ParseDecimal(d.String())
		if err != nil || again != d {
			t.Fatalf("%s is written as %s", text, d)
		}
	})
	for _, bad := range []string{"", ".", ".5", "1.", "1e3", "0x1", "1_000", "+1", "--1", "99.5%", "0.1234567890", "10000000000", "∞"} {
		if d, err := ParseDecimal(bad); err == nil {
			t.Errorf("%q is %s", bad, d)
		}
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]string{
		"3m": "3m", "180s": "3m", "90m": "90m", "1h30m": "90m", "72h": "72h", "250ms": "250ms", "0s": "0s", "30d": "30d", "2w": "14d",
		"6M": "6M", "1Q": "3M", "1Y": "12M", "1Y6M": "18M",
	} {
		if d, err := ParseDuration(text); err != nil || d.String() != want || d.IsZero() {
			t.Errorf("%s is %s (%v), want %s", text, d, err, want)
		}
	}
	for _, bad := range []string{"", "3", "m", "1.5h", "-3m", "3 m", "3x", "1d2h", "1M1d", "99999999999999Y", "99999999999h"} {
		if d, err := ParseDuration(bad); err == nil {
			t.Errorf("%q is %s", bad, d)
		}
	}
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ from, d, after, before string }{
		{"2026-03-28T12:00:30+01:00", "1d", "2026-03-29T12:00:30+02:00", "2026-03-27T12:00:30+01:00"}, // 23 h over the change
		{"2026-03-28T12:00:00+01:00", "24h", "2026-03-29T13:00:00+02:00", "2026-03-27T12:00:00+01:00"},
		{"2026-08-31T09:00:00+02:00", "6M", "2027-02-28T09:00:00+01:00", "2026-02-28T09:00:00+01:00"},
		{"2024-02-29T00:00:00+01:00", "1Y", "2025-02-28T00:00:00+01:00", "2023-02-28T00:00:00+01:00"},
		{"2026-03-28T02:30:00+01:00", "1d", "2026-03-29T03:00:00+02:00", "2026-03-27T02:30:00+01:00"}, // 02:30 does not exist
	} {
		at, err := time.Parse(time.RFC3339, c.from)
		if err != nil {
			t.Fatal(err)
		}
		show := func(ms int64) string { return time.UnixMilli(ms).In(paris).Format(time.RFC3339) }
		d := duration(c.d)
		if a, b := show(d.After(at.UnixMilli(), paris)), show(d.Before(at.UnixMilli(), paris)); a != c.after || b != c.before {
			t.Errorf("%s after %s is %s, before %s; want %s, %s", c.d, c.from, a, b, c.after, c.before)
		}
	}
}

func TestWindow(t *testing.T) {
	var w Windows
	for _, text := range []string{"Sun 00:00-06:00", "sat-Mon 22:00-02:00"} {
		var one Window
		if err := one.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		w = append(w, one)
	}
	instant := func(s string) int64 {
		x, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return x.UnixMilli()
	}
	// The weekend of the change: the night is an hour shorter.
	got := w.In("Europe/Paris", interval.Span{From: instant("2026-03-28T00:00:00+01:00"), To: instant("2026-03-30T12:00:00+02:00")})
	want := interval.Set{
		{From: instant("2026-03-28T22:00:00+01:00"), To: instant("2026-03-29T06:00:00+02:00")}, // Saturday's and Sunday's touch
		{From: instant("2026-03-29T22:00:00+02:00"), To: instant("2026-03-30T02:00:00+02:00")},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for _, bad := range []string{"", "Sun", "00:00-06:00", "Sun 06:00-06:00", "Sunday 00:00-06:00", "Sun-Fry 00:00-01:00"} {
		var one Window
		if one.UnmarshalText([]byte(bad)) == nil {
			t.Errorf("%q is %s", bad, one)
		}
	}
}

func TestReviews(t *testing.T) {
	r := &Resolved{From: *date("2026-08-31"), Text: Text{Terms: Terms{Timezone: "Europe/Paris", Revision: Revision{Every: duration("6M"), Notice: duration("30d")}}}}
	for on, want := range map[string]Review{
		"2026-08-31": {*date("2027-02-28"), *date("2027-01-29")},
		"2027-02-28": {*date("2027-02-28"), *date("2027-01-29")},
		"2027-03-01": {*date("2027-08-31"), *date("2027-08-01")}, // the 31st again
	} {
		if got, ok := r.Next(*date(on)); !ok || got != want {
			t.Errorf("on %s: %v, want %v", on, got, want)
		}
	}
	r.Terms.Revision.Every = Duration{}
	if got, ok := r.Next(0); ok {
		t.Errorf("no review was agreed: %v", got)
	}
}

// Who inherits is nearer than what it inherits, and what one says of the order holds.
func TestLine(t *testing.T) {
	book := func(inherits map[string][]string) Book {
		b := Book{Agreements: map[string]*Agreement{}}
		for name, up := range inherits {
			b.Agreements[name] = &Agreement{Level: "service", Inherits: up, Versions: []Version{{Version: 1, From: date("2026-01-01")}}}
		}
		return b
	}
	on := *date("2026-01-01")
	for _, c := range []struct {
		inherits map[string][]string
		want     []string
	}{
		{map[string][]string{"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "d": nil}, []string{"a", "b", "c", "d"}}, // not a, b, d, c
		{map[string][]string{"a": {"z", "c"}, "z": {"y"}, "c": {"y", "b"}, "y": nil, "b": nil}, []string{"a", "z", "c", "y", "b"}},
		{map[string][]string{"a": {"b"}, "b": {"c", "d"}, "c": {"e"}, "d": {"e"}, "e": nil}, []string{"a", "b", "c", "d", "e"}},
	} {
		got, err := book(c.inherits).line("a", on)
		if d := cmp.Diff(c.want, got); d != "" || err != nil {
			t.Errorf("%v: %v\n%s", c.inherits, err, d)
		}
	}
	for _, c := range []struct {
		inherits   map[string][]string
		path, says string
	}{
		{map[string][]string{"a": {"c", "b"}, "b": {"c"}, "c": nil}, "Agreement a: spec.inherits[1]", "c cannot be nearer than b here: the order in which others inherit says the opposite; put b first"},
		{map[string][]string{"a": {"b"}, "b": {"c"}, "c": {"b"}}, "Agreement c: spec.inherits[0]", "it inherits itself: b inherits c inherits b"},
	} {
		_, err := book(c.inherits).line("a", on)
		if err == nil || err.Error() != c.path+": "+c.says {
			t.Errorf("%v: %v", c.inherits, err)
		}
	}
	b := book(map[string][]string{"a": {"b"}, "b": nil})
	b.Agreements["b"].Level = "customer"
	if _, err := b.line("a", on); err == nil || err.Error() != "Agreement a: spec.inherits[0]: b is of level customer, which is below service: a level inherits from its own or from those above, corporate > service > customer" {
		t.Error(err)
	}
}

// A version begins where its date begins in its own zone, and is over where the next begins.
func TestZones(t *testing.T) {
	terms := func(zone string) Terms { return Terms{Timezone: zone} }
	b := Book{Agreements: map[string]*Agreement{"a": {Level: "service", Versions: []Version{
		{Version: 1, From: date("2026-01-01"), Terms: terms("Europe/Paris")},
		{Version: 2, From: date("2026-07-01"), To: date("2026-08-01"), Terms: terms("America/New_York")},
		{Version: 3, From: date("2026-09-01"), Terms: terms("Europe/Paris")},
	}}}}
	all, err := b.Stretches("a")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range all {
		got = append(got, time.UnixMilli(s.Span.From).UTC().Format(time.RFC3339))
		if s.Span.To != interval.Max {
			got = append(got, time.UnixMilli(s.Span.To).UTC().Format(time.RFC3339))
		}
	}
	want := []string{"2025-12-31T23:00:00Z", "2026-07-01T04:00:00Z", "2026-07-01T04:00:00Z", "2026-08-01T04:00:00Z", "2026-08-31T22:00:00Z"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
