// Package intern gives strings small numbers, so that the keys of open batches are packed integers: cheap to hash, to compare
// and to sort. A known string costs no allocation, whatever buffer it lies in.
package intern

import (
	"cmp"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/tillstream/tillstream/processor/table"
)

// Limits of a Table beyond which Trim empties it: with them it takes some 30 MiB, which nobody counts.
const (
	maxStrings = 1 << 18
	maxBytes   = 16 << 20
)

// Table numbers strings in the order in which they are first seen. The empty string is always 0. It is not safe for
// concurrent use.
type Table struct {
	seed    maphash.Seed // decides where a string lies, never which number it has
	strings table.Table[string, struct{}]
	bytes   int
	order   []uint32 // numbers in the order of their strings, as far as Ranks has looked
	ranks   []uint32
}

// New makes a table that knows the empty string only.
func New() *Table {
	t := &Table{seed: maphash.MakeSeed()}
	t.ID("")
	return t
}

// ID is the number of s. A new s is cloned: it may alias a buffer that is reused.
func (t *Table) ID(s string) uint32 {
	h := maphash.String(t.seed, s)
	i, ok := t.strings.Find(h, s)
	if !ok {
		i = t.strings.Add(h, strings.Clone(s))
		t.bytes += len(s)
	}
	return uint32(i)
}

// String is the string with that number. It stays valid after Trim.
func (t *Table) String(id uint32) string { return t.strings.Entries()[id].Key }

// Len is how many strings are known, the empty one included.
func (t *Table) Len() int { return t.strings.Len() }

// Ranks maps a number to the place of its string in byte order. The slice is valid until the next call. Only what is new since
// the last call is sorted.
func (t *Table) Ranks() []uint32 {
	all, old := t.strings.Entries(), len(t.order)
	if old == len(all) {
		return t.ranks
	}
	for id := old; id < len(all); id++ {
		t.order = append(t.order, uint32(id))
	}
	fresh := slices.Clone(t.order[old:])
	slices.SortFunc(fresh, func(a, b uint32) int { return cmp.Compare(all[a].Key, all[b].Key) })
	// Merge from the back, where the free places are.
	for to, i, j := len(all)-1, old-1, len(fresh)-1; j >= 0; to-- {
		if i >= 0 && all[t.order[i]].Key > all[fresh[j]].Key {
			t.order[to] = t.order[i]
			i--
		} else {
			t.order[to] = fresh[j]
			j--
		}
	}
	t.ranks = slices.Grow(t.ranks[:0], len(all))[:len(all)]
	for rank, id := range t.order {
		t.ranks[id] = uint32(rank)
	}
	return t.ranks
}

// Trim forgets everything if the table has outgrown its limits, and says so: numbers given out before are void then.
func (t *Table) Trim() bool {
	if t.Len() <= maxStrings && t.bytes <= maxBytes {
		return false
	}
	*t = Table{seed: t.seed}
	t.ID("")
	return true
}

// Recent remembers the last string of a field that seldom changes from one event to the next. The zero value is ready, and has
// to be made zero again when Trim says true.
type Recent struct {
	string string
	id     uint32
}

// ID is t.ID(s), faster if s is what was asked for the last time.
func (r *Recent) ID(t *Table, s string) uint32 {
	if s != r.string {
		r.id = t.ID(s)
		r.string = t.String(r.id)
	}
	return r.id
}
