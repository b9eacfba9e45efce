package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// job is what one run of a peer is about.
type job struct {
	topic, group string
	database     string // that the peer may have
	cores        int
	grain        grain
	flush        time.Duration // how often what was folded goes to ClickHouse
	heap         string        // of a JVM
	dir          string        // for its files
	listen       string        // address for its metrics
	events       int64         // that the topic holds
	ndjson       string        // the same events in a file
}

// peer is one that is compared.
type peer struct {
	name    string
	what    string // for a reader of the report
	favours string // what is to its advantage, or against it
	days    bool   // it knows no rollup by hour
	flushes bool   // it is a service that puts rows into ClickHouse every so often
	trap    bool   // shown for what goes wrong: it runs once and its speed is not told
	program string // Java's class path, or the binary: what must have been built

	// prepare makes tables and configuration, and says how it is started; one that is not a process has work instead.
	prepare func(context.Context, *site, *job) (*exec.Cmd, error)
	work    func(context.Context, *site, *job) error

	metric    string               // of its metrics, that is above zero from the first record on; "": it prints begun
	databases []string             // what it keeps in ClickHouse is there; nil: in the job's
	totals    func(*job) string    // asks for lines, quantity, amount and keys
	visible   func(*job) string    // asks for the products of the probes
	audit     func(*job) *exec.Cmd // its own check of its books
	prints    bool                 // its totals are printed: it has no sink
}

// Names of tables are those of each run: nothing is shared with the run before.
const (
	replacing = "CREATE TABLE %s.rollup (store_id LowCardinality(String), product_id String, bucket DateTime('UTC'), lines UInt64, quantity Int64, amount Int64) " +
		"ENGINE = ReplacingMergeTree(lines) PARTITION BY toYYYYMM(bucket) ORDER BY (bucket, store_id, product_id)"
	summing = "CREATE TABLE %s.rollup (store_id LowCardinality(String), product_id String, bucket DateTime('UTC'), lines UInt64, quantity Int64, amount Int64) " +
		"ENGINE = SummingMergeTree PARTITION BY toYYYYMM(bucket) ORDER BY (bucket, store_id, product_id)"
)

func makeTable(ctx context.Context, s *site, j *job, table string) error {
	return s.execute(ctx, "CREATE DATABASE "+j.database, fmt.Sprintf(table, j.database))
}

func rollupTotals(j *job) string {
	return "SELECT sum(lines) AS l, sum(quantity) AS q, sum(amount) AS a, uniqExact(store_id, product_id, bucket) AS k FROM " + j.database + ".rollup FINAL"
}

func rollupProbes(j *job) string {
	return "SELECT product_id FROM " + j.database + ".rollup FINAL WHERE store_id IN " + probeStores()
}

// peers are all there are; root is the repository.
func peers(root string) []peer {
	java := func(module string) string { return filepath.Join(root, "bench/java", module, "target") }
	return []peer{
		{
			name: "tillstream", days: true, flushes: true, program: filepath.Join(root, "bin/tillstream"),
			what: "as configured by default: exactly once, CRC, transactions, dedupe by sequence, validation, card numbers masked, all rollups of purchases, every transaction kept " +
				"for corrections, agreements and alerts looked at, audit after each run; below a flush of a second one lane, as docs/operations.md has it for low latency",
			favours:   "Its own table by product is by day; it writes a dozen other tables besides, which the others do not.",
			prepare:   prepareTillstream(filepath.Join(root, "bin/tillstream")),
			metric:    "tillstream_lag_offsets", // is heard with the first chunk; counters of events move when a batch was written, which is later
			databases: []string{"tillstream", "pos"},
			totals: func(*job) string {
				return "SELECT sum(lines) AS l, sum(units) AS q, sum(revenue) AS a, uniqExact(store_id, product_id, business_date) AS k FROM tillstream.product_sales FINAL WHERE lane = ''"
			},
			visible: func(*job) string {
				return "SELECT product_id FROM pos.product_sales WHERE store_id IN " + probeStores()
			},
			audit: func(j *job) *exec.Cmd {
				return exec.Command(filepath.Join(root, "bin/tillstream"), "audit", "--config", filepath.Join(j.dir, "tillstream.yaml"))
			},
		},
		{
			name: "kstreams", flushes: true, program: java("kstreams"),
			what: "Kafka Streams, exactly_once_v2, RocksDB behind a cache, changelog; Processor API, so without a repartition topic; our sink, before each commit",
			favours: "For it: no repartition topic, which the DSL would have; upserts, so that its sink needs no ledger; no dedupe, validation or other rollups. Against it: one " +
				"broker takes its changelog and transactions too, on the same machine.",
			prepare: prepareJava(java("kstreams"), "bench.KStreams"),
			totals:  rollupTotals, visible: rollupProbes,
		},
		{
			name: "flink", flushes: true, program: java("flink"),
			what: "Flink in one process (MiniCluster), exactly-once checkpoints, state on the heap; two-phase aggregation in mini-batches; our sink, before each checkpoint",
			favours: "For it: state on the heap and checkpoints on the local disk; no network between task managers; lines are added up before they travel; no windows, so nothing is " +
				"late; upserts; no dedupe, validation or other rollups. Against it: a checkpoint is the whole state, here every second.",
			prepare: prepareJava(java("flink"), "bench.Flink", "--add-opens=java.base/java.util=ALL-UNNAMED", "--add-opens=java.base/java.lang=ALL-UNNAMED"),
			totals:  rollupTotals, visible: rollupProbes,
		},
		{
			name: "benthos", flushes: true, program: filepath.Join(root, "bin/bench-benthos"),
			what:    "Benthos 4.27, from which Redpanda Connect comes, by configuration alone: each line becomes a row, and ClickHouse adds them up (SummingMergeTree)",
			favours: "For it: at least once, so a crash counts lines twice; it folds nothing. Against it: ClickHouse gets every line; it is the last version that can be had freely.",
			prepare: prepareBenthos(filepath.Join(root, "bin/bench-benthos")),
			metric:  "input_received",
			totals:  rollupTotals, visible: rollupProbes,
		},
		{
			name:    "clickhouse-file",
			what:    "ClickHouse alone: one INSERT … SELECT … GROUP BY from the events in a file, through HTTP, on as many threads as cores",
			favours: "For it: no Kafka, no stream, nothing to go wrong half-way; all data at hand at once. Against it: it is not a stream processor, and its CPU is ClickHouse's.",
			work:    insertFile, totals: rollupTotals,
		},
		{
			name: "floor", prints: true,
			what:    "what any processor in Go must do: fetch, CRC, decompress, find the fields of the sale in its JSON, count. Nothing is kept",
			favours: "No keys, no state, no sink, no exactly-once: a limit, not a competitor.",
			prepare: prepareFloor,
		},
		{
			name: "flink-windows", trap: true, program: java("flink"),
			what:    "Flink as tutorials have it: event-time windows of an hour behind a watermark that waits ten minutes, read from a topic with a backlog",
			favours: "Shown for what it loses: partitions are read at different paces, the watermark follows the fastest, and lines of the others are late.",
			prepare: prepareJava(java("flink"), "bench.Flink", "--add-opens=java.base/java.util=ALL-UNNAMED", "--add-opens=java.base/java.lang=ALL-UNNAMED", "-Dbench.windows=true"),
			totals:  rollupTotals,
		},
	}
}

func prepareTillstream(binary string) func(context.Context, *site, *job) (*exec.Cmd, error) {
	return func(ctx context.Context, s *site, j *job) (*exec.Cmd, error) {
		if err := s.execute(ctx, "DROP DATABASE IF EXISTS pos SYNC", "DROP DATABASE IF EXISTS tillstream SYNC"); err != nil {
			return nil, err
		}
		lanes := ""
		if j.flush < time.Second {
			lanes = ", lanes: 1"
		}
		path := filepath.Join(j.dir, "tillstream.yaml")
		text := fmt.Sprintf(`kafka: {brokers: [%q], group: %s, topics: [%s], dead_letters_topic: %s.dead-letters}
clickhouse: {dsn: %q}
privacy: {secret: %s}
processor: {batch_age: %s%s}
listen: %q
`, s.broker.Addr(), j.group, strings.Join(topics(j.topic), ", "), j.group, s.engine.DSN(), secret, j.flush, lanes, j.listen)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return nil, fmt.Errorf("writing the configuration: %w", err)
		}
		if out, err := exec.CommandContext(ctx, binary, "migrate", "--config", path).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("migrating: %w: %s", err, out)
		}
		return exec.Command(binary, "run", "--config", path), nil
	}
}

func prepareJava(target, class string, options ...string) func(context.Context, *site, *job) (*exec.Cmd, error) {
	return func(ctx context.Context, s *site, j *job) (*exec.Cmd, error) {
		if err := makeTable(ctx, s, j, replacing); err != nil {
			return nil, err
		}
		collector := "-XX:+UseParallelGC" // throughput counts
		if j.cores == 1 {
			collector = "-XX:+UseSerialGC"
		}
		args := append([]string{"-Xms" + j.heap, "-Xmx" + j.heap, collector, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"}, options...)
		for name, value := range map[string]any{
			"bootstrap": s.broker.Addr(), "topic": j.topic, "group": j.group, "clickhouse": s.address(), "table": j.database + ".rollup",
			"threads": j.cores, "flush.ms": j.flush.Milliseconds(), "grain": j.grain, "dir": filepath.Join(j.dir, "state"),
		} {
			args = append(args, fmt.Sprintf("-Dbench.%s=%v", name, value))
		}
		return exec.Command("java", append(args, "-cp", filepath.Join(target, "classes")+":"+filepath.Join(target, "lib", "*"), class)...), nil
	}
}

func prepareBenthos(binary string) func(context.Context, *site, *job) (*exec.Cmd, error) {
	return func(ctx context.Context, s *site, j *job) (*exec.Cmd, error) {
		if err := makeTable(ctx, s, j, summing); err != nil {
			return nil, err
		}
		bucket := `this.business_date.or(this.time.slice(0, 10)) + " 00:00:00"`
		if j.grain == hour {
			bucket = `this.time.slice(0, 10) + " " + this.time.slice(11, 13) + ":00:00"`
		}
		path := filepath.Join(j.dir, "benthos.yaml")
		text := fmt.Sprintf(`http: {address: %q}
metrics: {prometheus: {}}
logger: {level: ERROR}
input:
  kafka_franz:
    seed_brokers: [%q]
    topics: [%s]
    consumer_group: %s
    start_from_oldest: true
    commit_period: 1s
    batching: {count: 5000, period: 100ms}
pipeline:
  threads: %d
  processors:
    - mapping: |
        let bucket = %s
        let store = this.store_id
        root = if this.kind != "sale" || this.test.or(false) { deleted() } else {
          this.lines.filter(l -> !l.voided.or(false) && l.kind.or("item") == "item").map_each(l -> {
            "store_id": $store, "product_id": l.product_id, "bucket": $bucket, "lines": 1,
            "quantity": (l.quantity * 1000).round(), "amount": l.net.or(l.gross - l.discount.or(0))
          }.format_json(no_indent: true)).join("\n")
        }
output:
  http_client:
    url: '%s?async_insert=0&query=INSERT+INTO+%s.rollup+FORMAT+JSONEachRow'
    verb: POST
    max_in_flight: 2
    timeout: 60s
    batching:
      count: 50000
      period: %s
      processors: [{archive: {format: lines}}]
`, j.listen, s.broker.Addr(), j.topic, j.group, j.cores, bucket, s.address(), j.database, j.flush)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return nil, fmt.Errorf("writing the configuration: %w", err)
		}
		return exec.Command(binary, "-c", path), nil
	}
}

func prepareFloor(_ context.Context, s *site, j *job) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("looking for this program: %w", err)
	}
	return exec.Command(self, floorCommand, s.broker.Addr(), j.topic, strconv.Itoa(j.cores)), nil
}

// insertFile has ClickHouse do all of it.
func insertFile(ctx context.Context, s *site, j *job) error {
	if err := makeTable(ctx, s, j, summing); err != nil {
		return err
	}
	f, err := os.Open(j.ndjson)
	if err != nil {
		return fmt.Errorf("opening the events: %w", err)
	}
	defer f.Close()
	bucket := "toDateTime(if(business_date = '', substring(time, 1, 10), business_date), 'UTC')"
	if j.grain == hour {
		bucket = "toStartOfHour(parseDateTime64BestEffort(time, 3, 'UTC'))"
	}
	_, err = s.ask(ctx, `INSERT INTO `+j.database+`.rollup SELECT store_id, l.product_id, `+bucket+` AS bucket, count(), sum(toInt64(round(1000 * l.quantity))), sum(ifNull(l.net, l.gross - l.discount))
FROM input('kind LowCardinality(String), test Bool, time String, business_date String, store_id String,
 lines Array(Tuple(product_id String, kind String, voided Bool, quantity Float64, gross Int64, discount Int64, net Nullable(Int64)))')
ARRAY JOIN lines AS l WHERE kind = 'sale' AND NOT test AND NOT l.voided AND l.kind IN ('', 'item') GROUP BY 1, 2, 3 FORMAT JSONEachRow`, f,
		"max_threads", fmt.Sprint(j.cores), "max_insert_threads", fmt.Sprint(j.cores), "input_format_skip_unknown_fields", "1")
	return err
}
