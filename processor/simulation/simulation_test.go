package simulation

import (
	"flag"
	"os"
	"testing"
	"testing/synctest"
)

var (
	seeds = flag.Uint64("seeds", 200, "how many runs")
	first = flag.Uint64("seed", 1, "the first seed")
	trace = flag.Bool("trace", false, "print what happens")
)

func run(t *testing.T, o Options) (r Result) {
	t.Helper()
	synctest.Test(t, func(*testing.T) { r = Run(o) })
	return r
}

func TestNoSeedGivesAWrongRow(t *testing.T) {
	stopped, faults, batches := 0, 0, 0
	for seed := *first; seed < *first+*seeds; seed++ {
		o := Options{Seed: seed}
		if *trace {
			o.Trace = os.Stdout
		}
		r := run(t, o)
		if r.Stopped != "" {
			stopped++
		}
		faults += len(r.Faults)
		batches += r.Batches
		if len(r.Wrong) > 0 {
			t.Errorf("seed %d: %d faults: %v", seed, len(r.Faults), r.Wrong[:min(3, len(r.Wrong))])
		}
	}
	t.Logf("%d seeds, %d faults, %d batches, %d runs stopped for a cause", *seeds, faults, batches, stopped)
}
