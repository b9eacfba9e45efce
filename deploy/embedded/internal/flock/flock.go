// Package flock locks files between processes. A lock ends with its holder, however the holder ends.
package flock

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

// ErrHeld says that another holder has the lock.
var ErrHeld = errors.New("locked by another holder")

// pollEvery is how often Lock looks whether the other holder has let go: flock(2) itself could not be interrupted.
const pollEvery = 50 * time.Millisecond

// Try locks the file, made if need be, or returns ErrHeld.
func Try(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrHeld
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil // closing it unlocks
}

// Lock waits for the lock until ctx ends.
func Lock(ctx context.Context, path string) (unlock func(), err error) {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		unlock, err := Try(path)
		if !errors.Is(err, ErrHeld) {
			return unlock, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-poll.C:
		}
	}
}
