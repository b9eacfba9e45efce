package simulation

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// mutant is a way to break the protocol: a piece of the real code, and what takes its place. within is how many seeds may be needed to notice, after those
// that are known to notice nothing.
type mutant struct {
	name, file, old, new string
	within, after        int
}

var mutants = []mutant{
	{
		"commit before insert", "processor/writer.go",
		`Offset: r.From, Metadata: commit.Metadata{
			Epoch: b.version.Epoch, Batch: b.version.Batch, Pending: true, Partitions: len(b.ranges), To: r.To,`,
		`Offset: r.To, Metadata: commit.Metadata{
			Epoch: b.version.Epoch, Batch: b.version.Batch, To: r.To,`, 50, 0,
	},
	{"no token", "processor/writer.go", `Token: commit.Token(w.cluster, w.name, b.version.Epoch, b.version.Batch, blk.Name()),`, `Token: "",`, 100, 0},
	{"no look at the ledger before a block is written again", "processor/writer.go", `if skip {`, `if skip && len(b.blocks) == 0 {`, 300, 0},
	{"no look at the ledger before another try", "processor/writer.go", `if !there[blk.Name()] {`, `if true {`, 300, 0},
	{"intent on some partitions is enough", "processor/writer.go", `err := w.offsets.Commit(ctx, intent); err != nil {`, `err := w.offsets.Commit(ctx, intent); errors.Is(err, ErrFenced) {`, 300, 0},
	{"a commit without an answer is forgotten", "processor/writer.go", `err == nil || final(err) || errors.Is(err, ErrFenced) || errors.Is(err, ErrUnacknowledged)`, `err == nil || final(err) || errors.Is(err, ErrFenced)`, 1000, 0},
	{"another range on replay", "processor/lane.go", `if p := plan.Pending; p != nil {`, `if p := plan.Pending; p != nil && l.epoch == 0 {`, 100, 0},
	{"state before the rollups", "processor/writer.go", `	there := map[string]bool{}
`, `	if err := w.insert(ctx, b, b.state, 1); err != nil {
		return err
	}
	there := map[string]bool{}
`, 100, 0},
	{"no deadline for inserts", "processor/writer.go", `ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.window())
	defer cancel()

	intent`, `ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()

	intent`, 1000, 0},
	{"the claim is not read back", "processor/writer.go", `return commit.Claimed(w.mark(b, 1), finishing, held)`, `_ = held
	return nil`, 1000, 0},
	{"a claim does not bind who comes after", "processor/commit/recover.go", `if h.Mark.Batch != next {`, `if h.Mark.Batch != next || h.Table == ClaimTable {`, 300, 0},
	{"state not loaded", "processor/lane.go", `l.sink.State(ctx, owners, h.folder.Load)`, `l.sink.State(ctx, nil, h.folder.Load)`, 50, 0},
	{"state of the lane's first partition only", "processor/lane.go", `!slices.Contains(owners, o)`, `len(owners) == 0 && !slices.Contains(owners, o)`, 50, 0},
	{"a gap ignored", "processor/folder.go", `b.gaps += uint64(next - b.next)`, ``, 10, 0},
	{"aborted transactions counted", "processor/fetch/walk.go", `} else if i >= 0 {`, `} else if i >= 1 {`, 10, 0},
	{"dead letters not sent again", "processor/writer.go", `err := w.letters.Send(ctx, b.letters); err != nil {`, `err := w.letters.Send(ctx, b.letters); err != nil && !again {`, 1000, 0},
	{"rows in the order of arrival", "processor/table/order.go", `for w := len(differ) - 1; w >= 0; w-- {`, `for w := 0; w >= 0; w-- {`, 300, 0},
	{"the clock in a row", "processor/folder.go", `day := rollup.Days(f.newest / 86_400_000)`, `day := rollup.Days(now.Unix() % 50)`, 300, 0},
	{"memory is trusted whatever another owner did", "processor/hand.go", `	h.wrote(plan.Batch)
	if h.last`, `	if h.wrote(plan.Batch); h.epoch > 0 {
		return true
	}
	if h.last`, 300, 0},
	{
		"an epoch without its fence in Kafka", "processor/epoch.go",
		`return e.Kafka.Outside(next.Group).Commit(ctx, entries) }); err != nil {`, `return ctx.Err() }); err != nil {`, 1000, 0,
	},
	{"the end of a batch said once", "processor/lane.go", `again = time.After(idleAgain)`, `again = nil`, 100, 1300},
}

// unclaimed leaves the claim out: the owner of a lane sleeps between the intent and the first insert of a batch, another tool erases the intent, the next owner gives
// the number to a batch that has nothing for one of the tables, and later the first one wakes and writes into that.
var unclaimed = mutant{"no claim", "processor/writer.go", `if err := w.claim(ctx, b, pending != nil); err != nil {`, `if err := ctx.Err(); err != nil {`, 1000, 0}

// unneeded are rules that can be broken without harm as long as batches are claimed. They keep their places as a second belt, since members of a version that knows
// no claims may be at work, and are broken together with that.
var unneeded = []mutant{
	{"an intent counts for whatever partitions the lane has now", "processor/commit/recover.go", `len(intended) == wanted && wanted > 0`, `len(intended) == len(f.Partitions) && wanted > 0`, 100, 2300},
	{"fencing ignored", "processor/writer.go", `err := w.offsets.Commit(ctx, intent); err != nil {`, `err := w.offsets.Commit(ctx, intent); err != nil && !errors.Is(err, ErrFenced) {`, 300, 0},
	{"no verification before the state", "processor/writer.go", `if err := commit.Verify(w.name, b.version.Epoch, b.version.Batch, b.ranges, verify, held); err != nil {`, `if len(held) < 0 {`, 1000, 0},
}

// What brings somebody back who was forgotten.
var remembering = []mutant{
	{"no look at who was forgotten before a batch is written", "processor/writer.go", `} else if n != b.forgotten {`, `} else if n < b.forgotten {`, 100, 0},
	{"state names whom it named", "processor/folder.go", `Forgotten: forgotten.Has}`, `}`, 200, 0},
}

// A simulation that finds nothing proves nothing: each of these must be caught by it, within so many seeds.
func TestMutantsAreCaught(t *testing.T) {
	for _, m := range append(mutants, unclaimed) {
		t.Run(strings.ReplaceAll(m.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			caught(t, 1+m.after, m.within, []mutant{m})
		})
	}
	for _, m := range remembering {
		t.Run(strings.ReplaceAll(m.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			caught(t, 1+m.after, m.within, []mutant{m}, "-forget")
		})
	}
	for _, m := range unneeded {
		t.Run(strings.ReplaceAll(m.name, " ", "-")+"-and-no-claim", func(t *testing.T) {
			t.Parallel()
			caught(t, 1+m.after, m.within, []mutant{m, unclaimed}, "-unclaimed")
		})
	}
}

// caught runs the simulation with the mutants in place of the real code, and wants a wrong row from the seeds.
func caught(t *testing.T, first, seeds int, mutants []mutant, args ...string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	replace := map[string]string{}
	for _, m := range mutants {
		source := filepath.Join(root, m.file)
		broken := filepath.Join(dir, filepath.Base(m.file))
		from := source
		if _, again := replace[source]; again {
			from = broken
		}
		code, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(code), m.old); n != 1 {
			t.Fatalf("%s has %d places like %q, want one: the mutant must follow the code", m.file, n, m.old)
		}
		if err := os.WriteFile(broken, []byte(strings.Replace(string(code), m.old, m.new, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		replace[source] = broken
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		t.Fatal(err)
	}
	args = append([]string{
		"test", "-overlay", overlay, "-vet=off", "-run", "^TestNoSeedGivesAWrongRow$", ".", "-shrink=false", "-seed", strconv.Itoa(first), "-seeds", strconv.Itoa(seeds),
	}, args...)
	cmd := exec.CommandContext(t.Context(), "go", args...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	found := regexp.MustCompile(`seed (\d+) is wrong[^\n]*\n([^\n]*)`).FindSubmatch(out)
	if !errors.As(err, &exit) || found == nil {
		t.Fatalf("not caught: %v\n%s", err, out)
	}
	t.Logf("seed %s: %s", found[1], found[2])
}
