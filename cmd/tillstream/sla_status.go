package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla/agreement"
	"github.com/tillstream/tillstream/sinks/clickhouse"
)

type slaStatusCmd struct {
	target
	Agreement string        `arg:"" optional:"" help:"Only this one."`
	Since     registry.Date `help:"Also periods that are final, if they began on this date or later." placeholder:"DATE"`
	Format    string        `help:"How rows are printed: table for people, csv or json for programs." enum:"table,csv,json" default:"table"`
}

func (*slaStatusCmd) Help() string {
	return `Of every objective and scope of the periods that run, or are not final yet: the figure beside the target, the verdict, the worst and the best it can have been,
how much was measured, what is left of the budget, the credit so far, until when it can be claimed, and when the agreement is reviewed.

  tillstream sla status acme-gold
  tillstream sla status --since 2026-10-01 --format csv`
}

func (c *slaStatusCmd) Run(e *env) error {
	since := ""
	if c.Since != 0 {
		since = c.Since.String() + " 00:00:00"
	}
	return c.open(e, func(sink *clickhouse.Sink) error {
		result, err := sink.SLAStatus(e.ctx, c.Agreement, since)
		if err != nil {
			return err
		}
		if err := show(e, result, clickhouse.Format(c.Format)); err != nil {
			return err
		}
		to := e.stdout
		if c.Format != "table" {
			to = e.stderr
		}
		return c.rights(e.ctx, sink, to)
	})
}

// rights prints what parties may do beyond money, as of when agreements were evaluated last, and why.
func (c *slaStatusCmd) rights(ctx context.Context, sink *clickhouse.Sink, w io.Writer) error {
	all, err := contracts(ctx, sink)
	if err != nil {
		return err
	}
	periods, err := sink.Periods(ctx)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if c.Agreement != "" && c.Agreement != name || len(periods[name]) == 0 {
			continue
		}
		asOf := int64(0)
		for _, p := range periods[name] {
			asOf = max(asOf, p.AsOf)
		}
		rights, err := archiveOf(sink).Rights(ctx, all[name], asOf)
		if err != nil {
			return err
		}
		for _, r := range rights {
			within, pending := "", ""
			if r.Within != "" {
				within = " within " + r.Within
			}
			if r.Pending {
				pending = "; not all of these are final yet"
			}
			fmt.Fprintf(w, "%s gives a right: %s; %s of %s was not kept in %s (agreed: %d breaches%s)%s\n", name, r.Right, r.Objective, r.Scope, strings.Join(r.Periods, ", "), r.Breaches, within, pending)
		}
	}
	return nil
}

type slaListCmd struct {
	target
	Format string `help:"How rows are printed: table for people, csv or json for programs." enum:"table,csv,json" default:"table"`
}

func (*slaListCmd) Help() string {
	return `The agreements that were applied: the text of each that is in force today, or the first to come, and what keeps it from being measured.

  tillstream sla list
  tillstream sla list --config tillstream.yaml --format csv`
}

func (c *slaListCmd) Run(e *env) error {
	return c.open(e, func(sink *clickhouse.Sink) error {
		book, _, err := (texts{sink}).Texts(e.ctx)
		if err != nil {
			return err
		}
		names := []string{"agreement", "type", "level", "version", "from", "until", "customer", "provider", "period", "objectives", "review_due", "notice_until", "problem"}
		result := &clickhouse.Result{}
		for _, n := range names {
			result.Columns = append(result.Columns, clickhouse.Column{Name: n, Type: "String"})
		}
		result.Rows = func(yield func([]any, error) bool) {
			for _, name := range slices.Sorted(maps.Keys(book.Agreements)) {
				if !yield(listing(book, name, time.Now()), nil) {
					return
				}
			}
		}
		return show(e, result, clickhouse.Format(c.Format))
	})
}

// listing is an agreement in one row of texts.
func listing(book agreement.Book, name string, now time.Time) []any {
	a := book.Agreements[name]
	row := []any{name, a.Type, a.Level, "", "", "", "", "", "", "", "", "", ""}
	all, err := book.Stretches(name)
	if err != nil {
		row[12] = strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	i := slices.IndexFunc(all, func(s agreement.Stretch) bool { return now.UnixMilli() < s.Span.To })
	if i < 0 {
		if err == nil {
			row[12] = "no version is in force any more"
		}
		return row
	}
	s := &all[i]
	row[3], row[4] = fmt.Sprint(s.Version), s.First.String()
	if s.Until != nil {
		row[5] = s.Until.String()
	}
	row[6], row[7], row[8] = s.Terms.Parties.Customer, s.Terms.Parties.Provider, s.Terms.Period
	var objectives []string
	for _, o := range s.Terms.Objectives {
		objectives = append(objectives, o.Name)
	}
	row[9] = strings.Join(objectives, ", ")
	y, m, d := now.In(s.Zone()).Date()
	if next, ok := s.Next(registry.DateOf(y, m, d)); ok {
		row[10], row[11] = next.Due.String(), next.Notice.String()
	}
	if err == nil && !s.Measured() {
		row[12] = "a text for others to inherit: it is not measured"
	}
	return row
}
