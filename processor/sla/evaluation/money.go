package evaluation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/sla"
	"github.com/tillstream/tillstream/processor/sla/agreement"
)

// Past is what was published last of an objective and a scope in an earlier period.
type Past struct {
	Period  interval.Span
	Part    int64 // the beginning of the part
	Verdict sla.Verdict
	Actual  sla.Ratio
	Credit  int64
	Final   bool // or restated
}

// History is what was published last of a contract's earlier periods, by their ends, rising.
type History func(objective string, scope Scope) []Past

// base is the amount that is paid for a part's whole period, for each of what it is for; nothing if no amount is known.
func (p *Part) base() (fee sla.Fee, known bool) {
	amount := p.Terms.Remedies.Base.Amount
	if amount == nil {
		return sla.Fee{}, false
	}
	return sla.BaseOf(&p.Terms, *amount, p.Period, p.zone), true
}

// fee is the part of the base that falls to something: so many terminals or stores, or one of so many scopes, for the counted time of the part.
func (p *Part) fee(base sla.Fee, o owed, units [2]int64, scopes int64) sla.Fee {
	switch p.Terms.Remedies.Base.Each {
	case "terminal":
		base = base.Part(units[0], 1)
	case "store":
		base = base.Part(units[1], 1)
	default:
		base = base.Part(1, max(scopes, 1))
	}
	if p.Span == p.Period {
		return base
	}
	return base.Part(o.part, o.period)
}

// Settlement is the lines of one part, with what is owed for all of it.
type Settlement struct {
	Part  *Part
	Lines []*Line
	Total Total
}

// Settle reckons the money of a period: all its parts, in order.
func Settle(all []Settlement, history History, at int64) {
	var paid, minimum int64
	for i := range all {
		all[i].credits(history)
		for _, l := range all[i].Lines {
			paid += l.Credit
		}
		if m := all[i].Part.Terms.Remedies.Claim.Minimum; m != nil {
			minimum = *m
		}
	}
	if sla.AboveMinimum(paid, minimum) == 0 {
		for i := range all {
			for _, l := range all[i].Lines {
				l.Credit = 0
			}
		}
	}
	for i := range all {
		all[i].earnBack(all, history, at)
	}
}

// credits are those of one part, brought under what is at risk.
func (s *Settlement) credits(history History) {
	p := s.Part
	r := &p.Terms.Remedies
	base, known := p.base()
	scopes := map[string]int64{}
	for _, l := range s.Lines {
		scopes[l.Objective.Name]++
	}
	due, shares := make([]int64, len(s.Lines)), make([]int64, len(s.Lines))
	for i, l := range s.Lines {
		l.Currency = r.Base.Currency
		o := p.named(l.Objective.Name)
		if !o.costs() {
			continue
		}
		credits := sla.CreditsOf(&p.Terms, &o.Objective)
		for j, c := range slices.DeleteFunc(slices.Clone(r.Credits), func(c agreement.Credit) bool { return c.Objective != o.Name }) {
			fee := p.fee(base, s.Total.owed, s.Total.units, 1)
			if c.Per == "scope_fee" {
				fee = p.fee(base, l.owed, l.units, scopes[o.Name])
			}
			into := &due[i]
			if r.Base.From == "invoice" && c.Fixed == nil { // what is invoiced is not known here, so the credit is a share of it
				fee, into = s.invoiced(l, &c, scopes[o.Name]), &shares[i]
			}
			d := credits[j].Due(&l.Result, l.Figures.Outages, p.bearer, fee, p.multiply(l, history))
			*into += d.Amount
			l.Pending = l.Pending || d.Pending
		}
		l.Due = due[i]
	}
	if known {
		due = sla.Pool(due, p.fee(base, s.Total.owed, s.Total.units, 1), p.atRisk)
	}
	shares = sla.Pool(shares, sla.FeeOf(int64(sla.One)), p.atRisk)
	for i, l := range s.Lines {
		l.Credit, l.Invoice = due[i], sla.Share(shares[i])
	}
}

// invoiced is the part of what is invoiced for the period, in billionths, of which a credit is a share.
func (s *Settlement) invoiced(l *Line, c *agreement.Credit, scopes int64) sla.Fee {
	fee, o := sla.FeeOf(int64(sla.One)), s.Total.owed
	if c.Per == "scope_fee" {
		o = l.owed
		switch s.Part.Terms.Remedies.Base.Each {
		case "terminal":
			fee = fee.Part(l.units[0], s.Total.units[0])
		case "store":
			fee = fee.Part(l.units[1], s.Total.units[1])
		default:
			fee = fee.Part(1, max(scopes, 1))
		}
	}
	if s.Part.Span == s.Part.Period {
		return fee
	}
	return fee.Part(o.part, o.period)
}

// Note is what is to be said of a line beside its figures.
func (l *Line) Note() string {
	if l.Invoice == 0 {
		return l.Why
	}
	return strings.TrimPrefix(fmt.Sprintf("%s; %s of what is invoiced for the period is credited", l.Why, agreement.Billionths(int64(l.Invoice))), "; ")
}

// multiply is by how much a breach is multiplied, it and those before it being so many.
func (p *Part) multiply(l *Line, history History) sla.Share {
	r := &p.Terms.Remedies.Repeat
	if r.Times == 0 || l.Result.Verdict != sla.Breached {
		return sla.One
	}
	ends := []int64{p.Period.To}
	for _, x := range history(l.Objective.Name, l.Scope) {
		if x.Verdict == sla.Breached && x.Period.To < p.Period.To && !slices.Contains(ends, x.Period.To) { // one of several versions is one
			ends = append(ends, x.Period.To)
		}
	}
	repeat := sla.Repeat{Times: r.Times, Multiply: sla.Share(r.Multiply.Nano())}
	return repeat.Of(sla.Within(ends, r.Within.Before(p.Period.To, p.zone), p.Period.To))
}

// earnBack gives back credits of the period so many before this one, which is the last of the good ones after it; once it is final. Of several parts of the period
// the last that has a line does, and it is as good as the worst of them.
func (s *Settlement) earnBack(all []Settlement, history History, at int64) {
	p := s.Part
	r := &p.Terms.Remedies.EarnBack
	n, since := 0, time.UnixMilli(p.Period.To).In(p.zone).AddDate(0, -r.Months, 0).UnixMilli()
	for x := p.Period; x.From >= since && x.From < p.Period.To; n++ {
		x = p.calendar.At(x.From - 1)
	}
	if n == 0 {
		return
	}
	earn := sla.EarnBack{Periods: n, AtLeast: sla.Share(r.AtLeast.Nano()), Share: sla.Share(r.Share.Nano())}
	for _, l := range s.Lines {
		if at < p.LateData(l.Objective).Close || l.Op != sla.Gte && l.Op != sla.Gt { // a duration or a rate of failures is not good because it is large
			continue
		}
		want := p.Period // of the credit
		for range n {
			want = p.calendar.At(want.From - 1)
		}
		var credit int64
		figures := map[int64][]sla.Ratio{} // by the end of the period: one for each version
		for _, x := range history(l.Objective.Name, l.Scope) {
			switch {
			case !x.Final:
			case x.Period == want:
				credit += x.Credit
			default:
				figures[x.Period.To] = append(figures[x.Period.To], x.Actual)
			}
		}
		if credit == 0 {
			continue
		}
		var parts []sla.Ratio
		last := l
		for i := range all {
			for _, x := range all[i].Lines {
				if x.Objective.Name == l.Objective.Name && x.Scope == l.Scope {
					parts, last = append(parts, x.Result.Actual), x
				}
			}
		}
		if last != l {
			continue
		}
		var after []sla.Ratio
		for i, x := 1, p.calendar.At(want.To); i < n; i, x = i+1, p.calendar.At(x.To) {
			after = append(after, lowest(figures[x.To]))
		}
		l.EarnedBack = earn.Of(credit, append(after, lowest(parts)))
	}
}

// lowest is that of the figures that have a value.
func lowest(all []sla.Ratio) (least sla.Ratio) {
	for _, x := range all {
		if x.OK() && (!least.OK() || x.Cmp(least) < 0) {
			least = x
		}
	}
	return least
}

// Claim says whether credits of a part need no claim, and until when they can be claimed otherwise; 0: for ever.
func (p *Part) Claim() (automatic bool, until int64) {
	c := &p.Terms.Remedies.Claim
	if c.Within.IsZero() {
		return c.Mode != "on_request", 0
	}
	return c.Mode != "on_request", c.Within.After(p.LateData(&agreement.Objective{}).Close, p.zone)
}
