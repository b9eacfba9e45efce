package simulator

import (
	"math"
	"time"
)

const slot = 15 * minute // of opening hours and of the customers' curve; every zone's offset is a multiple of it

const slots = int(7 * day / slot) // of a week

// wall is a store's clock on the wall.
type wall struct {
	zone        *time.Location
	from, until int64 // where the offset holds
	offset      int64 // ms east of UTC
}

// east is the offset at an instant, ms.
func (w *wall) east(at int64) int64 {
	if at < w.from || at >= w.until {
		t := time.UnixMilli(at).In(w.zone)
		from, until := t.ZoneBounds()
		w.from, w.until = math.MinInt64, math.MaxInt64
		if !from.IsZero() {
			w.from = from.UnixMilli()
		}
		if !until.IsZero() {
			w.until = until.UnixMilli()
		}
		_, s := t.Zone()
		w.offset = int64(s) * second
	}
	return w.offset
}

// local is the reading of the clock, as if it were UTC.
func (w *wall) local(at int64) int64 { return at + w.east(at) }

// week is how many customers come an hour, by quarters of an hour from Monday 00:00 local; 0: closed.
type week [slots]float64

// newWeek spreads a mean number of customers a day.
func newWeek(f *format, perDay float64) (w week) {
	var sum float64
	for d := range f.hours {
		for m := f.hours[d][0]; m < f.hours[d][1]; m += 15 {
			v := f.curve[m/60%24] * f.weekday[d]
			w[(d*96+m/15)%slots] = v
			sum += v
		}
	}
	for i := range w {
		w[i] *= perDay * 7 / sum * float64(hour/slot)
	}
	return w
}

func (w *week) peak() (p float64) {
	for _, v := range w {
		p = max(p, v)
	}
	return p
}

// at is the rate at a local instant. 1970-01-01 was a Thursday.
func (w *week) at(local int64) float64 {
	i := floorDiv(local, slot) + 3*int64(day/slot)
	return w[((i%int64(slots))+int64(slots))%int64(slots)]
}

// open says whether customers may come.
func (s *store) open(at int64) bool {
	local := s.wall.local(at)
	return s.plan.at(local) > 0 && floorDiv(local-dayBreak, day) != s.terms.holiday
}

// turns calls f for every opening and closing in [from, to).
func (s *store) turns(from, to int64, f func(at int64, opens bool)) {
	for q := -floorDiv(-from, slot) * slot; q < to; q += slot {
		if now := s.open(q); now != s.open(q-1) {
			f(q, now)
		}
	}
}
