package incident

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
	"github.com/tillstream/tillstream/processor/table/tabletest"
)

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// fields are an event as JSON has it.
type fields map[string]any

// incidentStep and workStep begin an event about store s1.
func incidentStep(id, step, at string) fields {
	return fields{"id": id, "source": "desk", "type": event.TypeIncident, "time": at, "store_id": "s1", "incident_id": "i1", "step": step}
}

func workStep(id, step, at string) fields {
	return fields{"id": id, "source": "desk", "type": event.TypeMaintenance, "time": at, "store_id": "s1", "maintenance_id": "m1", "step": step}
}

func (f fields) with(more fields) fields {
	out := fields{}
	for _, from := range []fields{f, more} {
		for k, v := range from {
			out[k] = v
		}
	}
	return out
}

// on is an instant of March 2026 in UTC: day, then the clock.
func on(day int, clock string) string { return fmt.Sprintf("2026-03-%02dT%s:00Z", day, clock) }

func milli(t fataler, at string) int64 {
	t.Helper()
	x, err := time.Parse(time.RFC3339, at)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return x.UnixMilli()
}

// decode makes events as a lane has them.
func decode(t fataler, f fields) *event.Event {
	t.Helper()
	value, err := json.Marshal(f)
	if err != nil {
		t.Fatalf("%v", err)
	}
	e := &event.Event{}
	if r := event.NewDecoder(event.Options{Bodies: Bodies()}).Decode(value, e); r != nil {
		t.Fatalf("%v in %s", r, value)
	}
	return e
}

// tables are the rows that ReplacingMergeTree tables would hold, by table and key.
type tables map[string]map[string]map[string]any

var keys = map[string][]string{
	"incidents": {"store_id", "incident_id"}, "maintenance": {"store_id", "maintenance_id"},
	"incident_steps": {"store_id", "incident_id", "at", "sequence", "source", "event_id"},
}

// apply writes a sealed batch, once its blocks are found to be what the tables take.
func (ts tables) apply(t fataler, schema tabletest.Schema, s rollup.Sealed) {
	t.Helper()
	schema.Check(t, s.Blocks)
	for _, b := range s.Blocks {
		if ts[b.Table] == nil {
			ts[b.Table] = map[string]map[string]any{}
		}
		for i := 1; i <= b.Rows; i++ {
			row := map[string]any{}
			for _, c := range b.Columns {
				row[c.Name] = reflect.ValueOf(c.Data).Index(i).Interface()
			}
			var key []string
			for _, k := range keys[b.Table] {
				key = append(key, fmt.Sprint(row[k]))
			}
			delete(row, "version")
			if at := strings.Join(key, "|"); row["deleted"] == uint8(1) {
				delete(ts[b.Table], at)
			} else {
				ts[b.Table][at] = row
			}
		}
	}
}

// state is what table tillstream.state would hold.
type state map[string]rollup.StateRow

func (st state) apply(rows []rollup.StateRow) {
	for _, r := range rows {
		r.Value = slices.Clone(r.Value)
		st[fmt.Sprintf("%d %s %s", r.Partition, r.Kind, r.Key)] = r
	}
}

func (st state) load(t fataler) *Fold {
	t.Helper()
	f := New()
	for _, r := range st {
		if err := f.Load(r); err != nil {
			t.Fatalf("%v", err)
		}
	}
	return f
}

// rowOf folds steps in one batch and gives the only row of a table.
func rowOf(t *testing.T, table string, steps ...fields) map[string]any {
	t.Helper()
	f, got := New(), tables{}
	for _, s := range steps {
		f.Fold(decode(t, s), rollup.Input{})
	}
	got.apply(t, tabletest.Load(t), f.Seal(rollup.Version{Epoch: 1, Batch: 1}))
	if n := len(got[table]); n != 1 {
		t.Fatalf("%d rows in %s", n, table)
	}
	for _, row := range got[table] {
		return row
	}
	return nil
}
