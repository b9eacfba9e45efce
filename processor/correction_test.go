package processor

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/correction"
	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/processor/rollup"
	"github.com/tillstream/tillstream/processor/table/tabletest"
)

// bench of one partition: batches, what was kept of them, and state, so that the folder can be made anew.
type till struct {
	t      tabletest.TB
	cfg    *Config
	f      *folder
	offset int64
	number uint64
	blocks []*rollup.Block
	state  map[string]rollup.StateRow
	whole  bool
}

func newTill(t tabletest.TB, window time.Duration) *till {
	cfg := benchConfig()
	cfg.CorrectionWindow = window
	w := &till{t: t, cfg: cfg, state: map[string]rollup.StateRow{}, whole: true}
	w.restart()
	return w
}

// restart loses what is in memory.
func (w *till) restart() {
	w.t.Helper()
	w.f = newFolder(w.cfg)
	for _, key := range slices.Sorted(maps.Keys(w.state)) {
		if err := w.f.Load(w.state[key]); err != nil {
			w.t.Fatalf("%v", err)
		}
	}
	w.f.Begin(tp, w.offset, w.whole && w.offset == 0)
	w.f.corrections.Find(func(q correction.Query, row func(correction.Row) error) error {
		for _, b := range w.blocks {
			if b.Table == correction.Table {
				if err := correction.Search(b, q, row); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (w *till) send(at time.Time, value string) {
	w.t.Helper()
	if err := w.f.Record(tp, fetch.Record{Offset: w.offset, Timestamp: at.UnixMilli(), Value: []byte(value)}); err != nil {
		w.t.Fatalf("%v", err)
	}
	w.offset++
}

func (w *till) seal(check tabletest.Schema) *batch {
	w.t.Helper()
	w.number++
	b := w.f.Seal(rollup.Version{Epoch: 1, Batch: w.number}, "g/0", time.Time{})
	w.blocks = append(w.blocks, b.blocks...)
	if check != nil {
		check.Check(w.t, only(b.blocks, append([]string{correction.Table, "data_quality"}, purchases...)))
	}
	kind, key, value, deleted := columnOf[string](b.state, "kind"), columnOf[string](b.state, "key"), columnOf[string](b.state, "value"), columnOf[uint8](b.state, "deleted")
	for i := 1; i < len(kind); i++ {
		name := kind[i] + " " + key[i]
		if w.state[name] = (rollup.StateRow{Partition: tp.Partition, Kind: kind[i], Key: key[i], Value: []byte(value[i])}); deleted[i] != 0 {
			delete(w.state, name)
		}
	}
	return b
}

var purchases = []string{"sales_hourly", "product_sales", "customer_days", "payments_hourly", "terminal_sales", "returns"}

func only(blocks []*rollup.Block, tables []string) []*rollup.Block {
	return slices.DeleteFunc(slices.Clone(blocks), func(b *rollup.Block) bool { return !slices.Contains(tables, b.Table) })
}

func columnOf[T any](b *rollup.Block, name string) []T {
	for _, c := range b.Columns {
		if c.Name == name {
			return c.Data.([]T)
		}
	}
	panic(name)
}

// purchased is what the purchase tables hold, as the views show it: samples that were taken off again are gone, first and last moments are those of
// what is left, and so are rows.
func (w *till) purchased(schema tabletest.Schema) []string {
	c := tabletest.Content{}
	schema.Add(c, only(w.blocks, purchases))
	for key, columns := range c {
		delete(columns, "corrections")
		delete(columns, "last_at") // evidence that was given
		delete(columns, "first_at")
		for name := range columns {
			in, sampled := strings.CutSuffix(name, "_out")
			if !sampled {
				continue
			}
			for _, v := range columns[name] {
				if i := slices.Index(columns[in+"_in"], v); i >= 0 {
					columns[in+"_in"] = slices.Delete(columns[in+"_in"], i, i+1)
				} else {
					w.t.Fatalf("%s: %d was taken off %s_in and is not there", key, v, in)
				}
			}
			delete(columns, name)
		}
		maps.DeleteFunc(columns, func(_ string, values []int64) bool { return len(values) == 0 })
		left := false
		for _, values := range columns {
			left = left || len(values) > 1 || len(values) == 1 && values[0] != 0
		}
		if _, attributed := columns["lines"]; attributed && strings.HasPrefix(key, "returns ") {
			left = columns["lines"][0] != 0
		}
		if !left {
			delete(c, key)
		}
	}
	return c.Lines()
}

// sent is an event as a sender means it, and what the text of the rules says of it.
type sent struct {
	id, terminal string
	recorded     int // minutes; declares it
	names        []string
	test         bool
	body         string // without corrects
}

func (s *sent) json() string {
	if len(s.names) == 0 {
		return s.body
	}
	return strings.TrimSuffix(s.body, "}") + fmt.Sprintf(`,"corrects":{"ids":["%s"]}}`, strings.Join(s.names, `","`))
}

// counting says which events count, by the text of package correction and nothing of its code: families are found by joining sets until nothing changes.
func counting(all []*sent) map[*sent]bool {
	named := map[string][]*sent{} // by terminal and id
	family := map[string]string{} // of corrections and what they name
	for _, s := range all {
		for _, id := range s.names {
			if id != s.id {
				named[s.terminal+" "+id] = append(named[s.terminal+" "+id], s)
			}
		}
	}
	for _, s := range all {
		for _, id := range append([]string{s.id}, s.names...) {
			family[s.terminal+" "+id] = s.terminal + " " + id
		}
	}
	for changed := true; changed; {
		changed = false
		for _, s := range all {
			if len(s.names) == 0 {
				continue
			}
			least := family[s.terminal+" "+s.id]
			for _, id := range s.names {
				least = min(least, family[s.terminal+" "+id])
			}
			for _, id := range append([]string{s.id}, s.names...) {
				if k := s.terminal + " " + id; family[k] != least {
					family[k], changed = least, true
				}
			}
		}
	}
	members := map[string][]*sent{}
	counts := map[*sent]bool{}
	for _, s := range all {
		if len(s.names) > 0 {
			k := family[s.terminal+" "+s.id]
			members[k] = append(members[k], s)
		} else {
			counts[s] = named[s.terminal+" "+s.id] == nil
		}
	}
	for _, m := range members {
		heads := slices.DeleteFunc(slices.Clone(m), func(s *sent) bool { return named[s.terminal+" "+s.id] != nil })
		if len(heads) == 0 {
			heads = m
		}
		slices.SortFunc(heads, func(a, b *sent) int { return cmp.Or(b.recorded-a.recorded, strings.Compare(b.id, a.id)) })
		counts[heads[0]] = true
	}
	return counts
}

func anySent(t *rapid.T, n int) *sent {
	pick := func(values ...string) string { return rapid.SampledFrom(values).Draw(t, "of") }
	s := &sent{id: fmt.Sprintf("e%02d", n), terminal: pick("t1", "t2"), recorded: rapid.IntRange(0, 5).Draw(t, "recorded"), test: rapid.IntRange(0, 9).Draw(t, "test") == 0}
	if rapid.IntRange(0, 2).Draw(t, "corrects") > 0 {
		for range rapid.IntRange(1, 2).Draw(t, "names") {
			s.names = append(s.names, fmt.Sprintf("e%02d", rapid.IntRange(0, 15).Draw(t, "name")))
		}
	}
	minute := rapid.IntRange(0, 179).Draw(t, "minute")
	kind := pick("sale", "sale", "sale", "return", "exchange", "void", "no_sale")
	var lines, tenders []string
	gross := 0
	for l := range rapid.IntRange(1, 3).Draw(t, "lines") {
		g := rapid.IntRange(1, 300).Draw(t, "gross")
		gross += g
		lines = append(lines, fmt.Sprintf(`{"line":%d,"product_id":"%s","category":"%s","quantity":%d,"gross":%d,"voided":%t%s}`, l+1, pick("milk", "tea", "bread"), pick("a", "b"),
			rapid.SampledFrom([]int{1, 1, 2, -1}).Draw(t, "quantity"), g, rapid.IntRange(0, 5).Draw(t, "voided") == 0, pick("", `,"promotions":[{"promotion_id":"p"}]`)))
	}
	for range rapid.IntRange(0, 2).Draw(t, "tenders") {
		tenders = append(tenders, fmt.Sprintf(`{"method":"%s","amount":%d,"result":"%s"%s}`, pick("cash", "card"), gross, pick("approved", "declined", "approved_offline"), pick("", `,"authorisation_ms":300`, `,"authorisation_ms":900`)))
	}
	s.body = fmt.Sprintf(`{"id":"%s","source":"%s","type":"pos.transaction.v1","time":"2026-11-30T%02d:%02d:00%s","recorded_at":"2026-12-01T08:%02d:00Z","store_id":"s","terminal_id":"%s","test":%t,`+
		`"kind":"%s","currency":"EUR","channel":"%s"%s%s,"lines":[%s],"tenders":[%s],"totals":{"gross":%d,"net":%d}}`,
		s.id, s.terminal, 21+minute/60, minute%60, pick("Z", "+01:00"), s.recorded, s.terminal, s.test, kind, pick("store", "web"),
		pick("", `,"customer":{"id":"c1","type":"loyalty"}`, `,"customer":{"id":"c2","type":"account"}`), pick("", `,"original":{"transaction_id":"x","reason":"torn"}`),
		strings.Join(lines, ","), strings.Join(tenders, ","), gross, gross)
	return s
}

// Whatever comes, in whatever order, twice, in however many batches and through restarts: the tables are as if only that which counts had been sent, and without
// corrects. Books and data quality say the rest.
func TestCorrectedAsIfRightAtFirst(t *testing.T) {
	schema := tabletest.Load(t)
	rapid.Check(t, func(t *rapid.T) {
		var all []*sent
		for n := range rapid.IntRange(1, 14).Draw(t, "events") {
			all = append(all, anySent(t, n))
		}
		w := newTill(t, 8*24*time.Hour)
		now := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
		var last *sent
		for _, s := range rapid.Permutation(all).Draw(t, "order") {
			w.send(now, s.json())
			switch rapid.IntRange(0, 9).Draw(t, "then") {
			case 0, 1:
				w.seal(schema)
			case 2:
				w.seal(schema)
				w.restart()
			case 3:
				w.send(now, s.json()) // a repeat
			case 4:
				if last != nil {
					w.send(now, last.json())
				}
			}
			last = s
			now = now.Add(time.Hour)
		}
		w.seal(schema)

		counts := counting(all)
		right := newTill(t, 0)
		corrected := int64(0)
		for _, s := range all {
			switch {
			case counts[s]:
				right.send(now, s.body)
			case !s.test || len(s.names) > 0:
				corrected++
			}
		}
		right.seal(schema)
		if d := gocmp.Diff(right.purchased(schema), w.purchased(schema)); d != "" {
			t.Fatalf("(-right at first +corrected)\n%s", d)
		}
		var found, accepted int64
		for _, b := range w.blocks {
			if b.Table == "data_quality" {
				found += columnOf[int64](b, "corrected")[0]
				accepted += int64(columnOf[uint64](b, "accepted")[0])
			}
		}
		if found != corrected || accepted != int64(len(all)) {
			t.Fatalf("%d corrected, %d accepted, want %d and %d", found, accepted, corrected, len(all))
		}
	})
}
