package sequence

import (
	"bytes"
	"math/bits"

	"github.com/cespare/xxhash/v2"

	"github.com/tillstream/tillstream/processor/event"
)

const (
	remembered = 1024 // ids of a terminal that are told apart
	segment    = 64   // ids in one row of state: a batch rewrites what it changed, not all
	segments   = remembered/segment + 1
	ringSize   = segments * segment // a segment more, so that the open one overwrites nothing that counts
)

// ids are the hashes of a terminal's last ids.
type ids struct {
	seen   uint64   // how many came, ever: the next one lies at seen % ringSize
	sealed uint64   // seen at the last Seal
	ring   []uint64 // grows up to ringSize
	tags   []byte   // the low bytes of ring: searched ten times as fast
}

// hashID stands for an event without a number: an id is unique within its source. It is kept in the state, so it must never
// change.
func hashID(e *event.Event) uint64 {
	return xxhash.Sum64String(e.ID) ^ bits.RotateLeft64(xxhash.Sum64String(e.Source), 32)
}

// see takes an id; false if it is one of the last.
func (r *ids) see(hash uint64) bool {
	to := r.seen % ringSize
	if r.seen < ringSize {
		if r.holds(max(to, remembered)-remembered, to, hash) {
			return false
		}
		r.ring, r.tags = append(r.ring, 0), append(r.tags, 0)
	} else if from := (r.seen - remembered) % ringSize; from < to {
		if r.holds(from, to, hash) {
			return false
		}
	} else if r.holds(from, ringSize, hash) || r.holds(0, to, hash) {
		return false
	}
	r.ring[to], r.tags[to] = hash, byte(hash)
	r.seen++
	return true
}

// holds looks for a hash in a part of the ring.
func (r *ids) holds(from, to, hash uint64) bool {
	for {
		i := bytes.IndexByte(r.tags[from:to], byte(hash))
		if i < 0 {
			return false
		}
		from += uint64(i)
		if r.ring[from] == hash {
			return true
		}
		from++
	}
}

// changed are the first and the last segment with ids that came since the last Seal.
func (r *ids) changed() (first, last uint64) {
	last = (r.seen - 1) / segment
	first = r.sealed / segment
	if last-first >= segments {
		first = last - segments + 1
	}
	return first, last
}

// segment is the content of one segment, the n-th since the first id.
func (r *ids) segment(n uint64) []uint64 {
	end := min((n+1)*segment, r.seen)
	at := n * segment % ringSize
	return r.ring[at : at+end-n*segment]
}

// restore puts a segment back.
func (r *ids) restore(n uint64, hashes []uint64) {
	end := n*segment + uint64(len(hashes))
	r.seen = max(r.seen, end)
	r.sealed = r.seen
	if grow := int(min(r.seen, ringSize)) - len(r.ring); grow > 0 {
		r.ring = append(r.ring, make([]uint64, grow)...)
		r.tags = append(r.tags, make([]byte, grow)...)
	}
	at := n * segment % ringSize
	copy(r.ring[at:], hashes)
	for i, h := range hashes {
		r.tags[at+uint64(i)] = byte(h)
	}
}
