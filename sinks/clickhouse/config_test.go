package clickhouse

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

func TestValidateNamesTheKey(t *testing.T) {
	ok := Config{Addr: []string{"ch:9000"}}
	if err := ok.Validate(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*Config){
		"clickhouse.addr: say where":                     func(c *Config) { c.Addr = nil },
		"clickhouse.addr: set either":                    func(c *Config) { c.DSN = "clickhouse://ch:9000" },
		`clickhouse.addr: "ch" is not host:port`:         func(c *Config) { c.Addr = []string{"ch"} },
		`clickhouse.dsn: "clickhouse://u:xxxxx@:%zz`:     func(c *Config) { c.Addr, c.DSN = nil, "clickhouse://u:secret@:%zz" },
		`clickhouse.protocol: "grpc" is neither`:         func(c *Config) { c.Protocol = "grpc" },
		"clickhouse.protocol: the scheme":                func(c *Config) { c.Addr, c.DSN, c.Protocol = nil, "clickhouse://ch:9000", "http" },
		`clickhouse.compression: "rar"`:                  func(c *Config) { c.Compression = "rar" },
		"clickhouse.password_file: set either":           func(c *Config) { c.Password, c.PasswordFile = "a", "b" },
		"clickhouse.max_insert_time: 10ms is below 1s":   func(c *Config) { c.MaxInsertTime = 10 * time.Millisecond },
		"clickhouse.dial_timeout: -1s is below 1s":       func(c *Config) { c.DialTimeout = -time.Second },
		"clickhouse.max_open_conns: -1 is negative":      func(c *Config) { c.MaxOpenConns = -1 },
		"clickhouse.tls.cert_file: set both":             func(c *Config) { c.TLS.CertFile = "a" },
		"clickhouse.insert_settings.async_insert: exact": func(c *Config) { c.InsertSettings = map[string]string{"async_insert": "1"} },
	} {
		c := ok
		change(&c)
		err := c.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		if _, err := Open(c, time.Now); err == nil {
			t.Errorf("Open takes what Validate refuses: %q", want)
		}
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	const secret = "h0ney"
	for _, dsn := range []DSN{
		"clickhouse://user:" + secret + "@host:9000/db?secure=true",
		"clickhouse://user:p@" + secret + "@host:9000",
		"clickhouse://user:p?" + secret + "@host:9000",
		"clickhouse://user:p/" + secret + "@host:9000?x=1",
		"http://host:8123?username=u&password=" + secret,
		"http://host:8123?username=u&pass%77ord=" + secret,
		"http://host:8123?http_proxy=http%3A%2F%2Fu%3A" + secret + "%40proxy",
		"http://host:8123?password=a&" + secret,
		"user:" + secret + "@host",
	} {
		c := Config{DSN: dsn, Password: secret}
		y, err := yaml.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		j, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{string(y), string(j), fmt.Sprint(c), fmt.Sprintf("%v", &c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c), fmt.Sprintf("%s %q", c.Password, c.DSN)} {
			if strings.Contains(s, secret) {
				t.Errorf("%s is printed as %s", dsn, s)
			}
		}
	}
	if got := DSN("clickhouse://u:p@h:9000/?secure=true").String(); got != "clickhouse://u:xxxxx@h:9000/?secure=true" {
		t.Errorf("got %s", got)
	}
}

func TestOptions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(" from file\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		yaml string
		want string // protocol, addresses, user, password, TLS, compression
	}{
		{"{addr: ['127.0.0.1:9000']}", "native [127.0.0.1:9000]   false none"},
		{"{addr: ['a:8123', 'b:8123'], protocol: http, username: u, password: p}", "http [a:8123 b:8123] u p false lz4"},
		{"{addr: ['a:9000'], compression: zstd, tls: {enabled: true}, password_file: " + file + "}", "native [a:9000]  from file true zstd"},
		{"{dsn: 'https://u:p@a:8443,b:8443/x?secure=true'}", "http [a:8443 b:8443] u p true lz4"},
		{"{dsn: 'clickhouse://u:p@localhost:9000', username: other}", "native [localhost:9000] other p false none"},
	} {
		var cfg Config
		if err := yaml.Unmarshal([]byte(c.yaml), &cfg); err != nil {
			t.Fatal(err)
		}
		if err := cfg.Validate(); err != nil {
			t.Error(err)
		}
		o, err := cfg.options()
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprintf("%v %v %s %s %v %v", o.Protocol, o.Addr, o.Auth.Username, o.Auth.Password, o.TLS != nil, o.Compression.Method)
		if got != c.want || o.Auth.Database != "" {
			t.Errorf("%s\ngot  %s\nwant %s", c.yaml, got, c.want)
		}
	}
	if _, err := Open(Config{Addr: []string{"a:1"}, PasswordFile: file + "x"}, time.Now); err == nil || !strings.HasPrefix(err.Error(), "clickhouse.password_file: ") {
		t.Errorf("got %v", err)
	}
}
