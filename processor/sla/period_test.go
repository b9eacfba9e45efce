package sla

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestCalendar(t *testing.T) {
	for _, c := range []struct {
		unit           Unit
		zone, at       string
		from, to       string
		hours, minutes int64
	}{
		{Month, "Europe/Paris", "2026-03-15T12:00:00Z", "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z", 743, 0},
		{Month, "Europe/Paris", "2026-10-31T22:59:59Z", "2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z", 745, 0},
		{Month, "Europe/Paris", "2026-10-31T23:00:00Z", "2026-10-31T23:00:00Z", "2026-11-30T23:00:00Z", 720, 0},
		{Week, "Europe/Paris", "2026-03-29T12:00:00Z", "2026-03-22T23:00:00Z", "2026-03-29T22:00:00Z", 167, 0},
		{Day, "Australia/Lord_Howe", "2026-04-05T00:00:00Z", "2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z", 24, 30},
		{Quarter, "UTC", "2026-08-01T00:00:00Z", "2026-07-01T00:00:00Z", "2026-10-01T00:00:00Z", 92 * 24, 0},
		{HalfYear, "UTC", "2026-12-31T23:59:59Z", "2026-07-01T00:00:00Z", "2027-01-01T00:00:00Z", 184 * 24, 0},
		{Year, "Asia/Kolkata", "2024-06-01T00:00:00Z", "2023-12-31T18:30:00Z", "2024-12-31T18:30:00Z", 366 * 24, 0},
		{Day, "Pacific/Apia", "2011-12-30T09:00:00Z", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z", 24, 0}, // the 29th; the 30th was not
		{Week, "UTC", "1970-01-01T00:00:00Z", "1969-12-29T00:00:00Z", "1970-01-05T00:00:00Z", 168, 0},
		{Week, "UTC", "1969-12-28T00:00:00Z", "1969-12-22T00:00:00Z", "1969-12-29T00:00:00Z", 168, 0},
		{Day, "America/St_Johns", "2010-11-07T02:40:00Z", "2010-11-07T02:30:00Z", "2010-11-08T03:30:00Z", 25, 0}, // at 00:01 set back to the day before
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		p := Calendar{c.unit, zone}.At(at.UnixMilli())
		f := func(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }
		if f(p.From) != c.from || f(p.To) != c.to || p.To-p.From != (c.hours*60+c.minutes)*minute {
			t.Errorf("%s of %s in %s is %s to %s, want %s to %s", c.unit, c.at, c.zone, f(p.From), f(p.To), c.from, c.to)
		}
	}
}

// Periods follow each other without gaps, each holds the instant it was asked for, and the larger are made of the smaller.
func TestPeriodsTile(t *testing.T) {
	zones := rapid.SampledFrom([]string{"Europe/Paris", "Pacific/Apia", "America/St_Johns", "America/Sao_Paulo", "Africa/Casablanca", "Australia/Lord_Howe", "Asia/Kolkata"})
	rapid.Check(t, func(t *rapid.T) {
		zone, err := time.LoadLocation(zones.Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		at := rapid.Int64Range(946_684_800_000, 1_900_000_000_000).Draw(t, "at")
		small, large := Calendar{rapid.SampledFrom([]Unit{Day, Month, Quarter, HalfYear, Week}).Draw(t, "unit"), zone}, Calendar{Year, zone}
		p := small.At(at)
		if at < p.From || at >= p.To || p.Empty() {
			t.Fatalf("%d is not in %v", at, p)
		}
		if next := small.At(p.To); next.From != p.To {
			t.Fatalf("after %v comes %v", p, next)
		}
		if before := small.At(p.From - 1); before.To != p.From {
			t.Fatalf("before %v comes %v", p, before)
		}
		y := large.At(at)
		if small.Unit != Week {
			parts := small.Over(y)
			if parts[0].From != y.From || parts[len(parts)-1].To != y.To {
				t.Fatalf("%v is not made of %v", y, parts)
			}
		}
	})
}
