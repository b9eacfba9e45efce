package config

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDefaultIsValidAndDocumented(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, k := range keys(Default()) {
		if k.Doc == "" || !strings.HasSuffix(k.Doc, ".") {
			t.Errorf("%s has the doc %q, want a sentence", k.Path, k.Doc)
		}
		if seen[k.Env] {
			t.Errorf("%s is taken twice", k.Env)
		}
		seen[k.Env] = true
	}
}

func TestPrintLoadsBack(t *testing.T) {
	c := Default()
	c.Kafka.Brokers = []string{"a:1", "b:2"}
	c.Processor.MaxLateness = Duration(90 * 60e9)
	c.Processor.BatchBytes = 12345
	c.Log.Format = "json"
	c.Privacy.Secret = "a secret of many bytes"
	var out bytes.Buffer
	if err := c.Print(&out); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "many bytes") || strings.Contains(out.String(), string(c.ClickHouse.DSN)) {
		t.Error("a secret was printed")
	}
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Load(path, []string{"TILLSTREAM_PRIVACY_SECRET=a secret of many bytes"})
	if err != nil {
		t.Fatalf("%v in\n%s", err, out.String())
	}
	if d := cmp.Diff(c, got); d != "" {
		t.Error(d)
	}
}

// Every key can be set from the environment, and from nothing else than its own variable.
func TestEnvironment(t *testing.T) {
	samples := map[reflect.Type]string{
		reflect.TypeFor[string](): "x", reflect.TypeFor[[]string](): "x, y", reflect.TypeFor[bool](): "true", reflect.TypeFor[int](): "7",
		reflect.TypeFor[Duration](): "7s", reflect.TypeFor[Size](): "7MiB", reflect.TypeFor[Secret](): "s",
	}
	for _, k := range keys(Default()) {
		c := Default()
		value := samples[k.value.Type()]
		if k.value.Kind() == reflect.Bool && k.value.Bool() {
			value = "false"
		}
		if err := c.overlay([]string{k.Env + "=" + value, "OTHER=1"}); err != nil {
			t.Errorf("%s: %v", k.Env, err)
		}
		var changed []string
		for i, after := range keys(c) {
			if !reflect.DeepEqual(after.value.Interface(), keys(Default())[i].value.Interface()) {
				changed = append(changed, after.Path)
			}
		}
		if !cmp.Equal(changed, []string{k.Path}) {
			t.Errorf("%s=%s changed %v", k.Env, value, changed)
		}
	}
}

func TestBadConfigurations(t *testing.T) {
	for _, c := range []struct{ yaml, env, says string }{
		{"kafka: {brokrs: [a:1]}", "", "line 1: there is no key brokrs here"},
		{"kafka: {brokers: [nowhere]}", "", `kafka.brokers is "nowhere"; it takes host:port`},
		{"kafka: {brokers: []}", "", "kafka.brokers is empty; it takes at least one host:port"},
		{"kafka: {topics: [a, a]}", "", "kafka.topics is [a a]; it takes one or more different topics"},
		{"kafka: {group: a/b}", "", `kafka.group is "a/b"; it takes a name without`},
		{"kafka: {session_timeout: 6s, heartbeat_interval: 3s}", "", "kafka.heartbeat_interval is 3s; it takes 100ms to 2s"},
		{"kafka: {session_timeout: soon}", "", `"soon" is not a duration`},
		{"kafka: {sasl: {mechanism: gssapi}}", "", `kafka.sasl.mechanism is "gssapi"; it takes , plain, scram-sha-256`},
		{"kafka: {sasl: {mechanism: plain}}", "", "kafka.sasl is incomplete"},
		{"kafka: {sasl: {password_file: /nowhere/at/all}}", "", "kafka.sasl.password_file: open /nowhere/at/all"},
		{"kafka: {tls: {ca_file: x}}", "", "kafka.tls.enabled is false; it takes true where"},
		{"processor: {lanes: -1}", "", "processor.lanes is -1; it takes 0 to 1024"},
		{"processor: {memory: 1KiB}", "", "processor.memory is 1024; it takes 64MiB or more"},
		{"processor: {memory: much}", "", `"much" is not a size`},
		{"privacy: {secret: short}", "", "privacy.secret is 5 bytes; it takes at least 16 bytes"},
		{"log: {level: loud}", "", `log.level is "loud"; it takes debug, info, warn, error`},
		{"listen: everywhere", "", `listen is "everywhere"; it takes host:port, or nothing`},
		{"[", "", "did not find expected node content"},
		{"", "TILLSTREAM_PROCESSOR_LANES=many", `TILLSTREAM_PROCESSOR_LANES (processor.lanes): "many" is not a whole number`},
		{"", "TILLSTREAM_KAFKA_BROKER=a:1", "TILLSTREAM_KAFKA_BROKER: there is no such key"},
	} {
		path := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(path, []byte(c.yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path, []string{c.env})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s %s: got %v, want %q", c.yaml, c.env, err, c.says)
		}
	}
	if _, err := Load("/nowhere/at/all", nil); err == nil || !strings.Contains(err.Error(), "/nowhere/at/all") {
		t.Errorf("got %v", err)
	}
	if err := Default().RequireSecret(); err == nil || !strings.Contains(err.Error(), "privacy.secret_file") {
		t.Errorf("got %v", err)
	}
}

func TestDocumentIsCurrent(t *testing.T) {
	var want bytes.Buffer
	if err := Markdown(&want); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("..", "..", "..", "docs", "configuration.md")
	if os.Getenv("TILLSTREAM_WRITE_DOCS") != "" {
		if err := os.WriteFile(path, want.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(got), want.String()); d != "" {
		t.Errorf("docs/configuration.md is stale, run make docs:\n%s", d)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("kafka: {topics: [a]}")
	f.Add("processor:\n  memory: 64MiB\n  lanes: 3\n")
	f.Fuzz(func(t *testing.T, text string) {
		c := Default()
		if c.parse([]byte(text)) == nil && c.Validate() == nil && c.Processor.Memory < 64<<20 {
			t.Error("a bound was passed")
		}
	})
}
