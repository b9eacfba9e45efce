package main

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/tillstream/tillstream/cmd/tillstream/config"
	"github.com/tillstream/tillstream/cmd/tillstream/manifest"
	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/alert"
	"github.com/tillstream/tillstream/processor/commit"
	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/sinks/alertmanager"
	"github.com/tillstream/tillstream/sinks/clickhouse"
	sinkkafka "github.com/tillstream/tillstream/sinks/kafka"
)

type alertsCmd struct {
	List alertsListCmd `cmd:"" help:"List alerts, the newest first."`
}

type alertsListCmd struct {
	target
	Active bool   `help:"Only those that are not over."`
	Format string `help:"How rows are printed: table for people, csv or json for programs." enum:"table,csv,json" default:"table"`
}

func (*alertsListCmd) Help() string {
	return `What each rule means, and what to do, is in docs/alerting.md.

  tillstream alerts list --active
  tillstream alerts list --config tillstream.yaml --format json`
}

func (c *alertsListCmd) Run(e *env) error {
	return c.open(e, func(sink *clickhouse.Sink) error {
		all, err := sink.Alerts(e.ctx, c.Active)
		if err != nil {
			return err
		}
		return show(e, all, clickhouse.Format(c.Format))
	})
}

// alerting judges while this process owns lane 0, until ctx ends. What goes wrong is logged and tried again: it stops no lane. evaluated is when this
// process evaluated agreements last.
func alerting(ctx context.Context, kafka *source, sink *clickhouse.Sink, proc *processor.Processor, registerer prometheus.Registerer, evaluated *atomic.Int64) error {
	cfg := kafka.cfg.Alerts
	if cfg.Every <= 0 {
		return nil
	}
	log := kafka.log.Named("alerts")
	receivers, closeAll, err := receivers(kafka, log)
	if err != nil {
		return err
	}
	defer closeAll()
	limits, err := alertLimits(&cfg)
	if err != nil {
		return err
	}
	metrics := alert.NewMetrics(registerer)
	look := time.NewTicker(500 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
		}
		if !leads(proc) {
			continue
		}
		log.Info("this member judges alerts")
		loop := alert.NewLoop(alert.Config{
			Every: duration(cfg.Every), Refresh: duration(cfg.Alertmanager.Refresh), Limits: limits,
			Policy: alert.Policy{ClearAfter: duration(cfg.ClearAfter).Milliseconds(), Repeat: duration(cfg.Repeat).Milliseconds()},
		}, alert.Deps{Source: newLookout(kafka, sink, limits, evaluated), Log: sink, Receivers: receivers, Logger: log, Metrics: metrics})
		leading, stop := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			loop.Lead(leading)
		}()
		for ctx.Err() == nil && leads(proc) {
			select {
			case <-ctx.Done():
			case <-look.C:
			}
		}
		stop()
		<-ended
	}
}

// leads says whether this member owns lane 0. While that recovers, too: what cannot be judged then is frozen.
func leads(proc *processor.Processor) bool {
	lanes := proc.Progress()
	return len(lanes) > 0 && lanes[0].Lane == 0
}

func receivers(kafka *source, log *zap.Logger) (all []alert.Receiver, closeAll func(), err error) {
	cfg := kafka.cfg.Alerts
	closeAll = func() {}
	if cfg.Topic != "" {
		all = append(all, sinkkafka.NewAlerts(kafka.client, cfg.Topic, sinkkafka.Creation{}, log))
	}
	if a := cfg.Alertmanager; len(a.URLs) > 0 {
		client, err := alertmanager.New(alertmanager.Config{
			URLs: a.URLs, Login: httpLogin(&a.HTTPLogin), Renewed: kafka.cfg.Renewed, Source: a.Source, Log: log,
			Lasts: 4 * max(duration(a.Refresh), duration(kafka.cfg.Kafka.SessionTimeout)), // it must outlive the time that passes until another member judges
		}, time.Now)
		if err != nil {
			return nil, closeAll, usageError{err}
		}
		all, closeAll = append(all, client), client.Close
	}
	return all, closeAll, nil
}

func alertLimits(cfg *config.Alerts) (alert.Limits, error) {
	l := alert.Limits{
		TerminalFor: duration(cfg.TerminalFor).Milliseconds(), StoreFor: duration(cfg.StoreFor).Milliseconds(), Blind: duration(cfg.BlindAfter).Milliseconds(),
		BlindFor: duration(cfg.BlindFor).Milliseconds(), Coverage: float64(cfg.Coverage) / 100, Backlog: duration(cfg.BacklogAfter).Milliseconds(),
		Letters: cfg.DeadLetters, Lag: int64(cfg.Lag), Deadline: duration(cfg.Deadline).Milliseconds(),
	}
	for _, r := range cfg.Page {
		l.Pages = append(l.Pages, alert.Rule(r))
	}
	for _, r := range cfg.Disabled {
		l.Off = append(l.Off, alert.Rule(r))
	}
	for _, w := range cfg.BurnWindows {
		p, err := alert.ParsePair(w)
		if err != nil {
			return l, usageError{fmt.Errorf("alerts.burn_windows: %w", err)}
		}
		l.Pairs = append(l.Pairs, p)
	}
	return l, nil
}

// lookout looks at pos and at how far the group is. What changes slowly, or costs more to ask, is asked every slowEvery.
type lookout struct {
	sink    *clickhouse.Sink
	outside processor.Outsider
	kafka   *source
	fetcher *fetch.Fetcher
	limits  alert.Limits

	views clickhouse.AlertViews
	ends  []ends
	slow  *alert.Snapshot

	silencesAt int64

	stores      *alert.Snapshot // what was last said of them
	fingerprint uint64          // of the trouble then

	watermark int64 // as last known

	begun     time.Time
	evaluated *atomic.Int64
}

// ends is where the partitions ended at an instant.
type ends struct {
	at  int64
	end map[fetch.TopicPartition]int64
}

const (
	storesEvery   = 5 * time.Second // if nothing changed
	slowEvery     = 30 * time.Second
	silencesEvery = 2 * time.Minute // what costs most, of what changes with quarters of an hour
	lookTime      = 20 * time.Second
)

func newLookout(kafka *source, sink *clickhouse.Sink, limits alert.Limits, evaluated *atomic.Int64) *lookout {
	return &lookout{
		sink: sink, outside: kafka.cluster().Outside(kafka.cfg.Kafka.Group), kafka: kafka, fetcher: kafka.fetcher(), limits: limits, begun: time.Now(), evaluated: evaluated,
	}
}

// Look implements alert.Source. How far the group is is asked first: what is then found is at least so fresh.
func (l *lookout) Look(ctx context.Context) (*alert.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	at := time.Now()
	s := &alert.Snapshot{At: at.UnixMilli(), Unanswered: map[alert.Rule]string{}}
	if err := l.progress(ctx, s); err != nil {
		if len(l.ends) == 0 || ctx.Err() != nil {
			return nil, err
		}
		l.kafka.log.Warn("asking Kafka how far the group is; trying again", zap.Error(err))
		s.Watermark = l.watermark
	}
	l.ask(ctx, s)
	return s, nil
}

// ask asks ClickHouse about all but the pipeline. While that is blind nothing else is judged, and ClickHouse is not asked: it has a backlog to take.
func (l *lookout) ask(ctx context.Context, s *alert.Snapshot) {
	blind := s.At-s.Watermark > l.limits.Blind
	if !blind {
		l.unanswered(ctx, s, l.lookStores(ctx, s), outageRules...)
	}
	if l.stores != nil {
		s.Stores, s.Maintenance = l.stores.Stores, l.stores.Maintenance
	}
	if !blind && (l.slow == nil || s.At-l.slow.At >= slowEvery.Milliseconds()) {
		l.lookSlow(ctx, s)
		l.slow = s
	} else if l.slow != nil {
		s.Burns, s.Agreements, s.Deadlines, s.Silences = l.slow.Burns, l.slow.Agreements, l.slow.Deadlines, l.slow.Silences
		s.Backlogs, s.Holes, s.Letters = l.slow.Backlogs, l.slow.Holes, l.slow.Letters
		for r, why := range l.slow.Unanswered {
			if !slices.Contains(outageRules, r) {
				s.Unanswered[r] = why
			}
		}
	}
}

// lookStores asks about stores if something there changed, and once in a while, since stores open and close.
func (l *lookout) lookStores(ctx context.Context, s *alert.Snapshot) error {
	troubled, fingerprint, err := l.sink.LookTrouble(ctx)
	if err != nil {
		return err
	}
	if l.stores == nil || fingerprint != l.fingerprint || s.At-l.stores.At >= storesEvery.Milliseconds() {
		l.stores = nil
		fresh := &alert.Snapshot{At: s.At}
		if err := l.sink.LookStores(ctx, troubled, fresh); err != nil {
			return err
		}
		l.stores, l.fingerprint = fresh, fingerprint
	}
	return nil
}

var (
	outageRules    = []alert.Rule{alert.TerminalOutage, alert.StoreOutage}
	measuredRules  = []alert.Rule{alert.BurnFast, alert.BurnSlow, alert.Breach, alert.BudgetExhausted, alert.AtRisk, alert.CoverageLow}
	agreementRules = append([]alert.Rule{alert.RevisionDue, alert.ClaimDeadline}, measuredRules...)
)

// unanswered notes the rules that must wait since their question failed.
func (l *lookout) unanswered(ctx context.Context, s *alert.Snapshot, err error, rules ...alert.Rule) {
	if err == nil {
		return
	}
	if ctx.Err() == nil {
		l.kafka.log.Warn("looking for alerts; their rules wait", zap.Any("rules", rules), zap.Error(err))
	}
	for _, r := range rules {
		s.Unanswered[r] = "ClickHouse did not say"
	}
}

func (l *lookout) lookSlow(ctx context.Context, s *alert.Snapshot) {
	var err error
	if l.views == nil {
		if l.views, err = l.sink.AlertViews(ctx); err != nil {
			l.views = nil
			l.unanswered(ctx, s, err, append([]alert.Rule{alert.SalesSilence}, agreementRules...)...)
		}
	}
	err = l.sink.LookAgreements(ctx, l.views, l.limits.Coverage, time.Duration(l.limits.Deadline)*time.Millisecond, s)
	if err == nil {
		err = l.ownWindows(ctx, s)
	}
	l.unanswered(ctx, s, err, agreementRules...)
	if why := l.stale(); why != "" {
		for _, r := range measuredRules {
			s.Unanswered[r] = why
		}
	}
	if s.At-l.silencesAt < silencesEvery.Milliseconds() {
		s.Silences = l.slow.Silences
	} else if s.Silences, err = l.sink.LookSilences(ctx, l.views); err == nil {
		l.silencesAt = s.At
	} else {
		l.unanswered(ctx, s, err, alert.SalesSilence)
	}
	s.Backlogs, err = l.sink.LookBacklogs(ctx, time.Duration(l.limits.Backlog)*time.Millisecond)
	l.unanswered(ctx, s, err, alert.Backlog)
	s.Holes, err = l.sink.LookHoles(ctx)
	l.unanswered(ctx, s, err, alert.SequenceHoles)
	s.Letters, err = l.sink.LookLetters(ctx)
	l.unanswered(ctx, s, err, alert.DeadLetters)
}

// ownWindows gives lines of agreements the windows of their SLO's AlertPolicies.
func (l *lookout) ownWindows(ctx context.Context, s *alert.Snapshot) error {
	if len(s.Burns) == 0 {
		return nil
	}
	set, err := (texts{l.sink}).set(ctx, manifest.KindAgreement, manifest.KindSLO, manifest.KindSLI, manifest.KindAlertPolicy)
	if err != nil {
		return err
	}
	own := set.AlertPairs(time.UnixMilli(s.At))
	for i := range s.Burns {
		b := &s.Burns[i]
		b.Pairs = own[[2]string{b.Contract, b.Objective}]
	}
	return nil
}

// stale says why what agreements came to cannot be believed: it may be old, where they are evaluated by this process, and were not for a while.
func (l *lookout) stale() string {
	every := duration(l.kafka.cfg.SLA.Every)
	if every <= 0 {
		return "" // tillstream sla evaluate does it
	}
	last := l.begun
	if at := time.UnixMilli(l.evaluated.Load()); at.After(last) {
		last = at
	}
	if time.Since(last) < max(time.Minute, 10*every) {
		return ""
	}
	return "agreements were not evaluated since " + last.UTC().Format(time.RFC3339)
}

// progress finds the newest instant at which the partitions ended no later than the group has committed. When this member begins it knows none: it must
// see the group arrive where the partitions ended then.
func (l *lookout) progress(ctx context.Context, s *alert.Snapshot) error {
	_, counts, err := l.kafka.cluster().Topics(ctx, l.kafka.cfg.Kafka.Topics) // each time: partitions may be added
	if err != nil {
		return fmt.Errorf("asking Kafka for its topics: %w", err)
	}
	var tps []fetch.TopicPartition
	for topic, n := range counts {
		for p := range n {
			tps = append(tps, fetch.TopicPartition{Topic: topic, Partition: int32(p)})
		}
	}
	bounds, err := l.fetcher.Bounds(ctx, tps)
	if err != nil {
		return err
	}
	now := ends{at: s.At, end: make(map[fetch.TopicPartition]int64, len(bounds))}
	asked := make([]commit.TopicPartition, 0, len(bounds))
	for tp, b := range bounds {
		now.end[tp] = b.Stable
		asked = append(asked, commit.TopicPartition(tp))
	}
	committed, err := l.outside.Committed(ctx, asked)
	if err != nil {
		return err
	}
	l.ends = append(l.ends, now)
	l.ends, s.Watermark, s.Behind = caughtUp(l.ends, func(tp fetch.TopicPartition) int64 {
		return max(committed[commit.TopicPartition(tp)].Offset, bounds[tp].Start)
	})
	l.watermark = s.Watermark
	return nil
}

// mostEnds is how many instants are remembered while the group does not catch up; of more, the ones between are left out, which makes the watermark late.
const mostEnds = 512

// caughtUp gives the newest instant that the group has caught up with, 0 if none, how much is missing now, and the instants that are worth remembering:
// that one and those after it.
func caughtUp(all []ends, at func(fetch.TopicPartition) int64) (rest []ends, watermark, behind int64) {
	reached := func(e ends) bool {
		for tp, end := range e.end {
			if at(tp) < end {
				return false
			}
		}
		return true
	}
	for i := len(all) - 1; i >= 0; i-- {
		if reached(all[i]) {
			all, watermark = all[i:], all[i].at
			break
		}
	}
	for tp, end := range all[len(all)-1].end {
		behind += max(0, end-at(tp))
	}
	if len(all) > mostEnds {
		all = append(all[:1:1], all[2:]...)
	}
	return all, watermark, behind
}
