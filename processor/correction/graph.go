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
}

// graph is the corrections of one topic and partition that are remembered.
type graph struct {
	topic     string
	partition int32

	begun  bool
	clock  int64 // newest timestamp of a transaction, ms
	since  int64 // transactions are kept from there on
	window int64 // with which they were kept

	links  map[uint64]*link   // by key
	named  map[uint64][]*link // by what they name
	queue  []*link            // as they came
	loaded bool               // and the queue is not in order

	moved   bool             // clock or since changed since the last Seal
	unsaid  bool             // begun at its beginning, of which no Seal has said anything
	changed map[uint64]*link // since the last Seal; nil where it is forgotten
}

func newGraph(topic string, partition int32) *graph {
	return &graph{
		topic: strings.Clone(topic), partition: partition,
		links: map[uint64]*link{}, named: map[uint64][]*link{}, changed: map[uint64]*link{},
	}
}

func (g *graph) add(l *link) {
	g.links[l.key] = l
	for _, n := range l.names {
		g.named[n] = append(g.named[n], l)
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
			rest := slices.DeleteFunc(g.named[n], func(x *link) bool { return x == l })
			if g.named[n] = rest; len(rest) == 0 {
				delete(g.named, n)
			}
		}
		g.changed[l.key] = nil
	}
}

// family is l and all that are connected with it.
func (g *graph) family(l *link) []*link {
	all := []*link{l}
	add := func(x *link) {
		if x != nil && !slices.Contains(all, x) {
			all = append(all, x)
		}
	}
	for i := 0; i < len(all); i++ {
		for _, n := range all[i].names {
			add(g.links[n])
			for _, x := range g.named[n] {
				add(x)
			}
		}
		for _, x := range g.named[all[i].key] {
			add(x)
		}
	}
	return all
}

// elect says which of a family counts.
func (g *graph) elect(family []*link) *link {
	heads := slices.DeleteFunc(slices.Clone(family), func(l *link) bool { return len(g.named[l.key]) > 0 })
	if len(heads) == 0 {
		heads = family
	}
	return slices.MaxFunc(heads, func(a, b *link) int { return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.id, b.id)) })
}
