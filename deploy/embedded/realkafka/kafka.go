package realkafka

import (
	"context"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"text/template"
	"time"

	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"

	"github.com/tillstream/tillstream/deploy/embedded/internal/flock"
	"github.com/tillstream/tillstream/deploy/embedded/internal/process"
)

//go:embed server.properties
var properties string

const (
	readyWithin  = 4 * time.Minute  // three seconds on an idle machine
	stopWithin   = 4 * time.Minute  // a clean stop takes about one second
	answerWithin = 20 * time.Second // one that has the port
	pollEvery    = 50 * time.Millisecond
)

// Config says how a Kafka runs.
type Config struct {
	Dir string   // its configuration, data and log; what is there already is opened again
	JVM []string // options of Java; those that start fastest and take least if nil

	Tokens bool // listen at TokenAddr, too, where one logs in with OAUTHBEARER and a JWT that nobody signed
}

// Kafka is a broker that Start has started. It runs until Close, or until this process dies. Its methods may be called by any goroutine.
type Kafka struct {
	dir, jars string
	java      string
	jvm       []string
	addr      string // host:port, the same until Close
	tokens    string // the same for those who log in with a token; empty: none

	mu      sync.Mutex
	process *process.Process // nil when none runs
	unlock  func()           // lets the directory go; nil after Close
}

// ErrLocked says that another Kafka works on the directory.
var ErrLocked = errors.New("another Kafka works on this directory")

// Start fetches Kafka where it was never used, starts it on free ports of loopback and returns when it answers.
func Start(ctx context.Context, cfg Config) (*Kafka, error) {
	java, err := exec.LookPath("java")
	if err != nil {
		return nil, errors.New("starting Kafka: java is not installed; install Java 17 or newer (Debian: apt install openjdk-17-jre-headless)")
	}
	j, err := userJars()
	if err != nil {
		return nil, fmt.Errorf("starting Kafka: %w", err)
	}
	lib, err := j.dir(ctx)
	if err != nil {
		return nil, fmt.Errorf("starting Kafka: %w", err)
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("starting Kafka: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("starting Kafka: %w", err)
	}
	unlock, err := flock.Try(filepath.Join(dir, "lock"))
	if errors.Is(err, flock.ErrHeld) {
		return nil, fmt.Errorf("starting Kafka in %s: %w", dir, ErrLocked)
	}
	if err != nil {
		return nil, fmt.Errorf("starting Kafka: %w", err)
	}
	k := &Kafka{dir: dir, jars: lib, java: java, jvm: cfg.JVM, unlock: unlock}
	if k.jvm == nil {
		k.jvm = []string{"-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"}
	}
	if err := k.open(ctx, cfg.Tokens); err != nil {
		unlock()
		return nil, fmt.Errorf("starting Kafka: %w", err)
	}
	return k, nil
}

func (k *Kafka) open(ctx context.Context, tokens bool) error {
	if err := k.configure(tokens); err != nil {
		return fmt.Errorf("configuring it: %w", err)
	}
	if err := k.format(ctx); err != nil {
		return fmt.Errorf("formatting its data: %w", err)
	}
	return k.start(ctx)
}

// Addr is host:port of the broker. It stays the same when the broker is started again.
func (k *Kafka) Addr() string { return k.addr }

// TokenAddr is host:port where one logs in with a token.
func (k *Kafka) TokenAddr() string { return k.tokens }

// Kill ends the broker with SIGKILL, for tests of what then happens, and returns when it is gone.
func (k *Kafka) Kill() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.process != nil {
		k.process.Kill()
		k.process = nil
	}
}

// Restart starts the broker on its data and address again, after Kill or, stopping it in order first, without.
func (k *Kafka) Restart(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.unlock == nil {
		return errors.New("restarting Kafka: it was closed")
	}
	if err := k.stop(); err != nil {
		return fmt.Errorf("restarting Kafka: %w", err)
	}
	if err := k.start(ctx); err != nil {
		return fmt.Errorf("restarting Kafka: %w", err)
	}
	return nil
}

// Close stops the broker in order and waits for it. Its data stay. A second Close does nothing.
func (k *Kafka) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.unlock == nil {
		return nil
	}
	err := k.stop()
	k.unlock()
	k.unlock = nil
	if err != nil {
		return fmt.Errorf("stopping Kafka: %w", err)
	}
	return nil
}

// configure writes the configuration, with ports that are free now.
func (k *Kafka) configure(tokens bool) error {
	ports, err := freeAddrs(3)
	if err != nil {
		return err
	}
	k.addr = ports[0]
	if tokens {
		k.tokens = ports[2]
	}
	t, err := template.New("server.properties").Parse(properties)
	if err != nil {
		return err
	}
	var b strings.Builder
	if err := t.Execute(&b, struct{ Broker, Controller, Tokens string }{k.addr, ports[1], k.tokens}); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(k.dir, "server.properties"), []byte(b.String()), 0o600)
}

// format makes the data directory a cluster's, once.
func (k *Kafka) format(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(k.dir, "data", "meta.properties")); err == nil {
		return nil
	}
	id := uuid.New()
	id[0] &= 0x7f // an id that begins with a minus would be taken for an option
	cmd := exec.CommandContext(ctx, k.java, "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		"-cp", filepath.Join(k.jars, "*"), "kafka.tools.StorageTool", "format",
		"-t", base64.RawURLEncoding.EncodeToString(id[:]), "-c", "server.properties", "--ignore-formatted")
	cmd.Dir = k.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("running the storage tool: %w: %s", err, lastBytes(out, 2048))
	}
	return nil
}

// start runs the broker and waits until it answers.
func (k *Kafka) start(ctx context.Context) error {
	log, err := os.OpenFile(k.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the process has its own
	cmd := exec.Command(k.java, append(slices.Clone(k.jvm), "-Xshare:auto",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true",
		"-cp", filepath.Join(k.jars, "*"), "kafka.Kafka", "server.properties")...)
	cmd.Dir = k.dir
	cmd.Stdout, cmd.Stderr = log, log
	p, err := process.Start(cmd)
	if err != nil {
		return err
	}
	if err := k.ready(ctx, p); err != nil {
		p.Kill()
		return err
	}
	k.process = p
	return nil
}

// ready waits until the broker says that it is in the cluster, which it does when it takes requests.
func (k *Kafka) ready(ctx context.Context, p *process.Process) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	transport := &kafka.Transport{DialTimeout: answerWithin, MetadataTTL: pollEvery}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(k.addr), Transport: transport, Timeout: answerWithin}
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		select {
		case <-p.Exited():
			return fmt.Errorf("the broker ended, %s: %s", p.Reason(), k.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("waiting for the broker to answer: %w: %s", ctx.Err(), k.lastWords())
		case <-poll.C:
		}
		if meta, err := client.Metadata(ctx, &kafka.MetadataRequest{}); err == nil && len(meta.Brokers) == 1 {
			return nil
		}
	}
}

// stop ends the broker in order, if one runs.
func (k *Kafka) stop() error {
	p := k.process
	if p == nil {
		return nil
	}
	k.process = nil
	if !p.Stop(func(h *os.Process) { _ = h.Signal(syscall.SIGTERM) }, stopWithin) { // it may have ended by itself
		return fmt.Errorf("it did not end within %s and was killed; see %s", stopWithin, k.logPath())
	}
	return nil
}

func (k *Kafka) logPath() string { return filepath.Join(k.dir, "kafka.log") }

// lastWords are the end of the broker's log, and what they mean where that is known.
func (k *Kafka) lastWords() string {
	b, err := os.ReadFile(k.logPath())
	if err != nil {
		return err.Error()
	}
	said := string(lastBytes(b, 2048))
	if strings.Contains(said, "UnsupportedClassVersionError") {
		return "java is too old; install Java 17 or newer"
	}
	return fmt.Sprintf("%s (all of it: %s)", said, k.logPath())
}

// freeAddrs are n different addresses of loopback that nobody listens on.
func freeAddrs(n int) (addrs []string, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // after the loop, so that they differ
		addrs = append(addrs, l.Addr().String())
	}
	return addrs, nil
}
