package interval

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

const top = 64 // instants of the model: 0 to 63

// model is a set as 64 bits.
type model uint64

func of(s Set) (m model) {
	for _, x := range s {
		for at := max(x.From, 0); at < min(x.To, top); at++ {
			m |= 1 << at
		}
	}
	return m
}

// Every operation agrees with the same operation on bits, and gives spans in order that neither touch nor are empty.
func TestAlgebraAgreesWithBits(t *testing.T) {
	spans := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Span {
		return Span{rapid.Int64Range(0, top).Draw(t, "from"), rapid.Int64Range(0, top).Draw(t, "to")}
	}), 0, 8)
	rapid.Check(t, func(t *rapid.T) {
		xs, ys := spans.Draw(t, "xs"), spans.Draw(t, "ys")
		given := slices.Clone(xs)
		a, b := Of(xs...), Of(ys...)
		if !slices.Equal(given, xs) {
			t.Fatalf("Of changed what it was given: %v", xs)
		}
		cut := Span{rapid.Int64Range(0, top).Draw(t, "from"), rapid.Int64Range(0, top).Draw(t, "to")}
		kept, other := slices.Clone(a), slices.Clone(b)
		ma, mb, mc := of(a), of(b), of(Set{cut})
		for _, c := range []struct {
			name string
			got  Set
			want model
		}{
			{"of", a, func() (m model) {
				for _, x := range xs {
					m |= of(Set{x})
				}
				return m
			}()},
			{"union", a.Union(b), ma | mb},
			{"intersect", a.Intersect(b), ma & mb},
			{"subtract", a.Subtract(b), ma &^ mb},
			{"within", a.Within(cut), ma & mc},
		} {
			if of(c.got) != c.want {
				t.Errorf("%s of %v and %v (%v) is %v", c.name, a, b, cut, c.got)
			}
			for i, x := range c.got {
				if x.Empty() || i > 0 && c.got[i-1].To >= x.From {
					t.Errorf("%s gives %v: empty, touching or out of order", c.name, c.got)
				}
			}
		}
		var length, overlap, shared int64
		next, found := a.Next(cut.From)
		for at := cut.From; ; at++ {
			if at >= top {
				if found {
					t.Errorf("%v goes on at %d after %d", a, next, cut.From)
				}
				break
			}
			if ma>>at&1 == 1 {
				if !found || next != at {
					t.Errorf("%v goes on at %d (%v) after %d, want %d", a, next, found, cut.From, at)
				}
				break
			}
		}
		for at := range int64(top) {
			in := ma>>at&1 == 1
			if a.Holds(at) != in {
				t.Errorf("%v holds %d: %v", a, at, !in)
			}
			if in && mb>>at&1 == 1 {
				shared++
			}
			if in {
				length++
				if cut.From <= at && at < cut.To {
					overlap++
				}
			}
		}
		if a.Length() != length || a.Overlap(cut) != overlap {
			t.Errorf("%v: length %d, overlap with %v %d; want %d, %d", a, a.Length(), cut, a.Overlap(cut), length, overlap)
		}
		if got := a.Shared(b); got != shared {
			t.Errorf("%v and %v share %d, want %d", a, b, got, shared)
		}
		if !slices.Equal(a, kept) || !slices.Equal(b, other) {
			t.Error("an operation changed its operands")
		}
	})
}

func TestOpenEnds(t *testing.T) {
	if got := All().Subtract(Of(Span{0, 10})); !slices.Equal(got, Set{{Min, 0}, {10, Max}}) {
		t.Errorf("all but [0,10) is %v", got)
	}
	if got := All().Within(Span{3, 5}); !slices.Equal(got, Set{{3, 5}}) {
		t.Errorf("all within [3,5) is %v", got)
	}
}
