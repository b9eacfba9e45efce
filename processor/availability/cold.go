package availability

import (
	"encoding/binary"
	"slices"

	"github.com/tillstream/tillstream/processor/rollup"
)

// Of the two days of evidence that a terminal keeps, the last hour or two are read and written all the time, the others once when they go, or when something
// comes late. Those lie before the hot snapshot; they are packed, and kept in one piece of memory, since fifty slices a terminal would take a quarter more:
// for each chunk how many hours it is after the one before (varint; the first: after 1970), its length (uvarint) and its bytes. Like a chunk's bytes it is
// never changed, only replaced.
type cold struct {
	chunks []byte
	until  int64 // no chunk in it begins at or after this
}

// all gives the chunks in order.
func (c *cold) all(yield func(chunk) bool) {
	b, start := c.chunks, int64(0)
	for len(b) > 0 {
		step, n := binary.Varint(b)
		size, m := binary.Uvarint(b[n:])
		b = b[n+m:]
		start += step * hourMilli
		if !yield(chunk{start, b[:size:size]}) {
			return
		}
		b = b[size:]
	}
}

// thaw moves the cold chunks to the others, if the batch changes one, or the oldest is not needed any more.
func (f *Fold) thaw(t *terminal, skewed bool) {
	oldest := Open
	for c := range t.cold.all {
		oldest = c.start
		break
	}
	if oldest == Open || oldest >= t.base.first(skewed) && (len(f.scratch.fresh) == 0 || f.scratch.fresh[0] >= t.cold.until) {
		return
	}
	f.thawAll(t)
}

func (f *Fold) thawAll(t *terminal) {
	var chunks []chunk
	for c := range t.cold.all {
		chunks = append(chunks, c)
	}
	t.chunks, t.cold = append(chunks, t.chunks...), cold{}
}

// freeze makes the chunks before the hot snapshot cold, and, unless they were just loaded, packs those that are not and gives them out. So which chunks of the
// state are packed depends on the evidence, not on the batches.
func (f *Fold) freeze(t *terminal, loaded bool) {
	hot := t.hot.first(t.skewed)
	if len(t.chunks) == 0 || t.chunks[0].start >= hot {
		return
	}
	s := &f.scratch
	n, end := 0, int64(0) // the hour of the last cold chunk
	for c := range t.cold.all {
		end = c.start
	}
	s.encoded = append(s.encoded[:0], t.cold.chunks...)
	for ; n < len(t.chunks) && t.chunks[n].start < hot; n++ {
		c := t.chunks[n]
		if !loaded && len(c.data) >= worthPacking && c.data[0] != 0 {
			s.held, _ = readChunk(s.held[:0], c.start, c.data, f.texts)
			if packed := s.pack(c.start, s.held, len(c.data)); packed != nil {
				c.data = packed
				f.giveOut(rollup.StateRow{Partition: t.partition, Kind: KindEvidence, Key: chunkKey(t.key, c.start), Value: packed})
			}
		}
		s.encoded = binary.AppendVarint(s.encoded, (c.start-end)/hourMilli)
		s.encoded = append(binary.AppendUvarint(s.encoded, uint64(len(c.data))), c.data...)
		end = c.start
	}
	t.cold = cold{slices.Clone(s.encoded), end + hourMilli}
	t.chunks = slices.Clone(t.chunks[n:])
}

// giveOut adds a row of the terminal that is being sealed to the state, in the place of one with its key.
func (f *Fold) giveOut(row rollup.StateRow) {
	for i := len(f.state) - 1; i >= 0 && f.state[i].Kind != KindTerminal; i-- {
		if f.state[i].Kind == row.Kind && f.state[i].Key == row.Key {
			f.state[i] = row
			return
		}
	}
	f.state = append(f.state, row)
}

// worthPacking is how many bytes a chunk has at least that is packed.
const worthPacking = 32
