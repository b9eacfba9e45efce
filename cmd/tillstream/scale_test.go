//go:build measure

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/tillstream/tillstream/deploy/embedded"
)

var scale = struct {
	minutes, speed *float64
	age            *time.Duration
	partitions     *int
	engineGiB      *int
	limit, data    *string
}{
	flag.Float64("minutes", 12, "how long heartbeats come"),
	flag.Float64("speed", 1, "seconds of the tills' time in a second: 10 makes 100,000 tills as busy as a million"),
	flag.Duration("age", 40*time.Second, "processor.batch_age, in the tills' time"),
	flag.Int("partitions", 8, "of pos.health, and so lanes"),
	flag.Int("engine-gib", 5, "memory of ClickHouse"),
	flag.String("memory-limit", "16GiB", "GOMEMLIMIT of the processor"),
	flag.String("dir", "", "where Kafka and ClickHouse keep their data, instead of the directory for temporary files"),
}

// usage is what a process has taken.
type usage struct {
	cpu      time.Duration
	system   time.Duration // of cpu: what the kernel did for it
	resident int64         // bytes
	written  int64         // bytes, to disk
}

func usageOf(pid int) (u usage) {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(stat), ") ")
	if f := strings.Fields(rest); len(f) > 21 {
		user, _ := strconv.ParseInt(f[11], 10, 64)
		system, _ := strconv.ParseInt(f[12], 10, 64)
		pages, _ := strconv.ParseInt(f[21], 10, 64)
		u.cpu, u.system, u.resident = time.Duration(user+system)*10*time.Millisecond, time.Duration(system)*10*time.Millisecond, pages*int64(os.Getpagesize())
	}
	io, _ := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	_, rest, _ = strings.Cut(string(io), "\nwrite_bytes: ")
	line, _, _ := strings.Cut(rest, "\n")
	u.written, _ = strconv.ParseInt(line, 10, 64)
	return u
}

// processes are those of the measurement: this one (the tills, and the embedded Kafka), the processor, ClickHouse and Apache Kafka.
func processes(t *testing.T, member *observed, data string) map[string]int {
	t.Helper()
	found := map[string]int{"tills": os.Getpid(), "processor": member.cmd.Process.Pid}
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		line, err := os.ReadFile(name)
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		stat, _ := os.ReadFile(filepath.Join(filepath.Dir(name), "stat"))
		_, rest, _ := strings.Cut(string(stat), ") ")
		switch {
		case err != nil || !strings.HasPrefix(rest[min(2, len(rest)):], fmt.Sprintf("%d ", os.Getpid())):
		case strings.Contains(string(line), "--config-file="+filepath.Join(engineDir(data), "config.xml")+"\x00"):
			found["ClickHouse"] = pid
		case strings.Contains(string(line), "kafka.Kafka\x00"):
			found["Kafka"] = pid
		}
	}
	return found
}

// beat appends one heartbeat.
func beat(b []byte, store, till, sequence int, at time.Time, rnd *rand.Rand) []byte {
	b = fmt.Appendf(b, `{"id":"t%d-%d","source":"pos/%d","type":"pos.health.v1","time":"`, till, sequence, store)
	b = at.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	b = fmt.Appendf(b, `","store_id":"s%06d","terminal_id":"t%07d","sequence":%d,"kind":"heartbeat","status":"up","heartbeat_interval_s":30,"software_version":"7.1.2"`, store, till, sequence)
	if rnd.IntN(4) == 0 {
		b = fmt.Appendf(b, `,"response_ms":%d`, 40+rnd.IntN(100))
	}
	return append(b, '}')
}

// tillsPerStore of the chain.
const tillsPerStore = 5

// send sends heartbeats until ctx ends: every till each 30 s of its own time, give or take a second.
func (c *heartbeat) send(ctx context.Context) {
	begin := time.Now()
	for tick := 0; ctx.Err() == nil; tick++ {
		// 300 ticks of 100 ms are a round, in which every till comes once.
		slot, round := tick%300, tick/300
		due := begin.Add(time.Duration(float64(tick) * float64(100*time.Millisecond) / c.speed))
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(due)):
		}
		for till := slot; till < c.tills; till += 300 {
			at := c.start.Add(time.Duration(tick)*100*time.Millisecond + time.Duration(c.rnd.IntN(2001)-1000)*time.Millisecond)
			store := till / tillsPerStore
			c.client.Produce(ctx, &kgo.Record{
				Topic: "pos.health", Partition: int32(store % c.partitions), Timestamp: at.Add(time.Second),
				Value: beat(nil, store, till, round+1, at, c.rnd),
			}, func(_ *kgo.Record, err error) {
				if err == nil {
					c.sent.Add(1)
				} else if ctx.Err() == nil {
					c.failed.Store(&err)
				}
			})
		}
	}
}

// heartbeat is a chain of tills that say nothing but that they live.
type heartbeat struct {
	tills, partitions int
	speed             float64
	start             time.Time
	client            *kgo.Client
	rnd               *rand.Rand
	sent              atomic.Int64
	failed            atomic.Pointer[error]
}

// numbers are the samples of /metrics whose names begin so, by label values.
func (p *observed) numbers(prefix string) map[string]float64 {
	res, err := http.Get("http://" + p.addr + "/metrics")
	if err != nil {
		return nil
	}
	defer res.Body.Close()
	out := map[string]float64{}
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), prefix); ok {
			label, value, _ := strings.Cut(rest, " ")
			out[strings.Trim(label, `{}`)], _ = strconv.ParseFloat(value, 64)
		}
	}
	return out
}

// bareRig is a Kafka and a ClickHouse that a measurement has for itself, without a simulated chain and without wires.
func bareRig(t *testing.T, partitions int) *rig {
	t.Helper()
	data := t.TempDir()
	kafka := ownKafka(t)
	engine, err := embedded.StartEngine(t.Context(), embedded.EngineConfig{Dir: engineDir(data), MemoryBytes: int64(*scale.engineGiB) << 30, Logs: *throughput.costs, Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	r := &rig{t: t, data: data, broker: kafka, engine: engine, partitions: partitions, topics: rigTopics}
	r.client, err = kgo.NewClient(kgo.SeedBrokers(kafka.Addr()), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(50*time.Millisecond),
		kgo.MaxBufferedRecords(500_000), kgo.ProducerBatchCompression(kgo.Lz4Compression()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.client.Close)
	r.createTopics()
	return r
}

// What a big chain of heartbeats takes, from Kafka through one member into ClickHouse. It is a measurement: it fails only if the member does not keep up, or if
// the books do not balance. make scale says how to run it.
func TestMeasureScale(t *testing.T) {
	if *scale.data != "" {
		t.Setenv("TMPDIR", *scale.data)
	}
	r := bareRig(t, *scale.partitions)

	cfg := filepath.Join(t.TempDir(), "tillstream.yaml")
	age := time.Duration(float64(*scale.age) / *scale.speed)
	if err := os.WriteFile(cfg, fmt.Appendf(nil, `
kafka: {brokers: [%q], group: scale, topics: [pos.transactions, pos.health], session_timeout: 90s, rebalance_timeout: 90s}
clickhouse: {dsn: %q}
privacy: {secret: a secret of many bytes}
processor: {batch_age: %s, batch_records: 500000, memory: 2GiB}
`, r.broker.Addr(), r.engine.DSN(), age), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOMEMLIMIT", *scale.limit)
	member := startProcess(t, cfg)

	c := &heartbeat{
		tills: *terminals, partitions: *scale.partitions, speed: *scale.speed, client: r.client, rnd: rand.New(rand.NewPCG(1, 2)),
		start: time.Now().Add(-49 * time.Hour).Truncate(time.Hour),
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	began := time.Now()
	done := make(chan struct{})
	go func() { defer close(done); c.send(ctx) }()

	// What came while everything was new does not count.
	warm := time.Duration(max(0.2**scale.minutes, 1.5*scale.age.Minutes() / *scale.speed) * float64(time.Minute))
	lasts := time.Duration(*scale.minutes * float64(time.Minute))
	var pids map[string]int
	var from map[string]usage
	var fromRows, mostResident map[string]float64
	var fromSent int64
	var at time.Time
	most := 0.0
	for time.Since(began) < lasts {
		time.Sleep(time.Second)
		if err := c.failed.Load(); err != nil {
			t.Fatalf("producing: %v", *err)
		}
		if time.Since(began) > 20*time.Second && member.numbers("tillstream_") == nil {
			t.Fatal("the member has ended, or does not answer; TILLSTREAM_MEASURE_LOG=1 shows what it says")
		}
		if lag := sum(member.numbers("tillstream_lag_offsets")); from != nil {
			most = max(most, lag)
		}
		if from == nil && time.Since(began) > warm {
			pids = processes(t, member, r.data)
			from, mostResident = map[string]usage{}, map[string]float64{}
			for name, pid := range pids {
				from[name] = usageOf(pid)
			}
			fromRows, fromSent, at = member.numbers("tillstream_rows_total"), int64(sum(member.numbers("tillstream_events_total"))), time.Now()
		}
		for name, pid := range pids {
			mostResident[name] = max(mostResident[name], float64(usageOf(pid).resident))
		}
	}
	rows, folded, took := member.numbers("tillstream_rows_total"), int64(sum(member.numbers("tillstream_events_total")))-fromSent, time.Since(at)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\n%d tills, %.0f heartbeats a second folded of %.0f sent, batches of %s, most offsets behind %.0f (%.1f s)\n", c.tills, float64(folded)/took.Seconds(),
		float64(c.sent.Load())/time.Since(began).Seconds(), age, most, most/(float64(c.tills)/30**scale.speed))
	fmt.Fprintf(w, "process\tcores\tCPU µs a heartbeat\tmost resident, MiB\twritten to disk, bytes a heartbeat\t\n")
	for _, name := range slices.Sorted(maps.Keys(pids)) {
		now := usageOf(pids[name])
		fmt.Fprintf(w, "%s\t%.2f\t%.2f\t%.0f\t%.1f\t\n", name, (now.cpu-from[name].cpu).Seconds()/took.Seconds(), float64((now.cpu-from[name].cpu).Microseconds())/float64(folded),
			mostResident[name]/(1<<20), float64(now.written-from[name].written)/float64(folded))
	}
	w.Flush()
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		fmt.Fprintf(w, "%s\t%.3f rows a heartbeat\t\n", name, (rows[name]-fromRows[name])/float64(folded))
	}
	w.Flush()
	r.tables(w)

	stop()
	<-done
	r.client.Flush(t.Context())
	sent := int(c.sent.Load())
	settled := time.Now()
	for r.passed() < sent {
		if time.Since(settled) > 3*max(age, time.Minute) {
			t.Fatalf("%d of %d heartbeats are folded %s after the last one", r.passed(), sent, time.Since(settled))
		}
		time.Sleep(time.Second)
	}
	fmt.Fprintf(w, "all of them were folded %s after the last one\n", time.Since(settled).Round(time.Second))
	r.finish(member)
	r.merge()
	fmt.Fprintln(w, "after all merges")
	r.tables(w)
}

// finish stops members in order, and wants the books to balance.
func (r *rig) finish(members ...*observed) {
	r.t.Helper()
	for _, m := range members {
		if err := m.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			r.t.Fatal(err)
		}
		if err := m.cmd.Wait(); err != nil {
			r.t.Errorf("a member ended with %v", err)
		}
	}
	if code, said := r.audit(); code != exitDone {
		r.t.Errorf("audit exited %d: %s", code, said)
	}
}

// merge merges what ClickHouse has into one part of each partition.
func (r *rig) merge() {
	for _, table := range strings.Fields(r.ask("SELECT name FROM system.tables WHERE database = 'tillstream' AND engine LIKE '%MergeTree' AND total_rows > 0")) {
		r.exec("OPTIMIZE TABLE tillstream." + table + " FINAL")
	}
}

// tables prints what ClickHouse keeps.
func (r *rig) tables(w *tabwriter.Writer) {
	var rows struct {
		Data []struct {
			Table       string
			Parts, Rows string
			Bytes       string
		}
	}
	text := r.ask("SELECT table AS Table, toString(count()) AS Parts, toString(sum(rows)) AS Rows, toString(sum(bytes_on_disk)) AS Bytes FROM system.parts WHERE database = 'tillstream' AND active GROUP BY table ORDER BY sum(bytes_on_disk) DESC FORMAT JSON")
	if err := json.Unmarshal([]byte(text), &rows); err != nil {
		r.t.Errorf("reading %q: %v", text, err)
	}
	fmt.Fprintf(w, "table\tparts\trows\tbytes\t\n")
	for _, x := range rows.Data {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t\n", x.Table, x.Parts, x.Rows, x.Bytes)
	}
	fmt.Fprintln(w, r.ask("SELECT arrayStringConcat(groupArray(concat(event, ' ', toString(value))), ', ') FROM system.events WHERE event IN ('InsertedRows', 'InsertedBytes', 'MergedRows', 'MergedUncompressedBytes', 'Merge')"))
	w.Flush()
}

func sum(m map[string]float64) (s float64) {
	for _, v := range m {
		s += v
	}
	return s
}
