package commit

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The model: one lane, two partitions, two tables and the state; owners that crash at every step, inserts that land after their
// owner died (within the deadline, or late), commits that fail on some partitions, metadata erased by another tool. Recovery is
// the real code. Each record must be counted once in each table; a lane may stop with a contradiction instead, but only if
// somebody meddled.

const records = 12

type model struct {
	t       *rapid.T
	mutant  string
	now     int64
	offsets map[TopicPartition]Committed
	tokens  map[string]bool
	counts  map[string]map[TopicPartition][]int
	held    map[string]Held
	late    []lateInsert
	meddled bool // another tool erased metadata, or an insert outlived its deadline
}

type lateInsert struct {
	at    int64
	table string
	mark  Mark
}

var (
	errCrash = errors.New("crash")
	tables   = []string{"sales", "products"}
	tps      = []TopicPartition{tpA, tpB}
)

func (m *model) chance(name string, percent int) bool {
	return rapid.IntRange(0, 99).Draw(m.t, name) < percent
}

func (m *model) insert(table string, mark Mark) {
	token := Token("c", "g/0", mark.Epoch, mark.Batch, table)
	if m.mutant != "no token" {
		if m.tokens[token] {
			return
		}
		m.tokens[token] = true
	}
	if table != StateTable {
		for _, r := range mark.Ranges {
			for o := r.From; o < r.To; o++ {
				m.counts[table][r.TopicPartition][o]++
			}
		}
	}
	if old, ok := m.held[table]; !ok || newer(mark, old.Mark) {
		m.held[table] = Held{table, 0, mark}
	}
}

// step lets time pass and late inserts land, and may crash.
func (m *model) step(percent int) error {
	m.now++
	m.late = slices.DeleteFunc(m.late, func(l lateInsert) bool {
		if l.at <= m.now {
			m.insert(l.table, l.mark)
			return true
		}
		return false
	})
	if m.chance("crash", percent) {
		return errCrash
	}
	return nil
}

func (m *model) write(table string, mark Mark) error {
	if err := m.step(6); err != nil {
		return err
	}
	switch x := rapid.IntRange(0, 99).Draw(m.t, "insert"); {
	case x < 8: // in flight while its owner dies
		after := rapid.Int64Range(1, 7).Draw(m.t, "delay")
		if m.chance("too late", 30) {
			after += 30
			m.meddled = true
		}
		m.late = append(m.late, lateInsert{m.now + after, table, mark})
		return errCrash
	case x < 14: // landed, owner dies before it knows
		m.insert(table, mark)
		return errCrash
	}
	m.insert(table, mark)
	return m.step(6)
}

func (m *model) commit(entries map[TopicPartition]Committed) bool {
	all := true
	for _, tp := range tps {
		if m.chance("partition refuses", 4) {
			all = false
			continue
		}
		m.offsets[tp] = entries[tp]
	}
	if m.chance("another tool erases metadata", 5) {
		tp := tps[rapid.IntRange(0, 1).Draw(m.t, "where")]
		m.offsets[tp] = Committed{m.offsets[tp].Offset, ""}
		m.meddled = true
	}
	return all
}

func (m *model) asked() []Held {
	var held []Held
	for _, t := range append(tables, StateTable) {
		if h, ok := m.held[t]; ok {
			held = append(held, h)
		}
	}
	return held
}

func (m *model) finish(batch uint64, ranges Ranges, pending *Pending) error {
	mark := Mark{Epoch: 1, Batch: batch, Fingerprint: "f", Blocks: 1, Ranges: ranges}
	var blocks []string
	if m.mutant == "state before rollups" {
		if err := m.write(StateTable, mark); err != nil {
			return err
		}
	}
	for _, t := range tables {
		h := Held{Table: t}
		if pending != nil && m.mutant != "no ledger check" {
			skip, err := pending.Skip("g/0", "f", t, h.Block())
			if err != nil {
				return err
			}
			if skip {
				blocks = append(blocks, h.Block())
				continue
			}
		}
		blocks = append(blocks, h.Block())
		if err := m.write(t, mark); err != nil {
			return err
		}
	}
	if m.mutant != "no verification" {
		if err := Verify("g/0", batch, ranges, blocks, m.asked()); err != nil {
			return err
		}
	}
	return m.write(StateTable, mark)
}

// owner is one life of a lane: recovery, then batches until the log is read.
func (m *model) owner() error {
	var plan Plan
	for {
		var err error
		plan, err = Recover(Found{Lane: "g/0", Epoch: 1, Partitions: tps, Committed: m.offsets, Held: m.asked(), Now: m.now})
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
		if err := m.finish(p.Batch, p.Ranges, p); err != nil {
			return err
		}
		batch = p.Batch
		for _, r := range p.Ranges {
			at[r.TopicPartition] = r.To
		}
	}
	for at[tpA] < records || at[tpB] < records {
		batch++
		var ranges Ranges
		for _, tp := range tps {
			ranges = append(ranges, Range{tp, at[tp], min(records, at[tp]+rapid.Int64Range(0, 4).Draw(m.t, "records"))})
		}
		entries, idle := map[TopicPartition]Committed{}, map[TopicPartition]Committed{}
		for _, r := range ranges {
			entries[r.TopicPartition] = Committed{r.From, Metadata{Epoch: 1, Batch: batch, Pending: true, To: r.To, Deadline: m.now + 8, Fingerprint: "f"}.String()}
			idle[r.TopicPartition] = Committed{r.To, Metadata{Epoch: 1, Batch: batch}.String()}
		}
		if m.mutant == "commit before insert" {
			entries = idle
		}
		for !m.commit(entries) && m.mutant != "intent on some partitions" {
			if err := m.step(6); err != nil {
				return err
			}
		}
		if err := m.finish(batch, ranges, nil); err != nil {
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
	}
	return nil
}

// run plays one history and says what is wrong with it, "" if nothing.
func (m *model) run() string {
	for range 300 {
		err := m.owner()
		var stop *Contradiction
		if errors.As(err, &stop) {
			if !m.meddled {
				return "stopped without a cause: " + stop.Error()
			}
			return ""
		}
		if err == nil {
			break
		}
	}
	for _, l := range m.late {
		m.insert(l.table, l.mark)
	}
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

func newModel(t *rapid.T, mutant string) *model {
	m := &model{t: t, mutant: mutant, offsets: map[TopicPartition]Committed{}, tokens: map[string]bool{}, held: map[string]Held{}, counts: map[string]map[TopicPartition][]int{}}
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
	for _, mutant := range []string{"commit before insert", "no token", "no ledger check", "another b on replay", "state before rollups", "no waiting"} {
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
