package sla

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
)

// A store is, minute by minute, what counting its tills says.
func TestStoreAgainstMinutes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		n := w.minutes
		service := w.store.Service(w.all())
		// Tills are read one by one; that is tested elsewhere.
		var tills []Till
		for range rapid.IntRange(0, 4).Draw(t, "tills") {
			h := History{Sold: drawSet(t, w, 1, 60, "sold")}
			for range rapid.IntRange(0, 6).Draw(t, "runs") {
				x := drawRun(t)
				x.Span = drawSpan(t, w, 3000, "run")
				h.Runs = append(h.Runs, x)
			}
			lives := interval.All()
			if rapid.Bool().Draw(t, "lives") {
				lives = drawSet(t, w, 2, 7000, "life")
			}
			tills = append(tills, w.rules.Till(&h, lives, service))
		}
		change := w.at(rapid.IntRange(0, n).Draw(t, "quorum changes"))
		quorums := []registry.Quorum{
			{Span: interval.Span{From: interval.Min, To: change}, Tills: rapid.IntRange(1, 4).Draw(t, "quorum")},
			{Span: interval.Span{From: change, To: interval.Max}, Tills: rapid.IntRange(1, 4).Draw(t, "quorum after")},
		}
		s := w.rules.Store(tills, quorums)
		silent := StoreSilent(tills)

		known, down := make([]bool, n), make([]bool, n)
		for i := range n {
			at := w.at(i)
			var alive, able, unknown, mute int
			for _, till := range tills {
				if !till.Lives.Holds(at) {
					continue
				}
				alive++
				switch {
				case till.Able.Holds(at):
					able++
				case !till.Unable.Holds(at):
					unknown++
				}
				if till.Silent.Holds(at) {
					mute++
				}
			}
			quorum := quorums[0].Tills
			if at >= change {
				quorum = quorums[1].Tills
			}
			down[i] = alive > 0 && able+unknown < quorum
			known[i] = alive == 0 || down[i] || able >= quorum
			if got, want := silent.Holds(at), alive > 1 && mute == alive; got != want {
				t.Fatalf("minute %d: the store is silent: %v, want %v", i, got, want)
			}
		}
		outages, _ := bridge(down, w.rules.MergeGap/minute, w.rules.MinOutage/minute)
		for i := range n {
			at := w.at(i)
			if s.Known.Holds(at) != known[i] || s.Outages.Holds(at) != outages[i] {
				t.Fatalf("minute %d: known %v, outage %v; want %v, %v", i, s.Known.Holds(at), s.Outages.Holds(at), known[i], outages[i])
			}
		}
	})
}

// Two of three tills are needed: one is dead, one is silent for a while, and then the line of the store is cut.
func TestStore(t *testing.T) {
	rules := Rules{Silence: Silence{First: AsUnknown, After: 10 * minute, Then: AsDown, Alone: true}}
	hours := interval.Of(mins(0, 200))
	runs := [][]Run{
		{run(Up, 0, 20), run(Down, 20, 60), run(Up, 60, 100), run(Silent, 100, 130), run(Up, 130, 200)},
		{run(Up, 0, 30), run(Silent, 30, 50), run(Up, 50, 100), run(Silent, 100, 130), run(Up, 130, 200)},
		{run(Up, 0, 100), run(Silent, 100, 130), run(Up, 130, 200)},
	}
	var heard, tills []Till
	for i := range runs {
		heard = append(heard, Till{Lives: interval.All(), Silent: rules.Silent(&History{Runs: runs[i]})})
	}
	for i := range runs {
		tills = append(tills, rules.Till(&History{Runs: runs[i], StoreSilent: StoreSilent(heard)}, interval.All(), hours))
	}
	s := rules.Store(tills, []registry.Quorum{{Span: interval.Span{From: interval.Min, To: interval.Max}, Tills: 2}})
	tm := NewTime(mins(0, 200), mins(0, 200), interval.All(), hours, Excused{}, interval.Max)
	f := Measure(tm, &s)
	// 30 to 40: one is down, one unknown; 40 to 50 two are down. 100 to 130 nobody knows, because nobody can be heard.
	if f.Unknown != 40*minute || f.Down != 10*minute || f.Outages != 1 {
		t.Errorf("%+v", f)
	}
}
