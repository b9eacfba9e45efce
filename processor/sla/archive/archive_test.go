package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla"
	"github.com/tillstream/tillstream/processor/sla/agreement"
	"github.com/tillstream/tillstream/processor/sla/statement"
)

const text = `{
	"parties": {"provider": "p", "customer": "c"}, "timezone": "Europe/Paris", "period": "month", "backedBy": ["line"],
	"objectives": [{"name": "up", "indicator": "uptime", "per": "terminal", "target": "0.995"}],
	"remedies": {"base": {"amount": 120000, "currency": "EUR", "per": "year"}, "at_risk": "0.125", "credits": [{"objective": "up", "fixed": 100, "each": "breach"}]}
}`

func month(t testing.TB, n int) (registry.Date, interval.Span) {
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	begin := func(n int) registry.Date { return registry.DateOf(2026, time.Month(n), 1) }
	return begin(n), interval.Span{From: registry.Begins(zone, begin(n)), To: registry.Begins(zone, begin(n+1))}
}

func contract(t testing.TB) *Contract {
	t.Helper()
	r := &agreement.Resolved{Agreement: "a", Type: "sla", Level: "customer", Version: 1, From: registry.DateOf(2026, 1, 1)}
	if err := json.Unmarshal([]byte(text), &r.Terms); err != nil {
		t.Fatal(err)
	}
	_, first := month(t, 1)
	return &Contract{Name: "a", Title: "A", Texts: []agreement.Stretch{{Resolved: r, First: r.From, Span: interval.Span{From: first.From, To: interval.Max}}}}
}

// shelf is both stores in memory. before is called before a link is appended: somebody else may be faster.
type shelf struct {
	rows   map[registry.Date]*Rows
	links  []Entry
	before func()
}

func (s *shelf) Periods(context.Context) (map[string][]Period, error) {
	var all []Period
	for _, r := range s.rows {
		all = append(all, r.Period)
	}
	slices.SortFunc(all, func(a, b Period) int { return int(a.First - b.First) })
	return map[string][]Period{"a": all}, nil
}

// issueDue issues what is due.
func issueDue(t rapid.TB, a *Archive, c *Contract) []Entry {
	t.Helper()
	due, err := a.Due(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	out, err := a.Issue(context.Background(), c, due["a"])
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (s *shelf) Rows(_ context.Context, contract string, first registry.Date) (*Rows, error) {
	r := s.rows[first]
	switch {
	case r == nil:
		return &Rows{}, nil
	case contract == "line":
		return &Rows{Verdicts: []statement.Verdict{{Result: sla.Result{Verdict: sla.Met}}, {Result: sla.Result{Verdict: sla.Undetermined}}}}, nil
	}
	c := *r
	c.Verdicts = slices.Clone(r.Verdicts)
	return &c, nil
}

func (s *shelf) Breaches(_ context.Context, contract string, after, until int64) (out []sla.Breach, _ error) {
	for _, r := range s.rows {
		for _, v := range r.Verdicts {
			if v.Result.Verdict == sla.Breached && after < r.Span.To && r.Span.To <= until {
				out = append(out, sla.Breach{Objective: v.Objective, Scope: v.Scope, Period: r.Span, Final: r.Open == 0})
			}
		}
	}
	return out, nil
}

func (s *shelf) Entries(context.Context, string) ([]Entry, error) { return slices.Clone(s.links), nil }

func (s *shelf) Append(_ context.Context, e *Entry) error {
	if s.before != nil {
		s.before()
	}
	if !slices.ContainsFunc(s.links, func(x Entry) bool { return x.Number == e.Number }) {
		s.links = append(s.links, *e)
	}
	return nil
}

func (s *shelf) put(t testing.TB, n int, down, at int64, open bool) {
	first, span := month(t, n)
	f := sla.Figures{Committed: 1000, Counted: 1000, Down: down}
	r := &Rows{Period: Period{First: first, Span: span, AsOf: at}, Currency: "EUR", Automatic: true}
	if open {
		r.Open = 1
	}
	if s.rows[first] != nil {
		r.Reasons = []string{"evidence came late"}
	}
	r.Verdicts = []statement.Verdict{{Of: statement.Of{Part: span.From, Version: 1, Objective: "up", Scope: "s/t"}, Result: f.Result(995_000_000), Figures: &f}}
	s.rows[first] = r
}

func (s *shelf) verify(t rapid.TB) statement.Verified {
	t.Helper()
	all := make([]statement.Signed, len(s.links))
	for i := range s.links {
		all[i] = s.links[i].Signed
	}
	v, err := statement.Verify(all)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Whatever is published and restated, in whatever order, by however many issuers: the chain holds, each state that was looked at is issued once, and the newest
// statement of each period is that of its newest rows.
func TestIssue(t *testing.T) {
	c := contract(t)
	rapid.Check(t, func(r *rapid.T) {
		s := &shelf{rows: map[registry.Date]*Rows{}}
		a := &Archive{Published: s, Chain: s}
		issue := func() []Entry { return issueDue(r, a, c) }
		now, closed := int64(1_800_000_000_000), map[int]bool{}
		issued := map[string]bool{} // by hash: two may issue the same
		note := func(all []Entry) {
			for _, e := range all {
				issued[e.Signed.Hash] = true
			}
		}
		for range rapid.IntRange(1, 12).Draw(r, "steps") {
			now += rapid.Int64Range(1, 1_000_000).Draw(r, "later")
			n := rapid.IntRange(1, 3).Draw(r, "month")
			closed[n] = closed[n] || rapid.Bool().Draw(r, "closed")
			s.put(t, n, rapid.Int64Range(0, 20).Draw(r, "down"), now, !closed[n])
			if rapid.Bool().Draw(r, "another is faster") {
				s.before = func() {
					s.before = nil
					note(issue())
				}
			}
			note(issue())
			if again := issue(); len(again) > 0 {
				r.Fatalf("the same rows came to %d statements more", len(again))
			}
			s.before = nil
		}
		v := s.verify(r)
		if len(issued) != len(s.links) || len(s.links) > 0 && v.First != 1 {
			r.Fatalf("%d statements were said to be issued, %d are there, from %d on", len(issued), len(s.links), v.First)
		}
		if err := a.Compare(t.Context(), "a", s.links, v.Documents); err != nil {
			r.Fatal(err)
		}
		for n := range 4 {
			first, _ := month(t, n)
			last := Newest(s.links, first)
			if rows := s.rows[first]; (last != nil) != (rows != nil && rows.Open == 0) || last != nil && last.AsOf != rows.AsOf {
				r.Fatalf("month %d: %+v of %+v", n, last, rows)
			}
		}
	})
}

func TestDocumentOfAgreement(t *testing.T) {
	s := &shelf{rows: map[registry.Date]*Rows{}}
	a, c := &Archive{Published: s, Chain: s}, contract(t)
	s.put(t, 1, 6, 1_800_000_000_000, false)
	issueDue(t, a, c)
	s.put(t, 1, 4, 1_800_000_100_000, false)
	s.put(t, 2, 4, 1_800_000_200_000, true)
	issueDue(t, a, c)
	docs := s.verify(t).Documents
	if len(docs) != 2 {
		t.Fatalf("%d statements", len(docs))
	}
	m := docs[0].Summary.Money
	if m.Base != "100.00" || m.Limit != "12.50" || m.Claim != sla.Payable || m.ClaimUntil != nil { // a twelfth of 1,200.00
		t.Errorf("%+v", m)
	}
	if got := fmt.Sprintf("%s %s %s %v %v", docs[0].Stage, docs[1].Stage, docs[1].Reason, docs[0].Backing, docs[1].Chain.Replaces == s.links[0].Signed.Hash); got != "final restated evidence came late [{line undetermined}] true" {
		t.Error(got)
	}
	first, _ := month(t, 2)
	p, err := a.Provisional(t.Context(), c, first)
	if err != nil {
		t.Fatal(err)
	}
	if d, err := p.Document(); err != nil || d.Stage != sla.Provisional || d.Chain != (statement.Link{Previous: s.links[1].Signed.Hash}) {
		t.Errorf("%+v, %v", d, err)
	}
	third, _ := month(t, 3)
	if _, err := a.Provisional(t.Context(), c, third); !errors.Is(err, ErrNothing) {
		t.Error(err)
	}
	if _, err := a.Part(t.Context(), c, first, "up", "nobody"); !errors.Is(err, ErrNothing) {
		t.Error(err)
	}
	if d, err := a.Part(t.Context(), c, first, "up", ""); err != nil || len(d.Objectives[0].Scopes) != 1 {
		t.Errorf("%+v, %v", d, err)
	}

	january, _ := month(t, 1)
	s.rows[january].Verdicts[0].Paid++
	if err := a.Compare(t.Context(), "a", s.links, docs); err == nil || !strings.Contains(err.Error(), "statement 2 (2026-01) stands, but its verdicts") {
		t.Error(err)
	}
	s.rows[january].AsOf++ // published since: to be restated
	if err := a.Compare(t.Context(), "a", s.links, docs); err != nil {
		t.Error(err)
	}
	s.links[1].Period = "2026-02"
	if err := a.Compare(t.Context(), "a", s.links, docs); err == nil || !strings.Contains(err.Error(), "the row of statement 2 says 2026-02") {
		t.Error(err)
	}
}
