package realalertmanager

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/tillstream/tillstream/deploy/embedded/internal/process"
)

const (
	readyWithin = 4 * time.Minute
	stopWithin  = 4 * time.Minute
	pollEvery   = 20 * time.Millisecond
)

// Alertmanager is one that Start has started. It runs until Close, or until this process dies. Its methods are for one goroutine.
type Alertmanager struct {
	dir, programs, addr string
	process             *process.Process // nil when none runs
}

// Start builds Alertmanager where it never was, starts it with a configuration and returns when it answers. dir keeps its silences and what it has notified.
func Start(ctx context.Context, dir, config string) (*Alertmanager, error) {
	bin, err := programs(ctx)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting Alertmanager: %w", err)
	}
	a := &Alertmanager{dir: dir, programs: bin, addr: l.Addr().String()}
	if err := errors.Join(l.Close(), os.WriteFile(a.config(), []byte(config), 0o600)); err != nil {
		return nil, fmt.Errorf("starting Alertmanager: %w", err)
	}
	return a, a.Restart(ctx)
}

// URL is where its API is. It stays the same when it is started again.
func (a *Alertmanager) URL() string { return "http://" + a.addr }

func (a *Alertmanager) config() string { return filepath.Join(a.dir, "alertmanager.yml") }

// Close ends it in order, which makes it write what it keeps. A second Close does nothing.
func (a *Alertmanager) Close() error {
	if a.process == nil {
		return nil
	}
	orderly := a.process.Stop(func(p *os.Process) { _ = p.Signal(os.Interrupt) }, stopWithin)
	a.process = nil
	if !orderly {
		return errors.New("stopping Alertmanager: it had to be killed")
	}
	return nil
}

// Restart starts it on its data and address again.
func (a *Alertmanager) Restart(ctx context.Context) error {
	if err := a.Close(); err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(a.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("starting Alertmanager: %w", err)
	}
	defer log.Close() // the process has its own
	cmd := exec.Command(filepath.Join(a.programs, "alertmanager"), "--config.file="+a.config(), "--storage.path="+filepath.Join(a.dir, "data"),
		"--web.listen-address="+a.addr, "--cluster.listen-address=")
	cmd.Stdout, cmd.Stderr = log, log
	if a.process, err = process.Start(cmd); err != nil {
		return fmt.Errorf("starting Alertmanager: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for !a.ready(ctx) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("starting Alertmanager: it does not answer: %s", a.said())
		case <-a.process.Exited():
			return fmt.Errorf("starting Alertmanager: it ended (%s): %s", a.process.Reason(), a.said())
		case <-poll.C:
		}
	}
	return nil
}

func (a *Alertmanager) ready(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL()+"/-/ready", nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	return res.Body.Close() == nil && res.StatusCode == http.StatusOK
}

func (a *Alertmanager) said() string {
	log, _ := os.ReadFile(filepath.Join(a.dir, "log"))
	return string(log[max(0, len(log)-2048):])
}

// Amtool runs amtool against it, or on files.
func (a *Alertmanager) Amtool(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(a.programs, "amtool"), append([]string{"--alertmanager.url=" + a.URL()}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("running amtool %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}
