package clickhouse

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/tillstream/tillstream/processor/commit"
)

// Stream is how a group reads its topics during one epoch: partition p belongs to lane p mod Lanes.
type Stream struct {
	Group      string
	Epoch      uint64
	Lanes      uint32
	Partitions uint32 // of every topic
	Topics     []string
	ClusterID  string // of Kafka
	Start      map[commit.TopicPartition]int64
	Reason, By string // why the epoch began, and who began it
	Hold       string // not empty: lanes must not run
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

const streamColumns = "`group`, epoch, lanes, partitions, topics, cluster_id, start_topics, start_partitions, start_offsets, reason, created_by, hold, created_at"

// Epochs are the epochs of a group, ascending.
func (s *Sink) Epochs(ctx context.Context, group string) ([]Stream, error) {
	all, err := s.epochs(ctx)
	return slices.DeleteFunc(all, func(e Stream) bool { return e.Group != group }), err
}

// epochs are all streams, by group and epoch.
func (s *Sink) epochs(ctx context.Context) ([]Stream, error) {
	var all []Stream
	err := s.rows(ctx, func(r driver.Rows) error {
		var e Stream
		var topics []string
		var partitions []int32
		var offsets []int64
		if err := r.Scan(&e.Group, &e.Epoch, &e.Lanes, &e.Partitions, &e.Topics, &e.ClusterID, &topics, &partitions, &offsets,
			&e.Reason, &e.By, &e.Hold, &e.CreatedAt); err != nil {
			return err
		}
		e.Start = make(map[commit.TopicPartition]int64, len(offsets))
		for i, at := range offsets {
			e.Start[commit.TopicPartition{Topic: topics[i], Partition: partitions[i]}] = at
		}
		all = append(all, e)
		return nil
	}, "SELECT "+streamColumns+" FROM tillstream.streams FINAL ORDER BY `group`, epoch")
	if err != nil {
		return nil, fmt.Errorf("reading tillstream.streams: %w", err)
	}
	return all, nil
}

// BeginStream writes the row of a new epoch. Of two that are written for one epoch the first holds, and the other is dropped without a
// word, by its deduplication token: read it back.
func (s *Sink) BeginStream(ctx context.Context, e Stream) error {
	return s.putStream(ctx, e, fmt.Sprintf("%s|%d", e.Group, e.Epoch))
}

// PutStream replaces the row of an epoch that was begun.
func (s *Sink) PutStream(ctx context.Context, e Stream) error {
	return s.putStream(ctx, e, fmt.Sprintf("%s|%d|%d", e.Group, e.Epoch, e.CreatedAt.UnixNano()))
}

func (s *Sink) putStream(ctx context.Context, e Stream, token string) error {
	tps := slices.SortedFunc(maps.Keys(e.Start), commit.TopicPartition.Compare)
	topics, partitions, offsets := make([]string, len(tps)), make([]int32, len(tps)), make([]int64, len(tps))
	for i, tp := range tps {
		topics[i], partitions[i], offsets[i] = tp.Topic, tp.Partition, e.Start[tp]
	}
	return s.put(ctx, "streams", token, "INSERT INTO tillstream.streams ("+streamColumns+")",
		e.Group, e.Epoch, e.Lanes, e.Partitions, e.Topics, e.ClusterID, topics, partitions, offsets, e.Reason, e.By, e.Hold, e.CreatedAt.UnixMilli())
}

// PutRetireAfter tells the views how long silence counts after a terminal's last evidence. They take 31 days where it was never called.
func (s *Sink) PutRetireAfter(ctx context.Context, d time.Duration) error {
	return s.put(ctx, "settings", "", "INSERT INTO tillstream.settings (name, value, changed_at)", "retire_after_ms", d.Milliseconds(), s.now().UnixMilli())
}

// PutMinGroup tells marketing's views the least group of customers that they may show. They take 10 where it was never called, and never fewer than 5.
func (s *Sink) PutMinGroup(ctx context.Context, k int) error {
	return s.put(ctx, "settings", "", "INSERT INTO tillstream.settings (name, value, changed_at)", "min_group", int64(k), s.now().UnixMilli())
}

// MinGroup is the least group of customers that may be shown or taken out.
func (s *Sink) MinGroup(ctx context.Context) (k uint64, err error) {
	err = s.rows(ctx, func(r driver.Rows) error { return r.Scan(&k) }, "SELECT min_group FROM pos.privacy")
	return k, err
}

// put inserts one row of a small table, under a deduplication token if there is one.
func (s *Sink) put(ctx context.Context, table, token, sql string, row ...any) error {
	return s.putAll(ctx, table, token, sql, [][]any{row})
}

func (s *Sink) putAll(ctx context.Context, table, token, sql string, rows [][]any) error {
	settings := ch.Settings{"async_insert": 0}
	if token != "" {
		settings["insert_deduplicate"], settings["insert_deduplication_token"] = 1, token
	}
	ctx, cancel := s.query(ctx, settings)
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
