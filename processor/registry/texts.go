package registry

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Date is a local date, in days since 1970. As text 2026-03-01.
type Date int32

// ParseDate reads a date.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Year() < 1900 || t.Year() > 2999 {
		return 0, fmt.Errorf("%q is no date such as 2026-03-01", s)
	}
	return Date(floorDiv(t.Unix(), 86400)), nil
}

func (d Date) time() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

// DateOf is a date of the calendar; a month or a day beyond its year or month is one of those after it, as of time.Date.
func DateOf(y int, m time.Month, day int) Date {
	return Date(floorDiv(time.Date(y, m, day, 0, 0, 0, 0, time.UTC).Unix(), 86400))
}

// Civil is its year, month and day.
func (d Date) Civil() (int, time.Month, int) { return d.time().Date() }

func (d Date) String() string { return d.time().Format(time.DateOnly) }

// MarshalText writes it as String does.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText is ParseDate.
func (d *Date) UnmarshalText(b []byte) (err error) {
	*d, err = ParseDate(string(b))
	return err
}

// MonthDay is a day of every year, 1231 for the 31 December. As text 12-31.
type MonthDay int16

// UnmarshalText reads it.
func (m *MonthDay) UnmarshalText(b []byte) error {
	t, err := time.Parse(time.DateOnly, "2000-"+string(b)) // a leap year
	if err != nil {
		return fmt.Errorf("%q is no day of the year such as 12-31", b)
	}
	*m = MonthDay(int(t.Month())*100 + t.Day())
	return nil
}

// MarshalText writes it.
func (m MonthDay) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%02d-%02d", m/100, m%100), nil
}

func (d Date) monthDay() MonthDay {
	_, m, day := d.time().Date()
	return MonthDay(int(m)*100 + day)
}

// Instant is in ms since 1970 UTC. As text RFC 3339.
type Instant int64

// UnmarshalText reads it.
func (i *Instant) UnmarshalText(b []byte) error {
	t, err := time.Parse(time.RFC3339, string(b))
	if err != nil || t.Year() < 1900 || t.Year() > 2999 {
		return fmt.Errorf("%q is no instant such as 2026-03-01T09:00:00Z", b)
	}
	*i = Instant(t.UnixMilli())
	return nil
}

// MarshalText writes it, in UTC.
func (i Instant) MarshalText() ([]byte, error) {
	return time.UnixMilli(int64(i)).UTC().AppendFormat(nil, "2006-01-02T15:04:05.999Z07:00"), nil
}

// Window is one opening of a day, in minutes of wall time since its 00:00; Close is beyond Open, and beyond 1440 on the next day. As text
// 09:00-20:00, 20:00-04:00 (over midnight), 00:00-24:00.
type Window struct{ Open, Close int16 }

// UnmarshalText reads it.
func (w *Window) UnmarshalText(b []byte) error {
	from, to, ok := clock(b)
	switch {
	case !ok || from == 1440:
		return fmt.Errorf("%q are no opening hours such as 09:00-20:00, 20:00-04:00 or 00:00-24:00", b)
	case from == to:
		return fmt.Errorf("%q is empty or a whole day: write 00:00-24:00 for a whole day", b)
	case to < from:
		to += 1440
	}
	*w = Window{from, to}
	return nil
}

// MarshalText writes it.
func (w Window) MarshalText() ([]byte, error) {
	end := w.Close
	if end > 1440 {
		end -= 1440
	}
	return fmt.Appendf(nil, "%02d:%02d-%02d:%02d", w.Open/60, w.Open%60, end/60, end%60), nil
}

var weekdayNames = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

// Weekdays reads days of the week: mon, mon-fri, sat-mon (round the end of the week), daily.
func Weekdays(text string) ([]time.Weekday, bool) {
	if text == "daily" {
		text = "mon-sun"
	}
	first, last, several := strings.Cut(text, "-")
	if !several {
		last = first
	}
	i, j := slices.Index(weekdayNames, first), slices.Index(weekdayNames, last)
	if i < 0 || j < 0 {
		return nil, false
	}
	var days []time.Weekday
	for {
		days = append(days, time.Weekday((i+1)%7))
		if i == j {
			return days, true
		}
		i = (i + 1) % 7
	}
}

func clock(b []byte) (from, to int16, ok bool) {
	if len(b) != len("09:00-20:00") || b[5] != '-' {
		return 0, 0, false
	}
	from, ok = minute(b[:5])
	to, also := minute(b[6:])
	return from, to, ok && also
}

// minute reads 00:00 to 24:00.
func minute(b []byte) (int16, bool) {
	for i, c := range b {
		if i == 2 && c != ':' || i != 2 && (c < '0' || c > '9') {
			return 0, false
		}
	}
	h, m := int16(b[0]-'0')*10+int16(b[1]-'0'), int16(b[3]-'0')*10+int16(b[4]-'0')
	return h*60 + m, m < 60 && h*60+m <= 1440
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
