package simulation

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/commit"
	"github.com/tillstream/tillstream/processor/fetch"
)

// Options say which run.
type Options struct {
	Seed      uint64
	Without   map[int]bool // faults left out, by number
	Trace     io.Writer    // nil: none
	Events    int          // 0: as the seed says
	Unclaimed bool         // lanes may stop, and give a number to another batch, where another tool erased metadata
	Forget    bool         // somebody is forgotten meanwhile
	Schemas   bool         // records are written with schemas of a registry, which learns of some later
	Jump      int          // by how much a till's number may grow from sale to sale; 0: by 1
	Tokens    bool         // ClickHouse may remember the token of an INSERT that failed
	Lag       int          // by how many parts less than these a read may be behind; 0: reads are sequentially consistent, as Sink's are
}

// Result is how a run ended.
type Result struct {
	Wrong     []string // what the oracle objects to; nil if all is right
	Stopped   string   // the sentence of a lane that stopped for a cause
	Faults    []string // by number
	Steps     int
	Batches   int
	Forgotten bool   // somebody was
	Losses    int    // ranges of offsets that were deleted before they were read, and adopted
	Hash      uint64 // of everything that happened, in order
}

// World is one run.
type World struct {
	options       Options
	rnd, faultRnd *rand.Rand
	odds          odds
	cfg           processor.Config
	logs          map[fetch.TopicPartition]*partition
	letters       map[fetch.Position]string
	coordinator   *coordinator
	clickhouse    *clickhouse
	traffic       []produce
	added         int32         // a partition that is made only during the run; -1: none
	skew          time.Duration // by which members' clocks may be wrong
	versions      bool          // members of two versions

	mu    sync.Mutex // members' goroutines add calls
	calls []*call

	members  []*member
	under    []later
	gone     map[kind]time.Time                 // servers that are away until then
	dark     map[fetch.TopicPartition]time.Time // partitions without a leader until then
	wakeups  []wakeup
	faults   []string
	healed   bool    // no more faults
	erased   bool    // metadata were
	partial  bool    // an adoption left a batch unfinished
	retained bool    // records were deleted before they were read
	operator *member // who mends that
	erasure  *erasure
	schemas  *schemaRegistry // nil: there is none
	steps    int
	hash     interface {
		io.Writer
		Sum64() uint64
	}
}

// member is one process.
type member struct {
	id      int
	world   *World
	proc    *processor.Processor
	cancel  context.CancelFunc
	dead    bool
	paused  bool
	stopped bool
	done    bool // an operator's: has done what was to be done
}

func (m *member) String() string { return fmt.Sprintf("m%d", m.id) }

var topics = []string{health, incidents, orders, registry, transactions}

// toStart has the bubble's clock, which begins in 2000, go on to when runs begin.
func toStart() { time.Sleep(time.Until(time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC))) }

// Run plays one run and judges it. It must be called in a bubble of testing/synctest of its own.
func Run(o Options) Result {
	toStart()
	rnd := rand.New(rand.NewPCG(o.Seed, 1))
	events := max(o.Events, 0)
	if events == 0 {
		events = 40 + rnd.IntN(160)
	}
	partitions := 1 + rnd.IntN(4)
	t := newTraffic(rnd, partitions, events, max(o.Jump, 1))
	cfg := processor.Config{
		Group: "g", Topics: topics, Lanes: rnd.IntN(partitions + 1), BatchAge: time.Duration(200+rnd.IntN(2000)) * time.Millisecond, BatchRecords: 2 + rnd.IntN(60),
		Memory: 1 << 30, SessionTimeout: 15 * time.Second, Heartbeat: 3 * time.Second, RebalanceTimeout: 60 * time.Second, Secret: []byte("secret"),
		MaxEventBytes: 1 << 20, TimelineWindow: 48 * time.Hour, RetireAfter: 31 * 24 * time.Hour, CorrectionWindow: 8 * 24 * time.Hour,
	}
	cfg.Cores = partitions // no lane waits for its turn: who is first would be the scheduler's choice, and a seed another run each time
	w := newWorld(o, cfg, t, partitions)
	w.traffic = t.out
	w.odds = draw(rnd)
	if o.Schemas {
		w.schemas = newSchemaRegistry(o.Seed)
	}
	if rnd.IntN(2) == 0 {
		// Against what comes within its deadline, tokens need not be remembered longer than that. Against what comes later they must be, as
		// the DDL's 10,000 do.
		w.clickhouse.forgets, w.odds.overdue = cfg.SessionTimeout/2, 0
	}
	if o.Forget { // an INSERT that comes after its deadline may bring somebody back: docs/forget.md
		w.clickhouse.forgets, w.odds.overdue = cfg.SessionTimeout/2, 0
	}
	w.skew = time.Duration(rnd.IntN(3)) * time.Second // what Check lets pass is 2 s
	w.versions = rnd.IntN(4) == 0
	if partitions > 1 && rnd.IntN(4) == 0 && !o.Schemas { // what a correction in a new partition refers to may be missing, as nothing of it counts elsewhere
		w.added = int32(partitions) - 1
		w.traffic = slices.Clone(w.traffic)
		slices.SortStableFunc(w.traffic, func(a, b produce) int { // late, so that batches have been written before
			return cmp.Compare(a.tp.Partition/max(1, w.added), b.tp.Partition/max(1, w.added))
		})
		for _, topic := range topics {
			delete(w.logs, fetch.TopicPartition{Topic: topic, Partition: w.added})
		}
	}
	for range 1 + rnd.IntN(3) {
		w.start()
	}
	problem, stopped := w.play()
	r := Result{Faults: w.faults, Steps: w.steps, Losses: len(w.losses()), Forgotten: w.erasure != nil, Hash: w.hash.Sum64()}
	for _, p := range w.clickhouse.parts {
		if p.table == commit.StateTable {
			r.Batches++
		}
	}
	switch {
	case problem == "" && w.partial:
		r.Stopped = "some tables hold a batch whose records were deleted before it was finished"
	case problem == "":
		r.Wrong = w.check(t.want)
		if w.erasure != nil {
			r.Wrong = slices.Concat(w.erasure.named(w.clickhouse.parts), r.Wrong)
		}
		if !o.Unclaimed || !w.erased {
			r.Wrong = slices.Concat(w.clickhouse.unequal, r.Wrong)
		}
	case (w.versions || o.Unclaimed && w.erased) && stopped:
		r.Stopped = problem
	default:
		r.Wrong = []string{problem}
	}
	return r
}

// calm folds the same logs in one undisturbed batch, without what was lost.
func (w *World) calm() (*clickhouse, string) {
	c := newWorld(Options{Seed: w.options.Seed, Forget: w.options.Forget}, w.cfg, nil, 0)
	c.clickhouse.forgotten = w.clickhouse.forgotten
	for tp, l := range w.logs {
		c.logs[tp] = l.without(0, 0)
	}
	for _, l := range w.losses() {
		rest := c.logs[l.TopicPartition].without(l.From, l.To)
		rest.start = c.logs[l.TopicPartition].start
		if l.From == 0 { // it was never seen whole
			rest.start, rest.end = l.To, max(rest.end, l.To)
		}
		c.logs[l.TopicPartition] = rest
	}
	c.cfg.BatchRecords, c.cfg.BatchAge, c.healed = 1<<30, 10*time.Second, true
	if w.schemas != nil {
		c.schemas = newSchemaRegistry(0) // which knows nothing
		refused := w.refused()
		for tp, l := range c.logs {
			c.logs[tp] = w.schemas.judged(l, tp, refused)
		}
	}
	c.start()
	problem, _ := c.play()
	return c.clickhouse, problem
}

// losses are what was decided to go without, and what Kafka did not hold any more when the group was first started.
func (w *World) losses() (all []processor.Loss) {
	streams := w.clickhouse.streams
	if len(streams) == 0 {
		return nil
	}
	for _, tp := range sortedPartitions(slices.Collect(maps.Keys(streams[0].Start))) {
		if at := streams[0].Start[tp]; at > 0 {
			all = append(all, processor.Loss{TopicPartition: tp, To: at})
		}
	}
	return append(all, w.clickhouse.decided()...)
}

func newWorld(o Options, cfg processor.Config, t *traffic, partitions int) *World {
	w := &World{
		options: o, rnd: rand.New(rand.NewPCG(o.Seed, 2)), faultRnd: rand.New(rand.NewPCG(o.Seed, 3)), cfg: cfg,
		logs: map[fetch.TopicPartition]*partition{}, letters: map[fetch.Position]string{}, clickhouse: newClickHouse(), gone: map[kind]time.Time{}, hash: fnv.New64a(),
	}
	w.added = -1
	w.coordinator = &coordinator{w: w, members: map[string]*membership{}, committed: map[commit.TopicPartition]commit.Committed{}}
	for p := range partitions {
		for _, topic := range topics {
			w.logs[fetch.TopicPartition{Topic: topic, Partition: int32(p)}] = &partition{}
		}
	}
	return w
}

func (w *World) trace(format string, args ...any) {
	line := fmt.Sprintf("%s "+format+"\n", append([]any{time.Now().UTC().Format("15:04:05.000")}, args...)...)
	io.WriteString(w.hash, line)
	if w.options.Trace != nil {
		io.WriteString(w.options.Trace, line)
	}
}

// produce appends the next batch, making its partition first where there is none yet.
func (w *World) produce() {
	p := w.traffic[0]
	w.traffic = w.traffic[1:]
	if w.logs[p.tp] == nil {
		w.addPartition()
	}
	w.append(p)
}

func (w *World) addPartition() {
	w.trace("partition %d is added", w.added)
	for _, topic := range topics {
		w.logs[fetch.TopicPartition{Topic: topic, Partition: w.added}] = &partition{}
	}
	w.coordinator.rebalance() // members watch for that
}

// append puts a batch into its log.
func (w *World) append(p produce) {
	l := w.logs[p.tp]
	if p.aborted {
		l.abort(p.messages, 1000+l.end)
	} else {
		if w.schemas != nil {
			p.messages = w.schemas.written(p.messages, p.tp, l.end)
		}
		l.append(p.messages, 0, nobody)
	}
}

// start begins a new process.
func (w *World) start() {
	ctx, cancel := context.WithCancel(context.Background())
	m := &member{id: len(w.members) + 1, world: w, cancel: cancel}
	if len(w.members) > 0 && w.fault("another number of lanes", w.odds.lanes) {
		w.cfg.Lanes = 1 + w.faultRnd.IntN(4)
	}
	cfg, skew := w.cfg, time.Duration(0)
	if w.versions && m.id%2 == 0 {
		cfg.MaxEventBytes++ // another fingerprint, the same rows
	}
	if w.skew > 0 {
		skew = time.Duration(w.rnd.Int64N(2*int64(w.skew))) - w.skew
	}
	deps := processor.Deps{
		Kafka: cluster{m}, Source: source{m}, Sink: sink{m}, Archive: sink{m}, Streams: sink{m}, Letters: letters{m}, Log: zap.NewNop(),
		Now: func() time.Time { return time.Now().Add(skew) }, Registerer: prometheus.NewRegistry(),
	}
	if w.options.Forget {
		deps.Forgotten = sink{m}
	}
	if w.schemas != nil {
		deps.Schemas = m
	}
	m.proc = processor.New(cfg, deps)
	w.members = append(w.members, m)
	w.trace("start %s", m)
	go func() {
		for ctx.Err() == nil {
			if err := m.proc.Run(ctx); err != nil && ctx.Err() == nil {
				time.Sleep(time.Second) // as what supervises processes does
			}
		}
	}()
}

// stop is SIGTERM.
func (m *member) stop() {
	m.world.trace("stop %s", m)
	m.stopped = true
	m.cancel()
}

// living are the processes that work.
func (w *World) living() (alive []*member) {
	for _, m := range w.members {
		if !m.dead && !m.stopped && !m.paused && m.proc != nil {
			alive = append(alive, m)
		}
	}
	return alive
}

func (w *World) away(k kind) bool { return time.Now().Before(w.gone[k]) }

// visible is how many parts a reader sees: all, unless replicas may lag.
func (w *World) visible() int {
	n := len(w.clickhouse.parts)
	if w.options.Lag == 0 {
		return n
	}
	return max(0, n-w.rnd.IntN(w.options.Lag))
}

// Limits of a run. Reaching one is a failure: a lane that never comes to rest is no better than a wrong one.
const (
	maxSteps  = 200_000
	rest      = 15 * time.Minute // of simulated time, for what follows the last fault
	produceIn = 6                // steps between record batches, on average
)

// play goes on until everything is folded and at rest, and then ends all members. It says what prevented that, and whether it was a lane
// that had stopped.
func (w *World) play() (problem string, stopped bool) {
	defer w.end()
	var since time.Time
	for w.steps = 0; w.steps < maxSteps; w.steps++ {
		synctest.Wait()
		w.land()
		w.wake()
		w.expire()
		w.expunge()
		w.coordinator.tick()
		synctest.Wait()
		if len(w.traffic) == 0 && !w.healed && w.rnd.IntN(200) == 0 {
			w.heal()
		}
		if w.healed && since.IsZero() {
			since = time.Now()
		}
		if len(w.traffic) > 0 && w.rnd.IntN(produceIn) == 0 {
			w.produce()
		}
		if !w.healed {
			w.disturb()
		} else if w.atRest() {
			return "", false
		} else if sentence := w.stoppedFor(); sentence != "" && !(w.retained && strings.Contains(sentence, "were deleted before they were read")) {
			return "stopped: " + sentence, true
		} else if sentence != "" {
			w.mend()
		} else if time.Since(since) > rest {
			return "not at rest " + rest.String() + " after the last fault", false
		}
		if w.operator != nil && w.operator.done {
			w.operator.stopped, w.operator.done = true, false
			w.start()
		}
		synctest.Wait()
		w.answerOne()
	}
	return "not at rest after " + fmt.Sprint(maxSteps) + " steps", false
}

// answerOne answers one call, or lets time pass.
func (w *World) answerOne() {
	ready := slices.DeleteFunc(w.waiting(), func(c *call) bool {
		return c.member.paused || c.ready != nil && !c.ready()
	})
	if len(ready) == 0 {
		time.Sleep(time.Duration(1+w.rnd.IntN(250)) * time.Millisecond)
		return
	}
	if w.rnd.IntN(3) == 0 {
		time.Sleep(time.Duration(1+w.rnd.IntN(50)) * time.Millisecond)
		return
	}
	w.outcome(ready[w.rnd.IntN(len(ready))])
}

// expire answers calls whose context has ended. An INSERT that was cut short before its deadline may be under way.
func (w *World) expire() {
	for _, c := range w.waiting() {
		if c.member.paused || c.ctx.Err() == nil {
			continue
		}
		if c.kind == kindInsert && w.fault("insert under way while its client gives up", w.odds.insertUnder) {
			w.insertUnderWay(c)
		}
		w.answer(c, "given up", c.ctx.Err())
	}
}

// heal ends all faults.
func (w *World) heal() {
	w.trace("healed")
	w.healed = true
	clear(w.gone)
	w.wake()
	w.expire() // who wakes hears first of what took too long
	if len(w.living()) == 0 {
		w.start()
	}
}

// atRest says that all is folded, written and said to Kafka, and nothing is under way.
func (w *World) atRest() bool {
	if len(w.traffic) > 0 || len(w.under) > 0 || !w.expunged() || w.operator != nil && !w.operator.stopped {
		return false
	}
	for tp, l := range w.logs {
		c := w.coordinator.committed[commit.TopicPartition(tp)]
		m, ok := commit.ParseMetadata(c.Metadata)
		if l.end > 0 && (c.Offset != l.end || m.Pending || !ok && !w.erased) {
			return false
		}
	}
	return true
}

// stoppedFor is why a lane has stopped for good, "" if none has.
func (w *World) stoppedFor() string {
	for _, m := range w.members {
		if m.dead || m.stopped || m.proc == nil {
			continue
		}
		for _, l := range m.proc.Progress() {
			if l.State == processor.StateStopped {
				return l.Error.Error()
			}
		}
	}
	return ""
}

// end ends all processes and waits for them, so that the bubble can close.
func (w *World) end() {
	w.healed = true
	for _, m := range w.members {
		m.paused = false
		if !m.dead {
			w.kill(m)
		}
	}
	w.under = nil
	time.Sleep(10 * time.Minute)
	synctest.Wait()
}
