package main

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tables whose rows must be the same whatever happened on the way. terminal_status.in_service and the open ends depend on now, what is measured of clocks on when
// the records came to Kafka.
var settled = map[string]string{
	"sales_hourly":        "SELECT * FROM pos.sales_hourly ORDER BY ALL",
	"product_sales":       "SELECT * FROM pos.product_sales ORDER BY ALL",
	"customer_days":       "SELECT * FROM pos.customer_days ORDER BY ALL",
	"payments_hourly":     "SELECT * FROM pos.payments_hourly ORDER BY ALL",
	"terminal_sales":      "SELECT * EXCEPT (mark) FROM tillstream.terminal_sales FINAL WHERE lane = '' ORDER BY ALL",
	"payment_mix":         "SELECT * FROM pos.payment_mix ORDER BY ALL",
	"promotion_days":      "SELECT * EXCEPT (mark) FROM tillstream.promotion_days FINAL WHERE lane = '' ORDER BY ALL",
	"customer_hours":      "SELECT count(), sum(cityHash64(* EXCEPT (mark))) FROM tillstream.customer_hours FINAL WHERE lane = ''",
	"customer_items":      "SELECT count(), sum(cityHash64(* EXCEPT (mark))) FROM tillstream.customer_items FINAL WHERE lane = ''",
	"basket_pairs":        "SELECT count(), sum(cityHash64(* EXCEPT (mark))) FROM tillstream.basket_pairs FINAL WHERE lane = ''",
	"availability_hourly": "SELECT * EXCEPT (version, mark) FROM tillstream.availability_hourly FINAL WHERE lane = '' AND evidence + up_ms + degraded_ms + down_ms + silent_ms + maintenance_ms + unknown_ms > 0 ORDER BY ALL",
	"status_intervals":    "SELECT * EXCEPT (version, mark) FROM tillstream.status_intervals FINAL WHERE lane = '' ORDER BY ALL",
	"outages":             "SELECT * EXCEPT (version, mark) FROM tillstream.outages FINAL WHERE lane = '' ORDER BY ALL",
	"terminal_status":     "SELECT * EXCEPT (version, mark, clock_skew_ms) FROM tillstream.terminal_status FINAL WHERE lane = '' ORDER BY ALL",
	"data_quality":        "SELECT topic, terminal_id, business_date, accepted, missing, rejected FROM pos.data_quality ORDER BY ALL",
}

func snapshot(t *testing.T, data string) map[string]string {
	t.Helper()
	defer holdEngine(t, data)()
	return rowsOf(t, data)
}

// rowsOf is snapshot where the engine runs already.
func rowsOf(t *testing.T, data string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for name, query := range settled {
		var csv strings.Builder
		if code, stderr := tillstream(t, &csv, "sql", "--data", data, "--format", "csv", query); code != exitDone {
			t.Fatalf("%s: exit %d: %s", name, code, stderr)
		}
		out[name] = csv.String()
	}
	return out
}

// foldRealMonth is the command that folds the real inputs into a data directory.
func foldRealMonth(t *testing.T, data, kafka string) []string {
	return append(onKafka(kafka), "--once", "--data", data, "--heartbeat-timeout", "50h",
		"--input", sharedFile(t, "transactions-2017-01.jsonl.zst"), "--input", sharedFile(t, "health-2025-2026.jsonl.zst"))
}

func onKafka(kafka string) []string {
	if kafka == "" {
		return []string{"demo"}
	}
	return []string{"demo", "--kafka", kafka}
}

func audit(t *testing.T, data string) (int, string) { return auditOf(t, "--data", data) }

func auditOf(t *testing.T, target ...string) (int, string) {
	t.Helper()
	var out strings.Builder
	code, stderr := tillstream(t, &out, append([]string{"audit"}, target...)...)
	return code, out.String() + stderr
}

// The real month and the real shops, against a second computation from the same files; twice, which must change nothing but
// duplicates; killed on the way; and with a row taken away by hand, which the audit must notice.
func TestPipelineRealData(t *testing.T) {
	t.Parallel()
	data, kafka := filepath.Join(t.TempDir(), "data"), testKafka(t)
	var out strings.Builder
	if code, stderr := tillstream(t, &out, foldRealMonth(t, data, kafka)...); code != exitDone {
		t.Fatalf("demo exited %d: %s\n%s", code, stderr, out.String())
	}
	secret, err := os.ReadFile(filepath.Join(data, "secret"))
	if err != nil {
		t.Fatal(err)
	}
	want := computeRealMonth(t, bytes.TrimSpace(secret))
	release := holdEngine(t, data)
	compareRealMonth(t, want, heldRealMonth(t, data))
	compareMarketing(t, data, bytes.TrimSpace(secret))
	if code, said := audit(t, data); code != exitDone {
		t.Fatalf("audit exited %d: %s", code, said)
	}
	// What has no rows is about what this month does not have, and about now.
	if d := cmp.Diff([]string{"Tills now", "What cannot sell now", "Agreements", "How it is paid", "Payments that failed", "What did not arrive"}, askDashboards(t, data)); d != "" {
		t.Errorf("panels without rows (-want +got)\n%s", d)
	}
	if kafka == "" { // the demo's own
		if remarks, said := examined(t, exitDone, "--data", data); !cmp.Equal(remarks, []string{"warn registry stores"}) {
			t.Errorf("the doctor says %q: %q", remarks, said)
		}
	}
	release()

	once := snapshot(t, data)
	if code, stderr := tillstream(t, io.Discard, foldRealMonth(t, data, kafka)...); code != exitDone {
		t.Fatalf("second demo exited %d: %s", code, stderr)
	}
	if d := cmp.Diff(once, snapshot(t, data)); d != "" {
		t.Errorf("the same input again changed rows:\n%s", d)
	}
	t.Run("killed", func(t *testing.T) { killed(t, secret, once) })
	defer holdEngine(t, data)()
	total := ask(t, data, "SELECT sum(records) AS r, sum(duplicates) AS d, sum(rejected) AS x FROM pos.ledger")[0]
	if n := int64(want.sales + want.reports); scaled(t, total["r"], 1) != n || scaled(t, total["d"], 1) != n || scaled(t, total["x"], 1) != 0 {
		t.Errorf("ledger has %v, want %d records and as many duplicates", total, n)
	}
	if code, said := audit(t, data); code != exitDone {
		t.Fatalf("audit exited %d: %s", code, said)
	}

	if code, stderr := tillstream(t, io.Discard, "sql", "--data", data,
		"DELETE FROM tillstream.product_sales WHERE lane = '' AND (store_id, product_id, business_date) IN (SELECT store_id, product_id, business_date FROM tillstream.product_sales WHERE lane = '' AND revenue > 0 ORDER BY ALL LIMIT 1)"); code != exitDone {
		t.Fatalf("deleting a row by hand: %s", stderr)
	}
	code, said := audit(t, data)
	if code != exitFailed || !strings.Contains(said, "product_sales") || !strings.Contains(said, "lane tillstream/") || !strings.Contains(said, "pos.transactions") {
		t.Errorf("audit after a row was deleted exited %d and said %q; want 1, the table, the lane and the offsets", code, said)
	}
}

// killed folds the real month under kill -9 at any moment, of the program and its engine together, started again: the rows of a run that nothing disturbed.
func killed(t *testing.T, secret []byte, want map[string]string) {
	t.Helper()
	data, kafka := filepath.Join(t.TempDir(), "killed"), testKafka(t)
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "secret"), secret, 0o600); err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(7, 7))
	for range 4 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], foldRealMonth(t, data, kafka)...)
		cmd.Env = append(os.Environ(), asProgram+"=1")
		stderr, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// The moment is a number of bytes of progress, not of milliseconds, so that it falls into the work on any machine.
		_, _ = io.CopyN(io.Discard, stderr, rnd.Int64N(600))
		_ = cmd.Process.Signal(syscall.SIGKILL)
		_ = cmd.Wait()
	}
	if code, stderr := tillstream(t, io.Discard, foldRealMonth(t, data, kafka)...); code != exitDone {
		t.Fatalf("demo after kills exited %d: %s", code, stderr)
	}
	if d := cmp.Diff(want, snapshot(t, data)); d != "" {
		t.Errorf("rows after kill -9 (-quiet +killed):\n%s", d)
	}
	if code, said := audit(t, data); code != exitDone {
		t.Errorf("audit exited %d: %s", code, said)
	}
}
