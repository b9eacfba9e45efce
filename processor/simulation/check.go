package simulation

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/tillstream/tillstream/processor/commit"
	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/processor/rollup"
)

// check compares what ClickHouse holds with what one undisturbed batch makes of the same log, and with what was predicted. It returns what is
// wrong.
func (w *World) check(want expected) []string {
	calm, problem := w.calm()
	if problem != "" {
		return []string{"undisturbed: " + problem}
	}
	s := schemata()
	if w.erasure != nil { // what was added to an order stays as it was reckoned, and one of which steps name several customers is nobody's
		s["order_journeys"].rules["added_held"], s["order_journeys"].rules["customer_said"] = ruleIgnored, ruleIgnored
	}
	if w.schemas != nil { // what was known of a schema is not predicted
		_, want.books = calm.books()
	}
	wrong := w.ledger(want)
	a, b := tables(s, w.clickhouse.parts), tables(s, calm.parts)
	for _, table := range slices.Sorted(maps.Keys(s)) {
		if table == "ledger" || table == commit.StateTable || table == commit.ClaimTable { // how it came, not what it says
			continue
		}
		got, once := rowsOf(a[table]), rowsOf(b[table])
		if table == "service_windows" { // how far ahead they are written is as batches come
			maps.DeleteFunc(got, func(k, _ string) bool { return once[k] == "" })
			maps.DeleteFunc(once, func(k, _ string) bool { return got[k] == "" })
		}
		wrong = append(wrong, difference(table, got, once)...)
	}
	switch {
	case len(w.losses()) > 0: // not predicted
		return wrong
	case w.schemas != nil:
		return slices.Concat(wrong, w.unlawful())
	}
	return slices.Concat(wrong, sums(a, want), w.lettersWrong(want))
}

// lettersWrong compares the dead letters in Kafka with the prediction.
func (w *World) lettersWrong(want expected) (wrong []string) {
	if len(w.letters) != len(want.letters) {
		wrong = append(wrong, fmt.Sprintf("dead letters in Kafka: %d, want %d", len(w.letters), len(want.letters)))
	}
	for at, reason := range want.letters {
		if w.letters[at] != reason {
			wrong = append(wrong, fmt.Sprintf("dead letter %s@%d is %q, want %q", at.TopicPartition, at.Offset, w.letters[at], reason))
		}
	}
	slices.Sort(wrong)
	return wrong
}

func rowsOf(m *merged) map[string]string {
	if m == nil {
		return nil
	}
	return m.texts()
}

func difference(table string, got, want map[string]string) (wrong []string) {
	keys := map[string]bool{}
	for k := range got {
		keys[k] = true
	}
	for k := range want {
		keys[k] = true
	}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if got[k] != want[k] {
			wrong = append(wrong, fmt.Sprintf("%s: %s\n  is     %s\n  not    %s", table, k, cmp.Or(got[k], "missing"), cmp.Or(want[k], "there at all")))
		}
	}
	return wrong
}

// ledger checks that the ranges of all batches, and what was lost, tile every partition, and that the books say what was predicted.
func (w *World) ledger(want expected) (wrong []string) {
	spans, books := w.clickhouse.books()
	for _, l := range w.losses() {
		spans[l.TopicPartition] = append(spans[l.TopicPartition], span{l.From, l.To})
	}
	for _, tp := range sortedPartitions(slices.Collect(maps.Keys(w.logs))) {
		slices.SortFunc(spans[tp], func(a, b span) int { return cmp.Compare(a.from, b.from) })
		at := int64(0)
		for _, s := range spans[tp] {
			if s.from != at {
				wrong = append(wrong, fmt.Sprintf("ledger: %s goes on at %d after %d", tp, s.from, at))
			}
			at = s.to
		}
		if end := w.logs[tp].end; at != end {
			wrong = append(wrong, fmt.Sprintf("ledger: %s ends at %d, Kafka at %d", tp, at, end))
		}
		if is, should := cmp.Or(books[tp], &book{}), cmp.Or(want.books[tp], &book{}); len(w.losses()) == 0 && *is != *should {
			wrong = append(wrong, fmt.Sprintf("ledger: %s has %+v, want %+v", tp, *is, *should))
		}
	}
	return wrong
}

type span struct{ from, to int64 }

// books are what the ledger says of partitions.
func (c *clickhouse) books() (map[fetch.TopicPartition][]span, map[fetch.TopicPartition]*book) {
	spans, books := map[fetch.TopicPartition][]span{}, map[fetch.TopicPartition]*book{}
	for _, p := range c.parts {
		if p.table != "ledger" {
			continue
		}
		b := p.block
		topic, number := column[string](b, "topic"), column[int32](b, "partition")
		from, to := column[int64](b, "from_offset"), column[int64](b, "to_offset")
		records, duplicates := column[uint64](b, "records"), column[uint64](b, "duplicates")
		rejected, gaps := column[uint64](b, "rejected"), column[uint64](b, "gaps")
		for i := 1; i <= b.Rows; i++ {
			tp := fetch.TopicPartition{Topic: topic[i], Partition: number[i]}
			spans[tp] = append(spans[tp], span{from[i], to[i]})
			k := cmp.Or(books[tp], &book{})
			books[tp] = &book{k.records + records[i], k.duplicates + duplicates[i], k.rejected + rejected[i], k.gaps + gaps[i]}
		}
	}
	return spans, books
}

// sums compares a few totals with the prediction, which knows nothing of folds.
func sums(got map[string]*merged, want expected) (wrong []string) {
	stores := map[string]sales{}
	for _, r := range keyed(got["sales_hourly"], "store_id") {
		s := stores[r.key]
		stores[r.key] = sales{s.transactions + r.columns["transactions"].(uint64), s.units + r.columns["units"].(int64), s.net + r.columns["net"].(int64)}
	}
	tills := map[string]sales{} // quarter-hours, which have no units
	for _, r := range keyed(got["terminal_sales"], "store_id") {
		s := tills[r.key]
		s.units = stores[r.key].units
		for _, quarter := range [...]string{"_00", "_15", "_30", "_45"} {
			s.transactions += r.columns["transactions"+quarter].(uint64)
			s.net += r.columns["net"+quarter].(int64)
		}
		tills[r.key] = s
	}
	products := map[string]int64{}
	for _, r := range keyed(got["product_sales"], "product_id") {
		products[r.key] += r.columns["units"].(int64)
	}
	tenders := map[string]uint64{}
	for _, r := range keyed(got["payments_hourly"], "method") {
		tenders[r.key] += r.columns["attempts"].(uint64)
	}
	accepted, missing := map[string]uint64{}, map[string]int64{}
	for _, r := range keyed(got["data_quality"], "terminal_id") {
		if n := r.columns["accepted"].(uint64); n > 0 {
			accepted[r.key] += n
		}
		missing[r.key] += r.columns["missing"].(int64)
	}
	maps.DeleteFunc(missing, func(_ string, n int64) bool { return n == 0 })
	resolve, excluded, quorum := map[string]uint64{}, map[string]uint64{}, map[string]uint32{}
	for _, r := range keyed(got["incidents"], "incident_id") {
		if r.columns["resolved_at"] != rollup.Null {
			resolve[r.key] = r.columns["resolve_ms"].(uint64)
		}
	}
	for _, r := range keyed(got["maintenance"], "maintenance_id") {
		excluded[r.key] = r.columns["excluded_ms"].(uint64)
	}
	for _, r := range keyed(got["store_status"], "store_id") {
		if r.columns["registered"].(uint8) != 0 {
			quorum[r.key] = r.columns["sell_quorum"].(uint32)
		}
	}
	lead := map[string]int64{}
	for _, r := range keyed(got["order_journeys"], "order_id") {
		if placed, ready := r.columns["placed_ms"].(int64), r.columns["ready_ms"].(int64); max(placed, ready) < math.MaxInt64 {
			lead[r.key] = ready - placed
		}
	}
	for name, pair := range map[string][2]any{
		"lead by order":               {lead, want.lead},
		"time to resolve by incident": {resolve, want.resolve}, "time excluded by maintenance": {excluded, want.excluded}, "tills needed by store": {quorum, want.quorum},
		"sales by store": {stores, want.sales}, "sales by store, of its tills": {tills, want.sales}, "units by product": {products, want.products}, "tenders by method": {tenders, want.tenders},
		"events accepted by terminal": {accepted, want.accepted}, "numbers missing by terminal": {missing, want.missing},
	} {
		if a, b := fmt.Sprint(pair[0]), fmt.Sprint(pair[1]); a != b {
			wrong = append(wrong, fmt.Sprintf("%s: %s, want %s", name, a, b))
		}
	}
	slices.Sort(wrong)
	return wrong
}

type keyedRow struct {
	key     string
	columns map[string]any
}

// keyed are a table's rows with one column of their key.
func keyed(m *merged, column string) (out []keyedRow) {
	if m == nil {
		return nil
	}
	for key, row := range m.rows {
		out = append(out, keyedRow{field(key, column), row})
	}
	return out
}

// field is the value of one column in the text of a key.
func field(key, column string) string {
	_, rest, _ := strings.Cut(" "+key, " "+column+"=")
	value, _, _ := strings.Cut(rest, " ")
	return value
}
