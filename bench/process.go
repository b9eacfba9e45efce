package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a peer that runs.
type process struct {
	cmd    *exec.Cmd
	begun  chan time.Time // gets the moment of its first record
	done   chan struct{}  // closed when it has ended and all it printed is read
	err    error          // how it ended
	totals totals         // that it has printed
	log    string
}

// launch starts a command on some cores.
func launch(cmd *exec.Cmd, cores *unix.CPUSet, log string) (*process, error) {
	p := &process{cmd: cmd, begun: make(chan time.Time, 1), done: make(chan struct{}), log: log}
	file, err := os.Create(log)
	if err != nil {
		return nil, fmt.Errorf("making a log: %w", err)
	}
	defer file.Close() // the process has its own
	cmd.Stderr = file
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	if err := pinned(cores, cmd.Start); err != nil {
		return nil, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	go func() {
		defer close(p.done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			switch word, rest, _ := strings.Cut(lines.Text(), " "); word {
			case "begun":
				p.begins()
			case "totals":
				_ = json.Unmarshal([]byte(rest), &p.totals) // totals that are not read are wrong ones
			}
		}
		p.err = cmd.Wait()
	}()
	return p, nil
}

func (p *process) begins() {
	select {
	case p.begun <- time.Now():
	default:
	}
}

// watch says that it has begun when a metric is above zero.
func (p *process) watch(ctx context.Context, listen, metric string) {
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		if n, err := readMetric(ctx, "http://"+listen+"/metrics", metric); err == nil && n > 0 {
			p.begins()
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-p.done:
			return
		case <-look.C:
		}
	}
}

func readMetric(ctx context.Context, url, name string) (sum float64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	return sumMetric(res.Body, name)
}

// sumMetric adds up the samples of a metric in Prometheus' text.
func sumMetric(r io.Reader, name string) (sum float64, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), name)
		if !ok || rest == "" || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		f := strings.Fields(rest[strings.LastIndexByte(rest, '}')+1:])
		if len(f) == 0 {
			continue
		}
		v, err := strconv.ParseFloat(f[0], 64)
		if err != nil {
			return 0, fmt.Errorf("reading metric %s: %w", name, err)
		}
		sum += v
	}
	return sum, lines.Err()
}

// end asks the process to end, and makes it.
func (p *process) end() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

func (p *process) words() string {
	b, _ := os.ReadFile(p.log) // for a message only
	return reason(string(b))
}

// tellsWhy are lines that name an error: an exception of Java, or its cause, or what Go ends with.
var tellsWhy = regexp.MustCompile(`^(Caused by: |Exception in thread |panic: |fatal error: |[\w.$]+(Exception|Error)(:|$))|OutOfMemoryError`)

// reason is what a log tells of an end: the first and the last line that name an error, without the traces below them, or else its end.
func reason(log string) string {
	var why []string
	for line := range strings.Lines(log) {
		if line = strings.TrimSpace(line); tellsWhy.MatchString(line) && !slices.Contains(why, line) {
			why = append(why, line)
		}
	}
	if len(why) == 0 {
		return strings.TrimSpace(log[max(0, len(log)-500):])
	}
	// The first is what began it, the last what is at the root of what came of it.
	if first, last := why[0], why[len(why)-1]; first != last {
		return first + "; at last " + last
	}
	return why[0]
}

// died is the error of a process that ended when it should not, whatever status it gave.
func (p *process) died() error {
	how := p.cmd.ProcessState.String()
	if p.cmd.ProcessState.Success() {
		how += ", as if all were well"
	}
	return fmt.Errorf("it ended before its work was done (%s): %s", how, p.words())
}
