package incident

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/rollup"
)

// Kinds of state rows. Keys are store \0 id.
const (
	KindIncident    = "incident"
	KindMaintenance = "maintenance"
)

// Fold keeps the steps of the incidents and the maintenance of a lane's stores. It is not safe for concurrent use. What Seal gives out is
// not touched again.
type Fold struct {
	records map[entity]*record
	works   map[string]*works // maintenance by store
	touched []*record
	changed map[string]interval.Set
}

// entity is an incident or maintenance.
type entity struct{ kind, store, id string }

func (e entity) compare(o entity) int {
	return cmp.Or(strings.Compare(e.kind, o.kind), strings.Compare(e.store, o.store), strings.Compare(e.id, o.id))
}

// record is what is kept of one: its steps, as its state has them. Most are looked at no more, so they stay packed.
type record struct {
	entity
	partition int32
	known     bool // there is state of it
	packed    []byte
	fresh     []step // of the open batch
	plan      plan   // of maintenance
	works     *works // its store's, of maintenance
	stale     bool   // plan is that of a smaller set
}

// works are the maintenance of a store.
type works struct {
	all   []*record
	plans []*record // of all, those that take something out: by the end of that, as long as none is stale
	stale bool
}

// settle brings the plans up to date.
func (w *works) settle() {
	if !w.stale {
		return
	}
	w.stale, w.plans = false, w.plans[:0]
	for _, r := range w.all {
		if r.stale {
			r.plan, r.stale = planOf(merge(r.steps(), r.fresh)), false
		}
		if len(r.plan.excluded) > 0 {
			w.plans = append(w.plans, r)
		}
	}
	slices.SortFunc(w.plans, func(a, b *record) int { return cmp.Compare(a.plan.end(), b.plan.end()) })
}

// expect says that a record's steps are others.
func (r *record) expect() {
	if r.works != nil {
		r.stale, r.works.stale = true, true
	}
}

// plan is what maintenance takes out.
type plan struct {
	scope
	excluded interval.Set
}

// end is that of the last time that is taken out. There is one.
func (p *plan) end() int64 { return p.excluded[len(p.excluded)-1].To }

// New makes a fold that knows of nothing.
func New() *Fold { return &Fold{records: map[entity]*record{}, works: map[string]*works{}} }

// Fold adds a step to the open batch.
func (f *Fold) Fold(e *event.Event, in rollup.Input) {
	said, ok := e.Body.(*step)
	if !ok || e.Test {
		return
	}
	s := *said
	s.At, s.Source, s.ID = e.Time.Milli, strings.Clone(e.Source), strings.Clone(e.ID)
	if e.Sequence.OK {
		s.Seq = e.Sequence.Value
	}
	s.seal()
	kind := KindIncident
	if s.maintenance {
		kind = KindMaintenance
	}
	r := f.record(entity{kind, e.StoreID, s.record})
	if !r.known && r.fresh == nil {
		r.partition = in.Partition
	} else if !r.known {
		r.partition = min(r.partition, in.Partition) // whatever the order
	}
	if r.fresh == nil {
		f.touched = append(f.touched, r)
	}
	r.fresh = append(r.fresh, s)
	r.expect()
}

func (f *Fold) record(e entity) *record {
	r := f.records[e]
	if r == nil {
		e = entity{e.kind, strings.Clone(e.store), strings.Clone(e.id)}
		r = &record{entity: e}
		f.records[e] = r
		if e.kind == KindMaintenance {
			w := f.works[e.store]
			if w == nil {
				w = &works{}
				f.works[e.store] = w
			}
			r.works, w.all = w, append(w.all, r)
		}
	}
	return r
}

// Load restores a row of state that Seal gave out, in any order. Of a record that has state in two partitions the steps are united. A row
// that cannot be read is an error that names it; rows of another kind are left alone.
func (f *Fold) Load(row rollup.StateRow) error {
	if row.Deleted || row.Kind != KindIncident && row.Kind != KindMaintenance {
		return nil
	}
	store, id, ok := strings.Cut(row.Key, "\x00")
	if _, err := unpack(row.Value); !ok || err != nil {
		return fmt.Errorf("loading %s %q of partition %d: %w", row.Kind, row.Key, row.Partition, errState)
	}
	r := f.record(entity{row.Kind, store, id})
	if r.known {
		r.partition, r.packed = min(r.partition, row.Partition), pack(merge(r.steps(), sealed(row.Value)))
	} else {
		r.partition, r.packed = row.Partition, bytes.Clone(row.Value)
	}
	r.known = true
	r.expect()
	return nil
}

// steps are those of the sealed batches.
func (r *record) steps() []step {
	if r.packed == nil {
		return nil
	}
	return sealed(r.packed) // Load has looked at it, or it was packed here
}

// Excluded is the time of approved maintenance within x, of a terminal of a store, or with "" of the store as a whole. It knows of all that
// was folded, in the open batch too.
func (f *Fold) Excluded(store, terminal string, x interval.Span) interval.Set {
	var out interval.Set
	w := f.works[store]
	if w == nil {
		return nil
	}
	w.settle()
	for _, r := range slices.Backward(w.plans) { // of what was long ago there is much
		if r.plan.end() <= x.From {
			break
		}
		if r.plan.covers(terminal) {
			out = out.Union(r.plan.excluded.Within(x))
		}
	}
	return out
}

func planOf(all []step) plan {
	if len(all) == 0 {
		return plan{}
	}
	m := review(shown(all))
	return plan{m.scope, m.excluded}
}

// Changed are, by store, the instants whose exclusion the batch that was sealed last changed for any terminal: what was reckoned with
// Excluded there must be reckoned again.
func (f *Fold) Changed() map[string]interval.Set { return f.changed }

// note remembers what maintenance takes out otherwise than before.
func (f *Fold) note(store string, was, is plan) {
	differ := was.excluded.Union(is.excluded)
	if slices.Equal(was.Terminals, is.Terminals) {
		differ = differ.Subtract(was.excluded.Intersect(is.excluded))
	}
	if len(differ) > 0 {
		f.changed[store] = f.changed[store].Union(differ)
	}
}

// Seal closes the open batch: the rows of what it changed, and its state.
func (f *Fold) Seal(v rollup.Version) rollup.Sealed {
	slices.SortFunc(f.touched, func(a, b *record) int { return a.compare(b.entity) })
	f.changed = map[string]interval.Set{}
	var rows rows
	var out rollup.Sealed
	for _, r := range f.touched {
		was := r.steps()
		is := merge(was, r.fresh)
		r.fresh = nil
		if slices.Equal(contents(was), contents(is)) {
			continue // nothing but repetition
		}
		if r.kind == KindIncident {
			rows.incident(r.entity, shown(was), shown(is))
		} else {
			m := review(shown(is))
			before := planOf(was)
			r.plan, r.stale, r.works.stale = plan{m.scope, m.excluded}, false, true
			f.note(r.store, before, r.plan)
			rows.works = append(rows.works, workRow{r.entity, m})
		}
		r.packed, r.known = pack(is), true
		out.State = append(out.State, rollup.StateRow{Partition: r.partition, Kind: r.kind, Key: r.store + "\x00" + r.id, Value: r.packed})
	}
	f.touched = nil
	out.Blocks = rows.blocks(v)
	return out
}

func contents(all []step) []string {
	out := make([]string, len(all))
	for i := range all {
		out[i] = all[i].content
	}
	return out
}
