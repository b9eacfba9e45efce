package processor

import (
	"github.com/tillstream/tillstream/processor/correction"
	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/processor/rollup"
)

// ahead are health reports that were decoded and wait to be folded. What is known of a till lies in a dozen places, none of which is in the cache when its next report comes: of so many
// reports that wait the processor looks for all at once, in place of waiting for one after the other. What they give is the same.
type ahead struct {
	events    []event.Event
	records   []fetch.Record
	inputs    []rollup.Input // of one topic and partition
	terminals []string
	senders   []uint32
}

// aheadOf is how many reports wait at most: more than a processor can look for at once, and few enough to stay in its nearest cache.
const aheadOf = 16

func newAhead(n int) ahead {
	return ahead{make([]event.Event, n), make([]fetch.Record, 0, n), make([]rollup.Input, 0, n), make([]string, 0, n), make([]uint32, n)}
}

// next is where the next event is decoded.
func (a *ahead) next() *event.Event { return &a.events[len(a.records)] }

// wait has the event that was decoded last wait, and says that no other can.
func (a *ahead) wait(in rollup.Input, r fetch.Record) (full bool) {
	e := a.next()
	a.records, a.inputs, a.terminals = append(a.records, r), append(a.inputs, in), append(a.terminals, e.TerminalID)
	return len(a.records) == len(a.events)
}

// walker makes a walker of which the folder reads ahead, as far as records are in memory together.
func (f *folder) walker() *fetch.Walker {
	f.settle()
	f.ahead = newAhead(aheadOf)
	w := fetch.NewWalker()
	w.Done = f.settle
	return w
}

// settle folds the reports that wait.
func (f *folder) settle() {
	a := &f.ahead
	n := len(a.records)
	if n == 0 {
		return
	}
	first := &a.inputs[0]
	f.sequence.Senders(first.Topic, first.Partition, a.terminals, a.senders[:n])
	for i := range a.inputs {
		a.inputs[i].Sender = a.senders[i]
	}
	f.quality.Ahead(a.inputs)
	f.tills.Ahead(a.inputs)
	for i := range a.records {
		if e := &a.events[i]; f.isNew(e, a.inputs[i], a.records[i]) {
			f.reports += len(a.records[i].Value)
			f.spread(e, a.inputs[i], correction.Counts)
		}
	}
	a.records, a.inputs, a.terminals = a.records[:0], a.inputs[:0], a.terminals[:0]
}
