package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/tillstream/tillstream/internal/steps"
)

// work is what a program did, as it tells of it.
type work struct {
	Work           string
	Events         int
	Input          string
	Bytes, Objects float64 // that an event allocates

	instructions float64 // of an event
}

// costs are what is compared, and what each may differ by before a share of it counts.
func (w *work) costs(unit string) (costs, spare []float64) {
	if unit == instructions {
		return []float64{w.instructions}, []float64{0}
	}
	return []float64{w.Bytes, w.Objects}, []float64{12, 0.2} // what the runtime may take for threads of its own
}

// What is compared.
const (
	instructions = "instructions"
	allocations  = "bytes and objects"
)

// counted runs a program and counts its instructions.
func counted(ctx context.Context, program string, cpu int) ([]work, error) {
	counts, out, err := steps.Trace(command(ctx, program, "-counted"), cpu)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, fmt.Errorf("counting instructions: %w: %s", err, out)
	}
	works, err := parse(out)
	if err == nil && len(works) != len(counts) {
		err = fmt.Errorf("%d pieces of work were done, and %d counted", len(works), len(counts))
	}
	for i := range works {
		works[i].instructions = float64(counts[i]) / float64(works[i].Events)
	}
	return works, err
}

// allocated runs a program for what its events allocate.
func allocated(ctx context.Context, program string, _ int) ([]work, error) {
	out, err := command(ctx, program).Output()
	if err != nil {
		return nil, fmt.Errorf("measuring allocations: %w: %s", err, out)
	}
	return parse(out)
}

func command(ctx context.Context, program string, flags ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, append(flags, "-test.run=^TestSteps$")...)
	cmd.Env = append(os.Environ(), "GOGC=off")
	return cmd
}

func parse(out []byte) (works []work, err error) {
	for line := range bytes.Lines(out) {
		if line[0] != '{' {
			continue
		}
		var w work
		if err := json.Unmarshal(line, &w); err != nil {
			return nil, fmt.Errorf("reading what was done, %q: %w", line, err)
		}
		works = append(works, w)
	}
	return works, nil
}

// least takes the lower costs of two runs of a program.
func least(a, b []work) []work {
	a = slices.Clone(a)
	for i := range a {
		a[i].Bytes, a[i].Objects, a[i].instructions = min(a[i].Bytes, b[i].Bytes), min(a[i].Objects, b[i].Objects), min(a[i].instructions, b[i].instructions)
	}
	return a
}

// compare prints a table and gives the work that has become dearer by more than the limit, a share, but for what is said to be dearer.
func compare(out io.Writer, unit string, before, now []work, limit float64, said []string) (lost []string) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "%s of an event\tbefore\tnow\t\t\n", unit)
	for i := range now {
		w := &now[i]
		b := slices.IndexFunc(before, func(b work) bool { return b.Work == w.Work && b.Events == w.Events && b.Input == w.Input })
		costs, spare := w.costs(unit)
		if b < 0 {
			fmt.Fprintf(t, "%s\t\t%s\tnot compared: the work is another\t\n", w.Work, figures(costs))
			continue
		}
		was, _ := before[b].costs(unit)
		share, dearer := "", false
		for i := range costs {
			dearer = dearer || costs[i] > was[i]*(1+limit)+spare[i]
			share += fmt.Sprintf(" %+.1f %%", 100*(costs[i]-was[i])/max(was[i], 1))
		}
		if dearer {
			name := w.Work + ","
			if s := slices.IndexFunc(said, func(s string) bool { return strings.HasPrefix(s, name) }); s >= 0 {
				share += " as was said:" + strings.TrimPrefix(said[s], name)
			} else {
				share += " DEARER"
				lost = append(lost, w.Work)
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t\n", w.Work, figures(was), figures(costs), share)
	}
	t.Flush()
	return lost
}

func figures(costs []float64) string {
	var all []string
	for _, c := range costs {
		all = append(all, fmt.Sprintf("%.1f", c))
	}
	return strings.Join(all, ", ")
}
