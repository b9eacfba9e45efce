package clickhouse

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/tillstream/tillstream/processor/rollup"
)

// counter is a column of counts by value, as schemas/clickhouse 0030 has the server reckon it by DEFAULT out of values that were added and values that were taken off.
// Planning these expressions costs the server 4 to 10 ms an INSERT, however few rows it has, so blocks bring what they give.
type counter struct {
	column, kind string
	in, out      string            // columns of the block
	of           func(int64) int64 // what is counted of a value; nil: itself
	flagged      bool              // the lowest bit of a value says that it is counted in the second list too
}

const (
	of32     = "Tuple(Array(UInt32), Array(Int64))"
	ofSigned = "Tuple(Array(Int32), Array(Int64))"
	ofTries  = "Tuple(Array(UInt16), Array(Int64), Array(Int64))"
)

// counters by table.
func counters(table string) []counter {
	switch table {
	case "sales_hourly":
		return []counter{
			{column: "customer_counts", kind: of32, in: "customers_in", out: "customers_out", of: customerHash},
			{column: "basket_counts", kind: ofSigned, in: "baskets_in", out: "baskets_out", of: bucket},
		}
	case "customer_days":
		return []counter{{column: "time_counts", kind: of32, in: "times_in", out: "times_out"}}
	case "payments_hourly":
		return []counter{{column: "auth_counts", kind: of32, in: "auth_in", out: "auth_out"}}
	case "terminal_payments":
		return []counter{
			{column: "tries", kind: ofTries, in: "tries_in", out: "tries_out", flagged: true},
			{column: "auth_counts", kind: of32, in: "auth_in", out: "auth_out"},
		}
	}
	return nil
}

// customerHash is toUInt32(cityHash64(x)): of an integer that is ClickHouse's intHash64 with another constant (src/Functions/FunctionsHashing.h).
func customerHash(x int64) int64 {
	h := uint64(x) ^ 0x4CF2D2BAAE6DA887
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	return int64(uint32(h))
}

// bucket is that of quantilesDD(0.01): its bounds are powers of 1.01/0.99, and negative numbers mirror the others.
func bucket(x int64) int64 {
	switch {
	case x == 0:
		return 0
	case x < 0:
		return -bucket(-x)
	}
	return 1 + int64(math.Ceil(math.Log(float64(x))/gamma))
}

var gamma = math.Log(1.01 / 0.99)

// tally are the data of a counter's column: of each row the values in ascending order, and how often each is there.
type tally struct {
	kind   string
	ends   []uint64 // where the rows end in the lists
	values []int64
	n      [][]int64 // one list, or two where some are flagged
}

// tallied gives the block with the columns of counters in place of what only they are made of.
func tallied(b *rollup.Block) (*rollup.Block, error) {
	all := counters(b.Table)
	if len(all) == 0 {
		return b, nil
	}
	with := *b
	with.Columns = slices.Clone(b.Columns)
	var codes []int64
	for i := range all {
		c := &all[i]
		in, out := data(b, c.in), data(b, c.out)
		with.Columns = slices.DeleteFunc(with.Columns, func(has rollup.Column) bool { return has.Name == c.in || has.Name == c.out })
		if length(in) != b.Rows+1 || length(out) != b.Rows+1 {
			return nil, fmt.Errorf("column %s: %d values of type %T added and %d taken off in a block of %d rows", c.column, length(in), in, length(out), b.Rows+1)
		}
		t := &tally{kind: c.kind, ends: make([]uint64, b.Rows+1), n: make([][]int64, 1, 2)}
		if c.flagged {
			t.n = t.n[:2]
		}
		n := valuesOf(in) + valuesOf(out) // at most
		t.values = make([]int64, 0, n)
		for l := range t.n {
			t.n[l] = make([]int64, 0, n)
		}
		for row := range t.ends {
			codes = c.code(c.code(codes[:0], in, row, 0), out, row, 1)
			slices.Sort(codes)
			t.add(codes)
			t.ends[row] = uint64(len(t.values))
		}
		with.Columns = append(with.Columns, rollup.Column{Name: c.column, Data: t})
	}
	return &with, nil
}

// valuesOf counts the values of arrays.
func valuesOf(data any) (n int) {
	switch d := data.(type) {
	case [][]uint32:
		for _, v := range d {
			n += len(v)
		}
	case [][]uint64:
		for _, v := range d {
			n += len(v)
		}
	case [][]int64:
		for _, v := range d {
			n += len(v)
		}
	}
	return n
}

func data(b *rollup.Block, column string) any {
	for _, c := range b.Columns {
		if c.Name == column {
			return c.Data
		}
	}
	return nil
}

// code appends the values of a row, each with a bit that says whether it was taken off.
func (c *counter) code(codes []int64, data any, row int, off int64) []int64 {
	one := func(v int64) {
		if c.of != nil {
			v = c.of(v)
		}
		codes = append(codes, v<<1|off)
	}
	switch d := data.(type) {
	case [][]uint32:
		for _, v := range d[row] {
			one(int64(v))
		}
	case [][]uint64:
		for _, v := range d[row] {
			one(int64(v))
		}
	case [][]int64:
		for _, v := range d[row] {
			one(v)
		}
	}
	return codes
}

// add counts a row's codes, which are sorted. What was added as often as it was taken off is not there.
func (t *tally) add(codes []int64) {
	lists := len(t.n) // and so many bits beside a value
	for i := 0; i < len(codes); {
		value := codes[i] >> lists
		var n [2]int64
		for ; i < len(codes) && codes[i]>>lists == value; i++ {
			sign := 1 - 2*(codes[i]&1)
			n[0] += sign
			n[1] += sign * (codes[i] >> 1 & int64(lists-1))
		}
		if n != [2]int64{} {
			t.values = append(t.values, value)
			for l := range t.n {
				t.n[l] = append(t.n[l], n[l])
			}
		}
	}
}

// native adds the column in ClickHouse's format Native: one array after the other.
func (t *tally) native(e *body) {
	addWords(e, true, t.ends)
	addEach(e, t.values, func(b []byte, v int64) []byte {
		if len(t.n) > 1 {
			return binary.LittleEndian.AppendUint16(b, uint16(v))
		}
		return binary.LittleEndian.AppendUint32(b, uint32(v))
	})
	for _, list := range t.n {
		addWords(e, true, t.ends)
		addWords(e, true, list)
	}
}

// driver appends the column to clickhouse-go's.
func (t *tally) driver(col driver.BatchColumn) error {
	from := uint64(0)
	for _, end := range t.ends {
		row := make([]any, 0, 3)
		switch t.kind {
		case ofSigned:
			row = append(row, converted[int32](t.values[from:end]))
		case ofTries:
			row = append(row, converted[uint16](t.values[from:end]))
		default:
			row = append(row, converted[uint32](t.values[from:end]))
		}
		for _, list := range t.n {
			row = append(row, list[from:end])
		}
		if err := col.AppendRow(row); err != nil {
			return err
		}
		from = end
	}
	return nil
}

func converted[T int32 | uint16 | uint32](values []int64) []T {
	list := make([]T, len(values))
	for i, v := range values {
		list[i] = T(v)
	}
	return list
}
