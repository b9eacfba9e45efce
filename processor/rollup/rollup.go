// Package rollup is what folds hand over: blocks of rows for ClickHouse and changed state, both without any I/O.
//
// A [Block] is the content of exactly one INSERT: one table, one ClickHouse partition (month), columns of equal length.
// Its slot 0 is not data: it is the ledger row, by which a table says which batch it holds (see package commit). The
// slot is filled by Block itself: keys stay empty, the partition column gets the first instant of the month, and every
// column made with a Sum… method gets the sum of its data rows. So a table carries, beside the data, control totals that
// were written in the same part as the data: `tillstream audit` compares the two.
package rollup

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Version orders the batches of a lane: a later epoch, then a later batch, wins.
type Version struct{ Epoch, Batch uint64 }

// Uint64 is the version column of ReplacingMergeTree tables: 24 bits of epoch, 40 bits of batch.
func (v Version) Uint64() uint64 { return v.Epoch<<40 | v.Batch }

// Input says where a record came from.
type Input struct {
	Topic     string
	Partition int32
	Offset    int64
	Timestamp int64 // Kafka record timestamp, ms since 1970
	// Sender is a number, small and not 0, that stands for the topic, the partition and the terminal of the event for as long as a folder lives: folds find by it what
	// they looked up before. 0 says nothing.
	Sender uint32
}

// Senders is what a fold remembers of senders by their number. The zero value is ready; it takes as much as T for each sender.
type Senders[T any] struct {
	all  []T
	none T
}

// Of is what is remembered of the sender of an event, zero at first. It stays there until the next Of. Of an event whose sender has no number nothing is.
func (s *Senders[T]) Of(in Input) *T {
	switch n := int(in.Sender); {
	case n == 0:
		var zero T
		s.none = zero
		return &s.none
	case n > len(s.all):
		s.all = slices.Grow(s.all, n-len(s.all))[:n]
	}
	return &s.all[in.Sender-1]
}

// Peek is a copy of what is remembered of a sender by its number.
func (s *Senders[T]) Peek(sender uint32) (of T) {
	if i := int64(sender) - 1; i >= 0 && i < int64(len(s.all)) {
		of = s.all[i]
	}
	return of
}

// StateRow is one entity's state after a batch. State belongs to a partition (not to a lane), so that another number of
// lanes, or another owner, only regroups it.
type StateRow struct {
	Partition int32
	Kind, Key string
	Value     []byte
	Deleted   bool
}

// KindPast is the kind of state that a fold does not keep in memory. It is not loaded when a lane starts, but read again, row by row, when it is wanted.
const KindPast = "past"

// PastKey names a row of KindPast.
type PastKey struct {
	Partition int32
	Key       string
}

// Sealed is what closing a batch yields.
type Sealed struct {
	Blocks []*Block
	State  []StateRow
}

// Column element types with a meaning of their own. Plain Go types (string, uint8, uint32, uint64, int64, float32 and
// arrays of them) mean themselves.
type (
	Days       int32 // Date: days since 1970-01-01
	Seconds    int64 // DateTime('UTC'): seconds since 1970
	Millis     int64 // DateTime64(3,'UTC'): milliseconds since 1970
	NullMillis int64 // Nullable(DateTime64(3,'UTC')); [Null] is NULL
	NullUint8  int16 // Nullable(UInt8); negative is NULL
)

// Null is the NULL of NullMillis.
const Null NullMillis = math.MinInt64

// Column is a named slice of rows+1 values; index 0 is the ledger row.
type Column struct {
	Name string
	Data any
	sum  func()
}

// Block is the rows of one INSERT. Make it with NewBlock, add columns, fill them, then Seal.
type Block struct {
	Table   string // name inside database tillstream
	Month   uint32 // yyyymm of the ClickHouse partition; 0 if the table has none
	Rows    int    // data rows, the ledger row not counted
	Columns []Column
}

// NewBlock begins a block of rows data rows for the given table and month (yyyymm, 0 for none).
func NewBlock(table string, month uint32, rows int) *Block {
	return &Block{Table: table, Month: month, Rows: rows}
}

func add[T any](b *Block, name string) []T {
	data := make([]T, b.Rows+1)
	b.Columns = append(b.Columns, Column{Name: name, Data: data})
	return data[1:]
}

func addSum[T int64 | uint64](b *Block, name string) []T {
	data := make([]T, b.Rows+1)
	b.Columns = append(b.Columns, Column{Name: name, Data: data, sum: func() {
		var s T
		for _, v := range data[1:] {
			s += v
		}
		data[0] = s
	}})
	return data[1:]
}

// The methods below add a column and return its data rows, to be filled in place.

func (b *Block) String(name string) []string         { return add[string](b, name) }
func (b *Block) Uint8(name string) []uint8           { return add[uint8](b, name) }
func (b *Block) Int32(name string) []int32           { return add[int32](b, name) }
func (b *Block) Uint32(name string) []uint32         { return add[uint32](b, name) }
func (b *Block) Uint64(name string) []uint64         { return add[uint64](b, name) }
func (b *Block) Int64(name string) []int64           { return add[int64](b, name) }
func (b *Block) Float32(name string) []float32       { return add[float32](b, name) }
func (b *Block) Uint64s(name string) [][]uint64      { return add[[]uint64](b, name) }
func (b *Block) Int64s(name string) [][]int64        { return add[[]int64](b, name) }
func (b *Block) Uint32s(name string) [][]uint32      { return add[[]uint32](b, name) }
func (b *Block) Strings(name string) [][]string      { return add[[]string](b, name) }
func (b *Block) Days(name string) []Days             { return add[Days](b, name) }
func (b *Block) Seconds(name string) []Seconds       { return add[Seconds](b, name) }
func (b *Block) Millis(name string) []Millis         { return add[Millis](b, name) }
func (b *Block) NullMillis(name string) []NullMillis { return add[NullMillis](b, name) }
func (b *Block) NullUint8(name string) []NullUint8   { return add[NullUint8](b, name) }
func (b *Block) SumUint64(name string) []uint64      { return addSum[uint64](b, name) }
func (b *Block) SumInt64(name string) []int64        { return addSum[int64](b, name) }

// Version adds the version column, the same in every row, the ledger row included.
func (b *Block) Version(v Version) {
	data := make([]uint64, b.Rows+1)
	for i := range data {
		data[i] = v.Uint64()
	}
	b.Columns = append(b.Columns, Column{Name: "version", Data: data})
}

// PartitionDays adds the Date column that decides the ClickHouse partition.
func (b *Block) PartitionDays(name string) []Days {
	d := b.Days(name)
	b.Columns[len(b.Columns)-1].Data.([]Days)[0] = Days(b.monthStart().Unix() / 86400)
	return d
}

// PartitionSeconds adds the DateTime column that decides the ClickHouse partition.
func (b *Block) PartitionSeconds(name string) []Seconds {
	d := b.Seconds(name)
	b.Columns[len(b.Columns)-1].Data.([]Seconds)[0] = Seconds(b.monthStart().Unix())
	return d
}

// PartitionMillis adds the DateTime64(3) column that decides the ClickHouse partition.
func (b *Block) PartitionMillis(name string) []Millis {
	d := b.Millis(name)
	b.Columns[len(b.Columns)-1].Data.([]Millis)[0] = Millis(b.monthStart().UnixMilli())
	return d
}

func (b *Block) monthStart() time.Time {
	return time.Date(int(b.Month/100), time.Month(b.Month%100), 1, 0, 0, 0, 0, time.UTC)
}

// Seal computes the control totals of the ledger row. Call it once, after the columns are filled.
func (b *Block) Seal() *Block {
	for _, c := range b.Columns {
		if c.sum != nil {
			c.sum()
		}
	}
	return b
}

// Name identifies the block inside a batch, as table/month.
func (b *Block) Name() string { return fmt.Sprintf("%s/%06d", b.Table, b.Month) }

// MonthOfDay is the yyyymm of a day.
func MonthOfDay(d Days) uint32 { return MonthOfUnix(int64(d) * 86400) }

// MonthOfUnix is the yyyymm, in UTC, of an instant in seconds since 1970.
func MonthOfUnix(sec int64) uint32 {
	t := time.Unix(sec, 0).UTC()
	return uint32(t.Year()*100) + uint32(t.Month())
}
