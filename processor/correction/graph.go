package correction

import (
	"cmp"
	"slices"
	"strings"
)

// link is a correction.
type link struct {
	key     uint64
	id      string
	names   []uint64 // keys of what it corrects, itself left out
	clock   int64    // of the partition, when it came
	offset  int64
	order   int64 // when it was declared, ms
	inForce bool  // it counts
	reached int   // in which round of its graph
}

// bearers are the corrections that name the same event.
type bearers struct {
	links   []*link
	reached int // in which round of its graph
}

// graph is the corrections of one topic and partition that are remembered.
type graph struct {
	topic     string
	partition int32

	begun  bool
	clock  int64 // newest timestamp of a transaction, ms
	since  int64 // transactions are kept from there on
	window int64 // with which they were kept

	links  map[uint64]*link    // by key
	named  map[uint64]*bearers // by what they name; none is empty
	queue  []*link             // as they came
	loaded bool                // and the queue is not in order

	round  int // counts searches for families
	looked int // links that were looked at in all of them

	moved   bool             // clock or since changed since the last Seal
	unsaid  bool             // begun at its beginning, of which no Seal has said anything
	changed map[uint64]*link // since the last Seal; nil where it is forgotten
}

func newGraph(topic string, partition int32) *graph {
	return &graph{
		topic: strings.Clone(topic), partition: partition,
		links: map[uint64]*link{}, named: map[uint64]*bearers{}, changed: map[uint64]*link{},
	}
}

func (g *graph) add(l *link) {
	g.links[l.key] = l
	for _, n := range l.names {
		b := g.named[n]
		if b == nil {
			b = &bearers{}
			g.named[n] = b
		}
		b.links = append(b.links, l)
	}
	g.queue = append(g.queue, l)
}

// forget drops what came before.
func (g *graph) forget(before int64) {
	if g.loaded {
		g.loaded = false
		slices.SortFunc(g.queue, func(a, b *link) int { return cmp.Compare(a.offset, b.offset) })
	}
	for len(g.queue) > 0 && g.queue[0].clock < before {
		l := g.queue[0]
		g.queue[0] = nil
		g.queue = g.queue[1:]
		delete(g.links, l.key)
		for _, n := range l.names {
			b := g.named[n]
			if b.links[0] == l { // they go as they came
				b.links = b.links[1:]
			} else {
				b.links = slices.DeleteFunc(b.links, func(x *link) bool { return x == l })
			}
			if len(b.links) == 0 {
				delete(g.named, n)
			}
		}
		g.changed[l.key] = nil
	}
}

// family is l and all that are connected with it.
func (g *graph) family(l *link) []*link {
	g.round++
	return g.connected(nil, l)
}

// connected appends l and all that are connected with it, but for what this round has reached before. Each link and each name is looked at once:
// a till may correct one sale thousands of times.
func (g *graph) connected(all []*link, l *link) []*link {
	first := len(all)
	add := func(x *link) {
		if g.looked++; x != nil && x.reached != g.round {
			x.reached = g.round
			all = append(all, x)
		}
	}
	name := func(n uint64) {
		if b := g.named[n]; b != nil && b.reached != g.round {
			b.reached = g.round
			for _, x := range b.links {
				add(x)
			}
		}
	}
	add(l)
	for i := first; i < len(all); i++ {
		for _, n := range all[i].names {
			add(g.links[n])
			name(n)
		}
		name(all[i].key)
	}
	return all
}

// elect says which of a family counts.
func (g *graph) elect(family []*link) *link {
	heads := slices.DeleteFunc(slices.Clone(family), func(l *link) bool { return g.named[l.key] != nil })
	if len(heads) == 0 {
		heads = family
	}
	return slices.MaxFunc(heads, func(a, b *link) int { return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.id, b.id)) })
}
