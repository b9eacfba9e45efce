//go:build measure

package clickhouse

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/correction"
	"github.com/tillstream/tillstream/processor/rollup"
)

// What a batch costs ClickHouse however few rows it has: the INSERTs and questions of one of sales, and their merges. A measurement, not a test.
//
//	go test -tags measure -run '^TestMeasureBatch$' -count 1 -v ./sinks/clickhouse
func TestMeasureBatch(t *testing.T) {
	s := fresh(t)
	used := cpuOfEngine(t)
	blocks := map[string]*rollup.Block{}
	for _, b := range everyBlock() {
		blocks[b.Table] = b
	}
	sales := []string{
		"sales_hourly", "product_sales", "payments_hourly", "payment_days", "terminal_payments", "terminal_sales", "transaction_packs", "basket_pairs", "data_quality", "ledger",
		"terminal_status", "store_status", "availability_hourly", "store_availability_hourly", "status_intervals",
	}
	n := 0
	put := func(table string) error {
		return s.Insert(t.Context(), processor.Insert{Block: blocks[table], Lane: "g/0", Mark: fmt.Sprintf("m%06d", n), Token: fmt.Sprint(table, n)})
	}
	marks := func(tables ...string) error {
		_, err := s.Marks(t.Context(), "g/0", tables...)
		return err
	}
	batch := func() {
		n++
		for _, step := range []func() error{
			func() error { return put("claims") },
			func() error { return marks("claims") },
			func() error { _, err := s.ForgottenEntries(t.Context()); return err },
			func() error {
				var g errgroup.Group
				g.SetLimit(4)
				for table := range slices.Values(sales) {
					g.Go(func() error { return put(table) })
				}
				return g.Wait()
			},
			func() error { return marks() },
			func() error { return put("state") },
		} {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 5 { // what is compiled and cached
		batch()
	}
	const batches = 60
	before, began := used(), time.Now()
	for range batches {
		batch()
	}
	took := time.Since(began)
	time.Sleep(2 * time.Second) // the last merges
	fmt.Printf("%d INSERTs a batch: %.1f ms of CPU, merges and all; %.0f ms until it is written\n", len(sales)+2, float64((used()-before).Microseconds())/1e3/batches,
		float64(took.Milliseconds())/batches)
}

// cpuOfEngine gives a clock of the CPU time that the ClickHouse of these tests takes.
func cpuOfEngine(t *testing.T) func() time.Duration {
	t.Helper()
	said, err := exec.Command("pgrep", "-P", strconv.Itoa(os.Getpid())).Output()
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.Fields(string(said))[0])
	if err != nil {
		t.Fatal(err)
	}
	return func() time.Duration {
		var at unix.Timespec
		if err := unix.ClockGettime(int32(^pid<<3|2), &at); err != nil { // the CPU clock of the process
			t.Fatal(err)
		}
		return time.Duration(at.Nano())
	}
}

// What the corrections of a batch cost ClickHouse that has ten million transactions, whether it is one or a thousand, and as many in the table of older versions. A measurement, not a test.
//
//	go test -tags measure -run '^TestMeasureLookUp$' -count 1 -v ./sinks/clickhouse
func TestMeasureLookUp(t *testing.T) {
	s := fresh(t)
	const tills, packs, each = 1200, 66, 128
	for _, older := range []bool{false, true} {
		if older {
			do(t, s, fmt.Sprintf(`INSERT INTO tillstream.transactions (lane, key, at, version, topic, partition, offset, store_id, terminal_id, id, content, events, keep_days)
				SELECT '', xxHash64(concat(store, char(0), terminal, char(0), id) AS name), now() - 86400, 1, 'topic', 0, number, concat('S', toString(number %% %d)) AS store, 'T' AS terminal,
				concat('older-', toString(number)) AS id, repeat('c', 60), 1, 99 FROM numbers(10000000)`, tills))
		} else {
			do(t, s, fmt.Sprintf(`INSERT INTO tillstream.transaction_packs (lane, till, at, version, topic, partition, offset, store_id, terminal_id, ids, offsets, at_ms, customers, contents, events, keep_days)
				SELECT '', xxHash64(concat('topic', char(0), store, char(0), terminal)), now() - 86400, 1, 'topic', 0, number, concat('S', toString(number %% %d)) AS store, 'T' AS terminal,
				arrayMap(i -> concat('b-', toString(number * %[2]d + i)), range(%[2]d)) AS ids, range(number * %[2]d, (number + 1) * %[2]d), arrayMap(i -> toUnixTimestamp(now() - 86400) * 1000, ids), arrayMap(i -> 0, ids),
				arrayMap(i -> repeat('c', 60), ids), %[2]d, 99 FROM numbers(%[3]d)`, tills, each, tills*packs))
		}
		do(t, s, "OPTIMIZE TABLE tillstream."+[]string{"transaction_packs", "transactions"}[map[bool]int{true: 1}[older]]+" FINAL")
	}
	used := cpuOfEngine(t)
	for _, n := range []int{1, 10, 100, 1000} {
		var cpu, took []time.Duration
		for range 7 {
			var q correction.Query
			for range n {
				pack := rand.IntN(tills * packs)
				store := fmt.Sprint("S", pack%tills)
				q.Keys = append(q.Keys, correction.Key{Till: xxhash.Sum64String("topic\x00" + store + "\x00T"), Event: xxhash.Sum64String(fmt.Sprintf("%s\x00T\x00b-%d", store, pack*each+rand.IntN(each)))})
			}
			slices.SortFunc(q.Keys, func(a, b correction.Key) int {
				return cmp.Or(cmp.Compare(a.Till, b.Till), cmp.Compare(a.Event, b.Event))
			})
			found, from, began := map[uint64]bool{}, used(), time.Now()
			if err := s.Transactions(t.Context(), q, rollup.Version{Epoch: 9, Batch: 1}, func(r correction.Row) error { found[r.Key] = true; return nil }); err != nil {
				t.Fatal(err)
			}
			cpu, took = append(cpu, used()-from), append(took, time.Since(began))
			if len(found) != len(slices.Compact(q.Keys)) {
				t.Fatalf("found %d of %d", len(found), n)
			}
		}
		slices.Sort(cpu)
		slices.Sort(took)
		fmt.Printf("%5d at once: %s of CPU, %s (medians)\n", n, cpu[len(cpu)/2].Round(time.Millisecond), took[len(took)/2].Round(time.Millisecond))
	}
}
