package sla

import (
	"math/big"

	"github.com/tillstream/tillstream/processor/interval"
)

// Part is an objective in a composite that is judged by time.
type Part struct {
	*Time
	*State
}

// Together is the composite by the rule of OpenSLO's time slices, slice after slice from since on: a slice that is bad for one is bad for all, one of
// which nobody knows enough for one is unknown, unless it is bad for another; a slice in which nothing counts for anyone is none. With one
// part it is that objective in slices. slice is ms, positive.
func Together(parts []Part, since, slice int64) Slices {
	var counted, ahead, bad, unknown interval.Set
	for _, p := range parts {
		counted, ahead = counted.Union(p.Counted), ahead.Union(p.ahead)
		bad = bad.Union(p.Down.Intersect(p.Judged))
		unknown = unknown.Union(p.Judged.Subtract(p.Known)).Union(p.Doubt.Intersect(p.Judged))
	}
	var s Slices
	all, b := touched(counted, since, slice), touched(bad, since, slice)
	u := touched(unknown, since, slice).Subtract(b)
	s.Bad, s.Unknown = b.Length(), u.Length()
	s.Good = all.Length() - s.Bad - s.Unknown
	s.Ahead = touched(ahead, since, slice).Subtract(all).Length()
	return s
}

// touched is the numbers of the slices that a set has something of.
func touched(s interval.Set, since, slice int64) interval.Set {
	spans := make([]interval.Span, len(s))
	for i, x := range s {
		spans[i] = interval.Span{From: floorDiv(x.From-since, slice), To: floorDiv(x.To-1-since, slice) + 1}
	}
	return interval.Of(spans...)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// Weighted is a result with its weight in a composite.
type Weighted struct {
	Result
	Weight Share
}

// Mix is the composite by weighted mean of shares: Σ w·x / Σ w of the figures, the raw ones, the bounds and the coverage. Parts that are not
// applicable are left out. Every figure is cut to billionths, downwards, which changes no comparison with a target; target 0 promises nothing.
func Mix(parts []Weighted, target Share, running bool) Result {
	var r Result
	mean := func(of func(*Result) Ratio) Ratio {
		sum, weights := new(big.Rat), new(big.Rat)
		for i := range parts {
			p := &parts[i]
			if x := of(&p.Result); p.Verdict != NotApplicable && x.OK() {
				w := big.NewRat(int64(p.Weight), int64(One))
				sum.Add(sum, new(big.Rat).Mul(w, big.NewRat(x.Part, x.Of)))
				weights.Add(weights, w)
			}
		}
		if weights.Sign() <= 0 {
			return Ratio{}
		}
		sum.Quo(sum, weights).Mul(sum, big.NewRat(int64(One), 1))
		return Ratio{new(big.Int).Quo(sum.Num(), sum.Denom()).Int64(), int64(One)}
	}
	r.Actual = mean(func(r *Result) Ratio { return r.Actual })
	r.Raw = mean(func(r *Result) Ratio { return r.Raw })
	r.Low = mean(func(r *Result) Ratio { return r.Low })
	r.High = mean(func(r *Result) Ratio { return r.High })
	r.Coverage = mean(func(r *Result) Ratio { return r.Coverage })
	Gte.judge(&r, Ratio{int64(target), int64(One)}, running)
	return r
}
