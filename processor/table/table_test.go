package table

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

type key struct{ a, b, c uint32 }

func (k key) hash() uint64 { return Mix(Pack(k.a, k.b), uint64(k.c)) }

// The table must agree with a Go map, with good hashes and with hashes that collide in whole or in the half that is looked at.
func TestTableAgainstMap(t *testing.T) {
	hashes := map[string]func(key) uint64{
		"mixed":     key.hash,
		"same":      func(key) uint64 { return 1<<63 | 7 },
		"low half":  func(k key) uint64 { return uint64(k.a) },
		"same slot": func(k key) uint64 { return 1<<64 - 1 - uint64(k.a)<<32 },
	}
	for name, hash := range hashes {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				var tab Table[key, int64]
				keys := rapid.Custom(func(t *rapid.T) key {
					return key{rapid.Uint32Range(0, 40).Draw(t, "a"), rapid.Uint32Range(0, 3).Draw(t, "b"), 1}
				})
				for range rapid.IntRange(1, 4).Draw(t, "batches") {
					want := map[key]int64{}
					var arrival []key
					for i, k := range rapid.SliceOfN(keys, 0, 300).Draw(t, "keys") {
						if _, ok := tab.Find(hash(k), k); ok != slices.Contains(arrival, k) {
							t.Fatalf("Find(%v) = %v", k, ok)
						}
						if !slices.Contains(arrival, k) {
							arrival = append(arrival, k)
						}
						index, v := tab.At(hash(k), k)
						if arrival[index] != k {
							t.Fatalf("index of %v is %d", k, index)
						}
						*v += int64(i)
						want[k] += int64(i)
					}
					got := map[key]int64{}
					for i, e := range tab.Entries() {
						if e.Key != arrival[i] {
							t.Fatalf("entry %d is %v, want %v", i, e.Key, arrival[i])
						}
						got[e.Key] = e.Value
					}
					if !maps.Equal(got, want) || tab.Len() != len(want) {
						t.Fatalf("%v, want %v", got, want)
					}
					tab.Reset()
				}
			})
		})
	}
}

// What is pushed into a queue must come to the table as if it had been added at once, in the same order, however often it is located in between.
func TestQueueAgainstAt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var queued, direct Table[key, int64]
		var q Queue[key, int64]
		add := func() {
			located := queued.Locate(&q)
			for i := range located {
				queued.Entries()[located[i].Index].Value += located[i].Value
			}
		}
		for i, a := range rapid.SliceOfN(rapid.Uint32Range(0, 90), 0, 400).Draw(t, "keys") {
			k := key{a: a}
			_, v := direct.At(k.hash(), k)
			*v += int64(i)
			if q.Full() || rapid.IntRange(0, 99).Draw(t, "early") == 0 {
				add()
			}
			w := q.Next()
			w.Hash, w.Key, w.Value, w.Index = k.hash(), k, int64(i), Unlocated
			if at, ok := queued.Find(k.hash(), k); ok && rapid.Bool().Draw(t, "known") {
				w.Hash, w.Key, w.Index = 0, key{}, int32(at)
			}
		}
		add()
		if !slices.Equal(queued.Entries(), direct.Entries()) {
			t.Fatalf("%v, want %v", queued.Entries(), direct.Entries())
		}
	})
}

func TestMixSpreads(t *testing.T) {
	// Packed keys differ in few bits. With n keys in 2^32 tags n*n/2^33 pairs are expected to collide: 2.3 here.
	seen := map[uint64]int{}
	for a := range uint32(100) {
		for b := range uint32(1400) {
			seen[key{a, b, 3}.hash()>>32]++
		}
	}
	if collisions := 140_000 - len(seen); collisions > 20 {
		t.Errorf("%d collisions among 140,000 packed keys", collisions)
	}
}

func TestResetKeepsWhatIsUsed(t *testing.T) {
	var tab Table[key, int64]
	fill := func(n uint32) {
		for i := range n {
			k := key{a: i}
			tab.At(k.hash(), k)
		}
		tab.Reset()
	}
	fill(10_000)
	if n := testing.AllocsPerRun(10, func() { fill(10_000) }); n != 0 {
		t.Errorf("%v allocations for a batch like the last one, want none", n)
	}
	fill(100)
	if c := cap(tab.entries); c > 1000 {
		t.Errorf("%d entries kept after a batch of 100", c)
	}
}

func TestMonths(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		wide, narrow := []int32{-2_000_000_000, -1, 0, 1, 2_000_000_000}, []int32{0, 1, 200}
		word := rapid.SampledFrom(rapid.SampledFrom([][]int32{wide, narrow}).Draw(t, "of"))
		type plain struct {
			month      uint32
			a, b, c, d int32
		}
		least := rapid.SampledFrom([]int{0, 0, 0, 400}).Draw(t, "at least") // so many that many are equal in some bytes
		want := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) plain {
			return plain{
				rapid.SampledFrom([]uint32{202512, 202601, 202602}).Draw(t, "month"),
				word.Draw(t, "a"), word.Draw(t, "b"), word.Draw(t, "c"), word.Draw(t, "d"),
			}
		}), least, -1).Draw(t, "rows")
		rows := make([]Row, len(want))
		for i, p := range want {
			rows[i] = Row{p.month, int32(i), [3]uint64{Pack(Signed(p.a), Signed(p.b)), uint64(Signed(p.c)), uint64(Signed(p.d))}}
		}
		var got []plain
		var months []uint32
		for m, part := range Months(rows) {
			months = append(months, m)
			for _, r := range part {
				if r.Month != m {
					t.Fatalf("row of %d in %d", r.Month, m)
				}
				got = append(got, want[r.Index])
			}
		}
		slices.SortFunc(want, func(x, y plain) int {
			return cmp.Or(cmp.Compare(x.month, y.month), cmp.Compare(x.a, y.a), cmp.Compare(x.b, y.b), cmp.Compare(x.c, y.c), cmp.Compare(x.d, y.d))
		})
		if !slices.Equal(got, want) {
			t.Fatalf("order %v, want %v", got, want)
		}
		if !slices.IsSorted(months) || len(slices.Compact(slices.Clone(months))) != len(months) {
			t.Fatalf("months %v", months)
		}
	})
}

func TestGroup(t *testing.T) {
	samples := []Sample[int64]{{2, 5}, {0, 1}, {2, -4}, {2, 5}, {4, 9}}
	got := Group(samples, 5)
	if diff := gocmp.Diff([][]int64{{1}, nil, {-4, 5, 5}, nil, {9}}, got); diff != "" {
		t.Error(diff)
	}
	_ = append(got[0], 99) // must not reach the neighbour
	if got[2][0] != -4 {
		t.Error("groups share room")
	}
}

// Whatever values are and however many, they are sorted as by comparison.
func TestGroupSorts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		of := rapid.SampledFrom([]*rapid.Generator[int64]{rapid.Int64(), rapid.Int64Range(-300, 70_000), rapid.Just(int64(7))}).Draw(t, "of")
		values := rapid.SliceOfN(of, 0, 300).Draw(t, "values")
		var signed []Sample[int64]
		var plain []Sample[uint64]
		var want []uint64
		for _, v := range values {
			signed, plain, want = append(signed, Sample[int64]{1, v}), append(plain, Sample[uint64]{0, uint64(v)}), append(want, uint64(v))
		}
		slices.Sort(values)
		slices.Sort(want)
		if got := Group(signed, 2)[1]; !slices.Equal(got, values) {
			t.Fatalf("%v, want %v", got, values)
		}
		if got := Group(plain, 2)[0]; !slices.Equal(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
	})
}

// The two ways to keep deltas: the figures decide for the table.
func BenchmarkUpsert(b *testing.B) {
	type sums [6]int64
	for _, n := range []uint32{1_000, 25_000, 650_000} {
		keys := make([]key, n)
		for i := range keys {
			keys[i] = key{uint32(i) % 100, uint32(i) / 100, 20_000}
		}
		pick := func(i int) key { return keys[uint32(i)*2654435761%n] }
		b.Run(fmt.Sprintf("table/%d", n), func(b *testing.B) {
			var tab Table[key, sums]
			for _, k := range keys {
				tab.At(k.hash(), k)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				k := pick(i)
				_, v := tab.At(k.hash(), k)
				v[0]++
				v[5] += int64(i)
			}
		})
		b.Run(fmt.Sprintf("map/%d", n), func(b *testing.B) {
			m := map[key]*sums{}
			for _, k := range keys {
				m[k] = new(sums)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				v := m[pick(i)]
				v[0]++
				v[5] += int64(i)
			}
		})
	}
}

func BenchmarkMonths(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			rows := make([]Row, n)
			for b.Loop() {
				for i := range rows {
					rows[i] = Row{202601, int32(i), [3]uint64{uint64(i) % 100, uint64(uint32(i) * 2654435761), 1}}
				}
				for range Months(rows) {
				}
			}
		})
	}
}
