package clv

import (
	"math/rand/v2"
	"testing"
)

// A million customers of two years in days, as they are after equal histories have been counted together.
func BenchmarkMillionCustomers(b *testing.B) {
	all := people(rand.New(rand.NewPCG(1, 2)), 1_000_000, BGNBD{0.8, 60, 0.6, 3}, GammaGamma{4, 5, 60}, 730, 0)
	counts := map[[3]float64]float64{}
	var spends []Spend
	for _, p := range all {
		counts[[3]float64{p.X, float64(int(p.Tx)), float64(int(p.T))}]++
		if p.X > 0 {
			spends = append(spends, Spend{p.X, float64(int(p.m*100+1)) / 100, 1})
		}
	}
	var patterns []Pattern
	for k, n := range counts {
		patterns = append(patterns, Pattern{k[0], k[1], k[2], n})
	}
	var m BGNBD
	b.Run("bg_nbd", func(b *testing.B) {
		for b.Loop() {
			var err error
			if m, _, err = FitBGNBD(patterns, Options{}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(patterns)), "patterns")
	})
	b.Run("gamma_gamma", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := FitGammaGamma(spends, Options{}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(spends)), "rows")
	})
	b.Run("predict a year by months", func(b *testing.B) {
		for b.Loop() {
			for _, p := range patterns {
				m.Predict(Horizon{365, 30, 0.0003}, p.X, p.Tx, p.T)
			}
		}
	})
}
