package processor

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/format"
	"github.com/tillstream/tillstream/processor/incident"
	"github.com/tillstream/tillstream/processor/journey"
	"github.com/tillstream/tillstream/processor/registry"
)

// foldVersion is part of the fingerprint: raise it whenever the same records could give other rows.
const foldVersion = 14

// Config is everything the rows depend on, and the limits of a lane. Durations and sizes are validated by the caller.
type Config struct {
	Group  string   // consumer group; it also names the lanes
	Topics []string // co-partitioned

	Lanes            int           // 0: as many as partitions, at most 8, or what the data was written with
	BatchAge         time.Duration // a batch is closed when it is this old …
	BatchRecords     int           // … or has this many records …
	BatchBytes       int           // … or these many bytes of them; 0: what a sink takes for certain …
	Memory           int64         // … or its share of the bytes that all lanes of this process may hold in open and closing batches
	Cores            int           // so many lanes fold at the same time; 0: one less than Go uses threads, which is for what waits for sockets
	SessionTimeout   time.Duration
	Heartbeat        time.Duration
	RebalanceTimeout time.Duration

	Secret            []byte // pseudonymises customers
	MaxEventBytes     int
	MaxLateness       time.Duration // 0: none
	BusinessDayCutoff time.Duration
	HeartbeatTimeout  time.Duration // 0: three times what the till announces
	TimelineWindow    time.Duration
	RetireAfter       time.Duration
	Watch             []string      // products of which pairs are counted
	CorrectionWindow  time.Duration // for how long transactions are kept so that they can be corrected; 0: they cannot

	Formats        map[string]format.Format // by topic, of records that are not JSON and say nothing
	Mappings       map[string]format.Mapper // by topic, of records that are not canonical
	SchemaRegistry bool                     // records may name their schema by its id
}

// EventOptions are how events are read.
func (c *Config) EventOptions() event.Options {
	return event.Options{Secret: c.Secret, MaxBytes: c.MaxEventBytes, MaxLateness: c.MaxLateness, Corrections: c.CorrectionWindow > 0, Bodies: bodies()}
}

// FormatOptions are how records become events.
func (c *Config) FormatOptions() format.Options {
	return format.Options{Options: c.EventOptions(), Topics: c.Formats, Mappings: c.Mappings}
}

// bodies are the readers of the events that come seldom.
func bodies() map[string]func([]byte) (any, *event.Rejection) {
	all := incident.Bodies()
	maps.Copy(all, journey.Bodies())
	all[event.TypeRegistry] = registry.Read
	return all
}

// Fingerprint stands for the code and the configuration that decide the rows: a batch begun under another one is not replayed
// blindly.
func (c *Config) Fingerprint() string {
	h := sha256.New()
	fmt.Fprintf(h, "%d %d %v %v %v %v %v %v %q %x", foldVersion, c.MaxEventBytes, c.MaxLateness, c.BusinessDayCutoff, c.HeartbeatTimeout,
		c.TimelineWindow, c.RetireAfter, c.CorrectionWindow, c.Watch, event.Pseudonym(c.Secret, "fingerprint", ""))
	if len(c.Formats) > 0 || c.SchemaRegistry { // else as it was before there were any
		fmt.Fprintf(h, " %v %v", c.Formats, c.SchemaRegistry) // fmt sorts maps
	}
	for _, topic := range slices.Sorted(maps.Keys(c.Mappings)) {
		fmt.Fprintf(h, " %q %q", topic, c.Mappings[topic].String())
	}
	return hex.EncodeToString(h.Sum(nil)[:4])
}

// bytesFactor is how much memory a lane takes for each byte of a record whose folds do not say themselves what they hold: one batch being folded,
// one waiting, one being written.
const bytesFactor = 12

// So many bytes of records, and so many tills or turns of theirs, give blocks that a sink takes for certain, however large the share of Memory is. Bytes of health reports do not
// count: what a till has reported once in a batch makes no row more until its status or the hour is another.
const (
	maxBatchBytes = 192 << 20
	maxBatchTurns = 160_000
)

// share is how much memory the batches of one lane may hold, so that all lanes together stay within Memory.
func (c *Config) share(lanes int) int { return max(int(c.Memory)/max(lanes, 1), 1<<20) }

// full says whether an open batch must be closed. A batch that is as large as memory allows has the fewest rows a record: a lane that is behind catches up.
func (c *Config) full(f *folder, share int) bool {
	bytes, most := f.bytes, c.BatchBytes
	if most == 0 {
		bytes, most = f.bytes-f.reports, maxBatchBytes
	}
	return f.records >= c.BatchRecords || bytes >= most || f.tills.Turns() >= maxBatchTurns || f.held() >= share
}
