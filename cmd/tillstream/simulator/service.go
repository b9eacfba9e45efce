package simulator

import (
	"cmp"
	"slices"

	"github.com/tillstream/tillstream/processor/interval"
)

// served tells the truth about a store's service: of its tills' hours and outages, of its own hours, of its incidents and its maintenance.
func (s *store) served(t *Truth) {
	all := map[string]interval.Set{} // maintenance by terminal
	for _, r := range s.clerk.records {
		if !r.maintenance {
			t.Incidents = append(t.Incidents, r.incidentTruth(s.id))
			continue
		}
		x, terminal := r.excluded()
		all[terminal] = all[terminal].Union(x)
		t.Work = append(t.Work, WorkTruth{s.id, r.id, x.Length()})
	}
	whole := span{forEver, 0}
	for _, till := range s.tills {
		if l := &till.timeline; l.begun {
			whole.from, whole.to = min(whole.from, l.began), max(whole.to, l.settled)
		}
	}
	open := s.hours(whole)
	for _, till := range s.tills {
		till.served(open, all[""].Union(all[till.id]))
	}
	s.sell(t, whole, open, all[""])
}

// served fills in the service time of a till's hours and outages.
func (t *till) served(open, excluded interval.Set) {
	l := &t.timeline
	open = open.Intersect(interval.Set{{From: t.life.from, To: t.life.to}})
	counted := open.Subtract(excluded)
	in := func(set interval.Set, from, to int64) int64 {
		return set.Overlap(interval.Span{From: from, To: to})
	}
	for i := range l.hours {
		h := &l.hours[i]
		from, to := max(h.Hour, l.began), min(h.Hour+hour, l.settled)
		h.Service = in(open, from, to)
		h.Excluded = h.Service - in(counted, from, to)
		for k, r := range l.runs {
			end := l.settled
			if k+1 < len(l.runs) {
				end = l.runs[k+1].from
			}
			switch a, b := max(from, r.from), min(to, end); {
			case a >= b:
			case r.status == down:
				h.ServiceDown += in(counted, a, b)
			case r.status == silent:
				h.ServiceUnknown += in(counted, a, b)
			}
		}
	}
	for i := range l.outages {
		if o := &l.outages[i]; o.End != 0 {
			o.Service = in(counted, o.Start, o.End)
		}
	}
}

// is the till's status at an instant, as far as is known of it; none outside its life.
func (t *till) is(at int64) uint8 {
	l := &t.timeline
	switch {
	case !l.begun || at < l.began || at < t.life.from || at >= t.life.to:
		return none
	case at >= l.settled:
		return l.at(at)
	}
	i, found := slices.BinarySearchFunc(l.runs, at, func(r stretch, at int64) int { return cmp.Compare(r.from, at) })
	if !found {
		i--
	}
	return l.runs[i].status
}

// sell tells how long too few of the store's tills could sell, or nobody knows: it looks at all tills wherever anything changes.
func (s *store) sell(t *Truth, whole span, open, excluded interval.Set) {
	points := []int64{whole.to}
	for _, till := range s.tills {
		l := &till.timeline
		if !l.begun {
			continue
		}
		for _, r := range l.runs {
			points = append(points, r.from)
		}
		points = append(points, l.settled, l.report.at+l.reportHold(), l.sold+l.saleHold(), till.life.from, till.life.to)
	}
	for h := floorDiv(whole.from, hour) * hour; h < whole.to; h += hour {
		points = append(points, max(h, whole.from))
	}
	slices.Sort(points)
	counted := open.Subtract(excluded)
	var row *StoreTruth
	for i, at := range points {
		if at < whole.from || at >= whole.to || points[i+1] == at {
			continue
		}
		var tills, able, unheard int64
		for _, till := range s.tills {
			switch till.is(at) {
			case none:
				continue
			case up, degraded:
				able++
			case silent:
				unheard++
			}
			tills++
		}
		if tills == 0 {
			continue
		}
		if h := floorDiv(at, hour) * hour; row == nil || row.Hour != h {
			t.StoreHours = append(t.StoreHours, StoreTruth{Store: s.id, Hour: h})
			row = &t.StoreHours[len(t.StoreHours)-1]
		}
		x := interval.Span{From: at, To: points[i+1]}
		row.Service += open.Overlap(x)
		row.Excluded += open.Overlap(x) - counted.Overlap(x)
		switch {
		case able >= s.terms.quorum:
		case able+unheard < s.terms.quorum:
			row.QuorumDown += counted.Overlap(x)
		default:
			row.Unknown += counted.Overlap(x)
		}
	}
}

// parties sums up the incidents.
func (t *Truth) parties() {
	met := map[string]*PartyTruth{}
	answered := map[string]int64{}
	for _, x := range t.Incidents {
		if x.Resolved == 0 || x.Cancelled != 0 {
			continue
		}
		p := entry(met, x.Party)
		p.N++
		p.MTTR += float64(x.Resolve) / 1000
		if x.Acknowledged != 0 {
			answered[x.Party]++
			p.MTTA += float64(x.Acknowledged/1000 - x.Opened/1000) // as dateDiff counts seconds
		}
	}
	for party, p := range met {
		p.Party, p.MTTR, p.MTTA = party, p.MTTR/float64(p.N), p.MTTA/float64(max(answered[party], 1))
		t.Parties = append(t.Parties, *p)
	}
	slices.SortFunc(t.Parties, func(a, b PartyTruth) int { return cmp.Compare(a.Party, b.Party) })
}
