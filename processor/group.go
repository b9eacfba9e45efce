package processor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"go.uber.org/zap"

	"github.com/tillstream/tillstream/processor/fetch"
)

// Stream is what is kept with the data about how it was read: it must not change under it.
type Stream struct {
	Group      string
	Epoch      uint64
	Lanes      int
	Partitions int
	Topics     []string
	Cluster    string // Kafka's cluster id
}

// Streams keeps Stream. ok is false where the group was never seen.
type Streams interface {
	Stream(ctx context.Context, group string) (s Stream, ok bool, err error)
	PutStream(ctx context.Context, s Stream) error
}

// Kafka is what a Processor asks of a cluster beside records. *Cluster is one.
type Kafka interface {
	// Topics says the cluster's id and how many partitions each topic has.
	Topics(ctx context.Context, topics []string) (cluster string, partitions map[string]int, err error)
	// Join makes this process a member of the group that Config names. The group's leader assigns by balancer.
	Join(cfg *Config, balancer kafka.GroupBalancer) (Group, error)
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
	group, err := p.deps.Kafka.Join(&p.cfg, &laneBalancer{lanes: stream.Lanes, owned: p.owned})
	if err != nil {
		return fmt.Errorf("joining group %s: %w", p.cfg.Group, err)
	}
	var lanes sync.WaitGroup
	defer lanes.Wait()
	defer group.Close()
	for {
		gen, err := group.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil: // a coordinator that is not there yet, a broker that went away
			p.deps.Log.Warn("joining the group again", zap.Error(err))
			continue
		}
		p.assign(ctx, gen, stream, &lanes)
	}
}

// open reads how the data was written, checks that the configuration fits it, and notes it on the first start.
func (p *Processor) open(ctx context.Context) (Stream, error) {
	cluster, counts, err := p.deps.Kafka.Topics(ctx, p.cfg.Topics)
	if err != nil {
		return Stream{}, fmt.Errorf("asking Kafka for topics %v: %w", p.cfg.Topics, err)
	}
	partitions := 0
	for _, n := range counts {
		partitions = n // equal for all of them: EnsureTopics saw to it
	}
	now := Stream{
		Group: p.cfg.Group, Epoch: 1, Lanes: p.cfg.Lanes, Partitions: partitions, Topics: slices.Sorted(slices.Values(p.cfg.Topics)), Cluster: cluster,
	}
	was, ok, err := p.deps.Streams.Stream(ctx, p.cfg.Group)
	if err != nil {
		return Stream{}, fmt.Errorf("reading how group %s was written: %w", p.cfg.Group, err)
	}
	if ok {
		if err := was.fits(now); err != nil {
			return Stream{}, err
		}
		now.Epoch, now.Lanes = was.Epoch, was.Lanes
		if was.Partitions == now.Partitions && slices.Equal(was.Topics, now.Topics) {
			return was, nil
		}
		p.deps.Log.Warn("topics or partitions were added; stores may move to other partitions, their history stays where it is",
			zap.Int("partitions_before", was.Partitions), zap.Int("partitions", now.Partitions))
	} else if now.Lanes == 0 {
		now.Lanes = min(partitions, 8)
	}
	now.Lanes = min(now.Lanes, partitions)
	if err := p.deps.Streams.PutStream(ctx, now); err != nil {
		return Stream{}, fmt.Errorf("noting how group %s is written: %w", p.cfg.Group, err)
	}
	return now, nil
}

func (s Stream) fits(now Stream) error {
	switch {
	case s.Cluster != now.Cluster:
		return fmt.Errorf("group %s in ClickHouse was read from Kafka cluster %q, this one is %q: its offsets mean something else; set kafka.group to a new name",
			s.Group, s.Cluster, now.Cluster)
	case now.Lanes != 0 && now.Lanes != s.Lanes:
		return fmt.Errorf("processor.lanes is %d, but group %s was written with %d; set it to %d or to 0", now.Lanes, s.Group, s.Lanes, s.Lanes)
	case now.Partitions < s.Partitions:
		return fmt.Errorf("the topics of group %s had %d partitions and have %d now: they were re-created; set kafka.group to a new name", s.Group, s.Partitions, now.Partitions)
	}
	for _, t := range s.Topics {
		if !slices.Contains(now.Topics, t) {
			return fmt.Errorf("kafka.topics lacks %s, which group %s has read; name it again, or set kafka.group to a new name", t, s.Group)
		}
	}
	return nil
}

// assign starts the lanes of a generation. Each holds the generation open until it has drained.
func (p *Processor) assign(ctx context.Context, gen Generation, stream Stream, running *sync.WaitGroup) {
	parts := map[int][]fetch.TopicPartition{}
	for _, tp := range gen.Assigned {
		n := int(tp.Partition) % stream.Lanes
		parts[n] = append(parts[n], tp)
	}
	reports := map[int]*laneReport{}
	fingerprint := p.cfg.Fingerprint()
	for n, tps := range parts {
		name := fmt.Sprintf("%s/%d", p.cfg.Group, n)
		l := &lane{
			name: name, cluster: stream.Cluster, epoch: stream.Epoch, tps: tps, cfg: &p.cfg, fingerprint: fingerprint, limit: p.cfg.batchBytes(stream.Lanes),
			source: p.deps.Source, offsets: gen.Offsets, sink: p.deps.Sink, letters: p.deps.Letters, now: p.deps.Now,
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
			err := l.run(laneCtx)
			if errors.Is(err, ErrUnacknowledged) {
				l.report.trouble(err)
				l.log.Warn("joining the group again, so that a commit without an answer can do no harm", zap.Error(err))
				return // which ends the generation
			}
			if err != nil {
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
