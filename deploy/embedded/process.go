package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/tillstream/tillstream/deploy/embedded/internal/process"
)

// child is one process of the engine.
type child struct {
	*process.Process
	pipe   *os.File // closing it asks the engine to end; so does our own death
	output *tail
}

const (
	readyWithin  = 5 * time.Minute  // a quarter of a second; more on a large or damaged directory, or a machine that has much else to do
	stopWithin   = 4 * time.Minute  // 10 ms, or five seconds with open connections; more on a machine that has much else to do
	orphanWithin = 4 * time.Minute  // how long the child of a killed process may take to let go of the data
	answerWithin = 30 * time.Second // one that has a port and does not answer
	pollEvery    = 10 * time.Millisecond
)

var (
	errPortTaken  = errors.New("the port was taken by another process")
	errDataLocked = errors.New("another ClickHouse has the data")
)

// start starts a child and waits until it answers. We hold the directory's lock, so another ClickHouse on the data is a killed
// process's, which is about to end.
func (e *Engine) start(ctx context.Context) (*child, error) {
	orphans, cancel := context.WithTimeout(ctx, orphanWithin)
	defer cancel()
	for {
		c, err := e.startOnce(ctx)
		if !errors.Is(err, errDataLocked) {
			return c, err
		}
		select {
		case <-orphans.Done():
			return nil, fmt.Errorf("%w: %w; find it with: fuser %s", ErrLocked, err, e.path("data/status"))
		case <-time.After(10 * pollEvery):
		}
	}
}

func (e *Engine) startOnce(ctx context.Context) (*child, error) {
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
	c := &child{pipe: write, output: &tail{}}
	// The second script is the pipe: ClickHouse reads it to its end, which is ours.
	cmd := exec.Command(self, "--config-file="+e.path("config.xml"), "--path="+e.path("data"), "--listen_host=127.0.0.1",
		"--log-level=warning", "--http_port="+httpPort, "--tcp_port="+nativePort, "--queries-file", e.path("start.sql"), "/proc/self/fd/3")
	cmd.Env = append(os.Environ(), childEnv+"="+e.cfg.Library, "TZ=UTC")
	cmd.Dir = e.cfg.Dir
	cmd.ExtraFiles = []*os.File{read}
	cmd.Stdout, cmd.Stderr = c.output, c.output
	if c.Process, err = process.Start(cmd); err != nil {
		write.Close()
		return nil, err
	}
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
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	dialer := net.Dialer{Timeout: answerWithin}
	for {
		select {
		case <-c.Exited():
			return c.err()
		case <-ctx.Done():
			return fmt.Errorf("waiting for it to answer: %w; see %s", ctx.Err(), e.path("clickhouse.err.log"))
		case <-poll.C:
		}
		if !answers(ctx, e.http, e.id) {
			continue
		}
		if conn, err := dialer.DialContext(ctx, "tcp", e.native); err == nil {
			conn.Close()
			return nil
		}
	}
}

// answers says whether the engine with that id is at the address, and not another that has its port now.
func answers(ctx context.Context, addr, id string) bool {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/?query=SELECT+1", nil)
	if err != nil {
		return false
	}
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<10))
	return res.StatusCode == http.StatusOK && res.Header.Get("X-ClickHouse-Server-Display-Name") == id
}

// err says why a child that has ended did so. An engine whose data is locked exits with 0.
func (c *child) err() error {
	said := c.output.String()
	switch {
	case c.Reason() == "exit status "+strconv.Itoa(exitUnloaded):
		return fmt.Errorf("%s%s", said, waysOut)
	case strings.Contains(said, "Cannot lock file"):
		return errDataLocked
	case strings.Contains(said, "Address already in use"):
		return fmt.Errorf("%w: %s", errPortTaken, said)
	default:
		return fmt.Errorf("the engine ended, %s: %s", c.Reason(), said)
	}
}

// stop asks the child to end, then makes it; orderly is false if it had to.
func (c *child) stop() (orderly bool) {
	return c.Stop(func(*os.Process) { c.pipe.Close() }, stopWithin)
}
