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
	w.f = newFolder(w.cfg, nil)
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
	if err := (Core{w.f}).Answer(func(k rollup.PastKey) rollup.StateRow { return w.state[rollup.KindPast+" "+k.Key] }); err != nil {
		w.t.Fatalf("%v", err)
	}
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

var purchases = []string{"sales_hourly", "product_sales", "customer_days", "payments_hourly", "terminal_payments", "terminal_sales", "returns"}

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

// collection is of an order that one of the customers collects while he buys.
const collection = `{"id":"o1/collected","source":"shop","type":"pos.order.v1","time":"2026-11-30T22:30:00Z","store_id":"s","order_id":"o1","step":"collected","customer":{"id":"c1","type":"loyalty"}}`

// added is what was sold beside it, as the newest row says.
func (w *till) added() (text string) {
	newest := ""
	for _, b := range only(w.blocks, []string{"order_journeys"}) {
		newest = max(newest, columnOf[string](b, "added_held")[1])
	}
	if newest == "" {
		return ""
	}
	return newest[14+20:] // behind the stamp and the batch
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
		w.send(now, collection)
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
			case 5: // as if no more could wait
				if err := w.f.Correct(); err != nil {
					t.Fatal(err)
				}
			}
			last = s
			now = now.Add(time.Hour)
		}
		w.seal(schema)

		counts := counting(all)
		right := newTill(t, 0)
		right.send(now, collection)
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
		if want, got := right.added(), w.added(); got != want {
			t.Fatalf("%q was added to the order, want %q", got, want)
		}
		var found, accepted int64
		for _, b := range w.blocks {
			if b.Table == "data_quality" {
				found += columnOf[int64](b, "corrected")[0]
				accepted += int64(columnOf[uint64](b, "accepted")[0])
			}
		}
		if found != corrected || accepted != int64(len(all))+1 {
			t.Fatalf("%d corrected, %d accepted, want %d and %d", found, accepted, corrected, len(all)+1)
		}
	})
}

// simple is a sale of one piece for an amount; more is fields.
func simple(id, terminal string, at time.Time, amount int, more string) string {
	return fmt.Sprintf(`{"id":"%s","source":"%s","type":"pos.transaction.v1","time":"%s","store_id":"s","terminal_id":"%s","kind":"sale","currency":"EUR","lines":[{"line":1,"product_id":"p","quantity":1,"gross":%d}],"totals":{"gross":%[5]d,"net":%[5]d}%s}`,
		id, terminal, at.Format(time.RFC3339), terminal, amount, more)
}

func correcting(ids string) string { return fmt.Sprintf(`,"corrects":{"ids":["%s"]}`, ids) }

// net is what was sold, all in all.
func (w *till) net() (net int64) {
	for _, b := range only(w.blocks, []string{"sales_hourly"}) {
		net += columnOf[int64](b, "net")[0]
	}
	return net
}

func TestWindowOfCorrections(t *testing.T) {
	const day = 24 * time.Hour
	start := time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
	type message struct {
		after  time.Duration // since start, when Kafka got it
		value  string
		window time.Duration // restarts with that one; 0: goes on
		off    bool          // restarts with none
	}
	at := func(d time.Duration) time.Time { return start.Add(d) }
	sale := simple("a", "t1", at(0), 1, "")
	for name, c := range map[string]struct {
		late     bool // the partition is begun in its middle
		messages []message
		net      int64
		reasons  string
	}{
		"in time, days and batches later": {messages: []message{
			{0, sale, 0, false}, {8 * day, simple("c", "t1", at(0), 100, correcting("a")), 0, false},
		}, net: 100},
		"too late": {messages: []message{
			{0, sale, 0, false}, {8*day + 2*time.Hour, simple("c", "t1", at(0), 100, correcting("a")), 0, false},
		}, net: 1, reasons: "correction_too_late"},
		"of a time long ago, which came just now": {messages: []message{
			{0, simple("a", "t1", at(-300*day), 1, ""), 0, false}, {day, simple("c", "t1", at(-300*day), 100, correcting("a")), 0, false},
		}, net: 100},
		"before what it corrects": {messages: []message{
			{0, simple("c", "t1", at(0), 100, correcting("a")), 0, false}, {8 * day, sale, 0, false},
		}, net: 100},
		"before what it corrects, which comes when nobody remembers": {messages: []message{
			{0, simple("c", "t1", at(0), 100, correcting("a")), 0, false}, {9 * day, sale, 0, false},
		}, net: 101},
		"of another till": {messages: []message{
			{0, sale, 0, false}, {0, simple("a", "t2", at(0), 10, ""), 0, false}, {1, simple("c", "t2", at(0), 100, correcting("a")), 0, false},
		}, net: 101},
		"of itself": {messages: []message{{0, simple("c", "t1", at(0), 100, correcting("c")), 0, false}}, net: 100},
		"of two":    {messages: []message{{0, sale, 0, false}, {0, simple("b", "t1", at(0), 10, ""), 0, false}, {1, simple("c", "t1", at(0), 100, correcting(`a","b`)), 0, false}}, net: 100},
		"void, without anything in its place": {messages: []message{
			{0, sale, 0, false}, {1, `{"id":"v","source":"office","type":"pos.transaction.v1","time":"2026-11-02T12:00:00Z","store_id":"s","terminal_id":"t1","kind":"no_sale","corrects":{"ids":["a"]}}`, 0, false},
		}, net: 0},
		"into training mode": {messages: []message{{0, sale, 0, false}, {1, simple("c", "t1", at(0), 100, correcting("a")+`,"test":true`), 0, false}}, net: 0},
		"a partition that was begun in its middle": {late: true, messages: []message{
			{0, simple("x", "t1", at(0), 1, ""), 0, false},
			{1, simple("c", "t1", at(-time.Hour), 100, correcting("a")), 0, false},
			{2 * time.Hour, simple("d", "t1", at(time.Hour), 1000, correcting("b")), 0, false},
		}, net: 1001, reasons: "correction_too_late"},
		"a partition whose first batches have no transaction, and another owner": {messages: []message{
			{0, `{"id":"half`, 0, false}, {1, simple("c", "t1", at(-time.Hour), 100, correcting("a")), 8 * day, false},
		}, net: 100, reasons: "malformed_json"},
		"a window that was made longer": {messages: []message{
			{0, sale, 0, false},
			{10 * day, simple("x", "t1", at(10*day), 1, ""), 20 * day, false},
			{10 * day, simple("c", "t1", at(day), 100, correcting("a2")), 0, false}, // may have been forgotten
			{10 * day, simple("d", "t1", at(3*day), 1000, correcting("a3")), 0, false},
		}, net: 1002, reasons: "correction_too_late"},
		"corrections that were turned off and on again": {messages: []message{
			{0, sale, 0, false},
			{1, simple("c", "t1", at(0), 100, correcting("a")), 0, true},
			{2, simple("b", "t1", at(0), 10, ""), 0, false},
			{time.Hour, simple("x", "t1", at(0), 1, ""), 8 * day, false},
			{2 * time.Hour, simple("d", "t1", at(0), 100, correcting("b")), 0, false},
		}, net: 12, reasons: "correction_unsupported correction_too_late"},
		"no transactions": {messages: []message{
			{0, `{"id":"h","source":"t1","type":"pos.health.v1","time":"2026-11-02T12:00:00Z","store_id":"s","terminal_id":"t1","kind":"heartbeat","status":"up","corrects":{"ids":["a"]}}`, 0, false},
		}, reasons: "correction_unsupported"},
		"ids that cannot be": {messages: []message{
			{0, simple("c", "t1", at(0), 1, correcting("")), 0, false},
			{0, simple("d", "t1", at(0), 1, correcting(strings.Repeat("x", 129))), 0, false},
			{0, simple("e", "t1", at(0), 1, correcting(strings.Repeat(`x","`, 100)+"x")), 0, false},
		}, reasons: "invalid_value invalid_value out_of_range"},
		// The till counts from 1 again; its correction has the time of a sale before that, and a number of now.
		"numbered, of a till that was reinstalled": {messages: []message{
			{0, simple("a", "t1", at(0), 1, `,"sequence":1`), 0, false},
			{0, simple("b", "t1", at(time.Minute), 1, `,"sequence":2`), 0, false},
			{time.Hour, simple("x", "t1", at(time.Hour), 10, `,"sequence":1`), 0, false},
			{2 * time.Hour, simple("c", "t1", at(0), 100, correcting("a")+`,"sequence":2,"recorded_at":"2026-11-02T14:00:00Z"`), 0, false},
		}, net: 111},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTill(t, 8*day)
			if c.late {
				w.whole = false
				w.restart()
			}
			var reasons []string
			for _, m := range c.messages {
				if m.window > 0 || m.off {
					w.cfg.CorrectionWindow = m.window
					w.restart()
				}
				w.send(start.Add(m.after), m.value)
				for _, l := range w.seal(nil).letters {
					reasons = append(reasons, l.Reason)
				}
			}
			if got := strings.Join(reasons, " "); w.net() != c.net || got != c.reasons {
				t.Errorf("net %d, dead letters %q; want %d, %q", w.net(), got, c.net, c.reasons)
			}
		})
	}
}
