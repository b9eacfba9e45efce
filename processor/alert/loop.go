package alert

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// Source looks.
type Source interface {
	Look(ctx context.Context) (*Snapshot, error)
}

// Log keeps transitions, and what each receiver has taken.
type Log interface {
	// Load gives the newest transition of each alert, and by receiver the transitions that it has not taken, oldest first: no more than so many.
	Load(ctx context.Context, receivers []string, most int) (last []Alert, untold map[string][]Transition, err error)
	// Put keeps transitions: all or none. Of two of one id and sequence one stays.
	Put(ctx context.Context, transitions []Transition) error
	// Took notes that a receiver has transitions.
	Took(ctx context.Context, receiver string, transitions []Transition) error
}

// Config of a Loop.
type Config struct {
	Every   time.Duration // between looks
	Refresh time.Duration // between two tellings of what is open, to receivers that forget
	Limits  Limits
	Policy  Policy
}

// Deps are what a Loop works with.
type Deps struct {
	Source    Source
	Log       Log
	Receivers []Receiver
	Logger    *zap.Logger
	Metrics   *Metrics
}

// Loop judges for as long as it leads.
type Loop struct {
	cfg  Config
	deps Deps
	told map[refusal]bool // refused windows that were logged
	seen atomic.Int64     // when it was last known to be awake, by the wall, ms since 1970
}

// NewLoop makes a Loop; nothing happens before Lead.
func NewLoop(cfg Config, deps Deps) *Loop {
	return &Loop{cfg: cfg, deps: deps, told: map[refusal]bool{}}
}

// Lead takes over where the one before left off and judges until ctx ends. What fails is logged and tried again. It leaves nothing running.
func (l *Loop) Lead(ctx context.Context) {
	l.deps.Metrics.judging.Set(1)
	defer l.deps.Metrics.end()
	for ctx.Err() == nil {
		l.term(ctx)
	}
}

// asleep is how long a member may not have looked and still go on with what it knew: then another one may judge by now. Where a machine slept, the
// clock that only goes forward did too, so it is the wall that is asked.
const asleep = 30 * time.Second

func (l *Loop) awake() bool {
	return time.Now().UnixMilli()-l.seen.Load() < (l.cfg.Every + asleep).Milliseconds()
}

// term reads what is known of alerts and judges until ctx ends, until it finds that it had stood still, or until a receiver has taken all that it was to be told at once.
func (l *Loop) term(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	tick := time.NewTicker(l.cfg.Every)
	defer tick.Stop()
	more := make(chan struct{}, 1)
	wait := func() bool {
		select {
		case <-ctx.Done():
			return false
		case <-more:
			return false
		case <-tick.C:
			return ctx.Err() == nil
		}
	}
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	var state *State
	var couriers []*courier
	for state == nil {
		last, untold, err := l.deps.Log.Load(ctx, l.names(), maxWaiting)
		if err != nil {
			if ctx.Err() == nil {
				l.deps.Metrics.unable.Inc()
				l.deps.Logger.Warn("reading alerts; trying again", zap.Error(err))
			}
			if !wait() {
				return
			}
			continue
		}
		state = NewState(l.cfg.Policy, last)
		for _, r := range l.deps.Receivers {
			couriers = append(couriers, newCourier(l, r, untold[r.Name()], state.Open(), more))
		}
	}
	l.seen.Store(time.Now().UnixMilli())
	for _, c := range couriers {
		running.Go(func() { c.run(ctx) })
	}
	for wait() {
		if !l.awake() {
			l.deps.Logger.Info("this process stood still; reading alerts again")
			return
		}
		l.seen.Store(time.Now().UnixMilli())
		if err := l.round(ctx, state, couriers); err != nil && ctx.Err() == nil {
			l.deps.Metrics.unable.Inc()
			l.deps.Logger.Warn("looking for alerts; trying again", zap.Error(err))
		}
		if l.awake() {
			l.seen.Store(time.Now().UnixMilli())
		}
	}
}

func (l *Loop) names() []string {
	names := make([]string, len(l.deps.Receivers))
	for i, r := range l.deps.Receivers {
		names[i] = r.Name()
	}
	return names
}

// refusal is of all cells of an objective at once: each till may be one.
type refusal struct{ contract, objective, why string }

// round looks once.
func (l *Loop) round(ctx context.Context, state *State, couriers []*courier) error {
	began := time.Now()
	s, err := l.deps.Source.Look(ctx)
	if err != nil {
		return err
	}
	o, refused := Judge(&l.cfg.Limits, s)
	for cell, err := range refused {
		if r := (refusal{cell.Contract, cell.Objective, err.Error()}); !l.told[r] {
			l.told[r] = true
			l.deps.Logger.Warn("burn rates that cannot be used for an objective are left out; see alerts.burn_windows", zap.String("agreement", cell.Contract),
				zap.String("objective", cell.Objective), zap.Error(err))
		}
	}
	transitions := state.Plan(o)
	if len(transitions) > 0 {
		if err := l.deps.Log.Put(ctx, transitions); err != nil {
			return fmt.Errorf("keeping %d alerts before they are sent: %w", len(transitions), err)
		}
		state.Apply(transitions)
	}
	open := state.Open()
	for _, c := range couriers {
		c.hand(transitions, open)
	}
	l.deps.Metrics.round(began, transitions, open)
	return nil
}

// maxWaiting is how many transitions wait in memory for a receiver, some megabytes. What comes then stays in the log alone, and is read when these were taken.
const maxWaiting = 10_000

// courier brings transitions to one receiver, in order, however long that takes; the others do not wait for it.
type courier struct {
	loop     *Loop
	receiver Receiver
	wake     chan struct{}
	more     chan<- struct{} // told when what waited was taken, and there is more in the log

	mu      sync.Mutex
	waiting []Transition
	beyond  bool // there may be more in the log
	open    []Alert
}

func newCourier(l *Loop, r Receiver, untold []Transition, open []Alert, more chan<- struct{}) *courier {
	c := &courier{loop: l, receiver: r, wake: make(chan struct{}, 1), more: more, waiting: untold, beyond: len(untold) >= maxWaiting, open: open}
	c.wake <- struct{}{}
	l.deps.Metrics.waiting.WithLabelValues(r.Name()).Set(float64(len(untold)))
	return c
}

func (c *courier) hand(transitions []Transition, open []Alert) {
	c.mu.Lock()
	c.beyond = c.beyond || len(c.waiting)+len(transitions) > maxWaiting
	if !c.beyond {
		c.waiting = append(c.waiting, transitions...)
	}
	c.open = open
	c.loop.deps.Metrics.waiting.WithLabelValues(c.receiver.Name()).Set(float64(len(c.waiting)))
	c.mu.Unlock()
	if len(transitions) > 0 {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

const (
	minPause = 200 * time.Millisecond
	maxPause = 10 * time.Second
	sendTime = 30 * time.Second
	// atOnce are the transitions of one sending, so that each comes to an end in its time and what was taken is noted.
	atOnce = 1000
)

func (c *courier) run(ctx context.Context) {
	refresh := make(<-chan time.Time)
	refresher, forgets := c.receiver.(Refresher)
	if forgets && c.loop.cfg.Refresh > 0 {
		t := time.NewTicker(c.loop.cfg.Refresh)
		defer t.Stop()
		refresh = t.C
		c.refresh(ctx, refresher) // it may have forgotten while nobody led
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-refresh:
			c.refresh(ctx, refresher)
		case <-c.wake:
			c.deliver(ctx)
		}
	}
}

func (c *courier) refresh(ctx context.Context, r Refresher) {
	c.mu.Lock()
	open := c.open
	c.mu.Unlock()
	if len(open) == 0 || !c.loop.awake() { // what is open may be over, by who judged meanwhile
		return
	}
	limited, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	if err := r.Refresh(limited, open); err != nil && ctx.Err() == nil {
		c.loop.deps.Metrics.failed.WithLabelValues(r.Name()).Inc()
		c.loop.deps.Logger.Warn("telling a receiver again of open alerts", zap.String("receiver", r.Name()), zap.Error(err))
	}
}

// deliver sends what waits, until all of it was taken or ctx ends.
func (c *courier) deliver(ctx context.Context) {
	for pause := minPause; ; pause = min(2*pause, maxPause) {
		c.mu.Lock()
		batch, beyond := c.waiting[:min(len(c.waiting), atOnce)], c.beyond
		c.mu.Unlock()
		if len(batch) == 0 && beyond {
			select {
			case c.more <- struct{}{}:
			default:
			}
		}
		if len(batch) == 0 || !c.loop.awake() {
			return
		}
		err := c.send(ctx, batch)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			c.mu.Lock()
			c.waiting = c.waiting[len(batch):]
			c.loop.deps.Metrics.waiting.WithLabelValues(c.receiver.Name()).Set(float64(len(c.waiting)))
			c.mu.Unlock()
			c.loop.deps.Metrics.sent.WithLabelValues(c.receiver.Name()).Add(float64(len(batch)))
			pause = minPause
			continue
		}
		c.loop.deps.Metrics.failed.WithLabelValues(c.receiver.Name()).Inc()
		c.loop.deps.Logger.Warn("sending alerts; trying again", zap.String("receiver", c.receiver.Name()), zap.Int("alerts", len(batch)), zap.Error(err))
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

func (c *courier) send(ctx context.Context, batch []Transition) error {
	limited, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	if err := c.receiver.Send(limited, batch); err != nil {
		return err
	}
	return c.loop.deps.Log.Took(limited, c.receiver.Name(), batch)
}
