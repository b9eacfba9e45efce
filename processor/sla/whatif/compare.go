package whatif

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/sla"
	"github.com/tillstream/tillstream/processor/sla/agreement"
	"github.com/tillstream/tillstream/processor/sla/evaluation"
	"github.com/tillstream/tillstream/processor/sla/statement"
)

// rowKey names a row.
type rowKey struct {
	period    interval.Span
	objective string
	evaluation.Scope
}

// pair is what is known of a row: lines of both texts, and what was published.
type pair struct {
	today, would []*evaluation.Line
	decided      map[evaluation.Key]*evaluation.Published
}

// Compare makes the report.
func Compare(in *Input) *Report {
	r := &Report{Agreement: in.Agreement, AsOf: rfc3339(in.At, time.UTC), Texts: []Text{}, Clauses: []Clause{}, Periods: []*Period{}, Totals: []Total{}}
	for i := range in.Is {
		s := &in.Is[i]
		if s.Span.Cut(in.Span).Empty() {
			continue
		}
		t := Text{Version: s.Version, From: s.From, Amended: s.Amendment, Hash: s.Hash(), Until: s.Until}
		if s.Span.From != interval.Min {
			t.First = &s.First
		}
		r.Texts = append(r.Texts, t)
	}
	r.Clauses = append(r.Clauses, clauses(in)...)
	rows := map[rowKey]*pair{}
	names := map[interval.Span]*Period{}
	at := func(k rowKey) *pair {
		if rows[k] == nil {
			rows[k] = &pair{decided: map[evaluation.Key]*evaluation.Published{}}
		}
		return rows[k]
	}
	for side, periods := range [2][][]evaluation.Settlement{in.Today, in.Would} {
		for _, parts := range periods {
			p := parts[0].Part
			if names[p.Period] == nil {
				names[p.Period] = named(p)
			}
			n := 0
			for _, s := range parts {
				for _, l := range s.Lines {
					x := at(rowKey{l.Period, l.Objective.Name, l.Scope})
					if side == 0 {
						x.today = append(x.today, l)
					} else {
						x.would = append(x.would, l)
					}
					n++
				}
			}
			if n == 0 {
				names[p.Period].Notes = append(names[p.Period].Notes, fmt.Sprintf("nothing is in scope of the text %s: no registered terminal is what it says in this period",
					[...]string{"in force", "that is supposed"}[side]))
			}
		}
	}
	for k, p := range in.Decided {
		at(rowKey{p.Period, k.Objective, k.Scope}).decided[k] = p
		if names[p.Period] == nil {
			names[p.Period] = &Period{From: rfc3339(p.Period.From, time.UTC), To: rfc3339(p.Period.To, time.UTC), span: p.Period, Rows: []*Row{}, Totals: []Total{}}
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(rows), func(a, b rowKey) int {
		return cmp.Or(cmp.Compare(a.period.From, b.period.From), strings.Compare(a.objective, b.objective), a.Compare(b.Scope))
	}) {
		p := names[k.period]
		p.Rows = append(p.Rows, rows[k].row(k, r.Clauses, in))
	}
	all := sums{}
	for _, p := range slices.SortedFunc(maps.Values(names), func(a, b *Period) int {
		return cmp.Or(cmp.Compare(a.span.From, b.span.From), cmp.Compare(a.span.To, b.span.To))
	}) {
		p.close(all)
		r.Periods = append(r.Periods, p)
	}
	r.Totals = all.totals()
	return r
}

func rfc3339(ms int64, zone *time.Location) string {
	return time.UnixMilli(ms).In(zone).Format(time.RFC3339)
}

// named is the period of a part.
func named(p *evaluation.Part) *Period {
	x := statement.PeriodOf(sla.Calendar{Unit: sla.Unit(p.Terms.Period), Zone: p.Zone()}, p.Period)
	return &Period{Name: x.Name, From: x.From.Format(time.RFC3339), To: x.To.Format(time.RFC3339), span: p.Period, Rows: []*Row{}, Totals: []Total{}}
}

// row compares the sides of a row.
func (x *pair) row(k rowKey, all []Clause, in *Input) *Row {
	r := &Row{Objective: k.objective, Kind: k.Kind, Scope: k.Name, Decided: []*Side{}, Would: []*Side{}}
	if k.Kind == "terminal" {
		r.Scope = k.Store + "/" + k.Name
	}
	seen := map[evaluation.Key]bool{}
	for _, l := range x.today {
		today := sideOf(l)
		p := x.decided[l.Key()]
		if seen[l.Key()] = true; p == nil {
			r.Decided = append(r.Decided, today)
			continue
		}
		was := published(p, l)
		if was.Note = today.Note; !was.same(today) {
			was.Today = today
		}
		r.Decided = append(r.Decided, was)
	}
	for _, key := range slices.SortedFunc(maps.Keys(x.decided), func(a, b evaluation.Key) int {
		return cmp.Or(cmp.Compare(a.Part, b.Part), cmp.Compare(a.Version, b.Version))
	}) {
		if !seen[key] {
			was := published(x.decided[key], &evaluation.Line{Objective: objectiveOf(in.Was, key), Currency: currencyOf(in.Was, key.Version)})
			was.Version = key.Version
			r.Decided = append(r.Decided, was)
			r.Notes = append(r.Notes, "what was decided cannot be reckoned again: its scope is not registered any more")
		}
	}
	for _, l := range x.would {
		r.Would = append(r.Would, sideOf(l))
	}
	r.compare(x, all, in)
	return r
}

// compare says whether the sides are the same, and if not why.
func (r *Row) compare(x *pair, all []Clause, in *Input) {
	now := r.now()
	r.Same = len(now) == len(r.Would)
	for i := 0; r.Same && i < len(now); i++ {
		r.Same = now[i].same(r.Would[i]) && r.Decided[i].Today == nil
	}
	credits := func(sides []*Side) (sum, due int64, currency string, one bool) {
		one = true
		for _, s := range sides {
			one = one && (currency == "" || s.Currency == "" || s.Currency == currency)
			currency = cmp.Or(currency, s.Currency)
			sum, due = sum+s.credit, due+s.due
		}
		return sum, due, currency, one
	}
	was, _, currency, one := credits(r.Decided)
	is, dueIs, other, oneIs := credits(r.Would)
	today, dueToday, _, _ := credits(now)
	if one && oneIs && (currency == "" || other == "" || currency == other) && cmp.Or(currency, other) != "" {
		r.Difference = statement.AmountOf(is-was, cmp.Or(currency, other))
	}
	if r.Same {
		return
	}
	for _, s := range r.Decided {
		if s.Today != nil {
			r.Notes = append(r.Notes, "what is known now is not what was known when it was decided: by the text in force it would be "+s.Today.String())
		}
	}
	switch {
	case len(x.would) == 0 && len(now) > 0:
		r.Notes = append(r.Notes, r.gone(in.Is, x.today, "supposed"))
	case len(now) == 0 && len(in.Was) > 0:
		r.Notes = append(r.Notes, r.gone(in.Was, x.would, "in force"))
	}
	figures, judged := len(now) != len(r.Would), len(now) != len(r.Would)
	for i := 0; !judged && i < len(now); i++ {
		a, b := now[i], r.Would[i]
		figures = figures || !equal(a.Figure, b.Figure) || !equal(a.Low, b.Low) || !equal(a.High, b.High)
		judged = judged || a.Verdict != b.Verdict
	}
	r.Promise = !figures && !judged && was == is && today == is && dueToday == dueIs
	b := bearing{objective: r.Objective, measured: figures || judged, money: today != is || dueToday != dueIs, in: in}
	for _, l := range slices.Concat(x.today, x.would) {
		b.timed = b.timed || slices.Contains([]string{agreement.Uptime, agreement.StoreQuorum, agreement.TimeToRepair, agreement.Composite}, l.Objective.Indicator)
	}
	for _, s := range slices.Concat(now, r.Would) {
		b.unknown, b.cut = b.unknown || !equal(s.Low, s.High), b.cut || s.credit != s.due
	}
	for _, c := range all {
		if b.on(c.Path) && !slices.Contains(r.Clauses, c.Path) {
			r.Clauses = append(r.Clauses, c.Path)
		}
	}
	if len(x.today) > 0 && len(x.would) > 0 {
		r.Evidence = changes(x.today, x.would)
	}
	switch money := slices.ContainsFunc(r.Clauses, func(p string) bool { return strings.HasPrefix(p, "remedies.") }); {
	case today == is || len(now) == 0 || len(r.Would) == 0 || money:
	case dueToday == dueIs:
		r.Notes = append(r.Notes, "the same is due, but with what is due for the others it is cut otherwise (at_risk, minimum)")
	case !figures && !judged:
		r.Notes = append(r.Notes, "periods before it came to other verdicts (repeat), or the fee falls to other scopes")
	}
}

// now are the sides of the texts in force with what is known now.
func (r *Row) now() []*Side {
	out := make([]*Side, len(r.Decided))
	for i, s := range r.Decided {
		if out[i] = s; s.Today != nil {
			out[i] = s.Today
		}
	}
	return out
}

// gone says why one of the texts has no such row.
func (r *Row) gone(texts []agreement.Stretch, there []*evaluation.Line, which string) string {
	for i := range texts {
		for _, o := range texts[i].Terms.Objectives {
			if o.Name != r.Objective {
				continue
			}
			if len(there) > 0 && there[0].Terms.Period != texts[i].Terms.Period {
				return fmt.Sprintf("the periods of the text %s are by %s", which, texts[i].Terms.Period)
			}
			if cmp.Or(o.Per, "customer") != r.Kind {
				return fmt.Sprintf("in the text %s it is per %s", which, cmp.Or(o.Per, "customer"))
			}
			return "it is not in the scope of the text " + which
		}
	}
	return fmt.Sprintf("the text %s has no objective %s", which, r.Objective)
}

func objectiveOf(texts []agreement.Stretch, k evaluation.Key) *agreement.Objective {
	for i := range texts {
		for j := range texts[i].Terms.Objectives {
			if o := &texts[i].Terms.Objectives[j]; texts[i].Version == k.Version && o.Name == k.Objective {
				return o
			}
		}
	}
	return &agreement.Objective{Name: k.Objective}
}

func currencyOf(texts []agreement.Stretch, version int) string {
	for i := range texts {
		if texts[i].Version == version {
			return texts[i].Terms.Remedies.Base.Currency
		}
	}
	return ""
}
