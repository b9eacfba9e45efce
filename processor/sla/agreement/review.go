package agreement

import (
	"time"

	"github.com/tillstream/tillstream/processor/registry"
)

// Review is when the parties look at a text again, and until when a change must be announced.
type Review struct{ Due, Notice registry.Date }

// Next is the first review due on a date or later: every so many days or months from the first day of the version, counted from there, so
// that the 31st of August and half a year is the last of February, and a year the 31st again. ok is false if no review was agreed.
func (r *Resolved) Next(on registry.Date) (next Review, ok bool) {
	every := r.Terms.Revision.Every
	if every.Empty() {
		return Review{}, false
	}
	due := r.From
	for n := 1; due < on || n == 1; n++ {
		due = every.OnDate(r.From, n)
	}
	zone := r.Zone()
	notice := r.Terms.Revision.Notice.Before(registry.Begins(zone, due), zone)
	return Review{Due: due, Notice: dateOf(notice, r)}, true
}

// dateOf is the date at an instant (ms), in the zone of a text.
func dateOf(at int64, r *Resolved) registry.Date {
	y, m, d := time.UnixMilli(at).In(r.Zone()).Date()
	return registry.DateOf(y, m, d)
}
