package verdict

import (
	"fmt"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/sla/agreement"
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

// Why a row is otherwise: a clause that bears on it, an objective that is not promised any more, a scope that is not meant, evidence that came after the close.
func TestWhyItWouldBeOtherwise(t *testing.T) {
	w := newWorld(t)
	w.fails("s0-1", interval.Span{From: start + 2*hour, To: start + 5*hour})
	e, at := w.evaluator(Config{}), start+day+13*hour
	if _, err := e.Round(t.Context(), at); err != nil {
		t.Fatal(err)
	}
	published, _, _ := w.Published(t.Context(), 0)
	w.fails("s0-2", interval.Span{From: start + 2*hour, To: start + 6*hour}) // late
	was, err := w.book.Stretches("a0")
	if err != nil {
		t.Fatal(err)
	}
	a := *w.book.Agreements["a0"]
	a.Versions = slices.Clone(a.Versions)
	v := &a.Versions[0]
	v.Objectives = slices.Clone(v.Objectives[:1])
	v.Objectives[0].Target = agreement.Billionths(800_000_000)
	v.Remedies.Credits = slices.Clone(v.Remedies.Credits)
	v.Remedies.Credits[0].Tiers = []agreement.Tier{{Below: agreement.Billionths(800_000_000), Credit: agreement.Billionths(500_000_000)}}
	a.Scope.Stores.IDs = []string{"s0"}
	w.book.Agreements["a0"] = &a
	is, err := w.book.Stretches("a0")
	if err != nil {
		t.Fatal(err)
	}
	span := interval.Span{From: start, To: start + day}
	in := &whatif.Input{Agreement: "a0", Span: span, At: at, Was: was, Is: is, Decided: map[evaluation.Key]*evaluation.Published{}}
	for k, p := range published {
		if k.Contract == "a0" && k.Period == start {
			in.Decided[k] = p
		}
	}
	for i, texts := range [][]agreement.Stretch{was, is} {
		got, err := Suppose(t.Context(), w, Supposing{Contracts: []*evaluation.Contract{evaluation.Compile("a0", texts)}, Stores: w.stores, Published: published, Span: span, At: at})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			in.Today = got["a0"].Periods
		} else {
			in.Would = got["a0"].Periods
		}
	}
	r := whatif.Compare(in)
	var got []string
	for _, x := range r.Periods[0].Rows {
		got = append(got, fmt.Sprint(x.Objective, " ", x.Scope, " ", x.Difference, " ", x.Same, " ", x.Clauses, " ", x.Notes))
	}
	const late = "what is known now is not what was known when it was decided: by the text in force it would be "
	want := []string{
		"all c0 0.00 false [objectives[all] scope.stores] [" + late + "0.927083333 met the text supposed has no objective all]",
		"till s0/s0-1 -12.50 false [objectives[till].target remedies.credits[till].tiers scope.stores] []",
		"till s0/s0-2 0.00 false [objectives[till].target remedies.credits[till].tiers scope.stores] [" + late + "0.833333333 breached, 12.50 EUR]",
		"till s1/s1-1 0.00 false [scope.stores] [it is not in the scope of the text supposed]",
		"till s1/s1-2 0.00 false [scope.stores] [it is not in the scope of the text supposed]",
	}
	if d := gocmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if x := r.Totals[0]; x.Decided != "12.50" || x.Today != "25.00" || x.Would != "0.00" || x.Difference != "-12.50" {
		t.Errorf("%+v", x)
	}
}
