//go:build measure

package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/tillstream/tillstream/deploy/embedded"
	"github.com/tillstream/tillstream/sinks/alertmanager"
)

var measuredOutages = flag.Int("outages", 60, "outages that are measured, half of tills that say down, half of tills that fall silent")

// From the instant at which an outage is due (the report of down is handed to the client of Kafka; the heartbeat timeout passes) to the alert at the receiver.
// The settings are the defaults, but for a heartbeat timeout of 20 s.
func TestMeasureAlertLatency(t *testing.T) {
	data, broker := t.TempDir(), ownKafka(t).Addr()
	defer holdEngine(t, data)()
	dsn, ok := embedded.Running(t.Context(), engineDir(data))
	if !ok {
		t.Fatal("the engine does not answer")
	}
	var mu sync.Mutex
	told := map[string]time.Time{}
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		at := time.Now()
		var all []alertmanager.Alert
		if err := json.NewDecoder(r.Body).Decode(&all); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, a := range all {
			if _, known := told[a.Labels["scope"]]; !known && a.Labels["alertname"] == "terminal_outage" {
				told[a.Labels["scope"]] = at
			}
		}
	}))
	defer receiver.Close()
	cfg := writeConfig(t, broker, dsn, fmt.Sprintf("alerts: {alertmanager: {urls: [%q]}}\n", receiver.URL))
	const timeout = 20 * time.Second
	text, err := os.ReadFile(cfg)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte("heartbeat_timeout: 50h, batch_records: 400"), []byte("heartbeat_timeout: 20s"))
	text = bytes.ReplaceAll(text, []byte(", session_timeout: 2m, heartbeat_interval: 500ms, rebalance_timeout: 2m"), nil)
	if err := os.WriteFile(cfg, text, 0o600); err != nil {
		t.Fatal(err)
	}
	member := startMember(t, cfg)
	defer member.stop()
	for !member.said("lane assigned") {
		time.Sleep(100 * time.Millisecond)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ProducerLinger(0), kgo.MaxVersions(kversion.V3_0_0())) // newer requests name topics by their ids
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	sequence := 0
	report := func(till, status string) time.Time {
		sequence++
		at := time.Now()
		value := fmt.Appendf(nil, `{"id":"h%d","source":"%s","type":"pos.health.v1","time":"%s","store_id":"S","terminal_id":"%s","sequence":%d,"kind":"heartbeat","status":"%s"}`,
			sequence, till, at.UTC().Format("2006-01-02T15:04:05.000Z"), till, sequence, status)
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "pos.health", Key: []byte("S"), Value: value}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		return at.Truncate(time.Millisecond)
	}
	due := map[string]time.Time{}
	began := time.Now()
	for i := 0; i < *measuredOutages; i++ {
		report("watch", "up") // the store goes on
		till := fmt.Sprintf("t%d", i)
		if i%2 == 0 {
			report(till, "up")
			due["down S/"+till] = report(till, "down")
		} else {
			due["silent S/"+till] = report(till, "up").Add(timeout)
		}
		time.Sleep(777 * time.Millisecond) // at no fixed place between two looks
	}
	for end := time.Now().Add(timeout + 15*time.Second); time.Now().Before(end); time.Sleep(time.Second) {
		report("watch", "up")
	}
	mu.Lock()
	defer mu.Unlock()
	for _, kind := range []string{"down", "silent"} {
		var took []time.Duration
		for what, at := range due {
			if scope, ok := strings.CutPrefix(what, kind+" "); ok {
				if _, known := told[scope]; !known {
					t.Errorf("of %s nobody was told", what)
					continue
				}
				took = append(took, told[scope].Sub(at))
			}
		}
		slices.Sort(took)
		n := len(took)
		t.Logf("%-6s n %d: least %v, median %v, 90 %% %v, most %v", kind, n, took[0], took[n/2], took[n*9/10], took[n-1])
	}
	t.Logf("in %v", time.Since(began).Round(time.Second))
}
