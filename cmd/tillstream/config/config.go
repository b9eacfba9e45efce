package config

import (
	"time"

	"github.com/tillstream/tillstream/processor/format/mapping"
)

// Config is everything that can be configured.
type Config struct {
	Kafka      Kafka      `yaml:"kafka"`
	ClickHouse ClickHouse `yaml:"clickhouse"`
	Processor  Processor  `yaml:"processor"`
	Formats    Formats    `yaml:"formats"`
	SLA        SLA        `yaml:"sla"`
	Alerts     Alerts     `yaml:"alerts"`
	Marketing  Marketing  `yaml:"marketing"`
	Privacy    Privacy    `yaml:"privacy"`
	Retention  Retention  `yaml:"retention"`
	Log        Log        `yaml:"log"`
	Tracing    Tracing    `yaml:"tracing"`
	Console    Console    `yaml:"console"`
	Listen     string     `yaml:"listen" doc:"Address of the console, /metrics, /healthz and /readyz; empty: none."`
	Pprof      bool       `yaml:"pprof" doc:"Offer Go's profiles at /debug/pprof/ of listen, too. They show what is in memory, so only where nobody else can reach it."`

	renewed func(key string, err error)
}

// Kafka is where events come from.
type Kafka struct {
	Brokers           []string `yaml:"brokers" doc:"Addresses to begin with, host:port."`
	ClientID          string   `yaml:"client_id" doc:"Name shown in the brokers' logs and quotas."`
	Group             string   `yaml:"group" doc:"Consumer group. It also names what is kept in ClickHouse: a new name reads the topics from their beginning and counts again."`
	Topics            []string `yaml:"topics" doc:"Co-partitioned topics, keyed by store_id, with the same number of partitions."`
	DeadLettersTopic  string   `yaml:"dead_letters_topic" doc:"Where records go that could not be folded; made if it is missing."`
	SessionTimeout    Duration `yaml:"session_timeout" doc:"How long a member may be silent. Half of it bounds the inserts of one batch and how long a successor waits after a crash."`
	HeartbeatInterval Duration `yaml:"heartbeat_interval" doc:"How often a member says that it lives; at most a third of session_timeout."`
	RebalanceTimeout  Duration `yaml:"rebalance_timeout" doc:"How long a rebalance waits for a member that finishes its batch; at least session_timeout / 2."`
	FetchMaxBytes     Size     `yaml:"fetch_max_bytes" doc:"Bytes one leader may answer with at once."`
	FetchMaxWait      Duration `yaml:"fetch_max_wait" doc:"How long a leader waits for data before it answers with none."`
	TLS               TLS      `yaml:"tls"`
	SASL              SASL     `yaml:"sasl"`
}

// TLS of a connection.
type TLS struct {
	Enabled            bool   `yaml:"enabled" doc:"Encrypt the connection (TLS 1.2 or newer)."`
	CAFile             string `yaml:"ca_file" doc:"PEM file of the authorities to trust; empty: the system's."`
	CertFile           string `yaml:"cert_file" doc:"PEM file of our certificate, for mutual TLS."`
	KeyFile            string `yaml:"key_file" doc:"PEM file of its key."`
	ServerName         string `yaml:"server_name" doc:"Name the server's certificate must have; empty: the host connected to."`
	InsecureSkipVerify bool   `yaml:"insecure_skip_verify" doc:"Do not verify the server. For tests only."`
}

// SASL says who we are to Kafka.
type SASL struct {
	Mechanism    string `yaml:"mechanism" doc:"How we log in: plain, scram-sha-256, scram-sha-512 or oauthbearer; empty: not at all."`
	Username     string `yaml:"username" doc:"Who we are."`
	Password     Secret `yaml:"password" doc:"Our password; better in password_file."`
	PasswordFile string `yaml:"password_file" doc:"File with the password, white space around it left out; wins over password."`
	OAuth        OAuth  `yaml:"oauth"`
}

// OAuth says where the token of the mechanism oauthbearer comes from.
type OAuth struct {
	TokenFile        string   `yaml:"token_file" doc:"File with the token for oauthbearer, which somebody renews; read at each login."`
	TokenURL         string   `yaml:"token_url" doc:"Instead of token_file: where an issuer gives tokens for client_id and client_secret (OAuth 2.0 client credentials), https://host/path."`
	ClientID         string   `yaml:"client_id" doc:"Who we are to the issuer."`
	ClientSecret     Secret   `yaml:"client_secret" doc:"Our secret there; better in client_secret_file."`
	ClientSecretFile string   `yaml:"client_secret_file" doc:"File with the secret, white space around it left out; wins over client_secret."`
	Scopes           []string `yaml:"scopes" doc:"What the token shall be good for, as the issuer calls it."`
	Extensions       []string `yaml:"extensions" doc:"What brokers are told beside the token, name=value: logicalCluster and identityPoolId of Confluent Cloud, for example."`
	TLS              TLS      `yaml:"tls"`
}

// ClickHouse is where rollups go.
type ClickHouse struct {
	DSN           Secret   `yaml:"dsn" doc:"Where it is: clickhouse://host:9000/default (native, with ?secure=true TLS) or http(s)://host:8123/default; several replicas of one shard as host:9000,host:9000. The keys below win over what it says." show:"url"`
	Username      string   `yaml:"username" doc:"Who we are; empty: as the DSN says, or default."`
	Password      Secret   `yaml:"password" doc:"Our password; better in password_file."`
	PasswordFile  string   `yaml:"password_file" doc:"File with the password, white space around it left out; wins over password."`
	TLS           TLS      `yaml:"tls"`
	InsertTimeout Duration `yaml:"insert_timeout" doc:"Longest a single INSERT may take; half of kafka.session_timeout bounds it too."`
	InsertQuorum  string   `yaml:"insert_quorum" doc:"Replicas that must have an INSERT before it counts: a number or auto; empty: on a cluster auto, else as the server is set."`
	Cluster       string   `yaml:"cluster" doc:"Cluster of one shard (remote_servers) on whose servers the tables are made, replicated; the DSN names some or all of them. Empty: one server. See docs/kafka-and-clickhouse.md."`
	Migrate       bool     `yaml:"migrate" doc:"Bring the databases to this version before starting."`
}

// Processor says how events are folded.
type Processor struct {
	Lanes             int      `yaml:"lanes" doc:"Fixed shares of the partitions, the units of assignment and of inserts. 0: what the data was written with, at first as many as partitions, at most 8. A change begins a new epoch once all members are stopped."`
	BatchAge          Duration `yaml:"batch_age" doc:"How old a batch gets before it is written, older if the last one was not written for as long as that took, and up to 10 s older while there is more to fold; freshness against the number of inserts."`
	BatchRecords      int      `yaml:"batch_records" doc:"Most records of a batch."`
	BatchBytes        Size     `yaml:"batch_bytes" doc:"Most bytes of records in a batch. 0: what memory allows."`
	Memory            Size     `yaml:"memory" doc:"Bound of what all lanes of a process hold in batches; a lane that is at its share stops fetching."`
	MaxEventBytes     Size     `yaml:"max_event_bytes" doc:"A larger event is a dead letter (too_large)."`
	MaxLateness       Duration `yaml:"max_lateness" doc:"An event older than this when Kafka got it is a dead letter (too_late). 0: however late."`
	BusinessDayCutoff Duration `yaml:"business_day_cutoff" doc:"When a day of trade ends, after midnight, for tills that send no business_date."`
	HeartbeatTimeout  Duration `yaml:"heartbeat_timeout" doc:"How long a report of up holds before the till counts as silent. 0: three times the interval the till announces, 3 min if it does not."`
	TimelineWindow    Duration `yaml:"timeline_window" doc:"How far back late evidence corrects availability, before a till's newest evidence."`
	RetireAfter       Duration `yaml:"retire_after" doc:"Silence longer than this is unknown: the till was withdrawn."`
	WatchProducts     []string `yaml:"watch_products" doc:"Ids of products of which pairs in one basket are counted, beside those of categories. A change counts from then on."`
	CorrectionWindow  Duration `yaml:"correction_window" doc:"For how long after it came a transaction can be corrected (corrects); all of them are kept that long in tillstream.transaction_packs. 0: corrections are dead letters (correction_unsupported)."`
}

// Formats say what records are written in; see docs/formats.md.
type Formats struct {
	Topics         []string       `yaml:"topics" doc:"What records of a topic are written in that are not JSON and do not say what they are: topic=avro or topic=protobuf."`
	Mappings       []string       `yaml:"mappings" doc:"How the records of a topic become canonical events that are not: topic=file, a mapping in Bloblang. All records of the topic go through it; tillstream map tries it."`
	SchemaRegistry SchemaRegistry `yaml:"schema_registry"`

	mappings map[string]*mapping.Mapping // Mappings, read, by topic
}

// SchemaRegistry is where the schemas are that records name by an id.
type SchemaRegistry struct {
	URLs      []string `yaml:"urls" doc:"Nodes of a schema registry with Confluent's API, http(s)://host:8081, for records that begin with a zero and the id of a schema. None: such records are dead letters (unknown_schema)."`
	HTTPLogin `yaml:",inline"`
}

// HTTPLogin is how we show a server of HTTP who we are.
type HTTPLogin struct {
	Username     string `yaml:"username" doc:"Who we are, in HTTP basic authentication."`
	Password     Secret `yaml:"password" doc:"Our password; better in password_file."`
	PasswordFile string `yaml:"password_file" doc:"File with the password, white space around it left out; wins over password."`
	Token        Secret `yaml:"token" doc:"Bearer token, instead of a password; better in token_file."`
	TokenFile    string `yaml:"token_file" doc:"File with the token, white space around it left out; wins over token."`
	TLS          TLS    `yaml:"tls"`
}

// SLA says how agreements are kept.
type SLA struct {
	Every Duration `yaml:"every" doc:"How often the member that owns lane 0 looks for news and evaluates the agreements they concern. 0: never; then tillstream sla evaluate does."`
}

// Marketing says how fresh what marketing asks is; see docs/marketing.md.
type Marketing struct {
	RefreshEvery Duration `yaml:"refresh_every" doc:"How often the member that owns lane 0 refreshes the views that are not reckoned when they are asked; less often where that takes more than a tenth of it. 0: never; then tillstream refresh does."`
}

// Alerts say what is wrong; see docs/alerting.md.
type Alerts struct {
	Every        Duration     `yaml:"every" doc:"How often the member that owns lane 0 looks. 0: no alerts."`
	Topic        string       `yaml:"topic" doc:"Kafka topic that alerts are sent to, made if it is missing; empty: none."`
	ClearAfter   Duration     `yaml:"clear_after" doc:"How long it must be over before an alert is resolved, so that what flaps pages once."`
	Repeat       Duration     `yaml:"repeat" doc:"How often an alert that is still open is told again. 0: never."`
	TerminalFor  Duration     `yaml:"terminal_for" doc:"How long a till must be down or silent, in service hours, before it is told."`
	StoreFor     Duration     `yaml:"store_for" doc:"The same of a store that cannot sell."`
	BlindAfter   Duration     `yaml:"blind_after" doc:"If what Kafka held so long ago is not folded, the pipeline is blind: alerts are frozen."`
	BlindFor     Duration     `yaml:"blind_for" doc:"How long it must be blind before that is told."`
	Coverage     int          `yaml:"coverage_percent" doc:"Alerts about the scope of an agreement are frozen where less of it was measured."`
	BurnWindows  []string     `yaml:"burn_windows" doc:"Pairs of windows: severity, share of the budget, long and short window of counted time."`
	BacklogAfter Duration     `yaml:"backlog_after" doc:"Age from which a sale that a till holds back is told."`
	DeadLetters  int          `yaml:"dead_letters" doc:"Dead letters of one topic and reason in an hour from which they are told."`
	Lag          int          `yaml:"lag" doc:"Offsets from which it is told that the pipeline is behind."`
	Deadline     Duration     `yaml:"deadline" doc:"How long before it a deadline of an agreement is told."`
	Page         []string     `yaml:"page" doc:"Rules whose alerts page; the others make tickets. Of burn rates burn_windows says it."`
	Disabled     []string     `yaml:"disabled" doc:"Rules that are not looked at."`
	Alertmanager Alertmanager `yaml:"alertmanager"`
}

// Alertmanager is who else is told.
type Alertmanager struct {
	URLs      []string `yaml:"urls" doc:"Members of an Alertmanager cluster, http(s)://host:9093; all of them are told. None: it is not."`
	HTTPLogin `yaml:",inline"`
	Refresh   Duration `yaml:"refresh" doc:"How often it is told again of what is open. Four times as long without that, or four times kafka.session_timeout if that is more, and an alert ends there."`
	Source    string   `yaml:"source_url" doc:"Where one looks further: the generatorURL of alerts."`
}

// Privacy keeps customers out of the data.
type Privacy struct {
	Secret     Secret `yaml:"secret" doc:"Key of the customers' pseudonyms, at least 16 bytes. Another key makes other customers, so keep it. Better in secret_file."`
	SecretFile string `yaml:"secret_file" doc:"File with the key, white space around it left out; wins over secret."`
	MinGroup   int    `yaml:"min_group" doc:"The least group of customers that marketing's views show, and that tillstream audience takes out: 5 or more."`
}

// Retention is for how many days what is kept.
type Retention struct {
	Customers int `yaml:"customers" doc:"Days after which what known customers did goes, from the business date. 0: it stays; else at least 400, since segments look a year back."`
	Sales     int `yaml:"sales" doc:"The same of sales, products, baskets, payments, promotions and returns, in which nobody is known. 0, or at least 500: promotions are compared with what was 484 days ago."`
	Orders    int `yaml:"orders" doc:"The same of orders, from their first step. 0, or at least 100."`
}

// Console is what people look at; see docs/console.md.
type Console struct {
	Enabled   bool     `yaml:"enabled" doc:"Show the console at /console/ of the address of listen. Without users it opens on a loopback address only."`
	UsersFile string   `yaml:"users_file" doc:"File of who may log in, lines of name:bcrypt as htpasswd -nB NAME prints them; read at start. Empty, and without oidc: nobody has to, on a loopback address."`
	Operators []string `yaml:"operators" doc:"Names in users_file who may send dead letters again in the console. None: they only look."`
	OIDC      OIDC     `yaml:"oidc"`
	Timeout   Duration `yaml:"timeout" doc:"Longest a figure may take ClickHouse."`
	Memory    Size     `yaml:"memory" doc:"Most memory that ClickHouse may take for a figure; four are reckoned at a time."`
}

// OIDC says at which OpenID provider people log in to the console.
type OIDC struct {
	Issuer           string   `yaml:"issuer" doc:"An OpenID provider, https://host/…, as it names itself: what is before /.well-known/openid-configuration. Empty: none."`
	ClientID         string   `yaml:"client_id" doc:"Who the console is there."`
	ClientSecret     Secret   `yaml:"client_secret" doc:"Its secret, at least 16 bytes; another one ends all sessions. Better in client_secret_file."`
	ClientSecretFile string   `yaml:"client_secret_file" doc:"File with the secret, white space around it left out; wins over client_secret."`
	RedirectURL      string   `yaml:"redirect_url" doc:"Where browsers reach /console/login, as it is registered at the provider: https://tills.example/console/login. http only on a loopback address."`
	Scopes           []string `yaml:"scopes" doc:"What is asked for beside openid."`
	GroupsClaim      string   `yaml:"groups_claim" doc:"Claim with the groups or roles of a person, in the ID token or else of the userinfo endpoint; a.b is b within a."`
	Viewers          []string `yaml:"viewers" doc:"Groups that see tills, stores, events and agreements; * is whoever logs in."`
	Analysts         []string `yaml:"analysts" doc:"Groups that see sales and groups of customers, too."`
	Operators        []string `yaml:"operators" doc:"Groups that see what viewers do, and may send dead letters again."`
	Session          Duration `yaml:"session" doc:"How long one stays logged in: what the provider takes from somebody meanwhile, a group or all, is seen after it."`
	TLS              TLS      `yaml:"tls"`
}

// Log says what is logged, to standard error.
type Log struct {
	Level  string `yaml:"level" doc:"The least that is logged: debug, info, warn or error."`
	Format string `yaml:"format" doc:"How it is written: console for people, json for programs."`
}

// Tracing says where traces of batches go.
type Tracing struct {
	Endpoint string `yaml:"endpoint" doc:"Where traces of batches are sent, OTLP over HTTP: http(s)://collector:4318. Empty: as OTEL_EXPORTER_OTLP_ENDPOINT says; without that there are none. Sampling, headers and certificates are those of OpenTelemetry's own variables (OTEL_…)."`
}

// Default is what holds where nothing is said.
func Default() *Config {
	return &Config{
		Kafka: Kafka{
			Brokers: []string{"127.0.0.1:9092"}, ClientID: "tillstream", Group: "tillstream", Topics: []string{"pos.transactions", "pos.health", "pos.incidents", "pos.registry", "pos.orders"},
			DeadLettersTopic: "pos.dead-letters", SessionTimeout: Duration(30 * time.Second), HeartbeatInterval: Duration(3 * time.Second),
			RebalanceTimeout: Duration(30 * time.Second), FetchMaxBytes: 8 << 20, FetchMaxWait: Duration(500 * time.Millisecond),
		},
		ClickHouse: ClickHouse{DSN: "clickhouse://127.0.0.1:9000/default", InsertTimeout: Duration(time.Minute), Migrate: true},
		Processor: Processor{
			BatchAge: Duration(time.Second), BatchRecords: 500_000, Memory: 1 << 30, MaxEventBytes: 1 << 20,
			TimelineWindow: Duration(48 * time.Hour), RetireAfter: Duration(31 * 24 * time.Hour), CorrectionWindow: Duration(8 * 24 * time.Hour),
		},
		Marketing: Marketing{RefreshEvery: Duration(time.Hour)},
		SLA:       SLA{Every: Duration(5 * time.Second)},
		Alerts: Alerts{
			Every: Duration(time.Second), Topic: "pos.alerts", ClearAfter: Duration(30 * time.Second), Repeat: Duration(4 * time.Hour),
			BlindAfter: Duration(15 * time.Second), BlindFor: Duration(45 * time.Second), Coverage: 90,
			BurnWindows:  []string{"page 2% 1h 5m", "page 5% 6h 30m", "ticket 10% 1d 2h", "ticket 10% 3d 6h"},
			BacklogAfter: Duration(time.Hour), DeadLetters: 10, Lag: 1_000_000, Deadline: Duration(7 * 24 * time.Hour),
			Page:         []string{"terminal_outage", "store_outage", "breach", "budget_exhausted", "sales_silence", "pipeline_blind"},
			Alertmanager: Alertmanager{Refresh: Duration(time.Minute)},
		},
		Privacy: Privacy{MinGroup: 10},
		Console: Console{
			Enabled: true, Timeout: Duration(10 * time.Second), Memory: 1 << 30,
			OIDC: OIDC{Scopes: []string{"profile", "email"}, GroupsClaim: "groups", Session: Duration(8 * time.Hour)},
		},
		Log:    Log{Level: "info", Format: "console"},
		Listen: "127.0.0.1:9464",
	}
}
