package simulator

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tillstream/tillstream/processor/interval"
)

// forEver is later than all that is simulated.
const forEver = int64(1) << 60

// dayBreak parts the days of trade: no store is open then. Local ms since midnight.
const dayBreak = 3 * hour

// Instants of the lives of tills, after the start of the simulation: whole hours, its steps.
const (
	commissioned = 16 * hour
	retired      = 20 * hour
	moved        = 24 * hour
)

// terms are what the registry says of a store beside its hours.
type terms struct {
	quorum  int64
	timeout int64  // of heartbeats, ms; 0: not said
	needs   string // component without which a till cannot sell; ""
	holiday int64  // day on which it is closed, since 1970; 0: none
	line    string // supplier of its line
}

func termsOf(s *store) terms {
	n := int(s.number)
	x := terms{quorum: 1, line: "telco-" + strings.ToLower(s.place.country)}
	if n%3 == 1 && s.cfg.TillsPerStore > 1 {
		x.quorum = 2
	}
	if n%5 == 2 {
		x.timeout = 4 * s.interval
	}
	if n%2 == 0 {
		x.needs = "printer"
	}
	if n%4 == 1 {
		x.holiday = holiday(s.start)
	}
	return x
}

// holiday is the second day of a simulation.
func holiday(start int64) int64 { return floorDiv(start, day) + 1 }

// lives lets a few tills come later, go, or move to the next store.
func (c *chain) lives() {
	var newcomers []*till
	for n, s := range c.stores {
		t := s.tills[len(s.tills)-1]
		for _, x := range s.tills {
			x.planned, x.freeAt = c.start+2*hour, c.start
		}
		if c.cfg.TillsPerStore < 2 || n%16 > 3 || n%16 == 1 {
			continue
		}
		switch at := c.start; n % 16 {
		case 0:
			if n+1 == len(c.stores) {
				continue
			}
			t.life.to = at + moved
			t.numberless, t.epochs = false, true // it counts from 1 again where it comes to, and says so
			t.skew = 0
			to := c.stores[n+1]
			again := newTill(to, c.cfg.TillsPerStore, c.cfg.Stores*c.cfg.TillsPerStore+n, newRandom(c.cfg.Seed, 2_000_000+uint64(n)))
			again.habits, again.id, again.install, again.skew, again.before = t.habits, t.id, 2, 0, t
			again.life.from = t.life.to
			again.planned, again.freeAt, again.powered = again.life.from+2*hour, again.life.from, false
			newcomers = append(newcomers, again)
		case 2:
			t.life.to, t.skew = at+retired, 0
		case 3:
			t.life.from, t.skew = at+commissioned, 0
			t.planned, t.freeAt, t.powered = t.life.from+2*hour, t.life.from, false
		}
	}
	for _, t := range newcomers {
		t.store.tills = append(t.store.tills, t)
	}
}

// closes is when it is used no more; its life ends a little later.
func (t *till) closes() int64 { return t.life.to - 40*minute }

// works says whether the store uses it.
func (t *till) works(at int64) bool { return at >= t.life.from && at < t.closes() }

// account is the one under which its deliveries are counted, wherever it stands.
func (t *till) account() *till {
	if t.before != nil {
		return t.before
	}
	return t
}

// hours are the store's opening hours within a span, as docs/registry.md says: of a wall time that occurs twice an opening takes the first, a
// closing the second; of one that does not, both take the first instant after it.
func (s *store) hours(x span) interval.Set {
	var all []interval.Span
	for d := floorDiv(x.from, day) - 3; d <= floorDiv(x.to, day)+2; d++ {
		h := s.format.hours[((d+3)%7+7)%7]
		if h[0] == h[1] || d == s.terms.holiday {
			continue
		}
		all = append(all, interval.Span{From: s.shows(d*day+int64(h[0])*minute, true), To: s.shows(d*day+int64(h[1])*minute, false)})
	}
	return interval.Of(all...).Within(interval.Span{From: x.from, To: x.to})
}

// shows is the first, or the last, instant at which the clock on the wall shows a local time: it looks at every quarter of an hour.
func (s *store) shows(local int64, first bool) int64 {
	var last, after int64
	for q := local - 15*hour; q <= local+13*hour; q += slot {
		switch now := s.wall.local(q); {
		case now == local && first:
			return q
		case now == local:
			last = q
		case now > local && after == 0:
			after = q
		}
	}
	return cmp.Or(last, after)
}

// Registry is the chain as manifests for `tillstream apply`: YAML.
func (s *Simulator) Registry() []byte {
	var b strings.Builder
	object := func(kind, name, spec string, args ...any) {
		if b.Len() > 0 {
			b.WriteString("---\n")
		}
		fmt.Fprintf(&b, "apiVersion: tillstream/v1\nkind: %s\nmetadata: {name: %q}\nspec:\n", kind, name)
		fmt.Fprintf(&b, spec, args...)
	}
	c := s.chain
	object("Holidays", "founding-day", "  days: [{date: %s, name: Founding day}]\n", appendDate(nil, int32(holiday(c.start))))
	var lines []string
	for _, closed := range []bool{false, true} {
		for i := range formats {
			f := &formats[i]
			spec, name := "  week:\n", f.name
			for d, h := range f.hours {
				if h[0] != h[1] {
					spec += fmt.Sprintf("    %s: [\"%02d:%02d-%02d:%02d\"]\n", [...]string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}[d], h[0]/60, h[0]%60, h[1]/60%24, h[1]%60)
				}
			}
			if closed {
				spec, name = spec+"  holidays: [founding-day]\n", name+"-closing"
			}
			object("Calendar", name, "%s", spec)
		}
	}
	for _, st := range c.stores {
		if !slices.Contains(lines, st.terms.line) {
			lines = append(lines, st.terms.line)
			object("Supplier", st.terms.line, "  description: lines in %s\n", st.place.country)
		}
	}
	for _, st := range c.stores {
		calendar := st.format.name
		if st.terms.holiday != 0 {
			calendar += "-closing"
		}
		spec := fmt.Sprintf("  gln: %q\n  timezone: %s\n  currency: %s\n  format: %s\n  area: %s\n  calendar: %s\n  sell_quorum: %d\n  line_supplier: %s\n",
			st.gln, st.place.zone, st.place.currency, st.format.name, st.place.country, calendar, st.terms.quorum, st.terms.line)
		if st.terms.timeout > 0 {
			spec += fmt.Sprintf("  heartbeat_timeout: %s\n", time.Duration(st.terms.timeout)*time.Millisecond)
		}
		if st.terms.needs != "" {
			spec += fmt.Sprintf("  sell_needs: [%s]\n", st.terms.needs)
		}
		object("Store", st.id, "%s", spec)
	}
	for _, st := range c.stores {
		for _, t := range st.tills {
			if t.before != nil {
				continue // it has a life more
			}
			spec := "  lives:\n  - " + t.lived()
			for _, o := range c.stores[min(int(st.number)+1, len(c.stores)-1)].tills {
				if o.before == t {
					spec += "\n  - " + o.lived()
				}
			}
			object("Terminal", t.id, "%s\n  model: %s\n  components: [printer, card_reader, scanner, cash_drawer]\n", spec, models[t.index%len(models)])
		}
	}
	return []byte(b.String())
}

// lived is a life in a manifest.
func (t *till) lived() string {
	at := func(key string, ms int64) string {
		return fmt.Sprintf(", %s: %q", key, time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.999Z07:00"))
	}
	text := fmt.Sprintf("{store: %q", t.store.id)
	if t.life.from > 0 {
		text += at("from", t.life.from)
	}
	if t.life.to < forEver {
		text += at("to", t.life.to)
	}
	return text + "}"
}
