//go:build measure

package processor

import (
	"flag"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/processor/rollup"
)

var distinct = struct{ keys, share *int }{
	flag.Int("keys", 10_000_000, "different keys"),
	flag.Int("share", 256<<20, "bytes of memory that a lane's batches may hold"),
}

// Ten million different products, and as many customers, as fast as they come, of 5,000 tills. A lane that always waits for its writer must hold no more than its share, and the names that it knows; and
// what it says that it holds is to be near what it does. What outlives batches, two days of tills and of sales with customers, does not count. A measurement: make keys.
func TestMeasureKeys(t *testing.T) {
	const tills, names, records = 5_000, 30 << 20, 2_000
	cfg := benchConfig()
	cfg.BatchRecords = 1 << 30
	start := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		each int // keys of a sale
		rest func(v []byte, i int) []byte
	}{
		"products": {10, func(v []byte, i int) []byte {
			for l := range 10 {
				v = fmt.Appendf(v, `{"line":%d,"product_id":"p%d","quantity":1,"gross":1},`, l+1, i*10+l)
			}
			return append(v[:len(v)-1], `],"totals":{"gross":10,"net":10}}`...)
		}},
		"customers": {1, func(v []byte, i int) []byte {
			return fmt.Appendf(v, `{"line":1,"product_id":"p","quantity":1,"gross":1}],"customer":{"id":"%d","type":"loyalty"},"totals":{"gross":1,"net":1}}`, i)
		}},
	} {
		values, at := make([][]byte, records), make([]int64, records)
		chunk := func(from int64) fetch.Chunk {
			for n := range records {
				i := int(from) + n
				when := start.Add(time.Duration(i) * 10 * time.Millisecond)
				v := fmt.Appendf(values[n][:0], `{"id":"%d","source":"t","type":"pos.transaction.v1","time":%q,"store_id":"s%d","terminal_id":"t%d","sequence":%d,"kind":"sale","currency":"EUR","lines":[`,
					i, when.Format(time.RFC3339Nano), i%tills/5, i%tills, i/tills+1)
				values[n], at[n] = c.rest(v, i), when.UnixMilli()
			}
			return chunkOf(tp, from, values, at)
		}
		before := heap()
		var most, last int64
		batches := 0
		h := fill(t, cfg, *distinct.share, chunk, func(h *hand) bool {
			batches++
			is := heap() - before
			runtime.KeepAlive(h)
			most, last = max(most, is), is
			return int(h.sealed[1].ranges[0].To)*c.each >= *distinct.keys
		})
		h.sealed = nil
		for range 2 { // the second one keeps nothing for a next one that is like it
			h.folder.Seal(rollup.Version{Epoch: 1, Batch: h.last + 1}, "g/0", time.Time{})
		}
		past := heap() - before
		full := last - past
		runtime.KeepAlive(h)
		t.Logf("%s: %d batches of a share of %d MiB. Open and two sealed %.2f of it at the end; what outlives them %d MiB; most of all, with that, %d MiB", name, batches, *distinct.share>>20,
			float64(full)/float64(*distinct.share), past>>20, most>>20)
		if bound := int64(*distinct.share + names); full > bound || most > bound+past {
			t.Errorf("%s: more than the share", name)
		}
	}
}
