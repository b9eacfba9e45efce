package clickhouse

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/rollup"
)

// native encodes the block in ClickHouse's format Native, straight from the columns of the fold and in memory that is used again: clickhouse-go would copy
// every column twice first, and let each grow from nothing.
func (s *scratch) native(kinds []ch.ColumnNameAndType, in processor.Insert) ([]byte, error) {
	n, i := in.Block.Rows+1, 0
	head := 2*n + len(in.Lane) + len(in.Mark) // lane and mark
	for _, k := range kinds {
		head += len(k.Name) + len(k.Type) + 4
	}
	// Growing bit by bit would copy the block again and again: a sync.Pool forgets.
	b := binary.AppendUvarint(slices.Grow(s.encoded[:0], size(in.Block)+head+16), uint64(len(kinds)))
	b = binary.AppendUvarint(b, uint64(n))
	err := s.columns(in, func(name string, data any) (err error) {
		if got := length(data); got != n {
			return fmt.Errorf("column %s: %d values of type %T in a block of %d rows", name, got, data, n)
		}
		kind := kinds[i].Type
		i++
		b = appendText(appendText(b, name), kind)
		if b, err = appendColumn(b, kind, data); err != nil {
			return fmt.Errorf("column %s: %w", name, err)
		}
		return nil
	})
	s.encoded = b
	return b, err
}

func appendColumn(b []byte, kind string, data any) ([]byte, error) {
	ok := false
	switch d := data.(type) {
	case []string:
		if ok = kind == "String"; ok {
			for _, v := range d {
				b = appendText(b, v)
			}
		}
	case []uint8:
		if ok = kind == "UInt8"; ok {
			b = append(b, d...)
		}
	case []int32:
		ok = kind == "Int32"
	case []uint32:
		ok = kind == "UInt32"
	case []uint64:
		ok = kind == "UInt64"
	case []int64:
		ok = kind == "Int64"
	case []float32:
		ok = kind == "Float32"
	case []rollup.Days:
		if ok = kind == "Date"; ok {
			for _, v := range d {
				if v < 0 || v > math.MaxUint16 {
					return b, fmt.Errorf("day %d is none that a Date can hold", v)
				}
				b = binary.LittleEndian.AppendUint16(b, uint16(v))
			}
		}
	case []rollup.Seconds:
		if ok = strings.HasPrefix(kind, "DateTime("); ok {
			for _, v := range d {
				if v < 0 || v > math.MaxUint32 {
					return b, fmt.Errorf("second %d is none that a DateTime can hold", v)
				}
				b = binary.LittleEndian.AppendUint32(b, uint32(v))
			}
		}
	case []rollup.Millis:
		if ok = strings.HasPrefix(kind, "DateTime64(3"); ok {
			for _, v := range d {
				b = binary.LittleEndian.AppendUint64(b, uint64(v))
			}
		}
	case []rollup.NullMillis:
		if ok = strings.HasPrefix(kind, "Nullable(DateTime64(3"); ok {
			b = appendNulls(b, d, func(v rollup.NullMillis) bool { return v == rollup.Null })
			for _, v := range d {
				if v == rollup.Null {
					v = 0
				}
				b = binary.LittleEndian.AppendUint64(b, uint64(v))
			}
		}
	case []rollup.NullUint8:
		if ok = kind == "Nullable(UInt8)"; ok {
			b = appendNulls(b, d, func(v rollup.NullUint8) bool { return v < 0 })
			for _, v := range d {
				b = append(b, uint8(max(v, 0)))
			}
		}
	case [][]string:
		if ok = kind == "Array(String)"; ok {
			b = appendOffsets(b, d)
			for _, row := range d {
				for _, v := range row {
					b = appendText(b, v)
				}
			}
		}
	case *tally:
		if ok = kind == d.kind; ok {
			b = d.native(b)
		}
	case [][]uint64:
		ok = kind == "Array(UInt64)"
	case [][]int64:
		ok = kind == "Array(Int64)"
	case [][]uint32:
		ok = kind == "Array(UInt32)" || strings.HasPrefix(kind, "Array(DateTime(")
	}
	if !ok {
		return b, fmt.Errorf("%T does not go into a column of type %s", data, kind)
	}
	switch d := data.(type) {
	case []int32, []uint32, []uint64, []int64, []float32:
		return binary.Append(b, binary.LittleEndian, d)
	case [][]uint64:
		return appendArrays(b, d)
	case [][]int64:
		return appendArrays(b, d)
	case [][]uint32:
		return appendArrays(b, d)
	}
	return b, nil
}

func appendText(b []byte, s string) []byte {
	if len(s) < 0x80 {
		b = append(b, byte(len(s)))
	} else {
		b = binary.AppendUvarint(b, uint64(len(s)))
	}
	return append(b, s...)
}

func appendNulls[T any](b []byte, d []T, null func(T) bool) []byte {
	for _, v := range d {
		is := byte(0)
		if null(v) {
			is = 1
		}
		b = append(b, is)
	}
	return b
}

func appendOffsets[T any](b []byte, rows [][]T) []byte {
	end := uint64(0)
	for _, row := range rows {
		end += uint64(len(row))
		b = binary.LittleEndian.AppendUint64(b, end)
	}
	return b
}

func appendArrays[T uint32 | uint64 | int64](b []byte, rows [][]T) (_ []byte, err error) {
	b = appendOffsets(b, rows)
	for _, row := range rows {
		if b, err = binary.Append(b, binary.LittleEndian, row); err != nil {
			return b, err
		}
	}
	return b, nil
}
