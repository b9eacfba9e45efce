package commit

import (
	"fmt"
	"slices"
)

// Underway says that a lane has a batch that was begun and not finished, so that no other epoch may begin: its records would count twice.
type Underway struct {
	Lane        string
	Batch       uint64
	Fingerprint string // of who began it
}

func (u *Underway) Error() string {
	return fmt.Sprintf("lane %s has batch %d begun by the version or configuration with fingerprint %s, and not finished", u.Lane, u.Batch, u.Fingerprint)
}

// AdoptAll is what to do where ClickHouse holds less than Kafka says, or holds it in disorder.
const AdoptAll = "stop all members with SIGTERM and run tillstream adopt --all-lanes --reason TEXT, which begins a new epoch where ClickHouse ends, " +
	"whether it was restored from a backup, emptied or written to by others, and says before what is lost"

// NextStart is where a new epoch starts so that nothing is lost or doubled: where the lanes of the old one ended. They must be at rest: the
// error is an *Underway, or the *Contradiction of a lane. wait is as in Plan. A partition of which nothing is known is not named.
//
// A newer epoch whose beginning was cut short, so that Kafka has heard of it and ClickHouse has not, never was: nobody can have written in it.
func NextStart(lanes []Found) (start map[TopicPartition]int64, wait int64, err error) {
	start = map[TopicPartition]int64{}
	for _, f := range lanes {
		plan, err := Rest(f)
		if err != nil {
			return nil, 0, err
		}
		wait = max(wait, plan.Wait)
		for _, tp := range f.Partitions {
			if at, ok := plan.Position[tp]; ok {
				start[tp] = at
			}
		}
	}
	return start, wait, nil
}

// Rest is the plan of a lane that must have no batch under way but one of nothing; else the error is as of [NextStart].
func Rest(f Found) (Plan, error) {
	committed := make(map[TopicPartition]Committed, len(f.Committed))
	for tp, c := range f.Committed {
		if m, ok := ParseMetadata(c.Metadata); ok && m.Epoch > f.Epoch && m.Begins() {
			c = Committed{Offset: -1}
		}
		committed[tp] = c
	}
	f.Committed = committed
	f.Held = slices.DeleteFunc(slices.Clone(f.Held), func(h Held) bool { return h.Mark.Epoch > f.Epoch && h.begins() })
	plan, err := Recover(f)
	if err != nil {
		return Plan{}, err
	}
	if p := plan.Pending; p != nil {
		if !p.Ranges.Nothing() {
			return Plan{}, &Underway{f.Lane, p.Batch, p.Fingerprint}
		}
		for _, r := range p.Ranges { // what was known when the epoch was ended may have been overwritten in Kafka since
			plan.Position[r.TopicPartition] = r.From
		}
	}
	return plan, nil
}

// Holding is what ClickHouse holds of lanes, whether or not Kafka agrees.
type Holding struct {
	At     map[TopicPartition]int64 // where the state ends
	Beyond Ranges                   // from there to the end of batches that some table holds and the state does not
}

// Hold is what is left where lanes contradict themselves. wait is as in Plan; the error is a *Contradiction where ClickHouse itself holds a
// newer epoch.
func Hold(lanes []Found) (h Holding, wait int64, err error) {
	h.At = map[TopicPartition]int64{}
	for _, f := range lanes {
		for _, c := range f.Committed {
			if m, ok := ParseMetadata(c.Metadata); ok && m.Pending && m.Deadline > f.Now {
				wait = max(wait, m.Deadline)
			}
		}
		for _, tp := range f.Partitions {
			if at, ok := f.Start[tp]; ok {
				h.At[tp] = at
			}
		}
		state := f.State()
		for _, m := range f.Held {
			if m.Mark.Epoch > f.Epoch && !m.begins() {
				return Holding{}, 0, &Contradiction{
					f.Lane, fmt.Sprintf("table %s holds epoch %d, which tillstream.streams does not know", m.Table, m.Mark.Epoch),
					"restore tillstream.streams together with the other tables",
				}
			}
		}
		for _, r := range state.Ranges {
			h.At[r.TopicPartition] = r.To
		}
		beyond := map[TopicPartition]int64{}
		for _, m := range f.Held {
			if m.Mark.Epoch != f.Epoch || m.Mark.Batch <= state.Batch || m.Table == ClaimTable { // of which nothing need be there
				continue
			}
			for _, r := range m.Mark.Ranges {
				beyond[r.TopicPartition] = max(beyond[r.TopicPartition], r.To)
			}
		}
		for tp, to := range beyond {
			if at := h.At[tp]; to > at {
				h.Beyond = append(h.Beyond, Range{tp, at, to})
			}
		}
	}
	h.Beyond.Sort()
	return h, wait, nil
}
