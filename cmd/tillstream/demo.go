package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/tillstream/tillstream/cmd/tillstream/config"
	"github.com/tillstream/tillstream/cmd/tillstream/manifest"
	"github.com/tillstream/tillstream/cmd/tillstream/simulator"
	"github.com/tillstream/tillstream/console"
	"github.com/tillstream/tillstream/deploy/embedded"
	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/sinks/clickhouse"
	sinkkafka "github.com/tillstream/tillstream/sinks/kafka"
)

type demoCmd struct {
	Input            []string      `help:"Canonical events to fold instead of a simulated chain; may be given several times." placeholder:"FILE"`
	Data             string        `help:"Where everything is kept." default:"tillstream-data" placeholder:"DIR"`
	Once             bool          `help:"End when all is folded and committed."`
	Listen           string        `help:"Address of the console and of ClickHouse's HTTP interface, both read-only." default:"127.0.0.1:8123" placeholder:"ADDR"`
	Kafka            []string      `help:"Use this Kafka instead of the embedded one." placeholder:"HOST:PORT"`
	ClickHouse       string        `name:"clickhouse" help:"Use this ClickHouse instead of the embedded one." placeholder:"DSN"`
	HeartbeatTimeout time.Duration `help:"How long a report of up holds; three times what the till announces if not given." placeholder:"DURATION"`
	Migrate          bool          `help:"Migrate the databases first." default:"true" negatable:""`
	Config           string        `help:"Configuration file, for everything that is not embedded." type:"path" placeholder:"FILE"`
}

func (*demoCmd) Help() string {
	return `Needs nothing but npm, through which the ClickHouse engine is fetched once.

  tillstream demo
  tillstream demo --once --data mine --input sales.jsonl.zst --input health.jsonl
  tillstream sql --data mine "SELECT * FROM pos.ledger"`
}

func (c *demoCmd) Run(e *env) error {
	if err := areThere(c.Input); err != nil {
		return err
	}
	cfg, err := c.config(e)
	if err != nil {
		return err
	}
	log, err := newLogger(e.stderr, cfg)
	if err != nil {
		return err
	}
	cfg.Kafka.Brokers = c.Kafka
	if len(c.Kafka) == 0 {
		broker, err := embedded.StartBroker(embedded.BrokerConfig{Dir: brokerDir(c.Data), Log: log.Named("kafka")})
		if err != nil {
			return err
		}
		defer broker.Close()
		cfg.Kafka.Brokers = broker.Addrs()
		if err := os.WriteFile(addressFile(c.Data), []byte(strings.Join(cfg.Kafka.Brokers, ",")), 0o600); err != nil {
			return fmt.Errorf("keeping the address of the embedded Kafka: %w", err)
		}
		defer os.Remove(addressFile(c.Data))
	}

	access, err := consoleAccess(cfg)
	if err != nil {
		return err
	}
	offered := http.NotFoundHandler() // beside the console: ClickHouse's HTTP interface, if it is the embedded one
	if c.ClickHouse == "" {
		engine, err := startEngine(e, c.Data, log)
		if err != nil {
			return err
		}
		defer engine.Close()
		cfg.ClickHouse.DSN = config.Secret(engine.DSN())
		offered = engine.Proxy()
	}
	sink, err := openChecked(e.ctx, cfg, c.Migrate)
	if err != nil {
		return err
	}
	defer sink.Close()
	if err := sink.PutForgetKey(e.ctx, []byte(cfg.Privacy.Secret)); err != nil {
		return err
	}
	kafka, err := openKafka(cfg, log)
	if err != nil {
		return err
	}
	defer kafka.close()
	if err := kafka.topics(e.ctx, demoTopics); err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	proc, err := kafka.processor(e.ctx, processor.Deps{Sink: sink, Archive: sink, Forgotten: sink, Streams: streams{sink}, Registerer: registry})
	if err != nil {
		return err
	}

	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	g, gctx := errgroup.WithContext(ctx)
	var evaluated atomic.Int64 // by evaluating, for alerting
	if !c.Once {
		stop, err := offer(c.Listen, log, func(at net.Addr) (http.Handler, error) {
			return withConsole(offered, cfg, access, at, sink, kafka, proc, log)
		})
		switch {
		case err == nil:
			defer stop()
		case c.ClickHouse == "":
			return err
		default: // that ClickHouse may have the address itself
			log.Warn("the console is not shown", zap.Error(err))
		}
	}
	g.Go(func() error { return proc.Run(gctx) })
	g.Go(func() error { return evaluating(gctx, cfg, sink, proc, registry, &evaluated, log) })
	g.Go(func() error { return alerting(gctx, kafka, sink, proc, registry, &evaluated) })
	if !c.Once {
		g.Go(func() error { return refreshing(gctx, cfg, sink, proc, log) })
	}
	g.Go(func() error {
		defer cancel()
		return c.work(gctx, e, kafka, sink, proc)
	})
	return g.Wait()
}

// demoTopics keep the time that the sender gives, for ever: a simulated history arrives when it would have.
var demoTopics = sinkkafka.Creation{Partitions: 4, Replication: 1, Settings: map[string]string{"message.timestamp.type": "CreateTime", "retention.ms": "-1"}}

// config is that of a file if one is given, made fit for one machine.
func (c *demoCmd) config(e *env) (*config.Config, error) {
	cfg, err := loadConfig(e, c.Config)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, fmt.Errorf("making the data directory: %w", err)
	}
	if cfg.Privacy.Secret, err = ownSecret(c.Data); err != nil {
		return nil, err
	}
	if c.HeartbeatTimeout > 0 {
		cfg.Processor.HeartbeatTimeout = config.Duration(c.HeartbeatTimeout)
	}
	if c.ClickHouse != "" {
		cfg.ClickHouse.DSN = config.Secret(c.ClickHouse)
	}
	if c.Config == "" && cfg.Log.Level == config.Default().Log.Level {
		cfg.Log.Level = "warn" // progress and answers are what one looks at
	}
	if slices.Equal(cfg.Alerts.BurnWindows, config.Default().Alerts.BurnWindows) {
		cfg.Alerts.BurnWindows = []string{"page 2% 1h 5m", "page 5% 6h 30m", "ticket 20% 1d 2h"} // its agreement is by the week, the defaults are for 30 days
	}
	// Alone in its group: nobody to wait for, and after a kill it is back sooner.
	cfg.Kafka.SessionTimeout = config.Duration(20 * time.Second)
	cfg.Kafka.RebalanceTimeout = config.Duration(10 * time.Second)
	cfg.Kafka.HeartbeatInterval = config.Duration(time.Second)
	return cfg, nil
}

// ownSecret makes the demo's secret, once, readable by its owner only.
func ownSecret(dir string) (config.Secret, error) {
	path := filepath.Join(dir, "secret")
	kept, err := os.ReadFile(path)
	if err == nil {
		return config.Secret(kept), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("reading the secret: %w", err)
	}
	raw := make([]byte, 32)
	rand.Read(raw)
	secret := hex.EncodeToString(raw)
	if err := os.WriteFile(path, []byte(secret), 0o600); err != nil {
		return "", fmt.Errorf("keeping the secret: %w", err)
	}
	return config.Secret(secret), nil
}

// offer answers where a user can reach it, with what handler makes for the address that it got.
func offer(addr string, log *zap.Logger, handler func(net.Addr) (http.Handler, error)) (stop func(), err error) {
	l, server, err := listen(addr, "--listen", log.Named("proxy"), handler)
	if err != nil {
		return nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	return func() {
		_ = server.Close()
		<-done
	}, nil
}

// work loads, waits until all is folded, answers, and then either ends or goes on with live events.
func (c *demoCmd) work(ctx context.Context, e *env, kafka *source, sink *clickhouse.Sink, proc *processor.Processor) error {
	show := newProgress(e, proc)
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		show.run(ctx)
	}()
	err := c.load(ctx, e, kafka, sink, proc, show)
	if err == nil {
		err = kafka.folded(ctx, proc)
	}
	show.stop()
	<-shown
	if err != nil {
		return err
	}
	if _, err := sink.Refresh(ctx); err != nil {
		return err
	}
	if err := answer(e, sink); err != nil || c.Once {
		return err
	}
	fmt.Fprintf(e.stdout, "\nLook at it in a browser: http://%s%s\nClickHouse answers at http://%s (read-only) until you press Ctrl-C; so does: tillstream sql --data %s \"SELECT …\"\n", c.Listen, console.Prefix, c.Listen, c.Data)
	if len(c.Input) > 0 {
		<-ctx.Done()
		return nil
	}
	return c.live(ctx, kafka)
}

// simulation is kept beside the data, so that the demo, started again, goes on with the same chain instead of a second one.
type simulation struct {
	Seed         uint64
	Stores, Days int
	End          time.Time // of the history
	Loaded       bool
}

func (c *demoCmd) simulation() (s simulation, save func(simulation) error, err error) {
	path := filepath.Join(c.Data, "simulation.json")
	save = func(s simulation) error {
		b, err := json.Marshal(s)
		if err != nil {
			return fmt.Errorf("keeping the simulation's seed: %w", err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			return fmt.Errorf("keeping the simulation's seed: %w", err)
		}
		return nil
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		s = simulation{Seed: 1, Stores: 8, Days: 14, End: time.Now().UTC().Truncate(time.Minute)}
		return s, save, save(s)
	}
	if err != nil {
		return s, nil, fmt.Errorf("reading the simulation's seed: %w", err)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, nil, fmt.Errorf("reading %s: %w; remove it to simulate another chain", path, err)
	}
	return s, save, nil
}

func (s simulation) config(cfg *config.Config) simulator.Config {
	sc := simulator.Default()
	sc.Seed, sc.Stores, sc.Secret = s.Seed, s.Stores, []byte(cfg.Privacy.Secret)
	sc.Start, sc.End = s.End.AddDate(0, 0, -s.Days), s.End
	return sc
}

// load sends the input files, or the history of a simulated chain, into Kafka.
func (c *demoCmd) load(ctx context.Context, e *env, kafka *source, sink *clickhouse.Sink, proc *processor.Processor, show *progress) error {
	for _, name := range c.Input {
		report, err := kafka.ingest(e, ctx, name, func() { show.loaded.Add(1) })
		if err != nil {
			return err
		}
		fmt.Fprintln(e.stdout, report.describe(name))
	}
	if len(c.Input) > 0 {
		return nil
	}
	s, save, err := c.simulation()
	if err != nil || s.Loaded {
		return err
	}
	sim, err := simulator.New(s.config(kafka.cfg))
	if err != nil {
		return err
	}
	if err := register(ctx, kafka, sink, sim.Registry(), demoAgreement(s.End.AddDate(0, 0, -s.Days))); err != nil {
		return err
	}
	if err := kafka.folded(ctx, proc); err != nil { // what is older than the timeline's window when the registry comes is not measured again
		return err
	}
	w := sinkkafka.NewWriter(kafka.client, kafka.log)
	for ev := range sim.Events() {
		if err = w.Write(ctx, simulated(ev)); err != nil {
			break
		}
		show.loaded.Add(1)
	}
	if err := errors.Join(err, w.Flush(ctx)); err != nil {
		return fmt.Errorf("sending the simulated history: %w", err)
	}
	s.Loaded = true
	return save(s)
}

// register applies the manifests of a simulated chain.
func register(ctx context.Context, kafka *source, sink *clickhouse.Sink, texts ...[]byte) error {
	objects, wrong := manifest.Read("the simulated chain", bytes.Join(texts, []byte("---\n")))
	if err := errors.Join(wrong...); err != nil {
		return err
	}
	a := &application{
		cmd: &applyCmd{Yes: true, Reason: "a simulated chain"}, env: &env{ctx: ctx, stdout: io.Discard}, cfg: kafka.cfg, sink: sink, log: kafka.log, now: time.Now(),
	}
	return a.run(objects)
}

func simulated(ev simulator.Event) sinkkafka.Event {
	return sinkkafka.Event{Topic: ev.Topic, StoreID: string(ev.Key), Value: ev.Value, Time: time.UnixMilli(ev.Arrival)}
}

// live goes on with the simulated chain, as time goes by. What happened since the history's end while nothing ran is made up for.
func (c *demoCmd) live(ctx context.Context, kafka *source) error {
	s, _, err := c.simulation()
	if err != nil {
		return err
	}
	sc := s.config(kafka.cfg)
	sc.End = time.Time{}
	sim, err := simulator.New(sc)
	if err != nil {
		return err
	}
	w := sinkkafka.NewWriter(kafka.client, kafka.log)
	for ev := range sim.Events() {
		if ev.Arrival < s.End.UnixMilli() {
			continue
		}
		if wait := time.Until(time.UnixMilli(ev.Arrival)); wait > 0 {
			if err := w.Flush(ctx); err != nil {
				return err
			}
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(wait):
			}
		}
		if err = w.Write(ctx, simulated(ev)); err != nil {
			break
		}
	}
	return errors.Join(err, w.Flush(ctx))
}

// question is one of the demo's answers.
type question struct{ title, sql string }

var questions = []question{
	{"Top sellers", "SELECT product_id, max(category) AS category, currency, sum(units) AS sold, sum(revenue) AS revenue, sum(baskets) AS baskets\nFROM pos.product_sales GROUP BY product_id, currency ORDER BY baskets DESC LIMIT 10"},
	{"Peak hours", "SELECT local_hour, sales, round(sales / days, 1) AS a_day, bar(sales, 0, max(sales) OVER (), 30) AS chart\nFROM (SELECT local_hour, sum(transactions) AS sales, uniqExact(business_date) AS days FROM pos.sales_hourly GROUP BY local_hour)\nORDER BY local_hour"},
	{"Worst availability", "SELECT terminal_id, round(100 * (1 - sum(down_ms) / nullIf(sum(up_ms) + sum(degraded_ms) + sum(down_ms), 0)), 3) AS availability_pct, round(sum(down_ms) / 60000) AS down_min, round(sum(silent_ms) / 60000) AS silent_min\nFROM pos.availability_hourly GROUP BY terminal_id HAVING availability_pct IS NOT NULL ORDER BY availability_pct, silent_min DESC LIMIT 10"},
	{"Service time", "SELECT store_id, terminal_id, round(100 * (1 - sum(service_down_ms) / nullIf(sum(service_ms) - sum(excluded_ms) - sum(service_unknown_ms), 0)), 3) AS availability_pct, round(sum(service_ms) / 3600000) AS open_h, round(sum(service_down_ms) / 60000) AS down_min, round(sum(service_unknown_ms) / 60000) AS unknown_min, round(sum(excluded_ms) / 60000) AS maintenance_min\nFROM pos.availability_hourly GROUP BY store_id, terminal_id HAVING availability_pct IS NOT NULL ORDER BY availability_pct LIMIT 10"},
	{"Stores that could not sell", "SELECT store_id, any(s.sell_quorum) AS tills_needed, round(sum(h.service_ms) / 3600000) AS open_h, round(sum(h.quorum_down_ms) / 60000) AS down_min, round(sum(h.unknown_ms) / 60000) AS unknown_min\nFROM pos.store_availability_hourly AS h JOIN pos.store_status AS s USING store_id GROUP BY store_id ORDER BY down_min DESC, unknown_min DESC"},
	{"Incidents", "SELECT party, count() AS resolved, round(avg(dateDiff('second', opened_at, acknowledged_at)) / 60, 1) AS to_acknowledge_min, round(avg(resolve_ms) / 60000, 1) AS to_resolve_min, sum(reopened) AS reopened\nFROM pos.incidents WHERE resolved_at IS NOT NULL GROUP BY party ORDER BY resolved DESC"},
	{"Orders collected in stores", "SELECT store_id, sum(ready) AS orders_ready, round(sum(ready_in_time) / nullIf(sum(promised), 0), 2) AS kept_promise, round(sum(collected) / nullIf(sum(collected + cancelled + expired), 0), 2) AS pickup_rate, round(sum(added_on) / nullIf(sum(collected), 0), 2) AS attach_rate, round(median(lead_open_ms_p50) / 60000) AS lead_open_min, sum(open) AS waiting\nFROM pos.omnichannel_funnel GROUP BY store_id ORDER BY pickup_rate DESC"},
	{"Payment mix", "SELECT method, entry_mode, currency, sum(attempts) AS attempts, sum(approved) AS approved, sum(declined) AS declined, sum(failed) AS failed, sum(amount) AS amount, round(max(authorisation_ms_p95)) AS worst_hour_p95_ms\nFROM pos.payments_hourly GROUP BY method, entry_mode, currency ORDER BY attempts DESC LIMIT 12"},
	{"Books balanced", "SELECT topic, sum(r) AS records, sum(d) AS duplicates, sum(x) AS rejected, sum(g) AS gaps, sum(p) AS offsets, records + duplicates + rejected + gaps = offsets AS balanced\nFROM (SELECT topic, sum(records) AS r, sum(duplicates) AS d, sum(rejected) AS x, sum(gaps) AS g, max(to_offset) - min(from_offset) AS p FROM pos.ledger GROUP BY topic, partition)\nGROUP BY topic ORDER BY topic"},
}

// answer prints what a newcomer wants to see, with the SQL that gave it.
func answer(e *env, sink *clickhouse.Sink) error {
	for _, q := range questions {
		var rows strings.Builder
		if err := printQuery(&env{ctx: e.ctx, stdout: &rows}, sink, q.sql, clickhouse.FormatTable); err != nil {
			return fmt.Errorf("asking for %q: %w", q.title, err)
		}
		fmt.Fprintf(e.stdout, "\n%s\n\n%s\n\n%s\n", q.title, q.sql, cmp.Or(rows.String(), "nothing yet"))
	}
	return nil
}
