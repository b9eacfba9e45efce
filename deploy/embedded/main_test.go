package embedded

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
)

// What the test binary is when it runs as a helper that will be killed; the value is the directory.
const (
	asEngine = "TILLSTREAM_TEST_AS_ENGINE" // prints the pid of ClickHouse
	asBroker = "TILLSTREAM_TEST_AS_BROKER" // prints the address of Kafka
)

func TestMain(m *testing.M) {
	RunChildIfAsked()
	if dir := os.Getenv(asEngine); dir != "" {
		e, err := StartEngine(context.Background(), EngineConfig{Dir: dir, Log: zap.NewNop()})
		if err == nil {
			waitToBeKilled(e.child.Load().Pid())
		}
		fmt.Println(err)
		os.Exit(1)
	}
	if dir := os.Getenv(asBroker); dir != "" {
		b, err := StartBroker(BrokerConfig{Dir: dir, Log: zap.NewNop()})
		if err == nil {
			waitToBeKilled(b.Addrs()[0])
		}
		fmt.Println(err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

func waitToBeKilled(say any) {
	fmt.Println(say)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// helper starts the test binary as one of the above and returns what it printed, and how to kill it with SIGKILL.
func helper(t *testing.T, as, dir string) (said string, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), as+"="+dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = stdin.Close()
	}
	t.Cleanup(kill) // once more does nothing
	said, err = bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(said), kill
}

// patience is for how long tests wait: longer than a busy machine takes.
const patience = 4 * time.Minute

// eventually polls until ok or the test's patience ends.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

func startTestEngine(t *testing.T, dir string) *Engine {
	t.Helper()
	e, err := StartEngine(t.Context(), EngineConfig{Dir: dir, Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// query asks over HTTP and returns status and body; status 0 says that there was no answer.
func query(t *testing.T, base, sql string) (status int, body string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := (&http.Client{Transport: transport}).Post(base, "text/plain", strings.NewReader(sql))
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, strings.TrimSpace(string(b))
}

// run runs statements that must succeed.
func run(t *testing.T, base string, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if status, body := query(t, base, sql); status != http.StatusOK {
			t.Fatalf("%s: %d %s", sql, status, body)
		}
	}
}
