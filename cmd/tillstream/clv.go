package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tillstream/tillstream/processor/clv"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/sinks/clickhouse"
)

type clvCmd struct {
	target
	Currency string        `help:"Only purchases in this currency; the one there is, if there is one only." placeholder:"CODE"`
	AsOf     registry.Date `help:"What was bought after this date is not known. Today if not given, or the last day of data that ended more than 31 days ago." placeholder:"DATE"`
	Horizon  int           `help:"Days to look ahead, from 1 to 3650." default:"365" placeholder:"DAYS"`
	Discount float64       `help:"What money loses in value a year: 0.1 is 10 %." default:"0.1" placeholder:"RATE"`
	Penalty  float64       `help:"Keeps parameters of few data from running away; 0 is maximum likelihood." default:"0" placeholder:"WEIGHT"`
	Holdout  int           `help:"Days kept back to check the model: it is fitted on what was before them, and compared. 0 checks nothing." default:"90" placeholder:"DAYS"`
	Write    bool          `help:"Keep the predictions, for pos.clv and pos.clv_models."`
	By       string        `help:"Who it is that writes; you and this machine if not given." placeholder:"NAME"`
	Format   string        `help:"How rows are printed: table for people, csv or json for programs." enum:"table,csv,json" default:"table"`
}

func (*clvCmd) Help() string {
	return `Fits the BG/NBD model of how often customers buy and whether they still do, and the gamma-gamma model of what they spend, and says how well the first foresaw the last
days. docs/clv.md has the formulas and how to read this.

  tillstream clv --currency EUR
  tillstream clv --currency EUR --horizon 180 --write`
}

// step is how often money that comes later is discounted within the horizon, in days.
const step = 30

func (c *clvCmd) Run(e *env) error {
	switch {
	case c.Horizon < 1 || c.Horizon > 3650:
		return usageError{fmt.Errorf("--horizon %d: it takes 1 to 3650 days", c.Horizon)}
	case !(c.Discount >= 0 && c.Discount <= 10):
		return usageError{fmt.Errorf("--discount %v: it takes 0 to 10, where 0.1 is 10 %% a year", c.Discount)}
	case !(c.Penalty >= 0 && c.Penalty <= 100):
		return usageError{fmt.Errorf("--penalty %v: it takes 0 to 100; 0.001 is a little", c.Penalty)}
	case c.Holdout < 0 || c.Holdout > 3650:
		return usageError{fmt.Errorf("--holdout %d: it takes 0 to 3650 days", c.Holdout)}
	}
	return c.open(e, func(sink *clickhouse.Sink) error {
		in, err := c.inputs(e.ctx, sink)
		if err != nil {
			return err
		}
		l, err := c.fit(e.ctx, sink, in)
		if err != nil {
			return err
		}
		if err := l.report(c).Write(e.stdout, clickhouse.Format(c.Format)); err != nil || !c.Write {
			return err
		}
		if l.model.By = c.By; c.By == "" {
			l.model.By = person()
		}
		name, n, err := sink.WriteCLV(e.ctx, &l.model, l.predict(sink.CLVCustomers(e.ctx, in)))
		if err != nil {
			return err
		}
		fmt.Fprintf(e.stderr, "kept %d customers in pos.clv as model %s\n", n, name)
		return nil
	})
}

func (c *clvCmd) inputs(ctx context.Context, sink *clickhouse.Sink) (clickhouse.CLVInputs, error) {
	in := clickhouse.CLVInputs{Currency: c.Currency, AsOf: time.Unix(int64(c.AsOf)*86400, 0).UTC()}
	if c.AsOf == 0 {
		var err error
		if in.AsOf, err = sink.NewestDate(ctx); err != nil {
			return in, err
		}
	}
	if in.Currency != "" {
		return in, nil
	}
	all, err := sink.Currencies(ctx)
	switch {
	case err != nil:
		return in, err
	case len(all) == 0:
		return in, errors.New("no customer has bought anything yet: pos.customer_days is empty")
	case len(all) > 1:
		return in, usageError{fmt.Errorf("customers bought in %s: say which with --currency, since amounts of two are never added", strings.Join(all, ", "))}
	}
	in.Currency = all[0]
	return in, nil
}

// lifetime is a model of both, fitted.
type lifetime struct {
	model     clickhouse.CLVModel
	purchases clv.BGNBD
	spend     clv.GammaGamma
	ahead     clv.Horizon
	expected  float64 // purchases of all customers within the horizon
	alive     float64 // customers
	unchecked string  // why there is no holdout
}

func (c *clvCmd) fit(ctx context.Context, sink *clickhouse.Sink, in clickhouse.CLVInputs) (*lifetime, error) {
	l := &lifetime{
		model: clickhouse.CLVModel{CLVInputs: in, HorizonDays: c.Horizon, Discount: c.Discount},
		ahead: clv.Horizon{Ahead: float64(c.Horizon), Step: step, Discount: math.Log1p(c.Discount) / 365},
	}
	opts := clv.Options{Penalty: c.Penalty}
	now, err := sink.CLVPatterns(ctx, in, 0)
	if err != nil {
		return nil, err
	}
	if l.purchases, l.model.Purchases, err = clv.FitBGNBD(patterns(now), opts); err != nil {
		return nil, err
	}
	for _, p := range now {
		if p.X > 0 {
			l.model.Repeaters += p.N
		}
		l.alive += p.N * l.purchases.Alive(p.X, p.Tx, p.T)
		l.expected += p.N * l.purchases.Purchases(l.ahead.Ahead, p.X, p.Tx, p.T)
	}
	spend, err := sink.CLVSpend(ctx, in)
	if err != nil {
		return nil, err
	}
	if l.spend, l.model.Spend, err = clv.FitGammaGamma(spend, opts); err != nil {
		return nil, err
	}
	l.model.Correlation = clv.Correlation(spend)
	if c.Holdout == 0 {
		l.unchecked = "--holdout 0"
		return l, nil
	}
	before, err := sink.CLVPatterns(ctx, in, c.Holdout)
	if err != nil {
		return nil, err
	}
	var unfit *clv.Unfit
	m, _, err := clv.FitBGNBD(patterns(before), opts)
	switch {
	case errors.As(err, &unfit): // the model itself is none the worse
		l.unchecked = err.Error()
		return l, nil
	case err != nil:
		return nil, err
	}
	l.model.HoldoutDays, l.model.Holdout = c.Holdout, m.Check(float64(c.Holdout), before)
	return l, nil
}

func patterns(all []clv.Later) []clv.Pattern {
	out := make([]clv.Pattern, len(all))
	for i := range all {
		out[i] = all[i].Pattern
	}
	return out
}

// predict says what to expect of customers. Those of equal history come one after the other.
func (l *lifetime) predict(customers iter.Seq2[clickhouse.CLVCustomer, error]) iter.Seq2[clickhouse.CLVRow, error] {
	return func(yield func(clickhouse.CLVRow, error) bool) {
		var last clickhouse.CLVCustomer
		p := l.purchases.Predict(l.ahead, 0, 0, 0)
		for c, err := range customers {
			if err != nil {
				yield(clickhouse.CLVRow{}, err)
				return
			}
			if c.X != last.X || c.Tx != last.Tx || c.T != last.T {
				p = l.purchases.Predict(l.ahead, c.X, c.Tx, c.T)
			}
			last = c
			spend := l.spend.Mean(c.X, c.M)
			if !yield(clickhouse.CLVRow{Customer: c.Customer, Purchases: p.Purchases, Alive: p.Alive, Spend: spend, Value: p.Discounted * spend}, nil) {
				return
			}
		}
	}
}

// report is what is printed of a model.
func (l *lifetime) report(c *clvCmd) *clickhouse.Result {
	m := &l.model
	result := &clickhouse.Result{Columns: []clickhouse.Column{{Name: "part", Type: "String"}, {Name: "name", Type: "String"}, {Name: "value", Type: "Float64"}, {Name: "std_error", Type: "Nullable(Float64)"}, {Name: "note", Type: "String"}}}
	var rows [][]any
	add := func(part, name string, value float64, stdError any, note string) {
		rows = append(rows, []any{part, name, rounded(value), stdError, note})
	}
	add("data", "customers", m.Purchases.Customers, nil, fmt.Sprintf("%s, as of %s", m.Currency, m.AsOf.Format(time.DateOnly)))
	add("data", "repeaters", m.Repeaters, nil, "bought on a second day")
	for _, f := range []*clv.Fit{m.Purchases, m.Spend} {
		for _, p := range f.Parameters {
			add(f.Model, p.Name, p.Value, rounded(p.StdError), "")
		}
		add(f.Model, "log_likelihood", f.LogLikelihood, nil, fmt.Sprintf("of %.0f customers, %d different histories; converged in %d iterations to a gradient of %.1g", f.Customers, f.Rows, f.Iterations, f.Gradient))
	}
	add("gamma_gamma", "correlation", m.Correlation, nil, "of how often and how much, which the model takes to be 0")
	add("gamma_gamma", "mean", l.spend.Mean(0, 0), nil, "a purchase, of all customers, in "+m.Currency)
	add("ahead", "alive", l.alive, nil, "customers who are expected to be customers still")
	add("ahead", "purchases", l.expected, nil, fmt.Sprintf("expected of all of them in %d days", c.Horizon))
	if l.unchecked != "" {
		add("holdout", "days", 0, nil, l.unchecked)
	} else {
		h := &m.Holdout
		add("holdout", "days", float64(m.HoldoutDays), nil, "kept back: fitted on what was before, without them")
		add("holdout", "customers", h.Customers, nil, "who had bought before")
		add("holdout", "expected", h.Expected, nil, "purchases")
		off := "purchases"
		if h.Actual > 0 {
			off += fmt.Sprintf(": the model is off by %+.1f %%", 100*(h.Expected/h.Actual-1))
		}
		add("holdout", "actual", h.Actual, nil, off)
		add("holdout", "rmse", h.RMSE, nil, fmt.Sprintf("a customer; %.4g if each went on at his own rate", h.Naive))
		for _, g := range h.Groups {
			add("holdout", fmt.Sprintf("x=%v", g.X), g.Expected, nil, fmt.Sprintf("expected of each of %.0f customers; %.4g came", g.Customers, g.Actual))
		}
	}
	result.Rows = func(yield func([]any, error) bool) {
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
	}
	return result
}

// rounded keeps six digits, for there is not more in any of it, and no exponent.
func rounded(v float64) json.Number {
	digits := 0
	if a := math.Abs(v); a > 0 && a < 1e6 {
		digits = 6 - int(math.Ceil(math.Log10(a)))
	}
	text := strconv.FormatFloat(v, 'f', digits, 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return json.Number(text)
}
