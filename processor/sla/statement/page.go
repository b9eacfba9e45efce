package statement

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tillstream/tillstream/processor/sla"
	"github.com/tillstream/tillstream/processor/sla/agreement"
)

//go:embed page.html
var pageHTML string

// Page renders a signed statement as HTML: one file, nothing from outside, no scripts. The same statement in the same language is the same bytes.
func Page(s *Signed, lang string) ([]byte, error) {
	l, err := languageOf(lang)
	if err != nil {
		return nil, err
	}
	d, err := s.Document()
	if err != nil {
		return nil, err
	}
	t, err := template.New("page").Funcs(template.FuncMap{
		"t":     l.say,
		"parts": func(rule string) []string { return strings.SplitAfter(rule, "[") }, // a line may end there
	}).Parse(pageHTML)
	if err != nil {
		return nil, fmt.Errorf("parsing the page: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, pageOf(d, s.Hash, l)); err != nil {
		return nil, fmt.Errorf("writing the page: %w", err)
	}
	return out.Bytes(), nil
}

// What the template shows: words, in order.
type (
	page struct {
		Lang, Title, Agreement, Period, Foot string
		Stage                                badge
		StageLine, Reason, Published, Zone   string
		Parties                              []fact
		Texts                                []text
		Overall                              badge
		OverallLine                          string
		Cards                                []card
		Glance                               []glance
		Sections                             []section
		Backing                              []badge
		Rights                               []string
		Remarks                              []string
		Lead                                 string
		Proof                                []fact
		Commands                             []fact
	}
	badge struct{ Class, Word, Line string }
	fact  struct {
		Label, Value, Note string
		Code               bool
	}
	text struct{ Version, Span, Signed, Document, Hash, Review string }
	card struct {
		Label, Value, Note string
		Use                *gauge
	}
	glance struct {
		ID, Name, Note, Promise, Figure, Credit string
		Verdicts                                []badge
	}
	section struct {
		ID, Name, Note, Promise, Description string
		Column                               string
		Paid, Several                        bool // it has credits; it has several scopes
		Verdicts                             []badge
		Scopes                               []scope
		More                                 string
		Chart                                *chart
		Evidence                             []evidence
		Totals                               []evidence
		EvidenceMore, Query, NoEvidence      string
	}
	scope struct {
		ID                                    string
		Verdict                               badge
		Figure, Bounds, Raw, Coverage, Credit string
		Why                                   []string
		Bullet                                *bullet
	}
	evidence struct {
		Class, When, What, Where, Party, Length, Decision string
		Lines                                             []string
		Rule, Ref                                         string
	}
)

func pageOf(d *Document, hash string, l *language) *page {
	p := &page{
		Lang: l.tag, Title: l.say("title." + d.Agreement.Type), Agreement: d.Agreement.label(), Period: l.period(&d.Period),
		Stage:     badge{Class: string(d.Stage), Word: l.word("stage", string(d.Stage))},
		Published: l.say("published", l.date(d.At), l.clock(d.At)), Zone: l.say("zone", d.Agreement.Zone),
		Foot: l.say("page", d.Agreement.Name, d.Period.Name, d.Revision),
	}
	p.StageLine = l.say("stage.line." + string(d.Stage))
	if d.Stage == sla.Restated {
		p.StageLine = l.say("stage.line.restated", d.Revision)
	}
	if d.Reason != "" {
		p.Reason = l.say("reason", d.Reason)
	}
	p.Parties = []fact{
		{Label: l.say("agreement"), Value: d.Agreement.label(), Note: d.Agreement.Name},
		{Label: l.say("provider"), Value: d.Agreement.Provider.label(), Note: d.Agreement.Provider.ID},
		{Label: l.say("customer"), Value: d.Agreement.Customer.label(), Note: d.Agreement.Customer.ID},
		{Label: l.say("period"), Value: l.period(&d.Period), Note: l.say("period.until", l.date(d.Period.From), l.date(d.Period.To))},
	}
	for i := range p.Parties[:3] {
		if f := &p.Parties[i]; f.Note == f.Value {
			f.Note = ""
		}
	}
	for i := range d.Texts {
		p.Texts = append(p.Texts, l.text(&d.Texts[i]))
	}
	p.Overall = l.badge(d.Summary.Verdict)
	p.OverallLine = l.say("overall." + string(d.Summary.Verdict))
	p.Cards = l.cards(&d.Summary)
	currency := l.currency(d)
	for i := range d.Objectives {
		o := &d.Objectives[i]
		s := l.section(d, o, currency)
		p.Sections = append(p.Sections, s)
		g := glance{ID: s.ID, Name: s.Name, Note: s.Note, Promise: s.Promise, Verdicts: s.Verdicts, Figure: "–", Credit: "–"}
		if len(o.Scopes) > 0 {
			g.Figure = l.figure(o.Scopes[0].Actual, o.Promise.Unit, o.byClock(), o.limit())
		}
		if o.Credit != nil {
			g.Credit = l.money(*o.Credit, currency)
		}
		p.Glance = append(p.Glance, g)
	}
	for _, b := range d.Backing {
		x := l.badge(b.Verdict)
		x.Line = b.Agreement
		p.Backing = append(p.Backing, x)
	}
	for _, r := range d.Rights {
		key := "right"
		if r.Pending {
			key = "right.pending"
		}
		p.Rights = append(p.Rights, l.say(key, r.Right, r.Objective, r.Scope, strings.Join(r.Periods, ", "), r.Breaches, cmp.Or(r.Within, "∞")))
	}
	if d.MoreRights > 0 {
		p.Rights = append(p.Rights, l.say("right.more", d.MoreRights))
	}
	p.Remarks = append(p.Remarks, l.say("remark.low"), l.say("remark.bad"), l.say("remark.raw"), l.say("remark.rounding"))
	if len(d.Texts) > 1 {
		p.Remarks = append(p.Remarks, l.say("remark.versions"))
	}
	l.proof(p, d, hash)
	return p
}

func (l *language) currency(d *Document) string {
	if d.Summary.Money == nil {
		return ""
	}
	return d.Summary.Money.Currency
}

// label is the name for people.
func (a *Agreement) label() string { return cmp.Or(a.Title, a.Name) }
func (p *Party) label() string     { return cmp.Or(p.Name, p.ID) }

func (l *language) badge(v sla.Verdict) badge {
	return badge{Class: string(v), Word: l.word("verdict", string(v))}
}

func (l *language) text(t *Text) text {
	out := text{Version: fmt.Sprint(t.Version), Span: l.say("period.range", l.date(t.From), l.date(t.To.Add(-time.Millisecond))), Hash: t.Hash, Document: t.Document, Signed: l.say("unsigned")}
	due, err1 := time.Parse(time.DateOnly, t.Review)
	announce, err2 := time.Parse(time.DateOnly, t.Announce)
	if err1 == nil && err2 == nil {
		out.Review = l.say("review", l.date(due), l.date(announce))
	}
	if on, err := time.Parse(time.DateOnly, t.Signed); err == nil {
		out.Signed = l.date(on)
		if len(t.By) > 0 {
			out.Signed = l.say("signed.by", l.date(on), strings.Join(t.By, ", "))
		}
	}
	return out
}

// cards are the figures of the summary.
func (l *language) cards(s *Summary) []card {
	m := s.Money
	if m == nil {
		return nil
	}
	money := func(a Amount) string { return l.money(a, m.Currency) }
	credit := card{Label: l.say("credit"), Value: money(m.Paid)}
	if m.Paid.Zero() && m.Pending {
		credit.Value = l.say("credit.pending")
	}
	notes := []string{l.say("credit.unknown")}
	if m.Base != "" {
		notes[0] = l.say("credit.base", money(m.Base))
	}
	if m.Due != m.Paid {
		notes = append(notes, l.say("credit.cut", money(m.Due)))
	}
	if m.Pending {
		notes = append(notes, l.say("credit.more"))
	}
	if !m.EarnedBack.Zero() {
		notes = append(notes, l.say("credit.back", money(m.EarnedBack)))
	}
	credit.Note = strings.Join(notes, ", ")
	risk := card{Label: l.say("atrisk"), Value: "–", Note: l.say("atrisk.unknown")}
	if m.Limit != "" {
		use := m.Paid.share(m.Limit)
		percent, _ := use.Float64()
		risk.Value, risk.Use = money(m.Limit), newGauge(percent)
		risk.Note = l.say("atrisk.use", l.decimal(short(use.Mul(use, big.NewRat(100, 1)), 1))+l.percent)
	}
	claim := card{Label: l.say("claim"), Value: l.say("claim.none")}
	if m.Claim != "" && !m.Paid.Zero() {
		claim.Value = l.word("claim", string(m.Claim))
		if m.ClaimUntil != nil {
			claim.Note = l.say("claim.until", l.date(*m.ClaimUntil)+" "+l.clock(*m.ClaimUntil))
		}
	}
	return []card{credit, risk, claim}
}

// byClock says whether its figures are lengths of time for people, and not ms.
func (o *Objective) byClock() bool { return strings.HasPrefix(o.Indicator, "time_to_") }

// limit is what was promised; nil if nothing was.
func (o *Objective) limit() *big.Rat {
	if x, ok := new(big.Rat).SetString(o.Promise.Limit); ok {
		return x
	}
	return nil
}

func (l *language) verdicts(t Tally) (out []badge) {
	for _, x := range []struct {
		v sla.Verdict
		n int
	}{{sla.Breached, t.Breached}, {sla.Undetermined, t.Undetermined}, {sla.AtRisk, t.AtRisk}, {sla.Met, t.Met}, {sla.NotApplicable, t.NotApplicable}} {
		if x.n > 0 {
			b := l.badge(x.v)
			b.Line = l.count(int64(x.n))
			out = append(out, b)
		}
	}
	if len(out) == 1 && out[0].Line == "1" {
		out[0].Line = ""
	}
	return out
}

var notInID = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

func (l *language) section(d *Document, o *Objective, currency string) section {
	s := section{
		ID: fmt.Sprintf("o-%s-%d", notInID.ReplaceAllString(o.Name, "-"), o.Text), Name: o.Name, Description: o.Description,
		Promise: l.promise(o), Column: l.word("column", o.Per), Verdicts: l.verdicts(o.Tally), Paid: o.Credit != nil,
	}
	var notes []string
	if len(d.Texts) > 1 && o.Text >= 1 && o.Text <= len(d.Texts) {
		t := &d.Texts[o.Text-1]
		notes = append(notes, l.say("objective.version", o.Version, l.say("period.range", l.date(t.From), l.date(t.To.Add(-time.Millisecond)))))
	}
	switch {
	case o.Reported:
		notes = append(notes, l.say("objective.report"))
	case o.Weight == "key":
		notes = append(notes, l.say("objective.key"))
	}
	s.Note = strings.Join(notes, ", ")
	for i := range o.Scopes {
		s.Scopes = append(s.Scopes, l.scope(o, &o.Scopes[i], currency))
	}
	if o.Others > 0 {
		s.More = l.say("scopes.more", l.count(int64(o.Others)))
	}
	s.Several, s.Chart = len(o.Scopes)+o.Others > 1, l.days(d, o)
	s.NoEvidence = l.say("evidence.counts")
	if slices.ContainsFunc(o.Scopes, func(x Scope) bool { return x.Time != nil }) {
		s.NoEvidence = l.say("evidence.none")
	}
	rows := 0
	for i := range o.Evidence {
		s.Evidence = append(s.Evidence, l.evidence(&o.Evidence[i]))
	}
	for _, t := range o.Totals {
		rows += t.Rows
		s.Totals = append(s.Totals, evidence{
			Class: string(t.Decision), What: l.word("kind", t.Kind), When: l.rows(t.Rows), Length: l.length(t.Counted), Decision: l.word("decision", string(t.Decision)),
		})
	}
	if rows > len(o.Evidence) {
		s.Query = o.Query
		s.EvidenceMore = l.say("evidence.more", l.count(int64(len(o.Evidence))), l.count(int64(rows)))
	}
	return s
}

func (l *language) rows(n int) string {
	if n == 1 {
		return l.say("evidence.row")
	}
	return l.say("evidence.rows", l.count(int64(n)))
}

// promise is what was promised, as a phrase.
func (l *language) promise(o *Objective) string {
	limit := o.limit()
	if limit == nil {
		return l.say("promise.none")
	}
	key := "promise." + o.Indicator
	switch {
	case o.Promise.Stat == "share_below":
		key += ".share"
	case o.Promise.Slice > 0:
		key += ".slices"
	case o.Indicator == agreement.Uptime && o.Per != "terminal":
		key += ".group"
	}
	if _, ok := l.words[key]; !ok {
		return l.say("op."+o.Promise.Op, l.limit(limit, o.Promise.Unit, o.byClock()))
	}
	value := ""
	if x, ok := new(big.Rat).SetString(o.Promise.Value); ok {
		value = l.limit(x, MS, false)
	}
	bound := l.say("op."+o.Promise.Op, l.limit(limit, o.Promise.Unit, o.byClock()))
	return l.say(key, l.word("per", o.Per), bound, l.length(o.Promise.Slice), l.word("statistic", cmp.Or(o.Promise.Stat, "mean")), value)
}

func (l *language) scope(o *Objective, s *Scope, currency string) scope {
	limit, unit, clock := o.limit(), o.Promise.Unit, o.byClock()
	figure := func(f *Figure) string { return l.figure(f, unit, clock, limit) }
	out := scope{ID: s.ID, Verdict: l.badge(s.Verdict), Figure: figure(s.Actual), Raw: figure(s.Raw), Coverage: l.figure(s.Coverage, Share, false, big.NewRat(1, 1)), Bounds: "–"}
	if s.Low != nil && s.High != nil && s.Low.rat().Cmp(s.High.rat()) != 0 {
		out.Bounds = figure(s.Low) + " – " + figure(s.High)
	}
	if c := s.Credit; c != nil {
		if out.Credit = l.money(c.Paid, currency); c.Pending {
			out.Credit = l.say("credit.pending")
		}
	}
	out.Why = l.why(o, s, figure)
	if c := s.Credit; c != nil && c.Due != c.Paid {
		out.Why = append(out.Why, l.say("why.credit", l.money(c.Paid, currency), l.money(c.Due, currency)))
	}
	out.Bullet = l.bullet(o, s)
	return out
}

// why is the reason for a verdict, and what else is to be known of a figure.
func (l *language) why(o *Objective, s *Scope, figure func(*Figure) string) (out []string) {
	limit := o.limit()
	if limit != nil {
		out = append(out, l.say(whyKey(o, s, limit), figure(s.Actual), figure(s.Low), figure(s.High), l.say("op."+o.Promise.Op, l.limit(limit, o.Promise.Unit, o.byClock()))))
	}
	if t := s.Time; t != nil {
		out = append(out, l.say("lengths", l.length(t.Committed), l.length(t.Excluded), l.length(t.Counted), l.length(t.Unknown), l.length(t.Down)))
		if x, ok := new(big.Rat).SetString(t.Budget); ok {
			out = append(out, l.say("budget", l.length(new(big.Int).Quo(x.Num(), x.Denom()).Int64()), l.length(t.Down)))
		}
	}
	if s.Outages > 0 {
		out = append(out, l.say("outages", l.count(s.Outages)))
	}
	if s.Was != nil {
		out = append(out, l.say("why.was", figure(s.Was)))
	}
	if s.Note != "" {
		out = append(out, l.word("note", s.Note)+".")
	}
	if s.Few {
		out = append(out, l.say("why.few"))
	}
	if least, ok := new(big.Rat).SetString(o.Promise.Least); ok && s.Coverage != nil && s.Coverage.rat().Cmp(least) < 0 {
		out = append(out, l.say("why.coverage", l.figure(s.Coverage, Share, false, least), l.limit(least, Share, false)))
	}
	return out
}

func whyKey(o *Objective, s *Scope, limit *big.Rat) string {
	certain := s.Low == nil || s.High == nil || s.Low.rat().Cmp(s.High.rat()) == 0
	how := ""
	if !certain {
		how = ".events"
		if s.Time != nil {
			how = ".time"
		}
	}
	switch s.Verdict {
	case sla.Met:
		return "why.met" + how
	case sla.Breached:
		if kept := s.High != nil && o.Promise.keeps(s.High.rat(), limit); kept {
			if o.byClock() {
				return "why.breached.open"
			}
			return "why.breached.spent"
		}
		if s.High == nil {
			return "why.breached.open"
		}
		return "why.breached" + how
	}
	return "why." + string(s.Verdict)
}

// keeps says whether a figure keeps a promise.
func (p *Promise) keeps(figure, limit *big.Rat) bool {
	c := figure.Cmp(limit)
	switch p.Op {
	case "lt":
		return c < 0
	case "lte":
		return c <= 0
	case "gt":
		return c > 0
	}
	return c >= 0
}

func (l *language) evidence(e *Evidence) evidence {
	out := evidence{
		Class: string(e.Decision), When: l.span(e.From, e.To), What: l.word("kind", e.Kind), Where: e.Scope, Length: l.length(e.Counted),
		Decision: l.word("decision", string(e.Decision)), Rule: e.Rule, Ref: e.Ref,
	}
	if e.Kind == "unknown" {
		out.Ref = "" // there is no table of what is not known
	}
	if e.Party != "" {
		out.Party = l.word("party", e.Party)
	}
	if e.Note != "" {
		out.Lines = append(out.Lines, l.note(e.Note))
	}
	switch {
	case e.DecidedBy != "" && e.DecidedAt != nil:
		out.Lines = append(out.Lines, l.say("evidence.decided", e.DecidedBy, l.date(*e.DecidedAt)))
	case e.DecidedBy != "":
		out.Lines = append(out.Lines, l.say("evidence.decider", e.DecidedBy))
	}
	return out
}

// note puts the remarks of the measuring into the language of the page; what people wrote stays as it is.
func (l *language) note(s string) string {
	parts := strings.Split(s, "; ")
	for i, p := range parts {
		parts[i] = l.word("note", p)
		if length, ok := strings.CutPrefix(p, "notice was given only "); ok && l.tag == french.tag {
			if took, err := time.ParseDuration(strings.TrimSuffix(length, " before")); err == nil {
				parts[i] = "préavis de " + l.length(took.Milliseconds()) + " seulement"
			}
		}
	}
	return strings.Join(parts, l.typeset(map[string]string{"en": "; ", "fr": " ; "}[l.tag]))
}

// proof is how the statement can be checked.
func (l *language) proof(p *page, d *Document, hash string) {
	code := func(label, value string) fact { return fact{Label: label, Value: value, Code: true} }
	p.Lead = l.say("verify.provisional")
	p.Proof = []fact{code(l.say("verify.hash"), hash)}
	if d.Chain.Number > 0 {
		p.Lead = l.say("verify.lead", d.Chain.Number)
		p.Proof = append(p.Proof, fact{Label: l.say("verify.number"), Value: l.count(int64(d.Chain.Number))})
	}
	p.Proof = append(p.Proof, code(l.say("verify.previous"), cmp.Or(d.Chain.Previous, l.say("verify.first"))))
	if d.Chain.Replaces != "" {
		p.Proof = append(p.Proof, code(l.say("verify.replaces"), d.Chain.Replaces))
	}
	digest := func(d Digest) string { return l.say("verify.rows", l.rows(d.Rows), d.Hash) }
	p.Proof = append(p.Proof, code(l.say("verify.verdicts"), digest(d.Rows.Verdicts)), code(l.say("verify.evidence"), digest(d.Rows.Evidence)))
	name, file := quoted(d.Agreement.Name), quoted(d.Agreement.Name+"."+d.Period.Name+".json")
	p.Commands = []fact{
		{Label: l.say("verify.json"), Value: fmt.Sprintf("tillstream sla statement %s --period %s --revision %d --format json --out %s\njq -cjS .statement %s | sha256sum", name, d.Period.Name, d.Revision, file, file)},
		{Label: l.say("verify.chain"), Value: fmt.Sprintf("tillstream sla verify %s", name)},
	}
	if len(d.Texts) > 0 {
		p.Commands = append(p.Commands, fact{Label: l.say("verify.text"), Value: fmt.Sprintf("tillstream sla resolve -f agreements/ %s --on %s --format json | jq -r .hash", name, d.Texts[0].From.Format(time.DateOnly))})
	}
	if len(d.Objectives) > 0 {
		p.Commands = append(p.Commands, fact{Label: l.say("verify.explain"), Value: fmt.Sprintf("tillstream sla explain %s --period %s --objective %s", name, d.Period.Name, quoted(d.Objectives[0].Name))})
	}
}

var plain = regexp.MustCompile(`^[A-Za-z0-9._/-]+$`)

// quoted is a word of a shell's command line.
func quoted(s string) string {
	if plain.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
