package verdict

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla"
	"github.com/tillstream/tillstream/processor/sla/agreement"
	"github.com/tillstream/tillstream/processor/sla/evaluation"
)

const (
	hour = int64(60 * minute)
	day  = 24 * hour
)

// world is a chain in memory: what is registered, what was measured, and what was published of it.
type world struct {
	book     agreement.Book
	stores   map[string]*registry.Store
	revision uint64

	downs map[string]interval.Set     // by terminal; else it is up
	now   uint64                      // counts changes
	news  map[string]map[uint64]int64 // by store and change, the beginning
	seen  int64
	works map[string][]evaluation.Work // by store
	asked []string                     // the stores of the last round

	rows    map[evaluation.Key]map[uint32]row
	burns   map[Burning]Burn
	refuses error
}

// row is a statement as it was written.
type row struct {
	evaluation.Published
	at int64
}

func newWorld(t interface{ Fatal(...any) }) *world {
	w := &world{
		book: agreement.Book{Agreements: map[string]*agreement.Agreement{}}, stores: map[string]*registry.Store{}, revision: 1,
		downs: map[string]interval.Set{}, news: map[string]map[uint64]int64{}, rows: map[evaluation.Key]map[uint32]row{}, burns: map[Burning]Burn{},
	}
	for i := range 4 {
		id := fmt.Sprintf("s%d", i)
		var doc registry.Document
		text := fmt.Sprintf(`{"versions":[{"timezone":"UTC"}],"terminals":[{"id":"%s-1","lives":[{}],"versions":[{"customer":"c%d"}]},{"id":"%s-2","lives":[{}],"versions":[{"customer":"c%d"}]}]}`, id, i/2, id, i/2)
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatal(err)
		}
		s, flaw := doc.Build(id, 1)
		if flaw != nil {
			t.Fatal(flaw)
		}
		w.stores[id], w.news[id] = s, map[uint64]int64{}
	}
	for i := range 2 {
		a := new(agreement.Agreement)
		text := fmt.Sprintf(`{"type":"sla","level":"customer","parties":{"provider":"p","customer":"c%d"},"scope":{"customer":"c%d"},"versions":[{"version":1,
			"from":"2026-10-01","timezone":"UTC","period":"day","service_hours":{"use":"24x7"},
			"measurement":{"late_data":{"accept":"6h","close_after":"12h","restate":{"until":"2d","min_change":"0.01"}}},
			"objectives":[{"name":"till","indicator":"uptime","per":"terminal","target":"0.9"},{"name":"all","indicator":"uptime","per":"customer","target":"0.9"}],
			"remedies":{"base":{"amount":10000,"currency":"EUR","per":"day"},"credits":[{"objective":"till","per":"scope_fee","tiers":[{"below":"0.9","credit":"0.5"}]}],
				"repeat":{"times":2,"within":"3d","multiply":"2"}}}]}`, i, i)
		if err := json.Unmarshal([]byte(text), a); err != nil {
			t.Fatal(err)
		}
		w.book.Agreements[fmt.Sprintf("a%d", i)] = a
	}
	return w
}

func (w *world) Revision(context.Context) (uint64, error) { return w.revision, nil }

func (w *world) Texts(context.Context) (agreement.Book, map[string]*registry.Store, error) {
	return w.book, w.stores, nil
}

func (w *world) News(_ context.Context, at int64) (map[string]Mark, error) {
	out := map[string]Mark{}
	for id, changes := range w.news {
		m := Mark{LastSeen: w.seen}
		for _, x := range w.works[id] {
			m.Decided += uint64(x.ApprovedAt)
		}
		for n := range changes {
			m.Ended = max(m.Ended, n)
		}
		for i := range 2 {
			m.Hot = m.Hot || w.downs[fmt.Sprintf("%s-%d", id, i+1)].Holds(at-1)
		}
		out[id] = m
	}
	return out, nil
}

func (w *world) Since(_ context.Context, ended map[string]uint64) (map[string]int64, error) {
	out := map[string]int64{}
	for id, version := range ended {
		out[id] = interval.Max
		for n, from := range w.news[id] {
			if n > version {
				out[id] = min(out[id], from)
			}
		}
	}
	return out, nil
}

func (w *world) Facts(_ context.Context, want Wanted) iter.Seq2[*evaluation.Store, error] {
	w.asked = want.Stores
	return func(yield func(*evaluation.Store, error) bool) {
		for _, id := range want.Stores {
			s := &evaluation.Store{ID: id, Runs: map[string][]sla.Run{}, Works: w.works[id]}
			for i := range 2 {
				till := fmt.Sprintf("%s-%d", id, i+1)
				x := interval.Span{From: want.Span.From, To: min(want.Span.To, want.At)}
				for _, d := range w.downs[till].Within(x) {
					s.Runs[till] = append(s.Runs[till], sla.Run{Span: d, Status: sla.Down})
				}
				for _, u := range interval.Of(x).Subtract(w.downs[till]) {
					s.Runs[till] = append(s.Runs[till], sla.Run{Span: u, Status: sla.Up})
				}
			}
			if !yield(s, nil) {
				return
			}
		}
	}
}

func (w *world) Published(context.Context, int64) (map[evaluation.Key]*evaluation.Published, []Burn, error) {
	out := map[evaluation.Key]*evaluation.Published{}
	for k, all := range w.rows {
		last := all[slices.Max(slices.Collect(maps.Keys(all)))].Published
		out[k] = &last
	}
	return out, slices.Collect(maps.Values(w.burns)), nil
}

func (w *world) Publish(_ context.Context, all []evaluation.Statement, at int64) error {
	if w.refuses != nil {
		return w.refuses
	}
	for i := range all {
		k, p := all[i].Key(), all[i].Published()
		if w.rows[k] == nil {
			w.rows[k] = map[uint32]row{}
		}
		if was, there := w.rows[k][p.Revision]; there && p.Revision > 0 && was.at <= at {
			continue // of a final revision the first holds
		}
		w.rows[k][p.Revision] = row{*p, at}
	}
	return nil
}

func (w *world) PublishBurns(_ context.Context, all []Burn, _ int64) error {
	for _, b := range all {
		if w.burns[b.Burning] = b; b.idle() {
			delete(w.burns, b.Burning)
		}
	}
	return nil
}

// fails makes a till down.
func (w *world) fails(till string, x interval.Span) {
	w.now++
	w.downs[till] = w.downs[till].Union(interval.Of(x))
	w.news[till[:2]][w.now] = x.From
}

func (w *world) evaluator(c Config) *Evaluator {
	c.Blind = -1
	return New(c, Deps{w, w, w})
}

// figures are what is published last, without when.
func (w *world) figures(t interface{ Fatal(...any) }) map[string]string {
	out := map[string]string{}
	all, _, err := w.Published(context.Background(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for k, p := range all {
		out[fmt.Sprintf("%s %s %s %s", k.Contract, k.Objective, k.Name, time.UnixMilli(k.Period).UTC().Format(time.DateOnly))] = fmt.Sprintf("%s %v %v %s %d", p.Stage, p.Result.Actual, p.Result.Low, p.Result.Verdict, p.Credit)
	}
	return out
}

var start = time.Date(2026, 10, 5, 0, 0, 0, 0, time.UTC).UnixMilli()

// Looking at a world step by step, by evaluators that come and go and are two at times, comes to what one look at the end does: of every period that was looked
// at after its end and before it was closed.
func TestStepByStep(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld(r)
		e := w.evaluator(Config{})
		other := w.evaluator(Config{Extend: time.Hour})
		ctx := context.Background()
		for at := start + hour; at <= start+4*day; at += 2 * hour {
			if rapid.IntRange(0, 3).Draw(r, "fails") == 0 {
				till := fmt.Sprintf("s%d-%d", rapid.IntRange(0, 3).Draw(r, "store"), rapid.IntRange(1, 2).Draw(r, "till"))
				from := at - int64(rapid.IntRange(1, 300).Draw(r, "ago")*minute)
				w.fails(till, interval.Span{From: from, To: min(from+int64(rapid.IntRange(1, 300).Draw(r, "long")*minute), at)})
			}
			switch rapid.IntRange(0, 5).Draw(r, "restart") {
			case 0:
				e = w.evaluator(Config{})
			case 1:
				if _, err := other.Round(ctx, at); err != nil {
					r.Fatal(err)
				}
			}
			report, err := e.Round(ctx, at)
			if err != nil || len(report.Failed) > 0 {
				r.Fatal(err, report.Failed)
			}
		}
		fresh := newWorld(r)
		fresh.downs, fresh.news = w.downs, w.news
		// Looked at once between the acceptance and the close of each day, as the steps were, and at the end.
		once := fresh.evaluator(Config{})
		for d := int64(1); d <= 4; d++ {
			if _, err := once.Round(ctx, start+d*day); err != nil {
				r.Fatal(err)
			}
		}
		got, want := w.figures(r), fresh.figures(r)
		for k := range want {
			if late := k[len(k)-10:]; late == "2026-10-08" || late == "2026-10-09" { // still running, or just over
				continue
			}
			if g, w := got[k], want[k]; g != w {
				r.Fatalf("%s: step by step %s, at once %s", k, g, w)
			}
		}
	})
}

// Only what changed is measured; a till that is down is looked at as time passes; the others seldom; and what did not change is not written.
func TestWhatIsMeasured(t *testing.T) {
	w := newWorld(t)
	e := w.evaluator(Config{})
	round := func(at int64) (Report, []string) {
		t.Helper()
		w.asked = nil
		r, err := e.Round(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		return r, w.asked
	}
	at := start + 12*hour
	for _, x := range []struct {
		name   string
		before func()
		after  int64
		want   []string
	}{
		{"everything at first", func() {}, 0, []string{"s0", "s1", "s2", "s3"}},
		{"nothing", func() {}, 5_000, nil},
		{"what is new", func() { w.fails("s1-1", interval.Span{From: at, To: at + day}) }, 5_000, []string{"s1"}},
		{"a till that is down is not measured at once again", func() {}, 5_000, nil},
		{"but soon", func() {}, 30_000, []string{"s1"}},
		{"all of them now and then", func() {}, 15 * minute, []string{"s0", "s1", "s2", "s3"}},
		{"the registry changed", func() { w.revision++ }, 1, []string{"s0", "s1", "s2", "s3"}},
	} {
		x.before()
		at += x.after
		if _, asked := round(at); !slices.Equal(asked, x.want) {
			t.Errorf("%s: %v, not %v", x.name, asked, x.want)
		}
	}
	if b := w.burns[Burning{"a0", "till", evaluation.Scope{Kind: "terminal", Name: "s1-1", Store: "s1"}, "5m"}]; b.Rate < 9.99 || b.Rate > 10.01 || b.Cover != 1 {
		t.Errorf("all of five minutes down burns %v", b)
	}
	w.stores = maps.Clone(w.stores)
	delete(w.stores, "s1")
	w.revision++
	round(at + 1)
	for k := range w.burns {
		if k.Store == "s1" {
			t.Errorf("%v burns on, though it is gone", k)
		}
	}
}

// What cannot be read, written or measured stops nothing else, and is tried again.
func TestFailures(t *testing.T) {
	w := newWorld(t)
	w.book.Agreements["bad"] = &agreement.Agreement{Type: "sla", Level: "customer", Inherits: []string{"nobody"}, Versions: w.book.Agreements["a0"].Versions}
	e := w.evaluator(Config{})
	w.refuses = errors.New("no")
	if _, err := e.Round(t.Context(), start+hour); !errors.Is(err, w.refuses) {
		t.Error(err)
	}
	if len(w.rows) != 0 {
		t.Error("something was written")
	}
	w.refuses = nil
	r, err := e.Round(t.Context(), start+hour+1)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Failed) != 1 || r.Failed["bad"] == nil {
		t.Errorf("failed: %v", r.Failed)
	}
	if len(w.rows) == 0 {
		t.Error("nothing was written although it can be now")
	}
}

// While nobody is heard from time stands still: no period is closed of which the evidence is still to come.
func TestBlind(t *testing.T) {
	w := newWorld(t)
	w.seen = start + 12*hour
	e := New(Config{}, Deps{w, w, w})
	r, err := e.Round(t.Context(), start+10*day)
	if err != nil {
		t.Fatal(err)
	}
	if r.At != w.seen {
		t.Errorf("as of %d, not %d", r.At, w.seen)
	}
	for k := range w.figures(t) {
		if k[len(k)-10:] > "2026-10-05" {
			t.Errorf("%s was published", k)
		}
	}
}
