package commit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// StateTable is the table whose ledger row is written last: what it holds is complete.
const StateTable = "state"

// Committed is what Kafka holds for one partition of the group. Offset is -1 where nothing was ever committed.
type Committed struct {
	Offset   int64
	Metadata string
}

// Held is the newest mark that one (table, month) holds of the lane; of the claims, the newest of each epoch.
type Held struct {
	Table string
	Month uint32
	Mark  Mark
}

// Block names the block as rollup.Block.Name does.
func (h Held) Block() string { return fmt.Sprintf("%s/%06d", h.Table, h.Month) }

// Found is everything a new owner of a lane can ask for.
type Found struct {
	Lane       string
	Epoch      uint64
	Start      map[TopicPartition]int64 // where the epoch begins; may name other lanes' partitions too
	Partitions []TopicPartition
	Committed  map[TopicPartition]Committed
	Held       []Held
	Now        int64 // ms since 1970
}

// State is the mark of the last complete batch of the epoch; Batch is 0 if there is none.
func (f *Found) State() (state Mark) {
	for _, h := range f.Held {
		if h.Table == StateTable && h.Mark.Epoch == f.Epoch && newer(h.Mark, state) {
			state = h.Mark
		}
	}
	return state
}

// Pending is a batch that was begun and must be finished before anything else.
type Pending struct {
	Batch       uint64
	Fingerprint string // of who began it, as the intent or a table says
	Ranges      Ranges
	Unknown     Unknown // as it was claimed. nil: unclaimed, so that nothing of it is written yet; or by a version that did not say
	held        []Held  // blocks that are there already
}

// Plan is where a lane stands.
type Plan struct {
	Wait     int64                    // not 0: ask again after this instant (ms); nothing else is set
	Batch    uint64                   // last complete batch
	Position map[TopicPartition]int64 // next offset to read after Batch; absent: from the start of the log
	Behind   bool                     // Kafka says less than Position: the end of Batch was never committed, or was overwritten
	Pending  *Pending
}

// Contradiction says that what Kafka and ClickHouse hold cannot both be true. The lane must stop: going on would lose or double.
type Contradiction struct {
	Lane, What, Remedy string
}

func (c *Contradiction) Error() string {
	return fmt.Sprintf("lane %s stopped so as not to lose or double anything: %s; %s", c.Lane, c.What, c.Remedy)
}

// ErrNewerEpoch says that the group has gone on in another epoch: join it again in that.
var ErrNewerEpoch = errors.New("a newer epoch has begun")

// Recover decides how a lane goes on. It returns a *Contradiction if the facts do not fit together.
//
// Only this epoch's marks and metadata are evidence, since the number of a batch and the partitions of a lane mean something else in
// another. What an older epoch left in flight is waited for all the same.
func Recover(f Found) (Plan, error) {
	stop := func(remedy, what string, args ...any) (Plan, error) {
		return Plan{}, &Contradiction{Lane: f.Lane, What: fmt.Sprintf(what, args...), Remedy: remedy}
	}

	metas := make(map[TopicPartition]Metadata, len(f.Partitions))
	for _, tp := range f.Partitions {
		m, ok := ParseMetadata(f.Committed[tp].Metadata)
		if !ok {
			continue
		}
		if m.Epoch > f.Epoch {
			return Plan{}, fmt.Errorf("lane %s: %s was committed in epoch %d, this process is in epoch %d: %w", f.Lane, tp, m.Epoch, f.Epoch, ErrNewerEpoch)
		}
		metas[tp] = m
	}

	// No insert of a batch in flight may outlive its deadline, so what is held is final only after it.
	var wait int64
	for _, m := range metas {
		if m.Pending && m.Deadline > f.Now {
			wait = max(wait, m.Deadline)
		}
	}
	if wait != 0 {
		return Plan{Wait: wait}, nil
	}

	plan := Plan{Position: map[TopicPartition]int64{}}
	for _, tp := range f.Partitions {
		if start, ok := f.Start[tp]; ok {
			plan.Position[tp] = start
		}
	}
	state := f.State()
	held := make([]Held, 0, len(f.Held)) // of this epoch
	for _, h := range f.Held {
		if h.Mark.Epoch > f.Epoch {
			return Plan{}, fmt.Errorf("lane %s: table %s holds epoch %d, this process is in epoch %d: %w", f.Lane, h.Table, h.Mark.Epoch, f.Epoch, ErrNewerEpoch)
		}
		if h.Mark.Epoch < f.Epoch {
			continue
		}
		held = append(held, h)
	}
	plan.Batch = state.Batch
	for _, r := range state.Ranges {
		plan.Position[r.TopicPartition] = r.To
	}
	next := plan.Batch + 1
	for _, h := range held {
		if h.Mark.Batch == state.Batch && !slices.Equal(h.Mark.Ranges, state.Ranges) {
			return Plan{}, forgotten(f.Lane, h)
		}
	}

	for _, h := range held {
		if h.Mark.Batch > next {
			return stop(AdoptAll, "table %s holds batch %d of it, but its state ends with batch %d", h.Table, h.Mark.Batch, plan.Batch)
		}
	}
	pending := &Pending{Batch: next}
	var intended Ranges
	wanted := 0
	for _, tp := range f.Partitions {
		c, m := f.Committed[tp], metas[tp]
		if m.Epoch != 0 && (m.Epoch < f.Epoch || m.Begins()) {
			continue // the epoch's beginning says no more than Start
		}
		if m.Batch > next || (m.Batch == next && !m.Pending) {
			return stop(AdoptAll, "Kafka says that batch %d of %s was begun or done, but ClickHouse ends with batch %d", m.Batch, tp, plan.Batch)
		}
		position, known := plan.Position[tp]
		switch {
		case !known && c.Offset >= 0:
			plan.Position[tp] = c.Offset // never read by us: start where somebody put the group
		case known && c.Offset > position:
			return stop(fmt.Sprintf("stop all members with SIGTERM and run tillstream adopt --all-lanes --reason TEXT, which goes back to where ClickHouse ends, or "+
				"tillstream adopt --topic %s --partition %d --offset committed --reason TEXT, which goes without what lies between", tp.Topic, tp.Partition),
				"%s was committed at offset %d, but ClickHouse holds it only up to %d", tp, c.Offset, position)
		}
		if m.Pending && m.Batch == next {
			intended = append(intended, Range{tp, c.Offset, m.To})
			wanted, pending.Fingerprint = m.Partitions, m.Fingerprint
		}
		plan.Behind = plan.Behind || known && (c.Offset < position || m.Pending)
	}

	claimed := false
	for _, h := range held {
		if h.Mark.Batch != next {
			continue
		}
		if pending.Ranges == nil {
			pending.Ranges, pending.Fingerprint = h.Mark.Ranges, h.Mark.Fingerprint
		}
		if !slices.Equal(pending.Ranges, h.Mark.Ranges) {
			return stop(AdoptAll, "its tables hold two different batches under number %d: a late insert of a forgotten batch took it (%s: %s)", next, h.Block(), h.Mark)
		}
		if h.Table == ClaimTable {
			claimed, pending.Unknown = true, h.Mark.Unknown
			continue
		}
		pending.held = append(pending.held, h)
	}
	if len(intended) == wanted && wanted > 0 { // the lane may have got more partitions since
		intended.Sort()
		for _, r := range intended {
			if p, ok := plan.Position[r.TopicPartition]; ok && p != r.From {
				return stop(AdoptAll, "the intent of batch %d begins at offset %d of %s, but ClickHouse holds it up to %d", next, r.From, r.TopicPartition, p)
			}
		}
		switch {
		case pending.Ranges == nil:
			pending.Ranges = intended
		case slices.Equal(pending.Ranges, intended):
		case !claimed: // else it is the intent of an owner that found the number taken, and wrote nothing
			return stop(AdoptAll, "the intent of batch %d and what its tables hold of it have different ranges", next)
		}
	}
	// No claim, and intents on some partitions only or none: nothing was written and the batch is forgotten. Whoever may still mean to write it
	// finds its number taken by our claim, or its claim is the first, and then we shall find that.
	if pending.Ranges != nil {
		for _, r := range pending.Ranges {
			if p, ok := plan.Position[r.TopicPartition]; ok && p != r.From {
				return stop(AdoptAll, "batch %d begins at offset %d of %s, but the state ends at %d", next, r.From, r.TopicPartition, p)
			}
		}
		plan.Pending = pending
	}
	return plan, nil
}

func newer(a, b Mark) bool {
	return a.Epoch > b.Epoch || a.Epoch == b.Epoch && a.Batch > b.Batch
}

// Skip says whether a block of a pending batch is there already, so that it must not be written. Where other code (another
// fingerprint) wrote to the table, its blocks need not be the same as ours: a table that holds all of them is left alone, one
// that holds none is written by us, and one that holds a part cannot be finished.
func (p *Pending) Skip(lane, fingerprint, table, block string) (bool, error) {
	var other Mark
	have := 0
	for _, h := range p.held {
		switch {
		case h.Table != table:
		case h.Mark.Fingerprint != fingerprint:
			other = h.Mark
			have++
		case h.Block() == block:
			return true, nil
		}
	}
	if have == 0 || have >= other.Blocks {
		return have > 0, nil
	}
	return false, &Contradiction{
		Lane:   lane,
		What:   fmt.Sprintf("table %s holds %d of the %d blocks that another version wrote of batch %d", table, have, other.Blocks, p.Batch),
		Remedy: fmt.Sprintf("start the version or configuration with fingerprint %s once (an older one with clickhouse.migrate: false), stop it with SIGTERM, then start this one again; if it is gone, %s", other.Fingerprint, AdoptAll),
	}
}

// Verify compares what the tables hold with the marks a batch should have left there, block by block, before its state is
// written.
func Verify(lane string, epoch, batch uint64, ranges Ranges, blocks []string, held []Held) error {
	at := make(map[string]Mark, len(held))
	for _, h := range held {
		if h.Mark.Epoch < epoch || h.Table == ClaimTable { // which was read before, and nobody can change
			continue
		}
		at[h.Block()] = h.Mark
		if h.Mark.Epoch > epoch || h.Mark.Batch > batch {
			return &Contradiction{lane, fmt.Sprintf("table %s holds batch %d while batch %d is being written: another process writes this lane", h.Table, h.Mark.Batch, batch), "stop the other process, then restart this one"}
		}
		if h.Mark.Batch == batch && !slices.Equal(h.Mark.Ranges, ranges) { // also where this batch has no block
			return forgotten(lane, h)
		}
	}
	var missing Missing
	for _, b := range blocks {
		if m, ok := at[b]; !ok || m.Batch != batch {
			missing = append(missing, b)
		}
	}
	if missing != nil {
		return fmt.Errorf("verifying batch %d: %w", batch, missing)
	}
	return nil
}

// Missing are the names of blocks that their tables do not hold, although INSERTs of them were acknowledged.
type Missing []string

func (m Missing) Error() string {
	return "tables do not hold what they acknowledged: " + strings.Join(m, ", ")
}

func forgotten(lane string, h Held) *Contradiction {
	return &Contradiction{lane, fmt.Sprintf("a late insert of a forgotten batch took number %d in %s", h.Mark.Batch, h.Block()), AdoptAll}
}
