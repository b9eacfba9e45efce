package statement

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla"
)

// Spaces that do not break.
const (
	space  = "\u00a0"
	narrow = "\u202f"
)

// language is how one language writes. All of it is fixed here: a page must not change with a library.
type language struct {
	tag                   string
	words                 map[string]string
	point, group, percent string
	months, short         [12]string
}

var (
	english = language{
		tag: "en", words: englishWords, point: ".", group: ",", percent: "%",
		months: [12]string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"},
		short:  [12]string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"},
	}
	french = language{
		tag: "fr", words: frenchWords, point: ",", group: narrow, percent: narrow + "%",
		months: [12]string{"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"},
		short:  [12]string{"janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc."},
	}
)

// Languages are the tags that Page knows.
func Languages() []string { return []string{english.tag, french.tag} }

func languageOf(tag string) (*language, error) {
	for _, l := range []*language{&english, &french} {
		if l.tag == tag {
			return l, nil
		}
	}
	return nil, fmt.Errorf("there are no words for language %q: use %s", tag, strings.Join(Languages(), " or "))
}

// say is a phrase with its arguments put in. A word that is not there is shown by its key, which a test excludes.
func (l *language) say(key string, args ...any) string {
	words, ok := l.words[key]
	if !ok {
		return "[" + key + "]"
	}
	words = l.typeset(words)
	if !strings.Contains(words, "%") {
		return words
	}
	return fmt.Sprintf(words, args...)
}

// word is the word for a value of the document; the value itself if there is none.
func (l *language) word(kind, value string) string {
	if words, ok := l.words[kind+"."+value]; ok {
		return l.typeset(words)
	}
	return value
}

// typeset puts the spaces of French before its punctuation.
func (l *language) typeset(words string) string {
	if l.tag != french.tag {
		return words
	}
	for _, x := range [][2]string{{" :", space + ":"}, {" ;", narrow + ";"}, {"« ", "«" + space}, {" »", space + "»"}} {
		words = strings.ReplaceAll(words, x[0], x[1])
	}
	return words
}

// decimal writes a number that is written with a point, of any length.
func (l *language) decimal(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "\u2212", s[1:]
	}
	whole, fraction, ok := strings.Cut(s, ".")
	var b strings.Builder
	for i, r := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 && len(whole) > 3 {
			b.WriteString(l.group)
		}
		b.WriteRune(r)
	}
	if ok {
		b.WriteString(l.point + fraction)
	}
	return sign + b.String()
}

func (l *language) count(n int64) string { return l.decimal(strconv.FormatInt(n, 10)) }

// money writes an amount.
func (l *language) money(a Amount, currency string) string {
	sign := map[string]string{"EUR": "€", "GBP": "£"}[currency]
	n := l.decimal(string(a))
	switch {
	case l.tag == french.tag:
		if sign == "" {
			sign = currency
		}
		return n + space + sign
	case sign != "":
		return sign + n
	}
	return currency + space + n
}

// figure writes one, rounded for reading: with as many digits as are needed so that it is on the side of the limit on which it is. limit may be nil.
func (l *language) figure(f *Figure, u Unit, clock bool, limit *big.Rat) string {
	if f == nil {
		return "–"
	}
	return l.quantity(f.rat(), u, clock, limit)
}

// quantity writes a share, ms or, by the clock, a length.
func (l *language) quantity(x *big.Rat, u Unit, clock bool, limit *big.Rat) string {
	switch {
	case u == Share && (x.Sign() == 0 || x.Cmp(big.NewRat(1, 1)) == 0):
		return l.limit(x, Share, false)
	case u == Share:
		return l.decimal(near(x, limit, big.NewRat(100, 1), 3)) + l.percent
	case clock:
		if s := near(x, limit, big.NewRat(1, 1000), 0); !strings.Contains(s, ".") && x.Cmp(big.NewRat(60_000, 1)) > 0 {
			seconds, _ := strconv.ParseInt(s, 10, 64)
			return l.length(seconds * 1000)
		}
		if s := near(x, limit, big.NewRat(1, 1), 0); !strings.Contains(s, ".") {
			ms, _ := strconv.ParseInt(s, 10, 64)
			return l.length(ms)
		}
	}
	return l.decimal(strings.TrimSuffix(near(x, limit, big.NewRat(1, 1), 1), ".0")) + space + "ms"
}

// near is x times a scale, rounded half up to so many digits after the point, or more if it would else be on another side of the limit. Beyond nine it is
// cut.
func near(x, limit, scale *big.Rat, digits int) string {
	y := new(big.Rat).Mul(x, scale)
	var at *big.Rat
	if limit != nil {
		at = new(big.Rat).Mul(limit, scale)
	}
	for ; digits <= 9; digits++ {
		s := y.FloatString(digits)
		z, _ := new(big.Rat).SetString(s)
		if at == nil || z.Cmp(at) == y.Cmp(at) {
			return s
		}
	}
	n := new(big.Int).Exp(big.NewInt(10), big.NewInt(9), nil)
	cut := new(big.Int).Quo(new(big.Int).Mul(y.Num(), n), y.Denom())
	return new(big.Rat).SetFrac(cut, n).FloatString(9)
}

// short is x with at most so many digits after the point, without zeros at the end.
func short(x *big.Rat, digits int) string {
	s := x.FloatString(digits)
	if strings.Contains(s, ".") {
		s = strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// limit writes what was promised: all its digits.
func (l *language) limit(x *big.Rat, u Unit, clock bool) string {
	switch {
	case u == Share:
		return l.decimal(short(new(big.Rat).Mul(x, big.NewRat(100, 1)), 9)) + l.percent
	case clock && x.IsInt():
		return l.length(x.Num().Int64())
	}
	return l.decimal(short(x, 9)) + space + "ms"
}

// length writes ms as hours, minutes and seconds, exactly. Never as days: not every day has 24 hours.
func (l *language) length(ms int64) string {
	if ms < 0 {
		return "\u2212" + l.length(-ms)
	}
	var parts []string
	if h := ms / 3_600_000; h > 0 {
		parts = append(parts, l.count(h)+space+"h")
	}
	if m := ms / 60_000 % 60; m > 0 {
		parts = append(parts, l.count(m)+space+"min")
	}
	if s := ms % 60_000; s > 0 || len(parts) == 0 {
		parts = append(parts, l.decimal(short(big.NewRat(s, 1000), 3))+space+"s")
	}
	return strings.Join(parts, space)
}

// date writes a local date.
func (l *language) date(t time.Time) string {
	d := strconv.Itoa(t.Day())
	if l.tag == french.tag && t.Day() == 1 {
		d = "1er"
	}
	return d + space + l.months[t.Month()-1] + space + strconv.Itoa(t.Year())
}

// time writes a date with the time of day. On days on which clocks change, with the offset.
func (l *language) time(t time.Time) string {
	return fmt.Sprintf("%s%s%s%s%s", l.day(t), space, l.short[t.Month()-1], space, l.clock(t))
}

func (l *language) day(t time.Time) string { return fmt.Sprintf("%02d", t.Day()) }

func (l *language) clock(t time.Time) string {
	layout := "15:04:05"
	if t.Nanosecond() != 0 {
		layout += ".000"
	}
	s := strings.Replace(t.Format(layout), ".", l.point, 1)
	if from, to := dayOf(t); offset(from) != offset(to) {
		s += space + t.Format("-07:00")
	}
	return s
}

// dayOf is the first instant of the date of a time, and the last.
func dayOf(t time.Time) (from, to time.Time) {
	y, m, d := t.Date()
	date := registry.DateOf(y, m, d)
	at := func(ms int64) time.Time { return time.UnixMilli(ms).In(t.Location()) }
	return at(registry.Begins(t.Location(), date)), at(registry.Begins(t.Location(), date+1) - 1)
}

func offset(t time.Time) int { _, s := t.Zone(); return s }

// span writes from when to when: the date once, if it is the same.
func (l *language) span(from, to time.Time) string {
	y1, m1, d1 := from.Date()
	if y2, m2, d2 := to.Date(); y1 == y2 && m1 == m2 && d1 == d2 {
		return l.time(from) + " – " + l.clock(to)
	}
	return l.time(from) + " – " + l.time(to)
}

// period writes the name of one.
func (l *language) period(p *Period) string {
	last := p.To.Add(-time.Millisecond)
	switch p.Unit {
	case sla.Month:
		return l.months[p.From.Month()-1] + " " + strconv.Itoa(p.From.Year())
	case sla.Year:
		return strconv.Itoa(p.From.Year())
	case sla.Day:
		return l.date(p.From)
	case sla.Quarter, sla.HalfYear:
		n := (int(p.From.Month()) + 2) / 3
		if p.Unit == sla.HalfYear {
			n = (n + 1) / 2
		}
		return l.say("period."+string(p.Unit), n, p.From.Year())
	}
	return l.date(p.From) + " – " + l.date(last)
}
