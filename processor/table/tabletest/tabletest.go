// Package tabletest checks sealed blocks against the DDL of the tables that they go into, and adds them up as ClickHouse would.
package tabletest

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/tillstream/tillstream/processor/rollup"
)

// TB is what the checks need of testing.TB and rapid.T.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
}

// Schema is the DDL of the tables.
type Schema map[string]*tableSchema

type tableSchema struct {
	columns   []string          // those that a block has to have, in order
	types     map[string]string // by column
	key       []string          // ORDER BY, lane left out
	partition string            // the column that decides the month
}

var (
	tablePattern     = regexp.MustCompile(`(?s)CREATE TABLE IF NOT EXISTS tillstream\.(\w+) \((.*?)\n\) ENGINE(.*?);`)
	columnPattern    = regexp.MustCompile(`^  (\w+) (.*?)( CODEC\(.*\)| EPHEMERAL)?,?$`)
	orderPattern     = regexp.MustCompile(`ORDER BY \((.*?)\)`)
	partitionPattern = regexp.MustCompile(`PARTITION BY toYYYYMM\((\w+)\)`)
	alterPattern     = regexp.MustCompile(`(?s)ALTER TABLE tillstream\.(\w+)\n(.*?);`)
	addedPattern     = regexp.MustCompile(`(?m)^  ADD COLUMN IF NOT EXISTS (\w+) (.*?)( CODEC\(.*\)| EPHEMERAL)?,?$`)
)

// Load reads the DDL that the program itself uses.
func Load(t TB) Schema {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	files, err := filepath.Glob(filepath.Join(filepath.Dir(here), "../../../schemas/clickhouse/*.sql"))
	var ddl []byte
	for _, file := range files {
		text, failed := os.ReadFile(file)
		ddl, err = append(ddl, text...), errors.Join(err, failed)
	}
	if err != nil {
		t.Fatalf("reading the DDL: %v", err)
	}
	s := Schema{}
	for _, m := range tablePattern.FindAllStringSubmatch(string(ddl), -1) {
		ts := &tableSchema{types: map[string]string{}}
		for _, line := range strings.Split(m[2], "\n") {
			c := columnPattern.FindStringSubmatch(line)
			if c == nil || c[1] == "lane" || c[1] == "mark" || c[1] == "INDEX" || strings.Contains(line, " DEFAULT ") {
				continue
			}
			ts.columns = append(ts.columns, c[1])
			ts.types[c[1]] = c[2]
		}
		if o := orderPattern.FindStringSubmatch(m[3]); o != nil {
			ts.key = strings.Split(o[1], ", ")[1:]
		}
		if p := partitionPattern.FindStringSubmatch(m[3]); p != nil {
			ts.partition = p[1]
		}
		s[m[1]] = ts
	}
	for _, m := range alterPattern.FindAllStringSubmatch(string(ddl), -1) {
		for _, c := range addedPattern.FindAllStringSubmatch(m[2], -1) {
			if ts := s[m[1]]; ts != nil && !strings.Contains(c[2], " DEFAULT ") && !slices.Contains(ts.columns, c[1]) {
				ts.columns = append(ts.columns, c[1])
				ts.types[c[1]] = c[2]
			}
		}
	}
	return s
}

// goTypes are the element types of columns, by ClickHouse type with its aggregate function taken off.
var goTypes = map[string]any{
	"LowCardinality(String)": "", "String": "", "UInt8": uint8(0), "UInt64": uint64(0), "Int32": int32(0), "Int64": int64(0),
	"UInt32": uint32(0), "Date": rollup.Days(0), "DateTime('UTC')": rollup.Seconds(0),
	"DateTime64(3, 'UTC')": rollup.Millis(0), "Nullable(DateTime64(3, 'UTC'))": rollup.NullMillis(0), "Array(String)": []string(nil),
	"Array(UInt64)": []uint64(nil), "Array(Int64)": []int64(nil), "Array(UInt32)": []uint32(nil),
}

// aggregate splits SimpleAggregateFunction(f, T).
func aggregate(typ string) (f, inner string) {
	rest, ok := strings.CutPrefix(typ, "SimpleAggregateFunction(")
	if !ok {
		return "", typ
	}
	f, inner, _ = strings.Cut(strings.TrimSuffix(rest, ")"), ", ")
	return f, inner
}

// Check fails unless the blocks are what one INSERT each needs: one a table and month, all columns of the table with their types,
// rows in the order of its key and none twice, all in the month, and control totals in slot 0.
func (s Schema) Check(t TB, blocks []*rollup.Block) {
	t.Helper()
	seen := map[string]bool{}
	for _, b := range blocks {
		ts := s[b.Table]
		if ts == nil || seen[b.Name()] || b.Rows == 0 {
			t.Fatalf("block %s: no such table, or a second one, or empty", b.Name())
		}
		seen[b.Name()] = true
		var names []string
		columns := map[string]reflect.Value{}
		for _, c := range b.Columns {
			names = append(names, c.Name)
			columns[c.Name] = reflect.ValueOf(c.Data)
			_, inner := aggregate(ts.types[c.Name])
			if want := reflect.TypeOf(goTypes[inner]); reflect.TypeOf(c.Data).Elem() != want || columns[c.Name].Len() != b.Rows+1 {
				t.Fatalf("block %s: column %s is %d values of %T, want %d of %v", b.Name(), c.Name, columns[c.Name].Len(), c.Data, b.Rows+1, want)
			}
		}
		if !slices.Equal(slices.Sorted(slices.Values(names)), slices.Sorted(slices.Values(ts.columns))) {
			t.Fatalf("block %s: columns %v, want %v", b.Name(), names, ts.columns)
		}
		for i := range b.Rows + 1 {
			if ts.partition == "" {
				if b.Month != 0 {
					t.Fatalf("block %s: the table has no months", b.Name())
				}
			} else if m := monthOf(columns[ts.partition].Index(i)); m != b.Month {
				t.Fatalf("block %s: row %d is of %d", b.Name(), i, m)
			}
			if i > 1 && compareRows(columns, ts.key, i-1, i) >= 0 {
				t.Fatalf("block %s: row %d is not in the order of %v", b.Name(), i, ts.key)
			}
		}
		for name, col := range columns {
			if f, _ := aggregate(ts.types[name]); f == "sum" {
				var sum int64
				for i := 1; i <= b.Rows; i++ {
					sum += number(col.Index(i))
				}
				if number(col.Index(0)) != sum {
					t.Fatalf("block %s: control total of %s is %v, want %d", b.Name(), name, col.Index(0), sum)
				}
			}
		}
	}
}

func number(v reflect.Value) int64 {
	if v.CanUint() {
		return int64(v.Uint())
	}
	return v.Int()
}

func monthOf(v reflect.Value) uint32 {
	at := time.Unix(v.Int(), 0)
	switch v.Type() {
	case reflect.TypeFor[rollup.Days]():
		at = time.Unix(86400*v.Int(), 0)
	case reflect.TypeFor[rollup.Millis]():
		at = time.UnixMilli(v.Int())
	}
	return uint32(at.UTC().Year()*100 + int(at.UTC().Month()))
}

func compareRows(columns map[string]reflect.Value, key []string, i, j int) int {
	for _, name := range key {
		a, b := columns[name].Index(i), columns[name].Index(j)
		var c int
		switch {
		case a.Kind() == reflect.String:
			c = strings.Compare(a.String(), b.String())
		case a.CanUint():
			c = compare(a.Uint(), b.Uint())
		default:
			c = compare(a.Int(), b.Int())
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

func compare[T uint64 | int64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Content is what tables hold once ClickHouse has merged all that was inserted: by table and key, written as
// "sales_hourly s1 2026-03-02 …", and column. Numbers are one value, arrays as many as they have. Texts that are not of the key follow it: they are
// the same in all rows of a key.
type Content map[string]map[string][]int64

// Add adds blocks, column by column as the DDL says: sum, min, max, or the elements of arrays.
func (s Schema) Add(c Content, blocks []*rollup.Block) {
	for _, b := range blocks {
		ts := s[b.Table]
		columns := map[string]reflect.Value{}
		for _, col := range b.Columns {
			columns[col.Name] = reflect.ValueOf(col.Data)
		}
		for i := 1; i <= b.Rows; i++ {
			key := b.Table
			for _, name := range ts.key {
				key += " " + Text(columns[name].Index(i).Interface())
			}
			for _, name := range ts.columns {
				if !slices.Contains(ts.key, name) && columns[name].Index(i).Kind() == reflect.String {
					key += " " + Text(columns[name].Index(i).Interface())
				}
			}
			for name, col := range columns {
				if slices.Contains(ts.key, name) || col.Index(i).Kind() == reflect.String {
					continue
				}
				f, _ := aggregate(ts.types[name])
				if col.Index(i).Kind() == reflect.Slice {
					for j := range col.Index(i).Len() {
						c.Put(key, name, f, number(col.Index(i).Index(j)))
					}
				} else {
					c.Put(key, name, f, number(col.Index(i)))
				}
			}
		}
	}
}

// Put adds one value to a column by an aggregate function: sum, min, max, or "" for arrays.
func (c Content) Put(key, column, function string, v int64) {
	if c[key] == nil {
		c[key] = map[string][]int64{}
	}
	old := c[key][column]
	switch {
	case function == "" || len(old) == 0:
		c[key][column] = append(old, v)
	case function == "sum":
		old[0] += v
	case function == "min":
		old[0] = min(old[0], v)
	case function == "max":
		old[0] = max(old[0], v)
	}
}

// Text writes one part of a key: days as 2026-03-02, hours as 2026-03-02T15, an empty string as -.
func Text(v any) string {
	switch v := v.(type) {
	case rollup.Days:
		return time.Unix(86400*int64(v), 0).UTC().Format(time.DateOnly)
	case rollup.Seconds:
		return time.Unix(int64(v), 0).UTC().Format("2006-01-02T15")
	case string:
		if v == "" {
			return "-"
		}
	}
	return fmt.Sprint(v)
}

// Lines writes the content, a line a key in order, zeros left out, arrays sorted; those named in sets without repeats.
func (c Content) Lines(sets ...string) []string {
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(c)) {
		line := key
		for _, name := range slices.Sorted(maps.Keys(c[key])) {
			values := slices.Sorted(slices.Values(c[key][name]))
			if slices.Contains(sets, name) {
				values = slices.Compact(values)
			}
			switch {
			case len(values) == 1 && values[0] == 0 && !strings.HasSuffix(name, "_in") && !strings.HasSuffix(name, "_out"):
			case strings.HasSuffix(name, "_at"):
				line += " " + name + "=" + time.Unix(values[0], 0).UTC().Format(time.DateTime)
			case strings.HasSuffix(name, "_in"), strings.HasSuffix(name, "_out"):
				line += fmt.Sprintf(" %s=%v", name, values)
			default:
				line += fmt.Sprintf(" %s=%d", name, values[0])
			}
		}
		lines = append(lines, line)
	}
	return lines
}
