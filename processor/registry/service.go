package registry

import (
	"slices"
	"time"

	"github.com/tillstream/tillstream/processor/interval"
)

// Hours of a calendar are known between these instants; a span that is open at an end is cut here.
var (
	firstKnown = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	lastKnown  = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
)

// maxMonths bounds what a store remembers.
const maxMonths = 36

// Service is the opening hours within a span, as instants. A store without a calendar is always open while it is opened. Months
// that were asked before cost nothing but the cut; what is returned may share the store's memory.
func (s *Store) Service(x interval.Span) interval.Set {
	if s.always {
		return s.opened.Within(x)
	}
	x = x.Cut(interval.Span{From: firstKnown, To: lastKnown})
	if x.Empty() {
		return nil
	}
	var out interval.Set
	for m, last := monthOf(x.From), monthOf(x.To-1); m <= last; m++ {
		out = out.Union(s.month(m).Within(x))
	}
	return out
}

func monthOf(ms int64) int32 {
	y, m, _ := time.UnixMilli(ms).UTC().Date()
	return int32(y*12 + int(m) - 1)
}

func monthSpan(m int32) interval.Span {
	return interval.Span{
		From: time.Date(int(m/12), time.Month(m%12+1), 1, 0, 0, 0, 0, time.UTC).UnixMilli(),
		To:   time.Date(int(m/12), time.Month(m%12+2), 1, 0, 0, 0, 0, time.UTC).UnixMilli(),
	}
}

// month expands a month of UTC.
func (s *Store) month(m int32) interval.Set {
	if got, ok := s.months[m]; ok {
		return got
	}
	if s.months == nil || len(s.months) >= maxMonths {
		s.months = map[int32]interval.Set{}
	}
	x := monthSpan(m)
	const day = 86_400_000
	from, to := Date(floorDiv(x.From, day))-3, Date(floorDiv(x.To, day))+2 // a window may be two days long, and a zone a day from UTC
	var spans []interval.Span
	for i := range s.Versions {
		v := &s.Versions[i]
		first, last := from, to
		if i > 0 {
			first = max(first, v.From)
		}
		if i+1 < len(s.Versions) {
			last = min(last, s.Versions[i+1].From-1)
		}
		spans = v.open(first, last, x, spans)
	}
	got := interval.Of(spans...).Intersect(s.opened).Within(x)
	s.months[m] = slices.Clip(got)
	return s.months[m]
}

// open appends the hours of the days from first to last, as far as they are in x.
func (v *Version) open(first, last Date, x interval.Span, spans []interval.Span) []interval.Span {
	if v.Calendar == nil {
		return append(spans, interval.Span{From: v.from, To: v.to}.Cut(x))
	}
	var mine []interval.Span
	for d := first; d <= last; d++ {
		windows := v.Calendar.on(d)
		if len(windows) == 0 || !happens(v.zone, d) {
			continue
		}
		for _, w := range windows {
			from, _, _ := wall(v.zone, d, int(w.Open))
			_, to, _ := wall(v.zone, d, int(w.Close))
			mine = append(mine, interval.Span{From: from, To: to})
		}
	}
	if len(v.Calendar.Closed) == 0 {
		return append(spans, mine...)
	}
	closed := make([]interval.Span, len(v.Calendar.Closed))
	for i, c := range v.Calendar.Closed {
		closed[i] = c.span()
	}
	return append(spans, interval.Of(mine...).Subtract(interval.Of(closed...))...)
}

// on is the windows that begin on a day.
func (c *Calendar) on(d Date) []Window {
	for _, x := range c.ClosedDays {
		if x.From <= d && d < x.To {
			return nil
		}
	}
	if special, ok := c.days[d]; ok {
		return special
	}
	if c.holidays[d] || c.yearly[d.monthDay()] {
		return c.HolidayHours
	}
	return c.Week.On(d.time().Weekday())
}
