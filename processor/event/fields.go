package event

import "math"

// Bounds of what is believed. A batch adds at most some millions of lines, so sums of what passes cannot overflow an int64.
const (
	maxAmount    = 1_000_000_000_000 // minor units: ten thousand million of most currencies
	maxQuantity  = 1_000_000_000_000 // thousandths
	maxLines     = 100_000
	maxID        = 128 // bytes
	maxCorrected = 100 // events that one corrects
)

// The methods below take one field of the meaning they are named for. null leaves it as it was.

func (s *scanner) amount(into *int64) bool {
	n, given, ok := s.whole(-maxAmount, maxAmount)
	if given {
		*into = n
	}
	return ok
}

func (s *scanner) optAmount(into *Opt[int64]) bool {
	n, given, ok := s.whole(-maxAmount, maxAmount)
	if given {
		*into = Some(n)
	}
	return ok
}

func (s *scanner) int64(into *int64) bool {
	n, given, ok := s.whole(math.MinInt64+1, math.MaxInt64)
	if given {
		*into = n
	}
	return ok
}

func (s *scanner) uint32(into *uint32) bool {
	n, given, ok := s.whole(0, math.MaxUint32)
	if given {
		*into = uint32(n)
	}
	return ok
}

func (s *scanner) optUint32(into *Opt[uint32], high int64) bool {
	n, given, ok := s.whole(0, high)
	if given {
		*into = Some(uint32(n))
	}
	return ok
}

func (s *scanner) optUint64(into *Opt[uint64]) bool {
	n, given, ok := s.whole(0, math.MaxInt64)
	if given {
		*into = Some(uint64(n))
	}
	return ok
}

func (s *scanner) optInt64(into *Opt[int64]) bool {
	n, given, ok := s.whole(-1e6, 1e6)
	if given {
		*into = Some(n)
	}
	return ok
}

func (s *scanner) optBool(into *Opt[bool]) bool {
	if s.null() {
		return true
	}
	into.OK = true
	return s.bool(&into.Value)
}

func (s *scanner) strings(into *[]string) bool {
	if s.null() {
		return true
	}
	*into = (*into)[:0]
	return s.array(func(int) bool {
		*into = append(*into, "")
		return s.string(&(*into)[len(*into)-1])
	})
}

// optArray takes an array, or null for none.
func (s *scanner) optArray(element func(i int) bool) bool { return s.null() || s.array(element) }

// grow lengthens a slice by one, keeping what its new element had, so that slices inside of it are used again.
func grow[T any](s []T) []T {
	if len(s) < cap(s) {
		return s[:len(s)+1]
	}
	var zero T
	return append(s, zero)
}
