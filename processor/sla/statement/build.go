package statement

import (
	"cmp"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla"
	"github.com/tillstream/tillstream/processor/sla/agreement"
)

// Limits are how much a document lists. What is left out is in the sums and the digests.
type Limits struct{ Scopes, Evidence int } // of an objective

// DefaultLimits keep a page of the largest chain readable, and a document below a few MB.
var DefaultLimits = Limits{Scopes: 60, Evidence: 200}

// Input is all that a statement is made of: what was published of a period of an agreement, and what it is about.
type Input struct {
	Texts    []agreement.Stretch // those in force in the period, in order; one at least
	Title    string              // of the agreement, for people
	Names    map[string]string   // of the parties, for people, by id
	Period   interval.Span       // of the last text's calendar
	Revision uint32
	Stage    sla.Stage
	At       int64
	Reason   string
	Link     Link
	Verdicts []Verdict
	Evidence []Piece
	Money    *Totals
	Backing  []Backing
	Rights   []Right // at the end of the period
	// Service is when a scope is in service, so that an outage of several days is shown on those on which it counted. May be nil, or give nil.
	Service func(scope string) interval.Set
}

// Of says what a row is about.
type Of struct {
	Part      int64 // the beginning of the part of the period in which its text is in force, ms
	Version   int   // of the text
	Objective string
	Scope     string // a terminal as store/terminal
}

// Verdict is one row of what was published.
type Verdict struct {
	Of
	Result     sla.Result
	Figures    *sla.Figures // of objectives about time
	Was        sla.Ratio    // of a restated one
	Due        int64        // credits, minor units
	Paid       int64
	EarnedBack int64 // of an earlier credit
	Pending    bool
	Note       string // why there is no figure
}

// Piece is one row of evidence.
type Piece struct {
	Of
	sla.Evidence
}

// What digests are of: a row as the document would list it, and of which objective it is.
type (
	rowOf struct {
		Part      time.Time `json:"part"`
		Version   int       `json:"version"`
		Objective string    `json:"objective"`
	}
	verdictRow struct {
		rowOf
		Scope
	}
	evidenceRow struct {
		rowOf
		Evidence
	}
)

// Totals are what is agreed about the credits of a period. Amounts are minor units.
type Totals struct {
	Currency   string
	Base       *int64 // nil: it is not known here
	Limit      *int64 // of all credits together; nil: it is not known here
	Claim      sla.ClaimState
	ClaimUntil int64 // ms; 0: no deadline
}

// New makes the document of an input. The order of rows does not matter.
func New(in *Input, limits Limits) (*Document, error) {
	if len(in.Texts) == 0 {
		return nil, errors.New("no text of the agreement is in force in the period")
	}
	last := in.Texts[len(in.Texts)-1].Resolved
	zone := last.Zone()
	b := &builder{Input: in, zone: zone, limits: limits}
	if in.Money != nil {
		b.currency = in.Money.Currency
	}
	party := func(id string) Party { return Party{id, in.Names[id]} }
	d := &Document{
		Format: Format,
		Agreement: Agreement{
			Name: last.Agreement, Title: in.Title, Type: last.Type, Level: last.Level, Zone: zone.String(),
			Provider: party(last.Terms.Parties.Provider), Customer: party(last.Terms.Parties.Customer),
		},
		Period:   PeriodOf(sla.Calendar{Unit: sla.Unit(last.Terms.Period), Zone: zone}, in.Period),
		Revision: in.Revision, Stage: in.Stage, At: b.at(in.At), Reason: in.Reason, Chain: in.Link, Backing: in.Backing,
		Texts: []Text{}, Objectives: []Objective{},
	}
	rows, pieces := sorted(in.Verdicts, in.Evidence)
	known := 0
	for i := range in.Texts {
		t := &in.Texts[i]
		d.Texts = append(d.Texts, b.text(t))
		from := max(t.Span.From, in.Period.From)
		for _, o := range promised(t.Resolved) {
			mine := func(x *Of) bool { return x.Part == from && x.Version == t.Version && x.Objective == o.Name }
			verdicts := filter(rows, func(r *Verdict) bool { return mine(&r.Of) })
			x := b.objective(t, &o, verdicts, filter(pieces, func(p *Piece) bool { return mine(&p.Of) }))
			x.Text = i + 1
			known += len(verdicts)
			d.Objectives = append(d.Objectives, x)
		}
	}
	if known != len(rows) {
		return nil, fmt.Errorf("%d of %d verdicts are of no objective of the texts in force: the registry has other texts than those that were measured", len(rows)-known, len(rows))
	}
	slices.SortStableFunc(d.Objectives, func(a, b Objective) int {
		return cmp.Or(cmp.Compare(a.Text, b.Text), cmp.Compare(weight(&a), weight(&b)))
	})
	d.Rows = b.digests(rows, pieces)
	d.Rights = in.Rights[:min(len(in.Rights), limits.Scopes)]
	d.MoreRights = len(in.Rights) - len(d.Rights)
	d.Summary = b.summary(d.Objectives)
	return d, nil
}

// promised are the objectives of a text, and those that an amendment has dropped: what was decided of them is taken back.
func promised(r *agreement.Resolved) []agreement.Objective {
	out := r.Terms.Objectives
	for was := r.Amended; was != nil; was = was.Amended {
		for _, o := range was.Terms.Objectives {
			if !slices.ContainsFunc(out, func(x agreement.Objective) bool { return x.Name == o.Name }) {
				out = append(slices.Clip(out), o)
			}
		}
	}
	return out
}

// RightOf tells a right of a text.
func RightOf(r *sla.Right, t *agreement.Stretch) Right {
	c := sla.Calendar{Unit: sla.Unit(t.Terms.Period), Zone: t.Zone()}
	out := Right{Right: r.Right, Breaches: r.Breaches, Within: r.Within.String(), Objective: r.Objective, Scope: r.Scope, Periods: []string{}, Pending: !r.Final()}
	for _, b := range r.Grounds {
		out.Periods = append(out.Periods, PeriodOf(c, b.Period).Name)
	}
	return out
}

// sorted are rows in the order in which digests are made of them.
func sorted(verdicts []Verdict, evidence []Piece) ([]Verdict, []Piece) {
	rows, pieces := slices.Clone(verdicts), slices.Clone(evidence)
	slices.SortFunc(rows, func(a, b Verdict) int { return a.compare(&b.Of) })
	slices.SortFunc(pieces, byTime)
	return rows, pieces
}

func (b *builder) digests(rows []Verdict, pieces []Piece) Digests {
	verdicts, evidence := make([]verdictRow, len(rows)), make([]evidenceRow, len(pieces))
	for i := range rows {
		verdicts[i] = verdictRow{b.row(&rows[i].Of), b.scope(&rows[i], &agreement.Objective{}, true)}
	}
	for i := range pieces {
		evidence[i] = evidenceRow{b.row(&pieces[i].Of), b.evidence(&pieces[i])}
	}
	return Digests{digestOf(verdicts), digestOf(evidence)}
}

// DigestsOf are the digests of rows, as the document of their period has them. The order of the rows does not matter.
func DigestsOf(verdicts []Verdict, evidence []Piece, d *Document) Digests {
	b := &builder{zone: d.At.Location()}
	if d.Summary.Money != nil {
		b.currency = d.Summary.Money.Currency
	}
	return b.digests(sorted(verdicts, evidence))
}

// Worst is the worst of verdicts.
func Worst(all []Verdict) sla.Verdict {
	var t Tally
	for i := range all {
		t.add(all[i].Result.Verdict)
	}
	v, _ := t.worst()
	return v
}

// weight orders objectives: those that cost, those that count, and those that are only shown.
func weight(o *Objective) int {
	switch {
	case o.Reported:
		return 3
	case o.Weight != "":
		return 2
	case o.Credit == nil:
		return 1
	}
	return 0
}

func filter[T any](all []T, keep func(*T) bool) (out []T) {
	for i := range all {
		if keep(&all[i]) {
			out = append(out, all[i])
		}
	}
	return out
}

func (o *Of) compare(x *Of) int {
	return cmp.Or(cmp.Compare(o.Part, x.Part), cmp.Compare(o.Version, x.Version), strings.Compare(o.Objective, x.Objective), strings.Compare(o.Scope, x.Scope))
}

// byTime orders evidence completely: no two rows that differ are equal.
func byTime(a, b Piece) int {
	return cmp.Or(cmp.Compare(a.Part, b.Part), cmp.Compare(a.Version, b.Version), strings.Compare(a.Objective, b.Objective),
		cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), strings.Compare(a.Scope, b.Scope), strings.Compare(a.Kind, b.Kind), strings.Compare(a.Ref, b.Ref),
		strings.Compare(string(a.Decision), string(b.Decision)), strings.Compare(a.Rule, b.Rule), strings.Compare(a.Note, b.Note), cmp.Compare(a.CountedMS, b.CountedMS),
		cmp.Compare(a.CountedEvents, b.CountedEvents), strings.Compare(a.Party, b.Party), strings.Compare(a.DecidedBy, b.DecidedBy), cmp.Compare(a.DecidedAt, b.DecidedAt))
}

type builder struct {
	*Input
	zone     *time.Location
	limits   Limits
	currency string
}

// at is an instant in the zone of the agreement. What never ends does so in 9999: RFC 3339 has no more years.
func (b *builder) at(ms int64) time.Time {
	const first, last = -62_135_596_800_000 + dayMS, 253_402_300_800_000 - dayMS
	return time.UnixMilli(min(max(ms, first), last)).In(b.zone)
}

func (b *builder) row(o *Of) rowOf { return rowOf{b.at(o.Part), o.Version, o.Objective} }

func (b *builder) amount(n int64) Amount { return AmountOf(n, b.currency) }

func (b *builder) text(s *agreement.Stretch) Text {
	in := s.Span.Cut(b.Period)
	t := Text{Version: s.Version, Amendment: s.Amendment, Amends: s.Reason, From: b.at(in.From), To: b.at(in.To), Hash: s.Hash(), By: s.Signed.By, Document: s.Signed.Document}
	if s.Signed.On != nil {
		t.Signed = s.Signed.On.String()
	}
	y, m, d := t.To.Add(-time.Millisecond).Date()
	if next, ok := s.Next(registry.DateOf(y, m, d)); ok {
		t.Review, t.Announce = next.Due.String(), next.Notice.String()
	}
	return t
}

func (b *builder) objective(s *agreement.Stretch, o *agreement.Objective, rows []Verdict, pieces []Piece) Objective {
	out := Objective{
		Name: o.Name, Version: s.Version, Indicator: o.Indicator, Per: o.Per, Reported: o.Report != nil && *o.Report, Description: o.Description,
		Promise: promise(o, &s.Terms.Measurement), Scopes: []Scope{},
	}
	if o.Weight == "key" {
		out.Weight = o.Weight
	}
	paid := int64(0)
	for i := range rows {
		out.Tally.add(rows[i].Result.Verdict)
		paid += rows[i].Paid
	}
	costs := out.Weight == "" && !out.Reported && slices.ContainsFunc(s.Terms.Remedies.Credits, func(c agreement.Credit) bool { return c.Objective == o.Name })
	if costs {
		a := b.amount(paid)
		out.Credit = &a
	}
	slices.SortStableFunc(rows, func(x, y Verdict) int {
		return cmp.Or(cmp.Compare(rank(x.Result.Verdict), rank(y.Result.Verdict)), worse(&out.Promise, x.Result.Actual, y.Result.Actual))
	})
	shown := rows[:min(len(rows), b.limits.Scopes)]
	out.Others = len(rows) - len(shown)
	for i := range shown {
		out.Scopes = append(out.Scopes, b.scope(&shown[i], o, costs))
	}
	out.Days, out.Totals = b.days(pieces), totals(pieces)
	heavy := slices.Clone(pieces)
	slices.SortStableFunc(heavy, func(x, y Piece) int { return -cmp.Compare(x.CountedMS, y.CountedMS) })
	heavy = heavy[:min(len(heavy), b.limits.Evidence)]
	slices.SortFunc(heavy, byTime)
	for i := range heavy {
		out.Evidence = append(out.Evidence, b.evidence(&heavy[i]))
	}
	if len(pieces) > 0 {
		out.Query = fmt.Sprintf("SELECT * FROM pos.sla_evidence WHERE contract = %s AND version = %d AND objective = %s\n  AND period_start = '%s' ORDER BY started_at, kind, ref",
			sqlText(s.Agreement), s.Version, sqlText(o.Name), b.at(b.Period.From).Format(time.DateOnly))
	}
	return out
}

// sqlText is a text in SQL.
func sqlText(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// promise is what an objective promises.
func promise(o *agreement.Objective, m *agreement.Measurement) Promise {
	p := Promise{Op: "gte", Limit: o.Target.String(), Unit: Share, Slice: o.Slice.Milli(), Least: m.MinCoverage.String()}
	switch share := map[string]string{"p50": "0.5", "p90": "0.9"}[o.Statistic]; {
	case share != "" && (o.Indicator == agreement.AuthorisationMS || o.Indicator == agreement.ResponseMS): // judged as what it is: at least so many are at most the value
		p.Stat, p.Limit, p.Value = "share_below", share, o.Value.Decimal().String()
	case o.Target.IsZero() && !o.Value.IsZero():
		p.Op, p.Stat, p.Limit = cmp.Or(o.Op, "lte"), o.Statistic, o.Value.Decimal().String()
		if o.Value.IsDuration() {
			p.Limit = fmt.Sprint(o.Value.Milli())
		}
		if o.Indicator != agreement.PaymentFailures {
			p.Unit = MS
		}
	case !o.Value.IsZero():
		p.Stat, p.Value = o.Statistic, o.Value.Decimal().String()
	}
	return p
}

// rank orders verdicts, the worst first.
func rank(v sla.Verdict) int {
	return slices.Index([]sla.Verdict{sla.Breached, sla.Undetermined, sla.AtRisk, sla.Met, sla.NotApplicable}, v)
}

// worse orders figures, the worse first; those without a value last.
func worse(p *Promise, a, b sla.Ratio) int {
	switch {
	case !a.OK() || !b.OK():
		return cmp.Compare(b.Of, a.Of)
	case strings.HasPrefix(p.Op, "l"):
		return b.Cmp(a)
	}
	return a.Cmp(b)
}

func (t *Tally) add(v sla.Verdict) {
	switch v {
	case sla.Met:
		t.Met++
	case sla.Breached:
		t.Breached++
	case sla.Undetermined:
		t.Undetermined++
	case sla.AtRisk:
		t.AtRisk++
	default:
		t.NotApplicable++
	}
}

// worst is the worst verdict of a tally; ok is false if it has none.
func (t *Tally) worst() (sla.Verdict, bool) {
	switch {
	case t.Breached > 0:
		return sla.Breached, true
	case t.Undetermined > 0:
		return sla.Undetermined, true
	case t.AtRisk > 0:
		return sla.AtRisk, true
	case t.Met > 0:
		return sla.Met, true
	}
	return sla.NotApplicable, t.NotApplicable > 0
}

func (t *Tally) sum(o Tally) {
	t.Met, t.Breached, t.Undetermined, t.AtRisk, t.NotApplicable = t.Met+o.Met, t.Breached+o.Breached, t.Undetermined+o.Undetermined, t.AtRisk+o.AtRisk, t.NotApplicable+o.NotApplicable
}

func (b *builder) scope(r *Verdict, o *agreement.Objective, costs bool) Scope {
	x := &r.Result
	s := Scope{
		ID: r.Scope, Verdict: x.Verdict, Few: x.Few, Note: r.Note,
		Actual: FigureOf(x.Actual), Raw: FigureOf(x.Raw), Low: FigureOf(x.Low), High: FigureOf(x.High), Coverage: FigureOf(x.Coverage), Was: FigureOf(r.Was),
	}
	if f := r.Figures; f != nil {
		s.Outages = f.Outages
		s.Time = &Lengths{Committed: f.Committed, Excluded: f.Excluded, Counted: f.Counted, Unknown: f.Unknown, Down: f.Down}
		if !o.Target.IsZero() {
			budget := new(big.Rat).Mul(big.NewRat(int64(sla.One)-o.Target.Nano(), int64(sla.One)), big.NewRat(f.Counted+f.Ahead, 1))
			s.Time.Budget = short(budget, 9)
		}
	}
	if costs {
		s.Credit = &Credit{Due: b.amount(r.Due), Paid: b.amount(r.Paid), Pending: r.Pending}
		if r.EarnedBack != 0 {
			s.Credit.EarnedBack = b.amount(r.EarnedBack)
		}
	}
	return s
}

func (b *builder) evidence(p *Piece) Evidence {
	e := Evidence{
		Scope: p.Scope, Kind: p.Kind, Ref: p.Ref, From: b.at(p.From), To: b.at(p.To), Counted: p.CountedMS, Events: p.CountedEvents,
		Decision: p.Decision, Party: p.Party, Rule: p.Rule, DecidedBy: p.DecidedBy, Note: p.Note,
	}
	if p.DecidedAt != 0 {
		at := b.at(p.DecidedAt)
		e.DecidedAt = &at
	}
	return e
}

// totals are the sums by kind and decision, in the order in which they come first.
func totals(pieces []Piece) (out []Total) {
	for i := range pieces {
		p := &pieces[i]
		n := slices.IndexFunc(out, func(t Total) bool { return t.Kind == p.Kind && t.Decision == p.Decision })
		if n < 0 {
			n = len(out)
			out = append(out, Total{Kind: p.Kind, Decision: p.Decision})
		}
		out[n].Rows++
		out[n].Counted += p.CountedMS
	}
	slices.SortStableFunc(out, func(a, b Total) int { return strings.Compare(a.Kind, b.Kind) })
	return out
}

// days spreads evidence about time over local dates. What counted of it is spread in proportion to the service time of each date, or to all time where
// that is not known; the sums are kept exactly.
func (b *builder) days(pieces []Piece) []Day {
	by := map[registry.Date]*Day{}
	for i := range pieces {
		p := &pieces[i]
		var field func(*Day) *int64
		switch p.Decision {
		case sla.Counted:
			field = func(d *Day) *int64 { return &d.Down }
		case sla.Uncertain:
			field = func(d *Day) *int64 { return &d.Unknown }
		case sla.Removed, sla.Forgiven:
			field = func(d *Day) *int64 { return &d.Excluded }
		default:
			continue
		}
		if p.Kind == "incident" || p.Kind == "slice" || p.CountedMS == 0 {
			continue
		}
		in := p.Span.Cut(b.Period)
		if in.Empty() {
			continue
		}
		service := interval.All()
		if b.Service != nil {
			if s := b.Service(p.Scope); s.Overlap(in) > 0 {
				service = s
			}
		}
		whole := service.Overlap(in)
		var seen, before int64
		for d := dateOf(b.at(in.From)); ; d++ {
			day := interval.Span{From: registry.Begins(b.zone, d), To: registry.Begins(b.zone, d+1)}
			seen += service.Overlap(in.Cut(day))
			n := new(big.Int).Mul(big.NewInt(p.CountedMS), big.NewInt(seen))
			after := n.Quo(n, big.NewInt(whole)).Int64()
			if after > before {
				if by[d] == nil {
					by[d] = &Day{Date: d.String()}
				}
				*field(by[d]) += after - before
				before = after
			}
			if day.To >= in.To {
				break
			}
		}
	}
	var out []Day
	for _, d := range by {
		out = append(out, *d)
	}
	slices.SortFunc(out, func(x, y Day) int { return strings.Compare(x.Date, y.Date) })
	return out
}

func (b *builder) summary(all []Objective) Summary {
	var s Summary
	var money, any Tally
	for i := range all {
		o := &all[i]
		any.sum(o.Tally)
		if o.Reported {
			continue
		}
		s.Tally.sum(o.Tally)
		if o.Weight != "key" {
			money.sum(o.Tally)
		}
	}
	s.Verdict = sla.NotApplicable
	for _, t := range []*Tally{&any, &s.Tally, &money} {
		if v, ok := t.worst(); ok {
			s.Verdict = v
		}
	}
	if m := b.Money; m != nil {
		var due, paid, back int64
		x := &Money{Currency: b.currency, Claim: m.Claim}
		for i := range b.Verdicts {
			v := &b.Verdicts[i]
			due, paid, back = due+v.Due, paid+v.Paid, back+v.EarnedBack
			x.Pending = x.Pending || v.Pending
		}
		x.Due, x.Paid, x.EarnedBack = b.amount(due), b.amount(paid), b.amount(back)
		for to, n := range map[*Amount]*int64{&x.Base: m.Base, &x.Limit: m.Limit} {
			if n != nil {
				*to = b.amount(*n)
			}
		}
		if m.ClaimUntil != 0 {
			at := b.at(m.ClaimUntil)
			x.ClaimUntil = &at
		}
		s.Money = x
	}
	return s
}
