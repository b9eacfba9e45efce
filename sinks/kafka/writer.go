package kafka

import (
	"bytes"
	"context"
	"time"

	"github.com/segmentio/kafka-go"
	"go.uber.org/zap"
)

// Event is one canonical event on its way to its topic.
type Event struct {
	Topic   string
	StoreID string // the key: all that happens in a store keeps its order, and meets in one lane
	Value   []byte
	Time    time.Time // zero: now. Topics with LogAppendTime take the broker's
}

// Writer writes events in large batches: while one is on its way the next is filled, and when both are full Write waits. A till's
// sequence numbers make up for what Kafka may store twice (see sender). It is for one goroutine.
type Writer struct {
	sender *sender
	limit  int

	open   []message
	bytes  int
	flying chan error // nil when nothing is on its way
	sent   int        // on its way
	acked  int
	failed error
}

// writerBytes is how many bytes of events one batch of a Writer may hold.
const writerBytes = 8 << 20

// NewWriter makes a Writer; nothing happens before Write.
func NewWriter(client *kafka.Client, log *zap.Logger) *Writer {
	return &Writer{sender: newSender(client, log), limit: writerBytes}
}

// Write takes an event; its Value may be used again. An error is that of an earlier batch, and final.
func (w *Writer) Write(ctx context.Context, e Event) error {
	if w.failed != nil {
		return w.failed
	}
	m := message{topic: e.Topic, key: []byte(e.StoreID), value: bytes.Clone(e.Value), time: e.Time}
	w.open = append(w.open, m)
	if w.bytes += size(m); w.bytes < w.limit {
		return nil
	}
	return w.launch(ctx)
}

// Flush returns when all events are stored. It must be called at the end, also after an error, and leaves nothing running.
func (w *Writer) Flush(ctx context.Context) error {
	if err := w.launch(ctx); err != nil {
		return err
	}
	return w.land()
}

// Acknowledged is how many events are surely stored, up to the last batch that was waited for.
func (w *Writer) Acknowledged() int { return w.acked }

// launch sends the open batch when the one before has arrived, so that events of a store never overtake each other.
func (w *Writer) launch(ctx context.Context) error {
	if err := w.land(); err != nil || len(w.open) == 0 {
		return err
	}
	batch, arrived := w.open, make(chan error, 1)
	go func() { arrived <- w.sender.send(ctx, batch) }()
	w.open, w.bytes, w.sent, w.flying = make([]message, 0, len(batch)), 0, len(batch), arrived
	return nil
}

// land waits for the batch that is on its way.
func (w *Writer) land() error {
	if w.flying != nil {
		if w.failed = <-w.flying; w.failed == nil {
			w.acked += w.sent
		}
		w.flying = nil
	}
	return w.failed
}
