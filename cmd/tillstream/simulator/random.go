package simulator

import (
	"math"
	"math/rand/v2"
)

const (
	second = int64(1000)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// random is a seeded stream.
type random struct{ *rand.Rand }

func newRandom(seed, stream uint64) random {
	return random{rand.New(rand.NewPCG(seed, mix(stream)))}
}

// mix is the finalizer of SplitMix64: neighbouring numbers become unlike ones.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// chance is true with probability p.
func (r random) chance(p float64) bool { return r.Float64() < p }

// between is uniform in [a, b).
func (r random) between(a, b int64) int64 {
	if b <= a {
		return a
	}
	return a + r.Int64N(b-a)
}

// logNormal has the given median; sigma is the standard deviation of its logarithm.
func (r random) logNormal(median, sigma float64) float64 {
	return median * math.Exp(sigma*r.NormFloat64())
}

// exponential has the given mean.
func (r random) exponential(mean float64) int64 { return int64(r.ExpFloat64() * mean) }

// alias draws indices with given weights in constant time (A. J. Walker 1977, in M. D. Vose's form).
type alias struct {
	keep  []float64 // probability to stay
	other []int32
}

func newAlias(weights []float64) alias {
	n := len(weights)
	a := alias{make([]float64, n), make([]int32, n)}
	var sum float64
	for _, w := range weights {
		sum += w
	}
	var small, large []int32
	for i, w := range weights {
		a.keep[i], a.other[i] = w*float64(n)/sum, int32(i)
		if a.keep[i] < 1 {
			small = append(small, int32(i))
		} else {
			large = append(large, int32(i))
		}
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		a.other[s] = l
		a.keep[l] -= 1 - a.keep[s]
		if a.keep[l] < 1 {
			large = large[:len(large)-1]
			small = append(small, l)
		}
	}
	for _, i := range append(small, large...) { // what rounding left over
		a.keep[i] = 1
	}
	return a
}

func (a *alias) draw(r random) int {
	x := r.Float64() * float64(len(a.keep))
	i := int(x)
	if x-float64(i) < a.keep[i] {
		return i
	}
	return int(a.other[i])
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
