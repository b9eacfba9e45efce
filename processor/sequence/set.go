package sequence

import (
	"bytes"
	"cmp"
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
	"github.com/tillstream/tillstream/processor/table"
)

// Kinds of state rows. The key is topic, NUL, terminal id; that of ids has another NUL and the place of the segment behind, that of holes the slot of the page. Holes
// are loaded first.
const (
	Kind      = "sequence"
	KindIDs   = "sequence_ids"
	KindHoles = "holes"
)

// Verdict is what See says of an event.
type Verdict uint8

const (
	Fresh     Verdict = iota // never seen before: fold it
	Duplicate                // a repeat: count it
	Forgotten                // from a range that was forgotten, new or not: a dead letter, reason sequence_forgotten
)

// Config of a Set.
type Config struct {
	// Missing is told that delta numbers more (or fewer) are missing on a business date (days since 1970). The strings are valid
	// during the call.
	Missing func(topic, terminal string, businessDate int32, delta int64)
}

// Stats are totals over the terminals of a Set, what was loaded included.
type Stats struct {
	Terminals int
	Restarts  uint64 // epochs that began without the sender saying so
	Forgotten uint64 // missing numbers that can no longer be told from repeats
}

// Set is the memory of a lane's terminals. It is not safe for concurrent use.
//
// Terminals are kept by partition, as their state is: what one partition holds never changes the verdict on another, so the
// order between them does not matter, nor how partitions are shared among lanes.
type Set struct {
	cfg       Config
	limits    limits
	seed      maphash.Seed // decides where a terminal lies in memory, nothing else
	topics    []string
	terminals table.Table[key, *terminal]
	room      []terminal // for the next ones
	changed   []*terminal
	stats     Stats
	pages     map[*terminal]map[int32][]byte // loaded, of terminals that are not
	hashes    []uint64                       // of those that Senders looks for
	read      uint64                         // nothing: so that what is read ahead is read
}

type key struct {
	terminal  string
	topic     int32 // in Set.topics
	partition int32
}

// New makes an empty Set.
func New(cfg Config) *Set {
	return &Set{cfg: cfg, limits: bounds, seed: maphash.MakeSeed(), pages: map[*terminal]map[int32][]byte{}}
}

// Sender is a number that stands for a terminal of a topic and a partition as long as the Set lives: see rollup.Input.
func (s *Set) Sender(topic string, partition int32, terminal string) uint32 {
	return uint32(s.terminal(topic, partition, terminal).index) + 1
}

// Senders gives the numbers of many terminals of a topic and a partition, and reads what See will need of them. A look-up by itself waits for memory four times; of many in
// turn a processor waits for most at once.
func (s *Set) Senders(topic string, partition int32, terminals []string, numbers []uint32) {
	i := s.topic(topic)
	s.hashes = s.hashes[:0]
	for _, id := range terminals {
		s.hashes = append(s.hashes, s.hash(i, partition, id))
	}
	read := uint64(0)
	for _, hash := range s.hashes {
		read += s.terminals.Slot(hash)
	}
	for n, id := range terminals {
		numbers[n] = uint32(s.find(s.hashes[n], key{id, i, partition}).index) + 1
	}
	for _, n := range numbers {
		t := s.terminals.Entries()[n-1].Value
		read += t.first[0].high + t.restarts
	}
	s.read = read
}

// See judges an event and remembers it. businessDate (days since 1970) is where numbers that it reveals are missing.
func (s *Set) See(e *event.Event, in rollup.Input, businessDate int32) Verdict {
	var t *terminal
	if in.Sender > 0 {
		t = s.terminals.Entries()[in.Sender-1].Value
	} else {
		t = s.terminal(in.Topic, in.Partition, e.TerminalID)
	}
	if !e.Sequence.OK {
		if t.ids == nil {
			t.ids = &ids{}
		}
		if !t.ids.see(hashID(e)) {
			return Duplicate
		}
		s.list(t)
		return Fresh
	}
	restarts, forgotten := t.restarts, t.forgotten
	v, r := t.see(e, businessDate, s.limits)
	if v == Fresh {
		s.list(t)
		s.stats.Restarts += t.restarts - restarts
		s.stats.Forgotten += t.forgotten - forgotten
	}
	if r.delta != 0 {
		s.cfg.Missing(in.Topic, e.TerminalID, r.day, r.delta)
	}
	return v
}

// Stats are the totals now.
func (s *Set) Stats() Stats {
	st := s.stats
	st.Terminals = s.terminals.Len()
	return st
}

func (s *Set) list(t *terminal) {
	if !t.listed {
		t.listed = true
		s.changed = append(s.changed, t)
	}
}

// terminal finds a terminal, or begins it. What it keeps is cloned.
func (s *Set) terminal(topic string, partition int32, id string) *terminal {
	i := s.topic(topic)
	return s.find(s.hash(i, partition, id), key{id, i, partition})
}

// topic is the number of a topic.
func (s *Set) topic(name string) int32 {
	i := slices.Index(s.topics, name)
	if i < 0 {
		i = len(s.topics)
		s.topics = append(s.topics, strings.Clone(name))
	}
	return int32(i)
}

func (s *Set) hash(topic, partition int32, id string) uint64 {
	return table.Mix(maphash.String(s.seed, id), table.Pack(uint32(topic), uint32(partition)))
}

func (s *Set) find(hash uint64, k key) *terminal {
	if at, ok := s.terminals.Find(hash, k); ok {
		return s.terminals.Entries()[at].Value
	}
	if len(s.room) == 0 {
		s.room = make([]terminal, 64)
	}
	t := &s.room[0]
	s.room = s.room[1:]
	t.epochs = t.first[:0]
	k.terminal = strings.Clone(k.terminal)
	t.index = int32(s.terminals.Add(hash, k))
	s.terminals.Entries()[t.index].Value = t
	return t
}

// Seal gives the state of the terminals that changed since the last Seal, in the order of partition and key.
func (s *Set) Seal() []rollup.StateRow {
	entries := s.terminals.Entries()
	slices.SortFunc(s.changed, func(a, b *terminal) int {
		x, y := &entries[a.index].Key, &entries[b.index].Key
		switch {
		case x.partition != y.partition:
			return cmp.Compare(x.partition, y.partition)
		case x.topic != y.topic:
			return cmp.Compare(s.topics[x.topic], s.topics[y.topic])
		}
		return cmp.Compare(x.terminal, y.terminal)
	})
	rows := make([]rollup.StateRow, 0, len(s.changed))
	var value []byte
	for _, t := range s.changed {
		t.listed = false
		k := entries[t.index].Key
		name := s.topics[k.topic] + "\x00" + k.terminal
		if t.renumbered {
			t.renumbered = false
			value = t.appendNumbers(value[:0])
			rows = append(rows, rollup.StateRow{Partition: k.partition, Kind: Kind, Key: name, Value: bytes.Clone(value)})
			rows = t.appendPages(rows, k.partition, name)
		}
		if t.ids == nil || t.ids.sealed == t.ids.seen {
			continue
		}
		first, last := t.ids.changed()
		for n := first; n <= last; n++ {
			value = appendSegment(value[:0], n, t.ids.segment(n))
			rows = append(rows, rollup.StateRow{
				Partition: k.partition, Kind: KindIDs, Key: name + "\x00" + strconv.FormatUint(n%segments, 10), Value: bytes.Clone(value),
			})
		}
		t.ids.sealed = t.ids.seen
	}
	clear(s.changed)
	s.changed = s.changed[:0]
	return rows
}

// appendPages appends the rows of the terminal's pages that changed since the last Seal, and ends those of pages that are no more.
func (t *terminal) appendPages(rows []rollup.StateRow, partition int32, name string) []rollup.StateRow {
	if t.shelf == nil || !slices.Contains(t.shelf.changed, true) {
		return rows
	}
	codes := make([][]byte, len(t.shelf.changed))
	for i := range t.epochs {
		if g := t.epochs[i].gaps; g != nil {
			for _, p := range g.pages {
				codes[p.slot] = p.code
			}
		}
	}
	for slot, code := range codes {
		if !t.shelf.changed[slot] {
			continue
		}
		t.shelf.changed[slot] = false
		row := rollup.StateRow{Partition: partition, Kind: KindHoles, Key: name + "\x00" + strconv.Itoa(slot), Deleted: code == nil}
		if code != nil {
			row.Value = append([]byte{format}, code...)
		}
		rows = append(rows, row)
	}
	return rows
}

// Load restores a row that Seal gave out, before the first See. Rows of other kinds are left alone. Those of kind KindHoles come before those of Kind.
func (s *Set) Load(row rollup.StateRow) error {
	if row.Deleted || row.Kind != Kind && row.Kind != KindIDs && row.Kind != KindHoles {
		return nil
	}
	if err := s.load(row); err != nil {
		return fmt.Errorf("loading state %s %q: %w", row.Kind, row.Key, err)
	}
	return nil
}

func (s *Set) load(row rollup.StateRow) error {
	topic, id, ok := strings.Cut(row.Key, "\x00")
	part := ""
	if row.Kind != Kind {
		i := strings.LastIndexByte(id, 0)
		ok = ok && i >= 0
		id, part = id[:max(i, 0)], id[i+1:]
	}
	if !ok {
		return errMalformed
	}
	t := s.terminal(topic, row.Partition, id)
	switch row.Kind {
	case KindIDs:
		n, hashes, err := decodeSegment(row.Value)
		if err != nil {
			return err
		}
		if t.ids == nil {
			t.ids = &ids{}
		}
		t.ids.restore(n, hashes)
		return nil
	case KindHoles:
		slot, err := strconv.ParseUint(part, 10, 16)
		r := reader{b: row.Value}
		if _, unknown := r.format(format); err != nil || unknown != nil {
			return cmp.Or(unknown, errMalformed)
		}
		if s.pages[t] == nil {
			s.pages[t] = map[int32][]byte{}
		}
		s.pages[t][int32(slot)] = bytes.Clone(r.b)
		return nil
	}
	if err := t.decodeNumbers(row.Value, s.pages[t]); err != nil {
		return err
	}
	delete(s.pages, t)
	s.stats.Restarts += t.restarts
	s.stats.Forgotten += t.forgotten
	return nil
}
