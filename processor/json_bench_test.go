package processor

import (
	"encoding/json"
	"testing"

	"github.com/tillstream/tillstream/processor/event"
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
