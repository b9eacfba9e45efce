package simulator

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/tillstream/tillstream/processor/interval"
)

// clerk is who writes incidents and plans maintenance for a store. What people do is drawn from a stream of its own.
type clerk struct {
	store   *store
	random  random
	records []*record // whose truth is wanted
	count   int
}

// record is an incident or maintenance: its steps, by rising time.
type record struct {
	id          string
	maintenance bool
	steps       []step
}

// step is what one of its events says. Instants are ms since 1970, 0: not said.
type step struct {
	at   int64
	kind string

	scoped                  bool   // says what it is about
	terminal                string // "" the whole store
	severity, cause, ticket string
	started, detected       int64
	detectedBy              string
	party, supplier, reason string
	window                  span // of maintenance
	noticed                 int64
	approvedBy, kindOfWork  string
}

// later gives rising instants, one after the other.
type later struct {
	random
	at int64
}

func (l *later) in(from, to int64) int64 {
	l.at += max(l.between(from, to), 1)
	return l.at
}

func (c *clerk) begin(prefix string) *record {
	c.count++
	return &record{id: prefix + "-" + c.store.id + "-" + strconv.Itoa(c.count)}
}

// episode opens an incident about a till that failed, or plans the maintenance that it is in.
func (c *clerk) episode(t *till, e *episode) {
	switch {
	case e.trouble == maintenance || e.trouble == reinstall:
		if c.random.chance(0.9) {
			c.plan(t, e)
		}
	case (e.trouble == crash || e.trouble == dead) && e.to-e.from > 4*minute && c.random.chance(0.8):
		opened := step{kind: "opened", scoped: true, terminal: t.id, severity: [...]string{"p1", "p2", "p3"}[c.random.IntN(3)]}
		if e.trouble == crash && c.random.chance(0.5) {
			opened.cause = "DeviceOut"
		}
		c.incident(e.span, opened, "provider", "")
	}
}

// cut opens an incident about the store's line.
func (c *clerk) cut(x span) {
	if x.to-x.from > 10*minute && c.random.chance(0.6) {
		c.incident(x, step{kind: "opened", scoped: true, severity: "p1", cause: "UnreachableHost"}, "third_party", c.store.terms.line)
	}
}

// incident is how one goes: most are handled well, some wait, some come back, a few were none.
func (c *clerk) incident(x span, opened step, party, supplier string) {
	r, now := c.begin("INC"), later{c.random, x.from}
	say := func(s step, from, to int64) {
		s.at = now.in(from, to)
		r.steps = append(r.steps, s)
	}
	if now.chance(0.6) {
		opened.detected, opened.detectedBy = x.from+now.between(second, minute), [...]string{"system", "customer", "provider"}[now.IntN(3)]
	}
	if now.chance(0.7) {
		opened.started = x.from
	}
	say(opened, minute, 15*minute)
	if now.chance(0.06) {
		say(step{kind: "cancelled", reason: "a drill"}, minute, 10*minute)
		c.send(r)
		return
	}
	if now.chance(0.85) {
		say(step{kind: "acknowledged"}, minute, 30*minute)
	}
	if now.chance(0.6) {
		s := step{kind: "assigned", party: party, supplier: supplier, reason: "first look"}
		if now.chance(0.2) {
			s.party, s.supplier = "customer", ""
		}
		say(s, minute, 20*minute)
	}
	if now.chance(0.3) {
		say(step{kind: "paused", reason: "waits for the customer"}, minute, 5*minute)
		say(step{kind: "resumed"}, 5*minute, 40*minute)
	}
	now.at = max(now.at, x.to)
	if now.chance(0.95) {
		say(step{kind: "resolved"}, minute, 20*minute)
		switch { // soon, or so late that the time between is nobody's
		case now.chance(0.15):
			say(step{kind: "reopened", reason: "it came back"}, hour, 10*hour)
			say(step{kind: "resolved", cause: "DeviceOut"}, 10*minute, hour)
		case now.chance(0.07):
			say(step{kind: "reopened", reason: "it came back"}, 25*hour, 30*hour)
			say(step{kind: "resolved", party: "provider"}, 10*minute, hour)
		}
		if now.chance(0.4) {
			say(step{kind: "closed", ticket: r.id}, hour, 4*hour)
		}
	}
	c.send(r)
}

// plan is how maintenance goes: not all is approved, some is announced otherwise afterwards, called off, or takes longer than was said.
func (c *clerk) plan(t *till, e *episode) {
	r, now := c.begin("CHG"), later{c.random, e.from - 110*minute}
	r.maintenance = true
	announced := step{kind: "announced", scoped: true, terminal: t.id, window: span{e.from - 5*minute, e.to + 10*minute}, kindOfWork: [...]string{"planned", "planned", "urgent", "customer_requested"}[now.IntN(4)]}
	if now.chance(0.25) {
		announced.terminal = ""
	}
	if now.chance(0.25) {
		announced.window.to = e.to - (e.to-e.from)/3
	}
	say := func(s step, from, to int64) {
		s.at = now.in(from, to)
		r.steps = append(r.steps, s)
	}
	announced.noticed = now.at - 3*day
	say(announced, 0, 20*minute)
	how := now.Float64()
	approved := step{kind: "approved", approvedBy: "a.dupont"}
	if how < 0.7 {
		say(approved, minute, 20*minute)
	}
	switch {
	case how < 0.1: // what is announced otherwise afterwards is approved as far as both agree
		announced.window = span{e.from + (e.to-e.from)/4, e.to + hour}
		say(announced, minute, 10*minute)
	case how < 0.15:
		say(step{kind: "cancelled"}, minute, 10*minute)
	}
	now.at = e.from
	say(step{kind: "started"}, 0, 2*minute)
	if now.chance(0.95) {
		now.at = max(now.at, e.to-2*minute)
		say(step{kind: "ended"}, 0, 5*minute)
	}
	if how > 0.85 { // the customer agrees when it is over; else nobody ever does
		say(approved, 5*minute, 2*hour)
	}
	c.send(r)
}

// send lets the steps arrive: mostly at once, some hours later and so after those that follow, some twice.
func (c *clerk) send(r *record) {
	known := *r
	known.steps = nil
	for i := range r.steps {
		s := &r.steps[i]
		arrival := s.at + c.random.between(second, 30*second)
		if c.random.chance(0.2) {
			arrival += c.random.between(minute, 3*hour)
		}
		value := c.append(nil, r, i)
		for again := false; ; again = true {
			o := &c.store.out
			o.order++
			o.queue.push(item{arrival: arrival, order: o.order, value: value, store: c.store.number, topic: incidents})
			if o.counts(arrival) && !again {
				known.steps = append(known.steps, *s)
			}
			if again || !c.random.chance(0.1) {
				break
			}
			arrival += c.random.between(second, hour)
		}
	}
	if len(known.steps) > 0 {
		c.records = append(c.records, &known)
	}
}

// append writes the event of a step.
func (c *clerk) append(b []byte, r *record, i int) []byte {
	s, offset := &r.steps[i], c.store.wall.east(r.steps[i].at)
	kind, key := "incident", `,"incident_id":`
	if r.maintenance {
		kind, key = "maintenance", `,"maintenance_id":`
	}
	b = append(b, `{"id":"`...)
	b = append(b, r.id...)
	b = append(strconv.AppendInt(append(b, '/'), int64(i+1), 10), '"')
	b = appendText(b, `,"source":`, "servicedesk")
	b = appendText(b, `,"type":`, "pos."+kind+".v1")
	b = appendTimeField(b, `,"time":`, s.at, offset)
	b = appendText(b, `,"store_id":`, c.store.id)
	b = appendText(b, key, r.id)
	b = appendText(b, `,"step":`, s.kind)
	if s.scoped {
		b = append(b, `,"scope":{`...)
		if s.terminal != "" {
			b = append(appendText(b, `"terminals":[`, s.terminal), ']')
		}
		b = append(b, '}')
	}
	for _, x := range []struct {
		key string
		at  int64
	}{{`,"started_at":`, s.started}, {`,"detected_at":`, s.detected}, {`,"notice_given_at":`, s.noticed}} {
		if x.at != 0 {
			b = appendTimeField(b, x.key, x.at, offset)
		}
	}
	if s.window != (span{}) {
		b = appendTimeField(b, `,"window":{"start":`, s.window.from, offset)
		b = append(appendTimeField(b, `,"end":`, s.window.to, offset), '}')
	}
	for _, x := range [...][2]string{
		{`,"severity":`, s.severity},
		{`,"detected_by":`, s.detectedBy},
		{`,"party":`, s.party},
		{`,"supplier":`, s.supplier},
		{`,"cause":`, s.cause},
		{`,"ticket":`, s.ticket},
		{`,"kind":`, s.kindOfWork},
		{`,"approved_by":`, s.approvedBy},
		{`,"by":`, "m.martin"},
		{`,"reason":`, s.reason},
	} {
		b = appendKnown(b, x[0], x[1])
	}
	return append(b, '}')
}

// incidentTruth is what becomes of an incident: see docs/incidents.md.
func (r *record) incidentTruth(store string) IncidentTruth {
	x := IncidentTruth{Store: store, ID: r.id, Party: "undetermined", Opened: r.steps[0].at}
	var waits, away []interval.Span
	var paused, ended int64
	var cause string
	for i := range r.steps {
		s := &r.steps[i]
		x.Party = cmp.Or(s.party, x.Party)
		cause = cmp.Or(s.cause, cause)
		x.Started = cmp.Or(s.started, x.Started)
		if s.detected != 0 {
			x.Detected = s.detected
		}
		switch s.kind {
		case "opened":
			x.Opened = s.at
		case "acknowledged":
			x.Acknowledged = s.at
		case "paused":
			if ended == 0 {
				paused = s.at
			}
		case "resumed":
			if paused != 0 {
				waits = append(waits, interval.Span{From: paused, To: s.at})
			}
			paused = 0
		case "resolved", "closed":
			if ended != 0 {
				continue
			}
			if ended = s.at; paused != 0 {
				waits = append(waits, interval.Span{From: paused, To: s.at})
			}
			paused = 0
		case "reopened":
			if ended == 0 {
				continue
			}
			x.Reopened++
			if s.at-ended > day {
				away = append(away, interval.Span{From: ended, To: s.at})
			}
			ended = 0
		case "cancelled":
			x.Cancelled = s.at
		}
	}
	if said := slices.ContainsFunc(r.steps, func(s step) bool { return s.party != "" }); !said && cause != "" {
		x.Party = map[string]string{"DeviceOut": "provider", "UnreachableHost": "third_party"}[cause]
	}
	x.Started = cmp.Or(x.Started, x.Detected, x.Opened)
	if x.Resolved = ended; ended != 0 {
		lasted := interval.Of(interval.Span{From: x.Started, To: ended})
		x.Resolve = lasted.Subtract(interval.Of(append(waits, away...)...)).Length()
	}
	return x
}

// excluded is the time that maintenance takes out: what was announced last, within what had been approved, while it went on.
func (r *record) excluded() (x interval.Set, terminal string) {
	var announced, first, approved, run, off interval.Span
	consented, started := false, false
	for _, s := range r.steps {
		switch s.kind {
		case "announced":
			if terminal = s.terminal; announced.Empty() {
				first = interval.Span{From: s.window.from, To: s.window.to}
			}
			announced = interval.Span{From: s.window.from, To: s.window.to}
		case "approved":
			consented, approved = true, announced
		case "started":
			started, run = true, interval.Span{From: s.at, To: forEver}
		case "ended":
			run.To = s.at
		case "cancelled":
			off = interval.Span{From: s.at, To: forEver}
		}
	}
	if approved.Empty() {
		approved = first // it was given before anything was announced
	}
	if !consented || !started {
		return nil, terminal
	}
	return interval.Of(announced.Cut(approved).Cut(run)).Subtract(interval.Of(off)), terminal
}
