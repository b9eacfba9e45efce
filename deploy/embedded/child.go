package embedded

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

const (
	// childEnv makes a process of this binary the engine; its value is the library to load.
	childEnv = "TILLSTREAM_ENGINE_CHILD"
	// exitUnloaded of a child says that the library cannot be used on this machine.
	exitUnloaded = 3
)

// RunChildIfAsked turns this process into the engine if it was started as one, and then does not return. main calls it first, and so
// does TestMain of tests that start an engine.
func RunChildIfAsked() {
	library := os.Getenv(childEnv)
	if library == "" {
		return
	}
	// As ClickHouse's own server does and the library does not: else a client that leaves before its answer has come ends the engine.
	signal.Ignore(syscall.SIGPIPE)
	engine, err := load(library)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitUnloaded)
	}
	if err := engine.run(append([]string{"clickhouse"}, os.Args[1:]...)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}
