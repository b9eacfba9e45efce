package clv

import (
	"encoding/csv"
	"encoding/json"
	"math"
	"os"
	"strconv"
	"testing"
)

// cdnow is a row of the sample: a history in days, how many customers have it, and what the package lifetimes predicts, in weeks.
type cdnow struct{ x, tx, t, m, n, alive, purchases, spend, value float64 }

// weeks are days as the published data have them: hundredths of a week.
func weeks(days float64) float64 { return math.Round(days/7*100) / 100 }

func readCDNOW(t *testing.T) (rows []cdnow, patterns []Pattern, spends []Spend) {
	t.Helper()
	f, err := os.Open("testdata/cdnow.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines[1:] {
		var v [9]float64
		for i := range v {
			if v[i], err = strconv.ParseFloat(line[i], 64); err != nil {
				t.Fatal(err)
			}
		}
		r := cdnow{v[0], weeks(v[1]), weeks(v[2]), v[3], v[4], v[5], v[6], v[7], v[8]}
		rows = append(rows, r)
		patterns = append(patterns, Pattern{r.x, r.tx, r.t, r.n})
		if r.x > 0 {
			spends = append(spends, Spend{r.x, r.m, r.n})
		}
	}
	return rows, patterns, spends
}

type reference struct {
	BGNBD      map[string][2]float64 `json:"bg_nbd"`
	Penalised  map[string][2]float64 `json:"penalised"`
	GammaGamma map[string][2]float64 `json:"gamma_gamma"`
	Purchases  [][8]float64          `json:"purchases"`  // r, alpha, a, b, x, T, t, and what comes out
	Likelihood [][8]float64          `json:"likelihood"` // r, alpha, a, b, x, t_x, T
	Spend      [][6]float64          `json:"spend"`      // p, q, gamma, x, m
}

func readReference(t *testing.T) (r reference) {
	t.Helper()
	b, err := os.ReadFile("testdata/reference.json")
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// near complains unless got is want within a relative tolerance.
func near(t *testing.T, what any, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance*math.Abs(want)) {
		t.Errorf("%v: %.12g, want %.12g", what, got, want)
	}
}

func agree(t *testing.T, fit *Fit, want map[string][2]float64, tolerance float64) {
	t.Helper()
	for _, p := range fit.Parameters {
		w, ok := want[p.Name]
		if !ok {
			w = want["v"] // as lifetimes calls gamma
		}
		near(t, fit.Model+" "+p.Name, p.Value, w[0], tolerance)
		near(t, fit.Model+" error of "+p.Name, p.StdError, w[1], tolerance)
	}
}

// Fader, Hardie and Lee (2005), table 2, and Fader and Hardie (2013), section 4, give these figures; lifetimes gives them with more digits, and a prediction
// for every row.
func TestCDNOW(t *testing.T) {
	rows, patterns, spends := readCDNOW(t)
	ref := readReference(t)
	m, fit, err := FitBGNBD(patterns, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{0.243, 4.414, 0.793, 2.426} {
		if math.Abs(fit.Parameters[i].Value-want) > 0.0005 {
			t.Errorf("%s is %v, published %v", fit.Parameters[i].Name, fit.Parameters[i].Value, want)
		}
	}
	if math.Abs(fit.LogLikelihood+9582.4) > 0.05 || fit.Customers != 2357 || fit.Gradient > 1e-8 || fit.Iterations == 0 {
		t.Errorf("%+v", fit)
	}
	agree(t, fit, ref.BGNBD, 1e-6)
	g, gfit, err := FitGammaGamma(spends, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{6.25, 3.74, 15.44} {
		if math.Abs(gfit.Parameters[i].Value-want) > 0.01 {
			t.Errorf("%s is %v, published %v", gfit.Parameters[i].Name, gfit.Parameters[i].Value, want)
		}
	}
	agree(t, gfit, ref.GammaGamma, 1e-5)
	if _, fit, err = FitBGNBD(patterns, Options{Penalty: 0.01}); err != nil {
		t.Fatal(err)
	}
	agree(t, fit, ref.Penalised, 1e-5)

	near(t, "the paper's customer of 2 purchases", m.Purchases(39, 2, 30.43, 38.86), 1.226, 1e-3)
	year := Horizon{Ahead: 12 * 4.345, Step: 4.345, Discount: math.Log(1.01) / 4.345}
	for _, r := range rows {
		near(t, r, m.Alive(r.x, r.tx, r.t), r.alive, 1e-6)
		near(t, r, m.Purchases(39, r.x, r.tx, r.t), r.purchases, 1e-6)
		near(t, r, g.Mean(r.x, r.m), r.spend, 1e-6)
		p := m.Predict(year, r.x, r.tx, r.t)
		near(t, r, p.Discounted*g.Mean(r.x, r.m), r.value, 1e-6)
		near(t, r, p.Purchases, m.Purchases(year.Ahead, r.x, r.tx, r.t), 1e-12)
	}
}

// What lifetimes and floating point cannot be trusted with, computed with 120 digits.
func TestNumbers(t *testing.T) {
	ref := readReference(t)
	for _, c := range ref.Purchases {
		m := BGNBD{c[0], c[1], c[2], c[3]}
		near(t, c, m.purchases(c[6], c[4], c[5]), c[7], 1e-12)
	}
	for _, c := range ref.Likelihood {
		m := BGNBD{c[0], c[1], c[2], c[3]}
		near(t, c, m.LogLikelihood([]Pattern{{c[4], c[5], c[6], 1}}), c[7], 1e-11)
	}
	for _, c := range ref.Spend {
		m := GammaGamma{c[0], c[1], c[2]}
		near(t, c, m.LogLikelihood([]Spend{{c[3], c[4], 1}}), c[5], 1e-12)
	}
}
