package clickhouse

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/iotest"

	chproto "github.com/ClickHouse/ch-go/proto"
	ch "github.com/ClickHouse/clickhouse-go/v2"
	columns "github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"
	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/rollup"
)

// driverBlock is a batch of clickhouse-go without a connection.
type driverBlock struct {
	driver.Batch
	block proto.Block
}

func (d *driverBlock) Column(i int) driver.BatchColumn { return driverColumn{d.block.Columns[i]} }

type driverColumn struct{ columns.Interface }

func (c driverColumn) Append(v any) error {
	_, err := c.Interface.Append(v)
	return err
}

// What native encodes is byte for byte what clickhouse-go would send.
func TestBlocksAreEncodedAsTheDriverDoes(t *testing.T) {
	var used scratch // as from the pool
	rapid.Check(t, func(t *rapid.T) {
		n, times := rapid.IntRange(0, 20).Draw(t, "rows"), rapid.SampledFrom([]int{1, 1, 1, 1, 1, 1, 1, 1, 1, 300}).Draw(t, "times") // one piece, or many
		b := rollup.NewBlock("t", 0, (n+1)*times-1)
		var kinds []ch.ColumnNameAndType
		add := func(kind string, data any) {
			name := fmt.Sprint("c", len(kinds))
			b.Columns = append(b.Columns, rollup.Column{Name: name, Data: data})
			kinds = append(kinds, ch.ColumnNameAndType{Name: name, Type: kind})
		}
		text := rapid.OneOf(rapid.String(), rapid.StringN(100, 400, -1))
		add("String", some(t, n, times, text))
		add("UInt8", some(t, n, times, rapid.Uint8()))
		add("Int32", some(t, n, times, rapid.Int32()))
		add("UInt32", some(t, n, times, rapid.Uint32()))
		add("UInt64", some(t, n, times, rapid.Uint64()))
		add("Int64", some(t, n, times, rapid.Int64()))
		add("Float32", some(t, n, times, rapid.Float32()))
		add("Date", some(t, n, times, rapid.Map(rapid.Uint16(), func(v uint16) rollup.Days { return rollup.Days(v) })))
		add("DateTime('UTC')", some(t, n, times, rapid.Map(rapid.Uint32(), func(v uint32) rollup.Seconds { return rollup.Seconds(v) })))
		millis := rapid.Int64Range(-2_000_000_000_000, 11_000_000_000_000)
		add("DateTime64(3, 'UTC')", some(t, n, times, rapid.Map(millis, func(v int64) rollup.Millis { return rollup.Millis(v) })))
		add("Nullable(DateTime64(3, 'UTC'))", some(t, n, times, rapid.OneOf(rapid.Just(rollup.Null), rapid.Map(millis, func(v int64) rollup.NullMillis { return rollup.NullMillis(v) }))))
		add("Nullable(UInt8)", some(t, n, times, rapid.Map(rapid.IntRange(-1, 255), func(v int) rollup.NullUint8 { return rollup.NullUint8(v) })))
		add("Array(String)", some(t, n, times, rapid.SliceOfN(text, 0, 4)))
		add("Array(UInt64)", some(t, n, times, rapid.SliceOfN(rapid.Uint64(), 0, 4)))
		add("Array(Int64)", some(t, n, times, rapid.SliceOfN(rapid.Int64(), 0, 4)))
		add("Array(UInt32)", some(t, n, times, rapid.SliceOfN(rapid.Uint32(), 0, 4)))
		add("Array(DateTime('UTC'))", some(t, n, times, rapid.SliceOfN(rapid.Uint32(), 0, 4)))
		for _, own := range []string{"lane", "mark"} {
			kinds = append(kinds, ch.ColumnNameAndType{Name: own, Type: "String"})
		}
		in := processor.Insert{Block: b, Lane: "g/0", Mark: "m"}

		var want driverBlock
		want.block.ServerContext = &columns.ServerContext{}
		for _, k := range kinds {
			if err := want.block.AddColumn(k.Name, columns.Type(k.Type)); err != nil {
				t.Fatal(err)
			}
		}
		if err := new(scratch).fill(&want, kinds, in); err != nil {
			t.Fatal(err)
		}
		var buffer chproto.Buffer
		if err := want.block.Encode(&buffer, 0); err != nil {
			t.Fatal(err)
		}
		encoded, err := used.native(kinds, in)
		if err != nil {
			t.Fatal(err)
		}
		part := make([]byte, rapid.IntRange(0, 1000).Draw(t, "read before"))
		if _, err := io.ReadFull(encoded, part); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
		if _, err := encoded.Seek(0, io.SeekStart); err != nil { // as if another server got it
			t.Fatal(err)
		}
		read, err := io.ReadAll(iotest.HalfReader(encoded))
		if err != nil || !bytes.Equal(read, buffer.Buf) {
			t.Fatalf("%v\ngot  %q\nwant %q", err, read, buffer.Buf)
		}
		var written bytes.Buffer
		if _, err := encoded.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if _, err := encoded.WriteTo(&written); err != nil || !bytes.Equal(written.Bytes(), buffer.Buf) {
			t.Fatalf("%v\ngot  %q\nwant %q", err, written.Bytes(), buffer.Buf)
		}
		used.encoded = encoded.piece
	})
}

func some[T any](t *rapid.T, n, times int, values *rapid.Generator[T]) []T {
	return slices.Repeat(rapid.SliceOfN(values, n+1, n+1).Draw(t, "values"), times)
}

// A column that the table has in another type, or a day that a Date cannot hold, is an error: it would be read as something else.
func TestColumnsOfAnotherTypeAreNotEncoded(t *testing.T) {
	for kind, data := range map[string]any{
		"Int64": []uint64{1}, "FixedString(2)": []string{"ab"}, "Date": []rollup.Days{1 << 16}, "DateTime('UTC')": []rollup.Seconds{-1}, "DateTime": []rollup.Millis{1},
		"Array(Int64)": [][]uint64{{1}}, "Date32": []rollup.Days{1}, "Array(LowCardinality(String))": [][]string{nil},
	} {
		if err := new(body).column(kind, data); err == nil {
			t.Errorf("%T is encoded as %s", data, kind)
		}
	}
}
