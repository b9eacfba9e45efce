package simulator

import (
	"cmp"
	"slices"
)

// The statuses of the truth, and two that only reports have: a status nobody knows, and closing.
const (
	none = iota
	up
	degraded
	down
	silent
	inMaintenance
	closing
	disabled // degraded, and it cannot sell
	statuses
)

func statusOf(s string) uint8 {
	switch s {
	case "up":
		return up
	case "degraded":
		return degraded
	case "down":
		return down
	case "maintenance":
		return inMaintenance
	}
	return closing // the simulator says nothing else
}

// heard is a report, or a transaction, of a till, where it belongs.
type heard struct {
	start, at int64 // of a report the same
	sequence  uint64
	hold      int64
	status    uint8
	sale      bool
}

// timeline is what must be known of a till: at each instant a function of the last report and the last sale before it. What is
// settled is summed up and forgotten.
type timeline struct {
	pending        []heard // what was heard from settled on
	began, settled int64   // evaluated from, and up to here
	begun          bool
	report         heard // the last one; status none if there was none
	sold           int64 // last sale after that, 0: none
	points         []int64
	hours          []HourTruth
	outages        []Outage
	current        uint8
	runs           []stretch // each up to where the next begins
	timeout        int64     // how long everything holds, by the registry; 0: as reports say
}

type stretch struct {
	from   int64
	status uint8
}

// defaultHold is that of sales of a till that never reported.
const defaultHold = 3 * minute

// settle evaluates what lies before an instant; nothing may be heard from before it any more.
func (l *timeline) settle(before int64) {
	slices.SortFunc(l.pending, func(a, b heard) int {
		rank := func(h *heard) int {
			if h.sale {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(rank(&a), rank(&b)), cmp.Compare(a.sequence, b.sequence))
	})
	if !l.begun {
		if len(l.pending) == 0 || l.pending[0].at >= before {
			return
		}
		l.begun = true
		l.settled = l.pending[0].at
		for _, e := range l.pending {
			l.settled = min(l.settled, e.start)
		}
		l.began = l.settled
	}
	n := 0
	for ; n < len(l.pending) && l.pending[n].at < before; n++ {
		e := &l.pending[n]
		l.evaluate(e.at)
		switch {
		case !e.sale:
			l.report, l.sold = *e, 0
		case l.report.status == none || e.at > l.report.at:
			l.sold = e.at
		}
	}
	l.pending = slices.Delete(l.pending, 0, n)
}

// evaluate spends the time from settled to an instant, in which nothing new is heard: between the points where a hold lapses or
// a sale begins or ends, the status is the same.
func (l *timeline) evaluate(to int64) {
	if to <= l.settled {
		return
	}
	l.points = append(l.points[:0], l.settled, to)
	l.split(l.report.at + l.reportHold())
	l.split(l.sold + l.saleHold())
	for i := range l.pending {
		if e := &l.pending[i]; e.sale {
			l.split(e.start)
			l.split(e.at)
		}
	}
	slices.Sort(l.points)
	for i := 1; i < len(l.points); i++ {
		if a, b := l.points[i-1], l.points[i]; a < b {
			l.spend(a, b, l.at(a))
		}
	}
	l.settled = to
}

func (l *timeline) split(at int64) {
	if at > l.points[0] && at < l.points[1] {
		l.points = append(l.points, at)
	}
}

func (l *timeline) reportHold() int64 { return cmp.Or(l.timeout, l.report.hold) }

func (l *timeline) saleHold() int64 {
	if l.timeout > 0 {
		return l.timeout
	}
	if l.report.status == none {
		return defaultHold
	}
	return l.report.hold
}

// at is the status at an instant not before the last thing heard.
func (l *timeline) at(x int64) uint8 {
	r := &l.report
	switch {
	case r.status == down || r.status == inMaintenance:
		return r.status
	case (r.status == up || r.status == degraded || r.status == disabled) && x < r.at+l.reportHold():
		return r.status
	case l.sold > 0 && x < l.sold+l.saleHold():
		return up
	}
	for i := range l.pending { // a till that is selling is up, whatever it said
		if e := &l.pending[i]; e.sale && e.start <= x && x < e.at {
			return up
		}
	}
	if r.status == none && l.sold == 0 {
		return none
	}
	return silent
}

func (l *timeline) spend(from, to int64, status uint8) {
	if status != l.current {
		if l.current == down {
			l.outages[len(l.outages)-1].End = from
		}
		if status == down {
			l.outages = append(l.outages, Outage{Start: from})
		}
		l.current = status
		l.runs = append(l.runs, stretch{from, status})
	}
	if status == none {
		return
	}
	for from < to {
		h := floorDiv(from, hour) * hour
		end := min(to, h+hour)
		if n := len(l.hours); n == 0 || l.hours[n-1].Hour != h {
			l.hours = append(l.hours, HourTruth{Hour: h})
		}
		row := &l.hours[len(l.hours)-1]
		switch status {
		case up:
			row.Up += end - from
		case degraded:
			row.Degraded += end - from
		case disabled:
			row.Degraded += end - from
			row.Disabled += end - from
		case down:
			row.Down += end - from
		case silent:
			row.Silent += end - from
		case inMaintenance:
			row.Maintenance += end - from
		}
		from = end
	}
}

// finish evaluates all that was heard, up to and including the instant of the newest: what that says of the time after it is not part of the
// truth, but an outage that ends or begins with it has ended, or begun.
func (l *timeline) finish() {
	if l.settle(1 << 62); l.begun {
		l.spend(l.settled, l.settled, l.at(l.settled))
	}
}
