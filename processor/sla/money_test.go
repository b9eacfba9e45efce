package sla

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func share(part, of int64) Ratio { return Ratio{part, of} }

func TestDue(t *testing.T) {
	tiers := Credit{Op: Gte, Tiers: []Tier{{share(995, 1000), One / 10}, {share(99, 100), One / 4}, {share(95, 100), One / 2}}}
	fee := FeeOf(180_000)
	at := func(v Verdict, low, high Ratio) Result {
		return Result{Actual: high, Low: low, High: high, Verdict: v}
	}
	sure := func(part, of int64) Result { return at(Breached, share(part, of), share(part, of)) }
	hours := func(ms int64) Result { return sure(ms, 1) }
	perHour := Credit{Op: Lte, Every: share(3_600_000, 1), Over: share(4*3_600_000, 1), PerUnit: One / 100}
	fixed := Credit{Fixed: 15_000, Outage: true, Times: 5}
	for name, c := range map[string]struct {
		credit   Credit
		r        Result
		outages  int64
		bearer   Bearer
		fee      Fee
		multiply Share
		want     Due
	}{
		"met":                                   {tiers, at(Met, share(995, 1000), share(1, 1)), 0, Provider, fee, One, Due{}},
		"just below the target":                 {tiers, sure(994_999, 1_000_000), 0, Nobody, fee, One, Due{Amount: 18_000}},
		"at the second tier it is not below it": {tiers, sure(99, 100), 0, Nobody, fee, One, Due{Amount: 18_000}},
		"the lowest tier":                       {tiers, sure(0, 100), 0, Nobody, fee, One, Due{Amount: 90_000}},
		"undetermined, nobody bears it":         {tiers, at(Undetermined, share(94, 100), share(1, 1)), 0, Nobody, fee, One, Due{Pending: true}},
		"undetermined, the customer bears it":   {tiers, at(Undetermined, share(94, 100), share(1, 1)), 0, Customer, fee, One, Due{}},
		"undetermined, the provider bears it":   {tiers, at(Undetermined, share(94, 100), share(1, 1)), 0, Provider, fee, One, Due{Amount: 90_000}},
		"breached, how far depends on who":      {tiers, at(Breached, share(94, 100), share(994, 1000)), 0, Customer, fee, One, Due{Amount: 18_000}},
		"breached, and the provider bears it":   {tiers, at(Breached, share(94, 100), share(994, 1000)), 0, Provider, fee, One, Due{Amount: 90_000}},
		"doubled":                               {tiers, sure(994, 1000), 0, Nobody, fee, 2 * One, Due{Amount: 36_000}},
		"doubled, but never above the fee":      {tiers, sure(9, 10), 0, Nobody, fee, 3 * One, Due{Amount: 180_000}},
		"a third of the period":                 {tiers, sure(994, 1000), 0, Nobody, fee.Part(1, 3), One, Due{Amount: 6_000}},
		"half a cent is one":                    {tiers, sure(994, 1000), 0, Nobody, FeeOf(5), One, Due{Amount: 1}},
		"less is none":                          {tiers, sure(994, 1000), 0, Nobody, FeeOf(4), One, Due{}},
		"for every outage":                      {fixed, sure(9, 10), 3, Nobody, fee, One, Due{Amount: 45_000}},
		"for five at most":                      {fixed, sure(9, 10), 7, Nobody, fee, 2 * One, Due{Amount: 75_000}},
		"no breach, no credit":                  {fixed, at(Met, share(1, 1), share(1, 1)), 7, Nobody, fee, One, Due{}},
		"for the breach":                        {Credit{Fixed: 500}, sure(9, 10), 7, Nobody, fee, One, Due{Amount: 500}},
		"for every started hour over four":      {perHour, hours(5*3_600_000 + 1), 0, Nobody, fee, One, Due{Amount: 3_600}},
		"exactly an hour over":                  {perHour, hours(5 * 3_600_000), 0, Nobody, fee, One, Due{Amount: 1_800}},
		"a third of a ms over":                  {perHour, sure(3*4*3_600_000+1, 3), 0, Nobody, fee, One, Due{Amount: 1_800}},
		"never above the fee":                   {perHour, hours(500 * 3_600_000), 0, Nobody, fee, One, Due{Amount: 180_000}},
		"in breach by an open case, no figure":  {perHour, Result{Verdict: Breached}, 0, Nobody, fee, One, Due{}},
		"at the tier of what should be small":   {Credit{Op: Lte, Tiers: []Tier{{share(5, 1000), One / 10}}}, sure(5, 1000), 0, Nobody, fee, One, Due{}},
		"for every nothing":                     {Credit{Op: Lte, Every: share(0, 1), PerUnit: One}, sure(5, 1000), 0, Nobody, fee, One, Due{}},
		"of a version in which nothing counted": {tiers, sure(9, 10), 0, Nobody, fee.Part(0, 0), One, Due{}},
		"of no fee":                             {tiers, sure(9, 10), 0, Nobody, Fee{}, One, Due{}},
		"tiers of what should be small":         {Credit{Op: Lte, Tiers: []Tier{{share(5, 1000), One / 10}, {share(1, 100), One / 5}}}, sure(2, 100), 0, Nobody, fee, One, Due{Amount: 36_000}},
	} {
		if got := c.credit.Due(&c.r, c.outages, c.bearer, c.fee, c.multiply); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func drawCredit(t *rapid.T) Credit {
	c := Credit{Op: rapid.SampledFrom([]Op{Gte, Lte}).Draw(t, "op")}
	switch rapid.IntRange(0, 2).Draw(t, "form") {
	case 0:
		for range rapid.IntRange(1, 4).Draw(t, "tiers") { // in any order, even such as make no sense
			c.Tiers = append(c.Tiers, Tier{share(rapid.Int64Range(0, 1000).Draw(t, "limit"), 1000), Share(rapid.Int64Range(0, int64(One)).Draw(t, "credit"))})
		}
	case 1:
		c.Fixed, c.Times, c.Outage = rapid.Int64Range(1, 9_999).Draw(t, "fixed"), rapid.Int64Range(0, 5).Draw(t, "times"), rapid.Bool().Draw(t, "each outage")
	default:
		c.Op, c.Every, c.Over, c.PerUnit = Lte, share(rapid.Int64Range(1, 50).Draw(t, "every"), 1000), share(rapid.Int64Range(0, 500).Draw(t, "over"), 1000), Share(rapid.Int64Range(1, 100_000_000).Draw(t, "unit"))
	}
	return c
}

// A credit is never above its cap, and what is worse never earns less.
func TestWorseNeverEarnsLess(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCredit(t)
		fee := FeeOf(rapid.Int64Range(0, 1_000_000).Draw(t, "fee")).Part(rapid.Int64Range(0, 7).Draw(t, "part"), 7)
		multiply := rapid.SampledFrom([]Share{One, One * 3 / 2, 2 * One}).Draw(t, "multiply")
		bearer := rapid.SampledFrom([]Bearer{Nobody, Customer, Provider}).Draw(t, "bearer")
		const all = 1000
		unknown, down := rapid.Int64Range(0, 20).Draw(t, "unknown"), rapid.Int64Range(0, 900).Draw(t, "down")
		limit := rapid.Int64Range(0, all).Draw(t, "limit")
		result := func(down int64) Result {
			if c.Op == Gte {
				f := Figures{Counted: all, Unknown: unknown, Down: down}
				return f.Result(Share(limit) * (One / all))
			}
			n := Counts{Bad: down, All: all - unknown, Missing: unknown}
			return n.Rate(Lte, share(limit, all), 0, false)
		}
		outages := rapid.Int64Range(0, 9).Draw(t, "outages")
		better, worse := result(down), result(down+rapid.Int64Range(0, all-unknown-down).Draw(t, "worse"))
		a, b := c.Due(&better, outages, bearer, fee, multiply), c.Due(&worse, outages+rapid.Int64Range(0, 3).Draw(t, "more outages"), bearer, fee, multiply)
		if a.Amount > b.Amount {
			t.Fatalf("%+v earns %d, %+v %d", better, a.Amount, worse, b.Amount)
		}
		for _, d := range []Due{a, b} {
			if c.Fixed == 0 && big.NewRat(d.Amount, 1).Cmp(fee.amount) > 0 || c.Fixed > 0 && c.Times > 0 && d.Amount > c.Fixed*c.Times || d.Amount < 0 {
				t.Fatalf("%+v comes to %d of %v", c, d.Amount, fee.amount)
			}
		}
	})
}

// All credits of a period together are at most what is at risk, and exactly that if they would be more.
func TestPool(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		credits := rapid.SliceOfN(rapid.Int64Range(0, 1_000_000_000_000), 0, 20).Draw(t, "credits")
		fee := rapid.Int64Range(0, 1_000_000_000_000).Draw(t, "fee")
		risk := Share(rapid.Int64Range(0, int64(One)).Draw(t, "at risk"))
		limit := new(big.Int).Quo(new(big.Int).Mul(big.NewInt(fee), big.NewInt(int64(risk))), big.NewInt(int64(One))).Int64()
		var sum, paid int64
		got := Pool(credits, FeeOf(fee), risk)
		for i, c := range credits {
			sum, paid = sum+c, paid+got[i]
			if got[i] < 0 || got[i] > c {
				t.Fatalf("of %d comes %d", c, got[i])
			}
		}
		if paid != min(sum, limit) {
			t.Fatalf("%v of %d at risk: %v", credits, limit, got)
		}
		if len(credits) == 0 {
			return
		}
		credits[rapid.IntRange(0, len(credits)-1).Draw(t, "which")] += 1000
		var more int64
		for _, c := range Pool(credits, FeeOf(fee), risk) {
			more += c
		}
		if more < paid {
			t.Fatalf("a higher credit makes %d of %d", more, paid)
		}
	})
}

func TestRemedies(t *testing.T) {
	r := Repeat{Times: 3, Multiply: 2 * One}
	ends := []int64{10, 20, 30, 40}
	if n := Within(ends, 10, 30); n != 2 || r.Of(n) != One {
		t.Errorf("two breaches after 10 until 30: %d", n)
	}
	if n := Within(ends, 9, 30); n != 3 || r.Of(n) != 2*One {
		t.Errorf("three breaches: %d", n)
	}
	if got := (&Repeat{}).Of(9); got != One {
		t.Errorf("nobody said that repeated breaches cost more: %d", got)
	}
	if got := (&EarnBack{}).Of(100, nil); got != 0 {
		t.Errorf("nobody said that anything is earned back: %d", got)
	}
	e := EarnBack{Periods: 3, AtLeast: 998_000_000, Share: One / 2}
	good, bad := share(998, 1000), share(997_999, 1_000_000)
	for _, c := range []struct {
		after []Ratio
		want  int64
	}{
		{[]Ratio{good, good}, 0},
		{[]Ratio{good, good, good}, 50},
		{[]Ratio{good, good, good, bad}, 50},
		{[]Ratio{good, bad, good, good}, 0},
		{[]Ratio{good, {}, good}, 0},
	} {
		if got := e.Of(101, c.after); got != c.want {
			t.Errorf("after %v of 101 come back %d, want %d", c.after, got, c.want)
		}
	}
	if AboveMinimum(100, 100) != 0 || AboveMinimum(101, 100) != 101 {
		t.Error("a credit must be above the minimum")
	}
	for _, c := range []struct {
		automatic             bool
		deadline, claimed, at int64
		want                  ClaimState
	}{
		{true, 10, 0, 99, Payable},
		{false, 10, 0, 9, Claimable},
		{false, 10, 0, 10, Lapsed},
		{false, 10, 9, 99, Payable},
		{false, 10, 9, 9, Payable},
		{false, 10, 9, 8, Claimable}, // nobody has claimed yet
		{false, 10, 10, 99, Lapsed},
		{false, 0, 0, 99, Claimable},
	} {
		if got := Claiming(c.automatic, c.deadline, c.claimed, c.at); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}
