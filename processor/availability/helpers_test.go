package availability

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
)

// tables are the rows that ReplacingMergeTree tables would hold: by key the one of the highest version, and none if that is deleted.
type tables map[string]map[string]map[string]any

var keyColumns = map[string][]string{
	"availability_hourly": {"store_id", "terminal_id", "hour"},
	"status_intervals":    {"store_id", "terminal_id", "started_at"},
	"outages":             {"store_id", "terminal_id", "started_at"},
	"terminal_status":     {"store_id", "terminal_id"},

	"store_availability_hourly": {"store_id", "hour"},
	"store_outages":             {"store_id", "started_at"},
	"store_status":              {"store_id"},
	"service_windows":           {"store_id", "month"},
}

// apply writes a sealed batch into the tables and checks the blocks: lengths, months, order of keys.
func (ts tables) apply(t fataler, s rollup.Sealed, v rollup.Version) {
	seen := map[string]bool{}
	for _, b := range s.Blocks {
		if seen[b.Name()] || b.Rows == 0 {
			t.Fatalf("block %s: twice, or empty", b.Name())
		}
		seen[b.Name()] = true
		key := keyColumns[b.Table]
		if ts[b.Table] == nil {
			ts[b.Table] = map[string]map[string]any{}
		}
		last := ""
		for i := 1; i <= b.Rows; i++ {
			row, month := map[string]any{}, b.Month
			for _, c := range b.Columns {
				data := reflect.ValueOf(c.Data)
				if data.Len() != b.Rows+1 {
					t.Fatalf("block %s: column %s has %d values for %d rows", b.Name(), c.Name, data.Len(), b.Rows)
				}
				row[c.Name] = data.Index(i).Interface()
				switch x := row[c.Name].(type) {
				case rollup.Seconds:
					if c.Name == "hour" {
						month = rollup.MonthOfUnix(int64(x))
					}
				case rollup.Millis:
					if c.Name == "started_at" {
						month = rollup.MonthOfUnix(int64(x) / 1000)
					}
				}
			}
			if month != b.Month {
				t.Fatalf("block %s has a row of %d", b.Name(), month)
			}
			k := ""
			for _, c := range key {
				switch x := row[c].(type) {
				case string:
					k += x + "|"
				case rollup.Seconds:
					k += fmt.Sprintf("%020d", int64(x))
				case rollup.Days:
					k += fmt.Sprintf("%020d", int64(x))
				case rollup.Millis:
					k += fmt.Sprintf("%020d", int64(x))
				}
			}
			if k <= last {
				t.Fatalf("block %s: key %q after %q", b.Name(), k, last)
			}
			last = k
			if row["version"] != v.Uint64() {
				t.Fatalf("block %s: version %v", b.Name(), row["version"])
			}
			if strings.HasSuffix(b.Table, "availability_hourly") && nothing(row) { // an hour that is no more
				delete(ts[b.Table], k)
				continue
			}
			if row["deleted"] == uint8(1) {
				if ts[b.Table][k] == nil {
					t.Fatalf("block %s ends row %q, which is not there", b.Name(), k)
				}
				delete(ts[b.Table], k)
				continue
			}
			delete(row, "version")
			delete(row, "deleted")
			ts[b.Table][k] = row
		}
	}
}

// nothing says whether a row of an hour tells of no time and no evidence.
func nothing(row map[string]any) bool {
	for _, v := range row {
		if n, ok := v.(uint32); ok && n != 0 {
			return false
		}
	}
	return true
}

// state is what table tillstream.state would hold.
type state map[string]rollup.StateRow

func (st state) apply(rows []rollup.StateRow) {
	for _, r := range rows {
		k := fmt.Sprintf("%d %s %s", r.Partition, r.Kind, r.Key)
		if r.Deleted {
			delete(st, k)
			continue
		}
		r.Value = slices.Clone(r.Value)
		st[k] = r
	}
}

// rows are in an order that has nothing to do with that of writing.
func (st state) rows(backwards bool) []rollup.StateRow {
	keys := slices.Sorted(maps.Keys(st))
	if backwards {
		slices.Reverse(keys)
	}
	var out []rollup.StateRow
	for _, k := range keys {
		if st[k].Kind != rollup.KindPast {
			out = append(out, st[k])
		}
	}
	return out
}

// answer gives a fold what it wants, and says how much that was.
func (st state) answer(t fataler, f *Fold, limit int) (rows int) {
	for {
		want := f.Wants(limit)
		if len(want) == 0 {
			return rows
		}
		for _, k := range want {
			row, ok := st[fmt.Sprintf("%d %s %s", k.Partition, rollup.KindPast, k.Key)]
			if !ok {
				t.Fatalf("the state has no %q of partition %d", k.Key, k.Partition)
			}
			if err := f.Recall(row); err != nil {
				t.Fatalf("%v", err)
			}
			rows++
		}
	}
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func noStale(t *testing.T) func(string, string, int32) {
	return func(topic, terminal string, day int32) { t.Errorf("stale: %s %s %d", topic, terminal, day) }
}

// at reads an instant, in UTC.
func at(t fataler, s string) int64 {
	t.Helper()
	for _, layout := range []string{"2006-01-02 15:04:05.000", "2006-01-02 15:04:05", "2006-01-02 15:04"} {
		if x, err := time.Parse(layout, s); err == nil {
			return x.UnixMilli()
		}
	}
	t.Fatalf("not an instant: %s", s)
	return 0
}

func report(at int64, status string) *event.Event {
	e := &event.Event{}
	e.Type, e.StoreID, e.TerminalID = event.TypeHealth, "s1", "t1"
	e.Time = event.Time{Milli: at, OK: true}
	e.Health.Status = status
	return e
}

func sale(start, end int64) *event.Event {
	e := &event.Event{}
	e.Type, e.StoreID, e.TerminalID = event.TypeTransaction, "s1", "t1"
	e.Time = event.Time{Milli: end, OK: true}
	e.Transaction.Kind = "sale"
	if start != end {
		e.Transaction.StartedAt = event.Time{Milli: start, OK: true}
	}
	return e
}

// terminalsOf are all terminals that a fold knows.
func terminalsOf(f *Fold) (all []*terminal) {
	for _, st := range f.stores {
		all = append(all, st.terminals...)
	}
	return all
}
