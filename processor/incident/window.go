package incident

import (
	"errors"
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

// within are the windows that touch a span, in order. begin is when the record began, where the window does not say.
func (w *window) within(x interval.Span, begin int64) []interval.Span {
	if !w.recurs() {
		if s := (interval.Span{From: w.From, To: w.To}); !s.Cut(x).Empty() {
			return []interval.Span{s}
		}
		return nil
	}
	loc, err := zone(w.Timezone)
	if err != nil {
		return nil
	}
	o, err := rrule.StrToROptionInLocation(w.RRule, loc) // UNTIL may be local
	if err != nil {
		return nil
	}
	if o.Dtstart = time.UnixMilli(w.From).In(loc); w.From == 0 {
		y, m, d := time.UnixMilli(begin).In(loc).Date()
		o.Dtstart = time.Date(y, m, d, 0, 0, 0, 0, loc)
	}
	rule, err := rrule.NewRRule(*o)
	if err != nil {
		return nil
	}
	var out []interval.Span
	next := rule.Iterator()
	for range maxOccurrences {
		at, ok := next()
		s := interval.Span{From: at.UnixMilli(), To: at.UnixMilli() + w.Duration}
		if !ok || s.From >= x.To {
			break
		}
		if s.To > x.From {
			out = append(out, s)
		}
	}
	return out
}
