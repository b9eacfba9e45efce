package doctor

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/cmd/tillstream/config"
	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/sinks/clickhouse"
	"github.com/tillstream/tillstream/sinks/kafka"
)

const all = kafka.Read | kafka.Write | kafka.Create | kafka.Describe | kafka.DescribeConfigs

// sound are the facts of a set-up at which nothing is to be said.
func sound() *Facts {
	cfg := config.Default()
	cfg.Privacy.Secret = "a secret of many bytes"
	cfg.Kafka.Brokers = []string{"kafka-1:9092", "kafka-2:9092"}
	f := &Facts{Config: cfg, Now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	f.Kafka.Inspection = kafka.Inspection{ClusterID: "c", Brokers: 3, FetchMin: 4, FetchMax: 17, Rights: all, Group: all}
	for _, name := range append(append([]string(nil), cfg.Kafka.Topics...), "pos.dead-letters", "pos.alerts") {
		t := kafka.TopicSetup{Name: name, Partitions: 16, Replicas: 3, Rights: all, Settings: map[string]string{
			"message.timestamp.type": "LogAppendTime", "retention.ms": "1209600000", "retention.bytes": "-1", "cleanup.policy": "delete", "min.insync.replicas": "2",
		}}
		if name == "pos.registry" {
			t.Settings["cleanup.policy"] = "compact"
		}
		f.Kafka.Topics = append(f.Kafka.Topics, t)
	}
	for _, what := range []string{clickhouse.ProofVersion, clickhouse.ProofClock, clickhouse.ProofMigrations, clickhouse.ProofWindows, clickhouse.ProofCanary} {
		f.ClickHouse.Proofs = append(f.ClickHouse.Proofs, clickhouse.Proof{What: what, Found: "good"})
	}
	f.ClickHouse.User, f.ClickHouse.Free, f.ClickHouse.Total = "tillstream", 500<<30, 1000<<30
	f.Group = Group{Asked: true, Survey: processor.Survey{
		Stream:  processor.Stream{Group: "tillstream", Epoch: 1, Lanes: 8, Partitions: 16, Topics: cfg.Kafka.Topics, Cluster: "c"},
		Members: []string{"a at /10.0.0.1"}, Cluster: "c", Partitions: 16,
	}}
	f.Registry = Registry{Asked: true, Revision: 3, Sent: 3, Agreements: 2, Stores: clickhouse.Strangers{Registered: 240}}
	return f
}

func (f *Facts) topic(name string) *kafka.TopicSetup {
	for i := range f.Kafka.Topics {
		if f.Kafka.Topics[i].Name == name {
			return &f.Kafka.Topics[i]
		}
	}
	return nil
}

// remarks are the findings that say something, as "level area check".
func remarks(findings []Finding) (out []string) {
	for _, x := range findings {
		if x.Level != OK {
			out = append(out, fmt.Sprintf("%s %s %s", x.Level, x.Area, x.Check))
		}
	}
	return out
}

// One fault after the other is put into a sound set-up: it is named, with what to do, and nothing else is.
func TestEachFaultIsNamed(t *testing.T) {
	set := func(topic, key, value string) func(*Facts) {
		return func(f *Facts) { f.topic(topic).Settings[key] = value }
	}
	for name, x := range map[string]struct {
		plant func(*Facts)
		want  []string
		says  string // in what is found, or to be done
	}{
		"nothing":              {func(*Facts) {}, nil, ""},
		"the time of the till": {set("pos.health", "message.timestamp.type", "CreateTime"), []string{"fail topic pos.health"}, "--entity-name pos.health --add-config message.timestamp.type=LogAppendTime"},
		"the same, kept for good": {func(f *Facts) {
			set("pos.health", "message.timestamp.type", "CreateTime")(f)
			set("pos.health", "retention.ms", "-1")(f)
		}, []string{"warn topic pos.health"}, "lateness"},
		"a day":                   {set("pos.orders", "retention.ms", "86400000"), []string{"fail topic pos.orders"}, "24h, less than processor.timeline_window (48h)"},
		"three days":              {set("pos.orders", "retention.ms", "259200000"), []string{"warn topic pos.orders"}, "72h"},
		"retention by bytes":      {set("pos.health", "retention.bytes", "1073741824"), []string{"warn topic pos.health"}, "retention.bytes=-1"},
		"events compacted":        {set("pos.transactions", "cleanup.policy", "compact,delete"), []string{"fail topic pos.transactions"}, "cleanup.policy=delete"},
		"the registry goes":       {set("pos.registry", "cleanup.policy", "delete"), []string{"warn topic pos.registry"}, "cleanup.policy=compact"},
		"one in-sync replica":     {set("pos.health", "min.insync.replicas", "1"), []string{"warn topic pos.health"}, "min.insync.replicas=2"},
		"dead letters keep a day": {set("pos.dead-letters", "retention.ms", "86400000"), nil, ""},
		"settings not to be read": {func(f *Facts) { f.topic("pos.health").Settings = nil }, []string{"warn topic pos.health"}, "--operation DescribeConfigs --topic pos.health"},
		"one replica":             {func(f *Facts) { f.topic("pos.health").Replicas = 1 }, []string{"warn topic pos.health"}, "replication factor"},
		"no leader":               {func(f *Facts) { f.topic("pos.health").Leaderless = 2 }, []string{"fail topic pos.health"}, "2 partitions of 16"},
		"a replica away":          {func(f *Facts) { f.topic("pos.health").Lagging = 1 }, []string{"warn topic pos.health"}, "1 partition of 16"},
		"unequal partitions":      {func(f *Facts) { f.topic("pos.health").Partitions = 8 }, []string{"fail topic partitions"}, "--alter --topic pos.health --partitions 16"},
		"a topic is missing": {func(f *Facts) {
			*f.topic("pos.orders") = kafka.TopicSetup{Name: "pos.orders", Missing: true, Rights: all}
		}, []string{"warn topic pos.orders"}, "--create --topic pos.orders"},
		"dead letters are missing": {func(f *Facts) {
			*f.topic("pos.dead-letters") = kafka.TopicSetup{Name: "pos.dead-letters", Missing: true}
		}, nil, ""},
		"and may not be made": {func(f *Facts) {
			*f.topic("pos.dead-letters") = kafka.TopicSetup{Name: "pos.dead-letters", Missing: true}
			f.Kafka.Rights = 0
		}, []string{"fail topic pos.dead-letters"}, "--create"},
		"no right to read":      {func(f *Facts) { f.topic("pos.health").Rights = kafka.Describe }, []string{"fail topic pos.health"}, "--operation Read --operation Describe --topic pos.health"},
		"no right to write":     {func(f *Facts) { f.topic("pos.alerts").Rights = kafka.Read | kafka.Describe }, []string{"fail topic pos.alerts"}, "--operation Write"},
		"no right to the group": {func(f *Facts) { f.Kafka.Group = kafka.Describe }, []string{"fail kafka group rights"}, "--group tillstream"},
		"an old Kafka":          {func(f *Facts) { f.Kafka.FetchMin, f.Kafka.FetchMax = 0, 3 }, []string{"fail kafka version"}, "0.11 or newer"},
		"a Kafka of the future": {func(f *Facts) { f.Kafka.FetchMin, f.Kafka.FetchMax = 12, 30 }, []string{"fail kafka version"}, "12 to 30"},
		"brokers ahead":         {func(f *Facts) { f.Kafka.Ahead = []string{"pos.health"} }, []string{"warn kafka clock"}, "NTP"},
		"no Kafka": {func(f *Facts) {
			f.Kafka = Kafka{Err: errors.New("no broker of kafka.brokers can be reached")}
			f.Group = Group{}
		}, []string{"fail kafka reachable", "skip topic all", "skip group state"}, "no broker"},
		"no ClickHouse": {func(f *Facts) {
			f.ClickHouse.Proofs = []clickhouse.Proof{{What: clickhouse.ProofVersion, Err: errors.New("nothing answers")}}
			f.Group, f.Registry = Group{}, Registry{}
		}, []string{"fail clickhouse version", "skip clickhouse rights", "skip clickhouse disk", "skip group state", "skip registry readable"}, "nothing answers"},
		"an empty ClickHouse": {func(f *Facts) {
			f.ClickHouse.Proofs = append(f.ClickHouse.Proofs[:2:2], clickhouse.Proof{What: clickhouse.ProofMigrations, Found: "0 of 27", Err: errors.New("run tillstream migrate")})
		}, []string{"warn clickhouse migrations"}, "the first start"},
		"migrations are missing": {func(f *Facts) {
			f.ClickHouse.Proofs = append(f.ClickHouse.Proofs[:2:2], clickhouse.Proof{What: clickhouse.ProofMigrations, Found: "20 of 27", Err: errors.New("run tillstream migrate")})
		}, []string{"fail clickhouse migrations"}, "tillstream migrate"},
		"clocks":       {func(f *Facts) { f.ClickHouse.Proofs[1].Err = errors.New("the clocks are 5s apart") }, []string{"fail clickhouse clock"}, "5s"},
		"grants":       {func(f *Facts) { f.ClickHouse.Lacking = []string{"GRANT INSERT ON tillstream.*"} }, []string{"fail clickhouse rights"}, "GRANT writer TO tillstream"},
		"little space": {func(f *Facts) { f.ClickHouse.Free = 50 << 30 }, []string{"warn clickhouse disk"}, "50.0 GiB free, 5 %"},
		"no space":     {func(f *Facts) { f.ClickHouse.Free = 900 << 20 }, []string{"fail clickhouse disk"}, "900 MiB"},
		"nobody runs":  {func(f *Facts) { f.Group.Survey.Members = nil }, []string{"warn group members"}, "tillstream run"},
		"a lane under way": {func(f *Facts) {
			f.Group.Survey.Members = nil
			f.Group.Lanes = []processor.LaneStanding{{Name: "g/0", Err: errors.New("batch 7 is under way")}}
		}, []string{"warn group members", "warn group lanes"}, "batch 7"},
		"lanes of members are moving": {func(f *Facts) {
			f.Group.Lanes = []processor.LaneStanding{{Name: "g/0", Err: errors.New("batch 7 is under way")}}
		}, nil, ""},
		"held":            {func(f *Facts) { f.Group.Survey.Stream.Hold = "a rebuild" }, []string{"fail group held"}, "a rebuild"},
		"another cluster": {func(f *Facts) { f.Group.Survey.Stream.Cluster = "old" }, []string{"fail group cluster"}, "--recreated"},
		"a topic less": {func(f *Facts) {
			f.Group.Survey.Stream.Topics = append([]string{"pos.more"}, f.Group.Survey.Stream.Topics...)
		}, []string{"fail group topics"}, "pos.more"},
		"fewer partitions":   {func(f *Facts) { f.Group.Survey.Partitions = 8 }, []string{"fail group partitions"}, "8 partitions"},
		"more partitions":    {func(f *Facts) { f.Group.Survey.Partitions = 32 }, []string{"warn group partitions"}, "32 partitions"},
		"other lanes":        {func(f *Facts) { f.Config.Processor.Lanes = 4 }, []string{"warn group lanes"}, "has 8 lanes"},
		"too many lanes":     {func(f *Facts) { f.Config.Processor.Lanes, f.Group.Survey.Stream.Lanes = 32, 32 }, []string{"warn config lanes"}, "16 partitions"},
		"unread and deleted": {func(f *Facts) { f.Group.Deleted = []DeletedRange{{"pos.health", 3, 10, 20}, {Topic: "x"}} }, []string{"fail group unread"}, "offsets 10 to 19 of pos.health:3 and of 1 other partition"},
		"behind":             {func(f *Facts) { f.Group.Lag = 2_000_000 }, []string{"warn group lag"}, "2000000"},
		"never started":      {func(f *Facts) { f.Group.Survey = processor.Survey{} }, nil, ""},
		"nothing registered": {func(f *Facts) { f.Registry = Registry{Asked: true} }, []string{"warn registry stores"}, "tillstream apply"},
		"strangers": {func(f *Facts) {
			f.Registry.Stores.Unregistered, f.Registry.Stores.UnregisteredNames = 12, []string{"0042"}
		}, []string{"warn registry stores"}, "12 stores that sent something"},
		"no hours": {func(f *Facts) {
			f.Registry.Stores.WithoutHours, f.Registry.Stores.WithoutHoursNames = 1, []string{"0042"}
		}, []string{"warn registry hours"}, "1 store without opening hours (0042"},
		"other keys": {func(f *Facts) {
			f.Registry.Stores.Scattered, f.Registry.Stores.ScatteredNames = 2, []string{"0042", "0043"}
		}, []string{"warn registry keys"}, "2 stores came through several partitions (0042, 0043"},
		"not sent":                   {func(f *Facts) { f.Registry.Sent = 2 }, []string{"fail registry sent"}, "up to 2"},
		"an agreement that is wrong": {func(f *Facts) { f.Registry.Invalid = errors.New("spec.x") }, []string{"fail registry valid"}, "spec.x"},
		"no secret":                  {func(f *Facts) { f.Config.Privacy.Secret = "" }, []string{"fail config secret"}, "privacy.secret_file"},
		"one address":                {func(f *Facts) { f.Config.Kafka.Brokers = f.Config.Kafka.Brokers[:1] }, []string{"warn config brokers"}, "one of 3"},
		"clear text":                 {func(f *Facts) { f.Config.Kafka.SASL.Mechanism = "plain" }, []string{"warn config sasl"}, "clear text"},
		"a token in clear text":      {func(f *Facts) { f.Config.Kafka.SASL.Mechanism = "oauthbearer" }, []string{"warn config sasl"}, "kafka.tls.enabled"},
		"no verification":            {func(f *Facts) { f.Config.ClickHouse.TLS.InsecureSkipVerify = true }, []string{"warn config tls"}, "clickhouse.tls.ca_file"},
		"nobody watches":             {func(f *Facts) { f.Config.Listen = "" }, []string{"warn config listen"}, "9464"},
		"no alerts":                  {func(f *Facts) { f.Config.Alerts.Every = 0 }, []string{"warn config alerts"}, "alerts.every"},
		"alerts to nobody":           {func(f *Facts) { f.Config.Alerts.Topic = "" }, []string{"warn config alerts"}, "alertmanager"},
		"no schema registry": {func(f *Facts) {
			f.Services = []Service{{SchemaRegistry, "http://sr:8081", errors.New("connection refused")}}
		}, []string{"fail service schema registry"}, "formats.schema_registry"},
		"one Alertmanager of two": {func(f *Facts) {
			f.Services = []Service{{Alertmanager, "http://am-1:9093", errors.New("no API v2")}, {Alertmanager, "http://am-2:9093", nil}, {SchemaRegistry, "http://sr:8081", nil}}
		}, []string{"warn service alertmanager"}, "http://am-2:9093 answers; http://am-1:9093: no API v2"},
		"a certificate that ends": {func(f *Facts) {
			f.Expiry = map[string]time.Time{"kafka.tls.cert_file": f.Now.Add(24 * time.Hour), "clickhouse.tls.cert_file": f.Now.Add(soon)}
		}, []string{"warn config certificate"}, "kafka.tls.cert_file is good until 2026-01-02"},
		"a certificate that is over": {func(f *Facts) { f.Expiry = map[string]time.Time{"kafka.tls.cert_file": f.Now} }, []string{"fail config certificate"}, "nothing is to be restarted"},
		"nobody evaluates":           {func(f *Facts) { f.Config.SLA.Every = 0 }, []string{"warn config sla"}, "2 agreements registered"},
	} {
		t.Run(name, func(t *testing.T) {
			f := sound()
			x.plant(f)
			got := Examine(f)
			if d := cmp.Diff(x.want, remarks(got)); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
			said := false
			for _, g := range got {
				said = said || g.Level != OK && strings.Contains(g.Found+" "+g.Do, x.says)
				if g.Found == "" || strings.Contains(g.Found+g.Do, "%!") || g.Level == Warn && g.Do == "" {
					t.Errorf("%+v", g)
				}
			}
			if x.says != "" && !said {
				t.Errorf("nothing says %q: %+v", x.says, got)
			}
		})
	}
}

// What tells a demo apart is wanted there.
func TestADemoIsSound(t *testing.T) {
	f := sound()
	f.Demo = true
	f.Config.Listen = ""
	f.Config.Kafka.Brokers = []string{"127.0.0.1:9092"}
	f.Group.Survey.Members = nil
	for i := range f.Kafka.Topics {
		s := f.Kafka.Topics[i].Settings
		s["message.timestamp.type"], s["retention.ms"], s["cleanup.policy"] = "CreateTime", "-1", "delete"
	}
	if got := remarks(Examine(f)); got != nil {
		t.Error(got)
	}
}

func TestPrinting(t *testing.T) {
	findings := []Finding{{"kafka", "clock", OK, "fine", ""}, {"topic", "pos.health", Fail, "one replica", "more"}}
	var table, colour, text strings.Builder
	if err := errors.Join(WriteTable(&table, findings, false), WriteTable(&colour, findings, true), WriteJSON(&text, findings)); err != nil {
		t.Fatal(err)
	}
	want := "ok    kafka clock       fine\nfail  topic pos.health  one replica\n                        → more\n\n1 ok, 0 to be looked at, 1 wrong, 0 skipped\n"
	if table.String() != want {
		t.Errorf("%q", table.String())
	}
	if got := strings.NewReplacer("\033[31m", "", "\033[32m", "", "\033[0m", "").Replace(colour.String()); got != want || !strings.Contains(colour.String(), "\033[31mfail") {
		t.Errorf("%q", colour.String())
	}
	if d := cmp.Diff("[\n  {\n    \"area\": \"kafka\",\n    \"check\": \"clock\",\n    \"level\": \"ok\",\n    \"found\": \"fine\"\n  },\n  {\n    \"area\": \"topic\",\n    \"check\": \"pos.health\",\n    \"level\": \"fail\",\n    \"found\": \"one replica\",\n    \"do\": \"more\"\n  }\n]\n", text.String()); d != "" {
		t.Error(d)
	}
}
