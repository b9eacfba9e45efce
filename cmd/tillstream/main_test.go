package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap"

	"github.com/tillstream/tillstream/deploy/embedded"
	"github.com/tillstream/tillstream/deploy/embedded/realkafka"
)

// asProgram makes the test binary behave as the program itself, for tests that kill processes.
const asProgram = "TILLSTREAM_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	embedded.RunChildIfAsked()
	if os.Getenv(asProgram) != "" {
		profiled()
		main()
	}
	var err error
	if ofAll, err = os.MkdirTemp("", "tillstream-test"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	embedded.Spread(ofAll) // what a test deletes makes no other slower
	_ = os.Setenv("TMPDIR", ofAll)
	code := m.Run()
	_ = os.RemoveAll(ofAll)
	os.Exit(code)
}

var ofAll string // a directory of all tests of the process

// tillstream runs the program in this process and returns its exit code and what it wrote to standard error.
func tillstream(t *testing.T, stdout io.Writer, args ...string) (int, string) {
	t.Helper()
	return tillstreamWith(t, t.Context(), strings.NewReader(""), stdout, args...)
}

func tillstreamWith(t *testing.T, ctx context.Context, stdin io.Reader, stdout io.Writer, args ...string) (int, string) {
	t.Helper()
	var stderr strings.Builder
	code := run(&env{ctx: ctx, environ: os.Environ(), stdin: stdin, stdout: stdout, stderr: &stderr}, args)
	return code, stderr.String()
}

func TestThreadToSpare(t *testing.T) {
	cores := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(cores)
	for said, more := range map[string]int{"": 1, strconv.Itoa(cores): 0} {
		t.Setenv("GOMAXPROCS", said)
		runtime.GOMAXPROCS(cores)
		threadToSpare()
		if got := runtime.GOMAXPROCS(0); got != cores+more {
			t.Errorf("GOMAXPROCS=%s: Go uses %d threads on %d cores", said, got, cores)
		}
	}
}

// What newcomers try works.
func TestHelpAndVersion(t *testing.T) {
	for args, want := range map[string]string{"": "Usage: tillstream <command>", "help": "Usage: tillstream <command>", "help sql": "Usage: tillstream sql <query>", "--version": "tillstream "} {
		var out strings.Builder
		if code, stderr := tillstream(t, &out, strings.Fields(args)...); code != exitDone || !strings.HasPrefix(out.String(), want) {
			t.Errorf("tillstream %s: exit %d: %s%s", args, code, out.String(), stderr)
		}
	}
}

// migrated is a data directory whose ClickHouse has this binary's tables and nothing in them. It is made once a process: making the tables takes more CPU than
// most tests do. That they are made out of nothing is tested where a demo begins, and in sinks/clickhouse.
var migrated = sync.OnceValues(func() (dir string, err error) {
	dir = filepath.Join(ofAll, "migrated")
	e := &env{ctx: context.Background(), environ: os.Environ(), stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard}
	engine, err := startEngine(e, dir, zap.NewNop())
	if err != nil {
		return dir, err
	}
	var said strings.Builder
	e.stderr = &said
	if code := run(e, []string{"migrate", "--dsn", engine.DSN()}); code != exitDone {
		err = errors.New(said.String())
	}
	return dir, errors.Join(err, engine.Close())
})

// openEngine keeps the embedded ClickHouse of a data directory running, so that queries in between find it. A new one has this binary's tables.
func openEngine(t *testing.T, data string) *embedded.Engine {
	t.Helper()
	const kept = "data" // of the engine's directory; the rest is about one process
	if _, err := os.Stat(filepath.Join(engineDir(data), kept)); errors.Is(err, fs.ErrNotExist) {
		from, err := migrated()
		if err == nil {
			err = os.CopyFS(filepath.Join(engineDir(data), kept), os.DirFS(filepath.Join(engineDir(from), kept)))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	e := &env{ctx: t.Context(), environ: os.Environ(), stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard}
	engine, err := startEngine(e, data, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

func holdEngine(t *testing.T, data string) (release func()) {
	t.Helper()
	engine := openEngine(t, data)
	return func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	}
}

// broker is a Kafka that can be killed and started again on its address and data.
type broker interface {
	Addr() string
	Kill()
	Restart(ctx context.Context) error
	Close() error
}

// ownKafka is the broker of a test: Apache Kafka if TILLSTREAM_TEST_KAFKA is real, else the embedded one.
func ownKafka(t *testing.T) broker {
	t.Helper()
	var b broker
	switch mode := os.Getenv("TILLSTREAM_TEST_KAFKA"); mode {
	case "":
		e := &embeddedKafka{cfg: embedded.BrokerConfig{Dir: t.TempDir(), Log: zap.NewNop()}}
		if err := e.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		b = e
	case "real":
		k, err := realkafka.Start(t.Context(), realkafka.Config{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		b = k
	default:
		t.Fatalf("TILLSTREAM_TEST_KAFKA is %q; it takes real, or nothing", mode)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// testKafka is the address of a fresh Apache Kafka of the test's own if TILLSTREAM_TEST_KAFKA is real; else "", for the embedded one.
func testKafka(t *testing.T) string {
	t.Helper()
	if os.Getenv("TILLSTREAM_TEST_KAFKA") == "" {
		return ""
	}
	return ownKafka(t).Addr()
}

// embeddedKafka is the embedded broker as one that can be away. It lives in this process, so it cannot be killed, only closed.
type embeddedKafka struct {
	cfg embedded.BrokerConfig
	*embedded.Broker
}

func (k *embeddedKafka) Addr() string { return k.Addrs()[0] }

func (k *embeddedKafka) Kill() { k.Broker.Close() }

func (k *embeddedKafka) Close() error {
	k.Broker.Close()
	return nil
}

func (k *embeddedKafka) Restart(context.Context) error {
	if k.Broker != nil {
		k.Broker.Close()
	}
	var err error
	if k.Broker, err = embedded.StartBroker(k.cfg); err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(k.Addr())
	if err != nil {
		return err
	}
	k.cfg.Port, err = strconv.Atoi(port)
	return err
}
