package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/format"
	"github.com/tillstream/tillstream/sinks/clickhouse"
	"github.com/tillstream/tillstream/sinks/kafka"
)

type deadLettersReplayCmd struct {
	letterFilter
	Offsets []string `help:"Only these." placeholder:"TOPIC:PARTITION:OFFSET"`
	DryRun  bool     `help:"Say what would be sent, and send nothing."`
	Again   bool     `help:"Also those that were sent again before."`
	Config  string   `help:"Configuration file." type:"path" placeholder:"FILE"`
}

func (*deadLettersReplayCmd) Help() string {
	return `First mend what refused them, for example the mapping; docs/dead-letters.md says what, by reason.

  tillstream deadletters replay --config tillstream.yaml --reason unknown_type --dry-run`
}

func (c *deadLettersReplayCmd) Run(e *env) error {
	filter, err := c.filter()
	if err != nil {
		return err
	}
	only, err := parseLetterIDs(c.Offsets)
	if err != nil {
		return usageError{fmt.Errorf("--offsets: %w", err)}
	}
	cfg, err := loadConfig(e, c.Config)
	if err != nil {
		return err
	}
	log, err := newLogger(e.stderr, cfg)
	if err != nil {
		return err
	}
	sink, err := openSink(cfg)
	if err != nil {
		return err
	}
	defer sink.Close()
	if err := sink.Check(e.ctx); err != nil {
		return err
	}
	listed, err := sink.Letters(e.ctx, filter)
	if err != nil {
		return err
	}
	if len(only) > 0 {
		all := listed
		listed = map[clickhouse.LetterID]clickhouse.ListedLetter{}
		for _, id := range only {
			letter, ok := all[id]
			if !ok {
				return usageError{fmt.Errorf("--offsets: no dead letter %s is listed, or the other options leave it out; see tillstream deadletters list", letterName(id))}
			}
			listed[id] = letter
		}
	}
	source, err := openKafka(cfg, log)
	if err != nil {
		return err
	}
	defer source.close()
	r := newReplay(e.ctx, source, listed, c.Again)
	if !c.DryRun {
		r.sends(sink, person())
	}
	err = r.run(e.ctx)
	r.describe(e.stdout, c.DryRun, cfg.Kafka.DeadLettersTopic)
	return err
}

// replay sends dead letters again that would be accepted now.
type replay struct {
	source  *source
	letters *kafka.DeadLetters
	listed  map[clickhouse.LetterID]clickhouse.ListedLetter // what was asked for; what was dealt with is taken out
	again   bool
	decoder *format.Decoder
	now     func() time.Time
	send    func(context.Context, []kafka.Letter) error // nil: nothing is sent

	event   event.Event
	stamped map[string]bool // by topic
	open    []kafka.Letter
	bytes   int

	sent                    map[string]int // by topic
	rejected                map[event.Reason]int
	before, forgotten, gone int
}

func newReplay(ctx context.Context, source *source, listed map[clickhouse.LetterID]clickhouse.ListedLetter, again bool) *replay {
	return &replay{
		source: source, letters: source.letters(), listed: listed, again: again,
		decoder: source.decoder(ctx), now: time.Now,
		stamped: map[string]bool{}, sent: map[string]int{}, rejected: map[event.Reason]int{},
	}
}

// sends has letters sent, and each piece noted with who did it.
func (r *replay) sends(sink *clickhouse.Sink, by string) {
	r.send = func(ctx context.Context, letters []kafka.Letter) error {
		if err := r.letters.SendAgain(ctx, letters); err != nil {
			return err
		}
		return sink.PutReplays(ctx, by, idsOf(letters))
	}
}

const (
	replayBytes = 64 << 20 // of letters that are held, to be sent in the order of their offsets
	// replayPiece is how many letters are sent before that is noted. After a crash in between they are sent twice: few enough for the ids
	// that a lane remembers of a till, where a till does not number its events.
	replayPiece = 500
)

func (r *replay) run(ctx context.Context) error {
	for id, l := range r.listed {
		switch {
		case l.Replayed && !r.again:
			r.before++
			delete(r.listed, id)
		case event.Reason(l.Reason) == event.ReasonSequenceForgotten: // the decoder does not know
			r.forgotten++
			delete(r.listed, id)
		}
	}
	var cut []clickhouse.LetterID
	if len(r.listed) > 0 {
		_, err := r.letters.Read(ctx, r.source.log, func(l kafka.Letter) error {
			id := clickhouse.LetterID{Topic: l.Topic, Partition: l.Partition, Offset: l.Offset}
			if _, wanted := r.listed[id]; !wanted {
				return nil
			}
			delete(r.listed, id)
			if l.Truncated {
				cut = append(cut, id)
				return nil
			}
			return r.judge(ctx, l)
		})
		if err != nil {
			return err
		}
	}
	// What was cut, or is not in the topic of dead letters any more, may still lie where it was read.
	cut = append(cut, slices.Collect(maps.Keys(r.listed))...)
	slices.SortFunc(cut, func(a, b clickhouse.LetterID) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	for _, id := range cut {
		l, there, err := r.letters.Original(ctx, r.source.log, id.Topic, id.Partition, id.Offset)
		if err != nil {
			return err
		}
		switch {
		case !there:
			r.gone++
			continue
		case l.Truncated:
			r.rejected[event.ReasonTooLarge]++
			continue
		}
		if err := r.judge(ctx, l); err != nil {
			return err
		}
	}
	return r.flush(ctx)
}

// judge takes a letter if today's decoder accepts it at the time that it has, and at the time that its topic will give it.
func (r *replay) judge(ctx context.Context, l kafka.Letter) error {
	stamped, known := r.stamped[l.Topic]
	if !known {
		var err error
		if stamped, err = kafka.Stamped(ctx, r.source.client, l.Topic); err != nil {
			return err
		}
		r.stamped[l.Topic] = stamped
	}
	rejection, err := r.decoder.Record(format.Record{Topic: l.Topic, Value: l.Value, Headers: l.Headers}, &r.event)
	if err != nil {
		return err
	}
	if rejection == nil {
		rejection = r.decoder.CheckTime(&r.event, l.Timestamp)
	}
	if rejection == nil && stamped {
		rejection = r.decoder.CheckTime(&r.event, r.now().UnixMilli())
	}
	if rejection != nil {
		r.rejected[rejection.Reason]++
		return nil
	}
	r.open = append(r.open, l)
	if r.bytes += len(l.Key) + len(l.Value); r.bytes < replayBytes {
		return nil
	}
	return r.flush(ctx)
}

// flush sends what was taken, in order, piece by piece.
func (r *replay) flush(ctx context.Context) error {
	slices.SortFunc(r.open, func(a, b kafka.Letter) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	for piece := range slices.Chunk(r.open, replayPiece) {
		if r.send != nil {
			if err := r.send(ctx, piece); err != nil {
				return err
			}
		}
		for i := range piece {
			r.sent[piece[i].Topic]++
		}
	}
	r.open, r.bytes = nil, 0
	return nil
}

func idsOf(letters []kafka.Letter) []clickhouse.LetterID {
	ids := make([]clickhouse.LetterID, len(letters))
	for i, l := range letters {
		ids[i] = clickhouse.LetterID{Topic: l.Topic, Partition: l.Partition, Offset: l.Offset}
	}
	return ids
}

// describe says what became of every letter that was asked for.
func (r *replay) describe(w io.Writer, dryRun bool, topic string) {
	did := "sent again"
	if dryRun {
		did = "would be sent again"
	}
	for _, t := range slices.Sorted(maps.Keys(r.sent)) {
		fmt.Fprintf(w, "%s: %d %s\n", t, r.sent[t], did)
	}
	if len(r.sent) == 0 {
		fmt.Fprintf(w, "0 %s\n", did)
	}
	for _, reason := range slices.Sorted(maps.Keys(r.rejected)) {
		fmt.Fprintf(w, "left out: %d that would be rejected again: %s\n", r.rejected[reason], reason)
	}
	if r.forgotten > 0 {
		fmt.Fprintf(w, "left out: %d of %s, which a replay cannot help: their lane has forgotten these numbers for good\n", r.forgotten, event.ReasonSequenceForgotten)
	}
	if r.gone > 0 {
		fmt.Fprintf(w, "left out: %d that are whole neither in %s nor, any more, in the topic they came from: let the tills send them again\n", r.gone, topic)
	}
	if r.before > 0 {
		fmt.Fprintf(w, "left out: %d that were sent again before; --again sends them once more, which counts as duplicates\n", r.before)
	}
}
