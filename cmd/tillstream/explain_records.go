package main

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/tillstream/tillstream/processor/availability"
	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/processor/format"
	"github.com/tillstream/tillstream/processor/interval"
)

// records finds in Kafka the very records that made a till what it was.
type records struct {
	fetcher *fetch.Fetcher
	decoder *format.Decoder
	topics  []string // of reports and of sales
}

// edge is an instant at which a till became something else.
type edge struct {
	at int64 // ms
	// last: nothing came then, what was heard last before it held no longer. It is not known when that was: else the edge is there.
	last bool
}

// witness is a record that is evidence of a till, by the till's clock as it was measured.
type witness struct {
	fetch.TopicPartition
	offset, received int64 // ms
	from, at         int64 // of a sale when it began and ended, of a report twice its time; ms
	behind           int64 // ms that the clock was measured to be, where it was wrong
	sequence         uint64
	what, id         string
}

// passes are how far records are looked for: first around the time, then, if something is not found, wherever it may have come later.
var passes = [...]struct{ before, after time.Duration }{{2 * time.Hour, 15 * time.Minute}, {26 * time.Hour, math.MaxInt64}}

// tolerance is how wrong clocks may be that count as right.
const tolerance = 2 * time.Second

// newRecords reads the Kafka of a configuration.
func newRecords(ctx context.Context, s *source) *records {
	return &records{fetcher: s.fetcher(), decoder: s.decoder(ctx), topics: []string{topicOf[event.TypeHealth], topicOf[event.TypeTransaction]}}
}

// find looks for the evidence of a till at some edges, in a partition of the topics. Of what came several times it is the first. If something
// is not found and Kafka has not kept all of that time, kept is since when it has: ms.
func (r *records) find(ctx context.Context, partition int32, store, till string, edges []edge) (found map[edge]witness, kept int64, err error) {
	span := interval.Span{From: interval.Max, To: interval.Min}
	for _, e := range edges {
		span.From, span.To = min(span.From, e.at), max(span.To, e.at)
	}
	for _, p := range passes {
		found, kept = map[edge]witness{}, 0
		around := interval.Span{From: span.From - p.before.Milliseconds(), To: span.To + p.after.Milliseconds()}
		for _, topic := range r.topics {
			since, err := r.scan(ctx, fetch.TopicPartition{Topic: topic, Partition: partition}, around, store, till, func(w *witness) {
				for _, e := range edges {
					if was, known := found[e]; w.proves(e) && (!known || w.closer(&was, e)) {
						found[e] = *w
					}
				}
			})
			if err != nil {
				return nil, 0, err
			}
			kept = max(kept, since)
		}
		if len(found) == len(edges) {
			return found, 0, nil
		}
	}
	return found, kept, nil
}

// proves says whether a record may have made an edge.
func (w *witness) proves(e edge) bool {
	if e.last {
		return w.at <= e.at
	}
	return w.far(e) <= 0 || w.behind != 0 && w.far(e) <= tolerance.Milliseconds()
}

// far is how far the evidence is from an edge, ms.
func (w *witness) far(e edge) int64 {
	d := max(w.at-e.at, e.at-w.at)
	return min(d, max(w.from-e.at, e.at-w.from))
}

// closer says whether it is rather this one than another that was read before: the nearest, of several in one millisecond that with the highest sequence, of one that
// came again the first.
func (w *witness) closer(o *witness, e edge) bool {
	if e.last {
		return w.at > o.at || w.at == o.at && w.sequence > o.sequence
	}
	return w.far(e) < o.far(e) || w.far(e) == o.far(e) && w.id != o.id && w.sequence > o.sequence
}

// scan gives the evidence of a till that a partition got within a span. since is when Kafka got the first record that it has, if older ones are gone.
func (r *records) scan(ctx context.Context, tp fetch.TopicPartition, span interval.Span, store, till string, f func(*witness)) (since int64, err error) {
	asking, cancel := context.WithTimeout(ctx, reachable)
	defer cancel()
	bounds, err := r.fetcher.Bounds(asking, []fetch.TopicPartition{tp})
	if err != nil {
		return 0, fmt.Errorf("%w; with --dsn in place of --config verdicts are explained without Kafka", err)
	}
	at, err := r.fetcher.Since(ctx, tp, span.From)
	if err != nil {
		return 0, err
	}
	end := bounds[tp].Stable
	if at < 0 {
		return 0, nil
	}
	oldest := at == bounds[tp].Start && at > 0
	walker := fetch.NewWalker()
	var e event.Event
	for at < end {
		chunks, err := r.fetcher.Fetch(ctx, []fetch.Position{{TopicPartition: tp, Offset: at}})
		if err != nil {
			return 0, fmt.Errorf("reading offset %d of %s: %w", at, tp, err)
		}
		for i := range chunks {
			at, err = walker.Walk(&chunks[i], at, end, func(rec fetch.Record) error {
				if oldest {
					oldest, since = false, rec.Timestamp
				}
				if rec.Timestamp > span.To {
					end = rec.Offset // Walk goes on to the end of the chunk
				}
				if rec.Offset >= end || string(rec.Key) != store {
					return nil
				}
				rejection, err := r.decoder.Record(format.Record{Topic: tp.Topic, Value: rec.Value, Headers: rec.Headers}, &e)
				if err != nil {
					return err
				}
				if rejection != nil || r.decoder.CheckTime(&e, rec.Timestamp) != nil || e.Test || e.TerminalID != till {
					return nil
				}
				if w, ok := witnessOf(&e, tp, &rec); ok {
					f(&w)
				}
				return nil
			})
			if err != nil {
				return 0, fmt.Errorf("reading %s: %w", tp, err)
			}
		}
	}
	return since, nil
}

// witnessOf is what an event tells of its till.
func witnessOf(e *event.Event, tp fetch.TopicPartition, rec *fetch.Record) (witness, bool) {
	w := witness{TopicPartition: tp, offset: rec.Offset, received: rec.Timestamp, at: e.When().Milli, id: strings.Clone(e.ID), sequence: e.Sequence.Value}
	w.from = w.at
	switch e.Type {
	case event.TypeTransaction:
		w.what = strings.Clone(e.Transaction.Kind)
		if s := e.Transaction.StartedAt; s.OK {
			w.from = min(w.from, s.Milli)
		}
	case event.TypeHealth:
		w.what = "report of " + e.Health.Status
	default:
		return w, false
	}
	w.behind = int64(availability.Deviation(e, rec.Timestamp)) * 1000
	w.from, w.at = w.from+w.behind, w.at+w.behind
	return w, true
}
