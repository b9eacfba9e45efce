package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A mapping is tried without Kafka and ClickHouse: the event goes to standard output, what would become of it to standard error.
func TestMap(t *testing.T) {
	t.Parallel()
	mapping := filepath.Join(t.TempDir(), "own.blobl")
	if err := os.WriteFile(mapping, []byte(`root = {"id":this.id,"source":"t","type":"pos.transaction.v1","time":"2026-11-23T10:00:00Z","store_id":"s","terminal_id":"t","kind":this.kind.uppercase()}`), 0o600); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "tillstream.yaml")
	if err := os.WriteFile(config, []byte("formats: {mappings: [pos.transactions="+mapping+"]}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		payload string
		args    []string
		code    int
		out     string
		says    string
	}{
		{`{"id":"1","kind":"sale"}`, []string{"--mapping", mapping}, exitDone, `"kind": "SALE"`, "accepted; 1 values are not known"},
		{`{"id":"4111111111111111","kind":"x"}`, []string{"--config", config}, exitDone, `"id": "************1111"`, "accepted"},
		{`{"id":"","kind":"x"}`, []string{"--config", config, "--topic", "pos.transactions"}, exitFailed, `"id": ""`, "would be a dead letter: missing_field: id"},
		{`{"id":"1","kind":7}`, []string{"--mapping", mapping}, exitFailed, "", "its line 1 fails"},
		{"{}\n{}", []string{"--mapping", mapping}, exitFailed, "", "`this` is text, since there is more than one value of JSON"},
		{`{"id":`, []string{"--mapping", mapping}, exitFailed, "", "its JSON is broken: unexpected EOF"},
		{"\x00\x00\x00\x00\x07\xff", []string{"--mapping", mapping}, exitFailed, "", "neither JSON nor text"},
		{`{}`, nil, exitUsage, "", "no mapping is chosen: give --mapping FILE, or --config"},
		{`{}`, []string{"--config", config, "--topic", "pos.health"}, exitUsage, "", "formats.mappings in --config (pos.transactions)"},
		{`{}`, []string{"--mapping", config}, exitUsage, "", "line 1: "},
	} {
		var out strings.Builder
		code, said := tillstreamWith(t, t.Context(), strings.NewReader(c.payload), &out, append([]string{"map", "--file", "-"}, c.args...)...)
		if code != c.code || !strings.Contains(out.String(), c.out) || c.out == "" && out.Len() > 0 || !strings.Contains(said, c.says) {
			t.Errorf("%v of %s exited %d: %s%s", c.args, c.payload, code, out.String(), said)
		}
	}
}
