package realkafka

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/tillstream/tillstream/deploy/embedded/internal/flock"
)

// pom names Kafka's version, and Maven works out what it needs.
//
//go:embed maven/pom.xml
var pom []byte

// jars fetches Kafka into a cache.
type jars struct {
	cache string                                                  // directory for all versions
	fetch func(ctx context.Context, project, target string) error // copies what the pom in project names into target
}

// userJars are fetched by Maven into the user's cache.
func userJars() (jars, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return jars{}, fmt.Errorf("looking for the user's cache: %w", err)
	}
	return jars{cache: filepath.Join(dir, "tillstream"), fetch: mavenCopy}, nil
}

// dir is where the jars lie, fetched first if they do not. Processes that ask at once fetch once.
func (j jars) dir(ctx context.Context) (string, error) {
	sum := sha256.Sum256(pom)
	dir := filepath.Join(j.cache, "kafka-"+hex.EncodeToString(sum[:6])) // another pom, another directory
	if _, err := os.Stat(dir); err == nil {
		return dir, nil // it got its name only when it was complete
	}
	if err := os.MkdirAll(j.cache, 0o755); err != nil {
		return "", fmt.Errorf("making the cache for Kafka's jars: %w", err)
	}
	unlock, err := flock.Lock(ctx, filepath.Join(j.cache, "kafka.lock"))
	if err != nil {
		return "", fmt.Errorf("locking the cache for Kafka's jars: %w", err)
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil // another process was faster
	}
	j.sweep()
	work, err := os.MkdirTemp(j.cache, fetching)
	if err != nil {
		return "", fmt.Errorf("fetching Kafka's jars: %w", err)
	}
	defer os.RemoveAll(work)
	if err := os.WriteFile(filepath.Join(work, "pom.xml"), pom, 0o644); err != nil {
		return "", fmt.Errorf("fetching Kafka's jars: %w", err)
	}
	target := filepath.Join(work, "jars")
	if err := j.fetch(ctx, work, target); err != nil {
		return "", fmt.Errorf("fetching Kafka's jars: %w", err)
	}
	if found, err := filepath.Glob(filepath.Join(target, "kafka_2.13-*.jar")); err != nil || len(found) != 1 {
		return "", fmt.Errorf("fetching Kafka's jars: Maven left %d brokers, not one", len(found))
	}
	if err := os.Rename(target, dir); err != nil {
		return "", fmt.Errorf("keeping Kafka's jars: %w", err)
	}
	return dir, nil
}

// fetching begins the names of directories of fetches under way.
const fetching = "kafka-fetch-"

// sweep removes what fetches left whose process was killed. We hold the lock, so none is under way.
func (j jars) sweep() {
	left, _ := filepath.Glob(filepath.Join(j.cache, fetching+"*")) // the pattern is well-formed
	for _, dir := range left {
		_ = os.RemoveAll(dir) // a later fetch tries again
	}
}

// mavenCopy has Maven bring the jars from wherever it is configured to, and refuse those whose checksum is wrong.
func mavenCopy(ctx context.Context, project, target string) error {
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return errors.New("mvn is not installed; install Maven (Debian: apt install maven), it is needed once")
	}
	cmd := exec.CommandContext(ctx, mvn, "-q", "-B", "--strict-checksums", "dependency:copy-dependencies", "-DoutputDirectory="+target)
	cmd.Dir = project
	cmd.WaitDelay = time.Second // of its children, when ctx ends
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("running mvn: %w: %s", err, lastBytes(out, 2048))
	}
	return nil
}

func lastBytes(b []byte, n int) []byte { return bytes.TrimSpace(b[max(0, len(b)-n):]) }
