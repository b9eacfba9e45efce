package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tillstream/tillstream/processor/registry"
)

// registered are the documents that a topic holds, by store, with the highest revision, and how many records there are.
func registered(t *testing.T, p *pipeline, records int) map[string]*registry.Store {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(p.broker), kgo.ConsumeTopics("pos.registry"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	out := map[string]*registry.Store{}
	for n := 0; n < records; {
		fetched := client.PollFetches(t.Context())
		if err := fetched.Err(); err != nil {
			t.Fatal(err)
		}
		fetched.EachRecord(func(r *kgo.Record) {
			n++
			var e struct {
				StoreID string `json:"store_id"`
			}
			if err := json.Unmarshal(r.Value, &e); err != nil || e.StoreID != string(r.Key) {
				t.Errorf("key %q of %s: %v", r.Key, r.Value, err)
			}
			body, rejection := registry.Read(r.Value)
			if rejection != nil {
				t.Fatalf("%v in %s", rejection, r.Value)
			}
			if s := body.(*registry.Store); out[s.ID] == nil || out[s.ID].Revision <= s.Revision {
				out[s.ID] = s
			}
		})
	}
	return out
}

func writeText(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func says(t *testing.T, said string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(said, want) {
			t.Errorf("nothing of %q in:\n%s", want, said)
		}
	}
}

// Files become rows and events; a dry run changes nothing, a second apply nothing, a change only what it touches, and an apply that was
// cut short between the two is finished by the next.
func TestPipelineApply(t *testing.T) {
	t.Parallel()
	p := newPipeline(t)
	cfg := writeConfig(t, p.broker, p.dsn, "")
	p.do("migrate", "--dsn", p.dsn)
	dir := t.TempDir()
	chain := readText(t, filepath.Join("..", "..", "schemas", "agreements", "examples", "chain.yaml"))
	file := filepath.Join(dir, "chain.yaml")
	writeText(t, file, chain)
	count := func(where string) int64 {
		return p.number("SELECT toInt64(count()) AS n FROM tillstream.registry WHERE " + where)
	}

	said := p.do("apply", "--config", cfg, "-f", dir, "--dry-run")
	says(t, said, "+ Store 0042", "+ Terminal t-7", "    + spec.timezone: Europe/Paris", "8 added, 0 changed, 0 removed", "nothing was changed")
	if strings.Contains(said, "the past") {
		t.Errorf("nothing was written yet:\n%s", said)
	}
	if n := count("1"); n != 0 {
		t.Errorf("a dry run wrote %d rows", n)
	}
	if code, stderr := tillstream(t, io.Discard, "apply", "--config", cfg, "-f", dir); code != exitUsage || !strings.Contains(stderr, "--yes") {
		t.Errorf("nobody to ask: exit %d, %s", code, stderr)
	}
	if n := count("1"); n != 0 {
		t.Errorf("nobody was asked, and %d rows were written", n)
	}

	says(t, p.do("apply", "--config", cfg, "-f", dir, "--yes", "--by", "ann", "--reason", "the first"), "revision 1 is in force; the lanes of 2 stores were told")
	if n := count("revision = 1 AND by = 'ann' AND reason = 'the first'"); n != 10 { // eight objects, two documents
		t.Errorf("%d rows of revision 1", n)
	}
	if said := p.do("apply", "--config", cfg, "-f", dir, "--yes"); said != "nothing changes\n" {
		t.Errorf("a second time: %s", said)
	}
	got := registered(t, p, 2)
	if got["0042"] == nil || got["0042"].Terminal("t-7") == nil || got["0043"] == nil {
		t.Errorf("stores in Kafka: %v", got)
	}

	writeText(t, file, strings.Replace(chain, `timezone: Europe/London`, `timezone: Europe/Dublin`, 1))
	says(t, p.do("apply", "--config", cfg, "-f", file, "--yes"), "~ Store 0043\n    ~ spec.timezone: Europe/London -> Europe/Dublin\n0 added, 1 changed, 0 removed", "revision 2 is in force; the lanes of 1 stores were told")
	if got := registered(t, p, 3); got["0043"].Revision != 2 || got["0043"].Zone(0).String() != "Europe/Dublin" || got["0042"].Revision != 1 {
		t.Errorf("after a change: %+v", got["0043"])
	}

	// As if it had died before Kafka had all.
	p.do("sql", "--dsn", p.dsn, "TRUNCATE TABLE tillstream.registry_sent")
	says(t, p.do("apply", "--config", cfg, "-f", file, "--yes"), "the lanes of 2 stores were told")
	registered(t, p, 5)
	if said := p.do("apply", "--config", cfg, "-f", file, "--yes"); said != "nothing changes\n" {
		t.Errorf("after it was mended: %s", said)
	}

	// What is not in the files stays, unless it is pruned.
	only := filepath.Join(t.TempDir(), "only.yaml")
	writeText(t, only, "{apiVersion: tillstream/v1, kind: Store, metadata: {name: \"0043\"}, spec: {timezone: Europe/Dublin}}\n")
	if said := p.do("apply", "--config", cfg, "-f", only, "--yes"); said != "nothing changes\n" {
		t.Errorf("a part of what is registered: %s", said)
	}
	// Of the past only what is written since data began.
	p.do("sql", "--dsn", p.dsn, "INSERT INTO tillstream.store_availability_hourly (lane, store_id, hour, version) SELECT '', '0042', toStartOfHour(now() - INTERVAL 40 DAY), 1")
	began := time.Now().UTC().AddDate(0, 0, -40).Format("2006-01")
	says(t, p.do("apply", "--config", cfg, "-f", only, "--yes", "--prune"), "- Store 0042", "! Store 0042: this changes the past: availability of "+began+" to ",
		"tillstream rebuild --config "+cfg+" --from "+began, "- Terminal t-7", "0 added, 0 changed, 7 removed", "the lanes of 2 stores were told")
	if got := registered(t, p, 7); !got["0042"].Removed || got["0043"].Removed || len(got["0043"].Terminals) != 0 {
		t.Errorf("after pruning: %+v", got)
	}
	if rows := p.do("sql", "--dsn", p.dsn, "--format", "csv", "SELECT store_id, timezone, terminals, revision FROM pos.stores"); !strings.Contains(rows, "0043,Europe/Dublin,0,3") || strings.Contains(rows, "0042") {
		t.Errorf("pos.stores: %s", rows)
	}

	// The lanes take them, and what was sent again counts once.
	p.fold(cfg, 7)
	if n := p.number("SELECT toInt64(count()) AS n FROM pos.dead_letters"); n != 0 {
		t.Errorf("%d dead letters", n)
	}
	if code, said := audit(t, p.data); code != exitDone {
		t.Errorf("audit exited %d: %s", code, said)
	}
}

func TestApplyRefuses(t *testing.T) {
	dir := t.TempDir()
	writeText(t, filepath.Join(dir, "a.yaml"), "apiVersion: tillstream/v1\nkind: Store\nmetadata: {name: a}\nspec:\n  timezone: UTC\n  sell_quorum: two\n")
	writeText(t, filepath.Join(dir, "b.yml"), "apiVersion: tillstream/v1\nkind: Shop\nmetadata: {name: b}\n")
	code, stderr := tillstream(t, io.Discard, "apply", "-f", dir, "--yes")
	if code != exitUsage {
		t.Errorf("exit %d", code)
	}
	says(t, stderr, filepath.Join(dir, "a.yaml")+":6: spec.sell_quorum: it takes a whole number", filepath.Join(dir, "b.yml")+":2: kind: it must be one of Holidays")
}
