package sequence

// tracker knows which numbers of one epoch came: those from low to high, but for the holes.
type tracker struct {
	low, high     uint64
	start, newest int64 // implicit epochs, ms: when it began, and the newest event time accepted
	gaps          *gaps // nil while no number was skipped
	number        uint32
	explicit      bool // it has the sender's number, not a start
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
		return Fresh, k.skip(from, n, day, true)
	case n < k.low:
		end := k.low
		k.low = n
		return Fresh, k.skip(n+1, end, day, false)
	case k.gaps == nil:
		return Duplicate, revealed{}
	}
	if where, ok := k.gaps.take(n); ok {
		return Fresh, revealed{where, -1}
	}
	if n < k.gaps.floor {
		return Forgotten, revealed{}
	}
	return Duplicate, revealed{}
}

// maxMissing bounds what one event adds to the missing numbers. No till loses four billion receipts, and a broken counter that
// jumps over the whole range must not overflow a sum.
const maxMissing = 1 << 32

// skip makes a hole of the numbers from from to before end, all above what was known or all below.
func (k *tracker) skip(from, end uint64, day int32, above bool) revealed {
	if from == end {
		return revealed{}
	}
	if k.gaps == nil {
		k.gaps = &gaps{}
	}
	if h := (hole{from, end - 1, day}); above {
		k.gaps.holes = append(k.gaps.holes, h)
	} else {
		k.gaps.below(h)
	}
	return revealed{day, int64(min(end-from, maxMissing))}
}
