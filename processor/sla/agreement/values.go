package agreement

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
)

// Quantity is what an indicator is compared with: a number (1500, of authorisation_ms; 0.005, of payment_failures) or a duration by the clock
// (4h, of time_to_resolve). Its zero value is one that nobody said.
type Quantity struct {
	number   Decimal
	duration Duration
}

// Number is a quantity that is a number.
func Number(d Decimal) Quantity { return Quantity{number: d} }

// Time is a quantity that is a duration, by the clock.
func Time(d Duration) Quantity { return Quantity{duration: d} }

// IsZero says that nobody said it.
func (q Quantity) IsZero() bool { return q.number.IsZero() && q.duration.IsZero() }

// IsDuration says whether it is one; else it is a number.
func (q Quantity) IsDuration() bool { return !q.duration.IsZero() }

// Number is the number; a duration counts in ms.
func (q Quantity) Number() *big.Rat {
	if q.IsDuration() {
		return big.NewRat(q.duration.Milli(), 1)
	}
	return q.number.Rat()
}

// Decimal is the number; of a duration, one that nobody said.
func (q Quantity) Decimal() Decimal { return q.number }

// Milli is a duration in ms; of a number it is 0.
func (q Quantity) Milli() int64 { return q.duration.Milli() }

func (q Quantity) String() string { return q.number.String() + q.duration.String() }

// MarshalText writes it as String does.
func (q Quantity) MarshalText() ([]byte, error) { return []byte(q.String()), nil }

// UnmarshalText reads it.
func (q *Quantity) UnmarshalText(b []byte) (err error) {
	*q = Quantity{}
	if q.number, err = ParseDecimal(string(b)); err == nil {
		return nil
	}
	if d, wrong := ParseDuration(string(b)); wrong == nil {
		if _, ok := d.Clock(); !ok {
			return fmt.Errorf("%q depends on the calendar; a value takes hours, minutes and seconds", b)
		}
		q.duration = d
		return nil
	}
	return fmt.Errorf("%q is neither a number such as 1500 nor a duration such as 4h", b)
}

// Cap is how much of something there may be in each period of a kind: 4h/month.
type Cap struct {
	Most Duration // by the clock
	Per  string   // one of Periods
}

// IsZero says that nobody said it.
func (c Cap) IsZero() bool { return c == Cap{} }

func (c Cap) String() string { return c.Most.String() + "/" + c.Per }

// MarshalText writes it as String does.
func (c Cap) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads it.
func (c *Cap) UnmarshalText(b []byte) error {
	most, per, _ := strings.Cut(string(b), "/")
	d, err := ParseDuration(most)
	if _, ok := d.Clock(); err != nil || !ok || !slices.Contains(Periods, per) {
		return fmt.Errorf("%q is no cap such as 4h/month: a time in hours or minutes, / and one of %s", b, strings.Join(Periods, ", "))
	}
	*c = Cap{d, per}
	return nil
}

// Window is a time of the week that comes again: Sun 00:00-06:00, Mon-Fri 22:00-05:00 (over midnight), daily 02:00-04:00. It is wall time; what
// happens to it when clocks change is as with opening hours (package registry). Or it is a Recurrence.
type Window struct {
	days  string // as written, in small letters
	hours registry.Window
	rule  *Recurrence
}

// IsZero says that nobody said it.
func (w Window) IsZero() bool { return w == Window{} }

// In is when it is, within a span, in a zone of the IANA database; the zone must exist.
func (w Window) In(zone string, x interval.Span) interval.Set {
	if w.rule != nil {
		return w.rule.in(zone, x)
	}
	days, _ := registry.Weekdays(w.days)
	c := &registry.Calendar{}
	for _, d := range days {
		*c.Week.Day(d) = []registry.Window{w.hours}
	}
	doc := registry.Document{Versions: []registry.Version{{Timezone: zone, Calendar: c}}}
	s, flaw := doc.Build("", 0)
	if flaw != nil {
		return nil
	}
	return s.Service(x)
}

func (w Window) String() string {
	if w.rule != nil {
		return w.rule.RRule.text + " for " + w.rule.Duration.String()
	}
	hours, _ := w.hours.MarshalText()
	days, _ := registry.Weekdays(w.days)
	text := w.days
	if len(days) == 7 {
		text = "daily"
	}
	return text + " " + string(hours)
}

// MarshalText writes it as String does.
func (w Window) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText reads it.
func (w *Window) UnmarshalText(b []byte) error {
	days, hours, _ := strings.Cut(strings.ToLower(string(b)), " ")
	var at registry.Window
	if _, ok := registry.Weekdays(days); !ok {
		return fmt.Errorf("%q does not begin with days of the week: write it as Sun 00:00-06:00, Mon-Fri 22:00-05:00 or daily 02:00-04:00", b)
	}
	if err := at.UnmarshalText([]byte(strings.TrimSpace(hours))); err != nil {
		return err
	}
	*w = Window{days: days, hours: at}
	return nil
}

// Keys makes it a Recurrence, and says where its keys are to be read into.
func (w *Window) Keys() any {
	*w = Window{rule: &Recurrence{}}
	return w.rule
}

// MarshalJSON writes a text, or the keys of a Recurrence.
func (w Window) MarshalJSON() ([]byte, error) {
	if w.rule != nil {
		return json.Marshal(w.rule)
	}
	return json.Marshal(w.String())
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (w *Window) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '{' {
		return json.Unmarshal(b, w.Keys())
	}
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return err
	}
	return w.UnmarshalText([]byte(text))
}

// Windows are several; one may be written without brackets.
type Windows []Window

// OneOrMany says that to who reads files.
func (Windows) OneOrMany() {}

// In is when any of them is, as Window.In.
func (ws Windows) In(zone string, x interval.Span) interval.Set {
	var out interval.Set
	for _, w := range ws {
		out = out.Union(w.In(zone, x))
	}
	return out
}
