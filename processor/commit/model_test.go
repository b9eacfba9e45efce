package commit

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The model: one or two lanes of two partitions, two tables, claims and the state; owners that crash at every step, that sleep after their
// intent and go on long after their deadline, inserts that land after their owner died (within the deadline, or late), commits that fail on some
// partitions, metadata erased by another tool, and new epochs with another number of lanes, which may be cut short too. Recovery is the real code.
// Each record must be counted once in each table, and no lane may stop.

const records = 12

type model struct {
	t       *rapid.T
	mutant  string
	now     int64
	epoch   uint64
	start   map[TopicPartition]int64
	lanes   [][]TopicPartition
	offsets map[TopicPartition]Committed
	tokens  map[string]bool
	counts  map[string]map[TopicPartition][]int
	held    map[string]Held // by lane and table, claims by epoch too
	late    []later
}

// later is what goes on without its owner: an insert under way, or the rest of a batch that its owner slept over. A step says whether another follows.
type later struct {
	at    int64
	steps []func() bool
}

var (
	errCrash = errors.New("crash")
	errLeft  = errors.New("stopped by its operator")
	tables   = []string{"sales", "products"}
	tps      = []TopicPartition{tpA, tpB}
)

func (m *model) chance(name string, percent int) bool {
	return rapid.IntRange(0, 99).Draw(m.t, name) < percent
}

func (m *model) insert(lane, table string, mark Mark) {
	token := Token("c", lane, mark.Epoch, mark.Batch, table)
	if m.mutant != "no token" {
		if m.tokens[token] {
			return
		}
		m.tokens[token] = true
	}
	if slices.Contains(tables, table) {
		for _, r := range mark.Ranges {
			for o := r.From; o < r.To; o++ {
				m.counts[table][r.TopicPartition][o]++
			}
		}
	}
	key := lane + table
	if table == ClaimTable {
		key += fmt.Sprint(mark.Epoch)
	}
	if old, ok := m.held[key]; !ok || newer(mark, old.Mark) {
		m.held[key] = Held{table, 0, mark}
	}
}

// step lets time pass and late inserts land, and may crash.
func (m *model) step(percent int) error {
	m.now++
	m.land(m.now)
	if m.chance("crash", percent) {
		return errCrash
	}
	return nil
}

// land does what is due.
func (m *model) land(now int64) {
	for i := range m.late {
		for l := &m.late[i]; len(l.steps) > 0 && l.at <= now; {
			if !l.steps[0]() {
				l.steps = nil
				break
			}
			l.steps = l.steps[1:]
			l.at += m.delay()
		}
	}
	m.late = slices.DeleteFunc(m.late, func(l later) bool { return len(l.steps) == 0 })
}

// delay is mostly below a deadline.
func (m *model) delay() int64 {
	after := rapid.Int64Range(1, 7).Draw(m.t, "delay")
	if m.chance("too late", 30) {
		after += 30
	}
	return after
}

func (m *model) write(lane, table string, mark Mark) error {
	if err := m.step(6); err != nil {
		return err
	}
	switch x := rapid.IntRange(0, 99).Draw(m.t, "insert"); {
	case x < 8: // in flight while its owner dies
		m.late = append(m.late, later{m.now + m.delay(), []func() bool{func() bool { m.insert(lane, table, mark); return false }}})
		return errCrash
	case x < 14: // landed, owner dies before it knows
		m.insert(lane, table, mark)
		return errCrash
	}
	m.insert(lane, table, mark)
	return m.step(6)
}

func (m *model) commit(entries map[TopicPartition]Committed) bool {
	all := true
	for _, tp := range tps {
		entry, ok := entries[tp]
		if !ok {
			continue
		}
		if m.chance("partition refuses", 4) {
			all = false
			continue
		}
		m.offsets[tp] = entry
	}
	if m.chance("another tool erases metadata", 5) {
		tp := tps[rapid.IntRange(0, 1).Draw(m.t, "where")]
		m.offsets[tp] = Committed{m.offsets[tp].Offset, ""}
	}
	return all
}

func (m *model) asked(lane string) []Held {
	var held []Held
	for _, key := range slices.Sorted(maps.Keys(m.held)) {
		if strings.HasPrefix(key, lane) {
			held = append(held, m.held[key])
		}
	}
	return held
}

// sleep lets a process go on later with what it was about to do: write a batch that it has an intent for, of which it knows nothing else.
func (m *model) sleep(lane string, mark Mark) error {
	steps := []func() bool{func() bool { return m.claimed(lane, mark, false) }}
	if m.mutant == "the claim is not read back" || m.mutant == "no claim" {
		steps = nil
	}
	if m.mutant != "no claim" {
		steps = append([]func() bool{func() bool { m.insert(lane, ClaimTable, mark); return true }}, steps...)
	}
	for _, t := range append(slices.Clone(tables), StateTable) {
		steps = append(steps, func() bool { m.insert(lane, t, mark); return true })
	}
	m.late = append(m.late, later{m.now + m.delay(), steps})
	return errCrash
}

func (m *model) claimed(lane string, mark Mark, finishing bool) bool {
	return Claimed(mark, finishing, m.asked(lane)) == nil
}

// claim is what an owner does before the first insert.
func (m *model) claim(lane string, mark Mark, finishing bool) error {
	if m.mutant == "no claim" {
		return nil
	}
	if err := m.write(lane, ClaimTable, mark); err != nil {
		return err
	}
	if m.mutant == "the claim is not read back" || m.claimed(lane, mark, finishing) {
		return m.step(6)
	}
	return errCrash // begins again with recovery
}

// found is what the owner of a lane can ask for.
func (m *model) found(i int) Found {
	lane := fmt.Sprintf("g/%d", i)
	return Found{Lane: lane, Epoch: m.epoch, Start: m.start, Partitions: m.lanes[i], Committed: m.offsets, Held: m.asked(lane), Now: m.now}
}

func (m *model) finish(lane string, batch uint64, ranges Ranges, pending *Pending) error {
	mark := Mark{Epoch: m.epoch, Batch: batch, Fingerprint: "f", Blocks: 1, Ranges: ranges}
	if pending == nil && m.chance("sleeps", 8) {
		return m.sleep(lane, mark)
	}
	if err := m.claim(lane, mark, pending != nil); err != nil {
		return err
	}
	var blocks []string
	if m.mutant == "state before rollups" {
		if err := m.write(lane, StateTable, mark); err != nil {
			return err
		}
	}
	for _, t := range tables {
		h := Held{Table: t}
		if pending != nil && m.mutant != "no ledger check" {
			skip, err := pending.Skip(lane, "f", t, h.Block())
			if err != nil {
				return err
			}
			if skip {
				blocks = append(blocks, h.Block())
				continue
			}
		}
		blocks = append(blocks, h.Block())
		if err := m.write(lane, t, mark); err != nil {
			return err
		}
	}
	if m.mutant != "no verification" {
		if err := Verify(lane, m.epoch, batch, ranges, blocks, m.asked(lane)); err != nil {
			return err
		}
	}
	return m.write(lane, StateTable, mark)
}

// owner is one life of a lane: recovery, then batches until the log is read.
func (m *model) owner(i int) error {
	lane, tps := fmt.Sprintf("g/%d", i), m.lanes[i]
	var plan Plan
	for {
		var err error
		plan, err = Recover(m.found(i))
		if err != nil {
			return err
		}
		if plan.Wait == 0 || m.mutant == "no waiting" {
			break
		}
		if err := m.step(0); err != nil {
			return err
		}
	}
	at := map[TopicPartition]int64{}
	for _, tp := range tps {
		at[tp] = plan.Position[tp]
	}
	batch := plan.Batch
	if p := plan.Pending; p != nil && m.mutant != "another b on replay" {
		if err := m.finish(lane, p.Batch, p.Ranges, p); err != nil {
			return err
		}
		batch = p.Batch
		for _, r := range p.Ranges {
			at[r.TopicPartition] = r.To
		}
	}
	for slices.ContainsFunc(tps, func(tp TopicPartition) bool { return at[tp] < records }) {
		batch++
		var ranges Ranges
		for _, tp := range tps {
			ranges = append(ranges, Range{tp, at[tp], min(records, at[tp]+rapid.Int64Range(0, 4).Draw(m.t, "records"))})
		}
		entries, idle := map[TopicPartition]Committed{}, map[TopicPartition]Committed{}
		for _, r := range ranges {
			entries[r.TopicPartition] = Committed{r.From, Metadata{Epoch: m.epoch, Batch: batch, Pending: true, Partitions: len(ranges), To: r.To, Deadline: m.now + 8, Fingerprint: "f"}.String()}
			idle[r.TopicPartition] = Committed{r.To, Metadata{Epoch: m.epoch, Batch: batch}.String()}
		}
		if m.mutant == "commit before insert" {
			entries = idle
		}
		for !m.commit(entries) && m.mutant != "intent on some partitions" {
			if err := m.step(6); err != nil {
				return err
			}
		}
		if err := m.finish(lane, batch, ranges, nil); err != nil {
			return err
		}
		for _, r := range ranges {
			at[r.TopicPartition] = r.To
		}
		if m.chance("end committed", 70) {
			m.commit(idle)
		}
		if err := m.step(6); err != nil {
			return err
		}
		if m.chance("left", 10) {
			return errLeft
		}
	}
	return nil
}

// change begins a new epoch with another number of lanes while nobody owns one, as processor does: positions from ClickHouse, then the
// fence in Kafka, then the row. It does nothing where a lane is not at rest.
func (m *model) change() error {
	var start map[TopicPartition]int64
	for {
		lanes := make([]Found, len(m.lanes))
		for i := range lanes {
			lanes[i] = m.found(i)
		}
		var wait int64
		var err error
		start, wait, err = NextStart(lanes)
		var underway *Underway
		switch {
		case errors.As(err, &underway) && m.mutant == "epoch over a batch under way":
			start = map[TopicPartition]int64{}
			for _, f := range lanes {
				plan, _ := Recover(f)
				maps.Copy(start, plan.Position)
			}
		case errors.As(err, &underway):
			return nil
		case err != nil:
			return err
		}
		if wait == 0 {
			break
		}
		if err := m.step(0); err != nil {
			return err
		}
	}
	if m.mutant != "lanes of an old epoch are not closed" && m.mutant != "no claim" {
		for i := range m.lanes {
			f := m.found(i)
			plan, err := Rest(f)
			switch {
			case err != nil && m.mutant == "epoch over a batch under way":
				continue
			case err != nil:
				return nil // somebody went on
			}
			mark, ok := plan.Closing(m.epoch)
			if !ok {
				continue
			}
			m.insert(f.Lane, ClaimTable, mark)
			if err := m.step(6); err != nil {
				return err
			}
			if !m.claimed(f.Lane, mark, true) {
				return nil
			}
		}
	}
	epoch := m.epoch
	for _, tp := range tps {
		c := m.offsets[tp]
		if old, ok := ParseMetadata(c.Metadata); ok {
			epoch = max(epoch, old.Epoch)
		}
		if m.mutant == "epoch starts where Kafka says" {
			start[tp] = max(c.Offset, 0)
		}
	}
	epoch++
	for _, tp := range tps {
		m.offsets[tp] = Committed{start[tp], Metadata{Epoch: epoch}.String()}
	}
	if err := m.step(20); err != nil {
		return err
	}
	if m.mutant == "epoch starts anywhere" {
		start = nil
	}
	m.epoch, m.start = epoch, start
	if len(m.lanes) == 1 {
		m.lanes = [][]TopicPartition{{tpA}, {tpB}}
	} else {
		m.lanes = [][]TopicPartition{tps}
	}
	return nil
}

// cut says that an epoch was fenced in Kafka and not written.
func (m *model) cut() bool {
	for _, c := range m.offsets {
		if old, ok := ParseMetadata(c.Metadata); ok && old.Epoch > m.epoch {
			return true
		}
	}
	return false
}

// run plays one history and says what is wrong with it, "" if nothing.
func (m *model) run() string {
	done := map[int]bool{}
	for round := range 1000 {
		var err error
		if m.cut() || round < 50 && m.chance("epoch", 8) {
			if err = m.change(); err == nil {
				clear(done)
			}
		} else {
			i := rapid.IntRange(0, len(m.lanes)-1).Draw(m.t, "lane")
			if done[i] {
				i = 1 - i
			}
			err = m.owner(i)
			done[i] = err == nil
		}
		var stop *Contradiction
		if errors.As(err, &stop) {
			return "stopped without a cause: " + stop.Error()
		}
		if m.done(done) {
			break
		}
	}
	if !m.done(done) {
		why := ""
		for i := range m.lanes {
			plan, err := Recover(m.found(i))
			why += fmt.Sprintf("\n%+v %v %v\n%v", plan, plan.Pending, err, m.found(i))
		}
		return "1,000 owners and not at the end of the log" + why
	}
	m.land(math.MaxInt64 - 1000)
	for _, t := range tables {
		for _, tp := range tps {
			for o, n := range m.counts[t][tp] {
				if n != 1 {
					return fmt.Sprintf("offset %d of %s counted %d times in %s", o, tp, n, t)
				}
			}
		}
	}
	return ""
}

func (m *model) done(lanes map[int]bool) bool {
	for i := range m.lanes {
		if !lanes[i] {
			return false
		}
	}
	return true
}

func newModel(t *rapid.T, mutant string) *model {
	m := &model{t: t, mutant: mutant, epoch: 1, lanes: [][]TopicPartition{tps}, offsets: map[TopicPartition]Committed{}, tokens: map[string]bool{}, held: map[string]Held{}, counts: map[string]map[TopicPartition][]int{}}
	for _, tp := range tps {
		m.offsets[tp] = Committed{Offset: -1}
	}
	for _, table := range tables {
		m.counts[table] = map[TopicPartition][]int{tpA: make([]int, records), tpB: make([]int, records)}
	}
	return m
}

func TestModelCountsEachRecordOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if wrong := newModel(t, "").run(); wrong != "" {
			t.Fatal(wrong)
		}
	})
}

// A model that finds nothing proves nothing: each broken rule must be caught.
func TestModelCatchesMutants(t *testing.T) {
	for _, mutant := range []string{
		"commit before insert", "no token", "no ledger check", "another b on replay", "state before rollups", "no waiting",
		"epoch over a batch under way", "epoch starts where Kafka says", "epoch starts anywhere", "no claim", "the claim is not read back",
		"lanes of an old epoch are not closed",
	} {
		t.Run(mutant, func(t *testing.T) {
			for seed := range 3000 {
				if wrong := rapid.Custom(func(t *rapid.T) string { return newModel(t, mutant).run() }).Example(seed); wrong != "" {
					t.Logf("seed %d: %s", seed, wrong)
					return
				}
			}
			t.Error("3,000 histories and nothing wrong: the model does not bite")
		})
	}
}
