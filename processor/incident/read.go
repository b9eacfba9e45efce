package incident

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/recurrence"
)

// Bounds of what a step may say.
const (
	maxID    = 128    // bytes of an id or of an enumerated value
	maxText  = 2000   // bytes of a text
	maxScope = 10_000 // names in a list
)

// year2000 is the first instant that is believed, ms.
const year2000 = 946_684_800_000

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
	r := &reader{hidden: bytes.IndexByte(value, '\\') >= 0}
	var s *step
	if head.Type == event.TypeMaintenance {
		s = r.maintenance(value)
	} else {
		s = r.incident(value)
	}
	if r.rejection != nil {
		return nil, r.rejection
	}
	return s, nil
}

// reader takes fields one by one; the first that is wrong stays.
type reader struct {
	rejection *event.Rejection
	hidden    bool // escapes may hide the digits of a card number, which was masked elsewhere
}

func unmarshal(value []byte, into any) *event.Rejection {
	err := json.Unmarshal(value, into)
	var mistyped *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &mistyped):
		return &event.Rejection{Reason: event.ReasonWrongType, Field: fieldOf(mistyped.Field), Expected: kindOf(mistyped)}
	}
	return &event.Rejection{Reason: event.ReasonMalformed, Expected: "one JSON object"}
}

// fieldOf drops the names of Go's own structs from a path.
func fieldOf(path string) string { return strings.TrimPrefix(path, "said.") }

func kindOf(e *json.UnmarshalTypeError) string {
	switch e.Type.Kind().String() {
	case "string":
		return "a string"
	case "slice":
		return "an array"
	}
	return "an object"
}

func (r *reader) reject(reason event.Reason, field, expected string) {
	if r.rejection == nil {
		r.rejection = &event.Rejection{Reason: reason, Field: field, Expected: expected}
	}
}

// text takes a string of at most so many bytes.
func (r *reader) text(field, s string, most int) string {
	switch {
	case len(s) > most:
		r.reject(event.ReasonInvalidValue, field, fmt.Sprintf("at most %d bytes", most))
	case strings.IndexByte(s, 0) >= 0: // keys of state are parted by it
		r.reject(event.ReasonInvalidValue, field, "no NUL")
	}
	if r.hidden {
		b := []byte(s)
		event.MaskPANs(b)
		return string(b)
	}
	return s
}

func (r *reader) name(field, s string) string { return r.text(field, s, maxID) }

func (r *reader) required(field, s string) string {
	if s == "" {
		r.reject(event.ReasonMissingField, field, "a value")
	}
	return r.name(field, s)
}

// instant takes an RFC 3339 time, in ms since 1970; 0 if there is none.
func (r *reader) instant(field, s string) int64 {
	if s == "" {
		return 0
	}
	t, err := time.Parse(time.RFC3339, s)
	switch ms := t.UnixMilli(); {
	case err != nil:
		r.reject(event.ReasonInvalidValue, field, "a time as 2026-11-23T10:00:00.000+01:00")
	case ms < year2000 || t.Year() > 2299: // the last that a DateTime64(3) holds
		r.reject(event.ReasonOutOfRange, field, "a time from 2000 to 2299")
	default:
		return ms
	}
	return 0
}

// common takes what both types have.
func (r *reader) common(id string, s *said) *step {
	out := &step{record: id, Step: r.required("step", s.Step), By: r.name("by", s.By), Reason: r.text("reason", s.Reason, maxText)}
	if s.Scope != nil {
		out.Scope = &scope{
			Terminals: r.list("scope.terminals", s.Scope.Terminals), Stores: r.list("scope.stores", s.Scope.Stores), Services: r.list("scope.services", s.Scope.Services),
		}
	}
	return out
}

func (r *reader) list(field string, all []string) []string {
	if len(all) > maxScope {
		r.reject(event.ReasonInvalidValue, field, fmt.Sprintf("at most %d names", maxScope))
		return nil
	}
	for i := range all {
		all[i] = r.required(fmt.Sprintf("%s[%d]", field, i), all[i])
	}
	return unique(all)
}

func (r *reader) incident(value []byte) *step {
	var in saidIncident
	if r.rejection = unmarshal(value, &in); r.rejection != nil {
		return nil
	}
	s := r.common(r.required("incident_id", in.IncidentID), &in.said)
	s.Severity, s.Party = r.name("severity", in.Severity), r.name("party", in.Party)
	s.Supplier, s.Ticket = r.name("supplier", in.Supplier), r.name("ticket", in.Ticket)
	s.Cause, s.DetectedBy = r.name("cause", in.Cause), r.name("detected_by", in.DetectedBy)
	s.StartedAt, s.DetectedAt = r.instant("started_at", in.StartedAt), r.instant("detected_at", in.DetectedAt)
	return s
}

func (r *reader) maintenance(value []byte) *step {
	var in saidMaintenance
	if r.rejection = unmarshal(value, &in); r.rejection != nil {
		return nil
	}
	s := r.common(r.required("maintenance_id", in.MaintenanceID), &in.said)
	s.maintenance = true
	s.Kind, s.ApprovedBy = r.name("kind", in.Kind), r.name("approved_by", in.ApprovedBy)
	s.NoticeGivenAt = r.instant("notice_given_at", in.NoticeGivenAt)
	switch {
	case in.Window != nil:
		s.Window = r.window(in.Window)
	case s.Step == "announced":
		r.reject(event.ReasonMissingField, "window", "{start, end} or {rrule, duration, timezone}")
	}
	return s
}

func (r *reader) window(in *saidWindow) *window {
	w := &window{From: r.instant("window.start", in.Start), To: r.instant("window.end", in.End), RRule: r.text("window.rrule", in.RRule, maxText)}
	if in.RRule == "" {
		switch {
		case in.Start == "":
			r.reject(event.ReasonMissingField, "window.start", "a time, or an rrule")
		case in.End == "":
			r.reject(event.ReasonMissingField, "window.end", "a time")
		case w.To <= w.From:
			r.reject(event.ReasonInvalidValue, "window.end", "a time after window.start")
		}
		return w
	}
	w.To = 0
	w.Timezone = r.required("window.timezone", in.Timezone)
	if _, err := zone(w.Timezone); err != nil {
		r.reject(event.ReasonInvalidValue, "window.timezone", "a time zone as Europe/Paris")
	}
	if in.Duration == "" {
		r.reject(event.ReasonMissingField, "window.duration", "a duration as 4h or 90m")
	}
	d, err := time.ParseDuration(in.Duration)
	if err != nil || d < time.Second || d > maxDuration {
		r.reject(event.ReasonInvalidValue, "window.duration", "a duration as 4h or 90m, from 1s to 744h")
	}
	w.Duration = d.Milliseconds()
	if _, err := recurrence.Parse(w.RRule); err != nil {
		r.reject(event.ReasonInvalidValue, "window.rrule", "an RRULE of RFC 5545, daily or slower, without DTSTART (say that in window.start), as FREQ=WEEKLY;BYDAY=SU;BYHOUR=2")
	}
	return w
}
