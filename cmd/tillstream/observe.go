package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tillstream/tillstream/processor"
)

// memberState is what a member says of itself.
type memberState interface {
	Joined() bool
	Progress() []processor.LaneProgress
}

// observe is what operators ask: /metrics, /healthz (the process works), /readyz (it takes part in the group, ClickHouse answers, and no lane has stopped for good) and, where they
// are wanted, profiles.
func observe(m memberState, ping func(context.Context) error, registry *prometheus.Registry, profiles bool) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := ready(r.Context(), m, ping); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	if profiles {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// ready says why the member does not work as it should.
func ready(ctx context.Context, m memberState, ping func(context.Context) error) error {
	for _, l := range m.Progress() {
		if l.State == processor.StateStopped {
			return l.Error
		}
	}
	if !m.Joined() {
		return errors.New("this member has not joined the group yet, or joins it again")
	}
	return ping(ctx)
}

// Whoever asks often, or many who do, ask ClickHouse no more often than this.
const (
	pingEvery  = 2 * time.Second
	pingWithin = 3 * time.Second // tillstream ready waits for 5
)

// pinger asks whether ClickHouse answers, or says what it did a moment ago.
func pinger(sink interface{ Ping(context.Context) error }, now func() time.Time) func(context.Context) error {
	var mu sync.Mutex
	var at time.Time
	var last error
	return func(ctx context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		if !at.IsZero() && now().Sub(at) < pingEvery {
			return last
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pingWithin) // the answer is for others, too
		defer cancel()
		last = sink.Ping(ctx)
		at = now()
		return last
	}
}
