package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/tillstream/tillstream/cmd/tillstream/manifest"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla/archive"
	"github.com/tillstream/tillstream/processor/sla/statement"
	"github.com/tillstream/tillstream/sinks/clickhouse"
)

// periodOf names a period of an agreement.
type periodOf struct {
	Agreement string `arg:"" help:"The agreement's name."`
	Period    string `help:"2026-10 a month, 2026-10-26 a day, 2026-W44 a week, 2026-Q4 a quarter, 2026-H2 half a year, 2026 a year: as the agreement has it." required:"" placeholder:"PERIOD"`
}

// find is the agreement, and the first date of the period. What is not there is a mistake of the caller.
func (p *periodOf) find(ctx context.Context, sink *clickhouse.Sink) (*archive.Contract, registry.Date, error) {
	unit, first, err := statement.ParsePeriod(p.Period)
	if err != nil {
		return nil, 0, usageError{err}
	}
	all, err := contracts(ctx, sink)
	if err != nil {
		return nil, 0, err
	}
	c := all[p.Agreement]
	if c == nil {
		return nil, 0, usageError{fmt.Errorf("no agreement %s is measured; there are %s", p.Agreement, strings.Join(slices.Sorted(maps.Keys(all)), ", "))}
	}
	for _, t := range c.Texts {
		if t.Until != nil && *t.Until <= first {
			continue
		}
		if t.Terms.Period != string(unit) {
			return nil, 0, usageError{fmt.Errorf("%s is a %s; the periods of agreement %s are by %s then", p.Period, unit, p.Agreement, t.Terms.Period)}
		}
		break
	}
	return c, first, nil
}

// contracts are the agreements that are measured, by name.
func contracts(ctx context.Context, sink *clickhouse.Sink) (map[string]*archive.Contract, error) {
	rows, err := sink.Registry(ctx)
	if err != nil {
		return nil, err
	}
	set, names := manifest.Set{}, map[string]string{}
	for _, x := range rows {
		switch {
		case x.Deleted:
		case slices.Contains([]string{manifest.KindAgreement, manifest.KindSLO, manifest.KindSLI, manifest.KindCustomer, manifest.KindSupplier}, x.Kind):
			o, err := manifest.Parse(x.Kind, x.Document)
			if err != nil {
				return nil, err
			}
			set[o.Key()] = o
			if x.Kind == manifest.KindCustomer || x.Kind == manifest.KindSupplier {
				names[x.Name] = o.Metadata.DisplayName
			}
		}
	}
	book, out := set.Book(), map[string]*archive.Contract{}
	for name := range book.Agreements {
		texts, err := book.Stretches(name)
		if err != nil {
			return nil, fmt.Errorf("reading agreement %s: %w", name, err)
		}
		c := &archive.Contract{Name: name, Title: set[manifest.Key{Kind: manifest.KindAgreement, Name: name}].Metadata.DisplayName, Names: names}
		for i := range texts {
			if texts[i].Measured() {
				c.Texts = append(c.Texts, texts[i])
			}
		}
		if len(c.Texts) > 0 {
			out[name] = c
		}
	}
	return out, nil
}

// archiveOf is the archive that a ClickHouse holds.
func archiveOf(sink *clickhouse.Sink) *archive.Archive {
	return &archive.Archive{Published: sink, Chain: sink}
}

// issue appends the statements that are due to the chains of all agreements. One that cannot be issued stops no other.
func issue(ctx context.Context, sink *clickhouse.Sink) (issued []archive.Entry, err error) {
	due, err := archiveOf(sink).Due(ctx)
	if err != nil || len(due) == 0 {
		return nil, err
	}
	all, err := contracts(ctx, sink)
	if err != nil {
		return nil, err
	}
	var failed []error
	for _, name := range slices.Sorted(maps.Keys(due)) {
		if all[name] == nil {
			continue // it was removed, and its texts with it
		}
		some, err := archiveOf(sink).Issue(ctx, all[name], due[name])
		issued = append(issued, some...)
		if err != nil {
			failed = append(failed, err)
		}
	}
	return issued, errors.Join(failed...)
}

// issueEvery is how often it is looked for statements that are due: they are by the day.
const issueEvery = time.Minute

// issuer issues statements after rounds of evaluation: at the start, and when something was published since it last looked.
type issuer struct {
	looked time.Time
	idle   bool // nothing was published since
}

func (i *issuer) round(ctx context.Context, sink *clickhouse.Sink, published bool, now time.Time, log *zap.Logger) {
	if i.idle = i.idle && !published; i.idle || now.Sub(i.looked) < issueEvery {
		return
	}
	all, err := issue(ctx, sink)
	for _, x := range all {
		log.Info("statement issued", zap.String("agreement", x.Contract), zap.String("period", x.Period), zap.Uint32("revision", x.Revision),
			zap.Uint64("number", x.Number), zap.String("hash", x.Signed.Hash))
	}
	if err != nil && ctx.Err() == nil {
		log.Warn("statements could not be issued; that is tried again in a minute", zap.Error(err))
	}
	i.looked, i.idle = now, err == nil
}

type slaStatementCmd struct {
	periodOf
	target
	Format   string  `help:"html for people, json for programs and auditors: the signed form." enum:"html,json" default:"html"`
	Lang     string  `help:"Language of the page: ${enum}." enum:"en,fr" default:"en"`
	Revision *uint32 `help:"0 what is provisional, 1 the final one, from 2 on restated ones; the newest that was issued if not given, else what is provisional." placeholder:"N"`
	Out      string  `help:"File to write; standard output if not given." type:"path" placeholder:"FILE"`
}

func (*slaStatementCmd) Help() string {
	return `  tillstream sla statement acme-gold --period 2026-10 --out october.html
  tillstream sla statement acme-gold --period 2026-10 --format json | jq -cjS .statement | sha256sum

A statement that was issued is given as it was written, whatever changed since; two runs give the same bytes. docs/statements.md says what is in it and
how it is checked.`
}

func (c *slaStatementCmd) Run(e *env) error {
	var signed *statement.Signed
	err := c.open(e, func(sink *clickhouse.Sink) (err error) {
		signed, err = c.read(e.ctx, sink)
		return err
	})
	if err != nil {
		return err
	}
	out := signed.File()
	if c.Format == "html" {
		if out, err = statement.Page(signed, c.Lang); err != nil {
			return err
		}
	}
	return writeOut(e, c.Out, out)
}

// writeOut writes a file, or standard output.
func writeOut(e *env, path string, data []byte) error {
	if path == "" {
		_, err := e.stdout.Write(data)
		return err
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return fmt.Errorf("writing the statement: %w", err)
	}
	return nil
}

func (c *slaStatementCmd) read(ctx context.Context, sink *clickhouse.Sink) (*statement.Signed, error) {
	contract, first, err := c.find(ctx, sink)
	if err != nil {
		return nil, err
	}
	chain, err := sink.Entries(ctx, c.Agreement)
	if err != nil {
		return nil, err
	}
	for _, x := range slices.Backward(chain) {
		if x.First == first && (c.Revision == nil || *c.Revision == x.Revision) {
			entry, err := sink.Document(ctx, c.Agreement, x.Number)
			if err != nil {
				return nil, err
			}
			return &entry.Signed, nil
		}
	}
	if c.Revision != nil && *c.Revision > 0 {
		return nil, fmt.Errorf("no statement of %s, %s, revision %d was issued; see SELECT number, period, revision FROM pos.sla_statements WHERE contract = '%s'", c.Agreement, c.Period, *c.Revision, c.Agreement)
	}
	signed, err := archiveOf(sink).Provisional(ctx, contract, first)
	if errors.Is(err, archive.ErrNothing) {
		return nil, fmt.Errorf("nothing of %s was measured in %s: did the period begin, and does tillstream run, or tillstream sla evaluate, measure it?", c.Agreement, c.Period)
	}
	return signed, err
}

type slaVerifyCmd struct {
	target
	Agreement string   `arg:"" help:"The agreement's name."`
	File      []string `help:"Statements as JSON, in any order: those are verified, and no ClickHouse is asked." type:"path" placeholder:"FILE"`
	Head      string   `help:"Hash of the last statement that is known: the chain must hold it." placeholder:"sha256:…"`
}

func (*slaVerifyCmd) Help() string {
	return `Exit code 1 if the chain is broken, with the place where. In ClickHouse also the rows are compared from which the newest statement of each period was made.

  tillstream sla verify acme-gold --dsn clickhouse://auditor@ch:9000
  tillstream sla verify acme-gold --file 2026-09.json --file 2026-10.json

Whoever keeps the hash of the last statement can tell later, with --head, that none was taken away from the end.`
}

// readersTime is less than users who may only read are commonly given for a query, a minute.
const readersTime = 45 * time.Second

func (c *slaVerifyCmd) Run(e *env) error {
	if len(c.File) > 0 {
		var all []statement.Signed
		for _, file := range c.File {
			b, err := os.ReadFile(file)
			if err != nil {
				return usageError{err}
			}
			s, err := statement.ReadFile(b)
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			all = append(all, s)
		}
		return c.verify(e, all, nil)
	}
	return c.open(e, func(sink *clickhouse.Sink) error {
		ctx, cancel := context.WithTimeout(e.ctx, readersTime)
		defer cancel()
		entries, err := sink.Documents(ctx, c.Agreement)
		if err != nil {
			return err
		}
		all := make([]statement.Signed, len(entries))
		for i := range entries {
			all[i] = entries[i].Signed
		}
		return c.verify(e, all, func(v *statement.Verified) error {
			if yes, err := sink.ReadsVerdicts(ctx); err != nil || !yes {
				fmt.Fprintln(e.stderr, "the rows of the verdicts are not compared: this user may not read database tillstream")
				return err
			}
			return archiveOf(sink).Compare(e.ctx, c.Agreement, entries, v.Documents)
		})
	})
}

// verify verifies statements, and what they were made of.
func (c *slaVerifyCmd) verify(e *env, all []statement.Signed, rows func(*statement.Verified) error) error {
	v, err := statement.Verify(all)
	switch {
	case err != nil:
		return err
	case len(v.Documents) == 0:
		return fmt.Errorf("no statement of agreement %s was issued", c.Agreement)
	case v.Documents[0].Agreement.Name != c.Agreement:
		return fmt.Errorf("the statements are of agreement %s, not of %s", v.Documents[0].Agreement.Name, c.Agreement)
	case c.Head != "" && !slices.ContainsFunc(all, func(s statement.Signed) bool { return s.Hash == c.Head }):
		return fmt.Errorf("the chain breaks at its end: %s is not in it; its last statement is %d, %s", c.Head, v.Last, v.Head)
	}
	if rows != nil {
		if err := rows(&v); err != nil {
			return err
		}
	}
	fmt.Fprintf(e.stdout, "the chain of %s holds: statements %d to %d, head %s\n", c.Agreement, v.First, v.Last, v.Head)
	if v.First > 1 {
		fmt.Fprintf(e.stdout, "what came before statement %d was not given, and is not proved\n", v.First)
	}
	return nil
}
