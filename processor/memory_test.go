package processor

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/processor/rollup"
)

// baskets makes sales of ten lines each, every product sold once: the most rows that bytes can make.
func baskets(n int) []fetch.Record {
	records := make([]fetch.Record, n)
	at := time.Date(2026, 11, 23, 9, 0, 31, 0, time.UTC)
	for i := range records {
		value := fmt.Appendf(nil, `{"id":"b/%d","source":"t","type":"pos.transaction.v1","time":"2026-11-23T09:00:30Z","store_id":"0042","terminal_id":"t","sequence":%d,"kind":"sale","currency":"EUR","customer":{"id":"%d","type":"loyalty"},"lines":[`, i, i+1, i)
		for l := range 10 {
			if l > 0 {
				value = append(value, ',')
			}
			value = fmt.Appendf(value, `{"line":%d,"product_id":"p%d","quantity":1,"gross":1}`, l+1, i*10+l)
		}
		records[i] = fetch.Record{Offset: int64(i), Timestamp: at.UnixMilli(), Value: append(value, `],"totals":{"gross":10,"net":10}}`...)}
	}
	return records
}

// large makes baskets of forty categories that no other has, with a short line each: of their size the most pairs.
func large(n int) []fetch.Record {
	records := make([]fetch.Record, n)
	for i := range records {
		r := &records[i]
		at := time.UnixMilli(1_772_452_800_000 + int64(i))
		value := fmt.Appendf(nil, `{"id":"t/%d","source":"t","type":"pos.transaction.v1","time":%q,"store_id":"s%d","terminal_id":"t","sequence":1,"kind":"sale","currency":"EUR","lines":[`, i, at.UTC().Format(time.RFC3339Nano), i)
		for j := range 40 {
			value = fmt.Appendf(value, `{"line":%d,"product_id":"%d","category":"c%d","quantity":1,"gross":1},`, j+1, j, j)
		}
		value = value[:len(value)-1]
		*r = fetch.Record{Offset: int64(i), Timestamp: at.UnixMilli(), Value: append(value, `],"totals":{"gross":40,"net":40}}`...)}
	}
	return records
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Memory bounds a lane by bytesFactor: it must be enough for an open batch, one that waits and one that is being written, in the worst
// case and in an everyday one.
func TestMemoryOfBatchesIsWithinItsFactor(t *testing.T) {
	for name, records := range map[string][]fetch.Record{"unique products": baskets(20_000), "everyday sales": sales(rich, 0, 20_000), "large baskets": large(2_000)} {
		f := newFolder(benchConfig(), nil)
		f.Begin(tp, 0, true)
		before, bytes := heap(), 0
		for _, r := range records {
			f.Record(tp, r)
			bytes += len(r.Value)
		}
		open, size := heap()-before, f.size()
		b := f.Seal(rollup.Version{Epoch: 1, Batch: 1}, "g/0", time.Time{})
		sealed := heap() - before - open
		held := float64(open+2*sealed) / float64(size)
		t.Logf("%s: %.1f bytes a byte, %.1f with what pairs count", name, float64(open+2*sealed)/float64(bytes), held)
		if k := b.tally; k.rejected != 0 || held > bytesFactor {
			t.Errorf("%s: three batches take %.1f bytes for each byte of records (%d rejected); bytesFactor is %d", name, held, k.rejected, bytesFactor)
		}
		runtime.KeepAlive(b)
		runtime.KeepAlive(f)
		runtime.KeepAlive(records)
	}
}
