package sla

import (
	"time"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
)

// Unit is a kind of period.
type Unit string

// The units. A week begins on Monday, a quarter, half year or year in January or as many months later.
const (
	Day      Unit = "day"
	Week     Unit = "week"
	Month    Unit = "month"
	Quarter  Unit = "quarter"
	HalfYear Unit = "half_year"
	Year     Unit = "year"
)

// Calendar divides time into periods, in a zone: a day is from the first instant that bears a date to the first that bears the next one.
type Calendar struct {
	Unit Unit
	Zone *time.Location
}

// At is the period that holds an instant. The one after it holds its end, the one before it the ms before its beginning.
func (c Calendar) At(at int64) interval.Span {
	y, m, day := time.UnixMilli(at).In(c.Zone).Date()
	d := dateOf(y, m, day)
	for at >= registry.Begins(c.Zone, d+1) { // the clock was set back over midnight: the later date had begun
		d++
	}
	from, to := c.around(d)
	return interval.Span{From: registry.Begins(c.Zone, from), To: registry.Begins(c.Zone, to)}
}

// Over is the periods that share something with a span, in order.
func (c Calendar) Over(x interval.Span) (out []interval.Span) {
	for at := x.From; at < x.To; {
		p := c.At(at)
		out = append(out, p)
		at = p.To
	}
	return out
}

// around is the period of a date, as dates.
func (c Calendar) around(d registry.Date) (from, to registry.Date) {
	y, m, _ := time.Unix(int64(d)*86400, 0).UTC().Date()
	months := 0
	switch c.Unit {
	case Day:
		return d, d + 1
	case Week:
		monday := d - (d+3)%7 // 1970 began on a Thursday
		if (d+3)%7 < 0 {
			monday -= 7
		}
		return monday, monday + 7
	case Quarter:
		months = 3
	case HalfYear:
		months = 6
	case Year:
		months = 12
	default:
		months = 1
	}
	m -= (m - 1) % time.Month(months)
	return dateOf(y, m, 1), dateOf(y, m+time.Month(months), 1)
}

// dateOf is a date of the calendar; months beyond the year are of those after it.
func dateOf(y int, m time.Month, d int) registry.Date {
	return registry.Date(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}
