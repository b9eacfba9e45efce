package clickhouse

import (
	"context"
	"fmt"
	"strings"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// LetterID names a dead letter by where its record was read.
type LetterID struct {
	Topic     string
	Partition int32
	Offset    int64
}

// ListedLetter is what ClickHouse knows of a dead letter.
type ListedLetter struct {
	Reason   string
	Replayed bool
}

// LetterFilter chooses dead letters. What is zero chooses all.
type LetterFilter struct {
	Reason, Topic string
	Since, Until  time.Time // of Kafka's timestamp; Until is not in it
}

func (f LetterFilter) where() (string, []any) {
	var all []string
	var args []any
	add := func(condition, name string, value any) {
		all = append(all, condition)
		args = append(args, ch.Named(name, value))
	}
	if f.Reason != "" {
		add("reason = {reason:String}", "reason", f.Reason)
	}
	if f.Topic != "" {
		add("topic = {topic:String}", "topic", f.Topic)
	}
	if !f.Since.IsZero() {
		add("at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')", "since", f.Since.UnixMilli())
	}
	if !f.Until.IsZero() {
		add("at < fromUnixTimestamp64Milli({until:Int64}, 'UTC')", "until", f.Until.UnixMilli())
	}
	if len(all) == 0 {
		return "1", nil
	}
	return strings.Join(all, " AND "), args
}

// CountLetters counts dead letters by topic, reason and field, with up to three examples of each as topic:partition:offset.
func (s *Sink) CountLetters(ctx context.Context, f LetterFilter) (*Result, error) {
	where, args := f.where()
	return s.Query(ctx, `SELECT topic, reason, field, count() AS letters, count(replayed_at) AS replayed, min(at) AS first, max(at) AS last,
		any(expected) AS expected, arrayStringConcat(groupArraySorted(3)(concat(topic, ':', toString(partition), ':', toString(offset))), ',') AS examples
		FROM pos.dead_letters WHERE `+where+` GROUP BY topic, reason, field ORDER BY letters DESC, topic, reason, field`, args...)
}

// Letters are the dead letters that are listed.
func (s *Sink) Letters(ctx context.Context, f LetterFilter) (map[LetterID]ListedLetter, error) {
	where, args := f.where()
	all := map[LetterID]ListedLetter{}
	err := s.rows(ctx, func(r driver.Rows) error {
		var id LetterID
		var l ListedLetter
		if err := r.Scan(&id.Topic, &id.Partition, &id.Offset, &l.Reason, &l.Replayed); err != nil {
			return err
		}
		all[id] = l
		return nil
	}, "SELECT toString(topic), partition, offset, toString(reason), toBool(replayed_at IS NOT NULL) FROM pos.dead_letters WHERE "+where, args...)
	if err != nil {
		return nil, fmt.Errorf("reading pos.dead_letters: %w", err)
	}
	return all, nil
}

// PutReplays notes that letters were sent again, at this instant, by somebody.
func (s *Sink) PutReplays(ctx context.Context, by string, ids []LetterID) error {
	at := s.now().UnixMilli()
	rows := make([][]any, len(ids))
	for i, id := range ids {
		rows[i] = []any{id.Topic, id.Partition, id.Offset, at, by}
	}
	return s.putAll(ctx, "dead_letter_replays", "", "INSERT INTO tillstream.dead_letter_replays (topic, partition, offset, replayed_at, replayed_by)", rows)
}
