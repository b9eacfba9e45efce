package doctor

import (
	"time"

	"github.com/tillstream/tillstream/cmd/tillstream/config"
	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/sinks/clickhouse"
	"github.com/tillstream/tillstream/sinks/kafka"
)

// Facts are what is known of a set-up. Where an Err is set, what stands beside it is not known, and what depends on it is skipped.
type Facts struct {
	Config     *config.Config
	Demo       bool // the embedded engines of a demo: one machine, and topics that keep the sender's time on purpose
	Kafka      Kafka
	ClickHouse ClickHouse
	Group      Group
	Registry   Registry
	Services   []Service
	Now        time.Time
	Expiry     map[string]time.Time // of our own certificates, by the key that names the file
}

// Service is one server beside Kafka and ClickHouse.
type Service struct {
	What string // SchemaRegistry, Alertmanager or LoginProvider
	URL  string
	Err  error // why it is of no use
}

// Kinds of services.
const (
	SchemaRegistry = "schema registry"
	Alertmanager   = "alertmanager"
	LoginProvider  = "login provider"
)

// Kafka is the cluster.
type Kafka struct {
	Err error
	kafka.Inspection
	Ahead []string // topics of LogAppendTime that have a record whose time is later than this machine's by more than MaxAhead
}

// ClickHouse is the server.
type ClickHouse struct {
	Proofs      []clickhouse.Proof
	User        string
	RightsErr   error
	Lacking     []string // grants of role writer that the user does not have
	SpaceErr    error
	Free, Total uint64 // bytes of its default disk
}

// Proved says whether a proof was made and holds.
func (c *ClickHouse) Proved(what string) bool {
	for _, p := range c.Proofs {
		if p.What == what {
			return p.Err == nil
		}
	}
	return false
}

// Group is the consumer group.
type Group struct {
	Err     error
	Asked   bool // false: Kafka or ClickHouse could not be asked
	Survey  processor.Survey
	Lanes   []processor.LaneStanding
	Lag     int64          // offsets between what is committed and the end
	Deleted []DeletedRange // what Kafka deleted before it was read
}

// DeletedRange are offsets of a partition that Kafka no longer has and the group has not read.
type DeletedRange struct {
	Topic     string
	Partition int32
	From, To  int64
}

// Registry is what is known of stores and agreements.
type Registry struct {
	Err        error
	Asked      bool
	Revision   uint64 // newest
	Sent       uint64 // newest of which Kafka has all
	Invalid    error  // what is wrong with what is registered
	Agreements int
	Stores     clickhouse.Strangers
}
