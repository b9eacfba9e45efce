package availability

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tillstream/tillstream/processor/event"
)

// Status is what is known of a till at an instant.
type Status uint8

// The statuses of a timeline, and Closing, which only reports have.
const (
	None Status = iota // nothing: before the first evidence, or withdrawn
	Up
	Degraded
	Down
	Silent
	Maintenance
	Unknown
	Closing
	Disabled // up or degraded, and cannot sell; the tables say degraded
	Cardless // up or degraded, and cannot take cards but sell; the tables say degraded
	statuses = iota
)

var statusNames = [statuses]string{"none", "up", "degraded", "down", "silent", "maintenance", "unknown", "closing", "degraded", "degraded"}

// String is the status as the tables have it.
func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return "unknown"
}

// runs says whether it is that of a till that works, well or not, for as long as a report holds.
func (s Status) runs() bool {
	return s == Up || s == Degraded || s == Disabled || s == Cardless
}

// reportedStatus reads the status of a report. The value is open: what is not understood is unknown.
func reportedStatus(s string) Status {
	switch s {
	case "up":
		return Up
	case "degraded":
		return Degraded
	case "down":
		return Down
	case "maintenance":
		return Maintenance
	case "closing":
		return Closing
	}
	return Unknown
}

// Evidence is a health report or a sale. Instants and durations are milliseconds.
type Evidence struct {
	Time     int64             // of the report, or when the sale ended
	Start    int64             // when the sale began, at most an hour before Time; of a report Time
	Sequence uint64            // the till's own number, 0 if it has none
	Hold     int64             // how long a report holds; 0 for a sale
	Response event.Opt[uint32] // ms the till, or a probe, took to answer
	Status   Status            // as reported; None for a sale
	Sale     bool
	Cause    string // why a report is not up, and what the till lacks: see causeOf
	Boot     uint32 // of a report: a hash of the boot id, 0 if it has none
	Skew     int32  // s that the till's clock was behind, as measured with it; 0: nothing was, or it is right
	Sent     int32  // s after its time that evidence with a Skew was sent; 0: at once
	shift    int32  // s that Time and Start were corrected by
}

// registered is the cause of what is not evidence at all: from then on the registry knows the terminal, and nothing has been heard of it.
const registered = "registered"

// registers says whether it only says that the registry knows the terminal.
func (e *Evidence) registers() bool { return e.Status == Unknown && e.Cause == registered && !e.Sale }

// Compare orders evidence by time; then reports before sales, by sequence, then by all else, so that only equals are equal.
func (e *Evidence) Compare(o *Evidence) int {
	if c := cmp.Compare(e.Time, o.Time); c != 0 {
		return c
	}
	return cmp.Or(
		compareBool(e.Sale, o.Sale),
		cmp.Compare(e.Sequence, o.Sequence),
		cmp.Compare(e.Status, o.Status),
		cmp.Compare(e.Hold, o.Hold),
		compareBool(e.Response.OK, o.Response.OK),
		cmp.Compare(e.Response.Value, o.Response.Value),
		strings.Compare(e.Cause, o.Cause),
		cmp.Compare(e.Start, o.Start),
		cmp.Compare(e.Boot, o.Boot),
		cmp.Compare(e.Skew, o.Skew),
		cmp.Compare(e.Sent, o.Sent),
	)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// evidenceOf makes evidence, of which nothing is there yet, of an event that happened at the given instant and reached Kafka at another, or says that it is none.
func (f *Fold) evidenceOf(ev *Evidence, e *event.Event, at, received int64) bool {
	ev.Time, ev.Start = at, at
	ev.Skew, ev.Sent = measure(e, at, received)
	if e.Sequence.OK {
		ev.Sequence = e.Sequence.Value
	}
	switch e.Type {
	case event.TypeTransaction:
		ev.Sale = true
		if s := e.Transaction.StartedAt; s.OK && s.Milli < at {
			ev.Start = max(s.Milli, at-proofLimit)
		}
		return true
	case event.TypeHealth:
		h := &e.Health
		ev.Status = reportedStatus(h.Status)
		switch running := ev.Status == Up || ev.Status == Degraded; {
		case running && cannotSell(&h.Capability):
			ev.Status = Disabled
		case running && cannotTakeCards(h, ev.Status):
			ev.Status = Cardless
		}
		ev.Boot = bootOf(h.BootID)
		var interval uint32
		if h.HeartbeatInterval.OK {
			interval = h.HeartbeatInterval.Value
		}
		ev.Hold = f.rules.holdOf(interval)
		ev.Cause = f.causeOf(h, ev.Status)
		if h.ResponseMS.OK {
			ev.Response = h.ResponseMS
		}
		return true
	}
	return false
}

// cannotSell says whether a till that runs has said that it cannot sell: outright, or neither by card nor for cash.
func cannotSell(c *event.Capability) bool {
	no := func(o event.Opt[bool]) bool { return o.OK && !o.Value }
	return no(c.Sell) || !c.Sell.OK && no(c.Card) && no(c.Cash)
}

// cannotTakeCards says whether a till that can sell has said that it takes no cards: outright, or, of one that is degraded, by a card reader that does not work.
func cannotTakeCards(h *event.Health, s Status) bool {
	if card := h.Capability.Card; card.OK {
		return !card.Value
	}
	return s == Degraded && slices.ContainsFunc(h.Components, func(c event.Component) bool { return c.Type == "card_reader" && c.State == "error" })
}

// bootOf is a hash of a boot id (FNV-1a), never 0 but for none.
func bootOf(id string) uint32 {
	if id == "" {
		return 0
	}
	h := uint32(2166136261)
	for i := range len(id) {
		h = (h ^ uint32(id[i])) * 16777619
	}
	return max(h, 1)
}

// causeOf is the first error's code, else the first component in error as type:detail, else "reported"; "closing" of a till that was switched
// off, and nothing of one that is up. If a till that runs lacks other components than that names, or says that it can sell all the same, the types of what
// it lacks come before it, and a NUL.
func (f *Fold) causeOf(h *event.Health, s Status) string {
	cause := f.spokenCause(h, s)
	if !s.runs() || s == Disabled {
		return cause
	}
	f.joined = f.joined[:0]
	for i := range h.Components {
		if c := &h.Components[i]; lacking(c) && !h.Capability.Sell.OK && len(f.joined)+len(c.Type) < maxText/2 && !strings.ContainsAny(c.Type, ",\x00") {
			f.joined = append(append(f.joined, c.Type...), ',')
		}
	}
	switch kind, _, _ := strings.Cut(cause, ":"); {
	case len(f.joined) == 0 && (cause == "" || !h.Capability.Sell.OK), len(f.joined) == len(kind)+1 && string(f.joined[:len(kind)]) == kind:
		return cause
	}
	f.joined = append(append(f.joined, 0), cause...)
	return f.texts.keepBytes(f.joined)
}

func lacking(c *event.Component) bool {
	return c.Type != "" && (c.State == "error" || c.State == "absent")
}

// spoken is the part of a cause that people read.
func spoken(cause string) string {
	if i := strings.IndexByte(cause, 0); i >= 0 {
		return cause[i+1:]
	}
	return cause
}

// broken says whether a component type is among those that a till lacks.
func broken(cause, kind string) bool {
	i := strings.IndexByte(cause, 0)
	if i < 0 {
		named, _, _ := strings.Cut(cause, ":")
		return named == kind
	}
	for lacked := range strings.SplitSeq(cause[:i], ",") {
		if lacked == kind && kind != "" {
			return true
		}
	}
	return false
}

func (f *Fold) spokenCause(h *event.Health, s Status) string {
	switch s {
	case Up:
		return ""
	case Closing:
		return "closing"
	}
	if len(h.Errors) > 0 && h.Errors[0].Code != "" {
		return f.texts.keep(spoken(h.Errors[0].Code))
	}
	for i := range h.Components {
		if c := &h.Components[i]; c.State == "error" && c.Type != "" {
			if c.Detail == "" {
				return f.texts.keep(spoken(c.Type))
			}
			f.joined = append(append(append(f.joined[:0], spoken(c.Type)...), ':'), spoken(c.Detail)...)
			return f.texts.keepBytes(f.joined)
		}
	}
	switch s {
	case Disabled:
		return "cannot_sell"
	case Cardless:
		return "cannot_take_cards"
	}
	return "reported"
}
