//go:build measure

package processor

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/processor/rollup"
)

var measured = struct {
	tills, hours *int
	age          *time.Duration
	unnumbered   *bool
}{
	flag.Int("tills", 1000, "tills whose memory is measured"),
	flag.Int("hours", 51, "of history"),
	flag.Duration("age", 45*time.Second, "age of a batch"),
	flag.Bool("unnumbered", false, "heartbeats have no sequence"),
}

// spent is the processor time of this process.
func spent() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// What a till that sends a heartbeat every 30 s takes when its two days of history are full: memory by package, CPU and rows a heartbeat. Times have a jitter of
// a second to either side, a quarter of the reports has a response time; five tills are a store. A measurement, without Kafka and ClickHouse:
//
//	go test -tags measure -run '^TestMeasureHeartbeats$' -v -timeout 1h ./processor -age 45s
func TestMeasureHeartbeats(t *testing.T) {
	cfg := benchConfig()
	before := heap()
	f := newFolder(cfg, nil)
	tp := fetch.TopicPartition{Topic: "pos.health", Partition: 3}
	f.Begin(tp, 0, true)
	f.walker() // it reads ahead, as a lane's does
	rnd := rand.New(rand.NewPCG(1, 2))
	start := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	end := start.Add(time.Duration(*measured.hours) * time.Hour)
	var offset int64
	var folding, sealing time.Duration
	var counted, batch uint64
	rows, stateRows, stateBytes := map[string]int{}, map[string]int{}, map[string]int{}
	var value []byte
	records := make([]fetch.Record, 0, *measured.tills)
	due := start.Add(*measured.age)
	for at := start; at.Before(end); at = at.Add(time.Second) {
		last := end.Sub(at) <= time.Hour // the hour that is measured
		records = records[:0]
		for till := int(at.Unix() % 30); till < *measured.tills; till += 30 {
			when := at.Add(time.Duration(rnd.IntN(2001)-1000) * time.Millisecond)
			value = fmt.Appendf(nil, `{"id":"t%d-%d","source":"pos/%d","type":"pos.health.v1","time":"`, till, offset, till/5)
			value = when.AppendFormat(value, "2006-01-02T15:04:05.000Z")
			value = fmt.Appendf(value, `","store_id":"s%06d","terminal_id":"t%07d","kind":"heartbeat","status":"up","heartbeat_interval_s":30,"software_version":"7.1.2"`, till/5, till)
			if !*measured.unnumbered {
				value = fmt.Appendf(value, `,"sequence":%d`, at.Unix()/30)
			}
			if rnd.IntN(4) == 0 {
				value = fmt.Appendf(value, `,"response_ms":%d`, 40+rnd.IntN(100))
			}
			records = append(records, fetch.Record{Offset: offset, Timestamp: when.UnixMilli() + 1000, Value: append(value, '}')})
			offset++
		}
		began := spent()
		for _, r := range records {
			f.Record(tp, r)
		}
		f.settle()
		if last {
			folding += spent() - began
			counted += uint64(len(records))
		}
		if at.Before(due) {
			continue
		}
		due = due.Add(*measured.age)
		batch++
		began = spent()
		if want := f.tills.Wants(1); len(want) > 0 {
			t.Fatalf("batch %d wants %v", batch, want)
		}
		b := f.Seal(rollup.Version{Epoch: 1, Batch: batch}, "g/0", at)
		if !last {
			continue
		}
		sealing += spent() - began
		if b.tally.rejected+b.tally.duplicates > 0 {
			t.Fatalf("batch %d: %+v", batch, b.tally)
		}
		for _, blk := range b.blocks {
			rows[blk.Table] += blk.Rows
		}
		for i, c := range b.state.Columns {
			if c.Name != "kind" {
				continue
			}
			kinds, keys, values := c.Data.([]string)[1:], b.state.Columns[i+1].Data.([]string)[1:], []string(nil)
			for _, v := range b.state.Columns {
				if v.Name == "value" {
					values = v.Data.([]string)[1:]
				}
			}
			for k := range kinds {
				stateRows[kinds[k]]++
				stateBytes[kinds[k]] += len(keys[k]) + len(values[k])
			}
		}
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	per := func(n float64) float64 { return n / float64(*measured.tills) }
	all := heap() - before
	fmt.Fprintf(w, "\n%d tills, %d h, batches of %s\nbytes of memory a till\t%.0f\t\n", *measured.tills, *measured.hours, *measured.age, per(float64(all)))
	f.sequence = nil
	was := heap() - before
	fmt.Fprintf(w, "of which sequence\t%.0f\t\n", per(float64(all-was)))
	f.quality, f.tills = nil, nil
	f.folds = f.folds[2:] // availability is left; its fold holds on to quality
	fmt.Fprintf(w, "purchase\t%.0f\t\n", per(float64(was-(heap()-before))))
	was = heap() - before
	f.folds = nil
	fmt.Fprintf(w, "availability and quality\t%.0f\t\n", per(float64(was-(heap()-before))))
	fmt.Fprintf(w, "CPU µs a heartbeat: decoding and folding\t%.2f\t\nsealing\t%.2f\t\n", float64(folding.Microseconds())/float64(counted), float64(sealing.Microseconds())/float64(counted))
	for _, table := range slices.Sorted(maps.Keys(rows)) {
		fmt.Fprintf(w, "%s\t%.3f rows a heartbeat\t\n", table, float64(rows[table])/float64(counted))
	}
	for _, kind := range slices.Sorted(maps.Keys(stateRows)) {
		fmt.Fprintf(w, "state %s\t%.3f rows\t%.1f bytes a heartbeat\t\n", kind, float64(stateRows[kind])/float64(counted), float64(stateBytes[kind])/float64(counted))
	}
	w.Flush()
	runtime.KeepAlive(f)
}
