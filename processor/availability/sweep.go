package availability

import (
	"cmp"
	"slices"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
)

// sweep counts, instant by instant, how many tills of a store can sell, cannot, and of how many nobody knows (domain.md 3.3). Its memory
// is used again.
type sweep struct {
	steps []step
	lapse [2][]int64 // until when tills that cannot sell though they run, and such as can, are known to, if nothing more is heard
	runs  []run      // up, down, unknown; None where the store has no tills
	hours []storeTime
	last  tally
}

// tally counts tills: all, those that can sell, those of which nobody knows, and how many the store needs.
type tally struct{ tills, able, unknown, quorum int32 }

type step struct {
	at int64
	tally
}

// storeTime is one UTC hour of a store, in service time, ms.
type storeTime struct {
	start                            int64
	service, down, excluded, unknown uint32
}

func (s *sweep) begin() {
	s.steps, s.runs, s.hours, s.last = s.steps[:0], s.runs[:0], s.hours[:0], tally{}
	s.lapse[0], s.lapse[1] = s.lapse[0][:0], s.lapse[1][:0]
}

// add counts a terminal in.
func (s *sweep) add(w *walk, r *rules, x interval.Span) {
	for i := range w.runs {
		t := tally{tills: 1}
		switch w.runs[i].status {
		case Up, Degraded, Cardless:
			t.able = 1
		case Silent, Unknown:
			t.unknown = 1
		case None:
			continue
		}
		in := x.Cut(interval.Span{From: w.runs[i].start, To: w.end(i)})
		if w.runs[i].start <= x.To && w.end(i) > x.To { // it is so at the end
			s.last.tills++
			s.last.able += t.able
			s.last.unknown += t.unknown
			if t.able > 0 || w.runs[i].status == Disabled {
				s.lapse[t.able] = append(s.lapse[t.able], w.last.lapses(r))
			}
		}
		if !in.Empty() {
			s.steps = append(s.steps, step{in.From, t}, step{in.To, tally{-t.tills, -t.able, -t.unknown, 0}})
		}
	}
}

// status is what a store is: up if enough tills are known to sell, down if too few even with those nobody knows of.
func (t tally) status() Status {
	switch {
	case t.tills == 0:
		return None
	case t.able >= t.quorum:
		return Up
	case t.able+t.unknown < t.quorum:
		return Down
	}
	return Unknown
}

// evaluate makes runs and hours of what was counted.
func (s *sweep) evaluate(text *registry.Store, x interval.Span, service service) {
	quorums := []registry.Quorum{{Span: x, Tills: 1}}
	if text != nil {
		quorums = text.Quorums(interval.Span{From: x.From, To: x.To + 1}) // and at the end
	}
	slices.SortFunc(s.steps, func(a, b step) int { return cmp.Compare(a.at, b.at) })
	var now tally
	i := 0
	for at := x.From; at < x.To; {
		for ; i < len(s.steps) && s.steps[i].at <= at; i++ {
			d := &s.steps[i].tally
			now.tills, now.able, now.unknown = now.tills+d.tills, now.able+d.able, now.unknown+d.unknown
		}
		for len(quorums) > 1 && quorums[0].To <= at {
			quorums = quorums[1:]
		}
		now.quorum = int32(quorums[0].Tills)
		next := x.To
		if i < len(s.steps) {
			next = min(next, s.steps[i].at)
		}
		if len(quorums) > 1 {
			next = min(next, quorums[0].To)
		}
		status := now.status()
		if n := len(s.runs); n == 0 || s.runs[n-1].status != status {
			s.runs = append(s.runs, run{start: at, status: status})
		}
		s.spend(status, interval.Span{From: at, To: next}, &service)
		at = next
	}
	s.last.quorum = int32(quorums[len(quorums)-1].Tills)
	if status := s.last.status(); len(s.runs) == 0 || s.runs[len(s.runs)-1].status != status {
		s.runs = append(s.runs, run{start: x.To, status: status})
	}
}

// spend adds a stretch to its hours.
func (s *sweep) spend(status Status, x interval.Span, service *service) {
	if status == None {
		return
	}
	for at := x.From; at < x.To; {
		start := floorHour(at)
		if n := len(s.hours); n == 0 || s.hours[n-1].start != start {
			s.hours = append(s.hours, storeTime{start: start})
		}
		h := &s.hours[len(s.hours)-1]
		part := interval.Span{From: at, To: min(x.To, start+hourMilli)}
		open, counted := part.To-part.From, part.To-part.From
		if !service.always {
			open, counted = service.open.Overlap(part), service.counted.Overlap(part)
		}
		h.service += uint32(open)
		h.excluded += uint32(open - counted)
		switch status {
		case Down:
			h.down += uint32(counted)
		case Unknown:
			h.unknown += uint32(counted)
		}
		at = part.To
	}
}

// holds is until when the store is what it is if nothing more is heard: enough tills sell until so many reports have lapsed that too few
// are left. It cannot sell until so many of those that said so have lapsed that, for all anybody knows, it could.
func (s *sweep) holds(st *store) int64 {
	var lapse []int64
	i := -1
	switch s.last.status() {
	case Up:
		lapse = s.lapse[1]
		i = len(lapse) - int(s.last.quorum)
	case Down:
		lapse = s.lapse[0]
		i = int(s.last.quorum-s.last.able-s.last.unknown) - 1
	}
	if i < 0 || i >= len(lapse) {
		return forEver
	}
	slices.Sort(lapse)
	return max(lapse[i], st.seen)
}
