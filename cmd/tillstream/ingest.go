package main

import (
	"fmt"
	"os"
)

type ingestCmd struct {
	Files  []string `arg:"" name:"file" help:"Canonical events, one JSON object a line; .zst and .gz are unpacked, - is standard input."`
	Config string   `help:"Configuration file." type:"path" placeholder:"FILE"`
	Data   string   `help:"Send to the Kafka of the demo in this data directory, running or not." placeholder:"DIR"`
}

func (*ingestCmd) Help() string {
	return `What an event holds is in schemas/events. Events are not checked here: what cannot be folded becomes a dead letter, with its reason.

  tillstream ingest --config tillstream.yaml sales.jsonl.zst health.jsonl
  tillstream simulate --days 2 --out - | tillstream ingest --config tillstream.yaml -
  tillstream ingest --data tillstream-data mine.jsonl`
}

func (c *ingestCmd) Run(e *env) error {
	cfg, err := loadConfig(e, c.Config)
	if err != nil {
		return err
	}
	if err := areThere(c.Files); err != nil {
		return err
	}
	if c.Data != "" {
		addrs, done, err := demoBroker(c.Data)
		if err != nil {
			return err
		}
		defer done()
		cfg.Kafka.Brokers = addrs
	}
	log, err := newLogger(e.stderr, cfg)
	if err != nil {
		return err
	}
	source, err := openKafka(cfg, log)
	if err != nil {
		return err
	}
	defer source.close()
	if err := source.topics(e.ctx, newTopics()); err != nil {
		return err
	}
	long := 0
	for _, name := range c.Files {
		report, err := source.ingest(e, e.ctx, name, func() {})
		if err != nil {
			return err
		}
		fmt.Fprintln(e.stdout, report.describe(name))
		long += report.Long
	}
	if long > 0 {
		return fmt.Errorf("%d lines were not sent: they are too long", long)
	}
	return nil
}

// areThere says before anything is begun whether there are the files. It opens none: one may be a pipe.
func areThere(files []string) error {
	for _, name := range files {
		if name == "-" {
			continue
		}
		if _, err := os.Stat(name); err != nil {
			return fmt.Errorf("reading events: %w", err)
		}
	}
	return nil
}

// describe is what a user wants to know of a file that went in.
func (r fileReport) describe(name string) string {
	s := fmt.Sprintf("%s: %d events sent", name, r.Events)
	if r.Odd > 0 {
		s += fmt.Sprintf(", of which %d do not say their type or store and will become dead letters", r.Odd)
	}
	if r.Long > 0 {
		s += fmt.Sprintf("; %d left out, of more than %d MiB: no event is so long, so see that each has a line of its own, from line %d on", r.Long, maxLine>>20, r.AtLong)
	}
	return s
}
