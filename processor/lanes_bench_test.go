package processor

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/processor/rollup"
)

// Four lanes of a member that is behind take turns by the chunk, as they do on one core: 100 stores of 12 tills, three lines of 1,000 products (Zipf), two batches of
// 50,000 sales each. Their tables do not stay in the cache, so that this tells what a sale costs, and its share of closing a batch, where the benchmark above does not.
func BenchmarkLanes(b *testing.B) {
	const lanes, batch, batches, chunk = 4, 50_000, 2, 2_000
	var records [lanes][]fetch.Record
	rnd := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(rnd, 1.1, 8, 999)
	begin := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	var seen [1200]int
	for l := range records {
		records[l] = make([]fetch.Record, batch*batches)
		for i := range records[l] {
			store := rnd.IntN(25)*lanes + l
			till := store*12 + rnd.IntN(12)
			at := begin.Add(time.Duration(i) * 6 * time.Hour / (batch * batches))
			seen[till]++
			v := fmt.Appendf(make([]byte, 0, 640), `{"id":"%x-%04x","source":"S%04d","type":"pos.transaction.v1","time":"%s","store_id":"S%04[3]d","terminal_id":"S%04[3]d-T%02[5]d","sequence":%d,"kind":"sale","currency":"EUR","lines":[`,
				rnd.Int64N(1<<47), i&0xffff, store, at.Format("2006-01-02T15:04:05.000Z"), till%12, seen[till])
			total := 0
			for n := range 3 {
				quantity := 1 + rnd.IntN(4)
				gross, product := quantity*(49+rnd.IntN(2999)), zipf.Uint64()
				total += gross
				v = fmt.Appendf(v, `{"line":%d,"product_id":"40063813%05d","category":"C%03d","quantity":%d,"gross":%d},`, n+1, product, product%80, quantity, gross)
			}
			v = fmt.Appendf(v[:len(v)-1], `],"tenders":[{"method":"card","amount":%d,"result":"approved"}],"totals":{"gross":%[1]d,"net":%[1]d}}`, total)
			records[l][i] = fetch.Record{Offset: int64(i), Timestamp: at.UnixMilli(), Value: v}
		}
	}
	cpu := func() (d time.Duration) { // others may use the machine too
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	var sealing time.Duration
	began := cpu()
	for b.Loop() {
		var folders [lanes]*folder
		for l := range folders {
			folders[l] = newFolder(benchConfig(), nil)
			folders[l].Begin(fetch.TopicPartition{Topic: tp.Topic, Partition: int32(l)}, 0, true)
		}
		for i := 0; i < batch*batches; i += chunk {
			for l, f := range folders {
				for _, r := range records[l][i : i+chunk] {
					if err := f.Record(fetch.TopicPartition{Topic: tp.Topic, Partition: int32(l)}, r); err != nil {
						b.Fatal(err)
					}
				}
				if (i+chunk)%batch == 0 {
					from := cpu()
					s := f.Seal(rollup.Version{Epoch: 1, Batch: uint64(i/batch + 1)}, "g/0", time.Time{})
					sealing += cpu() - from
					if t := s.tally; t.records != batch {
						b.Fatalf("%+v", t)
					}
				}
			}
		}
	}
	n := float64(b.N) * lanes * batch * batches
	b.ReportMetric(float64((cpu()-began).Nanoseconds())/n, "cpu-ns/sale")
	b.ReportMetric(float64(sealing.Nanoseconds())/n, "cpu-ns/sale-sealing")
}
