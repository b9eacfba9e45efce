package agreement

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
)

func recurring(t interface{ Fatal(...any) }, text string) Window {
	var w Window
	if err := json.Unmarshal([]byte(text), &w); err != nil {
		t.Fatal(err)
	}
	if err := w.rule.check(); err != nil {
		t.Fatal(err)
	}
	return w
}

// When clocks change: what they jump over begins where they land, what they show twice begins the first time, and it lasts by the clock.
func TestRecurrenceAndClocks(t *testing.T) {
	for _, x := range []struct{ rule, zone, from, to, want string }{
		{"FREQ=WEEKLY;BYDAY=SU;BYHOUR=2;BYMINUTE=30", "Europe/Paris", "2026-03-22", "2026-04-06", "03-22T01:30Z-03-22T03:30Z 03-29T01:00Z-03-29T03:00Z 04-05T00:30Z-04-05T02:30Z"},
		{"FREQ=WEEKLY;BYDAY=SU;BYHOUR=2;BYMINUTE=30", "Europe/Paris", "2026-10-18", "2026-11-02", "10-18T00:30Z-10-18T02:30Z 10-25T00:30Z-10-25T02:30Z 11-01T01:30Z-11-01T03:30Z"},
		{"FREQ=MONTHLY;BYDAY=1SU;BYHOUR=2", "America/New_York", "2026-02-01", "2026-04-30", "02-01T07:00Z-02-01T09:00Z 03-01T07:00Z-03-01T09:00Z 04-05T06:00Z-04-05T08:00Z"},
		{"FREQ=MONTHLY;BYDAY=-1SU;BYHOUR=23;BYMINUTE=30", "Europe/Paris", "2026-03-01", "2026-03-31", "03-29T21:30Z-03-29T23:30Z"},
		{"FREQ=DAILY;BYHOUR=3;UNTIL=20260302T020000Z", "Europe/Paris", "2026-03-01", "2026-03-05", "03-01T02:00Z-03-01T04:00Z 03-02T02:00Z-03-02T04:00Z"},
		{"FREQ=DAILY;BYHOUR=3;UNTIL=20260302T020000", "Europe/Paris", "2026-03-01", "2026-03-05", "03-01T02:00Z-03-01T04:00Z"},
		{"FREQ=DAILY;BYHOUR=3;UNTIL=20260302", "Europe/Paris", "2026-03-01", "2026-03-05", "03-01T02:00Z-03-01T04:00Z 03-02T02:00Z-03-02T04:00Z"},
	} {
		w := recurring(t, fmt.Sprintf(`{"rrule":%q,"duration":"2h"}`, x.rule))
		var got []string
		for _, s := range w.In(x.zone, interval.Span{From: registry.Begins(time.UTC, *date(x.from)), To: registry.Begins(time.UTC, *date(x.to))}) {
			show := func(ms int64) string { return time.UnixMilli(ms).UTC().Format("01-02T15:04Z") }
			got = append(got, show(s.From)+"-"+show(s.To))
		}
		if d := cmp.Diff(x.want, strings.Join(got, " ")); d != "" {
			t.Errorf("%s in %s (-want +got):\n%s", x.rule, x.zone, d)
		}
	}
}

// Rules that leave out days, weeks, months or years, counted day by day: whatever span is looked at, and in whatever zone.
func TestRecurrenceDayByDay(t *testing.T) {
	days := []string{"MO", "TU", "WE", "TH", "FR", "SA", "SU"}
	rapid.Check(t, func(t *rapid.T) {
		freq := rapid.SampledFrom([]string{"DAILY", "WEEKLY", "MONTHLY", "YEARLY"}).Draw(t, "freq")
		every, hour, minute := rapid.IntRange(1, 5).Draw(t, "every"), rapid.IntRange(0, 23).Draw(t, "hour"), rapid.IntRange(0, 59).Draw(t, "minute")
		start := *date("2019-12-01") + registry.Date(rapid.IntRange(0, 800).Draw(t, "start"))
		rule := fmt.Sprintf("FREQ=%s;INTERVAL=%d;BYHOUR=%d;BYMINUTE=%d", freq, every, hour, minute)
		y0, m0, _ := start.Civil()
		var means func(registry.Date) bool
		week := func(d registry.Date) int { return int(d+3) / 7 } // Monday is the first
		switch freq {
		case "DAILY":
			means = func(d registry.Date) bool { return int(d-start)%every == 0 }
		case "WEEKLY":
			on := rapid.IntRange(0, 6).Draw(t, "day of the week")
			rule += ";BYDAY=" + days[on]
			means = func(d registry.Date) bool { return int(d+3)%7 == on && (week(d)-week(start))%every == 0 }
		case "MONTHLY":
			on := rapid.IntRange(1, 31).Draw(t, "day of the month")
			rule += fmt.Sprintf(";BYMONTHDAY=%d", on)
			means = func(d registry.Date) bool {
				y, m, day := d.Civil()
				return day == on && (12*(y-y0)+int(m-m0))%every == 0
			}
		case "YEARLY":
			on := time.Month(rapid.IntRange(1, 12).Draw(t, "month"))
			rule += fmt.Sprintf(";BYMONTH=%d;BYMONTHDAY=29", on)
			means = func(d registry.Date) bool {
				y, m, day := d.Civil()
				return m == on && day == 29 && (y-y0)%every == 0
			}
		}
		most := 0
		if rapid.Bool().Draw(t, "counts") {
			most = rapid.IntRange(1, 30).Draw(t, "count")
			rule += fmt.Sprintf(";COUNT=%d", most)
		}
		zone := rapid.SampledFrom([]string{"UTC", "Europe/Paris", "America/St_Johns", "Pacific/Apia", "Australia/Lord_Howe"}).Draw(t, "zone")
		loc, err := registry.Zone(zone)
		if err != nil {
			t.Fatal(err)
		}
		lasts := int64(rapid.IntRange(1, 50).Draw(t, "hours")) * 3_600_000
		w := recurring(t, fmt.Sprintf(`{"rrule":%q,"duration":"%dh","start":"%s"}`, rule, lasts/3_600_000, start))
		from := *date("2020-01-01") + registry.Date(rapid.IntRange(0, 1500).Draw(t, "from"))
		x := interval.Span{From: registry.Wall(loc, from, rapid.IntRange(0, 1439).Draw(t, "at")), To: registry.Begins(loc, from+registry.Date(rapid.IntRange(1, 400).Draw(t, "long")))}
		var spans []interval.Span
		for d, n := start, 0; d < from+500 && (most == 0 || n < most); d++ {
			if means(d) {
				at := registry.Wall(loc, d, hour*60+minute)
				spans = append(spans, interval.Span{From: at, To: at + lasts})
				n++
			}
		}
		if d := cmp.Diff(interval.Of(spans...).Within(x), w.In(zone, x)); d != "" {
			t.Fatalf("%s from %s (-want +got):\n%s", rule, start, d)
		}
	})
}

func TestRecurrencesThatAreRefused(t *testing.T) {
	for text, says := range map[string]string{
		`{"rrule":"FREQ=HOURLY","duration":"1h"}`:                          "is no RRULE of RFC 5545 that is taken",
		`{"rrule":"FREQ=WEEKLY","duration":"1h"}`:                          "on which days of the week",
		`{"rrule":"FREQ=MONTHLY;BYHOUR=2","duration":"1h"}`:                "on which days of the month",
		`{"rrule":"FREQ=YEARLY;BYMONTH=2","duration":"1h"}`:                "on which days of the year",
		`{"rrule":"FREQ=DAILY;BYSECOND=3","duration":"1h"}`:                "whole minutes",
		`{"rrule":"FREQ=DAILY;UNTIL=2026","duration":"1h"}`:                "UNTIL is a day or a time",
		`{"rrule":"FREQ=DAILY;INTERVAL=2","duration":"1h"}`:                "counted from a day",
		`{"rrule":"FREQ=DAILY;COUNT=2","duration":"1h"}`:                   "counted from a day",
		`{"rrule":"FREQ=DAILY"}`:                                           "needs duration",
		`{"rrule":"FREQ=DAILY","duration":"745h"}`:                         "up to 744h",
		`{"rrule":"FREQ=MONTHLY;BYMONTHDAY=31;BYMONTH=2","duration":"1h"}`: "never comes",
		`{"duration":"1h"}`:                                                "needs rrule",
		`{"rrule":"FREQ=DAILY","duration":"1h","timezone":"Europe/Pari"}`:  "is no time zone",
		`{"rrule":"FREQ=DAILY","duration":"1M"}`:                           "depends on the calendar",
	} {
		b := between(t, `{"from":"2026-01-01"`+target("0.9")+`}`)
		var w Window
		said := ""
		if err := json.Unmarshal([]byte(text), &w); err != nil {
			said = err.Error()
		}
		b.Agreements["a"].Versions[0].Exclusions = []Exclusion{{Kind: "planned_maintenance", Effect: "remove", Within: Windows{w}}}
		for _, p := range b.Check() {
			said += p.Error()
		}
		if !strings.Contains(said, says) {
			t.Errorf("%s: %q does not say %q", text, said, says)
		}
	}
	w := recurring(t, `{"rrule":"FREQ=DAILY;BYHOUR=3","duration":"90m","timezone":"UTC","start":"2026-01-01"}`)
	b, err := json.Marshal(Windows{w})
	if err != nil || string(b) != `[{"rrule":"FREQ=DAILY;BYHOUR=3","duration":"90m","timezone":"UTC","start":"2026-01-01"}]` {
		t.Errorf("written as %s, %v", b, err)
	}
}
