package verdict

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla"
	"github.com/tillstream/tillstream/processor/sla/evaluation"
)

// Deps is what an Evaluator works with.
type Deps struct {
	Texts      Texts
	Facts      Facts
	Statements Statements
}

// Evaluator keeps statements up to date. It is for one goroutine.
type Evaluator struct {
	cfg  Config
	deps Deps

	at        int64 // of the last round
	revision  uint64
	stores    map[string]*registry.Store
	customers map[string][]string // the stores in which a customer has terminals
	contracts []*contract
	failed    map[string]error // agreements that cannot be read
	news      map[string]Mark
	published map[evaluation.Key]*evaluation.Published
	history   map[past][]evaluation.Past
	burns     map[Burning]Burn // that are not idle
	final     map[finalPart]bool
}

// contract is an agreement with what its running parts came to.
type contract struct {
	*evaluation.Contract
	periods map[int64]*period // by their beginning
	order   []*period         // in the order of time, as they are until another one begins
	until   int64
}

// period is a period of a contract.
type period struct {
	parts []*part
	done  int64 // when it was measured last, ms; 0: never
	again bool  // an earlier period came to another verdict
}

// part is what each store came to in a part.
type part struct {
	*evaluation.Part
	stores   map[string]bool // that have something in scope
	measured map[string]*evaluation.Measured
	looked   map[string]int64
	edges    evaluation.Edges
	wants    evaluation.Wants
}

type past struct {
	contract, objective string
	evaluation.Scope
}

// New makes an Evaluator. It reads nothing yet.
func New(cfg Config, deps Deps) *Evaluator {
	cfg.Hot, cfg.Extend, cfg.Blind = cmp.Or(cfg.Hot, 30*time.Second), cmp.Or(cfg.Extend, 15*time.Minute), cmp.Or(cfg.Blind, 10*time.Minute)
	return &Evaluator{cfg: cfg, deps: deps, burns: map[Burning]Burn{}}
}

// Round measures what needs it as of an instant (ms), and publishes what is news. An agreement that fails does not stop the others: it is in the report, and is tried again
// in the next round. The error is one that stopped the round as a whole; the next one begins anew.
func (e *Evaluator) Round(ctx context.Context, at int64) (Report, error) {
	report := Report{At: at, Failed: map[string]error{}}
	err := e.round(ctx, at, &report)
	if err != nil {
		e.contracts, e.published = nil, nil // what was written is not known: begin anew
	}
	return report, err
}

func (e *Evaluator) round(ctx context.Context, at int64, report *Report) error {
	if err := e.enact(ctx); err != nil {
		return err
	}
	maps.Copy(report.Failed, e.failed)
	if len(e.contracts) == 0 {
		return nil
	}
	if e.published == nil {
		published, burns, err := e.deps.Statements.Published(ctx, at-evaluation.Reach)
		if err != nil {
			return err
		}
		e.published, e.burns = published, map[Burning]Burn{}
		for _, b := range burns {
			e.burns[b.Burning] = b
		}
		e.remember()
	}
	news, err := e.deps.Facts.News(ctx, at)
	if err != nil {
		return err
	}
	at = max(e.seen(news, at), e.at)
	e.at, report.At = at, at
	since, err := e.since(ctx, news)
	if err != nil {
		return err
	}
	work := e.plan(news, since, at)
	if err := e.measure(ctx, work, at, report); err != nil {
		return err
	}
	e.news = news
	return e.publish(ctx, work, at, report)
}

// seen is the instant as of which a round measures: without any evidence from anywhere for long it is we who are blind. Then nothing goes on: nobody gets
// silent, and no period is over, until the evidence has come.
func (e *Evaluator) seen(news map[string]Mark, at int64) int64 {
	var last int64
	for _, m := range news {
		last = max(last, m.LastSeen)
	}
	if blind := e.cfg.Blind.Milliseconds(); blind > 0 && last > 0 && last < at-blind {
		return last
	}
	return at
}

// since says of the stores with news how far back these reach.
func (e *Evaluator) since(ctx context.Context, news map[string]Mark) (map[string]int64, error) {
	out, ended := map[string]int64{}, map[string]uint64{}
	for id, now := range news {
		switch before, known := e.news[id]; {
		case e.news == nil:
		case !known, before.Decided != now.Decided:
			out[id] = interval.Min
		case before.Ended != now.Ended:
			ended[id] = before.Ended
		}
	}
	if len(ended) == 0 {
		return out, nil
	}
	runs, err := e.deps.Facts.Since(ctx, ended)
	if err != nil {
		return nil, err
	}
	maps.Copy(out, runs)
	return out, nil
}

// enact reads what is agreed and registered, if it changed.
func (e *Evaluator) enact(ctx context.Context) error {
	revision, err := e.deps.Texts.Revision(ctx)
	if err != nil || e.contracts != nil && revision == e.revision {
		return err
	}
	book, stores, err := e.deps.Texts.Texts(ctx)
	if err != nil {
		return err
	}
	e.contracts, e.failed, e.news = []*contract{}, map[string]error{}, nil
	e.register(stores)
	for _, name := range slices.Sorted(maps.Keys(book.Agreements)) {
		stretches, err := book.Stretches(name)
		if err != nil {
			e.failed[name] = err
			continue
		}
		if c := evaluation.Compile(name, stretches); c != nil {
			e.contracts = append(e.contracts, &contract{Contract: c, periods: map[int64]*period{}})
		}
	}
	e.revision = revision
	return nil
}

// remember makes the history of what is published.
func (e *Evaluator) remember() {
	e.history, e.final = map[past][]evaluation.Past{}, map[finalPart]bool{}
	for k, p := range e.published {
		e.note(k, p)
	}
	for _, all := range e.history {
		slices.SortFunc(all, func(a, b evaluation.Past) int {
			return cmp.Or(cmp.Compare(a.Period.To, b.Period.To), cmp.Compare(a.Part, b.Part))
		})
	}
}

// note puts what was published last into the history.
func (e *Evaluator) note(k evaluation.Key, p *evaluation.Published) {
	if p.Stage != sla.Provisional {
		e.final[finalPart{k.Contract, k.Version, k.Part, p.Text}] = true
	}
	id := past{k.Contract, k.Objective, k.Scope}
	now := evaluation.Past{Period: p.Period, Part: k.Part, Verdict: p.Result.Verdict, Actual: p.Result.Actual, Credit: p.Credit, Final: p.Stage != sla.Provisional}
	all := e.history[id]
	i := slices.IndexFunc(all, func(x evaluation.Past) bool { return x.Period == now.Period && x.Part == now.Part })
	if i >= 0 {
		all[i] = now
		return
	}
	e.history[id] = append(all, now)
}

// task is a period in which something is to be measured.
type task struct {
	contract *contract
	period   *period
	stores   []map[string]bool // of each part
	all      []evaluation.Settlement
}

// plan finds out what is to be measured.
func (e *Evaluator) plan(news map[string]Mark, since map[string]int64, at int64) []*task {
	var out []*task
	earliest := interval.Max
	for _, from := range since {
		earliest = min(earliest, from)
	}
	for _, c := range e.contracts {
		e.begin(c, at)
		for _, p := range c.order {
			t := &task{contract: c, period: p}
			wanted := false
			for _, x := range p.parts {
				due := e.due(p, x, news, since, earliest, at)
				wanted = wanted || len(due) > 0
				t.stores = append(t.stores, due)
			}
			if !wanted {
				continue
			}
			if !p.parts[0].Running(at) { // the parts of a period that is over go together: nothing is kept of them
				for i, x := range p.parts {
					t.stores[i] = x.stores
				}
			}
			out = append(out, t)
		}
	}
	return out
}

// begin makes the periods of a contract that have begun.
func (e *Evaluator) begin(c *contract, at int64) {
	if at < c.until {
		return
	}
	kept := map[int64]*period{}
	c.order = c.order[:0]
	c.until = at + minute
	for _, parts := range c.Parts(at) {
		p := c.periods[parts[0].Period.From]
		if p == nil || len(p.parts) != len(parts) {
			p = &period{}
			for _, x := range parts {
				p.parts = append(p.parts, e.part(x))
			}
		}
		kept[parts[0].Period.From] = p
		c.order = append(c.order, p)
		c.until = max(c.until, parts[len(parts)-1].Span.To)
	}
	c.periods = kept
}

// minute is how often agreements are looked at of which no text is in force, ms.
const minute = 60_000

func (e *Evaluator) part(x *evaluation.Part) *part {
	out := &part{Part: x, stores: map[string]bool{}, measured: map[string]*evaluation.Measured{}, looked: map[string]int64{}, edges: x.Edges(), wants: x.Wants()}
	candidates := maps.Keys(e.stores)
	if customer := x.Terms.Scope.Customer; customer != "" {
		candidates = slices.Values(e.customers[customer])
	}
	for id := range candidates {
		if x.Covers(e.stores[id]) {
			out.stores[id] = true
		}
	}
	return out
}

// due are the stores of a part that are to be measured.
func (e *Evaluator) due(p *period, x *part, news map[string]Mark, since map[string]int64, earliest, at int64) map[string]bool {
	out := map[string]bool{}
	running := x.Running(at)
	if !running { // all, or nothing
		reached := p.again || earliest < x.edges.Ends+near && x.reached(since)
		if !reached && (p.done != 0 && !x.edges.Between(p.done, at) || p.done == 0 && e.old(x, at)) {
			return nil
		}
		return x.stores
	}
	for id := range x.stores {
		looked, before := x.looked[id], e.news[id]
		now := news[id]
		switch {
		case looked == 0, !same(before, now), now.Lapses > looked && now.Lapses <= at,
			at-looked >= e.cfg.Extend.Milliseconds(),
			(now.Hot || x.measured[id].Recent()) && at-looked >= e.cfg.Hot.Milliseconds() && len(x.Open(e.stores[id], interval.Span{From: looked, To: at})) > 0:
			out[id] = true
		}
	}
	return out
}

// recheck is for how long after its close a period that is final is looked at once more by an evaluator that begins: news may have come while nobody
// evaluated.
const recheck = 62 * 24 * time.Hour

// old says whether a part that this evaluator has not measured is final, and nothing is to be expected of it unless there are news.
func (e *Evaluator) old(x *part, at int64) bool {
	return e.final[finalPart{x.Contract, x.Version, x.Span.From, x.Hash}] && min(x.edges.Settles, x.edges.Closes+recheck.Milliseconds()) <= at
}

// finalPart names a part of a period that is final.
type finalPart struct {
	contract string
	version  int
	from     int64
	text     string // its hash: an amended text is another one
}

// near is how long after a part what begins may be one with an outage in it, ms.
const near = 3_600_000

// reached says whether news of a store reach a part that is over.
func (x *part) reached(since map[string]int64) bool {
	for id, from := range since {
		if from < x.edges.Ends+near && x.stores[id] {
			return true
		}
	}
	return false
}

// same says whether nothing new is known.
func same(a, b Mark) bool {
	return a.Now == b.Now && a.Decided == b.Decided && a.Ended == b.Ended
}

// measure reads facts and has the tasks measured, store by store.
func (e *Evaluator) measure(ctx context.Context, work []*task, at int64, report *Report) error {
	type job struct {
		t *task
		i int
	}
	jobs := map[string][]job{}
	w := Wanted{Span: interval.Span{From: interval.Max, To: interval.Min}, At: at}
	for _, t := range work {
		for i, due := range t.stores {
			x := t.period.parts[i]
			if len(due) == 0 {
				continue
			}
			report.Parts++
			needs := x.Needs()
			w.Span.From, w.Span.To = min(w.Span.From, needs.From), max(w.Span.To, needs.To)
			w.Wants = w.And(x.wants)
			for id := range due {
				jobs[id] = append(jobs[id], job{t, i})
			}
		}
	}
	if len(jobs) == 0 {
		return nil
	}
	w.Stores = slices.Sorted(maps.Keys(jobs))
	slices.Sort(w.Limits)
	w.Limits = slices.Compact(w.Limits)
	report.Stores = len(w.Stores)
	// Stores are measured by all processors while the next ones are read.
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	read := make(chan *evaluation.Store, 256)
	g.Go(func() error {
		defer close(read)
		for store, err := range e.deps.Facts.Facts(ctx, w) {
			if err != nil {
				return err
			}
			select {
			case read <- store:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			for store := range read {
				store.Registered = e.stores[store.ID]
				for _, j := range jobs[store.ID] {
					x := j.t.period.parts[j.i]
					var m *evaluation.Measured
					err := guarded(func() { m = x.Measure(store, at) })
					mu.Lock()
					switch {
					case err != nil:
						report.Failed[x.Contract] = fmt.Errorf("store %s: %w", store.ID, err)
					case m == nil:
						x.looked[store.ID] = at
						delete(x.measured, store.ID)
					default:
						x.looked[store.ID], x.measured[store.ID] = at, m
					}
					mu.Unlock()
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// errDefect is a mistake in the reckoning, which must not stop what others are owed.
var errDefect = errors.New("a defect of tillstream: please report it")

// guarded runs f, and makes an error of what it panics with.
func guarded(f func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errDefect, r)
		}
	}()
	f()
	return nil
}

// publish adds up, reckons the money, and writes what is news. Periods of a contract follow each other: later ones count the breaches of earlier.
func (e *Evaluator) publish(ctx context.Context, work []*task, at int64, report *Report) error {
	var news []evaluation.Statement
	var burns []Burn
	seen := map[string]map[Burning]bool{}
	for _, t := range work {
		name := t.contract.Name
		if report.Failed[name] != nil {
			continue
		}
		if seen[name] == nil {
			seen[name] = map[Burning]bool{}
			report.Contracts++
		}
		if err := guarded(func() { e.settle(t, at) }); err != nil {
			report.Failed[name] = err
			continue
		}
		for _, s := range t.all {
			s.Lines = append(s.Lines, e.withdrawn(&s)...)
			for _, l := range s.Lines {
				was := e.published[l.Key()]
				if x, ok := l.Publish(was, at); ok {
					news = append(news, x)
					p := x.Published()
					e.published[l.Key()] = p
					e.note(l.Key(), p)
					if was != nil && was.Result.Verdict != p.Result.Verdict && !l.Running(at) {
						t.contract.again(l.Period)
					}
				}
				burns = append(burns, e.burning(l, seen[name])...)
			}
		}
		t.period.done, t.period.again = at, false
		if !t.period.parts[0].Running(at) {
			for _, x := range t.period.parts {
				clear(x.measured)
			}
		}
	}
	burns = append(burns, e.ended(seen, at)...)
	if err := e.deps.Statements.Publish(ctx, news, at); err != nil {
		return err
	}
	if err := e.deps.Statements.PublishBurns(ctx, burns, at); err != nil {
		return err
	}
	for _, b := range burns {
		if e.burns[b.Burning] = b; b.idle() {
			delete(e.burns, b.Burning)
		}
	}
	report.Published, report.Burns = len(news), len(burns)
	return nil
}

// withdrawn are lines of what was published of a part, and is no promise of its text any more since that was amended.
func (e *Evaluator) withdrawn(s *evaluation.Settlement) (out []*evaluation.Line) {
	if s.Part.Amendment == 0 {
		return nil
	}
	there := map[evaluation.Key]bool{}
	for _, l := range s.Lines {
		there[l.Key()] = true
	}
	for k, was := range e.published {
		if l, ok := s.Part.Withdrawn(k, was); ok && !there[k] {
			out = append(out, l)
		}
	}
	slices.SortFunc(out, func(a, b *evaluation.Line) int {
		return cmp.Or(cmp.Compare(a.Objective.Name, b.Objective.Name), a.Scope.Compare(b.Scope))
	})
	return out
}

// settle adds up a period and reckons its money.
func (e *Evaluator) settle(t *task, at int64) {
	for _, x := range t.period.parts {
		lines, total := x.Lines(slices.Collect(maps.Values(x.measured)), at)
		t.all = append(t.all, evaluation.Settlement{Part: x.Part, Lines: lines, Total: total})
	}
	evaluation.Settle(t.all, func(objective string, scope evaluation.Scope) []evaluation.Past {
		return e.history[past{t.contract.Name, objective, scope}]
	}, at)
}

// again has all periods after one reckoned again, since repeated breaches are counted.
func (c *contract) again(x interval.Span) {
	for from, p := range c.periods {
		p.again = p.again || from >= x.To
	}
}

// burning are the windows of a line whose rate is another one than was told. burns gathers those that are not idle.
func (e *Evaluator) burning(l *evaluation.Line, burns map[Burning]bool) (out []Burn) {
	if !l.Burning {
		return nil
	}
	for i, w := range evaluation.Windows {
		b := Burn{Burning: Burning{l.Contract, l.Objective.Name, l.Scope, w.Name}, Version: l.Version, Burn: l.Burns[i]}
		var ok bool
		if b.Rate, ok = b.Burn.Rate(sla.Share(l.Objective.Target.Nano())); !ok {
			continue
		}
		b.Cover = b.Coverage().Float()
		was, told := e.burns[b.Burning]
		burns[b.Burning] = true
		if told && was.Rate == b.Rate && was.Cover == b.Cover || !told && b.idle() {
			continue
		}
		out = append(out, b)
	}
	return out
}

// ended are the burn rates that were told, and of which there is nothing any more: of agreements that are over, and of scopes that are gone from those just measured.
func (e *Evaluator) ended(measured map[string]map[Burning]bool, at int64) (out []Burn) {
	running := map[string]bool{}
	for _, c := range e.contracts {
		for _, p := range c.periods {
			for _, x := range p.parts {
				running[c.Name] = running[c.Name] || at < x.Span.To
			}
		}
	}
	for k, b := range e.burns {
		if burns := measured[k.Contract]; !running[k.Contract] || len(burns) > 0 && !burns[k] {
			out = append(out, Burn{Burning: k, Version: b.Version, Cover: 1})
		}
	}
	return out
}
