package clv

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Gradients are what differences of the likelihood say, at any parameters and data.
func TestGradients(t *testing.T) {
	same := func(t *rapid.T, p []float64, likelihood func(p, gradient []float64) float64) {
		gradient := make([]float64, len(p))
		likelihood(p, gradient)
		for i := range p {
			up, down := slices.Clone(p), slices.Clone(p)
			h := 1e-5 * p[i]
			up[i] += h
			down[i] -= h
			a, b := likelihood(up, nil), likelihood(down, nil)
			if got, want := gradient[i], (a-b)/(2*h); math.Abs(got-want) > 1e-4*math.Abs(want)+1e-9*(math.Abs(a)+1)/h {
				t.Fatalf("derivative %d at %v is %v, by differences %v", i, p, got, want)
			}
		}
	}
	log := rapid.Float64Range(-4, 4)
	parameters := func(t *rapid.T, n int) []float64 {
		p := make([]float64, n)
		for i := range p {
			p[i] = math.Exp(log.Draw(t, "log"))
		}
		return p
	}
	rapid.Check(t, func(t *rapid.T) {
		var patterns []Pattern
		var spends []Spend
		for range rapid.IntRange(1, 4).Draw(t, "rows") {
			x := float64(rapid.IntRange(0, 50).Draw(t, "x"))
			T := rapid.Float64Range(0, 700).Draw(t, "T")
			tx := 0.0
			if x > 0 {
				tx = T * rapid.Float64Range(0, 1).Draw(t, "share")
				spends = append(spends, Spend{x, math.Exp(log.Draw(t, "m")), 2})
			}
			patterns = append(patterns, Pattern{x, tx, T, float64(rapid.IntRange(1, 9).Draw(t, "n"))})
		}
		patterns = byFrequency(patterns)
		same(t, parameters(t, 4), func(p, g []float64) float64 { return BGNBD{p[0], p[1], p[2], p[3]}.likelihood(patterns, g) })
		if len(spends) > 0 {
			slices.SortFunc(spends, func(a, b Spend) int { return int(a.X - b.X) })
			same(t, parameters(t, 3), func(p, g []float64) float64 { return GammaGamma{p[0], p[1], p[2]}.likelihood(spends, g) })
		}
	})
}

// person is a simulated customer.
type person struct {
	Pattern
	m     float64 // mean of the repeat purchases
	ahead float64 // purchases in the time ahead
	lives bool    // still, when the time ahead begins
}

// people makes customers as the models assume them, who came in the time until a day.
func people(rnd *rand.Rand, n int, m BGNBD, g GammaGamma, until, ahead float64) []person {
	gamma := func(shape float64) float64 { // Marsaglia and Tsang
		boost := 1.0
		if shape < 1 {
			boost = math.Pow(rnd.Float64(), 1/shape)
			shape++
		}
		d := shape - 1.0/3
		for c := 1 / math.Sqrt(9*d); ; {
			z := rnd.NormFloat64()
			if v := math.Pow(1+c*z, 3); v > 0 && math.Log(rnd.Float64()) < z*z/2+d-d*v+d*math.Log(v) {
				return boost * d * v
			}
		}
	}
	out := make([]person, n)
	for i := range out {
		p := &out[i]
		p.N, p.T, p.lives = 1, until*(0.3+0.7*rnd.Float64()), true
		rate, a, b := gamma(m.R)/m.Alpha, gamma(m.A), gamma(m.B)
		leaves, nu, sum := a/(a+b), gamma(g.Q)/g.Gamma, 0.0
		for at := 0.0; p.lives; {
			at += rnd.ExpFloat64() / rate
			if at > p.T+ahead {
				break
			}
			if at > p.T {
				p.ahead++
			} else {
				p.X++
				p.Tx = at
				sum += gamma(g.P) / nu
			}
			left := rnd.Float64() < leaves
			if left && at <= p.T {
				p.lives = false
			}
			if left {
				break
			}
		}
		if p.X > 0 {
			p.m = sum / p.X
		}
	}
	return out
}

// Fits find the parameters that data were made with, and predict what comes.
func TestRecovery(t *testing.T) {
	truth, spendTruth := BGNBD{0.8, 60, 0.6, 3}, GammaGamma{4, 5, 60}
	all := people(rand.New(rand.NewPCG(1, 2)), 20_000, truth, spendTruth, 540, 180)
	var patterns []Pattern
	var spends []Spend
	for _, p := range all {
		patterns = append(patterns, p.Pattern)
		if p.X > 0 {
			spends = append(spends, Spend{p.X, p.m, 1})
		}
	}
	m, fit, err := FitBGNBD(patterns, Options{})
	if err != nil {
		t.Fatal(err)
	}
	g, gfit, err := FitGammaGamma(spends, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{truth.R, truth.Alpha, truth.A, truth.B, spendTruth.P, spendTruth.Q, spendTruth.Gamma} {
		p := append(slices.Clone(fit.Parameters), gfit.Parameters...)[i]
		if math.Abs(p.Value-want) > 4*p.StdError || p.StdError > 0.2*want {
			t.Errorf("%s is %v ± %v, and was %v", p.Name, p.Value, p.StdError, want)
		}
	}
	var expected, came, squares, alive, live, money, spent float64
	for _, p := range all {
		e := m.Purchases(180, p.X, p.Tx, p.T)
		expected += e
		came += p.ahead
		squares += (p.ahead - e) * (p.ahead - e)
		alive += m.Alive(p.X, p.Tx, p.T)
		if p.lives {
			live++
		}
		if p.X > 0 {
			money += g.Mean(p.X, p.m)
			spent += p.m
		}
	}
	if math.Abs(expected-came) > 4*math.Sqrt(squares) {
		t.Errorf("%v purchases were expected, %v came, give or take %v", expected, came, math.Sqrt(squares))
	}
	if math.Abs(alive-live) > 0.02*live {
		t.Errorf("%v were expected to be alive, %v are", alive, live)
	}
	if math.Abs(money-spent) > 0.01*spent {
		t.Errorf("%v a purchase was expected, %v was spent", money, spent)
	}
	grouped := slices.Clone(patterns) // each twice, in another order, is the same fit
	grouped = append(grouped, grouped...)
	rand.New(rand.NewPCG(3, 4)).Shuffle(len(grouped), func(i, j int) { grouped[i], grouped[j] = grouped[j], grouped[i] })
	twice, _, err := FitBGNBD(grouped, Options{})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "r of the same data twice", twice.R, m.R, 1e-6)
	near(t, "b of the same data twice", twice.B, m.B, 1e-6)
}

// Units do not matter: hours give the same model as weeks, cents as euros, penalty or not.
func TestUnits(t *testing.T) {
	_, patterns, spends := readCDNOW(t)
	hours, cents := slices.Clone(patterns), slices.Clone(spends)
	for i := range hours {
		hours[i].Tx *= 168
		hours[i].T *= 168
	}
	for i := range cents {
		cents[i].M *= 100
	}
	for _, o := range []Options{{}, {Penalty: 0.001}} {
		a, _, err1 := FitBGNBD(patterns, o)
		b, _, err2 := FitBGNBD(hours, o)
		c, _, err3 := FitGammaGamma(spends, o)
		d, fit, err4 := FitGammaGamma(cents, o)
		if err := errors.Join(err1, err2, err3, err4); err != nil {
			t.Fatal(err)
		}
		near(t, "r", b.R, a.R, 1e-6)
		near(t, "alpha", b.Alpha, 168*a.Alpha, 1e-6)
		near(t, "gamma", d.Gamma, 100*c.Gamma, 1e-6)
		near(t, "q", d.Q, c.Q, 1e-6)
		if fit.Penalty != o.Penalty {
			t.Errorf("%+v", fit)
		}
	}
}

func TestUnfit(t *testing.T) {
	many := func(p Pattern) []Pattern { return []Pattern{p, {0, 0, 100, 500}} }
	for _, c := range []struct {
		data []Pattern
		says string
	}{
		{nil, "there are 0 customers, and it takes 100"},
		{[]Pattern{{3, 10, 20, 50}, {1, 10, 20, 49}}, "there are 99 customers"},
		{many(Pattern{1, 10, 100, 19}), "19 of 519 customers bought on a second day"},
		{[]Pattern{{0, 0, 100, 1e6}}, "0 of 1000000 customers bought on a second day"},
		{[]Pattern{{2, 0, 0, 50}, {1, 0, 0, 60}}, "all customers bought on the last day only"},
		{[]Pattern{{2, 30, 90, 500}}, "nothing tells them apart"},
		// nobody leaves: each bought on the last day too
		{[]Pattern{{10, 100, 100, 200}, {20, 100, 100, 300}, {40, 100, 100, 100}}, "rises without end as a goes to 0"},
		{[]Pattern{{1, 30, 20, 500}}, "is no history"},
		{[]Pattern{{0, 3, 20, 500}}, "is no history"},
		{[]Pattern{{1, math.NaN(), 20, 500}}, "is no history"},
		{[]Pattern{{1, 3, math.Inf(1), 500}}, "is no history"},
	} {
		if _, fit, err := FitBGNBD(c.data, Options{}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v: %v, %+v", c.data, err, fit)
		}
	}
	var heavy []Spend
	for _, p := range people(rand.New(rand.NewPCG(1, 2)), 4000, BGNBD{0.8, 60, 0.6, 3}, GammaGamma{4, 0.7, 60}, 540, 0) {
		if p.X > 0 {
			heavy = append(heavy, Spend{p.X, p.m, 1})
		}
	}
	for _, c := range []struct {
		data []Spend
		says string
	}{
		{nil, "0 customers bought on a second day for more than 0"},
		{[]Spend{{1, 5, 300}, {4, 5, 100}}, "all customers spend the same, 5 a purchase"},
		{[]Spend{{1, 5, 300}, {4, -5, 100}}, "no spend"},
		{heavy, "the mean of all customers is infinite"},
	} {
		if _, fit, err := FitGammaGamma(c.data, Options{}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v, %+v; want %s", err, fit, c.says)
		}
	}
	if _, _, err := FitBGNBD([]Pattern{{1, 10, 20, 150}, {0, 0, 20, 300}}, Options{Penalty: -1}); err == nil || !strings.Contains(err.Error(), "penalty") {
		t.Error(err)
	}
	// what has no maximum may have one with a penalty
	equal := []Spend{{1, 4.9, 300}, {4, 5, 100}, {9, 5.1, 100}}
	if _, _, err := FitGammaGamma(equal, Options{}); err == nil || !strings.Contains(err.Error(), "give a penalty") {
		t.Error(err)
	}
	if _, _, err := FitGammaGamma(equal, Options{Penalty: 0.001}); err != nil {
		t.Error(err)
	}
}

// Whatever the history, predictions are numbers in their bounds, and grow with the horizon.
func TestPredictionsAreSane(t *testing.T) {
	log := rapid.Float64Range(-6, 6)
	rapid.Check(t, func(t *rapid.T) {
		m := BGNBD{math.Exp(log.Draw(t, "r")), math.Exp(rapid.Float64Range(-1, 6).Draw(t, "alpha")), math.Exp(log.Draw(t, "a")), math.Exp(log.Draw(t, "b"))}
		T := rapid.Float64Range(0, 3650).Draw(t, "T")
		x := float64(rapid.IntRange(0, 1+int(T)).Draw(t, "x"))
		tx := 0.0
		if x > 0 {
			tx = T * rapid.Float64Range(0, 1).Draw(t, "share")
		}
		h := Horizon{Ahead: rapid.Float64Range(0, 800).Draw(t, "ahead"), Step: 200, Discount: 0.0003}
		p := m.Predict(h, x, tx, T)
		if !(p.Alive >= 0 && p.Alive <= 1 && p.Purchases >= 0 && p.Discounted >= 0 && p.Discounted <= p.Purchases*(1+1e-9)) {
			t.Fatalf("%+v", p)
		}
		if most := (m.R + x) / (m.Alpha + T) * h.Ahead; p.Purchases > most*(1+1e-9) { // of who never leaves
			t.Fatalf("%v purchases, at most %v", p.Purchases, most)
		}
		longer := h
		longer.Ahead *= 1.5
		if q := m.Predict(longer, x, tx, T); q.Purchases < p.Purchases*(1-1e-9) {
			t.Fatalf("%v purchases in %v, %v in %v", p.Purchases, h.Ahead, q.Purchases, longer.Ahead)
		}
	})
}
