package sla_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/availability"
	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/sla"
)

// heldRuns are the runs that the fold makes of evidence, and the times without any that are longer than the shortest that an agreement may say.
func heldRuns(cfg availability.Config, evidence []availability.Evidence) (runs []sla.Run, unheard []interval.Span) {
	for _, r := range availability.Timeline(cfg, evidence) {
		status := map[availability.Status]sla.Status{
			availability.Up: sla.Up, availability.Degraded: sla.Degraded, availability.Down: sla.Down, availability.Silent: sla.Silent, availability.Maintenance: sla.Maintenance,
		}[r.Status]
		if status != sla.Unknown {
			runs = append(runs, sla.Run{Span: interval.Span{From: r.Start, To: r.End}, Status: status})
		}
	}
	var heard []interval.Span
	for _, e := range evidence {
		heard = append(heard, interval.Span{From: e.Start, To: e.Time + 1})
	}
	for _, x := range interval.All().Subtract(interval.Of(heard...)) {
		if x.From != interval.Min && x.To != interval.Max && x.To-x.From >= 90_000 {
			unheard = append(unheard, interval.Span{From: x.From - 1, To: x.To})
		}
	}
	return runs, unheard
}

// Whatever reports said that they hold, an agreement that says it otherwise reads of them what the fold would have made if that had been configured.
func TestHoldIsThatOfTheFold(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		const first = int64(1_772_323_200_000)
		at := first
		var all []availability.Evidence
		for range rapid.IntRange(1, 12).Draw(r, "n") {
			at += rapid.SampledFrom([]int64{1, 30_000, 60_000, 89_999, 90_000, 179_999, 180_000, 180_001, 240_000, 400_000, 900_000}).Draw(r, "step")
			e := availability.Evidence{Time: at, Start: at, Sequence: uint64(len(all) + 1), Sale: rapid.IntRange(0, 3).Draw(r, "sale") == 0}
			if e.Sale {
				e.Start -= rapid.SampledFrom([]int64{0, 50_000, 200_000}).Draw(r, "long")
			} else {
				e.Status = rapid.SampledFrom([]availability.Status{availability.Up, availability.Up, availability.Degraded, availability.Down, availability.Maintenance, availability.Closing}).Draw(r, "status")
				e.Hold = rapid.SampledFrom([]int64{90_000, 180_000, 300_000}).Draw(r, "hold")
			}
			all = append(all, e)
		}
		hold := rapid.SampledFrom([]int64{90_000, 100_000, 180_000, 240_000, 600_000}).Draw(r, "agreed")
		agreed := slices.Clone(all)
		for i := range agreed {
			if !agreed[i].Sale {
				agreed[i].Hold = hold
			}
		}
		want, _ := heldRuns(availability.Config{HeartbeatTimeout: time.Duration(hold) * time.Millisecond}, agreed)
		runs, unheard := heldRuns(availability.Config{}, all)
		got := sla.Hold(runs, unheard, hold)
		for i := 1; i < len(got); i++ {
			if got[i-1].To > got[i].From || got[i].Empty() {
				r.Fatalf("%v is not in order", got)
			}
		}
		// Degraded or up of a till that only sells any more is as it was.
		name := func(s sla.Status) string {
			if s == sla.Degraded {
				s = sla.Up
			}
			return fmt.Sprint(s)
		}
		sets := func(runs []sla.Run) map[string]interval.Set {
			out := map[string]interval.Set{}
			for _, x := range runs {
				out[name(x.Status)] = out[name(x.Status)].Union(interval.Of(x.Span).Within(interval.Span{From: first, To: at}))
			}
			for k, s := range out {
				if len(s) == 0 {
					delete(out, k)
				}
			}
			return out
		}
		if d := cmp.Diff(sets(want), sets(got)); d != "" {
			r.Fatalf("hold %d of %v, unheard %v (-fold +held)\n%s", hold, runs, unheard, d)
		}
	})
}

// By hand: heard at 0 and 4 min, holding 3 min; from there on silent, and heard again at 20 min.
func TestHoldByHand(t *testing.T) {
	const minute = 60_000
	x := func(from, to int64) interval.Span { return interval.Span{From: from * minute, To: to * minute} }
	runs := []sla.Run{{Span: x(0, 3), Status: sla.Up}, {Span: x(3, 4), Status: sla.Silent}, {Span: x(4, 7), Status: sla.Degraded, Lost: sla.Card}, {Span: x(7, 20), Status: sla.Silent}, {Span: x(20, 23), Status: sla.Up}}
	unheard := []interval.Span{x(0, 4), x(4, 20), x(20, 23)}
	for hold, want := range map[int64][]sla.Run{
		3: runs,
		2: {
			{Span: x(0, 2), Status: sla.Up},
			{Span: x(2, 3), Status: sla.Silent},
			{Span: x(3, 4), Status: sla.Silent},
			{Span: x(4, 6), Status: sla.Degraded, Lost: sla.Card},
			{Span: x(6, 7), Status: sla.Silent},
			{Span: x(7, 20), Status: sla.Silent},
			{Span: x(20, 22), Status: sla.Up},
			{Span: x(22, 23), Status: sla.Silent},
		},
		10: {
			{Span: x(0, 3), Status: sla.Up},
			{Span: x(3, 4), Status: sla.Up},
			{Span: x(4, 7), Status: sla.Degraded, Lost: sla.Card},
			{Span: x(7, 14), Status: sla.Degraded, Lost: sla.Card},
			{Span: x(14, 20), Status: sla.Silent},
			{Span: x(20, 23), Status: sla.Up},
		},
	} {
		if d := cmp.Diff(want, sla.Hold(runs, unheard, hold*minute)); d != "" {
			t.Errorf("%d min (-want +got)\n%s", hold, d)
		}
	}
}
