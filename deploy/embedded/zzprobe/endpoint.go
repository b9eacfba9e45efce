package embedded

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// endpoint is written beside the data, so that another process of the same user finds the running engine.
type endpoint struct {
	PID  int    `json:"pid"` // of the process that supervises it
	HTTP string `json:"http"`
	DSN  string `json:"dsn"`
	ID   string `json:"id"`
}

const endpointName = "endpoint.json"

func (e *Engine) endpointFile() string { return e.path(endpointName) }

// announce writes the file whole: a reader never sees half of it.
func (e *Engine) announce() error {
	b, err := json.Marshal(endpoint{PID: os.Getpid(), HTTP: e.http, DSN: e.DSN(), ID: e.id})
	if err != nil {
		return err
	}
	part := e.endpointFile() + ".part"
	if err := os.WriteFile(part, b, 0o600); err != nil {
		return err
	}
	return os.Rename(part, e.endpointFile())
}

func readEndpoint(dir string) (at endpoint, ok bool) {
	b, err := os.ReadFile(filepath.Join(dir, endpointName))
	return at, err == nil && json.Unmarshal(b, &at) == nil
}

// Running is the DSN of the engine that works on a directory; ok is false if none answers. A file left over from one that was
// killed does not mislead it, even if another engine has the port now.
func Running(ctx context.Context, dir string) (dsn string, ok bool) {
	at, ok := readEndpoint(dir)
	if !ok || !answers(ctx, at.HTTP, at.ID) {
		return "", false
	}
	return at.DSN, true
}

// lockedBy is ErrLocked with what is known of the holder.
func lockedBy(dir string) error {
	const wayOut = "; stop it, or choose another directory with --data"
	at, ok := readEndpoint(dir)
	if !ok {
		return fmt.Errorf("%w and is just starting or stopping%s", ErrLocked, wayOut)
	}
	return fmt.Errorf("%w: process %d, with ClickHouse at %s%s", ErrLocked, at.PID, at.HTTP, wayOut)
}
