package table

import (
	"cmp"
	"iter"
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
	slices.SortFunc(rows, func(a, b Row) int {
		switch {
		case a.Month != b.Month:
			return cmp.Compare(a.Month, b.Month)
		case a.Key[0] != b.Key[0]:
			return cmp.Compare(a.Key[0], b.Key[0])
		case a.Key[1] != b.Key[1]:
			return cmp.Compare(a.Key[1], b.Key[1])
		}
		return cmp.Compare(a.Key[2], b.Key[2])
	})
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

// Sample is one value for the array column of an entry.
type Sample[T cmp.Ordered] struct {
	Index int32 // of the entry
	Value T
}

// Group gives each of n entries its samples, sorted, in fresh memory: the arrays depend on what was sampled, not on its order.
func Group[T cmp.Ordered](samples []Sample[T], n int) [][]T {
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
	for _, g := range groups {
		slices.Sort(g)
	}
	return groups
}
