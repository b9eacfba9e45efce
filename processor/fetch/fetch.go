package fetch

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"go.uber.org/zap"

	"github.com/tillstream/tillstream/internal/wait"
)

// TopicPartition names one partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

func (tp TopicPartition) String() string { return fmt.Sprintf("%s/%d", tp.Topic, tp.Partition) }

// Position is where reading of a partition goes on: the offset of the next record.
type Position struct {
	TopicPartition
	Offset int64
}

// Config limits what one round asks for. The zero value of a field means its default.
type Config struct {
	MaxWait           time.Duration // how long a leader waits for MinBytes; 500 ms
	MinBytes          int32         // 1
	MaxBytes          int32         // of one leader's answer; 8 MiB
	PartitionMaxBytes int32         // of one partition in it; 2 MiB. A first batch that is larger comes whole all the same

	RequestTimeout  time.Duration // beyond MaxWait, after which a leader counts as gone; 30 s
	MinBackoff      time.Duration // pause after the first trouble with a partition; it doubles; 100 ms
	MaxBackoff      time.Duration // 5 s
	CorruptAttempts int           // how often a batch must come in pieces before it counts as corrupt in the log; 5
}

func (c Config) withDefaults() Config {
	c.MaxWait = cmp.Or(c.MaxWait, 500*time.Millisecond)
	c.MinBytes = cmp.Or(c.MinBytes, 1)
	c.MaxBytes = cmp.Or(c.MaxBytes, 8<<20)
	c.PartitionMaxBytes = cmp.Or(c.PartitionMaxBytes, 2<<20)
	c.RequestTimeout = cmp.Or(c.RequestTimeout, 30*time.Second)
	c.MinBackoff = cmp.Or(c.MinBackoff, 100*time.Millisecond)
	c.MaxBackoff = cmp.Or(c.MaxBackoff, 5*time.Second)
	c.CorruptAttempts = cmp.Or(c.CorruptAttempts, 5)
	return c
}

// Fetcher reads record batches. It may be used by several goroutines, each with partitions of its own.
type Fetcher struct {
	client *kafka.Client
	cfg    Config
	log    *zap.Logger
	now    func() time.Time
	turn   atomic.Uint32

	mu       sync.Mutex
	troubles map[TopicPartition]*trouble
}

// New makes a Fetcher over client's Addr and Transport; nothing happens before Fetch. From here on the process must not use
// kafka-go's Client.Fetch: see RegisterRaw.
//
// A leader that moved is found when the Transport next refreshes its metadata, so its MetadataTTL bounds how long that takes.
func New(client *kafka.Client, cfg Config, log *zap.Logger) *Fetcher {
	RegisterRaw()
	return &Fetcher{client: client, cfg: cfg.withDefaults(), log: log, now: time.Now, troubles: map[TopicPartition]*trouble{}}
}

// Fetch asks the leaders of all positions, at the same time, for what follows. It returns when there is at least one chunk or
// MaxWait has passed, then possibly with none. Passing trouble (a leader that moved, a broker that is away, a batch corrupted
// on its way) is logged, and the partition is asked again later, while the others go on; what Fetch returns as an error is for
// good: *OffsetOutOfRangeError, *CorruptError, *UnsupportedFormatError, *UnauthorizedError, or ctx's.
func (f *Fetcher) Fetch(ctx context.Context, at []Position) ([]Chunk, error) {
	ready, pause := f.ready(at)
	if len(ready) == 0 {
		return nil, wait.For(ctx, min(pause, f.cfg.MaxWait))
	}
	groups, err := f.byLeader(ctx, ready)
	if err != nil {
		return nil, err
	}
	switch len(groups) {
	case 0:
		return nil, ctx.Err() // all of them have no leader now: the next call waits
	case 1:
		return f.round(ctx, groups, f.cfg.MaxWait)
	}
	// A leader with nothing to say must not hold back what the others have: the first question is without patience.
	if chunks, err := f.round(ctx, groups, 0); err != nil || len(chunks) > 0 {
		return chunks, err
	}
	if ready, _ := f.ready(at); len(ready) == 0 {
		return nil, ctx.Err()
	}
	return f.round(ctx, groups, f.cfg.MaxWait)
}
