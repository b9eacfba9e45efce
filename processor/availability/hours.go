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

// responses appends the response times of evidence, in order, ms. mean and the 95th percentile (nearest rank: the smallest value that 95 % of
// the values do not exceed) are 0 if there are none.
func responses(ev []Evidence, dst []uint32) (mean, p95 float32, _ []uint32) {
	first := len(dst)
	for i := range ev {
		if r := ev[i].Response; r.OK {
			dst = append(dst, r.Value)
		}
	}
	mean, p95 = meanAndP95(dst[first:])
	return mean, p95, dst
}

func meanAndP95(all []uint32) (mean, p95 float32) {
	n := len(all)
	if n == 0 {
		return 0, 0
	}
	var sum uint64
	for _, v := range all {
		sum += uint64(v)
	}
	sortResponses(all)
	return float32(float64(sum) / float64(n)), float32(all[(95*n+99)/100-1])
}

// sortResponses sorts response times, most of which differ little from one another: those near the least are counted. With a hundred of them a batch sorts them again for each that comes.
func sortResponses(all []uint32) {
	n := len(all)
	if n < 24 {
		slices.Sort(all)
		return
	}
	least := slices.Min(all)
	var counts [256]uint32
	rest := all[:0]
	for _, v := range all {
		if d := v - least; d < uint32(len(counts)) {
			counts[d]++
		} else {
			rest = append(rest, v)
		}
	}
	near := n - len(rest)
	copy(all[near:], rest)
	slices.Sort(all[near:])
	at := 0
	for d := uint32(0); at < near; d++ {
		for range counts[d] {
			all[at] = least + d
			at++
		}
	}
}

// gap is a time in which nothing was heard of a till, and no sale was under way, that is longer than usual.
type gap struct{ from, to int64 }

// Usual is the longest time between reports, ms, that is not remarkable, however seldom they are: what is longer is kept, so that agreements may say after which time a till
// is silent. Of reports that hold for less than twice as long it is half of that, which is one and a half times the interval that they announce.
const Usual = int64(90_000)

// appendGaps finds the gaps that end after a snapshot, in the order of time. The evidence is in order, and none is before the snapshot.
func appendGaps(dst []gap, from *snapshot, ev []Evidence, hold int64) []gap {
	first, report := len(dst), len(ev)
	next := Open // the earliest instant, of what comes later, of which something is proved
	for i := len(ev) - 1; i >= -1; i-- {
		last, start := from.last(), Open
		if i >= 0 {
			if ev[i].registers() {
				continue
			}
			last, start = ev[i].Time, ev[i].Start
		}
		if last == beginningOfTime {
			break
		}
		if next != Open && next >= from.at {
			// Of many sales without a report among them each is looked at once: a till in haste would cost its square.
			for report = min(report, i); report >= 0 && (ev[report].Sale || ev[report].registers()); report-- {
			}
			holds := from.holding(hold)
			if report >= 0 {
				holds = ev[report].Hold
			}
			if next-last > min(Usual, holds/2) {
				dst = append(dst, gap{last, next})
			}
		}
		next = min(next, start)
	}
	slices.Reverse(dst[first:])
	return dst
}

// last is when something was heard last before a snapshot; beginningOfTime if nothing was.
func (s *snapshot) last() int64 {
	at := beginningOfTime
	if s.status != None && s.cause != registered {
		at = s.reported
	}
	if s.sale {
		at = max(at, s.sold)
	}
	return at
}

// holding is how long the newest report before a snapshot holds; hold if there is none.
func (s *snapshot) holding(hold int64) int64 {
	if s.status != None && s.cause != registered {
		return s.heard.hold
	}
	return hold
}

// gapsIn are those that end in an hour.
func gapsIn(all []gap, hour int64) []gap {
	i := 0
	for i < len(all) && all[i].to < hour {
		i++
	}
	n := i
	for n < len(all) && all[n].to < hour+hourMilli {
		n++
	}
	return all[i:n]
}
