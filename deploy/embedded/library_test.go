package embedded

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func tarball(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	w := tar.NewWriter(z)
	for name, content := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestLibraryFromTarball(t *testing.T) {
	good := tarball(t, map[string]string{"package/package.json": "{}", "package/../../evil": "x", "package/libchdb.so": "the engine"})
	empty := tarball(t, map[string]string{"package/package.json": "{}"})
	sum := func(b []byte) string {
		h := sha512.Sum512(b)
		return base64.StdEncoding.EncodeToString(h[:])
	}
	plenty := func(string) (uint64, error) { return 1 << 40, nil }
	for _, c := range []struct {
		name string
		ball []byte
		sum  string
		pack error
		free func(string) (uint64, error)
		says string
	}{
		{"good", good, sum(good), nil, plenty, ""},
		{"tampered with", append(good[:len(good):len(good)], 0), sum(good), nil, plenty, "not the pinned"},
		{"cut off", good[:len(good)/2], sum(good[:len(good)/2]), nil, plenty, "unpacking"},
		{"no library in it", empty, sum(empty), nil, plenty, "has no libchdb.so"},
		{"npm fails", nil, "", errors.New("npm is not installed"), plenty, "npm is not installed"},
		{"disk full", good, sum(good), nil, func(string) (uint64, error) { return 5e6, nil }, "5 MB are free"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "cache")
			if err := os.MkdirAll(filepath.Join(dir, fetching+"of a killed process"), 0o755); err != nil {
				t.Fatal(err)
			}
			var packed atomic.Int32
			l := fetchedLibrary{dir: dir, sum: c.sum, free: c.free, say: func(string) {}, pack: func(_ context.Context, dir string) (string, error) {
				packed.Add(1)
				path := filepath.Join(dir, "p.tgz")
				return path, errors.Join(c.pack, os.WriteFile(path, c.ball, 0o600))
			}}
			var wg sync.WaitGroup
			paths, errs := make([]string, 4), make([]error, 4)
			for i := range paths { // as many processes at once would
				wg.Go(func() { paths[i], errs[i] = l.path(t.Context()) })
			}
			wg.Wait()
			for i := range paths {
				if c.says == "" {
					content, err := os.ReadFile(paths[i])
					if errs[i] != nil || err != nil || string(content) != "the engine" {
						t.Errorf("got %q, %v, %v", content, errs[i], err)
					}
					continue
				}
				if errs[i] == nil || !strings.Contains(errs[i].Error(), c.says) || !strings.Contains(errs[i].Error(), LibraryEnv) || !strings.Contains(errs[i].Error(), "--clickhouse") {
					t.Errorf("got %v", errs[i])
				}
			}
			if c.says == "" && packed.Load() != 1 {
				t.Errorf("fetched %d times", packed.Load())
			}
			left, err := os.ReadDir(dir)
			if err != nil && c.says == "" {
				t.Fatal(err)
			}
			for _, f := range left {
				if f.Name() != "lock" && f.Name() != libraryName {
					t.Errorf("%s was left behind", f.Name())
				}
			}
		})
	}
}

func TestLibraryOfTheUser(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	own := filepath.Join(dir, "own.so")
	if err := os.WriteFile(own, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	silent := func(s string) { t.Errorf("it said %q", s) }
	t.Setenv(LibraryEnv, "own.so")
	if path, err := Library(t.Context(), silent); err != nil || !filepath.IsAbs(path) || filepath.Base(path) != "own.so" {
		t.Errorf("got %q, %v", path, err)
	}
	t.Setenv(LibraryEnv, "none.so")
	if _, err := Library(t.Context(), silent); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), LibraryEnv) {
		t.Errorf("got %v", err)
	}
}

func TestLibraryWithoutNpm(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := npmPack(t.Context(), t.TempDir()); err == nil || !strings.Contains(err.Error(), "npm is not installed") {
		t.Errorf("got %v", err)
	}
}
