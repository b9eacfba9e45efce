package purchase

import (
	"slices"

	"github.com/tillstream/tillstream/processor/rollup"
	"github.com/tillstream/tillstream/processor/table"
)

// maxTogether is how many different categories, or watched products, of one basket are paired: 2,016 pairs. A basket of more is no choice of one
// buyer, and pairs grow with its square: it is counted as huge and not looked at.
const maxTogether = 64

// level is of what pairs are.
type level uint32

const (
	categories level = iota
	products         // those of the watch list
)

func (l level) String() string { return [...]string{"category", "product"}[l] }

// basket is what the sale being folded has in it. A product that was brought back is not in it.
type basket struct {
	products   int // different ones
	categories []uint32
	watched    []uint32
}

// dayKey is a store's business date; dayBaskets are its baskets, by level. Those with two different products, or categories, count. Its pairs of categories are in a table
// until there were a quarter as many as its grid has places.
type dayKey struct {
	store uint32
	date  int32
}

func (k dayKey) hash() uint64 { return table.Mix(uint64(k.store), uint64(uint32(k.date))) }

type dayBaskets struct {
	baskets, huge [2]int64
	looked        int // pairs that were looked up
	grid          grid
}

// pairKey is two strings in one basket, in the order of their numbers; right is 0 for one of them alone. day is the index of the store's day, twice, plus
// the level: a third of the bytes to hash and compare.
type pairKey struct{ day, left, right uint32 }

func (k *pairKey) hash() uint64 { return table.Mix(table.Pack(k.left, k.right), uint64(k.day)) }

// put puts a product into the basket, which has not seen it yet.
func (b *basket) put(id uint32, p *product) {
	b.products++
	if p.category != 0 && len(b.categories) <= maxTogether && !slices.Contains(b.categories, p.category) {
		b.categories = append(b.categories, p.category)
	}
	if p.watched && len(b.watched) <= maxTogether {
		b.watched = append(b.watched, id)
	}
}

// together adds the basket of a sale, or takes it off.
func (f *Fold) together(at *place) {
	b := &f.basket
	if b.products >= 2 && (len(b.categories) >= 2 || f.watch != nil) {
		if at.from.day == unknown {
			k := dayKey{at.store, at.date}
			index, _ := f.days.At(k.hash(), k)
			at.from.day = int32(index)
		}
		day, sums := uint32(at.from.day)<<1, &f.days.Entries()[at.from.day].Value
		if len(b.categories) >= 2 && sums.count(categories, b.categories, at.sign) {
			if f.kinds.learn(b.categories); sums.looked < f.kinds.worth() {
				sums.looked += cells(len(b.categories))
				f.pairUp(b.categories, day|uint32(categories), at.sign)
			} else {
				f.grids.grow(&sums.grid, f.kinds.n)
				f.pairIn(b.categories, day|uint32(categories), at.sign)
			}
		}
		if f.watch != nil && sums.count(products, b.watched, at.sign) {
			f.pairUp(b.watched, day|uint32(products), at.sign)
		}
	}
	b.products, b.categories, b.watched = 0, b.categories[:0], b.watched[:0]
}

// count counts a basket and says whether its pairs count too.
func (d *dayBaskets) count(l level, all []uint32, sign int64) bool {
	if len(all) > maxTogether {
		d.huge[l] += sign
		return false
	}
	d.baskets[l] += sign
	return true
}

func (f *Fold) pairUp(all []uint32, day uint32, sign int64) {
	for i, one := range all {
		f.pair(day, one, 0, sign)
		for _, other := range all[:i] {
			f.pair(day, min(one, other), max(one, other), sign)
		}
	}
}

// pairIn is pairUp for a day that has a grid.
func (f *Fold) pairIn(all []uint32, day uint32, sign int64) {
	for i, one := range all {
		kind := f.kinds.numbers[one]
		if kind == 0 {
			f.pair(day, one, 0, sign)
		} else {
			f.cross(day>>1, cell(kind, kind), sign)
		}
		for _, other := range all[:i] {
			if with := f.kinds.numbers[other]; kind == 0 || with == 0 {
				f.pair(day, min(one, other), max(one, other), sign)
			} else {
				f.cross(day>>1, cell(kind, with), sign)
			}
		}
	}
}

func (f *Fold) pair(day, left, right uint32, sign int64) {
	if f.pairUps.Full() {
		f.addPairs()
	}
	w := f.pairUps.Next()
	w.Key.day, w.Key.left, w.Key.right, w.Value, w.Index = day, left, right, int32(sign), table.Unlocated
	w.Hash = w.Key.hash()
}

// addPairs adds the pairs that wait to basket_pairs.
func (f *Fold) addPairs() {
	located := f.pairs.Locate(&f.pairUps)
	all := f.pairs.Entries()
	for i := range located {
		all[located[i].Index].Value += located[i].Value
	}
}

// sealPairs writes a day's baskets (left and right empty), those with one thing (right empty), and those with two, left before right.
func (f *Fold) sealPairs(blocks []*rollup.Block, ranks []uint32) []*rollup.Block {
	days, pairs := f.days.Entries(), f.counted()
	rows := make([]table.Row, 0, 2*len(days)+len(pairs))
	var m months
	row := func(index int, day uint32, left, right uint32) {
		k := &days[day>>1].Key
		rows = append(rows, table.Row{Month: m.of(k.date), Index: int32(index), Key: [3]uint64{
			table.Pack(table.Signed(k.date), ranks[k.store]), table.Pack(day&1, left), uint64(right),
		}})
	}
	for i := range days {
		for l := range uint32(2) {
			if s := &days[i].Value; s.baskets[l] != 0 || s.huge[l] != 0 {
				day := uint32(i)<<1 | l
				row(-1-int(day), day, 0, 0)
			}
		}
	}
	for i := range pairs {
		k := &pairs[i].Key
		left, right := ranks[k.left], ranks[k.right]
		if k.right != 0 && right < left {
			left, right = right, left
		}
		row(i, k.day, left, right)
	}
	for month, rows := range table.Months(rows) {
		b := rollup.NewBlock("basket_pairs", month, len(rows))
		date, store, of := b.PartitionDays("business_date"), b.String("store_id"), b.String("level")
		left, right := b.String("left"), b.String("right")
		baskets, huge := b.SumInt64("baskets"), b.SumInt64("huge")
		for i, r := range rows {
			var day uint32
			if r.Index < 0 {
				day = uint32(-1 - r.Index)
				s := &days[day>>1].Value
				baskets[i], huge[i] = s.baskets[day&1], s.huge[day&1]
			} else {
				k := &pairs[r.Index].Key
				day, baskets[i] = k.day, int64(pairs[r.Index].Value)
				left[i], right[i] = f.names.String(k.left), f.names.String(k.right)
				if k.right != 0 && ranks[k.right] < ranks[k.left] {
					left[i], right[i] = right[i], left[i]
				}
			}
			k := &days[day>>1].Key
			date[i], store[i], of[i] = rollup.Days(k.date), f.names.String(k.store), level(day&1).String()
		}
		blocks = append(blocks, b.Seal())
	}
	return blocks
}
