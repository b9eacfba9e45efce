package correction

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tillstream/tillstream/processor/rollup"
)

// Kinds of state rows. The key of the clock is the topic, that of a correction has NUL and its key in hexadecimal digits behind.
const (
	KindClock = "correction_clock"
	Kind      = "correction"
)

// stateFormat is the first byte of every value. That of a clock is another one since transactions are kept in packs, which older versions would not find (2), and since their
// content says what they have not, which those cannot read (3).
const (
	stateFormat = 1
	clockFormat = 3
)

func (g *graph) value() []byte {
	b := binary.AppendVarint([]byte{clockFormat}, g.clock)
	b = binary.AppendVarint(b, g.since)
	return binary.AppendVarint(b, g.window)
}

func (l *link) value() []byte {
	inForce := byte(0)
	if l.inForce {
		inForce = 1
	}
	b := appendText([]byte{stateFormat, inForce}, l.id)
	b = binary.AppendVarint(b, l.clock)
	b = binary.AppendVarint(b, l.order)
	b = binary.AppendUvarint(b, uint64(l.offset))
	b = binary.AppendUvarint(b, uint64(len(l.names)))
	for _, n := range l.names {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return b
}

func (r *reader) key() (v uint64) {
	if len(r.s) < 8 {
		r.fail()
		return 0
	}
	for i := range 8 {
		v |= uint64(r.s[i]) << (8 * i)
	}
	r.s = r.s[8:]
	return v
}

// Load restores a row of state that Seal gave out. Rows of other kinds are left alone.
func (f *Fold) Load(row rollup.StateRow) error {
	if row.Kind != Kind && row.Kind != KindClock {
		return nil
	}
	if f.window == 0 { // corrections were folded once, and are not any more
		f.forgotten = append(f.forgotten, rollup.StateRow{Partition: row.Partition, Kind: row.Kind, Key: strings.Clone(row.Key), Deleted: true})
		return nil
	}
	r := reader{s: string(row.Value)}
	v := r.byte()
	newest := byte(stateFormat)
	if row.Kind == KindClock {
		newest = clockFormat
	}
	if v < 1 || v > newest {
		return fmt.Errorf("reading state of corrections: format %d of a row of kind %s is not known: start the version that wrote it", v, row.Kind)
	}
	topic, digits, _ := strings.Cut(row.Key, "\x00")
	g := f.graph(topic, row.Partition)
	if row.Kind == KindClock {
		g.begun, g.moved = true, v != clockFormat
		g.clock, g.since, g.window = r.varint(), r.varint(), r.varint()
	} else {
		key, err := strconv.ParseUint(digits, 16, 64)
		if err != nil {
			return fmt.Errorf("reading state of corrections: %w", err)
		}
		l := &link{key: key, inForce: r.byte() == 1, id: r.text(), clock: r.varint(), order: r.varint(), offset: int64(r.uvarint())}
		for range r.count() {
			l.names = append(l.names, r.key())
		}
		g.add(l)
		g.loaded = true
	}
	if r.bad || len(r.s) > 0 {
		return fmt.Errorf("reading state of corrections of %s:%d: %w", topic, row.Partition, errMalformed)
	}
	return nil
}

// state gives the rows that changed since the last Seal.
func (f *Fold) state() []rollup.StateRow {
	rows := f.forgotten
	f.forgotten = nil
	for _, g := range f.graphs {
		if g.moved {
			g.moved = false
			rows = append(rows, rollup.StateRow{Partition: g.partition, Kind: KindClock, Key: g.topic, Value: g.value()})
		}
		at := len(rows)
		for key, l := range g.changed {
			row := rollup.StateRow{Partition: g.partition, Kind: Kind, Key: fmt.Sprintf("%s\x00%016x", g.topic, key), Deleted: l == nil}
			if l != nil {
				row.Value = l.value()
			}
			rows = append(rows, row)
		}
		clear(g.changed)
		slices.SortFunc(rows[at:], func(a, b rollup.StateRow) int { return strings.Compare(a.Key, b.Key) })
	}
	return rows
}
