package incident

import (
	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/rollup"
)

// Fold keeps the steps of the incidents and the maintenance of a lane's stores. It is not safe for concurrent use.
type Fold struct{}

// New makes a fold that knows of nothing.
func New() *Fold { return &Fold{} }

// Fold adds a step to the open batch.
func (f *Fold) Fold(*event.Event, rollup.Input) {}

// Load restores a row of state that Seal gave out.
func (f *Fold) Load(rollup.StateRow) error { return nil }

// Seal closes the open batch: the rows of what it touched, and its state.
func (f *Fold) Seal(rollup.Version) rollup.Sealed { return rollup.Sealed{} }

// Excluded is the time of approved maintenance of a terminal of a store, within x. It knows of all that was folded, in the open batch too.
func (f *Fold) Excluded(store, terminal string, x interval.Span) interval.Set { return nil }

// Changed are, by store, the instants whose exclusion the batch that was sealed last changed for any of its terminals: what was reckoned
// with Excluded there must be reckoned again.
func (f *Fold) Changed() map[string]interval.Set { return nil }
