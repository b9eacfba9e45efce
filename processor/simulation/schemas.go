package simulation

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/processor/format"
)

// schemaRegistry is one. Records are sent with ids of it, in Confluent's wire format, and some of the ids it learns later than that, or never.
type schemaRegistry struct {
	rnd  *rand.Rand
	all  []lateSchema // by id
	sent map[fetch.Position]int
}

// lateSchema is one of its schemas.
type lateSchema struct {
	sent, learns time.Time // when the first record was sent with it, and when the registry learns of it
	never        bool      // it does not
}

func newSchemaRegistry(seed uint64) *schemaRegistry {
	return &schemaRegistry{rnd: rand.New(rand.NewPCG(seed, 4)), sent: map[fetch.Position]int{}}
}

// knows says that the registry has an id now.
func (s *schemaRegistry) knows(id int) bool {
	return id < len(s.all) && !s.all[id].never && !time.Now().Before(s.all[id].learns)
}

// written is a record batch of which some are written with a schema: the newest, or one that begins with it.
func (s *schemaRegistry) written(messages []message, tp fetch.TopicPartition, offset int64) []message {
	messages = slices.Clone(messages)
	for i := range messages {
		if s.rnd.IntN(3) == 0 {
			continue
		}
		if len(s.all) == 0 || s.rnd.IntN(3) == 0 {
			now := time.Now()
			new := lateSchema{sent: now, learns: now, never: s.rnd.IntN(5) == 0}
			if s.rnd.IntN(4) > 0 {
				new.learns = now.Add(time.Duration(s.rnd.IntN(90_000)) * time.Millisecond)
			}
			s.all = append(s.all, new)
		}
		id := len(s.all) - 1
		messages[i].value = append(binary.BigEndian.AppendUint32([]byte{0}, uint32(id)), messages[i].value...)
		s.sent[fetch.Position{TopicPartition: tp, Offset: offset + int64(i)}] = id
	}
	return messages
}

// Schema asks the registry: what is written with its schemas is canonical JSON.
func (m *member) Schema(ctx context.Context, id int) (format.Schema, error) {
	err := m.world.call(ctx, m, kindSchema, fmt.Sprint("schema ", id), nil, func() error {
		if !m.world.schemas.knows(id) {
			return format.ErrUnknownSchema
		}
		return nil
	})
	return format.Schema{Type: "JSON"}, err
}

// refused are the dead letters in ClickHouse whose schema was unknown.
func (w *World) refused() map[fetch.Position]bool {
	refused := map[fetch.Position]bool{}
	for _, p := range w.clickhouse.parts {
		if p.table != "dead_letters" {
			continue
		}
		topic, partition, offset := column[string](p.block, "topic"), column[int32](p.block, "partition"), column[int64](p.block, "offset")
		for i, reason := range column[string](p.block, "reason") {
			if reason == string(event.ReasonUnknownSchema) {
				refused[fetch.Position{TopicPartition: fetch.TopicPartition{Topic: topic[i], Partition: partition[i]}, Offset: offset[i]}] = true
			}
		}
	}
	return refused
}

// judged is a log in which what was refused for its schema stays as it is, and all else is JSON: so it says what was known of a schema when a record was folded, and
// needs no registry.
func (s *schemaRegistry) judged(l *partition, tp fetch.TopicPartition, refused map[fetch.Position]bool) *partition {
	out := *l
	out.batches = slices.Clone(l.batches)
	for i, b := range out.batches {
		b.messages = slices.Clone(b.messages)
		for k := range b.messages {
			at := fetch.Position{TopicPartition: tp, Offset: b.base + int64(k)}
			if _, with := s.sent[at]; with && !refused[at] {
				b.messages[k].value = b.messages[k].value[5:]
			}
		}
		b.data = encode(b.base, b.messages, b.attributes, b.producer)
		out.batches[i] = b
	}
	return &out
}

// unlawful are verdicts that the registry cannot have given, and dead letters in Kafka that are not those in ClickHouse.
func (w *World) unlawful() (wrong []string) {
	refused := w.refused()
	for at, id := range w.schemas.sent {
		s := w.schemas.all[id]
		if s.never && !refused[at] || !s.never && !s.learns.After(s.sent) && refused[at] {
			wrong = append(wrong, fmt.Sprintf("%s@%d has schema %d; refused is %v", at.TopicPartition, at.Offset, id, refused[at]))
		}
		if letter := w.letters[at] == string(event.ReasonUnknownSchema); letter != refused[at] {
			wrong = append(wrong, fmt.Sprintf("%s@%d has schema %d; a dead letter in Kafka is %v, in ClickHouse %v", at.TopicPartition, at.Offset, id, letter, refused[at]))
		}
	}
	slices.Sort(wrong)
	return wrong
}
