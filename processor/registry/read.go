package registry

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/interval"
)

// Topic is where the documents are. Lanes fold it before all else: what it says holds for what was before, too.
const Topic = "pos.registry"

// Document is the store of an event of pos.registry.v1, as JSON.
type Document struct {
	Removed   bool               `json:"removed,omitempty"` // nothing else is said then
	OpenedOn  *Date              `json:"opened_on,omitempty"`
	ClosedOn  *Date              `json:"closed_on,omitempty"` // the first day after the last one
	Versions  []Version          `json:"versions,omitempty"`
	Terminals []TerminalDocument `json:"terminals,omitempty"`
}

// TerminalDocument is one terminal of a Document.
type TerminalDocument struct {
	ID       string            `json:"id"`
	Lives    []Instants        `json:"lives"` // [from, to) in this store
	Versions []TerminalVersion `json:"versions"`
}

// Read reads the body of an event of pos.registry.v1 as a *Store. It is strict: what a document says and this version does not know is
// an error, since hours that were half understood would be wrong hours.
func Read(value []byte) (body any, rejection *event.Rejection) {
	var e struct {
		StoreID  string          `json:"store_id"`
		Revision *uint64         `json:"revision"`
		Store    json.RawMessage `json:"store"`
	}
	if err := json.Unmarshal(value, &e); err != nil {
		return nil, rejectionOf("", err)
	}
	switch {
	case e.Revision == nil:
		return nil, missing("revision", "a whole number from 0 on")
	case len(e.Store) == 0 || string(e.Store) == "null":
		return nil, missing("store", "an object")
	}
	var doc Document
	d := json.NewDecoder(bytes.NewReader(e.Store))
	d.DisallowUnknownFields()
	if err := d.Decode(&doc); err != nil {
		return nil, rejectionOf("store", err)
	}
	s, bad := doc.Build(e.StoreID, *e.Revision)
	if bad != nil {
		return nil, &event.Rejection{Reason: event.ReasonInvalidValue, Field: "store." + bad.Field, Expected: bad.Expected}
	}
	s.document = bytes.Clone(e.Store)
	return s, nil
}

// Append writes what Read reads: the state row of a lane.
func (s *Store) Append(dst []byte) []byte {
	id, err := json.Marshal(s.ID)
	if err != nil {
		panic(fmt.Sprintf("registry: a string as JSON: %v", err)) // it cannot fail
	}
	return fmt.Appendf(dst, `{"store_id":%s,"revision":%d,"store":%s}`, id, s.Revision, s.document)
}

// ReadState reads what Append wrote.
func ReadState(value []byte) (*Store, error) {
	body, rejection := Read(value)
	if rejection != nil {
		return nil, fmt.Errorf("what the registry says of a store: %w", rejection)
	}
	return body.(*Store), nil
}

// Newer says whether s replaces o: it has the higher revision. Of two texts of one revision, which nobody should send, it is the same one
// whatever came first.
func (s *Store) Newer(o *Store) bool {
	return cmp.Or(cmp.Compare(s.Revision, o.Revision), bytes.Compare(s.document, o.document)) > 0
}

func missing(field, expected string) *event.Rejection {
	return &event.Rejection{Reason: event.ReasonMissingField, Field: field, Expected: expected}
}

var unknownField = regexp.MustCompile(`^json: unknown field "(.*)"$`)

// rejectionOf names the field as well as encoding/json knows it.
func rejectionOf(prefix string, err error) *event.Rejection {
	join := func(f string) string { return strings.Trim(prefix+"."+f, ".") }
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return &event.Rejection{Reason: event.ReasonWrongType, Field: join(wrong.Field), Expected: "a " + wrong.Type.String() + ", not a " + wrong.Value}
	}
	if m := unknownField.FindStringSubmatch(err.Error()); m != nil {
		return &event.Rejection{Reason: event.ReasonInvalidValue, Field: prefix, Expected: "no field " + m[1] + ": this version does not know it"}
	}
	return &event.Rejection{Reason: event.ReasonInvalidValue, Field: prefix, Expected: "a store as its schema says: " + err.Error()}
}

// Flaw is what a document says that cannot be.
type Flaw struct{ Field, Expected string }

// Bounds of what is believed.
const (
	maxVersions  = 1000
	maxTerminals = 10_000
	maxName      = 128
)

// Build makes a store of a document, or says what is wrong with it.
func (doc *Document) Build(id string, revision uint64) (*Store, *Flaw) {
	s := &Store{ID: id, Revision: revision, Removed: doc.Removed, opened: interval.All(), always: true}
	if doc.Removed {
		return s, nil
	}
	switch n := len(doc.Versions); {
	case n == 0:
		return nil, &Flaw{"versions", "at least one"}
	case n > maxVersions:
		return nil, &Flaw{"versions", fmt.Sprintf("at most %d", maxVersions)}
	case len(doc.Terminals) > maxTerminals:
		return nil, &Flaw{"terminals", fmt.Sprintf("at most %d", maxTerminals)}
	}
	s.Versions = doc.Versions
	for i := range s.Versions {
		v := &s.Versions[i]
		if flaw := v.prepare(i, s.Versions[:i]); flaw != nil {
			flaw.Field = fmt.Sprintf("versions[%d].%s", i, flaw.Field)
			return nil, flaw
		}
		s.always = s.always && v.Calendar == nil
	}
	if flaw := s.open(doc.OpenedOn, doc.ClosedOn); flaw != nil {
		return nil, flaw
	}
	s.places = make(map[string]int, len(doc.Terminals))
	for i, t := range doc.Terminals {
		built, flaw := t.build()
		if _, twice := s.places[t.ID]; flaw == nil && twice {
			flaw = &Flaw{"id", "an id of its own"}
		}
		if flaw != nil {
			flaw.Field = fmt.Sprintf("terminals[%d].%s", i, flaw.Field)
			return nil, flaw
		}
		s.places[t.ID] = i
		s.Terminals = append(s.Terminals, built)
	}
	if len(s.Terminals) <= few {
		s.places = nil
	}
	return s, nil
}

// prepare checks a version and turns its texts into what is computed with.
func (v *Version) prepare(i int, before []Version) *Flaw {
	zone, err := Zone(v.Timezone)
	if err != nil {
		return &Flaw{"timezone", "a time zone of the IANA database, such as Europe/Paris"}
	}
	v.zone, v.from, v.to = zone, interval.Min, interval.Max
	if i > 0 {
		if i > 1 && v.From <= before[i-1].From {
			return &Flaw{"from", "a date after that of the version before"}
		}
		v.from = Begins(zone, v.From)
		if v.from <= before[i-1].from { // a change of zone, on neighbouring days, across the date line
			return &Flaw{"from", "a date that begins after that of the version before"}
		}
		before[i-1].to = v.from
	}
	if v.SellQuorum < 0 || v.SellQuorum > maxTerminals {
		return &Flaw{"sell_quorum", fmt.Sprintf("1 to %d", maxTerminals)}
	}
	if v.Calendar == nil {
		return nil
	}
	if flaw := v.Calendar.prepare(); flaw != nil {
		flaw.Field = "calendar." + flaw.Field
		return flaw
	}
	return nil
}

// Zone finds a time zone by its IANA name.
func Zone(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, fmt.Errorf("%q is no time zone of the IANA database such as Europe/Paris", name)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%q is no time zone of the IANA database such as Europe/Paris", name)
	}
	return zone, nil
}

func (c *Calendar) prepare() *Flaw {
	c.holidays, c.yearly, c.days = map[Date]bool{}, map[MonthDay]bool{}, map[Date][]Window{}
	for _, d := range c.Holidays {
		c.holidays[d] = true
	}
	for _, d := range c.Yearly {
		c.yearly[d] = true
	}
	for text, windows := range c.Days {
		d, err := ParseDate(text)
		if err != nil {
			return &Flaw{"days", "dates such as 2026-12-24"}
		}
		c.days[d] = windows
	}
	for i, x := range c.ClosedDays {
		if x.To <= x.From {
			return &Flaw{fmt.Sprintf("closed_days[%d].to", i), "a date after from"}
		}
	}
	for i, x := range c.Closed {
		if x.span().Empty() {
			return &Flaw{fmt.Sprintf("closed[%d].to", i), "an instant after from"}
		}
	}
	return nil
}

func (s *Store) open(opened, closed *Date) *Flaw {
	life := interval.Span{From: interval.Min, To: interval.Max}
	if opened != nil {
		life.From = s.begins(*opened)
	}
	if closed != nil {
		life.To = s.begins(*closed)
	}
	if life.Empty() {
		return &Flaw{"closed_on", "a date after opened_on"}
	}
	s.opened = interval.Set{life}
	return nil
}

// begins is the first instant of a date, in the zone in force that day.
func (s *Store) begins(d Date) int64 { return Begins(s.On(d).zone, d) }

// On is the version in force on a local date. The store must not be a removed one.
func (s *Store) On(d Date) *Version {
	i := len(s.Versions) - 1
	for i > 0 && s.Versions[i].From > d {
		i--
	}
	return &s.Versions[i]
}

// Wall is the first instant at which the clocks of the store show so many minutes after 00:00 of a date, ms.
func (s *Store) Wall(d Date, minute int) int64 { return Wall(s.On(d).zone, d, minute) }

func (t *TerminalDocument) build() (Terminal, *Flaw) {
	out := Terminal{ID: t.ID, Versions: t.Versions}
	switch {
	case t.ID == "" || len(t.ID) > maxName || strings.IndexByte(t.ID, 0) >= 0:
		return out, &Flaw{"id", "1 to 128 bytes without NUL"}
	case len(t.Lives) == 0:
		return out, &Flaw{"lives", "at least one"}
	case len(t.Versions) == 0 || len(t.Versions) > maxVersions:
		return out, &Flaw{"versions", fmt.Sprintf("1 to %d", maxVersions)}
	}
	spans := make([]interval.Span, len(t.Lives))
	for i, l := range t.Lives {
		if spans[i] = l.span(); spans[i].Empty() {
			return out, &Flaw{fmt.Sprintf("lives[%d].to", i), "an instant after from"}
		}
	}
	out.Lives = interval.Of(spans...)
	for i, v := range t.Versions {
		switch {
		case i > 0 && (v.From == nil || i > 1 && *v.From <= *t.Versions[i-1].From):
			return out, &Flaw{fmt.Sprintf("versions[%d].from", i), "an instant after that of the version before"}
		case v.HeartbeatTimeout < 0:
			return out, &Flaw{fmt.Sprintf("versions[%d].heartbeat_timeout", i), "milliseconds"}
		}
	}
	out.TerminalVersion = out.Versions[len(out.Versions)-1]
	out.Versions = slices.Clip(out.Versions)
	return out, nil
}
