package processor

import (
	"maps"
	"math"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/processor/rollup"
)

// LaneState is what a lane is doing.
type LaneState string

// States of a lane.
const (
	StateRecovering LaneState = "recovering"
	StateRunning    LaneState = "running"
	StateStopped    LaneState = "stopped" // for good: Error says why and what to do
)

// LaneProgress is what one lane of this process has done since it was assigned.
type LaneProgress struct {
	Lane                                int
	State                               LaneState
	Error                               error // of the newest trouble, nil once a batch was written after it
	Failed                              int   // attempts in a row: none was successful since the lane was running, or wrote a batch
	Records, Duplicates, Rejected, Gaps uint64
	Batches                             uint64
	Written                             map[fetch.TopicPartition]int64 // next offset after what ClickHouse holds
	End                                 map[fetch.TopicPartition]int64 // last stable offset, as last heard
}

// Lag is how many offsets the lane is behind.
func (p *LaneProgress) Lag() (lag int64) {
	for tp, end := range p.End {
		lag += max(0, end-p.Written[tp])
	}
	return lag
}

type metrics struct {
	events  *prometheus.CounterVec
	batches *prometheus.CounterVec
	inserts *prometheus.HistogramVec
	rows    *prometheus.CounterVec
	lag     *prometheus.GaugeVec
	stopped *prometheus.GaugeVec
	trouble *prometheus.CounterVec
	starts  *prometheus.CounterVec
	lost    *prometheus.GaugeVec
	waits   *prometheus.GaugeVec
	opening *prometheus.GaugeVec
	failed  *prometheus.CounterVec
	newest  *prometheus.GaugeVec
	unsaid  *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tillstream_events_total", Help: "Offsets passed, by what became of them: folded, duplicate, rejected (dead letter) or gap.",
		}, []string{"lane", "outcome"}),
		batches: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tillstream_batches_total", Help: "Batches written and committed."}, []string{"lane"}),
		inserts: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tillstream_insert_seconds", Help: "Duration of one acknowledged INSERT.", Buckets: prometheus.ExponentialBuckets(0.004, 2, 13),
		}, []string{"table"}),
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tillstream_rows_total", Help: "Rows inserted, ledger rows not counted."}, []string{"table"}),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tillstream_lag_offsets", Help: "Offsets between what ClickHouse holds and the end of the lane's partitions.",
		}, []string{"lane"}),
		stopped: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "tillstream_lane_stopped", Help: "1 if the lane has stopped for good and needs a person."}, []string{"lane"}),
		starts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tillstream_lane_starts_total", Help: "Recoveries of a lane: warm with what was in memory, or cold, reading its state from ClickHouse.",
		}, []string{"lane", "memory"}),
		trouble: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tillstream_lane_retries_total", Help: "Attempts that failed and were tried again."}, []string{"lane"}),
		lost: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tillstream_lost_offsets", Help: "Offsets that somebody decided to go without, as known at start (pos.losses).",
		}, []string{"lane"}),
		waits: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tillstream_lane_held_back", Help: "1 if the lane waits for a partition that is behind and cannot be read: going on would make its evidence too late.",
		}, []string{"lane"}),
		opening: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tillstream_lane_recovering", Help: "1 while the lane finds out where it stands and nothing of it is folded; how far it is behind is not known until then.",
		}, []string{"lane"}),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tillstream_insert_failures_total", Help: "INSERTs that failed or of which nothing was heard; they are tried again."}, []string{"table"}),
		newest: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tillstream_written_time_seconds", Help: "Kafka's time of the newest record of the last batch that ClickHouse took, seconds since 1970: how fresh the data is while records come.",
		}, []string{"lane"}),
		unsaid: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tillstream_unaccounted_offsets_total", Help: "Offsets of written batches by which their outcomes do not add up. Always 0: otherwise the books are out of balance.",
		}, []string{"lane"}),
	}
	reg.MustRegister(m.events, m.batches, m.inserts, m.rows, m.lag, m.stopped, m.trouble, m.starts, m.lost, m.waits, m.opening, m.failed, m.newest, m.unsaid)
	return m
}

// losses tells what the group went without so far.
func (m *metrics) losses(s Stream) {
	for n := range s.Lanes {
		m.lost.WithLabelValues(laneName(s.Group, n)).Set(0)
	}
	for _, l := range s.Losses {
		m.lost.WithLabelValues(laneName(s.Group, int(l.Partition)%s.Lanes)).Add(float64(max(0, l.To-l.From)))
	}
}

// laneReport keeps what a lane says of itself.
type laneReport struct {
	mu       sync.Mutex
	progress LaneProgress
	waits    bool // for a partition that cannot be read
	name     string
	metrics  *metrics
}

func newLaneReport(lane int, name string, m *metrics) *laneReport {
	m.stopped.WithLabelValues(name).Set(0)
	m.waits.WithLabelValues(name).Set(0)
	m.opening.WithLabelValues(name).Set(1)
	m.unsaid.WithLabelValues(name)
	m.batches.WithLabelValues(name) // a rate of what is not there is not 0, and an alert waits for that
	return &laneReport{name: name, metrics: m, progress: LaneProgress{
		Lane: lane, State: StateRecovering, Written: map[fetch.TopicPartition]int64{}, End: map[fetch.TopicPartition]int64{},
	}}
}

// released takes back what was said of how the lane is, which its next owner says: else it would be as far behind here, or stopped, for ever.
// What was counted stays.
func (r *laneReport) released() {
	m := r.metrics
	for _, gauge := range []*prometheus.GaugeVec{m.stopped, m.waits, m.opening, m.lag, m.newest} {
		gauge.DeleteLabelValues(r.name)
	}
}

// Snapshot is a copy of the progress.
func (r *laneReport) Snapshot() LaneProgress {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.progress
	p.Written, p.End = maps.Clone(p.Written), maps.Clone(p.End)
	return p
}

func (r *laneReport) state(s LaneState) {
	r.metrics.opening.WithLabelValues(r.name).Set(yes(s == StateRecovering))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.State = s
}

// running says that recovery is over. warm: with what was in memory.
func (r *laneReport) running(warm bool) {
	memory := "cold"
	if warm {
		memory = "warm"
	}
	r.metrics.starts.WithLabelValues(r.name, memory).Inc()
	r.state(StateRunning)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.Failed = 0
}

func (r *laneReport) stop(err error) {
	r.metrics.stopped.WithLabelValues(r.name).Set(1)
	r.metrics.opening.WithLabelValues(r.name).Set(0)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.State, r.progress.Error = StateStopped, err
}

func (r *laneReport) trouble(err error) {
	r.metrics.trouble.WithLabelValues(r.name).Inc()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.Error = err
	r.progress.Failed++
}

// heldBack says whether the lane waits for a partition that cannot be read. It returns whether that is new.
func (r *laneReport) heldBack(waits bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waits == waits {
		return false
	}
	r.waits = waits
	r.metrics.waits.WithLabelValues(r.name).Set(yes(waits))
	return true
}

// yes is how a gauge says yes, or no.
func yes(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (r *laneReport) position(at []fetch.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range at {
		r.progress.Written[p.TopicPartition] = p.Offset
	}
}

func (r *laneReport) end(tp fetch.TopicPartition, offset int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.End[tp] = offset
	r.metrics.lag.WithLabelValues(r.name).Set(float64(r.progress.Lag()))
}

func (r *laneReport) inserted(b *rollup.Block, took time.Duration) {
	r.metrics.inserts.WithLabelValues(b.Table).Observe(took.Seconds())
	r.metrics.rows.WithLabelValues(b.Table).Add(float64(b.Rows))
}

func (r *laneReport) refused(b *rollup.Block) { r.metrics.failed.WithLabelValues(b.Table).Inc() }

// unaccounted are offsets of a batch of which it is not said what became of them, or that were counted twice.
func (b *batch) unaccounted() (n float64) {
	for _, x := range b.ranges {
		n += float64(x.To - x.From)
	}
	return math.Abs(n - float64(b.tally.records+b.tally.duplicates+b.tally.rejected+b.tally.gaps))
}

func (r *laneReport) wrote(b *batch) {
	r.metrics.unsaid.WithLabelValues(r.name).Add(b.unaccounted())
	if b.newest > 0 {
		r.metrics.newest.WithLabelValues(r.name).Set(float64(b.newest) / 1000)
	}
	r.metrics.batches.WithLabelValues(r.name).Inc()
	for outcome, n := range map[string]uint64{"folded": b.tally.records, "duplicate": b.tally.duplicates, "rejected": b.tally.rejected, "gap": b.tally.gaps} {
		r.metrics.events.WithLabelValues(r.name, outcome).Add(float64(n))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	p := &r.progress
	p.Error, p.Failed = nil, 0
	p.Batches++
	p.Records += b.tally.records
	p.Duplicates += b.tally.duplicates
	p.Rejected += b.tally.rejected
	p.Gaps += b.tally.gaps
	for _, x := range b.ranges {
		p.Written[fetch.TopicPartition(x.TopicPartition)] = x.To
	}
	r.metrics.lag.WithLabelValues(r.name).Set(float64(p.Lag()))
}
