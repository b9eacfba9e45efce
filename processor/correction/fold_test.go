package correction

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
	"github.com/tillstream/tillstream/processor/table/tabletest"
)

// What is remembered is bounded, and what is forgotten makes room.
func TestLimit(t *testing.T) {
	f := New(Config{Window: time.Hour, Apply: func(*event.Event, int64) {}, Corrected: func(string, string, int32, int64) {}})
	f.limit = 3
	f.Begin("topic", 0, true)
	send := func(n int, at time.Duration) *event.Rejection {
		e := &event.Event{}
		e.Type, e.ID, e.StoreID, e.TerminalID, e.Corrects.IDs = event.TypeTransaction, fmt.Sprint("c", n), "s", "t", []string{fmt.Sprint("e", n)}
		e.Time = event.Time{Milli: at.Milliseconds(), OK: true}
		in := rollup.Input{Topic: "topic", Offset: int64(n), Timestamp: at.Milliseconds()}
		clock, _ := f.Await(e, in)
		if err := f.Look(); err != nil {
			t.Fatal(err)
		}
		r := f.Check(e, in, clock)
		if r == nil {
			if _, err := f.Correct(e, in); err != nil {
				t.Fatal(err)
			}
		}
		return r
	}
	for n := range 3 {
		if r := send(n, time.Duration(n)*time.Minute); r != nil {
			t.Fatal(r)
		}
	}
	if r := send(3, time.Hour); r == nil || r.Reason != event.ReasonCorrectionLimit {
		t.Errorf("the fourth: %v", r)
	}
	if r := send(4, 2*time.Hour+time.Millisecond); r != nil { // window and slack after the first
		t.Error(r)
	}
	if n := len(f.graph("topic", 0).links); n != 3 {
		t.Errorf("%d are remembered, want 3", n)
	}
	deleted := 0
	for _, row := range f.Seal(rollup.Version{Epoch: 1, Batch: 1}).State {
		if row.Deleted {
			deleted++
		}
	}
	if deleted != 1 {
		t.Errorf("%d rows of state are deleted, want that of the first", deleted)
	}
}

// Of other partitions, which others read meanwhile, only what they had in epochs before is taken off, and nothing of another topic.
func TestOtherPartitions(t *testing.T) {
	off := 0
	f := New(Config{Window: time.Hour, Apply: func(_ *event.Event, sign int64) { off -= min(int(sign), 0) }, Corrected: func(string, string, int32, int64) {}})
	e := &event.Event{}
	e.Type, e.ID, e.StoreID, e.TerminalID, e.Corrects.IDs = event.TypeTransaction, "c", "s", "t", []string{"e"}
	content := string(appendContent(nil, e, 20_000))
	f.Find(func(q Query, row func(Row) error) error {
		for i, r := range []Row{{Partition: 3}, {Partition: 4}, {Partition: 4, Old: true}, {Partition: 3, Topic: "other"}} {
			r.Key, r.Topic, r.At, r.Offset, r.StoreID, r.TerminalID, r.ID, r.Content = keyOf("s", "t", "e"), cmp.Or(r.Topic, "topic"), 5, int64(i), "s", "t", "e", content
			if !q.has(Key{tillOf("topic", "s", "t"), r.Key}) {
				t.Errorf("looked for %v", q.Keys)
			}
			if err := row(r); err != nil {
				return err
			}
		}
		return nil
	})
	in := rollup.Input{Topic: "topic", Partition: 3, Offset: 7, Timestamp: 10}
	clock, _ := f.Await(e, in)
	if err := f.Look(); err != nil {
		t.Fatal(err)
	}
	if r := f.Check(e, in, clock); r != nil {
		t.Fatal(r)
	}
	if _, err := f.Correct(e, in); err != nil || off != 2 {
		t.Errorf("%d are taken off (%v), want that of the partition and the old one", off, err)
	}
}

// A correction that counts and is not kept any more cannot be taken off: the lane says so instead of guessing.
func TestGone(t *testing.T) {
	f := New(Config{Window: time.Hour, Apply: func(*event.Event, int64) {}, Corrected: func(string, string, int32, int64) {}})
	f.Begin("topic", 0, true)
	var last error
	for n := range 2 {
		e := &event.Event{}
		e.Type, e.ID, e.Corrects.IDs = event.TypeTransaction, fmt.Sprint("c", n), []string{fmt.Sprint("c", n-1)}
		in := rollup.Input{Topic: "topic", Offset: int64(n)}
		clock, _ := f.Await(e, in)
		if err := f.Look(); err != nil {
			t.Fatal(err)
		}
		f.Check(e, in, clock)
		_, last = f.Correct(e, in)
		f.Seal(rollup.Version{Epoch: 1, Batch: uint64(n)})
	}
	if last == nil {
		t.Error("no error")
	}
}

// Whatever a batch is made of, each transaction is in one pack of its till, in the order of offsets, and is found there by its key; packs end where they are to.
func TestPacks(t *testing.T) {
	schema := tabletest.Load(t)
	rapid.Check(t, func(t *rapid.T) {
		f := New(Config{Window: time.Hour, Apply: func(*event.Event, int64) {}, Corrected: func(string, string, int32, int64) {}})
		type place struct {
			partition int32
			offset    int64
		}
		sent, rare := map[place]*event.Event{}, map[place]bool{}
		tills, long := rapid.IntRange(1, 3).Draw(t, "tills"), strings.Repeat("p", rapid.IntRange(1, 700).Draw(t, "length"))
		for n := range rapid.SampledFrom([]int{1, 40, 600}).Draw(t, "transactions") {
			e := &event.Event{}
			e.Type, e.ID, e.StoreID, e.TerminalID = event.TypeTransaction, fmt.Sprint("e", n), "s", fmt.Sprint("t", n%tills)
			e.Transaction = event.Transaction{Customer: event.Customer{Pseudonym: uint64(n)}, Lines: []event.Line{{ProductID: long}}}
			at := place{int32(n / 7 % 2), int64(n)}
			if rapid.IntRange(0, 999).Draw(t, "correction") == 700 {
				e.Corrects.IDs = []string{fmt.Sprint("e", n+2*tills)} // comes later perhaps, or in the other partition, or of another till
			}
			in := rollup.Input{Topic: "topic", Partition: at.partition, Offset: at.offset, Timestamp: 1_772_452_800_000 + int64(n)}
			verdict, err := Counts, error(nil)
			if len(e.Corrects.IDs) == 0 {
				verdict = f.Take(e, in, f.Tick(in))
			} else {
				clock, _ := f.Await(e, in)
				if err := f.Look(); err != nil {
					t.Fatal(err)
				}
				f.Check(e, in, clock)
				verdict, err = f.Correct(e, in)
			}
			if err != nil {
				t.Fatal(err)
			}
			sent[at], rare[at] = e, verdict != Counts
		}
		blocks := f.Seal(rollup.Version{Epoch: 1, Batch: 1}).Blocks
		schema.Check(t, blocks)
		b, left := blocks[0], len(sent)
		for i := 1; i <= b.Rows; i++ {
			ids, bytes, last := column[[]string](b, "ids")[i], 0, int64(-1)
			if len(ids) > packRows || int(column[uint64](b, "events")[i]) != len(ids) || column[int64](b, "offset")[i] != column[[]int64](b, "offsets")[i][0] {
				t.Fatalf("a pack of %d", len(ids))
			}
			for j, id := range ids {
				at := place{column[int32](b, "partition")[i], column[[]int64](b, "offsets")[i][j]}
				e, content := sent[at], column[[]string](b, "contents")[i][j]
				if e.ID != id || e.TerminalID != column[string](b, "terminal_id")[i] || at.offset <= last || rare[at] && len(ids) > 1 || bytes >= packBytes {
					t.Fatalf("%s of %d@%d is in a pack of %d of %s, after %d bytes and offset %d", id, at.partition, at.offset, len(ids), column[string](b, "terminal_id")[i], bytes, last)
				}
				left, bytes, last = left-1, bytes+len(content), at.offset
				found := 0
				q := Query{Keys: []Key{{tillOf("topic", "s", e.TerminalID), keyOf("s", e.TerminalID, id)}}, Since: column[[]int64](b, "at_ms")[i][j]}
				if err := Search(b, q, func(r Row) error {
					if r.Partition != at.partition {
						return nil
					}
					found++
					if r.ID != id || r.Offset != at.offset || r.Customer != e.Transaction.Customer.Pseudonym || r.Content != content || r.Correction != (len(e.Corrects.IDs) > 0) {
						t.Fatalf("found %+v of %+v", r, e)
					}
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				if superseded := rare[at] && len(e.Corrects.IDs) == 0; (found == 1) == superseded {
					t.Fatalf("%s was found %d times", id, found)
				}
			}
		}
		if left != 0 {
			t.Fatalf("%d are in no pack", left)
		}
	})
}

// A member of a version without packs, or that cannot read what is in them now, must not take over a partition that has some: the state of its clock is of a format that such a one
// does not know. What it wrote itself is read, and is of that format with the next batch.
func TestClockOfOlderVersions(t *testing.T) {
	for format := range byte(5) {
		value := binary.AppendVarint(binary.AppendVarint(binary.AppendVarint([]byte{format}, 1_772_452_800_000), 5), time.Hour.Milliseconds())
		f := New(Config{Window: time.Hour})
		err := f.Load(rollup.StateRow{Partition: 3, Kind: KindClock, Key: "topic", Value: value})
		if known := format >= 1 && format <= 3; known != (err == nil) {
			t.Fatalf("format %d: %v", format, err)
		} else if !known || format == 3 {
			continue
		}
		rows := f.Seal(rollup.Version{Epoch: 1, Batch: 1}).State
		if len(rows) != 1 || rows[0].Value[0] != 3 || string(rows[0].Value[1:]) != string(value[1:]) {
			t.Errorf("format %d: state %v, want the same in format 3", format, rows)
		}
	}
}
