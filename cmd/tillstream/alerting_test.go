package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/tillstream/tillstream/deploy/embedded"
	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/sinks/alertmanager"
)

// A till goes down: the alert is in Kafka, at Alertmanager and in pos.alerts. The member is killed, another judges: no other alert. The till is up: resolved.
func TestPipelineAlerts(t *testing.T) {
	t.Parallel()
	data, broker := t.TempDir(), ownKafka(t).Addr()
	defer holdEngine(t, data)()
	dsn, ok := embedded.Running(t.Context(), engineDir(data))
	if !ok {
		t.Fatal("the engine does not answer")
	}
	var mu sync.Mutex
	var posted []alertmanager.Alert
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var all []alertmanager.Alert
		if err := json.NewDecoder(r.Body).Decode(&all); err != nil || r.URL.Path != "/api/v2/alerts" {
			http.Error(w, "not postableAlerts", http.StatusBadRequest)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		posted = append(posted, all...)
	}))
	defer receiver.Close()
	cfg := writeConfig(t, broker, dsn, fmt.Sprintf("alerts: {every: 500ms, clear_after: 0s, alertmanager: {urls: [%q], refresh: 1s}}\n", receiver.URL))
	sequence := 0
	report := func(terminal, status string) {
		t.Helper()
		sequence++
		line := fmt.Sprintf(`{"id":"h%d","source":"%s","type":"pos.health.v1","time":"%s","store_id":"S1","terminal_id":"%s","sequence":%d,"kind":"heartbeat","status":"%s"}`,
			sequence, terminal, time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), terminal, sequence, status)
		if code, said := tillstreamWith(t, t.Context(), strings.NewReader(line+"\n"), io.Discard, "ingest", "--config", cfg, "-"); code != exitDone {
			t.Fatalf("ingest exited %d: %s", code, said)
		}
	}
	type row struct {
		AlertID    string `json:"alert_id"`
		Rule       string `json:"rule"`
		State      string `json:"state"`
		TerminalID string `json:"terminal_id"`
	}
	rows := func() (all []string) {
		var out strings.Builder
		if code, _ := tillstream(t, &out, "sql", "--dsn", dsn, "--format", "csv", "SELECT alert_id, rule, scope, state FROM pos.alerts ORDER BY started_at"); code != exitDone {
			return nil
		}
		return strings.Split(strings.TrimSpace(out.String()), "\n")[1:]
	}
	until := func(what string, done func() bool) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		look := time.NewTicker(100 * time.Millisecond)
		defer look.Stop()
		for !done() {
			select {
			case <-ctx.Done():
				t.Fatalf("waited in vain for %s; there is %q", what, rows())
			case <-look.C:
			}
		}
	}
	has := func(state string) func() bool {
		return func() bool {
			return len(rows()) == 1 && strings.HasSuffix(strings.ReplaceAll(rows()[0], `"`, ""), ",terminal_outage,S1/T2,"+state)
		}
	}
	last := func(open bool) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			if len(posted) == 0 {
				return false
			}
			ends, err := time.Parse(time.RFC3339Nano, posted[len(posted)-1].EndsAt)
			return err == nil && ends.After(time.Now()) == open
		}
	}

	first := startMember(t, cfg)
	until("the topics", func() bool { return first.said("lane assigned") })
	report("T1", "up")
	report("T2", "up")
	report("T2", "down")
	until("the alert", has("firing"))
	until("Alertmanager", last(true))
	first.kill()
	mu.Lock()
	posted = nil
	mu.Unlock()
	second := startMember(t, cfg)
	until("the second member to tell of what is open", last(true))
	report("T2", "up")
	until("the end", has("resolved"))
	until("Alertmanager to know", last(false))
	second.stop()

	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{broker}, Topic: "pos.alerts", GroupID: "readers", StartOffset: kafka.FirstOffset, MaxWait: 100 * time.Millisecond})
	defer reader.Close()
	var states []string
	ids := map[string]bool{}
	for !slices.Contains(states, "resolved") {
		m, err := reader.ReadMessage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var r row
		if err := json.Unmarshal(m.Value, &r); err != nil || string(m.Key) != r.AlertID || r.TerminalID != "T2" {
			t.Fatalf("%s: %s, %v", m.Key, m.Value, err)
		}
		ids[r.AlertID] = true
		states = append(states, r.State)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, a := range posted {
		ids[a.Labels["alert_id"]] = true
	}
	if len(ids) != 1 || !strings.Contains(rows()[0], slices.Collect(func(yield func(string) bool) {
		for id := range ids {
			yield(id)
		}
	})[0]) || states[0] != "firing" {
		t.Errorf("%d alerts, %v in Kafka, %q in pos", len(ids), states, rows())
	}
	var listed strings.Builder
	if code, said := tillstream(t, &listed, "alerts", "list", "--dsn", dsn, "--format", "csv"); code != exitDone || !strings.Contains(listed.String(), "S1/T2") {
		t.Errorf("alerts list exited %d: %s%s", code, listed.String(), said)
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
