package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tillstream/tillstream/deploy/embedded"
)

// config is what a comparison is asked for.
type config struct {
	root, dir, out  string
	only, workloads []string
	once            []string // peers that the first round alone measures
	cores           []int
	events, runs    int
	grain           grain
	flush           time.Duration
	heap, kafkaHeap string
	limit           time.Duration
	loads           []int // events a second; halfLoad: of each peer's own
	freshFlushes    []time.Duration
	freshFor        time.Duration
	seed            uint64
	asked           string // flags that change what is measured, as they were given
}

// halfLoad is half of what a peer took on one core in the same comparison.
const halfLoad = -1

// bench is a comparison under way.
type bench struct {
	cfg  config
	site *site
	say  io.Writer
}

// workload is a topic that is full.
type workload struct {
	name, what string
	topic      string
	ndjson     string
	runs       int
	cores      []int
	oracle     *oracle
}

func main() {
	embedded.RunChildIfAsked()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 4 && args[0] == floorCommand {
		return runFloor(ctx, stdout, args[1], args[2], args[3])
	}
	cfg, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	if runtime.NumCPU() < 2 {
		return errors.New("this machine has one core; a comparison needs two, one of them for Kafka and ClickHouse")
	}
	if cfg.dir, err = os.MkdirTemp(cfg.dir, "tillstream-bench"); err != nil {
		return fmt.Errorf("making a directory: %w", err)
	}
	defer os.RemoveAll(cfg.dir)
	b := &bench{cfg: cfg, say: stderr}
	if b.site, err = openSite(ctx, cfg.dir, cfg.kafkaHeap); err != nil {
		return err
	}
	defer b.site.close()
	return b.compare(ctx)
}

func parseFlags(args []string, stderr io.Writer) (c config, err error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&c.root, "root", ".", "directory of the repository, where peers were built (make bench-peers does)")
	f.StringVar(&c.dir, "dir", "", "where Kafka and ClickHouse keep their data meanwhile; empty: the directory for temporary files")
	f.StringVar(&c.out, "out", "docs/benchmarks.md", "file of the report")
	only := f.String("peers", "", "names of the peers to run, with commas; empty: all")
	once := f.String("once", "", "names of slow peers, with commas: they are measured in the first round only")
	workloads := f.String("workloads", "sales,simulated", "sales: lean ones that are generated; simulated: those of the simulator, on one core only and in a third of the runs")
	cores := f.String("cores", "1,2", "how many cores a peer has")
	f.IntVar(&c.events, "events", 1_000_000, "that a topic holds")
	f.IntVar(&c.runs, "runs", 10, "of each peer")
	bucket := f.String("grain", string(day), "of the peers' rollup, day or hour; tillstream keeps products by day, so hour gives the others more rows to keep")
	f.DurationVar(&c.flush, "flush", time.Second, "how often what was folded goes to ClickHouse: batches, commits and checkpoints")
	f.StringVar(&c.heap, "heap", "2g", "of Java peers")
	f.StringVar(&c.kafkaHeap, "kafka-heap", "1g", "of Kafka")
	f.DurationVar(&c.limit, "limit", 10*time.Minute, "after which a run has failed")
	loads := f.String("loads", "10000,half", "events a second when freshness is measured, with commas; half: half of what each peer itself took on one core before; 0: it is not")
	flushes := f.String("fresh-flush", "1s,200ms", "flush when freshness is measured")
	f.DurationVar(&c.freshFor, "fresh-for", 30*time.Second, "how long freshness is measured, after a warm-up of 10 s")
	f.Uint64Var(&c.seed, "seed", 1, "of the events")
	short := f.Bool("short", false, "200,000 events, two runs, sales only, 10 s of freshness, where no flag says otherwise: below ten minutes")
	if err := f.Parse(args); err != nil {
		return c, err
	}
	given := map[string]bool{}
	f.Visit(func(x *flag.Flag) {
		if given[x.Name] = true; x.Name != "root" && x.Name != "dir" && x.Name != "out" {
			c.asked = strings.TrimSpace(c.asked + " -" + x.Name + "=" + x.Value.String())
		}
	})
	if *short {
		for name, value := range map[string]string{"events": "200000", "runs": "2", "workloads": "sales", "fresh-for": "10s", "fresh-flush": "1s", "loads": "10000", "limit": "3m"} {
			if !given[name] {
				_ = f.Set(name, value) // our own values are right
			}
		}
	}
	c.grain = grain(*bucket)
	if c.grain != day && c.grain != hour {
		return c, fmt.Errorf("-grain is %q; it takes day or hour", *bucket)
	}
	c.only, c.once, c.workloads = list(*only), list(*once), list(*workloads)
	for _, name := range c.once {
		if !slices.ContainsFunc(peers(c.root), func(p peer) bool { return p.name == name }) {
			return c, fmt.Errorf("-once has %q, which is no peer", name)
		}
	}
	for _, w := range c.workloads {
		if w != "sales" && w != "simulated" {
			return c, fmt.Errorf("-workloads has %q; it takes sales and simulated", w)
		}
	}
	if slices.Contains(c.workloads, "simulated") && c.grain == hour {
		return c, errors.New("-grain hour does not go with -workloads simulated, whose times are local: choose -workloads sales")
	}
	for _, s := range list(*cores) {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 2 {
			return c, fmt.Errorf("-cores has %q; it takes 1 and 2", s)
		}
		c.cores = append(c.cores, n)
	}
	for _, s := range list(*loads) {
		if s == "half" {
			c.loads = append(c.loads, halfLoad)
			continue
		}
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			return c, fmt.Errorf("-loads has %q; it takes events a second, or half", s)
		}
		if n > 0 {
			c.loads = append(c.loads, n)
		}
	}
	for _, s := range list(*flushes) {
		d, err := time.ParseDuration(s)
		if err != nil || d <= 0 {
			return c, fmt.Errorf("-fresh-flush has %q; it takes durations like 200ms", s)
		}
		c.freshFlushes = append(c.freshFlushes, d)
	}
	if c.events < 1 || c.runs < 1 {
		return c, fmt.Errorf("-events is %d and -runs %d; both are at least 1", c.events, c.runs)
	}
	if c.root, err = filepath.Abs(c.root); err != nil {
		return c, fmt.Errorf("-root: %w", err)
	}
	return c, nil
}

// again says whether a peer has its turn after the first round.
func (c *config) again(p *peer) bool { return !p.trap && !slices.Contains(c.once, p.name) }

func list(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

// chosen are the peers that were asked for and can run; absent are those that were not built.
func (b *bench) chosen() (some []peer, absent []string, err error) {
	unknown := slices.Clone(b.cfg.only)
	for _, p := range peers(b.cfg.root) {
		if len(b.cfg.only) > 0 && !slices.Contains(b.cfg.only, p.name) {
			continue
		}
		unknown = slices.DeleteFunc(unknown, func(name string) bool { return name == p.name })
		if p.program != "" {
			if _, err := os.Stat(p.program); err != nil {
				absent = append(absent, p.name)
				fmt.Fprintf(b.say, "%s is left out: %s was not built; make bench-peers builds it\n", p.name, p.program)
				continue
			}
		}
		some = append(some, p)
	}
	if len(unknown) > 0 {
		return nil, nil, fmt.Errorf("-peers has %q, which is none", unknown)
	}
	return some, absent, nil
}

// compare does all of it and writes the report. It is an error if any peer that is no trap did not do its work.
func (b *bench) compare(ctx context.Context) error {
	some, absent, err := b.chosen()
	if err != nil {
		return err
	}
	rep := &report{cfg: b.cfg, began: time.Now(), loadBefore: loadAverage(), peers: some, absent: absent}
	for _, name := range b.cfg.workloads {
		w, err := b.fill(ctx, name)
		if err != nil {
			return err
		}
		rep.workloads = append(rep.workloads, w)
		for round := range w.runs {
			for _, cores := range w.cores {
				for i := range some {
					// Each round begins with another peer, so that none is always the first after a pause or after the same neighbour.
					p := &some[(i+round)%len(some)]
					if p.trap && (cores != w.cores[0] || name != "sales") || round > 0 && !b.cfg.again(p) {
						continue
					}
					r, err := b.measure(ctx, p, w, cores)
					if err == nil {
						err = ctx.Err()
					}
					if err != nil {
						return err
					}
					rep.add(w.name, r)
					fmt.Fprintf(b.say, "%s round %d, %d core(s): %s\n", w.name, round+1, cores, r.line())
				}
			}
		}
		if w.ndjson != "" {
			_ = os.Remove(w.ndjson) // room for the next
		}
	}
	for _, load := range b.cfg.loads {
		for _, flush := range b.cfg.freshFlushes {
			for i := range some {
				perSecond := load
				if load == halfLoad {
					perSecond = rep.half(some[i].name)
				}
				if !some[i].flushes || perSecond == 0 {
					continue
				}
				f, err := b.fresh(ctx, &some[i], perSecond, flush)
				if err == nil {
					err = ctx.Err()
				}
				if err != nil {
					return err
				}
				rep.fresh = append(rep.fresh, f)
				fmt.Fprintln(b.say, f.line())
			}
		}
	}
	if err := rep.finish(ctx, b.site); err != nil {
		return err
	}
	if err := os.WriteFile(b.cfg.out, []byte(rep.markdown()), 0o644); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	fmt.Fprintf(b.say, "the report is in %s\n", b.cfg.out)
	return rep.failed()
}

// fill makes a topic and its events.
func (b *bench) fill(ctx context.Context, name string) (*workload, error) {
	w := &workload{name: name, topic: name + ".transactions", ndjson: filepath.Join(b.cfg.dir, name+".ndjson"), runs: b.cfg.runs, cores: b.cfg.cores}
	today := time.Now().UTC().Truncate(24 * time.Hour)
	var events iter.Seq[event]
	var err error
	switch name {
	case "sales":
		w.what = "generated: 100 stores of 12 tills, three lines of 1,000 products (Zipf), one tender, six hours of one day"
		events = sales(b.cfg.events, today.Add(-16*time.Hour), b.cfg.seed)
	case "simulated":
		w.what = "sales of the project's simulator: 100 stores, customers, promotions, weighed goods, tills that were offline; returns, voids and what tills send twice left out"
		w.runs, w.cores = (b.cfg.runs+2)/3, b.cfg.cores[:1]
		events, err = simulated(b.cfg.events, today, b.cfg.seed)
	}
	if err != nil {
		return nil, err
	}
	if err := b.site.createTopics(ctx, topics(w.topic)); err != nil {
		return nil, err
	}
	file, err := os.Create(w.ndjson)
	if err != nil {
		return nil, fmt.Errorf("making a file for the events: %w", err)
	}
	defer file.Close()
	buffer := bufio.NewWriterSize(file, 1<<20)
	if w.oracle, err = b.site.load(ctx, w.topic, events, buffer); err != nil {
		return nil, err
	}
	if err := buffer.Flush(); err != nil {
		return nil, fmt.Errorf("writing the events to a file: %w", err)
	}
	fmt.Fprintf(b.say, "%s: %d events of %d bytes; %s\n", name, w.oracle.events, w.oracle.bytes/max(1, w.oracle.events), w.oracle.totals(b.cfg.grain))
	return w, nil
}
