package registry

import "time"

// reach is farther than any zone has ever been from UTC, or has jumped, in seconds.
const reach = 36 * 3600

// wall turns a wall time (minutes since 00:00 of a date; more than 1440 is on a later one) into the instants at which a zone's clocks show
// it, in ms: the first and the last. They differ where the clock was set back; exists is false where it was set forward over
// that time, and both are then the first instant after it.
func wall(zone *time.Location, d Date, minute int) (first, last int64, exists bool) {
	shown := int64(d)*86400 + int64(minute)*60
	for at := shown - reach; at <= shown+reach; { // every stretch of one offset
		t := time.Unix(at, 0).In(zone)
		_, offset := t.Zone()
		from, to := at, shown+reach+1
		// On the last day of leap years from 2040 on, Go 1.26 says that the stretch of this instant ended before it. It goes on until the spring.
		if _, end := t.ZoneBounds(); end.Unix() > at {
			to = end.Unix()
		}
		switch c := shown - int64(offset); {
		case from <= c && c < to:
			if !exists {
				first = c
			}
			last, exists = c, true
		case c < from && !exists: // jumped over
			return from * 1000, from * 1000, false
		}
		at = to
	}
	return first * 1000, last * 1000, exists
}

// Begins is the first instant that bears a date in a zone, ms.
func Begins(zone *time.Location, d Date) int64 { return Wall(zone, d, 0) }

// Wall is the first instant at which a zone's clocks show so many minutes after 00:00 of a date, or are past that, ms.
func Wall(zone *time.Location, d Date, minute int) int64 {
	first, _, _ := wall(zone, d, minute)
	return first
}

// happens says whether a zone had a date at all.
func happens(zone *time.Location, d Date) bool {
	return Begins(zone, d) < Begins(zone, d+1)
}
