package registry

import (
	"time"

	"github.com/tillstream/tillstream/processor/interval"
)

// Store is what is registered of one store. It is for one goroutine: it remembers the hours it was asked for.
type Store struct {
	ID        string
	Revision  uint64
	Terminals []Terminal
	Versions  []Version // by From; the first one holds before it, too
	// Removed says that the store is not registered any more: it counts as a store that never was.
	Removed bool

	document []byte
	places   map[string]int         // of Terminals, where they are more than few: each batch asks for all of a store, one by one
	opened   interval.Set           // from opened_on to closed_on
	always   bool                   // no version has a calendar
	months   map[int32]interval.Set // service by month of UTC, as far as asked
}

// Version is what is in force from a local date on, until the next one.
type Version struct {
	From              Date      `json:"from,omitzero"`
	Timezone          string    `json:"timezone"`
	Currency          string    `json:"currency,omitempty"`
	Format            string    `json:"format,omitempty"`
	Area              string    `json:"area,omitempty"`
	LineSupplier      string    `json:"line_supplier,omitempty"` // of the store's line
	BusinessDayCutoff string    `json:"business_day_cutoff,omitempty"`
	SellQuorum        int       `json:"sell_quorum,omitempty"` // tills without which the store cannot sell; 1 if 0
	Calendar          *Calendar `json:"calendar,omitempty"`    // nil: always open

	zone     *time.Location
	from, to int64 // ms
}

// Calendar is when a store is open, with holidays and closures in it. The first that says something of a day decides: ClosedDays, Days,
// Holidays, Week. Closed is taken out of whatever is open.
type Calendar struct {
	Week         Week                `json:"week,omitzero"`
	Holidays     []Date              `json:"holidays,omitempty"`
	Yearly       []MonthDay          `json:"yearly,omitempty"`        // holidays of every year
	HolidayHours []Window            `json:"holiday_hours,omitempty"` // none: closed
	Days         map[string][]Window `json:"days,omitempty"`          // special days, by date
	ClosedDays   []Days              `json:"closed_days,omitempty"`
	Closed       []Instants          `json:"closed,omitempty"`

	holidays map[Date]bool
	yearly   map[MonthDay]bool
	days     map[Date][]Window
}

// Week is the opening hours of ordinary days.
type Week struct {
	Mon []Window `json:"mon,omitempty"`
	Tue []Window `json:"tue,omitempty"`
	Wed []Window `json:"wed,omitempty"`
	Thu []Window `json:"thu,omitempty"`
	Fri []Window `json:"fri,omitempty"`
	Sat []Window `json:"sat,omitempty"`
	Sun []Window `json:"sun,omitempty"`
}

// On is the hours of one day of the week.
func (w *Week) On(d time.Weekday) []Window { return *w.Day(d) }

// Day is where the hours of one day of the week are kept.
func (w *Week) Day(d time.Weekday) *[]Window {
	return [...]*[]Window{&w.Sun, &w.Mon, &w.Tue, &w.Wed, &w.Thu, &w.Fri, &w.Sat}[d]
}

// Days is [From, To).
type Days struct {
	From Date `json:"from"`
	To   Date `json:"to"`
}

// Instants is [From, To).
type Instants struct {
	From *Instant `json:"from,omitempty"` // nil: always
	To   *Instant `json:"to,omitempty"`   // nil: for ever
}

func (i Instants) span() interval.Span {
	s := interval.Span{From: interval.Min, To: interval.Max}
	if i.From != nil {
		s.From = int64(*i.From)
	}
	if i.To != nil {
		s.To = int64(*i.To)
	}
	return s
}

// Terminal is a till in a store. Its fields are those of the newest version.
type Terminal struct {
	ID       string
	Lives    interval.Set // when it is in this store
	Versions []TerminalVersion
	TerminalVersion
}

// TerminalVersion is what is in force from an instant on, until the next one.
type TerminalVersion struct {
	From             *Instant `json:"from,omitempty"`
	Role             string   `json:"role,omitempty"`
	Model            string   `json:"model,omitempty"`
	Components       []string `json:"components,omitempty"`        // fitted
	SellNeeds        []string `json:"sell_needs,omitempty"`        // component types without which it cannot sell
	HeartbeatTimeout int64    `json:"heartbeat_timeout,omitempty"` // ms; 0: not said
	Customer         string   `json:"customer,omitempty"`
	Services         []string `json:"services,omitempty"`
	LineSupplier     string   `json:"line_supplier,omitempty"`
}

// At is what is in force at an instant; before the first version, that one.
func (t *Terminal) At(at int64) *TerminalVersion {
	i := len(t.Versions) - 1
	for i > 0 && int64(*t.Versions[i].From) > at {
		i--
	}
	return &t.Versions[i]
}

// Terminal finds one; nil if it is not registered, or if nothing is known of the store: s may be nil.
func (s *Store) Terminal(id string) *Terminal {
	if s == nil {
		return nil
	}
	if s.places != nil {
		if i, ok := s.places[id]; ok {
			return &s.Terminals[i]
		}
		return nil
	}
	for i := range s.Terminals {
		if s.Terminals[i].ID == id {
			return &s.Terminals[i]
		}
	}
	return nil
}

// few is how many terminals are looked through as fast as one is found by a hash.
const few = 12

// At is the version in force at an instant; nil of a store that was removed.
func (s *Store) At(at int64) *Version {
	i := len(s.Versions) - 1
	for i > 0 && s.Versions[i].from > at {
		i--
	}
	if i < 0 {
		return nil
	}
	return &s.Versions[i]
}

// Zone is the time zone in force at an instant; UTC of a store that was removed.
func (s *Store) Zone(at int64) *time.Location {
	if v := s.At(at); v != nil {
		return v.zone
	}
	return time.UTC
}

// Quorum is how many tills a store needs to sell.
type Quorum struct {
	interval.Span
	Tills int
}

// Quorums is what is in force over a span: in order, covering it, neighbours differ.
func (s *Store) Quorums(x interval.Span) []Quorum {
	if x.Empty() {
		return nil
	}
	if len(s.Versions) == 0 {
		return []Quorum{{x, 1}}
	}
	var out []Quorum
	for i := range s.Versions {
		v := &s.Versions[i]
		in := x.Cut(interval.Span{From: v.from, To: v.to})
		if in.Empty() {
			continue
		}
		n := max(v.SellQuorum, 1)
		if k := len(out); k > 0 && out[k-1].Tills == n {
			out[k-1].To = in.To
			continue
		}
		out = append(out, Quorum{in, n})
	}
	return out
}

// When is the time in which a version is in force that fulfils something.
func (s *Store) When(match func(*Version) bool) interval.Set {
	var spans []interval.Span
	for i := range s.Versions {
		if v := &s.Versions[i]; match(v) {
			spans = append(spans, interval.Span{From: v.from, To: v.to})
		}
	}
	return interval.Of(spans...)
}

// When is the time in which a version is in force that fulfils something.
func (t *Terminal) When(match func(*TerminalVersion) bool) interval.Set {
	var spans []interval.Span
	for i := range t.Versions {
		x := interval.Span{From: interval.Min, To: interval.Max}
		if i > 0 {
			x.From = int64(*t.Versions[i].From)
		}
		if i+1 < len(t.Versions) {
			x.To = int64(*t.Versions[i+1].From)
		}
		if match(&t.Versions[i]) {
			spans = append(spans, x)
		}
	}
	return interval.Of(spans...)
}
