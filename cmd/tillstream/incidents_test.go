package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/sinks/kafka"
)

const incidentLines = `
{"id":"1","source":"desk","type":"pos.incident.v1","time":"2026-11-02T10:05:00Z","store_id":"hq","incident_id":"INC-1","step":"opened","severity":"p1","started_at":"2026-11-02T10:00:00Z","detected_by":"system","cause":"DeviceOut","scope":{"stores":["0002","0001","0002"],"terminals":["a"]}}
{"id":"2","source":"desk","type":"pos.incident.v1","time":"2026-11-02T12:00:00Z","store_id":"0001","incident_id":"INC-1","step":"resolved","by":"ann"}
{"id":"3","source":"desk","type":"pos.incident.v1","time":"2026-11-02T10:15:00Z","store_id":"0001","incident_id":"INC-1","step":"acknowledged","by":"ann"}
{"id":"4","source":"desk","type":"pos.maintenance.v1","time":"2026-11-01T10:00:00Z","store_id":"0001","maintenance_id":"CHG-1","step":"announced","kind":"planned","window":{"start":"2026-11-03T01:00:00Z","end":"2026-11-03T03:00:00Z"}}
{"id":"5","source":"desk","type":"pos.maintenance.v1","time":"2026-11-01T11:00:00Z","store_id":"0001","maintenance_id":"CHG-1","step":"approved","approved_by":"bob"}
{"id":"6","source":"desk","type":"pos.maintenance.v1","time":"2026-11-03T01:30:00Z","store_id":"0001","maintenance_id":"CHG-1","step":"started"}
{"id":"7","source":"desk","type":"pos.maintenance.v1","time":"2026-11-03T02:30:00Z","store_id":"0001","maintenance_id":"CHG-1","step":"ended"}
{"id":"8","source":"t","type":"pos.health.v1","time":"2026-11-02T10:00:00Z","store_id":"0001","terminal_id":"a","sequence":1,"kind":"state_change","status":"down"}
{"id":"9","source":"t","type":"pos.health.v1","time":"2026-11-02T11:50:00Z","store_id":"0001","terminal_id":"a","sequence":2,"kind":"state_change","status":"up"}
{"id":"10","source":"desk","type":"pos.incident.v1","time":"2026-11-02T10:00:00Z","store_id":"0001","incident_id":"INC-2"}
`

// Steps go from a file into Kafka, once for each store of their scope, and into the views; a decision afterwards goes the same way.
func TestIncidentsAssign(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "incidents.jsonl")
	if err := os.WriteFile(file, []byte(incidentLines), 0o600); err != nil {
		t.Fatal(err)
	}
	p := newPipeline(t)
	cfg := writeConfig(t, p.broker, p.dsn, "")
	if said := p.do("ingest", "--config", cfg, file); !strings.Contains(said, "11 events sent\n") {
		t.Errorf("ingest said %s", said)
	}
	p.do("ingest", "--config", cfg, file) // once more changes nothing
	member := startMember(t, cfg)
	p.until(22)
	ask := func(query string) string { return p.do("sql", "--dsn", p.dsn, "--format", "csv", query) }
	same := func(what, want string) {
		t.Helper()
		_, got, _ := strings.Cut(strings.ReplaceAll(ask(what), "\r", ""), "\n")
		if d := cmp.Diff(want+"\n", got); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
	}
	incidents := "SELECT store_id, terminal_id, status, resolve_ms, outages, party, rule, assigned_by, reason, steps FROM pos.incidents ORDER BY store_id"
	same(incidents, "0001,a,resolved,7200000,1,provider,cause:DeviceOut,,,3\n0002,a,open,,0,provider,cause:DeviceOut,,,1")
	same("SELECT excluded_ms, approved_by, notice_ms FROM pos.maintenance", "3600000,bob,142200000")
	same("SELECT DISTINCT reason, field FROM pos.dead_letters", "missing_field,step")

	before := time.Now()
	said := p.do("incidents", "assign", "INC-1", "--store", "0001", "--config", cfg, "--wait", patience.String(), "--party", "third_party", "--supplier", "telco-x", "--cause", "UnreachableHost", "--reason", "they cut the line", "--by", "ann")
	for _, want := range []string{"third_party", "telco-x", "they cut the line", "incident:assigned", "acknowledged"} {
		if !strings.Contains(said, want) {
			t.Errorf("assign printed no %q: %s", want, said)
		}
	}
	same(incidents, "0001,a,resolved,7200000,1,third_party,incident:assigned,ann,they cut the line,4\n0002,a,open,,0,provider,cause:DeviceOut,,,1")
	same("SELECT step, by, party, cause, reason, toUnixTimestamp(at) >= "+fmt.Sprint(before.Unix())+" FROM pos.incident_steps WHERE by = 'ann' AND step = 'assigned'",
		"assigned,ann,third_party,UnreachableHost,they cut the line,1")
	if said := p.do("incidents", "show", "INC-1", "--store", "0001", "--dsn", p.dsn); !strings.Contains(said, "they cut the line") || !strings.Contains(said, "assigned") {
		t.Errorf("show: %s", said)
	}
	if said := p.do("incidents", "list", "--dsn", p.dsn, "--party", "third_party", "--format", "csv"); strings.Count(said, "\n") != 2 || !strings.Contains(said, "0001,INC-1,resolved,p1,a,") {
		t.Errorf("list: %s", said)
	}
	member.stop()

	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"INC-9", "--store", "0001", "--party", "provider", "--reason", "x"}, exitFailed, "store 0001 has no incident INC-9; see tillstream incidents list"},
		{[]string{"INC-1", "--store", "0001", "--party", "nobody", "--reason", "x"}, exitUsage, "--party must be one of"},
		{[]string{"INC-1", "--store", "0001", "--party", "provider", "--reason", " "}, exitUsage, "--reason is needed"},
		{[]string{"INC-1", "--store", "0001", "--party", "provider", "--reason", "x", "--cause", strings.Repeat("x", 129)}, exitUsage, "cause: expected at most 128 bytes"},
		// nobody folds any more
		{[]string{"INC-1", "--store", "0001", "--party", "provider", "--reason", "x", "--wait", "1s"}, exitFailed, "has not happened within 1s: is tillstream run at work?"},
	} {
		var out strings.Builder
		if code, stderr := tillstream(t, &out, append([]string{"incidents", "assign", "--config", cfg}, c.args...)...); code != c.code || !strings.Contains(stderr, c.says) {
			t.Errorf("%v exited %d: %s", c.args, code, stderr)
		}
	}
	p.do("audit", "--dsn", p.dsn)
}

func TestSpread(t *testing.T) {
	long := strings.Repeat("x", 120)
	for _, c := range []struct {
		name string
		head lineHead
		want []string // id of store
	}{
		{"no scope", lineHead{ID: "1", Type: "pos.incident.v1", StoreID: "a"}, nil},
		{"its own store", scoped("1", "pos.incident.v1", "a", "a"), nil},
		{"another store", scoped("1", "pos.incident.v1", "a", "b"), []string{"1@b of b"}},
		{"several", scoped("1", "pos.maintenance.v1", "", "b", "a", "b", ""), []string{"1@a of a", "1@b of b"}},
		{"not a thing with a scope", scoped("1", "pos.health.v1", "a", "b"), nil},
		{"no id", scoped("", "pos.incident.v1", "a", "b"), nil},
		{"a long id", scoped(long, "pos.incident.v1", "a", "store-22"), []string{"a digest"}},
	} {
		ev := kafka.Event{Topic: "pos.incidents", StoreID: c.head.StoreID, Value: []byte(`{"id":"1","store_id":"a","step":"x"}`)}
		got := spread(ev, c.head)
		if c.want == nil {
			if len(got) != 1 || string(got[0].Value) != string(ev.Value) {
				t.Errorf("%s: %d events", c.name, len(got))
			}
			continue
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: %d events", c.name, len(got))
			continue
		}
		for i := range got {
			id, store, _ := strings.Cut(c.want[i], " of ")
			if store == "" { // a digest
				if !strings.Contains(string(got[i].Value), `"store_id":"store-22"`) || strings.Contains(string(got[i].Value), long) {
					t.Errorf("%s: %s", c.name, got[i].Value)
				}
				continue
			}
			if want := `{"id":"` + id + `","step":"x","store_id":"` + store + `"}`; string(got[i].Value) != want || got[i].StoreID != store || got[i].Topic != ev.Topic {
				t.Errorf("%s: %s to store %s", c.name, got[i].Value, got[i].StoreID)
			}
		}
	}
}

func scoped(id, typ, store string, stores ...string) lineHead {
	h := lineHead{ID: id, Type: typ, StoreID: store}
	h.Scope.Stores = stores
	return h
}
