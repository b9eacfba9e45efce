package realkafka

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"
)

// fakeMaven leaves the given files instead of jars, and counts how often it was asked.
func fakeMaven(calls *atomic.Int64, names ...string) func(context.Context, string, string) error {
	return func(_ context.Context, project, target string) error {
		calls.Add(1)
		if _, err := os.Stat(filepath.Join(project, "pom.xml")); err != nil {
			return err
		}
		if err := os.Mkdir(target, 0o755); err != nil {
			return err
		}
		for _, n := range names {
			if err := os.WriteFile(filepath.Join(target, n), []byte(n), 0o644); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestJarsAreFetchedOnceByAllWhoAsk(t *testing.T) {
	var calls atomic.Int64
	j := jars{cache: t.TempDir(), fetch: fakeMaven(&calls, "kafka_2.13-4.1.0.jar")}
	var g errgroup.Group
	for range 8 {
		g.Go(func() error {
			dir, err := j.dir(t.Context())
			if err != nil {
				return err
			}
			_, err = os.Stat(filepath.Join(dir, "kafka_2.13-4.1.0.jar"))
			return err
		})
	}
	if err := g.Wait(); err != nil || calls.Load() != 1 {
		t.Errorf("fetched %d times, %v", calls.Load(), err)
	}
}

func TestJarsThatAreNotWholeAreNotKept(t *testing.T) {
	cache := t.TempDir()
	broken := errors.New("no such registry")
	var calls atomic.Int64
	for name, fetch := range map[string]func(context.Context, string, string) error{
		"nothing fetched": fakeMaven(&calls),
		"fetch broke off": func(ctx context.Context, project, target string) error {
			return errors.Join(fakeMaven(&calls, "kafka_2.13-4.1.0.jar")(ctx, project, target), broken)
		},
	} {
		if _, err := (jars{cache: cache, fetch: fetch}).dir(t.Context()); err == nil || !strings.Contains(err.Error(), "fetching Kafka's jars") {
			t.Errorf("%s: %v", name, err)
		}
		if left, err := filepath.Glob(filepath.Join(cache, "kafka-*")); err != nil || len(left) != 0 {
			t.Errorf("%s: left %v, %v", name, left, err)
		}
	}
}

func TestWithoutJavaOrMavenOneSentenceSaysSo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", "")
	if _, err := Start(t.Context(), Config{Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "install Java 17") {
		t.Errorf("without java: %v", err)
	}
	j, err := userJars()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.dir(t.Context()); err == nil || !strings.Contains(err.Error(), "install Maven") {
		t.Errorf("without mvn: %v", err)
	}
}
