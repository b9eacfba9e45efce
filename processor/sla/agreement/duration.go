package agreement

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"time"

	"github.com/tillstream/tillstream/processor/registry"
)

// Duration is a length of time by the clock (90s, 3m, 72h), in days (30d, 2w) or in months (6M, 1Q, 1Y): the units of OpenSLO, with a capital
// M for months. Days and months are of the calendar: how long they are depends on where they begin. Its zero value is one that
// nobody said, which is not 0s. As text in its largest unit that is whole, and always the same.
type Duration struct {
	clock        time.Duration
	days, months int
	said         bool
}

var (
	durationText = regexp.MustCompile(`^(?:\d+(?:ms|s|m|h|d|w|M|Q|Y))+$`)
	durationPart = regexp.MustCompile(`(\d+)(ms|s|m|h|d|w|M|Q|Y)`)
)

// maxUnits keeps durations below 1,000 years.
const maxUnits = 366_000

// ParseDuration reads one. Parts are of one kind: 1h30m is a duration, 1M2d is none.
func ParseDuration(s string) (Duration, error) {
	none := func(why string) (Duration, error) {
		return Duration{}, fmt.Errorf("%q is no duration such as 90s, 3m, 72h, 30d or 6M%s", s, why)
	}
	if !durationText.MatchString(s) {
		return none("")
	}
	d := Duration{said: true}
	clock := 0.0
	kinds := map[string]bool{}
	for _, m := range durationPart.FindAllStringSubmatch(s, -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil || n > maxUnits*86_400 {
			return none(": it is too long")
		}
		kind := "clock"
		switch m[2] {
		case "d", "w":
			kind = "days"
			d.days += n * map[string]int{"d": 1, "w": 7}[m[2]]
		case "M", "Q", "Y":
			kind = "months"
			d.months += n * map[string]int{"M": 1, "Q": 3, "Y": 12}[m[2]]
		default:
			unit, _ := time.ParseDuration("1" + m[2])
			clock += float64(n) * float64(unit)
			d.clock += time.Duration(n) * unit
		}
		kinds[kind] = true
	}
	switch {
	case len(kinds) > 1:
		return none(": hours, days and months cannot be added, since not every day has 24 hours, nor every month 30 days")
	case clock > math.MaxInt64/2 || d.days > maxUnits || d.months > maxUnits/30:
		return none(": it is too long")
	}
	return d, nil
}

// Clock is a length by the clock.
func Clock(d time.Duration) Duration { return Duration{clock: d, said: true} }

// IsZero says that nobody said it. It is not whether it is 0s.
func (d Duration) IsZero() bool { return !d.said }

// Clock is how long it is, if that does not depend on where it begins: of 3m, not of 1d.
func (d Duration) Clock() (time.Duration, bool) { return d.clock, d.days == 0 && d.months == 0 }

// Milli is how long it is in ms, of one by the clock; 0 of any other, and of one that nobody said.
func (d Duration) Milli() int64 { return d.clock.Milliseconds() }

// Empty says whether it has no length; so does one that nobody said.
func (d Duration) Empty() bool { return d.clock == 0 && d.days == 0 && d.months == 0 }

// After is the instant so long after another one, in ms. Days and months are counted on the calendar of the zone and keep the time of day; a
// day that the month does not have is its last one.
func (d Duration) After(at int64, zone *time.Location) int64 { return d.from(at, zone, 1) }

// Before is the instant so long before another one, as After.
func (d Duration) Before(at int64, zone *time.Location) int64 { return d.from(at, zone, -1) }

func (d Duration) from(at int64, zone *time.Location, sign int) int64 {
	if d.days == 0 && d.months == 0 {
		return at + int64(sign)*d.Milli()
	}
	t := time.UnixMilli(at).In(zone)
	y, m, day := t.Date()
	date := d.OnDate(registry.DateOf(y, m, day), sign)
	minutes := t.Hour()*60 + t.Minute()
	return registry.Wall(zone, date, minutes) + at - t.Truncate(time.Minute).UnixMilli()
}

// OnDate is the date so many times this duration after a date, for one of days or months; n may be negative.
func (d Duration) OnDate(date registry.Date, n int) registry.Date {
	if d.months == 0 {
		return date + registry.Date(n*d.days)
	}
	y, m, day := date.Civil()
	first := registry.DateOf(y, m+time.Month(n*d.months), 1)
	y, m, _ = first.Civil()
	return min(registry.DateOf(y, m, day), registry.DateOf(y, m+1, 1)-1)
}

func (d Duration) String() string {
	switch c := d.clock; {
	case !d.said:
		return ""
	case d.months > 0:
		return strconv.Itoa(d.months) + "M"
	case d.days > 0:
		return strconv.Itoa(d.days) + "d"
	case c == 0:
		return "0s"
	case c%time.Hour == 0:
		return strconv.FormatInt(int64(c/time.Hour), 10) + "h"
	case c%time.Minute == 0:
		return strconv.FormatInt(int64(c/time.Minute), 10) + "m"
	case c%time.Second == 0:
		return strconv.FormatInt(int64(c/time.Second), 10) + "s"
	}
	return strconv.FormatInt(d.Milli(), 10) + "ms"
}

// MarshalText writes it as String does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText is ParseDuration.
func (d *Duration) UnmarshalText(b []byte) (err error) {
	*d, err = ParseDuration(string(b))
	return err
}
