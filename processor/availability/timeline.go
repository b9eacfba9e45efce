package availability

import (
	"math"
	"slices"
)

// Open is the end of the last run of a timeline.
const Open int64 = math.MaxInt64

// beginningOfTime comes before all evidence.
const beginningOfTime int64 = math.MinInt64

// Run is a maximal stretch [Start, End) of one status, in ms since 1970.
type Run struct {
	Start, End int64
	Status     Status // never None or Closing
	Cause      string // of what began it
}

// Timeline evaluates a set of evidence up to its newest piece: the runs in order, gaps between them where nothing is known. It
// is what the rows of a terminal say, without the state and the batches.
func Timeline(cfg Config, evidence []Evidence) []Run {
	if len(evidence) == 0 {
		return nil
	}
	r, from := newRules(cfg), theBeginning()
	var c clocks
	evidence = c.place(nil, distinct(slices.Clone(evidence)), from.at, from.at)
	var w walk
	w.run(&r, &from, evidence, evidence[len(evidence)-1].Time)
	var out []Run
	for i, x := range w.runs {
		if x.status != None {
			out = append(out, Run{Start: x.start, End: w.end(i), Status: x.status, Cause: x.cause})
		}
	}
	return out
}

// distinct sorts evidence in place and drops repetitions.
func distinct(ev []Evidence) []Evidence {
	if ascending(ev) {
		return ev
	}
	slices.SortFunc(ev, func(a, b Evidence) int { return a.Compare(&b) })
	return slices.CompactFunc(ev, func(a, b Evidence) bool { return a.Compare(&b) == 0 })
}

// ascending says that each piece is later than the one before, as most are that a till sends.
func ascending(ev []Evidence) bool {
	for i := 1; i < len(ev); i++ {
		if ev[i-1].Time >= ev[i].Time {
			return false
		}
	}
	return true
}

// heard is what decides the status until the next evidence: the last report, and the last sale if it is later.
type heard struct {
	status   Status // of the report; None: there was none
	sale     bool   // there was a sale since
	boot     uint32 // of the last report that had one
	reported int64
	sold     int64
	hold     int64 // of the report, and of sales since
	cause    string
}

func (h *heard) add(e *Evidence) {
	switch {
	case e.registers():
		if h.status == None && !h.sale {
			*h = heard{status: Unknown, reported: e.Time, hold: e.Hold, cause: e.Cause}
		}
	case !e.Sale:
		boot := e.Boot
		if boot == 0 {
			boot = h.boot
		}
		h.status, h.sale, h.reported, h.sold, h.hold, h.cause, h.boot = e.Status, false, e.Time, 0, e.Hold, e.Cause, boot
	case h.status == None || e.Time > h.reported || e.Time == h.reported && h.cause == registered:
		h.sale, h.sold = true, e.Time
	}
}

// at is the status at x, not before the last evidence, and until when it holds if nothing more is heard.
func (h *heard) at(x int64, r *rules) (s Status, cause string, until int64) {
	seen := h.reported
	if h.sale {
		seen = h.sold
	}
	if h.status == None && !h.sale {
		return None, "", Open
	}
	limit := seen + r.retire
	switch {
	case h.status == Down || h.status == Maintenance:
		if limit = seen + reportedFor; x < limit {
			return h.status, h.cause, limit
		}
	case h.status == Unknown && !h.sale:
		if x < limit {
			return Unknown, h.cause, limit
		}
	case h.status.runs() && x < h.reported+h.holds(r, h.reported):
		s, cause, until = h.status, spoken(h.cause), h.reported+h.holds(r, h.reported)
		if s != Disabled {
			until = min(until, r.changes(x))
			if kind := r.lacks(h.cause, x); kind != "" {
				if s = Disabled; cause == "" {
					cause = kind
				}
			}
		}
		return s, cause, until
	case h.sale && x < h.sold+h.holds(r, h.sold):
		return Up, "", h.sold + h.holds(r, h.sold)
	case x < limit:
		if h.status == Closing && !h.sale {
			cause = h.cause
		}
		return Silent, cause, limit
	}
	return None, "", Open
}

// lapses is when an up or degraded till becomes silent if nothing more is heard.
func (h *heard) lapses(r *rules) int64 {
	if h.sale {
		return h.sold + h.holds(r, h.sold)
	}
	return h.reported + h.holds(r, h.reported)
}

// holds is how long what was heard at an instant holds: as the registry said then, else as the last report said.
func (h *heard) holds(r *rules, at int64) int64 {
	if r.registered != nil {
		if timeout := r.registered.At(at).HeartbeatTimeout; timeout > 0 {
			return min(timeout, maxHold)
		}
	}
	if h.status == None {
		return r.hold
	}
	return h.hold
}

// run is a stretch of one status up to where the next begins.
type run struct {
	cause  string
	start  int64
	status Status
}

// span is a stretch of time [from, to).
type span struct{ from, to int64 }

// walk is an evaluated timeline: the runs, the last one open, and what decides how that goes on. Its slices are reused.
type walk struct {
	runs   []run
	under  []run // as the runs would be if all time were in a registered life; empty if they are
	last   heard
	proofs []span // what sales prove backwards; disjoint
	proof  int    // the first that may still matter
}

// end is where a run ends.
func (w *walk) end(i int) int64 {
	if i+1 < len(w.runs) {
		return w.runs[i+1].start
	}
	return Open
}

// run evaluates sorted, distinct evidence, none before the snapshot, up to and including the instant `to`. Evidence after that
// counts only as far as it reaches back.
func (w *walk) run(r *rules, from *snapshot, ev []Evidence, to int64) {
	w.prove(ev, from.at)
	w.runs, w.under = append(w.runs[:0], from.run), w.under[:0]
	w.last = from.heard
	w.follow(r, from, ev, from.at, to)
}

// extend takes a walk on from what it was at an instant, after which the evidence is and begins.
func (w *walk) extend(from *tip, r *rules, hot *snapshot, ev []Evidence, x, to int64) {
	w.prove(ev, x)
	w.runs, w.under = append(w.runs[:0], from.runs...), w.under[:0]
	w.last = from.last
	w.follow(r, hot, ev, x, to)
}

func (w *walk) follow(r *rules, from *snapshot, ev []Evidence, x, to int64) {
	for i := 0; ; {
		next := to
		if i < len(ev) {
			next = min(ev[i].Time, to)
		}
		for x < next {
			s, cause, until := w.last.at(x, r)
			until = min(until, next)
			w.stretch(x, until, s, from.causeOf(x, s, cause))
			x = until
		}
		if i == len(ev) || ev[i].Time > to {
			break
		}
		was, booted := w.last, false
		for ; i < len(ev) && ev[i].Time == next; i++ { // what is heard in one millisecond is heard together
			w.last.add(&ev[i])
			booted = booted || ev[i].Boot != 0
		}
		if booted && was.boot != 0 {
			w.explain(&was, r)
		}
	}
	s, cause, _ := w.last.at(to, r)
	w.stretch(to, to+1, s, from.causeOf(to, s, cause))
}

// goOn takes a walk that was evaluated up to an instant on to a later one, before which nothing more was heard.
func (w *walk) goOn(from *walk, r *rules, x, to int64) {
	w.runs, w.under, w.last, w.proofs, w.proof = append(w.runs[:0], from.runs...), w.under[:0], from.last, nil, 0
	for x < to {
		s, cause, until := w.last.at(x, r)
		until = min(until, to)
		w.stretch(x, until, s, cause)
		x = until
	}
	s, cause, _ := w.last.at(to, r)
	w.stretch(to, to+1, s, cause)
}

// Causes of a silence that a report has ended.
const (
	lineCut = "line_cut" // the till ran on
	reboot  = "reboot"
)

// explain says of a silence that a report has just ended what it was: the same boot means that the till ran on and could not be heard. A silence that was taken
// for a withdrawal, or that a sale has ended, stays as it is.
func (w *walk) explain(was *heard, r *rules) {
	now, last := w.last.reported, &w.runs[len(w.runs)-1]
	if last.status != Silent || last.cause != "" { // nearly always: reports are many, and so are proofs
		return
	}
	if s, _, _ := w.last.at(now, r); s == Silent && !slices.ContainsFunc(w.proofs, func(p span) bool { return p.from <= now && now < p.to }) {
		return
	}
	if last.cause = lineCut; was.boot != w.last.boot {
		last.cause = reboot
	}
}

// prove unites what the sales prove backwards, not before the given instant.
func (w *walk) prove(ev []Evidence, from int64) {
	w.proofs, w.proof = w.proofs[:0], 0
	for i := len(ev) - 1; i >= 0; i-- { // by falling end
		e := &ev[i]
		if start := max(e.Start, from); start < e.Time {
			if n := len(w.proofs); n > 0 && e.Time >= w.proofs[n-1].from {
				w.proofs[n-1].from = min(w.proofs[n-1].from, start)
				continue
			}
			w.proofs = append(w.proofs, span{start, e.Time})
		}
	}
	slices.Reverse(w.proofs)
}

// stretch adds [x, y) of a status; where that is weak, sales may have proved better.
func (w *walk) stretch(x, y int64, s Status, cause string) {
	if s == None || s == Silent || s == Unknown {
		for w.proof < len(w.proofs) && w.proofs[w.proof].to <= x {
			w.proof++
		}
		for i := w.proof; i < len(w.proofs) && w.proofs[i].from < y && x < y; i++ {
			if p := w.proofs[i]; p.from > x {
				w.push(x, s, cause)
				x = p.from
			}
			w.push(x, Up, "")
			x = min(y, w.proofs[i].to)
		}
	}
	if x < y {
		w.push(x, s, cause)
	}
}

func (w *walk) push(x int64, s Status, cause string) {
	if n := len(w.runs); w.runs[n-1].status != s {
		w.runs = append(w.runs, run{cause, x, s})
	}
}
