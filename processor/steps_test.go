//go:build measure

package processor

import (
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"hash"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/tillstream/tillstream/internal/steps"
	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/processor/format"
	"github.com/tillstream/tillstream/processor/rollup"
)

var counted = flag.Bool("counted", false, "who has started this counts instructions")

// TestSteps is the work of which bench/slip compares the instructions with those of the parent commit, and the allocations where they cannot be counted. It prints
// what it has done, a line of JSON each, in the order in which it was counted. The garbage collector is to be off (GOGC): memory that was used before is emptied when it is used again.
func TestSteps(t *testing.T) {
	w := &work{t: t, out: json.NewEncoder(os.Stdout)}
	if *counted {
		var err error
		if w.counter, err = steps.Begin(os.Stdout, os.Stdin); err != nil {
			t.Fatal(err)
		}
		defer w.counter.End()
	}
	w.of("sale", "pos.transactions", 20_000, tradingSales())
	w.of("report", "pos.health", 30_000, tradingReports())
}

// work is some work of one warm lane, piece by piece.
type work struct {
	t       *testing.T
	out     *json.Encoder
	counter *steps.Counter // nil: nobody counts

	tp     fetch.TopicPartition
	folder *folder
	event  event.Event
	batch  uint64
	record func(v []byte, rnd *rand.Rand, lane, i int) (time.Time, []byte)
	rnd    *rand.Rand
	n      int
	input  hash.Hash // of all records so far
}

// How much is done.
const (
	allocating = 5_000 // events whose allocations are measured
	behindThem = 2_000 // that are in the open batch when instructions are counted
	decoding   = 3     // … of so many events
	folding    = 32    // … and of so many; folds have queues of 64, so some of it belongs to those before, or after
	sealing    = 2     // … and of a batch of so many
)

// of decodes, folds and seals events of one kind after so many that the lane has seen.
func (w *work) of(kind, topic string, seen int, record func(v []byte, rnd *rand.Rand, lane, i int) (time.Time, []byte)) {
	w.tp, w.record, w.rnd, w.n, w.batch, w.input = fetch.TopicPartition{Topic: topic}, record, rand.New(rand.NewPCG(1, 2)), 0, 0, sha256.New()
	w.folder = newFolder(benchConfig(), nil)
	w.folder.Begin(w.tp, 0, true)
	w.fold(w.next(seen))
	w.seal()

	records := w.next(allocating)
	decode := w.allocated(func() { w.decode(records) })
	fold := w.allocated(func() { w.fold(records) })
	seal := w.allocated(w.seal)

	w.fold(w.next(behindThem))
	records = w.next(folding)
	w.done(kind+": decode", decoding, decode, func() { w.decode(records[:decoding]) })
	w.done(kind+": decode and fold", folding, fold, func() { w.fold(records) })
	w.seal()
	w.fold(w.next(sealing)) // tables as small as they will be
	w.seal()
	w.fold(w.next(sealing))
	w.done(kind+": seal", sealing, seal, w.seal)
}

// next makes the records that follow.
func (w *work) next(n int) []fetch.Record {
	records := make([]fetch.Record, n)
	for i := range records {
		at, v := w.record(make([]byte, 0, 640), w.rnd, 0, w.n)
		records[i] = fetch.Record{Offset: int64(w.n), Timestamp: at.UnixMilli(), Value: v}
		fmt.Fprintln(w.input, at.UnixMilli(), string(v))
		w.n++
	}
	return records
}

func (w *work) decode(records []fetch.Record) {
	for _, r := range records {
		rejection, err := w.folder.decoder.Record(format.Record{Topic: w.tp.Topic, Value: r.Value}, &w.event)
		if err != nil || rejection != nil {
			w.t.Fatal(err, rejection)
		}
	}
}

func (w *work) fold(records []fetch.Record) {
	for _, r := range records {
		if err := w.folder.Record(w.tp, r); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *work) seal() {
	w.batch++
	b := w.folder.Seal(rollup.Version{Epoch: 1, Batch: w.batch}, "g/0", time.Time{})
	if int(b.tally.records) != b.records {
		w.t.Fatalf("%d events, and %+v", b.records, b.tally)
	}
}

// allocation is what an event allocates, on average.
type allocation struct{ Bytes, Objects float64 }

func (w *work) allocated(f func()) allocation {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return allocation{float64(after.TotalAlloc-before.TotalAlloc) / allocating, float64(after.Mallocs-before.Mallocs) / allocating}
}

// done does a piece of work, counted, and tells of it.
func (w *work) done(name string, events int, a allocation, f func()) {
	if w.counter != nil {
		w.counter.Count(f)
	} else {
		f()
	}
	err := w.out.Encode(struct {
		Work   string
		Events int
		Input  string // what it depends on: others cannot be compared
		allocation
	}{name, events, fmt.Sprintf("%x", w.input.Sum(nil)[:8]), a})
	if err != nil {
		w.t.Fatal(err)
	}
}
