package processor

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/processor/rollup"
)

// benchConfig is a configuration as the defaults make it.
func benchConfig() *Config {
	return &Config{
		Group: "g", Secret: []byte("0123456789abcdef"), MaxEventBytes: 1 << 20, TimelineWindow: 48 * time.Hour, RetireAfter: 31 * 24 * time.Hour,
		CorrectionWindow: 8 * 24 * time.Hour,
	}
}

// Two sales of three lines and one tender: lean has what is required, rich what a talkative till adds.
const (
	lean = `{"id":"%s/%d","source":"%s","type":"pos.transaction.v1","time":"2026-11-23T10:%02d:30+01:00","store_id":"0042","terminal_id":"%s","sequence":%d,"kind":"sale","currency":"EUR","lines":[{"line":1,"product_id":"4006381333931","quantity":1,"gross":129},{"line":2,"product_id":"1095275","quantity":2,"gross":90},{"line":3,"product_id":"bulk-7","quantity":0.512,"gross":153}],"tenders":[{"method":"cash","amount":372,"result":"approved"}],"totals":{"gross":372,"net":372}}`
	rich = `{"id":"%s/%d","source":"%s","type":"pos.transaction.v1","time":"2026-11-23T10:%02d:30+01:00","store_id":"0042","terminal_id":"%s","sequence":%d,"kind":"sale","currency":"EUR","lines":[{"line":1,"product_id":"4006381333931","category":"stationery","quantity":1,"gross":129,"net":129},{"line":2,"product_id":"1095275","category":"rolls","quantity":2,"gross":100,"discount":10,"net":90},{"line":3,"product_id":"bulk-7","category":"fruit","quantity":0.512,"gross":153,"net":153}],"tenders":[{"method":"card","entry_mode":"contactless","amount":372,"result":"approved","acquirer":"acq-1","authorisation_ms":840}],"totals":{"gross":382,"discount":10,"net":372}}`
)

// sales makes n sales, numbered on from first.
func sales(format string, first, n int) []fetch.Record {
	records := make([]fetch.Record, n)
	for i := range records {
		at := time.Date(2026, 11, 23, 9, i/1000%60, 31, 0, time.UTC)
		till := fmt.Sprintf("t-%02d", i%32)
		records[i] = fetch.Record{Offset: int64(first + i), Timestamp: at.UnixMilli(), Value: fmt.Appendf(nil, format, till, first+i/32, till, i/1000%60, till, first+i/32+1)}
	}
	return records
}

var tp = fetch.TopicPartition{Topic: "pos.transactions", Partition: 3}

// From the bytes of a transaction of three lines and one tender to its deltas in the open batch: decoding, validation, masking, dedupe by
// sequence, quality, purchase and availability. What Seal does is not in it.
func BenchmarkFoldSaleOf3Lines(b *testing.B) {
	for _, c := range []struct{ name, format string }{{"lean", lean}, {"rich", rich}} {
		b.Run(c.name, func(b *testing.B) {
			f := newFolder(benchConfig(), nil)
			f.Begin(tp, 0, true)
			const n = 32_000
			var records []fetch.Record
			next, i := 0, n
			b.SetBytes(int64(len(sales(c.format, 0, 1)[0].Value)))
			b.ReportAllocs()
			for b.Loop() {
				if i == n {
					b.StopTimer()
					f.Seal(rollup.Version{Epoch: 1, Batch: uint64(next)}, "g/0", time.Time{})
					records, i = sales(c.format, next, n), 0
					next += n
					b.StartTimer()
				}
				f.Record(tp, records[i])
				i++
			}
			for _, k := range f.books {
				if k.rejected+k.duplicates > 0 {
					b.Fatalf("%+v", k)
				}
			}
		})
	}
}

func TestFoldingASaleDoesNotAllocate(t *testing.T) {
	f := newFolder(benchConfig(), nil)
	f.Begin(tp, 0, true)
	for batch := range 2 { // what is remembered between batches is there after the first
		for _, r := range sales(rich, batch*10_000, 10_000) {
			f.Record(tp, r)
		}
		f.Seal(rollup.Version{Epoch: 1, Batch: uint64(batch + 1)}, "g/0", time.Time{})
	}
	warm := sales(rich, 20_000, 10_000)
	for _, r := range warm[:5_000] {
		f.Record(tp, r)
	}
	i := 5_000
	allocations := testing.AllocsPerRun(4_000, func() {
		f.Record(tp, warm[i])
		i++
	})
	if k := f.books[tp]; k.records != uint64(i) || allocations != 0 {
		t.Errorf("%v allocations a sale; %+v", allocations, k)
	}
}

// A clock 44 s ahead is told from each report's first copy: one that a gateway sends again bears the same sent_at, and a later time of Kafka.
func TestTheFirstCopyOfAReportTellsTheClock(t *testing.T) {
	const late = 52 * time.Second
	w := newTill(t, 0)
	begin := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	for i := range 5 {
		at := begin.Add(time.Duration(i) * time.Minute)
		clock := at.Add(44 * time.Second).Format(time.RFC3339)
		report := fmt.Sprintf(`{"id":"%d","source":"t","type":"pos.health.v1","time":%q,"sent_at":%[2]q,"store_id":"s","terminal_id":"t","sequence":%[1]d,"kind":"heartbeat","status":"up"}`, i+1, clock)
		w.send(at, report)
		w.send(at.Add(late), report)
	}
	i := slices.IndexFunc(w.seal(nil).blocks, func(b *rollup.Block) bool { return b.Table == "terminal_status" })
	status := w.blocks[i]
	seen, skew, shift := columnOf[rollup.Millis](status, "last_seen")[1], columnOf[int64](status, "clock_skew_ms")[1], columnOf[int64](status, "clock_shift_ms")[1]
	if seen != rollup.Millis(begin.Add(4*time.Minute).UnixMilli()) || skew != -44_000 || shift != -44_000 {
		t.Errorf("last seen %v, deviation %d, corrected by %d", time.UnixMilli(int64(seen)).UTC(), skew, shift)
	}
}

// What folds remember of a sender must not outlive what it was: a terminal id moves between two stores and two business days, in each of two batches.
func TestASenderMovesBetweenStoresAndDays(t *testing.T) {
	w := newTill(t, 0)
	sequence := 0
	for range 2 {
		accepted, sold, seen := map[rollup.Days]uint64{}, map[string]uint64{}, map[string]rollup.Millis{}
		for i := range 24 {
			store, at := fmt.Sprintf("s%d", i/2%3%2), time.Date(2026, 11, 23+i/5%2, 9, sequence, 0, 0, time.UTC)
			sequence++
			w.send(at, fmt.Sprintf(`{"id":"%d","source":"t","type":"pos.transaction.v1","time":%q,"store_id":%q,"terminal_id":"t","sequence":%[1]d,"kind":"sale","currency":"EUR","lines":[{"line":1,"product_id":"p","quantity":1,"gross":1}],"totals":{"gross":1,"net":1}}`,
				sequence, at.Format(time.RFC3339), store))
			accepted[rollup.Days(at.Unix()/86400)]++
			sold[store]++
			seen[store] = max(seen[store], rollup.Millis(at.UnixMilli()))
		}
		gotAccepted, gotSold, gotSeen := map[rollup.Days]uint64{}, map[string]uint64{}, map[string]rollup.Millis{}
		for _, b := range w.seal(nil).blocks {
			for i := 1; i <= b.Rows; i++ {
				switch b.Table {
				case "data_quality":
					gotAccepted[columnOf[rollup.Days](b, "business_date")[i]] += columnOf[uint64](b, "accepted")[i]
				case "terminal_sales":
					for _, quarter := range []string{"00", "15", "30", "45"} {
						gotSold[columnOf[string](b, "store_id")[i]] += columnOf[uint64](b, "transactions_"+quarter)[i]
					}
				case "terminal_status":
					gotSeen[columnOf[string](b, "store_id")[i]] = columnOf[rollup.Millis](b, "last_seen")[i]
				}
			}
		}
		if !maps.Equal(gotAccepted, accepted) || !maps.Equal(gotSold, sold) || !maps.Equal(gotSeen, seen) {
			t.Errorf("by day %v, want %v; by store %v, want %v; last seen %v, want %v", gotAccepted, accepted, gotSold, sold, gotSeen, seen)
		}
	}
}

// What a record is written in may stand in its headers: they go with a dead letter, without card numbers.
func TestALetterKeepsHeaders(t *testing.T) {
	f := newFolder(benchConfig(), nil)
	f.Begin(tp, 0, true)
	headers := fetch.NewHeaders(fetch.Header{Key: "ce_specversion", Value: []byte("0.3")}, fetch.Header{Key: "card", Value: []byte("4111111111111111")})
	sent := slices.Clone(headers)
	if err := f.Record(tp, fetch.Record{Value: []byte("{}"), Headers: headers}); err != nil {
		t.Fatal(err)
	}
	want := fetch.NewHeaders(fetch.Header{Key: "ce_specversion", Value: []byte("0.3")}, fetch.Header{Key: "card", Value: []byte("************1111")})
	if l := f.letters[0]; l.Field != "specversion" || !slices.Equal(l.Headers, want) || !slices.Equal(headers, sent) {
		t.Errorf("%+v", l)
	}
}

// Of a record that is too large to be held there is a dead letter, whatever the beginning of it would be taken for.
func TestFoldOfALargeRecord(t *testing.T) {
	f := newFolder(benchConfig(), nil)
	f.Begin(tp, 0, true)
	records := sales(lean, 0, 3)
	records[1].Cut = 100 << 20
	for _, r := range records {
		if err := f.Record(tp, r); err != nil {
			t.Fatal(err)
		}
	}
	want := DeadLetter{
		Topic: tp.Topic, Partition: tp.Partition, Offset: 1, Timestamp: records[1].Timestamp, Value: records[1].Value, Cut: 100 << 20, Reason: "too_large", Expected: "at most 1048576 bytes",
	}
	if k := f.books[tp]; k.records != 2 || k.rejected != 1 || k.next != 3 {
		t.Errorf("%+v", k)
	}
	if d := cmp.Diff([]DeadLetter{want}, f.letters); d != "" {
		t.Error(d)
	}
}
