package realalertmanager

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/tillstream/tillstream/deploy/embedded/internal/flock"
)

// The module, and what its files must add up to (as in go.sum). What it needs in turn is verified by its own go.sum.
const (
	module  = "github.com/prometheus/alertmanager"
	version = "v0.35.0"
	sum     = "h1:nbXMjr+P2JaoFd7aHNDxKifEwTPN+TWxM0gNPonuH5w="
)

// programs is the directory with alertmanager and amtool, built first if they were not. Processes that ask at once build once.
func programs(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("looking for the user's cache: %w", err)
	}
	cache = filepath.Join(cache, "tillstream")
	dir := filepath.Join(cache, "alertmanager-"+version)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil // it got its name only when it was complete
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("making the cache for Alertmanager: %w", err)
	}
	unlock, err := flock.Lock(ctx, filepath.Join(cache, "alertmanager.lock"))
	if err != nil {
		return "", fmt.Errorf("locking the cache for Alertmanager: %w", err)
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil // another process was faster
	}
	work := filepath.Join(cache, "alertmanager-build") // always the same, so that Go's cache knows what it has built before
	if err := os.RemoveAll(work); err != nil {
		return "", fmt.Errorf("building Alertmanager: %w", err)
	}
	defer os.RemoveAll(work)
	if err := build(ctx, work); err != nil {
		return "", fmt.Errorf("building Alertmanager: %w", err)
	}
	if err := os.Rename(filepath.Join(work, "bin"), dir); err != nil {
		return "", fmt.Errorf("keeping Alertmanager: %w", err)
	}
	return dir, nil
}

// build puts the programs into bin below a directory that is not there yet.
func build(ctx context.Context, work string) error {
	out, err := run(ctx, os.TempDir(), "mod", "download", "-json", module+"@"+version)
	if err != nil {
		return err
	}
	var got struct{ Dir, Sum string }
	if err := json.Unmarshal(out, &got); err != nil {
		return fmt.Errorf("reading what go mod download said: %w", err)
	}
	if got.Sum != sum {
		return fmt.Errorf("%s %s is not the one that is meant: its sum is %s, not %s", module, version, got.Sum, sum)
	}
	if err := os.CopyFS(work, os.DirFS(got.Dir)); err != nil {
		return fmt.Errorf("copying its source: %w", err)
	}
	// The web pages are not in the module; they are made by npm. Without them there is only the API.
	for _, ui := range []string{"elm", "mantine"} {
		page := filepath.Join(work, "ui", "app", "dist", ui, "index.html")
		if err := os.MkdirAll(filepath.Dir(page), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(page, nil, 0o644); err != nil {
			return err
		}
	}
	args := []string{"build", "-o", "bin/", "-ldflags=-s -w"}
	for _, host := range []string{"github.com", "google.golang.org", "go.opentelemetry.io", "golang.org"} { // built faster, and fast enough
		args = append(args, "-gcflags="+host+"/...=-N -l")
	}
	_, err = run(ctx, work, append(args, "./cmd/alertmanager", "./cmd/amtool")...)
	return err
}

func run(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "GO111MODULE=on")
	var failed bytes.Buffer
	cmd.Stderr = &failed
	out, err := cmd.Output()
	if err != nil {
		said := strings.TrimSpace(failed.String() + string(out))
		return nil, fmt.Errorf("running go %s: %w: %s", strings.Join(args[:2], " "), err, said[max(0, len(said)-2048):])
	}
	return out, nil
}
