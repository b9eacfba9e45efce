package embedded

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// endpoint is written beside the data, so that another process of the same user finds the running engine.
type endpoint struct{ DSN, HTTP string }

func (e *Engine) endpointFile() string { return e.path("endpoint.json") }

func (e *Engine) announce() error {
	b, err := json.Marshal(endpoint{DSN: e.DSN(), HTTP: e.http})
	if err != nil {
		return err
	}
	return os.WriteFile(e.endpointFile(), b, 0o600)
}

// Running is the DSN of the engine that works on a directory; ok is false if none answers.
func Running(ctx context.Context, dir string) (dsn string, ok bool) {
	b, err := os.ReadFile(filepath.Join(dir, "endpoint.json"))
	if err != nil {
		return "", false
	}
	var at endpoint
	if json.Unmarshal(b, &at) != nil {
		return "", false
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at.HTTP+"/ping", nil)
	if err != nil {
		return "", false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", false // left over from one that was killed
	}
	res.Body.Close()
	return at.DSN, res.StatusCode == http.StatusOK
}
