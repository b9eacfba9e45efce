package processor

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/tillstream/tillstream/processor/availability"
	"github.com/tillstream/tillstream/processor/commit"
	"github.com/tillstream/tillstream/processor/consent"
	"github.com/tillstream/tillstream/processor/correction"
	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/processor/forget"
	"github.com/tillstream/tillstream/processor/format"
	"github.com/tillstream/tillstream/processor/incident"
	"github.com/tillstream/tillstream/processor/journey"
	"github.com/tillstream/tillstream/processor/purchase"
	"github.com/tillstream/tillstream/processor/quality"
	"github.com/tillstream/tillstream/processor/rollup"
	"github.com/tillstream/tillstream/processor/sequence"
)

// Fold turns events into rollups. Its rows depend on the state, the records and the configuration, on nothing else.
type Fold interface {
	// Fold adds an accepted event to the open batch. The event is valid during the call.
	Fold(e *event.Event, in rollup.Input)
	// Seal closes the open batch.
	Seal(v rollup.Version) rollup.Sealed
	// Load restores a row of state that Seal gave out. Rows of a kind that is not the fold's own are left alone.
	Load(row rollup.StateRow) error
}

// book is the account of one partition in the open batch: records + duplicates + rejected + gaps = next - from.
type book struct {
	from, next                          int64
	records, duplicates, rejected, gaps uint64
}

// folder is the pure core of a lane: records in, batches out.
type folder struct {
	cfg       *Config
	forgotten *forget.List
	decoder   *format.Decoder
	ahead     ahead
	sequence  *sequence.Set
	quality   *quality.Fold

	corrections *correction.Fold
	purchases   *purchase.Fold
	tills       *availability.Fold
	journeys    *journey.Fold
	folds       []Fold       // of all that happened, whether it counts or not; tills among them
	in          rollup.Input // of the correction that is folded

	books   map[fetch.TopicPartition]*book
	open    *book // of the partition last seen: records come in runs of one
	openTP  fetch.TopicPartition
	letters []DeadLetter
	later   later
	newest  int64 // newest record timestamp of the batch, ms
	records int
	bytes   int
	reports int // … of accepted health reports
	other   int // … of records whose folds do not say what they hold
}

// newFolder makes a folder without state. Those who were forgotten are nobody to it. All that its past wants must be given to it before Seal.
func newFolder(cfg *Config, forgotten *forget.List) *folder {
	f := &folder{
		cfg:       cfg,
		forgotten: forgotten,
		decoder:   format.NewDecoder(cfg.FormatOptions()),
		quality:   quality.New(quality.Config{BusinessDayCutoff: cfg.BusinessDayCutoff}),
		ahead:     newAhead(1),
		books:     map[fetch.TopicPartition]*book{},
	}
	f.sequence = sequence.New(sequence.Config{Missing: f.quality.Missing})
	f.purchases = purchase.New(purchase.Config{BusinessDayCutoff: cfg.BusinessDayCutoff, Watch: cfg.Watch})
	f.corrections = correction.New(correction.Config{
		Window: cfg.CorrectionWindow, BusinessDayCutoff: cfg.BusinessDayCutoff, Corrected: f.quality.Corrected,
		Apply: func(e *event.Event, sign int64) {
			f.unname(e) // what was kept may name them still
			f.purchases.Add(e, sign)
			f.journeys.Add(e, f.in, sign)
		},
	})
	incidents := incident.New() // before availability, which asks it what is excluded
	f.tills = availability.New(availability.Config{
		HeartbeatTimeout: cfg.HeartbeatTimeout, Window: cfg.TimelineWindow, RetireAfter: cfg.RetireAfter, BusinessDayCutoff: cfg.BusinessDayCutoff, Recall: true,
	}, incidents, f.quality.Stale)
	f.journeys = journey.New(journey.Config{Window: cfg.TimelineWindow, RetireAfter: cfg.RetireAfter, BusinessDayCutoff: cfg.BusinessDayCutoff, Forgotten: forgotten.Has}, f.tills)
	f.folds = []Fold{consent.New(), incidents, f.tills}
	return f
}

// unname takes a customer who was forgotten off an event. That some customer was named, and as what, stays.
func (f *folder) unname(e *event.Event) {
	if c := &e.Transaction.Customer; f.forgotten.Has(c.Pseudonym) {
		c.Pseudonym, c.Consent = 0, event.Opt[[]string]{}
	}
}

// held is about the memory that the open batch takes together with one that waits and one that is being written, if they are like it; a test holds it.
func (f *folder) held() int {
	return f.later.bytes + f.other*bytesFactor + f.quality.Held() + f.purchases.Held() + f.corrections.Held() + f.tills.Held() + f.journeys.Held()
}

// Load restores state.
func (f *folder) Load(row rollup.StateRow) error {
	if err := f.sequence.Load(row); err != nil {
		return err
	}
	if err := f.corrections.Load(row); err != nil {
		return err
	}
	for _, fold := range f.folds {
		if err := fold.Load(row); err != nil {
			return err
		}
	}
	return f.journeys.Load(row)
}

// Begin sets where a partition's next record is expected. whole: it is read from its beginning, and what it has came nowhere else before.
func (f *folder) Begin(tp fetch.TopicPartition, offset int64, whole bool) {
	f.books[tp] = &book{from: offset, next: offset}
	f.open = nil
	f.corrections.Begin(tp.Topic, tp.Partition, whole)
}

// Record takes one record. Nothing of it is kept that aliases it, once settle was called. After an error, which only a correction or an unknown schema can meet, the folder is not to
// be used any more. Correct comes before Seal.
func (f *folder) Record(tp fetch.TopicPartition, r fetch.Record) error {
	if f.open == nil || tp != f.openTP {
		f.open, f.openTP = f.books[tp], tp
	}
	b := f.open
	if r.Timestamp < 0 || r.Timestamp > event.Latest { // a producer's, perhaps in another unit: as good as none, for rows are filed under it, and corrections reckoned from it
		r.Timestamp = -1
	}
	b.gaps += uint64(r.Offset - b.next)
	b.next = r.Offset + 1
	f.newest = max(f.newest, r.Timestamp)
	f.records++
	f.bytes += len(r.Value)
	in := rollup.Input{Topic: tp.Topic, Partition: tp.Partition, Offset: r.Offset, Timestamp: r.Timestamp}

	if r.Cut > 0 { // nobody knows whose it is
		f.settle()
		f.reject(new(event.Event), in, r, &event.Rejection{Reason: event.ReasonTooLarge, Expected: fmt.Sprintf("at most %d bytes", cmp.Or(f.cfg.MaxEventBytes, event.DefaultMaxBytes))})
		return nil
	}
	e := f.ahead.next()
	rejection, err := f.decoder.Record(format.Record{Topic: tp.Topic, Value: r.Value, Headers: r.Headers}, e)
	if err != nil {
		return err
	}
	if rejection == nil {
		f.unname(e)
		rejection = f.decoder.CheckTime(e, r.Timestamp)
	}
	if rejection == nil && e.Type == event.TypeHealth && f.decoder.Lasting() {
		if f.ahead.wait(in, r) {
			f.settle()
		}
		return nil
	}
	f.settle()
	if rejection != nil {
		f.reject(e, in, r, rejection)
		return nil
	}
	clock := int64(0)
	if e.Type == event.TypeTransaction {
		if len(e.Corrects.IDs) > 0 || f.corrections.Awaited(e) {
			return f.wait(e, in, tp, r)
		}
		clock = f.corrections.Tick(in)
	}
	return f.fold(e, in, r, clock)
}

// fold folds an event that is accepted, at this time of its partition's clock. An error is of a correction.
func (f *folder) fold(e *event.Event, in rollup.Input, r fetch.Record, clock int64) (err error) {
	in.Sender = f.sequence.Sender(in.Topic, in.Partition, e.TerminalID)
	if !f.isNew(e, in, r) {
		return nil
	}
	verdict := correction.Counts
	switch {
	case e.Type == event.TypeHealth:
		f.reports += len(r.Value)
	case e.Type != event.TypeTransaction:
		f.other += f.decoder.Size()
	case len(e.Corrects.IDs) > 0:
		f.in = in
		if verdict, err = f.corrections.Correct(e, in); err != nil {
			return err
		}
	case !e.Test:
		verdict = f.corrections.Take(e, in, clock)
	}
	if verdict == correction.Repeat {
		f.open.duplicates++
		f.quality.Duplicate(in.Topic, e.TerminalID, e.BusinessDate(f.cfg.BusinessDayCutoff.Milliseconds()))
		return nil
	}
	f.spread(e, in, verdict)
	return nil
}

// isNew tells an event from a repeat by its number, and counts what is none.
func (f *folder) isNew(e *event.Event, in rollup.Input, r fetch.Record) bool {
	date := e.BusinessDate(f.cfg.BusinessDayCutoff.Milliseconds())
	switch f.sequence.See(e, in, date) {
	case sequence.Duplicate:
		f.open.duplicates++
		f.quality.Duplicate(in.Topic, e.TerminalID, date)
		return false
	case sequence.Forgotten:
		f.reject(e, in, r, &event.Rejection{
			Reason: event.ReasonSequenceForgotten, Field: "sequence",
			Expected: "a number the lane still remembers (the terminal has more holes than are kept)",
		})
		return false
	}
	return true
}

// spread gives an event to the folds that it is for.
func (f *folder) spread(e *event.Event, in rollup.Input, verdict correction.Verdict) {
	f.open.records++
	f.quality.Fold(e, in)
	if e.Test || verdict == correction.Correction {
		return // a correction is no evidence of anything but itself: it may have been made in an office
	}
	if verdict == correction.Counts {
		f.purchases.Fold(e, in)
		f.journeys.Fold(e, in)
	}
	for _, fold := range f.folds {
		fold.Fold(e, in)
	}
}

func (f *folder) reject(e *event.Event, in rollup.Input, r fetch.Record, why *event.Rejection) {
	f.other += len(r.Value) + len(r.Headers)
	f.open.rejected++
	l := DeadLetter{
		Topic: in.Topic, Partition: in.Partition, Offset: in.Offset, Timestamp: in.Timestamp,
		Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value), Cut: r.Cut, Reason: string(why.Reason), Field: why.Field, Expected: why.Expected,
	}
	if !r.Headers.None() {
		l.Headers = bytes.Clone(r.Headers)
	}
	l.Mask()
	f.letters = append(f.letters, l)

	date := int32(time.UnixMilli(in.Timestamp).Unix() / 86400)
	if e.Time.OK && f.decoder.CheckTime(e, in.Timestamp) == nil { // a clock that nobody believes would make months of its own
		date = e.BusinessDate(f.cfg.BusinessDayCutoff.Milliseconds())
	}
	f.quality.Rejected(in.Topic, e.TerminalID, date)
}

// Passed says that everything before next was looked at: what had no record is a gap (control records, aborted transactions,
// compacted or deleted records).
func (f *folder) Passed(tp fetch.TopicPartition, next int64) {
	if b := f.books[tp]; next > b.next {
		b.gaps += uint64(next - b.next)
		b.next = next
	}
}

// Empty says that no offset was passed since the last Seal.
func (f *folder) Empty() bool {
	for _, b := range f.books {
		if b.next > b.from {
			return false
		}
	}
	return true
}

// batch is a sealed batch: what is to be written, in order.
type batch struct {
	version   rollup.Version
	ranges    commit.Ranges
	forgotten uint64         // entries of the list under which it was folded
	unknown   commit.Unknown // ids of schemas that were judged so
	letters   []DeadLetter
	blocks    []*rollup.Block
	state     *rollup.Block
	tally     book // summed over partitions
	records   int
	bytes     int
	at        time.Time // sealed
	newest    int64     // record's timestamp, ms
	opened    time.Time // when it got its first offset; zero if it was read again
	behind    bool      // there was more to fold when it was closed
	span      trace.SpanContext
}

func (b *batch) end() *ending {
	e := &ending{b.version, make(map[commit.TopicPartition]int64, len(b.ranges)), b.span}
	for _, r := range b.ranges {
		e.offsets[r.TopicPartition] = r.To
	}
	return e
}

// Seal closes the open batch and begins the next one where it ends.
func (f *folder) Seal(v rollup.Version, lane string, now time.Time) *batch {
	if len(f.later.records) > 0 {
		panic("Seal without Correct: corrections would be lost")
	}
	b := &batch{version: v, forgotten: f.forgotten.Entries(), letters: f.letters, records: f.records, bytes: f.bytes, at: now, newest: f.newest}
	tps := make([]fetch.TopicPartition, 0, len(f.books))
	for tp := range f.books {
		tps = append(tps, tp)
	}
	slices.SortFunc(tps, func(x, y fetch.TopicPartition) int {
		return commit.TopicPartition(x).Compare(commit.TopicPartition(y))
	})
	for _, tp := range tps {
		k := f.books[tp]
		if k.next > k.from {
			f.corrections.Passed(tp.Topic, tp.Partition)
		}
		b.ranges = append(b.ranges, commit.Range{TopicPartition: commit.TopicPartition(tp), From: k.from, To: k.next})
		b.tally.records += k.records
		b.tally.duplicates += k.duplicates
		b.tally.rejected += k.rejected
		b.tally.gaps += k.gaps
	}

	states := [][]rollup.StateRow{f.sequence.Seal()}
	b.blocks = append(b.blocks, f.quality.Seal(v).Blocks...)
	for _, fold := range slices.Concat([]Fold{f.purchases}, f.folds, []Fold{f.journeys}) {
		s := fold.Seal(v)
		b.blocks = append(b.blocks, s.Blocks...)
		states = append(states, s.State)
	}
	kept := f.corrections.Seal(v)
	b.blocks, states = append(b.blocks, kept.Blocks...), append(states, kept.State)
	b.blocks = append(b.blocks, deadLetterBlocks(f.letters)...)
	b.blocks = append(b.blocks, f.ledgerBlock(v, lane, tps, now))
	b.state = stateBlock(v, f.cfg.Group, slices.Concat(states...))

	for _, k := range f.books {
		*k = book{from: k.next, next: k.next}
	}
	f.letters, f.newest, f.records, f.bytes, f.reports, f.other = nil, 0, 0, 0, 0, 0
	return b
}

func (f *folder) ledgerBlock(v rollup.Version, lane string, tps []fetch.TopicPartition, now time.Time) *rollup.Block {
	day := rollup.Days(f.newest / 86_400_000)
	tps = slices.DeleteFunc(slices.Clone(tps), func(tp fetch.TopicPartition) bool {
		return f.books[tp].next == f.books[tp].from
	})
	blk := rollup.NewBlock("ledger", rollup.MonthOfDay(day), len(tps))
	lanes, topic, partition, epoch := blk.String("lane"), blk.String("topic"), blk.Int32("partition"), blk.Uint64("epoch")
	days, from, to := blk.PartitionDays("day"), blk.Int64("from_offset"), blk.Int64("to_offset")
	records, duplicates := blk.SumUint64("records"), blk.SumUint64("duplicates")
	rejected, gaps, written := blk.SumUint64("rejected"), blk.SumUint64("gaps"), blk.Millis("written_at")
	for i, tp := range tps {
		k := f.books[tp]
		lanes[i], topic[i], partition[i], epoch[i], days[i] = lane, tp.Topic, tp.Partition, v.Epoch, day
		from[i], to[i], written[i] = k.from, k.next, rollup.Millis(now.UnixMilli())
		records[i], duplicates[i], rejected[i], gaps[i] = k.records, k.duplicates, k.rejected, k.gaps
	}
	return blk.Seal()
}

// deadLetterBlocks lists the rejected records, by the month of their Kafka timestamp. Their bytes go to Kafka only.
func deadLetterBlocks(letters []DeadLetter) []*rollup.Block {
	byMonth := map[uint32][]DeadLetter{}
	for _, l := range letters {
		m := rollup.MonthOfUnix(max(l.Timestamp, 0) / 1000)
		byMonth[m] = append(byMonth[m], l)
	}
	var blocks []*rollup.Block
	for m, ls := range byMonth {
		slices.SortFunc(ls, func(x, y DeadLetter) int {
			return cmp.Or(cmp.Compare(x.Topic, y.Topic), cmp.Compare(x.Partition, y.Partition), cmp.Compare(x.Offset, y.Offset))
		})
		blk := rollup.NewBlock("dead_letters", m, len(ls))
		topic, partition, offset := blk.String("topic"), blk.Int32("partition"), blk.Int64("offset")
		at, reason, field, expected := blk.PartitionMillis("at"), blk.String("reason"), blk.String("field"), blk.String("expected")
		for i, l := range ls {
			topic[i], partition[i], offset[i], at[i] = l.Topic, l.Partition, l.Offset, rollup.Millis(max(l.Timestamp, 0))
			reason[i], field[i], expected[i] = l.Reason, l.Field, l.Expected
		}
		blocks = append(blocks, blk.Seal())
	}
	slices.SortFunc(blocks, func(x, y *rollup.Block) int { return cmp.Compare(x.Month, y.Month) })
	return blocks
}

// owner is the lane column of a partition's state rows.
func owner(group string, partition int32) string { return fmt.Sprintf("%s#%d", group, partition) }

func stateBlock(v rollup.Version, group string, rows []rollup.StateRow) *rollup.Block {
	// By kind, since rows of one kind mostly are in order: a sort that sees that is done.
	type place struct {
		owner, kind string // the owner as text: the table's key
	}
	type placed struct {
		place
		rows []int32
	}
	var all []placed
	owners, index := map[int32]string{}, map[place]int{}
	last, at := rollup.StateRow{}, -1
	for i := range rows {
		r := &rows[i]
		if at < 0 || r.Partition != last.Partition || r.Kind != last.Kind {
			name, named := owners[r.Partition]
			if !named {
				name = owner(group, r.Partition)
				owners[r.Partition] = name
			}
			p := place{name, r.Kind}
			n, known := index[p]
			if !known {
				n = len(all)
				index[p], all = n, append(all, placed{place: p})
			}
			last, at = rollup.StateRow{Partition: r.Partition, Kind: r.Kind}, n
		}
		all[at].rows = append(all[at].rows, int32(i))
	}
	slices.SortFunc(all, func(x, y placed) int { return cmp.Or(cmp.Compare(x.owner, y.owner), cmp.Compare(x.kind, y.kind)) })
	blk := rollup.NewBlock(commit.StateTable, 0, len(rows))
	lane, kind, key := blk.String("lane"), blk.String("kind"), blk.String("key")
	blk.Version(v)
	deleted, value := blk.Uint8("deleted"), blk.String("value")
	i := 0
	for _, p := range all {
		slices.SortFunc(p.rows, func(x, y int32) int { return cmp.Compare(rows[x].Key, rows[y].Key) })
		for _, n := range p.rows {
			r := &rows[n]
			lane[i], kind[i], key[i], value[i] = p.owner, r.Kind, r.Key, string(r.Value)
			if r.Deleted {
				deleted[i] = 1
			}
			i++
		}
	}
	return blk.Seal()
}
