package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tillstream/tillstream/cmd/tillstream/config"
	"github.com/tillstream/tillstream/internal/wait"
	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/sinks/clickhouse"
)

type forgetCmd struct {
	target
	Customer []string      `help:"Whom, by pseudonym." placeholder:"PSEUDONYM"`
	From     string        `help:"File of pseudonyms, one a line, - for stdin." placeholder:"FILE"`
	IDs      string        `help:"File of ids as tills send them, one a line, - for stdin; the pseudonyms are computed here." name:"ids" placeholder:"FILE"`
	Type     string        `help:"Of what kind those ids are, as tills send it." default:"loyalty" placeholder:"TYPE"`
	Reason   string        `help:"Why, for the record: an order's number, an article; no name." placeholder:"TEXT"`
	By       string        `help:"Who it is; you and this machine if not given." placeholder:"NAME"`
	DryRun   bool          `help:"Say what would go, and change nothing."`
	Resume   bool          `help:"Finish a run that was cut short."`
	Wait     time.Duration `help:"For how long to wait until ClickHouse has deleted the old parts. It does so after 8 minutes, where nobody has changed old_parts_lifetime." default:"30m"`
}

func (*forgetCmd) Help() string {
	return `Erases customers from all tables, and puts a keyed hash of each on a list, so that their events are folded without them from now on: those to come and those that are read again. Nothing of it can be
undone. Members may run meanwhile. It ends with a search of every column of every table; whatever is left is an error. docs/forget.md says what is left elsewhere, in Kafka above all.

  tillstream forget --config tillstream.yaml --from pseudonyms.txt --reason "requests of May" --dry-run
  tillstream forget --config tillstream.yaml --ids - --reason "DSR-2041"`
}

func (c *forgetCmd) Run(e *env) error {
	secret, window, err := c.secret(e)
	if err != nil {
		return err
	}
	var customers []uint64
	switch given := len(c.Customer) > 0 || c.From != "" || c.IDs != ""; {
	case c.Resume && (given || c.DryRun):
		return usageError{errors.New("--resume finishes what was begun: say nothing else with it than where that is")}
	case c.Resume:
	case !given:
		return usageError{errors.New("say whom: --customer PSEUDONYM, --from FILE or --ids FILE")}
	case c.From == "-" && c.IDs == "-":
		return usageError{errors.New("--from and --ids cannot both be stdin: give one of them a file")}
	case strings.TrimSpace(c.Reason) == "" && !c.DryRun:
		return usageError{errors.New("--reason is empty: say why, for the record (pos.erasures)")}
	default:
		if customers, err = c.customers(e, secret); err != nil {
			return usageError{err}
		}
	}
	if c.By == "" {
		c.By = person()
	}
	return c.open(e, func(sink *clickhouse.Sink) error {
		f := &forgetting{sink: sink, secret: secret, window: window, patience: c.Wait, out: e.stdout, progress: e.stderr}
		if c.DryRun {
			return f.rehearse(e.ctx, c.By, customers)
		}
		err := f.members(e.ctx)
		switch {
		case err != nil:
		case c.Resume:
			err = f.resume(e.ctx)
		default:
			err = f.begin(e.ctx, c.By, c.Reason, customers)
		}
		if e.ctx.Err() != nil { // which is a clean end elsewhere, and not here
			return errors.New("cut short: finish it with tillstream forget --resume, unless that says that there is nothing to finish")
		}
		return err
	})
}

// secret is what pseudonyms are made with, and window for how long a member may still write what it folded before: both of the members' configuration, or of the demo's.
func (c *forgetCmd) secret(e *env) ([]byte, time.Duration, error) {
	cfg, err := loadConfig(e, c.Config)
	if err != nil {
		return nil, 0, err
	}
	if c.Config == "" && c.DSN == "" {
		kept, err := os.ReadFile(filepath.Join(c.Data, "secret"))
		if err == nil {
			cfg.Privacy.Secret = config.Secret(kept)
		} else if cfg.Privacy.Secret == "" {
			return nil, 0, usageError{fmt.Errorf("reading the secret of the demo: %w; make one with tillstream demo, or name the members' configuration with --config", err)}
		}
	}
	if err := cfg.RequireSecret(); err != nil {
		return nil, 0, usageError{err}
	}
	return []byte(cfg.Privacy.Secret), duration(cfg.Kafka.SessionTimeout) / 2, nil
}

// leastPseudonym is less than any pseudonym that anybody will see: of 64 bits, one in four billion is below. A smaller number is something else, and would be found
// everywhere by chance.
const leastPseudonym = 1 << 32

// customers are those that were named, each once, in the order of their numbers.
func (c *forgetCmd) customers(e *env, secret []byte) ([]uint64, error) {
	var all []uint64
	add := func(where, text string) error {
		p, err := strconv.ParseUint(text, 10, 64)
		if err != nil || p < leastPseudonym {
			return fmt.Errorf("%s: not a pseudonym, which is a number of up to 20 digits as pos.customer_days has it (for ids there is --ids)", where)
		}
		all = append(all, p)
		return nil
	}
	for i, text := range c.Customer {
		if err := add(fmt.Sprintf("--customer, the %d. one", i+1), text); err != nil {
			return nil, err
		}
	}
	err := eachName(e, c.From, func(where, text string) error {
		if text == "customer" { // the head of what tillstream audience and tillstream sql write
			return nil
		}
		text, _, _ = strings.Cut(text, ",")
		return add(where, text)
	})
	if err == nil {
		err = eachName(e, c.IDs, func(_, id string) error {
			all = append(all, event.Pseudonym(secret, c.Type, id))
			return nil
		})
	}
	slices.Sort(all)
	if all = slices.Compact(all); err == nil && len(all) == 0 {
		err = errors.New("nobody is named in the files: one a line")
	}
	return all, err
}

// eachName calls f for every line of a file that is not empty. Errors name the line, not what is in it.
func eachName(e *env, file string, f func(where, text string) error) error {
	if file == "" {
		return nil
	}
	in := e.stdin
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return err
		}
		defer opened.Close()
		in = opened
	}
	lines := bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		if text := strings.TrimSpace(lines.Text()); text != "" {
			if err := f(fmt.Sprintf("%s, line %d", file, n), text); err != nil {
				return err
			}
		}
	}
	return lines.Err()
}

// forgetting is a run of the command.
type forgetting struct {
	sink             *clickhouse.Sink
	secret           []byte
	window, patience time.Duration
	out, progress    io.Writer
}

// rehearse says what would go.
func (f *forgetting) rehearse(ctx context.Context, by string, customers []uint64) error {
	x, err := f.sink.Erasure(ctx, by, "", customers, true)
	if err != nil {
		return err
	}
	found, err := x.Search(ctx)
	if err := errors.Join(err, x.Close(context.WithoutCancel(ctx))); err != nil {
		return err
	}
	return f.describe(found, nil, len(customers))
}

// members says whether members would know who was forgotten.
func (f *forgetting) members(ctx context.Context) error {
	same, known, err := f.sink.IsForgetKey(ctx, f.secret)
	switch {
	case err != nil:
		return err
	case !known:
		return errors.New("no member of this version has ever run here: upgrade all members first, so that they do not bring back whom they do not know to be forgotten")
	case !same:
		return errors.New("members know customers under another privacy.secret than this one: name their configuration with --config")
	}
	return nil
}

func (f *forgetting) begin(ctx context.Context, by, reason string, customers []uint64) error {
	x, err := f.sink.Erasure(ctx, by, reason, customers, false)
	if err != nil {
		return err
	}
	before, err := x.Search(ctx)
	if err != nil { // nothing has changed yet
		return errors.Join(err, x.Close(context.WithoutCancel(ctx)))
	}
	return f.finish(ctx, x, before)
}

func (f *forgetting) resume(ctx context.Context) error {
	x, err := f.sink.Resume(ctx)
	if err != nil {
		return err
	}
	if x == nil {
		fmt.Fprintln(f.out, "no run was cut short")
		return nil
	}
	before, err := x.Search(ctx)
	if err != nil {
		return err
	}
	return f.finish(ctx, x, before)
}

// rounds is how often what is left is erased again: the views of marketing may have been reckoned anew out of rows that went meanwhile.
const rounds = 3

// finish does all of it. Each step may be repeated. before is how many rows name the customers, by table.
func (f *forgetting) finish(ctx context.Context, x *clickhouse.Erasure, before map[string]uint64) (err error) {
	if err := x.List(ctx, f.secret); err != nil {
		return err
	}
	// A batch that is being written now was folded under the older list. Whoever begins to write one later sees this list.
	fmt.Fprintf(f.progress, "%d customers are on the list; waiting %s for what members may still be writing\n", len(x.Customers), f.window+margin)
	if err := wait.For(ctx, f.window+margin); err != nil {
		return err
	}
	if there, err := f.sink.Rebuilding(ctx); err != nil {
		return err
	} else if there {
		return errors.New("tables are being made anew, and may be swapped in with those who are to be forgotten: finish that, or undo it with tillstream rebuild --abandon, and then run tillstream forget --resume")
	}
	var left map[string]uint64
	for range rounds {
		if err := x.Erase(ctx); err != nil {
			return err
		}
		if err := f.outlast(ctx, x); err != nil {
			return err
		}
		if left, err = x.Search(ctx); err != nil {
			return err
		}
		if len(left) == 0 {
			break
		}
	}
	if err := f.describe(before, left, len(x.Customers)); err != nil {
		return err
	}
	if len(left) > 0 {
		return errors.New("not everything is gone: if a member of an older version runs, upgrade it; then run tillstream forget --resume")
	}
	if err := x.Record(ctx, before); err != nil {
		return err
	}
	if err := x.Close(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	fmt.Fprintf(f.out, "nothing of %d customers is left in ClickHouse's tables; on record as %s in pos.erasures. Kafka keeps their events for as long as its topics do: see docs/forget.md\n", len(x.Customers), x.ID)
	return nil
}

// margin is for how much longer than a window to wait.
const margin = 2 * time.Second

// outlast waits until the parts that were replaced are off the disk.
func (f *forgetting) outlast(ctx context.Context, x *clickhouse.Erasure) error {
	began := time.Now()
	since, err := x.Clock(ctx)
	if err != nil {
		return err
	}
	for said := false; ; said = true {
		parts, detached, err := x.Outdated(ctx, since)
		switch {
		case err != nil:
			return err
		case len(detached) > 0:
			return fmt.Errorf("there are detached parts, which may name them (%s): attach or drop them with ALTER TABLE … ATTACH PART or DROP DETACHED PART, and run tillstream forget --resume", strings.Join(detached, ", "))
		case parts == 0:
			return nil
		case time.Since(began) > f.patience:
			return fmt.Errorf("ClickHouse still keeps %d parts that were replaced (see system.parts, and the setting old_parts_lifetime): run tillstream forget --resume later", parts)
		case !said:
			fmt.Fprintf(f.progress, "waiting until ClickHouse has deleted %d parts that were replaced\n", parts)
		}
		if err := wait.For(ctx, time.Second); err != nil {
			return err
		}
	}
}

// describe prints how many rows name them, by table; left is nil for a rehearsal.
func (f *forgetting) describe(before, left map[string]uint64, customers int) error {
	tables := maps.Clone(before)
	maps.Copy(tables, left)
	w := tabwriter.NewWriter(f.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "table\trows that named them\trows that name them now")
	for _, table := range slices.SortedFunc(maps.Keys(tables), func(a, b string) int { return cmp.Compare(a, b) }) {
		now := before[table]
		if left != nil {
			now = left[table]
		}
		fmt.Fprintf(w, "%s\t%d\t%d\n", table, before[table], now)
	}
	if len(tables) == 0 {
		fmt.Fprintf(w, "none of %d customers is named in any table\n", customers)
	}
	return w.Flush()
}
