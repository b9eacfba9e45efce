package embedded

import (
	"fmt"
	"os"
)

// childEnv makes a process of this binary the engine; its value is the library to load.
const childEnv = "TILLSTREAM_ENGINE_CHILD"

// RunChildIfAsked turns this process into the engine if it was started as one, and then does not return. main calls it first, and so
// does TestMain of tests that start an engine.
func RunChildIfAsked() {
	library := os.Getenv(childEnv)
	if library == "" {
		return
	}
	if err := runEngine(library, append([]string{"clickhouse"}, os.Args[1:]...)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}
