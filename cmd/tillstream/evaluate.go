package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/tillstream/tillstream/cmd/tillstream/config"
	"github.com/tillstream/tillstream/cmd/tillstream/manifest"
	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla/agreement"
	"github.com/tillstream/tillstream/processor/sla/verdict"
	"github.com/tillstream/tillstream/sinks/clickhouse"
)

type slaEvaluateCmd struct {
	Config string  `help:"Configuration file." type:"path" placeholder:"FILE"`
	Data   string  `help:"Measure in the demo of this data directory, running or not." placeholder:"DIR"`
	AsOf   instant `help:"As if it was this time: 2026-11-01, or RFC 3339. Now if not given." placeholder:"TIME"`
}

func (*slaEvaluateCmd) Help() string {
	return `Measures all agreements once, publishes what is news, and says what that came to: for cron, where sla.every is 0. Exit code 1 if an agreement could not
be measured; the others are. Running it twice changes nothing, and neither does running it beside tillstream run.

  tillstream sla evaluate --config tillstream.yaml
  tillstream sla evaluate --data tillstream-data`
}

func (c *slaEvaluateCmd) Run(e *env) error {
	cfg, done, err := configOf(e, c.Config, c.Data)
	if err != nil {
		return err
	}
	defer done()
	sink, err := openChecked(e.ctx, cfg, cfg.ClickHouse.Migrate)
	if err != nil {
		return err
	}
	defer sink.Close()
	at, how := time.Time(c.AsOf), verdict.Config{Blind: -1}
	if at.IsZero() {
		at, how.Blind = time.Now(), 0
	}
	r, err := newEvaluator(sink, how).Round(e.ctx, at.UnixMilli())
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "%d agreements in %d parts of periods, %d stores read: %d statements and %d burn rates published\n", r.Contracts, r.Parts, r.Stores, r.Published, r.Burns)
	var failed []error
	for _, name := range slices.Sorted(maps.Keys(r.Failed)) {
		failed = append(failed, fmt.Errorf("agreement %s was not measured: %w", name, r.Failed[name]))
	}
	issued, err := issue(e.ctx, sink)
	for _, x := range issued {
		fmt.Fprintf(e.stdout, "statement %d of %s issued: %s, revision %d, %s\n", x.Number, x.Contract, x.Period, x.Revision, x.Signed.Hash)
	}
	return errors.Join(append(failed, err)...)
}

func newEvaluator(sink *clickhouse.Sink, how verdict.Config) *verdict.Evaluator {
	return verdict.New(how, verdict.Deps{Texts: texts{sink}, Facts: sink, Statements: sink})
}

// texts reads agreements and stores out of the registry.
type texts struct{ *clickhouse.Sink }

func (t texts) Texts(ctx context.Context) (agreement.Book, map[string]*registry.Store, error) {
	all, err := t.Registry(ctx)
	if err != nil {
		return agreement.Book{}, nil, err
	}
	stores := map[string]*registry.Store{}
	for _, x := range all {
		if x.Kind == kindDocument && !x.Deleted {
			if s := built(x.Name, x.Document); !s.Removed {
				stores[x.Name] = s
			}
		}
	}
	set, err := parsed(all, manifest.KindAgreement, manifest.KindSLO, manifest.KindSLI)
	return set.Book(), stores, err
}

// set is what is in force of some kinds.
func (t texts) set(ctx context.Context, kinds ...string) (manifest.Set, error) {
	all, err := t.Registry(ctx, kinds...)
	if err != nil {
		return nil, err
	}
	return parsed(all, kinds...)
}

func parsed(all []clickhouse.Registered, kinds ...string) (manifest.Set, error) {
	set := manifest.Set{}
	for _, x := range all {
		if x.Deleted || !slices.Contains(kinds, x.Kind) {
			continue
		}
		o, err := manifest.Parse(x.Kind, x.Document)
		if err != nil {
			return nil, err
		}
		set[o.Key()] = o
	}
	return set, nil
}

// evaluating keeps statements up to date while this process owns lane 0, until ctx ends. What goes wrong is logged and tried again: it stops no lane.
// It notes in evaluated when it was done last, ms since 1970.
func evaluating(ctx context.Context, cfg *config.Config, sink *clickhouse.Sink, proc *processor.Processor, registerer prometheus.Registerer, evaluated *atomic.Int64, log *zap.Logger) error {
	every := duration(cfg.SLA.Every)
	if every <= 0 {
		return nil
	}
	log = log.Named("sla")
	metrics := newSLAMetrics(registerer)
	failing := map[string]string{} // what was said of agreements
	evaluator := newEvaluator(sink, verdict.Config{})
	var statements issuer
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		owner, behind := standing(proc.Progress())
		if !owner {
			evaluator = newEvaluator(sink, verdict.Config{}) // somebody else does it; what is known here gets old
		}
		if !owner || behind {
			continue
		}
		began := time.Now()
		r, err := evaluator.Round(ctx, began.UnixMilli())
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			log.Warn("agreements could not be evaluated; the next round tries again", zap.Error(err))
			continue
		}
		maps.DeleteFunc(failing, func(name, _ string) bool { return r.Failed[name] == nil })
		for name, err := range r.Failed {
			if failing[name] != err.Error() {
				failing[name] = err.Error()
				log.Warn("an agreement could not be measured; the others were", zap.String("agreement", name), zap.Error(err))
			}
		}
		evaluated.Store(began.UnixMilli())
		metrics.round(&r, time.Since(began))
		statements.round(ctx, sink, r.Published > 0, began, log)
		if r.Published > 0 {
			log.Debug("agreements evaluated", zap.Int("agreements", r.Contracts), zap.Int("stores", r.Stores), zap.Int("statements", r.Published), zap.Duration("took", time.Since(began)))
		}
	}
}

// behindBy is by how many offsets a lane may be behind for statements still to be made of what it has: some seconds of a large chain.
const behindBy = 20_000

// standing says whether a member evaluates, and whether it had better wait since its lanes are behind: a period could be closed of which they have not
// all.
func standing(lanes []processor.LaneProgress) (owner, behind bool) {
	for _, l := range lanes {
		owner = owner || l.Lane == 0 && l.State == processor.StateRunning
		behind = behind || l.State != processor.StateRunning || l.Lag() > behindBy
	}
	return owner, behind
}

// slaMetrics is what operators watch of the evaluation.
type slaMetrics struct {
	asOf, failed prometheus.Gauge
	seconds      prometheus.Histogram
	published    prometheus.Counter
}

func newSLAMetrics(reg prometheus.Registerer) *slaMetrics {
	m := &slaMetrics{
		asOf:      prometheus.NewGauge(prometheus.GaugeOpts{Name: "tillstream_sla_as_of_seconds", Help: "As of when agreements were evaluated last, seconds since 1970."}),
		failed:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "tillstream_sla_failed", Help: "Agreements that could not be measured in the last round."}),
		seconds:   prometheus.NewHistogram(prometheus.HistogramOpts{Name: "tillstream_sla_round_seconds", Help: "How long a round took.", Buckets: prometheus.ExponentialBuckets(0.01, 4, 8)}),
		published: prometheus.NewCounter(prometheus.CounterOpts{Name: "tillstream_sla_statements_total", Help: "Statements published."}),
	}
	reg.MustRegister(m.asOf, m.failed, m.seconds, m.published)
	return m
}

func (m *slaMetrics) round(r *verdict.Report, took time.Duration) {
	m.asOf.Set(float64(r.At) / 1000)
	m.failed.Set(float64(len(r.Failed)))
	m.seconds.Observe(took.Seconds())
	m.published.Add(float64(r.Published))
}
