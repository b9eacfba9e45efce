package incident

import (
	"cmp"
	"slices"

	"github.com/tillstream/tillstream/processor/interval"
)

// maintenance is what a set of steps comes to. Instants are ms since 1970, 0 where there is none.
type maintenance struct {
	scope
	status                                       string
	kind, approvedBy, by, reason                 string
	announced, noticed, approved, started, ended int64
	cancelled                                    int64
	window                                       window // of the latest announcement
	excluded                                     interval.Set
}

// run is from started to ended; open if nobody ended it.
type run struct {
	interval.Span
	open bool
}

// review comes to a verdict on maintenance. There is at least one step.
func review(all []step) maintenance {
	var m maintenance
	if s, by := latest(all, func(s *step) *scope { return s.Scope }); by != nil {
		m.scope = *s
	}
	m.kind, _ = latest(all, func(s *step) string { return s.Kind })
	if s := first(all, is("announced")); s != nil {
		m.announced, m.noticed = s.At, cmp.Or(s.NoticeGivenAt, s.At)
	}
	announced, _ := latest(all, func(s *step) *window { return windowOf(s, "announced") })
	if announced != nil {
		m.window = *announced
	}
	_, approval := latest(all, func(s *step) bool { return s.Step == "approved" })
	if approval != nil {
		m.approved, m.approvedBy = approval.At, cmp.Or(approval.ApprovedBy, approval.By)
	}
	last := &all[len(all)-1]
	m.by, m.reason = last.By, last.Reason

	runs := runsOf(all)
	if len(runs) > 0 {
		m.started = runs[0].From
		if end := runs[len(runs)-1]; !end.open {
			m.ended = end.To
		}
	}
	off, cancelled := cancellations(all)
	m.cancelled = cancelled
	if announced != nil && approval != nil && len(runs) > 0 {
		begin := all[0].At
		m.excluded = used(announced, runs, begin).Intersect(used(approvedWindow(all, approval), runs, begin)).Subtract(off)
	}
	m.status = m.stage(len(runs) > 0)
	return m
}

func (m *maintenance) stage(begun bool) string {
	switch {
	case m.cancelled != 0:
		return "cancelled"
	case m.ended != 0:
		return "ended"
	case begun:
		return "started"
	case m.approved != 0:
		return "approved"
	}
	return "announced"
}

func windowOf(s *step, kind string) *window {
	if s.Step != kind {
		return nil
	}
	return s.Window
}

// approvedWindow is what an approval is about: what it says, else what was announced by then, else what was announced first.
func approvedWindow(all []step, approval *step) *window {
	if approval.Window != nil {
		return approval.Window
	}
	var w *window
	for i := range all {
		if a := windowOf(&all[i], "announced"); a != nil && (w == nil || all[i].compare(approval) < 0) {
			w = a
		}
	}
	return w
}

// runsOf are the times at which maintenance went on.
func runsOf(all []step) []run {
	var out []run
	for i := range all {
		n := len(out)
		switch s := &all[i]; {
		case s.Step == "started" && (n == 0 || !out[n-1].open):
			out = append(out, run{interval.Span{From: s.At, To: interval.Max}, true})
		case s.Step == "ended" && n > 0 && out[n-1].open:
			out[n-1].To, out[n-1].open = s.At, false
		}
	}
	return out
}

// cancellations are the times at which it was called off, each until it was announced again, and when the last that holds began.
func cancellations(all []step) (off interval.Set, since int64) {
	for i := range all {
		switch s := &all[i]; {
		case s.Step == "cancelled" && since == 0:
			since = s.At
		case s.Step == "announced" && since != 0:
			off, since = append(off, interval.Span{From: since, To: s.At}), 0
		}
	}
	if since != 0 {
		off = append(off, interval.Span{From: since, To: interval.Max})
	}
	return interval.Of(off...), since
}

// lookahead bounds an open run of a window that recurs: the next one begins within so long, ms, or nobody is waiting for it.
const lookahead = 5 * 366 * 86_400_000

// used are the parts of a window in runs. The last of them may be open: it ends with the window it began in, or before, if that recurs. There is at least one.
func used(w *window, runs []run, begin int64) interval.Set {
	spans := make([]interval.Span, len(runs))
	for i := range runs {
		spans[i] = runs[i].Span
	}
	last := runs[len(runs)-1]
	until, waits := last.To, last.open && w.recurs()
	if waits {
		until = last.From + lookahead
	}
	var out []interval.Span
	for x := range w.all(begin) {
		if x.From >= until {
			break
		}
		if x.To > runs[0].From {
			out = append(out, x)
		}
		if waits && x.To > last.From {
			break
		}
	}
	return interval.Of(out...).Intersect(interval.Of(spans...))
}

// covers says whether a scope has a terminal in it. One without terminals is the whole store.
func (s *scope) covers(terminal string) bool {
	if len(s.Terminals) == 0 {
		return true
	}
	_, found := slices.BinarySearch(s.Terminals, terminal)
	return found
}
