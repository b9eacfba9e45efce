package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/zap"
)

// BrokerConfig says how the embedded Kafka runs.
type BrokerConfig struct {
	Dir string // where it keeps its data
	Log *zap.Logger
}

// Broker is a Kafka of one node in this process. It listens on a free port of loopback, a new one at each start.
type Broker struct{ cluster *kfake.Cluster }

// StartBroker starts a broker on a directory. What was acknowledged is there again after a kill of the process.
func StartBroker(cfg BrokerConfig) (*Broker, error) {
	id, err := clusterID(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("starting the embedded Kafka: %w", err)
	}
	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(1),
		kfake.DataDir(filepath.Join(cfg.Dir, "data")),
		kfake.ClusterID(id),
		kfake.GroupMinSessionTimeout(time.Second),
		kfake.WithLogger(brokerLog{cfg.Log}),
	)
	if err != nil {
		return nil, fmt.Errorf("starting the embedded Kafka: %w", err)
	}
	return &Broker{cluster}, nil
}

// Addrs are the addresses to connect to.
func (b *Broker) Addrs() []string { return b.cluster.ListenAddrs() }

// Close stops the broker and writes what it holds.
func (b *Broker) Close() { b.cluster.Close() }

// clusterID is made once for each directory: offsets of another cluster mean something else, and the processor looks at it.
func clusterID(dir string) (string, error) {
	path := filepath.Join(dir, "cluster-id")
	kept, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(kept)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	id := uuid.NewString()
	return id, os.WriteFile(path, []byte(id), 0o600)
}

// brokerLog passes kfake's warnings and errors on.
type brokerLog struct{ log *zap.Logger }

func (l brokerLog) Logf(level kfake.LogLevel, format string, args ...any) {
	if level == kfake.LogLevelError || level == kfake.LogLevelWarn {
		l.log.Warn("broker", zap.String("says", fmt.Sprintf(format, args...)))
	}
}
