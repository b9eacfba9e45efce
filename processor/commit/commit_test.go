package commit

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var (
	tpA = TopicPartition{"pos.health", 3}
	tpB = TopicPartition{"pos.transactions", 3}
)

func TestMarkRoundTripAndOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func() Mark {
			m := Mark{
				Epoch: rapid.Uint64Range(1, 99).Draw(t, "epoch"), Batch: rapid.Uint64Range(1, 1e12).Draw(t, "batch"),
				Fingerprint: rapid.StringMatching(`[0-9a-f]{8}`).Draw(t, "fingerprint"), Blocks: rapid.IntRange(1, 200).Draw(t, "blocks"),
			}
			for i := range rapid.IntRange(0, 3).Draw(t, "ranges") {
				m.Ranges = append(m.Ranges, Range{
					TopicPartition{rapid.StringMatching(`[a-z.:_-]{1,9}`).Draw(t, "topic"), int32(i)},
					rapid.Int64Range(0, 1e15).Draw(t, "from"), rapid.Int64Range(0, 1e15).Draw(t, "to"),
				})
			}
			return m
		}
		a, b := draw(), draw()
		got, err := ParseMark(a.String())
		if err != nil || !cmp.Equal(a, got) {
			t.Fatalf("%q read back as %+v, %v", a, got, err)
		}
		// ClickHouse keeps max(mark) as text: it must be the newest.
		if newer(a, b) && a.String() <= b.String() {
			t.Fatalf("%q is newer than %q but not greater", a, b)
		}
	})
}

func TestMetadata(t *testing.T) {
	intent := Metadata{Epoch: 2, Batch: 41, Pending: true, To: 99, Deadline: 1_700_000_000_000, Fingerprint: "0badcafe"}
	idle := Metadata{Epoch: 2, Batch: 41}
	for _, m := range []Metadata{intent, idle} {
		if got, ok := ParseMetadata(m.String()); !ok || got != m {
			t.Errorf("%q read back as %+v, %v", m, got, ok)
		}
		if n := len(m.String()); n > 120 {
			t.Errorf("%d bytes of metadata", n)
		}
		if _, ok := ParseMetadata(strings.Replace(m.String(), "n=41", "n=42", 1)); ok {
			t.Error("metadata that was tampered with was taken for ours")
		}
	}
	for _, s := range []string{"", "something else", "ts1 idle e=1 n=2", " c=00000000"} {
		if _, ok := ParseMetadata(s); ok {
			t.Errorf("%q was taken for ours", s)
		}
	}
}

func TestRecover(t *testing.T) {
	idle := func(offset int64, batch uint64) Committed {
		return Committed{offset, Metadata{Epoch: 1, Batch: batch}.String()}
	}
	intent := func(from, to int64, batch uint64) Committed {
		return Committed{from, Metadata{Epoch: 1, Batch: batch, Pending: true, To: to, Deadline: 50, Fingerprint: "f"}.String()}
	}
	mark := func(batch uint64, a, a2, b, b2 int64) Mark {
		return Mark{Epoch: 1, Batch: batch, Fingerprint: "f", Blocks: 1, Ranges: Ranges{{tpA, a, a2}, {tpB, b, b2}}}
	}
	state := func(m Mark) Held { return Held{StateTable, 0, m} }
	sales := func(m Mark) Held { return Held{"sales_hourly", 202611, m} }
	none := Committed{Offset: -1}
	at := func(a, b int64) map[TopicPartition]int64 { return map[TopicPartition]int64{tpA: a, tpB: b} }
	two := Ranges{{tpA, 10, 15}, {tpB, 20, 29}}

	for _, c := range []struct {
		name    string
		a, b    Committed
		held    []Held
		now     int64
		batch   uint64
		at      map[TopicPartition]int64
		pending Ranges
		wait    int64
		stops   string
	}{
		{name: "nothing anywhere", a: none, b: none, at: map[TopicPartition]int64{}},
		{name: "group was put somewhere before the first start", a: Committed{7, ""}, b: none, at: map[TopicPartition]int64{tpA: 7}},
		{name: "clean", a: idle(10, 1), b: idle(20, 1), held: []Held{state(mark(1, 0, 10, 0, 20))}, batch: 1, at: at(10, 20)},
		{name: "commit lost", a: idle(0, 0), b: intent(0, 20, 1), held: []Held{state(mark(1, 0, 10, 0, 20))}, now: 60, batch: 1, at: at(10, 20)},
		{name: "offsets reset to the start", a: Committed{0, ""}, b: Committed{0, ""}, held: []Held{state(mark(1, 0, 10, 0, 20))}, batch: 1, at: at(10, 20)},
		{name: "offsets expired", a: none, b: none, held: []Held{state(mark(1, 0, 10, 0, 20))}, batch: 1, at: at(10, 20)},
		{name: "in flight", a: intent(10, 15, 2), b: intent(20, 29, 2), held: []Held{state(mark(1, 0, 10, 0, 20))}, now: 49, wait: 50},
		{name: "pending, nothing landed", a: intent(10, 15, 2), b: intent(20, 29, 2), held: []Held{state(mark(1, 0, 10, 0, 20))}, now: 50, batch: 1, at: at(10, 20), pending: two},
		{
			name: "pending, one table landed", a: intent(10, 15, 2), b: intent(20, 29, 2), now: 50, batch: 1, at: at(10, 20), pending: two,
			held: []Held{state(mark(1, 0, 10, 0, 20)), sales(mark(2, 10, 15, 20, 29))},
		},
		{name: "intent on one partition, nothing landed: forgotten", a: intent(10, 15, 2), b: idle(20, 1), held: []Held{state(mark(1, 0, 10, 0, 20))}, now: 50, batch: 1, at: at(10, 20)},
		{
			name: "metadata erased, a table tells the ranges", a: Committed{10, ""}, b: Committed{20, ""}, now: 50, batch: 1, at: at(10, 20), pending: two,
			held: []Held{state(mark(1, 0, 10, 0, 20)), sales(mark(2, 10, 15, 20, 29))},
		},
		{
			name: "two batches under one number", a: Committed{10, ""}, b: Committed{20, ""}, stops: "two different batches",
			held: []Held{state(mark(1, 0, 10, 0, 20)), sales(mark(2, 10, 15, 20, 29)), {"product_sales", 202611, mark(2, 10, 16, 20, 29)}},
		},
		{
			name: "tables and intent differ", a: intent(10, 15, 2), b: intent(20, 29, 2), now: 50, stops: "different ranges",
			held: []Held{state(mark(1, 0, 10, 0, 20)), sales(mark(2, 10, 16, 20, 29))},
		},
		{name: "ClickHouse was emptied", a: idle(10, 7), b: idle(20, 7), stops: "begun or done"},
		{name: "ClickHouse was restored", a: idle(10, 7), b: idle(20, 7), held: []Held{state(mark(3, 0, 4, 0, 5))}, stops: "begun or done"},
		{name: "state was lost", a: idle(10, 1), b: idle(20, 1), held: []Held{state(mark(1, 0, 10, 0, 20)), sales(mark(5, 10, 11, 20, 21))}, stops: "its state ends with batch 1"},
		{name: "offsets were moved ahead", a: Committed{11, ""}, b: idle(20, 1), held: []Held{state(mark(1, 0, 10, 0, 20))}, stops: "only up to 10"},
		{name: "newer epoch", a: Committed{10, Metadata{Epoch: 2, Batch: 1}.String()}, b: idle(20, 1), held: []Held{state(mark(1, 0, 10, 0, 20))}, stops: "epoch 2"},
		{name: "a topic was added", a: none, b: idle(20, 1), held: []Held{state(Mark{Epoch: 1, Batch: 1, Ranges: Ranges{{tpB, 0, 20}}})}, batch: 1, at: map[TopicPartition]int64{tpB: 20}},
	} {
		t.Run(c.name, func(t *testing.T) {
			plan, err := Recover(Found{
				Lane: "g/3", Epoch: 1, Partitions: []TopicPartition{tpA, tpB}, Held: c.held, Now: c.now,
				Committed: map[TopicPartition]Committed{tpA: c.a, tpB: c.b},
			})
			if c.stops != "" {
				var stop *Contradiction
				if !errors.As(err, &stop) || !strings.Contains(stop.What, c.stops) || stop.Remedy == "" {
					t.Fatalf("got %v, want a contradiction with %q and a remedy", err, c.stops)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var pending Ranges
			if plan.Pending != nil {
				pending = plan.Pending.Ranges
			}
			if plan.Wait != c.wait || plan.Batch != c.batch || !cmp.Equal(plan.Position, c.at) || !cmp.Equal(pending, c.pending) {
				t.Errorf("got %+v, pending %v", plan, pending)
			}
		})
	}
}

func TestSkipOfAnotherVersion(t *testing.T) {
	h := func(table string, month uint32, fp string, blocks int) Held {
		return Held{table, month, Mark{Epoch: 1, Batch: 2, Fingerprint: fp, Blocks: blocks}}
	}
	p := &Pending{Batch: 2, held: []Held{
		h("whole", 202611, "old", 2), h("whole", 202612, "old", 2), h("part", 202611, "old", 2), h("ours", 202611, "new", 2),
	}}
	for _, c := range []struct {
		table, block string
		skip, stops  bool
	}{
		{"whole", "whole/202611", true, false},
		{"whole", "whole/202701", true, false}, // the old version put it in other months
		{"none", "none/202611", false, false},
		{"ours", "ours/202611", true, false},
		{"ours", "ours/202612", false, false},
		{"part", "part/202612", false, true},
	} {
		skip, err := p.Skip("g/0", "new", c.table, c.block)
		if skip != c.skip || (err != nil) != c.stops {
			t.Errorf("%s: skip %v, %v", c.block, skip, err)
		}
	}
}
