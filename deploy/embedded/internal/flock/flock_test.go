package flock

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
)

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := Try(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Try(path); !errors.Is(err, ErrHeld) {
		t.Errorf("a second holder got %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Lock(ended, path); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting past the end of its context gave %v", err)
	}
	got := make(chan error)
	go func() {
		again, err := Lock(t.Context(), path)
		if err == nil {
			again()
		}
		got <- err
	}()
	unlock()
	if err := <-got; err != nil {
		t.Errorf("waiting for the lock gave %v", err)
	}
	if _, err := Try(filepath.Join(path, "under a file")); err == nil || errors.Is(err, ErrHeld) {
		t.Errorf("a path that cannot be gave %v", err)
	}
}
