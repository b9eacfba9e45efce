package registry

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
	_ "time/tzdata" // of the test's own: the program embeds it too

	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/interval"
)

// zones with what makes zones hard, and a date near it.
var zones = []struct{ name, near string }{
	{"Europe/Paris", "2026-03-29"},
	{"Europe/Paris", "2026-10-25"},
	{"America/New_York", "2026-03-08"},
	{"America/New_York", "2026-11-01"},
	{"Asia/Kolkata", "2026-01-01"},
	{"Australia/Lord_Howe", "2026-04-05"}, // half an hour
	{"Australia/Lord_Howe", "2026-10-04"},
	{"Pacific/Apia", "2011-12-30"}, // a day that was not
	{"Africa/Casablanca", "2026-02-15"},
	{"Africa/Casablanca", "2026-03-22"},
	{"Pacific/Chatham", "2026-04-05"},
	{"Asia/Tehran", "2022-03-22"},       // at midnight
	{"Asia/Tehran", "2022-09-22"},       // at midnight, its last
	{"America/Havana", "2026-11-01"},    // midnight twice
	{"America/Sao_Paulo", "2018-02-18"}, // midnight, back to the day before
	{"UTC", "2026-06-01"},
}

func date(t testing.TB, s string) Date {
	t.Helper()
	d, err := ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// shown is what the clocks of a zone show, in minutes since 1970 as if it were UTC.
func shown(zone *time.Location, ms int64) int64 {
	w := time.UnixMilli(ms).In(zone)
	return time.Date(w.Year(), w.Month(), w.Day(), w.Hour(), w.Minute(), 0, 0, time.UTC).Unix() / 60
}

// clocks is a zone minute by minute: what is shown at each.
type clocks struct {
	zone  *time.Location
	start int64 // ms
	shown []int64
	at    map[int64][2]int // first and last minute that shows it
	days  map[Date]bool
}

func readClocks(zone *time.Location, from Date, days int) *clocks {
	c := &clocks{zone: zone, start: int64(from)*86_400_000 - 86_400_000, at: map[int64][2]int{}, days: map[Date]bool{}}
	for i := range (days + 2) * 1440 {
		s := shown(zone, c.start+int64(i)*60_000)
		c.shown = append(c.shown, s)
		c.days[Date(s/1440)] = true
		if seen, ok := c.at[s]; ok {
			c.at[s] = [2]int{seen[0], i}
		} else {
			c.at[s] = [2]int{i, i}
		}
	}
	return c
}

// find is the first and the last minute that shows a wall time, or the first one after it.
func (c *clocks) find(wall int64) (first, last int) {
	if seen, ok := c.at[wall]; ok {
		return seen[0], seen[1]
	}
	for i, s := range c.shown {
		if s > wall {
			return i, i
		}
	}
	return len(c.shown), len(c.shown)
}

func windowOf(open, length int) Window { return Window{int16(open), int16(open + length)} }

func drawWindows(t *rapid.T, name string) []Window {
	draw := rapid.Custom(func(t *rapid.T) Window {
		open := rapid.SampledFrom([]int{0, 30, 60, 90, 120, 150, 165, 180, 540, 1200, 1380, 1410, 1425}).Draw(t, "open")
		return windowOf(open, rapid.SampledFrom([]int{15, 30, 60, 240, 480, 660, 1440 - open, 1440}).Filter(func(n int) bool { return n != 1440 || open == 0 }).Draw(t, "length"))
	})
	return rapid.SliceOfN(draw, 0, 3).Draw(t, name)
}

// The hours of a store are those that a clock on its wall shows, minute by minute.
func TestServiceAgainstClocks(t *testing.T) {
	read := map[string]*clocks{}
	rapid.Check(t, func(t *rapid.T) {
		z := rapid.SampledFrom(zones).Draw(t, "zone")
		near, err := ParseDate(z.near)
		if err != nil {
			t.Fatal(err)
		}
		zone, err := Zone(z.name)
		if err != nil {
			t.Fatal(err)
		}
		const days = 9
		from := near - 4
		c := read[z.name+z.near]
		if c == nil {
			c = readClocks(zone, from-3, days+6)
			read[z.name+z.near] = c
		}
		someDay := rapid.Custom(func(t *rapid.T) Date { return from + Date(rapid.IntRange(-1, days).Draw(t, "day")) })

		calendar := func(label string) *Calendar {
			cal := &Calendar{HolidayHours: drawWindows(t, label+"holiday hours"), Days: map[string][]Window{}}
			for d := time.Sunday; d <= time.Saturday; d++ {
				*cal.Week.Day(d) = drawWindows(t, label+d.String())
			}
			cal.Holidays = rapid.SliceOfN(someDay, 0, 2).Draw(t, label+"holidays")
			if rapid.Bool().Draw(t, label+"yearly") {
				cal.Yearly = []MonthDay{someDay.Draw(t, label+"yearly").monthDay()}
			}
			for _, d := range rapid.SliceOfN(someDay, 0, 2).Draw(t, label+"special") {
				cal.Days[d.String()] = drawWindows(t, label+d.String())
			}
			for _, d := range rapid.SliceOfN(someDay, 0, 1).Draw(t, label+"closed") {
				cal.ClosedDays = append(cal.ClosedDays, Days{d, d + Date(rapid.IntRange(1, 3).Draw(t, label+"for"))})
			}
			if rapid.Bool().Draw(t, label+"closure") {
				a := Instant(int64(someDay.Draw(t, label+"closed at"))*86_400_000 + 3_600_000)
				b := a + Instant(rapid.IntRange(1, 3000).Draw(t, label+"closed minutes"))*60_000
				cal.Closed = []Instants{{&a, &b}}
			}
			return cal
		}
		doc := Document{Versions: []Version{{Timezone: z.name, Calendar: calendar("")}}}
		if rapid.Bool().Draw(t, "two versions") {
			v := Version{From: someDay.Draw(t, "from"), Timezone: z.name}
			if rapid.Bool().Draw(t, "calendar of the second") {
				v.Calendar = calendar("2 ")
			}
			doc.Versions = append(doc.Versions, v)
		}
		if rapid.Bool().Draw(t, "opened") {
			d := from + Date(rapid.IntRange(-1, days-2).Draw(t, "opened"))
			doc.OpenedOn = &d
		}
		if rapid.Bool().Draw(t, "closed") {
			d := from + days
			doc.ClosedOn = &d
		}
		s, flaw := doc.Build("s", 1)
		if flaw != nil {
			t.Fatalf("%+v", flaw)
		}

		want := make([]bool, len(c.shown))
		for d := from - 3; d <= from+days+2; d++ {
			v := &doc.Versions[0]
			if len(doc.Versions) > 1 && d >= doc.Versions[1].From {
				v = &doc.Versions[1]
			}
			if !c.days[d] {
				continue
			}
			windows := []Window{{0, 1440}}
			if cal := v.Calendar; cal != nil {
				special, isSpecial := cal.Days[d.String()]
				holiday := false
				for _, h := range cal.Holidays {
					holiday = holiday || h == d
				}
				for _, m := range cal.Yearly {
					text, _ := m.MarshalText()
					holiday = holiday || d.String()[5:] == string(text)
				}
				closed := false
				for _, x := range cal.ClosedDays {
					closed = closed || x.From <= d && d < x.To
				}
				switch {
				case closed:
					windows = nil
				case isSpecial:
					windows = special
				case holiday:
					windows = cal.HolidayHours
				default:
					windows = *cal.Week.Day(d.time().Weekday())
				}
			}
			for _, w := range windows {
				a, _ := c.find(int64(d)*1440 + int64(w.Open))
				_, b := c.find(int64(d)*1440 + int64(w.Close))
				for i := a; i < b; i++ {
					at := c.start + int64(i)*60_000
					shut := false
					if v.Calendar != nil {
						for _, x := range v.Calendar.Closed {
							shut = shut || int64(*x.From) <= at && at < int64(*x.To)
						}
					}
					want[i] = want[i] || !shut
				}
			}
		}
		for i := range want {
			if doc.OpenedOn != nil {
				if a, _ := c.find(int64(*doc.OpenedOn) * 1440); i < a {
					want[i] = false
				}
			}
			if doc.ClosedOn != nil {
				if a, _ := c.find(int64(*doc.ClosedOn) * 1440); i >= a {
					want[i] = false
				}
			}
		}

		x := interval.Span{From: int64(from) * 86_400_000, To: int64(from+days) * 86_400_000}
		got := s.Service(x)
		for i, w := range want {
			at := c.start + int64(i)*60_000
			if at >= x.From && at < x.To && got.Holds(at) != w {
				t.Fatalf("at %s: got open %v, want %v\n%s", time.UnixMilli(at).In(zone), !w, w, pretty(doc))
			}
		}
		again := s.Service(interval.Span{From: x.From + 86_400_000, To: x.From + 2*86_400_000})
		if a, b := again.Length(), got.Overlap(interval.Span{From: x.From + 86_400_000, To: x.From + 2*86_400_000}); a != b {
			t.Fatalf("one day asked alone is open for %d ms, in the whole for %d", a, b)
		}
	})
}

func pretty(v any) string {
	b, _ := json.MarshalIndent(v, "", " ")
	return string(b)
}

func windows(texts ...string) []Window {
	out := make([]Window, len(texts))
	for i, s := range texts {
		if err := out[i].UnmarshalText([]byte(s)); err != nil {
			panic(err)
		}
	}
	return out
}

func storeOf(t testing.TB, zone string, c *Calendar) *Store {
	t.Helper()
	doc := Document{Versions: []Version{{Timezone: zone, Calendar: c}}}
	s, flaw := doc.Build("s", 1)
	if flaw != nil {
		t.Fatalf("%+v", flaw)
	}
	return s
}

// The figures of the worked examples that are made of hours alone (research/golden.json, computed there by other means).
func TestServiceGolden(t *testing.T) {
	dir := os.Getenv("TILLSTREAM_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared")
	}
	text, err := os.ReadFile(filepath.Join(dir, "research", "golden.json"))
	if err != nil {
		t.Fatalf("%v; the worked examples are expected beside the checkout in ../shared, or where TILLSTREAM_SHARED says", err)
	}
	var golden map[string]struct {
		CommittedS int64 `json:"committed_s"`
	}
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	day := windows("09:00-20:00")
	shop := &Calendar{Week: Week{day, day, day, day, day, day, nil}}
	night := windows("20:00-04:00")
	for name, c := range map[string]struct {
		calendar *Calendar
		from, to string
	}{
		"24x7, month with the spring change":                                 {nil, "2026-03-01", "2026-04-01"},
		"24x7, month with the autumn change":                                 {nil, "2026-10-01", "2026-11-01"},
		"shop hours Mon-Sat 09-20, March 2026":                               {shop, "2026-03-01", "2026-04-01"},
		"contract starts on the 16th":                                        {shop, "2026-03-16", "2026-04-01"},
		"no service hours at all: not applicable":                            {&Calendar{}, "2026-03-01", "2026-04-01"},
		"bar Fri-Sat 20:00-04:00 (the night of the change is an hour short)": {&Calendar{Week: Week{Fri: night, Sat: night}}, "2026-03-01", "2026-04-01"},
	} {
		want, ok := golden[name]
		if !ok {
			t.Errorf("golden.json has no %q", name)
			continue
		}
		s := storeOf(t, "Europe/Paris", c.calendar)
		x := interval.Span{From: s.Wall(date(t, c.from), 0), To: s.Wall(date(t, c.to), 0)}
		if got := s.Service(x).Length() / 1000; got != want.CommittedS {
			t.Errorf("%s: %d s, want %d", name, got, want.CommittedS)
		}
		if c.calendar == nil { // written as hours, the same
			all := windows("00:00-24:00")
			if got := storeOf(t, "Europe/Paris", &Calendar{Week: Week{all, all, all, all, all, all, all}}).Service(x).Length() / 1000; got != want.CommittedS {
				t.Errorf("%s, written as 00:00-24:00: %d s, want %d", name, got, want.CommittedS)
			}
		}
	}
}

// The rules of the package's documentation, one by one.
func TestServiceAtClockChanges(t *testing.T) {
	for _, c := range []struct{ zone, day, hours, from, to string }{
		{"Europe/Paris", "2026-03-29", "02:30-09:00", "2026-03-29T01:00:00Z", "2026-03-29T07:00:00Z"}, // an opening that is not
		{"Europe/Paris", "2026-03-29", "01:00-02:30", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"}, // a closing that is not
		{"Europe/Paris", "2026-03-29", "02:10-02:50", "", ""},                                         // neither
		{"Europe/Paris", "2026-10-25", "02:30-09:00", "2026-10-25T00:30:00Z", "2026-10-25T08:00:00Z"}, // an opening that is twice: the earlier
		{"Europe/Paris", "2026-10-25", "01:00-02:30", "2026-10-24T23:00:00Z", "2026-10-25T01:30:00Z"}, // a closing that is twice: the later
		{"Australia/Lord_Howe", "2026-04-05", "00:00-24:00", "2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z"},
		{"Pacific/Apia", "2011-12-29", "20:00-04:00", "2011-12-30T06:00:00Z", "2011-12-30T10:00:00Z"}, // into the day that was not
		{"Pacific/Apia", "2011-12-30", "20:00-04:00", "", ""},                                         // of it
		{"Asia/Tehran", "2022-03-22", "00:00-24:00", "2022-03-21T20:30:00Z", "2022-03-22T19:30:00Z"},  // it begins at 01:00
	} {
		d := date(t, c.day)
		s := storeOf(t, c.zone, &Calendar{Days: map[string][]Window{c.day: windows(c.hours)}})
		got := s.Service(interval.Span{From: int64(d-3) * 86_400_000, To: int64(d+4) * 86_400_000})
		want := "[]"
		if c.from != "" {
			want = fmt.Sprintf("[%s %s]", c.from, c.to)
		}
		said := "[]"
		if len(got) > 0 {
			f := func(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }
			said = fmt.Sprintf("[%s %s]", f(got[0].From), f(got[len(got)-1].To))
		}
		if said != want {
			t.Errorf("%s %s %s: %s, want %s", c.zone, c.day, c.hours, said, want)
		}
	}
}

func BenchmarkServiceDay(b *testing.B) {
	day := windows("09:00-20:00")
	s := storeOf(b, "Europe/Paris", &Calendar{Week: Week{day, day, day, day, day, day, nil}})
	at := int64(date(b, "2026-03-10")) * 86_400_000
	b.Run("known", func(b *testing.B) {
		for b.Loop() {
			s.Service(interval.Span{From: at, To: at + 86_400_000})
		}
	})
	b.Run("new month", func(b *testing.B) {
		for b.Loop() {
			s.months = nil
			s.Service(interval.Span{From: at, To: at + 86_400_000})
		}
	})
}

// The zone rules of Go end the last day of leap years after 2037 too early.
func TestEndOfLeapYears(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		day  Date
		want string
	}{{DateOf(2040, 12, 31), "2040-12-30T23:00:00Z"}, {DateOf(2041, 1, 1), "2040-12-31T23:00:00Z"}, {DateOf(2041, 4, 1), "2041-03-31T22:00:00Z"}} {
		if got := time.UnixMilli(Begins(zone, c.day)).UTC().Format(time.RFC3339); got != c.want {
			t.Errorf("%s begins at %s, want %s", c.day, got, c.want)
		}
	}
}
