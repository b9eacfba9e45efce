package correction

import (
	"fmt"
	"testing"
	"time"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
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
		r, err := f.Check(e, in)
		if err != nil {
			t.Fatal(err)
		}
		if r == nil {
			if _, err := f.Take(e, in); err != nil {
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

// A correction that counts and is not kept any more cannot be taken off: the lane says so instead of guessing.
func TestGone(t *testing.T) {
	f := New(Config{Window: time.Hour, Apply: func(*event.Event, int64) {}, Corrected: func(string, string, int32, int64) {}})
	f.Begin("topic", 0, true)
	var last error
	for n := range 2 {
		e := &event.Event{}
		e.Type, e.ID, e.Corrects.IDs = event.TypeTransaction, fmt.Sprint("c", n), []string{fmt.Sprint("c", n-1)}
		in := rollup.Input{Topic: "topic", Offset: int64(n)}
		if _, err := f.Check(e, in); err != nil {
			t.Fatal(err)
		}
		_, last = f.Take(e, in)
		f.Seal(rollup.Version{Epoch: 1, Batch: uint64(n)})
	}
	if last == nil {
		t.Error("no error")
	}
}
