package clickhouse

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/tillstream/tillstream/internal/renewed"
	schema "github.com/tillstream/tillstream/schemas/clickhouse"
	"github.com/tillstream/tillstream/sinks/certs"
)

// Config says where ClickHouse is and how to write to it. The databases are always tillstream and pos.
type Config struct {
	// DSN says it all in one line: clickhouse://user:password@host:9000,host:9000?secure=true, or http://, https://. The keys below
	// that are set win over it, except Addr and Protocol, which exclude it.
	DSN  DSN      `yaml:"dsn"`
	Addr []string `yaml:"addr"` // host:port; of several replicas of one shard one is used until it cannot be reached

	// Protocol is native or http; http without compression is the fastest on one machine. Default native, with DSN its scheme.
	Protocol string `yaml:"protocol"`
	// Compression is none, lz4 or zstd. Default: none to a loopback address, else lz4.
	Compression string `yaml:"compression"`

	Username     string    `yaml:"username"` // default "default"
	Password     Secret    `yaml:"password"`
	PasswordFile string    `yaml:"password_file"` // white space around it left out; for Kubernetes and Docker secrets
	TLS          TLSConfig `yaml:"tls"`

	DialTimeout   time.Duration `yaml:"dial_timeout"`    // default 10s
	QueryTimeout  time.Duration `yaml:"query_timeout"`   // of reads and migrations that have no deadline of their own; default 5m
	MaxInsertTime time.Duration `yaml:"max_insert_time"` // of one INSERT, beside the deadline of its batch; default 30s
	MaxOpenConns  int           `yaml:"max_open_conns"`  // default 16

	// Cluster of one shard, whose servers all have the tables, replicated; empty: one server.
	Cluster string `yaml:"cluster"`

	// InsertSettings go with every INSERT, for clusters: insert_quorum: auto, insert_quorum_timeout: 20000, …
	InsertSettings map[string]string `yaml:"insert_settings"`

	Renewed renewed.Report `yaml:"-" json:"-"` // of password_file and the files of tls; may be nil
}

// TLSConfig is how to speak TLS.
type TLSConfig struct {
	Enabled            bool   `yaml:"enabled"`
	CAFile             string `yaml:"ca_file"` // PEM; default: the system's
	CertFile           string `yaml:"cert_file"`
	KeyFile            string `yaml:"key_file"`
	ServerName         string `yaml:"server_name"`
	InsecureSkipVerify bool   `yaml:"insecure_skip_verify"`
}

// own are the settings of an INSERT that exactly-once rests on; they cannot be configured.
var own = []string{"async_insert", "insert_deduplicate", "deduplicate_insert", "insert_deduplication_token", "wait_end_of_query", "max_execution_time", "max_insert_block_size", "max_partitions_per_insert_block"}

// Validate names every key that is wrong.
func (c *Config) Validate() error {
	var errs []error
	wrong := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("clickhouse."+key+": "+format, args...))
	}
	switch {
	case c.DSN == "" && len(c.Addr) == 0:
		wrong("addr", "say where ClickHouse is, as host:port, or set clickhouse.dsn")
	case c.DSN != "" && len(c.Addr) > 0:
		wrong("addr", "set either this or clickhouse.dsn")
	case c.DSN != "" && c.Protocol != "":
		wrong("protocol", "the scheme of clickhouse.dsn says it: clickhouse://, http:// or https://")
	}
	if c.DSN != "" {
		if _, err := ch.ParseDSN(string(c.DSN)); err != nil {
			wrong("dsn", "%q cannot be read (want clickhouse://user:password@host:9000)", c.DSN)
		}
	}
	for _, a := range c.Addr {
		if host, port, ok := strings.Cut(a, ":"); !ok || host == "" || port == "" {
			wrong("addr", "%q is not host:port", a)
		}
	}
	if c.Protocol != "" && c.Protocol != "native" && c.Protocol != "http" {
		wrong("protocol", "%q is neither native nor http", c.Protocol)
	}
	if _, ok := compressions[c.Compression]; !ok {
		wrong("compression", "%q is not none, lz4 or zstd", c.Compression)
	}
	if c.Password != "" && c.PasswordFile != "" {
		wrong("password_file", "set either this or clickhouse.password")
	}
	for key, d := range map[string]time.Duration{"dial_timeout": c.DialTimeout, "query_timeout": c.QueryTimeout, "max_insert_time": c.MaxInsertTime} {
		if d < 0 || d > 0 && d < time.Second {
			wrong(key, "%v is below 1s", d)
		}
	}
	if c.MaxOpenConns < 0 {
		wrong("max_open_conns", "%d is negative", c.MaxOpenConns)
	}
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		wrong("tls.cert_file", "set both this and clickhouse.tls.key_file, or neither")
	}
	if q := c.InsertSettings["insert_quorum"]; c.Cluster != "" && (q == "0" || q == "1") {
		wrong("insert_quorum", "%s replica is too few on a cluster: an INSERT could be lost with it; auto, or 2 and more", q)
	}
	if c.Cluster != "" && !schema.ValidCluster(c.Cluster) {
		wrong("cluster", "%q is not a name of letters, digits, dots, dashes and underscores", c.Cluster)
	}
	for name := range c.InsertSettings {
		if slices.Contains(own, name) {
			wrong("insert_settings."+name, "exactly-once rests on it, so it is fixed")
		}
	}
	return errors.Join(errs...)
}

var compressions = map[string]ch.CompressionMethod{"": ch.CompressionNone, "none": ch.CompressionNone, "lz4": ch.CompressionLZ4, "zstd": ch.CompressionZSTD}

// options are what clickhouse-go wants. They read the files that the config names.
func (c *Config) options() (*ch.Options, error) {
	o := &ch.Options{Addr: c.Addr}
	if c.DSN != "" {
		var err error
		if o, err = ch.ParseDSN(string(c.DSN)); err != nil {
			return nil, fmt.Errorf("clickhouse.dsn: %q cannot be read", c.DSN)
		}
	}
	if c.Protocol == "http" {
		o.Protocol = ch.HTTP
	}
	o.Auth.Database = "" // the databases are named in every statement: they may not exist yet
	if c.Username != "" {
		o.Auth.Username = c.Username
	}
	if c.Password != "" {
		o.Auth.Password = string(c.Password)
	}
	var err error
	if o.Auth.Password, err = renewed.Text("clickhouse.password_file", c.PasswordFile, o.Auth.Password); err != nil {
		return nil, err
	}
	if c.TLS.Enabled {
		f := &c.TLS
		t, err := certs.Client("clickhouse.tls", certs.Files{CAFile: f.CAFile, CertFile: f.CertFile, KeyFile: f.KeyFile, ServerName: f.ServerName, InsecureSkipVerify: f.InsecureSkipVerify})
		if err != nil {
			return nil, err
		}
		o.TLS = t
	}
	if c.Compression != "" || o.Compression == nil {
		method := compressions[c.Compression]
		if c.Compression == "" && !slices.ContainsFunc(o.Addr, loopback) {
			method = ch.CompressionLZ4
		}
		o.Compression = &ch.Compression{Method: method}
	}
	if c.DialTimeout > 0 || o.DialTimeout == 0 {
		o.DialTimeout = orDefault(c.DialTimeout, 10*time.Second)
	}
	if c.MaxOpenConns > 0 || o.MaxOpenConns == 0 {
		o.MaxOpenConns = orDefault(c.MaxOpenConns, 16)
	}
	o.MaxIdleConns = o.MaxOpenConns
	o.ReadTimeout = orDefault(c.QueryTimeout, 5*time.Minute)
	return o, nil
}

func loopback(addr string) bool {
	return strings.HasPrefix(addr, "127.") || strings.HasPrefix(addr, "localhost:") || strings.HasPrefix(addr, "[::1]:")
}

func orDefault[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}
