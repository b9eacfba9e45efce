package simulation

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/commit"
	"github.com/tillstream/tillstream/processor/fetch"
)

// coordinator is Kafka's classic group protocol: generations, sessions, and offsets that only the present generation may commit.
type coordinator struct {
	w          *World
	generation int32
	members    map[string]*membership // that the coordinator knows
	preparing  bool
	since      time.Time // of preparing
	committed  map[commit.TopicPartition]commit.Committed
	evicted    []*membership
	names      int
}

// membership is one client of the group, as kafka-go's ConsumerGroup is one.
type membership struct {
	*member
	cfg      *processor.Config
	balancer kafka.GroupBalancer
	next     chan processor.Generation
	closed   chan struct{}
	ended    chan struct{}

	// Of the coordinator; only the scheduler touches them.
	id       string
	userData []byte
	joined   bool // waits for the others
	seen     time.Time
	notice   context.CancelFunc // ends the generation in the client
	assigned chan assignment
}

type assignment struct {
	generation int32
	id         string
	tps        []fetch.TopicPartition
}

// cluster is how one member reaches the coordinator: processor.Kafka.
type cluster struct{ *member }

func (c cluster) Topics(ctx context.Context, topics []string) (string, map[string]int, error) {
	counts := map[string]int{}
	err := c.world.call(ctx, c.member, kindFetch, "topics", nil, func() error {
		for tp := range c.world.logs {
			counts[tp.Topic] = max(counts[tp.Topic], int(tp.Partition)+1)
		}
		return nil
	})
	return "cluster", counts, err
}

func (c cluster) Join(cfg *processor.Config, balancer kafka.GroupBalancer) (processor.Group, error) {
	m := &membership{
		member: c.member, cfg: cfg, balancer: balancer, next: make(chan processor.Generation), closed: make(chan struct{}), ended: make(chan struct{}),
		assigned: make(chan assignment, 1),
	}
	go m.run()
	return m, nil
}

func (c cluster) Outside(string) processor.Outsider { return outsider(c) }

// outsider is how a process that is no member sees the group.
type outsider struct{ *member }

func (o outsider) Members(ctx context.Context) (names []string, err error) {
	err = o.world.call(ctx, o.member, kindAsk, "members", nil, func() error {
		for _, m := range o.world.coordinator.sorted() {
			names = append(names, m.id)
		}
		return nil
	})
	return names, err
}

func (o outsider) Committed(ctx context.Context, tps []commit.TopicPartition) (map[commit.TopicPartition]commit.Committed, error) {
	return o.committed(ctx, tps)
}

func (o outsider) Commit(ctx context.Context, entries map[commit.TopicPartition]commit.Committed) error {
	return o.commit(ctx, entries, func(c *coordinator) bool { return len(c.members) == 0 })
}

func (m *membership) Next(ctx context.Context) (processor.Generation, error) {
	select {
	case g := <-m.next:
		return g, nil
	case <-ctx.Done():
		return processor.Generation{}, ctx.Err()
	}
}

func (m *membership) Close() error {
	close(m.closed)
	<-m.ended
	return nil
}

// run joins, works for a generation, drains, and joins again.
func (m *membership) run() {
	defer close(m.ended)
	w, ctx := m.world, context.Background()
	defer w.call(ctx, m.member, kindGroup, "leave", nil, func() error { w.coordinator.leave(m); return nil })
	for {
		data, _ := m.balancer.UserData()
		err := w.call(ctx, m.member, kindGroup, "join", nil, func() error { w.coordinator.join(m, data); return nil })
		if err == errDead {
			return
		}
		if err != nil {
			select {
			case <-m.closed:
				return
			case <-time.After(time.Second):
				continue
			}
		}
		var a assignment
		select {
		case <-m.closed:
			return
		case a = <-m.assigned:
		}
		genCtx, cancel := context.WithCancel(ctx)
		m.notice = cancel // the scheduler looks at it only while this goroutine blocks
		var running sync.WaitGroup
		gen := processor.Generation{
			ID: a.generation, Assigned: a.tps, Offsets: &offsets{m, a.id, a.generation},
			Start: func(f func(context.Context)) { running.Go(func() { f(genCtx); cancel() }) },
		}
		select {
		case <-m.closed:
			cancel()
			return
		case m.next <- gen:
		}
		select {
		case <-m.closed:
		case <-genCtx.Done():
		}
		cancel()
		running.Wait()
		if m.stopped || m.dead {
			<-m.closed
			return
		}
	}
}

func (c *coordinator) join(m *membership, userData []byte) {
	if m.id == "" || c.members[m.id] != m {
		c.names++
		m.id = fmt.Sprintf("%s-%d", m.member, c.names)
	}
	c.members[m.id] = m
	m.userData, m.joined, m.seen = userData, true, time.Now()
	c.rebalance()
}

func (c *coordinator) leave(m *membership) {
	if c.members[m.id] == m {
		delete(c.members, m.id)
		c.rebalance()
	}
}

func (c *coordinator) rebalance() {
	if !c.preparing {
		c.preparing, c.since = true, time.Now()
	}
}

func (c *coordinator) sorted() []*membership {
	return slices.SortedFunc(maps.Values(c.members), func(a, b *membership) int { return int(a.number() - b.number()) })
}

func (m *membership) number() (n int64) {
	fmt.Sscanf(m.id[len(m.member.String())+1:], "%d", &n)
	return n
}

// tick lets heartbeats come, sessions expire and rebalances end.
func (c *coordinator) tick() {
	now := time.Now()
	for _, m := range c.evicted { // they hear of it with their next heartbeat
		if !m.paused && m.notice != nil {
			m.end()
		}
	}
	c.evicted = slices.DeleteFunc(c.evicted, func(m *membership) bool { return !m.paused })
	for _, m := range c.sorted() {
		lives := !m.dead && !m.paused
		if lives && !m.joined && now.Sub(m.seen) >= m.cfg.Heartbeat {
			switch {
			case m.notice == nil: // draining: kafka-go's heartbeat has ended with the generation
			case c.w.away(kindCommit), c.preparing:
				m.end()
			default:
				m.seen = now
			}
		}
		if !m.joined && now.Sub(m.seen) > m.cfg.SessionTimeout {
			c.w.trace("coordinator: session of %s has expired", m.id)
			c.evict(m)
		}
	}
	if !c.preparing || len(c.members) == 0 {
		return
	}
	members := c.sorted()
	all := !slices.ContainsFunc(members, func(m *membership) bool { return !m.joined })
	if !all && now.Sub(c.since) < members[0].cfg.RebalanceTimeout {
		return
	}
	for _, m := range members {
		if !m.joined {
			c.evict(m)
		}
	}
	c.complete()
}

// end ends the generation in the client.
func (m *membership) end() {
	m.notice()
	m.notice = nil
}

// evict forgets a member. Its client hears of it with its next heartbeat.
func (c *coordinator) evict(m *membership) {
	delete(c.members, m.id)
	c.evicted = append(c.evicted, m)
	c.rebalance()
}

func (c *coordinator) complete() {
	members := c.sorted()
	if len(members) == 0 {
		return
	}
	var group []kafka.GroupMember
	for _, m := range members {
		group = append(group, kafka.GroupMember{ID: m.id, UserData: m.userData})
	}
	var partitions []kafka.Partition
	for _, tp := range sortedPartitions(slices.Collect(maps.Keys(c.w.logs))) {
		partitions = append(partitions, kafka.Partition{Topic: tp.Topic, ID: int(tp.Partition)})
	}
	shares := members[0].balancer.AssignGroups(group, partitions)
	c.generation++
	c.preparing = false
	c.w.trace("coordinator: generation %d of %d members", c.generation, len(members))
	for _, m := range members {
		var tps []fetch.TopicPartition
		for topic, ids := range shares[m.id] {
			for _, id := range ids {
				tps = append(tps, fetch.TopicPartition{Topic: topic, Partition: int32(id)})
			}
		}
		m.joined, m.seen = false, time.Now()
		m.assigned <- assignment{c.generation, m.id, sortedPartitions(tps)}
	}
}

// offsets is a member's access to the group's offsets in one generation: processor.Offsets.
type offsets struct {
	*membership
	as         string
	generation int32
}

func (o *offsets) Committed(ctx context.Context, tps []commit.TopicPartition) (map[commit.TopicPartition]commit.Committed, error) {
	return o.committed(ctx, tps)
}

func (o *offsets) Commit(ctx context.Context, entries map[commit.TopicPartition]commit.Committed) error {
	return o.commit(ctx, entries, func(c *coordinator) bool {
		m := c.members[o.as]
		if m == nil || c.generation != o.generation {
			return false
		}
		m.seen = time.Now()
		return true
	})
}

func (m *member) committed(ctx context.Context, tps []commit.TopicPartition) (map[commit.TopicPartition]commit.Committed, error) {
	out := map[commit.TopicPartition]commit.Committed{}
	err := m.world.call(ctx, m, kindAsk, fmt.Sprint("committed ", tps), nil, func() error {
		for _, tp := range tps {
			c, ok := m.world.coordinator.committed[tp]
			if !ok {
				c.Offset = -1
			}
			out[tp] = c
		}
		return nil
	})
	return out, err
}

// commit changes offsets where the coordinator lets it.
func (m *member) commit(ctx context.Context, entries map[commit.TopicPartition]commit.Committed, may func(*coordinator) bool) error {
	c := m.world.coordinator
	tps := slices.SortedFunc(maps.Keys(entries), commit.TopicPartition.Compare)
	err := m.world.call(ctx, m, kindCommit, fmt.Sprintf("%s %s", tps[0], entries[tps[0]].Metadata), nil, func() error {
		if !may(c) {
			return processor.ErrFenced
		}
		some := c.w.fault("commit refused for some partitions", c.w.odds.commitSome)
		for i, tp := range tps {
			if some && i == len(tps)-1 {
				return errRefused
			}
			c.committed[tp] = entries[tp]
		}
		return nil
	})
	switch {
	case err == errDead:
		return processor.ErrFenced
	case err == errLost, ctx.Err() != nil && err != nil:
		return processor.ErrUnacknowledged
	}
	return err
}
