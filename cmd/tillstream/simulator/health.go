package simulator

import (
	"cmp"
	"slices"
)

// report is a health report on its way.
type report struct {
	header
	kind, status string
	episode      *episode // what befalls the till, nil if nothing does
	full         bool     // with all that the till knows of itself
	response     int64    // ms
	latency      int64    // of the line, ms
	load         uint64   // random bits for the figures of the machine
}

// mark is an instant at which something changes for a till.
type mark struct {
	at   int64
	kind markKind
	e    *episode
}

type markKind uint8

const (
	begins markKind = iota
	ends
	turnedOn
	turnedOff
	taken // away
)

// report sends what a till says of itself in [from, to).
func (s *store) report(t *till, from, to int64) {
	if to <= t.life.from || from >= t.closes() {
		return
	}
	marks := s.marks(t, from, to)
	for i := 0; ; {
		at := to
		if t.powered {
			at = min(at, max(t.nextBeat, from))
		}
		if i < len(marks) && marks[i].at <= at {
			s.change(t, &marks[i])
			i++
			continue
		}
		if at == to {
			return
		}
		s.beat(t, at)
	}
}

// marks are the changes of [from, to), in order.
func (s *store) marks(t *till, from, to int64) []mark {
	marks := s.scratch[:0]
	if begins := from == max(s.start, t.life.from); begins && (s.staffed(from) || !s.format.nightOff) {
		marks = append(marks, mark{at: from + s.random.between(0, s.interval), kind: turnedOn})
		t.powered = false
	}
	if s.format.nightOff {
		s.turns(from-switchOn, to-switchOn, func(at int64, opens bool) {
			if opens {
				marks = append(marks, mark{at: at + switchOn, kind: turnedOn})
			}
		})
		s.turns(from-switchOff, to-switchOff, func(at int64, opens bool) {
			if !opens {
				marks = append(marks, mark{at: at + switchOff, kind: turnedOff})
			}
		})
	}
	for i := range t.episodes {
		e := &t.episodes[i]
		if e.from >= from && e.from < to {
			marks = append(marks, mark{e.from, begins, e})
		}
		if e.to >= from && e.to < to && !e.night {
			marks = append(marks, mark{e.to, ends, e})
		}
	}
	if x := t.closes(); x < to {
		marks = append(slices.DeleteFunc(marks, func(m mark) bool { return m.at >= x }), mark{at: x, kind: taken})
	}
	slices.SortStableFunc(marks, func(a, b mark) int { return cmp.Compare(a.at, b.at) })
	s.scratch = marks
	return marks
}

// change is the moment of a mark.
func (s *store) change(t *till, m *mark) {
	switch m.kind {
	case turnedOn:
		if !t.powered {
			s.boot(t, m.at, true)
		}
	case turnedOff, taken:
		if t.powered {
			s.say(t, m.at, "shutdown", "closing", true)
			t.powered = false
		}
	case begins:
		switch m.e.trouble {
		case reboot:
			if m.e.part%2 == 0 {
				s.say(t, m.at, "shutdown", "closing", true)
			}
			t.powered = false
		case dead:
			t.powered = false
		case reinstall:
			s.say(t, m.at, "state_change", "maintenance", true)
			t.powered = false
		default:
			s.say(t, m.at, "state_change", status(m.e), true)
		}
	case ends:
		switch {
		case m.e.trouble == reinstall:
			s.reinstall(t, m.at)
		case m.e.trouble == degradation || m.e.trouble == crash && m.e.part%2 == 0:
			s.say(t, m.at, "state_change", "up", true)
		default:
			if m.e.trouble == maintenance {
				t.version++
			}
			s.boot(t, m.at, true)
		}
	}
}

// reinstall gives the till new software, and numbers that begin at 1 again. That is what tells a new epoch from repeats, so it happens
// only when all that it ever sent has arrived, and the first numbers are beyond doubt.
func (s *store) reinstall(t *till, at int64) {
	t.version++
	_, cut := s.cutAt(at)
	if _, soon := s.cutAt(at + 10*minute); cut || soon || t.lastIn >= at {
		s.boot(t, at, true)
		return
	}
	t.install++
	t.sequence = [topics]uint64{}
	s.boot(t, at, false)
	tx := s.act(t, "sign_on", at+minute)
	s.settle(t, tx, at+minute+5*second, false)
}

// boot starts a till.
func (s *store) boot(t *till, at int64, trouble bool) {
	t.powered, t.bootedAt, t.bootNumber = true, at, s.random.Uint64()
	s.say(t, at, "startup", "up", trouble)
}

// status is what a till says of itself in an episode.
func status(e *episode) string {
	if e == nil {
		return "up"
	}
	switch e.trouble {
	case crash:
		return "down"
	case maintenance, reinstall:
		return "maintenance"
	case degradation:
		return "degraded"
	}
	return "up"
}

// beat is a heartbeat.
func (s *store) beat(t *till, at int64) {
	if _, cut := s.cutAt(at); cut && !t.keepsBeats {
		t.nextBeat = at + s.interval
		return
	}
	s.say(t, at, "heartbeat", status(t.episodeAt(at)), true)
}

// say sends a report.
func (s *store) say(t *till, at int64, kind, status string, trouble bool) {
	r := s.random
	load := r.Uint64()
	t.nextBeat = at + s.interval + int64(load%uint64(s.interval/64+1))
	t.beats++
	p := &s.reporting
	*p = report{header: t.begin(health, at, trouble), kind: kind, status: status, load: load, full: kind == "startup" || t.beats%60 == 0}
	p.episode = t.episodeAt(at)
	p.response = 12 + int64(load>>8%50) + int64(load>>16%8)*int64(load>>24%8)*int64(load>>32%8)
	p.latency = 8 + int64(load>>40%60)
	s.out.buffer = appendReport(s.out.buffer[:0], p)
	if s.out.send(&p.header, s.out.buffer) {
		s.ledger.report(p)
	}
}
