package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/format/mapping"
)

type mapCmd struct {
	File    string `help:"Payload, as a record of the topic has it; - for standard input." type:"path" placeholder:"FILE" required:""`
	Mapping string `help:"Mapping to try, in place of that of the configuration." type:"path" placeholder:"FILE"`
	Topic   string `help:"Topic whose mapping is tried; not needed where only one has one." placeholder:"TOPIC"`
	Config  string `help:"Configuration file." type:"path" placeholder:"FILE"`
}

func (*mapCmd) Help() string {
	return `How a mapping is written is in docs/formats.md.

  tillstream map --file sample.json --mapping receipts.blobl
  tillstream map --file sample.json --config tillstream.yaml --topic shop.receipts`
}

func (c *mapCmd) Run(e *env) error {
	cfg, err := loadConfig(e, c.Config)
	if err != nil {
		return err
	}
	var m *mapping.Mapping
	switch mapped := cfg.Formats.MappedTopics(); {
	case c.Mapping != "":
		text, err := os.ReadFile(c.Mapping)
		if err != nil {
			return usageError{fmt.Errorf("--mapping: %w", err)}
		}
		if m, err = mapping.Parse(string(text)); err != nil {
			return usageError{fmt.Errorf("--mapping: %s: %w", c.Mapping, err)}
		}
	case c.Topic == "" && len(mapped) == 1:
		m = cfg.Formats.Mapping(mapped[0])
	default:
		if m = cfg.Formats.Mapping(c.Topic); m == nil {
			return usageError{fmt.Errorf("no mapping is chosen: give --mapping FILE, or --topic with one of formats.mappings in --config (%s)", strings.Join(mapped, ", "))}
		}
	}
	payload, err := readPayload(e, c.File)
	if err != nil {
		return usageError{fmt.Errorf("--file: %w", err)}
	}
	made, rejection := m.Map(nil, payload)
	if rejection != nil {
		if why := m.Explain(payload); why != nil {
			return fmt.Errorf("%w: %w", rejection, why)
		}
		return rejection
	}
	p := processorConfig(cfg)
	var read event.Event
	rejection = event.NewDecoder(p.EventOptions()).Decode(bytes.Clone(made), &read)
	event.MaskPANs(made)
	var out bytes.Buffer
	if err := json.Indent(&out, made, "", "  "); err != nil {
		return fmt.Errorf("printing the event: %w", err)
	}
	fmt.Fprintln(e.stdout, out.String())
	if rejection != nil {
		return fmt.Errorf("this event would be a dead letter: %w", rejection)
	}
	says := "accepted"
	if read.Notes.Unbalanced {
		says += "; its lines, tenders and totals do not add up (it would be counted as unbalanced)"
	}
	if n := read.Notes.Other; n > 0 {
		says += fmt.Sprintf("; %d values are not known to this version (they are kept, and counted as other)", n)
	}
	fmt.Fprintln(e.stderr, says)
	return nil
}

// maxPayload bounds what is read to try a mapping.
const maxPayload = 64 << 20

func readPayload(e *env, path string) ([]byte, error) {
	in := e.stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	payload, err := io.ReadAll(io.LimitReader(in, maxPayload+1))
	if err == nil && len(payload) > maxPayload {
		err = errors.New("more than 64 MiB are no payload of a record")
	}
	return payload, err
}
