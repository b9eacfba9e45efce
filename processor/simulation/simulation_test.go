package simulation

import (
	"flag"
	"os"
	"strings"
	"testing"
	"testing/synctest"
)

var (
	seeds = flag.Uint64("seeds", 200, "how many runs")
	first = flag.Uint64("seed", 1, "the first seed")
	trace = flag.Bool("trace", false, "print what happens")
	old   = flag.Bool("unclaimed", false, "let lanes stop as those of a version that knew no claims had to")
	gone  = flag.Bool("forget", false, "forget a customer in every run")
	late  = flag.Bool("schemas", false, "write records with schemas of which the registry learns later")
	known = flag.Bool("tokens", false, "let ClickHouse remember tokens of INSERTs that failed")
	small = flag.Bool("shrink", true, "look for the fewest faults of a failure")
)

func play(t *testing.T, o Options) (r Result) {
	t.Helper()
	synctest.Test(t, func(*testing.T) { r = Run(o) })
	return r
}

func TestNoSeedGivesAWrongRow(t *testing.T) {
	wrongRows(t, *seeds, Options{Unclaimed: *old, Forget: *gone, Schemas: *late, Tokens: *known})
}

// Somebody is forgotten while members run, crash and hand lanes over: no row names the customer afterwards, and all others are as if that had been so from the beginning.
func TestNoSeedBringsBackWhoWasForgotten(t *testing.T) {
	n := max(1, *seeds/6)
	if forgotten := wrongRows(t, n, Options{Forget: true}); !t.Failed() && uint64(forgotten) < n/2 {
		t.Errorf("somebody was forgotten in %d of %d runs only", forgotten, n)
	}
}

// A schema registry learns of schemas while records with them are folded, and batches with them begun, left and taken over: each such record counts everywhere, or is a
// dead letter everywhere.
func TestNoSeedJudgesASchemaTwice(t *testing.T) {
	wrongRows(t, max(1, *seeds/10), Options{Schemas: true})
}

// Tills share a counter: their holes are more than are at hand, and what is packed of them changes hands, too.
func TestNoSeedIsMistakenAboutASharedCounter(t *testing.T) {
	wrongRows(t, max(1, *seeds/50), Options{Jump: 30, Events: 4000})
}

// ClickHouse remembers tokens of INSERTs that failed, so that it acknowledges what it drops: lanes go on all the same, and nothing is missing.
func TestNoSeedWaitsForWhatWasDropped(t *testing.T) {
	wrongRows(t, max(1, *seeds/10), Options{Tokens: true})
}

// wrongRows plays runs, reports the first that is wrong, and counts those in which somebody was forgotten.
func wrongRows(t *testing.T, seeds uint64, o Options) (forgotten int) {
	t.Helper()
	stopped, faults, batches, losses := 0, 0, 0, 0
	for o.Seed = *first; o.Seed < *first+seeds; o.Seed++ {
		if *trace {
			o.Trace = os.Stdout
		}
		r := play(t, o)
		if len(r.Wrong) > 0 {
			report(t, o, r)
			return forgotten
		}
		if r.Forgotten {
			forgotten++
		}
		if r.Stopped != "" {
			stopped++
		}
		faults += len(r.Faults)
		batches += r.Batches
		losses += r.Losses
	}
	t.Logf("%d seeds, %d faults, %d batches, %d losses adopted, %d runs with a lane that stopped for a cause, %d with somebody who was forgotten", seeds, faults, batches, losses, stopped, forgotten)
	return forgotten
}

// report says what is wrong with a seed, and the fewest faults that still make something wrong.
func report(t *testing.T, o Options, r Result) {
	t.Helper()
	t.Errorf("seed %d is wrong after %d faults:\n%s", o.Seed, len(r.Faults), strings.Join(r.Wrong[:min(4, len(r.Wrong))], "\n"))
	if *trace || !*small {
		return
	}
	o.Without = Shrink(o, len(r.Faults), func(o Options) bool { return len(play(t, o).Wrong) > 0 })
	var trace strings.Builder
	o.Trace = &trace
	r = play(t, o)
	lines := strings.Split(trace.String(), "\n")
	t.Logf("without %d of the faults it is still wrong; the last steps:\n%s\n%s", len(o.Without), strings.Join(lines[max(0, len(lines)-60):], "\n"), strings.Join(r.Wrong[:min(20, len(r.Wrong))], "\n"))
}

// A seed must say everything, or a failure could not be looked at.
func TestSeedReproducesItsRun(t *testing.T) {
	for seed := uint64(1); seed <= 25; seed++ {
		a, b := play(t, Options{Seed: seed}), play(t, Options{Seed: seed})
		if a.Hash != b.Hash {
			t.Errorf("seed %d went two ways: %x after %d steps, %x after %d", seed, a.Hash, a.Steps, b.Hash, b.Steps)
		}
	}
}

// Reads of marks and state are sequentially consistent (select_sequential_consistency). With replicas that lag the protocol would be wrong, and
// the simulation knows it.
func TestReadsFromLaggingReplicasAreCaught(t *testing.T) {
	for seed := uint64(1); seed <= 50; seed++ {
		if len(play(t, Options{Seed: seed, Lag: 10}).Wrong) > 0 {
			return
		}
	}
	t.Error("50 seeds and nothing wrong")
}
