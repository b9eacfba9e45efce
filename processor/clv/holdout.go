package clv

import (
	"math"
	"slices"
)

// Later is a history, and what those who have it bought after it.
type Later struct {
	Pattern
	Came    float64 // purchases of all of them
	Squares float64 // the squares of each one's, summed
}

// Check is how well a model foresaw a time that it was not fitted on.
type Check struct {
	Customers, Expected, Actual float64
	RMSE                        float64 // root of the mean squared error, a customer
	Naive                       float64 // the same of saying that everybody goes on buying at the rate of x in T
	Groups                      []Group // by X, the last one open
}

// Group are the customers of one frequency, and the means of what they were expected to buy and bought.
type Group struct{ X, Customers, Expected, Actual float64 }

const groups = 8 // 0 to 6, and 7 and more

// Check compares the model with the time after the histories.
func (m BGNBD) Check(after float64, data []Later) Check {
	c := Check{Groups: make([]Group, groups)}
	for i := range c.Groups {
		c.Groups[i].X = float64(i)
	}
	for _, d := range data {
		e, naive := m.Purchases(after, d.X, d.Tx, d.T), 0.0
		if d.T > 0 {
			naive = d.X / d.T * after
		}
		c.Customers += d.N
		c.Expected += d.N * e
		c.Actual += d.Came
		c.RMSE += d.Squares - 2*e*d.Came + d.N*e*e
		c.Naive += d.Squares - 2*naive*d.Came + d.N*naive*naive
		g := &c.Groups[int(min(d.X, groups-1))]
		g.Customers += d.N
		g.Expected += d.N * e
		g.Actual += d.Came
	}
	c.RMSE, c.Naive = math.Sqrt(c.RMSE/c.Customers), math.Sqrt(c.Naive/c.Customers)
	c.Groups = slices.DeleteFunc(c.Groups, func(g Group) bool { return g.Customers == 0 })
	for i := range c.Groups {
		g := &c.Groups[i]
		g.Expected /= g.Customers
		g.Actual /= g.Customers
	}
	return c
}

// Correlation is Pearson's, of how often customers bought and what they spent a purchase. The models take it to be 0.
func Correlation(data []Spend) float64 {
	var n, x, m float64
	for _, d := range data {
		n += d.N
		x += d.N * d.X
		m += d.N * d.M
	}
	x, m = x/n, m/n
	var xx, mm, xm float64
	for _, d := range data {
		xx += d.N * (d.X - x) * (d.X - x)
		mm += d.N * (d.M - m) * (d.M - m)
		xm += d.N * (d.X - x) * (d.M - m)
	}
	if xx == 0 || mm == 0 {
		return 0
	}
	return xm / math.Sqrt(xx*mm)
}
