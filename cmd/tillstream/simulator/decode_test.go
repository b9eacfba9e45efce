package simulator

import (
	"encoding/json"
	"math"
	"testing"
	"time"
)

// decoded is an event read with encoding/json: nothing of the simulator's own is used to read what it wrote.
type decoded struct {
	ID, Source, Type string
	Time             time.Time
	StartedAt        *time.Time `json:"started_at"`
	EndedAt          *time.Time `json:"ended_at"`
	SentAt           *time.Time `json:"sent_at"`
	arrival          int64
	Sequence         *uint64
	SequenceEpoch    *uint32 `json:"sequence_epoch"`
	StoreID          string  `json:"store_id"`
	TerminalID       string  `json:"terminal_id"`
	Test             bool
	Kind, Status     string
	Interval         int64   `json:"heartbeat_interval_s"`
	BusinessDate     *string `json:"business_date"`
	Channel          *string
	Currency         string
	Corrects         *struct{ IDs []string }
	Original         *struct {
		TransactionID string `json:"transaction_id"`
		Sequence      *uint64
	}
	Offline  *struct{ Mode string }
	Customer *struct{ ID, Type string }
	Lines    []struct {
		Line            int
		Kind            string
		ProductID       string `json:"product_id"`
		GTIN, Category  string
		Quantity        float64
		Gross, Discount int64
		Tax             int64
		Net             *int64
		Voided          bool
	}
	Tenders []struct {
		Method, Result, Error string
		Amount                int64
	}
	Totals *struct{ Gross, Discount, Tax, Net, Paid int64 }
}

func decode(t *testing.T, value []byte) *decoded {
	t.Helper()
	d := new(decoded)
	if err := json.Unmarshal(value, d); err != nil {
		t.Fatalf("%v: %s", err, value)
	}
	return d
}

// When is the event's instant in ms.
func (d *decoded) When() int64 {
	if d.EndedAt != nil {
		return d.EndedAt.UnixMilli()
	}
	return d.Time.UnixMilli()
}

func thousandths(q float64) int64 { return int64(math.Round(q * 1000)) }
