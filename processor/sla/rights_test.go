package sla

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/sla/agreement"
)

// Three breaches of one till within twelve months ground a right; those of several tills do not, nor those of what is only measured.
func TestRightsOf(t *testing.T) {
	within, err := agreement.ParseDuration("12M")
	if err != nil {
		t.Fatal(err)
	}
	terms := &agreement.Terms{
		Objectives: []agreement.Objective{{Name: "up"}, {Name: "shown", Weight: "key"}},
		Remedies:   agreement.Remedies{Escalate: []agreement.Escalate{{Breaches: 3, Within: within, Right: "terminate"}, {Breaches: 1, Right: "meet"}}},
	}
	month := func(m int) interval.Span {
		at := func(m int) int64 { return time.Date(2025, time.Month(m), 1, 0, 0, 0, 0, time.UTC).UnixMilli() }
		return interval.Span{From: at(m), To: at(m + 1)}
	}
	var all []Breach
	add := func(objective, scope string, months ...int) {
		for _, m := range months {
			all = append(all, Breach{objective, scope, month(m), m < 14})
		}
	}
	add("up", "t1", 14, 1, 2, 2, 3, 20) // in 2 by two versions; 1 ends more than a year before 14 does, 20 is to come
	add("up", "t2", 3, 13, 14)
	add("up", "t3", 14)
	add("shown", "t1", 12, 13, 14)
	add("gone", "t1", 12, 13, 14) // the text does not promise it any more
	var got []string
	for _, r := range RightsOf(terms, all, month(14).To, time.UTC) {
		x := fmt.Sprintf("%s %s %s %v:", r.Right, r.Objective, r.Scope, r.Final())
		for _, b := range r.Grounds {
			x += time.UnixMilli(b.Period.From).UTC().Format(" 2006-01")
		}
		got = append(got, x)
	}
	want := []string{
		"terminate up t2 false: 2025-03 2026-01 2026-02",
		"meet up t1 false: 2025-01 2025-02 2025-03 2026-02", "meet up t2 false: 2025-03 2026-01 2026-02", "meet up t3 false: 2026-02",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if r := RightsOf(terms, all, month(12).To, time.UTC); len(r) != 3 || r[0].Right != "terminate" || r[0].Scope != "t1" || !r[0].Final() {
		t.Errorf("at the end of 2025: %v", r)
	}
}
