package agreement

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/teambition/rrule-go"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/recurrence"
	"github.com/tillstream/tillstream/processor/registry"
)

// Recurrence is a time that comes again by an RRULE of RFC 5545, daily or slower: FREQ=MONTHLY;BYDAY=1SU;BYHOUR=2 for 4h. It begins when the clocks show that
// time, or are past it where they were set forward over it, for the first time where they show it twice; and lasts by the clock, however clocks are set meanwhile.
type Recurrence struct {
	RRule    Rule           `json:"rrule"`
	Duration Duration       `json:"duration" takes:"clock"`
	Timezone string         `json:"timezone,omitzero" takes:"zone"` // that of the store if nobody said it
	Start    *registry.Date `json:"start,omitzero"`                 // the first day; INTERVAL and COUNT are counted from it
}

// Rule is an RRULE that is taken. Which days and minutes it means does not depend on when it is looked at.
type Rule struct {
	text  string
	until func(zone *time.Location) int64 // the last ms at which it begins; nil: none
}

// longest is how long one occurrence may last.
const longest = 31 * 24 * time.Hour

var untilPart = regexp.MustCompile(`^(\d{8})(?:T(\d{6})(Z?))?$`)

// MarshalText writes it as it was written.
func (r Rule) MarshalText() ([]byte, error) { return []byte(r.text), nil }

// UnmarshalText reads it.
func (r *Rule) UnmarshalText(b []byte) error {
	*r = Rule{text: string(b)}
	o, err := recurrence.Parse(r.without("UNTIL"))
	if err != nil {
		return fmt.Errorf("%q is no RRULE of RFC 5545 that is taken (daily or slower, without DTSTART), such as FREQ=MONTHLY;BYDAY=1SU;BYHOUR=2: %w", b, err)
	}
	days := len(o.Byweekday) > 0
	switch {
	case len(o.Bysecond) > 0:
		err = errors.New("it takes whole minutes: leave BYSECOND out")
	case o.Freq == rrule.WEEKLY && !days, len(o.Byweekno) > 0 && !days:
		err = errors.New("it must say on which days of the week, as BYDAY=SU")
	case o.Freq == rrule.MONTHLY && !days && len(o.Bymonthday) == 0:
		err = errors.New("it must say on which days of the month, as BYMONTHDAY=1 or BYDAY=1SU")
	case o.Freq == rrule.YEARLY && !days && len(o.Bymonthday) == 0 && len(o.Byyearday) == 0:
		err = errors.New("it must say on which days of the year, as BYMONTH=1;BYMONTHDAY=31")
	}
	if err != nil {
		return fmt.Errorf("%q: %w", b, err)
	}
	text, there := r.part("UNTIL")
	m := untilPart.FindStringSubmatch(text)
	if !there {
		return nil
	}
	if m == nil {
		return fmt.Errorf("%q: UNTIL is a day or a time, as UNTIL=20261231 or UNTIL=20261231T230000Z", b)
	}
	at, err := time.Parse("20060102150405", m[1]+cmp.Or(m[2], "235959"))
	if err != nil {
		return fmt.Errorf("%q: UNTIL=%s is no time", b, text)
	}
	day := registry.DateOf(at.Date())
	r.until = func(zone *time.Location) int64 {
		if m[3] == "Z" {
			return at.UnixMilli()
		}
		return registry.Wall(zone, day, at.Hour()*60+at.Minute())
	}
	return nil
}

func (r *Rule) part(name string) (value string, there bool) {
	for p := range strings.SplitSeq(strings.TrimPrefix(strings.ToUpper(r.text), "RRULE:"), ";") {
		if k, v, _ := strings.Cut(p, "="); k == name {
			return v, true
		}
	}
	return "", false
}

// without is the rule without one of its parts.
func (r *Rule) without(name string) string {
	parts := strings.Split(strings.TrimPrefix(strings.ToUpper(r.text), "RRULE:"), ";")
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return strings.HasPrefix(p, name+"=") }), ";")
}

// check says what is wrong with it as a whole.
func (r *Recurrence) check() error {
	_, counts := r.RRule.part("COUNT")
	every, _ := r.RRule.part("INTERVAL")
	d, _ := r.Duration.Clock()
	switch {
	case r.RRule.text == "":
		return errors.New("it needs rrule, as FREQ=MONTHLY;BYDAY=1SU;BYHOUR=2")
	case d <= 0 || d > longest:
		return errors.New("it needs duration, up to 744h: how long it lasts each time, as 4h")
	case r.Start == nil && (counts || every != "" && every != "1"):
		return errors.New("INTERVAL and COUNT are counted from a day: say it, as start: 2026-01-01")
	}
	return nil
}

// in is when it is, within a span; store is the zone if it says none.
func (r *Recurrence) in(store string, x interval.Span) interval.Set {
	zone, err := registry.Zone(cmp.Or(r.Timezone, store))
	o, flaw := recurrence.Parse(r.RRule.without("UNTIL"))
	if err != nil || flaw != nil {
		return nil // Check has said so
	}
	lasts := r.Duration.Milli()
	// Days and minutes are reckoned as what clocks show, and turned into instants afterwards.
	shown := func(ms int64, days int) time.Time {
		y, m, d := time.UnixMilli(ms).In(zone).Date()
		return time.Date(y, m, d+days, 0, 0, 0, 0, time.UTC)
	}
	first, last := shown(x.From-lasts, -1), shown(x.To, 2)
	o.Dtstart = first
	if r.Start != nil {
		y, m, d := r.Start.Civil()
		start := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
		if o.Dtstart = start; o.Count == 0 {
			o.Dtstart = nearer(o, start, first)
		}
	}
	rule, err := rrule.NewRRule(*o)
	if err != nil {
		return nil
	}
	until := int64(interval.Max)
	if r.RRule.until != nil {
		until = r.RRule.until(zone)
	}
	var out []interval.Span
	for next := rule.Iterator(); ; {
		at, ok := next()
		if !ok || at.After(last) {
			return interval.Of(out...).Within(x)
		}
		day := registry.DateOf(at.Date())
		from := registry.Wall(zone, day, at.Hour()*60+at.Minute())
		if (r.Start == nil || *r.Start <= day) && from <= until {
			out = append(out, interval.Span{From: from, To: from + lasts})
		}
	}
}

// nearer is a beginning of the same rhythm that is not after what is looked at, but near it. Which days a rule means does not depend on its beginning, only which weeks,
// months and years if it leaves some out.
func nearer(o *rrule.ROption, start, first time.Time) time.Time {
	if !start.Before(first) {
		return start
	}
	every := max(o.Interval, 1)
	switch o.Freq {
	case rrule.DAILY:
		days := int(first.Sub(start).Hours()) / 24
		return start.AddDate(0, 0, days/every*every)
	case rrule.WEEKLY:
		days := int(first.Sub(start).Hours()) / 24
		return start.AddDate(0, 0, days/(7*every)*7*every)
	case rrule.MONTHLY:
		months := 12*(first.Year()-start.Year()) + int(first.Month()-start.Month())
		return time.Date(start.Year(), start.Month()+time.Month(months/every*every), 1, 0, 0, 0, 0, time.UTC)
	}
	return time.Date(start.Year()+(first.Year()-start.Year())/every*every, 1, 1, 0, 0, 0, 0, time.UTC)
}
