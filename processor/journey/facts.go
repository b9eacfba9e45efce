package journey

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// kinds are the steps (domain.md 2.4).
var kinds = [...]string{
	"placed", "reserved", "paid", "accepted", "rejected", "picking", "substituted", "ready", "notified", "arrived", "collected", "partially_collected",
	"expired", "cancelled", "returned", "shipped", "delivered",
}

// Indices of kinds that something is reckoned with.
const (
	placed    = 0
	reserved  = 1
	rejected  = 4
	ready     = 7
	collected = 10
	partially = 11
	expired   = 12
	cancelled = 13
	returned  = 14
	delivered = 16
)

func kindNamed(name string) int { return slices.Index(kinds[:], name) }

// What steps say beside their time.
const (
	customer = iota
	mode
	reason
	origin
	money       // currency, minor units
	expiry      // ms
	transaction // the latest
	picked      // thousandths picked, thousandths of lines that were substituted
	promise     // ms, seconds of the window
	ordered     // thousandths
	attributes
)

// firstSaid says which of them are the earliest step's.
func firstSaid(attribute int) bool { return attribute == promise || attribute == ordered }

// instant is when a step was taken, and how far its sender's clock is east of UTC. The zero value is never.
type instant struct {
	ms     int64
	offset int32 // s
}

func (a instant) compare(b instant) int {
	return cmp.Or(cmp.Compare(a.ms, b.ms), cmp.Compare(a.offset, b.offset))
}

// earlier is the earlier of two instants that there are.
func earlier(a, b instant) instant {
	if a == (instant{}) || b != (instant{}) && b.compare(a) < 0 {
		return b
	}
	return a
}

// facts are what was said of an order. They are ordered so that all of an order is the join of those of its events, whatever joins them and how often.
type facts struct {
	first instant
	at    [len(kinds)]instant
	said  [attributes]string // stamp and text; the greatest holds
}

// stampDigits is how long a stamp is: ms since 1970, the latest first said as it is, the earliest first taken from the greatest.
const stampDigits = 14

func stamp(ms int64, first bool) string {
	if first {
		ms = 99_999_999_999_999 - ms
	}
	return fmt.Sprintf("%0*d", stampDigits, ms)
}

// factsOf are those of one event.
func factsOf(s *step, pseudonym uint64, at instant) facts {
	f := facts{first: at}
	if s.kind >= 0 {
		f.at[s.kind] = at
	}
	for i := range attributes {
		text := s.texts[i]
		if i == customer && pseudonym != 0 {
			text = fields(pseudonym)
		}
		if text != "" {
			f.said[i] = stamp(at.ms, firstSaid(i)) + text
		}
	}
	return f
}

// join adds what others say.
func (f *facts) join(o *facts) {
	f.first = earlier(f.first, o.first)
	for i := range f.at {
		f.at[i] = earlier(f.at[i], o.at[i])
	}
	for i := range f.said {
		f.said[i] = max(f.said[i], o.said[i])
	}
}

func (f *facts) text(attribute int) string {
	if f.said[attribute] == "" {
		return ""
	}
	return f.said[attribute][stampDigits:]
}

// placed is when the order was placed or reserved, whichever was first.
func (f *facts) placed() instant { return earlier(f.at[placed], f.at[reserved]) }

// collection is when the order was first collected, in whole or part, ms; 0: never.
func (f *facts) collection() int64 { return earlier(f.at[collected], f.at[partially]).ms }

// last is when the last of its steps was taken, as far as they are known, ms.
func (f *facts) last() int64 {
	last := f.first.ms
	for _, at := range f.at {
		last = max(last, at.ms)
	}
	return last
}

// finished says that nothing is to come that is reckoned with.
func (f *facts) finished() bool {
	for _, k := range [...]int{collected, cancelled, rejected, expired, delivered, returned} {
		if f.at[k].ms != 0 {
			return true
		}
	}
	return false
}

// localDay is the date of an instant on a clock so far east of UTC, less the cutoff, in days since 1970.
func localDay(at instant, cutoff time.Duration) int64 {
	local := at.ms + int64(at.offset)*1000 - cutoff.Milliseconds()
	day := local / 86_400_000
	if local%86_400_000 < 0 {
		day--
	}
	return day
}
