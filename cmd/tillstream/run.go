package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/tillstream/tillstream/cmd/tillstream/config"
	"github.com/tillstream/tillstream/internal/broken"
	"github.com/tillstream/tillstream/internal/wait"
	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/commit"
	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/sinks/clickhouse"
)

type runCmd struct {
	Config  string `help:"Configuration file." type:"path" placeholder:"FILE"`
	Migrate *bool  `help:"Migrate the databases first, whatever clickhouse.migrate says." negatable:""`
}

func (*runCmd) Help() string {
	return `One member of a Kafka consumer group: start as many as there are lanes, with the same configuration. SIGTERM ends it when its batches are written.

  tillstream config print > tillstream.yaml
  tillstream doctor --config tillstream.yaml
  tillstream run --config tillstream.yaml`
}

func (c *runCmd) Run(e *env) error {
	cfg, err := loadConfig(e, c.Config)
	if err != nil {
		return err
	}
	if err := cfg.RequireSecret(); err != nil {
		return usageError{err}
	}
	if c.Migrate != nil {
		cfg.ClickHouse.Migrate = *c.Migrate
	}
	log, err := newLogger(e.stderr, cfg)
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	cfg.WhenRenewed(newRenewals(registry, log).tell)
	sink, err := openChecked(e.ctx, cfg, cfg.ClickHouse.Migrate)
	if err != nil {
		return err
	}
	defer sink.Close()
	err = persistently(e.ctx, func() error {
		if err := sink.PutForgetKey(e.ctx, []byte(cfg.Privacy.Secret)); err != nil || !cfg.ClickHouse.Migrate {
			return err
		}
		changes, err := sink.Retain(e.ctx, clickhouse.Retention(cfg.Retention))
		for _, r := range changes {
			log.Info("rows of a table are kept for another time", zap.String("table", r.Table), zap.Int("days", r.Now), zap.Int("days_before", r.Before))
		}
		return err
	})
	if err != nil {
		return err
	}
	kafka, err := openKafka(cfg, log)
	if err != nil {
		return err
	}
	defer kafka.close()
	if err := kafka.topics(e.ctx, newTopics()); err != nil {
		return err
	}
	access, err := consoleAccess(cfg)
	if err != nil {
		return err
	}
	tracer, endTraces, err := openTracer(e.ctx, cfg, e.environ, log)
	if err != nil {
		return err
	}
	defer endTraces()
	proc, err := kafka.processor(e.ctx, processor.Deps{Sink: sink, Archive: sink, Forgotten: sink, Streams: streams{sink}, Registerer: registry, Tracer: tracer})
	if err != nil {
		return err
	}

	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	g, gctx := errgroup.WithContext(ctx)
	var evaluated atomic.Int64 // by evaluating, for alerting
	g.Go(func() error {
		defer cancel()
		return proc.Run(gctx)
	})
	g.Go(func() error { return evaluating(gctx, cfg, sink, proc, registry, &evaluated, log) })
	g.Go(func() error { return alerting(gctx, kafka, sink, proc, registry, &evaluated) })
	g.Go(func() error { return refreshing(gctx, cfg, sink, proc, log) })
	if cfg.Listen != "" {
		g.Go(func() error {
			return serve(gctx, cfg.Listen, log, func(at net.Addr) (http.Handler, error) {
				return withConsole(observe(proc, pinger(sink, time.Now), registry, cfg.Pprof), cfg, access, at, sink, kafka, proc, log)
			})
		})
	}
	return g.Wait()
}

// openChecked opens ClickHouse, migrates it if asked to, and proves that it can keep the promise.
func openChecked(ctx context.Context, cfg *config.Config, migrate bool) (*clickhouse.Sink, error) {
	sink, err := openSink(cfg)
	if err != nil {
		return nil, err
	}
	err = persistently(ctx, func() (err error) {
		if migrate {
			_, err = sink.Migrate(ctx, clickhouse.MigrateOptions{Binary: versionString()})
		}
		if err == nil {
			err = sink.Check(ctx)
		}
		if err == nil {
			err = sink.PutRetireAfter(ctx, duration(cfg.Processor.RetireAfter))
		}
		if err == nil {
			err = sink.PutMinGroup(ctx, cfg.Privacy.MinGroup)
		}
		return err
	})
	if err != nil {
		return nil, errors.Join(err, sink.Close())
	}
	return sink, nil
}

// persistently does at a start what may be done twice, again where a connection to ClickHouse is cut or not taken for a moment: that is no reason not to start.
func persistently(ctx context.Context, do func() error) error {
	const tries = 5
	for try := 1; ; try++ {
		err := do()
		if passing := broken.Connection(err) || errors.Is(err, syscall.ECONNREFUSED); !passing || try == tries || wait.For(ctx, time.Second) != nil {
			return err
		}
	}
}

// streams keeps processor.Stream in ClickHouse.
type streams struct{ sink *clickhouse.Sink }

func (s streams) Stream(ctx context.Context, group string) (processor.Stream, bool, error) {
	was, err := s.sink.Streams(ctx, group)
	if err != nil {
		return processor.Stream{}, false, err
	}
	losses, err := s.sink.Losses(ctx, group)
	out := processor.Stream{
		Group: was.Group, Epoch: was.Epoch, Lanes: int(was.Lanes), Partitions: int(was.Partitions), Topics: was.Topics, Cluster: was.ClusterID,
		Start: make(map[fetch.TopicPartition]int64, len(was.Start)), Reason: was.Reason, By: was.By, Hold: was.Hold,
	}
	for tp, at := range was.Start {
		out.Start[fetch.TopicPartition(tp)] = at
	}
	for _, l := range losses {
		out.Losses = append(out.Losses, processor.Loss{
			Epoch: l.Epoch, TopicPartition: fetch.TopicPartition(l.TopicPartition), From: l.From, To: l.To, Reason: l.Reason, By: l.By,
		})
	}
	return out, was.Lanes > 0, err
}

func (s streams) BeginStream(ctx context.Context, now processor.Stream) error {
	var own []clickhouse.Loss
	for _, l := range now.Losses {
		if l.Epoch == now.Epoch {
			r := commit.Range{TopicPartition: commit.TopicPartition(l.TopicPartition), From: l.From, To: l.To}
			own = append(own, clickhouse.Loss{Group: now.Group, Epoch: l.Epoch, Range: r, Reason: l.Reason, By: l.By, At: time.Now()})
		}
	}
	if err := s.sink.PutLosses(ctx, own); err != nil {
		return err
	}
	return s.sink.BeginStream(ctx, stored(now))
}

func (s streams) PutStream(ctx context.Context, now processor.Stream) error {
	return s.sink.PutStream(ctx, stored(now))
}

func stored(now processor.Stream) clickhouse.Stream {
	start := make(map[commit.TopicPartition]int64, len(now.Start))
	for tp, at := range now.Start {
		start[commit.TopicPartition(tp)] = at
	}
	return clickhouse.Stream{
		Group: now.Group, Epoch: now.Epoch, Lanes: uint32(now.Lanes), Partitions: uint32(now.Partitions), Topics: now.Topics, ClusterID: now.Cluster,
		Start: start, Reason: now.Reason, By: now.By, Hold: now.Hold, CreatedAt: time.Now(),
	}
}

// listen takes an address and makes a server of what handler makes for the address that it got. choice is where one chooses another address.
func listen(addr, choice string, log *zap.Logger, handler func(net.Addr) (http.Handler, error)) (net.Listener, *http.Server, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, nil, usageError{fmt.Errorf("listening: %w; choose another address with %s", err, choice)}
	}
	h, err := handler(l.Addr())
	if err != nil {
		return nil, nil, errors.Join(err, l.Close())
	}
	return l, &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ErrorLog: zap.NewStdLog(log)}, nil
}

// serve answers on an address until ctx ends, with what handler makes for the address that it got.
func serve(ctx context.Context, addr string, log *zap.Logger, handler func(net.Addr) (http.Handler, error)) error {
	l, server, err := listen(addr, "the key listen", log.Named("http"), handler)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving %s: %w", addr, err)
	}
	return nil
}
