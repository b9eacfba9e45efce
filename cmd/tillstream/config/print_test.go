package config

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// loadPrinted prints a configuration and loads what was printed, with the secrets, which are not, put in by hand.
func loadPrinted(t *testing.T, c *Config) *Config {
	t.Helper()
	var out bytes.Buffer
	if err := c.Print(&out); err != nil {
		t.Fatal(err)
	}
	got := Default()
	got.ClickHouse.DSN, got.ClickHouse.Password = c.ClickHouse.DSN, c.ClickHouse.Password
	got.Kafka.SASL.Password, got.Privacy.Secret = c.Kafka.SASL.Password, c.Privacy.Secret
	if err := got.parse(out.Bytes()); err != nil {
		t.Fatalf("%v in\n%s", err, out.String())
	}
	return got
}

func TestPrintLoadsBack(t *testing.T) {
	c := Default()
	c.Kafka.Brokers = []string{"a:1", "[::1]:2"}
	c.Kafka.ClientID = "a: # \"b\"\n\tc\u0085"
	c.Kafka.Topics = []string{"true", "12", "~", "a, b", "- x", ""}
	c.Kafka.SASL = SASL{Mechanism: "plain", Username: "null", Password: "p"}
	c.ClickHouse.DSN = "clickhouse://u:p@h:9000/default"
	c.Processor.MaxLateness = Duration(90 * 60e9)
	c.Processor.BatchBytes = 12345
	c.Log.Format = "json"
	c.Privacy.Secret = "a secret of many bytes"
	if d := cmp.Diff(c, loadPrinted(t, c), asGiven); d != "" {
		t.Error(d)
	}
}

// The generated files are those that the code would write. make docs writes them.
func TestGeneratedFilesAreCurrent(t *testing.T) {
	for path, write := range map[string]func(io.Writer) error{
		filepath.Join("..", "..", "..", "docs", "configuration.md"): Markdown,
		filepath.Join("testdata", "default.yaml"):                   Default().Print,
	} {
		var want bytes.Buffer
		if err := write(&want); err != nil {
			t.Fatal(err)
		}
		if os.Getenv("TILLSTREAM_WRITE_DOCS") != "" {
			if err := os.WriteFile(path, want.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(got), want.String()); d != "" {
			t.Errorf("%s is stale, run make docs:\n%s", path, d)
		}
	}
}

// Whatever is in a file, or in a variable, it is refused or taken; and what was taken, printed and loaded again, is the same.
func FuzzLoad(f *testing.F) {
	f.Add("kafka: {topics: [a]}", "TILLSTREAM_LOG_LEVEL=debug")
	f.Add("processor:\n  memory: 64MiB\n  lanes: 3\n", "TILLSTREAM_KAFKA_TOPICS=a,b")
	f.Add("kafka: &a {client_id: *a}", "TILLSTREAM_KAFKA_CLIENT_ID=\u2028")
	f.Add("clickhouse: {dsn: 'http://u:p@h?x'}\nprivacy: {secret: \"0123456789abcdef\\n\"}", "TILLSTREAM_PROCESSOR_BATCH_AGE=1h1ns")
	f.Fuzz(func(t *testing.T, text, variable string) {
		c := Default()
		if c.parse([]byte(text)) != nil || c.overlay([]string{variable}) != nil || c.Validate() != nil {
			return
		}
		if d := cmp.Diff(c, loadPrinted(t, c), asGiven); d != "" {
			t.Error(d)
		}
	})
}
