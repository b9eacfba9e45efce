package sla

import (
	"cmp"
	"math/bits"
)

// Share is a part of one in billionths: targets and parts of an amount. 0.995 is 995,000,000.
type Share int64

// One is all of it.
const One Share = 1_000_000_000

// Ratio is the exact quotient of two whole numbers, neither negative. With Of 0 there is no value.
type Ratio struct{ Part, Of int64 }

// OK says whether there is a value.
func (r Ratio) OK() bool { return r.Of > 0 }

// Float is for showing; 0 where there is no value.
func (r Ratio) Float() float64 {
	if r.Of <= 0 {
		return 0
	}
	return float64(r.Part) / float64(r.Of)
}

// Compare is the sign of r - s, exactly. r must have a value; s must not be negative.
func (r Ratio) Compare(s Share) int {
	return products(r.Part, int64(One), int64(s), r.Of)
}

// Cmp is the sign of r - o, exactly. Both must have a value.
func (r Ratio) Cmp(o Ratio) int { return products(r.Part, o.Of, o.Part, r.Of) }

// products is the sign of a·b - c·d, of numbers that are not negative.
func products(a, b, c, d int64) int {
	h1, l1 := bits.Mul64(uint64(a), uint64(b))
	h2, l2 := bits.Mul64(uint64(c), uint64(d))
	return cmp.Or(cmp.Compare(h1, h2), cmp.Compare(l1, l2))
}
