// Package verdict keeps the statements of agreements up to date: it finds out what changed, has only that measured anew (package evaluation), and
// publishes what is news. Any number of evaluators may be at work: what they write is named by what it is about, of a final statement the first one
// stays, and what was published is read again before it is built upon.
//
// # What is measured when
//
//	a store of which something new is known      in the next round, in the parts of periods that the news reach
//	a store in which a till is not up, or was
//	down within two hours                        every Hot, while it is open: time passes, silence becomes an outage
//	every other store of a part that runs        every Extend: its figure only grows
//	a period that reaches accept or close        in the next round
//	everything                                   in the first round, and when the registry changed
//
// A part that runs keeps what each of its stores came to, so that one store costs one store; of a period that is over all stores of the agreement are measured.
package verdict

import (
	"context"
	"iter"
	"time"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla"
	"github.com/tillstream/tillstream/processor/sla/agreement"
	"github.com/tillstream/tillstream/processor/sla/evaluation"
)

// Texts is what is agreed and registered.
type Texts interface {
	// Revision is that of the registry.
	Revision(ctx context.Context) (uint64, error)
	// Texts are the agreements, and the stores by id.
	Texts(ctx context.Context) (agreement.Book, map[string]*registry.Store, error)
}

// Wanted is what facts are wanted: of some stores, in a span, as of an instant.
type Wanted struct {
	Stores           []string
	Span             interval.Span
	At               int64
	evaluation.Wants // Limits are rising
}

// Facts is what was measured.
type Facts interface {
	// News says of every store what the newest is that is known of it, as of an instant.
	News(ctx context.Context, at int64) (map[string]Mark, error)
	// Since says of some stores when the earliest of the runs began that ended, or ended otherwise, after a version of each.
	Since(ctx context.Context, ended map[string]uint64) (map[string]int64, error)
	// Facts gives stores with all but Registered, in any order. A store of which nothing is known may be left out.
	Facts(ctx context.Context, w Wanted) iter.Seq2[*evaluation.Store, error]
}

// Mark is what tells whether something new is known of a store.
type Mark struct {
	Ended    uint64 // the newest version of the runs of its tills that ended
	Now      uint64 // a digest of how its tills are now
	Decided  uint64 // the newest version of its incidents and maintenance
	Lapses   int64  // the first instant at which a till counts as silent if nothing comes; 0: none does
	Hot      bool   // a till is not up
	LastSeen int64
}

// Statements is what was published.
type Statements interface {
	// Published gives the newest revision of every statement of periods that end after an instant, and the burn rates that are not 0 or not known.
	Published(ctx context.Context, after int64) (map[evaluation.Key]*evaluation.Published, []Burn, error)
	// Publish writes statements as of an instant, their evidence first.
	Publish(ctx context.Context, all []evaluation.Statement, at int64) error
	// PublishBurns writes burn rates as of an instant.
	PublishBurns(ctx context.Context, all []Burn, at int64) error
}

// Burn is how fast the budget of an objective and a scope burns in a window.
type Burn struct {
	Burning
	Version int
	Rate    float64
	Cover   float64
	sla.Burn
}

// Burning names a burn rate.
type Burning struct {
	Contract, Objective string
	evaluation.Scope
	Window string
}

// idle says whether nothing burns and all is known.
func (b *Burn) idle() bool { return b.Rate == 0 && b.Cover == 1 }

// Config says how often.
type Config struct {
	Hot    time.Duration // stores in which a till is not up; 30 s if 0
	Extend time.Duration // stores in which nothing happens; 15 min if 0
	Blind  time.Duration // after so long without any evidence from anywhere time stands still; 10 min if 0, never if negative
}

// Report is what a round came to.
type Report struct {
	Contracts, Parts, Stores int // that were measured
	Published, Burns         int // rows
	Failed                   map[string]error
	At                       int64
}
