// Package table holds the deltas of an open batch: a hash table from packed keys to sums, and the order in which they are written.
package table

import (
	"math/bits"
	"slices"
)

// Table is a hash table with open addressing that never forgets one key, only all at once. Its entries lie densely in the order
// of their arrival, so that walking and emptying it cost what is in it, and a batch like the last one allocates nothing.
//
// The caller gives the hash, of which the high half counts: a hash of the key's own is inlined, one behind an interface is not.
// A table takes less than 2^31 keys and is not safe for concurrent use. The zero value is ready.
type Table[K comparable, V any] struct {
	slots   []uint64 // high half of the hash, index + 1; 0 is free
	shift   uint8    // from the high half of a hash to its slot
	entries []Entry[K, V]
}

// Entry is a key and its value.
type Entry[K comparable, V any] struct {
	Value V
	Key   K
}

// minBits is the size of the smallest table, as a power of two.
const minBits = 6

// Mix folds b into the hash a, by the multiplication of wyhash: every bit of the product depends on all bits of both.
func Mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^0xa0761d6478bd642f, b^0xe7037ed1a0b428db)
	return hi ^ lo
}

// Len is the number of keys.
func (t *Table[K, V]) Len() int { return len(t.entries) }

// Entries are all entries in the order of their arrival. They stay where they are until the next At, Add or Reset.
func (t *Table[K, V]) Entries() []Entry[K, V] { return t.entries }

// Find is the index of a key in Entries.
func (t *Table[K, V]) Find(hash uint64, key K) (index int, ok bool) {
	if len(t.slots) == 0 {
		return 0, false
	}
	tag := hash >> 32
	mask := uint64(len(t.slots) - 1)
	for i := tag >> t.shift; ; i++ {
		slot := t.slots[i&mask]
		if slot == 0 {
			return 0, false
		}
		if slot>>32 == tag {
			if index := int(uint32(slot) - 1); t.entries[index].Key == key {
				return index, true
			}
		}
	}
}

// Slot reads where a key of this hash would be found. What it gives is of no use by itself: who looks for many keys reads all of their slots first, so that the processor
// waits for them together.
func (t *Table[K, V]) Slot(hash uint64) uint64 {
	if len(t.slots) == 0 {
		return 0
	}
	return t.slots[hash>>32>>t.shift&uint64(len(t.slots)-1)]
}

// Is says whether a key is at an index, and gives its value like At: for who knows where it was, in this batch or in the one before.
func (t *Table[K, V]) Is(index int, key K) (value *V, ok bool) {
	if uint(index) < uint(len(t.entries)) && t.entries[index].Key == key {
		return &t.entries[index].Value, true
	}
	return nil, false
}

// At is the index of a key in Entries and its value, zero if the key is new. The value stays there until the next At, Add or
// Reset.
func (t *Table[K, V]) At(hash uint64, key K) (index int, value *V) {
	index, ok := t.Find(hash, key)
	if !ok {
		index = t.Add(hash, key)
	}
	return index, &t.entries[index].Value
}

// Add adds a key that Find did not find.
func (t *Table[K, V]) Add(hash uint64, key K) (index int) {
	if 4*(len(t.entries)+1) > 3*len(t.slots) {
		t.grow()
	}
	index = len(t.entries)
	t.entries = Push(t.entries, Entry[K, V]{Key: key})
	t.put(hash&^(1<<32-1) | uint64(index+1))
	return index
}

// Push is append that doubles: what is as large as a batch's is grown, and copied, half as often.
func Push[T any](s []T, v T) []T {
	if len(s) == cap(s) {
		s = slices.Grow(s, max(len(s), 1<<minBits))
	}
	return append(s, v)
}

func (t *Table[K, V]) put(slot uint64) {
	mask := uint64(len(t.slots) - 1)
	i := slot >> 32 >> t.shift
	for t.slots[i&mask] != 0 {
		i++
	}
	t.slots[i&mask] = slot
}

func (t *Table[K, V]) grow() {
	old := t.slots
	size := max(2*len(old), 1<<minBits)
	t.slots = make([]uint64, size)
	t.shift = uint8(32 - bits.TrailingZeros(uint(size)))
	for _, slot := range old {
		if slot != 0 {
			t.put(slot)
		}
	}
}

// Reset removes all keys. Memory is kept for the next batch, unless this one used less than an eighth of it.
func (t *Table[K, V]) Reset() {
	if cap(t.entries) > 8*max(len(t.entries), 1<<minBits) {
		*t = Table[K, V]{}
		return
	}
	clear(t.slots)
	clear(t.entries) // what keys and values refer to
	t.entries = t.entries[:0]
}
