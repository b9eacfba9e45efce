package clickhouse

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/rollup"
)

// body is a block in ClickHouse's format Native, encoded straight from the columns of the fold: clickhouse-go would copy every column twice first, and let each grow from
// nothing. It is encoded as it is sent, in pieces that stay in a processor's cache. What can be wrong with it is found before.
type body struct {
	parts []part
	next  int    // part
	row   int    // of it
	piece []byte // what is encoded, and not read yet from
	read  int
}

// part are rows of a column that are encoded one by one, some at a time.
type part struct {
	rows, step int
	append     func(b []byte, from, to int) []byte
}

const (
	pieceBytes = 64 << 10 // and less than one step more
	fewRows    = 64       // at a time, of values that may be long
	manyRows   = 4096
)

// native is the block as it is sent. Its memory is that of a scratch.
func (s *scratch) native(kinds []ch.ColumnNameAndType, in processor.Insert) (*body, error) {
	n := in.Block.Rows + 1
	e := &body{piece: s.encoded[:0]}
	e.add(1, 1, func(b []byte, _, _ int) []byte {
		return binary.AppendUvarint(binary.AppendUvarint(b, uint64(len(kinds))), uint64(n))
	})
	for i, k := range kinds {
		e.add(1, 1, func(b []byte, _, _ int) []byte { return appendText(appendText(b, k.Name), k.Type) })
		var data any
		if i < len(in.Block.Columns) {
			data = in.Block.Columns[i].Data
			if got := length(data); got != n {
				return nil, fmt.Errorf("column %s: %d values of type %T in a block of %d rows", k.Name, got, data, n)
			}
		}
		err := error(nil)
		switch k.Name {
		case "lane":
			err = e.own(k.Type, data, in.Lane, n)
		case "mark":
			err = e.own(k.Type, data, in.Mark, n)
		default:
			err = e.column(k.Type, data)
		}
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", k.Name, err)
		}
	}
	return e, nil
}

func (e *body) add(rows, step int, f func(b []byte, from, to int) []byte) {
	e.parts = append(e.parts, part{rows, step, f})
}

// own adds a column of which the batch's own row has a text, and others those of data, or none.
func (e *body) own(kind string, data any, first string, n int) error {
	d, ok := data.([]string)
	if kind != "String" || data != nil && !ok {
		return mistyped(kind, data)
	}
	e.add(1, 1, func(b []byte, _, _ int) []byte { return appendText(b, first) })
	if d == nil {
		e.add(n-1, manyRows, func(b []byte, from, to int) []byte { return append(b, make([]byte, to-from)...) })
		return nil
	}
	e.texts(d[1:])
	return nil
}

func mistyped(kind string, data any) error {
	return fmt.Errorf("%T does not go into a column of type %s", data, kind)
}

// column adds the parts of a column.
func (e *body) column(kind string, data any) error {
	ok := false
	switch d := data.(type) {
	case []string:
		if ok = kind == "String"; ok {
			e.texts(d)
		}
	case []uint8:
		if ok = kind == "UInt8"; ok {
			e.add(len(d), manyRows, func(b []byte, from, to int) []byte { return append(b, d[from:to]...) })
		}
	case []int32:
		ok = addWords(e, kind == "Int32", d)
	case []uint32:
		ok = addWords(e, kind == "UInt32", d)
	case []uint64:
		ok = addWords(e, kind == "UInt64", d)
	case []int64:
		ok = addWords(e, kind == "Int64", d)
	case []float32:
		ok = addWords(e, kind == "Float32", d)
	case []rollup.Days:
		if ok = kind == "Date"; ok {
			for _, v := range d {
				if v < 0 || v > math.MaxUint16 {
					return fmt.Errorf("day %d is none that a Date can hold", v)
				}
			}
			addEach(e, d, func(b []byte, v rollup.Days) []byte { return binary.LittleEndian.AppendUint16(b, uint16(v)) })
		}
	case []rollup.Seconds:
		if ok = strings.HasPrefix(kind, "DateTime("); ok {
			for _, v := range d {
				if v < 0 || v > math.MaxUint32 {
					return fmt.Errorf("second %d is none that a DateTime can hold", v)
				}
			}
			addEach(e, d, func(b []byte, v rollup.Seconds) []byte { return binary.LittleEndian.AppendUint32(b, uint32(v)) })
		}
	case []rollup.Millis:
		if ok = strings.HasPrefix(kind, "DateTime64(3"); ok {
			addEach(e, d, func(b []byte, v rollup.Millis) []byte {
				return binary.LittleEndian.AppendUint64(b, uint64(min(v, latest)))
			})
		}
	case []rollup.NullMillis:
		if ok = strings.HasPrefix(kind, "Nullable(DateTime64(3"); ok {
			addEach(e, d, func(b []byte, v rollup.NullMillis) []byte { return appendNull(b, v == rollup.Null) })
			addEach(e, d, func(b []byte, v rollup.NullMillis) []byte {
				if v == rollup.Null {
					v = 0
				}
				return binary.LittleEndian.AppendUint64(b, uint64(min(v, latest)))
			})
		}
	case []rollup.NullUint8:
		if ok = kind == "Nullable(UInt8)"; ok {
			addEach(e, d, func(b []byte, v rollup.NullUint8) []byte { return appendNull(b, v < 0) })
			addEach(e, d, func(b []byte, v rollup.NullUint8) []byte { return append(b, uint8(max(v, 0))) })
		}
	case [][]string:
		if ok = kind == "Array(String)"; ok {
			addEnds(e, d)
			e.add(len(d), 1, func(b []byte, row, _ int) []byte { return appendTexts(b, d[row]) })
		}
	case *tally:
		if ok = kind == d.kind; ok {
			d.native(e)
		}
	case [][]uint64:
		ok = addArrays(e, kind == "Array(UInt64)", d)
	case [][]int64:
		ok = addArrays(e, kind == "Array(Int64)", d)
	case [][]uint32:
		ok = addArrays(e, kind == "Array(UInt32)" || strings.HasPrefix(kind, "Array(DateTime("), d)
	}
	if !ok {
		return mistyped(kind, data)
	}
	return nil
}

func (e *body) texts(d []string) {
	e.add(len(d), fewRows, func(b []byte, from, to int) []byte { return appendTexts(b, d[from:to]) })
}

func appendTexts(b []byte, d []string) []byte {
	for _, v := range d {
		b = appendText(b, v)
	}
	return b
}

func appendText(b []byte, s string) []byte {
	if len(s) < 0x80 {
		b = append(b, byte(len(s)))
	} else {
		b = binary.AppendUvarint(b, uint64(len(s)))
	}
	return append(b, s...)
}

func appendNull(b []byte, null bool) []byte {
	if null {
		return append(b, 1)
	}
	return append(b, 0)
}

func addEach[T any](e *body, d []T, one func(b []byte, v T) []byte) {
	e.add(len(d), manyRows, func(b []byte, from, to int) []byte {
		for _, v := range d[from:to] {
			b = one(b, v)
		}
		return b
	})
}

// addWords adds a column of fixed width, if it is right there.
func addWords[T int32 | uint32 | int64 | uint64 | float32](e *body, ok bool, d []T) bool {
	if ok {
		e.add(len(d), manyRows, func(b []byte, from, to int) []byte { return appendWords(b, d[from:to]) })
	}
	return ok
}

func appendWords[T int32 | uint32 | int64 | uint64 | float32](b []byte, d []T) []byte {
	b, _ = binary.Append(b, binary.LittleEndian, d) // no error: the width is fixed
	return b
}

func addArrays[T uint32 | uint64 | int64](e *body, ok bool, rows [][]T) bool {
	if ok {
		addEnds(e, rows)
		e.add(len(rows), fewRows, func(b []byte, from, to int) []byte {
			for _, row := range rows[from:to] {
				b = appendWords(b, row)
			}
			return b
		})
	}
	return ok
}

// addEnds adds where arrays end in the list of their values.
func addEnds[T any](e *body, rows [][]T) {
	end := uint64(0)
	e.add(len(rows), manyRows, func(b []byte, from, to int) []byte {
		if from == 0 {
			end = 0
		}
		for _, row := range rows[from:to] {
			end += uint64(len(row))
			b = binary.LittleEndian.AppendUint64(b, end)
		}
		return b
	})
}

// encode replaces the piece by the next one, which is empty at the end.
func (e *body) encode() {
	e.piece, e.read = e.piece[:0], 0
	for e.next < len(e.parts) && len(e.piece) < pieceBytes {
		p := &e.parts[e.next]
		to := min(e.row+p.step, p.rows)
		e.piece = p.append(e.piece, e.row, to)
		if e.row = to; to == p.rows {
			e.next, e.row = e.next+1, 0
		}
	}
}

func (e *body) Read(b []byte) (n int, err error) {
	if e.read == len(e.piece) {
		if e.encode(); len(e.piece) == 0 {
			return 0, io.EOF
		}
	}
	n = copy(b, e.piece[e.read:])
	e.read += n
	return n, nil
}

// WriteTo is Read without a copy in between.
func (e *body) WriteTo(w io.Writer) (written int64, err error) {
	for {
		if e.read == len(e.piece) {
			if e.encode(); len(e.piece) == 0 {
				return written, nil
			}
		}
		n, err := w.Write(e.piece[e.read:])
		e.read += n
		written += int64(n)
		if err != nil {
			return written, err
		}
	}
}

// Seek goes back to the beginning, and nowhere else.
func (e *body) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != io.SeekStart {
		return 0, errors.New("a block is sent from its beginning")
	}
	e.piece, e.read, e.next, e.row = e.piece[:0], 0, 0, 0
	return 0, nil
}
