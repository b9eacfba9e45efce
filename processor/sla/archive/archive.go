// Package archive issues statements: it finds the periods that were closed, or restated since, has their documents made (package statement), and links
// them to the chain of the agreement. What was issued is never made again: a document is read as it was written. Issuing again with the same rows issues
// nothing, and several issuers may be at work: of two links with one number the first stays, and the other looks again.
package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla"
	"github.com/tillstream/tillstream/processor/sla/agreement"
	"github.com/tillstream/tillstream/processor/sla/statement"
)

// Entry is a link of the chain as it is kept.
type Entry struct {
	Contract string
	Number   uint64
	Period   string        // 2026-10
	First    registry.Date // of the period
	Revision uint32
	Stage    sla.Stage
	At       int64 // published, ms
	AsOf     int64 // of the newest row it was made of, ms
	Previous string
	Replaces string
	Signed   statement.Signed // without the statement in a list of entries
}

// Period is what the newest rows of a period of an agreement are.
type Period struct {
	First registry.Date
	Span  interval.Span
	Open  uint64 // rows that are provisional
	AsOf  int64  // of the newest row
}

// Rows are the newest rows of a period.
type Rows struct {
	Period
	Stages     map[sla.Stage]int
	Reasons    []string // of what was restated, each once
	Verdicts   []statement.Verdict
	Evidence   []statement.Piece
	Currency   string
	Automatic  bool                    // credits need no claim
	ClaimUntil int64                   // ms; 0: no deadline
	Service    map[string]interval.Set // opening hours in the period, by store, as far as they are needed
}

// Published is where the rows are.
type Published interface {
	// Periods are those of all agreements, in order.
	Periods(ctx context.Context) (map[string][]Period, error)
	// Rows are the newest of a period, which begins on a date.
	Rows(ctx context.Context, contract string, first registry.Date) (*Rows, error)
	// Breaches are the newest verdicts of an agreement that are breaches, of periods that end after an instant and not after another, ms.
	Breaches(ctx context.Context, contract string, after, until int64) ([]sla.Breach, error)
}

// Chain is where the links are.
type Chain interface {
	// Entries are the links of an agreement by number, without the statements; of all agreements if none is named.
	Entries(ctx context.Context, contract string) ([]Entry, error)
	// Append writes a link. Of two with one number the first stays: the caller reads it back.
	Append(ctx context.Context, e *Entry) error
}

// Archive issues the statements of agreements.
type Archive struct {
	Published
	Chain
	Limits statement.Limits // the default ones if zero
}

// Contract is an agreement with what a statement says of it.
type Contract struct {
	Name  string
	Title string              // for people
	Texts []agreement.Stretch // that are measured
	Names map[string]string   // of parties, for people, by id
}

// ErrNothing says that nothing was published of a period.
var ErrNothing = errors.New("nothing was published of it")

// Due are the periods, by agreement, of which a statement is to be issued: those that are closed, and those restated since their last statement.
func (a *Archive) Due(ctx context.Context) (map[string][]Period, error) {
	all, err := a.Periods(ctx)
	if err != nil {
		return nil, err
	}
	links, err := a.Entries(ctx, "")
	if err != nil {
		return nil, err
	}
	type key struct {
		contract string
		first    registry.Date
	}
	issued := map[key]int64{}
	for i := range links {
		k := key{links[i].Contract, links[i].First}
		issued[k] = max(issued[k], links[i].AsOf)
	}
	due := map[string][]Period{}
	for contract, periods := range all {
		for _, p := range periods {
			if p.Open == 0 && p.AsOf > issued[key{contract, p.First}] {
				due[contract] = append(due[contract], p)
			}
		}
	}
	return due, nil
}

// Issue appends the statements of periods that are due. It gives what is new.
func (a *Archive) Issue(ctx context.Context, c *Contract, due []Period) ([]Entry, error) {
	var out []Entry
	for i := range due {
		e, err := a.issue(ctx, c, &due[i])
		if err != nil {
			return out, fmt.Errorf("statement of %s, period from %s: %w", c.Name, due[i].First, err)
		}
		if e != nil {
			out = append(out, *e)
		}
	}
	return out, nil
}

// attempts bound how often an issuer looks again because another one was faster.
const attempts = 10

func (a *Archive) issue(ctx context.Context, c *Contract, p *Period) (*Entry, error) {
	for range attempts {
		chain, err := a.Entries(ctx, c.Name)
		if err != nil {
			return nil, err
		}
		if last := Newest(chain, p.First); last != nil && last.AsOf >= p.AsOf {
			return nil, nil
		}
		rows, err := a.Rows(ctx, c.Name, p.First)
		if err != nil {
			return nil, err
		}
		if rows.Open > 0 {
			return nil, nil // a new scope came since
		}
		e, err := a.make(ctx, c, rows, chain)
		if err != nil {
			return nil, err
		}
		if err := a.Append(ctx, e); err != nil {
			return nil, err
		}
		if chain, err = a.Entries(ctx, c.Name); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(chain, func(x Entry) bool { return x.Number == e.Number && x.Signed.Hash == e.Signed.Hash }) {
			return e, nil
		}
	}
	return nil, errors.New("others issue statements of this agreement all the time, and were faster ten times: see that only one tillstream run measures it")
}

// Newest is the last link of a period; nil if there is none.
func Newest(chain []Entry, first registry.Date) *Entry {
	for i := len(chain) - 1; i >= 0; i-- {
		if chain[i].First == first {
			return &chain[i]
		}
	}
	return nil
}

// make is the link that follows a chain.
func (a *Archive) make(ctx context.Context, c *Contract, rows *Rows, chain []Entry) (*Entry, error) {
	e := &Entry{Contract: c.Name, Number: 1, First: rows.First, Revision: 1, Stage: sla.Final, At: rows.AsOf, AsOf: rows.AsOf}
	if n := len(chain); n > 0 {
		last := &chain[n-1]
		e.Number, e.Previous, e.At = last.Number+1, last.Signed.Hash, max(e.At, last.At)
	}
	reason := ""
	if was := Newest(chain, rows.First); was != nil {
		e.Revision, e.Stage, e.Replaces = was.Revision+1, sla.Restated, was.Signed.Hash
		reason = cmp.Or(strings.Join(rows.Reasons, "; "), "what was published changed")
	}
	d, err := a.document(ctx, c, rows, statement.Link{Number: e.Number, Previous: e.Previous, Replaces: e.Replaces}, e.Revision, e.Stage, e.At, reason)
	if err != nil {
		return nil, err
	}
	e.Period, e.Signed = d.Period.Name, statement.Sign(d)
	return e, nil
}

// Provisional is the statement of a period as it would be now. It is in no chain.
func (a *Archive) Provisional(ctx context.Context, c *Contract, first registry.Date) (*statement.Signed, error) {
	rows, err := a.Rows(ctx, c.Name, first)
	if err != nil {
		return nil, err
	}
	chain, err := a.Entries(ctx, c.Name)
	if err != nil {
		return nil, err
	}
	var link statement.Link
	if n := len(chain); n > 0 {
		link.Previous = chain[n-1].Signed.Hash
	}
	d, err := a.document(ctx, c, rows, link, 0, sla.Provisional, rows.AsOf, "")
	if err != nil {
		return nil, err
	}
	s := statement.Sign(d)
	return &s, nil
}

// Part is the document of one objective of a period as it is now, of one scope: of that which fares worst if none is named. ErrNothing if there is no such thing.
func (a *Archive) Part(ctx context.Context, c *Contract, first registry.Date, objective, scope string) (*statement.Document, error) {
	rows, err := a.Rows(ctx, c.Name, first)
	if err != nil {
		return nil, err
	}
	only := func(scope string) {
		other := func(o *statement.Of) bool { return o.Objective != objective || scope != "" && o.Scope != scope }
		rows.Verdicts = slices.DeleteFunc(rows.Verdicts, func(v statement.Verdict) bool { return other(&v.Of) })
		rows.Evidence = slices.DeleteFunc(rows.Evidence, func(p statement.Piece) bool { return other(&p.Of) })
	}
	only(scope)
	d, err := a.document(ctx, c, rows, statement.Link{}, 0, sla.Provisional, rows.AsOf, "")
	if err != nil || scope != "" {
		return d, err
	}
	for i := range d.Objectives {
		if all := d.Objectives[i].Scopes; len(all) > 0 {
			only(all[0].ID)
			return a.document(ctx, c, rows, statement.Link{}, 0, sla.Provisional, rows.AsOf, "")
		}
	}
	return nil, ErrNothing
}

func (a *Archive) document(ctx context.Context, c *Contract, rows *Rows, link statement.Link, revision uint32, stage sla.Stage, at int64, reason string) (*statement.Document, error) {
	if len(rows.Verdicts) == 0 {
		return nil, ErrNothing
	}
	in := &statement.Input{
		Title: c.Title, Names: c.Names, Period: rows.Span, Revision: revision, Stage: stage, At: at, Reason: reason, Link: link,
		Verdicts: rows.Verdicts, Evidence: rows.Evidence,
		Service: func(scope string) interval.Set {
			store, _, _ := strings.Cut(scope, "/")
			return rows.Service[store]
		},
	}
	for _, t := range c.Texts {
		if !t.Span.Cut(rows.Span).Empty() {
			in.Texts = append(in.Texts, t)
		}
	}
	var err error
	if in.Backing, err = a.backing(ctx, in.Texts, rows.First); err != nil {
		return nil, err
	}
	if in.Rights, err = a.Rights(ctx, c, rows.Span.To); err != nil {
		return nil, err
	}
	in.Money = totals(rows, in.Texts, at)
	limits := a.Limits
	if limits == (statement.Limits{}) {
		limits = statement.DefaultLimits
	}
	return statement.New(in, limits)
}

// backing is how the agreements fare on which texts rest, in the period that begins on the same date.
func (a *Archive) backing(ctx context.Context, texts []agreement.Stretch, first registry.Date) (out []statement.Backing, err error) {
	for _, t := range texts {
		for _, name := range t.Terms.BackedBy {
			if slices.ContainsFunc(out, func(b statement.Backing) bool { return b.Agreement == name }) {
				continue
			}
			rows, err := a.Rows(ctx, name, first)
			if err != nil {
				return nil, err
			}
			if len(rows.Verdicts) > 0 {
				out = append(out, statement.Backing{Agreement: name, Verdict: statement.Worst(rows.Verdicts)})
			}
		}
	}
	return out, nil
}

// Rights are those that an agreement gives at an instant, ms, by the text in force just before it.
func (a *Archive) Rights(ctx context.Context, c *Contract, at int64) (out []statement.Right, err error) {
	i := slices.IndexFunc(c.Texts, func(t agreement.Stretch) bool { return t.Span.From < at && at <= t.Span.To })
	if i < 0 || len(c.Texts[i].Terms.Remedies.Escalate) == 0 {
		return nil, nil
	}
	t := &c.Texts[i]
	after := at
	for j := range t.Terms.Remedies.Escalate {
		after = min(after, sla.RightsSince(&t.Terms.Remedies.Escalate[j], at, t.Zone()))
	}
	breaches, err := a.Breaches(ctx, c.Name, after, at)
	if err != nil {
		return nil, err
	}
	for _, r := range sla.RightsOf(&t.Terms, breaches, at, t.Zone()) {
		out = append(out, statement.RightOf(&r, t))
	}
	return out, nil
}

// Compare says whether the newest statement of each period still is what its rows say. documents are those of entries.
func (a *Archive) Compare(ctx context.Context, contract string, entries []Entry, documents []*statement.Document) error {
	for i := range entries {
		e, d := &entries[i], documents[i]
		if e.Contract != d.Agreement.Name || e.Number != d.Chain.Number || e.Period != d.Period.Name || e.Revision != d.Revision {
			return fmt.Errorf("the row of statement %d says %s, revision %d; the statement itself is %d of %s, revision %d", e.Number, e.Period, e.Revision, d.Chain.Number, d.Period.Name, d.Revision)
		}
		if Newest(entries, e.First) != e {
			continue
		}
		rows, err := a.Rows(ctx, contract, e.First)
		if err != nil {
			return err
		}
		if rows.AsOf > e.AsOf {
			continue // a restatement that is about to be issued
		}
		if is := statement.DigestsOf(rows.Verdicts, rows.Evidence, d); is != d.Rows {
			what := "verdicts"
			if is.Verdicts == d.Rows.Verdicts {
				what = "evidence"
			}
			return fmt.Errorf("statement %d (%s) stands, but its %s in tillstream.sla_statements and tillstream.sla_evidence were changed since: digests %v, published with %v", e.Number, e.Period, what, is, d.Rows)
		}
	}
	return nil
}

// totals is what the texts say of the credits; nil if no text has any.
func totals(rows *Rows, texts []agreement.Stretch, at int64) *statement.Totals {
	if len(texts) == 0 || !slices.ContainsFunc(texts, func(s agreement.Stretch) bool { return len(s.Terms.Remedies.Credits) > 0 }) {
		return nil
	}
	m := &statement.Totals{Currency: rows.Currency, ClaimUntil: rows.ClaimUntil}
	m.Claim = sla.Claiming(rows.Automatic, rows.ClaimUntil, 0, at)
	if m.Claim == sla.Payable {
		m.ClaimUntil = 0
	}
	t := &texts[0].Terms
	base := &t.Remedies.Base
	if len(texts) > 1 || base.Amount == nil || base.Each != "" {
		return m // what it comes to depends on counted time, or on how many there are
	}
	fee := sla.BaseOf(t, *base.Amount, rows.Span, texts[0].Zone())
	most := func(share sla.Share) *int64 { return &sla.Pool([]int64{math.MaxInt64}, fee, share)[0] } // of credits without end
	risk := sla.One
	if !t.Remedies.AtRisk.IsZero() {
		risk = sla.Share(t.Remedies.AtRisk.Nano())
	}
	m.Base, m.Limit = most(sla.One), most(risk)
	return m
}
