package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/tillstream/tillstream/cmd/tillstream/config"
	"github.com/tillstream/tillstream/cmd/tillstream/doctor"
	"github.com/tillstream/tillstream/cmd/tillstream/simulator"
	roles "github.com/tillstream/tillstream/deploy/clickhouse"
	"github.com/tillstream/tillstream/deploy/embedded"
	sinkkafka "github.com/tillstream/tillstream/sinks/kafka"
)

// examined is what the doctor has to say, but of the disk, which is that of the machine the tests run on.
func examined(t *testing.T, wantCode int, args ...string) (remarks, said []string) {
	t.Helper()
	var out strings.Builder
	code, stderr := tillstream(t, &out, append([]string{"doctor", "--json"}, args...)...)
	var all []doctor.Finding
	if err := json.Unmarshal([]byte(out.String()), &all); err != nil {
		t.Fatalf("%v: exit %d: %s", err, code, stderr)
	}
	for _, f := range all {
		if f.Level != doctor.OK && f.Check != "disk" {
			remarks = append(remarks, fmt.Sprintf("%s %s %s", f.Level, f.Area, f.Check))
			said = append(said, f.Found+" "+f.Do)
		}
	}
	if code != wantCode && !slices.ContainsFunc(all, func(f doctor.Finding) bool { return f.Check == "disk" && f.Level != doctor.OK }) {
		t.Errorf("exit %d, want %d: %s %q", code, wantCode, stderr, said)
	}
	return remarks, said
}

// The doctor finds nothing in what a demo made, and each of the faults that are then planted: in the real engine, and in a Kafka with ACLs and logins.
func TestDoctor(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	users := filepath.Join(engineDir(data), "users.d", "roles.xml")
	must := func(errs ...error) {
		t.Helper()
		for _, err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	must(os.MkdirAll(filepath.Dir(users), 0o700), os.WriteFile(users, []byte(roles.UsersXML()), 0o600))
	engine := openEngine(t, data)
	defer engine.Close()
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Dir: brokerDir(data), Log: zap.NewNop()})
	must(err)
	defer broker.Close()
	must(os.WriteFile(addressFile(data), []byte(broker.Addrs()[0]), 0o600))

	// A demo before its first batch; after it is in TestPipelineRealData.
	sim, err := simulator.New(rigChain(1))
	must(err)
	chain := filepath.Join(t.TempDir(), "chain.yaml")
	must(os.WriteFile(chain, sim.Registry(), 0o600))
	demo := config.Default()
	demo.ClickHouse.DSN, demo.Kafka.Brokers = config.Secret(engine.DSN()), broker.Addrs()
	kafka, err := openKafka(demo, zap.NewNop())
	must(err)
	defer kafka.close()
	must(kafka.topics(t.Context(), demoTopics))
	var said strings.Builder
	if code, stderr := tillstream(t, &said, "apply", "--data", data, "-f", chain, "--yes", "--reason", "a test"); code != exitDone {
		t.Fatal(stderr)
	}
	if strings.Contains(said.String(), "rebuild") { // nothing is written yet
		t.Errorf("apply advises to make anew what is not there:\n%s", said.String())
	}
	if remarks, said := examined(t, exitDone, "--data", data, "--strict"); remarks != nil {
		t.Errorf("in the demo's set-up: %q: %q", remarks, said)
	}

	// The same ClickHouse with a table that forgets and a store nobody registered, and a Kafka whose topics and rights are wrong.
	const user, password = "tills", "a password"
	allow := func(resource kmsg.ACLResourceType, name string, op kmsg.ACLOperation) kfake.ACL {
		return kfake.ACL{Resource: resource, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: op, Allow: true}
	}
	var acls []kfake.ACL
	for _, topic := range []string{"pos.transactions", "pos.health", "pos.incidents", "pos.registry", "pos.dead-letters"} {
		acls = append(acls, allow(kmsg.ACLResourceTypeTopic, topic, kmsg.ACLOperationRead), allow(kmsg.ACLResourceTypeTopic, topic, kmsg.ACLOperationDescribeConfigs))
	}
	acls = append(acls, allow(kmsg.ACLResourceTypeTopic, "pos.orders", kmsg.ACLOperationDescribe), allow(kmsg.ACLResourceTypeGroup, "tests", kmsg.ACLOperationDescribe))
	cluster, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("SCRAM-SHA-256", "admin", "admin"), kfake.User("SCRAM-SHA-256", user, password, acls...))
	must(err)
	defer cluster.Close()
	// An Alertmanager that takes what we send, and a schema registry that does not know us.
	services := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v2/status" || r.Method != http.MethodGet {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer services.Close()
	configFile := func(dsn, user, password string) string {
		t.Helper()
		path := filepath.Join(t.TempDir(), "tillstream.yaml")
		must(os.WriteFile(path, fmt.Appendf(nil, `
kafka: {brokers: [%q], group: tests, sasl: {mechanism: scram-sha-256, username: %s, password: %s}}
clickhouse: {dsn: %q}
privacy: {secret: a secret of many bytes}
alerts: {topic: "", alertmanager: {urls: [%q, "http://127.0.0.1:1"]}}
formats: {schema_registry: {urls: [%q], username: u, password: wrong}}
`, cluster.ListenAddrs()[0], user, password, dsn, services.URL, services.URL), 0o600))
		return path
	}
	adminConfig, err := loadConfig(&env{}, configFile(engine.DSN(), "admin", "admin"))
	must(err)
	admin, err := openKafka(adminConfig, zap.NewNop())
	must(err)
	defer admin.close()
	for _, topic := range []struct {
		name       string
		partitions int
		key, value string
	}{
		{"pos.transactions", 4, "message.timestamp.type", "CreateTime"},
		{"pos.health", 4, "retention.ms", "3600000"},
		{"pos.incidents", 4, "cleanup.policy", "compact"},
		{"pos.registry", 2, "cleanup.policy", "compact"},
		{"pos.orders", 4, "retention.ms", "-1"},
		{"pos.dead-letters", 1, "retention.ms", "-1"},
	} {
		_, err := sinkkafka.EnsureTopics(t.Context(), admin.client, []string{topic.name}, sinkkafka.Creation{Partitions: topic.partitions, Replication: 2, Settings: map[string]string{topic.key: topic.value}})
		must(err)
	}
	sink, err := openSink(adminConfig)
	must(err)
	defer sink.Close()
	for _, sql := range []string{
		"ALTER TABLE tillstream.sales_hourly MODIFY SETTING non_replicated_deduplication_window = 0",
		"INSERT INTO tillstream.terminal_status (lane, store_id, terminal_id) VALUES ('', 'stranger', 't')",
	} {
		result, err := sink.Query(t.Context(), sql)
		must(err)
		for _, err := range result.Rows {
			must(err)
		}
	}
	inKafka := []string{
		"warn config brokers", "fail kafka group rights", "fail topic pos.transactions", "fail topic pos.health", "fail topic pos.incidents", "fail topic pos.orders",
		"warn topic pos.orders", "fail topic pos.dead-letters", "fail topic partitions",
	}
	for as, want := range map[string][]string{
		"writer":  {"fail clickhouse windows", "skip group state", "warn registry stores"},
		"analyst": {"warn clickhouse migrations", "fail clickhouse rights", "skip group state", "skip registry readable"},
	} {
		remarks, said := examined(t, exitFailed, "--config", configFile("http://"+as+"@"+engine.HTTPAddr()+"/default", user, password))
		want = append(append(slices.Clone(inKafka), want...), "fail service schema registry", "warn service alertmanager")
		if d := cmp.Diff(want, remarks); d != "" {
			t.Errorf("as %s (-want +got)\n%s\n%s", as, d, strings.Join(said, "\n"))
		}
	}
	if remarks, said := examined(t, exitFailed, "--config", configFile(engine.DSN(), user, "another password")); !slices.Contains(remarks, "fail kafka reachable") || !strings.Contains(strings.Join(said, " "), "kafka.sasl") {
		t.Errorf("%q: %q", remarks, said)
	}
	if code, stderr := tillstream(t, io.Discard, "doctor", "--config", chain); code != exitUsage {
		t.Errorf("exit %d: %s", code, stderr)
	}
}
