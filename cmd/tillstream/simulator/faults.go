package simulator

// span is [from, to).
type span struct{ from, to int64 }

// ahead is how far faults are decided before they are needed: longer than an hour of tills at work reaches into the next.
const ahead = 2 * hour

// longestCut keeps what arrives late within the 48 h in which a timeline may still be corrected.
const longestCut = 36 * hour

// planCuts decides when the store has no line, up to an instant.
func (s *store) planCuts(until int64) {
	for s.cutsPlanned < until {
		if s.faults == 0 {
			s.cutsPlanned = until
			return
		}
		from := s.cutsPlanned + s.random.exponential(float64(8*day)/s.faults)
		length := min(minute+int64(s.random.logNormal(float64(40*minute), 1.3)), longestCut)
		s.cuts = append(s.cuts, span{from, from + length})
		s.clerk.cut(s.cuts[len(s.cuts)-1])
		s.cutsPlanned = from + length + 30*minute
	}
}

// cutAt is the cut of an instant.
func (s *store) cutAt(at int64) (span, bool) {
	for _, c := range s.cuts {
		if at >= c.from && at < c.to {
			return c, true
		}
	}
	return span{}, false
}

func (s *store) forgetCuts(before int64) {
	for len(s.cuts) > 0 && s.cuts[0].to < before {
		s.cuts = s.cuts[1:]
	}
}

// What befalls a till.
type trouble uint8

const (
	reboot      trouble = iota // off for minutes, then a new boot
	crash                      // answers, says that it is down
	dead                       // no power: silent
	maintenance                // somebody works on it
	degradation                // sells, with a worn printer or scanner
	reinstall                  // maintenance after which it counts from 1 again
	troubles
)

type episode struct {
	span
	trouble trouble
	part    int  // of what is broken, see breakages
	night   bool // ends because the till is switched off
}

var troubleShares = [troubles]float64{reboot: 0.30, crash: 0.20, dead: 0.13, maintenance: 0.09, degradation: 0.25, reinstall: 0.03}

// breakages are what is broken in a crash, or worn in a degradation.
var breakages = [...]struct{ component, detail, code string }{
	{"printer", "no_paper", "PRT-07"},
	{"card_reader", "out_of_order", "PED-31"},
	{"cash_drawer", "out_of_order", "CDR-02"},
	{"scanner", "out_of_order", "SCN-11"},
	{"security_module", "out_of_order", "NF-500"},
	{"printer", "paper_jam", "PRT-03"},
}

type worn struct{ component, state, detail string }

var wear = [...]worn{
	{"printer", "warning", "paper_low"},
	{"printer", "error", "cover_open"},
	{"scanner", "warning", "dirty"},
	{"customer_display", "warning", "out_of_order"},
	{"scale", "warning", "calibration_due"},
}

// blocks says whether a till cannot sell.
func (e *episode) blocks(terms *terms) bool { return e.trouble != degradation || e.disables(terms) }

// wears is what is worn in a degradation.
func (e *episode) wears() *worn { return &wear[e.part%len(wear)] }

// disables says whether what is worn is in error, and nothing the store could do without.
func (e *episode) disables(terms *terms) bool {
	w := e.wears()
	return e.trouble == degradation && w.state == "error" && w.component == terms.needs
}

// planEpisodes decides what befalls a till, up to an instant. Reinstallations end on a step of the simulation.
func (t *till) planEpisodes(until, grid int64) {
	s, r := t.store, t.store.random
	for t.planned < until {
		if s.faults == 0 {
			t.planned = until
			return
		}
		e := episode{trouble: trouble(s.kinds.draw(r)), part: r.IntN(len(breakages))}
		e.from = t.planned + r.exponential(float64(2*day+5*hour)/s.faults)
		switch e.trouble {
		case reboot:
			e.to = e.from + r.between(minute, 4*minute)
		case crash:
			e.to = e.from + min(minute+int64(r.logNormal(float64(25*minute), 1)), 6*hour)
		case dead:
			e.to = e.from + min(5*minute+int64(r.logNormal(float64(40*minute), 0.9)), 10*hour)
		case maintenance:
			if !s.format.nightOff { // at three in the morning, if nobody needs the till then
				local := s.wall.local(e.from)
				e.from += floorDiv(local+21*hour, day)*day + 3*hour - local + r.between(0, hour)
			}
			e.to = e.from + r.between(30*minute, 90*minute)
		case degradation:
			e.to = e.from + min(10*minute+int64(r.logNormal(float64(2*hour), 0.7)), 12*hour)
		case reinstall:
			e.to = grid + -floorDiv(-(e.from+50*minute-grid), hour)*hour
			e.from = e.to - 50*minute
		}
		t.planned = max(e.from, t.planned) + 10*minute
		if e.from < t.planned-10*minute || s.format.nightOff && !s.staffed(e.from) {
			continue // too soon, or switched off anyway
		}
		if s.format.nightOff {
			s.turns(e.from, e.to, func(at int64, opens bool) {
				if off := at + switchOff; !opens && off < e.to {
					e.to, e.night = off, true
				}
			})
			if e.night && e.trouble == reinstall {
				continue
			}
		}
		if e.to > t.closes() {
			t.planned = forEver
			return
		}
		t.planned = e.to + 10*minute
		t.episodes = append(t.episodes, e)
		s.clerk.episode(t, &e)
	}
}

// episodeAt is what befalls the till at an instant, nil if nothing does.
func (t *till) episodeAt(at int64) *episode {
	for i := range t.episodes {
		if e := &t.episodes[i]; at >= e.from && at < e.to {
			return e
		}
	}
	return nil
}

func (t *till) forgetEpisodes(before int64) {
	for len(t.episodes) > 0 && t.episodes[0].to < before {
		t.episodes = t.episodes[1:]
	}
}
