package incident

import (
	"errors"
	"fmt"
	"time"
	_ "time/tzdata" // the same windows wherever the program runs

	"github.com/teambition/rrule-go"

	"github.com/tillstream/tillstream/processor/interval"
)

const (
	maxDuration    = 31 * 24 * time.Hour
	maxOccurrences = 10_000 // of one rule
	maxTimes       = 1440   // begins a day, of one rule
	maxInterval    = 1000
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

// parseRule reads an RRULE. What it does not bound itself is bounded here, so that nobody can make it run for ever.
func parseRule(text string) (*rrule.ROption, error) {
	o, err := rrule.StrToROption(text)
	if err != nil {
		return nil, err
	}
	if !o.Dtstart.IsZero() || o.Freq > rrule.DAILY || o.Interval > maxInterval || len(o.Byeaster) > 0 { // the last is no part of RFC 5545
		return nil, errors.New("not a rule that is taken")
	}
	if max(len(o.Byhour), 1)*max(len(o.Byminute), 1)*max(len(o.Bysecond), 1) > maxTimes {
		return nil, errors.New("too many times a day")
	}
	return o, comes(*o)
}

// comes tries a rule out: that it ever comes, and that the library can do it.
func comes(o rrule.ROption) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the rule cannot be reckoned: %v", r)
		}
	}()
	o.Dtstart, o.Until = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), time.Time{}
	rule, err := rrule.NewRRule(o)
	if err != nil {
		return err
	}
	if _, ok := rule.Iterator()(); !ok {
		return errors.New("the rule never comes")
	}
	return nil
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
