package availability

import "slices"

// changes calls f for the pieces that are in one of two sorted lists and not in the other.
func changes(was, now []Evidence, f func(*Evidence)) {
	for i, j := 0, 0; i < len(was) || j < len(now); {
		c := 0
		switch {
		case i == len(was):
			c = 1
		case j == len(now):
			c = -1
		default:
			c = was[i].Compare(&now[j])
		}
		switch {
		case c < 0:
			f(&was[i])
			i++
		case c > 0:
			f(&now[j])
			j++
		default:
			i++
			j++
		}
	}
}

// hoursOfChange are the hours in which two lists differ.
func hoursOfChange(was, now []Evidence) (hours []int64) {
	changes(was, now, func(e *Evidence) { hours = append(hours, floorHour(e.Time)) })
	slices.Sort(hours)
	return slices.Compact(hours)
}
