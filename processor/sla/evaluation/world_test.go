package evaluation

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla"
	"github.com/tillstream/tillstream/processor/sla/agreement"
)

// utc is an instant, of 2026-03-01 or 2026-03-01T10:00.
func utc(t testing.TB, s string) int64 {
	t.Helper()
	if len(s) == len(time.DateOnly) {
		s += "T00:00"
	}
	at, err := time.Parse("2006-01-02T15:04", s)
	if err != nil {
		t.Fatal(err)
	}
	return at.UnixMilli()
}

// store is one of a document as tillstream apply makes it.
func store(t testing.TB, id, document string) *registry.Store {
	t.Helper()
	var doc registry.Document
	if err := json.Unmarshal([]byte(document), &doc); err != nil {
		t.Fatal(err)
	}
	s, flaw := doc.Build(id, 1)
	if flaw != nil {
		t.Fatal(flaw.Field, flaw.Expected)
	}
	return s
}

// contractOf compiles an agreement whose versions are written as JSON.
func contractOf(t testing.TB, versions ...string) *Contract {
	t.Helper()
	a := &agreement.Agreement{Type: "sla", Level: "customer", Standing: agreement.Standing{
		Parties: agreement.Contracts{Provider: "tills-sa", Customer: "acme"}, Scope: agreement.Scope{Customer: "acme"},
	}}
	for i, text := range versions {
		var v agreement.Version
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		v.Version = i + 1
		a.Versions = append(a.Versions, v)
	}
	book := agreement.Book{Agreements: map[string]*agreement.Agreement{"a": a}}
	if problems := book.Check(); len(problems) > 0 {
		t.Fatal(problems)
	}
	stretches, err := book.Stretches("a")
	if err != nil {
		t.Fatal(err)
	}
	return Compile("a", stretches)
}

func run(s sla.Status, from, to int64) sla.Run {
	return sla.Run{Span: interval.Span{From: from, To: to}, Status: s}
}

// lines are those of the period of a contract which begins on a day, settled, of stores with nothing published before.
func lines(t testing.TB, c *Contract, begins string, at int64, history History, stores ...*Store) [][]*Line {
	t.Helper()
	if history == nil {
		history = func(string, Scope) []Past { return nil }
	}
	for _, parts := range c.Parts(at) {
		if parts[0].Period.From != utc(t, begins) {
			continue
		}
		var all []Settlement
		for _, p := range parts {
			var measured []*Measured
			for _, s := range stores {
				if m := p.Measure(s, at); m != nil {
					measured = append(measured, m)
				}
			}
			l, total := p.Lines(measured, at)
			all = append(all, Settlement{p, l, total})
		}
		Settle(all, history, at)
		var out [][]*Line
		for _, s := range all {
			out = append(out, s.Lines)
		}
		return out
	}
	t.Fatalf("there is no period that begins on %s", begins)
	return nil
}

// told is a line in short.
func told(l *Line) string {
	return fmt.Sprintf("%s %s %s v%d: %d of %d down, %d unknown, %d excluded, %s, %d", l.Objective.Name, l.Scope.Kind, l.Scope.Name, l.Version,
		l.Figures.Down/1000, l.Figures.Counted/1000, l.Figures.Unknown/1000, l.Figures.Excluded/1000, l.Result.Verdict, l.Credit)
}
