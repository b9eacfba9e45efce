package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// EngineConfig says how the embedded ClickHouse runs.
type EngineConfig struct {
	Dir         string // where it keeps its data
	Library     string // path of libchdb.so, as Library gives it
	MemoryBytes int64  // what the engine may take; 4 GiB if 0
	Log         *zap.Logger
}

// Engine is a running ClickHouse.
type Engine struct {
	cfg          EngineConfig
	http, native string
	cancel       context.CancelFunc
	done         chan struct{} // the supervisor has ended
	restarts     atomic.Int64

	mu    sync.Mutex
	child *child
}

// readyWithin bounds how long a child may take to answer; it takes a fifth of a second, more on a large or damaged directory.
const readyWithin = 60 * time.Second

// ErrLocked says that another engine works on the directory.
var ErrLocked = errors.New("another tillstream works on this directory")

// StartEngine starts ClickHouse on a directory and returns when it answers. It is then kept alive until Close.
func StartEngine(ctx context.Context, cfg EngineConfig) (*Engine, error) {
	if cfg.MemoryBytes == 0 {
		cfg.MemoryBytes = 4 << 30
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("starting ClickHouse: %w", err)
	}
	cfg.Dir = dir
	e := &Engine{cfg: cfg, done: make(chan struct{})}
	for _, addr := range []*string{&e.http, &e.native} {
		if *addr, err = freeAddr(); err != nil {
			return nil, fmt.Errorf("starting ClickHouse: %w", err)
		}
	}
	if err := e.writeConfig(); err != nil {
		return nil, fmt.Errorf("starting ClickHouse: %w", err)
	}
	first, err := e.start(ctx)
	if err != nil {
		return nil, fmt.Errorf("starting ClickHouse: %w", err)
	}
	e.child = first
	if err := e.announce(); err != nil {
		first.stop()
		return nil, fmt.Errorf("starting ClickHouse: %w", err)
	}
	life, cancel := context.WithCancel(context.Background())
	e.cancel = cancel
	go e.supervise(life)
	return e, nil
}

// HTTPAddr is host:port of ClickHouse's HTTP interface. It stays the same when the child is started again.
func (e *Engine) HTTPAddr() string { return e.http }

// NativeAddr is host:port of the native protocol.
func (e *Engine) NativeAddr() string { return e.native }

// DSN is what clickhouse-go connects with; HTTP without compression is the fastest on loopback.
func (e *Engine) DSN() string { return "http://default@" + e.http + "/default" }

// Restarts is how often the child had to be started again.
func (e *Engine) Restarts() int64 { return e.restarts.Load() }

// Close stops the child and waits for it.
func (e *Engine) Close() error {
	e.cancel()
	<-e.done
	_ = os.Remove(e.endpointFile())
	return nil
}

// supervise starts the child again whenever it dies.
func (e *Engine) supervise(ctx context.Context) {
	defer close(e.done)
	pause := 100 * time.Millisecond
	for {
		began := time.Now()
		e.mu.Lock()
		c := e.child
		e.mu.Unlock()
		select {
		case <-ctx.Done():
			c.stop()
			return
		case <-c.exited:
		}
		e.cfg.Log.Warn("ClickHouse died and is started again", zap.Error(c.err()))
		for {
			e.restarts.Add(1)
			next, err := e.start(ctx)
			if err == nil {
				e.mu.Lock()
				e.child = next
				e.mu.Unlock()
				break
			}
			if time.Since(began) > time.Minute {
				pause = 100 * time.Millisecond
			}
			e.cfg.Log.Warn("ClickHouse did not come back yet", zap.Error(err), zap.Duration("trying again in", pause))
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			pause = min(2*pause, 10*time.Second)
		}
	}
}

// child is one process of the engine.
type child struct {
	cmd    *exec.Cmd
	pipe   *os.File // closing it asks the engine to end; so does our own death
	output *tail
	exited chan struct{}
	wait   error // set before exited is closed
}

func (e *Engine) start(ctx context.Context) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	_, httpPort, _ := net.SplitHostPort(e.http)
	_, nativePort, _ := net.SplitHostPort(e.native)
	c := &child{pipe: write, output: &tail{}, exited: make(chan struct{})}
	c.cmd = exec.Command(self, "--config-file="+e.path("config.xml"), "--path="+e.path("data"), "--listen_host=127.0.0.1",
		"--log-level=warning", "--http_port="+httpPort, "--tcp_port="+nativePort, "--queries-file", e.path("start.sql"), "/proc/self/fd/3")
	c.cmd.Env = append(os.Environ(), childEnv+"="+e.cfg.Library)
	c.cmd.Dir = e.cfg.Dir
	c.cmd.ExtraFiles = []*os.File{read}
	c.cmd.Stdout, c.cmd.Stderr = c.output, c.output
	c.cmd.SysProcAttr = childAttributes()
	if err := c.cmd.Start(); err != nil {
		write.Close()
		return nil, err
	}
	go func() {
		c.wait = c.cmd.Wait()
		close(c.exited)
	}()
	if err := e.ready(ctx, c); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

// ready waits until both ports answer.
func (e *Engine) ready(ctx context.Context, c *child) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		select {
		case <-c.exited:
			return c.err()
		case <-ctx.Done():
			return fmt.Errorf("waiting for it to answer: %w; see %s", ctx.Err(), e.path("clickhouse.err.log"))
		case <-poll.C:
		}
		res, err := client.Get("http://" + e.http + "/ping")
		if err != nil {
			continue
		}
		res.Body.Close()
		if conn, err := net.DialTimeout("tcp", e.native, time.Second); err == nil {
			conn.Close()
			return nil
		}
	}
}

// err says why a child that has ended did so. An engine whose directory is locked exits with 0.
func (c *child) err() error {
	said := strings.TrimSpace(c.output.String())
	switch {
	case strings.Contains(said, "Cannot lock file"):
		return fmt.Errorf("%w; stop it, or choose another with --data", ErrLocked)
	case c.wait != nil:
		return fmt.Errorf("the engine ended: %w: %s", c.wait, said)
	default:
		return fmt.Errorf("the engine ended by itself: %s", said)
	}
}

// stop asks the child to end, then makes it.
func (c *child) stop() {
	c.pipe.Close()
	select {
	case <-c.exited:
	case <-time.After(10 * time.Second):
		_ = c.cmd.Process.Kill()
		<-c.exited
	}
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// tail keeps the last few kilobytes written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if extra := len(t.buf) - 4096; extra > 0 {
		t.buf = bytes.Clone(t.buf[extra:])
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}

func (e *Engine) path(name string) string { return filepath.Join(e.cfg.Dir, name) }
