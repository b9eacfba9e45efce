package simulator

import (
	"crypto/sha256"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

// small is a chain in which everything happens within days; over the night of a change of the clocks in Paris, London and Adelaide.
func small(seed uint64, days int) Config {
	c := Default()
	c.Seed, c.Start = seed, time.Date(2026, 3, 26, 22, 17, 3, 0, time.UTC)
	c.End = c.Start.AddDate(0, 0, days)
	c.Products, c.Customers, c.Faults, c.Dirty = 500, 1500, 4, 0.01
	c.HeartbeatInterval = 5 * time.Minute
	c.Secret = []byte("only for tests, only for tests")
	return c
}

func simulate(t testing.TB, c Config) *Simulator {
	t.Helper()
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fingerprint is a hash of all that a run gives, and how much that was.
func fingerprint(t *testing.T, c Config) (sum [sha256.Size]byte, truth string, n int) {
	t.Helper()
	s := simulate(t, c)
	h := sha256.New()
	e := json.NewEncoder(h)
	for ev := range s.Events() {
		if err := e.Encode(ev); err != nil {
			t.Fatal(err)
		}
		n++
	}
	b, err := json.Marshal(s.Truth())
	if err != nil {
		t.Fatal(err)
	}
	h.Sum(sum[:0])
	return sum, string(b), n
}

func TestSameSeedSameBytes(t *testing.T) {
	a, truthA, n := fingerprint(t, small(7, 3))
	b, truthB, _ := fingerprint(t, small(7, 3))
	if a != b || truthA != truthB {
		t.Errorf("two runs of %d events differ", n)
	}
	if c, _, _ := fingerprint(t, small(8, 3)); c == a {
		t.Error("another seed gave the same events")
	}
}

// A run without an end begins like one with an end, and goes on with what that one had not yet delivered.
func TestEndlessRunGoesOn(t *testing.T) {
	c := small(3, 2)
	var want []Event
	for ev := range simulate(t, c).Events() {
		want = append(want, ev)
	}
	end := c.End.UnixMilli()
	c.End = time.Time{}
	s := simulate(t, c)
	i, after := 0, 0
	for ev := range s.Events() {
		if ev.Arrival >= end {
			if after++; after == 1000 {
				break
			}
			continue
		}
		if i == len(want) || !reflect.DeepEqual(want[i], ev) {
			t.Fatalf("event %d differs", i)
		}
		i++
	}
	if i != len(want) || after != 1000 {
		t.Errorf("%d of %d events before the end, %d of 1000 after", i, len(want), after)
	}
	if s.Truth() != nil {
		t.Error("a run without an end has a truth")
	}
}

func TestArrivalsInOrderAndInTime(t *testing.T) {
	c := small(5, 3)
	last, late := c.Start.UnixMilli(), 0
	for ev := range simulate(t, c).Events() {
		if ev.Arrival < last || ev.Arrival >= c.End.UnixMilli() {
			t.Fatalf("arrival %d after %d, end %d", ev.Arrival, last, c.End.UnixMilli())
		}
		last = ev.Arrival
		if ev.Dirty != "" {
			continue
		}
		at := decode(t, ev.Value).When()
		if at < ev.Arrival-10*minute {
			late++
		}
		if lag := ev.Arrival - at; lag < -4*minute || lag > 37*hour {
			t.Fatalf("arrived %d ms after it happened: %s", lag, ev.Value)
		}
	}
	if late < 50 {
		t.Errorf("%d events came more than ten minutes late; lines were cut, so there must be more", late)
	}
}

func TestBreakAndGoOn(t *testing.T) {
	c := small(4, 1)
	_, _, want := fingerprint(t, c)
	s := simulate(t, c)
	n := 0
	for range s.Events() {
		if n++; n == 100 {
			break
		}
	}
	if s.Truth() != nil {
		t.Error("truth before the end")
	}
	for range s.Events() {
		n++
	}
	if n != want || s.Truth() == nil {
		t.Errorf("%d events in two parts, %d in one", n, want)
	}
}

func TestValidateNamesTheKey(t *testing.T) {
	for key, spoil := range map[string]func(*Config){
		"stores":                     func(c *Config) { c.Stores = 0 },
		"tills_per_store":            func(c *Config) { c.TillsPerStore = -1 },
		"products":                   func(c *Config) { c.Products = 3 },
		"customers":                  func(c *Config) { c.Customers = -1 },
		"transactions_per_store_day": func(c *Config) { c.TransactionsPerStoreDay = -1 },
		"heartbeat_interval":         func(c *Config) { c.HeartbeatInterval = 1500 * time.Millisecond },
		"business_day_cutoff":        func(c *Config) { c.BusinessDayCutoff = 24 * time.Hour },
		"faults":                     func(c *Config) { c.Faults = -1 },
		"dirty":                      func(c *Config) { c.Dirty = 0.9 },
		"start":                      func(c *Config) { c.Start = time.Time{} },
		"end":                        func(c *Config) { c.End = c.Start },
	} {
		c := small(1, 1)
		spoil(&c)
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), "simulator."+key+" ") {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// A quiet chain: nothing fails, nothing is spoiled, nobody has a card.
func TestQuietChain(t *testing.T) {
	c := small(2, 2)
	c.Faults, c.Dirty, c.Customers, c.TransactionsPerStoreDay = 0, 0, 0, 50
	s := simulate(t, c)
	for ev := range s.Events() {
		if ev.Dirty != "" {
			t.Fatalf("%s: %s", ev.Dirty, ev.Value)
		}
	}
	for _, h := range s.Truth().TillHours {
		if h.Down+h.Degraded+h.Maintenance > 0 {
			t.Fatalf("trouble in %+v", h)
		}
	}
	if n := len(s.Truth().Dead) + len(s.Truth().Outages); n > 0 {
		t.Errorf("%d dead letters and outages", n)
	}
}

// BenchmarkEvents makes a fortnight of the default chain; events/s is what counts.
func BenchmarkEvents(b *testing.B) {
	b.ReportAllocs()
	c := Default()
	c.Start = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	c.End = c.Start.AddDate(0, 0, 14)
	var n, bytes int
	for b.Loop() {
		for ev := range simulate(b, c).Events() {
			n++
			bytes += len(ev.Value)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(bytes)/float64(n), "B/event")
}
