// Package renewed reads files that others replace while the program runs: certificates that are renewed, passwords that are changed. It asks the file system
// when somebody wants to know, so that nothing runs in between, and follows the links by which Kubernetes replaces a whole directory at once.
package renewed

import (
	"bytes"
	"fmt"
	"os"
	"sync"
)

// Report is told of every time that changed files were read anew. With an error, which names the key of the configuration, what was read before stays in
// force. It may be nil.
type Report func(key string, err error)

// Value is what was read of some files. Its methods may be called at once.
type Value[T any] struct {
	key    string
	report Report
	read   func() (T, error)
	paths  []string

	mu      sync.Mutex
	value   T
	seen    []os.FileInfo // of paths, when they were read last; nil of one that was not there
	version uint64
}

// New reads for the first time, and fails if that does. The key of the configuration is what Report is told; empty paths are left out.
func New[T any](key string, report Report, read func() (T, error), paths ...string) (*Value[T], error) {
	v := &Value[T]{key: key, report: report, read: read}
	for _, p := range paths {
		if p != "" {
			v.paths = append(v.paths, p)
		}
	}
	v.seen = v.look()
	var err error
	v.value, err = read()
	return v, err
}

// Get is what the files say, or, where they cannot be used, said last. The version is another one after each change.
func (v *Value[T]) Get() (value T, version uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.look() // before they are read: what changes in between is seen the next time
	if !same(v.seen, now) {
		v.seen = now
		fresh, err := v.read()
		if err == nil {
			v.value, v.version = fresh, v.version+1
		}
		if v.report != nil {
			v.report(v.key, err)
		}
	}
	return v.value, v.version
}

func (v *Value[T]) look() []os.FileInfo {
	if len(v.paths) == 0 {
		return nil
	}
	all := make([]os.FileInfo, len(v.paths))
	for i, p := range v.paths {
		if info, err := os.Stat(p); err == nil {
			all[i] = info
		}
	}
	return all
}

func same(a, b []os.FileInfo) bool {
	for i := range a {
		switch {
		case a[i] == nil && b[i] == nil:
		case a[i] == nil || b[i] == nil, !os.SameFile(a[i], b[i]), a[i].Size() != b[i].Size(), !a[i].ModTime().Equal(b[i].ModTime()):
			return false
		}
	}
	return true
}

// Text reads a secret of a file, or, where none is named, gives the other one. White space around it is left out; an empty file is none. The error names the key
// that names the file.
func Text(key, path, otherwise string) (string, error) {
	if path == "" {
		return otherwise, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", key, err)
	}
	if b = bytes.TrimSpace(b); len(b) == 0 {
		return "", fmt.Errorf("%s: %s is empty", key, path)
	}
	return string(b), nil
}
