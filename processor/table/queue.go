package table

// queued is how many additions a queue holds back: more than a processor can wait for at a time, and few enough to stay in its nearest cache.
const queued = 64

// Queue holds back what is to be added to a table until there is enough of it to be looked up together. A table of many keys is not in the cache: a look-up
// waits for a slot, then for an entry. Of look-ups that follow one another and do not depend on each other a processor waits for many at a time. The zero value is ready.
type Queue[K comparable, V any] struct {
	n     int
	waits [queued]Addition[K, V]
	read  uint64 // nothing: so that what is read ahead is read
}

// Addition is what a queue holds back of one entry.
type Addition[K comparable, V any] struct {
	Entry[K, V]
	Index int32 // in Entries: known beforehand, or located
	Hash  uint64
}

// Unlocated is the Index of an addition whose entry is not known yet.
const Unlocated = -1

// Full says that Locate is to be called before the next Next.
func (q *Queue[K, V]) Full() bool { return q.n == queued }

// Next is room for one more addition, to be filled where it lies: what is made elsewhere and copied, a processor has to wait for. There is something in it. If its Index is
// known, neither Key nor Hash is looked at.
func (q *Queue[K, V]) Next() *Addition[K, V] {
	q.n++
	return &q.waits[q.n-1]
}

// Waits are the additions that are held back, in their order. They stay where they are until the next Next.
func (q *Queue[K, V]) Waits() []Addition[K, V] { return q.waits[:q.n] }

// Locate finds or adds the keys in a queue that are to be located, in their order, and empties it. What was in it is valid until the next Next.
func (t *Table[K, V]) Locate(q *Queue[K, V]) []Addition[K, V] {
	waits := q.waits[:q.n]
	q.n = 0
	q.read = 0
	for i := range waits { // all slots are waited for together, before the first of them decides anything
		if w := &waits[i]; w.Index == Unlocated {
			q.read += t.Slot(w.Hash)
		}
	}
	for i := range waits {
		if w := &waits[i]; w.Index == Unlocated {
			index, _ := t.At(w.Hash, w.Key)
			w.Index = int32(index)
		}
	}
	return waits
}
