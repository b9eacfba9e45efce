package embedded

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"go.uber.org/goleak"
	"go.uber.org/zap"
)

// parentEnv makes the test binary start an engine on a directory and wait to be killed.
const parentEnv = "TILLSTREAM_TEST_ENGINE_PARENT"

func TestMain(m *testing.M) {
	RunChildIfAsked()
	if dir := os.Getenv(parentEnv); dir != "" {
		beParent(dir)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

func beParent(dir string) {
	lib, err := Library(context.Background(), func(string) {})
	if err == nil {
		var e *Engine
		if e, err = StartEngine(context.Background(), EngineConfig{Dir: dir, Library: lib, Log: zap.NewNop()}); err == nil {
			fmt.Println(e.child.cmd.Process.Pid)
			_, _ = io.Copy(io.Discard, os.Stdin)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func startTestEngine(t *testing.T, dir string) *Engine {
	t.Helper()
	lib, err := Library(t.Context(), func(s string) { t.Log(s) })
	if err != nil {
		t.Fatal(err)
	}
	e, err := StartEngine(t.Context(), EngineConfig{Dir: dir, Library: lib, Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// query asks over HTTP as the given user and returns status and body.
func query(t *testing.T, base, sql string) (int, string) {
	t.Helper()
	res, err := http.Post(base, "text/plain", strings.NewReader(sql))
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, strings.TrimSpace(string(body))
}

func TestEngineKeepsDataThroughKills(t *testing.T) {
	e := startTestEngine(t, t.TempDir())
	defer e.Close()
	base := "http://" + e.HTTPAddr()
	for _, sql := range []string{"CREATE TABLE kept (n UInt64) ENGINE = MergeTree ORDER BY n", "INSERT INTO kept SELECT number FROM numbers(1000)"} {
		if code, body := query(t, base, sql); code != http.StatusOK {
			t.Fatal(body)
		}
	}
	for range 2 {
		e.mu.Lock()
		c := e.child
		e.mu.Unlock()
		if err := c.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-c.exited
		eventually(t, func() bool {
			_, body := query(t, base, "SELECT count(), sum(n) FROM kept")
			return body == "1000\t499500"
		})
	}
	if n := e.Restarts(); n < 2 {
		t.Errorf("%d restarts, want at least 2", n)
	}
}

// eventually polls until ok or the test's patience ends.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatal("it never happened")
		case <-tick.C:
		}
	}
}

func TestSecondEngineOnOneDirectoryIsRefused(t *testing.T) {
	dir := t.TempDir()
	e := startTestEngine(t, dir)
	defer e.Close()
	lib, err := Library(t.Context(), func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	_, err = StartEngine(t.Context(), EngineConfig{Dir: dir, Library: lib, Log: zap.NewNop()})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "--data") {
		t.Errorf("got %v", err)
	}
	if dsn, ok := Running(t.Context(), dir); !ok || !strings.HasPrefix(dsn, "http://") {
		t.Errorf("the running engine was not found: %q, %v", dsn, ok)
	}
}

func TestEngineEndsWithItsParent(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), parentEnv+"="+t.TempDir())
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	eventually(t, func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || zombie(pid) })
}

// zombie says that a process has ended and only its entry is left.
func zombie(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err == nil && strings.Contains(string(stat), ") Z ")
}

func TestProxy(t *testing.T) {
	e := startTestEngine(t, t.TempDir())
	defer e.Close()
	direct := "http://" + e.HTTPAddr()
	for _, sql := range []string{
		"CREATE DATABASE pos", "CREATE DATABASE tillstream", "CREATE TABLE tillstream.inner (n UInt8) ENGINE = MergeTree ORDER BY n",
		"INSERT INTO tillstream.inner VALUES (7)", "CREATE VIEW pos.outer SQL SECURITY DEFINER AS SELECT n FROM tillstream.inner",
	} {
		if code, body := query(t, direct, sql); code != http.StatusOK {
			t.Fatalf("%s: %s", sql, body)
		}
	}
	server := httptest.NewServer(e.Proxy())
	defer server.Close()
	if code, body := query(t, server.URL, "SELECT n FROM pos.outer"); code != http.StatusOK || body != "7" {
		t.Errorf("reading pos: %d %s", code, body)
	}
	for _, c := range []struct{ query, sql string }{
		{"", "SELECT n FROM tillstream.inner"},
		{"", "CREATE TABLE pos.mine (n UInt8) ENGINE = Memory"},
		{"", "INSERT INTO tillstream.inner VALUES (8)"},
		{"?user=default", "INSERT INTO tillstream.inner VALUES (8)"},
		{"?user=default", "SELECT n FROM tillstream.inner"},
	} {
		if code, body := query(t, server.URL+"/"+c.query, c.sql); code == http.StatusOK {
			t.Errorf("%s %s was allowed: %s", c.query, c.sql, body)
		}
	}

	// What aborts the engine when it comes straight.
	addr, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range []string{"GARBAGE\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "POST / HTTP/1.1\r\nContent-Len", "\x16\x03\x01\x02\x00\x01\x00", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", strings.Repeat("A", 100_000)} {
		conn, err := net.Dial("tcp", addr.Host)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, raw)
		_ = conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
		conn.Close()
	}
	if code, body := query(t, server.URL, "SELECT n FROM pos.outer"); code != http.StatusOK || body != "7" || e.Restarts() != 0 {
		t.Errorf("after malformed requests: %d %s, %d restarts", code, body, e.Restarts())
	}
}

func TestBrokerKeepsTopicsMessagesAndMetadata(t *testing.T) {
	dir := t.TempDir()
	start := func() (*Broker, *kafka.Client) {
		b, err := StartBroker(BrokerConfig{Dir: dir, Log: zap.NewNop()})
		if err != nil {
			t.Fatal(err)
		}
		return b, &kafka.Client{Addr: kafka.TCP(b.Addrs()...), Transport: &kafka.Transport{}, Timeout: 10 * time.Second}
	}
	b, c := start()
	if _, err := c.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: "t", NumPartitions: 1, ReplicationFactor: 1}}}); err != nil {
		t.Fatal(err)
	}
	w := &kafka.Writer{Addr: c.Addr, Topic: "t", Transport: c.Transport, RequiredAcks: kafka.RequireAll, BatchTimeout: time.Millisecond}
	if err := w.WriteMessages(t.Context(), kafka.Message{Value: []byte("kept")}); err != nil {
		t.Fatal(err)
	}
	w.Close()
	res, err := c.OffsetCommit(t.Context(), &kafka.OffsetCommitRequest{GroupID: "g", GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{"t": {{Offset: 1, Metadata: "intent"}}}})
	if err != nil || res.Topics["t"][0].Error != nil {
		t.Fatal(err, res)
	}
	meta, err := c.Metadata(t.Context(), &kafka.MetadataRequest{})
	if err != nil {
		t.Fatal(err)
	}
	c.Transport.(*kafka.Transport).CloseIdleConnections()
	b.Close()

	b, c = start()
	defer b.Close()
	defer c.Transport.(*kafka.Transport).CloseIdleConnections()
	again, err := c.Metadata(t.Context(), &kafka.MetadataRequest{})
	if err != nil || again.ClusterID != meta.ClusterID || len(again.Topics) == 0 {
		t.Errorf("cluster %v then %v, %v", meta, again, err)
	}
	got, err := c.OffsetFetch(t.Context(), &kafka.OffsetFetchRequest{GroupID: "g", Topics: map[string][]int{"t": {0}}})
	if err != nil || got.Topics["t"][0].Metadata != "intent" || got.Topics["t"][0].CommittedOffset != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: b.Addrs(), Topic: "t", MaxWait: 10 * time.Millisecond})
	defer r.Close()
	if m, err := r.ReadMessage(t.Context()); err != nil || string(m.Value) != "kept" {
		t.Errorf("%q, %v", m.Value, err)
	}
}
