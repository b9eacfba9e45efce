package clickhouse

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor/sla"
	"github.com/tillstream/tillstream/processor/sla/evaluation"
)

// A final statement that stands as it was has the evidence of the provisional one, of its period, which begins on another day in UTC, and of no other.
func TestStandingStatement(t *testing.T) {
	s := fresh(t)
	texts := newChain(t, 10)
	stretches, err := texts.book.Stretches("a-c0")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 12, 20, 0, 0, 0, 0, time.UTC).UnixMilli()
	var all []evaluation.Statement
	for i, parts := range evaluation.Compile("a-c0", stretches).Parts(at) {
		l := &evaluation.Line{
			Part: parts[0], Objective: &parts[0].Terms.Objectives[0], Scope: evaluation.Scope{Kind: "terminal", Name: "t0", Store: "s0"},
			Evidence: []sla.Evidence{{Kind: "outage", Ref: []string{"o-october", "o-november", "o-december"}[i]}},
		}
		all = append(all, evaluation.Statement{Line: l, Statement: sla.Statement{Stage: sla.Provisional, At: at}})
	}
	if err := s.Publish(t.Context(), all, at); err != nil {
		t.Fatal(err)
	}
	bare := *all[1].Line
	bare.Evidence = nil
	if err := s.Publish(t.Context(), []evaluation.Statement{{Line: &bare, Statement: sla.Statement{Stage: sla.Final, Revision: 1, At: at + 1}, Stands: true}}, at+1); err != nil {
		t.Fatal(err)
	}
	got := ask(t, s, "period_start, revision, arrayStringConcat(ref)", "FROM tillstream.sla_evidence FINAL ORDER BY period_start, revision")
	if d := cmp.Diff([]string{"2026-10-01 0 o-october", "2026-11-01 0 o-november", "2026-11-01 1 o-november", "2026-12-01 0 o-december"}, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
