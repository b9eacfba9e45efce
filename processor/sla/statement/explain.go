package statement

import "strings"

// Explained is one verdict in words, with its evidence.
type Explained struct {
	Objective, Promise string
	Scope, Verdict     string
	Figures            string // figure, bounds, raw and coverage
	Why                []string
	Evidence           []Reason
	Rows               int // of evidence there are, listed or not
}

// Reason is a row of evidence in words.
type Reason struct {
	*Evidence
	When, What, Length, Decision, Party, Remark string
}

// Explain puts what a document lists into words.
func Explain(d *Document, lang string) ([]Explained, error) {
	l, err := languageOf(lang)
	if err != nil {
		return nil, err
	}
	var out []Explained
	for i := range d.Objectives {
		o := &d.Objectives[i]
		for j := range o.Scopes {
			s := &o.Scopes[j]
			x := l.scope(o, s, l.currency(d))
			e := Explained{Objective: o.Name, Promise: l.promise(o), Scope: s.ID, Verdict: x.Verdict.Word, Why: x.Why}
			e.Figures = l.say("explain.figures", x.Figure, x.Bounds, x.Raw, x.Coverage)
			for n := range o.Evidence {
				if p := &o.Evidence[n]; p.Scope == s.ID {
					w := l.evidence(p)
					e.Evidence = append(e.Evidence, Reason{p, w.When, w.What, w.Length, w.Decision, w.Party, strings.Join(append(w.Lines, w.Rule), "; ")})
				}
			}
			for _, t := range o.Totals {
				e.Rows += t.Rows
			}
			out = append(out, e)
		}
	}
	return out, nil
}
