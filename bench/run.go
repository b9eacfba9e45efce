package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// result is what one run gave. A failed one has no figures.
type result struct {
	peer    string
	cores   int
	failure string // "" if it did its work

	startup, took    time.Duration // before the first record, and from it on
	rate, secondHalf float64       // events a second; of all, and after half of them were committed: NaN if that was the end
	cpu, kafka, ch   float64       // CPU-seconds a million events: of the peer, of Kafka and of ClickHouse meanwhile
	peak             int64         // bytes
	disk             float64       // bytes a million events in ClickHouse, when merged
	largest          string        // what takes most of it
	totals           totals
}

// measure runs a peer once over all of a topic. An error is of the harness; what the peer did wrong is in the result.
func (b *bench) measure(ctx context.Context, p *peer, w *workload, cores int) (result, error) {
	r := result{peer: p.name, cores: cores}
	j, err := b.job(p, cores, b.cfg.flush)
	if err != nil {
		return r, err
	}
	j.topic, j.ndjson, j.events = w.topic, w.ndjson, w.oracle.events
	if p.trap {
		j.grain = hour
	}
	defer b.forget(ctx, p, j)
	mine, others := cpus(0, 1), cpus(0, 1)
	if cores == 1 {
		mine, others = cpus(0), cpus(1)
	}
	kafkaCores, clickCores := others, others
	if p.work != nil { // then it is ClickHouse that works
		clickCores = mine
	}
	if err := b.pin(kafkaCores, clickCores, others); err != nil {
		return r, err
	}
	ctx, cancel := context.WithTimeout(ctx, b.cfg.limit)
	defer cancel()
	expected := w.oracle.totals(j.grain)
	if p.days {
		expected = w.oracle.totals(day)
	}
	if p.work != nil {
		err = b.work(ctx, p, j, &r)
	} else {
		err = b.process(ctx, p, j, mine, expected, &r)
	}
	if err == nil {
		err = b.check(ctx, p, j, expected, &r)
	}
	if err != nil {
		r.failure = err.Error()
	}
	return r, nil
}

// pin gives Kafka, ClickHouse and ourselves their cores.
func (b *bench) pin(broker, click, self *unix.CPUSet) error {
	return errors.Join(pin(b.site.kafkaPID, broker), pin(b.site.clickPID, click), pin(os.Getpid(), self))
}

// check compares what a peer has with what it should have, and then asks for its size.
func (b *bench) check(ctx context.Context, p *peer, j *job, expected totals, r *result) (err error) {
	if p.prints {
		expected.Keys = 0 // it keeps none
	} else if r.totals, err = b.site.totals(ctx, p.totals(j)); err != nil {
		return err
	}
	if d := expected.differ(r.totals); d != "" {
		return errors.New(d)
	}
	if p.audit != nil {
		if out, err := p.audit(j).CombinedOutput(); err != nil {
			return fmt.Errorf("its audit failed: %w: %s", err, out)
		}
	}
	if p.prints {
		return nil
	}
	var bytes int64
	bytes, r.largest, err = b.site.bytes(ctx, b.databases(p, j))
	r.disk = float64(bytes) / float64(j.events) * 1e6
	return err
}

func (b *bench) databases(p *peer, j *job) []string {
	if p.databases != nil {
		return p.databases
	}
	return []string{j.database}
}

// work is a run of what ClickHouse does alone.
func (b *bench) work(ctx context.Context, p *peer, j *job, r *result) error {
	meter := b.meter(0)
	if err := p.work(ctx, b.site, j); err != nil {
		return err
	}
	meter.stop(j.events, r)
	return nil
}

// process is a run of a peer that is a process.
func (b *bench) process(ctx context.Context, p *peer, j *job, cores *unix.CPUSet, expected totals, r *result) error {
	cmd, err := p.prepare(ctx, b.site, j)
	if err != nil {
		return err
	}
	started := time.Now()
	proc, err := launch(cmd, cores, filepath.Join(j.dir, "stderr.log"))
	if err != nil {
		return err
	}
	defer proc.end()
	watched := watchMemory(cmd.Process.Pid)
	defer watched.peak()
	if p.metric != "" {
		go proc.watch(ctx, j.listen, p.metric)
	}
	var meter *meter
	select {
	case at := <-proc.begun:
		r.startup = at.Sub(started)
		meter = b.meter(cmd.Process.Pid)
		meter.began = at
	case <-proc.done:
		return proc.died()
	case <-ctx.Done():
		return fmt.Errorf("waiting for its first record: %w: %s", ctx.Err(), proc.words())
	}
	if p.prints || p.trap { // it ends at the end of the topic
		select {
		case <-proc.done:
		case <-ctx.Done():
			return fmt.Errorf("waiting for its end: %w: %s", ctx.Err(), proc.words())
		}
		if proc.err != nil {
			return proc.died()
		}
		r.totals = proc.totals
		meter.use = func() time.Duration { return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime() }
	} else if err := b.settle(ctx, p, j, proc, expected, meter); err != nil {
		return err
	}
	meter.stop(j.events, r)
	r.peak = watched.peak()
	return nil
}

// settle waits until a group has committed all of a topic and ClickHouse has all of it; the meter is told when half was committed. If ClickHouse does
// not change any more and is not right, it returns, and the totals tell what is wrong.
func (b *bench) settle(ctx context.Context, p *peer, j *job, proc *process, expected totals, m *meter) error {
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	var last totals
	changed := time.Now()
	for committed := int64(0); ; {
		select {
		case <-look.C:
		case <-proc.done:
			return proc.died()
		case <-ctx.Done():
			return fmt.Errorf("%d of %d events were committed within %s: %s", committed, j.events, b.cfg.limit, proc.words())
		}
		var err error
		if committed, err = b.site.committed(ctx, j.group, j.topic); err != nil {
			continue // the group may not be there yet
		}
		if m.half.IsZero() && 2*committed >= j.events {
			m.half, m.halfEvents = time.Now(), committed
		}
		if committed < j.events {
			changed = time.Now()
			continue
		}
		now, err := b.site.totals(ctx, p.totals(j))
		if err != nil {
			return err
		}
		if now == expected || time.Since(changed) > 20*time.Second {
			return nil
		}
		if now != last {
			last, changed = now, time.Now()
		}
	}
}

// meter takes time and CPU.
type meter struct {
	b          *bench
	began      time.Time
	half       time.Time // when half of the events were committed
	halfEvents int64
	use        func() time.Duration // CPU of the peer
	peer       time.Duration
	kafka, ch  time.Duration
}

func (b *bench) meter(pid int) *meter {
	m := &meter{b: b, began: time.Now(), use: func() time.Duration { return 0 }, kafka: cpuOf(b.site.kafkaPID), ch: cpuOf(b.site.clickPID)}
	if pid != 0 {
		m.use = func() time.Duration { return cpuOf(pid) }
	}
	m.peer = m.use()
	return m
}

func (m *meter) stop(events int64, r *result) {
	end := time.Now()
	a := func(d time.Duration) float64 { return d.Seconds() / float64(events) * 1e6 }
	r.took = end.Sub(m.began)
	r.rate = float64(events) / r.took.Seconds()
	r.secondHalf = math.NaN()
	if left := events - m.halfEvents; !m.half.IsZero() && left > 0 {
		r.secondHalf = float64(left) / end.Sub(m.half).Seconds()
	}
	r.cpu, r.kafka, r.ch = a(m.use()-m.peer), a(cpuOf(m.b.site.kafkaPID)-m.kafka), a(cpuOf(m.b.site.clickPID)-m.ch)
}

// job is a new one for a peer, with a directory and names of its own.
func (b *bench) job(p *peer, cores int, flush time.Duration) (*job, error) {
	dir, err := b.site.scratch(p.name)
	if err != nil {
		return nil, fmt.Errorf("making a directory: %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("looking for a free port: %w", err)
	}
	defer l.Close()
	name := strings.ReplaceAll(filepath.Base(dir), "-", "_")
	return &job{
		group: "bench_" + name, database: "bench_" + name, cores: cores, grain: b.cfg.grain, flush: flush, heap: b.cfg.heap, dir: dir, listen: l.Addr().String(),
	}, nil
}

// forget removes what a run has left, so that the next finds the machine as this one did.
func (b *bench) forget(ctx context.Context, p *peer, j *job) {
	for _, d := range b.databases(p, j) {
		_ = b.site.execute(context.WithoutCancel(ctx), "DROP DATABASE IF EXISTS "+d+" SYNC") // the next run has names of its own
	}
	_ = os.RemoveAll(j.dir)
}
