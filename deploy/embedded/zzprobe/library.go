package embedded

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/tillstream/tillstream/deploy/embedded/internal/flock"
)

// The pinned engine. The version matters: only this one can listen (see docs/adr/0005).
const (
	npmPackage  = "@chdb/lib-linux-x64-gnu@26.7.3-stable.1"
	npmSHA512   = "XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw=="
	libraryName = "libchdb-26.7.3.so"
	librarySize = 566_330_096
	tarballSize = 200_000_000 // a little more than it is
)

// LibraryEnv names a libchdb.so to use instead of fetching one.
const LibraryEnv = "TILLSTREAM_LIBCHDB"

// waysOut ends every message about the library.
const waysOut = "; set " + LibraryEnv + " to a libchdb.so of version 26.7 or newer, or use a ClickHouse of your own with --clickhouse DSN"

// Library is the path of the engine's library. It is fetched through npm on first use, once for each user, its checksum
// verified. say is told about what takes long.
func Library(ctx context.Context, say func(string)) (string, error) {
	if path := os.Getenv(LibraryEnv); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("looking for the library that %s names: %w", LibraryEnv, err)
		}
		return filepath.Abs(path)
	}
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return "", fmt.Errorf("the embedded ClickHouse exists for linux/amd64 only, this is %s/%s%s", runtime.GOOS, runtime.GOARCH, waysOut)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("looking for the user's cache: %w%s", err, waysOut)
	}
	l := fetchedLibrary{dir: filepath.Join(cache, "tillstream"), sum: npmSHA512, pack: npmPack, free: freeBytes, say: say}
	return l.path(ctx)
}

// fetchedLibrary fetches the library into a directory.
type fetchedLibrary struct {
	dir  string
	sum  string                                                // base64 of the tarball's sha512
	pack func(ctx context.Context, dir string) (string, error) // brings the tarball into dir
	free func(dir string) (uint64, error)
	say  func(string)
}

func (l *fetchedLibrary) path(ctx context.Context) (string, error) {
	path := filepath.Join(l.dir, libraryName)
	if _, err := os.Stat(path); err == nil {
		return path, nil // it got its name only when it was complete and verified
	}
	if err := os.MkdirAll(l.dir, 0o755); err != nil {
		return "", fmt.Errorf("making the cache for the embedded ClickHouse: %w%s", err, waysOut)
	}
	lock := filepath.Join(l.dir, "lock")
	unlock, err := flock.Try(lock)
	if errors.Is(err, flock.ErrHeld) {
		l.say("waiting for another process that is fetching the embedded ClickHouse")
		unlock, err = flock.Lock(ctx, lock)
	}
	if err != nil {
		return "", fmt.Errorf("locking the cache for the embedded ClickHouse: %w%s", err, waysOut)
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil // another process was faster
	}
	l.sweep()
	if free, err := l.free(l.dir); err == nil && free < librarySize+tarballSize {
		return "", fmt.Errorf("the embedded ClickHouse needs %d MB in %s and %d MB are free%s", (librarySize+tarballSize)/1_000_000, l.dir, free/1_000_000, waysOut)
	}
	l.say("fetching the embedded ClickHouse through npm, once (178 MB)")
	work, err := os.MkdirTemp(l.dir, fetching)
	if err != nil {
		return "", fmt.Errorf("fetching the embedded ClickHouse: %w%s", err, waysOut)
	}
	defer os.RemoveAll(work)
	tarball, err := l.pack(ctx, work)
	if err != nil {
		return "", fmt.Errorf("fetching the embedded ClickHouse through npm: %w%s", err, waysOut)
	}
	if err := verify(tarball, l.sum); err != nil {
		return "", fmt.Errorf("checking the embedded ClickHouse: %w%s", err, waysOut)
	}
	l.say("unpacking the embedded ClickHouse (566 MB)")
	part := filepath.Join(work, libraryName)
	if err := extract(tarball, part); err != nil {
		return "", fmt.Errorf("unpacking the embedded ClickHouse: %w%s", err, waysOut)
	}
	if err := os.Rename(part, path); err != nil {
		return "", fmt.Errorf("keeping the embedded ClickHouse: %w%s", err, waysOut)
	}
	return path, nil
}

// fetching begins the names of directories of fetches under way.
const fetching = "fetch-"

// sweep removes what fetches left whose process was killed. We hold the lock, so none is under way.
func (l *fetchedLibrary) sweep() {
	left, _ := filepath.Glob(filepath.Join(l.dir, fetching+"*")) // the pattern is well-formed
	for _, dir := range left {
		_ = os.RemoveAll(dir) // a later fetch tries again
	}
}

// npmPack has npm download the pinned package from wherever npm is configured to.
func npmPack(ctx context.Context, dir string) (string, error) {
	if _, err := exec.LookPath("npm"); err != nil {
		return "", errors.New("npm is not installed")
	}
	cmd := exec.CommandContext(ctx, "npm", "pack", "--silent", "--ignore-scripts", npmPackage)
	cmd.Dir = dir
	cmd.WaitDelay = time.Second // of its children, when ctx ends
	out := &tail{}
	cmd.Stderr = out
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("npm pack: %w: %s", err, out)
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("npm pack left %d tarballs", len(found))
	}
	return found[0], nil
}

func verify(tarball, sum string) error {
	f, err := os.Open(tarball)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha512.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if got := base64.StdEncoding.EncodeToString(h.Sum(nil)); got != sum {
		return fmt.Errorf("the tarball's sha512 is %s, not the pinned %s: it is not what this version was built for", got, sum)
	}
	return nil
}

// extract takes the library, and nothing else, out of the tarball.
func extract(tarball, to string) error {
	f, err := os.Open(tarball)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return errors.New("the tarball has no libchdb.so")
		}
		if err != nil {
			return err
		}
		if filepath.Base(h.Name) != "libchdb.so" || h.Typeflag != tar.TypeReg {
			continue
		}
		out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
		if err != nil {
			return err
		}
		if _, err := io.Copy(out, r); err != nil {
			return errors.Join(err, out.Close())
		}
		return errors.Join(out.Sync(), out.Close())
	}
}

func freeBytes(dir string) (uint64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return s.Bavail * uint64(s.Bsize), nil
}
