package availability

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
)

// The lines of a whole chain are cut for six hours, while its tills sell; then all are heard again, and what they sold comes. That is late for every one of them, and
// takes a row or two of its past each, a slice of the chain at a time: not all that is kept, nor all at once.
func TestStormOfBacklogs(t *testing.T) {
	const stores, tills, limit = 8, 5, 20
	whole, past := New(Config{}, nil, noStale(t)), New(Config{Recall: true}, nil, noStale(t))
	want, got, st, batch := tables{}, tables{}, state{}, uint64(0)
	seal := func() (wanted, rows int) {
		batch++
		v := rollup.Version{Epoch: 1, Batch: batch}
		want.apply(t, whole.Seal(v), v)
		for {
			keys := past.Wants(limit)
			if len(keys) == 0 {
				break
			}
			if len(keys) > limit+tills*52 {
				t.Fatalf("%d rows are wanted at a time", len(keys))
			}
			held := 0
			for _, x := range terminalsOf(past) {
				if x.back != nil {
					held++
				}
			}
			if held > limit+tills {
				t.Fatalf("the past of %d tills is in memory", held)
			}
			for _, k := range keys {
				if err := past.Recall(st[fmt.Sprintf("%d %s %s", k.Partition, rollup.KindPast, k.Key)]); err != nil {
					t.Fatal(err)
				}
			}
			wanted += len(keys)
		}
		s := past.Seal(v)
		got.apply(t, s, v)
		st.apply(s.State)
		return wanted, len(s.State)
	}
	all := func(f func(store, till string, i int)) {
		for s := range stores {
			for i := range tills {
				f(fmt.Sprintf("s%02d", s), fmt.Sprintf("t%02d-%d", s, i), s*tills+i)
			}
		}
	}
	fold := func(e *event.Event, store, till string) {
		e.StoreID, e.TerminalID = store, till
		whole.Fold(e, rollup.Input{})
		past.Fold(e, rollup.Input{})
	}
	beat := func(at int64) {
		all(func(store, till string, i int) { fold(report(at+int64(i), "up"), store, till) })
	}
	cut := someHour + 50*hourMilli
	for at := someHour; at < cut; at += 10 * 60_000 {
		beat(at)
		if n, _ := seal(); n > 0 {
			t.Fatalf("%d rows are wanted while nothing is late", n)
		}
	}
	back := cut + 6*hourMilli
	beat(back)
	if n, _ := seal(); n > 0 {
		t.Fatalf("%d rows are wanted when all are heard again", n)
	}
	for i := range int64(5) {
		beat(back + (i+1)*60_000)
		seal()
	}
	all(func(store, till string, i int) {
		for at := cut + int64(i)*1000; at < back; at += hourMilli / 2 {
			fold(sale(at-60_000, at), store, till)
		}
	})
	wanted, rows := seal()
	if wanted == 0 || wanted > 3*stores*tills {
		t.Errorf("%d rows of the past are wanted for %d tills", wanted, stores*tills)
	}
	if rows > 25*stores*tills {
		t.Errorf("%d rows of state are written for %d tills", rows, stores*tills)
	}
	if !reflect.DeepEqual(want, got) {
		t.Errorf("(-whole +past):\n%s", cmp.Diff(want, got))
	}
	for _, x := range terminalsOf(past) {
		if n := len(x.chunks); n > 4 {
			t.Fatalf("%d hours of %s are in memory after the storm", n, x.id)
		}
	}
}

// both folds everything twice: with all in memory, and with a past.
type both struct {
	whole, past *Fold
	want, got   tables
	state       state // of past
	batches     uint64
	rows        int // of state, of the last batch
}

func (b *both) batch(t *testing.T, events ...*event.Event) {
	t.Helper()
	b.batches++
	v := rollup.Version{Epoch: 1, Batch: b.batches}
	for _, e := range events {
		in := rollup.Input{}
		if e.SentAt.OK {
			in.Timestamp = e.SentAt.Milli + 240_400
		}
		b.whole.Fold(e, in)
		b.past.Fold(e, in)
	}
	b.want.apply(t, b.whole.Seal(v), v)
	b.state.answer(t, b.past, 5)
	s := b.past.Seal(v)
	b.got.apply(t, s, v)
	b.state.apply(s.State)
	b.rows = len(s.State)
	seen := map[string]bool{}
	for _, r := range s.State {
		if k := r.Kind + r.Key; seen[k] {
			t.Errorf("batch %d: state %s %q twice", b.batches, r.Kind, r.Key)
		} else {
			seen[k] = true
		}
	}
	if !reflect.DeepEqual(b.want, b.got) {
		t.Fatalf("batch %d (-whole +past):\n%s", b.batches, cmp.Diff(b.want, b.got))
	}
}

// restart goes on with the state.
func (b *both) restart(t *testing.T) {
	t.Helper()
	b.past = New(Config{Recall: true}, nil, noStale(t))
	for _, row := range b.state.rows(false) {
		if err := b.past.Load(row); err != nil {
			t.Fatal(err)
		}
	}
}

// What is late shows that a till's clock was wrong: its past is in memory again, as state that is loaded, and no row of state is given out twice.
func TestPastOfClockThatWasWrong(t *testing.T) {
	b := both{New(Config{}, nil, noStale(t)), New(Config{Recall: true}, nil, noStale(t)), tables{}, tables{}, state{}, 0, 0}
	for at := someHour; at < someHour+12*hourMilli; at += 10 * 60_000 {
		b.batch(t, report(at, "up"))
	}
	var late []*event.Event
	for i := range int64(4) {
		e := report(someHour+3*hourMilli+i*60_000+5_000, "degraded")
		e.SentAt = e.Time
		late = append(late, e)
	}
	b.batch(t, late...)
	if x := b.past.find("s1", "t1"); len(x.past) > 0 || !x.skewed {
		t.Errorf("of a till whose clock was wrong %d runs of hours are past", len(x.past))
	}
	b.restart(t)
	b.batch(t, report(someHour+12*hourMilli, "up"))
}

// A version that kept two days in memory has left its state: hour by hour it becomes past.
func TestPastOfStateThatWasWhole(t *testing.T) {
	b := both{New(Config{}, nil, noStale(t)), New(Config{}, nil, noStale(t)), tables{}, tables{}, state{}, 0, 0}
	at := someHour
	for ; at < someHour+50*hourMilli; at += 20 * 60_000 {
		b.batch(t, report(at, "up"))
	}
	b.restart(t)
	for i := range 60 {
		if i == 20 {
			b.restart(t)
		}
		at += 60_000
		if b.batch(t, report(at, "up")); b.rows > 10 {
			t.Fatalf("after %d batches %d rows of state of one till", i, b.rows)
		}
	}
	x := b.past.find("s1", "t1")
	if len(x.past) == 0 || len(x.chunks) > 4 || len(x.cold.chunks) > 0 {
		t.Errorf("past %v, %d hours in memory, %d bytes of cold ones", x.past, len(x.chunks), len(x.cold.chunks))
	}
	b.batch(t, report(at-30*hourMilli, "down"))
	b.restart(t)
	b.batch(t, sale(at-29*hourMilli-60_000, at-29*hourMilli))
}

// A version that knew no past, and has the formats up to skewedFormat, must not take the state of a till that has one for all there is: it refuses it, and its lane waits
// for a member that can read it. What has no past it may go on with.
func TestPastIsRefusedByVersionsBefore(t *testing.T) {
	b := both{New(Config{}, nil, noStale(t)), New(Config{Recall: true}, nil, noStale(t)), tables{}, tables{}, state{}, 0, 0}
	for at := someHour; at < someHour+5*hourMilli; at += 20 * 60_000 {
		wrong := report(at+1, "up")
		wrong.TerminalID, wrong.SentAt = "t2", event.Time{Milli: at + 1, OK: true}
		b.batch(t, report(at, "up"), wrong)
		for _, row := range b.state {
			if known := row.Value[0] <= skewedFormat; row.Kind == KindTerminal && known != (row.Key == wrong.StoreID+"\x00"+wrong.TerminalID) {
				t.Fatalf("batch %d: the state of %q is of format %d", b.batches, row.Key, row.Value[0])
			}
		}
	}
	before := New(Config{}, nil, noStale(t))
	for _, row := range b.state {
		if err := before.Load(row); (err != nil) != (row.Kind == KindTerminal && row.Value[0] == pastFormat) {
			t.Errorf("loading %s %q: %v", row.Kind, row.Key, err)
		}
		if row.Kind == rollup.KindPast && row.Key[:len("s1\x00t1")] != "s1\x00t1" {
			t.Errorf("%q has a past, and its clock is wrong", row.Key)
		}
	}
}

// The clock of a till has been right for so long that nothing else is kept: all of it but the last hours goes into the past at once, and each row says what was known
// before it.
func TestPastOfClockThatIsRightAgain(t *testing.T) {
	b := both{New(Config{}, nil, noStale(t)), New(Config{Recall: true}, nil, noStale(t)), tables{}, tables{}, state{}, 0, 0}
	for i := range int64(4) {
		e := report(someHour+i*60_000, "up")
		e.SentAt = e.Time
		b.batch(t, e)
	}
	at := someHour + hourMilli
	for ; at < someHour+55*hourMilli; at += 21 * 60_000 {
		b.batch(t, report(at, []string{"up", "down"}[at/hourMilli%2]))
	}
	if x := b.past.find("s1", "t1"); len(x.past) == 0 || x.skewed {
		t.Errorf("the past of a till whose clock is right again is %v", x.past)
	}
	b.batch(t, report(at-10*hourMilli, "degraded"))
}

// The registry's first word of a till is later than all that is heard of it: its state can be read again.
func TestPastOfTillThatWasKnownLater(t *testing.T) {
	b := both{New(Config{}, nil, noStale(t)), New(Config{Recall: true}, nil, noStale(t)), tables{}, tables{}, state{}, 0, 0}
	b.batch(t, revision(t, 1, "2026-03-01 12:00", `{}`))
	b.restart(t)
	b.batch(t, report(at(t, "2026-03-01 09:10"), "up"))
	b.restart(t)
	b.batch(t, report(at(t, "2026-03-01 10:15"), "up"), report(at(t, "2026-03-01 12:40"), "up"))
	b.restart(t)
	b.batch(t, sale(at(t, "2026-03-01 09:20"), at(t, "2026-03-01 09:30")))
}
