//go:build measure

package main

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

var growth = struct {
	sales, rate *int
	lasts, long *time.Duration
	only        *string
}{
	flag.Int("growth-sales", 400_000, "sales that wait in Kafka, of each run"),
	flag.Int("growth-rate", 10_000, "sales a second where they come steadily"),
	flag.Duration("growth-lasts", 40*time.Second, "how long they come"),
	flag.Duration("growth-long", 20*time.Minute, "how long they come in the long run, which is measured if -growth-only names it"),
	flag.String("growth-only", "", "curves to measure, by name, with commas between; all without"),
}

// load is what one run of a growth curve does. Its zero values are those of docs/benchmarks.md: four partitions and lanes, 1,000 products, nothing late.
type load struct {
	partitions, lanes int
	products          int           // of each store, each as likely as another; 0: 1,000, Zipf
	late              time.Duration // at most: each event's delay is as likely as another
	age               time.Duration // processor.batch_age
	rate              int           // sales a second that come while the member runs; 0: all wait in Kafka before
	lasts             time.Duration // how long they come
	members           int           // each pinned to one core by itself, if there are as many
	sales             int
}

// cost is what it took.
type cost struct {
	rate                  float64 // sales a second, from the first to the last one written
	processor, clickhouse float64 // µs of CPU a sale
	memory                float64 // bytes, the largest member at its most
	rows, inserts         float64 // a sale; a second
	parts                 int     // active ones of one partition of a table, at most
	minutes               []int   // the same, of each minute
	keys                  int     // of product and store that occurred
}

// The curves of docs/growth.md: how throughput, CPU and memory follow lanes, keys, lateness, batch age and members. A measurement, not a test: it fails only if the
// books do not balance. On a quiet machine of two cores it takes a quarter of an hour.
//
//	go test -tags measure -run '^TestMeasureGrowth$' -count 1 -v -timeout 2h ./cmd/tillstream
func TestMeasureGrowth(t *testing.T) {
	const hour = time.Hour
	for _, curve := range []struct {
		name, of string
		runs     []load
		label    func(load, cost) string
	}{
		{"lanes", "lanes, of 16 partitions", []load{{lanes: 1}, {lanes: 2}, {lanes: 4}, {lanes: 8}, {lanes: 16}}, func(l load, _ cost) string { return strconv.Itoa(l.lanes) }},
		{
			"keys", "products and stores that occur",
			[]load{{products: 10}, {products: 100}, {products: 1_000}, {products: 10_000}, {products: 100_000}, {products: 1_000_000, sales: 4_000_000}},
			func(_ load, c cost) string { return strconv.Itoa(c.keys) },
		},
		{"lateness", "late by at most", []load{{}, {late: 10 * time.Minute}, {late: hour}, {late: 6 * hour}, {late: 24 * hour}, {late: 48 * hour}}, func(l load, _ cost) string { return l.late.String() }},
		{
			"age", "batch_age, at a steady rate",
			[]load{{age: 200 * time.Millisecond}, {age: 500 * time.Millisecond}, {age: time.Second}, {age: 5 * time.Second}, {age: 15 * time.Second}, {age: 30 * time.Second}},
			func(l load, _ cost) string { return l.age.String() },
		},
		{
			"long", "batch_age, at a steady rate for long; most parts in each minute",
			[]load{{age: 200 * time.Millisecond, lanes: 1, lasts: *growth.long}, {age: time.Second, lasts: *growth.long}},
			func(l load, c cost) string { return fmt.Sprint(l.age, " ", c.minutes) },
		},
		{"members", "members, on all cores", []load{{members: 1}, {members: 2}, {members: 3}, {members: 4}}, func(l load, _ cost) string { return strconv.Itoa(l.members) }},
	} {
		if named := slices.Contains(strings.Split(*growth.only, ","), curve.name); !named && (*growth.only != "" || curve.name == "long") {
			continue
		}
		var table strings.Builder
		fmt.Fprintf(&table, "\n| %s | sales a second | processor, µs a sale | ClickHouse, µs a sale | rows a sale | INSERTs a second | most parts of a partition | most resident, MiB |\n|---|---|---|---|---|---|---|---|\n", curve.of)
		for _, l := range curve.runs {
			switch {
			case curve.name == "lanes":
				l.partitions = 16
			case l.age > 0:
				l.rate, l.lasts = *growth.rate, cmp.Or(l.lasts, *growth.lasts)
			}
			t.Run(curve.name, func(t *testing.T) {
				c := l.measure(t)
				fmt.Fprintf(&table, "| %s | %.0f | %.1f | %.1f | %.2f | %.0f | %d | %.0f |\n", curve.label(l, c), c.rate, c.processor, c.clickhouse, c.rows, c.inserts, c.parts, c.memory/(1<<20))
			})
		}
		fmt.Println(table.String())
	}
}

func (l load) measure(t *testing.T) (c cost) {
	n := l.sales
	switch {
	case l.rate > 0:
		n = l.rate * int(l.lasts.Seconds())
	case n == 0:
		n = *growth.sales
	}
	l.partitions, l.age = cmp.Or(l.partitions, 4), cmp.Or(l.age, time.Second)
	r := bareRig(t, l.partitions)
	cfg := filepath.Join(t.TempDir(), "tillstream.yaml")
	if err := os.WriteFile(cfg, fmt.Appendf(nil, `
kafka: {brokers: [%q], group: growth}
clickhouse: {dsn: %q}
privacy: {secret: a secret of many bytes}
processor: {batch_age: %s, lanes: %d}
`, r.broker.Addr(), r.engine.DSN(), l.age, l.lanes), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, said := tillstream(t, io.Discard, "migrate", "--config", cfg); code != exitDone {
		t.Fatal(said)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	next, seen, occurred := rand.NewZipf(rnd, 1.1, 8, 999).Uint64, make([]int, 1200), map[uint64]struct{}{}
	if l.products > 0 {
		next = func() uint64 { return rnd.Uint64N(uint64(l.products)) }
	}
	produce := func(i int, at time.Time) {
		var products []uint64
		made := at
		if l.late > 0 {
			made = at.Add(-time.Duration(rnd.Int64N(int64(l.late))))
		}
		store, value := sale(nil, i, made, seen, rnd, func() uint64 {
			products = append(products, next())
			return products[len(products)-1]
		})
		for _, p := range products {
			occurred[p*100+uint64(store)] = struct{}{}
		}
		r.client.Produce(t.Context(), &kgo.Record{Topic: "pos.transactions", Partition: int32(store % l.partitions), Timestamp: at, Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if l.rate == 0 {
		for i := range n {
			produce(i, yesterday(i, n))
		}
		if err := r.client.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var all []*observed
	for range max(l.members, 1) {
		if l.members == 0 {
			all = append(all, startPinned(t, cfg, 1))
		} else {
			all = append(all, startProcess(t, cfg))
		}
	}
	total := func(name string) (s float64) {
		for _, m := range all {
			s += sum(m.numbers(name))
		}
		return s
	}
	pids := map[string]int{"ClickHouse": processes(t, all[0], r.data)["ClickHouse"]}
	for i, m := range all {
		pids[strconv.Itoa(i)] = m.cmd.Process.Pid
	}
	if l.rate > 0 {
		r.until("the member has lanes", func() bool { return total("tillstream_lane_starts_total") >= float64(cmp.Or(l.lanes, l.partitions)) })
	} else {
		r.until("the first lane has begun", func() bool { return total("tillstream_lag_offsets") > 0 })
	}
	began, from, done, sent := time.Now(), map[string]usage{}, 0, 0
	for name, pid := range pids {
		from[name] = usageOf(pid)
	}
	for look := time.Now(); done < n; {
		time.Sleep(20 * time.Millisecond)
		if l.rate > 0 {
			for ; sent < n && float64(sent) < time.Since(began).Seconds()*float64(l.rate); sent++ {
				produce(sent, time.Now())
			}
		}
		if time.Since(look) < time.Second && (l.rate > 0 || time.Since(look) < 50*time.Millisecond) {
			continue
		}
		done = int(total("tillstream_events_total"))
		for name, pid := range pids {
			if name != "ClickHouse" {
				c.memory = max(c.memory, float64(usageOf(pid).resident))
			}
		}
		if time.Since(look) > time.Second {
			look = time.Now()
			parts, _ := strconv.Atoi(strings.TrimSpace(r.ask("SELECT max(n) FROM (SELECT count() AS n FROM system.parts WHERE active AND database = 'tillstream' GROUP BY table, partition_id)")))
			c.parts = max(c.parts, parts)
			for minute := int(time.Since(began).Minutes()); len(c.minutes) <= minute; {
				c.minutes = append(c.minutes, 0)
			}
			c.minutes[len(c.minutes)-1] = max(c.minutes[len(c.minutes)-1], parts)
		}
	}
	took := time.Since(began)
	c.rate, c.keys = float64(n)/took.Seconds(), len(occurred)
	for name, pid := range pids {
		cpu := float64((usageOf(pid).cpu - from[name].cpu).Nanoseconds()) / 1e3 / float64(n)
		if name == "ClickHouse" {
			c.clickhouse = cpu
		} else {
			c.processor += cpu
		}
	}
	c.rows, c.inserts = total("tillstream_rows_total")/float64(n), total("tillstream_insert_seconds_count")/took.Seconds()
	r.finish(all...)
	if sold := strings.TrimSpace(r.ask("SELECT sum(transactions) FROM pos.sales_hourly")); sold != strconv.Itoa(n) {
		t.Errorf("%s sales in pos.sales_hourly, want %d", sold, n)
	}
	return c
}
