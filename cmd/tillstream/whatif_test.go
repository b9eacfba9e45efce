package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor/sla/whatif"
)

// checkWhatIf has other texts supposed for what TestVerdicts published. What the worked agreement would have cost is reckoned by hand in the documentation, or here.
func checkWhatIf(t *testing.T, p *pipeline, dir string, asOf time.Time) {
	t.Helper()
	before := p.number("SELECT toInt64(count()) AS n FROM tillstream.sla_statements")
	file := filepath.Join(dir, "new.yaml")
	suppose := func(replace []string, args ...string) []*whatif.Report {
		t.Helper()
		_, text, _ := strings.Cut(acme, "kind: Agreement")
		text = strings.NewReplacer(replace...).Replace("apiVersion: tillstream/v1\nkind: Agreement" + text)
		writeText(t, file, text)
		var out struct{ Agreements []*whatif.Report }
		said := p.do(append([]string{"sla", "what-if", "--dsn", p.dsn, "--file", file, "--as-of", asOf.Format(time.RFC3339), "--format", "json"}, args...)...)
		if err := json.Unmarshal([]byte(said), &out); err != nil {
			t.Fatal(err, said)
		}
		return out.Agreements
	}
	row := func(r *whatif.Report, period, objective, scope string) *whatif.Row {
		t.Helper()
		for _, x := range r.Periods {
			for _, row := range x.Rows {
				if x.Name == period && row.Objective == objective && row.Scope == scope {
					return row
				}
			}
		}
		t.Fatalf("there is no %s %s in %s", objective, scope, period)
		return nil
	}
	side := func(s []*whatif.Side) string {
		if len(s) != 1 {
			return fmt.Sprint(len(s), " sides")
		}
		return fmt.Sprintf("%s %s of %s %s", s[0].Figure.Value, s[0].Verdict, s[0].Due, s[0].Credit)
	}
	same := func(what, want, got string) {
		t.Helper()
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
	}

	// Who bears what is undetermined: provider.t1.credit and t1.paid of the documentation. The pool is cut in the order of the statement: 18, 150, 450 of 618.
	r := suppose([]string{"low_evidence: customer", "low_evidence: provider"}, "--period", "2026-03")[0]
	t1 := row(r, "2026-03", "terminal-availability", "s1/t1")
	same("as decided", "0.990207715 breached of 180.00 111.73", side(t1.Decided))
	same("if the provider bore it", "0.990207715 breached of 450.00 157.29", side(t1.Would))
	same("why", "[measurement.low_evidence] 45.56 false", fmt.Sprint(t1.Clauses, " ", t1.Difference, " ", t1.Same))
	same("the pool is spent all the same", "[{EUR 216.00 216.00 216.00 0.00", strings.SplitAfter(fmt.Sprint(r.Totals), " 0.00")[0])
	if x := row(r, "2026-03", "terminal-availability", "s1/t2"); !x.Same {
		t.Errorf("t2 was met: %+v", x)
	}
	same("what is not known", "true", fmt.Sprint(row(r, "2026-03", "p95-response", "till").Would[0].Note != ""))

	// What is too short to count would count, and of maintenance only the first hour is excluded.
	r = suppose([]string{"min_outage: 1m", "min_outage: 30s", "cap: 4h/month", "cap: 1h/month"}, "--period", "2026-03")[0]
	t1 = row(r, "2026-03", "terminal-availability", "s1/t1")
	same("more counts", fmt.Sprintf("%.9f breached of 450.00 157.29", 1-20150./(1026000-4200)), side(t1.Would)) // 9,900 + 50 + 3,000 of the 18th + 7,200 of the 24th, of 1,029,600 - 3,600
	same("the clauses", "[exclusions[planned_maintenance].cap measurement.min_outage]", fmt.Sprint(t1.Clauses))
	short := false
	for _, c := range t1.Evidence {
		short = short || c.Ref == "t1/2026-03-11T11:00:00.000Z" && c.Was[0].Decision == "not_counted" && c.Is[0].Decision == "counted" && c.Is[0].MS == 50_000
	}
	if !short {
		t.Errorf("50 s that count now are not told: %+v", t1.Evidence)
	}

	// Three months, of which none would have been in breach by a tenth as much: 11 of 297 hours are 3.7 %. In March there are the store's 150.00 and 18.00.
	r = suppose([]string{"target: 0.995}", "target: 0.95}", "{below: 0.995, credit: 0.10}, {below: 0.99, credit: 0.25}", "{below: 0.95, credit: 0.5}"}, "--from", "2026-01-01", "--to", "2026-04-01")[0]
	same("three months", "[{EUR 648.00 648.00 168.00 -480.00", strings.SplitAfter(fmt.Sprint(r.Totals), " -480.00")[0])

	// Another agreement, by the quarter: nothing was decided by it.
	r = suppose([]string{"acme-gold", "acme-new", "period: month", "period: quarter"}, "--period", "2026-Q1")[0]
	same("of a new one", "0 2026-Q1 0.00", fmt.Sprint(len(row(r, "2026-Q1", "fleet", "acme").Decided), " ", r.Periods[0].Name, " ", r.Totals[0].Decided))

	for _, x := range []struct {
		replace []string
		args    []string
		says    string
	}{
		{nil, []string{"--period", "2026-03"}, "nothing to compare"},
		{[]string{"0.995", "0.996"}, []string{"--period", "2026-W10"}, "by month, and none of them lies whole in 2026-W10"},
		{[]string{"0.995", "0.996"}, []string{"--period", "2026-04"}, "2026-04 is not over on 2026-04-13"},
		{[]string{"0.995", "0.996"}, []string{"--period", "2025-12", "--as-dated"}, "no text of agreement acme-gold is in force in 2025-12"},
		{[]string{"target: 0.995", "target: 99.5"}, []string{"--period", "2026-03"}, "new.yaml:25: spec.versions[0].objectives[0].target: 99.5 is no share"},
		{[]string{"customer: acme}", "customer: acne}"}, []string{"--period", "2026-03"}, "there is no Customer acne"},
	} {
		_, text, _ := strings.Cut(acme, "kind: Agreement")
		writeText(t, file, strings.NewReplacer(x.replace...).Replace("apiVersion: tillstream/v1\nkind: Agreement"+text))
		var out strings.Builder
		code, stderr := tillstream(t, &out, append([]string{"sla", "what-if", "--dsn", p.dsn, "-f", file, "--as-of", asOf.Format(time.RFC3339)}, x.args...)...)
		if code != exitUsage || !strings.Contains(stderr, x.says) {
			t.Errorf("%v: exit %d, %s", x.args, code, stderr)
		}
	}
	if after := p.number("SELECT toInt64(count()) AS n FROM tillstream.sla_statements"); after != before {
		t.Error("something was written")
	}
}
