package processor

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/processor/rollup"
)

// A producer may stamp its records with anything, as with microseconds, or nanoseconds, where Kafka has milliseconds, or with nothing, and a till's clock may say anything. Rows are of
// the month that their block is named after, and of one that ClickHouse can hold: else it files them elsewhere, and the block that the lane asks for never comes.
func TestAbsurdTimestamps(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 31, 0, time.UTC)
	tp := fetch.TopicPartition{Topic: "pos.transactions"}
	const sale = `{"id":"b/%[1]d","source":"t","type":"pos.transaction.v1","time":"%[2]s","store_id":"0042","terminal_id":"t%[1]d","sequence":1,"kind":"sale","currency":"EUR","lines":[{"line":1,"product_id":"p","quantity":1,"gross":1}],"totals":{"gross":1,"net":1}}`
	var none string // rows of records without a timestamp
	for _, at := range []int64{-1, now.UnixMilli(), now.UnixMicro(), now.UnixNano(), now.Unix(), 1<<63 - 1, 0, -1 << 63, -now.UnixMicro()} {
		f := newFolder(&Config{Group: "g"}, nil)
		f.Begin(tp, 0, true)
		for i, value := range []string{"{", fmt.Sprintf(sale, 1, "2026-11-23T09:00:30Z"), fmt.Sprintf(sale, 2, "2101-11-23T09:00:30Z"), fmt.Sprintf(sale, 3, "9999-12-31T09:00:30Z")} {
			if err := f.Record(tp, fetch.Record{Offset: int64(i), Timestamp: at, Value: []byte(value)}); err != nil {
				t.Fatal(err)
			}
		}
		b := f.Seal(rollup.Version{Epoch: 1, Batch: 1}, "g/0", now)
		if len(b.letters) == 0 {
			t.Fatalf("%d: no dead letter", at)
		}
		var rows strings.Builder
		for _, blk := range b.blocks {
			for _, c := range blk.Columns {
				fmt.Fprintln(&rows, blk.Name(), c.Name, c.Data)
			}
		}
		if none == "" {
			none = rows.String()
		}
		if absurd := at < 0 || at > event.Latest; absurd && rows.String() != none {
			t.Errorf("%d gives other rows than no timestamp: %s, not %s", at, rows.String(), none)
		}
		for _, blk := range b.blocks {
			named := fmt.Sprintf("%06d", blk.Month)
			if blk.Month != 0 && (blk.Month < 197001 || blk.Month > 214906) { // what a Date holds
				t.Errorf("%d: block %s", at, blk.Name())
			}
			for _, c := range blk.Columns {
				var is []time.Time
				switch {
				case blk.Table == "dead_letters" && c.Name == "at":
					for _, v := range c.Data.([]rollup.Millis) {
						is = append(is, time.UnixMilli(int64(v)))
					}
				case blk.Table == "ledger" && c.Name == "day", blk.Table == "data_quality" && c.Name == "business_date":
					for _, v := range c.Data.([]rollup.Days) {
						is = append(is, time.Unix(int64(v)*86400, 0))
					}
				}
				for _, day := range is {
					if month := day.UTC().Format("200601"); month != named {
						t.Errorf("%d: %s of block %s is in %s", at, c.Name, blk.Name(), month)
					}
				}
			}
		}
	}
}
