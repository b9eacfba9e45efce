package simulation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// kind is what a call asks for, and which faults it can meet.
type kind string

const (
	kindFetch  kind = "fetch"  // Kafka's leaders
	kindGroup  kind = "group"  // joining and leaving
	kindCommit kind = "commit" // Kafka's coordinator, changing
	kindAsk    kind = "ask"    // Kafka's coordinator, reading
	kindLetter kind = "letter" // producing dead letters
	kindInsert kind = "insert" // ClickHouse, changing
	kindRead   kind = "read"   // ClickHouse, reading
	kindSchema kind = "schema" // the schema registry
)

var (
	errRefused = errors.New("simulated: refused, nothing was done")
	errLost    = errors.New("simulated: connection lost, outcome unknown")
	errDead    = errors.New("simulated: this process is dead")
)

// call is a request of a member that waits for the scheduler.
type call struct {
	ctx    context.Context
	member *member
	kind   kind
	key    string // with member and kind it orders calls, whatever goroutine came first
	since  time.Time
	ready  func() bool  // nil: at once
	do     func() error // what the server does
	reply  chan error
}

// call asks the scheduler and waits for its answer. do runs at the server, possibly later, possibly although the answer says that it did not.
func (w *World) call(ctx context.Context, m *member, k kind, key string, ready func() bool, do func() error) error {
	w.mu.Lock()
	if m.dead {
		w.mu.Unlock()
		return errDead
	}
	c := &call{ctx: ctx, member: m, kind: k, key: key, since: time.Now(), ready: ready, do: do, reply: make(chan error, 1)}
	w.calls = append(w.calls, c)
	w.mu.Unlock()
	return <-c.reply
}

// waiting are the calls in an order that depends on nothing but their content.
func (w *World) waiting() []*call {
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.SortFunc(w.calls, func(a, b *call) int {
		return cmp.Or(cmp.Compare(a.member.id, b.member.id), cmp.Compare(a.kind, b.kind), cmp.Compare(a.key, b.key), a.since.Compare(b.since))
	})
	return slices.Clone(w.calls)
}

func (w *World) answer(c *call, how string, err error) {
	w.mu.Lock()
	w.calls = slices.DeleteFunc(w.calls, func(x *call) bool { return x == c })
	w.mu.Unlock()
	w.trace("%s %s %s: %s", c.member, c.kind, c.key, how)
	c.reply <- err
}

// later is something under way that a server will do whatever becomes of who asked for it.
type later struct {
	at   time.Time
	what string
	do   func() error
}

func (w *World) doLater(c *call, at time.Time) {
	w.under = append(w.under, later{at, fmt.Sprintf("%s %s %s", c.member, c.kind, c.key), c.do})
}

// land does what is due of what is under way.
func (w *World) land() {
	now := time.Now()
	due := slices.Collect(func(yield func(later) bool) {
		for _, l := range w.under {
			if !l.at.After(now) && !yield(l) {
				return
			}
		}
	})
	w.under = slices.DeleteFunc(w.under, func(l later) bool { return !l.at.After(now) })
	slices.SortStableFunc(due, func(a, b later) int { return a.at.Compare(b.at) })
	for _, l := range due {
		err := l.do()
		w.trace("late: %s: %v", l.what, err)
	}
}
