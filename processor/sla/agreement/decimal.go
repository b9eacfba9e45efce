package agreement

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// nano is what a Decimal counts in: a billionth.
const (
	nano       = 1_000_000_000
	nanoDigits = 9
)

// Decimal is an exact decimal number with at most nine digits after the point, below 9 billion. Its zero value is one that nobody said, which
// is not the number 0. As text 0.995; the text of a number is always the same, however it was written.
type Decimal struct {
	nano int64
	said bool
}

// ParseDecimal reads a number such as 0.995. It takes no exponents and no percent signs.
func ParseDecimal(s string) (Decimal, error) {
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	digits := func(s string) bool { return strings.Trim(s, "0123456789") == "" }
	switch {
	case strings.HasSuffix(s, "%"):
		return Decimal{}, fmt.Errorf("%q is a percentage; write it as a share: 99.5 %% is 0.995", s)
	case whole == "" || !digits(whole) || !digits(fraction) || strings.HasSuffix(s, "."):
		return Decimal{}, fmt.Errorf("%q is no decimal number such as 0.995", s)
	case len(fraction) > nanoDigits:
		return Decimal{}, fmt.Errorf("%q has more than %d digits after the point", s, nanoDigits)
	}
	n, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", nanoDigits-len(fraction)), 10, 64)
	if err != nil {
		return Decimal{}, fmt.Errorf("%q is too large: numbers go up to 9 billion", s)
	}
	if strings.HasPrefix(s, "-") {
		n = -n
	}
	return Decimal{n, true}, nil
}

// Whole is a whole number.
func Whole(n int64) Decimal { return Decimal{n * nano, true} }

// Billionths is a number of them.
func Billionths(n int64) Decimal { return Decimal{n, true} }

// IsZero says that nobody said it. It is not whether the number is 0.
func (d Decimal) IsZero() bool { return !d.said }

// Nano is the number in billionths; 0 if nobody said it.
func (d Decimal) Nano() int64 { return d.nano }

// Rat is the number, exactly; 0 if nobody said it.
func (d Decimal) Rat() *big.Rat { return big.NewRat(d.nano, nano) }

// Float is for showing it, not for deciding by it.
func (d Decimal) Float() float64 { f, _ := d.Rat().Float64(); return f }

func (d Decimal) String() string {
	if !d.said {
		return ""
	}
	s := d.Rat().FloatString(nanoDigits)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// MarshalText writes it as String does.
func (d Decimal) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText is ParseDecimal.
func (d *Decimal) UnmarshalText(b []byte) (err error) {
	*d, err = ParseDecimal(string(b))
	return err
}
