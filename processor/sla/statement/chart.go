package statement

import (
	"fmt"
	"math/big"
	"strconv"
	"time"

	"github.com/tillstream/tillstream/processor/registry"
)

// All charts are SVG of whole units and fixed sizes, so that the same figures give the same bytes.
type (
	// chart is a bar a day: what was down at the bottom, then unknown, then excluded.
	chart struct {
		Title, Desc   string
		Width, Height int
		Bars          []bar
		Lines         []line
		Labels        []label
		Legend        []badge
	}
	bar struct {
		X, Y, W, H   int
		Class, Title string
	}
	line struct {
		X1, Y1, X2, Y2 int
		Class          string
	}
	label struct {
		X, Y         int
		Anchor, Text string
	}

	// bullet is where a figure lies between its bounds, and what was promised.
	bullet struct {
		Title                string
		Low, Width, At, Goal int // of 200
		Class                string
	}
	gauge struct{ Used int } // of 100
)

const (
	chartWidth, chartHeight       = 720, 150
	chartLeft, chartTop           = 44, 8
	chartRight, chartBottom       = 716, 128
	dayMS                   int64 = 86_400_000
)

func newGauge(share float64) *gauge { return &gauge{int(min(max(share, 0), 1)*100 + 0.5)} }

// days is the chart of an objective; nil if no day has anything to show, or a period is too long for a bar a day.
func (l *language) days(d *Document, o *Objective) *chart {
	if len(o.Days) == 0 {
		return nil
	}
	first, last := dateOf(d.Period.From), dateOf(d.Period.To.Add(-time.Millisecond))
	n := int(last-first) + 1
	if n < 1 || n > 366 {
		return nil
	}
	by := map[string]Day{}
	var sum Day
	var top int64
	for _, x := range o.Days {
		by[x.Date] = x
		sum.Down, sum.Unknown, sum.Excluded = sum.Down+x.Down, sum.Unknown+x.Unknown, sum.Excluded+x.Excluded
		top = max(top, x.Down+x.Unknown+x.Excluded)
	}
	step, unit, name := scale(top)
	top = max((top+step-1)/step, 1) * step
	c := &chart{
		Title: l.say("chart.days"), Desc: l.say("chart.desc", len(o.Days), l.length(sum.Down), l.length(sum.Unknown), l.length(sum.Excluded)),
		Width: chartWidth, Height: chartHeight,
	}
	y := func(ms int64) int { return chartBottom - int(int64(chartBottom-chartTop)*ms/top) }
	for ms := int64(0); ms <= top; ms += step {
		class := "grid"
		if ms == 0 {
			class = "axis"
		}
		c.Lines = append(c.Lines, line{chartLeft, y(ms), chartRight, y(ms), class})
		text := l.count(ms / unit)
		if ms == top {
			text += space + l.say(name)
		}
		c.Labels = append(c.Labels, label{chartLeft - 6, y(ms) + 4, "end", text})
	}
	x := func(i int) int { return chartLeft + (chartRight-chartLeft)*i/n }
	gap := 1
	if n <= 31 {
		gap = 3
	}
	for i := range n {
		date := first + registry.Date(i)
		year, month, day := date.Civil()
		t := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
		switch {
		case n > 92 && day == 1:
			c.Labels = append(c.Labels, label{x(i), chartBottom + 16, "start", l.short[month-1]})
		case n > 31 && n <= 92 && t.Weekday() == time.Monday:
			c.Labels = append(c.Labels, label{(x(i) + x(i+1)) / 2, chartBottom + 16, "middle", strconv.Itoa(day) + space + l.short[month-1]})
		case n <= 31:
			c.Labels = append(c.Labels, label{(x(i) + x(i+1)) / 2, chartBottom + 16, "middle", strconv.Itoa(day)})
		}
		v := by[date.String()]
		var below int64
		for _, part := range []struct {
			class string
			ms    int64
		}{{"down", v.Down}, {"unknown", v.Unknown}, {"excluded", v.Excluded}} {
			if part.ms == 0 {
				continue
			}
			from, to := y(below), y(below+part.ms)
			below += part.ms
			h := max(from-to, 2) // what there is can be seen
			c.Bars = append(c.Bars, bar{x(i) + gap/2, from - h, max(x(i+1)-x(i)-gap, 1), h, part.class, fmt.Sprintf("%s: %s, %s", l.date(t), l.say(part.class), l.length(part.ms))})
		}
	}
	for _, x := range []struct {
		class string
		ms    int64
	}{{"down", sum.Down}, {"unknown", sum.Unknown}, {"excluded", sum.Excluded}} {
		if x.ms > 0 {
			c.Legend = append(c.Legend, badge{Class: x.class, Word: l.say(x.class), Line: l.length(x.ms)})
		}
	}
	return c
}

func dateOf(t time.Time) registry.Date {
	y, m, d := t.Date()
	return registry.DateOf(y, m, d)
}

// scale is a step for an axis up to a length, and what its labels count in: minutes or hours.
func scale(top int64) (step, unit int64, name string) {
	const minute, hour = int64(60_000), int64(3_600_000)
	for _, m := range []int64{1, 2, 5, 10, 15, 30} {
		if top <= 4*m*minute {
			return m * minute, minute, "chart.minutes"
		}
	}
	step = hour
	for _, f := range []int64{2, 5, 10} {
		for _, times := range []int64{1, 10, 100, 1000, 10_000} {
			if best := f * times * hour; top > 4*step && best > step && top <= 4*best {
				step = best
			}
		}
	}
	for top > 4*step {
		step *= 10
	}
	return step, hour, "chart.hours"
}

// bullet is the chart of a scope: the axis ends a third beyond the farthest from what was promised, on both sides. nil if there is nothing to compare.
func (l *language) bullet(o *Objective, s *Scope) *bullet {
	limit := o.limit()
	if limit == nil || s.Low == nil || s.High == nil || s.Actual == nil {
		return nil
	}
	low, high, at := s.Low.rat(), s.High.rat(), s.Actual.rat()
	if low.Cmp(high) > 0 {
		low, high = high, low
	}
	reach := new(big.Rat)
	for _, x := range []*big.Rat{low, high, at} {
		if far := new(big.Rat).Sub(x, limit); far.Abs(far).Cmp(reach) > 0 {
			reach = far
		}
	}
	if reach.Sign() == 0 {
		reach = new(big.Rat).Abs(limit)
	}
	if reach.Sign() == 0 {
		return nil
	}
	place := func(x *big.Rat) int { // limit is in the middle; reach is 75 of 100 from it
		n := new(big.Rat).Quo(new(big.Rat).Sub(x, limit), reach)
		n.Mul(n, big.NewRat(75, 1))
		f, _ := n.Float64()
		return 100 + int(min(max(f, -98), 98))
	}
	b := &bullet{Low: place(low), At: place(at), Goal: 100, Class: string(s.Verdict)}
	b.Width = max(place(high)-b.Low, 3)
	figure := func(f *Figure) string { return l.figure(f, o.Promise.Unit, o.byClock(), limit) }
	b.Title = l.say("chart.bullet", figure(s.Low), figure(s.High), l.say("op."+o.Promise.Op, l.limit(limit, o.Promise.Unit, o.byClock())))
	return b
}
