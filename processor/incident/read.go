package incident

import (
	"fmt"
	"strings"
	"time"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/event/body"
	"github.com/tillstream/tillstream/processor/recurrence"
)

// maxScope is how many names a list may have.
const maxScope = 10_000

// said is what both types of events have on the wire.
type said struct {
	Type   string `json:"type"`
	Step   string `json:"step"`
	Scope  *scope `json:"scope"`
	By     string `json:"by"`
	Reason string `json:"reason"`
}

// scope is what an incident or maintenance is about.
type scope struct {
	Terminals []string `json:"terminals,omitempty"`
	Stores    []string `json:"stores,omitempty"`
	Services  []string `json:"services,omitempty"`
}

// saidIncident is pos.incident.v1.
type saidIncident struct {
	said
	IncidentID string `json:"incident_id"`
	Severity   string `json:"severity"`
	StartedAt  string `json:"started_at"`
	DetectedAt string `json:"detected_at"`
	DetectedBy string `json:"detected_by"`
	Party      string `json:"party"`
	Supplier   string `json:"supplier"`
	Cause      string `json:"cause"`
	Ticket     string `json:"ticket"`
}

// saidMaintenance is pos.maintenance.v1.
type saidMaintenance struct {
	said
	MaintenanceID string      `json:"maintenance_id"`
	Window        *saidWindow `json:"window"`
	NoticeGivenAt string      `json:"notice_given_at"`
	ApprovedBy    string      `json:"approved_by"`
	Kind          string      `json:"kind"`
}

type saidWindow struct {
	Start    string `json:"start"`
	End      string `json:"end"`
	RRule    string `json:"rrule"`
	Duration string `json:"duration"`
	Timezone string `json:"timezone"`
}

// Bodies are the functions that read the events of this package, for event.Options.
func Bodies() map[string]func(value []byte) (any, *event.Rejection) {
	return map[string]func(value []byte) (any, *event.Rejection){event.TypeIncident: Read, event.TypeMaintenance: Read}
}

// Read reads the body of a pos.incident.v1 or a pos.maintenance.v1 for a Fold, out of a whole event.
func Read(value []byte) (any, *event.Rejection) {
	var head said
	if r := unmarshal(value, &head); r != nil {
		return nil, r
	}
	r := &reader{body.NewReader(value)}
	var s *step
	if head.Type == event.TypeMaintenance {
		s = r.maintenance(value)
	} else {
		s = r.incident(value)
	}
	if r.Rejection != nil {
		return nil, r.Rejection
	}
	return s, nil
}

// reader takes fields one by one; the first that is wrong stays.
type reader struct{ body.Reader }

// unmarshal drops the names of Go's own structs from the path of a field.
func unmarshal(value []byte, into any) *event.Rejection {
	r := body.Unmarshal(value, into)
	if r != nil {
		r.Field = strings.TrimPrefix(r.Field, "said.")
	}
	return r
}

// common takes what both types have.
func (r *reader) common(id string, s *said) *step {
	out := &step{record: id, Step: r.Required("step", s.Step), By: r.Name("by", s.By), Reason: r.Text("reason", s.Reason, body.MaxText)}
	if s.Scope != nil {
		out.Scope = &scope{
			Terminals: r.list("scope.terminals", s.Scope.Terminals), Stores: r.list("scope.stores", s.Scope.Stores), Services: r.list("scope.services", s.Scope.Services),
		}
	}
	return out
}

func (r *reader) list(field string, all []string) []string {
	if len(all) > maxScope {
		r.Reject(event.ReasonInvalidValue, field, fmt.Sprintf("at most %d names", maxScope))
		return nil
	}
	for i := range all {
		all[i] = r.Required(fmt.Sprintf("%s[%d]", field, i), all[i])
	}
	return unique(all)
}

func (r *reader) incident(value []byte) *step {
	var in saidIncident
	if r.Rejection = unmarshal(value, &in); r.Rejection != nil {
		return nil
	}
	s := r.common(r.Required("incident_id", in.IncidentID), &in.said)
	s.Severity, s.Party = r.Name("severity", in.Severity), r.Name("party", in.Party)
	s.Supplier, s.Ticket = r.Name("supplier", in.Supplier), r.Name("ticket", in.Ticket)
	s.Cause, s.DetectedBy = r.Name("cause", in.Cause), r.Name("detected_by", in.DetectedBy)
	s.StartedAt, s.DetectedAt = r.Instant("started_at", in.StartedAt), r.Instant("detected_at", in.DetectedAt)
	return s
}

func (r *reader) maintenance(value []byte) *step {
	var in saidMaintenance
	if r.Rejection = unmarshal(value, &in); r.Rejection != nil {
		return nil
	}
	s := r.common(r.Required("maintenance_id", in.MaintenanceID), &in.said)
	s.maintenance = true
	s.Kind, s.ApprovedBy = r.Name("kind", in.Kind), r.Name("approved_by", in.ApprovedBy)
	s.NoticeGivenAt = r.Instant("notice_given_at", in.NoticeGivenAt)
	switch {
	case in.Window != nil:
		s.Window = r.window(in.Window)
	case s.Step == "announced":
		r.Reject(event.ReasonMissingField, "window", "{start, end} or {rrule, duration, timezone}")
	}
	return s
}

func (r *reader) window(in *saidWindow) *window {
	w := &window{From: r.Instant("window.start", in.Start), To: r.Instant("window.end", in.End), RRule: r.Text("window.rrule", in.RRule, body.MaxText)}
	if in.RRule == "" {
		switch {
		case in.Start == "":
			r.Reject(event.ReasonMissingField, "window.start", "a time, or an rrule")
		case in.End == "":
			r.Reject(event.ReasonMissingField, "window.end", "a time")
		case w.To <= w.From:
			r.Reject(event.ReasonInvalidValue, "window.end", "a time after window.start")
		}
		return w
	}
	w.To = 0
	w.Timezone = r.Required("window.timezone", in.Timezone)
	if _, err := zone(w.Timezone); err != nil {
		r.Reject(event.ReasonInvalidValue, "window.timezone", "a time zone as Europe/Paris")
	}
	if in.Duration == "" {
		r.Reject(event.ReasonMissingField, "window.duration", "a duration as 4h or 90m")
	}
	d, err := time.ParseDuration(in.Duration)
	if err != nil || d < time.Second || d > maxDuration {
		r.Reject(event.ReasonInvalidValue, "window.duration", "a duration as 4h or 90m, from 1s to 744h")
	}
	w.Duration = d.Milliseconds()
	if _, err := recurrence.Parse(w.RRule); err != nil {
		r.Reject(event.ReasonInvalidValue, "window.rrule", "an RRULE of RFC 5545, daily or slower, without DTSTART (say that in window.start), as FREQ=WEEKLY;BYDAY=SU;BYHOUR=2")
	}
	return w
}
