package manifest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla/agreement"
	"github.com/tillstream/tillstream/processor/sla/openslo"
)

// APIVersion is that of every object.
const APIVersion = "tillstream/v1"

// Kinds of objects, in the order in which they are shown.
const (
	KindHolidays = "Holidays"
	KindCalendar = "Calendar"
	KindSupplier = "Supplier"
	KindCustomer = "Customer"
	KindService  = "Service"
	KindStore    = "Store"
	KindTerminal = "Terminal"

	KindSLI         = openslo.KindSLI
	KindSLO         = openslo.KindSLO
	KindAlertPolicy = openslo.KindAlertPolicy
	KindAgreement   = agreement.KindAgreement
)

var kinds = []string{
	KindHolidays, KindCalendar, KindSupplier, KindCustomer, KindService, KindStore, KindTerminal,
	KindSLI, KindSLO, KindAlertPolicy, KindAgreement,
}

// apiVersionOf is that of a kind; a Service may be OpenSLO's too.
func apiVersionOf(kind string) string {
	switch kind {
	case KindSLI, KindSLO, KindAlertPolicy:
		return openslo.APIVersion
	}
	return APIVersion
}

// specOf makes an empty spec of a kind; nil if there is no such kind.
func specOf(kind string) any {
	switch kind {
	case KindHolidays:
		return new(Holidays)
	case KindCalendar:
		return new(Calendar)
	case KindSupplier, KindCustomer, KindService:
		return new(Party)
	case KindStore:
		return new(Store)
	case KindTerminal:
		return new(Terminal)
	case KindSLI:
		return new(openslo.SLI)
	case KindSLO:
		return new(openslo.SLO)
	case KindAlertPolicy:
		return new(openslo.AlertPolicy)
	case KindAgreement:
		return new(agreement.Agreement)
	}
	return nil
}

// Key names an object.
type Key struct{ Kind, Name string }

func (k Key) String() string { return k.Kind + " " + k.Name }

// Metadata is what all kinds have. Agreements and the kinds of OpenSLO write displayName.
type Metadata struct {
	Name        string            `json:"name"`
	DisplayName string            `json:"display_name,omitzero"`
	Labels      map[string]Label  `json:"labels,omitzero"`
	Annotations map[string]string `json:"annotations,omitzero"`
}

// Label is a text, or several.
type Label []string

// OneOrMany says that one may be written without brackets.
func (Label) OneOrMany() {}

// MarshalJSON writes one as a text.
func (l Label) MarshalJSON() ([]byte, error) {
	if len(l) == 1 {
		return json.Marshal(l[0])
	}
	return json.Marshal([]string(l))
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (l *Label) UnmarshalJSON(b []byte) error {
	var one string
	if err := json.Unmarshal(b, &one); err == nil {
		*l = Label{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(l))
}

// Object is one of the things that are registered.
type Object struct {
	Kind     string
	Metadata Metadata
	Spec     any // *Store, *Terminal, *Calendar, *Holidays, *Party, *openslo.SLI, *openslo.SLO, *openslo.AlertPolicy or *agreement.Agreement

	file  string // "" of what is in force
	line  int
	lines map[string]int // of what is in it, by path
}

// Key names it.
func (o *Object) Key() Key { return Key{o.Kind, o.Metadata.Name} }

// Store is a shop. Its terms hold from the beginning; a version changes from a day on those that it names.
type Store struct {
	GLN      string         `json:"gln,omitzero"`
	OpenedOn *registry.Date `json:"opened_on,omitzero"`
	ClosedOn *registry.Date `json:"closed_on,omitzero"`
	StoreTerms
	SpecialDays []SpecialDay   `json:"special_days,omitzero"`
	Closures    []Closure      `json:"closures,omitzero"`
	Versions    []StoreVersion `json:"versions,omitzero"`
}

// StoreTerms are what may change of a store.
type StoreTerms struct {
	Timezone          string    `json:"timezone,omitzero"`
	Currency          string    `json:"currency,omitzero"`
	Format            string    `json:"format,omitzero"`
	Area              string    `json:"area,omitzero"`
	Calendar          string    `json:"calendar,omitzero"`
	BusinessDayCutoff string    `json:"business_day_cutoff,omitzero"`
	SellQuorum        int       `json:"sell_quorum,omitzero"`
	SellNeeds         []string  `json:"sell_needs,omitzero"`
	HeartbeatTimeout  *Duration `json:"heartbeat_timeout,omitzero"`
	LineSupplier      string    `json:"line_supplier,omitzero"`
}

// StoreVersion is a change of terms.
type StoreVersion struct {
	From *registry.Date `json:"from"`
	StoreTerms
}

// Terminal is a till. It lives in stores, one after the other.
type Terminal struct {
	Lives []Life `json:"lives"`
	TerminalTerms
	Versions []TerminalVersion `json:"versions,omitzero"`
}

// Life is a time in a store, [from, to).
type Life struct {
	Store string `json:"store"`
	From  *When  `json:"from,omitzero"`
	To    *When  `json:"to,omitzero"`
}

// TerminalTerms are what may change of a terminal.
type TerminalTerms struct {
	Role             string    `json:"role,omitzero"`
	Model            string    `json:"model,omitzero"`
	Components       []string  `json:"components,omitzero"`
	SellNeeds        []string  `json:"sell_needs,omitzero"`
	HeartbeatTimeout *Duration `json:"heartbeat_timeout,omitzero"`
	Customer         string    `json:"customer,omitzero"`
	Services         []string  `json:"services,omitzero"`
	LineSupplier     string    `json:"line_supplier,omitzero"`
}

// TerminalVersion is a change of terms.
type TerminalVersion struct {
	From *When `json:"from"`
	TerminalTerms
}

// Calendar is opening hours that stores share.
type Calendar struct {
	CalendarTerms
	SpecialDays []SpecialDay      `json:"special_days,omitzero"`
	Closures    []Closure         `json:"closures,omitzero"`
	Versions    []CalendarVersion `json:"versions,omitzero"`
}

// CalendarTerms are what may change of a calendar. The keys of Week are days (mon), several (mon-fri), or daily.
type CalendarTerms struct {
	Week         map[string][]registry.Window `json:"week,omitzero"`
	Holidays     []string                     `json:"holidays,omitzero"`
	HolidayHours []registry.Window            `json:"holiday_hours,omitzero"`
}

// CalendarVersion is a change of terms.
type CalendarVersion struct {
	From *registry.Date `json:"from"`
	CalendarTerms
}

// SpecialDay has hours of its own; none: closed.
type SpecialDay struct {
	Date   *registry.Date    `json:"date"`
	Hours  []registry.Window `json:"hours"`
	Reason string            `json:"reason,omitzero"`
}

// Closure is [from, to): of days, or of local times.
type Closure struct {
	From   *When  `json:"from"`
	To     *When  `json:"to"`
	Reason string `json:"reason,omitzero"`
	ToldBy string `json:"told_by,omitzero"`
	ToldTo string `json:"told_to,omitzero"`
	ToldAt *When  `json:"told_at,omitzero"`
}

// Holidays are a list that calendars share.
type Holidays struct {
	Country string    `json:"country,omitzero"`
	Region  string    `json:"region,omitzero"`
	Days    []Holiday `json:"days"`
}

// Holiday is a day of one year, or of every year.
type Holiday struct {
	Date HolidayDate `json:"date"`
	Name string      `json:"name,omitzero"`
}

// Party is a customer, a service or a supplier.
type Party struct {
	Description string    `json:"description,omitzero"`
	Contacts    []Contact `json:"contacts,omitzero"`
	Agreements  []string  `json:"agreements,omitzero"`
}

// Contact is a person or a desk.
type Contact struct {
	Name  string `json:"name"`
	Role  string `json:"role,omitzero"`
	Email string `json:"email,omitzero"`
	Phone string `json:"phone,omitzero"`
}

// When is a local date (2026-03-01), a local time (2026-03-01T14:00, in the zone of the store) or an instant (2026-03-01T14:00:00+01:00).
type When struct {
	text    string
	date    registry.Date
	minute  int
	instant bool
	milli   int64
}

var localTime = regexp.MustCompile(`^(\d{4}-\d\d-\d\d)(?:[T ](\d\d):(\d\d))?$`)

// UnmarshalText reads it.
func (w *When) UnmarshalText(b []byte) error {
	*w = When{text: string(b)}
	if m := localTime.FindSubmatch(b); m != nil {
		var err error
		if w.date, err = registry.ParseDate(string(m[1])); err != nil {
			return err
		}
		if len(m[2]) > 0 {
			t, err := time.Parse("15:04", string(m[2])+":"+string(m[3]))
			if err != nil {
				return fmt.Errorf("%q has no such time of day", b)
			}
			w.minute = t.Hour()*60 + t.Minute()
		}
		return nil
	}
	var i registry.Instant
	if err := i.UnmarshalText(b); err != nil {
		return fmt.Errorf("%q is neither a date (2026-03-01), nor a local time (2026-03-01T14:00), nor an instant (2026-03-01T14:00:00Z)", b)
	}
	w.instant, w.milli = true, int64(i)
	return nil
}

// MarshalText writes it as it was written.
func (w When) MarshalText() ([]byte, error) { return []byte(w.text), nil }

// isDate says whether it is a whole day.
func (w *When) isDate() bool { return len(w.text) == len(time.DateOnly) }

// before says whether it is earlier, as far as that can be said without a zone: an instant and a local time are taken to be in order.
func (w *When) before(o *When) bool {
	switch {
	case w.instant != o.instant:
		return true
	case w.instant:
		return w.milli < o.milli
	case w.date != o.date:
		return w.date < o.date
	}
	return w.minute < o.minute
}

// at is the instant in a store, ms.
func (w *When) at(s *registry.Store) int64 {
	if w.instant {
		return w.milli
	}
	return s.Wall(w.date, w.minute)
}

// Duration is written as 3m or 90s.
type Duration time.Duration

// UnmarshalText reads it.
func (d *Duration) UnmarshalText(b []byte) error {
	x, err := time.ParseDuration(string(b))
	if err != nil || x <= 0 || x%time.Millisecond != 0 {
		return fmt.Errorf("%q is no duration such as 90s, 3m or 1h", b)
	}
	*d = Duration(x)
	return nil
}

// MarshalText writes it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d *Duration) milli() int64 {
	if d == nil {
		return 0
	}
	return time.Duration(*d).Milliseconds()
}

// HolidayDate is a date, or the day of every year as 12-25.
type HolidayDate struct {
	date   registry.Date
	yearly registry.MonthDay // 0: date
}

// UnmarshalText reads it.
func (h *HolidayDate) UnmarshalText(b []byte) error {
	*h = HolidayDate{}
	if len(b) == len("12-25") {
		return h.yearly.UnmarshalText(b)
	}
	if err := h.date.UnmarshalText(b); err != nil {
		return fmt.Errorf("%q is neither a date (2026-04-06) nor a day of every year (12-25)", b)
	}
	return nil
}

// MarshalText writes it.
func (h HolidayDate) MarshalText() ([]byte, error) {
	if h.yearly != 0 {
		return h.yearly.MarshalText()
	}
	return h.date.MarshalText()
}

// document is an object as it is kept.
type document struct {
	Metadata Metadata        `json:"metadata"`
	Spec     json.RawMessage `json:"spec"`
}

// Document is the object as JSON, the same for the same object.
func (o *Object) Document() (string, error) {
	spec, err := json.Marshal(o.Spec)
	if err != nil {
		return "", fmt.Errorf("writing %s: %w", o.Key(), err)
	}
	b, err := json.Marshal(document{o.Metadata, spec})
	if err != nil {
		return "", fmt.Errorf("writing %s: %w", o.Key(), err)
	}
	return string(b), nil
}

// Parse reads what Document wrote.
func Parse(kind, text string) (*Object, error) {
	spec := specOf(kind)
	if spec == nil {
		return nil, fmt.Errorf("reading %s: this version knows no such kind; use the version of tillstream that wrote it, or a later one", kind)
	}
	var d document
	err := json.Unmarshal([]byte(text), &d)
	if err == nil {
		err = json.Unmarshal(d.Spec, spec)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s %s as it was kept: %w", kind, d.Metadata.Name, err)
	}
	return &Object{Kind: kind, Metadata: d.Metadata, Spec: spec}, nil
}
