package fetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	kafkafetch "github.com/segmentio/kafka-go/protocol/fetch"
	"github.com/segmentio/kafka-go/protocol/metadata"
)

// byLeader groups positions by the broker that leads their partition, as far as the Transport knows. Those without a leader are in
// trouble.
func (f *Fetcher) byLeader(ctx context.Context, at []Position) (map[int32][]Position, error) {
	var topics []string
	wanted := map[TopicPartition]Position{}
	for _, p := range at {
		wanted[p.TopicPartition] = p
		topics = append(topics, p.Topic)
	}
	rctx, cancel := context.WithTimeout(ctx, f.cfg.RequestTimeout)
	defer cancel()
	m, err := f.client.Transport.RoundTrip(rctx, f.client.Addr, &metadata.Request{TopicNames: topics}) // from the Transport's memory
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		for _, p := range at {
			f.note(p, fmt.Errorf("asking for the cluster's brokers: %w", err))
		}
		return nil, nil
	}
	groups := map[int32][]Position{}
	why := map[TopicPartition]error{}
	for _, t := range m.(*metadata.Response).Topics {
		for _, part := range t.Partitions {
			tp := TopicPartition{t.Name, part.PartitionIndex}
			p, ok := wanted[tp]
			switch {
			case !ok:
			case part.LeaderID < 0:
				why[tp] = kafka.LeaderNotAvailable
			default:
				groups[part.LeaderID] = append(groups[part.LeaderID], p)
				delete(wanted, tp)
			}
		}
	}
	for tp, p := range wanted {
		f.note(p, cmp.Or(why[tp], errGone))
	}
	return groups, nil
}

// round asks each leader for its positions, all at the same time, and waits for all of them.
func (f *Fetcher) round(ctx context.Context, groups map[int32][]Position, wait time.Duration) ([]Chunk, error) {
	type result struct {
		chunks []Chunk
		err    error
	}
	results := make(chan result, len(groups))
	for _, at := range groups {
		go func() {
			chunks, err := f.ask(ctx, at, wait)
			results <- result{chunks, err}
		}()
	}
	var chunks []Chunk
	var errs error
	for range groups {
		r := <-results
		chunks = append(chunks, r.chunks...)
		errs = errors.Join(errs, r.err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if errs != nil {
		return nil, errs
	}
	return chunks, nil
}

// ask sends one request to the leader of all the given positions. Its error is for good.
func (f *Fetcher) ask(ctx context.Context, at []Position, wait time.Duration) ([]Chunk, error) {
	rctx, cancel := context.WithTimeout(ctx, wait+f.cfg.RequestTimeout)
	defer cancel()
	m, err := f.client.Transport.RoundTrip(rctx, f.client.Addr, f.request(at, wait))
	var said *answer
	switch r := m.(type) {
	case *response:
		said = r.answer()
		if said.errorCode != 0 {
			err = kafka.Error(said.errorCode)
		}
	default:
		if err == nil {
			err = fmt.Errorf("a fetch was answered by %T", m)
		}
	}
	if err != nil {
		for _, p := range at {
			if ctx.Err() == nil {
				f.note(p, err)
			}
		}
		return nil, nil
	}
	parts := make(map[TopicPartition]*answerPartition, len(at))
	for i := range said.partitions {
		parts[said.partitions[i].TopicPartition] = &said.partitions[i]
	}
	chunks := make([]Chunk, 0, len(at))
	for _, p := range at {
		part := parts[p.TopicPartition]
		if part == nil {
			f.note(p, errors.New("the broker's answer leaves it out"))
			continue
		}
		ok, err := f.take(ctx, p, part)
		if err != nil {
			return nil, err
		}
		if ok {
			chunks = append(chunks, part.Chunk)
		}
	}
	return chunks, nil
}

// request lists the positions beginning with another one each time: the broker fills its answer in their order, up to MaxBytes.
func (f *Fetcher) request(at []Position, wait time.Duration) *kafkafetch.Request {
	r := &kafkafetch.Request{
		ReplicaID: -1, MaxWaitTime: int32(wait.Milliseconds()), MinBytes: f.cfg.MinBytes, MaxBytes: f.cfg.MaxBytes,
		IsolationLevel: int8(kafka.ReadCommitted), SessionEpoch: -1,
	}
	topics := map[string]int{}
	first := int(f.turn.Add(1) % uint32(len(at)))
	for i := range at {
		p := at[(first+i)%len(at)]
		t, ok := topics[p.Topic]
		if !ok {
			t = len(r.Topics)
			topics[p.Topic] = t
			r.Topics = append(r.Topics, kafkafetch.RequestTopic{Topic: p.Topic})
		}
		r.Topics[t].Partitions = append(r.Topics[t].Partitions, kafkafetch.RequestPartition{
			Partition: p.Partition, CurrentLeaderEpoch: -1, FetchOffset: p.Offset, LogStartOffset: -1, PartitionMaxBytes: f.cfg.PartitionMaxBytes,
		})
	}
	return r
}

// take judges what came for one position. ok says that there is a chunk in it.
func (f *Fetcher) take(ctx context.Context, p Position, part *answerPartition) (ok bool, err error) {
	switch err := kafka.Error(part.errorCode); err {
	case 0:
	case kafka.OffsetOutOfRange:
		return false, f.outOfRange(ctx, p)
	case kafka.TopicAuthorizationFailed, kafka.ClusterAuthorizationFailed:
		return false, &UnauthorizedError{p.TopicPartition, err}
	case kafka.InvalidMessage: // the broker's own check of its log, CORRUPT_MESSAGE
		return false, f.corrupt(p, err)
	case kafka.UnsupportedForMessageFormat, kafka.UnsupportedCompressionType:
		return false, &UnsupportedFormatError{p.TopicPartition, p.Offset, err}
	case kafka.UnknownTopicOrPartition:
		f.note(p, errGone)
		return false, nil
	default:
		f.note(p, err)
		return false, nil
	}
	if len(part.Data) == 0 {
		f.fine(p.TopicPartition)
		return false, nil
	}
	stable := part.LastStableOffset
	if stable < 0 {
		stable = part.HighWatermark
	}
	part.From = p.Offset
	good, bad := intact(part.Data, stable)
	part.Data = part.Data[:good]
	if end := part.End(); end > p.Offset {
		f.fine(p.TopicPartition) // what is bad after it is asked for again, from there
		return true, nil
	}
	if bad == nil {
		bad = errOffsets // whole batches, but all of them before the position
	}
	return false, f.corrupt(p, bad)
}

// outOfRange asks again, in another way, before it gives up on a position.
func (f *Fetcher) outOfRange(ctx context.Context, p Position) error {
	bounds, err := f.bounds(ctx, []TopicPartition{p.TopicPartition})
	if b := bounds[p.TopicPartition]; err == nil && (p.Offset < b.Start || p.Offset > b.End) {
		return &OffsetOutOfRangeError{p.TopicPartition, p.Offset, b.Start, b.End}
	}
	if err == nil {
		err = kafka.OffsetOutOfRange
	}
	f.note(p, err)
	return nil
}

// corrupt counts how often a position came damaged: a bad wire damages it differently each time, a bad disk does not stop.
func (f *Fetcher) corrupt(p Position, why error) error {
	if f.noteCorrupt(p, why) < f.cfg.CorruptAttempts {
		return nil
	}
	var format formatError
	if errors.As(why, &format) {
		return &UnsupportedFormatError{p.TopicPartition, p.Offset, why}
	}
	return &CorruptError{TopicPartition: p.TopicPartition, Offset: p.Offset, Err: why}
}
