package clv

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/mathext"
)

// Pattern is a history and how many customers have it. Times are in one unit, days as a rule.
type Pattern struct {
	X     float64 // purchases after the first
	Tx, T float64 // from the first purchase to the last, and to the date as of which this is; 0 <= Tx <= T
	N     float64 // customers
}

// BGNBD is the BG/NBD model. R, A and B are plain numbers, Alpha is a time.
type BGNBD struct{ R, Alpha, A, B float64 }

// LogLikelihood is the logarithm of equation (6) of the paper, summed over the customers.
func (m BGNBD) LogLikelihood(data []Pattern) float64 {
	return m.likelihood(byFrequency(data), nil)
}

func byFrequency(data []Pattern) []Pattern {
	sorted := slices.Clone(data)
	slices.SortFunc(sorted, func(a, b Pattern) int { return cmp.Compare(a.X, b.X) })
	return sorted
}

// likelihood wants patterns in the order of X, so that what depends on X alone is computed once. It adds the derivatives by R, Alpha, A and
// B to gradient, if there is one.
//
// L = Γ(r+x)/Γ(r) α^r · B(a,b+x)/B(a,b) · [ (α+T)^-(r+x) + a/(b+x-1) (α+tx)^-(r+x) if x > 0 ]; the bracket is a sum of two powers that underflow, so
// their logarithms are added.
func (m BGNBD) likelihood(data []Pattern, gradient []float64) float64 {
	var sum, gr, galpha, ga, gb float64
	logAlpha := math.Log(m.Alpha)
	for i := 0; i < len(data); {
		x := data[i].X
		own := logRising(m.R, x) + m.R*logAlpha + logRising(m.B, x) - logRising(m.A+m.B, x)
		left := math.Log(m.A) - math.Log(m.B+x-1) // who has not bought again cannot have left
		var n, n4, by3, by4, overT, overTx float64
		for ; i < len(data) && data[i].X == x; i++ {
			d := &data[i]
			logT := math.Log(m.Alpha + d.T)
			l3, w4, logTx := -(m.R+x)*logT, 0.0, 0.0
			bracket := l3
			if x > 0 {
				logTx = math.Log(m.Alpha + d.Tx)
				l4 := left - (m.R+x)*logTx
				small := math.Exp(-math.Abs(l3 - l4))
				bracket = max(l3, l4) + math.Log1p(small)
				if w4 = small / (1 + small); l4 > l3 {
					w4 = 1 - w4
				}
			}
			sum += d.N * (own + bracket)
			if gradient == nil {
				continue
			}
			w3 := 1 - w4
			n += d.N
			n4 += d.N * w4
			by3 += d.N * w3 * logT
			by4 += d.N * w4 * logTx
			overT += d.N * w3 / (m.Alpha + d.T)
			overTx += d.N * w4 / (m.Alpha + d.Tx)
		}
		if gradient == nil {
			continue
		}
		gr += n*(digammaRising(m.R, x)+logAlpha) - by3 - by4
		galpha += n*m.R/m.Alpha - (m.R+x)*(overT+overTx)
		together := digammaRising(m.A+m.B, x)
		ga += n4/m.A - n*together
		gb += n * (digammaRising(m.B, x) - together)
		if x > 0 {
			gb -= n4 / (m.B + x - 1)
		}
	}
	if gradient != nil {
		gradient[0] += gr
		gradient[1] += galpha
		gradient[2] += ga
		gradient[3] += gb
	}
	return sum
}

// Alive is the probability that a customer has not left (Fader, Hardie, Lee 2008, Computing P(alive) Using the BG/NBD Model). It is 1 for who never
// bought again: in this model one leaves after a purchase, and the first one does not count.
func (m BGNBD) Alive(x, tx, t float64) float64 {
	if x <= 0 {
		return 1
	}
	logOdds := math.Log(m.A/(m.B+x-1)) + (m.R+x)*math.Log((m.Alpha+t)/(m.Alpha+tx))
	return 1 / (1 + math.Exp(logOdds))
}

// Purchases is the number of purchases to expect of a customer in the time ahead (equation 10 of the paper; of a new one, with 0, 0, 0, it
// is equation 9).
func (m BGNBD) Purchases(ahead, x, tx, t float64) float64 {
	return m.Alive(x, tx, t) * m.purchases(ahead, x, t)
}

// maxTerms bounds the sum. It takes as many as the purchases to expect of who stays for ever, and -36/ln z more: a million last for a horizon of
// 28,000 times α+T. What is cut off beyond them is missing.
const maxTerms = 1_000_000

// purchases is that of a customer who is alive, ΣP(N=n)·C(n), where C(n) is the sum of the first n chances to stay; see the package's documentation.
// P(N=n) follows from P(N=n-1) but for a factor that their sum, which is 1, tells.
func (m BGNBD) purchases(ahead, x, t float64) float64 {
	if ahead <= 0 {
		return 0
	}
	s, z, b := m.R+x, ahead/(m.Alpha+t+ahead), m.B+x
	n, chance, chances, p := 0.0, 1.0, 0.0, 1.0
	mean := s * ahead / (m.Alpha + t)
	if mean > 100 {
		p = 1e-290 // their sum may be e^mean
	}
	// Who buys often will not buy less than he does by 12 standard deviations.
	for first := min(mean-12*math.Sqrt(mean/(1-z)), maxTerms); n < first; n++ {
		chances += chance
		chance *= (b + n) / (m.A + b + n)
	}
	total, sum := p, p*chances
	for range maxTerms {
		p *= (s + n) / (n + 1) * z
		chances += chance
		chance *= (b + n) / (m.A + b + n)
		n++
		total += p
		sum += p * chances
		// From here P(N=n) falls by q or faster, and C(n) grows by no more than chance.
		if q := max((s+n)/(n+1)*z, z); q < 1 && p*(chances+chance/(1-q))*q/(1-q) < 1e-17*sum {
			break
		}
	}
	return sum / total
}

// logRising is ln Γ(a+n) - ln Γ(a).
func logRising(a, n float64) float64 {
	if n == 0 {
		return 0
	}
	top, _ := math.Lgamma(a + n)
	bottom, _ := math.Lgamma(a)
	return top - bottom
}

// digammaRising is the derivative of logRising by a.
func digammaRising(a, n float64) float64 {
	if n == 0 {
		return 0
	}
	return mathext.Digamma(a+n) - mathext.Digamma(a)
}
