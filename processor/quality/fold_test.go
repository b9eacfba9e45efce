package quality

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
	"github.com/tillstream/tillstream/processor/table/tabletest"
)

// Kafka has an event at noon of 2026-03-02.
var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC).UnixMilli()

// received is an event of terminal t1 that happened so long before Kafka had it.
func received(before time.Duration, change ...func(*event.Event)) func(*Fold) {
	e := &event.Event{}
	e.Type, e.TerminalID = event.TypeTransaction, "t1"
	e.Time = event.Time{Milli: noon - before.Milliseconds(), OK: true}
	for _, c := range change {
		c(e)
	}
	return func(f *Fold) { f.Fold(e, rollup.Input{Topic: "x", Timestamp: noon}) }
}

// sent says that the till's clock was so far behind when it sent the event.
func sent(behind time.Duration) func(*event.Event) {
	return func(e *event.Event) { e.SentAt = event.Time{Milli: noon - behind.Milliseconds(), OK: true} }
}

func offline(mode string) func(*event.Event) {
	return func(e *event.Event) { e.Transaction.Offline.Mode = mode }
}

// The rules, worked by hand. What is zero is left out.
func TestRules(t *testing.T) {
	tests := map[string]struct {
		cutoff time.Duration
		heard  []func(*Fold)
		want   string
	}{
		"accepted":                     {heard: []func(*Fold){received(0), received(time.Minute)}, want: "data_quality x t1 2026-03-02 accepted=2"},
		"ten minutes are not late yet": {heard: []func(*Fold){received(10 * time.Minute)}, want: "data_quality x t1 2026-03-02 accepted=1"},
		"late, in whole seconds": {
			heard: []func(*Fold){received(10*time.Minute + time.Millisecond), received(10*time.Minute + 1999*time.Millisecond), received(11 * time.Hour)},
			want:  "data_quality x t1 2026-03-02 accepted=3 late=3 late_in=[600 601 39600]",
		},
		"later than a uint32 of seconds": {
			heard: []func(*Fold){func(f *Fold) {
				e := &event.Event{}
				e.Time.OK = true
				f.Fold(e, rollup.Input{Topic: "x", Timestamp: (math.MaxUint32 + 9) * 1000})
			}},
			want: "data_quality x - 1970-01-01 accepted=1 late=1 late_in=[4294967295]",
		},
		"late by its time, dated by its end": {
			heard: []func(*Fold){received(13*time.Hour, func(e *event.Event) {
				e.Transaction.EndedAt = event.Time{Milli: noon, OK: true}
			})},
			want: "data_quality x t1 2026-03-02 accepted=1 late=1 late_in=[46800]",
		},
		"business date and cutoff": {
			cutoff: 13 * time.Hour,
			heard: []func(*Fold){received(0), received(0, func(e *event.Event) {
				e.Transaction.BusinessDate = event.Some[int32](20514)
			})},
			want: "data_quality x t1 2026-03-01 accepted=1\ndata_quality x t1 2026-03-02 accepted=1",
		},
		"clock behind and ahead": {
			heard: []func(*Fold){received(0, sent(300*time.Millisecond)), received(0, sent(-2*time.Second)), received(0, sent(time.Second))},
			want:  "data_quality x t1 2026-03-02 accepted=3 skew_max=1000 skew_min=-2000",
		},
		"no skew of the other sign": {heard: []func(*Fold){received(0, sent(time.Second))}, want: "data_quality x t1 2026-03-02 accepted=1 skew_max=1000"},
		"skew of online events only": {
			heard: []func(*Fold){
				received(0, sent(time.Hour), offline("saf")), received(0, sent(-time.Hour), offline("emv")), received(0, sent(time.Second), offline("none")), received(0),
			},
			want: "data_quality x t1 2026-03-02 accepted=4 skew_max=1000",
		},
		"health is online, whatever the transaction before it was": {
			heard: []func(*Fold){received(0, sent(time.Second), offline("saf"), func(e *event.Event) { e.Type = event.TypeHealth })},
			want:  "data_quality x t1 2026-03-02 accepted=1 skew_max=1000",
		},
		"test": {heard: []func(*Fold){received(0, func(e *event.Event) { e.Test = true })}, want: "data_quality x t1 2026-03-02 accepted=1 test=1"},
		"notes": {
			heard: []func(*Fold){
				received(0, func(e *event.Event) { e.Notes = event.Notes{PANMasked: true, Other: 3} }),
				received(0, func(e *event.Event) { e.Notes = event.Notes{Unbalanced: true, Other: 1} }),
			},
			want: "data_quality x t1 2026-03-02 accepted=2 other=4 pan_masked=1 unbalanced=1",
		},
		"the other fates": {
			heard: []func(*Fold){
				func(f *Fold) { f.Duplicate("x", "t1", 20514) },
				func(f *Fold) { f.Rejected("x", "", 20514) },
				func(f *Fold) { f.Missing("x", "t1", 20514, 7) },
				func(f *Fold) { f.Missing("x", "t1", 20514, -1) },
				func(f *Fold) { f.Missing("x", "t1", 20513, -1) },
				func(f *Fold) { f.Stale("y", "t1", 20514) },
				func(f *Fold) { f.Duplicate("x", "t1", 20514) },
			},
			want: `data_quality x - 2026-03-02 rejected=1
				data_quality x t1 2026-03-01 missing=-1
				data_quality x t1 2026-03-02 duplicates=2 missing=6
				data_quality y t1 2026-03-02 stale=1`,
		},
		"dates that a Date cannot hold": {
			heard: []func(*Fold){
				func(f *Fold) { f.Rejected("x", "t1", math.MinInt32) },
				func(f *Fold) { f.Rejected("x", "t1", -1) },
				func(f *Fold) { f.Rejected("x", "t1", math.MaxInt32) },
			},
			want: "data_quality x t1 1970-01-01 rejected=2\ndata_quality x t1 2149-06-06 rejected=1",
		},
	}
	schema := tabletest.Load(t)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := New(Config{BusinessDayCutoff: test.cutoff})
			for _, tell := range test.heard {
				tell(f)
			}
			sealed := f.Seal(rollup.Version{})
			schema.Check(t, sealed.Blocks)
			got := tabletest.Content{}
			schema.Add(got, sealed.Blocks)
			var want []string
			for l := range strings.Lines(test.want) {
				want = append(want, strings.TrimSpace(l))
			}
			if diff := cmp.Diff(want, got.Lines()); diff != "" {
				t.Error(diff)
			}
			if len(sealed.State) > 0 || f.Load(rollup.StateRow{}) != nil {
				t.Errorf("%d rows of state, want none", len(sealed.State))
			}
		})
	}
}

// Whatever the order and wherever batches end, the sums are those of a plain map.
func TestAgainstNaive(t *testing.T) {
	schema := tabletest.Load(t)
	rapid.Check(t, func(t *rapid.T) {
		type heard struct {
			fate, topic, terminal string
			date                  int32
			delta, late, skew     int64
		}
		all := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) heard {
			return heard{
				fate:     rapid.SampledFrom([]string{"accepted", "duplicates", "rejected", "missing", "stale"}).Draw(t, "fate"),
				topic:    rapid.SampledFrom([]string{"x", "y"}).Draw(t, "topic"),
				terminal: rapid.SampledFrom([]string{"", "t1", "t2"}).Draw(t, "terminal"),
				date:     rapid.Int32Range(20510, 20515).Draw(t, "date"),
				delta:    rapid.Int64Range(-3, 3).Draw(t, "delta"),
				late:     rapid.Int64Range(599_000, 602_000).Draw(t, "late"),
				skew:     rapid.Int64Range(-5, 5).Draw(t, "skew"),
			}
		}), 0, 40).Draw(t, "all")

		want := tabletest.Content{}
		for _, h := range all {
			key := fmt.Sprintf("data_quality %s %s %s", h.topic, tabletest.Text(h.terminal), tabletest.Text(rollup.Days(h.date)))
			delta := int64(1)
			if h.fate == "missing" {
				delta = h.delta
			}
			want.Put(key, h.fate, "sum", delta)
			if h.fate != "accepted" {
				continue
			}
			if h.late > 600_000 {
				want.Put(key, "late", "sum", 1)
				want.Put(key, "late_in", "", h.late/1000)
			}
			want.Put(key, "skew_min", "min", min(0, h.skew))
			want.Put(key, "skew_max", "max", max(0, h.skew))
		}

		f := New(Config{})
		got := tabletest.Content{}
		var sealed [][]*rollup.Block // looked at when later batches have been folded
		for _, h := range rapid.Permutation(all).Draw(t, "order") {
			switch h.fate {
			case "accepted":
				e := &event.Event{}
				e.TerminalID = h.terminal
				e.Time = event.Time{Milli: int64(h.date)*86_400_000 + 5, OK: true}
				timestamp := e.Time.Milli + h.late
				e.SentAt = event.Time{Milli: timestamp - h.skew, OK: true}
				f.Fold(e, rollup.Input{Topic: h.topic, Timestamp: timestamp})
			case "duplicates":
				f.Duplicate(h.topic, h.terminal, h.date)
			case "rejected":
				f.Rejected(h.topic, h.terminal, h.date)
			case "missing":
				f.Missing(h.topic, h.terminal, h.date, h.delta)
			case "stale":
				f.Stale(h.topic, h.terminal, h.date)
			}
			if rapid.IntRange(0, 3).Draw(t, "seal") == 0 {
				sealed = append(sealed, f.Seal(rollup.Version{}).Blocks)
			}
		}
		sealed = append(sealed, f.Seal(rollup.Version{}).Blocks)
		for _, blocks := range sealed {
			schema.Check(t, blocks)
			schema.Add(got, blocks)
		}
		if diff := cmp.Diff(want.Lines(), got.Lines()); diff != "" {
			t.Fatalf("%s", diff)
		}
	})
}

// When too many strings have been seen all are forgotten between two batches; no row may show it.
func TestForgetsNames(t *testing.T) {
	f := New(Config{})
	f.Duplicate("x", "t1", 20514)
	for i := range 70 {
		f.Duplicate("x", strings.Repeat(string(rune('0'+i)), 1<<20), 20514)
	}
	f.Duplicate("x", "t1", 20514)
	f.Seal(rollup.Version{})
	f.names.ID("another one that takes a number")
	f.Duplicate("x", "t1", 20514)
	got := tabletest.Content{}
	tabletest.Load(t).Add(got, f.Seal(rollup.Version{}).Blocks)
	if diff := cmp.Diff([]string{"data_quality x t1 2026-03-02 duplicates=1"}, got.Lines()); diff != "" {
		t.Error(diff)
	}
}

func TestNoAllocations(t *testing.T) {
	f := New(Config{})
	e := &event.Event{}
	e.Type, e.Time = event.TypeTransaction, event.Time{Milli: noon - 3_600_000, OK: true}
	terminals := []string{"t1", "t2", "t3"}
	fold := func() {
		for i := range 1000 {
			e.TerminalID = terminals[i%3]
			f.Fold(e, rollup.Input{Topic: "x", Timestamp: noon})
			f.Missing("x", e.TerminalID, 20514, 1)
		}
	}
	for range 2 {
		fold()
		fold()
		f.Seal(rollup.Version{})
	}
	if n := testing.AllocsPerRun(1, fold); n != 0 { // it folds twice: once to warm up
		t.Errorf("%v allocations for a batch like the last one, want none", n)
	}
}

func BenchmarkFold(b *testing.B) {
	f := New(Config{})
	e := &event.Event{}
	e.Type, e.Time = event.TypeTransaction, event.Time{Milli: noon, OK: true}
	e.SentAt = e.Time
	terminals := make([]string, 2000)
	for i := range terminals {
		terminals[i] = fmt.Sprintf("store-%d-till-%d", i/10, i%10)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e.TerminalID = terminals[i%len(terminals)]
		f.Fold(e, rollup.Input{Topic: "pos.transactions", Timestamp: noon})
	}
}
