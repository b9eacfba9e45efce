package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/tillstream/tillstream/processor/alert"
	"github.com/tillstream/tillstream/sinks/kafka"
)

const (
	minSession = time.Second
	minMemory  = 64 << 20 // bytes
)

// Validate says everything that is wrong, each problem with its key, what was given and what is accepted.
func (c *Config) Validate() error {
	var problems []error
	wrong := func(key, accepts string, given any) {
		problems = append(problems, fmt.Errorf("%s is %v; it takes %s", key, given, accepts))
	}
	oneOf := func(key, given string, accepted ...string) {
		if !slices.Contains(accepted, given) {
			last := len(accepted) - 1
			wrong(key, strings.Join(accepted[:last], ", ")+" or "+accepted[last], strconv.Quote(given))
		}
	}
	between := func(key string, given Duration, low, high time.Duration) {
		if d := time.Duration(given); d < low || d > high {
			wrong(key, fmt.Sprintf("%v to %v", Duration(low), Duration(high)), given)
		}
	}
	size := func(key string, given, low, high Size) {
		if given < low || given > high {
			wrong(key, fmt.Sprintf("%v to %v", low, high), given)
		}
	}
	number := func(key string, given, low, high int) {
		if given < low || given > high {
			wrong(key, fmt.Sprintf("%d to %d", low, high), given)
		}
	}

	k := &c.Kafka
	if len(k.Brokers) == 0 {
		wrong("kafka.brokers", "at least one host:port", "empty")
	}
	for _, b := range k.Brokers {
		if host, ok := hostPort(b); !ok || host == "" {
			wrong("kafka.brokers", "host:port", strconv.Quote(b))
		}
	}
	if k.Group == "" || strings.ContainsFunc(k.Group, func(r rune) bool { return strings.ContainsRune("/#|", r) || unicode.IsSpace(r) || unicode.IsControl(r) }) {
		wrong("kafka.group", "a name without /, #, | and spaces", strconv.Quote(k.Group)) // it is part of lanes' names and of marks
	}
	if len(k.Topics) == 0 || len(slices.Compact(slices.Sorted(slices.Values(k.Topics)))) != len(k.Topics) {
		wrong("kafka.topics", "one or more different topics", fmt.Sprintf("%q", k.Topics))
	}
	for _, t := range k.Topics {
		if !topicName(t) {
			wrong("kafka.topics", "names of 1 to 249 letters, digits, dots, dashes and underscores", strconv.Quote(t))
		}
	}
	if !topicName(k.DeadLettersTopic) || slices.Contains(k.Topics, k.DeadLettersTopic) {
		wrong("kafka.dead_letters_topic", "the name of a topic that is not in kafka.topics", strconv.Quote(k.DeadLettersTopic))
	}
	session := max(time.Duration(k.SessionTimeout), minSession)
	between("kafka.session_timeout", k.SessionTimeout, minSession, 30*time.Minute)
	between("kafka.heartbeat_interval", k.HeartbeatInterval, 100*time.Millisecond, session/3)
	between("kafka.rebalance_timeout", k.RebalanceTimeout, session/2, time.Hour)
	between("kafka.fetch_max_wait", k.FetchMaxWait, time.Millisecond, time.Minute)
	size("kafka.fetch_max_bytes", k.FetchMaxBytes, 64<<10, 1<<30)
	if s := &k.SASL; !reflect.ValueOf(*s).IsZero() {
		oneOf("kafka.sasl.mechanism", s.Mechanism, "plain", "scram-sha-256", "scram-sha-512", "oauthbearer")
		switch token := s.Mechanism == "oauthbearer"; {
		case token && (s.Username != "" || s.Password != ""):
			wrong("kafka.sasl", "no username and no password where mechanism is oauthbearer: the token says who we are", "both")
		case !token && (s.Username == "" || s.Password == ""):
			wrong("kafka.sasl", "username and password (or password_file) where mechanism is set", "incomplete")
		case token:
			problems = append(problems, s.OAuth.validate()...)
		case !reflect.ValueOf(s.OAuth).IsZero():
			wrong("kafka.sasl.mechanism", "oauthbearer where keys of kafka.sasl.oauth are set", strconv.Quote(s.Mechanism))
		}
	}
	for _, t := range c.TLSKeys() {
		if (t.CertFile == "") != (t.KeyFile == "") {
			wrong(t.Key, "cert_file and key_file together", "incomplete")
		}
		if !t.Enabled && (t.TLS != TLS{}) {
			wrong(t.Key+".enabled", "true where another key of "+t.Key+" is set", false)
		}
	}

	if !clickHouseURL(string(c.ClickHouse.DSN)) {
		wrong("clickhouse.dsn", "clickhouse://host:9000/default or http(s)://host:8123/default", strconv.Quote(withoutPassword(string(c.ClickHouse.DSN))))
	}
	between("clickhouse.insert_timeout", c.ClickHouse.InsertTimeout, time.Second, time.Hour)
	if q := c.ClickHouse.InsertQuorum; q != "" && q != "auto" {
		if n, err := strconv.Atoi(q); err != nil || n < 0 {
			wrong("clickhouse.insert_quorum", "0, 1, 2 …, auto or nothing", strconv.Quote(q))
		}
	}

	p := &c.Processor
	number("processor.lanes", p.Lanes, 0, 1024)
	between("processor.batch_age", p.BatchAge, 10*time.Millisecond, 5*time.Minute)
	number("processor.batch_records", p.BatchRecords, 1, 500_000)
	size("processor.memory", p.Memory, minMemory, 1<<40)
	size("processor.batch_bytes", p.BatchBytes, 0, min(max(p.Memory, minMemory), 1<<30))
	size("processor.max_event_bytes", p.MaxEventBytes, 1<<10, 64<<20)
	between("processor.max_lateness", p.MaxLateness, 0, 100*365*24*time.Hour)
	between("processor.business_day_cutoff", p.BusinessDayCutoff, 0, 12*time.Hour)
	between("processor.heartbeat_timeout", p.HeartbeatTimeout, 0, 31*24*time.Hour)
	between("processor.timeline_window", p.TimelineWindow, time.Hour, 31*24*time.Hour)
	between("processor.retire_after", p.RetireAfter, max(24*time.Hour, time.Duration(p.TimelineWindow)+2*time.Hour), 366*24*time.Hour)
	if p.CorrectionWindow != 0 {
		between("processor.correction_window", p.CorrectionWindow, time.Hour, 366*24*time.Hour)
	}

	if n := len(p.WatchProducts); n > 1000 || slices.Contains(p.WatchProducts, "") {
		wrong("processor.watch_products", "up to 1000 ids of products, none empty", fmt.Sprintf("a list of %d", n))
	}
	if c.Marketing.RefreshEvery != 0 {
		between("marketing.refresh_every", c.Marketing.RefreshEvery, time.Minute, 7*24*time.Hour)
	}

	problems = append(problems, c.Formats.validate(k.Topics)...)

	if c.SLA.Every != 0 {
		between("sla.every", c.SLA.Every, time.Second, time.Hour)
	}
	a := &c.Alerts
	if a.Every != 0 {
		between("alerts.every", a.Every, 500*time.Millisecond, time.Minute)
	}
	if a.Topic != "" && (!topicName(a.Topic) || a.Topic == k.DeadLettersTopic || slices.Contains(k.Topics, a.Topic)) {
		wrong("alerts.topic", "the name of a topic that has no other use, or nothing", strconv.Quote(a.Topic))
	}
	between("alerts.clear_after", a.ClearAfter, 0, time.Hour)
	between("alerts.repeat", a.Repeat, 0, 31*24*time.Hour)
	between("alerts.terminal_for", a.TerminalFor, 0, 24*time.Hour)
	between("alerts.store_for", a.StoreFor, 0, 24*time.Hour)
	between("alerts.blind_after", a.BlindAfter, 5*time.Second, time.Hour)
	between("alerts.blind_for", a.BlindFor, 0, time.Hour)
	number("alerts.coverage_percent", a.Coverage, 0, 100)
	for _, w := range a.BurnWindows {
		if _, err := alert.ParsePair(w); err != nil {
			problems = append(problems, fmt.Errorf("alerts.burn_windows: %w", err))
		}
	}
	between("alerts.backlog_after", a.BacklogAfter, time.Minute, 31*24*time.Hour)
	number("alerts.dead_letters", a.DeadLetters, 1, 1_000_000_000)
	number("alerts.lag", a.Lag, 1, 1_000_000_000_000)
	between("alerts.deadline", a.Deadline, 0, 366*24*time.Hour)
	for _, l := range []struct {
		key   string
		rules []string
	}{{"alerts.page", a.Page}, {"alerts.disabled", a.Disabled}} {
		for _, r := range l.rules {
			if !slices.Contains(alert.Rules(), alert.Rule(r)) {
				wrong(l.key, fmt.Sprintf("names out of %v", alert.Rules()), strconv.Quote(r))
			}
		}
	}
	for _, u := range a.Alertmanager.URLs {
		if p := httpURL(u); p == nil || p.User != nil {
			wrong("alerts.alertmanager.urls", "http(s)://host:port, without a password", "another thing")
		}
	}
	problems = append(problems, a.Alertmanager.validate("alerts.alertmanager")...)
	between("alerts.alertmanager.refresh", a.Alertmanager.Refresh, time.Second, time.Hour)
	if n := len(c.Privacy.Secret); n > 0 && n < 16 {
		wrong("privacy.secret", "at least 16 bytes", fmt.Sprintf("%d bytes", n))
	}
	for _, r := range []struct {
		key         string
		days, least int
	}{{"retention.customers", c.Retention.Customers, 400}, {"retention.sales", c.Retention.Sales, 500}, {"retention.orders", c.Retention.Orders, 100}} {
		if r.days != 0 && (r.days < r.least || r.days > 36_500) {
			wrong(r.key, fmt.Sprintf("0, or %d to 36500 days", r.least), r.days)
		}
	}
	number("privacy.min_group", c.Privacy.MinGroup, 5, 10_000)
	between("console.timeout", c.Console.Timeout, time.Second, 5*time.Minute)
	size("console.memory", c.Console.Memory, 64<<20, 1<<40)
	if len(c.Console.Operators) > 0 && c.Console.UsersFile == "" {
		wrong("console.operators", "names where console.users_file is set", fmt.Sprintf("%q", c.Console.Operators))
	}
	problems = append(problems, c.Console.OIDC.validate()...)
	between("console.oidc.session", c.Console.OIDC.Session, time.Minute, 30*24*time.Hour)
	oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	oneOf("log.format", c.Log.Format, "console", "json")
	if e := c.Tracing.Endpoint; e != "" && httpURL(e) == nil {
		wrong("tracing.endpoint", "http(s)://host:port, or nothing", strconv.Quote(withoutPassword(e)))
	}
	if _, ok := hostPort(c.Listen); c.Listen != "" && !ok {
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

// TLSKey is a connection that may be encrypted, by the key that says how.
type TLSKey struct {
	Key string
	TLS
}

// TLSKeys are all of them.
func (c *Config) TLSKeys() []TLSKey {
	return []TLSKey{
		{"kafka.tls", c.Kafka.TLS},
		{"kafka.sasl.oauth.tls", c.Kafka.SASL.OAuth.TLS},
		{"clickhouse.tls", c.ClickHouse.TLS},
		{"alerts.alertmanager.tls", c.Alerts.Alertmanager.TLS},
		{"formats.schema_registry.tls", c.Formats.SchemaRegistry.TLS},
		{"console.oidc.tls", c.Console.OIDC.TLS},
	}
}

func (o *OAuth) validate() (problems []error) {
	wrong := func(key, accepts, given string) {
		problems = append(problems, fmt.Errorf("kafka.sasl.oauth%s is %s; it takes %s", key, given, accepts))
	}
	asked := o.ClientID != "" || o.ClientSecret != "" || len(o.Scopes) > 0
	switch {
	case (o.TokenFile == "") == (o.TokenURL == ""):
		wrong("", "either token_file or token_url where kafka.sasl.mechanism is oauthbearer", "incomplete, or has both")
	case o.TokenFile != "" && asked:
		wrong("", "client_id, client_secret and scopes with token_url only", "given token_file, too")
	case o.TokenURL != "" && (o.ClientID == "" || o.ClientSecret == ""):
		wrong("", "client_id and client_secret (or client_secret_file) where token_url is set", "incomplete")
	}
	if u := httpURL(o.TokenURL); o.TokenURL != "" && (u == nil || u.User != nil) {
		wrong(".token_url", "https://host/path, without a password", "another thing")
	}
	for _, e := range o.Extensions {
		if !kafka.ValidExtension(e) {
			wrong(".extensions", "name=value with a name of letters, but auth, host and port", strconv.Quote(e))
		}
	}
	return problems
}

func (l *HTTPLogin) validate(key string) []error {
	if l.Username != "" && l.Token != "" {
		return []error{fmt.Errorf("%s is given both; it takes either username and password, or token", key)}
	}
	return nil
}

// httpURL reads http(s)://host…; nil if it is another thing.
func httpURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil
	}
	return u
}

// topicName says whether Kafka takes the name.
func topicName(s string) bool {
	return s != "" && len(s) <= 249 && s != "." && s != ".." && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
	})
}

func clickHouseURL(s string) bool {
	scheme, rest, ok := strings.Cut(s, "://")
	return ok && rest != "" && slices.Contains([]string{"clickhouse", "tcp", "http", "https"}, scheme)
}

func hostPort(s string) (host string, ok bool) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return host, err == nil
}
