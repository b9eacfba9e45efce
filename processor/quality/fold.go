package quality

import (
	"math"
	"time"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/intern"
	"github.com/tillstream/tillstream/processor/rollup"
	"github.com/tillstream/tillstream/processor/table"
)

// lateAfter is how long after its time an event may reach Kafka before it counts as late (domain.md 3.9), in ms.
const lateAfter = 10 * 60 * 1000

// Config of a Fold.
type Config struct {
	// BusinessDayCutoff is how long after midnight a business day ends, for tills that do not say their business date.
	BusinessDayCutoff time.Duration
}

// Fold holds the deltas of the open batch. It is not safe for concurrent use.
type Fold struct {
	cutoff          int64 // ms
	names           *intern.Table
	topic, terminal intern.Recent
	sums            table.Table[key, sums]
	senders         rollup.Senders[sender]
	batch           uint32
	named           uint32                 // one more whenever names are forgotten
	late            []table.Sample[uint32] // seconds: late_in
	read            uint64                 // nothing: so that what is read ahead is read
}

type key struct {
	topic, terminal uint32
	date            int32
}

func (k *key) hash() uint64 {
	return table.Mix(table.Pack(k.topic, k.terminal), uint64(uint32(k.date)))
}

// sender is where the sums of a sender's terminal and date are, in a batch, and which names they have.
type sender struct {
	batch, named    uint32
	date            int32
	index           int32
	topic, terminal uint32
}

type sums struct {
	accepted, duplicates, rejected, late, test, unbalanced, panMasked, stale, other uint64
	missing, corrected                                                              int64
	skewMin, skewMax                                                                int64 // ms
}

// New makes a fold with an empty batch.
func New(cfg Config) *Fold {
	return &Fold{cutoff: cfg.BusinessDayCutoff.Milliseconds(), names: intern.New(), batch: 1, named: 1}
}

// Load does nothing: deltas need no state.
func (f *Fold) Load(rollup.StateRow) error { return nil }

// at finds the sums of a terminal's date.
func (f *Fold) at(topic, terminal string, date int32) *sums {
	_, s := f.sumsOf(f.topic.ID(f.names, topic), f.terminal.ID(f.names, terminal), date)
	return s
}

// sumsOf does so by the numbers of names. Rejected events may bear any date: one that a Date cannot hold counts on the nearest that it can.
func (f *Fold) sumsOf(topic, terminal uint32, date int32) (index int, s *sums) {
	k := key{topic, terminal, min(max(date, 0), math.MaxUint16)}
	return f.sums.At(k.hash(), k)
}

// Fold counts an accepted event, test events among them.
func (f *Fold) Fold(e *event.Event, in rollup.Input) {
	date, known := e.BusinessDate(f.cutoff), f.senders.Of(in)
	if known.batch != f.batch || known.date != date {
		if known.named != f.named {
			known.named, known.topic, known.terminal = f.named, f.topic.ID(f.names, in.Topic), f.terminal.ID(f.names, e.TerminalID)
		}
		index, _ := f.sumsOf(known.topic, known.terminal, date)
		known.batch, known.date, known.index = f.batch, date, int32(index)
	}
	index, s := int(known.index), &f.sums.Entries()[known.index].Value
	s.accepted++
	if late := in.Timestamp - e.Time.Milli; late > lateAfter && len(e.Corrects.IDs) == 0 { // a correction has the time of what it corrects
		s.late++
		f.late = append(f.late, table.Sample[uint32]{Index: int32(index), Value: uint32(min(late/1000, math.MaxUint32))})
	}
	if e.SentAt.OK && online(e) {
		skew := in.Timestamp - e.SentAt.Milli
		s.skewMin, s.skewMax = min(s.skewMin, skew), max(s.skewMax, skew)
	}
	if e.Test {
		s.test++
	}
	if e.Notes.Unbalanced {
		s.unbalanced++
	}
	if e.Notes.PANMasked {
		s.panMasked++
	}
	if e.Notes.Other > 0 {
		s.other += uint64(e.Notes.Other)
	}
}

// Ahead reads what Fold will need of many senders, so that the processor waits for all of that together.
func (f *Fold) Ahead(of []rollup.Input) {
	read, sums := uint64(0), f.sums.Entries()
	for i := range of {
		if known := f.senders.Peek(of[i].Sender); known.batch == f.batch {
			read += sums[known.index].Value.accepted
		}
	}
	f.read = read
}

// online says that an event was sent as it happened: the time between sending and Kafka then tells the skew of the sender's clock.
func online(e *event.Event) bool {
	mode := e.Transaction.Offline.Mode
	return e.Type != event.TypeTransaction || mode == "" || mode == "none"
}

// Duplicate counts a repeat. The date, here and below, is the event's business date in days since 1970.
func (f *Fold) Duplicate(topic, terminal string, date int32) {
	f.at(topic, terminal, date).duplicates++
}

// Rejected counts an event that became a dead letter; the terminal may be empty.
func (f *Fold) Rejected(topic, terminal string, date int32) {
	f.at(topic, terminal, date).rejected++
}

// Missing counts delta numbers that did not come, or came after all.
func (f *Fold) Missing(topic, terminal string, date int32, delta int64) {
	f.at(topic, terminal, date).missing += delta
}

// Corrected counts delta accepted events that do not count, since others took their place, or that do so again.
func (f *Fold) Corrected(topic, terminal string, date int32, delta int64) {
	f.at(topic, terminal, date).corrected += delta
}

// Stale counts evidence of availability that came too late to be used.
func (f *Fold) Stale(topic, terminal string, date int32) {
	f.at(topic, terminal, date).stale++
}

// What a till's day takes in an open batch and in two that are sealed, the state of its numbers included, and a sample.
const (
	dayBytes    = 900
	sampleBytes = 32
)

// Held is about the memory that the open batch takes, together with two that are sealed and like it.
func (f *Fold) Held() int { return f.sums.Len()*dayBytes + len(f.late)*sampleBytes }

// Seal closes the open batch: one block a month, rows in the order of the table's key.
func (f *Fold) Seal(rollup.Version) rollup.Sealed {
	entries, ranks := f.sums.Entries(), f.names.Ranks()
	rows := make([]table.Row, len(entries))
	for i := range entries {
		k := &entries[i].Key
		rows[i] = table.Row{
			Month: rollup.MonthOfDay(rollup.Days(k.date)), Index: int32(i),
			Key: [3]uint64{table.Pack(ranks[k.topic], ranks[k.terminal]), uint64(table.Signed(k.date))},
		}
	}
	lateIn := table.Group(f.late, len(entries))
	var sealed rollup.Sealed
	for month, rows := range table.Months(rows) {
		sealed.Blocks = append(sealed.Blocks, f.block(month, rows, lateIn))
	}
	f.sums.Reset()
	f.batch++
	f.late = f.late[:0]
	if f.names.Trim() {
		f.topic, f.terminal = intern.Recent{}, intern.Recent{}
		f.named++
	}
	return sealed
}

func (f *Fold) block(month uint32, rows []table.Row, lateIn [][]uint32) *rollup.Block {
	b := rollup.NewBlock("data_quality", month, len(rows))
	topic, terminal, date := b.String("topic"), b.String("terminal_id"), b.PartitionDays("business_date")
	accepted, duplicates, missing := b.SumUint64("accepted"), b.SumUint64("duplicates"), b.SumInt64("missing")
	rejected, late, test := b.SumUint64("rejected"), b.SumUint64("late"), b.SumUint64("test")
	unbalanced, panMasked := b.SumUint64("unbalanced"), b.SumUint64("pan_masked")
	stale, other, seconds := b.SumUint64("stale"), b.SumUint64("other"), b.Uint32s("late_in")
	corrected := b.SumInt64("corrected")
	skewMin, skewMax := b.Int64("skew_min"), b.Int64("skew_max")
	for i, r := range rows {
		e := &f.sums.Entries()[r.Index]
		k, s := &e.Key, &e.Value
		topic[i], terminal[i], date[i] = f.names.String(k.topic), f.names.String(k.terminal), rollup.Days(k.date)
		accepted[i], duplicates[i], missing[i], rejected[i] = s.accepted, s.duplicates, s.missing, s.rejected
		late[i], test[i], unbalanced[i], panMasked[i] = s.late, s.test, s.unbalanced, s.panMasked
		stale[i], other[i], seconds[i] = s.stale, s.other, lateIn[r.Index]
		corrected[i] = s.corrected
		skewMin[i], skewMax[i] = s.skewMin, s.skewMax
	}
	return b.Seal()
}
