package clickhouse

import (
	"slices"
	"testing"
)

// A member that starts makes a table, and drops it: a search that runs meanwhile must not look for it, for it may be gone then.
func TestSearchLeavesOutTheCanary(t *testing.T) {
	t.Cleanup(func() { cleanUp(t) })
	s := fresh(t)
	do(t, s, "CREATE TABLE tillstream.canary_0123456789ab AS tillstream.dead_letters")
	tables, err := (&Erasure{sink: s}).searched(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	has := func(name string) bool {
		return slices.ContainsFunc(tables, func(x *searched) bool { return x.name == name })
	}
	if !has("dead_letters") || has("canary_0123456789ab") {
		t.Errorf("searched is dead_letters: %v, a canary: %v", has("dead_letters"), has("canary_0123456789ab"))
	}
}
