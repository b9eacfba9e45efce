package clickhouse

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Format is how a Result is written.
type Format string

// Formats.
const (
	FormatTable Format = "table" // aligned columns under their names, numbers to the right, NULL as -
	FormatCSV   Format = "csv"   // RFC 4180 with a header; NULL is an empty field
	FormatJSON  Format = "json"  // one array of objects, a row a line; integers beyond 2^53 and decimals keep all digits, as text
)

// Write writes a result. CSV and JSON are written as the rows come; a table is kept until its widths are known.
func (r *Result) Write(w io.Writer, format Format) error {
	out := bufio.NewWriter(w)
	var err error
	switch format {
	case FormatTable:
		err = r.writeTable(out)
	case FormatCSV:
		err = r.writeCSV(out)
	case FormatJSON:
		err = r.writeJSON(out)
	default:
		err = fmt.Errorf("unknown format %q: use table, csv or json", format)
	}
	if err != nil {
		return err
	}
	return out.Flush()
}

func (r *Result) writeTable(out *bufio.Writer) error {
	if len(r.Columns) == 0 {
		return drain(r)
	}
	head := make([]string, len(r.Columns))
	widths := make([]int, len(r.Columns))
	for i, c := range r.Columns {
		head[i] = c.Name
		widths[i] = utf8.RuneCountInString(c.Name)
	}
	lines := [][]string{head}
	for row, err := range r.Rows {
		if err != nil {
			return err
		}
		line := make([]string, len(row))
		for i, v := range row {
			line[i] = oneLine(text(v, r.Columns[i].Type, "-"))
			widths[i] = max(widths[i], utf8.RuneCountInString(line[i]))
		}
		lines = append(lines, line)
	}
	for n, line := range lines {
		for i, cell := range line {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			switch {
			case number(r.Columns[i].Type):
				cell = pad + cell
			case i < len(line)-1:
				cell += pad
			}
			if i > 0 {
				out.WriteString("  ")
			}
			out.WriteString(cell)
		}
		out.WriteByte('\n')
		if n == 0 {
			for i, width := range widths {
				if i > 0 {
					out.WriteString("  ")
				}
				out.WriteString(strings.Repeat("─", width))
			}
			out.WriteByte('\n')
		}
	}
	return nil
}

func (r *Result) writeCSV(out *bufio.Writer) error {
	w := csv.NewWriter(out)
	w.UseCRLF = true
	record := make([]string, len(r.Columns))
	for i, c := range r.Columns {
		record[i] = c.Name
	}
	if len(record) > 0 {
		if err := w.Write(record); err != nil {
			return fmt.Errorf("writing CSV: %w", err)
		}
	}
	for row, err := range r.Rows {
		if err != nil {
			return err
		}
		for i, v := range row {
			record[i] = text(v, r.Columns[i].Type, "")
		}
		if err := w.Write(record); err != nil {
			return fmt.Errorf("writing CSV: %w", err)
		}
	}
	w.Flush()
	return w.Error()
}

func (r *Result) writeJSON(out *bufio.Writer) error {
	out.WriteByte('[')
	first := true
	for row, err := range r.Rows {
		if err != nil {
			return err
		}
		if !first {
			out.WriteByte(',')
		}
		first = false
		out.WriteString("\n{")
		for i, v := range row {
			if i > 0 {
				out.WriteByte(',')
			}
			name, err := encode(r.Columns[i].Name)
			if err != nil {
				return err
			}
			cell, err := encode(plainValue(v, r.Columns[i].Type))
			if err != nil {
				return err
			}
			out.Write(name)
			out.WriteByte(':')
			out.Write(cell)
		}
		out.WriteByte('}')
	}
	out.WriteString("\n]\n")
	return nil
}

func encode(v any) ([]byte, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("writing JSON: %w", err)
	}
	return []byte(strings.TrimSuffix(b.String(), "\n")), nil
}

func drain(r *Result) error {
	for _, err := range r.Rows {
		if err != nil {
			return err
		}
	}
	return nil
}

// number says whether values of a type are aligned to the right.
func number(kind string) bool {
	for _, wrap := range []string{"LowCardinality(", "Nullable(", "SimpleAggregateFunction(sum, ", "SimpleAggregateFunction(max, ", "SimpleAggregateFunction(min, "} {
		kind = strings.TrimPrefix(kind, wrap)
	}
	return slices.ContainsFunc([]string{"Int", "UInt", "Float", "BFloat", "Decimal"}, func(p string) bool { return strings.HasPrefix(kind, p) })
}

// text is a value as ClickHouse prints it.
func text(v any, kind, null string) string {
	switch x := v.(type) {
	case nil:
		return null
	case string:
		return x
	case time.Time:
		return instant(x, kind)
	case float64:
		return float(x, 64)
	case float32:
		return float(float64(x), 32)
	case fmt.Stringer: // decimals, wide integers, addresses, UUIDs
		return x.String()
	}
	if rv := reflect.ValueOf(v); rv.Kind() == reflect.Slice || rv.Kind() == reflect.Map || rv.Kind() == reflect.Array {
		b, err := encode(plainValue(v, kind))
		if err == nil {
			return string(b)
		}
	}
	return fmt.Sprint(v)
}

func float(x float64, bits int) string {
	switch {
	case math.IsNaN(x):
		return "nan"
	case math.IsInf(x, 0):
		return strings.ToLower(strings.TrimPrefix(fmt.Sprint(x), "+"))
	}
	return strconv.FormatFloat(x, 'g', -1, bits)
}

// instant prints a time with the digits of its type.
func instant(t time.Time, kind string) string {
	switch i := strings.Index(kind, "DateTime64("); {
	case i >= 0:
		digits := int(kind[i+len("DateTime64(")] - '0')
		if digits == 0 {
			return t.Format(time.DateTime)
		}
		return t.Format(time.DateTime + "." + strings.Repeat("0", digits))
	case strings.Contains(kind, "DateTime"):
		return t.Format(time.DateTime)
	case strings.Contains(kind, "Date"):
		return t.Format(time.DateOnly)
	}
	return t.Format(time.RFC3339Nano)
}

// plainValue is a value that encoding/json writes without loss.
func plainValue(v any, kind string) any {
	const exact = 1 << 53
	switch x := v.(type) {
	case nil, string, bool:
		return v
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return nil
		}
		return v
	case float32:
		return plainValue(json.Number(float(float64(x), 32)), kind)
	case json.Number:
		if strings.ContainsAny(string(x), "ni") { // nan, inf
			return nil
		}
		return v
	case uint64:
		if x > exact {
			return strconv.FormatUint(x, 10)
		}
		return v
	case int64:
		if x > exact || x < -exact {
			return strconv.FormatInt(x, 10)
		}
		return v
	case time.Time:
		return instant(x, kind)
	case fmt.Stringer:
		return x.String()
	}
	rv := reflect.ValueOf(v)
	switch rv.Kind() {
	case reflect.Slice, reflect.Array:
		out := make([]any, rv.Len())
		for i := range out {
			out[i] = plainValue(value(rv.Index(i)), inner(kind))
		}
		return out
	case reflect.Map:
		out := make(map[string]any, rv.Len())
		for it := rv.MapRange(); it.Next(); {
			out[fmt.Sprint(it.Key().Interface())] = plainValue(value(it.Value()), inner(kind))
		}
		return out
	}
	return v
}

// inner is the element type of Array(T); for other types it is good enough for the digits of an instant.
func inner(kind string) string {
	if rest, ok := strings.CutPrefix(kind, "Array("); ok {
		return strings.TrimSuffix(rest, ")")
	}
	return kind
}

// oneLine keeps a cell of a table on its line and control characters out of the terminal.
func oneLine(s string) string {
	if strings.IndexFunc(s, control) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if control(r) {
			q := strconv.QuoteRune(r)
			b.WriteString(q[1 : len(q)-1])
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func control(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }
