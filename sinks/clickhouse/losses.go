package clickhouse

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/tillstream/tillstream/processor/commit"
)

// Loss is a range of offsets that somebody decided to go without when an epoch began. To is not above From where the topic was made anew: it is
// read again from To, and how much the old one still had, nobody knows.
type Loss struct {
	Group string
	Epoch uint64 // that began behind the loss
	commit.Range
	Reason, By string
	At         time.Time
}

func (l Loss) String() string {
	what := fmt.Sprintf("%d offsets of %s were lost, %d to %d", l.To-l.From, l.TopicPartition, l.From, l.To-1)
	if l.To <= l.From {
		what = fmt.Sprintf("%s was made anew and is read again from offset %d: what the old one held from %d on was lost", l.TopicPartition, l.To, l.From)
	}
	return fmt.Sprintf("%s (group %s, epoch %d, decided by %s at %s: %s)", what, l.Group, l.Epoch, l.By, l.At.Format(time.RFC3339), l.Reason)
}

// PutLosses notes losses, before the row of their epoch is written: what happened to offsets must be known before they are jumped over.
func (s *Sink) PutLosses(ctx context.Context, losses []Loss) error {
	for _, l := range losses {
		err := s.put(ctx, "losses", "", "INSERT INTO tillstream.losses (`group`, epoch, topic, partition, from_offset, to_offset, reason, decided_by, decided_at)",
			l.Group, l.Epoch, l.Topic, l.Partition, l.From, l.To, l.Reason, l.By, l.At.UnixMilli())
		if err != nil {
			return err
		}
	}
	return nil
}

// Losses are those of a group, or of all groups if it is "", by epoch. Those of an epoch that was cut short before it began are left out.
func (s *Sink) Losses(ctx context.Context, group string) ([]Loss, error) {
	var all []Loss
	err := s.rows(ctx, func(r driver.Rows) error {
		var l Loss
		if err := r.Scan(&l.Group, &l.Epoch, &l.Topic, &l.Partition, &l.From, &l.To, &l.Reason, &l.By, &l.At); err != nil {
			return err
		}
		if group == "" || l.Group == group {
			all = append(all, l)
		}
		return nil
	}, "SELECT `group`, epoch, topic, partition, from_offset, to_offset, reason, decided_by, decided_at FROM tillstream.losses FINAL "+
		"WHERE (`group`, epoch) IN (SELECT `group`, epoch FROM tillstream.streams) ORDER BY `group`, epoch, topic, partition")
	if err != nil {
		return nil, fmt.Errorf("reading tillstream.losses: %w", err)
	}
	return all, nil
}
