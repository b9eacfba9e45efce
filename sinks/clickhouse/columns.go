package clickhouse

import (
	"fmt"
	"math"
	"strings"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/rollup"
)

// latest is what a later time is kept as, in ms: 2262-04-11. clickhouse-go takes a DateTime64 through 64 bits of nanoseconds, as do many who read it; what goes
// beyond is in the year 1715.
const latest = math.MaxInt64 / 1_000_000

// scratch is memory for one block's columns in the types that clickhouse-go takes; it is used again by later blocks.
type scratch struct {
	texts  []string
	times  []time.Time
	ints   []int64
	intsAt []*int64
	u8     []uint8
	u8At   []*uint8

	encoded []byte // a piece of a body
}

// grow gives n elements whose content is undefined.
func grow[T any](s *[]T, n int) []T {
	if cap(*s) < n {
		*s = make([]T, n)
	}
	return (*s)[:n]
}

// fill appends the block to the batch, column by column, in the order of wire. clickhouse-go copies what it is given.
func (s *scratch) fill(batch driver.Batch, kinds []ch.ColumnNameAndType, in processor.Insert) error {
	n := in.Block.Rows + 1
	i := 0
	return s.columns(in, func(name string, data any) error {
		if err := s.append(batch.Column(i), kinds[i].Type, data, n); err != nil {
			return fmt.Errorf("column %s: %w", name, err)
		}
		i++
		return nil
	})
}

// columns gives the columns in the order of wire. Their data are valid during the call.
func (s *scratch) columns(in processor.Insert, next func(name string, data any) error) error {
	n := in.Block.Rows + 1
	lane, mark := false, false
	for _, c := range in.Block.Columns {
		data := c.Data
		switch c.Name {
		case "lane":
			lane = true
			data = s.withFirst(data.([]string), in.Lane, n)
		case "mark":
			mark = true
			data = s.withFirst(data.([]string), in.Mark, n)
		}
		if err := next(c.Name, data); err != nil {
			return err
		}
	}
	if !lane {
		if err := next("lane", s.withFirst(nil, in.Lane, n)); err != nil {
			return err
		}
	}
	if !mark {
		return next("mark", s.withFirst(nil, in.Mark, n))
	}
	return nil
}

// withFirst is a text column whose first value is given and whose others are those of data, or empty.
func (s *scratch) withFirst(data []string, first string, n int) []string {
	texts := grow(&s.texts, n)
	clear(texts)
	copy(texts, data)
	texts[0] = first
	return texts
}

func (s *scratch) append(col driver.BatchColumn, kind string, data any, n int) error {
	if got := length(data); got != n {
		return fmt.Errorf("%d values of type %T in a block of %d rows", got, data, n)
	}
	switch d := data.(type) {
	case []rollup.Days:
		times := grow(&s.times, n)
		for i, v := range d {
			times[i] = time.Unix(int64(v)*86400, 0).UTC()
		}
		return col.Append(times)
	case []rollup.Seconds:
		ints := grow(&s.ints, n)
		for i, v := range d {
			ints[i] = int64(v)
		}
		return col.Append(ints)
	case []rollup.Millis:
		ints := grow(&s.ints, n)
		for i, v := range d {
			ints[i] = min(int64(v), latest)
		}
		return col.Append(ints)
	case []rollup.NullMillis:
		ints, at := grow(&s.ints, n), grow(&s.intsAt, n)
		for i, v := range d {
			ints[i], at[i] = min(int64(v), latest), &ints[i]
			if v == rollup.Null {
				at[i] = nil
			}
		}
		return col.Append(at)
	case []rollup.NullUint8:
		u8, at := grow(&s.u8, n), grow(&s.u8At, n)
		for i, v := range d {
			u8[i], at[i] = uint8(v), &u8[i]
			if v < 0 {
				at[i] = nil
			}
		}
		return col.Append(at)
	case *tally:
		return d.driver(col)
	case [][]string:
		return each(col, d)
	case [][]uint64:
		return each(col, d)
	case [][]int64:
		return each(col, d)
	case [][]uint32:
		if strings.HasPrefix(kind, "Array(DateTime") {
			return instants(s, col, d)
		}
		return each(col, d)
	}
	return col.Append(data)
}

// instants appends arrays of seconds since 1970 to an Array(DateTime) column.
func instants(s *scratch, col driver.BatchColumn, rows [][]uint32) error {
	for _, v := range rows {
		ints := grow(&s.ints, len(v))
		for i, x := range v {
			ints[i] = int64(x)
		}
		if err := col.AppendRow(ints); err != nil {
			return err
		}
	}
	return nil
}

// each appends arrays one by one: for a slice of slices clickhouse-go would go through reflection for every element.
func each[T any](col driver.BatchColumn, rows [][]T) error {
	for _, v := range rows {
		if err := col.AppendRow(v); err != nil {
			return err
		}
	}
	return nil
}

// length counts the values of a column, or -1 for a type that blocks do not have.
func length(data any) int {
	switch d := data.(type) {
	case *tally:
		return len(d.ends)
	case []string:
		return len(d)
	case []uint8:
		return len(d)
	case []int32:
		return len(d)
	case []uint32:
		return len(d)
	case []uint64:
		return len(d)
	case []int64:
		return len(d)
	case []float32:
		return len(d)
	case [][]string:
		return len(d)
	case [][]uint64:
		return len(d)
	case [][]int64:
		return len(d)
	case [][]uint32:
		return len(d)
	case []rollup.Days:
		return len(d)
	case []rollup.Seconds:
		return len(d)
	case []rollup.Millis:
		return len(d)
	case []rollup.NullMillis:
		return len(d)
	case []rollup.NullUint8:
		return len(d)
	}
	return -1
}

// size estimates the bytes of a block in the server's memory.
func size(b *rollup.Block) int {
	total := 0
	for _, c := range b.Columns {
		switch d := c.Data.(type) {
		case *tally:
			total += (1+len(d.n))*8*len(d.ends) + (1+len(d.n))*8*len(d.values)
		case []string:
			for _, v := range d {
				total += len(v) + 9
			}
		case [][]string:
			for _, row := range d {
				total += 8
				for _, v := range row {
					total += len(v) + 9
				}
			}
		case [][]uint64:
			total += nested(d, 8)
		case [][]int64:
			total += nested(d, 8)
		case [][]uint32:
			total += nested(d, 4)
		default:
			total += 8 * (b.Rows + 1)
		}
	}
	return total
}

func nested[T any](rows [][]T, width int) int {
	total := 0
	for _, v := range rows {
		total += 8 + width*len(v)
	}
	return total
}
