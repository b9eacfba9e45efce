package incident

import (
	"errors"
	"iter"
	"time"
	_ "time/tzdata" // the same windows wherever the program runs

	"github.com/teambition/rrule-go"

	"github.com/tillstream/tillstream/processor/interval"
)

const (
	maxDuration    = 31 * 24 * time.Hour
	maxOccurrences = 10_000 // of one rule
)

// window is when maintenance is to be: [From, To), or whenever the rule says for a duration. Milliseconds.
type window struct {
	From     int64  `json:"from,omitempty"`
	To       int64  `json:"to,omitempty"`
	RRule    string `json:"rrule,omitempty"`
	Duration int64  `json:"duration,omitempty"`
	Timezone string `json:"timezone,omitempty"`
}

func zone(name string) (*time.Location, error) {
	if name == "Local" { // the machine's
		return nil, errors.New("not the name of a time zone")
	}
	return time.LoadLocation(name)
}

// recurs says whether there may be several windows.
func (w *window) recurs() bool { return w.RRule != "" }

// all are the windows, by their start. begin is when the record began, where the window does not say.
func (w *window) all(begin int64) iter.Seq[interval.Span] {
	return func(yield func(interval.Span) bool) {
		if !w.recurs() {
			yield(interval.Span{From: w.From, To: w.To})
			return
		}
		next := w.rule(begin)
		for range maxOccurrences {
			at, ok := next()
			if !ok || !yield(interval.Span{From: at.UnixMilli(), To: at.UnixMilli() + w.Duration}) {
				return
			}
		}
	}
}

// rule gives the starts of a window that recurs.
func (w *window) rule(begin int64) rrule.Next {
	never := func() (time.Time, bool) { return time.Time{}, false }
	loc, err := zone(w.Timezone)
	if err != nil {
		return never
	}
	o, err := rrule.StrToROptionInLocation(w.RRule, loc) // UNTIL may be local
	if err != nil {
		return never
	}
	if o.Dtstart = time.UnixMilli(w.From).In(loc); w.From == 0 {
		y, m, d := time.UnixMilli(begin).In(loc).Date()
		o.Dtstart = time.Date(y, m, d, 0, 0, 0, 0, loc)
	}
	rule, err := rrule.NewRRule(*o)
	if err != nil {
		return never
	}
	return rule.Iterator()
}
