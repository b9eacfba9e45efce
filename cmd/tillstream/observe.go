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
	"go.uber.org/zap"

	"github.com/tillstream/tillstream/processor"
)

// memberState is what a member says of itself.
type memberState interface {
	Joined() bool
	Progress() []processor.LaneProgress
}

// observe is what operators ask: /metrics, /healthz (the process works), /readyz (it takes part in the group, ClickHouse answers, no lane has
// stopped for good, and none tries in vain for long) and, where they are wanted, profiles.
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

// inVain is how often in a row a lane may fail and its member count as ready: pauses between tries grow from half a second to ten.
const inVain = 8

// ready says why the member does not work as it should. What has stopped comes first, and then what ClickHouse answers, since lanes fail for it.
func ready(ctx context.Context, m memberState, ping func(context.Context) error) error {
	lanes := m.Progress()
	for _, l := range lanes {
		if l.State == processor.StateStopped {
			return l.Error
		}
	}
	if !m.Joined() {
		return errors.New("this member has not joined the group yet, or joins it again")
	}
	if err := ping(ctx); err != nil {
		return err
	}
	for _, l := range lanes {
		if l.Failed >= inVain {
			return fmt.Errorf("lane %d has failed %d times in a row and tries again; nothing is lost, but what it reads is not folded: %w", l.Lane, l.Failed, l.Error)
		}
	}
	return nil
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
	var open chan error // of a question that has no answer yet; nil: there is none
	return func(ctx context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		if !at.IsZero() && now().Sub(at) < pingEvery {
			return last
		}
		if open == nil {
			answer := make(chan error, 1)
			open = answer
			go func() {
				ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pingWithin) // the answer is for others, too
				defer cancel()
				answer <- sink.Ping(ctx)
			}()
		}
		select {
		case last = <-open:
			open = nil
		case <-time.After(pingWithin + pingWithin/10): // a connection that is being made ends later than that
			last = fmt.Errorf("clickhouse.addr: ClickHouse has not answered within %v: see that it runs and has nothing heavier to do, and check the address and the firewall", pingWithin)
		}
		at = now()
		return last
	}
}

// renewals tells operators of certificates and secrets whose files were replaced.
type renewals struct {
	log    *zap.Logger
	count  *prometheus.CounterVec
	failed *prometheus.GaugeVec
}

func newRenewals(registerer prometheus.Registerer, log *zap.Logger) *renewals {
	r := &renewals{log: log.Named("files"), count: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tillstream_renewals_total", Help: "Times that changed files of certificates or secrets were read anew, by the key that names them; failed: they cannot be used, and what was read before stays in force.",
	}, []string{"key", "result"}), failed: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "tillstream_renewal_failed", Help: "Whether what the files of a key hold now cannot be used, so that what they held before is in force: 1 or 0.",
	}, []string{"key"})}
	registerer.MustRegister(r.count, r.failed)
	return r
}

func (r *renewals) tell(key string, err error) {
	if err != nil {
		r.count.WithLabelValues(key, "failed").Inc()
		r.failed.WithLabelValues(key).Set(1)
		r.log.Error("files of certificates or secrets have changed and cannot be used; what was read before stays in force", zap.String("key", key), zap.Error(err))
		return
	}
	r.count.WithLabelValues(key, "ok").Inc()
	r.failed.WithLabelValues(key).Set(0)
	r.log.Info("files of certificates or secrets have changed; new connections use them", zap.String("key", key))
}
