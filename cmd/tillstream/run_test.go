package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"
	"go.uber.org/zap"

	"github.com/tillstream/tillstream/deploy/embedded"
	"github.com/tillstream/tillstream/processor/commit"
)

// writeConfig makes a configuration file for tests on this machine. Members stay in their group however long they get no turn; where one is killed,
// the others had better miss it soon (missedSoon).
func writeConfig(t *testing.T, broker, dsn, more string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tillstream.yaml")
	text := fmt.Sprintf(`
kafka: {brokers: [%q], group: tests, session_timeout: 2m, heartbeat_interval: 500ms, rebalance_timeout: 2m}
clickhouse: {dsn: %q}
privacy: {secret: a secret of many bytes}
processor: {heartbeat_timeout: 50h, batch_records: 400}
listen: ""
%s`, broker, dsn, more)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// missedSoon is a configuration with which a member that is killed is missed after seconds.
func missedSoon(t *testing.T, cfg string) string {
	t.Helper()
	return edited(t, edited(t, cfg, "session_timeout: 2m", "session_timeout: 10s"), "rebalance_timeout: 2m", "rebalance_timeout: 10s")
}

// The way of production: ingest into topics, members of the group that come and go while they fold, and a clean end that leaves no
// intent behind. Against the same independent computation as the demo.
func TestPipelineMembersComeAndGo(t *testing.T) {
	t.Parallel()
	data, broker := t.TempDir(), ownKafka(t).Addr()
	defer holdEngine(t, data)()
	dsn, ok := embedded.Running(t.Context(), engineDir(data))
	if !ok {
		t.Fatal("the engine does not answer")
	}
	cfg := writeConfig(t, broker, dsn, "")
	client := &kafka.Client{Addr: kafka.TCP(broker), Transport: &kafka.Transport{DialTimeout: patience}, Timeout: patience}
	defer client.Transport.(*kafka.Transport).CloseIdleConnections()

	for _, topic := range []string{"pos.transactions", "pos.health"} {
		res, err := client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: 4, ReplicationFactor: 1}}})
		if err != nil || res.Errors[topic] != nil {
			t.Fatal(err, res)
		}
	}
	first := startMember(t, cfg)
	for _, file := range []string{"transactions-2017-01.jsonl.zst", "health-2025-2026.jsonl.zst"} {
		if code, stderr := tillstream(t, io.Discard, "ingest", "--config", cfg, sharedFile(t, file)); code != exitDone {
			t.Fatalf("ingest exited %d: %s", code, stderr)
		}
	}
	want := computeRealMonth(t, []byte("a secret of many bytes"))
	all := int64(want.sales + want.reports)
	folded := func() int64 {
		var out strings.Builder
		code, _ := tillstream(t, &out, "sql", "--dsn", dsn, "--format", "csv", "SELECT toInt64(sum(records)) FROM pos.ledger")
		if code != exitDone {
			return 0 // not migrated yet
		}
		n, err := strconv.ParseInt(strings.Fields(out.String())[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	await := func(n int64) {
		until(t, fmt.Sprint(n, " events"), func() bool { return folded() >= n }, func() string { return fmt.Sprint(folded(), " were folded") })
	}
	await(all / 10)
	second := startMember(t, cfg)
	await(all / 3)
	first.stop()
	await(all)
	second.stop()

	if n := folded(); n != all {
		t.Errorf("%d events folded, %d sent", n, all)
	}
	compareRealMonth(t, want, heldRealMonth(t, data))
	if code, said := audit(t, data); code != exitDone {
		t.Errorf("audit exited %d: %s", code, said)
	}
	res, err := client.OffsetFetch(t.Context(), &kafka.OffsetFetchRequest{GroupID: "tests", Topics: map[string][]int{"pos.transactions": {0, 1, 2, 3}, "pos.health": {0, 1, 2, 3}}})
	if err != nil {
		t.Fatal(err)
	}
	for topic, partitions := range res.Topics {
		for _, p := range partitions {
			if m, ok := commit.ParseMetadata(p.Metadata); !ok || m.Pending {
				t.Errorf("%s:%d was left with %q", topic, p.Partition, p.Metadata)
			}
		}
	}
}

// What a user gets wrong ends in one clear sentence, at once, with the right exit code.
func TestRefusals(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	defer holdEngine(t, data)()
	dsn, ok := embedded.Running(t.Context(), engineDir(data))
	if !ok {
		t.Fatal("the engine does not answer")
	}
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Dir: t.TempDir(), Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	addr := broker.Addrs()[0]
	client := &kafka.Client{Addr: kafka.TCP(addr), Transport: &kafka.Transport{DialTimeout: patience}, Timeout: patience}
	defer client.Transport.(*kafka.Transport).CloseIdleConnections()
	for topic, n := range map[string]int{"three": 3, "four": 4} {
		if _, err := client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: n, ReplicationFactor: 1}}}); err != nil {
			t.Fatal(err)
		}
	}
	const nobody = "127.0.0.1:1"
	csv := filepath.Join(t.TempDir(), "sales.csv")
	if err := os.WriteFile(csv, []byte("store,amount\n42,3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := writeConfig(t, addr, dsn, "")
	secretless := writeConfig(t, addr, dsn, "")
	text, err := os.ReadFile(secretless)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(secretless, []byte(strings.ReplaceAll(string(text), "privacy: {secret: a secret of many bytes}", "")), 0o600); err != nil {
		t.Fatal(err)
	}
	unequal := filepath.Join(t.TempDir(), "unequal.yaml")
	if err := os.WriteFile(unequal, []byte(strings.Replace(string(text), "group: tests", "group: tests, topics: [three, four]", 1)), 0o600); err != nil {
		t.Fatal(err)
	}

	for _, c := range []struct {
		name string
		args []string
		code int
		says []string
	}{
		{"no command", []string{"dance"}, exitUsage, []string{"dance", "--help"}},
		{"nothing asked for", []string{"sql"}, exitUsage, []string{"<query>", "tillstream sql --help"}},
		{"no configuration", []string{"run", "--config", "/nowhere/at/all"}, exitUsage, []string{"/nowhere/at/all", "tillstream config print > FILE"}},
		{"no demo to send to", []string{"ingest", "--data", "/nowhere/at/all", csv}, exitUsage, []string{"there is no demo in /nowhere/at/all"}},
		{"no such view", []string{"sql", "--dsn", dsn, "SELECT * FROM pos.sale"}, exitFailed, []string{"SHOW TABLES FROM pos"}},
		{"a format in the query", []string{"sql", "--dsn", dsn, "SELECT 1 FORMAT Vertical;"}, exitFailed, []string{"leave FORMAT out", "--format"}},
		{"nobody answers", []string{"ready", "--addr", nobody}, exitFailed, []string{nobody, "--addr"}},
		{"no rows", []string{"sql", "--dsn", dsn, "SELECT 1 WHERE 0"}, exitDone, []string{"no rows"}},
		{"no such file", []string{"ingest", "--config", good, "/nowhere/at/all"}, exitFailed, []string{"/nowhere/at/all"}},
		{"not JSON lines", []string{"ingest", "--config", good, csv}, exitFailed, []string{"line 1 is not a JSON object", "one object a line"}},
		{"broker away", []string{"ingest", "--config", writeConfig(t, nobody, dsn, ""), csv}, exitFailed, []string{nobody}},
		{"ClickHouse away", []string{"run", "--config", writeConfig(t, addr, "http://default@"+nobody+"/default", "")}, exitFailed, []string{nobody}},
		{"wrong password", []string{"run", "--config", writeConfig(t, addr, strings.Replace(dsn, "default@", "default:wrong@", 1), "")}, exitFailed, []string{"password"}},
		{"no secret", []string{"run", "--config", secretless}, exitUsage, []string{"privacy.secret", "privacy.secret_file"}},
		{"unequal partitions", []string{"run", "--config", unequal}, exitFailed, []string{"three", "four", "3", "4"}},
		{"bad key", []string{"config", "check", writeConfig(t, addr, dsn, "colour: red")}, exitUsage, []string{"colour"}},
		{"no demo there", []string{"sql", "--data", t.TempDir(), "SELECT 1"}, exitUsage, []string{"there is no demo in", "tillstream demo"}},
		{"bad SQL", []string{"sql", "--dsn", dsn, "SELEKT 1"}, exitFailed, []string{"Syntax error"}},
		{"disk full", []string{"simulate", "--stores", "1", "--days", "1", "--out", "/dev/full"}, exitFailed, []string{"no space left on device"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := patient(t)
			defer cancel()
			var stdout strings.Builder
			code, stderr := tillstreamWith(t, ctx, strings.NewReader(""), &stdout, c.args...)
			if code != c.code || ctx.Err() != nil {
				t.Errorf("exit %d (%v), want %d: %s", code, ctx.Err(), c.code, stderr)
			}
			for _, s := range c.says {
				if !strings.Contains(stderr, s) {
					t.Errorf("%q lacks %q", stderr, s)
				}
			}
		})
	}
}

// Lines that are broken among good ones become dead letters with a reason; the good ones are folded.
func TestPipelineBrokenLines(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	file := filepath.Join(t.TempDir(), "mixed.jsonl")
	sale := func(n int, field string) string {
		return fmt.Sprintf(`{"id":"t/%d","source":"t","type":"pos.transaction.v1","time":"2026-11-01T10:00:00+01:00","store_id":"s","terminal_id":"t","sequence":%d,"kind":"sale","currency":"EUR","lines":[{"line":1,"product_id":"a","quantity":1,"gross":100}],"totals":{"gross":100,"discount":0,"net":100}%s}`, n, n, field)
	}
	lines := []string{
		sale(1, ""), sale(2, "")[:60], "not json", `{"type":"pos.transaction.v1"}`, sale(2, `,"order_id":"card 4111111111111111"`),
		sale(3, `,"reserve":{"signature":"`+strings.Repeat("x", 2<<20)+`"}`), strings.Replace(sale(4, ""), `"gross":100`, `"gross":"100"`, 1),
		strings.Replace(sale(5, ""), "2026-11-01", "1999-01-01", 1), strings.Replace(sale(6, ""), "2026-11-01", "2126-11-01", 1), sale(1, ""), sale(7, "\xff"),
		strings.Replace(sale(8, ""), "pos.transaction.v1", "pos.weather.v1", 1), strings.Replace(sale(9, ""), `"gross":100`, `"gross":1e30`, 1),
		strings.Replace(sale(10, ""), `"gross":100`, `"gross":99999999999999999999`, 1),
	}
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, stderr := tillstream(t, io.Discard, append(onKafka(testKafka(t)), "--once", "--data", data, "--input", file)...); code != exitDone {
		t.Fatalf("demo exited %d: %s", code, stderr)
	}
	defer holdEngine(t, data)()
	want := table{
		"malformed_json": "2", "missing_field": "1", "too_large": "1", "wrong_type": "2", "too_old": "1", "future": "1", "invalid_utf8": "1",
		"unknown_type": "1", "out_of_range": "1",
	}
	got := asked(t, data, 1, "SELECT reason, count() FROM pos.dead_letters GROUP BY reason")
	for reason, n := range want {
		if got[reason] != n {
			t.Errorf("%s: %s dead letters, want %s (all: %v)", reason, got[reason], n, got)
		}
	}
	if got := asked(t, data, 1, "SELECT store_id, sum(transactions), sum(net) FROM pos.sales_hourly GROUP BY store_id"); len(got) != 1 || got["s"] != "2 2" {
		t.Errorf("sales: %v, want two of 1.00", got)
	}
	if got := asked(t, data, 1, "SELECT terminal_id, sum(accepted), sum(duplicates), sum(pan_masked), sum(missing) FROM pos.data_quality WHERE terminal_id = 't' GROUP BY terminal_id"); got["t"] != "2 1 1 0" {
		t.Errorf("quality: %v", got)
	}
	if code, said := audit(t, data); code != exitDone {
		t.Errorf("audit exited %d: %s", code, said)
	}
}
