package alert

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"pgregory.net/rapid"
)

const month = 30 * 24 * time.Hour

func seen(Key) string { return "" }

func limits() *Limits {
	return &Limits{
		Pages: []Rule{TerminalOutage, StoreOutage, Breach, BudgetExhausted, SalesSilence, PipelineBlind}, Pairs: google30d(), Blind: 15_000, BlindFor: 45_000, Coverage: 0.9, Backlog: 3_600_000, Letters: 10, Lag: 1000, Deadline: 86_400_000,
	}
}

// google30d are Sloth's windows google-30d, which are those of the Google SRE workbook, table 5-8 (with a fourth pair).
func google30d() []Pair {
	return []Pair{
		{Severity: Page, Share: 0.02, Long: "1h", Short: "5m"},
		{Severity: Page, Share: 0.05, Long: "6h", Short: "30m"},
		{Severity: Ticket, Share: 0.10, Long: "1d", Short: "2h"},
		{Severity: Ticket, Share: 0.10, Long: "3d", Short: "6h"},
	}
}

// The factors of Sloth's google-30d, worked out by hand; and what cannot be.
func TestBurnWindows(t *testing.T) {
	for i, want := range []float64{14.4, 6, 3, 1} {
		if got := google30d()[i].Factor(month); math.Abs(got-want) > 1e-9 {
			t.Errorf("%v: %v, want %v", google30d()[i], got, want)
		}
	}
	for i, text := range []string{"page 2% 1h 5m", "page 5% 6h 30m", "ticket 10% 1d 2h", "ticket 10% 3d 6h"} {
		p, err := ParsePair(text)
		if err != nil || p != google30d()[i] || p.String() != text {
			t.Errorf("%q: %v, %v", text, p, err)
		}
	}
	for _, text := range []string{"", "page 2 1h 5m", "call 2% 1h 5m", "page 0% 1h 5m", "page NaN% 1h 5m", "page 101% 1h 5m", "page 2% 5m 1h", "page 2% 1h 1h", "page 2% 4h 5m"} {
		if p, err := ParsePair(text); err == nil {
			t.Errorf("%q was taken as %v", text, p)
		}
	}
	for _, c := range []struct {
		target float64
		period time.Duration
		usable int
		why    string
	}{
		{0.995, month, 4, ""},
		{0.94, month, 4, ""},                                  // 1/0.06 = 16.7
		{0.9, month, 3, "nothing burns faster than 10"},       // below 14.4
		{0.5, month, 1, "nothing burns faster than 2"},        // only the factor 1
		{1, month, 0, "leaves no budget"},                     //
		{0.995, 7 * 24 * time.Hour, 2, "the budget lasts"},    // 3.36, 1.4, 0.7, 0.23
		{0.99, 90 * 24 * time.Hour, 4, ""},                    // 43.2, 18, 9, 3
		{0.97, 90 * 24 * time.Hour, 3, "a burn rate of 43.2"}, // most 33.3
	} {
		usable, err := Usable(google30d(), c.target, c.period)
		if len(usable) != c.usable || (err == nil) != (c.why == "") || err != nil && !strings.Contains(err.Error(), c.why) {
			t.Errorf("%v in %v: %v, %v", c.target, c.period, usable, err)
		}
	}
}

func TestBurns(t *testing.T) {
	cell := Cell{"c", "o", "s", ""}
	for name, c := range map[string]struct {
		rates map[string]Rate
		want  []string
	}{
		"fast":                 {map[string]Rate{"5m": {20, 1}, "1h": {14.4, 1}}, []string{"burn_fast 14.4/14.4"}},
		"over in the short":    {map[string]Rate{"5m": {14.3, 1}, "1h": {30, 1}}, nil},
		"short is not told of": {map[string]Rate{"1h": {30, 1}}, nil},
		"six hours":            {map[string]Rate{"30m": {7, 1}, "6h": {8, 1}}, []string{"burn_fast 7/6"}},
		"slow":                 {map[string]Rate{"6h": {1.5, 1}, "3d": {1.2, 1}}, []string{"burn_slow 1.2/1"}},
		"slow is muted":        {map[string]Rate{"5m": {20, 1}, "1h": {20, 1}, "6h": {5, 1}, "3d": {2, 1}}, []string{"burn_fast 20/14.4", "burn_slow 2/1 it pages"}},
	} {
		o, _ := Judge(limits(), &Snapshot{At: 1000, Watermark: 1000, Burns: []Burn{{Cell: cell, Target: 0.995, Period: month, Rates: c.rates}}})
		var got []string
		for _, f := range o.Facts {
			got = append(got, strings.TrimSpace(string(f.Rule)+" "+trim(f.Value)+"/"+trim(f.Threshold)+" "+f.Muted))
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	o, _ := Judge(limits(), &Snapshot{At: 1000, Watermark: 1000, Burns: []Burn{{Cell: cell, Target: 0.995, Period: month, Rates: map[string]Rate{"5m": {20, 0.8}, "1h": {20, 1}}}}})
	if o.Unseen(Key{BurnFast, cell.String()}) == "" || o.Unseen(Key{BurnFast, "c/o/other"}) != "" {
		t.Error("a window that was measured too little does not freeze its scope, or freezes another")
	}
}

func trim(x float64) string {
	return strings.TrimSuffix(time.Duration(math.Round(x*1e9)).String(), "s")
}

func fired(s *State, o Observation) []string {
	var out []string
	ts := s.Plan(o)
	s.Apply(ts)
	for _, t := range ts {
		out = append(out, string(t.Kind)+" "+t.Scope)
	}
	return out
}

// A store with all tills out is one page; before, and after, its tills are told of one by one.
func TestGroupingAndMaintenance(t *testing.T) {
	s := NewState(Policy{}, nil)
	look := func(at int64, able int, maintained []Maintenance, bad ...Till) []string {
		o, _ := Judge(limits(), &Snapshot{At: at, Watermark: at, Stores: []Store{{ID: "s", Tills: 2, Able: able, Bad: bad}}, Maintenance: maintained})
		return fired(s, o)
	}
	one, two := Till{"1", "silent", 10}, Till{"2", "down", 20}
	for i, c := range []struct{ got, want []string }{
		{look(100, 1, nil, one), []string{"firing s/1"}},
		{look(200, 0, nil, one, two), []string{"firing s", "resolved s/1"}},
		{look(300, 0, nil, one, two), nil},
		{look(400, 1, nil, two), []string{"resolved s", "firing s/2"}},
		{look(500, 1, []Maintenance{{"m", "s", []string{"2"}}}, two), []string{"resolved s/2"}},
		{look(600, 0, []Maintenance{{"m", "s", nil}}, one, two), nil},
		{look(700, 1, nil, two), []string{"firing s/2"}},
		{look(800, 2, nil), []string{"resolved s/2"}},
	} {
		if d := cmp.Diff(c.want, c.got); d != "" {
			t.Errorf("step %d: %s", i, d)
		}
	}
}

func TestBlindness(t *testing.T) {
	s := NewState(Policy{}, nil)
	look := func(at, watermark int64, bad ...Till) []string {
		o, _ := Judge(limits(), &Snapshot{At: at, Watermark: watermark, Stores: []Store{{ID: "s", Tills: 9, Able: 8, Bad: bad}}})
		return fired(s, o)
	}
	one, two := Till{"1", "silent", 10}, Till{"2", "silent", 20}
	for i, c := range []struct{ got, want []string }{
		{look(100_000, 0, one), nil}, // begins blind
		{look(101_000, 100_500, one), []string{"firing s/1"}},
		{look(120_000, 100_500, two), nil}, // neither over nor begun
		{look(170_000, 100_500, two), []string{"frozen s/1", "firing pipeline"}},
		{look(171_000, 171_000, one, two), []string{"resolved pipeline", "resumed s/1", "firing s/2"}},
		{look(172_000, 172_000), []string{"resolved s/1", "resolved s/2"}},
	} {
		slices.Sort(c.got)
		slices.Sort(c.want)
		if d := cmp.Diff(c.want, c.got); d != "" {
			t.Errorf("step %d: %s", i, d)
		}
	}
}

// Whatever is observed, however often a member is followed by another at any step, also between the write and the sending, and though two judge at once:
// each run of the fact is one page under one id, no two runs share one, and what is open at the end is what a plain count says.
func TestNoPageIsLostOrRepeated(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := Key{TerminalOutage, "s/1"}
		policy := Policy{ClearAfter: rapid.Int64Range(0, 3).Draw(t, "clear after"), Repeat: 5}
		var kept []Transition // ClickHouse
		told := map[string]map[uint32]Transition{}
		restart := func() *State {
			var last []Alert
			for _, k := range kept {
				last = append(last, k.Alert)
			}
			return NewState(policy, last)
		}
		tell := func(ts []Transition) {
			for _, x := range ts {
				if told[x.ID] == nil {
					told[x.ID] = map[uint32]Transition{}
				}
				if was, ok := told[x.ID][x.Sequence]; ok && was.Kind != x.Kind {
					t.Fatalf("transition %d of %s is %s and %s", x.Sequence, x.ID, was.Kind, x.Kind)
				}
				told[x.ID][x.Sequence] = x
			}
		}
		a, b := NewState(policy, nil), NewState(policy, nil)
		since, open, over, runs := rapid.Int64Range(0, 1).Draw(t, "told since"), false, int64(-1), 0
		for at := int64(1); at < 40; at++ {
			true_, unseen := rapid.Bool().Draw(t, "true"), rapid.IntRange(0, 4).Draw(t, "unseen") == 0
			o := Observation{At: at, Unseen: seen, Announce: true}
			if unseen {
				o.Unseen = func(Key) string { return "dark" }
			}
			if true_ {
				o.Facts = []Fact{{Key: key, Since: since}}
			}
			crash := rapid.IntRange(0, 4).Draw(t, "crash")
			if crash == 1 { // before the write: what was planned is forgotten, and so is how long it has been over
				a.Plan(o)
				a, b, over = restart(), restart(), -1
			}
			// The plain count.
			switch {
			case unseen:
				over = -1
			case true_ && !open:
				open, runs, over = true, runs+1, -1
			case true_:
				over = -1
			case open:
				if over < 0 {
					over = at
				}
				if at-over >= policy.ClearAfter {
					open, over = false, -1
				}
			}
			ts := a.Plan(o)
			if d := cmp.Diff(ts, b.Plan(o)); d != "" { // which judges at once
				t.Fatalf("two members differ: %s", d)
			}
			kept = append(kept, ts...)
			a.Apply(ts)
			b.Apply(ts)
			if crash == 2 { // after the write
				a, b, over = restart(), restart(), -1
			}
			tell(ts)
			if rapid.Bool().Draw(t, "sent again") {
				tell(kept)
			}
			if got := len(a.Open()) == 1; got != open {
				t.Fatalf("at %d it is open: %v, want %v", at, got, open)
			}
		}
		if len(told) != runs {
			t.Fatalf("%d pages for %d runs", len(told), runs)
		}
		for id, steps := range told {
			for n := uint32(1); n <= uint32(len(steps)); n++ {
				if _, ok := steps[n]; !ok || (steps[n].Kind == Fired) != (n == 1) {
					t.Fatalf("%s lacks transition %d, or fires twice", id, n)
				}
			}
		}
	})
}

// memory is a Log and a Receiver that fail at times.
type memory struct {
	mu         sync.Mutex
	kept, took []Transition
	put        chan struct{} // closed by the first Put
	got        chan Transition
	fail       int
}

func (m *memory) Load(context.Context, []string, int) ([]Alert, map[string][]Transition, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var last []Alert
	for _, x := range m.kept {
		last = append(last, x.Alert)
	}
	return last, map[string][]Transition{"m": slices.Clone(m.kept[len(m.took):])}, nil
}

func (m *memory) Put(_ context.Context, ts []Transition) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.kept) == 0 {
		close(m.put)
	}
	m.kept = append(m.kept, ts...)
	return nil
}

func (m *memory) Took(_ context.Context, _ string, ts []Transition) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.took = append(m.took, ts...)
	return nil
}

func (m *memory) Name() string { return "m" }

func (m *memory) Send(ctx context.Context, ts []Transition) error {
	m.mu.Lock()
	m.fail--
	fail := m.fail >= 0
	m.mu.Unlock()
	if fail {
		return errors.New("not now")
	}
	for _, x := range ts {
		select {
		case m.got <- x:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

type fixed struct{ s Snapshot }

func (f fixed) Look(context.Context) (*Snapshot, error) { return &f.s, nil }

// What was written and not taken is sent by the next one that leads; what was, is not.
func TestLoopSendsWhatWasNotTaken(t *testing.T) {
	m := &memory{put: make(chan struct{}), got: make(chan Transition), fail: 1}
	down := fixed{Snapshot{At: 100, Watermark: 100, Stores: []Store{{ID: "s", Tills: 9, Able: 8, Bad: []Till{{"1", "down", 10}}}}}}
	up := fixed{Snapshot{At: 200, Watermark: 200}}
	lead := func(s Source) (end func()) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			NewLoop(Config{Every: time.Millisecond, Limits: *limits()}, Deps{Source: s, Log: m, Receivers: []Receiver{m}, Logger: zap.NewNop(), Metrics: NewMetrics(prometheus.NewRegistry())}).Lead(ctx)
		}()
		return func() { cancel(); <-done }
	}
	end := lead(down)
	<-m.put
	end() // written, not sent
	end = lead(up)
	first, second := <-m.got, <-m.got
	end()
	if first.Kind != Fired || second.Kind != Cleared || first.ID != second.ID || first.Scope != "s/1" {
		t.Errorf("%+v, then %+v", first, second)
	}
}
