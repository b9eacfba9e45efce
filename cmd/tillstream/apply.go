package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/tillstream/tillstream/cmd/tillstream/config"
	"github.com/tillstream/tillstream/cmd/tillstream/manifest"
	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/sinks/clickhouse"
	sinkkafka "github.com/tillstream/tillstream/sinks/kafka"
)

type applyCmd struct {
	File   []string `short:"f" help:"Files of YAML, and directories with *.yaml and *.yml in them." required:"" type:"path" placeholder:"PATH"`
	DryRun bool     `help:"Only show what would change."`
	Prune  bool     `help:"Remove what is registered and not in the files."`
	Resend bool     `help:"Tell the lanes of all stores again, for example when the topic was made anew."`
	Yes    bool     `help:"Do not ask."`
	Reason string   `help:"Why; it is kept." placeholder:"TEXT"`
	By     string   `help:"Who; whoever runs this if not given. It is kept." placeholder:"NAME"`
	Config string   `help:"Configuration file of the processor." type:"path" placeholder:"FILE"`
	Data   string   `help:"Register in the demo of this data directory, running or not." placeholder:"DIR"`
}

func (*applyCmd) Help() string {
	return `How files look is in docs/registry.md and docs/agreements.md. What is not in them stays, unless --prune is given.

  tillstream apply --config tillstream.yaml -f chain/ --dry-run
  tillstream apply --config tillstream.yaml -f chain/ -f agreements/ --reason "summer hours"
  tillstream apply --data tillstream-data -f mine.yaml`
}

// kindDocument is what a store comes to, beside what was declared.
const kindDocument = "Document"

func (c *applyCmd) Run(e *env) error {
	objects, err := manifest.Load(c.File)
	if err != nil {
		return usageError{err}
	}
	cfg, done, err := configOf(e, c.Config, c.Data)
	if err != nil {
		return err
	}
	defer done()
	if topic := topicOf[event.TypeRegistry]; !slices.Contains(cfg.Kafka.Topics, topic) {
		return usageError{fmt.Errorf("kafka.topics lacks %s, so no lane would learn of it: add it to the configuration of all members", topic)}
	}
	log, err := newLogger(e.stderr, cfg)
	if err != nil {
		return err
	}
	sink, err := openChecked(e.ctx, cfg, cfg.ClickHouse.Migrate && !c.DryRun)
	if err != nil {
		return err
	}
	defer sink.Close()
	a := &application{cmd: c, env: e, cfg: cfg, sink: sink, log: log, now: time.Now()}
	return a.run(objects)
}

// application is one run of apply.
type application struct {
	cmd  *applyCmd
	env  *env
	cfg  *config.Config
	sink *clickhouse.Sink
	log  *zap.Logger
	now  time.Time

	revision  uint64 // the newest there is
	old       manifest.Set
	documents map[string]clickhouse.Registered // of stores, by id, those that were removed too
}

func (a *application) run(objects []*manifest.Object) error {
	ctx, out := a.env.ctx, a.env.stdout
	if err := a.inForce(ctx); err != nil {
		return err
	}
	sent, err := a.sink.RegistrySent(ctx)
	if err != nil {
		return err
	}
	next := maps.Clone(a.old)
	if a.cmd.Prune {
		next = manifest.Set{}
	}
	for _, o := range objects {
		next[o.Key()] = o
	}
	if err := next.Check(); err != nil {
		return usageError{err}
	}
	if err := next.Past(a.old, a.now); err != nil {
		return usageError{err}
	}
	resolved, err := next.Resolve()
	if err != nil {
		return usageError{err}
	}
	changes, err := manifest.Diff(a.old, next)
	if err != nil {
		return err
	}
	rows, err := a.rows(changes, resolved)
	if err != nil {
		return err
	}
	unsent := sent < a.revision || a.cmd.Resend
	if len(changes) == 0 && len(rows) == 0 && !unsent {
		fmt.Fprintln(out, "nothing changes")
		return nil
	}
	if err := manifest.Print(out, changes); err != nil {
		return err
	}
	rebuild, err := a.written(ctx, rows)
	if err != nil {
		return err
	}
	a.amended(next)
	for _, line := range next.Unmeasured() {
		fmt.Fprintln(out, "!", line)
	}
	if unsent && a.revision > 0 {
		fmt.Fprintf(out, "the documents of all stores up to revision %d are sent (again)\n", a.revision)
	}
	if a.cmd.DryRun {
		fmt.Fprintln(out, "dry run: nothing was changed")
		return nil
	}
	if err := confirm(a.env, a.cmd.Yes); err != nil {
		return err
	}
	return a.write(ctx, rows, unsent, rebuild)
}

// inForce reads what is registered.
func (a *application) inForce(ctx context.Context) error {
	all, err := a.sink.Registry(ctx)
	if err != nil {
		return err
	}
	a.old, a.documents = manifest.Set{}, map[string]clickhouse.Registered{}
	for _, x := range all {
		a.revision = max(a.revision, x.Revision)
		if x.Kind == kindDocument {
			a.documents[x.Name] = x
			continue
		}
		if x.Deleted {
			continue
		}
		o, err := manifest.Parse(x.Kind, x.Document)
		if err != nil {
			return err
		}
		a.old[o.Key()] = o
	}
	return nil
}

// rows are those of the next revision: of what was declared, and of what it comes to for each store.
func (a *application) rows(changes []manifest.Change, resolved map[string]string) ([]clickhouse.Registered, error) {
	var rows []clickhouse.Registered
	for _, c := range changes {
		row := clickhouse.Registered{Kind: c.Kind, Name: c.Name, Deleted: c.New == nil}
		if c.New != nil {
			var err error
			if row.Document, err = c.New.Document(); err != nil {
				return nil, err
			}
		}
		rows = append(rows, row)
	}
	for _, id := range slices.Sorted(maps.Keys(resolved)) {
		doc := resolved[id]
		if was := a.documents[id]; !was.Deleted && was.Document == doc {
			continue
		}
		value, err := manifest.Event(id, a.revision+1, a.now, doc)
		if err != nil {
			return nil, err
		}
		if limit := int(a.cfg.Processor.MaxEventBytes); limit > 0 && len(value) > limit {
			return nil, usageError{fmt.Errorf("store %s comes to %d bytes with its terminals and calendars, processor.max_event_bytes is %d: raise it on all members, or drop versions nobody needs", id, len(value), limit)}
		}
		rows = append(rows, clickhouse.Registered{Kind: kindDocument, Name: id, Document: doc})
	}
	for _, id := range slices.Sorted(maps.Keys(a.documents)) {
		if _, there := resolved[id]; !there && !a.documents[id].Deleted {
			rows = append(rows, clickhouse.Registered{Kind: kindDocument, Name: id, Deleted: true})
		}
	}
	return rows, nil
}

// write makes the revision, then tells the lanes. Whatever ends it between the two is mended by the next apply, which sees that the
// revision was not sent.
func (a *application) write(ctx context.Context, rows []clickhouse.Registered, unsent bool, rebuild string) error {
	if len(rows) > 0 {
		by := cmp.Or(strings.TrimSpace(a.cmd.By), person())
		at := a.now.Truncate(time.Millisecond)
		a.revision++
		if err := a.sink.PutRegistry(ctx, a.revision, at, by, a.cmd.Reason, rows); err != nil {
			return fmt.Errorf("%w; run the same command again: it goes on where this ended", err)
		}
		all, err := a.sink.Registry(ctx)
		if err != nil {
			return fmt.Errorf("%w; run the same command again: it goes on where this ended", err)
		}
		found := map[[2]string]clickhouse.Registered{}
		for _, x := range all {
			found[[2]string{x.Kind, x.Name}] = x
			if x.Kind == kindDocument {
				a.documents[x.Name] = x
			}
		}
		for _, x := range rows {
			if f := found[[2]string{x.Kind, x.Name}]; f.Revision != a.revision || f.By != by || !f.At.Equal(at) {
				return fmt.Errorf("somebody else applied revision %d at the same time, and nothing of this was written: run the command again to see what is left to change", a.revision)
			}
		}
	}
	told, err := a.send(ctx, unsent)
	if err == nil {
		err = a.sink.PutRegistrySent(ctx, a.revision)
	}
	if err != nil {
		return fmt.Errorf("revision %d is written, but not all lanes were told: %w; run the same command again, it sends what is missing", a.revision, err)
	}
	fmt.Fprintf(a.env.stdout, "revision %d is in force; the lanes of %d stores were told\n", a.revision, told)
	if rebuild != "" {
		fmt.Fprintln(a.env.stdout, rebuild)
	}
	return nil
}

// send produces the documents of the newest revision, or of all, each under the revision that made it: the highest wins.
func (a *application) send(ctx context.Context, all bool) (told int, err error) {
	source, err := openKafka(a.cfg, a.log)
	if err != nil {
		return 0, err
	}
	defer source.close()
	if err := source.topics(ctx, sinkkafka.Creation{}); err != nil {
		return 0, err
	}
	w := sinkkafka.NewWriter(source.client, a.log)
	for _, id := range slices.Sorted(maps.Keys(a.documents)) {
		x := a.documents[id]
		if !all && x.Revision != a.revision {
			continue
		}
		var value []byte
		if value, err = manifest.Event(id, x.Revision, a.now, x.Document); err == nil {
			err = w.Write(ctx, sinkkafka.Event{Topic: topicOf[event.TypeRegistry], StoreID: id, Value: value})
		}
		if err != nil {
			break
		}
		told++
	}
	return told, errors.Join(err, w.Flush(ctx))
}

// looked is how many months back changes of what was written are looked for.
const looked = 36

// listed is how many stores are named of those whose past changes.
const listed = 20

// amended prints which agreements get another text for the past.
func (a *application) amended(next manifest.Set) {
	all := next.Amended(a.old, a.now)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for i, p := range all[name] {
			if i == 0 || all[name][i-1].Amendment != p.Amendment {
				fmt.Fprintf(a.env.stdout, "! Agreement %s: version %d amends version %d from the period of %s on: what was decided since is restated (tillstream sla what-if --as-dated says how)\n",
					name, p.Amendment, p.Version, p.Label(p.Period.From))
			}
		}
	}
}

// written prints which stores change hours that are written already, and makes the sentence that says how to write them anew; "" if
// there are none.
func (a *application) written(ctx context.Context, rows []clickhouse.Registered) (string, error) {
	until := a.now.Add(-duration(a.cfg.Processor.TimelineWindow)).UTC()
	month := time.Date(until.Year(), until.Month()-looked, 1, 0, 0, 0, 0, time.UTC)
	var stores []string
	for _, row := range rows {
		if row.Kind == kindDocument {
			stores = append(stores, row.Name)
		}
	}
	since, err := a.sink.WrittenSince(ctx, stores)
	if err != nil {
		return "", err
	}
	first, last, past := "", "", 0
	for _, row := range rows {
		if row.Kind != kindDocument || since[row.Name].IsZero() {
			continue
		}
		was, is := built(row.Name, a.documents[row.Name].Document), built(row.Name, row.Document)
		from, to := "", ""
		for m := month; m.Before(until); m = m.AddDate(0, 1, 0) {
			x := interval.Span{From: max(m.UnixMilli(), since[row.Name].UnixMilli()), To: min(m.AddDate(0, 1, 0).UnixMilli(), until.UnixMilli())}
			if x.Empty() || !differs(was, is, x) {
				continue
			}
			to = m.Format("2006-01")
			from = cmp.Or(from, to)
		}
		if from == "" {
			continue
		}
		if past++; past <= listed {
			fmt.Fprintf(a.env.stdout, "! Store %s: this changes the past: availability of %s to %s is written already\n", row.Name, from, to)
		}
		if first == "" || from < first {
			first = from
		}
		last = max(last, to)
	}
	if first == "" {
		return "", nil
	}
	if past > listed {
		fmt.Fprintf(a.env.stdout, "! and so it does of %d other stores, %s to %s in all\n", past-listed, first, last)
	}
	var where []string // as they were given here
	if a.cmd.Data != "" {
		where = append(where, "--data", a.cmd.Data)
	}
	if a.cmd.Config != "" || a.cmd.Data == "" {
		where = append(where, "--config", cmp.Or(a.cmd.Config, "FILE"))
	}
	return fmt.Sprintf("what is written of the past stays as it is until it is made anew, while no member runs, from what Kafka still holds:\n"+
		"  tillstream rebuild %s --from %s --to %s --dry-run", strings.Join(where, " "), first, last), nil
}

// built reads a document that passed already; "" is a store that is not registered.
func built(id, text string) *registry.Store {
	var doc registry.Document
	if text != "" && json.Unmarshal([]byte(text), &doc) == nil {
		if s, flaw := doc.Build(id, 0); flaw == nil {
			return s
		}
	}
	none := registry.Document{Removed: true} // or of another version of tillstream: as good as none
	s, _ := none.Build(id, 0)
	return s
}

// differs says whether two versions of a store measure a span differently.
func differs(a, b *registry.Store, x interval.Span) bool {
	if !slices.Equal(a.Service(x), b.Service(x)) || !slices.Equal(a.Quorums(x), b.Quorums(x)) {
		return true
	}
	ids := map[string]bool{}
	for _, s := range []*registry.Store{a, b} {
		for _, t := range s.Terminals {
			ids[t.ID] = true
		}
	}
	for id := range ids {
		if !slices.Equal(measured(a, id, x), measured(b, id, x)) {
			return true
		}
	}
	return false
}

// measured is what of a terminal decides its availability in a span.
func measured(s *registry.Store, id string, x interval.Span) []string {
	t := s.Terminal(id)
	if t == nil {
		return nil
	}
	var out []string
	for _, l := range t.Lives.Within(x) {
		out = append(out, fmt.Sprint(l))
	}
	if len(out) == 0 {
		return nil
	}
	for i, v := range t.Versions {
		from := interval.Min
		if v.From != nil {
			from = int64(*v.From)
		}
		if from < x.To && (i+1 == len(t.Versions) || int64(*t.Versions[i+1].From) > x.From) {
			out = append(out, fmt.Sprint(max(from, x.From), v.HeartbeatTimeout, v.SellNeeds))
		}
	}
	return out
}
