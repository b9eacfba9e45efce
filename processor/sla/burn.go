package sla

import (
	"sort"

	"github.com/tillstream/tillstream/processor/interval"
)

// Burn is how a window went, ms of counted time.
type Burn struct{ Counted, Unknown, Down int64 }

// BurnOver looks at the last window ms of counted time before an instant: a night is not an hour of budget. The time may reach back beyond the
// period, and should. If it holds less than the window, Burn.Counted is less.
func BurnOver(t *Time, s *State, window, until int64) Burn {
	x := Last(t.Counted, window, until)
	judged := t.Judged.Within(x)
	b := Burn{Counted: t.Counted.Overlap(x)}
	b.Unknown, b.Down, _ = s.in(judged, judged.Length())
	return b
}

// Last is the shortest span up to an instant that holds so many ms of a set; from its beginning, if it holds fewer.
func Last(of interval.Set, ms, until int64) interval.Span {
	n := sort.Search(len(of), func(i int) bool { return of[i].From >= until })
	x := interval.Span{From: until, To: until}
	for i := n - 1; i >= 0 && ms > 0; i-- {
		to := min(of[i].To, until)
		x.From = max(of[i].From, to-ms)
		ms -= to - x.From
	}
	return x
}

// Rate is how fast the budget burns: 1 is exactly as fast as time passes. ok is false if nothing counted, or the target leaves no budget. For
// comparing with a threshold and for showing.
func (b Burn) Rate(target Share) (rate float64, ok bool) {
	if b.Counted <= 0 || target >= One {
		return 0, false
	}
	return float64(b.Down) / float64(b.Counted) * float64(One) / float64(One-target), true
}

// Coverage is how much of the window was measured.
func (b Burn) Coverage() Ratio { return Ratio{b.Counted - b.Unknown, b.Counted} }
