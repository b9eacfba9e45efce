package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/tillstream/tillstream/cmd/tillstream/config"
	"github.com/tillstream/tillstream/deploy/embedded"
	"github.com/tillstream/tillstream/sinks/clickhouse"
)

// target says which ClickHouse a command means: of a DSN, of a configuration, or the embedded one of a data directory.
type target struct {
	Data   string `help:"Data directory of a demo, running or not." default:"tillstream-data" placeholder:"DIR"`
	DSN    string `name:"dsn" help:"ClickHouse to ask, clickhouse://user:password@host:9000 or http://…." placeholder:"DSN"`
	Config string `help:"Configuration file that names the ClickHouse." type:"path" placeholder:"FILE"`
}

// open opens the target for the time of f.
func (t *target) open(e *env, f func(*clickhouse.Sink) error) error {
	cfg := config.Default()
	switch {
	case t.DSN != "":
		cfg.ClickHouse.DSN = config.Secret(t.DSN)
	case t.Config != "":
		var err error
		if cfg, err = loadConfig(e, t.Config); err != nil {
			return err
		}
	default:
		dsn, done, err := demoEngine(e, t.Data)
		if err != nil {
			return err
		}
		defer done()
		cfg.ClickHouse.DSN = config.Secret(dsn)
	}
	sink, err := openSink(cfg)
	if err != nil {
		return err
	}
	return errors.Join(f(sink), sink.Close())
}

// kafka opens the Kafka that belongs to the target: of the configuration, or the embedded one of a demo, running or not; nil if there is none.
func (t *target) kafka(e *env) (_ *source, done func(), err error) {
	cfg := config.Default()
	done = func() {}
	switch {
	case t.Config != "":
		if cfg, err = loadConfig(e, t.Config); err != nil {
			return nil, done, err
		}
	case t.DSN != "":
		return nil, done, nil
	default:
		if _, err := os.Stat(brokerDir(t.Data)); err != nil {
			return nil, done, nil // the demo had another Kafka
		}
		if cfg.Kafka.Brokers, done, err = demoBroker(t.Data); err != nil {
			return nil, func() {}, err
		}
	}
	s, err := openKafka(cfg, zap.NewNop())
	if err != nil {
		done()
		return nil, func() {}, err
	}
	stop := done
	return s, func() { s.close(); stop() }, nil
}

// demoEngine starts the ClickHouse of a demo, if that is not running.
func demoEngine(e *env, data string) (dsn string, done func(), err error) {
	if _, err := os.Stat(engineDir(data)); err != nil {
		return "", nil, noDemo(data)
	}
	if dsn, running := embedded.Running(e.ctx, engineDir(data)); running {
		return dsn, func() {}, nil
	}
	engine, err := startEngine(e, data, zap.NewNop())
	if err != nil {
		return "", nil, err
	}
	return engine.DSN(), func() { engine.Close() }, nil
}

func noDemo(data string) error {
	return usageError{fmt.Errorf("there is no demo in %s; make one with tillstream demo, or name another with --data, or what is not embedded with --config", data)}
}

// demoBroker starts the Kafka of a demo, if that is not running.
func demoBroker(data string) (addrs []string, done func(), err error) {
	if _, err := os.Stat(data); err != nil {
		return nil, nil, noDemo(data)
	}
	if _, err := os.Stat(brokerDir(data)); err != nil {
		return nil, nil, usageError{fmt.Errorf("the demo in %s has another Kafka: name it, and its ClickHouse, with --config", data)}
	}
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Dir: brokerDir(data), Log: zap.NewNop()})
	if err == nil {
		return broker.Addrs(), broker.Close, nil
	}
	if errors.Is(err, embedded.ErrLocked) { // it runs
		var text []byte
		if text, err = os.ReadFile(addressFile(data)); err == nil {
			return strings.Split(string(text), ","), func() {}, nil
		}
	}
	return nil, nil, fmt.Errorf("finding the Kafka of %s: %w", data, err)
}

// configOf is the configuration of a file, or, if a data directory is named, that of the demo in it, which runs at least until done.
func configOf(e *env, file, data string) (cfg *config.Config, done func(), err error) {
	if cfg, err = loadConfig(e, file); err != nil || data == "" {
		return cfg, func() {}, err
	}
	dsn, stop, err := demoEngine(e, data)
	if err != nil {
		return nil, nil, err
	}
	addrs, end, err := demoBroker(data)
	if err != nil {
		stop()
		return nil, nil, err
	}
	done = func() { end(); stop() }
	cfg.ClickHouse.DSN, cfg.Kafka.Brokers = config.Secret(dsn), addrs
	if cfg.Privacy.Secret, err = ownSecret(data); err != nil {
		done()
		return nil, nil, err
	}
	return cfg, done, nil
}

// brokerDir is where a demo's data directory keeps Kafka, addressFile where it says how the running one is reached.
func brokerDir(data string) string   { return filepath.Join(data, "kafka") }
func addressFile(data string) string { return filepath.Join(brokerDir(data), "address") }

// engineDir is where a demo's data directory keeps ClickHouse.
func engineDir(data string) string { return filepath.Join(data, "clickhouse") }

// startEngine starts the embedded ClickHouse, fetching it first where it was never used.
func startEngine(e *env, data string, log *zap.Logger) (*embedded.Engine, error) {
	library, err := embedded.Library(e.ctx, func(what string) { fmt.Fprintln(e.stderr, what) })
	if err != nil {
		return nil, err
	}
	return embedded.StartEngine(e.ctx, embedded.EngineConfig{Dir: engineDir(data), Library: library, Log: log.Named("clickhouse")})
}

// openSink connects to the ClickHouse of a configuration.
func openSink(cfg *config.Config) (*clickhouse.Sink, error) {
	c := cfg.ClickHouse
	out := clickhouse.Config{
		DSN: clickhouse.DSN(c.DSN), Username: c.Username, PasswordFile: c.PasswordFile, Renewed: cfg.Renewed, Cluster: c.Cluster,
		TLS: clickhouse.TLSConfig(c.TLS), MaxInsertTime: time.Duration(c.InsertTimeout),
	}
	if c.PasswordFile == "" {
		out.Password = clickhouse.Secret(c.Password)
	}
	if c.InsertQuorum != "" {
		out.InsertSettings = map[string]string{"insert_quorum": c.InsertQuorum}
	}
	sink, err := clickhouse.Open(out, time.Now)
	if err != nil {
		return nil, usageError{err}
	}
	return sink, nil
}
