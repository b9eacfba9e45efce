package availability

import (
	"cmp"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Whatever comes, and in whatever order, of each terminal its own is there, by time, and as it came where that is the same.
func TestPiecesAreByTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b inbox
		number, want := [3]int32{}, [3][]Evidence{}
		came := rapid.SliceOfN(rapid.IntRange(0, 3*40-1), 0, 200).Draw(t, "came")
		if rapid.Bool().Draw(t, "in order") {
			slices.SortStableFunc(came[:len(came)/2], func(x, y int) int { return cmp.Compare(x/3, y/3) })
			slices.SortStableFunc(came[len(came)/2:], func(x, y int) int { return cmp.Compare(x/3, y/3) })
		}
		for n, c := range came {
			of, ms := c%3, int64(c/3)
			e := Evidence{Time: ms, Start: ms, Sequence: uint64(n), Status: Up}
			number[of], want[of] = b.add(number[of], &e), append(want[of], e)
		}
		b.sort()
		for of := range want {
			slices.SortStableFunc(want[of], func(x, y Evidence) int { return cmp.Compare(x.Time, y.Time) })
			for range 2 {
				got := b.pieces(nil, number[of])
				if diff := gocmp.Diff(want[of], got, gocmp.AllowUnexported(Evidence{})); diff != "" && len(want[of])+len(got) > 0 {
					t.Fatal(diff)
				}
			}
		}
	})
}
