package clickhouse

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

// basket is one of the real month: its time in the store's zone, its store's number, cents.
type basket struct {
	at    time.Time
	store int
	net   float64
}

// realMonth reads the real baskets; see docs/impact.md for where they are from. Stores are numbered as they come.
func realMonth(t *testing.T) (baskets []basket) {
	t.Helper()
	dir := os.Getenv("TILLSTREAM_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared")
	}
	file, err := os.Open(filepath.Join(dir, "data", "transactions-2017-01.jsonl.zst"))
	if err != nil {
		t.Fatalf("%v; the real inputs are expected beside the checkout in ../shared, or where TILLSTREAM_SHARED says", err)
	}
	defer file.Close()
	z, err := zstd.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	numbers := map[string]int{}
	for lines.Scan() {
		var b struct {
			Time    time.Time
			StoreID string `json:"store_id"`
			Totals  struct{ Net float64 }
		}
		if err := json.Unmarshal(lines.Bytes(), &b); err != nil {
			t.Fatal(err)
		}
		if _, known := numbers[b.StoreID]; !known {
			numbers[b.StoreID] = len(numbers)
		}
		baskets = append(baskets, basket{b.Time, numbers[b.StoreID], b.Totals.Net})
	}
	if lines.Err() != nil || len(baskets) != 12_721 {
		t.Fatalf("%d baskets: %v", len(baskets), lines.Err())
	}
	return baskets
}

// score is how far an estimate is from the truth, in per cent of what was really sold. Within is how often it lies in [low, high].
type score struct{ N, Bias, Error, Within int }

func (s score) String() string {
	return fmt.Sprintf("n %d bias %+d%% error %d%% within %d%%", s.N, s.Bias, s.Error, s.Within)
}

func judge(truths, estimates, lows, highs []float64) score {
	var truth, bias, wrong, within float64
	for i, x := range truths {
		truth += x
		bias += estimates[i] - x
		wrong += math.Abs(estimates[i] - x)
		if lows[i]-.005 <= x && x <= highs[i]+.005 {
			within++
		}
	}
	percent := func(x, of float64) int { return int(math.Round(100 * x / of)) }
	return score{len(truths), percent(bias, truth), percent(wrong, truth), percent(within, float64(len(truths)))}
}

// Spells are cut out of a real month and the estimate is compared with what was really sold in them: the figures of docs/impact.md. The panel is sparse, so
// that its stores are put together: once all are one store with one till, once two stores with three tills each.
func TestImpactOnTheRealMonth(t *testing.T) {
	baskets := realMonth(t)
	got := map[string]string{}
	for name, size := range map[string][2]int{"one till": {1, 1}, "two stores of three tills": {2, 3}} {
		conn := fresh(t)
		ms, _ := clock(t, conn)
		zone := time.FixedZone("", -5*3600)
		// The month is moved by whole weeks: its last day is within the last seven.
		weeks := int(time.UnixMilli(ms).Sub(time.Date(2017, 2, 1, 12, 0, 0, 0, zone)) / (7 * 24 * time.Hour))
		moved := func(x time.Time) time.Time { return x.In(zone).AddDate(0, 0, 7*weeks) }
		w := &world{now: time.UnixMilli(ms), sold: map[place]sums{}}
		var cut []spell
		var lengths []time.Duration
		for n := range size[0] {
			s := &shop{id: fmt.Sprint("s", n), zone: zone}
			for i := range size[1] {
				till := fmt.Sprint(s.id, "-", i)
				s.tills = append(s.tills, till)
				for d := 9; d <= 31; d++ { // weekdays with at least four before them
					day := time.Date(2017, 1, d, 0, 0, 0, 0, zone)
					if day.Weekday() == time.Saturday || day.Weekday() == time.Sunday {
						continue
					}
					for j := range 3 { // five hours apart, so that the two before each are sound
						k := d + 5*i + 3*n + j
						length := []time.Duration{30, 60, 120, 180}[k%4] * time.Minute
						from := moved(day.Add(time.Duration(11*60+300*j+k*17%60) * time.Minute))
						s.runs = append(s.runs, spell{till, from, from.Add(length)})
						cut, lengths = append(cut, s.runs[len(s.runs)-1]), append(lengths, length)
					}
				}
			}
			w.shops = append(w.shops, s)
		}
		truths := map[spell]float64{}
		for _, b := range baskets {
			at := moved(b.at)
			s := w.shops[b.store%size[0]]
			till := s.tills[b.store/size[0]%size[1]]
			hit := false
			for _, r := range s.runs {
				if r.till == till && !at.Before(r.from) && at.Before(r.to) {
					truths[r] += b.net / 100
					hit = true
				}
			}
			if !hit {
				p := place{s.id, till, "USD", at.Truncate(quarter).Unix()}
				w.sold[p] = sums{w.sold[p].transactions + 1, w.sold[p].net + b.net}
			}
		}
		w.insert(t, conn, moved(time.Date(2016, 12, 1, 0, 0, 0, 0, zone)))
		exec(t, conn, "INSERT INTO tillstream.settings VALUES ('impact_months', 2, now64(3))")
		type estimate struct{ expected, low, high, lost, lostLow, lostHigh, level float64 }
		estimates := map[string]estimate{}
		for _, line := range query(t, conn, "SELECT terminal_id, toUnixTimestamp64Milli(started_at), expected_net, expected_net_low, expected_net_high, lost_net, lost_net_low, lost_net_high, level FROM pos.outage_impact WHERE estimated AND currency = 'USD'") {
			var till string
			var from int64
			var e estimate
			fmt.Sscan(line, &till, &from, &e.expected, &e.low, &e.high, &e.lost, &e.lostLow, &e.lostHigh, &e.level)
			estimates[fmt.Sprint(till, from)] = e
		}
		for _, group := range []struct {
			name        string
			least, most time.Duration
		}{{"all", 0, 24 * time.Hour}, {"up to 1 h", 0, time.Hour}, {"2 and 3 h", 2 * time.Hour, 3 * time.Hour}} {
			var truth, expected, low, high, lost, lostLow, lostHigh, unscaled, unscaledLow, unscaledHigh, summed []float64
			for i, r := range cut {
				e, ok := estimates[fmt.Sprint(r.till, r.from.UnixMilli())]
				if !ok || lengths[i] < group.least || lengths[i] > group.most { // !ok: fewer than four days before it
					continue
				}
				truth, expected, low, high = append(truth, truths[r]), append(expected, e.expected), append(low, e.low), append(high, e.high)
				lost, lostLow, lostHigh = append(lost, e.lost), append(lostLow, e.lostLow), append(lostHigh, e.lostHigh)
				unscaled, unscaledLow, unscaledHigh = append(unscaled, e.expected/e.level), append(unscaledLow, e.low/e.level), append(unscaledHigh, e.high/e.level)
				summed = append(summed, w.sumOfMedians(r)/100)
			}
			got[name+", "+group.name+": expected"] = judge(truth, expected, low, high).String()
			got[name+", "+group.name+": lost"] = judge(truth, lost, lostLow, lostHigh).String()
			got[name+", "+group.name+": expected, not scaled by the level"] = judge(truth, unscaled, unscaledLow, unscaledHigh).String()
			got[name+", "+group.name+": sum of the medians of quarter-hours"] = judge(truth, summed, summed, summed).String()
		}
	}
	want := map[string]string{
		"one till, 2 and 3 h: expected":                                             "n 14 bias +12% error 18% within 71%",
		"one till, 2 and 3 h: expected, not scaled by the level":                    "n 14 bias +1% error 16% within 64%",
		"one till, 2 and 3 h: lost":                                                 "n 14 bias +7% error 19% within 71%",
		"one till, 2 and 3 h: sum of the medians of quarter-hours":                  "n 14 bias -23% error 24% within 0%",
		"one till, all: expected":                                                   "n 30 bias +12% error 21% within 73%",
		"one till, all: expected, not scaled by the level":                          "n 30 bias +1% error 19% within 60%",
		"one till, all: lost":                                                       "n 30 bias +1% error 24% within 63%",
		"one till, all: sum of the medians of quarter-hours":                        "n 30 bias -23% error 25% within 0%",
		"one till, up to 1 h: expected":                                             "n 16 bias +11% error 29% within 75%",
		"one till, up to 1 h: expected, not scaled by the level":                    "n 16 bias -1% error 29% within 56%",
		"one till, up to 1 h: lost":                                                 "n 16 bias -17% error 42% within 56%",
		"one till, up to 1 h: sum of the medians of quarter-hours":                  "n 16 bias -20% error 29% within 0%",
		"two stores of three tills, 2 and 3 h: expected":                            "n 84 bias +3% error 46% within 79%",
		"two stores of three tills, 2 and 3 h: expected, not scaled by the level":   "n 84 bias -16% error 44% within 76%",
		"two stores of three tills, 2 and 3 h: lost":                                "n 84 bias -13% error 49% within 68%",
		"two stores of three tills, 2 and 3 h: sum of the medians of quarter-hours": "n 84 bias -60% error 62% within 1%",
		"two stores of three tills, all: expected":                                  "n 178 bias -4% error 50% within 76%",
		"two stores of three tills, all: expected, not scaled by the level":         "n 178 bias -20% error 48% within 74%",
		"two stores of three tills, all: lost":                                      "n 178 bias -23% error 56% within 61%",
		"two stores of three tills, all: sum of the medians of quarter-hours":       "n 178 bias -62% error 64% within 12%",
		"two stores of three tills, up to 1 h: expected":                            "n 94 bias -25% error 65% within 74%",
		"two stores of three tills, up to 1 h: expected, not scaled by the level":   "n 94 bias -33% error 59% within 72%",
		"two stores of three tills, up to 1 h: lost":                                "n 94 bias -55% error 77% within 54%",
		"two stores of three tills, up to 1 h: sum of the medians of quarter-hours": "n 94 bias -65% error 72% within 21%",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-published in docs/impact.md +measured)\n%s", diff)
	}
}

// sumOfMedians is the other way to read the formula of domain 3.7: the median of every quarter-hour by itself, all added up.
func (w *world) sumOfMedians(o spell) (total float64) {
	for _, s := range w.shops {
		for q := o.from.Truncate(quarter); q.Before(o.to); q = q.Add(quarter) {
			var values []float64
			for k := 1; k <= 84 && len(values) < 8; k++ {
				then := q.AddDate(0, 0, -k)
				if s.dayType(then) == s.dayType(q) && !s.down(o.till, then, then.Add(quarter)) && !then.Before(w.now.AddDate(0, 0, -45)) {
					values = append(values, w.sold[place{s.id, o.till, "USD", then.Unix()}].net)
				}
			}
			if len(values) > 0 {
				total += quantile(values, .5) * overlap(q, q.Add(quarter), o.from, o.to) / float64(quarter)
			}
		}
	}
	return total
}
