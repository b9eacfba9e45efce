package clickhouse

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestAsk(t *testing.T) {
	for name, protocol := range map[string]func(*Config){"http": nil, "native": overNative} {
		t.Run(name, func(t *testing.T) {
			r := open(t, protocol).Reader(Limits{Time: 5 * time.Second, Rows: 10, Memory: 256 << 20})
			ask := func(sql string, params map[string]string) (rows [][]any, err error) {
				err = r.Ask(t.Context(), sql, params, func(row []any) error {
					rows = append(rows, append([]any(nil), row...))
					return nil
				})
				return rows, err
			}
			odd := "<script>'; DROP TABLE x --\\n\\ \t\n\r é"
			rows, err := ask("SELECT {odd:String}, {n:UInt32} + 1, CAST(NULL, 'Nullable(String)')", map[string]string{"odd": odd, "n": "41"})
			if err != nil || len(rows) != 1 || rows[0][0] != odd || rows[0][1] != uint64(42) || rows[0][2] != nil {
				t.Errorf("%q, %v; want %q, 42 and nil", rows, err, odd)
			}
			for _, sql := range []string{"CREATE TABLE default.asked (x UInt8) ENGINE = Memory", "SYSTEM DROP MARK CACHE", "SET readonly = 0"} {
				if _, err := ask(sql, nil); err == nil || !strings.Contains(err.Error(), "READONLY") && !strings.Contains(err.Error(), "readonly") {
					t.Errorf("%s: %v; want that it is read-only", sql, err)
				}
			}
			var limit *LimitError
			if _, err := ask("SELECT number FROM numbers(11)", nil); !errors.As(err, &limit) {
				t.Errorf("11 rows: %v", err)
			}
			if _, err := ask("SELECT groupArray(number) FROM numbers(1e9)", nil); !errors.As(err, &limit) {
				t.Errorf("memory: %v", err)
			}
			brief := open(t, protocol).Reader(Limits{Time: time.Second, Rows: 10, Memory: 256 << 20})
			if err := brief.Ask(t.Context(), "SELECT sum(sleepEachRow(1)) FROM numbers(100) SETTINGS function_sleep_max_microseconds_per_block = 1000000000, max_block_size = 1", nil, func([]any) error { return nil }); !errors.As(err, &limit) {
				t.Errorf("time: %v", err)
			}
			if rows, err := ask("SELECT number FROM numbers(10)", nil); err != nil || len(rows) != 10 {
				t.Errorf("10 rows: %d, %v", len(rows), err)
			}
		})
	}
}
