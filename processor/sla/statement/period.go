package statement

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla"
)

var periodText = regexp.MustCompile(`^(\d{4})(?:-(?:(\d\d)(?:-(\d\d))?|W(\d\d)|Q([1-4])|H([12])))?$`)

// ParsePeriod reads the name of a period: 2026-10-26 a day, 2026-W44 a week (ISO 8601), 2026-10 a month, 2026-Q4 a quarter, 2026-H2 half a year, 2026 a
// year. It gives the first date of it.
func ParsePeriod(s string) (sla.Unit, registry.Date, error) {
	m := periodText.FindStringSubmatch(s)
	bad := fmt.Errorf("%q is no period: write a month as 2026-10, a day as 2026-10-26, a week as 2026-W44, a quarter as 2026-Q4, half a year as 2026-H2, a year as 2026", s)
	if m == nil {
		return "", 0, bad
	}
	n := func(i int) int { x, _ := strconv.Atoi(m[i]); return x }
	unit, d := sla.Year, registry.DateOf(n(1), 1, 1)
	switch {
	case m[3] != "":
		unit, d = sla.Day, registry.DateOf(n(1), time.Month(n(2)), n(3))
	case m[2] != "":
		unit, d = sla.Month, registry.DateOf(n(1), time.Month(n(2)), 1)
	case m[4] != "": // the week of the 4th of January is the first
		d = registry.DateOf(n(1), 1, 4)
		unit, d = sla.Week, d-(d+3)%7+registry.Date(7*(n(4)-1))
	case m[5] != "":
		unit, d = sla.Quarter, registry.DateOf(n(1), time.Month(3*n(5)-2), 1)
	case m[6] != "":
		unit, d = sla.HalfYear, registry.DateOf(n(1), time.Month(6*n(6)-5), 1)
	}
	if PeriodName(unit, d) != s {
		return "", 0, bad
	}
	return unit, d, nil
}

// SpanOf is the period of a name as instants of a zone, ms.
func SpanOf(s string, zone *time.Location) (interval.Span, error) {
	unit, first, err := ParsePeriod(s)
	if err != nil {
		return interval.Span{}, err
	}
	return sla.Calendar{Unit: unit, Zone: zone}.At(registry.Begins(zone, first)), nil
}

// PeriodName is the name of the period that begins on a date.
func PeriodName(u sla.Unit, first registry.Date) string {
	y, m, d := first.Civil()
	switch u {
	case sla.Day:
		return first.String()
	case sla.Week:
		year, week := time.Date(y, m, d, 0, 0, 0, 0, time.UTC).ISOWeek()
		return fmt.Sprintf("%04d-W%02d", year, week)
	case sla.Quarter:
		return fmt.Sprintf("%04d-Q%d", y, (m+2)/3)
	case sla.HalfYear:
		return fmt.Sprintf("%04d-H%d", y, (m+5)/6)
	case sla.Year:
		return fmt.Sprintf("%04d", y)
	}
	return fmt.Sprintf("%04d-%02d", y, m)
}

// PeriodOf is the period of a calendar that is an interval, ms.
func PeriodOf(c sla.Calendar, x interval.Span) Period {
	from := time.UnixMilli(x.From).In(c.Zone)
	y, m, d := from.Date()
	return Period{PeriodName(c.Unit, registry.DateOf(y, m, d)), c.Unit, from, time.UnixMilli(x.To).In(c.Zone)}
}
