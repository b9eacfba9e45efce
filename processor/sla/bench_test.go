package sla

import (
	"testing"

	"github.com/tillstream/tillstream/processor/interval"
)

// What an evaluator does for each pair of a terminal and an agreement; the time is shared by the terminals of a store.
func BenchmarkMeasure(b *testing.B) {
	period := span(b, "2026-03-01", "2026-04-01")
	service := storeOf(b, "Europe/Paris", shopHours(b)).Service(interval.Span{From: period.From - 86_400_000, To: period.To})
	tm := NewTime(period, interval.Span{From: interval.Min, To: interval.Max}, interval.All(), service, Excused{Removed: interval.Of(span(b, "2026-03-10T10:00", "2026-03-10T12:00"))}, period.To)
	rules := Rules{MergeGap: 30_000, MinOutage: minute, Silence: Silence{First: AsUnknown, After: 10 * minute, Then: AsDown, Alone: true}}
	for name, pattern := range map[string][]Run{
		"healthy":  {run(Up, 0, 32*1440)},
		"at night": daily(run(Up, 540, 1210), run(Silent, 1210, 1440+530), run(Up, 1440+530, 1440+540)),
		"bad":      daily(run(Up, 540, 600), run(Down, 600, 605), run(Up, 605, 700), run(Silent, 700, 730), run(Degraded, 730, 1210), run(Silent, 1210, 1440+540)),
	} {
		h := History{Runs: make([]Run, len(pattern))}
		for i, x := range pattern {
			h.Runs[i] = Run{Span: interval.Span{From: period.From + x.From, To: period.From + x.To}, Status: x.Status}
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s := rules.Read(&h, tm.Service)
				f := Measure(tm, &s)
				f.Verdict(995_000_000)
			}
		})
	}
}

// daily repeats a day's runs for a month.
func daily(runs ...Run) (out []Run) {
	for day := range int64(31) {
		for _, x := range runs {
			x.From += day * 1440 * minute
			x.To += day * 1440 * minute
			out = append(out, x)
		}
	}
	return out
}

// What is done once for a store.
func BenchmarkNewTime(b *testing.B) {
	period := span(b, "2026-03-01", "2026-04-01")
	service := storeOf(b, "Europe/Paris", shopHours(b)).Service(interval.Span{From: period.From - 86_400_000, To: period.To})
	out := Excused{Removed: interval.Of(span(b, "2026-03-10T10:00", "2026-03-10T12:00"))}
	b.ReportAllocs()
	for b.Loop() {
		NewTime(period, interval.Span{From: interval.Min, To: interval.Max}, interval.All(), service, out, period.To)
	}
}
