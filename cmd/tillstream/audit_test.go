package main

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/sinks/clickhouse"
)

// What moves on from look to look is a batch on its way; what stays, with whatever figure, is wrong.
func TestLastingFindings(t *testing.T) {
	find := func(table, problem string) clickhouse.Finding {
		return clickhouse.Finding{Table: table, Problem: problem}
	}
	for name, c := range map[string]struct {
		looks [][]clickhouse.Finding
		want  []clickhouse.Finding
		took  int
	}{
		"balanced":           {looks: [][]clickhouse.Finding{nil}, took: 1},
		"a batch on its way": {looks: [][]clickhouse.Finding{{find("ledger", "")}, {find("state", "")}}, took: 2},
		"a row that is gone": {
			looks: [][]clickhouse.Finding{{find("a", "1"), find("ledger", "")}, {find("a", "2")}, {find("a", "3")}, {find("a", "4")}, {find("ledger", ""), find("a", "5")}},
			want:  []clickhouse.Finding{find("a", "5")}, took: 5,
		},
	} {
		took := 0
		report, err := lasting(func() (clickhouse.Report, error) {
			took++
			return clickhouse.Report{Findings: c.looks[took-1]}, nil
		})
		if d := cmp.Diff(c.want, report.Findings); err != nil || took != c.took || len(report.Findings) > 0 && d != "" || report.Balanced() != (c.want == nil) {
			t.Errorf("%s: %d looks, %v\n%s", name, took, err, d)
		}
	}
	if _, err := lasting(func() (clickhouse.Report, error) { return clickhouse.Report{}, errors.New("away") }); err == nil {
		t.Error("an error is not told")
	}
}
