package table

import (
	"cmp"
	"iter"
	"math/bits"
	"slices"
)

// Row is the place of one entry in the blocks of a batch.
type Row struct {
	Month uint32    // yyyymm of the ClickHouse partition
	Index int32     // in Entries
	Key   [3]uint64 // orders rows as the table's key does; see Pack and Signed
}

// Pack puts two parts of a key into one word that orders like them.
func Pack(hi, lo uint32) uint64 { return uint64(hi)<<32 | uint64(lo) }

// Signed is a word that orders like v.
func Signed(v int32) uint32 { return uint32(v) ^ 1<<31 }

// Months sorts rows by month and key and yields them month by month: one block each.
func Months(rows []Row) iter.Seq2[uint32, []Row] {
	rows = order(rows)
	return func(yield func(uint32, []Row) bool) {
		for len(rows) > 0 {
			month := rows[0].Month
			n := slices.IndexFunc(rows, func(r Row) bool { return r.Month != month })
			if n < 0 {
				n = len(rows)
			}
			if !yield(month, rows[:n]) {
				return
			}
			rows = rows[n:]
		}
	}
}

// Of more bytes than whole only the first few are sorted by.
const (
	whole = 6
	few   = 4
)

// order is a radix sort from the last byte of the key to the month. Bytes in which no two rows differ, which are most of a packed
// key, are passed over: on 100,000 rows it takes a third of the time of a sort by comparison. Of a key that is a hash the first bytes tell nearly all rows apart, so
// they are sorted by no more: the rest is for the few that are equal in these.
func order(rows []Row) []Row {
	if len(rows) < 2 {
		return rows
	}
	var differ [4]uint64
	for i := range rows {
		for w := range differ {
			differ[w] |= rows[i].word(w) ^ rows[0].word(w)
		}
	}
	digits := make([]digit, 0, 8*len(differ)) // the last first
	for w := len(differ) - 1; w >= 0; w-- {
		for shift := 0; shift < 64; shift += 8 {
			if differ[w]>>shift&0xff != 0 {
				digits = append(digits, digit{w, shift})
			}
		}
	}
	rest := 0
	if len(digits) > whole {
		rest = len(digits) - few
	}
	rows, spare := distribute(rows, make([]Row, len(rows)), digits[rest:])
	if rest > 0 {
		settle(rows, spare, digits[:rest], digits[rest:])
	}
	return rows
}

// digit is a byte of what rows are ordered by.
type digit struct{ word, shift int }

// distribute sorts rows by digits, the last first, and gives them and other memory, which are those that it was given, or the other way round.
func distribute(rows, spare []Row, digits []digit) (sorted, other []Row) {
	for _, d := range digits {
		var at [256]int
		for i := range rows {
			at[byte(rows[i].word(d.word)>>d.shift)]++
		}
		from := 0
		for digit, n := range at {
			at[digit] = from
			from += n
		}
		for i := range rows {
			digit := byte(rows[i].word(d.word) >> d.shift)
			spare[at[digit]] = rows[i]
			at[digit]++
		}
		rows, spare = spare, rows
	}
	return rows, spare
}

// settle sorts by further digits what is equal in those that rows are sorted by.
func settle(rows, spare []Row, further, by []digit) {
	var sorted [4]uint64 // bits of words
	for _, d := range by {
		sorted[d.word] |= 0xff << d.shift
	}
	for len(rows) > 0 {
		n := 1
		for n < len(rows) && rows[n].equal(&rows[0], &sorted) {
			n++
		}
		switch {
		case n >= worth:
			if same, _ := distribute(rows[:n], spare[:n], further); &same[0] != &rows[0] {
				copy(rows, same)
			}
		case n > 1:
			slices.SortStableFunc(rows[:n], func(a, b Row) int {
				return cmp.Or(cmp.Compare(a.Month, b.Month), slices.Compare(a.Key[:], b.Key[:]))
			})
		}
		rows = rows[n:]
	}
}

func (r *Row) equal(to *Row, bits *[4]uint64) bool {
	differ := uint64(0)
	for w := range bits {
		differ |= (r.word(w) ^ to.word(w)) & bits[w]
	}
	return differ == 0
}

// word is the w-th word of what rows are ordered by.
func (r *Row) word(w int) uint64 {
	if w == 0 {
		return uint64(r.Month)
	}
	return r.Key[w-1]
}

// Number is what samples are of.
type Number interface{ int64 | uint32 | uint64 }

// Sample is one value for the array column of an entry.
type Sample[T Number] struct {
	Index int32 // of the entry
	Value T
}

// Group gives each of n entries its samples, sorted, in fresh memory: the arrays depend on what was sampled, not on its order.
func Group[T Number](samples []Sample[T], n int) [][]T {
	groups := make([][]T, n)
	counts := make([]int32, n)
	for _, s := range samples {
		counts[s.Index]++
	}
	all := make([]T, len(samples))
	for i, c := range counts {
		if c > 0 {
			groups[i], all = all[:0:c], all[c:]
		}
	}
	for _, s := range samples {
		groups[s.Index] = append(groups[s.Index], s.Value)
	}
	spare := make([]T, slices.Max(append(counts, 0)))
	for _, g := range groups {
		sort(g, spare)
	}
	return groups
}

// worth is how many values there have to be for each byte by which they are sorted: of fewer, comparisons are faster.
const worth = 32

// sort sorts values, by the bytes of their distances from the least if there are enough of them. spare is as long at least, and has anything afterwards.
func sort[T Number](values, spare []T) {
	if len(values) < worth {
		slices.Sort(values)
		return
	}
	least, differ := slices.Min(values), uint64(0)
	for _, v := range values {
		differ |= uint64(v) - uint64(least)
	}
	if 8*len(values) < worth*bits.Len64(differ) {
		slices.Sort(values)
		return
	}
	from, to := values, spare[:len(values)]
	for shift := 0; differ>>shift != 0; shift += 8 {
		var at [256]int32
		for _, v := range from {
			at[byte((uint64(v)-uint64(least))>>shift)]++
		}
		next := int32(0)
		for digit, n := range at {
			at[digit] = next
			next += n
		}
		for _, v := range from {
			digit := byte((uint64(v) - uint64(least)) >> shift)
			to[at[digit]] = v
			at[digit]++
		}
		from, to = to, from
	}
	copy(values, from) // in themselves, or from spare
}
