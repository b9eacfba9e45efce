package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tillstream/tillstream/processor/sla/whatif"
)

// changesShown is how many pieces of evidence are listed of a row; --format json has all.
const changesShown = 4

// printWhatIf prints a comparison for people.
func printWhatIf(w io.Writer, r *whatif.Report, all bool) {
	fmt.Fprintf(w, "%s, as of %s; would: by", r.Agreement, r.AsOf)
	for i, t := range r.Texts {
		if i > 0 {
			fmt.Fprint(w, ",")
		}
		fmt.Fprintf(w, " version %d (%.19s…)", cmp.Or(t.Amended, t.Version), t.Hash)
		if t.Amended != 0 {
			fmt.Fprintf(w, ", which amends %d,", t.Version)
		}
		if t.First != nil {
			fmt.Fprintf(w, " from %s", t.First)
		}
	}
	fmt.Fprint(w, "\n")
	if len(r.Clauses) > 0 {
		fmt.Fprint(w, "\nclauses that differ\n")
		aligned(w, func(t io.Writer) {
			for _, c := range r.Clauses {
				fmt.Fprintf(t, "  %s\tversion %d: %s\t→ %s\n", c.Path, c.Version, clauseText(c.Was), clauseText(c.Is))
			}
		})
	}
	for _, p := range r.Periods {
		fmt.Fprintf(w, "\n%s\n", cmp.Or(p.Name, p.From+" to "+p.To))
		printRows(w, p, all)
		for _, n := range p.Notes {
			fmt.Fprintf(w, "  %s\n", n)
		}
		printTotals(w, "credits of the period", p.Totals)
	}
	if len(r.Periods) > 1 {
		fmt.Fprint(w, "\nall periods\n")
		printTotals(w, "credits", r.Totals)
	}
	fmt.Fprintln(w)
}

func aligned(w io.Writer, f func(io.Writer)) {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	f(t)
	_ = t.Flush() // what w failed with it says again
}

func printRows(w io.Writer, p *whatif.Period, all bool) {
	var rows []*whatif.Row
	same, promised := 0, 0
	for _, r := range p.Rows {
		switch {
		case all || !r.Same && !r.Promise:
			rows = append(rows, r)
		case r.Same:
			same++
		default:
			promised++
		}
	}
	if len(rows) > 0 {
		aligned(w, func(t io.Writer) {
			fmt.Fprint(t, "  objective\tscope\ttarget\tdecided\t\tcredit\twould be\t\t\tcredit\tdifference\n")
			for _, r := range rows {
				for i := range max(len(r.Decided), len(r.Would)) {
					name, scope, difference := r.Objective, r.Scope, string(r.Difference)
					if i > 0 {
						name, scope, difference = "", "", ""
					}
					was, is := cells(r.Decided, i), cells(r.Would, i)
					fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", name, scope, was[0], was[1], was[2], was[3], is[0], is[1], is[2], is[3], difference)
				}
			}
		})
	}
	if promised > 0 {
		fmt.Fprintf(w, "  of %d more rows only what is promised is otherwise, neither verdict nor credit (--all shows them)\n", promised)
	}
	if same > 0 {
		fmt.Fprintf(w, "  %d more rows are the same (--all shows them)\n", same)
	}
	printWhy(w, rows)
	printUnjudged(w, p.Rows)
}

// cells are target, figure, verdict and credit of a side.
func cells(sides []*whatif.Side, i int) [4]string {
	if i >= len(sides) {
		return [4]string{"–", "–", "–", "–"}
	}
	s := sides[i]
	target := "–"
	if s.Target != "" {
		target = s.Op + " " + s.Target
	}
	figure := "–"
	if s.Figure != nil {
		figure = strings.TrimSuffix(strings.TrimRight(s.Figure.Value, "0"), ".")
		if len(figure) > 8 && s.Figure.Value[0] == '0' {
			figure = figure[:8] // cut, as everywhere; --format json has it exactly
		}
	}
	credit := string(s.Credit) + " " + s.Currency
	if s.Invoice != "" {
		credit = s.Invoice + " of the invoice"
	}
	if s.Pending {
		credit += " (pending)"
	}
	return [4]string{target, figure, string(s.Verdict), strings.TrimSpace(credit)}
}

// printWhy says of rows why they are otherwise, once for all scopes of an objective of which the same is to be said.
func printWhy(w io.Writer, rows []*whatif.Row) {
	var order []string
	scopes := map[string][]string{}
	for _, r := range rows {
		var why []string
		if len(r.Clauses) > 0 {
			why = append(why, "by "+strings.Join(r.Clauses, ", "))
		}
		for i, c := range r.Evidence {
			if i == changesShown {
				why = append(why, fmt.Sprintf("and %d more pieces of evidence are decided otherwise (--format json)", len(r.Evidence)-i))
				break
			}
			why = append(why, fmt.Sprintf("%s %s: %s → %s", c.Kind, c.Ref, decisions(c.Was), decisions(c.Is)))
		}
		if why = append(why, r.Notes...); len(why) == 0 {
			continue
		}
		key := r.Objective + "\n    " + strings.Join(why, "\n    ")
		if scopes[key] == nil {
			order = append(order, key)
		}
		scopes[key] = append(scopes[key], r.Scope)
	}
	for _, key := range order {
		objective, why, _ := strings.Cut(key, "\n")
		fmt.Fprintf(w, "  why %s of %s is otherwise\n%s\n", objective, several(scopes[key]), why)
	}
}

// several are texts, of which some are left out if they are many.
func several(all []string) string {
	const most = 8
	if len(all) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(all[:most], ", "), len(all)-most)
	}
	return strings.Join(all, ", ")
}

// printUnjudged says of which rows one of the texts comes to no verdict, and why.
func printUnjudged(w io.Writer, rows []*whatif.Row) {
	var order []string
	scopes := map[string][]string{}
	for _, r := range rows {
		for i, sides := range [2][]*whatif.Side{r.Decided, r.Would} {
			for _, s := range sides {
				if s.Today != nil {
					s = s.Today
				}
				if s.Note == "" {
					continue
				}
				key := fmt.Sprintf("%s cannot be judged by the text %s: %s", r.Objective, [...]string{"in force", "that is supposed"}[i], s.Note)
				if scopes[key] == nil {
					order = append(order, key)
				}
				scopes[key] = append(scopes[key], r.Scope)
			}
		}
	}
	for _, key := range order {
		fmt.Fprintf(w, "  %s (%s)\n", key, several(scopes[key]))
	}
}

// decisions are what a text makes of a piece of evidence.
func decisions(all []whatif.Decision) string {
	var out []string
	for _, d := range all {
		text := string(d.Decision)
		if d.MS > 0 {
			text += " " + (time.Duration(d.MS) * time.Millisecond).String()
		}
		if d.Note != "" {
			text += " (" + d.Note + ")"
		}
		out = append(out, text)
	}
	return cmp.Or(strings.Join(out, ", "), "nothing")
}

func printTotals(w io.Writer, what string, all []whatif.Total) {
	for _, t := range all {
		fmt.Fprintf(w, "  %s, %s: decided %s, would be %s, difference %s", what, t.Currency, t.Decided, t.Would, t.Difference)
		if t.Today != t.Decided {
			fmt.Fprintf(w, "; by the text in force it would be %s with what is known now", t.Today)
		}
		if t.Back != "" {
			fmt.Fprintf(w, "; earned back %s, would be %s", t.Back, t.BackWould)
		}
		if t.Pending+t.PendWould > 0 {
			fmt.Fprintf(w, "; pending %d, would be %d rows", t.Pending, t.PendWould)
		}
		fmt.Fprintln(w)
	}
}
