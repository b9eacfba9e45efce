package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/cmd/tillstream/config"
	"github.com/tillstream/tillstream/cmd/tillstream/manifest"
	"github.com/tillstream/tillstream/processor/event"
)

func read(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// rows are the tables of a Markdown text: of each ## heading, the cells of the rows whose first cell is code.
func rows(text string) map[string][][]string {
	out := map[string][][]string{}
	heading := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if h, ok := strings.CutPrefix(line, "## "); ok {
			heading = h
		}
		if strings.HasPrefix(line, "| `") {
			cells := strings.Split(strings.Trim(line, "|"), "|")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			out[heading] = append(out[heading], cells)
		}
	}
	return out
}

func code(cell string) string { return strings.ReplaceAll(strings.Trim(cell, "`"), " ", "") }

// Every column of every public view is explained, in the order of the views, with its type.
func TestColumns(t *testing.T) {
	view := regexp.MustCompile(`(?s)CREATE OR REPLACE VIEW pos\.(\w+)\s*\n\((.*?)\n\)\nDEFINER`)
	files, err := filepath.Glob(filepath.Join("..", "schemas", "clickhouse", "*.sql"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{}
	for _, file := range files { // by number: a later migration replaces a view
		for _, m := range view.FindAllStringSubmatch(read(t, file), -1) {
			want[m[1]] = nil
			for line := range strings.Lines(m[2]) {
				if name, kind, ok := strings.Cut(strings.Trim(line, ", \n"), " "); ok {
					want[m[1]] = append(want[m[1]], name+" "+code(kind))
				}
			}
		}
	}
	got := map[string][]string{}
	for name, cells := range rows(read(t, "columns.md")) {
		for _, c := range cells {
			if len(c) != 4 || c[3] == "" {
				t.Errorf("%s: %q is not column, type, unit, meaning", name, c)
				continue
			}
			got[name] = append(got[name], code(c[0])+" "+code(c[1]))
		}
	}
	if len(want) == 0 {
		t.Fatal("no views were found")
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("columns.md and the views differ:\n%s", d)
	}
}

func TestReasons(t *testing.T) {
	var got []event.Reason
	for _, c := range rows(read(t, "dead-letters.md"))["Reasons"] {
		got = append(got, event.Reason(code(c[0])))
	}
	if d := cmp.Diff(event.Reasons(), got); d != "" {
		t.Errorf("dead-letters.md and the closed list differ:\n%s", d)
	}
}

// Keys that a text names exist. That its links lead somewhere is tested in pages.
func TestKeys(t *testing.T) {
	var known []string
	for _, k := range config.Keys() {
		known = append(known, k.Path)
	}
	key := regexp.MustCompile("`((?:kafka|clickhouse|processor|privacy|log)\\.[a-z_.]+)")
	files, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, filepath.Join("..", "README.md"))
	for _, file := range files {
		text := read(t, file)
		for _, m := range key.FindAllStringSubmatch(text, -1) {
			if !slices.ContainsFunc(known, func(k string) bool { return k == m[1] || strings.HasPrefix(k, m[1]+".") }) {
				t.Errorf("%s names the key %s, which does not exist", file, m[1])
			}
		}
	}
}

// What a text shows of files that are applied can be read.
func TestManifests(t *testing.T) {
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```")
	for _, file := range []string{"registry.md", "agreements.md"} {
		blocks := block.FindAllStringSubmatch(read(t, file), -1)
		if len(blocks) == 0 {
			t.Errorf("%s shows none", file)
		}
		for _, m := range blocks {
			if objects, problems := manifest.Read(file, []byte(m[1])); len(problems) > 0 || len(objects) == 0 {
				t.Errorf("%v in\n%s", problems, m[1])
			}
		}
	}
}
