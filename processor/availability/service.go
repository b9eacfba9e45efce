package availability

import (
	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
)

// Exclusions say what does not count against anybody.
type Exclusions interface {
	// Excluded is the time of approved maintenance within x, of a terminal of a store, or with "" of the store as a whole.
	Excluded(store, terminal string, x interval.Span) interval.Set
}

// service is the time in which a till, or a store, is to work.
type service struct {
	always             bool         // nobody said otherwise: whatever is known of the time is service
	open, out, counted interval.Set // service, what is excluded of it, and the rest
}

// serviceOf is the service time of a terminal within a span; terminal "" is the store as a whole.
func (f *Fold) serviceOf(store string, text *registry.Store, terminal string, x interval.Span) service {
	var out interval.Set
	if f.exclusions != nil {
		out = f.exclusions.Excluded(store, terminal, x)
	}
	if text == nil && len(out) == 0 {
		return service{always: true}
	}
	s := service{open: interval.Of(x)}
	if text != nil {
		s.open = f.hoursOf(text, x)
		if t := text.Terminal(terminal); t != nil {
			s.open = s.open.Intersect(t.Lives)
		}
	}
	s.out = s.open.Intersect(out)
	s.counted = s.open.Subtract(s.out)
	return s
}

// hoursOf is a store's service time; the terminals of a store mostly ask for the same.
func (f *Fold) hoursOf(text *registry.Store, x interval.Span) interval.Set {
	if a := &f.asked; a.text != text || x.From < a.within.From || x.To > a.within.To {
		*a = asked{text: text, within: interval.Span{From: floorHour(x.From), To: floorHour(x.To) + hourMilli}}
		a.hours = text.Service(a.within)
	}
	return f.asked.hours.Within(x)
}

// asked is the last answer about service time.
type asked struct {
	text   *registry.Store
	within interval.Span
	hours  interval.Set
}

// served is how the service time of an hour was spent, ms.
type served struct{ service, down, excluded, unknown uint32 }

// serve tells the hours of a walk their service time, from the first instant of which anything is known.
func (s *service) serve(hours []hour, w *walk, from, to int64) {
	if s.always {
		for i := range hours {
			h := &hours[i]
			unknown := h.ms[Unknown] + h.ms[Silent]
			h.served = served{service: unknown + h.ms[Up] + h.ms[Degraded] + h.ms[Disabled] + h.ms[Cardless] + h.ms[Down] + h.ms[Maintenance], down: h.ms[Down], unknown: unknown}
		}
		return
	}
	from = w.begins(from)
	for i := range hours {
		h := &hours[i]
		x := interval.Span{From: max(h.start, from), To: min(h.start+hourMilli, to)}
		h.served = served{service: uint32(s.open.Overlap(x)), excluded: uint32(s.out.Overlap(x))}
	}
	i := 0
	for n := range w.runs {
		r := &w.runs[n]
		if r.status != Down && r.status != Unknown && r.status != Silent && r.status != None {
			continue
		}
		run := interval.Span{From: max(r.start, from), To: min(w.end(n), to)}
		for i < len(hours) && hours[i].start+hourMilli <= run.From {
			i++
		}
		for k := i; k < len(hours) && hours[k].start < run.To; k++ {
			ms := uint32(s.counted.Overlap(run.Cut(interval.Span{From: hours[k].start, To: hours[k].start + hourMilli})))
			if r.status == Down {
				hours[k].served.down += ms
			} else {
				hours[k].served.unknown += ms
			}
		}
	}
}

// withdraw leaves nothing known outside a terminal's registered lives, from one instant to another: what comes later is not the walk's. A silence
// that a life ended was not ended by the report after it, so that does not explain it.
func (w *walk) withdraw(lives interval.Set, from, to int64) {
	if whole(lives, from, to) {
		return
	}
	w.under = append(w.under[:0], w.runs...)
	w.runs = w.runs[:0]
	put := func(start int64, s Status, cause string) {
		if n := len(w.runs); n == 0 || w.runs[n-1].status != s {
			w.runs = append(w.runs, run{cause, start, s})
		}
	}
	for i := range w.under {
		r := &w.under[i]
		end := Open
		if i+1 < len(w.under) {
			end = w.under[i+1].start
		}
		x := interval.Span{From: max(r.start, from), To: min(end, to+1)}
		within := lives.Within(x)
		cause := func(until int64) string {
			if r.status == Silent && (r.cause == lineCut || r.cause == reboot) && until < end {
				return ""
			}
			return r.cause
		}
		if r.start < from {
			until := x.From
			if len(within) > 0 && within[0].From == x.From {
				until = within[0].To
			}
			put(r.start, r.status, cause(until))
		}
		at := x.From
		for _, life := range within {
			if at < life.From {
				put(at, None, "")
			}
			put(life.From, r.status, cause(life.To))
			at = life.To
		}
		if at < x.To {
			put(at, None, "")
		}
	}
}

// whole says whether a terminal was registered all the time from one instant to another.
func whole(lives interval.Set, from, to int64) bool {
	x := interval.Span{From: from, To: to + 1}
	return len(lives.Within(x)) == 1 && lives.Overlap(x) == to+1-from
}
