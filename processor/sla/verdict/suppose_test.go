package verdict

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/sla/evaluation"
	"github.com/tillstream/tillstream/processor/sla/whatif"
)

// What is supposed of the texts in force is what was published, to the cent; and beside what was published nothing is otherwise. Of any stretch of days: repeated breaches look back
// at what was published before it.
func TestSupposedIsWhatIsPublished(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld(r)
		for range rapid.IntRange(0, 12).Draw(r, "failures") {
			from := start + int64(rapid.IntRange(0, 96).Draw(r, "from"))*hour
			w.fails(rapid.SampledFrom([]string{"s0-1", "s0-2", "s1-1", "s2-1", "s3-2"}).Draw(r, "till"), interval.Span{From: from, To: from + int64(rapid.IntRange(1, 8).Draw(r, "long"))*hour})
		}
		at := start + 10*day
		e := w.evaluator(Config{})
		if _, err := e.Round(r.Context(), at); err != nil {
			r.Fatal(err)
		}
		published, _, _ := w.Published(r.Context(), 0)
		first := int64(rapid.IntRange(0, 4).Draw(r, "first day"))
		s := Supposing{Stores: w.stores, Published: published, Span: interval.Span{From: start + first*day, To: start + 6*day}, At: at}
		for i := range w.book.Agreements {
			texts, err := w.book.Stretches(i)
			if err != nil {
				r.Fatal(err)
			}
			s.Contracts = append(s.Contracts, evaluation.Compile(i, texts))
		}
		rows := len(w.rows)
		got, err := Suppose(r.Context(), w, s)
		if err != nil {
			r.Fatal(err)
		}
		for name, x := range got {
			if x.Failed != nil || int64(len(x.Periods)) != 6-first {
				r.Fatal(x.Failed, len(x.Periods))
			}
			in := &whatif.Input{Agreement: name, Span: s.Span, At: at, Decided: map[evaluation.Key]*evaluation.Published{}, Today: x.Periods, Would: x.Periods}
			in.Was, _ = w.book.Stretches(name)
			in.Is = in.Was
			for k, p := range published {
				if k.Contract == name && s.Span.From <= p.Period.From && p.Period.To <= s.Span.To {
					in.Decided[k] = p
				}
			}
			report := whatif.Compare(in)
			for _, p := range report.Periods {
				for _, row := range p.Rows {
					if !row.Same || row.Difference != "0.00" || len(row.Decided) != 1 || row.Decided[0].Stage == "" {
						r.Fatalf("%s %s %s: %v decided, %v supposed", p.Name, row.Objective, row.Scope, row.Decided[0], row.Would[0])
					}
				}
			}
			if t := report.Totals[0]; t.Difference != "0.00" || t.Decided != t.Would || t.Decided != t.Today || len(report.Clauses) > 0 {
				r.Fatalf("%+v", t)
			}
		}
		if len(w.rows) != rows {
			r.Fatal("something was published")
		}
	})
}
