package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/tillstream/tillstream/cmd/tillstream/config"
	"github.com/tillstream/tillstream/cmd/tillstream/doctor"
	"github.com/tillstream/tillstream/console"
	roles "github.com/tillstream/tillstream/deploy/clickhouse"
	"github.com/tillstream/tillstream/processor/commit"
	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/processor/format/schemaregistry"
	"github.com/tillstream/tillstream/sinks/alertmanager"
	"github.com/tillstream/tillstream/sinks/clickhouse"
	sinkkafka "github.com/tillstream/tillstream/sinks/kafka"
)

type doctorCmd struct {
	Config string `help:"Configuration file of the processor." type:"path" placeholder:"FILE"`
	Data   string `help:"Look at the demo of this data directory, running or not." placeholder:"DIR"`
	JSON   bool   `name:"json" help:"Print the findings as JSON, for programs."`
	Strict bool   `help:"What should be looked at counts as wrong, too."`
}

func (*doctorCmd) Help() string {
	return `Looks at Kafka, ClickHouse, the consumer group, the registry and the configuration, and says what to change. It changes nothing, but for a table
tillstream.canary_… that lives for a moment, as at every start. Exit code: 0 if nothing is wrong, 1 if something is, 2 if the configuration cannot be used.

  tillstream doctor --config tillstream.yaml
  tillstream doctor --config tillstream.yaml --json | jq '.[] | select(.level == "fail")'
  tillstream doctor --data tillstream-data`
}

func (c *doctorCmd) Run(e *env) error {
	cfg, done, err := configOf(e, c.Config, c.Data)
	if err != nil {
		return err
	}
	defer done()
	facts, err := gather(e.ctx, cfg)
	if err != nil {
		return err
	}
	facts.Demo = c.Data != ""
	all := doctor.Examine(facts)
	if c.JSON {
		err = doctor.WriteJSON(e.stdout, all)
	} else {
		err = doctor.WriteTable(e.stdout, all, coloured(e.stdout, e.environ))
	}
	wrong, looked := doctor.Count(all, doctor.Fail), doctor.Count(all, doctor.Warn)
	switch {
	case err != nil:
		return err
	case wrong > 0:
		return fmt.Errorf("%d of %d checks failed: see above", wrong, len(all))
	case c.Strict && looked > 0:
		return fmt.Errorf("%d of %d checks should be looked at: see above", looked, len(all))
	}
	return nil
}

// coloured says whether what is written is for a terminal, whose user has not said otherwise (no-color.org).
func coloured(w io.Writer, environ []string) bool {
	return terminal(w) && !slices.ContainsFunc(environ, func(v string) bool { return strings.HasPrefix(v, "NO_COLOR=") && v != "NO_COLOR=" })
}

// gather asks Kafka and ClickHouse, each for as long as a sentence about a wrong address may take.
func gather(ctx context.Context, cfg *config.Config) (*doctor.Facts, error) {
	facts := &doctor.Facts{Config: cfg, Now: time.Now(), Expiry: expiry(cfg)}
	kafka, err := openKafka(cfg, zap.NewNop())
	if err != nil {
		return nil, err
	}
	defer kafka.close()
	sink, err := openSink(cfg)
	if err != nil {
		return nil, err
	}
	defer sink.Close()
	within := func(f func(context.Context) error) error {
		ctx, cancel := context.WithTimeout(ctx, reachable)
		defer cancel()
		return f(ctx)
	}
	k, c, g, r := &facts.Kafka, &facts.ClickHouse, &facts.Group, &facts.Registry
	k.Err = within(func(ctx context.Context) error { return kafka.inspect(ctx, k) })
	_ = within(func(ctx context.Context) error { inspectClickHouse(ctx, cfg, sink, c); return nil })
	migrated := c.Proved(clickhouse.ProofMigrations)
	if r.Asked = migrated; migrated {
		r.Err = within(func(ctx context.Context) error { return inspectRegistry(ctx, sink, r) })
	}
	if g.Asked = migrated && k.Err == nil && readable(cfg, k.Topics); g.Asked {
		g.Err = within(func(ctx context.Context) error { return kafka.inspectGroup(ctx, sink, g) })
	}
	_ = within(func(ctx context.Context) error { facts.Services = inspectServices(ctx, cfg); return nil })
	return facts, ctx.Err()
}

// inspectServices asks each server for itself: those who use them are content with one.
func inspectServices(ctx context.Context, cfg *config.Config) (all []doctor.Service) {
	r := &cfg.Formats.SchemaRegistry
	for _, u := range r.URLs {
		client, err := schemaregistry.New(schemaregistry.Config{URLs: []string{u}, Login: httpLogin(&r.HTTPLogin)})
		if err == nil {
			err = client.Check(ctx)
		}
		all = append(all, doctor.Service{What: doctor.SchemaRegistry, URL: u, Err: err})
	}
	if o := &cfg.Console.OIDC; cfg.Console.Enabled && o.Issuer != "" {
		people, err := openLogin(cfg, console.Groups{})
		if err == nil {
			err = people.Check()
		}
		all = append(all, doctor.Service{What: doctor.LoginProvider, URL: o.Issuer, Err: err})
	}
	a := &cfg.Alerts.Alertmanager
	if cfg.Alerts.Every == 0 || len(a.URLs) == 0 {
		return all
	}
	client, err := alertmanager.New(alertmanager.Config{URLs: a.URLs, Login: httpLogin(&a.HTTPLogin), Log: zap.NewNop()}, time.Now)
	if err != nil {
		return append(all, doctor.Service{What: doctor.Alertmanager, URL: strings.Join(a.URLs, ", "), Err: err})
	}
	defer client.Close()
	found := client.Check(ctx)
	for _, u := range slices.Sorted(maps.Keys(found)) {
		all = append(all, doctor.Service{What: doctor.Alertmanager, URL: u, Err: found[u]})
	}
	return all
}

// expiry is how long our own certificates are good for. That they can be read was seen when the clients were made.
func expiry(cfg *config.Config) map[string]time.Time {
	all := map[string]time.Time{}
	for _, t := range cfg.TLSKeys() {
		if t.CertFile == "" {
			continue
		}
		if pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile); err == nil {
			all[t.Key+".cert_file"] = pair.Leaf.NotAfter
		}
	}
	return all
}

// readable says whether all topics are there, and agree in their partitions.
func readable(cfg *config.Config, topics []sinkkafka.TopicSetup) bool {
	counts := map[string]int{}
	for _, t := range topics {
		if t.Partitions > 0 && slices.Contains(cfg.Kafka.Topics, t.Name) {
			counts[t.Name] = t.Partitions
		}
	}
	_, err := sinkkafka.SamePartitions(cfg.Kafka.Topics, counts)
	return err == nil && len(counts) == len(cfg.Kafka.Topics)
}

// inspect looks at the cluster and at the topics that are read and written.
func (s *source) inspect(ctx context.Context, k *doctor.Kafka) error {
	topics := append(slices.Clone(s.cfg.Kafka.Topics), s.cfg.Kafka.DeadLettersTopic)
	if s.cfg.Alerts.Every > 0 && s.cfg.Alerts.Topic != "" {
		topics = append(topics, s.cfg.Alerts.Topic)
	}
	found, err := sinkkafka.Inspect(ctx, s.client, s.dialer, topics, s.cfg.Kafka.Group)
	if err != nil {
		return err
	}
	k.Inspection = *found
	fetcher, ahead := s.fetcher(), time.Now().Add(doctor.MaxAhead).UnixMilli()
	for _, t := range found.Topics {
		if t.Settings["message.timestamp.type"] != "LogAppendTime" {
			continue
		}
		for p := range t.Partitions {
			at, err := fetcher.Since(ctx, fetch.TopicPartition{Topic: t.Name, Partition: int32(p)}, ahead)
			if err != nil {
				break // said otherwise: no leader, or no right
			}
			if at >= 0 {
				k.Ahead = append(k.Ahead, t.Name)
				break
			}
		}
	}
	return nil
}

func inspectClickHouse(ctx context.Context, cfg *config.Config, sink *clickhouse.Sink, c *doctor.ClickHouse) {
	c.User, c.Proofs = sink.User(), sink.Proofs(ctx)
	if c.Proofs[0].Err != nil {
		return
	}
	grants := roles.Grants("writer")
	if cfg.ClickHouse.Cluster != "" {
		grants = append(grants, roles.Grants("clustered")...)
	}
	c.Lacking, c.RightsErr = sink.Lacking(ctx, grants)
	c.Free, c.Total, c.SpaceErr = sink.Space(ctx)
}

func inspectRegistry(ctx context.Context, sink *clickhouse.Sink, r *doctor.Registry) (err error) {
	a := &application{sink: sink}
	if err := a.inForce(ctx); err != nil {
		return err
	}
	r.Revision, r.Invalid = a.revision, a.old.Check()
	r.Agreements = len(a.old.Book().Agreements)
	if r.Sent, err = sink.RegistrySent(ctx); err != nil {
		return err
	}
	r.Stores, err = sink.Strangers(ctx)
	return err
}

// inspectGroup looks at what Kafka and ClickHouse hold of the group.
func (s *source) inspectGroup(ctx context.Context, sink *clickhouse.Sink, g *doctor.Group) (err error) {
	epochs := s.epochs(sink)
	if g.Survey, err = epochs.Survey(ctx, s.cfg.Kafka.Group, s.cfg.Kafka.Topics); err != nil || g.Survey.Stream.Epoch == 0 {
		return err
	}
	g.Lanes = epochs.LaneStandings(&g.Survey)
	var tps []fetch.TopicPartition
	var same []commit.TopicPartition
	for _, topic := range s.cfg.Kafka.Topics {
		for p := range g.Survey.Partitions {
			tp := fetch.TopicPartition{Topic: topic, Partition: int32(p)}
			tps, same = append(tps, tp), append(same, commit.TopicPartition(tp))
		}
	}
	committed, err := epochs.Kafka.Outside(s.cfg.Kafka.Group).Committed(ctx, same)
	if err != nil {
		return err
	}
	bounds, err := epochs.Source.Bounds(ctx, tps)
	if err != nil {
		return err
	}
	for _, tp := range tps {
		at, b := committed[commit.TopicPartition(tp)].Offset, bounds[tp]
		if at < 0 { // not committed yet: it begins where the epoch does
			at = g.Survey.Stream.Start[tp]
		}
		g.Lag += max(0, b.Stable-max(at, b.Start))
		if at < b.Start {
			g.Deleted = append(g.Deleted, doctor.DeletedRange{Topic: tp.Topic, Partition: tp.Partition, From: at, To: b.Start})
		}
	}
	return nil
}
