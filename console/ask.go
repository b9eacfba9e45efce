package console

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	atOnce    = 4                      // questions under way, of all viewers: the others wait
	keptMost  = 128                    // answers that are shared
	fresh     = 800 * time.Millisecond // how old is an answer that is as of now: asked for once a second, it is a new one each time
	settled   = 5 * time.Second        // the same of what takes longer to reckon than to change
	chartTime = time.Minute            // and of what looks at days
)

// question is what a figure asks.
type question struct {
	sql    string
	params map[string]string
	keep   time.Duration // how old an answer may be that viewers share
}

// text is the question as one can run it: clickhouse-client --multiquery.
func (q question) text() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(q.params)) {
		if strings.Contains(q.sql, "{"+name+":") {
			fmt.Fprintf(&b, "SET param_%s = '%s';\n", name, sqlEscapes.Replace(q.params[name]))
		}
	}
	return b.String() + q.sql
}

// sqlEscapes are those of a parameter's text, within a string literal.
var sqlEscapes = strings.NewReplacer(`\`, `\\\\`, `'`, `\'`, "\n", `\\n`, "\t", `\\t`, "\r", `\\r`)

// answers asks, and has viewers share what was answered.
type answers struct {
	ask   Asker
	now   func() time.Time
	slots chan struct{}

	mu   sync.Mutex
	kept map[string]*kept
}

// kept is an answer, or one that is on its way.
type kept struct {
	done    chan struct{} // closed when rows and err are there
	rows    [][]any
	err     error
	until   time.Time // when it has to be asked for anew; zero while it is on its way
	waiting int       // viewers, while it is on its way
	cancel  context.CancelFunc
}

func newAnswers(ask Asker, now func() time.Time) *answers {
	return &answers{ask: ask, now: now, slots: make(chan struct{}, atOnce), kept: map[string]*kept{}}
}

// get gives the rows of a question, which nobody may change.
func (a *answers) get(ctx context.Context, q question) ([][]any, error) {
	key := q.text()
	a.mu.Lock()
	k, ok := a.kept[key]
	if !ok || !k.until.IsZero() && !a.now().Before(k.until) {
		k = &kept{done: make(chan struct{})}
		var asking context.Context
		asking, k.cancel = context.WithCancel(context.WithoutCancel(ctx)) // the first viewer may leave: the others wait for it too
		a.kept[key] = k
		go a.fill(asking, q, k)
	}
	k.waiting++
	a.mu.Unlock()
	select {
	case <-k.done:
		return k.rows, k.err
	case <-ctx.Done():
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if k.waiting--; k.waiting == 0 && k.until.IsZero() {
		k.cancel() // nobody waits for it any more
		if a.kept[key] == k {
			delete(a.kept, key)
		}
	}
	return nil, ctx.Err()
}

func (a *answers) fill(ctx context.Context, q question, k *kept) {
	defer k.cancel()
	keep := q.keep
	select {
	case a.slots <- struct{}{}:
		began := a.now()
		if k.err = ctx.Err(); k.err == nil {
			k.err = a.ask.Ask(ctx, q.sql, q.params, func(row []any) error {
				k.rows = append(k.rows, slices.Clone(row))
				return nil
			})
		}
		<-a.slots
		if k.err != nil && !tooMuch(k.err) {
			keep = min(keep, fresh) // it may pass
		}
		keep = max(keep, 3*a.now().Sub(began)) // what takes long is asked more rarely: a quarter of the time at most
	case <-ctx.Done():
		k.err = ctx.Err()
	}
	a.mu.Lock()
	now := a.now()
	k.until = now.Add(keep)
	a.prune(now)
	a.mu.Unlock()
	close(k.done)
}

// prune forgets what is no longer shared, and, if that is not enough, what will be so next.
func (a *answers) prune(now time.Time) {
	maps.DeleteFunc(a.kept, func(_ string, k *kept) bool { return !k.until.IsZero() && !now.Before(k.until) })
	if len(a.kept) <= keptMost {
		return
	}
	keys := slices.SortedFunc(maps.Keys(a.kept), func(x, y string) int { return a.kept[x].until.Compare(a.kept[y].until) })
	for _, key := range keys[:len(keys)-keptMost] {
		if !a.kept[key].until.IsZero() {
			delete(a.kept, key)
		}
	}
}

// tooMuch says whether an error is that of a question that took more than it may.
func tooMuch(err error) bool {
	var e interface{ TooMuch() bool }
	return errors.As(err, &e) && e.TooMuch()
}

// reckon makes the figures of a page, all at once.
func (p *page) reckon(ctx context.Context) []drawn {
	draws := p.Kind.figures(p)
	out := make([]drawn, len(draws))
	var wg sync.WaitGroup
	for i, d := range draws {
		wg.Go(func() { out[i] = drawn{d(ctx), p} })
	}
	wg.Wait()
	return out
}
