package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	probeEvery = 50 * time.Millisecond
	warmUp     = 10 * time.Second // after the first probe was seen: compilers
	patience   = time.Minute      // for probes that do not come
)

// freshness is how long events took to be queryable.
type freshness struct {
	peer    string
	load    int           // events a second
	flush   time.Duration // what the peer was set to
	failure string

	p50, p99, worst float64 // milliseconds, of the probes
	probes          int
	query           float64 // ms: median of the query that looks, which is in all figures
	cpu, kafka, ch  float64 // cores meanwhile
}

// sightings are when probes were sent, and when they were first seen.
type sightings struct {
	mu   sync.Mutex
	sent map[string]time.Time
	seen map[string]time.Time
}

func (s *sightings) send(product string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent[product] = at
}

// see notes when products were seen first, and returns how many there are by now.
func (s *sightings) see(products []string, at time.Time) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range products {
		if _, ok := s.seen[p]; !ok {
			s.seen[p] = at
		}
	}
	return len(s.seen)
}

// between are the delays, in ms, of what was sent in [from, to), and how much of that was never seen.
func (s *sightings) between(from, to time.Time) (delays []float64, unseen int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p, at := range s.sent {
		if at.Before(from) || !at.Before(to) {
			continue
		}
		if seen, ok := s.seen[p]; ok {
			delays = append(delays, seen.Sub(at).Seconds()*1000)
		} else {
			unseen++
		}
	}
	return delays, unseen
}

// fresh runs a peer under a steady load.
func (b *bench) fresh(ctx context.Context, p *peer, load int, flush time.Duration) (freshness, error) {
	f := freshness{peer: p.name, load: load, flush: flush}
	j, err := b.job(p, 2, flush)
	if err != nil {
		return f, err
	}
	defer b.forget(ctx, p, j)
	j.topic = fmt.Sprintf("fresh%d.transactions", b.site.next())
	if err := b.site.createTopics(ctx, topics(j.topic)); err != nil {
		return f, err
	}
	defer func() { _ = b.site.deleteTopics(context.WithoutCancel(ctx), topics(j.topic)) }() // they only take room
	all := cpus(0, 1)
	if err := b.pin(all, all, all); err != nil {
		return f, err
	}
	cmd, err := p.prepare(ctx, b.site, j)
	if err != nil {
		return f, err
	}
	proc, err := launch(cmd, all, filepath.Join(j.dir, "stderr.log"))
	if err != nil {
		return f, err
	}
	defer proc.end()

	ctx, cancel := context.WithTimeout(ctx, b.cfg.limit)
	defer cancel()
	s := &sightings{sent: map[string]time.Time{}, seen: map[string]time.Time{}}
	sending, stop := context.WithCancel(ctx)
	defer stop()
	failed := make(chan error, 1)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		b.steady(sending, j.topic, load, s, failed)
	}()
	defer func() { stop(); <-sent }()

	var from, to time.Time // of the probes that count
	var m *meter
	var queries []float64
	for {
		asked := time.Now()
		text, err := b.site.ask(ctx, p.visible(j), nil)
		now := time.Now()
		switch {
		case err != nil && ctx.Err() == nil && from.IsZero(): // its tables may not be there yet
		case err != nil:
			f.failure = err.Error()
			return f, nil
		case s.see(strings.Fields(text), now) > 0 && from.IsZero():
			from = now.Add(warmUp)
			to = from.Add(b.cfg.freshFor)
		}
		if m == nil && !from.IsZero() && now.After(from) {
			m = b.meter(cmd.Process.Pid)
		}
		if m != nil {
			queries = append(queries, now.Sub(asked).Seconds()*1000)
		}
		if m != nil && now.After(to) {
			if sending.Err() == nil {
				stop()
				took := now.Sub(m.began).Seconds()
				f.cpu, f.kafka, f.ch = (m.use()-m.peer).Seconds()/took, (cpuOf(b.site.kafkaPID)-m.kafka).Seconds()/took, (cpuOf(b.site.clickPID)-m.ch).Seconds()/took
			}
			delays, unseen := s.between(from, to)
			if unseen == 0 {
				f.probes, f.p50, f.p99, f.worst, f.query = len(delays), quantile(delays, 0.5), quantile(delays, 0.99), quantile(delays, 1), quantile(queries, 0.5)
				return f, nil
			}
			if now.After(to.Add(patience)) {
				f.failure = fmt.Sprintf("%d of %d probes were not queryable %s after the last of them: it does not keep up, or loses", unseen, unseen+len(delays), patience)
				return f, nil
			}
		}
		select {
		case err := <-failed:
			return f, fmt.Errorf("sending events: %w", err)
		case <-proc.done:
			f.failure = proc.died().Error()
			return f, nil
		case <-ctx.Done():
			f.failure = fmt.Sprintf("no probe was queryable within %s: %s", b.cfg.limit, proc.words())
			return f, nil
		case <-time.After(max(20*time.Millisecond, 2*now.Sub(asked))): // so that looking takes a third of a core at most
		}
	}
}

// steady sends events of now at a rate, and probes between them, until ctx ends.
func (b *bench) steady(ctx context.Context, topic string, load int, s *sightings, failed chan<- error) {
	g := newSeller(1)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	send := context.WithoutCancel(ctx) // what was begun arrives
	began := time.Now()
	for n, probes := 0, 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for due := int(time.Since(began).Seconds() * float64(load)); n < due; n++ {
			b.site.send(send, topic, g.sell(time.Now()), failed)
		}
		for ; probes < int(time.Since(began)/probeEvery); probes++ {
			now, product := time.Now(), fmt.Sprintf("probe%08d", probes)
			s.send(product, now)
			b.site.send(send, topic, g.probe(probes%partitions, probes/partitions+1, product, now), failed)
		}
	}
}

// probeStores are those of the probes, as a list in SQL.
func probeStores() string {
	var names []string
	for i := range partitions {
		names = append(names, "'"+probeStore(i)+"'")
	}
	return "(" + strings.Join(names, ", ") + ")"
}
