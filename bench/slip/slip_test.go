package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

func TestCompare(t *testing.T) {
	sale := func(name, input string, instructions, bytes float64) work {
		return work{Work: name, Events: 6, Input: input, Bytes: bytes, instructions: instructions}
	}
	before := []work{sale("sale: fold", "a", 1000, 100), sale("sale: seal", "a", 1000, 100), sale("report: fold", "a", 1000, 100)}
	for name, c := range map[string]struct {
		now    []work
		unit   string
		slower []string
		lost   []string
	}{
		"the same":                  {before, instructions, nil, nil},
		"a little":                  {[]work{sale("sale: fold", "a", 1029, 900)}, instructions, nil, nil},
		"dearer":                    {[]work{sale("sale: fold", "a", 1031, 100), sale("sale: seal", "a", 1500, 0)}, instructions, nil, []string{"sale: fold", "sale: seal"}},
		"as was said":               {[]work{sale("sale: fold", "a", 1500, 100)}, instructions, []string{"sale: fold, because it must"}, nil},
		"another was said":          {[]work{sale("sale: fold", "a", 1500, 100)}, instructions, []string{"sale: seal, because it must"}, []string{"sale: fold"}},
		"other input":               {[]work{sale("sale: fold", "b", 1500, 100)}, instructions, nil, nil},
		"new work":                  {[]work{sale("order: fold", "a", 1500, 100)}, instructions, nil, nil},
		"bytes":                     {[]work{sale("sale: fold", "a", 0, 120), sale("sale: seal", "a", 0, 114)}, allocations, nil, []string{"sale: fold"}},
		"bytes, and none were read": {[]work{sale("report: fold", "a", 1500, 114)}, allocations, nil, nil},
	} {
		if lost := compare(io.Discard, c.unit, before, c.now, 0.03, c.slower); !slices.Equal(lost, c.lost) {
			t.Errorf("%s: %q are dearer, want %q", name, lost, c.lost)
		}
	}
}

// What is built as the parent is the parent, whatever was changed, added, taken away, or is not known to git; and it says which work may be slower.
func TestParent(t *testing.T) {
	t.Chdir(t.TempDir())
	git := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
	write := func(files map[string]string) {
		t.Helper()
		for name, text := range files {
			if err := os.WriteFile(filepath.Join("processor", name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	events := func(program string) int {
		t.Helper()
		works, err := allocated(t.Context(), program, 0)
		if err != nil || len(works) != 1 {
			t.Fatalf("%v, %v", works, err)
		}
		return works[0].Events
	}
	alone := func(rev string) {
		t.Helper()
		if _, err := findParent(t.Context(), rev); !errors.Is(err, errAlone) {
			t.Errorf("%v, and there is no parent", err)
		}
	}
	alone("")
	if err := os.Mkdir("processor", 0o700); err != nil {
		t.Fatal(err)
	}
	write(map[string]string{
		"../go.mod": "module example.org/m\n\ngo 1.26\n", "a.go": "package processor\n\nvar events int\n",
		"b.go": "package processor\n\nfunc init() { events += 1 }\n", "c.go": "package processor\n\nfunc init() { events += 10 }\n",
	})
	git("init", "-q")
	git("add", ".")
	git("commit", "-q", "-m", "without work")
	write(map[string]string{"steps_test.go": "//go:build measure\n\npackage processor\n\nimport (\"fmt\"; \"testing\")\n\nfunc TestSteps(*testing.T) { fmt.Printf(`{\"Work\":\"w\",\"Events\":%d}`+\"\\n\", events) }\n"})
	git("add", ".")
	git("commit", "-q", "-m", "work")
	alone("")
	alone("HEAD^^")
	git("rm", "-q", "processor/b.go")
	write(map[string]string{"c.go": "package processor\n\nfunc init() { events += 20 }\n", "d.go": "package processor\n\nfunc init() { events += 100 }\n"})
	git("add", ".")
	git("commit", "-q", "-m", "more work\n\nDearer: w, because there is more\nDearer: v, too")

	of := func(before, now int, slower ...string) {
		t.Helper()
		p, err := findParent(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		was, is, err := p.build(t.Context(), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if events(was) != before || events(is) != now {
			t.Errorf("%d and %d, want %d and %d", events(was), events(is), before, now)
		}
		if said, err := p.said(t.Context()); err != nil || !slices.Equal(said, slower) {
			t.Errorf("%q may be slower, want %q (%v)", said, slower, err)
		}
	}
	of(11, 120, "w, because there is more", "v, too")
	write(map[string]string{"e.go": "package processor\n\nfunc init() { events += 1000 }\n"})
	of(120, 1120)
}
