package evaluation

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla"
	"github.com/tillstream/tillstream/processor/sla/agreement"
)

// back is how far before a part evidence is looked at: outages and silences that reach into it, and counted time of the longest burn rate. Of what began earlier
// the length is known from the runs themselves.
const back = 21 * day

// Needs is the time of which facts are needed to measure a part.
func (p *Part) Needs() interval.Span {
	x := interval.Span{From: p.Span.From - back, To: p.Period.To + day}
	for i := range p.Terms.Exclusions {
		if limit := p.Terms.Exclusions[i].Cap; !limit.IsZero() {
			per := sla.Calendar{Unit: sla.Unit(limit.Per), Zone: p.zone}
			x.From = min(x.From, per.At(p.Span.From).From)
			x.To = max(x.To, per.At(p.Span.To-1).To)
		}
	}
	return x
}

// measuring is the work on one store.
type measuring struct {
	*Part
	store *Store
	at    int64
	reach interval.Span
	meant interval.Set // when the store is in scope
	open  interval.Set // service hours, padded
	whole interval.Set // the time in which the store is silent as a whole
	tills []*till
	out   *Measured
	rules []sla.Exclusion

	unkeptAt []Payments // see unkept
	allTries []Try      // of the store, see tries

	usual     *sla.Time // of the tills that are there all along and of which nothing is excused
	usualBurn *sla.Time
	usualOwed owed
}

// till is a terminal of the store.
type till struct {
	*registry.Terminal
	kept    *Till
	history sla.History
	service interval.Set // L ∩ S
	states  map[int]*sla.State
}

// Measure comes to what a store adds to a part, as of an instant; nil if nothing of it is in scope.
func (p *Part) Measure(s *Store, at int64) *Measured {
	m := &measuring{Part: p, store: s, at: at, reach: p.Needs(), out: &Measured{Store: s.ID}}
	m.meant = p.stores(s.Registered)
	if len(m.meant.Within(p.Span)) == 0 {
		return nil
	}
	m.open = m.hours(m.reach)
	for i := range s.Registered.Terminals {
		t := &s.Registered.Terminals[i]
		kept := s.Tills[t.ID]
		if kept == nil {
			kept = &Till{}
		}
		runs := s.Runs[t.ID]
		if m.hold > 0 {
			runs = sla.Hold(runs, kept.Unheard, m.hold)
		}
		m.tills = append(m.tills, &till{
			Terminal: t, kept: kept, history: sla.History{Runs: runs}, service: m.open.Intersect(t.Lives), states: map[int]*sla.State{},
		})
	}
	m.silence()
	m.rules = m.exclusions()
	var lives interval.Set
	first := len(m.out.cells)
	for _, t := range m.tills {
		life := p.terminals(t.Terminal).Intersect(m.meant)
		if len(life.Within(p.Span)) == 0 {
			continue
		}
		lives = lives.Union(life)
		m.terminal(t, life)
	}
	if len(lives) == 0 {
		return nil
	}
	m.out.units[1] = 1
	m.quorum(lives)
	m.incidents(lives)
	m.payments(lives)
	if at >= p.Period.To {
		x := m.sources()
		for i := range m.out.cells[first:] {
			m.out.cells[i].sources = x
		}
	}
	return m.out
}

// hours are the service hours of the store in a span.
func (m *measuring) hours(x interval.Span) interval.Set {
	use := m.Terms.ServiceHours
	if use.Use == "24x7" {
		return interval.Of(x)
	}
	return sla.Widen(m.store.Registered.Service(x), use.Pad.Before.Milli(), use.Pad.After.Milli())
}

// hoursSince are the service hours since an instant, or as far as anything else reaches.
func (m *measuring) hoursSince(from int64) interval.Set {
	if from >= m.reach.From {
		return m.open
	}
	return m.hours(interval.Span{From: from, To: m.reach.To})
}

// silence finds out when all tills of the store are silent.
func (m *measuring) silence() {
	tills := make([]sla.Till, len(m.tills))
	var rules sla.Rules
	for i, t := range m.tills {
		tills[i] = sla.Till{Lives: t.Lives, Silent: rules.Silent(&t.history)}
	}
	m.whole = sla.StoreSilent(tills)
	for _, t := range m.tills {
		t.history.StoreSilent = m.whole
	}
}

// exclusions are the rules, with their windows in the store's zone.
func (m *measuring) exclusions() []sla.Exclusion {
	zone := "UTC"
	if v := m.store.Registered.At(m.Span.From); v != nil {
		zone = v.Timezone
	}
	return sla.ExclusionsOf(&m.Terms, m.zone, zone, m.reach)
}

// excuse decides about claims, over all that is reached.
func (m *measuring) excuse(claims []sla.Claim, promised interval.Set) (sla.Excused, []sla.Evidence) {
	if len(m.rules) == 0 || len(claims) == 0 {
		return sla.Excused{}, nil
	}
	return sla.Exclude(m.rules, claims, promised, m.Span.Cut(interval.Span{From: interval.Min, To: m.at}))
}

// times are the time that counts, the time that burns, and what is owed for it.
func (m *measuring) times(life, service interval.Set, excused sla.Excused) (t, burn *sla.Time, o owed) {
	t = sla.NewTime(m.Period, m.Stretch.Span, life, service, excused, m.at)
	if m.at < m.Span.To {
		burn = sla.NewTime(interval.Span{From: m.at - back, To: m.at}, interval.Span{From: interval.Min, To: interval.Max}, life, service, excused, m.at)
	}
	o.part = t.Counted.Length() + t.Ahead
	o.period = o.part
	if m.Span != m.Period {
		all := sla.NewTime(m.Period, interval.Span{From: interval.Min, To: interval.Max}, life, service, excused, m.at)
		o.period = all.Counted.Length() + all.Ahead
	}
	return t, burn, o
}

// terminal measures one terminal while it is in scope.
func (m *measuring) terminal(x *till, life interval.Set) {
	var claims []sla.Claim
	for i := range m.store.Works {
		if w := &m.store.Works[i]; covers(w.Terminals, x.ID) {
			claims = append(claims, w.claim(m.Text))
		}
	}
	for i := range m.store.Outages {
		if o := &m.store.Outages[i]; o.Terminal == x.ID {
			claims = append(claims, o.claim())
		}
	}
	excused, evidence := m.excuse(claims, m.open.Intersect(life))
	var t, burn *sla.Time
	var o owed
	usual := len(excused.Removed)+len(excused.Up) == 0 && len(life) == 1 && life[0].From <= m.reach.From && life[0].To >= m.reach.To
	switch {
	case usual && m.usual != nil:
		t, burn, o = m.usual, m.usualBurn, m.usualOwed
	default:
		t, burn, o = m.times(life, m.open, excused)
		if usual {
			m.usual, m.usualBurn, m.usualOwed = t, burn, o
		}
	}
	m.out.owed.part += o.part
	m.out.owed.period += o.period
	m.out.units[0]++
	for _, obj := range m.objectives {
		if obj.Indicator != agreement.Uptime && obj.Indicator != agreement.TimeToRepair {
			continue
		}
		s := x.state(obj)
		c := cell{objective: obj, owed: o, units: [2]int64{1, 0}}
		if obj.Indicator == agreement.TimeToRepair {
			c.took, c.evidence = m.repairs(obj, s, life, excused, x.ID)
		} else {
			m.fill(&c, t, burn, s)
			c.evidence = append(m.named(sla.Explain(t, s), x.ID), evidence...)
		}
		m.scoped(c, x)
	}
	m.answers(x, t, o)
}

// fill measures a state.
func (m *measuring) fill(c *cell, t, burn *sla.Time, s *sla.State) {
	c.figures = sla.Measure(t, s)
	if c.slice > 0 {
		whole := c.figures
		sl := sla.Together([]sla.Part{{Time: t, State: s}}, m.Period.From, c.slice)
		c.figures = scaled(sl.Figures(whole.Running), c.slice)
		c.figures.Outages = whole.Outages
	}
	if c.objective.parts {
		c.parts = []sla.Part{{Time: t, State: s}}
	}
	if burn != nil && c.target < sla.One {
		for i, w := range Windows {
			c.burns[i] = sla.BurnOver(burn, s, w.MS, m.at)
		}
	}
}

// state reads a till's history by the rules of an objective.
func (x *till) state(o *objective) *sla.State {
	if s := x.states[o.rules]; s != nil {
		return s
	}
	s := o.read.Read(&x.history, x.service)
	x.states[o.rules] = &s
	return &s
}

// scoped puts a cell of a terminal into the scopes that are wanted.
func (m *measuring) scoped(c cell, x *till) {
	for _, kind := range c.scopes {
		switch kind {
		case "terminal":
			m.put(c, Scope{"terminal", x.ID, m.out.Store})
		case "store":
			m.put(c, Scope{"store", m.out.Store, m.out.Store})
		case "service":
			for _, s := range m.services(x.Terminal, max(m.Span.From, x.Lives[0].From)) {
				m.put(c, Scope{"service", s, ""})
			}
		case "customer":
			m.put(c, Scope{"customer", m.Terms.Parties.Customer, ""})
		}
	}
}

// put adds a cell to a scope. Each terminal has its own, once.
func (m *measuring) put(c cell, scope Scope) {
	c.Scope = scope
	if scope.Kind != "terminal" {
		for i := range m.out.cells {
			if have := &m.out.cells[i]; have.objective == c.objective && have.Scope == scope {
				have.evidence, have.parts, have.took.Took = slices.Clip(have.evidence), slices.Clip(have.parts), slices.Clip(have.took.Took)
				have.add(&c)
				return
			}
		}
	}
	m.out.cells = append(m.out.cells, c)
}

// wide puts a cell of the store as a whole into the scopes that are wanted.
func (m *measuring) wide(c cell) {
	c.units = [2]int64{m.out.units[0], 1}
	for _, kind := range c.scopes {
		switch kind {
		case "store":
			m.put(c, Scope{"store", m.out.Store, m.out.Store})
		case "service":
			for _, s := range m.servicesInScope() {
				m.put(c, Scope{"service", s, ""})
			}
		case "customer":
			m.put(c, Scope{"customer", m.Terms.Parties.Customer, ""})
		}
	}
}

// servicesInScope are those of all tills in scope.
func (m *measuring) servicesInScope() []string {
	var out []string
	for _, x := range m.tills {
		if life := m.terminals(x.Terminal).Intersect(m.meant).Within(m.Span); len(life) > 0 {
			out = append(out, m.services(x.Terminal, life[0].From)...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// quorum measures the store.
func (m *measuring) quorum(lives interval.Set) {
	for _, obj := range m.objectives {
		if obj.Indicator != agreement.StoreQuorum {
			continue
		}
		tills := make([]sla.Till, len(m.tills))
		for i, x := range m.tills {
			tills[i] = obj.read.Till(&x.history, x.Lives, x.service)
		}
		always := interval.Span{From: interval.Min, To: interval.Max}
		s := obj.read.Store(tills, m.store.Registered.Quorums(always))
		claims := m.storeClaims(&s)
		excused, evidence := m.excuse(claims, m.open.Intersect(lives))
		t, burn, o := m.times(lives, m.open, excused)
		c := cell{objective: obj, owed: o}
		m.fill(&c, t, burn, &s)
		c.evidence = append(m.named(sla.Explain(t, &s), ""), evidence...)
		m.wide(c)
	}
}

// storeClaims are claims about the store as a whole: maintenance of all of it, and its outages, as far as those of its tills that it is made of have one
// party.
func (m *measuring) storeClaims(s *sla.State) []sla.Claim {
	var claims []sla.Claim
	for i := range m.store.Works {
		w := &m.store.Works[i]
		if !slices.ContainsFunc(m.tills, func(x *till) bool { return !covers(w.Terminals, x.ID) }) {
			claims = append(claims, w.claim(m.Text))
		}
	}
	for _, x := range s.Outages {
		if o := m.outage(x, ""); o != nil && o.Party != undetermined {
			c := o.claim()
			c.Spans = interval.Of(x)
			claims = append(claims, c)
		}
	}
	return claims
}

// undetermined is the party of an outage that nobody answers for yet.
const undetermined = "undetermined"

// outage is that of a terminal, or of the store's tills together, in a span; nil if there is none in the tables. Where those of several tills have
// several parties it is undetermined.
func (m *measuring) outage(x interval.Span, terminal string) *Outage {
	var found *Outage
	for i := range m.store.Outages {
		o := &m.store.Outages[i]
		if terminal != "" && o.Terminal != terminal || o.Cut(x).Empty() {
			continue
		}
		if found == nil {
			clone := *o
			found = &clone
			continue
		}
		if terminal == "" && (o.Party != found.Party || o.Supplier != found.Supplier) {
			found.Party, found.Supplier, found.Rule, found.DecidedBy = undetermined, "", "several parties", ""
		}
	}
	if found != nil && terminal == "" {
		found.Ref = ref(m.out.Store, x.From)
	}
	return found
}

// ref names an outage as package availability does.
func ref(of string, from int64) string {
	return of + "/" + time.UnixMilli(from).UTC().Format("2006-01-02T15:04:05.000Z")
}

// named says of evidence which outage it is about, and whose.
func (m *measuring) named(all []sla.Evidence, terminal string) []sla.Evidence {
	of := terminal
	if terminal == "" {
		of = m.out.Store
	}
	limit := interval.Span{From: m.reach.From, To: max(m.at, m.reach.From)}
	for i := range all {
		e := &all[i]
		if e.Kind == "unknown" {
			e.Ref, e.Span = ref(of, max(e.From, m.Span.From)), e.Cut(m.Span)
			continue
		}
		e.Ref, e.Party, e.Rule = ref(of, e.From), undetermined, "silence"
		if o := m.outage(e.Span, terminal); o != nil {
			e.Ref, e.Party, e.Rule, e.DecidedBy = o.Ref, o.Party, o.Rule, o.DecidedBy
		}
		e.Span = e.Cut(limit)
	}
	return all
}

// repairs are the outages of a terminal as durations, each from where it began, in time that counts.
func (m *measuring) repairs(o *objective, s *sla.State, life interval.Set, excused sla.Excused, terminal string) (sla.Durations, []sla.Evidence) {
	var cases []sla.Case
	clock := m.open
	if len(s.Outages) > 0 {
		clock = m.hoursSince(s.Outages[0].From)
	}
	clock = clock.Intersect(life).Subtract(excused.Removed).Subtract(excused.Up).Within(interval.Span{From: interval.Min, To: min(m.at, m.Span.To)})
	for _, x := range s.Outages {
		c := sla.Case{Ref: ref(terminal, x.From), From: x.From, Party: undetermined}
		if x.To < m.at {
			c.To, c.Resolved = x.To, x.To
		}
		if found := m.outage(x, terminal); found != nil {
			c.Ref, c.Party = found.Ref, found.Party
		}
		if s.Down.Within(x).Shared(clock) > 0 {
			cases = append(cases, c)
		}
	}
	d := sla.NewDurations(cases, clock, m.Span, m.at)
	_, evidence := d.Result(o.stat, o.op, o.limit, o.least)
	return d, evidence
}

// sources are the digests of what a store was measured by.
func (m *measuring) sources() Sources {
	// What follows the part may tell how long an outage was; of that, what is known by when late evidence is not accepted any more, so that it does not grow afterwards.
	x := interval.Span{From: m.Span.From - day, To: min(m.Span.To+day, max(m.Span.To, m.LateData(&agreement.Objective{}).Accept))}
	digest := func(f func(add func(...any))) uint64 {
		h := fnv.New64a()
		f(func(all ...any) {
			for _, v := range all {
				switch v := v.(type) {
				case int64:
					var b [8]byte
					binary.LittleEndian.PutUint64(b[:], uint64(v))
					h.Write(b[:])
				default:
					fmt.Fprint(h, v, "\x00")
				}
			}
		})
		return h.Sum64()
	}
	return Sources{
		Evidence: digest(func(add func(...any)) {
			for _, t := range m.tills {
				add(t.ID)
				for _, r := range t.history.Runs {
					if in := r.Span.Cut(x); !in.Empty() {
						add(in.From, in.To, int64(r.Status), int64(r.Lost))
					}
				}
			}
			limits := m.Limits()
			for _, p := range m.store.Payments {
				if p.Hour < m.Span.From || p.Hour >= m.Span.To {
					continue
				}
				add(p.Hour, p.Service, p.Attempts, p.Failed, p.AuthMS, p.AuthN)
				for _, most := range limits {
					add(p.Counted, p.within(m.store, most))
				}
			}
			for _, t := range m.tills {
				for _, all := range [][]Payments{t.kept.Payments, t.kept.Responses} {
					for _, p := range all {
						if p.Hour < m.Span.From || p.Hour >= m.Span.To {
							continue
						}
						add(p.Hour, p.Attempts, p.Failed, p.AuthMS, p.AuthN, p.Lost)
						for _, most := range limits {
							add(p.within(m.store, most))
						}
					}
				}
				for _, x := range t.kept.Tries {
					if m.Span.From <= x.At && x.At < m.Span.To {
						add(x.At, x.Attempts, x.Failed)
					}
				}
			}
		}),
		Decisions: digest(func(add func(...any)) {
			for _, o := range m.store.Outages {
				if !o.Cut(x).Empty() {
					add(o.Ref, o.Party, o.Supplier)
				}
			}
			for _, w := range m.store.Works {
				add(w.Ref, w.Kind, w.NoticeAt, w.ApprovedBy, fmt.Sprint(w.Terminals), fmt.Sprint(w.Spans.Within(x)))
			}
			for _, i := range m.store.Incidents {
				if i.Started < m.Span.To {
					add(i.Ref, i.Severity, i.Party, min(i.Resolved, m.Span.To), i.Started, i.Detected, i.Opened, i.Acknowledged, fmt.Sprint(i.Pauses.Within(x)))
				}
			}
		}),
		Registry: digest(func(add func(...any)) {
			for _, t := range m.tills {
				add(t.ID, fmt.Sprint(m.terminals(t.Terminal).Intersect(m.meant).Within(m.Span)))
			}
			for _, o := range m.open.Within(m.Span) {
				add(o.From, o.To)
			}
			add(fmt.Sprint(m.store.Registered.Quorums(m.Span)))
		}),
	}
}
