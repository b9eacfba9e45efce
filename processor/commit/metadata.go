package commit

import (
	"fmt"
	"hash/crc32"
	"strings"
)

// Metadata is what a commit of ours says beside the offset. Kafka keeps it with the offset, under the same fence.
type Metadata struct {
	Epoch, Batch uint64
	Pending      bool   // an intent: batch Batch, up to To, may be in flight until Deadline
	Partitions   int    // that have an intent of the batch: inserts begin only when all of them are acknowledged
	To           int64  // end of this partition's range
	Deadline     int64  // ms since 1970: no insert of the batch begins or goes on after it
	Fingerprint  string // of the code and configuration that fold it
}

// String is the metadata as committed, under 130 bytes (brokers accept 4,096), with a checksum: what another tool wrote or cut
// must not be taken for ours.
func (m Metadata) String() string {
	s := fmt.Sprintf("ts1 idle e=%d n=%d", m.Epoch, m.Batch)
	if m.Pending {
		s = fmt.Sprintf("ts1 intent e=%d n=%d k=%d b=%d d=%d f=%s", m.Epoch, m.Batch, m.Partitions, m.To, m.Deadline, m.Fingerprint)
	}
	return fmt.Sprintf("%s c=%08x", s, crc32.ChecksumIEEE([]byte(s)))
}

// Begins says that this is what the beginning of an epoch commits: no batch has been begun in it.
func (m Metadata) Begins() bool { return m.Batch == 0 && !m.Pending }

// ParseMetadata reads what String wrote; ok is false for everything else.
func ParseMetadata(s string) (m Metadata, ok bool) {
	i := strings.LastIndex(s, " c=")
	if i < 0 || s[i:] != fmt.Sprintf(" c=%08x", crc32.ChecksumIEEE([]byte(s[:i]))) {
		return m, false
	}
	if _, err := fmt.Sscanf(s[:i], "ts1 idle e=%d n=%d", &m.Epoch, &m.Batch); err != nil {
		m.Pending = true
		_, err = fmt.Sscanf(s[:i], "ts1 intent e=%d n=%d k=%d b=%d d=%d f=%s", &m.Epoch, &m.Batch, &m.Partitions, &m.To, &m.Deadline, &m.Fingerprint)
		if err != nil {
			return Metadata{}, false
		}
	}
	if m.String() != s { // Sscanf is more generous than String
		return Metadata{}, false
	}
	return m, true
}
