package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tillstream/tillstream/processor/availability"
	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/sla/agreement"
	"github.com/tillstream/tillstream/processor/sla/archive"
	"github.com/tillstream/tillstream/processor/sla/statement"
	"github.com/tillstream/tillstream/sinks/clickhouse"
)

type slaExplainCmd struct {
	periodOf
	target
	Objective string `help:"Which promise." required:"" placeholder:"NAME"`
	Scope     string `help:"Which terminal (store/terminal), store, service or customer; the one that fares worst if not given." placeholder:"SCOPE"`
	Rows      int    `help:"How many rows of evidence, those that weigh most." default:"20" placeholder:"N"`
}

func (*slaExplainCmd) Help() string {
	return `Walks from a verdict to its evidence, from that to outages and statuses, and to the offsets in Kafka from which they came:

  tillstream sla explain acme-gold --period 2026-10 --objective terminal-availability --scope 0042/till-3

It reads what holds now; what was published is in tillstream sla statement. With --config, or of a demo in --data, the very reports and sales that began and ended
what is in evidence are looked up in Kafka, as far as it still holds them, and named by topic, partition and offset. Without, the range of offsets is that
which the books have of their partition and day.`
}

func (c *slaExplainCmd) Run(e *env) error {
	return c.open(e, func(sink *clickhouse.Sink) error {
		contract, first, err := c.find(e.ctx, sink)
		if err != nil {
			return err
		}
		a := archiveOf(sink)
		a.Limits = statement.Limits{Scopes: 1, Evidence: max(c.Rows, 1)}
		d, err := a.Part(e.ctx, contract, first, c.Objective, c.Scope)
		if errors.Is(err, archive.ErrNothing) {
			return fmt.Errorf("nothing was published of %s, objective %s%s, in %s; see SELECT DISTINCT objective, scope, store_id FROM pos.sla_compliance WHERE contract = '%s'",
				c.Agreement, c.Objective, strings.Repeat(", scope "+c.Scope, min(len(c.Scope), 1)), c.Period, c.Agreement)
		}
		if err != nil {
			return err
		}
		all, err := statement.Explain(d, "en")
		if err != nil {
			return err
		}
		source, done, err := c.kafka(e)
		if err != nil {
			return err
		}
		defer done()
		w := walk{e.ctx, e.stdout, sink, d, nil}
		if source != nil {
			w.records = newRecords(e.ctx, source)
		}
		for i := range all {
			if err := w.explain(&all[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// walk prints the way from a verdict to the offsets.
type walk struct {
	ctx  context.Context
	out  io.Writer
	sink *clickhouse.Sink
	*statement.Document
	records *records // nil: no Kafka is known
}

func (w *walk) line(indent int, format string, args ...any) {
	fmt.Fprintf(w.out, strings.Repeat("  ", indent)+format+"\n", args...)
}

func (w *walk) at(ms int64) string {
	if ms == 0 {
		return "now"
	}
	return time.UnixMilli(ms).In(w.Period.From.Location()).Format("2006-01-02 15:04:05.000")
}

func (w *walk) explain(x *statement.Explained) error {
	w.line(0, "%s, %s: %s, %s", w.Agreement.Name, w.Document.Period.Name, x.Objective, x.Scope)
	w.line(1, "promised: %s", x.Promise)
	w.line(1, "%s: %s", x.Verdict, x.Figures)
	for _, why := range x.Why {
		w.line(1, "%s", why)
	}
	for _, t := range w.Texts {
		w.line(1, "text: version %d, %s", t.Version, t.Hash)
	}
	w.line(0, "evidence: %d of %d rows, times in %s", len(x.Evidence), x.Rows, w.Agreement.Zone)
	for i := range x.Evidence {
		r := &x.Evidence[i]
		parts := []string{r.When, r.What, r.Length, r.Decision}
		for _, s := range []string{r.Party, r.Ref, r.Remark} {
			if s = strings.Trim(s, "; "); s != "" {
				parts = append(parts, s)
			}
		}
		w.line(1, "%s", strings.Join(parts, ", "))
		if err := w.sources(w.objective(x.Objective), r.Evidence); err != nil {
			return err
		}
	}
	return nil
}

// sources are the outages, statuses and offsets behind a row of evidence.
func (w *walk) sources(o *statement.Objective, e *statement.Evidence) error {
	per, repair := o.Per, o.Indicator == agreement.TimeToRepair // whose cases are outages
	x := interval.Span{From: e.From.UnixMilli(), To: e.To.UnixMilli()}
	id := e.Ref
	switch {
	case e.Kind == "incident" && !repair:
		w.line(2, "its steps: SELECT * FROM pos.incident_steps WHERE incident_id = '%s' ORDER BY at", e.Ref)
		return nil
	case e.Kind == "exclusion" && !strings.Contains(e.Ref, "/"):
		w.line(2, "its steps: SELECT * FROM pos.maintenance WHERE maintenance_id = '%s'", e.Ref)
		return nil
	case e.Kind == "payments" || e.Kind == "slice" || e.Kind == "answers":
		w.events(per, e)
		return nil
	case per == "terminal" || per == "store":
		id = "" // what the store was is known by its tills
	case e.Ref == "":
		return nil // of whom is not said: the scope has many
	}
	var store, till string
	if id == "" {
		store, till, _ = strings.Cut(e.Scope, "/")
		if i := strings.LastIndex(e.Ref, "/"); repair && i > 0 {
			till = e.Ref[:i]
		}
	}
	outages, err := w.sink.OutagesOf(w.ctx, store, till, id, x)
	if err != nil {
		return err
	}
	tills := map[[2]string]bool{}
	if till != "" {
		tills[[2]string{store, till}] = true
	}
	for _, o := range outages {
		w.line(2, "outage %s of %s/%s: %s – %s, cause %s, party %s by %s%s", o.ID, o.Store, o.Terminal, w.at(o.From), w.at(o.To), some(o.Cause), some(o.Party), some(o.Rule),
			strings.Repeat(", incident "+o.Incident, min(len(o.Incident), 1)))
		tills[[2]string{o.Store, o.Terminal}] = true
	}
	for _, t := range slices.SortedFunc(maps.Keys(tills), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		if err := w.till(t[0], t[1], x); err != nil {
			return err
		}
	}
	return nil
}

// events says where the attempts and answers are that a row of evidence counts.
func (w *walk) events(per string, e *statement.Evidence) {
	table, of := "payments_hourly", ""
	switch {
	case e.Kind == "answers":
		table = "terminal_responses"
	case e.Kind == "slice" || per == "terminal":
		table = "terminal_payments"
	}
	store, till, _ := strings.Cut(e.Scope, "/")
	switch per {
	case "store", "terminal":
		of = " AND store_id = '" + store + "'"
		if till != "" {
			of += " AND terminal_id = '" + till + "'"
		}
	}
	const utc = "2006-01-02 15:04:05"
	w.line(2, "by hour: SELECT * FROM pos.%s WHERE hour >= '%s' AND hour < '%s'%s", table, e.From.UTC().Truncate(time.Hour).Format(utc), e.To.UTC().Format(utc), of)
}

// till is what a till was in a span, and the records that it was made of.
func (w *walk) till(store, till string, x interval.Span) error {
	statuses, err := w.sink.StatusIntervals(w.ctx, store, till, x)
	if err != nil {
		return err
	}
	ranges, late, err := w.sink.Offsets(w.ctx, topicOf[event.TypeHealth], availability.KindTerminal, clickhouse.StateKey(store, till), x)
	if err != nil {
		return err
	}
	edges := make([][2]edge, len(statuses))
	for i := range statuses {
		if edges[i], err = w.edges(store, till, &statuses[i]); err != nil {
			return err
		}
	}
	found, missing, err := w.find(store, till, edges, ranges)
	if err != nil {
		return err
	}
	for i, s := range statuses {
		w.line(2, "%s/%s was %s%s: %s – %s, cause %s; written by batch %d of epoch %d", store, till, s.Status, s.Lost, w.at(s.From), w.at(s.To), some(s.Cause), s.Batch, s.Epoch)
		what := [2]string{"began with", "ended with"}
		if s.Status == "silent" {
			what[0] = "heard last before it"
		}
		for k, e := range edges[i] {
			if r, ok := found[e]; ok {
				w.line(3, "%s: %s", what[k], w.describe(&r))
			}
		}
	}
	if missing {
		w.offsets(topicOf[event.TypeHealth], ranges, late)
	}
	return nil
}

// edges are where a status began and ended, as far as a record made it so. A till that is up is in no evidence.
func (w *walk) edges(store, till string, s *clickhouse.StatusInterval) (out [2]edge, err error) {
	if s.Status == "up" {
		return out, nil
	}
	if out[0].at = s.From; s.Status == "silent" {
		at, known, err := w.sink.LastHeard(w.ctx, store, till, s.From)
		if err != nil {
			return out, err
		}
		if out[0].last = !known; known {
			out[0].at = at
		}
	}
	out[1].at = s.To // 0 while it lasts
	return out, nil
}

// find looks up the records of statuses, where a Kafka is known. missing says that some are not there.
func (w *walk) find(store, till string, all [][2]edge, ranges []clickhouse.OffsetRange) (found map[edge]witness, missing bool, err error) {
	var edges []edge
	for _, two := range all {
		for _, e := range two {
			if e != (edge{}) && !slices.Contains(edges, e) {
				edges = append(edges, e)
			}
		}
	}
	if len(edges) == 0 {
		return nil, false, nil
	}
	if w.records == nil || len(ranges) == 0 {
		return nil, true, nil
	}
	found, kept, err := w.records.find(w.ctx, ranges[0].Partition, store, till, edges)
	if err != nil {
		return nil, false, err
	}
	if missing = len(found) < len(edges); missing && kept > 0 {
		w.line(2, "Kafka holds no records of this partition from before %s: they cannot be fetched any more", w.at(kept))
	}
	return found, missing, nil
}

// describe says which record of Kafka one is.
func (w *walk) describe(r *witness) string {
	if r.from != r.at {
		r.what += ", begun at " + w.at(r.from) + " and ended"
	}
	s := fmt.Sprintf("%s at %s, id %s: topic %s, partition %d, offset %d (Kafka got it at %s)", r.what, w.at(r.at), r.id, r.Topic, r.Partition, r.offset, w.at(r.received))
	if r.behind != 0 {
		s += fmt.Sprintf("; it says %s, by a clock that was %s behind", w.at(r.at-r.behind), time.Duration(r.behind)*time.Millisecond)
	}
	return s
}

// offsets are where reports are in Kafka, as far as the books know.
func (w *walk) offsets(topic string, ranges []clickhouse.OffsetRange, late bool) {
	what := "reports"
	if late {
		what = "reports came later"
	}
	for _, r := range ranges {
		w.line(2, "%s: topic %s, partition %d, among offsets %d to %d (taken in on %s UTC, epoch %d)", what, r.Topic, r.Partition, r.From, r.To-1, r.Day, r.Epoch)
	}
	if len(ranges) == 0 {
		w.line(2, "reports: the books have no offsets of topic %s since then for the partition of this store", topic)
	}
}

// objective finds one by its name; one that is not there has no indicator.
func (w *walk) objective(name string) *statement.Objective {
	for i := range w.Objectives {
		if w.Objectives[i].Name == name {
			return &w.Objectives[i]
		}
	}
	return &statement.Objective{}
}

func some(s string) string {
	if s == "" {
		return "not said"
	}
	return s
}
