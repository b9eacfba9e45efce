package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tillstream/tillstream/processor"
)

// progress says on standard error how far loading and folding are: in place on a terminal, else a line every two seconds.
type progress struct {
	out    io.Writer
	proc   *processor.Processor
	tty    bool
	loaded atomic.Int64
	ended  chan struct{}
	once   sync.Once
}

func newProgress(e *env, proc *processor.Processor) *progress {
	return &progress{out: e.stderr, proc: proc, tty: terminal(e.stderr) && !slices.Contains(e.environ, "TERM=dumb"), ended: make(chan struct{})}
}

func (p *progress) stop() { p.once.Do(func() { close(p.ended) }) }

// run prints until stop or ctx.
func (p *progress) run(ctx context.Context) {
	every := 2 * time.Second
	if p.tty {
		every = 200 * time.Millisecond
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	began := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.ended:
			p.print(began)
			if p.tty {
				fmt.Fprintln(p.out)
			}
			return
		case <-tick.C:
			p.print(began)
		}
	}
}

func (p *progress) print(began time.Time) {
	var folded uint64
	var lag int64
	for _, l := range p.proc.Progress() {
		folded += l.Records + l.Duplicates + l.Rejected
		lag += l.Lag()
	}
	line := fmt.Sprintf("sent %d events, folded and committed %d, behind by %d, %.0f events/s", p.loaded.Load(), folded, lag, float64(folded)/time.Since(began).Seconds())
	if p.tty {
		fmt.Fprintf(p.out, "\r\033[K%s", line)
	} else {
		fmt.Fprintln(p.out, line)
	}
}

// terminal says whether somebody sees what is written there.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
