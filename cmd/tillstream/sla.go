package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tillstream/tillstream/cmd/tillstream/manifest"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla/agreement"
	"github.com/tillstream/tillstream/processor/sla/openslo"
)

type slaCmd struct {
	Check   slaCheckCmd   `cmd:"" help:"Explain what is wrong with files of agreements, with file, line and key."`
	Resolve slaResolveCmd `cmd:"" help:"Print the text of an agreement that is in force on a date, after inheritance, with its hash."`
	Export  slaExportCmd  `cmd:"" help:"Write objectives as plain OpenSLO v1, and say what is lost."`

	List     slaListCmd     `cmd:"" help:"List the agreements that were applied."`
	Status   slaStatusCmd   `cmd:"" help:"Show how agreements stand: figures, verdicts, budgets, credits."`
	Evaluate slaEvaluateCmd `cmd:"" help:"Measure all agreements once and publish what is news."`

	WhatIf slaWhatIfCmd `cmd:"" name:"what-if" help:"Say what another text would have decided and cost over past periods, beside what was decided."`

	Statement slaStatementCmd `cmd:"" help:"Write the statement of a period, as HTML or as the JSON that its hash is of."`
	Verify    slaVerifyCmd    `cmd:"" help:"Prove that no statement of an agreement was changed, left out or put in between, or say where."`
	Explain   slaExplainCmd   `cmd:"" help:"Walk from a verdict down to its evidence, the outages, the reports and their places in Kafka."`
}

// slaFiles are files of agreements, and of what they refer to.
type slaFiles struct {
	File []string `short:"f" help:"Files of YAML, and directories with *.yaml and *.yml in them: agreements, and the customers, services, suppliers and stores they name." required:"" placeholder:"PATH"`
}

// load reads them; whatever is wrong is a mistake of the caller.
func (c *slaFiles) load() (manifest.Set, error) {
	objects, err := manifest.Load(c.File)
	set := manifest.SetOf(objects)
	checked := set.Check()
	if err != nil { // what could be read is checked too, but for what it misses: that may be what could not
		for line := range strings.Lines(fmt.Sprint(checked)) {
			if checked != nil && !strings.Contains(line, ": there is no ") {
				err = fmt.Errorf("%w\n%s", err, strings.TrimSpace(line))
			}
		}
		return nil, usageError{err}
	}
	if checked != nil {
		return nil, usageError{checked}
	}
	if _, err := set.Resolve(); err != nil {
		return nil, usageError{err}
	}
	return set, nil
}

type slaCheckCmd struct{ slaFiles }

func (*slaCheckCmd) Help() string {
	return `Exit code 2 if anything is wrong. Nothing is written anywhere, and neither Kafka nor ClickHouse is asked.

  tillstream sla check -f agreements/ -f chain/

docs/agreements.md says how agreements are written.`
}

func (c *slaCheckCmd) Run(e *env) error {
	set, err := c.load()
	if err != nil {
		return err
	}
	for _, line := range set.Unmeasured() {
		fmt.Fprintln(e.stderr, "!", line)
	}
	fmt.Fprintf(e.stdout, "nothing is wrong with %d objects, %d of them agreements\n", len(set), len(set.Book().Agreements))
	return nil
}

type slaResolveCmd struct {
	slaFiles
	Agreement string        `arg:"" help:"The agreement's name."`
	On        registry.Date `help:"The local date; today if not given." placeholder:"DATE"`
	Format    string        `help:"yaml for people, with where each field is said; json for programs." enum:"yaml,json" default:"yaml"`
}

func (*slaResolveCmd) Help() string {
	return `For example

  tillstream sla resolve -f agreements/ acme-gold --on 2026-03-01
  tillstream sla resolve -f agreements/ acme-gold --on 2026-03-01 --format json | jq -r .hash

The hash is the SHA-256 of the text as canonical JSON (.text of --format json: keys sorted, no blanks). Statements carry it.`
}

// stretch is the text in force on a date; today if none is given.
func stretch(set manifest.Set, name string, on registry.Date) (*agreement.Stretch, registry.Date, error) {
	if on == 0 {
		y, m, d := time.Now().Date()
		on = registry.DateOf(y, m, d)
	}
	all, err := set.Book().Stretches(name)
	if err != nil {
		return nil, on, usageError{fmt.Errorf("%w; the files have %s", err, strings.Join(slices.Sorted(maps.Keys(set.Book().Agreements)), ", "))}
	}
	for i := range all {
		if s := &all[i]; s.First <= on && (s.Until == nil || on < *s.Until) {
			return s, on, nil
		}
	}
	return nil, on, fmt.Errorf("%w of %s on %s; its versions are in force %s", agreement.ErrNotInForce, name, on, spans(all))
}

// spans are the times in which texts are in force.
func spans(all []agreement.Stretch) string {
	var out []string
	for i, s := range all {
		if i > 0 && all[i-1].Version == s.Version {
			continue
		}
		last := s
		for _, x := range all[i:] {
			if x.Version == s.Version {
				last = x
			}
		}
		until := "on"
		if last.Until != nil {
			until = "to " + last.Until.String()
		}
		out = append(out, fmt.Sprintf("from %s %s", s.First, until))
	}
	return strings.Join(out, ", ")
}

// resolvedText is what is printed of a text: the terms as they are written, and whose they are.
type resolvedText struct {
	Type  string `json:"type"`
	Level string `json:"level"`
	agreement.Terms
}

func (c *slaResolveCmd) Run(e *env) error {
	set, err := c.load()
	if err != nil {
		return err
	}
	s, on, err := stretch(set, c.Agreement, c.On)
	if err != nil {
		return err
	}
	origins := map[string]string{}
	for path, place := range s.Origins() {
		origins[path] = set.Where(place)
	}
	if c.Format == "json" {
		return writeJSON(e.stdout, s, origins)
	}
	until := "until a later version"
	if s.Until != nil {
		until = "until " + s.Until.String() + " (the first day on which it is not)"
	}
	fmt.Fprintf(e.stdout, "# Agreement %s, version %d of %s; this text is in force from %s %s\n# %s\n", s.Agreement, s.Version, s.From, s.First, until, s.Hash())
	if s.Amendment != 0 {
		fmt.Fprintf(e.stdout, "# amended by version %d, signed on %s: %s\n", s.Amendment, s.Signed.On, s.Reason)
	}
	if next, ok := s.Next(on); ok {
		fmt.Fprintf(e.stdout, "# review due on %s, changes to be announced by %s\n", next.Due, next.Notice)
	}
	if !s.Measured() {
		fmt.Fprintln(e.stdout, "# a text for others to inherit: it names no customer or no provider, so nothing is measured by it")
	}
	return manifest.WriteYAML(e.stdout, resolvedText{s.Type, s.Level, s.Terms}, func(path string) string { return origins[path] })
}

type slaExportCmd struct {
	slaFiles
	Agreement []string      `arg:"" optional:"" help:"Names of agreements; all that are measured if not given."`
	On        registry.Date `help:"The text in force on this local date; today if not given." placeholder:"DATE"`
}

func (*slaExportCmd) Help() string {
	return `For example

  tillstream sla export -f agreements/ acme-gold --on 2026-03-01 > acme-gold.openslo.yaml

OpenSLO has no words for service hours, exclusions, parties, scope and money. What is lost of an objective is in its annotation
tillstream.dev/lost, and on standard error.`
}

func (c *slaExportCmd) Run(e *env) error {
	set, err := c.load()
	if err != nil {
		return err
	}
	names := c.Agreement
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(set.Book().Agreements))
	}
	services := map[string]bool{}
	first := true
	for _, name := range names {
		s, on, err := stretch(set, name, c.On)
		if len(c.Agreement) == 0 && (errors.Is(err, agreement.ErrNotInForce) || err == nil && !s.Measured()) {
			continue
		}
		if err != nil {
			return err
		}
		if !s.Measured() {
			return usageError{fmt.Errorf("%s names no customer or no provider: it is there to be inherited, and has nothing to export", name)}
		}
		docs, lost := openslo.Export(s.Resolved, on)
		for _, doc := range docs {
			if doc.Kind == openslo.KindService && services[doc.Metadata.Name] {
				continue
			}
			services[doc.Metadata.Name] = true
			if !first {
				fmt.Fprintln(e.stdout, "---")
			}
			first = false
			if err := manifest.WriteYAML(e.stdout, doc, nil); err != nil {
				return err
			}
		}
		for _, l := range lost {
			fmt.Fprintf(e.stderr, "%s, %s: OpenSLO cannot say %s\n", name, l.Objective, strings.Join(l.Keys, ", "))
		}
	}
	if first {
		return usageError{errors.New("no agreement that is measured is in force then; see tillstream sla check, and --on")}
	}
	return nil
}

// writeJSON prints a text for programs. It is the canonical one, byte for byte, so that its hash can be checked.
func writeJSON(w io.Writer, s *agreement.Stretch, origins map[string]string) error {
	until := ""
	if s.Until != nil {
		until = s.Until.String()
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(struct {
		Agreement string            `json:"agreement"`
		Version   int               `json:"version"`
		From      registry.Date     `json:"from"`
		Until     string            `json:"until,omitzero"`
		Amendment int               `json:"amendment,omitzero"`
		Hash      string            `json:"hash"`
		Measured  bool              `json:"measured"`
		Text      json.RawMessage   `json:"text"`
		Origins   map[string]string `json:"origins"`
	}{s.Agreement, s.Version, s.First, until, s.Amendment, s.Hash(), s.Measured(), s.Canonical(), origins})
}
