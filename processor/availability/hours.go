package availability

import "slices"

// hour is what is known of one UTC hour. It has a row if anything is known of it.
type hour struct {
	start    int64
	ms       [statuses]uint32
	served   served
	evidence uint32
}

// appendHours cuts the runs from one instant to another into hours. An hour that `to` only touches counts: the newest evidence is
// in it. Of a time of which nothing is known any more only the rest of an hour that has a row is told, as unknown, so that every
// hour but the first and the newest is complete.
func appendHours(dst []hour, w *walk, ev []Evidence, from, to int64) []hour {
	for i := range w.runs {
		r := &w.runs[i]
		x, end := max(r.start, from), min(w.end(i), to)
		if r.status != None {
			dst = spend(dst, r.status, x, end)
		} else if r.start != beginningOfTime && x < end {
			full := floorHour(x + hourMilli - 1)
			dst = spend(dst, Unknown, x, min(end, full))
			if i+1 < len(w.runs) {
				dst = spend(dst, Unknown, max(floorHour(end), full), end)
			}
		}
	}
	alive := len(w.runs) > 0 && w.runs[len(w.runs)-1].status != None // it may be outside its registered life
	if h, n := floorHour(to), len(dst); alive && (n == 0 || dst[n-1].start != h) {
		dst = append(dst, hour{start: h})
	}
	h := 0
	for i := range ev {
		if ev[i].registers() {
			continue
		}
		for h < len(dst) && dst[h].start+hourMilli <= ev[i].Time {
			h++
		}
		if h < len(dst) && dst[h].start <= ev[i].Time {
			dst[h].evidence++
		}
	}
	return dst
}

// spend adds [x, end) to its hours.
func spend(dst []hour, s Status, x, end int64) []hour {
	for x < end {
		h := floorHour(x)
		if n := len(dst); n == 0 || dst[n-1].start != h {
			dst = append(dst, hour{start: h})
		}
		y := min(end, h+hourMilli)
		dst[len(dst)-1].ms[s] += uint32(y - x)
		x = y
	}
	return dst
}

// within is the evidence of one hour.
func within(ev []Evidence, start int64) []Evidence {
	i := before(ev, start)
	return ev[i : i+before(ev[i:], start+hourMilli)]
}

// before is how many pieces of sorted evidence are earlier than an instant.
func before(ev []Evidence, at int64) int {
	i, _ := slices.BinarySearchFunc(ev, at, func(e Evidence, at int64) int {
		if e.Time < at {
			return -1
		}
		return 1
	})
	return i
}

// responses are the mean and the 95th percentile (nearest rank: the smallest value that 95 % of the values do not exceed) of the
// response times of evidence, in ms; 0 if there are none.
func responses(ev []Evidence, scratch []uint32) (mean, p95 float32, _ []uint32) {
	scratch = scratch[:0]
	var sum uint64
	for i := range ev {
		if r := ev[i].Response; r.OK {
			scratch = append(scratch, r.Value)
			sum += uint64(r.Value)
		}
	}
	n := len(scratch)
	if n == 0 {
		return 0, 0, scratch
	}
	slices.Sort(scratch)
	return float32(float64(sum) / float64(n)), float32(scratch[(95*n+99)/100-1]), scratch
}
