// Command slip compares this tree with its parent commit: the instructions that decoding, folding and sealing an event take, counted one by one, and fails if they have become more. make slip
// runs it, and CI does.
//
// The work is TestSteps of package processor. It is built from this tree, and from this tree with all files that differ put back to what they are in the parent
// (go help build, -overlay), so that only what differs is compiled twice. Of a tree with changes that are not committed the parent is HEAD. Both are run at the same time, which does
// not matter to the counts: they differ from run to run by what hash seeds do, 0.5 % at most so far. Where the system does not let one process go through another's instructions
// (see internal/steps) the bytes and objects that events allocate are compared instead.
//
// Who makes an event dearer for a reason says so in the commit message, in a trailer that names the work:
//
//	Dearer: sale: seal, since packs are compressed
//
// The next commit is compared with that one, so nothing has to be taken back. Where there is no parent to compare with (a shallow clone, no git, a parent without this work) that
// is said, and nothing fails: processor/costs_test.go holds in any case what events allocate.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tillstream/tillstream/internal/steps"
)

// patience is how long counting may take: where a step takes ten times what it does elsewhere, it is as if there were none.
const patience = 4 * time.Minute

func main() {
	against := flag.String("against", "", "revision to compare with (default: the parent commit)")
	limit := flag.Float64("limit", 0.04, "share by which work may become dearer")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *against, *limit); err != nil {
		fmt.Fprintln(os.Stderr, "slip:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, against string, limit float64) error {
	dir, err := os.MkdirTemp("", "slip")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p, err := findParent(ctx, against)
	var before, now string
	if err == nil {
		before, now, err = p.build(ctx, dir)
	}
	if errors.Is(err, errAlone) {
		fmt.Println("slip: nothing is compared:", err)
		return nil
	}
	if err != nil {
		return err
	}
	fmt.Println("slip: compared with", p.name)
	same, err := equal(before, now)
	if err != nil {
		return err
	}
	if same {
		fmt.Println("the same program")
		return nil
	}
	unit, run := instructions, counted
	works, err := both(ctx, before, now, run)
	if errors.Is(err, steps.ErrUnavailable) {
		fmt.Println(err, "- allocations are compared instead")
		unit, run = allocations, allocated
		works, err = both(ctx, before, now, run)
	}
	if err != nil {
		return err
	}
	said, err := p.said(ctx)
	if err != nil {
		return err
	}
	lost := compare(os.Stdout, unit, works[0], works[1], limit, said)
	if len(lost) > 0 { // hash seeds are others in each run
		fmt.Println("once more, and the least counts")
		again, err := both(ctx, before, now, run)
		if err != nil {
			return err
		}
		lost = compare(os.Stdout, unit, least(works[0], again[0]), least(works[1], again[1]), limit, said)
	}
	if len(lost) > 0 {
		return fmt.Errorf("dearer than in %s: %s. If it has to be, say so in a trailer of the commit message: \"Dearer: %s, because ...\"", p.name, strings.Join(lost, "; "), lost[0])
	}
	return nil
}

// both runs the two programs at the same time.
func both(ctx context.Context, before, now string, run func(ctx context.Context, program string, cpu int) ([]work, error)) (works [2][]work, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%w: it takes longer than %s", steps.ErrUnavailable, patience))
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	for i, program := range []string{before, now} {
		g.Go(func() (err error) {
			works[i], err = run(ctx, program, i)
			return err
		})
	}
	return works, g.Wait()
}
