package agreement

import (
	"time"

	"github.com/tillstream/tillstream/processor/registry"
)

// months are how many the periods have that are made of some.
var months = map[string]time.Month{"month": 1, "quarter": 3, "half_year": 6, "year": 12}

// PeriodOf is the period (one of Periods) that holds a date: its first date, and the first that is not in it.
func PeriodOf(period string, d registry.Date) (from, to registry.Date) {
	switch period {
	case "day":
		return d, d + 1
	case "week":
		monday := d - ((d+3)%7+7)%7 // 1970 began on a Thursday
		return monday, monday + 7
	}
	y, m, _ := d.Civil()
	long := max(months[period], 1)
	m -= (m - 1) % long
	return registry.DateOf(y, m, 1), registry.DateOf(y, m+long, 1)
}
