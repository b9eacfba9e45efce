package clickhouse

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/tillstream/tillstream/processor/commit"
)

// place is where an entity's events are: a partition of a group's topics; -1 if the state shows it in several.
type place struct {
	group     string
	partition int32
}

// geography says which lane wrote what about whom.
type geography struct {
	// modulus is, for every group, the number of lanes; of one that had several numbers, their greatest common divisor: lanes that
	// are equal modulo it have shared rows and cannot be told apart.
	modulus   map[string]uint32
	stores    map[string]place
	terminals map[string]place // by topic, NUL, terminal; and by NUL, terminal
	lanes     map[string]commit.Ranges
	names     map[string][]string // sharers, by "group/lane mod modulus"
}

func (s *Sink) geography(ctx context.Context) (*geography, error) {
	g := &geography{map[string]uint32{}, map[string]place{}, map[string]place{}, map[string]commit.Ranges{}, map[string][]string{}}
	epochs, err := s.epochs(ctx)
	if err != nil {
		return nil, err
	}
	for _, e := range epochs {
		g.modulus[e.Group] = gcd(g.modulus[e.Group], e.Lanes)
	}
	err = s.rows(ctx, func(r driver.Rows) error {
		var owner, kind, key string
		if err := r.Scan(&owner, &kind, &key); err != nil {
			return err
		}
		group, partition, err := parseOwner(owner)
		if err != nil {
			return err
		}
		at := place{group, partition}
		if kind == "sequence" {
			_, terminal, _ := strings.Cut(key, "\x00")
			put(g.terminals, key, at)
			put(g.terminals, "\x00"+terminal, at)
			return nil
		}
		store, _, _ := strings.Cut(key, "\x00")
		put(g.stores, store, at)
		return nil
	}, "SELECT lane, kind, key FROM tillstream.state FINAL WHERE kind IN ('terminal', 'sequence', 'incident', 'maintenance', 'order') AND mark = ''")
	if err != nil {
		return nil, fmt.Errorf("reading where terminals live: %w", err)
	}
	err = s.rows(ctx, func(r driver.Rows) error {
		var lane string
		var x commit.Range
		if err := r.Scan(&lane, &x.Topic, &x.Partition, &x.From, &x.To); err != nil {
			return err
		}
		g.lanes[lane] = append(g.lanes[lane], x)
		return nil
	}, `SELECT lane, topic, partition, min(from_offset), max(to_offset) FROM tillstream.ledger WHERE topic != ''
		GROUP BY lane, topic, partition ORDER BY lane, topic, partition`)
	if err != nil {
		return nil, fmt.Errorf("reading the ranges of the lanes: %w", err)
	}
	marks, err := s.stateMarks(ctx)
	if err != nil {
		return nil, err
	}
	for lane, m := range marks {
		if g.lanes[lane] == nil { // the ledger lost it
			g.lanes[lane] = m.Ranges
		}
	}
	for lane := range g.lanes {
		class := g.class(lane)
		g.names[class] = append(g.names[class], lane)
	}
	for _, names := range g.names {
		slices.Sort(names)
	}
	return g, nil
}

// put notes where an entity is; two places become none.
func put(m map[string]place, key string, at place) {
	if old, ok := m[key]; ok && old != at {
		at.partition = -1
	}
	m[key] = at
}

// class names the lanes that cannot be told apart from one.
func (g *geography) class(lane string) string {
	i := strings.LastIndexByte(lane, '/')
	if i < 0 {
		return lane
	}
	n, err := strconv.ParseUint(lane[i+1:], 10, 32)
	if m := g.modulus[lane[:i]]; err == nil && m > 0 {
		return fmt.Sprintf("%s/%d", lane[:i], uint32(n)%m)
	}
	return lane
}

// sharers are a lane and those that cannot be told apart from it.
func (g *geography) sharers(lane string) string {
	if names := g.names[g.class(lane)]; names != nil {
		return strings.Join(names, ", ")
	}
	return lane
}

// lane names who owns a place, "" if nobody knows.
func (g *geography) lane(at place) string {
	if m := g.modulus[at.group]; m > 0 && at.partition >= 0 {
		return g.sharers(fmt.Sprintf("%s/%d", at.group, uint32(at.partition)%m))
	}
	return ""
}

// terminal is where a terminal of a store lives.
func (g *geography) terminal(store, id string) (place, bool) {
	at, ok := g.stores[store]
	if !ok || at.partition < 0 {
		at, ok = g.terminals["\x00"+id]
	}
	return at, ok && at.partition >= 0
}

// laneOf names who wrote the data rows of an entity (entityKey), "" if nobody knows.
func (g *geography) laneOf(t *table, entity string) string {
	switch {
	case t.name == "ledger":
		return g.sharers(entity)
	case t.has("store_id"):
		if at, ok := g.stores[entity]; ok {
			return g.lane(at)
		}
	default:
		if at, ok := g.terminals[entity]; ok {
			return g.lane(at)
		}
	}
	return ""
}

// ranges are all offsets that the lanes have passed, of one partition or, with -1, of all.
func (g *geography) ranges(lanes string, partition int32) commit.Ranges {
	var all commit.Ranges
	for _, lane := range strings.Split(lanes, ", ") {
		for _, r := range g.lanes[lane] {
			if partition < 0 || r.Partition == partition {
				all = append(all, r)
			}
		}
	}
	return all.Sort()
}

func gcd(a, b uint32) uint32 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
