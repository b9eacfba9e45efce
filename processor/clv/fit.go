package clv

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/optimize"
)

// Options are how to fit.
type Options struct {
	// Penalty is added to the mean negative log-likelihood, times the sum of the squares of the parameters, with time in the longest history
	// and money in the mean of all. It keeps parameters of few data from running away; 0 is maximum likelihood.
	Penalty float64
}

// Fit is how a model was fitted.
type Fit struct {
	Model         string
	Parameters    []Parameter
	LogLikelihood float64 // at the parameters, without penalty
	Penalty       float64
	Customers     float64 // that the likelihood is of
	Rows          int     // distinct histories
	Iterations    int
	Evaluations   int     // of likelihood and gradient
	Gradient      float64 // largest derivative of the mean that is minimised, by the logarithm of a parameter
}

// Parameter is one that was estimated.
type Parameter struct {
	Name     string
	Value    float64
	StdError float64 // from the curvature of the likelihood (observed information)
}

// Unfit is data that cannot carry a model.
type Unfit struct{ Model, Why string }

func (e *Unfit) Error() string { return e.Model + " cannot be fitted: " + e.Why }

// What a fit needs at least. Below that the standard errors are as large as what they belong to.
const (
	leastCustomers = 100
	leastRepeaters = 20
)

const (
	modelBGNBD      = "bg_nbd"
	modelGammaGamma = "gamma_gamma"
)

// FitBGNBD fits the model of purchases. The error is an *Unfit if these data cannot carry it.
func FitBGNBD(data []Pattern, opts Options) (BGNBD, *Fit, error) {
	sorted := byFrequency(data)
	var customers, repeaters, longest, times, purchases float64
	frequencies := map[float64]bool{}
	for _, d := range sorted {
		if !(d.X >= 0 && d.Tx >= 0 && d.Tx <= d.T && d.N > 0) || math.IsInf(d.X+d.T+d.N, 0) || d.X == 0 && d.Tx != 0 {
			return BGNBD{}, nil, fmt.Errorf("x = %v, t_x = %v, T = %v of %v customers is no history: 0 <= t_x <= T must hold, and t_x = 0 where x = 0", d.X, d.Tx, d.T, d.N)
		}
		customers += d.N
		longest = max(longest, d.T)
		times += d.N * d.T
		purchases += d.N * d.X
		if d.X > 0 {
			repeaters += d.N
			frequencies[d.X] = true
		}
	}
	unfit := func(format string, args ...any) (BGNBD, *Fit, error) {
		return BGNBD{}, nil, &Unfit{modelBGNBD, fmt.Sprintf(format, args...)}
	}
	switch {
	case customers < leastCustomers:
		return unfit("there are %.0f customers, and it takes %d; take a longer time, or more stores", customers, leastCustomers)
	case repeaters < leastRepeaters:
		return unfit("%.0f of %.0f customers bought on a second day, and it takes %d; take a longer time", repeaters, customers, leastRepeaters)
	case longest <= 0:
		return unfit("all customers bought on the last day only; take a later date")
	case len(frequencies) < 2 && repeaters == customers:
		return unfit("all customers bought equally often, so nothing tells them apart")
	}
	scale := 1 / longest
	scaled := slices.Clone(sorted)
	for i := range scaled {
		scaled[i].Tx *= scale
		scaled[i].T *= scale
	}
	model := func(p []float64) BGNBD { return BGNBD{p[0], p[1], p[2], p[3]} }
	mean := scale * times / customers
	start := []float64{1, mean, 1, 2}
	if perTime := purchases / customers / mean; perTime > 0 {
		start[1] = 1 / perTime // so that r/α is the rate that is seen
	}
	fit, p, err := maximise(modelBGNBD, []string{"r", "alpha", "a", "b"}, start, customers, opts, func(p, gradient []float64) float64 { return model(p).likelihood(scaled, gradient) })
	if err != nil {
		return BGNBD{}, nil, err
	}
	fit.rescale(1, 1/scale)
	m := model(p)
	m.Alpha /= scale
	fit.Rows, fit.LogLikelihood = len(sorted), m.likelihood(sorted, nil)
	return m, fit, nil
}

// FitGammaGamma fits the model of spend. The error is an *Unfit if these data cannot carry it.
func FitGammaGamma(data []Spend, opts Options) (GammaGamma, *Fit, error) {
	sorted := slices.Clone(data)
	slices.SortFunc(sorted, func(a, b Spend) int { return cmp.Compare(a.X, b.X) })
	var customers, money float64
	least, most := math.Inf(1), 0.0
	for _, d := range sorted {
		if !(d.X > 0 && d.M > 0 && d.N > 0) || math.IsInf(d.X+d.M+d.N, 0) {
			return GammaGamma{}, nil, fmt.Errorf("%v purchases of %v by %v customers are no spend: all must be above 0", d.X, d.M, d.N)
		}
		customers += d.N
		money += d.N * d.M
		least, most = min(least, d.M), max(most, d.M)
	}
	unfit := func(format string, args ...any) (GammaGamma, *Fit, error) {
		return GammaGamma{}, nil, &Unfit{modelGammaGamma, fmt.Sprintf(format, args...)}
	}
	switch {
	case customers < leastRepeaters:
		return unfit("%.0f customers bought on a second day for more than 0, and it takes %d; take a longer time", customers, leastRepeaters)
	case most-least <= 1e-9*most:
		return unfit("all customers spend the same, %v a purchase, so nothing tells them apart", most)
	}
	scale := customers / money
	scaled := slices.Clone(sorted)
	for i := range scaled {
		scaled[i].M *= scale
	}
	model := func(p []float64) GammaGamma { return GammaGamma{p[0], p[1], p[2]} }
	fit, p, err := maximise(modelGammaGamma, []string{"p", "q", "gamma"}, []float64{2, 3, 1}, customers, opts, func(p, gradient []float64) float64 { return model(p).likelihood(scaled, gradient) })
	if err != nil {
		return GammaGamma{}, nil, err
	}
	fit.rescale(2, 1/scale)
	m := model(p)
	m.Gamma /= scale
	fit.Rows, fit.LogLikelihood = len(sorted), m.likelihood(sorted, nil)
	if m.Q <= 1 {
		return unfit("q = %.3g: what is spent varies so much that the mean of all customers is infinite; look for absurd amounts, or give a penalty", m.Q)
	}
	return m, fit, nil
}

func (f *Fit) rescale(i int, by float64) {
	f.Parameters[i].Value *= by
	f.Parameters[i].StdError *= by
}

// runaway is the logarithm beyond which a parameter, in its scaled unit, is on its way to 0 or infinity.
const runaway = 12

// maximise finds the parameters at which a log-likelihood is highest, on their logarithms, from a start; by BFGS, which takes the curvature from the
// gradients. likelihood adds its derivatives to gradient.
func maximise(name string, names []string, start []float64, customers float64, opts Options, likelihood func(p, gradient []float64) float64) (*Fit, []float64, error) {
	if !(opts.Penalty >= 0) || math.IsInf(opts.Penalty, 0) {
		return nil, nil, fmt.Errorf("a penalty of %v: it takes a number from 0", opts.Penalty)
	}
	o := &objective{customers: customers, penalty: opts.Penalty, likelihood: likelihood}
	x := make([]float64, len(start))
	for i, p := range start {
		x[i] = math.Log(p)
	}
	problem := optimize.Problem{
		Func: func(x []float64) float64 { return o.at(x) },
		Grad: func(g, x []float64) {
			o.at(x)
			copy(g, o.gradient)
		},
	}
	// Towards the end rounding hides any progress from the line search, which it reports as an error: the gradient is what counts.
	result, failed := optimize.Minimize(problem, x, &optimize.Settings{GradientThreshold: 1e-9, MajorIterations: 500, Converger: optimize.NeverTerminate{}}, &optimize.BFGS{})
	if result == nil {
		return nil, nil, fmt.Errorf("fitting %s: %w", name, failed)
	}
	x = result.X
	f := &Fit{Model: name, Penalty: opts.Penalty, Customers: customers, Iterations: result.MajorIterations}
	o.at(x)
	for i, g := range o.gradient {
		f.Gradient = max(f.Gradient, math.Abs(g))
		switch {
		case x[i] > runaway:
			return nil, nil, &Unfit{name, "the likelihood rises without end as " + names[i] + " goes to infinity: these data do not say what it is; take a longer time or more customers, or give a penalty (0.001, say)"}
		case x[i] < -runaway:
			return nil, nil, &Unfit{name, "the likelihood rises without end as " + names[i] + " goes to 0: these data do not say what it is; take a longer time or more customers"}
		}
	}
	errs, err := o.errors(x)
	if !(f.Gradient < 1e-5) {
		err = errors.Join(fmt.Errorf("after %d iterations the gradient is %.2g", f.Iterations, f.Gradient), failed)
	}
	if err != nil {
		return nil, nil, &Unfit{name, fmt.Sprintf("no maximum of the likelihood was found (%v); take a longer time or more customers, or give a penalty (0.001, say)", err)}
	}
	p := make([]float64, len(x))
	for i := range p {
		p[i] = math.Exp(x[i])
		f.Parameters = append(f.Parameters, Parameter{names[i], p[i], p[i] * errs[i]}) // the delta method
	}
	f.Evaluations = o.evaluations
	return f, p, nil
}

// objective is the mean negative log-likelihood by the logarithms of the parameters. It keeps where it was evaluated last, since value and
// gradient are asked for one after the other.
type objective struct {
	likelihood         func(p, gradient []float64) float64
	customers, penalty float64
	x, gradient        []float64
	value              float64
	evaluations        int
}

func (o *objective) at(x []float64) float64 {
	if slices.Equal(x, o.x) {
		return o.value
	}
	o.x = append(o.x[:0], x...)
	o.evaluations++
	p, g := make([]float64, len(x)), make([]float64, len(x))
	squares := 0.0
	for i := range x {
		// Far outside the function is only to be worse than inside, and finite: a line search may step there.
		p[i] = math.Exp(min(max(x[i], -3*runaway), 3*runaway))
		squares += p[i] * p[i]
	}
	o.value = -o.likelihood(p, g)/o.customers + o.penalty*squares
	for i := range g {
		g[i] = p[i] * (2*o.penalty*p[i] - g[i]/o.customers)
	}
	o.gradient = g
	return o.value
}

// errors are the standard errors of the logarithms: the square roots of the diagonal of the inverse of the curvature, by central differences of
// the gradient.
func (o *objective) errors(x []float64) ([]float64, error) {
	const step = 1e-4
	n := len(x)
	curvature := mat.NewDense(n, n, nil)
	for i := range n {
		at := slices.Clone(x)
		at[i] = x[i] + step
		o.at(at)
		up := o.gradient
		at[i] = x[i] - step
		o.at(at)
		for j := range n {
			curvature.Set(i, j, (up[j]-o.gradient[j])/(2*step))
		}
	}
	information := mat.NewSymDense(n, nil)
	for i := range n {
		for j := i; j < n; j++ {
			information.SetSym(i, j, o.customers*(curvature.At(i, j)+curvature.At(j, i))/2)
		}
	}
	var factors mat.Cholesky
	if !factors.Factorize(information) {
		return nil, errors.New("it is flat: other parameters explain the data as well")
	}
	var covariance mat.SymDense
	if err := factors.InverseTo(&covariance); err != nil {
		return nil, fmt.Errorf("it is flat: %w", err)
	}
	out := make([]float64, n)
	for i := range out {
		out[i] = math.Sqrt(covariance.At(i, i))
	}
	return out, nil
}
