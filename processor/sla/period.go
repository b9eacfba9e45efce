package sla

import (
	"time"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla/agreement"
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
	d := registry.DateOf(y, m, day)
	for at >= registry.Begins(c.Zone, d+1) { // the clock was set back over midnight: the later date had begun
		d++
	}
	from, to := agreement.PeriodOf(string(c.Unit), d)
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

// months is how many it has; 0 of days and weeks.
func (u Unit) months() int {
	return map[Unit]int{Month: 1, Quarter: 3, HalfYear: 6, Year: 12}[u]
}
