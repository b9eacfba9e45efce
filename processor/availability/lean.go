package availability

import "slices"

// lean is a clock that is wrong by the same all the time, or right again, of a till of which some kept evidence has a Skew. What is heard next then belongs where the clock has been
// saying of late, nothing that is kept moves, and the timeline goes on from its tip. It is told by the evidence, and no part of the state.
//
// New evidence changes what votes within 20 minutes of it come to; those move what is within 20 minutes of them, which depends on votes within 20 minutes more, and they on as much again. Where all
// of that time has one deviation or a second more, and the smaller at least every 20 minutes, every verdict is the smaller, and more evidence of the kind only adds to them.
type lean struct {
	skew  int32 // s; 0: right
	since int64 // all evidence from here on, by the till's own clock, is such, was sent at once, and is moved by skew
	least int64 // the newest that deviates by no more than skew
}

// leans is for how long before new evidence a clock must have been such.
const leans = 4 * near

// takes says whether evidence deviates as the clock does.
func (l *lean) takes(e *Evidence) bool {
	return e.Sent == 0 && (e.Skew == l.skew || l.skew != 0 && e.Skew == l.skew+1)
}

// hear goes on to what came.
func (l *lean) hear(added []Evidence) {
	for i := range added {
		if added[i].Skew == l.skew {
			l.least = added[i].Time
		}
	}
}

// leanOf is the clock of a terminal that was just placed, nil if it is none of the kind.
func (s *scratch) leanOf(t *terminal) *lean {
	shift := func(e *Evidence) int32 {
		if e.Skew == 0 {
			return 0
		}
		return s.clocks.shift(e)
	}
	i := len(s.all) - 1
	if i < 0 || s.all[i].Time > t.newest { // a later word of the registry
		return nil
	}
	newest := t.newest
	l := &lean{skew: shift(&s.all[i]), since: newest, least: beginningOfTime}
	for ; i >= 0 && s.all[i].Time >= newest-leans-hourMilli; i-- {
		e := &s.all[i]
		if !l.takes(e) || shift(e) != l.skew || l.skew != 0 && l.since-e.Time > near {
			break
		}
		if e.Skew == l.skew {
			l.since, l.least = e.Time, max(l.least, e.Time)
		}
	}
	opened := floorHour(t.seen)
	switch {
	case i >= 0 && s.all[i].Time >= opened-int64(l.skew)*1000, l.least < newest-near:
		return nil
	case slices.ContainsFunc(s.placed[before(s.placed, opened):], func(e Evidence) bool { return e.shift != l.skew }):
		return nil
	}
	if i < 0 && t.tip != nil && t.tip.lean != nil { // before that it is as it was
		if was := t.tip.lean; was.skew == l.skew && was.least >= l.since {
			l.since = min(l.since, was.since)
		}
	}
	return l
}

// upright is what was gathered of a terminal that has a tip, where it belongs; not if more than that may move.
func (f *Fold) upright(t *terminal) (came []Evidence, ok bool) {
	s := &f.scratch
	if !t.skewed {
		return s.added, !slices.ContainsFunc(s.added, isSkewed)
	}
	l, first := t.tip.lean, s.added[0].Time
	switch {
	case first <= t.newest, t.hot.at == t.base.at:
		return nil, false
	case l.skew != 0 && (first-leans < l.since || first-2*near <= t.lateSent):
		return nil, false
	}
	least := l.least
	came = append(s.clocks.placed[0][:0], s.added...)
	s.clocks.placed[0] = came
	for i := range came {
		e := &came[i]
		if !l.takes(e) || e.registers() || l.skew != 0 && e.Time-least > near {
			return nil, false
		}
		if e.Skew == l.skew {
			least = e.Time
		}
		e.correct(l.skew)
	}
	return came, true
}

// openHour reads the evidence of the open hour of a terminal that leans, and of the newest chunk: how many pieces it is, with their response times.
func (f *Fold) openHour(t *terminal, hour int64) (pieces uint64) {
	s := &f.scratch
	from := hour - int64(t.tip.lean.skew)*1000
	s.held = f.decode(s.held[:0], t, floorHour(from), Open)
	for i := before(s.held, from); i < len(s.held); i++ {
		e := &s.held[i]
		if e.registers() {
			continue
		}
		if pieces++; e.Response.OK {
			f.responses = append(f.responses, e.Response.Value)
		}
	}
	return pieces
}
