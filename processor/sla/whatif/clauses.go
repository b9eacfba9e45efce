package whatif

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tillstream/tillstream/processor/sla/agreement"
	"github.com/tillstream/tillstream/processor/sla/statement"
)

// clauses are the fields in which the supposed texts are others than those in force at the same time.
func clauses(in *Input) (out []Clause) {
	for i := range in.Was {
		for j := range in.Is {
			was, is := &in.Was[i], &in.Is[j]
			if was.Span.Cut(is.Span).Cut(in.Span).Empty() {
				continue
			}
			a, b := was.Values(), is.Values()
			all := maps.Clone(a)
			maps.Copy(all, b)
			for _, path := range slices.Sorted(maps.Keys(all)) {
				if a[path] == b[path] || strings.HasSuffix(path, ".sloRef") || strings.HasSuffix(path, ".description") {
					continue
				}
				c := Clause{was.Version, path, a[path], b[path]}
				if entry, _, ok := strings.Cut(path, "]"); ok && !said(a, entry+"]") {
					c = Clause{was.Version, entry + "]", "", "there"}
				} else if ok && !said(b, entry+"]") {
					c = Clause{was.Version, entry + "]", "there", ""}
				}
				if !slices.Contains(out, c) {
					out = append(out, c)
				}
			}
		}
	}
	return out
}

// said says whether a text has an entry of a list.
func said(values map[string]string, entry string) bool {
	for path := range values {
		if strings.HasPrefix(path, entry) {
			return true
		}
	}
	return false
}

// bearing tells which clauses bear on an objective of which something is otherwise.
type bearing struct {
	objective       string
	measured, money bool // figure or verdict is otherwise; the credit is
	timed           bool // it is about time
	unknown, cut    bool // something of it is unknown; a credit is not what is due
	in              *Input
}

func (b *bearing) on(path string) bool {
	block, rest, _ := strings.Cut(path, ".")
	switch {
	case strings.HasPrefix(path, "objectives["):
		return b.names(path[len("objectives["):])
	case strings.HasPrefix(path, "remedies.credits["):
		key, _, _ := strings.Cut(path[len("remedies.credits["):], "]")
		return b.money && b.credited(key)
	case path == "remedies.at_risk", path == "remedies.claim.minimum":
		return b.money && b.cut
	case block == "remedies":
		return b.money && !strings.HasPrefix(rest, "escalate") && !strings.HasPrefix(rest, "claim")
	case path == "measurement.low_evidence":
		return b.money && b.unknown
	case path == "measurement.min_events":
		return b.measured && !b.timed
	case block == "measurement":
		return b.measured && b.timed && !strings.HasPrefix(rest, "late_data") && rest != "min_coverage"
	case strings.HasPrefix(path, "exclusions["), block == "service_hours", block == "scope", block == "period", block == "timezone":
		return b.measured || b.money
	}
	return false
}

// names says whether the path of an objective, from its name on, is of this one, or of one that it is composed of.
func (b *bearing) names(path string) bool {
	name, _, _ := strings.Cut(path, "]")
	if name == b.objective {
		return true
	}
	return b.any(func(t *agreement.Stretch) bool {
		return slices.ContainsFunc(t.Terms.Objectives, func(o agreement.Objective) bool {
			_, part := o.Of[name]
			return o.Name == b.objective && part
		})
	})
}

// credited says whether a credit is for the breach of the objective, in any of the texts.
func (b *bearing) credited(key string) bool {
	return b.any(func(t *agreement.Stretch) bool {
		return slices.ContainsFunc(t.Terms.Remedies.Credits, func(c agreement.Credit) bool {
			return cmp.Or(c.Name, c.Objective) == key && c.Objective == b.objective
		})
	})
}

func (b *bearing) any(f func(*agreement.Stretch) bool) bool {
	for _, texts := range [][]agreement.Stretch{b.in.Was, b.in.Is} {
		for i := range texts {
			if f(&texts[i]) {
				return true
			}
		}
	}
	return false
}

// sums are totals by currency.
type sums map[string]*Total

func (s sums) of(currency string) *Total {
	if s[currency] == nil {
		s[currency] = &Total{Currency: currency}
	}
	return s[currency]
}

// close adds up a period, to a sum over all periods too, and says what is to be said of all of it.
func (p *Period) close(all sums) {
	own := sums{}
	unpublished, rows := 0, 0
	for _, r := range p.Rows {
		for i, now := range r.now() {
			s := r.Decided[i]
			rows++
			if s.Stage == "" {
				unpublished++
			}
			for _, t := range []*Total{own.of(s.Currency), all.of(s.Currency)} {
				t.decided, t.today, t.back = t.decided+s.credit, t.today+now.credit, t.back+s.back
				if s.Pending {
					t.Pending++
				}
			}
		}
		for _, s := range r.Would {
			for _, t := range []*Total{own.of(s.Currency), all.of(s.Currency)} {
				t.would, t.backWould = t.would+s.credit, t.backWould+s.back
				if s.Pending {
					t.PendWould++
				}
			}
		}
	}
	switch p.Totals = own.totals(); {
	case rows == 0:
		p.Notes = append(p.Notes, "nothing was decided: no text was in force")
	case unpublished > 0:
		p.Notes = append(p.Notes, fmt.Sprintf("of %d of %d rows nothing was published: beside them is what the text in force comes to with what is known now", unpublished, rows))
	}
}

// totals are the sums that have a currency, in order.
func (s sums) totals() []Total {
	out := []Total{}
	for _, currency := range slices.Sorted(maps.Keys(s)) {
		t := *s[currency]
		if currency == "" {
			continue // a text without money
		}
		amount := func(minor int64) statement.Amount { return statement.AmountOf(minor, currency) }
		t.Decided, t.Today, t.Would, t.Difference = amount(t.decided), amount(t.today), amount(t.would), amount(t.would-t.decided)
		if t.back != 0 || t.backWould != 0 {
			t.Back, t.BackWould = amount(t.back), amount(t.backWould)
		}
		out = append(out, t)
	}
	return out
}
