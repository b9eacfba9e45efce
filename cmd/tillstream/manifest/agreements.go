package manifest

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/sla/agreement"
	"github.com/tillstream/tillstream/processor/sla/evaluation"
	"github.com/tillstream/tillstream/processor/sla/openslo"
)

// Book is the agreements of a set, with the SLOs to which they refer; nil is an SLO that is wrong.
func (s Set) Book() agreement.Book {
	b := agreement.Book{Agreements: map[string]*agreement.Agreement{}, SLOs: map[string]*agreement.SLO{}}
	for k, o := range s {
		switch spec := o.Spec.(type) {
		case *agreement.Agreement:
			b.Agreements[k.Name] = spec
		case *openslo.SLO:
			b.SLOs[k.Name] = nil
			if sli := s.sli(spec); sli != nil {
				if slo, flaws := spec.Read(sli); len(flaws) == 0 {
					b.SLOs[k.Name] = slo
				}
			}
		}
	}
	return b
}

// sli is that of an SLO; nil if there is none, or none that can be measured.
func (s Set) sli(slo *openslo.SLO) *openslo.SLI {
	sli := &slo.Indicator.Spec
	if slo.IndicatorRef != "" {
		o := s[Key{KindSLI, slo.IndicatorRef}]
		if o == nil {
			return nil
		}
		sli = o.Spec.(*openslo.SLI)
	}
	if len(sli.Check("")) > 0 {
		return nil
	}
	return sli
}

// Past says what of the agreements in force would become another text for the time before now.
func (s Set) Past(was Set, now time.Time) error {
	problems, err := agreement.Past(was.Book(), s.Book(), now.UnixMilli())
	if err != nil {
		return fmt.Errorf("reading the agreements in force: %w", err)
	}
	c := &checker{set: s}
	c.add(problems)
	c.add(s.unrestatable(was, now))
	return c.err()
}

// Unmeasured says what of the agreements in the files is accepted and not measured as it is written, one a line; in order. The set must have passed Check.
func (s Set) Unmeasured() []string {
	var out []string
	book := s.Book()
	for name := range book.Agreements {
		texts, err := book.Stretches(name)
		if err != nil {
			continue // Check has said so
		}
		for i := range texts {
			if !texts[i].Measured() {
				continue
			}
			for path, why := range evaluation.Unmeasured(&texts[i]) {
				at, _ := texts[i].Text.From(path)
				if o := s[Key{at.Kind, at.Name}]; o != nil && o.file != "" {
					out = append(out, fmt.Sprintf("%s: it is accepted, but not measured as it is written: %s", o.where(at.Path), why))
				}
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Amended are the parts of periods that have begun whose text this set amends and an earlier one did not, by agreement, in order of time.
func (s Set) Amended(was Set, now time.Time) map[string][]*evaluation.Part {
	out := map[string][]*evaluation.Part{}
	after := s.Book()
	for name, a := range was.Book().Agreements {
		texts, err := after.Stretches(name)
		if err != nil {
			continue // Check has said so
		}
		texts = slices.DeleteFunc(texts, func(t agreement.Stretch) bool { return t.Amendment <= len(a.Versions) })
		if c := evaluation.Compile(name, texts); c != nil {
			out[name] = slices.Concat(c.Over(interval.Span{From: interval.Min, To: now.UnixMilli()})...)
		}
	}
	return out
}

// unrestatable are amendments of periods of which a statement cannot be made anew any more.
func (s Set) unrestatable(was Set, now time.Time) (out []*agreement.Problem) {
	amended := s.Amended(was, now)
	for _, name := range slices.Sorted(maps.Keys(amended)) {
		for _, p := range amended[name] {
			if until := p.LateData(&agreement.Objective{}).Restate; until <= now.UnixMilli() {
				out = append(out, &agreement.Problem{
					Place: agreement.Place{Kind: KindAgreement, Name: name, Path: fmt.Sprintf("spec.versions[%d].from", p.Amendment-1)},
					What: fmt.Sprintf("the period that begins on %s cannot be restated any more: that ended on %s (measurement.late_data.restate.until of the amendment); amend later periods only",
						p.Label(p.Period.From), p.Label(until)),
				})
				break
			}
		}
	}
	return out
}

// add says of problems in which line of which file they are.
func (c *checker) add(problems []*agreement.Problem) {
	for _, p := range problems {
		o := c.set[Key{p.Kind, p.Name}]
		what := p.What
		if p.Other != nil {
			if other := c.set[Key{p.Other.Kind, p.Other.Name}]; other != nil {
				what += "; the other place is " + other.where(p.Other.Path)
			}
		}
		if o == nil {
			c.problems = append(c.problems, fmt.Errorf("%s: %s", Key{p.Kind, p.Name}, what))
			continue
		}
		c.problems = append(c.problems, o.problem(p.Path, what))
	}
}

// agreement checks what one refers to.
func (c *checker) agreement(a *agreement.Agreement) {
	c.standing("spec", a.Type, &a.Standing)
	for i := range a.Versions {
		v, path := &a.Versions[i], fmt.Sprintf("spec.versions[%d]", i)
		c.standing(path, a.Type, &v.Standing)
		for j, x := range v.Exclusions {
			c.referAll(fmt.Sprintf("%s.exclusions[%d].except", path, j), KindSupplier, x.Except)
		}
	}
}

func (c *checker) standing(path, typ string, s *agreement.Standing) {
	switch typ {
	case "sla":
		c.refers(path+".parties.customer", KindCustomer, s.Parties.Customer)
	case "underpinning":
		c.refers(path+".parties.provider", KindSupplier, s.Parties.Provider)
	}
	c.referAll(path+".parties.suppliers", KindSupplier, s.Parties.Suppliers)
	c.refers(path+".scope.customer", KindCustomer, s.Scope.Customer)
	c.referAll(path+".scope.services", KindService, s.Scope.Services)
	c.referAll(path+".scope.stores.ids", KindStore, s.Scope.Stores.IDs)
	c.referAll(path+".scope.stores.except", KindStore, s.Scope.Stores.Except)
}

func (c *checker) referAll(path, kind string, names []string) {
	for i, name := range names {
		c.refers(fmt.Sprintf("%s[%d]", path, i), kind, name)
	}
}

func (c *checker) flaws(all []openslo.Flaw) {
	for _, f := range all {
		c.wrong(f.Path, "%s", f.What)
	}
}

func (c *checker) slo(s *openslo.SLO) {
	c.refers("spec.service", KindService, s.Service)
	inline := s.Indicator.Metadata.Name != ""
	switch {
	case inline == (s.IndicatorRef != ""):
		c.wrong("spec", "it needs either indicator, with metadata.name and spec, or indicatorRef")
		return
	case inline:
		if flaws := s.Indicator.Spec.Check("spec.indicator.spec"); len(flaws) > 0 {
			c.flaws(flaws)
			return
		}
	default:
		c.refers("spec.indicatorRef", KindSLI, s.IndicatorRef)
	}
	sli := c.set.sli(s)
	if sli == nil { // what is wrong was said there
		return
	}
	read, flaws := s.Read(sli)
	c.flaws(flaws)
	for i, ref := range s.AlertPolicies {
		path := fmt.Sprintf("spec.alertPolicies[%d].alertPolicyRef", i)
		if ref.AlertPolicyRef == "" {
			c.wrong(path, "it is needed")
		}
		c.refers(path, KindAlertPolicy, ref.AlertPolicyRef)
		o := c.set[Key{KindAlertPolicy, ref.AlertPolicyRef}]
		if o == nil || read == nil || read.Objective.Target.IsZero() {
			continue
		}
		for _, x := range o.Spec.(*openslo.AlertPolicy).Conditions {
			// All of the time bad burns the budget 1 / (1 - target) times as fast as it may.
			most := new(big.Rat).Sub(big.NewRat(1, 1), read.Objective.Target.Rat())
			if rate := x.Spec.Condition.Threshold.Rat(); most.Sign() > 0 && new(big.Rat).Mul(rate, most).Cmp(big.NewRat(1, 1)) > 0 {
				c.wrong(path, "its threshold of %s is never reached: with a target of %s a budget burns at most %s times as fast as it may", x.Spec.Condition.Threshold, read.Objective.Target, strings.TrimSuffix(most.Inv(most).FloatString(2), ".00"))
			}
		}
	}
}
