package simulator

import (
	"iter"
	_ "time/tzdata" // stores have zones wherever the program runs
)

// Event is one record as a broker would get it. Key and Value are not touched again by the simulator, and must not be changed.
type Event struct {
	Topic   string
	Key     []byte // store_id
	Value   []byte // JSON, or what became of it
	Arrival int64  // ms since 1970: what a broker with LogAppendTime stamps
	Dirty   string // why the event cannot be accepted; "" if it can
}

// Simulator makes the events of a chain, once. It is not safe for concurrent use.
type Simulator struct {
	chain *chain
	now   int64 // everything before was lived through
	truth *Truth
}

// chain is what all stores share.
type chain struct {
	cfg             Config
	start, interval int64
	faults          float64
	catalogue       *catalogue
	stores          []*store
	peers           map[string][]*store // by currency
	kinds           alias               // of troubles
	out             output
	ledger          *ledger
	scratch         []mark
	reporting       report
}

// New prepares a chain. It makes no event yet.
func New(cfg Config) (*Simulator, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &chain{
		cfg: cfg, start: cfg.Start.UnixMilli(), interval: cfg.HeartbeatInterval.Milliseconds(), faults: cfg.Faults,
		catalogue: newCatalogue(cfg.Seed, cfg.Products), peers: map[string][]*store{}, kinds: newAlias(troubleShares[:]),
	}
	c.out = output{dirty: cfg.Dirty, end: 1 << 62}
	if !cfg.End.IsZero() {
		c.out.end = cfg.End.UnixMilli()
		c.ledger = newLedger(cfg.BusinessDayCutoff.Milliseconds())
		c.out.ledger = c.ledger
	}
	for n := range cfg.Stores {
		s, err := newStore(c, n)
		if err != nil {
			return nil, err
		}
		c.stores = append(c.stores, s)
		c.peers[s.place.currency] = append(c.peers[s.place.currency], s)
	}
	c.lives()
	c.newCustomers()
	return &Simulator{chain: c, now: c.start}, nil
}

// Events gives what arrives, in that order, up to Config.End, or for ever without one. Called again it goes on.
func (s *Simulator) Events() iter.Seq[Event] {
	return func(yield func(Event) bool) {
		c := s.chain
		for {
			for s.now < c.out.end && (len(c.out.queue) == 0 || c.out.queue[0].arrival >= s.now) {
				s.step()
			}
			if len(c.out.queue) == 0 || c.out.queue[0].arrival >= c.out.end {
				s.finish()
				return
			}
			x := c.out.queue.pop()
			if !yield(Event{
				Topic: topicNames[x.topic], Key: c.stores[x.store].key, Value: x.value, Arrival: x.arrival, Dirty: dirtNames[x.dirt].name,
			}) {
				return
			}
		}
	}
}

// step lets all stores live through an hour. Nothing that happens later can arrive before its end.
func (s *Simulator) step() {
	to := s.now + hour
	for _, st := range s.chain.stores {
		st.step(s.now, to)
		if s.chain.ledger != nil {
			for _, t := range st.tills {
				t.timeline.settle(to - hour)
			}
		}
	}
	s.now = to
}

func (s *Simulator) finish() {
	if s.truth == nil && s.chain.ledger != nil {
		s.truth = s.chain.ledger.truth(s.chain)
	}
}

// Truth is what the rollups of all that Events gave must be; nil before Events has come to its end.
func (s *Simulator) Truth() *Truth { return s.truth }
