package sla

import "math/big"

// Fee is what credits are shares of: an exact amount, in minor units.
type Fee struct{ amount *big.Rat }

// FeeOf is a whole amount.
func FeeOf(minor int64) Fee { return Fee{big.NewRat(minor, 1)} }

// Part is a part of a fee: |Q| of a version of the |Q| of the period; one of so many scopes. Of nothing it is nothing.
func (f Fee) Part(part, whole int64) Fee {
	if whole <= 0 {
		return FeeOf(0)
	}
	return Fee{new(big.Rat).Mul(f.rat(), big.NewRat(part, whole))}
}

// rat is the amount; the zero Fee is nothing.
func (f Fee) rat() *big.Rat {
	if f.amount == nil {
		return new(big.Rat)
	}
	return f.amount
}

// Plus is both together.
func (f Fee) Plus(o Fee) Fee { return Fee{new(big.Rat).Add(f.rat(), o.rat())} }

// Share is a share of a fee.
func (f Fee) Share(s Share) Fee { return f.Part(int64(s), int64(One)) }

// Tier is the credit, a share of the fee, of a figure on the wrong side of a limit.
type Tier struct {
	Limit  Ratio
	Credit Share
}

// Credit is what the breach of an objective costs, in one of three forms: Tiers, Fixed or Every.
type Credit struct {
	Text string // as written

	Op    Op     // of the objective: with Gte and Gt a figure below a tier's limit reaches it, else one above it
	Tiers []Tier // of all that are reached the highest credit counts

	Fixed  int64 // minor units, for each outage or for each breach
	Outage bool  // for each outage
	Times  int64 // at most so often in a period; 0: no limit

	Every, Over Ratio // for every started Every by which the figure is over Over
	PerUnit     Share
}

// Due is what one objective comes to, minor units.
type Due struct {
	Amount  int64
	Pending bool // undetermined, and nobody bears it: no money until it is determined
}

// Owed is the figure that decides about money: the worst it can have been if the provider bears what is undetermined, else the best, which is
// proved. It never changes a verdict. Where nothing is unknown all are the same.
func (r *Result) Owed(b Bearer) Ratio {
	if b == Provider {
		return r.Low
	}
	return r.High
}

// Due is the credit for a result. Only a breach costs; what is undetermined costs if the provider bears it. It is reckoned exactly: share of the fee
// or fixed amount, times the multiplier of repeated breaches ([Repeat.Of], else [One]); rounded once, half up to the minor unit; never more
// than the fee, or than Fixed so many Times.
func (c *Credit) Due(r *Result, outages int64, b Bearer, fee Fee, multiply Share) Due {
	switch {
	case r.Verdict == Breached, r.Verdict == Undetermined && b == Provider:
	default:
		return Due{Pending: r.Verdict == Undetermined && b == Nobody}
	}
	amount, most := new(big.Rat), fee.rat()
	switch {
	case c.Fixed > 0:
		n := int64(1)
		if c.Outage {
			n = outages
		}
		amount.SetInt64(c.Fixed * n)
		most = nil
		if c.Times > 0 {
			most = new(big.Rat).SetInt64(c.Fixed * c.Times)
		}
	case c.PerUnit > 0:
		amount.Mul(fee.Share(c.PerUnit).amount, new(big.Rat).SetInt(c.units(r.Owed(b))))
	default:
		amount.Set(fee.Share(c.tier(r.Owed(b))).amount)
	}
	due := halfUp(amount.Mul(amount, big.NewRat(int64(multiply), int64(One))))
	if most != nil {
		due = min(due, down(most))
	}
	return Due{Amount: due}
}

// tier is the highest credit reached.
func (c *Credit) tier(figure Ratio) (credit Share) {
	for _, t := range c.Tiers {
		if !figure.OK() {
			break
		}
		reached := figure.Cmp(t.Limit) < 0
		if c.Op.falling() {
			reached = figure.Cmp(t.Limit) > 0
		}
		if reached {
			credit = max(credit, t.Credit)
		}
	}
	return credit
}

// units is how many Every have begun by which a figure is over Over.
func (c *Credit) units(figure Ratio) *big.Int {
	if !figure.OK() || !c.Every.OK() || c.Every.Part <= 0 {
		return new(big.Int)
	}
	over := new(big.Rat).Sub(rat(figure), rat(c.Over))
	if over.Sign() <= 0 {
		return new(big.Int)
	}
	over.Quo(over, rat(c.Every))
	n, rest := new(big.Int).QuoRem(over.Num(), over.Denom(), new(big.Int))
	if rest.Sign() > 0 {
		n.Add(n, big.NewInt(1))
	}
	return n
}

// halfUp rounds to a whole minor unit, halves upwards. Of numbers that are not negative.
func halfUp(r *big.Rat) int64 {
	return down(new(big.Rat).Add(r, big.NewRat(1, 2)))
}

// down rounds downwards.
func down(r *big.Rat) int64 { return new(big.Int).Quo(r.Num(), r.Denom()).Int64() }

// Pool is all credits of a period, of all objectives and scopes in the order of the statement, brought under what is at risk: if they come to
// more than that share of the fee, rounded down, each is cut in proportion, and together they are it exactly.
func Pool(credits []int64, fee Fee, atRisk Share) []int64 {
	limit := down(fee.Share(atRisk).amount)
	sum := new(big.Int)
	for _, c := range credits {
		sum.Add(sum, big.NewInt(c))
	}
	out := append([]int64(nil), credits...)
	if sum.Cmp(big.NewInt(limit)) <= 0 {
		return out
	}
	before, seen := int64(0), new(big.Int)
	for i, c := range credits { // where the rounded running sum goes to
		seen.Add(seen, big.NewInt(c))
		x := new(big.Int).Mul(seen, big.NewInt(limit))
		after := x.Quo(x, sum).Int64()
		out[i], before = after-before, after
	}
	return out
}

// AboveMinimum is what is paid of the credits of a period: nothing, if together they are not above the minimum.
func AboveMinimum(total, minimum int64) int64 {
	if total <= minimum {
		return 0
	}
	return total
}

// Repeat multiplies the credit of a breach that is at least the Times-th within a time.
type Repeat struct {
	Times    int
	Multiply Share
}

// Of is the multiplier of a breach, if it and those before it within the time are so many.
func (r *Repeat) Of(breaches int) Share {
	if r.Times > 0 && breaches >= r.Times {
		return r.Multiply
	}
	return One
}

// Within counts periods in breach of one objective and scope, by their ends, as far as they are after an instant and not after another.
func Within(ends []int64, after, until int64) (n int) {
	for _, at := range ends {
		if after < at && at <= until {
			n++
		}
	}
	return n
}

// EarnBack gives back a share of a credit after good periods.
type EarnBack struct {
	Periods int // in a row, right after that of the credit
	AtLeast Share
	Share   Share
}

// Of is what of a credit is earned back, rounded down; after are the figures of the periods that followed, in order. A period without a
// figure is not a good one, and neither is one that is not final: leave it out.
func (e *EarnBack) Of(credit int64, after []Ratio) int64 {
	if e.Periods <= 0 || len(after) < e.Periods {
		return 0
	}
	for _, x := range after[:e.Periods] {
		if !x.OK() || x.Compare(e.AtLeast) < 0 {
			return 0
		}
	}
	return min(credit, down(FeeOf(credit).Share(e.Share).amount))
}

// ClaimState is whether a credit is paid.
type ClaimState string

// The states of a credit.
const (
	Payable   ClaimState = "payable"
	Claimable ClaimState = "claimable" // if somebody asks for it in time
	Lapsed    ClaimState = "lapsed"
)

// Claiming is the state of a credit at an instant: one that must be claimed, until a deadline (0: none), and was claimed at an instant (0: it was not).
func Claiming(automatic bool, deadline, claimed, at int64) ClaimState {
	switch inTime := func(x int64) bool { return deadline == 0 || x < deadline }; {
	case automatic, claimed != 0 && claimed <= at && inTime(claimed):
		return Payable
	case inTime(at):
		return Claimable
	}
	return Lapsed
}
