package simulation

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// mutant is a way to break the protocol: pieces of the real code, and what takes their place, where $ says whether it is this mutant that runs. within is how
// many seeds may be needed to notice, after those that are known to notice nothing.
type mutant struct {
	name, file, old, new string
	within, after        int
}

var mutants = []mutant{
	{
		"commit before insert", "processor/writer.go",
		`Offset: r.From, Metadata: commit.Metadata{
			Epoch: b.version.Epoch, Batch: b.version.Batch, Pending: true, Partitions: len(b.ranges), To: r.To,`,
		`Offset: either($, r.To, r.From), Metadata: commit.Metadata{
			Epoch: b.version.Epoch, Batch: b.version.Batch, Pending: !$, Partitions: either($, 0, len(b.ranges)), To: r.To,`, 50, 0,
	},
	{"no token", "processor/writer.go", `Token: commit.Token(w.cluster, w.name, mark.Epoch, mark.Batch, blk.Name()),`, `Token: either($, "", commit.Token(w.cluster, w.name, mark.Epoch, mark.Batch, blk.Name())),`, 100, 0},
	{"no look at the ledger before a block is written again", "processor/writer.go", `if skip {`, `if skip && !$ {`, 300, 0},
	{"no look at the ledger before another try", "processor/writer.go", `if !there[blk.Name()] {`, `if $ || !there[blk.Name()] {`, 300, 0},
	{"intent on some partitions is enough", "processor/writer.go", `err := w.offsets.Commit(ctx, intent); err != nil`, `err := w.offsets.Commit(ctx, intent); err != nil && (!$ || errors.Is(err, ErrFenced))`, 300, 140},
	{"a commit without an answer is forgotten", "processor/writer.go", `err == nil || final(err) || errors.Is(err, ErrFenced) || errors.Is(err, ErrUnacknowledged)`, `err == nil || final(err) || errors.Is(err, ErrFenced) || errors.Is(err, ErrUnacknowledged) && !$`, 1000, 180},
	{"another range on replay", "processor/lane.go", `if p := plan.Pending; p != nil {`, `if p := plan.Pending; p != nil && !$ {`, 100, 0},
	{"state before the rollups", "processor/writer.go", `	there := map[string]bool{}
`, `	if $ {
		if err := w.insert(ctx, b.state, w.mark(b, 1)); err != nil {
			return err
		}
	}
	there := map[string]bool{}
`, 100, 0},
	{"no deadline for inserts", "processor/writer.go", `ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.window())
	defer cancel()

	intent`, `ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	if !$ {
		ctx, cancel = context.WithTimeout(ctx, w.window())
	}
	defer cancel()

	intent`, 1000, 40},
	{"the claim is not read back", "processor/writer.go", `return commit.Claimed(mark, finishing, held)`, `if $ {
		return nil
	}
	return commit.Claimed(mark, finishing, held)`, 1000, 600},
	{"a claim does not bind who comes after", "processor/commit/recover.go", `if h.Mark.Batch != next {`, `if h.Mark.Batch != next || $ && h.Table == ClaimTable {`, 300, 0},
	{"state not loaded", "processor/lane.go", `l.sink.State(ctx, owners, h.folder.Load)`, `l.sink.State(ctx, either($, nil, owners), h.folder.Load)`, 50, 0},
	{"state of the lane's first partition only", "processor/lane.go", `!slices.Contains(owners, o)`, `(!$ || len(owners) == 0) && !slices.Contains(owners, o)`, 50, 0},
	{"a gap ignored", "processor/folder.go", `b.gaps += uint64(next - b.next)`, `b.gaps += either($, 0, uint64(next-b.next))`, 10, 0},
	{"aborted transactions counted", "processor/fetch/walk.go", `} else if i >= 0 {`, `} else if i >= either($, 1, 0) {`, 10, 0},
	{"a dead letter that could not be sent is forgotten", "processor/writer.go", `err := w.letters.Send(ctx, b.letters); err != nil {`, `err := w.letters.Send(ctx, b.letters); err != nil && !$ {`, 100, 0},
	{"rows in the order of arrival", "processor/table/order.go", `for w := len(differ) - 1; w >= 0; w-- {`, `for w := either($, 0, len(differ)-1); w >= 0; w-- {`, 300, 0},
	{"the clock in a row", "processor/folder.go", `day := rollup.Days(f.newest / 86_400_000)`, `day := rollup.Days(either($, now.Unix()%50, f.newest/86_400_000))`, 300, 0},
	{"memory is trusted whatever another owner did", "processor/hand.go", `	h.wrote(plan.Batch)
	if h.last`, `	if h.wrote(plan.Batch); $ && h.epoch > 0 {
		return true
	}
	if h.last`, 1000, 430},
	{
		"an epoch without its fence in Kafka", "processor/epoch.go",
		`return e.Kafka.Outside(next.Group).Commit(ctx, entries) }); err != nil {`, `if $ { return ctx.Err() }; return e.Kafka.Outside(next.Group).Commit(ctx, entries) }); err != nil {`, 1000, 0,
	},
	{
		"what is read of the past is not used", "processor/recall.go",
		`if err := h.folder.tills.Recall(r); err != nil {`, `if err := either($, func(rollup.StateRow) error { return ctx.Err() }, h.folder.tills.Recall)(r); err != nil {`, 100, 0,
	},
	{"what a waiting correction names does not wait", "processor/folder.go", `f.corrections.Awaited(e) {`, `f.corrections.Awaited(e) && !$ {`, 100, 100},
	{"corrections are lost with the batches that were sealed", "processor/lane.go", `for _, b := range h.sealed {
			for`, `for _, b := range h.sealed[either($, len(h.sealed), 0):] {
			for`, 1000, 0},
	{"what the open batch keeps is not looked at", "processor/correction/fold.go", `if !tills[p.till] || p.superseded {`, `if !tills[p.till] || p.superseded || $ {`, 100, 0},
	{"the end of a batch said once", "processor/lane.go", `again = time.After(idleAgain)`, `if again = time.After(idleAgain); $ {
			again = nil
		}`, 1000, 670},
}

// early is noticed only where batches come so fast that one is being written whose past the next one wants: seldom in runs of few events.
var early = mutant{"the past is read before it is written", "processor/recall.go", `if err := settled(); err != nil {`, `if err := either($, ctx.Err, settled)(); err != nil {`, 1, 0}

// unclaimed leaves the claim out: the owner of a lane sleeps between the intent and the first insert of a batch, another tool erases the intent, the next owner gives
// the number to a batch that has nothing for one of the tables, and later the first one wakes and writes into that.
var unclaimed = mutant{"no claim", "processor/writer.go", `if err := w.claim(ctx, b, pending != nil); err != nil {`, `err := ctx.Err()
	if !$ {
		err = w.claim(ctx, b, pending != nil)
	}
	if err != nil {`, 1000, 100}

// unneeded are rules that can be broken without harm as long as batches are claimed. They keep their places as a second belt, since members of a version that knows
// no claims may be at work, and are broken together with that.
var unneeded = []mutant{
	{"an intent counts for whatever partitions the lane has now", "processor/commit/recover.go", `len(intended) == wanted && wanted > 0`, `len(intended) == either($, len(f.Partitions), wanted) && wanted > 0`, 100, 600},
	{"fencing ignored", "processor/writer.go", `err := w.offsets.Commit(ctx, intent); err != nil`, `err := w.offsets.Commit(ctx, intent); err != nil && !($ && errors.Is(err, ErrFenced))`, 2000, 100},
	{"no verification before the state", "processor/writer.go", `if err := commit.Verify(w.name, b.version.Epoch, b.version.Batch, b.ranges, verify, held); err != nil {`, `if err := commit.Verify(w.name, b.version.Epoch, b.version.Batch, b.ranges, verify, held); err != nil && !$ {`, 1000, 620},
}

// remembering brings somebody back who was forgotten.
var remembering = []mutant{
	{"no look at who was forgotten before a batch is written", "processor/writer.go", `} else if n != b.forgotten {`, `} else if n != b.forgotten && (!$ || n < b.forgotten) {`, 100, 30},
	{"state names whom it named", "processor/folder.go", `Forgotten: forgotten.Has}`, `Forgotten: either($, nil, forgotten.Has)}`, 100, 850},
}

// forgetful judges anew what was judged.
var forgetful = []mutant{
	{"a claim without what was judged unknown", "processor/writer.go", `mark.Unknown = b.unknown`, `mark.Unknown = either($, nil, b.unknown)`, 1000, 0},
	{"who finishes a batch asks again", "processor/schemas.go", `if h.judged.Has(id) {`, `if h.judged.Has(id) && !$ {`, 50, 0},
}

// believing takes an INSERT that was acknowledged for one that was done.
var believing = []mutant{
	{"no other token", "processor/writer.go", `Again: w.lost[blk.Name()] / believed,`, `Again: either($, 0, w.lost[blk.Name()]/believed),`, 50, 0},
	{"no look at the state that was written again", "processor/writer.go", `err != nil || !again && pending == nil {`, `err != nil || $ || !again && pending == nil {`, 300, 200},
}

// mutantsEnv says which mutants of a binary run, by their numbers.
const mutantsEnv = "TILLSTREAM_TEST_MUTANTS"

// A simulation that finds nothing proves nothing: each of these must be caught by it, within so many seeds.
func TestMutantsAreCaught(t *testing.T) {
	claimless := len(mutants)
	groups := []struct {
		mutants []mutant
		with    string // another that is broken together with each
		args    []string
	}{
		{append(mutants[:claimless:claimless], unclaimed), "", nil},
		{unneeded, fmt.Sprint(",", claimless), []string{"-unclaimed"}},
		{remembering, "", []string{"-forget"}},
		{forgetful, "", []string{"-schemas"}},
		{believing, "", []string{"-tokens"}},
		{[]mutant{early}, "", []string{"-test.run", "^TestBacklogOfManyBatches$"}},
	}
	var all []mutant
	for _, g := range groups {
		all = append(all, g.mutants...)
	}
	binary := filepath.Join(t.TempDir(), "mutants")
	mutated(t, binary, all)
	n := 0
	for _, g := range groups {
		for _, m := range g.mutants {
			which := fmt.Sprint(n) + g.with
			n++
			t.Run(strings.ReplaceAll(m.name, " ", "-"), func(t *testing.T) {
				t.Parallel()
				caught(t, binary, m, which, g.args...)
			})
		}
	}
}

// caught runs a mutant in place of the real code, and wants a wrong row from the seeds.
func caught(t *testing.T, binary string, m mutant, which string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, append([]string{
		"-test.run", "^TestNoSeedGivesAWrongRow$", "-shrink=false", "-seed", strconv.Itoa(1 + m.after), "-seeds", strconv.Itoa(m.within),
	}, args...)...)
	cmd.Env = append(os.Environ(), mutantsEnv+"="+which)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	found := regexp.MustCompile(`seed (\d+) is wrong[^\n]*\n([^\n]*)`).FindSubmatch(out)
	if !errors.As(err, &exit) || found == nil {
		t.Fatalf("not caught: %v\n%s", err, out)
	}
	t.Logf("seed %s: %s", found[1], found[2])
}

// mutated compiles the simulation once, with all mutants in it.
func mutated(t *testing.T, binary string, mutants []mutant) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	replace, packages, flags := map[string]string{}, map[string]bool{}, ""
	broken := map[string]string{} // by file
	for i, m := range mutants {
		source := filepath.Join(root, m.file)
		if broken[source] == "" {
			code, err := os.ReadFile(source)
			if err != nil {
				t.Fatal(err)
			}
			broken[source] = string(code)
		}
		if n := strings.Count(broken[source], m.old); n != 1 {
			t.Fatalf("%s has %d places like %q, want one: the mutant must follow the code", m.file, n, m.old)
		}
		flag := fmt.Sprint("mutant", i)
		broken[source] = strings.Replace(broken[source], m.old, strings.ReplaceAll(m.new, "$", flag), 1)
		packages[filepath.Dir(source)] = true
		flags += fmt.Sprintf("var %s = slices.Contains(strings.Split(os.Getenv(%q), \",\"), %q)\n", flag, mutantsEnv, fmt.Sprint(i))
	}
	write := func(source, name, code string) {
		t.Helper()
		replace[source] = filepath.Join(dir, name)
		if err := os.WriteFile(replace[source], []byte(code), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for source, code := range broken {
		write(source, fmt.Sprint(len(replace), ".go"), code)
	}
	for p := range packages {
		write(filepath.Join(p, "mutants.go"), fmt.Sprint(len(replace), ".go"), "package "+filepath.Base(p)+`

import (
	"os"
	"slices"
	"strings"
)

func either[T any](is bool, a, b T) T {
	if is {
		return a
	}
	return b
}

`+flags)
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "go", "test", "-overlay", overlay, "-vet=off", "-c", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("the mutants do not compile: %v\n%s", err, out)
	}
}
