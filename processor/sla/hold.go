package sla

import "github.com/tillstream/tillstream/processor/interval"

// Hold reads runs of a terminal as an agreement does that says how long what was heard last is believed, in ms: so long after it a terminal that is up or degraded
// falls silent, whatever was taken for granted when the runs were made. unheard are the times without any evidence, in order, with those that
// are longer than hold among them. Runs are in order, and so is what comes of them. What was reported to hold until the next report
// does: down, maintenance, closing.
func Hold(runs []Run, unheard []interval.Span, hold int64) []Run {
	out := make([]Run, 0, len(runs))
	add := func(r Run, x interval.Span) {
		if r.Span = x; !x.Empty() {
			out = append(out, r)
		}
	}
	for i, r := range runs {
		for len(unheard) > 0 && unheard[0].To <= r.From {
			unheard = unheard[1:]
		}
		left := r.Span
		switch {
		case r.Status == Up || r.Status == Degraded:
			for _, g := range unheard {
				if g.From >= r.To {
					break
				}
				if lapse := g.From + hold; lapse < g.To {
					silent := left.Cut(interval.Span{From: lapse, To: g.To})
					if silent.Empty() {
						continue
					}
					add(r, interval.Span{From: left.From, To: silent.From})
					add(Run{Status: Silent}, silent)
					left.From = silent.To
				}
			}
		case r.Status == Silent && len(unheard) > 0 && unheard[0].From < r.From && i > 0 && runs[i-1].To == r.From:
			// It lapsed: till then it was what it had been before.
			if was := runs[i-1]; was.Status == Up || was.Status == Degraded {
				believed := r.Span.Cut(interval.Span{From: r.From, To: min(unheard[0].From+hold, unheard[0].To)})
				if !believed.Empty() {
					add(was, believed)
					left.From = believed.To
				}
			}
		}
		add(r, left)
	}
	return out
}
