package console

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// grouped writes a decimal number as the language does: 1,234.5 or 1 234,5.
func (v *view) grouped(plain string) string {
	sign := ""
	if rest, ok := strings.CutPrefix(plain, "-"); ok {
		sign, plain = "\u2212", rest
	}
	whole, fraction, hasFraction := strings.Cut(plain, ".")
	separator, point := ",", "."
	if languages[v.lang] == "fr" {
		separator, point = "\u202f", ","
	}
	var b strings.Builder
	b.WriteString(sign)
	for i, digit := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteString(separator)
		}
		b.WriteRune(digit)
	}
	if hasFraction {
		b.WriteString(point + fraction)
	}
	return b.String()
}

// number is what a cell holds as a float, for what is drawn.
func number(value any) (float64, bool) {
	switch n := value.(type) {
	case uint8:
		return float64(n), true
	case uint16:
		return float64(n), true
	case uint32:
		return float64(n), true
	case uint64:
		return float64(n), true
	case int32:
		return float64(n), true
	case int64:
		return float64(n), true
	case float64:
		return n, !math.IsNaN(n) && !math.IsInf(n, 0)
	case decimal.Decimal:
		f, _ := n.Float64()
		return f, true
	}
	return 0, false
}

const nothing = "\u2013" // of what is not known

// amount writes a number with so many digits behind the point; whole numbers and decimals are exact.
func (v *view) amount(value any, digits int) string {
	switch n := value.(type) {
	case decimal.Decimal:
		return v.grouped(n.StringFixed(int32(digits)))
	case float64:
		if math.IsNaN(n) || math.IsInf(n, 0) {
			return nothing
		}
		return v.grouped(strconv.FormatFloat(n, 'f', digits, 64))
	case nil:
		return nothing
	}
	return v.grouped(fmt.Sprint(value))
}

// percent writes a ratio. What is not all of it never looks like all of it: 99.996 % is not rounded to 100 %.
func (v *view) percent(value any, digits int) string {
	n, ok := number(value)
	if !ok {
		return nothing
	}
	scale := math.Pow10(digits)
	shown := math.Round(n*100*scale) / scale
	if n < 1 && shown >= 100 {
		shown = 100 - 1/scale
	}
	space := ""
	if languages[v.lang] == "fr" {
		space = "\u202f"
	}
	return v.grouped(strconv.FormatFloat(shown, 'f', digits, 64)) + space + "%"
}

// span writes a length of time in its two largest units: 3 d 4 h, 5 min 2 s.
func (v *view) span(d time.Duration) string {
	if d < 0 {
		d = 0
	}
	s := int64(d / time.Second)
	units := []struct {
		of  int64
		key string
	}{{86400, "unit.d"}, {3600, "unit.h"}, {60, "unit.min"}, {1, "unit.s"}}
	for i, u := range units {
		if s < u.of && u.of > 1 {
			continue
		}
		out := strconv.FormatInt(s/u.of, 10) + "\u00a0" + v.T(u.key)
		if i+1 < len(units) {
			if rest := s % u.of / units[i+1].of; rest > 0 {
				out += " " + strconv.FormatInt(rest, 10) + "\u00a0" + v.T(units[i+1].key)
			}
		}
		return out
	}
	return nothing
}

// moment writes an instant in the time zone of the view; the day is left out where it is today.
func (v *view) moment(t time.Time) string {
	t = t.In(v.zone)
	if t.Format(dateForm) == v.now.In(v.zone).Format(dateForm) {
		return t.Format("15:04:05")
	}
	return t.Format("2006-01-02 15:04")
}

// weekday is the name of a day, 1 is Monday.
func (v *view) weekday(n int) string { return v.T("weekday." + strconv.Itoa(n)) }
