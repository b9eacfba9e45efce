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

// Four lanes of a member that is behind take turns by the chunk, as they do on one core, and close two batches each: what an event costs, and its share of closing a
// batch. What lanes know does not stay in the cache, which the benchmarks of one lane do not show.
func BenchmarkLanes(b *testing.B) {
	const lanes, batch, chunk = 4, 60_000, 2_000
	for _, c := range []struct {
		name, topic string
		record      func(v []byte, rnd *rand.Rand, lane, i int) (time.Time, []byte)
	}{{"sales", "pos.transactions", tradingSales()}, {"reports", "pos.health", tradingReports()}} {
		b.Run(c.name, func(b *testing.B) {
			var records [lanes][]fetch.Record
			rnd := rand.New(rand.NewPCG(1, 2))
			for l := range records {
				records[l] = make([]fetch.Record, 2*batch)
				for i := range records[l] {
					at, v := c.record(make([]byte, 0, 640), rnd, l, i)
					records[l][i] = fetch.Record{Offset: int64(i), Timestamp: at.UnixMilli(), Value: v}
				}
			}
			cpu := func() time.Duration { // others may use the machine too
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
				tp := func(l int) fetch.TopicPartition { return fetch.TopicPartition{Topic: c.topic, Partition: int32(l)} }
				for l := range folders {
					folders[l] = newFolder(benchConfig(), nil)
					folders[l].Begin(tp(l), 0, true)
				}
				for i := 0; i < 2*batch; i += chunk {
					for l, f := range folders {
						for _, r := range records[l][i : i+chunk] {
							if err := f.Record(tp(l), r); err != nil {
								b.Fatal(err)
							}
						}
						if (i+chunk)%batch == 0 {
							from := cpu()
							s := f.Seal(rollup.Version{Epoch: 1, Batch: uint64(i/batch + 1)}, "g/0", time.Time{})
							sealing += cpu() - from
							if s.tally.records != batch {
								b.Fatalf("%+v", s.tally)
							}
						}
					}
				}
			}
			n := float64(b.N) * lanes * 2 * batch
			b.ReportMetric(float64((cpu()-began).Nanoseconds())/n, "cpu-ns/event")
			b.ReportMetric(float64(sealing.Nanoseconds())/n, "cpu-ns/event-sealing")
		})
	}
}

// tradingSales makes the sales of 25 stores of 12 tills a lane in six hours: three lines of 1,000 products (Zipf), one tender.
func tradingSales() func(v []byte, rnd *rand.Rand, lane, i int) (time.Time, []byte) {
	seen := map[int]int{}
	var zipf *rand.Zipf
	return func(v []byte, rnd *rand.Rand, lane, i int) (time.Time, []byte) {
		if zipf == nil {
			zipf = rand.NewZipf(rnd, 1.1, 8, 999)
		}
		store := rnd.IntN(25)*4 + lane
		till := store*12 + rnd.IntN(12)
		at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC).Add(time.Duration(i) * 180 * time.Millisecond)
		seen[till]++
		v = fmt.Appendf(v, `{"id":"%x-%04x","source":"S%04d","type":"pos.transaction.v1","time":"%s","store_id":"S%04[3]d","terminal_id":"S%04[3]d-T%02[5]d","sequence":%d,"kind":"sale","currency":"EUR","lines":[`,
			rnd.Int64N(1<<47), i&0xffff, store, at.Format("2006-01-02T15:04:05.000Z"), till%12, seen[till])
		total := 0
		for n := range 3 {
			quantity := 1 + rnd.IntN(4)
			gross, product := quantity*(49+rnd.IntN(2999)), zipf.Uint64()
			total += gross
			v = fmt.Appendf(v, `{"line":%d,"product_id":"40063813%05d","category":"C%03d","quantity":%d,"gross":%d},`, n+1, product, product%80, quantity, gross)
		}
		return at, fmt.Appendf(v[:len(v)-1], `],"tenders":[{"method":"card","amount":%d,"result":"approved"}],"totals":{"gross":%[1]d,"net":%[1]d}}`, total)
	}
}

// tradingReports makes the reports of 15,000 tills a lane, five a store, each 30 s.
func tradingReports() func(v []byte, rnd *rand.Rand, lane, i int) (time.Time, []byte) {
	const tills = 15_000
	return func(v []byte, rnd *rand.Rand, lane, i int) (time.Time, []byte) {
		at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC).Add(time.Duration(i/tills)*30*time.Second + time.Duration(rnd.IntN(1000))*time.Millisecond)
		till := lane*tills + i%tills
		v = fmt.Appendf(v, `{"id":"t%d-%d","source":"pos/%d","type":"pos.health.v1","time":"%s","store_id":"s%06[3]d","terminal_id":"t%07[1]d","sequence":%[2]d,"kind":"heartbeat","status":"up","heartbeat_interval_s":30,"software_version":"7.1.2"`,
			till, i/tills+1, till/5, at.Format("2006-01-02T15:04:05.000Z"))
		if rnd.IntN(4) == 0 {
			v = fmt.Appendf(v, `,"response_ms":%d`, 40+rnd.IntN(100))
		}
		return at, append(v, '}')
	}
}
