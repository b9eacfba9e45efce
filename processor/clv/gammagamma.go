package clv

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/mathext"
)

// Spend is what customers spent a purchase after the first, on average, and how many customers there are of it.
type Spend struct {
	X float64 // purchases after the first, > 0
	M float64 // mean of them, in major units of one currency, > 0
	N float64 // customers
}

// GammaGamma is the gamma-gamma model. P and Q are plain numbers, Gamma is an amount.
type GammaGamma struct{ P, Q, Gamma float64 }

// LogLikelihood is the logarithm of equation (1a) of the note, summed over the customers.
func (m GammaGamma) LogLikelihood(data []Spend) float64 {
	sorted := slices.Clone(data)
	slices.SortFunc(sorted, func(a, b Spend) int { return cmp.Compare(a.X, b.X) })
	return m.likelihood(sorted, nil)
}

// likelihood wants the data in the order of X. It adds the derivatives by P, Q and Gamma to gradient, if there is one.
//
// f(m|x) = Γ(px+q)/(Γ(px)Γ(q)) γ^q m^(px-1) x^px / (γ+mx)^(px+q)
func (m GammaGamma) likelihood(data []Spend, gradient []float64) float64 {
	var sum, gp, gq, ggamma float64
	logGamma := math.Log(m.Gamma)
	logGammaQ, _ := math.Lgamma(m.Q)
	for i := 0; i < len(data); {
		x := data[i].X
		px := m.P * x
		own := logRising(px, m.Q) - logGammaQ + m.Q*logGamma + px*math.Log(x)
		var n, logs, denominators, over float64
		for ; i < len(data) && data[i].X == x; i++ {
			d := &data[i]
			logM, den := math.Log(d.M), math.Log(m.Gamma+d.M*x)
			n += d.N
			logs += d.N * logM
			denominators += d.N * den
			over += d.N / (m.Gamma + d.M*x)
		}
		sum += n*own + (px-1)*logs - (px+m.Q)*denominators
		if gradient == nil {
			continue
		}
		gp += x * (n*(mathext.Digamma(px+m.Q)-mathext.Digamma(px)+math.Log(x)) + logs - denominators)
		gq += n*(mathext.Digamma(px+m.Q)-mathext.Digamma(m.Q)+logGamma) - denominators
		ggamma += n*m.Q/m.Gamma - (px+m.Q)*over
	}
	if gradient != nil {
		gradient[0] += gp
		gradient[1] += gq
		gradient[2] += ggamma
	}
	return sum
}

// Mean is what a customer can be expected to spend a purchase, of whom x purchases of mean spend are known (equation 5 of the note): a mean of his own
// and that of all, the more his own the more he bought. Without a purchase it is that of all.
func (m GammaGamma) Mean(x, mean float64) float64 {
	if x <= 0 || mean <= 0 {
		return m.P * m.Gamma / (m.Q - 1)
	}
	return m.P * (m.Gamma + x*mean) / (m.P*x + m.Q - 1)
}
