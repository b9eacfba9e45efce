package availability

import "github.com/tillstream/tillstream/processor/event"

// A till's clock is wrong by what Kafka's clock says when the till says that it sends, less the way there. Up to tolerated it is taken
// as right; what two events in a row agree on is believed.
const (
	tolerated = 2_000 // ms
	agreed    = 1_000 // ms
)

// skews are the last deviations of a terminal's clock, ms, by kind of evidence: reports, sales. They come on topics of their own, so that each
// has an order of its own that a replay repeats. Positive: the till is behind.
type skews [2]int64

// shift is what to add to the times of an event: the deviation of the till's clock if it is more than tolerated and the event before it
// agreed, else nothing. An event without sent_at says nothing of the clock.
func (s *skews) shift(e *event.Event, received int64) int64 {
	if !e.SentAt.OK || received <= 0 {
		return 0
	}
	last := &s[0]
	if e.Type == event.TypeTransaction {
		last = &s[1]
	}
	skew := received - e.SentAt.Milli
	steady := max(skew-*last, *last-skew) <= agreed
	*last = skew
	if steady && max(skew, -skew) > tolerated {
		return skew
	}
	return 0
}
