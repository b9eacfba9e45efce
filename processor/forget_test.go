package processor

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/commit"
	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/processor/forget"
	"github.com/tillstream/tillstream/processor/rollup"
	"github.com/tillstream/tillstream/processor/table/tabletest"
)

// forgetC1 is the list with the customer c1 of anySent on it.
func forgetC1(t tabletest.TB, cfg *Config) (*forget.List, uint64) {
	p := event.Pseudonym(cfg.Secret, "loyalty", "c1")
	l, err := forget.NewList(cfg.Secret, []forget.Entry{forget.NewHasher(cfg.Secret).Entry(p)})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return l, p
}

// Somebody is forgotten at some moment: what was folded before is erased, and what comes afterwards, corrections of what was before among it, is folded under the list.
// The tables are as if nobody had ever been named, but for how many cards of the programme were shown.
func TestForgottenAsIfNeverNamed(t *testing.T) {
	schema := tabletest.Load(t)
	rapid.Check(t, func(t *rapid.T) {
		var all []*sent
		for n := range rapid.IntRange(1, 12).Draw(t, "events") {
			all = append(all, anySent(t, n))
		}
		moment := rapid.IntRange(0, len(all)).Draw(t, "moment")
		late := rapid.Bool().Draw(t, "erased late") // after all of it, else at that moment
		w, never := newTill(t, 8*24*time.Hour), newTill(t, 8*24*time.Hour)
		list, pseudonym := forgetC1(t, w.cfg)
		now := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
		for i, s := range rapid.Permutation(all).Draw(t, "order") {
			if i == moment {
				w.seal(schema)
				w.restart()
				w.unnamed(list)
				if !late {
					w.erase(pseudonym)
				}
			}
			w.send(now, s.json())
			never.send(now, strings.Replace(s.json(), `,"customer":{"id":"c1","type":"loyalty"}`, "", 1))
			if rapid.IntRange(0, 3).Draw(t, "then") == 0 {
				w.seal(schema)
			}
			now = now.Add(time.Hour)
		}
		w.seal(schema)
		never.seal(schema)
		if late || moment == len(all) {
			w.erase(pseudonym)
		}
		for _, b := range slices.Concat(w.blocks, never.blocks) {
			if b.Table == "sales_hourly" {
				clear(columnOf[uint64](b, "loyalty_transactions"))
			}
		}
		if d := gocmp.Diff(never.purchased(schema), w.purchased(schema)); d != "" {
			t.Fatalf("(-never named +forgotten)\n%s", d)
		}
	})
}

// unnamed puts a list in force.
func (w *till) unnamed(list *forget.List) { w.f.forgotten = list }

// erase does to the rows of batches what tillstream forget does to the tables.
func (w *till) erase(pseudonym uint64) {
	for _, b := range w.blocks {
		switch b.Table {
		case "sales_hourly":
			in, out, identified := columnOf[[]uint64](b, "customers_in"), columnOf[[]uint64](b, "customers_out"), columnOf[uint64](b, "identified_transactions")
			for i := range in {
				was := len(in[i]) - len(out[i])
				is := func(c uint64) bool { return c == pseudonym }
				in[i], out[i] = slices.DeleteFunc(slices.Clone(in[i]), is), slices.DeleteFunc(slices.Clone(out[i]), is)
				identified[i] -= uint64(was - len(in[i]) + len(out[i]))
			}
		case "customer_days":
			who := columnOf[uint64](b, "customer")
			for i := len(who) - 1; i > 0; i-- {
				if who[i] == pseudonym {
					drop(b.Columns, i)
					b.Rows--
					who = columnOf[uint64](b, "customer")
				}
			}
		}
	}
}

// listed is a list that grows after some questions.
type listed struct {
	asked, after int
	entries      []forget.Entry
}

func (l *listed) ForgottenEntries(context.Context) (uint64, error) {
	if l.asked++; l.asked <= l.after {
		return uint64(len(l.entries) - 1), nil
	}
	return uint64(len(l.entries)), nil
}

func (l *listed) Forgotten(context.Context) ([]forget.Entry, error) {
	if l.asked <= l.after {
		return l.entries[:len(l.entries)-1], nil
	}
	return l.entries, nil
}

// A batch that was folded before somebody was forgotten is claimed and not written. The lane begins again, folds it under the list and writes it.
func TestBatchFoldedUnderAnOlderListIsNotWritten(t *testing.T) {
	cfg := benchConfig()
	cfg.SessionTimeout, cfg.BatchAge, cfg.BatchRecords = 10*time.Second, time.Second, 10
	at := commit.TopicPartition(fetch.TopicPartition{Topic: "pos.health", Partition: 0})
	mark := commit.Mark{Epoch: 1, Batch: 1, Fingerprint: cfg.Fingerprint(), Blocks: 1, Ranges: commit.Ranges{{TopicPartition: at, From: 7, To: 7}}}.String()
	kafka := &still{committed: map[commit.TopicPartition]commit.Committed{at: {Offset: 7}}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sink := &heldMarks{marks: []TableMark{{"ledger", 197001, mark}}, landed: cancel}
	l := &lane{
		name: "g/0", epoch: 1, origin: Stream{}.origin, tps: []fetch.TopicPartition{fetch.TopicPartition(at)}, cfg: cfg, fingerprint: cfg.Fingerprint(), share: 1 << 20, source: kafka, offsets: kafka,
		listed: &listed{after: 1, entries: []forget.Entry{forget.NewHasher(cfg.Secret).Entry(1)}},
		sink:   sink, letters: kafka, now: time.Now, log: zap.NewNop(), report: newLaneReport(0, "g/0", newMetrics(prometheus.NewRegistry())), hand: &handle{},
	}
	if err := l.session(ctx); !errors.Is(err, errForgotten) || !slices.Equal(sink.inserts, []string{"claims/000000"}) {
		t.Fatalf("%v, inserted %v: want the claim, and an end", err, sink.inserts)
	}
	if err := l.session(ctx); err != nil || !slices.Contains(sink.inserts, "state/000000") {
		t.Fatalf("%v, inserted %v", err, sink.inserts)
	}
	other := *l
	other.listed = &listed{entries: []forget.Entry{forget.NewHasher([]byte("another secret of 16")).Entry(1)}}
	other.hand = &handle{}
	if err := other.session(t.Context()); !errors.Is(err, forget.ErrKey) || !final(err) {
		t.Errorf("a list made under another secret: %v", err)
	}
}

// drop takes a row out of columns.
func drop(columns []rollup.Column, i int) {
	for k := range columns {
		data := reflect.ValueOf(columns[k].Data)
		columns[k].Data = reflect.AppendSlice(reflect.AppendSlice(reflect.MakeSlice(data.Type(), 0, data.Len()), data.Slice(0, i)), data.Slice(i+1, data.Len())).Interface()
	}
}
