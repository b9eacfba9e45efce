package clickhouse

import (
	"context"
	"fmt"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Stream is how a group reads its topics during one epoch: partition p belongs to lane p mod Lanes.
type Stream struct {
	Group      string
	Epoch      uint64
	Lanes      uint32
	Partitions uint32 // of every topic
	Topics     []string
	ClusterID  string // of Kafka
	CreatedAt  time.Time
}

// Streams reads a group's newest epoch. Lanes is 0 if the group has never written here.
func (s *Sink) Streams(ctx context.Context, group string) (Stream, error) {
	all, err := s.epochs(ctx)
	if err != nil {
		return Stream{}, err
	}
	newest := Stream{Group: group}
	for _, e := range all {
		if e.Group == group {
			newest = e
		}
	}
	return newest, nil
}

// epochs are all streams, by group and epoch.
func (s *Sink) epochs(ctx context.Context) ([]Stream, error) {
	var all []Stream
	err := s.rows(ctx, func(r driver.Rows) error {
		var e Stream
		if err := r.Scan(&e.Group, &e.Epoch, &e.Lanes, &e.Partitions, &e.Topics, &e.ClusterID, &e.CreatedAt); err != nil {
			return err
		}
		all = append(all, e)
		return nil
	}, "SELECT `group`, epoch, lanes, partitions, topics, cluster_id, created_at FROM tillstream.streams FINAL ORDER BY `group`, epoch")
	if err != nil {
		return nil, fmt.Errorf("reading tillstream.streams: %w", err)
	}
	return all, nil
}

// PutStream writes an epoch of a group. Of two that are written for one epoch, the one created later holds: read it back.
func (s *Sink) PutStream(ctx context.Context, e Stream) error {
	return s.put(ctx, "streams", "INSERT INTO tillstream.streams (`group`, epoch, lanes, partitions, topics, cluster_id, created_at)",
		e.Group, e.Epoch, e.Lanes, e.Partitions, e.Topics, e.ClusterID, e.CreatedAt.UnixMilli())
}

// PutRetireAfter tells the views how long silence counts after a terminal's last evidence. They take 31 days where it was never called.
func (s *Sink) PutRetireAfter(ctx context.Context, d time.Duration) error {
	return s.put(ctx, "settings", "INSERT INTO tillstream.settings (name, value, changed_at)", "retire_after_ms", d.Milliseconds(), s.now().UnixMilli())
}

// put inserts one row of a small table.
func (s *Sink) put(ctx context.Context, table, sql string, row ...any) error {
	return s.putAll(ctx, table, sql, [][]any{row})
}

func (s *Sink) putAll(ctx context.Context, table, sql string, rows [][]any) error {
	ctx, cancel := s.query(ctx, ch.Settings{"async_insert": 0})
	defer cancel()
	batch, err := s.conn.PrepareBatch(ctx, sql)
	for _, row := range rows {
		if err == nil {
			err = batch.Append(row...)
		}
	}
	if err == nil {
		err = batch.Send()
	}
	if err != nil {
		return fmt.Errorf("writing tillstream.%s: %w", table, s.explain(err))
	}
	return nil
}
