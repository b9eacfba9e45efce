package sla

import (
	"slices"

	"github.com/tillstream/tillstream/processor/interval"
)

// Status is what a terminal was heard to be.
type Status uint8

// The statuses of a terminal. Where there is no run nothing is known.
const (
	Unknown Status = iota
	Up
	Degraded
	Down
	Maintenance // says the till; not the same as approved maintenance, which is an exclusion
	Silent
)

// Capability is a set of things that a till can do (domain 2.3).
type Capability uint8

// What a till can do.
const (
	Sell Capability = 1 << iota
	Card
	Cash
)

// Run is a stretch of one status. What is open ends at the instant of the evaluation.
type Run struct {
	interval.Span
	Status Status
	Lost   Capability // what a till that is up or degraded cannot do
}

// History is what is known of a terminal. It may reach beyond what is measured, and should hold whole the runs that do: how long an outage was is
// not told by its part. Runs may overlap and be in any order; at each instant the one that ranks first holds.
type History struct {
	Runs        []Run
	Sold        interval.Set // a sale proves that the terminal was up
	StoreSilent interval.Set // the whole store is silent, and it has two terminals at least: see [StoreSilent]
}

// Reading is what an agreement takes something for.
type Reading uint8

// The readings.
const (
	AsUnknown Reading = iota
	AsUp
	AsDown
)

// Silence is what an agreement takes silence for: First, and once it has lasted After ms of service time, Then. After 0: First, for ever.
type Silence struct {
	First, Then Reading
	After       int64
	// Alone: where the whole store is silent it is First, however long that lasts (unless: neighbours_silent). That a sale ends a
	// silence (unless: sold) needs no saying.
	Alone bool
}

// Rules are how an agreement reads a history. Lengths are ms.
type Rules struct {
	Needs        Capability // a terminal that lost one of these is down
	DegradedDown bool       // degraded is down
	Silence      Silence
	MergeGap     int64 // outages less than this apart are one
	MinOutage    int64 // shorter ones do not count
}

// State is what is known of a terminal, or of a store, over all time.
type State struct {
	Known   interval.Set // up or down
	Outages interval.Set // those that count
	Down    interval.Set // what of them is known
	Doubt   interval.Set // known, and down only if unknown time beside it was
	Short   interval.Set // outages too short to count
}

// Read comes to a state. service is the hours in which silence counts, L ∩ S: as far as the history reaches, and before it.
func (r *Rules) Read(h *History, service interval.Set) State {
	down, up, silent := r.heard(h)
	if len(silent) > 0 {
		var read [AsDown + 1]interval.Set
		r.Silence.read(silent, service, h.StoreSilent, &read)
		down, up = down.Union(read[AsDown]), up.Union(read[AsUp])
	}
	return r.outages(down.Union(up), down)
}

// heard is what was heard, by rank: down, then sold or up, then silent. Up may be where down is too.
func (r *Rules) heard(h *History) (down, up, silent interval.Set) {
	var downs, silences []interval.Span
	ups := make([]interval.Span, 0, len(h.Runs))
	for i := range h.Runs {
		x := &h.Runs[i]
		switch x.Status {
		case Up, Degraded:
			if x.Lost&r.Needs != 0 || x.Status == Degraded && r.DegradedDown {
				downs = append(downs, x.Span)
			} else {
				ups = append(ups, x.Span)
			}
		case Down, Maintenance:
			downs = append(downs, x.Span)
		case Silent:
			silences = append(silences, x.Span)
		}
	}
	down, up = of(downs), of(ups).Union(h.Sold)
	return down, up, of(silences).Subtract(down).Subtract(up)
}

// of is interval.Of, for spans that mostly are in order.
func of(spans []interval.Span) interval.Set {
	for i := range spans {
		if spans[i].Empty() || i > 0 && spans[i-1].To >= spans[i].From {
			return interval.Of(spans...)
		}
	}
	return spans
}

// read sorts silences by what they are taken for.
func (s *Silence) read(silent, service, all interval.Set, read *[AsDown + 1]interval.Set) {
	first, then := make(interval.Set, 0, len(silent)), make(interval.Set, 0, len(silent))
	hours := service
	for _, x := range silent {
		for len(hours) > 0 && hours[0].To <= x.From {
			hours = hours[1:]
		}
		lapse := s.lapse(x, hours)
		if x.From < lapse {
			first = append(first, interval.Span{From: x.From, To: lapse})
		}
		if lapse < x.To {
			then = append(then, interval.Span{From: lapse, To: x.To})
		}
	}
	if s.Alone && len(then) > 0 {
		excused := then.Intersect(all).Intersect(service) // outside hours everything is silent
		first, then = first.Union(excused), then.Subtract(excused)
	}
	read[s.First] = first
	read[s.Then] = read[s.Then].Union(then)
}

// lapse is when a silence has lasted After ms of service, none of which ends before it; its end if it never has.
func (s *Silence) lapse(x interval.Span, service interval.Set) int64 {
	if s.After <= 0 {
		return x.To
	}
	left := s.After
	for _, open := range service {
		if open = open.Cut(x); open.Empty() {
			break
		}
		if at := open.From + left; at <= open.To {
			return at
		}
		left -= open.To - open.From
	}
	return x.To
}

// outages makes a state of what is known and what of it is down.
func (r *Rules) outages(known, down interval.Set) State {
	s := State{Known: known}
	s.Outages, s.Short = r.join(down)
	s.Down = s.Outages.Intersect(known)
	if r.MergeGap <= 0 && r.MinOutage <= 0 || len(known) == 0 {
		return s
	}
	worst, _ := r.join(interval.All().Subtract(known).Union(down))
	s.Doubt = worst.Intersect(known).Subtract(s.Outages)
	return s
}

// join makes one of outages that are close, and sets apart those that are short.
func (r *Rules) join(down interval.Set) (long, short interval.Set) {
	for i := 1; i < len(down); i++ {
		if down[i].From >= down[i-1].To+r.MergeGap {
			continue
		}
		merged := slices.Clone(down[:i])
		for _, x := range down[i:] {
			if last := &merged[len(merged)-1]; x.From < last.To+r.MergeGap {
				last.To = x.To
			} else {
				merged = append(merged, x)
			}
		}
		down = merged
		break
	}
	brief := func(x interval.Span) bool { return x.To < x.From+r.MinOutage }
	if !slices.ContainsFunc(down, brief) {
		return down, nil
	}
	for _, x := range down {
		if brief(x) {
			short = append(short, x)
		} else {
			long = append(long, x)
		}
	}
	return long, short
}
