package clickhouse

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor/rollup"
)

// The counts that a block brings are those that the server makes of the same values by DEFAULT, over either protocol; values are on both sides of each bound of a bucket.
func TestCountsAreThoseOfTheServer(t *testing.T) {
	s := fresh(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	var bounds []int64
	for k := range 1000 {
		x := int64(math.Pow(1.01/0.99, float64(k)))
		bounds = append(bounds, x, x+1, -x)
	}
	stores := make([]string, 3*len(bounds)/50)
	for i := range stores {
		stores[i] = fmt.Sprintf("s%03d", i)
	}
	for _, b := range []*rollup.Block{salesBlock(make([]sale, len(stores))...), customerBlock(stores...), paymentBlock(stores...), triesBlock(stores...)} {
		for _, c := range b.Columns {
			switch d := c.Data.(type) {
			case []string:
				if c.Name == "store_id" {
					copy(d[1:], stores)
				}
			case [][]uint32:
				fill(d, rnd, func(i int) uint32 { return uint32(i % 7200) })
			case [][]uint64:
				fill(d, rnd, func(i int) uint64 { return uint64(i) * 0x9E3779B97F4A7C15 })
			case [][]int64:
				fill(d, rnd, func(i int) int64 { return bounds[i%len(bounds)] })
			}
		}
		rows, said, made := make([]string, len(stores)), "store_id", "store_id"
		for i, store := range stores {
			rows[i] = "('" + store + "'"
		}
		for _, c := range counters(b.Table) {
			said, made = said+", "+c.in+", "+c.out, made+", "+c.column
			for i := range rows {
				for _, column := range []string{c.in, c.out} {
					rows[i] += ", " + strings.ReplaceAll(fmt.Sprint(reflect.ValueOf(data(b, column)).Index(i+1)), " ", ",")
				}
			}
		}
		counts := func() []string {
			return ask(t, s, made, fmt.Sprintf("FROM tillstream.%s WHERE lane = '' ORDER BY store_id", b.Table))
		}
		do(t, s, fmt.Sprintf("INSERT INTO tillstream.%s (%s) VALUES %s)", b.Table, said, strings.Join(rows, "), ")))
		want := counts()
		for name, f := range map[string]func(*Config){"http": nil, "native": overNative} {
			do(t, s, "TRUNCATE TABLE tillstream."+b.Table)
			insert(t, open(t, f), b, "g/0", "m", name+b.Table)
			if diff := cmp.Diff(want, counts()); diff != "" || len(want) != len(stores) {
				t.Errorf("%s over %s, %d rows: %.2000s", b.Table, name, len(want), diff)
			}
		}
	}
}

// fill gives each row but the first some values, many of them more than once.
func fill[T any](rows [][]T, rnd *rand.Rand, value func(i int) T) {
	n := 0
	for row := range rows[1:] {
		rows[row+1] = nil
		for range rnd.IntN(100) {
			if rnd.IntN(2) == 0 {
				n++
			}
			rows[row+1] = append(rows[row+1], value(n))
		}
	}
}

// A row with nothing to make a sketch of has the same one, whether a block has others that have something or not: then the column is left out.
func TestARowHasTheSketchThatItWouldHaveBesideOthers(t *testing.T) {
	s := fresh(t)
	for protocol, f := range map[string]func(*Config){"http": nil, "native": overNative} {
		sink := open(t, f)
		for i, names := range [][]string{{"a"}, {"b", "c"}} { // c has something
			b := qualityBlock(names...)
			in := data(b, "late_in").([][]uint32)
			in[1] = nil
			in[i+1] = slices.Repeat([]uint32{7}, i)
			insert(t, sink, b, "g/0", "m", fmt.Sprint(protocol, i))
			if sent := data(spared(sink.catalog[b.Table], b), "late_in") != nil; sent != (i == 1) {
				t.Errorf("of %v late_in is sent: %t", names, sent)
			}
		}
		got := ask(t, s, "terminal_id, CAST(late_s AS String) = (SELECT CAST(late_s AS String) FROM tillstream.data_quality WHERE terminal_id = 'a')", "FROM tillstream.data_quality WHERE lane = '' ORDER BY 1")
		if !slices.Equal(got, []string{"a 1", "b 1", "c 0"}) {
			t.Errorf("over %s: sketches like that of a: %v", protocol, got)
		}
		do(t, s, "TRUNCATE TABLE tillstream.data_quality")
	}
}
