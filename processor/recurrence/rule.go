// Package recurrence reads the RRULEs of RFC 5545 that tillstream takes: daily or slower, and bounded, so that nobody can make it reckon for ever.
package recurrence

import (
	"errors"
	"fmt"
	"time"

	"github.com/teambition/rrule-go"
)

const (
	maxTimes    = 1440 // begins a day, of one rule
	maxInterval = 1000
)

// Parse reads an RRULE without DTSTART. What it does not bound itself is bounded here.
func Parse(text string) (*rrule.ROption, error) {
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
