package table

// queued is how many additions a queue holds back: more than a processor can wait for at a time, and few enough to stay in its nearest cache.
const queued = 64

// Queue holds back what is to be added to a table until there is enough of it to be looked up together. A table of many keys is not in the cache: a look-up
// waits for a slot, then for an entry. Of look-ups that follow one another and do not depend on each other a processor waits for many at a time. The zero value is ready.
type Queue[K comparable, V any] struct {
	n     int
	waits [queued]Addition[K, V]
}

// Addition is what a queue holds back of one entry.
type Addition[K comparable, V any] struct {
	Entry[K, V]
	Index int // in Entries, once it is located
	hash  uint64
}

// Push adds to the queue and says that it is full: Locate is to be called before the next Push.
func (q *Queue[K, V]) Push(hash uint64, key K, value V) (full bool) {
	w := &q.waits[q.n]
	w.hash, w.Key, w.Value = hash, key, value
	q.n++
	return q.n == queued
}

// Locate finds or adds the keys in a queue, in their order, and empties it. What was in it is valid until the next Push.
func (t *Table[K, V]) Locate(q *Queue[K, V]) []Addition[K, V] {
	waits := q.waits[:q.n]
	q.n = 0
	if len(t.slots) > 0 { // all slots are waited for together, before the first of them decides anything
		mask := uint64(len(t.slots) - 1)
		for i := range waits {
			waits[i].Index = int(t.slots[waits[i].hash>>32>>t.shift&mask])
		}
	}
	for i := range waits {
		w := &waits[i]
		w.Index, _ = t.At(w.hash, w.Key)
	}
	return waits
}
