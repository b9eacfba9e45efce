package config

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Validate says everything that is wrong, each problem with its key, what was given and what is accepted.
func (c *Config) Validate() error {
	var problems []error
	wrong := func(key, accepts string, given any) {
		problems = append(problems, fmt.Errorf("%s is %v; it takes %s", key, given, accepts))
	}
	oneOf := func(key, given string, accepted ...string) {
		if !slices.Contains(accepted, given) {
			wrong(key, strings.Join(accepted, ", "), strconv.Quote(given))
		}
	}
	between := func(key string, given Duration, low, high time.Duration) {
		if d := time.Duration(given); d < low || d > high {
			wrong(key, fmt.Sprintf("%v to %v", low, high), d)
		}
	}

	k := &c.Kafka
	if len(k.Brokers) == 0 {
		wrong("kafka.brokers", "at least one host:port", "empty")
	}
	for _, b := range k.Brokers {
		if !hostPort(b) {
			wrong("kafka.brokers", "host:port", strconv.Quote(b))
		}
	}
	if k.Group == "" || strings.ContainsAny(k.Group, "/#| ") {
		wrong("kafka.group", "a name without /, #, | and spaces", strconv.Quote(k.Group))
	}
	if len(k.Topics) == 0 || slices.Contains(k.Topics, "") || len(slices.Compact(slices.Sorted(slices.Values(k.Topics)))) != len(k.Topics) {
		wrong("kafka.topics", "one or more different topics", k.Topics)
	}
	if k.DeadLettersTopic == "" || slices.Contains(k.Topics, k.DeadLettersTopic) {
		wrong("kafka.dead_letters_topic", "a topic that is not in kafka.topics", strconv.Quote(k.DeadLettersTopic))
	}
	between("kafka.session_timeout", k.SessionTimeout, time.Second, 30*time.Minute)
	between("kafka.heartbeat_interval", k.HeartbeatInterval, 100*time.Millisecond, time.Duration(k.SessionTimeout)/3)
	between("kafka.rebalance_timeout", k.RebalanceTimeout, time.Duration(k.SessionTimeout)/2, time.Hour)
	between("kafka.fetch_max_wait", k.FetchMaxWait, time.Millisecond, time.Minute)
	if k.FetchMaxBytes < 64<<10 || k.FetchMaxBytes > 1<<30 {
		wrong("kafka.fetch_max_bytes", "64KiB to 1GiB", int64(k.FetchMaxBytes))
	}
	oneOf("kafka.sasl.mechanism", k.SASL.Mechanism, "", "plain", "scram-sha-256", "scram-sha-512")
	if k.SASL.Mechanism != "" && (k.SASL.Username == "" || k.SASL.Password == "") {
		wrong("kafka.sasl", "username and password (or password_file) where mechanism is set", "incomplete")
	}
	for key, t := range map[string]TLS{"kafka.tls": k.TLS, "clickhouse.tls": c.ClickHouse.TLS} {
		if (t.CertFile == "") != (t.KeyFile == "") {
			wrong(key, "cert_file and key_file together", "incomplete")
		}
		if !t.Enabled && (t.CAFile != "" || t.CertFile != "") {
			wrong(key+".enabled", "true where ca_file or cert_file is set", false)
		}
	}

	if c.ClickHouse.DSN == "" {
		wrong("clickhouse.dsn", "clickhouse://host:9000/default or http(s)://host:8123/default", "empty")
	}
	between("clickhouse.insert_timeout", c.ClickHouse.InsertTimeout, time.Second, time.Hour)
	if q := c.ClickHouse.InsertQuorum; q != "" && q != "auto" {
		if n, err := strconv.Atoi(q); err != nil || n < 0 {
			wrong("clickhouse.insert_quorum", "a number, auto or nothing", strconv.Quote(q))
		}
	}

	p := &c.Processor
	if p.Lanes < 0 || p.Lanes > 1024 {
		wrong("processor.lanes", "0 to 1024", p.Lanes)
	}
	between("processor.batch_age", p.BatchAge, 10*time.Millisecond, 5*time.Minute)
	if p.BatchRecords < 1 || p.BatchRecords > 500_000 {
		wrong("processor.batch_records", "1 to 500000", p.BatchRecords)
	}
	if p.BatchBytes < 0 || p.BatchBytes > 1<<30 {
		wrong("processor.batch_bytes", "0 to 1GiB", int64(p.BatchBytes))
	}
	if p.Memory < 64<<20 {
		wrong("processor.memory", "64MiB or more", int64(p.Memory))
	}
	if p.MaxEventBytes < 1<<10 || p.MaxEventBytes > 64<<20 {
		wrong("processor.max_event_bytes", "1KiB to 64MiB", int64(p.MaxEventBytes))
	}
	between("processor.max_lateness", p.MaxLateness, 0, 100*365*24*time.Hour)
	between("processor.business_day_cutoff", p.BusinessDayCutoff, 0, 12*time.Hour)
	between("processor.heartbeat_timeout", p.HeartbeatTimeout, 0, 31*24*time.Hour)
	between("processor.timeline_window", p.TimelineWindow, time.Hour, 31*24*time.Hour)
	between("processor.retire_after", p.RetireAfter, 24*time.Hour, 366*24*time.Hour)

	if n := len(c.Privacy.Secret); n > 0 && n < 16 {
		wrong("privacy.secret", "at least 16 bytes", fmt.Sprintf("%d bytes", n))
	}
	oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	oneOf("log.format", c.Log.Format, "console", "json")
	if c.Listen != "" && !hostPort(c.Listen) {
		wrong("listen", "host:port, or nothing", strconv.Quote(c.Listen))
	}
	return errors.Join(problems...)
}

// RequireSecret says what to do where there is no secret.
func (c *Config) RequireSecret() error {
	if c.Privacy.Secret == "" {
		return errors.New("privacy.secret is empty; put at least 16 random bytes into a file (head -c 32 /dev/urandom | base64) and name it in privacy.secret_file; keep it: another secret makes other customers")
	}
	return nil
}

func hostPort(s string) bool {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	n, err := strconv.Atoi(port)
	return err == nil && n >= 0 && n <= 65535
}
