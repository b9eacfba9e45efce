package clv

import "math"

// Horizon is how far ahead to look, and what money that comes later is worth today.
type Horizon struct {
	Ahead float64 // in the unit of the histories
	Step  float64 // purchases of a step count at its end; the last step may be shorter
	// Discount is by how much less an amount is worth one unit of time later: 1 of it is worth e^-Discount. Of a rate of d a year and days,
	// that is ln(1+d)/365.
	Discount float64
}

// Prediction is what to expect of one customer.
type Prediction struct {
	Purchases  float64 // within the horizon
	Discounted float64 // the same, each weighted with what an amount at its time is worth today; times mean spend it is the lifetime value
	Alive      float64 // the probability that he still is a customer
}

// Predict says what to expect of a customer with a history. The lifetime value is Discounted times [GammaGamma.Mean]: how often one buys
// and what one spends are independent in these models.
func (m BGNBD) Predict(h Horizon, x, tx, t float64) Prediction {
	p := Prediction{Alive: m.Alive(x, tx, t)}
	before := 0.0
	for at, i := 0.0, 1.0; at < h.Ahead; i++ {
		at = min(i*h.Step, h.Ahead)
		until := m.purchases(at, x, t)
		p.Discounted += (until - before) * math.Exp(-h.Discount*at)
		before = until
	}
	p.Purchases = before * p.Alive
	p.Discounted *= p.Alive
	return p
}
