package sequence

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
)

// Worked by hand. A step is number@time, with e<epoch>: in front if the till says one and !day behind where it matters, and what
// the verdict has to be. missing is what is left by day.
func TestByHand(t *testing.T) {
	tests := map[string]struct {
		steps    string
		missing  map[int32]int64
		restarts uint64
	}{
		"in order, and again":                 {steps: "1@1 new, 2@2 new, 3@3 new, 2@2 dup, 3@3 dup, 1@1 dup"},
		"a hole stays":                        {steps: "1@1 new, 4@4!7 new", missing: map[int32]int64{7: 2}},
		"a hole is filled where it was found": {steps: "1@1!5 new, 4@4!7 new, 2@2!9 new", missing: map[int32]int64{7: 1}},
		"two holes, two days":                 {steps: "1@1 new, 4@4!7 new, 9@9!8 new, 6@6!9 new", missing: map[int32]int64{7: 2, 8: 3}},
		"the first seen is not the first":     {steps: "10@10 new, 8@8!3 new, 9@9!4 new, 8@8 dup", missing: nil},
		"smaller ones reveal holes":           {steps: "10@10 new, 5@5!3 new", missing: map[int32]int64{3: 4}},
		"zero is a number":                    {steps: "0@0 new, 0@0 dup, 1@1 new"},
		"days later, in any order":            {steps: "100@100 new, 103@103!1 new, 102@102!5 new, 101@101!6 new, 101@101 dup"},

		"till reinstalled":                      {steps: "1@1 new, 2@2 new, 3@3 new, 1@10 new, 2@11 new, 1@10 dup, 3@3 dup", restarts: 1},
		"repeat with its old time":              {steps: "1@1 new, 2@2 new, 1@1 dup, 2@2 dup"},
		"repeat at the newest time":             {steps: "1@1 new, 2@2 new, 2@2 dup"},
		"old epoch late, above":                 {steps: "1@1 new, 2@2 new, 1@10 new, 3@3 new, 3@3 dup, 2@11 new", restarts: 1},
		"old epoch late, hole":                  {steps: "1@1 new, 3@3!6 new, 1@10 new, 2@2!7 new, 2@11 new", restarts: 1},
		"new epoch heard from its third number": {steps: "1@1 new, 2@2 new, 3@3 new, 3@12 new, 2@11!4 new, 1@10 new, 1@10 dup, 3@3 dup", restarts: 1},
		"a number that both epochs know, from between them": {
			steps:   "1@1 new, 2@2 new, 3@3 new, 4@4 new, 5@5 new, 3@12 new, 3@10 dup, 7@11!4 new",
			missing: map[int32]int64{4: 1}, restarts: 1,
		},
		"the new epoch begins where it is first heard of": {
			steps:   "1@1 new, 2@2 new, 3@3 new, 4@4 new, 5@5 new, 3@12 new, 1@10!3 new, 7@11!4 new",
			missing: map[int32]int64{3: 1, 4: 3}, restarts: 1,
		},
		"reinstalled twice":             {steps: "1@1 new, 2@2 new, 1@10 new, 2@11 new, 1@20 new, 2@2 dup, 2@11 dup, 2@21 new", restarts: 2},
		"numbers start again every day": {steps: "1@1 new, 2@2 new, 1@11 new, 2@12 new, 3@13 new, 1@21 new, 2@22 new, 3@13 dup", restarts: 2},
		"reinstalled, first seen high":  {steps: "50@1 new, 51@2 new, 1@10!3 new, 2@11 new", missing: map[int32]int64{3: 47}},

		"epochs that the till names":           {steps: "e0:1@1 new, e0:2@2 new, e1:1@3 new, e1:2@4 new, e0:2@2 dup, e1:1@3 dup, e0:3@9 new"},
		"in a named epoch the number decides":  {steps: "e0:1@1 new, e0:1@9 dup"},
		"an epoch heard late":                  {steps: "e5:1@1 new, e3:1@1 new, e3:1@1 dup, e5:2@2 new"},
		"with and without a name are two":      {steps: "1@1 new, e0:1@1 new, 1@1 dup, e0:1@1 dup"},
		"beyond eight epochs, the oldest ends": {steps: "e1:1@1 new, e2:1@1 new, e3:1@1 new, e4:1@1 new, e5:1@1 new, e6:1@1 new, e7:1@1 new, e8:1@1 new, e1:2@2 new, e9:1@1 new, e1:3@3 forgotten, e0:1@1 forgotten, e2:1@1 dup"},
	}
	for name, test := range tests {
		for _, reload := range []bool{false, true} { // nothing may depend on what is only in memory
			t.Run(fmt.Sprintf("%s, reload %v", name, reload), func(t *testing.T) {
				w := newWorld(t, bounds)
				for _, step := range strings.Split(test.steps, ", ") {
					epoch, n, at, day, want := parse(t, step)
					if got := w.set.See(numbered("till", epoch, n, at), rollup.Input{Topic: topic}, day); got != want {
						t.Fatalf("%s: %d", step, got)
					}
					if reload {
						w.seal()
						w.open(t)
					}
				}
				left := map[int32]int64{}
				for day, n := range w.days["till"] {
					if n != 0 {
						left[day] = n
					}
				}
				if diff := cmp.Diff(test.missing, left, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("missing: %s", diff)
				}
				if got := w.set.Stats().Restarts; got != test.restarts {
					t.Errorf("%d restarts, want %d", got, test.restarts)
				}
			})
		}
	}
}

func parse(t *testing.T, step string) (epoch int64, n uint64, at int64, day int32, want Verdict) {
	what, verdict, _ := strings.Cut(step, " ")
	var err error
	epoch = -1
	if rest, ok := strings.CutPrefix(what, "e"); ok {
		_, err = fmt.Sscanf(rest, "%d:%d@%d", &epoch, &n, &at)
	} else if strings.Contains(what, "!") {
		_, err = fmt.Sscanf(what, "%d@%d!%d", &n, &at, &day)
	} else {
		_, err = fmt.Sscanf(what, "%d@%d", &n, &at)
	}
	want, ok := map[string]Verdict{"new": Fresh, "dup": Duplicate, "forgotten": Forgotten}[verdict]
	if err != nil || !ok {
		t.Fatalf("step %q: %v", step, err)
	}
	return epoch, n, at, day, want
}

// Terminals are apart by topic, partition and id.
func TestApart(t *testing.T) {
	w := newWorld(t, bounds)
	for _, in := range []rollup.Input{{Topic: "a"}, {Topic: "b"}, {Topic: "a", Partition: 1}} {
		for _, terminal := range []string{"till", "till\x00", ""} {
			if v := w.set.See(numbered(terminal, -1, 7, 1), in, 0); v != Fresh {
				t.Errorf("%v %q: %d, want new", in, terminal, v)
			}
		}
	}
	var keys []string
	for _, r := range w.seal() {
		keys = append(keys, fmt.Sprintf("%d %q", r.Partition, r.Key))
	}
	want := []string{
		`0 "a\x00"`, `0 "a\x00till"`, `0 "a\x00till\x00"`, `0 "b\x00"`, `0 "b\x00till"`, `0 "b\x00till\x00"`, `1 "a\x00"`, `1 "a\x00till"`, `1 "a\x00till\x00"`,
	}
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Error(diff)
	}
	w.open(t)
	if v := w.set.See(numbered("till\x00", -1, 7, 1), rollup.Input{Topic: "a"}, 0); v != Duplicate {
		t.Errorf("after a reload: %d, want a repeat", v)
	}
}

// An id is unique within its source only.
func TestIDWithinSource(t *testing.T) {
	w := newWorld(t, bounds)
	e := &event.Event{}
	e.ID, e.TerminalID = "1", "till"
	for _, source := range []string{"till", "gateway", "1"} {
		e.Source = source
		for _, want := range []Verdict{Fresh, Duplicate} {
			if got := w.set.See(e, rollup.Input{Topic: topic}, 0); got != want {
				t.Errorf("source %s: %d, want %d", source, got, want)
			}
		}
	}
}

// The bound: with 4,096 holes the lowest is forgotten, its numbers can no longer be judged, and those above still can.
func TestForgets(t *testing.T) {
	w := newWorld(t, bounds)
	in := rollup.Input{Topic: topic}
	for n := uint64(0); n <= maxHoles+1; n++ {
		w.set.See(numbered("till", -1, 10*n, int64(n)), in, 3)
	}
	for _, step := range []struct {
		n    uint64
		want Verdict
	}{{0, Forgotten}, {5, Forgotten}, {9, Forgotten}, {10, Duplicate}, {20, Duplicate}, {10 * maxHoles, Duplicate}, {15, Fresh}, {10, Forgotten}, {15, Duplicate}, {16, Fresh}} {
		if got := w.set.See(numbered("till", -1, step.n, 0), in, 4); got != step.want {
			t.Errorf("number %d: %d, want %d", step.n, got, step.want)
		}
	}
	// 15 split a hole, so another one was forgotten: 9 numbers, then 4 of those that 15 left.
	if st := w.set.Stats(); st.Forgotten != 9+4 {
		t.Errorf("%d numbers forgotten, want 13", st.Forgotten)
	}
	if got := w.days["till"][3]; got != 9*(maxHoles+1)-2 {
		t.Errorf("%d missing: what is forgotten stays missing", got)
	}
	rows := w.seal()
	size := 0
	for _, r := range rows {
		size += len(r.Value)
	}
	if size > 5*maxHoles/4 {
		t.Errorf("%d rows of %d bytes: want little more than a byte a hole", len(rows), size)
	}

	// However long it goes on, rows are written over, and a sale writes few bytes.
	first := uint64(10 * (maxHoles + 2))
	for n := range uint64(3 * maxHoles) {
		w.set.See(numbered("till", -1, first+10*n, int64(n)), in, 3)
		size = 0
		for _, r := range w.seal() {
			size += len(r.Value)
		}
		if size > 2*ofPage {
			t.Fatalf("a sale wrote %d bytes of state", size)
		}
	}
	if len(w.rows) > maxHoles/ofPage+3 {
		t.Errorf("%d rows of state: want them written over", len(w.rows))
	}
}

func TestBrokenCounter(t *testing.T) {
	w := newWorld(t, bounds)
	in := rollup.Input{Topic: topic}
	for i, n := range []uint64{5, math.MaxUint64, 0, math.MaxUint64 - 1, 1 << 63} {
		if v := w.set.See(numbered("till", 0, n, int64(i)), in, 0); v != Fresh {
			t.Errorf("number %d: %d, want new", n, v)
		}
	}
	if got := w.days["till"][0]; got != maxMissing+4-2 {
		t.Errorf("%d missing, want the bound, four, and two filled", got)
	}
	w.seal()
	w.open(t)
	if v := w.set.See(numbered("till", 0, 1<<63, 9), in, 0); v != Duplicate {
		t.Errorf("after a reload: %d, want a repeat", v)
	}
}

// What Seal gives is what changed, and does not change with what is folded next.
func TestSealIsAChangeLog(t *testing.T) {
	w := newWorld(t, bounds)
	in := rollup.Input{Topic: topic}
	for _, terminal := range []string{"b", "a", "c"} {
		w.set.See(numbered(terminal, -1, 1, 1), in, 0)
	}
	first := w.set.Seal()
	before := string(first[0].Value)
	w.set.See(numbered("b", -1, 1, 1), in, 0) // a repeat changes nothing
	w.set.See(numbered("a", -1, 3, 3), in, 0)
	second := w.set.Seal()
	if len(first) != 3 || len(second) != 1 || second[0].Key != topic+"\x00a" || string(first[0].Value) != before {
		t.Errorf("%v, then %v", first, second)
	}
	if rows := w.set.Seal(); len(rows) != 0 {
		t.Errorf("%d rows although nothing changed", len(rows))
	}
	// Of ids only the segments that changed.
	e := &event.Event{}
	e.TerminalID = "d"
	for i := range 200 {
		e.ID = fmt.Sprint(i)
		w.set.See(e, in, 0)
	}
	var keys []string
	for _, r := range w.set.Seal() {
		keys = append(keys, r.Kind+" "+strings.TrimPrefix(r.Key, topic+"\x00"))
	}
	e.ID = "one more"
	w.set.See(e, in, 0)
	for _, r := range w.set.Seal() {
		keys = append(keys, r.Kind+" "+strings.TrimPrefix(r.Key, topic+"\x00"))
	}
	want := []string{"sequence_ids d\x000", "sequence_ids d\x001", "sequence_ids d\x002", "sequence_ids d\x003", "sequence_ids d\x003"}
	if !slices.Equal(keys, want) {
		t.Errorf("rows %q, want %q", keys, want)
	}
}

// What is written must be readable by later versions: these bytes are the format.
func TestGolden(t *testing.T) {
	w := newWorld(t, bounds)
	in := rollup.Input{Topic: topic}
	for _, s := range []struct {
		epoch int64
		n     uint64
		at    int64
		day   int32
	}{{-1, 1, 100, 0}, {-1, 5, 105, 20000}, {-1, 1, 200, 0}, {7, 300, 0, 0}} {
		w.set.See(numbered("till", s.epoch, s.n, s.at), in, s.day)
	}
	want := []byte{
		1,       // format
		1, 0, 0, // a restart, nothing forgotten, no explicit epoch closed
		3,                  // epochs
		2, 210, 1, 1, 4, 0, // open; newest 105; low 1, high 1+4; no floor
		1, 1, 2, 192, 184, 2, // a hole: from 1+1, to 2+2, day 20000
		0, 144, 3, 144, 3, 1, 0, 0, 0, // start and newest 200; low and high 1; no floor, no holes
		1, 7, 172, 2, 0, 0, 0, // explicit 7; low and high 300
	}
	if diff := cmp.Diff(want, w.set.Seal()[0].Value); diff != "" {
		t.Error(diff)
	}
	e := &event.Event{}
	e.ID, e.TerminalID = "a", "till"
	w.set.See(e, in, 0)
	// XXH64("a") is d24ec4f1a98c6e5b, XXH64("") of the source is ef46db3751d8e999, by the algorithm's reference.
	if diff := cmp.Diff([]byte{1, 0, 0x6c, 0xb5, 0xca, 0x46, 0x68, 0x2d, 0x96, 0x83}, w.set.Seal()[0].Value); diff != "" {
		t.Error(diff)
	}
}

// Of pages, too, these bytes are the format. The older ones, without pages, are written as long as there are none, and read.
func TestGoldenPages(t *testing.T) {
	w := newWorld(t, limits{maxHoles, maxEpochs, 2, 2})
	in := rollup.Input{Topic: topic}
	for i, s := range []struct {
		n   uint64
		day int32
	}{{1, 0}, {5, 3}, {7, 3}, {100, 4}, {104, 4}, {106, 4}, {107, 4}, {108, 4}, {110, 3}, {112, 3}, {3, 9}} {
		w.set.See(numbered("till", -1, s.n, 100+int64(i)), in, s.day)
	}
	got := map[string][]byte{}
	for _, r := range w.set.Seal() {
		got[r.Kind+" "+strings.TrimPrefix(r.Key, topic+"\x00")] = r.Value
	}
	want := map[string][]byte{
		"sequence till": {
			2,       // format
			0, 0, 0, // restarts, forgotten, closed
			1, 2, 220, 1, 1, 111, 0, // an epoch: open; newest 110; low 1, high 1+111; no floor
			3, 0, 0, 1, 0, 2, 0, // three pages: slots 0 to 2, nothing of them forgotten
			1, 111, 6, 0, // a hole at hand: from 111, day 3; one number
		},
		"holes till\x000": {
			1,       // format
			3, 2, 6, // three holes: from 2, day 3
			0, 0, 0, // of one number each, behind the only one that came: 2, 4, 6
		},
		"holes till\x001": {
			1,
			2, 8, 8, // two holes: from 8, day 4
			63, 28, // 63 and 28 more follow the first: to 99
			2, // 101 to 103
		},
		"holes till\x002": {
			1,
			2, 105, 8, // two holes: from 105, day 4
			0,              // one number
			64 + 128, 2, 1, // far from it, behind two numbers more than one, and of the day before: 109
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A till of an older version, with all its holes in one row, goes on as it was, and is in pages with its next sale.
func TestHolesOfOlderVersions(t *testing.T) {
	old := append([]byte{1, 0, 0, 0, 1, 2, 0, 5}, binary.AppendUvarint(nil, 10*maxHoles)...) // low 5
	old = append(append(old, 0), binary.AppendUvarint(nil, maxHoles)...)
	for i := range maxHoles {
		old = append(old, byte(1+min(i, 1)), 8, 0) // 6 to 14, 16 to 24, …
	}
	w := newWorld(t, bounds)
	if err := w.set.Load(rollup.StateRow{Kind: Kind, Key: topic + "\x00till", Value: old}); err != nil {
		t.Fatal(err)
	}
	in := rollup.Input{Topic: topic}
	for n, want := range map[uint64]Verdict{10: Fresh, 5 + 10*maxHoles: Duplicate} {
		if got := w.set.See(numbered("till", -1, n, 0), in, 0); got != want {
			t.Errorf("number %d: %d, want %d", n, got, want)
		}
	}
	if rows := w.seal(); len(rows) != 1+maxHoles/ofPage || rows[0].Value[0] != paged {
		t.Errorf("%d rows, the first of format %d", len(rows), rows[0].Value[0])
	}
	w.open(t)
	for n := uint64(11); n < 10*maxHoles; n++ { // 10 split the lowest, which was one too many
		want := Fresh
		if n%10 == 5 {
			want = Duplicate
		} else if n < 15 {
			continue
		}
		if got := w.set.See(numbered("till", -1, n, 0), in, 0); got != want {
			t.Fatalf("number %d: %d, want %d", n, got, want)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	good := (&terminal{epochs: []tracker{{low: 1, high: 9, newest: 5, start: math.MinInt64, gaps: &gaps{holes: []hole{{3, 4, 1}, {6, 7, 1}}}}}}).appendNumbers(nil)
	tests := map[string]rollup.StateRow{
		"nothing":                {Kind: Kind, Key: "t\x00a"},
		"another format":         {Kind: Kind, Key: "t\x00a", Value: []byte{2}},
		"cut off":                {Kind: Kind, Key: "t\x00a", Value: good[:len(good)-1]},
		"more than there should": {Kind: Kind, Key: "t\x00a", Value: append(slices.Clone(good), 0)},
		"no topic":               {Kind: Kind, Key: "ta", Value: good},
		"hole above high":        {Kind: Kind, Key: "t\x00a", Value: []byte{1, 0, 0, 0, 1, 2, 0, 1, 3, 0, 1, 1, 5, 0}},
		"holes that touch":       {Kind: Kind, Key: "t\x00a", Value: []byte{1, 0, 0, 0, 1, 2, 0, 1, 9, 0, 2, 1, 0, 0, 1, 0, 0}},
		"numbers overflow":       {Kind: Kind, Key: "t\x00a", Value: []byte{1, 0, 0, 0, 1, 2, 0, 1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 0, 0}},
		"same epoch twice":       {Kind: Kind, Key: "t\x00a", Value: []byte{1, 0, 0, 0, 2, 1, 7, 1, 0, 0, 0, 1, 7, 1, 0, 0, 0}},
		"closed epoch":           {Kind: Kind, Key: "t\x00a", Value: []byte{1, 0, 0, 8, 1, 1, 7, 1, 0, 0, 0}},
		"epochs out of order":    {Kind: Kind, Key: "t\x00a", Value: []byte{1, 0, 0, 0, 2, 2, 20, 1, 0, 0, 0, 0, 18, 22, 1, 0, 0, 0}},
		"unknown flag":           {Kind: Kind, Key: "t\x00a", Value: []byte{1, 0, 0, 0, 1, 4, 20, 1, 0, 0, 0}},
		"ids without a segment":  {Kind: KindIDs, Key: "t\x00a", Value: []byte{1, 0, 1, 2, 3, 4, 5, 6, 7, 8}},
		"half an id":             {Kind: KindIDs, Key: "t\x00a\x000", Value: []byte{1, 0, 1, 2, 3, 4}},
		"no ids":                 {Kind: KindIDs, Key: "t\x00a\x000", Value: []byte{1, 0}},
	}
	for name, row := range tests {
		if err := New(Config{}).Load(row); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", row.Key)) {
			t.Errorf("%s: %v, want an error that names the key", name, err)
		}
	}
	// What a terminal has in pages: that of slot 0 has the holes 3 to 4 and 6 to 7, that of slot 1 only 6 to 7.
	for name, value := range map[string][]byte{
		"":                      {2, 0, 0, 0, 1, 2, 0, 1, 20, 0, 1, 0, 0, 0},
		"one that is not there": {2, 0, 0, 0, 1, 2, 0, 1, 20, 0, 1, 2, 0, 0},
		"one twice":             {2, 0, 0, 0, 1, 2, 0, 1, 20, 0, 2, 0, 0, 0, 0, 0},
		"all of one forgotten":  {2, 0, 0, 0, 1, 2, 0, 1, 20, 0, 1, 0, 2, 0},
		"holes that come twice": {2, 0, 0, 0, 1, 2, 0, 1, 20, 0, 2, 0, 0, 1, 0, 0},
		"forgotten between":     {2, 0, 0, 0, 1, 2, 0, 1, 20, 0, 2, 1, 0, 0, 1, 0},
		"hole above high":       {2, 0, 0, 0, 1, 2, 0, 1, 6, 0, 1, 0, 0, 0},
		"holes that touch":      {2, 0, 0, 0, 1, 2, 0, 1, 20, 0, 1, 0, 0, 1, 8, 2, 0},
		"days overflow":         {2, 0, 0, 0, 1, 2, 0, 1, 20, 0, 0, 1, 8, 255, 255, 255, 255, 255, 1, 0},
		"numbers overflow":      {2, 0, 0, 0, 1, 2, 0, 1, 20, 0, 0, 1, 8, 0, 63, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1},
	} {
		s := New(Config{})
		for slot, code := range [][]byte{{1, 2, 3, 2, 1, 1}, {1, 1, 6, 2, 1}} {
			if err := s.Load(rollup.StateRow{Kind: KindHoles, Key: fmt.Sprint("t\x00a\x00", slot), Value: code}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Load(rollup.StateRow{Kind: Kind, Key: "t\x00a", Value: value}); (err == nil) != (name == "") {
			t.Errorf("pages, %s: %v", name, err)
		}
	}
	for name, row := range map[string]rollup.StateRow{
		"no slot": {Kind: KindHoles, Key: "t\x00a", Value: []byte{1, 1, 6, 2, 1}}, "another format": {Kind: KindHoles, Key: "t\x00a\x000", Value: []byte{2, 1, 6, 2, 1}},
	} {
		if New(Config{}).Load(row) == nil {
			t.Errorf("a page with %s was loaded", name)
		}
	}
	s := New(Config{})
	for _, row := range []rollup.StateRow{{Kind: Kind, Key: "t\x00a", Value: good}, {Kind: "timeline", Key: "x", Value: []byte{9}}, {Kind: Kind, Deleted: true}} {
		if err := s.Load(row); err != nil {
			t.Errorf("%v", err)
		}
	}
	if s.Stats().Terminals != 1 {
		t.Errorf("%d terminals, want the one that was sound", s.Stats().Terminals)
	}
}

// Any bytes are either refused, or state that encodes to the same again and can be used.
func FuzzLoad(f *testing.F) {
	w := newWorld(f, bounds)
	w.set.limits.open = 2
	for i, n := range []uint64{1, 7, 3, 1, 12, 14, 17, 19, 40} {
		w.set.See(numbered("a", int64(i%3)-1, n, int64(i)), rollup.Input{Topic: "t"}, 5)
	}
	e := &event.Event{}
	e.ID, e.TerminalID = "x", "a"
	w.set.See(e, rollup.Input{Topic: "t"}, 5)
	var page []byte
	rows := w.set.Seal()
	for _, r := range rows {
		if r.Kind == KindHoles {
			page = r.Value
		}
	}
	for _, r := range rows {
		f.Add(r.Kind == KindIDs, page, r.Value, uint64(3), int64(9))
	}
	f.Fuzz(func(t *testing.T, ofIDs bool, page, value []byte, n uint64, at int64) {
		w := newWorld(t, bounds)
		if w.set.Load(rollup.StateRow{Kind: KindHoles, Key: "t\x00a\x000", Value: page}) != nil {
			return
		}
		row := rollup.StateRow{Kind: Kind, Key: "t\x00a", Value: value}
		if ofIDs {
			row.Kind, row.Key = KindIDs, "t\x00a\x000"
		}
		if w.set.Load(row) != nil {
			return
		}
		a := w.set.terminal("t", 0, "a")
		if ofIDs {
			segment, hashes, err := decodeSegment(appendSegment(nil, (a.ids.seen-1)/64, a.ids.segment((a.ids.seen-1)/64)))
			if again, want, _ := decodeSegment(value); err != nil || segment != again || !slices.Equal(hashes, want) {
				t.Fatalf("%d %v became %d %v: %v", again, want, segment, hashes, err)
			}
		} else {
			b := terminal{}
			if err := b.decodeNumbers(a.appendNumbers(nil), map[int32][]byte{0: page[1:]}); err != nil {
				t.Fatalf("what was written cannot be read: %v", err)
			}
			if x, y := a.appendNumbers(nil), b.appendNumbers(nil); !slices.Equal(x, y) {
				t.Fatalf("%v became %v", x, y)
			}
		}
		for _, epoch := range []int64{-1, int64(n % 5)} {
			first := w.set.See(numbered("a", epoch, n, at), rollup.Input{Topic: "t"}, 1)
			if second := w.set.See(numbered("a", epoch, n, at), rollup.Input{Topic: "t"}, 1); second == Fresh {
				t.Fatalf("number %d: %d, then new", n, first)
			}
		}
		w.rows[[3]string{"0", KindHoles, "t\x00a\x000"}] = rollup.StateRow{Kind: KindHoles, Key: "t\x00a\x000", Value: page}
		w.seal()
		w.open(t)
	})
}

func TestNoAllocations(t *testing.T) {
	s := New(Config{Missing: func(string, string, int32, int64) {}})
	in := rollup.Input{Topic: topic}
	e := numbered("till-1", -1, 1, 0)
	other := &event.Event{}
	other.TerminalID = "till-2"
	ids := make([]string, 3000)
	for i := range ids {
		ids[i] = fmt.Sprint("id-", i)
	}
	i := 0
	step := func() {
		e.Sequence.Value++
		e.Time.Milli++
		s.See(e, in, 0)
		s.See(e, in, 0)
		other.ID = ids[i%len(ids)]
		i++
		s.See(other, in, 0)
	}
	for range 2000 {
		step()
	}
	if n := testing.AllocsPerRun(1000, step); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func BenchmarkSee(b *testing.B) {
	in := rollup.Input{Topic: topic}
	b.Run("next", func(b *testing.B) {
		const terminals = 2000
		s := New(Config{Missing: func(string, string, int32, int64) {}})
		events := make([]*event.Event, terminals)
		for i := range events {
			events[i] = numbered(fmt.Sprintf("store-%d-till-%d", i/10, i%10), -1, 0, 0)
		}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			e := events[i%terminals]
			e.Sequence.Value++
			e.Time.Milli++
			s.See(e, in, 0)
		}
	})
	b.Run("id", func(b *testing.B) {
		s := New(Config{})
		e := &event.Event{}
		e.TerminalID = "till"
		ids := make([]string, 5000)
		for i := range ids {
			ids[i] = fmt.Sprintf("0198c0de-0000-7000-8000-%012d", i)
		}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			e.ID = ids[i%len(ids)]
			s.See(e, in, 0)
		}
	})
}

// BenchmarkMillion is what a million terminals take: bytes each in memory and in the state, and time to seal and to load them.
func BenchmarkMillion(b *testing.B) {
	const terminals = 1_000_000
	in := rollup.Input{Topic: topic}
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		s := New(Config{Missing: func(string, string, int32, int64) {}})
		e := numbered("", -1, 1, 1_700_000_000_000)
		for i := range terminals {
			e.TerminalID = fmt.Sprintf("s%05d-t%02d", i/20, i%20)
			s.See(e, in, 0)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/terminals, "B/terminal")
		size := 0
		for _, r := range s.Seal() {
			size += len(r.Value)
		}
		b.ReportMetric(float64(size)/terminals, "stateB/terminal")
	}
}

// BenchmarkShared is what tills take that share a counter by eights, so that nearly each sale of theirs has a hole before it: 5,000 sales each, the last of them in batches of
// one sale a till.
func BenchmarkShared(b *testing.B) {
	const (
		stores, tills, sales = 125, 8, 5000
		batches              = 100
	)
	in := rollup.Input{Topic: topic}
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		s := New(Config{Missing: func(string, string, int32, int64) {}})
		rnd := rand.New(rand.NewPCG(1, 2))
		events := make([]*event.Event, stores*tills)
		for i := range events {
			events[i] = numbered(fmt.Sprintf("s%05d-t%02d", i/tills, i%tills), -1, 0, 0)
		}
		var counters [stores]uint64
		size, began := 0, time.Now()
		spent := time.Duration(0)
		for i := range sales {
			for store := range counters {
				for range tills {
					e := events[store*tills+rnd.IntN(tills)]
					counters[store]++
					e.Sequence.Value, e.Time.Milli = counters[store], 1_700_000_000_000+int64(counters[store])
					s.See(e, in, int32(i/100))
				}
			}
			if i%50 == 0 || i >= sales-batches {
				spent += time.Since(began)
				for _, r := range s.Seal() {
					if i >= sales-batches {
						size += len(r.Value)
					}
				}
				began = time.Now()
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(spent.Nanoseconds())/(stores*tills*sales), "ns/sale")
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(stores*tills), "B/terminal")
		b.ReportMetric(float64(size)/(stores*tills*batches), "stateB/sale")
		runtime.KeepAlive(s)
	}
}
