package kafka

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/segmentio/kafka-go"
	"go.uber.org/zap"

	"github.com/tillstream/tillstream/processor"
)

// DeadLettersConfig says where dead letters go.
type DeadLettersConfig struct {
	Topic     string        `yaml:"topic"`     // default pos.dead-letters
	Retention time.Duration `yaml:"retention"` // of a topic that is created here; default 30 days
	MaxBytes  int           `yaml:"max_bytes"` // of one letter as JSON; a longer event is cut; default 900000
	Creation  Creation      `yaml:"create"`
}

// Validate names every key that is wrong.
func (c *DeadLettersConfig) Validate() error {
	var errs []error
	if c.Retention < 0 {
		errs = append(errs, fmt.Errorf("kafka.dead_letters.retention: %v is negative", c.Retention))
	}
	if c.MaxBytes != 0 && (c.MaxBytes < minLetter || c.MaxBytes > batchBytes) {
		errs = append(errs, fmt.Errorf("kafka.dead_letters.max_bytes: %d is not between %d and %d", c.MaxBytes, minLetter, batchBytes))
	}
	return errors.Join(errs...)
}

const minLetter = 4096 // room for everything but the event

// DeadLetters keeps records that could not be folded in a topic of their own. It implements processor.DeadLetters.
type DeadLetters struct {
	cfg    DeadLettersConfig
	sender *sender
}

var _ processor.DeadLetters = (*DeadLetters)(nil)

// NewDeadLetters makes DeadLetters; nothing happens before Open or Send.
func NewDeadLetters(client *kafka.Client, cfg DeadLettersConfig, log *zap.Logger) *DeadLetters {
	cfg.Topic = cmp.Or(cfg.Topic, "pos.dead-letters")
	cfg.Retention = cmp.Or(cfg.Retention, 30*24*time.Hour)
	cfg.MaxBytes = cmp.Or(cfg.MaxBytes, batchBytes)
	settings := map[string]string{"retention.ms": strconv.FormatInt(cfg.Retention.Milliseconds(), 10), "cleanup.policy": "delete"}
	maps.Copy(settings, cfg.Creation.Settings)
	cfg.Creation.Settings = settings
	d := &DeadLetters{cfg: cfg, sender: newSender(client, log)}
	d.sender.create = d.Open
	return d
}

// Open creates the topic if it is missing.
func (d *DeadLetters) Open(ctx context.Context) error {
	_, err := EnsureTopics(ctx, d.sender.client, []string{d.cfg.Topic}, d.cfg.Creation)
	return err
}

// Send stores letters under the key topic/partition/offset, acknowledged by all replicas in sync. It tries again until ctx ends, so
// a letter may be stored twice: readers drop repeats by the key. A topic that was deleted is created again: lanes would wait for it.
func (d *DeadLetters) Send(ctx context.Context, letters []processor.DeadLetter) error {
	messages := make([]message, len(letters))
	for i := range letters {
		l := &letters[i]
		value, err := encode(l, d.cfg.MaxBytes)
		if err != nil {
			return fmt.Errorf("writing the dead letter of %s/%d/%d: %w", l.Topic, l.Partition, l.Offset, err)
		}
		messages[i] = message{topic: d.cfg.Topic, key: fmt.Appendf(nil, "%s/%d/%d", l.Topic, l.Partition, l.Offset), value: value}
	}
	return d.sender.send(ctx, messages)
}

// letter is a dead letter as JSON.
type letter struct {
	Topic       string   `json:"topic"`
	Partition   int32    `json:"partition"`
	Offset      int64    `json:"offset"`
	Timestamp   int64    `json:"timestamp"` // Kafka's, ms since 1970 UTC
	Reason      string   `json:"reason"`
	Field       string   `json:"field,omitempty"`
	Expected    string   `json:"expected,omitempty"`
	Key         *string  `json:"key,omitempty"`
	KeyBase64   []byte   `json:"key_base64,omitempty"`   // instead of key where that is not UTF-8
	Event       *string  `json:"event,omitempty"`        // neither where the record had no value
	EventBase64 []byte   `json:"event_base64,omitempty"` // instead of event where that is not UTF-8
	EventBytes  int      `json:"event_bytes,omitempty"`  // the length of an event that was cut
	Headers     []header `json:"headers,omitempty"`
	Truncated   bool     `json:"truncated,omitempty"` // key, event or headers were cut
}

// header is one of the record.
type header struct {
	Key         string  `json:"key"`
	Value       *string `json:"value,omitempty"`        // neither where it was null
	ValueBase64 []byte  `json:"value_base64,omitempty"` // instead of value where that is not UTF-8
}

const (
	maxKey     = 1024 // bytes of a key that are kept
	maxHeaders = 1024 // bytes of headers that are kept: all of them or none
)

func encode(l *processor.DeadLetter, limit int) ([]byte, error) {
	out := letter{
		Topic: l.Topic, Partition: l.Partition, Offset: l.Offset, Timestamp: l.Timestamp, Reason: l.Reason, Field: l.Field, Expected: l.Expected,
	}
	key := cut(l.Key, maxKey)
	out.Truncated = len(key) < len(l.Key) || l.Cut > 0
	if l.Cut > 0 {
		out.EventBytes = len(l.Value) + l.Cut
	}
	out.Key, out.KeyBase64 = text(key)
	if len(l.Headers) > maxHeaders {
		out.Truncated = true
	} else {
		for key, value := range l.Headers.All {
			h := header{Key: key}
			h.Value, h.ValueBase64 = text(value)
			out.Headers = append(out.Headers, h)
		}
	}
	for event := l.Value; ; {
		out.Event, out.EventBase64 = text(event)
		var b bytes.Buffer
		j := json.NewEncoder(&b)
		j.SetEscapeHTML(false)
		if err := j.Encode(out); err != nil {
			return nil, err
		}
		over := b.Len() - limit
		if over <= 0 || len(event) == 0 {
			return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
		}
		// A byte of the event is between one and six of JSON: take as many as the excess is on average, and look again.
		event = cut(event, len(event)-max(1, over*len(event)/b.Len()))
		out.Truncated, out.EventBytes = true, len(l.Value)+l.Cut
	}
}

// text gives UTF-8 as a string and anything else as bytes.
func text(p []byte) (*string, []byte) {
	switch {
	case p == nil:
		return nil, nil
	case utf8.Valid(p):
		s := string(p)
		return &s, nil
	}
	return nil, p
}

// cut shortens p to n bytes or a little less, so that no character is cut in two.
func cut(p []byte, n int) []byte {
	if len(p) <= n {
		return p
	}
	for i := n; i > max(0, n-utf8.UTFMax); i-- {
		if utf8.RuneStart(p[i]) {
			return p[:i]
		}
	}
	return p[:n]
}
