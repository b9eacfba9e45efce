package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.yaml.in/yaml/v3"
)

// asGiven compares what is configured, not what was read of it.
var asGiven = cmpopts.IgnoreUnexported(Config{}, Formats{})

func TestDefaultIsValidAndDocumented(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, k := range Keys() {
		if k.Doc == "" || !strings.HasSuffix(k.Doc, ".") || strings.Contains(k.Doc, "|") {
			t.Errorf("%s has the doc %q, want a sentence that fits a table", k.Path, k.Doc)
		}
		if seen[k.Env] {
			t.Errorf("%s is taken twice", k.Env)
		}
		seen[k.Env] = true
	}
}

// Every key can be set from the environment, and from nothing else than its own variable.
func TestEnvironment(t *testing.T) {
	samples := map[reflect.Type]string{
		reflect.TypeFor[string](): "x", reflect.TypeFor[[]string](): "x, y", reflect.TypeFor[bool](): "true", reflect.TypeFor[int](): "7",
		reflect.TypeFor[Duration](): "7s", reflect.TypeFor[Size](): "7MiB", reflect.TypeFor[Secret](): "s",
	}
	for _, k := range Keys() {
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
			if !reflect.DeepEqual(after.value.Interface(), Keys()[i].value.Interface()) {
				changed = append(changed, after.Path)
			}
		}
		if !cmp.Equal(changed, []string{k.Path}) {
			t.Errorf("%s=%s changed %v", k.Env, value, changed)
		}
	}
}

func TestEnvironmentWinsOverTheFile(t *testing.T) {
	got, err := Load(file(t, "kafka: {group: a, topics: [x]}\nprocessor: {lanes: 3}\n"), []string{
		"TILLSTREAM_KAFKA_GROUP=b", "TILLSTREAM_KAFKA_TOPICS=y, z",
		// Not ours: what tests and the embedded engine use, and what Kubernetes gives every pod beside services of these names.
		"TILLSTREAM_SHARED=/x", "TILLSTREAM_LIBCHDB=/y", "TILLSTREAM_PORT=tcp://10.0.0.1:9464", "TILLSTREAM_KAFKA_SERVICE_HOST=10.0.0.1",
		"TILLSTREAM_KAFKA_SERVICE_PORT=9092", "TILLSTREAM_KAFKA_SERVICE_PORT_CLIENT=9092", "TILLSTREAM_KAFKA_PORT_9092_TCP_ADDR=10.0.0.1",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Kafka.Group, want.Kafka.Topics, want.Processor.Lanes = "b", []string{"y", "z"}, 3
	if d := cmp.Diff(want, got, asGiven); d != "" {
		t.Error(d)
	}
}

func TestSecretsFromFiles(t *testing.T) {
	got, err := Load("", []string{
		"TILLSTREAM_PRIVACY_SECRET_FILE=" + file(t, "0123456789abcdef\n"), "TILLSTREAM_PRIVACY_SECRET=the file wins over this",
		"TILLSTREAM_CLICKHOUSE_PASSWORD_FILE=" + file(t, " p \r\n"), "TILLSTREAM_KAFKA_SASL_MECHANISM=plain", "TILLSTREAM_KAFKA_SASL_USERNAME=u",
		"TILLSTREAM_KAFKA_SASL_PASSWORD_FILE=" + file(t, "q"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]Secret{"0123456789abcdef", "p", "q"}, []Secret{got.Privacy.Secret, got.ClickHouse.Password, got.Kafka.SASL.Password}); d != "" {
		t.Error(d)
	}
	if err := got.RequireSecret(); err != nil {
		t.Error(err)
	}
}

func TestSecretsShowThemselvesToNobody(t *testing.T) {
	c := Default()
	c.Privacy.Secret, c.ClickHouse.DSN = "hunter2hunter2hunter2", "clickhouse://u:hunter2@h:9000/default"
	c.ClickHouse.Password = "hunter2"
	var log, printed bytes.Buffer
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(&log), zap.DebugLevel)
	zap.New(core).Info("configuration", zap.Any("config", c), zap.Stringer("secret", c.Privacy.Secret))
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Print(&printed); err != nil {
		t.Fatal(err)
	}
	for how, s := range map[string]string{
		"%v": fmt.Sprintf("%v %v", *c, c.Privacy.Secret), "%+v": fmt.Sprintf("%+v", *c), "%#v": fmt.Sprintf("%#v", *c), "%s": fmt.Sprintf("%s", []any{c.Privacy}),
		"%q": fmt.Sprintf("%q", c.Privacy.Secret), "json": string(asJSON), "yaml": string(asYAML), "zap": log.String(), "print": printed.String(),
	} {
		if strings.Contains(s, "hunter2") || !strings.Contains(s, redacted) {
			t.Errorf("%s: %s", how, s)
		}
	}
}

func TestOnlyThePasswordOfADSNIsHidden(t *testing.T) {
	for dsn, want := range map[string]string{
		"clickhouse://h:9000/default":                    "clickhouse://h:9000/default",
		"https://u@h:8443/default?secure=true":           "https://u@h:8443/default?secure=true",
		"clickhouse://u:p@h:9000,i:9000/default?x=1":     "clickhouse://u:(secret)@h:9000,i:9000/default?x=1",
		"clickhouse://u:p@ss@h:9000":                     "clickhouse://u:(secret)@h:9000",
		"clickhouse://u:p?x@h:9000":                      "clickhouse://u:(secret)@h:9000",
		"http://h:8123?username=u&password=p":            "http://h:8123?(secret)",
		"http://h:8123?username=u&%70assword=p":          "http://h:8123?(secret)",
		"http://h:8123?http_proxy=http%3A%2F%2Fu:p@x:80": "http://h:(secret)@x:80",
		"u:p": "(secret)",
		"":    "",
	} {
		if got := withoutPassword(dsn); got != want {
			t.Errorf("%s: got %s, want %s", dsn, got, want)
		}
	}
}

func TestBadConfigurations(t *testing.T) {
	const seeAll = "tillstream config print lists all"
	for _, c := range []struct{ yaml, env, says string }{
		{"kafka: {brokrs: [a:1]}", "", "reading FILE: line 1: there is no key kafka.brokrs; did you mean kafka.brokers?"},
		{"kafka:\n  group: x\n  lanes: 3", "", "reading FILE: line 3: there is no key kafka.lanes; did you mean processor.lanes?"},
		{"kafak:\n  group: x", "", "reading FILE: line 1: there is no key kafak; did you mean kafka?"},
		{"kafka: {tsl: {enabled: true}}", "", "reading FILE: line 1: there is no key kafka.tsl; did you mean kafka.tls?"},
		{"zookeeper: x", "", "reading FILE: line 1: there is no key zookeeper; " + seeAll},
		{"kafka: 3", "", "reading FILE: line 1: kafka takes keys with values"},
		{"- kafka", "", "reading FILE: line 1: the file takes keys with values"},
		{"kafka: {group: a}\nlisten: ''\nkafka: {group: b}", "", "reading FILE: line 3: kafka is given twice"},
		{"kafka: {group: a, group: b}", "", "reading FILE: line 1: kafka.group is given twice"},
		{"kafka: {group: a}\n---\nkafka: {group: b}", "", "reading FILE: the file holds more than one YAML document; put all keys into one"},
		{"kafka: {topics: pos.transactions}", "", "reading FILE: line 1: kafka.topics takes a list, as [a, b]"},
		{"kafka: {topics: [[a]]}", "", "reading FILE: line 1: kafka.topics takes a list of plain values"},
		{"kafka: {topics: }", "", "reading FILE: line 1: kafka.topics has no value; give it one, or leave the key out"},
		{"kafka: {group: [a]}", "", "reading FILE: line 1: kafka.group takes one value"},
		{"base: &b {group: a}\nkafka: {<<: *b}", "", "reading FILE: line 1: there is no key base; " + seeAll + "\nline 2: there is no key kafka.<<; " + seeAll},
		{"processor: {lanes: 1.5}", "", `reading FILE: line 1: processor.lanes: "1.5" is not a whole number`},
		{"clickhouse:\n  migrate: yes", "", `reading FILE: line 2: clickhouse.migrate: "yes" is not true or false`},
		{"processor: {memory: much}", "", `reading FILE: line 1: processor.memory: "much" is not a size such as 65536, 64KiB, 8MiB or 1GiB`},
		{"processor: {memory: 9000000000GiB}", "", `reading FILE: line 1: processor.memory: "9000000000GiB" is not a size such as 65536, 64KiB, 8MiB or 1GiB`},
		{"kafka: {session_timeout: 30}", "", `reading FILE: line 1: kafka.session_timeout: "30" is not a duration such as 500ms, 30s, 5m or 48h`},
		{"[", "", "reading FILE: yaml: line 1: did not find expected node content"},

		{"kafka: {brokers: [nowhere]}", "", `kafka.brokers is "nowhere"; it takes host:port`},
		{"kafka: {brokers: ['a:1', ':9092', 'a:99999']}", "", "kafka.brokers is \":9092\"; it takes host:port\nkafka.brokers is \"a:99999\"; it takes host:port"},
		{"kafka: {brokers: []}", "", "kafka.brokers is empty; it takes at least one host:port"},
		{"kafka: {topics: []}", "", "kafka.topics is []; it takes one or more different topics"},
		{"kafka: {topics: [a, a]}", "", `kafka.topics is ["a" "a"]; it takes one or more different topics`},
		{"kafka: {topics: [a, '']}", "", `kafka.topics is ""; it takes names of 1 to 249 letters, digits, dots, dashes and underscores`},
		{"kafka: {topics: [pos.dead-letters]}", "", `kafka.dead_letters_topic is "pos.dead-letters"; it takes the name of a topic that is not in kafka.topics`},
		{"kafka: {group: a/b}", "", `kafka.group is "a/b"; it takes a name without /, #, | and spaces`},
		{"kafka: {session_timeout: 6s, heartbeat_interval: 3s}", "", "kafka.heartbeat_interval is 3s; it takes 100ms to 2s"},
		{"kafka: {session_timeout: 2m}", "", "kafka.rebalance_timeout is 30s; it takes 1m to 1h"},
		{"kafka: {session_timeout: 0s, heartbeat_interval: 200ms}", "", "kafka.session_timeout is 0s; it takes 1s to 30m"},
		{"kafka: {fetch_max_bytes: 1KiB}", "", "kafka.fetch_max_bytes is 1KiB; it takes 64KiB to 1GiB"},
		{"kafka: {sasl: {mechanism: gssapi, username: u, password: p}}", "", `kafka.sasl.mechanism is "gssapi"; it takes plain, scram-sha-256, scram-sha-512 or oauthbearer`},
		{"kafka: {sasl: {username: u, password: p}}", "", `kafka.sasl.mechanism is ""; it takes plain, scram-sha-256, scram-sha-512 or oauthbearer`},
		{"kafka: {sasl: {mechanism: plain}}", "", "kafka.sasl is incomplete; it takes username and password (or password_file) where mechanism is set"},
		{"kafka: {sasl: {password_file: /nowhere/at/all}}", "", "kafka.sasl.password_file: open /nowhere/at/all: no such file or directory"},
		{"privacy: {secret_file: /dev/null}", "", "privacy.secret_file: /dev/null is empty"},
		{"clickhouse: {tls: {enabled: true, ca_file: /nowhere/at/all}}", "", "clickhouse.tls.ca_file: open /nowhere/at/all: no such file or directory"},
		{"kafka: {tls: {server_name: x}}", "", "kafka.tls.enabled is false; it takes true where another key of kafka.tls is set"},
		{"kafka: {tls: {enabled: true, cert_file: /dev/null}}", "", "kafka.tls is incomplete; it takes cert_file and key_file together"},
		{"clickhouse: {dsn: 'u:hunter2@host:9000'}", "", `clickhouse.dsn is "(secret)"; it takes clickhouse://host:9000/default or http(s)://host:8123/default`},
		{"clickhouse: {insert_quorum: most}", "", `clickhouse.insert_quorum is "most"; it takes 0, 1, 2 …, auto or nothing`},
		{"processor: {lanes: -1}", "", "processor.lanes is -1; it takes 0 to 1024"},
		{"processor: {batch_records: 0}", "", "processor.batch_records is 0; it takes 1 to 500000"},
		{"processor: {memory: 1KiB}", "", "processor.memory is 1KiB; it takes 64MiB to 1024GiB"},
		{"processor: {memory: 64MiB, batch_bytes: 65MiB}", "", "processor.batch_bytes is 65MiB; it takes 0 to 64MiB"},
		{"processor: {timeline_window: 240h, retire_after: 241h}", "", "processor.retire_after is 241h; it takes 242h to 8784h"},
		{"processor: {max_lateness: -1s}", "", "processor.max_lateness is -1s; it takes 0s to 876000h"},
		{"privacy: {secret: short}", "", "privacy.secret is 5 bytes; it takes at least 16 bytes"},
		{"privacy: {min_group: 4}", "", "privacy.min_group is 4; it takes 5 to 10000"},
		{"retention: {customers: 399}", "", "retention.customers is 399; it takes 0, or 400 to 36500 days"},
		{"log: {level: loud}", "", `log.level is "loud"; it takes debug, info, warn or error`},
		{"log: {format: xml}", "", `log.format is "xml"; it takes console or json`},
		{"formats: {topics: [pos.health=xml]}", "", `formats.topics is "pos.health=xml"; it takes topic=avro or topic=protobuf`},
		{"formats: {topics: [pos.health=avro, pos.health=protobuf]}", "", `formats.topics is ["pos.health=avro" "pos.health=protobuf"]; it takes each topic once`},
		{"formats: {topics: [other=avro]}", "", `formats.topics names "other"; it takes topics of kafka.topics`},
		{"formats: {schema_registry: {urls: ['http://u:p@host']}}", "", "formats.schema_registry.urls is another thing; it takes http(s)://host:port, without a password"},
		{"formats: {schema_registry: {token: t}}", "", "formats.schema_registry.urls is empty; it takes http(s)://host:port where another key of formats.schema_registry is set"},
		{"formats: {mappings: [pos.orders]}", "", `formats.mappings is "pos.orders"; it takes topic=file, each topic once`},
		{"formats: {mappings: [pos.orders=/nowhere/at/all]}", "", "formats.mappings: open /nowhere/at/all: no such file or directory"},
		{"console: {operators: [ann]}", "", `console.operators is ["ann"]; it takes names where console.users_file is set`},
		{"console: {oidc: {viewers: [a]}}", "", "console.oidc.issuer is empty; it takes https://host/… where another key of console.oidc is set"},
		{
			"console: {oidc: {issuer: 'http://id.example', client_secret: short, redirect_url: 'https://tills.example/', groups_claim: a., scopes: [a b], session: 1s}}", "",
			`console.oidc.issuer is "http://id.example"; it takes https://host/… without ? and #, or http:// on a loopback address` + "\n" +
				"console.oidc.client_id is empty; it takes what the provider calls the console\n" +
				"console.oidc.client_secret is of 5 bytes; it takes at least 16 bytes\n" +
				`console.oidc.redirect_url is "https://tills.example/"; it takes https://host/console/login, or http:// on a loopback address` + "\n" +
				`console.oidc.groups_claim is "a."; it takes the name of a claim` + "\n" +
				`console.oidc.scopes is "a b"; it takes names without spaces` + "\n" +
				"console.oidc.viewers is empty; it takes groups, here or in analysts or operators; * is whoever logs in\n" +
				"console.oidc.session is 1s; it takes 1m to 720h",
		},
		{"listen: everywhere", "", `listen is "everywhere"; it takes host:port, or nothing`},
		{"processor: {lanes: -1}\nlog: {level: loud}", "", "processor.lanes is -1; it takes 0 to 1024\nlog.level is \"loud\"; it takes debug, info, warn or error"},

		{"", "TILLSTREAM_PROCESSOR_LANES=many", `TILLSTREAM_PROCESSOR_LANES (processor.lanes): "many" is not a whole number`},
		{"", "TILLSTREAM_KAFKA_BROKER=a:1", "TILLSTREAM_KAFKA_BROKER: there is no such key; did you mean TILLSTREAM_KAFKA_BROKERS?"},
		{"", "TILLSTREAM_LISTN=:1", "TILLSTREAM_LISTN: there is no such key; did you mean TILLSTREAM_LISTEN?"},
		{"", "TILLSTREAM_KAFKA_ZOOKEEPER=a:1", "TILLSTREAM_KAFKA_ZOOKEEPER: there is no such key; " + seeAll},
		{"", "TILLSTREAM_KAFKA_GROUP=\xff", "TILLSTREAM_KAFKA_GROUP (kafka.group): the value is not UTF-8"},
	} {
		path := file(t, c.yaml)
		_, err := Load(path, []string{c.env})
		if err == nil {
			t.Errorf("%s %s: accepted, want %s", c.yaml, c.env, c.says)
		} else if got := strings.ReplaceAll(err.Error(), path, "FILE"); got != c.says {
			t.Errorf("%s %s:\n got %s\nwant %s", c.yaml, c.env, got, c.says)
		}
	}
	if _, err := Load("/nowhere/at/all", nil); err == nil || err.Error() != "reading the configuration: open /nowhere/at/all: no such file or directory" {
		t.Errorf("got %v", err)
	}
	if err := Default().RequireSecret(); err == nil || !strings.Contains(err.Error(), "privacy.secret_file") {
		t.Errorf("got %v", err)
	}
}

// A section whose keys are all commented out, or an empty file, says nothing.
func TestNothingSaidIsDefault(t *testing.T) {
	for _, text := range []string{"", "# kafka:\n", "kafka:\nclickhouse:\n  tls:\n", "---\n", "kafka: {tls: {}}"} {
		got, err := Load(file(t, text), nil)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		} else if d := cmp.Diff(Default(), got, asGiven); d != "" {
			t.Errorf("%q: %s", text, d)
		}
	}
}

func TestDurationsAndSizesAreShort(t *testing.T) {
	for text, want := range map[string]string{
		"48h": "48h", "90m": "1h30m", "60s": "1m", "1h0m1s": "1h0m1s", "10s": "10s", "100m": "1h40m", "0": "0s", "1500ms": "1.5s",
	} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || d.String() != want {
			t.Errorf("%s: got %s, %v, want %s", text, d, err, want)
		}
	}
	for text, want := range map[string]string{"1024": "1KiB", "1536KiB": "1536KiB", "1048576KiB": "1GiB", "0": "0", "1000": "1000", "0GiB": "0"} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s.String() != want {
			t.Errorf("%s: got %s, %v, want %s", text, s, err, want)
		}
	}
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Mappings are read and compiled with the configuration: what is wrong with one is said at the start, with its line.
func TestMappings(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, bad := write("good.blobl", "root = this"), write("bad.blobl", "root = this\nroot.id = now()")
	c, err := Load("", []string{"TILLSTREAM_FORMATS_MAPPINGS=pos.orders=" + good + ",pos.health=" + good})
	if err != nil || len(c.Formats.MappedTopics()) != 2 || c.Formats.Mapping("pos.orders").String() != "root = this" || c.Formats.Mapping("pos.registry") != nil {
		t.Fatal(err, c)
	}
	for mappings, says := range map[string]string{
		"pos.orders=" + bad: "formats.mappings: " + bad + ": line 2: unrecognised function 'now'",
		"other=" + good:     `formats.mappings names "other"; it takes topics of kafka.topics`,
		"pos.orders=" + good + ",pos.orders=" + good: "each topic once",
	} {
		if _, err := Load("", []string{"TILLSTREAM_FORMATS_MAPPINGS=" + mappings}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s:\n got %v\nwant %s", mappings, err, says)
		}
	}
}
