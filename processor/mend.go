package processor

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tillstream/tillstream/processor/commit"
	"github.com/tillstream/tillstream/processor/fetch"
)

// Where a partition is to go on, beside an offset.
const (
	Earliest  = "earliest"  // the first that Kafka holds and that was not folded yet
	Latest    = "latest"    // the end
	Committed = "committed" // where Kafka says the group is
	Held      = "held"      // where ClickHouse ends
)

// Adoption says that partitions are to go on elsewhere than where ClickHouse ends.
type Adoption struct {
	Topic     string // "" for all
	Partition int32  // -1 for all
	Place     string // Earliest, Latest, Committed or Held; "" for Offset
	Offset    int64
	Remade    bool // the topic was made anew: its offsets name other records now
}

// Standing is one partition, and what an adoption makes of it.
type Standing struct {
	fetch.TopicPartition
	fetch.Bounds
	Committed int64 // -1: nothing
	Held      int64 // where ClickHouse ends; -1: it knows nothing of the partition
	Origin    int64 // where the partition begins if ClickHouse knows nothing of it
	Beyond    int64 // end of batches that are there in part; Held if there are none
	Begin     int64 // where the new epoch begins
	Loss      *Loss
}

// Again is how many offsets are read again although the group had passed them.
func (s *Standing) Again() int64 { return max(0, min(s.Committed, s.Stable)-s.Begin) }

// Adopt works out what an adoption would do. Nothing is changed. The error says what is wrong with it.
func (e *Epochs) Adopt(ctx context.Context, s *Survey, a Adoption) ([]Standing, error) {
	holding, _, err := commit.Hold(s.lanes)
	if err != nil {
		return nil, err
	}
	bounds, err := e.Source.Bounds(ctx, s.tps)
	if err != nil {
		return nil, fmt.Errorf("asking for the offsets of group %s: %w", s.Stream.Group, err)
	}
	var all []Standing
	chosen := 0
	for _, f := range s.lanes {
		for _, tp := range f.Partitions {
			st := Standing{TopicPartition: fetch.TopicPartition(tp), Bounds: bounds[fetch.TopicPartition(tp)], Committed: f.Committed[tp].Offset, Held: -1}
			st.Origin = s.Stream.origin(st.TopicPartition, st.Bounds)
			if at, ok := holding.At[tp]; ok {
				st.Held = at
			}
			st.Beyond = st.Held
			if to, ok := holding.Beyond.To(tp); ok {
				st.Beyond = to
			}
			st.Begin = st.Beyond
			if st.Held < 0 {
				st.Begin = max(st.Beyond, st.Start)
			}
			mine := (a.Topic == "" || a.Topic == tp.Topic) && (a.Partition < 0 || a.Partition == tp.Partition)
			if mine {
				chosen++
				if err := st.place(a); err != nil {
					return nil, err
				}
			}
			st.lose(mine && a.Remade)
			all = append(all, st)
		}
	}
	if chosen == 0 {
		return nil, fmt.Errorf("the group reads no partition %d of topic %q: see kafka.topics", a.Partition, a.Topic)
	}
	slices.SortFunc(all, func(x, y Standing) int {
		return commit.TopicPartition(x.TopicPartition).Compare(commit.TopicPartition(y.TopicPartition))
	})
	return all, nil
}

// place decides where a partition begins.
func (s *Standing) place(a Adoption) error {
	folded := max(s.Held, s.Beyond)
	switch a.Place {
	case Earliest:
		s.Begin = max(s.Start, folded)
		if a.Remade {
			s.Begin = s.Start
		}
	case Latest:
		s.Begin = s.End
	case Held:
		s.Begin = max(s.Start, folded)
	case Committed:
		if s.Committed < 0 {
			return fmt.Errorf("nothing is committed for %v: name another --offset", s.TopicPartition)
		}
		s.Begin = s.Committed
	default:
		s.Begin = a.Offset
	}
	switch {
	case s.Begin > s.End && !a.Remade && folded > s.End:
		return fmt.Errorf("%v ends at %d, but ClickHouse holds it up to %d: the topic was made anew, or lost records. If so, add --topic %s --offset earliest --recreated",
			s.TopicPartition, s.End, folded, s.Topic)
	case s.Begin < s.Start || s.Begin > s.End:
		return fmt.Errorf("offset %d of %v is not among those that Kafka holds, %d to %d", s.Begin, s.TopicPartition, s.Start, s.End)
	case s.Begin < folded && !a.Remade:
		return fmt.Errorf("ClickHouse holds %v up to %d: from %d on everything would count twice. Only if the topic was made anew is that right: then add --recreated",
			s.TopicPartition, folded, s.Begin)
	}
	return nil
}

// lose notes what is lost if the partition begins where place put it.
func (s *Standing) lose(remade bool) {
	from := s.Held
	if from < 0 {
		from = s.Origin
	}
	if remade && s.Held >= 0 || s.Begin > from {
		s.Loss = &Loss{TopicPartition: s.TopicPartition, From: from, To: s.Begin}
		if remade {
			s.Loss.To = min(from, s.Begin) // not above From, which says so
		}
	}
}

// Apply begins the epoch of an adoption whose standings were shown, of the group as surveyed.
func (e *Epochs) Apply(ctx context.Context, s *Survey, standings []Standing, next Stream) (Stream, error) {
	held := map[commit.TopicPartition]int64{}
	next.Start = map[fetch.TopicPartition]int64{}
	for _, st := range standings {
		if st.Held >= 0 {
			held[commit.TopicPartition(st.TopicPartition)] = st.Held
		}
		next.Start[st.TopicPartition] = st.Begin
		if st.Loss != nil {
			l := *st.Loss
			l.Reason, l.By = next.Reason, next.By
			next.Losses = append(next.Losses, l)
		}
	}
	got, err := e.Begin(ctx, s, next, held, func(lanes []commit.Found) (map[commit.TopicPartition]int64, int64, error) {
		for _, f := range lanes { // whoever still means to write in an older epoch finds it when it claims
			if _, err := e.claim(ctx, s, f.Lane, commit.Fence(s.Newest+1)); err != nil {
				return nil, 0, err
			}
		}
		h, wait, err := commit.Hold(lanes)
		return h.At, wait, err
	})
	if err == nil && (got.By != next.By || got.Reason != next.Reason) {
		err = fmt.Errorf("epoch %d was begun by %s at the same time (%s): look again", got.Epoch, got.By, got.Reason)
	}
	return got, err
}

// Quiet waits until no batch of the group can be in flight. The error is a *BusyError if it has members.
func (e *Epochs) Quiet(ctx context.Context, s *Survey) error {
	_, err := e.Rest(ctx, s, func(lanes []commit.Found) (map[commit.TopicPartition]int64, int64, error) {
		h, wait, err := commit.Hold(lanes)
		return h.At, wait, err
	})
	return err
}

// LaneStanding is one lane of a group that nobody may be working for.
type LaneStanding struct {
	Name  string
	Batch uint64 // last complete one
	Err   error  // nil: at rest. Else *commit.Underway, *commit.Contradiction, or that a batch may be in flight
}

// LaneStandings says of each lane whether it is at rest.
func (e *Epochs) LaneStandings(s *Survey) []LaneStanding {
	all := make([]LaneStanding, len(s.lanes))
	for i, f := range s.lanes {
		f.Now = e.Now().Add(-clockMargin).UnixMilli()
		plan, err := commit.Recover(f)
		all[i] = LaneStanding{Name: f.Lane, Batch: plan.Batch, Err: err}
		switch {
		case err != nil:
		case plan.Wait != 0:
			all[i].Err = errors.New("a batch may be in flight")
		case plan.Pending != nil && !plan.Pending.Ranges.Nothing():
			all[i].Err = &commit.Underway{Lane: f.Lane, Batch: plan.Pending.Batch, Fingerprint: plan.Pending.Fingerprint}
		}
	}
	return all
}
