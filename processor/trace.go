package processor

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// spans tell who traces how a batch came about: a trace a batch, from when it was opened until its end is known to Kafka, with fold, intent, insert and commit in it; and one a
// fetch, of which several batches may live. Nothing of a record is in them. Without a tracer they cost a comparison.
type spans struct {
	tracer trace.Tracer // nil: nobody traces
	now    func() time.Time
	lane   string
}

// span is one that has begun; the zero one is of nobody.
type span struct {
	trace.Span
	now func() time.Time
}

// end ends it, as failed if there is an error.
func (x span) end(err error) {
	if x.Span == nil {
		return
	}
	if err != nil {
		x.SetStatus(codes.Error, "") // its words may name what is in a record: the log has them
	}
	x.End(trace.WithTimestamp(x.now()))
}

func (s *spans) start(ctx context.Context, name string) (context.Context, span) {
	if s.tracer == nil {
		return ctx, span{}
	}
	return s.since(ctx, name, s.now())
}

func (s *spans) since(ctx context.Context, name string, at time.Time, attributes ...attribute.KeyValue) (context.Context, span) {
	ctx, x := s.tracer.Start(ctx, name, trace.WithTimestamp(at), trace.WithAttributes(attributes...))
	return ctx, span{x, s.now}
}

// batch begins the span of a batch where that was opened, with what was folded since.
func (s *spans) batch(ctx context.Context, b *batch) (context.Context, span) {
	if s.tracer == nil {
		return ctx, span{}
	}
	opened := b.opened
	if opened.IsZero() { // it was read again
		opened = b.at
	}
	ctx, x := s.since(ctx, "batch", opened,
		attribute.String("tillstream.lane", s.lane), attribute.Int64("tillstream.epoch", int64(b.version.Epoch)), attribute.Int64("tillstream.batch", int64(b.version.Batch)),
		attribute.Int("tillstream.records", b.records), attribute.Int("tillstream.bytes", b.bytes), attribute.Int("tillstream.dead_letters", len(b.letters)))
	_, fold := s.since(ctx, "fold", opened)
	fold.End(trace.WithTimestamp(b.at))
	b.span = x.SpanContext()
	return ctx, x
}

// insert begins the span of one INSERT.
func (s *spans) insert(ctx context.Context, table string, rows int) (context.Context, span) {
	if s.tracer == nil {
		return ctx, span{}
	}
	return s.since(ctx, "insert", s.now(), attribute.String("db.collection.name", table), attribute.Int("tillstream.rows", rows))
}

// commit begins the span in which the end of a batch is said to Kafka, which may be after its own has ended.
func (s *spans) commit(ctx context.Context, of trace.SpanContext) (context.Context, span) {
	if s.tracer == nil {
		return ctx, span{}
	}
	return s.since(trace.ContextWithSpanContext(ctx, of), "commit", s.now())
}

// fetched tells of a fetch that is over; one that brought nothing is not worth a word.
func (s *spans) fetched(began time.Time, chunks int) {
	if s.tracer == nil || chunks == 0 {
		return
	}
	_, x := s.since(context.Background(), "fetch", began, attribute.String("tillstream.lane", s.lane), attribute.Int("tillstream.partitions", chunks))
	x.end(nil)
}
