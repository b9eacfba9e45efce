package processor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/tillstream/tillstream/internal/broken"
	"github.com/tillstream/tillstream/processor/commit"
	"github.com/tillstream/tillstream/processor/fetch"
)

// Changing the epoch. Members of one epoch must never work beside members of another, and two who change it at once must end in the same
// one. There is no lock; four steps in this order make it safe, whatever dies in between:
//
//  1. The group has no members and every lane is at rest (commit.NextStart): where ClickHouse ends is where the new epoch starts. Each lane's next
//     number is claimed for nothing, so that whoever woke from a long sleep with an intent that nobody knows of any more cannot claim it.
//  2. The fence: the start is committed to Kafka as nobody's member, with idle metadata of the new epoch, a number nobody has used. Kafka takes
//     that only while the group is empty, and who joins afterwards in an older epoch reads the number and stops.
//  3. All is read again. If it is not what it was, somebody worked, or changed the epoch, between 1 and 2: begin again at 1.
//  4. The row of the epoch is written, and read back. Of two rows with one number the first holds (a deduplication token), so that both who
//     wrote go on with the same one.
//
// Nobody works in an epoch before its row is there, so one that dies between 2 and 4 leaves a number that is skipped: open sees it, gives
// whoever may be at it a few seconds (two who start at once must not begin two epochs, safe as that is), and changes the epoch once more.

// Ledgers are the marks of lanes, and where lanes are claimed. A Sink is that.
type Ledgers interface {
	Marks(ctx context.Context, lane string, tables ...string) ([]TableMark, error)
	Insert(ctx context.Context, in Insert) error
}

// Epochs looks at a group that nobody may be working for, and changes its epoch.
type Epochs struct {
	Kafka   Kafka
	Source  Bounder
	Ledgers Ledgers
	Streams Streams
	Now     func() time.Time
	Log     *zap.Logger
}

// Bounder asks for what the brokers hold. A Source does.
type Bounder interface {
	Bounds(ctx context.Context, tps []fetch.TopicPartition) (map[fetch.TopicPartition]fetch.Bounds, error)
}

// Survey is what Kafka and ClickHouse hold of a group.
type Survey struct {
	Stream     Stream   // the newest epoch; Epoch 0 if there was none
	Members    []string // of the group, as Kafka names their clients and hosts
	Newest     uint64   // newest epoch that either has heard of
	Cluster    string   // Kafka's cluster id
	Partitions int      // of every topic, now
	lanes      []commit.Found
	tps        []fetch.TopicPartition
}

// BusyError says why the epoch cannot be changed now.
type BusyError struct {
	Group   string
	Members []string
	Lanes   int // of the epoch that must come to rest first
	Err     error
}

func (e *BusyError) Error() string {
	if len(e.Members) > 0 {
		return fmt.Sprintf("group %s has members (%s): stop all of them with SIGTERM first; one that was killed counts until kafka.session_timeout is over",
			e.Group, strings.Join(e.Members, ", "))
	}
	return fmt.Sprintf("%v: start tillstream run once as it was (processor.lanes: %d), which finishes the batch, and stop it with SIGTERM; then try again", e.Err, e.Lanes)
}

func (e *BusyError) Unwrap() error { return e.Err }

// Survey looks. topics are those of the configuration; the lanes' partitions are those that Kafka has now.
func (e *Epochs) Survey(ctx context.Context, group string, topics []string) (Survey, error) {
	stream, ok, err := e.Streams.Stream(ctx, group)
	if err != nil {
		return Survey{}, fmt.Errorf("reading how group %s was written: %w", group, err)
	}
	if !ok {
		stream = Stream{Group: group}
	}
	s := Survey{Stream: stream, Newest: stream.Epoch}
	err = e.patiently(ctx, func() error {
		s.Members, err = e.Kafka.Outside(group).Members(ctx)
		return err
	})
	if err != nil {
		return Survey{}, fmt.Errorf("asking for the members of group %s: %w", group, err)
	}
	var counts map[string]int
	err = e.patiently(ctx, func() error {
		s.Cluster, counts, err = e.Kafka.Topics(ctx, topics)
		return err
	})
	if err != nil {
		return Survey{}, fmt.Errorf("asking Kafka for topics %v: %w", topics, err)
	}
	lanes := max(stream.Lanes, 1)
	parts := make([][]commit.TopicPartition, lanes)
	var all []commit.TopicPartition
	for _, topic := range slices.Sorted(maps.Keys(counts)) {
		s.Partitions = counts[topic] // equal for all of them: EnsureTopics saw to it
		for p := range counts[topic] {
			tp := commit.TopicPartition{Topic: topic, Partition: int32(p)}
			parts[p%lanes] = append(parts[p%lanes], tp)
			all = append(all, tp)
			s.tps = append(s.tps, fetch.TopicPartition(tp))
		}
	}
	var committed map[commit.TopicPartition]commit.Committed
	err = e.patiently(ctx, func() error {
		committed, err = e.Kafka.Outside(group).Committed(ctx, all)
		return err
	})
	if err != nil {
		return Survey{}, fmt.Errorf("reading the committed offsets of group %s: %w", group, err)
	}
	for _, c := range committed {
		if m, ok := commit.ParseMetadata(c.Metadata); ok {
			s.Newest = max(s.Newest, m.Epoch)
		}
	}
	for n, tps := range parts {
		name := laneName(group, n)
		held, err := readMarks(ctx, e.Ledgers, name)
		if err != nil {
			return Survey{}, err
		}
		for _, h := range held {
			s.Newest = max(s.Newest, h.Mark.Epoch)
		}
		f := commit.Found{Lane: name, Epoch: stream.Epoch, Start: starts(stream.Start), Partitions: tps, Committed: map[commit.TopicPartition]commit.Committed{}, Held: held}
		for _, tp := range tps {
			f.Committed[tp] = committed[tp]
		}
		s.lanes = append(s.lanes, f)
	}
	return s, nil
}

// Cut says that a change of epoch was begun in Kafka and never written: nobody can have worked in it.
func (s *Survey) Cut() bool {
	cut := false
	for _, f := range s.lanes {
		for _, c := range f.Committed {
			if m, ok := commit.ParseMetadata(c.Metadata); ok && m.Epoch > s.Stream.Epoch {
				if !m.Begins() {
					return false
				}
				cut = true
			}
		}
	}
	return cut
}

// first is where a group starts that was never started: where somebody put it, else with what Kafka holds now. It is noted, so that what Kafka
// deletes before it is read is missed.
func (e *Epochs) first(ctx context.Context, s *Survey) (map[fetch.TopicPartition]int64, error) {
	bounds, err := e.Source.Bounds(ctx, s.tps)
	if err != nil {
		return nil, fmt.Errorf("asking for the offsets of group %s: %w", s.Stream.Group, err)
	}
	at := make(map[fetch.TopicPartition]int64, len(s.tps))
	for tp, b := range bounds {
		at[tp] = b.Start
	}
	for _, f := range s.lanes {
		for tp, c := range f.Committed {
			if _, ours := commit.ParseMetadata(c.Metadata); !ours && c.Offset >= 0 {
				at[fetch.TopicPartition(tp)] = c.Offset
			}
		}
	}
	return at, nil
}

// Ends says where lanes ended, as commit.NextStart does.
type Ends func(lanes []commit.Found) (ends map[commit.TopicPartition]int64, wait int64, err error)

// Rest is where the lanes ended. It waits for the deadlines of batches that may be in flight, and looks again after that. The error is a
// *BusyError if the group has members or a batch under way, or what ends says.
func (e *Epochs) Rest(ctx context.Context, s *Survey, ends Ends) (map[commit.TopicPartition]int64, error) {
	if len(s.Members) > 0 {
		return nil, &BusyError{Group: s.Stream.Group, Members: s.Members}
	}
	var passed int64 // a deadline that counts as over
	for {
		for i := range s.lanes {
			s.lanes[i].Now = max(e.Now().Add(-clockMargin).UnixMilli(), passed)
		}
		at, deadline, err := ends(s.lanes)
		var underway *commit.Underway
		switch {
		case errors.As(err, &underway):
			return nil, &BusyError{Group: s.Stream.Group, Lanes: s.Stream.Lanes, Err: err}
		case err != nil:
			return nil, err
		case deadline == 0:
			return at, nil
		}
		passed = deadline
		if err := outlive(ctx, e.Log, e.Now(), passed); err != nil {
			return nil, err
		}
		again, err := e.Survey(ctx, s.Stream.Group, s.topics())
		if err != nil {
			return nil, err
		}
		*s = again
	}
}

func (s *Survey) topics() []string {
	var topics []string
	for _, tp := range s.tps {
		if !slices.Contains(topics, tp.Topic) {
			topics = append(topics, tp.Topic)
		}
	}
	return topics
}

// Carry begins a new epoch in which every partition goes on where it ended, read by another number of lanes, or for another reason. Of next
// Epoch, Start and Losses are not looked at. The error is a *BusyError, wraps ErrMoved, or is the *commit.Contradiction of a lane.
func (e *Epochs) Carry(ctx context.Context, next Stream) (Stream, error) {
	s, err := e.Survey(ctx, next.Group, next.Topics)
	if err != nil {
		return Stream{}, err
	}
	return e.carry(ctx, &s, next)
}

// carry is Carry of a group as surveyed: if it is in another epoch by now, that may be what was wanted.
func (e *Epochs) carry(ctx context.Context, s *Survey, next Stream) (Stream, error) {
	was := s.Stream.Epoch
	at, err := e.Rest(ctx, s, commit.NextStart)
	if err != nil {
		return Stream{}, err
	}
	if s.Stream.Epoch != was {
		return Stream{}, fmt.Errorf("beginning a new epoch of group %s: %w", next.Group, ErrMoved)
	}
	next.Start, next.Losses = nil, nil
	closed, err := e.close(ctx, s)
	if err != nil {
		return Stream{}, err
	}
	return e.Begin(ctx, s, next, at, func(lanes []commit.Found) (map[commit.TopicPartition]int64, int64, error) {
		for _, f := range lanes {
			if n, ok := closed[f.Lane]; ok && f.State().Batch >= n {
				return nil, 0, fmt.Errorf("lane %s has gone on: %w", f.Lane, ErrMoved)
			}
		}
		return commit.NextStart(lanes)
	})
}

// close claims the next number of each lane, which must be at rest, for nothing, and says which that was.
func (e *Epochs) close(ctx context.Context, s *Survey) (map[string]uint64, error) {
	closed := map[string]uint64{}
	for _, f := range s.lanes {
		plan, err := commit.Rest(f)
		if err != nil {
			return nil, err
		}
		mark, ok := plan.Closing(f.Epoch)
		if !ok {
			continue
		}
		held, err := e.claim(ctx, s, f.Lane, mark)
		if err != nil {
			return nil, err
		}
		if err := commit.Claimed(mark, true, held); err != nil {
			return nil, fmt.Errorf("ending epoch %d of lane %s: %w", f.Epoch, f.Lane, errors.Join(err, ErrMoved))
		}
		closed[f.Lane] = mark.Batch
	}
	return closed, nil
}

// claim writes a claim and reads back what the lane's claims are.
func (e *Epochs) claim(ctx context.Context, s *Survey, lane string, mark commit.Mark) ([]commit.Held, error) {
	block := claimBlock()
	err := e.Ledgers.Insert(ctx, Insert{Block: block, Lane: lane, Mark: mark.String(), Token: commit.Token(s.Stream.Cluster, lane, mark.Epoch, mark.Batch, block.Name())})
	if err != nil {
		return nil, fmt.Errorf("claiming batch %d of lane %s: %w", mark.Batch, lane, err)
	}
	return readMarks(ctx, e.Ledgers, lane, commit.ClaimTable)
}

// ErrMoved says that somebody worked for a group, or began an epoch of it, while its epoch was being changed.
var ErrMoved = errors.New("somebody else worked for the group, or changed its epoch, at the same time")

// Begin takes the steps 2 to 4. at is where the lanes ended as Rest said; next.Start may name other places for some partitions, and
// next.Losses with epoch 0 say what is lost thereby. Those that
// neither names begin with what Kafka holds. What it returns may be the row of somebody who was faster.
func (e *Epochs) Begin(ctx context.Context, s *Survey, next Stream, at map[commit.TopicPartition]int64, ends Ends) (Stream, error) {
	bounds, err := e.Source.Bounds(ctx, s.tps)
	if err != nil {
		return Stream{}, fmt.Errorf("asking for the offsets of group %s: %w", next.Group, err)
	}
	next.Epoch = s.Newest + 1
	next.Losses = slices.Clone(next.Losses)
	for i := range next.Losses {
		if next.Losses[i].Epoch == 0 { // noted for the one that begins
			next.Losses[i].Epoch = next.Epoch
		}
	}
	moved := next.Start
	next.Start = make(map[fetch.TopicPartition]int64, len(s.tps))
	entries := make(map[commit.TopicPartition]commit.Committed, len(s.tps))
	for _, tp := range s.tps {
		start, ok := moved[tp]
		if !ok {
			start, ok = at[commit.TopicPartition(tp)]
		}
		if !ok {
			start = s.Stream.origin(tp, bounds[tp])
		}
		next.Start[tp] = start
		entries[commit.TopicPartition(tp)] = commit.Committed{Offset: start, Metadata: commit.Metadata{Epoch: next.Epoch}.String()}
	}
	if err := e.patiently(ctx, func() error { return e.Kafka.Outside(next.Group).Commit(ctx, entries) }); err != nil {
		if errors.Is(err, ErrFenced) {
			return Stream{}, &BusyError{Group: next.Group, Members: []string{"one that joined just now"}}
		}
		return Stream{}, err
	}

	again, err := e.Survey(ctx, next.Group, s.topics())
	if err != nil {
		return Stream{}, err
	}
	for i := range again.lanes {
		again.lanes[i].Now = e.Now().UnixMilli()
	}
	after, wait, err := ends(again.lanes)
	if err != nil {
		return Stream{}, err
	}
	for tp, offset := range after {
		if at[tp] != offset {
			return Stream{}, fmt.Errorf("beginning epoch %d of group %s: %w", next.Epoch, next.Group, ErrMoved)
		}
	}
	if wait != 0 || again.Stream.Epoch != s.Stream.Epoch || again.Newest != next.Epoch {
		return Stream{}, fmt.Errorf("beginning epoch %d of group %s: %w", next.Epoch, next.Group, ErrMoved)
	}
	if err := e.Streams.BeginStream(ctx, next); err != nil {
		return Stream{}, fmt.Errorf("noting epoch %d of group %s: %w", next.Epoch, next.Group, err)
	}
	got, _, err := e.Streams.Stream(ctx, next.Group)
	if err != nil {
		return Stream{}, fmt.Errorf("reading how group %s is written: %w", next.Group, err)
	}
	if got.Epoch < next.Epoch {
		return Stream{}, fmt.Errorf("ClickHouse did not keep epoch %d of group %s: it took its row for a repeat; try again", next.Epoch, next.Group)
	}
	e.Log.Info("epoch begins", zap.Uint64("epoch", got.Epoch), zap.Int("lanes", got.Lanes), zap.String("reason", got.Reason), zap.String("by", got.By))
	return got, nil
}

// origin is where a partition begins of which nothing else is known. One that was added to a topic of the epoch begins with its first record,
// whether or not Kafka still holds that; a topic that was added begins with what Kafka holds.
func (s Stream) origin(tp fetch.TopicPartition, b fetch.Bounds) int64 {
	for known := range s.Start {
		if known.Topic == tp.Topic {
			return 0
		}
	}
	return b.Start
}

// patiently asks again while the group's coordinator is not there yet, as on a cluster that was just started, and where a connection is cut.
func (e *Epochs) patiently(ctx context.Context, ask func() error) error {
	for since := e.Now(); ; {
		err := ask()
		var answer interface{ Temporary() bool }
		passing := errors.As(err, &answer) && answer.Temporary() || broken.Connection(err)
		if !passing || e.Now().Sub(since) > 30*time.Second {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(250 * time.Millisecond):
		}
	}
}

func laneName(group string, n int) string { return fmt.Sprintf("%s/%d", group, n) }

func starts(at map[fetch.TopicPartition]int64) map[commit.TopicPartition]int64 {
	out := make(map[commit.TopicPartition]int64, len(at))
	for tp, offset := range at {
		out[commit.TopicPartition(tp)] = offset
	}
	return out
}

// readMarks reads the newest marks of a lane from all tables, or from those that are named.
func readMarks(ctx context.Context, ledgers Ledgers, lane string, tables ...string) ([]commit.Held, error) {
	found, err := ledgers.Marks(ctx, lane, tables...)
	if err != nil {
		return nil, fmt.Errorf("reading the ledgers of lane %s: %w", lane, err)
	}
	held := make([]commit.Held, len(found))
	for i, m := range found {
		mark, err := commit.ParseMark(m.Mark)
		if err != nil {
			return nil, &commit.Contradiction{Lane: lane, What: fmt.Sprintf("table %s: %v", m.Table, err), Remedy: "this version cannot read what is there; start the version that wrote it"}
		}
		held[i] = commit.Held{Table: m.Table, Month: m.Month, Mark: mark}
	}
	return held, nil
}
