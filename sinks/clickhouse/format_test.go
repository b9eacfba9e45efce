package clickhouse

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const oneOfEach = `SELECT number AS n, 'a"b,' || char(10) || 'c' AS s, toDecimal64('12.50', 4) AS d, CAST(NULL, 'Nullable(Int32)') AS none,
	toDateTime('2026-11-03 09:00:00', 'UTC') AS t, toDateTime64('2026-11-03 09:00:00.120', 3, 'UTC') AS ms, toDate('2026-11-03') AS day, [toDate('2026-11-03')] AS days,
	18446744073709551615 AS big, 0.1 + number AS f, nan AS nothing, map('k', toUInt8(1)) AS m, true AS yes FROM numbers(2)`

func printed(t *testing.T, s *Sink, sql string, f Format) string {
	t.Helper()
	r, err := s.Query(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := r.Write(&b, f); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestFormats(t *testing.T) {
	for _, s := range []*Sink{open(t, nil), open(t, overNative)} {
		wantTable := strings.Join([]string{
			`n  s           d  none  t                    ms                       day         days                             big    f  nothing  m        yes `,
			`─  ───────  ────  ────  ───────────────────  ───────────────────────  ──────────  ──────────────  ────────────────────  ───  ───────  ───────  ────`,
			`0  a"b,\nc  12.5     -  2026-11-03 09:00:00  2026-11-03 09:00:00.120  2026-11-03  ["2026-11-03"]  18446744073709551615  0.1      nan  {"k":1}  true`,
			`1  a"b,\nc  12.5     -  2026-11-03 09:00:00  2026-11-03 09:00:00.120  2026-11-03  ["2026-11-03"]  18446744073709551615  1.1      nan  {"k":1}  true`, "",
		}, "\n")
		if diff := cmp.Diff(clean(wantTable), clean(printed(t, s, oneOfEach, FormatTable))); diff != "" {
			t.Error(diff)
		}
		records, err := csv.NewReader(strings.NewReader(printed(t, s, oneOfEach, FormatCSV))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		row := func(n, f string) []string {
			return []string{n, "a\"b,\nc", "12.5", "", "2026-11-03 09:00:00", "2026-11-03 09:00:00.120", "2026-11-03", `["2026-11-03"]`, "18446744073709551615", f, "nan", `{"k":1}`, "true"}
		}
		if diff := cmp.Diff([][]string{{"n", "s", "d", "none", "t", "ms", "day", "days", "big", "f", "nothing", "m", "yes"}, row("0", "0.1"), row("1", "1.1")}, records); diff != "" {
			t.Error(diff)
		}
		text := printed(t, s, oneOfEach, FormatJSON)
		var rows []map[string]any
		if err := json.Unmarshal([]byte(text), &rows); err != nil {
			t.Fatal(err, text)
		}
		object := func(n, f float64) map[string]any {
			return map[string]any{
				"n": n, "s": "a\"b,\nc", "d": "12.5", "none": nil, "t": "2026-11-03 09:00:00", "ms": "2026-11-03 09:00:00.120", "day": "2026-11-03", "days": []any{"2026-11-03"},
				"big": "18446744073709551615", "f": f, "nothing": nil, "m": map[string]any{"k": 1.0}, "yes": true,
			}
		}
		if diff := cmp.Diff([]map[string]any{object(0, 0.1), object(1, 1.1)}, rows); diff != "" {
			t.Error(diff)
		}
		if lines := strings.Count(text, "\n"); lines != 4 || !strings.HasPrefix(text, "[\n{\"n\":0,") {
			t.Errorf("%d lines: %.40s", lines, text)
		}
	}
}

// clean drops what pads lines at their ends.
func clean(s string) []string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return lines
}

func TestQueryEdges(t *testing.T) {
	s := open(t, nil)
	if got := printed(t, s, "SELECT 1 AS n WHERE n = 2", FormatJSON); got != "[\n]\n" {
		t.Errorf("no rows in JSON: %q", got)
	}
	if got := printed(t, s, "SELECT 1 AS n WHERE n = 2", FormatCSV); got != "n\r\n" && got != "" {
		t.Errorf("no rows in CSV: %q", got)
	}
	for _, f := range []Format{FormatTable, FormatCSV} {
		if got := printed(t, s, "CREATE TABLE IF NOT EXISTS default.q (a UInt8) ENGINE = Memory", f); got != "" {
			t.Errorf("a statement without a result: %q", got)
		}
	}
	if _, err := s.Query(t.Context(), "SELECT nothing FROM nowhere"); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("got %v", err)
	}
	r, err := s.Query(t.Context(), "SELECT throwIf(number = 200000, 'far in') FROM numbers(300000) SETTINGS max_block_size = 1000")
	if err == nil {
		err = r.Write(&strings.Builder{}, FormatCSV)
	}
	if err == nil || !strings.Contains(err.Error(), "far in") {
		t.Errorf("an error in the middle is lost: %v", err)
	}
	if err := (&Result{}).Write(&strings.Builder{}, "xml"); err == nil || !strings.Contains(err.Error(), "table, csv or json") {
		t.Errorf("got %v", err)
	}
	broken := &Result{Columns: []Column{{"a", "String"}}, Rows: func(yield func([]any, error) bool) { yield(nil, errors.New("cut")) }}
	for _, f := range []Format{FormatTable, FormatCSV, FormatJSON} {
		if err := broken.Write(&strings.Builder{}, f); err == nil || err.Error() != "cut" {
			t.Errorf("%s: got %v", f, err)
		}
	}
}
