package processor

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/tillstream/tillstream/processor/commit"
	"github.com/tillstream/tillstream/processor/fetch"
)

// A batch is one trace, from when it was opened until its end is known to Kafka, with its steps in it.
func TestABatchIsATrace(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	provider := sdk.NewTracerProvider(sdk.WithSpanProcessor(recorder))
	tp := fetch.TopicPartition{Topic: "pos.health", Partition: 0}
	cfg := benchConfig()
	cfg.SessionTimeout = 10 * time.Second
	kafka, sink := &still{committed: map[commit.TopicPartition]commit.Committed{commit.TopicPartition(tp): {Offset: -1}}}, &heldMarks{landed: func() {}}
	l := &lane{
		name: "g/0", epoch: 1, origin: Stream{}.origin, tps: []fetch.TopicPartition{tp}, cfg: cfg, fingerprint: cfg.Fingerprint(), source: kafka, offsets: kafka,
		sink: sink, letters: kafka, now: time.Now, log: zap.NewNop(), report: newLaneReport(0, "g/0", newMetrics(prometheus.NewRegistry())), hand: &handle{},
		spans: spans{provider.Tracer("test"), time.Now, "g/0"},
	}
	h, err := l.load(t.Context(), commit.Plan{})
	if err != nil {
		t.Fatal(err)
	}
	h.folder.Begin(tp, 0, true)
	h.folder.Passed(tp, 3)
	b := h.seal(l)
	b.opened = b.at.Add(-time.Second)
	w := &writer{lane: l}
	if err := w.write(t.Context(), b, nil); err != nil {
		t.Fatal(err)
	}
	if said, err := w.idle(t.Context(), b.end()); !said || err != nil {
		t.Fatal(said, err)
	}
	l.spans.fetched(time.Now(), 0)
	l.spans.fetched(time.Now(), 2)
	_, x := l.spans.insert(t.Context(), "ledger", 1)
	x.end(errors.New("4111111111111111 is refused"))

	var names []string
	var root sdk.ReadOnlySpan
	for _, s := range recorder.Ended() {
		names = append(names, s.Name())
		if s.Name() == "batch" {
			root = s
		}
		if s.Status().Description != "" {
			t.Errorf("%s says %q", s.Name(), s.Status().Description)
		}
	}
	slices.Sort(names)
	if d := cmp.Diff([]string{"batch", "commit", "fetch", "fold", "insert", "insert", "insert", "insert", "intent"}, names); d != "" {
		t.Fatalf("(-want +got)\n%s: %v", d, sink.inserts)
	}
	if !root.StartTime().Equal(b.opened) {
		t.Errorf("the batch begins at %v, was opened at %v", root.StartTime(), b.opened)
	}
	inside := 0
	for _, s := range recorder.Ended() {
		if s.Parent().SpanID() == root.SpanContext().SpanID() {
			inside++
		}
	}
	if want := len(sink.inserts) + 3; inside != want { // and fold, intent, commit
		t.Errorf("%d spans are in the batch, want %d", inside, want)
	}
}

// Who does not trace pays nothing.
func TestWithoutATracerSpansCostNothing(t *testing.T) {
	s, ctx, b := spans{now: time.Now}, context.Background(), &batch{}
	if n := testing.AllocsPerRun(100, func() {
		inner, x := s.batch(ctx, b)
		_, y := s.insert(inner, "ledger", 1)
		y.end(nil)
		_, z := s.commit(inner, trace.SpanContext{})
		z.end(nil)
		s.fetched(time.Time{}, 1)
		x.end(nil)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
