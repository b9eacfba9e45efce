package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"go.uber.org/zap"

	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/commit"
	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/sinks/clickhouse"
)

type rebuildCmd struct {
	Table   []string `help:"Tables of database tillstream to make anew." default:"all" placeholder:"TABLE"`
	From    month    `help:"First month to make anew, as 2026-11; other months stay as they are." placeholder:"MONTH"`
	To      month    `help:"Last month to make anew." placeholder:"MONTH"`
	DryRun  bool     `help:"Fold and compare, and swap nothing."`
	Yes     bool     `help:"Swap the tables when they are made and audited."`
	Abandon bool     `help:"Undo a rebuild that was cut short."`
	Config  string   `help:"Configuration file." type:"path" placeholder:"FILE"`
	Data    string   `help:"Make tables of the demo in this data directory anew; the demo must not run." placeholder:"DIR"`
}

func (*rebuildCmd) Help() string {
	return `All members must be stopped. docs/operations.md says what can be made anew, and when not.

  tillstream rebuild --config tillstream.yaml --table product_sales --dry-run
  tillstream rebuild --config tillstream.yaml --table product_sales --from 2026-10 --to 2026-11 --yes
  tillstream rebuild --data tillstream-data --dry-run`
}

// month is yyyymm; 0 if it was not given.
type month uint32

func (m *month) UnmarshalText(text []byte) error {
	t, err := time.Parse("2006-01", string(text))
	if err != nil {
		return fmt.Errorf("%q is not a month such as 2026-11", text)
	}
	*m = month(t.Year()*100 + int(t.Month()))
	return nil
}

// start is when the month begins, as days since 1970.
func (m month) start() int32 {
	return int32(time.Date(int(m/100), time.Month(m%100), 1, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

func (c *rebuildCmd) Run(e *env) error {
	if n := len(slices.DeleteFunc([]bool{c.DryRun, c.Yes, c.Abandon}, func(given bool) bool { return !given })); n != 1 {
		return usageError{errors.New("say --dry-run to fold and compare, --yes to swap the tables too, or --abandon to undo what was cut short")}
	}
	if c.To != 0 && c.From > c.To {
		return usageError{fmt.Errorf("--from: month %06d is after --to %06d", c.From, c.To)}
	}
	cfg, done, err := configOf(e, c.Config, c.Data)
	if err != nil {
		return err
	}
	defer done()
	if err := cfg.RequireSecret(); err != nil {
		return usageError{err}
	}
	log, err := newLogger(e.stderr, cfg)
	if err != nil {
		return err
	}
	sink, err := openSink(cfg)
	if err != nil {
		return err
	}
	defer sink.Close()
	if err := errors.Join(sink.Single("tillstream rebuild"), sink.Check(e.ctx), sink.CheckNotNewer(e.ctx), sink.CheckExchange(e.ctx)); err != nil {
		return err
	}
	kafka, err := openKafka(cfg, log)
	if err != nil {
		return err
	}
	defer kafka.close()
	r := &rebuild{cfg: processorConfig(cfg), sink: sink, source: kafka.fetcher(), epochs: kafka.epochs(sink), schemas: kafka.schemas, log: log, out: e.stdout}
	if c.Abandon {
		return r.abandon(e.ctx)
	}
	found, err := r.find(e.ctx)
	if err != nil {
		return err
	}
	switch {
	case found.ready && c.DryRun:
		return errors.New("a rebuild was cut short while its tables were being swapped: finish it with --yes, or undo it with --abandon")
	case found.ready:
		fmt.Fprintln(e.stdout, "finishing a rebuild that was cut short")
	default:
		p := part{tables: c.Table, from: c.From, to: c.To}
		if err := r.prepare(e.ctx, p, !c.DryRun); err != nil || c.DryRun {
			return err
		}
	}
	return r.finish(e.ctx)
}

// rebuild makes tables anew. Until the swap is written down nothing of production has changed, and all can be forgotten. From then on the group
// is held and the tables made anew are known by their UUIDs, so that whoever comes can go forward (finish) or back (abandon) from any step.
type rebuild struct {
	cfg     processor.Config
	sink    *clickhouse.Sink
	source  processor.Source
	epochs  *processor.Epochs
	schemas processor.Schemas
	log     *zap.Logger
	out     io.Writer
}

// part is what is made anew.
type part struct {
	tables   []string
	from, to month
}

func (p *part) months() bool { return p.from != 0 || p.to != 0 }

// holding is how the hold of a rebuild begins.
const holding = "tables are being made anew: run tillstream rebuild --yes to finish that, or tillstream rebuild --abandon to undo it"

// finding is what an earlier rebuild left.
type finding struct {
	stream processor.Stream
	held   bool // by a rebuild
	ready  bool // the swap was written down
	swap   clickhouse.Swap
	done   map[string]bool // which tables were swapped
}

func (r *rebuild) find(ctx context.Context) (f finding, err error) {
	var known bool
	if f.stream, known, err = r.epochs.Streams.Stream(ctx, r.cfg.Group); err != nil {
		return f, err
	}
	if !known {
		return f, fmt.Errorf("group %s has written nothing to this ClickHouse: there is nothing to make anew; see kafka.group", r.cfg.Group)
	}
	f.held = strings.HasPrefix(f.stream.Hold, holding)
	if !f.held && f.stream.Hold != "" {
		return f, fmt.Errorf("group %s is held: %s", r.cfg.Group, f.stream.Hold)
	}
	if f.swap, f.done, f.ready, err = r.sink.FindSwap(ctx); err != nil || !f.ready {
		return f, err
	}
	if f.swap.Group != r.cfg.Group {
		return f, fmt.Errorf("a rebuild of group %s was cut short: finish or abandon it with its configuration first", f.swap.Group)
	}
	if !f.held { // released: the last steps are missing
		some := slices.Collect(func(yield func(bool) bool) {
			for _, swapped := range f.done {
				if !yield(swapped) {
					return
				}
			}
		})
		if slices.Contains(some, true) && slices.Contains(some, false) {
			return f, errors.New("a rebuild was cut short, and somebody took its hold away: some tables are new and some old; restore a backup, or drop tillstream_rebuild and rebuild all")
		}
		f.ready = false
	}
	return f, nil
}

// prepare makes the tables, proves that their books balance, and shows what they would change. With swap it writes down that they
// are to be swapped, else it forgets them.
func (r *rebuild) prepare(ctx context.Context, p part, swap bool) (err error) {
	if err := r.choose(ctx, &p); err != nil {
		return err
	}
	f, err := r.find(ctx)
	if err != nil {
		return err
	}
	if err := r.hold(ctx, &f.stream, holding); err != nil {
		return err
	}
	defer func() {
		if err != nil || !swap {
			clean := context.WithoutCancel(ctx)
			err = errors.Join(err, r.sink.DropShadow(clean), r.hold(clean, &f.stream, ""))
		}
	}()
	if len(f.stream.Losses) > 0 {
		return fmt.Errorf("the group went without offsets of %s (see pos.losses), so its books cannot be made anew from Kafka: restore a backup of ClickHouse",
			f.stream.Losses[0].TopicPartition)
	}
	survey, err := r.epochs.Survey(ctx, r.cfg.Group, r.cfg.Topics)
	if err != nil {
		return err
	}
	until, err := r.epochs.Rest(ctx, &survey, commit.NextStart)
	if err != nil {
		return err
	}
	from, partial, err := r.begin(ctx, p, until)
	if err != nil {
		return err
	}
	if err := r.sink.CreateShadow(ctx); err != nil {
		return err
	}
	made := r.sink.Shadow()
	if err := r.refold(ctx, made, from, until); err != nil {
		return err
	}
	report, err := made.Audit(ctx)
	if err != nil {
		return err
	}
	if !report.Balanced() {
		for _, finding := range report.Findings {
			fmt.Fprintln(r.out, finding)
		}
		return errors.New("the books of the tables made anew do not balance, so they were not swapped: this is a fault of tillstream, please report it")
	}
	if err := r.compare(ctx, p, partial); err != nil || !swap {
		return err
	}
	if p.months() {
		for _, table := range p.tables {
			to := uint32(p.to)
			if to == 0 {
				to = 999999
			}
			if err := r.sink.KeepMonths(ctx, table, uint32(p.from), to); err != nil {
				return err
			}
		}
	}
	reason := "rebuild of " + strings.Join(p.tables, ", ")
	if p.months() {
		reason += fmt.Sprintf(", months %06d to %06d (0: no bound)", p.from, p.to)
	}
	return r.sink.PutSwap(ctx, clickhouse.Swap{Group: r.cfg.Group, Epoch: f.stream.Epoch, Reason: reason}, p.tables)
}

// refold folds epoch by epoch, each with the lanes that it had, so that the books say of every offset in which epoch it was passed.
func (r *rebuild) refold(ctx context.Context, made *clickhouse.Sink, from, until processor.Positions) error {
	epochs, err := r.sink.Epochs(ctx, r.cfg.Group)
	if err != nil {
		return err
	}
	deps := processor.Deps{Source: r.source, Sink: made, Archive: made, Forgotten: r.sink, Schemas: r.schemas, Now: time.Now, Log: r.log}
	for i, e := range epochs {
		to := until
		if i+1 < len(epochs) {
			to = processor.Positions{}
			for tp, at := range from {
				to[tp] = min(max(at, epochs[i+1].Start[tp]), until[tp])
			}
		}
		stream := processor.Stream{Group: e.Group, Epoch: e.Epoch, Lanes: int(e.Lanes), Cluster: e.ClusterID}
		r.log.Info("folding again", zap.Uint64("epoch", e.Epoch), zap.Uint64("of", epochs[len(epochs)-1].Epoch))
		if err := processor.Refold(ctx, r.cfg, deps, stream, from, to); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// choose checks the names of the tables, and fills in all.
func (r *rebuild) choose(ctx context.Context, p *part) error {
	all, monthly, err := r.sink.Tables(ctx)
	if err != nil {
		return err
	}
	if slices.Equal(p.tables, []string{"all"}) {
		p.tables = all
		if p.months() {
			p.tables = slices.DeleteFunc(slices.Clone(all), func(t string) bool { return !monthly[t] })
		}
		return nil
	}
	for _, t := range p.tables {
		switch {
		case !slices.Contains(all, t):
			return usageError{fmt.Errorf("--table: there is no table %q; they are %s, or all", t, strings.Join(all, ", "))}
		case p.months() && !monthly[t]:
			return usageError{fmt.Errorf("--table: %s has no months; leave --from and --to out", t)}
		}
	}
	slices.Sort(p.tables)
	p.tables = slices.Compact(p.tables)
	return nil
}

// purchases are tables whose rows of a month depend on nothing but the events of that month.
var purchases = []string{
	"basket_pairs", "customer_days", "customer_hours", "customer_items", "payment_days", "payments_hourly", "product_sales", "promotion_days", "sales_hourly", "terminal_payments", "terminal_sales",
}

// slack is how many days after Kafka got it an event may be dated: ten minutes, a time zone, and a business date two days ahead.
const slack = 3

// begin is where folding begins: where the group began, which Kafka must still hold. Where it does not, events of p's months must not
// have been among what is gone, and none of what is wanted may depend on what came before.
func (r *rebuild) begin(ctx context.Context, p part, until processor.Positions) (from processor.Positions, partial bool, err error) {
	first, others, err := r.sink.FirstOffsets(ctx, r.cfg.Group)
	if err != nil {
		return nil, false, err
	}
	if len(others) > 0 {
		return nil, false, fmt.Errorf("these tables hold rows of other groups too (%s), which cannot be told apart: there is no rebuild for them", strings.Join(others, ", "))
	}
	var tps []fetch.TopicPartition
	for tp := range until {
		tps = append(tps, fetch.TopicPartition(tp))
	}
	bounds, err := r.source.Bounds(ctx, tps)
	if err != nil {
		return nil, false, fmt.Errorf("asking Kafka what it holds: %w", err)
	}
	from = processor.Positions{}
	var gone []string
	for tp, end := range until {
		b, at := bounds[fetch.TopicPartition(tp)], first[tp]
		if _, read := first[tp]; !read && end <= b.Start {
			at = end // nothing of it was ever read
		}
		from[tp] = at
		switch {
		case end > b.Stable:
			return nil, false, fmt.Errorf("%s was read up to offset %d, but ends at %d: it was made anew, or lost records; there is no rebuild for it", tp, end, b.Stable)
		case at >= end || b.Start <= at:
			continue
		}
		from[tp] = min(b.Start, end)
		if p.from != 0 {
			day, err := r.sink.NewestDay(ctx, tp, b.Start)
			if err != nil {
				return nil, false, err
			}
			if day >= 0 && day < p.from.start()-slack {
				partial = true
				continue
			}
		}
		gone = append(gone, fmt.Sprintf("%s offsets %d to %d", tp, at, b.Start))
	}
	if len(gone) > 0 {
		slices.Sort(gone)
		return nil, false, fmt.Errorf("the tables were made from records that Kafka does not hold any more (%s): restore a backup of ClickHouse, or choose with --from a month that begins more than %d days after Kafka got these",
			strings.Join(gone, "; "), slack)
	}
	if i := slices.IndexFunc(p.tables, func(t string) bool { return !slices.Contains(purchases, t) }); partial && i >= 0 {
		return nil, false, fmt.Errorf("these months can be made anew, but not what came before, on which table %s depends: choose among %s with --table", p.tables[i], strings.Join(purchases, ", "))
	}
	return from, partial, nil
}

// compare prints what would change. It refuses a part that would not fit to the rest: what a lane remembers, the counts of rows and the books
// must be the same in what stays.
func (r *rebuild) compare(ctx context.Context, p part, partial bool) error {
	all, _, err := r.sink.Tables(ctx)
	if err != nil {
		return err
	}
	changes, err := r.sink.Compare(ctx, all)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "table\trows before\trows after\twhat changes")
	var unfit []string
	for _, c := range changes {
		var what []string
		for _, s := range c.Sums {
			what = append(what, fmt.Sprintf("%s %d to %d", s.Column, s.Before, s.After))
		}
		switch {
		case c.Same:
			what = []string{"nothing"}
		case len(what) == 0:
			what = []string{"rows"}
		}
		if !slices.Contains(p.tables, c.Table) {
			if partial || c.Same {
				continue
			}
			what = append(what, "(not chosen)")
			if slices.Contains([]string{commit.StateTable, "ledger", "terminal_status"}, c.Table) {
				unfit = append(unfit, c.Table)
			}
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\n", c.Table, c.Before, c.After, strings.Join(what, ", "))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if p.months() {
		fmt.Fprintln(r.out, "counted over all months; only the chosen ones change")
	}
	if len(unfit) > 0 {
		return fmt.Errorf("%s would change too, and the chosen tables would not fit to what is there: make all tables anew, without --table, --from and --to", strings.Join(unfit, ", "))
	}
	return nil
}

// finish swaps what prepare wrote down. Every step may be repeated.
func (r *rebuild) finish(ctx context.Context) error {
	f, err := r.find(ctx)
	if err != nil {
		return err
	}
	if !f.ready {
		return errors.New("there is nothing to swap")
	}
	if err := r.newEpoch(ctx, &f); err != nil {
		return err
	}
	for _, table := range r.order(f) {
		if !f.done[table] {
			if err := r.sink.Exchange(ctx, table); err != nil {
				return err
			}
		}
	}
	if err := r.release(ctx, &f.stream); err != nil {
		return err
	}
	fmt.Fprintf(r.out, "%d tables were made anew; start the members again\n", len(f.swap.Tables))
	return nil
}

// newEpoch begins the epoch after the swap: marks of older ones are no evidence, so tables with other batch numbers cannot contradict.
func (r *rebuild) newEpoch(ctx context.Context, f *finding) error {
	if f.stream.Epoch > f.swap.Epoch {
		return nil
	}
	next := f.stream
	next.Losses = nil // those of older epochs
	next.Reason, next.By = f.swap.Reason, person()
	stream, err := r.epochs.Carry(ctx, next)
	if err != nil {
		return err
	}
	f.stream = stream
	return nil
}

func (r *rebuild) order(f finding) []string {
	tables := make([]string, 0, len(f.swap.Tables))
	for t := range f.swap.Tables {
		tables = append(tables, t)
	}
	slices.Sort(tables)
	return tables
}

// release lets the lanes run again, and then forgets the tables that are not needed.
func (r *rebuild) release(ctx context.Context, stream *processor.Stream) error {
	return errors.Join(r.hold(ctx, stream, ""), r.sink.DropShadow(ctx))
}

func (r *rebuild) hold(ctx context.Context, stream *processor.Stream, why string) error {
	if stream.Hold == why {
		return nil
	}
	stream.Hold = why
	if err := r.epochs.Streams.PutStream(ctx, *stream); err != nil {
		return fmt.Errorf("holding group %s: %w", stream.Group, err)
	}
	return nil
}

// abandon puts back what was swapped.
func (r *rebuild) abandon(ctx context.Context) error {
	f, err := r.find(ctx)
	if err != nil {
		return err
	}
	if !f.held {
		fmt.Fprintln(r.out, "there was nothing to abandon")
		return r.sink.DropShadow(ctx)
	}
	if f.ready {
		for _, table := range r.order(f) {
			if f.done[table] {
				if err := r.sink.Exchange(ctx, table); err != nil {
					return err
				}
			}
		}
	}
	if err := r.release(ctx, &f.stream); err != nil {
		return err
	}
	fmt.Fprintln(r.out, "the rebuild was undone: all tables are as they were; start the members again")
	return nil
}
