package processor

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/processor/format"
	"github.com/tillstream/tillstream/processor/rollup"
)

// later are the corrections of the open batch, and what they name that came behind them. Other transactions that they name are in batches before, and a question for one costs ClickHouse
// as much as for a thousand. So they are folded after all else of their batch (docs/adr/0013-corrections-wait-for-their-batch.md).
type later struct {
	records []laterRecord
	bytes   int
}

type laterRecord struct {
	tp     fetch.TopicPartition
	record fetch.Record // a copy
	notes  event.Notes  // what is masked is not seen a second time
	clock  int64        // of the partition, when it came
}

// laterBytes is how much of them may wait.
const laterBytes = 4 << 20

// wait has a correction, or what one names that waits, wait for Correct.
func (f *folder) wait(e *event.Event, in rollup.Input, tp fetch.TopicPartition, r fetch.Record) error {
	clock, full := int64(0), false
	if len(e.Corrects.IDs) > 0 {
		clock, full = f.corrections.Await(e, in)
	} else {
		clock = f.corrections.Tick(in)
	}
	l := &f.later
	r.Key, r.Value, r.Headers = bytes.Clone(r.Key), bytes.Clone(r.Value), slices.Clone(r.Headers)
	l.records = append(l.records, laterRecord{tp, r, e.Notes, clock})
	l.bytes += len(r.Key) + len(r.Value) + len(r.Headers)
	if full || l.bytes >= laterBytes {
		return f.Correct()
	}
	return nil
}

// Correct folds the corrections that wait, as they came. After an error the folder is not to be used any more.
func (f *folder) Correct() error {
	f.settle()
	if len(f.later.records) == 0 {
		return nil
	}
	if err := f.corrections.Look(); err != nil {
		return err
	}
	for i := range f.later.records {
		if err := f.correct(&f.later.records[i]); err != nil {
			return err
		}
	}
	clear(f.later.records)
	f.later.records, f.later.bytes = f.later.records[:0], 0
	return nil
}

func (f *folder) correct(l *laterRecord) error {
	r := l.record
	in := rollup.Input{Topic: l.tp.Topic, Partition: l.tp.Partition, Offset: r.Offset, Timestamp: r.Timestamp}
	f.open, f.openTP = f.books[l.tp], l.tp
	e := f.ahead.next()
	rejection, err := f.decoder.Record(format.Record{Topic: l.tp.Topic, Value: r.Value, Headers: r.Headers}, e)
	if err != nil {
		return err
	}
	if rejection != nil {
		return fmt.Errorf("%s:%d@%d was accepted and then refused (%s): please report this", l.tp.Topic, l.tp.Partition, r.Offset, rejection.Reason)
	}
	e.Notes = l.notes
	f.unname(e)
	if len(e.Corrects.IDs) > 0 {
		if rejection := f.corrections.Check(e, in, l.clock); rejection != nil {
			f.reject(e, in, r, rejection)
			return nil
		}
	}
	return f.fold(e, in, r, l.clock)
}
