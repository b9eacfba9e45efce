package statement

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/tillstream/tillstream/processor/sla"
)

// exponents are the digits after the point of currencies that do not have two. Source: ISO 4217, list one.
func exponent(currency string) int {
	switch {
	case slices.Contains([]string{"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"}, currency):
		return 0
	case slices.Contains([]string{"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"}, currency):
		return 3
	case slices.Contains([]string{"CLF", "UYW"}, currency):
		return 4
	}
	return 2
}

// Amount is a decimal with the digits of its currency: 1800.00.
type Amount string

// AmountOf is an amount of minor units.
func AmountOf(minor int64, currency string) Amount {
	n := exponent(currency)
	sign, digits := "", strconv.FormatInt(minor, 10)
	if minor < 0 {
		sign, digits = "-", digits[1:]
	}
	if n == 0 {
		return Amount(sign + digits)
	}
	digits = strings.Repeat("0", max(n+1-len(digits), 0)) + digits
	return Amount(sign + digits[:len(digits)-n] + "." + digits[len(digits)-n:])
}

// Zero says whether it is nothing.
func (a Amount) Zero() bool { return strings.Trim(string(a), "0.") == "" }

// share is a as a part of b; 0 if b is nothing.
func (a Amount) share(b Amount) *big.Rat {
	x, ok1 := new(big.Rat).SetString(string(a))
	y, ok2 := new(big.Rat).SetString(string(b))
	if !ok1 || !ok2 || y.Sign() <= 0 {
		return new(big.Rat)
	}
	return x.Quo(x, y)
}

// Figure is an exact ratio, and its value with nine digits after the point, cut.
type Figure struct {
	Value string `json:"value"`
	Part  int64  `json:"part"`
	Of    int64  `json:"of"`
}

// FigureOf is the figure of a ratio; nil if it has no value.
func FigureOf(r sla.Ratio) *Figure {
	if !r.OK() {
		return nil
	}
	n := new(big.Int).Mul(big.NewInt(r.Part), big.NewInt(int64(sla.One)))
	n.Quo(n, big.NewInt(r.Of))
	whole, rest := n.QuoRem(n, big.NewInt(int64(sla.One)), new(big.Int))
	return &Figure{fmt.Sprintf("%s.%09d", whole, rest.Int64()), r.Part, r.Of}
}

// rat is the figure, exactly.
func (f *Figure) rat() *big.Rat { return big.NewRat(f.Part, f.Of) }
