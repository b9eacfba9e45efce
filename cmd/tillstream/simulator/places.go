package simulator

// place is where a store stands. Prices are in EUR cents in the catalogue: an amount of the place's currency is factor times that,
// rounded to step.
type place struct {
	city, country, currency, zone string
	factor                        float64 // minor units of the currency for one EUR cent
	step                          int64   // minor units
	standard, reduced             int64   // tax rates, parts per million
	taxIncluded                   bool
	cash, mobile                  float64 // shares of payments; the rest is cards
	acquirers                     [2]string
	scheme                        string // the local one, beside the two that are everywhere
	gln                           string // GS1 prefix of the country
}

// places are given to stores in turn: exponents 2, 3 and 0, offsets of 45 and 30 min, both hemispheres' summer times and none.
var places = [...]place{
	{"Paris", "FR", "EUR", "Europe/Paris", 1, 1, 200_000, 55_000, true, 0.20, 0.22, [2]string{"acq-fr-nord", "acq-fr-sud"}, "cb", "300"},
	{"Tunis", "TN", "TND", "Africa/Tunis", 20, 10, 190_000, 70_000, true, 0.66, 0.05, [2]string{"acq-tn-smt", "acq-tn-poste"}, "cib", "619"},
	{"Tokyo", "JP", "JPY", "Asia/Tokyo", 1.6, 1, 100_000, 80_000, true, 0.36, 0.30, [2]string{"acq-jp-east", "acq-jp-west"}, "jcb", "450"},
	{"Kathmandu", "NP", "NPR", "Asia/Kathmandu", 80, 100, 130_000, 130_000, true, 0.58, 0.24, [2]string{"acq-np-one", "acq-np-two"}, "sct", "890"},
	{"New York", "US", "USD", "America/New_York", 1.15, 1, 88_750, 0, false, 0.14, 0.26, [2]string{"acq-us-a", "acq-us-b"}, "discover", "001"},
	{"London", "GB", "GBP", "Europe/London", 0.86, 1, 200_000, 0, true, 0.12, 0.38, [2]string{"acq-gb-a", "acq-gb-b"}, "maestro", "500"},
	{"São Paulo", "BR", "BRL", "America/Sao_Paulo", 4.2, 5, 180_000, 70_000, true, 0.22, 0.34, [2]string{"acq-br-a", "acq-br-b"}, "elo", "789"},
	{"Adelaide", "AU", "AUD", "Australia/Adelaide", 1.7, 5, 100_000, 0, true, 0.13, 0.35, [2]string{"acq-au-a", "acq-au-b"}, "eftpos", "930"},
}

// format is a type of store: when it is open, when people come, what they buy.
type format struct {
	name     string
	hours    [7][2]int // opening and closing by weekday from Monday, minutes since midnight; closing may be after 24:00; equal: closed
	curve    [24]float64
	weekday  [7]float64
	size     float64 // customers, against the mean of the chain
	lines    float64 // median of a basket
	sigma    float64
	nightOff bool // tills are switched off after hours
	appeal   [groups]float64
}

func daily(open, shut int) (h [7][2]int) {
	for i := range h {
		h[i] = [2]int{open, shut}
	}
	return h
}

// formats of stores. A store's is its number's.
var formats = [...]format{
	{
		name: "commuter", hours: [7][2]int{{360, 1320}, {360, 1320}, {360, 1320}, {360, 1320}, {360, 1320}, {480, 1200}, {}},
		curve:   [24]float64{6: 4, 7: 9, 8: 10, 9: 4, 10: 2, 11: 3, 12: 6, 13: 5, 14: 2, 15: 3, 16: 5, 17: 9, 18: 8, 19: 5, 20: 3, 21: 2},
		weekday: [7]float64{1, 1.02, 1.04, 1.03, 1.05, 0.45, 0}, size: 1.1, lines: 1.7, sigma: 0.45, nightOff: true,
		appeal: [groups]float64{fresh: 0.4, grocery: 0.5, drinks: 2, snacks: 3, household: 0.2, other: 1},
	},
	{
		name: "supermarket", hours: [7][2]int{{480, 1260}, {480, 1260}, {480, 1260}, {480, 1260}, {480, 1290}, {480, 1260}, {540, 780}},
		curve:   [24]float64{8: 3, 9: 6, 10: 8, 11: 9, 12: 7, 13: 5, 14: 5, 15: 6, 16: 7, 17: 10, 18: 11, 19: 8, 20: 4, 21: 1},
		weekday: [7]float64{0.85, 0.85, 0.95, 0.95, 1.25, 1.45, 0.8}, size: 1.2, lines: 4.5, sigma: 0.75,
		appeal: [groups]float64{fresh: 1, grocery: 1, drinks: 1, snacks: 1, household: 1, other: 1},
	},
	{
		name: "mall", hours: daily(600, 1260),
		curve:   [24]float64{10: 3, 11: 5, 12: 7, 13: 7, 14: 8, 15: 9, 16: 10, 17: 10, 18: 9, 19: 7, 20: 4},
		weekday: [7]float64{0.75, 0.75, 0.8, 0.85, 1.05, 1.7, 1.3}, size: 0.9, lines: 2.1, sigma: 0.55, nightOff: true,
		appeal: [groups]float64{fresh: 0.1, grocery: 0.3, drinks: 0.8, snacks: 1, household: 2, other: 4},
	},
	{
		name: "night", hours: daily(960, 1560),
		curve:   [24]float64{0: 6, 1: 3, 16: 3, 17: 5, 18: 7, 19: 7, 20: 7, 21: 8, 22: 9, 23: 9},
		weekday: [7]float64{0.8, 0.8, 0.85, 0.95, 1.4, 1.5, 0.9}, size: 0.8, lines: 2.2, sigma: 0.5,
		appeal: [groups]float64{fresh: 0.2, grocery: 0.6, drinks: 4, snacks: 3, household: 0.4, other: 0.5},
	},
}
