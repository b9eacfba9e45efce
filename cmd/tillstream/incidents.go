package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/tillstream/tillstream/cmd/tillstream/config"
	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/sinks/clickhouse"
	"github.com/tillstream/tillstream/sinks/kafka"
)

type incidentsCmd struct {
	List   incidentsListCmd   `cmd:"" help:"List them, the latest first."`
	Show   incidentsShowCmd   `cmd:"" help:"Show one, with every step: who did what, when and why."`
	Assign incidentsAssignCmd `cmd:"" help:"Say whose it is, also afterwards. That is a step of its own, kept with who, when and why."`
}

type incidentsListCmd struct {
	target
	Store  string  `help:"Only those of this store." placeholder:"STORE"`
	Status string  `help:"Only those that are open, paused, resolved, closed or cancelled." placeholder:"STATUS"`
	Party  string  `help:"Only those of this party." placeholder:"PARTY"`
	Since  instant `help:"Only those that began at this time or later: 2026-11-01, or RFC 3339." placeholder:"TIME"`
	Format string  `help:"How rows are printed: table for people, csv or json for programs." enum:"table,csv,json" default:"table"`
}

func (*incidentsListCmd) Help() string {
	return `How incidents are reckoned is in docs/incidents.md.

  tillstream incidents list --status open
  tillstream incidents list --config tillstream.yaml --store 0042 --since 2026-11-01`
}

func (c *incidentsListCmd) Run(e *env) error {
	return c.open(e, func(sink *clickhouse.Sink) error {
		result, err := sink.Incidents(e.ctx, clickhouse.IncidentFilter{Store: c.Store, Status: c.Status, Party: c.Party, Since: time.Time(c.Since)})
		if err != nil {
			return err
		}
		return show(e, result, clickhouse.Format(c.Format))
	})
}

// which names an incident.
type which struct {
	Incident string `arg:"" help:"The incident's id."`
	Store    string `help:"Its store." required:"" placeholder:"STORE"`
}

// exists says that ClickHouse knows the incident, or where to look.
func (w *which) exists(ctx context.Context, sink *clickhouse.Sink) error {
	n, err := sink.CountIncidentSteps(ctx, w.Store, w.Incident, "")
	if err == nil && n == 0 {
		return fmt.Errorf("store %s has no incident %s; see tillstream incidents list --store %s", w.Store, w.Incident, w.Store)
	}
	return err
}

// show prints an incident and its steps.
func (w *which) show(e *env, sink *clickhouse.Sink, format string) error {
	row, err := sink.Incident(e.ctx, w.Store, w.Incident)
	if err != nil {
		return err
	}
	if err := row.Write(e.stdout, clickhouse.Format(format)); err != nil {
		return err
	}
	fmt.Fprintln(e.stdout)
	steps, err := sink.IncidentSteps(e.ctx, w.Store, w.Incident)
	if err != nil {
		return err
	}
	return steps.Write(e.stdout, clickhouse.Format(format))
}

type incidentsShowCmd struct {
	which
	target
	Format string `help:"How rows are printed: table for people, csv or json for programs." enum:"table,csv,json" default:"table"`
}

func (*incidentsShowCmd) Help() string {
	return `Ids are those of tillstream incidents list.

  tillstream incidents show INC-4711 --store 0042`
}

func (c *incidentsShowCmd) Run(e *env) error {
	return c.open(e, func(sink *clickhouse.Sink) error {
		if err := c.exists(e.ctx, sink); err != nil {
			return err
		}
		return c.show(e, sink, c.Format)
	})
}

type incidentsAssignCmd struct {
	which
	Config   string        `help:"Configuration file: Kafka gets the decision, ClickHouse shows it." type:"path" placeholder:"FILE"`
	Party    string        `help:"Who answers for it: ${enum}." enum:"provider,customer,third_party,force_majeure,shared,undetermined" required:""`
	Cause    string        `help:"The cause, if it is another one than was thought." placeholder:"CAUSE"`
	Supplier string        `help:"The supplier, if it is one's." placeholder:"SUPPLIER"`
	Reason   string        `help:"Why. It is kept." required:"" placeholder:"TEXT"`
	By       string        `help:"Who decided; you and this machine if not given." placeholder:"NAME"`
	Wait     time.Duration `help:"How long to wait until it is folded." default:"1m"`
}

func (*incidentsAssignCmd) Help() string {
	return `What agreements make of it is in docs/incidents.md.

  tillstream incidents assign INC-4711 --store 0042 --party third_party --supplier telco-x --reason "their line" --config tillstream.yaml`
}

func (c *incidentsAssignCmd) Run(e *env) error {
	if strings.TrimSpace(c.Reason) == "" {
		return usageError{errors.New("--reason is needed: it is kept with the decision")}
	}
	cfg, err := loadConfig(e, c.Config)
	if err != nil {
		return err
	}
	id, value, err := c.event(time.Now())
	if err != nil {
		return err
	}
	p := processorConfig(cfg)
	var read event.Event
	if r := event.NewDecoder(p.EventOptions()).Decode(append([]byte(nil), value...), &read); r != nil {
		return usageError{fmt.Errorf("%s: expected %s", r.Field, r.Expected)}
	}
	sink, err := openSink(cfg)
	if err != nil {
		return err
	}
	defer sink.Close()
	if err := c.exists(e.ctx, sink); err != nil {
		return err
	}
	if err := c.send(e.ctx, cfg, value); err != nil {
		return err
	}
	if err := c.await(e.ctx, sink, id); err != nil {
		return err
	}
	return c.show(e, sink, "table")
}

// event is the step that records the decision.
func (c *incidentsAssignCmd) event(now time.Time) (id string, value []byte, err error) {
	by := c.By
	if by == "" {
		by = person()
	}
	id = fmt.Sprintf("assigned/%d", now.UnixNano())
	value, err = json.Marshal(struct {
		ID         string    `json:"id"`
		Source     string    `json:"source"`
		Type       string    `json:"type"`
		Time       time.Time `json:"time"`
		StoreID    string    `json:"store_id"`
		IncidentID string    `json:"incident_id"`
		Step       string    `json:"step"`
		Party      string    `json:"party"`
		Cause      string    `json:"cause,omitempty"`
		Supplier   string    `json:"supplier,omitempty"`
		By         string    `json:"by"`
		Reason     string    `json:"reason"`
	}{id, "tillstream", event.TypeIncident, now, c.Store, c.Incident, "assigned", c.Party, c.Cause, c.Supplier, by, c.Reason})
	return id, value, err
}

func (c *incidentsAssignCmd) send(ctx context.Context, cfg *config.Config, value []byte) error {
	source, err := openKafka(cfg, zap.NewNop())
	if err != nil {
		return err
	}
	defer source.close()
	if err := source.topics(ctx, kafka.Creation{}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, reachable)
	defer cancel()
	w := kafka.NewWriter(source.client, source.log)
	err = w.Write(ctx, kafka.Event{Topic: topicOf[event.TypeIncident], StoreID: c.Store, Value: value})
	if flushed := w.Flush(ctx); err == nil {
		err = flushed
	}
	if err != nil {
		return fmt.Errorf("sending the decision: %w", err)
	}
	return nil
}

// await waits until the step is folded.
func (c *incidentsAssignCmd) await(ctx context.Context, sink *clickhouse.Sink, id string) error {
	ctx, cancel := context.WithTimeout(ctx, c.Wait)
	defer cancel()
	look := time.NewTicker(250 * time.Millisecond)
	defer look.Stop()
	for {
		n, err := sink.CountIncidentSteps(ctx, c.Store, c.Incident, id)
		switch {
		case n > 0:
			return nil
		case ctx.Err() == nil && err != nil:
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the decision is in Kafka as event %s and counts once it is folded, which has not happened within %v: is tillstream run at work? Look with tillstream ready, and do not send it again", id, c.Wait)
		case <-look.C:
		}
	}
}
