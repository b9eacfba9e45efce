package purchase

import "github.com/tillstream/tillstream/processor/table"

// maxGrid is how many categories are in grids, which have 33 KB then: those that came first in a batch. Chains have some dozens.
const maxGrid = 128

// kinds are the categories that are in grids.
type kinds struct {
	n       int
	usual   int                 // n of the batch before
	names   [maxGrid + 1]uint32 // by their numbers, from 1
	numbers []uint8             // by their names; 0: it is in none
}

// learn gives numbers to categories that have none.
func (k *kinds) learn(all []uint32) {
	for _, name := range all {
		if int(name) >= len(k.numbers) {
			k.numbers = append(k.numbers, make([]uint8, int(name)+1-len(k.numbers))...)
		}
		if k.numbers[name] == 0 && k.n < maxGrid {
			k.n++
			k.names[k.n], k.numbers[name] = name, uint8(k.n)
		}
	}
}

// worth is how many pairs of a day are looked up before it is given a grid: a quarter of its places.
func (k *kinds) worth() int { return cells(max(k.n, k.usual)) / 4 }

func (k *kinds) reset() {
	k.usual, k.n = k.n, 0
	clear(k.numbers)
}

// grid counts the pairs of categories in the baskets of a store's day: one place for each two of them, so that nothing is looked up. It is triangular: the places of a
// category lie behind those of all with lesser numbers.
type grid []int32 // twice the count, and 1 more once there was a pair

// grids is the room of grids.
type grids struct {
	cells, touched int // in the open batch
	spare          []grid
}

// cells is how many places so many categories have.
func cells(kinds int) int { return kinds * (kinds + 1) / 2 }

// cell is where a pair is counted, or one alone, which is paired with itself.
func cell(one, other uint8) int { return cells(int(max(one, other))-1) + int(min(one, other)) - 1 }

func (g *grids) add(cell *int32, n int32) {
	if *cell == 0 {
		*cell = 1
		g.touched++
	}
	*cell += 2 * n
}

// crosses hold back what is to be added to grids, as table.Queue does: they are not in the cache, and places of many are waited for together.
type crosses struct {
	n     int
	waits [64]cross
}

type cross struct {
	day      uint32 // index
	at, sign int32
}

// cross adds a pair to the grid of a day, which has room for it.
func (f *Fold) cross(day uint32, at int, sign int64) {
	q := &f.crosses
	if q.n == len(q.waits) {
		f.addCrosses()
	}
	w := &q.waits[q.n]
	w.day, w.at, w.sign = day, int32(at), int32(sign)
	q.n++
}

// addCrosses adds the pairs that wait.
func (f *Fold) addCrosses() {
	days := f.days.Entries()
	for _, w := range f.crosses.waits[:f.crosses.n] {
		f.grids.add(&days[w.day].Value.grid[w.at], w.sign)
	}
	f.crosses.n = 0
}

// grow makes room for so many categories.
func (g *grids) grow(to *grid, kinds int) {
	n := cells(kinds)
	if len(*to) >= n {
		return
	}
	if last := len(g.spare) - 1; *to == nil && last >= 0 {
		*to = g.spare[last][:0]
		g.spare = g.spare[:last]
	}
	g.cells += n - len(*to)
	*to = append(*to, make(grid, n-len(*to))...)
}

// reset takes back the room of all days for the next batch.
func (g *grids) reset(all []table.Entry[dayKey, dayBaskets]) {
	clear(g.spare)
	g.cells, g.touched, g.spare = 0, 0, g.spare[:0]
	for i := range all {
		if room := all[i].Value.grid; room != nil {
			g.spare = append(g.spare, room)
		}
	}
}

// counted are all pairs that were counted, each once: what was counted in the table before its day had a grid goes there now.
func (f *Fold) counted() []table.Entry[pairKey, int32] {
	days := f.days.Entries()
	all := make([]table.Entry[pairKey, int32], 0, f.pairs.Len()+f.grids.touched)
	for _, e := range f.pairs.Entries() {
		if g := &days[e.Key.day>>1].Value.grid; level(e.Key.day&1) == categories && len(*g) > 0 {
			left, right := f.kinds.numbers[e.Key.left], f.kinds.numbers[e.Key.right]
			if e.Key.right == 0 {
				right = left
			}
			if left > 0 && right > 0 {
				f.grids.grow(g, f.kinds.n)
				f.grids.add(&(*g)[cell(left, right)], e.Value)
				continue
			}
		}
		all = append(all, e)
	}
	for i := range days {
		day, g := uint32(i)<<1|uint32(categories), days[i].Value.grid
		for right := 1; len(g) > 0; right++ {
			for left, c := range g[:right] {
				if c == 0 {
					continue
				}
				k := pairKey{day: day, left: f.kinds.names[right]}
				if other := f.kinds.names[left+1]; other != k.left {
					k.left, k.right = min(k.left, other), max(k.left, other)
				}
				all = append(all, table.Entry[pairKey, int32]{Value: c >> 1, Key: k})
			}
			g = g[right:]
		}
	}
	return all
}
