package embedded

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/zap"

	"github.com/tillstream/tillstream/deploy/embedded/internal/flock"
)

// BrokerConfig says how the embedded Kafka runs.
type BrokerConfig struct {
	Dir        string   // where it keeps its data; made if need be
	Port       int      // of loopback; a free one, another at each start, if 0
	Topics     []string // made on a new directory
	Partitions int      // of each of them, and of topics made without a number; 4 if 0
	Sync       bool     // survive a power cut, not only a kill, for an fsync a batch
	Log        *zap.Logger
}

// Broker is a Kafka of one node in this process.
type Broker struct {
	cluster *kfake.Cluster
	close   func()
}

const defaultPartitions = 4

// StartBroker starts a broker on a directory. What was acknowledged is there again after a kill of the process. The error is ErrLocked if
// another process has the directory.
func StartBroker(cfg BrokerConfig) (*Broker, error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("starting the embedded Kafka: %w", err)
	}
	unlock, err := flock.Try(filepath.Join(cfg.Dir, "lock"))
	if errors.Is(err, flock.ErrHeld) {
		return nil, fmt.Errorf("starting the embedded Kafka: %w; stop it, or choose another directory with --data", ErrLocked)
	}
	if err != nil {
		return nil, fmt.Errorf("starting the embedded Kafka: %w", err)
	}
	cluster, err := kfake.NewCluster(brokerOptions(cfg)...)
	if err != nil {
		unlock()
		return nil, fmt.Errorf("starting the embedded Kafka on %s: %w", cfg.Dir, err)
	}
	return &Broker{cluster: cluster, close: sync.OnceFunc(func() {
		cluster.Close()
		unlock()
	})}, nil
}

func brokerOptions(cfg BrokerConfig) []kfake.Opt {
	if cfg.Partitions == 0 {
		cfg.Partitions = defaultPartitions
	}
	opts := []kfake.Opt{
		kfake.DataDir(filepath.Join(cfg.Dir, "data")),
		kfake.ClusterID(uuid.NewString()), // of a new directory; a known one keeps its own, which the processor looks at
		kfake.Ports(cfg.Port),
		kfake.DefaultNumPartitions(cfg.Partitions),
		kfake.GroupMinSessionTimeout(time.Second),
		kfake.BrokerConfigs(map[string]string{
			// A demo that rests for a fortnight, or is fed with events of last year, must find everything again.
			"log.retention.ms":          "-1",
			"offsets.retention.minutes": strconv.Itoa(math.MaxInt32),
		}),
		kfake.WithLogger(brokerLog{cfg.Log}),
	}
	if len(cfg.Topics) > 0 {
		opts = append(opts, kfake.SeedTopics(int32(cfg.Partitions), cfg.Topics...))
	}
	if cfg.Sync {
		opts = append(opts, kfake.SyncWrites())
	}
	return opts
}

// Addrs are the addresses to connect to.
func (b *Broker) Addrs() []string { return b.cluster.ListenAddrs() }

// Close stops the broker and writes what it holds. Clients should be closed before, or they find it gone. Further calls do nothing.
func (b *Broker) Close() { b.close() }

// brokerLog passes kfake's warnings and errors on.
type brokerLog struct{ log *zap.Logger }

func (l brokerLog) Logf(level kfake.LogLevel, format string, args ...any) {
	if level == kfake.LogLevelError || level == kfake.LogLevelWarn {
		l.log.Warn("broker", zap.String("says", fmt.Sprintf(format, args...)))
	}
}
