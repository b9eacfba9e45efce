package main

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/sinks/kafka"
)

// maxLine bounds one line of an input file, with what is around it. No event is nearly as long.
const maxLine = 16 << 20

// topicOf is where events of a type go.
var topicOf = map[string]string{
	event.TypeTransaction: "pos.transactions",
	event.TypeHealth:      "pos.health",
	event.TypeIncident:    "pos.incidents",
	event.TypeMaintenance: "pos.incidents",
	event.TypeRegistry:    registry.Topic,
	event.TypeOrder:       "pos.orders",
}

// fileReport says what became of a file's lines.
type fileReport struct {
	Events int
	Odd    int // lines whose type or store could not be read: sent all the same, to become dead letters
	Long   int // lines of more than maxLine: not sent
	AtLong int // the number of the first
}

// lineHead is what must be known of a line to send it.
type lineHead struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	StoreID string `json:"store_id"`
	Scope   struct {
		Stores []string `json:"stores"`
	} `json:"scope"`
}

// stores are those that an incident, or maintenance, says it is about.
func (h *lineHead) stores() []string {
	if h.Type != event.TypeIncident && h.Type != event.TypeMaintenance {
		return nil
	}
	stores := slices.Clone(h.Scope.Stores)
	slices.Sort(stores)
	return slices.DeleteFunc(slices.Compact(stores), func(s string) bool { return s == "" })
}

// spread makes an event about each of the stores of its scope: one is folded for the store in its envelope only. The ids are the same
// whenever the line is sent.
func spread(ev kafka.Event, head lineHead) []kafka.Event {
	stores := head.stores()
	if head.ID == "" || len(stores) == 0 || len(stores) == 1 && stores[0] == head.StoreID {
		return []kafka.Event{ev}
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(ev.Value, &fields); err != nil {
		return []kafka.Event{ev} // it becomes a dead letter
	}
	out := make([]kafka.Event, len(stores))
	for i, store := range stores {
		id := head.ID + "@" + store
		if len(id) > 128 { // of an event
			id = fmt.Sprintf("%x", sha256.Sum256([]byte(id)))
		}
		out[i] = kafka.Event{Topic: ev.Topic, StoreID: store, Time: ev.Time}
		fields["id"], _ = json.Marshal(id) // strings can be written
		fields["store_id"], _ = json.Marshal(store)
		out[i].Value, _ = json.Marshal(fields)
	}
	return out
}

// readEvents sends every line of a file of canonical events (JSON lines; .zst and .gz are unpacked; - is standard input) to send.
// A file whose first line is no JSON object is refused.
func readEvents(ctx context.Context, name string, stdin io.Reader, send func(kafka.Event) error) (fileReport, error) {
	var report fileReport
	src := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return report, fmt.Errorf("reading events: %w", err)
		}
		defer f.Close()
		src = f
	}
	switch {
	case strings.HasSuffix(name, ".zst"):
		z, err := zstd.NewReader(src)
		if err != nil {
			return report, fmt.Errorf("reading %s: %w", name, err)
		}
		defer z.Close()
		src = z
	case strings.HasSuffix(name, ".gz"):
		z, err := gzip.NewReader(src)
		if err != nil {
			return report, fmt.Errorf("reading %s: %w", name, err)
		}
		src = z
	}

	lines := bufio.NewReaderSize(src, maxLine)
	topic := topicOf[event.TypeTransaction]
	for n, ended := 1, false; !ended; n++ {
		if err := ctx.Err(); err != nil {
			return report, err
		}
		line, err := lines.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = lines.ReadSlice('\n')
		}
		if ended = err == io.EOF; err != nil && !ended {
			return report, fmt.Errorf("reading %s after %d events: %w", name, report.Events, err)
		}
		if line = bytes.TrimSpace(line); long {
			report.Long++
			report.AtLong = cmp.Or(report.AtLong, n)
			continue
		}
		if len(line) == 0 {
			continue
		}
		var head lineHead
		err = json.Unmarshal(line, &head)
		var wrongType *json.UnmarshalTypeError
		if err != nil && report.Events == 0 && (line[0] != '{' || !errors.As(err, &wrongType)) {
			return report, fmt.Errorf("reading %s: line %d is not a JSON object; canonical events are JSON lines, one object a line (see schemas/events)", name, n)
		}
		if t, ok := topicOf[head.Type]; ok {
			topic = t // a line that does not say goes where the one before it went
		}
		if err != nil || topicOf[head.Type] == "" || head.StoreID == "" && len(head.stores()) == 0 {
			report.Odd++
		}
		for _, ev := range spread(kafka.Event{Topic: topic, StoreID: head.StoreID, Value: line}, head) {
			if err := send(ev); err != nil {
				return report, fmt.Errorf("sending line %d of %s: %w", n, name, err)
			}
			report.Events++
		}
	}
	return report, nil
}
