package alertmanager

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/tillstream/tillstream/processor/alert"
	"github.com/tillstream/tillstream/sinks/certs"
)

var label = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// receiver holds what is posted to postableAlerts of Alertmanager's api/v2/openapi.yaml, and to what its handler refuses beyond that: empty labels, alerts
// without a label, and an end before the start. Where endsAt is in the past an alert is resolved.
type receiver struct {
	refuse []int // statuses to answer with, one by one
	open   map[string]map[string]string
	posts  []int // alerts in each
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodPost || req.URL.Path != "/am/api/v2/alerts" || req.Header.Get("Content-Type") != "application/json" {
		http.NotFound(w, req)
		return
	}
	if len(r.refuse) > 0 {
		code := r.refuse[0]
		r.refuse = r.refuse[1:]
		http.Error(w, "no", code)
		return
	}
	var all []struct {
		Labels, Annotations map[string]string
		StartsAt, EndsAt    time.Time
		GeneratorURL        string
	}
	d := json.NewDecoder(req.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&all); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.posts = append(r.posts, len(all))
	for _, a := range all {
		bad := len(a.Labels) == 0 || a.Labels["alertname"] == "" || a.StartsAt.IsZero() || a.EndsAt.Before(a.StartsAt)
		for n, v := range a.Labels {
			bad = bad || !label.MatchString(n) || v == ""
		}
		for n := range a.Annotations {
			bad = bad || !label.MatchString(n)
		}
		if u, err := url.Parse(a.GeneratorURL); bad || err != nil || a.GeneratorURL != "" && !u.IsAbs() {
			http.Error(w, fmt.Sprintf("bad alert %v", a), http.StatusBadRequest)
			return
		}
		delete(r.open, a.Labels["alert_id"])
		if a.EndsAt.After(now()) {
			r.open[a.Labels["alert_id"]] = a.Labels
		}
	}
}

func now() time.Time { return time.UnixMilli(1_700_000_000_000) }

func client(t *testing.T, cfg Config) *Client {
	t.Helper()
	cfg.Lasts, cfg.Log = time.Minute, zap.NewNop()
	c, err := New(cfg, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func down(id string, sequence uint32) alert.Transition {
	return alert.Transition{Kind: alert.Fired, Alert: alert.Alert{
		ID: id, Key: alert.Key{Rule: alert.TerminalOutage, Scope: "s/" + id}, Severity: alert.Page, Status: alert.Firing, Store: "s", Terminal: id,
		Started: 1_699_999_999_000, Sequence: sequence, Summary: "Till is down",
	}}
}

func up(id string, sequence uint32) alert.Transition {
	x := down(id, sequence)
	x.Kind, x.Status, x.Ended, x.Reason = alert.Cleared, alert.Resolved, x.Started, "over" // over as it began
	return x
}

func TestReceiver(t *testing.T) {
	r := &receiver{open: map[string]map[string]string{}}
	server := httptest.NewServer(r)
	defer server.Close()
	cfg := Config{URLs: []string{server.URL + "/am/"}, Source: "https://grafana.example/d/1"}
	client(t, cfg) // leaves the configuration as it was
	c := client(t, cfg)
	if err := c.Send(t.Context(), []alert.Transition{down("1", 1), down("2", 1), up("1", 2)}); err != nil {
		t.Fatal(err)
	}
	want := map[string]map[string]string{"2": {"alertname": "terminal_outage", "alert_id": "2", "severity": "page", "scope": "s/2", "store_id": "s", "terminal_id": "2"}}
	if d := cmp.Diff(want, r.open); d != "" {
		t.Error(d)
	}
	var many []alert.Alert
	for i := range 1200 {
		many = append(many, down(fmt.Sprint(i), 1).Alert)
	}
	if err := c.Refresh(t.Context(), many); err != nil || len(r.open) != 1200 {
		t.Errorf("%d are open: %v", len(r.open), err)
	}
	if d := cmp.Diff([]int{2, 500, 500, 200}, r.posts); d != "" {
		t.Error(d)
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		refuse []int
		want   string
		left   int
	}{
		{[]int{503, 429}, "", 0},
		{[]int{500, 500, 500, 500}, "said 500 Internal Server Error: no", 1},
		{[]int{400, 400}, "said 400 Bad Request: no", 1},
		{[]int{401}, "check username and password", 0},
		{[]int{404}, "check the path", 0},
	} {
		r := &receiver{open: map[string]map[string]string{}, refuse: c.refuse}
		server := httptest.NewServer(r)
		err := client(t, Config{URLs: []string{server.URL + "/am"}}).Send(t.Context(), []alert.Transition{down("1", 1)})
		server.Close()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) || len(r.refuse) != c.left {
			t.Errorf("%v: %v, %d left", c.refuse, err, len(r.refuse))
		}
	}
	if _, err := New(Config{URLs: []string{"host:9093"}}, now); err == nil {
		t.Error("an address without a scheme is taken")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := client(t, Config{URLs: []string{"http://127.0.0.1:1"}}).Send(ctx, []alert.Transition{down("1", 1)}); err == nil {
		t.Error("nobody was told, and that is well")
	}
}

// One member of a cluster is enough, over TLS, with a login.
func TestClusterLoginAndTLS(t *testing.T) {
	r := &receiver{open: map[string]map[string]string{}}
	var said []string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		said = append(said, req.Header.Get("Authorization"))
		r.ServeHTTP(w, req)
	}))
	defer server.Close()
	var ca bytes.Buffer
	if err := pem.Encode(&ca, &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, ca.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, cfg := range []Config{{Login: certs.Login{Username: "u", Password: "p"}}, {Login: certs.Login{Token: "t"}}} {
		cfg.Login.TLS.CAFile, cfg.URLs = file, []string{"http://127.0.0.1:1", server.URL + "/am"}
		if err := client(t, cfg).Send(t.Context(), []alert.Transition{down("1", 1)}); err != nil {
			t.Error(err)
		}
	}
	if d := cmp.Diff([]string{"Basic dTpw", "Bearer t"}, said); d != "" {
		t.Error(d)
	}
}

// An alert that is refused does not hold up the others, of which all are taken; if every one is refused, nothing was told.
func TestOneRefusedAlert(t *testing.T) {
	r := &receiver{open: map[string]map[string]string{}}
	all := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil || all || bytes.Contains(body, []byte(`"alert_id":"77"`)) {
			http.Error(w, "bad label", http.StatusBadRequest)
			return
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		r.ServeHTTP(w, req)
	}))
	defer server.Close()
	log, said := observer.New(zap.WarnLevel)
	c := client(t, Config{URLs: []string{server.URL + "/am", "http://127.0.0.1:1"}})
	c.cfg.Log = zap.New(log)
	var many []alert.Alert
	for i := range 700 {
		many = append(many, down(fmt.Sprint(i), 1).Alert)
	}
	if err := c.Refresh(t.Context(), many); err != nil || len(r.open) != 699 || r.open["77"] != nil {
		t.Errorf("%d are open: %v", len(r.open), err)
	}
	if said.FilterMessageSnippet("does not take an alert").Len() != 1 || said.FilterMessageSnippet("could not be told").Len() != 1 {
		t.Errorf("said %v", said.All())
	}
	all = true
	if err := c.Refresh(t.Context(), many[:3]); err == nil {
		t.Error("all were refused, and that is well")
	}
}
