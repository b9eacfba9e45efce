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

// beats makes a report of each of so many tills, and again; of another status each time if they flap. Those of a till are a while apart.
func beats(n, tills int, apart time.Duration, flap bool) []fetch.Record {
	records := make([]fetch.Record, n)
	for i := range records {
		at := time.Date(2026, 11, 23, 9, 0, 31, 0, time.UTC).Add(time.Duration(i/tills) * apart)
		status := "up"
		if flap && i/tills%2 == 1 {
			status = "down"
		}
		value := fmt.Appendf(nil, `{"id":"h/%d","source":"t","type":"pos.health.v1","time":%q,"store_id":"s%d","terminal_id":"t%d","sequence":%d,"kind":"heartbeat","status":%q,"response_ms":%d}`,
			i, at.Format(time.RFC3339), i%tills/5, i%tills, i/tills+1, status, i%300)
		records[i] = fetch.Record{Offset: int64(i), Timestamp: at.Add(49 * time.Hour).UnixMilli(), Value: value}
	}
	return records
}

// Memory bounds a lane by what its folder says it holds: that must be enough for an open batch, one that waits and one that is being written. What
// tills need however long they are silent does not count: they were seen in a batch before.
func TestBatchesTakeNoMoreMemoryThanTheyHold(t *testing.T) {
	for name, records := range map[string][]fetch.Record{
		"unique products": baskets(10_000), "everyday sales": sales(rich, 0, 10_000), "large baskets": large(1_000),
		"tills": beats(10_000, 5_000, 30*time.Second, false), "reports": beats(20_000, 40, 30*time.Second, false), "hours": beats(5_000, 125, time.Hour, false),
		"flapping tills": beats(10_000, 40, 30*time.Second, true),
	} {
		f := newFolder(benchConfig(), nil)
		f.Begin(tp, 0, true)
		first := 0
		if name == "tills" || name == "hours" {
			for first < len(records)/2 {
				f.Record(tp, records[first])
				first++
			}
			f.Seal(rollup.Version{Epoch: 1, Batch: 1}, "g/0", time.Time{})
		}
		before, bytes := heap(), 0
		for _, r := range records[first:] {
			f.Record(tp, r)
			bytes += len(r.Value)
		}
		open, says := heap()-before, f.held()
		b := f.Seal(rollup.Version{Epoch: 1, Batch: 2}, "g/0", time.Time{})
		sealed := heap() - before - open
		held := float64(open+2*sealed) / float64(says)
		t.Logf("%s: %.2f of what it says, which is %.1f bytes a byte and %d a record", name, held, float64(says)/float64(bytes), says/(len(records)-first))
		if k := b.tally; k.rejected != 0 || held > 1 {
			t.Errorf("%s: three batches take %.2f of what the folder says (%d rejected)", name, held, k.rejected)
		}
		runtime.KeepAlive(b)
		runtime.KeepAlive(f)
		runtime.KeepAlive(records)
	}
}
