package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor/event"
)

// compareMarketing reckons the views of marketing once more in Python (pandas, mlxtend, lifetimes) from the events of the real month, and compares row by row.
func compareMarketing(t *testing.T, data string, secret []byte) {
	t.Helper()
	dir := t.TempDir()
	create := func(name string) *os.File {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	events, pseudonyms := create("events.jsonl"), map[string]string{}
	eachLine(t, sharedFile(t, "transactions-2017-01.jsonl.zst"), func(line []byte) {
		var s rawSale
		if err := json.Unmarshal(line, &s); err != nil {
			t.Fatal(err)
		}
		if s.Customer != nil {
			pseudonyms[s.Customer.ID] = strconv.FormatUint(event.Pseudonym(secret, s.Customer.Type, s.Customer.ID), 10)
		}
		if _, err := fmt.Fprintf(events, "%s\n", line); err != nil {
			t.Fatal(err)
		}
	})
	names := create("pseudonyms.json")
	if err := json.NewEncoder(names).Encode(pseudonyms); err != nil {
		t.Fatal(err)
	}
	for view, where := range map[string]string{
		"best_sellers": "", "peak_hours": "", "rfm": "", "cohorts": "", "clv_inputs": "", "purchase_gaps": "", "affinity": " WHERE baskets >= 30",
	} {
		csv := create(view + ".csv")
		if code, stderr := tillstream(t, csv, "sql", "--data", data, "--format", "csv", "SELECT * FROM pos."+view+where); code != exitDone {
			t.Fatalf("%s: exit %d: %s", view, code, stderr)
		}
	}
	said, err := exec.CommandContext(t.Context(), python(t, filepath.Join("testdata", "marketing-requirements.txt")), filepath.Join("testdata", "marketing.py"), events.Name(), names.Name(), dir).CombinedOutput()
	want := "best_sellers 121767 rows\npeak_hours 6765 rows\nrfm 1982 rows\ncohorts 1 rows\nclv_inputs 1982 rows\npurchase_gaps 28 rows\naffinity 11588 rows\n"
	if d := cmp.Diff(want, string(said)); d != "" || err != nil {
		t.Errorf("views and the second computation (-expected +said): %v\n%s", err, d)
	}
}

// python gives the interpreter of an environment with the packages of a list, which is made once for each list.
func python(t *testing.T, requirements string) string {
	t.Helper()
	list, err := os.ReadFile(requirements)
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(list)
	dir := filepath.Join(cache, "tillstream", "python-"+hex.EncodeToString(hash[:6]))
	interpreter, done := filepath.Join(dir, "bin", "python"), filepath.Join(dir, "complete")
	if _, err := os.Stat(done); err == nil {
		return interpreter
	}
	for _, command := range [][]string{
		{"python3", "-m", "venv", "--clear", dir},
		{interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement", requirements},
	} {
		if said, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v (Python 3.11 or newer with venv is needed)\n%s", strings.Join(command, " "), err, said)
		}
	}
	if err := os.WriteFile(done, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return interpreter
}
