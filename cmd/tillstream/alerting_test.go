package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"go.uber.org/zap"

	"github.com/tillstream/tillstream/cmd/tillstream/config"
	"github.com/tillstream/tillstream/deploy/embedded"
	"github.com/tillstream/tillstream/deploy/embedded/realalertmanager"
	"github.com/tillstream/tillstream/processor/alert"
	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/sinks/alertmanager"
	sinkkafka "github.com/tillstream/tillstream/sinks/kafka"
)

// manager is an Alertmanager of a test: the real one, where Kafka is, or what holds to the end of alerts as it does.
type manager struct {
	t    *testing.T
	url  string
	real *realalertmanager.Alertmanager

	mu     sync.Mutex
	posted map[string]alertmanager.Alert // by alert_id, the newest, where it is not real
	told   []string                      // "firing terminal_outage <alert_id>", in the order in which the pager was notified
}

func newManager(t *testing.T) *manager {
	t.Helper()
	m := &manager{t: t, posted: map[string]alertmanager.Alert{}}
	hook := httptest.NewServer(http.HandlerFunc(m.hook))
	t.Cleanup(hook.Close)
	if os.Getenv("TILLSTREAM_TEST_KAFKA") == "" {
		m.url = hook.URL
		return m
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "alerting.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(page), "```yaml\n# alertmanager.yml\n")
	text, _, _ = strings.Cut(text, "```")
	if !found {
		t.Fatal("docs/alerting.md has no alertmanager.yml")
	}
	text = strings.ReplaceAll(regexp.MustCompile(`http://(\w+)\.example`).ReplaceAllString(text, hook.URL+"/$1"), "group_interval: 1m", "group_interval: 1s")
	if m.real, err = realalertmanager.Start(t.Context(), t.TempDir(), text); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.real.Close(); err != nil {
			t.Error(err)
		}
	})
	m.url = m.real.URL()
	for labels, want := range map[string]string{
		"severity=page alertname=store_outage store_id=s": "pager", "severity=ticket alertname=at_risk contract=c": "tickets", "severity=page target=field-on-call": "field",
	} {
		got, err := m.real.Amtool(t.Context(), append([]string{"config", "routes", "test"}, strings.Fields(labels)...)...)
		if err != nil || strings.TrimSpace(got) != want {
			t.Errorf("%s goes to %q, not to %s: %v", labels, got, want, err)
		}
	}
	return m
}

// hook takes what the real one notifies, and what is posted to the other.
func (m *manager) hook(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.URL.Path == "/api/v2/alerts" {
		var all []alertmanager.Alert
		if err := json.NewDecoder(r.Body).Decode(&all); err != nil {
			http.Error(w, "not postableAlerts", http.StatusBadRequest)
			return
		}
		for _, a := range all {
			m.posted[a.Labels["alert_id"]] = a
		}
		return
	}
	var said struct {
		Receiver    string            `json:"receiver"`
		GroupLabels map[string]string `json:"groupLabels"`
		Alerts      []struct {
			Status string            `json:"status"`
			Labels map[string]string `json:"labels"`
		} `json:"alerts"`
	}
	if err := json.NewDecoder(r.Body).Decode(&said); err != nil || said.Receiver != "pager" || said.GroupLabels["store_id"] != "S1" {
		m.t.Errorf("notified %s of %v, %v", said.Receiver, said.GroupLabels, err)
	}
	for _, a := range said.Alerts { // of a group that changed all are named
		if step := a.Status + " " + a.Labels["alertname"] + " " + a.Labels["alert_id"]; !slices.Contains(m.told, step) {
			m.told = append(m.told, step)
		} else if len(said.Alerts) == 1 {
			m.t.Errorf("notified again: %s", step)
		}
	}
}

// open are the alerts that it holds to be open: rule and scope.
func (m *manager) open() []string {
	all := []alertmanager.Alert{}
	if m.real == nil {
		m.mu.Lock()
		for _, a := range m.posted {
			if ends, err := time.Parse(time.RFC3339Nano, a.EndsAt); err == nil && ends.After(time.Now()) {
				all = append(all, a)
			}
		}
		m.mu.Unlock()
	} else {
		res, err := http.Get(m.url + "/api/v2/alerts")
		if err != nil {
			return []string{err.Error()}
		}
		defer res.Body.Close()
		if err := json.NewDecoder(res.Body).Decode(&all); err != nil {
			return []string{err.Error()}
		}
	}
	out := []string{}
	for _, a := range all {
		out = append(out, a.Labels["alertname"]+" "+a.Labels["scope"])
	}
	slices.Sort(out)
	return out
}

// The story of a store: a till goes down, its member is killed and Alertmanager restarted; then all of it goes down while another member joins and the judge
// is killed; then it is maintained, and goes on. Everywhere, in Kafka, at Alertmanager, at whom that notifies and in pos.alerts, each page is there once.
func TestPipelineAlerts(t *testing.T) {
	t.Parallel()
	data, broker := t.TempDir(), ownKafka(t).Addr()
	defer holdEngine(t, data)()
	dsn, ok := embedded.Running(t.Context(), engineDir(data))
	if !ok {
		t.Fatal("the engine does not answer")
	}
	am := newManager(t)
	cfg := missedSoon(t, writeConfig(t, broker, dsn, fmt.Sprintf("alerts: {every: 500ms, clear_after: 0s, blind_after: 1h, disabled: [pipeline_blind], alertmanager: {urls: [%q], refresh: 1m}}\n", am.url))) // what it was told lasts four refreshes, which is our patience
	sequence := 0
	ingest := func(line string) {
		t.Helper()
		if code, said := tillstreamWith(t, t.Context(), strings.NewReader(line+"\n"), io.Discard, "ingest", "--config", cfg, "-"); code != exitDone {
			t.Fatalf("ingest exited %d: %s", code, said)
		}
	}
	now := func(later time.Duration) string {
		return time.Now().Add(later).UTC().Format("2006-01-02T15:04:05.000Z")
	}
	// report has tills report the same, all in one batch.
	report := func(status string, terminals ...string) {
		t.Helper()
		var lines []string
		for _, terminal := range terminals {
			sequence++
			lines = append(lines, fmt.Sprintf(`{"id":"h%d","source":"%s","type":"pos.health.v1","time":"%s","store_id":"S1","terminal_id":"%s","sequence":%d,"kind":"heartbeat","status":"%s"}`,
				sequence, terminal, now(0), terminal, sequence, status))
		}
		ingest(strings.Join(lines, "\n"))
	}
	maintenance := func(step, more string) {
		t.Helper()
		sequence++
		ingest(fmt.Sprintf(`{"id":"m%d","source":"itsm","type":"pos.maintenance.v1","time":"%s","store_id":"S1","maintenance_id":"M1","step":"%s"%s}`, sequence, now(0), step, more))
	}
	ask := func(query string) []string {
		var out strings.Builder
		if code, _ := tillstream(t, &out, "sql", "--dsn", dsn, "--format", "csv", query); code != exitDone {
			return nil
		}
		return strings.Split(strings.NewReplacer(`"`, "", "\r", "").Replace(strings.TrimSpace(out.String())), "\n")[1:]
	}
	var members []*member
	start := func() *member {
		members = append(members, startMember(t, cfg))
		return members[len(members)-1]
	}
	await := func(what string, done func() bool) {
		t.Helper()
		until(t, what, done, func() string {
			for i, m := range members {
				t.Logf("member %d said:\n%s", i, m.tail(4000))
			}
			return fmt.Sprintf("pos.alerts has %q, Alertmanager %q", ask("SELECT rule, scope, state, reason FROM pos.alerts ORDER BY started_at"), am.open())
		})
	}
	// settled waits until ClickHouse and Alertmanager say that just these alerts are open.
	settled := func(want ...string) {
		t.Helper()
		await(fmt.Sprint(want), func() bool {
			return slices.Equal(want, ask("SELECT concat(rule, ' ', scope) AS x FROM pos.alerts WHERE state != 'resolved' ORDER BY x")) && slices.Equal(want, am.open())
		})
	}

	first := start()
	await("the topics", func() bool { return first.said("lane assigned") })
	report("up", "T1", "T2")
	report("down", "T2")
	settled("terminal_outage S1/T2")
	first.kill()
	second := start()
	if am.real != nil {
		if err := am.real.Restart(t.Context()); err != nil { // it keeps what it has notified, and no alerts
			t.Fatal(err)
		}
	} else {
		am.mu.Lock()
		clear(am.posted)
		am.mu.Unlock()
	}
	settled("terminal_outage S1/T2")
	third := start() // a rebalance
	report("down", "T1")
	second.kill()
	settled("store_outage S1")
	window := fmt.Sprintf(`,"window":{"start":"%s","end":"%s"},"notice_given_at":"%s","approved_by":"m"`, now(-time.Minute), now(time.Hour), now(-time.Minute))
	maintenance("announced", window)
	maintenance("approved", window)
	maintenance("started", window)
	settled()
	maintenance("ended", window)
	settled("store_outage S1")
	report("up", "T1", "T2") // one after the other, the second would be down alone for a moment, and told of
	settled()
	steps := inKafka(t, broker, len(ask("SELECT alert_id FROM tillstream.alerts FINAL")))
	third.stop()

	want := []string{"terminal_outage part of the outage of store S1", "store_outage maintenance M1", "store_outage over"}
	if got := ask("SELECT concat(rule, ' ', reason) FROM pos.alerts ORDER BY updated_at"); !slices.Equal(got, want) {
		t.Errorf("pos.alerts has %q, want %q", got, want)
	}
	ids := ask("SELECT alert_id FROM pos.alerts ORDER BY alert_id")
	if got := slices.Sorted(maps.Keys(steps)); !slices.Equal(got, ids) {
		t.Errorf("Kafka has the alerts %q, pos.alerts %q", got, ids)
	}
	for id, all := range steps {
		if all[0] != "1 firing" || !strings.HasSuffix(all[len(all)-1], " resolved") || slices.ContainsFunc(all[1:], func(s string) bool { return strings.HasSuffix(s, " firing") }) {
			t.Errorf("alert %s in Kafka: %q", id, all)
		}
	}
	if am.real != nil {
		await("the last notification", func() bool {
			am.mu.Lock()
			defer am.mu.Unlock()
			return len(am.told) >= 6
		})
		am.mu.Lock()
		defer am.mu.Unlock()
		var told []string
		for _, s := range am.told {
			if f := strings.Fields(s); !slices.Contains(ids, f[2]) {
				t.Errorf("notified of %q", s)
			} else {
				told = append(told, f[0]+" "+f[1])
			}
		}
		slices.Sort(told)
		if want := []string{
			"firing store_outage", "firing store_outage", "firing terminal_outage", "resolved store_outage", "resolved store_outage", "resolved terminal_outage",
		}; !slices.Equal(told, want) {
			t.Errorf("the pager was told %q", told)
		}
	}
	var listed strings.Builder
	if code, said := tillstream(t, &listed, "alerts", "list", "--dsn", dsn, "--format", "csv"); code != exitDone || !strings.Contains(listed.String(), "S1/T2") {
		t.Errorf("alerts list exited %d: %s%s", code, listed.String(), said)
	}
}

// inKafka reads the topic as a consumer that drops repeats by (alert_id, sequence) until it has n steps: of each alert its steps in their order, none left out.
func inKafka(t *testing.T, broker string, n int) map[string][]string {
	t.Helper()
	ctx, cancel := patient(t)
	defer cancel()
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{broker}, Topic: "pos.alerts", GroupID: "readers", StartOffset: kafka.FirstOffset, MaxWait: 100 * time.Millisecond})
	defer reader.Close()
	steps := map[string][]string{}
	for seen := 0; seen < n; {
		m, err := reader.ReadMessage(ctx)
		if err != nil {
			t.Fatalf("after %d of %d steps, %q: %v", seen, n, steps, err)
		}
		var r struct {
			AlertID    string `json:"alert_id"`
			Sequence   int    `json:"sequence"`
			Transition string `json:"transition"`
		}
		if err := json.Unmarshal(m.Value, &r); err != nil || !bytes.Equal(m.Key, []byte(r.AlertID)) {
			t.Fatalf("%s: %s, %v", m.Key, m.Value, err)
		}
		have := len(steps[r.AlertID])
		if r.Sequence > have+1 {
			t.Errorf("step %d of alert %s comes after step %d", r.Sequence, r.AlertID, have)
		}
		if r.Sequence == have+1 {
			steps[r.AlertID] = append(steps[r.AlertID], strconv.Itoa(r.Sequence)+" "+r.Transition)
			seen++
		}
	}
	return steps
}

// While the pipeline is blind ClickHouse is asked nothing, here there is none, and what was found before stays.
func TestNobodyAsksWhileBlind(t *testing.T) {
	l := &lookout{limits: alert.Limits{Blind: 15_000}}
	s := &alert.Snapshot{At: 20_000, Unanswered: map[alert.Rule]string{}}
	l.ask(t.Context(), s)
	if len(s.Stores)+len(s.Holes)+len(s.Unanswered) > 0 {
		t.Errorf("%+v", s)
	}
	l.stores, l.slow = &alert.Snapshot{Stores: []alert.Store{{ID: "s1"}}}, &alert.Snapshot{Holes: []alert.Hole{{}}}
	s.At, s.Watermark = 3_000_000, 2_984_999
	l.ask(t.Context(), s)
	if len(s.Stores) != 1 || len(s.Holes) != 1 {
		t.Errorf("%+v", s)
	}
}

// What Kafka held at an instant is folded once the group has committed that far, in every partition.
func TestCaughtUp(t *testing.T) {
	a, b := fetch.TopicPartition{Topic: "a"}, fetch.TopicPartition{Topic: "b"}
	all := []ends{{100, map[fetch.TopicPartition]int64{a: 5, b: 5}}, {200, map[fetch.TopicPartition]int64{a: 9, b: 5}}, {300, map[fetch.TopicPartition]int64{a: 9, b: 7}}}
	for want, at := range map[[3]int64]map[fetch.TopicPartition]int64{
		{0, 8, 3}:   {a: 3, b: 5},
		{100, 1, 3}: {a: 8, b: 7},
		{200, 2, 2}: {a: 9, b: 5},
		{300, 0, 1}: {a: 9, b: 7},
	} {
		rest, watermark, behind := caughtUp(all, func(tp fetch.TopicPartition) int64 { return at[tp] })
		if got := [3]int64{watermark, behind, int64(len(rest))}; got != want {
			t.Errorf("%v: %v, want %v", at, got, want)
		}
	}
}

// A partition that is added while a member judges counts: what is in it is behind, and the watermark stays where it was.
func TestAddedPartitionIsBehind(t *testing.T) {
	const topic = "pos.health"
	cfg := config.Default()
	cfg.Kafka.Brokers, cfg.Kafka.Topics = []string{ownKafka(t).Addr()}, []string{topic}
	k, err := openKafka(cfg, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer k.close()
	if err := k.topics(t.Context(), sinkkafka.Creation{Partitions: 1, Replication: 1}); err != nil {
		t.Fatal(err)
	}
	l := newLookout(k, nil, alert.Limits{}, nil)
	before := &alert.Snapshot{At: 1000}
	if err := l.progress(t.Context(), before); err != nil || before.Watermark != 1000 || before.Behind != 0 {
		t.Fatalf("%v: %+v", err, before)
	}
	added, err := k.client.CreatePartitions(t.Context(), &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: topic, Count: 2}}})
	if err == nil {
		err = added.Errors[topic]
	}
	if err != nil {
		t.Fatal(err)
	}
	k.close() // with its connections kafka-go forgets what it knew of the topic
	sent, err := k.client.Produce(t.Context(), &kafka.ProduceRequest{
		Topic: topic, Partition: 1, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes([]byte("{}"))}),
	})
	if err == nil {
		err = sent.Error
	}
	if err != nil {
		t.Fatal(err)
	}
	after := &alert.Snapshot{At: 2000}
	if err := l.progress(t.Context(), after); err != nil || after.Watermark != 1000 || after.Behind != 1 {
		t.Errorf("%v: %+v", err, after)
	}
}
