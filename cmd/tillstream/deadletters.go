package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"

	"github.com/tillstream/tillstream/cmd/tillstream/config"
	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/sinks/clickhouse"
	"github.com/tillstream/tillstream/sinks/kafka"
)

type deadLettersCmd struct {
	List   deadLettersListCmd   `cmd:"" help:"Count them by topic, reason and field, with examples."`
	Replay deadLettersReplayCmd `cmd:"" help:"Send those that would be accepted now to the topics they came from. Each counts once."`
}

// letterFilter chooses dead letters.
type letterFilter struct {
	Reason string  `help:"Only those with this reason." placeholder:"REASON"`
	Topic  string  `help:"Only those of this topic." placeholder:"TOPIC"`
	Since  instant `help:"Only those that Kafka got at this time or later: 2026-11-01, or RFC 3339." placeholder:"TIME"`
	Until  instant `help:"Only those that Kafka got before this time." placeholder:"TIME"`
}

func (f *letterFilter) filter() (clickhouse.LetterFilter, error) {
	if f.Reason != "" && !slices.Contains(event.Reasons(), event.Reason(f.Reason)) {
		return clickhouse.LetterFilter{}, usageError{fmt.Errorf("--reason: there is no reason %q; they are %v", f.Reason, event.Reasons())}
	}
	return clickhouse.LetterFilter{Reason: f.Reason, Topic: f.Topic, Since: time.Time(f.Since), Until: time.Time(f.Until)}, nil
}

// instant is a time on the command line: a date, which begins in UTC, or RFC 3339.
type instant time.Time

func (i *instant) UnmarshalText(text []byte) error {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, string(text)); err == nil {
			*i = instant(t)
			return nil
		}
	}
	return fmt.Errorf("%q is neither a date such as 2026-11-01 nor a time such as 2026-11-01T09:00:00Z", text)
}

type deadLettersListCmd struct {
	target
	letterFilter
	Format  string `help:"How rows are printed: table for people, csv or json for programs." enum:"table,csv,json" default:"table"`
	Payload bool   `help:"Print the examples' events too, from Kafka. They hold customers' ids as the till sent them."`
}

func (*deadLettersListCmd) Help() string {
	return `What each reason means is in docs/dead-letters.md.

  tillstream deadletters list
  tillstream deadletters list --config tillstream.yaml --reason unknown_type --since 2026-11-01`
}

func (c *deadLettersListCmd) Run(e *env) error {
	filter, err := c.filter()
	if err != nil {
		return err
	}
	if c.Payload && c.Config == "" {
		return usageError{errors.New("--payload reads from Kafka: name it with --config")}
	}
	return c.open(e, func(sink *clickhouse.Sink) error {
		result, err := sink.CountLetters(e.ctx, filter)
		if err != nil {
			return err
		}
		if !c.Payload {
			return show(e, result, clickhouse.Format(c.Format))
		}
		examples, err := examplesOf(result)
		if err != nil {
			return err
		}
		cfg, err := loadConfig(e, c.Config)
		if err != nil {
			return err
		}
		return printLetters(e, cfg, examples)
	})
}

// examplesOf reads the last column of sink.CountLetters.
func examplesOf(result *clickhouse.Result) (map[clickhouse.LetterID]bool, error) {
	all := map[clickhouse.LetterID]bool{}
	for row, err := range result.Rows {
		if err != nil {
			return nil, err
		}
		ids, err := parseLetterIDs(strings.Split(fmt.Sprint(row[len(row)-1]), ","))
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			all[id] = true
		}
	}
	return all, nil
}

// printLetters prints letters as JSON lines, each once.
func printLetters(e *env, cfg *config.Config, wanted map[clickhouse.LetterID]bool) error {
	source, err := openKafka(cfg, zap.NewNop())
	if err != nil {
		return err
	}
	defer source.close()
	out := json.NewEncoder(e.stdout)
	out.SetEscapeHTML(false)
	_, err = source.letters().Read(e.ctx, source.log, func(l kafka.Letter) error {
		id := clickhouse.LetterID{Topic: l.Topic, Partition: l.Partition, Offset: l.Offset}
		if !wanted[id] {
			return nil
		}
		delete(wanted, id)
		shown := struct {
			Offset      string            `json:"offset"`
			Reason      string            `json:"reason"`
			Field       string            `json:"field,omitempty"`
			Expected    string            `json:"expected,omitempty"`
			Truncated   bool              `json:"truncated,omitempty"`
			Headers     map[string]string `json:"headers,omitempty"`
			Event       string            `json:"event"`
			EventBase64 []byte            `json:"event_base64,omitempty"` // where it is not UTF-8
		}{Offset: letterName(id), Reason: l.Reason, Field: l.Field, Expected: l.Expected, Truncated: l.Truncated, Event: string(l.Value)}
		if !utf8.Valid(l.Value) {
			shown.Event, shown.EventBase64 = "", l.Value
		}
		for key, value := range l.Headers.All {
			if shown.Headers == nil {
				shown.Headers = map[string]string{}
			}
			shown.Headers[key] = string(value)
		}
		return out.Encode(shown)
	})
	if err != nil {
		return err
	}
	if len(wanted) > 0 {
		fmt.Fprintf(e.stderr, "%d examples are not in topic %s any more\n", len(wanted), cfg.Kafka.DeadLettersTopic)
	}
	return nil
}

func letterName(id clickhouse.LetterID) string {
	return fmt.Sprintf("%s:%d:%d", id.Topic, id.Partition, id.Offset)
}

// parseLetterIDs reads what letterName writes.
func parseLetterIDs(names []string) ([]clickhouse.LetterID, error) {
	ids := make([]clickhouse.LetterID, len(names))
	for i, name := range names {
		parts := strings.Split(strings.TrimSpace(name), ":") // a topic has no colon
		if len(parts) != 3 || parts[0] == "" {
			return nil, fmt.Errorf("%q is not topic:partition:offset", name)
		}
		partition, err := strconv.ParseInt(parts[1], 10, 32)
		if err != nil {
			return nil, fmt.Errorf("partition of %q: %w", name, err)
		}
		offset, err := strconv.ParseInt(parts[2], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("offset of %q: %w", name, err)
		}
		ids[i] = clickhouse.LetterID{Topic: parts[0], Partition: int32(partition), Offset: offset}
	}
	return ids, nil
}
