package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"

	"github.com/tillstream/tillstream/console"
	"github.com/tillstream/tillstream/deploy/embedded"
)

// pipeline is one Kafka and one ClickHouse of a test's own.
type pipeline struct {
	t                 *testing.T
	data, dsn, broker string
}

func newPipeline(t *testing.T) *pipeline {
	t.Helper()
	p := &pipeline{t: t, data: t.TempDir(), broker: ownKafka(t).Addr()}
	t.Cleanup(holdEngine(t, p.data))
	var ok bool
	if p.dsn, ok = embedded.Running(t.Context(), engineDir(p.data)); !ok {
		t.Fatal("the engine does not answer")
	}
	return p
}

// do runs a command that must succeed and returns what it printed.
func (p *pipeline) do(args ...string) string {
	p.t.Helper()
	var out strings.Builder
	if code, stderr := tillstream(p.t, &out, args...); code != exitDone {
		p.t.Fatalf("%v exited %d: %s\n%s", args, code, stderr, out.String())
	}
	return out.String()
}

// number asks for one number; 0 while the tables are not there.
func (p *pipeline) number(query string) int64 {
	p.t.Helper()
	var out strings.Builder
	if code, _ := tillstream(p.t, &out, "sql", "--dsn", p.dsn, "--format", "csv", query); code != exitDone {
		return 0
	}
	n, err := strconv.ParseInt(strings.Fields(out.String())[1], 10, 64)
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

// fold runs a member until the ledger accounts for so many offsets.
func (p *pipeline) fold(cfg string, offsets int64) {
	p.t.Helper()
	m := startMember(p.t, cfg)
	defer m.stop()
	until(p.t, fmt.Sprint(offsets, " offsets"), func() bool { return p.accounted() >= offsets }, func() string {
		return fmt.Sprintf("%d were folded; the member said:\n%s", p.accounted(), m.tail(8000))
	})
}

// accounted is how many offsets the ledger accounts for.
func (p *pipeline) accounted() int64 {
	return p.number("SELECT toInt64(sum(records + duplicates + rejected)) AS n FROM pos.ledger")
}

// until waits until the ledger accounts for so many offsets.
func (p *pipeline) until(offsets int64) {
	p.t.Helper()
	until(p.t, fmt.Sprint(offsets, " offsets"), func() bool { return p.accounted() >= offsets }, func() string { return fmt.Sprint(p.accounted(), " were folded") })
}

// events makes a file of a simulated shop with its faults, and says how many lines it has.
func events(t *testing.T) (file string, n int64) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "events.jsonl")
	if code, stderr := tillstream(t, io.Discard, "simulate", "--stores", "1", "--tills", "2", "--days", "1", "--until", "2026-11-01T00:00:00Z", "--out", file); code != exitDone {
		t.Fatalf("simulate exited %d: %s", code, stderr)
	}
	return file, int64(strings.Count(readText(t, file), "\n"))
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// edited is a copy of a configuration with one thing changed.
func edited(t *testing.T, cfg, was, is string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "edited.yaml")
	if err := os.WriteFile(path, []byte(strings.Replace(readText(t, cfg), was, is, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// console does what the console has an operator do.
func (p *pipeline) console(path string, what console.Replay) console.Replayed {
	p.t.Helper()
	cfg, err := loadConfig(&env{ctx: p.t.Context()}, path)
	if err != nil {
		p.t.Fatal(err)
	}
	sink, err := openSink(cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	defer sink.Close()
	kafka, err := openKafka(cfg, zap.NewNop())
	if err != nil {
		p.t.Fatal(err)
	}
	defer kafka.close()
	done, err := consoleReplay(p.t.Context(), kafka, sink, what)
	if err != nil {
		p.t.Fatal(err)
	}
	return done
}

// A limit that was too small makes dead letters. With the right one they are sent again, once, twice, and after a crash before that was
// noted: always the same rows as if the limit had been right from the start.
func TestPipelineReplay(t *testing.T) {
	t.Parallel()
	file, n := events(t)
	right := newPipeline(t)
	rightCfg := writeConfig(t, right.broker, right.dsn, "")
	right.do("ingest", "--config", rightCfg, file)
	right.fold(rightCfg, n)
	rowsWithout := func(p *pipeline) map[string]string { // rejected tells what happened on the way
		rows := rowsOf(t, p.data)
		rows["data_quality"] = p.do("sql", "--dsn", p.dsn, "SELECT topic, terminal_id, business_date, accepted, missing FROM pos.data_quality WHERE accepted > 0 ORDER BY ALL")
		return rows
	}
	want := rowsWithout(right)
	hopeless := right.number("SELECT toInt64(count()) AS n FROM pos.dead_letters") // whatever the limit

	p := newPipeline(t)
	mended := writeConfig(t, p.broker, p.dsn, "")
	small := edited(t, mended, "processor: {", "processor: {max_event_bytes: 1KiB, ")
	p.do("ingest", "--config", mended, file)
	p.fold(small, n)
	large := p.number("SELECT toInt64(count()) AS n FROM pos.dead_letters WHERE reason = 'too_large'")
	mendable := p.number("SELECT toInt64(count()) AS n FROM pos.dead_letters") - hopeless
	if mendable < 50 {
		t.Fatalf("%d dead letters can be mended; the test wants more", mendable)
	}
	if said := p.do("deadletters", "list", "--config", mended, "--format", "csv"); !strings.Contains(said, fmt.Sprintf("pos.transactions,too_large,,%d,0,", large)) {
		t.Errorf("list lacks %d of too_large: %s", large, said)
	}
	if said := p.do("deadletters", "list", "--config", mended, "--payload", "--reason", "too_large"); strings.Count(said, "\n") != 3 || !strings.Contains(said, `\"type\":\"pos.transaction.v1\"`) {
		t.Errorf("three examples with their events should be listed: %s", said)
	}
	if said := p.do("deadletters", "replay", "--config", small); !strings.Contains(said, "0 sent again") || !strings.Contains(said, fmt.Sprintf("%d that would be rejected again: too_large", large)) {
		t.Errorf("with the same limit nothing should be sent: %s", said)
	}
	if said := p.do("deadletters", "replay", "--config", mended, "--dry-run"); !strings.Contains(said, fmt.Sprintf("%d would be sent again", mendable)) {
		t.Errorf("a dry run should count %d: %s", mendable, said)
	}
	one := strings.Fields(p.do("sql", "--dsn", p.dsn, "--format", "csv", "SELECT concat(topic, ':', toString(partition), ':', toString(offset)) AS o FROM pos.dead_letters WHERE reason = 'too_large' ORDER BY o LIMIT 1"))[1]
	if said := p.do("deadletters", "replay", "--config", mended, "--offsets", one); !strings.Contains(said, "pos.transactions: 1 sent again") {
		t.Errorf("one letter: %s", said)
	}
	said := p.do("deadletters", "replay", "--config", mended)
	if !strings.Contains(said, fmt.Sprintf("pos.transactions: %d sent again", mendable-1)) || !strings.Contains(said, "left out: 1 that were sent again before") {
		t.Errorf("want %d sent and 1 left out: %s", mendable-1, said)
	}
	n += mendable
	p.fold(mended, n)
	if d := cmp.Diff(want, rowsWithout(p)); d != "" {
		t.Errorf("rows after the replay (-right from the start +replayed):\n%s", d)
	}
	if left := p.number("SELECT toInt64(countIf(replayed_at IS NULL)) AS n FROM pos.dead_letters"); left != hopeless {
		t.Errorf("%d letters are not replayed, want %d", left, hopeless)
	}
	if said := p.do("deadletters", "replay", "--config", mended); !strings.Contains(said, "0 sent again") {
		t.Errorf("a second replay should send nothing: %s", said)
	}

	p.do("sql", "--dsn", p.dsn, "TRUNCATE TABLE tillstream.dead_letter_replays") // as if it had died before it noted what it sent
	if got := p.console(mended, console.Replay{Topic: "pos.transactions", Reason: "too_large", By: "ann", DryRun: true}); int64(got.Sent) != large || !strings.Contains(got.Lines[0], "would be sent again") {
		t.Errorf("a try in the console should count %d: %+v", large, got)
	}
	if got := p.console(mended, console.Replay{Topic: "pos.transactions", Reason: "too_large", By: "ann"}); int64(got.Sent) != large {
		t.Errorf("the console should send %d: %+v", large, got)
	}
	if by := p.number("SELECT toInt64(countIf(replayed_by = 'ann')) AS n FROM tillstream.dead_letter_replays"); by != large {
		t.Errorf("%d letters are noted with who sent them, want %d", by, large)
	}
	if said := p.do("deadletters", "replay", "--config", mended); !strings.Contains(said, fmt.Sprintf("left out: %d that were sent again before", large)) {
		t.Errorf("the others: %s", said)
	}
	p.do("deadletters", "replay", "--config", mended, "--again", "--reason", "too_large", "--since", "2020-01-01", "--until", "2099-01-01T00:00:00Z")
	n += 2 * mendable
	p.fold(mended, n)
	if d := cmp.Diff(want, rowsWithout(p)); d != "" {
		t.Errorf("rows after three replays (-right from the start +replayed):\n%s", d)
	}
	if code, said := audit(t, p.data); code != exitDone {
		t.Errorf("audit exited %d: %s", code, said)
	}
}

// What was cut in its letter is read from its own topic; what a replay cannot help is left out, with the reason.
func TestPipelineReplayLeavesOut(t *testing.T) {
	t.Parallel()
	p := newPipeline(t)
	cfg := writeConfig(t, p.broker, p.dsn, "")
	strict := edited(t, cfg, "processor: {", "processor: {max_lateness: 1h, ")
	generous := edited(t, cfg, "processor: {", "processor: {max_lateness: 72h, max_event_bytes: 4MiB, ")
	sale := func(n int, age time.Duration, more string) string {
		return fmt.Sprintf(`{"id":"t/%d","source":"t","type":"pos.transaction.v1","time":%q,"store_id":"s","terminal_id":"t","sequence":%d,"kind":"sale","currency":"EUR","lines":[{"line":1,"product_id":"a","quantity":1,"gross":100}],"totals":{"gross":100,"discount":0,"net":100}%s}`,
			n, time.Now().Add(-age).Format(time.RFC3339), n, more)
	}
	file := filepath.Join(t.TempDir(), "events.jsonl")
	lines := []string{
		sale(1, 0, ""), sale(2, 48*time.Hour, ""), sale(3, 96*time.Hour, ""), sale(4, -time.Hour, ""), sale(5, 0, `,"reserve":{"signature":"`+strings.Repeat("x", 2<<20)+`"}`),
		`{"type":"pos.transaction.v1"}`,
	}
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	p.do("ingest", "--config", cfg, file)
	p.fold(strict, 6)
	p.do("sql", "--dsn", p.dsn, "INSERT INTO tillstream.dead_letters (topic, partition, offset, at, reason) VALUES ('pos.transactions', 0, 1000000, now64(3), 'sequence_forgotten'), ('pos.transactions', 1, 1000000, now64(3), 'too_late')")

	said := p.do("deadletters", "replay", "--config", generous)
	want := []string{
		"pos.transactions: 2 sent again", "1 that would be rejected again: future", "1 that would be rejected again: too_late", "1 that would be rejected again: missing_field",
		"1 of sequence_forgotten, which a replay cannot help", "1 that are whole neither in pos.dead-letters nor",
	}
	for _, s := range want {
		if !strings.Contains(said, s) {
			t.Errorf("replay says nothing of %q:\n%s", s, said)
		}
	}
	p.fold(generous, 8)
	if got := asked(t, p.data, 1, "SELECT terminal_id, sum(accepted), sum(duplicates) FROM pos.data_quality WHERE terminal_id = 't' GROUP BY terminal_id"); got["t"] != "3 0" {
		t.Errorf("accepted and duplicates: %v, want 3 and 0", got)
	}
	code, stderr := tillstream(t, io.Discard, "deadletters", "replay", "--config", generous, "--offsets", "pos.transactions:0:77")
	if code != exitUsage || !strings.Contains(stderr, "no dead letter pos.transactions:0:77 is listed") {
		t.Errorf("a letter that is not listed: exit %d, %s", code, stderr)
	}
}
