package clickhouse

import (
	"context"
	"fmt"
	"iter"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/shopspring/decimal"

	"github.com/tillstream/tillstream/processor/clv"
)

// CLVInputs are the histories of the customers of one currency: pos.clv_inputs as of a date. A purchase is a day with a sale, whatever the store; m is what
// was net on all days after the first, those with returns only among them, by purchases after the first.
type CLVInputs struct {
	Currency string
	AsOf     time.Time // what was bought later is not known
}

func (in CLVInputs) args(more ...any) []any {
	return append(more, ch.Named("currency", in.Currency), ch.Named("as_of", in.AsOf.Format(time.DateOnly)))
}

// clvInputs is grouped once: two steps, by customer and day first, take four times as long on 12 million days.
const clvInputs = `SELECT customer, minIf(business_date, visits > 0) AS first, toFloat64(arrayUniq(groupArrayIf(business_date, visits > 0)) - 1) AS x,
		toFloat64(maxIf(business_date, visits > 0) - first) AS t_x, toFloat64(toDate({as_of:String}) - first) AS T,
		if(x > 0, arraySum((d, n) -> if(d > first, n, 0), groupArray(business_date), groupArray(toFloat64(net))) / x, 0) AS m
	FROM pos.customer_days WHERE currency = {currency:String} AND business_date <= {as_of:String} GROUP BY customer HAVING max(visits) > 0`

// NewestDate is as of when customers are looked at if nobody says: today, or, of data that ended more than 31 days ago, its last business date.
func (s *Sink) NewestDate(ctx context.Context) (day time.Time, err error) {
	err = s.rows(ctx, func(r driver.Rows) error { return r.Scan(&day) },
		"SELECT if(newest = toDate(0) OR newest >= today() - 31, today(), newest) FROM (SELECT max(business_date) AS newest FROM pos.sales_hourly WHERE business_date <= today())")
	if err != nil {
		return day, fmt.Errorf("reading pos.sales_hourly: %w", err)
	}
	return day, nil
}

// Currencies are those that customers have bought in, the most frequent first.
func (s *Sink) Currencies(ctx context.Context) (all []string, err error) {
	all, err = values[string](ctx, s, "SELECT toString(currency) AS name FROM pos.customer_days WHERE visits > 0 GROUP BY name ORDER BY count() DESC, name")
	if err != nil {
		return nil, fmt.Errorf("reading pos.customer_days: %w", err)
	}
	return all, nil
}

// CLVPatterns gives the different histories as they were some days earlier, with how many customers have each, and what these bought in the days until then.
func (s *Sink) CLVPatterns(ctx context.Context, in CLVInputs, earlier int) (all []clv.Later, err error) {
	err = s.rows(ctx, func(r driver.Rows) error {
		var p clv.Later
		err := r.Scan(&p.X, &p.Tx, &p.T, &p.N, &p.Came, &p.Squares)
		all = append(all, p)
		return err
	}, `SELECT x, t_x, T, toFloat64(count()), sum(later), sum(later * later) FROM (
		SELECT toDate({as_of:String}) - {earlier:UInt32} AS cut, min(business_date) AS first, groupArray(business_date) AS dates,
			toFloat64(arrayUniq(arrayFilter(d -> d <= cut, dates)) - 1) AS x, toFloat64(arrayUniq(dates) - 1) - x AS later,
			toFloat64(maxIf(business_date, business_date <= cut) - first) AS t_x, toFloat64(cut - first) AS T
		FROM pos.customer_days WHERE currency = {currency:String} AND visits > 0 AND business_date <= {as_of:String}
		GROUP BY customer HAVING first <= cut)
		GROUP BY x, t_x, T ORDER BY x, t_x, T`, in.args(ch.Named("earlier", earlier))...)
	if err != nil {
		return nil, fmt.Errorf("reading pos.customer_days: %w", err)
	}
	return all, nil
}

// CLVSpend gives what customers spent on the days after the first, and how many customers bought so often and spent so much.
func (s *Sink) CLVSpend(ctx context.Context, in CLVInputs) (all []clv.Spend, err error) {
	err = s.rows(ctx, func(r driver.Rows) error {
		var p clv.Spend
		err := r.Scan(&p.X, &p.M, &p.N)
		all = append(all, p)
		return err
	}, "SELECT x, round(m, 4) AS spend, toFloat64(count()) FROM ("+clvInputs+") WHERE x > 0 AND spend > 0 GROUP BY x, spend ORDER BY x, spend", in.args()...)
	if err != nil {
		return nil, fmt.Errorf("reading pos.customer_days: %w", err)
	}
	return all, nil
}

// CLVCustomer is a customer's history.
type CLVCustomer struct {
	Customer    uint64
	X, Tx, T, M float64
}

// CLVCustomers gives all histories, equal ones one after the other. After an error there are no more.
func (s *Sink) CLVCustomers(ctx context.Context, in CLVInputs) iter.Seq2[CLVCustomer, error] {
	return func(yield func(CLVCustomer, error) bool) {
		ctx, cancel := context.WithTimeout(ctx, clvTime)
		defer cancel()
		stopped := false
		err := s.rows(ctx, func(r driver.Rows) error {
			var c CLVCustomer
			if err := r.Scan(&c.Customer, &c.X, &c.Tx, &c.T, &c.M); err != nil {
				return err
			}
			if !yield(c, nil) {
				stopped = true
				return context.Canceled
			}
			return nil
		}, "SELECT customer, x, t_x, T, m FROM ("+clvInputs+") ORDER BY x, t_x, T", in.args()...)
		if err != nil && !stopped {
			yield(CLVCustomer{}, fmt.Errorf("reading pos.customer_days: %w", err))
		}
	}
}

// CLVModel is what pos.clv_models shows of a model.
type CLVModel struct {
	CLVInputs
	HorizonDays, HoldoutDays int
	Discount                 float64 // a year
	By                       string
	Purchases, Spend         *clv.Fit
	Repeaters, Correlation   float64
	Holdout                  clv.Check
}

// CLVRow is what a model says of a customer.
type CLVRow struct {
	Customer         uint64
	Purchases, Alive float64
	Spend, Value     float64
}

const (
	clvAtOnce = 100_000       // bounds one INSERT
	clvTime   = 6 * time.Hour // customers are read as fast as their predictions are written
)

// mostAmount is the largest that Decimal(18, 4) holds.
const mostAmount = 99_999_999_999_999

// WriteCLV keeps the predictions of a model, then the model, by which they begin to count, and drops those of the models before it. It returns the model's
// name, and how many rows there were.
func (s *Sink) WriteCLV(ctx context.Context, m *CLVModel, rows iter.Seq2[CLVRow, error]) (name string, n int, err error) {
	at := s.now().UTC()
	name = fmt.Sprintf("%s-%s-%d", m.Currency, m.AsOf.Format("20060102"), at.UnixMilli())
	amount := func(v float64) decimal.Decimal {
		return decimal.NewFromFloat(min(max(v, -mostAmount), mostAmount)).Round(4)
	}
	var block [][]any
	flush := func() error {
		err := s.putAll(ctx, "clv", "", "INSERT INTO tillstream.clv (model, currency, as_of, customer, expected_purchases, p_alive, expected_spend, clv)", block)
		n += len(block)
		block = block[:0]
		return err
	}
	for r, err := range rows {
		if err != nil {
			return "", 0, err
		}
		block = append(block, []any{name, m.Currency, m.AsOf, r.Customer, r.Purchases, r.Alive, amount(r.Spend), amount(r.Value)})
		if len(block) == clvAtOnce {
			if err := flush(); err != nil {
				return "", 0, err
			}
		}
	}
	if len(block) > 0 {
		if err := flush(); err != nil {
			return "", 0, err
		}
	}
	var parameters [][]any
	for _, p := range append(append([]clv.Parameter{}, m.Purchases.Parameters...), m.Spend.Parameters...) {
		parameters = append(parameters, []any{p.Name, p.Value, p.StdError})
	}
	h := &m.Holdout
	err = s.put(ctx, "clv_models", "", `INSERT INTO tillstream.clv_models (model, currency, as_of, horizon_days, discount_rate, penalty, fitted_at, by, customers, repeaters, parameters, log_likelihood,
		spend_customers, spend_log_likelihood, spend_correlation, holdout_days, holdout_customers, holdout_expected, holdout_actual, holdout_rmse, holdout_rmse_naive)`,
		name, m.Currency, m.AsOf, uint32(m.HorizonDays), m.Discount, m.Purchases.Penalty, at.UnixMilli(), m.By, uint64(m.Purchases.Customers), uint64(m.Repeaters), parameters, m.Purchases.LogLikelihood,
		uint64(m.Spend.Customers), m.Spend.LogLikelihood, m.Correlation, uint32(m.HoldoutDays), uint64(h.Customers), h.Expected, uint64(h.Actual), h.RMSE, h.Naive)
	if err != nil {
		return "", 0, err
	}
	return name, n, s.dropCLV(ctx, m.Currency)
}

// dropCLV drops the predictions that are older than the newest model of a currency: of its predecessors, and of runs that were cut short. A run that is under way
// and began earlier would lose its rows, and would not be the newest either.
func (s *Sink) dropCLV(ctx context.Context, currency string) error {
	old, err := values[string](ctx, s, `SELECT DISTINCT model AS name FROM tillstream.clv WHERE currency = {currency:String}
		AND toInt64OrZero(splitByChar('-', model)[-1]) < (SELECT toUnixTimestamp64Milli(max(fitted_at)) FROM tillstream.clv_models WHERE currency = {currency:String})`, ch.Named("currency", currency))
	if err != nil {
		return fmt.Errorf("reading tillstream.clv: %w", err)
	}
	for _, name := range old {
		if err := s.exec(ctx, "ALTER TABLE tillstream.clv DROP PARTITION {model:String}", ch.Named("model", name)); err != nil {
			return fmt.Errorf("dropping the predictions of model %s: %w", name, err)
		}
	}
	return nil
}
