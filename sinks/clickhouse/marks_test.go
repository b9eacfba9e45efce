package clickhouse

import (
	"cmp"
	"errors"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/commit"
	"github.com/tillstream/tillstream/processor/rollup"
)

// Of several batches and epochs the newest mark is the greatest as text, in every table and month by itself.
func TestMarksAreTheNewest(t *testing.T) {
	s := fresh(t)
	mark := func(epoch, batch uint64) string {
		return commit.Mark{Epoch: epoch, Batch: batch, Fingerprint: "f", Blocks: 1}.String()
	}
	october := func() *rollup.Block {
		b := productBlock("s1")
		b.Month = 202610
		days := b.Columns[1].Data.([]rollup.Days)
		days[0], days[1] = nov1-31, nov1-1
		return b
	}
	for i, in := range []struct {
		block *rollup.Block
		lane  string
		mark  string
	}{
		{productBlock("s1"), "g/0", mark(9, 99)},
		{productBlock("s1"), "g/0", mark(10, 1)},
		{productBlock("s1"), "g/0", mark(9, 100)},
		{productBlock("s1"), "g/1", mark(11, 7)},
		{october(), "g/0", mark(2, 10)},
		{october(), "g/0", mark(2, 9)},
		{stateBlock("g", v2), "g/0", mark(10, 2)},
		{stateBlock("g", v1), "g/0", mark(10, 1)},
		{hoursBlock(v2, tills...), "g/0", mark(10, 2)},
		{hoursBlock(v1, tills...), "g/0", mark(10, 1)},
	} {
		insert(t, s, in.block, in.lane, in.mark, string(rune('a'+i)))
	}
	for _, optimized := range []bool{false, true} {
		if optimized {
			for _, table := range []string{"product_sales", "state", "availability_hourly"} {
				do(t, s, "OPTIMIZE TABLE tillstream."+table+" FINAL")
			}
		}
		marks, err := s.Marks(t.Context(), "g/0")
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(marks, func(a, b processor.TableMark) int {
			return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Month, b.Month))
		})
		if diff := gocmp.Diff([]processor.TableMark{
			{Table: "availability_hourly", Month: november, Mark: mark(10, 2)},
			{Table: "product_sales", Month: 202610, Mark: mark(2, 10)},
			{Table: "product_sales", Month: november, Mark: mark(10, 1)},
			{Table: "state", Mark: mark(10, 2)},
		}, marks); diff != "" {
			t.Errorf("optimized %v\n%s", optimized, diff)
		}
	}
	if marks, err := s.Marks(t.Context(), "nobody/0"); err != nil || len(marks) != 0 {
		t.Errorf("got %v, %v", marks, err)
	}
}

// Of two claims of one number the first stays. Merged, the newest of each epoch is left.
func TestTheFirstClaimHolds(t *testing.T) {
	s := fresh(t)
	claim := func(epoch, batch uint64, to int64) string {
		return commit.Mark{
			Epoch: epoch, Batch: batch, Fingerprint: "f", Blocks: 1,
			Ranges: commit.Ranges{{TopicPartition: commit.TopicPartition{Topic: "pos.health"}, From: 1, To: to}},
		}.String()
	}
	block := func() *rollup.Block { return rollup.NewBlock(commit.ClaimTable, 0, 0) }
	for _, m := range []string{claim(1, 9, 2), claim(1, 10, 5), claim(1, 10, 7), claim(2, 1, 3), claim(1, 10, 8)} {
		insert(t, s, block(), "g/0", m, m[:25])
	}
	insert(t, s, block(), "g/1", claim(1, 11, 4), "g/1")
	insert(t, s, stateBlock("g", v2), "g/0", claim(1, 9, 2), "state")
	for range 2 {
		marks, err := s.Marks(t.Context(), "g/0", commit.ClaimTable)
		slices.SortFunc(marks, func(a, b processor.TableMark) int { return cmp.Compare(a.Mark, b.Mark) })
		if diff := gocmp.Diff([]processor.TableMark{{Table: "claims", Mark: claim(1, 10, 5)}, {Table: "claims", Mark: claim(2, 1, 3)}}, marks); err != nil || diff != "" {
			t.Error(err, diff)
		}
		if marks, err := s.Marks(t.Context(), "g/0"); err != nil || len(marks) != 3 {
			t.Errorf("got %v, %v; want two claims and the state", marks, err)
		}
		do(t, s, "OPTIMIZE TABLE tillstream.claims FINAL")
	}
	if diff := gocmp.Diff([]string{"3"}, ask(t, s, "count()", "FROM tillstream.claims")); diff != "" {
		t.Error(diff)
	}
}

func TestStateRoundTrip(t *testing.T) {
	s := fresh(t)
	row := func(p int32, kind, key, value string, deleted bool) rollup.StateRow {
		return rollup.StateRow{Partition: p, Kind: kind, Key: key, Value: []byte(value), Deleted: deleted}
	}
	v3 := rollup.Version{Epoch: 2, Batch: 1}
	insert(t, s, stateBlock("g", v2, row(0, "terminal", "s\x00kept", "old", false), row(0, "terminal", "s\x00gone", "x", false), row(1, "sequence", "t", "\x00\xff\n", false)), "g/0", "m2", "2")
	insert(t, s, stateBlock("g", v1, row(0, "terminal", "s\x00kept", "older", false), row(3, "terminal", "elsewhere", "x", false)), "g/0", "m1", "1") // a zombie
	insert(t, s, stateBlock("g", v3, row(0, "terminal", "s\x00kept", "new", false), row(0, "terminal", "s\x00gone", "", true)), "g/0", "m3", "3")
	insert(t, s, stateBlock("h", v3, row(0, "terminal", "other group", "x", false)), "h/0", "m3", "4")
	v4 := rollup.Version{Epoch: 2, Batch: 2}
	past := func(key, value string, deleted bool) rollup.StateRow {
		return row(0, rollup.KindPast, key, value, deleted)
	}
	insert(t, s, stateBlock("g", v3, past("it's\x00t\\1\x00592000", "old", false), past("s\x00t\x00592001", "\x00\xff", false), past("s\x00t\x00592002", "x", false), past("s\x00t\x00592003", "x", false)), "g/0", "m3", "5")
	insert(t, s, stateBlock("g", v4, past("it's\x00t\\1\x00592000", "new", false), past("s\x00t\x00592003", "", true)), "g/0", "m4", "6")
	for range 2 {
		var got []rollup.StateRow
		err := s.State(t.Context(), []string{"g#0", "g#1", "g#2"}, func(r rollup.StateRow) error {
			r.Value = slices.Clone(r.Value)
			got = append(got, r)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		// by ascending version
		if diff := gocmp.Diff([]rollup.StateRow{row(1, "sequence", "t", "\x00\xff\n", false), row(0, "terminal", "s\x00kept", "new", false)}, got); diff != "" {
			t.Error(diff)
		}
		got = nil
		if err := s.Past(t.Context(), "g#0", []string{"it's\x00t\\1\x00592000", "s\x00t\x00592001", "s\x00t\x00592003", "s\x00t\x00592009"}, func(r rollup.StateRow, version uint64) error {
			if want := map[string]rollup.Version{"it's\x00t\\1\x00592000": v4, "s\x00t\x00592001": v3}[r.Key]; version != want.Uint64() {
				t.Errorf("%q is of version %d, want %v", r.Key, version, want)
			}
			r.Value = slices.Clone(r.Value)
			got = append(got, r)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(got, func(x, y rollup.StateRow) int { return cmp.Compare(x.Key, y.Key) })
		if diff := gocmp.Diff([]rollup.StateRow{past("it's\x00t\\1\x00592000", "new", false), past("s\x00t\x00592001", "\x00\xff", false)}, got); diff != "" {
			t.Error(diff)
		}
		do(t, s, "OPTIMIZE TABLE tillstream.state FINAL")
	}
	if err := s.State(t.Context(), []string{"g#1"}, func(rollup.StateRow) error { return errors.New("enough") }); err == nil {
		t.Error("the callback's error is lost")
	}
}

func TestStreams(t *testing.T) {
	s := fresh(t)
	if none, err := s.Streams(t.Context(), "g"); err != nil || none.Lanes != 0 {
		t.Fatalf("got %+v, %v", none, err)
	}
	at := time.Date(2026, 11, 3, 9, 0, 0, 123_000_000, time.UTC)
	tp := commit.TopicPartition{Topic: "pos.health", Partition: 3}
	old := Stream{Group: "g", Epoch: 9, Lanes: 8, Partitions: 16, Topics: []string{"pos.health", "pos.transactions"}, ClusterID: "cluster", CreatedAt: at}
	want := Stream{
		Group: "g", Epoch: 10, Lanes: 4, Partitions: 16, Topics: []string{"pos.transactions"}, ClusterID: "cluster", CreatedAt: at,
		Start: map[commit.TopicPartition]int64{tp: 7, {Topic: "pos.transactions"}: 1 << 40}, Reason: "why", By: "who", Hold: "wait",
	}
	for _, e := range []Stream{want, old, {Group: "other", Epoch: 11, Lanes: 2, Partitions: 2, CreatedAt: at}} {
		if err := s.BeginStream(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	holds := func(want Stream) {
		t.Helper()
		got, err := s.Streams(t.Context(), "g")
		if diff := gocmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
	}
	holds(want)

	// Of two who begin one epoch the first stays, though the other is newer; who begun it may change it.
	second := want
	second.Lanes, second.Start, second.CreatedAt = 5, map[commit.TopicPartition]int64{tp: 8}, at.Add(time.Hour)
	if err := s.BeginStream(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	holds(want)
	want.Hold, want.CreatedAt = "", at.Add(time.Second)
	if err := s.PutStream(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	holds(want)
	if err := s.PutRetireAfter(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff([]string{"retire_after_ms 3600000"}, ask(t, s, "name, value", "FROM tillstream.settings FINAL")); diff != "" {
		t.Error(diff)
	}
}
