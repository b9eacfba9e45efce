package journey

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/rollup"
	"github.com/tillstream/tillstream/processor/table/tabletest"
)

// fields of an event as JSON has it.
type object map[string]any

var secret = []byte("only for tests, only for tests")

func decode(t tabletest.TB, o object) *event.Event {
	t.Helper()
	value, err := json.Marshal(o)
	if err != nil {
		t.Fatalf("%v", err)
	}
	bodies := Bodies()
	bodies[event.TypeRegistry] = registry.Read
	e := &event.Event{}
	if r := event.NewDecoder(event.Options{Secret: secret, Bodies: bodies}).Decode(value, e); r != nil {
		t.Fatalf("%v in %s", r, value)
	}
	return e
}

// stores is a Registry.
type stores map[string]*registry.Store

func (s stores) Registered(id string) *registry.Store { return s[id] }

// content is what the table would hold: by store and order, the least of numbers and the greatest of texts.
type content map[string]map[string]any

func (c content) add(t tabletest.TB, schema tabletest.Schema, s rollup.Sealed) {
	t.Helper()
	schema.Check(t, s.Blocks)
	for _, b := range s.Blocks {
		for i := 1; i <= b.Rows; i++ {
			row := map[string]any{}
			for _, col := range b.Columns {
				row[col.Name] = reflect.ValueOf(col.Data).Index(i).Interface()
			}
			key := fmt.Sprintf("%s/%s", row["store_id"], row["order_id"])
			if c[key] == nil {
				c[key] = row
				continue
			}
			for name, v := range row {
				switch v := v.(type) {
				case int64:
					c[key][name] = min(c[key][name].(int64), v)
				case string:
					c[key][name] = max(c[key][name].(string), v)
				}
			}
		}
	}
}

// seen is an order as one sees it: steps in ms by name, texts, and what was reckoned.
type seen struct {
	At   map[string]int64
	Said map[string]string
	Held map[string]string
}

func (c content) seen() map[string]seen {
	out := map[string]seen{}
	for key, row := range c {
		x := seen{map[string]int64{}, map[string]string{}, map[string]string{}}
		for name, v := range row {
			switch v := v.(type) {
			case int64:
				if v != never {
					x.At[strings.TrimSuffix(name, "_ms")] = v
				}
			case string:
				if short, ok := strings.CutSuffix(name, "_said"); ok && v != "" {
					x.Said[short] = v[stampDigits:]
				} else if short, ok := strings.CutSuffix(name, "_held"); ok && len(v) > stampDigits+20 {
					x.Held[short] = v[stampDigits+20:]
				}
			}
		}
		out[key] = x
	}
	return out
}

// state is what table tillstream.state would hold.
type state map[string]rollup.StateRow

func (st state) apply(t tabletest.TB, rows []rollup.StateRow) {
	t.Helper()
	once := map[string]bool{}
	for _, r := range rows {
		key := fmt.Sprintf("%d %s %q", r.Partition, r.Kind, r.Key)
		if once[key] {
			t.Fatalf("two rows of state with the key %s in one batch", key)
		}
		once[key] = true
		r.Value = slices.Clone(r.Value)
		if st[key] = r; r.Deleted {
			delete(st, key)
		}
	}
}

func (st state) load(t tabletest.TB, cfg Config, r Registry) *Fold {
	t.Helper()
	f := New(cfg, r)
	for _, row := range st {
		if err := f.Load(row); err != nil {
			t.Fatalf("%v", err)
		}
	}
	return f
}

// fold folds events in one batch.
func fold(t *testing.T, cfg Config, r Registry, all ...object) (seen, *Fold) {
	t.Helper()
	f, got := New(cfg, r), content{}
	for _, o := range all {
		f.Fold(decode(t, o), rollup.Input{})
	}
	got.add(t, tabletest.Load(t), f.Seal(rollup.Version{Epoch: 1, Batch: 1}))
	rows := got.seen()
	if len(rows) != 1 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, x := range rows {
		return x, f
	}
	return seen{}, nil
}

func keysOf[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
