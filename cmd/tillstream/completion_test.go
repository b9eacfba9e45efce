package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCompletion(t *testing.T) {
	for line, want := range map[string]string{
		"doc":                       "docs doctor",
		"sla st":                    "statement status",
		"doctor --s":                "--strict",
		"doctor --json --da":        "--data",
		"sql --format ":             "csv json table",
		"sql --format c":            "csv",
		"sql --format csv --d":      "--data --dsn",
		"apply -f deadletters --da": "--data",
		"config ":                   "check print",
		"completion ":               "bash fish zsh",
		"comple":                    "completion",
		"doctor --config ":          "",
		"no such ":                  "",
	} {
		var out strings.Builder
		code, stderr := tillstream(t, &out, append([]string{"complete", "--"}, strings.Split(line, " ")...)...)
		got := strings.Join(strings.Fields(out.String()), " ")
		if line == "no such " { // what is not understood is passed over
			if !strings.Contains(got, "doctor") {
				t.Errorf("%q: %q", line, got)
			}
			continue
		}
		if d := cmp.Diff(want, got); code != exitDone || d != "" {
			t.Errorf("%q: exit %d: %s\n%s", line, code, stderr, d)
		}
	}
	for shell, script := range completions {
		var out strings.Builder
		if code, stderr := tillstream(t, &out, "completion", shell); code != exitDone || out.String() != script {
			t.Errorf("%s: exit %d: %s", shell, code, stderr)
		}
	}
	check := exec.CommandContext(t.Context(), "bash", "-n")
	check.Stdin = strings.NewReader(completions["bash"])
	if said, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, said)
	}
}
