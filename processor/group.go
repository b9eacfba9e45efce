package processor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
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

// Deps are what a Processor works with.
type Deps struct {
	Client     *kafka.Client
	Dialer     *kafka.Dialer
	Brokers    []string
	Source     Source
	Sink       Sink
	Streams    Streams
	Letters    DeadLetters
	Now        func() time.Time
	Log        *zap.Logger
	Registerer prometheus.Registerer
}

// Processor is one member of the consumer group.
type Processor struct {
	cfg     Config
	deps    Deps
	metrics *metrics

	mu    sync.Mutex
	lanes map[int]*laneReport
}

// New makes a Processor; nothing happens before Run.
func New(cfg Config, deps Deps) *Processor {
	return &Processor{cfg: cfg, deps: deps, metrics: newMetrics(deps.Registerer), lanes: map[int]*laneReport{}}
}

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
// does not stop the others.
func (p *Processor) Run(ctx context.Context) error {
	stream, err := p.open(ctx)
	if err != nil {
		return err
	}
	p.metrics.losses(stream)
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: p.cfg.Group, Brokers: p.deps.Brokers, Dialer: p.deps.Dialer, Topics: p.cfg.Topics,
		GroupBalancers:    []kafka.GroupBalancer{&laneBalancer{lanes: stream.Lanes, owned: p.owned}},
		HeartbeatInterval: p.cfg.Heartbeat, SessionTimeout: p.cfg.SessionTimeout, RebalanceTimeout: p.cfg.RebalanceTimeout,
		JoinGroupBackoff: time.Second, WatchPartitionChanges: true, StartOffset: kafka.FirstOffset,
	})
	if err != nil {
		return fmt.Errorf("joining group %s: %w", p.cfg.Group, err)
	}
	var lanes sync.WaitGroup
	defer lanes.Wait()
	defer group.Close()
	for {
		gen, err := group.Next(ctx)
		switch {
		case ctx.Err() != nil, errors.Is(err, kafka.ErrGroupClosed):
			return nil
		case err != nil: // a coordinator that is not there yet, a broker that went away
			p.deps.Log.Warn("joining the group again", zap.Error(err))
			continue
		}
		if err := p.still(ctx, stream); err != nil {
			return err
		}
		p.assign(ctx, gen, stream, &lanes)
	}
}

// open reads how the data was written and how this member is to go on with it: in the same epoch, in the first, or in a new one if the
// number of lanes was changed.
func (p *Processor) open(ctx context.Context) (Stream, error) {
	meta, err := p.deps.Client.Metadata(ctx, &kafka.MetadataRequest{Topics: p.cfg.Topics})
	if err != nil {
		return Stream{}, fmt.Errorf("asking Kafka for topics %v: %w", p.cfg.Topics, err)
	}
	partitions := 0
	for _, t := range meta.Topics {
		if t.Error != nil {
			return Stream{}, fmt.Errorf("asking Kafka for topic %s: %w", t.Name, t.Error)
		}
		partitions = len(t.Partitions) // equal for all of them: EnsureTopics saw to it
	}
	now := Stream{
		Group: p.cfg.Group, Lanes: min(p.cfg.Lanes, partitions), Partitions: partitions, Topics: slices.Sorted(slices.Values(p.cfg.Topics)), Cluster: meta.ClusterID,
	}
	epochs := &Epochs{Client: p.deps.Client, Source: p.deps.Source, Marks: p.deps.Sink, Streams: p.deps.Streams, Now: p.deps.Now, Log: p.deps.Log}
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
		now.Start, now.Reason, now.By = survey.put(), "first start", program()
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
		if err != nil {
			return Stream{}, looked, fmt.Errorf("group %s was written with %d lanes, processor.lanes is %d: %w", now.Group, was.Lanes, now.Lanes, err)
		}
		if got.Lanes != now.Lanes {
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
			return fmt.Errorf("epoch %d of group %s has begun, this process was in epoch %d: start it again", now.Epoch, stream.Group, stream.Epoch)
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
func (p *Processor) assign(ctx context.Context, gen *kafka.Generation, stream Stream, running *sync.WaitGroup) {
	parts := map[int][]fetch.TopicPartition{}
	for topic, assigned := range gen.Assignments {
		for _, a := range assigned {
			parts[a.ID%stream.Lanes] = append(parts[a.ID%stream.Lanes], fetch.TopicPartition{Topic: topic, Partition: int32(a.ID)})
		}
	}
	offsets := &memberOffsets{client: p.deps.Client, group: p.cfg.Group, member: gen.MemberID, generation: int(gen.ID)}
	reports := map[int]*laneReport{}
	fingerprint, start := p.cfg.Fingerprint(), starts(stream.Start)
	for n, tps := range parts {
		name := laneName(p.cfg.Group, n)
		l := &lane{
			name: name, cluster: stream.Cluster, epoch: stream.Epoch, start: start, tps: tps, cfg: &p.cfg, fingerprint: fingerprint, limit: p.cfg.batchBytes(stream.Lanes),
			source: p.deps.Source, offsets: offsets, sink: p.deps.Sink, letters: p.deps.Letters, now: p.deps.Now,
			log: p.deps.Log.With(zap.String("lane", name), zap.Int32("generation", gen.ID)), report: newLaneReport(n, name, p.metrics),
		}
		reports[n] = l.report
		running.Add(1)
		gen.Start(func(genCtx context.Context) {
			defer running.Done()
			laneCtx, cancel := context.WithCancel(genCtx)
			defer cancel()
			defer context.AfterFunc(ctx, cancel)()
			l.log.Info("lane assigned")
			if err := l.run(laneCtx); err != nil {
				l.report.stop(err)
				l.log.Error("lane stopped", zap.Error(err))
			}
			<-laneCtx.Done() // leaving earlier would end the generation for the others
			l.log.Info("lane released")
		})
	}
	p.mu.Lock()
	p.lanes = reports
	p.mu.Unlock()
}
