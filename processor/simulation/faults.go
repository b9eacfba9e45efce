package simulation

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/commit"
	"github.com/tillstream/tillstream/processor/fetch"
)

// odds are how likely each fault is, in a thousand: of a call of its kind, or of a step.
type odds struct {
	insertRefused, insertLost, insertUnder   int
	commitRefused, commitLost, commitUnder   int
	commitSome, readRefused, letterLost      int
	clickhouseAway, coordinatorAway          int
	kill, stop, start, pause, overdue, erase int
	lanes, retention                         int
}

// draw gives each run a mixture of its own: some faults never, some now and then, some all the time ("swarm testing", Groce et al. 2012).
func draw(rnd *rand.Rand) odds {
	some := func(often int) int {
		switch rnd.IntN(4) {
		case 0, 1:
			return 0
		case 2:
			return max(1, often/5)
		}
		return often
	}
	return odds{
		insertRefused: some(60), insertLost: some(60), insertUnder: some(60),
		commitRefused: some(100), commitLost: some(100), commitUnder: some(100), commitSome: some(60),
		readRefused: some(60), letterLost: some(100), clickhouseAway: some(5), coordinatorAway: some(5),
		kill: some(8), stop: some(8), start: some(8), pause: some(10), overdue: some(700), erase: some(30), lanes: some(500), retention: some(6),
	}
}

// fault draws whether a fault happens. Each that does has a number, by which a later run can leave it out.
func (w *World) fault(what string, thousandth int) bool {
	if w.healed || w.faultRnd.IntN(1000) >= thousandth {
		return false
	}
	number := len(w.faults)
	w.faults = append(w.faults, what)
	if w.options.Without[number] {
		return false
	}
	w.trace("fault %d: %s", number, what)
	return true
}

// some draws a duration below limit; mostly a short one.
func (w *World) some(limit time.Duration) time.Duration {
	return time.Duration(w.faultRnd.Float64() * w.faultRnd.Float64() * float64(limit))
}

// outcome lets the server take a call, and says how the caller hears of it.
func (w *World) outcome(c *call) {
	switch {
	case w.away(c.kind):
		w.answer(c, "refused, server away", errRefused)
	case c.kind == kindInsert && w.fault("insert refused", w.odds.insertRefused),
		c.kind == kindCommit && w.fault("commit refused", w.odds.commitRefused),
		(c.kind == kindRead || c.kind == kindAsk) && w.fault("read refused", w.odds.readRefused),
		c.kind == kindLetter && w.fault("letter refused", w.odds.letterLost),
		c.kind == kindSchema && w.fault("no answer of the registry", 60):
		w.answer(c, "refused", errRefused)
	case w.options.Tokens && c.kind == kindInsert && w.fault("insert failed, and its token is remembered", 60):
		w.clickhouse.fails = true
		_ = c.do()
		w.clickhouse.fails = false
		w.answer(c, "failed, token remembered", errRefused)
	case c.kind == kindInsert && w.fault("answer to insert lost", w.odds.insertLost),
		c.kind == kindCommit && w.fault("answer to commit lost", w.odds.commitLost),
		c.kind == kindLetter && w.fault("answer to letter lost", w.odds.letterLost):
		_ = c.do()
		w.answer(c, "done, answer lost", errLost)
	case c.kind == kindInsert && w.fault("insert under way while its connection is lost", w.odds.insertUnder):
		w.insertUnderWay(c)
		w.answer(c, "under way, answer lost", errLost)
	case c.kind == kindCommit && w.fault("commit under way while its connection is lost", w.odds.commitUnder):
		w.doLater(c, time.Now().Add(w.some(40*time.Second)))
		w.answer(c, "under way, answer lost", errLost)
	default:
		err := c.do()
		w.answer(c, "done", err)
	}
}

// insertUnderWay lets an INSERT land at a moment before its deadline, until which the server works on it at most.
func (w *World) insertUnderWay(c *call) {
	left := 40 * time.Second
	if deadline, ok := c.ctx.Deadline(); ok {
		left = time.Until(deadline)
	}
	if left > 0 {
		w.doLater(c, time.Now().Add(w.some(left)))
	}
}

// disturb lets something happen to members and servers.
func (w *World) disturb() {
	alive := w.living()
	switch {
	case w.fault("ClickHouse away", w.odds.clickhouseAway):
		w.gone[kindInsert] = time.Now().Add(w.some(90 * time.Second))
		w.gone[kindRead] = w.gone[kindInsert]
	case w.fault("coordinator away", w.odds.coordinatorAway):
		w.gone[kindCommit] = time.Now().Add(w.some(60 * time.Second))
		w.gone[kindAsk], w.gone[kindGroup] = w.gone[kindCommit], w.gone[kindCommit]
	case len(alive) > 0 && w.fault("kill", w.odds.kill):
		w.kill(alive[w.faultRnd.IntN(len(alive))])
	case len(alive) > 1 && w.fault("stop all", w.odds.stop/2):
		for _, m := range alive {
			m.stop()
		}
	case len(alive) > 1 && w.fault("stop", w.odds.stop):
		alive[w.faultRnd.IntN(len(alive))].stop()
	case len(alive) < 3 && w.fault("start", w.odds.start):
		w.start()
	case len(alive) > 0 && w.fault("pause", w.odds.pause):
		w.pause(alive[w.faultRnd.IntN(len(alive))])
	case w.added >= 0 && w.logs[fetch.TopicPartition{Topic: topics[0], Partition: w.added}] == nil && w.beginner() != nil && w.fault("a partition is added while a batch begins, whose owner dies", 200):
		m := w.beginner()
		w.addPartition()
		w.kill(m)
	case w.odds.erase*w.odds.overdue > 0 && w.beginner() != nil && w.fault("paused before the first insert of a batch, whose intent is then erased", 200):
		w.pause(w.beginner())
		w.erase()
	case !w.versions && w.odds.erase == 0 && w.fault("retention", w.odds.retention):
		w.retain()
	case w.options.Forget && w.erasure == nil && w.fault("somebody is forgotten", 10):
		w.forgetSomebody()
	case w.schemas != nil && w.fault("registry away", 5):
		w.gone[kindSchema] = time.Now().Add(w.some(60 * time.Second))
	case w.fault("metadata erased by another tool", w.odds.erase):
		w.erase()
	}
	if len(alive) == 0 && len(w.wakeups) == 0 {
		w.start()
	}
}

// beginner is a process that is about to write the first block of a batch, or its claim.
func (w *World) beginner() *member {
	for _, c := range w.waiting() {
		if c.kind != kindInsert || c.member.paused {
			continue
		}
		of := strings.Fields(c.key) // lane, block, number
		landed := func(p part) bool {
			return p.table != commit.ClaimTable && p.lane == of[0] && strings.HasPrefix(p.mark, of[len(of)-1])
		}
		if !slices.ContainsFunc(w.clickhouse.parts, landed) {
			return c.member
		}
	}
	return nil
}

// erase is what a tool does that commits the group's offsets without knowing of metadata.
func (w *World) erase() {
	w.erased = true
	for tp, c := range w.coordinator.committed {
		w.coordinator.committed[tp] = commit.Committed{Offset: c.Offset}
	}
}

// kill ends a process at once. What it had sent may have arrived, may still arrive, or may be lost.
func (w *World) kill(m *member) {
	w.trace("kill %s", m)
	w.mu.Lock()
	m.dead = true
	w.mu.Unlock()
	for _, c := range w.waiting() {
		if c.member != m {
			continue
		}
		if c.kind == kindInsert || c.kind == kindCommit || c.kind == kindLetter {
			switch w.faultRnd.IntN(3) {
			case 0:
				_ = c.do()
			case 1:
				if c.kind == kindInsert {
					w.insertUnderWay(c)
				}
			}
		}
		err := errDead
		w.answer(c, "dead", err)
	}
	m.cancel()
}

// pause stops a process (SIGSTOP) for up to a minute and a half. It wakes not knowing it.
func (w *World) pause(m *member) {
	w.trace("pause %s", m)
	m.paused = true
	if w.fault("metadata erased while a process is paused", 10*w.odds.erase) {
		w.erase()
	}
	w.wakeups = append(w.wakeups, wakeup{time.Now().Add(w.some(90 * time.Second)), m})
}

// collides says that another process is just writing a block that a paused one was about to write: the worst moment to wake.
func (w *World) collides(m *member) bool {
	calls := w.waiting()
	for _, c := range calls {
		if c.member == m && c.kind == kindInsert && slices.ContainsFunc(calls, func(o *call) bool { return o.member != m && o.key == c.key }) {
			return w.faultRnd.IntN(3) == 0
		}
	}
	return false
}

type wakeup struct {
	at time.Time
	m  *member
}

// wake lets paused processes go on that are due. One that was stopped between its last look at the clock and the sending of an INSERT
// sends it now, however late.
func (w *World) wake() {
	now := time.Now()
	for i := 0; i < len(w.wakeups); i++ {
		u := w.wakeups[i]
		if u.at.After(now) && !w.healed && !w.collides(u.m) {
			continue
		}
		w.wakeups = append(w.wakeups[:i], w.wakeups[i+1:]...)
		i--
		u.m.paused = false
		w.trace("wake %s", u.m)
		for _, c := range w.waiting() {
			if c.member == u.m && c.kind == kindInsert && c.ctx.Err() != nil && w.fault("insert sent long after its deadline", w.odds.overdue) {
				_ = c.do()
			}
		}
	}
}

// retain deletes the older part of a log, read or not.
func (w *World) retain() {
	tps := sortedPartitions(slices.Collect(maps.Keys(w.logs)))
	tp := tps[w.faultRnd.IntN(len(tps))]
	l := w.logs[tp]
	if len(l.batches) == 0 {
		return
	}
	at := l.batches[w.faultRnd.IntN(len(l.batches))].next
	if at <= l.start {
		return
	}
	w.trace("%s begins at %d", tp, at)
	l.start = at
	w.retained = true
}

// mend is what a person does whose lane says that records were deleted before they were read: stop all members, adopt, start again.
func (w *World) mend() {
	if w.operator != nil {
		return
	}
	w.trace("adopt")
	for _, m := range w.members {
		if !m.dead && !m.stopped {
			m.stop()
		}
	}
	w.operator = &member{id: len(w.members) + 1, world: w, cancel: func() {}}
	w.members = append(w.members, w.operator)
	o := w.operator
	go func() {
		for {
			err := o.adopt(&processor.Epochs{Kafka: cluster{o}, Source: source{o}, Ledgers: sink{o}, Streams: sink{o}, Now: time.Now, Log: zap.NewNop()})
			if err == nil || errors.Is(err, errDead) {
				break
			}
			time.Sleep(2 * time.Second) // members are still there
		}
		o.done = true
	}()
}

func (m *member) adopt(epochs *processor.Epochs) error {
	ctx := context.Background()
	s, err := epochs.Survey(ctx, m.world.cfg.Group, topics)
	if err != nil {
		return err
	}
	if err := epochs.Quiet(ctx, &s); err != nil {
		return err
	}
	standings, err := epochs.Adopt(ctx, &s, processor.Adoption{Partition: -1, Place: processor.Earliest})
	if err != nil {
		return err
	}
	for _, st := range standings {
		m.world.partial = m.world.partial || st.Beyond > st.Held
	}
	next := s.Stream
	next.Reason, next.By = "retention was too short", "operator"
	_, err = epochs.Apply(ctx, &s, standings, next)
	return err
}
