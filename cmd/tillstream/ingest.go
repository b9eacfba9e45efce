package main

import (
	"fmt"
)

type ingestCmd struct {
	Files  []string `arg:"" name:"file" help:"Canonical events, one JSON object a line; .zst and .gz are unpacked, - is standard input."`
	Config string   `help:"Configuration file." type:"path" placeholder:"FILE"`
}

func (c *ingestCmd) Run(e *env) error {
	cfg, err := loadConfig(e, c.Config)
	if err != nil {
		return err
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
	for _, name := range c.Files {
		report, err := source.ingest(e, e.ctx, name, func() {})
		if err != nil {
			return err
		}
		fmt.Fprintln(e.stdout, report.describe(name))
	}
	return nil
}

// describe is what a user wants to know of a file that went in.
func (r fileReport) describe(name string) string {
	s := fmt.Sprintf("%s: %d events sent", name, r.Events)
	if r.Odd > 0 {
		s += fmt.Sprintf(", of which %d do not say their type or store and will become dead letters", r.Odd)
	}
	return s
}
