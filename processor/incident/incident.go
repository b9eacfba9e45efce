package incident

import (
	"github.com/tillstream/tillstream/processor/interval"
)

// reopenWithin is how long after its end an incident may be reopened as if it had not ended, ms.
const reopenWithin = 24 * 3_600_000

// undetermined is the party where nobody knows.
const undetermined = "undetermined"

// partyOf are the parties that causes tell (domain 2.7), by nexo's ErrorCondition. Declines are no failures, so they tell none.
var partyOf = map[string]string{
	"UnreachableHost": "third_party", "UnavailableService": "third_party",
	"DeviceOut": "provider", "UnavailableDevice": "provider",
	"Busy": "provider", "InProgress": "provider", "LoggedOut": "provider", "NotAllowed": "provider", "MessageFormat": "provider", "NotFound": "provider",
	"Cancel": "customer", "Aborted": "customer",
}

// incident is what a set of steps comes to. Instants are ms since 1970, 0 where there is none.
type incident struct {
	scope
	status                                    string
	started, detected, opened, acknowledged   int64
	resolved, closed, cancelled               int64
	pausedSince, pausedMS, resolveMS          int64
	reopened                                  uint32
	disordered                                bool
	severity, cause, supplier, ticket, sensed string
	decision
}

// decision says whose an incident is, by which rule, and who decided that.
type decision struct {
	party, rule, by, reason string
	at                      int64
}

// judge comes to a verdict on an incident. There is at least one step.
func judge(all []step) incident {
	var x incident
	if s, by := latest(all, func(s *step) *scope { return s.Scope }); by != nil {
		x.scope = *s
	}
	x.severity, _ = latest(all, func(s *step) string { return s.Severity })
	x.supplier, _ = latest(all, func(s *step) string { return s.Supplier })
	x.ticket, _ = latest(all, func(s *step) string { return s.Ticket })
	x.sensed, _ = latest(all, func(s *step) string { return s.DetectedBy })
	x.decide(all)

	believed, _ := latest(all, func(s *step) int64 { return s.StartedAt })
	x.detected = detected(all)
	opened, acknowledged := first(all, is("opened")), first(all, is("acknowledged"))
	x.opened = all[0].At
	if opened != nil {
		x.opened = opened.At
	}
	if acknowledged != nil {
		x.acknowledged = acknowledged.At
	}
	x.started = x.opened
	switch {
	case believed != 0:
		x.started = believed
	case x.detected != 0:
		x.started = x.detected
	}
	x.live(all)
	x.disordered = !rising(x.started, x.detected, x.opened, x.acknowledged, x.resolved)
	return x
}

func detected(all []step) int64 {
	var at int64
	for i := range all {
		if d := all[i].DetectedAt; d != 0 && (at == 0 || d < at) {
			at = d
		}
	}
	if s := first(all, func(s *step) bool { return s.DetectedBy != "" }); at == 0 && s != nil {
		at = s.At
	}
	return at
}

// decide finds the party, and the rule that said it.
func (x *incident) decide(all []step) {
	x.party = undetermined
	cause, caused := latest(all, func(s *step) string { return s.Cause })
	x.cause = cause
	party, by := latest(all, func(s *step) string { return s.Party })
	switch {
	case by != nil:
		x.decision = decision{party, "incident:" + by.Step, by.By, by.Reason, by.At}
	case partyOf[cause] != "":
		x.decision = decision{partyOf[cause], "cause:" + cause, caused.By, caused.Reason, caused.At}
	}
}

// Turn is a step of an incident that takes turns: paused, resumed, resolved, closed, reopened.
type Turn struct {
	At   int64 // ms since 1970
	Step string
}

// Pauses are the times that are nobody's in an incident, by its turns in order: its pauses, and what lies before a reopening that came late. A pause
// that has not ended lasts.
func Pauses(turns []Turn) interval.Set {
	all := make([]step, len(turns))
	for i, t := range turns {
		all[i].At, all[i].Step = t.At, t.Step
	}
	var x incident
	out := x.live(all)
	if x.pausedSince != 0 {
		out = out.Union(interval.Set{{From: x.pausedSince, To: interval.Max}})
	}
	return out
}

// live walks the steps that take turns: pauses, ends and reopenings. It gives the times that are nobody's, up to an open pause.
func (x *incident) live(all []step) interval.Set {
	var pauses, away interval.Set
	ended := false
	pause := func(until int64) {
		if x.pausedSince != 0 {
			pauses = append(pauses, interval.Span{From: x.pausedSince, To: until})
			x.pausedSince = 0
		}
	}
	for i := range all {
		switch s := &all[i]; s.Step {
		case "paused":
			if !ended && x.pausedSince == 0 {
				x.pausedSince = s.At
			}
		case "resumed":
			pause(s.At)
		case "resolved", "closed":
			if !ended {
				pause(s.At)
				ended, x.resolved = true, s.At
			}
			if s.Step == "closed" && x.closed == 0 {
				x.closed = s.At
			}
		case "reopened":
			if ended {
				x.reopened++
				if s.At-x.resolved > reopenWithin {
					away = append(away, interval.Span{From: x.resolved, To: s.At})
				}
			}
			ended, x.resolved, x.closed, x.cancelled = false, 0, 0, 0
		case "cancelled":
			if x.cancelled == 0 {
				x.cancelled = s.At
			}
		}
	}
	whole := interval.Span{From: x.started, To: interval.Max}
	x.status = "open"
	switch {
	case x.cancelled != 0:
		x.status = "cancelled"
	case x.closed != 0:
		x.status = "closed"
	case ended:
		x.status = "resolved"
	case x.pausedSince != 0:
		x.status = "paused"
	}
	if ended {
		whole.To = x.resolved
		clock := interval.Of(whole)
		x.resolveMS = clock.Subtract(interval.Of(pauses...)).Subtract(interval.Of(away...)).Length()
	}
	x.pausedMS = interval.Of(pauses...).Overlap(whole)
	return interval.Of(pauses...).Union(interval.Of(away...))
}

// rising says whether those of some instants that are known are in order.
func rising(instants ...int64) bool {
	last := int64(0)
	for _, at := range instants {
		if at == 0 {
			continue
		}
		if at < last {
			return false
		}
		last = at
	}
	return true
}
