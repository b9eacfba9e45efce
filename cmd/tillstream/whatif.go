package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tillstream/tillstream/cmd/tillstream/manifest"
	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla/agreement"
	"github.com/tillstream/tillstream/processor/sla/evaluation"
	"github.com/tillstream/tillstream/processor/sla/statement"
	"github.com/tillstream/tillstream/processor/sla/verdict"
	"github.com/tillstream/tillstream/processor/sla/whatif"
	"github.com/tillstream/tillstream/sinks/clickhouse"
)

type slaWhatIfCmd struct {
	target
	File      []string      `short:"f" help:"Files of YAML, and directories: the agreements as they would be. What they refer to or inherit is in them, or was applied before." required:"" placeholder:"PATH"`
	Agreement []string      `arg:"" optional:"" help:"Agreements to compare; those whose text the files change if not given."`
	Period    []string      `help:"A past period: 2026-07 a month, 2026-07-26 a day, 2026-W30 a week, 2026-Q3 a quarter, 2026-H2 half a year, 2026 a year. May be given several times." placeholder:"PERIOD"`
	From      registry.Date `help:"Instead of --period: all periods that lie whole between this date …" placeholder:"DATE"`
	To        registry.Date `help:"… and the day before this one." placeholder:"DATE"`
	Version   int           `help:"Suppose the text of this version; of the last one if not given." placeholder:"N"`
	AsDated   bool          `help:"Do not suppose one text all along: each version holds on the days that it says, as it would after tillstream apply."`
	AsOf      instant       `help:"With what is in ClickHouse, as if it was this time. Now if not given." placeholder:"TIME"`
	All       bool          `help:"Print rows that are the same, too."`
	Format    string        `help:"table for people, json for programs." enum:"table,json" default:"table"`
}

func (*slaWhatIfCmd) Help() string {
	return `What another text would have decided and cost over past periods, beside what was decided: for the review of an agreement, before anybody signs.

  tillstream sla what-if --file new.yaml --period 2026-07 --period 2026-08
  tillstream sla what-if --file agreements/ acme-gold --from 2026-01-01 --to 2026-07-01 --format json

The newest version in the files is taken as if it had been in force all along. Files are checked as by tillstream sla check; what they inherit and do not
hold is what was applied. It measures as tillstream sla evaluate does, with what is known now, and writes nothing. docs/what-if.md has an example.`
}

func (c *slaWhatIfCmd) Run(e *env) error {
	if (len(c.Period) > 0) == (c.From != 0 || c.To != 0) || (c.From != 0) != (c.To != 0) {
		return usageError{errors.New("say for which periods: either --period, or both --from and --to")}
	}
	objects, err := manifest.Load(c.File)
	if err != nil {
		return usageError{err}
	}
	return c.open(e, func(sink *clickhouse.Sink) error {
		reports, err := c.compare(e.ctx, sink, objects)
		if err != nil {
			return err
		}
		if c.Format == "json" {
			enc := json.NewEncoder(e.stdout)
			enc.SetEscapeHTML(false)
			return enc.Encode(map[string]any{"agreements": reports})
		}
		for _, r := range reports {
			printWhatIf(e.stdout, r, c.All)
		}
		return nil
	})
}

// supposed is an agreement of which other texts are supposed.
type supposed struct {
	name    string
	was, is []agreement.Stretch // that are measured
	spans   []interval.Span     // of the periods that are asked for
}

// compare has both texts measured.
func (c *slaWhatIfCmd) compare(ctx context.Context, sink *clickhouse.Sink, objects []*manifest.Object) ([]*whatif.Report, error) {
	kept, stores, err := everything(ctx, sink)
	if err != nil {
		return nil, err
	}
	next := maps.Clone(kept)
	for _, o := range objects {
		next[o.Key()] = o
	}
	if err := next.Check(); err != nil {
		return nil, usageError{err}
	}
	at := time.Time(c.AsOf)
	if at.IsZero() {
		at = time.Now()
	}
	all, err := c.choose(kept.Book(), next.Book(), at.UnixMilli())
	if err != nil {
		return nil, err
	}
	first := interval.Max
	for _, s := range all {
		first = min(first, s.spans[0].From)
	}
	published, _, err := sink.Published(ctx, first-evaluation.Reach)
	if err != nil {
		return nil, err
	}
	// Agreements of one span are measured together: each store is read once for all of them.
	groups := map[interval.Span][]*supposed{}
	for _, s := range all {
		x := interval.Span{From: s.spans[0].From, To: s.spans[len(s.spans)-1].To}
		groups[x] = append(groups[x], s)
	}
	reports := map[string]*whatif.Report{}
	for x, group := range groups {
		measured := [2]map[string]*verdict.Supposed{}
		for i := range measured {
			s := verdict.Supposing{Stores: stores, Published: published, Span: x, At: at.UnixMilli()}
			for _, g := range group {
				texts := g.was
				if i == 1 {
					texts = g.is
				}
				if contract := evaluation.Compile(g.name, texts); contract != nil {
					s.Contracts = append(s.Contracts, contract)
				}
			}
			if measured[i], err = verdict.Suppose(ctx, sink, s); err != nil {
				return nil, err
			}
		}
		for _, g := range group {
			if reports[g.name], err = g.report(measured[0][g.name], measured[1][g.name], published, at.UnixMilli()); err != nil {
				return nil, err
			}
		}
	}
	var out []*whatif.Report
	for _, s := range all {
		out = append(out, reports[s.name])
	}
	return out, nil
}

// report compares what both texts of an agreement came to in the periods that were asked for.
func (s *supposed) report(was, is *verdict.Supposed, published map[evaluation.Key]*evaluation.Published, at int64) (*whatif.Report, error) {
	asked := func(x interval.Span) bool {
		return slices.ContainsFunc(s.spans, func(y interval.Span) bool { return x.Cut(y) == x })
	}
	in := &whatif.Input{
		Agreement: s.name, Span: interval.Span{From: s.spans[0].From, To: s.spans[len(s.spans)-1].To}, At: at, Was: s.was, Is: s.is,
		Decided: map[evaluation.Key]*evaluation.Published{},
	}
	for k, p := range published {
		if k.Contract == s.name && asked(p.Period) {
			in.Decided[k] = p
		}
	}
	for i, m := range [...]*verdict.Supposed{was, is} {
		if m == nil {
			continue
		}
		if m.Failed != nil {
			return nil, m.Failed
		}
		for _, parts := range m.Periods {
			switch {
			case !asked(parts[0].Part.Period):
			case i == 0:
				in.Today = append(in.Today, parts)
			default:
				in.Would = append(in.Would, parts)
			}
		}
	}
	return whatif.Compare(in), nil
}

// choose finds the agreements, their texts and the periods.
func (c *slaWhatIfCmd) choose(kept, next agreement.Book, at int64) ([]*supposed, error) {
	names := c.Agreement
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(next.Agreements))
	}
	var out []*supposed
	for _, name := range names {
		if next.Agreements[name] == nil {
			return nil, usageError{fmt.Errorf("there is no agreement %s, neither in the files nor in what was applied", name)}
		}
		s := &supposed{name: name}
		texts, err := next.Stretches(name)
		if err != nil {
			return nil, usageError{err}
		}
		if kept.Agreements[name] != nil {
			was, err := kept.Stretches(name)
			if err != nil {
				return nil, err
			}
			s.was = measuredTexts(was)
		}
		s.is = measuredTexts(texts)
		if len(c.Agreement) == 0 && (len(s.is) == 0 || slices.EqualFunc(s.was, s.is, sameText)) {
			continue
		}
		if len(s.is) == 0 {
			return nil, usageError{fmt.Errorf("agreement %s names no customer or no provider: it is there to be inherited, and decides nothing by itself", name)}
		}
		if !c.AsDated {
			if s.is, err = c.allAlong(name, s.is); err != nil {
				return nil, err
			}
		}
		if s.spans, err = c.spans(s, at); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	if len(out) == 0 {
		return nil, usageError{errors.New("the files change the text of no agreement that is measured: there is nothing to compare; name an agreement to have it measured all the same")}
	}
	return out, nil
}

func measuredTexts(all []agreement.Stretch) []agreement.Stretch {
	return slices.DeleteFunc(all, func(s agreement.Stretch) bool { return !s.Measured() })
}

func sameText(a, b agreement.Stretch) bool { return a.Span == b.Span && a.Hash() == b.Hash() }

// allAlong is the last text, or that of a version, as if it had always been in force.
func (c *slaWhatIfCmd) allAlong(name string, texts []agreement.Stretch) ([]agreement.Stretch, error) {
	number := func(s *agreement.Stretch) int { return cmp.Or(s.Amendment, s.Version) }
	wanted := c.Version
	for i := range texts {
		if c.Version == 0 {
			wanted = max(wanted, number(&texts[i]))
		}
	}
	i := len(texts) - 1
	for i >= 0 && number(&texts[i]) != wanted {
		i--
	}
	if i < 0 {
		return nil, usageError{fmt.Errorf("agreement %s has no version %d that is measured", name, c.Version)}
	}
	return []agreement.Stretch{{Resolved: texts[i].Resolved, First: texts[i].First, Span: interval.Span{From: interval.Min, To: interval.Max}}}, nil
}

// spans are the periods that are asked for, in order, as the supposed text divides time.
func (c *slaWhatIfCmd) spans(s *supposed, at int64) ([]interval.Span, error) {
	var out []interval.Span
	last := s.is[len(s.is)-1]
	zone := last.Zone()
	add := func(what string, x interval.Span) error {
		contract := evaluation.Compile(s.name, s.is)
		whole := slices.DeleteFunc(contract.Over(x), func(parts []*evaluation.Part) bool { return parts[0].Period.Cut(x) != parts[0].Period })
		switch {
		case len(whole) == 0 && len(contract.Over(x)) == 0:
			return usageError{fmt.Errorf("no text of agreement %s is in force in %s", s.name, what)}
		case len(whole) == 0:
			return usageError{fmt.Errorf("the periods of agreement %s are by %s, and none of them lies whole in %s", s.name, last.Terms.Period, what)}
		case x.To > at:
			return usageError{fmt.Errorf("%s is not over on %s: only what is over can be judged", what, time.UnixMilli(at).In(zone).Format(time.DateOnly))}
		}
		out = append(out, x)
		return nil
	}
	if c.From != 0 {
		if c.To <= c.From {
			return nil, usageError{fmt.Errorf("--to %s is not after --from %s", c.To, c.From)}
		}
		err := add(fmt.Sprintf("[%s, %s)", c.From, c.To), interval.Span{From: registry.Begins(zone, c.From), To: registry.Begins(zone, c.To)})
		return out, err
	}
	for _, text := range c.Period {
		x, err := statement.SpanOf(text, zone)
		if err != nil {
			return nil, usageError{err}
		}
		if err := add(text, x); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(out, func(a, b interval.Span) int { return cmp.Compare(a.From, b.From) })
	return slices.Compact(out), nil
}

// everything is what that was applied, and what it comes to for each store.
func everything(ctx context.Context, sink *clickhouse.Sink) (manifest.Set, map[string]*registry.Store, error) {
	all, err := sink.Registry(ctx)
	if err != nil {
		return nil, nil, err
	}
	set, stores := manifest.Set{}, map[string]*registry.Store{}
	for _, x := range all {
		switch {
		case x.Deleted:
		case x.Kind == kindDocument:
			if s := built(x.Name, x.Document); !s.Removed {
				stores[x.Name] = s
			}
		default:
			o, err := manifest.Parse(x.Kind, x.Document)
			if err != nil {
				return nil, nil, err
			}
			set[o.Key()] = o
		}
	}
	return set, stores, nil
}

// clauseText is what a clause says, for people.
func clauseText(json string) string {
	if json == "" {
		return "not said"
	}
	return strings.ReplaceAll(json, `"`, "")
}
