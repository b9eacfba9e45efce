package sla

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"
	_ "time/tzdata" // of the test's own: the program embeds it too

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
)

func golden(t testing.TB, into any) {
	t.Helper()
	dir := os.Getenv("TILLSTREAM_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared")
	}
	text, err := os.ReadFile(filepath.Join(dir, "research", "golden.json"))
	if err != nil {
		t.Fatalf("%v; the worked examples are expected beside the checkout in ../shared, or where TILLSTREAM_SHARED says", err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

func windows(t testing.TB, texts ...string) []registry.Window {
	t.Helper()
	out := make([]registry.Window, len(texts))
	for i, s := range texts {
		if err := out[i].UnmarshalText([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func storeOf(t testing.TB, zone string, c *registry.Calendar) *registry.Store {
	t.Helper()
	doc := registry.Document{Versions: []registry.Version{{Timezone: zone, Calendar: c}}}
	s, flaw := doc.Build("s", 1)
	if flaw != nil {
		t.Fatalf("%+v", flaw)
	}
	return s
}

// paris is an instant by the clocks of Paris.
func paris(t testing.TB, s string) int64 {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	layout := time.DateOnly
	if len(s) > len(layout) {
		layout = "2006-01-02T15:04"
	}
	at, err := time.ParseInLocation(layout, s, zone)
	if err != nil {
		t.Fatal(err)
	}
	return at.UnixMilli()
}

// span is one by the clocks of Paris; "" is open.
func span(t testing.TB, from, to string) interval.Span {
	x := interval.Span{From: interval.Min, To: interval.Max}
	if from != "" {
		x.From = paris(t, from)
	}
	if to != "" {
		x.To = paris(t, to)
	}
	return x
}

// shopHours is Monday to Saturday, nine to eight.
func shopHours(t testing.TB) *registry.Calendar {
	day := windows(t, "09:00-20:00")
	return &registry.Calendar{Week: registry.Week{Mon: day, Tue: day, Wed: day, Thu: day, Fri: day, Sat: day}}
}

// The worked examples of the domain (research/golden.json), computed there in two other ways.
func TestGolden(t *testing.T) {
	var want map[string]struct {
		CommittedS   int64    `json:"committed_s"`
		ExcludedS    int64    `json:"excluded_s"`
		CountedS     int64    `json:"counted_s"`
		UnknownS     int64    `json:"unknown_s"`
		DownS        int64    `json:"down_s"`
		Coverage     *float64 `json:"coverage"`
		Availability *float64 `json:"availability"`
		Low          *float64 `json:"low"`
		High         *float64 `json:"high"`
		BudgetS      float64  `json:"budget_s"`
		Verdict      Verdict  `json:"verdict"`
	}
	golden(t, &want)

	shop, night := shopHours(t), windows(t, "20:00-04:00")
	bar := &registry.Calendar{Week: registry.Week{Fri: night, Sat: night}}
	type spans [][2]string
	cases := map[string]struct {
		calendar                *registry.Calendar
		month                   [2]string
		life, version           [2]string
		down, unknown, excluded spans
	}{
		"24x7, month with the spring change":   {month: [2]string{"2026-03-01", "2026-04-01"}},
		"24x7, month with the autumn change":   {month: [2]string{"2026-10-01", "2026-11-01"}},
		"shop hours Mon-Sat 09-20, March 2026": {calendar: shop},
		"overlapping outages 10:00-10:30 and 10:20-11:00 count once": {
			calendar: shop,
			down:     spans{{"2026-03-10T10:00", "2026-03-10T10:30"}, {"2026-03-10T10:20", "2026-03-10T11:00"}},
		},
		"outage over closing time 19:30-09:30 counts 60 min":             {calendar: shop, down: spans{{"2026-03-10T19:30", "2026-03-11T09:30"}}},
		"outage over Sunday and the clock change, Sat 19:00 - Mon 10:00": {calendar: shop, down: spans{{"2026-03-28T19:00", "2026-03-30T10:00"}}},
		"outage 10:00-12:00, maintenance 11:00-13:00 excluded": {
			calendar: shop,
			down:     spans{{"2026-03-10T10:00", "2026-03-10T12:00"}}, excluded: spans{{"2026-03-10T11:00", "2026-03-10T13:00"}},
		},
		"silent 2 h, nothing known: low and high disagree": {calendar: shop, unknown: spans{{"2026-03-10T10:00", "2026-03-10T12:00"}}},
		"silent 30 min and down 30 min: met whatever happened": {
			calendar: shop,
			down:     spans{{"2026-03-11T10:00", "2026-03-11T10:30"}}, unknown: spans{{"2026-03-10T10:00", "2026-03-10T10:30"}},
		},
		"down 2 h: breached whatever else happened": {
			calendar: shop,
			down:     spans{{"2026-03-11T10:00", "2026-03-11T12:00"}}, unknown: spans{{"2026-03-10T10:00", "2026-03-10T12:00"}},
		},
		"terminal commissioned on the 17th at 14:00": {
			calendar: shop, life: [2]string{"2026-03-17T14:00", ""},
			down: spans{{"2026-03-10T10:00", "2026-03-10T12:00"}, {"2026-03-18T10:00", "2026-03-18T10:10"}},
		},
		"terminal withdrawn while down: the outage ends with the terminal": {
			calendar: shop, life: [2]string{"", "2026-03-18T12:00"},
			down: spans{{"2026-03-18T10:00", "2026-03-31T20:00"}},
		},
		"contract starts on the 16th": {
			calendar: shop, version: [2]string{"2026-03-16", ""},
			down: spans{{"2026-03-10T10:00", "2026-03-10T12:00"}},
		},
		"no service hours at all: not applicable":                            {calendar: &registry.Calendar{}, down: spans{{"2026-03-10T10:00", "2026-03-10T12:00"}}},
		"bar Fri-Sat 20:00-04:00 (the night of the change is an hour short)": {calendar: bar},
	}
	if len(cases) != len(want) {
		t.Errorf("golden.json has %d cases, %d are tested", len(want), len(cases))
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w, ok := want[name]
			if !ok {
				t.Fatal("golden.json has no such case")
			}
			if c.month[0] == "" {
				c.month = [2]string{"2026-03-01", "2026-04-01"}
			}
			period := span(t, c.month[0], c.month[1])
			// Up is what nobody says otherwise of; unknown wants a hole in it.
			h := History{}
			var excluded []interval.Span
			up := interval.All()
			for _, x := range c.unknown {
				up = up.Subtract(interval.Of(span(t, x[0], x[1])))
			}
			for _, x := range up {
				h.Runs = append(h.Runs, Run{Span: x, Status: Up})
			}
			for _, x := range c.down {
				h.Runs = append(h.Runs, Run{Span: span(t, x[0], x[1]), Status: Down})
			}
			for _, x := range c.excluded {
				excluded = append(excluded, span(t, x[0], x[1]))
			}
			margin := interval.Span{From: period.From - 7*86_400_000, To: period.To + 7*86_400_000}
			service := storeOf(t, "Europe/Paris", c.calendar).Service(margin)
			life := interval.Of(span(t, c.life[0], c.life[1]))
			tm := NewTime(period, span(t, c.version[0], c.version[1]), life, service, Excused{Removed: interval.Of(excluded...)}, period.To)
			state := (&Rules{}).Read(&h, tm.Service)
			f := Measure(tm, &state)

			const target = 995_000_000
			got := [5]int64{f.Committed, f.Excluded, f.Counted, f.Unknown, f.Down}
			if exact := [5]int64{w.CommittedS * 1000, w.ExcludedS * 1000, w.CountedS * 1000, w.UnknownS * 1000, w.DownS * 1000}; got != exact {
				t.Errorf("T, X, Q, U, D are %v, want %v ms", got, exact)
			}
			for _, r := range []struct {
				name string
				got  Ratio
				want *float64
			}{
				{"coverage", f.Coverage(), w.Coverage},
				{"availability", f.Availability(), w.Availability},
				{"low", f.Low(), w.Low},
				{"high", f.High(), w.High},
			} {
				if r.got.OK() != (r.want != nil) {
					t.Errorf("%s has a value: %v", r.name, r.got.OK())
				} else if r.want != nil && math.Round(r.got.Float()*1e8)/1e8 != *r.want {
					t.Errorf("%s is %.8f, want %v", r.name, r.got.Float(), *r.want)
				}
			}
			if got := math.Round(f.Budget(target)) / 1000; got != w.BudgetS {
				t.Errorf("the budget is %v s, want %v", got, w.BudgetS)
			}
			if got := f.Verdict(target); got != w.Verdict {
				t.Errorf("the verdict is %s, want %s", got, w.Verdict)
			}
		})
	}
}
