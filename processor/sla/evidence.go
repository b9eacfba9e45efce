package sla

import "github.com/tillstream/tillstream/processor/interval"

// Evidence is one reason for a figure: a row of pos.sla_evidence.
type Evidence struct {
	Kind          string // outage, unknown, exclusion, incident, payments, answers, slice
	Ref           string // what it is about, as its own table names it
	interval.Span        // ms
	CountedMS     int64  // what of it counts, or was removed, ms of counted or committed time
	CountedEvents int64
	Party         string
	Decision      Decision
	Rule          string // of the agreement, as it is written
	DecidedBy     string
	DecidedAt     int64 // ms; 0: nobody decided
	Note          string
}

// Decision is what became of a piece of evidence.
type Decision string

// The decisions.
const (
	Counted    Decision = "counted"
	NotCounted Decision = "not_counted" // shorter than min_outage; CountedMS is what would have counted
	Uncertain  Decision = "unknown"
	Doubtful   Decision = "doubtful" // counts in the low bound only, for the unknown time beside it
	Removed    Decision = "removed"
	Forgiven   Decision = "counted_as_up"
	NotRemoved Decision = "not_removed"
)

// Explain is the evidence behind what was measured of a terminal or a store: an outage that lasts beyond the period has a row in each. Where the
// decision is Counted, CountedMS add up to |D|; where it is Uncertain, to |U|; where it is Doubtful, to |E|. The caller knows what the outages
// are called.
func Explain(t *Time, s *State) (out []Evidence) {
	add := func(kind string, d Decision, x interval.Span, within interval.Set, note string) {
		ms := within.Within(x).Shared(t.Judged)
		if ms > 0 {
			out = append(out, Evidence{Kind: kind, Span: x, CountedMS: ms, Decision: d, Note: note})
		}
	}
	for _, x := range s.Outages {
		add("outage", Counted, x, s.Down, "")
	}
	for _, x := range s.Short {
		add("outage", NotCounted, x, s.Known, "shorter than min_outage")
	}
	for _, x := range interval.Of(t.Within).Subtract(s.Known) {
		add("unknown", Uncertain, x, interval.All(), "")
	}
	for _, x := range s.Doubt {
		add("outage", Doubtful, x, interval.All(), "an outage, if the unknown time beside it was down")
	}
	return out
}
