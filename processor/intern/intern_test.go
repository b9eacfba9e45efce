package intern

import (
	"slices"
	"strconv"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

func TestTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tab := New()
		recent := make([]Recent, 2)
		known := []string{""} // by number
		word := rapid.OneOf(rapid.StringMatching(`[a-c]{0,3}`), rapid.String())
		for range rapid.IntRange(1, 8).Draw(t, "rounds") {
			for _, s := range rapid.SliceOfN(word, 0, 200).Draw(t, "strings") {
				buffer := []byte(s)
				id := recent[len(s)%2].ID(tab, string(buffer))
				if i := slices.Index(known, s); i < 0 {
					known = append(known, s)
				}
				if want := uint32(slices.Index(known, s)); id != want {
					t.Fatalf("ID(%q) = %d, want %d", s, id, want)
				}
				if got := tab.String(id); got != s {
					t.Fatalf("String(%d) = %q, want %q", id, got, s)
				}
			}
			sorted := slices.Sorted(slices.Values(known))
			ranks := tab.Ranks()
			if len(ranks) != len(known) || tab.Len() != len(known) {
				t.Fatalf("%d ranks and %d strings, want %d", len(ranks), tab.Len(), len(known))
			}
			for id, s := range known {
				if sorted[ranks[id]] != s {
					t.Fatalf("rank of %q is %d, where %q belongs", s, ranks[id], sorted[ranks[id]])
				}
			}
		}
	})
}

func TestClones(t *testing.T) {
	tab := New()
	buffer := []byte("till-1")
	id := tab.ID(unsafeString(buffer))
	copy(buffer, "xxxxxx")
	if got := tab.String(id); got != "till-1" {
		t.Errorf("the table kept the caller's buffer: %q", got)
	}
}

func TestTrim(t *testing.T) {
	tab := New()
	for i := range maxStrings - 1 {
		tab.ID(strconv.Itoa(i))
	}
	if tab.Trim() {
		t.Fatalf("trimmed at %d strings, the limit", tab.Len())
	}
	one := tab.ID("one too many")
	kept := tab.String(one)
	if !tab.Trim() || tab.Len() != 1 || tab.ID("") != 0 || tab.ID("again") != 1 || len(tab.Ranks()) != 2 {
		t.Errorf("%d strings after Trim beyond the limit, want the empty one only", tab.Len())
	}
	if kept != "one too many" {
		t.Errorf("a string given out before changed to %q", kept)
	}
	big := string(make([]byte, maxBytes))
	tab.ID(big)
	if !tab.Trim() {
		t.Errorf("not trimmed beyond %d bytes", maxBytes)
	}
}

func TestKnownStringsDoNotAllocate(t *testing.T) {
	tab := New()
	var words []string
	for i := range 1000 {
		words = append(words, "product-"+strconv.Itoa(i))
		tab.ID(words[i])
	}
	if n := testing.AllocsPerRun(10, func() {
		for _, w := range words {
			tab.ID(w)
		}
		tab.Ranks()
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func BenchmarkID(b *testing.B) {
	for _, n := range []int{1_000, 50_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			tab := New()
			words := make([]string, n)
			for i := range words {
				words[i] = strconv.Itoa(4_000_000_000_000 + i*7919)
				tab.ID(words[i])
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				tab.ID(words[uint32(i)*2654435761%uint32(n)])
			}
		})
	}
}

// unsafeString is a string that aliases a buffer, as the decoder makes them.
func unsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
