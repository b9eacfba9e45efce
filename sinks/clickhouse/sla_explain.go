package clickhouse

import (
	"context"
	"fmt"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/tillstream/tillstream/processor/interval"
)

// StatusInterval is a stretch of one status of a terminal, and the batch that wrote it as it is.
type StatusInterval struct {
	interval.Span // ms; To is 0 while it lasts
	Status, Cause string
	Lost          string // what a degraded till could not do, for people: "" is nothing
	Epoch, Batch  uint64
}

// StatusIntervals are those of a terminal that share something with a span, in order.
func (s *Sink) StatusIntervals(ctx context.Context, store, terminal string, x interval.Span) ([]StatusInterval, error) {
	var out []StatusInterval
	err := s.rows(ctx, func(r driver.Rows) error {
		var i StatusInterval
		if err := r.Scan(&i.From, &i.To, &i.Status, &i.Lost, &i.Cause, &i.Epoch, &i.Batch); err != nil {
			return err
		}
		out = append(out, i)
		return nil
	}, `SELECT toUnixTimestamp64Milli(started_at) AS x, ifNull(toUnixTimestamp64Milli(ended_at), 0) AS y, toString(status), multiIf(disabled = 1, ' and could not sell', cardless = 1, ' and took no cards', ''), toString(cause), bitShiftRight(version, 40), bitAnd(version, 1099511627775)
		FROM tillstream.status_intervals FINAL
		WHERE lane = '' AND store_id = {store:String} AND terminal_id = {terminal:String} AND x < {to:Int64} AND (y = 0 OR y > {from:Int64}) ORDER BY x`,
		ch.Named("store", store), ch.Named("terminal", terminal), ch.Named("from", x.From), ch.Named("to", x.To))
	if err != nil {
		return nil, fmt.Errorf("reading tillstream.status_intervals: %w", err)
	}
	return out, nil
}

// OffsetRange is what the books say of one partition and one day of Kafka's time.
type OffsetRange struct {
	Topic     string
	Partition int32
	Day       string // 2026-10-26, UTC
	Epoch     uint64
	From, To  int64 // offsets, [From, To)
}

// Offsets are the ranges in which the reports about something in a store came: of the partition that keeps its state, the days of a span and the one after
// it. If nothing came then, late is true, and they are the first days after it on which something did. kind and key are those of the state.
func (s *Sink) Offsets(ctx context.Context, topic, kind, key string, x interval.Span) (out []OffsetRange, late bool, err error) {
	err = s.rows(ctx, func(r driver.Rows) error {
		o := OffsetRange{Topic: topic}
		var after bool
		if err := r.Scan(&o.Partition, &o.Day, &o.Epoch, &o.From, &o.To, &after); err != nil {
			return err
		}
		if late = late || after && len(out) == 0; late == after {
			out = append(out, o)
		}
		return nil
	}, `SELECT partition, toString(day), epoch, min(from_offset), max(to_offset), toBool(day > toDate(fromUnixTimestamp64Milli({to:Int64}, 'UTC')) + 1) AS after
		FROM tillstream.ledger FINAL
		WHERE topic = {topic:String} AND day >= toDate(fromUnixTimestamp64Milli({from:Int64}, 'UTC')) AND partition IN (
			SELECT toInt32OrZero(splitByChar('#', lane)[-1]) FROM tillstream.state FINAL WHERE kind = {kind:String} AND key = {key:String} AND lane LIKE '%#%')
		GROUP BY partition, day, epoch ORDER BY day, partition, epoch LIMIT 10`,
		ch.Named("topic", topic), ch.Named("kind", kind), ch.Named("key", key), ch.Named("from", x.From), ch.Named("to", x.To))
	if err != nil {
		return nil, false, fmt.Errorf("reading tillstream.ledger: %w", err)
	}
	return out, late, nil
}

// StateKey is how the state of something in a store is named.
func StateKey(store, name string) string { return store + "\x00" + name }

// Outage is what is known of an outage.
type Outage struct {
	interval.Span // ms; To is 0 while it lasts

	ID, Store, Terminal, Cause, Party, Rule, Incident string
}

// OutagesOf are the outages that share something with a span, by time: of a store, of a terminal, or the one with an id; "" is any.
func (s *Sink) OutagesOf(ctx context.Context, store, terminal, id string, x interval.Span) ([]Outage, error) {
	var out []Outage
	err := s.rows(ctx, func(r driver.Rows) error {
		var o Outage
		if err := r.Scan(&o.ID, &o.Store, &o.Terminal, &o.From, &o.To, &o.Cause, &o.Party, &o.Rule, &o.Incident); err != nil {
			return err
		}
		out = append(out, o)
		return nil
	}, `SELECT outage_id, store_id, terminal_id, toUnixTimestamp64Milli(started_at) AS x, ifNull(toUnixTimestamp64Milli(resolved_at), 0) AS y, toString(cause), toString(party), party_rule, incident_id
		FROM tillstream.outages_since(since = {from:Int64}) WHERE ({store:String} = '' OR store_id = {store:String}) AND ({terminal:String} = '' OR terminal_id = {terminal:String}) AND ({id:String} = '' OR outage_id = {id:String})
			AND x < {to:Int64} AND (y = 0 OR y > {from:Int64}) ORDER BY x, terminal_id`,
		ch.Named("store", store), ch.Named("terminal", terminal), ch.Named("id", id), ch.Named("from", x.From), ch.Named("to", x.To))
	if err != nil {
		return nil, fmt.Errorf("reading tillstream.outages_since: %w", err)
	}
	return out, nil
}
