package simulation

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/fetch"
)

// maxWait is how long a leader waits for something to give out.
const maxWait = 500 * time.Millisecond

// source is how one member reads: processor.Source.
type source struct{ *member }

// Fetch answers with some of the batches that are there, of some of the partitions.
func (s source) Fetch(ctx context.Context, at []fetch.Position) ([]fetch.Chunk, error) {
	w := s.world
	at = slices.Clone(at)
	slices.SortFunc(at, func(a, b fetch.Position) int { return comparePartitions(a.TopicPartition, b.TopicPartition) })
	var chunks []fetch.Chunk
	since := time.Now()
	ready := func() bool {
		if time.Since(since) >= maxWait {
			return true
		}
		for _, p := range at {
			if l := w.logs[p.TopicPartition]; !w.leaderless(p.TopicPartition) && (p.Offset != min(max(p.Offset, l.start), l.end) || p.Offset < l.end) {
				return true
			}
		}
		return false
	}
	var key strings.Builder
	for _, p := range at {
		fmt.Fprintf(&key, "%s@%d ", p.TopicPartition, p.Offset)
	}
	err := w.call(ctx, s.member, kindFetch, key.String(), ready, func() error {
		for _, p := range at {
			l := w.logs[p.TopicPartition]
			if w.leaderless(p.TopicPartition) {
				continue
			}
			if p.Offset < l.start || p.Offset > l.end {
				return &fetch.OffsetOutOfRangeError{TopicPartition: p.TopicPartition, Offset: p.Offset, Start: l.start, End: l.end}
			}
			if c, some := l.chunk(p.TopicPartition, p.Offset, w.rnd.IntN(4)); some {
				chunks = append(chunks, c)
			}
		}
		return nil
	})
	if err == errRefused || err == errLost { // *fetch.Fetcher deals with these itself
		return nil, nil
	}
	return chunks, err
}

func (w *World) leaderless(tp fetch.TopicPartition) bool { return time.Now().Before(w.dark[tp]) }

// Bounds says what the logs hold.
func (s source) Bounds(ctx context.Context, tps []fetch.TopicPartition) (map[fetch.TopicPartition]fetch.Bounds, error) {
	bounds := map[fetch.TopicPartition]fetch.Bounds{}
	err := s.world.call(ctx, s.member, kindFetch, "bounds "+fmt.Sprint(sortedPartitions(tps)), nil, func() error {
		for _, tp := range tps {
			l := s.world.logs[tp]
			bounds[tp] = fetch.Bounds{Start: l.start, End: l.end, Stable: l.end}
		}
		return nil
	})
	return bounds, err
}

// letters is how one member sends dead letters: processor.DeadLetters.
type letters struct{ *member }

func (s letters) Send(ctx context.Context, ls []processor.DeadLetter) error {
	if len(ls) == 0 {
		return nil
	}
	first := ls[0]
	return s.world.call(ctx, s.member, kindLetter, fmt.Sprintf("%s/%d@%d", first.Topic, first.Partition, first.Offset), nil, func() error {
		for _, l := range ls {
			at := fetch.Position{TopicPartition: fetch.TopicPartition{Topic: l.Topic, Partition: l.Partition}, Offset: l.Offset}
			s.world.letters[at] = l.Reason
		}
		return nil
	})
}

func comparePartitions(a, b fetch.TopicPartition) int {
	if c := strings.Compare(a.Topic, b.Topic); c != 0 {
		return c
	}
	return int(a.Partition - b.Partition)
}

func sortedPartitions(tps []fetch.TopicPartition) []fetch.TopicPartition {
	return slices.SortedFunc(slices.Values(tps), comparePartitions)
}
