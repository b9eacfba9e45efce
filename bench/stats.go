package main

import (
	"math"
	"slices"
)

// spread is the median of some figures, and the least and the most of them.
type spread struct{ median, least, most float64 }

// spreadOf is of at least one figure; of none all are NaN.
func spreadOf(v []float64) spread {
	if len(v) == 0 {
		return spread{math.NaN(), math.NaN(), math.NaN()}
	}
	v = slices.Sorted(slices.Values(v))
	return spread{(v[(len(v)-1)/2] + v[len(v)/2]) / 2, v[0], v[len(v)-1]}
}

// quantile is the smallest of the figures that a share q of them do not exceed (nearest rank).
func quantile(v []float64, q float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	v = slices.Sorted(slices.Values(v))
	return v[max(0, int(math.Ceil(q*float64(len(v))))-1)]
}
