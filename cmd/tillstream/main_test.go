package main

import (
	"context"
	"io"
	"os"
	"strings"
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
		main()
	}
	os.Exit(m.Run())
}

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

// holdEngine keeps the embedded ClickHouse of a data directory running, so that queries in between find it.
func holdEngine(t *testing.T, data string) (release func()) {
	t.Helper()
	e := &env{ctx: t.Context(), environ: os.Environ(), stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard}
	engine, err := startEngine(e, data, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	}
}

// testKafka is the address of a fresh Apache Kafka of the test's own if TILLSTREAM_TEST_KAFKA is real; else "", for the embedded one.
func testKafka(t *testing.T) string {
	t.Helper()
	switch mode := os.Getenv("TILLSTREAM_TEST_KAFKA"); mode {
	case "":
		return ""
	case "real":
		k, err := realkafka.Start(t.Context(), realkafka.Config{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := k.Close(); err != nil {
				t.Error(err)
			}
		})
		return k.Addr()
	default:
		t.Fatalf("TILLSTREAM_TEST_KAFKA is %q; it takes real, or nothing", mode)
		return ""
	}
}
