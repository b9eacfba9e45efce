package clickhouse

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A revision is there as a whole, and of two that are written under one number the first stays.
func TestRegistry(t *testing.T) {
	s := fresh(t)
	ctx, at := t.Context(), time.UnixMilli(1_770_000_000_123).UTC()
	put := func(revision uint64, by string, objects ...Registered) {
		t.Helper()
		if err := s.PutRegistry(ctx, revision, at, by, "why", objects); err != nil {
			t.Fatal(err)
		}
	}
	put(1, "ann", Registered{Kind: "Store", Name: "a", Document: "{1}"}, Registered{Kind: "Store", Name: "b", Document: "{2}"})
	put(2, "bob", Registered{Kind: "Store", Name: "a", Deleted: true})
	put(2, "eve", Registered{Kind: "Store", Name: "a", Document: "{3}"}, Registered{Kind: "Store", Name: "c", Document: "{3}"})

	got, err := s.Registry(ctx)
	if err != nil {
		t.Fatal(err)
	}
	want := []Registered{
		{Kind: "Store", Name: "a", Deleted: true, Revision: 2, At: at, By: "bob", Reason: "why"},
		{Kind: "Store", Name: "b", Document: "{2}", Revision: 1, At: at, By: "ann", Reason: "why"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}

	for _, revision := range []uint64{2, 1} {
		if err := s.PutRegistrySent(ctx, revision); err != nil {
			t.Fatal(err)
		}
	}
	if sent, err := s.RegistrySent(ctx); err != nil || sent != 2 {
		t.Errorf("sent %d, %v", sent, err)
	}
}
