package sequence

import (
	"cmp"
	"slices"
)

// hole is a run of numbers that never came, both ends in it.
type hole struct {
	from, to uint64
	day      int32 // business date of the event that revealed it; the numbers are missing there
}

// tracker knows which numbers of one epoch came: those from low to high, but for the holes.
type tracker struct {
	low, high     uint64
	start, newest int64 // implicit epochs, ms: when it began, and the newest event time accepted
	gaps          *gaps // nil while no number was skipped
	number        uint32
	explicit      bool // it has the sender's number, not a start
}

// gaps are a tracker's holes. Most tills have none.
type gaps struct {
	holes []hole // in order; between two of them lies a number that came
	floor uint64 // holes below were forgotten; 0: none was
}

// holes are the tracker's holes, nil if it has none.
func (k *tracker) holes() []hole {
	if k.gaps == nil {
		return nil
	}
	return k.gaps.holes
}

// revealed is what a number told: that delta more are missing on day.
type revealed struct {
	day   int32
	delta int64
}

// see takes number n of an event of the given business date.
func (k *tracker) see(n uint64, day int32) (Verdict, revealed) {
	switch {
	case n > k.high:
		from := k.high + 1
		k.high = n
		return Fresh, k.skip(from, n, day)
	case n < k.low:
		end := k.low
		k.low = n
		return Fresh, k.skip(n+1, end, day)
	case k.gaps == nil:
		return Duplicate, revealed{}
	}
	holes := k.gaps.holes
	i, _ := slices.BinarySearchFunc(holes, n, func(h hole, n uint64) int { return cmp.Compare(h.to, n) })
	if i == len(holes) || n < holes[i].from {
		if n < k.gaps.floor {
			return Forgotten, revealed{}
		}
		return Duplicate, revealed{}
	}
	h := holes[i]
	switch {
	case h.from == h.to:
		k.gaps.holes = slices.Delete(holes, i, i+1)
	case n == h.from:
		holes[i].from++
	case n == h.to:
		holes[i].to--
	default:
		holes[i].to = n - 1
		k.gaps.holes = slices.Insert(holes, i+1, hole{n + 1, h.to, h.day})
	}
	return Fresh, revealed{h.day, -1}
}

// maxMissing bounds what one event adds to the missing numbers. No till loses four billion receipts, and a broken counter that
// jumps over the whole range must not overflow a sum.
const maxMissing = 1 << 32

// skip makes a hole of the numbers from from to before end, all below or all above what was known.
func (k *tracker) skip(from, end uint64, day int32) revealed {
	if from == end {
		return revealed{}
	}
	if k.gaps == nil {
		k.gaps = &gaps{}
	}
	at := 0
	if n := len(k.gaps.holes); n > 0 && k.gaps.holes[n-1].to < from {
		at = n
	}
	k.gaps.holes = slices.Insert(k.gaps.holes, at, hole{from, end - 1, day})
	return revealed{day, int64(min(end-from, maxMissing))}
}

// forget drops the lowest hole and says how many numbers were in it.
func (k *tracker) forget() uint64 {
	h := k.gaps.holes[0]
	k.gaps.holes = slices.Delete(k.gaps.holes, 0, 1)
	k.gaps.floor = max(k.gaps.floor, h.to+1)
	return h.to - h.from + 1
}
