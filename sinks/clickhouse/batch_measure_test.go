//go:build measure

package clickhouse

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/rollup"
)

// What a batch costs ClickHouse however few rows it has: the INSERTs and questions of one of sales, and their merges. A measurement, not a test.
//
//	go test -tags measure -run '^TestMeasureBatch$' -count 1 -v ./sinks/clickhouse
func TestMeasureBatch(t *testing.T) {
	s := fresh(t)
	said, err := exec.Command("pgrep", "-P", strconv.Itoa(os.Getpid())).Output()
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.Fields(string(said))[0])
	if err != nil {
		t.Fatal(err)
	}
	used := func() time.Duration {
		var at unix.Timespec
		if err := unix.ClockGettime(int32(^pid<<3|2), &at); err != nil { // the CPU clock of the process
			t.Fatal(err)
		}
		return time.Duration(at.Nano())
	}

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
