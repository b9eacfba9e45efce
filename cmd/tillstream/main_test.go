package main

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/tillstream/tillstream/deploy/embedded"
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
