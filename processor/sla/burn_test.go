package sla

import "testing"

func TestBurn(t *testing.T) {
	const target = 990_000_000
	b := Burn{Counted: 1000, Unknown: 100, Down: 20}
	if rate, ok := b.Rate(target); !ok || rate != 2 {
		t.Errorf("2 %% down of a budget of 1 %% burn at %v (%v)", rate, ok)
	}
	if got := b.Coverage(); got != (Ratio{900, 1000}) {
		t.Errorf("coverage %v", got)
	}
	if _, ok := b.Rate(One); ok {
		t.Error("a target of all has no budget to burn")
	}
	if _, ok := (Burn{}).Rate(target); ok {
		t.Error("nothing counted, nothing burns")
	}
}
