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

// each makes a sale of each of so many tills, five in a store, and again; of a customer each, or of nobody.
func each(n, tills int, named bool) []fetch.Record {
	records := make([]fetch.Record, n)
	at := time.Date(2026, 11, 23, 9, 0, 31, 0, time.UTC)
	for i := range records {
		value := fmt.Appendf(nil, `{"id":"%d","source":"t","type":"pos.transaction.v1","time":"2026-11-23T09:00:30Z","store_id":"s%d","terminal_id":"t%d","sequence":%d,"kind":"sale","currency":"EUR","lines":[{"line":1,"product_id":"p","quantity":1,"gross":1}],"totals":{"gross":1,"net":1}}`,
			i, i%tills/5, i%tills, i/tills+1)
		if named {
			value = fmt.Appendf(value[:len(value)-1], `,"customer":{"id":"%d","type":"loyalty"}}`, i)
		}
		records[i] = fetch.Record{Offset: int64(i), Timestamp: at.UnixMilli(), Value: value}
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
		"flapping tills": beats(10_000, 40, 30*time.Second, true), "a sale of each till": each(10_000, 5_000, false),
		"late in the hour": beats(500*118, 500, 30*time.Second, false), "customers of an hour": each(30_000, 50, true),
	} {
		f := newFolder(benchConfig(), nil)
		f.Begin(tp, 0, true)
		first, seen := 0, 0
		switch name {
		case "tills", "hours", "a sale of each till":
			seen = len(records) / 2
		case "late in the hour":
			seen = len(records) - 500
		case "customers of an hour":
			seen = len(records) - 1000
		}
		if seen > 0 {
			for first < seen {
				f.Record(tp, records[first])
				first++
			}
			for i := range uint64(3) { // empty ones keep nothing for the next
				f.Seal(rollup.Version{Epoch: 1, Batch: 1 + i}, "g/0", time.Time{})
			}
		}
		before, bytes := heap(), 0
		for _, r := range records[first:] {
			f.Record(tp, r)
			bytes += len(r.Value)
		}
		open, says := heap()-before, f.held()
		b := f.Seal(rollup.Version{Epoch: 1, Batch: 4}, "g/0", time.Time{})
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

// basket is a sale of so many lines, each of a product and a category of its own.
func basket(i, lines int) fetch.Record {
	value := fmt.Appendf(nil, `{"id":"l/%d","source":"t","type":"pos.transaction.v1","time":"2026-11-23T09:00:30Z","store_id":"0042","terminal_id":"t","sequence":%d,"kind":"sale","currency":"EUR","lines":[`, i, i+1)
	for l := range lines {
		value = fmt.Appendf(value, `{"line":%d,"product_id":"p%d-%d","category":"c%d","quantity":1,"gross":1},`, l+1, i, l, l)
	}
	value = fmt.Appendf(value[:len(value)-1], `],"totals":{"gross":%d,"net":%[1]d}}`, lines)
	return fetch.Record{Offset: int64(i), Timestamp: 1_796_893_231_000, Value: value}
}

// However many keys come, and however they are spread, a lane that closes its batches when they are full keeps an open one and two that are sealed within its share, and
// closes more of them instead. Beside that it knows names, up to a limit of theirs.
func TestALaneStaysWithinItsShareWhateverComes(t *testing.T) {
	const share, names = 16 << 20, 30 << 20
	cfg := benchConfig()
	cfg.BatchRecords = 1 << 30
	hot := func(n int) func(int) fetch.Record { // nearly all sales in one store, the others of many categories in one of their own each
		cold, warm := large(n/20+1), sales(rich, 0, n)
		return func(i int) fetch.Record {
			r := cold[i/20]
			if i%20 != 0 {
				r = warm[i]
			}
			r.Offset = int64(i)
			return r
		}
	}
	distinct := baskets(10_000)
	for name, c := range map[string]struct {
		n    int
		next func(i int) fetch.Record
	}{
		"100,000 products":        {len(distinct), func(i int) fetch.Record { return distinct[i] }},
		"a hot store":             {10_000, hot(10_000)},
		"baskets of 10,000 lines": {30, func(i int) fetch.Record { return basket(i, 10_000) }},
	} {
		f := newFolder(cfg, nil)
		f.Begin(tp, 0, true)
		var sealed []*batch
		var before, most int64
		batches := uint64(0)
		for i := range c.n {
			if err := f.Record(tp, c.next(i)); err != nil {
				t.Fatal(err)
			}
			if !cfg.full(f, share) {
				continue
			}
			if batches > 1 {
				most = max(most, heap()-before)
			} else {
				before = heap() // what outlives batches is there
			}
			batches++
			sealed = append(sealed, f.Seal(rollup.Version{Epoch: 1, Batch: batches}, "g/0", time.Time{}))
			sealed = sealed[max(len(sealed)-2, 0):]
		}
		t.Logf("%s: %d batches, %d MiB", name, batches, most>>20)
		if batches < 3 || most > share+names {
			t.Errorf("%s: %d batches, which take up to %d MiB of %d", name, batches, most>>20, (share+names)>>20)
		}
		runtime.KeepAlive(sealed)
	}
}
