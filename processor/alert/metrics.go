package alert

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are what operators watch of alerts. One is made for a process; Loops that follow each other share it.
type Metrics struct {
	judging, looked prometheus.Gauge
	look            prometheus.Histogram
	unable          prometheus.Counter
	open            *prometheus.GaugeVec
	transitions     *prometheus.CounterVec
	waiting         *prometheus.GaugeVec
	sent, failed    *prometheus.CounterVec
}

// NewMetrics makes and registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		judging: prometheus.NewGauge(prometheus.GaugeOpts{Name: "tillstream_alerts_judging", Help: "1 if this member judges alerts. Of all members exactly one should."}),
		looked:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "tillstream_alerts_looked_seconds", Help: "When this member looked for alerts last and kept what it found, seconds since 1970."}),
		look: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tillstream_alerts_look_seconds", Help: "How long a look took, with keeping what was found.", Buckets: prometheus.ExponentialBuckets(0.01, 2, 12),
		}),
		unable: prometheus.NewCounter(prometheus.CounterOpts{Name: "tillstream_alerts_look_failures_total", Help: "Looks that failed, or of which nothing could be kept; the next one tries again."}),
		open:   prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "tillstream_alerts_open", Help: "Alerts that are not over."}, []string{"rule", "severity", "state"}),
		transitions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tillstream_alerts_transitions_total", Help: "Steps of alerts that were kept: firing, repeated, frozen, resumed and resolved.",
		}, []string{"rule", "transition"}),
		waiting: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "tillstream_alerts_waiting", Help: "Steps of alerts that a receiver has not taken yet; 10000 are as many or more."}, []string{"receiver"}),
		sent:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tillstream_alerts_sent_total", Help: "Steps of alerts that a receiver has taken."}, []string{"receiver"}),
		failed:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tillstream_alerts_send_failures_total", Help: "Attempts to tell a receiver that failed and are tried again."}, []string{"receiver"}),
	}
	reg.MustRegister(m.judging, m.looked, m.look, m.unable, m.open, m.transitions, m.waiting, m.sent, m.failed)
	return m
}

func (m *Metrics) round(began time.Time, transitions []Transition, open []Alert) {
	m.look.Observe(time.Since(began).Seconds())
	m.looked.SetToCurrentTime()
	for _, t := range transitions {
		m.transitions.WithLabelValues(string(t.Rule), string(t.Kind)).Inc()
	}
	m.count(open)
}

func (m *Metrics) count(open []Alert) {
	m.open.Reset()
	for _, a := range open {
		m.open.WithLabelValues(string(a.Rule), string(a.Severity), string(a.Status)).Inc()
	}
}

// end says that this member judges no more.
func (m *Metrics) end() {
	m.judging.Set(0)
	m.open.Reset()
	m.waiting.Reset()
}
