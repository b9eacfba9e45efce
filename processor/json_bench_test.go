package processor

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
)

// encoding/json on the very same bytes, into a struct that has only the fields the folds use: what the figure of
// BenchmarkFoldSaleOf3Lines is to be compared with on a machine of unknown speed.
func BenchmarkEncodingJSONSaleOf3Lines(b *testing.B) {
	value := sales(rich, 0, 1)[0].Value
	type line struct {
		ProductID string  `json:"product_id"`
		Category  string  `json:"category"`
		Quantity  float64 `json:"quantity"`
		Gross     int64   `json:"gross"`
		Discount  int64   `json:"discount"`
		Net       int64   `json:"net"`
	}
	type tender struct {
		Method    string `json:"method"`
		EntryMode string `json:"entry_mode"`
		Amount    int64  `json:"amount"`
		Result    string `json:"result"`
		Acquirer  string `json:"acquirer"`
		MS        uint32 `json:"authorisation_ms"`
	}
	var sale struct {
		ID       string   `json:"id"`
		Type     string   `json:"type"`
		Time     string   `json:"time"`
		StoreID  string   `json:"store_id"`
		Terminal string   `json:"terminal_id"`
		Sequence uint64   `json:"sequence"`
		Kind     string   `json:"kind"`
		Currency string   `json:"currency"`
		Lines    []line   `json:"lines"`
		Tenders  []tender `json:"tenders"`
	}
	b.SetBytes(int64(len(value)))
	b.ReportAllocs()
	for b.Loop() {
		if err := json.Unmarshal(value, &sale); err != nil || sale.Type != event.TypeTransaction {
			b.Fatal(err)
		}
	}
}

// A health report of a till that is up, from its bytes to the open batch.
func BenchmarkFoldHealthReport(b *testing.B) {
	const report = `{"id":"%s/h/%d","source":"%s","type":"pos.health.v1","time":"2026-11-23T10:%02d:30+01:00","store_id":"0042","terminal_id":"%s","sequence":%d,"kind":"heartbeat","status":"up","heartbeat_interval_s":30,"response_ms":41}`
	f := newFolder(benchConfig(), nil)
	f.Begin(tp, 0, true)
	const n = 32_000
	next, i := 0, n
	records := sales(report, 0, n)
	b.SetBytes(int64(len(records[0].Value)))
	b.ReportAllocs()
	for b.Loop() {
		if i == n {
			b.StopTimer()
			f.Seal(rollup.Version{Epoch: 1, Batch: uint64(next)}, "g/0", time.Time{})
			records, i = sales(report, next, n), 0
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
}
