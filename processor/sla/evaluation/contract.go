package evaluation

import (
	"cmp"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/tillstream/tillstream/processor/availability"
	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla"
	"github.com/tillstream/tillstream/processor/sla/agreement"
)

// Contract is an agreement that is measured, ready to be computed with.
type Contract struct {
	Name  string
	Texts []*Text // in the order of time
}

// Text is the text of an agreement while it is in force.
type Text struct {
	agreement.Stretch
	Hash string

	zone       *time.Location
	calendar   sla.Calendar
	objectives []*objective
	bearer     sla.Bearer
	atRisk     sla.Share
	hold       int64 // ms that what was heard last is believed; 0: as it was taken for when it was folded
}

// objective is one promise, computed with.
type objective struct {
	agreement.Objective
	rules  int // which of the text's rules
	read   sla.Rules
	scopes []string // the kinds of scope in which it is measured: its own, and those of what is composed of it
	parts  bool     // something is composed of it in time slices
	target sla.Share
	limit  sla.Ratio
	op     sla.Op
	stat   sla.Statistic
	slice  int64
	least  int64
	within int64    // of shares of answers: those that took at most so many ms are in time
	rate   struct { // that slices of payments keep
		op    sla.Op
		limit sla.Ratio
	}
	why string // it cannot be measured
}

// Compile makes a contract of the texts of an agreement; nil if none of them is measured.
func Compile(name string, stretches []agreement.Stretch) *Contract {
	c := &Contract{Name: name}
	for i := range stretches {
		if !stretches[i].Measured() {
			continue
		}
		c.Texts = append(c.Texts, compile(stretches[i]))
	}
	if len(c.Texts) == 0 {
		return nil
	}
	return c
}

func compile(s agreement.Stretch) *Text {
	t := &Text{Stretch: s, Hash: s.Hash(), zone: s.Zone(), bearer: sla.BearerOf(&s.Terms.Measurement), atRisk: sla.One, hold: s.Terms.Measurement.HeartbeatTimeout.Milli()}
	if risk := s.Terms.Remedies.AtRisk; !risk.IsZero() {
		t.atRisk = sla.Share(risk.Nano())
	}
	t.calendar = sla.Calendar{Unit: sla.Unit(s.Terms.Period), Zone: t.zone}
	for _, o := range s.Terms.Objectives {
		t.objectives = append(t.objectives, t.objective(o))
	}
	for _, o := range t.objectives {
		for name := range o.Of {
			part := t.named(name)
			if part == nil {
				continue // Check has said so
			}
			if !slices.Contains(part.scopes, o.Per) {
				part.scopes = append(part.scopes, o.Per)
			}
			part.parts = part.parts || o.Method == "timeslices"
		}
	}
	return t
}

func (t *Text) named(name string) *objective {
	for _, o := range t.objectives {
		if o.Name == name {
			return o
		}
	}
	return nil
}

func (t *Text) objective(o agreement.Objective) *objective {
	m := &t.Terms.Measurement
	o.Per = cmp.Or(o.Per, "customer")
	out := &objective{
		Objective: o, scopes: []string{o.Per}, target: sla.TargetOf(&o), limit: sla.RatioOf(o.Value), op: sla.OpOf(&o), stat: sla.StatisticOf(&o),
		slice: o.Slice.Milli(), least: sla.LeastOf(m, &o), read: sla.RulesOf(m, &o),
	}
	if out.sliced() {
		out.rate.op, out.rate.limit, out.op = out.op, out.limit, sla.Gte
	}
	if !o.Target.IsZero() {
		out.limit = sla.Ratio{Part: int64(out.target), Of: int64(sla.One)}
	}
	if o.Indicator == agreement.StoreQuorum {
		out.read.Needs |= sla.Sell
	}
	out.rules = len(t.objectives)
	if i := slices.IndexFunc(t.objectives, func(x *objective) bool { return x.read == out.read }); i >= 0 {
		out.rules = t.objectives[i].rules
	}
	if out.why = out.unmeasurable(); out.ofAnswers() {
		out.answers()
	}
	return out
}

// ofAnswers says whether it is about the share of answers below a value, as a percentile is.
func (o *objective) ofAnswers() bool {
	return (o.Indicator == agreement.AuthorisationMS || o.Indicator == agreement.ResponseMS) && o.Statistic != "mean"
}

// ofPayments says whether it is about attempts to pay, ofEvents whether it is about those or about answers of tills.
func (o *objective) ofPayments() bool {
	return o.Indicator == agreement.AuthorisationMS || o.Indicator == agreement.PaymentFailures
}
func (o *objective) ofEvents() bool { return o.ofPayments() || o.Indicator == agreement.ResponseMS }

// sliced says whether it is about slices of time that are judged by the payments in them.
func (o *objective) sliced() bool { return o.Indicator == agreement.PaymentFailures && o.slice > 0 }

// answers makes of it a share of answers: p90 ≤ v is that at least 0.9 of them are at most v.
func (o *objective) answers() {
	o.target = map[string]sla.Share{"p50": sla.One / 2, "p90": sla.One / 10 * 9, "share_below": o.target}[o.Statistic]
	o.limit, o.op = sla.Ratio{Part: int64(o.target), Of: int64(sla.One)}, sla.Gte
	n := o.Value.Number()
	whole := new(big.Int).Quo(n.Num(), n.Denom())
	if o.within = whole.Int64(); o.Op != "lte" && n.IsInt() {
		o.within-- // below it
	}
}

// unmeasurable says why an objective cannot be measured; "" if it can.
func (o *objective) unmeasurable() string {
	switch {
	case o.sliced() && o.slice%1000 != 0:
		return "when payments were tried is kept by the second, not by " + o.Slice.String()
	case o.ofAnswers() && strings.HasPrefix(o.Op, "g"):
		return "a percentile is promised to be lt or lte a value, not " + o.Op
	}
	return ""
}

// Unmeasured says what of a text is not measured as it is written, by its path: what nobody could tell from the verdicts.
func Unmeasured(s *agreement.Stretch) map[string]string {
	out := map[string]string{}
	for _, o := range compile(*s).objectives {
		if o.why != "" {
			out["objectives["+o.Name+"].indicator"] = o.why + "; its verdict is not_applicable"
		}
	}
	if hold := s.Terms.Measurement.HeartbeatTimeout; !hold.IsZero() && hold.Milli() < availability.Usual {
		out["measurement.heartbeat_timeout"] = "of tills that report once a minute, or do not say how often, nothing is kept of times below 90 s without a report; only of those that announce heartbeat_interval_s of at most two thirds of it a silence is told so soon"
	}
	return out
}

// timed says whether an objective is about time, with a target.
func (o *objective) timed() bool {
	return o.Indicator == agreement.Uptime || o.Indicator == agreement.StoreQuorum
}

// ofIncidents says whether it is about durations.
func (o *objective) ofIncidents() bool {
	switch o.Indicator {
	case agreement.TimeToDetect, agreement.TimeToAcknowledge, agreement.TimeToResolve, agreement.TimeToRepair:
		return true
	}
	return false
}

// costs says whether a breach may cost: a key measurement, or what is only reported, does not.
func (o *objective) costs() bool {
	return o.Weight != "key" && (o.Report == nil || !*o.Report)
}

// Part is a period, as far as one text is in force.
type Part struct {
	*Text
	Contract string
	Period   interval.Span
	Span     interval.Span // P ∩ V
}

// Running says whether a part, or its period, goes on after an instant.
func (p *Part) Running(at int64) bool { return at < p.Period.To }

// LateData is until when evidence counts for an objective.
func (p *Part) LateData(o *agreement.Objective) sla.LateData {
	return sla.LateDataOf(&p.Terms, o, p.Period, p.zone)
}

// Edges are when something becomes of a part without any news: it ends, its period does, late evidence is not accepted any more, it is final (Closes), it
// cannot be restated any more (Settles).
type Edges struct{ Ends, Over, Accepts, Closes, Settles int64 }

// Edges are those of a part.
func (p *Part) Edges() Edges {
	late := p.LateData(&agreement.Objective{})
	return Edges{p.Span.To, p.Period.To, late.Accept, late.Close, max(late.Restate, late.Close)}
}

// Between says whether one of them, except the last, is in (after, at].
func (e *Edges) Between(after, at int64) bool {
	for _, x := range [...]int64{e.Ends, e.Over, e.Accepts, e.Closes} {
		if after < x && x <= at {
			return true
		}
	}
	return false
}

// Wants is what is wanted to be known, beside timelines.
type Wants struct {
	Payments  bool    // of stores
	Tills     bool    // of single tills
	Responses bool    // what tills say of their own answers
	Unheard   bool    // times without evidence
	Slot      int64   // ms: attempts of single tills in stretches of so long; 0: they are not wanted
	Limits    []int64 // ms: of how many it is wanted that took at most so long
}

// And is what either wants.
func (w Wants) And(o Wants) Wants {
	return Wants{
		w.Payments || o.Payments, w.Tills || o.Tills, w.Responses || o.Responses, w.Unheard || o.Unheard, common(w.Slot, o.Slot),
		slices.Concat(w.Limits, o.Limits),
	}
}

// common is the greatest common divisor; of 0 and another, that.
func common(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// Wants is what is wanted to measure a part.
func (p *Part) Wants() Wants {
	w := Wants{Unheard: p.hold > 0, Limits: p.Limits()}
	for _, o := range p.objectives {
		switch {
		case o.why != "":
		case o.ofPayments():
			w.Payments = true
			w.Tills = w.Tills || slices.Contains(o.scopes, "terminal")
			if o.sliced() { // the stretches begin where slices do, and hours
				w.Slot = common(common(w.Slot, o.slice), common(hour, p.Period.From%hour))
			}
		case o.Indicator == agreement.ResponseMS:
			w.Responses = true
		}
	}
	return w
}

// Limits are how many ms answers may take that are in time, of its objectives.
func (p *Part) Limits() (out []int64) {
	for _, o := range p.objectives {
		if o.why == "" && o.ofAnswers() {
			out = append(out, o.within)
		}
	}
	return out
}

// Open is when service is owed in a store, within a span.
func (p *Part) Open(s *registry.Store, x interval.Span) interval.Set {
	use := p.Terms.ServiceHours
	if use.Use == "24x7" {
		return interval.Of(x)
	}
	before, after := use.Pad.Before.Milli(), use.Pad.After.Milli()
	return sla.Widen(s.Service(interval.Span{From: x.From - after, To: x.To + before}), before, after).Within(x)
}

// Reach is how far back parts are looked at: older ones are left as they are.
const Reach = 400 * 86_400_000

// Parts are the parts of a contract that have begun and are not older than Reach at an instant, by period; those of one period go together.
func (c *Contract) Parts(at int64) [][]*Part {
	return c.Over(interval.Span{From: at - Reach, To: at})
}

// Over are the parts of a contract in the periods that share something with a span, by period; those of one period go together.
func (c *Contract) Over(span interval.Span) [][]*Part {
	var out [][]*Part
	for _, t := range c.Texts {
		x := t.Stretch.Span.Cut(span)
		if x.Empty() {
			continue
		}
		for _, period := range t.calendar.Over(x) {
			p := &Part{Text: t, Contract: c.Name, Period: period, Span: period.Cut(t.Stretch.Span)}
			if n := len(out); n > 0 && out[n-1][0].Period == period {
				out[n-1] = append(out[n-1], p)
				continue
			}
			out = append(out, []*Part{p})
		}
	}
	return out
}

// stores says when a store is one that is meant.
func (t *Text) stores(s *registry.Store) interval.Set {
	meant := &t.Terms.Scope.Stores
	any := func(list []string, x string) bool { return len(list) == 0 || slices.Contains(list, x) }
	if s.Removed || !any(meant.IDs, s.ID) || slices.Contains(meant.Except, s.ID) {
		return nil
	}
	return s.When(func(v *registry.Version) bool { return any(meant.Area, v.Area) && any(meant.Format, v.Format) })
}

// terminals says when a terminal is one that is meant, if its store is.
func (t *Text) terminals(x *registry.Terminal) interval.Set {
	scope := &t.Terms.Scope
	return x.Lives.Intersect(x.When(func(v *registry.TerminalVersion) bool {
		if scope.Customer != "" && v.Customer != scope.Customer {
			return false
		}
		return len(scope.Services) == 0 || slices.ContainsFunc(v.Services, func(s string) bool { return slices.Contains(scope.Services, s) })
	}))
}

// Covers says whether a part has a terminal of a store in scope.
func (p *Part) Covers(s *registry.Store) bool {
	meant := p.stores(s).Within(p.Span)
	if len(meant) == 0 {
		return false
	}
	return slices.ContainsFunc(s.Terminals, func(x registry.Terminal) bool { return p.terminals(&x).Shared(meant) > 0 })
}

// services are those of a terminal that are meant.
func (t *Text) services(x *registry.Terminal, at int64) []string {
	all := x.At(at).Services
	if len(t.Terms.Scope.Services) == 0 {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return !slices.Contains(t.Terms.Scope.Services, s) })
}

// Label is the local date of an instant in the agreement's zone: periods are named by it.
func (p *Part) Label(at int64) registry.Date {
	y, m, d := time.UnixMilli(at).In(p.zone).Date()
	return registry.DateOf(y, m, d)
}
