package steps

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// spin is a loop whose iterations take the same instructions each.
//
//go:noinline
func spin(n int) (sum int) {
	for i := range n {
		sum += i ^ sum
	}
	return sum
}

// TestMain is also the process that is looked at.
func TestMain(m *testing.M) {
	if os.Getenv("STEPS_COUNTED") == "" {
		os.Exit(m.Run())
	}
	c, err := Begin(os.Stdout, os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	sum := 0
	for _, n := range []int{100, 200, 1_000, 0} {
		c.Count(func() { sum += spin(n) })
	}
	c.Count(func() { sum += len(make([]byte, 1<<20)) })
	c.End()
	fmt.Print("said ", sum > 0)
}

// A loop of ten times as many iterations takes ten times the instructions, to the last one, beside what entering it takes.
func TestCountsAreExact(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "STEPS_COUNTED=1")
	counts, out, err := Trace(cmd, 0)
	if errors.Is(err, ErrUnavailable) {
		t.Log(err)
		return
	}
	if err != nil || len(counts) != 5 || string(out) != "said true" {
		t.Fatalf("%v, %q, %v", counts, out, err)
	}
	each := (counts[1] - counts[0]) / 100
	if each < 3 || each > 10 || counts[1] != counts[0]+100*each || counts[2] != counts[0]+900*each {
		t.Errorf("loops of 100, 200 and 1,000 take %v instructions", counts[:3])
	}
	if enter := counts[0] - 100*each; enter > 500 || counts[3] > enter {
		t.Errorf("an empty loop takes %d instructions", counts[3])
	}
}
