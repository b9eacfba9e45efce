package clickhouse

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tillstream/tillstream/processor/clv"
)

// history is a customer's, worked out slowly: days with a sale in EUR, and what was net on each day.
type history struct {
	sold map[int]bool
	net  map[int]float64
}

func (h history) inputs(asOf, cut int) (x, tx, age, m, later float64, ok bool) {
	first, last := math.MaxInt, 0
	for d := range h.sold {
		if d <= cut {
			first, last = min(first, d), max(last, d)
			x++
		} else if d <= asOf {
			later++
		}
	}
	if x == 0 {
		return
	}
	x--
	if x > 0 {
		for d, n := range h.net {
			if d > first && d <= cut {
				m += n / x
			}
		}
	}
	return x, float64(last - first), float64(cut - first), m, later, true
}

// What the models are fitted on is what a recomputation says, with other currencies, returns, late rows and later days around it.
func TestCLVInputs(t *testing.T) {
	s := fresh(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	all := map[uint64]history{}
	values := []string{"('g/0', 0, '2026-01-01', '', '', 5, 500)"}
	for customer := uint64(1); customer <= 150; customer++ {
		h := history{map[int]bool{}, map[int]float64{}}
		for range rnd.IntN(8) {
			day, sales, net := rnd.IntN(300), rnd.IntN(4), rnd.IntN(10_000)-2000
			currency := []string{"EUR", "EUR", "JPY"}[rnd.IntN(3)]
			values = append(values, fmt.Sprintf("('', %d, '%s', 's%d', '%s', %d, %d)", customer, start.AddDate(0, 0, day).Format(time.DateOnly), rnd.IntN(3), currency, sales, net))
			if currency == "EUR" {
				h.net[day] += float64(net) / 100
				if sales > 0 {
					h.sold[day] = true
				}
			}
		}
		all[customer] = h
	}
	for _, half := range [][]string{values[:len(values)/2], values[len(values)/2:]} {
		do(t, s, "INSERT INTO tillstream.customer_days (lane, customer, business_date, store_id, currency, transactions, net) VALUES "+strings.Join(half, ", "))
	}
	const asOf, earlier = 250, 60
	in := CLVInputs{Currency: "EUR", AsOf: start.AddDate(0, 0, asOf)}
	patterns := func(cut int) (want []clv.Later) {
		sums := map[[3]float64]*clv.Later{}
		for _, h := range all {
			x, tx, age, _, later, ok := h.inputs(asOf, cut)
			if !ok {
				continue
			}
			p := sums[[3]float64{x, tx, age}]
			if p == nil {
				p = &clv.Later{Pattern: clv.Pattern{X: x, Tx: tx, T: age}}
				sums[[3]float64{x, tx, age}] = p
			}
			p.N++
			p.Came += later
			p.Squares += later * later
		}
		for _, p := range sums {
			want = append(want, *p)
		}
		slices.SortFunc(want, func(a, b clv.Later) int {
			return cmp.Or(cmp.Compare(a.X, b.X), cmp.Compare(a.Tx, b.Tx), cmp.Compare(a.T, b.T))
		})
		return want
	}
	for _, e := range []int{0, earlier} {
		got, err := s.CLVPatterns(t.Context(), in, e)
		if err != nil {
			t.Fatal(err)
		}
		if want := patterns(asOf - e); !slices.Equal(got, want) || len(got) < 50 {
			t.Errorf("%d days earlier: %v, want %v", e, got, want)
		}
	}
	customers, spenders := 0, 0
	var lines []string
	for c, err := range s.CLVCustomers(t.Context(), in) {
		if err != nil {
			t.Fatal(err)
		}
		customers++
		lines = append(lines, fmt.Sprintf("%d %v %v %v %.0f", c.Customer, c.X, c.Tx, c.T, 100*c.X*c.M))
		x, tx, age, m, _, ok := all[c.Customer].inputs(asOf, asOf)
		if !ok || c.X != x || c.Tx != tx || c.T != age || math.Abs(c.M-m) > 1e-9 {
			t.Errorf("%+v, want %v %v %v %v", c, x, tx, age, m)
		}
		if c.X > 0 && c.M > 0 {
			spenders++
		}
	}
	// and what pos.clv_inputs is refreshed from
	do(t, s, fmt.Sprintf("INSERT INTO tillstream.settings (name, value, changed_at) VALUES ('as_of', %d, now64(3))", in.AsOf.Unix()/86400))
	slices.Sort(lines)
	if got := ask(t, s, "customer, x, t_x, T, net", "FROM (SELECT *, if(x = 0, 0, net_later) AS net FROM tillstream.clv_inputs_now WHERE currency = 'EUR')"); !slices.Equal(slices.Sorted(slices.Values(got)), lines) {
		t.Errorf("%q\nand clv_inputs: %q", lines, got)
	}
	spend, err := s.CLVSpend(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	n := 0.0
	for _, p := range spend {
		n += p.N
		if p.X == 0 || p.M <= 0 {
			t.Errorf("%+v", p)
		}
	}
	if customers < 90 || n != float64(spenders) {
		t.Errorf("%d customers; %v of %d spend", customers, n, spenders)
	}
	if all, err := s.Currencies(t.Context()); err != nil || !slices.Equal(all, []string{"EUR", "JPY"}) {
		t.Error(all, err)
	}
}

// A model counts from when it is complete, and then its predecessor goes; a run that breaks off changes nothing that is seen.
func TestWriteCLV(t *testing.T) {
	s := fresh(t)
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	s.now = func() time.Time { now = now.Add(time.Second); return now }
	fit := &clv.Fit{Parameters: []clv.Parameter{{Name: "r", Value: 0.25, StdError: 0.5}}, Customers: 2}
	model := func(currency string) *CLVModel {
		return &CLVModel{CLVInputs: CLVInputs{currency, now}, HorizonDays: 365, Discount: 0.1, By: "ann", Purchases: fit, Spend: fit, Holdout: clv.Check{Expected: 3, Actual: 2}}
	}
	broken := errors.New("broken off")
	rows := func(n uint64, value float64, fails error) iter.Seq2[CLVRow, error] {
		return func(yield func(CLVRow, error) bool) {
			for i := range n {
				if !yield(CLVRow{Customer: i, Purchases: 1.5, Alive: 0.5, Spend: value, Value: 2 * value}, nil) {
					return
				}
			}
			if fails != nil {
				yield(CLVRow{}, fails)
			}
		}
	}
	write := func(currency string, n uint64, value float64, fails error) {
		t.Helper()
		if _, got, err := s.WriteCLV(t.Context(), model(currency), rows(n, value, fails)); !errors.Is(err, fails) || err == nil && got != int(n) {
			t.Fatalf("%d rows, %v", got, err)
		}
	}
	seen := func(want ...string) {
		t.Helper()
		if got := ask(t, s, "currency, count(), max(clv)", "FROM pos.clv GROUP BY currency ORDER BY currency"); !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	write("EUR", 3, 10, nil)
	write("JPY", 2, 1e300, nil)
	seen("EUR 3 20", "JPY 2 99999999999999")
	write("EUR", clvAtOnce+1, 11, broken)
	seen("EUR 3 20", "JPY 2 99999999999999")
	if got := ask(t, s, "uniqExact(model)", "FROM tillstream.clv"); got[0] != "3" {
		t.Errorf("%v models have rows, the broken one among them", got)
	}
	write("EUR", 4, 12.3456789, nil)
	seen("EUR 4 24.6914", "JPY 2 99999999999999")
	if got := ask(t, s, "uniqExact(model), count()", "FROM tillstream.clv"); got[0] != "2 6" {
		t.Errorf("models and rows that are left: %v", got)
	}
	if got := ask(t, s, "currency, current, parameters, holdout_expected, by", "FROM pos.clv_models ORDER BY fitted_at"); !slices.Equal(got, []string{"EUR 0 [('r',0.25,0.5),('r',0.25,0.5)] 3 ann", "JPY 1 [('r',0.25,0.5),('r',0.25,0.5)] 3 ann", "EUR 1 [('r',0.25,0.5),('r',0.25,0.5)] 3 ann"}) {
		t.Errorf("%q", got)
	}
}
