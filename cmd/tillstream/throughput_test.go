//go:build measure

package main

import (
	"flag"
	"fmt"
	"hash/crc32"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sys/unix"

	"github.com/tillstream/tillstream/cmd/tillstream/simulator"
)

var throughput = struct {
	sales     *int
	cores     *int
	health    *bool
	simulated *string
	costs     *bool
	profile   *string
}{
	flag.Int("sales", 1_000_000, "transactions that wait in Kafka"),
	flag.Int("cores", 1, "of the member: it is pinned to as many"),
	flag.Bool("reports", false, "health reports instead of transactions"),
	flag.String("simulated", "", "events of the simulator: sales (returns and corrections among them), or all (a report a minute of each till, orders, incidents)"),
	flag.Bool("costs", false, "tell what ClickHouse spends on each table, and keeps after all merges; it costs a little itself"),
	flag.String("profile", "", "profile the member into this file with .cpu and .allocs behind"),
}

// yesterday is when the i-th of n sales that wait in Kafka was made: six hours of the day before.
func yesterday(i, n int) time.Time {
	return time.Now().Truncate(24 * time.Hour).Add(-16 * time.Hour).Add(time.Duration(float64(i) / float64(n) * float64(6*time.Hour)))
}

// A sale as ../../../shared/peers/gen has it, in the canonical form: 100 stores of 12 tills, three lines, one tender. The next product is given.
func sale(b []byte, i int, at time.Time, seen []int, rnd *rand.Rand, next func() uint64) (int, []byte) {
	till := rnd.IntN(1200)
	store := till / 12
	seen[till]++
	b = fmt.Appendf(b, `{"id":"%x-%04x","source":"S%04d","type":"pos.transaction.v1","time":"%s","store_id":"S%04d","terminal_id":"S%04d-T%02d","sequence":%d,"kind":"sale","currency":"EUR","lines":[`,
		rnd.Int64N(1<<47), i&0xffff, store, at.UTC().Format("2006-01-02T15:04:05.000Z"), store, store, till%12, seen[till])
	total := 0
	for l := range 3 {
		quantity := 1 + rnd.IntN(4)
		gross, product := quantity*(49+rnd.IntN(2999)), next()
		total += gross
		if l > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"line":%d,"product_id":"4006%09d","category":"C%03d","quantity":%d,"gross":%d}`, l+1, 381300000+product, product%80, quantity, gross)
	}
	return store, fmt.Appendf(b, `],"tenders":[{"method":"card","amount":%d,"result":"approved"}],"totals":{"gross":%[1]d,"net":%[1]d}}`, total)
}

// simulatedEvents are n events of the simulator that end yesterday at the latest, as they arrive: transactions, or all. Some of a thousand are spoiled.
func simulatedEvents(t *testing.T, n int, all bool) iter.Seq[*kgo.Record] {
	c := simulator.Default()
	c.Stores, c.Secret = 100, []byte("a secret")
	if !all {
		c.HeartbeatInterval = time.Hour // fewer to leave out
	}
	c.End = time.Now().Truncate(24 * time.Hour)
	c.Start = c.End.AddDate(0, 0, -n/(c.Stores*c.TransactionsPerStoreDay/2)-2)
	s, err := simulator.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return func(yield func(*kgo.Record) bool) {
		for e := range s.Events() {
			if (all || e.Topic == "pos.transactions") && !yield(&kgo.Record{Topic: e.Topic, Value: e.Value, Timestamp: time.UnixMilli(e.Arrival), Partition: int32(crc32.ChecksumIEEE(e.Key) % 4)}) {
				return
			}
		}
	}
}

// How many events a member with one core takes from a Kafka that has them all, exactly once into ClickHouse, and what it costs. A measurement, not a test.
//
//	go test -tags measure -run '^TestMeasureThroughput$' -count 1 -v -timeout 1h ./cmd/tillstream -sales 1000000 -cores 1
func TestMeasureThroughput(t *testing.T) {
	r := bareRig(t, 4)

	n, bytes := *throughput.sales, 0
	rnd := rand.New(rand.NewPCG(1, 2))
	zipf, seen := rand.NewZipf(rnd, 1.1, 8, 999), make([]int, 1200)
	var simulated func() (*kgo.Record, bool)
	if *throughput.simulated != "" {
		var stop func()
		simulated, stop = iter.Pull(simulatedEvents(t, n, *throughput.simulated == "all"))
		defer stop()
	}
	for i := range n {
		record := &kgo.Record{Topic: "pos.transactions"}
		if simulated != nil {
			record, _ = simulated()
		} else if *throughput.health {
			till := i % 120_000
			at := time.Now().Truncate(24 * time.Hour).Add(-20 * time.Hour).Add(time.Duration(i/120_000) * 30 * time.Second)
			record.Topic, record.Timestamp, record.Partition = "pos.health", at, int32(till/5%4)
			record.Value = beat(nil, till/5, till, i/120_000+1, at, rnd)
		} else {
			var store int
			record.Timestamp = yesterday(i, n)
			store, record.Value = sale(nil, i, record.Timestamp, seen, rnd, zipf.Uint64)
			record.Partition = int32(store % 4)
		}
		bytes += len(record.Value)
		r.client.Produce(t.Context(), record, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := r.client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	cfg, dsn := filepath.Join(t.TempDir(), "tillstream.yaml"), r.engine.DSN()
	if *throughput.costs {
		dsn += "?log_queries=1"
	}
	if err := os.WriteFile(cfg, fmt.Appendf(nil, `
kafka: {brokers: [%q], group: throughput}
clickhouse: {dsn: %q}
privacy: {secret: a secret of many bytes}
`, r.broker.Addr(), dsn), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, said := tillstream(t, os.Stderr, "migrate", "--config", cfg); code != exitDone {
		t.Fatal(said)
	}
	if *throughput.profile != "" {
		t.Setenv(profileEnv, *throughput.profile)
		_ = os.Remove(*throughput.profile + ".gc") // the last that is written
	}
	member := startPinned(t, cfg, *throughput.cores)
	signal := func(s syscall.Signal) {
		if *throughput.profile != "" {
			_ = member.cmd.Process.Signal(s)
		}
	}
	var from map[string]usage
	var began time.Time
	pids := processes(t, member, r.data)
	for done := 0; done < *throughput.sales; {
		time.Sleep(50 * time.Millisecond) // asking ClickHouse instead would cost it more than the events do
		done = int(sum(member.numbers("tillstream_events_total")))
		// Counters of events move when a batch was written, and by then later ones are folded; the lag is known when lanes begin.
		if from == nil && sum(member.numbers("tillstream_lag_offsets")) > 0 {
			began, from = time.Now(), map[string]usage{}
			for name, pid := range pids {
				from[name] = usageOf(pid)
			}
			signal(syscall.SIGUSR1)
		}
	}
	took := time.Since(began)
	signal(syscall.SIGUSR2)
	fmt.Printf("%d events of %d bytes in %.2f s: %.0f a second (%.1f MB/s) on %d core(s)\n", n, bytes / *throughput.sales, took.Seconds(), float64(n)/took.Seconds(),
		float64(bytes)/float64(*throughput.sales)*float64(n)/took.Seconds()/1e6, *throughput.cores)
	for name, pid := range pids {
		now := usageOf(pid)
		fmt.Printf("%12s %6.2f µs of CPU an event, %5.2f of them the kernel's, %5.0f MiB resident\n", name, float64((now.cpu-from[name].cpu).Nanoseconds())/1e3/float64(n),
			float64((now.system-from[name].system).Nanoseconds())/1e3/float64(n), float64(now.resident)/(1<<20))
	}
	if *throughput.costs {
		r.costs(*throughput.sales)
	}
	if *throughput.profile != "" {
		r.until("the profiles are written", func() bool { _, err := os.Stat(*throughput.profile + ".gc"); return err == nil })
	}
	r.finish(member)
	fmt.Println(member.numbers("tillstream_events_total"), r.ask("SELECT reason, count() FROM pos.dead_letters GROUP BY reason"))
	if *throughput.costs {
		r.merge()
		r.tables(tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight))
	}
	fmt.Println(strings.TrimSpace(r.ask("SELECT sum(transactions), sum(units), sum(net) FROM pos.sales_hourly")))
}

// costs prints what ClickHouse has spent on each table for each of n events: INSERTs by query_log, merges by part_log.
func (r *rig) costs(n int) {
	r.exec("SYSTEM FLUSH LOGS")
	fmt.Println(r.ask(fmt.Sprintf(`
WITH %d AS n
SELECT table, sum(i) AS inserts, round(sum(rows) / n, 3) AS rows_an_event, round(sum(cpu) / n, 3) AS insert_us, round(sum(cpu) / sum(rows), 3) AS insert_us_a_row,
  round(sum(bytes) / n) AS insert_bytes, sum(m) AS merges, round(sum(merge) / n, 3) AS merge_us, round(sum(merged) / n, 3) AS merged_rows
FROM (
  SELECT multiIf(query_kind = 'Insert', arrayElement(tables, 1), position(query, 'AS t, _partition_id') > 0, 'questions for marks', toString(query_kind)) AS table, 1 AS i,
    written_rows AS rows, written_bytes AS bytes, ProfileEvents['UserTimeMicroseconds'] + ProfileEvents['SystemTimeMicroseconds'] AS cpu,
    0 AS m, 0 AS merge, 0 AS merged
  FROM system.query_log WHERE type = 'QueryFinish'
  UNION ALL
  SELECT concat(database, '.', table), 0, 0, 0, 0, 1, ProfileEvents['UserTimeMicroseconds'] + ProfileEvents['SystemTimeMicroseconds'], rows
  FROM system.part_log WHERE event_type = 'MergeParts' AND database = 'tillstream')
GROUP BY table WITH TOTALS ORDER BY sum(cpu) + sum(merge) DESC FORMAT PrettyCompactMonoBlock`, n)))
}

// startPinned starts a member on the first cores of the machine.
func startPinned(t *testing.T, cfg string, cores int) *observed {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, some unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	for i := range cores {
		some.Set(i)
	}
	if err := unix.SchedSetaffinity(0, &some); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.SchedSetaffinity(0, &all) }()
	return startProcess(t, cfg)
}
