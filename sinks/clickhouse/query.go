package clickhouse

import (
	"context"
	"fmt"
	"iter"
	"reflect"
)

// Column is one column of a Result.
type Column struct {
	Name string
	Type string // as ClickHouse spells it
}

// Result is what a query gave.
type Result struct {
	Columns []Column
	// Rows yields each row once: values in the Go types of clickhouse-go, nil for NULL. A row is valid until the next one. After an
	// error there are no more.
	Rows iter.Seq2[[]any, error]
}

// Query runs one SQL statement. Range over the result's Rows: that reads them, and frees the connection.
func (s *Sink) Query(ctx context.Context, sql string, args ...any) (*Result, error) {
	rows, err := s.conn.Query(ctx, sql, args...)
	if err != nil {
		return nil, s.explain(err)
	}
	types := rows.ColumnTypes()
	result := &Result{Columns: make([]Column, len(types))}
	for i, t := range types {
		result.Columns[i] = Column{t.Name(), t.DatabaseTypeName()}
	}
	result.Rows = func(yield func([]any, error) bool) {
		defer rows.Close()
		row := make([]any, len(types))
		cells := make([]any, len(types))
		for i, t := range types {
			cells[i] = reflect.New(t.ScanType()).Interface()
		}
		for rows.Next() {
			if err := rows.Scan(cells...); err != nil {
				yield(nil, fmt.Errorf("reading a row: %w", err))
				return
			}
			for i, c := range cells {
				row[i] = value(reflect.ValueOf(c).Elem())
			}
			if !yield(row, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(nil, s.explain(err))
		}
	}
	return result, nil
}

// value is what a cell holds; NULL is nil.
func value(v reflect.Value) any {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	return v.Interface()
}
