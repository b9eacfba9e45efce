package incident

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/rollup"
	"github.com/tillstream/tillstream/processor/table/tabletest"
)

var begin = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func minuteOf(m int) string { return begin.Add(time.Duration(m) * time.Minute).Format(time.RFC3339) }

// someStep draws an event of few stores, few incidents and few minutes, so that ties and gaps of more than a day are common.
func someStep(t *rapid.T, n int) fields {
	minute := func(what string) string {
		return minuteOf(rapid.IntRange(1, 4).Draw(t, what) * rapid.IntRange(1, 1500).Draw(t, what))
	}
	f := fields{
		"id": fmt.Sprint(rapid.IntRange(0, 2*n).Draw(t, "id")), "source": "desk", "time": minute("time"),
		"store_id": rapid.SampledFrom([]string{"s1", "s1", "s1", "s2"}).Draw(t, "store"),
	}
	maybe := func(name string, draw func() any) {
		if rapid.IntRange(0, 3).Draw(t, name+"?") == 0 {
			f[name] = draw()
		}
	}
	text := func(values ...string) func() any {
		return func() any { return rapid.SampledFrom(values).Draw(t, "text") }
	}
	maybe("by", text("ann", "bob"))
	maybe("reason", text("because", "no reason"))
	maybe("sequence", func() any { return rapid.IntRange(0, 3).Draw(t, "sequence") })
	maybe("scope", func() any {
		return fields{"terminals": rapid.SliceOfN(rapid.SampledFrom([]string{"t1", "t2", "t3"}), 0, 3).Draw(t, "terminals")}
	})
	if rapid.Bool().Draw(t, "type") {
		f["type"], f["incident_id"] = event.TypeIncident, rapid.SampledFrom([]string{"i1", "i2"}).Draw(t, "incident")
		f["step"] = text("opened", "acknowledged", "assigned", "paused", "paused", "resumed", "resolved", "resolved", "closed", "reopened", "cancelled", "escalated")()
		maybe("started_at", func() any { return minute("started") })
		maybe("detected_at", func() any { return minute("detected") })
		maybe("detected_by", text("system", "customer"))
		maybe("party", text("provider", "customer"))
		maybe("cause", text("DeviceOut", "Refusal", "power"))
		return f
	}
	f["type"], f["maintenance_id"] = event.TypeMaintenance, rapid.SampledFrom([]string{"m1", "m1", "m1", "m2"}).Draw(t, "maintenance")
	f["step"] = text("announced", "announced", "approved", "approved", "started", "started", "ended", "cancelled")()
	window := func() any {
		if rapid.Bool().Draw(t, "recurs") {
			return fields{"rrule": "FREQ=DAILY;BYHOUR=1,13", "duration": "90m", "timezone": "Europe/Paris"}
		}
		from := rapid.IntRange(0, 3000).Draw(t, "from")
		return fields{"start": minuteOf(from), "end": minuteOf(from + rapid.IntRange(1, 4000).Draw(t, "length"))}
	}
	if f["step"] == "announced" {
		f["window"] = window()
	} else {
		maybe("window", window)
	}
	return f
}

// Any order, any repetition, any cut into batches, restarts in between: the rows and the state of one batch in order.
func TestOrderRepetitionAndBatchesDoNotMatter(t *testing.T) {
	schema := tabletest.Load(t)
	whole := interval.Span{From: begin.AddDate(0, -1, 0).UnixMilli(), To: begin.AddDate(0, 2, 0).UnixMilli()}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 25).Draw(t, "n")
		var all []*event.Event
		for range n {
			all = append(all, decode(t, someStep(t, n)))
		}
		v := rollup.Version{Epoch: 1, Batch: 1}
		want, wantState := tables{}, state{}
		once := New()
		for _, e := range all {
			once.Fold(e, rollup.Input{Partition: 3})
		}
		s := once.Seal(v)
		want.apply(t, schema, s)
		wantState.apply(s.State)

		got, gotState := tables{}, state{}
		f := New()
		changed := map[string]interval.Set{}
		seal := func() {
			v.Batch++
			s := f.Seal(v)
			got.apply(t, schema, s)
			gotState.apply(s.State)
			for store, x := range f.Changed() {
				changed[store] = changed[store].Union(x)
			}
		}
		again := slices.Concat(all, rapid.SliceOf(rapid.SampledFrom(all)).Draw(t, "repeats"))
		for _, e := range rapid.Permutation(again).Draw(t, "order") {
			f.Fold(e, rollup.Input{Partition: 3})
			switch rapid.IntRange(0, 4).Draw(t, "then") {
			case 0:
				seal()
			case 1:
				seal()
				f = gotState.load(t)
			}
		}
		inBatch := f.Excluded("s1", "t1", whole)
		seal()
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("rows (-one batch +many):\n%s", d)
		}
		if d := cmp.Diff(wantState, gotState); d != "" {
			t.Fatalf("state (-one batch +many):\n%s", d)
		}
		for _, store := range []string{"s1", "s2"} {
			x := once.Excluded(store, "t1", whole)
			if d := cmp.Diff(x, f.Excluded(store, "t1", whole)); d != "" {
				t.Fatalf("excluded (-one batch +many):\n%s", d)
			}
			if missed := x.Subtract(changed[store]); len(missed) > 0 {
				t.Fatalf("Changed never said %v of %s", missed, store)
			}
		}
		if d := cmp.Diff(once.Excluded("s1", "t1", whole), inBatch); d != "" {
			t.Fatalf("excluded before the batch was sealed (-after +before):\n%s", d)
		}
	})
}

// The time to resolve, once more: minute by minute, looking back over all steps at each.
func TestResolveTimeMinuteByMinute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 14).Draw(t, "n")
		type turn struct {
			kind   string
			minute int
		}
		var turns []turn
		for range n {
			turns = append(turns, turn{
				rapid.SampledFrom([]string{"paused", "resumed", "resolved", "closed", "reopened", "acknowledged"}).Draw(t, "step"),
				rapid.IntRange(1, 4).Draw(t, "days") * rapid.IntRange(1, 1000).Draw(t, "minute"),
			})
		}
		slices.SortStableFunc(turns, func(a, b turn) int { return a.minute - b.minute })
		started := rapid.IntRange(0, 900).Draw(t, "started")
		f := New()
		for i, x := range turns {
			s := incidentStep(fmt.Sprintf("%03d", i), x.kind, minuteOf(x.minute)).with(fields{"started_at": minuteOf(started)})
			f.Fold(decode(t, s), rollup.Input{})
		}
		s := f.Seal(rollup.Version{Epoch: 1, Batch: 1})
		got := tables{}
		got.apply(t, tabletest.Load(t), s)
		row := got["incidents"]["s1|i1"]

		end := func(k string) bool { return k == "resolved" || k == "closed" }
		// what holds after the first k turns
		ended := func(k int) bool {
			for k--; k >= 0; k-- {
				if end(turns[k].kind) {
					return true
				}
				if turns[k].kind == "reopened" {
					return false
				}
			}
			return false
		}
		paused := func(k int) bool {
			for k--; k >= 0; k-- {
				switch kind := turns[k].kind; {
				case kind == "paused" && !ended(k):
					return true
				case kind == "resumed" || end(kind):
					return false
				}
			}
			return false
		}
		// the end that began the stretch which holds after k turns, and the reopening that ends it, if there is one
		stretch := func(k int) (from, to int) {
			from, to = k-1, k
			for from > 0 && ended(from) {
				from--
			}
			for to < n && turns[to].kind != "reopened" {
				to++
			}
			if to == n {
				return turns[from].minute, -1
			}
			return turns[from].minute, turns[to].minute
		}
		if !ended(n) {
			if row["resolved_at"] != rollup.Null || row["resolve_ms"] != uint64(0) {
				t.Fatalf("it is open, but resolved at %v after %v ms", row["resolved_at"], row["resolve_ms"])
			}
			return
		}
		resolved, _ := stretch(n)
		var worked, waited uint64
		for m, k := started, 0; m < resolved; m++ {
			for k < n && turns[k].minute <= m {
				k++
			}
			if ended(k) {
				if from, to := stretch(k); to-from > 24*60 {
					continue
				}
			}
			if paused(k) {
				waited++
			} else {
				worked++
			}
		}
		if row["resolved_at"] != rollup.NullMillis(milli(t, minuteOf(resolved))) || row["resolve_ms"] != 60_000*worked || row["paused_ms"] != 60_000*waited {
			t.Fatalf("resolved %v after %v ms, paused %v; by the minute %s, %d, %d\n%v, started %d",
				row["resolved_at"], row["resolve_ms"], row["paused_ms"], minuteOf(resolved), 60_000*worked, 60_000*waited, turns, started)
		}
	})
}
