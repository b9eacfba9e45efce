package simulation

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/tillstream/tillstream/processor/correction"
	"github.com/tillstream/tillstream/processor/rollup"
	schemas "github.com/tillstream/tillstream/schemas/clickhouse"
)

// rule is how two values of a column with equal keys become one.
type rule string

const (
	ruleKey     rule = "key"
	ruleSum     rule = "sum"
	ruleMin     rule = "min"
	ruleMax     rule = "max"
	ruleSet     rule = "set" // values that a set sketch is made of
	ruleBag     rule = "bag" // values that another sketch is made of
	ruleNewest  rule = "newest"
	ruleIgnored rule = "ignored" // says how rows came, not what they say
)

// schema is what the DDL says about merging a table.
type schema struct {
	rules    map[string]rule
	versions bool // ReplacingMergeTree with a version
	deletes  bool
}

var (
	createTable = regexp.MustCompile(`(?s)CREATE TABLE IF NOT EXISTS tillstream\.(\w+) \((.*?)\n\) ENGINE = (\w+)(?:\(([^)]*)\))?(.*?);`)
	alterTable  = regexp.MustCompile(`(?s)ALTER TABLE tillstream\.(\w+)\n(.*?);`)
	addedColumn = regexp.MustCompile(`(?m)ADD COLUMN IF NOT EXISTS (\w+) (.*)$`)
	columnLine  = regexp.MustCompile(`(?m)^  (\w+) (.*?),?$`)
	orderBy     = regexp.MustCompile(`ORDER BY \(([^)]*)\)`)
)

// schemata reads the tables that batches are written to out of the real DDL.
func schemata() map[string]schema {
	out := map[string]schema{}
	for _, m := range createTable.FindAllStringSubmatch(ddl(), -1) {
		name, columns, arguments, rest := m[1], m[2], m[4], m[5]
		order := orderBy.FindStringSubmatch(rest)
		if order == nil || !strings.Contains(columns, "\n  mark ") {
			continue
		}
		s := schema{rules: map[string]rule{}, versions: strings.HasPrefix(arguments, "version"), deletes: strings.Contains(arguments, "deleted")}
		sets := map[string]bool{}
		for _, c := range columnLine.FindAllStringSubmatch(columns, -1) {
			if _, from, ok := strings.Cut(c[2], "arrayReduce('uniq"); ok {
				_, from, _ = strings.Cut(from, ", ")
				sets[from[:strings.IndexByte(from, ')')]] = true
			}
		}
		for _, c := range columnLine.FindAllStringSubmatch(columns, -1) {
			column, kind := c[1], c[2]
			switch {
			case column == "lane" && name != "state", column == "mark", column == "version", column == "deleted", column == "written_at":
				s.rules[column] = ruleIgnored
			case slices.Contains(strings.Split(order[1], ", "), column):
				s.rules[column] = ruleKey
			case strings.Contains(kind, " DEFAULT "):
				s.rules[column] = ruleIgnored // the server's own: of a sketch its raw values are compared instead
			case strings.HasPrefix(kind, "SimpleAggregateFunction("), strings.Contains(kind, "EPHEMERAL"):
				s.rules[column] = aggregate(kind)
				if sets[column] {
					s.rules[column] = ruleSet
				}
			default:
				s.rules[column] = ruleNewest
			}
		}
		out[name] = s
	}
	for _, m := range alterTable.FindAllStringSubmatch(ddl(), -1) {
		for _, c := range addedColumn.FindAllStringSubmatch(m[2], -1) {
			if s, ok := out[m[1]]; ok && !strings.Contains(c[2], " DEFAULT ") {
				s.rules[c[1]] = aggregate(c[2])
			}
		}
	}
	return out
}

// aggregate is how values of a type are merged.
func aggregate(kind string) rule {
	if rest, ok := strings.CutPrefix(kind, "SimpleAggregateFunction("); ok {
		f, _, _ := strings.Cut(rest, ",")
		return rule(f)
	}
	if strings.Contains(kind, "EPHEMERAL") {
		return ruleBag
	}
	return ruleNewest
}

func ddl() string {
	migrations, err := schemas.Migrations()
	if err != nil {
		panic(err)
	}
	var all strings.Builder
	for _, m := range migrations {
		all.WriteString(m.SQL)
	}
	return all.String()
}

// merged are the rows of one table by their key, as the server would show them after its last merge.
type merged struct {
	schema
	rows map[string]map[string]any
}

func (m *merged) add(b *rollup.Block) {
	for i := 1; i <= b.Rows; i++ {
		row := make(map[string]any, len(b.Columns))
		var key strings.Builder
		for _, c := range b.Columns {
			r, known := m.rules[c.Name]
			if !known {
				panic(fmt.Sprintf("table %s has no column %s", b.Table, c.Name))
			}
			v := reflect.ValueOf(c.Data).Index(i).Interface()
			if r == ruleKey {
				fmt.Fprintf(&key, "%s=%v ", c.Name, v)
			} else {
				row[c.Name] = v
			}
		}
		if old, ok := m.rows[key.String()]; ok {
			row = m.merge(old, row)
		}
		m.rows[key.String()] = row
	}
}

func (m *merged) merge(old, new map[string]any) map[string]any {
	if m.versions && old["version"].(uint64) > new["version"].(uint64) {
		return old
	}
	out := maps.Clone(new)
	for name, v := range new {
		a, b := reflect.ValueOf(old[name]), reflect.ValueOf(v)
		switch m.rules[name] {
		case ruleSum:
			out[name] = sum(a, b)
		case ruleMin:
			if less(a, b) {
				out[name] = old[name]
			}
		case ruleMax:
			if less(b, a) {
				out[name] = old[name]
			}
		case ruleSet, ruleBag:
			joined := reflect.MakeSlice(a.Type(), 0, a.Len()+b.Len())
			out[name] = reflect.AppendSlice(reflect.AppendSlice(joined, a), b).Interface()
		}
	}
	return out
}

func sum(a, b reflect.Value) any {
	if a.CanInt() {
		return a.Int() + b.Int()
	}
	return a.Uint() + b.Uint()
}

func less(a, b reflect.Value) bool {
	switch {
	case a.CanInt():
		return a.Int() < b.Int()
	case a.CanUint():
		return a.Uint() < b.Uint()
	}
	return a.String() < b.String()
}

// texts are the live rows as comparable text.
func (m *merged) texts() map[string]string {
	out := make(map[string]string, len(m.rows))
	for key, row := range m.rows {
		if m.deletes && row["deleted"].(uint8) != 0 {
			continue
		}
		var text strings.Builder
		for _, name := range slices.Sorted(maps.Keys(row)) {
			switch m.rules[name] {
			case ruleIgnored:
			case ruleSet, ruleBag:
				values := sortedTexts(reflect.ValueOf(row[name]))
				if m.rules[name] == ruleSet {
					values = slices.Compact(values)
				}
				fmt.Fprintf(&text, "%s=%v ", name, values)
			default:
				fmt.Fprintf(&text, "%s=%v ", name, unversioned(name, row[name]))
			}
		}
		out[key] = text.String()
	}
	return out
}

// unversioned takes the batch out of what was reckoned of an order: 14 digits, 20 of the batch, then the text. Nothing that was reckoned is as good as none.
func unversioned(name string, v any) any {
	if text, ok := v.(string); ok && strings.HasSuffix(name, "_held") && text != "" {
		if len(text) == 34 {
			return ""
		}
		return text[:14] + text[34:]
	}
	return v
}

func sortedTexts(v reflect.Value) []string {
	texts := make([]string, v.Len())
	for i := range texts {
		texts[i] = fmt.Sprint(v.Index(i).Interface())
	}
	slices.Sort(texts)
	return texts
}

// tables merges parts.
func tables(schemata map[string]schema, parts []part) map[string]*merged {
	out := map[string]*merged{}
	for _, p := range parts {
		if out[p.table] == nil {
			s, known := schemata[p.table]
			if !known {
				panic("no such table: " + p.table)
			}
			out[p.table] = &merged{s, map[string]map[string]any{}}
		}
		if p.table == correction.Table {
			p.block = unpacked(p.block)
		}
		out[p.table].add(p.block)
	}
	return out
}

// unpacked has a row for each transaction of a block of packs: how many are in one is as batches come.
func unpacked(b *rollup.Block) *rollup.Block {
	out := &rollup.Block{Table: b.Table, Month: b.Month, Columns: slices.Clone(b.Columns)}
	at := [][2]int{{0, 0}} // row and transaction
	for i, ids := range column[[]string](b, "ids") {
		for j := range ids {
			at = append(at, [2]int{i, j})
		}
	}
	out.Rows = len(at) - 1
	for c, from := range b.Columns {
		was := reflect.ValueOf(from.Data)
		is := reflect.MakeSlice(was.Type(), len(at), len(at))
		for k, x := range at {
			v := was.Index(x[0])
			if k > 0 && slices.Contains([]string{"ids", "offsets", "at_ms", "customers", "contents"}, from.Name) {
				v = v.Slice(x[1], x[1]+1)
			}
			is.Index(k).Set(v)
		}
		out.Columns[c].Data = is.Interface()
	}
	for k, x := range at[1:] {
		column[rollup.Millis](out, "at")[k+1] = rollup.Millis(column[[]int64](b, "at_ms")[x[0]][x[1]])
		column[int64](out, "offset")[k+1], column[uint64](out, "events")[k+1] = column[[]int64](b, "offsets")[x[0]][x[1]], 1
	}
	return out
}

// Rows are the live rows of blocks as the server would show them after its last merge, as text by table and key.
func Rows(blocks []*rollup.Block) map[string]map[string]string {
	parts := make([]part, len(blocks))
	for i, b := range blocks {
		parts[i] = part{table: b.Table, block: b}
	}
	out := map[string]map[string]string{}
	for name, m := range tables(schemata(), parts) {
		out[name] = m.texts()
	}
	return out
}
