package processor

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tillstream/tillstream/processor/correction"
	"github.com/tillstream/tillstream/processor/rollup"
)

// However many corrections a batch has, what they name is looked for once, unless they are more than may wait; and what decoding saw of them is told.
func TestCorrectionsAreLookedForAtOnce(t *testing.T) {
	for _, c := range []struct {
		name                    string
		corrections, text, asks int
	}{{"few", 300, 1, 1}, {"many", 12_000, 1, 3}, {"large", 90, 100 << 10, 3}} {
		t.Run(c.name, func(t *testing.T) {
			w := newTill(t, 8*24*time.Hour)
			now := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
			for i := range c.corrections {
				w.send(now, simple(fmt.Sprint("e", i), "t1", now, 5, ""))
			}
			w.seal(nil)
			asked, keys := 0, 0
			w.f.corrections.Find(func(q correction.Query, row func(correction.Row) error) error {
				asked++
				keys += len(q.Keys)
				for _, b := range only(w.blocks, []string{correction.Table}) {
					if err := correction.Search(b, q, row); err != nil {
						return err
					}
				}
				return nil
			})
			for i := range c.corrections {
				w.send(now, simple(fmt.Sprint("c", i), "t1", now, 3, correcting(fmt.Sprint("e", i))+fmt.Sprintf(`,"%s":"4111111111111111"`, strings.Repeat("x", c.text))))
				if held := w.f.later.bytes; held >= laterBytes {
					t.Fatalf("%d bytes wait", held)
				}
			}
			b := w.seal(nil)
			if got := w.net(); got != int64(3*c.corrections) || asked != c.asks || keys != c.corrections {
				t.Errorf("net %d, want %d; asked %d times for %d keys, want %d and %d", got, 3*c.corrections, asked, keys, c.asks, c.corrections)
			}
			for _, q := range only(b.blocks, []string{"data_quality"}) {
				if masked := columnOf[uint64](q, "pan_masked")[0]; masked != uint64(c.corrections) {
					t.Errorf("%d with a masked card number, want %d", masked, c.corrections)
				}
			}
		})
	}
}

// A till with a clock that nobody believes is counted on the day on which Kafka got its events: rows of a month that others have not are an INSERT and a part of their own.
func TestUnbelievedTimes(t *testing.T) {
	w := newTill(t, 8*24*time.Hour)
	now := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	for i, at := range []time.Time{now.AddDate(2, 0, 0), now.AddDate(-40, 0, 0), now.AddDate(30, 1, 0), now.AddDate(0, 0, -1)} {
		w.send(now, strings.Replace(simple(fmt.Sprint("e", i), "t1", at, 5, ""), `"EUR"`, []string{`"EUR"`, `"Euro"`}[i/3], 1))
	}
	var days []string
	for _, b := range only(w.seal(nil).blocks, []string{"data_quality"}) {
		for i, d := range columnOf[rollup.Days](b, "business_date")[1:] {
			days = append(days, fmt.Sprint(time.Unix(int64(d)*86400, 0).UTC().Format(time.DateOnly), " ", columnOf[uint64](b, "rejected")[i+1]))
		}
	}
	if want := []string{"2026-11-30 1", "2026-12-01 3"}; !slices.Equal(slices.Sorted(slices.Values(days)), want) {
		t.Errorf("rejected by day %v, want %v", days, want)
	}
}
