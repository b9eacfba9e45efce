package commit

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// TopicPartition names a Kafka partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

func (tp TopicPartition) String() string { return fmt.Sprintf("%s:%d", tp.Topic, tp.Partition) }

// Compare orders by topic, then partition.
func (tp TopicPartition) Compare(o TopicPartition) int {
	return cmp.Or(cmp.Compare(tp.Topic, o.Topic), cmp.Compare(tp.Partition, o.Partition))
}

// Range is the offsets [From,To) of one partition.
type Range struct {
	TopicPartition
	From, To int64
}

// Ranges are a batch: one range for each of the lane's partitions, sorted.
type Ranges []Range

// Sort puts the ranges into their canonical order.
func (r Ranges) Sort() Ranges {
	slices.SortFunc(r, func(a, b Range) int { return a.Compare(b.TopicPartition) })
	return r
}

// To is where a partition's range ends.
func (r Ranges) To(tp TopicPartition) (int64, bool) {
	i := slices.IndexFunc(r, func(x Range) bool { return x.TopicPartition == tp })
	if i < 0 {
		return 0, false
	}
	return r[i].To, true
}

// Mark is what the ledger row of one block says. Marks of one lane sort as text by epoch and batch, so that max() of them is
// the newest.
type Mark struct {
	Epoch, Batch uint64
	Fingerprint  string  // of the code and configuration that folded the batch
	Unknown      Unknown // of claims only
	Blocks       int     // how many months the batch has in this table
	Ranges       Ranges
}

// String is the mark as stored: "eeeeeeee/nnnnnnnnnnnnnnnn fingerprint+unknown blocks topic:partition=from-to …".
func (m Mark) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%08d/%016d %s %d", m.Epoch, m.Batch, m.Unknown.signed(m.Fingerprint), m.Blocks)
	for _, r := range m.Ranges {
		fmt.Fprintf(&b, " %s:%d=%d-%d", r.Topic, r.Partition, r.From, r.To)
	}
	return b.String()
}

// ParseMark reads what String wrote.
func ParseMark(s string) (Mark, error) {
	fields := strings.Fields(s)
	if len(fields) < 3 {
		return Mark{}, fmt.Errorf("parsing mark %q: want epoch/batch, fingerprint and block count", s)
	}
	var m Mark
	epoch, batch, _ := strings.Cut(fields[0], "/")
	var err error
	if m.Epoch, err = strconv.ParseUint(epoch, 10, 64); err != nil {
		return Mark{}, fmt.Errorf("parsing epoch of mark %q: %w", s, err)
	}
	if m.Batch, err = strconv.ParseUint(batch, 10, 64); err != nil {
		return Mark{}, fmt.Errorf("parsing batch of mark %q: %w", s, err)
	}
	m.Fingerprint, m.Unknown = unsigned(fields[1])
	if m.Blocks, err = strconv.Atoi(fields[2]); err != nil {
		return Mark{}, fmt.Errorf("parsing block count of mark %q: %w", s, err)
	}
	for _, f := range fields[3:] {
		r, err := parseRange(f)
		if err != nil {
			return Mark{}, fmt.Errorf("parsing mark %q: %w", s, err)
		}
		m.Ranges = append(m.Ranges, r)
	}
	if m.String() != s {
		return Mark{}, fmt.Errorf("parsing mark %q: it would be written %q", s, m)
	}
	return m, nil
}

func parseRange(s string) (r Range, err error) {
	name, offsets, ok := strings.Cut(s, "=")
	i := strings.LastIndexByte(name, ':')
	from, to, ok2 := strings.Cut(offsets, "-")
	if !ok || !ok2 || i < 0 {
		return r, fmt.Errorf("range %q is not topic:partition=from-to", s)
	}
	p, err := strconv.ParseInt(name[i+1:], 10, 32)
	if err != nil {
		return r, fmt.Errorf("partition of range %q: %w", s, err)
	}
	r.Topic, r.Partition = name[:i], int32(p)
	if r.From, err = strconv.ParseInt(from, 10, 64); err != nil {
		return r, fmt.Errorf("start of range %q: %w", s, err)
	}
	if r.To, err = strconv.ParseInt(to, 10, 64); err != nil {
		return r, fmt.Errorf("end of range %q: %w", s, err)
	}
	return r, nil
}

// Token is the insert_deduplication_token of a block. It identifies the place, not the content: the mark inside the block does
// that, and is read back.
func Token(cluster, lane string, epoch, batch uint64, block string) string {
	return fmt.Sprintf("%s|%s|%d|%d|%s", cluster, lane, epoch, batch, block)
}
