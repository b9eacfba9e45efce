package statement

import (
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla"
)

// Both languages have the same phrases with the same arguments; notes are written in English.
func TestWords(t *testing.T) {
	verb := regexp.MustCompile(`%(?:\[\d\])?[sd]`)
	for key, fr := range frenchWords {
		en, ok := englishWords[key]
		if note, is := strings.CutPrefix(key, "note."); is {
			ok, en = note != "" && !ok, note
		}
		sorted := func(s string) []string {
			all := verb.FindAllString(s, -1)
			slices.Sort(all)
			return slices.Compact(all)
		}
		if a, b := sorted(en), sorted(fr); !ok || !slices.Equal(a, b) {
			t.Errorf("%s takes %v in English and %v in French", key, a, b)
		}
	}
	for key := range maps.Keys(englishWords) {
		if _, ok := frenchWords[key]; !ok {
			t.Errorf("%s has no French words", key)
		}
	}
	for _, l := range []*language{&english, &french} {
		for key, words := range l.words {
			if l.typeset(words) != words && l.tag == "en" {
				t.Errorf("%s: English is typeset as French", key)
			}
			if strings.ContainsAny(words, "'\"") {
				t.Errorf("%s: %q has typewriter's quotes", key, words)
			}
		}
	}
}

func TestLanguages(t *testing.T) {
	rat := func(a, b int64) *big.Rat { return big.NewRat(a, b) }
	winter := time.Date(2026, 10, 25, 2, 30, 0, 0, time.UTC).In(paris)
	for _, c := range []struct{ en, fr, want string }{
		{english.decimal("1234567.5"), french.decimal("1234567.5"), "1,234,567.5 1\u202f234\u202f567,5"},
		{english.decimal("-0.25"), french.decimal("-0.25"), "−0.25 −0,25"},
		{english.money("1800.00", "EUR"), french.money("1800.00", "EUR"), "€1,800.00 1\u202f800,00\u00a0€"},
		{english.money("1800", "JPY"), french.money("1800", "JPY"), "JPY\u00a01,800 1\u202f800\u00a0JPY"},
		{english.length(15_300_000), french.length(5_034_567), "4\u00a0h\u00a015\u00a0min 1\u00a0h\u00a023\u00a0min\u00a054,567\u00a0s"},
		{english.length(0), french.length(-60_000), "0\u00a0s −1\u00a0min"},
		{english.quantity(rat(995, 1000), Share, false, rat(995, 1000)), french.quantity(rat(1, 3), Share, false, nil), "99.500% 33,333\u202f%"},
		{english.quantity(rat(99_499_999, 100_000_000), Share, false, rat(995, 1000)), french.quantity(rat(99_500_000_001, 100_000_000_000), Share, false, rat(995, 1000)), "99.499999% 99,500000001\u202f%"},
		{english.quantity(rat(18_060_001, 12_040), MS, false, rat(1500, 1)), french.quantity(rat(1500, 1), MS, false, rat(1500, 1)), "1,500.0001\u00a0ms 1\u202f500\u00a0ms"},
		{english.quantity(rat(14_400_001, 1), MS, true, rat(14_400_000, 1)), french.quantity(rat(14_400_499, 1), MS, true, rat(18_000_000, 1)), "4\u00a0h\u00a00.001\u00a0s 4\u00a0h"},
		{english.date(winter), french.date(time.Date(2026, 8, 1, 0, 0, 0, 0, paris)), "25\u00a0October\u00a02026 1er\u00a0août\u00a02026"},
		{english.clock(winter), french.clock(winter.AddDate(0, 0, 1)), "03:30:00\u00a0+01:00 03:30:00"},
		{french.say("why.met", "1", "2", "3", "4"), french.say("stage.line.final"), "La valeur est de 1 (promis\u00a0: 4). Définitif\u00a0: la période est close."},
		{english.note("above the cap; a remark"), french.note("above the cap; notice was given only 47h0m0s before; a remark"), "above the cap; a remark au-delà du plafond\u202f; préavis de 47\u00a0h seulement\u202f; a remark"},
	} {
		if got := c.en + " " + c.fr; got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// A figure that is shown is on the same side of what was promised as the figure itself, and no farther away than a thousandth of a per cent.
func TestRoundingCrossesNothing(t *testing.T) {
	read := func(s string) *big.Rat {
		x, ok := new(big.Rat).SetString(s)
		if !ok {
			t.Fatalf("%q is no number", s)
		}
		return x
	}
	rapid.Check(t, func(t *rapid.T) {
		of := rapid.Int64Range(1, 1<<50).Draw(t, "of")
		limit := big.NewRat(rapid.Int64Range(0, 1_000_000_000).Draw(t, "limit"), 1_000_000_000)
		part := rapid.Int64Range(0, of).Draw(t, "part")
		if rapid.Bool().Draw(t, "close") {
			at := new(big.Int).Quo(new(big.Int).Mul(limit.Num(), big.NewInt(of)), limit.Denom()).Int64()
			part = min(max(at+rapid.Int64Range(-3, 3).Draw(t, "by"), 0), of)
		}
		x, hundred := big.NewRat(part, of), big.NewRat(100, 1)
		shown := read(near(x, limit, hundred, 3))
		is, want := shown.Cmp(new(big.Rat).Mul(limit, hundred)), x.Cmp(limit)
		far := new(big.Rat).Sub(shown, new(big.Rat).Mul(x, hundred))
		if far.Abs(far).Cmp(big.NewRat(1, 1000)) > 0 {
			t.Fatalf("%v is shown as %v", x, shown)
		}
		// so close that nine digits do not tell: then it is cut
		if is != want && far.Cmp(big.NewRat(1, 1_000_000_000)) > 0 {
			t.Fatalf("%v is shown as %v, the limit is %v", x, shown, limit)
		}
	})
}

func TestAmounts(t *testing.T) {
	for _, c := range []struct {
		minor    int64
		currency string
		want     Amount
	}{
		{180_000, "EUR", "1800.00"}, {5, "EUR", "0.05"}, {-5, "EUR", "-0.05"}, {0, "EUR", "0.00"}, {1234, "JPY", "1234"}, {1234, "BHD", "1.234"}, {1234, "CLF", "0.1234"}, {-1 << 62, "TND", "-4611686018427387.904"},
	} {
		if got := AmountOf(c.minor, c.currency); got != c.want {
			t.Errorf("%d %s is %s, want %s", c.minor, c.currency, got, c.want)
		}
	}
	if f := FigureOf(sla.Ratio{Part: 2, Of: 3}); *f != (Figure{"0.666666666", 2, 3}) {
		t.Error(f)
	}
	if f := FigureOf(sla.Ratio{Part: 15_300_000, Of: 1}); f.Value != "15300000.000000000" {
		t.Error(f)
	}
	if f := FigureOf(sla.Ratio{}); f != nil {
		t.Error(f)
	}
}

func TestPeriodNames(t *testing.T) {
	for name, want := range map[string]string{
		"2026-10": "month 2026-10-01", "2026-10-26": "day 2026-10-26", "2026-W44": "week 2026-10-26", "2026-W01": "week 2025-12-29", "2026-W53": "week 2026-12-28",
		"2026-Q4": "quarter 2026-10-01", "2026-H2": "half_year 2026-07-01", "2026": "year 2026-01-01",
	} {
		u, d, err := ParsePeriod(name)
		if got := fmt.Sprintf("%s %s", u, d); err != nil || got != want {
			t.Errorf("%s is %s, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "2026-13", "2026-00", "2026-02-30", "2026-W54", "2025-W53", "2026-W00", "2026-Q5", "26-10", "2026-10 ", "2026-1"} {
		if u, d, err := ParsePeriod(name); err == nil {
			t.Errorf("%q is read as %s %s", name, u, d)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		c := sla.Calendar{Unit: rapid.SampledFrom([]sla.Unit{sla.Day, sla.Week, sla.Month, sla.Quarter, sla.HalfYear, sla.Year}).Draw(t, "unit"), Zone: paris}
		x := c.At(rapid.Int64Range(0, 4_000_000_000_000).Draw(t, "at"))
		p := PeriodOf(c, x)
		u, d, err := ParsePeriod(p.Name)
		if err != nil || u != c.Unit || registry.Begins(paris, d) != x.From || p.To.UnixMilli() != x.To {
			t.Fatalf("%+v is read as %s %s, %v", p, u, d, err)
		}
		for _, l := range []*language{&english, &french} {
			if words := l.period(&p); words == "" || strings.Contains(words, "[") || strings.Contains(words, "%") {
				t.Fatalf("%s is %q", p.Name, words)
			}
		}
	})
	q := PeriodOf(sla.Calendar{Unit: sla.Quarter, Zone: paris}, sla.Calendar{Unit: sla.Quarter, Zone: paris}.At(at("10T00:00")))
	h := PeriodOf(sla.Calendar{Unit: sla.HalfYear, Zone: paris}, sla.Calendar{Unit: sla.HalfYear, Zone: paris}.At(at("10T00:00")+200*dayMS))
	if d := cmp.Diff([]string{"quarter 1 of 2026", "semestre 2 de 2026"}, []string{english.period(&q), french.period(&h)}); d != "" {
		t.Error(d)
	}
}
