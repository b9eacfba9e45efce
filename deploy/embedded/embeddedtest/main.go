// Package embeddedtest runs the tests of a package on one embedded ClickHouse.
package embeddedtest

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/zap"

	"github.com/tillstream/tillstream/deploy/embedded"
)

// Main is the TestMain of a package whose tests share an engine: it starts one on a directory of its own, hands it to use, runs the
// tests, stops it and gives the exit code. The process may also be the engine's child, and then Main does not return.
func Main(m *testing.M, use func(*embedded.Engine)) int {
	embedded.RunChildIfAsked()
	code, err := run(m, use)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func run(m *testing.M, use func(*embedded.Engine)) (int, error) {
	ctx := context.Background()
	library, err := embedded.Library(ctx, func(s string) { fmt.Fprintln(os.Stderr, s) })
	if err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "tillstream-test")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	engine, err := embedded.StartEngine(ctx, embedded.EngineConfig{Dir: dir, Library: library, Log: zap.NewNop()})
	if err != nil {
		return 0, err
	}
	defer engine.Close()
	use(engine)
	return m.Run(), nil
}
