package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/zap"
)

func TestEngineKeepsDataAndAddressThroughKills(t *testing.T) {
	e := startTestEngine(t, t.TempDir())
	base, native := "http://"+e.HTTPAddr(), e.NativeAddr()
	run(t, base, "CREATE TABLE kept (n UInt64) ENGINE = MergeTree ORDER BY n", "INSERT INTO kept SELECT number FROM numbers(1000)")
	for range 2 {
		killed := e.child.Load()
		killed.Kill()
		eventually(t, "the data are back", func() bool {
			if e.child.Load() == killed {
				return false
			}
			_, body := query(t, base, "SELECT count(), sum(n) FROM kept")
			return body == "1000\t499500"
		})
	}
	if n := e.Restarts(); n < 2 || e.NativeAddr() != native {
		t.Errorf("%d restarts, want at least 2; native address %s, before %s", n, e.NativeAddr(), native)
	}
}

// A client that has gone when its answer comes is no reason to end: a write to it fails, and raises no signal, in Go's threads or in others.
func TestEngineIgnoresBrokenPipes(t *testing.T) {
	e := startTestEngine(t, t.TempDir())
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", e.child.Load().Pid()))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "SigIgn:\t")
	mask, _, _ := strings.Cut(rest, "\n")
	ignored, err := strconv.ParseUint(mask, 16, 64)
	if err != nil || ignored>>(syscall.SIGPIPE-1)&1 == 0 {
		t.Errorf("it ignores signals %q (%v), and not SIGPIPE", mask, err)
	}
}

func TestEngineGoesOnWhereItWasClosed(t *testing.T) {
	t.Setenv("TZ", "America/New_York")
	dir := filepath.Join(t.TempDir(), "a b & <c>")
	e := startTestEngine(t, dir)
	base := "http://" + e.HTTPAddr()
	run(t, base, "CREATE TABLE kept (n UInt64, v UInt64) ENGINE = MergeTree ORDER BY n", "INSERT INTO kept SELECT number, 0 FROM numbers(1000)",
		"ALTER TABLE kept UPDATE v = 1 WHERE n < 10 SETTINGS mutations_sync = 1") // the small pool has room for mutations
	child := e.child.Load()
	for range 2 { // the second does nothing
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if child.Reason() != "exit status 0" {
		t.Errorf("the engine ended with %s", child.Reason())
	}
	if dsn, ok := Running(t.Context(), dir); ok {
		t.Errorf("a closed engine is said to run at %s", dsn)
	}
	e = startTestEngine(t, dir)
	if _, body := query(t, "http://"+e.HTTPAddr(), "SELECT count(), sum(v), toHour(toDateTime(0)), getServerSetting('max_server_memory_usage') FROM kept"); body != "1000\t10\t0\t4294967296" {
		t.Errorf("got %q", body)
	}
}

func TestSecondEngineOnOneDirectoryIsRefused(t *testing.T) {
	dir := t.TempDir()
	e := startTestEngine(t, dir)
	_, err := StartEngine(t.Context(), EngineConfig{Dir: dir, MemoryBytes: 1 << 30, Log: zap.NewNop()})
	if !errors.Is(err, ErrLocked) {
		t.Fatalf("got %v", err)
	}
	for _, part := range []string{"--data", "process " + strconv.Itoa(os.Getpid()), e.HTTPAddr()} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in %q", part, err)
		}
	}
	config, err := os.ReadFile(e.path("config.xml"))
	if err != nil || !strings.Contains(string(config), e.id) {
		t.Errorf("the second engine changed the first one's configuration: %v", err)
	}
	if dsn, ok := Running(t.Context(), dir); !ok || dsn != e.DSN() {
		t.Errorf("the running engine was not found: %q, %v", dsn, ok)
	}
}

// A port that a dead engine had may be another's now, with other data.
func TestStaleEndpointIsNotBelieved(t *testing.T) {
	e, dir := startTestEngine(t, t.TempDir()), t.TempDir()
	for name, content := range map[string]string{
		"none": "", "broken": "{", "of another engine": `{"http":"` + e.HTTPAddr() + `","dsn":"` + e.DSN() + `","id":"gone"}`, "of nobody": `{"http":"127.0.0.1:1","id":"gone"}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, endpointName), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if dsn, ok := Running(t.Context(), dir); ok {
			t.Errorf("%s: found %q", name, dsn)
		}
	}
}

func TestEngineEndsWithItsParentAndTheDataAreFree(t *testing.T) {
	dir := t.TempDir()
	pid, kill := helper(t, asEngine, dir)
	kill()
	startTestEngine(t, dir) // at once
	eventually(t, "process "+pid+" has ended", func() bool {
		stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
		return err != nil || strings.Contains(string(stat), ") Z ") // only its entry is left
	})
}

func TestEngineThatCannotStartSaysWhy(t *testing.T) {
	text := filepath.Join(t.TempDir(), "libchdb.so")
	if err := os.WriteFile(text, []byte("no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := StartEngine(t.Context(), EngineConfig{Dir: t.TempDir(), Library: text, Log: zap.NewNop()})
	if err == nil || !strings.Contains(err.Error(), "loading "+text) || !strings.Contains(err.Error(), LibraryEnv) || !strings.Contains(err.Error(), "--clickhouse") {
		t.Errorf("with a library that is none: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	if _, err := StartEngine(ended, EngineConfig{Dir: dir, Log: zap.NewNop()}); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of its context: %v", err)
	}
	startTestEngine(t, dir) // what was given up holds nothing
}
