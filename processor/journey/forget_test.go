package journey

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	diff "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
	"github.com/tillstream/tillstream/processor/table/tabletest"
)

// The state of a lane, without somebody: no byte of the customer is left, the sales are those of a fold that never heard the name, and a lane that loads what was there before under the
// list of the forgotten goes on like one that loads this.
func TestForget(t *testing.T) {
	schema := tabletest.Load(t)
	ann := event.Pseudonym(secret, "loyalty", "ann")
	forgotten := func(p uint64) bool { return p == ann }
	rapid.Check(t, func(t *rapid.T) {
		all := someEvents(t)
		half := rapid.IntRange(0, len(all)).Draw(t, "half")
		cfg := Config{}
		named, never := New(cfg, stores{}), New(cfg, stores{})
		before, nameless := state{}, state{}
		for _, x := range all[:half] {
			named.Fold(decode(t, x.object), rollup.Input{})
			never.Fold(decode(t, x.without("ann")), rollup.Input{})
		}
		before.apply(t, named.Seal(rollup.Version{Epoch: 1, Batch: 1}).State)
		nameless.apply(t, never.Seal(rollup.Version{Epoch: 1, Batch: 1}).State)

		erased := state{}
		for key, row := range before {
			value, changed, err := Forget(row, forgotten)
			if err != nil || changed == bytes.Equal(value, row.Value) {
				t.Fatalf("%s: changed %t, %v", key, changed, err)
			}
			if bytes.Contains(value, binary.LittleEndian.AppendUint64(nil, ann)) || bytes.Contains(value, fmt.Append(nil, ann)) {
				t.Fatalf("%s still names the customer", key)
			}
			row.Value = value
			erased[key] = row
			if row.Kind != KindSales {
				continue
			}
			if never, kept := nameless[key]; kept && !bytes.Equal(never.Value, value) || !kept && !bytes.Equal(value, appendSales(nil, must(hourOf(row.Key)), nil)) {
				t.Fatalf("%s: %x, and %x of a fold that never heard the name", key, value, never.Value)
			}
		}

		cfg.Forgotten = forgotten
		var rows [2]map[string]seen
		var ends [2]state
		for i, from := range []state{before, erased} {
			f, got := from.load(t, cfg, stores{}), content{}
			for _, x := range all[half:] {
				f.Fold(decode(t, x.without("ann")), rollup.Input{})
			}
			sealed := f.Seal(rollup.Version{Epoch: 1, Batch: 2})
			got.add(t, schema, sealed)
			rows[i], ends[i] = got.seen(), state{}
			ends[i].apply(t, sealed.State)
		}
		if d := diff.Diff(rows[0], rows[1]); d != "" {
			t.Fatalf("rows (-loaded under the list +erased): %s", d)
		}
		if d := diff.Diff(ends[0], ends[1]); d != "" {
			t.Fatalf("state (-loaded under the list +erased): %s", d)
		}
	})
}

// without is an event without the name of a customer.
func (x *told) without(name string) object {
	out := object{}
	for k, v := range x.object {
		if k != "customer" || x.customer != name {
			out[k] = v
		}
	}
	return out
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
