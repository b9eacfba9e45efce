package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/tillstream/tillstream/cmd/tillstream/config"
)

// folded makes a pipeline that has folded three days of two shops, across the end of a month, in batches of at most so many records.
func folded(t *testing.T, batch int) (p *pipeline, cfg string, n int64) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "events.jsonl")
	if code, stderr := tillstream(t, io.Discard, "simulate", "--stores", "2", "--tills", "2", "--days", "3", "--until", "2026-11-02T12:00:00Z", "--out", file); code != exitDone {
		t.Fatalf("simulate exited %d: %s", code, stderr)
	}
	n = int64(strings.Count(readText(t, file), "\n{")) + 1 // an event without a value is an empty line, which ingest passes over
	p = newPipeline(t)
	// What is stale depends on where batches were cut, so nothing is.
	cfg = edited(t, batchesOf(t, writeConfig(t, p.broker, p.dsn, ""), batch), "processor: {", "processor: {timeline_window: 120h, ")
	p.do("ingest", "--config", cfg, file)
	p.fold(cfg, n)
	return p, cfg, n
}

// batchesOf is a configuration with batches of another size, which changes no row. Each costs ClickHouse an INSERT a table: many are for where it matters where a batch ends.
func batchesOf(t *testing.T, cfg string, batch int) string {
	t.Helper()
	return edited(t, cfg, "batch_records: 400", fmt.Sprintf("batch_records: %d", batch))
}

// rows are all rows that depend on the events alone, dead letters too.
func (p *pipeline) rows() map[string]string {
	p.t.Helper()
	rows := rowsOf(p.t, p.data)
	rows["dead_letters"] = p.do("sql", "--dsn", p.dsn, "SELECT * EXCEPT (at) FROM pos.dead_letters ORDER BY ALL")
	rows["books"] = p.do("sql", "--dsn", p.dsn, "SELECT topic, partition, sum(records), sum(duplicates), sum(rejected), sum(gaps) FROM pos.ledger GROUP BY ALL ORDER BY ALL")
	return rows
}

// balanced says whether the audit is content.
func (p *pipeline) balanced() bool {
	p.t.Helper()
	code, said := audit(p.t, p.data)
	if code != exitDone && !strings.Contains(said, "the books do not balance") {
		p.t.Fatal(said)
	}
	return code == exitDone
}

// damage takes rows away by hand.
func (p *pipeline) damage(table, where string) {
	p.t.Helper()
	p.do("sql", "--dsn", p.dsn, "DELETE FROM tillstream."+table+" WHERE lane = '' AND "+where)
	if p.balanced() {
		p.t.Fatalf("the audit does not see that rows of %s are gone", table)
	}
}

// restored checks that everything is as it was, with nothing left behind, and that nobody is held.
func (p *pipeline) restored(what string, want map[string]string) {
	p.t.Helper()
	if d := cmp.Diff(want, p.rows()); d != "" {
		p.t.Errorf("%s: rows (-untouched +made anew):\n%s", what, d)
	}
	if !p.balanced() {
		p.t.Errorf("%s: the books do not balance", what)
	}
	if left := p.number("SELECT toInt64(count()) AS n FROM system.tables WHERE database = 'tillstream_rebuild'"); left != 0 {
		p.t.Errorf("%s: %d tables were left behind", what, left)
	}
	if held := p.number("SELECT toInt64(count()) AS n FROM (SELECT argMax(hold, epoch) AS h FROM tillstream.streams FINAL) WHERE h != ''"); held != 0 {
		p.t.Errorf("%s: the group is still held", what)
	}
}

// refused runs a command that must fail, with words.
func (p *pipeline) refused(says string, args ...string) {
	p.t.Helper()
	ctx, cancel := patient(p.t)
	defer cancel()
	var out strings.Builder
	code, stderr := tillstreamWith(p.t, ctx, strings.NewReader(""), &out, args...)
	if code == exitDone || !strings.Contains(stderr, says) {
		p.t.Errorf("%v exited %d and said %q, want %q\n%s", args, code, stderr, says, out.String())
	}
}

// Tables that were damaged are made anew from Kafka: the rows are those of an untouched run, and the lanes go on from there.
func TestPipelineRebuild(t *testing.T) {
	t.Parallel()
	p, cfg, n := folded(t, 400)
	want := p.rows()

	p.damage("product_sales", "revenue > 0 AND business_date = '2026-11-01'")
	damaged := p.rows()
	recut := batchesOf(t, cfg, 100_000)
	if said := p.do("rebuild", "--config", recut, "--table", "product_sales", "--dry-run"); !strings.Contains(said, "revenue") || strings.Count(strings.TrimSpace(said), "\n") != 1 {
		t.Errorf("a dry run should say what changes in product_sales, and that nothing else does:\n%s", said)
	}
	if d := cmp.Diff(damaged, p.rows()); d != "" {
		t.Errorf("a dry run changed rows:\n%s", d)
	}
	p.do("rebuild", "--config", recut, "--table", "product_sales", "--yes")
	p.restored("one table", want)

	p.do("rebuild", "--config", cfg, "--yes")
	p.restored("all tables", want)

	p.damage("sales_hourly", "business_date = '2026-11-01'")
	p.do("sql", "--dsn", p.dsn, "ALTER TABLE tillstream.sales_hourly UPDATE gross = gross + 1 WHERE business_date < '2026-11-01' SETTINGS mutations_sync = 1")
	other := p.do("sql", "--dsn", p.dsn, "SELECT * FROM pos.sales_hourly WHERE business_date < '2026-11-01' ORDER BY ALL")
	p.do("rebuild", "--config", recut, "--table", "sales_hourly", "--from", "2026-11", "--yes")
	if d := cmp.Diff(other, p.do("sql", "--dsn", p.dsn, "SELECT * FROM pos.sales_hourly WHERE business_date < '2026-11-01' ORDER BY ALL")); d != "" {
		t.Errorf("October was not asked for:\n%s", d)
	}
	p.do("rebuild", "--config", recut, "--table", "sales_hourly", "--from", "2026-10", "--to", "2026-10", "--yes")
	p.restored("two months, one after the other", want)

	p.do("sql", "--dsn", p.dsn, "TRUNCATE TABLE tillstream.state")
	p.do("rebuild", "--config", recut, "--yes") // the epoch that began with the last one says where the lanes stand
	p.restored("an empty state", want)

	stop := startMember(t, cfg).stop
	var said string
	until(t, "the member to join", func() bool {
		_, said = tillstream(t, io.Discard, "epoch", "--check", "--config", cfg)
		return strings.Contains(said, "has members")
	}, func() string { return said })
	p.refused("has members", "rebuild", "--config", cfg, "--dry-run")
	stop()
	p.restored("with members", want)
	file, more := events(t)
	p.do("ingest", "--config", cfg, file)
	p.fold(cfg, n+more)
	q, qcfg, _ := folded(t, 100_000)
	q.do("ingest", "--config", qcfg, file)
	q.fold(qcfg, n+more)
	p.restored("what came after", q.rows())
}

// Whatever it is cut short at, the tables are old or new, the members are told, and running it again, or abandoning it, ends it.
func TestPipelineRebuildCutShort(t *testing.T) {
	t.Parallel()
	p, cfg, _ := folded(t, 100_000)
	want := p.rows()
	p.damage("product_sales", "revenue > 0")
	damaged := p.rows()

	// killed while it folds, at its first block, which does not come through
	w := newWire(t, strings.TrimSuffix(strings.TrimPrefix(p.dsn, "http://default@"), "/default"), false)
	folding := make(chan struct{})
	var once sync.Once
	w.suffer(func(piece *piece) (int, fate) {
		if !bytes.Contains(piece.bytes, []byte("INSERT")) || !bytes.Contains(piece.bytes, []byte("tillstream_rebuild.")) {
			return len(piece.bytes), flows
		}
		once.Do(func() { close(folding) })
		return 0, dead
	})
	cmd := exec.CommandContext(t.Context(), os.Args[0], "rebuild", "--config", edited(t, cfg, p.dsn, "http://default@"+w.addr+"/default"), "--yes", "--table", "product_sales,sales_hourly")
	cmd.Env = append(os.Environ(), asProgram+"=1")
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	select {
	case <-folding:
	case <-ended:
		t.Fatalf("it ended without a block: %s", &said)
	}
	_ = cmd.Process.Signal(syscall.SIGKILL)
	<-ended
	if d := cmp.Diff(damaged, p.rows()); d != "" {
		t.Errorf("rows changed before the swap:\n%s", d)
	}
	p.refused("tillstream rebuild --abandon", "run", "--config", cfg)
	p.do("rebuild", "--config", cfg, "--abandon")
	if d := cmp.Diff(damaged, p.rows()); d != "" {
		t.Errorf("rows after abandoning:\n%s", d)
	}

	// cut short after each step of the swap
	steps := func(n int) {
		t.Helper()
		r := p.rebuild(cfg)
		if err := r.prepare(t.Context(), part{tables: []string{"product_sales", "sales_hourly"}}, true); err != nil {
			t.Fatal(err)
		}
		f, err := r.find(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []func() error{
			func() error { return r.newEpoch(t.Context(), &f) },
			func() error { return r.sink.Exchange(t.Context(), "product_sales") },
			func() error { return r.sink.Exchange(t.Context(), "sales_hourly") },
		}[:n] {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for n := range 4 {
		steps(n)
		p.refused("tillstream rebuild --abandon", "run", "--config", cfg)
		p.refused("a rebuild was cut short", "rebuild", "--config", cfg, "--dry-run")
		p.do("rebuild", "--config", cfg, "--abandon")
		if d := cmp.Diff(damaged, p.rows()); d != "" {
			t.Errorf("rows after abandoning at step %d:\n%s", n, d)
		}
	}
	for n := range 4 {
		steps(n)
		p.do("rebuild", "--config", cfg, "--yes")
		p.restored(fmt.Sprintf("finished from step %d", n), want)
	}
	if said := p.do("rebuild", "--config", cfg, "--abandon"); !strings.Contains(said, "nothing to abandon") {
		t.Error(said)
	}
}

// rebuild is a rebuild whose steps are taken by the test.
func (p *pipeline) rebuild(path string) *rebuild {
	p.t.Helper()
	cfg, err := config.Load(path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	sink, err := openSink(cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { sink.Close() })
	kafka, err := openKafka(cfg, zap.NewNop())
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(kafka.close)
	return &rebuild{cfg: processorConfig(cfg), sink: sink, source: kafka.fetcher(), epochs: kafka.epochs(sink), log: zap.NewNop(), out: io.Discard}
}

// Where Kafka has let go of the beginning, only months that nothing of it can touch are made anew, and only what depends on nothing before.
func TestPipelineRebuildAfterRetention(t *testing.T) {
	t.Parallel()
	p, cfg, _ := folded(t, 100_000)
	client, err := kgo.NewClient(kgo.SeedBrokers(p.broker))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	req := kmsg.NewPtrDeleteRecordsRequest()
	topic := kmsg.NewDeleteRecordsRequestTopic()
	topic.Topic = "pos.transactions"
	for n := range int32(4) {
		partition := kmsg.NewDeleteRecordsRequestTopicPartition()
		partition.Partition, partition.Offset = n, 1
		topic.Partitions = append(topic.Partitions, partition)
	}
	req.Topics, req.TimeoutMillis = append(req.Topics, topic), int32(patience.Milliseconds())
	if _, err := req.RequestWith(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	p.refused("pos.transactions:", "rebuild", "--config", cfg, "--yes")
	p.refused("does not hold any more", "rebuild", "--config", cfg, "--yes", "--table", "sales_hourly", "--from", "2026-11")
	next := time.Now().AddDate(0, 2, 0).Format("2006-01") // Kafka got everything today
	p.refused("on which table data_quality depends", "rebuild", "--config", cfg, "--yes", "--from", next, "--table", "data_quality")
	p.do("rebuild", "--config", cfg, "--yes", "--from", next, "--table", "sales_hourly")
}

// The tables of a demo are made anew by its data directory, and hold what they held.
func TestPipelineRebuildDemo(t *testing.T) {
	t.Parallel()
	data, file := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "events.jsonl")
	writeText(t, file, `{"id":"1","source":"t","type":"pos.health.v1","time":"2026-11-02T10:00:00Z","store_id":"0001","terminal_id":"a","sequence":1,"kind":"state_change","status":"down"}
{"id":"2","source":"t","type":"pos.transaction.v1","time":"2026-11-02T10:00:00Z","store_id":"0001","terminal_id":"b","sequence":1,"kind":"sale","currency":"EUR","lines":[{"line":1,"product_id":"x","quantity":1,"gross":100}],"totals":{"gross":100,"discount":0,"net":100}}
{"id":"3","source":"t","type":"pos.transaction.v1","time":"2026-11-02T12:30:00Z","store_id":"0001","terminal_id":"b","sequence":2,"kind":"sale","currency":"EUR","lines":[{"line":1,"product_id":"x","quantity":1,"gross":100}],"totals":{"gross":100,"discount":0,"net":100}}
`)
	if code, stderr := tillstream(t, io.Discard, "demo", "--once", "--data", data, "--input", file); code != exitDone {
		t.Fatalf("demo exited %d: %s", code, stderr)
	}
	holdsUntil := func() string {
		return asked(t, data, 1, "SELECT terminal_id, toYear(holds_until) FROM pos.terminal_status WHERE terminal_id = 'a'")["a"]
	}
	defer holdEngine(t, data)()
	if year := holdsUntil(); year != "2262" {
		t.Errorf("what is down until it is heard of is so until %s", year)
	}
	if code, stderr := tillstream(t, io.Discard, "sql", "--data", data, "DELETE FROM tillstream.product_sales WHERE lane = '' AND revenue > 0"); code != exitDone {
		t.Fatalf("deleting a row by hand: %s", stderr)
	}
	var said strings.Builder
	if code, stderr := tillstream(t, &said, "rebuild", "--data", data, "--yes"); code != exitDone {
		t.Fatalf("rebuild exited %d: %s", code, stderr)
	}
	for line := range strings.Lines(said.String()) {
		if fields := strings.Fields(line); len(fields) == 4 && fields[0] != "product_sales" && fields[3] != "nothing" {
			t.Errorf("it changes %s", line)
		}
	}
	if year := holdsUntil(); year != "2262" {
		t.Errorf("after a rebuild until %s", year)
	}
	if code, said := audit(t, data); code != exitDone {
		t.Errorf("audit exited %d: %s", code, said)
	}
	store := filepath.Join(t.TempDir(), "store.yaml")
	writeText(t, store, `apiVersion: tillstream/v1
kind: Calendar
metadata: {name: morning}
spec: {week: {mon-fri: ["09:00-12:00"]}}
---
apiVersion: tillstream/v1
kind: Store
metadata: {name: "0001"}
spec: {timezone: Europe/Berlin, calendar: morning}
`)
	said.Reset()
	if code, stderr := tillstream(t, &said, "apply", "--data", data, "-f", store, "--yes", "--reason", "a test"); code != exitDone {
		t.Fatalf("apply exited %d: %s", code, stderr)
	}
	says(t, said.String(), "tillstream rebuild --data "+data+" --from 2026-11 --to 2026-11 --dry-run")
}
