package processor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/tillstream/tillstream/processor/commit"
	"github.com/tillstream/tillstream/processor/fetch"
)

// Stream is what is kept with the data about how it was read: it must not change under it.
type Stream struct {
	Group      string
	Epoch      uint64
	Lanes      int
	Partitions int
	Topics     []string
	Cluster    string                         // Kafka's cluster id
	Start      map[fetch.TopicPartition]int64 // where the epoch begins; what is not named is read from where the group was put, or from the start of the log
	Reason, By string                         // why the epoch began, and who began it
	Hold       string                         // not empty: lanes must not run; it says who holds the group and what to do
	Losses     []Loss                         // what the group went without, in this epoch's beginning and before
}

// Loss is a range of offsets that somebody decided to go without when an epoch began. To is below From where the topic was made anew.
type Loss struct {
	Epoch uint64
	fetch.TopicPartition
	From, To   int64
	Reason, By string
}

// Streams keeps the epochs of groups.
type Streams interface {
	// Stream is a group's newest epoch. ok is false where the group was never seen.
	Stream(ctx context.Context, group string) (s Stream, ok bool, err error)
	// BeginStream writes a new epoch, and before it the losses that are its own. Of two that are written for one epoch, the first holds:
	// read it back.
	BeginStream(ctx context.Context, s Stream) error
	// PutStream replaces the row of an epoch that was begun.
	PutStream(ctx context.Context, s Stream) error
}

// Kafka is what a Processor asks of a cluster beside records. *Cluster is one.
type Kafka interface {
	// Topics says the cluster's id and how many partitions each topic has.
	Topics(ctx context.Context, topics []string) (cluster string, partitions map[string]int, err error)
	// Join makes this process a member of the group that Config names. The group's leader assigns by balancer.
	Join(cfg *Config, balancer kafka.GroupBalancer) (Group, error)
	// Outside looks at a group without being a member.
	Outside(group string) Outsider
}

// Outsider is what somebody who is not a member of a group may ask and do.
type Outsider interface {
	Offsets // Commit works only while the group has no members, and is ErrFenced else
	// Members names the clients that count as members now.
	Members(ctx context.Context) ([]string, error)
}

// Group is the membership of one process.
type Group interface {
	// Next waits until the group has agreed on a generation. An error is passing trouble: ask again.
	Next(ctx context.Context) (Generation, error)
	// Close ends the generation, waits for what it runs, and leaves the group.
	Close() error
}

// Generation is what one member may work on until the group changes.
type Generation struct {
	ID       int32
	Assigned []fetch.TopicPartition
	Offsets  Offsets // fenced: commits work in this generation only
	// Start runs f in a goroutine until the context ends, which it does with the generation; and where f returns earlier, the
	// generation ends and the group is joined again.
	Start func(f func(context.Context))
}

// Deps are what a Processor works with.
type Deps struct {
	Kafka      Kafka
	Source     Source
	Sink       Sink
	Archive    Archive   // of the same database
	Forgotten  Forgotten // of the same database; nil: nobody
	Streams    Streams
	Schemas    Schemas // nil: there is no schema registry
	Letters    DeadLetters
	Now        func() time.Time
	Log        *zap.Logger
	Registerer prometheus.Registerer
	Tracer     trace.Tracer // nil: batches are not traced
}

// Processor is one member of the consumer group.
type Processor struct {
	cfg     Config
	deps    Deps
	metrics *metrics

	joined atomic.Bool // in a generation, with lanes or without

	mu    sync.Mutex
	lanes map[int]*laneReport
	hands map[int]*handle // of the lanes of this generation; the next one that has them, too, goes on with them

	folding chan struct{} // one for each lane that folds
	writing chan struct{} // one for each batch that is being written
}

// New makes a Processor; nothing happens before Run.
func New(cfg Config, deps Deps) *Processor {
	cores := cmp.Or(cfg.Cores, max(1, runtime.GOMAXPROCS(0)-1))
	return &Processor{
		cfg: cfg, deps: deps, metrics: newMetrics(deps.Registerer), lanes: map[int]*laneReport{},
		folding: make(chan struct{}, cores), writing: make(chan struct{}, max(batchesAtOnce, cores)),
	}
}

// Joined says whether this member takes part in the group now, as a spare without lanes, too.
func (p *Processor) Joined() bool { return p.joined.Load() }

// Progress is what each lane of this member is doing, by lane.
func (p *Processor) Progress() []LaneProgress {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]LaneProgress, 0, len(p.lanes))
	for _, r := range p.lanes {
		out = append(out, r.Snapshot())
	}
	slices.SortFunc(out, func(a, b LaneProgress) int { return a.Lane - b.Lane })
	return out
}

func (p *Processor) owned() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	lanes := make([]int, 0, len(p.lanes))
	for l := range p.lanes {
		lanes = append(lanes, l)
	}
	slices.Sort(lanes)
	return lanes
}

// Run joins the group and works until ctx ends; then it finishes the batches in flight and leaves. A lane that stops for good
// does not stop the others. Where a new epoch has begun, it goes on in that.
func (p *Processor) Run(ctx context.Context) error {
	for {
		err := p.member(ctx)
		if !errors.Is(err, errEpoch) {
			return err
		}
		p.deps.Log.Warn("starting again in another epoch", zap.Error(err))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

// member works as a member of the group in one epoch.
func (p *Processor) member(ctx context.Context) error {
	stream, err := p.open(ctx)
	if err != nil {
		return err
	}
	p.metrics.losses(stream)
	group, err := p.deps.Kafka.Join(&p.cfg, &laneBalancer{lanes: stream.Lanes, topics: stream.Topics, partitions: stream.Partitions, owned: p.owned})
	if err != nil {
		return fmt.Errorf("joining group %s: %w", p.cfg.Group, err)
	}
	var lanes sync.WaitGroup
	defer lanes.Wait()
	defer group.Close()
	defer p.joined.Store(false)
	running := ctx
	ctx, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	for {
		gen, err := group.Next(ctx)
		switch {
		case running.Err() != nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil: // a coordinator that is not there yet, a broker that went away
			p.joined.Store(false)
			p.deps.Log.Warn("joining the group again", zap.Error(err))
			continue
		}
		if err := p.still(ctx, stream); err != nil {
			return err
		}
		p.assign(ctx, leave, gen, stream, &lanes)
		p.joined.Store(true)
	}
}

// errEpoch says that another epoch has begun than this member is in.
var errEpoch = errors.New("another epoch has begun")

// open reads how the data was written and how this member is to go on with it: in the same epoch, in the first, or in a new one if the
// number of lanes was changed.
func (p *Processor) open(ctx context.Context) (Stream, error) {
	epochs := &Epochs{Kafka: p.deps.Kafka, Source: p.deps.Source, Ledgers: p.deps.Sink, Streams: p.deps.Streams, Now: p.deps.Now, Log: p.deps.Log}
	var cluster string
	var counts map[string]int
	err := epochs.patiently(ctx, func() (err error) {
		cluster, counts, err = p.deps.Kafka.Topics(ctx, p.cfg.Topics)
		return err
	})
	if err != nil {
		return Stream{}, fmt.Errorf("asking Kafka for topics %v: %w", p.cfg.Topics, err)
	}
	partitions := 0
	for _, n := range counts {
		partitions = n // equal for all of them: EnsureTopics saw to it
	}
	now := Stream{
		Group: p.cfg.Group, Lanes: min(p.cfg.Lanes, partitions), Partitions: partitions, Topics: slices.Sorted(slices.Values(p.cfg.Topics)), Cluster: cluster,
	}
	for try := 0; ; try++ {
		s, looked, err := p.join(ctx, epochs, now, try < patience)
		if err == nil || try == tries {
			return s, err
		}
		// Somebody who starts at the same time may have begun the very epoch that is wanted, and be at work in it already.
		newest, _, failed := p.deps.Streams.Stream(ctx, now.Group)
		if failed != nil || newest.Epoch == looked && !errors.Is(err, ErrMoved) {
			return s, err
		}
		select {
		case <-ctx.Done():
			return Stream{}, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// tries is how often the start is tried again because somebody else is starting, once a second; patience is how often an epoch that Kafka has
// heard of and ClickHouse has not is taken for one that somebody is beginning at this moment.
const tries, patience = 6, 3

// join is one look at what is there. now is what the configuration wants; 0 lanes are any. looked is the epoch that was there.
func (p *Processor) join(ctx context.Context, epochs *Epochs, now Stream, patient bool) (s Stream, looked uint64, err error) {
	survey, err := epochs.Survey(ctx, now.Group, now.Topics)
	if err != nil {
		return Stream{}, looked, err
	}
	if patient && survey.Stream.Epoch > 0 && survey.Cut() {
		return Stream{}, survey.Stream.Epoch, fmt.Errorf("a new epoch of group %s is being begun: %w", now.Group, ErrMoved)
	}
	was := survey.Stream
	looked = was.Epoch
	if was.Epoch == 0 {
		now.Epoch = 1
		if now.Lanes == 0 {
			now.Lanes = min(now.Partitions, 8)
		}
		if now.Start, err = epochs.first(ctx, &survey); err != nil {
			return Stream{}, looked, err
		}
		now.Reason, now.By = "first start", program()
		if err := p.deps.Streams.BeginStream(ctx, now); err != nil {
			return Stream{}, looked, fmt.Errorf("noting how group %s is written: %w", now.Group, err)
		}
		was, _, err = p.deps.Streams.Stream(ctx, now.Group) // another member may have been faster
		if err != nil {
			return Stream{}, looked, fmt.Errorf("reading how group %s is written: %w", now.Group, err)
		}
	}
	if err := was.fits(now); err != nil {
		return Stream{}, looked, err
	}
	if now.Lanes == 0 {
		now.Lanes = was.Lanes
	}
	if survey.Newest > was.Epoch && !survey.Cut() {
		return Stream{}, looked, fmt.Errorf("group %s was folded in epoch %d, but ClickHouse knows only epoch %d of it: it was restored from a backup or emptied; %s",
			now.Group, survey.Newest, was.Epoch, commit.AdoptAll)
	}
	if now.Lanes != was.Lanes || survey.Cut() {
		now.Reason, now.By = fmt.Sprintf("processor.lanes was changed from %d to %d", was.Lanes, now.Lanes), program()
		if now.Lanes == was.Lanes {
			now.Reason = "a change of epoch was cut short"
		}
		got, err := epochs.carry(ctx, &survey, now)
		var busy *BusyError
		switch {
		case errors.As(err, &busy) && !survey.Cut():
			p.deps.Log.Warn("processor.lanes takes effect at a start when no other member runs and no batch is under way; until then all is as it was",
				zap.Int("lanes", was.Lanes), zap.Int("processor.lanes", now.Lanes), zap.Error(err))
			return was, looked, nil
		case err != nil:
			return Stream{}, looked, fmt.Errorf("group %s was written with %d lanes, processor.lanes is %d: %w", now.Group, was.Lanes, now.Lanes, err)
		case got.Lanes != now.Lanes:
			return Stream{}, looked, fmt.Errorf("another member has just begun epoch %d of group %s with %d lanes: set processor.lanes to the same in all members", got.Epoch, now.Group, got.Lanes)
		}
		return got, looked, nil
	}
	if was.Partitions == now.Partitions && slices.Equal(was.Topics, now.Topics) {
		return was, looked, nil
	}
	p.deps.Log.Warn("topics or partitions were added; stores may move to other partitions, their history stays where it is",
		zap.Int("partitions_before", was.Partitions), zap.Int("partitions", now.Partitions))
	was.Partitions, was.Topics = now.Partitions, now.Topics
	if err := p.deps.Streams.PutStream(ctx, was); err != nil {
		return Stream{}, looked, fmt.Errorf("noting how group %s is written: %w", now.Group, err)
	}
	return was, looked, nil
}

// program names this process where a person is expected.
func program() string {
	host, _ := os.Hostname()
	return "tillstream run on " + host
}

func (s Stream) fits(now Stream) error {
	switch {
	case s.Hold != "":
		return fmt.Errorf("group %s is held: %s", s.Group, s.Hold)
	case s.Cluster != now.Cluster:
		return fmt.Errorf("group %s in ClickHouse was read from Kafka cluster %q, this one is %q: its offsets mean something else. "+
			"If it took the other's place and the topics were made anew, stop all members with SIGTERM and run tillstream adopt --offset earliest --recreated --reason TEXT",
			s.Group, s.Cluster, now.Cluster)
	case now.Partitions < s.Partitions:
		return fmt.Errorf("the topics of group %s had %d partitions and have %d now: they were made anew; "+
			"stop all members with SIGTERM and run tillstream adopt --offset earliest --recreated --reason TEXT", s.Group, s.Partitions, now.Partitions)
	}
	for _, t := range s.Topics {
		if !slices.Contains(now.Topics, t) {
			return fmt.Errorf("kafka.topics lacks %s, which group %s has read; name it again, or set kafka.group to a new name", t, s.Group)
		}
	}
	return nil
}

// still says whether the epoch in which this member joined is still the newest and not held. Who changes the epoch waits until the group is
// empty, so asking after joining is not too early. It tries until ClickHouse answers.
func (p *Processor) still(ctx context.Context, stream Stream) error {
	for {
		now, _, err := p.deps.Streams.Stream(ctx, stream.Group)
		switch {
		case err == nil && now.Hold != "":
			return fmt.Errorf("group %s is held: %s", stream.Group, now.Hold)
		case err == nil && now.Epoch != stream.Epoch:
			return fmt.Errorf("%w: %d of group %s, this process was in %d", errEpoch, now.Epoch, stream.Group, stream.Epoch)
		case err == nil || ctx.Err() != nil:
			return nil
		}
		p.deps.Log.Warn("asking ClickHouse for the epoch again", zap.Error(err))
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// assign starts the lanes of a generation. Each holds the generation open until it has drained.
func (p *Processor) assign(ctx context.Context, leave context.CancelCauseFunc, gen Generation, stream Stream, running *sync.WaitGroup) {
	parts := map[int][]fetch.TopicPartition{}
	for _, tp := range gen.Assigned {
		n := int(tp.Partition) % stream.Lanes
		parts[n] = append(parts[n], tp)
	}
	reports, hands := map[int]*laneReport{}, map[int]*handle{}
	fingerprint, start := p.cfg.Fingerprint(), starts(stream.Start)
	for n, tps := range parts {
		name := laneName(p.cfg.Group, n)
		if hands[n] = p.hands[n]; hands[n] == nil {
			hands[n] = &handle{}
		}
		l := &lane{
			name: name, cluster: stream.Cluster, epoch: stream.Epoch, start: start, origin: stream.origin, tps: tps, cfg: &p.cfg, fingerprint: fingerprint, share: p.cfg.share(stream.Lanes),
			source: p.deps.Source, offsets: gen.Offsets, sink: p.deps.Sink, archive: p.deps.Archive, listed: p.deps.Forgotten, writers: p.deps.Schemas, letters: p.deps.Letters, now: p.deps.Now,
			log: p.deps.Log.With(zap.String("lane", name), zap.Int32("generation", gen.ID)), report: newLaneReport(n, name, p.metrics), spans: spans{p.deps.Tracer, p.deps.Now, name},
			hand: hands[n], turn: turn{room: p.folding}, writing: p.writing,
		}
		if l.first = l.share * (n + 1) / stream.Lanes; len(parts) > cap(p.folding) { // they take turns: small ones soon
			l.first = l.share >> min(n, smallFirst)
		}
		reports[n] = l.report
		running.Add(1)
		gen.Start(func(genCtx context.Context) {
			defer running.Done()
			laneCtx, cancel := context.WithCancel(genCtx)
			defer cancel()
			defer context.AfterFunc(ctx, cancel)()
			l.log.Info("lane assigned")
			err := l.run(laneCtx)
			switch {
			case errors.Is(err, ErrUnacknowledged):
				l.report.trouble(err)
				l.log.Warn("joining the group again, so that a commit without an answer can do no harm", zap.Error(err))
				return // which ends the generation
			case errors.Is(err, commit.ErrNewerEpoch):
				l.report.trouble(err)
				leave(fmt.Errorf("%w: %w", errEpoch, err))
			case err != nil:
				l.report.stop(err)
				l.log.Error("lane stopped", zap.Error(err))
			}
			<-laneCtx.Done() // leaving earlier would end the generation for the others
			l.log.Info("lane released")
		})
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for n, r := range p.lanes {
		if reports[n] == nil {
			r.released()
		}
	}
	p.lanes, p.hands = reports, hands
}
